//! Whatever a wire does to the bytes, the same happens on both sides, in the same order.
//!
//! A whole conversation (the code, VERIFIED, texts, a file each way, fresh keys, BYE) goes over every kind of wire,
//! and is cut at every border between two records and between them, in each of the three modes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::raw::{By, RawPeer, frame};
use crate::sessions::{Pair, initiator, pairing, responder, secret, static_key};
use crate::wire::{BURST, WIRES, Wire};
use tete::protocol::error::Error;
use tete::protocol::frame::{EntryKind, Farewell};
use tete::protocol::handshake::{Mode, SharedSecret};
use tete::protocol::keys::InviteSecret;
use tete::protocol::record::SMALL;
use tete::protocol::session::{Event, Session, Stage};
use tete::protocol::transfer::{Content, Item, NOTHING, Received, Sent};
use zeroize::Zeroizing;

const NOW: Duration = Duration::from_secs(1_000);
/// Long enough for a record of each kind.
const FILE: usize = 20_000;
/// How many segments of a direction are lost, one in each run.
const SEGMENTS: usize = 14;

/// What the wire does in one direction, and where else a read ends: in front of the byte of that number.
type Wired = (Wire, usize);

const WHOLE: Wired = (Wire::Whole, 0);

/// When the one that leaves does so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Leaves {
    /// As soon as its room is open and it has said what it has to say.
    AtOnce,
    /// When all was said and done on both sides.
    AtTheEnd,
}

/// What a side was told of its partner, in its order.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Told {
    Code,
    Opened,
    Resumed,
    Text(String),
    Offered,
    Begun,
    /// So many bytes in all, in any number of pieces.
    Data(usize),
    Ended,
    Left(Farewell),
}

/// One direction of a connection in memory.
struct Direction {
    wire: Wire,
    /// A read ends in front of the byte of that number.
    cut: usize,
    segments: VecDeque<Vec<u8>>,
    /// Segments that have arrived.
    arrived: usize,
    /// Bytes that have arrived.
    bytes: usize,
    /// When the last burst came.
    burst_at: Duration,
}

impl Direction {
    /// A direction that nothing was written to.
    fn new((wire, cut): (Wire, usize)) -> Self {
        Self { wire, cut, segments: VecDeque::new(), arrived: 0, bytes: 0, burst_at: Duration::ZERO }
    }

    /// Takes what was written at once.
    fn write(&mut self, segment: Vec<u8>) {
        self.segments.push_back(segment);
    }

    /// Whether nothing is under way.
    fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The next read. `None` while nothing arrives.
    ///
    /// What was lost is sent again when it is `overdue`: when nothing else moves.
    fn read(&mut self, now: Duration, overdue: bool) -> Option<Vec<u8>> {
        let first = self.segments.front()?.len();
        let under_way: usize = self.segments.iter().map(Vec::len).sum();
        let count = match self.wire {
            Wire::Whole => first,
            Wire::Joined => under_way,
            Wire::Bytewise => 1,
            Wire::LosesOne(lost) if self.arrived != lost => first,
            Wire::LosesOne(_) if overdue => under_way,
            Wire::Bursts if now >= self.burst_at + BURST => {
                self.burst_at = now;
                under_way
            }
            Wire::LosesOne(_) | Wire::Bursts => return None,
        };
        let before = self.cut.saturating_sub(self.bytes);
        Some(self.take(if before > 0 { count.min(before) } else { count }))
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let mut read = Vec::with_capacity(count);
        while let Some(segment) = self.segments.front_mut().filter(|_| read.len() < count) {
            let part = segment.len().min(count - read.len());
            read.extend(segment.drain(..part));
            if segment.is_empty() {
                self.segments.pop_front();
                self.arrived += 1;
            }
        }
        self.bytes += read.len();
        read
    }
}

struct Person {
    session: Session,
    out: Direction,
    /// The texts that it has to say.
    says: Vec<String>,
    told: Vec<Told>,
    /// Its own texts that were delivered.
    delivered: usize,
    /// What became of its own file.
    stored: Option<bool>,
    has_said: bool,
    /// A return: the session that has the room until this one takes it over.
    before: Option<Session>,
}

impl Person {
    fn new(session: Session, before: Option<Session>, name: &str, wire: Wired) -> Self {
        let says = [format!("{name} first"), "x".repeat(3_000), format!("{name} last")].into();
        let (told, delivered, stored, has_said) = (Vec::new(), 0, None, false);
        Self { session, out: Direction::new(wire), says, told, delivered, stored, has_said, before }
    }

    fn is_open(&self) -> bool {
        self.told.iter().any(|told| matches!(told, Told::Opened | Told::Resumed))
    }

    /// Everything was said, shown, stored and done, and the keys are fresh.
    fn is_done(&self) -> bool {
        self.has_said
            && self.delivered == self.says.len()
            && self.stored.is_some()
            && self.told.contains(&Told::Ended)
            && self.session.epoch().is_some_and(|(number, _)| number > 0)
    }

    /// Acts on all that happened, in its order.
    fn hear(&mut self, now: Duration) {
        if self.session.stage() == Stage::Returning
            && let Some(mut before) = self.before.take()
        {
            assert!(self.session.take_over(&mut before, now));
        }
        while let Some(event) = self.session.event() {
            match event {
                Event::Code => self.told.push(Told::Code),
                Event::Opened => self.told.push(Told::Opened),
                Event::Resumed => self.told.push(Told::Resumed),
                Event::Verified | Event::ResumeKeys => {}
                Event::Text(text) => {
                    self.session.shown(text.id);
                    self.told.push(Told::Text(text.text.to_string()));
                }
                Event::Delivered(count) => self.delivered += count,
                Event::Sent(sent) => self.sent(sent),
                Event::Received(received) => self.received(received),
                Event::Cancelled { .. } => panic!("nobody cancels"),
                Event::Left(why) => self.told.push(Told::Left(why)),
            }
        }
    }

    fn sent(&mut self, sent: Sent) {
        match sent {
            Sent::Wanted { index, .. } => {
                let bytes = vec![7; FILE];
                let hash = *blake3::hash(&bytes).as_bytes();
                // In the same read the partner may have left.
                let Some(sending) = self.session.sending() else { return };
                let (size, path) = (FILE as u64, "a file".to_owned());
                sending.feed(Item::Begin { index, size, kind: EntryKind::File, path });
                sending.feed(Item::Data { index, offset: 0, bytes: Content(bytes) });
                sending.feed(Item::End { index, hash });
            }
            Sent::Seen { .. } | Sent::Working | Sent::Renamed { .. } => {}
            Sent::Done { ok, last, .. } => {
                assert!(last);
                self.stored = Some(ok);
            }
        }
    }

    fn received(&mut self, received: Received) {
        let told = match (received, self.told.last_mut()) {
            (Received::Offered(_), _) => Told::Offered,
            (Received::Begun { .. }, _) => Told::Begun,
            (Received::Data { bytes, .. }, Some(Told::Data(count))) => return *count += bytes.0.len(),
            (Received::Data { bytes, .. }, _) => Told::Data(bytes.0.len()),
            (Received::Ended { .. }, _) => Told::Ended,
        };
        // A session that is over takes nothing.
        if let Some(receiving) = self.session.receiving() {
            match told {
                Told::Offered => receiving.want(),
                Told::Ended => drop(receiving.done(0, true)),
                _ => {}
            }
            if receiving.next_entry().is_some() {
                receiving.accept(0, NOTHING);
            }
        }
        self.told.push(told);
    }

    /// Says all it has to say once its room is open.
    fn speak(&mut self, now: Duration) {
        if !self.is_open() || self.has_said || self.session.stage() != Stage::Open {
            return;
        }
        self.has_said = true;
        for text in &self.says {
            self.session.say(Zeroizing::new(text.clone()), now).unwrap();
        }
        self.session.sending().unwrap().offer(1, FILE as u64, "a file".into()).unwrap();
        self.session.change_epoch();
    }

    /// Writes everything that it has to send now.
    fn write(&mut self, now: Duration) {
        self.session.admit();
        loop {
            let mut data = Vec::new();
            if let Some(record) = self.session.transmit(now).unwrap() {
                self.out.write(record.to_vec());
            } else if self.session.transmit_data(&mut data, now).unwrap() {
                self.out.write(data);
            } else {
                break;
            }
            self.hear(now);
        }
    }
}

/// Two in a conversation: first the initiator, then the responder.
struct Conversation {
    people: [Person; 2],
    now: Duration,
    leaver: usize,
    leaves: Leaves,
}

impl Conversation {
    fn new(by: By, wires: [Wired; 2], leaver: usize, leaves: Leaves) -> Self {
        let by_secret = || {
            let psk = InviteSecret(secret(&[7; 32])).psk().unwrap();
            Mode::Secret(Arc::new(SharedSecret { psk, local: Arc::new(static_key()) }))
        };
        let (modes, before) = match by {
            By::Code => ([pairing(), pairing()], [None, None]),
            By::Invite => ([by_secret(), by_secret()], [None, None]),
            By::Return => {
                let mut pair = Pair::open();
                pair.now = NOW;
                pair.i.session.lost(NOW);
                pair.r.session.lost(NOW);
                let modes = [&pair.i, &pair.r].map(|side| Mode::Resume(side.session.resume_key().unwrap()));
                (modes, [Some(pair.i.session), Some(pair.r.session)])
            }
        };
        let [i, r] = modes;
        let [i_before, r_before] = before;
        let people = [
            Person::new(initiator(i, NOW), i_before, "joiner", wires[0]),
            Person::new(responder(r, NOW), r_before, "host", wires[1]),
        ];
        Self { people, now: NOW, leaver, leaves }
    }

    /// Each user types what the other reads out, once both sides have a code.
    fn confirm(&mut self) {
        let halves = self.people.each_ref().map(|person| {
            let code = person.session.code().filter(|_| person.session.stage() == Stage::Confirming);
            code.map(|code| code.own.to_string())
        });
        if let [Some(i), Some(r)] = halves {
            self.people[0].session.enter(&r);
            self.people[1].session.enter(&i);
        }
    }

    fn act(&mut self) {
        self.confirm();
        for person in &mut self.people {
            person.speak(self.now);
            person.write(self.now);
            person.speak(self.now);
        }
        let done = match self.leaves {
            Leaves::AtOnce => self.people[self.leaver].has_said,
            Leaves::AtTheEnd => self.people.iter().all(Person::is_done),
        };
        if done {
            self.people[self.leaver].session.leave(Farewell::Done);
        }
        self.people.iter_mut().for_each(|person| person.write(self.now));
    }

    /// Hands over one read of that direction. `false` if nothing arrives.
    fn deliver(&mut self, from: usize, overdue: bool) -> bool {
        let Some(read) = self.people[from].out.read(self.now, overdue) else { return false };
        let to = &mut self.people[1 - from];
        let mut rest = read.as_slice();
        while !rest.is_empty() {
            to.session.receive(&mut rest, self.now).unwrap();
        }
        to.hear(self.now);
        true
    }

    /// Until nothing more happens.
    fn run(mut self) -> [Person; 2] {
        for _ in 0..500_000 {
            self.act();
            // Both directions, even if the first has something.
            if self.deliver(0, false) | self.deliver(1, false) {
                continue;
            }
            if self.people.iter().all(|person| person.out.is_empty()) {
                return self.people;
            }
            self.now += BURST;
            if !self.deliver(0, true) {
                self.deliver(1, true);
            }
        }
        panic!("it has no end");
    }
}

/// What a side is told of a partner who says and sends all they have to.
fn expected(by: By, name: &str, complete: bool, leaves: bool) -> Vec<Told> {
    let opening = match by {
        By::Code => vec![Told::Code, Told::Opened],
        By::Invite => vec![Told::Opened],
        By::Return => vec![Told::Resumed],
    };
    let texts = [format!("{name} first"), "x".repeat(3_000), format!("{name} last")].map(Told::Text);
    let file = [Told::Begun, Told::Data(FILE), Told::Ended];
    let mut told: Vec<_> = opening.into_iter().chain(texts).chain([Told::Offered]).collect();
    told.extend(file.into_iter().filter(|_| complete));
    told.extend(leaves.then_some(Told::Left(Farewell::Done)));
    told
}

#[track_caller]
fn converse(by: By, wires: [Wired; 2], leaver: usize, leaves: Leaves) {
    let people = Conversation::new(by, wires, leaver, leaves).run();
    let case = format!("{by:?} over {wires:?}, the {} leaves {leaves:?}", ["joiner", "host"][leaver]);
    let (left, stayed) = (&people[leaver], &people[1 - leaver]);
    let names = [["joiner", "host"][leaver], ["host", "joiner"][leaver]];
    let complete = leaves == Leaves::AtTheEnd;
    assert_eq!(stayed.told, expected(by, names[0], complete, true), "{case}");
    assert_eq!(stayed.session.stage(), Stage::Closed, "{case}");
    assert_eq!(left.session.stage(), Stage::Leaving, "{case}");
    // Whoever leaves hears what was delivered up to the end, and whoever is left knows what was not.
    let heard = left.told.iter().filter(|told| matches!(told, Told::Text(_))).count();
    let said = if stayed.has_said { stayed.says.len() } else { 0 };
    assert_eq!((left.delivered, left.session.waiting()), (left.says.len(), 0), "{case}");
    assert_eq!((stayed.delivered, stayed.session.waiting()), (heard, said - heard), "{case}");
    let whole = expected(by, names[1], true, false);
    if complete {
        assert_eq!(left.told, whole, "{case}");
        for person in &people {
            assert_eq!((person.delivered, person.stored), (person.says.len(), Some(true)), "{case}");
        }
    } else {
        // What was said to somebody who has gone may be lost, but nothing of it comes out of turn.
        assert!(left.is_open() && whole.starts_with(&left.told), "{case}: {:?}", left.told);
    }
}

/// Every way to meet, to leave and to be left.
fn every_conversation(mut run: impl FnMut(By, usize, Leaves)) {
    for by in [By::Code, By::Invite, By::Return] {
        for leaver in 0..2 {
            for leaves in [Leaves::AtOnce, Leaves::AtTheEnd] {
                run(by, leaver, leaves);
            }
        }
    }
}

#[test]
fn the_same_happens_in_the_same_order_over_every_wire() {
    every_conversation(|by, leaver, leaves| {
        for wire in WIRES {
            converse(by, [(wire, 0); 2], leaver, leaves);
        }
    });
}

#[test]
fn whichever_segment_is_lost_what_follows_it_is_heard_after_it() {
    every_conversation(|by, leaver, leaves| {
        for lost in 0..SEGMENTS {
            converse(by, [(Wire::LosesOne(lost), 0), WHOLE], leaver, leaves);
            converse(by, [WHOLE, (Wire::LosesOne(lost), 0)], leaver, leaves);
        }
    });
}

#[test]
fn a_read_may_end_anywhere() {
    // Around every border of the records up to the file, and inside them.
    let places = (0..SEGMENTS).flat_map(|record| [0, 1, 3, 640].map(|place| record * SMALL + place));
    let places: Vec<_> = places.skip(1).collect();
    every_conversation(|by, leaver, leaves| {
        for place in &places {
            converse(by, [(Wire::Joined, *place), (Wire::Joined, 0)], leaver, leaves);
            converse(by, [(Wire::Joined, 0), (Wire::Joined, *place)], leaver, leaves);
        }
    });
}

#[test]
fn a_room_is_told_of_before_all_that_was_said_in_it_whatever_is_lost() {
    for leaver in 0..2 {
        for lost in 0..SEGMENTS {
            let wires = [(Wire::LosesOne(lost), 0); 2];
            for by in [By::Code, By::Invite, By::Return] {
                let people = Conversation::new(by, wires, leaver, Leaves::AtOnce).run();
                for person in people {
                    let first = person.told.iter().position(|told| matches!(told, Told::Text(_) | Told::Offered));
                    let opened = person.told.iter().position(|told| matches!(told, Told::Opened | Told::Resumed));
                    assert!(first.is_none_or(|first| opened.is_some_and(|opened| opened < first)), "{:?}", person.told);
                    let left = person.told.iter().position(|told| matches!(told, Told::Left(_)));
                    assert!(left.is_none_or(|left| left + 1 == person.told.len()), "{:?}", person.told);
                }
            }
        }
    }
}

#[test]
fn what_comes_in_one_read_with_record_3_is_judged_as_if_it_came_by_itself() {
    let (pad, ping, pong) = (frame(0x00, &[]), frame(0x06, &[1; 8]), frame(0x07, &[1; 8]));
    for by in [By::Code, By::Invite, By::Return] {
        for count in [1, 2, 100] {
            let harmless: Vec<_> = [&pad, &ping, &pong].into_iter().cycle().take(count).cloned().collect();
            let (mut peer, mut side) = RawPeer::in_one_read(by, &harmless, NOW);
            side.session.admit();
            assert_eq!(side.error, None, "{by:?}, {count} frames");
            let said = if by == By::Return {
                side.sent.drain(..).map(|record| peer.open(&record)).collect()
            } else {
                peer.said(&mut side, NOW)
            };
            assert_eq!(said[0][..3], [0x01, 0, 32], "{by:?}: the nonce goes out");
        }
        let (_, side) = RawPeer::in_one_read(by, &[pad.clone(), frame(0x05, &[0])], NOW);
        assert_eq!((side.error, side.session.stage()), (None, Stage::Closed), "{by:?}");
        assert_eq!(side.left, Some(Farewell::Done), "{by:?}");
        // Nothing else can follow before the nonce is known.
        for said in [frame(0x01, &[7; 32]), frame(0x02, &[]), frame(0x08, &[0; 4]), frame(0x10, &[]), frame(0x80, &[])]
        {
            let (_, side) = RawPeer::in_one_read(by, std::slice::from_ref(&said), NOW);
            assert_eq!(side.error, Some(Error::OutOfOrder), "{by:?}, type {:#x}", said[0]);
            assert!(side.sent.is_empty(), "{by:?}");
        }
    }
}
