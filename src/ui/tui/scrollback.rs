//! Messages and events, as many as memory allows, broken into rows for a width.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;

use jiff::Zoned;
use jiff::civil::Date;

use crate::printable::{Ambiguous, Printable, widest};

/// Maximum number of entries that are kept.
pub const ENTRIES: usize = 10_000;
/// Maximum size of the texts that are kept, in bytes.
pub const BYTES: usize = 16 << 20;
/// Size of a text from which on its rows are kept, in bytes: to break the longest takes longer than a key may.
const LONG: usize = 4_096;
/// Number of columns below which time and speaker get a row of their own.
const NARROW: usize = 40;

/// The origin of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// This side's user.
    Own {
        /// Whether the message was delivered to the partner.
        shown: bool,
    },
    /// The partner.
    Partner {
        /// Whether the message was written while the connection was lost, so that its time is the partner's claim.
        late: bool,
    },
    /// The program.
    Event {
        /// Whether the event is an alarm.
        alarm: bool,
    },
}

/// A message or an event.
pub struct Entry {
    /// Number of the entry, one above that of the entry before.
    pub id: u64,
    /// The origin.
    pub kind: Kind,
    /// Hours and minutes of the entry.
    pub time: String,
    /// The day of the entry.
    pub day: Date,
    /// The text.
    pub text: Printable,
    rows: RefCell<Broken>,
}

/// Where the rows of a long text are, in bytes, at so many columns.
#[derive(Default)]
struct Broken {
    columns: usize,
    ambiguous: Ambiguous,
    rows: Vec<Range<usize>>,
}

impl Entry {
    /// Calls `row` with the place of each row of the text, in bytes.
    fn for_rows(&self, columns: usize, ambiguous: Ambiguous, mut row: impl FnMut(Range<usize>)) {
        let text = self.text.as_str();
        let place = |row: &str| {
            let start = row.as_ptr().addr() - text.as_ptr().addr();
            start..start + row.len()
        };
        if text.len() < LONG {
            return self.text.rows(columns, ambiguous).map(place).for_each(row);
        }
        let mut broken = self.rows.borrow_mut();
        if (broken.columns, broken.ambiguous) != (columns, ambiguous) || broken.rows.is_empty() {
            let rows = self.text.rows(columns, ambiguous).map(place).collect();
            *broken = Broken { columns, ambiguous, rows };
        }
        broken.rows.iter().cloned().for_each(&mut row);
    }
}

/// One row of the message area.
pub enum Row<'a> {
    /// The rule above the first entry of a day.
    Day(Date),
    /// The rule above the first entry that is new to the user.
    New,
    /// Time and speaker of an entry, in a narrow area.
    Head(&'a Entry),
    /// A row of an entry's text.
    Text {
        /// The entry.
        entry: &'a Entry,
        /// Byte range of the row in the text.
        range: Range<usize>,
        /// Whether the row is the first of the entry, with time and speaker beside it.
        first: bool,
    },
}

/// The identity of a row: its entry, and its index in that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RowId {
    /// Number of the entry, as [`Entry::id`].
    pub id: u64,
    /// Index of the row in the entry.
    pub row: usize,
}

/// The width of the message area, and what takes columns in it beside the texts.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Number of columns of the area.
    pub columns: usize,
    /// Number of columns of the longer name.
    pub names: usize,
    /// Number of the first entry that is new to the user.
    pub new_from: Option<u64>,
    /// The width of ambiguous characters.
    pub ambiguous: Ambiguous,
}

impl Shape {
    /// Whether time and speaker have a row of their own.
    pub fn is_narrow(&self) -> bool {
        self.columns < NARROW
    }

    /// Number of columns before a text.
    pub fn gutter(&self, kind: Kind) -> usize {
        match kind {
            _ if self.is_narrow() => 2,
            // "12:01 · " and "12:01 partner │ ".
            Kind::Event { .. } => 8,
            Kind::Own { .. } | Kind::Partner { .. } => 9 + self.names,
        }
    }
}

/// The entries, oldest first. An entry that is dropped is wiped.
#[derive(Default)]
pub struct Scrollback {
    entries: VecDeque<Entry>,
    bytes: usize,
    next: u64,
}

impl Scrollback {
    /// Adds an entry and returns its number.
    pub fn push(&mut self, kind: Kind, at: &Zoned, text: Printable) -> u64 {
        let id = self.next;
        self.next += 1;
        self.bytes += text.as_str().len();
        let (time, day) = (at.strftime("%H:%M").to_string(), at.date());
        self.entries.push_back(Entry { id, kind, time, day, text, rows: RefCell::default() });
        while self.entries.len() > ENTRIES || self.entries.len() > 1 && self.bytes > BYTES {
            self.drop_first();
        }
        id
    }

    /// Wipes everything.
    pub fn clear(&mut self) {
        *self = Self { next: self.next, ..Self::default() };
    }

    /// Removes the entry of that number if it is the last.
    pub fn take_back(&mut self, id: u64) {
        if self.entries.back().is_some_and(|entry| entry.id == id) {
            self.bytes -= self.entries.pop_back().map_or(0, |entry| entry.text.as_str().len());
        }
    }

    /// Wipes the text of an entry and puts another in its place.
    pub fn replace(&mut self, id: u64, text: Printable) {
        if let Some(entry) = self.index(id).and_then(|at| self.entries.get_mut(at)) {
            self.bytes = self.bytes - entry.text.as_str().len() + text.as_str().len();
            (entry.text, entry.rows) = (text, RefCell::default());
        }
    }

    /// Marks a message of this side as delivered.
    pub fn mark_shown(&mut self, id: u64) {
        if let Some(Entry { kind: Kind::Own { shown }, .. }) = self.index(id).and_then(|at| self.entries.get_mut(at)) {
            *shown = true;
        }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Number of the next entry.
    pub fn next_id(&self) -> u64 {
        self.next
    }

    /// The rows that end at `bottom`, or at the last row of all, at most `height` of them.
    pub fn view(&self, bottom: Option<RowId>, height: usize, shape: Shape) -> Vec<Row<'_>> {
        let Some(bottom) = bottom.or_else(|| self.last_place(shape)) else { return Vec::new() };
        let mut parts = Vec::new();
        let mut left = height;
        let mut at = self.index_near(bottom.id);
        let mut upto = bottom.row.saturating_add(1);
        loop {
            let mut rows = self.rows(at, shape);
            rows.truncate(upto);
            let skipped = rows.len().saturating_sub(left);
            left -= rows.len() - skipped;
            parts.push(rows.split_off(skipped));
            upto = usize::MAX;
            match at.checked_sub(1) {
                Some(before) if left > 0 => at = before,
                _ => break,
            }
        }
        parts.into_iter().rev().flatten().collect()
    }

    /// The bottom after scrolling up by `by` rows, but never so far that rows stay empty.
    pub fn up(&self, bottom: Option<RowId>, by: usize, height: usize, shape: Shape) -> Option<RowId> {
        let from = bottom.or_else(|| self.last_place(shape))?;
        let mut at = self.index_near(from.id);
        let (mut row, mut by) = (from.row, by);
        while row < by {
            let Some(before) = at.checked_sub(1) else {
                by = row;
                break;
            };
            by -= row + 1;
            at = before;
            row = self.rows(at, shape).len().saturating_sub(1);
        }
        let up = RowId { id: self.entries.get(at)?.id, row: row - by };
        let full = self.full(height, shape);
        self.settle(full.map_or(up, |full| up.max(full)), shape)
    }

    /// The bottom after scrolling down by `by` rows. `None` at the end.
    pub fn down(&self, bottom: Option<RowId>, by: usize, shape: Shape) -> Option<RowId> {
        let from = bottom?;
        let mut at = self.index_near(from.id);
        let mut row = from.row.saturating_add(by);
        loop {
            let rows = self.rows(at, shape).len();
            if row < rows || at + 1 >= self.entries.len() {
                break;
            }
            row -= rows;
            at += 1;
        }
        self.settle(RowId { id: self.entries.get(at)?.id, row }, shape)
    }

    /// The bottom of a view whose top row is the first of all.
    pub fn top(&self, height: usize, shape: Shape) -> Option<RowId> {
        self.settle(self.full(height, shape)?, shape)
    }

    /// The bottom of a view that shows a byte of an entry.
    pub fn around(&self, id: u64, byte: usize, height: usize, shape: Shape) -> Option<RowId> {
        let at = self.index(id)?;
        let of_match = |row: &Row<'_>| matches!(row, Row::Text { range, .. } if byte < range.end.max(range.start + 1));
        let row = self.rows(at, shape).iter().position(of_match).unwrap_or(0);
        let bottom = self.down(Some(RowId { id, row }), height / 3, shape);
        self.up(bottom, 0, height, shape)
    }

    /// The next entry that contains `words`, before or after `from`, and the byte offset of the match.
    pub fn find(&self, words: &str, from: Option<u64>, older: bool) -> Option<(u64, usize)> {
        let hit = |entry: &Entry| matches(entry.text.as_str(), words).next().map(|range| (entry.id, range.start));
        if older {
            self.entries.iter().rev().filter(|entry| from.is_none_or(|from| entry.id < from)).find_map(hit)
        } else {
            self.entries.iter().filter(|entry| from.is_some_and(|from| entry.id > from)).find_map(hit)
        }
    }

    fn drop_first(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= entry.text.as_str().len();
        }
    }

    fn index(&self, id: u64) -> Option<usize> {
        usize::try_from(id.checked_sub(self.entries.front()?.id)?).ok().filter(|at| *at < self.entries.len())
    }

    /// Index of an entry, or of the first one if the entry was dropped.
    fn index_near(&self, id: u64) -> usize {
        let first = self.entries.front().map_or(0, |entry| entry.id);
        usize::try_from(id.saturating_sub(first)).unwrap_or(usize::MAX).min(self.entries.len().saturating_sub(1))
    }

    fn rows(&self, at: usize, shape: Shape) -> Vec<Row<'_>> {
        let Some(entry) = self.entries.get(at) else { return Vec::new() };
        let mut out = Vec::new();
        let before = at.checked_sub(1).and_then(|at| self.entries.get(at));
        if before.is_some_and(|before| before.day != entry.day) {
            out.push(Row::Day(entry.day));
        }
        if shape.new_from == Some(entry.id) {
            out.push(Row::New);
        }
        let head = shape.is_narrow() && !matches!(entry.kind, Kind::Event { .. });
        if head {
            out.push(Row::Head(entry));
        }
        let mut first = !head;
        entry.for_rows(shape.columns.saturating_sub(shape.gutter(entry.kind)), shape.ambiguous, |range| {
            out.push(Row::Text { entry, range, first: std::mem::take(&mut first) });
        });
        out
    }

    fn last_place(&self, shape: Shape) -> Option<RowId> {
        let at = self.entries.len().checked_sub(1)?;
        Some(RowId { id: self.entries.get(at)?.id, row: self.rows(at, shape).len().saturating_sub(1) })
    }

    /// The last row of a view whose top row is the first of all.
    fn full(&self, height: usize, shape: Shape) -> Option<RowId> {
        let mut left = height.saturating_sub(1);
        for (at, entry) in self.entries.iter().enumerate() {
            let rows = self.rows(at, shape).len();
            if left < rows {
                return Some(RowId { id: entry.id, row: left });
            }
            left -= rows;
        }
        self.last_place(shape)
    }

    /// A row as the bottom of the view. `None` if it is the last row.
    fn settle(&self, place: RowId, shape: Shape) -> Option<RowId> {
        self.last_place(shape).filter(|last| place < *last).map(|_| place)
    }
}

/// Byte ranges of the words in a text, ignoring case.
pub fn matches<'a>(text: &'a str, words: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut from = 0;
    std::iter::from_fn(move || {
        if words.is_empty() {
            return None;
        }
        let rest = text.get(from..)?;
        let found = rest.char_indices().find_map(|(at, _)| {
            let end = match_at(rest.get(at..)?, words)?;
            Some(from + at..from + at + end)
        })?;
        from = found.end;
        Some(found)
    })
}

/// Number of bytes at the start of the text that match the words.
fn match_at(text: &str, words: &str) -> Option<usize> {
    let mut wanted = words.chars().flat_map(char::to_lowercase).peekable();
    for (at, c) in text.char_indices() {
        if wanted.peek().is_none() {
            return Some(at);
        }
        if c.to_lowercase().any(|c| wanted.next() != Some(c)) {
            return None;
        }
    }
    wanted.peek().is_none().then_some(text.len())
}

/// Number of columns of the longer of two names.
pub fn names(first: &str, second: &str) -> usize {
    widest(first).max(widest(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { columns: 26, names: 7, new_from: None, ambiguous: Ambiguous::Narrow };
    const OWN: Kind = Kind::Own { shown: false };

    fn at(second: i64) -> Zoned {
        jiff::Timestamp::from_second(second).unwrap().to_zoned(jiff::tz::TimeZone::UTC)
    }

    fn scrollback(texts: &[&str]) -> Scrollback {
        let mut out = Scrollback::default();
        for text in texts {
            out.push(OWN, &at(0), Printable::text(text));
        }
        out
    }

    fn shown(scrollback: &Scrollback, bottom: Option<RowId>, height: usize) -> Vec<String> {
        let row = |row: Row<'_>| match row {
            Row::Text { entry, range, .. } => entry.text.as_str()[range].to_owned(),
            Row::Head(entry) => entry.time.clone(),
            Row::Day(day) => day.to_string(),
            Row::New => "new".into(),
        };
        scrollback.view(bottom, height, SHAPE).into_iter().map(row).collect()
    }

    #[test]
    fn a_view_ends_with_its_bottom_and_is_full_where_it_can_be() {
        let all = scrollback(&["a\nb\nc", "d\ne"]);
        assert_eq!(shown(&all, None, 10), ["00:00", "a", "b", "c", "00:00", "d", "e"]);
        assert_eq!(shown(&all, None, 2), ["d", "e"]);
        let up = all.up(None, 1, 3, SHAPE);
        assert_eq!(shown(&all, up, 3), ["c", "00:00", "d"]);
        let top = all.up(up, 100, 3, SHAPE);
        assert_eq!(shown(&all, top, 3), ["00:00", "a", "b"]);
        assert_eq!(all.top(3, SHAPE), top);
        assert_eq!(shown(&all, all.down(top, 2, SHAPE), 3), ["b", "c", "00:00"]);
        assert_eq!(all.down(top, 4, SHAPE), None);
        assert_eq!(all.up(None, 1, 10, SHAPE), None, "everything is visible");
    }

    #[test]
    fn a_view_stays_where_it_is_while_more_is_said_and_what_was_falls_out() {
        let mut all = scrollback(&["a", "b", "c", "d"]);
        let up = all.up(None, 2, 2, SHAPE);
        let before = shown(&all, up, 2);
        all.push(OWN, &at(0), Printable::text("e"));
        assert_eq!(shown(&all, up, 2), before);
        for _ in 0..ENTRIES {
            all.push(OWN, &at(0), Printable::text("x"));
        }
        assert_eq!(all.len(), ENTRIES);
        assert!(!shown(&all, up, 2).is_empty());
    }

    #[test]
    fn a_long_text_is_broken_into_rows_once_for_each_width() {
        let long = "\u{85}".repeat(32_768);
        let mut all = scrollback(&[&long]);
        let wide = Shape { columns: 80, ..SHAPE };
        let kept = |all: &Scrollback| all.entries[0].rows.borrow().rows.as_ptr();
        assert!(shown(&all, None, 5).len() == 5 && !kept(&all).is_null());
        let first = kept(&all);
        for up in 0..50 {
            all.up(None, up, 5, SHAPE);
            all.view(None, 5, SHAPE);
            assert_eq!(kept(&all), first);
        }
        let rows = |all: &Scrollback, shape| all.rows(0, shape).len();
        assert!(2 * rows(&all, wide) < rows(&all, SHAPE) && rows(&all, wide) > 1);
        all.replace(0, Printable::text("short"));
        assert_eq!(shown(&all, None, 5), ["00:00", "short"]);
        let other = ["first", &"x".repeat(2 * LONG), "last"].join("\n");
        all.replace(0, Printable::text(&long));
        assert!(rows(&all, SHAPE) > 1);
        all.replace(0, Printable::text(&other));
        assert_eq!(rows(&all, SHAPE), rows(&scrollback(&[&other]), SHAPE));
        assert_eq!(shown(&all, None, 1), ["last"]);
    }

    #[test]
    fn no_more_bytes_are_kept_than_allowed() {
        let mut all = Scrollback::default();
        let text = Printable::text(&"x".repeat(60_000));
        for _ in 0..400 {
            all.push(OWN, &at(0), text.clone());
        }
        assert_eq!(all.len(), BYTES / text.as_str().len());
        assert!(all.bytes <= BYTES);
        all.clear();
        assert_eq!((all.len(), all.bytes), (0, 0));
    }

    #[test]
    fn another_day_gets_a_row() {
        let mut all = scrollback(&["a"]);
        all.push(OWN, &at(86_400), Printable::text("b"));
        assert_eq!(shown(&all, None, 9), ["00:00", "a", "1970-01-02", "00:00", "b"]);
    }

    #[test]
    fn words_are_found_in_any_case() {
        let found: Vec<_> = matches("İx Straße STRASSE 你好你好", "stra").collect();
        assert_eq!(found, [4..8, 12..16]);
        assert_eq!(matches("你好你好", "你好").count(), 2);
        assert_eq!(matches("aaa", "aa").count(), 1);
        assert_eq!(matches("abc", "").count(), 0);
        assert_eq!(matches("ab", "abc").count(), 0);
    }

    #[test]
    fn a_search_goes_both_ways_and_shows_the_row_it_found() {
        let long = format!("{}needle", "x\n".repeat(50));
        let all = scrollback(&["needle one", "other", &long, "end"]);
        let (id, byte) = all.find("NEEDLE", None, true).unwrap();
        assert_eq!((id, byte), (2, 100));
        assert!(shown(&all, all.around(id, byte, 5, SHAPE), 5).contains(&"needle".to_owned()));
        assert_eq!(all.find("needle", Some(2), true), Some((0, 0)));
        assert_eq!(all.find("needle", Some(0), true), None);
        assert_eq!(all.find("needle", Some(0), false), Some((2, 100)));
        assert!(shown(&all, all.around(0, 0, 5, SHAPE), 5).contains(&"needle one".to_owned()));
    }
}
