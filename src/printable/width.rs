//! The number of cells of a text: the most that any terminal takes.
//!
//! Terminals do not agree on the width of many characters. Whatever is broken into rows, placed, or pointed at by the
//! cursor is counted here, and only here: so generously that no terminal draws more than was counted. What a terminal
//! draws narrower leaves a row shorter than it may be, and nothing else.
//!
//! | characters | cells |
//! |---|---|
//! | nonspacing and enclosing marks of Unicode 5.0 | 0 |
//! | later ones, which older terminals do not know | 1 |
//! | joiners, and U+FE0F, which makes the character before it wide | 1 |
//! | regional indicators, conjoining vowels and finals, four marks that stand beside their base, circled numbers on black squares, pictographs of 2016 and later, code points without a character | 2 |
//! | ambiguous ones, Latin, Greek and Cyrillic letters among them | 1, or 2 where they are wide |
//! | others | as in Unicode, but at least 1 |
//!
//! `tests/widths.txt` holds what a dozen terminals take, and the tests hold this to it.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};
use unicode_width::UnicodeWidthChar as _;

/// The width of the characters that Unicode calls ambiguous: a user's choice, which a terminal tells when it is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ambiguous {
    /// One cell.
    #[default]
    Narrow,
    /// Two cells, as in old East Asian fonts.
    Wide,
}

/// Maximum number of cells that a terminal uses for a text in one row.
pub fn cells(text: &str, ambiguous: Ambiguous) -> usize {
    text.chars().map(|c| of_char(c, ambiguous)).sum()
}

/// Maximum number of cells for a text in one row, whatever the terminal makes of ambiguous characters.
pub fn widest(text: &str) -> usize {
    cells(text, Ambiguous::Wide)
}

/// Whether all terminals agree on the number of cells of a grapheme cluster.
pub fn is_certain(cluster: &str) -> bool {
    let mut chars = cluster.chars();
    let certain = |c| {
        matches!(
            c,
            ' '..='~'
                | '\u{3001}'..='\u{3002}'
                | '\u{3041}'..='\u{3096}'
                | '\u{30a1}'..='\u{30fa}'
                | '\u{4e00}'..='\u{9fa5}'
                | '\u{ac00}'..='\u{d7a3}'
                | '\u{ff01}'..='\u{ff5e}'
        )
    };
    chars.next().is_some_and(certain) && chars.next().is_none()
}

fn of_char(c: char, ambiguous: Ambiguous) -> usize {
    match c {
        ' '..='~' => 1,
        // What most wide texts consist of.
        '\u{3041}'..='\u{3096}' | '\u{4e00}'..='\u{9fa5}' | '\u{ac00}'..='\u{d7a3}' => 2,
        // Wide in the tables of many, whatever they make of ambiguous characters.
        '\u{1161}'..='\u{11ff}'
        | '\u{302e}'..='\u{302f}'
        | '\u{3248}'..='\u{324f}'
        | '\u{d7b0}'..='\u{d7ff}'
        | '\u{16ff0}'..='\u{16ff1}'
        | '\u{1f1e6}'..='\u{1f1ff}'
        | '\u{1f900}'..='\u{1f9ff}' => 2,
        '\u{fe0f}' => 1,
        _ => match c.general_category() {
            GeneralCategory::Unassigned => 2,
            GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark => usize::from(!is_old_mark(c)),
            _ => {
                let width = match ambiguous {
                    Ambiguous::Narrow => c.width(),
                    // Unicode calls them ambiguous, and the crate narrow, since they are letters.
                    Ambiguous::Wide if is_ambiguous_letter(c) => Some(2),
                    Ambiguous::Wide => c.width_cjk(),
                };
                width.unwrap_or(0).max(1)
            }
        },
    }
}

fn is_ambiguous_letter(c: char) -> bool {
    matches!(c, '\u{a1}'..='\u{451}' | '\u{207f}' | '\u{2113}' | '\u{2126}' | '\u{212b}')
}

fn is_old_mark(c: char) -> bool {
    OLD_MARKS.partition_point(|place| *place <= u32::from(c)) % 2 == 1
}

/// Where ranges begin whose nonspacing and enclosing marks are all in Unicode 5.0, and where they end, in turns.
const OLD_MARKS: [u32; 180] = [
    0x300, 0x370, 0x483, 0x487, 0x488, 0x48a, 0x591, 0x5c8, 0x610, 0x616, 0x64b, 0x65f, 0x670, 0x6ee, 0x711, 0x74b,
    0x7a6, 0x7b1, 0x7eb, 0x7f4, 0x901, 0x903, 0x93c, 0x955, 0x962, 0x982, 0x9bc, 0x9c5, 0x9cd, 0x9ce, 0x9e2, 0x9e4,
    0xa01, 0xa03, 0xa3c, 0xa3d, 0xa41, 0xa43, 0xa47, 0xa49, 0xa4b, 0xa4e, 0xa70, 0xa72, 0xa81, 0xa83, 0xabc, 0xac6,
    0xac7, 0xac9, 0xacd, 0xace, 0xae2, 0xae4, 0xb01, 0xb02, 0xb3c, 0xb44, 0xb4d, 0xb4e, 0xb56, 0xb57, 0xb82, 0xb83,
    0xbc0, 0xbc1, 0xbcd, 0xbce, 0xc3e, 0xc41, 0xc46, 0xc49, 0xc4a, 0xc4e, 0xc55, 0xc57, 0xcbc, 0xcc0, 0xcc6, 0xcc7,
    0xccc, 0xcce, 0xce2, 0xce4, 0xd41, 0xd44, 0xd4d, 0xd4e, 0xdca, 0xdcb, 0xdd2, 0xdd5, 0xdd6, 0xdd7, 0xe31, 0xe3b,
    0xe47, 0xe4f, 0xeb1, 0xeba, 0xebb, 0xebd, 0xec8, 0xece, 0xf18, 0xf3a, 0xf71, 0xf88, 0xf90, 0xf98, 0xf99, 0xfbd,
    0xfc6, 0xfc7, 0x102d, 0x1033, 0x1036, 0x103a, 0x1058, 0x105a, 0x135f, 0x1360, 0x1712, 0x1715, 0x1732, 0x1734,
    0x1752, 0x1754, 0x1772, 0x1774, 0x17b4, 0x17de, 0x180b, 0x180e, 0x18a9, 0x18aa, 0x1920, 0x1929, 0x1932, 0x193c,
    0x1a17, 0x1a19, 0x1b00, 0x1b43, 0x1b6b, 0x1b74, 0x1dc0, 0x1dcb, 0x1dfe, 0x1e00, 0x20d0, 0x20f0, 0x302a, 0x302e,
    0x3099, 0x309b, 0xa806, 0xa827, 0xfb1e, 0xfb1f, 0xfe00, 0xfe10, 0xfe20, 0xfe24, 0x10a01, 0x10a04, 0x10a05, 0x10a07,
    0x10a0c, 0x10a10, 0x10a38, 0x10a3b, 0x10a3f, 0x10a40, 0x1d167, 0x1d1ae, 0x1d242, 0x1d245, 0xe0100, 0xe01f0,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printable::is_writable;

    #[test]
    fn no_terminal_takes_more_cells_than_are_counted() {
        let scalar = |hex: &str| char::from_u32(u32::from_str_radix(hex, 16).unwrap());
        let counted = |text: &str| [Ambiguous::Narrow, Ambiguous::Wide].map(|ambiguous| cells(text, ambiguous));
        let mut measured = 0;
        for line in include_str!("../../tests/widths.txt").lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<_> = line.split([' ', ':']).filter(|field| !field.is_empty()).collect();
            let (what, taken) = fields.split_at(fields.len() - 2);
            let taken: Vec<usize> = taken.iter().map(|cells| cells.parse().unwrap()).collect();
            let texts: Vec<String> = match what[0].split_once('-') {
                Some((first, last)) => {
                    let scalars = u32::from_str_radix(first, 16).unwrap()..=u32::from_str_radix(last, 16).unwrap();
                    scalars.filter_map(char::from_u32).filter(|c| is_writable(*c)).map(String::from).collect()
                }
                None => vec![what.iter().filter_map(|hex| scalar(hex)).collect()],
            };
            for text in texts {
                measured += 1;
                let [narrow, wide] = counted(&text);
                assert!(narrow >= taken[0] && wide >= taken[1] && wide >= narrow, "{text:?} {narrow} {wide}: {line}");
                assert!(!is_certain(&text) || [narrow, wide] == *taken, "{text:?}: {line}");
            }
        }
        assert!(measured > 100_000, "{measured}");
    }

    #[test]
    fn no_scalar_is_counted_narrower_than_unicode_has_it() {
        for c in (' '..=char::MAX).filter(|c| is_writable(*c)) {
            assert!(of_char(c, Ambiguous::Narrow) >= c.width().unwrap_or(0), "{c:?}");
            assert!(of_char(c, Ambiguous::Wide) >= of_char(c, Ambiguous::Narrow), "{c:?}");
        }
    }
}
