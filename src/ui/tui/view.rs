//! Draws the state into cells. Every text is printable before it comes here, and no cell outside the area is touched.

use std::ops::Range;

use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::Position;
use ratatui::style::{Color, Modifier, Style};
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use super::scrollback::{Entry, Kind, Row, matches};
use super::state::{COLUMNS, Overlay, PROMPT, Pairing, ROWS, Scene, State};
use crate::interface::{Frontend, PromptKind};
use crate::printable::{Printable, cells};
use crate::protocol::pairing::{DIGITS, Half};
use crate::ui::commands::commands_of;
use crate::ui::editor::Editor;
use crate::ui::keys::{self, command_help};
use crate::ui::words;

/// Number of columns of the keys in the help, if their descriptions stand beside them.
const HELP_COLUMN: usize = 30;

/// Draws the screen and returns the position of the cursor, if it has one.
///
/// The cursor is the terminal's own, so that an input method shows what is being composed in the right place.
/// Without `color` only bold, dim and reversed are used; with it only the sixteen colours that the user has chosen
/// for a light or a dark background.
pub fn draw(state: &State, color: bool, buffer: &mut Buffer) -> Option<Position> {
    let mut canvas = Canvas { buffer, color, cursor: None };
    canvas.buffer.reset();
    // The terminal may have become smaller since the state was told its size.
    let fits = canvas.columns() >= COLUMNS && canvas.rows() >= ROWS;
    match if fits { state.scene() } else { Scene::TooSmall } {
        Scene::TooSmall => {
            canvas.text(0, 0, state.words().small, Style::new());
        }
        Scene::Locked => canvas.locked(state),
        Scene::Alarm => canvas.alarm(state),
        Scene::Help => canvas.help(state),
        Scene::Passphrase => canvas.passphrase(state),
        Scene::Pairing => canvas.pairing(state),
        Scene::Paste | Scene::Find | Scene::Chat | Scene::Over => canvas.chat(state),
    }
    canvas.cursor
}

struct Canvas<'a> {
    buffer: &'a mut Buffer,
    color: bool,
    cursor: Option<Position>,
}

/// The parts of the pairing screen that there is room for.
#[derive(Clone, Copy)]
struct Detail {
    blanks: bool,
    boxes: bool,
    large: bool,
    next: bool,
    texts: bool,
}

impl Canvas<'_> {
    fn columns(&self) -> u16 {
        self.buffer.area.width
    }

    fn rows(&self) -> u16 {
        self.buffer.area.height
    }

    fn colored(&self, color: Color) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new() }
    }

    fn dim() -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    fn bold() -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Writes as much of a text as fits from `x` on, and returns the column after it.
    fn text(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        self.put(x, y, text, |_| style)
    }

    /// Writes as [`text`](Self::text) does, with a style for each byte.
    fn put(&mut self, x: u16, y: u16, text: &str, style: impl Fn(usize) -> Style) -> u16 {
        let (area, mut at) = (self.buffer.area, x);
        if y >= area.height {
            return x;
        }
        // A terminal may draw a cluster wider than it is: the cells behind it are then drawn again.
        let mut disputed = false;
        for (place, cluster) in text.grapheme_indices(true) {
            let width = u16::try_from(cluster.width()).unwrap_or(u16::MAX);
            if width == 0 || cluster.contains(char::is_control) {
                continue;
            }
            if at.saturating_add(width) > area.width {
                break;
            }
            disputed |= cells(cluster) != usize::from(width);
            for column in at..at + width {
                if let Some(cell) = self.buffer.cell_mut((column, y)) {
                    cell.reset();
                    cell.set_style(style(place));
                    if column == at {
                        cell.set_symbol(cluster);
                    }
                }
            }
            at += width;
        }
        if disputed {
            for column in x..area.width {
                if let Some(cell) = self.buffer.cell_mut((column, y)) {
                    cell.set_diff_option(CellDiffOption::AlwaysUpdate);
                }
            }
        }
        at
    }

    /// Keeps right-to-left letters within `columns`, on terminals that reorder.
    fn isolate(&mut self, columns: Range<u16>, y: u16, (open, close): (&str, &str)) {
        if open.is_empty() || columns.is_empty() {
            return;
        }
        let last = columns.clone().rev().find(|x| self.buffer.cell((*x, y)).is_some_and(|cell| cell.symbol() != " "));
        for (x, before, after) in [(columns.start, open, ""), (last.unwrap_or(columns.start), "", close)] {
            if let Some(cell) = self.buffer.cell_mut((x, y)) {
                let symbol = format!("{before}{}{after}", cell.symbol());
                cell.set_symbol(&symbol);
            }
        }
    }

    /// Writes a text in rows from `y` on, and returns the row after it.
    fn block(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        let printable = Printable::text(text);
        let mut row = y;
        for line in printable.rows(usize::from(self.columns().saturating_sub(x))) {
            self.text(x, row, line, style);
            row = row.saturating_add(1);
        }
        row
    }

    fn fill(&mut self, y: u16, style: Style) {
        for x in 0..self.columns() {
            if let Some(cell) = self.buffer.cell_mut((x, y)) {
                cell.reset();
                cell.set_style(style);
            }
        }
    }

    fn point(&mut self, x: u16, y: u16) {
        self.cursor = Some(Position::new(x.min(self.columns() - 1), y.min(self.rows() - 1)));
    }

    fn chat(&mut self, state: &State) {
        let areas = state.areas();
        let (shape, height) = (state.shape(), usize::from(areas.messages));
        let rows = state.scrollback().view(state.bottom(), height, shape);
        // A short talk begins at the top.
        for (y, row) in (0..).zip(rows) {
            self.row(state, y, &row);
        }
        self.candidates(state, areas.messages);
        self.choices(state, areas.messages);
        self.bar(state, areas.messages);
        self.input(state, areas.messages + 1, areas.input);
    }

    fn row(&mut self, state: &State, y: u16, row: &Row<'_>) {
        let words = state.words();
        match row {
            Row::Day(day) => self.rule(y, &day.to_string(), Self::dim()),
            Row::New => self.rule(y, words.new, self.colored(Color::Yellow).add_modifier(Modifier::BOLD)),
            Row::Head(entry) => {
                let x = self.text(0, y, &entry.time, Self::dim());
                let x = self.text(x, y, late(entry.kind), self.colored(Color::Yellow));
                let x = self.name(state, x, y, entry.kind);
                self.mark(x + 1, y, entry.kind);
            }
            Row::Text { entry, range, first } => {
                let gutter = u16::try_from(state.shape().gutter(entry.kind)).unwrap_or(u16::MAX);
                if *first {
                    self.text(0, y, &entry.time, Self::dim());
                    self.text(5, y, late(entry.kind), self.colored(Color::Yellow));
                }
                if state.shape().is_narrow() || !*first {
                    if !matches!(entry.kind, Kind::Event { .. }) {
                        self.text(gutter - 2, y, "│", self.speaker(entry.kind));
                    }
                } else if let Kind::Event { .. } = entry.kind {
                    self.text(6, y, "·", Self::dim());
                } else {
                    let name = u16::try_from(name(state, entry.kind).width()).unwrap_or(0);
                    self.name(state, gutter - 3 - name, y, entry.kind);
                    self.mark(gutter - 2, y, entry.kind);
                }
                self.said(state, gutter, y, entry, range);
            }
        }
    }

    fn said(&mut self, state: &State, x: u16, y: u16, entry: &Entry, range: &Range<usize>) {
        let text = entry.text.as_str();
        let base = match entry.kind {
            Kind::Event { alarm: true } => self.colored(Color::Red).add_modifier(Modifier::BOLD),
            Kind::Event { alarm: false } => Self::dim(),
            _ => Style::new(),
        };
        let hits: Vec<_> = matches(text, state.sought()).take_while(|hit| hit.start < range.end).collect();
        let current = match state.overlay() {
            Overlay::Find { hit: Some((id, byte)), .. } if *id == entry.id => Some(*byte),
            _ => None,
        };
        let style = |place: usize| {
            let place = range.start + place;
            match hits.iter().find(|hit| hit.contains(&place)) {
                Some(hit) if current == Some(hit.start) => {
                    base.add_modifier(Modifier::REVERSED | Modifier::BOLD | Modifier::UNDERLINED)
                }
                Some(_) => base.add_modifier(Modifier::REVERSED),
                None => base,
            }
        };
        self.put(x, y, text.get(range.clone()).unwrap_or_default(), style);
        self.isolate(x..self.columns(), y, entry.text.isolates());
    }

    fn speaker(&self, kind: Kind) -> Style {
        match kind {
            Kind::Partner { .. } => self.colored(Color::Cyan),
            Kind::Own { .. } => self.colored(Color::Green),
            Kind::Event { .. } => Self::dim(),
        }
    }

    fn name(&mut self, state: &State, x: u16, y: u16, kind: Kind) -> u16 {
        self.text(x, y, name(state, kind), self.speaker(kind).add_modifier(Modifier::BOLD))
    }

    fn mark(&mut self, x: u16, y: u16, kind: Kind) {
        match kind {
            Kind::Own { shown: true } => self.text(x, y, "✓", self.colored(Color::Green)),
            Kind::Own { shown: false } => self.text(x, y, "◌", self.colored(Color::Yellow)),
            Kind::Partner { .. } => self.text(x, y, "│", self.speaker(kind)),
            Kind::Event { .. } => x,
        };
    }

    fn rule(&mut self, y: u16, text: &str, style: Style) {
        let text = format!(" {text} ");
        let room = usize::from(self.columns()).saturating_sub(text.width());
        let left = "─".repeat(room / 2);
        let right = "─".repeat(room - room / 2);
        self.text(0, y, &format!("{left}{text}{right}"), style);
    }

    fn candidates(&mut self, state: &State, bar: u16) {
        let candidates = if matches!(state.overlay(), Overlay::None) { state.candidates() } else { Vec::new() };
        let room = usize::from(bar.saturating_sub(1));
        for (y, row) in (0..bar).rev().zip(candidates.iter().take(room).rev()) {
            self.fill(y, Style::new());
            let x = self.text(PROMPT, y, &format!("/{:<8}", row.name), Self::bold());
            self.text(x, y, &command_help(row.command, state.lang()), Self::dim());
        }
    }

    /// What Tab lists, above the bar.
    fn choices(&mut self, state: &State, bar: u16) {
        let room = usize::from(bar.saturating_sub(1));
        let choices = state.choices();
        let shown = choices.get(..room.min(choices.len())).unwrap_or_default();
        for (y, name) in (0..bar).rev().zip(shown.iter().rev()) {
            self.fill(y, Style::new());
            let more = y + 1 == bar && shown.len() < choices.len();
            self.text(PROMPT, y, if more { "…" } else { name }, Self::bold());
        }
    }

    fn bar(&mut self, state: &State, y: u16) {
        let style = Style::new().add_modifier(Modifier::REVERSED);
        self.fill(y, style);
        let words = state.words();
        if let Some(notice) = state.notice() {
            self.text(1, y, notice, style.add_modifier(Modifier::BOLD));
            return;
        }
        // The part with the lowest number is left out first.
        let mut parts = Vec::new();
        let line = state.status().map(|status| status.connection);
        match state.overlay() {
            Overlay::Find { nothing, .. } => {
                parts.push((10, if *nothing { words.nothing } else { words.find_keys }.to_owned()));
            }
            Overlay::Paste(..) => parts.push((10, words.paste_keys.to_owned())),
            Overlay::Send(..) => parts.push((10, words::words(state.lang()).send_keys.to_owned())),
            Overlay::None if state.is_over() && !state.editor().is_empty() => {
                parts.push((10, words.unsent.to_owned()));
            }
            _ => {}
        }
        if let Some(status) = state.status() {
            parts.push((7, words.trust(status.trust).to_owned()));
            parts.push((2, words::peer(&status.partner, state.lang())));
            let well = status.connection.is_well();
            let line = if well {
                words.connected.to_owned()
            } else {
                words::connection_state(&status.connection, state.lang(), state.now())
            };
            parts.push(if well { (4, line) } else { (9, line) });
            if let Some(time) = status.round_trip.filter(|_| line_is_well(state)) {
                parts.push((3, format!("{} ms", time.as_micros().div_ceil(1000))));
            }
        }
        for (arrow, progress) in ["↑", "↓"].into_iter().zip(state.status().map_or([None; 2], |now| now.files)) {
            if let Some(progress) = progress {
                parts.push((8, format!("{arrow} {}", words::bar(&progress))));
                parts.push((5, words::rest(&progress, state.lang())));
            }
        }
        if state.unshown() > 0 && line.is_some() {
            parts.push((6, format!("◌ {} {}", state.unshown(), words.unshown)));
        }
        match (state.bottom(), state.below()) {
            (None, _) => {}
            (_, 0) => parts.push((8, "↓ Ctrl-End".to_owned())),
            (_, below) => parts.push((8, format!("↓ {below} {}", words.below))),
        }
        if parts.is_empty() {
            parts.push((0, "tete".to_owned()));
        }
        let joined =
            |parts: &[(i32, String)]| parts.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(" · ");
        while parts.len() > 1 && joined(&parts).width() + 2 > usize::from(self.columns()) {
            let least = parts.iter().map(|(rank, _)| *rank).min();
            parts.retain(|(rank, _)| Some(*rank) != least);
        }
        let style = if line_is_well(state) { style } else { style.patch(self.colored(Color::Yellow)) };
        self.text(1, y, &joined(&parts), style);
    }

    fn input(&mut self, state: &State, y: u16, rows: u16) {
        let words = state.words();
        let prompt = self.colored(Color::Green).add_modifier(Modifier::BOLD);
        match state.overlay() {
            Overlay::Find { words: sought, .. } => {
                let x = self.text(0, y, words.find, prompt);
                return self.entry(x, y, sought, false);
            }
            Overlay::Paste(_, lines) => {
                self.text(0, y, &format!("{} {lines} {}", words.paste, words.lines), Self::bold());
                return;
            }
            Overlay::Send(question, _) => {
                self.text(0, y, question, Self::bold());
                return;
            }
            _ if state.is_over() && state.editor().is_empty() => {
                self.text(0, y, words.over, Self::bold());
                return;
            }
            _ if state.asked() != PromptKind::Chat && !state.is_over() => {
                self.text(0, y, words.waiting, Self::dim());
                return;
            }
            _ => {}
        }
        self.text(0, y, "›", prompt);
        let layout = state.editor().layout(state.input_columns());
        let text = state.editor().text();
        let top = state.input_top();
        for (row, range) in (0..rows).zip(layout.rows.iter().skip(top)) {
            self.text(PROMPT, y + row, text.get(range.clone()).unwrap_or_default(), Style::new());
        }
        let below = layout.row.checked_sub(top).and_then(|row| u16::try_from(row).ok());
        if let Some(row) = below.filter(|row| *row < rows && !state.is_over()) {
            self.point(PROMPT + u16::try_from(layout.column).unwrap_or(u16::MAX - PROMPT), y + row);
        }
    }

    /// Draws a line that is being written, or dots in its place, with the cursor visible.
    fn entry(&mut self, x: u16, y: u16, written: &Editor, secret: bool) {
        let before = written.text().get(..written.cursor()).unwrap_or_default();
        let after = written.text().get(written.cursor()..).unwrap_or_default();
        if secret {
            let dots = |text: &str| "•".repeat(text.graphemes(true).count());
            let at = self.text(x, y, &dots(before), Style::new());
            self.text(at, y, &dots(after), Style::new());
            return self.point(at, y);
        }
        let room = usize::from(self.columns().saturating_sub(x + 1));
        let mut start = before.len();
        let mut used = 0;
        for (place, cluster) in before.grapheme_indices(true).rev() {
            used += cluster.width();
            if used > room {
                break;
            }
            start = place;
        }
        let at = self.text(x, y, before.get(start..).unwrap_or_default(), Style::new());
        self.text(at, y, after, Style::new());
        self.point(at, y);
    }

    fn help(&mut self, state: &State) {
        let Overlay::Help(top) = *state.overlay() else { return };
        let words = state.words();
        let keys = keys::rows(words).into_iter();
        let keys = keys.map(|(names, topic)| (names.join(words.comma), words::topic(topic, state.lang()).to_owned()));
        let signs = words.signs.iter().map(|(sign, what)| ((*sign).to_owned(), (*what).to_owned()));
        let commands = commands_of(Frontend::SCREEN);
        let commands = commands.map(|row| (format!("/{}", row.name), command_help(row.command, state.lang())));
        let blank = std::iter::once((String::new(), String::new()));
        let lines: Vec<_> = commands.chain(blank).chain(keys).chain(signs).collect();
        let rows: Vec<_> = lines.iter().flat_map(|(left, right)| self.help_rows(left, right)).collect();
        let room = usize::from(self.rows() - 1);
        let top = top.min(rows.len().saturating_sub(room));
        for (y, (row, key)) in (0..self.rows() - 1).zip(rows.iter().skip(top)) {
            self.put(1, y, row, |place| if place < *key { Self::bold() } else { Style::new() });
        }
        let y = self.rows() - 1;
        let style = Style::new().add_modifier(Modifier::REVERSED);
        self.fill(y, style);
        let more = if top + room < rows.len() { "↓ " } else { "" };
        self.text(1, y, &format!("{more}{}", words.close), style);
    }

    /// Rows of one entry of the help, each with the number of bold bytes at its start. The keys and their description
    /// stand side by side where there is room.
    fn help_rows(&self, left: &str, right: &str) -> Vec<(String, usize)> {
        let columns = usize::from(self.columns());
        if left.is_empty() {
            return vec![(String::new(), 0)];
        }
        if columns < 60 {
            let (left, right) = (Printable::text(left), Printable::text(right));
            let lefts = left.rows(columns - 1).map(|row| (row.to_owned(), row.len()));
            return lefts.chain(right.rows(columns - 3).map(|row| (format!("  {row}"), 0))).collect();
        }
        let (left, right) = (Printable::text(left), Printable::text(right));
        let mut lefts = left.rows(HELP_COLUMN - 2).map(str::trim_end);
        let mut rights = right.rows(columns - HELP_COLUMN - 1);
        std::iter::from_fn(|| match (lefts.next(), rights.next()) {
            (None, None) => None,
            (left, right) => {
                let (left, right) = (left.unwrap_or_default(), right.unwrap_or_default());
                Some((format!("{left}{}{right}", pad(left, HELP_COLUMN)), left.len()))
            }
        })
        .collect()
    }

    fn alarm(&mut self, state: &State) {
        let Some(text) = state.alarm() else { return };
        let style = self.colored(Color::Red).add_modifier(Modifier::REVERSED | Modifier::BOLD);
        for y in 0..self.rows() {
            self.fill(y, style);
        }
        let room = self.rows() - 1;
        for (y, row) in (1..room).zip(text.rows(usize::from(self.columns() - 2))) {
            self.text(1, y, row, style);
        }
        self.text(1, room, state.words().close, style);
    }

    fn locked(&mut self, state: &State) {
        let words = state.words();
        match state.lock_state().closed_until(state.now()) {
            None => self.secret(state, words.locked),
            Some(until) => {
                let left = until.saturating_sub(state.now()).as_secs_f32().ceil();
                self.secret(state, &format!("{} {left}", words.wrong));
            }
        }
    }

    fn passphrase(&mut self, state: &State) {
        let Overlay::Passphrase { first, differ, .. } = state.overlay() else { return };
        let words = state.words();
        let note = if *differ { words.differ } else { words.choose };
        self.secret(state, if first.is_some() { words.again } else { note });
    }

    /// Asks for a passphrase, which is shown as dots.
    fn secret(&mut self, state: &State, question: &str) {
        let y = self.block(1, 0, question, Self::bold()).min(self.rows() - 1);
        let x = self.text(1, y, state.words().passphrase, Style::new());
        self.entry(x, y, state.entry(), true);
    }

    fn pairing(&mut self, state: &State) {
        let Some(pairing) = state.pairing() else { return };
        let detail = |blanks, boxes, large, next, texts| Detail { blanks, boxes, large, next, texts };
        let levels = [
            detail(true, true, true, true, true),
            detail(true, false, true, true, true),
            detail(false, false, true, true, true),
            detail(true, false, false, true, true),
            detail(false, false, false, true, true),
            detail(false, false, false, false, true),
            detail(false, false, false, false, false),
        ];
        let room = self.rows() - 1;
        let mut used = u16::MAX;
        for level in levels {
            self.buffer.reset();
            self.cursor = None;
            used = self.pairing_in(state, pairing, level);
            if used <= room {
                break;
            }
        }
        debug_assert!(used < u16::MAX);
        self.bar(state, room);
    }

    /// Draws the pairing in that much detail and returns the number of rows it takes, which may be more than there are.
    fn pairing_in(&mut self, state: &State, pairing: &Pairing, detail: Detail) -> u16 {
        let words = state.words();
        let x = match self.columns() {
            60.. => 4,
            30.. => 2,
            _ => 0,
        };
        let blank = u16::from(detail.blanks);
        let mut y = blank;
        if detail.texts {
            let title = if pairing.partner.is_some() { words.compare } else { words.read_out };
            y = self.block(x, y, title, Style::new()) + blank;
        }
        if let Some((partner, emoji)) = &pairing.partner {
            self.text(x, y, &format!("{}  {}", words.yours, pairing.own), Self::bold());
            self.text(x, y + 1, &format!("{}  {partner}", words.theirs), Self::bold());
            y += 2;
            if detail.texts {
                y = self.block(x, y, &words::pictures(emoji, state.lang()), Style::new());
            }
            y += blank;
        } else {
            let large = words::large_rows(&pairing.own, usize::from(self.columns().saturating_sub(x)));
            if detail.large && !large.is_empty() {
                for row in large {
                    self.text(x, y, &row, self.colored(Color::Cyan));
                    y += 1;
                }
                y += blank;
            }
            self.text(x, y, &pairing.own.to_string(), Self::bold());
            y += 1 + blank;
        }
        if let Some(done) = &pairing.done {
            y = self.block(x, y, done.as_str(), Self::bold());
        } else {
            if detail.texts {
                let title = if pairing.partner.is_some() { words.agree } else { words.type_in };
                y = self.block(x, y, title, Style::new()) + blank;
            }
            if state.asked() != PromptKind::Nothing {
                y = self.answer(state, pairing, x, y, detail.boxes);
            }
        }
        if let Some((note, wrong)) = &pairing.note {
            let style = if *wrong { self.colored(Color::Red) } else { self.colored(Color::Yellow) };
            let style = style.add_modifier(Modifier::BOLD);
            y = self.block(x, y + blank, note.as_str(), style);
        }
        if detail.next && pairing.can_skip && pairing.done.is_none() {
            y = self.block(x, y + blank, words.next, Self::dim());
        }
        y
    }

    fn answer(&mut self, state: &State, pairing: &Pairing, x: u16, y: u16, boxes: bool) -> u16 {
        let text = state.entry().text();
        let typed = Half::digits_in(text).filter(|digits| digits.len() <= DIGITS);
        let is_half = typed.is_some();
        let digits: Vec<char> =
            typed.iter().flat_map(|digits| digits.iter()).map(|digit| char::from(b'0' + digit)).collect();
        let at_end = state.entry().cursor() == text.len();
        let room = self.columns().saturating_sub(x);
        if pairing.partner.is_some() || !is_half || !at_end {
            let prompt = if pairing.partner.is_some() { state.words().same } else { "› " };
            let after = self.text(x, y, prompt, self.colored(Color::Green));
            self.entry(after, y, state.entry(), false);
            return y + 1;
        }
        let digit = |place: usize| digits.get(place).copied();
        let next = u16::try_from(digits.len().min(DIGITS - 1)).unwrap_or(0);
        let second = next >= 4;
        if boxes && room >= 36 {
            let edge = |[left, middle, right]: [&str; 3]| {
                let group = format!("{left}{}{right}", ["───"; 4].join(middle));
                format!("{group}  {group}")
            };
            let cells = |from: usize| {
                let inner: Vec<_> =
                    (from..from + 4).map(|place| format!(" {} ", digit(place).unwrap_or(' '))).collect();
                format!("│{}│", inner.join("│"))
            };
            self.text(x, y, &edge(["┌", "┬", "┐"]), Self::dim());
            self.text(x, y + 1, &format!("{}  {}", cells(0), cells(4)), Self::bold());
            self.text(x, y + 2, &edge(["└", "┴", "┘"]), Self::dim());
            self.point(x + 2 + 4 * next + if second { 3 } else { 0 }, y + 1);
            return y + 3;
        }
        let (open, close, step, gap) = if room >= 26 { ("[", "]", 3, 2) } else { ("", "", 1, 1) };
        let group = |from: usize| {
            (from..from + 4).map(|place| format!("{open}{}{close}", digit(place).unwrap_or('_'))).collect::<String>()
        };
        self.text(x, y, &format!("{}{}{}", group(0), " ".repeat(gap), group(4)), Self::bold());
        let gap = if second { u16::try_from(gap).unwrap_or(0) } else { 0 };
        self.point(x + u16::try_from(open.len()).unwrap_or(0) + step * next + gap, y);
        y + 1
    }
}

fn line_is_well(state: &State) -> bool {
    state.status().is_none_or(|status| status.connection.is_well())
}

fn late(kind: Kind) -> &'static str {
    if matches!(kind, Kind::Partner { late: true }) { "~" } else { " " }
}

fn name(state: &State, kind: Kind) -> &'static str {
    match kind {
        Kind::Own { .. } => state.words().you,
        Kind::Partner { .. } => state.words().partner,
        Kind::Event { .. } => "",
    }
}

fn pad(text: &str, columns: usize) -> String {
    " ".repeat(columns.saturating_sub(text.width()))
}
