//! The open room, which outlives a connection, and the link, which is one connection.

use std::sync::Arc;
use std::time::Duration;

use super::Event;
use crate::protocol::channel::Channel;
use crate::protocol::delivery::{Inbox, Outbox};
use crate::protocol::epoch::{Begun, Chain, Next};
use crate::protocol::error::Error;
use crate::protocol::frame::{Frame, LARGE_PART, RK1, RK2, SMALL_PART, Token, Whose};
use crate::protocol::handshake::ResumeKey;
use crate::protocol::keys::{Secret, TrafficKeys};
use crate::protocol::pairing::PairingCode;
use crate::protocol::random::Randomness;
use crate::protocol::record::{LARGE_BODY, Record, SMALL_BODY};
use crate::protocol::role::Role;
use crate::protocol::transfer::Offer;
use crate::protocol::transfer::receiving::Receiving;
use crate::protocol::transfer::sending::Sending;

/// Time limit for an epoch change. A later one ends the connection.
pub const EPOCH_CHANGE: Duration = Duration::from_secs(30);
/// Duration of an epoch in which a text went either way.
pub const EPOCH_WITH_TEXTS: Duration = Duration::from_secs(120);
/// Duration of an epoch without texts.
pub const EPOCH: Duration = Duration::from_secs(15 * 60);
/// Number of small frames in one direction after which an epoch ends.
pub const EPOCH_FRAMES: u32 = 1024;
/// Number of bytes in large frames in one direction after which an epoch ends.
pub const EPOCH_BYTES: u64 = 1 << 30;

/// Time without a receipt after which a PING tells whether the connection or the partner's screen stands still.
const UNRECEIPTED: Duration = Duration::from_secs(1);
/// Time between two PINGs.
const PING: Duration = Duration::from_secs(2);

/// The state that outlives a connection: texts, files, and the key that proves the partner.
pub struct Room {
    /// The keys for a handshake that resumes the room.
    pub resume: ResumeKeys,
    /// The texts of this side.
    pub outbox: Outbox,
    /// The texts of the partner.
    pub inbox: Inbox,
    /// The files that this side sends.
    pub sending: Sending,
    /// The files that the partner sends.
    pub receiving: Receiving,
    /// Number of connections that were lost.
    pub losses: u64,
    /// VERIFIED has come: the room is open for this side.
    pub entered: bool,
    /// A frame has come that only an open room sends: the room is open for the partner, too.
    pub proved: bool,
}

impl Room {
    /// An empty room.
    pub fn new(resume: Arc<ResumeKey>) -> Self {
        Self {
            resume: ResumeKeys { newest: resume, older: None, changed: false },
            outbox: Outbox::default(),
            inbox: Inbox::default(),
            sending: Sending::default(),
            receiving: Receiving::default(),
            losses: 0,
            entered: false,
            proved: false,
        }
    }

    /// Notes that the partner is in the open room. `true` the first time.
    pub fn prove(&mut self) -> bool {
        !std::mem::replace(&mut self.proved, true)
    }

    /// The first frame after VERIFIED on a connection that was resumed.
    pub fn greeting(&self) -> Frame<'static> {
        Frame::Resume { next_id: self.inbox.next_id() }
    }

    /// Handles the loss of the connection.
    pub fn lost(&mut self) {
        self.losses += 1;
        self.inbox.lost();
        self.sending.lost();
        self.receiving.lost();
    }

    /// Opens and handles one frame that came by `link`. `true` if only an open room sends such a frame.
    ///
    /// After this side's BYE (`left`) receipts, the other side's keys and its BYE count; all else means nothing any more.
    pub fn take(
        &mut self,
        link: &mut Link,
        body: &[u8],
        random: &mut dyn Randomness,
        now: Duration,
        left: bool,
    ) -> Result<(Option<Event>, bool), Error> {
        link.received.count(body.len());
        let frame = link.channel.open(body)?;
        if left && !matches!(frame, Frame::Receipt { .. } | Frame::Rk2(_) | Frame::Rk3 | Frame::Bye { .. }) {
            link.channel.forget();
            return Ok((None, false));
        }
        if let Frame::FileData { batch, index, offset, part } = frame {
            return Ok((self.receiving.data(batch, index, offset, part)?.map(Event::Received), true));
        }
        let mut proof = !matches!(frame, Frame::Pad | Frame::Ping(_) | Frame::Pong(_));
        link.texts |= matches!(frame, Frame::Text { .. });
        let event = match frame {
            Frame::Pad | Frame::Extension(_) => None,
            Frame::Text { id, age_ms, more, part } => self.inbox.part(id, age_ms, more, part)?.map(Event::Text),
            Frame::Receipt { id } => match self.outbox.receipt(id)? {
                0 => None,
                count => {
                    link.unreceipted = (self.outbox.waiting() > 0).then_some(now);
                    Some(Event::Delivered(count))
                }
            },
            Frame::Pong(token) => {
                if let Some((_, sent)) = link.ping.take_if(|(expected, _)| *expected == token) {
                    link.round_trip = (!link.paced).then(|| now.saturating_sub(sent));
                    proof = true;
                }
                None
            }
            Frame::Ping(token) => {
                link.pong = Some(token);
                None
            }
            Frame::FileOffer { batch, entries, bytes, name } => {
                let offer = Offer { batch, entries, bytes, name: name.to_owned() };
                self.receiving.offer(offer)?.map(Event::Received)
            }
            Frame::FileAccept { batch, index, offset, prefix } => {
                self.sending.accept(batch, index, offset, prefix)?.map(Event::Sent)
            }
            Frame::FileBegin { batch, index, size, kind, path } => {
                self.receiving.begin(batch, index, size, kind, path)?.map(Event::Received)
            }
            Frame::FileEnd { batch, index, hash } => self.receiving.end(batch, index, hash)?.map(Event::Received),
            Frame::FileSeen { batch, index, offset } => self.sending.seen(batch, index, offset)?.map(Event::Sent),
            Frame::FileDone { batch, index, ok } => self.sending.done(batch, index, ok)?.map(Event::Sent),
            Frame::FileRenamed { batch, count, names } => self.sending.renamed(batch, count, names).map(Event::Sent),
            Frame::FileCancel { batch, whose } => self.cancelled(batch, whose)?,
            Frame::RkAsk if link.role == Role::Initiator => {
                link.wanted |= matches!(link.change, Change::None);
                None
            }
            Frame::Rk1(message) => {
                link.change = match (link.role, &link.change) {
                    (Role::Responder, Change::None | Change::Asked(_)) => {
                        let (answer, next) = link.chain.answer(&self.resume.newest, message, random)?;
                        Change::Answer(answer, next, now + EPOCH_CHANGE)
                    }
                    _ => return Err(Error::OutOfOrder),
                };
                None
            }
            Frame::Rk2(message) => {
                let Change::Begun(begun, _) = std::mem::take(&mut link.change) else { return Err(Error::OutOfOrder) };
                let Next { chain, keys, resume_psk } = begun.finish(message)?;
                link.channel.switch_receiving(&keys);
                self.resume.add(resume_psk);
                self.resume.forget_older();
                link.change = Change::Finish(chain, keys);
                None
            }
            Frame::Rk3 => {
                let Change::Answered(chain, keys, _) = std::mem::take(&mut link.change) else {
                    return Err(Error::OutOfOrder);
                };
                link.channel.switch_receiving(&keys);
                self.resume.forget_older();
                link.begin_epoch(chain, now);
                None
            }
            Frame::Bye { reason } => Some(Event::Left(reason)),
            _ => return Err(Error::OutOfOrder),
        };
        // The frame may be the last for a while, so its plaintext is wiped at once.
        link.channel.forget();
        Ok((event, proof))
    }

    /// Seals the receipt that is due, if one is.
    pub fn next_receipt(&mut self, link: &mut Link) -> Result<Option<Record>, Error> {
        self.inbox.next_receipt().map(|frame| link.seal(&frame)).transpose()
    }

    /// Handles FILE_CANCEL. Where it does not say whose batch is meant, it ends both of that number.
    fn cancelled(&mut self, batch: u32, whose: Whose) -> Result<Option<Event>, Error> {
        let (sending, receiving) = match whose {
            Whose::Mine => (false, true),
            Whose::Yours => (true, false),
            Whose::Either => (self.sending.knows(batch), self.receiving.knows(batch)),
        };
        let known = sending && self.sending.knows(batch) || receiving && self.receiving.knows(batch);
        if !known {
            return Err(Error::OutOfOrder);
        }
        let sending = sending && self.sending.cancelled(batch, receiving);
        let receiving = receiving && self.receiving.cancelled(batch);
        Ok((sending || receiving).then_some(Event::Cancelled { sending, receiving }))
    }

    /// Seals the next record, other than large file data, heartbeats and BYE.
    pub fn next_record(
        &mut self,
        link: &mut Link,
        random: &mut dyn Randomness,
        now: Duration,
    ) -> Result<Option<Record>, Error> {
        let frame = self.inbox.next_receipt().or_else(|| link.pong.take().map(Frame::Pong));
        if let Some(frame) = frame {
            return link.seal(&frame).map(Some);
        }
        if let Some(record) = link.next_change(&mut self.resume, random, now)? {
            return Ok(Some(record));
        }
        // What the partner answers to a text proves as much as a PONG.
        link.asking &= !self.proved && !self.outbox.has_part();
        if let Some(token) = link.next_ping(now) {
            return link.seal(&Frame::Ping(token)).map(Some);
        }
        if let Some(frame) = self.outbox.next_part(now) {
            link.unreceipted.get_or_insert(now);
            return link.seal(&frame).map(Some);
        }
        if let Some(frame) = self.receiving.next_control() {
            return link.seal(&frame).map(Some);
        }
        if let Some(frame) = self.sending.next_control() {
            return link.seal(&frame).map(Some);
        }
        if !link.paced {
            return Ok(None);
        }
        // With cover traffic every record is small and waits for its tick.
        self.sending.next_item(SMALL_PART).map(|frame| link.seal(&frame)).transpose()
    }

    /// Seals the next frame of a file and appends it to `out`. `false` if there is none.
    pub fn next_data(&mut self, link: &mut Link, out: &mut Vec<u8>) -> Result<bool, Error> {
        match self.sending.next_item(LARGE_PART) {
            Some(frame) => link.seal_data(&frame, out).map(|()| true),
            None => Ok(false),
        }
    }
}

/// The keys for a handshake that resumes a room. Each epoch change makes a new one (docs/PROTOCOL.md, section 9).
pub struct ResumeKeys {
    newest: Arc<ResumeKey>,
    /// The key of before, while the partner may not have the newest.
    older: Option<Arc<ResumeKey>>,
    changed: bool,
}

impl ResumeKeys {
    /// The newest key.
    pub fn newest(&self) -> &Arc<ResumeKey> {
        &self.newest
    }

    /// All keys by which the partner may come back, at most two.
    pub fn all(&self) -> impl Iterator<Item = &Arc<ResumeKey>> {
        std::iter::once(&self.newest).chain(&self.older)
    }

    /// Adds the key of the next epoch.
    fn add(&mut self, psk: Secret) {
        let newest = Arc::new(self.newest.renewed(psk));
        self.older = Some(std::mem::replace(&mut self.newest, newest));
        self.changed = true;
    }

    /// Drops the key of the epoch before.
    fn forget_older(&mut self) {
        self.changed |= self.older.take().is_some();
    }

    /// Keeps only `key`, by which the partner has come back.
    pub fn settle(&mut self, key: &Arc<ResumeKey>) {
        if !Arc::ptr_eq(&self.newest, key) {
            self.newest = key.clone();
            self.changed = true;
        }
        self.forget_older();
    }

    /// Whether the keys changed since the last call.
    pub fn take_change(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

/// One connection after its handshake: its keys and their renewal.
pub struct Link {
    role: Role,
    channel: Channel,
    /// The code of this connection, the same on both sides.
    pub code: PairingCode,
    /// The key for a handshake that resumes the room after this connection.
    pub resume: Arc<ResumeKey>,
    chain: Chain,
    change: Change,
    /// Time when the epoch began.
    since: Duration,
    /// A text went either way in this epoch.
    texts: bool,
    sent: Traffic,
    received: Traffic,
    /// A change is wanted now.
    wanted: bool,
    pong: Option<Token>,
    /// Time since which texts of this connection wait for a receipt, or for the next one.
    unreceipted: Option<Duration>,
    /// The PING that is not answered yet, and the time when it was sent.
    ping: Option<(Token, Duration)>,
    pings: u64,
    /// Cover traffic is on: each record waits for its tick, and there are no PINGs.
    paced: bool,
    last_ping: Option<Duration>,
    /// A PING is wanted now, to learn the round-trip time.
    measuring: bool,
    /// A PING is wanted now, to learn whether the partner is in the open room.
    asking: bool,
    round_trip: Option<Duration>,
}

/// The traffic of one direction in an epoch.
#[derive(Default)]
struct Traffic {
    small: u32,
    large: u64,
}

impl Traffic {
    fn count(&mut self, body: usize) {
        if body == SMALL_BODY {
            self.small = self.small.saturating_add(1);
        } else {
            self.large = self.large.saturating_add(body as u64);
        }
    }

    fn is_enough(&self) -> bool {
        self.small >= EPOCH_FRAMES || self.large >= EPOCH_BYTES
    }
}

/// The state of an epoch change. The states that wait for the partner have a time limit.
#[derive(Default)]
enum Change {
    #[default]
    None,
    /// The responder has sent RK_ASK.
    Asked(Duration),
    /// The initiator has sent RK1.
    Begun(Box<Begun>, Duration),
    /// The responder owes RK2.
    Answer(Box<[u8; RK2]>, Next, Duration),
    /// The responder has sent RK2 and sends under the new key.
    Answered(Chain, TrafficKeys, Duration),
    /// The initiator owes RK3 and receives under the new key.
    Finish(Chain, TrafficKeys),
}

impl Link {
    /// A link in epoch 0.
    pub fn new(
        role: Role,
        channel: Channel,
        code: PairingCode,
        resume: Arc<ResumeKey>,
        chain: Chain,
        paced: bool,
        now: Duration,
    ) -> Self {
        Self {
            role,
            channel,
            code,
            resume,
            chain,
            change: Change::None,
            since: now,
            texts: false,
            sent: Traffic::default(),
            received: Traffic::default(),
            wanted: false,
            pong: None,
            unreceipted: None,
            ping: None,
            pings: 0,
            paced,
            last_ping: None,
            measuring: false,
            asking: false,
            round_trip: None,
        }
    }

    /// Opens one record before the room is open.
    pub fn open(&mut self, body: &[u8]) -> Result<Frame<'_>, Error> {
        self.channel.open(body)
    }

    /// Seals a frame in a small record.
    pub fn seal(&mut self, frame: &Frame<'_>) -> Result<Record, Error> {
        self.sent.count(SMALL_BODY);
        self.texts |= matches!(frame, Frame::Text { .. });
        self.channel.seal(frame)
    }

    /// Seals a frame of a file and appends it to `out`, in a large record if it does not fit a small one.
    fn seal_data(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        let large = matches!(frame, Frame::FileData { part, .. } if part.len() > SMALL_PART);
        self.sent.count(if large { LARGE_BODY } else { SMALL_BODY });
        self.channel.seal_data(frame, large, out)
    }

    /// Number of the epoch, and the time when it began.
    pub fn epoch(&self) -> (u32, Duration) {
        (self.chain.number(), self.since)
    }

    /// Asks for an epoch change as soon as possible.
    pub fn want_change(&mut self) {
        self.wanted = true;
    }

    /// Asks the partner whether it is in the open room, which has just opened for this side.
    pub fn ask(&mut self) {
        self.asking = true;
    }

    /// Asks for a PING as soon as possible, to learn the round-trip time.
    pub fn measure(&mut self) {
        self.measuring = true;
    }

    /// Time that the partner took to answer the last PING.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Time when the PING was sent that is not answered yet.
    pub fn unanswered(&self) -> Option<Duration> {
        self.ping.map(|(_, sent)| sent)
    }

    /// Time when this connection has something to send by itself.
    pub fn deadline(&self) -> Option<Duration> {
        [self.change_at(), self.ping_at()].into_iter().flatten().min()
    }

    fn ping_at(&self) -> Option<Duration> {
        if self.ping.is_some() {
            return None;
        }
        let since = match self.unreceipted {
            _ if self.measuring || self.asking => Duration::ZERO,
            Some(since) if !self.paced => since + UNRECEIPTED,
            _ => return None,
        };
        Some(self.last_ping.map_or(since, |last| since.max(last + PING)))
    }

    fn next_ping(&mut self, now: Duration) -> Option<Token> {
        self.ping_at().filter(|at| now >= *at)?;
        let token = self.pings.to_be_bytes();
        self.pings += 1;
        self.ping = Some((token, now));
        self.last_ping = Some(now);
        (self.measuring, self.asking) = (false, false);
        Some(token)
    }

    /// Time when an epoch change is due, or the partner is late with one.
    fn change_at(&self) -> Option<Duration> {
        match &self.change {
            Change::None => Some(self.since + if self.texts { EPOCH_WITH_TEXTS } else { EPOCH }),
            Change::Asked(by) | Change::Begun(_, by) | Change::Answered(_, _, by) => Some(*by),
            Change::Answer(..) | Change::Finish(..) => None,
        }
    }

    /// Time when the partner is late with an epoch change.
    pub fn late_at(&self) -> Option<Duration> {
        self.change_at().filter(|_| !matches!(self.change, Change::None))
    }

    /// Seals the frame of an epoch change that is due.
    fn next_change(
        &mut self,
        resume: &mut ResumeKeys,
        random: &mut dyn Randomness,
        now: Duration,
    ) -> Result<Option<Record>, Error> {
        let record = match std::mem::take(&mut self.change) {
            Change::None if self.is_due(now) => {
                self.wanted = false;
                let by = now + EPOCH_CHANGE;
                if self.role == Role::Responder {
                    self.change = Change::Asked(by);
                    self.seal(&Frame::RkAsk)?
                } else {
                    let (begun, message): (_, Box<[u8; RK1]>) = self.chain.begin(&resume.newest, random)?;
                    self.change = Change::Begun(Box::new(begun), by);
                    self.seal(&Frame::Rk1(&message))?
                }
            }
            Change::Answer(message, next, by) => {
                let record = self.seal(&Frame::Rk2(&message))?;
                let Next { chain, keys, resume_psk } = next;
                self.channel.switch_sending(&keys);
                // The partner takes the new key when it reads RK2, if it does.
                resume.add(resume_psk);
                self.change = Change::Answered(chain, keys, by);
                record
            }
            Change::Finish(chain, keys) => {
                let record = self.seal(&Frame::Rk3)?;
                self.channel.switch_sending(&keys);
                self.begin_epoch(chain, now);
                record
            }
            change => {
                self.change = change;
                return Ok(None);
            }
        };
        Ok(Some(record))
    }

    fn is_due(&self, now: Duration) -> bool {
        self.wanted
            || self.sent.is_enough()
            || self.received.is_enough()
            || self.change_at().is_some_and(|at| now >= at)
    }

    fn begin_epoch(&mut self, chain: Chain, now: Duration) {
        self.chain = chain;
        self.since = now;
        (self.texts, self.sent, self.received) = (false, Traffic::default(), Traffic::default());
    }
}
