//! What may happen when, between two sides of one connection.
//!
//! The only file that knows all phases. It has no socket, clock, terminal or
//! task: bytes and the time are passed in, records and events come out. Bytes
//! from the partner take the phase out and only success puts one back, so any
//! error leaves the session closed.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::channel::Channel;
use super::delivery::{Inbox, Incoming, Outbox, Refusal};
use super::error::{Error, Rejection, Wait};
use super::frame::{Frame, Token};
use super::handshake::{self, Established, Initiator, Opening, Responder, VERSION};
use super::keys::{Commitment, PublicKey, StaticKey, scrub_stack};
use super::pairing::{Entries, PairingCode, Verdict};
use super::random::Randomness;
use super::record::{Decoder, Record};

/// The whole handshake, from the first byte of the connection.
pub const HANDSHAKE: Duration = Duration::from_secs(15);
/// From record 3 to the responder's nonce.
pub const OPENING: Duration = Duration::from_secs(5);
/// A side that has nothing to say sends a PAD after so long.
pub const HEARTBEAT: Duration = Duration::from_secs(4);
/// A connection on which nothing moves for so long is given up.
pub const SILENCE: Duration = Duration::from_secs(10);

/// Reason of the FILE_CANCEL that declines an offer.
const DECLINED: u8 = 0;

/// Which end of the connection this side is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Opened the connection: the joiner.
    Initiator,
    /// Listened: the host.
    Responder,
}

/// How far a session has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The three records of the handshake.
    Handshake,
    /// The handshake is finished and the responder's nonce not yet opened.
    Established,
    /// Both sides show the code. Nothing can be said yet.
    Confirming,
    /// Both users have checked the code.
    Open,
    /// Over. No key is left.
    Closed,
}

/// What came from the partner.
pub enum Event {
    /// A text, to be made printable and shown.
    Text(Incoming),
    /// So many more of our texts were shown to the partner.
    Shown(usize),
    /// The partner offered files, which was declined.
    OfferDeclined,
    /// The partner left in order.
    Left,
}

/// One side of one connection.
///
/// `now` is always the time since an origin of the caller's choice, on a clock
/// that also runs while the machine sleeps.
pub struct Session {
    role: Role,
    random: Box<dyn Randomness>,
    confirmation: Duration,
    decoder: Decoder,
    phase: Phase,
    /// A record of the handshake that goes out before any other.
    pending: Option<Record>,
    leaving: bool,
    deadline: Option<(Duration, Wait)>,
    last_sent: Duration,
    last_received: Duration,
}

enum Phase {
    AwaitRecord1(Arc<StaticKey>),
    AwaitRecord2(Initiator),
    AwaitRecord3(Responder),
    Established { established: Established, admitted: bool },
    Confirming(Confirming),
    Open(Box<Room>),
    Closed,
}

struct Confirming {
    channel: Channel,
    code: PairingCode,
    keys: Keys,
    entries: Entries,
    confirmed: bool,
    verified_sent: bool,
    verified_received: bool,
}

struct Room {
    channel: Channel,
    code: PairingCode,
    keys: Keys,
    outbox: Outbox,
    inbox: Inbox,
    pong: Option<Token>,
    next_batch: u32,
    declined: Option<u32>,
}

/// The static keys of both sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keys {
    /// This side's.
    pub local: PublicKey,
    /// The partner's.
    pub remote: PublicKey,
}

impl Session {
    /// The initiator of a connection that was opened at `now`.
    ///
    /// `confirmation`: how long the two people may take to check the code.
    pub fn initiate(
        key: &StaticKey,
        mut random: Box<dyn Randomness>,
        confirmation: Duration,
        now: Duration,
    ) -> Result<Self, Error> {
        let (initiator, record) = Initiator::start(key, random.as_mut())?;
        let mut session = Self::new(Role::Initiator, Phase::AwaitRecord2(initiator), random, confirmation, now);
        session.pending = Some(record);
        Ok(session)
    }

    /// The responder of a connection that was accepted at `now`.
    pub fn respond(key: Arc<StaticKey>, random: Box<dyn Randomness>, confirmation: Duration, now: Duration) -> Self {
        Self::new(Role::Responder, Phase::AwaitRecord1(key), random, confirmation, now)
    }

    fn new(role: Role, phase: Phase, random: Box<dyn Randomness>, confirmation: Duration, now: Duration) -> Self {
        Self {
            role,
            random,
            confirmation,
            decoder: Decoder::default(),
            phase,
            pending: None,
            leaving: false,
            deadline: Some((now + HANDSHAKE, Wait::Handshake)),
            last_sent: now,
            last_received: now,
        }
    }

    /// How far the session has come.
    pub fn stage(&self) -> Stage {
        match self.phase {
            Phase::AwaitRecord1(_) | Phase::AwaitRecord2(_) | Phase::AwaitRecord3(_) => Stage::Handshake,
            Phase::Established { .. } => Stage::Established,
            Phase::Confirming(_) => Stage::Confirming,
            Phase::Open(_) => Stage::Open,
            Phase::Closed => Stage::Closed,
        }
    }

    /// Takes bytes from the front of `input`, at most one record's.
    ///
    /// To be called until `input` is empty. After an error only
    /// [`transmit`](Self::transmit) has something left to say, if the protocol
    /// answers such an error at all.
    pub fn receive(&mut self, input: &mut &[u8], now: Duration) -> Result<Option<Event>, Error> {
        if matches!(self.phase, Phase::Closed) {
            *input = &[];
            return Ok(None);
        }
        let step = match self.decoder.read(input) {
            Ok(None) => return Ok(None),
            Ok(Some(body)) => {
                self.last_received = now;
                let phase = std::mem::replace(&mut self.phase, Phase::Closed);
                step(phase, body, self.random.as_mut())
            }
            Err(error) => Err(error),
        };
        match step {
            Ok(Step { phase, record, event }) => {
                self.phase = phase;
                self.pending = record.or(self.pending.take());
                self.settle(now);
                Ok(event)
            }
            Err(error) => {
                self.close();
                if let Error::Version(_) = error {
                    self.pending = handshake::reject(Rejection::Version { min: VERSION, max: VERSION });
                }
                Err(error)
            }
        }
    }

    /// The next record to send, if there is one. The caller sends all of it, and in order.
    pub fn transmit(&mut self, now: Duration) -> Result<Option<Record>, Error> {
        let record = match self.pending.take() {
            Some(record) => Some(record),
            None => match self.seal_next(now) {
                Ok(record) => record,
                Err(error) => {
                    self.close();
                    return Err(error);
                }
            },
        };
        if record.is_some() {
            self.last_sent = now;
            self.settle(now);
        }
        Ok(record)
    }

    /// When [`tick`](Self::tick) is to be called at the latest.
    pub fn deadline(&self) -> Option<Duration> {
        let wait = self.deadline.map(|(at, _)| at);
        let heartbeat = self.beats().then(|| self.last_sent + HEARTBEAT);
        let silence = self.is_open().then(|| self.last_received + SILENCE);
        [wait, heartbeat, silence].into_iter().flatten().min()
    }

    /// Ends the session if a limit of time has run out.
    pub fn tick(&mut self, now: Duration) -> Result<(), Error> {
        let silent = self.is_open() && now >= self.last_received + SILENCE;
        let expired = match self.deadline {
            Some((at, wait)) if now >= at => Some(wait),
            _ if silent => Some(Wait::Silence),
            _ => None,
        };
        match expired {
            Some(wait) if !matches!(self.phase, Phase::Closed) => {
                self.close();
                Err(Error::Timeout(wait))
            }
            _ => Ok(()),
        }
    }

    /// Responder, established: this caller is the one to pair with. Its nonce is opened next.
    pub fn admit(&mut self) {
        if let (Role::Responder, Phase::Established { admitted, .. }) = (self.role, &mut self.phase) {
            *admitted = true;
        }
    }

    /// Responder, before record 2 is out: somebody else has the room.
    pub fn refuse_busy(&mut self) {
        if matches!(self.phase, Phase::AwaitRecord3(_)) {
            self.close();
            self.pending = handshake::reject(Rejection::Busy);
        }
    }

    /// The code, once this side may show it.
    pub fn code(&self) -> Option<&PairingCode> {
        match &self.phase {
            Phase::Confirming(confirming) => Some(&confirming.code),
            Phase::Open(room) => Some(&room.code),
            _ => None,
        }
    }

    /// The static keys of both sides, once the code is known.
    pub fn keys(&self) -> Option<Keys> {
        match &self.phase {
            Phase::Confirming(confirming) => Some(confirming.keys),
            Phase::Open(room) => Some(room.keys),
            _ => None,
        }
    }

    /// Judges the half that the user typed. `None` while there is no code to type,
    /// or after it was typed right. The last wrong one ends the session.
    pub fn enter(&mut self, typed: &str) -> Option<Verdict> {
        let confirming = self.unconfirmed()?;
        let verdict = confirming.entries.judge(&confirming.code, typed);
        match verdict {
            Verdict::Right => confirming.confirmed = true,
            Verdict::Wrong { tries_left: 0 } => self.leaving = true,
            _ => {}
        }
        Some(verdict)
    }

    /// The user compared both halves and says whether they are the same on both screens.
    /// If not, the session ends.
    pub fn compared(&mut self, same: bool) {
        if let Some(confirming) = self.unconfirmed() {
            confirming.confirmed = same;
            self.leaving |= !same;
        }
    }

    /// Whether this side's user has checked the code.
    pub fn is_confirmed(&self) -> bool {
        match &self.phase {
            Phase::Confirming(confirming) => confirming.confirmed,
            Phase::Open(_) => true,
            _ => false,
        }
    }

    /// Takes a text to send and returns its number.
    pub fn say(&mut self, text: Zeroizing<String>, now: Duration) -> Result<u32, Refusal> {
        match &mut self.phase {
            Phase::Open(room) if !self.leaving => room.outbox.push(text, now),
            _ => Err(Refusal::NotOpen),
        }
    }

    /// Whether a text of any allowed length would be taken now.
    pub fn can_say(&self) -> bool {
        matches!(&self.phase, Phase::Open(room) if !self.leaving && room.outbox.has_room())
    }

    /// Our user was shown every text up to and including `id`.
    pub fn shown(&mut self, id: u32) {
        if let Phase::Open(room) = &mut self.phase {
            room.inbox.shown(id);
        }
    }

    /// Our texts that the partner has not been shown yet.
    pub fn waiting(&self) -> usize {
        match &self.phase {
            Phase::Open(room) => room.outbox.waiting(),
            _ => 0,
        }
    }

    /// Says BYE once everything else is out; the session is closed when that was transmitted.
    pub fn leave(&mut self) {
        match self.phase {
            Phase::Confirming(_) | Phase::Open(_) => self.leaving = true,
            _ => self.close(),
        }
    }

    fn unconfirmed(&mut self) -> Option<&mut Confirming> {
        match &mut self.phase {
            Phase::Confirming(confirming) if !confirming.confirmed && !self.leaving => Some(confirming),
            _ => None,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// Whether heartbeats go out: the responder's first frame must be its nonce.
    fn beats(&self) -> bool {
        matches!(self.phase, Phase::Confirming(_) | Phase::Open(_))
    }

    fn close(&mut self) {
        self.phase = Phase::Closed;
        self.pending = None;
        self.deadline = None;
        scrub_stack();
    }

    /// Moves on where a frame that was sent or received completed a phase, and sets its limit of time.
    fn settle(&mut self, now: Duration) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Confirming(confirming) if confirming.verified_sent && confirming.verified_received => {
                self.decoder.allow_large();
                let Confirming { channel, code, keys, .. } = confirming;
                Phase::Open(Box::new(Room {
                    channel,
                    code,
                    keys,
                    outbox: Outbox::default(),
                    inbox: Inbox::default(),
                    pong: None,
                    next_batch: 0,
                    declined: None,
                }))
            }
            phase => phase,
        };
        let limit = |wait| match (&self.deadline, wait) {
            (Some((at, same)), wait) if *same == wait => (*at, wait),
            (_, Wait::Opening) => (now + OPENING, wait),
            (_, Wait::Confirmation) => (now + self.confirmation, wait),
            (_, wait) => (now + HANDSHAKE, wait),
        };
        self.deadline = match self.phase {
            Phase::Established { .. } => Some(limit(Wait::Opening)),
            Phase::Confirming(_) => Some(limit(Wait::Confirmation)),
            Phase::Open(_) | Phase::Closed => None,
            _ => self.deadline,
        };
    }

    fn seal_next(&mut self, now: Duration) -> Result<Option<Record>, Error> {
        if let Phase::Established { admitted: true, .. } = self.phase {
            return self.open_nonce().map(Some);
        }
        let beat = now >= self.last_sent + HEARTBEAT;
        let (channel, frame) = match &mut self.phase {
            Phase::Confirming(confirming) => {
                let frame = if confirming.confirmed && !confirming.verified_sent {
                    confirming.verified_sent = true;
                    Some(Frame::Verified)
                } else {
                    None
                };
                (&mut confirming.channel, frame)
            }
            Phase::Open(room) => {
                let Room { channel, outbox, inbox, pong, declined, .. } = room.as_mut();
                let frame = inbox
                    .next_receipt()
                    .or_else(|| pong.take().map(Frame::Pong))
                    .or_else(|| declined.take().map(|batch| Frame::FileCancel { batch, reason: DECLINED }))
                    .or_else(|| outbox.next_part(now));
                (channel, frame)
            }
            _ => return Ok(None),
        };
        let frame = match frame {
            Some(frame) => frame,
            None if self.leaving => Frame::Bye,
            None if beat => Frame::Pad,
            None => return Ok(None),
        };
        let record = channel.seal(&frame)?;
        if frame == Frame::Bye {
            self.close();
        }
        Ok(Some(record))
    }

    /// The responder's first frame: from here on it knows, and may show, the code.
    fn open_nonce(&mut self) -> Result<Record, Error> {
        let Phase::Established { established, .. } = std::mem::replace(&mut self.phase, Phase::Closed) else {
            return Err(Error::OutOfOrder);
        };
        let Established { mut channel, hash, local, remote, opening: Opening::Nonce(nonce) } = established else {
            return Err(Error::OutOfOrder);
        };
        let record = channel.seal(&Frame::SasOpen(nonce.0.expose()))?;
        let code = PairingCode::new(self.role, &nonce, &hash);
        self.phase = Phase::Confirming(Confirming::new(channel, code, Keys { local, remote }));
        Ok(record)
    }
}

impl Confirming {
    fn new(channel: Channel, code: PairingCode, keys: Keys) -> Self {
        Self {
            channel,
            code,
            keys,
            entries: Entries::default(),
            confirmed: false,
            verified_sent: false,
            verified_received: false,
        }
    }
}

/// Where one record leads.
struct Step {
    phase: Phase,
    record: Option<Record>,
    event: Option<Event>,
}

impl Step {
    fn to(phase: Phase) -> Result<Self, Error> {
        Ok(Self { phase, record: None, event: None })
    }
}

fn step(phase: Phase, body: &[u8], random: &mut dyn Randomness) -> Result<Step, Error> {
    match phase {
        Phase::AwaitRecord1(key) => {
            let (responder, record) = Responder::accept(&key, body, random)?;
            Ok(Step { phase: Phase::AwaitRecord3(responder), record: Some(record), event: None })
        }
        Phase::AwaitRecord2(initiator) => {
            let (record, established) = initiator.finish(body, random)?;
            let phase = Phase::Established { established, admitted: false };
            Ok(Step { phase, record: Some(record), event: None })
        }
        Phase::AwaitRecord3(responder) => {
            Step::to(Phase::Established { established: responder.finish(body)?, admitted: false })
        }
        Phase::Established { established, .. } => first_frame(established, body),
        Phase::Confirming(confirming) => confirming_frame(confirming, body),
        Phase::Open(room) => room_frame(room, body),
        Phase::Closed => Err(Error::OutOfOrder),
    }
}

/// The initiator checks the commitment before it knows, let alone shows, a code.
fn first_frame(established: Established, body: &[u8]) -> Result<Step, Error> {
    let Established { mut channel, hash, local, remote, opening } = established;
    let Opening::Committed(commitment) = opening else { return Err(Error::OutOfOrder) };
    let Frame::SasOpen(nonce) = channel.open(body)? else { return Err(Error::OutOfOrder) };
    let nonce = {
        let mut secret = super::keys::Secret::default();
        *secret.expose_mut() = *nonce;
        super::keys::PairingNonce(secret)
    };
    if Commitment::new(remote, &nonce) != commitment {
        return Err(Error::Commitment);
    }
    let code = PairingCode::new(Role::Initiator, &nonce, &hash);
    Step::to(Phase::Confirming(Confirming::new(channel, code, Keys { local, remote })))
}

fn confirming_frame(mut confirming: Confirming, body: &[u8]) -> Result<Step, Error> {
    match confirming.channel.open(body)? {
        Frame::Pad | Frame::Ping(_) | Frame::Pong(_) => {}
        Frame::Verified if !confirming.verified_received => confirming.verified_received = true,
        Frame::Bye => return left(),
        _ => return Err(Error::OutOfOrder),
    }
    Step::to(Phase::Confirming(confirming))
}

fn room_frame(mut room: Box<Room>, body: &[u8]) -> Result<Step, Error> {
    let event = match room.channel.open(body)? {
        Frame::Pad | Frame::Pong(_) | Frame::Extension(_) => None,
        Frame::Text { id, age_ms, more, part } => room.inbox.part(id, age_ms, more, part)?.map(Event::Text),
        Frame::Receipt { id } => match room.outbox.receipt(id)? {
            0 => None,
            count => Some(Event::Shown(count)),
        },
        Frame::Ping(token) => {
            room.pong = Some(token);
            None
        }
        Frame::FileOffer { batch } if batch == room.next_batch && room.declined.is_none() => {
            room.next_batch = batch.checked_add(1).ok_or(Error::Exhausted)?;
            room.declined = Some(batch);
            Some(Event::OfferDeclined)
        }
        Frame::FileCancel { batch, .. } if batch < room.next_batch => None,
        Frame::Bye => return left(),
        _ => return Err(Error::OutOfOrder),
    };
    Ok(Step { phase: Phase::Open(room), record: None, event })
}

fn left() -> Result<Step, Error> {
    Ok(Step { phase: Phase::Closed, record: None, event: Some(Event::Left) })
}
