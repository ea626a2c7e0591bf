//! The line being written: a text of any number of lines, edited by grapheme cluster.
//!
//! It knows nothing of keys and colours, but which characters were typed and which were pasted. The memory for the text
//! is allocated once, so that growing leaves no copy behind.

use std::ops::Range;

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation as _};
use zeroize::Zeroizing;

use crate::printable::{Ambiguous, cells, is_writable, may_break};

/// Maximum number of changes that can be undone.
const UNDO: usize = 200;
/// Maximum size of those changes, in bytes.
const UNDO_BYTES: usize = 1 << 20;

/// An edit of the text, or a move of the cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edit {
    /// Moves one cluster to the left.
    Left,
    /// Moves one cluster to the right.
    Right,
    /// Moves to the start of the word.
    WordLeft,
    /// Moves to the end of the word.
    WordRight,
    /// Moves to the start of the line.
    Home,
    /// Moves to the end of the line.
    End,
    /// Moves to the start of the text.
    First,
    /// Moves to the end of the text.
    Last,
    /// Removes the cluster before the cursor.
    Backspace,
    /// Removes the cluster after the cursor.
    Delete,
    /// Removes back to the start of the word.
    CutWordLeft,
    /// Removes back to the last blank.
    CutBlankLeft,
    /// Removes to the end of the word.
    CutWordRight,
    /// Removes to the start of the line.
    CutHome,
    /// Removes to the end of the line.
    CutEnd,
    /// Inserts the text that was cut last.
    PutBack,
    /// Exchanges the clusters before and after the cursor.
    Transpose,
    /// Undoes the last change.
    Undo,
    /// Redoes the change that was undone last.
    Redo,
}

/// A text, and which of its characters were typed key by key.
#[derive(Default, PartialEq, Eq)]
pub struct Draft {
    text: Zeroizing<String>,
    /// Whether a byte was typed, for each byte of the text.
    typed: Vec<bool>,
}

impl Draft {
    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Drops what is known of the typing, and returns the text.
    pub fn into_text(self) -> Zeroizing<String> {
        self.text
    }

    /// Whether every character of the first word was typed. A pasted word is never the name of a command, but may
    /// be its argument.
    pub fn is_first_word_typed(&self) -> bool {
        let word = self.text.find(char::is_whitespace).unwrap_or(self.text.len());
        self.typed.iter().take(word).all(|typed| *typed)
    }

    /// Makes a draft of a text, without the characters that cannot be written.
    fn clean(text: &str, typed: bool) -> Self {
        let mut clean = Zeroizing::new(String::with_capacity(text.len() * 4));
        for c in text.chars().filter(|c| is_writable(*c)) {
            if c == '\t' { clean.push_str("    ") } else { clean.push(c) }
        }
        Self { typed: vec![typed; clean.len()], text: clean }
    }

    fn part(&self, range: Range<usize>) -> Self {
        let text = Zeroizing::new(self.text.get(range.clone()).unwrap_or_default().to_owned());
        Self { text, typed: self.typed.get(range).unwrap_or_default().to_owned() }
    }

    fn followed_by(&self, more: &Self) -> Self {
        let text = Zeroizing::new([self.text(), more.text()].concat());
        Self { text, typed: [self.typed.as_slice(), more.typed.as_slice()].concat() }
    }

    fn len(&self) -> usize {
        self.text.len()
    }
}

/// A text and a cursor in it.
pub struct Editor {
    draft: Draft,
    /// Byte offset, always between two clusters.
    cursor: usize,
    limit: usize,
    cut: Draft,
    undo: Vec<Change>,
    redo: Vec<Change>,
    /// Whether the next typed character belongs to the last change.
    typing: bool,
    /// The column that moves by rows return to.
    column: Option<usize>,
    ambiguous: Ambiguous,
}

/// A change: at the byte offset `at`, `removed` was replaced by `inserted`.
struct Change {
    at: usize,
    removed: Draft,
    inserted: Draft,
    /// The cursor before the change.
    cursor: usize,
}

/// The text in rows of a box, and the cursor's place among them.
#[derive(PartialEq, Eq, Debug)]
pub struct Layout {
    /// Byte range of each row, possibly without the blank or line break at its end.
    pub rows: Vec<Range<usize>>,
    /// The cursor's row.
    pub row: usize,
    /// The cursor's column, at most one past the last.
    pub column: usize,
}

impl Editor {
    /// An empty text of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            draft: Draft { text: Zeroizing::new(String::with_capacity(limit)), typed: Vec::new() },
            cursor: 0,
            limit,
            cut: Draft::default(),
            undo: Vec::new(),
            redo: Vec::new(),
            typing: false,
            column: None,
            ambiguous: Ambiguous::Narrow,
        }
    }

    /// Sets the width of ambiguous characters in the box.
    pub fn set_ambiguous(&mut self, ambiguous: Ambiguous) {
        self.ambiguous = ambiguous;
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.draft.text
    }

    /// A copy of the text as it is now.
    pub fn draft(&self) -> Draft {
        self.draft.part(0..self.draft.len())
    }

    /// The cursor, as a byte offset.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.text().is_empty()
    }

    /// Whether every character of the first word was typed, as in [`Draft::is_first_word_typed`].
    pub fn is_first_word_typed(&self) -> bool {
        self.draft.is_first_word_typed()
    }

    /// Inserts typed text at the cursor. Returns `false`, and changes nothing, if the text would become too long.
    pub fn insert(&mut self, typed: &str) -> bool {
        let goes_on = self.typing && !typed.contains(char::is_whitespace);
        let inserted = self.replace(self.cursor..self.cursor, Draft::clean(typed, true), goes_on);
        self.typing = inserted;
        inserted
    }

    /// Inserts pasted text, with the line breaks of any system, at the cursor. Returns `false`, and changes nothing, if
    /// the text would become too long.
    pub fn paste(&mut self, pasted: &str) -> bool {
        let mut clean = Zeroizing::new(String::with_capacity(pasted.len()));
        let mut rest = pasted.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\r' if rest.peek() == Some(&'\n') => {}
                '\r' => clean.push('\n'),
                c => clean.push(c),
            }
        }
        self.replace(self.cursor..self.cursor, Draft::clean(&clean, false), false)
    }

    /// Replaces the text and moves the cursor to its end. Can be undone.
    pub fn set(&mut self, draft: &Draft) {
        self.replace(0..self.draft.len(), draft.part(0..draft.len()), false);
        self.cursor = self.draft.len();
    }

    /// Removes the whole text. Can be undone.
    pub fn empty(&mut self) {
        self.cut(0..self.draft.len());
    }

    /// Takes the text and leaves an empty one, without changes to undo.
    pub fn take(&mut self) -> Draft {
        let draft = self.draft();
        *self = Self { cut: std::mem::take(&mut self.cut), ambiguous: self.ambiguous, ..Self::new(self.limit) };
        draft
    }

    /// Applies one edit.
    pub fn edit(&mut self, edit: Edit) {
        let before = (self.cursor, self.draft.len());
        match edit {
            Edit::Left => self.cursor = self.left(self.cursor),
            Edit::Right => self.cursor = self.right(self.cursor),
            Edit::WordLeft => self.cursor = self.word_left(),
            Edit::WordRight => self.cursor = self.word_right(),
            Edit::Home => self.cursor = self.line_start(),
            Edit::End => self.cursor = self.line_end(),
            Edit::First => self.cursor = 0,
            Edit::Last => self.cursor = self.draft.len(),
            Edit::Backspace => self.remove(self.left(self.cursor)..self.cursor),
            Edit::Delete => self.remove(self.cursor..self.right(self.cursor)),
            Edit::CutWordLeft => self.cut(self.word_left()..self.cursor),
            Edit::CutBlankLeft => self.cut(self.blank_left()..self.cursor),
            Edit::CutWordRight => self.cut(self.cursor..self.word_right()),
            Edit::CutHome => self.cut(self.line_start()..self.cursor),
            Edit::CutEnd if self.cursor == self.line_end() => self.cut(self.cursor..self.right(self.cursor)),
            Edit::CutEnd => self.cut(self.cursor..self.line_end()),
            Edit::PutBack => {
                let cut = self.cut.part(0..self.cut.len());
                self.replace(self.cursor..self.cursor, cut, false);
            }
            Edit::Transpose => self.transpose(),
            Edit::Undo => self.travel(true),
            Edit::Redo => self.travel(false),
        }
        self.typing &= before == (self.cursor, self.draft.len());
        self.column = None;
    }

    /// Moves one row up or down in a box of `columns`. Returns `false` at the first and the last row.
    pub fn move_row(&mut self, down: bool, columns: usize) -> bool {
        let layout = self.layout(columns);
        let wanted = *self.column.get_or_insert(layout.column);
        let row = if down { layout.row.checked_add(1) } else { layout.row.checked_sub(1) };
        let Some(range) = row.and_then(|row| layout.rows.get(row)).cloned() else { return false };
        self.typing = false;
        let (mut cursor, mut column) = (range.start, 0);
        for cluster in self.slice(range).graphemes(true) {
            column += cells(cluster, self.ambiguous);
            if column > wanted {
                break;
            }
            cursor += cluster.len();
        }
        self.cursor = cursor;
        self.settle();
        true
    }

    /// Breaks the text into rows of at most `columns`: at line breaks, after blanks and beside wide
    /// characters, and inside a word only when it alone is wider. A blank at a break may stand beyond the edge.
    pub fn layout(&self, columns: usize) -> Layout {
        let columns = columns.max(2);
        let mut out = Layout { rows: Vec::new(), row: 0, column: 0 };
        let mut start = 0;
        for line in self.text().split('\n') {
            self.lay_line(start..start + line.len(), columns, &mut out);
            start += line.len() + 1;
        }
        out
    }

    fn lay_line(&self, line: Range<usize>, columns: usize, out: &mut Layout) {
        let (mut start, mut width) = (line.start, 0);
        // The last place where the row can be broken, and its width up to there.
        let mut fold = None;
        let mut before = "";
        for (place, cluster) in self.slice(line.clone()).grapheme_indices(true) {
            let (at, wide, blank) = (line.start + place, cells(cluster, self.ambiguous), cluster == " ");
            if at > start && may_break(before, cluster) {
                fold = Some((at, width));
            }
            before = cluster;
            while width + wide > columns && !blank && at > start {
                let (next, used) = fold.filter(|(at, _)| *at > start).unwrap_or((at, width));
                self.push_row(start..next, line.end, columns, out);
                (start, width, fold) = (next, width - used, None);
            }
            width += wide;
        }
        self.push_row(start..line.end, line.end, columns, out);
        // The cursor after a full row stands on one of its own.
        if self.cursor == line.end && width >= columns {
            out.rows.push(line.end..line.end);
            (out.row, out.column) = (out.rows.len() - 1, 0);
        }
    }

    fn push_row(&self, row: Range<usize>, line_end: usize, columns: usize, out: &mut Layout) {
        if row.contains(&self.cursor) || self.cursor == row.end && row.end == line_end {
            let before = cells(self.slice(row.start..self.cursor), self.ambiguous);
            (out.row, out.column) = (out.rows.len(), before.min(columns));
        }
        out.rows.push(row);
    }

    fn slice(&self, range: Range<usize>) -> &str {
        self.text().get(range).unwrap_or_default()
    }

    fn left(&self, from: usize) -> usize {
        GraphemeCursor::new(from, self.draft.len(), true).prev_boundary(self.text(), 0).ok().flatten().unwrap_or(0)
    }

    fn right(&self, from: usize) -> usize {
        let next = GraphemeCursor::new(from, self.draft.len(), true).next_boundary(self.text(), 0).ok().flatten();
        next.unwrap_or(self.draft.len())
    }

    fn word_left(&self) -> usize {
        let before = self.slice(0..self.cursor);
        let words = before.split_word_bound_indices().rev();
        words.map(|(at, word)| (at, is_word(word))).find(|(_, word)| *word).map_or(0, |(at, _)| self.boundary(at))
    }

    fn word_right(&self) -> usize {
        let after = self.slice(self.cursor..self.draft.len());
        let mut words = after.split_word_bound_indices();
        let end = words.find(|(_, word)| is_word(word)).map(|(at, word)| self.cursor + at + word.len());
        end.map_or(self.draft.len(), |at| self.boundary(at))
    }

    fn blank_left(&self) -> usize {
        let before = self.slice(0..self.cursor).trim_end();
        let at = before.char_indices().rev().find(|(_, c)| c.is_whitespace()).map_or(0, |(at, c)| at + c.len_utf8());
        self.boundary(at)
    }

    fn line_start(&self) -> usize {
        self.slice(0..self.cursor).rfind('\n').map_or(0, |at| at + 1)
    }

    fn line_end(&self) -> usize {
        self.slice(self.cursor..self.draft.len()).find('\n').map_or(self.draft.len(), |at| self.cursor + at)
    }

    /// Moves a byte offset forward to the next boundary between two clusters, if it is not at one.
    fn boundary(&self, at: usize) -> usize {
        let inside = GraphemeCursor::new(at, self.draft.len(), true).is_boundary(self.text(), 0) == Ok(false);
        if inside { self.right(at) } else { at }
    }

    fn remove(&mut self, range: Range<usize>) {
        self.replace(range, Draft::default(), false);
    }

    fn cut(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.cut = self.draft.part(range.clone());
            self.remove(range);
        }
    }

    fn transpose(&mut self) {
        let end = if self.cursor == self.line_end() { self.cursor } else { self.right(self.cursor) };
        let middle = self.left(end);
        let start = self.left(middle);
        let swapped = self.draft.part(middle..end).followed_by(&self.draft.part(start..middle));
        if start < middle && !swapped.text.contains('\n') {
            self.replace(start..end, swapped, false);
        }
    }

    /// Applies a change, which is undone as one, or together with the last one if it continues that.
    fn replace(&mut self, range: Range<usize>, inserted: Draft, goes_on: bool) -> bool {
        if self.draft.len() - range.len() + inserted.len() > self.limit {
            return false;
        }
        if range.is_empty() && inserted.text.is_empty() {
            return true;
        }
        let removed = self.draft.part(range.clone());
        let change = Change { at: range.start, removed, inserted, cursor: self.cursor };
        self.apply(&change.inserted, range);
        match self.undo.last_mut() {
            Some(last) if goes_on && last.at + last.inserted.len() == change.at => {
                last.inserted = last.inserted.followed_by(&change.inserted);
            }
            _ => self.undo.push(change),
        }
        self.redo.clear();
        let bytes =
            |undo: &[Change]| undo.iter().map(|change| change.removed.len() + change.inserted.len()).sum::<usize>();
        while self.undo.len() > UNDO || self.undo.len() > 1 && bytes(&self.undo) > UNDO_BYTES {
            self.undo.remove(0);
        }
        true
    }

    fn apply(&mut self, insert: &Draft, range: Range<usize>) {
        let end = range.start + insert.len();
        self.draft.text.replace_range(range.clone(), &insert.text);
        self.draft.typed.splice(range, insert.typed.iter().copied());
        self.cursor = end;
        self.typing = false;
        self.column = None;
        self.settle();
    }

    /// Moves the cursor to a cluster boundary, as typed text may have joined the clusters around it.
    fn settle(&mut self) {
        self.cursor = self.boundary(self.cursor);
    }

    fn travel(&mut self, back: bool) {
        let from = if back { &mut self.undo } else { &mut self.redo };
        let Some(Change { at, removed, inserted, cursor }) = from.pop() else { return };
        let before = self.cursor;
        self.apply(&removed, at..at + inserted.len());
        if back {
            self.cursor = cursor;
            self.settle();
        }
        let to = if back { &mut self.redo } else { &mut self.undo };
        to.push(Change { at, removed: inserted, inserted: removed, cursor: before });
    }
}

fn is_word(part: &str) -> bool {
    part.chars().any(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn editor(text: &str) -> Editor {
        let mut editor = Editor::new(65_536);
        assert!(editor.insert(text));
        editor
    }

    fn does(text: &str, edits: &[Edit]) -> (String, usize) {
        let mut editor = editor(text);
        edits.iter().for_each(|edit| editor.edit(*edit));
        (editor.text().to_owned(), editor.cursor())
    }

    #[test]
    fn clusters_are_moved_over_and_deleted_whole() {
        for cluster in ["你", "👨‍👩‍👧", "👍🏽", "e\u{301}", "❤\u{fe0f}", "🇨🇳", "ก็", "한", "क्षि", "ש\u{5b8}"]
        {
            let text = format!("a{cluster}b");
            let (left, cursor) = does(&text, &[Edit::Left, Edit::Left]);
            assert_eq!((left, cursor), (text.clone(), 1), "{cluster}");
            assert_eq!(does(&text, &[Edit::Left, Edit::Backspace]).0, "ab", "{cluster}");
            assert_eq!(does(&text, &[Edit::First, Edit::Right, Edit::Delete]).0, "ab", "{cluster}");
        }
    }

    #[test]
    fn a_mark_that_is_typed_joins_the_cluster_before_it() {
        let mut editor = editor("eb");
        editor.edit(Edit::Left);
        assert!(editor.insert("\u{301}"));
        editor.edit(Edit::Backspace);
        assert_eq!(editor.text(), "b");
    }

    #[test]
    fn words_are_those_of_unicode() {
        assert_eq!(does("see you, then", &[Edit::WordLeft]).1, 9);
        assert_eq!(does("see you, then", &[Edit::WordLeft, Edit::CutWordLeft]), ("see then".into(), 4));
        assert_eq!(does("see you, then", &[Edit::First, Edit::WordRight]).1, 3);
        assert_eq!(does("a b/c d", &[Edit::CutBlankLeft, Edit::CutBlankLeft]).0, "a ");
        assert_eq!(does("你好吗", &[Edit::WordLeft]).1, 6);
        assert_eq!(does("one two", &[Edit::First, Edit::CutWordRight]).0, " two");
    }

    #[test]
    fn lines_have_a_start_and_an_end_of_their_own() {
        assert_eq!(does("ab\ncd", &[Edit::Home]).1, 3);
        assert_eq!(does("ab\ncd", &[Edit::First, Edit::End]).1, 2);
        assert_eq!(does("ab\ncd", &[Edit::CutHome]).0, "ab\n");
        assert_eq!(does("ab\ncd", &[Edit::First, Edit::CutEnd]).0, "\ncd");
        assert_eq!(does("ab\ncd", &[Edit::First, Edit::End, Edit::CutEnd]).0, "abcd");
    }

    #[test]
    fn what_was_cut_can_be_put_elsewhere() {
        assert_eq!(does("one two", &[Edit::CutWordLeft, Edit::Home, Edit::PutBack]), ("twoone ".into(), 3));
        assert_eq!(does("ba", &[Edit::Transpose]).0, "ab");
        assert_eq!(does("你👍🏽", &[Edit::Transpose]).0, "👍🏽你");
        assert_eq!(does("a\nb", &[Edit::First, Edit::Transpose]).0, "a\nb");
    }

    #[test]
    fn changes_are_undone_word_by_word_and_redone() {
        let mut editor = Editor::new(100);
        for c in "one two".chars() {
            assert!(editor.insert(&c.to_string()));
        }
        editor.edit(Edit::Undo);
        assert_eq!(editor.text(), "one");
        editor.edit(Edit::Undo);
        assert_eq!(editor.text(), "");
        editor.edit(Edit::Redo);
        editor.edit(Edit::Redo);
        assert_eq!((editor.text(), editor.cursor()), ("one two", 7));
        editor.edit(Edit::CutHome);
        editor.edit(Edit::Undo);
        assert_eq!((editor.text(), editor.cursor()), ("one two", 7));
    }

    #[test]
    fn what_is_typed_beyond_a_cluster_that_was_joined_is_undone_there() {
        let mut editor = editor("👩");
        editor.edit(Edit::Left);
        for typed in ["👨", "\u{200d}", "b"] {
            assert!(editor.insert(typed));
        }
        assert_eq!(editor.text(), "👨\u{200d}👩b");
        editor.edit(Edit::Undo);
        editor.edit(Edit::Undo);
        assert_eq!(editor.text(), "👩");
    }

    #[test]
    fn a_paste_has_line_breaks_of_one_kind_and_nothing_that_hides() {
        let mut editor = Editor::new(100);
        assert!(editor.paste("a\r\nb\rc\td\u{202e}\x1b[31m\u{200b}e"));
        assert_eq!(editor.text(), "a\nb\nc    d[31me");
    }

    /// The characters that an editor holds, and whether each was typed.
    fn marked(editor: &Editor) -> Vec<(char, bool)> {
        editor.text().char_indices().map(|(at, c)| (c, editor.draft.typed[at])).collect()
    }

    #[test]
    fn each_character_stays_typed_or_pasted_wherever_it_goes() {
        let mut editor = Editor::new(100);
        assert!(editor.insert("/se") && editor.paste("你") && editor.insert("d x"));
        assert!(!editor.is_first_word_typed());
        for edits in [
            &[Edit::CutBlankLeft, Edit::PutBack][..],
            &[Edit::Home, Edit::CutEnd, Edit::PutBack],
            &[Edit::CutHome, Edit::Undo, Edit::Redo, Edit::Undo],
        ] {
            edits.iter().for_each(|edit| editor.edit(*edit));
            let expected = "/se你d x".chars().map(|c| (c, c != '你')).collect::<Vec<_>>();
            assert_eq!(marked(&editor), expected, "{edits:?}");
            assert!(!editor.is_first_word_typed());
        }
        let draft = editor.take();
        assert!(editor.is_first_word_typed() && !draft.is_first_word_typed());
        editor.set(&draft);
        assert!(!editor.is_first_word_typed());
        [Edit::First, Edit::Right, Edit::Right, Edit::Right, Edit::Transpose]
            .iter()
            .for_each(|edit| editor.edit(*edit));
        assert_eq!(marked(&editor)[2..4], [('你', false), ('e', true)]);
        [Edit::Left, Edit::Backspace].iter().for_each(|edit| editor.edit(*edit));
        assert_eq!(editor.text(), "/sed x");
        assert!(editor.is_first_word_typed(), "what was pasted is gone");
    }

    #[test]
    fn what_would_be_too_long_is_refused_whole() {
        let mut editor = Editor::new(4);
        assert!(editor.insert("你"));
        assert!(!editor.insert("好"));
        assert!(!editor.paste("ab"));
        assert!(editor.insert("a"));
        assert_eq!(editor.text(), "你a");
    }

    fn rows(text: &str, columns: usize) -> Vec<String> {
        let editor = editor(text);
        editor.layout(columns).rows.into_iter().map(|row| editor.slice(row).to_owned()).collect()
    }

    #[test]
    fn rows_break_after_blanks_and_beside_wide_characters() {
        assert_eq!(rows("one two", 5), ["one ", "two"]);
        assert_eq!(rows("ab 你好吗", 5), ["ab 你", "好吗"]);
        assert_eq!(rows("abcdefg", 3), ["abc", "def", "g"]);
        assert_eq!(rows("a\n\nb", 3), ["a", "", "b"]);
        assert_eq!(rows("你好吗？好", 6), ["你好", "吗？好", ""]);
        assert_eq!(rows("abc", 3), ["abc", ""]);
        assert_eq!(rows("", 3), [""]);
    }

    #[test]
    fn the_cursor_is_in_the_row_where_the_next_character_goes() {
        let place = |text: &str, columns, edits: &[Edit]| {
            let mut editor = editor(text);
            edits.iter().for_each(|edit| editor.edit(*edit));
            let layout = editor.layout(columns);
            (layout.row, layout.column)
        };
        assert_eq!(place("你好", 10, &[]), (0, 4));
        assert_eq!(place("你好", 10, &[Edit::Left]), (0, 2));
        assert_eq!(place("👨‍👩‍👧", 10, &[]), (0, 8));
        assert_eq!(place("one two", 5, &[Edit::WordLeft]), (1, 0));
        assert_eq!(place("one two", 5, &[Edit::WordLeft, Edit::Left]), (0, 3));
        assert_eq!(place("abc", 3, &[]), (1, 0));
        assert_eq!(place("abc\nd", 3, &[Edit::Home, Edit::Left]), (1, 0));
    }

    #[test]
    fn up_and_down_keep_the_column() {
        let mut editor = editor("abcd\nx\n你好吗");
        editor.edit(Edit::End);
        assert!(editor.move_row(false, 10));
        assert_eq!(editor.cursor(), 6);
        assert!(editor.move_row(false, 10));
        assert_eq!(editor.cursor(), 4);
        assert!(!editor.move_row(false, 10));
        editor.edit(Edit::Left);
        assert!(editor.move_row(true, 10) && editor.move_row(true, 10));
        assert_eq!(editor.cursor(), 10, "three columns lie inside a wide character");
        assert!(!editor.move_row(true, 10));
    }
}
