//! Line mode: a prompt on a terminal, or lines in a pipe.
//!
//! Two threads, because both sides block: one reads what is typed, one writes
//! what is shown. Chat goes to standard output, everything else to standard error.

mod reader;
mod terminal;
mod writer;

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use super::messages::{Fault, Lang, Status, Words};
use super::printable::Printable;
use crate::protocol::delivery::Incoming;
use reader::Reader;
use terminal::{Screen, editor};
pub use terminal::{TerminalGuard, ask_address};
use writer::Writer;
pub use writer::{local_time, output_is_closed};

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
    /// Fresh keys now.
    Rekey,
    /// `/who`
    Who,
    /// `/quit`
    Quit,
}

/// What the user did.
pub enum Action {
    /// A half was typed, for the question of that number.
    Half {
        /// As in [`Show::Ask`].
        question: u64,
        /// As typed.
        typed: Zeroizing<String>,
    },
    /// Both screens were compared, for the question of that number.
    Compared {
        /// As in [`Show::Ask`].
        question: u64,
        /// `None` if neither word was typed.
        same: Option<bool>,
    },
    /// The caller is not the partner.
    Next {
        /// As in [`Show::Ask`].
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
    /// Another question, once what it is about is shown.
    Ask {
        /// Number of the question, other than that of any before.
        question: u64,
        /// What is asked from now on.
        what: Ask,
        /// What the user must see first.
        about: Option<Status>,
    },
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
}

impl Ui {
    /// Starts both threads.
    pub fn start(lang: Lang) -> Self {
        let interactive = io::stdin().is_terminal();
        let (act, actions) = mpsc::channel(1);
        let (tell, shown) = mpsc::channel(64);
        let (screen, show) = mpsc::channel(64);
        let asked = Arc::new(Asked::default());
        let watch = Arc::default();
        let editor = if interactive { editor(&watch) } else { None };
        let (editor, printer) = editor.map_or((None, None), |(editor, printer)| (Some(editor), printer));
        let terminal = Screen::new(printer, Arc::clone(&watch));
        let writer = Writer::new(lang, interactive, terminal, Arc::clone(&asked));
        std::thread::spawn(move || writer.run(show, &tell));
        let reader = Reader::new(asked, act, Words::of(lang));
        std::thread::spawn(move || match editor {
            Some(editor) => reader.terminal(editor, &watch),
            None => reader.pipe(),
        });
        Self { actions, shown, screen, interactive }
    }
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
    /// Puts a question. A script may answer before `show` returns, and its answer counts.
    fn ask(&self, number: u64, what: Ask, show: impl FnOnce()) {
        let mut asked = self.what.lock().unwrap_or_else(PoisonError::into_inner);
        show();
        *asked = Question { number, what };
        self.changed.notify_all();
    }

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
