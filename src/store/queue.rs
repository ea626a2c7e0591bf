//! What waits for the disk, in order. Bytes that follow each other wait as one, whatever pieces they came in.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::writer::Job;
use crate::clock;
use crate::protocol::transfer::Content;

/// Number of bytes that are written and hashed at once.
const BLOCK: usize = 256 << 10;
/// Number of bytes up to which pieces are joined as they come, so that what each costs does not count.
const PIECE: usize = 4 << 10;
/// Pause of the partner after which a block is written although it is not full, as more may be long in coming.
const IDLE: Duration = Duration::from_millis(50);
/// Age at which a block is written although it is not full and more is coming.
const AGE: Duration = Duration::from_millis(500);
/// What a job counts for beside its bytes: an upper limit of the memory that it needs.
const COST: usize = 256;

/// Jobs from one thread to another.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    cost: usize,
    /// Time when the first job began to wait, or one before it that is done.
    since: Duration,
    /// Time when something was last added.
    added: Duration,
    /// Whether the thread that works waits to be woken.
    asleep: bool,
    given_up: bool,
}

/// What there is to do for the thread that works.
pub(super) enum Next {
    /// A job.
    Job(Job),
    /// Nothing for as long as it had patience.
    Nothing,
    /// Nobody wants anything done any more.
    GivenUp,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job.
    pub fn give(&self, job: Job) {
        let now = clock::now();
        let mut waiting = self.lock();
        waiting.add(job, now);
        // What is not due yet needs a time at which the thread wakes by itself.
        let wake = waiting.asleep && (waiting.jobs.len() == 1 || waiting.due().is_some_and(|due| due <= now));
        waiting.asleep &= !wake;
        drop(waiting);
        if wake {
            self.changed.notify_one();
        }
    }

    /// Takes the next job: bytes only as a full block, once no more may follow, or after a while.
    pub fn take(&self, patience: Option<Duration>) -> Next {
        let mut waiting = self.lock();
        let until = patience.map(|patience| clock::now() + patience);
        loop {
            if waiting.given_up {
                return Next::GivenUp;
            }
            let (now, due) = (clock::now(), waiting.due());
            if due.is_some_and(|due| due <= now)
                && let Some(job) = waiting.jobs.pop_front()
            {
                waiting.cost -= cost(&job);
                let rest = waiting.rest_of(&job);
                drop(waiting);
                // Joined by the thread that works, as the one that adds has more to do.
                return Next::Job(joined(job, &rest));
            }
            if until.is_some_and(|until| until <= now) {
                return Next::Nothing;
            }
            waiting.asleep = true;
            waiting = match [due, until].into_iter().flatten().min() {
                Some(at) => self
                    .changed
                    .wait_timeout(waiting, at.saturating_sub(now))
                    .map_or_else(|error| error.into_inner().0, |(waiting, _)| waiting),
                None => self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Ends the work.
    pub fn give_up(&self) {
        self.lock().given_up = true;
        self.changed.notify_one();
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lock().jobs.is_empty()
    }

    /// Whether nobody wants anything done any more.
    pub fn is_given_up(&self) -> bool {
        self.lock().given_up
    }

    /// What waits, in bytes: its content, and a fixed number for each job.
    pub fn waiting(&self) -> usize {
        self.lock().cost
    }
}

impl Waiting {
    fn add(&mut self, job: Job, now: Duration) {
        self.added = now;
        if let Job::Data { offset, bytes } = &job
            && let Some(Job::Data { offset: from, bytes: before }) = self.jobs.back_mut()
            && *from + before.0.len() as u64 == *offset
            && before.0.len() + bytes.0.len() <= PIECE
        {
            before.append(&bytes.0);
            self.cost += bytes.0.len();
            return;
        }
        if self.jobs.is_empty() {
            self.since = now;
        }
        self.cost += cost(&job);
        self.jobs.push_back(job);
    }

    /// Takes the bytes that follow those of `job`, up to a block of all.
    fn rest_of(&mut self, job: &Job) -> Vec<Content> {
        let Job::Data { offset, bytes } = job else { return Vec::new() };
        let (mut end, mut length, mut rest) = (*offset + bytes.0.len() as u64, bytes.0.len(), Vec::new());
        while let Some(Job::Data { offset, bytes }) = self.jobs.front()
            && *offset == end
            && length + bytes.0.len() <= BLOCK
            && let Some(job) = self.jobs.pop_front()
        {
            self.cost -= cost(&job);
            if let Job::Data { bytes, .. } = job {
                end += bytes.0.len() as u64;
                length += bytes.0.len();
                rest.push(bytes);
            }
        }
        rest
    }

    /// Time when the first job is to be done.
    fn due(&self) -> Option<Duration> {
        let (mut length, mut end) = (0, None);
        for job in &self.jobs {
            match job {
                Job::Data { offset, bytes } if length < BLOCK && end.is_none_or(|end| end == *offset) => {
                    length += bytes.0.len();
                    end = Some(*offset + bytes.0.len() as u64);
                }
                _ => return Some(Duration::ZERO),
            }
        }
        end?;
        Some(if length < BLOCK { (self.added + IDLE).min(self.since + AGE) } else { Duration::ZERO })
    }
}

/// Bytes with those that follow them.
fn joined(job: Job, rest: &[Content]) -> Job {
    match job {
        Job::Data { offset, bytes } if !rest.is_empty() => {
            let length = bytes.0.len() + rest.iter().map(|more| more.0.len()).sum::<usize>();
            let mut all = Content(Vec::with_capacity(length));
            std::iter::once(&bytes).chain(rest).for_each(|part| all.append(&part.0));
            Job::Data { offset, bytes: all }
        }
        job => job,
    }
}

fn cost(job: &Job) -> usize {
    COST + match job {
        Job::Begin { path, .. } => path.len(),
        Job::Data { bytes, .. } => bytes.0.len(),
        Job::End { .. } | Job::Lost => 0,
    }
}
