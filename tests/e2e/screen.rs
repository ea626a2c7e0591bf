//! Two people at full screens.

use std::io::{Read, Write};
use std::os::unix::fs::FileExt as _;
use std::sync::mpsc;

use crate::process::{self, Process};
use crate::relay::Relay;
use crate::scratch::Scratch;
use crate::terminal::{Display, Terminal, command, half_in, screen};
use portable_pty::{Child, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// The last row of the input when nothing is written.
const INPUT: &str = "›";

fn host_with(args: &[&str]) -> (Terminal, u16) {
    let host = Terminal::start(screen(&[&["--port", "0", "--bind", "127.0.0.1"], args].concat()));
    let port = host.port();
    (host, port)
}

fn guest_with(port: u16, args: &[&str]) -> Terminal {
    let port = port.to_string();
    Terminal::start(screen(&[&["127.0.0.1", port.as_str()], args].concat()))
}

#[track_caller]
fn pair(host: &Terminal, guest: &Terminal) {
    let halves = [host.half(), guest.half()];
    host.press(&format!("{}\r", halves[1]));
    host.shows("Correct. Waiting for your partner");
    guest.press(&format!("{}\r", halves[0]));
    for side in [host, guest] {
        side.shows("The room is open");
        side.prompts(INPUT);
    }
}

/// Two people in an open room.
#[track_caller]
fn room() -> (Terminal, Terminal) {
    let (host, port) = host_with(&[]);
    let guest = guest_with(port, &[]);
    pair(&host, &guest);
    (host, guest)
}

/// A person in an open room with a script, and the wire between them.
#[track_caller]
pub fn room_with_script() -> (Process, Terminal, Relay) {
    let (mut host, port) = process::host();
    let relay = Relay::new(port);
    let person = guest_with(relay.port, &[]);
    let half = host.until("code: ");
    host.say(&person.half());
    person.press(&format!("{half}\r"));
    host.until("room open");
    person.shows("The room is open");
    (host, person, relay)
}

/// Every row as it is now, and nothing that has gone.
fn has_row(display: &mut Display, row: &str) -> Option<()> {
    display.rows().iter().any(|shown| shown.contains(row)).then_some(())
}

#[track_caller]
fn row(side: &Terminal, row: &str) {
    side.until(row, |display| has_row(display, row));
}

#[test]
fn two_people_pair_talk_and_leave() {
    let (mut host, mut guest) = room();
    for side in [&host, &guest] {
        side.until("no code", |display| (!display.words().contains("Read this to your partner")).then_some(()));
        row(side, "verified · 127.0.0.1:");
        row(side, " ms");
    }
    // Mid-line edits by cluster: 你好🙂 loses its last two, and gains others in between.
    host.press("你好🙂!");
    row(&host, "› 你好🙂!");
    host.points(23, 9);
    host.press("\x1b[D\x7f\x1b[D吗\x1b[D");
    host.points(23, 4);
    host.press("\x05\r");
    row(&guest, "partner │ 你吗好!");
    row(&host, "you ✓ 你吗好!");
    guest.press("two\x1b\rlines\r");
    row(&host, "partner │ two");
    row(&host, "        │ lines");
    row(&guest, "you ✓ two");
    guest.press("/quit\r");
    assert_eq!(guest.exit(), 0);
    guest.is_sane();
    assert!(!guest.words().contains("你吗好"), "the screen from before is back");
    host.shows("Your partner left.");
    row(&host, "This room is closed. Enter quits.");
    row(&host, "you ✓ 你吗好!");
    assert_eq!(host.close(), 0);
    host.is_sane();
    assert_eq!(host.look(|display| display.effects().strange.clone()), Vec::<String>::new());
}

#[test]
fn a_paste_of_a_hundred_lines_is_asked_about_and_arrives_as_one_text() {
    let (mut host, person, _relay) = room_with_script();
    let lines: Vec<_> = (0..100).map(|number| format!("line {number} 行")).collect();
    person.press(&format!("\x1b[200~{}\x1b[201~", lines.join("\r")));
    person.shows("Paste 100 lines?");
    person.press("\r");
    row(&person, "  line 99 行");
    person.press("\r");
    assert_eq!(host.text(), lines.join("␤"));
    row(&person, "│ line 99 行");
}

#[test]
fn a_storm_of_sizes_leaves_everything_in_its_place() {
    let (host, person, _relay) = room_with_script();
    person.press("half a sentence 写到一半");
    for step in 0..60_u16 {
        host.say(&format!("text {step} of the storm 风暴"));
        person.resize(5 + step * 7 % 40, 20 + step * 13 % 140);
    }
    person.resize(24, 80);
    row(&person, "partner │ text 59 of the storm 风暴");
    row(&person, "› half a sentence 写到一半");
    person.points(23, 26);
    let rows = person.rows();
    let texts = rows[..22].iter().filter(|row| row.contains("of the storm")).count();
    assert_eq!(texts, 22, "{rows:#?}");
}

#[test]
fn a_cut_is_shown_typing_goes_on_and_the_line_heals() {
    let (mut host, person, relay) = room_with_script();
    person.press("before\r");
    assert_eq!(host.text(), "before");
    relay.cut();
    row(&person, "Connection lost (it was closed).");
    row(&person, " reconnecting: attempt");
    person.press("while it was cut\r");
    row(&person, "you ◌ while it was cut");
    host.say("from over there");
    relay.mend();
    row(&person, "partner │ from over there");
    row(&person, "you ✓ while it was cut");
    row(&person, " verified · ");
    assert_eq!(host.text(), "while it was cut");
}

#[test]
fn the_terminal_is_given_back_while_the_program_is_stopped() {
    let (mut host, port) = process::host();
    let mut shell =
        command("sh", &["-c", "set -m; \"$0\" 127.0.0.1 \"$1\"; echo stopped $?; fg; echo again $?; fg; echo done $?"]);
    shell.args([process::TETE, &port.to_string()]);
    let mut person = Terminal::start(shell);
    let half = host.until("code: ");
    host.say(&person.half());
    person.press(&format!("{half}\r"));
    host.until("room open");
    person.shows("The room is open");
    person.press("a draft");
    row(&person, "› a draft");
    person.press("\x1a");
    // The shell goes on, on its own screen.
    person.until("the shell", |display| {
        let stopped = display.raw().contains("stopped 1");
        stopped.then_some(())
    });
    host.say("meanwhile");
    row(&person, "partner │ meanwhile");
    row(&person, "› a draft");
    // Somebody else stops it.
    let children = format!("/proc/{0}/task/{0}/children", person.id());
    let program: i32 = std::fs::read_to_string(children).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(program).unwrap(), Signal::TSTP).unwrap();
    person.until("the shell again", |display| display.raw().contains("again 1").then_some(()));
    person.look(|display| {
        let raw = display.raw();
        let before = &raw[..raw.find("again 1").unwrap()];
        assert_eq!(["\x1b[?1049l", "\x1b[?1000l"].map(|mode| before.matches(mode).count()), [2, 2]);
    });
    row(&person, "› a draft");
    person.press("\x15/quit\r");
    assert_eq!(person.exit(), 0);
    person.shows("done 0");
    person.is_sane();
    assert_eq!(host.exit(), 0);
}

#[test]
fn the_terminal_is_sane_after_a_signal() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT, Signal::USR1, Signal::ALARM, Signal::XFSZ] {
        let (mut host, mut guest) = room();
        guest.press("half a wo");
        row(&guest, "› half a wo");
        guest.signal(signal);
        assert_eq!(guest.exit(), 0, "{signal:?}");
        guest.is_sane();
        host.shows("Your partner left.");
        assert_eq!(host.close(), 0);
    }
}

#[test]
fn an_end_with_a_text_that_nobody_saw_is_not_in_order() {
    let (mut host, port) = process::host();
    let mut person = guest_with(port, &["--notify", "bell"]);
    let half = host.until("code: ");
    host.say(&person.half());
    person.press(&format!("{half}\r"));
    host.until("room open");
    person.shows("The room is open");
    person.press("/lock\r");
    person.shows("Choose a passphrase");
    person.press("abc\r");
    person.shows("Again:");
    person.press("abc\r");
    person.shows("This screen is locked.");
    host.say("a secret");
    person.until("the bell", |display| (display.effects().bells > 0).then_some(()));
    person.signal(Signal::HUP);
    assert_eq!(person.exit(), 6);
    person.shows("1 message was received but not shown here");
    person.is_sane();
    host.until("partner left");
}

/// A terminal that can vanish while the program in it goes on.
struct Window {
    master: Box<dyn MasterPty + Send>,
    reader: Option<Box<dyn Read + Send>>,
    writer: Box<dyn Write + Send>,
    parser: vt100::Parser,
    scratch: Scratch,
    ended: mpsc::Receiver<()>,
    child: Box<dyn Child + Send + Sync>,
}

impl Window {
    /// Starts a shell that survives the end of its terminal, and the program in it.
    fn start(args: &[&str]) -> Self {
        let scratch = Scratch::new();
        let pair = native_pty_system().openpty(PtySize { rows: 24, cols: 80, ..PtySize::default() }).unwrap();
        let script = "trap : HUP; code=$1; shift; \"$0\" \"$@\"; echo $? > \"$code\"";
        let mut shell = command("sh", &["-c", script, process::TETE]);
        shell.arg(scratch.path().join("code"));
        shell.args(args);
        let child = pair.slave.spawn_command(shell).unwrap();
        Self {
            reader: Some(pair.master.try_clone_reader().unwrap()),
            writer: pair.master.take_writer().unwrap(),
            master: pair.master,
            parser: vt100::Parser::default(),
            scratch,
            ended: process::watch(child.process_id().unwrap()),
            child,
        }
    }

    fn press(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads until the screen shows what is looked for.
    #[track_caller]
    fn until<R>(&mut self, mut look: impl FnMut(&[String]) -> Option<R>) -> R {
        loop {
            let rows: Vec<_> = self.parser.screen().rows(0, 80).collect();
            if let Some(found) = look(&rows) {
                return found;
            }
            let mut reader = self.reader.take().unwrap();
            let (tell, read) = mpsc::channel();
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                let count = reader.read(&mut buffer).unwrap_or(0);
                let _ = tell.send((reader, buffer[..count].to_vec()));
            });
            let Ok((reader, bytes)) = read.recv_timeout(process::PATIENCE) else {
                panic!("the window shows {rows:#?}")
            };
            self.reader = Some(reader);
            self.parser.process(&bytes);
        }
    }

    /// Takes the terminal away and returns the exit code of the program.
    #[track_caller]
    fn vanish(self) -> String {
        let Self { master, reader, writer, scratch, ended, child, .. } = self;
        drop((master, reader, writer));
        if ended.recv_timeout(process::PATIENCE).is_err() {
            let group = Pid::from_raw(child.process_id().unwrap().try_into().unwrap()).unwrap();
            kill_process_group(group, Signal::KILL).unwrap();
            panic!("the program goes on without a terminal");
        }
        std::fs::read_to_string(scratch.path().join("code")).unwrap().trim().to_owned()
    }
}

#[test]
fn a_terminal_that_vanishes_without_a_signal_is_a_farewell() {
    let (mut host, port) = process::host();
    let mut window = Window::start(&["127.0.0.1", &port.to_string(), "--notify", "bell"]);
    let half = host.until("code: ");
    host.say(&window.until(|rows| rows.iter().find_map(|row| half_in(row))));
    window.press(&format!("{half}\r"));
    host.until("room open");
    window.until(|rows| rows.iter().any(|row| row.contains("The room is open")).then_some(()));
    assert_ne!(window.vanish(), "0");
    host.until("partner left");

    let mut alone = Window::start(&["--port", "0", "--bind", "127.0.0.1"]);
    alone.until(|rows| rows.iter().any(|row| row.contains("Waiting for your partner")).then_some(()));
    assert_eq!(alone.vanish(), "3");
}

#[test]
fn ctrl_c_ends_the_waiting_and_the_pairing() {
    let (mut waiting, _) = host_with(&[]);
    waiting.press("\x03");
    assert_eq!(waiting.exit(), 3);
    waiting.is_sane();
    waiting.shows("ended before anybody joined");

    let (mut host, port) = host_with(&[]);
    let mut guest = guest_with(port, &[]);
    guest.half();
    guest.press("\x03");
    assert_eq!(guest.exit(), 5);
    guest.is_sane();
    row(&host, "Waiting again");
    host.press("\x03");
    assert_eq!(host.exit(), 3);
}

#[test]
fn a_wrong_half_is_said_so_on_the_screen_of_the_code() {
    let (host, port) = host_with(&[]);
    let mut guest = guest_with(port, &[]);
    let halves = [host.half(), guest.half()];
    guest.press(&format!("{}\r", halves[1]));
    guest.shows("That is your own code.");
    for left in ["2 tries", "1 try"] {
        guest.press(&format!("{}\r", process::wrong(&halves[0], &halves[1])));
        guest.shows(&format!("{left} left"));
    }
    guest.press(&format!("{}\r", process::wrong(&halves[0], &halves[1])));
    assert_eq!(guest.exit(), 5);
    guest.shows("ALARM: three wrong codes.");
    guest.is_sane();
    row(&host, "ALARM: your partner saw another code");
}

#[test]
fn panic_leaves_nothing_on_the_terminal() {
    let (mut host, mut guest) = room();
    host.press("a secret\r");
    row(&guest, "partner │ a secret");
    guest.press("\x18p");
    assert_eq!(guest.exit(), 0);
    guest.is_sane();
    assert_eq!(guest.words(), "");
    assert!(guest.look(|display| display.raw()).contains("\x1b[3J"), "the terminal is to forget what it kept");
    host.shows("Your partner left.");
    assert_eq!(host.close(), 0);
}

/// How often those bytes are in the writable memory of a process.
fn finds(id: u32, bytes: &[u8]) -> usize {
    let memory = std::fs::File::open(format!("/proc/{id}/mem")).unwrap();
    let maps = std::fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').unwrap();
        let [start, end] = [0, 1].map(|place| u64::from_str_radix(range.split('-').nth(place).unwrap(), 16).unwrap());
        let mut area = vec![0; usize::try_from(end - start).unwrap()];
        if memory.read_exact_at(&mut area, start).is_ok() {
            found += area.windows(bytes.len()).filter(|window| *window == bytes).count();
        }
    }
    found
}

#[test]
fn what_the_partner_said_is_not_in_memory_once_the_screen_is_cleared() {
    if !rustix::process::geteuid().is_root() {
        return println!("left out: to look into the memory of another process needs root");
    }
    let (host, person, _relay) = room_with_script();
    let texts: Vec<_> = (0..50).map(|number| format!("{number:02} is what nobody else shall ever know")).collect();
    texts.iter().for_each(|text| host.say(text));
    row(&person, texts.last().unwrap());
    let needle = &texts[40].as_bytes()[..24];
    assert!(finds(person.id(), needle) > 0, "the search finds what is there");
    person.press("/clear\r");
    person.until("an empty screen", |display| (!display.words().contains("nobody else")).then_some(()));
    for text in texts.iter().rev().step_by(7) {
        assert_eq!(finds(person.id(), &text.as_bytes()[..24]), 0, "{text}");
    }
}

#[test]
fn a_locked_screen_shows_no_text_and_opens_by_the_passphrase() {
    let (host, person, _relay) = room_with_script();
    person.press("/lock\r");
    person.shows("Choose a passphrase");
    person.press("口令\r");
    person.shows("Again:");
    person.press("口令\r");
    person.shows("This screen is locked.");
    host.say("a secret");
    person.press("wrong\r");
    person.shows("Wrong. Seconds to wait");
    assert!(!person.words().contains("secret"));
    person.until("no wait", |display| display.words().contains("This screen is locked.").then_some(()));
    person.press("口令\r");
    row(&person, "partner │ a secret");
    assert_eq!(person.look(|display| display.raw()).matches("口令").count(), 0);
}

#[test]
fn the_screen_writes_to_no_directory() {
    let scratch = Scratch::new();
    let (mut host, port) = process::host();
    let mut at_home = screen(&["127.0.0.1", &port.to_string()]);
    at_home.cwd(scratch.path());
    for name in ["HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
        at_home.env(name, scratch.path());
    }
    let mut person = Terminal::start(at_home);
    let half = host.until("code: ");
    host.say(&person.half());
    person.press(&format!("{half}\r"));
    host.until("room open");
    person.shows("The room is open");
    person.press("a secret\r");
    assert_eq!(host.text(), "a secret");
    person.press("/quit\r");
    assert_eq!(person.exit(), 0);
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn a_chinese_locale_makes_the_whole_screen_chinese() {
    let mut alone = screen(&["--port", "0", "--bind", "127.0.0.1"]);
    alone.env("LANG", "zh_CN.UTF-8");
    let host = Terminal::start(alone);
    assert!(host.port() > 0 && !host.words().contains("监听"), "{}", host.words());
    host.shows("正在等对方，按 Ctrl-C 取消。");
    host.press("\x1bOP");
    host.shows("按键和命令");
}

#[test]
fn a_terminal_that_cannot_show_it_gets_lines() {
    for (name, value) in [("TERM", "dumb"), ("TERM", "")] {
        let mut dumb = screen(&["--port", "0", "--bind", "127.0.0.1"]);
        dumb.env(name, value);
        let mut host = Terminal::start(dumb);
        host.shows("Waiting for your partner; Ctrl-C cancels.");
        assert!(!host.look(|display| display.raw()).contains("\x1b[?1049h"));
        host.press("\x03");
        host.exit();
    }
}

#[test]
fn no_colour_is_written_where_none_is_wanted() {
    let mut alone = screen(&["--port", "0", "--bind", "127.0.0.1"]);
    alone.env("NO_COLOR", "1");
    let host = Terminal::start(alone);
    let mut guest = process::guest(host.port());
    guest.until("code: ");
    host.half();
    let raw = host.look(|display| display.raw());
    assert!(!raw.contains("\x1b[38;") && !raw.contains("\x1b[48;"), "{raw:?}");
}

#[test]
fn the_wheel_and_the_keys_scroll() {
    let (host, person, _relay) = room_with_script();
    (0..60).for_each(|number| host.say(&format!("text {number}.")));
    row(&person, "text 59.");
    (0..30).for_each(|_| person.press("\x1b[<64;10;10M"));
    person.until("the top", |display| has_row(display, "text 0."));
    person.press("\x1b[1;5F");
    row(&person, "text 59.");
    person.press("\x12text 7.");
    row(&person, "text 7.");
    person.press("\x1b");
    person.until("no search", |display| (!display.words().contains("find:")).then_some(()));
}
