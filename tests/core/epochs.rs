//! Fresh keys inside a connection: when, by whom, and what ends it (docs/PROTOCOL.md, section 9).

use std::time::Duration;

use crate::forge::random;
use crate::raw::{RawPeer, frame};
use crate::sessions::Pair;
use tete::protocol::error::{Error, Wait};
use tete::protocol::frame::{RK1, RK2};
use tete::protocol::record::SMALL;
use tete::protocol::session::{EPOCH, EPOCH_CHANGE, EPOCH_FRAMES, EPOCH_WITH_TEXTS, Role, Stage};

const NOW: Duration = Duration::from_secs(1_000);
const ROLES: [Role; 2] = [Role::Initiator, Role::Responder];

fn epochs(pair: &Pair) -> [u32; 2] {
    [&pair.i, &pair.r].map(|side| side.session.epoch().unwrap().0)
}

/// Lets time pass with heartbeats both ways.
fn pass(pair: &mut Pair, time: Duration) {
    let until = pair.now + time;
    while pair.now < until {
        pair.now = until.min(pair.now + Duration::from_secs(4));
        pair.run();
    }
}

/// Moves records both ways between sides with clocks of their own.
fn run_apart(pair: &mut Pair, clock: impl Fn(Role) -> Duration) {
    for _ in 0..4 {
        for (role, other) in [(Role::Initiator, Role::Responder), (Role::Responder, Role::Initiator)] {
            pair.side(role).drain(clock(role));
            for record in pair.side(role).sent.split_off(0) {
                pair.side(other).take(&record, clock(other));
            }
        }
    }
    assert_eq!((pair.i.error, pair.r.error), (None, None));
}

#[test]
fn either_user_can_have_fresh_keys_now() {
    for role in ROLES {
        let mut pair = Pair::open();
        assert!(pair.side(role).session.change_epoch());
        pair.run();
        assert_eq!(epochs(&pair), [1, 1]);
        assert_eq!(pair.i.session.epoch().unwrap().1, pair.now);
        pair.say(Role::Initiator, "under new keys");
        pair.say(Role::Responder, "both ways");
        pair.run();
        assert_eq!((pair.r.texts.len(), pair.i.texts.len()), (1, 1));
    }
}

#[test]
fn an_epoch_with_texts_lasts_two_minutes_and_one_without_fifteen() {
    let mut pair = Pair::open();
    pass(&mut pair, EPOCH_WITH_TEXTS + Duration::from_secs(60));
    assert_eq!(epochs(&pair), [0, 0]);
    pass(&mut pair, EPOCH - EPOCH_WITH_TEXTS - Duration::from_secs(60));
    assert_eq!(epochs(&pair), [1, 1]);
    for role in ROLES {
        let before = epochs(&pair)[0];
        pair.say(role, "x");
        pair.run();
        pass(&mut pair, EPOCH_WITH_TEXTS - Duration::from_secs(1));
        assert_eq!(epochs(&pair), [before; 2]);
        pass(&mut pair, Duration::from_secs(1));
        assert_eq!(epochs(&pair), [before + 1; 2]);
    }
}

#[test]
fn the_clock_of_either_side_is_enough() {
    for ahead in ROLES {
        let mut pair = Pair::open();
        pair.say(Role::Initiator, "x");
        pair.run();
        let begin = pair.now;
        for seconds in (0..=EPOCH_WITH_TEXTS.as_secs()).step_by(4) {
            assert_eq!(epochs(&pair), [0, 0]);
            // The other side's clock is slow.
            let time = Duration::from_secs(seconds);
            run_apart(&mut pair, |role| begin + if role == ahead { time } else { time / 2 });
        }
        assert_eq!(epochs(&pair), [1, 1], "{ahead:?} is ahead");
    }
}

#[test]
fn so_many_frames_are_enough_in_either_direction() {
    for role in ROLES {
        let mut pair = Pair::open();
        for number in 0..EPOCH_FRAMES * 3 {
            pair.say(role, &number.to_string());
            if number % 400 == 0 {
                pair.run();
            }
        }
        pair.run();
        let other = if role == Role::Initiator { Role::Responder } else { Role::Initiator };
        assert_eq!(pair.side(other).texts.len(), EPOCH_FRAMES as usize * 3);
        let [i, r] = epochs(&pair);
        assert!(i == r && (2..=4).contains(&i), "{i} {r}");
    }
}

#[test]
fn texts_cross_hundreds_of_changes_unharmed() {
    let mut pair = Pair::open();
    for number in 0..300 {
        pair.i.session.change_epoch();
        pair.r.session.change_epoch();
        let text = format!("{number}{}", "x".repeat(number * 10));
        pair.say(Role::Initiator, &text);
        pair.say(Role::Responder, &text);
        // One record at a time, so that changes and texts meet in every order.
        let now = pair.now;
        for _ in 0..number % 7 {
            if let Some(record) = pair.i.session.transmit(now).unwrap() {
                pair.r.take(record.as_slice(), now);
            }
            if let Some(record) = pair.r.session.transmit(now).unwrap() {
                pair.i.take(record.as_slice(), now);
            }
        }
    }
    pair.run();
    assert_eq!((pair.i.error, pair.r.error), (None, None));
    assert_eq!((pair.r.texts.len(), pair.i.texts.len()), (300, 300));
    let [i, r] = epochs(&pair);
    assert!(i == r && i > 100, "{i} {r}");
}

#[test]
fn a_change_that_is_not_finished_in_thirty_seconds_ends_the_connection_and_not_the_room() {
    for role in ROLES {
        let (mut peer, mut side) = RawPeer::opened(role, NOW);
        side.session.change_epoch();
        let said = peer.said(&mut side, NOW);
        assert_eq!(said[0][0], if role == Role::Initiator { 0x11 } else { 0x10 });
        let mut now = NOW;
        while now < NOW + EPOCH_CHANGE - Duration::from_secs(4) {
            now += Duration::from_secs(4);
            side.take(&peer.seal(&frame(0x00, &[])), now);
            assert_eq!(side.session.tick(now), Ok(()));
        }
        assert_eq!(side.session.tick(NOW + EPOCH_CHANGE), Err(Error::Timeout(Wait::EpochChange)));
        assert_eq!(side.session.stage(), Stage::Away);
    }
}

#[test]
fn a_thousand_wishes_are_one_change() {
    let (mut peer, mut side) = RawPeer::opened(Role::Initiator, NOW);
    for _ in 0..1_000 {
        side.take(&peer.seal(&frame(0x10, &[])), NOW);
    }
    let said = peer.said(&mut side, NOW);
    assert_eq!((said.len(), said[0][0]), (1, 0x11));
    side.take(&peer.seal(&frame(0x10, &[])), NOW);
    assert!(peer.said(&mut side, NOW).is_empty(), "one at a time");
}

#[test]
fn an_answer_that_does_not_verify_is_fatal() {
    let (mut peer, mut side) = RawPeer::opened(Role::Initiator, NOW);
    side.session.change_epoch();
    peer.said(&mut side, NOW);
    let forged: Vec<u8> = (0..RK2 / 32).flat_map(|_| random()).chain([0; RK2 % 32]).collect();
    side.take(&peer.seal(&frame(0x12, &forged)), NOW);
    assert_eq!((side.error, side.session.stage()), (Some(Error::Handshake), Stage::Closed));
    for first in [[0; 32], random()] {
        let (mut peer, mut side) = RawPeer::opened(Role::Responder, NOW);
        side.take(&peer.seal(&frame(0x11, &[&first[..], &[7; RK1 - 32]].concat())), NOW);
        assert_eq!((side.error, side.session.stage()), (Some(Error::Handshake), Stage::Closed));
    }
}

#[test]
fn a_record_of_the_epoch_before_ends_the_connection() {
    let mut pair = Pair::open();
    let now = pair.now;
    pair.say(Role::Initiator, "old");
    pair.i.drain(now);
    let old = pair.i.sent.front().unwrap().clone();
    pair.run();
    pair.i.session.change_epoch();
    pair.run();
    pair.r.take(&old, now);
    assert_eq!((pair.r.error, pair.r.session.stage()), (Some(Error::Forged), Stage::Away));
    assert_eq!((pair.r.texts.len(), old.len()), (1, SMALL));
}

#[test]
fn a_new_connection_begins_at_epoch_0_with_keys_of_its_own() {
    let (peer, mut side) = RawPeer::opened(Role::Responder, NOW);
    side.session.lost(NOW);
    assert!(side.session.epoch().is_none() && !side.session.change_epoch());
    let mut peer = peer.come_back(&mut side, Role::Responder, NOW);
    peer.said(&mut side, NOW);
    side.take(&[peer.seal(&frame(0x02, &[])), peer.seal(&frame(0x08, &[0; 4]))].concat(), NOW);
    assert_eq!(side.session.epoch(), Some((0, NOW)));
}
