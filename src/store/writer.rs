//! A thread that stores one batch: in partial files first, under the final name only once the hash was right and the
//! disk has the content.
//!
//! A disk takes about as long for the content of many small files as for that of one. So entries that came whole are
//! committed in groups: their contents are synced, then they get their names, then the folders are synced, and only
//! then are they reported as stored.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use tokio::sync::mpsc;

use super::queue::{Next, Queue};
use super::tree::{Current, Renamed, Storage, StoreError, Target};
use crate::clock;
use crate::protocol::frame::{EntryKind, Hash};
use crate::protocol::transfer::{BROKEN, Content};
use crate::thread;

/// Number of bytes after which progress is reported.
const REPORT_BYTES: u64 = 512 << 10;
/// Time after which progress is reported, whatever the number of bytes.
const REPORT: Duration = Duration::from_millis(500);
/// Number of entries that are committed at once.
pub const GROUP: usize = 128;
/// Number of bytes that are committed at once, unless one entry has more.
const GROUP_BYTES: u64 = 4 << 20;
/// Pause of the partner after which a group is committed although it is not full.
const PAUSE: Duration = Duration::from_millis(20);
/// Time between two attempts to write to a full disk.
const RETRY: Duration = Duration::from_secs(1);

/// A job for the thread.
pub enum Job {
    /// Begin an entry, or continue it after a break.
    Begin {
        /// Number of the entry in the batch.
        index: u32,
        /// What the entry is.
        kind: EntryKind,
        /// Path of the entry, as the partner calls it.
        path: String,
    },
    /// Store bytes of the entry that was begun last.
    Data {
        /// Position of the bytes in the entry.
        offset: u64,
        /// The bytes.
        bytes: Content,
    },
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
    /// The partner's entry, by its number, does not begin with the part that was stored already, and restarts.
    Anew(u32),
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
    /// Names on the way to it that are not the partner's. Each is reported once in a batch.
    pub renamed: Vec<Renamed>,
}

/// The handle of the thread. Dropping it ends the thread, which removes what is unfinished.
pub struct Writer(Arc<Queue>);

impl Writer {
    /// Starts the thread, which drops `held` once it has ended and removed what is unfinished.
    ///
    /// # Errors
    ///
    /// The system has no room for another thread.
    pub fn start(target: Target, held: impl Send + 'static) -> io::Result<(Self, mpsc::Receiver<Report>)> {
        let (report, reports) = mpsc::channel(64);
        let queue = Arc::new(Queue::default());
        let storing = Storing {
            target: Storage::new(target),
            current: None,
            group: VecDeque::new(),
            ended: 0,
            report,
            queue: Arc::clone(&queue),
        };
        thread::start(move || {
            storing.run();
            drop(held);
        })?;
        Ok((Self(queue), reports))
    }

    /// Queues a job. The caller bounds the queue, by the window of the protocol and by what [waits](Self::waiting).
    pub fn give(&self, job: Job) {
        self.0.give(job);
    }

    /// What waits for the disk, in bytes: the content and what it takes to keep it.
    pub fn waiting(&self) -> usize {
        self.0.waiting()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

struct Storing {
    target: Storage,
    current: Option<Current>,
    /// Entries that came whole and are not reported yet.
    group: VecDeque<Current>,
    /// Number of entries that came whole or were refused.
    ended: u32,
    report: mpsc::Sender<Report>,
    queue: Arc<Queue>,
}

impl Storing {
    fn run(mut self) {
        loop {
            let goes_on = match self.queue.take((!self.group.is_empty()).then_some(PAUSE)) {
                Next::Job(job) => self.act(job),
                Next::Nothing => self.commit(),
                Next::GivenUp => None,
            };
            if goes_on.is_none() {
                break;
            }
        }
        for unfinished in self.group.into_iter().chain(self.current) {
            self.target.remove(unfinished);
        }
        self.target.tidy();
    }

    /// Does a job. `None` once nobody reads the reports any more.
    fn act(&mut self, job: Job) -> Option<()> {
        match job {
            Job::Lost => self.say_what_there_is(),
            Job::Begin { index, kind, path } => self.begin(index, kind, path),
            Job::Data { offset, bytes } => self.data(offset, &bytes.0),
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

    fn begin(&mut self, index: u32, kind: EntryKind, path: String) -> Option<()> {
        match &mut self.current {
            Some(current) if current.index == index && current.foreign == path && current.kind == kind => {
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
            match self.target.begin(index, path.clone(), kind) {
                Err(StoreError::Disk(_, error)) if is_full(&error) => self.wait_for_space(&mut told)?,
                // The group holds descriptors.
                Err(StoreError::Disk(_, error)) if is_out_of_descriptors(&error) && !self.group.is_empty() => {
                    self.commit()?;
                }
                begun => break begun,
            }
        };
        self.goes_on(&mut told)?;
        match begun {
            Ok(current) => self.current = Some(current),
            Err(why) => self.refused(index, why)?,
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
        self.write(bytes)?;
        self.tell_how_far()
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
        let index = self.current.as_ref()?.index;
        self.say(Report::Anew(index))
    }

    /// Writes and hashes bytes, which are enough for both to be fast.
    fn write(&mut self, mut bytes: &[u8]) -> Option<()> {
        let mut told = false;
        while let Some(current) = self.current.as_mut().filter(|_| !bytes.is_empty()) {
            match self.target.write(current, bytes) {
                Ok(0) => return self.refuse(|path| StoreError::Disk(path, io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    let (written, rest) = bytes.split_at_checked(count)?;
                    current.hasher.update(written);
                    current.at += count as u64;
                    bytes = rest;
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
        self.is_wanted()?;
        std::thread::sleep(RETRY);
        self.is_wanted()
    }

    fn is_wanted(&self) -> Option<()> {
        (!self.queue.is_given_up()).then_some(())
    }

    /// Reports that there is space again, if the lack of it was `told`.
    fn goes_on(&mut self, told: &mut bool) -> Option<()> {
        if std::mem::take(told) { self.say(Report::GoesOn) } else { Some(()) }
    }

    /// Reports how far the entry is written: at once if nothing more is there, else now and then.
    fn tell_how_far(&mut self) -> Option<()> {
        let idle = self.queue.is_empty();
        let Some(current) = &mut self.current else { return Some(()) };
        let ((bytes, at), now) = (current.reported, clock::now());
        if idle || now >= at + REPORT || current.at >= bytes + REPORT_BYTES {
            current.reported = (current.at, now);
            let seen = Report::Seen(current.index, current.at);
            self.say(seen)?;
        }
        Some(())
    }

    /// Judges the entry that has come to its end. If it is whole it joins the group that is committed next.
    fn end(&mut self, hash: &Hash, size: u64) -> Option<()> {
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
        if let Err(error) = self.target.settle(current) {
            return self.refuse(|path| StoreError::Disk(path, error));
        }
        self.group.extend(self.current.take());
        self.ended += 1;
        let bytes: u64 = self.group.iter().map(|whole| whole.at).sum();
        let enough = self.group.len() >= GROUP || bytes >= GROUP_BYTES || self.target.is_last(self.ended);
        if enough { self.commit() } else { Some(()) }
    }

    /// Brings the group to the disk, and reports what became of each entry.
    fn commit(&mut self) -> Option<()> {
        if self.group.len() > 1 {
            self.group.iter().for_each(|whole| self.target.start_sync(whole));
        }
        // After a failed fsync the page cache may drop the data, and a retry would report success.
        let synced: Vec<_> = self.group.iter().map(|whole| self.target.sync(whole)).collect();
        let mut named = Vec::new();
        for synced in synced {
            let name = match synced {
                Ok(()) => self.name()?,
                Err(error) => Err(error),
            };
            named.extend(self.group.pop_front().map(|whole| (whole, name)));
        }
        self.target.sync_folders();
        for (whole, name) in named {
            let (index, size, foreign) = (whole.index, whole.at, whole.foreign.clone());
            let stored = match name.and_then(|name| self.target.confirm(&whole).map(|renamed| (name, renamed))) {
                Ok((name, renamed)) => Ok(Stored { name, size, renamed }),
                Err(error) => {
                    self.target.remove(whole);
                    Err(StoreError::Disk(foreign, error))
                }
            };
            self.say(Report::Done(index, stored))?;
        }
        Some(())
    }

    /// Gives the first entry of the group its name. `None` once nobody wants it any more.
    fn name(&mut self) -> Option<io::Result<String>> {
        let mut told = false;
        loop {
            self.is_wanted()?;
            match self.target.finish(self.group.front_mut()?) {
                Err(error) if is_full(&error) => self.wait_for_space(&mut told)?,
                named => {
                    self.goes_on(&mut told)?;
                    return Some(named);
                }
            }
        }
    }

    fn refuse(&mut self, why: impl FnOnce(String) -> StoreError) -> Option<()> {
        let current = self.current.take()?;
        let (index, path) = (current.index, current.foreign.clone());
        self.target.remove(current);
        self.refused(index, why(path))
    }

    /// Reports a refusal, and commits what there is if it was the last entry that was waited for.
    fn refused(&mut self, index: u32, why: StoreError) -> Option<()> {
        self.ended += 1;
        self.say(Report::Done(index, Err(why)))?;
        if self.target.is_last(self.ended) { self.commit() } else { Some(()) }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(number, Some(Errno::MFILE | Errno::NFILE))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::PathBuf;

    use rustix::fs::{CWD, Mode, OFlags, openat};

    use super::*;
    use crate::store::folder::Folder;
    use crate::store::tree::Sink;

    /// A batch that is stored without a thread, and the folder it goes to.
    struct Batch {
        place: PathBuf,
        storing: Storing,
        reports: mpsc::Receiver<Report>,
    }

    impl Batch {
        fn new(name: &str, entries: u32, open: fn(&std::path::Path) -> io::Result<Folder>) -> Self {
            static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
            let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let place = std::env::temp_dir().join(format!("tete-writer-{}-{number}", std::process::id()));
            fs::create_dir(&place).unwrap();
            let folder = open(&place).unwrap();
            let target = Target::Folder { folder, name: name.into(), entries, executable: false };
            let (report, reports) = mpsc::channel(1_000);
            let (target, queue) = (Storage::new(target), Arc::new(Queue::default()));
            let storing = Storing { target, current: None, group: VecDeque::new(), ended: 0, report, queue };
            Self { place, storing, reports }
        }

        fn give(&mut self, index: u32, path: &str) {
            self.storing.begin(index, EntryKind::File, path.into()).unwrap();
            self.storing.data(0, b"abc").unwrap();
            self.storing.end(blake3::hash(b"abc").as_bytes(), 3).unwrap();
        }

        /// The next entry that ended, and the path it is stored by.
        fn next(&mut self) -> Option<(u32, Result<String, StoreError>)> {
            while let Ok(report) = self.reports.try_recv() {
                if let Report::Done(index, outcome) = report {
                    return Some((index, outcome.map(|stored| stored.name)));
                }
            }
            None
        }

        fn names(&self, folder: &str) -> Vec<String> {
            let inside = fs::read_dir(self.place.join(folder)).unwrap();
            let mut names: Vec<_> = inside.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Batch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.place);
        }
    }

    #[test]
    fn entries_get_their_names_together_and_are_reported_after_that() {
        let mut batch = Batch::new("d", 2 * GROUP as u32, Folder::open);
        let given = |batch: &mut Batch, from: u32, to: u32| {
            (from..to).for_each(|index| batch.give(index, &format!("d/{index}")));
        };
        let group = GROUP as u32;
        given(&mut batch, 0, group - 1);
        assert!(batch.names("d").iter().all(|name| name.ends_with(".part")));
        assert!(batch.next().is_none());
        given(&mut batch, group - 1, group + 3);
        for index in 0..group {
            let (done, name) = batch.next().unwrap();
            assert_eq!((done, name.unwrap()), (index, format!("d/{index}")));
        }
        assert!(batch.next().is_none());
        // The last of the batch ends it early.
        for index in group + 3..2 * group - 1 {
            batch.storing.refused(index, StoreError::Broken(String::new())).unwrap();
            assert_eq!(batch.next().unwrap().0, index);
        }
        batch.give(2 * group - 1, "d/last");
        assert_eq!((group..group + 3).map(|_| batch.next().unwrap().0).sum::<u32>(), 3 * group + 3);
        assert_eq!(batch.next().unwrap().1.unwrap(), "d/last");
        assert_eq!(batch.names("d").len(), GROUP + 4);
    }

    #[test]
    fn what_fills_a_group_by_its_size_is_not_kept_waiting() {
        let mut batch = Batch::new("d", 9, Folder::open);
        let content = vec![7; GROUP_BYTES as usize];
        batch.give(0, "d/small");
        batch.storing.begin(1, EntryKind::File, "d/large".into()).unwrap();
        batch.storing.data(0, &content).unwrap();
        batch.storing.end(blake3::hash(&content).as_bytes(), GROUP_BYTES).unwrap();
        assert_eq!([batch.next().unwrap().0, batch.next().unwrap().0], [0, 1]);
    }

    #[test]
    fn what_the_disk_may_have_lost_is_not_reported_as_stored_and_has_no_name() {
        let is_lost = |outcome: Option<(u32, Result<String, StoreError>)>| matches!(outcome, Some((_, Err(StoreError::Disk(_, error)))) if error.raw_os_error() == Some(9));
        // The folder of the file.
        let mut batch = Batch::new("x", 1, Folder::unsyncable);
        batch.give(0, "x");
        assert!(is_lost(batch.next()));
        assert_eq!(batch.names(""), Vec::<String>::new());
        // The one that its folder is in, for that group and any later.
        let mut batch = Batch::new("d", 3, Folder::unsyncable);
        for index in 0..2 {
            batch.give(index, &format!("d/e/{index}"));
            batch.storing.commit().unwrap();
            assert!(is_lost(batch.next()));
        }
        assert_eq!(batch.names("d/e"), Vec::<String>::new());
        // The file itself, beside another.
        let mut batch = Batch::new("d", 9, Folder::open);
        batch.give(0, "d/lost");
        batch.give(1, "d/kept");
        let part = batch.place.join("d/lost.part");
        let Sink::Part { file, .. } = &mut batch.storing.group[0].sink else { panic!() };
        *file = File::from(openat(CWD, &part, OFlags::PATH, Mode::empty()).unwrap());
        batch.storing.commit().unwrap();
        assert!(is_lost(batch.next()));
        assert_eq!(batch.next().unwrap().1.unwrap(), "d/kept");
        assert_eq!(batch.names("d"), ["kept"]);
    }
}
