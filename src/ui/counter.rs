//! `tete send` and `tete receive`: standard input and output are for files, so the person is at the terminal itself.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, IsTerminal as _, Write as _};
use std::sync::Arc;

use rustix::termios::{QueueSelector, tcflush, tcgetwinsize};
use tokio::sync::mpsc;

use super::asked::Asked;
use super::input::{Line, read_line};
use super::interface::{Action, Ask, Seat, Show, Shown, Ui};
use super::messages::{Lang, Progress, Status, Words, compared};
use super::printable::Printable;

/// Bytes of the longest answer.
const ANSWER: usize = 256;
/// Columns where nobody says how many there are.
const COLUMNS: usize = 80;

/// Starts both threads. Fails without a terminal where somebody must check the code.
pub fn start(lang: Lang, code: bool) -> io::Result<Ui> {
    let terminal = match OpenOptions::new().read(true).write(true).open("/dev/tty") {
        Err(_) if !code => rustix::io::dup(rustix::stdio::stderr())?.into(),
        terminal => terminal?,
    };
    let (act, actions) = mpsc::channel(1);
    let (tell, shown) = mpsc::channel(64);
    let (screen, show) = mpsc::channel(64);
    let asked = Arc::new(Asked::default());
    if code {
        let reader = Reader { asked: Arc::clone(&asked), act: act.clone(), terminal: terminal.try_clone()? };
        std::thread::spawn(move || reader.run());
    }
    let writer = Writer { lang, asked, _act: act, terminal, bar: io::stderr().is_terminal(), drawn: false };
    std::thread::spawn(move || writer.run(show, &tell));
    Ok(Ui { actions, shown, screen, seat: Seat::Counter })
}

struct Reader {
    asked: Arc<Asked>,
    act: mpsc::Sender<Action>,
    terminal: File,
}

impl Reader {
    fn run(self) {
        let mut input = BufReader::new(&self.terminal);
        let mut answered = 0;
        loop {
            let (question, what) = self.asked.next(answered);
            answered = question;
            if what == Ask::Chat {
                // From here on files speak.
                return;
            }
            let action = match read_line(&mut input, ANSWER) {
                Ok(Some(Line::Text(typed))) => match typed.trim() {
                    "/next" | "／next" => Action::Next { question },
                    typed if what == Ask::Compare => Action::Compared { question, same: compared(typed) },
                    _ => Action::Half { question, typed },
                },
                Ok(Some(Line::Bad(_))) => Action::Half { question, typed: Default::default() },
                Ok(None) | Err(_) => Action::End,
            };
            let end = matches!(action, Action::End);
            if self.act.blocking_send(action).is_err() || end {
                return;
            }
        }
    }
}

struct Writer {
    lang: Lang,
    asked: Arc<Asked>,
    /// The room takes a closed channel for a failure, and the reader ends early.
    _act: mpsc::Sender<Action>,
    terminal: File,
    /// Whether a bar can be drawn.
    bar: bool,
    /// Whether one is.
    drawn: bool,
}

impl Writer {
    fn run(mut self, mut show: mpsc::Receiver<Show>, tell: &mpsc::Sender<Shown>) {
        while let Some(what) = show.blocking_recv() {
            match what {
                Show::Status(status) => self.status(&status),
                Show::Standing(standing) => self.draw(standing.files),
                Show::Ask { question, what, about } => self.ask(question, what, about.as_ref()),
                Show::Text(text) => {
                    let said = Printable::line(&text.text);
                    self.line(&format!("{} {said}", Words::of(self.lang).partner));
                    if tell.blocking_send(Shown::Text(text.id)).is_err() {
                        return;
                    }
                }
                Show::Wipe | Show::End(_) => {}
            }
        }
        self.draw([None; 2]);
    }

    fn ask(&mut self, question: u64, what: Ask, about: Option<&Status>) {
        if let Ask::Half | Ask::Compare = what {
            // What was typed before the code was there cannot be an answer to it.
            let _ = tcflush(&self.terminal, QueueSelector::IFlush);
        }
        let words = Words::of(self.lang);
        let prompt = match what {
            Ask::Half => words.half,
            Ask::Compare => words.compare,
            Ask::Nothing | Ask::Chat => "",
        };
        let asked = Arc::clone(&self.asked);
        asked.ask(question, what, || {
            about.iter().for_each(|status| self.status(status));
            // Standard error may lead elsewhere.
            let _ = self.terminal.write_all(prompt.as_bytes());
        });
    }

    fn status(&mut self, status: &Status) {
        // Those are about talking.
        if let Status::RoomOpen | Status::PartnerLeft = status {
            return;
        }
        let text = status.text(self.lang, self.columns());
        // The code is for the person, wherever standard error leads.
        if let Status::Code { .. } | Status::BothHalves { .. } = status
            && !self.bar
        {
            let _ = writeln!(self.terminal, "{text}");
        }
        self.line(Printable::text(&text).as_str());
    }

    fn line(&mut self, text: &str) {
        self.draw([None; 2]);
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// The bar of what moves, in place of the one before.
    fn draw(&mut self, files: [Option<Progress>; 2]) {
        if !self.bar {
            return;
        }
        let [sending, receiving] = files;
        let shown = sending.or(receiving).map(|now| format!("{}  {}", now.bar(), now.rest(self.lang)));
        let clear = if self.drawn { "\r\x1b[K" } else { "" };
        let text = shown.as_deref().map_or("", |text| {
            let fits = Printable::line(text).rows(self.columns()).count() <= 1;
            if fits { text } else { "" }
        });
        self.drawn = !text.is_empty();
        let mut out = io::stderr().lock();
        let _ = write!(out, "{clear}{text}").and_then(|()| out.flush());
    }

    fn columns(&self) -> usize {
        tcgetwinsize(&self.terminal).map_or(COLUMNS, |size| usize::from(size.ws_col).max(20))
    }
}
