//! Which answers count: each question has a number, and nothing but its own answer opens a room.

use crate::peer::{Peer, stranger};
use crate::process::{Process, listening, now, tete};
use crate::script::{guest_with, host_with, tell, until};
use serde_json::{Value, json};
use std::time::Duration;

/// How long after a new code a line in a pipe is not an answer to it.
const TOO_SOON: Duration = Duration::from_secs(1);

/// What was asked last, with its number.
#[track_caller]
fn question(side: &mut Process, name: &str) -> (Value, Value) {
    let event = until(side, name);
    assert!(event["question"].is_u64(), "{event}");
    (event["question"].clone(), event)
}

/// Waits until a command is refused, for whatever reason.
#[track_caller]
fn is_refused(side: &mut Process) {
    loop {
        let event: Value = serde_json::from_str(&side.text()).unwrap();
        let name = event["event"].as_str().unwrap();
        assert!(!matches!(name, "confirmed" | "room_open" | "codes" | "end" | "pairing_failed"), "{event}");
        if matches!(name, "refused" | "stale_answer") {
            return;
        }
    }
}

#[test]
fn a_comparison_opens_nothing_where_the_half_is_to_be_typed() {
    let (mut host, port) = host_with(&[]);
    let mut guest = guest_with(port, &[]);
    let (number, ours) = question(&mut host, "code");
    let (their_number, theirs) = question(&mut guest, "code");
    tell(&guest, json!({"command": "half", "half": ours["own"], "question": their_number}));
    until(&mut guest, "confirmed");
    for answer in [
        json!({"command": "compare", "same": true}),
        json!({"command": "compare", "same": true, "question": number}),
        json!({"command": "half", "half": theirs["own"]}),
    ] {
        tell(&host, answer);
        is_refused(&mut host);
    }
    tell(&host, json!({"command": "half", "half": theirs["own"], "question": number}));
    until(&mut host, "room_open");
    until(&mut guest, "room_open");
}

#[test]
fn the_partners_half_is_nowhere_in_the_output_before_it_was_typed() {
    let (mut host, port) = host_with(&[]);
    let mut guest = guest_with(port, &[]);
    let (number, ours) = question(&mut host, "code");
    let (their_number, theirs) = question(&mut guest, "code");
    for side in [&mut host, &mut guest] {
        for command in ["code", "who"] {
            tell(side, json!({"command": command}));
        }
        tell(side, json!({"command": "code"}));
        is_refused(side);
    }
    for (side, half) in [(&mut host, &theirs["own"]), (&mut guest, &ours["own"])] {
        let (all, half) = (side.out().so_far(), half.as_str().unwrap());
        assert!(!all.contains(half) && !all.contains(&half.replace(' ', "")), "{all}");
    }
    tell(&host, json!({"command": "half", "half": theirs["own"], "question": number}));
    tell(&guest, json!({"command": "half", "half": ours["own"], "question": their_number}));
    until(&mut host, "room_open");
    tell(&host, json!({"command": "code"}));
    assert_eq!(until(&mut host, "codes")["partner"], theirs["own"]);
}

#[test]
fn an_answer_that_names_no_question_or_one_from_before_is_refused() {
    let (mut host, port) = host_with(&["--confirm", "compare"]);
    let mut first = Peer::call(port, stranger());
    first.half();
    let (old, _) = question(&mut host, "compare");
    tell(&host, json!({"command": "compare", "same": true}));
    is_refused(&mut host);
    // Somebody cuts the line, and calls in the partner's place.
    drop(first);
    until(&mut host, "pairing_failed");
    let mut second = Peer::call(port, stranger());
    let half = second.half();
    let (new, event) = question(&mut host, "compare");
    assert!(old != new && event["partner"] == half.as_str());
    second.enter(event["own"].as_str().unwrap());
    for number in [old, json!(null), json!("one"), json!(-1), json!(u64::MAX)] {
        tell(&host, json!({"command": "compare", "same": true, "question": number}));
        is_refused(&mut host);
    }
    tell(&host, json!({"command": "compare", "same": true, "question": new}));
    second.opened();
    until(&mut host, "room_open");
}

#[test]
fn a_line_in_a_pipe_is_no_answer_to_a_code_that_is_not_a_second_old() {
    let (mut host, port) = listening(tete(["--port", "0", "--bind", "127.0.0.1", "--confirm", "compare"]));
    let mut first = Peer::call(port, stranger());
    first.half();
    host.until("code: ");
    drop(first);
    host.until("the connection was lost during pairing");
    // Meant for the first, and read while there is nobody.
    host.say("same");
    let mut second = Peer::call(port, stranger());
    second.half();
    let own = host.until("code: ");
    let asked = now();
    host.say("same");
    second.enter(own.split_whitespace().take(2).collect::<Vec<_>>().join(" ").trim_end_matches(','));
    second.waits(TOO_SOON + Duration::from_millis(500));
    assert!(now() > asked + TOO_SOON && !host.so_far().contains("room open"), "{}", host.so_far());
    host.say("same");
    second.opened();
    host.until("room open");
}

#[test]
fn what_asks_about_the_room_is_refused_as_long_as_there_is_none_and_says_why() {
    let (mut host, port) = host_with(&[]);
    let mut peer = Peer::call(port, stranger());
    let half = peer.half();
    let (number, ours) = question(&mut host, "code");
    let refused = |host: &mut Process, why: &str| {
        for command in ["who", "code", "rekey"] {
            tell(host, json!({"command": command}));
            assert_eq!(until(host, "refused")["why"], why, "{command}");
        }
    };
    refused(&mut host, "not_confirmed");
    tell(&host, json!({"command": "half", "half": half, "question": number}));
    until(&mut host, "confirmed");
    refused(&mut host, "not_open");
    peer.enter(ours["own"].as_str().unwrap());
    peer.opened();
    until(&mut host, "room_open");
    tell(&host, json!({"command": "who"}));
    until(&mut host, "who");
}

#[test]
fn a_program_that_answered_three_times_wrong_waits_for_the_next_caller() {
    let (mut host, port) = host_with(&[]);
    let mut first = Peer::call(port, stranger());
    let half = first.half();
    let wrong = if half.starts_with('0') { "1111 1111" } else { "0000 0000" };
    for asked in ["code", "wrong_code", "wrong_code"] {
        let (number, _) = question(&mut host, asked);
        tell(&host, json!({"command": "half", "half": wrong, "question": number}));
    }
    assert_eq!(until(&mut host, "pairing_failed")["why"], "wrong_half");
    first.left();
    let mut second = Peer::call(port, stranger());
    let half = second.half();
    let (number, ours) = question(&mut host, "code");
    tell(&host, json!({"command": "half", "half": half, "question": number}));
    second.enter(ours["own"].as_str().unwrap());
    second.opened();
    until(&mut host, "room_open");
}
