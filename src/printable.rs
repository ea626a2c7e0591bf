//! Foreign text made printable: the only way of peer texts, names, errors and arguments to a screen or a pipe.
//!
//! Nothing that moves a cursor, reorders a line or hides passes; what was replaced stays visible, as a control
//! picture (`␛`) or as a marker (`‹U+202E›`, or `‹U+0301+99›` for the first of a hundred). A text can hold the
//! same characters from the start, so they tell that something was there, not who wrote them.
//!
//! | foreign | printable |
//! |---|---|
//! | `\r\n` | `\n` |
//! | `\n` | itself in a text, `␤` in a line |
//! | tab | four spaces |
//! | other C0, DEL | control picture |
//! | C1, U+2028, U+2029, private use, noncharacter | marker |
//! | format character, blank letter, invisible code point | marker |
//! | ZWJ, ZWNJ | itself after a letter, mark or emoji and before anything in the same line, else marker |
//! | variation selector | itself once after an emoji, digit, `#`, `*` (FE0E, FE0F) or ideograph (E0100-E01EF), else a marker for the run |
//! | mark, skin tone or anything else that joins what stands before it, where there is nothing it joins | itself after `◌` |
//! | more than 8 of those, or a ZWJ among more than 16 scalars, in a grapheme cluster | the cluster without joiners and without further marks, then a marker |
//! | Hangul vowel or final of a syllable that lacks what stands before it | marker |
//! | nothing visible | `(nothing visible, N characters)` |
//!
//! Where the rules meet: a text of nothing but blanks and of the markers for what was invisible anyway counts as
//! nothing visible, while a marker for a control counts as visible; and since no row may be wider than its area,
//! a grapheme cluster that is wider is broken between its scalars.

mod width;

use std::fmt::{self, Write};

use serde::{Serialize, Serializer};
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeEmoji, UnicodeGeneralCategory};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;
use zeroize::Zeroizing;

pub use width::{Ambiguous, cells, is_certain, widest};

/// Maximum number of marks in a grapheme cluster.
const CLUSTER_MARKS: usize = 8;
/// Maximum number of scalars in a grapheme cluster with a ZWJ.
const JOINED_SCALARS: usize = 16;
/// Number of cells of foreign text in a sentence, of which the beginning and the end are shown.
const CELLS: usize = 60;
/// Number of cells of that end.
const END_CELLS: usize = 20;
/// Number of cells of the widest scalar.
const WIDEST: usize = 3;
/// Number of isolates around a row of right-to-left letters. Some terminals give each a cell.
const ISOLATES: usize = 4;

const ZWNJ: char = '\u{200c}';
const ZWJ: char = '\u{200d}';
/// Begins a part of a sentence that is laid out by itself, whatever direction it is written in (UAX #9).
pub const ISOLATE: char = '\u{2068}';
/// Ends such a part.
pub const ISOLATE_END: char = '\u{2069}';
const DOTTED_CIRCLE: char = '\u{25cc}';
const MARKER_END: char = '›';

/// Foreign text that is safe to print; wiped on drop.
///
/// Displayed it is a part of a sentence of ours: cut to 60 cells, quoted unless it is a single plain word, and isolated
/// where it is written from right to left, so that it cannot be taken for a sentence itself. `{:#}` is all of it as it is.
///
/// Making a printable text printable again changes nothing. It is at most 64 bytes longer than twelve times the
/// foreign text.
#[derive(Clone, PartialEq, Eq)]
pub struct Printable(Zeroizing<String>);

impl Printable {
    /// Makes a text of any number of lines printable.
    pub fn text(foreign: &str) -> Self {
        Self::new(foreign, '\n')
    }

    /// Makes a field of one line printable: a name, an error, an argument, a text on its way into a pipe.
    pub fn line(foreign: &str) -> Self {
        Self::new(foreign, '␤')
    }

    /// A sentence of ours, with the foreign parts in it as they are displayed; `isolated` for a terminal or a pipe, and not
    /// for a screen of cells.
    pub fn sentence(ours: &str, isolated: bool) -> Self {
        let mut out = Draft::with_capacity(ours.len());
        for part in ours.split_inclusive([ISOLATE, ISOLATE_END]) {
            let mark = part.chars().next_back().filter(|c| matches!(*c, ISOLATE | ISOLATE_END));
            let words = part.get(..part.len() - mark.map_or(0, char::len_utf8)).unwrap_or_default();
            out.push_str(&bound_clusters(&replace(words, '\n').0.0).0);
            mark.filter(|_| isolated).into_iter().for_each(|mark| out.push(mark));
        }
        Self(out.0)
    }

    fn new(foreign: &str, line_break: char) -> Self {
        let (replaced, visible) = replace(foreign, line_break);
        if visible {
            return Self(bound_clusters(&replaced.0).0);
        }
        let mut note = Draft::default();
        note.format(format_args!("(nothing visible, {} characters)", foreign.chars().count()));
        Self(note.0)
    }

    /// The printable text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text in rows of at most `columns` cells, of which it takes no fewer than three.
    ///
    /// Breaks at line breaks, between words and beside wide characters, inside a word only when it alone is wider
    /// than a row. Spaces at a break of ours are left out. There is room for the [`isolates`](Self::isolates), too.
    pub fn rows(&self, columns: usize, ambiguous: Ambiguous) -> impl Iterator<Item = &str> {
        let columns = if self.isolates().0.is_empty() { columns } else { columns.saturating_sub(ISOLATES) };
        self.0.split('\n').flat_map(move |line| rows_of(line, columns, ambiguous))
    }

    /// The characters to write before and after each row on a terminal, so that right-to-left letters do not reorder
    /// what stands beside them. Both are empty for a text without such letters. They are not for a pipe.
    pub fn isolates(&self) -> (&'static str, &'static str) {
        if self.0.contains(is_right_to_left) { ("\u{2066}\u{2068}", "\u{2069}\u{2069}") } else { ("", "") }
    }
}

impl AsRef<str> for Printable {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Printable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.as_str();
        if f.alternate() || is_word(text) {
            return f.pad(text);
        }
        let mut out = Draft::with_capacity(text.len());
        let (open, close) = if text.contains(is_right_to_left) { ("\u{2068}", "\u{2069}") } else { ("", "") };
        out.push_str(open);
        out.push('“');
        for part in shortened(text) {
            for c in part.chars() {
                match c {
                    '\n' => out.push('␤'),
                    '“' | '”' => out.push_marker(c, 0),
                    c => out.push(c),
                }
            }
        }
        out.push('”');
        out.push_str(close);
        f.pad(&out.0)
    }
}

impl Serialize for Printable {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl fmt::Debug for Printable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Printable(..)")
    }
}

/// Whether a text is no more than one word, such as many names and all addresses are: no sentence and no part of one.
fn is_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:+@=~[]%#".contains(&byte);
    !text.is_empty() && text.len() <= CELLS && text.bytes().all(plain)
}

/// A text, or its beginning and its end with an ellipsis between them.
fn shortened(text: &str) -> [&str; 3] {
    let count = |text: &str| cells(text, Ambiguous::Narrow);
    if count(text) <= CELLS {
        return [text, "", ""];
    }
    let upto = |most: usize| {
        let mut used = 0;
        move |unit: &&str| {
            used += count(unit);
            used <= most
        }
    };
    let units: Vec<_> = whole(text, true).collect();
    let begin: usize = units.iter().copied().take_while(upto(CELLS - END_CELLS - 2)).map(str::len).sum();
    let end: usize = units.iter().rev().copied().take_while(upto(END_CELLS)).map(str::len).sum();
    let end = text.len().saturating_sub(end).max(begin);
    [text.get(..begin).unwrap_or_default(), "…", text.get(end..).unwrap_or_default()]
}

/// Applies the rules for single characters. Returns whether anything visible is left, too.
fn replace(foreign: &str, line_break: char) -> (Draft, bool) {
    let mut out = Draft::with_capacity(foreign.len());
    let mut visible = false;
    let mut left = None;
    let mut rest = foreign.chars();
    while let Some(c) = rest.next() {
        match fate(c) {
            Fate::LineBreak => {
                out.push(line_break);
                visible |= line_break != '\n';
                left = None;
            }
            Fate::Tab => {
                out.push_str("    ");
                left = Some(' ');
            }
            Fate::Picture('\r') if rest.as_str().starts_with('\n') => {}
            Fate::Picture(control) => {
                let picture = picture(control);
                out.push(picture);
                visible = true;
                left = Some(picture);
            }
            Fate::Joiner if left.is_some_and(may_join) && !at_line_end(rest.as_str()) => {
                out.push(c);
                left = Some(c);
            }
            Fate::Selector if left.is_some_and(|base| selects(base, c)) => {
                out.push(c);
                left = Some(c);
            }
            Fate::Selector => {
                let run = rest.as_str().chars().take_while(|c| matches!(fate(*c), Fate::Selector)).count();
                rest.by_ref().take(run).for_each(drop);
                out.push_marker(c, run);
                left = Some(MARKER_END);
            }
            Fate::Syllable if left.is_some_and(|left| is_cluster(left, c)) => {
                out.push(c);
                visible = true;
                left = Some(c);
            }
            Fate::Joiner | Fate::Syllable | Fate::Invisible => {
                out.push_marker(c, 0);
                left = Some(MARKER_END);
            }
            Fate::Marker => {
                out.push_marker(c, 0);
                visible = true;
                left = Some(MARKER_END);
            }
            Fate::Keep => {
                if joins(c) && left.is_none_or(|left| left != DOTTED_CIRCLE && !is_cluster(left, c)) {
                    out.push(DOTTED_CIRCLE);
                }
                out.push(c);
                visible |= !c.is_whitespace();
                left = Some(c);
            }
        }
    }
    (out, visible)
}

/// Removes joiners and surplus marks from clusters that have too many.
fn bound_clusters(text: &str) -> Draft {
    let mut out = Draft::with_capacity(text.len());
    for cluster in text.graphemes(true) {
        let many = cluster.chars().nth(CLUSTER_MARKS).is_some();
        let crowded = many && cluster.chars().filter(|c| is_surplus(*c)).nth(CLUSTER_MARKS).is_some();
        let long = cluster.contains(ZWJ) && cluster.chars().nth(JOINED_SCALARS).is_some();
        if !crowded && !long {
            out.push_str(cluster);
            continue;
        }
        let mut room = CLUSTER_MARKS;
        let mut first_dropped = None;
        let mut more_dropped = 0_usize;
        for c in cluster.chars() {
            let mark = is_surplus(c);
            if matches!(c, ZWNJ | ZWJ) || mark && room == 0 {
                more_dropped = more_dropped.saturating_add(usize::from(first_dropped.is_some()));
                first_dropped = first_dropped.or(Some(c));
            } else {
                room = room.saturating_sub(usize::from(mark));
                out.push(c);
            }
        }
        if let Some(first) = first_dropped {
            out.push_marker(first, more_dropped);
        }
    }
    out
}

/// The rule for a character.
enum Fate {
    Keep,
    LineBreak,
    Tab,
    Picture(char),
    Joiner,
    Selector,
    /// A part of a Hangul syllable that has no shape without what it joins.
    Syllable,
    /// A marker, which shows something that a terminal would act upon.
    Marker,
    /// A marker, in place of something nobody would see.
    Invisible,
}

fn fate(c: char) -> Fate {
    match c {
        ' '..='~' => Fate::Keep,
        '\n' => Fate::LineBreak,
        '\t' => Fate::Tab,
        '\0'..='\x1f' | '\x7f' => Fate::Picture(c),
        ZWNJ | ZWJ => Fate::Joiner,
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => Fate::Selector,
        '\u{1161}'..='\u{11ff}' | '\u{d7b0}'..='\u{d7ff}' => Fate::Syllable,
        _ if is_blank(c) => Fate::Invisible,
        _ if is_noncharacter(c) => Fate::Marker,
        _ => match c.general_category() {
            GeneralCategory::Format => Fate::Invisible,
            GeneralCategory::Control
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Surrogate => Fate::Marker,
            _ => Fate::Keep,
        },
    }
}

fn picture(control: char) -> char {
    if control == '\x7f' { '␡' } else { char::from_u32(u32::from(control) | 0x2400).unwrap_or('\u{fffd}') }
}

fn at_line_end(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('\n') || rest.starts_with("\r\n")
}

fn may_join(left: char) -> bool {
    matches!(left.general_category_group(), GeneralCategoryGroup::Letter | GeneralCategoryGroup::Mark)
        || left.is_emoji_char() && !left.is_ascii()
}

fn selects(base: char, selector: char) -> bool {
    match selector {
        '\u{fe0e}' | '\u{fe0f}' => base.is_emoji_char(),
        '\u{e0100}'..='\u{e01ef}' => is_ideograph(base),
        _ => false,
    }
}

/// Whether a character joins what stands before it, whatever its category: nothing may stand bare behind a gutter.
fn joins(c: char) -> bool {
    !c.is_ascii()
        && !matches!(c, ISOLATE | ISOLATE_END)
        && (c.general_category_group() == GeneralCategoryGroup::Mark
            || matches!(c, '\u{1f3fb}'..='\u{1f3ff}')
            || c.width() == Some(0)
            || is_cluster('a', c))
}

/// Whether two characters are one grapheme cluster.
fn is_cluster(one: char, other: char) -> bool {
    let mut pair = [0; 8];
    let first = one.encode_utf8(&mut pair).len();
    let whole = first + pair.get_mut(first..).map_or(0, |rest| other.encode_utf8(rest).len());
    let pair = pair.get(..whole).and_then(|pair| std::str::from_utf8(pair).ok()).unwrap_or_default();
    pair.graphemes(true).nth(1).is_none()
}

/// What is left out of a cluster that has too much of it.
fn is_surplus(c: char) -> bool {
    joins(c) && !matches!(c, ZWNJ | ZWJ)
}

/// Letters, marks and symbols without a glyph, and what Unicode keeps free for more of them.
fn is_blank(c: char) -> bool {
    matches!(
        c,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2065}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{13441}'..='\u{13442}'
            | '\u{16fe4}'
            | '\u{1d159}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

fn is_ideograph(c: char) -> bool {
    matches!(
        c,
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3fffd}'
    )
}

/// The blocks that Unicode reserves for right-to-left scripts.
fn is_right_to_left(c: char) -> bool {
    matches!(
        c,
        '\u{590}'..='\u{8ff}'
            | '\u{fb1d}'..='\u{fdff}'
            | '\u{fe70}'..='\u{feff}'
            | '\u{10800}'..='\u{10fff}'
            | '\u{1e800}'..='\u{1efff}'
    )
}

/// A part of one line of a [`Printable`] in rows, as [`Printable::rows`] makes them, in one pass.
pub fn rows_of(line: &str, columns: usize, ambiguous: Ambiguous) -> Vec<&str> {
    let columns = columns.max(WIDEST);
    let mut rows = Vec::new();
    let mut row = Row::default();
    let mut at = 0_usize;
    let mut before = "";
    for unit in units(line, columns, ambiguous) {
        let (space, width) = (unit == " ", cells(unit, ambiguous));
        if may_break(before, unit) && row.text_end > row.start {
            row.fold = Some(Fold { end: row.text_end, next: at, cells: row.cells });
        }
        before = unit;
        let next = at.saturating_add(unit.len());
        while row.cells.saturating_add(width) > columns {
            let here = Fold { end: if space { row.text_end } else { at }, next: at, cells: row.cells };
            let fold = row.fold.filter(|_| !space).unwrap_or(here);
            rows.push(line.get(row.start..fold.end).unwrap_or_default());
            row =
                Row { start: fold.next, text_end: fold.next, cells: row.cells.saturating_sub(fold.cells), fold: None };
        }
        if space && row.start == at && !rows.is_empty() {
            row.start = next;
            row.text_end = next;
        } else {
            row.cells = row.cells.saturating_add(width);
            if !space {
                row.text_end = next;
            }
        }
        at = next;
    }
    if rows.is_empty() || row.start < line.len() {
        rows.push(line.get(row.start..).unwrap_or_default());
    }
    rows
}

/// Whether a row may end between two clusters.
pub fn may_break(before: &str, after: &str) -> bool {
    let wide = |unit: &str| unit.chars().next().and_then(char::width) == Some(2);
    after != " " && !closes(after) && !opens(before) && (before == " " || wide(before) || wide(after))
}

/// Whether no row may begin with the cluster.
fn closes(unit: &str) -> bool {
    unit.starts_with(|c| "，。、；：？！）》」』】〉”’…～·,.;:?!)]}%".contains(c))
}

/// Whether no row may end with the cluster.
fn opens(unit: &str) -> bool {
    unit.starts_with(['（', '《', '「', '『', '【', '〈', '“', '‘', '(', '[', '{'])
}

/// The row being filled; places are byte offsets into the line.
#[derive(Default)]
struct Row {
    start: usize,
    /// End of the last unit that is no space.
    text_end: usize,
    cells: usize,
    fold: Option<Fold>,
}

/// A place to break at: the row ends at `end`, `cells` after its start the next one begins at `next`.
#[derive(Clone, Copy)]
struct Fold {
    end: usize,
    next: usize,
    cells: usize,
}

/// What a row keeps whole: a grapheme cluster with all that joins it; of one wider than the row a scalar with what joins
/// it, or if that is too wide as well a scalar.
fn units(line: &str, columns: usize, ambiguous: Ambiguous) -> impl Iterator<Item = &str> {
    whole(line, true).flat_map(move |cluster| {
        let too_wide = cells(cluster, ambiguous) > columns;
        whole(cluster, !too_wide).flat_map(move |part| {
            let too_wide = cells(part, ambiguous) > columns;
            part.split_inclusive(move |_| too_wide)
        })
    })
}

/// Parts of a text none of which begins with what joins the one before: grapheme clusters, or scalars.
fn whole(text: &str, clusters: bool) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let length = if clusters { rest.graphemes(true).next().map_or(0, str::len) } else { first.len_utf8() };
        let mut end = length;
        while let Some(next) = rest.get(end..).and_then(|after| after.chars().next()).filter(|next| joins(*next)) {
            end += next.len_utf8();
        }
        let (part, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(part)
    })
}

/// Whether this side's user may write the character. One that hides, reorders or controls is left out of a paste.
pub fn is_writable(c: char) -> bool {
    matches!(fate(c), Fate::Keep | Fate::LineBreak | Fate::Tab | Fate::Joiner | Fate::Selector | Fate::Syllable)
}

/// Replaces the characters of a name that no terminal should be given by `_`. The result is printable as it is.
pub fn plain_name(name: &str) -> String {
    let only = |fits: fn(char) -> bool| name.chars().map(|c| if fits(c) { c } else { '_' }).collect::<String>();
    // Each keeps less than the one before; the last keeps nothing that depends on its neighbours.
    let plain: [fn(char) -> bool; 3] =
        [|_| true, |c| matches!(fate(c), Fate::Keep), |c| matches!(fate(c), Fate::Keep) && c.is_alphanumeric()];
    let mut tries = plain.into_iter().map(only);
    let printable = tries.find(|name| Printable::line(name).as_str() == name);
    printable.unwrap_or_else(|| only(|c| c.is_ascii_graphic()))
}

/// Appends to a text. If the text has to move to larger memory, the old memory is wiped.
pub fn append(text: &mut Zeroizing<String>, part: &str) {
    let needed = text.len().saturating_add(part.len());
    if needed > text.capacity() {
        let mut larger = Zeroizing::new(String::with_capacity(needed.saturating_mul(2)));
        larger.push_str(text);
        *text = larger;
    }
    text.push_str(part);
}

/// A text under construction that leaves no copy of itself behind when it grows.
#[derive(Default)]
struct Draft(Zeroizing<String>);

impl Draft {
    fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(String::with_capacity(bytes)))
    }

    fn push_str(&mut self, part: &str) {
        append(&mut self.0, part);
    }

    fn push(&mut self, c: char) {
        self.push_str(c.encode_utf8(&mut [0; 4]));
    }

    fn push_marker(&mut self, first: char, more: usize) {
        self.format(format_args!("‹U+{:04X}", u32::from(first)));
        if more > 0 {
            self.format(format_args!("+{more}"));
        }
        self.push(MARKER_END);
    }

    fn format(&mut self, part: fmt::Arguments<'_>) {
        // Writing to a draft never fails.
        let _ = self.write_fmt(part);
    }
}

impl Write for Draft {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.push_str(part);
        Ok(())
    }
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr;

    use super::*;

    fn text(foreign: &str) -> String {
        Printable::text(foreign).as_str().to_owned()
    }

    fn line(foreign: &str) -> String {
        Printable::line(foreign).as_str().to_owned()
    }

    fn is_forbidden(c: char) -> bool {
        c.is_control() && c != '\n'
            || is_blank(c) && !matches!(c, '\u{e0100}'..='\u{e01ef}')
            || is_noncharacter(c)
            || matches!(c, '\u{fe00}'..='\u{fe0d}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}')
            || matches!(c.general_category(), GeneralCategory::PrivateUse)
            || matches!(c.general_category(), GeneralCategory::Format) && !matches!(c, ZWNJ | ZWJ)
    }

    fn assert_holds(foreign: &str) {
        for (once, again) in [(text(foreign), text as fn(&str) -> String), (line(foreign), line)] {
            assert_eq!(again(&once), once);
            assert!(!once.contains(is_forbidden), "{once:?}");
            assert!(once.len() <= 12 * foreign.len() + 64, "{} of {}", once.len(), foreign.len());
            assert!(!once.trim().is_empty());
            for cluster in once.graphemes(true) {
                assert!(cluster.chars().filter(|c| is_surplus(*c)).count() <= CLUSTER_MARKS, "{cluster:?}");
                assert!(!cluster.contains(ZWJ) || cluster.chars().count() <= JOINED_SCALARS, "{cluster:?}");
            }
            assert!(once.split('\n').all(|line| !line.starts_with(joins)));
            assert!(!once.contains("\u{200d}\u{200d}") && !once.starts_with(ZWJ));
        }
        assert!(!line(foreign).contains('\n'));
        let printable = Printable::text(foreign);
        for (columns, ambiguous) in [0, 3, 4, 7, 80].into_iter().flat_map(|columns| AMBIGUOUS.map(|it| (columns, it))) {
            let rows: Vec<_> = printable.rows(columns, ambiguous).collect();
            let (open, close) = printable.isolates();
            for row in &rows {
                assert!(row.width() <= columns.max(WIDEST), "{row:?}");
                let all = if columns > 2 * WIDEST { format!("{open}{row}{close}") } else { (*row).to_owned() };
                assert!(cells(&all, ambiguous) <= columns.max(WIDEST), "{row:?}");
            }
            assert_eq!(rows.concat().replace(' ', ""), printable.as_str().replace([' ', '\n'], ""));
        }
    }

    const AMBIGUOUS: [Ambiguous; 2] = [Ambiguous::Narrow, Ambiguous::Wide];

    fn rows(foreign: &str, columns: usize) -> Vec<String> {
        Printable::text(foreign).rows(columns, Ambiguous::Narrow).map(str::to_owned).collect()
    }

    #[test]
    fn introducers_and_terminators_become_symbols() {
        for tail in ["[2J", "]0;x\x07", "P$q\x1b\\", "_x\x1b\\", "^x", "X", "(0", "#8", "c", "7", "8", "="] {
            let foreign = format!("\x1b{tail}");
            assert!(text(&foreign).starts_with('␛'));
            assert_holds(&foreign);
        }
        assert_eq!(text("\x1b]52;c;aGk=\x07"), "␛]52;c;aGk=␇");
        assert_eq!(text("\x1b"), "␛");
        assert_eq!(text("\0\x01\x1f\x7f"), "␀␁␟␡");
        for c in '\u{80}'..='\u{9f}' {
            assert_eq!(text(&c.to_string()), format!("‹U+{:04X}›", u32::from(c)));
        }
    }

    #[test]
    fn queries_and_clipboard_sequences_stay_words() {
        for foreign in [
            "\x1b]52;c;?\x07",
            "\x1b]8;;http://a\x1b\\b\x1b]8;;\x1b\\",
            "\x1b]9;x\x07",
            "\x1b]99;;x\x1b\\",
            "\x1b]777;notify;a;b\x07",
            "\x1b]1337;File=:AA==\x07",
            "\x1b]2;x\u{9c}",
            "\x1b[21t",
            "\u{9b}6n",
            "\x1b[c",
            "\u{90}+q544e\u{9c}",
        ] {
            assert_holds(foreign);
        }
    }

    #[test]
    fn nothing_overwrites_or_leaves_its_row() {
        assert_eq!(text("a\r\nb\rc\x08d\x0be\x0cf"), "a\nb␍c␈d␋e␌f");
        assert_eq!(text("a\u{85}b\u{2028}c\u{2029}"), "a‹U+0085›b‹U+2028›c‹U+2029›");
        assert_eq!(line("a\r\nb\nc"), "a␤b␤c");
        assert_eq!(text("a\tb"), "a    b");
        assert_eq!(rows(&format!("{}\tb", "a".repeat(78)), 80), ["a".repeat(78), "b".to_owned()]);
    }

    #[test]
    fn bidi_controls_never_pass() {
        assert_eq!(line("evil\u{202e}gnp.exe"), "evil‹U+202E›gnp.exe");
        for c in ['\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{2066}', '\u{2069}', '\u{feff}', '\u{ad}'] {
            assert_eq!(text(&format!("a{c}b")), format!("a‹U+{:04X}›b", u32::from(c)));
        }
    }

    #[test]
    fn right_to_left_rows_are_isolated() {
        for foreign in ["שלום 12:00", "abc سلام", "ߊ", "𞤀"] {
            assert_eq!(Printable::text(foreign).isolates(), ("\u{2066}\u{2068}", "\u{2069}\u{2069}"));
            assert_holds(foreign);
        }
        assert_eq!(Printable::text("abc 你好 é").isolates(), ("", ""));
    }

    #[test]
    fn a_text_with_nothing_visible_says_so() {
        assert_eq!(text(""), "(nothing visible, 0 characters)");
        assert_eq!(text(" \n\t"), "(nothing visible, 3 characters)");
        assert_eq!(text(&"\u{3164}".repeat(100)), "(nothing visible, 100 characters)");
        assert_eq!(line("\u{200b}\u{2060}\u{feff} \u{e0041}\u{fe0f}"), "(nothing visible, 6 characters)");
        assert_eq!(line("\n"), "␤");
        assert_eq!(text("\u{200b}a"), "‹U+200B›a");
    }

    #[test]
    fn selectors_stay_once_where_they_select() {
        let hidden: String = ('\u{fe00}'..='\u{fe0f}').chain('\u{e0100}'..='\u{e01ef}').cycle().take(16_000).collect();
        assert_eq!(text(&format!("a{hidden}")), "a‹U+FE00+15999›");
        for kept in ["❤\u{fe0f}", "⌚\u{fe0e}", "1\u{fe0f}\u{20e3}", "葛\u{e0100}"] {
            assert_eq!(text(kept), kept);
        }
        assert_eq!(text("❤\u{fe0f}\u{fe0f}"), "❤\u{fe0f}‹U+FE0F›");
        assert_eq!(text("葛\u{fe0f}a\u{e0100}"), "葛‹U+FE0F›a‹U+E0100›");
    }

    #[test]
    fn joiners_stay_between_what_they_join() {
        for kept in ["👨\u{200d}👩\u{200d}👧", "👁\u{fe0f}\u{200d}🗨\u{fe0f}", "می\u{200c}خواهم", "ක\u{dca}\u{200d}ර"]
        {
            assert_eq!(text(kept), kept);
        }
        assert_eq!(text("a\u{200d}"), "a‹U+200D›");
        assert_eq!(text("a\u{200d}\r\nb"), "a‹U+200D›\nb");
        assert_eq!(text("\u{200d}a"), "‹U+200D›a");
        assert_eq!(text("a\u{200d}\u{200c}b"), "a\u{200d}‹U+200C›b");
        assert_eq!(text("1\u{200d}2"), "1‹U+200D›2");
    }

    #[test]
    fn an_endless_joined_sequence_is_taken_apart() {
        let longest = ["👩"; 8].join("\u{200d}");
        assert_eq!(text(&longest), longest);
        assert_eq!(text(&["👩"; 9].join("\u{200d}")), format!("{}‹U+200D+7›", "👩".repeat(9)));
    }

    #[test]
    fn marks_are_capped_and_have_a_base() {
        let eight = "\u{301}".repeat(8);
        assert_eq!(text(&format!("a{eight}")), format!("a{eight}"));
        assert_eq!(text(&format!("a{eight}\u{302}b")), format!("a{eight}‹U+0302›b"));
        assert_eq!(text(&"\u{301}".repeat(108)), format!("◌{eight}‹U+0301+99›"));
        assert_eq!(text("a\n\u{301}"), "a\n◌\u{301}");
        assert_eq!(text("\u{93e}"), "◌\u{93e}");
        assert_eq!(text("🏽"), "◌🏽");
    }

    #[test]
    fn a_part_of_a_syllable_without_the_rest_is_a_marker() {
        assert_eq!(text("yes\u{1161}\u{1165}no"), "yes‹U+1161›‹U+1165›no");
        assert_eq!(text("\u{1161}\u{1162}"), "(nothing visible, 2 characters)");
        assert_eq!(text("a\u{11a8}\u{d7b0}\u{d7cb}한\u{1161}"), "a‹U+11A8›‹U+D7B0›‹U+D7CB›한‹U+1161›");
        for kept in ["\u{1112}\u{1161}\u{11ab}", "\u{1112}\u{1161}", "가\u{11a8}"] {
            assert_eq!(text(kept), kept);
        }
    }

    #[test]
    fn tags_private_use_and_noncharacters_show_their_number() {
        assert_eq!(text("🏴\u{e0067}\u{e007f}"), "🏴‹U+E0067›‹U+E007F›");
        assert_eq!(text("\u{e000}\u{fdd0}\u{10ffff}"), "‹U+E000›‹U+FDD0›‹U+10FFFF›");
    }

    #[test]
    fn rows_break_between_words_and_beside_wide_characters() {
        assert_eq!(rows("one two three", 8), ["one two", "three"]);
        assert_eq!(rows("one  twothree", 5), ["one", "twoth", "ree"]);
        assert_eq!(rows("a\n\n  b\n", 8), ["a", "", "  b", ""]);
        assert_eq!(rows("你好世界ab", 5), ["你好", "世界", "ab"]);
        assert_eq!(rows("ab 12345 c", 5), ["ab", "12345", "c"]);
        assert_eq!(rows("我们正在重连。你", 12), ["我们正在重", "连。你"]);
        assert_eq!(rows("再说（好）", 6), ["再说", "（好）"]);
        assert_eq!(rows("      [tete] left", 8), ["      [t", "ete]", "left"]);
        assert_eq!(rows("yes          [tete] left", 8), ["yes", "[tete]", "left"]);
    }

    #[test]
    fn rows_keep_clusters_whole_that_fit() {
        let family = "👨\u{200d}👩\u{200d}👧";
        assert_eq!(rows(&format!("{family}{family}"), 8), [family, family]);
        assert_eq!(rows("e\u{301}e\u{301}e\u{301}e\u{301}", 3), ["e\u{301}".repeat(3), "e\u{301}".to_owned()]);
        assert_eq!(rows(family, 6), ["👨\u{200d}👩\u{200d}", "👧"]);
    }

    #[test]
    fn letters_drawn_into_others_still_take_a_cell() {
        assert_eq!(rows(&"\u{9be}".repeat(3), 3), ["◌\u{9be}\u{9be}", "\u{9be}"]);
        assert_eq!(rows(&format!("{} b", "\u{9be}".repeat(3)), 4), ["◌\u{9be}\u{9be}\u{9be}", "b"]);
    }

    #[test]
    fn nothing_that_joins_what_stands_before_it_begins_a_row() {
        // SARA AM, its Lao like, half-width voice marks, a skin tone, spacing marks.
        let joining = "\u{e33}\u{eb3}\u{ff9e}\u{ff9f}\u{1f3fb}\u{93e}\u{9be}\u{302e}\u{1885}";
        for c in joining.chars() {
            assert!(text(&c.to_string()).starts_with('◌'), "{c:?}");
            assert!(text(&format!("a\n{c}")).contains("\n◌"), "{c:?}");
        }
        for c in ('\u{80}'..=char::MAX).filter(|c| matches!(fate(*c), Fate::Keep) && joins(*c)) {
            for unit in [c.to_string(), format!("a{c}"), format!("\u{1100}{c}"), format!("{c}\u{1161}")] {
                for row in rows(&unit.repeat(12), 24) {
                    assert!(!row.starts_with(joins), "{c:?}: {row:?}");
                }
            }
        }
    }

    #[test]
    fn a_name_in_a_sentence_is_short_quoted_and_isolated() {
        let shown = |foreign: &str| Printable::line(foreign).to_string();
        for word in ["photo.jpg", "a-b_c.tar.gz", "192.0.2.1:7", "[2001:db8::1]:7", "/home/x/y"] {
            assert_eq!(shown(word), word);
        }
        assert_eq!(shown("Your partner left."), "“Your partner left.”");
        assert_eq!(shown("对方离开了。"), "“对方离开了。”");
        assert_eq!(shown("x” was saved. “y"), "“x‹U+201D› was saved. ‹U+201C›y”");
        assert_eq!(shown("שלום.txt"), "\u{2068}“שלום.txt”\u{2069}");
        assert_eq!(shown("\u{2069}x\u{2068}"), "“‹U+2069›x‹U+2068›”");
        let spoof = format!("a{}verified: nobody is in the middle{}.exe", "\u{a0}".repeat(120), "\u{a0}".repeat(90));
        for name in [spoof.as_str(), &"葛".repeat(340), &"a b ".repeat(256), &"x".repeat(1_024), &"👨‍👩‍👧".repeat(50)]
        {
            let shown = shown(name);
            assert!(cells(&shown, Ambiguous::Narrow) <= CELLS + 4, "{shown}");
            let end: String = name.chars().rev().take(3).collect::<Vec<_>>().into_iter().rev().collect();
            assert!(shown.ends_with(&format!("{end}”")), "{shown}");
            let told = Printable::sentence(&format!("Your partner wants to send you {shown}. /get"), true);
            assert!(told.as_str().contains(&shown));
        }
        let rtl = format!("x {} y", shown("שלום"));
        assert_eq!(Printable::sentence(&rtl, true).as_str(), rtl);
        assert_eq!(Printable::sentence(&rtl, false).as_str(), "x “שלום” y");
        assert_eq!(Printable::sentence("a\x1b[2J\nb", true).as_str(), "a␛[2J\nb");
    }

    #[test]
    fn the_largest_text_is_cut_into_rows_whatever_it_holds() {
        let units = "a|a | |\n|\t|\u{1b}|\u{9b}|\u{301}|a\u{301}|\u{9be}|\u{1100}|\u{1161}|\u{111c2}|क\u{94d}|\u{200b}|\u{200d}|\
                     \u{fe0f}|你|🇨|🏽|👩\u{200d}|👨\u{200d}👩\u{200d}👧|سلام ";
        for unit in units.split('|') {
            let foreign = unit.repeat(65_536 / unit.len());
            let printable = Printable::text(&foreign);
            let rows = printable.rows(80, Ambiguous::Narrow).count() + printable.rows(3, Ambiguous::Wide).count();
            assert!(rows > 1, "{unit:?}");
        }
    }

    #[test]
    fn debug_output_does_not_show_the_text() {
        assert_eq!(format!("{:?}", Printable::text("secret")), "Printable(..)");
    }

    fn nasty() -> impl Strategy<Value = char> {
        prop_oneof![
            8 => prop::sample::select(
                "\n\r\t\0\x1b\x7f\u{85}\u{9b}\u{ad}\u{34f}\u{200b}\u{200c}\u{200d}\u{200d}\u{200d}\u{202e}\u{2028}\
                 \u{2800}\u{3164}\u{fe0e}\u{fe0f}\u{fe00}\u{e0100}\u{e0041}\u{feff}\u{fffe}\u{e000}\u{301}\u{302}\
                 \u{20e3}\u{93e}\u{94d}\u{915}\u{dca}\u{9be}\u{1100}\u{1161}\u{11a8}\u{111c2}\u{d4e}\u{5d0}\u{627}\
                 \u{644}1#❤👨👩🏽🏴🇨🇳葛你a ‹›+U◌␤\u{a0}\u{3000}\u{17d8}\u{ff9e}"
                    .chars()
                    .collect::<Vec<_>>()
            ),
            1 => any::<char>(),
        ]
    }

    fn nasty_text() -> impl Strategy<Value = String> {
        prop::collection::vec((nasty(), prop_oneof![4 => Just(1_usize), 1 => 1..20_usize]), 0..60)
            .prop_map(|runs| runs.into_iter().flat_map(|(c, count)| std::iter::repeat_n(c, count)).collect())
    }

    proptest! {
        #[test]
        fn any_text_becomes_printable(foreign in any::<String>()) {
            assert_holds(&foreign);
        }

        #[test]
        fn hostile_text_becomes_printable(foreign in nasty_text()) {
            assert_holds(&foreign);
        }

        #[test]
        fn ordinary_text_stays_as_it_is(foreign in "[a-zA-Z0-9 é你好,.!?]{0,40}[a-z]") {
            prop_assert_eq!(text(&foreign), foreign);
        }
    }
}
