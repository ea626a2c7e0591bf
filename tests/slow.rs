//! What takes long: limits of time of 3 to 60 seconds, all at once, and a door that is stormed beside them.
#![allow(dead_code, reason = "tests/e2e uses the other helpers")]

#[path = "support/meeting.rs"]
mod meeting;
#[path = "support/peer.rs"]
mod peer;
#[path = "support/process.rs"]
mod process;
#[path = "support/relay.rs"]
mod relay;
#[path = "support/scratch.rs"]
mod scratch;
#[path = "support/script.rs"]
mod script;
#[path = "support/terminal.rs"]
mod terminal;
#[path = "support/wire.rs"]
mod wire;

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use meeting::Meeting;
use process::*;
use relay::Relay;
use rustix::fs::{CWD, FileType, mknodat};
use rustix::process::Signal;
use scratch::Scratch;
use terminal::Terminal;
use tete::protocol::handshake::Mode;
use tete::protocol::invite::{Hint, Invite};
use tete::protocol::keys::{InviteSecret, Secret, StaticKey};
use tete::protocol::random::{OsRandom, Randomness as _};
use tete::protocol::record::SMALL;
use tete::protocol::session::{Session, Settings, Stage};
use tete::protocol::transfer::NOTHING;

/// Runs functions at once, each in a thread of its own, and names those that fail.
macro_rules! hold_at_once {
    ($($fact:ident),+ $(,)?) => {
        let failed: Vec<&str> = std::thread::scope(|scope| {
            let running = [$((stringify!($fact), scope.spawn($fact))),+];
            running.into_iter().filter_map(|(fact, check)| check.join().err().map(|_| fact)).collect()
        });
        assert!(failed.is_empty(), "these do not hold: {failed:#?}");
    };
}

// As tests of their own these would queue, as many at a time as there are processors, though all they do is wait.
#[test]
fn every_limit_of_time_holds() {
    hold_at_once!(
        a_server_that_never_answers_is_given_up_after_15_s,
        a_server_that_sends_one_byte_a_second_is_given_up_after_15_s,
        a_host_that_does_not_open_its_nonce_is_given_up_after_5_s,
        the_host_goes_on_5_s_after_each_stranger_from_no_known_host_left,
        the_host_goes_on_after_a_guests_three_wrong_halves,
        a_caller_who_waits_for_a_pairing_to_end_is_told_busy_after_12_s,
        a_partner_who_is_silent_for_10_s_is_cut_off,
        a_silent_partner_keeps_a_script_from_leaving_for_10_s_only,
        a_partner_who_does_not_read_for_longer_than_10_s_stays_a_partner,
        a_partner_who_stops_in_the_middle_of_a_file_keeps_nobody_busy,
        strangers_are_shut_out_after_5_s_without_record_1_and_15_s_without_record_3,
        an_interactive_host_listens_again_1_s_after_next,
        an_interactive_host_listens_again_5_s_after_its_own_three_wrong_halves,
        leaving_waits_3_s_for_receipts,
        a_script_waits_a_minute_for_the_next_receipt_of_a_partner_who_is_there,
        whoever_takes_files_and_says_nothing_of_them_is_waited_for_a_minute,
        a_receiver_whose_output_stands_still_for_longer_than_a_minute_is_waited_for,
        an_invite_that_leads_to_silence_is_given_up_after_15_s,
        whoever_met_somebody_dead_at_a_relay_tries_again_after_15_s_and_the_host_after_5_s,
    );
}

fn whoever_met_somebody_dead_at_a_relay_tries_again_after_15_s_and_the_host_after_5_s() {
    // First the host, then the guest.
    let meeting = Meeting::with_dead(2);
    let at = format!("127.0.0.1:{}", meeting.port);
    let mut host = Process::start(tete(["--port", "0", "--bind", "127.0.0.1", "--invite", "--relay", &at]));
    let line = host.until("invite: ");
    let mut invite = Invite::read(&line).unwrap_or_else(|_| panic!("{line}"));
    invite.hints.retain(|hint| matches!(hint, Hint::Relay(..)));
    meeting.until_met(1);
    let folder = Scratch::new();
    let file = folder.path().join("invite");
    std::fs::write(&file, invite.line().as_str()).unwrap();
    let mut guest = Process::start(tete(["join", "--invite-file", file.to_str().unwrap()]));
    takes(15, || guest.until("room open"));
    part(guest, host);
}

/// Runs it, and checks that it took so long and at most 4 s more.
#[track_caller]
fn takes<R>(seconds: u64, run: impl FnOnce() -> R) -> R {
    let begun = now();
    let result = run();
    let (least, took) = (Duration::from_secs(seconds), now() - begun);
    assert!(took + Duration::from_millis(200) >= least, "only {took:?}");
    assert!(took <= least + Duration::from_secs(4), "{took:?}");
    result
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn a_server_that_never_answers_is_given_up_after_15_s() {
    let (_listener, port) = listener();
    let end = takes(15, || guest(port).finish());
    assert_eq!(end.code, 4, "{}", end.err);
    let fact = "something accepts the connection but does not answer";
    assert!(end.err.contains(&format!("\ntete: no encrypted connection to 127.0.0.1:{port}: {fact}\n")), "{}", end.err);
}

fn a_server_that_sends_one_byte_a_second_is_given_up_after_15_s() {
    let (listener, port) = listener();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for byte in [0x04, 0xfe].into_iter().chain([0; 60]) {
            if stream.write_all(&[byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    let end = takes(15, || guest(port).finish());
    assert!(end.code == 4 && end.err.contains("the handshake did not finish"), "{}", end.err);
}

fn a_host_that_does_not_open_its_nonce_is_given_up_after_5_s() {
    let (listener, port) = listener();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let key = Arc::new(StaticKey::new(OsRandom.secret().unwrap()).unwrap());
        let mut session = Session::respond(Mode::Pair(key), Box::new(OsRandom), Settings::default(), now());
        let mut buffer = [0; 4096];
        while session.stage() == Stage::Handshake {
            let count = stream.read(&mut buffer).unwrap();
            let mut bytes = &buffer[..count];
            while !bytes.is_empty() {
                session.receive(&mut bytes, now()).unwrap();
            }
            while let Some(record) = session.transmit(now()).unwrap() {
                stream.write_all(record.as_slice()).unwrap();
            }
        }
        assert_eq!(session.stage(), Stage::Established);
        // It goes on listening, and never says another word.
        let _ = stream.read(&mut buffer);
    });
    let end = takes(5, || guest(port).finish());
    assert_eq!(end.code, 5, "{}", end.err);
    assert!(!end.err.contains("code: "), "{}", end.err);
    served.join().unwrap();
}

fn the_host_goes_on_5_s_after_each_stranger_from_no_known_host_left() {
    let (mut host, port) = host();
    let mut stranger = guest(port);
    host.until("code: ");
    stranger.until("code: ");
    stranger.signal(Signal::TERM);
    let told = host.until("the other side left before the codes were checked");
    assert!(told.contains(" (127.0.0.1:") && told.contains("Waiting again in 5 s."), "{told}");
    // Whoever comes during the pause is let in after it.
    let mut stranger = guest(port);
    takes(5, || stranger.until("code: "));
    host.until("code: ");
    stranger.signal(Signal::KILL);
    let told = host.until("the connection was lost during pairing");
    assert!(told.contains(" (127.0.0.1:") && told.contains("Waiting again in 5 s."), "{told}");
    let mut partner = guest(port);
    takes(5, || pair_again(&mut host, &mut partner));
    part(partner, host);
}

/// Checks a code that is not the host's first: a line that comes in its first second is refused, and is said again.
fn pair_again(host: &mut Process, guest: &mut Process) -> [String; 2] {
    let halves = [host.until("code: "), guest.until("code: ")];
    guest.say(&halves[0]);
    loop {
        host.say(&halves[1]);
        if host.status().starts_with("Correct.") {
            break;
        }
    }
    host.until("room open");
    guest.until("room open");
    halves
}

fn the_host_goes_on_after_a_guests_three_wrong_halves() {
    let (mut host, port) = host();
    let mut guest = guest(port);
    let halves = [host.until("code: "), guest.until("code: ")];
    for _ in 0..3 {
        guest.say(&wrong(&halves[0], &halves[1]));
    }
    assert_eq!(guest.exit(), 5);
    host.until("ALARM: your partner saw another code");
    takes(5, || {
        let mut partner = process::guest(port);
        let again = pair_again(&mut host, &mut partner);
        assert_ne!(again, halves);
        part(partner, host);
    });
}

fn a_caller_who_waits_for_a_pairing_to_end_is_told_busy_after_12_s() {
    let (mut host, port) = host();
    let mut partner = guest(port);
    let halves = [host.until("code: "), partner.until("code: ")];
    let end = takes(12, || guest(port).finish());
    assert_eq!(end.code, 3, "{}", end.err);
    assert!(end.err.contains("\ntete: they are talking to somebody else\n"), "{}", end.err);
    host.until("someone else at 127.0.0.1:");
    host.say(&halves[1]);
    partner.say(&halves[0]);
    host.until("room open");
    partner.until("room open");
    part(host, partner);
}

fn a_partner_who_is_silent_for_10_s_is_cut_off() {
    let (host, guest) = fragile_room();
    guest.signal(Signal::STOP);
    // The last heartbeat may be up to 4 s old.
    let end = takes(7, || host.finish());
    assert_eq!(end.code, 6, "{}", end.err);
    assert!(end.err.contains("\nconnection lost\ncut off\ntete: the connection was lost for good\n"), "{}", end.err);
    guest.signal(Signal::CONT);
    assert_eq!(guest.finish().code, 6);
}

fn a_silent_partner_keeps_a_script_from_leaving_for_10_s_only() {
    let (host, mut guest) = fragile_room();
    host.signal(Signal::STOP);
    guest.say("nobody reads this");
    guest.end_input();
    let end = takes(7, || guest.finish());
    assert_eq!(end.code, 6, "{}", end.err);
    assert!(
        end.err.contains("tete: the connection was lost for good, and 1 message was not delivered\n"),
        "{}",
        end.err
    );
}

fn a_partner_who_stops_in_the_middle_of_a_file_keeps_nobody_busy() {
    let [from, to] = [Scratch::new(), Scratch::new()];
    let large = from.path().join("large");
    std::fs::File::create(&large).unwrap().set_len(1 << 30).unwrap();
    let (mut taker, port) = script::host_with(&["--auto-accept", "--save-to", to.path().to_str().unwrap()]);
    let mut giver = script::guest_with(port, &[]);
    script::pair(&mut taker, &mut giver);
    script::tell(&giver, serde_json::json!({"command": "send", "paths": [large.to_str().unwrap()]}));
    script::until(&mut giver, "accepted");
    taker.signal(Signal::STOP);
    let before = ticks(&giver);
    script::until(&mut giver, "quiet");
    let spent = ticks(&giver) - before;
    assert!(spent < 100, "{spent} ticks");
    taker.signal(Signal::CONT);
    script::until(&mut giver, "sent");
    script::tell(&giver, serde_json::json!({"command": "quit"}));
    assert_eq!([giver.exit(), taker.exit()], [0, 0]);
}

/// Processor time that it has used, in hundredths of a second.
fn ticks(of: &Process) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", of.id())).unwrap();
    stat.rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().unwrap())
        .sum()
}

fn a_partner_who_does_not_read_for_longer_than_10_s_stays_a_partner() {
    a_host_that_does_not_read(2_000, Duration::from_secs(13));
}

/// Waits until the other end has closed.
#[track_caller]
fn closed(mut stream: &TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    loop {
        match stream.read(&mut [0; 2048]) {
            Ok(0) => return,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return,
            read => assert!(read.unwrap() > 0),
        }
    }
}

fn strangers_are_shut_out_after_5_s_without_record_1_and_15_s_without_record_3() {
    let (host, port) = host();
    let connect = || TcpStream::connect(("127.0.0.1", port)).unwrap();
    let key = StaticKey::new(OsRandom.secret().unwrap()).unwrap();
    let mut session =
        Session::initiate(Mode::Pair(Arc::new(key)), Box::new(OsRandom), Settings::default(), now()).unwrap();
    let record = session.transmit(now()).unwrap().unwrap();
    let strangers = [connect(), connect(), connect()];
    (&strangers[1]).write_all(&[0x04, 0xfe, b'T']).unwrap();
    (&strangers[2]).write_all(record.as_slice()).unwrap();
    takes(15, || {
        takes(5, || closed(&strangers[0]));
        closed(&strangers[1]);
        closed(&strangers[2]);
    });
    assert!(!host.so_far().contains("somebody"), "{}", host.so_far());
}

const HALF: &str = "partner's code: ";

/// An interactive host in its pairing with a script.
fn interactive_host() -> (Terminal, u16, Process) {
    let host = Terminal::start(terminal::tete(&["--port", "0", "--bind", "127.0.0.1"]));
    let port = host.port();
    let mut script = guest(port);
    script.until("code: ");
    host.half();
    (host, port, script)
}

/// Somebody else comes now, is let in after that pause, and the room opens.
#[track_caller]
fn the_next_gets_in(host: &Terminal, port: u16, pause: u64) {
    let before = host.half();
    let mut partner = guest(port);
    let half = takes(pause, || partner.until("code: "));
    host.until("another code", |display| {
        (display.words().matches("Read this to your partner").count() == 2).then_some(())
    });
    host.prompts(HALF);
    assert_ne!(host.half(), before);
    host.answer(HALF, &half);
    partner.say(&host.half());
    partner.until("room open");
    host.shows("The room is open");
}

fn an_interactive_host_listens_again_1_s_after_next() {
    let (host, port, stranger) = interactive_host();
    host.answer(HALF, "/next");
    host.shows("Waiting again in 1 s.");
    assert_eq!(stranger.finish().code, 5);
    the_next_gets_in(&host, port, 1);
}

fn an_interactive_host_listens_again_5_s_after_its_own_three_wrong_halves() {
    let (host, port, stranger) = interactive_host();
    let half = stranger.so_far().lines().find_map(|line| line.strip_prefix("code: ")).unwrap().to_owned();
    for told in ["2 tries left", "1 try left", "ALARM: three wrong codes"] {
        host.answer(HALF, &wrong(&half, &host.half()));
        host.shows(told);
    }
    host.shows("Waiting again in 5 s.");
    assert_eq!(stranger.finish().code, 5);
    the_next_gets_in(&host, port, 5);
}

fn leaving_waits_3_s_for_receipts() {
    let (mut host, _, mut script) = interactive_host();
    let half = script.so_far().lines().find_map(|line| line.strip_prefix("code: ")).unwrap().to_owned();
    script.say(&host.half());
    host.answer(HALF, &half);
    script.until("room open");
    host.shows("The room is open");
    script.signal(Signal::STOP);
    host.answer("you › ", "nobody reads this");
    host.prompts("you › ");
    takes(3, || {
        host.press("\x04");
        host.shows("Waiting until 1 message is delivered. Ctrl-C leaves at once.");
        assert_eq!(host.exit(), 6, "{}", host.words());
    });
    host.shows("1 message was not delivered");
    script.signal(Signal::CONT);
}

fn a_script_waits_a_minute_for_the_next_receipt_of_a_partner_who_is_there() {
    let (mut host, port) = host();
    let mut peer = peer::Peer::call(port, peer::stranger());
    let half = peer.half();
    peer.enter(&host.until("code: "));
    host.say(&half);
    peer.opened();
    host.until("room open");
    host.say("shown");
    host.say("never shown");
    host.end_input();
    takes(60, || {
        assert_eq!(peer.text(), "shown");
        let there = std::thread::spawn(move || (0..70).for_each(|_| peer.waits(Duration::from_secs(1))));
        assert!(there.join().is_err(), "the script has left, not the partner");
    });
    assert_eq!(host.exit(), 6);
}

fn whoever_takes_files_and_says_nothing_of_them_is_waited_for_a_minute() {
    let folder = Scratch::new();
    let file = folder.path().join("file");
    std::fs::write(&file, "content").unwrap();
    let mut host =
        Terminal::start(terminal::screen(&["send", file.to_str().unwrap(), "--port", "0", "--bind", "127.0.0.1"]));
    let mut peer = peer::Peer::call(host.port(), peer::stranger());
    let half = peer.half();
    peer.enter(&host.half());
    host.answer(HALF, &half);
    peer.opened();
    while !peer.session.receiving().unwrap().is_open() {
        peer.waits(Duration::from_millis(10));
    }
    let receiving = peer.session.receiving().unwrap();
    receiving.want();
    receiving.accept(0, NOTHING);
    takes(60, || {
        let there = std::thread::spawn(move || (0..70).for_each(|_| peer.waits(Duration::from_secs(1))));
        assert!(there.join().is_err(), "the sender has left, not the partner");
    });
    host.shows("file was not sent completely: your partner's side has not confirmed anything for 60 s.");
    assert_eq!(host.exit(), 6);
}

fn a_receiver_whose_output_stands_still_for_longer_than_a_minute_is_waited_for() {
    let [from, to] = [Scratch::new(), Scratch::new()];
    // More than the pipe takes.
    std::fs::write(from.path().join("source"), vec![7; 300_000]).unwrap();
    mknodat(CWD, to.path().join("go"), FileType::Fifo, 0o600.into(), 0).unwrap();
    let taking = "tete receive --stdout --port 0 --bind 127.0.0.1 | (cat go; cat >target); echo done";
    let mut host = terminal::shell(taking, to.path());
    let giving = format!("cat source | tete send --to 127.0.0.1:{}; echo exit $?", host.port());
    let mut guest = terminal::shell(&giving, from.path());
    let halves = [host.half(), guest.half()];
    host.answer(HALF, &halves[1]);
    guest.answer(HALF, &halves[0]);
    guest.shows("accepted");
    let until = now() + Duration::from_secs(70);
    while now() < until {
        std::thread::sleep(Duration::from_secs(1));
        assert!(!guest.words().contains("exit"), "{}", guest.words());
    }
    std::fs::write(to.path().join("go"), "").unwrap();
    guest.shows("exit 0");
    host.shows("done");
    assert_eq!([host.exit(), guest.exit()], [0, 0]);
    assert_eq!(std::fs::read(to.path().join("target")).unwrap(), vec![7; 300_000]);
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
    host.until("connection lost");
    partner.until("connection lost");
    relay.mend();
    host.until("reconnected");
    partner.until("reconnected");
    let recorded = recorded_returns(&relay).remove(0);
    let mut random = recorded.clone();
    random[10..]
        .iter_mut()
        .zip((1u8..=255).cycle())
        .for_each(|(byte, noise)| *byte = byte.wrapping_mul(31).wrapping_add(noise));
    let descriptors_before = descriptors(&host);

    relay.cut();
    host.until("connection lost");
    partner.until("connection lost");
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
    let warm = memory(&host, OWN);
    let begun = now();
    attempt(9_000);
    let took = now() - begun;
    let after = memory(&host, OWN);
    relay.mend();
    let mended = now();
    host.until("reconnected");
    partner.until("reconnected");
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
    assert!(end.err.contains("tried to join and was turned away"), "{}", end.err);
}

#[test]
fn two_floods_arrive_over_every_wire() {
    std::thread::scope(|scope| {
        for wire in wire::WIRES {
            scope.spawn(move || {
                let (mut host, port) = host();
                let mut guest = guest(Relay::over(port, wire).port);
                pair(&mut host, &mut guest);
                let texts: Vec<_> = (0..150).map(|number| format!("{number} {}", "z".repeat(number * 20))).collect();
                for text in &texts {
                    host.say(text);
                    guest.say(text);
                }
                assert!(host.texts(texts.len()) == texts && guest.texts(texts.len()) == texts, "{wire:?}");
                part(guest, host);
            });
        }
    });
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
    let texts: Vec<_> = (0..5_000).map(|number| format!("{number} {}", "y".repeat(1_500))).collect();
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

fn an_invite_that_leads_to_silence_is_given_up_after_15_s() {
    // It takes connections and says nothing, so that attempts last longer than the pauses between them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let invite = Invite {
        secret: InviteSecret(Secret::default()),
        hints: vec![Hint::Ipv4([127, 0, 0, 1], silent.local_addr().unwrap().port())],
    };
    let folder = Scratch::new();
    let file = folder.path().join("invite");
    std::fs::write(&file, invite.line().as_str()).unwrap();
    let guest = Process::start(tete(["join", "--invite-file", file.to_str().unwrap()]));
    let end = takes(15, || guest.finish());
    assert!(end.code == 3 && end.err.contains("no route in this invite reached your partner"), "{}", end.err);
}
