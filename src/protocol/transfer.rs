//! Files under way: offers, what was accepted, windows, what a break leaves open.
//!
//! Knows no file: names, pieces and hashes are passed through. One batch a
//! direction is open at a time; entries are sent one after the other.

use std::collections::VecDeque;

use super::error::Error;
use super::frame::{Frame, Hash};

/// Entries of the largest batch.
pub const ENTRIES: u32 = 100_000;
/// Bytes of a batch that may be under way past what the receiver has dealt with.
pub const WINDOW: u64 = 16 << 20;
/// Size of a stream that ends when it ends.
pub const UNKNOWN: u64 = u64::MAX;
/// Entries that a receiver accepts ahead of the one that comes.
pub const AHEAD: usize = 64;
/// BLAKE3 of nothing: the prefix of an entry of which the receiver has no byte.
pub const NOTHING: Hash = [
    0xaf, 0x13, 0x49, 0xb9, 0xf5, 0xf9, 0xa1, 0xa6, 0xa0, 0x40, 0x4d, 0xea, 0x36, 0xdc, 0xc9, 0x49, 0x9b, 0xcb, 0x25,
    0xc9, 0xad, 0xc1, 0x12, 0xb7, 0xcc, 0x9a, 0x93, 0xca, 0xe4, 0x1f, 0x32, 0x62,
];
/// What stands in place of the hash of an entry that its sender cannot send whole. Nothing has this hash.
pub const BROKEN: Hash = [0; 32];

/// Reason of every FILE_CANCEL: version 1 assigns none.
const REASON: u8 = 0;
/// Bytes that wait to be sealed, beyond which no more are asked for.
const QUEUED: usize = 512 << 10;
/// Pieces, beginnings and ends that wait, likewise.
const QUEUED_ITEMS: usize = 256;
/// Batches of ours that the partner may not know to have ended.
const UNCERTAIN: usize = 64;

/// A batch, as its sender describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// Its number in its direction.
    pub batch: u32,
    /// How many files.
    pub entries: u32,
    /// Their bytes, or [`UNKNOWN`].
    pub bytes: u64,
    /// Name of the file or the folder: the peer's, not fit for a screen or a disk.
    pub name: String,
}

impl Offer {
    fn frame(&self) -> Frame<'_> {
        Frame::FileOffer { batch: self.batch, entries: self.entries, bytes: self.bytes, name: &self.name }
    }
}

/// Content of a file, wiped on drop.
#[derive(Default)]
pub struct Content(pub Vec<u8>);

impl Drop for Content {
    /// Not by `zeroize`, which goes byte by byte: that would take as long as the encryption.
    fn drop(&mut self) {
        self.0.fill(0);
        std::hint::black_box(&mut self.0);
    }
}

/// What the sender of a batch sends of its entries, in this order for each.
pub enum Item {
    /// An entry begins.
    Begin {
        /// Which one.
        index: u32,
        /// Its bytes, or [`UNKNOWN`].
        size: u64,
        /// Whether it may be executed.
        executable: bool,
        /// Its path below the batch's name, that name first.
        path: String,
    },
    /// Bytes of it.
    Data {
        /// Which one.
        index: u32,
        /// Where the bytes lie in it.
        offset: u64,
        /// The bytes.
        bytes: Content,
    },
    /// It is complete.
    End {
        /// Which one.
        index: u32,
        /// Its hash, or [`BROKEN`].
        hash: Hash,
    },
}

impl Item {
    fn index(&self) -> u32 {
        match self {
            Self::Begin { index, .. } | Self::Data { index, .. } | Self::End { index, .. } => *index,
        }
    }

    fn len(&self) -> usize {
        if let Self::Data { bytes, .. } = self { bytes.0.len() } else { 0 }
    }
}

/// What a batch of ours has to say to its driver.
#[derive(PartialEq, Eq, Debug)]
pub enum Sent {
    /// The partner wants an entry, of which it has so many bytes with this hash.
    Wanted {
        /// Which one.
        index: u32,
        /// So many bytes.
        offset: u64,
        /// Their hash.
        prefix: Hash,
    },
    /// The partner has dealt with an entry up to there.
    Seen {
        /// Which one.
        index: u32,
        /// So far.
        offset: u64,
    },
    /// The partner is done with an entry.
    Done {
        /// Which one.
        index: u32,
        /// Whether it was stored.
        ok: bool,
        /// It was the last of the batch.
        last: bool,
    },
}

/// What a batch of the partner's has to say to its driver.
pub enum Received {
    /// A batch was offered.
    Offered(Offer),
    /// An accepted entry begins.
    Begun {
        /// Which one.
        index: u32,
        /// Its bytes, or [`UNKNOWN`].
        size: u64,
        /// Whether it may be executed where it comes from.
        executable: bool,
        /// Its path: the peer's, not fit for a screen or a disk.
        path: String,
    },
    /// Bytes of the entry that began last. The first may lie at 0 although more was accepted: it starts anew.
    Data {
        /// Where the bytes lie in it.
        offset: u64,
        /// The bytes.
        bytes: Content,
    },
    /// The entry that began last is complete, if that is its hash.
    Ended {
        /// The hash.
        hash: Hash,
        /// Its bytes: as many as it was begun with, even if fewer came.
        size: u64,
    },
}

/// Numbers below some bound.
#[derive(Default)]
struct Set(Vec<u64>);

impl Set {
    /// Whether it was not there.
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

/// Our batches.
#[derive(Default)]
pub struct Sending {
    next_batch: u32,
    open: Option<Outgoing>,
    /// Batches that we ended, and that the partner may not know of.
    ended: VecDeque<Ended>,
    /// A batch that we ended and the partner still asks for.
    ended_again: Option<u32>,
}

struct Outgoing {
    offer: Offer,
    offer_due: bool,
    /// The partner knows of it.
    known: bool,
    /// Entries the partner is done with.
    done: Set,
    done_count: u32,
    /// Entries that were begun, on any connection.
    begun: Set,
    /// Entries that were sent whole, likewise.
    whole: Set,
    /// Entries accepted on this connection.
    accepted: Set,
    /// Entries sent whole on this connection that the partner is not done with: where each ends, and up to where it was
    /// dealt with.
    unseen: VecDeque<(u32, u64, u64)>,
    /// Bytes of those that were not dealt with.
    unseen_bytes: u64,
    items: VecDeque<Item>,
    /// Bytes in there.
    queued: usize,
    /// Bytes of the first that were sent.
    position: usize,
    /// The entry that is being sent.
    current: Option<Current>,
    /// What was taken from the queue last: frames borrow from it.
    last: Option<Item>,
}

struct Current {
    index: u32,
    /// Bytes up to here were sent, and up to there dealt with.
    window: Option<(u64, u64)>,
}

/// A batch that ended by our wish.
struct Ended {
    offer: Offer,
    known: bool,
    offer_due: bool,
    cancel_due: bool,
}

impl Sending {
    /// Opens a batch. `None` while another is open.
    pub fn offer(&mut self, entries: u32, bytes: u64, name: String) -> Option<u32> {
        if self.open.is_some() || self.ended.len() >= UNCERTAIN {
            return None;
        }
        let batch = self.next_batch;
        self.next_batch = batch.checked_add(1)?;
        self.open = Some(Outgoing {
            offer: Offer { batch, entries, bytes, name },
            offer_due: true,
            known: false,
            done: Set::default(),
            done_count: 0,
            begun: Set::default(),
            whole: Set::default(),
            accepted: Set::default(),
            unseen: VecDeque::new(),
            unseen_bytes: 0,
            items: VecDeque::new(),
            queued: 0,
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

    /// Ends the open batch.
    pub fn cancel(&mut self) {
        if let Some(open) = self.open.take() {
            // An offer that was not sent yet is sent nevertheless: numbers have no gaps.
            let Outgoing { offer, known, offer_due, .. } = open;
            self.ended.push_back(Ended { offer, known, offer_due, cancel_due: true });
        }
    }

    /// Whether more items are wanted.
    pub fn wants_items(&self) -> bool {
        self.open.as_ref().is_none_or(|open| open.queued < QUEUED && open.items.len() < QUEUED_ITEMS)
    }

    /// Takes what comes next of an accepted entry.
    pub fn feed(&mut self, item: Item) {
        // What the partner is done with does not interest it any longer.
        if let Some(open) = self.open.as_mut().filter(|open| !open.done.contains(item.index())) {
            open.queued += item.len();
            open.items.push_back(item);
        }
    }

    /// FILE_ACCEPT.
    pub(super) fn accept(&mut self, batch: u32, index: u32, offset: u64, prefix: &Hash) -> Result<Option<Sent>, Error> {
        if self.is_over(batch)? {
            self.ended_again = Some(batch);
            return Ok(None);
        }
        let Some(open) = self.known(batch) else { return Ok(None) };
        if index >= open.offer.entries || open.done.contains(index) || !open.accepted.insert(index) {
            return Err(Error::OutOfOrder);
        }
        Ok(Some(Sent::Wanted { index, offset, prefix: *prefix }))
    }

    /// FILE_SEEN.
    pub(super) fn seen(&mut self, batch: u32, index: u32, offset: u64) -> Result<Option<Sent>, Error> {
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
            _ if open.whole.contains(index) || open.done.contains(index) => {
                let whole = open.unseen.iter_mut().find(|(whole, ..)| *whole == index);
                if let Some((_, _, seen)) = whole.filter(|(_, end, seen)| (*seen..=*end).contains(&offset)) {
                    open.unseen_bytes -= offset - *seen;
                    *seen = offset;
                }
            }
            _ => return Err(Error::OutOfOrder),
        }
        Ok(Some(Sent::Seen { index, offset }))
    }

    /// FILE_DONE.
    pub(super) fn done(&mut self, batch: u32, index: u32, ok: bool) -> Result<Option<Sent>, Error> {
        if self.is_over(batch)? {
            return Ok(None);
        }
        let Some(open) = self.known(batch) else { return Ok(None) };
        // What was said on a connection that broke is said again.
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
        }
        if let Some(place) = open.unseen.iter().position(|(whole, ..)| *whole == index)
            && let Some((_, end, seen)) = open.unseen.remove(place)
        {
            open.unseen_bytes -= end - seen;
        }
        open.done.insert(index);
        open.done_count += 1;
        let last = open.done_count == open.offer.entries;
        if last {
            self.open = None;
        }
        Ok(Some(Sent::Done { index, ok, last }))
    }

    /// FILE_CANCEL for the other direction goes out: it ends a batch of that number here, too.
    pub(super) fn cancelling(&mut self, batch: u32) {
        if let Some(open) = self.open.take_if(|open| open.offer.batch == batch) {
            let Outgoing { offer, known, offer_due, .. } = open;
            self.ended.push_back(Ended { offer, known, offer_due, cancel_due: offer_due });
        }
    }

    /// FILE_CANCEL. Returns whether it ended a batch of ours.
    ///
    /// If it may be about another batch, the partner may not know that it ended this one: it is told.
    pub(super) fn cancelled(&mut self, batch: u32, unsure: bool) -> bool {
        let Some(open) = self.open.take_if(|open| open.offer.batch == batch) else { return false };
        if unsure {
            let Outgoing { offer, known, offer_due, .. } = open;
            self.ended.push_back(Ended { offer, known, offer_due, cancel_due: true });
        } else {
            self.ended.clear();
        }
        true
    }

    /// Whether that batch was ours once.
    pub(super) fn knows(&self, batch: u32) -> bool {
        batch < self.next_batch
    }

    /// The connection is gone, and what was under way with it.
    pub(super) fn lost(&mut self) {
        self.ended_again = None;
        for ended in &mut self.ended {
            (ended.offer_due, ended.cancel_due) = (!ended.known, true);
        }
        if let Some(open) = &mut self.open {
            open.offer_due = !open.known;
            open.accepted = Set::default();
            open.unseen.clear();
            open.unseen_bytes = 0;
            open.items.clear();
            (open.queued, open.position) = (0, 0);
            open.current = None;
            open.last = None;
        }
    }

    /// The next frame that is not of an entry's content.
    pub(super) fn next_control(&mut self) -> Option<Frame<'_>> {
        if let Some(batch) = self.ended_again.take() {
            return Some(Frame::FileCancel { batch, reason: REASON });
        }
        for ended in &mut self.ended {
            if std::mem::take(&mut ended.offer_due) {
                return Some(ended.offer.frame());
            }
            if std::mem::take(&mut ended.cancel_due) {
                return Some(Frame::FileCancel { batch: ended.offer.batch, reason: REASON });
            }
        }
        let open = self.open.as_mut()?;
        std::mem::take(&mut open.offer_due).then(|| open.offer.frame())
    }

    /// Whether [`next_item`](Self::next_item) has something.
    pub(super) fn has_items(&self) -> bool {
        let Some(open) = &self.open else { return false };
        open.items.front().is_some_and(|item| !matches!(item, Item::Data { .. }) || open.allowed() > 0)
    }

    /// The next frame of an entry's content, with at most so many of its bytes.
    pub(super) fn next_item(&mut self, most: usize) -> Option<Frame<'_>> {
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
            Item::Begin { size, executable, path, .. } => {
                Some(Frame::FileBegin { batch, index, size: *size, executable: *executable, path })
            }
            Item::End { hash, .. } => Some(Frame::FileEnd { batch, index, hash }),
            Item::Data { .. } => None,
        }
    }

    /// Whether that batch is over. One that was never offered is an error.
    fn is_over(&self, batch: u32) -> Result<bool, Error> {
        if batch >= self.next_batch {
            return Err(Error::OutOfOrder);
        }
        Ok(self.open.as_ref().is_none_or(|open| open.offer.batch != batch))
    }

    /// The open batch, which the partner has spoken of: it knows all before it to be over.
    fn known(&mut self, batch: u32) -> Option<&mut Outgoing> {
        self.ended.retain(|ended| ended.offer.batch > batch);
        let open = self.open.as_mut()?;
        open.known = true;
        Some(open)
    }
}

impl Outgoing {
    /// Moves on in the queue.
    fn pop(&mut self) {
        self.last = self.items.pop_front();
        self.queued -= self.last.as_ref().map_or(0, Item::len);
        self.position = 0;
    }

    /// How many more bytes of the batch's content the window allows.
    fn allowed(&self) -> u64 {
        let current = match self.current {
            Some(Current { window: Some((sent, seen)), .. }) => sent - seen,
            _ => 0,
        };
        WINDOW.saturating_sub(self.unseen_bytes + current)
    }
}

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
    pub(super) fn offer(&mut self, offer: Offer) -> Result<Option<Received>, Error> {
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
    pub(super) fn begin(
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
    pub(super) fn data(&mut self, batch: u32, index: u32, offset: u64, part: &[u8]) -> Result<Option<Received>, Error> {
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
    pub(super) fn end(&mut self, batch: u32, index: u32, hash: &Hash) -> Result<Option<Received>, Error> {
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
    pub(super) fn cancelling(&mut self, batch: u32) {
        if self.cancelled(batch) {
            self.unheard.push_back((Say::Cancel { batch }, 0));
        }
    }

    /// FILE_CANCEL. Returns whether it ended a batch of the partner's.
    pub(super) fn cancelled(&mut self, batch: u32) -> bool {
        let ended = self.open.take_if(|open| open.offer.batch == batch).is_some();
        if ended {
            self.due.clear();
            self.seen_due = None;
        }
        ended
    }

    /// Whether that batch was offered.
    pub(super) fn knows(&self, batch: u32) -> bool {
        batch < self.next_batch
    }

    /// The connection is gone, and what was under way with it.
    pub(super) fn lost(&mut self) {
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
    pub(super) fn next_control(&mut self) -> Option<Frame<'_>> {
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
