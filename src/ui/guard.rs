//! Gives the terminal back as it was, however the program ends.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use super::keyboard::RESET_KEYS;

/// Ends a synchronized update and bracketed paste, and clears the row of the prompt.
const RESET: &str = "\x1b[?2026l\x1b[?2004l\r\x1b[K";
/// Clears the full screen, undoes its modes, and brings back the screen and the window's title from before.
const LEAVE: &str =
    "\x1b[?2026l\x1b[0m\x1b[2J\x1b[?1006l\x1b[?1000l\x1b[?1004l\x1b[?2004l\x1b[?25h\x1b[?7h\x1b[?1049l\x1b[23;2t";

/// Whether the terminal understands no control sequence.
pub fn is_dumb() -> bool {
    !std::env::var("TERM").is_ok_and(|term| !term.is_empty() && term != "dumb")
}

/// Remembers how the terminal was.
#[derive(Clone)]
pub struct TerminalGuard {
    modes: Option<Termios>,
    /// The full screen is on.
    full: Arc<AtomicBool>,
}

impl TerminalGuard {
    /// Takes note of the terminal's modes, if there is one.
    pub fn new() -> Self {
        Self { modes: tcgetattr(io::stdin()).ok(), full: Arc::default() }
    }

    /// The full screen takes the terminal.
    pub fn take(&self) {
        self.full.store(true, Ordering::SeqCst);
    }

    /// Whether the full screen has it.
    pub fn is_taken(&self) -> bool {
        self.full.load(Ordering::SeqCst)
    }

    /// Puts the modes back, also those that were set by escape sequences.
    pub fn restore(&self) {
        let Some(modes) = &self.modes else { return };
        let full = self.full.swap(false, Ordering::SeqCst);
        let bytes = if full { [RESET_KEYS, LEAVE].concat() } else { RESET.to_owned() };
        // An answer of the terminal that comes late is not for the shell.
        let actions = if full { OptionalActions::Flush } else { OptionalActions::Now };
        let _ = tcsetattr(io::stdin(), actions, modes);
        if is_dumb() {
            return;
        }
        if let Ok(mut terminal) = OpenOptions::new().write(true).open("/dev/tty") {
            let _ = terminal.write_all(bytes.as_bytes());
        } else if full {
            let _ = io::stdout().write_all(bytes.as_bytes()).and_then(|()| io::stdout().flush());
        }
    }
}

impl Default for TerminalGuard {
    fn default() -> Self {
        Self::new()
    }
}
