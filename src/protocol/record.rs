//! The outer format: a two-byte length and a body of one of two sizes (docs/PROTOCOL.md, section 2).
//!
//! Nothing is allocated from a length that the peer sent, and nothing here depends
//! on the content of a body.

use super::error::Error;

/// Size of a small record's body, in bytes.
pub const SMALL_BODY: usize = 1278;
/// Size of a large record's body, in bytes. Only file data in an open room comes in one.
pub const LARGE_BODY: usize = 16_382;
/// Size of the length prefix, in bytes.
pub const HEADER: usize = 2;
/// Size of a small record on the wire, in bytes.
pub const SMALL: usize = HEADER + SMALL_BODY;
/// Size of a large record on the wire, in bytes.
pub const LARGE: usize = HEADER + LARGE_BODY;

/// A small record as it goes on the wire, with its length prefix.
pub type Record = Box<[u8; SMALL]>;

/// Makes a small record whose body `fill` writes.
pub fn small(fill: impl FnOnce(&mut [u8; SMALL_BODY]) -> Result<(), Error>) -> Result<Record, Error> {
    let mut record = Box::new([0; SMALL]);
    let (header, body) = record.split_first_chunk_mut::<HEADER>().ok_or(Error::Primitive)?;
    *header = (SMALL_BODY as u16).to_be_bytes();
    fill(body.try_into().map_err(|_| Error::Primitive)?)?;
    Ok(record)
}

/// Appends a record with a body of `body` bytes, which `fill` writes, to `out`. If `fill` fails `out` is unchanged.
pub fn append(out: &mut Vec<u8>, body: usize, fill: impl FnOnce(&mut [u8]) -> Result<(), Error>) -> Result<(), Error> {
    let start = out.len();
    out.extend_from_slice(&u16::try_from(body).map_err(|_| Error::Primitive)?.to_be_bytes());
    let from = out.len();
    out.resize(from + body, 0);
    let filled = out.get_mut(from..).ok_or(Error::Primitive).and_then(fill);
    if filled.is_err() {
        out.truncate(start);
    }
    filled
}

/// Cuts a stream of bytes, in pieces of any size, into record bodies.
pub struct Decoder {
    buffer: Box<[u8]>,
    filled: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { buffer: Box::new([0; SMALL]), filled: 0 }
    }
}

impl Decoder {
    /// Allows large records from the next record on.
    pub fn allow_large(&mut self) {
        let mut buffer = vec![0; LARGE].into_boxed_slice();
        for (place, byte) in buffer.iter_mut().zip(&self.buffer) {
            *place = *byte;
        }
        self.buffer = buffer;
    }

    /// Takes bytes from the front of `input` until one record is complete, and returns its body.
    ///
    /// Returns `None` when `input` was too short; bytes behind the record are left for the next call.
    ///
    /// # Errors
    ///
    /// [`Error::RecordLength`] for a length that is not allowed now, before any byte of the body is
    /// taken. The decoder must not be used again.
    pub fn read<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<&'a [u8]>, Error> {
        if self.filled == 0
            && let Some(header) = input.first_chunk()
        {
            // A record that is complete in `input` needs no copy.
            let length = self.allowed(*header).unwrap_or_default();
            if length > 0
                && let Some((record, rest)) = input.split_at_checked(HEADER + length)
            {
                *input = rest;
                return Ok(record.get(HEADER..));
            }
        }
        if !self.fill(HEADER, input) {
            return Ok(None);
        }
        let end = HEADER + self.announced().ok_or(Error::RecordLength)?;
        if !self.fill(end, input) {
            return Ok(None);
        }
        self.filled = 0;
        Ok(self.buffer.get(HEADER..end))
    }

    /// Whether a record has begun to arrive and is not complete.
    pub fn is_midway(&self) -> bool {
        self.filled > 0
    }

    fn announced(&self) -> Option<usize> {
        self.allowed(*self.buffer.first_chunk()?)
    }

    fn allowed(&self, header: [u8; HEADER]) -> Option<usize> {
        let length = usize::from(u16::from_be_bytes(header));
        let allowed = length == SMALL_BODY || (length == LARGE_BODY && self.buffer.len() == LARGE);
        allowed.then_some(length)
    }

    fn fill(&mut self, target: usize, input: &mut &[u8]) -> bool {
        let wanted = target.saturating_sub(self.filled);
        let (taken, rest) = input.split_at(wanted.min(input.len()));
        if let Some(place) = self.buffer.get_mut(self.filled..self.filled + taken.len()) {
            place.copy_from_slice(taken);
        }
        self.filled += taken.len();
        *input = rest;
        self.filled >= target
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wire(bodies: &[(bool, u8)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (large, byte) in bodies {
            let length = if *large { LARGE_BODY } else { SMALL_BODY };
            out.extend_from_slice(&(length as u16).to_be_bytes());
            out.extend(std::iter::repeat_n(*byte, length));
        }
        out
    }

    #[test]
    fn only_two_of_65536_lengths_are_allowed() {
        for length in 0..=u16::MAX {
            let header = length.to_be_bytes();
            let mut first = Decoder::default();
            assert_eq!(first.read(&mut header.as_slice()).is_ok(), usize::from(length) == SMALL_BODY);
            let mut open = Decoder::default();
            open.allow_large();
            let allowed = [SMALL_BODY, LARGE_BODY].contains(&usize::from(length));
            assert_eq!(open.read(&mut header.as_slice()).is_ok(), allowed);
        }
    }

    #[test]
    fn a_bad_length_is_found_before_the_body() {
        let mut decoder = Decoder::default();
        let mut input: &[u8] = &[0x04, 0xff, 1, 2, 3];
        assert!(decoder.read(&mut input).is_err());
        assert_eq!(input, [1, 2, 3]);
    }

    proptest! {
        #[test]
        fn bodies_come_out_as_they_went_in_however_the_stream_is_cut(
            bodies in prop::collection::vec((any::<bool>(), any::<u8>()), 0..6),
            pieces in prop::collection::vec(1usize..20_000, 1..40),
        ) {
            let wire = wire(&bodies);
            let mut decoder = Decoder::default();
            decoder.allow_large();
            let mut got = Vec::new();
            let (mut rest, mut turn) = (wire.as_slice(), 0);
            while !rest.is_empty() {
                let (mut piece, later) = rest.split_at(pieces[turn % pieces.len()].min(rest.len()));
                (rest, turn) = (later, turn + 1);
                while let Some(body) = decoder.read(&mut piece).unwrap() {
                    prop_assert!(body.iter().all(|byte| *byte == body[0]));
                    got.push((body.len() == LARGE_BODY, body[0]));
                }
                prop_assert!(piece.is_empty());
            }
            prop_assert_eq!(got, bodies);
            prop_assert!(!decoder.is_midway());
        }
    }
}
