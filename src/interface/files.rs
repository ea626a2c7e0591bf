//! What happens to files.

use std::time::Duration;

use crate::printable::Printable;

/// What the program tells its user of files.
#[expect(missing_docs, reason = "the fields are what the sentence is made of")]
pub enum FileEvent {
    /// What the user wants to send cannot be sent.
    CannotSend { path: Printable, why: FileFault },
    /// Files in a folder that are not sent with it: the first of them, and how many.
    LeftOut { name: Printable, paths: Vec<(Printable, FileFault)>, count: usize },
    /// Waits for what is under way.
    Queued { name: Printable, before: usize },
    /// Offered to the partner.
    Offering { name: Printable, files: u32, bytes: Option<u64> },
    /// The partner takes it.
    Taken { name: Printable },
    /// The partner does not want it, or no more of it.
    NotWanted { name: Printable },
    /// All that could be stored is.
    Sent { name: Printable, files: u32, bytes: u64, took: Duration, failed: u32 },
    /// One of ours could not be sent, or the partner did not store it.
    NotSent { path: Printable, why: FileFault },
    /// The partner offers files, to be stored in a folder; what they call them, if it is not by that name.
    Offered {
        offer: u32,
        name: Printable,
        called: Option<Printable>,
        files: u32,
        bytes: Option<u64>,
        folder: Printable,
    },
    /// The partner offers files, and nobody can answer here.
    OfferRefused { name: Printable, why: FileFault },
    /// There is nothing to be taken or declined.
    NothingOffered,
    /// What was to be taken or declined is another offer than the one there is.
    StaleOffer,
    /// There is nothing to be ended.
    NothingUnderWay,
    /// Too little space for it.
    NoSpace { name: Printable, needed: u64, free: u64 },
    /// It comes.
    Taking { name: Printable, folder: Printable },
    /// We do not want it.
    Declined { name: Printable },
    /// All of it that could be stored is, under that name.
    Stored { name: Printable, files: u32, bytes: u64, took: Duration, failed: u32 },
    /// One of the partner's was not stored.
    NotStored { path: Printable, why: FileFault },
    /// What was there of it does not fit: it starts anew.
    Anew { path: Printable, sending: bool },
    /// No space is left.
    Full { name: Printable },
    /// There is space again.
    GoesOn { name: Printable },
    /// It ended before it was complete.
    Ended { name: Printable, sending: bool, by: EndedBy },
    /// How far it is, where no bar shows it.
    Progress { name: Printable, sending: bool, progress: Progress },
}

impl FileEvent {
    /// Whether a program that reads late may miss it: it is of one moment, or answers a command.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Progress { .. } | Self::NothingOffered | Self::NothingUnderWay | Self::StaleOffer => true,
            Self::CannotSend { why, .. } => *why == FileFault::TooManyWait,
            _ => false,
        }
    }
}

/// Who, or what, ended a batch before it was complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndedBy {
    /// Our side.
    Us,
    /// The partner.
    Partner,
    /// The line, and nobody came back.
    Line,
}

/// Why a file is not sent or not stored.
#[derive(Clone, PartialEq, Eq)]
pub enum FileFault {
    /// In the words of the system.
    System(Printable),
    /// There is no such file or folder.
    Missing,
    /// It is a folder without a file that can be sent.
    Nothing,
    /// More files than one batch may have.
    TooMany(u32),
    /// So many wait already.
    TooManyWait,
    /// It is a link.
    Link,
    /// It is a pipe, a socket or a device.
    Special,
    /// It may not be read.
    Unreadable,
    /// It has no name, or one that is not UTF-8, too long or too deep.
    Name,
    /// It has no file in it.
    Empty,
    /// It was changed meanwhile.
    Changed,
    /// A stream cannot be read twice.
    Stream,
    /// The partner did not store it.
    Partner,
    /// Its path would leave the folder, or no folder can have it.
    Path,
    /// It is not what was offered.
    OtherName,
    /// What came is not what was sent.
    Hash,
    /// The partner could not read it whole.
    Broken,
    /// There is nobody to ask.
    Nobody,
}

/// How far a batch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Files that are done.
    pub files: u32,
    /// Of so many.
    pub of_files: u32,
    /// Bytes that are done.
    pub bytes: u64,
    /// Of so many, if that is known.
    pub of_bytes: Option<u64>,
    /// Bytes a second.
    pub rate: u64,
    /// It waits: for the partner's answer, the line or space.
    pub waits: bool,
}

impl Progress {
    /// Parts of a hundred, if the end is known.
    pub fn percent(&self) -> Option<u64> {
        let of = self.of_bytes?;
        Some(if of == 0 { 100 } else { (u128::from(self.bytes) * 100 / u128::from(of)) as u64 })
    }

    /// Seconds until the end at this rate, if both are known.
    pub fn left(&self) -> Option<u64> {
        self.of_bytes?.saturating_sub(self.bytes).checked_div(self.rate)
    }
}
