//! How far one batch is, and how fast it goes.

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
    /// Bytes of the one that is under way.
    current: u64,
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

    /// The file under way has come so far.
    pub fn set(&mut self, current: u64) {
        self.current = current;
    }

    /// Whether the batch waits for something.
    pub fn wait(&mut self, waits: bool) {
        self.waits = waits;
    }

    /// The file under way is done, and was so large.
    pub fn done(&mut self, size: u64) {
        self.files += 1;
        self.before = self.before.saturating_add(size);
        self.current = 0;
    }

    /// Files of the whole batch.
    pub fn of_files(&self) -> u32 {
        self.of_files
    }

    /// Bytes that are done.
    pub fn bytes(&self) -> u64 {
        self.before.saturating_add(self.current)
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
