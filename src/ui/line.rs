//! Line mode: a prompt on a terminal, or lines in a pipe.
//!
//! Two threads, because both sides block: one reads what is typed, one writes
//! what is shown. Chat goes to standard output, everything else to standard error.

mod desk;
mod field;
mod reader;
mod terminal;
mod writer;

use std::io::{self, IsTerminal, Write as _};
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::editor::Editor;
use super::input::{Line, read_line};
use super::keyboard::{Event, Keyboard};
use super::keys::{Key, key, write};
use super::prompt::Prompt;
use super::rows;
use crate::interface::fault::Fault;
use crate::interface::finding::Finding;
use crate::interface::{Frontend, UserChannels};
use crate::printable::Printable;
use crate::protocol::invite::{Invite, LONGEST, is_begun_in};
use crate::thread;
use crate::ui::words::{self, Lang};
use desk::{Desk, Shared};
use field::Field;
use reader::{Reader, suspend};
use terminal::Terminal;
use writer::Writer;
pub use writer::output_is_closed;

/// Starts the threads.
pub fn start(lang: Lang, call: Option<Printable>) -> io::Result<UserChannels> {
    let interactive = io::stdin().is_terminal();
    let (act, requests) = mpsc::channel(1);
    let (tell, acks) = mpsc::channel(64);
    let (output, show) = mpsc::channel(64);
    let prompt = Arc::new(Prompt::default());
    let desk = match Terminal::open() {
        Some(terminal) => Some(Shared::new(Desk::new(terminal, words::words(lang))?)),
        None => None,
    };
    if let Some(desk) = desk.clone() {
        come_back(desk)?;
    }
    let writer = Writer::new(lang, call, interactive, desk.clone(), Arc::clone(&prompt));
    thread::start(move || writer.run(show, &tell))?;
    let reader = Reader::new(lang, prompt, act);
    thread::start(move || match desk {
        Some(desk) if desk.lock().is_dumb() => reader.lines(&desk),
        Some(desk) => reader.keys(&desk),
        None => reader.pipe(),
    })?;
    Ok(UserChannels { requests, acks, output, frontend: if interactive { Frontend::LINES } else { Frontend::PIPE } })
}

/// Gives the terminal back when the program is to stop, takes it anew whenever it goes on, and fits the prompt into it
/// when its size changes.
fn come_back(desk: Shared) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = [Signal::TSTP, Signal::CONT, Signal::WINCH].map(|kind| SignalKind::from_raw(kind.as_raw()));
    let [stopped, continued, resized] = runtime.block_on(async { signals.map(signal) });
    let (mut stopped, mut continued, mut resized) = (stopped?, continued?, resized?);
    thread::start(move || {
        runtime.block_on(async {
            loop {
                // A terminal that is gone ends the reader.
                tokio::select! {
                    _ = stopped.recv() => suspend(&desk),
                    _ = continued.recv() => drop(desk.lock().take()),
                    _ = resized.recv() => drop(desk.lock().fit()),
                }
            }
        })
    })
}

/// Asks for the partner's address, so that the command line need not tell with whom one talks.
///
/// `None` without a terminal, or when nothing was typed.
pub fn ask_address(lang: Lang) -> Option<Zeroizing<String>> {
    let mut terminal = Terminal::open()?;
    let mut field = Field::new(words::words(lang).address);
    field.hides = true;
    let mut editor = Editor::new(2 * LONGEST);
    let mut lay = |terminal: &mut Terminal, editor: &Editor| {
        let row = field.row(editor, terminal.columns());
        terminal.set_prompt(Some(row));
    };
    lay(&mut terminal, &editor);
    terminal.forget_input();
    terminal.take().ok()?;
    if terminal.is_dumb() {
        let line = read_line(&mut io::stdin().lock(), 2 * LONGEST).ok()??;
        return if let Line::Text(typed) = line { Some(typed) } else { None }.filter(|typed| !typed.trim().is_empty());
    }
    let mut keyboard = Keyboard::default();
    let entered = loop {
        let Ok(event) = keyboard.wait() else { break false };
        match event {
            Event::Key(event) => match key(event).map(Key::unhurried) {
                // The rest of an invite that was wrapped is still to come, unless Enter is pressed twice.
                Some(Key::Enter | Key::NewLine) if is_cut_off(editor.text()) => {
                    editor.insert("\n");
                    terminal.print(&rows::sentence(words::words(lang).invite_goes_on, terminal.columns())).ok()?;
                }
                Some(Key::Enter) => break true,
                Some(Key::Interrupt) => break false,
                Some(Key::End) if editor.is_empty() => break false,
                Some(Key::Redraw) => terminal.clear().ok()?,
                Some(key) => drop(write(&mut editor, key)),
                None => {}
            },
            Event::Paste(text) => drop(editor.paste(&text)),
            _ => {}
        }
        lay(&mut terminal, &editor);
        terminal.paint().ok()?;
    };
    if entered {
        let rows = field.entered(&editor, terminal.columns());
        terminal.set_prompt(None);
        let _ = terminal.print(&rows);
    }
    terminal.forget_input();
    terminal.give_back();
    let typed = editor.take().into_text();
    // Whatever the invite was passed on in stays here.
    let typed = Invite::read(&typed).map_or(typed, |invite| invite.line());
    Some(typed).filter(|typed| entered && !typed.trim().is_empty())
}

/// Whether an invite has begun in a text and is not whole, and its last line is not empty.
fn is_cut_off(text: &str) -> bool {
    !text.ends_with('\n') && is_begun_in(text) && Invite::read(text).is_err()
}

/// Prints what the doctor has found.
pub fn print_finding(finding: &Finding, lang: Lang) -> io::Result<()> {
    let text = words::finding(finding, lang);
    match columns_if_terminal(io::stdout()) {
        Some(columns) => write!(io::stdout(), "{}", *rows::sentence(&text, columns)),
        None => writeln!(io::stdout(), "{text}"),
    }
}

/// Columns of a stream. `None` where it is no terminal, and nothing is broken into rows.
fn columns_if_terminal(stream: impl IsTerminal + AsFd) -> Option<usize> {
    stream.is_terminal().then(|| rows::columns_of(stream))
}

/// Prints why the program ends, and what to do about it.
pub fn print_fault(fault: &Fault, lang: Lang) {
    let (fact, advice) = words::fault(fault, lang);
    let text = format!("{}{fact}\n{advice}", words::words(lang).error);
    let _ = match columns_if_terminal(io::stderr()) {
        Some(columns) => write!(io::stderr(), "{}", *rows::sentence(&text, columns)),
        None => writeln!(io::stderr(), "{text}"),
    };
}
