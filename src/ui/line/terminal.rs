//! The terminal: its modes, the rows that go by, and the prompt in its last row.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;

use rustix::termios::{OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr};
use zeroize::{Zeroize as _, Zeroizing};

use super::field::Row;
use crate::printable::append;
use crate::ui::guard::is_dumb;
use crate::ui::keyboard::{RESET_KEYS, SET_KEYS};
use crate::ui::rows::columns_of;

/// Bytes that are seldom exceeded by what is written at once.
const WRITTEN: usize = 64 * 1024;
/// Has a paste marked as one.
const TAKE: &str = "\x1b[?2004h";
/// No longer.
const GIVE_BACK: &str = "\x1b[?2004l";
/// Empties the cursor's row.
const CLEAR_ROW: &str = "\r\x1b[K";
/// Clears the terminal and what it has scrolled away.
pub const WIPE: &str = "\x1b[H\x1b[2J\x1b[3J";
/// Empties the screen.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// The terminal of a person in lines.
///
/// Rows are printed above the prompt: it is cleared, the rows are written and it is painted again, all in one write.
/// A dumb terminal keeps its own modes and its own line editor, and never gets a control sequence.
pub struct Terminal {
    out: File,
    /// The modes before ours.
    modes: Option<Termios>,
    dumb: bool,
    taken: bool,
    /// Nothing is painted any more.
    still: bool,
    /// What is to stand in the row of the prompt.
    prompt: Option<Row>,
    /// What stands there.
    painted: Option<Row>,
    /// What is about to be written; wiped when it was.
    bytes: Zeroizing<String>,
}

impl Terminal {
    /// The controlling terminal, or what else there is to write to. `None` without one.
    pub fn open() -> Option<Self> {
        if !io::stdin().is_terminal() {
            return None;
        }
        let out = match OpenOptions::new().write(true).open("/dev/tty") {
            Ok(terminal) => terminal,
            Err(_) if io::stdout().is_terminal() => File::from(io::stdout().as_fd().try_clone_to_owned().ok()?),
            Err(_) if io::stderr().is_terminal() => File::from(io::stderr().as_fd().try_clone_to_owned().ok()?),
            Err(_) => return None,
        };
        Some(Self {
            out,
            modes: tcgetattr(io::stdin()).ok(),
            dumb: is_dumb(),
            taken: false,
            still: false,
            prompt: None,
            painted: None,
            bytes: Zeroizing::new(String::with_capacity(WRITTEN)),
        })
    }

    /// Whether whole lines come from it, edited and echoed by itself.
    pub fn is_dumb(&self) -> bool {
        self.dumb
    }

    /// Columns of it.
    pub fn columns(&self) -> usize {
        columns_of(&self.out)
    }

    /// Has every key reported, and paints the prompt.
    pub fn take(&mut self) -> io::Result<()> {
        if self.still {
            return Ok(());
        }
        if let (Some(modes), false) = (&self.modes, self.dumb) {
            let mut raw = modes.clone();
            raw.make_raw();
            // A line feed still begins a row.
            raw.output_modes = modes.output_modes;
            tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
            append(&mut self.bytes, TAKE);
            append(&mut self.bytes, SET_KEYS);
        }
        self.taken = true;
        self.painted = None;
        self.paint()
    }

    /// Puts the terminal back as it was, without the prompt.
    pub fn give_back(&mut self) {
        if !self.dumb && self.taken {
            self.erase();
            append(&mut self.bytes, GIVE_BACK);
            append(&mut self.bytes, RESET_KEYS);
            let _ = self.send();
            if let Some(modes) = &self.modes {
                let _ = tcsetattr(io::stdin(), OptionalActions::Now, modes);
            }
        }
        self.taken = false;
    }

    /// The same, for good: only rows are printed from here on.
    pub fn freeze(&mut self) {
        if self.dumb && self.painted.take().is_some() {
            let _ = self.out.write_all(b"\n");
        }
        self.give_back();
        self.still = true;
    }

    /// Drops what was typed and not read yet.
    pub fn forget_input(&self) {
        if !self.dumb {
            let _ = tcflush(io::stdin(), QueueSelector::IFlush);
        }
    }

    /// What is to stand in the row of the prompt from the next write on.
    pub fn set_prompt(&mut self, prompt: Option<Row>) {
        self.prompt = prompt;
    }

    /// Paints the prompt, with as little as will do.
    pub fn paint(&mut self) -> io::Result<()> {
        if self.still || !self.taken || self.prompt == self.painted {
            return if self.bytes.is_empty() { Ok(()) } else { self.send() };
        }
        // Most keys only add something: then nothing else is written.
        let whole = |row: &Row| row.cursor == row.text.len();
        let added = match (&self.painted, &self.prompt) {
            (Some(before), Some(now)) if whole(before) && whole(now) => now.text.strip_prefix(before.text.as_str()),
            _ => None,
        };
        if let Some(added) = added.filter(|_| !self.dumb) {
            append(&mut self.bytes, added);
        } else {
            self.erase();
            self.draw();
        }
        self.painted = self.prompt.as_ref().map(Row::copy);
        self.send()
    }

    /// Prints whole rows above the prompt.
    pub fn print(&mut self, rows: &str) -> io::Result<()> {
        self.erase();
        append(&mut self.bytes, rows);
        if !self.still && self.taken {
            self.draw();
            self.painted = self.prompt.as_ref().map(Row::copy);
        }
        self.send()
    }

    /// Empties the screen, but for the prompt.
    pub fn clear(&mut self) -> io::Result<()> {
        if !self.dumb {
            append(&mut self.bytes, CLEAR);
        }
        self.painted = None;
        self.paint()
    }

    /// The line in the row of the prompt was ended by the terminal itself.
    pub fn line_ended(&mut self) {
        self.painted = None;
    }

    fn erase(&mut self) {
        if self.painted.take().is_some() {
            append(&mut self.bytes, if self.dumb { "\n" } else { CLEAR_ROW });
        }
    }

    /// Draws the prompt on an empty row. The cursor gets to its place by drawing what stands before it once more, so
    /// that it is right whatever the terminal thinks of the width of a character.
    fn draw(&mut self) {
        let Some(row) = &self.prompt else { return };
        if self.dumb {
            append(&mut self.bytes, &row.text);
            return;
        }
        append(&mut self.bytes, CLEAR_ROW);
        append(&mut self.bytes, &row.text);
        if let Some(before) = row.text.get(..row.cursor).filter(|_| row.cursor < row.text.len()) {
            append(&mut self.bytes, "\r");
            append(&mut self.bytes, before);
        }
    }

    fn send(&mut self) -> io::Result<()> {
        let sent = self.out.write_all(self.bytes.as_bytes());
        self.bytes.zeroize();
        sent
    }
}

/// Columns of the terminal that the texts go to.
pub fn columns() -> usize {
    if io::stdout().is_terminal() { columns_of(io::stdout()) } else { columns_of(io::stderr()) }
}
