//! Cover traffic: in an open room one record goes out at each tick, and nothing else.

use std::time::Duration;

use crate::sessions::{Pair, pairing};
use tete::protocol::random::OsRandom;
use tete::protocol::record::SMALL;
use tete::protocol::session::{Role, Session, Settings, Stage};

const TICK: Duration = Duration::from_millis(500);

/// An open room with cover traffic on both sides.
fn room() -> Pair {
    let now = Duration::from_secs(1_000);
    let settings = Settings { cover: Some(TICK), ..Settings::default() };
    let i = Session::initiate(pairing(), Box::new(OsRandom), settings, now).unwrap();
    let r = Session::respond(pairing(), Box::new(OsRandom), settings, now);
    let mut pair = Pair::of(i, r, now);
    pair.confirm();
    assert_eq!(pair.stages(), (Stage::Open, Stage::Open));
    pair
}

/// Times and sizes of what one side sends in so many steps of the clock.
fn capture(pair: &mut Pair, steps: u32, mut step: impl FnMut(&mut Pair, u32)) -> Vec<(Duration, usize)> {
    let begin = pair.now;
    let mut out = Vec::new();
    for number in 0..steps {
        pair.now += Duration::from_millis(50);
        step(pair, number);
        for (role, other) in [(Role::Initiator, Role::Responder), (Role::Responder, Role::Initiator)] {
            let now = pair.now;
            pair.side(role).drain(now);
            for record in pair.side(role).sent.split_off(0) {
                if role == Role::Initiator {
                    out.push((now - begin, record.len()));
                }
                pair.side(other).take(&record, now);
            }
        }
    }
    assert_eq!((pair.i.error, pair.r.error), (None, None));
    out
}

#[test]
fn typing_changes_neither_times_nor_sizes() {
    let idle = capture(&mut room(), 4_000, |_, _| {});
    let mut pair = room();
    let busy = capture(&mut pair, 4_000, |pair, number| {
        if number % 37 == 0 && number < 3_000 {
            pair.say(Role::Initiator, &"x".repeat(number as usize));
            pair.say(Role::Responder, "an answer");
        }
        if number % 500 == 0 {
            pair.i.session.change_epoch();
        }
    });
    assert!(idle == busy, "{} and {} records", idle.len(), busy.len());
    assert_eq!(idle.len(), 400);
    assert!(idle.iter().all(|(_, size)| *size == SMALL));
    assert_eq!((pair.r.texts.len(), pair.i.texts.len(), pair.i.session.waiting()), (82, 82, 0));
    assert!(pair.i.session.epoch().unwrap().0 > 5);
}

#[test]
fn a_round_trip_is_measured_when_asked_for_and_never_with_cover_traffic() {
    for (mut pair, measured) in [(Pair::open(), Some(Duration::from_millis(80))), (room(), None)] {
        pair.now += Duration::from_secs(3);
        pair.i.session.measure();
        pair.i.drain(pair.now);
        let to_r = std::mem::take(&mut pair.i.sent);
        pair.now += Duration::from_millis(80);
        for record in to_r {
            pair.r.take(&record, pair.now);
        }
        pair.run();
        assert_eq!(pair.i.session.round_trip(), measured);
        assert_eq!(pair.r.session.round_trip(), measured.map(|_| Duration::ZERO), "that of the opening");
    }
}

#[test]
fn after_a_stall_no_burst_makes_up_for_it() {
    let mut pair = room();
    capture(&mut pair, 20, |_, _| {});
    pair.now += Duration::from_secs(5);
    let late = capture(&mut pair, 40, |_, _| {});
    let gaps: Vec<_> = late.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(gaps.iter().all(|gap| *gap == TICK), "{gaps:?}");
}
