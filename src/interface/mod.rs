//! What the room and its user say to each other, whatever the user sits at. Not one sentence of any language.

pub mod event;
pub mod fault;
pub mod files;
pub mod finding;

use std::io;
use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use crate::printable::Printable;
use crate::protocol::delivery::Incoming;
use event::{Event, Status};
use fault::Fault;

/// Relays that an invite can name.
pub const RELAYS: usize = 8;

/// What is asked of the user now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PromptKind {
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
pub enum Request {
    /// A half was typed, for the question of that number.
    Half {
        /// As in [`Output::Ask`].
        question: u64,
        /// As typed.
        typed: Zeroizing<String>,
    },
    /// Both screens were compared, for the question of that number.
    Compared {
        /// As in [`Output::Ask`].
        question: u64,
        /// `None` if neither word was typed.
        same: Option<bool>,
    },
    /// The caller is not the partner.
    Next {
        /// As in [`Output::Ask`].
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
    Unsendable(Event),
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

/// A command of the chat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// What there is.
    Help,
    /// With whom, how.
    Who,
    /// What the room stands on, and what can be done about it.
    Doctor,
    /// The pairing code again.
    Code,
    /// Looks for a text on the screen.
    Find,
    /// Wipes the screen.
    Clear,
    /// Hides the screen until a passphrase is typed.
    Lock,
    /// Offers files and folders.
    Send,
    /// Takes what the partner offers.
    Get,
    /// Does not.
    Decline,
    /// Ends what is under way.
    Cancel,
    /// Fresh keys now.
    Rekey,
    /// Wipes everything and ends, at once.
    Panic,
    /// Leaves.
    Quit,
}

impl Command {
    /// All of them, in the order of the help.
    pub const ALL: [Self; 14] = [
        Self::Help,
        Self::Send,
        Self::Get,
        Self::Decline,
        Self::Cancel,
        Self::Who,
        Self::Doctor,
        Self::Code,
        Self::Find,
        Self::Clear,
        Self::Lock,
        Self::Rekey,
        Self::Panic,
        Self::Quit,
    ];

    /// What is typed after the slash.
    pub fn name(self) -> &'static str {
        match self {
            Self::Help => "help",
            Self::Who => "who",
            Self::Doctor => "doctor",
            Self::Code => "code",
            Self::Find => "find",
            Self::Clear => "clear",
            Self::Lock => "lock",
            Self::Send => "send",
            Self::Get => "get",
            Self::Decline => "decline",
            Self::Cancel => "cancel",
            Self::Rekey => "rekey",
            Self::Panic => "panic",
            Self::Quit => "quit",
        }
    }
}

/// What is to be shown.
pub enum Output {
    /// A text from the partner.
    Text(Incoming),
    /// A word of the program.
    Event(Event),
    /// How the room stands now.
    Status(Status),
    /// What was shown is to vanish.
    Wipe,
    /// The room is over, and the user may want to read what is there: why, if it ended otherwise than in order.
    End(Option<Fault>),
    /// Another question, once what it is about is shown.
    Ask {
        /// Number of the question, other than that of any before.
        question: u64,
        /// What is asked from now on.
        what: PromptKind,
        /// What the user must see first.
        about: Option<Event>,
    },
}

/// What became of what was to be shown.
pub enum Ack {
    /// The text of that id is on the screen, or written and flushed.
    Text(u32),
    /// Standard output is gone.
    Broken(io::Error),
}

/// The user, as the room sees them.
pub struct UserChannels {
    /// What they do.
    pub requests: mpsc::Receiver<Request>,
    /// What they have been shown.
    pub acks: mpsc::Receiver<Ack>,
    /// What to show them.
    pub output: mpsc::Sender<Output>,
    /// Where they sit.
    pub frontend: Frontend,
}

/// Where the user sits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frontend {
    /// Behind a pipe: lines are texts, and status is a few stable lines.
    Pipe,
    /// Behind a pipe: a program that reads every event and gives commands.
    Json,
    /// A person at a terminal, in lines.
    Lines,
    /// A person who hands over files, or takes them, and says nothing.
    Transfer,
    /// A person at a full screen, which is theirs until they leave it.
    Screen,
}

impl Frontend {
    /// Whether a person sits there.
    pub fn is_person(self) -> bool {
        matches!(self, Self::Lines | Self::Screen | Self::Transfer)
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
        matches!(self, Self::Json | Self::Screen | Self::Transfer)
    }
}
