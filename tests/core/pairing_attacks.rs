//! What an attacker can do between the handshake and the open room.

use std::time::Duration;

use crate::forge::{Forger, encapsulate, kem_key, random};
use crate::sessions::{self, Pair, Side, pairing, secret};
use tete::protocol::channel::Channel;
use tete::protocol::error::{Error, Wait};
use tete::protocol::frame::{Farewell, Frame};
use tete::protocol::handshake::{Initiator, Opening, Responder};
use tete::protocol::keys::{Commitment, HandshakeHash, PairingNonce};
use tete::protocol::pairing::{Half, PairingCode, Verdict};
use tete::protocol::random::OsRandom;
use tete::protocol::record::HEADER;
use tete::protocol::session::{Role, Settings, Stage};

const NOW: Duration = Duration::from_secs(1_000);

/// Runs of each strategy: 20 hits expected with codes of eight bits.
const RUNS: u32 = 5_120;
/// Four standard deviations around it, sqrt(20 x 255/256) = 4.5.
const HITS: std::ops::RangeInclusive<u32> = 3..=38;

fn alice() -> Side {
    let mut side = Side::new(sessions::initiator(pairing(), NOW));
    side.drain(NOW);
    side
}

fn bob() -> Side {
    Side::new(sessions::responder(pairing(), NOW))
}

/// A responder by hand, up to the finished handshake: its channel, the n_R it had
/// committed to, and the handshake hash.
fn false_responder(side: &mut Side) -> (Channel, PairingNonce, HandshakeHash) {
    let record = side.sent.pop_front().unwrap();
    let (responder, record) = Responder::accept(pairing(), &record[HEADER..], &mut OsRandom).unwrap();
    side.take(record.as_slice(), NOW);
    side.drain(NOW);
    let established = responder.finish(&side.sent.pop_front().unwrap()[HEADER..]).unwrap();
    let Opening::Nonce(nonce) = established.opening else { panic!("not the responder's opening") };
    (established.channel, nonce, established.hash)
}

/// An initiator by hand, up to the finished handshake.
fn false_initiator(side: &mut Side) -> Channel {
    let (initiator, record) = Initiator::start(pairing(), &mut OsRandom).unwrap();
    side.take(record.as_slice(), NOW);
    side.drain(NOW);
    let (record, established) = initiator.finish(&side.sent.pop_front().unwrap()[HEADER..], &mut OsRandom).unwrap();
    side.take(record.as_slice(), NOW);
    established.channel
}

fn send(channel: &mut Channel, frame: &Frame<'_>, to: &mut Side) {
    to.take(channel.seal(frame).unwrap().as_slice(), NOW);
}

fn assert_ended(side: &Side, why: Error) {
    assert_eq!((side.error, side.session.stage()), (Some(why), Stage::Closed));
    assert!(side.session.code().is_none() && side.texts.is_empty());
}

const TEXT: Frame<'_> = Frame::Text { id: 0, age_ms: 0, more: false, part: b"too early" };

#[test]
fn no_code_is_shown_before_the_nonce_is_opened_and_checked() {
    let mut side = alice();
    let (mut channel, nonce, _) = false_responder(&mut side);
    assert_eq!(side.session.stage(), Stage::Established);
    assert!(side.session.code().is_none() && side.session.enter("0000 0000").is_none());
    send(&mut channel, &Frame::SasOpen(nonce.0.expose()), &mut side);
    assert_eq!(side.session.stage(), Stage::Confirming);
    assert!(side.session.code().is_some());

    let mut side = bob();
    false_initiator(&mut side);
    assert_eq!(side.session.stage(), Stage::Established);
    assert!(side.session.code().is_none());
}

#[test]
fn a_commitment_that_does_not_open_is_an_attack() {
    let mut side = alice();
    let (mut channel, ..) = false_responder(&mut side);
    send(&mut channel, &Frame::SasOpen(&random()), &mut side);
    assert_ended(&side, Error::Commitment);
}

#[test]
fn a_copied_commitment_does_not_open_for_another_static_key() {
    let (mut side, mut bob) = (alice(), bob());
    let channel = &mut false_initiator(&mut bob);
    bob.session.admit();
    bob.drain(NOW);
    let opened = bob.sent.pop_front().unwrap();
    let Frame::SasOpen(nonce) = channel.open(&opened[HEADER..]).unwrap() else { panic!("not the nonce") };
    // Bob's own commitment and nonce, but Mallory's static key.
    let commitment = Commitment::new(bob.session.keys().unwrap().local, &PairingNonce(secret(nonce)));
    let mut mallory = Forger::responder(&random(), &random());
    let (ciphertext, shared) = encapsulate(&mallory.read_1(&side.sent.pop_front().unwrap()));
    side.take(&mallory.record_2(&[ciphertext.as_slice(), &commitment.0].concat()), NOW);
    side.drain(NOW);
    mallory.read(&side.sent.pop_front().unwrap()[HEADER..]);
    send(&mut mallory.into_channel(&shared), &Frame::SasOpen(nonce), &mut side);
    assert_ended(&side, Error::Commitment);
}

#[test]
fn only_the_nonce_may_be_the_responders_first_frame() {
    for frame in [Frame::Pad, Frame::Verified, Frame::Bye { reason: Farewell::Done }, Frame::Ping([0; 8]), TEXT] {
        let mut side = alice();
        let (mut channel, ..) = false_responder(&mut side);
        send(&mut channel, &frame, &mut side);
        assert_ended(&side, Error::OutOfOrder);
    }
}

#[test]
fn nothing_is_taken_before_our_own_nonce_is_out() {
    let mut side = bob();
    let mut channel = false_initiator(&mut side);
    send(&mut channel, &Frame::Verified, &mut side);
    assert_ended(&side, Error::OutOfOrder);
}

#[test]
fn the_nonce_is_opened_once_and_by_the_responder_only() {
    let mut side = alice();
    let (mut channel, nonce, _) = false_responder(&mut side);
    send(&mut channel, &Frame::SasOpen(nonce.0.expose()), &mut side);
    send(&mut channel, &Frame::SasOpen(nonce.0.expose()), &mut side);
    assert_ended(&side, Error::OutOfOrder);

    let mut side = bob();
    let mut channel = false_initiator(&mut side);
    side.session.admit();
    side.drain(NOW);
    send(&mut channel, &Frame::SasOpen(&random()), &mut side);
    assert_ended(&side, Error::OutOfOrder);
}

/// Both roles with the code shown, and the channel of the peer by hand.
fn confirming() -> [(Side, Channel); 2] {
    let mut initiator = alice();
    let (mut to_initiator, nonce, _) = false_responder(&mut initiator);
    send(&mut to_initiator, &Frame::SasOpen(nonce.0.expose()), &mut initiator);
    let mut responder = bob();
    let to_responder = false_initiator(&mut responder);
    responder.session.admit();
    responder.drain(NOW);
    [(initiator, to_initiator), (responder, to_responder)]
}

#[test]
fn a_text_before_the_room_is_open_is_never_shown() {
    for (mut side, mut channel) in confirming() {
        send(&mut channel, &TEXT, &mut side);
        assert_ended(&side, Error::OutOfOrder);
    }
    for (mut side, mut channel) in confirming() {
        send(&mut channel, &Frame::Verified, &mut side);
        assert_eq!(side.session.stage(), Stage::Confirming);
        send(&mut channel, &TEXT, &mut side);
        assert_ended(&side, Error::OutOfOrder);
    }
    for (mut side, mut channel) in confirming() {
        let half = side.session.code().unwrap().partner.to_string();
        assert_eq!(side.session.enter(&half), Some(Verdict::Right));
        side.drain(NOW);
        send(&mut channel, &TEXT, &mut side);
        assert_ended(&side, Error::OutOfOrder);
    }
}

#[test]
fn verified_is_said_once() {
    for (mut side, mut channel) in confirming() {
        send(&mut channel, &Frame::Verified, &mut side);
        send(&mut channel, &Frame::Verified, &mut side);
        assert_ended(&side, Error::OutOfOrder);
    }
    let mut pair = Pair::open();
    let half = pair.i.session.code().unwrap().partner.to_string();
    assert_eq!(pair.i.session.enter(&half), None);
}

#[test]
fn the_room_opens_only_when_both_users_have_checked() {
    let mut pair = Pair::default();
    pair.run();
    let half = pair.r.session.code().unwrap().own.to_string();
    assert_eq!(pair.i.session.enter(&half), Some(Verdict::Right));
    assert!(!pair.r.session.is_partner_confirmed());
    pair.run();
    assert_eq!(pair.stages(), (Stage::Confirming, Stage::Confirming));
    assert!(pair.r.session.is_partner_confirmed() && !pair.i.session.is_partner_confirmed());
    let half = pair.i.session.code().unwrap().own.to_string();
    assert_eq!(pair.r.session.enter(&half), Some(Verdict::Right));
    pair.run();
    assert_eq!(pair.stages(), (Stage::Open, Stage::Open));
}

fn wrong_half(side: &Side) -> String {
    let code = side.session.code().unwrap();
    let other = |half: &Half| if half.to_string() == "0000 0000" { "0000 0001" } else { "0000 0000" };
    if other(&code.partner) == code.own.to_string() { "1111 1111".into() } else { other(&code.partner).into() }
}

#[test]
fn three_wrong_halves_end_it_on_both_sides() {
    for role in [Role::Initiator, Role::Responder] {
        let mut pair = Pair::default();
        pair.run();
        for tries_left in [2, 1, 0] {
            let wrong = wrong_half(pair.side(role));
            assert_eq!(pair.side(role).session.enter(&wrong), Some(Verdict::Wrong { tries_left }));
        }
        let right = pair.side(role).session.code().unwrap().partner.to_string();
        assert_eq!(pair.side(role).session.enter(&right), None);
        pair.run();
        assert_eq!(pair.stages(), (Stage::Closed, Stage::Closed));
        let other = if role == Role::Initiator { &pair.r } else { &pair.i };
        assert_eq!(other.left, Some(Farewell::CodesDiffer), "the partner was not told why");
    }
}

#[test]
fn ones_own_half_opens_nothing() {
    for (mut side, _) in confirming() {
        let own = side.session.code().unwrap().own.to_string();
        assert_eq!(side.session.enter(&own), Some(Verdict::OwnHalf));
        assert!(!side.session.is_confirmed());
    }
}

#[test]
fn different_codes_end_it_and_equal_ones_open_it_whoever_compares() {
    let mut pair = Pair::default();
    pair.run();
    pair.i.session.compared(false);
    pair.run();
    assert_eq!(pair.stages(), (Stage::Closed, Stage::Closed));
    assert_eq!(pair.r.left, Some(Farewell::CodesDiffer));

    let mut pair = Pair::default();
    pair.run();
    pair.i.session.compared(true);
    let half = pair.i.session.code().unwrap().own.to_string();
    pair.r.session.enter(&half);
    pair.run();
    assert_eq!(pair.stages(), (Stage::Open, Stage::Open));
}

#[test]
fn a_check_that_nobody_makes_is_given_up() {
    let limit = Settings::default().confirmation;
    for (mut side, _) in confirming() {
        assert_eq!(side.session.tick(NOW + limit - Duration::from_millis(1)), Ok(()));
        assert_eq!(side.session.tick(NOW + limit), Err(Error::Timeout(Wait::Confirmation)));
        assert!(side.session.code().is_none());
    }
}

// A man in the middle: Mallory answers Alice and calls Bob.

/// What each side's user would type, cut to eight bits so that hits can be counted.
fn eight_bits(half: &Half) -> u64 {
    half.digits().iter().fold(0, |number, digit| number * 10 + u64::from(*digit)) % 256
}

/// One honest side's code with Mallory at the other end.
fn code_of(side: &Side, role: Role) -> (u64, u64) {
    let code = side.session.code().unwrap();
    match role {
        Role::Initiator => (eight_bits(&code.own), eight_bits(&code.partner)),
        Role::Responder => (eight_bits(&code.partner), eight_bits(&code.own)),
    }
}

/// Alice's code, after Mallory has opened what it had committed to.
fn finish_alice() -> (u64, u64) {
    let mut side = alice();
    let (mut channel, nonce, _) = false_responder(&mut side);
    send(&mut channel, &Frame::SasOpen(nonce.0.expose()), &mut side);
    code_of(&side, Role::Initiator)
}

/// Bob's code with Mallory as the initiator.
fn finish_bob() -> (u64, u64) {
    let mut side = bob();
    false_initiator(&mut side);
    side.session.admit();
    side.drain(NOW);
    code_of(&side, Role::Responder)
}

/// Alice types what Bob's screen shows: how often would that pass?
fn hits(run: impl Fn() -> ((u64, u64), (u64, u64))) -> u32 {
    (0..RUNS).map(|_| run()).map(|((_, alice), (_, bob))| u32::from(alice == bob)).sum()
}

#[test]
fn whoever_finishes_with_bob_first_matches_the_codes_by_chance_only() {
    let hits = hits(|| {
        let bob = finish_bob();
        (finish_alice(), bob)
    });
    assert!(HITS.contains(&hits), "{hits} hits in {RUNS}");
}

#[test]
fn whoever_grinds_message_3_matches_the_codes_by_chance_only() {
    // Mallory knows Alice's code and may pick any message 3 for Bob, but Bob's code
    // rests on a nonce that he opens only afterwards: any pick is as good as any other.
    let hits = hits(|| (finish_alice(), finish_bob()));
    assert!(HITS.contains(&hits), "{hits} hits in {RUNS}");
}

#[test]
fn a_nonce_ground_after_the_commitment_is_always_refused() {
    for _ in 0..8 {
        let (_, wanted) = finish_bob();
        let mut side = alice();
        let (mut channel, _, hash) = false_responder(&mut side);
        // With the transcript known, a nonce that gives Alice the wanted code is quickly found.
        let ground = std::iter::repeat_with(random).find(|nonce| {
            let code = PairingCode::new(Role::Initiator, &PairingNonce(secret(nonce)), &hash);
            eight_bits(&code.partner) == wanted
        });
        send(&mut channel, &Frame::SasOpen(&ground.unwrap()), &mut side);
        assert_ended(&side, Error::Commitment);
    }
}

#[test]
fn without_the_commitment_grinding_message_3_would_hit_every_time() {
    // The code of a naive protocol: the handshake hash, cut short. Mallory repeats
    // its own message 3 offline until Bob's hash ends like Alice's.
    let naive = |hash: [u8; 32]| hash[0];
    for _ in 0..5 {
        let mut alice = Forger::initiator(&random(), &random());
        let mut mallory = Forger::responder(&random(), &random());
        mallory.read_1(&alice.record_1(&kem_key()));
        alice.read(&mallory.record_2(&[0; 64])[HEADER..]);
        mallory.read(&alice.record_3(&random())[HEADER..]);
        let wanted = naive(alice.hash());

        let (private, ephemeral) = (random(), random());
        let first = Forger::initiator(&private, &ephemeral).record_1(&[0; 1188]);
        let mut bob = Forger::responder(&random(), &random());
        bob.read_1(&first);
        let second = bob.record_2(&[0; 64]);
        let third = (0u32..100_000).find_map(|guess| {
            let mut mallory = Forger::initiator(&private, &ephemeral);
            mallory.record_1(&[0; 1188]);
            mallory.read(&second[HEADER..]);
            let third = mallory.record_3(&guess.to_be_bytes());
            (naive(mallory.hash()) == wanted).then_some(third)
        });
        bob.read(&third.unwrap()[HEADER..]);
        assert_eq!(naive(bob.hash()), wanted);
    }
}

#[test]
fn one_side_comparing_and_the_other_typing_gives_a_man_in_the_middle_nothing() {
    let mut side = alice();
    let (mut channel, nonce, _) = false_responder(&mut side);
    send(&mut channel, &Frame::SasOpen(nonce.0.expose()), &mut side);
    let mut other = bob();
    false_initiator(&mut other);
    other.session.admit();
    other.drain(NOW);
    let read_out = other.session.code().unwrap().own.to_string();
    assert!(!matches!(side.session.enter(&read_out), Some(Verdict::Right)));
    // Bob compares: what Alice reads from her screen is not on his.
    let on_his_screen = [&other.session.code().unwrap().own, &other.session.code().unwrap().partner];
    assert!(on_his_screen.iter().all(|half| half.to_string() != side.session.code().unwrap().own.to_string()));
    other.session.compared(false);
    assert!(!side.session.is_confirmed() && !other.session.is_confirmed());
}
