//! The question that is asked now.

use std::sync::{Condvar, Mutex, PoisonError};

use super::interface::Ask;

/// What is asked of the user now, for the thread that reads and the one that writes.
#[derive(Default)]
pub struct Asked {
    what: Mutex<Question>,
    changed: Condvar,
}

struct Question {
    number: u64,
    what: Ask,
}

impl Default for Question {
    fn default() -> Self {
        Self { number: 0, what: Ask::Nothing }
    }
}

impl Asked {
    /// Puts a question. A script may answer before `show` returns, and its answer counts.
    pub fn ask(&self, number: u64, what: Ask, show: impl FnOnce()) {
        let mut asked = self.what.lock().unwrap_or_else(PoisonError::into_inner);
        show();
        *asked = Question { number, what };
        self.changed.notify_all();
    }

    /// The question and its number.
    pub fn now(&self) -> (u64, Ask) {
        let asked = self.what.lock().unwrap_or_else(PoisonError::into_inner);
        (asked.number, asked.what)
    }

    /// Waits for a question other than the last one answered. The chat is one that never ends.
    pub fn next(&self, answered: u64) -> (u64, Ask) {
        let mut asked = self.what.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match asked.what {
                Ask::Chat => return (asked.number, asked.what),
                Ask::Half | Ask::Compare if asked.number != answered => return (asked.number, asked.what),
                _ => asked = self.changed.wait(asked).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}
