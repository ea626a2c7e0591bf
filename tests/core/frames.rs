//! Which frame may come when, with what in it, and what becomes of the session.
//!
//! The peer here is authentic and says anything (docs/PROTOCOL.md, sections 7 and 8).

use std::time::Duration;

use crate::raw::{RawPeer, frame, padded, text};
use crate::sessions::{Pair, Side, flipped};
use proptest::prelude::*;
use tete::protocol::delivery::TEXT;
use tete::protocol::error::{Error, Wait};
use tete::protocol::frame::{Farewell, LARGE_FRAME, RK1, RK2, SMALL_FRAME, TEXT_PART};
use tete::protocol::record::{HEADER, LARGE_BODY, SMALL, SMALL_BODY};
use tete::protocol::session::{Event, HEARTBEAT, Role, SILENCE, Stage};

const NOW: Duration = Duration::from_secs(1_000);
const ROLES: [Role; 2] = [Role::Initiator, Role::Responder];

/// What one plaintext does to a session that awaits frames.
fn end_of(make: fn(Role, Duration) -> (RawPeer, Side), role: Role, plaintext: &[u8]) -> Option<Error> {
    let (mut peer, mut side) = make(role, NOW);
    side.take(&peer.seal(plaintext), NOW);
    assert_eq!(side.error.is_some() || side.left.is_some(), side.session.stage() == Stage::Closed);
    side.error
}

fn opened(role: Role) -> (RawPeer, Side) {
    RawPeer::opened(role, NOW)
}

/// Content of the right form for every type, and whether it may come: while confirming, in an open room.
fn table(role: Role) -> Vec<(u8, Vec<u8>, bool, bool)> {
    let text = [0, 0, 0, 0, 0, 0, 0, 0, 0, b'x'].to_vec();
    let offer = [vec![0, 0, 0, 0, 0, 0, 0, 1], vec![0; 8], b"name".to_vec()].concat();
    let mut table = vec![
        (0x00, vec![], true, true),
        (0x01, vec![7; 32], false, false),
        (0x02, vec![], true, false),
        (0x03, text, false, true),
        (0x05, vec![0], true, true),
        (0x06, vec![7; 8], true, true),
        (0x07, vec![7; 8], true, true),
        (0x20, offer, false, true),
    ];
    // A receipt for nothing, and the answer to no offer.
    table.extend([0x04, 0x27].map(|kind| (kind, vec![0; if kind == 4 { 4 } else { 5 }], false, false)));
    // RESUME, and an epoch change as only the other role or a change under way would have it.
    for (kind, length) in [(0x08, 4), (0x11, RK1), (0x12, RK2), (0x13, 0)] {
        table.push((kind, vec![0; length], false, false));
    }
    // Only the responder asks for an epoch change.
    table.push((0x10, vec![], false, role == Role::Initiator));
    // What follows upon an offer, without one.
    for (kind, length) in [(0x21, 48), (0x22, 18), (0x23, 17), (0x24, 40), (0x25, 16), (0x26, 9)] {
        table.push((kind, vec![0; length], false, false));
    }
    let undefined = (0x09..=0x0f).chain(0x14..=0x1f).chain(0x28..=0x7f);
    table.extend(undefined.map(|kind| (kind, vec![], false, false)));
    table.extend((0x80..=0xff).map(|kind| (kind, vec![1, 2, 3], false, true)));
    assert_eq!(table.len(), 256);
    table
}

#[test]
fn every_type_is_taken_in_its_phase_only() {
    for role in ROLES {
        for (kind, content, confirming, open) in table(role) {
            let plaintext = frame(kind, &content);
            for (make, allowed) in [
                (RawPeer::confirming as fn(Role, Duration) -> (RawPeer, Side), confirming),
                (RawPeer::confirmed, confirming),
                (RawPeer::opened, open),
            ] {
                let error = end_of(make, role, &plaintext);
                assert_eq!(error.is_none(), allowed, "{role:?}, type {kind:#x}: {error:?}");
            }
        }
    }
}

#[test]
fn content_one_byte_short_or_long_is_fatal_for_every_fixed_frame() {
    let fixed = [(0x00, 0), (0x02, 0), (0x04, 4), (0x05, 1), (0x06, 8), (0x07, 8), (0x27, 5)];
    let files = [(0x21, 48), (0x24, 40), (0x25, 16), (0x26, 9)];
    let fixed: [(u8, usize); 16] =
        [&fixed[..], &files, &[(0x08, 4), (0x10, 0), (0x11, RK1), (0x12, RK2), (0x13, 0)]].concat().try_into().unwrap();
    for role in ROLES {
        for (kind, right) in fixed {
            for length in [right + 1, right.wrapping_sub(1)].into_iter().filter(|length| *length < SMALL_FRAME) {
                let make = if kind == 0x02 { RawPeer::confirming } else { RawPeer::opened };
                assert_eq!(end_of(make, role, &frame(kind, &vec![0; length])), Some(Error::Frame), "{kind:#x}");
            }
        }
    }
}

#[test]
fn a_length_beyond_the_record_is_fatal() {
    for length in [SMALL_FRAME - 2, SMALL_FRAME, 0xffff] {
        let plaintext = padded(0x80, length, &[], SMALL_FRAME);
        assert_eq!(end_of(RawPeer::opened, Role::Initiator, &plaintext), Some(Error::Frame));
    }
    let full = padded(0x80, SMALL_FRAME - 3, &[1; SMALL_FRAME - 3], SMALL_FRAME);
    assert_eq!(end_of(RawPeer::opened, Role::Initiator, &full), None);
}

#[test]
fn one_bit_of_padding_is_fatal_wherever_it_is() {
    for place in (3..SMALL_FRAME).step_by(97).chain([SMALL_FRAME - 1]) {
        let mut plaintext = frame(0x00, &[]);
        plaintext[place] = 0x80;
        assert_eq!(end_of(RawPeer::opened, Role::Responder, &plaintext), Some(Error::Frame), "byte {place}");
    }
}

#[test]
fn large_records_come_in_open_rooms_only_and_carry_file_data_only() {
    let header = (LARGE_BODY as u16).to_be_bytes();
    for role in ROLES {
        let (_, mut side) = RawPeer::confirming(role, NOW);
        side.take(&header, NOW);
        assert_eq!(side.error, Some(Error::RecordLength));
        let (_, mut side) = opened(role);
        side.take(&header, NOW);
        assert_eq!(side.error, None);
    }
    for kind in (0x00..=0xff).filter(|kind| *kind != 0x23) {
        let plaintext = padded(kind, 0, &[], LARGE_FRAME);
        assert_eq!(end_of(RawPeer::opened, Role::Initiator, &plaintext), Some(Error::Frame), "type {kind:#x}");
    }
}

#[test]
fn a_text_of_65536_bytes_arrives_and_one_byte_more_is_fatal() {
    for (length, arrives) in [(TEXT, true), (TEXT + 1, false)] {
        let (mut peer, mut side) = opened(Role::Initiator);
        let bytes = vec![b'x'; length];
        let parts = bytes.chunks(TEXT_PART);
        let last = parts.len() - 1;
        for (at, part) in parts.enumerate() {
            side.take(&peer.seal(&text(0, u8::from(at < last), part)), NOW);
        }
        assert_eq!((side.texts.len(), side.error), if arrives { (1, None) } else { (0, Some(Error::Text)) });
    }
}

#[test]
fn parts_without_end_are_bounded_by_the_longest_text() {
    let (mut peer, mut side) = opened(Role::Responder);
    let taken = (0..100).take_while(|_| {
        side.take(&peer.seal(&text(0, 1, &[b'x'; TEXT_PART])), NOW);
        side.error.is_none()
    });
    assert_eq!(taken.count(), TEXT / TEXT_PART);
    let (mut peer, mut side) = opened(Role::Responder);
    side.take(&peer.seal(&text(0, 1, &[])), NOW);
    assert_eq!(side.error, Some(Error::OutOfOrder), "a part with nothing in it could go on for ever");
}

#[test]
fn a_character_split_over_two_parts_is_whole_again() {
    let (mut peer, mut side) = opened(Role::Initiator);
    let ni = "你".as_bytes();
    side.take(&peer.seal(&text(0, 1, &ni[..2])), NOW);
    side.take(&peer.seal(&frame(0x06, &[1; 8])), NOW);
    side.take(&peer.seal(&text(0, 0, &ni[2..])), NOW);
    assert_eq!((side.texts, side.error), (vec!["你".to_owned()], None));
    for bad in [&ni[..2], &[0xff], b"\xed\xa0\x80", b"\xc0\xaf"] {
        assert_eq!(end_of(RawPeer::opened, Role::Initiator, &text(0, 0, bad)), Some(Error::Text));
    }
}

#[test]
fn a_gap_two_texts_at_once_and_unknown_flags_are_fatal_a_repeat_is_silent() {
    for (first, second, end) in [
        (text(0, 0, b"a"), text(2, 0, b"b"), Some(Error::OutOfOrder)),
        (text(0, 1, b"a"), text(1, 0, b"b"), Some(Error::OutOfOrder)),
        (text(0, 0, b"a"), text(0, 0, b"again"), None),
        (text(0, 0, b"a"), text(1, 2, b"b"), Some(Error::Frame)),
        (text(0, 0, b"a"), text(u32::MAX, 0, b"b"), Some(Error::OutOfOrder)),
    ] {
        let (mut peer, mut side) = opened(Role::Responder);
        side.take(&peer.seal(&first), NOW);
        side.take(&peer.seal(&second), NOW);
        assert_eq!(side.error, end);
        assert!(side.texts.len() <= 1);
    }
}

#[test]
fn a_receipt_for_what_was_not_sent_is_fatal() {
    for (receipts, end, shown) in [
        (&[1][..], None, 2),
        (&[0, 0, 1, 1], None, 2),
        (&[2], Some(Error::OutOfOrder), 0),
        (&[u32::MAX], Some(Error::OutOfOrder), 0),
        (&[1, 0], Some(Error::OutOfOrder), 2),
    ] {
        let (mut peer, mut side) = opened(Role::Initiator);
        for _ in 0..2 {
            side.session.say("x".to_owned().into(), NOW).unwrap();
        }
        assert_eq!(peer.said(&mut side, NOW).len(), 2);
        // Taken by the session and not sent yet.
        side.session.say("y".to_owned().into(), NOW).unwrap();
        for id in receipts {
            side.take(&peer.seal(&frame(0x04, &u32::to_be_bytes(*id))), NOW);
        }
        assert_eq!((side.error, side.shown), (end, shown), "{receipts:?}");
    }
}

#[test]
fn of_many_pings_the_newest_is_answered_and_none_before_the_room_is_open() {
    let (mut peer, mut side) = opened(Role::Responder);
    for token in 0..1_000_u64 {
        side.take(&peer.seal(&frame(0x06, &token.to_be_bytes())), NOW);
    }
    assert_eq!(peer.said(&mut side, NOW), [frame(0x07, &999_u64.to_be_bytes())]);
    let (mut peer, mut side) = RawPeer::confirming(Role::Responder, NOW);
    side.take(&peer.seal(&frame(0x06, &[1; 8])), NOW);
    assert!(peer.said(&mut side, NOW).is_empty());
}

#[test]
fn pads_say_nothing_and_keep_the_line_alive() {
    let (mut peer, mut side) = opened(Role::Initiator);
    for _ in 0..100_000 {
        side.take(&peer.seal(&frame(0x00, &[])), NOW);
    }
    // So many frames are worth fresh keys, and nothing else.
    assert!(peer.said(&mut side, NOW).iter().all(|said| said[0] == 0x11));
    let later = NOW + SILENCE - Duration::from_millis(1);
    side.take(&peer.seal(&frame(0x00, &[])), later);
    assert_eq!(side.session.tick(NOW + SILENCE), Ok(()));
    assert_eq!(side.session.tick(later + SILENCE), Err(Error::Timeout(Wait::Silence)));
    assert_eq!(side.session.stage(), Stage::Away);
}

#[test]
fn a_side_with_nothing_to_say_sends_a_pad_after_four_seconds() {
    for make in [RawPeer::confirming, RawPeer::opened] {
        let (mut peer, mut side) = make(Role::Initiator, NOW);
        let beat = NOW + HEARTBEAT;
        assert!(side.session.deadline().is_some_and(|at| at <= beat));
        assert!(peer.said(&mut side, beat - Duration::from_millis(1)).is_empty());
        assert_eq!(peer.said(&mut side, beat), [frame(0x00, &[])]);
        assert!(peer.said(&mut side, beat).is_empty());
    }
}

#[test]
fn nothing_is_heard_after_bye() {
    let (mut peer, mut side) = opened(Role::Initiator);
    let after = [peer.seal(&frame(0x05, &[0])), peer.seal(&text(0, 0, b"late"))].concat();
    side.take(&after, NOW);
    assert!(side.left.is_some() && side.texts.is_empty() && side.error.is_none());
    assert!(peer.said(&mut side, NOW).is_empty());
}

#[test]
fn every_byte_of_a_record_counts() {
    for role in ROLES {
        for place in 0..SMALL {
            let (mut peer, mut side) = opened(role);
            side.take(&flipped(&peer.seal(&text(0, 0, b"x")), place, 1), NOW);
            let why = if place < HEADER { Error::RecordLength } else { Error::Forged };
            assert_eq!((side.error, side.texts.len()), (Some(why), 0), "byte {place}");
        }
    }
}

#[test]
fn a_record_that_is_repeated_dropped_swapped_or_sent_back_ends_the_session() {
    let ends = |play: fn(&mut RawPeer, &mut Side) -> Vec<Vec<u8>>| {
        let (mut peer, mut side) = opened(Role::Initiator);
        for record in play(&mut peer, &mut side) {
            side.take(&record, NOW);
        }
        assert_eq!((side.error, side.session.stage()), (Some(Error::Forged), Stage::Away));
    };
    fn pad() -> Vec<u8> {
        frame(0x00, &[])
    }
    ends(|peer, _| vec![peer.seal(&pad()); 2]);
    ends(|peer, _| [peer.seal(&pad()), peer.seal(&pad())].into_iter().skip(1).collect());
    ends(|peer, _| [peer.seal(&pad()), peer.seal(&pad())].into_iter().rev().collect());
    ends(|_, side| {
        side.drain(NOW + HEARTBEAT);
        side.sent.drain(..).collect()
    });
    ends(|_, _| vec![opened(Role::Initiator).0.seal(&pad())]);
}

#[test]
fn a_record_cut_short_is_never_a_frame() {
    let (mut peer, mut side) = opened(Role::Responder);
    let record = peer.seal(&text(0, 0, b"x"));
    assert_eq!(record.len(), HEADER + SMALL_BODY);
    for byte in &record[..SMALL - 1] {
        side.take(&[*byte], NOW);
        assert!(side.texts.is_empty());
    }
    side.take(&record[SMALL - 1..], NOW);
    assert_eq!(side.texts, ["x"]);
}

proptest! {
    #[test]
    fn every_text_arrives_once_and_in_order_however_the_two_talk(
        steps in prop::collection::vec((any::<bool>(), 0usize..4, 0usize..4_000), 1..60),
    ) {
        let mut pair = Pair::open();
        let mut said = [Vec::new(), Vec::new()];
        for (from_initiator, what, size) in steps {
            let role = if from_initiator { Role::Initiator } else { Role::Responder };
            let now = pair.now;
            match what {
                0 | 1 => {
                    let text = format!("{}{}", said[role as usize].len(), "…".repeat(size));
                    pair.say(role, &text);
                    said[role as usize].push(text);
                }
                2 => pair.side(role).drain(now),
                _ => {
                    let count = size % 7;
                    let sent = &mut pair.side(role).sent;
                    let moved: Vec<u8> = sent.drain(..count.min(sent.len())).flatten().collect();
                    pair.side(if from_initiator { Role::Responder } else { Role::Initiator }).take(&moved, now);
                }
            }
        }
        pair.run();
        prop_assert_eq!((&pair.r.texts, &pair.i.texts), (&said[0], &said[1]));
        prop_assert_eq!((pair.i.shown, pair.r.shown), (said[0].len(), said[1].len()));
        prop_assert_eq!((pair.i.session.waiting(), pair.r.session.waiting()), (0, 0));
    }
}

#[test]
fn what_follows_verified_in_the_same_read_happens_in_an_open_room() {
    for role in ROLES {
        let (mut peer, mut side) = RawPeer::confirmed(role, NOW);
        let frames = [frame(0x02, &[]), text(0, 0, b"secret"), frame(0x05, &[0])];
        let read: Vec<u8> = frames.iter().flat_map(|plaintext| peer.seal(plaintext)).collect();
        let mut rest = read.as_slice();
        while !rest.is_empty() {
            side.session.receive(&mut rest, NOW).unwrap();
        }
        assert_eq!(side.session.stage(), Stage::Left, "the receipt is owed");
        let events = std::iter::from_fn(|| side.session.event());
        let mut events = events.skip_while(|event| matches!(event, Event::Code));
        assert!(matches!(events.next(), Some(Event::Verified)));
        assert!(matches!(events.next(), Some(Event::Opened)));
        assert!(matches!(events.next(), Some(Event::Text(text)) if text.text.as_str() == "secret"));
        assert!(matches!(events.next(), Some(Event::Left(Farewell::Done))));
        assert!(events.next().is_none());
    }
}

#[test]
fn a_damaged_record_behind_verified_leaves_a_room_that_the_partner_can_come_back_to() {
    for role in ROLES {
        let (mut peer, mut side) = RawPeer::confirmed(role, NOW);
        let verified = peer.seal(&frame(0x02, &[]));
        side.take(&[verified, flipped(&peer.seal(&text(0, 0, b"x")), 100, 1)].concat(), NOW);
        assert_eq!((side.opened, side.error, side.session.stage()), (false, Some(Error::Forged), Stage::Away));
        let mut peer = peer.come_back(&mut side, role, NOW);
        assert_eq!(peer.said(&mut side, NOW), [frame(0x02, &[])]);
        side.take(&[frame(0x02, &[]), frame(0x08, &[0; 4])].map(|frame| peer.seal(&frame)).concat(), NOW);
        assert_eq!((side.opened, side.error, side.session.stage()), (true, None, Stage::Open));
    }
}

#[test]
fn only_a_frame_that_an_open_room_sends_tells_that_it_is_open() {
    let offer = [vec![0, 0, 0, 0, 0, 0, 0, 1], vec![0; 8], b"name".to_vec()].concat();
    for role in ROLES {
        let asks = |role| if role == Role::Initiator { (0x10, Vec::new()) } else { (0x80, vec![1]) };
        for (kind, content, proves) in [
            (0x00, vec![], false),
            (0x06, vec![7; 8], false),
            (0x07, vec![7; 8], false),
            (0x07, vec![0; 8], true),
            (0x03, [0; 9].to_vec(), true),
            (0x20, offer.clone(), true),
            (asks(role).0, asks(role).1, true),
            (0xff, vec![], true),
        ] {
            let (mut peer, mut side) = RawPeer::confirmed(role, NOW);
            side.take(&peer.seal(&frame(0x02, &[])), NOW);
            assert_eq!(peer.said(&mut side, NOW), [frame(0x06, &[0; 8])], "it asks at once");
            assert_eq!((side.opened, side.session.stage()), (false, Stage::Open));
            side.take(&peer.seal(&frame(kind, &content)), NOW);
            assert_eq!((side.error, side.opened), (None, proves), "type {kind:#x}");
        }
        // A goodbye ends a room that was open for this side.
        let (mut peer, mut side) = RawPeer::confirmed(role, NOW);
        side.take(&[frame(0x02, &[]), frame(0x05, &[0])].map(|frame| peer.seal(&frame)).concat(), NOW);
        assert_eq!((side.opened, side.left, side.session.stage()), (true, Some(Farewell::Done), Stage::Closed));
    }
}

#[test]
fn a_partner_that_never_shows_that_it_is_in_the_room_is_given_up() {
    for role in ROLES {
        let (mut peer, mut side) = RawPeer::confirmed(role, NOW);
        side.take(&peer.seal(&frame(0x02, &[])), NOW);
        let limit = NOW + side.session.settings().confirmation;
        let mut now = NOW;
        while now < limit {
            assert_eq!((side.error, side.opened), (None, false));
            now = limit.min(now + HEARTBEAT);
            side.take(&peer.seal(&frame(0x00, &[])), now);
        }
        assert_eq!((side.error, side.session.stage()), (Some(Error::Timeout(Wait::Proof)), Stage::Closed));
    }
}

#[test]
fn a_bye_tells_why_and_a_reason_of_a_later_version_is_none() {
    for (reason, why) in [(0, Farewell::Done), (1, Farewell::CodesDiffer), (2, Farewell::Done), (255, Farewell::Done)] {
        let (mut peer, mut side) = opened(Role::Responder);
        side.take(&peer.seal(&frame(0x05, &[reason])), NOW);
        assert_eq!(side.left, Some(why), "{reason}");
    }
}
