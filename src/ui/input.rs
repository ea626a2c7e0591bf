//! Lines of a pipe, of bounded length.

use std::io::{self, BufRead, Read as _};

use zeroize::{Zeroize as _, Zeroizing};

use crate::interface::event::Event;
use crate::interface::refusal::Refusal;

/// The mark of its encoding, with which some programs begin a text.
const MARK: char = '\u{feff}';

/// A line of a pipe.
pub enum Line {
    /// Without its end.
    Text(Zeroizing<String>),
    /// One that cannot be taken, and why.
    Bad(Event),
}

/// The lines of a pipe. The mark of its encoding (BOM) is no part of the first, nor a CR before a LF of any.
pub struct Lines<R> {
    input: R,
    begun: bool,
}

impl<R: BufRead> Lines<R> {
    /// Lines from the beginning of a pipe.
    pub fn new(input: R) -> Self {
        Self { input, begun: false }
    }

    /// The next line, as [`read_line`] reads it.
    pub fn read(&mut self, limit: usize) -> io::Result<Option<Line>> {
        let begun = std::mem::replace(&mut self.begun, true);
        let room = limit + if begun { 0 } else { MARK.len_utf8() };
        Ok(match read_line(&mut self.input, room)? {
            Some(Line::Text(line)) if !begun => {
                let line = line.strip_prefix(MARK).unwrap_or(&line);
                let fits = line.len() <= limit;
                let why = || Line::Bad(Event::Refused(Refusal::TooLong { limit }));
                Some(if fits { Line::Text(Zeroizing::new(line.to_owned())) } else { why() })
            }
            Some(Line::Bad(Event::Refused(Refusal::TooLong { .. }))) => {
                Some(Line::Bad(Event::Refused(Refusal::TooLong { limit })))
            }
            line => line,
        })
    }
}

/// One line, at most `limit` bytes of it in memory and the two of its end; the rest of a longer one is skipped. `None`
/// at the end.
pub fn read_line(input: &mut impl BufRead, limit: usize) -> io::Result<Option<Line>> {
    let mut line = Zeroizing::new(Vec::with_capacity(256));
    let read = input.by_ref().take(limit as u64 + 2).read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(None);
    }
    let ended = line.last() == Some(&b'\n');
    if ended {
        line.pop();
        line.pop_if(|last| *last == b'\r');
    }
    if line.len() > limit {
        if !ended {
            skip_line(input)?;
        }
        return Ok(Some(Line::Bad(Event::Refused(Refusal::TooLong { limit }))));
    }
    let text = String::from_utf8(std::mem::take(&mut *line)).map_err(|error| error.into_bytes().zeroize());
    Ok(Some(match text {
        Ok(text) => Line::Text(Zeroizing::new(text)),
        Err(()) => Line::Bad(Event::Refused(Refusal::NotUtf8)),
    }))
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(buffer.len(), |place| place + 1);
        input.consume(length);
        if end.is_some() || length == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::delivery::TEXT;

    fn lines(input: &[u8]) -> Vec<Option<String>> {
        let mut input = Lines::new(input);
        let mut out = Vec::new();
        while let Some(line) = input.read(TEXT).unwrap() {
            out.push(match line {
                Line::Text(text) => Some(text.to_string()),
                Line::Bad(_) => None,
            });
        }
        out
    }

    #[test]
    fn a_pipe_is_cut_into_lines_and_bad_ones_are_told_apart() {
        assert_eq!(lines(b"a\n\nb"), [Some("a".into()), Some(String::new()), Some("b".into())]);
        assert_eq!(lines(b"a\n\xff\nb\0\n"), [Some("a".into()), None, Some("b\0".into())]);
        assert_eq!(lines(b""), []);
    }

    #[test]
    fn neither_the_mark_of_an_encoding_nor_a_cr_before_a_lf_is_part_of_a_line() {
        assert_eq!(lines(b"\xef\xbb\xbfa\r\nb\r\n\r\n"), ["a", "b", ""].map(|line| Some(line.into())));
        assert_eq!(
            lines("a\r\r\nb\rc\n\u{feff}d\r".as_bytes()),
            ["a\r", "b\rc", "\u{feff}d\r"].map(|line| Some(line.into()))
        );
        let exact = [b"\xef\xbb\xbf", vec![b'x'; TEXT].as_slice(), b"\r\nend\r\n"].concat();
        assert_eq!(lines(&exact), [Some("x".repeat(TEXT)), Some("end".into())]);
        for (before, extra) in [("\u{feff}", 1), ("", 1), ("", 2), ("", 3)] {
            let long = [before.as_bytes(), &vec![b'x'; TEXT + extra], b"\r\nend\r\n"].concat();
            assert_eq!(lines(&long), [None, Some("end".into())], "{extra}");
        }
    }

    #[test]
    fn a_line_of_one_byte_too_many_is_refused_whole() {
        let exact = [vec![b'x'; TEXT], b"\nend\n".to_vec()].concat();
        assert_eq!(lines(&exact), [Some("x".repeat(TEXT)), Some("end".into())]);
        for extra in [1, 10_000, 200_000] {
            let long = [vec![b'x'; TEXT + extra], b"\nend\n".to_vec()].concat();
            assert_eq!(lines(&long), [None, Some("end".into())], "{extra}");
        }
        assert_eq!(lines(&vec![b'x'; TEXT]), [Some("x".repeat(TEXT))]);
    }
}
