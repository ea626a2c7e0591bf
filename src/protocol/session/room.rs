//! The open room: what outlives a connection, and what one connection adds.

use std::sync::Arc;
use std::time::Duration;

use super::Event;
use crate::protocol::channel::Channel;
use crate::protocol::delivery::{Inbox, Outbox};
use crate::protocol::epoch::{Begun, Chain};
use crate::protocol::error::Error;
use crate::protocol::frame::{Frame, LARGE_PART, RK1, RK2, SMALL_PART, Token};
use crate::protocol::handshake::ResumeKey;
use crate::protocol::keys::TrafficKeys;
use crate::protocol::pairing::PairingCode;
use crate::protocol::random::Randomness;
use crate::protocol::record::{LARGE_BODY, Record, SMALL_BODY};
use crate::protocol::role::Role;
use crate::protocol::transfer::Offer;
use crate::protocol::transfer::receiving::Receiving;
use crate::protocol::transfer::sending::Sending;

/// An epoch change is given up, and its connection with it, after so long.
pub const EPOCH_CHANGE: Duration = Duration::from_secs(30);
/// An epoch in which a text went either way lasts so long.
pub const EPOCH_WITH_TEXTS: Duration = Duration::from_secs(120);
/// Any epoch lasts so long.
pub const EPOCH: Duration = Duration::from_secs(15 * 60);
/// Small frames that go one way in an epoch.
pub const EPOCH_FRAMES: u32 = 1024;
/// Bytes of large frames that go one way in an epoch.
pub const EPOCH_BYTES: u64 = 1 << 30;

/// A text without a receipt for so long is worth a PING: the line, or the partner's screen, stands still.
const UNRECEIPTED: Duration = Duration::from_secs(1);
/// Pause between two PINGs.
const PING: Duration = Duration::from_secs(2);

/// What outlives a connection: the texts that wait, and what proves the partner.
pub struct Room {
    /// What it takes to come back.
    pub resume: Arc<ResumeKey>,
    /// Our texts.
    pub outbox: Outbox,
    /// The partner's.
    pub inbox: Inbox,
    /// Our files.
    pub sending: Sending,
    /// The partner's.
    pub receiving: Receiving,
    /// How often the connection was lost.
    pub losses: u64,
}

impl Room {
    /// An empty room.
    pub fn new(resume: Arc<ResumeKey>) -> Self {
        Self {
            resume,
            outbox: Outbox::default(),
            inbox: Inbox::default(),
            sending: Sending::default(),
            receiving: Receiving::default(),
            losses: 0,
        }
    }

    /// The first frame after VERIFIED on a connection that was resumed.
    pub fn greeting(&self) -> Frame<'static> {
        Frame::Resume { next_id: self.inbox.next_id() }
    }

    /// The connection is gone, and what was under way with it.
    pub fn lost(&mut self) {
        self.losses += 1;
        self.inbox.lost();
        self.sending.lost();
        self.receiving.lost();
    }

    /// Takes one frame; `link` is the connection it came by.
    pub fn take(
        &mut self,
        link: &mut Link,
        body: &[u8],
        random: &mut dyn Randomness,
        now: Duration,
    ) -> Result<Option<Event>, Error> {
        link.received.count(body.len());
        let frame = link.channel.open(body)?;
        if let Frame::FileData { batch, index, offset, part } = frame {
            return Ok(self.receiving.data(batch, index, offset, part)?.map(Event::Received));
        }
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
                    link.round_trip = Some(now.saturating_sub(sent));
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
            Frame::FileBegin { batch, index, size, executable, path } => {
                self.receiving.begin(batch, index, size, executable, path)?.map(Event::Received)
            }
            Frame::FileEnd { batch, index, hash } => self.receiving.end(batch, index, hash)?.map(Event::Received),
            Frame::FileSeen { batch, index, offset } => self.sending.seen(batch, index, offset)?.map(Event::Sent),
            Frame::FileDone { batch, index, ok } => self.sending.done(batch, index, ok)?.map(Event::Sent),
            Frame::FileCancel { batch, .. } => self.cancelled(batch)?,
            Frame::RkAsk if link.role == Role::Initiator => {
                link.wanted |= matches!(link.change, Change::None);
                None
            }
            Frame::Rk1(message) => {
                link.change = match (link.role, &link.change) {
                    (Role::Responder, Change::None | Change::Asked(_)) => {
                        let (answer, chain, keys) = link.chain.answer(&self.resume, message, random)?;
                        Change::Answer(answer, Next { chain, keys }, now + EPOCH_CHANGE)
                    }
                    _ => return Err(Error::OutOfOrder),
                };
                None
            }
            Frame::Rk2(message) => {
                let Change::Begun(begun, _) = std::mem::take(&mut link.change) else { return Err(Error::OutOfOrder) };
                let (chain, keys) = begun.finish(message)?;
                link.channel.switch_receiving(&keys);
                link.change = Change::Finish(Next { chain, keys });
                None
            }
            Frame::Rk3 => {
                let Change::Answered(next, _) = std::mem::take(&mut link.change) else { return Err(Error::OutOfOrder) };
                link.channel.switch_receiving(&next.keys);
                link.begin_epoch(next.chain, now);
                None
            }
            Frame::Bye { reason } => Some(Event::Left(reason)),
            _ => return Err(Error::OutOfOrder),
        };
        // It may be the last for a while.
        link.channel.forget();
        Ok(event)
    }

    /// A number names a batch in each direction, and FILE_CANCEL does not say which: it ends both, on both sides.
    fn cancelled(&mut self, batch: u32) -> Result<Option<Event>, Error> {
        if !self.sending.knows(batch) && !self.receiving.knows(batch) {
            return Err(Error::OutOfOrder);
        }
        let sending = self.sending.cancelled(batch, self.receiving.knows(batch));
        let receiving = self.receiving.cancelled(batch);
        Ok((sending || receiving).then_some(Event::Cancelled { sending, receiving }))
    }

    /// The next record but for file data, heartbeats and BYE.
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
        if let Some(record) = link.next_change(&self.resume, random, now)? {
            return Ok(Some(record));
        }
        if let Some(token) = link.next_ping(now) {
            return link.seal(&Frame::Ping(token)).map(Some);
        }
        if let Some(frame) = self.outbox.next_part(now) {
            link.unreceipted.get_or_insert(now);
            return link.seal(&frame).map(Some);
        }
        if let Some(frame) = self.receiving.next_control() {
            if let Frame::FileCancel { batch, .. } = frame {
                self.sending.cancelling(batch);
            }
            return link.seal(&frame).map(Some);
        }
        if let Some(frame) = self.sending.next_control() {
            if let Frame::FileCancel { batch, .. } = frame {
                self.receiving.cancelling(batch);
            }
            return link.seal(&frame).map(Some);
        }
        if !link.paced {
            return Ok(None);
        }
        // With cover traffic every record is small, and has its tick.
        self.sending.next_item(SMALL_PART).map(|frame| link.seal(&frame)).transpose()
    }

    /// Seals the next frame of a file at the end of `out`. `false` if there is none.
    pub fn next_data(&mut self, link: &mut Link, out: &mut Vec<u8>) -> Result<bool, Error> {
        match self.sending.next_item(LARGE_PART) {
            Some(frame) => link.seal_data(&frame, out).map(|()| true),
            None => Ok(false),
        }
    }
}

/// One connection after its handshake: its keys, and how they are renewed.
pub struct Link {
    role: Role,
    channel: Channel,
    /// The code of this connection, the same on both sides.
    pub code: PairingCode,
    /// What it takes to come back after this connection.
    pub resume: Arc<ResumeKey>,
    chain: Chain,
    change: Change,
    /// When the epoch began.
    since: Duration,
    /// A text went either way in it.
    texts: bool,
    sent: Traffic,
    received: Traffic,
    /// A change is wanted now.
    wanted: bool,
    pong: Option<Token>,
    /// Since when texts of this connection wait for a receipt, or for the next one.
    unreceipted: Option<Duration>,
    /// The PING that is not answered, and when it went out.
    ping: Option<(Token, Duration)>,
    pings: u64,
    /// With cover traffic: each record has its tick, and there are no PINGs.
    paced: bool,
    last_ping: Duration,
    /// A PING is wanted now, to learn the round-trip time.
    measuring: bool,
    round_trip: Option<Duration>,
}

/// What went one way in an epoch.
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

/// How far an epoch change is. Those that wait for the partner do so until a limit of time.
#[derive(Default)]
enum Change {
    #[default]
    None,
    /// R has sent RK_ASK.
    Asked(Duration),
    /// I has sent RK1.
    Begun(Box<Begun>, Duration),
    /// R owes RK2.
    Answer(Box<[u8; RK2]>, Next, Duration),
    /// R has sent RK2 and sends under the new key.
    Answered(Next, Duration),
    /// I owes RK3 and receives under the new key.
    Finish(Next),
}

struct Next {
    chain: Chain,
    keys: TrafficKeys,
}

impl Link {
    /// A connection in epoch 0.
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
            last_ping: now,
            measuring: false,
            round_trip: None,
        }
    }

    /// Opens a record before the room is open.
    pub fn open(&mut self, body: &[u8]) -> Result<Frame<'_>, Error> {
        self.channel.open(body)
    }

    /// Seals a frame.
    pub fn seal(&mut self, frame: &Frame<'_>) -> Result<Record, Error> {
        self.sent.count(SMALL_BODY);
        self.texts |= matches!(frame, Frame::Text { .. });
        self.channel.seal(frame)
    }

    /// Seals a frame of a file at the end of `out`, in a large record if it does not fit a small one.
    fn seal_data(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        let large = matches!(frame, Frame::FileData { part, .. } if part.len() > SMALL_PART);
        self.sent.count(if large { LARGE_BODY } else { SMALL_BODY });
        self.channel.seal_data(frame, large, out)
    }

    /// Number of the epoch, and when it began.
    pub fn epoch(&self) -> (u32, Duration) {
        (self.chain.number(), self.since)
    }

    /// The user wants fresh keys now.
    pub fn want_change(&mut self) {
        self.wanted = true;
    }

    /// The round-trip time is wanted.
    pub fn measure(&mut self) {
        self.measuring = true;
    }

    /// How long the last PING took to be answered.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Since when a PING is not answered.
    pub fn unanswered(&self) -> Option<Duration> {
        self.ping.map(|(_, sent)| sent)
    }

    /// When this connection has something to do by itself.
    pub fn deadline(&self) -> Option<Duration> {
        [self.change_at(), self.ping_at()].into_iter().flatten().min()
    }

    fn ping_at(&self) -> Option<Duration> {
        if self.paced || self.ping.is_some() {
            return None;
        }
        let since =
            if self.measuring { Some(self.last_ping) } else { self.unreceipted.map(|since| since + UNRECEIPTED) };
        Some(since?.max(self.last_ping + PING))
    }

    fn next_ping(&mut self, now: Duration) -> Option<Token> {
        self.ping_at().filter(|at| now >= *at)?;
        let token = self.pings.to_be_bytes();
        self.pings += 1;
        self.ping = Some((token, now));
        self.last_ping = now;
        self.measuring = false;
        Some(token)
    }

    /// When something is due for the epoch, or a partner is late with it.
    fn change_at(&self) -> Option<Duration> {
        match &self.change {
            Change::None => Some(self.since + if self.texts { EPOCH_WITH_TEXTS } else { EPOCH }),
            Change::Asked(by) | Change::Begun(_, by) | Change::Answered(_, by) => Some(*by),
            Change::Answer(..) | Change::Finish(_) => None,
        }
    }

    /// When the partner has taken too long over an epoch change.
    pub fn late_at(&self) -> Option<Duration> {
        self.change_at().filter(|_| !matches!(self.change, Change::None))
    }

    /// The frame of an epoch change that is due.
    fn next_change(
        &mut self,
        keys: &ResumeKey,
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
                    let (begun, message): (_, Box<[u8; RK1]>) = self.chain.begin(keys, random)?;
                    self.change = Change::Begun(Box::new(begun), by);
                    self.seal(&Frame::Rk1(&message))?
                }
            }
            Change::Answer(message, next, by) => {
                let record = self.seal(&Frame::Rk2(&message))?;
                self.channel.switch_sending(&next.keys);
                self.change = Change::Answered(next, by);
                record
            }
            Change::Finish(next) => {
                let record = self.seal(&Frame::Rk3)?;
                self.channel.switch_sending(&next.keys);
                self.begin_epoch(next.chain, now);
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
