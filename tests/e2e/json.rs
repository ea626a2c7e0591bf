//! The real program driven by another, as docs/SCRIPTING.md says.

use crate::process::{self, Process, tete};
use crate::relay::Relay;
use crate::script::{guest_with, host_with, pair, tell, until};
use rustix::process::Signal;
use serde_json::json;

fn room() -> (Process, Process) {
    let (mut host, port) = host_with(&[]);
    let mut guest = guest_with(port, &[]);
    pair(&mut host, &mut guest);
    (host, guest)
}

#[test]
fn two_programs_pair_talk_and_leave() {
    let (mut host, mut guest) = room();
    for (id, text) in ["你好🙂", "two\nlines", "\x1b[2J\u{202e}", ""].into_iter().enumerate() {
        tell(&host, json!({"command": "say", "text": text}));
        assert_eq!(until(&mut host, "said")["id"], id);
        let heard = until(&mut guest, "text");
        assert_eq!((&heard["text"], &heard["id"], &heard["age_seconds"]), (&json!(text), &json!(id), &json!(0.0)));
    }
    while until(&mut host, "delivered")["up_to"] != 3 {}
    tell(&guest, json!({"command": "who"}));
    let who = until(&mut guest, "who");
    assert_eq!((&who["connection"]["state"], &who["waiting"]), (&json!("connected"), &json!(0)));
    tell(&guest, json!({"command": "code"}));
    let code = until(&mut guest, "codes");
    tell(&host, json!({"command": "code"}));
    assert_eq!(until(&mut host, "codes")["own"], code["partner"]);
    tell(&guest, json!({"command": "rekey"}));
    until(&mut guest, "rekey");
    while until(&mut guest, "status")["epoch"] != 1 {}
    tell(&guest, json!({"command": "quit"}));
    assert_eq!(until(&mut guest, "end"), json!({"event": "end", "exit": 0}));
    until(&mut host, "partner_left");
    assert_eq!(until(&mut host, "end")["exit"], 0);
    assert_eq!([guest.exit(), host.exit()], [0, 0]);
}

#[test]
fn what_is_no_command_is_refused_and_the_exit_says_so() {
    let (mut host, mut guest) = room();
    for line in ["", "hello", "[]", "{}", "{\"command\": 1}", "{\"command\": \"say\"}", "\"say\""] {
        guest.say(line);
        assert_eq!(until(&mut guest, "refused")["why"], "not_a_command", "{line}");
    }
    guest.send(b"{\"command\": \"say\", \"text\": \"\xff\"}\n".to_vec());
    assert_eq!(until(&mut guest, "refused")["why"], "not_a_command");
    tell(&guest, json!({"command": "dance"}));
    assert_eq!(until(&mut guest, "refused"), json!({"event": "refused", "why": "unknown_command", "command": "dance"}));
    tell(&guest, json!({"command": "say", "text": "x".repeat(65_537)}));
    assert_eq!(until(&mut guest, "refused")["why"], "too_long");
    guest.say(&"y".repeat(1 << 20));
    assert_eq!(until(&mut guest, "refused")["why"], "not_a_command");
    let exact = "\u{1}".repeat(65_536);
    tell(&guest, json!({"command": "say", "text": exact}));
    assert_eq!(until(&mut host, "text")["text"], json!(exact));
    guest.end_input();
    assert_eq!(until(&mut guest, "end")["exit"], 7);
    assert_eq!([guest.exit(), host.exit()], [7, 0]);
}

#[test]
fn nothing_can_be_said_before_the_room_is_open() {
    let (mut host, port) = host_with(&[]);
    tell(&host, json!({"command": "say", "text": "too early"}));
    assert_eq!(until(&mut host, "refused")["why"], "not_taken");
    let mut guest = guest_with(port, &[]);
    let mut asked = until(&mut guest, "code")["question"].clone();
    tell(&guest, json!({"command": "say", "text": "too early"}));
    assert_eq!(until(&mut guest, "refused")["why"], "not_taken");
    let code = until(&mut host, "code");
    let own = code["own"].clone();
    tell(&host, json!({"command": "half", "question": code["question"], "half": own}));
    until(&mut host, "own_code");
    for left in [2, 1] {
        let wrong = process::wrong(own.as_str().unwrap(), own.as_str().unwrap());
        tell(&guest, json!({"command": "half", "question": asked, "half": wrong}));
        let again = until(&mut guest, "wrong_code");
        assert_eq!(again["tries_left"], left);
        asked = again["question"].clone();
    }
    let wrong = process::wrong(own.as_str().unwrap(), own.as_str().unwrap());
    tell(&guest, json!({"command": "half", "question": asked, "half": wrong}));
    let end = until(&mut guest, "end");
    assert_eq!(end["exit"], 5);
    assert!(end["error"].as_str().unwrap().starts_with("ALARM"));
    assert_eq!(guest.exit(), 5);
    assert_eq!(until(&mut host, "pairing_failed")["alarm"], true);
    host.end_input();
    assert_eq!(until(&mut host, "end")["exit"], 3);
    assert_eq!(host.exit(), 3);
}

#[test]
fn a_comparison_is_answered_by_true_or_false() {
    let (mut host, port) = host_with(&["--confirm", "compare"]);
    let mut guest = Process::start(tete(["--json", "--confirm", "compare", "127.0.0.1", &port.to_string()]));
    let [ours, theirs] = [until(&mut host, "compare"), until(&mut guest, "compare")];
    assert_eq!((&ours["own"], &ours["emoji"]), (&theirs["partner"], &theirs["emoji"]));
    tell(&host, json!({"command": "compare", "question": ours["question"]}));
    let again = until(&mut host, "neither_word");
    tell(&host, json!({"command": "compare", "question": again["question"], "same": true}));
    tell(&guest, json!({"command": "compare", "question": theirs["question"], "same": false}));
    assert_eq!(until(&mut guest, "end")["exit"], 5);
    assert_eq!(guest.exit(), 5);
    until(&mut host, "pairing_failed");
    host.signal(Signal::TERM);
    assert_eq!(host.exit(), 3);
}

#[test]
fn a_program_sees_the_line_break_and_heal() {
    let (mut host, port) = host_with(&[]);
    let relay = Relay::new(port);
    let mut guest = guest_with(relay.port, &[]);
    pair(&mut host, &mut guest);
    relay.cut();
    assert_eq!(
        until(&mut guest, "connection_lost"),
        json!({"event": "connection_lost", "why": "cut", "redialing": true})
    );
    let line = until(&mut guest, "status")["connection"].clone();
    assert_eq!(line["state"], "redialing");
    tell(&guest, json!({"command": "say", "text": "while it was cut"}));
    until(&mut guest, "said");
    relay.mend();
    until(&mut guest, "reconnected");
    assert_eq!(until(&mut host, "text")["text"], "while it was cut");
    assert_eq!(until(&mut guest, "delivered"), json!({"event": "delivered", "up_to": 0, "messages": 1, "waiting": 0}));
    host.signal(Signal::KILL);
    host.exit();
    relay.cut();
    tell(&guest, json!({"command": "panic"}));
    assert_eq!(until(&mut guest, "end")["exit"], 0);
    assert_eq!(guest.exit(), 0);
}

#[test]
fn a_program_can_end_a_side_that_waits_or_still_looks_for_the_other() {
    let mut host = Process::start(tete(["--json", "--port", "0", "--bind", "127.0.0.1"]));
    until(&mut host, "listening");
    tell(&host, json!({"command": "quit"}));
    assert_eq!(host.exit(), 3);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = silent.local_addr().unwrap().to_string();
    let mut guest = Process::start(tete(["--json", &at]));
    until(&mut guest, "connected");
    tell(&guest, json!({"command": "say", "text": "too early"}));
    until(&mut guest, "refused");
    tell(&guest, json!({"command": "quit"}));
    assert_eq!(guest.exit(), 3);
}
