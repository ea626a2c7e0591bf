//! Who may come back into an open room, and what may be said then.
//!
//! docs/PROTOCOL.md, sections 1 and 8.

use std::sync::Arc;
use std::time::Duration;

use crate::forge::{self, Forger, kem_key, random};
use crate::raw::{RawPeer, frame, text};
use crate::sessions::{self, Pair, Side, initiator, responder};
use tete::protocol::error::{Error, Wait};
use tete::protocol::frame::Farewell;
use tete::protocol::handshake::{Mode, ResumeKey};
use tete::protocol::record::{Record, SMALL};
use tete::protocol::replays::Replays;
use tete::protocol::session::{RETURN_UNVERIFIED, Role, SILENCE, Session, Settings, Stage};

const NOW: Duration = Duration::from_secs(1_000);
const ROLES: [Role; 2] = [Role::Initiator, Role::Responder];

fn resume(next_id: u32) -> Vec<u8> {
    frame(0x08, &next_id.to_be_bytes())
}

/// An open room whose connection is gone, and its partner.
fn away(role: Role) -> (RawPeer, Side) {
    let (peer, mut side) = RawPeer::opened(role, NOW);
    side.session.lost(NOW);
    assert_eq!(side.session.stage(), Stage::Away);
    (peer, side)
}

/// The partner is back, and VERIFIED went both ways.
fn back(role: Role) -> (RawPeer, Side) {
    let (peer, mut side) = away(role);
    let mut peer = peer.come_back(&mut side, role, NOW);
    assert_eq!(peer.said(&mut side, NOW), [frame(0x02, &[])]);
    side.take(&peer.seal(&frame(0x02, &[])), NOW);
    assert_eq!((side.error, side.session.stage()), (None, Stage::Resuming));
    (peer, side)
}

/// Both sides come back by a new connection.
fn reconnect(pair: &mut Pair) {
    let [i, r] = sessions::returning(&pair.i.session, &pair.r.session, pair.now);
    let mut next = Pair::of(i, r, pair.now);
    next.run();
    assert_eq!(next.stages(), (Stage::Returning, Stage::Returning));
    let now = pair.now;
    for role in ROLES {
        let side = pair.side(role);
        assert!(next.side(role).session.take_over(&mut side.session, now));
        std::mem::swap(&mut side.session, &mut next.side(role).session);
        side.sent.clear();
        side.error = None;
    }
    pair.run();
    assert_eq!(pair.stages(), (Stage::Open, Stage::Open));
}

#[test]
fn what_was_under_way_arrives_after_the_break_without_another_code() {
    let mut pair = Pair::open();
    pair.say(Role::Initiator, "sent and lost");
    let now = pair.now;
    pair.i.drain(now);
    pair.i.sent.clear();
    pair.i.session.lost(now);
    pair.r.session.lost(now);
    pair.now += Duration::from_secs(60);
    pair.say(Role::Initiator, "written while away");
    pair.say(Role::Responder, "from the other side");
    assert_eq!(pair.i.session.waiting(), 2);
    reconnect(&mut pair);
    assert_eq!(pair.r.texts, ["sent and lost", "written while away"]);
    assert_eq!(pair.i.texts, ["from the other side"]);
    assert_eq!((pair.i.shown, pair.i.session.waiting()), (2, 0));
    let codes = [&pair.i, &pair.r].map(|side| side.session.code().unwrap());
    assert!(codes[0].own == codes[1].partner, "the code of the new connection is the same on both sides");
}

#[test]
fn a_text_that_waited_tells_its_true_age() {
    for role in ROLES {
        let (peer, mut side) = away(role);
        side.session.say("late".to_owned().into(), NOW).unwrap();
        let later = NOW + Duration::from_secs(90);
        let mut peer = peer.come_back(&mut side, role, later);
        peer.said(&mut side, later);
        side.take(&[peer.seal(&frame(0x02, &[])), peer.seal(&resume(0))].concat(), later);
        let said = peer.said(&mut side, later);
        assert_eq!(said[0], resume(0));
        assert_eq!(
            said[1][..16],
            [&[3, 0, 13], &0u32.to_be_bytes()[..], &90_000u32.to_be_bytes(), &[0], b"late"].concat()
        );
    }
}

#[test]
fn a_half_dead_connection_is_replaced_by_the_new_one() {
    let mut pair = Pair::open();
    let now = pair.now;
    // Only the joiner has noticed.
    pair.i.session.lost(now);
    pair.say(Role::Responder, "into the void");
    pair.r.drain(now);
    assert_eq!(pair.stages(), (Stage::Away, Stage::Open));
    reconnect(&mut pair);
    assert_eq!(pair.i.texts, ["into the void"]);
}

#[test]
fn only_the_partners_key_with_the_rooms_secret_comes_back() {
    let (peer, side) = away(Role::Responder);
    let mode = || Mode::Resume(side.session.resume_key().unwrap());
    let attempt = |psk: &[u8; 32], private: &[u8; 32]| {
        let mut host = Side::new(responder(mode(), NOW));
        let mut forger = Forger::resuming(true, private, psk);
        host.take(&forger.record_1_resume(&kem_key()), NOW);
        host.drain(NOW);
        let Some(record) = host.sent.pop_front() else { return (host.error, host.session.stage()) };
        forger.read(&record[2..]);
        host.take(&forger.record_3(&random()), NOW);
        (host.error, host.session.stage())
    };
    assert_eq!(attempt(&random(), &random()), (Some(Error::Handshake), Stage::Closed), "another secret");
    assert_eq!(attempt(peer.psk.expose(), &random()), (Some(Error::OtherPartner), Stage::Closed), "another key");
    assert_eq!(side.session.stage(), Stage::Away);
}

#[test]
fn the_joiner_too_refuses_another_key_with_the_right_secret() {
    let (peer, side) = away(Role::Initiator);
    let mut joiner = Side::new(initiator(Mode::Resume(side.session.resume_key().unwrap()), NOW));
    let mut forger = Forger::resuming(false, &random(), peer.psk.expose());
    joiner.drain(NOW);
    let (ciphertext, _) = forge::encapsulate(&forger.read_1(&joiner.sent.pop_front().unwrap()));
    joiner.take(&forger.record_2(&[&ciphertext[..], &random()].concat()), NOW);
    assert_eq!((joiner.error, joiner.session.stage()), (Some(Error::OtherPartner), Stage::Closed));
    joiner.drain(NOW);
    assert!(joiner.sent.is_empty(), "our own key is not told");
}

#[test]
fn no_room_takes_the_other_mode() {
    let (_, side) = away(Role::Responder);
    let mut host = Side::new(responder(Mode::Resume(side.session.resume_key().unwrap()), NOW));
    let mut stranger = Side::new(initiator(sessions::pairing(), NOW));
    stranger.drain(NOW);
    host.take(&stranger.sent.pop_front().unwrap(), NOW);
    host.drain(NOW);
    assert_eq!((host.error, host.sent.len()), (Some(Error::Mode(0)), 0));
    let mut host = Side::new(responder(sessions::pairing(), NOW));
    let mut forger = Forger::resuming(true, &random(), &random());
    host.take(&forger.record_1_resume(&kem_key()), NOW);
    host.drain(NOW);
    assert_eq!((host.error, host.sent.len()), (Some(Error::Mode(2)), 0));
    let mut host = Side::new(responder(Mode::Resume(side.session.resume_key().unwrap()), NOW));
    let mut record = forger_record();
    record[6] = 2;
    host.take(&record, NOW);
    host.drain(NOW);
    assert_eq!((host.error, host.sent.len()), (Some(Error::NotTete), 0), "a room in use tells no version");
}

fn forger_record() -> Vec<u8> {
    Forger::resuming(true, &random(), &random()).record_1_resume(&kem_key())
}

#[test]
fn a_recorded_first_record_is_known_again() {
    let (_, side) = away(Role::Initiator);
    let mut replays = Replays::default();
    let record = |session: &mut Session| -> Record { session.transmit(NOW).unwrap().unwrap() };
    let mode = || Mode::Resume(side.session.resume_key().unwrap());
    let [first, second] = [0, 1].map(|_| record(&mut initiator(mode(), NOW)));
    replays.accepted(&first);
    assert!(replays.knows(&first) && !replays.knows(&second));
}

#[test]
fn a_handshake_that_finished_with_another_room_takes_nothing_over() {
    let mut rooms = [Pair::open(), Pair::open()];
    let modes = [&rooms[0].i, &rooms[0].r].map(|side| Mode::Resume(side.session.resume_key().unwrap()));
    let [i, r] = modes;
    let mut next = Pair::of(initiator(i, NOW), responder(r, NOW), NOW);
    next.run();
    assert!(!next.r.session.take_over(&mut rooms[1].r.session, NOW));
    assert_eq!((rooms[1].r.session.stage(), next.r.session.stage()), (Stage::Open, Stage::Returning));
    assert!(next.r.session.take_over(&mut rooms[0].r.session, NOW));
    assert_eq!(rooms[0].r.session.stage(), Stage::Closed);
    assert!(!next.r.session.take_over(&mut rooms[0].r.session, NOW), "once");
}

#[test]
fn after_verified_comes_resume_and_nothing_else() {
    for role in ROLES {
        for (said, allowed) in [
            (resume(0), true),
            (frame(0x05, &[0]), true),
            (frame(0x00, &[]), true),
            (text(0, 0, b"early"), false),
            (frame(0x04, &0u32.to_be_bytes()), false),
            (frame(0x02, &[]), false),
            (frame(0x01, &[7; 32]), false),
            (frame(0x10, &[]), false),
            (frame(0x13, &[]), false),
            (frame(0x20, &[0; 20]), false),
            (frame(0x80, &[]), false),
            (resume(1), false),
            (resume(u32::MAX), false),
        ] {
            let (mut peer, mut side) = back(role);
            side.take(&peer.seal(&said), NOW);
            assert_eq!(side.error.is_none(), allowed, "{role:?}, type {:#x}: {:?}", said[0], side.error);
            assert!(side.texts.is_empty());
            assert_eq!(side.session.stage() == Stage::Closed, !allowed || said[0] == 0x05);
        }
    }
}

#[test]
fn resume_before_verified_and_twice_is_fatal() {
    for role in ROLES {
        let (peer, mut side) = away(role);
        let mut peer = peer.come_back(&mut side, role, NOW);
        side.take(&peer.seal(&resume(0)), NOW);
        assert_eq!((side.error, side.session.stage()), (Some(Error::OutOfOrder), Stage::Closed));
        let (mut peer, mut side) = back(role);
        side.take(&[peer.seal(&resume(0)), peer.seal(&resume(0))].concat(), NOW);
        assert_eq!((side.error, side.session.stage()), (Some(Error::OutOfOrder), Stage::Closed));
    }
}

#[test]
fn a_next_id_below_what_was_receipted_or_above_what_was_sent_is_fatal() {
    for (next_id, end) in [(0, Some(Error::OutOfOrder)), (1, None), (2, None), (3, Some(Error::OutOfOrder))] {
        let (mut peer, mut side) = RawPeer::opened(Role::Initiator, NOW);
        for _ in 0..2 {
            side.session.say("x".to_owned().into(), NOW).unwrap();
        }
        assert_eq!(peer.said(&mut side, NOW).len(), 2);
        side.take(&peer.seal(&frame(0x04, &0u32.to_be_bytes())), NOW);
        side.session.say("not sent yet".to_owned().into(), NOW).unwrap();
        side.session.lost(NOW);
        let mut peer = peer.come_back(&mut side, Role::Initiator, NOW);
        peer.said(&mut side, NOW);
        side.take(&[peer.seal(&frame(0x02, &[])), peer.seal(&resume(next_id))].concat(), NOW);
        assert_eq!(side.error, end, "next_id {next_id}");
    }
}

#[test]
fn nothing_is_sent_again_before_the_partner_told_what_it_lacks() {
    let (mut peer, mut side) = back(Role::Responder);
    side.session.say("held back".to_owned().into(), NOW).unwrap();
    assert_eq!(peer.said(&mut side, NOW), [resume(0)]);
    side.take(&peer.seal(&resume(0)), NOW);
    assert_eq!(peer.said(&mut side, NOW).len(), 1);
}

#[test]
fn a_room_to_which_nobody_comes_back_ends_and_is_wiped() {
    let linger = Settings::default().linger;
    for role in ROLES {
        let (_, mut side) = away(role);
        side.session.say("never read".to_owned().into(), NOW).unwrap();
        assert_eq!(side.session.deadline(), Some(NOW + linger));
        assert_eq!(side.session.tick(NOW + linger - Duration::from_millis(1)), Ok(()));
        assert_eq!(side.session.tick(NOW + linger), Err(Error::Timeout(Wait::Return)));
        assert_eq!((side.session.stage(), side.session.waiting()), (Stage::Closed, 1));
        assert!(side.session.resume_key().is_none());
    }
}

#[test]
fn a_return_that_stands_still_is_given_up_and_the_room_waits_on() {
    for role in ROLES {
        let (peer, mut side) = away(role);
        let _peer = peer.come_back(&mut side, role, NOW);
        assert_eq!(side.session.tick(NOW + SILENCE), Err(Error::Timeout(Wait::Silence)));
        assert_eq!(side.session.stage(), Stage::Away);
    }
}

#[test]
fn a_jump_of_the_clock_gives_the_connection_up_and_not_the_room() {
    let mut pair = Pair::open();
    pair.say(Role::Initiator, "before the sleep");
    pair.i.drain(pair.now);
    // One machine slept; what arrived meanwhile is read with the clock of afterwards.
    pair.now += Duration::from_secs(8 * 60 * 60);
    let record = pair.i.sent.pop_front().unwrap();
    assert_eq!(record.len(), SMALL);
    pair.r.take(&record, pair.now);
    assert_eq!((pair.r.error, pair.r.session.stage()), (Some(Error::Timeout(Wait::Silence)), Stage::Away));
    assert_eq!(pair.i.session.tick(pair.now), Err(Error::Timeout(Wait::Silence)));
    reconnect(&mut pair);
    assert_eq!(pair.r.texts, ["before the sleep"]);
}

#[test]
fn every_byte_of_the_three_records_counts_here_too() {
    let (_, side) = away(Role::Responder);
    for place in 0..SMALL {
        let mode = || Mode::Resume(side.session.resume_key().unwrap());
        let mut joiner = Side::new(initiator(mode(), NOW));
        joiner.drain(NOW);
        let mut record = joiner.sent.pop_front().unwrap();
        record[place] ^= 1;
        let mut host = Side::new(responder(mode(), NOW));
        host.take(&record, NOW);
        assert!(host.error.is_some(), "byte {place}");
        host.drain(NOW);
        assert!(host.sent.is_empty());
    }
}

#[test]
fn a_text_without_a_receipt_is_asked_after_and_the_silence_noticed() {
    let (mut peer, mut side) = RawPeer::opened(Role::Initiator, NOW);
    // That of the opening is number 0.
    let ping = |number: u64| frame(0x06, &(number + 1).to_be_bytes());
    let second = Duration::from_secs(1);
    assert!(peer.said(&mut side, NOW + second).is_empty(), "nothing waits");
    side.session.say("x".to_owned().into(), NOW + second).unwrap();
    assert_eq!(peer.said(&mut side, NOW + second).len(), 1);
    assert!(peer.said(&mut side, NOW + second).is_empty());
    assert_eq!(side.session.deadline(), Some(NOW + 2 * second));
    assert_eq!(peer.said(&mut side, NOW + 2 * second), [ping(0)]);
    // Heartbeats do not answer it, another token does not, and no second PING goes out meanwhile.
    side.take(&[peer.seal(&frame(0x00, &[])), peer.seal(&frame(0x07, &[9; 8]))].concat(), NOW + 5 * second);
    assert_eq!(side.session.in_doubt_since(), NOW + 2 * second);
    assert!(peer.said(&mut side, NOW + 5 * second).is_empty());
    side.take(&peer.seal(&frame(0x07, &1u64.to_be_bytes())), NOW + 5 * second);
    assert_eq!(side.session.in_doubt_since(), NOW + 5 * second);
    assert_eq!(peer.said(&mut side, NOW + 5 * second), [ping(1)], "the partner's screen stands still");
    side.take(&peer.seal(&frame(0x07, &2u64.to_be_bytes())), NOW + 6 * second);
    side.take(&peer.seal(&frame(0x04, &0u32.to_be_bytes())), NOW + 6 * second);
    assert!(peer.said(&mut side, NOW + 8 * second).is_empty(), "shown");
}

#[test]
fn a_goodbye_that_comes_before_the_room_has_moved_ends_the_room() {
    for role in ROLES {
        for verified in [false, true] {
            let (peer, mut side) = away(role);
            side.session.say("not delivered".to_owned().into(), NOW).unwrap();
            let (mut peer, mut back) = peer.meet_again(&side, role, NOW);
            if verified {
                back.take(&peer.seal(&frame(0x02, &[])), NOW);
            }
            back.take(&[peer.seal(&frame(0x05, &[0])), peer.seal(&resume(7))].concat(), NOW);
            assert_eq!((back.error, back.left, back.session.stage()), (None, None, Stage::Returning));
            let back = back.into_room(side, NOW);
            assert_eq!((back.session.stage(), back.session.waiting()), (Stage::Closed, 1), "{role:?}");
            assert_eq!(back.left, Some(Farewell::Done));
        }
    }
}

/// How many keys each side takes the partner by, first the initiator.
fn keys(pair: &Pair) -> [usize; 2] {
    [&pair.i, &pair.r].map(|side| side.session.resume_keys().len())
}

/// An epoch change of an open room, up to as many of its three frames as arrive.
fn changing(frames: usize) -> Pair {
    let mut pair = Pair::open();
    let now = pair.now;
    assert!(pair.i.session.change_epoch());
    for number in 0..3 {
        let from = [Role::Initiator, Role::Responder][number % 2];
        pair.side(from).drain(now);
        let records = std::mem::take(&mut pair.side(from).sent);
        assert_eq!(records.len(), 1);
        if number >= frames {
            break;
        }
        let to = ROLES[1 - number % 2];
        pair.side(to).take(&records[0], now);
    }
    pair
}

#[test]
fn wherever_an_epoch_change_breaks_off_the_partner_comes_back() {
    // Of RK1, RK2 and RK3 so many arrive. The last to be sent may be lost.
    for (arrive, kept) in [(0, [1, 1]), (1, [1, 2]), (2, [1, 2]), (3, [1, 1])] {
        let mut pair = changing(arrive);
        assert_eq!(keys(&pair), kept, "{arrive} arrive");
        let now = pair.now;
        pair.i.session.lost(now);
        pair.r.session.lost(now);
        assert_eq!(keys(&pair), kept, "{arrive} arrive");
        for _ in 0..2 {
            reconnect(&mut pair);
            assert_eq!(keys(&pair), [1, 1], "only one key lives once VERIFIED came by it");
            pair.say(Role::Initiator, "here again");
            pair.run();
            pair.i.session.lost(now);
            pair.r.session.lost(now);
        }
        assert_eq!(pair.r.texts.len(), 2);
    }
}

#[test]
fn a_stolen_key_opens_the_room_no_more_after_an_epoch_change() {
    let mut pair = Pair::open();
    let stolen = [&pair.i, &pair.r].map(|side| side.session.resume_key().unwrap());
    let comes_in = |pair: &Pair, key: &Arc<ResumeKey>| {
        let mut thief = initiator(Mode::Resume(key.clone()), NOW);
        let record = thief.transmit(NOW).unwrap().unwrap();
        pair.r
            .session
            .resume_keys()
            .into_iter()
            .any(|own| responder(Mode::Resume(own), NOW).receive(&mut record.as_slice(), NOW).is_ok())
    };
    assert!(comes_in(&pair, &stolen[0]));
    pair.i.session.change_epoch();
    pair.run();
    assert!(!comes_in(&pair, &stolen[0]) && !comes_in(&pair, &stolen[1]));
    // A connection that resumes the room starts at epoch 0 of its own keys, and makes no key before its first change.
    for _ in 0..3 {
        let before = pair.i.session.resume_key().unwrap();
        pair.i.session.lost(pair.now);
        pair.r.session.lost(pair.now);
        reconnect(&mut pair);
        assert!(comes_in(&pair, &before));
        pair.r.session.change_epoch();
        pair.run();
        assert!(!comes_in(&pair, &before));
    }
}

#[test]
fn a_change_of_the_keys_is_told_and_an_attempt_with_the_older_one_leads_nowhere() {
    let mut pair = Pair::open();
    let now = pair.now;
    let [i, r] = sessions::returning(&pair.i.session, &pair.r.session, now);
    let mut attempt = Pair::of(i, r, now);
    attempt.run();
    pair.i.session.change_epoch();
    pair.run();
    assert_eq!((pair.i.renewed, pair.r.renewed), (1, 2), "the host has the older one for a while");
    for role in ROLES {
        assert_eq!(attempt.side(role).session.stage(), Stage::Returning);
        assert!(!attempt.side(role).session.take_over(&mut pair.side(role).session, now));
    }
    assert_eq!(pair.stages(), (Stage::Open, Stage::Open));
}

/// A side of a pairing whose connection is lost; `confirmed` with its VERIFIED out.
fn broken_pairing(role: Role, confirmed: bool) -> (RawPeer, Side) {
    let (peer, mut side) = if confirmed { RawPeer::confirmed(role, NOW) } else { RawPeer::confirming(role, NOW) };
    side.session.lost(NOW);
    (peer, side)
}

#[test]
fn a_side_that_has_confirmed_comes_back_without_another_code_and_one_that_has_not_does_not() {
    for role in ROLES {
        let (_, side) = broken_pairing(role, false);
        assert_eq!((side.session.stage(), side.session.resume_keys().len()), (Stage::Closed, 0));
        let (peer, mut side) = broken_pairing(role, true);
        assert_eq!((side.session.stage(), side.opened), (Stage::Away, false));
        let mut peer = peer.come_back(&mut side, role, NOW);
        assert_eq!(peer.said(&mut side, NOW), [frame(0x02, &[])], "VERIFIED goes again, by itself");
        side.take(&peer.seal(&frame(0x02, &[])), NOW);
        assert_eq!(peer.said(&mut side, NOW), [resume(0)]);
        assert!(!side.opened);
        side.take(&peer.seal(&resume(0)), NOW);
        assert_eq!((side.opened, side.error, side.session.stage()), (true, None, Stage::Open));
    }
}

#[test]
fn only_a_joiner_that_never_received_verified_gives_up_after_a_minute() {
    let ends = |mut side: Side| {
        let minute = NOW + RETURN_UNVERIFIED;
        let before = side.session.tick(minute - Duration::from_millis(1));
        (before, side.session.tick(minute))
    };
    let late = Err(Error::Timeout(Wait::Return));
    assert_eq!(ends(broken_pairing(Role::Initiator, true).1), (Ok(()), late));
    assert_eq!(ends(broken_pairing(Role::Responder, true).1), (Ok(()), Ok(())));
    for role in ROLES {
        // The partner has answered a PING, perhaps: it may be in the room for good.
        let (mut peer, mut side) = RawPeer::confirmed(role, NOW);
        side.take(&peer.seal(&frame(0x02, &[])), NOW);
        side.session.lost(NOW);
        assert_eq!(ends(side), (Ok(()), Ok(())), "{role:?}");
    }
}

#[test]
fn a_side_that_has_confirmed_notices_silence() {
    for role in ROLES {
        for (make, left) in [
            (RawPeer::confirming as fn(Role, Duration) -> (RawPeer, Side), Ok(())),
            (RawPeer::confirmed, Err(Error::Timeout(Wait::Silence))),
        ] {
            let (_, mut side) = make(role, NOW);
            assert_eq!(side.session.tick(NOW + SILENCE - Duration::from_millis(1)), Ok(()));
            assert_eq!(side.session.tick(NOW + SILENCE), left);
        }
    }
}

#[test]
fn receipts_that_are_owed_go_out_after_the_partners_goodbye_and_nothing_else_does() {
    for role in ROLES {
        let (mut peer, mut side) = RawPeer::opened(role, NOW);
        let said = [text(0, 0, b"one"), text(1, 0, b"two"), frame(0x05, &[0])];
        let read: Vec<u8> = said.iter().flat_map(|plaintext| peer.seal(plaintext)).collect();
        let mut rest = read.as_slice();
        while !rest.is_empty() {
            side.session.receive(&mut rest, NOW).unwrap();
        }
        assert_eq!(side.session.stage(), Stage::Left);
        assert!(side.session.say("too late".to_owned().into(), NOW).is_err());
        assert!(peer.said(&mut side, NOW + 2 * SILENCE).is_empty(), "no heartbeat either");
        side.session.shown(0);
        assert_eq!(peer.said(&mut side, NOW), [frame(0x04, &0u32.to_be_bytes())]);
        assert!(side.session.owes_receipts());
        side.session.shown(1);
        assert_eq!(peer.said(&mut side, NOW), [frame(0x04, &1u32.to_be_bytes())]);
        assert_eq!(side.session.stage(), Stage::Closed);
    }
}

/// A room that one side leaves with a text under way: BYE is sealed, and nothing of the two has arrived.
fn leaving(role: Role, text: &str) -> Pair {
    let mut pair = Pair::open();
    let now = pair.now;
    pair.say(role, text);
    pair.side(role).session.leave(Farewell::Done);
    pair.side(role).drain(now);
    pair
}

#[test]
fn a_leaver_hears_what_was_delivered_and_says_nothing_more() {
    for role in ROLES {
        let mut pair = leaving(role, "one");
        let now = pair.now;
        assert_eq!(pair.side(role).session.stage(), Stage::Leaving);
        assert_eq!(pair.side(role).session.waiting(), 1);
        pair.run();
        assert_eq!((pair.side(role).shown, pair.side(role).session.waiting()), (1, 0));
        let before = pair.side(role).session.transmit(now + 2 * SILENCE).unwrap();
        assert!(before.is_none() && pair.side(role).error.is_none());
    }
    // Whatever else is under way means nothing, and BYE ends it.
    for role in ROLES {
        let (mut peer, mut side) = RawPeer::opened(role, NOW);
        side.session.leave(Farewell::Done);
        assert_eq!(peer.said(&mut side, NOW), [frame(0x05, &[0])]);
        for (kind, content) in [(0x00, vec![]), (0x02, vec![]), (0x03, vec![0; 9]), (0x06, vec![7; 8]), (0x10, vec![])]
        {
            side.take(&peer.seal(&frame(kind, &content)), NOW);
            assert_eq!((side.error, side.session.stage()), (None, Stage::Leaving), "{role:?}, type {kind:#x}");
        }
        assert!(side.texts.is_empty() && peer.said(&mut side, NOW).is_empty());
        side.take(&peer.seal(&frame(0x05, &[0])), NOW);
        assert_eq!((side.error, side.left, side.session.stage()), (None, None, Stage::Closed));
    }
}

#[test]
fn a_leaver_whose_goodbye_was_not_sent_comes_back_to_say_it() {
    for role in ROLES {
        let mut pair = leaving(role, "the last");
        let now = pair.now;
        // None of it leaves.
        pair.side(role).sent.clear();
        pair.i.session.lost(now);
        pair.r.session.lost(now);
        let [i, r] = sessions::returning(&pair.i.session, &pair.r.session, now);
        let mut next = Pair::of(i, r, now);
        next.run();
        assert!(next.i.session.take_over(&mut pair.i.session, now));
        assert!(next.r.session.take_over(&mut pair.r.session, now));
        for side in [&mut next.i, &mut next.r] {
            side.opened = true;
        }
        next.run();
        let other = if role == Role::Initiator { Role::Responder } else { Role::Initiator };
        assert_eq!(next.side(other).texts, ["the last"]);
        assert_eq!((next.side(other).left, next.side(role).shown), (Some(Farewell::Done), 1));
    }
}
