//! The protocol tete/1, without sockets, clock, terminal, files or tasks.
//!
//! docs/PROTOCOL.md is its specification. [`session`] is the way in.

pub mod channel;
pub mod delivery;
pub mod epoch;
pub mod error;
pub mod frame;
pub mod handshake;
pub mod invite;
pub mod keys;
pub mod pairing;
pub mod random;
pub mod record;
pub mod replays;
pub mod resolver;
pub mod role;
pub mod session;
pub mod transfer;
