//! The protocol tete/1, without sockets, clock, terminal, files or tasks.
//!
//! A [`Session`](session::Session) is one side of one connection, and the way in. A caller
//!
//! - hands it the bytes that arrive ([`receive`](session::Session::receive)), and then acts on what
//!   happened, in order ([`event`](session::Session::event));
//! - sends what it has to say ([`transmit`](session::Session::transmit)), one record at a time, sealed only
//!   when the connection takes it, so that urgent frames overtake;
//! - calls [`tick`](session::Session::tick) at the [`deadline`](session::Session::deadline);
//! - passes on what its user does: types the partner's half of the code, writes, leaves.
//!
//! Time is a [`Duration`](std::time::Duration) since an origin of the caller's choice, on a clock that
//! runs while the machine sleeps. Randomness is a [trait](random::Randomness), so that a test can fix it.
//! An error has always closed the session already, or left its open room waiting for the next connection.
//!
//! # Example
//!
//! Two sessions pair, open a room, exchange a text and leave. A real program has a socket between them.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use tete::protocol::error::Error;
//! use tete::protocol::frame::Farewell;
//! use tete::protocol::handshake::Mode;
//! use tete::protocol::keys::StaticKey;
//! use tete::protocol::pairing::Verdict;
//! use tete::protocol::random::{OsRandom, Randomness};
//! use tete::protocol::session::{Event, Session, Settings, Stage};
//!
//! const NOW: Duration = Duration::ZERO;
//!
//! /// Sends everything that one side has to say to the other.
//! fn send(from: &mut Session, to: &mut Session) -> Result<(), Error> {
//!     while let Some(record) = from.transmit(NOW)? {
//!         let mut bytes = record.as_slice();
//!         while !bytes.is_empty() {
//!             to.receive(&mut bytes, NOW)?;
//!         }
//!     }
//!     Ok(())
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Strangers, with a fresh static key each.
//! let key = || Ok::<_, Error>(Arc::new(StaticKey::new(OsRandom.secret()?)?));
//! let mut joiner = Session::initiate(Mode::Pair(key()?), Box::new(OsRandom), Settings::default(), NOW)?;
//! let mut host = Session::respond(Mode::Pair(key()?), Box::new(OsRandom), Settings::default(), NOW);
//!
//! // Three records of handshake. Then the host decides that this is the caller to pair with.
//! send(&mut joiner, &mut host)?;
//! send(&mut host, &mut joiner)?;
//! send(&mut joiner, &mut host)?;
//! assert_eq!(host.stage(), Stage::Established);
//! host.admit();
//! send(&mut host, &mut joiner)?;
//! assert!(matches!(host.event(), Some(Event::Code)));
//! assert!(matches!(joiner.event(), Some(Event::Code)));
//!
//! // Each person reads the half on their screen aloud, and types the half that they hear.
//! let on_host = host.code().ok_or("no code")?.own.to_string();
//! let on_joiner = joiner.code().ok_or("no code")?.own.to_string();
//! assert_eq!(host.enter(&on_joiner), Some(Verdict::Right));
//! assert_eq!(joiner.enter(&on_host), Some(Verdict::Right));
//!
//! // Each side says so, and an answer to a ping proves to it that the other is in the room.
//! for _ in 0..2 {
//!     send(&mut host, &mut joiner)?;
//!     send(&mut joiner, &mut host)?;
//! }
//! for side in [&mut host, &mut joiner] {
//!     assert!(std::iter::from_fn(|| side.event()).any(|event| matches!(event, Event::Opened)));
//! }
//!
//! // A text, and its receipt.
//! host.say("Hello!".to_owned().into(), NOW)?;
//! send(&mut host, &mut joiner)?;
//! let Some(Event::Text(text)) = joiner.event() else { panic!("no text came") };
//! assert_eq!(text.text.as_str(), "Hello!");
//! joiner.shown(text.id);
//! send(&mut joiner, &mut host)?;
//! assert!(matches!(host.event(), Some(Event::Delivered(1))));
//!
//! // The end. Whoever leaves reads what is under way until the other closes the connection.
//! joiner.leave(Farewell::Done);
//! send(&mut joiner, &mut host)?;
//! assert!(matches!(host.event(), Some(Event::Left(Farewell::Done))));
//! assert_eq!((host.stage(), joiner.stage()), (Stage::Closed, Stage::Leaving));
//! # Ok(())
//! # }
//! ```
//!
//! # Modules
//!
//! From the inside out: [`keys`], [`resolver`] and [`random`] hold the cryptography, [`record`] and
//! [`frame`] the two formats, [`handshake`], [`channel`] and [`epoch`] the keys of a connection.
//! [`pairing`], [`delivery`] and [`transfer`] are the code, the texts and the files of a room, and
//! [`session`] joins them all. [`invite`] and [`replays`] serve a host that lets its partner in by an
//! invite. The specification is docs/PROTOCOL.md.

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
