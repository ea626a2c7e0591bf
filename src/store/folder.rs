//! Folders by their handle: every step is relative to an open folder, follows no link and replaces nothing.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::path::Path;

use rustix::fs::{
    Access, Advice, AtFlags, CWD, Mode, OFlags, RenameFlags, ResolveFlags, Stat, accessat, fadvise, fchmod, fstat,
    fstatfs, fstatvfs, fsync, linkat, mkdirat, openat, openat2, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::path::{NAME, Rule};

/// Kinds of file systems with the names of Windows, as statfs(2) numbers them: vfat, exFAT, both drivers of NTFS, and
/// three of shares.
const OF_WINDOWS: [u32; 7] = [0x4d44, 0x2011_bab0, 0x5346_544e, 0x7366_746e, 0x517b, 0xff53_4d42, 0xfe53_4d42];
/// Number of names that are tried for a file that finds out what the file system takes.
const PROBES: u32 = 16;

/// What makes a file or folder this one and no other: its device and inode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity(u64, u64);

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

    /// Checks that the user may create files in a folder, by one that is removed at once: not every folder that may be
    /// written to takes any.
    pub fn check(path: &Path) -> io::Result<()> {
        accessat(CWD, path, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?;
        let folder = Self::open(path)?;
        for number in 0..PROBES {
            let name = format!(".tete-{}-{number}", std::process::id());
            match folder.create(&name) {
                Ok(file) => {
                    let _ = folder.remove(&name, &file);
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // Room can be made before anything comes.
                Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        folder.room().map(drop)
    }

    /// Creates a folder. Fails with [`io::ErrorKind::AlreadyExists`] if the name is in use.
    pub fn create_folder(&self, name: &str) -> io::Result<Identity> {
        mkdirat(&self.0, name, Mode::from_raw_mode(0o777))?;
        self.folder(name)?.identity()
    }

    /// The identity of this folder.
    pub fn identity(&self) -> io::Result<Identity> {
        identity(&self.0)
    }

    /// Creates a partial file, which only this user can read. Fails with [`io::ErrorKind::AlreadyExists`] if the name
    /// is in use: what has it is not opened.
    pub fn create(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.open_at(name, flags, Mode::RUSR | Mode::WUSR)
    }

    /// Gives an open file of this folder the final `name` in place of the name `part`.
    ///
    /// Fails with [`io::ErrorKind::AlreadyExists`] if the name is in use, and with [`io::ErrorKind::NotFound`] if the
    /// file was removed meanwhile. Whatever has the name `part` by then: no other file gets the final name.
    pub fn finish(&self, file: &File, part: &str, name: &str) -> io::Result<()> {
        match self.link(file, name) {
            Ok(()) => {
                // The file is complete under its name, whether the other one can be removed or not.
                let _ = self.remove(part, file);
                Ok(())
            }
            Err(Errno::EXIST) => Err(Errno::EXIST.into()),
            // A file system without links, a system without /proc, or a file that was removed.
            Err(_) => self.rename(file, part, name),
        }
    }

    /// Links the open file itself, which no other can take the place of.
    fn link(&self, file: &File, name: &str) -> Result<(), Errno> {
        let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
        linkat(CWD, descriptor, &self.0, name, AtFlags::SYMLINK_FOLLOW)
    }

    /// Renames a file, and takes the name back if another file got it in that moment.
    fn rename(&self, file: &File, part: &str, name: &str) -> io::Result<()> {
        let wanted = identity(file)?;
        if self.identity_of(part)? != wanted {
            return Err(io::ErrorKind::NotFound.into());
        }
        renameat_with(&self.0, part, &self.0, name, RenameFlags::NOREPLACE)?;
        if self.identity_of(name)? != wanted {
            let _ = renameat_with(&self.0, name, &self.0, part, RenameFlags::NOREPLACE);
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(())
    }

    fn identity_of(&self, name: &str) -> io::Result<Identity> {
        Ok(statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?.into())
    }

    /// Removes a name of an open file, if it is still that file's.
    pub fn remove(&self, name: &str, file: &File) -> io::Result<()> {
        if self.identity_of(name)? != identity(file)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Removes a folder from this one if it is empty and still `this` folder.
    pub fn remove_folder(&self, name: &str, this: Identity) -> io::Result<()> {
        if self.identity_of(name)? != this {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    /// Sets the size and mode of a complete partial file.
    pub fn settle(file: &File, size: u64, mode: u32) -> io::Result<()> {
        // A hole at the end of the file was never written.
        file.set_len(size)?;
        Ok(fchmod(file, Mode::from_raw_mode(mode))?)
    }

    /// Starts to write the content of a file to the disk.
    ///
    /// This is what the kernel does on the advice that the content is not needed any more. An error stays with the
    /// file for [`sync_file`](Self::sync_file).
    pub fn start_sync(file: &File) {
        let _ = fadvise(file, 0, None, Advice::DontNeed);
    }

    /// Writes the content, size and mode of a file to the disk. Fails, too, if an earlier attempt of the system did.
    ///
    /// Not syncfs(2) for many files at once: it waits for the writes of every other program, fails for theirs, and
    /// before Linux 5.8 does not fail for any. After it succeeded there is no error left that close(2) could report.
    pub fn sync_file(file: &File) -> io::Result<()> {
        Ok(fsync(file)?)
    }

    /// What the file system takes as a name in this folder.
    pub fn rule(&self) -> Rule {
        let longest = fstatvfs(&self.0).map_or(0, |system| system.f_namemax);
        let longest = usize::try_from(longest).ok().filter(|longest| (1..NAME).contains(longest)).unwrap_or(NAME);
        Rule { strict: self.is_of_windows() || self.refuses_names_of_unix(), longest }
    }

    /// Whether a disk or share is of a kind that Windows reads, too.
    fn is_of_windows(&self) -> bool {
        #[allow(clippy::unnecessary_cast, reason = "the type differs from machine to machine, and may have a sign")]
        fstatfs(&self.0).is_ok_and(|system| OF_WINDOWS.contains(&(system.f_type as u32)))
    }

    /// Tries a name that only a Unix system takes, by a file that is removed at once.
    fn refuses_names_of_unix(&self) -> bool {
        for number in 0..PROBES {
            let plain = format!(".tete-{}-{number}", std::process::id());
            let name = format!("{plain}:\\?.");
            match self.create(&name) {
                Ok(file) => {
                    let without_dot = name.trim_end_matches('.');
                    let is_same =
                        self.identity_of(without_dot).ok().is_some_and(|other| identity(&file).ok() == Some(other));
                    let _ = self.remove(&name, &file);
                    return is_same;
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // Where nothing can be created at all it is not the name.
                Err(_) => {
                    let Ok(file) = self.create(&plain) else { return false };
                    let _ = self.remove(&plain, &file);
                    return true;
                }
            }
        }
        false
    }

    /// Syncs the folder to the disk, so that a power cut does not undo what was created or renamed in it.
    pub fn sync(&self) -> io::Result<()> {
        match fsync(&self.0) {
            // A file system that knows no sync of folders, and so keeps its names in its own way.
            Err(Errno::INVAL) => Ok(()),
            synced => Ok(synced?),
        }
    }

    /// Number of bytes that may be stored in this folder: the free space less a twentieth.
    pub fn room(&self) -> io::Result<u64> {
        let system = fstatvfs(&self.0)?;
        let free = system.f_bavail.saturating_mul(system.f_frsize);
        Ok(free - free / 20)
    }
}

fn identity(file: impl AsFd) -> io::Result<Identity> {
    Ok(fstat(file)?.into())
}

impl From<Stat> for Identity {
    fn from(stat: Stat) -> Self {
        Self(stat.st_dev, stat.st_ino)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_a_unix_file_system_takes_its_names_and_keeps_nothing_of_the_question() {
        let path = std::env::temp_dir().join(format!("tete-rule-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        // Names that are taken do not answer it.
        let taken = path.join(format!(".tete-{}-0:\\?.", std::process::id()));
        std::fs::write(&taken, "mine").unwrap();
        assert_eq!(Folder::open(&path).unwrap().rule(), Rule::UNIX);
        assert_eq!(std::fs::read(&taken).unwrap(), b"mine");
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
        std::fs::remove_dir_all(path).unwrap();
        // Where nothing can be created, no name is to blame.
        assert!(!Folder::open(Path::new("/proc/self")).unwrap().rule().strict);
    }

    impl Folder {
        /// Opens a folder in which everything can be done, and that cannot be synced.
        pub fn unsyncable(path: &Path) -> io::Result<Self> {
            let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
            Ok(Self(openat(CWD, path, flags, Mode::empty())?.into()))
        }
    }
}
