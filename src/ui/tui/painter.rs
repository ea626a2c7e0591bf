//! Writes frames: turns a [`State`] into the bytes that bring the terminal from the last frame to this one.

use std::io::{self, Write};

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};

use super::state::{Scene, State};
use super::view;
use crate::printable::is_certain;

/// Begins a frame, without a cursor; a terminal that knows this shows the frame as a whole.
const BEGIN: &[u8] = b"\x1b[?2026h\x1b[?25l";
/// Shows the cursor.
const CURSOR: &[u8] = b"\x1b[?25h";
/// Ends a frame.
const COMMIT: &[u8] = b"\x1b[?2026l";
/// Clears the screen.
const CLEAR: &[u8] = b"\x1b[2J";
/// Clears the cursor's row.
const CLEAR_ROW: &[u8] = b"\x1b[2K";
/// Undoes every style.
const PLAIN: &[u8] = b"\x1b[m";
/// Clears the screen and the rows that the terminal has saved from it.
pub const WIPE: &[u8] = b"\x1b[2J\x1b[3J";
/// Draws an ambiguous character and asks for the cursor's place, which tells whether that was wide.
pub const MEASURE: &[u8] = "\x1b[H·\x1b[6n\r\x1b[K".as_bytes();

/// The cells that the terminal shows, as far as they are known.
///
/// No terminal can be trusted to draw a text as wide as it was counted, and none to be where it was counted. So what
/// stands in doubt in a row decides about nothing but the rest of its own text: each text begins with a move of the
/// cursor, the terminal wraps no rows, a row with anything in doubt, now or before, is cleared and drawn whole, and the
/// cursor gets into a text by drawing what stands before it once more. Where nothing is in doubt only changed cells are
/// written. Each new scene begins on a cleared screen.
pub struct Painter {
    color: bool,
    shown: Buffer,
    next: Buffer,
    /// What the terminal shows, unless that is unknown.
    scene: Option<Scene>,
}

impl Painter {
    /// A painter for a terminal in an unknown state. Without `color` it writes no colours.
    pub fn new(color: bool) -> Self {
        Self { color, shown: Buffer::default(), next: Buffer::default(), scene: None }
    }

    /// Makes the next frame clear the terminal and draw everything.
    pub fn forget(&mut self) {
        self.scene = None;
    }

    /// Writes a frame to `out`, which is best collected in memory and sent at once.
    pub fn paint(&mut self, state: &State, out: &mut impl Write) -> io::Result<()> {
        let (columns, rows) = state.size();
        let area = Rect::new(0, 0, columns, rows);
        let scene = state.scene();
        out.write_all(BEGIN)?;
        if self.scene.replace(scene) != Some(scene) || self.shown.area != area {
            (self.shown, self.next) = (Buffer::empty(area), Buffer::empty(area));
            out.write_all(PLAIN)?;
            out.write_all(if scene == Scene::Locked { WIPE } else { CLEAR })?;
        }
        let cursor = view::draw(state, self.color, &mut self.next);
        for y in 0..rows {
            let (before, now) = (row(&self.shown, y), row(&self.next, y));
            if before != now {
                draw_row(before, now, y, out)?;
            }
        }
        if let Some(place) = cursor {
            point(row(&self.next, place.y), place, out)?;
            out.write_all(CURSOR)?;
        }
        out.write_all(COMMIT)?;
        std::mem::swap(&mut self.shown, &mut self.next);
        Ok(())
    }
}

fn row(buffer: &Buffer, y: u16) -> &[Cell] {
    let columns = usize::from(buffer.area.width);
    buffer.content.chunks_exact(columns.max(1)).nth(y.into()).unwrap_or_default()
}

/// Whether terminals may disagree about how wide a cell is.
fn is_in_doubt(cell: &Cell) -> bool {
    !cell.symbol().is_empty() && !is_certain(cell.symbol())
}

fn is_blank(cell: &Cell) -> bool {
    cell.symbol() == " "
}

fn draw_row(before: &[Cell], now: &[Cell], y: u16, out: &mut impl Write) -> io::Result<()> {
    if !before.iter().chain(now).any(is_in_doubt) {
        let differ = |(before, now): &(&Cell, &Cell)| before != now;
        let from = before.iter().zip(now).take_while(|pair| !differ(pair)).count();
        let kept = before.iter().zip(now).rev().take_while(|pair| !differ(pair)).count();
        let from = now.iter().take(from + 1).rposition(|cell| !cell.symbol().is_empty()).unwrap_or(0);
        return write_cells(now, from, now.len().saturating_sub(kept), y, out);
    }
    move_to(0, y, out)?;
    out.write_all(CLEAR_ROW)?;
    let end = now.iter().rposition(|cell| !is_blank(cell)).map_or(0, |last| last + 1);
    if now.last().is_some_and(|last| last.style() != Cell::EMPTY.style()) {
        // The background, which lies below what the terminal makes of the text.
        let mut ground = now.to_vec();
        for cell in &mut ground {
            cell.set_symbol(" ");
        }
        write_cells(&ground, 0, ground.len(), y, out)?;
    }
    write_cells(now, 0, end, y, out)
}

/// Writes the cells of a row from one column to another. A text of which anything is in doubt flows as the terminal
/// takes it; the next one begins at its own column.
fn write_cells(cells: &[Cell], from: usize, to: usize, y: u16, out: &mut impl Write) -> io::Result<()> {
    let mut style = Cell::EMPTY.style();
    let mut lost = true;
    for (x, cell) in cells.iter().enumerate().take(to).skip(from) {
        if cell.symbol().is_empty() {
            continue;
        }
        if x == from || lost && view::is_placed(cell) {
            move_to(u16::try_from(x).unwrap_or(u16::MAX), y, out)?;
            lost = false;
        }
        if cell.style() != style {
            style = cell.style();
            set_style(style, out)?;
        }
        out.write_all(cell.symbol().as_bytes())?;
        lost |= is_in_doubt(cell);
    }
    if style == Cell::EMPTY.style() { Ok(()) } else { out.write_all(PLAIN) }
}

/// Moves the cursor to a cell of a row that is on the terminal.
fn point(cells: &[Cell], Position { x, y }: Position, out: &mut impl Write) -> io::Result<()> {
    let before = cells.get(..x.into()).unwrap_or_default();
    let begins = |cell: &Cell| view::is_placed(cell);
    let start = if cells.get(usize::from(x)).is_some_and(begins) { None } else { before.iter().rposition(begins) };
    match start {
        // From the edge on, for a text may begin with what joins the blank before it.
        Some(start) if before.iter().skip(start).any(is_in_doubt) => write_cells(cells, 0, x.into(), y, out),
        _ => move_to(x, y, out),
    }
}

fn move_to(x: u16, y: u16, out: &mut impl Write) -> io::Result<()> {
    write!(out, "\x1b[{};{}H", y.saturating_add(1), x.saturating_add(1))
}

fn set_style(style: Style, out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"\x1b[0")?;
    let modifiers = [(Modifier::BOLD, 1), (Modifier::DIM, 2), (Modifier::UNDERLINED, 4), (Modifier::REVERSED, 7)];
    for (_, code) in modifiers.into_iter().filter(|(modifier, _)| style.add_modifier.contains(*modifier)) {
        write!(out, ";{code}")?;
    }
    for (color, code) in [(style.fg, 30), (style.bg, 40)] {
        if let Some(code) = color.and_then(of_palette).map(|place| code + place) {
            write!(out, ";{code}")?;
        }
    }
    out.write_all(b"m")
}

/// What a colour adds to the code for a black foreground or background. `None` for the user's own.
fn of_palette(color: Color) -> Option<u8> {
    let dark =
        [Color::Black, Color::Red, Color::Green, Color::Yellow, Color::Blue, Color::Magenta, Color::Cyan, Color::Gray];
    let light = [
        Color::DarkGray,
        Color::LightRed,
        Color::LightGreen,
        Color::LightYellow,
        Color::LightBlue,
        Color::LightMagenta,
        Color::LightCyan,
        Color::White,
    ];
    let place = |colors: [Color; 8]| (0..8).zip(colors).find(|(_, one)| *one == color).map(|(place, _)| place);
    place(dark).or(place(light).map(|place| place + 60))
}
