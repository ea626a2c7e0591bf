//! Folders by their handle: every step is relative to an open folder, follows no link and replaces nothing.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{
    Access, AtFlags, CWD, Mode, OFlags, RenameFlags, ResolveFlags, Stat, accessat, fchmod, flock, fstat, fstatvfs,
    fsync, linkat, mkdirat, openat, openat2, renameat_with, statat, unlinkat,
};
use rustix::fs::{Dir, FileType, FlockOperation};
use rustix::io::Errno;
use rustix::process::getuid;

use super::path::{collision_key, numbered};

/// Number of names that are tried before the creation of a file fails.
const TRIES: u32 = 10_000;

/// An open folder.
pub struct Folder(File);

impl Folder {
    /// Opens a folder that the user named. Links in the path are followed, as they are the user's own.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, path, flags, Mode::empty())?.into()))
    }

    /// Opens a folder by a path, and fails if any part of the path is a link.
    pub fn open_without_links(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        let no_links = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match openat2(CWD, path, flags, Mode::empty(), no_links) {
            Err(Errno::NOSYS | Errno::PERM) => Ok(Self(openat(CWD, path, flags, Mode::empty())?.into())),
            opened => Ok(Self(opened?.into())),
        }
    }

    /// Opens a folder in this one, unless it is a link.
    pub fn folder(&self, name: &str) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Self(self.open_at(name, flags, Mode::empty())?))
    }

    /// Opens a file in this folder for reading, unless it is a link. Does not block on a pipe without a writer.
    pub fn read(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        self.open_at(name, flags, Mode::empty())
    }

    fn open_at(&self, name: &str, flags: OFlags, mode: Mode) -> io::Result<File> {
        // Without openat2(2) O_NOFOLLOW is enough, as a name has no separator and so nothing else to resolve.
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match openat2(&self.0, name, flags, mode, beneath) {
            Err(Errno::NOSYS | Errno::PERM) => Ok(openat(&self.0, name, flags, mode)?.into()),
            opened => Ok(opened?.into()),
        }
    }

    /// Checks that the user may create files in a folder.
    pub fn check(path: &Path) -> io::Result<()> {
        accessat(CWD, path, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?;
        Self::open(path)?.room().map(drop)
    }

    /// Creates a folder by `name`, or by the next [numbered] name that is free and not `taken`, and returns its name.
    pub fn create_folder(&self, name: &str, taken: impl Fn(&str) -> bool) -> io::Result<String> {
        first_free(name, taken, |name| mkdirat(&self.0, name, Mode::from_raw_mode(0o777)))
    }

    /// Creates and locks a partial file. With `old` an existing one is opened instead.
    ///
    /// `None` if the name is in use: by anything without `old`; with `old` by what is not a regular file that only this
    /// user can have written to, and by a file that another program has locked.
    pub fn part(&self, name: &str, old: bool) -> io::Result<Option<File>> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = match self.open_at(name, flags | OFlags::CREATE | OFlags::EXCL, mode) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !old => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match self.open_at(name, flags, Mode::empty()) {
                    Ok(file) if is_ours(&fstat(&file)?) => file,
                    // A link, a pipe, a device, or somebody else's file.
                    _ => return Ok(None),
                }
            }
            file => file?,
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Size of a partial file in bytes; 0 if there is none that can be continued.
    pub fn size_of_part(&self, name: &str) -> u64 {
        match statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if is_ours(&stat) => u64::try_from(stat.st_size).unwrap_or(0),
            _ => 0,
        }
    }

    /// Sets the mode of a complete partial file and syncs its content to the disk.
    pub fn settle(file: &File, mode: u32) -> io::Result<()> {
        fchmod(file, Mode::from_raw_mode(mode))?;
        Ok(fsync(file)?)
    }

    /// Renames a complete partial file to `name`, or to the next [numbered] name that is free and not `taken`, and
    /// returns the name.
    pub fn finish(&self, part: &str, name: &str, taken: impl Fn(&str) -> bool) -> io::Result<String> {
        first_free(name, taken, |name| match renameat_with(&self.0, part, &self.0, name, RenameFlags::NOREPLACE) {
            // Not every file system knows RENAME_NOREPLACE.
            Err(Errno::INVAL | Errno::NOSYS) => {
                linkat(&self.0, part, &self.0, name, AtFlags::empty())?;
                unlinkat(&self.0, part, AtFlags::empty())
            }
            renamed => renamed,
        })
    }

    /// The [`collision_key`]s of all names in this folder.
    pub fn keys(&self) -> io::Result<HashSet<String>> {
        let mut keys = HashSet::new();
        for entry in Dir::read_from(&self.0)? {
            keys.insert(collision_key(&entry?.file_name().to_string_lossy()));
        }
        Ok(keys)
    }

    /// Removes a file from this folder.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Removes an empty folder from this folder.
    pub fn remove_folder(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    /// Syncs the folder to the disk, so that a power cut does not undo what was created or renamed in it.
    pub fn sync(&self) -> io::Result<()> {
        Ok(fsync(&self.0)?)
    }

    /// Number of bytes that may be stored in this folder: the free space less a twentieth.
    pub fn room(&self) -> io::Result<u64> {
        let system = fstatvfs(&self.0)?;
        let free = system.f_bavail.saturating_mul(system.f_frsize);
        Ok(free - free / 20)
    }
}

/// Creates something by the first name that is neither `taken` nor in use on the disk, and returns the name.
fn first_free(
    name: &str,
    taken: impl Fn(&str) -> bool,
    mut create: impl FnMut(&str) -> Result<(), Errno>,
) -> io::Result<String> {
    for name in (1..TRIES).map(|number| numbered(name, number)).filter(|name| !taken(name)) {
        match create(&name) {
            Ok(()) => return Ok(name),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Whether only this user can have written to the file: a regular one of theirs with mode 0600 and no second name.
fn is_ours(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && stat.st_uid == getuid().as_raw()
        && stat.st_nlink == 1
        && stat.st_mode & 0o777 == 0o600
}
