//! Stores one batch of the partner's: partial files first, the final name only after the hash was right.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::umask;
use tokio::sync::mpsc;

use super::folder::Folder;
use super::path::{BadPath, SafePath, collision_key, part_of};
use crate::clock::Clock;
use crate::protocol::frame::Hash;
use crate::protocol::transfer::{BROKEN, Content, ENTRIES};

/// The partner is told after so many bytes, or after [`REPORT`].
const REPORT_BYTES: u64 = 512 << 10;
/// The partner is told after so long.
const REPORT: Duration = Duration::from_millis(500);
/// Bytes written and hashed at once.
const BLOCK: usize = 256 << 10;
/// Silence after which what has come is written, although it is no whole block: more may be long in coming.
const IDLE: Duration = Duration::from_millis(50);
/// How often a full disk is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How many names a partial file may have.
const PARTS: u32 = 100;

/// What to do next.
pub enum Job {
    /// Look what there is of the only file of the batch. Answered by [`Report::Have`].
    Look,
    /// An entry begins, or goes on after a break.
    Begin {
        /// Which one.
        index: u32,
        /// Whether it may be executed where it comes from.
        executable: bool,
        /// Its path, the peer's.
        path: String,
    },
    /// Bytes of it, piece by piece, each with the place where it lies.
    Data(Vec<(u64, Content)>),
    /// It is complete.
    End {
        /// The hash of the whole.
        hash: Hash,
        /// Where its bytes end.
        size: u64,
    },
    /// The connection is gone. Answered by [`Report::Have`].
    Lost,
}

/// What was done.
pub enum Report {
    /// So much of an entry is there.
    Have {
        /// Which one; `None` for none.
        index: Option<u32>,
        /// Its bytes.
        offset: u64,
        /// Their hash.
        prefix: Hash,
    },
    /// An entry is dealt with up to there.
    Seen(u32, u64),
    /// The entry that comes is not what there was of it: it starts anew.
    Anew,
    /// No space is left. It is tried again, and nothing lost.
    Full,
    /// There is space again.
    GoesOn,
    /// An entry was stored, or was not.
    Done(u32, Result<Stored, Refused>),
}

/// An entry that was stored.
#[derive(Debug)]
pub struct Stored {
    /// Its path below the folder.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Those of them that were there before the batch was taken.
    pub found: u64,
}

/// Why an entry was not stored.
#[derive(Debug)]
pub enum Refused {
    /// Its path cannot be stored.
    Path(String, BadPath),
    /// Its path is not of what was offered.
    OtherName(String),
    /// What came is not what was sent.
    Hash(String),
    /// The sender could not read it whole.
    Broken(String),
    /// A stream cannot start anew.
    Stream(String),
    /// The disk refused.
    Disk(String, io::Error),
}

/// What a batch is stored as.
pub enum Target {
    /// Files below a folder.
    Folder {
        /// The folder.
        folder: Folder,
        /// What was offered: its only name is the file's, or the top folder's.
        name: SafePath,
        /// Whether it has one entry.
        single: bool,
        /// Whether what there is of its only file is gone on from: not of a stream, which cannot be read again.
        continues: bool,
        /// Whether what may be executed stays so.
        executable: bool,
        /// Replaces what must not be shown in a name.
        plain: fn(&str) -> String,
    },
    /// A stream that takes every entry, one after the other.
    Out(Box<dyn Write + Send>),
}

/// The thread's end on the driver's side. Dropping it ends the thread once it has done what it was told.
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

    /// Hands over a job. The window of the protocol bounds what may wait.
    pub fn give(&self, job: Job) {
        if let Job::Data(pieces) = &job {
            self.waiting.fetch_add(size(pieces), Ordering::Relaxed);
        }
        let _ = self.jobs.send(job);
    }

    /// Bytes that wait to be written.
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

/// The entry that comes.
struct Current {
    index: u32,
    foreign: String,
    place: Place,
    /// Bytes of the file that was there before, and that it goes on from.
    found: u64,
    hasher: blake3::Hasher,
    /// How much of it has come.
    at: u64,
    /// The end of that, not written yet.
    block: Content,
    executable: bool,
    reported: (u64, Duration),
}

enum Place {
    Part { file: File, folder: Vec<String>, part: String, name: String },
    Out,
}

enum Storage {
    Folder(Box<Tree>),
    Out(Box<dyn Write + Send>),
}

struct Tree {
    root: Folder,
    name: SafePath,
    single: bool,
    continues: bool,
    executable: bool,
    plain: fn(&str) -> String,
    mode: u32,
    /// The peer's folders, by the hash of their path, as places in `made`.
    folders: HashMap<Key, usize>,
    /// Folders that were created: where in here the one is that each is in, and its name. That one comes first.
    made: Vec<(Option<usize>, String)>,
    /// An entry was not stored, and a folder may be empty.
    untidy: bool,
    /// Names that are taken in this batch, by the hash of their path.
    taken: HashSet<Key>,
    /// The folder that was used last.
    open: Option<(Vec<String>, Folder)>,
}

type Key = [u8; 16];

impl Storing {
    fn run(mut self, todo: &Receiver<Job>) {
        while let Some(job) = self.next(todo) {
            if self.given_up.load(Ordering::Relaxed) || self.act(job).is_none() {
                break;
            }
        }
        self.flush();
        self.target.leave(self.current.take());
        self.target.tidy();
    }

    /// The next of what to do. While there is nothing what has come is written.
    fn next(&mut self, todo: &Receiver<Job>) -> Option<Job> {
        if self.current.as_ref().is_some_and(|current| !current.block.0.is_empty()) {
            match todo.recv_timeout(IDLE) {
                Err(RecvTimeoutError::Timeout) => self.tell_how_far(true)?,
                job => return job.ok(),
            }
        }
        todo.recv().ok()
    }

    /// `None` once nobody listens any more.
    fn act(&mut self, job: Job) -> Option<()> {
        match job {
            Job::Look => {
                // If it cannot be, the beginning of the entry tells why.
                self.current = self.target.begin(0, self.target.only_name(), false).ok();
                self.say_what_there_is()
            }
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
                current.reported = (current.at, Clock.now());
                return Some(());
            }
            _ => self.target.leave(self.current.take()),
        }
        let mut told = false;
        let begun = loop {
            match self.target.begin(index, path.clone(), executable) {
                Err(Refused::Disk(_, error)) if is_full(&error) => self.wait_for_space(&mut told)?,
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
        // What still comes of an entry that was refused.
        let Some(current) = &self.current else { return Some(()) };
        if offset != current.at {
            if offset > 0 {
                return self.refuse(Refused::Stream);
            }
            self.restart()?;
        }
        let Some(current) = &mut self.current else { return Some(()) };
        current.block.0.extend_from_slice(bytes);
        current.at += bytes.len() as u64;
        if current.block.0.len() >= BLOCK { self.flush() } else { Some(()) }
    }

    /// What comes is not what there is of the entry.
    fn restart(&mut self) -> Option<()> {
        let mut told = false;
        loop {
            let current = self.current.as_mut()?;
            match self.target.restart(current) {
                Ok(()) => break,
                Err(error) if is_full(&error) => self.wait_for_space(&mut told)?,
                Err(error) if error.kind() == io::ErrorKind::NotSeekable => return self.refuse(Refused::Stream),
                Err(error) => return self.refuse(|path| Refused::Disk(path, error)),
            }
        }
        self.goes_on(&mut told)?;
        self.say(Report::Anew)
    }

    /// Writes and hashes what has come, in blocks large enough for both to be fast.
    fn flush(&mut self) -> Option<()> {
        let mut told = false;
        while let Some(current) = self.current.as_mut().filter(|current| !current.block.0.is_empty()) {
            match self.target.write(&mut current.place, &current.block.0) {
                Ok(0) => return self.refuse(|path| Refused::Disk(path, io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    current.hasher.update(current.block.0.get(..count).unwrap_or_default());
                    current.block.0.drain(..count);
                    self.goes_on(&mut told)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_full(&error) => self.wait_for_space(&mut told)?,
                Err(error) => return self.refuse(|path| Refused::Disk(path, error)),
            }
        }
        Some(())
    }

    /// Waits for a moment, and says why if that was not `told`. `None` once nobody wants the rest any more.
    fn wait_for_space(&mut self, told: &mut bool) -> Option<()> {
        if !std::mem::replace(told, true) {
            self.say(Report::Full)?;
        }
        let wanted = || (!self.given_up.load(Ordering::Relaxed)).then_some(());
        wanted()?;
        std::thread::sleep(RETRY);
        wanted()
    }

    /// Says that there is space, where the lack of it was `told`.
    fn goes_on(&mut self, told: &mut bool) -> Option<()> {
        if std::mem::take(told) { self.say(Report::GoesOn) } else { Some(()) }
    }

    /// Says how far the entry is: at once where nothing more comes, else now and then.
    fn tell_how_far(&mut self, idle: bool) -> Option<()> {
        let Some(current) = &mut self.current else { return Some(()) };
        let (bytes, at) = current.reported;
        let due = idle || Clock.now() >= at + REPORT;
        if due {
            self.flush()?;
        }
        let Some(current) = &mut self.current else { return Some(()) };
        let written = current.at - current.block.0.len() as u64;
        if due || written >= bytes + REPORT_BYTES {
            current.reported = (written, Clock.now());
            let seen = Report::Seen(current.index, written);
            self.say(seen)?;
        }
        Some(())
    }

    fn end(&mut self, hash: &Hash, size: u64) -> Option<()> {
        self.flush()?;
        let Some(current) = &self.current else { return Some(()) };
        if *hash == BROKEN {
            return self.refuse(Refused::Broken);
        }
        if size == 0 && current.at > 0 {
            self.restart()?;
        }
        let Some(current) = &self.current else { return Some(()) };
        if current.at != size || current.hasher.finalize() != blake3::Hash::from_bytes(*hash) {
            return self.refuse(Refused::Hash);
        }
        // What could not be synced may be gone although the next try succeeds.
        if let Err(error) = self.target.sync(current) {
            return self.refuse(|path| Refused::Disk(path, error));
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
        let (index, found, foreign) = (current.index, current.found, current.foreign.clone());
        let stored = finished.map(|name| Stored { name, size, found }).map_err(|error| {
            self.target.leave(Some(current));
            Refused::Disk(foreign, error)
        });
        self.say(Report::Done(index, stored))
    }

    fn refuse(&mut self, why: impl FnOnce(String) -> Refused) -> Option<()> {
        let current = self.current.take()?;
        let (index, path) = (current.index, current.foreign.clone());
        self.target.remove(current);
        self.say(Report::Done(index, Err(why(path))))
    }
}

impl Current {
    fn new(index: u32, foreign: String, place: Place, executable: bool) -> Self {
        let hasher = blake3::Hasher::new();
        Self {
            index,
            foreign,
            place,
            found: 0,
            hasher,
            at: 0,
            block: Content::default(),
            executable,
            reported: (0, Clock.now()),
        }
    }

    fn begin_anew(&mut self) {
        self.found = 0;
        self.block.0.clear();
        self.hasher.reset();
        self.at = 0;
        self.reported = (0, Clock.now());
    }
}

impl Storage {
    fn new(target: Target) -> Self {
        match target {
            Target::Out(out) => Self::Out(out),
            Target::Folder { folder, name, single, continues, executable, plain } => Self::Folder(Box::new(Tree {
                root: folder,
                name,
                single,
                continues,
                executable,
                plain,
                mode: 0o666 & !mask(),
                folders: HashMap::new(),
                made: Vec::new(),
                untidy: false,
                taken: HashSet::new(),
                open: None,
            })),
        }
    }

    fn only_name(&self) -> String {
        match self {
            Self::Folder(tree) => tree.name.name().to_owned(),
            Self::Out(_) => String::new(),
        }
    }

    /// Returns how many of the bytes were written.
    fn write(&mut self, place: &mut Place, bytes: &[u8]) -> io::Result<usize> {
        match (self, place) {
            (_, Place::Part { file, .. }) => file.write(bytes),
            (Self::Out(out), Place::Out) => out.write(bytes),
            (Self::Folder(_), Place::Out) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn begin(&mut self, index: u32, path: String, executable: bool) -> Result<Current, Refused> {
        match self {
            Self::Out(_) => Ok(Current::new(index, path, Place::Out, false)),
            Self::Folder(tree) => tree.begin(index, path, executable),
        }
    }

    /// Makes the content of an entry survive a power cut.
    fn sync(&self, current: &Current) -> io::Result<()> {
        match (self, &current.place) {
            (Self::Folder(tree), Place::Part { file, .. }) => tree.sync(file, current.executable),
            _ => Ok(()),
        }
    }

    fn finish(&mut self, current: &Current) -> io::Result<String> {
        match self {
            Self::Out(_) => Ok(String::new()),
            Self::Folder(tree) => tree.finish(current),
        }
    }

    /// Drops what there is of an entry.
    fn restart(&mut self, current: &mut Current) -> io::Result<()> {
        match (self, &mut current.place) {
            (Self::Folder(tree), _) if current.found > 0 => tree.renew(current),
            (_, Place::Part { file, .. }) => {
                file.set_len(0)?;
                file.rewind()?;
                current.begin_anew();
                Ok(())
            }
            (_, Place::Out) => Err(io::ErrorKind::NotSeekable.into()),
        }
    }

    /// The entry is not finished. Of a single file what there is stays, for another try.
    fn leave(&mut self, current: Option<Current>) {
        let Some(current) = current else { return };
        if current.at == 0 || matches!(&current.place, Place::Part { folder, .. } if !folder.is_empty()) {
            self.remove(current);
        }
    }

    /// Removes the folders of the batch in which nothing was stored.
    fn tidy(&mut self) {
        if let Self::Folder(tree) = self
            && tree.untidy
        {
            tree.tidy();
        }
    }

    /// Drops what came of an entry, and leaves what was there before as it was.
    fn remove(&mut self, current: Current) {
        match (self, current.place) {
            (_, Place::Part { file, .. }) if current.found > 0 => {
                let _ = file.set_len(current.found);
            }
            (Self::Folder(tree), Place::Part { folder, part, .. }) => {
                tree.untidy = true;
                let _ = tree.folder(&folder).and_then(|folder| folder.remove(&part));
            }
            _ => {}
        }
    }
}

impl Tree {
    fn begin(&mut self, index: u32, foreign: String, executable: bool) -> Result<Current, Refused> {
        let path = match SafePath::new(&foreign, self.plain) {
            Ok(path) => path,
            Err(why) => return Err(Refused::Path(foreign, why)),
        };
        // One entry is a file, or the only one of a folder.
        if path.first() != self.name.name() || path.folders().is_empty() && !self.single {
            return Err(Refused::OtherName(foreign));
        }
        match self.open_part(&path, self.continues && path.folders().is_empty()) {
            Ok(place) => {
                let mut current = Current::new(index, foreign, place, executable);
                match self.read_part(&mut current) {
                    Ok(()) => Ok(current),
                    Err(error) => Err(Refused::Disk(current.foreign, error)),
                }
            }
            Err(error) => Err(Refused::Disk(foreign, error)),
        }
    }

    /// A file that was there, and is not what comes, stays as it was: it may be the user's own.
    fn renew(&mut self, current: &mut Current) -> io::Result<()> {
        let path = SafePath::new(&current.foreign, self.plain).map_err(|_| io::ErrorKind::InvalidInput)?;
        let place = self.open_part(&path, false)?;
        if let Place::Part { file, .. } = std::mem::replace(&mut current.place, place) {
            file.set_len(current.found)?;
        }
        current.begin_anew();
        Ok(())
    }

    fn open_part(&mut self, path: &SafePath, old: bool) -> io::Result<Place> {
        let folder = self.place(path.folders())?;
        let inside = self.folder(&folder)?;
        for number in 1..PARTS {
            let part = part_of(path.name(), number);
            if let Some(file) = inside.part(&part, old)? {
                return Ok(Place::Part { file, folder, part, name: path.name().to_owned() });
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Hashes what there is of it already.
    fn read_part(&self, current: &mut Current) -> io::Result<()> {
        let Place::Part { file, .. } = &mut current.place else { return Ok(()) };
        file.seek(SeekFrom::Start(0))?;
        current.hasher.update_reader(&mut *file)?;
        current.at = file.stream_position()?;
        current.found = current.at;
        current.reported = (current.at, Clock.now());
        Ok(())
    }

    fn sync(&self, file: &File, executable: bool) -> io::Result<()> {
        let execute = if self.executable && executable { self.mode >> 2 & 0o111 } else { 0 };
        Folder::settle(file, self.mode | execute)
    }

    fn finish(&mut self, current: &Current) -> io::Result<String> {
        let Place::Part { folder, part, name, .. } = &current.place else { return Ok(String::new()) };
        let keys = if folder.is_empty() { self.root.keys()? } else { HashSet::new() };
        let taken = std::mem::take(&mut self.taken);
        let stored = self.folder(folder).and_then(|inside| {
            let is_taken =
                |name: &str| keys.contains(&collision_key(name)) || taken.contains(&key(folder, &collision_key(name)));
            inside.finish(part, name, is_taken)
        });
        self.taken = taken;
        let stored = stored?;
        self.taken.insert(key(folder, &collision_key(&stored)));
        // It is stored even if that fails.
        let _ = self.folder(folder).and_then(Folder::sync);
        Ok(folder.iter().chain([&stored]).map(String::as_str).collect::<Vec<_>>().join("/"))
    }

    /// Where the peer's folders lie, created where they are missing.
    fn place(&mut self, folders: &[String]) -> io::Result<Vec<String>> {
        let mut place = Vec::new();
        let mut inside = None;
        for depth in 1..=folders.len() {
            let foreign = folders.get(..depth).unwrap_or_default();
            let (name, above) = foreign.split_last().ok_or(io::ErrorKind::InvalidInput)?;
            let known = key(above, name);
            let number = match self.folders.get(&known) {
                Some(number) => *number,
                None => {
                    if self.made.len() >= ENTRIES as usize {
                        return Err(Errno::MLINK.into());
                    }
                    let keys = if depth == 1 { self.root.keys()? } else { HashSet::new() };
                    let taken = std::mem::take(&mut self.taken);
                    let created = self.folder(&place).and_then(|inside| {
                        inside.create_folder(name, |name| {
                            keys.contains(&collision_key(name)) || taken.contains(&key(&place, &collision_key(name)))
                        })
                    });
                    self.taken = taken;
                    let created = created?;
                    self.taken.insert(key(&place, &collision_key(&created)));
                    self.folders.insert(known, self.made.len());
                    self.made.push((inside, created));
                    self.made.len() - 1
                }
            };
            place.extend(self.made.get(number).map(|(_, name)| name.clone()));
            inside = Some(number);
        }
        Ok(place)
    }

    fn tidy(&mut self) {
        while let Some((mut inside, name)) = self.made.pop() {
            let mut place = Vec::new();
            while let Some((above, name)) = inside.and_then(|inside| self.made.get(inside)) {
                place.insert(0, name.clone());
                inside = *above;
            }
            // One that has something in it stays.
            let _ = self.folder(&place).and_then(|inside| inside.remove_folder(&name));
        }
    }

    fn folder(&mut self, place: &[String]) -> io::Result<&Folder> {
        if place.is_empty() {
            return Ok(&self.root);
        }
        if self.open.as_ref().is_none_or(|(open, _)| open != place) {
            let mut folder: Option<Folder> = None;
            for name in place {
                folder = Some(folder.as_ref().unwrap_or(&self.root).folder(name)?);
            }
            self.open = folder.map(|folder| (place.to_vec(), folder));
        }
        self.open.as_ref().map(|(_, folder)| folder).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// The umask, which can only be read by being set: once, for all threads.
fn mask() -> u32 {
    static MASK: OnceLock<u32> = OnceLock::new();
    *MASK.get_or_init(|| {
        let mask = umask(Mode::from_raw_mode(0o077));
        umask(mask);
        mask.as_raw_mode()
    })
}

/// Stands for a path without keeping it.
fn key(folders: &[String], name: &str) -> Key {
    let mut hasher = blake3::Hasher::new();
    for folder in folders {
        hasher.update(folder.as_bytes()).update(b"/");
    }
    let mut key = Key::default();
    hasher.update(name.as_bytes()).finalize_xof().fill(&mut key);
    key
}

fn size(pieces: &[(u64, Content)]) -> usize {
    pieces.iter().map(|(_, bytes)| bytes.0.len()).sum()
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_folders_are_made_than_files_may_come() {
        let scratch = std::env::temp_dir().join(format!("tete-folders-{}", std::process::id()));
        std::fs::create_dir(&scratch).unwrap();
        let plain: fn(&str) -> String = str::to_owned;
        let (folder, name) = (Folder::open(&scratch).unwrap(), SafePath::new("d", plain).unwrap());
        let target = Target::Folder { folder, name, single: false, continues: false, executable: false, plain };
        let Storage::Folder(mut tree) = Storage::new(target) else { panic!() };
        tree.made.resize(ENTRIES as usize - 1, (None, String::new()));
        let folders = ["d", "e"].map(str::to_owned);
        tree.place(&folders[..1]).unwrap();
        let refused = tree.place(&folders).map_err(|error| error.raw_os_error());
        assert_eq!(refused, Err(Some(Errno::MLINK.raw_os_error())));
        tree.place(&folders[..1]).unwrap();
        std::fs::remove_dir_all(scratch).unwrap();
    }
}
