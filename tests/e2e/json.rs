//! The real program driven by another, as docs/SCRIPTING.md says.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use crate::process::{self, Process, tete};
use crate::relay::Relay;
use crate::scratch::Scratch;
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

/// Runs a side to its end, and holds that `end` is the last line of its output, with its exit code, and the only one.
#[track_caller]
fn ends_with_end(side: Process) -> (i32, serde_json::Value) {
    let end = side.finish();
    let last = end.out.lines().last().unwrap_or_else(|| panic!("no output; {}", end.err));
    let last: serde_json::Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{}", end.out));
    assert_eq!((&last["event"], &last["exit"]), (&json!("end"), &json!(end.code)), "{}{}", end.out, end.err);
    assert!(end.out.ends_with('\n') && end.out.matches("\"event\":\"end\"").count() == 1, "{}", end.out);
    assert_eq!(last["error"].is_null(), end.code == 0, "{last}");
    (end.code, last)
}

#[test]
fn end_is_the_last_line_of_every_exit() {
    let folder = Scratch::new();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.into_os_string()
    };
    let (not_utf8, empty) = (file("not utf-8", b"tete1\xff"), file("empty", b""));
    let (missing, folder) = (folder.path().join("missing").into_os_string(), folder.path().as_os_str().to_owned());
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
    for (args, code) in [
        (words("--json --help"), 0),
        (words("--json --version"), 0),
        (words("--json --nonsense"), 2),
        ([words("--json"), vec![OsString::from_vec(vec![0xff])]].concat(), 2),
        (words("send --json"), 2),
        (words("--json --save-to /nonexistent"), 2),
        ([words("--json --invite-file"), vec![missing]].concat(), 2),
        ([words("--json --invite-file"), vec![folder]].concat(), 2),
        ([words("--json --invite-file"), vec![not_utf8]].concat(), 2),
        ([words("doctor --json --invite-file"), vec![empty]].concat(), 2),
        (words("--json --invite-file -"), 2),
        (words("--json --bind 192.0.2.1 --port 0"), 7),
        (words(&format!("--json {closed}")), 3),
        (words(&format!("doctor --json {closed}")), 3),
    ] {
        let mut side = Process::start(tete(&args));
        side.end_input();
        assert_eq!(ends_with_end(side).0, code, "{args:?}");
    }
    let asks = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2];
    for signal in asks.into_iter().chain([Signal::ALARM, Signal::XCPU, Signal::XFSZ]) {
        let (host, port) = host_with(&[]);
        let mut guest = guest_with(port, &[]);
        until(&mut guest, "code");
        guest.signal(signal);
        assert_eq!(ends_with_end(guest).0, 5);
        host.signal(signal);
        assert_eq!(ends_with_end(host).0, 3);
        let (host, guest) = room();
        host.signal(signal);
        assert_eq!([host, guest].map(|side| ends_with_end(side).0), [0, 0]);
    }
}

#[test]
fn end_comes_where_a_file_is_waited_for_that_nobody_writes() {
    let scratch = Scratch::new();
    let fifo = scratch.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for option in ["--invite-file", "--tor-config"] {
        let side = Process::start(tete(["--json", option, fifo.to_str().unwrap()]));
        // Opened once it is being read.
        let writes = std::fs::File::options().write(true).open(&fifo).unwrap();
        side.signal(Signal::TERM);
        assert_eq!(ends_with_end(side).0, 3, "{option}");
        drop(writes);
    }
}

#[test]
fn end_comes_where_not_even_a_thread_can_be_started() {
    for args in [&["--json", "--port", "0"][..], &["--json", "127.0.0.1", "1"], &["doctor", "--json", "x.invalid"]] {
        let mut command = tete(args);
        // No machine has room for the stack of another thread.
        command.env("RUST_MIN_STACK", (1_u64 << 46).to_string());
        let (code, _) = ends_with_end(Process::start(command));
        assert!(code == 7 || args[0] == "doctor", "{args:?}: {code}");
    }
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
