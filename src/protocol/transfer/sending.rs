//! The batches that this side sends.

use std::collections::VecDeque;

use super::{Item, Offer, Sent, WINDOW};
use crate::protocol::error::Error;
use crate::protocol::frame::{Frame, Hash, Names, Whose};

/// Number of queued bytes at which no more items are wanted.
const QUEUED: usize = 512 << 10;
/// Number of queued items at which no more are wanted.
const QUEUED_ITEMS: usize = 256;
/// Share of either at which more are wanted again, so that whoever feeds the queue wakes once for many items.
const LOW: usize = 4;
/// Number of ended batches of which the partner may not know the end.
const UNCERTAIN: usize = 64;

/// A set of small numbers, as a bitmap.
#[derive(Default)]
struct Set(Vec<u64>);

impl Set {
    /// Adds a number. Returns whether it was absent.
    fn insert(&mut self, number: u32) -> bool {
        let (place, bit) = (number as usize / 64, 1 << (number % 64));
        if self.0.len() <= place {
            self.0.resize(place + 1, 0);
        }
        let Some(word) = self.0.get_mut(place) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    fn contains(&self, number: u32) -> bool {
        self.0.get(number as usize / 64).is_some_and(|word| word & 1 << (number % 64) != 0)
    }
}

/// The batches that this side sends, of which one at a time is open. It outlives a connection.
#[derive(Default)]
pub struct Sending {
    next_batch: u32,
    open: Option<Outgoing>,
    /// Batches that this side ended while the partner may not know it.
    ended: VecDeque<Ended>,
    /// An ended batch that the partner still asks for.
    ended_again: Option<u32>,
}

struct Outgoing {
    offer: Offer,
    offer_due: bool,
    /// The partner has spoken of the batch, and so knows of it.
    known: bool,
    /// The partner has told which names it changed.
    renamed: bool,
    /// Entries the partner is done with.
    done: Set,
    done_count: u32,
    /// Entries that were begun, on any connection.
    begun: Set,
    /// Entries that were sent whole, on any connection.
    whole: Set,
    /// Entries accepted on this connection, and how many of them are neither sent whole on it nor done.
    accepted: Set,
    unsent: u32,
    /// Of those, the entries that are.
    finished: Set,
    /// Entries sent whole on this connection that the partner is not done with: index, end, and the offset up to which
    /// the partner has handled it.
    unseen: VecDeque<(u32, u64, u64)>,
    /// Bytes in `unseen` that the partner has not handled.
    unseen_bytes: u64,
    items: VecDeque<Item>,
    /// Bytes in `items`.
    queued: usize,
    /// The queue was full, and has not run low since.
    full: bool,
    /// Bytes of the first item that were sent.
    position: usize,
    /// The entry that is being sent.
    current: Option<Current>,
    /// The item that was taken from the queue last. Frames borrow from it.
    last: Option<Item>,
}

struct Current {
    index: u32,
    /// The offset up to which bytes were sent, and the offset up to which the partner has handled them.
    window: Option<(u64, u64)>,
}

/// A batch that this side has ended.
struct Ended {
    offer: Offer,
    known: bool,
    offer_due: bool,
    cancel_due: bool,
}

impl Sending {
    /// Whether a batch can be [offered](Self::offer) now.
    pub fn can_offer(&self) -> bool {
        self.open.is_none() && self.ended.len() < UNCERTAIN && self.next_batch < u32::MAX
    }

    /// Offers a batch of `entries` files with `bytes` bytes in all, and returns its number.
    ///
    /// `None` while another batch is open, or if the partner has not heard of the end of 64 earlier ones.
    pub fn offer(&mut self, entries: u32, bytes: u64, name: String) -> Option<u32> {
        let batch = self.next_batch;
        self.next_batch = batch.checked_add(1).filter(|_| self.can_offer())?;
        self.open = Some(Outgoing {
            offer: Offer { batch, entries, bytes, name },
            offer_due: true,
            known: false,
            renamed: false,
            done: Set::default(),
            done_count: 0,
            begun: Set::default(),
            whole: Set::default(),
            accepted: Set::default(),
            unsent: 0,
            finished: Set::default(),
            unseen: VecDeque::new(),
            unseen_bytes: 0,
            items: VecDeque::new(),
            queued: 0,
            full: false,
            position: 0,
            current: None,
            last: None,
        });
        Some(batch)
    }

    /// Whether a batch is open.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether it is the partner's turn to say something of the batch that it has accepted: what becomes of what was
    /// sent, or what it wants next.
    pub fn is_owed(&self) -> bool {
        self.open.as_ref().is_some_and(Outgoing::is_owed)
    }

    /// Ends the open batch. The partner is told.
    pub fn cancel(&mut self) {
        if let Some(open) = self.open.take() {
            // An offer that was not sent yet is still sent, as numbers must have no gaps.
            let Outgoing { offer, known, offer_due, .. } = open;
            self.ended.push_back(Ended { offer, known, offer_due, cancel_due: true });
        }
    }

    /// Whether [`feed`](Self::feed) should be called, so that the queue does not run empty: until it is full, and not
    /// again before it is low.
    pub fn wants_items(&self) -> bool {
        self.open.as_ref().is_none_or(|open| !open.full)
    }

    /// Queues the next item of an entry that the partner [wants](Sent::Wanted).
    ///
    /// Items of one entry come in order, and entries one after the other. Nothing happens if no batch is open.
    pub fn feed(&mut self, item: Item) {
        // An entry that the partner is done with need not be sent any further.
        if let Some(open) = self.open.as_mut().filter(|open| !open.done.contains(item.index())) {
            open.queued += item.len();
            open.items.push_back(item);
            open.weigh();
        }
    }

    /// Handles FILE_ACCEPT.
    pub(in crate::protocol) fn accept(
        &mut self,
        batch: u32,
        index: u32,
        offset: u64,
        prefix: &Hash,
    ) -> Result<Option<Sent>, Error> {
        if self.is_over(batch)? {
            self.ended_again = Some(batch);
            return Ok(None);
        }
        let Some(open) = self.known(batch) else { return Ok(None) };
        if index >= open.offer.entries || open.done.contains(index) || !open.accepted.insert(index) {
            return Err(Error::OutOfOrder);
        }
        open.unsent += 1;
        Ok(Some(Sent::Wanted { index, offset, prefix: *prefix }))
    }

    /// Handles FILE_SEEN.
    pub(in crate::protocol) fn seen(&mut self, batch: u32, index: u32, offset: u64) -> Result<Option<Sent>, Error> {
        if self.is_over(batch)? {
            return Ok(None);
        }
        let Some(open) = self.known(batch) else { return Ok(None) };
        match &mut open.current {
            Some(Current { index: current, window: Some((sent, seen)) }) if *current == index => {
                if !(*seen..=*sent).contains(&offset) {
                    return Err(Error::OutOfOrder);
                }
                *seen = offset;
            }
            _ if open.begun.contains(index) => {
                let whole = open.unseen.iter_mut().find(|(whole, ..)| *whole == index);
                let Some((_, _, seen)) = whole.filter(|(_, end, seen)| (*seen..=*end).contains(&offset)) else {
                    // Of what was sent on an earlier connection only the partner knows.
                    return Ok(Some(Sent::Working));
                };
                open.unseen_bytes -= offset - *seen;
                *seen = offset;
            }
            _ => return Err(Error::OutOfOrder),
        }
        Ok(Some(Sent::Seen { index, offset }))
    }

    /// Handles FILE_DONE.
    pub(in crate::protocol) fn done(&mut self, batch: u32, index: u32, ok: bool) -> Result<Option<Sent>, Error> {
        if self.is_over(batch)? {
            return Ok(None);
        }
        let Some(open) = self.known(batch) else { return Ok(None) };
        // The partner repeats FILE_DONE after a break, as it may have been lost.
        if open.done.contains(index) {
            return Ok(None);
        }
        let sent = if ok { &open.whole } else { &open.begun };
        if !sent.contains(index) {
            return Err(Error::OutOfOrder);
        }
        if open.current.take_if(|current| current.index == index).is_some() {
            open.position = 0;
            open.items.retain(|item| item.index() != index);
            open.queued = open.items.iter().map(Item::len).sum();
            open.weigh();
        }
        if let Some(place) = open.unseen.iter().position(|(whole, ..)| *whole == index)
            && let Some((_, end, seen)) = open.unseen.remove(place)
        {
            open.unseen_bytes -= end - seen;
        }
        open.finish(index);
        open.done.insert(index);
        open.done_count += 1;
        let last = open.done_count == open.offer.entries;
        if last {
            self.open = None;
        }
        Ok(Some(Sent::Done { index, ok, last }))
    }

    /// Handles FILE_RENAMED. One that fits nothing is ignored, as a partner that does not know it would, and so is one
    /// that is repeated after a break.
    pub(in crate::protocol) fn renamed(&mut self, batch: u32, count: u32, names: Names) -> Option<Sent> {
        let open = self.open.as_mut().filter(|open| open.offer.batch == batch && !open.begun.0.is_empty())?;
        if count == 0 || std::mem::replace(&mut open.renamed, true) {
            return None;
        }
        let names = names.pairs().map(|(path, name)| (path.to_owned(), name.to_owned())).collect();
        Some(Sent::Renamed { count, names })
    }

    /// Handles FILE_CANCEL and returns whether it ended the open batch.
    ///
    /// With `unsure` the partner may have meant its own batch of that number, and is told that this one ended.
    pub(in crate::protocol) fn cancelled(&mut self, batch: u32, unsure: bool) -> bool {
        if !unsure {
            // The partner knows of this batch, and so that every earlier one is over.
            self.ended.retain(|ended| ended.offer.batch > batch);
        }
        let Some(open) = self.open.take_if(|open| open.offer.batch == batch) else { return false };
        if unsure {
            let Outgoing { offer, known, offer_due, .. } = open;
            self.ended.push_back(Ended { offer, known, offer_due, cancel_due: true });
        }
        true
    }

    /// Whether a batch of that number was offered.
    pub(in crate::protocol) fn knows(&self, batch: u32) -> bool {
        batch < self.next_batch
    }

    /// Handles the loss of the connection: queued items are dropped, and what the partner may not have heard becomes
    /// due again.
    pub(in crate::protocol) fn lost(&mut self) {
        self.ended_again = None;
        for ended in &mut self.ended {
            (ended.offer_due, ended.cancel_due) = (!ended.known, true);
        }
        if let Some(open) = &mut self.open {
            open.offer_due = !open.known;
            (open.accepted, open.finished, open.unsent) = (Set::default(), Set::default(), 0);
            open.unseen.clear();
            open.unseen_bytes = 0;
            open.items.clear();
            (open.queued, open.full, open.position) = (0, false, 0);
            open.current = None;
            open.last = None;
        }
    }

    /// Takes the next FILE_OFFER or FILE_CANCEL that is due.
    pub(in crate::protocol) fn next_control(&mut self) -> Option<Frame<'_>> {
        if let Some(batch) = self.ended_again.take() {
            return Some(Frame::FileCancel { batch, whose: Whose::Mine });
        }
        for ended in &mut self.ended {
            if std::mem::take(&mut ended.offer_due) {
                return Some(ended.offer.frame());
            }
            if std::mem::take(&mut ended.cancel_due) {
                return Some(Frame::FileCancel { batch: ended.offer.batch, whose: Whose::Mine });
            }
        }
        let open = self.open.as_mut()?;
        std::mem::take(&mut open.offer_due).then(|| open.offer.frame())
    }

    /// Whether [`next_item`](Self::next_item) has a frame.
    pub(in crate::protocol) fn has_items(&self) -> bool {
        let Some(open) = &self.open else { return false };
        open.items.front().is_some_and(|item| !matches!(item, Item::Data { .. }) || open.allowed() > 0)
    }

    /// Takes the next frame of an entry, with a piece of at most `most` bytes.
    pub(in crate::protocol) fn next_item(&mut self, most: usize) -> Option<Frame<'_>> {
        let open = self.open.as_mut()?;
        let batch = open.offer.batch;
        let item = open.items.front()?;
        let index = item.index();
        match item {
            Item::Begin { .. } => {
                open.current = Some(Current { index, window: None });
                open.begun.insert(index);
                open.pop();
            }
            Item::End { .. } => {
                if let Some(Current { window: Some((sent, seen)), .. }) = open.current.take() {
                    open.unseen.push_back((index, sent, seen));
                    open.unseen_bytes += sent - seen;
                }
                open.whole.insert(index);
                open.finish(index);
                open.pop();
            }
            Item::Data { offset, bytes, .. } => {
                let offset = offset + open.position as u64;
                let allowed = usize::try_from(open.allowed()).unwrap_or(usize::MAX);
                let end = bytes.0.len().min(open.position.saturating_add(most.min(allowed)));
                let from = std::mem::replace(&mut open.position, end);
                if from == end && !bytes.0.is_empty() {
                    return None;
                }
                let whole = end == bytes.0.len();
                let sent = offset + (end - from) as u64;
                let Current { window, .. } = open.current.as_mut().filter(|current| current.index == index)?;
                window.get_or_insert((offset, offset)).0 = sent;
                if whole {
                    open.pop();
                }
                let item = if whole { open.last.as_ref() } else { open.items.front() };
                let Some(Item::Data { bytes, .. }) = item else { return None };
                return Some(Frame::FileData { batch, index, offset, part: bytes.0.get(from..end)? });
            }
        }
        match open.last.as_ref()? {
            Item::Begin { size, kind, path, .. } => {
                Some(Frame::FileBegin { batch, index, size: *size, kind: *kind, path })
            }
            Item::End { hash, .. } => Some(Frame::FileEnd { batch, index, hash }),
            Item::Data { .. } => None,
        }
    }

    /// Whether a batch is over. A batch that was never offered is an error.
    fn is_over(&self, batch: u32) -> Result<bool, Error> {
        if batch >= self.next_batch {
            return Err(Error::OutOfOrder);
        }
        Ok(self.open.as_ref().is_none_or(|open| open.offer.batch != batch))
    }

    /// The open batch, after the partner has spoken of it: so the partner knows that every earlier one is over.
    fn known(&mut self, batch: u32) -> Option<&mut Outgoing> {
        self.ended.retain(|ended| ended.offer.batch > batch);
        let open = self.open.as_mut()?;
        open.known = true;
        Some(open)
    }
}

impl Outgoing {
    fn is_owed(&self) -> bool {
        let under_way = matches!(self.current, Some(Current { window: Some((sent, seen)), .. }) if sent > seen);
        self.known && (self.unsent == 0 || self.unseen_bytes > 0 || under_way)
    }

    /// An entry is sent whole on this connection, or done.
    fn finish(&mut self, index: u32) {
        if self.accepted.contains(index) && self.finished.insert(index) {
            self.unsent -= 1;
        }
    }

    /// Moves the first item of the queue to `last`.
    fn pop(&mut self) {
        self.last = self.items.pop_front();
        self.queued -= self.last.as_ref().map_or(0, Item::len);
        self.position = 0;
        self.weigh();
    }

    /// Notes whether the queue is full, or has run low.
    fn weigh(&mut self) {
        let (bytes, items) = (self.queued, self.items.len());
        self.full = if self.full {
            bytes > QUEUED / LOW || items > QUEUED_ITEMS / LOW
        } else {
            bytes >= QUEUED || items >= QUEUED_ITEMS
        };
    }

    /// Number of bytes that the window allows to be sent now.
    fn allowed(&self) -> u64 {
        let current = match self.current {
            Some(Current { window: Some((sent, seen)), .. }) => sent - seen,
            _ => 0,
        };
        WINDOW.saturating_sub(self.unseen_bytes + current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame::EntryKind;
    use crate::protocol::transfer::Content;

    #[test]
    fn items_are_wanted_until_the_queue_is_full_and_not_again_before_it_is_low() {
        const PIECE: usize = QUEUED / 16;
        let mut sending = Sending::default();
        sending.offer(1, QUEUED as u64, "f".into()).unwrap();
        let path = "f".into();
        sending.feed(Item::Begin { index: 0, size: QUEUED as u64, kind: EntryKind::File, path });
        for piece in 0..16 {
            assert!(sending.wants_items(), "piece {piece}");
            let bytes = Content(vec![1; PIECE]);
            sending.feed(Item::Data { index: 0, offset: (piece * PIECE) as u64, bytes });
        }
        assert!(!sending.wants_items());
        sending.next_item(PIECE).unwrap();
        for left in (0..16).rev() {
            sending.next_item(PIECE).unwrap();
            assert_eq!(sending.wants_items(), left <= 16 / LOW, "{left} pieces left");
        }
    }
}
