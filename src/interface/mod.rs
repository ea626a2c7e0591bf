//! What the room and its user say to each other, whatever the user sits at. Not one sentence of any language.

pub mod event;
pub mod fault;
pub mod files;
pub mod finding;
pub mod refusal;
pub mod route;
mod serialize;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use crate::protocol::delivery::Incoming;
use event::{Event, Status};
use fault::Fault;

/// Relays that an invite can name.
pub const RELAYS: usize = 8;
/// How long a partner who is there may leave unsaid what became of what was sent: the next receipt for the texts of a
/// script that has said everything, a word about the files of anybody.
pub const ANSWER: Duration = Duration::from_secs(60);

/// The kind of question that the user is asked.
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

/// Something that the user did.
pub enum Request {
    /// A half was typed in answer to a question.
    Half {
        /// As in [`Output::Ask`].
        question: u64,
        /// As typed.
        typed: Zeroizing<String>,
    },
    /// Both screens were compared in answer to a question.
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
    /// A text to send. The front end keeps it unless `taken` receives true.
    Say {
        /// The text.
        text: Zeroizing<String>,
        /// Whether it was taken.
        taken: oneshot::Sender<bool>,
    },
    /// A line that cannot be sent, and why.
    Unsendable(Event),
    /// Files and folders to send.
    Send(Vec<PathBuf>),
    /// An offer was accepted or declined.
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
    /// The transfer that is under way is to end.
    Cancel,
    /// Who the partner is, and how the connection is secured.
    Who,
    /// What the connection depends on is to be checked.
    Doctor,
    /// Both halves of the code again.
    Code,
    /// Fresh keys now.
    Rekey,
    /// Everything is to be wiped, and the room to be left at once.
    Panic,
    /// A command that the front end refused, and why.
    Refused(Event),
    /// The user leaves the room, or gives up.
    Leave,
    /// Ctrl-D at the prompt, or the end of the pipe.
    End,
}

/// Something for the front end to show.
pub enum Output {
    /// A text from the partner.
    Text(Incoming),
    /// Something that happened.
    Event(Event),
    /// The current state of the room.
    Status(Status),
    /// Everything that was shown is to be wiped.
    Wipe,
    /// The room is over, with the reason unless it ended in order. What is shown may stay readable.
    End(Option<Fault>),
    /// The user is asked something, once they have seen what it is about.
    Ask {
        /// Number of the question, other than that of any before.
        question: u64,
        /// What is asked from now on.
        what: PromptKind,
        /// What the user must see first.
        about: Option<Event>,
    },
}

/// What the front end reports back.
pub enum Ack {
    /// The text of that id is on the screen, or written and flushed.
    Text(u32),
    /// Standard output is gone.
    Broken(io::Error),
}

/// The channels between the room and a front end.
pub struct UserChannels {
    /// What the user does.
    pub requests: mpsc::Receiver<Request>,
    /// What was shown.
    pub acks: mpsc::Receiver<Ack>,
    /// What to show.
    pub output: mpsc::Sender<Output>,
    /// What the front end can do.
    pub frontend: Frontend,
}

/// What a front end can do, and what it is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frontend {
    /// A person sits there, who can be asked and may leave twice: politely, then at once.
    pub person: bool,
    /// Commands come at any time. Otherwise lines are messages, and the next is read when it can be sent.
    pub converses: bool,
    /// Shows a [`Status`] all the time.
    pub shows_status: bool,
    /// Tells the progress of transfers in lines of its own.
    pub tells_progress: bool,
    /// Is a program that must miss nothing of what became of a file, and is told the end.
    pub lossless: bool,
    /// Stays after the end of a room until its user leaves.
    pub stays: bool,
}

impl Frontend {
    /// A pipe: lines are messages, and events are a few stable lines.
    pub const PIPE: Self = Self {
        person: false,
        converses: false,
        shows_status: false,
        tells_progress: false,
        lossless: false,
        stays: false,
    };
    /// A program that reads every event and gives commands, in a pipe.
    pub const JSON: Self =
        Self { converses: true, shows_status: true, tells_progress: true, lossless: true, ..Self::PIPE };
    /// A person at a terminal, in lines.
    pub const LINES: Self = Self { person: true, converses: true, tells_progress: true, ..Self::PIPE };
    /// A person who hands over files, or takes them, and says nothing.
    pub const TRANSFER: Self = Self { person: true, converses: true, shows_status: true, ..Self::PIPE };
    /// A person at a full screen.
    pub const SCREEN: Self = Self { person: true, converses: true, shows_status: true, stays: true, ..Self::PIPE };
}
