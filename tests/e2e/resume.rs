//! The real program over a wire that is cut: healed without another code, nothing lost.

use crate::process::*;
use crate::relay::Relay;
use crate::terminal::{self, Terminal};
use crate::wire::{WIRES, Wire};
use rustix::process::Signal;

const CHAT: &str = "you › ";
const HALF: &str = "partner's code: ";

/// An open room of two scripts with a wire between them.
#[track_caller]
fn wired_room(args: &[&str]) -> (Process, Process, Relay) {
    room_over(Wire::Whole, args)
}

/// The same over any wire.
#[track_caller]
fn room_over(wire: Wire, args: &[&str]) -> (Process, Process, Relay) {
    let (mut host, port) = listening(tete([&["--port", "0", "--bind", "127.0.0.1"], args].concat()));
    let relay = Relay::over(port, wire);
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
    std::thread::scope(|scope| {
        for wire in WIRES {
            scope.spawn(move || nothing_is_lost_over(wire));
        }
    });
}

fn nothing_is_lost_over(wire: Wire) {
    let (mut host, mut guest, relay) = room_over(wire, &[]);
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
        host.until("connection lost");
        guest.until("connection lost");
        say(&host, &guest, &mut to_host, &mut to_guest);
        relay.mend();
        host.until("reconnected");
        guest.until("reconnected");
    }
    assert_eq!(host.texts(to_host.len()), to_host);
    assert_eq!(guest.texts(to_guest.len()), to_guest);
    // Where an answer takes long a second attempt may be under way.
    assert!(relay.connections() == 4 || wire != Wire::Whole && relay.connections() > 4);
    let ends = part(guest, host);
    for end in &ends {
        assert_eq!(end.err.matches("code: ").count(), 1, "{}", end.err);
    }
}

#[test]
fn a_person_sees_the_cut_types_on_and_sees_the_line_return() {
    let (mut host, mut person, relay) = wired_person();
    relay.cut();
    host.until("connection lost");
    person.shows("Connection lost (it was closed). Reconnecting.");
    person.answer(CHAT, "还在吗？");
    person.shows("◌ 1 message is waiting for the connection");
    person.answer(CHAT, "/who");
    person.shows("reconnecting: attempt");
    person.answer(CHAT, "/rekey");
    person.shows("Not possible while offline.");
    host.say("written over here");
    relay.mend();
    person.shows("Reconnected after");
    person.shows("✓ delivered");
    person.shows("written over here");
    host.until("reconnected");
    assert_eq!(host.text(), "还在吗？");
    person.answer(CHAT, "/who");
    person.shows("connection connected");
    person.answer(CHAT, "/quit");
    assert_eq!([person.exit() as i32, host.exit()], [0, 0]);
    person.is_sane();
}

#[test]
fn either_side_can_have_fresh_keys_and_sees_since_when() {
    let (mut host, mut person, _relay) = wired_person();
    person.answer(CHAT, "/who");
    person.shows("keys new with this connection, since");
    person.answer(CHAT, "/rekey");
    person.shows("Changing keys.");
    for number in 0.. {
        host.say(&format!("round trip {number}"));
        person.shows(&format!("round trip {number}"));
        person.answer(CHAT, "/who");
        person.shows_times("messages not delivered", number + 2);
        if person.words().contains("keys changed once, since") {
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
    person.shows("If your partner quit, this room is gone (/quit)");
    person.answer(CHAT, "never read");
    person.shows("waiting for the connection");
    person.press("\x03");
    person.press("\x03");
    assert_eq!(person.exit(), 6, "{}", person.words());
    person.shows("1 message was not delivered");
    person.is_sane();
}

#[test]
fn a_room_waits_for_the_partner_as_long_as_it_was_told_to() {
    let (host, guest, relay) = wired_room(&["--linger", "1s"]);
    relay.cut();
    for side in [host, guest] {
        let end = side.finish();
        assert_eq!(end.code, 6, "{}", end.err);
        assert!(
            end.err.contains("\nconnection lost\ncut off\ntete: the connection was lost for good\n"),
            "{}",
            end.err
        );
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
        side.until("connection lost");
        side.signal(Signal::TERM);
        let end = side.finish();
        assert_eq!(end.code, 6, "{}", end.err);
        assert!(end.err.contains("\ncut off\ntete: the connection was lost for good\n"), "{}", end.err);
    }
}
