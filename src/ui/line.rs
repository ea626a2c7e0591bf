//! Line mode: a prompt on a terminal, or lines in a pipe.
//!
//! Two threads, because both sides block: one reads what is typed, one writes
//! what is shown. Chat goes to standard output, everything else to standard error.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::{Component, Path};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::termios::{OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcgetwinsize, tcsetattr};
use rustyline::config::{Behavior, BellStyle, Config};
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{
    Cmd, ConditionalEventHandler, Editor, Event, EventContext, EventHandler, ExternalPrinter, KeyCode, KeyEvent,
    Modifiers, RepeatCount,
};
use tokio::sync::{mpsc, oneshot};
use unicode_width::UnicodeWidthStr as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::messages::{Fault, Lang, Status, Words, compared};
use super::printable::Printable;
use crate::protocol::delivery::{Incoming, TEXT};

/// Columns where nobody says how many there are.
const COLUMNS: usize = 80;
/// Below this many columns time and speaker get a row of their own.
const NARROW: usize = 40;
/// No time zone file is longer, in bytes.
const ZONE_FILE: u64 = 1 << 20;
/// Ages below this are not worth a word.
const LATE: Duration = Duration::from_secs(10);

/// What is asked of the user now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    /// Nothing: no prompt, and a pipe is not read.
    Nothing,
    /// The half that the partner reads out.
    Half,
    /// Whether both screens show the same.
    Compare,
    /// Texts and commands.
    Chat,
}

/// A command typed in the chat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// `/help`
    Help,
    /// `/code`
    Code,
    /// `/who`
    Who,
    /// `/quit`
    Quit,
}

/// What the user did.
pub enum Action {
    /// A half was typed, for the question of that number.
    Half {
        /// The number that [`Ui::ask`] returned.
        question: u64,
        /// As typed.
        typed: Zeroizing<String>,
    },
    /// Both screens were compared, for the question of that number.
    Compared {
        /// The number that [`Ui::ask`] returned.
        question: u64,
        /// `None` if neither word was typed.
        same: Option<bool>,
    },
    /// The caller is not the partner.
    Next {
        /// The number that [`Ui::ask`] returned.
        question: u64,
    },
    /// A text. It stays with its writer unless `taken` says true.
    Say {
        /// What to say.
        text: Zeroizing<String>,
        /// Whether it was taken.
        taken: oneshot::Sender<bool>,
    },
    /// A line that cannot be sent, and why.
    Unsendable(Status),
    /// A command.
    Command(Command),
    /// A command nobody knows.
    UnknownCommand(Printable),
    /// Ctrl-C at the prompt.
    Interrupt,
    /// Ctrl-D at the prompt, or the end of the pipe.
    End,
}

/// What is to be shown.
pub enum Show {
    /// A text from the partner.
    Text(Incoming),
    /// A word of the program.
    Status(Status),
}

/// What became of what was to be shown.
pub enum Shown {
    /// The text of that id is on the screen, or written and flushed.
    Text(u32),
    /// Standard output is gone.
    Broken(io::Error),
}

/// The user, as the room sees them.
pub struct Ui {
    /// What they do.
    pub actions: mpsc::Receiver<Action>,
    /// What they have been shown.
    pub shown: mpsc::Receiver<Shown>,
    /// What to show them.
    pub screen: mpsc::Sender<Show>,
    /// A person at a terminal, not a pipe.
    pub interactive: bool,
    asked: Arc<Asked>,
}

impl Ui {
    /// Starts both threads.
    pub fn start(lang: Lang) -> Self {
        let interactive = io::stdin().is_terminal();
        let (act, actions) = mpsc::channel(1);
        let (tell, shown) = mpsc::channel(64);
        let (screen, show) = mpsc::channel(64);
        let asked = Arc::new(Asked::default());
        let editor = if interactive { editor() } else { None };
        let (editor, printer) = match editor {
            Some((editor, printer)) => (Some(editor), printer),
            None => (None, None),
        };
        let writer = Writer::new(lang, interactive, printer);
        std::thread::spawn(move || writer.run(show, &tell));
        let reader = Reader { asked: asked.clone(), act, words: Words::of(lang), pasted: Arc::default() };
        std::thread::spawn(move || match editor {
            Some(editor) => reader.terminal(editor),
            None => reader.pipe(),
        });
        Self { actions, shown, screen, interactive, asked }
    }

    /// Asks the user something else from now on. Returns the number of the question.
    pub fn ask(&self, what: Ask) -> u64 {
        let mut asked = self.asked.what.lock().unwrap_or_else(PoisonError::into_inner);
        asked.number += 1;
        asked.what = what;
        self.asked.changed.notify_all();
        asked.number
    }
}

/// Remembers how the terminal was, to put it back however the program ends.
#[derive(Clone)]
pub struct TerminalGuard(Option<Termios>);

impl TerminalGuard {
    /// Takes note of the terminal's modes, if there is one.
    pub fn new() -> Self {
        Self(tcgetattr(io::stdin()).ok())
    }

    /// Puts the modes back and ends bracketed paste.
    pub fn restore(&self) {
        if let Some(modes) = &self.0 {
            let _ = tcsetattr(io::stdin(), OptionalActions::Drain, modes);
            if io::stdout().is_terminal() {
                let _ = io::stdout().write_all(b"\x1b[?2004l\r\x1b[K");
                let _ = io::stdout().flush();
            }
        }
    }
}

impl Default for TerminalGuard {
    fn default() -> Self {
        Self::new()
    }
}

/// Asks for the partner's address, so that the command line need not tell with whom one talks.
///
/// `None` without a terminal, or when nothing was typed.
pub fn ask_address(lang: Lang) -> Option<String> {
    if !io::stdin().is_terminal() {
        return None;
    }
    let (mut editor, _) = editor()?;
    editor.readline(Words::of(lang).address).ok().filter(|typed| !typed.trim().is_empty())
}

/// Prints why the program ends, and what to do about it.
pub fn print_fault(fault: &Fault, lang: Lang) {
    let (fact, advice) = fault.text(lang);
    let _ = writeln!(io::stderr(), "{}{fact}\n{advice}", Words::of(lang).error);
}

#[derive(Default)]
struct Asked {
    what: Mutex<Question>,
    changed: Condvar,
}

struct Question {
    number: u64,
    what: Ask,
}

impl Default for Question {
    fn default() -> Self {
        Self { number: 0, what: Ask::Nothing }
    }
}

impl Asked {
    fn now(&self) -> (u64, Ask) {
        let asked = self.what.lock().unwrap_or_else(PoisonError::into_inner);
        (asked.number, asked.what)
    }

    /// Waits for a question other than the last one answered. The chat is one that never ends.
    fn next(&self, answered: u64) -> (u64, Ask) {
        let mut asked = self.what.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match asked.what {
                Ask::Chat => return (asked.number, asked.what),
                Ask::Half | Ask::Compare if asked.number != answered => return (asked.number, asked.what),
                _ => asked = self.changed.wait(asked).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

type LineEditor = Editor<(), MemHistory>;
type Printer = Box<dyn ExternalPrinter + Send>;

fn editor() -> Option<(LineEditor, Option<Printer>)> {
    let config =
        Config::builder().behavior(Behavior::PreferTerm).bell_style(BellStyle::None).auto_add_history(false).build();
    let mut editor = LineEditor::with_history(config, MemHistory::new()).ok()?;
    let printer = editor.create_external_printer().ok().map(|printer| Box::new(printer) as Printer);
    Some((editor, printer))
}

struct Reader {
    asked: Arc<Asked>,
    act: mpsc::Sender<Action>,
    words: Words,
    pasted: Arc<AtomicBool>,
}

/// Notes that a part of the line was pasted, and leaves the paste to the editor.
struct NotePaste(Arc<AtomicBool>);

impl ConditionalEventHandler for NotePaste {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        self.0.store(true, Ordering::Relaxed);
        None
    }
}

impl Reader {
    fn terminal(self, mut editor: LineEditor) {
        let paste = KeyEvent(KeyCode::BracketedPasteStart, Modifiers::NONE);
        let note = NotePaste(self.pasted.clone());
        editor.bind_sequence(Event::from(paste), EventHandler::Conditional(Box::new(note)));
        let mut answered = 0;
        let mut draft = Zeroizing::new(String::new());
        loop {
            let (question, what) = self.asked.next(answered);
            let prompt = match what {
                Ask::Chat => self.words.prompt,
                Ask::Compare => self.words.compare,
                Ask::Half | Ask::Nothing => self.words.half,
            };
            if what != Ask::Chat {
                // What was typed before the code was there cannot be an answer to it.
                let _ = tcflush(io::stdin(), QueueSelector::IFlush);
            }
            // A draft that came back may hold what was pasted before.
            self.pasted.store(!draft.is_empty(), Ordering::Relaxed);
            let line = editor.readline_with_initial(prompt, (draft.as_str(), ""));
            draft.zeroize();
            let action = match line {
                Ok(line) => {
                    let line = Zeroizing::new(line);
                    match what {
                        Ask::Chat => {
                            if let Some(refused) = self.chat_line(&mut editor, line) {
                                draft = refused;
                            }
                            continue;
                        }
                        _ => answer(question, what, line),
                    }
                }
                Err(ReadlineError::Interrupted) => Action::Interrupt,
                Err(_) => Action::End,
            };
            answered = question;
            if self.act.blocking_send(action).is_err() {
                return;
            }
        }
    }

    /// Returns the line if it was not taken.
    fn chat_line(&self, editor: &mut LineEditor, line: Zeroizing<String>) -> Option<Zeroizing<String>> {
        if line.trim().is_empty() {
            return None;
        }
        let typed = !self.pasted.load(Ordering::Relaxed);
        match Typed::read(&line, typed) {
            Typed::Text(text) if text.len() > TEXT => {
                let _ = self.act.blocking_send(Action::Unsendable(Status::TooLong { limit: TEXT }));
                Some(line)
            }
            Typed::Text(text) => {
                let (taken, answer) = oneshot::channel();
                let text = Zeroizing::new(text.to_owned());
                let _ = self.act.blocking_send(Action::Say { text, taken });
                if answer.blocking_recv() == Ok(true) {
                    let _ = editor.add_history_entry(line.as_str());
                    None
                } else {
                    Some(line)
                }
            }
            Typed::Command(command) => {
                let _ = self.act.blocking_send(Action::Command(command));
                None
            }
            Typed::Unknown(name) => {
                let _ = self.act.blocking_send(Action::UnknownCommand(Printable::line(name)));
                None
            }
        }
    }

    fn pipe(self) {
        let mut input = io::stdin().lock();
        let mut answered = 0;
        loop {
            self.asked.next(answered);
            let line = read_line(&mut input);
            // The answer is to the code that was shown last, however long ago the reading began.
            let (question, what) = self.asked.now();
            let action = match line {
                Ok(Some(Line::Text(line))) if what == Ask::Chat => {
                    let (taken, _) = oneshot::channel();
                    Action::Say { text: line, taken }
                }
                Ok(Some(Line::Text(line))) => answer(question, what, line),
                Ok(Some(Line::Bad(status))) if what == Ask::Chat => Action::Unsendable(status),
                Ok(Some(Line::Bad(_))) => answer(question, what, Zeroizing::default()),
                Ok(None) | Err(_) => Action::End,
            };
            answered = question;
            let end = matches!(action, Action::End);
            if self.act.blocking_send(action).is_err() || end {
                return;
            }
        }
    }
}

fn answer(question: u64, what: Ask, typed: Zeroizing<String>) -> Action {
    match typed.trim() {
        "/next" | "／next" => Action::Next { question },
        typed if what == Ask::Compare => Action::Compared { question, same: compared(typed) },
        _ => Action::Half { question, typed },
    }
}

/// A line of the chat, as its writer meant it.
#[derive(PartialEq, Eq, Debug)]
enum Typed<'a> {
    Text(&'a str),
    Command(Command),
    Unknown(&'a str),
}

impl<'a> Typed<'a> {
    /// Only what was typed can be a command; a paste is a text whatever it begins with.
    fn read(line: &'a str, typed: bool) -> Self {
        let Some(rest) = line.strip_prefix(['/', '／']).filter(|_| typed) else { return Self::Text(line) };
        if rest.starts_with(['/', '／']) {
            return Self::Text(rest);
        }
        match rest.trim_end() {
            "help" | "?" => Self::Command(Command::Help),
            "code" => Self::Command(Command::Code),
            "who" => Self::Command(Command::Who),
            "quit" => Self::Command(Command::Quit),
            _ => Self::Unknown(line.split_whitespace().next().unwrap_or_default()),
        }
    }
}

enum Line {
    Text(Zeroizing<String>),
    Bad(Status),
}

/// One line without its end, at most [`TEXT`] bytes of it in memory; the rest of a longer one is skipped.
fn read_line(input: &mut impl io::BufRead) -> io::Result<Option<Line>> {
    let mut line = Zeroizing::new(Vec::with_capacity(256));
    let read = input.by_ref().take(TEXT as u64 + 1).read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(None);
    }
    let ended = line.last() == Some(&b'\n');
    if ended {
        line.pop();
    } else if line.len() > TEXT {
        skip_line(input)?;
        return Ok(Some(Line::Bad(Status::TooLong { limit: TEXT })));
    }
    let text = String::from_utf8(std::mem::take(&mut *line)).map_err(|error| error.into_bytes().zeroize());
    Ok(Some(match text {
        Ok(text) => Line::Text(Zeroizing::new(text)),
        Err(()) => Line::Bad(Status::NotUtf8),
    }))
}

fn skip_line(input: &mut impl io::BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(buffer.len(), |place| place + 1);
        input.consume(length);
        if end.is_some() || length == 0 {
            return Ok(());
        }
    }
}

struct Writer {
    lang: Lang,
    /// A person reads this, so status is in their language and not for a script.
    interactive: bool,
    printer: Option<Printer>,
    text_to_terminal: bool,
    status_to_terminal: bool,
    color: bool,
}

impl Writer {
    fn new(lang: Lang, interactive: bool, printer: Option<Printer>) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var("TERM").is_ok_and(|term| term == "dumb");
        Self {
            lang,
            interactive,
            printer,
            text_to_terminal: io::stdout().is_terminal(),
            status_to_terminal: io::stderr().is_terminal(),
            color: !plain,
        }
    }

    fn run(mut self, mut show: mpsc::Receiver<Show>, tell: &mpsc::Sender<Shown>) {
        while let Some(what) = show.blocking_recv() {
            let told = match what {
                Show::Status(status) => {
                    self.status(&status);
                    None
                }
                Show::Text(text) => Some(match self.text(&text) {
                    Ok(()) => Shown::Text(text.id),
                    Err(error) => Shown::Broken(error),
                }),
            };
            if let Some(told) = told
                && tell.blocking_send(told).is_err()
            {
                return;
            }
        }
    }

    fn text(&mut self, text: &Incoming) -> io::Result<()> {
        if !self.text_to_terminal {
            let mut line = if text.text.is_empty() {
                Zeroizing::new(String::new())
            } else {
                Zeroizing::new(Printable::line(&text.text).as_str().to_owned())
            };
            line.push('\n');
            let mut out = io::stdout().lock();
            return out.write_all(line.as_bytes()).and_then(|()| out.flush());
        }
        let printable = Printable::text(&text.text);
        let late = if text.age < LATE { String::new() } else { format!("(-{} s) ", text.age.as_secs()) };
        let head = format!("{} {late}{} ", local_time(), Words::of(self.lang).partner);
        let columns = columns();
        let mut out = Zeroizing::new(String::new());
        let indent = if columns < NARROW {
            out.push_str(&head);
            out.push('\n');
            0
        } else {
            head.width()
        };
        let (open, close) = printable.isolates();
        for (place, row) in printable.rows(columns.saturating_sub(indent + 3)).enumerate() {
            let gutter = if place == 0 && indent > 0 { head.clone() } else { " ".repeat(indent) };
            let gutter = if self.color { format!("\x1b[36m{gutter}│\x1b[0m ") } else { format!("{gutter}│ ") };
            for part in [gutter.as_str(), open, row, close, "\n"] {
                out.push_str(part);
            }
        }
        match &mut self.printer {
            Some(printer) => print_through(printer, std::mem::take(&mut *out)),
            None => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(out.as_bytes()).and_then(|()| stdout.flush())
            }
        }
    }

    fn status(&mut self, status: &Status) {
        let text = if self.interactive { Some(status.text(self.lang, columns())) } else { status.line() };
        let Some(text) = text else { return };
        let mut text =
            if self.interactive { Printable::text(&text).rows(columns()).collect::<Vec<_>>().join("\n") } else { text };
        if self.interactive && self.color && self.status_to_terminal {
            text = match status {
                Status::Code { .. } | Status::BothHalves { .. } | Status::Reach { .. } => text,
                Status::WrongHalf { .. } | Status::RunFailed { .. } => format!("\x07\x1b[1;31m{text}\x1b[0m"),
                _ => format!("\x1b[2m{text}\x1b[0m"),
            };
        }
        text.push('\n');
        match &mut self.printer {
            Some(printer) if self.status_to_terminal => {
                let _ = print_through(printer, text);
            }
            // Standard error may be closed: there is nobody left to tell.
            _ => {
                let _ = io::stderr().write_all(text.as_bytes());
            }
        }
    }
}

/// Prints above the prompt and returns once the editor has taken it.
///
/// The editor's queue holds one message: the second, which moves the cursor up
/// and down again, finds room only when the first is out of it.
fn print_through(printer: &mut Printer, text: String) -> io::Result<()> {
    let mut print = |text| printer.print(text).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe));
    print(text)?;
    print("\x1b[A\n".to_owned())
}

/// Hours and minutes on the user's clock.
pub fn local_time() -> String {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    Timestamp::now().to_zoned(ZONE.get_or_init(zone).clone()).strftime("%H:%M").to_string()
}

/// The user's time zone, or UTC where `TZ` names something that is no zone file:
/// the library would read a device for ever.
fn zone() -> TimeZone {
    let named = std::env::var("TZ").unwrap_or_default();
    let path = Path::new(named.trim_start_matches(':'));
    let file = path.metadata().is_ok_and(|file| file.is_file() && file.len() <= ZONE_FILE);
    let elsewhere = path.is_absolute() && !file || path.components().any(|part| part == Component::ParentDir);
    if elsewhere { TimeZone::UTC } else { TimeZone::system() }
}

fn columns() -> usize {
    let size = tcgetwinsize(io::stdout()).or_else(|_| tcgetwinsize(io::stderr()));
    let columns = size.map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { COLUMNS } else { columns.min(1_000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_only_what_was_typed() {
        assert_eq!(Typed::read("/quit", true), Typed::Command(Command::Quit));
        assert_eq!(Typed::read("／quit ", true), Typed::Command(Command::Quit));
        assert_eq!(Typed::read("/quit", false), Typed::Text("/quit"));
        assert_eq!(Typed::read("//quit", true), Typed::Text("/quit"));
        assert_eq!(Typed::read("/send x", true), Typed::Unknown("/send"));
        assert_eq!(Typed::read("see /quit", true), Typed::Text("see /quit"));
    }

    fn lines(input: &[u8]) -> Vec<Option<String>> {
        let mut input = input;
        let mut out = Vec::new();
        while let Some(line) = read_line(&mut input).unwrap() {
            out.push(match line {
                Line::Text(text) => Some(text.to_string()),
                Line::Bad(_) => None,
            });
        }
        out
    }

    #[test]
    fn a_pipe_is_cut_into_lines_and_bad_ones_are_told_apart() {
        assert_eq!(lines(b"a\n\nb"), [Some("a".into()), Some(String::new()), Some("b".into())]);
        assert_eq!(lines(b"a\n\xff\nb\0\n"), [Some("a".into()), None, Some("b\0".into())]);
        assert_eq!(lines(b""), []);
    }

    #[test]
    fn a_line_of_one_byte_too_many_is_refused_whole() {
        let exact = [vec![b'x'; TEXT], b"\nend\n".to_vec()].concat();
        assert_eq!(lines(&exact), [Some("x".repeat(TEXT)), Some("end".into())]);
        for extra in [1, 10_000, 200_000] {
            let long = [vec![b'x'; TEXT + extra], b"\nend\n".to_vec()].concat();
            assert_eq!(lines(&long), [None, Some("end".into())], "{extra}");
        }
        assert_eq!(lines(&vec![b'x'; TEXT]), [Some("x".repeat(TEXT))]);
    }
}
