//! Files under way: offers, what was accepted, windows, what a break leaves open.
//!
//! Knows no file: names, pieces and hashes are passed through. One batch a
//! direction is open at a time; entries are sent one after the other.

pub mod receiving;
pub mod sending;

use super::frame::{Frame, Hash};

/// Entries of the largest batch.
pub const ENTRIES: u32 = 100_000;
/// Bytes of a batch that may be under way past what the receiver has dealt with.
pub const WINDOW: u64 = 16 << 20;
/// Size of a stream that ends when it ends.
pub const UNKNOWN: u64 = u64::MAX;
/// Entries that a receiver accepts ahead of the one that comes.
pub const AHEAD: usize = 64;
/// BLAKE3 of nothing: the prefix of an entry of which the receiver has no byte.
pub const NOTHING: Hash = [
    0xaf, 0x13, 0x49, 0xb9, 0xf5, 0xf9, 0xa1, 0xa6, 0xa0, 0x40, 0x4d, 0xea, 0x36, 0xdc, 0xc9, 0x49, 0x9b, 0xcb, 0x25,
    0xc9, 0xad, 0xc1, 0x12, 0xb7, 0xcc, 0x9a, 0x93, 0xca, 0xe4, 0x1f, 0x32, 0x62,
];
/// What stands in place of the hash of an entry that its sender cannot send whole. Nothing has this hash.
pub const BROKEN: Hash = [0; 32];

/// Reason of every FILE_CANCEL: version 1 assigns none.
const REASON: u8 = 0;

/// A batch, as its sender describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// Its number in its direction.
    pub batch: u32,
    /// How many files.
    pub entries: u32,
    /// Their bytes, or [`UNKNOWN`].
    pub bytes: u64,
    /// Name of the file or the folder: the peer's, not fit for a screen or a disk.
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

impl Drop for Content {
    /// Not by `zeroize`, which goes byte by byte: that would take as long as the encryption.
    fn drop(&mut self) {
        self.0.fill(0);
        std::hint::black_box(&mut self.0);
    }
}

/// What the sender of a batch sends of its entries, in this order for each.
pub enum Item {
    /// An entry begins.
    Begin {
        /// Which one.
        index: u32,
        /// Its bytes, or [`UNKNOWN`].
        size: u64,
        /// Whether it may be executed.
        executable: bool,
        /// Its path below the batch's name, that name first.
        path: String,
    },
    /// Bytes of it.
    Data {
        /// Which one.
        index: u32,
        /// Where the bytes lie in it.
        offset: u64,
        /// The bytes.
        bytes: Content,
    },
    /// It is complete.
    End {
        /// Which one.
        index: u32,
        /// Its hash, or [`BROKEN`].
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

/// What a batch of ours has to say to its driver.
#[derive(PartialEq, Eq, Debug)]
pub enum Sent {
    /// The partner wants an entry, of which it has so many bytes with this hash.
    Wanted {
        /// Which one.
        index: u32,
        /// So many bytes.
        offset: u64,
        /// Their hash.
        prefix: Hash,
    },
    /// The partner has dealt with an entry up to there.
    Seen {
        /// Which one.
        index: u32,
        /// So far.
        offset: u64,
    },
    /// The partner is done with an entry.
    Done {
        /// Which one.
        index: u32,
        /// Whether it was stored.
        ok: bool,
        /// It was the last of the batch.
        last: bool,
    },
}

/// What a batch of the partner's has to say to its driver.
pub enum Received {
    /// A batch was offered.
    Offered(Offer),
    /// An accepted entry begins.
    Begun {
        /// Which one.
        index: u32,
        /// Its bytes, or [`UNKNOWN`].
        size: u64,
        /// Whether it may be executed where it comes from.
        executable: bool,
        /// Its path: the peer's, not fit for a screen or a disk.
        path: String,
    },
    /// Bytes of the entry that began last. The first may lie at 0 although more was accepted: it starts anew.
    Data {
        /// Where the bytes lie in it.
        offset: u64,
        /// The bytes.
        bytes: Content,
    },
    /// The entry that began last is complete, if that is its hash.
    Ended {
        /// The hash.
        hash: Hash,
        /// Its bytes: as many as it was begun with, even if fewer came.
        size: u64,
    },
}
