//! Delivery of texts: numbering, fragments, receipts, and sending again after a break
//! (docs/PROTOCOL.md, sections 7 and 8).

use std::collections::VecDeque;
use std::time::Duration;

use zeroize::{Zeroize as _, Zeroizing};

use super::error::Error;
use super::frame::{Frame, TEXT_PART};

/// Size of the longest text, in bytes.
pub const TEXT: usize = 65_536;
/// Number of texts that may wait for their receipt.
pub const WAITING_TEXTS: usize = 1_000;
/// Bytes of the texts that may wait for their receipt.
pub const WAITING_BYTES: usize = 4 << 20;

/// A younger text counts as live: it was sent as soon as the connection took it.
const LIVE: Duration = Duration::from_secs(1);

/// Why a text was not accepted for sending. The session continues unchanged.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
pub enum SayError {
    /// The text is longer than [`TEXT`].
    #[error("the text is longer than {TEXT} bytes")]
    TooLong,
    /// [`WAITING_TEXTS`] texts or [`WAITING_BYTES`] bytes wait for their receipt already.
    #[error("too many texts wait for their receipt")]
    Full,
    /// No room is open, or this side is leaving it.
    #[error("the room is not open")]
    NotOpen,
}

/// This side's texts until their receipt. They outlive a connection.
#[derive(Default)]
pub struct Outbox {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    next_id: u32,
    /// Index in `waiting` of the text that is sent next, and how many of its bytes were sent.
    sending: (usize, usize),
    /// Every text below this id was sent whole, on this connection or an earlier one.
    sent: u32,
}

struct Waiting {
    text: Zeroizing<String>,
    written: Duration,
}

impl Outbox {
    /// Accepts a text written at `now` and returns its id.
    ///
    /// # Errors
    ///
    /// [`SayError::TooLong`] and [`SayError::Full`], the latter also when no id is left.
    pub fn push(&mut self, text: Zeroizing<String>, now: Duration) -> Result<u32, SayError> {
        if text.len() > TEXT {
            return Err(SayError::TooLong);
        }
        if self.waiting.len() >= WAITING_TEXTS || self.bytes + text.len() > WAITING_BYTES {
            return Err(SayError::Full);
        }
        let id = self.next_id;
        // An id is never used twice; at one text a millisecond the ids last for 49 days.
        self.next_id = id.checked_add(1).ok_or(SayError::Full)?;
        self.bytes += text.len();
        self.waiting.push_back(Waiting { text, written: now });
        Ok(id)
    }

    /// Takes the next part to send, which counts as sent from then on.
    pub fn next_part(&mut self, now: Duration) -> Option<Frame<'_>> {
        let (place, from) = self.sending;
        let id = self.first_id().wrapping_add(place as u32);
        let Waiting { text, written } = self.waiting.get(place)?;
        let rest = text.as_bytes().get(from..)?;
        let (part, more) = match rest.split_at_checked(TEXT_PART) {
            Some((part, rest)) if !rest.is_empty() => (part, true),
            _ => (rest, false),
        };
        self.sending = if more { (place, from + part.len()) } else { (place + 1, 0) };
        if !more {
            self.sent = self.sent.max(id.saturating_add(1));
        }
        let age = now.saturating_sub(*written);
        let age_ms = if age < LIVE { 0 } else { u32::try_from(age.as_millis()).unwrap_or(u32::MAX) };
        Some(Frame::Text { id, age_ms, more, part })
    }

    /// Whether a part of a text waits to be sent.
    pub fn has_part(&self) -> bool {
        self.sending.0 < self.waiting.len()
    }

    /// Applies the partner's RECEIPT for every text up to and including `id`, and returns how many texts it
    /// newly covers.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfOrder`] if a covered text was not sent whole on this connection, or `id` is lower than in an
    /// earlier receipt.
    pub fn receipt(&mut self, id: u32) -> Result<usize, Error> {
        let first = self.first_id();
        let Some(place) = id.checked_sub(first) else {
            // A repeat of the last receipt says nothing new; a lower id would take a receipt back.
            return if first.checked_sub(1) == Some(id) { Ok(0) } else { Err(Error::OutOfOrder) };
        };
        let (sent, _) = self.sending;
        let count = place as usize + 1;
        if count > sent {
            return Err(Error::OutOfOrder);
        }
        for shown in self.waiting.drain(..count) {
            self.bytes -= shown.text.len();
        }
        self.sending.0 -= count;
        Ok(count)
    }

    /// Starts a new connection: everything from `next_id` on, the id that the partner expects, is sent again.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfOrder`] if `next_id` is below what was receipted or above what was sent.
    pub fn resume(&mut self, next_id: u32) -> Result<(), Error> {
        let place = next_id.checked_sub(self.first_id()).filter(|_| next_id <= self.sent);
        self.sending = (place.ok_or(Error::OutOfOrder)? as usize, 0);
        Ok(())
    }

    /// Number of texts that wait for their receipt.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a text of any allowed length would be accepted now.
    pub fn has_room(&self) -> bool {
        self.waiting.len() < WAITING_TEXTS && self.bytes + TEXT <= WAITING_BYTES
    }

    fn first_id(&self) -> u32 {
        self.next_id.wrapping_sub(self.waiting.len() as u32)
    }
}

/// A complete text from the partner.
pub struct Incoming {
    /// Number of the text in its direction, for the receipt.
    pub id: u32,
    /// Time since the text was written, as the partner claims; zero when live.
    pub age: Duration,
    /// The text as it came. It may hold any character, so make it printable before it reaches a terminal.
    pub text: Zeroizing<String>,
}

/// The partner's texts as they arrive, and the receipts for them. It outlives a connection.
#[derive(Default)]
pub struct Inbox {
    next_id: u32,
    /// The parts so far of a text in several parts. The capacity, enough for the longest text, is kept.
    partial: Zeroizing<Vec<u8>>,
    midway: bool,
    /// Every text below this id was shown.
    shown: u32,
    acknowledged: u32,
}

impl Inbox {
    /// Adds one part and returns the text if the part was its last. A text that arrived before is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfOrder`] for another id than the next one or an empty part that is not the last,
    /// [`Error::Text`] for a text that is too long or not UTF-8, [`Error::Exhausted`] at the last id.
    pub fn part(&mut self, id: u32, age_ms: u32, more: bool, part: &[u8]) -> Result<Option<Incoming>, Error> {
        if id < self.next_id && !self.midway {
            return Ok(None);
        }
        // Empty parts with more to follow could go on for ever.
        if id != self.next_id || (more && part.is_empty()) {
            return Err(Error::OutOfOrder);
        }
        if self.partial.len() + part.len() > TEXT {
            return Err(Error::Text);
        }
        if more {
            // Reserved at once, as growing would leave copies behind.
            let missing = TEXT - self.partial.len();
            self.partial.reserve_exact(missing);
        }
        if self.midway || more {
            self.partial.extend_from_slice(part);
        }
        if more {
            self.midway = true;
            return Ok(None);
        }
        self.next_id = id.checked_add(1).ok_or(Error::Exhausted)?;
        let whole = if self.midway { self.partial.as_slice() } else { part };
        let text = str::from_utf8(whole).map(str::to_owned).map_err(|_| Error::Text);
        self.forget_partial();
        let text = text?;
        Ok(Some(Incoming { id, age: Duration::from_millis(age_ms.into()), text: Zeroizing::new(text) }))
    }

    /// Id of the text that is expected next.
    pub fn next_id(&self) -> u32 {
        self.next_id
    }

    /// Handles the loss of the connection: an incomplete text is forgotten, as it comes again whole, and the last
    /// receipt becomes due again, as it may not have arrived.
    pub fn lost(&mut self) {
        self.forget_partial();
        self.acknowledged = 0;
    }

    fn forget_partial(&mut self) {
        self.partial.as_mut_slice().zeroize();
        self.partial.clear();
        self.midway = false;
    }

    /// Marks every text up to and including `id` as shown to this side's user.
    pub fn shown(&mut self, id: u32) {
        self.shown = self.shown.max(id.saturating_add(1)).min(self.next_id);
    }

    /// Whether a receipt is due.
    pub fn owes_receipt(&self) -> bool {
        self.acknowledged < self.shown
    }

    /// Whether every text that came was receipted.
    pub fn is_settled(&self) -> bool {
        self.acknowledged == self.next_id
    }

    /// Takes the receipt that is due, which counts as sent from then on.
    pub fn next_receipt(&mut self) -> Option<Frame<'static>> {
        if !self.owes_receipt() {
            return None;
        }
        self.acknowledged = self.shown;
        Some(Frame::Receipt { id: self.shown.checked_sub(1)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn text(length: usize) -> Zeroizing<String> {
        Zeroizing::new("x".repeat(length))
    }

    fn parts(outbox: &mut Outbox) -> Vec<(u32, bool, Vec<u8>)> {
        let mut out = Vec::new();
        while let Some(frame) = outbox.next_part(NOW) {
            let Frame::Text { id, more, part, .. } = frame else { panic!("not a text") };
            out.push((id, more, part.to_vec()));
        }
        out
    }

    #[test]
    fn a_text_goes_out_in_parts_and_comes_together_again() {
        let mut outbox = Outbox::default();
        let mut inbox = Inbox::default();
        for length in [0, 1, TEXT_PART - 1, TEXT_PART, TEXT_PART + 1, 2 * TEXT_PART, TEXT] {
            let id = outbox.push(text(length), NOW).unwrap();
            let mut got = None;
            for (id, more, part) in parts(&mut outbox) {
                assert!(got.is_none());
                got = inbox.part(id, 0, more, &part).unwrap();
            }
            let got = got.unwrap();
            assert_eq!((got.id, got.text.len()), (id, length));
        }
    }

    #[test]
    fn a_text_of_one_byte_too_many_is_refused_on_both_sides() {
        assert_eq!(Outbox::default().push(text(TEXT + 1), NOW), Err(SayError::TooLong));
        let mut inbox = Inbox::default();
        for _ in 0..TEXT / TEXT_PART {
            assert!(inbox.part(0, 0, true, &[b'x'; TEXT_PART]).unwrap().is_none());
        }
        assert!(matches!(inbox.part(0, 0, false, &[b'x'; TEXT % TEXT_PART + 1]), Err(Error::Text)));
    }

    #[test]
    fn a_character_may_be_split_over_two_parts_but_must_be_whole_in_the_end() {
        let bytes = "你".as_bytes();
        let mut inbox = Inbox::default();
        assert!(inbox.part(0, 0, true, &bytes[..1]).unwrap().is_none());
        assert_eq!(inbox.part(0, 0, false, &bytes[1..]).unwrap().unwrap().text.as_str(), "你");
        assert!(matches!(inbox.part(1, 0, false, &bytes[..2]), Err(Error::Text)));
    }

    #[test]
    fn a_gap_is_fatal_and_a_repeat_is_dropped() {
        let mut inbox = Inbox::default();
        assert!(matches!(inbox.part(1, 0, false, b"x"), Err(Error::OutOfOrder)));
        let mut inbox = Inbox::default();
        assert!(inbox.part(0, 0, false, b"x").unwrap().is_some());
        assert!(inbox.part(0, 0, false, b"x").unwrap().is_none());
        assert!(matches!(inbox.part(u32::MAX, 0, false, b"x"), Err(Error::OutOfOrder)));
    }

    #[test]
    fn parts_of_two_texts_may_not_mix_and_empty_parts_may_not_go_on() {
        let mut inbox = Inbox::default();
        assert!(inbox.part(0, 0, true, b"x").unwrap().is_none());
        assert!(matches!(inbox.part(1, 0, true, b"y"), Err(Error::OutOfOrder)));
        assert!(matches!(Inbox::default().part(0, 0, true, b""), Err(Error::OutOfOrder)));
    }

    #[test]
    fn receipts_cover_only_what_was_sent_and_never_fall() {
        let mut outbox = Outbox::default();
        for _ in 0..3 {
            outbox.push(text(1), NOW).unwrap();
        }
        assert_eq!(outbox.receipt(0), Err(Error::OutOfOrder));
        parts(&mut outbox);
        assert_eq!(outbox.receipt(3), Err(Error::OutOfOrder));
        assert_eq!(outbox.receipt(1), Ok(2));
        assert_eq!(outbox.receipt(1), Ok(0));
        assert_eq!(outbox.receipt(0), Err(Error::OutOfOrder));
        assert_eq!(outbox.receipt(2), Ok(1));
        assert_eq!((outbox.waiting(), outbox.bytes), (0, 0));
    }

    #[test]
    fn a_receipt_may_not_cover_a_text_that_is_only_half_sent() {
        let mut outbox = Outbox::default();
        outbox.push(text(2 * TEXT_PART), NOW).unwrap();
        assert!(outbox.next_part(NOW).is_some());
        assert_eq!(outbox.receipt(0), Err(Error::OutOfOrder));
    }

    #[test]
    fn the_outbox_is_bounded_in_texts_and_in_bytes() {
        let mut outbox = Outbox::default();
        for _ in 0..WAITING_TEXTS {
            outbox.push(text(1), NOW).unwrap();
        }
        assert_eq!(outbox.push(text(1), NOW), Err(SayError::Full));
        let mut outbox = Outbox::default();
        for _ in 0..WAITING_BYTES / TEXT {
            outbox.push(text(TEXT), NOW).unwrap();
        }
        assert_eq!(outbox.push(text(1), NOW), Err(SayError::Full));
    }

    #[test]
    fn one_receipt_stands_for_many_texts() {
        let mut inbox = Inbox::default();
        for id in 0..5 {
            inbox.part(id, 0, false, b"x").unwrap();
            inbox.shown(id);
        }
        assert_eq!(inbox.next_receipt(), Some(Frame::Receipt { id: 4 }));
        assert_eq!(inbox.next_receipt(), None);
    }

    #[test]
    fn the_age_of_a_text_that_had_to_wait_is_told() {
        let mut outbox = Outbox::default();
        outbox.push(text(1), NOW).unwrap();
        let late = outbox.next_part(NOW + Duration::from_secs(3));
        assert!(matches!(late, Some(Frame::Text { age_ms: 3000, .. })));
    }

    #[test]
    fn after_a_break_everything_the_partner_lacks_is_sent_again() {
        let mut outbox = Outbox::default();
        for _ in 0..3 {
            outbox.push(text(2 * TEXT_PART), NOW).unwrap();
        }
        outbox.next_part(NOW);
        outbox.next_part(NOW);
        outbox.next_part(NOW);
        // The first text is out, of the second a part.
        assert_eq!(outbox.resume(2), Err(Error::OutOfOrder));
        outbox.resume(1).unwrap();
        assert!(matches!(outbox.receipt(1), Err(Error::OutOfOrder)), "not sent by this connection");
        assert_eq!(parts(&mut outbox).iter().map(|part| part.0).collect::<Vec<_>>(), [1, 1, 2, 2]);
        assert_eq!(outbox.receipt(1), Ok(2));
        assert_eq!(outbox.resume(1), Err(Error::OutOfOrder), "below what was receipted");
        outbox.resume(3).unwrap();
        assert_eq!(parts(&mut outbox), []);
    }

    #[test]
    fn after_a_break_the_last_receipt_is_sent_again_and_a_part_forgotten() {
        let mut inbox = Inbox::default();
        inbox.part(0, 0, false, b"x").unwrap();
        inbox.shown(0);
        inbox.next_receipt();
        inbox.part(1, 0, true, b"half").unwrap();
        inbox.lost();
        assert_eq!((inbox.next_id(), inbox.next_receipt()), (1, Some(Frame::Receipt { id: 0 })));
        assert_eq!(inbox.part(1, 0, false, b"whole").unwrap().unwrap().text.as_str(), "whole");
    }
}
