//! What the doctor tells of the ways to a partner, and of the room.

use std::fs;
use std::net::TcpListener;

use crate::meeting::{Meeting, Socks, says};
use crate::process::{self, Process, tete};
use crate::scratch::Scratch;
use crate::script::{guest_with, host_with, pair, tell, until};
use serde_json::{Value, json};
use tete::protocol::error::Rejection;
use tete::protocol::handshake::reject;

/// What the doctor finds, and its exit code.
fn doctor(args: &[&str]) -> (Vec<Value>, i32) {
    let end = Process::start(tete([&["doctor", "--json"], args].concat())).finish();
    let mut findings: Vec<Value> = end.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(findings.pop().unwrap()["exit"], end.code);
    (findings, end.code)
}

/// What was found of one thing: the verdict and why.
fn of<'a>(findings: &'a [Value], what: &str) -> (&'a str, &'a str) {
    let finding =
        findings.iter().find(|finding| finding["what"] == what).unwrap_or_else(|| panic!("{what}: {findings:?}"));
    (finding["verdict"].as_str().unwrap(), finding["why"].as_str().unwrap())
}

fn answers(rejection: Rejection) -> u16 {
    says(Box::leak(Box::new(reject(rejection).unwrap())).as_slice())
}

#[test]
fn the_doctor_tells_what_each_way_to_a_partner_has_met() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (mut inviting, guarded) = host_with(&["--invite"]);
    until(&mut inviting, "invite");
    for (port, fact) in [
        (closed, "tete is not running on that port"),
        (guarded, "closes it without a word"),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n"), "what answers is not tete"),
        (says(b""), "closes it without a word"),
        (says(b"\x04"), "the handshake did not finish"),
        (answers(Rejection::Version { min: 2, max: 3 }), "speaks versions 2 to 3"),
        (answers(Rejection::Busy), "is talking to somebody else"),
        (answers(Rejection::Other(9)), "refuses, reason 9"),
    ] {
        let (findings, code) = doctor(&["127.0.0.1", &port.to_string()]);
        let (verdict, why) = of(&findings, "way");
        assert!(verdict == "does_not_work" && why.contains(fact) && code == 3, "{fact}: {findings:?}");
    }
    let (findings, code) = doctor(&["nowhere.invalid"]);
    assert!(of(&findings, "way").1.contains("the name was not found") && code == 3, "{findings:?}");
}

#[test]
fn a_host_is_not_disturbed_by_the_doctor_and_no_invite_is_used() {
    let (mut host, port) = host_with(&[]);
    let (findings, code) = doctor(&["127.0.0.1", &port.to_string()]);
    assert!(of(&findings, "way").0 == "works" && code == 0, "{findings:?}");
    let mut joiner = guest_with(port, &[]);
    pair(&mut host, &mut joiner);
    tell(&joiner, json!({"command": "quit"}));
    assert_eq!([joiner.exit(), host.exit()], [0, 0]);

    let meeting = Meeting::new();
    let relay = format!("127.0.0.1:{}", meeting.port);
    let (mut host, _) = host_with(&["--invite", "--relay", &relay]);
    let invite = until(&mut host, "invite")["invite"].as_str().unwrap().to_owned();
    let folder = Scratch::new();
    let file = folder.path().join("invite");
    fs::write(&file, &invite).unwrap();
    let file = file.to_str().unwrap();
    for _ in 0..2 {
        let (findings, code) = doctor(&["--invite-file", file]);
        let ways: Vec<_> = findings.iter().filter(|finding| finding["what"] == "way").collect();
        assert!(ways.len() == 2 && ways.iter().all(|way| way["verdict"] == "works") && code == 0, "{findings:?}");
    }
    let mut joiner = Process::start(tete(["--json", "--invite-file", file]));
    until(&mut joiner, "room_open");
    let (findings, code) = doctor(&["--invite-file", file]);
    assert!(of(&findings, "way").1.contains("closes it without a word") && code == 3, "{findings:?}");
    tell(&joiner, json!({"command": "quit"}));
    assert_eq!([joiner.exit(), host.exit()], [0, 0]);
}

#[test]
fn the_doctor_tells_whether_this_side_could_wait() {
    let (_host, port) = host_with(&[]);
    let (findings, code) = doctor(&["--no-map", "--bind", "127.0.0.1", "--port", &port.to_string()]);
    assert_eq!(code, 0, "it is not asked whether all is well");
    assert!(of(&findings, "listening").1.contains("in use"), "{findings:?}");
    let (findings, _) = doctor(&["--no-map", "--bind", "127.0.0.1", "--port", "0"]);
    assert!(of(&findings, "listening").1.contains("127.0.0.1:"), "{findings:?}");
    for what in ["addresses", "nat", "mapping", "firewall", "ipv6", "lan", "tor", "relay"] {
        of(&findings, what);
    }
    assert_eq!(
        (of(&findings, "mapping").0, of(&findings, "lan").0, of(&findings, "relay").0),
        ("unknown", "unknown", "unknown")
    );
}

#[test]
fn a_relay_is_tried_with_two_connections() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (port, verdict, fact) in [
        (Meeting::new().port, "works", "joined two connections"),
        (says(b"bad handshake\n"), "does_not_work", "is not a relay"),
        (says(b"HTTP/1.1 400 Bad Request\r\n"), "does_not_work", "is not a relay"),
        (closed, "does_not_work", "cannot be reached"),
    ] {
        let (findings, _) = doctor(&["--no-map", "--port", "0", "--relay", &format!("127.0.0.1:{port}")]);
        let found = of(&findings, "relay");
        assert!(found.0 == verdict && found.1.contains(fact), "{fact}: {found:?}");
    }
}

#[test]
fn behind_a_proxy_or_tor_the_network_around_is_left_alone() {
    let (_host, port) = process::host();
    let socks = Socks::new("partner.invalid", port, None);
    let proxy = format!("socks5://127.0.0.1:{}", socks.port);
    let (findings, code) = doctor(&["--proxy", &proxy, "partner.invalid"]);
    assert!(of(&findings, "way").0 == "works" && code == 0, "{findings:?}");
    assert!(findings.iter().all(|finding| !["mapping", "lan", "ipv6"].contains(&finding["what"].as_str().unwrap())));
    let mut command = tete(["doctor", "--json", "--tor"]);
    command.env("PATH", "/nonexistent");
    let end = Process::start(command).finish();
    let findings: Vec<Value> = end.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let what: Vec<_> = findings.iter().filter_map(|finding| finding["what"].as_str()).collect();
    assert_eq!(what, ["tor", "relay"], "nothing of this machine's is told, either");
    assert_eq!(of(&findings, "tor"), ("does_not_work", "tor is not installed"));
}

#[test]
fn in_a_room_the_doctor_tells_what_it_stands_on() {
    let meeting = Meeting::new();
    let relay = format!("127.0.0.1:{}", meeting.port);
    let (mut host, _) = host_with(&["--invite", "--relay", &relay]);
    let invite = until(&mut host, "invite")["invite"].as_str().unwrap().to_owned();
    let mut wrong = tete::protocol::invite::Invite::read(&invite).unwrap_or_else(|_| panic!("{invite}"));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    wrong.hints[0] = tete::protocol::invite::Hint::Ipv4([127, 0, 0, 1], closed);
    let folder = Scratch::new();
    let file = folder.path().join("invite");
    fs::write(&file, wrong.line().as_str()).unwrap();
    let mut joiner = Process::start(tete(["--json", "--invite-file", file.to_str().unwrap()]));
    until(&mut host, "room_open");
    until(&mut joiner, "room_open");
    for side in [&mut host, &mut joiner] {
        tell(side, json!({"command": "doctor"}));
        let line = until(side, "finding");
        assert_eq!((&line["what"], &line["verdict"]), (&json!("connection"), &json!("works")));
        assert!(line["why"].as_str().unwrap().contains(&relay), "{line}");
    }
    let mut at_relay = until(&mut joiner, "finding");
    while at_relay["what"] != "way" || at_relay["name"] != format!("relay {relay}") {
        at_relay = until(&mut joiner, "finding");
    }
    assert_eq!(at_relay["why"], "your partner is there");
    while until(&mut host, "finding")["what"] != "mapping" {}
    tell(&joiner, json!({"command": "quit"}));
    assert_eq!([joiner.exit(), host.exit()], [0, 0]);
}
