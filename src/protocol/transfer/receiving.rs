//! The batches that the partner sends.

use std::collections::VecDeque;

use super::{AHEAD, Content, ENTRIES, Offer, REASON, Received, UNKNOWN, WINDOW};
use crate::protocol::error::Error;
use crate::protocol::frame::{Frame, Hash};

/// The partner's batches.
#[derive(Default)]
pub struct Receiving {
    next_batch: u32,
    open: Option<Incoming>,
    /// What is to be said, in order, each with how many entries had been accepted on this connection before.
    due: VecDeque<(Say, u64)>,
    /// How far an entry was dealt with, where the partner is to be told.
    seen_due: Option<(u32, u64)>,
    /// What was said on this connection, and the partner may not have heard.
    unheard: VecDeque<(Say, u64)>,
    /// What was taken from the queue last: its frame borrows from it.
    said: Option<Say>,
}

/// What the receiver says, but for FILE_SEEN.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Say {
    Accept { batch: u32, index: u32, offset: u64, prefix: Hash },
    Done { batch: u32, index: u32, ok: bool },
    Cancel { batch: u32 },
}

struct Incoming {
    offer: Offer,
    /// Our side wants it.
    wanted: bool,
    /// The lowest entry that was never accepted.
    next_index: u32,
    /// Entries whose acceptance was lost with a connection.
    again: VecDeque<u32>,
    /// Entries that were accepted and are not done.
    entries: VecDeque<Entry>,
    /// How many entries are done.
    done: u32,
    /// Bytes of the entries that came whole, or were refused.
    bytes: u64,
    /// Entries accepted on this connection.
    accepts: u64,
    /// The entry that our side is done with although it still comes.
    refused: Option<u32>,
}

struct Entry {
    index: u32,
    /// Bytes of it that our side has.
    offset: u64,
    /// How many were accepted on this connection before.
    number: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Accepted,
    Begun {
        size: u64,
        /// Where the next piece lies; nowhere in particular before the first.
        next: Option<u64>,
        /// What the partner was told, or knows, to be dealt with.
        seen: u64,
    },
    /// Came whole; our side is not done with it.
    Whole,
}

impl Receiving {
    /// FILE_OFFER.
    pub(in crate::protocol) fn offer(&mut self, offer: Offer) -> Result<Option<Received>, Error> {
        if offer.batch < self.next_batch {
            // Said again after a break.
            return Ok(None);
        }
        let possible = (1..=ENTRIES).contains(&offer.entries) && (offer.bytes != UNKNOWN || offer.entries == 1);
        if offer.batch != self.next_batch || self.open.is_some() || !possible {
            return Err(Error::OutOfOrder);
        }
        self.next_batch = offer.batch.checked_add(1).ok_or(Error::Exhausted)?;
        // It would not come if the one before were not over for the partner, too.
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
        });
        Ok(Some(Received::Offered(offer)))
    }

    /// Our side wants the open batch.
    pub fn want(&mut self) {
        if let Some(open) = &mut self.open {
            open.wanted = true;
        }
    }

    /// Whether a batch is open.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Our side does not want the open batch, or no more of it.
    pub fn cancel(&mut self) {
        if let Some(open) = self.open.take() {
            self.due.clear();
            self.seen_due = None;
            self.due.push_back((Say::Cancel { batch: open.offer.batch }, 0));
        }
    }

    /// The entry to accept next.
    pub fn next_entry(&self) -> Option<u32> {
        let open = self.open.as_ref().filter(|open| open.wanted && open.entries.len() < AHEAD)?;
        let fresh = Some(open.next_index).filter(|index| *index < open.offer.entries);
        open.again.front().copied().or(fresh)
    }

    /// Accepts [`next_entry`](Self::next_entry), of which our side has so many bytes with that hash.
    pub fn accept(&mut self, offset: u64, prefix: Hash) {
        let Some(index) = self.next_entry() else { return };
        let Some(open) = &mut self.open else { return };
        if open.again.pop_front().is_none() {
            open.next_index += 1;
        }
        open.entries.push_back(Entry { index, offset, number: open.accepts, state: State::Accepted });
        open.accepts += 1;
        self.due.push_back((Say::Accept { batch: open.offer.batch, index, offset, prefix }, open.accepts));
    }

    /// Our side has dealt with an entry up to there. The partner is told.
    pub fn seen(&mut self, index: u32, offset: u64) {
        let entry = self.open.as_ref().and_then(|open| open.entries.iter().find(|entry| entry.index == index));
        let sent = entry.is_some_and(|entry| match entry.state {
            State::Accepted => false,
            State::Begun { next, .. } => next.is_some_and(|next| offset <= next),
            State::Whole => true,
        });
        if sent {
            self.seen_due = Some((index, offset));
        }
    }

    /// Our side is done with an entry that has begun. Returns whether that was the last, and nothing
    /// where a break came between: then the entry comes again.
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

    /// FILE_BEGIN.
    pub(in crate::protocol) fn begin(
        &mut self,
        batch: u32,
        index: u32,
        size: u64,
        executable: bool,
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
        // What was said before this entry was accepted has been heard.
        self.unheard.retain(|(_, before)| *before > number);
        Ok(Some(Received::Begun { index, size, executable, path: path.to_owned() }))
    }

    /// FILE_DATA.
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
        // A piece of no bytes could come for ever.
        if !expected || part.is_empty() || end > *size || end > seen.saturating_add(WINDOW) {
            return Err(Error::OutOfOrder);
        }
        *next = Some(end);
        Ok(Some(Received::Data { offset, bytes: Content(part.to_vec()) }))
    }

    /// FILE_END.
    pub(in crate::protocol) fn end(&mut self, batch: u32, index: u32, hash: &Hash) -> Result<Option<Received>, Error> {
        let Some(open) = self.current(batch)? else { return Ok(None) };
        if open.refused == Some(index) {
            open.refused = None;
            return Ok(None);
        }
        let entry = open.entries.iter_mut().find(|entry| entry.index == index).ok_or(Error::OutOfOrder)?;
        let State::Begun { size, next, .. } = entry.state else { return Err(Error::OutOfOrder) };
        entry.state = State::Whole;
        open.bytes = open.bytes.saturating_add(if size == UNKNOWN { 0 } else { size });
        let size = if size == UNKNOWN { next.unwrap_or(entry.offset) } else { size };
        Ok(Some(Received::Ended { hash: *hash, size }))
    }

    /// FILE_CANCEL for the other direction goes out: it ends a batch of that number here, too.
    pub(in crate::protocol) fn cancelling(&mut self, batch: u32) {
        if self.cancelled(batch) {
            self.unheard.push_back((Say::Cancel { batch }, 0));
        }
    }

    /// FILE_CANCEL. Returns whether it ended a batch of the partner's.
    pub(in crate::protocol) fn cancelled(&mut self, batch: u32) -> bool {
        let ended = self.open.take_if(|open| open.offer.batch == batch).is_some();
        if ended {
            self.due.clear();
            self.seen_due = None;
        }
        ended
    }

    /// Whether that batch was offered.
    pub(in crate::protocol) fn knows(&self, batch: u32) -> bool {
        batch < self.next_batch
    }

    /// The connection is gone, and what was under way with it.
    pub(in crate::protocol) fn lost(&mut self) {
        self.seen_due = None;
        self.unheard.append(&mut self.due);
        self.due = std::mem::take(&mut self.unheard);
        self.due.retain(|(say, _)| !matches!(say, Say::Accept { .. }));
        for (_, accepts) in &mut self.due {
            *accepts = 0;
        }
        if let Some(open) = &mut self.open {
            let whole = |entry: &Entry| entry.state == State::Whole;
            let again = open.entries.iter().filter(|entry| !whole(entry)).map(|entry| entry.index);
            open.again = again.chain(open.again.iter().copied()).collect();
            open.entries.retain(whole);
            open.refused = None;
            open.accepts = 0;
        }
    }

    /// The next frame.
    pub(in crate::protocol) fn next_control(&mut self) -> Option<Frame<'_>> {
        let Some((say, accepts)) = self.due.pop_front() else {
            let (index, offset) = self.seen_due.take()?;
            let open = self.open.as_mut()?;
            let entry = open.entries.iter_mut().find(|entry| entry.index == index)?;
            if let State::Begun { seen, .. } = &mut entry.state {
                *seen = offset;
            }
            return Some(Frame::FileSeen { batch: open.offer.batch, index, offset });
        };
        if !matches!(say, Say::Accept { .. }) {
            self.unheard.push_back((say.clone(), accepts));
        }
        Some(match self.said.insert(say) {
            Say::Accept { batch, index, offset, prefix } => {
                Frame::FileAccept { batch: *batch, index: *index, offset: *offset, prefix }
            }
            Say::Done { batch, index, ok } => Frame::FileDone { batch: *batch, index: *index, ok: *ok },
            Say::Cancel { batch } => Frame::FileCancel { batch: *batch, reason: REASON },
        })
    }

    /// The batch of that number, if it is open and wanted. One that is over may still have frames on their way.
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
    fn is_begun(&self) -> bool {
        matches!(self.state, State::Begun { .. })
    }
}
