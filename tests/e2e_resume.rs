//! The real program over a wire that is cut: healed without another code, nothing lost.

mod process;
mod relay;
mod terminal;

use std::collections::VecDeque;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use process::*;
use relay::Relay;
use rustix::process::Signal;
use terminal::Terminal;
use tete::protocol::record::SMALL;

const CHAT: &str = "you › ";
const HALF: &str = "partner's half: ";

/// An open room of two scripts with a wire between them.
#[track_caller]
fn wired_room(args: &[&str]) -> (Process, Process, Relay) {
    let (mut host, port) = listening(tete([&["--port", "0", "--bind", "127.0.0.1"], args].concat()));
    let relay = Relay::new(port);
    let port = relay.port.to_string();
    let mut guest = Process::start(tete([&["127.0.0.1", port.as_str()], args].concat()));
    pair(&mut host, &mut guest);
    (host, guest, relay)
}

/// The same with a person on the joiner's side.
#[track_caller]
fn wired_person() -> (Process, Terminal, Relay) {
    let (mut host, port) = host();
    let relay = Relay::new(port);
    let person = Terminal::start(terminal::tete(&["127.0.0.1", &relay.port.to_string()]));
    let half = host.until("code: ");
    host.say(&person.half());
    person.answer(HALF, &half);
    host.until("room open");
    person.prompts(CHAT);
    (host, person, relay)
}

#[test]
fn what_is_said_while_the_line_is_cut_arrives_once_and_in_order() {
    let (mut host, mut guest, relay) = wired_room(&[]);
    let (mut to_host, mut to_guest) = (Vec::new(), Vec::new());
    let say = |host: &Process, guest: &Process, to_host: &mut Vec<String>, to_guest: &mut Vec<String>| {
        for _ in 0..50 {
            let text = format!("{} {}", to_host.len(), "x".repeat(to_host.len() * 10));
            host.say(&text);
            guest.say(&text);
            to_host.push(text.clone());
            to_guest.push(text);
        }
    };
    for _ in 0..3 {
        say(&host, &guest, &mut to_host, &mut to_guest);
        relay.cut();
        host.until("line cut");
        guest.until("line cut");
        say(&host, &guest, &mut to_host, &mut to_guest);
        relay.mend();
        host.until("line back");
        guest.until("line back");
    }
    assert_eq!(host.texts(to_host.len()), to_host);
    assert_eq!(guest.texts(to_guest.len()), to_guest);
    assert_eq!(relay.connections(), 4);
    let ends = part(guest, host);
    for end in &ends {
        assert_eq!(end.err.matches("code: ").count(), 1, "{}", end.err);
    }
}

#[test]
fn a_person_sees_the_cut_types_on_and_sees_the_line_return() {
    let (mut host, mut person, relay) = wired_person();
    relay.cut();
    host.until("line cut");
    person.shows("The line is cut: the connection ended. Connecting again.");
    person.answer(CHAT, "还在吗？");
    person.shows("◌ 1 text is waiting for the line");
    person.answer(CHAT, "/who");
    person.shows("connecting again: attempt");
    person.answer(CHAT, "/rekey");
    person.shows("Not while the line is cut.");
    host.say("written over here");
    relay.mend();
    person.shows("The line is back after");
    person.shows("✓ shown to your partner");
    person.shows("written over here");
    host.until("line back");
    assert_eq!(host.text(), "还在吗？");
    person.answer(CHAT, "/who");
    person.shows("line connected");
    person.answer(CHAT, "/quit");
    assert_eq!([person.exit() as i32, host.exit()], [0, 0]);
    person.is_sane();
}

#[test]
fn either_side_can_have_fresh_keys_and_sees_the_epoch() {
    let (mut host, mut person, _relay) = wired_person();
    person.answer(CHAT, "/who");
    person.shows("epoch 0, since");
    person.answer(CHAT, "/rekey");
    person.shows("Fresh keys are being made.");
    for number in 0.. {
        host.say(&format!("round trip {number}"));
        person.shows(&format!("round trip {number}"));
        person.answer(CHAT, "/who");
        person.shows_times("texts not shown yet", number + 2);
        if person.words().contains("epoch 1, since") {
            break;
        }
        assert!(number < 20, "{}", person.words());
    }
    person.answer(CHAT, "/quit");
    assert_eq!([person.exit() as i32, host.exit()], [0, 0]);
}

#[test]
fn a_joiner_whose_host_was_killed_is_told_so() {
    let (mut host, mut person, relay) = wired_person();
    host.signal(Signal::KILL);
    host.exit();
    relay.cut();
    person.shows("somebody else answers there. If their program has ended, the room is gone: /quit");
    person.answer(CHAT, "never read");
    person.press("\x03");
    person.press("\x03");
    assert_eq!(person.exit(), 6, "{}", person.words());
    person.shows("1 text was not shown to your partner");
    person.is_sane();
}

#[test]
fn a_room_waits_for_the_partner_as_long_as_it_was_told_to() {
    let (host, guest, relay) = wired_room(&["--linger", "1s"]);
    relay.cut();
    for side in [host, guest] {
        let end = side.finish();
        assert_eq!(end.code, 6, "{}", end.err);
        assert!(end.err.contains("\nline cut\ncut off\ntete: cut off: the line broke\n"), "{}", end.err);
    }
}

#[test]
fn a_room_closes_by_itself_when_its_time_is_over() {
    let (mut host, port) = listening(tete(["--port", "0", "--bind", "127.0.0.1", "--close-after", "1s"]));
    let mut guest = guest(port);
    pair(&mut host, &mut guest);
    let ends = [host.finish(), guest.finish()];
    assert_eq!(ends.each_ref().map(|end| end.code), [0, 0], "{}\n{}", ends[0].err, ends[1].err);
    assert!(ends[1].err.ends_with("\npartner left\n"), "{}", ends[1].err);
}

#[test]
fn leaving_while_the_line_is_cut_is_no_farewell() {
    let (host, guest, relay) = wired_room(&[]);
    relay.cut();
    for mut side in [host, guest] {
        side.until("line cut");
        side.signal(Signal::TERM);
        let end = side.finish();
        assert_eq!(end.code, 6, "{}", end.err);
        assert!(end.err.contains("\ncut off\ntete: cut off: the line broke\n"), "{}", end.err);
    }
}

#[test]
fn two_floods_and_two_readers_who_stall_need_little_memory() {
    let [(host_reads, host_writes), (guest_reads, guest_writes)] = [0, 1].map(|_| std::io::pipe().unwrap());
    let mut command = tete(["--port", "0", "--bind", "127.0.0.1"]);
    command.stdout(host_writes);
    let (mut host, port) = listening(command);
    let relay = Relay::new(port);
    let mut command = tete(["127.0.0.1", &relay.port.to_string()]);
    command.stdout(guest_writes);
    let mut guest = Process::start(command);
    pair(&mut host, &mut guest);
    let texts: Vec<_> = (0..8_000).map(|number| format!("{number} {}", "y".repeat(1_500))).collect();
    let all = (texts.join("\n") + "\n").into_bytes();
    host.send(all.clone());
    guest.send(all);
    // What they have to say of it waits for the readers, too.
    for connections in 2..5 {
        relay.cut();
        relay.mend();
        relay.wait_connections(connections);
    }
    for reader in [host_reads, guest_reads] {
        let mut read = Stream::read(reader);
        for text in &texts {
            assert_eq!(read.line(), text.as_bytes());
        }
    }
    let peaks = [&host, &guest].map(|side| memory(side, PEAK));
    println!("most memory: {peaks:?} KiB");
    assert!(peaks.iter().all(|peak| *peak < 16 * 1024), "{peaks:?}");
    guest.end_input();
    let ends = [guest.finish(), host.finish()];
    assert_eq!(ends.each_ref().map(|end| end.code), [0, 0], "{}\n{}", ends[0].err, ends[1].err);
}

/// What a joiner sends first when it wants to come back, as somebody on the wire saw it.
#[track_caller]
fn recorded_returns(relay: &Relay) -> Vec<Vec<u8>> {
    let seen = relay.seen();
    let mut firsts = Vec::new();
    for connection in 1..relay.connections() {
        let bytes: Vec<u8> = seen
            .iter()
            .filter(|seen| seen.connection == connection && seen.from_joiner)
            .flat_map(|seen| seen.bytes.iter().copied())
            .take(SMALL)
            .collect();
        if bytes.len() == SMALL {
            assert_eq!(bytes[2..10], *b"TETE\x01\x02\0\0");
            firsts.push(bytes);
        }
    }
    firsts
}

#[test]
fn ten_thousand_false_returns_keep_the_partner_out_of_nothing() {
    let (mut host, port) = host();
    let relay = Relay::new(port);
    let mut partner = guest(relay.port);
    pair(&mut host, &mut partner);
    // A return that somebody recorded.
    relay.cut();
    host.until("line cut");
    partner.until("line cut");
    relay.mend();
    host.until("line back");
    partner.until("line back");
    let recorded = recorded_returns(&relay).remove(0);
    let mut random = recorded.clone();
    random[10..]
        .iter_mut()
        .zip((1u8..=255).cycle())
        .for_each(|(byte, noise)| *byte = byte.wrapping_mul(31).wrapping_add(noise));
    let descriptors_before = descriptors(&host);

    relay.cut();
    host.until("line cut");
    partner.until("line cut");
    let stop = Arc::new(AtomicBool::new(false));
    let silent = {
        let stop = stop.clone();
        std::thread::spawn(move || {
            let mut held = VecDeque::new();
            let mut came = 0;
            while !stop.load(Ordering::Relaxed) {
                held.push_back(TcpStream::connect(("127.0.0.1", port)).unwrap());
                came += 1;
                if held.len() > 300 {
                    held.pop_front();
                }
            }
            came
        })
    };
    let attempt = |count: usize| {
        for number in 0..count {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let _ = stream.write_all(if number % 2 == 0 { &recorded } else { &random });
        }
    };
    attempt(1_000);
    let warm = memory(&host, RESIDENT);
    let begun = now();
    attempt(9_000);
    let took = now() - begun;
    let after = memory(&host, RESIDENT);
    relay.mend();
    let mended = now();
    host.until("line back");
    partner.until("line back");
    let back = now() - mended;
    stop.store(true, Ordering::Relaxed);
    let silent = silent.join().unwrap();
    partner.say("still you and me");
    assert_eq!(host.text(), "still you and me");
    println!(
        "9,000 false returns in {took:?} beside {silent} silent strangers; back after {back:?}; {warm} KiB, then {after}"
    );
    assert!(back < Duration::from_secs(3), "{back:?}");
    assert!(after < warm + 1024, "{warm} KiB, then {after}");
    let given_up = now() + PATIENCE;
    while descriptors(&host) > descriptors_before && now() < given_up {
        partner.say("x");
        host.text();
    }
    assert_eq!(descriptors(&host), descriptors_before);
    let [_, end] = part(partner, host);
    assert!(end.err.contains("tried to get into your room and was kept out"), "{}", end.err);
}
