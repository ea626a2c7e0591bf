//! Two sessions; the wire between them, the clock and both users are in the fuzzer's hands.

use std::time::Duration;

use tete::protocol::frame::Farewell;
use tete::protocol::pairing::Verdict;
use tete::protocol::record::{HEADER, LARGE, LARGE_BODY, SMALL, SMALL_BODY};
use tete::protocol::session::{Event, Role, Session, Stage};
use zeroize::Zeroizing;

use crate::{START, is_over, keeps_time, other_half, session};

/// Steps of one run.
const STEPS: usize = 512;

/// Both sides and the time.
pub struct Pair {
    /// The initiator, then the responder.
    sides: [Side; 2],
    now: Duration,
    tampered: bool,
}

struct Side {
    session: Session,
    /// All that it sent.
    sent: Vec<u8>,
    /// Of that, perhaps changed, what is under way and what has arrived.
    wire: Vec<u8>,
    arrived: Vec<u8>,
    /// How much of what arrived is what was sent.
    same: usize,
    confirmed: bool,
    /// Its VERIFIED is out.
    verified: bool,
    opened: bool,
    leaving: bool,
    said: Vec<String>,
    /// Texts that came, and how many of them were shown.
    heard: usize,
    shown: usize,
    /// How many of its own were shown, as far as it knows.
    receipts: usize,
}

impl Side {
    fn new(role: Role) -> Self {
        Self {
            session: session(role),
            sent: Vec::new(),
            wire: Vec::new(),
            arrived: Vec::new(),
            same: 0,
            confirmed: false,
            verified: false,
            opened: false,
            leaving: false,
            said: Vec::new(),
            heard: 0,
            shown: 0,
            receipts: 0,
        }
    }

    /// Where a record begins that is not the one that was sent there, once it has arrived whole.
    fn forged(&mut self) -> Option<usize> {
        let pairs = self.arrived[self.same..].iter().zip(&self.sent[self.same.min(self.sent.len())..]);
        self.same += pairs.take_while(|(arrived, sent)| arrived == sent).count();
        let start = self.same / SMALL * SMALL;
        let record = &self.arrived[start..];
        let whole = match usize::from(u16::from_be_bytes(*record.first_chunk::<HEADER>()?)) {
            SMALL_BODY => SMALL,
            LARGE_BODY => LARGE,
            _ => HEADER,
        };
        (self.same < self.arrived.len() && record.len() >= whole).then_some(start)
    }
}

impl Pair {
    /// Both sides at the given stage; in the first the initiator has not begun.
    pub fn new(stage: Stage) -> Self {
        let sides = [Side::new(Role::Initiator), Side::new(Role::Responder)];
        let mut pair = Self { sides, now: START, tampered: false };
        if stage != Stage::Established {
            pair.run();
        }
        if stage == Stage::Open {
            pair.enter(0, 0);
            pair.enter(1, 0);
            pair.run();
        }
        pair
    }

    /// Every two bytes are something that happens on one side, or to what is on its way from there.
    pub fn play(mut self, bytes: &[u8]) {
        for step in bytes.chunks_exact(2).take(STEPS) {
            let (what, at, size) = (step[0] % 16, usize::from(step[0] / 16 % 2), usize::from(step[1]));
            match what {
                0 => self.say(at, size * size / 8),
                1 => self.send(at),
                2 => self.deliver(at, 1 + size * 8),
                3 => self.run(),
                4 => self.flip(at, size / 2 * 11, if size % 2 == 1 { 0x3b } else { 1 << (size / 2 % 8) }),
                5 | 6 => self.splice(at, at, size % 4, what == 6),
                7 => self.splice(at, 1 - at, size % 4, false),
                8 | 9 => self.pass(Duration::from_millis(50) * step[1].into()),
                10 => self.enter(at, size % 4),
                11 => self.compare(at, size % 4 != 0),
                12 => self.leave(at),
                13 => self.show(at, size),
                14 => self.sides[at].session.admit(),
                _ => self.sides[at].session.refuse_busy(),
            }
            self.check();
        }
        self.run();
        self.check();
        if !self.tampered && self.sides.iter().all(|side| side.session.stage() == Stage::Open) {
            assert!((0..2).all(|at| self.sides[at].heard == self.sides[1 - at].said.len()));
        }
    }

    fn say(&mut self, at: usize, length: usize) {
        let side = &mut self.sides[at];
        let mut text = format!("{at}/{}", side.said.len());
        text.extend(std::iter::repeat_n('…', length / 3));
        if let Ok(id) = side.session.say(Zeroizing::new(text.clone()), self.now) {
            assert!(side.confirmed && id as usize == side.said.len());
            side.said.push(text);
        }
    }

    fn send(&mut self, at: usize) {
        while let Some(record) = self.sides[at].session.transmit(self.now).unwrap() {
            let side = &mut self.sides[at];
            side.sent.extend_from_slice(record.as_slice());
            side.wire.extend_from_slice(record.as_slice());
            while let Some(event) = self.sides[at].session.event() {
                self.judge(event, at);
            }
        }
        assert!(keeps_time(&mut self.sides[at].session, self.now));
    }

    fn deliver(&mut self, from: usize, length: usize) {
        let side = &mut self.sides[from];
        let start = side.arrived.len();
        side.arrived.extend(side.wire.drain(..length.min(side.wire.len())));
        let bytes = side.arrived[start..].to_vec();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let _ = self.sides[1 - from].session.receive(&mut rest, self.now);
            while let Some(event) = self.sides[1 - from].session.event() {
                self.judge(event, 1 - from);
            }
        }
    }

    fn run(&mut self) {
        loop {
            self.sides[1].session.admit();
            self.send(0);
            self.send(1);
            if self.sides.iter().all(|side| side.wire.is_empty()) {
                return;
            }
            self.deliver(0, usize::MAX);
            self.deliver(1, usize::MAX);
        }
    }

    fn flip(&mut self, from: usize, place: usize, mask: u8) {
        let wire = &mut self.sides[from].wire;
        let place = place % wire.len().max(1);
        if let Some(byte) = wire.get_mut(place) {
            *byte ^= mask;
            self.tampered = true;
        }
    }

    /// Takes a record out of the wire, or puts one in again, be it into the other wire.
    fn splice(&mut self, into: usize, from: usize, count: usize, out: bool) {
        let next = |side: &Side| side.arrived.len().next_multiple_of(SMALL) - side.arrived.len();
        let start = next(&self.sides[from]) + count * SMALL;
        let Some(record) = self.sides[from].wire.get(start..start + SMALL).map(<[u8]>::to_vec) else { return };
        let start = if into == from { start } else { next(&self.sides[into]) };
        let wire = &mut self.sides[into].wire;
        if start <= wire.len() {
            wire.splice(start..if out { start + SMALL } else { start }, if out { Vec::new() } else { record });
            self.tampered = true;
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for side in &mut self.sides {
            let ended = side.session.tick(self.now).is_err();
            assert!(!ended || is_over(side.session.stage()));
        }
    }

    fn enter(&mut self, at: usize, what: usize) {
        let [own, partner] = [at, 1 - at].map(|at| self.sides[at].session.code().map(|code| code.own.clone()));
        let Some(own) = own else { return };
        let typed = match what {
            0 => partner.map(|half| half.to_string()).unwrap_or_default(),
            1 => own.to_string(),
            _ => self.sides[at].session.code().map(|code| other_half(&code.partner)).unwrap_or_default(),
        };
        let side = &mut self.sides[at];
        match side.session.enter(&typed) {
            Some(Verdict::Right) => {
                assert_eq!(what, 0);
                side.confirmed = true;
            }
            Some(Verdict::Wrong { tries_left: 0 }) => side.leaving = true,
            verdict => assert!(what != 0 || verdict.is_none() || typed.is_empty()),
        }
    }

    fn compare(&mut self, at: usize, same: bool) {
        let side = &mut self.sides[at];
        side.leaving |= !same;
        side.session.compared(same);
        side.confirmed |= same && side.session.is_confirmed();
    }

    fn leave(&mut self, at: usize) {
        self.sides[at].leaving = true;
        self.sides[at].session.leave(Farewell::Done);
    }

    fn show(&mut self, at: usize, count: usize) {
        let side = &mut self.sides[at];
        let shown = count.min(side.heard - side.shown);
        side.shown += shown;
        if let Some(last) = side.shown.checked_sub(1) {
            side.session.shown(last as u32);
        }
    }

    fn judge(&mut self, event: Event, at: usize) {
        let (confirmed, other) = (self.sides.iter().all(|side| side.confirmed), &self.sides[1 - at]);
        match event {
            Event::Text(text) => {
                let heard = self.sides[at].heard;
                assert!(self.sides[at].opened && text.id as usize == heard && *text.text == other.said[heard]);
                self.sides[at].heard += 1;
            }
            Event::Delivered(count) => {
                assert!(self.sides[at].opened && self.sides[at].receipts + count <= other.shown);
                self.sides[at].receipts += count;
            }
            Event::Verified => {
                let side = &mut self.sides[at];
                assert!(side.confirmed && !std::mem::replace(&mut side.verified, true));
            }
            Event::Opened => {
                assert!(confirmed && self.sides.iter().all(|side| side.verified));
                assert!(!std::mem::replace(&mut self.sides[at].opened, true));
            }
            Event::ResumeKeys => assert!(self.sides[at].opened),
            Event::Code => {}
            Event::Left(_) => assert!(other.leaving),
            _ => panic!("nobody offered files"),
        }
    }

    fn check(&mut self) {
        let [stage_i, stage_r] = [0, 1].map(|at| self.sides[at].session.stage());
        assert!(stage_i != Stage::Open && stage_r != Stage::Open || self.sides.iter().all(|side| side.confirmed));
        for (from, handshake) in [(0, 2 * SMALL), (1, SMALL)] {
            let Some(start) = self.sides[from].forged() else { continue };
            // Record 1 is in clear: that it was changed shows in record 2, or in what follows.
            let clear = from == 0 && start == 0 && self.sides[0].arrived.len() < 2 * SMALL;
            let stage = self.sides[1 - from].session.stage();
            assert!(is_over(stage) || clear && stage == Stage::Handshake);
            assert!(start >= handshake || self.sides.iter().all(|side| side.session.code().is_none()));
        }
        if let [Some(i), Some(r)] = [0, 1].map(|at| self.sides[at].session.code()) {
            assert!(i.own == r.partner && r.own == i.partner && i.emoji == r.emoji);
        }
    }
}
