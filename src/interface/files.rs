//! What happens to files.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::refusal::FileRefusal;
use super::serialize;
use crate::printable::Printable;
use crate::system::SystemError;

/// Something that happened to files.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are what the sentence is made of")]
pub enum FileEvent {
    /// What the user wants to send cannot be sent.
    CannotSend {
        path: Printable,
        #[serde(flatten)]
        why: FileFault,
    },
    /// Files in a folder that are not sent with it: the first of them, and how many.
    LeftOut {
        name: Printable,
        #[serde(serialize_with = "left_out")]
        paths: Vec<(Printable, FileFault)>,
        count: usize,
    },
    /// A batch waits for the one that is under way.
    Queued { name: Printable, before: usize },
    /// A batch was offered to the partner.
    Offering { name: Printable, files: u32, bytes: Option<u64> },
    /// The partner accepted the batch.
    Accepted { name: Printable },
    /// The partner declined the batch, or the rest of it.
    PartnerDeclined { name: Printable },
    /// The batch is sent: all of it that could be stored is.
    Sent {
        name: Printable,
        files: u32,
        bytes: u64,
        #[serde(rename = "took_seconds", serialize_with = "serialize::seconds")]
        took: Duration,
        failed: u32,
    },
    /// Names of a batch are stored under others: the first of them, each a path and what its last part is called there,
    /// and how many.
    Renamed {
        name: Printable,
        #[serde(rename = "direction", serialize_with = "serialize::direction")]
        sending: bool,
        #[serde(serialize_with = "renamed")]
        names: Vec<(Printable, Printable)>,
        count: usize,
    },
    /// One of ours could not be sent, or the partner did not store it.
    NotSent {
        path: Printable,
        #[serde(flatten)]
        why: FileFault,
    },
    /// The partner offers files, to be stored in a folder; what they call them, if it is not by that name.
    Offered {
        offer: u32,
        name: Printable,
        offered_as: Option<Printable>,
        files: u32,
        bytes: Option<u64>,
        folder: Printable,
    },
    /// The partner offers files, and nobody can answer here.
    OfferRefused {
        name: Printable,
        #[serde(flatten)]
        why: FileFault,
    },
    /// There is too little space for the offered batch.
    NoSpace { name: Printable, needed: u64, free: u64 },
    /// The offered batch was accepted and is being received.
    Accepting { name: Printable, folder: Printable },
    /// The offered batch was declined.
    Declined { name: Printable },
    /// The batch was received: all of it that could be stored is, under this name.
    Stored {
        name: Printable,
        files: u32,
        bytes: u64,
        #[serde(rename = "took_seconds", serialize_with = "serialize::seconds")]
        took: Duration,
        failed: u32,
    },
    /// One of the partner's was not stored.
    NotStored {
        path: Printable,
        #[serde(flatten)]
        why: FileFault,
    },
    /// What the partner has of a large file is compared with the file, before the rest is sent.
    Checking { path: Printable },
    /// A file changed since its transfer began, which therefore restarts.
    Restarted {
        path: Printable,
        #[serde(rename = "direction", serialize_with = "serialize::direction")]
        sending: bool,
    },
    /// The disk is full.
    DiskFull { name: Printable },
    /// The disk has space again.
    Resumed { name: Printable },
    /// An offer was taken back, or went with the room, before anybody had accepted it.
    Withdrawn {
        name: Printable,
        #[serde(rename = "direction", serialize_with = "serialize::direction")]
        sending: bool,
        by: EndedBy,
    },
    /// A transfer ended before it was complete. Files that were complete by then stay.
    TransferEnded {
        name: Printable,
        #[serde(rename = "direction", serialize_with = "serialize::direction")]
        sending: bool,
        by: EndedBy,
    },
    /// A command about files was refused.
    Refused(FileRefusal),
    /// The progress of a transfer, where no bar shows it.
    Progress {
        name: Printable,
        #[serde(rename = "direction", serialize_with = "serialize::direction")]
        sending: bool,
        progress: Progress,
    },
}

impl FileEvent {
    /// Whether a program that reads late may miss this event: it is momentary, or answers a command.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Progress { .. } | Self::Checking { .. } | Self::Refused(_) => true,
            Self::CannotSend { why, .. } => *why == FileFault::TooManyWait,
            _ => false,
        }
    }
}

/// Who, or what, ended a batch before it was complete.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// Our side.
    Us,
    /// The partner.
    Partner,
    /// The connection was lost and did not come back.
    Connection,
    /// The partner was there, and said nothing of the batch for as long as [`ANSWER`](super::ANSWER).
    Silence,
}

/// Why a file is not sent or not stored.
#[derive(Serialize, Clone, PartialEq, Eq)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum FileFault {
    /// An error of the system.
    System(#[serde(skip)] SystemError),
    /// There is no such file or folder.
    Missing,
    /// It is a folder without a file that can be sent.
    Nothing,
    /// More files than one batch may have.
    TooMany(#[serde(skip)] u32),
    /// So many wait already.
    TooManyWait,
    /// It is a link.
    Link,
    /// It is the user's home, or the root of the system: more than anybody means to send.
    Home,
    /// It is a pipe, a socket or a device.
    Special,
    /// It may not be read.
    Unreadable,
    /// It has no name, or one that is not UTF-8, too long or too deep.
    Name,
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

/// The progress of a batch.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Files that are complete.
    pub files: u32,
    /// Files of the batch.
    pub of_files: u32,
    /// Bytes that are transferred.
    pub bytes: u64,
    /// Bytes of the batch, if known.
    pub of_bytes: Option<u64>,
    /// Bytes a second.
    #[serde(rename = "bytes_per_second")]
    pub rate: u64,
    /// Whether it waits: for the partner's answer, the connection or space, or while what is there is checked.
    #[serde(rename = "waiting")]
    pub waits: bool,
}

impl Progress {
    /// Percentage done, if the size is known.
    pub fn percent(&self) -> Option<u64> {
        let of = self.of_bytes?;
        Some(if of == 0 { 100 } else { (u128::from(self.bytes) * 100 / u128::from(of)) as u64 })
    }

    /// Seconds left at the current rate, if the size is known.
    pub fn left(&self) -> Option<u64> {
        self.of_bytes?.saturating_sub(self.bytes).checked_div(self.rate)
    }
}

fn left_out<S: Serializer>(paths: &[(Printable, FileFault)], to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct LeftOut<'a> {
        path: &'a Printable,
        #[serde(flatten)]
        why: &'a FileFault,
    }
    to.collect_seq(paths.iter().map(|(path, why)| LeftOut { path, why }))
}

fn renamed<S: Serializer>(names: &[(Printable, Printable)], to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Renamed<'a> {
        path: &'a Printable,
        stored_as: &'a Printable,
    }
    to.collect_seq(names.iter().map(|(path, stored_as)| Renamed { path, stored_as }))
}
