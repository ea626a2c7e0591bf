//! Nothing lost: two rooms' worth of texts over connections that break at any byte, in any order, from the moment in
//! which both sides have the code.
//!
//! The wire joins what is sent, splits it, loses some or holds it back. Each schedule is a seed:
//! `TETE_SCHEDULES=100000 cargo test --release --test core recovery` runs more of them, `TETE_SEED=n` one.

use std::time::Duration;

use crate::sessions::{self, Pair, initiator, responder};
use crate::wire::{BURST, WIRES, Wire};
use proptest::test_runner::{RngAlgorithm, TestRng};
use rand::Rng as _;
use tete::protocol::error::{Error, Wait};
use tete::protocol::record::SMALL;
use tete::protocol::session::{Event, Session, Stage};
use zeroize::Zeroizing;

/// Schedules in an ordinary run.
const SCHEDULES: u64 = 1_000;
/// Steps of one.
const STEPS: usize = 120;

/// Bytes under way on one connection, and whether anybody still takes them.
#[derive(Default)]
struct Out {
    bytes: Vec<u8>,
    /// Bytes that have arrived.
    arrived: usize,
    /// When the last burst came.
    burst_at: Duration,
    dead: bool,
}

impl Out {
    /// A connection that nobody takes anything from.
    fn dead() -> Self {
        Self { dead: true, ..Self::default() }
    }

    /// What arrives now if `count` bytes may, and the size of each read.
    fn arrive(&mut self, wire: Wire, count: usize, now: Duration) -> (Vec<u8>, usize) {
        let under_way = self.bytes.len();
        let count = match wire {
            Wire::Joined => under_way,
            Wire::LosesOne(lost) => {
                // It is sent again once two more have followed it, or nothing else moves.
                let before = (lost * SMALL).checked_sub(self.arrived);
                let overdue = count == usize::MAX || before.is_some_and(|before| under_way >= before + 3 * SMALL);
                match before {
                    Some(before) if before < count && overdue => under_way,
                    Some(before) => count.min(before).min(under_way),
                    None => count.min(under_way),
                }
            }
            Wire::Bursts if now < self.burst_at + BURST => 0,
            Wire::Bursts => {
                self.burst_at = now;
                under_way
            }
            _ => count.min(under_way),
        };
        self.arrived += count;
        let bytes: Vec<u8> = self.bytes.drain(..count).collect();
        let size = if wire == Wire::Bytewise { 1 } else { bytes.len().max(1) };
        (bytes, size)
    }
}

/// One person's side.
struct Side {
    session: Session,
    out: Out,
    said: Vec<String>,
    heard: Vec<String>,
    shown: usize,
    receipts: usize,
    /// What its user reads out.
    half: String,
    /// The room is open, as its user reads.
    opened: bool,
}

/// A connection on which the joiner wants to come back.
struct Candidate {
    sessions: [Session; 2],
    wires: [Out; 2],
    taken: [bool; 2],
}

struct World {
    random: TestRng,
    wire: Wire,
    now: Duration,
    sides: [Side; 2],
    candidate: Option<Candidate>,
    /// Pairings that came to nothing.
    failed: usize,
    /// Times that a side came back to a room which was not open for it before.
    entered: usize,
}

/// Two whose handshake is finished, with the code on both screens.
fn pairing(now: Duration) -> [Side; 2] {
    let mut pair = Pair::of(initiator(sessions::pairing(), now), responder(sessions::pairing(), now), now);
    pair.run();
    [pair.i, pair.r].map(|side| Side {
        half: side.session.code().unwrap().own.to_string(),
        session: side.session,
        out: Out::default(),
        said: Vec::new(),
        heard: Vec::new(),
        shown: 0,
        receipts: 0,
        opened: false,
    })
}

fn seeded(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Duration::from_secs(1_000);
        let wire = match WIRES[seed as usize % WIRES.len()] {
            Wire::LosesOne(_) => Wire::LosesOne(seed as usize % 7),
            wire => wire,
        };
        let mut world =
            Self { random: seeded(seed), wire, now, sides: pairing(now), candidate: None, failed: 0, entered: 0 };
        // Every other one begins in an open room.
        while seed % 2 == 1 && !world.sides.iter().all(|side| side.opened) {
            for at in 0..2 {
                world.confirm(at);
                world.transmit(at, 10);
                world.deliver(at, usize::MAX);
            }
            world.now += BURST;
        }
        world
    }

    /// What both users read out is typed.
    fn confirm(&mut self, at: usize) {
        let half = self.sides[1 - at].half.clone();
        self.sides[at].session.enter(&half);
    }

    /// Once one of the two has given its pairing up, they begin another: neither reads that its room is open.
    fn start_over(&mut self) {
        if self.sides.iter().all(|side| side.session.stage() != Stage::Closed) {
            return;
        }
        // A host takes a new caller, and a joiner that may be in the room gives up before its user calls again.
        if self.sides[0].session.stage() == Stage::Away {
            return;
        }
        assert!(self.sides.iter().all(|side| !side.opened), "shut out of an open room");
        self.sides = pairing(self.now);
        self.candidate = None;
        self.failed += 1;
    }

    fn below(&mut self, limit: u32) -> usize {
        (self.random.next_u32() % limit) as usize
    }

    fn step(&mut self) {
        let at = self.below(2);
        self.start_over();
        match self.below(42) {
            0..6 => self.say(at),
            6..12 => self.transmit(at, 3),
            12..20 => {
                let most = [40, 1_300, 4_000, 40_000][self.below(4)];
                let count = 1 + self.below(most);
                self.deliver(at, count);
            }
            20..23 => {
                let count = self.below(3);
                self.show(at, count);
            }
            23 => self.cut(),
            24 => self.sides[at].out.dead = true,
            25 => {
                if let Some(byte) = self.sides[at].out.bytes.last_mut() {
                    *byte ^= 0x40;
                }
            }
            26 => drop(self.sides[at].session.change_epoch()),
            27 => {
                let time = Duration::from_millis(self.below(6_000) as u64);
                self.pass(time);
            }
            28..31 => self.redial(),
            31..38 => {
                let count = 1 + self.below(3_000);
                self.advance(at, count);
            }
            38..40 => self.confirm(at),
            _ => self.abandon(),
        }
    }

    fn say(&mut self, at: usize) {
        let length = [0, 3, 1_250, 1_251, 9_000][self.below(5)];
        let side = &mut self.sides[at];
        if !side.opened {
            return;
        }
        let text = format!("{at}/{}{}", side.said.len(), "x".repeat(length));
        if side.session.say(Zeroizing::new(text.clone()), self.now).is_ok() {
            side.said.push(text);
        }
    }

    fn transmit(&mut self, at: usize, most: usize) {
        let Side { session, out, .. } = &mut self.sides[at];
        let out = match &mut self.candidate {
            Some(candidate) if candidate.taken[at] => &mut candidate.wires[at],
            _ => out,
        };
        for _ in 0..most {
            let Some(record) = session.transmit(self.now).unwrap() else { return };
            out.bytes.extend_from_slice(record.as_slice());
        }
    }

    /// Moves bytes from one side to the other, as the wire does. What happened is told after each read.
    fn deliver(&mut self, from: usize, count: usize) {
        let out = &mut self.sides[from].out;
        if out.dead {
            return out.bytes.clear();
        }
        let (bytes, size) = out.arrive(self.wire, count, self.now);
        for mut rest in bytes.chunks(size) {
            let side = &mut self.sides[1 - from];
            let mut received = Ok(());
            while !rest.is_empty() && received.is_ok() {
                received = side.session.receive(&mut rest, self.now);
            }
            while let Some(event) = side.session.event() {
                match event {
                    Event::Text(text) => {
                        assert_eq!(text.id as usize, side.heard.len());
                        side.heard.push(text.text.to_string());
                    }
                    Event::Delivered(count) => side.receipts += count,
                    Event::Opened => {
                        assert!(!side.opened && side.heard.is_empty());
                        side.opened = true;
                    }
                    Event::Code | Event::Verified | Event::Resumed | Event::ResumeKeys => {}
                    _ => panic!("nobody left"),
                }
            }
            if let Err(error) = received {
                assert!(error.is_of_the_line(), "{error:?}");
                return self.break_off(1 - from);
            }
        }
    }

    fn show(&mut self, at: usize, count: usize) {
        let side = &mut self.sides[at];
        side.shown = side.heard.len().min(side.shown.saturating_add(count));
        if let Some(last) = side.shown.checked_sub(1) {
            side.session.shown(last as u32);
        }
    }

    /// A side closes its connection, and the other will hear no more of it.
    fn break_off(&mut self, at: usize) {
        self.sides[at].session.lost(self.now);
        self.sides[at].out = Out::dead();
        self.sides[1 - at].out.dead = true;
    }

    fn cut(&mut self) {
        self.break_off(0);
        self.break_off(1);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for at in 0..2 {
            match self.sides[at].session.tick(self.now) {
                Ok(()) => {}
                Err(Error::Timeout(Wait::Silence | Wait::EpochChange | Wait::Opening)) => self.break_off(at),
                // A joiner that has never received VERIFIED.
                Err(Error::Timeout(Wait::Return)) => assert!(at == 0 && !self.sides.iter().any(|side| side.opened)),
                Err(Error::Timeout(Wait::Confirmation)) => self.break_off(at),
                Err(error) => panic!("{error:?}"),
            }
        }
        if let Some(candidate) = &mut self.candidate
            && candidate.sessions.iter_mut().any(|session| session.tick(self.now).is_err())
        {
            self.abandon();
        }
    }

    /// The connection on which the joiner comes back breaks, too.
    fn abandon(&mut self) {
        let taken = self.candidate.take().map_or([false; 2], |candidate| candidate.taken);
        for at in (0..2).filter(|at| taken[*at]) {
            self.break_off(at);
        }
    }

    fn redial(&mut self) {
        let known = !self.sides[1].session.resume_keys().is_empty();
        if self.candidate.is_some() || self.sides[0].session.stage() != Stage::Away || !known {
            return;
        }
        let sessions = sessions::returning(&self.sides[0].session, &self.sides[1].session, self.now);
        self.candidate = Some(Candidate { sessions, wires: Default::default(), taken: [false; 2] });
    }

    /// Moves the candidate's handshake on; whoever is through takes the room over.
    fn advance(&mut self, from: usize, count: usize) {
        let Some(candidate) = &mut self.candidate else { return };
        let now = self.now;
        for at in 0..2 {
            if candidate.taken[at] {
                continue;
            }
            candidate.sessions[at].admit();
            while let Some(record) = candidate.sessions[at].transmit(now).unwrap() {
                candidate.wires[at].bytes.extend_from_slice(record.as_slice());
            }
        }
        let wire = &mut candidate.wires[from].bytes;
        let bytes: Vec<u8> = wire.drain(..count.min(wire.len())).collect();
        let mut rest = bytes.as_slice();
        let to = 1 - from;
        if candidate.taken[to] {
            candidate.wires[from].bytes.splice(..0, bytes.iter().copied());
        } else {
            while !rest.is_empty() && candidate.sessions[to].stage() != Stage::Returning {
                candidate.sessions[to].receive(&mut rest, now).unwrap();
                assert!(candidate.sessions[to].event().is_none());
            }
            let left = rest.to_vec();
            candidate.wires[from].bytes.splice(..0, left);
        }
        for at in 0..2 {
            if !candidate.taken[at] && candidate.sessions[at].stage() == Stage::Returning {
                candidate.taken[at] = candidate.sessions[at].take_over(&mut self.sides[at].session, now);
                assert!(candidate.taken[at]);
                self.entered += usize::from(!self.sides[at].opened);
                std::mem::swap(&mut candidate.sessions[at], &mut self.sides[at].session);
                self.sides[at].out = Out::dead();
                self.sides[1 - at].out.dead = true;
            }
        }
        if candidate.taken == [true; 2] {
            let wires = std::mem::take(&mut candidate.wires);
            for (side, wire) in self.sides.iter_mut().zip(wires) {
                side.out = wire;
            }
            self.candidate = None;
        }
    }

    /// The network is well again: everything arrives.
    fn heal(&mut self) {
        for _ in 0..200 {
            for at in 0..2 {
                self.start_over();
                self.confirm(at);
                self.transmit(at, 2_000);
                self.deliver(at, usize::MAX);
                self.show(at, usize::MAX);
                self.advance(at, usize::MAX);
            }
            let well = |side: &Side| side.opened && side.session.stage() == Stage::Open && side.session.waiting() == 0;
            if self.sides.iter().all(well) {
                return;
            }
            self.redial();
            self.pass(Duration::from_secs(1));
        }
    }

    fn check(&self) {
        for at in 0..2 {
            let (side, other) = (&self.sides[at], &self.sides[1 - at]);
            assert_eq!((side.session.stage(), side.opened), (Stage::Open, true));
            assert!(side.said == other.heard, "lost, doubled or reordered");
            assert_eq!((side.session.waiting(), side.receipts), (0, side.said.len()));
        }
    }
}

#[test]
fn whatever_breaks_every_text_arrives_once_and_in_order() {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seeds = match number("TETE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TETE_SCHEDULES").unwrap_or(SCHEDULES),
    };
    let (mut texts, mut broken, mut failed, mut entered) = (0, 0, 0, 0);
    for seed in seeds {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
            broken += u32::from(world.sides[0].session.stage() == Stage::Away);
        }
        world.heal();
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.check())).is_err() {
            panic!("seed {seed}: {:?}", world.sides.each_ref().map(|side| side.session.stage()));
        }
        failed += world.failed;
        entered += world.entered;
        texts += world.sides.iter().map(|side| side.said.len()).sum::<usize>();
    }
    println!("{texts} texts, {broken} steps without a connection");
    println!("{failed} pairings that came to nothing, {entered} returns to a room that was not open yet");
    assert!(texts > 0);
}
