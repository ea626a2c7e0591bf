//! How far one batch is, and how fast it goes.

use std::collections::HashMap;
use std::time::Duration;

use crate::clock;
use crate::interface::files::Progress;
use crate::protocol::transfer::UNKNOWN;

/// Pause between two looks at how far a batch is.
const LOOK: Duration = Duration::from_millis(250);
/// Time over which the rate is averaged, in seconds.
const RATE: f64 = 3.0;

/// The progress of one batch, and its rate.
pub struct Meter {
    began: Duration,
    files: u32,
    of_files: u32,
    /// Bytes of the files that are done.
    before: u64,
    /// Bytes of each that is under way, by its number, and of all of them.
    under_way: HashMap<u32, u64>,
    current: u128,
    of_bytes: u64,
    rate: f64,
    looked: (Duration, u64),
    waits: bool,
    shown: Option<Progress>,
}

impl Meter {
    /// A batch of so many files and bytes, or [`UNKNOWN`] bytes, that waits to be accepted.
    pub fn new(of_files: u32, of_bytes: u64) -> Self {
        let now = clock::now();
        Self {
            began: now,
            files: 0,
            of_files,
            before: 0,
            under_way: HashMap::new(),
            current: 0,
            of_bytes,
            rate: 0.0,
            looked: (now, 0),
            waits: true,
            shown: None,
        }
    }

    /// The batch begins, and its time with it.
    pub fn begin(&mut self) {
        self.began = clock::now();
        self.looked = (self.began, self.bytes());
        self.waits = false;
    }

    /// A file has come so far.
    pub fn set(&mut self, index: u32, bytes: u64) {
        let before = self.under_way.insert(index, bytes).unwrap_or_default();
        self.current = self.current - u128::from(before) + u128::from(bytes);
    }

    /// A file goes on from there. What came of it before is not counted in the rate.
    pub fn begin_at(&mut self, index: u32, bytes: u64) {
        self.set(index, bytes);
        self.looked.1 = self.bytes();
    }

    /// Whether the batch waits for something.
    pub fn wait(&mut self, waits: bool) {
        self.waits = waits;
    }

    /// A file is done, and was so large.
    pub fn done(&mut self, index: u32, size: u64) {
        self.files += 1;
        self.before = self.before.saturating_add(size);
        self.current -= u128::from(self.under_way.remove(&index).unwrap_or_default());
    }

    /// Files of the whole batch.
    pub fn of_files(&self) -> u32 {
        self.of_files
    }

    /// Bytes that are done.
    pub fn bytes(&self) -> u64 {
        self.before.saturating_add(u64::try_from(self.current).unwrap_or(u64::MAX))
    }

    /// Time since the batch began.
    pub fn took(&self) -> Duration {
        clock::now().saturating_sub(self.began)
    }

    /// When to look at it again. `None` while it waits.
    pub fn look_at(&self) -> Option<Duration> {
        (!self.waits).then(|| self.looked.0 + LOOK)
    }

    /// The progress, measured at most every [`LOOK`]. A batch that is `stopped` waits.
    pub fn progress(&mut self, stopped: bool) -> Progress {
        let now = clock::now();
        let (then, bytes) = self.looked;
        let elapsed = now.saturating_sub(then);
        if let Some(shown) = self.shown.filter(|_| elapsed < LOOK) {
            return shown;
        }
        let came = self.bytes().saturating_sub(bytes) as f64;
        let seconds = elapsed.as_secs_f64().max(0.001);
        let weight = (seconds / RATE).min(1.0);
        let first = self.rate == 0.0;
        self.rate = if first { came / seconds } else { self.rate + weight * (came / seconds - self.rate) };
        self.looked = (now, self.bytes());
        *self.shown.insert(Progress {
            files: self.files,
            of_files: self.of_files,
            bytes: self.bytes(),
            of_bytes: (self.of_bytes != UNKNOWN).then_some(self.of_bytes),
            rate: self.rate as u64,
            waits: self.waits || stopped,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_before_a_break_does_not_count_as_speed() {
        let mut meter = Meter::new(1, 2 << 30);
        meter.begin();
        meter.begin_at(0, 1 << 30);
        let progress = meter.progress(false);
        assert_eq!((progress.bytes, progress.rate), (1 << 30, 0));
        assert!(Meter::new(1, 9).progress(false).rate == 0);
    }

    #[test]
    fn whatever_a_partner_claims_to_have_of_several_files_is_counted() {
        let mut meter = Meter::new(2, 9);
        (0..2).for_each(|index| meter.begin_at(index, u64::MAX));
        assert_eq!(meter.bytes(), u64::MAX);
        (0..2).for_each(|index| meter.done(index, 3));
        assert_eq!((meter.bytes(), meter.files), (6, 2));
    }

    #[test]
    fn a_file_that_is_done_takes_nothing_from_one_that_is_under_way() {
        let mut meter = Meter::new(3, 600);
        meter.set(0, 100);
        meter.set(1, 200);
        assert_eq!(meter.bytes(), 300);
        meter.done(0, 100);
        assert_eq!(meter.bytes(), 300);
        meter.set(1, 250);
        meter.done(2, 0);
        meter.set(1, 0);
        assert_eq!(meter.bytes(), 100);
        meter.done(1, 250);
        assert_eq!((meter.bytes(), meter.files), (350, 3));
    }
}
