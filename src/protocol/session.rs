//! The session: one side of one connection, from the handshake to the end.
//!
//! This is the only module that knows all phases of a connection, and so the one that
//! decides what may happen when. Bytes from the partner take the phase out of the
//! session, and only success puts one back. Any error thus leaves the session closed, or
//! [away](Stage::Away) if the connection failed and not the partner: without a key, and
//! with an open room that waits for the next connection.

mod room;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::delivery::{Incoming, SayError};
use super::epoch::Chain;
use super::error::{Error, Rejection, Wait};
use super::frame::{Farewell, Frame};
use super::handshake::{self, Established, Initiator, Keys, Known, Mode, Opening, Responder, ResumeKey, VERSION};
use super::keys::{Commitment, PairingNonce, Secret, scrub_stack};
use super::pairing::{Entries, PairingCode, Verdict};
use super::random::Randomness;
use super::record::{Decoder, Record};
pub use super::role::Role;
use super::transfer::receiving::Receiving;
use super::transfer::sending::Sending;
use super::transfer::{Received, Sent};
pub use room::{EPOCH, EPOCH_BYTES, EPOCH_CHANGE, EPOCH_FRAMES, EPOCH_WITH_TEXTS};
use room::{Link, Room};

/// Time limit for the whole handshake, from the first byte of the connection.
pub const HANDSHAKE: Duration = Duration::from_secs(15);
/// Time limit from record 3 to the responder's nonce.
pub const OPENING: Duration = Duration::from_secs(5);
/// Time after which a side that has nothing to send sends a PAD.
pub const HEARTBEAT: Duration = Duration::from_secs(4);
/// Time after which a connection on which nothing arrives is given up.
pub const SILENCE: Duration = Duration::from_secs(10);
/// Time limit of a resumed connection from the handshake to RESUME.
const RESUMING: Duration = HANDSHAKE;
/// Time limit for the return of an initiator that has never received VERIFIED.
pub const RETURN_UNVERIFIED: Duration = Duration::from_secs(60);

/// The stage that a session has reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The three records of the handshake are under way.
    Handshake,
    /// The handshake is finished, and the responder has not opened its nonce. A responder waits for
    /// [`admit`](Session::admit).
    Established,
    /// Both sides can show the code, and nothing can be said yet.
    Confirming,
    /// The partner of an open room is back by this connection, and the room is still with the earlier one. Waits for
    /// [`take_over`](Session::take_over).
    Returning,
    /// The room is with this connection, and both sides tell each other what they lack.
    Resuming,
    /// The room is open: VERIFIED went both ways.
    Open,
    /// This side's VERIFIED is out or the room is open, and the connection is lost. Texts wait.
    Away,
    /// This side has left an open room: BYE is out, and only receipts are taken.
    Leaving,
    /// The partner has left an open room, and receipts for its texts are still to be sent.
    Left,
    /// The session is over and keeps no key.
    Closed,
}

/// The user's choices for a session.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Time limit for the two people's check of the code.
    pub confirmation: Duration,
    /// Time limit for the partner's return to an open room after the connection was lost.
    pub linger: Duration,
    /// Interval of cover traffic, if it is wanted: an open room then sends exactly one record in each interval.
    pub cover: Option<Duration>,
    /// Whether the connection leads through Tor, where time limits are longer.
    pub tor: bool,
}

/// Factor by which time limits are longer through Tor.
const TOR: u32 = 4;
/// [`SILENCE`] through Tor.
const SILENCE_TOR: Duration = Duration::from_secs(45);

impl Settings {
    /// Time limit for the whole handshake on this kind of connection.
    pub fn handshake(&self) -> Duration {
        self.stretch(HANDSHAKE)
    }

    /// Time after which this kind of connection is given up if nothing arrives.
    pub fn silence(&self) -> Duration {
        if self.tor { SILENCE_TOR } else { SILENCE }
    }

    /// Stretches a time limit of a plain connection for this kind of connection.
    pub fn stretch(&self, limit: Duration) -> Duration {
        if self.tor { limit * TOR } else { limit }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            confirmation: Duration::from_secs(300),
            linger: Duration::from_secs(24 * 60 * 60),
            cover: None,
            tor: false,
        }
    }
}

/// Something that happened between the two sides, reported once by [`Session::event`], in order.
///
/// A caller that acts on each event before it takes the next never has to look at the session to find out what
/// happened meanwhile.
pub enum Event {
    /// Both sides know the code of this connection, and both users have to check it.
    Code,
    /// This side's VERIFIED is out: the partner may be in the open room from here on, and may come back to it.
    Verified,
    /// The room is open for both sides: VERIFIED went both ways, and a frame came that only an open room sends. Comes
    /// before any text of the room.
    Opened,
    /// The partner comes back by other [keys](Session::resume_keys) from here on.
    ResumeKeys,
    /// The partner is back by another connection, and the room is open again.
    Resumed,
    /// A text arrived. Make it printable, show it, then call [`Session::shown`].
    Text(Incoming),
    /// That many more of this side's texts were delivered to the partner.
    Delivered(usize),
    /// Something happened to the batch that this side sends.
    Sent(Sent),
    /// Something happened to the batch that the partner sends.
    Received(Received),
    /// The partner ended a batch, or one in each direction.
    Cancelled {
        /// Whether the batch that this side sends has ended.
        sending: bool,
        /// Whether the batch that the partner sends has ended.
        receiving: bool,
    },
    /// The partner left in order, for the reason it gives.
    Left(Farewell),
}

/// One side of one connection, and its room while the room is with this connection.
///
/// A lost connection leaves the session [away](Stage::Away) once this side's VERIFIED is out. A new session in mode 0x02, made with its
/// [`resume_key`](Self::resume_key), then [takes over](Self::take_over) the room.
///
/// Every `now` is the time since an origin of the caller's choice, on a clock that runs while the machine sleeps.
pub struct Session {
    role: Role,
    random: Box<dyn Randomness>,
    settings: Settings,
    decoder: Decoder,
    phase: Phase,
    /// A record of the handshake that goes out before any other.
    pending: Option<Record>,
    /// Events that were not taken yet: at most three for each record that was received or sent.
    events: VecDeque<Event>,
    /// The reason of the BYE with which this side is leaving. It says nothing else any more.
    leaving: Option<Farewell>,
    /// Number of texts that were not delivered when the room ended.
    undelivered: usize,
    /// No code needs to be checked.
    invited: bool,
    deadline: Option<(Duration, Wait)>,
    last_sent: Duration,
    last_received: Duration,
    /// Time of the next record of cover traffic, once the room is open.
    next_tick: Option<Duration>,
}

enum Phase {
    AwaitRecord1(Mode),
    AwaitRecord2(Initiator),
    AwaitRecord3(Responder),
    Established { established: Established, admitted: bool },
    Confirming(Confirming),
    Returning(Box<Verifying>),
    Resuming { verifying: Box<Verifying>, room: Box<Room>, greeted: bool },
    Open { link: Box<Link>, room: Box<Room>, greeted: bool },
    Away(Box<Room>),
    Leaving { link: Box<Link>, room: Box<Room> },
    Left { link: Box<Link>, room: Box<Room> },
    Closed,
}

struct Confirming {
    verifying: Box<Verifying>,
    entries: Entries,
    confirmed: bool,
}

impl Confirming {
    /// The room in which the partner may be, once this side's VERIFIED is out.
    fn room(&self) -> Option<Box<Room>> {
        self.verifying.sent.then(|| Box::new(Room::new(self.verifying.link.resume.clone())))
    }
}

/// Both sides show the same code, and VERIFIED goes both ways.
struct Verifying {
    link: Link,
    sent: bool,
    received: bool,
    /// The partner has left, before the room could move to this connection.
    left: Option<Farewell>,
}

/// Beginning, bytes and events.
impl Session {
    /// Starts the initiator's side of a connection that was opened at `now`.
    ///
    /// # Errors
    ///
    /// [`Error::Primitive`] if no key can be made.
    pub fn initiate(
        mode: Mode,
        mut random: Box<dyn Randomness>,
        settings: Settings,
        now: Duration,
    ) -> Result<Self, Error> {
        let invited = matches!(mode, Mode::Secret(_));
        let (initiator, record) = Initiator::start(mode, random.as_mut())?;
        let mut session = Self::new(Role::Initiator, Phase::AwaitRecord2(initiator), random, settings, now);
        session.invited = invited;
        session.pending = Some(record);
        Ok(session)
    }

    /// Starts the responder's side of a connection that was accepted at `now`.
    pub fn respond(mode: Mode, random: Box<dyn Randomness>, settings: Settings, now: Duration) -> Self {
        let invited = matches!(mode, Mode::Secret(_));
        Self { invited, ..Self::new(Role::Responder, Phase::AwaitRecord1(mode), random, settings, now) }
    }

    fn new(role: Role, phase: Phase, random: Box<dyn Randomness>, settings: Settings, now: Duration) -> Self {
        Self {
            role,
            random,
            settings,
            decoder: Decoder::default(),
            phase,
            pending: None,
            events: VecDeque::new(),
            leaving: None,
            undelivered: 0,
            invited: false,
            deadline: Some((now + settings.handshake(), Wait::Handshake)),
            last_sent: now,
            last_received: now,
            next_tick: None,
        }
    }

    /// The stage that the session has reached.
    pub fn stage(&self) -> Stage {
        match self.phase {
            Phase::AwaitRecord1(_) | Phase::AwaitRecord2(_) | Phase::AwaitRecord3(_) => Stage::Handshake,
            Phase::Established { .. } => Stage::Established,
            Phase::Confirming(_) => Stage::Confirming,
            Phase::Returning(_) => Stage::Returning,
            Phase::Resuming { .. } => Stage::Resuming,
            Phase::Open { .. } => Stage::Open,
            Phase::Away(_) => Stage::Away,
            Phase::Leaving { .. } => Stage::Leaving,
            Phase::Left { .. } => Stage::Left,
            Phase::Closed => Stage::Closed,
        }
    }

    /// The settings of this session.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Takes bytes from the front of `input`, at most one record. Call it until `input` is empty.
    ///
    /// Afterwards [`event`](Self::event) reports what happened. Bytes for a session that is over are dropped.
    ///
    /// # Errors
    ///
    /// The session is closed, or [away](Stage::Away) with its open room if
    /// [the connection failed and not the partner](Error::is_of_the_line). Call [`transmit`](Self::transmit) once
    /// more: some errors are answered.
    pub fn receive(&mut self, input: &mut &[u8], now: Duration) -> Result<(), Error> {
        if matches!(self.phase, Phase::Away(_) | Phase::Left { .. } | Phase::Closed) {
            *input = &[];
            return Ok(());
        }
        // After a long sleep the bytes come too late.
        self.tick(now)?;
        let undelivered = self.waiting();
        let step = match self.decoder.read(input) {
            Ok(None) => return Ok(()),
            Ok(Some(body)) => {
                self.last_received = now;
                self.undelivered = undelivered;
                let phase = std::mem::replace(&mut self.phase, Phase::Closed);
                step(phase, body, self.random.as_mut(), self.settings.cover.is_some(), now)
            }
            Err(error) => Err(Failure { error, room: self.take_room() }),
        };
        match step {
            Ok(Step { phase, record, event, proof }) => {
                self.phase = phase;
                self.pending = record.or(self.pending.take());
                if proof && self.room_mut().is_some_and(Room::prove) {
                    self.events.push_back(Event::Opened);
                }
                self.events.extend(event);
                self.settle(now);
                Ok(())
            }
            Err(Failure { error, room }) => {
                self.fail(error, room, now);
                if let Error::Version(_) = error {
                    self.pending = handshake::reject(Rejection::Version { min: VERSION, max: VERSION });
                }
                Err(error)
            }
        }
    }

    /// Takes the next event, in order.
    ///
    /// Call it until there is none after each [`receive`](Self::receive), also one that failed, and after each
    /// [`transmit`](Self::transmit), as sending VERIFIED can open the room.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Seals the next record to send, if one is due. The caller must send all records whole and in order.
    ///
    /// # Errors
    ///
    /// [`Error::Exhausted`] and [`Error::Primitive`]. The session is closed.
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

    /// Whether [`transmit_data`](Self::transmit_data) has a record.
    pub fn has_data(&self) -> bool {
        let Phase::Open { room, greeted: true, .. } = &self.phase else { return false };
        self.leaving.is_none() && !self.is_paced() && room.sending.has_items()
    }

    /// Seals the next record of file data and appends it to `out`. `false` if there is none.
    ///
    /// Call it when [`transmit`](Self::transmit) has nothing and the connection takes bytes at once, since nothing
    /// can overtake a record that is sealed. With cover traffic file data go by `transmit`.
    ///
    /// # Errors
    ///
    /// [`Error::Exhausted`] and [`Error::Primitive`]. The session is closed.
    pub fn transmit_data(&mut self, out: &mut Vec<u8>, now: Duration) -> Result<bool, Error> {
        if !self.has_data() {
            return Ok(false);
        }
        let Phase::Open { link, room, .. } = &mut self.phase else { return Ok(false) };
        let sent = room.next_data(link, out);
        match sent {
            Ok(true) => self.last_sent = now,
            Ok(false) => {}
            Err(_) => self.close(),
        }
        sent
    }

    /// Whether records are sent at the ticks of cover traffic only.
    pub fn is_paced(&self) -> bool {
        self.settings.cover.is_some() && matches!(self.phase, Phase::Open { .. })
    }
}

/// Time limits.
impl Session {
    /// The time at which to call [`tick`](Self::tick) and [`transmit`](Self::transmit) at the latest.
    pub fn deadline(&self) -> Option<Duration> {
        let heartbeat = self.beats().then(|| self.last_sent + HEARTBEAT);
        let (epoch, cover) = match &self.phase {
            Phase::Open { link, .. } => (link.deadline(), self.settings.cover.and(self.next_tick)),
            Phase::Left { room, .. } if room.inbox.owes_receipt() => (None, self.settings.cover.and(self.next_tick)),
            _ => (None, None),
        };
        // With cover traffic nothing goes out between two ticks, whatever is due.
        let due = cover.or_else(|| [heartbeat, epoch].into_iter().flatten().min());
        [self.limit(), due].into_iter().flatten().min()
    }

    /// The time at which to call [`tick`](Self::tick) at the latest while the connection takes no bytes.
    pub fn limit(&self) -> Option<Duration> {
        let wait = self.deadline.map(|(at, _)| at);
        let silence = self.hears().then(|| self.last_received + self.settings.silence());
        let late = match &self.phase {
            Phase::Open { link, .. } => link.late_at(),
            _ => None,
        };
        [wait, silence, late].into_iter().flatten().min()
    }

    /// Ends the connection if a time limit was reached, and the room if the partner did not return in time.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`], with the same consequences as in [`receive`](Self::receive).
    pub fn tick(&mut self, now: Duration) -> Result<(), Error> {
        let silent = self.hears() && now >= self.last_received + self.settings.silence();
        let late = matches!(&self.phase, Phase::Open { link, .. } if link.late_at().is_some_and(|by| now >= by));
        let expired = match self.deadline {
            Some((at, wait)) if now >= at => Some(wait),
            _ if silent => Some(Wait::Silence),
            _ if late => Some(Wait::EpochChange),
            _ => None,
        };
        match expired {
            Some(wait) if !matches!(self.phase, Phase::Closed) => {
                let error = Error::Timeout(wait);
                let room = self.take_room();
                self.fail(error, room, now);
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// The time when a record last came from the partner.
    pub fn last_received(&self) -> Duration {
        self.last_received
    }

    /// The time since which the partner owes a sign of life, or an answer to a PING.
    pub fn in_doubt_since(&self) -> Duration {
        match &self.phase {
            Phase::Open { link, .. } => link.unanswered().unwrap_or(self.last_received).min(self.last_received),
            _ => self.last_received,
        }
    }
}

/// Admission and the code.
impl Session {
    /// Admits the caller of an [established](Stage::Established) responder: it is the one to pair with, and the nonce is
    /// opened next.
    pub fn admit(&mut self) {
        if let (Role::Responder, Phase::Established { admitted, .. }) = (self.role, &mut self.phase) {
            *admitted = true;
        }
    }

    /// Refuses the caller of a responder before record 2 is sent, as somebody else has the room.
    pub fn refuse_busy(&mut self) {
        if matches!(self.phase, Phase::AwaitRecord3(_)) {
            self.close();
            self.pending = handshake::reject(Rejection::Busy);
        }
    }

    /// The code of this connection, once this side may show it.
    pub fn code(&self) -> Option<&PairingCode> {
        match &self.phase {
            Phase::Confirming(Confirming { verifying, .. }) | Phase::Resuming { verifying, .. } => {
                Some(&verifying.link.code)
            }
            Phase::Open { link, .. } => Some(&link.code),
            _ => None,
        }
    }

    /// The static public keys of both sides, once the code is known.
    pub fn keys(&self) -> Option<Keys> {
        match &self.phase {
            Phase::Confirming(confirming) => Some(confirming.verifying.link.resume.keys()),
            _ => self.resume_key().map(|resume| resume.keys()),
        }
    }

    /// Judges the half of the code that the user typed. The last wrong entry ends the session.
    ///
    /// `None` while there is no code to type, and once it was typed right.
    pub fn enter(&mut self, typed: &str) -> Option<Verdict> {
        let confirming = self.unconfirmed()?;
        let verdict = confirming.entries.judge(&confirming.verifying.link.code, typed);
        match verdict {
            Verdict::Right => confirming.confirmed = true,
            Verdict::Wrong { tries_left: 0 } => self.leaving = Some(Farewell::CodesDiffer),
            _ => {}
        }
        Some(verdict)
    }

    /// Reports that the user has compared both halves, and whether they are the same on both screens. If not, the
    /// session ends.
    pub fn compared(&mut self, same: bool) {
        if let Some(confirming) = self.unconfirmed() {
            confirming.confirmed = same;
            if !same {
                self.leaving = Some(Farewell::CodesDiffer);
            }
        }
    }

    /// Whether the room's first handshake was in mode 0x01, by a secret that was handed over.
    pub fn is_invited(&self) -> bool {
        self.invited
    }

    /// Whether this side's user has checked the code.
    pub fn is_confirmed(&self) -> bool {
        match &self.phase {
            Phase::Confirming(confirming) => confirming.confirmed,
            _ => self.room().is_some(),
        }
    }

    /// Whether the partner's side has said that its user has checked the code.
    pub fn is_partner_confirmed(&self) -> bool {
        match &self.phase {
            Phase::Confirming(confirming) => confirming.verifying.received,
            _ => self.room().is_some(),
        }
    }
}

/// The open room: texts, files and keys.
impl Session {
    /// Queues a text and returns its number. While the room has no connection the text waits.
    ///
    /// # Errors
    ///
    /// [`SayError`] if the text is too long, too many wait, or no room is open. The session continues unchanged.
    pub fn say(&mut self, text: Zeroizing<String>, now: Duration) -> Result<u32, SayError> {
        let ending = self.is_ending();
        match self.room_mut() {
            Some(room) if !ending => room.outbox.push(text, now),
            _ => Err(SayError::NotOpen),
        }
    }

    /// Whether a text of any allowed length would be accepted now.
    pub fn can_say(&self) -> bool {
        !self.is_ending() && self.room().is_some_and(|room| room.outbox.has_room())
    }

    /// Reports that every text up to and including `id` was shown to this side's user. The partner gets a receipt.
    pub fn shown(&mut self, id: u32) {
        if let Some(room) = self.room_mut() {
            room.inbox.shown(id);
        }
    }

    /// Number of this side's texts that were not delivered to the partner yet, or had not been when the room ended.
    pub fn waiting(&self) -> usize {
        self.room().map_or(self.undelivered, |room| room.outbox.waiting())
    }

    /// Whether more items of this side's files should be [fed](Sending::feed).
    pub fn wants_items(&self) -> bool {
        self.room().is_some_and(|room| room.sending.wants_items())
    }

    /// Number of connections that the room has lost. After each, entries of files that were under way must be accepted
    /// again.
    pub fn losses(&self) -> u64 {
        self.room().map_or(0, |room| room.losses)
    }

    /// The files that this side sends, once the room is open.
    pub fn sending(&mut self) -> Option<&mut Sending> {
        if self.is_ending() { None } else { self.room_mut().map(|room| &mut room.sending) }
    }

    /// The files that the partner sends, once the room is open.
    pub fn receiving(&mut self) -> Option<&mut Receiving> {
        if self.is_ending() { None } else { self.room_mut().map(|room| &mut room.receiving) }
    }

    /// Number of the epoch, and the time when it began, while the room has a connection.
    pub fn epoch(&self) -> Option<(u32, Duration)> {
        match &self.phase {
            Phase::Open { link, .. } => Some(link.epoch()),
            _ => None,
        }
    }

    /// Starts an epoch change, or as a responder asks the initiator for one. `false` while the room has no connection.
    pub fn change_epoch(&mut self) -> bool {
        if let Phase::Open { link, .. } = &mut self.phase {
            link.want_change();
        }
        matches!(self.phase, Phase::Open { .. })
    }

    /// Sends a PING soon, to learn the [round-trip time](Self::round_trip). Never with cover traffic.
    pub fn measure(&mut self) {
        if self.settings.cover.is_none()
            && let Phase::Open { link, .. } = &mut self.phase
        {
            link.measure();
        }
    }

    /// Time that the partner took to answer the last PING of this connection.
    pub fn round_trip(&self) -> Option<Duration> {
        match &self.phase {
            Phase::Open { link, .. } => link.round_trip(),
            _ => None,
        }
    }
}

/// Loss of the connection, and return.
impl Session {
    /// Handles the loss of the connection: a room in which the partner may be waits for its return, anything else is
    /// over. A room that this side is leaving waits, too, so that BYE can be said.
    pub fn lost(&mut self, now: Duration) {
        match self.take_room() {
            Some(room) => self.away(room, now),
            None => self.close(),
        }
    }

    /// The newest key for a handshake that resumes the room, once this session has one. An initiator uses no other.
    pub fn resume_key(&self) -> Option<Arc<ResumeKey>> {
        match &self.phase {
            Phase::Confirming(Confirming { verifying, .. }) if verifying.sent => Some(verifying.link.resume.clone()),
            _ => self.room().map(|room| room.resume.newest().clone()),
        }
    }

    /// All keys by which the partner may come back to the room: two while a responder does not know whether the
    /// partner has the newest, else one.
    pub fn resume_keys(&self) -> Vec<Arc<ResumeKey>> {
        match self.room() {
            Some(room) => room.resume.all().cloned().collect(),
            None => self.resume_key().into_iter().collect(),
        }
    }

    /// Whether this session is [returning](Stage::Returning) to the room that `before` has.
    pub fn returns_to(&self, before: &Self) -> bool {
        match &self.phase {
            Phase::Returning(verifying) => {
                before.resume_keys().iter().any(|key| Arc::ptr_eq(key, &verifying.link.resume))
            }
            _ => false,
        }
    }

    /// Moves the room from the session `before` to this one, by which the partner has come back.
    ///
    /// Does nothing and returns `false` unless this session [returns to](Self::returns_to) that room. Otherwise `before`
    /// is closed.
    pub fn take_over(&mut self, before: &mut Self, now: Duration) -> bool {
        if !self.returns_to(before) {
            return false;
        }
        let (Phase::Returning(verifying), Some(mut room)) =
            (std::mem::replace(&mut self.phase, Phase::Closed), before.take_room())
        else {
            return false;
        };
        before.close();
        if let Some(why) = verifying.left {
            self.undelivered = room.outbox.waiting();
            self.deadline = None;
            self.events.push_back(Event::Left(why));
            return true;
        }
        room.lost();
        self.phase = Phase::Resuming { verifying, room, greeted: false };
        self.deadline = Some((now + self.settings.stretch(RESUMING), Wait::Opening));
        (self.leaving, self.invited) = (before.leaving, before.invited);
        true
    }
}

/// The end.
impl Session {
    /// Leaves: once everything else is sent, [`transmit`](Self::transmit) sends BYE with the reason. The session is
    /// closed then, or [leaving](Stage::Leaving) an open room: receipts are still taken until the partner's BYE comes or
    /// the session is dropped.
    ///
    /// The first reason counts: a failed check of the code stays one whatever the user does next.
    pub fn leave(&mut self, why: Farewell) {
        match self.phase {
            Phase::Confirming(_) | Phase::Resuming { .. } | Phase::Open { .. } | Phase::Away(_) => {
                self.leaving.get_or_insert(why);
            }
            Phase::Leaving { .. } | Phase::Left { .. } => {}
            _ => self.close(),
        }
    }

    /// Whether receipts for the partner's texts are still to be sent before the connection may be closed.
    pub fn owes_receipts(&self) -> bool {
        matches!(self.phase, Phase::Left { .. })
    }
}

impl Session {
    fn unconfirmed(&mut self) -> Option<&mut Confirming> {
        match &mut self.phase {
            Phase::Confirming(confirming) if !confirming.confirmed && self.leaving.is_none() => Some(confirming),
            _ => None,
        }
    }

    /// Whether one of the two is leaving, so that nothing new is said.
    fn is_ending(&self) -> bool {
        self.leaving.is_some() || matches!(self.phase, Phase::Left { .. })
    }

    fn room(&self) -> Option<&Room> {
        match &self.phase {
            Phase::Open { room, .. }
            | Phase::Resuming { room, .. }
            | Phase::Away(room)
            | Phase::Leaving { room, .. }
            | Phase::Left { room, .. } => Some(room),
            _ => None,
        }
    }

    fn room_mut(&mut self) -> Option<&mut Room> {
        match &mut self.phase {
            Phase::Open { room, .. }
            | Phase::Resuming { room, .. }
            | Phase::Away(room)
            | Phase::Leaving { room, .. }
            | Phase::Left { room, .. } => Some(room),
            _ => None,
        }
    }

    /// Takes the room that outlives the connection, if there is one, and so leaves the session closed.
    fn take_room(&mut self) -> Option<Box<Room>> {
        match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Open { room, .. }
            | Phase::Resuming { room, .. }
            | Phase::Away(room)
            | Phase::Leaving { room, .. } => Some(room),
            Phase::Confirming(confirming) if confirming.verifying.sent => confirming.room(),
            phase => {
                self.phase = phase;
                None
            }
        }
    }

    /// Whether silence of the partner ends the connection.
    fn hears(&self) -> bool {
        match &self.phase {
            Phase::Confirming(confirming) => confirming.verifying.sent,
            phase => matches!(phase, Phase::Resuming { .. } | Phase::Open { .. }),
        }
    }

    /// Whether heartbeats are sent. Not before the responder's nonce, which must be its first frame.
    fn beats(&self) -> bool {
        matches!(self.phase, Phase::Confirming(_) | Phase::Resuming { .. } | Phase::Open { .. })
    }

    fn fail(&mut self, error: Error, room: Option<Box<Room>>, now: Duration) {
        match room {
            Some(room) if error.is_of_the_line() => self.away(room, now),
            room => {
                self.undelivered = room.map_or(self.undelivered, |room| room.outbox.waiting());
                self.close();
            }
        }
    }

    fn away(&mut self, mut room: Box<Room>, now: Duration) {
        self.close();
        room.lost();
        // The partner cannot be in the room for longer without this side's VERIFIED: that came before its own.
        let limit = if self.role == Role::Initiator && !room.entered {
            self.settings.stretch(RETURN_UNVERIFIED).min(self.settings.linger)
        } else {
            self.settings.linger
        };
        self.phase = Phase::Away(room);
        self.deadline = Some((now + limit, Wait::Return));
    }

    fn close(&mut self) {
        self.undelivered = self.waiting();
        self.phase = Phase::Closed;
        self.pending = None;
        self.deadline = None;
        scrub_stack();
    }

    /// Enters the next phase if a frame that was sent or received completed this one, and sets its time limit.
    fn settle(&mut self, now: Duration) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Confirming(Confirming { verifying, .. }) if verifying.sent && verifying.received => {
                let mut room = Box::new(Room::new(verifying.link.resume.clone()));
                room.entered = true;
                let mut link = Box::new(verifying.link);
                link.ask();
                Phase::Open { link, room, greeted: true }
            }
            phase => phase,
        };
        if matches!(&self.phase, Phase::Left { room, .. } if room.inbox.is_settled()) {
            self.close();
        }
        if self.room_mut().is_some_and(|room| room.resume.take_change()) {
            self.events.push_back(Event::ResumeKeys);
        }
        if matches!(self.phase, Phase::Open { .. }) && self.next_tick.is_none() {
            self.decoder.allow_large();
            self.next_tick = Some(now);
        }
        let limit = |wait| match (&self.deadline, wait) {
            (Some((at, same)), wait) if *same == wait => (*at, wait),
            (_, Wait::Opening) => (now + self.settings.stretch(OPENING), wait),
            (_, wait) => (now + self.settings.confirmation, wait),
        };
        self.deadline = match self.phase {
            Phase::Established { .. } => Some(limit(Wait::Opening)),
            // Nobody is waited for.
            Phase::Confirming(_) if self.invited => Some(limit(Wait::Opening)),
            Phase::Confirming(_) => Some(limit(Wait::Confirmation)),
            Phase::Open { ref room, .. } if !room.proved => Some(limit(Wait::Proof)),
            Phase::Open { .. } | Phase::Leaving { .. } | Phase::Left { .. } | Phase::Closed => None,
            _ => self.deadline,
        };
    }

    fn seal_next(&mut self, now: Duration) -> Result<Option<Record>, Error> {
        if let Phase::Established { admitted: true, .. } = self.phase {
            return self.open_nonce(now).map(Some);
        }
        let tick = self.settings.cover.and(self.next_tick);
        if tick.is_some_and(|tick| now < tick) {
            return Ok(None);
        }
        let due = match &mut self.phase {
            Phase::Confirming(confirming) if confirming.confirmed => {
                let record = confirming.verifying.verify()?;
                self.events.extend(record.is_some().then_some(Event::Verified));
                record
            }
            // Nobody needs to check a code: only the partner has the room's secret and the key.
            Phase::Resuming { verifying, room, greeted } => match verifying.verify()? {
                None if verifying.received => greet(&mut verifying.link, room, greeted)?,
                record => record,
            },
            Phase::Open { link, room, greeted } => match greet(link, room, greeted)? {
                None => room.next_record(link, self.random.as_mut(), now)?,
                record => record,
            },
            Phase::Left { link, room } => room.next_receipt(link)?,
            _ => None,
        };
        let frame = match (due, &self.phase) {
            (Some(record), _) => {
                self.pass_tick(now);
                return Ok(Some(record));
            }
            (None, Phase::Confirming(_) | Phase::Open { .. }) if self.leaving.is_some() => {
                Frame::Bye { reason: self.leaving.unwrap_or_default() }
            }
            _ if tick.is_some() || now >= self.last_sent + HEARTBEAT => Frame::Pad,
            _ => return Ok(None),
        };
        let record = match &mut self.phase {
            Phase::Confirming(Confirming { verifying, .. }) | Phase::Resuming { verifying, .. } => {
                verifying.link.seal(&frame)?
            }
            Phase::Open { link, .. } => link.seal(&frame)?,
            _ => return Ok(None),
        };
        self.pass_tick(now);
        if let Frame::Bye { .. } = frame {
            match std::mem::replace(&mut self.phase, Phase::Closed) {
                Phase::Open { link, room, .. } => self.phase = Phase::Leaving { link, room },
                _ => self.close(),
            }
        }
        Ok(Some(record))
    }

    /// Sets the next tick of cover traffic. Ticks missed in a stall are skipped, as a burst would show.
    fn pass_tick(&mut self, now: Duration) {
        if let (Some(interval), Some(tick)) = (self.settings.cover, self.next_tick) {
            let next = tick + interval;
            self.next_tick = Some(if next > now { next } else { now + interval });
        }
    }

    /// Seals the responder's first frame, which opens the nonce. From then on it may show the code.
    fn open_nonce(&mut self, now: Duration) -> Result<Record, Error> {
        let Phase::Established { established, .. } = std::mem::replace(&mut self.phase, Phase::Closed) else {
            return Err(Error::OutOfOrder);
        };
        let Established { mut channel, hash, chain, resume, opening: Opening::Nonce(nonce), known } = established
        else {
            return Err(Error::OutOfOrder);
        };
        let record = channel.seal(&Frame::SasOpen(nonce.0.expose()))?;
        let code = PairingCode::new(self.role, &nonce, &hash);
        let paced = self.settings.cover.is_some();
        let link = Link::new(self.role, channel, code, resume, Chain::new(chain, hash), paced, now);
        self.phase = verifying(link, known, None);
        self.events.extend(to_check(known));
        Ok(record)
    }
}

impl Verifying {
    /// Seals VERIFIED, once.
    fn verify(&mut self) -> Result<Option<Record>, Error> {
        if std::mem::replace(&mut self.sent, true) { Ok(None) } else { self.link.seal(&Frame::Verified).map(Some) }
    }
}

/// Seals RESUME, once.
fn greet(link: &mut Link, room: &Room, greeted: &mut bool) -> Result<Option<Record>, Error> {
    if std::mem::replace(greeted, true) { Ok(None) } else { link.seal(&room.greeting()).map(Some) }
}

/// The phase that follows once both sides can know the code.
fn verifying(link: Link, known: Known, left: Option<Farewell>) -> Phase {
    let verifying = Box::new(Verifying { link, sent: false, received: false, left });
    match known {
        Known::Room => Phase::Returning(verifying),
        Known::No | Known::Secret => {
            Phase::Confirming(Confirming { verifying, entries: Entries::default(), confirmed: known == Known::Secret })
        }
    }
}

/// The event of a code that people have to check.
fn to_check(known: Known) -> Option<Event> {
    (known == Known::No).then_some(Event::Code)
}

/// The result of one record.
struct Step {
    phase: Phase,
    record: Option<Record>,
    event: Option<Event>,
    /// Only an open room sends such a record.
    proof: bool,
}

impl Step {
    fn to(phase: Phase) -> Result<Self, Failure> {
        Ok(Self { phase, record: None, event: None, proof: false })
    }

    fn answered(phase: Phase, record: Record) -> Result<Self, Failure> {
        Ok(Self { phase, record: Some(record), event: None, proof: false })
    }
}

/// Why a record ends the connection, and the room that the session had.
struct Failure {
    error: Error,
    room: Option<Box<Room>>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, room: None }
    }
}

fn step(phase: Phase, body: &[u8], random: &mut dyn Randomness, paced: bool, now: Duration) -> Result<Step, Failure> {
    match phase {
        Phase::AwaitRecord1(mode) => {
            let (responder, record) = Responder::accept(mode, body, random)?;
            Step::answered(Phase::AwaitRecord3(responder), record)
        }
        Phase::AwaitRecord2(initiator) => {
            let (record, established) = initiator.finish(body, random)?;
            Step::answered(Phase::Established { established, admitted: false }, record)
        }
        Phase::AwaitRecord3(responder) => {
            Step::to(Phase::Established { established: responder.finish(body)?, admitted: false })
        }
        Phase::Established { established, admitted } => match established.opening {
            Opening::Committed(commitment) => first_frame(established, &commitment, body, paced, now),
            Opening::Nonce(_) => early_frame(established, admitted, body, paced, now),
        },
        Phase::Confirming(mut confirming) => match unopened_frame(&mut confirming.verifying, body) {
            Ok(None) => Step::to(Phase::Confirming(confirming)),
            Ok(Some(Unopened::Left(why))) => left(why),
            Ok(Some(Unopened::Resume(_))) => Err(Error::OutOfOrder.into()),
            Err(error) => Err(Failure { error, room: confirming.room() }),
        },
        Phase::Returning(verifying) if verifying.left.is_some() => Step::to(Phase::Returning(verifying)),
        Phase::Returning(mut verifying) => match unopened_frame(&mut verifying, body)? {
            None => Step::to(Phase::Returning(verifying)),
            Some(Unopened::Left(why)) => {
                verifying.left = Some(why);
                Step::to(Phase::Returning(verifying))
            }
            Some(Unopened::Resume(_)) => Err(Error::OutOfOrder.into()),
        },
        Phase::Resuming { mut verifying, mut room, greeted } => {
            let frame = match unopened_frame(&mut verifying, body) {
                Ok(frame) => frame,
                Err(error) => return Err(Failure { error, room: Some(room) }),
            };
            if verifying.received {
                room.entered = true;
                room.resume.settle(&verifying.link.resume);
            }
            match frame {
                None => Step::to(Phase::Resuming { verifying, room, greeted }),
                Some(Unopened::Left(why)) => left(why),
                Some(Unopened::Resume(next_id)) => {
                    room.outbox.resume(next_id)?;
                    let phase = Phase::Open { link: Box::new(verifying.link), room, greeted };
                    Ok(Step { phase, record: None, event: Some(Event::Resumed), proof: true })
                }
            }
        }
        Phase::Open { mut link, mut room, greeted } => match room.take(&mut link, body, random, now, false) {
            Ok((event, proof)) => {
                let phase = match event {
                    Some(Event::Left(_)) => Phase::Left { link, room },
                    _ => Phase::Open { link, room, greeted },
                };
                Ok(Step { phase, record: None, event, proof })
            }
            Err(error) => Err(Failure { error, room: Some(room) }),
        },
        Phase::Leaving { mut link, mut room } => match room.take(&mut link, body, random, now, true) {
            Ok((Some(Event::Left(_)), _)) => Step::to(Phase::Closed),
            Ok((event, _)) => Ok(Step { phase: Phase::Leaving { link, room }, record: None, event, proof: false }),
            Err(error) => Err(Failure { error, room: Some(room) }),
        },
        Phase::Away(_) | Phase::Left { .. } | Phase::Closed => Err(Error::OutOfOrder.into()),
    }
}

/// Reads the initiator's first frame: checks the commitment before it derives, let alone shows, a code.
fn first_frame(
    established: Established,
    commitment: &Commitment,
    body: &[u8],
    paced: bool,
    now: Duration,
) -> Result<Step, Failure> {
    let Established { mut channel, hash, chain, resume, known, .. } = established;
    let Frame::SasOpen(nonce) = channel.open(body)? else { return Err(Error::OutOfOrder.into()) };
    let nonce = {
        let mut secret = Secret::default();
        *secret.expose_mut() = *nonce;
        PairingNonce(secret)
    };
    if Commitment::new(resume.keys().remote, &nonce) != *commitment {
        return Err(Error::Commitment.into());
    }
    let code = PairingCode::new(Role::Initiator, &nonce, &hash);
    let link = Link::new(Role::Initiator, channel, code, resume, Chain::new(chain, hash), paced, now);
    Ok(Step { phase: verifying(link, known, None), record: None, event: to_check(known), proof: false })
}

/// Reads a frame that the responder gets before it has opened its nonce: one may come in the same read as record 3.
fn early_frame(
    mut established: Established,
    admitted: bool,
    body: &[u8],
    paced: bool,
    now: Duration,
) -> Result<Step, Failure> {
    let why = match established.channel.open(body)? {
        Frame::Pad | Frame::Ping(_) | Frame::Pong(_) => {
            return Step::to(Phase::Established { established, admitted });
        }
        Frame::Bye { reason } => reason,
        _ => return Err(Error::OutOfOrder.into()),
    };
    match established {
        Established { channel, hash, chain, resume, opening: Opening::Nonce(nonce), known: known @ Known::Room } => {
            let code = PairingCode::new(Role::Responder, &nonce, &hash);
            let link = Link::new(Role::Responder, channel, code, resume, Chain::new(chain, hash), paced, now);
            Step::to(verifying(link, known, Some(why)))
        }
        _ => left(why),
    }
}

/// A frame before the room is open that leads to another phase, other than VERIFIED.
enum Unopened {
    Left(Farewell),
    Resume(u32),
}

/// Reads a frame before the room is open. After the partner's VERIFIED, RESUME is next on a resumed connection.
fn unopened_frame(verifying: &mut Verifying, body: &[u8]) -> Result<Option<Unopened>, Error> {
    let received = verifying.received;
    match verifying.link.open(body)? {
        Frame::Verified if !received => verifying.received = true,
        Frame::Pad | Frame::Ping(_) | Frame::Pong(_) => {}
        Frame::Bye { reason } => return Ok(Some(Unopened::Left(reason))),
        Frame::Resume { next_id } if received => return Ok(Some(Unopened::Resume(next_id))),
        _ => return Err(Error::OutOfOrder),
    }
    Ok(None)
}

fn left(why: Farewell) -> Result<Step, Failure> {
    Ok(Step { phase: Phase::Closed, record: None, event: Some(Event::Left(why)), proof: false })
}
