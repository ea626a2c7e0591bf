//! The inner format: typed frames with zero padding, one in each record (docs/PROTOCOL.md, section 7).
//!
//! This module parses and writes frames. Which frame is allowed when is decided in
//! [`session`](super::session).

use super::error::Error;
use super::random::{CIPHERTEXT, ENCAPSULATION_KEY};

/// Size of a small record's plaintext, in bytes: a frame and its padding.
pub const SMALL_FRAME: usize = 1262;
/// Size of a large record's plaintext, in bytes.
pub const LARGE_FRAME: usize = 16_366;
/// Size of the largest part of a text in one frame, in bytes.
pub const TEXT_PART: usize = 1250;
/// Size of RK1's content, in bytes: an ephemeral key, an ML-KEM key, a tag.
pub const RK1: usize = 32 + ENCAPSULATION_KEY + 16;
/// Size of RK2's content, in bytes: an ephemeral key, an ML-KEM ciphertext, a tag.
pub const RK2: usize = 32 + CIPHERTEXT + 16;
/// Size of the longest name or path of a file, in bytes of UTF-8.
pub const PATH: usize = 1024;
/// Size of the largest piece of a file in a large record, in bytes.
pub const LARGE_PART: usize = LARGE_FRAME - HEADER - FILE_HEADER;
/// Size of the largest piece of a file in a small record, in bytes.
pub const SMALL_PART: usize = SMALL_FRAME - HEADER - FILE_HEADER;

const HEADER: usize = 3;
/// Size of batch, index and offset before the bytes of a file.
const FILE_HEADER: usize = 16;
const FLAG_MORE: u8 = 1;

/// The token of a PING, which its PONG repeats.
pub type Token = [u8; 8];
/// A BLAKE3 hash of 32 bytes.
pub type Hash = [u8; 32];

/// The side whose batch a FILE_CANCEL is about, as seen by its sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whose {
    /// Either side's, as a sender means that does not tell. Never sent.
    Either,
    /// The batch that the sender of the frame offered.
    Mine,
    /// The batch that the receiver of the frame offered.
    Yours,
}

impl Whose {
    /// Reads the reason of a FILE_CANCEL.
    fn of(reason: u8) -> Option<Self> {
        match reason {
            0 => Some(Self::Either),
            1 => Some(Self::Mine),
            2 => Some(Self::Yours),
            _ => None,
        }
    }

    fn byte(self) -> u8 {
        match self {
            Self::Either => 0,
            Self::Mine => 1,
            Self::Yours => 2,
        }
    }
}

/// Why a side left, as its BYE says (docs/PROTOCOL.md, section 7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Farewell {
    /// The side has nothing to tell, or gives a reason that this version does not know.
    #[default]
    Done,
    /// The check of the code failed: its user compared two codes that differ, or typed a wrong one three times.
    CodesDiffer,
}

impl Farewell {
    const CODES_DIFFER: u8 = 1;

    /// Reads the reason of a BYE. A reason of a later version means that the partner left, and no more.
    fn of([byte]: [u8; 1]) -> Self {
        if byte == Self::CODES_DIFFER { Self::CodesDiffer } else { Self::Done }
    }

    fn byte(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::CodesDiffer => Self::CODES_DIFFER,
        }
    }
}

/// One frame, which borrows from the plaintext it was read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame<'a> {
    /// PAD: no content. A sign of life, or cover traffic.
    Pad,
    /// SAS_OPEN: the responder opens its commitment with n_R.
    SasOpen(&'a [u8; 32]),
    /// VERIFIED: the sender's user has checked the code.
    Verified,
    /// TEXT: a text, or a part of one.
    Text {
        /// Number of the text in its direction.
        id: u32,
        /// Milliseconds since the text was written; 0 when live.
        age_ms: u32,
        /// Whether more parts of this text follow.
        more: bool,
        /// The part, in UTF-8. A character may be split over two parts.
        part: &'a [u8],
    },
    /// RECEIPT: every text up to and including `id` was shown.
    Receipt {
        /// Number of the text in the other direction.
        id: u32,
    },
    /// BYE: the last frame, which ends the room.
    Bye {
        /// Why it left.
        reason: Farewell,
    },
    /// PING: asks for a PONG.
    Ping(Token),
    /// PONG: answers a PING.
    Pong(Token),
    /// RESUME: the first frame after VERIFIED on a connection that resumes a room.
    Resume {
        /// Number of the text that the sender of this frame expects next.
        next_id: u32,
    },
    /// RK_ASK: the responder asks for an epoch change.
    RkAsk,
    /// RK1: the initiator begins an epoch change.
    Rk1(&'a [u8; RK1]),
    /// RK2: the responder's answer to RK1.
    Rk2(&'a [u8; RK2]),
    /// RK3: the initiator's last frame of the old epoch.
    Rk3,
    /// FILE_OFFER: the sender offers a batch of files.
    FileOffer {
        /// Number of the batch in its direction.
        batch: u32,
        /// Number of files.
        entries: u32,
        /// Size of all files in bytes; 2^64-1 for a stream of unknown length.
        bytes: u64,
        /// Name of the file, or of the folder that holds the files.
        name: &'a str,
    },
    /// FILE_ACCEPT: the receiver asks for an entry of a batch.
    FileAccept {
        /// Number of the batch.
        batch: u32,
        /// Number of the entry in the batch.
        index: u32,
        /// Number of bytes that the receiver has already.
        offset: u64,
        /// Hash of the bytes that the receiver has already.
        prefix: &'a Hash,
    },
    /// FILE_BEGIN: the sender starts an entry.
    FileBegin {
        /// Number of the batch.
        batch: u32,
        /// Number of the entry in the batch.
        index: u32,
        /// Size of the entry in bytes; 2^64-1 if it is not known.
        size: u64,
        /// What the entry is.
        kind: EntryKind,
        /// Relative path of the entry, with `/` between names.
        path: &'a str,
    },
    /// FILE_DATA: a piece of an entry.
    FileData {
        /// Number of the batch.
        batch: u32,
        /// Number of the entry in the batch.
        index: u32,
        /// Position of the piece in the entry, in bytes.
        offset: u64,
        /// The piece.
        part: &'a [u8],
    },
    /// FILE_END: the sender has sent an entry whole.
    FileEnd {
        /// Number of the batch.
        batch: u32,
        /// Number of the entry in the batch.
        index: u32,
        /// Hash of the whole entry.
        hash: &'a Hash,
    },
    /// FILE_SEEN: the receiver has handled an entry up to an offset.
    FileSeen {
        /// Number of the batch.
        batch: u32,
        /// Number of the entry in the batch.
        index: u32,
        /// Position in the entry, in bytes.
        offset: u64,
    },
    /// FILE_DONE: the receiver is done with an entry.
    FileDone {
        /// Number of the batch.
        batch: u32,
        /// Number of the entry in the batch.
        index: u32,
        /// Whether the entry was stored whole under its final name.
        ok: bool,
    },
    /// FILE_CANCEL: ends or declines a batch.
    FileCancel {
        /// Number of the batch.
        batch: u32,
        /// Whose batch of that number it is.
        whose: Whose,
    },
    /// FILE_RENAMED: the receiver stores names of a batch under others. An extension, of which nothing depends.
    FileRenamed {
        /// Number of the batch.
        batch: u32,
        /// Number of the changed names.
        count: u32,
        /// The first of them.
        names: Names<'a>,
    },
    /// A frame of a type that is left for extensions, which is ignored.
    Extension(u8),
}

/// Pairs of a path and the name that its last part is stored by, as FILE_RENAMED lists them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Names<'a>(&'a [u8]);

impl<'a> Names<'a> {
    /// Size of the longest list in bytes.
    const LONGEST: usize = SMALL_FRAME - HEADER - 8;

    /// Lists the first of these pairs, as many as there is room for.
    pub fn list<'n>(pairs: impl IntoIterator<Item = (&'n str, &'n str)>) -> Vec<u8> {
        let mut list = Vec::new();
        for (path, name) in pairs {
            let lengths = [path, name].map(|part| u16::try_from(part.len()).ok().map(u16::to_be_bytes));
            let [Some(of_path), Some(of_name)] = lengths else { break };
            let pair = [&of_path[..], path.as_bytes(), &of_name, name.as_bytes()].concat();
            if list.len() + pair.len() > Self::LONGEST {
                break;
            }
            list.extend(pair);
        }
        list
    }

    /// Takes a list of that form, and nothing else.
    pub fn of(list: &'a [u8]) -> Option<Self> {
        let names = Self(list);
        let length: usize = names.pairs().map(|(path, name)| 4 + path.len() + name.len()).sum();
        (length == list.len() && length <= Self::LONGEST).then_some(names)
    }

    /// The pairs.
    pub fn pairs(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut reader = Reader(self.0);
        let mut part = move || {
            let length = u16::from_be_bytes(*reader.chunk().ok()?);
            let (part, rest) = reader.0.split_at_checked(length.into())?;
            reader.0 = rest;
            str::from_utf8(part).ok()
        };
        std::iter::from_fn(move || Some((part()?, part()?)))
    }
}

/// What an entry of a batch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntryKind {
    /// A file.
    File,
    /// A file that is executable on the sender's machine.
    Executable,
    /// A folder with nothing in it that is sent.
    Folder,
}

impl EntryKind {
    fn of(flags: u8) -> Option<Self> {
        [Self::File, Self::Executable, Self::Folder].into_iter().find(|kind| kind.flags() == flags)
    }

    fn flags(self) -> u8 {
        match self {
            Self::File => 0,
            Self::Executable => 1,
            Self::Folder => 2,
        }
    }
}

impl<'a> Frame<'a> {
    /// Parses the one frame of a record from its decrypted plaintext.
    ///
    /// # Errors
    ///
    /// [`Error::Frame`] for an undefined type, a content of the wrong size or form, and padding that is not zero.
    pub fn decode(plaintext: &'a [u8]) -> Result<Self, Error> {
        let (header, rest) = plaintext.split_first_chunk::<HEADER>().ok_or(Error::Frame)?;
        let [kind, high, low] = *header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (content, padding) = rest.split_at_checked(length).ok_or(Error::Frame)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(Error::Frame);
        }
        if plaintext.len() != SMALL_FRAME && kind != kind::FILE_DATA {
            return Err(Error::Frame);
        }
        let mut reader = Reader(content);
        let frame = match kind {
            kind::PAD => Self::Pad,
            kind::SAS_OPEN => Self::SasOpen(reader.chunk()?),
            kind::VERIFIED => Self::Verified,
            kind::TEXT => {
                let (id, age_ms, [flags]) = (reader.u32()?, reader.u32()?, *reader.chunk()?);
                let part = reader.rest();
                if flags & !FLAG_MORE != 0 || part.len() > TEXT_PART {
                    return Err(Error::Frame);
                }
                Self::Text { id, age_ms, more: flags & FLAG_MORE != 0, part }
            }
            kind::RECEIPT => Self::Receipt { id: reader.u32()? },
            kind::BYE => Self::Bye { reason: Farewell::of(*reader.chunk()?) },
            kind::PING => Self::Ping(*reader.chunk()?),
            kind::PONG => Self::Pong(*reader.chunk()?),
            kind::FILE_OFFER => Self::FileOffer {
                batch: reader.u32()?,
                entries: reader.u32()?,
                bytes: reader.u64()?,
                name: reader.path()?,
            },
            kind::FILE_ACCEPT => Self::FileAccept {
                batch: reader.u32()?,
                index: reader.u32()?,
                offset: reader.u64()?,
                prefix: reader.chunk()?,
            },
            kind::FILE_BEGIN => {
                let (batch, index, size, [flags]) = (reader.u32()?, reader.u32()?, reader.u64()?, *reader.chunk()?);
                let kind = EntryKind::of(flags).ok_or(Error::Frame)?;
                if kind == EntryKind::Folder && size != 0 {
                    return Err(Error::Frame);
                }
                Self::FileBegin { batch, index, size, kind, path: reader.path()? }
            }
            kind::FILE_DATA => Self::FileData {
                batch: reader.u32()?,
                index: reader.u32()?,
                offset: reader.u64()?,
                part: reader.rest(),
            },
            kind::FILE_END => Self::FileEnd { batch: reader.u32()?, index: reader.u32()?, hash: reader.chunk()? },
            kind::FILE_SEEN => Self::FileSeen { batch: reader.u32()?, index: reader.u32()?, offset: reader.u64()? },
            kind::FILE_DONE => {
                let (batch, index) = (reader.u32()?, reader.u32()?);
                let ok = match reader.chunk()? {
                    [0] => false,
                    [1] => true,
                    _ => return Err(Error::Frame),
                };
                Self::FileDone { batch, index, ok }
            }
            kind::FILE_CANCEL => {
                let (batch, [reason]) = (reader.u32()?, *reader.chunk()?);
                Self::FileCancel { batch, whose: Whose::of(reason).ok_or(Error::OutOfOrder)? }
            }
            kind::RESUME => Self::Resume { next_id: reader.u32()? },
            kind::RK_ASK => Self::RkAsk,
            kind::RK1 => Self::Rk1(reader.chunk()?),
            kind::RK2 => Self::Rk2(reader.chunk()?),
            kind::RK3 => Self::Rk3,
            kind::EXTENSIONS.. => {
                let content = reader.rest();
                let renamed = Some(content).filter(|_| kind == kind::FILE_RENAMED).and_then(Self::renamed);
                renamed.unwrap_or(Self::Extension(kind))
            }
            _ => return Err(Error::Frame),
        };
        reader.end()?;
        Ok(frame)
    }

    /// Reads FILE_RENAMED. Any other content of that type is an extension that this version does not know.
    fn renamed(content: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(content);
        let (batch, count) = (reader.u32().ok()?, reader.u32().ok()?);
        Some(Self::FileRenamed { batch, count, names: Names::of(reader.rest())? })
    }

    /// Writes the frame and its padding over all of `out`, the plaintext of a small or a large record.
    ///
    /// # Errors
    ///
    /// [`Error::Frame`] if the frame does not fit `out`, or is an extension.
    pub fn encode(&self, out: &mut [u8]) -> Result<(), Error> {
        let large = out.len() == LARGE_FRAME;
        if !(out.len() == SMALL_FRAME || large && matches!(self, Self::FileData { .. })) {
            return Err(Error::Frame);
        }
        match *self {
            Self::Pad => write(out, kind::PAD, &[]),
            Self::SasOpen(nonce) => write(out, kind::SAS_OPEN, &[nonce]),
            Self::Verified => write(out, kind::VERIFIED, &[]),
            Self::Text { id, age_ms, more, part } if part.len() <= TEXT_PART => {
                let flags = if more { FLAG_MORE } else { 0 };
                write(out, kind::TEXT, &[&id.to_be_bytes(), &age_ms.to_be_bytes(), &[flags], part])
            }
            Self::Receipt { id } => write(out, kind::RECEIPT, &[&id.to_be_bytes()]),
            Self::Bye { reason } => write(out, kind::BYE, &[&[reason.byte()]]),
            Self::Ping(token) => write(out, kind::PING, &[&token]),
            Self::Pong(token) => write(out, kind::PONG, &[&token]),
            Self::Resume { next_id } => write(out, kind::RESUME, &[&next_id.to_be_bytes()]),
            Self::RkAsk => write(out, kind::RK_ASK, &[]),
            Self::Rk1(message) => write(out, kind::RK1, &[message]),
            Self::Rk2(message) => write(out, kind::RK2, &[message]),
            Self::Rk3 => write(out, kind::RK3, &[]),
            Self::FileOffer { batch, entries, bytes, name } if name.len() <= PATH => {
                write(out, kind::FILE_OFFER, &[&entry(batch, entries), &bytes.to_be_bytes(), name.as_bytes()])
            }
            Self::FileAccept { batch, index, offset, prefix } => {
                write(out, kind::FILE_ACCEPT, &[&entry(batch, index), &offset.to_be_bytes(), prefix])
            }
            Self::FileBegin { batch, index, size, kind, path } if path.len() <= PATH => {
                let (entry, flags) = (entry(batch, index), [kind.flags()]);
                write(out, kind::FILE_BEGIN, &[&entry, &size.to_be_bytes(), &flags, path.as_bytes()])
            }
            Self::FileData { batch, index, offset, part } => {
                write(out, kind::FILE_DATA, &[&entry(batch, index), &offset.to_be_bytes(), part])
            }
            Self::FileEnd { batch, index, hash } => write(out, kind::FILE_END, &[&entry(batch, index), hash]),
            Self::FileSeen { batch, index, offset } => {
                write(out, kind::FILE_SEEN, &[&entry(batch, index), &offset.to_be_bytes()])
            }
            Self::FileDone { batch, index, ok } => write(out, kind::FILE_DONE, &[&entry(batch, index), &[ok.into()]]),
            Self::FileCancel { batch, whose } => {
                write(out, kind::FILE_CANCEL, &[&batch.to_be_bytes(), &[whose.byte()]])
            }
            Self::FileRenamed { batch, count, names } => {
                write(out, kind::FILE_RENAMED, &[&entry(batch, count), names.0])
            }
            Self::Text { .. } | Self::FileOffer { .. } | Self::FileBegin { .. } | Self::Extension(_) => {
                Err(Error::Frame)
            }
        }
    }
}

/// Encodes two numbers, with which all but one of the frames about files begin.
fn entry(batch: u32, index: u32) -> [u8; 8] {
    (u64::from(batch) << 32 | u64::from(index)).to_be_bytes()
}

mod kind {
    pub const PAD: u8 = 0x00;
    pub const SAS_OPEN: u8 = 0x01;
    pub const VERIFIED: u8 = 0x02;
    pub const TEXT: u8 = 0x03;
    pub const RECEIPT: u8 = 0x04;
    pub const BYE: u8 = 0x05;
    pub const PING: u8 = 0x06;
    pub const PONG: u8 = 0x07;
    pub const RESUME: u8 = 0x08;
    pub const RK_ASK: u8 = 0x10;
    pub const RK1: u8 = 0x11;
    pub const RK2: u8 = 0x12;
    pub const RK3: u8 = 0x13;
    pub const FILE_OFFER: u8 = 0x20;
    pub const FILE_ACCEPT: u8 = 0x21;
    pub const FILE_BEGIN: u8 = 0x22;
    pub const FILE_DATA: u8 = 0x23;
    pub const FILE_END: u8 = 0x24;
    pub const FILE_SEEN: u8 = 0x25;
    pub const FILE_DONE: u8 = 0x26;
    pub const FILE_CANCEL: u8 = 0x27;
    pub const EXTENSIONS: u8 = 0x80;
    pub const FILE_RENAMED: u8 = 0x80;
}

fn write(out: &mut [u8], kind: u8, parts: &[&[u8]]) -> Result<(), Error> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let [high, low] = u16::try_from(length).map_err(|_| Error::Frame)?.to_be_bytes();
    let (header, mut rest) = out.split_first_chunk_mut::<HEADER>().ok_or(Error::Frame)?;
    *header = [kind, high, low];
    for part in parts {
        let (place, after) = rest.split_at_mut_checked(part.len()).ok_or(Error::Frame)?;
        place.copy_from_slice(part);
        rest = after;
    }
    rest.fill(0);
    Ok(())
}

/// A reader of a frame's content. Bytes left over at the end are an error.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn chunk<const N: usize>(&mut self) -> Result<&'a [u8; N], Error> {
        let (chunk, rest) = self.0.split_first_chunk().ok_or(Error::Frame)?;
        self.0 = rest;
        Ok(chunk)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.chunk().map(|chunk| u32::from_be_bytes(*chunk))
    }

    fn u64(&mut self) -> Result<u64, Error> {
        self.chunk().map(|chunk| u64::from_be_bytes(*chunk))
    }

    fn path(&mut self) -> Result<&'a str, Error> {
        str::from_utf8(self.rest()).ok().filter(|path| path.len() <= PATH).ok_or(Error::Frame)
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    fn end(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Frame) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw(kind: u8, content: &[u8]) -> [u8; SMALL_FRAME] {
        let mut out = [0; SMALL_FRAME];
        write(&mut out, kind, &[content]).unwrap();
        out
    }

    #[test]
    fn each_type_takes_only_its_own_content_length() {
        let fixed = [
            (0x00, 0),
            (0x01, 32),
            (0x02, 0),
            (0x04, 4),
            (0x05, 1),
            (0x06, 8),
            (0x07, 8),
            (0x21, 48),
            (0x24, 40),
            (0x25, 16),
            (0x26, 9),
            (0x27, 5),
        ];
        for (kind, right) in fixed {
            for length in 0..=64 {
                let ok = Frame::decode(&raw(kind, &vec![1; length])).is_ok();
                assert_eq!(ok, length == right, "type {kind:#x}, length {length}");
            }
        }
    }

    #[test]
    fn undefined_types_are_refused_and_extensions_ignored() {
        for kind in 0..=255u8 {
            let bytes = raw(kind, &[0; 16]);
            let frame = Frame::decode(&bytes);
            match kind {
                0x09..=0x0f | 0x14..=0x1f | 0x28..=0x7f => assert!(frame.is_err(), "{kind:#x}"),
                // No names changed.
                0x80 => assert!(matches!(frame, Ok(Frame::FileRenamed { .. } | Frame::Extension(0x80)))),
                0x81.. => assert_eq!(frame, Ok(Frame::Extension(kind))),
                _ => {}
            }
        }
    }

    #[test]
    fn padding_that_is_not_zero_is_refused_wherever_it_stands() {
        for place in HEADER..SMALL_FRAME {
            let mut bytes = raw(kind::PAD, &[]);
            bytes[place] = 1;
            assert_eq!(Frame::decode(&bytes), Err(Error::Frame), "byte {place}");
        }
    }

    #[test]
    fn a_length_beyond_the_record_is_refused() {
        let mut bytes = [0; SMALL_FRAME];
        for length in [SMALL_FRAME - HEADER + 1, 0xffff] {
            bytes[..HEADER].copy_from_slice(&[0x80, (length >> 8) as u8, length as u8]);
            assert_eq!(Frame::decode(&bytes), Err(Error::Frame));
        }
    }

    #[test]
    fn a_large_record_carries_file_data_only() {
        let mut large = vec![0; LARGE_FRAME];
        assert_eq!(Frame::decode(&large), Err(Error::Frame));
        large[0] = kind::FILE_DATA;
        assert_eq!(Frame::decode(&large), Err(Error::Frame), "without its header");
        large[2] = FILE_HEADER as u8;
        assert_eq!(Frame::decode(&large), Ok(Frame::FileData { batch: 0, index: 0, offset: 0, part: &[] }));
        let whole = Frame::FileData { batch: 1, index: 2, offset: 3, part: &[4; LARGE_PART] };
        whole.encode(&mut large).unwrap();
        assert_eq!(Frame::decode(&large), Ok(whole));
        assert_eq!(whole.encode(&mut [0; SMALL_FRAME]), Err(Error::Frame));
        assert_eq!(Frame::Pad.encode(&mut large), Err(Error::Frame));
    }

    #[test]
    fn undefined_flags_and_answers_about_files_are_refused() {
        for flags in 0..=255 {
            for size in [0, 1] {
                let mut content = [0; 18];
                content[15] = size;
                content[16] = flags;
                let plaintext = raw(kind::FILE_BEGIN, &content);
                let kind = match flags {
                    0 => Some(EntryKind::File),
                    1 => Some(EntryKind::Executable),
                    // An empty folder has nothing in it.
                    2 => Some(EntryKind::Folder).filter(|_| size == 0),
                    _ => None,
                };
                let size = u64::from(size);
                let expected = kind.map(|kind| Frame::FileBegin { batch: 0, index: 0, size, kind, path: "\0" });
                assert_eq!(Frame::decode(&plaintext), expected.ok_or(Error::Frame));
            }
            let mut content = [0; 9];
            content[8] = flags;
            assert_eq!(Frame::decode(&raw(kind::FILE_DONE, &content)).is_ok(), flags < 2);
        }
    }

    #[test]
    fn a_path_is_utf8_and_not_too_long() {
        let path = "x".repeat(PATH);
        let frame = |path: &str| [&[0; 16][..], path.as_bytes()].concat();
        assert!(Frame::decode(&raw(kind::FILE_OFFER, &frame(&path))).is_ok());
        assert_eq!(Frame::decode(&raw(kind::FILE_OFFER, &frame(&(path.clone() + "x")))), Err(Error::Frame));
        assert_eq!(Frame::decode(&raw(kind::FILE_OFFER, &[0xff; 20])), Err(Error::Frame));
        let long = Frame::FileOffer { batch: 0, entries: 1, bytes: 0, name: &(path + "x") };
        assert_eq!(long.encode(&mut [0; SMALL_FRAME]), Err(Error::Frame));
    }

    #[test]
    fn what_is_no_list_of_names_is_an_extension_like_any_other() {
        let pair = Names::list([("d/a:b", "a_b")]);
        assert_eq!(pair, b"\0\x05d/a:b\0\x03a_b");
        let renamed = |list: &[u8]| raw(kind::FILE_RENAMED, &[&[0, 0, 0, 1, 0, 0, 0, 2], list].concat());
        let names = Names::of(&pair).unwrap();
        assert_eq!(Frame::decode(&renamed(&pair)), Ok(Frame::FileRenamed { batch: 1, count: 2, names }));
        assert_eq!(names.pairs().collect::<Vec<_>>(), [("d/a:b", "a_b")]);
        for length in 1..pair.len() {
            assert_eq!(Frame::decode(&renamed(&pair[..length])), Ok(Frame::Extension(kind::FILE_RENAMED)), "{length}");
        }
        for other in [&b"\0\x01\xff\0\x01a"[..], b"\xff\xff", b"\0\0\0\0\0"] {
            assert_eq!(Frame::decode(&renamed(other)), Ok(Frame::Extension(kind::FILE_RENAMED)));
        }
        for short in 0..8 {
            assert_eq!(
                Frame::decode(&raw(kind::FILE_RENAMED, &vec![0; short])),
                Ok(Frame::Extension(kind::FILE_RENAMED))
            );
        }
        // The longest path and its name always have room, and what has none is left out.
        let (path, name) = ("p".repeat(PATH), "n".repeat(210));
        let list = Names::list([(&*path, &*name), ("a", "b")]);
        assert_eq!(Names::of(&list).unwrap().pairs().collect::<Vec<_>>(), [(&*path, &*name), ("a", "b")]);
        let list = Names::list([(&*path, &*name), (&*path, &*name)]);
        assert_eq!(Names::of(&list).unwrap().pairs().count(), 1);
    }

    #[test]
    fn undefined_flags_of_a_text_are_refused() {
        for flags in 2..=255 {
            assert_eq!(Frame::decode(&raw(kind::TEXT, &[0, 0, 0, 0, 0, 0, 0, 0, flags])), Err(Error::Frame));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(
            id: u32, age_ms: u32, more: bool, token: Token, nonce: [u8; 32], reason: u8,
            part in prop::collection::vec(any::<u8>(), 0..=TEXT_PART), bytes: u64, ok: bool, name in ".{0,200}",
        ) {
            let list = Names::list([(&*name, "x"), ("", &*name), (&*name, "")]);
            let frames = [
                Frame::Pad, Frame::SasOpen(&nonce), Frame::Verified, Frame::Text { id, age_ms, more, part: &part },
                Frame::Receipt { id }, Frame::Bye { reason: Farewell::of([reason]) }, Frame::Ping(token), Frame::Pong(token),
                Frame::FileOffer { batch: id, entries: age_ms, bytes, name: &name },
                Frame::FileAccept { batch: id, index: age_ms, offset: bytes, prefix: &nonce },
                Frame::FileBegin { batch: id, index: age_ms, size: bytes, kind: if more { EntryKind::Executable } else { EntryKind::File }, path: &name },
                Frame::FileData { batch: id, index: age_ms, offset: bytes, part: part.get(..SMALL_PART).unwrap_or(&part) },
                Frame::FileEnd { batch: id, index: age_ms, hash: &nonce },
                Frame::FileSeen { batch: id, index: age_ms, offset: bytes },
                Frame::FileDone { batch: id, index: age_ms, ok },
                Frame::FileRenamed { batch: id, count: age_ms, names: Names::of(&list).unwrap() },
                Frame::FileCancel { batch: id, whose: Whose::Mine },
                Frame::FileCancel { batch: id, whose: Whose::Yours },
                Frame::FileCancel { batch: id, whose: Whose::Either },
            ];
            for frame in frames {
                let mut bytes = [0xff; SMALL_FRAME];
                frame.encode(&mut bytes).unwrap();
                prop_assert_eq!(Frame::decode(&bytes), Ok(frame));
            }
        }

        #[test]
        fn any_bytes_parse_or_fail_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..SMALL_FRAME + 8)) {
            let _ = Frame::decode(&bytes);
        }
    }
}
