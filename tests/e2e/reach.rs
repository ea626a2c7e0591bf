//! Ways into one room: invites, relays and proxies, between real programs.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;

use crate::meeting::{Meeting, Socks, says};
use crate::process::*;
use crate::relay::Relay;
use crate::scratch::Scratch;
use crate::script::{tell, until};
use serde_json::json;
use tete::protocol::error::Rejection;
use tete::protocol::handshake::reject;
use tete::protocol::invite::{Hint, Invite};
use tete::protocol::keys::{InviteSecret, Secret};
use tete::protocol::record::SMALL;
use tete::transport::tor::onion_key;

/// A host that lets in whoever has the invite, and the invite.
#[track_caller]
fn inviting(args: &[&str]) -> (Process, String) {
    let mut host = Process::start(tete([&["--port", "0", "--bind", "127.0.0.1", "--invite"], args].concat()));
    let line = host.until("invite: ");
    (host, line)
}

/// The same invite with those of its ways that are wanted.
fn only(line: &str, wanted: impl Fn(&Hint) -> bool) -> String {
    let mut invite = Invite::read(line).unwrap_or_else(|_| panic!("{line}"));
    invite.hints.retain(wanted);
    invite.line().as_str().to_owned()
}

/// Writes an invite down. The folder goes with its owner.
fn written(line: &str) -> (Scratch, String) {
    let folder = Scratch::new();
    let file: PathBuf = folder.path().join("invite");
    fs::write(&file, line).unwrap();
    let name = file.to_str().unwrap().to_owned();
    (folder, name)
}

fn guest_by(line: &str, args: &[&str]) -> (Process, Scratch) {
    let (folder, file) = written(line);
    (Process::start(tete([&["join", "--invite-file", &file], args].concat())), folder)
}

fn talks(host: &mut Process, guest: &mut Process) {
    host.until("room open");
    guest.until("room open");
    guest.say("hello");
    assert_eq!(host.text(), "hello");
    host.say("hello to you");
    assert_eq!(guest.text(), "hello to you");
}

#[test]
fn an_invite_opens_one_room_without_a_code() {
    let (mut host, line) = inviting(&[]);
    let (mut guest, _folder) = guest_by(&line, &[]);
    talks(&mut host, &mut guest);
    // Used: somebody else who has it finds nobody.
    let (late, _other) = guest_by(&line, &[]);
    let end = late.finish();
    assert_eq!(end.code, 3, "{}", end.err);
    assert!(end.err.contains("no route in this invite reached your partner"), "{}", end.err);
    guest.say("still here");
    assert_eq!(host.text(), "still here");
    part(guest, host);
}

/// Leaves a constant for threads that outlive the test.
fn constant(bytes: Vec<u8>) -> &'static [u8] {
    Box::leak(bytes.into_boxed_slice())
}

#[test]
fn a_way_that_leads_to_something_else_is_told_as_far_as_its_answer_goes() {
    let noise = [vec![0x04, 0xfe], vec![0x5a; 1278]].concat();
    let refusal = reject(Rejection::Other(9)).unwrap().to_vec();
    let (mut host, line) = inviting(&[]);
    for (answer, name) in [
        (Vec::new(), "closed"),
        (noise[..1].to_vec(), "unfinished"),
        (noise[..1279].to_vec(), "unfinished"),
        (noise, "not_authentic"),
        (refusal, "rejected"),
        (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), "not_tete"),
    ] {
        let mut invite = Invite::read(&line).unwrap_or_else(|_| panic!("{line}"));
        invite.hints = vec![Hint::Ipv4([127, 0, 0, 1], says(constant(answer)))];
        let (mut guest, _folder) = guest_by(invite.line().as_str(), &["--json"]);
        assert_eq!(until(&mut guest, "try_failed")["why"], name);
        assert_eq!(guest.exit(), 3);
    }
    // Whoever has it was let in nowhere.
    let (guest, _folder) = guest_by(&line, &[]);
    host.until("room open");
    part(guest, host);
}

#[test]
fn of_two_who_have_an_invite_one_gets_in() {
    let (mut host, line) = inviting(&[]);
    let guests = [0, 1].map(|_| guest_by(&line, &[]));
    host.until("room open");
    let ends = guests.map(|(mut guest, folder)| {
        guest.end_input();
        let end = guest.finish();
        drop(folder);
        end.code
    });
    assert!(ends == [0, 3] || ends == [3, 0], "{ends:?}");
    assert_eq!(host.finish().code, 0);
}

#[test]
fn an_invite_can_come_through_standard_input_with_what_is_to_be_said_after_it() {
    let (mut host, line) = inviting(&[]);
    let guest = Process::start(tete(["--invite-file", "-"]));
    guest.say(&line);
    guest.say("hello");
    assert_eq!(host.text(), "hello");
    part(guest, host);
}

#[test]
fn nobody_is_answered_who_has_no_invite() {
    let (mut host, line) = inviting(&[]);
    let Some(Hint::Ipv4(_, port)) = Invite::read(&line).ok().and_then(|invite| invite.hints.first().cloned()) else {
        panic!("{line}")
    };
    let mut record = vec![0x5a; 1280];
    record[..2].copy_from_slice(&1278u16.to_be_bytes());
    for preface in
        [*b"TETE\x01\x01\0\0", *b"TETE\x01\x00\0\0", *b"TETE\x09\x00\0\0", *b"TETE\x01\x02\0\0", *b"GET / HT"]
    {
        record[2..10].copy_from_slice(&preface);
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(&record).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(answer, b"", "{preface:?}");
    }
    let (guest, _folder) = guest_by(&line, &[]);
    host.until("room open");
    part(guest, host);
}

#[test]
fn an_invite_is_refused_where_others_can_read_it_and_where_it_is_none() {
    let (_host, line) = inviting(&[]);
    for args in [vec![line.as_str()], vec!["join", &line]] {
        let end = Process::start(tete(&args)).finish();
        assert_eq!(end.code, 2, "{}", end.err);
        assert!(end.err.contains("can be read by everybody on this machine"), "{}", end.err);
        assert!(!end.err.contains(&line), "{}", end.err);
    }
    for (text, fact) in [
        ("", "this is not an invite"),
        ("hello\u{1b}[2J", "this is not an invite"),
        (&line[..line.len() - 1], "this invite is incomplete or damaged"),
    ] {
        let (guest, _folder) = guest_by(text, &[]);
        let end = guest.finish();
        assert_eq!(end.code, 2, "{}", end.err);
        assert!(end.err.contains(fact) && !end.err.contains('\u{1b}'), "{}", end.err);
    }
    let end = Process::start(tete(["--invite-file", "/nonexistent"])).finish();
    assert!(end.code == 2 && end.err.contains("cannot read an invite"), "{}", end.err);
    for args in [["--relay", "127.0.0.1:1"], ["--onion", "--plain"]] {
        let end = Process::start(tete(args)).finish();
        assert!(end.code == 2 && end.err.contains("need an invite"), "{}", end.err);
    }
}

#[test]
fn the_code_of_an_invited_room_can_be_compared_later() {
    for same in [true, false] {
        let args = ["--json", "--port", "0", "--bind", "127.0.0.1", "--invite"];
        let mut host = Process::start(tete(args));
        let line = until(&mut host, "invite")["invite"].as_str().unwrap().to_owned();
        let (_folder, file) = written(&line);
        let mut guest = Process::start(tete(["--json", "--invite-file", &file]));
        until(&mut host, "room_open");
        until(&mut guest, "room_open");
        let status = until(&mut host, "status");
        assert_eq!(status["trust"], "invite");
        tell(&host, json!({"command": "code"}));
        tell(&guest, json!({"command": "code"}));
        let (here, there) = (until(&mut host, "codes"), until(&mut guest, "codes"));
        assert_eq!((&here["own"], &here["partner"]), (&there["partner"], &there["own"]));
        tell(&host, json!({"command": "compare", "question": here["question"], "same": same}));
        if same {
            until(&mut host, "verified");
            assert_eq!(until(&mut host, "status")["trust"], "voice");
            tell(&guest, json!({"command": "quit"}));
        }
        let codes = [host.exit(), guest.exit()];
        assert_eq!(codes, if same { [0, 0] } else { [5, 5] });
    }
}

#[test]
fn two_meet_at_a_relay_and_return_to_it_after_a_break() {
    let meeting = Meeting::new();
    let at = format!("127.0.0.1:{}", meeting.port);
    let (mut host, line) = inviting(&["--relay", &at]);
    let (mut guest, _folder) = guest_by(&only(&line, |hint| matches!(hint, Hint::Relay(..))), &[]);
    host.until(&format!("someone connected from relay {at}"));
    talks(&mut host, &mut guest);
    for number in 0..3 {
        meeting.cut();
        let said = format!("after break {number}");

        guest.say(&said);
        assert_eq!(host.text(), said);
        host.say(&said);
        assert_eq!(guest.text(), said);
    }
    part(guest, host);
}

#[test]
fn a_relay_that_joins_two_of_different_rooms_gets_nobody_into_either() {
    let meeting = Meeting::of_strangers();
    let at = format!("127.0.0.1:{}", meeting.port);
    let (mut host, line) = inviting(&["--relay", &at]);
    meeting.until_met(1);
    let mut other = Invite::read(&line).unwrap_or_else(|_| panic!("{line}"));
    other.secret = InviteSecret(Secret::default());
    other.hints.retain(|hint| matches!(hint, Hint::Relay(..)));
    let (_folder, file) = written(&other.line());
    let mut stranger = Process::start(tete(["--json", "--invite-file", &file]));
    assert_eq!(until(&mut stranger, "try_failed")["why"], json!("closed"));
    drop(stranger);
    let (mut guest, _folder) = guest_by(&only(&line, |hint| matches!(hint, Hint::Ipv4(..))), &[]);
    talks(&mut host, &mut guest);
    part(guest, host);
}

#[test]
fn a_better_way_than_a_relay_is_taken_once_it_is_there() {
    let meeting = Meeting::new();
    let at = format!("127.0.0.1:{}", meeting.port);
    // A relay is tried before a loopback address.
    let (mut host, line) = inviting(&["--relay", &at]);
    let (_folder, file) = written(&line);
    let mut guest = Process::start(tete(["--json", "--invite-file", &file]));
    host.until(&format!("someone connected from relay {at}"));
    let way = until(&mut guest, "better_route")["address"].as_str().unwrap().to_owned();
    assert!(way.starts_with("127.0.0.1:") && way != at, "{way}");
    tell(&guest, json!({"command": "say", "text": "hello"}));
    assert_eq!(host.text(), "hello");
    tell(&guest, json!({"command": "quit"}));
    assert_eq!([guest.exit(), host.exit()], [0, 0]);
}

#[test]
fn a_line_that_ends_because_the_host_has_moved_to_a_better_one_is_not_told_as_a_break() {
    let meeting = Meeting::new();
    let at = format!("127.0.0.1:{}", meeting.port);
    let (mut host, line) = inviting(&["--relay", &at]);
    let mut invite = Invite::read(&line).unwrap_or_else(|_| panic!("{line}"));
    let Some(Hint::Ipv4(_, port)) = invite.hints.iter_mut().find(|hint| matches!(hint, Hint::Ipv4(..))) else {
        panic!("{line}")
    };
    // The guest hears of the end of the old line before it hears that the new one is followed.
    let wire = Relay::new(*port);
    wire.hold(SMALL);
    *port = wire.port;
    let (_folder, file) = written(&invite.line());
    let mut guest = Process::start(tete(["--json", "--invite-file", &file]));
    host.until("switched to a better route, 127.0.0.1");
    meeting.until_ended();
    wire.release();
    let told = loop {
        let event: serde_json::Value = serde_json::from_str(&guest.text()).unwrap();
        if ["connection_lost", "reconnected", "better_route"].contains(&event["event"].as_str().unwrap()) {
            break event;
        }
    };
    assert_eq!(told["event"], json!("better_route"));
    tell(&guest, json!({"command": "quit"}));
    assert_eq!([guest.exit(), host.exit()], [0, 0]);
}

#[test]
fn what_is_no_relay_leads_nowhere_and_is_waited_for_no_longer_than_it_takes_to_see() {
    for answer in
        [&b"impatient\n"[..], b"bad handshake\n", b"HTTP/1.1 400 Bad Request\r\n", b"", b"okay, then\n", b"ok"]
    {
        let at = format!("127.0.0.1:{}", says(answer));
        let (mut host, line) = inviting(&["--relay", &at]);
        let (mut guest, _folder) = guest_by(&line, &[]);
        // The other way is there.
        guest.until("room open");
        host.until("room open");
        part(guest, host);
    }
}

#[test]
fn names_are_looked_up_by_the_proxy_alone() {
    let (mut host, port) = host();
    let socks = Socks::new("partner.invalid", port, Some(("me", "pa:ss@word")));
    let proxy = format!("socks5://me:pa:ss@word@127.0.0.1:{}", socks.port);
    let mut guest = Process::start(tete(["partner.invalid", "7", "--proxy", &proxy]));
    pair(&mut host, &mut guest);
    guest.say("hello");
    assert_eq!(host.text(), "hello");
    assert_eq!(*socks.asked.lock().unwrap(), ["partner.invalid"]);
    part(guest, host);
    let wrong = format!("socks5://me:wrong@127.0.0.1:{}", socks.port);
    let end = Process::start(tete(["partner.invalid", "--proxy", &wrong])).finish();
    assert_eq!(end.code, 3, "{}", end.err);
    assert!(!end.err.contains("wrong@"), "{}", end.err);
}

#[test]
fn two_behind_proxies_meet_at_a_relay() {
    let meeting = Meeting::new();
    let socks = Socks::new("relay.invalid", meeting.port, None);
    let proxy = format!("socks5://127.0.0.1:{}", socks.port);
    let (mut host, line) = inviting(&["--relay", "relay.invalid:1", "--proxy", &proxy]);
    let (mut guest, _folder) = guest_by(&only(&line, |hint| matches!(hint, Hint::Relay(..))), &["--proxy", &proxy]);
    talks(&mut host, &mut guest);
    meeting.cut();
    guest.say("after the break");
    assert_eq!(host.text(), "after the break");
    assert!(socks.asked.lock().unwrap().iter().all(|name| name == "relay.invalid"));
    part(guest, host);
}

#[test]
fn behind_a_proxy_the_name_of_an_onion_service_goes_to_it_and_no_tor_is_started() {
    let (mut host, line) = inviting(&[]);
    let mut invite = Invite::read(&line).unwrap_or_else(|_| panic!("{line}"));
    let Some(Hint::Ipv4(_, port)) = invite.hints.first().cloned() else { panic!("{line}") };
    let key = onion_key("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd").unwrap();
    invite.hints = vec![Hint::Onion(key, 51_423)];
    let onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
    let socks = Socks::new(onion, port, None);
    let (_folder, file) = written(&invite.line());
    let mut command = tete(["--invite-file", &file, "--proxy", &format!("socks5://127.0.0.1:{}", socks.port)]);
    command.env("PATH", "/nonexistent");
    let mut guest = Process::start(command);
    talks(&mut host, &mut guest);
    assert_eq!(*socks.asked.lock().unwrap(), [onion]);
    part(guest, host);
}

#[test]
fn the_names_of_onion_services_are_not_looked_up() {
    let onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
    let mistyped = onion.replacen('p', "q", 1);
    let end = Process::start(tete([mistyped.as_str()])).finish();
    assert!(end.code == 2 && end.err.contains("is not an onion address"), "{}", end.err);
    // In an invite, as a name and as a relay's.
    let mut invite = Invite::read(&inviting(&[]).1).unwrap_or_else(|_| panic!("no invite"));
    invite.hints = vec![Hint::Name(onion.into(), 7), Hint::Relay(onion.into(), 7), Hint::Name(mistyped, 7)];
    let (_folder, file) = written(&invite.line());
    let mut command = tete(["--json", "--invite-file", &file]);
    command.env("PATH", "/nonexistent");
    let mut guest = Process::start(command);
    let met: Vec<_> =
        (0..3).map(|_| until(&mut guest, "try_failed")["why"]["tor"].as_str().unwrap().to_owned()).collect();
    assert_eq!(met, ["not_installed"; 3]);
}

#[test]
fn a_host_says_when_nobody_can_come_by_its_relay_and_when_they_can_again() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let at = format!("127.0.0.1:{port}");
    let mut host =
        Process::start(tete(["--json", "--port", "0", "--bind", "127.0.0.1", "--invite", "--no-map", "--relay", &at]));
    let shut = until(&mut host, "route_down");
    assert!(shut["route"] == json!(format!("relay {at}")) && shut["why"] == json!("no_relay"), "{shut}");
    let _meeting = Meeting::at(port);
    assert_eq!(until(&mut host, "route_up")["route"], json!(format!("relay {at}")));
    tell(&host, json!({"command": "quit"}));
    host.exit();
}

#[test]
fn a_proxy_that_refuses_or_lies_ends_in_clear_words() {
    let socks = Socks::new("partner.invalid", 1, None);
    let through =
        |port: u16, name: &str| Process::start(tete([name, "--proxy", &format!("socks5://127.0.0.1:{port}")])).finish();
    for (end, code, fact) in [
        (through(socks.port, "other.invalid"), 3, "no route to it, or a firewall rejects it"),
        (through(socks.port, "partner.invalid"), 3, "tete is not running on that port"),
        (through(says(b"\x05\x00\x05\x00\x00\x01\0\0\0\0\0\0"), "x.invalid"), 4, "closes it without a word"),
        (through(says(b"\x05\xff"), "x.invalid"), 3, "the proxy wants another user name or password"),
        (through(says(b"HTTP/1.1 400\r\n\r\n"), "x.invalid"), 3, "what answers is not a SOCKS5 proxy"),
        (through(says(b""), "x.invalid"), 3, "the proxy failed, and does not say why"),
    ] {
        assert_eq!(end.code, code, "{}", end.err);
        assert!(end.err.contains(fact), "{fact}: {}", end.err);
    }
    for (url, fact) in [
        ("http://127.0.0.1:1", "unknown kind of proxy"),
        ("socks5://127.0.0.1", "the proxy's address is malformed"),
        ("socks5://u@127.0.0.1:1", "user name or password is malformed"),
    ] {
        let end = Process::start(tete(["x.invalid", "--proxy", url])).finish();
        assert!(end.code == 2 && end.err.contains(fact), "{}", end.err);
    }
}

#[test]
fn scripts_send_and_take_files_by_an_invite_without_a_terminal() {
    let [from, to] = [Scratch::new(), Scratch::new()];
    let file = from.path().join("film.mkv");
    fs::write(&file, vec![0x5a; 100_000]).unwrap();
    // In a session of its own a program has no terminal.
    let start = |args: &[&str]| {
        let mut command = std::process::Command::new("setsid");
        command.arg(env!("CARGO_BIN_EXE_tete")).args(args);
        Process::start(bare(command))
    };
    let mut sender = start(&["send", file.to_str().unwrap(), "--port", "0", "--bind", "127.0.0.1", "--invite"]);
    let line = format!("tete1{}", sender.until("tete1"));
    let (_folder, invite) = written(&line);
    let mut taker = start(&["receive", "--invite-file", &invite, "--save-to", to.path().to_str().unwrap()]);
    assert_eq!([sender.exit(), taker.exit()], [0, 0]);
    assert_eq!(fs::read(to.path().join("film.mkv")).unwrap(), vec![0x5a; 100_000]);
}

#[test]
fn without_tor_it_is_said_so_at_once() {
    let without_tor = |args: &[&str]| {
        let mut command = tete(args);
        command.env("PATH", "/nonexistent:.");
        Process::start(command)
    };
    let end = without_tor(&["--tor"]).finish();
    assert!(end.code == 3 && end.err.contains("cannot connect to Tor: tor is not installed"), "{}", end.err);
    let mut host = without_tor(&["--port", "0", "--bind", "127.0.0.1", "--invite", "--onion"]);
    host.until("cannot connect to Tor");
    let line = host.until("invite: ");
    let (guest, _folder) = guest_by(&line, &[]);
    host.until("room open");
    part(guest, host);
    let mut onion = Invite::read(&line).unwrap_or_else(|_| panic!("{line}"));
    onion.hints = vec![Hint::Onion([7; 32], 51_423)];
    let (_folder, file) = written(&onion.line());
    let end = without_tor(&["--invite-file", &file]).finish();
    assert!(end.code == 3 && end.err.contains("tor is not installed"), "{}", end.err);
}
