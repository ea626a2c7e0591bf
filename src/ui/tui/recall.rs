//! Lines that were entered and can be had back.

use std::collections::VecDeque;

use super::editor::{Draft, Editor};

/// Lines that are kept.
const LINES: usize = 100;
/// Upper bound of their bytes.
const BYTES: usize = 1 << 20;

/// Lines that were entered, oldest first, and the place among them.
#[derive(Default)]
pub struct Recall {
    lines: VecDeque<Draft>,
    /// The line that is in the input, and what was there before any was recalled.
    at: Option<(usize, Draft)>,
}

impl Recall {
    /// Keeps a line, unless it is the last one again, and forgets the oldest where there are too many.
    pub fn remember(&mut self, line: Draft) {
        if self.lines.back().is_none_or(|last| *last != line) {
            self.lines.push_back(line);
        }
        let bytes = |lines: &VecDeque<Draft>| lines.iter().map(|line| line.text().len()).sum::<usize>();
        while self.lines.len() > LINES || bytes(&self.lines) > BYTES {
            self.lines.pop_front();
        }
    }

    /// Puts the line before or after the present one into the input. After the last one comes what was there first.
    pub fn step(&mut self, older: bool, editor: &mut Editor) {
        let (at, draft) = self.at.take().unwrap_or_else(|| (self.lines.len(), editor.draft()));
        let to = if older { at.checked_sub(1) } else { at.checked_add(1).filter(|to| *to <= self.lines.len()) };
        let Some(to) = to else {
            self.at = Some((at, draft)).filter(|(at, _)| *at < self.lines.len());
            return;
        };
        match self.lines.get(to) {
            Some(line) => {
                editor.set(line);
                self.at = Some((to, draft));
            }
            None => editor.set(&draft),
        }
    }

    /// Begins at the end again.
    pub fn rewind(&mut self) {
        self.at = None;
    }
}
