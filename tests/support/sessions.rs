//! Two sessions, an in-memory wire and a clock that moves only when told to.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tete::protocol::error::Error;
use tete::protocol::frame::Farewell;
use tete::protocol::handshake::Mode;
use tete::protocol::keys::{Secret, StaticKey};
use tete::protocol::random::{OsRandom, Randomness};
use tete::protocol::record::SMALL;
use tete::protocol::session::{Event, Role, Session, Settings, Stage};
use zeroize::Zeroizing;

/// A secret of the given bytes.
pub fn secret(bytes: &[u8]) -> Secret {
    let mut secret = Secret::default();
    secret.expose_mut().copy_from_slice(bytes);
    secret
}

/// A fresh static key pair.
pub fn static_key() -> StaticKey {
    StaticKey::new(OsRandom.secret().unwrap()).unwrap()
}

/// The mode of somebody whom nobody knows.
pub fn pairing() -> Mode {
    Mode::Pair(Arc::new(static_key()))
}

/// An initiator that has chosen nothing.
pub fn initiator(mode: Mode, now: Duration) -> Session {
    Session::initiate(mode, Box::new(OsRandom), Settings::default(), now).unwrap()
}

/// A responder that has chosen nothing.
pub fn responder(mode: Mode, now: Duration) -> Session {
    Session::respond(mode, Box::new(OsRandom), Settings::default(), now)
}

/// One side: a session, what it has written and what it has said.
pub struct Side {
    /// The session under test.
    pub session: Session,
    /// Records on their way to the other side.
    pub sent: VecDeque<Vec<u8>>,
    /// What came from the partner, in order.
    pub texts: Vec<String>,
    /// How many of its own texts were shown.
    pub shown: usize,
    /// The room was open.
    pub opened: bool,
    /// Changes of the keys by which the partner comes back.
    pub renewed: usize,
    /// The partner left in order, and why.
    pub left: Option<Farewell>,
    /// Why the session ended.
    pub error: Option<Error>,
}

/// Both sides of a connection by which the joiner `i` comes back to the host `r`, up to the host's first record: it
/// goes by which of its keys the joiner's first record is made with.
pub fn returning(i: &Session, r: &Session, now: Duration) -> [Session; 2] {
    let mut joiner = initiator(Mode::Resume(i.resume_key().unwrap()), now);
    let record = joiner.transmit(now).unwrap().unwrap();
    let host = r.resume_keys().into_iter().find_map(|key| {
        let mut host = responder(Mode::Resume(key), now);
        host.receive(&mut record.as_slice(), now).ok().map(|()| host)
    });
    [joiner, host.expect("the host does not know the partner's key")]
}

impl Side {
    /// Wraps a session.
    pub fn new(session: Session) -> Self {
        Self {
            session,
            sent: VecDeque::new(),
            texts: Vec::new(),
            shown: 0,
            opened: false,
            renewed: 0,
            left: None,
            error: None,
        }
    }

    /// Takes the room of `before` over, as the partner is back by this connection.
    pub fn into_room(mut self, mut before: Self, now: Duration) -> Self {
        self.session.admit();
        self.drain(now);
        if self.error.is_none() {
            assert!(self.session.take_over(&mut before.session, now));
            self.opened = true;
            self.take(&[], now);
        }
        self
    }

    /// Collects every record the session has to send.
    pub fn drain(&mut self, now: Duration) {
        loop {
            match self.session.transmit(now) {
                Ok(Some(record)) => self.sent.push_back(record.to_vec()),
                Ok(None) => return,
                Err(error) => return self.error = Some(error),
            }
        }
    }

    /// Hands bytes to the session and acts on what comes out: texts are shown at once.
    pub fn take(&mut self, mut bytes: &[u8], now: Duration) {
        while !bytes.is_empty() {
            if let Err(error) = self.session.receive(&mut bytes, now) {
                self.error = Some(error);
                break;
            }
        }
        while let Some(event) = self.session.event() {
            match event {
                Event::Opened => self.opened = true,
                Event::Text(text) => {
                    assert!(self.opened, "a text before the room was open");
                    self.session.shown(text.id);
                    self.texts.push(text.text.to_string());
                }
                Event::Delivered(count) => self.shown += count,
                Event::ResumeKeys => self.renewed += 1,
                Event::Left(why) => self.left = Some(why),
                _ => {}
            }
        }
    }
}

/// Both sides and the time.
pub struct Pair {
    /// The initiator.
    pub i: Side,
    /// The responder.
    pub r: Side,
    /// Time on the fake clock.
    pub now: Duration,
}

impl Default for Pair {
    fn default() -> Self {
        let now = Duration::from_secs(1_000);
        Self::of(initiator(pairing(), now), responder(pairing(), now), now)
    }
}

impl Pair {
    /// A pair of the given sessions.
    pub fn of(i: Session, r: Session, now: Duration) -> Self {
        Self { i: Side::new(i), r: Side::new(r), now }
    }

    /// The side of that role.
    pub fn side(&mut self, role: Role) -> &mut Side {
        match role {
            Role::Initiator => &mut self.i,
            Role::Responder => &mut self.r,
        }
    }

    /// Moves records both ways, through `tamper`, until neither side has more to say.
    pub fn run_through(&mut self, mut tamper: impl FnMut(Role, Vec<u8>) -> Vec<u8>) {
        loop {
            self.i.drain(self.now);
            self.r.drain(self.now);
            if self.r.session.stage() == Stage::Established {
                self.r.session.admit();
                self.r.drain(self.now);
            }
            if self.i.sent.is_empty() && self.r.sent.is_empty() {
                return;
            }
            for record in std::mem::take(&mut self.i.sent) {
                self.r.take(&tamper(Role::Initiator, record), self.now);
            }
            for record in std::mem::take(&mut self.r.sent) {
                self.i.take(&tamper(Role::Responder, record), self.now);
            }
        }
    }

    /// Moves records both ways, untouched.
    pub fn run(&mut self) {
        self.run_through(|_, record| record);
    }

    /// Both users read out and type the halves.
    pub fn confirm(&mut self) {
        self.run();
        let halves = [&self.i, &self.r].map(|side| side.session.code().unwrap().own.to_string());
        self.i.session.enter(&halves[1]);
        self.r.session.enter(&halves[0]);
        self.run();
    }

    /// An open room.
    pub fn open() -> Self {
        let mut pair = Self::default();
        pair.confirm();
        assert_eq!(pair.stages(), (Stage::Open, Stage::Open));
        pair
    }

    /// How far both sides are.
    pub fn stages(&self) -> (Stage, Stage) {
        (self.i.session.stage(), self.r.session.stage())
    }

    /// One side says a text.
    pub fn say(&mut self, role: Role, text: &str) {
        let now = self.now;
        self.side(role).session.say(Zeroizing::new(text.to_owned()), now).unwrap();
    }
}

/// A small record's bytes with the byte at `place` changed.
pub fn flipped(record: &[u8], place: usize, mask: u8) -> Vec<u8> {
    assert_eq!(record.len(), SMALL);
    let mut out = record.to_vec();
    out[place] ^= mask;
    out
}
