//! What is written, laid out in the one row of its prompt, or in as many as it takes once it is entered.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation as _;
use zeroize::Zeroizing;

use crate::printable::{Ambiguous, Printable, append, widest};
use crate::protocol::invite::{MARK, resembles};
use crate::ui::editor::Editor;

/// Columns for what is written without which the words before it are cut.
const SPACE: usize = 20;
/// Columns below which nothing is shown of what is written.
const LEAST: usize = 4;

/// A prompt and what is written after it.
pub struct Field {
    /// The words before it.
    pub label: Cow<'static, str>,
    /// An invite is not to be seen.
    pub hides: bool,
    /// Nothing of the text is to be seen: it may be an invite in another form.
    all: bool,
    /// The first byte of the text that is visible.
    left: usize,
}

/// A row to be painted.
#[derive(PartialEq, Eq, Default)]
pub struct Row {
    /// All of it.
    pub text: Zeroizing<String>,
    /// Bytes of it before the cursor.
    pub cursor: usize,
}

impl Row {
    /// Another row of the same.
    pub fn copy(&self) -> Self {
        Self { text: Zeroizing::new(self.text.to_string()), cursor: self.cursor }
    }
}

impl Field {
    /// A prompt with those words.
    pub fn new(label: impl Into<Cow<'static, str>>) -> Self {
        Self { label: label.into(), hides: false, all: false, left: 0 }
    }

    /// The row, which leaves the last column of the terminal free: nothing depends on what happens there.
    ///
    /// What does not fit is scrolled to the left, so far that the cursor can be seen. `<` and `>` stand for the rest.
    pub fn row(&mut self, editor: &Editor, columns: usize) -> Row {
        let room = columns.saturating_sub(1);
        let mut label = self.label.as_ref();
        while !label.is_empty() && widest(label) + SPACE.min(room / 2) > room {
            label = label.get(label.graphemes(true).next().map_or(0, str::len)..).unwrap_or_default();
        }
        let mut row = Row { text: Zeroizing::new(label.to_owned()), cursor: label.len() };
        let space = room - widest(label);
        if space < LEAST {
            return row;
        }
        let (text, cursor) = (editor.text(), editor.cursor());
        self.all = self.hides && is_hidden(text);
        self.scroll(text, cursor, space);
        let mut used = 0;
        if self.left > 0 {
            append(&mut row.text, "<");
            (used, row.cursor) = (1, row.text.len());
        }
        for (at, cluster, shown) in self.clusters(text, self.left) {
            let whole = at + cluster.len() == text.len();
            if used + widest(&shown) > space - usize::from(!whole) {
                append(&mut row.text, ">");
                break;
            }
            used += widest(&shown);
            append(&mut row.text, &shown);
            if at < cursor {
                row.cursor = row.text.len();
            }
        }
        row
    }

    /// Chooses what is visible.
    fn scroll(&mut self, text: &str, cursor: usize, space: usize) {
        let fits = |mut width: usize, from: usize, to: usize| {
            let mut clusters = self.clusters(text, from).take_while(|(at, ..)| *at < to);
            clusters.all(|(.., shown)| {
                width += widest(&shown);
                width <= space
            })
        };
        if fits(0, 0, text.len()) {
            self.left = 0;
            return;
        }
        // Two columns for the marks.
        let visible = self.left <= cursor && text.is_char_boundary(self.left) && fits(2, self.left, cursor);
        if !visible {
            let mut width = 0;
            let before = text.get(..cursor).unwrap_or_default();
            let near = before.grapheme_indices(true).rev().take_while(|(at, cluster)| {
                width += widest(&self.shown(text, *at, cluster));
                width <= space / 2
            });
            self.left = near.last().map_or(cursor, |(at, _)| at);
        }
    }

    /// The grapheme clusters from that byte on: where they begin, as they are and as they are shown.
    fn clusters<'a>(&self, text: &'a str, from: usize) -> impl Iterator<Item = (usize, &'a str, Cow<'a, str>)> {
        let rest = text.get(from..).unwrap_or_default();
        rest.grapheme_indices(true).map(move |(at, cluster)| (from + at, cluster, self.shown(text, from + at, cluster)))
    }

    fn shown<'a>(&self, text: &str, at: usize, cluster: &'a str) -> Cow<'a, str> {
        match cluster {
            "\n" => "␤".into(),
            blank if blank.trim().is_empty() => blank.into(),
            _ if self.all || self.hides && is_secret(text, at) => "*".into(),
            cluster => Printable::line(cluster).as_str().to_owned().into(),
        }
    }

    /// The whole of it, once it is entered: rows that stay.
    pub fn entered(&self, editor: &Editor, columns: usize) -> Zeroizing<String> {
        let text = editor.text();
        let all = self.hides && is_hidden(text);
        let mut masked = Zeroizing::new(String::with_capacity(text.len()));
        for (at, c) in text.char_indices() {
            let hidden = (all || self.hides && is_secret(text, at)) && !c.is_whitespace();
            masked.push(if hidden { '*' } else { c });
        }
        let mut rows = Zeroizing::new(self.label.to_string());
        if text.is_empty() {
            rows.push('\n');
            return rows;
        }
        let mut indent = widest(&self.label);
        if indent > columns / 2 {
            append(&mut rows, "\n");
            indent = 0;
        }
        let printable = Printable::text(&masked);
        let (open, close) = printable.isolates();
        for (place, row) in printable.rows(columns.saturating_sub(indent + 1), Ambiguous::Wide).enumerate() {
            let gutter = " ".repeat(if place > 0 { indent } else { 0 });
            for part in [gutter.as_str(), open, row, close, "\n"] {
                append(&mut rows, part);
            }
        }
        rows
    }
}

/// Whether a text may be an invite, or a part of one, that does not begin with its mark.
fn is_hidden(text: &str) -> bool {
    !text.trim_start().starts_with(MARK) && resembles(text)
}

/// Whether that byte belongs to the secret of an invite.
fn is_secret(text: &str, at: usize) -> bool {
    let start = text.len() - text.trim_start().len();
    text.get(start..).is_some_and(|rest| rest.starts_with(MARK)) && at >= start + MARK.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::editor::Edit;

    fn shown(field: &mut Field, editor: &Editor, columns: usize) -> String {
        let Row { text, cursor } = field.row(editor, columns);
        assert!(widest(&text) < columns.max(1), "{:?}", *text);
        format!("{}|{}", &text[..cursor], &text[cursor..])
    }

    fn written(text: &str) -> Editor {
        let mut editor = Editor::new(65_536);
        assert!(editor.paste(text));
        editor
    }

    #[test]
    fn what_fits_is_shown_whole_with_the_cursor_in_its_place() {
        let (mut field, mut editor) = (Field::new("you › "), written("你好👨‍👩‍👧\nb"));
        assert_eq!(shown(&mut field, &editor, 40), "you › 你好👨‍👩‍👧␤b|");
        editor.edit(Edit::Left);
        editor.edit(Edit::Left);
        assert_eq!(shown(&mut field, &editor, 40), "you › 你好👨‍👩‍👧|␤b");
        editor.edit(Edit::Left);
        assert_eq!(shown(&mut field, &editor, 40), "you › 你好|👨‍👩‍👧␤b");
    }

    #[test]
    fn a_long_line_scrolls_in_its_row() {
        let (mut field, mut editor) = (Field::new("> "), written("abcdefghijklmnopqrstuvwxyz"));
        assert_eq!(shown(&mut field, &editor, 17), "> <tuvwxyz|");
        assert!(editor.insert("!"));
        assert_eq!(shown(&mut field, &editor, 17), "> <tuvwxyz!|");
        editor.edit(Edit::Home);
        assert_eq!(shown(&mut field, &editor, 17), "> |abcdefghijklm>");
        for _ in 0..13 {
            editor.edit(Edit::Right);
        }
        assert_eq!(shown(&mut field, &editor, 17), "> <ghijklm|nopqr>");
        editor.edit(Edit::CutEnd);
        assert_eq!(shown(&mut field, &editor, 17), "> abcdefghijklm|");
    }

    #[test]
    fn no_row_is_wider_than_the_terminal_whatever_is_written_and_however_it_is_measured() {
        let text = "…·é─█你好👍🏽🇨🇳e\u{301}ﾊﾞ\u{fe0f}Ж".repeat(20);
        for columns in 0..60 {
            let (mut field, mut editor) = (Field::new("对方的配对码："), written(&text));
            for edit in [Edit::Left, Edit::WordLeft, Edit::Home, Edit::Right, Edit::End, Edit::CutWordLeft] {
                shown(&mut field, &editor, columns);
                editor.edit(edit);
            }
            for row in field.entered(&editor, columns).lines() {
                assert!(widest(row) < columns.max(widest(&field.label) + 1), "{columns}: {row}");
            }
        }
    }

    #[test]
    fn nothing_of_an_invite_is_shown_behind_its_mark() {
        let mut field = Field { hides: true, ..Field::new("? ") };
        let secret = written(" tete1QQRR\n SS");
        assert_eq!(shown(&mut field, &secret, 40), "?  tete1****␤ **|");
        assert_eq!(*field.entered(&secret, 40), "?  tete1****\n   **\n".to_owned());
        for mangled in ["“tete1AQABAgMEBQYHCAkKCwwNDg8Q”", "Tete1AQABAgMEBQYHCAkKCwwNDg8Q"] {
            assert!(!shown(&mut field, &written(mangled), 60).contains("AgMEB"), "{mangled}");
            assert!(!field.entered(&written(mangled), 60).contains("AgMEB"), "{mangled}");
        }
        assert_eq!(shown(&mut field, &written("tete.example"), 40), "? tete.example|");
    }

    #[test]
    fn what_was_entered_stays_whole() {
        let field = Field::new("you › ");
        assert_eq!(*field.entered(&written("one two three"), 14), "you › one two\n      three\n".to_owned());
        assert_eq!(*field.entered(&written(""), 40), "you › \n".to_owned());
        assert_eq!(*field.entered(&written("one"), 8), "you › \none\n".to_owned());
    }
}
