//! What the room and its user say to each other, whatever the user sits at.

use std::io;
use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use super::commands::{Command, paths};
use super::messages::{Fault, Standing, Status, compared};
use super::printable::Printable;
use crate::protocol::delivery::Incoming;

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
    /// Files and folders to send.
    Send(Vec<PathBuf>),
    /// What the partner offers was taken, or not.
    Answer {
        /// Number of the offer that the user has seen.
        offer: u32,
        /// Whether it was taken.
        take: bool,
    },
    /// The code of an open room was compared.
    Judged {
        /// Whether it is the same on both screens.
        same: bool,
    },
    /// A command nobody knows.
    UnknownCommand(Printable),
    /// Ctrl-C at the prompt.
    Interrupt,
    /// Ctrl-D at the prompt, or the end of the pipe.
    End,
}

impl Action {
    /// A command, and what was typed after it, where the offer of that number was shown last.
    pub fn of(command: Command, argument: &str, offer: Option<u32>) -> Self {
        if let (Command::Get | Command::Decline, Some(offer)) = (command, offer) {
            return Self::Answer { offer, take: command == Command::Get };
        }
        if let (Command::Code, Some(same)) = (command, compared(argument)) {
            return Self::Judged { same };
        }
        let home = std::env::home_dir();
        match paths(argument, home.as_deref()) {
            Some(paths) if command == Command::Send && !paths.is_empty() => Self::Send(paths),
            _ => Self::Command(command),
        }
    }
}

/// What is to be shown.
pub enum Show {
    /// A text from the partner.
    Text(Incoming),
    /// A word of the program.
    Status(Status),
    /// How the room stands now.
    Standing(Standing),
    /// What was shown is to vanish.
    Wipe,
    /// The room is over, and the user may want to read what is there: why, if it ended otherwise than in order.
    End(Option<Fault>),
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
    /// Where they sit.
    pub seat: Seat,
}

/// Where the user sits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seat {
    /// Behind a pipe: lines are texts, and status is a few stable lines.
    Pipe,
    /// Behind a pipe: a program that reads every event and gives commands.
    Json,
    /// A person at a terminal, in lines.
    Lines,
    /// A person who hands over files, or takes them, and says nothing.
    Counter,
    /// A person at a full screen, which is theirs until they leave it.
    Screen,
}

impl Seat {
    /// Whether a person sits there.
    pub fn is_person(self) -> bool {
        matches!(self, Self::Lines | Self::Screen | Self::Counter)
    }

    /// Whether commands come from there at any time, and every status goes there.
    pub fn is_told_all(self) -> bool {
        self != Self::Pipe
    }

    /// Whether now and then a line says how far transfers are.
    pub fn is_told_progress(self) -> bool {
        matches!(self, Self::Json | Self::Lines)
    }

    /// Whether the standing of the room is shown there all the time.
    pub fn shows_standing(self) -> bool {
        matches!(self, Self::Json | Self::Screen | Self::Counter)
    }
}
