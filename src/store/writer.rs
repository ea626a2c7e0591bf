//! A thread that stores one batch: in partial files first, under the final name only once the hash was right.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tokio::sync::mpsc;

use super::tree::{Current, Storage, StoreError, Target};
use crate::clock;
use crate::protocol::frame::Hash;
use crate::protocol::transfer::{BROKEN, Content};

/// Number of bytes after which progress is reported.
const REPORT_BYTES: u64 = 512 << 10;
/// Time after which progress is reported, whatever the number of bytes.
const REPORT: Duration = Duration::from_millis(500);
/// Number of bytes that are written and hashed at once.
const BLOCK: usize = 256 << 10;
/// Pause of the partner after which a block is written although it is not full, as more may be long in coming.
const IDLE: Duration = Duration::from_millis(50);
/// Time between two attempts to write to a full disk.
const RETRY: Duration = Duration::from_secs(1);

/// A job for the thread.
pub enum Job {
    /// Begin an entry, or continue it after a break.
    Begin {
        /// Number of the entry in the batch.
        index: u32,
        /// Whether the file is executable on the partner's machine.
        executable: bool,
        /// Path of the entry, as the partner calls it.
        path: String,
    },
    /// Store pieces of the entry that was begun last, each with its position in the entry.
    Data(Vec<(u64, Content)>),
    /// Finish the entry that was begun last.
    End {
        /// Hash of the whole entry.
        hash: Hash,
        /// Size of the entry in bytes.
        size: u64,
    },
    /// Write what has come, as the connection was lost. Answered by [`Report::Have`].
    Lost,
}

/// A report from the thread.
pub enum Report {
    /// The part of an entry that is stored already.
    Have {
        /// Number of the entry in the batch; `None` if there is no part of any.
        index: Option<u32>,
        /// Size of the part in bytes.
        offset: u64,
        /// Hash of the part.
        prefix: Hash,
    },
    /// An entry, by its number, is written up to an offset.
    Seen(u32, u64),
    /// The partner's entry does not begin with the part that was stored already, and restarts.
    Anew,
    /// The disk is full. The thread tries again until there is space; nothing is lost.
    Full,
    /// The disk has space again.
    GoesOn,
    /// An entry, by its number, was stored or refused.
    Done(u32, Result<Stored, StoreError>),
}

/// An entry that was stored.
#[derive(Debug)]
pub struct Stored {
    /// Path of the file below the folder.
    pub name: String,
    /// Size of the file in bytes.
    pub size: u64,
}

/// The handle of the thread. Dropping it ends the thread, which removes what is unfinished.
pub struct Writer {
    jobs: Sender<Job>,
    given_up: Arc<AtomicBool>,
    waiting: Arc<AtomicUsize>,
}

impl Writer {
    /// Starts the thread.
    pub fn start(target: Target) -> (Self, mpsc::Receiver<Report>) {
        let (jobs, todo) = channel();
        let (report, reports) = mpsc::channel(64);
        let given_up = Arc::new(AtomicBool::new(false));
        let waiting = Arc::new(AtomicUsize::new(0));
        let storing = Storing {
            target: Storage::new(target),
            current: None,
            report,
            given_up: Arc::clone(&given_up),
            waiting: Arc::clone(&waiting),
        };
        std::thread::spawn(move || storing.run(&todo));
        (Self { jobs, given_up, waiting }, reports)
    }

    /// Queues a job. The window of the protocol bounds the queue.
    pub fn give(&self, job: Job) {
        if let Job::Data(pieces) = &job {
            self.waiting.fetch_add(size(pieces), Ordering::Relaxed);
        }
        let _ = self.jobs.send(job);
    }

    /// Number of bytes that wait to be written.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}

struct Storing {
    target: Storage,
    current: Option<Current>,
    report: mpsc::Sender<Report>,
    given_up: Arc<AtomicBool>,
    waiting: Arc<AtomicUsize>,
}

impl Storing {
    fn run(mut self, todo: &Receiver<Job>) {
        while let Some(job) = self.next(todo) {
            if self.given_up.load(Ordering::Relaxed) || self.act(job).is_none() {
                break;
            }
        }
        if let Some(current) = self.current.take() {
            self.target.remove(current);
        }
        self.target.tidy();
    }

    /// Waits for the next job. Meanwhile the block that has come is written.
    fn next(&mut self, todo: &Receiver<Job>) -> Option<Job> {
        if self.current.as_ref().is_some_and(|current| !current.block.0.is_empty()) {
            match todo.recv_timeout(IDLE) {
                Err(RecvTimeoutError::Timeout) => self.tell_how_far(true)?,
                job => return job.ok(),
            }
        }
        todo.recv().ok()
    }

    /// Does a job. `None` once nobody reads the reports any more.
    fn act(&mut self, job: Job) -> Option<()> {
        match job {
            Job::Lost => {
                self.flush()?;
                self.say_what_there_is()
            }
            Job::Begin { index, executable, path } => self.begin(index, executable, path),
            Job::Data(pieces) => {
                let bytes = size(&pieces);
                let written = pieces.into_iter().try_for_each(|(offset, bytes)| self.data(offset, &bytes.0));
                self.waiting.fetch_sub(bytes, Ordering::Relaxed);
                written?;
                self.tell_how_far(false)
            }
            Job::End { hash, size } => self.end(&hash, size),
        }
    }

    fn say(&self, report: Report) -> Option<()> {
        self.report.blocking_send(report).ok()
    }

    fn say_what_there_is(&mut self) -> Option<()> {
        self.say(match &self.current {
            Some(Current { index, hasher, at, .. }) => {
                Report::Have { index: Some(*index), offset: *at, prefix: *hasher.finalize().as_bytes() }
            }
            None => Report::Have { index: None, offset: 0, prefix: *blake3::hash(&[]).as_bytes() },
        })
    }

    fn begin(&mut self, index: u32, executable: bool, path: String) -> Option<()> {
        match &mut self.current {
            Some(current) if current.index == index && current.foreign == path => {
                current.executable = executable;
                current.reported = (current.at, clock::now());
                return Some(());
            }
            _ => {
                if let Some(unfinished) = self.current.take() {
                    self.target.remove(unfinished);
                }
            }
        }
        let mut told = false;
        let begun = loop {
            match self.target.begin(index, path.clone(), executable) {
                Err(StoreError::Disk(_, error)) if is_full(&error) => self.wait_for_space(&mut told)?,
                begun => break begun,
            }
        };
        self.goes_on(&mut told)?;
        match begun {
            Ok(current) => self.current = Some(current),
            Err(why) => self.say(Report::Done(index, Err(why)))?,
        }
        Some(())
    }

    fn data(&mut self, offset: u64, bytes: &[u8]) -> Option<()> {
        // Pieces of a refused entry may still arrive.
        let Some(current) = &self.current else { return Some(()) };
        if offset != current.at {
            if offset > 0 {
                return self.refuse(StoreError::Stream);
            }
            self.restart()?;
        }
        let Some(current) = &mut self.current else { return Some(()) };
        current.block.0.extend_from_slice(bytes);
        current.at += bytes.len() as u64;
        if current.block.0.len() >= BLOCK { self.flush() } else { Some(()) }
    }

    /// Restarts the entry, as the partner's does not begin with the part that is stored.
    fn restart(&mut self) -> Option<()> {
        let mut told = false;
        loop {
            let current = self.current.as_mut()?;
            match self.target.restart(current) {
                Ok(()) => break,
                Err(error) if is_full(&error) => self.wait_for_space(&mut told)?,
                Err(error) if error.kind() == io::ErrorKind::NotSeekable => return self.refuse(StoreError::Stream),
                Err(error) => return self.refuse(|path| StoreError::Disk(path, error)),
            }
        }
        self.goes_on(&mut told)?;
        self.say(Report::Anew)
    }

    /// Writes and hashes the block that has come, which is large enough for both to be fast.
    fn flush(&mut self) -> Option<()> {
        let mut told = false;
        while let Some(current) = self.current.as_mut().filter(|current| !current.block.0.is_empty()) {
            match self.target.write(&mut current.sink, &current.block.0) {
                Ok(0) => return self.refuse(|path| StoreError::Disk(path, io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    current.hasher.update(current.block.0.get(..count).unwrap_or_default());
                    current.block.0.drain(..count);
                    self.goes_on(&mut told)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_full(&error) => self.wait_for_space(&mut told)?,
                Err(error) => return self.refuse(|path| StoreError::Disk(path, error)),
            }
        }
        Some(())
    }

    /// Waits before the next attempt, and reports the full disk unless that was `told`. `None` once the handle was dropped.
    fn wait_for_space(&mut self, told: &mut bool) -> Option<()> {
        if !std::mem::replace(told, true) {
            self.say(Report::Full)?;
        }
        let wanted = || (!self.given_up.load(Ordering::Relaxed)).then_some(());
        wanted()?;
        std::thread::sleep(RETRY);
        wanted()
    }

    /// Reports that there is space again, if the lack of it was `told`.
    fn goes_on(&mut self, told: &mut bool) -> Option<()> {
        if std::mem::take(told) { self.say(Report::GoesOn) } else { Some(()) }
    }

    /// Reports how far the entry is written: at once if the partner is `idle`, else now and then.
    fn tell_how_far(&mut self, idle: bool) -> Option<()> {
        let Some(current) = &mut self.current else { return Some(()) };
        let (bytes, at) = current.reported;
        let due = idle || clock::now() >= at + REPORT;
        if due {
            self.flush()?;
        }
        let Some(current) = &mut self.current else { return Some(()) };
        let written = current.at - current.block.0.len() as u64;
        if due || written >= bytes + REPORT_BYTES {
            current.reported = (written, clock::now());
            let seen = Report::Seen(current.index, written);
            self.say(seen)?;
        }
        Some(())
    }

    fn end(&mut self, hash: &Hash, size: u64) -> Option<()> {
        self.flush()?;
        let Some(current) = &self.current else { return Some(()) };
        if *hash == BROKEN {
            return self.refuse(StoreError::Broken);
        }
        if size == 0 && current.at > 0 {
            self.restart()?;
        }
        let Some(current) = &self.current else { return Some(()) };
        if current.at != size || current.hasher.finalize() != blake3::Hash::from_bytes(*hash) {
            return self.refuse(StoreError::Hash);
        }
        // After a failed fsync the page cache may drop the data, and a retry would report success.
        if let Err(error) = self.target.sync(current) {
            return self.refuse(|path| StoreError::Disk(path, error));
        }
        let mut told = false;
        let finished = loop {
            match self.target.finish(self.current.as_ref()?) {
                Err(error) if is_full(&error) => self.wait_for_space(&mut told)?,
                finished => break finished,
            }
        };
        self.goes_on(&mut told)?;
        let current = self.current.take()?;
        let (index, foreign) = (current.index, current.foreign.clone());
        let stored = finished.map(|name| Stored { name, size }).map_err(|error| {
            self.target.remove(current);
            StoreError::Disk(foreign, error)
        });
        self.say(Report::Done(index, stored))
    }

    fn refuse(&mut self, why: impl FnOnce(String) -> StoreError) -> Option<()> {
        let current = self.current.take()?;
        let (index, path) = (current.index, current.foreign.clone());
        self.target.remove(current);
        self.say(Report::Done(index, Err(why(path))))
    }
}

fn size(pieces: &[(u64, Content)]) -> usize {
    pieces.iter().map(|(_, bytes)| bytes.0.len()).sum()
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
