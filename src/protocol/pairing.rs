//! The pairing code, and the check of what a user typed.
//!
//! The code is a *short authentication string*, as in ZRTP (RFC 6189), in two halves of
//! eight digits. Each screen shows one half, and its user reads it to the partner, who
//! types it. Both halves come from the whole transcript and from n_R, which the responder
//! had committed to before it could know the rest. A man in the middle thus succeeds
//! with a probability of 10^-8 a run and cannot search for a better one
//! (docs/PROTOCOL.md, section 6).

use unicode_normalization::UnicodeNormalization as _;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::keys::{HandshakeHash, PairingNonce, code_secret};
use super::role::Role;

/// Number of digits in each half.
pub const DIGITS: usize = 8;
/// Number of wrong entries after which the pairing has failed.
pub const TRIES: u8 = 3;

const MODULUS: u64 = 100_000_000;

/// One half of the pairing code: the eight digits that one side shows and the other types. Wiped on drop.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Half([u8; DIGITS]);

impl Half {
    fn cut(secret: &[u8]) -> Self {
        let number = secret.iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte)) % MODULUS;
        let mut digits = [0; DIGITS];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            *digit = (rest % 10) as u8;
            rest /= 10;
        }
        Self(digits)
    }

    /// The digits, each from 0 to 9, with leading zeros.
    pub fn digits(&self) -> &[u8; DIGITS] {
        &self.0
    }

    /// Reads what a person typed: eight digits, as [`digits_in`](Self::digits_in) reads them. `None` for anything else.
    pub fn parse(typed: &str) -> Option<Self> {
        Self::digits_in(typed)?.as_slice().try_into().ok().map(Self)
    }

    /// The digits in what a person has typed so far, with any blanks, dashes and dots between them, also in the forms
    /// of an input method (NFKC). `None` once there is anything else.
    pub fn digits_in(typed: &str) -> Option<Zeroizing<Vec<u8>>> {
        let mut digits = Zeroizing::new(Vec::with_capacity(typed.len()));
        for symbol in typed.trim().nfkc() {
            match symbol {
                '0'..='9' => digits.push((u32::from(symbol) - u32::from('0')) as u8),
                ' ' | '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | 'ー' | '.' | ',' | '·' | '。' | '、' => {}
                _ => return None,
            }
        }
        Some(digits)
    }
}

impl std::fmt::Display for Half {
    /// Writes two groups of four digits: `4124 2842`.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, digit) in self.0.iter().enumerate() {
            if place == DIGITS / 2 {
                out.write_str(" ")?;
            }
            write!(out, "{digit}")?;
        }
        Ok(())
    }
}

/// The pairing code of a connection as one side sees it.
pub struct PairingCode {
    /// The half that this side shows and its user reads to the partner.
    pub own: Half,
    /// The half that the partner's side shows and this side's user types. Never show it before it was typed.
    pub partner: Half,
    /// The code as pictures: seven indices from 0 to 63 into the SAS emoji table of the Matrix specification.
    pub emoji: Zeroizing<[u8; 7]>,
}

impl PairingCode {
    /// Derives the code from n_R and the handshake hash.
    pub fn new(role: Role, nonce: &PairingNonce, hash: &HandshakeHash) -> Self {
        let secret = code_secret(nonce, hash);
        let (first, rest) = secret.expose().split_at(8);
        let (second, rest) = rest.split_at(8);
        let (own, partner) = match role {
            Role::Initiator => (Half::cut(first), Half::cut(second)),
            Role::Responder => (Half::cut(second), Half::cut(first)),
        };
        let bits = rest.iter().take(6).fold(0, |bits: u64, byte| bits << 8 | u64::from(*byte));
        let mut emoji = Zeroizing::new([0; 7]);
        for (place, index) in emoji.iter_mut().enumerate() {
            *index = (bits >> (42 - 6 * place) & 63) as u8;
        }
        Self { own, partner, emoji }
    }
}

/// The result of one entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The entry is the partner's half.
    Right,
    /// The entry is not eight digits. It does not count as a try.
    NotACode,
    /// The entry is this side's own half, which proves nothing. It does not count as a try.
    OwnHalf,
    /// The entry is another half.
    Wrong {
        /// Number of tries that are left; 0 means that the pairing has failed.
        tries_left: u8,
    },
}

/// The judge of a user's entries, which allows [`TRIES`] wrong ones.
pub struct Entries {
    tries_left: u8,
}

impl Default for Entries {
    fn default() -> Self {
        Self { tries_left: TRIES }
    }
}

impl Entries {
    /// Judges one entry against the code.
    pub fn judge(&mut self, code: &PairingCode, typed: &str) -> Verdict {
        let Some(half) = Half::parse(typed) else { return Verdict::NotACode };
        let equal = |a: &Half, b: &Half| aws_lc_rs::constant_time::verify_slices_are_equal(&a.0, &b.0).is_ok();
        if self.tries_left > 0 && equal(&half, &code.partner) {
            return Verdict::Right;
        }
        if equal(&half, &code.own) {
            return Verdict::OwnHalf;
        }
        self.tries_left = self.tries_left.saturating_sub(1);
        Verdict::Wrong { tries_left: self.tries_left }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_is_read_in_every_documented_spelling() {
        let right = Half([0, 1, 2, 3, 4, 5, 6, 7]);
        for typed in [
            "01234567",
            "0123 4567",
            " 0123-4567 ",
            "0 1 2 3 4 5 6 7",
            "０１２３４５６７",
            "０１２３　４５６７",
            "0123—4567",
            "0123－4567",
            "0123ー4567",
            "0123−4567",
            "0123.4567",
            "０１２３．４５６７",
            "０１２３。４５６７",
            "０１２３，４５６７",
            "\u{3000}０１２３\u{a0}４５６７\u{3000}",
        ] {
            assert!(Half::parse(typed) == Some(Half(right.0)), "{typed}");
        }
    }

    #[test]
    fn anything_else_is_not_a_half() {
        for typed in [
            "",
            " ",
            "y",
            "0123456",
            "012345678",
            "0123 456x",
            "٠١٢٣٤٥٦٧",
            "01234567\u{200b}",
            "0123\n4567",
            "+1234567",
        ] {
            assert!(Half::parse(typed).is_none(), "{typed:?}");
        }
    }

    #[test]
    fn leading_zeros_are_shown() {
        assert_eq!(Half::cut(&42u64.to_be_bytes()).to_string(), "0000 0042");
    }

    #[test]
    fn only_other_halves_count_as_wrong_and_three_are_the_end() {
        let code = PairingCode { own: Half([1; 8]), partner: Half([2; 8]), emoji: Zeroizing::new([0; 7]) };
        let mut entries = Entries::default();
        assert_eq!(entries.judge(&code, "1111 1111"), Verdict::OwnHalf);
        assert_eq!(entries.judge(&code, "2222 222"), Verdict::NotACode);
        for tries_left in [2, 1, 0] {
            assert_eq!(entries.judge(&code, "2222 2223"), Verdict::Wrong { tries_left });
        }
        assert_eq!(entries.judge(&code, "2222 2222"), Verdict::Wrong { tries_left: 0 });
    }
}
