//! The terminal: its modes, its width, and the line editor that owns its last row.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::termios::tcgetwinsize;
use rustyline::completion::Completer;
use rustyline::config::{Behavior, BellStyle, ColorMode, Config};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, ExternalPrinter, Helper, Prompt};
use zeroize::Zeroizing;

use crate::interface::Command;
use crate::protocol::invite::MARK;
use crate::ui::commands::Typed;
use crate::ui::complete::rest_of_path;
use crate::ui::words::{self, Lang};

/// Columns where nobody says how many there are.
const COLUMNS: usize = 80;
/// How long the editor may take to stand still when the program ends.
const FREEZE: Duration = Duration::from_millis(500);
/// Goes up and down again: moves nothing, but makes the editor paint its prompt.
const NUDGE: &str = "\x1b[A\n";
/// After so long a nudge that was not followed is repeated.
const NUDGE_AGAIN: Duration = Duration::from_millis(250);

/// A line editor with its history in memory only.
pub type LineEditor = Editor<Painting, MemHistory>;
type Printer = Box<dyn ExternalPrinter + Send>;

/// Asks for the partner's address, so that the command line need not tell with whom one talks.
///
/// `None` without a terminal, or when nothing was typed.
pub fn ask_address(lang: Lang) -> Option<Zeroizing<String>> {
    if !io::stdin().is_terminal() {
        return None;
    }
    let (mut editor, _) = editor(&Arc::default())?;
    editor.set_helper(Some(Painting { watch: Arc::default(), hides: true }));
    editor.readline(words::words(lang).address).ok().map(Zeroizing::new).filter(|typed| !typed.trim().is_empty())
}

/// The editor, observed by `watch`, and what prints above its prompt. `None` where the terminal cannot do either.
pub fn editor(watch: &Arc<Watch>) -> Option<(LineEditor, Option<Printer>)> {
    let config = Config::builder()
        .behavior(Behavior::PreferTerm)
        .bell_style(BellStyle::None)
        .auto_add_history(false)
        // Not for colours: else the editor would not say when it paints.
        .color_mode(ColorMode::Forced)
        .build();
    let mut editor = LineEditor::with_history(config, MemHistory::new()).ok()?;
    editor.set_helper(Some(Painting { watch: Arc::clone(watch), hides: false }));
    let printer = editor.create_external_printer().ok().map(|printer| Box::new(printer) as Printer);
    Some((editor, printer))
}

/// The way to the terminal past the editor's prompt.
pub struct Screen {
    printer: Option<Printer>,
    watch: Arc<Watch>,
}

impl Screen {
    /// Prints above the prompt that `watch` observes.
    pub fn new(printer: Option<Printer>, watch: Arc<Watch>) -> Self {
        Self { printer, watch }
    }

    /// Prints whole rows and returns once they are on the terminal; to `plain` where there is no prompt.
    ///
    /// The editor's own printer would let rows overtake each other when it stops
    /// reading between two of them. It is used to wake the editor only.
    pub fn print(&mut self, rows: Zeroizing<String>, plain: &mut impl Write) -> io::Result<()> {
        let Some(printer) = &mut self.printer else {
            return plain.write_all(rows.as_bytes()).and_then(|()| plain.flush());
        };
        let mut state = self.watch.state();
        state.rows = rows;
        if !state.reading {
            return state.write_rows();
        }
        while !state.rows.is_empty() {
            if state.painted {
                drop(state);
                printer.print(NUDGE.to_owned()).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
                state = self.watch.state();
            }
            if !state.rows.is_empty() {
                let woken = self.watch.changed.wait_timeout(state, NUDGE_AGAIN);
                state = woken.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        state.failed.take().map_or(Ok(()), Err)
    }

    /// Makes the editor stand still, so that it writes nothing after the program's last words.
    pub fn freeze(&mut self) {
        let reading = {
            let mut state = self.watch.state();
            state.freezing = true;
            state.reading
        };
        if let Some(printer) = &mut self.printer
            && reading
            && printer.print(NUDGE.to_owned()).is_ok()
        {
            self.watch.wait_frozen();
        }
    }
}

/// Observes when the editor paints its prompt, and prints rows above it then.
///
/// The editor asks for the prompt whenever it paints. If no key was the reason
/// it has cleared the prompt and stands at the start of a row.
#[derive(Default)]
pub struct Watch {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The editor reads a line, and has the terminal.
    reading: bool,
    /// It has painted since it began to.
    painted: bool,
    /// The next paint is due to a key.
    by_key: bool,
    /// What is to be printed above the prompt.
    rows: Zeroizing<String>,
    failed: Option<io::Error>,
    freezing: bool,
    frozen: bool,
}

impl State {
    /// Where the editor writes, too: the controlling terminal, or standard output without one.
    fn write_rows(&mut self) -> io::Result<()> {
        let rows = std::mem::take(&mut self.rows);
        match OpenOptions::new().write(true).open("/dev/tty") {
            Ok(mut terminal) => terminal.write_all(rows.as_bytes()),
            Err(_) => io::stdout().write_all(rows.as_bytes()).and_then(|()| io::stdout().flush()),
        }
    }
}

impl Watch {
    /// Reads one line, with `draft` already in it.
    pub fn read(&self, editor: &mut LineEditor, prompt: &str, draft: &str) -> rustyline::Result<String> {
        self.state().reading = true;
        let line = editor.readline_with_initial(&Watched { prompt, watch: self }, (draft, ""));
        let mut state = self.state();
        state.reading = false;
        state.painted = false;
        if !state.rows.is_empty() {
            state.failed = state.write_rows().err();
        }
        self.changed.notify_all();
        line
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn painting(&self) {
        let mut state = self.state();
        let by_key = std::mem::take(&mut state.by_key);
        state.painted = true;
        if !by_key && !state.rows.is_empty() {
            state.failed = state.write_rows().err();
        }
        state.frozen = state.freezing;
        self.changed.notify_all();
        while state.frozen {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wait_frozen(&self) {
        let waiting = |state: &mut State| state.reading && !state.frozen;
        drop(self.changed.wait_timeout_while(self.state(), FREEZE, waiting));
    }
}

struct Watched<'a> {
    prompt: &'a str,
    watch: &'a Watch,
}

impl Prompt for Watched<'_> {
    fn raw(&self) -> &str {
        self.prompt
    }

    fn styled(&self) -> &str {
        self.watch.painting();
        self.prompt
    }
}

/// Tells a [`Watch`] that a key is the reason of the next paint.
pub struct Painting {
    watch: Arc<Watch>,
    /// An invite is not to be seen.
    hides: bool,
}

impl Highlighter for Painting {
    /// Called before each paint but the one after an external print. Saying true makes sure that one follows.
    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.watch.state().by_key = true;
        true
    }

    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        match line.split_once(MARK) {
            Some((before, secret)) if self.hides && before.trim().is_empty() => {
                let hidden = |c: char| if c.is_whitespace() { c } else { '*' };
                format!("{before}{MARK}{}", secret.chars().map(hidden).collect::<String>()).into()
            }
            _ => line.into(),
        }
    }
}

impl Completer for Painting {
    type Candidate = String;

    /// Paths after `/send`, at the end of the line.
    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let rest = match Typed::read(line, at == line.len()) {
            Typed::Command(Command::Send, _) => line
                .split_once(char::is_whitespace)
                .and_then(|(_, argument)| rest_of_path(argument, std::env::home_dir().as_deref())),
            _ => None,
        };
        Ok((at, rest.into_iter().collect()))
    }
}

impl Hinter for Painting {
    type Hint = String;
}

impl Validator for Painting {}

impl Helper for Painting {}

/// Columns of the terminal.
pub fn columns() -> usize {
    let size = tcgetwinsize(io::stdout()).or_else(|_| tcgetwinsize(io::stderr()));
    let columns = size.map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { COLUMNS } else { columns.min(1_000) }
}
