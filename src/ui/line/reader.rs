//! What is typed, line by line.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::termios::{QueueSelector, tcflush};
use rustyline::error::ReadlineError;
use rustyline::{
    Cmd, ConditionalEventHandler, Event, EventContext, EventHandler, KeyCode, KeyEvent, Modifiers, RepeatCount,
};
use tokio::sync::{mpsc, oneshot};
use zeroize::{Zeroize as _, Zeroizing};

use super::terminal::{LineEditor, Watch};
use crate::protocol::delivery::TEXT;
use crate::ui::asked::Asked;
use crate::ui::commands::Typed;
use crate::ui::input::{Line, read_line};
use crate::ui::interface::{Action, Ask};
use crate::ui::messages::{Status, Words, compared};
use crate::ui::printable::Printable;

/// Reads the user's lines as they are asked for.
pub struct Reader {
    asked: Arc<Asked>,
    act: mpsc::Sender<Action>,
    words: Words,
    pasted: Arc<AtomicBool>,
}

/// Notes that a part of the line was pasted, and leaves the paste to the editor.
struct NotePaste(Arc<AtomicBool>);

impl ConditionalEventHandler for NotePaste {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        self.0.store(true, Ordering::Relaxed);
        None
    }
}

impl Reader {
    /// A reader that tells what was done through `act`.
    pub fn new(asked: Arc<Asked>, act: mpsc::Sender<Action>, words: Words) -> Self {
        Self { asked, act, words, pasted: Arc::default() }
    }

    /// Lines of a person at a terminal.
    pub fn terminal(self, mut editor: LineEditor, watch: &Watch) {
        let paste = KeyEvent(KeyCode::BracketedPasteStart, Modifiers::NONE);
        let note = NotePaste(self.pasted.clone());
        editor.bind_sequence(Event::from(paste), EventHandler::Conditional(Box::new(note)));
        let mut answered = 0;
        let mut draft = Zeroizing::new(String::new());
        loop {
            let (question, what) = self.asked.next(answered);
            let prompt = match what {
                Ask::Chat => self.words.prompt,
                Ask::Compare => self.words.compare,
                Ask::Half | Ask::Nothing => self.words.half,
            };
            if what != Ask::Chat {
                // What was typed before the code was there cannot be an answer to it.
                let _ = tcflush(io::stdin(), QueueSelector::IFlush);
            }
            // A draft that came back may hold what was pasted before.
            self.pasted.store(!draft.is_empty(), Ordering::Relaxed);
            let line = watch.read(&mut editor, prompt, &draft);
            draft.zeroize();
            let action = match line {
                Ok(line) => {
                    let line = Zeroizing::new(line);
                    match what {
                        Ask::Chat => {
                            if let Some(refused) = self.chat_line(&mut editor, line) {
                                draft = refused;
                            }
                            continue;
                        }
                        _ => answer(question, what, line),
                    }
                }
                Err(ReadlineError::Interrupted) => Action::Interrupt,
                Err(_) => Action::End,
            };
            answered = question;
            if self.act.blocking_send(action).is_err() {
                return;
            }
        }
    }

    /// Returns the line if it was not taken.
    fn chat_line(&self, editor: &mut LineEditor, line: Zeroizing<String>) -> Option<Zeroizing<String>> {
        if line.trim().is_empty() {
            return None;
        }
        let typed = !self.pasted.load(Ordering::Relaxed);
        match Typed::read(&line, typed) {
            Typed::Text(text) if text.len() > TEXT => {
                let _ = self.act.blocking_send(Action::Unsendable(Status::TooLong { limit: TEXT }));
                Some(line)
            }
            Typed::Text(text) => {
                let (taken, answer) = oneshot::channel();
                let text = Zeroizing::new(text.to_owned());
                let _ = self.act.blocking_send(Action::Say { text, taken });
                if answer.blocking_recv() == Ok(true) {
                    let _ = editor.add_history_entry(line.as_str());
                    None
                } else {
                    Some(line)
                }
            }
            Typed::Command(command, argument) => {
                let _ = self.act.blocking_send(Action::of(command, argument, self.asked.offer()));
                None
            }
            Typed::Unknown(name) => {
                let _ = self.act.blocking_send(Action::UnknownCommand(Printable::line(name)));
                None
            }
        }
    }

    /// Lines of a pipe.
    pub fn pipe(self) {
        let mut input = io::stdin().lock();
        let mut answered = 0;
        loop {
            self.asked.next(answered);
            let line = read_line(&mut input, TEXT);
            // The answer is to the code that was shown last, however long ago the reading began.
            let (question, what) = self.asked.now();
            let action = match line {
                Ok(Some(Line::Text(line))) if what == Ask::Chat => {
                    let (taken, _) = oneshot::channel();
                    Action::Say { text: line, taken }
                }
                Ok(Some(Line::Text(line))) => answer(question, what, line),
                Ok(Some(Line::Bad(status))) if what == Ask::Chat => Action::Unsendable(status),
                Ok(Some(Line::Bad(_))) => answer(question, what, Zeroizing::default()),
                Ok(None) | Err(_) => Action::End,
            };
            answered = question;
            let end = matches!(action, Action::End);
            if self.act.blocking_send(action).is_err() || end {
                return;
            }
        }
    }
}

fn answer(question: u64, what: Ask, typed: Zeroizing<String>) -> Action {
    match typed.trim() {
        "/next" | "／next" => Action::Next { question },
        typed if what == Ask::Compare => Action::Compared { question, same: compared(typed) },
        _ => Action::Half { question, typed },
    }
}
