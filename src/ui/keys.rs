//! Which key asks for what: one table, for the screen and the lines that obey it and for the help that prints it.

use super::commands::Command;
use super::editor::{Edit, Editor};
use super::keyboard::{KeyCode, KeyEvent, KeyModifiers};
use crate::ui::words::{self, Lang, ScreenWords, Topic};

/// What a key asks for. What comes of it depends on the screen that is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// Sends, answers, agrees.
    Enter,
    /// The same, by an Enter that may be the end of a paste.
    Hurried,
    /// Begins a new line.
    NewLine,
    /// Completes a command or a path.
    Complete,
    /// Scrolls up by a screen.
    PageUp,
    /// Scrolls down by a screen.
    PageDown,
    /// Scrolls up by a row.
    RowUp,
    /// Scrolls down by a row.
    RowDown,
    /// Goes to the first text.
    Top,
    /// Goes to the last text.
    Bottom,
    /// Searches, and then for what is older.
    Search,
    /// Searches for what is newer.
    Newer,
    /// Ends a search where it began.
    EndSearch,
    /// Goes back, or says no.
    Escape,
    /// Up by a row of the input, then to what was entered before.
    Up,
    /// Down by a row of the input, then to what was entered after.
    Down,
    /// Empties the input, gives up, or leaves.
    Interrupt,
    /// Removes the next character, or leaves.
    End,
    /// Begins one of the two wipes.
    Wipe,
    /// Opens the help.
    Help,
    /// Takes what is offered.
    Get,
    /// Declines what is offered.
    Decline,
    /// Stops the program until the shell continues it.
    Suspend,
    /// Draws everything anew.
    Redraw,
    /// Edits what is being written.
    Edit(Edit),
    /// Writes a character.
    Char(char),
}

/// A key and what is held down with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chord(pub KeyModifiers, pub KeyCode);

const fn plain(code: KeyCode) -> Chord {
    Chord(KeyModifiers::NONE, code)
}

const fn shift(code: KeyCode) -> Chord {
    Chord(KeyModifiers::SHIFT, code)
}

const fn control(code: KeyCode) -> Chord {
    Chord(KeyModifiers::CONTROL, code)
}

const fn alt(code: KeyCode) -> Chord {
    Chord(KeyModifiers::ALT, code)
}

const fn c(letter: char) -> KeyCode {
    KeyCode::Char(letter)
}

/// Every key but the characters that are written, in the order of the help.
pub const KEYS: &[(&[Chord], Key)] = &[
    (&[plain(KeyCode::Enter)], Key::Enter),
    (&[control(c('j')), alt(KeyCode::Enter), shift(KeyCode::Enter)], Key::NewLine),
    (&[plain(KeyCode::Tab)], Key::Complete),
    (&[control(c('c'))], Key::Interrupt),
    (&[control(c('d'))], Key::End),
    (&[plain(KeyCode::F(1))], Key::Help),
    (&[plain(KeyCode::F(2))], Key::Get),
    (&[plain(KeyCode::F(3))], Key::Decline),
    (&[control(c('x'))], Key::Wipe),
    (&[plain(KeyCode::PageUp)], Key::PageUp),
    (&[plain(KeyCode::PageDown)], Key::PageDown),
    (&[shift(KeyCode::Up)], Key::RowUp),
    (&[shift(KeyCode::Down)], Key::RowDown),
    (&[control(KeyCode::Home), alt(c('<'))], Key::Top),
    (&[control(KeyCode::End), alt(c('>'))], Key::Bottom),
    (&[plain(KeyCode::Esc)], Key::Escape),
    (&[control(c('r'))], Key::Search),
    (&[control(c('s'))], Key::Newer),
    (&[control(c('g'))], Key::EndSearch),
    (&[plain(KeyCode::Up), control(c('p'))], Key::Up),
    (&[plain(KeyCode::Down), control(c('n'))], Key::Down),
    (&[plain(KeyCode::Left), control(c('b'))], Key::Edit(Edit::Left)),
    (&[plain(KeyCode::Right), control(c('f'))], Key::Edit(Edit::Right)),
    (&[plain(KeyCode::Home), control(c('a'))], Key::Edit(Edit::Home)),
    (&[plain(KeyCode::End), control(c('e'))], Key::Edit(Edit::End)),
    (&[control(KeyCode::Left), alt(KeyCode::Left), alt(c('b'))], Key::Edit(Edit::WordLeft)),
    (&[control(KeyCode::Right), alt(KeyCode::Right), alt(c('f'))], Key::Edit(Edit::WordRight)),
    (&[plain(KeyCode::Backspace), control(c('h'))], Key::Edit(Edit::Backspace)),
    (&[plain(KeyCode::Delete)], Key::Edit(Edit::Delete)),
    (&[control(c('w'))], Key::Edit(Edit::CutBlankLeft)),
    (&[alt(KeyCode::Backspace), control(KeyCode::Backspace)], Key::Edit(Edit::CutWordLeft)),
    (&[alt(c('d')), alt(KeyCode::Delete), control(KeyCode::Delete)], Key::Edit(Edit::CutWordRight)),
    (&[control(c('u'))], Key::Edit(Edit::CutHome)),
    (&[control(c('k'))], Key::Edit(Edit::CutEnd)),
    (&[control(c('y'))], Key::Edit(Edit::PutBack)),
    (&[control(c('t'))], Key::Edit(Edit::Transpose)),
    // A terminal sends the same for all three.
    (&[control(c('_')), control(c('/')), control(c('7'))], Key::Edit(Edit::Undo)),
    (&[alt(c('_'))], Key::Edit(Edit::Redo)),
    (&[control(c('z'))], Key::Suspend),
    (&[control(c('l'))], Key::Redraw),
];

/// What a key asks for, if anything.
pub fn key(event: KeyEvent) -> Option<Key> {
    let held = event.modifiers;
    let find = |held| KEYS.iter().find(|(chords, _)| chords.contains(&Chord(held, event.code))).map(|(_, key)| *key);
    let unshifted = held.without(KeyModifiers::SHIFT);
    match event.code {
        KeyCode::Char(c) if unshifted == KeyModifiers::NONE => Some(Key::Char(c)),
        KeyCode::Enter if event.hurried => Some(Key::Hurried),
        _ => find(held).or_else(|| find(unshifted)),
    }
}

/// Writes or edits as a key asks. `false` if there is no room left.
pub fn write(editor: &mut Editor, key: Key) -> bool {
    match key {
        Key::Char(c) => return editor.insert(c.encode_utf8(&mut [0; 4])),
        Key::Edit(edit) => editor.edit(edit),
        Key::End => editor.edit(Edit::Delete),
        _ => {}
    }
    true
}

impl Key {
    /// The same key where it makes no difference how soon it came.
    pub fn unhurried(self) -> Self {
        if self == Self::Hurried { Self::Enter } else { self }
    }

    /// The row of the help where it stands. `None` for characters.
    pub fn topic(self) -> Option<Topic> {
        Some(match self {
            Self::Enter | Self::Hurried => Topic::Send,
            Self::NewLine => Topic::NewLine,
            Self::Complete => Topic::Complete,
            Self::PageUp | Self::PageDown | Self::RowUp | Self::RowDown => Topic::Scroll,
            Self::Top | Self::Bottom => Topic::Ends,
            Self::Search | Self::Newer | Self::EndSearch => Topic::Search,
            Self::Escape => Topic::Back,
            Self::Up | Self::Down => Topic::Rows,
            Self::Interrupt | Self::End => Topic::Leave,
            Self::Wipe => Topic::Wipe,
            Self::Help => Topic::Help,
            Self::Get | Self::Decline => Topic::Offer,
            Self::Suspend => Topic::Suspend,
            Self::Redraw => Topic::Redraw,
            Self::Edit(Edit::Left | Edit::Right) => Topic::Characters,
            Self::Edit(Edit::Home | Edit::End | Edit::First | Edit::Last) => Topic::Line,
            Self::Edit(Edit::WordLeft | Edit::WordRight) => Topic::Words,
            Self::Edit(Edit::Backspace | Edit::Delete) => Topic::Remove,
            Self::Edit(Edit::CutWordLeft | Edit::CutBlankLeft | Edit::CutWordRight) => Topic::CutWord,
            Self::Edit(Edit::CutHome | Edit::CutEnd) => Topic::CutLine,
            Self::Edit(Edit::PutBack) => Topic::PutBack,
            Self::Edit(Edit::Transpose) => Topic::Transpose,
            Self::Edit(Edit::Undo | Edit::Redo) => Topic::Undo,
            Self::Char(_) => return None,
        })
    }
}

impl Chord {
    /// What is written on the keys.
    pub fn name(self, words: &ScreenWords) -> String {
        let Self(held, code) = self;
        let held = match held {
            KeyModifiers::SHIFT => "Shift-",
            KeyModifiers::CONTROL => "Ctrl-",
            KeyModifiers::ALT => "Alt-",
            _ => "",
        };
        let [up, down, left, right] = words.arrows;
        let name = match code {
            KeyCode::Char(c) => return format!("{held}{}", c.to_ascii_uppercase()),
            KeyCode::F(number) => return format!("{held}F{number}"),
            KeyCode::Enter => words.enter,
            KeyCode::Up => up,
            KeyCode::Down => down,
            KeyCode::Left => left,
            KeyCode::Right => right,
            KeyCode::PageUp => "PgUp",
            KeyCode::PageDown => "PgDn",
            KeyCode::Home => "Home",
            KeyCode::End => "End",
            KeyCode::Delete => "Delete",
            KeyCode::Backspace => "Backspace",
            KeyCode::Tab => "Tab",
            KeyCode::Esc => "Esc",
        };
        format!("{held}{name}")
    }
}

/// The keys of the full screen that do what a command does, pressed one after the other.
pub fn shortcut(command: Command) -> &'static [Key] {
    match command {
        Command::Help => &[Key::Help],
        Command::Get => &[Key::Get],
        Command::Decline => &[Key::Decline],
        Command::Find => &[Key::Search],
        Command::Clear => &[Key::Wipe, Key::Char('c')],
        Command::Panic => &[Key::Wipe, Key::Char('p')],
        Command::Send
        | Command::Cancel
        | Command::Who
        | Command::Doctor
        | Command::Code
        | Command::Lock
        | Command::Rekey
        | Command::Quit => &[],
    }
}

/// What a command does on the full screen, and the keys that do the same.
pub fn command_help(command: Command, lang: Lang) -> String {
    let (words, mut help) = (words::screen(lang), words::command(command, lang).to_owned());
    let name = |key: &Key| match KEYS.iter().find(|(_, other)| other == key) {
        Some((chords, _)) => chords.first().map_or_else(String::new, |chord| chord.name(words)),
        None => {
            if let Key::Char(c) = key {
                c.to_string()
            } else {
                String::new()
            }
        }
    };
    let keys: Vec<_> = shortcut(command).iter().map(name).collect();
    if !keys.is_empty() {
        let [open, close] = words.parentheses;
        help.extend([open, &keys.join(" "), close]);
    }
    help
}

/// The rows of the help, with the names of all keys of the table.
pub fn rows(words: &ScreenWords) -> Vec<(Vec<String>, Topic)> {
    let mut rows: Vec<(Vec<String>, Topic)> = Vec::new();
    for (chords, key) in KEYS {
        let Some(topic) = key.topic() else { continue };
        let names = chords.iter().map(|chord| chord.name(words));
        match rows.iter_mut().find(|(_, other)| *other == topic) {
            Some((row, _)) => row.extend(names),
            None => rows.push((names.collect(), topic)),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_table_asks_for_what_stands_beside_it() {
        for (chords, asked) in KEYS {
            for Chord(held, code) in *chords {
                assert_eq!(key(KeyEvent::new(*code, *held)), Some(*asked), "{held:?} {code:?}");
            }
        }
    }

    #[test]
    fn a_shifted_key_is_the_plain_one_where_nothing_else_is_meant() {
        let key = |held, code| key(KeyEvent::new(code, held));
        assert_eq!(key(KeyModifiers::SHIFT, KeyCode::Char('A')), Some(Key::Char('A')));
        assert_eq!(key(KeyModifiers::SHIFT, KeyCode::Home), Some(Key::Edit(Edit::Home)));
        assert_eq!(key(KeyModifiers::SHIFT, KeyCode::Up), Some(Key::RowUp));
        assert_eq!(key(KeyModifiers::ALT.and(KeyModifiers::SHIFT), KeyCode::Char('<')), Some(Key::Top));
        assert_eq!(key(KeyModifiers::CONTROL, KeyCode::Char('o')), None);
    }

    #[test]
    fn every_key_has_a_name_of_its_own_in_the_help() {
        for lang in [Lang::En, Lang::Zh] {
            let mut names: Vec<_> = rows(words::screen(lang)).into_iter().flat_map(|(names, _)| names).collect();
            assert_eq!(names.len(), KEYS.iter().map(|(chords, _)| chords.len()).sum::<usize>());
            assert!(names.iter().all(|name| !name.is_empty() && !name.ends_with("t-") && !name.ends_with("l-")));
            names.sort();
            names.dedup();
            assert_eq!(names.len(), KEYS.iter().map(|(chords, _)| chords.len()).sum::<usize>());
        }
    }
}
