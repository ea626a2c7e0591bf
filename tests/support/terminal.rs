//! The real program on a terminal of its own, and what that terminal shows.

use std::io::Write as _;
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, SlavePty, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use vt100::{Callbacks, Parser, Screen};

use crate::process::{PATIENCE, TETE, Watched, watch};

/// What a terminal does beside showing characters.
#[derive(Default)]
pub struct Effects {
    /// Times the bell rang.
    pub bells: usize,
    /// Everything that reaches beyond the screen, or that the terminal does not know.
    pub strange: Vec<String>,
}

impl Effects {
    fn note(&mut self, what: impl std::fmt::Debug) {
        self.strange.push(format!("{what:?}"));
    }
}

impl Callbacks for Effects {
    fn audible_bell(&mut self, _: &mut Screen) {
        self.bells += 1;
    }
    fn visual_bell(&mut self, _: &mut Screen) {
        self.note("visual bell");
    }
    fn resize(&mut self, _: &mut Screen, size: (u16, u16)) {
        self.note(("resize", size));
    }
    fn set_window_icon_name(&mut self, _: &mut Screen, name: &[u8]) {
        self.note(("icon", name));
    }
    fn set_window_title(&mut self, _: &mut Screen, title: &[u8]) {
        let number = title.strip_suffix(b"tete").map(|number| number.trim_ascii());
        let number = number.and_then(|number| number.strip_prefix(b"(")?.strip_suffix(b")"));
        if title != b"tete" && !number.is_some_and(|number| number.iter().all(u8::is_ascii_digit)) {
            self.note(("title", title));
        }
    }
    fn copy_to_clipboard(&mut self, _: &mut Screen, _: &[u8], data: &[u8]) {
        self.note(("copy", data));
    }
    fn paste_from_clipboard(&mut self, _: &mut Screen, kind: &[u8]) {
        self.note(("paste", kind));
    }
    fn unhandled_char(&mut self, _: &mut Screen, c: char) {
        self.note(("character", c));
    }
    fn unhandled_control(&mut self, _: &mut Screen, byte: u8) {
        self.note(("control", byte));
    }
    fn unhandled_escape(&mut self, _: &mut Screen, i1: Option<u8>, i2: Option<u8>, byte: u8) {
        self.note(("escape", i1, i2, byte));
    }
    fn unhandled_csi(&mut self, _: &mut Screen, i1: Option<u8>, i2: Option<u8>, params: &[&[u16]], c: char) {
        // Synchronized output, reports of focus, no wrapping, and Alt as an ESC.
        let private = [2026, 1004, 7, 1036, 9001].iter().any(|mode| params == [[*mode]].as_slice());
        let known = match (i1, c) {
            (Some(b'?'), 'h' | 'l' | 's' | 'r') => private,
            // The encodings of keys that are switched off, and back to what they were.
            (Some(b'>'), 'm' | 'u') | (Some(b'<'), 'u') => true,
            // The question how wide an ambiguous character is, which this terminal does not answer.
            (None, 'n') => params == [[6]].as_slice(),
            // The window's title is kept, and brought back.
            (None, 't') => matches!(params, [[22 | 23], [2]]),
            // Colour of an underline.
            (None, 'm') => params == [[59]].as_slice(),
            _ => false,
        };
        if !known {
            self.note(("CSI", i1, i2, params, c));
        }
    }
    fn unhandled_osc(&mut self, _: &mut Screen, params: &[&[u8]]) {
        self.note(("OSC", params));
    }
}

/// All that came out of the program.
pub struct Display {
    parser: Parser<Effects>,
    raw: Vec<u8>,
    ended: bool,
    /// Whether the question about a line that came too fast is on the screen.
    asked: bool,
}

/// What is asked where Enter came as fast as in a paste.
const HURRIED: [&str; 2] = ["as fast as a paste. Enter", "输入快得像粘贴。按回车"];

impl Display {
    /// Every row so far, those that have scrolled off first, without the blanks at their ends.
    pub fn rows(&mut self) -> Vec<String> {
        let screen = self.parser.screen_mut();
        let (height, width) = (usize::from(screen.size().0.get()), screen.size().1.get());
        let mut rows = Vec::new();
        let mut above = screen.scrollback_len();
        while above > 0 {
            screen.set_scrollback(above);
            rows.extend(screen.rows(0, width).take(height.min(above)));
            above = above.saturating_sub(height);
        }
        screen.set_scrollback(0);
        rows.extend(screen.rows(0, width));
        rows.iter().map(|row| row.trim_end().to_owned()).collect()
    }

    /// All words so far in a single line: finds a sentence wherever it was broken.
    pub fn words(&mut self) -> String {
        self.rows().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Takes in what came, and tells whether it asks for an Enter of a hand.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let from = self.raw.len().saturating_sub(HURRIED[1].len());
        self.parser.process(bytes);
        self.raw.extend_from_slice(bytes);
        // On the full screen only what differs from before is written, in lines everything.
        let screen = self.parser.screen();
        let asks = |text: &str| HURRIED.iter().any(|words| text.contains(words));
        let asked = screen.alternate_screen() && asks(&screen.contents());
        let again = std::mem::replace(&mut self.asked, asked);
        asked && !again || !screen.alternate_screen() && asks(&String::from_utf8_lossy(&self.raw[from..]))
    }

    /// The row of the cursor up to it.
    pub fn cursor_row(&self) -> String {
        let screen = self.parser.screen();
        let (row, column) = screen.cursor_position();
        screen.rows(0, column).nth(row.into()).unwrap_or_default()
    }

    /// What the terminal did beside showing characters.
    pub fn effects(&self) -> &Effects {
        self.parser.callbacks()
    }

    /// The bytes as they came.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }
}

/// `tete` with these arguments, in lines on a terminal.
pub fn tete(args: &[&str]) -> CommandBuilder {
    command(TETE, &[args, &["--plain"]].concat())
}

/// `tete` with these arguments, as a full screen.
pub fn screen(args: &[&str]) -> CommandBuilder {
    command(TETE, args)
}

/// A shell on a terminal of its own, in that folder, for which `tete` is the program.
pub fn shell(script: &str, folder: &Path) -> Terminal {
    let mut command = CommandBuilder::new("sh");
    command.args(["-c", &script.replace("tete", TETE)]);
    command.cwd(folder);
    command.env("LC_ALL", "C.UTF-8");
    command.env("TERM", "xterm");
    Terminal::start(command)
}

/// A program in an environment of its own, for a terminal.
pub fn command(program: &str, args: &[&str]) -> CommandBuilder {
    let mut command = CommandBuilder::new(program);
    command.args(args);
    command.env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("TERM", "xterm-256color");
    command.cwd("/");
    command
}

/// The half that stands alone in a row.
pub fn half_in(row: &str) -> Option<String> {
    let digits = |text: &str| text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    let half = row.trim();
    half.split_once(' ').is_some_and(|(a, b)| digits(a) && digits(b)).then(|| half.to_owned())
}

/// The port in the command that a host on 127.0.0.1 gives its partner.
pub fn port_in(words: &str) -> Option<u16> {
    words.split("127.0.0.1").find_map(|rest| {
        let (port, from) = rest.trim_start_matches([' ', ':']).split_once(' ')?;
        port.parse().ok().filter(|_| ["from this machine", "本机"].iter().any(|place| from.starts_with(place)))
    })
}

/// A terminal and the program in it.
pub struct Terminal {
    display: Watched<Display>,
    input: Option<mpsc::Sender<Vec<u8>>>,
    child: Box<dyn Child + Send + Sync>,
    ended: mpsc::Receiver<()>,
    code: Option<u32>,
    modes: String,
    /// The modes of the terminal are lost with its last user.
    slave: Option<Box<dyn SlavePty + Send>>,
    master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    /// Starts the program on a terminal of 24 rows and 80 columns.
    pub fn start(command: CommandBuilder) -> Self {
        Self::sized(command, 24, 80)
    }

    /// Starts the program on a terminal of this size. The size 0 is told, but shown as 1.
    pub fn sized(command: CommandBuilder, rows: u16, cols: u16) -> Self {
        let pair = native_pty_system().openpty(PtySize { rows, cols, ..PtySize::default() }).unwrap();
        let cells = |count: u16| NonZeroU16::new(count.max(1)).unwrap();
        let parser = Parser::new_with_callbacks(cells(rows), cells(cols), 10_000, Effects::default());
        let display = Watched::new(Display { parser, raw: Vec::new(), ended: false, asked: false });
        let modes = format!("{:?}", pair.master.get_termios());
        let mut reader = pair.master.try_clone_reader().unwrap();
        let mut writer = pair.master.take_writer().unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        let ended = watch(child.process_id().unwrap());
        let shown = display.clone();
        let (input, typed) = mpsc::channel::<Vec<u8>>();
        let answer = input.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let count = reader.read(&mut buffer).unwrap_or(0);
                let asks = shown.with(|display| {
                    display.ended |= count == 0;
                    display.take(&buffer[..count])
                });
                if asks {
                    let _ = answer.send(b"\r".to_vec());
                }
                if count == 0 {
                    return;
                }
            }
        });
        std::thread::spawn(move || {
            for bytes in typed {
                if writer.write_all(&bytes).is_err() {
                    return;
                }
            }
        });
        Self {
            display,
            input: Some(input),
            child,
            ended,
            code: None,
            modes,
            slave: Some(pair.slave),
            master: pair.master,
        }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Presses keys, or pastes. Never waits. Where the last of them is an Enter that comes too fast for a hand, it is
    /// pressed again as soon as that is asked.
    pub fn press(&self, keys: &str) {
        let _ = self.input.as_ref().unwrap().send(keys.as_bytes().to_vec());
    }

    /// Looks at the display until it shows what is looked for.
    #[track_caller]
    pub fn until<R>(&self, what: &str, look: impl FnMut(&mut Display) -> Option<R>) -> R {
        let found = self.display.wait(PATIENCE, look);
        found.unwrap_or_else(|| {
            panic!("the terminal does not show {what:?}, but:\n{}", self.rows().join("\n").trim_end())
        })
    }

    /// Looks at the display now.
    pub fn look<R>(&self, look: impl FnOnce(&mut Display) -> R) -> R {
        self.display.with(look)
    }

    /// Waits until these words were shown.
    #[track_caller]
    pub fn shows(&self, words: &str) {
        self.until(words, |display| display.words().contains(words).then_some(()));
    }

    /// Waits until these words were shown so many times.
    #[track_caller]
    pub fn shows_times(&self, words: &str, times: usize) {
        self.until(words, |display| (display.words().matches(words).count() >= times).then_some(()));
    }

    /// Waits until the cursor stands there.
    #[track_caller]
    pub fn points(&self, row: u16, column: u16) {
        let place = |display: &mut Display| display.parser.screen().cursor_position();
        self.until("the cursor", |display| (place(display) == (row, column)).then_some(()));
    }

    /// Every row that was shown.
    pub fn rows(&self) -> Vec<String> {
        self.look(Display::rows)
    }

    /// Everything that was shown, in one line.
    pub fn words(&self) -> String {
        self.look(Display::words)
    }

    /// Waits for the prompt with this, and no more, in it.
    #[track_caller]
    pub fn prompts(&self, row: &str) {
        self.until(row, |display| (display.cursor_row().trim_end() == row.trim_end()).then_some(()));
    }

    /// Answers the empty prompt: types, waits for it to be shown, and presses Enter.
    #[track_caller]
    pub fn answer(&self, prompt: &str, typed: &str) {
        self.prompts(prompt);
        self.press(typed);
        self.prompts(&format!("{prompt}{typed}"));
        self.press("\r");
    }

    /// Presses Enter, as a person does, until something comes of it.
    #[track_caller]
    pub fn enters(&self, mut done: impl FnMut() -> bool) {
        let pause = Duration::from_millis(100);
        let tries = PATIENCE.div_duration_f32(pause) as u32;
        let is_done = (0..tries).any(|_| {
            self.press("\r");
            let _ = self.ended.recv_timeout(pause);
            done()
        });
        assert!(is_done, "nothing comes of Enter:\n{}", self.rows().join("\n").trim_end());
    }

    /// The half that this side shows, once it asks for the other.
    #[track_caller]
    pub fn half(&self) -> String {
        self.until("a half", |display| display.rows().iter().rev().find_map(|row| half_in(row)))
    }

    /// The port at which this side waits.
    #[track_caller]
    pub fn port(&self) -> u16 {
        self.until("a port", |display| port_in(&display.words()))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.id().try_into().unwrap()).unwrap(), signal).unwrap();
    }

    /// Waits for the end of the program and of what it writes. Returns its exit code.
    #[track_caller]
    pub fn exit(&mut self) -> u32 {
        if self.code.is_none() {
            let ended = self.ended.recv_timeout(PATIENCE);
            assert!(ended.is_ok(), "it did not end:\n{}", self.rows().join("\n").trim_end());
            self.code = Some(self.child.wait().unwrap().exit_code());
        }
        self.code.unwrap_or_default()
    }

    /// Closes the screen of a room that is over, where a key that comes too soon does nothing. Returns the exit code.
    #[track_caller]
    pub fn close(&mut self) -> u32 {
        self.close_by("\r")
    }

    /// The same by another key.
    #[track_caller]
    pub fn close_by(&mut self, key: &str) -> u32 {
        let pause = Duration::from_millis(100);
        for _ in 0..PATIENCE.div_duration_f32(pause) as u32 {
            self.press(key);
            if self.ended.recv_timeout(pause).is_ok() {
                self.code = Some(self.child.wait().unwrap().exit_code());
                break;
            }
        }
        self.exit()
    }

    /// After the end: whether the terminal is as it was before the program, and the cursor at a new row.
    #[track_caller]
    pub fn is_sane(&mut self) {
        self.exit();
        assert_eq!(format!("{:?}", self.master.get_termios()), self.modes);
        self.slave = None;
        let ended = self.display.wait(Duration::from_secs(5), |display| display.ended.then_some(()));
        assert!(ended.is_some(), "the terminal is still in use");
        self.look(|display| {
            let raw = display.raw();
            let paste = ["\x1b[?2004h", "\x1b[?2004l"].map(|mode| raw.rfind(mode));
            assert!(paste[1] > paste[0], "bracketed paste is still on: {raw:?}");
            let keys = ["\x1b[>0u", "\x1b[<u"].map(|mode| raw.rfind(mode));
            assert!(keys[1] > keys[0], "keys are told in another way than before: {raw:?}");
            let [full, given_back] = ["\x1b[?1049h", "\x1b[?1049l"].map(|mode| raw.matches(mode).count());
            assert_eq!(raw.matches("\x1b[?1049h\x1b[?7l").count(), full, "a full screen wraps rows: {raw:?}");
            assert_eq!(raw.matches("\x1b[?7h\x1b[?1049l").count(), given_back, "rows are no longer wrapped: {raw:?}");
            let screen = display.parser.screen();
            assert!(!screen.bracketed_paste() && !screen.alternate_screen() && !screen.hide_cursor());
            assert!(!screen.bold() && !screen.dim() && screen.fgcolor() == vt100::Color::Default);
            let tail: String = raw.chars().skip(raw.chars().count().saturating_sub(160)).collect();
            assert_eq!(display.cursor_row(), "", "the shell's prompt would come after other words: {tail:?}");
        });
    }

    /// Changes the size of the terminal. What it shows is from here on good only where everything is drawn anew.
    pub fn resize(&self, rows: u16, cols: u16) {
        let cells = |count: u16| NonZeroU16::new(count.max(1)).unwrap();
        self.look(|display| display.parser.screen_mut().set_size(cells(rows), cells(cols)));
        self.master.resize(PtySize { rows, cols, ..PtySize::default() }).unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.code.is_none() {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}
