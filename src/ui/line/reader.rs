//! What is typed, line by line.

use std::io;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use super::desk::{Desk, Entered, Shared};
use crate::interface::event::Event;
use crate::interface::refusal::Refusal;
use crate::interface::{Frontend, PromptKind, Request};
use crate::protocol::delivery::TEXT;
use crate::ui::commands::Command;
use crate::ui::input::{Line, Lines, read_line};
use crate::ui::keyboard::Keyboard;
use crate::ui::prompt::Prompt;
use crate::ui::stop::{STOP, can_be_continued, stop};
use crate::ui::typed::{Typed, request};
use crate::ui::words::{self, Lang, compared};

/// Reads what the user types.
pub struct Reader {
    lang: Lang,
    prompt: Arc<Prompt>,
    act: mpsc::Sender<Request>,
}

impl Reader {
    /// A reader that tells what was done through `act`.
    pub fn new(lang: Lang, prompt: Arc<Prompt>, act: mpsc::Sender<Request>) -> Self {
        Self { lang, prompt, act }
    }

    /// Keys of a person at a terminal.
    pub fn keys(self, desk: &Shared) {
        let mut keyboard = Keyboard::default();
        loop {
            let Ok(event) = keyboard.wait() else { return self.hung_up(desk) };
            let mut desk_now = desk.lock();
            match desk_now.input(event) {
                Ok(Some(Entered::Suspend)) => {
                    drop(desk_now);
                    suspend(desk);
                }
                Ok(Some(entered)) => {
                    let request = self.request(entered, &mut desk_now);
                    drop(desk_now);
                    if request.is_some_and(|request| self.act.blocking_send(request).is_err()) {
                        return;
                    }
                }
                Ok(None) => {}
                Err(_) => {
                    drop(desk_now);
                    return self.hung_up(desk);
                }
            }
        }
    }

    /// Lines of a person at a terminal that edits them itself.
    pub fn lines(self, desk: &Shared) {
        let mut input = io::stdin().lock();
        loop {
            let line = read_line(&mut input, TEXT);
            let mut desk_now = desk.lock();
            let entered = match line {
                Ok(Some(Line::Text(line))) => desk_now.line(&line),
                Ok(Some(Line::Bad(_))) => desk_now.line("").map(|entered| entered.or(Some(Entered::TooLong))),
                Ok(None) | Err(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            };
            let Ok(entered) = entered else {
                drop(desk_now);
                return self.hung_up(desk);
            };
            let request = entered.and_then(|entered| self.request(entered, &mut desk_now));
            drop(desk_now);
            if request.is_some_and(|request| self.act.blocking_send(request).is_err()) {
                return;
            }
        }
    }

    /// The terminal is gone, or its user ended the input: as if they had left.
    fn hung_up(&self, desk: &Shared) {
        let request = if desk.lock().asks() { Request::End } else { Request::Leave };
        let _ = self.act.blocking_send(request);
    }

    fn request(&self, entered: Entered, desk: &mut Desk) -> Option<Request> {
        match entered {
            Entered::Answer { question, what, typed } => Some(answer(question, what, typed)),
            Entered::Line => self.chat_line(desk),
            Entered::Send(paths) => {
                let _ = desk.accept();
                Some(Request::Send(paths))
            }
            Entered::TooLong => Some(Request::Unsendable(Event::Refused(Refusal::TooLong { limit: TEXT }))),
            Entered::Interrupt => Some(Request::Leave),
            Entered::End => Some(Request::End),
            Entered::Suspend => None,
        }
    }

    /// What is to be done about the draft. One that is not taken stays where it is.
    fn chat_line(&self, desk: &mut Desk) -> Option<Request> {
        let line = desk.draft().draft();
        let typed = if desk.is_text() {
            Typed::Text(line.text())
        } else {
            Typed::read(line.text(), line.is_first_word_typed(), Frontend::LINES)
        };
        match typed {
            Typed::Text(text) => {
                let (taken, answer) = oneshot::channel();
                let text = Zeroizing::new(text.to_owned());
                // The desk is ours meanwhile, so that no answer of the partner comes before the text.
                let told = self.act.blocking_send(Request::Say { text, taken }).is_ok();
                if told && answer.blocking_recv() == Ok(true) {
                    let _ = desk.accept();
                } else {
                    desk.remember();
                }
                None
            }
            Typed::Command(row, argument) => {
                let _ = desk.accept();
                let request = request(row.command, argument, self.prompt.offer());
                if row.command == Command::Help {
                    let _ = desk.tell(&words::help(self.lang));
                }
                request
            }
            Typed::Refused(why) => {
                desk.remember();
                Some(Request::Refused(Event::Refused(why)))
            }
        }
    }

    /// Lines of a pipe.
    pub fn pipe(self) {
        let mut input = Lines::new(io::stdin().lock());
        let mut answered = 0;
        loop {
            self.prompt.next(answered);
            let line = input.read(TEXT);
            // The answer is to the code that was shown last, however long ago the reading began.
            let (question, what) = self.prompt.of_line();
            let request = match line {
                Ok(Some(Line::Text(line))) if what == PromptKind::Chat => {
                    let (taken, _) = oneshot::channel();
                    Request::Say { text: line, taken }
                }
                Ok(Some(Line::Text(line))) => answer(question, what, line),
                Ok(Some(Line::Bad(event))) if what == PromptKind::Chat => Request::Unsendable(event),
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

/// Gives the terminal back and stops, as every program does on Ctrl-Z, until it is continued.
pub fn suspend(desk: &Shared) {
    if can_be_continued() {
        let mut desk = desk.lock();
        desk.give_back();
        stop();
        std::thread::sleep(STOP);
        let _ = desk.take();
    }
}
