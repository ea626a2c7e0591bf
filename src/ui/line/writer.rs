//! What is shown: texts with their gutter, events in the user's language.

use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::OFlags;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::desk::Shared;
use super::terminal::{WIPE, columns};
use crate::interface::event::Event;
use crate::interface::{Ack, Output, PromptKind};
use crate::printable::Printable;
use crate::protocol::delivery::Incoming;
use crate::ui::guard::is_dumb;
use crate::ui::prompt::Prompt;
use crate::ui::rows;
use crate::ui::time::local_time;
use crate::ui::words::{self, Lang};

/// Ages below this are not worth a word.
const LATE: Duration = Duration::from_secs(10);

/// Shows what it is given, in order.
pub struct Writer {
    lang: Lang,
    /// What the partner is called.
    call: Option<Printable>,
    /// A person reads this, so events are told in their language and not for a script.
    interactive: bool,
    /// Where they sit, if they have a prompt there.
    desk: Option<Shared>,
    prompt: Arc<Prompt>,
    text_to_terminal: bool,
    events_to_terminal: bool,
    styled: bool,
}

impl Writer {
    /// Status in `lang` for a person, in stable lines for a script.
    pub fn new(
        lang: Lang,
        call: Option<Printable>,
        interactive: bool,
        desk: Option<Shared>,
        prompt: Arc<Prompt>,
    ) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || is_dumb();
        Self {
            lang,
            call,
            interactive,
            desk,
            prompt,
            text_to_terminal: io::stdout().is_terminal(),
            events_to_terminal: io::stderr().is_terminal(),
            styled: !plain,
        }
    }

    /// Shows until nobody sends more.
    pub fn run(self, mut show: mpsc::Receiver<Output>, tell: &mpsc::Sender<Ack>) {
        while let Some(what) = show.blocking_recv() {
            let told = match what {
                Output::Event(event) => {
                    self.prompt.offers(&event);
                    self.print_event(&event);
                    None
                }
                Output::Status(_) | Output::End(_) => None,
                Output::Wipe => {
                    self.wipe();
                    None
                }
                Output::Ask { question, what, about } => {
                    self.ask(question, what, about.as_ref());
                    None
                }
                Output::Text(text) => Some(match self.text(&text) {
                    Ok(()) => Ack::Text(text.id),
                    Err(error) => Ack::Broken(error),
                }),
            };
            if let Some(told) = told
                && tell.blocking_send(told).is_err()
            {
                return;
            }
        }
        if let Some(desk) = &self.desk {
            desk.lock().freeze();
        }
    }

    fn ask(&self, question: u64, what: PromptKind, about: Option<&Event>) {
        let rows = about.and_then(|event| self.rows(event)).unwrap_or_default();
        match &self.desk {
            Some(desk) if self.events_to_terminal => drop(desk.lock().ask(question, what, &rows)),
            Some(desk) => {
                let _ = io::stderr().write_all(rows.as_bytes());
                let _ = desk.lock().ask(question, what, "");
            }
            None => self.prompt.ask(question, what, || drop(io::stderr().write_all(rows.as_bytes()))),
        }
    }

    fn wipe(&self) {
        match &self.desk {
            Some(desk) => drop(desk.lock().wipe()),
            None if self.events_to_terminal && !is_dumb() => drop(io::stderr().write_all(WIPE.as_bytes())),
            None => {}
        }
    }

    fn text(&self, text: &Incoming) -> io::Result<()> {
        if !self.text_to_terminal {
            let mut line = if text.text.is_empty() {
                Zeroizing::new(String::new())
            } else {
                Zeroizing::new(Printable::line(&text.text).as_str().to_owned())
            };
            line.push('\n');
            let mut out = io::stdout().lock();
            return out.write_all(line.as_bytes()).and_then(|()| out.flush());
        }
        let printable = Printable::text(&text.text);
        let late = if text.age < LATE { String::new() } else { format!("(-{} s) ", text.age.as_secs()) };
        let head = format!("{} {late}{} ", local_time(Duration::ZERO), words::partner(self.call.as_ref(), self.lang));
        let out = rows::said(&head, &printable, columns(), self.styled);
        match &self.desk {
            Some(desk) => desk.lock().print(&out),
            None => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(out.as_bytes()).and_then(|()| stdout.flush())
            }
        }
    }

    /// The rows of an event, if it is for this reader.
    fn rows(&self, event: &Event) -> Option<Zeroizing<String>> {
        if !self.interactive {
            return Some(Zeroizing::new(format!("{}\n", words::line(event)?)));
        }
        let columns = columns();
        let text = Zeroizing::new(words::event(event, self.lang)?);
        let rows = rows::event(event, &text, columns);
        let style = match event {
            _ if !self.styled || !self.events_to_terminal => return Some(rows),
            Event::Code { .. } | Event::Compare { .. } | Event::Addresses { .. } => return Some(rows),
            Event::WrongCode { .. } | Event::PairingFailed { .. } => "\x07\x1b[1;7m",
            _ => "\x1b[2m",
        };
        Some(Zeroizing::new(format!("{style}{}\x1b[0m\n", rows.trim_end_matches('\n'))))
    }

    fn print_event(&self, event: &Event) {
        let Some(rows) = self.rows(event) else { return };
        // Standard error may be closed: there is nobody left to tell.
        let _ = match &self.desk {
            Some(desk) if self.events_to_terminal => desk.lock().print(&rows),
            _ => io::stderr().write_all(rows.as_bytes()),
        };
    }
}

/// Whether the program was started without a standard output.
///
/// The standard library then opens `/dev/null` for reading and writing in its
/// place, where texts would vanish and yet count as shown. A shell opens it for
/// writing only.
pub fn output_is_closed() -> bool {
    let null = Path::new("/dev/null").metadata().map(|null| null.rdev());
    let output = rustix::fs::fstat(io::stdout()).map(|output| output.st_rdev);
    let both_ways = rustix::fs::fcntl_getfl(io::stdout()).is_ok_and(|flags| flags.contains(OFlags::RDWR));
    both_ways && matches!((null, output), (Ok(null), Ok(output)) if null == output)
}
