//! An end-to-end encrypted private chat for exactly two people, in the terminal.
//!
//! One person hosts a room and the other joins it, over a local network, the internet, a relay
//! or Tor. Both read eight digits to each other, over the phone for example, and type what they
//! hear; from then on nobody else can read, change or forge what they write and send. There is
//! no server and no account, and keys and texts live in memory only. The README tells how to use
//! the program.
//!
//! This library is what the program `tete` is made of. **Its API is [`protocol`]**: the protocol
//! tete/1 without sockets, clock, terminal, files or tasks, for a bot, another front end or
//! another transport. Bytes and the time go in, records and events come out:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use tete::protocol::error::Error;
//! use tete::protocol::handshake::Mode;
//! use tete::protocol::keys::StaticKey;
//! use tete::protocol::random::{OsRandom, Randomness};
//! use tete::protocol::session::{Session, Settings, Stage};
//!
//! # fn main() -> Result<(), Error> {
//! let now = Duration::ZERO;
//! let key = Arc::new(StaticKey::new(OsRandom.secret()?)?);
//! let mut session = Session::initiate(Mode::Pair(key), Box::new(OsRandom), Settings::default(), now)?;
//!
//! let record = session.transmit(now)?.expect("record 1 is due at once");
//! assert_eq!(record.len(), 1280);
//! assert_eq!(session.stage(), Stage::Handshake);
//! # Ok(())
//! # }
//! ```
//!
//! [`protocol`] shows two such sessions that pair, talk and part.
//!
//! All other modules are hidden from this documentation. They serve the program, its tests and
//! its fuzzers, and change without notice; docs/ARCHITECTURE.md is their map.
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod protocol;

// Public for the program, its tests and its fuzzers only; no part of the API.
#[doc(hidden)]
pub mod address;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod clock;
#[doc(hidden)]
pub mod harden;
#[doc(hidden)]
pub mod interface;
#[doc(hidden)]
pub mod printable;
#[doc(hidden)]
pub mod room;
#[doc(hidden)]
pub mod store;
#[doc(hidden)]
pub mod system;
#[doc(hidden)]
pub mod thread;
#[doc(hidden)]
pub mod transport;
#[doc(hidden)]
pub mod ui;
