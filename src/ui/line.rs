//! Line mode: a prompt on a terminal, or lines in a pipe.
//!
//! Two threads, because both sides block: one reads what is typed, one writes
//! what is shown. Chat goes to standard output, everything else to standard error.

mod reader;
mod terminal;
mod writer;

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::prompt::Prompt;
use crate::interface::fault::Fault;
use crate::interface::finding::Finding;
use crate::interface::{Frontend, UserChannels};
use crate::ui::words::{self, Lang};
use reader::Reader;
pub use terminal::ask_address;
use terminal::{Screen, editor};
use writer::Writer;
pub use writer::output_is_closed;

/// Starts both threads.
pub fn start(lang: Lang) -> UserChannels {
    let interactive = io::stdin().is_terminal();
    let (act, requests) = mpsc::channel(1);
    let (tell, acks) = mpsc::channel(64);
    let (output, show) = mpsc::channel(64);
    let prompt = Arc::new(Prompt::default());
    let watch = Arc::default();
    let editor = if interactive { editor(&watch) } else { None };
    let (editor, printer) = editor.map_or((None, None), |(editor, printer)| (Some(editor), printer));
    let terminal = Screen::new(printer, Arc::clone(&watch));
    let writer = Writer::new(lang, interactive, terminal, Arc::clone(&prompt));
    std::thread::spawn(move || writer.run(show, &tell));
    let reader = Reader::new(prompt, act, words::words(lang));
    std::thread::spawn(move || match editor {
        Some(editor) => reader.terminal(editor, &watch),
        None => reader.pipe(),
    });
    UserChannels { requests, acks, output, frontend: if interactive { Frontend::LINES } else { Frontend::PIPE } }
}

/// Prints what the doctor has found.
pub fn print_finding(finding: &Finding, lang: Lang) -> io::Result<()> {
    writeln!(io::stdout(), "{}", words::finding(finding, lang))
}

/// Prints why the program ends, and what to do about it.
pub fn print_fault(fault: &Fault, lang: Lang) {
    let (fact, advice) = words::fault(fault, lang);
    let _ = writeln!(io::stderr(), "{}{fact}\n{advice}", words::words(lang).error);
}
