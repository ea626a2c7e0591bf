//! What follows VERIFIED in the same read happens in a room that is open, in every front end, on both sides.
//!
//! One lost segment is enough for that: it comes again together with all that was sent after it.

use std::net::TcpListener;
use std::time::Duration;

use crate::peer::{Peer, holder, stranger};
use crate::process::{Process, now, tete, tete_through_shell};
use crate::scratch::Scratch;
use crate::terminal::{self, Terminal};
use rustix::process::Signal;
use serde_json::{Value, json};
use tete::protocol::handshake::Mode;
use tete::protocol::invite::{Hint, Invite};
use tete::protocol::keys::InviteSecret;
use tete::protocol::random::{OsRandom, Randomness as _};
use tete::protocol::session::Session;

/// How the program meets its user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Front {
    /// Standard error goes where standard output does: what comes first can be seen.
    Pipe,
    Lines,
    Screen,
    Json,
}

/// How soon after a new code a line in a pipe does not count.
const TOO_SOON: Duration = Duration::from_millis(1_100);

const FRONTS: [Front; 4] = [Front::Pipe, Front::Lines, Front::Screen, Front::Json];

impl Front {
    fn opened(self) -> &'static str {
        match self {
            Self::Pipe => "room open",
            Self::Lines | Self::Screen => "The room is open",
            Self::Json => "\"room_open\"",
        }
    }

    fn interrupted(self) -> &'static str {
        if self == Self::Json { "\"pairing_interrupted\"" } else { "before your partner answered" }
    }

    /// What its user enters to say a text.
    fn says(self, text: &str) -> String {
        if self == Self::Json { json!({"command": "say", "text": text}).to_string() } else { text.to_owned() }
    }

    fn left(self) -> &'static str {
        match self {
            Self::Pipe => "partner left",
            Self::Lines | Self::Screen => "Your partner left",
            Self::Json => "\"partner_left\"",
        }
    }
}

enum Running {
    Piped(Process),
    Seen(Terminal),
}

/// The program, in one of its front ends.
struct Program {
    front: Front,
    running: Running,
}

impl Program {
    fn start(front: Front, args: &[&str]) -> Self {
        let running = match front {
            Front::Pipe => Running::Piped(Process::start(tete_through_shell("", args, "2>&1"))),
            Front::Json => Running::Piped(Process::start(tete([&["--json"], args].concat()))),
            Front::Lines => Running::Seen(Terminal::start(terminal::tete(args))),
            Front::Screen => Running::Seen(Terminal::start(terminal::screen(args))),
        };
        Self { front, running }
    }

    /// A host on this machine, and its port.
    fn host(front: Front, args: &[&str]) -> (Self, u16) {
        let mut host = Self::start(front, &[&["--port", "0", "--bind", "127.0.0.1"], args].concat());
        let port = match &mut host.running {
            Running::Seen(terminal) => terminal.port(),
            Running::Piped(_) => host.after("127.0.0.1:", |rest| {
                let end = rest.find(|c: char| !c.is_ascii_digit())?;
                rest[..end].parse().ok()
            }),
        };
        (host, port)
    }

    /// What `find` finds behind the first of these words.
    fn after<R>(&mut self, words: &str, mut find: impl FnMut(&str) -> Option<R>) -> R {
        let mut found = |all: &str| find(all.split_once(words)?.1);
        match &mut self.running {
            Running::Piped(process) => process.out().until(words, found),
            Running::Seen(terminal) => terminal.until(words, |display| found(&display.words())),
        }
    }

    /// Waits until it shows these words.
    fn shows(&mut self, words: &str) {
        self.after(words, |_| Some(()));
    }

    /// All that it has shown.
    fn all(&mut self) -> String {
        match &mut self.running {
            Running::Piped(process) => process.out().so_far(),
            Running::Seen(terminal) => terminal.words(),
        }
    }

    /// The half that it shows.
    fn half(&mut self) -> String {
        match self.front {
            Front::Pipe => self.after("code: ", |rest| rest.split_once('\n').map(|(half, _)| half.to_owned())),
            Front::Json => self.after("\"event\":\"code\"", |rest| {
                let (_, own) = rest.split_once("\"own\":\"")?;
                own.split_once('"').map(|(half, _)| half.to_owned())
            }),
            Front::Lines | Front::Screen => {
                let Running::Seen(terminal) = &self.running else { unreachable!() };
                terminal.half()
            }
        }
    }

    /// The half that it shows, once it is not that one any more.
    fn another_half(&mut self, before: &str) -> String {
        match &mut self.running {
            Running::Piped(process) => {
                let start = if self.front == Front::Json { "\"own\":\"" } else { "code: " };
                process.out().until("another half", |all| {
                    let (_, own) = all.rsplit_once(start)?;
                    own.get(..before.len()).filter(|own| *own != before).map(str::to_owned)
                })
            }
            Running::Seen(terminal) => terminal.until("another half", |display| {
                let asked = display.words().matches("partner's code").count();
                let rows = display.rows();
                let own = rows.iter().rev().find_map(|row| terminal::half_in(row)).filter(|own| own != before);
                own.filter(|_| self.front == Front::Screen || asked > 1)
            }),
        }
    }

    /// Types the partner's half, as its user.
    fn enter(&mut self, half: &str) {
        match (self.front, &self.running) {
            (Front::Json, _) => {
                let question = self.question();
                self.say(&json!({"command": "half", "half": half, "question": question}).to_string());
            }
            (Front::Lines, Running::Seen(terminal)) => terminal.answer("partner's code: ", half),
            _ => self.say(half),
        }
    }

    /// The number of the question that was asked last.
    fn question(&mut self) -> Value {
        let all = self.all();
        let events = all.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter_map(|event| event.get("question").cloned()).next_back().unwrap_or_default()
    }

    fn say(&self, line: &str) {
        match &self.running {
            Running::Piped(process) => process.say(line),
            Running::Seen(terminal) => terminal.press(&format!("{line}\r")),
        }
    }

    fn signal(&self, signal: Signal) {
        match &self.running {
            Running::Piped(process) => process.signal(signal),
            Running::Seen(terminal) => terminal.signal(signal),
        }
    }

    /// Its exit code. A full screen stays until its user closes it.
    fn exit(&mut self) -> i32 {
        match &mut self.running {
            Running::Piped(process) => process.exit(),
            Running::Seen(terminal) if self.front == Front::Screen => terminal.close() as i32,
            Running::Seen(terminal) => terminal.exit() as i32,
        }
    }

    /// Hands it all of it at once: it does not run before everything is there.
    fn hands(&self, peer: &mut Peer, records: &[Vec<u8>]) {
        self.signal(Signal::STOP);
        peer.write(&records.concat());
        self.signal(Signal::CONT);
    }
}

/// A host whose user has checked the code, and a partner whose VERIFIED, and what follows it, is held back.
fn host_and_peer(front: Front, args: &[&str]) -> (Program, Peer, u16) {
    let (mut host, port) = Program::host(front, args);
    let mut peer = Peer::call(port, stranger());
    check(&mut host, &mut peer);
    (host, peer, port)
}

/// The same with the program on the joiner's side.
fn joiner_and_peer(front: Front) -> (Program, Peer, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut joiner = Program::start(front, &["127.0.0.1", &port]);
    let mut peer = Peer::answer(&listener, stranger());
    check(&mut joiner, &mut peer);
    (joiner, peer, listener)
}

fn check(program: &mut Program, peer: &mut Peer) {
    let half = peer.half();
    let own = program.half();
    program.enter(&half);
    peer.hold();
    peer.enter(&own);
    peer.entered();
}

/// VERIFIED, these texts and BYE come in one read: that was a room, and the program says so.
fn has_a_room(mut program: Program, mut peer: Peer, texts: &[&str]) {
    texts.iter().for_each(|text| peer.say(text));
    peer.leave();
    let records = peer.held();
    assert_eq!(records.len(), texts.len() + 3, "the PING of the opening, too");
    program.hands(&mut peer, &records);
    program.shows(program.front.left());
    let shown = program.all();
    let exit = program.exit();
    let all = if program.front == Front::Screen { shown } else { program.all() };
    let place = |words: &str| all.find(words).unwrap_or_else(|| panic!("no {words:?} in: {all}"));
    let order: Vec<_> =
        [program.front.opened()].iter().chain(texts).chain(&[program.front.left()]).map(|words| place(words)).collect();
    assert!(order.is_sorted(), "{all}");
    assert!(!all.contains("ended the pairing") && !all.contains("pairing_failed"), "{all}");
    assert_eq!(exit, 0, "{all}");
}

/// Does it in every front end at once.
fn everywhere(check: impl Fn(Front) + Sync) {
    std::thread::scope(|scope| {
        for front in FRONTS {
            let check = &check;
            scope.spawn(move || check(front));
        }
    });
}

#[test]
fn a_partner_who_verifies_and_leaves_in_one_read_has_left_a_room() {
    everywhere(|front| {
        let (host, peer, _) = host_and_peer(front, &[]);
        has_a_room(host, peer, &[]);
        let (joiner, peer, _) = joiner_and_peer(front);
        has_a_room(joiner, peer, &[]);
    });
}

#[test]
fn texts_in_that_read_come_after_the_opening_and_before_the_end() {
    let texts = ["the first of three", "the second of three", "the last of three"];
    everywhere(|front| {
        let (host, peer, _) = host_and_peer(front, &[]);
        has_a_room(host, peer, &texts);
        let (joiner, peer, _) = joiner_and_peer(front);
        has_a_room(joiner, peer, &texts);
    });
}

/// A host that has made an invite, and that invite.
fn inviting(front: Front) -> (Program, u16, Invite) {
    let (mut host, port) = Program::host(front, &["--invite", "--no-map"]);
    let line = host.after("tete1", |rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')?;
        Some(format!("tete1{}", &rest[..end]))
    });
    let invite = Invite::read(&line).unwrap_or_else(|_| panic!("{line}"));
    (host, port, invite)
}

/// A program that joins by an invite, the host of which is made by hand.
fn invited(front: Front) -> (Program, Peer, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let secret = InviteSecret(OsRandom.secret().unwrap());
    let invite = Invite { secret, hints: vec![Hint::Ipv4([127, 0, 0, 1], port)] };
    let folder = Scratch::new();
    let file = folder.path().join("invite");
    std::fs::write(&file, invite.line().as_str()).unwrap();
    let joiner = Program::start(front, &["--invite-file", file.to_str().unwrap()]);
    let peer = Peer::answer(&listener, holder(&invite));
    (joiner, peer, listener)
}

#[test]
fn an_invite_opens_one_room_even_if_that_ends_in_one_read() {
    for front in [Front::Pipe, Front::Json] {
        let (host, port, invite) = inviting(front);
        let mut peer = Peer::call(port, holder(&invite));
        peer.hold();
        peer.entered();
        has_a_room(host, peer, &["said by whoever has the invite"]);
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "somebody still listens");
        let (joiner, mut peer, _) = invited(front);
        peer.hold();
        peer.entered();
        has_a_room(joiner, peer, &["said by whoever made the invite"]);
    }
}

/// VERIFIED, and a record behind it that was damaged on its way: nothing tells the program that the room is open for the
/// other side, too.
fn damages(program: &mut Program, peer: &mut Peer) {
    peer.say("damaged on its way");
    let mut records = peer.held();
    assert_eq!(records.len(), 3);
    records[1][100] ^= 1;
    program.hands(peer, &records);
    program.shows(program.front.interrupted());
    assert!(!program.all().contains(program.front.opened()), "{}", program.all());
}

#[test]
fn a_host_whose_room_broke_as_it_opened_lets_its_partner_back_without_another_code() {
    everywhere(|front| {
        let (mut host, mut peer, port) = host_and_peer(front, &[]);
        damages(&mut host, &mut peer);
        let mut peer = Peer::call_again(port, peer.cut());
        peer.delivered(1);
        host.shows(front.opened());
        host.shows("damaged on its way");
        assert!(Peer::call(port, stranger()).is_turned_away());
        host.say(&front.says("heard, and answered"));
        assert_eq!(peer.text(), "heard, and answered");
        peer.part();
        host.shows(front.left());
        assert_eq!(host.exit(), 0, "{}", host.all());
    });
}

#[test]
fn an_invite_is_used_up_once_the_room_is_open_for_both() {
    for starts_over in [false, true] {
        let (mut host, port, invite) = inviting(Front::Json);
        let mut peer = Peer::call(port, holder(&invite));
        peer.hold();
        peer.entered();
        damages(&mut host, &mut peer);
        let mut peer = if starts_over {
            let mut peer = Peer::call(port, holder(&invite));
            peer.opened();
            peer.say("from the start");
            peer
        } else {
            Peer::call_again(port, peer.cut())
        };
        peer.delivered(1);
        host.shows(Front::Json.opened());
        assert!(Peer::call(port, holder(&invite)).is_turned_away());
        peer.part();
        assert_eq!(host.exit(), 0, "{}", host.all());
    }
}

/// A room whose connection is gone, and the half that the other side showed in it.
struct Lost {
    code: String,
    room: Session,
}

#[test]
fn a_partner_who_has_started_over_is_not_told_that_the_host_is_busy() {
    everywhere(|front| {
        let (mut host, mut peer, port) = host_and_peer(front, &[]);
        damages(&mut host, &mut peer);
        let lost = Lost { code: peer.others_half(), room: peer.cut() };
        let mut again = Peer::call(port, stranger());
        let half = again.half();
        let own = host.another_half(&lost.code);
        if front == Front::Pipe {
            // Before that a line could have been meant for another code.
            again.waits(TOO_SOON);
        }
        host.enter(&half);
        again.enter(&own);
        again.opened();
        host.shows(front.opened());
        // Only one of the two rooms can be open.
        assert!(Peer::call(port, Mode::Resume(lost.room.resume_key().unwrap())).is_turned_away());
        again.part();
        host.shows(front.left());
        assert_eq!(host.exit(), 0, "{}", host.all());
    });
}

#[test]
fn a_confirmed_partner_who_comes_back_goes_before_a_caller_who_is_not() {
    everywhere(|front| {
        let (mut host, mut peer, port) = host_and_peer(front, &[]);
        damages(&mut host, &mut peer);
        let mut other = Peer::call(port, stranger());
        other.half();
        host.another_half(&peer.others_half());
        let mut peer = Peer::call_again(port, peer.cut());
        peer.delivered(1);
        host.shows(front.opened());
        other.left();
        assert_eq!(peer.part(), 0);
        host.shows(front.left());
        assert_eq!(host.exit(), 0, "{}", host.all());
    });
}

#[test]
fn whoever_leaves_hears_what_was_delivered_last() {
    everywhere(|front| {
        let (mut host, mut peer, _) = host_and_peer(front, &[]);
        peer.write_held();
        peer.opened();
        host.shows(front.opened());
        for number in 0..20 {
            peer.say(&format!("number {number}"));
        }
        assert_eq!(peer.part(), 0, "{}", host.all());
        host.shows(front.left());
        assert_eq!(host.exit(), 0, "{}", host.all());
    });
}

#[test]
fn a_joiner_whose_room_broke_as_it_opened_goes_back_and_is_not_told_that_the_host_is_gone() {
    everywhere(|front| {
        let (mut joiner, mut peer, listener) = joiner_and_peer(front);
        damages(&mut joiner, &mut peer);
        let mut peer = Peer::answer_again(&listener, peer.cut());
        peer.delivered(1);
        joiner.shows(front.opened());
        joiner.shows("damaged on its way");
        joiner.say(&front.says("heard, and answered"));
        assert_eq!(peer.text(), "heard, and answered");
        peer.part();
        joiner.shows(front.left());
        let all = joiner.all();
        assert_eq!(joiner.exit(), 0, "{all}");
        for words in ["this room is gone", "somebody else answers there", "host_gone"] {
            assert!(!all.contains(words), "{all}");
        }
    });
}

#[test]
fn seventy_texts_in_that_read_are_all_there_and_ctrl_c_still_closes_the_screen() {
    let texts: Vec<_> = (0..70).map(|number| format!("text number {number:02}")).collect();
    let (mut host, mut peer, _) = host_and_peer(Front::Screen, &[]);
    texts.iter().for_each(|text| peer.say(text));
    peer.leave();
    let records = peer.held();
    assert_eq!(records.len(), 73);
    peer.write(&records.concat());
    host.shows("Your partner left");
    let Running::Seen(screen) = &mut host.running else { unreachable!() };
    // A page at a time, so that each row is on the screen once. The row that tells what is below is drawn last.
    let mut missing = texts.clone();
    let below = |shown: &str| shown.lines().find(|row| row.contains("more below")).map(str::to_owned);
    for page in 0.. {
        let shown = screen.words();
        missing.retain(|text| !shown.contains(text.as_str()));
        if missing.is_empty() {
            break;
        }
        assert!(page < 20, "not there: {missing:?}");
        screen.press("\x1b[5~");
        screen.until("another page", |display| (below(&display.words()) != below(&shown)).then_some(()));
    }
    assert_eq!(screen.close_by("\x03"), 0);
    screen.is_sane();
}

#[test]
fn an_offer_in_that_read_ends_with_the_room_and_nobody_else_can_send_what_it_named() {
    for front in [Front::Pipe, Front::Lines, Front::Json] {
        let folder = Scratch::new();
        let (mut host, mut peer, port) =
            host_and_peer(front, &["--auto-accept", "--save-to", folder.path().to_str().unwrap()]);
        peer.offer("a file", 5);
        peer.leave();
        let records = peer.held();
        assert_eq!(records.len(), 4);
        host.hands(&mut peer, &records);
        host.shows(front.left());
        host.exit();
        let all = host.all();
        assert!(!all.contains("ended the pairing") && !all.contains("pairing_failed"), "{all}");
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "somebody still listens");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

/// Both are in the room.
fn both(front: Front) -> (Program, Peer, u16) {
    let (mut host, mut peer, port) = host_and_peer(front, &[]);
    peer.write_held();
    peer.opened();
    host.shows(front.opened());
    (host, peer, port)
}

#[test]
fn a_leaver_whose_goodbye_got_stuck_comes_back_to_say_it() {
    let (mut host, peer, port) = both(Front::Json);
    peer.takes_little();
    // More than the two kernels take.
    let texts = 400;
    for _ in 0..texts {
        host.say(&Front::Json.says(&"x".repeat(10_000)));
    }
    host.shows(&format!("\"event\":\"said\",\"id\":{}", texts - 1));
    host.signal(Signal::TERM);
    host.shows("\"connection_lost\"");
    let mut peer = Peer::call_again(port, peer.cut());
    for _ in 0..texts {
        peer.text();
    }
    peer.left();
    drop(peer);
    assert_eq!(host.exit(), 0, "{}", host.all().lines().last().unwrap_or_default());
}

#[test]
fn returns_keep_their_distance() {
    let pauses = [0, 250, 500, 1_000].map(Duration::from_millis);
    let (mut host, mut peer, port) = both(Front::Json);
    // The host lets the first one back after this, and the last one before it is seen here.
    let began = now();
    for _ in pauses {
        peer = Peer::call_again(port, peer.cut());
    }
    assert!(now() - began >= pauses.iter().sum());
    peer.part();
    assert_eq!(host.exit(), 0);
}

#[test]
fn nobody_has_compared_the_code_of_an_invite_whose_room_broke_as_it_opened() {
    let (mut host, port, invite) = inviting(Front::Json);
    let mut peer = Peer::call(port, holder(&invite));
    peer.hold();
    peer.entered();
    damages(&mut host, &mut peer);
    let mut peer = Peer::call_again(port, peer.cut());
    peer.delivered(1);
    let (mut joiner, mut host_by_hand, listener) = invited(Front::Json);
    host_by_hand.hold();
    host_by_hand.entered();
    damages(&mut joiner, &mut host_by_hand);
    let mut host_by_hand = Peer::answer_again(&listener, host_by_hand.cut());
    host_by_hand.delivered(1);
    for (mut program, peer) in [(host, peer), (joiner, host_by_hand)] {
        program.shows(Front::Json.opened());
        program.say(&json!({"command": "code"}).to_string());
        program.shows("\"event\":\"codes\"");
        peer.part();
        program.exit();
        let all = program.all();
        assert!(all.contains("\"event\":\"room_open\",\"invited\":true"), "{all}");
        assert!(all.contains("\"trust\":\"invite\""), "{all}");
    }
}

#[test]
fn nothing_can_be_said_before_the_room_is_open_for_both() {
    let (mut joiner, mut peer, listener) = joiner_and_peer(Front::Json);
    damages(&mut joiner, &mut peer);
    joiner.say(&Front::Json.says("to nobody yet"));
    joiner.shows("\"not_taken\"");
    let mut peer = Peer::answer_again(&listener, peer.cut());
    peer.delivered(1);
    joiner.shows(Front::Json.opened());
    joiner.say(&Front::Json.says("to the partner"));
    assert_eq!(peer.text(), "to the partner");
    peer.part();
    assert_eq!(joiner.exit(), 0, "{}", joiner.all());
}

#[test]
fn whoever_has_confirmed_can_leave_before_the_partner_is_there() {
    // The partner's VERIFIED is not there, or it is and no proof.
    for verified in [false, true] {
        everywhere(|front| {
            let (host, host_peer, _) = host_and_peer(front, &[]);
            let (joiner, joiner_peer, _) = joiner_and_peer(front);
            for (mut program, mut peer) in [(host, host_peer), (joiner, joiner_peer)] {
                if verified {
                    let held = peer.held();
                    program.hands(&mut peer, &held[..1]);
                    peer.hold();
                }
                match (front, &program.running) {
                    (Front::Json, _) => program.say(&json!({"command": "quit"}).to_string()),
                    (_, Running::Seen(terminal)) => terminal.press("\x03"),
                    (_, Running::Piped(process)) => process.signal(Signal::TERM),
                }
                peer.left();
                drop(peer);
                let Running::Seen(terminal) = &mut program.running else {
                    assert_eq!(program.exit(), 5, "{}", program.all());
                    continue;
                };
                assert_eq!(terminal.exit() as i32, 5, "{}", terminal.words());
            }
        });
    }
}

#[test]
fn a_host_that_is_left_while_its_partner_may_come_back_does_not_say_that_nobody_joined() {
    let (mut host, mut peer, _) = host_and_peer(Front::Json, &[]);
    damages(&mut host, &mut peer);
    host.say(&json!({"command": "quit"}).to_string());
    assert_eq!(host.exit(), 5, "{}", host.all());
    assert!(!host.all().contains("nobody_came"), "{}", host.all());
}

#[test]
fn a_joiner_that_waits_for_no_return_does_not_wait_for_one_before_the_room_is_open() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut joiner = Program::start(Front::Json, &["127.0.0.1", &port, "--linger", "0s"]);
    let mut peer = Peer::answer(&listener, stranger());
    check(&mut joiner, &mut peer);
    drop((peer, listener));
    assert_eq!(joiner.exit(), 5, "{}", joiner.all());
}

#[test]
fn a_script_with_an_invite_whose_input_has_ended_waits_for_the_room_and_misses_no_code() {
    for front in [Front::Pipe, Front::Json] {
        let (mut joiner, mut peer, _listener) = invited(front);
        peer.hold();
        peer.entered();
        let Running::Piped(process) = &mut joiner.running else { unreachable!() };
        process.end_input();
        peer.waits(Duration::from_millis(300));
        peer.write_held();
        peer.opened();
        peer.left();
        drop(peer);
        assert_eq!(joiner.exit(), 0, "{front:?}: {}", joiner.all());
    }
}

#[test]
fn the_end_of_a_room_to_which_nobody_came_back_before_it_was_open_is_told() {
    let (mut host, mut peer, _) = host_and_peer(Front::Json, &["--linger", "1s"]);
    damages(&mut host, &mut peer);
    host.shows("\"event\":\"still_away\",\"seconds\":1,");
    host.say(&json!({"command": "quit"}).to_string());
    assert_eq!(host.exit(), 3, "nobody has a room here: {}", host.all());
}
