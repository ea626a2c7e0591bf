//! The question that is asked now, and the offer that was shown last.

use std::sync::{Condvar, Mutex, PoisonError};

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
}

impl Default for Question {
    fn default() -> Self {
        Self { number: 0, what: PromptKind::Nothing }
    }
}

impl Prompt {
    /// Puts a question. A script may answer before `show` returns, and its answer counts.
    pub fn ask(&self, number: u64, what: PromptKind, show: impl FnOnce()) {
        let mut asked = self.what.lock().unwrap_or_else(PoisonError::into_inner);
        show();
        *asked = Question { number, what };
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

    /// The question and its number.
    pub fn now(&self) -> (u64, PromptKind) {
        let asked = self.what.lock().unwrap_or_else(PoisonError::into_inner);
        (asked.number, asked.what)
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
