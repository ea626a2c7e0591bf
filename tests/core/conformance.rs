//! Every line of the conformance file against a session (docs/PROTOCOL.md, section 16).

use std::time::Duration;

use crate::raw::{RawPeer, frame, padded};
use crate::sessions::Side;
use tete::protocol::frame::{EntryKind, Farewell, LARGE_FRAME, SMALL_FRAME};
use tete::protocol::session::{Role, Stage};
use tete::protocol::transfer::{Content, Item, NOTHING};

const NOW: Duration = Duration::from_secs(1_000);

/// One line of the file.
struct Case<'a> {
    line: &'a str,
    roles: &'static [Role],
    state: &'a str,
    frames: Vec<&'a str>,
    outcome: &'a str,
}

fn cases() -> Vec<Case<'static>> {
    let lines = include_str!("../vectors/conformance.txt").lines();
    let cases = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let columns: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, role, state, frames, outcome] = columns[..] else { panic!("{line}") };
        let roles: &[Role] = match role {
            "I" => &[Role::Initiator],
            "R" => &[Role::Responder],
            "*" => &[Role::Initiator, Role::Responder],
            _ => panic!("{line}"),
        };
        Case { line, roles, state, frames: frames.split(';').map(str::trim).collect(), outcome }
    });
    cases.collect()
}

/// Bytes in hex, or quoted, each repeated if `*N` follows.
fn bytes(words: &[&str]) -> Vec<u8> {
    let once = |word: &str| match word.strip_prefix('\'') {
        Some(text) => text.strip_suffix('\'').unwrap().as_bytes().to_vec(),
        None => (0..word.len()).step_by(2).map(|at| u8::from_str_radix(&word[at..at + 2], 16).unwrap()).collect(),
    };
    let word = |word: &&str| match word.split_once('*') {
        Some((unit, count)) => once(unit).repeat(count.parse().unwrap()),
        None => once(word),
    };
    words.iter().flat_map(word).collect()
}

/// What the peer sends for one frame of a line.
fn sealed(peer: &mut RawPeer, text: &str) -> Vec<u8> {
    let (options, words): (Vec<_>, Vec<_>) = text.split_whitespace().partition(|word| word.starts_with('@'));
    let option = |name: &str| options.iter().find_map(|word| word.strip_prefix(name)).map(|rest| rest.parse().unwrap());
    let content = bytes(&words);
    if options.contains(&"@raw") {
        return content;
    }
    let (kind, content) = content.split_first().unwrap();
    let size = if options.contains(&"@large") { LARGE_FRAME } else { SMALL_FRAME };
    let mut plaintext = padded(*kind, option("@len=").unwrap_or(content.len()), content, size);
    if let Some(place) = option("@pad=") {
        plaintext[place] = 1;
    }
    let mut record = peer.seal(&plaintext);
    if let Some(place) = option("@flip=") {
        record[place] ^= 1;
    }
    record
}

/// A session in the state of a line, and its peer.
fn state(name: &str, role: Role) -> (RawPeer, Side) {
    match name {
        "i-before-open" | "r-before-open" => {
            let (peer, side, _) = RawPeer::established(role, NOW);
            (peer, side)
        }
        "pairing" => RawPeer::confirming(role, NOW),
        "verified" => RawPeer::confirmed(role, NOW),
        _ => open_state(name, RawPeer::opened(role, NOW), role),
    }
}

fn open_state(name: &str, (mut peer, mut side): (RawPeer, Side), role: Role) -> (RawPeer, Side) {
    match name {
        "open" => {}
        "said" | "back" | "resumed" | "leaving" => {
            for _ in 0..2 {
                side.session.say("x".to_owned().into(), NOW).unwrap();
            }
            assert_eq!(peer.said(&mut side, NOW).len(), 2);
            if name == "leaving" {
                side.session.leave(Farewell::Done);
                assert_eq!(peer.said(&mut side, NOW), [frame(0x05, &[0])]);
            } else if name != "said" {
                side.take(&peer.seal(&frame(0x04, &[0; 4])), NOW);
                side.session.lost(NOW);
                peer = peer.come_back(&mut side, role, NOW);
                assert_eq!(peer.said(&mut side, NOW), [frame(0x02, &[])]);
            }
            if name == "resumed" {
                side.take(&peer.seal(&frame(0x02, &[])), NOW);
                assert_eq!(peer.said(&mut side, NOW), [frame(0x08, &[0; 4])]);
            }
        }
        "rekey-i" | "rekey-asked" => {
            assert!(side.session.change_epoch());
            assert_eq!(peer.said(&mut side, NOW)[0][0], if role == Role::Initiator { 0x11 } else { 0x10 });
        }
        "offered" | "taking" => {
            let content = bytes(&["00000000", "00000002", "000000000000000a", "'name'"]);
            side.take(&peer.seal(&frame(0x20, &content)), NOW);
            let receiving = side.session.receiving().unwrap();
            if name == "taking" {
                receiving.want();
                while receiving.next_entry().is_some() {
                    receiving.accept(0, NOTHING);
                }
            }
            assert_eq!(peer.said(&mut side, NOW).len(), if name == "taking" { 2 } else { 0 });
        }
        "offering" | "sent" => {
            assert_eq!(side.session.sending().unwrap().offer(2, 3, "name".into()), Some(0));
            assert_eq!(peer.said(&mut side, NOW).len(), 1);
            if name == "sent" {
                let accept = [&[0; 16][..], &NOTHING].concat();
                side.take(&peer.seal(&frame(0x21, &accept)), NOW);
                let sending = side.session.sending().unwrap();
                sending.feed(Item::Begin { index: 0, size: 3, kind: EntryKind::File, path: "name/a".into() });
                sending.feed(Item::Data { index: 0, offset: 0, bytes: Content(b"abc".to_vec()) });
                sending.feed(Item::End { index: 0, hash: [9; 32] });
                let mut out = Vec::new();
                while side.session.transmit_data(&mut out, NOW).unwrap() {}
                let records = out.chunks(tete::protocol::record::SMALL);
                assert_eq!(records.map(|record| peer.open(record)[0]).collect::<Vec<_>>(), [0x22, 0x23, 0x24]);
            }
        }
        _ => panic!("no state {name}"),
    }
    assert_eq!(side.error, None, "{name}");
    (peer, side)
}

#[test]
fn every_line_of_the_conformance_file_has_its_outcome() {
    let mut wrong = Vec::new();
    for Case { line, roles, state: name, frames, outcome } in cases() {
        for role in roles {
            let (mut peer, mut side) = state(name, *role);
            let before = side.session.stage();
            let (last, earlier) = frames.split_last().unwrap();
            // What follows BYE counts for nothing, so that BYE may be followed.
            let mut early = false;
            for text in earlier {
                side.take(&sealed(&mut peer, text), NOW);
                early |= side.error.is_some();
            }
            if before != Stage::Established {
                peer.said(&mut side, NOW);
            }
            let texts = side.texts.len();
            side.take(&sealed(&mut peer, last), NOW);
            let stage = side.session.stage();
            let over = matches!(stage, Stage::Closed | Stage::Away);
            let came = match side.error {
                Some(_) if early => "an error too early",
                Some(error) if error.is_of_the_line() => {
                    let has_room = matches!(before, Stage::Open | Stage::Resuming);
                    if has_room == (stage == Stage::Away) { "breaks" } else { "another end" }
                }
                Some(_) if stage == Stage::Closed => "fatal",
                Some(_) => "another end",
                None if side.left.is_some() => "left",
                None if over && before == Stage::Leaving => "left",
                None if over => "another end",
                None if outcome == "ignored" => {
                    let silent = before == Stage::Established || peer.said(&mut side, NOW).is_empty();
                    if silent && side.texts.len() == texts { "ignored" } else { "taken" }
                }
                // The files themselves are the business of what lies behind a session.
                None if matches!(outcome, "declined" | "refused") => outcome,
                None if outcome == "answered" => {
                    if peer.said(&mut side, NOW).is_empty() {
                        "taken"
                    } else {
                        "answered"
                    }
                }
                None => "taken",
            };
            if came != outcome {
                wrong.push(format!("{line} ({role:?}): {came}, {:?}", side.error));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_conformance_file_has_each_state_and_each_outcome() {
    let all = cases();
    assert!(all.len() >= 110);
    for outcome in ["taken", "ignored", "breaks", "fatal", "left", "declined", "refused"] {
        assert!(all.iter().any(|case| case.outcome == outcome), "{outcome}");
    }
}
