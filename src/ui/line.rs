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

use super::asked::Asked;
use super::interface::{Seat, Ui};
use super::messages::{Fault, Finding, Lang, Words};
use reader::Reader;
pub use terminal::ask_address;
use terminal::{Screen, editor};
use writer::Writer;
pub use writer::output_is_closed;

/// Starts both threads.
pub fn start(lang: Lang) -> Ui {
    let interactive = io::stdin().is_terminal();
    let (act, actions) = mpsc::channel(1);
    let (tell, shown) = mpsc::channel(64);
    let (screen, show) = mpsc::channel(64);
    let asked = Arc::new(Asked::default());
    let watch = Arc::default();
    let editor = if interactive { editor(&watch) } else { None };
    let (editor, printer) = editor.map_or((None, None), |(editor, printer)| (Some(editor), printer));
    let terminal = Screen::new(printer, Arc::clone(&watch));
    let writer = Writer::new(lang, interactive, terminal, Arc::clone(&asked));
    std::thread::spawn(move || writer.run(show, &tell));
    let reader = Reader::new(asked, act, Words::of(lang));
    std::thread::spawn(move || match editor {
        Some(editor) => reader.terminal(editor, &watch),
        None => reader.pipe(),
    });
    Ui { actions, shown, screen, seat: if interactive { Seat::Lines } else { Seat::Pipe } }
}

/// Prints what the doctor has found.
pub fn print_finding(finding: &Finding, lang: Lang) -> io::Result<()> {
    writeln!(io::stdout(), "{}", finding.text(lang))
}

/// Prints why the program ends, and what to do about it.
pub fn print_fault(fault: &Fault, lang: Lang) {
    let (fact, advice) = fault.text(lang);
    let _ = writeln!(io::stderr(), "{}{fact}\n{advice}", Words::of(lang).error);
}
