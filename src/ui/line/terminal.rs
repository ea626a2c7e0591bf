//! The terminal: its modes, its width, and the line editor that owns its last row.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use rustyline::config::{Behavior, BellStyle, Config};
use rustyline::history::MemHistory;
use rustyline::{Editor, ExternalPrinter, Prompt};
use zeroize::Zeroizing;

use crate::ui::messages::{Lang, Words};

/// Columns where nobody says how many there are.
const COLUMNS: usize = 80;
/// How long the editor may take to stand still when the program ends.
const FREEZE: Duration = Duration::from_millis(500);
/// Ends a synchronized update and bracketed paste, and clears the row of the prompt.
const RESET: &[u8] = b"\x1b[?2026l\x1b[?2004l\r\x1b[K";
/// Goes up and down again: moves nothing, but makes the editor paint its prompt.
const NUDGE: &str = "\x1b[A\n";

/// A line editor with its history in memory only.
pub type LineEditor = Editor<(), MemHistory>;
type Printer = Box<dyn ExternalPrinter + Send>;

/// Remembers how the terminal was, to put it back however the program ends.
#[derive(Clone)]
pub struct TerminalGuard(Option<Termios>);

impl TerminalGuard {
    /// Takes note of the terminal's modes, if there is one.
    pub fn new() -> Self {
        Self(tcgetattr(io::stdin()).ok())
    }

    /// Puts the modes back, also those that the line editor has set by escape sequences.
    pub fn restore(&self) {
        if let Some(modes) = &self.0 {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, modes);
            if let Ok(mut terminal) = OpenOptions::new().write(true).open("/dev/tty") {
                let _ = terminal.write_all(RESET);
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

/// The editor, and what prints above its prompt. `None` where the terminal cannot do either.
pub fn editor() -> Option<(LineEditor, Option<Printer>)> {
    let config =
        Config::builder().behavior(Behavior::PreferTerm).bell_style(BellStyle::None).auto_add_history(false).build();
    let mut editor = LineEditor::with_history(config, MemHistory::new()).ok()?;
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
    pub fn print(&mut self, mut rows: Zeroizing<String>, plain: &mut impl Write) -> io::Result<()> {
        match &mut self.printer {
            Some(printer) => {
                let before = self.watch.state().painted;
                printer.print(std::mem::take(&mut *rows)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
                self.watch.wait_painted(before);
                Ok(())
            }
            None => plain.write_all(rows.as_bytes()).and_then(|()| plain.flush()),
        }
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

/// Observes the editor through the prompt: it asks for its text whenever it has
/// written what was to be printed above, before it paints the prompt again.
#[derive(Default)]
pub struct Watch {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    reading: bool,
    painted: u64,
    freezing: bool,
    frozen: bool,
}

impl Watch {
    /// Reads one line, with `draft` already in it.
    pub fn read(&self, editor: &mut LineEditor, prompt: &str, draft: &str) -> rustyline::Result<String> {
        self.state().reading = true;
        let line = editor.readline_with_initial(&Watched { prompt, watch: self }, (draft, ""));
        self.state().reading = false;
        self.changed.notify_all();
        line
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn painting(&self) {
        let mut state = self.state();
        state.painted += 1;
        state.frozen = state.freezing;
        self.changed.notify_all();
        while state.frozen {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wait_painted(&self, before: u64) {
        let mut state = self.state();
        while state.reading && state.painted == before {
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
        self.watch.painting();
        self.prompt
    }
}

/// Columns of the terminal.
pub fn columns() -> usize {
    let size = tcgetwinsize(io::stdout()).or_else(|_| tcgetwinsize(io::stderr()));
    let columns = size.map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { COLUMNS } else { columns.min(1_000) }
}
