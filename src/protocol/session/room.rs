//! The open room: what outlives a connection, and what one connection adds.

use std::sync::Arc;
use std::time::Duration;

use super::{Event, Role};
use crate::protocol::channel::Channel;
use crate::protocol::delivery::{Inbox, Outbox};
use crate::protocol::epoch::{Begun, Chain};
use crate::protocol::error::Error;
use crate::protocol::frame::{Frame, RK1, RK2, Token};
use crate::protocol::handshake::ResumeKey;
use crate::protocol::keys::TrafficKeys;
use crate::protocol::pairing::PairingCode;
use crate::protocol::random::Randomness;
use crate::protocol::record::Record;

/// An epoch change is given up, and its connection with it, after so long.
pub const EPOCH_CHANGE: Duration = Duration::from_secs(30);
/// An epoch in which a text went either way lasts so long.
pub const EPOCH_WITH_TEXTS: Duration = Duration::from_secs(120);
/// Any epoch lasts so long.
pub const EPOCH: Duration = Duration::from_secs(15 * 60);
/// Small frames that go one way in an epoch.
pub const EPOCH_FRAMES: u32 = 1024;

/// A text without a receipt for so long is worth a PING: the line, or the partner's screen, stands still.
const UNRECEIPTED: Duration = Duration::from_secs(1);
/// Pause between two PINGs.
const PING: Duration = Duration::from_secs(2);

/// Reason of the FILE_CANCEL that declines an offer.
const DECLINED: u8 = 0;

/// What outlives a connection: the texts that wait, and what proves the partner.
pub struct Room {
    /// What it takes to come back.
    pub resume: Arc<ResumeKey>,
    /// Our texts.
    pub outbox: Outbox,
    /// The partner's.
    pub inbox: Inbox,
    next_batch: u32,
    declined: Option<u32>,
}

impl Room {
    /// An empty room.
    pub fn new(resume: Arc<ResumeKey>) -> Self {
        Self { resume, outbox: Outbox::default(), inbox: Inbox::default(), next_batch: 0, declined: None }
    }

    /// The first frame after VERIFIED on a connection that was resumed.
    pub fn greeting(&self) -> Frame<'static> {
        Frame::Resume { next_id: self.inbox.next_id() }
    }

    /// The connection is gone, and what was under way with it.
    pub fn lost(&mut self) {
        self.inbox.lost();
    }

    /// Takes one frame; `link` is the connection it came by.
    pub fn take(
        &mut self,
        link: &mut Link,
        body: &[u8],
        random: &mut dyn Randomness,
        now: Duration,
    ) -> Result<Option<Event>, Error> {
        link.received = link.received.saturating_add(1);
        let frame = link.channel.open(body)?;
        link.texts |= matches!(frame, Frame::Text { .. });
        let event = match frame {
            Frame::Pad | Frame::Extension(_) => None,
            Frame::Text { id, age_ms, more, part } => self.inbox.part(id, age_ms, more, part)?.map(Event::Text),
            Frame::Receipt { id } => match self.outbox.receipt(id)? {
                0 => None,
                count => {
                    link.unreceipted = (self.outbox.waiting() > 0).then_some(now);
                    Some(Event::Shown(count))
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
            Frame::FileOffer { batch } if batch == self.next_batch && self.declined.is_none() => {
                self.next_batch = batch.checked_add(1).ok_or(Error::Exhausted)?;
                self.declined = Some(batch);
                Some(Event::OfferDeclined)
            }
            Frame::FileCancel { batch, .. } if batch < self.next_batch => None,
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
            Frame::Bye => Some(Event::Left),
            _ => return Err(Error::OutOfOrder),
        };
        // It may be the last for a while.
        link.channel.forget();
        Ok(event)
    }

    /// The next record but for heartbeats and BYE.
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
        let declined = self.declined.take().map(|batch| Frame::FileCancel { batch, reason: DECLINED });
        match declined.or_else(|| self.outbox.next_part(now)) {
            Some(frame) => {
                if let Frame::Text { .. } = frame {
                    link.unreceipted.get_or_insert(now);
                }
                link.seal(&frame).map(Some)
            }
            None => Ok(None),
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
    sent: u32,
    received: u32,
    /// A change is wanted now.
    wanted: bool,
    pong: Option<Token>,
    /// Since when texts of this connection wait for a receipt, or for the next one.
    unreceipted: Option<Duration>,
    /// The PING that is not answered, and when it went out.
    ping: Option<(Token, Duration)>,
    pings: u64,
    /// Whether this side sends PINGs: not where each record has its tick.
    pinging: bool,
    last_ping: Duration,
    /// A PING is wanted now, to learn the round-trip time.
    measuring: bool,
    round_trip: Option<Duration>,
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
        pinging: bool,
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
            sent: 0,
            received: 0,
            wanted: false,
            pong: None,
            unreceipted: None,
            ping: None,
            pings: 0,
            pinging,
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
        self.sent = self.sent.saturating_add(1);
        self.texts |= matches!(frame, Frame::Text { .. });
        self.channel.seal(frame)
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
        if !self.pinging || self.ping.is_some() {
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

    /// Whether the partner took too long over an epoch change.
    pub fn is_late(&self, now: Duration) -> bool {
        !matches!(self.change, Change::None) && self.change_at().is_some_and(|by| now >= by)
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
        self.wanted || self.sent.max(self.received) >= EPOCH_FRAMES || self.change_at().is_some_and(|at| now >= at)
    }

    fn begin_epoch(&mut self, chain: Chain, now: Duration) {
        self.chain = chain;
        self.since = now;
        (self.texts, self.sent, self.received) = (false, 0, 0);
    }
}
