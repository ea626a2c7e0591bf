//! What is typed, line by line.

use std::io::{self, BufRead as _, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::termios::{QueueSelector, tcflush};
use rustyline::error::ReadlineError;
use rustyline::{
    Cmd, ConditionalEventHandler, Event, EventContext, EventHandler, KeyCode, KeyEvent, Modifiers, RepeatCount,
};
use tokio::sync::{mpsc, oneshot};
use zeroize::{Zeroize as _, Zeroizing};

use super::Asked;
use super::terminal::{LineEditor, Watch};
use crate::protocol::delivery::TEXT;
use crate::ui::commands::Typed;
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
            Typed::Command(command, _) => {
                let _ = self.act.blocking_send(Action::Command(command));
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
            let line = read_line(&mut input);
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

enum Line {
    Text(Zeroizing<String>),
    Bad(Status),
}

/// One line without its end, at most [`TEXT`] bytes of it in memory; the rest of a longer one is skipped.
fn read_line(input: &mut impl io::BufRead) -> io::Result<Option<Line>> {
    let mut line = Zeroizing::new(Vec::with_capacity(256));
    let read = input.by_ref().take(TEXT as u64 + 1).read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(None);
    }
    let ended = line.last() == Some(&b'\n');
    if ended {
        line.pop();
    } else if line.len() > TEXT {
        skip_line(input)?;
        return Ok(Some(Line::Bad(Status::TooLong { limit: TEXT })));
    }
    let text = String::from_utf8(std::mem::take(&mut *line)).map_err(|error| error.into_bytes().zeroize());
    Ok(Some(match text {
        Ok(text) => Line::Text(Zeroizing::new(text)),
        Err(()) => Line::Bad(Status::NotUtf8),
    }))
}

fn skip_line(input: &mut impl io::BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(buffer.len(), |place| place + 1);
        input.consume(length);
        if end.is_some() || length == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8]) -> Vec<Option<String>> {
        let mut input = input;
        let mut out = Vec::new();
        while let Some(line) = read_line(&mut input).unwrap() {
            out.push(match line {
                Line::Text(text) => Some(text.to_string()),
                Line::Bad(_) => None,
            });
        }
        out
    }

    #[test]
    fn a_pipe_is_cut_into_lines_and_bad_ones_are_told_apart() {
        assert_eq!(lines(b"a\n\nb"), [Some("a".into()), Some(String::new()), Some("b".into())]);
        assert_eq!(lines(b"a\n\xff\nb\0\n"), [Some("a".into()), None, Some("b\0".into())]);
        assert_eq!(lines(b""), []);
    }

    #[test]
    fn a_line_of_one_byte_too_many_is_refused_whole() {
        let exact = [vec![b'x'; TEXT], b"\nend\n".to_vec()].concat();
        assert_eq!(lines(&exact), [Some("x".repeat(TEXT)), Some("end".into())]);
        for extra in [1, 10_000, 200_000] {
            let long = [vec![b'x'; TEXT + extra], b"\nend\n".to_vec()].concat();
            assert_eq!(lines(&long), [None, Some("end".into())], "{extra}");
        }
        assert_eq!(lines(&vec![b'x'; TEXT]), [Some("x".repeat(TEXT))]);
    }
}
