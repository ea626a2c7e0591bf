//! What an attacker can do to the three records of the handshake.

use std::sync::Arc;
use std::time::Duration;

use crate::forge::{Forger, ciphertext, kem_key, random};
use crate::sessions::{self, Pair, Side, flipped, pairing};
use tete::protocol::error::{Error, Rejection, Wait};
use tete::protocol::handshake::Mode;
use tete::protocol::keys::{Commitment, PairingNonce, PublicKey};
use tete::protocol::record::{HEADER, SMALL, SMALL_BODY};
use tete::protocol::session::{HANDSHAKE, OPENING, Role, Stage};

const NOW: Duration = Duration::from_secs(1_000);
/// Where e stands in record 1 and in record 2.
const E_1: usize = HEADER + 8;
const E_2: usize = HEADER;

/// The points of order 1, 2, 4 and 8 on Curve25519 and its twist, and their other spellings.
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    first(1),
    hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    hex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    near_p(0xec),
    near_p(0xed),
    near_p(0xee),
];

const fn first(byte: u8) -> [u8; 32] {
    let mut point = [0; 32];
    point[0] = byte;
    point
}

const fn near_p(low: u8) -> [u8; 32] {
    let mut point = [0xff; 32];
    point[0] = low;
    point[31] = 0x7f;
    point
}

const fn hex(digits: &str) -> [u8; 32] {
    let digits = digits.as_bytes();
    let mut point = [0; 32];
    let mut place = 0;
    while place < 64 {
        let digit = digits[place];
        let value = if digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 };
        point[place / 2] = point[place / 2] * 16 + value;
        place += 1;
    }
    point
}

fn initiator() -> Side {
    let mut side = Side::new(sessions::initiator(pairing(), NOW));
    side.drain(NOW);
    side
}

fn responder() -> Side {
    Side::new(sessions::responder(pairing(), NOW))
}

/// The side is closed, knows no code and has nothing to say.
fn assert_closed(side: &mut Side, why: Error) {
    assert_eq!(side.error, Some(why));
    assert_mute(side);
}

fn assert_mute(side: &mut Side) {
    assert_eq!(side.session.stage(), Stage::Closed);
    assert!(side.session.code().is_none());
    side.sent.clear();
    side.drain(NOW);
    assert!(side.sent.is_empty(), "an answer to an attack");
}

/// A pair in which the records before the `n`th of the handshake went through, and that record.
fn before_record(n: usize) -> (Pair, Role, Vec<u8>) {
    let mut pair = Pair::default();
    pair.i.drain(pair.now);
    let mut record = pair.i.sent.pop_front().unwrap();
    let mut from = Role::Initiator;
    for _ in 1..n {
        let now = pair.now;
        let to = if from == Role::Initiator { Role::Responder } else { Role::Initiator };
        pair.side(to).take(&record, now);
        pair.side(to).drain(now);
        record = pair.side(to).sent.pop_front().unwrap();
        from = to;
    }
    (pair, from, record)
}

fn victim(pair: &mut Pair, from: Role) -> &mut Side {
    if from == Role::Initiator { &mut pair.r } else { &mut pair.i }
}

#[test]
fn a_record_cut_at_any_length_leads_nowhere_and_ends_by_the_clock() {
    for n in 1..=3 {
        let (mut pair, from, record) = before_record(n);
        let now = pair.now;
        let side = victim(&mut pair, from);
        let stage = side.session.stage();
        // One byte at a time: after each of them the record is a truncated one.
        for byte in &record[..SMALL - 1] {
            side.take(&[*byte], now);
            assert_eq!((side.error, side.session.stage()), (None, stage));
            assert!(side.session.code().is_none() && side.session.transmit(now).unwrap().is_none());
        }
        assert_eq!(side.session.deadline(), Some(now + HANDSHAKE));
        assert_eq!(side.session.tick(now + HANDSHAKE), Err(Error::Timeout(Wait::Handshake)));
        assert_mute(side);
    }
}

#[test]
fn no_byte_of_the_handshake_can_be_changed() {
    for n in 1..=3 {
        for place in 0..SMALL {
            let (mut pair, from, record) = before_record(n);
            let now = pair.now;
            let mask = 1 << (place % 8);
            victim(&mut pair, from).take(&flipped(&record, place, mask), now);
            pair.run();
            for side in [&mut pair.i, &mut pair.r] {
                assert!(side.session.code().is_none(), "a code after a flip in record {n}, byte {place}");
                assert_ne!(side.session.stage(), Stage::Open);
            }
            let (i, r) = pair.stages();
            assert!(i == Stage::Closed || r == Stage::Closed, "record {n}, byte {place}: {i:?} {r:?}");
        }
    }
}

#[test]
fn the_responder_says_nothing_to_a_bad_record_3() {
    let (mut pair, _, record) = before_record(3);
    let now = pair.now;
    pair.r.take(&flipped(&record, 700, 1), now);
    assert_closed(&mut pair.r, Error::Handshake);
}

#[test]
fn records_out_of_turn_lead_nowhere() {
    let (_, _, record_2) = before_record(2);
    let (_, _, record_3) = before_record(3);
    for record in [&record_2, &record_3] {
        let mut side = responder();
        side.take(record, NOW);
        assert_mute(&mut side);
        let mut side = initiator();
        side.take(record, NOW);
        assert_closed(&mut side, Error::Handshake);
    }
}

#[test]
fn records_of_another_run_lead_nowhere() {
    for n in 2..=3 {
        let (_, _, replayed) = before_record(n);
        let (mut pair, from, _) = before_record(n);
        let now = pair.now;
        let side = victim(&mut pair, from);
        side.take(&replayed, now);
        assert_closed(side, Error::Handshake);
    }
}

#[test]
fn what_comes_back_from_an_echo_is_named_a_reflection() {
    let mut side = initiator();
    let own = side.sent.pop_front().unwrap();
    side.take(&own, NOW);
    assert_closed(&mut side, Error::Reflection);

    let (mut pair, _, record_2) = before_record(2);
    let now = pair.now;
    pair.r.take(&record_2, now);
    assert_closed(&mut pair.r, Error::Handshake);
}

#[test]
fn our_own_ephemeral_key_is_refused() {
    let mut side = initiator();
    let own = side.sent.pop_front().unwrap();
    let (_, _, mut record) = before_record(2);
    record[E_2..E_2 + 32].copy_from_slice(&own[E_1..E_1 + 32]);
    side.take(&record, NOW);
    assert_closed(&mut side, Error::Reflection);
}

#[test]
fn our_own_static_key_is_refused() {
    let private = random();
    let key = tete::protocol::keys::StaticKey::new(sessions::secret(&private)).unwrap();
    let mut side = Side::new(sessions::responder(Mode::Pair(Arc::new(key)), NOW));
    let mut thief = Forger::initiator(&private, &random());
    side.take(&thief.record_1(&kem_key()), NOW);
    side.drain(NOW);
    thief.read(&side.sent.pop_front().unwrap()[HEADER..]);
    side.take(&thief.record_3(&random()), NOW);
    assert_closed(&mut side, Error::Reflection);
}

#[test]
fn every_preface_but_ours_is_refused_and_only_another_version_is_answered() {
    let record = initiator().sent.pop_front().unwrap();
    for (place, value, why) in [
        (0, 0, Error::NotTete),
        (3, b'F', Error::NotTete),
        (4, 0, Error::Version(0)),
        (4, 2, Error::Version(2)),
        (4, 255, Error::Version(255)),
        (5, 1, Error::Mode(1)),
        (5, 2, Error::Mode(2)),
        (5, 3, Error::Mode(3)),
        (6, 1, Error::Handshake),
        (7, 1, Error::Handshake),
    ] {
        let mut side = responder();
        let mut changed = record.clone();
        changed[HEADER + place] = value;
        side.take(&changed, NOW);
        assert_eq!((side.error, side.session.stage()), (Some(why), Stage::Closed));
        side.drain(NOW);
        if let Error::Version(_) = why {
            let mut reject = vec![0; SMALL];
            reject[..HEADER].copy_from_slice(&(SMALL_BODY as u16).to_be_bytes());
            reject[HEADER..HEADER + 8].copy_from_slice(b"TETE\xff\x01\x01\x01");
            assert_eq!(side.sent.pop_front(), Some(reject));
        }
        assert!(side.sent.is_empty());
    }
    for bit in 0..32 {
        let mut side = responder();
        side.take(&flipped(&record, HEADER + bit / 8, 1 << (bit % 8)), NOW);
        assert_closed(&mut side, Error::NotTete);
    }
}

#[test]
fn a_refusal_is_understood_as_a_hint() {
    let reject = |reason: u8, padding: u8| {
        let mut record = vec![0; SMALL];
        record[..HEADER].copy_from_slice(&(SMALL_BODY as u16).to_be_bytes());
        record[HEADER..HEADER + 8].copy_from_slice(&[b'T', b'E', b'T', b'E', 0xff, reason, 3, 9]);
        record[SMALL - 1] = padding;
        record
    };
    for (record, why) in [
        (reject(1, 0), Error::Rejected(Rejection::Version { min: 3, max: 9 })),
        (reject(2, 0), Error::Rejected(Rejection::Busy)),
        (reject(200, 0), Error::Rejected(Rejection::Other(200))),
        (reject(2, 1), Error::Handshake),
    ] {
        let mut side = initiator();
        side.take(&record, NOW);
        assert_closed(&mut side, why);
    }
    let (mut pair, _, _) = before_record(3);
    pair.r.take(&reject(2, 0), NOW);
    assert_closed(&mut pair.r, Error::Handshake);
}

#[test]
fn a_busy_responder_says_so_and_nothing_else() {
    let mut side = responder();
    side.take(&initiator().sent.pop_front().unwrap(), NOW);
    side.session.refuse_busy();
    side.drain(NOW);
    let mut caller = initiator();
    caller.take(&side.sent.pop_front().unwrap(), NOW);
    assert_closed(&mut caller, Error::Rejected(Rejection::Busy));
    assert_mute(&mut side);
}

#[test]
fn padding_that_is_not_zero_is_refused_in_each_payload() {
    let dirty = |mut payload: Vec<u8>, length: usize| {
        payload.resize(length, 0);
        payload[length - 1] = 1;
        payload
    };
    let mut side = responder();
    side.take(&Forger::initiator(&random(), &random()).record_1(&dirty(kem_key(), 1238)), NOW);
    assert_closed(&mut side, Error::Handshake);

    let mut side = initiator();
    let mut forger = Forger::responder(&random(), &random());
    let payload = forger.read_1(&side.sent.pop_front().unwrap());
    side.take(&forger.record_2(&dirty(ciphertext(&payload).to_vec(), 1182)), NOW);
    assert_closed(&mut side, Error::Handshake);

    let mut side = responder();
    let mut forger = Forger::initiator(&random(), &random());
    side.take(&forger.record_1(&kem_key()), NOW);
    side.drain(NOW);
    forger.read(&side.sent.pop_front().unwrap()[HEADER..]);
    side.take(&forger.record_3(&dirty(random().to_vec(), 1214)), NOW);
    assert_closed(&mut side, Error::Handshake);
}

#[test]
fn unknown_capability_bits_are_ignored() {
    let mut side = responder();
    let mut forger = Forger::initiator(&random(), &random());
    side.take(&forger.record_1(&[kem_key(), vec![0xff; 4]].concat()), NOW);
    side.drain(NOW);
    forger.read(&side.sent.pop_front().unwrap()[HEADER..]);
    side.take(&forger.record_3(&[random().to_vec(), vec![0xff; 4]].concat()), NOW);
    assert_eq!((side.error, side.session.stage()), (None, Stage::Established));
}

#[test]
fn points_of_small_order_are_refused_as_ephemeral_keys() {
    for point in SMALL_ORDER {
        let mut side = responder();
        let mut record = initiator().sent.pop_front().unwrap();
        record[E_1..E_1 + 32].copy_from_slice(&point);
        side.take(&record, NOW);
        side.drain(NOW);
        assert_closed(&mut side, Error::Handshake);

        let mut side = initiator();
        let (_, _, mut record) = before_record(2);
        record[E_2..E_2 + 32].copy_from_slice(&point);
        side.take(&record, NOW);
        assert_closed(&mut side, Error::Handshake);
    }
}

#[test]
fn points_of_small_order_are_refused_as_static_keys() {
    for point in SMALL_ORDER {
        let mut side = responder();
        let mut forger = Forger::claiming(true, point);
        side.take(&forger.record_1(&kem_key()), NOW);
        side.drain(NOW);
        forger.read(&side.sent.pop_front().unwrap()[HEADER..]);
        side.take(&forger.record_3(&random()), NOW);
        assert_closed(&mut side, Error::Handshake);

        let mut side = initiator();
        let mut forger = Forger::claiming(false, point);
        let payload = forger.read_1(&side.sent.pop_front().unwrap());
        let nonce = PairingNonce(sessions::secret(&random()));
        let commitment = Commitment::new(PublicKey(point), &nonce).0;
        side.take(&forger.record_2(&[ciphertext(&payload).as_slice(), &commitment].concat()), NOW);
        assert_closed(&mut side, Error::Handshake);
    }
}

#[test]
fn an_ml_kem_key_out_of_range_is_refused() {
    let mut key = kem_key();
    key[..3].fill(0xff);
    let mut side = responder();
    side.take(&Forger::initiator(&random(), &random()).record_1(&key), NOW);
    assert_closed(&mut side, Error::Handshake);
}

#[test]
fn another_ml_kem_ciphertext_leaves_the_two_with_different_keys() {
    let mut side = initiator();
    let mut forger = Forger::responder(&random(), &random());
    let payload = forger.read_1(&side.sent.pop_front().unwrap());
    let mut changed = ciphertext(&payload);
    changed[5] ^= 1;
    side.take(&forger.record_2(&[changed.as_slice(), &random()].concat()), NOW);
    assert_eq!((side.error, side.session.stage()), (None, Stage::Established));
    // The forger cannot know the keys; whatever it sends does not open.
    let mut record = vec![7; SMALL];
    record[..HEADER].copy_from_slice(&(SMALL_BODY as u16).to_be_bytes());
    side.take(&record, NOW);
    assert_closed(&mut side, Error::Forged);
}

#[test]
fn a_responder_that_never_opens_its_nonce_is_given_up() {
    let (mut pair, _, record_3) = before_record(3);
    let now = pair.now;
    pair.r.take(&record_3, now);
    for side in [&mut pair.i, &mut pair.r] {
        assert_eq!(side.session.stage(), Stage::Established);
        assert_eq!(side.session.deadline(), Some(now + OPENING));
        assert_eq!(side.session.tick(now + OPENING), Err(Error::Timeout(Wait::Opening)));
        assert_mute(side);
    }
}
