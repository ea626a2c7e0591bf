//! What the user wants to send: a file, or a folder with all that is in it.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::folder::Folder;
use super::path::DEPTH;
use crate::protocol::frame::PATH;
use crate::protocol::transfer::{ENTRIES, UNKNOWN};

/// Left-out names that are remembered; the rest is counted.
const NAMED: usize = 20;

/// A file or folder, as it was when it was looked at.
pub struct Source {
    /// Its own name.
    pub name: String,
    /// Bytes of all its files; [`UNKNOWN`] for a stream.
    pub bytes: u64,
    /// Its files.
    pub entries: Vec<Entry>,
    /// What is in it and cannot be sent.
    pub left_out: LeftOut,
    /// Where it lies; nowhere for standard input.
    pub root: Option<Root>,
}

/// Where a file or folder lies, by a handle: what takes its place meanwhile is not read.
pub struct Root {
    path: PathBuf,
    /// The folder itself, or the one that the file is in.
    folder: Folder,
    /// The file's name there.
    name: Option<String>,
}

impl Root {
    /// Of a path without links.
    fn new(path: PathBuf, is_file: bool) -> io::Result<Self> {
        let above = path.parent().zip(path.file_name().and_then(|name| name.to_str()));
        let (folder, name) = match above.filter(|_| is_file) {
            Some((above, name)) => (Folder::open_without_links(above)?, Some(name.to_owned())),
            None => (Folder::open_without_links(&path)?, None),
        };
        Ok(Self { path, folder, name })
    }

    /// Opens an entry without following a link.
    pub fn open(&self, entry: &Entry) -> io::Result<File> {
        let file = match (&self.name, entry.below.split_last()) {
            (Some(name), _) => self.folder.read(name)?,
            (None, Some((name, folders))) => {
                let mut inside: Option<Folder> = None;
                for folder in folders {
                    inside = Some(inside.as_ref().unwrap_or(&self.folder).folder(folder)?);
                }
                inside.as_ref().unwrap_or(&self.folder).read(name)?
            }
            (None, None) => return Err(io::ErrorKind::InvalidInput.into()),
        };
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }
}

/// One file.
#[derive(Clone)]
pub struct Entry {
    /// Names below the root; none if the root is the file.
    pub below: Vec<String>,
    /// What tells whether it is still the same.
    pub state: State,
    /// Whether it may be executed.
    pub executable: bool,
}

/// What tells whether a file is still the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    /// Bytes.
    pub size: u64,
    modified: (i64, i64),
    inode: (u64, u64),
}

impl State {
    /// Of an open file.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            inode: (metadata.dev(), metadata.ino()),
        }
    }
}

/// What cannot be sent.
#[derive(Default, Clone)]
pub struct LeftOut {
    /// The first of them, by their paths, as they are on the disk.
    pub paths: Vec<(String, Unsendable)>,
    /// How many in all.
    pub count: usize,
    /// How many of them are no links, devices and the like, and would be sent if they could be.
    pub missing: usize,
}

/// Why something cannot be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unsendable {
    /// A link, which could lead out of the folder.
    Link,
    /// Neither a file nor a folder.
    Special,
    /// Not allowed to be read, or gone.
    Unreadable,
    /// Its name is not UTF-8, or too long, or too deep.
    Name,
    /// A folder without a file.
    Empty,
}

/// Why a path cannot be sent.
#[derive(thiserror::Error, Debug)]
pub enum SourceError {
    /// The path cannot be read.
    #[error("cannot be read")]
    Unreadable(#[source] io::Error),
    /// The path is neither a file nor a folder, or a folder without a file in it.
    #[error("no file to send")]
    Nothing,
    /// The folder holds more than [`ENTRIES`] files.
    #[error("more than {ENTRIES} files")]
    TooMany,
}

impl Source {
    /// Looks at a file or folder. A link is followed here, for the user named it, and nowhere below.
    pub fn find(path: &Path) -> Result<Self, SourceError> {
        let root = fs::canonicalize(path).map_err(SourceError::Unreadable)?;
        let metadata = fs::metadata(&root).map_err(SourceError::Unreadable)?;
        // By the name the user knows it by, if it has one.
        let named = path.file_name().or(root.file_name());
        let name = named.and_then(|name| name.to_str()).filter(|name| name.len() <= PATH).map(str::to_owned);
        let name = name.ok_or(SourceError::Nothing)?;
        if !metadata.is_dir() && !metadata.is_file() {
            return Err(SourceError::Nothing);
        }
        let folder = root.clone();
        let root = Some(Root::new(root, metadata.is_file()).map_err(SourceError::Unreadable)?);
        let mut source = Self { name, bytes: 0, entries: Vec::new(), left_out: LeftOut::default(), root };
        if metadata.is_dir() {
            source.search(&folder, &mut Vec::new())?;
        } else {
            readable(path).map_err(SourceError::Unreadable)?;
            source.add(Vec::new(), &metadata)?;
        }
        if source.entries.is_empty() { Err(SourceError::Nothing) } else { Ok(source) }
    }

    /// Standard input, under that name.
    pub fn standard_input(name: String) -> Self {
        let state = State { size: UNKNOWN, modified: (0, 0), inode: (0, 0) };
        let entries = vec![Entry { below: Vec::new(), state, executable: false }];
        Self { name, bytes: UNKNOWN, entries, left_out: LeftOut::default(), root: None }
    }

    /// Path of an entry below the batch's name, that name first.
    pub fn path(&self, entry: &Entry) -> String {
        [&self.name].into_iter().chain(&entry.below).map(String::as_str).collect::<Vec<_>>().join("/")
    }

    fn search(&mut self, folder: &Path, below: &mut Vec<String>) -> Result<(), SourceError> {
        let listed = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
        let mut found: Vec<PathBuf> = match listed {
            Ok(found) => found,
            Err(error) if below.is_empty() => return Err(SourceError::Unreadable(error)),
            Err(_) => return self.leave_out(folder, Unsendable::Unreadable),
        };
        if found.is_empty() && !below.is_empty() {
            return self.leave_out(folder, Unsendable::Empty);
        }
        found.sort();
        for path in found {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                self.leave_out(&path, Unsendable::Name)?;
                continue;
            };
            below.push(name.to_owned());
            let length = self.name.len() + below.iter().map(|name| name.len() + 1).sum::<usize>();
            match fs::symlink_metadata(&path) {
                _ if length > PATH || below.len() >= DEPTH => self.leave_out(&path, Unsendable::Name)?,
                Ok(metadata) if metadata.is_symlink() => self.leave_out(&path, Unsendable::Link)?,
                Ok(metadata) if metadata.is_dir() => self.search(&path, below)?,
                Ok(metadata) if !metadata.is_file() => self.leave_out(&path, Unsendable::Special)?,
                Ok(metadata) if readable(&path).is_ok() => self.add(below.clone(), &metadata)?,
                _ => self.leave_out(&path, Unsendable::Unreadable)?,
            }
            below.pop();
        }
        Ok(())
    }

    fn add(&mut self, below: Vec<String>, metadata: &Metadata) -> Result<(), SourceError> {
        if self.entries.len() >= ENTRIES as usize {
            return Err(SourceError::TooMany);
        }
        self.bytes = self.bytes.saturating_add(metadata.len());
        let executable = metadata.permissions().mode() & 0o100 != 0;
        self.entries.push(Entry { below, state: State::of(metadata), executable });
        Ok(())
    }

    fn leave_out(&mut self, path: &Path, why: Unsendable) -> Result<(), SourceError> {
        self.left_out.count += 1;
        self.left_out.missing += usize::from(matches!(why, Unsendable::Unreadable | Unsendable::Name));
        if self.left_out.paths.len() < NAMED {
            let root = self.root.as_ref().map_or(Path::new(""), |root| &root.path);
            let shown = path.strip_prefix(root).unwrap_or(path);
            self.left_out.paths.push((shown.to_string_lossy().into_owned(), why));
        }
        Ok(())
    }
}

fn readable(path: &Path) -> io::Result<()> {
    Ok(accessat(CWD, path, Access::READ_OK, AtFlags::EACCESS)?)
}
