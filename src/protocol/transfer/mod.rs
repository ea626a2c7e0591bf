//! Transfers of files: offers, acceptance, flow control, and what a break leaves open
//! (docs/PROTOCOL.md, section 7, "Files").
//!
//! Nothing here reads or writes a file: names, pieces and hashes are passed through.
//! In each direction one batch is open at a time, and its entries are sent one after
//! the other.

pub mod receiving;
pub mod sending;

use super::frame::{EntryKind, Frame, Hash};

/// Number of entries in the largest batch.
pub const ENTRIES: u32 = 100_000;
/// Number of bytes that a sender may send beyond what the receiver has reported as handled.
pub const WINDOW: u64 = 16 << 20;
/// Size of a stream whose length is not known.
pub const UNKNOWN: u64 = u64::MAX;
/// Number of entries that a receiver accepts ahead of the one that is arriving.
pub const AHEAD: usize = 256;
/// The BLAKE3 hash of no bytes: the prefix of an entry of which the receiver has nothing.
pub const NOTHING: Hash = [
    0xaf, 0x13, 0x49, 0xb9, 0xf5, 0xf9, 0xa1, 0xa6, 0xa0, 0x40, 0x4d, 0xea, 0x36, 0xdc, 0xc9, 0x49, 0x9b, 0xcb, 0x25,
    0xc9, 0xad, 0xc1, 0x12, 0xb7, 0xcc, 0x9a, 0x93, 0xca, 0xe4, 0x1f, 0x32, 0x62,
];
/// Stands in for the hash of an entry that its sender cannot send whole. Nothing has this hash.
pub const BROKEN: Hash = [0; 32];

/// An offer of a batch, as its sender describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// Number of the batch in its direction.
    pub batch: u32,
    /// Number of files.
    pub entries: u32,
    /// Size of all files in bytes, or [`UNKNOWN`].
    pub bytes: u64,
    /// Name of the file or folder, as the sender calls it. Make it safe before it reaches a screen or a disk.
    pub name: String,
}

impl Offer {
    fn frame(&self) -> Frame<'_> {
        Frame::FileOffer { batch: self.batch, entries: self.entries, bytes: self.bytes, name: &self.name }
    }
}

/// Content of a file, wiped on drop.
#[derive(Default)]
pub struct Content(pub Vec<u8>);

impl Content {
    /// Adds bytes at the end. What has to move to a larger place is wiped where it was.
    pub fn append(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Vec::with_capacity(needed.max(2 * self.0.capacity()));
            larger.extend_from_slice(&self.0);
            *self = Self(larger);
        }
        self.0.extend_from_slice(bytes);
    }
}

impl Drop for Content {
    /// Wipes with `fill`: `zeroize` goes byte by byte and would take as long as the encryption.
    fn drop(&mut self) {
        self.0.fill(0);
        std::hint::black_box(&mut self.0);
    }
}

/// A part of an entry that is to be sent. Each entry is one `Begin`, any number of `Data`, and one `End`.
pub enum Item {
    /// The beginning of an entry.
    Begin {
        /// Number of the entry in the batch.
        index: u32,
        /// Size of the entry in bytes, or [`UNKNOWN`].
        size: u64,
        /// What the entry is.
        kind: EntryKind,
        /// Relative path of the entry. Its first name is the name of the offer.
        path: String,
    },
    /// A piece of an entry.
    Data {
        /// Number of the entry in the batch.
        index: u32,
        /// Position of the piece in the entry, in bytes.
        offset: u64,
        /// The piece.
        bytes: Content,
    },
    /// The end of an entry.
    End {
        /// Number of the entry in the batch.
        index: u32,
        /// Hash of the whole entry, or [`BROKEN`].
        hash: Hash,
    },
}

impl Item {
    fn index(&self) -> u32 {
        match self {
            Self::Begin { index, .. } | Self::Data { index, .. } | Self::End { index, .. } => *index,
        }
    }

    fn len(&self) -> usize {
        if let Self::Data { bytes, .. } = self { bytes.0.len() } else { 0 }
    }
}

/// An event about the batch that this side sends.
#[derive(PartialEq, Eq, Debug)]
pub enum Sent {
    /// The partner asks for an entry.
    Wanted {
        /// Number of the entry in the batch.
        index: u32,
        /// Number of bytes that the partner has already.
        offset: u64,
        /// Hash of the bytes that the partner has already.
        prefix: Hash,
    },
    /// The partner has handled an entry up to an offset.
    Seen {
        /// Number of the entry in the batch.
        index: u32,
        /// Position in the entry, in bytes.
        offset: u64,
    },
    /// The partner still works on what was sent, and is no further.
    Working,
    /// The partner stores so many names of the batch under others. Told once for a batch, before its last entry is done.
    Renamed {
        /// Number of the changed names, as the partner says.
        count: u32,
        /// The first of them, each a path of ours and what its last part is called there, as the partner says. Make both
        /// safe before they reach a screen.
        names: Vec<(String, String)>,
    },
    /// The partner is done with an entry.
    Done {
        /// Number of the entry in the batch.
        index: u32,
        /// Whether the partner stored the entry.
        ok: bool,
        /// Whether the entry was the last, so that the batch is over.
        last: bool,
    },
}

/// An event about the batch that the partner sends.
pub enum Received {
    /// The partner offers a batch.
    Offered(Offer),
    /// An accepted entry begins.
    Begun {
        /// Number of the entry in the batch.
        index: u32,
        /// Size of the entry in bytes, or [`UNKNOWN`].
        size: u64,
        /// What the entry is.
        kind: EntryKind,
        /// Relative path of the entry, as the partner calls it. Make it safe before it reaches a screen or a disk.
        path: String,
    },
    /// A piece of the entry that began last.
    ///
    /// Pieces are contiguous. The first lies at the offset that was accepted, or at 0 if the partner's file does not
    /// begin with the accepted bytes: then the entry restarts.
    Data {
        /// Position of the piece in the entry, in bytes.
        offset: u64,
        /// The piece.
        bytes: Content,
    },
    /// The entry that began last was sent whole. It is complete only if its hash and size are these.
    Ended {
        /// Hash of the whole entry. [`BROKEN`] if the partner could not send it whole.
        hash: Hash,
        /// Size of the entry in bytes.
        size: u64,
    },
}
