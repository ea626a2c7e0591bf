//! The places where the entries of a batch are stored: below a folder, or in one stream.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::umask;

use super::folder::Folder;
use super::path::{PathError, SafePath, collision_key, part_of};
use crate::clock;
use crate::protocol::transfer::{Content, ENTRIES};

/// Number of names that are tried for a partial file.
const PARTS: u32 = 100;

/// Why an entry was not stored. Each holds the entry's path as the partner calls it, not printable.
#[derive(thiserror::Error, Debug)]
pub enum StoreError {
    /// The path cannot be stored.
    #[error("the path cannot be stored")]
    Path(String, #[source] PathError),
    /// The path does not belong to the offer.
    #[error("the path does not belong to the offer")]
    OtherName(String),
    /// The bytes that came do not have the hash or the size that the sender names.
    #[error("the hash is wrong")]
    Hash(String),
    /// The sender could not read the entry whole.
    #[error("the sender could not read it whole")]
    Broken(String),
    /// A stream would have to restart, which it cannot.
    #[error("a stream cannot restart")]
    Stream(String),
    /// The disk refused.
    #[error("cannot be written")]
    Disk(String, #[source] io::Error),
}

/// The place where a batch is stored.
pub enum Target {
    /// Files below a folder.
    Folder {
        /// The folder, an existing one.
        folder: Folder,
        /// The name of the offer: a path of one name, which is the file's or the top folder's.
        name: SafePath,
        /// Whether the batch has one entry.
        single: bool,
        /// Whether a partial file of the only entry is continued. Not for a stream, which cannot be read again.
        continues: bool,
        /// Whether executable files stay executable.
        executable: bool,
        /// Replaces the characters of a name that must not be shown.
        plain: fn(&str) -> String,
    },
    /// A stream that receives every entry, one after the other.
    Out(Box<dyn Write + Send>),
}

/// The entry that is arriving.
pub(super) struct Current {
    pub(super) index: u32,
    pub(super) foreign: String,
    pub(super) sink: Sink,
    /// Size of the partial file that was there before and is continued.
    pub(super) found: u64,
    /// Hash of everything that was written.
    pub(super) hasher: blake3::Hasher,
    /// Number of bytes that have come.
    pub(super) at: u64,
    /// The last of those bytes, which are not written yet.
    pub(super) block: Content,
    pub(super) executable: bool,
    /// Offset and time of the last report.
    pub(super) reported: (u64, Duration),
}

/// What the bytes of one entry are written to.
pub(super) enum Sink {
    /// A partial file in a folder below the root, and the name that it gets when it is complete.
    Part { file: File, folder: Vec<String>, part: String, name: String },
    /// The stream of the batch.
    Out,
}

/// The state of a [`Target`] while a batch is stored.
pub(super) enum Storage {
    Folder(Box<Tree>),
    Out(Box<dyn Write + Send>),
}

/// The files of a batch below a folder.
pub(super) struct Tree {
    root: Folder,
    name: SafePath,
    single: bool,
    continues: bool,
    executable: bool,
    plain: fn(&str) -> String,
    /// Mode of a stored file that is not executable.
    mode: u32,
    /// The partner's folders, by the key of their path, as indices in `made`.
    folders: HashMap<Key, usize>,
    /// Folders that were created: the index of the parent, which comes first, and the name.
    made: Vec<(Option<usize>, String)>,
    /// An entry was not stored, so that a folder may be empty.
    untidy: bool,
    /// Names that this batch has used, by the key of their path.
    taken: HashSet<Key>,
    /// The folder that was used last.
    open: Option<(Vec<String>, Folder)>,
}

/// A hash that stands for a path, so that paths of many files need little memory.
type Key = [u8; 16];

impl Current {
    fn new(index: u32, foreign: String, sink: Sink, executable: bool) -> Self {
        let hasher = blake3::Hasher::new();
        Self {
            index,
            foreign,
            sink,
            found: 0,
            hasher,
            at: 0,
            block: Content::default(),
            executable,
            reported: (0, clock::now()),
        }
    }

    /// Sets the entry back to its start.
    fn begin_anew(&mut self) {
        self.found = 0;
        self.block.0.clear();
        self.hasher.reset();
        self.at = 0;
        self.reported = (0, clock::now());
    }
}

impl Storage {
    pub(super) fn new(target: Target) -> Self {
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

    pub(super) fn only_name(&self) -> String {
        match self {
            Self::Folder(tree) => tree.name.name().to_owned(),
            Self::Out(_) => String::new(),
        }
    }

    /// Writes bytes of an entry, and returns how many were written.
    pub(super) fn write(&mut self, sink: &mut Sink, bytes: &[u8]) -> io::Result<usize> {
        match (self, sink) {
            (_, Sink::Part { file, .. }) => file.write(bytes),
            (Self::Out(out), Sink::Out) => out.write(bytes),
            (Self::Folder(_), Sink::Out) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    pub(super) fn begin(&mut self, index: u32, path: String, executable: bool) -> Result<Current, StoreError> {
        match self {
            Self::Out(_) => Ok(Current::new(index, path, Sink::Out, false)),
            Self::Folder(tree) => tree.begin(index, path, executable),
        }
    }

    /// Syncs the content of an entry to the disk.
    pub(super) fn sync(&self, current: &Current) -> io::Result<()> {
        match (self, &current.sink) {
            (Self::Folder(tree), Sink::Part { file, .. }) => tree.sync(file, current.executable),
            _ => Ok(()),
        }
    }

    pub(super) fn finish(&mut self, current: &Current) -> io::Result<String> {
        match self {
            Self::Out(_) => Ok(String::new()),
            Self::Folder(tree) => tree.finish(current),
        }
    }

    /// Sets an entry back to its start: an empty file, which is another one if the old one was there before.
    /// A stream fails with [`io::ErrorKind::NotSeekable`].
    pub(super) fn restart(&mut self, current: &mut Current) -> io::Result<()> {
        match (self, &mut current.sink) {
            (Self::Folder(tree), _) if current.found > 0 => tree.renew(current),
            (_, Sink::Part { file, .. }) => {
                file.set_len(0)?;
                file.rewind()?;
                current.begin_anew();
                Ok(())
            }
            (_, Sink::Out) => Err(io::ErrorKind::NotSeekable.into()),
        }
    }

    /// Gives up an unfinished entry. The partial file of a single file stays, for another try.
    pub(super) fn leave(&mut self, current: Option<Current>) {
        let Some(current) = current else { return };
        if current.at == 0 || matches!(&current.sink, Sink::Part { folder, .. } if !folder.is_empty()) {
            self.remove(current);
        }
    }

    /// Removes the folders of the batch in which nothing was stored, if there can be any.
    pub(super) fn tidy(&mut self) {
        if let Self::Folder(tree) = self
            && tree.untidy
        {
            tree.tidy();
        }
    }

    /// Removes an entry. A partial file that was there before is cut back to its size.
    pub(super) fn remove(&mut self, current: Current) {
        match (self, current.sink) {
            (_, Sink::Part { file, .. }) if current.found > 0 => {
                let _ = file.set_len(current.found);
            }
            (Self::Folder(tree), Sink::Part { folder, part, .. }) => {
                tree.untidy = true;
                let _ = tree.folder(&folder).and_then(|folder| folder.remove(&part));
            }
            _ => {}
        }
    }
}

impl Tree {
    fn begin(&mut self, index: u32, foreign: String, executable: bool) -> Result<Current, StoreError> {
        let path = match SafePath::new(&foreign, self.plain) {
            Ok(path) => path,
            Err(why) => return Err(StoreError::Path(foreign, why)),
        };
        // A path of one name is right only if the batch is one file.
        if path.first() != self.name.name() || path.folders().is_empty() && !self.single {
            return Err(StoreError::OtherName(foreign));
        }
        match self.open_part(&path, self.continues && path.folders().is_empty()) {
            Ok(sink) => {
                let mut current = Current::new(index, foreign, sink, executable);
                match self.read_part(&mut current) {
                    Ok(()) => Ok(current),
                    Err(error) => Err(StoreError::Disk(current.foreign, error)),
                }
            }
            Err(error) => Err(StoreError::Disk(foreign, error)),
        }
    }

    /// Moves an entry to a new partial file. The old one, which may be the user's own, gets back the content it had.
    fn renew(&mut self, current: &mut Current) -> io::Result<()> {
        let path = SafePath::new(&current.foreign, self.plain).map_err(|_| io::ErrorKind::InvalidInput)?;
        let sink = self.open_part(&path, false)?;
        if let Sink::Part { file, .. } = std::mem::replace(&mut current.sink, sink) {
            file.set_len(current.found)?;
        }
        current.begin_anew();
        Ok(())
    }

    fn open_part(&mut self, path: &SafePath, old: bool) -> io::Result<Sink> {
        let folder = self.place(path.folders())?;
        let inside = self.folder(&folder)?;
        for number in 1..PARTS {
            let part = part_of(path.name(), number);
            if let Some(file) = inside.part(&part, old)? {
                return Ok(Sink::Part { file, folder, part, name: path.name().to_owned() });
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Hashes the content that the partial file has already.
    fn read_part(&self, current: &mut Current) -> io::Result<()> {
        let Sink::Part { file, .. } = &mut current.sink else { return Ok(()) };
        file.seek(SeekFrom::Start(0))?;
        current.hasher.update_reader(&mut *file)?;
        current.at = file.stream_position()?;
        current.found = current.at;
        current.reported = (current.at, clock::now());
        Ok(())
    }

    fn sync(&self, file: &File, executable: bool) -> io::Result<()> {
        let execute = if self.executable && executable { self.mode >> 2 & 0o111 } else { 0 };
        Folder::settle(file, self.mode | execute)
    }

    /// Gives the partial file its final name, or one that is free, and returns its path below the root.
    fn finish(&mut self, current: &Current) -> io::Result<String> {
        let Sink::Part { folder, part, name, .. } = &current.sink else { return Ok(String::new()) };
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
        // The file is stored even if this sync fails.
        let _ = self.folder(folder).and_then(Folder::sync);
        Ok(folder.iter().chain([&stored]).map(String::as_str).collect::<Vec<_>>().join("/"))
    }

    /// Finds the folders that stand for the partner's, and creates those that are missing.
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

    /// Removes the created folders that are empty, the innermost first.
    fn tidy(&mut self) {
        while let Some((mut inside, name)) = self.made.pop() {
            let mut place = Vec::new();
            while let Some((above, name)) = inside.and_then(|inside| self.made.get(inside)) {
                place.insert(0, name.clone());
                inside = *above;
            }
            // A folder that is not empty stays.
            let _ = self.folder(&place).and_then(|inside| inside.remove_folder(&name));
        }
    }

    /// Opens a folder below the root, or takes the one that was used last.
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

/// The umask, read once for all threads, as reading it means setting it.
fn mask() -> u32 {
    static MASK: OnceLock<u32> = OnceLock::new();
    *MASK.get_or_init(|| {
        let mask = umask(Mode::from_raw_mode(0o077));
        umask(mask);
        mask.as_raw_mode()
    })
}

/// Computes the key of a path.
fn key(folders: &[String], name: &str) -> Key {
    let mut hasher = blake3::Hasher::new();
    for folder in folders {
        hasher.update(folder.as_bytes()).update(b"/");
    }
    let mut key = Key::default();
    hasher.update(name.as_bytes()).finalize_xof().fill(&mut key);
    key
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
