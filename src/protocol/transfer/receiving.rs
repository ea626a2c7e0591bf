//! The batches that the partner sends.

use std::collections::VecDeque;

use super::{AHEAD, Content, ENTRIES, Offer, Received, UNKNOWN, WINDOW};
use crate::protocol::error::Error;
use crate::protocol::frame::{EntryKind, Frame, Hash, Names, Whose};

/// The batches that the partner sends, of which one at a time is open. It outlives a connection.
#[derive(Default)]
pub struct Receiving {
    next_batch: u32,
    open: Option<Incoming>,
    /// Answers to be sent, in order, each with the number of entries that had been accepted on this connection before.
    due: VecDeque<(Say, u64)>,
    /// Entry and offset of the FILE_SEEN that is due.
    seen_due: Option<(u32, u64)>,
    /// Answers that were sent on this connection and may not have arrived.
    unheard: VecDeque<(Say, u64)>,
    /// The answer that was taken from the queue last. Its frame borrows from it.
    said: Option<Say>,
}

/// An answer of the receiver, other than FILE_SEEN.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Say {
    Accept { batch: u32, index: u32, offset: u64, prefix: Hash },
    Renamed { batch: u32, count: u32, list: Vec<u8> },
    Done { batch: u32, index: u32, ok: bool },
    Cancel { batch: u32 },
}

struct Incoming {
    offer: Offer,
    /// This side has accepted the offer.
    wanted: bool,
    /// The lowest entry that was never accepted.
    next_index: u32,
    /// Entries whose acceptance was lost with a connection.
    again: VecDeque<u32>,
    /// Entries that were accepted and are not done.
    entries: VecDeque<Entry>,
    /// Number of entries that are done.
    done: u32,
    /// Bytes of the entries that came whole, or were refused.
    bytes: u64,
    /// Number of entries accepted on this connection.
    accepts: u64,
    /// The entry that this side is done with although it is still arriving.
    refused: Option<u32>,
    /// The entry that was under way when the connection was lost, and the offset up to which the partner knows it to be
    /// handled, until it is accepted again.
    broken: Option<(u32, u64)>,
}

struct Entry {
    index: u32,
    /// Number of bytes that this side had when it accepted the entry.
    offset: u64,
    /// Number of entries that were accepted on this connection before.
    number: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Accepted,
    Begun {
        size: u64,
        /// Position of the next piece; `None` before the first.
        next: Option<u64>,
        /// The offset up to which the partner knows the entry to be handled.
        seen: u64,
    },
    /// The entry came whole, and this side is not done with it.
    Whole {
        /// The offset up to which the partner knows the entry to be handled.
        seen: u64,
    },
}

impl Receiving {
    /// Handles FILE_OFFER.
    pub(in crate::protocol) fn offer(&mut self, offer: Offer) -> Result<Option<Received>, Error> {
        if offer.batch < self.next_batch {
            // The partner repeats an offer after a break.
            return Ok(None);
        }
        let possible = (1..=ENTRIES).contains(&offer.entries) && (offer.bytes != UNKNOWN || offer.entries == 1);
        if offer.batch != self.next_batch || self.open.is_some() || !possible {
            return Err(Error::OutOfOrder);
        }
        self.next_batch = offer.batch.checked_add(1).ok_or(Error::Exhausted)?;
        // The next offer shows that the partner has heard of the end of the batch before.
        self.unheard.clear();
        self.open = Some(Incoming {
            offer: offer.clone(),
            wanted: false,
            next_index: 0,
            again: VecDeque::new(),
            entries: VecDeque::new(),
            done: 0,
            bytes: 0,
            accepts: 0,
            refused: None,
            broken: None,
        });
        Ok(Some(Received::Offered(offer)))
    }

    /// Accepts the open batch. Its entries are then accepted one by one.
    pub fn want(&mut self) {
        if let Some(open) = &mut self.open {
            open.wanted = true;
        }
    }

    /// Whether a batch is open.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Declines or ends the open batch. The partner is told.
    pub fn cancel(&mut self) {
        if let Some(open) = self.open.take() {
            self.due.clear();
            self.seen_due = None;
            self.due.push_back((Say::Cancel { batch: open.offer.batch }, 0));
        }
    }

    /// Number of the entry to [accept](Self::accept) next. `None` if there is none, or enough are accepted ahead.
    pub fn next_entry(&self) -> Option<u32> {
        let open = self.open.as_ref().filter(|open| open.wanted && open.entries.len() < AHEAD)?;
        let fresh = Some(open.next_index).filter(|index| *index < open.offer.entries);
        open.again.front().copied().or(fresh)
    }

    /// Accepts [`next_entry`](Self::next_entry). This side has its first `offset` bytes, whose hash is `prefix`;
    /// [`NOTHING`](super::NOTHING) for an offset of 0.
    pub fn accept(&mut self, offset: u64, prefix: Hash) {
        let Some(index) = self.next_entry() else { return };
        let Some(open) = &mut self.open else { return };
        if open.again.pop_front().is_none() {
            open.next_index += 1;
        }
        open.broken = None;
        open.entries.push_back(Entry { index, offset, number: open.accepts, state: State::Accepted });
        open.accepts += 1;
        self.due.push_back((Say::Accept { batch: open.offer.batch, index, offset, prefix }, open.accepts));
    }

    /// Reports that this side has handled an entry up to `offset`. The partner is told, so that it may send more.
    pub fn seen(&mut self, index: u32, offset: u64) {
        let entry = self.open.as_ref().and_then(|open| open.entries.iter().find(|entry| entry.index == index));
        let sent = entry.is_some_and(|entry| match entry.state {
            State::Accepted => false,
            State::Begun { next, .. } => next.is_some_and(|next| offset <= next),
            State::Whole { .. } => true,
        });
        if sent {
            self.seen_due = Some((index, offset));
        }
    }

    /// Whether something came of the batch that this side is not done with.
    pub fn is_under_way(&self) -> bool {
        self.under_way().is_some()
    }

    /// Tells the partner once more how far that is handled, as a sign that this side still works on it.
    pub fn say_again(&mut self) {
        self.seen_due = self.seen_due.or(self.under_way());
    }

    /// The first entry that has begun, and the offset up to which the partner knows it to be handled.
    fn under_way(&self) -> Option<(u32, u64)> {
        let open = self.open.as_ref()?;
        open.entries.iter().find_map(Entry::under_way).or(open.broken)
    }

    /// Whether the next entry that is [done](Self::done) is the last of the batch.
    pub fn is_last(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.done + 1 == open.offer.entries)
    }

    /// Reports that `count` names of the batch are stored under others, and the first of them: each a path of the
    /// partner's, and the name that its last part has here. Before the last entry is done, or the partner does not learn it.
    pub fn renamed<'a>(&mut self, count: u32, names: impl IntoIterator<Item = (&'a str, &'a str)>) {
        if let Some(open) = self.open.as_ref().filter(|_| count > 0) {
            let (batch, list) = (open.offer.batch, Names::list(names));
            self.due.push_back((Say::Renamed { batch, count, list }, open.accepts));
        }
    }

    /// Reports that this side is done with an entry that has begun, and whether it was stored.
    ///
    /// Returns whether the entry was the last of the batch, and `None` if the connection was lost meanwhile: then the
    /// entry must be accepted again.
    pub fn done(&mut self, index: u32, ok: bool) -> Option<bool> {
        let open = self.open.as_mut()?;
        let place = open.entries.iter().position(|entry| entry.index == index && entry.state != State::Accepted)?;
        if let Some(Entry { state: State::Begun { size, .. }, .. }) = open.entries.remove(place) {
            open.refused = Some(index);
            open.bytes = open.bytes.saturating_add(size);
        }
        self.seen_due.take_if(|(seen, _)| *seen == index);
        open.done += 1;
        let (batch, last) = (open.offer.batch, open.done == open.offer.entries);
        self.due.push_back((Say::Done { batch, index, ok }, open.accepts));
        if last {
            self.open = None;
        }
        Some(last)
    }

    /// Handles FILE_BEGIN.
    pub(in crate::protocol) fn begin(
        &mut self,
        batch: u32,
        index: u32,
        size: u64,
        kind: EntryKind,
        path: &str,
    ) -> Result<Option<Received>, Error> {
        let Some(open) = self.current(batch)? else { return Ok(None) };
        if open.entries.iter().any(Entry::is_begun) {
            return Err(Error::OutOfOrder);
        }
        let entry = open.entries.iter_mut().find(|entry| entry.index == index && entry.state == State::Accepted);
        let entry = entry.ok_or(Error::OutOfOrder)?;
        let whole = if open.offer.bytes == UNKNOWN { true } else { size != UNKNOWN };
        if !whole || open.bytes.checked_add(size).is_none_or(|bytes| bytes > open.offer.bytes) {
            return Err(Error::OutOfOrder);
        }
        entry.state = State::Begun { size, next: None, seen: 0 };
        open.refused = None;
        let number = entry.number;
        // An entry that begins shows that every answer before its acceptance has arrived.
        self.unheard.retain(|(_, before)| *before > number);
        Ok(Some(Received::Begun { index, size, kind, path: path.to_owned() }))
    }

    /// Handles FILE_DATA.
    pub(in crate::protocol) fn data(
        &mut self,
        batch: u32,
        index: u32,
        offset: u64,
        part: &[u8],
    ) -> Result<Option<Received>, Error> {
        let Some(open) = self.current(batch)? else { return Ok(None) };
        if open.refused == Some(index) {
            return Ok(None);
        }
        let entry = open.entries.iter_mut().find(|entry| entry.index == index).ok_or(Error::OutOfOrder)?;
        let State::Begun { size, next, seen } = &mut entry.state else { return Err(Error::OutOfOrder) };
        let end = offset.checked_add(part.len() as u64).ok_or(Error::OutOfOrder)?;
        let expected = match *next {
            Some(next) => offset == next,
            None => offset == 0 || offset == entry.offset,
        };
        if next.is_none() {
            *seen = offset;
        }
        // Empty pieces could come for ever.
        if !expected || part.is_empty() || end > *size || end > seen.saturating_add(WINDOW) {
            return Err(Error::OutOfOrder);
        }
        *next = Some(end);
        Ok(Some(Received::Data { offset, bytes: Content(part.to_vec()) }))
    }

    /// Handles FILE_END.
    pub(in crate::protocol) fn end(&mut self, batch: u32, index: u32, hash: &Hash) -> Result<Option<Received>, Error> {
        let Some(open) = self.current(batch)? else { return Ok(None) };
        if open.refused == Some(index) {
            open.refused = None;
            return Ok(None);
        }
        let entry = open.entries.iter_mut().find(|entry| entry.index == index).ok_or(Error::OutOfOrder)?;
        let State::Begun { size, next, seen } = entry.state else { return Err(Error::OutOfOrder) };
        entry.state = State::Whole { seen };
        open.bytes = open.bytes.saturating_add(if size == UNKNOWN { 0 } else { size });
        let size = if size == UNKNOWN { next.unwrap_or(entry.offset) } else { size };
        Ok(Some(Received::Ended { hash: *hash, size }))
    }

    /// Handles FILE_CANCEL and returns whether it ended the open batch.
    pub(in crate::protocol) fn cancelled(&mut self, batch: u32) -> bool {
        let ended = self.open.take_if(|open| open.offer.batch == batch).is_some();
        if ended {
            self.due.clear();
            self.seen_due = None;
        }
        ended
    }

    /// Whether a batch of that number was offered.
    pub(in crate::protocol) fn knows(&self, batch: u32) -> bool {
        batch < self.next_batch
    }

    /// Handles the loss of the connection: entries that are not whole must be accepted again, and answers that may not
    /// have arrived become due again.
    pub(in crate::protocol) fn lost(&mut self) {
        self.seen_due = None;
        self.unheard.append(&mut self.due);
        self.due = std::mem::take(&mut self.unheard);
        self.due.retain(|(say, _)| !matches!(say, Say::Accept { .. }));
        for (_, accepts) in &mut self.due {
            *accepts = 0;
        }
        if let Some(open) = &mut self.open {
            let whole = |entry: &Entry| matches!(entry.state, State::Whole { .. });
            let begun = open.entries.iter().filter(|entry| !whole(entry)).find_map(Entry::under_way);
            open.broken = begun.or(open.broken);
            let again = open.entries.iter().filter(|entry| !whole(entry)).map(|entry| entry.index);
            open.again = again.chain(open.again.iter().copied()).collect();
            open.entries.retain(whole);
            open.refused = None;
            open.accepts = 0;
        }
    }

    /// Takes the next frame that is due.
    pub(in crate::protocol) fn next_control(&mut self) -> Option<Frame<'_>> {
        let Some((say, accepts)) = self.due.pop_front() else {
            let (index, offset) = self.seen_due.take()?;
            let open = self.open.as_mut()?;
            let entry = open.entries.iter_mut().find(|entry| entry.index == index);
            if let Some(State::Begun { seen, .. } | State::Whole { seen }) = entry.map(|entry| &mut entry.state) {
                *seen = offset;
            }
            return Some(Frame::FileSeen { batch: open.offer.batch, index, offset });
        };
        if !matches!(say, Say::Accept { .. }) {
            self.unheard.push_back((say.clone(), accepts));
        }
        Some(match &*self.said.insert(say) {
            Say::Accept { batch, index, offset, prefix } => {
                Frame::FileAccept { batch: *batch, index: *index, offset: *offset, prefix }
            }
            Say::Renamed { batch, count, list } => {
                Frame::FileRenamed { batch: *batch, count: *count, names: Names::of(list)? }
            }
            Say::Done { batch, index, ok } => Frame::FileDone { batch: *batch, index: *index, ok: *ok },
            Say::Cancel { batch } => Frame::FileCancel { batch: *batch, whose: Whose::Yours },
        })
    }

    /// The batch of that number if it is open and accepted. `None` if it is over: its frames may still be on their way.
    fn current(&mut self, batch: u32) -> Result<Option<&mut Incoming>, Error> {
        match &mut self.open {
            Some(open) if open.offer.batch == batch => {
                if open.wanted {
                    Ok(Some(open))
                } else {
                    Err(Error::OutOfOrder)
                }
            }
            _ if batch < self.next_batch => Ok(None),
            _ => Err(Error::OutOfOrder),
        }
    }
}

impl Entry {
    /// The entry if it has begun, and the offset up to which the partner knows it to be handled.
    fn under_way(&self) -> Option<(u32, u64)> {
        match self.state {
            State::Begun { seen, .. } | State::Whole { seen } => Some((self.index, seen)),
            State::Accepted => None,
        }
    }

    fn is_begun(&self) -> bool {
        matches!(self.state, State::Begun { .. })
    }
}
