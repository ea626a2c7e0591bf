//! Invites: what is written reads the same, nothing else is read, and only whoever has one gets in.

use std::sync::Arc;

use crate::sessions::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use std::time::Duration;
use tete::protocol::error::Error;
use tete::protocol::handshake::{Mode, SharedSecret};
use tete::protocol::invite::{HINTS, Hint, Invite, InviteError, LONGEST};
use tete::protocol::keys::InviteSecret;
use tete::protocol::session::{Role, Stage};

/// Of a secret of 32 sevens: psk, relay token, onion key.
const EXPECTED: [&str; 3] = [
    "9ddf12ce62e2c438a030e8b953adc7dbd232bda7bce6a1e163d538e2536cd2d7",
    "4586a88ffea56b24ff64ba19f2d3a904ea91cf9276b9dea7fbe651398b724e45",
    "f2fed957a44332e0a024eb5249d80a74467495039b53100c0ee819b8cf3d391e",
];

const NOW: Duration = Duration::from_secs(1_000);

fn invite(hints: Vec<Hint>) -> Invite {
    Invite { secret: InviteSecret(secret(&[7; 32])), hints }
}

fn some_hints() -> Vec<Hint> {
    vec![
        Hint::Ipv4([192, 0, 2, 1], 51_423),
        Hint::Ipv6([0x20; 16], 1),
        Hint::Name("my_host-2.example".into(), 65_535),
        Hint::Onion([9; 32], 51_423),
        Hint::Relay("[2001:db8::1]".trim_matches(['[', ']']).into(), 4_001),
    ]
}

/// An invite whose bytes are these, with the right checksum.
fn line_of(bytes: &[u8]) -> String {
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    hash.update(b"tete/1 invite\0");
    hash.update(bytes);
    let sum = hash.finish().as_ref()[..4].to_vec();
    format!("tete1{}", URL_SAFE_NO_PAD.encode([bytes, &sum].concat()))
}

fn bytes_of(hints: &[u8], count: u8) -> Vec<u8> {
    [&[1][..], &[7; 32], &[count], hints].concat()
}

#[test]
fn an_invite_is_the_line_that_the_protocol_says() {
    let line = invite(vec![Hint::Ipv4([127, 0, 0, 1], 51_423)]).line();
    assert_eq!(line.as_str(), line_of(&bytes_of(&[4, 127, 0, 0, 1, 0xc8, 0xdf], 1)));
    let read = Invite::read(&format!(" {}\n", line.as_str())).unwrap_or_else(|_| panic!("not read"));
    assert_eq!(read.hints, [Hint::Ipv4([127, 0, 0, 1], 51_423)]);
    assert_eq!(read.secret.expose(), &[7; 32]);
}

#[test]
fn the_example_of_the_protocol_document_is_what_we_read_and_write() {
    let line = "tete1AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fAQTAAAIBHmHN9RNV";
    let read = Invite::read(line).unwrap_or_else(|_| panic!("not read"));
    assert_eq!(read.hints, [Hint::Ipv4([192, 0, 2, 1], 7_777)]);
    assert_eq!(read.line().as_str(), line);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let [psk, token] = [read.secret.psk(), read.secret.relay_token()].map(|secret| hex(secret.unwrap().expose()));
    assert_eq!(psk, "87ba877a1adec05b8d2d1cfde443fceea06431a596c69692daecf4f3c7f02043");
    assert_eq!(token, "caacd1a8f37238ad113af9e7c4e2a9948beea89fe7606f8183c50e093a28fa22");
}

#[test]
fn no_character_of_an_invite_can_be_changed_or_lost() {
    let line = invite(some_hints()).line();
    for place in 0..line.len() {
        let mut changed = line.as_bytes().to_vec();
        for other in [b'A', b'z', b'_', b'!', changed[place].wrapping_add(1)] {
            if other == line.as_bytes()[place] {
                continue;
            }
            changed[place] = other;
            let Ok(text) = std::str::from_utf8(&changed) else { continue };
            assert!(Invite::read(text).is_err(), "{place}");
        }
        assert!(Invite::read(&line[..place]).is_err(), "cut at {place}");
    }
}

#[test]
fn what_is_no_invite_is_refused_for_a_reason() {
    let why = |text: &str| Invite::read(text).err();
    for (text, reason) in [
        (String::new(), InviteError::NotAnInvite),
        ("example.org".into(), InviteError::NotAnInvite),
        ("tete1".into(), InviteError::Damaged),
        (line_of(&bytes_of(&[], 1)), InviteError::Damaged),
        (line_of(&bytes_of(&[4, 1, 2, 3, 4, 0, 1, 0], 1)), InviteError::Damaged),
        (line_of(&bytes_of(&[4, 1, 2, 3, 4, 0, 0], 1)), InviteError::Damaged),
        (line_of(&bytes_of(&[0x0d, 0, 0, 1], 1)), InviteError::Damaged),
        (line_of(&bytes_of(b"\x0d\x03a\x1bb\0\x01", 1)), InviteError::Damaged),
        (line_of(&bytes_of(b"\x0d\x03a b\0\x01", 1)), InviteError::Damaged),
        (line_of(&bytes_of(&[0x10, 0], 1)), InviteError::Newer),
        (line_of(&[&[2][..], &[7; 33]].concat()), InviteError::Newer),
        ("tete1".to_owned() + &"A".repeat(LONGEST), InviteError::Damaged),
    ] {
        assert_eq!(why(&text), Some(reason), "{text}");
    }
}

/// A text after people and programs have passed it on.
fn passed_on(line: &str) -> Vec<String> {
    let wrapped = |width: usize, before: &str, between: &str| {
        let rows: Vec<_> = line.as_bytes().chunks(width).map(|row| std::str::from_utf8(row).unwrap()).collect();
        format!("{before}{}", rows.join(between))
    };
    vec![
        format!("\u{feff}{line}\r\n"),
        format!("Here it is:\n\n  {line}\n\nSee you there, tete is great"),
        format!("“{line}”"),
        format!("'{line}' \"x\""),
        format!("`{line}`,"),
        format!("<{line}>"),
        format!("*{line}*"),
        format!("run: tete join {line}"),
        line.replacen("tete1", "Tete1", 1),
        line.replacen("tete1", "TETE1", 1),
        line.replacen("tete1", "ｔｅｔｅ１", 1),
        wrapped(76, "> ", "\n> "),
        wrapped(20, "> > ", "\r\n> > "),
        wrapped(64, "", "\u{200b}"),
        wrapped(33, "\u{2060}", "\u{ad}\n"),
        wrapped(5, "", " "),
        wrapped(1, "│ ", " │\n│ "),
        format!("tete1 is the mark. {line}"),
        format!("{line} {line}"),
    ]
}

#[test]
fn an_invite_is_found_in_whatever_it_was_passed_on_in() {
    for hints in [vec![Hint::Ipv4([127, 0, 0, 1], 51_423)], some_hints(), vec![]] {
        let line = invite(hints.clone()).line();
        for text in passed_on(&line) {
            match Invite::read(&text) {
                Ok(read) => assert!(read.hints == hints && read.secret.expose() == &[7; 32], "{text}"),
                Err(why) => panic!("{why:?}: {text}"),
            }
        }
    }
}

#[test]
fn an_invite_holds_255_ways() {
    let hints: Vec<_> = (0..HINTS).map(|number| Hint::Name("x".repeat(255), number as u16 + 1)).collect();
    let line = invite(hints.clone()).line();
    assert!(line.len() <= LONGEST);
    assert_eq!(Invite::read(&line).unwrap_or_else(|_| panic!("not read")).hints, hints);
}

proptest! {
    #[test]
    fn whatever_is_pasted_is_read_or_refused(text in "(tete1)?[A-Za-z0-9_ =\\n-]{0,300}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Invite::read(&text);
        if let Ok(read) = Invite::read(&line_of(&bytes)) {
            let line = read.line();
            prop_assert_eq!(line.as_str(), line_of(&bytes));
        }
    }
}

fn by_secret(bytes: [u8; 32]) -> Mode {
    let psk = InviteSecret(secret(&bytes)).psk().unwrap();
    Mode::Secret(Arc::new(SharedSecret { psk, local: Arc::new(static_key()) }))
}

#[test]
fn two_who_have_the_invite_are_in_one_room_without_a_code_and_can_still_compare_it() {
    let mut pair = Pair::of(initiator(by_secret([7; 32]), NOW), responder(by_secret([7; 32]), NOW), NOW);
    pair.run();
    assert_eq!(pair.stages(), (Stage::Open, Stage::Open));
    assert!(pair.i.session.is_invited() && pair.r.session.is_invited());
    let codes = [&pair.i, &pair.r].map(|side| side.session.code().unwrap());
    assert_eq!(codes[0].own.to_string(), codes[1].partner.to_string());
    assert_eq!(codes[1].own.to_string(), codes[0].partner.to_string());
    pair.say(Role::Initiator, "hello");
    pair.run();
    assert_eq!(pair.r.texts, ["hello"]);
}

#[test]
fn whoever_has_another_invite_or_none_is_not_answered() {
    for stranger in [by_secret([8; 32]), pairing()] {
        let mut pair = Pair::of(initiator(stranger, NOW), responder(by_secret([7; 32]), NOW), NOW);
        pair.run();
        assert!(matches!(pair.r.error, Some(Error::Handshake | Error::Mode(_))), "{:?}", pair.r.error);
        assert_eq!(pair.r.session.stage(), Stage::Closed);
        assert!(pair.r.sent.is_empty());
    }
    let mut pair = Pair::of(initiator(by_secret([7; 32]), NOW), responder(pairing(), NOW), NOW);
    pair.run();
    assert_eq!(pair.r.error, Some(Error::Mode(1)));
}

#[test]
fn the_secrets_of_an_invite_are_three_different_ones() {
    let invite = InviteSecret(secret(&[7; 32]));
    let all = [invite.psk(), invite.relay_token(), invite.onion_key()].map(|secret| *secret.unwrap().expose());
    assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
    // HKDF-SHA256 by another implementation (Python's hmac).
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(all.map(|secret| hex(&secret)), EXPECTED);
}
