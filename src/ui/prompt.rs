//! The question that is asked now, and the offer that was shown last.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::clock;
use crate::interface::PromptKind;
use crate::interface::event::Event;
use crate::interface::files::FileEvent;

/// What is asked of the user now, for the thread that reads and the one that writes.
#[derive(Default)]
pub struct Prompt {
    what: Mutex<Question>,
    changed: Condvar,
    offer: Mutex<Option<u32>>,
}

struct Question {
    number: u64,
    what: PromptKind,
    /// Until when a line that is read was meant for the code before this one.
    settles: Option<Duration>,
}

/// A line that a pipe holds so soon after a new code was written for the code before.
const SETTLE: Duration = Duration::from_secs(1);

impl Default for Question {
    fn default() -> Self {
        Self { number: 0, what: PromptKind::Nothing, settles: None }
    }
}

impl Prompt {
    /// Puts a question. A script may answer before `show` returns, and its answer counts.
    pub fn ask(&self, number: u64, what: PromptKind, show: impl FnOnce()) {
        let mut asked = self.what.lock().unwrap_or_else(PoisonError::into_inner);
        show();
        // The first code has none before it, and whoever answers wrong is asked again about the same code.
        let new = asked.number > 0 && asked.what == PromptKind::Nothing;
        *asked = Question { number, what, settles: new.then(|| clock::now() + SETTLE) };
        self.changed.notify_all();
    }

    /// Takes note of the offer that a status is about. A script may answer before it is shown to the end.
    pub fn offers(&self, status: &Event) {
        if let Event::File(FileEvent::Offered { offer, .. }) = status {
            *self.offer.lock().unwrap_or_else(PoisonError::into_inner) = Some(*offer);
        }
    }

    /// Number of the offer that was shown last.
    pub fn offer(&self) -> Option<u32> {
        *self.offer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The question that a line answers which was read just now, and its number; 0 where the line was meant for a code
    /// that is gone.
    pub fn of_line(&self) -> (u64, PromptKind) {
        let asked = self.what.lock().unwrap_or_else(PoisonError::into_inner);
        let meant = asked.settles.is_none_or(|settles| clock::now() >= settles) || asked.what == PromptKind::Chat;
        (if meant { asked.number } else { 0 }, asked.what)
    }

    /// Waits for a question other than the last one answered. The chat is one that never ends.
    pub fn next(&self, answered: u64) -> (u64, PromptKind) {
        let mut asked = self.what.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match asked.what {
                PromptKind::Chat => return (asked.number, asked.what),
                PromptKind::Half | PromptKind::Compare if asked.number != answered => {
                    return (asked.number, asked.what);
                }
                _ => asked = self.changed.wait(asked).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}
