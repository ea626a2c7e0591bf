//! Texts in rows that fit a terminal: those of the program, and those of the partner behind their gutter.

use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;
use zeroize::Zeroizing;

use crate::interface::event::Event;
use crate::printable::{Ambiguous, ISOLATE, ISOLATE_END, Printable, append, rows_of, widest};

/// Columns where nobody says how many there are.
const COLUMNS: usize = 80;
/// Most columns that are used.
const WIDEST: usize = 1_000;
/// Blanks by which a row that continues a line is indented further than the line.
const INDENT: usize = 2;
/// Columns below which time and speaker get a row of their own.
const NARROW: usize = 40;

/// Columns of a terminal.
pub fn columns_of(terminal: impl AsFd) -> usize {
    let columns = tcgetwinsize(terminal).map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { COLUMNS } else { columns.min(WIDEST) }
}

/// A text of the program, each row with its line feed.
///
/// A row that continues a line is indented: wherever a foreign name in the text is broken, its rest does not begin a
/// row as a text of the program does.
pub fn sentence(text: &str, columns: usize) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::new());
    let room = columns.saturating_sub(1);
    for line in Printable::sentence(text, true).as_str().split('\n') {
        let content = line.trim_start_matches(' ');
        let indent = (line.len() - content.len()).min(room / 2);
        let mut rows = rows_of(content, room - indent, Ambiguous::Wide);
        if rows.len() > 1 {
            // Where an isolated part is broken, its mark ends the row, and begins the next one again.
            let marks = if content.contains(ISOLATE) { 2 } else { 0 };
            rows = rows_of(content, room.saturating_sub(indent + INDENT + marks), Ambiguous::Wide);
        }
        let mut open = 0;
        for (place, row) in rows.into_iter().enumerate() {
            let before = " ".repeat(if place == 0 { indent } else { indent + INDENT });
            let again = ISOLATE.to_string().repeat(open);
            for c in row.chars() {
                match c {
                    ISOLATE => open += 1,
                    ISOLATE_END => open = open.saturating_sub(1),
                    _ => {}
                }
            }
            let until = ISOLATE_END.to_string().repeat(open);
            for part in [before.as_str(), &again, row, &until, "\n"] {
                append(&mut out, part);
            }
        }
    }
    out
}

/// The text of an event, each row with its line feed. Codes, pictures and an invite are not indented.
pub fn event(event: &Event, text: &str, columns: usize) -> Zeroizing<String> {
    let (Event::Code { .. } | Event::Compare { .. } | Event::Invite { .. }) = event else {
        return sentence(text, columns);
    };
    let mut out = Zeroizing::new(String::new());
    for row in Printable::sentence(text, true).rows(columns, Ambiguous::Wide) {
        append(&mut out, row);
        append(&mut out, "\n");
    }
    out
}

/// A text of the partner behind a gutter, each row with its line feed. `head` stands before the first row, bold if
/// `styled`.
pub fn said(head: &str, text: &Printable, columns: usize, styled: bool) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::new());
    let indent = if columns < NARROW {
        append(&mut out, head);
        append(&mut out, "\n");
        0
    } else {
        widest(head)
    };
    let (open, close) = text.isolates();
    for (place, row) in text.rows(columns.saturating_sub(indent + 4), Ambiguous::Wide).enumerate() {
        let gutter = if place == 0 && indent > 0 { head.to_owned() } else { " ".repeat(indent) };
        let gutter = if styled { format!("\x1b[1m{gutter}│\x1b[0m ") } else { format!("{gutter}│ ") };
        for part in [gutter.as_str(), open, row, close, "\n"] {
            append(&mut out, part);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_segmentation::UnicodeSegmentation as _;

    use super::*;

    #[test]
    fn a_row_that_continues_a_line_is_indented_by_two_more_than_the_line() {
        let told = sentence("one two three\n\n  → four five six\nshort", 12);
        assert_eq!(*told, "one two\n  three\n\n  → four\n    five\n    six\nshort\n");
        let fits = sentence("just nine\nnot quite so", 10);
        assert_eq!(*fits, "just nine\nnot\n  quite\n  so\n");
    }

    #[test]
    fn a_name_written_from_right_to_left_stays_isolated_in_every_row() {
        let name = Printable::line(&"שלום עולם ".repeat(8));
        for columns in [20, 42, 80] {
            let told = sentence(&format!("Your partner wants to send you {name}. /get"), columns);
            let marked = told.lines().filter(|row| row.contains('ש')).count();
            assert!(marked > 1 || columns == 80, "{told:?}");
            for row in told.lines() {
                let count = |mark| row.matches(mark).count();
                assert_eq!(count(ISOLATE), count(ISOLATE_END), "{row:?}");
                assert!(!row.contains('ש') || count(ISOLATE) == 1, "{row:?}");
            }
        }
    }

    #[test]
    fn blanks_that_do_not_break_bring_no_name_to_the_beginning_of_a_row() {
        let name = format!("{}Your partner left.", "\u{a0}".repeat(60));
        let told = sentence(&format!("Receiving {name} into /tmp"), 40);
        assert!(told.lines().count() > 2, "{told:?}");
        assert!(told.lines().skip(1).all(|row| row.starts_with("  ")), "{told:?}");
        let names = [name.clone(), "葛".repeat(340), "a b ".repeat(256), "x".repeat(1_024), "👨‍👩‍👧".repeat(50)];
        for columns in [20, 30, 40, 64, 80] {
            for name in &names {
                let told =
                    sentence(&format!("Your partner wants to send you {}. /get", Printable::line(name)), columns);
                assert!(told.lines().skip(1).all(|row| row.starts_with("  ")), "{told:?}");
                assert!(told.lines().all(|row| widest(row) < columns), "{told:?}");
            }
        }
        let text = said("12:00 partner ", &Printable::text(&name), 40, false);
        assert!(text.lines().skip(1).all(|row| row.starts_with("              │ ")), "{text:?}");
    }

    #[test]
    fn every_row_of_a_text_fits_whatever_the_terminal_makes_of_it() {
        let texts =
            ["🇦x".repeat(40), "\u{3248}".repeat(40), "a\u{302e}".repeat(40), "Жизнь ".repeat(40), "…".repeat(90)];
        for text in texts.iter().chain([&"a\u{898}".repeat(40), &"שלום ".repeat(40), &"👨‍👩‍👧‍👦".repeat(9)])
        {
            for columns in [20, 39, 40, 80] {
                for row in said("12:00 partner ", &Printable::text(text), columns, false).lines() {
                    assert!(widest(row) < columns, "{columns}: {row:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_row_is_wider_than_the_terminal_and_nothing_is_lost(text in "(\\PC| |\n){0,200}", columns in 12usize..100) {
            let told = sentence(&text, columns);
            for row in told.lines() {
                prop_assert!(row.graphemes(true).map(widest).sum::<usize>() < columns, "{row:?}");
            }
            let letters = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(letters(&told), letters(Printable::sentence(&text, true).as_str()));
        }
    }
}
