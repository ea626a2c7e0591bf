//! The places where the entries of a batch are stored: below a folder, or in one stream.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::umask;

use super::folder::{Folder, Identity};
use super::path::{Candidates, NAME, PathError, Rule, SafeName, SafePath};
use crate::clock;
use crate::protocol::frame::EntryKind;
use crate::protocol::transfer::ENTRIES;

/// Number of names in use that are passed over before an entry is refused.
const TRIES: u32 = 10_000;
/// Size of a block that is left out of a file if it has only zeroes: that of the usual file systems.
const BLOCK: usize = 4 << 10;
const ZEROES: &[u8] = &[0; BLOCK];

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
        /// The name of the offer, which is the file's or the top folder's, as the partner calls it.
        name: String,
        /// Number of entries of the batch.
        entries: u32,
        /// Whether executable files stay executable.
        executable: bool,
    },
    /// A stream that receives every entry, one after the other.
    Out(Box<dyn Write + Send>),
}

/// The entry that is arriving.
pub(super) struct Current {
    pub(super) index: u32,
    pub(super) foreign: String,
    pub(super) sink: Sink,
    /// Hash of everything that was written.
    pub(super) hasher: blake3::Hasher,
    /// Number of bytes that were written.
    pub(super) at: u64,
    pub(super) kind: EntryKind,
    /// Offset and time of the last report.
    pub(super) reported: (u64, Duration),
}

/// What the bytes of one entry are written to.
pub(super) enum Sink {
    /// A file in a folder: the name that it has, and the one that it gets when it is complete.
    Part { file: File, folder: Place, has: String, name: SafeName },
    /// A folder, by its index.
    Folder(usize),
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
    name: String,
    entries: u32,
    executable: bool,
    /// What the file system takes as a name, once that was found out.
    rule: Option<Rule>,
    /// Mode of a stored file that is not executable.
    mode: u32,
    /// The partner's folders, by the key of their path.
    folders: HashMap<Key, usize>,
    /// Folders that were created, each after the one it is in.
    made: Vec<Made>,
    /// Folders in which something was created or named, and that were not synced since.
    changed: HashSet<Place>,
    /// Folders that could not be synced. The disk may have lost what was done in them, whatever a later attempt says.
    unsafe_folders: HashMap<Place, io::Error>,
    /// An entry was not stored, so that a folder may be empty.
    untidy: bool,
    names: Names,
    /// The folder that was used last.
    open: Option<(usize, Folder)>,
}

/// A folder of a [`Tree`]: the root, or one that was created, as an index.
type Place = Option<usize>;

/// A folder that was created.
struct Made {
    above: Place,
    name: String,
    /// The change of its name, until an entry in it is stored.
    renamed: Option<Renamed>,
    identity: Identity,
    /// The folder was stored as an entry of its own, and stays though it may be empty.
    is_entry: bool,
}

/// A name that is not stored as the partner calls it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Renamed {
    /// Path of the file or folder, as the partner calls it.
    pub path: String,
    /// The name as the rule of this side's file system has it; the partner's if that is right.
    pub safe: String,
    /// The name that it has. It is `safe`, unless that was taken.
    pub stored: String,
}

impl Renamed {
    /// The change of the last of these names, if it is stored by another one.
    fn of(path: String, SafeName { foreign, safe }: &SafeName, stored: &str) -> Option<Self> {
        (foreign != stored).then(|| Self { path, safe: safe.clone(), stored: stored.to_owned() })
    }

    /// Whether the partner's name is not possible here, and not just taken.
    pub fn is_repaired(&self) -> bool {
        self.path.rsplit('/').next() != Some(&self.safe)
    }
}

/// The numbers to try next for names that were taken.
#[derive(Default)]
struct Names(HashMap<Key, u32>);

/// A hash that stands for a name in a folder, so that many of them need little memory.
type Key = [u8; 16];

impl Current {
    fn new(index: u32, foreign: String, sink: Sink, kind: EntryKind) -> Self {
        let hasher = blake3::Hasher::new();
        Self { index, foreign, sink, hasher, at: 0, kind, reported: (0, clock::now()) }
    }

    /// Sets the entry back to its start.
    fn begin_anew(&mut self) {
        self.hasher.reset();
        self.at = 0;
        self.reported = (0, clock::now());
    }
}

impl Storage {
    pub(super) fn new(target: Target) -> Self {
        match target {
            Target::Out(out) => Self::Out(out),
            Target::Folder { folder, name, entries, executable } => Self::Folder(Box::new(Tree {
                root: folder,
                name,
                entries,
                executable,
                rule: None,
                mode: 0o666 & !mask(),
                folders: HashMap::new(),
                made: Vec::new(),
                changed: HashSet::new(),
                unsafe_folders: HashMap::new(),
                untidy: false,
                names: Names::default(),
                open: None,
            })),
        }
    }

    /// Writes the next bytes of an entry, and returns how many were written, or are zeroes and need not be.
    pub(super) fn write(&mut self, current: &Current, bytes: &[u8]) -> io::Result<usize> {
        match (self, &current.sink) {
            (_, Sink::Part { file, .. }) => {
                let (zeroes, content) = next_run(current.at, bytes);
                // What was never written of a file reads as zeroes.
                if zeroes > 0 { Ok(zeroes) } else { file.write_at(content, current.at) }
            }
            (Self::Out(out), Sink::Out) => out.write(bytes),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    pub(super) fn begin(&mut self, index: u32, path: String, kind: EntryKind) -> Result<Current, StoreError> {
        match self {
            Self::Out(_) => Ok(Current::new(index, path, Sink::Out, kind)),
            Self::Folder(tree) => tree.begin(index, path, kind),
        }
    }

    /// Whether nothing more comes once so many entries have ended. A stream waits for no other.
    pub(super) fn is_last(&self, ended: u32) -> bool {
        match self {
            Self::Folder(tree) => ended >= tree.entries,
            Self::Out(_) => true,
        }
    }

    /// Sets the size and mode of a complete entry.
    pub(super) fn settle(&self, current: &Current) -> io::Result<()> {
        match (self, &current.sink) {
            (Self::Folder(tree), Sink::Part { file, .. }) => {
                Folder::settle(file, current.at, tree.mode_of(current.kind))
            }
            _ => Ok(()),
        }
    }

    /// Starts to bring the content of an entry to the disk, so that the disk gets that of many at once.
    pub(super) fn start_sync(&self, current: &Current) {
        if let Sink::Part { file, .. } = &current.sink {
            Folder::start_sync(file);
        }
    }

    /// Brings the content of an entry to the disk.
    pub(super) fn sync(&mut self, current: &Current) -> io::Result<()> {
        match (self, &current.sink) {
            (_, Sink::Part { file, .. }) => Folder::sync_file(file),
            (Self::Out(out), Sink::Out) => out.flush(),
            // The folders are synced after the names.
            (_, Sink::Folder(_)) => Ok(()),
            (Self::Folder(_), Sink::Out) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Gives an entry its final name, or one that is free, and returns its path below the root.
    pub(super) fn finish(&mut self, current: &mut Current) -> io::Result<String> {
        match self {
            Self::Out(_) => Ok(String::new()),
            Self::Folder(tree) => tree.finish(current),
        }
    }

    /// Brings the names of entries and folders to the disk.
    pub(super) fn sync_folders(&mut self) {
        if let Self::Folder(tree) = self {
            tree.sync_folders();
        }
    }

    /// Checks that the name of an entry is on the disk, and those of the folders on the way to it: then it is stored.
    ///
    /// Returns the names that are not the partner's, each once for all entries in its folder.
    pub(super) fn confirm(&mut self, current: &Current) -> io::Result<Vec<Renamed>> {
        match (self, &current.sink) {
            (Self::Folder(tree), Sink::Part { folder, has, name, .. }) => {
                tree.check(*folder)?;
                let own = Renamed::of(current.foreign.clone(), name, has);
                Ok(tree.renamed_above(*folder).into_iter().chain(own).collect())
            }
            (Self::Folder(tree), Sink::Folder(folder)) => {
                tree.check(Some(*folder))?;
                tree.made.get_mut(*folder).into_iter().for_each(|made| made.is_entry = true);
                Ok(tree.renamed_above(Some(*folder)))
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Sets an entry back to its start. A stream fails with [`io::ErrorKind::NotSeekable`].
    pub(super) fn restart(&mut self, current: &mut Current) -> io::Result<()> {
        match &mut current.sink {
            Sink::Part { file, .. } => {
                file.set_len(0)?;
                current.begin_anew();
                Ok(())
            }
            Sink::Out | Sink::Folder(_) => Err(io::ErrorKind::NotSeekable.into()),
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

    /// Removes an entry that was not stored.
    pub(super) fn remove(&mut self, current: Current) {
        let Self::Folder(tree) = self else { return };
        tree.untidy = true;
        if let Sink::Part { file, folder, has, .. } = current.sink {
            let _ = tree.folder(folder).and_then(|folder| folder.remove(&has, &file));
        }
    }
}

impl Tree {
    fn begin(&mut self, index: u32, foreign: String, kind: EntryKind) -> Result<Current, StoreError> {
        let rule = *self.rule.get_or_insert_with(|| self.root.rule());
        let path = match SafePath::new(&foreign, rule) {
            Ok(path) => path,
            Err(why) => return Err(StoreError::Path(foreign, why)),
        };
        // A path of one name is right only if the batch is one file.
        if path.first() != self.name || path.folders().is_empty() && self.entries != 1 {
            return Err(StoreError::OtherName(foreign));
        }
        let sink = match kind {
            EntryKind::Folder => self.create_folder(&path, rule),
            EntryKind::File | EntryKind::Executable => self.create(&path, rule),
        };
        match sink {
            Ok(sink) => Ok(Current::new(index, foreign, sink, kind)),
            Err(error) => Err(StoreError::Disk(foreign, error)),
        }
    }

    /// Finds the folder that stands for an entry, or creates it. One that came before is the same.
    fn create_folder(&mut self, path: &SafePath, rule: Rule) -> io::Result<Sink> {
        let place = self.place(path.names(), rule)?;
        place.map(Sink::Folder).ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    /// Creates the partial file of an entry.
    fn create(&mut self, path: &SafePath, rule: Rule) -> io::Result<Sink> {
        let Some(name) = path.names().last().cloned() else { return Err(io::ErrorKind::InvalidInput.into()) };
        let folder = self.place(path.folders(), rule)?;
        let part = Candidates::part(&name.safe, rule.longest);
        let mut names = std::mem::take(&mut self.names);
        let created =
            self.folder(folder).and_then(|inside| names.first_free(folder, &part, |part| inside.create(part)));
        self.names = names;
        let (has, file) = created?;
        Ok(Sink::Part { file, folder, has, name })
    }

    fn mode_of(&self, kind: EntryKind) -> u32 {
        let execute = if self.executable && kind == EntryKind::Executable { self.mode >> 2 & 0o111 } else { 0 };
        self.mode | execute
    }

    fn finish(&mut self, current: &mut Current) -> io::Result<String> {
        let (file, place, has, name) = match &mut current.sink {
            Sink::Part { file, folder, has, name } => (file, *folder, has, name),
            Sink::Folder(folder) => {
                self.changed.insert(Some(*folder));
                return Ok(self.path(Some(*folder)).join("/"));
            }
            Sink::Out => return Ok(String::new()),
        };
        let longest = self.rule.map_or(NAME, |rule| rule.longest);
        let whole = Candidates::new(&name.safe, longest);
        let mut names = std::mem::take(&mut self.names);
        let stored = self
            .folder(place)
            .and_then(|inside| names.first_free(place, &whole, |name| inside.finish(file, has, name)));
        self.names = names;
        (*has, ()) = stored?;
        self.changed.insert(place);
        Ok(self.path(place).into_iter().chain([&**has]).collect::<Vec<_>>().join("/"))
    }

    fn sync_folders(&mut self) {
        for place in std::mem::take(&mut self.changed) {
            if let Err(error) = self.folder(place).and_then(Folder::sync) {
                self.unsafe_folders.insert(place, error);
            }
        }
    }

    fn check(&self, mut place: Place) -> io::Result<()> {
        loop {
            if let Some(error) = self.unsafe_folders.get(&place) {
                return Err(error.raw_os_error().map_or(error.kind().into(), io::Error::from_raw_os_error));
            }
            let Some(number) = place else { return Ok(()) };
            place = self.made.get(number).and_then(|made| made.above);
        }
    }

    /// The names on the way from the root to a folder.
    fn path(&self, mut place: Place) -> Vec<&str> {
        let mut names = Vec::new();
        while let Some(made) = place.and_then(|place| self.made.get(place)) {
            names.push(made.name.as_str());
            place = made.above;
        }
        names.reverse();
        names
    }

    /// The changed names on the way from the root to a folder that were not told yet.
    fn renamed_above(&mut self, mut place: Place) -> Vec<Renamed> {
        let mut renamed = Vec::new();
        while let Some(made) = place.and_then(|place| self.made.get_mut(place)) {
            renamed.extend(made.renamed.take());
            place = made.above;
        }
        renamed.reverse();
        renamed
    }

    /// Finds the folder that stands for the partner's, and creates those that are missing.
    fn place(&mut self, folders: &[SafeName], rule: Rule) -> io::Result<Place> {
        let (mut place, mut path) = (None, String::new());
        for name in folders {
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(&name.foreign);
            let known = key(place, &name.foreign);
            let number = match self.folders.get(&known) {
                Some(number) => *number,
                None => {
                    if self.made.len() >= ENTRIES as usize {
                        return Err(Errno::MLINK.into());
                    }
                    let candidates = Candidates::new(&name.safe, rule.longest);
                    let mut names = std::mem::take(&mut self.names);
                    let created = self
                        .folder(place)
                        .and_then(|inside| names.first_free(place, &candidates, |name| inside.create_folder(name)));
                    self.names = names;
                    let (stored, identity) = created?;
                    let renamed = Renamed::of(path.clone(), name, &stored);
                    self.changed.insert(place);
                    self.folders.insert(known, self.made.len());
                    self.made.push(Made { above: place, name: stored, renamed, identity, is_entry: false });
                    self.made.len() - 1
                }
            };
            place = Some(number);
        }
        Ok(place)
    }

    /// Removes the created folders that are empty, the innermost first.
    fn tidy(&mut self) {
        while let Some(Made { above, name, identity, is_entry, .. }) = self.made.pop() {
            if !is_entry {
                // A folder that is not empty stays.
                let _ = self.folder(above).and_then(|inside| inside.remove_folder(&name, identity));
            }
        }
    }

    /// Opens a folder, or takes the one that was used last. Fails if another folder is at the place of one that was
    /// created.
    fn folder(&mut self, place: Place) -> io::Result<&Folder> {
        let Some(number) = place else { return Ok(&self.root) };
        if self.open.as_ref().is_none_or(|(open, _)| *open != number) {
            let mut way = Vec::new();
            let mut above = place;
            while let Some(made) = above.and_then(|above| self.made.get(above)) {
                way.push(made);
                above = made.above;
            }
            let mut folder: Option<Folder> = None;
            for made in way.into_iter().rev() {
                let inside = folder.as_ref().unwrap_or(&self.root).folder(&made.name)?;
                if inside.identity()? != made.identity {
                    return Err(io::ErrorKind::NotFound.into());
                }
                folder = Some(inside);
            }
            self.open = folder.map(|folder| (number, folder));
        }
        self.open.as_ref().map(|(_, folder)| folder).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Names {
    /// Creates something by the first name in a folder that is free, and returns the name.
    ///
    /// `create` fails with [`io::ErrorKind::AlreadyExists`] where a name is in use, also by another spelling that the
    /// file system takes for the same. The next search goes on from there, so that many of the same name cost no more
    /// than as many of different ones.
    fn first_free<T>(
        &mut self,
        folder: Place,
        names: &Candidates,
        mut create: impl FnMut(&str) -> io::Result<T>,
    ) -> io::Result<(String, T)> {
        let is_taken = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
        let first = names.first();
        match create(&first) {
            Err(error) if is_taken(&error) => {}
            created => return created.map(|created| (first, created)),
        }
        let next = self.0.entry(key(folder, &names.key())).or_insert(2);
        for _ in 0..TRIES {
            let name = names.numbered(*next);
            match create(&name) {
                Err(error) if is_taken(&error) => *next = next.saturating_add(1),
                created => return created.map(|created| (name, created)),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// Finds what bytes at an offset in a file begin with: the number of zeroes, if they fill every block that they touch, or
/// else everything up to the next block that has only zeroes.
fn next_run(offset: u64, bytes: &[u8]) -> (usize, &[u8]) {
    let first = BLOCK - (offset % BLOCK as u64) as usize;
    let (head, rest) = bytes.split_at(first.min(bytes.len()));
    let mut blocks = std::iter::once(head).chain(rest.chunks(BLOCK));
    let is_zero = |block: &&[u8]| ZEROES.starts_with(block);
    let zeroes = blocks.clone().take_while(is_zero).map(<[u8]>::len).sum();
    if zeroes > 0 {
        return (zeroes, &[]);
    }
    let length: usize = blocks.by_ref().take_while(|block| !is_zero(block)).map(<[u8]>::len).sum();
    (0, bytes.get(..length).unwrap_or_default())
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

/// Computes the key of a name in a folder.
fn key(folder: Place, name: &str) -> Key {
    let mut hasher = blake3::Hasher::new();
    let folder = folder.map_or(u64::MAX, |folder| folder as u64);
    let mut key = Key::default();
    hasher.update(&folder.to_le_bytes()).update(name.as_bytes()).finalize_xof().fill(&mut key);
    key
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn no_more_folders_are_made_than_files_may_come() {
        let scratch = std::env::temp_dir().join(format!("tete-folders-{}", std::process::id()));
        std::fs::create_dir(&scratch).unwrap();
        let folder = Folder::open(&scratch).unwrap();
        let identity = folder.identity().unwrap();
        let target = Target::Folder { folder, name: "d".into(), entries: 2, executable: false };
        let Storage::Folder(mut tree) = Storage::new(target) else { panic!() };
        tree.made.resize_with(ENTRIES as usize - 1, || Made {
            above: None,
            name: String::new(),
            renamed: None,
            identity,
            is_entry: false,
        });
        let path = SafePath::new("d/e", Rule::UNIX).unwrap();
        tree.place(path.folders(), Rule::UNIX).unwrap();
        let refused = tree.place(path.names(), Rule::UNIX).map_err(|error| error.raw_os_error());
        assert_eq!(refused, Err(Some(Errno::MLINK.raw_os_error())));
        tree.place(path.folders(), Rule::UNIX).unwrap();
        std::fs::remove_dir_all(scratch).unwrap();
    }

    #[test]
    fn every_block_of_zeroes_is_a_run_of_its_own_and_nothing_else_is() {
        let mut content = vec![0; 10 * BLOCK + 100];
        for place in [3 * BLOCK + 7, 4 * BLOCK, 7 * BLOCK - 1, 10 * BLOCK + 3] {
            content[place] = 1;
        }
        for piece in [1, 100, BLOCK - 1, BLOCK, 3 * BLOCK + 5, content.len()] {
            let (mut written, mut blocks) = (vec![0; content.len()], HashSet::new());
            for (number, mut bytes) in content.chunks(piece).enumerate() {
                let mut at = number * piece;
                while !bytes.is_empty() {
                    let (zeroes, run) = next_run(at as u64, bytes);
                    assert!((zeroes > 0) == run.is_empty());
                    written[at..at + run.len()].copy_from_slice(run);
                    blocks.extend((at..at + run.len()).map(|place| place / BLOCK));
                    at += zeroes + run.len();
                    bytes = &bytes[zeroes + run.len()..];
                }
            }
            assert_eq!(written, content);
            assert_eq!(blocks, HashSet::from([3, 4, 6, 10]), "pieces of {piece}");
        }
    }

    #[test]
    fn many_of_the_same_name_cost_no_more_than_as_many_of_different_ones() {
        const FILES: usize = 12_000;
        let same = |_| "a".to_owned();
        // Of 16 letters, each large or small; a file system may take them all for one.
        let spelled = |file: usize| (0..16).map(|bit| if file >> bit & 1 == 0 { 'a' } else { 'A' }).collect();
        let numbered = |file: usize| Candidates::new("a", NAME).numbered(file as u32);
        // Twice each, and alike but for their ends, which make room for a number.
        let long = |file: usize| format!("{}{:06}", "x".repeat(NAME - 6), file / 2);
        let wide = |file: usize| format!("{}{:06}", "x".repeat(NAME - 18), file / 2) + "x (1).tar.gz";
        let names: [&dyn Fn(usize) -> String; 5] = [&same, &spelled, &numbered, &long, &wide];
        for (case, folds) in (0..names.len()).flat_map(|case| [(case, false), (case, true)]) {
            let (mut numbers, mut there, looks) = (Names::default(), HashSet::new(), Cell::new(0));
            let create = |there: &mut HashSet<String>, name: &str| {
                looks.set(looks.get() + 1);
                assert!(name.len() <= NAME);
                let is_new = there.insert(if folds { name.to_lowercase() } else { name.to_owned() });
                if is_new { Ok(()) } else { Err(io::ErrorKind::AlreadyExists.into()) }
            };
            for file in 0..FILES {
                let name = names[case](file);
                let part = Candidates::part(&name, NAME);
                numbers.first_free(None, &part, |part| create(&mut there, part)).unwrap();
                let whole = Candidates::new(&name, NAME);
                numbers.first_free(None, &whole, |name| create(&mut there, name)).unwrap();
            }
            assert_eq!(there.len(), 2 * FILES);
            assert!(looks.get() < 8 * FILES, "{case}: {}", looks.get());
        }
    }
}
