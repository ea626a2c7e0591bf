//! Draws the state into cells. Every text is printable before it comes here, and no cell outside the area is touched.

use std::ops::Range;

use ratatui::buffer::{Buffer, Cell, CellDiffOption};
use ratatui::layout::Position;
use ratatui::style::{Color, Modifier, Style};
use unicode_segmentation::UnicodeSegmentation as _;

use zeroize::Zeroizing;

use super::scrollback::{Entry, Kind, Row, matches};
use super::state::{COLUMNS, Overlay, PROMPT, Pairing, ROWS, Scene, State};
use crate::interface::{Frontend, PromptKind};
use crate::printable::{Ambiguous, Printable, cells};
use crate::protocol::pairing::{DIGITS, Half};
use crate::ui::commands::commands_of;
use crate::ui::editor::Editor;
use crate::ui::keys::{self, command_help};
use crate::ui::words;

/// Number of columns of the keys in the help, if their descriptions stand beside them.
const HELP_COLUMN: u16 = 30;

/// Fills the rest of the bar while the connection is not well: no colour is legible in all schemes.
const TROUBLE: &str = "/";

/// Draws the screen and returns the position of the cursor, if it has one.
///
/// A grapheme cluster stands in the first of its cells, and the others hold nothing; a text begins at a cell that
/// [`is_placed`]. The cursor is the terminal's own, so that an input method shows what is being composed in the right
/// place. What matters is bold or reversed, in the user's own foreground and background; a colour is used only as a
/// pair that is legible in every scheme, and never without `color`.
pub fn draw(state: &State, color: bool, buffer: &mut Buffer) -> Option<Position> {
    let mut canvas = Canvas { buffer, color, ambiguous: state.ambiguous(), cursor: None };
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

/// The mark of a cell that a text begins at.
const PLACED: CellDiffOption = CellDiffOption::AlwaysUpdate;

/// Whether a text begins at a cell, so that it stands at its column whatever the terminal has drawn before it.
pub fn is_placed(cell: &Cell) -> bool {
    cell.diff_option == PLACED
}

struct Canvas<'a> {
    buffer: &'a mut Buffer,
    color: bool,
    ambiguous: Ambiguous,
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

    /// The style of what is new or to be noticed.
    fn notable(&self) -> Style {
        if self.color { Style::new().fg(Color::Black).bg(Color::LightCyan) } else { Self::reversed() }
    }

    fn reversed() -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    fn alarming() -> Style {
        Self::reversed().add_modifier(Modifier::BOLD)
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
        for (place, cluster) in text.grapheme_indices(true) {
            let width = u16::try_from(cells(cluster, self.ambiguous)).unwrap_or(u16::MAX);
            let end = at.saturating_add(width);
            if y >= area.height || end > area.width {
                break;
            }
            if width == 0 {
                // A mark that the user began a line with.
                if let Some(cell) = at.checked_sub(1).and_then(|before| self.buffer.cell_mut((before, y))) {
                    cell.set_symbol(&format!("{}{cluster}", cell.symbol()));
                }
            }
            for column in at..end {
                let Some(cell) = self.buffer.cell_mut((column, y)) else { break };
                cell.reset();
                cell.set_style(style(place)).set_symbol(if column == at { cluster } else { "" });
            }
            at = end;
        }
        self.place(x, y);
        at
    }

    /// Has the terminal's cursor moved to a cell before it is drawn.
    fn place(&mut self, x: u16, y: u16) {
        if let Some(cell) = self.buffer.cell_mut((x, y)) {
            cell.set_diff_option(PLACED);
        }
    }

    fn cells(&self, text: &str) -> u16 {
        u16::try_from(cells(text, self.ambiguous)).unwrap_or(u16::MAX)
    }

    /// A box or block character, or what stands for it where it would be wide.
    fn line(&self, drawn: &'static str, plain: &'static str) -> &'static str {
        if self.ambiguous == Ambiguous::Narrow { drawn } else { plain }
    }

    /// Keeps right-to-left letters within `columns`, on terminals that reorder.
    fn isolate(&mut self, columns: Range<u16>, y: u16, (open, close): (&str, &str)) {
        if open.is_empty() || columns.is_empty() {
            return;
        }
        let last = columns
            .clone()
            .rev()
            .find(|x| self.buffer.cell((*x, y)).is_some_and(|cell| !matches!(cell.symbol(), "" | " ")));
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
        for line in printable.rows(usize::from(self.columns().saturating_sub(x)), self.ambiguous) {
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

    /// Shows the cursor in or behind a text that begins at `start`.
    fn point(&mut self, start: u16, x: u16, y: u16) {
        self.place(start, y);
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
            Row::New => self.rule(y, words.new, self.notable()),
            Row::Head(entry) => {
                let x = self.text(0, y, &entry.time, Self::dim());
                let x = self.text(x, y, late(entry.kind), Self::bold());
                let x = self.name(state, x, y, entry.kind);
                self.mark(x + 1, y, entry.kind);
            }
            Row::Text { entry, range, first } => {
                let gutter = u16::try_from(state.shape().gutter(entry.kind)).unwrap_or(u16::MAX);
                if *first {
                    self.text(0, y, &entry.time, Self::dim());
                    self.text(5, y, late(entry.kind), Self::bold());
                }
                if state.shape().is_narrow() || !*first {
                    if !matches!(entry.kind, Kind::Event { .. }) {
                        self.text(gutter - 2, y, self.line("│", "|"), Style::new());
                    }
                } else if let Kind::Event { .. } = entry.kind {
                    self.text(6, y, "·", Self::dim());
                } else {
                    let name = self.cells(name(state, entry.kind));
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
            Kind::Event { alarm: true } => Self::alarming(),
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
                    Self::reversed().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
                }
                Some(_) if base == Self::alarming() => base.add_modifier(Modifier::UNDERLINED),
                Some(_) => base.add_modifier(Modifier::REVERSED),
                None => base,
            }
        };
        self.put(x, y, text.get(range.clone()).unwrap_or_default(), style);
        self.isolate(x..self.columns(), y, entry.text.isolates());
    }

    fn name(&mut self, state: &State, x: u16, y: u16, kind: Kind) -> u16 {
        let style = if let Kind::Partner { .. } = kind { Self::bold() } else { Style::new() };
        self.text(x, y, name(state, kind), style)
    }

    fn mark(&mut self, x: u16, y: u16, kind: Kind) {
        match kind {
            Kind::Own { shown: true } => self.text(x, y, "✓", Style::new()),
            Kind::Own { shown: false } => self.text(x, y, "◌", Self::bold()),
            Kind::Partner { .. } => self.text(x, y, self.line("│", "|"), Style::new()),
            Kind::Event { .. } => x,
        };
    }

    fn rule(&mut self, y: u16, text: &str, style: Style) {
        let text = format!(" {text} ");
        let room = self.columns().saturating_sub(self.cells(&text));
        let line = self.line("─", "-");
        self.text(0, y, &line.repeat(usize::from(room / 2)), Self::dim());
        let x = self.text(room / 2, y, &text, style);
        self.text(x, y, &line.repeat(usize::from(room - room / 2)), Self::dim());
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
        let style = if line_is_well(state) { Self::reversed() } else { Self::alarming() };
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
                let bar = words::bar(&progress).replace('█', self.line("█", "#")).replace('░', self.line("░", "-"));
                parts.push((8, format!("{arrow} {bar}")));
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
        while parts.len() > 1 && self.cells(&joined(&parts)).saturating_add(2) > self.columns() {
            let least = parts.iter().map(|(rank, _)| *rank).min();
            parts.retain(|(rank, _)| Some(*rank) != least);
        }
        let x = self.text(1, y, &joined(&parts), style).saturating_add(1);
        if !line_is_well(state) {
            self.text(x, y, &TROUBLE.repeat(usize::from(self.columns().saturating_sub(x))), style);
        }
    }

    fn input(&mut self, state: &State, y: u16, rows: u16) {
        let words = state.words();
        let prompt = Self::bold();
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
            self.point(PROMPT, PROMPT + u16::try_from(layout.column).unwrap_or(u16::MAX - PROMPT), y + row);
        }
    }

    /// Draws a line that is being written, or stars in its place, with the cursor visible.
    fn entry(&mut self, x: u16, y: u16, written: &Editor, secret: bool) {
        let stars = |text: &str| Zeroizing::new("*".repeat(text.graphemes(true).count()));
        let shown = |text: &str| if secret { stars(text) } else { Zeroizing::new(text.to_owned()) };
        let before = shown(written.text().get(..written.cursor()).unwrap_or_default());
        let after = shown(written.text().get(written.cursor()..).unwrap_or_default());
        let room = self.columns().saturating_sub(x + 1);
        let mut start = before.len();
        let mut used = 0_u16;
        for (place, cluster) in before.grapheme_indices(true).rev() {
            used = used.saturating_add(self.cells(cluster));
            if used > room {
                break;
            }
            start = place;
        }
        let before = before.get(start..).unwrap_or_default();
        self.text(x, y, &Zeroizing::new(format!("{before}{}", *after)), Style::new());
        self.point(x, x.saturating_add(self.cells(before)), y);
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
        for (y, (left, x, right)) in (0..self.rows() - 1).zip(rows.iter().skip(top)) {
            self.text(1, y, left, Self::bold());
            self.text(*x, y, right, Style::new());
        }
        let y = self.rows() - 1;
        let style = Self::reversed();
        self.fill(y, style);
        let more = if top + room < rows.len() { "↓ " } else { "" };
        self.text(1, y, &format!("{more}{}", words.close), style);
    }

    /// Rows of one entry of the help: the keys, and their description from a column on, beside them where there is room.
    fn help_rows(&self, left: &str, right: &str) -> Vec<(String, u16, String)> {
        let columns = usize::from(self.columns());
        if left.is_empty() {
            return vec![(String::new(), 0, String::new())];
        }
        let (left, right) = (Printable::text(left), Printable::text(right));
        if columns < 60 {
            let lefts = left.rows(columns - 1, self.ambiguous).map(|row| (row.to_owned(), 0, String::new()));
            let rights = right.rows(columns - 3, self.ambiguous).map(|row| (String::new(), 3, row.to_owned()));
            return lefts.chain(rights).collect();
        }
        let mut lefts = left.rows(usize::from(HELP_COLUMN) - 2, self.ambiguous);
        let mut rights = right.rows(columns - usize::from(HELP_COLUMN) - 1, self.ambiguous);
        std::iter::from_fn(|| match (lefts.next(), rights.next()) {
            (None, None) => None,
            (left, right) => {
                let [left, right] = [left, right].map(|row| row.unwrap_or_default().to_owned());
                Some((left, HELP_COLUMN + 1, right))
            }
        })
        .collect()
    }

    fn alarm(&mut self, state: &State) {
        let Some(text) = state.alarm() else { return };
        let style = Self::alarming();
        for y in 0..self.rows() {
            self.fill(y, style);
        }
        let room = self.rows() - 1;
        for (y, row) in (1..room).zip(text.rows(usize::from(self.columns() - 2), self.ambiguous)) {
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
            let columns = usize::from(self.columns().saturating_sub(x));
            let large = words::large_rows(&pairing.own, columns, self.line("█", "#"));
            if detail.large && !large.is_empty() {
                for row in large {
                    self.text(x, y, &row, Style::new());
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
            let style = if *wrong { Self::alarming() } else { Self::bold() };
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
            let after = self.text(x, y, prompt, Self::bold());
            self.entry(after, y, state.entry(), false);
            return y + 1;
        }
        let digit = |place: usize| digits.get(place).copied();
        let next = u16::try_from(digits.len().min(DIGITS - 1)).unwrap_or(0);
        let second = next >= 4;
        if boxes && room >= 36 {
            let (line, side) = (self.line("─", "-").repeat(3), self.line("│", "|"));
            let edge = |corners: [&'static str; 3]| {
                let [left, middle, right] = corners.map(|corner| self.line(corner, "+"));
                let group = format!("{left}{}{right}", [line.as_str(); 4].join(middle));
                format!("{group}  {group}")
            };
            let cells = |from: usize| {
                let inner: Vec<_> =
                    (from..from + 4).map(|place| format!(" {} ", digit(place).unwrap_or(' '))).collect();
                format!("{side}{}{side}", inner.join(side))
            };
            let (above, below) = (edge(["┌", "┬", "┐"]), edge(["└", "┴", "┘"]));
            let digits = format!("{}  {}", cells(0), cells(4));
            self.text(x, y, &above, Self::dim());
            self.text(x, y + 1, &digits, Self::bold());
            self.text(x, y + 2, &below, Self::dim());
            self.point(x, x + 2 + 4 * next + if second { 3 } else { 0 }, y + 1);
            return y + 3;
        }
        let (open, close, step, gap) = if room >= 26 { ("[", "]", 3, 2) } else { ("", "", 1, 1) };
        let group = |from: usize| {
            (from..from + 4).map(|place| format!("{open}{}{close}", digit(place).unwrap_or('_'))).collect::<String>()
        };
        self.text(x, y, &format!("{}{}{}", group(0), " ".repeat(gap), group(4)), Self::bold());
        let gap = if second { u16::try_from(gap).unwrap_or(0) } else { 0 };
        self.point(x, x + u16::try_from(open.len()).unwrap_or(0) + step * next + gap, y);
        y + 1
    }
}

fn line_is_well(state: &State) -> bool {
    state.status().is_none_or(|status| status.connection.is_well())
}

fn late(kind: Kind) -> &'static str {
    if matches!(kind, Kind::Partner { late: true }) { "~" } else { " " }
}

fn name(state: &State, kind: Kind) -> &str {
    match kind {
        Kind::Own { .. } => state.words().you,
        Kind::Partner { .. } => state.partner(),
        Kind::Event { .. } => "",
    }
}
