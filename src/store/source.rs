//! The files to send: a file, a folder with everything in it, or standard input.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::folder::Folder;
use super::path::DEPTH;
use crate::protocol::frame::{EntryKind, PATH};
use crate::protocol::transfer::{ENTRIES, UNKNOWN};

/// Number of left-out paths that are remembered. The rest are only counted.
const NAMED: usize = 20;

/// A file, a folder or standard input, as it was when it was looked at.
pub struct Source {
    /// Name of the file or folder.
    pub name: String,
    /// Size of all files in bytes; [`UNKNOWN`] for standard input.
    pub bytes: u64,
    /// The files, and folders in which there is none.
    pub entries: Vec<Entry>,
    /// Files and folders that cannot be sent.
    pub left_out: LeftOut,
    /// Handle of the file or folder; `None` for standard input.
    pub root: Option<Root>,
}

/// The place of a file or folder, held open: a file that takes its place later is not read.
pub struct Root {
    path: PathBuf,
    /// The folder that is sent, or the one that the file is in.
    folder: Folder,
    /// Name of the file that is sent; `None` for a folder.
    name: Option<String>,
}

impl Root {
    /// Opens the place of a path without links.
    fn new(path: PathBuf, is_file: bool) -> io::Result<Self> {
        let above = path.parent().zip(path.file_name().and_then(|name| name.to_str()));
        let (folder, name) = match above.filter(|_| is_file) {
            Some((above, name)) => (Folder::open_without_links(above)?, Some(name.to_owned())),
            None => (Folder::open_without_links(&path)?, None),
        };
        Ok(Self { path, folder, name })
    }

    /// Opens an entry. Fails if a link or anything but a regular file is at its place.
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

    /// Checks that an entry that is a folder still is one.
    pub fn check_folder(&self, entry: &Entry) -> io::Result<()> {
        let mut inside: Option<Folder> = None;
        for folder in &entry.below {
            inside = Some(inside.as_ref().unwrap_or(&self.folder).folder(folder)?);
        }
        Ok(())
    }
}

/// One file of a source, or a folder in it of which nothing else is sent.
#[derive(Clone)]
pub struct Entry {
    /// Path below the root, name by name; empty if the root is the file.
    pub below: Vec<String>,
    /// State of the file when it was looked at.
    pub state: State,
    /// What the entry is.
    pub kind: EntryKind,
}

/// The metadata of a file by which a change is noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    /// Size in bytes.
    pub size: u64,
    modified: (i64, i64),
    inode: (u64, u64),
}

impl State {
    /// The state of something that is not looked at again.
    fn of_size(size: u64) -> Self {
        Self { size, modified: (0, 0), inode: (0, 0) }
    }

    /// Takes the state from the metadata of a file.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            inode: (metadata.dev(), metadata.ino()),
        }
    }
}

/// Files and folders of a source that are not sent.
#[derive(Default, Clone)]
pub struct LeftOut {
    /// The first 20 of them: their paths below the root, not printable, and the reasons.
    pub paths: Vec<(String, Unsendable)>,
    /// Number of all of them.
    pub count: usize,
    /// Number of those that a user would expect to be sent: not links, devices and the like.
    pub missing: usize,
}

/// Why a file or folder in a source is not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unsendable {
    /// It is a link, which could lead out of the folder.
    Link,
    /// It is neither a file nor a folder.
    Special,
    /// It is gone, or the user may not read it.
    Unreadable,
    /// Its name is not UTF-8, or its path is too long or too deep.
    Name,
}

/// Why a path cannot be sent.
#[derive(thiserror::Error, Debug)]
pub enum SourceError {
    /// The path cannot be read.
    #[error("cannot be read")]
    Unreadable(#[source] io::Error),
    /// The path is neither a file nor a folder.
    #[error("neither a file nor a folder")]
    Special,
    /// The path ends in no name, or in one that is too long or not UTF-8.
    #[error("no name to send it by")]
    Name,
    /// The path is the user's home or the root of the system, with everything that they have.
    #[error("a whole home or system")]
    Home,
    /// The path is a folder without a file that can be sent.
    #[error("no file to send")]
    Nothing,
    /// The folder holds more than [`ENTRIES`] files and empty folders.
    #[error("more than {ENTRIES} files")]
    TooMany,
}

impl Source {
    /// Looks at a file or folder. A link at `path` itself is followed, as the user named it; links below are left out.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if nothing at the path can be sent. What cannot be sent below it is [left out](LeftOut) instead.
    pub fn find(path: &Path) -> Result<Self, SourceError> {
        // What a descriptor in /dev/fd stands for need not have a path.
        let there = fs::metadata(path).map_err(SourceError::Unreadable)?;
        if !there.is_dir() && !there.is_file() {
            return Err(SourceError::Special);
        }
        let root = fs::canonicalize(path).map_err(SourceError::Unreadable)?;
        if root.parent().is_none()
            || std::env::home_dir().and_then(|home| fs::canonicalize(home).ok()) == Some(root.clone())
        {
            return Err(SourceError::Home);
        }
        let metadata = fs::metadata(&root).map_err(SourceError::Unreadable)?;
        // The name is the one that the user typed, if the path ends in one.
        let named = path.file_name().or(root.file_name());
        let name = named.and_then(|name| name.to_str()).filter(|name| name.len() <= PATH).map(str::to_owned);
        if !metadata.is_dir() && !metadata.is_file() {
            return Err(SourceError::Special);
        }
        let name = name.ok_or(SourceError::Name)?;
        let folder = root.clone();
        let root = Some(Root::new(root, metadata.is_file()).map_err(SourceError::Unreadable)?);
        let mut source = Self { name, bytes: 0, entries: Vec::new(), left_out: LeftOut::default(), root };
        if metadata.is_dir() {
            source.search(&folder, &mut Vec::new())?;
        } else {
            readable(path).map_err(SourceError::Unreadable)?;
            source.add_file(Vec::new(), &metadata)?;
        }
        if source.entries.is_empty() { Err(SourceError::Nothing) } else { Ok(source) }
    }

    /// Checks that standard input can be read, without reading any of it.
    ///
    /// # Errors
    ///
    /// The system's, if it is a folder or was not opened for reading.
    pub fn check_input() -> io::Result<()> {
        // The kernel refuses even an empty read of a folder, or of a file that was opened for writing only.
        rustix::io::read(rustix::stdio::stdin(), &mut [0_u8; 0][..])?;
        Ok(())
    }

    /// Standard input, offered under `name`.
    pub fn standard_input(name: String) -> Self {
        let entries = vec![Entry { below: Vec::new(), state: State::of_size(UNKNOWN), kind: EntryKind::File }];
        Self { name, bytes: UNKNOWN, entries, left_out: LeftOut::default(), root: None }
    }

    /// The path of an entry as it is sent: the name of the source, and the path below it.
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
        let before = self.entries.len();
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
                Ok(metadata) if readable(&path).is_ok() => self.add_file(below.clone(), &metadata)?,
                _ => self.leave_out(&path, Unsendable::Unreadable)?,
            }
            below.pop();
        }
        if self.entries.len() == before && !below.is_empty() {
            self.add(Entry { below: below.clone(), state: State::of_size(0), kind: EntryKind::Folder })?;
        }
        Ok(())
    }

    fn add_file(&mut self, below: Vec<String>, metadata: &Metadata) -> Result<(), SourceError> {
        let executable = metadata.permissions().mode() & 0o100 != 0;
        let kind = if executable { EntryKind::Executable } else { EntryKind::File };
        self.add(Entry { below, state: State::of(metadata), kind })
    }

    fn add(&mut self, entry: Entry) -> Result<(), SourceError> {
        if self.entries.len() >= ENTRIES as usize {
            return Err(SourceError::TooMany);
        }
        self.bytes = self.bytes.saturating_add(entry.state.size);
        self.entries.push(entry);
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
