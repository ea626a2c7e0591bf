//! The editor beside a model of it: a text and a cursor, where every edit is one removal or one insertion.

use tete::printable::is_writable;
use tete::ui::editor::{Edit, Editor};
use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};
use unicode_width::UnicodeWidthStr;

/// Bytes that the text may have.
const LIMIT: usize = 4_096;

const MOVES: [Edit; 8] =
    [Edit::Left, Edit::Right, Edit::WordLeft, Edit::WordRight, Edit::Home, Edit::End, Edit::First, Edit::Last];
const REMOVALS: [Edit; 7] = [
    Edit::Backspace,
    Edit::Delete,
    Edit::CutWordLeft,
    Edit::CutBlankLeft,
    Edit::CutWordRight,
    Edit::CutHome,
    Edit::CutEnd,
];

/// Plays the steps; what is typed and pasted comes from `words`.
pub fn play(words: &str, steps: &[u8]) {
    let mut editor = Editor::new(LIMIT);
    let mut words = words.split_inclusive(' ').cycle();
    for [what, which] in steps.as_chunks().0.iter().take(1_000) {
        let (before, cursor) = (editor.text().to_owned(), editor.cursor());
        let which = usize::from(*which);
        match what % 8 {
            0 | 1 => {
                let word = words.next().unwrap_or("x");
                let pasted = what % 8 == 1;
                let taken = if pasted { editor.paste(word) } else { editor.insert(word) };
                let clean = clean(word, pasted);
                assert_eq!(taken, before.len() + clean.len() <= LIMIT);
                let now = if taken { [&before[..cursor], &clean, &before[cursor..]].concat() } else { before };
                assert_eq!(editor.text(), now);
            }
            2 | 3 => {
                editor.edit(MOVES[which % MOVES.len()]);
                assert_eq!(editor.text(), before);
            }
            4 => {
                let moved = editor.move_row(which % 2 == 0, 2 + which / 2);
                assert_eq!(editor.text(), before);
                assert!(moved || editor.cursor() == cursor);
            }
            5 => {
                editor.edit(REMOVALS[which % REMOVALS.len()]);
                let (now, at) = (editor.text(), editor.cursor().min(cursor));
                let gone = before.len() - now.len();
                let around = (at.saturating_sub(64)..=cursor).filter(|at| before.is_char_boundary(*at));
                let mut around = around.chain([at]);
                assert!(around.any(|at| {
                    let rest = before.get(at + gone..);
                    now.get(..at) == before.get(..at) && rest.is_some() && now.get(at..) == rest
                }));
            }
            6 => {
                let edits = [Edit::PutBack, Edit::Transpose, Edit::Undo, Edit::Redo];
                let edit = edits[which % edits.len()];
                editor.edit(edit);
                if edit == Edit::Transpose {
                    let sorted = |text: &str| {
                        let mut chars: Vec<_> = text.chars().collect();
                        chars.sort_unstable();
                        chars
                    };
                    assert_eq!(sorted(editor.text()), sorted(&before));
                }
            }
            _ if which == 0 => {
                assert_eq!(editor.take().text(), before);
                assert!(editor.is_empty() && editor.is_first_word_typed());
            }
            _ => {
                editor.empty();
                assert!(editor.is_empty());
                if !before.is_empty() {
                    editor.edit(Edit::Undo);
                }
                assert_eq!(editor.text(), before);
            }
        }
        holds(&editor, 2 + which % 40);
    }
}

fn clean(word: &str, pasted: bool) -> String {
    let word = if pasted { word.replace("\r\n", "\n").replace('\r', "\n") } else { word.to_owned() };
    let kept: String = word.chars().filter(|c| is_writable(*c)).collect();
    kept.replace('\t', "    ")
}

fn holds(editor: &Editor, columns: usize) {
    let (text, cursor) = (editor.text(), editor.cursor());
    assert!(text.len() <= LIMIT && text.chars().all(is_writable));
    assert_eq!(GraphemeCursor::new(cursor, text.len(), true).is_boundary(text, 0), Ok(true));
    let layout = editor.layout(columns);
    assert!(layout.row < layout.rows.len() && layout.column <= columns);
    let mut end = 0;
    for row in &layout.rows {
        assert!(row.start >= end && text[end..row.start].trim_matches('\n').is_empty());
        end = row.end;
        let seen = text[row.clone()].trim_end();
        let width: usize = seen.graphemes(true).map(UnicodeWidthStr::width).sum();
        let single = seen.graphemes(true).nth(1).is_none();
        assert!(width <= columns || single, "{width} > {columns}: {seen:?} of {text:?}");
    }
    assert_eq!(end, text.len());
}
