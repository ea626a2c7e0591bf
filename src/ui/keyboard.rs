//! What is done at the terminal: keys, pastes and reports, as values of our own.
//!
//! ```text
//! bytes, time -> framing (where a sequence ends) -> sequence (what it says) -> Event
//! ```
//!
//! A parser that waits for an end can wait for ever, and one that looks at a single read takes a key for two. So the
//! framing is ours: each of its waits has an end, and how the bytes were cut into reads makes no difference.

mod framing;
mod sequence;

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use zeroize::{Zeroize as _, Zeroizing};

pub use self::framing::{ESCAPE, Framing, HURRY, SILENCE};
pub use self::sequence::f3;
use crate::clock;

/// Bytes that are read at once.
const READ: usize = 4096;
/// Sets every terminal to one way of telling keys, whatever the program before has left behind: Alt as an ESC before
/// the key, cursor keys and keypad in their normal modes, and neither modifyOtherKeys nor kitty's or Windows' encoding.
pub const SET_KEYS: &str = "\x1b[?1036s\x1b[?1036h\x1b[?1l\x1b>\x1b[>4;0m\x1b[>0u\x1b[?9001l";
/// Undoes what [`SET_KEYS`] has changed for the program before.
///
/// A terminal that does not know the second would underline, and so everything is reset after it.
pub const RESET_KEYS: &str = "\x1b[<u\x1b[>4m\x1b[0m\x1b[?1036r";

/// Something that was done at the terminal, or that it reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A key was pressed.
    Key(KeyEvent),
    /// A paste, with line feeds for its line breaks.
    Paste(Zeroizing<String>),
    /// A paste of more than [`TEXT`](crate::protocol::delivery::TEXT) bytes, which were not kept.
    PasteTooLong,
    /// Nothing of a paste has come for [`SILENCE`], and its end neither. Ctrl-C pressed twice gives it up.
    PasteStalls,
    /// A paste without an end was given up.
    PasteGivenUp,
    /// The wheel was turned.
    Wheel {
        /// Whether it was turned towards the user.
        down: bool,
    },
    /// The user turned to this terminal, or to another window.
    Focus(bool),
    /// The terminal reports where its cursor stands, counted from 1. F3 with a modifier is told in the same way: only
    /// who has asked can take it for an answer, and for others there is [`f3`].
    Position {
        /// The row.
        row: u16,
        /// The column.
        column: u16,
    },
    /// The terminal has so many columns and rows now.
    Resize(u16, u16),
}

/// A key that was pressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyEvent {
    /// The key.
    pub code: KeyCode,
    /// What was held down with it.
    pub modifiers: KeyModifiers,
    /// Whether an Enter came so soon after other bytes that a paste is more likely than a hand.
    pub hurried: bool,
}

impl KeyEvent {
    /// A key that came by itself.
    pub const fn new(code: KeyCode, modifiers: KeyModifiers) -> Self {
        Self { code, modifiers, hurried: false }
    }
}

/// A key of the keyboard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyCode {
    /// A character.
    Char(char),
    /// A function key.
    F(u8),
    /// Enter.
    Enter,
    /// Tab.
    Tab,
    /// Escape.
    Esc,
    /// Backspace.
    Backspace,
    /// Delete.
    Delete,
    /// The cursor key to the left.
    Left,
    /// The cursor key to the right.
    Right,
    /// The cursor key up.
    Up,
    /// The cursor key down.
    Down,
    /// Home.
    Home,
    /// End.
    End,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
}

/// What is held down while a key is pressed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct KeyModifiers(u8);

impl KeyModifiers {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Shift.
    pub const SHIFT: Self = Self(1);
    /// Alt.
    pub const ALT: Self = Self(2);
    /// Control.
    pub const CONTROL: Self = Self(4);

    /// These and those.
    pub const fn and(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    /// These without those.
    pub const fn without(self, less: Self) -> Self {
        Self(self.0 & !less.0)
    }

    /// Whether all of those are among these.
    pub const fn has(self, some: Self) -> bool {
        self.0 & some.0 == some.0
    }
}

/// The keyboard of the terminal at standard input.
#[derive(Default)]
pub struct Keyboard {
    framing: Framing,
    ready: VecDeque<Event>,
}

impl Keyboard {
    /// Waits for the next event.
    ///
    /// # Errors
    ///
    /// An error once the terminal is gone.
    pub fn wait(&mut self) -> io::Result<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            let now = clock::now();
            let wait = self.framing.deadline().map(|until| until.saturating_sub(now));
            let mut bytes = Zeroizing::new([0; READ]);
            let count = read(&mut *bytes, wait)?;
            let now = clock::now();
            self.framing.tick(now, &mut self.ready);
            self.framing.feed(bytes.get(..count).unwrap_or_default(), now, &mut self.ready);
            bytes.zeroize();
        }
    }
}

/// Reads what there is, or nothing after a time.
fn read(bytes: &mut [u8], wait: Option<Duration>) -> io::Result<usize> {
    let terminal = rustix::stdio::stdin();
    let mut polled = [PollFd::new(&terminal, PollFlags::IN)];
    let wait = wait.map(|wait| Timespec {
        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: wait.subsec_nanos().into(),
    });
    match rustix::event::poll(&mut polled, wait.as_ref()) {
        Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(0),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    match rustix::io::read(terminal, bytes) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(count) => Ok(count),
        Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => Ok(0),
        Err(error) => Err(error.into()),
    }
}
