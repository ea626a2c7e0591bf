//! `tete send` and `tete receive`: standard input and output are for files, so the person is at the terminal itself.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, IsTerminal as _, Write as _};
use std::sync::Arc;

use rustix::termios::{QueueSelector, tcflush};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::input::{Line, read_line};
use super::prompt::Prompt;
use super::rows::{self, columns_of};
use crate::interface::event::Event;
use crate::interface::fault::Fault;
use crate::interface::files::Progress;
use crate::interface::{Ack, Frontend, Output, PromptKind, Request, UserChannels};
use crate::printable::{Printable, widest};
use crate::thread;
use crate::ui::words::{self, Lang, compared};

/// Bytes of the longest answer.
const ANSWER: usize = 256;

/// Starts both threads.
///
/// # Errors
///
/// [`Fault::NoTerminal`] where somebody must check the code and has no terminal for it, [`Fault::System`] where the
/// system has no room for the threads.
pub fn start(lang: Lang, code: bool, call: Option<Printable>) -> Result<UserChannels, Fault> {
    let system = |error: io::Error| Fault::System(error.into());
    let terminal = match OpenOptions::new().read(true).write(true).open("/dev/tty") {
        Ok(terminal) => terminal,
        Err(_) if code => return Err(Fault::NoTerminal),
        Err(_) => rustix::io::dup(rustix::stdio::stderr()).map_err(|error| system(error.into()))?.into(),
    };
    let (act, requests) = mpsc::channel(1);
    let (tell, acks) = mpsc::channel(64);
    let (output, show) = mpsc::channel(64);
    let prompt = Arc::new(Prompt::default());
    if code {
        let reader =
            Reader { prompt: Arc::clone(&prompt), act: act.clone(), terminal: terminal.try_clone().map_err(system)? };
        thread::start(move || reader.run()).map_err(system)?;
    }
    let writer = Writer { lang, call, prompt, _act: act, terminal, bar: io::stderr().is_terminal(), drawn: false };
    thread::start(move || writer.run(show, &tell)).map_err(system)?;
    Ok(UserChannels { requests, acks, output, frontend: Frontend::TRANSFER })
}

struct Reader {
    prompt: Arc<Prompt>,
    act: mpsc::Sender<Request>,
    terminal: File,
}

impl Reader {
    fn run(self) {
        let mut input = BufReader::new(&self.terminal);
        let mut answered = 0;
        loop {
            let (question, what) = self.prompt.next(answered);
            answered = question;
            if what == PromptKind::Chat {
                // From here on files speak.
                return;
            }
            let request = match read_line(&mut input, ANSWER) {
                Ok(Some(Line::Text(typed))) => match typed.trim() {
                    "/next" | "／next" => Request::Next { question },
                    typed if what == PromptKind::Compare => Request::Compared { question, same: compared(typed) },
                    _ => Request::Half { question, typed },
                },
                Ok(Some(Line::Bad(_))) => Request::Half { question, typed: Default::default() },
                Ok(None) | Err(_) => Request::End,
            };
            let end = matches!(request, Request::End);
            if self.act.blocking_send(request).is_err() || end {
                return;
            }
        }
    }
}

struct Writer {
    lang: Lang,
    /// What the partner is called.
    call: Option<Printable>,
    prompt: Arc<Prompt>,
    /// The room takes a closed channel for a failure, and the reader ends early.
    _act: mpsc::Sender<Request>,
    terminal: File,
    /// Whether a bar can be drawn.
    bar: bool,
    /// Whether one is.
    drawn: bool,
}

impl Writer {
    fn run(mut self, mut show: mpsc::Receiver<Output>, tell: &mpsc::Sender<Ack>) {
        while let Some(what) = show.blocking_recv() {
            match what {
                Output::Event(status) => self.status(&status),
                Output::Status(status) => self.draw(status.files),
                Output::Ask { question, what, about } => self.ask(question, what, about.as_ref()),
                Output::Text(text) => {
                    let head = format!("{} ", words::partner(self.call.as_ref(), self.lang));
                    let shown = if self.bar {
                        let said = Printable::text(&text.text);
                        self.print(&rows::said(&head, &said, self.columns(), false))
                    } else {
                        self.print(&Zeroizing::new(format!("{head}{:#}\n", Printable::line(&text.text))))
                    };
                    let told = shown.map_or_else(Ack::Broken, |()| Ack::Text(text.id));
                    if tell.blocking_send(told).is_err() {
                        return;
                    }
                }
                Output::Wipe | Output::End(_) => {}
            }
        }
        self.draw([None; 2]);
    }

    fn ask(&mut self, question: u64, what: PromptKind, about: Option<&Event>) {
        if let PromptKind::Half | PromptKind::Compare = what {
            // What was typed before the code was there cannot be an answer to it.
            let _ = tcflush(&self.terminal, QueueSelector::IFlush);
        }
        let words = words::words(self.lang);
        let prompt = match what {
            PromptKind::Half => words.half,
            PromptKind::Compare => words.compare,
            PromptKind::Nothing | PromptKind::Chat => "",
        };
        let shared = Arc::clone(&self.prompt);
        shared.ask(question, what, || {
            about.iter().for_each(|status| self.status(status));
            // Standard error may lead elsewhere.
            let _ = self.terminal.write_all(prompt.as_bytes());
        });
    }

    fn status(&mut self, status: &Event) {
        // Those are about talking.
        if let Event::RoomOpen { .. } | Event::PartnerLeft = status {
            return;
        }
        let Some(text) = words::event(status, self.lang).map(Zeroizing::new) else { return };
        let rows = rows::event(status, &text, self.columns());
        if self.bar {
            // Where standard error is gone there is nobody left to tell.
            return drop(self.print(&rows));
        }
        // The code is for the person, wherever standard error leads.
        if let Event::Code { .. } | Event::Compare { .. } = status {
            let _ = self.terminal.write_all(rows.as_bytes());
        }
        let _ = self.print(&Zeroizing::new(format!("{:#}\n", Printable::sentence(&text, true))));
    }

    /// Prints whole rows on standard error.
    fn print(&mut self, rows: &str) -> io::Result<()> {
        self.draw([None; 2]);
        io::stderr().write_all(rows.as_bytes())
    }

    /// The bar of what moves, in place of the one before.
    fn draw(&mut self, files: [Option<Progress>; 2]) {
        if !self.bar {
            return;
        }
        let [sending, receiving] = files;
        let shown = sending.or(receiving).map(|now| format!("{}  {}", words::bar(&now), words::rest(&now, self.lang)));
        let clear = if self.drawn { "\r\x1b[K" } else { "" };
        let text = shown.as_deref().map_or("", |text| if widest(text) < self.columns() { text } else { "" });
        self.drawn = !text.is_empty();
        let mut out = io::stderr().lock();
        let _ = write!(out, "{clear}{text}").and_then(|()| out.flush());
    }

    /// Columns of standard error, or of the terminal where the person is if that leads elsewhere.
    fn columns(&self) -> usize {
        if self.bar { columns_of(io::stderr()) } else { columns_of(&self.terminal) }
    }
}
