//! What was entered before, to be had back.

use std::collections::VecDeque;

use super::editor::{Draft, Editor};

/// Entries that are kept.
const ENTRIES: usize = 100;
/// Bytes of them.
const BYTES: usize = 1 << 20;

/// The latest entries, oldest first; wiped when dropped.
#[derive(Default)]
pub struct Recall {
    entries: VecDeque<Draft>,
    /// The entry in the editor, and the draft that was there before.
    shown: Option<(usize, Draft)>,
}

impl Recall {
    /// Keeps an entry, unless it is the latest already. The next move begins at it.
    pub fn remember(&mut self, entry: Draft) {
        self.shown = None;
        if self.entries.back().is_none_or(|last| *last != entry) {
            self.entries.push_back(entry);
        }
        let bytes = |entries: &VecDeque<Draft>| entries.iter().map(|entry| entry.text().len()).sum::<usize>();
        while self.entries.len() > ENTRIES || bytes(&self.entries) > BYTES {
            self.entries.pop_front();
        }
    }

    /// Puts the next older entry into the editor, or the next newer one; after the newest comes the draft.
    pub fn move_to(&mut self, older: bool, editor: &mut Editor) {
        let (at, draft) = self.shown.take().unwrap_or_else(|| (self.entries.len(), editor.draft()));
        let to = if older { at.checked_sub(1) } else { at.checked_add(1).filter(|to| *to <= self.entries.len()) };
        let Some(to) = to else {
            self.shown = Some((at, draft)).filter(|(at, _)| *at < self.entries.len());
            return;
        };
        match self.entries.get(to) {
            Some(entry) => {
                editor.set(entry);
                self.shown = Some((to, draft));
            }
            None => editor.set(&draft),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_as_they_were_written_and_then_the_draft() {
        let (mut recall, mut editor) = (Recall::default(), Editor::new(100));
        for keys in ["/sned x", "two"] {
            assert!(editor.insert(keys));
            recall.remember(editor.draft());
            editor.take();
        }
        assert!(editor.paste("a draft"));
        let mut moves = |older| {
            recall.move_to(older, &mut editor);
            (editor.text().to_owned(), editor.is_first_word_typed())
        };
        assert_eq!(moves(false), ("a draft".into(), false));
        assert_eq!(moves(true), ("two".into(), true));
        assert_eq!(moves(true), ("/sned x".into(), true));
        assert_eq!(moves(true), ("/sned x".into(), true));
        assert_eq!(moves(false), ("two".into(), true));
        assert_eq!(moves(false), ("a draft".into(), false));
    }
}
