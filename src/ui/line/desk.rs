//! Where a person sits in lines: the terminal, what is asked there and what is being written.
//!
//! One mutex holds all of it, so that a row can neither overtake another nor be typed over: whoever has it writes the
//! rows, and the prompt again, before the next one does.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zeroize::Zeroizing;

use super::field::Field;
use super::terminal::{Terminal, WIPE};
use crate::clock;
use crate::interface::{Frontend, PromptKind};
use crate::protocol::delivery::TEXT;
use crate::ui::complete::{Completion, completion};
use crate::ui::editor::{Edit, Editor};
use crate::ui::keyboard::{Event, KeyEvent, f3};
use crate::ui::keys::{Key, key, write};
use crate::ui::paths::files;
use crate::ui::recall::Recall;
use crate::ui::rows;
use crate::ui::time::local_time;
use crate::ui::typed::Typed;
use crate::ui::words::{self, Words};

/// Bytes of an answer.
const ENTRY: usize = 512;
/// Time for which Enter does not answer a question that has just come.
const GLANCE: Duration = Duration::from_millis(500);
/// Nothing more can be written.
const BELL: &str = "\x07";

/// The desk, for the thread that reads keys and the one that shows.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Desk>>);

impl Shared {
    /// A desk for both.
    pub fn new(desk: Desk) -> Self {
        Self(Arc::new(Mutex::new(desk)))
    }

    /// The desk, while nobody else has it.
    pub fn lock(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a key came to.
pub enum Entered {
    /// An answer to the question of that number.
    Answer {
        /// As in [`Desk::ask`].
        question: u64,
        /// What was asked.
        what: PromptKind,
        /// As typed.
        typed: Zeroizing<String>,
    },
    /// The text or the command in [`Desk::draft`].
    Line,
    /// Files that the draft names are to be sent.
    Send(Vec<PathBuf>),
    /// A paste that is too long.
    TooLong,
    /// Ctrl-C, or the end of input where nothing is asked.
    Interrupt,
    /// Ctrl-D.
    End,
    /// Ctrl-Z.
    Suspend,
}

/// The terminal, what is asked there and what is being written.
pub struct Desk {
    terminal: Terminal,
    words: &'static Words,
    question: u64,
    what: PromptKind,
    field: Field,
    draft: Editor,
    entry: Editor,
    recall: Recall,
    /// Files that the draft names, about which is asked, and the time until which the question counts as not seen.
    sending: Option<(Vec<PathBuf>, Duration)>,
    /// Whether the draft is a message although it names files.
    as_text: bool,
}

impl Desk {
    /// Takes the terminal; nothing is asked yet.
    pub fn new(mut terminal: Terminal, words: &'static Words) -> io::Result<Self> {
        // An answer of the terminal to who had it before is no key.
        terminal.forget_input();
        terminal.take()?;
        Ok(Self {
            terminal,
            field: Field::new(words.prompt),
            words,
            question: 0,
            what: PromptKind::Nothing,
            draft: Editor::new(TEXT),
            entry: Editor::new(ENTRY),
            recall: Recall::default(),
            sending: None,
            as_text: false,
        })
    }

    /// Whether the terminal edits lines itself.
    pub fn is_dumb(&self) -> bool {
        self.terminal.is_dumb()
    }

    /// Prints whole rows above the prompt.
    pub fn print(&mut self, rows: &str) -> io::Result<()> {
        self.terminal.print(rows)
    }

    /// Prints a text of the program above the prompt.
    pub fn tell(&mut self, text: &str) -> io::Result<()> {
        self.terminal.print(&rows::sentence(text, self.terminal.columns()))
    }

    /// Puts a question, below the rows that it is about. What was typed before cannot be an answer to it.
    pub fn ask(&mut self, question: u64, what: PromptKind, rows: &str) -> io::Result<()> {
        self.entry.take();
        if let PromptKind::Half | PromptKind::Compare = what {
            self.terminal.forget_input();
        }
        self.question = question;
        self.set(what);
        self.terminal.print(rows)
    }

    /// Whether anything is asked.
    pub fn asks(&self) -> bool {
        self.what != PromptKind::Nothing
    }

    fn set(&mut self, what: PromptKind) {
        self.what = what;
        self.field = Field::new(match what {
            PromptKind::Chat => self.words.prompt,
            PromptKind::Compare => self.words.compare,
            PromptKind::Half | PromptKind::Nothing => self.words.half,
        });
        self.lay();
    }

    fn lay(&mut self) {
        let editor = if self.what == PromptKind::Chat { &self.draft } else { &self.entry };
        let columns = self.terminal.columns();
        let row = self.asks().then(|| self.field.row(editor, columns));
        self.terminal.set_prompt(row);
    }

    /// The text or the command being written.
    pub fn draft(&self) -> &Editor {
        &self.draft
    }

    /// Leaves the draft standing as it was entered, and begins another. A refused one can be had back.
    pub fn accept(&mut self) -> io::Result<()> {
        let said = Field::new(format!("{} {}", local_time(Duration::ZERO), self.field.label));
        let rows = said.entered(&self.draft, self.terminal.columns());
        self.remember();
        self.draft.take();
        self.as_text = false;
        self.lay();
        if self.is_dumb() { self.terminal.paint() } else { self.terminal.print(&rows) }
    }

    /// Keeps the draft for later, and in its place.
    pub fn remember(&mut self) {
        self.recall.remember(self.draft.draft());
    }

    /// What was done at the terminal.
    pub fn input(&mut self, event: Event) -> io::Result<Option<Entered>> {
        let entered = match event {
            Event::Key(key) => self.key(key)?,
            Event::Position { row, column } => match f3(row, column) {
                Some(key) => self.key(key)?,
                None => None,
            },
            Event::Paste(text) => {
                let begins = self.what == PromptKind::Chat && self.draft.is_empty();
                (self.sending, self.as_text) = (None, false);
                let entered = self.paste(&text);
                if begins {
                    self.asks_to_send()?;
                }
                entered
            }
            Event::PasteTooLong => self.asks().then_some(Entered::TooLong),
            Event::PasteStalls => {
                self.tell(self.words.paste_stalls)?;
                None
            }
            Event::PasteGivenUp => {
                self.tell(self.words.paste_given_up)?;
                None
            }
            Event::Wheel { .. } | Event::Focus(_) | Event::Resize(..) => None,
        };
        self.fit()?;
        Ok(entered)
    }

    fn key(&mut self, event: KeyEvent) -> io::Result<Option<Entered>> {
        let Some(key) = key(event) else { return Ok(None) };
        let key = if self.what == PromptKind::Chat { key } else { key.unhurried() };
        if let Some(entered) = self.answer_to_send(key) {
            return Ok(entered);
        }
        self.as_text &= matches!(key, Key::Enter | Key::Hurried);
        let editor = if self.what == PromptKind::Chat { &mut self.draft } else { &mut self.entry };
        match (key, self.what) {
            (Key::Suspend, _) => return Ok(Some(Entered::Suspend)),
            (Key::Redraw, _) => self.terminal.clear()?,
            (Key::Interrupt, _) | (Key::End, PromptKind::Nothing) => {
                if self.what != PromptKind::Chat {
                    self.set(PromptKind::Nothing);
                }
                return Ok(Some(Entered::Interrupt));
            }
            (_, PromptKind::Nothing) => {}
            (Key::End, _) if editor.is_empty() => return Ok(Some(Entered::End)),
            (Key::NewLine, PromptKind::Chat) => drop(editor.insert("\n")),
            (Key::Enter, PromptKind::Chat) if editor.text().trim().is_empty() => drop(editor.take()),
            (Key::Hurried, PromptKind::Chat) if editor.text().trim().is_empty() => {}
            (Key::Hurried, PromptKind::Chat) => {
                if !self.asks_to_send()? {
                    self.tell(self.words.hurried)?;
                }
            }
            (Key::Enter, PromptKind::Chat) => {
                let asks = self.asks_to_send()?;
                return Ok((!asks).then_some(Entered::Line));
            }
            (Key::Enter, _) => return self.answer().map(Some),
            (Key::Complete, PromptKind::Chat) => match completion(editor, Frontend::LINES, self.words.outcomes) {
                Some(Completion::Rest(rest)) => {
                    editor.edit(Edit::Last);
                    editor.insert(&rest);
                }
                Some(Completion::Choices(choices)) => self.tell(&choices.join("  "))?,
                None => {}
            },
            (Key::Up, PromptKind::Chat) => self.recall.move_to(true, editor),
            (Key::Down, PromptKind::Chat) => self.recall.move_to(false, editor),
            _ => {
                if !write(editor, key) {
                    self.terminal.print(BELL)?;
                }
            }
        }
        Ok(None)
    }

    /// Asks whether the files that the draft names, and nothing else, are to be sent.
    fn asks_to_send(&mut self) -> io::Result<bool> {
        let typed = Typed::read(self.draft.text(), self.draft.is_first_word_typed(), Frontend::LINES);
        if self.as_text || matches!(typed, Typed::Command(..)) {
            return Ok(false);
        }
        let Some(paths) = files(self.draft.text(), std::env::home_dir().as_deref()) else { return Ok(false) };
        let question = words::ask_to_send(&paths, self.words);
        self.tell(&format!("{question}\n{}", self.words.send_keys))?;
        self.sending = Some((paths, clock::now() + GLANCE));
        Ok(true)
    }

    /// What a key answers to that question. `None` if it is about something else.
    fn answer_to_send(&mut self, key: Key) -> Option<Option<Entered>> {
        let (paths, unseen) = self.sending.take()?;
        match key {
            Key::Enter if clock::now() >= unseen => Some(Some(Entered::Send(paths))),
            Key::Enter | Key::Hurried => {
                self.sending = Some((paths, unseen));
                Some(None)
            }
            Key::Escape => {
                self.as_text = true;
                Some(None)
            }
            _ => None,
        }
    }

    /// Whether the draft is a message whatever it looks like.
    pub fn is_text(&self) -> bool {
        self.as_text
    }

    fn paste(&mut self, text: &str) -> Option<Entered> {
        let taken = match self.what {
            PromptKind::Nothing => true,
            PromptKind::Chat => self.draft.paste(text),
            PromptKind::Half | PromptKind::Compare => self.entry.paste(text.lines().next().unwrap_or_default()),
        };
        (!taken).then_some(Entered::TooLong)
    }

    /// Takes the answer; nothing is asked until the next question.
    fn answer(&mut self) -> io::Result<Entered> {
        let rows = self.field.entered(&self.entry, self.terminal.columns());
        let (question, what, typed) = (self.question, self.what, self.entry.take().into_text());
        self.set(PromptKind::Nothing);
        if !self.is_dumb() {
            self.terminal.print(&rows)?;
        }
        Ok(Entered::Answer { question, what, typed })
    }

    /// A whole line of a dumb terminal. `None` where nothing is asked, or nothing was written.
    pub fn line(&mut self, line: &str) -> io::Result<Option<Entered>> {
        self.terminal.line_ended();
        let editor = if self.what == PromptKind::Chat { &mut self.draft } else { &mut self.entry };
        editor.take();
        editor.insert(line);
        match self.what {
            PromptKind::Nothing => Ok(None),
            PromptKind::Chat if line.trim().is_empty() => {
                self.draft.take();
                self.terminal.paint()?;
                Ok(None)
            }
            PromptKind::Chat => Ok(Some(Entered::Line)),
            PromptKind::Half | PromptKind::Compare => self.answer().map(Some),
        }
    }

    /// Paints the prompt in the columns that there are now.
    pub fn fit(&mut self) -> io::Result<()> {
        self.lay();
        self.terminal.paint()
    }

    /// Has every key reported, and paints what is to be seen.
    pub fn take(&mut self) -> io::Result<()> {
        self.lay();
        self.terminal.take()
    }

    /// Puts the terminal back as it was.
    pub fn give_back(&mut self) {
        self.terminal.give_back();
    }

    /// The same, for good: nothing is written after the program's last words.
    pub fn freeze(&mut self) {
        self.terminal.freeze();
    }

    /// Forgets everything that was said and written.
    pub fn wipe(&mut self) -> io::Result<()> {
        (self.draft, self.entry) = (Editor::new(TEXT), Editor::new(ENTRY));
        self.recall = Recall::default();
        (self.sending, self.as_text) = (None, false);
        self.lay();
        self.terminal.print(if self.is_dumb() { "" } else { WIPE })
    }
}
