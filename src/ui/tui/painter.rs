//! Writes frames: turns a [`State`] into the bytes that bring the terminal from the last frame to this one.

use std::io::{self, Write};

use ratatui::backend::{Backend as _, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::state::{Scene, State};
use super::view;

/// Begins a frame; a terminal that knows this shows the frame as a whole.
const BEGIN: &[u8] = b"\x1b[?2026h";
/// Ends a frame.
const COMMIT: &[u8] = b"\x1b[?2026l";
/// Clears the screen.
const CLEAR: &[u8] = b"\x1b[2J";
/// Clears the screen and the rows that the terminal has saved from it.
pub const WIPE: &[u8] = b"\x1b[2J\x1b[3J";

/// The cells that the terminal shows, as far as they are known.
///
/// Between two frames of the same scene only changed cells are written. A terminal may have drawn a text wider than
/// it was counted, in cells that this knows nothing of; so each new scene begins on a cleared screen.
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
            out.write_all(if scene == Scene::Locked { WIPE } else { CLEAR })?;
        }
        let cursor = view::draw(state, self.color, &mut self.next);
        let mut backend = CrosstermBackend::new(&mut *out);
        backend.hide_cursor()?;
        backend.draw(self.shown.diff_iter(&self.next))?;
        if let Some(Position { x, y }) = cursor {
            backend.set_cursor_position((x, y))?;
            backend.show_cursor()?;
        }
        out.write_all(COMMIT)?;
        std::mem::swap(&mut self.shown, &mut self.next);
        Ok(())
    }
}
