//! Files over connections that break between any two records: what is stored is what was sent, or nothing is.
//!
//! Each schedule is a seed: `TETE_SCHEDULES=100000 cargo test --release --test core transfers` runs more of
//! them, `TETE_SEED=n` one.

use std::collections::VecDeque;
use std::time::Duration;

use crate::sessions::{self, Pair};
use proptest::test_runner::{RngAlgorithm, TestRng};
use rand::Rng as _;
use tete::protocol::frame::{EntryKind, Hash};
use tete::protocol::session::{Event, Session, Stage};
use tete::protocol::transfer::{BROKEN, Content, Item, NOTHING, Received, Sent, UNKNOWN};

/// Schedules in an ordinary run.
const SCHEDULES: u64 = 150;
/// Steps of one.
const STEPS: usize = 200;

/// Somebody's batch, and what there was of each of its files.
struct Batch {
    /// All that each file ever was; the last is what it is.
    versions: Vec<Vec<Vec<u8>>>,
    stream: bool,
    wanted: VecDeque<(u32, u64, Hash)>,
    items: VecDeque<Item>,
    /// What the partner said of each.
    done: Vec<Option<bool>>,
    ended: bool,
    /// One of the two has ended it.
    cancelled: bool,
}

/// What somebody gets.
#[derive(Default)]
struct Storing {
    /// The entry that comes: its number, and what there is of it.
    current: Option<(u32, Vec<u8>)>,
    /// Complete, but not judged yet.
    judged: VecDeque<(u32, bool, Vec<u8>)>,
    stored: Vec<(u32, Vec<u8>)>,
    refused: Vec<u32>,
    ended: bool,
}

struct Side {
    session: Session,
    out: VecDeque<Vec<u8>>,
    batches: Vec<Batch>,
    got: Vec<Storing>,
    /// The single file that was offered last.
    file: Option<Vec<u8>>,
    /// What there is of a single file since the program was started anew.
    part: Option<Vec<u8>>,
}

struct World {
    random: TestRng,
    now: Duration,
    sides: [Side; 2],
}

fn hash(bytes: &[u8]) -> Hash {
    *blake3::hash(bytes).as_bytes()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        let pair = Pair::open();
        let now = pair.now;
        let side = |side: sessions::Side| Side {
            session: side.session,
            out: VecDeque::new(),
            batches: Vec::new(),
            got: Vec::new(),
            file: None,
            part: None,
        };
        Self { random: TestRng::from_seed(RngAlgorithm::ChaCha, &bytes), now, sides: [side(pair.i), side(pair.r)] }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random.next_u32() as usize % limit
    }

    fn content(&mut self, most: usize) -> Vec<u8> {
        let length = [0, 1, 1_243, 1_244, 16_347, 16_348, 60_000, most][self.below(8)].min(most);
        let seed = self.random.next_u32();
        (0..length).map(|place| (seed.wrapping_add(place as u32).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
    }

    fn step(&mut self) {
        let at = self.below(2);
        match self.below(100) {
            0..6 => self.offer(at),
            6..36 => self.transmit(at),
            36..66 => self.deliver(at),
            66..80 => self.feed(at),
            80..90 => self.store(at),
            90..92 => self.reconnect(),
            92..94 => self.restart(),
            94..96 => self.change(at),
            96 => self.cancel(at, true),
            97 => self.cancel(at, false),
            // Both at once, each its own or the other's.
            98 => {
                for at in 0..2 {
                    let sending = self.below(2) == 0;
                    self.cancel(at, sending);
                }
            }
            _ => self.now += Duration::from_millis(500),
        }
        self.notice_ends();
    }

    /// A batch can end with another of the same number that goes the other way.
    fn notice_ends(&mut self) {
        for at in 0..2 {
            let session = &mut self.sides[at].session;
            let sending = !session.sending().unwrap().is_open();
            let receiving = !session.receiving().unwrap().is_open();
            self.ended(at, sending, receiving);
        }
    }

    fn offer(&mut self, at: usize) {
        let goes_on = self.sides[1 - at].part.is_some();
        let stream = !goes_on && self.below(6) == 0;
        let count = if stream || goes_on { 1 } else { [1, 1, 1, 2, 7, 150][self.below(6)] };
        let mut versions: Vec<_> = (0..count).map(|_| vec![self.content(200_000 / count)]).collect();
        let again = self.below(2) == 0;
        if count == 1 && !stream {
            // The same file again, as after a program ended, or another of its name.
            let file = self.sides[at].file.clone().filter(|_| again).unwrap_or_else(|| versions[0][0].clone());
            versions = vec![vec![file.clone()]];
        }
        let bytes = if stream { UNKNOWN } else { versions.iter().map(|of| of[0].len() as u64).sum() };
        let sending = self.sides[at].session.sending().unwrap();
        if let Some(batch) = sending.offer(count as u32, bytes, "name".into()) {
            assert_eq!(batch as usize, self.sides[at].batches.len());
            if count == 1 && !stream {
                self.sides[at].file = Some(versions[0][0].clone());
            }
            let (wanted, items, done) = (VecDeque::new(), VecDeque::new(), vec![None; count]);
            self.sides[at].batches.push(Batch {
                versions,
                stream,
                wanted,
                items,
                done,
                ended: false,
                cancelled: false,
            });
        }
    }

    fn transmit(&mut self, at: usize) {
        let Side { session, out, .. } = &mut self.sides[at];
        while let Some(record) = session.transmit(self.now).unwrap() {
            out.push_back(record.to_vec());
        }
        let mut record = Vec::new();
        if session.transmit_data(&mut record, self.now).unwrap() {
            out.push_back(record);
        }
    }

    fn deliver(&mut self, from: usize) {
        let Some(record) = self.sides[from].out.pop_front() else { return };
        let to = 1 - from;
        let mut rest = record.as_slice();
        while !rest.is_empty() {
            self.sides[to].session.receive(&mut rest, self.now).unwrap();
            while let Some(event) = self.sides[to].session.event() {
                match event {
                    Event::Sent(sent) => self.sent(to, sent),
                    Event::Received(received) => self.received(to, received),
                    Event::Cancelled { sending, receiving } => {
                        for (ended, owner) in [(sending, to), (receiving, from)] {
                            let place =
                                if owner == to { self.sides[to].batches.len() } else { self.sides[to].got.len() };
                            let batch =
                                place.checked_sub(1).map(|last| &self.sides[owner].batches[last]).filter(|_| ended);
                            assert!(batch.is_none_or(|batch| batch.cancelled), "a transfer that nobody ended");
                        }
                        self.ended(to, sending, receiving);
                    }
                    _ => {}
                }
            }
        }
    }

    fn ended(&mut self, at: usize, sending: bool, receiving: bool) {
        if let Some(batch) = self.sides[at].batches.last_mut().filter(|_| sending) {
            batch.ended = true;
        }
        if let Some(storing) = self.sides[at].got.last_mut().filter(|_| receiving) {
            storing.ended = true;
        }
    }

    fn cancel(&mut self, at: usize, sending: bool) {
        let session = &mut self.sides[at].session;
        if sending && session.sending().unwrap().is_open() {
            session.sending().unwrap().cancel();
            self.sides[at].batches.last_mut().unwrap().cancelled = true;
            self.ended(at, true, false);
        } else if !sending && session.receiving().unwrap().is_open() {
            session.receiving().unwrap().cancel();
            let batch = self.sides[at].got.len() - 1;
            self.sides[1 - at].batches[batch].cancelled = true;
            self.ended(at, false, true);
        }
    }

    fn sent(&mut self, at: usize, sent: Sent) {
        let batch = self.sides[at].batches.last_mut().unwrap();
        assert!(!batch.ended);
        match sent {
            Sent::Wanted { index, offset, prefix } => batch.wanted.push_back((index, offset, prefix)),
            Sent::Seen { .. } | Sent::Working | Sent::Renamed { .. } => {}
            Sent::Done { index, ok, last } => {
                assert_eq!(batch.done[index as usize].replace(ok), None);
                batch.ended = last;
                assert_eq!(last, batch.done.iter().all(Option::is_some));
            }
        }
    }

    /// Reads the entry that is wanted next, and hands over a piece of what was read.
    fn feed(&mut self, at: usize) {
        let piece = 1 + self.below(40_000);
        let failing = self.below(50) == 0;
        let side = &mut self.sides[at];
        let Some(batch) = side.batches.last_mut().filter(|batch| !batch.ended) else { return };
        if batch.items.is_empty()
            && let Some((index, offset, prefix)) = batch.wanted.pop_front()
        {
            let content = batch.versions[index as usize].last().unwrap();
            let known = content.get(..offset as usize).is_some_and(|known| hash(known) == prefix);
            let mut place = if known { offset as usize } else { 0 };
            let size = if batch.stream { UNKNOWN } else { content.len() as u64 };
            batch.items.push_back(Item::Begin { index, size, kind: EntryKind::File, path: index.to_string() });
            while place < content.len() {
                let bytes = content[place..].iter().copied().take(piece).collect::<Vec<_>>();
                let offset = place as u64;
                place += bytes.len();
                batch.items.push_back(Item::Data { index, offset, bytes: Content(bytes) });
            }
            let hash = if failing { BROKEN } else { hash(content) };
            batch.items.push_back(Item::End { index, hash });
        }
        let sending = side.session.sending().unwrap();
        while sending.wants_items()
            && let Some(item) = batch.items.pop_front()
        {
            sending.feed(item);
        }
    }

    /// A file is written anew, and may not grow: more than was offered is not sent.
    fn change(&mut self, at: usize) {
        let Some(batch) = self.sides[at].batches.last().filter(|batch| !batch.ended && !batch.stream) else { return };
        let (count, place) = (batch.versions.len(), self.random.next_u32() as usize);
        let most = batch.versions[place % count][0].len();
        let content = self.content(most);
        self.sides[at].batches.last_mut().unwrap().versions[place % count].push(content);
    }

    fn received(&mut self, at: usize, received: Received) {
        let side = &mut self.sides[at];
        if let Received::Offered(offer) = received {
            assert_eq!(offer.batch as usize, side.got.len());
            let part = side.part.take_if(|_| offer.entries == 1 && offer.bytes != UNKNOWN);
            side.got.push(Storing { current: part.map(|part| (0, part)), ..Storing::default() });
            side.session.receiving().unwrap().want();
            return;
        }
        let storing = side.got.last_mut().unwrap();
        assert!(!storing.ended);
        match received {
            Received::Begun { index, .. } => {
                if storing.current.as_ref().is_none_or(|(current, _)| *current != index) {
                    storing.current = Some((index, Vec::new()));
                }
            }
            Received::Data { offset, bytes } => {
                let Some((_, content)) = &mut storing.current else { return };
                if offset != content.len() as u64 {
                    assert_eq!(offset, 0);
                    content.clear();
                }
                content.extend_from_slice(&bytes.0);
            }
            Received::Ended { hash: expected, size } => {
                let Some((index, mut content)) = storing.current.take() else { return };
                if size == 0 {
                    content.clear();
                }
                let ok = content.len() as u64 == size && hash(&content) == expected;
                storing.judged.push_back((index, ok, content));
            }
            Received::Offered(_) => unreachable!(),
        }
    }

    /// Writes what has come, tells so, and wants more.
    fn store(&mut self, at: usize) {
        let refuse = self.below(30) == 0;
        let side = &mut self.sides[at];
        let Some(storing) = side.got.last_mut().filter(|storing| !storing.ended) else { return };
        let receiving = side.session.receiving().unwrap();
        if refuse && let Some((index, _)) = storing.current {
            // Before it has begun, or after a break, it comes.
            if let Some(last) = receiving.done(index, false) {
                storing.current = None;
                storing.refused.push(index);
                storing.ended |= last;
            }
        } else if let Some((index, ok, content)) = storing.judged.pop_front() {
            if ok {
                storing.stored.push((index, content));
            } else {
                storing.refused.push(index);
            }
            storing.ended |= receiving.done(index, ok).unwrap();
        } else if let Some((index, content)) = &storing.current {
            receiving.seen(*index, content.len() as u64);
        }
        while let Some(index) = receiving.next_entry() {
            match &storing.current {
                Some((current, content)) if *current == index => receiving.accept(content.len() as u64, hash(content)),
                _ => receiving.accept(0, NOTHING),
            }
        }
    }

    /// The connection breaks, with what is on it, and another takes its place.
    fn reconnect(&mut self) {
        let now = self.now;
        let mut fresh = sessions::returning(&self.sides[0].session, &self.sides[1].session, now);
        while fresh.iter().any(|session| session.stage() != Stage::Returning) {
            for from in 0..2 {
                fresh[from].admit();
                while let Some(record) = fresh[from].transmit(now).unwrap() {
                    fresh[1 - from].receive(&mut record.as_slice(), now).unwrap();
                    assert!(fresh[1 - from].event().is_none());
                }
            }
        }
        for (side, mut session) in self.sides.iter_mut().zip(fresh) {
            assert!(session.take_over(&mut side.session, now));
            side.session = session;
            side.out.clear();
            if let Some(batch) = side.batches.last_mut() {
                batch.wanted.clear();
                batch.items.clear();
            }
        }
    }

    /// Both programs end in the middle of a single file and are started anew: nothing is left but what there is of it.
    fn restart(&mut self) {
        let begun = |side: &Side| {
            let current = side.got.last().filter(|storing| !storing.ended).and_then(|storing| storing.current.as_ref());
            current.is_some_and(|(_, content)| !content.is_empty())
        };
        if !self.sides.iter().any(begun) {
            return;
        }
        self.judge();
        let pair = Pair::open();
        self.now = pair.now;
        for (at, fresh) in [pair.i, pair.r].into_iter().enumerate() {
            let single = self.sides[1 - at].batches.last().is_some_and(|batch| batch.done.len() == 1 && !batch.stream);
            let side = &mut self.sides[at];
            let left = side.got.pop().filter(|storing| single && !storing.ended).and_then(|storing| storing.current);
            if let Some((_, part)) = left {
                side.part = Some(part);
            }
            side.session = fresh.session;
            side.out.clear();
        }
        for side in &mut self.sides {
            side.batches.clear();
            side.got.clear();
        }
    }

    /// Everything that is under way comes to its end.
    fn finish(&mut self) {
        for _ in 0..20_000 {
            let idle = self.sides.iter().all(|side| {
                side.out.is_empty()
                    && side.batches.last().is_none_or(|batch| batch.ended)
                    && side.got.last().is_none_or(|storing| storing.ended)
            });
            if idle {
                return;
            }
            for at in 0..2 {
                self.feed(at);
                self.transmit(at);
                while !self.sides[at].out.is_empty() {
                    self.deliver(at);
                }
                self.notice_ends();
                self.store(1 - at);
            }
        }
        panic!("it has no end");
    }

    fn judge(&self) {
        for from in 0..2 {
            let (sent, got) = (&self.sides[from].batches, &self.sides[1 - from].got);
            assert!(got.len() <= sent.len());
            for (batch, storing) in sent.iter().zip(got) {
                for (index, content) in &storing.stored {
                    assert!(batch.versions[*index as usize].contains(content), "stored is what was never there");
                    assert_eq!(storing.stored.iter().filter(|(other, _)| other == index).count(), 1);
                }
                for (index, done) in batch.done.iter().enumerate() {
                    let stored = storing.stored.iter().any(|(other, _)| *other as usize == index);
                    assert!(done.is_none_or(|ok| ok == stored), "what is said is what was done");
                    assert!(!(stored && storing.refused.contains(&(index as u32))));
                }
            }
        }
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.finish();
    world.judge();
}

#[test]
fn what_is_stored_is_what_was_sent_however_the_line_breaks() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    if let Some(seed) = number("TETE_SEED") {
        return run(seed);
    }
    for seed in 0..number("TETE_SCHEDULES").unwrap_or(SCHEDULES) {
        if std::panic::catch_unwind(|| run(seed)).is_err() {
            panic!("TETE_SEED={seed}");
        }
    }
}

#[test]
fn nothing_hashes_to_what_the_protocol_says_it_does() {
    assert_eq!(hash(&[]), NOTHING);
}
