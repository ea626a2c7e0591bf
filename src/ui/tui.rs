//! The full screen.
//!
//! ```text
//! keys, shows, time -> state -> effects -> the room, the terminal
//!                        |
//!                      view -> cells -> painter -> the terminal
//! ```
//!
//! It runs in a thread of its own, so that a terminal that stands still holds up nothing but itself, with a second
//! thread for the terminal's input.

pub mod lock;
pub mod painter;
pub mod scrollback;
pub mod state;
pub mod view;

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{QueueSelector, tcflush, tcgetwinsize};
use tokio::signal::unix::{self, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use zeroize::{Zeroize as _, Zeroizing};

use super::guard::TerminalGuard;
use super::keyboard::{Event, Keyboard, SET_KEYS};
use super::stop::{STOP, can_be_continued, stop};
use super::time::then;
use crate::clock::{self, Timer};
use crate::interface::{Ack, Frontend, Output, Request, UserChannels};
use crate::thread;
use crate::ui::words::Lang;
use painter::{MEASURE, Painter, WIPE};
use state::{Effect, Options, State, bounded};

/// Pause between two frames that no key has asked for.
const FRAME: Duration = Duration::from_millis(33);
/// Bytes that a frame seldom exceeds.
const FRAME_BYTES: usize = 64 * 1024;
/// Keys, or shows, that are taken before a frame is drawn.
const BURST: usize = 256;
/// How long shows are taken before a key is looked at again.
const PATIENCE: Duration = Duration::from_millis(5);
/// Takes the alternate screen, without autowrap: text that the terminal draws wider than it was counted must not run
/// into the next row. Some terminals keep that mode per screen, so it is set after the switch and reset before the way
/// back. Asks for bracketed paste, focus, buttons and wheel of the mouse.
const TAKE: &[u8] = b"\x1b[22;2t\x1b[?1049h\x1b[?7l\x1b[?2004h\x1b[?1004h\x1b[?1000h\x1b[?1006h";
/// Tells the desktop that something came, and not what.
const NOTIFY: &[u8] = b"\x1b]9;tete\x07";

/// Takes the terminal and starts both threads.
pub fn start(lang: Lang, options: Options, guard: &TerminalGuard) -> io::Result<UserChannels> {
    let terminal = Terminal::new(guard.clone())?;
    let (act, requests) = mpsc::channel(1);
    let (tell, acks) = mpsc::channel(64);
    let (output, show) = mpsc::channel(64);
    let (press, keys) = mpsc::channel(BURST);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::start(move || read_keys(&press))?;
    thread::start(move || {
        let driver = Driver { terminal, keys, show, act, tell: tell.clone() };
        if let Err(error) = runtime.block_on(driver.run(lang, options)) {
            let _ = tell.blocking_send(Ack::Broken(error));
        }
    })?;
    Ok(UserChannels { requests, acks, output, frontend: Frontend::SCREEN })
}

/// Reads the terminal's input until it fails or has no other end.
fn read_keys(press: &mpsc::Sender<Event>) {
    let mut keyboard = Keyboard::default();
    while keyboard.wait().is_ok_and(|event| press.blocking_send(event).is_ok()) {}
}

fn hung_up() -> io::Error {
    io::Error::other("the terminal has hung up")
}

/// Where the user sits: what is typed, shown and told.
struct Driver {
    terminal: Terminal,
    keys: mpsc::Receiver<Event>,
    show: mpsc::Receiver<Output>,
    act: mpsc::Sender<Request>,
    tell: mpsc::Sender<Ack>,
}

/// What moved the driver.
enum Moved {
    Key(Option<Event>),
    Output(Option<Output>),
    Stopped,
    Continued,
    Time,
}

/// SIGTSTP and SIGCONT, from wherever they come.
struct Stops {
    stopped: unix::Signal,
    continued: unix::Signal,
}

impl Stops {
    fn new() -> io::Result<Self> {
        let [stopped, continued] = [Signal::TSTP, Signal::CONT].map(|kind| signal(SignalKind::from_raw(kind.as_raw())));
        Ok(Self { stopped: stopped?, continued: continued? })
    }

    async fn recv(&mut self) -> Moved {
        tokio::select! {
            _ = self.stopped.recv() => Moved::Stopped,
            _ = self.continued.recv() => Moved::Continued,
        }
    }
}

impl Driver {
    async fn run(mut self, lang: Lang, options: Options) -> io::Result<()> {
        let mut timer = Timer::new();
        let mut stops = Stops::new()?;
        let mut resized = signal(SignalKind::window_change())?;
        // What was pressed before was meant for what is no longer to be seen, and an answer for who has asked.
        let _ = tcflush(io::stdin(), QueueSelector::IFlush);
        self.terminal.take()?;
        self.terminal.write(MEASURE)?;
        let mut state = State::new(lang, self.terminal.size(), options, then, clock::now());
        let mut drawn_at = Duration::ZERO;
        let mut due = true;
        loop {
            let now = clock::now();
            state.tick(now);
            due |= state.take_changed();
            if due && now >= drawn_at + FRAME {
                self.draw(&mut state).await?;
                (due, drawn_at) = (false, now);
            }
            let frame = due.then(|| drawn_at + FRAME);
            let wake = [frame, state.deadline()].into_iter().flatten().min();
            let moved = tokio::select! {
                key = self.keys.recv() => Moved::Key(key),
                show = self.show.recv() => Moved::Output(show),
                moved = stops.recv() => moved,
                _ = resized.recv() => Moved::Key(Some(self.terminal.resized())),
                () = timer.until(wake.unwrap_or_default()), if wake.is_some() => Moved::Time,
            };
            match moved {
                Moved::Key(Some(key)) => {
                    state.tick(clock::now());
                    state.input(key);
                    // An echo does not wait for the next frame, but a paste of keys is one.
                    for _ in 0..BURST {
                        if !self.perform(&mut state, &mut stops).await? {
                            return Ok(());
                        }
                        let Ok(key) = self.keys.try_recv() else { break };
                        state.input(key);
                    }
                    drawn_at = Duration::ZERO;
                }
                Moved::Key(None) => return Err(hung_up()),
                Moved::Output(Some(first)) => {
                    // A flood of the longest texts does not keep keys waiting.
                    let until = clock::now() + PATIENCE;
                    state.tick(clock::now());
                    let more = std::iter::from_fn(|| (clock::now() < until).then(|| self.show.try_recv().ok())?);
                    for show in std::iter::once(first).chain(more).take(BURST) {
                        if let Output::Ask { .. } = show {
                            // The user waits for it.
                            drawn_at = Duration::ZERO;
                        }
                        state.show(show);
                    }
                }
                // The room is done with the user. One who may still read leaves by a key.
                Moved::Output(None) if !state.is_over() => return Ok(()),
                Moved::Output(None) => return self.read_on(state, stops, resized).await,
                Moved::Stopped => {
                    self.suspend(&mut stops).await?;
                    due = true;
                }
                Moved::Continued => {
                    self.terminal.take()?;
                    due = true;
                }
                Moved::Time => {}
            }
            if !self.perform(&mut state, &mut stops).await? {
                return Ok(());
            }
        }
    }

    /// The room is over and stays on the screen until the user leaves.
    async fn read_on(&mut self, mut state: State, mut stops: Stops, mut resized: unix::Signal) -> io::Result<()> {
        let mut timer = Timer::new();
        loop {
            state.tick(clock::now());
            self.draw(&mut state).await?;
            let wake = state.deadline();
            tokio::select! {
                key = self.keys.recv() => match key {
                    Some(key) => state.input(key),
                    None => return Err(hung_up()),
                },
                _ = resized.recv() => state.input(self.terminal.resized()),
                moved = stops.recv() => match moved {
                    Moved::Stopped => self.suspend(&mut stops).await?,
                    _ => self.terminal.take()?,
                },
                () = timer.until(wake.unwrap_or_default()), if wake.is_some() => {}
            }
            if !self.perform(&mut state, &mut stops).await? {
                return Ok(());
            }
        }
    }

    /// Shows the state, and tells which texts of the partner are on the terminal now.
    async fn draw(&mut self, state: &mut State) -> io::Result<()> {
        if self.terminal.draw(state)? {
            state.drawn();
            while let Some(id) = state.seen() {
                // A room that is over may no longer listen.
                let _ = self.tell.send(Ack::Text(id)).await;
            }
        }
        Ok(())
    }

    /// Does what the state wants done. `false` if the user has left.
    async fn perform(&mut self, state: &mut State, stops: &mut Stops) -> io::Result<bool> {
        while let Some(effect) = state.effect() {
            match effect {
                Effect::Act(request) => drop(self.act.send(request).await),
                Effect::Say(text) => {
                    let (taken, answer) = oneshot::channel();
                    drop(self.act.send(Request::Say { text, taken }).await);
                    state.said(answer.await == Ok(true));
                }
                Effect::Interrupt => drop(kill_process(getpid(), Signal::INT)),
                Effect::Bell => drop(self.terminal.write(b"\x07")?),
                Effect::Notify => drop(self.terminal.write(NOTIFY)?),
                Effect::Suspend => self.suspend(stops).await?,
                Effect::Redraw => self.terminal.painter.forget(),
                Effect::Wipe => self.terminal.wipe()?,
                Effect::Leave => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Gives the terminal back and stops, as every program does on Ctrl-Z, until it is continued.
    async fn suspend(&mut self, stops: &mut Stops) -> io::Result<()> {
        if !can_be_continued() {
            return Ok(());
        }
        self.terminal.leave()?;
        stop();
        let _ = tokio::time::timeout(STOP, stops.continued.recv()).await;
        self.terminal.take()
    }
}

/// The terminal, and what it shows.
struct Terminal {
    guard: TerminalGuard,
    frame: Frame,
    painter: Painter,
    /// What the window is called.
    title: String,
}

impl Terminal {
    fn new(guard: TerminalGuard) -> io::Result<Self> {
        let color = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let frame = Frame { bytes: Zeroizing::new(Vec::with_capacity(FRAME_BYTES)), file };
        Ok(Self { guard, frame, painter: Painter::new(color), title: String::new() })
    }

    fn size(&self) -> (u16, u16) {
        match tcgetwinsize(&self.frame.file) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => bounded(size.ws_col, size.ws_row),
            _ => (80, 24),
        }
    }

    fn resized(&self) -> Event {
        let (columns, rows) = self.size();
        Event::Resize(columns, rows)
    }

    fn take(&mut self) -> io::Result<()> {
        // Who continues a program may have set the modes anew, which the library does not learn.
        let _ = crossterm::terminal::disable_raw_mode();
        crossterm::terminal::enable_raw_mode()?;
        self.guard.take();
        self.painter.forget();
        self.title.clear();
        self.write(TAKE)?;
        self.write(SET_KEYS.as_bytes()).map(drop)
    }

    fn leave(&mut self) -> io::Result<()> {
        crossterm::terminal::disable_raw_mode()?;
        self.guard.restore();
        Ok(())
    }

    fn wipe(&mut self) -> io::Result<()> {
        self.painter.forget();
        self.write(WIPE).map(drop)
    }

    /// Shows the state. `false` if the terminal was given back meanwhile.
    fn draw(&mut self, state: &State) -> io::Result<bool> {
        let title = state.title();
        if self.title != title {
            write!(self.frame, "\x1b]2;{title}\x07")?;
            self.title = title;
        }
        self.painter.paint(state, &mut self.frame)?;
        self.write(&[])
    }

    /// Sends what was painted and these bytes. `false` if the terminal was given back meanwhile.
    fn write(&mut self, bytes: &[u8]) -> io::Result<bool> {
        self.frame.bytes.extend_from_slice(bytes);
        let taken = self.guard.is_taken();
        let sent = if taken { self.frame.file.write_all(&self.frame.bytes) } else { Ok(()) };
        self.frame.bytes.zeroize();
        sent.map(|()| taken)
    }
}

/// What is written to the terminal at once. Wiped when it was.
struct Frame {
    bytes: Zeroizing<Vec<u8>>,
    file: File,
}

impl Write for Frame {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    /// A frame is sent when it is complete, whatever the library thinks.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
