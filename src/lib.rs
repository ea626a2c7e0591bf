//! tete: an end-to-end encrypted private chat for exactly two people, in the terminal.
//!
//! ```text
//! main -> { room, ui } -> interface -> { printable, address, protocol }
//!         room -> { store, transport } -> protocol::session -> the rest of protocol
//! ```
//!
//! Arrows only point down, and `tests/layering.rs` sees to it. [`protocol`] is
//! sans-IO: bytes and the time go in, records and events come out. [`room`]
//! owns one session and joins it to the user, the wire ([`transport`]) and the
//! clock. It and the front ends ([`ui`]) know nothing of each other but the
//! vocabulary of [`interface`]. [`printable`], [`address`], [`clock`] and
//! [`harden`] stand alone.
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod address;
pub mod cli;
pub mod clock;
pub mod harden;
pub mod interface;
pub mod printable;
pub mod protocol;
pub mod room;
pub mod store;
pub mod transport;
pub mod ui;
