//! What is typed, line by line.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::termios::{QueueSelector, tcflush};
use rustyline::error::ReadlineError;
use rustyline::{Cmd, ConditionalEventHandler, EventContext, EventHandler, KeyCode, KeyEvent, Modifiers, RepeatCount};
use tokio::sync::{mpsc, oneshot};
use zeroize::{Zeroize as _, Zeroizing};

use super::terminal::{LineEditor, Watch};
use crate::interface::event::Event;
use crate::interface::{PromptKind, Request};
use crate::printable::Printable;
use crate::protocol::delivery::TEXT;
use crate::ui::commands::{Typed, request};
use crate::ui::input::{Line, read_line};
use crate::ui::prompt::Prompt;
use crate::ui::words::{Words, compared};

/// Reads the user's lines as they are asked for.
pub struct Reader {
    prompt: Arc<Prompt>,
    act: mpsc::Sender<Request>,
    words: &'static Words,
    pasted: Arc<AtomicBool>,
}

/// Notes that a part of the line was pasted, and leaves the paste to the editor.
struct NotePaste(Arc<AtomicBool>);

impl ConditionalEventHandler for NotePaste {
    fn handle(&self, _: &rustyline::Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        self.0.store(true, Ordering::Relaxed);
        None
    }
}

impl Reader {
    /// A reader that tells what was done through `act`.
    pub fn new(prompt: Arc<Prompt>, act: mpsc::Sender<Request>, words: &'static Words) -> Self {
        Self { prompt, act, words, pasted: Arc::default() }
    }

    /// Lines of a person at a terminal.
    pub fn terminal(self, mut editor: LineEditor, watch: &Watch) {
        let paste = KeyEvent(KeyCode::BracketedPasteStart, Modifiers::NONE);
        let note = NotePaste(self.pasted.clone());
        editor.bind_sequence(rustyline::Event::from(paste), EventHandler::Conditional(Box::new(note)));
        let mut answered = 0;
        let mut draft = Zeroizing::new(String::new());
        loop {
            let (question, what) = self.prompt.next(answered);
            let prompt = match what {
                PromptKind::Chat => self.words.prompt,
                PromptKind::Compare => self.words.compare,
                PromptKind::Half | PromptKind::Nothing => self.words.half,
            };
            if what != PromptKind::Chat {
                // What was typed before the code was there cannot be an answer to it.
                let _ = tcflush(io::stdin(), QueueSelector::IFlush);
            }
            // A draft that came back may hold what was pasted before.
            self.pasted.store(!draft.is_empty(), Ordering::Relaxed);
            let line = watch.read(&mut editor, prompt, &draft);
            draft.zeroize();
            let request = match line {
                Ok(line) => {
                    let line = Zeroizing::new(line);
                    match what {
                        PromptKind::Chat => {
                            if let Some(refused) = self.chat_line(&mut editor, line) {
                                draft = refused;
                            }
                            continue;
                        }
                        _ => answer(question, what, line),
                    }
                }
                Err(ReadlineError::Interrupted) => Request::Interrupt,
                Err(_) => Request::End,
            };
            answered = question;
            if self.act.blocking_send(request).is_err() {
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
                let _ = self.act.blocking_send(Request::Unsendable(Event::TooLong { limit: TEXT }));
                Some(line)
            }
            Typed::Text(text) => {
                let (taken, answer) = oneshot::channel();
                let text = Zeroizing::new(text.to_owned());
                let _ = self.act.blocking_send(Request::Say { text, taken });
                if answer.blocking_recv() == Ok(true) {
                    let _ = editor.add_history_entry(line.as_str());
                    None
                } else {
                    Some(line)
                }
            }
            Typed::Command(command, argument) => {
                let _ = self.act.blocking_send(request(command, argument, self.prompt.offer()));
                None
            }
            Typed::Unknown(name) => {
                let _ = self.act.blocking_send(Request::UnknownCommand(Printable::line(name)));
                None
            }
        }
    }

    /// Lines of a pipe.
    pub fn pipe(self) {
        let mut input = io::stdin().lock();
        let mut answered = 0;
        loop {
            self.prompt.next(answered);
            let line = read_line(&mut input, TEXT);
            // The answer is to the code that was shown last, however long ago the reading began.
            let (question, what) = self.prompt.of_line();
            let request = match line {
                Ok(Some(Line::Text(line))) if what == PromptKind::Chat => {
                    let (taken, _) = oneshot::channel();
                    Request::Say { text: line, taken }
                }
                Ok(Some(Line::Text(line))) => answer(question, what, line),
                Ok(Some(Line::Bad(status))) if what == PromptKind::Chat => Request::Unsendable(status),
                Ok(Some(Line::Bad(_))) => answer(question, what, Zeroizing::default()),
                Ok(None) | Err(_) => Request::End,
            };
            answered = question;
            let end = matches!(request, Request::End);
            if self.act.blocking_send(request).is_err() || end {
                return;
            }
        }
    }
}

fn answer(question: u64, what: PromptKind, typed: Zeroizing<String>) -> Request {
    match typed.trim() {
        "/next" | "／next" => Request::Next { question },
        typed if what == PromptKind::Compare => Request::Compared { question, same: compared(typed) },
        _ => Request::Half { question, typed },
    }
}
