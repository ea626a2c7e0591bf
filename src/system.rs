//! Errors of the operating system, by kind.

use std::io::{self, ErrorKind};

use rustix::io::Errno;
use serde::Serialize;

/// The reason why the operating system refused something.
///
/// The only place that reads the kind of an [`io::Error`] to tell a person or a program what went wrong.
#[derive(thiserror::Error, Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum SystemError {
    /// The user has no right to do this.
    #[error("permission denied")]
    PermissionDenied,
    /// The file or folder does not exist.
    #[error("not found")]
    NotFound,
    /// The file or folder exists already.
    #[error("already exists")]
    AlreadyExists,
    /// A file where a folder is needed.
    #[error("not a folder")]
    NotAFolder,
    /// A folder where a file is needed.
    #[error("a folder")]
    IsAFolder,
    /// A folder that must be empty and is not.
    #[error("folder not empty")]
    NotEmpty,
    /// A name that the file system does not allow.
    #[error("invalid file name")]
    InvalidFilename,
    /// Too many symbolic links in a row, or one where none may be.
    #[error("too many symbolic links")]
    SymbolicLink,
    /// Bytes that are not text.
    #[error("not text")]
    NotText,
    /// No space is left on the disk, or in the user's quota.
    #[error("disk full")]
    DiskFull,
    /// The file is larger than the file system allows.
    #[error("file too large")]
    FileTooLarge,
    /// The file system is mounted read-only.
    #[error("read-only file system")]
    ReadOnly,
    /// The disk reports an error.
    #[error("input/output error")]
    Disk,
    /// Somebody else uses it.
    #[error("busy")]
    Busy,
    /// The reader of the pipe, or the other end of the connection, is gone.
    #[error("closed by the other end")]
    Closed,
    /// Another program uses the port.
    #[error("address in use")]
    AddressInUse,
    /// This machine does not have the address.
    #[error("address not available")]
    AddressNotAvailable,
    /// Nothing listens there.
    #[error("connection refused")]
    ConnectionRefused,
    /// Nothing answered in time.
    #[error("timed out")]
    TimedOut,
    /// No route leads there, or the network is down.
    #[error("unreachable")]
    Unreachable,
    /// The system has no file descriptor left for this.
    #[error("too many open files")]
    TooManyFiles,
    /// The system has no room for another thread or process.
    #[error("too many threads")]
    TooManyThreads,
    /// The system has no memory left for this.
    #[error("out of memory")]
    OutOfMemory,
    /// The system does not know the operation, or not for this kind of file.
    #[error("not supported")]
    Unsupported,
    /// The random generator, or another cryptographic primitive, failed.
    #[error("a cryptographic primitive failed")]
    Cryptography,
    /// Any other error, by the number that the system gives it (errno).
    #[error("error {0}")]
    Number(i32),
    /// An error of which nothing is known.
    #[error("unknown error")]
    Unknown,
}

impl From<&io::Error> for SystemError {
    fn from(error: &io::Error) -> Self {
        let number = error.raw_os_error();
        match number.map(Errno::from_raw_os_error) {
            Some(Errno::MFILE | Errno::NFILE) => return Self::TooManyFiles,
            // Of all that fails so, only threads and processes come here: nothing that would block is told.
            Some(Errno::AGAIN) => return Self::TooManyThreads,
            Some(Errno::LOOP) => return Self::SymbolicLink,
            Some(Errno::IO) => return Self::Disk,
            _ => {}
        }
        match error.kind() {
            ErrorKind::PermissionDenied => Self::PermissionDenied,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::AlreadyExists => Self::AlreadyExists,
            ErrorKind::NotADirectory => Self::NotAFolder,
            ErrorKind::IsADirectory => Self::IsAFolder,
            ErrorKind::DirectoryNotEmpty => Self::NotEmpty,
            ErrorKind::InvalidFilename => Self::InvalidFilename,
            ErrorKind::InvalidData => Self::NotText,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::DiskFull,
            ErrorKind::FileTooLarge => Self::FileTooLarge,
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            ErrorKind::ResourceBusy | ErrorKind::ExecutableFileBusy => Self::Busy,
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::NotConnected
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => Self::Closed,
            ErrorKind::AddrInUse => Self::AddressInUse,
            ErrorKind::AddrNotAvailable => Self::AddressNotAvailable,
            ErrorKind::ConnectionRefused => Self::ConnectionRefused,
            ErrorKind::TimedOut => Self::TimedOut,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => Self::Unreachable,
            ErrorKind::OutOfMemory => Self::OutOfMemory,
            ErrorKind::Unsupported | ErrorKind::InvalidInput | ErrorKind::NotSeekable => Self::Unsupported,
            _ => number.map_or(Self::Unknown, Self::Number),
        }
    }
}

impl From<io::Error> for SystemError {
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_kind_or_at_least_its_number() {
        let of = |errno: Errno| SystemError::from(io::Error::from(errno));
        assert_eq!(of(Errno::ACCESS), SystemError::PermissionDenied);
        assert_eq!(of(Errno::PERM), SystemError::PermissionDenied);
        assert_eq!(of(Errno::NOSPC), SystemError::DiskFull);
        assert_eq!(of(Errno::DQUOT), SystemError::DiskFull);
        assert_eq!(of(Errno::MFILE), SystemError::TooManyFiles);
        assert_eq!(of(Errno::AGAIN), SystemError::TooManyThreads);
        assert_eq!(of(Errno::IO), SystemError::Disk);
        assert_eq!(of(Errno::XDEV), SystemError::Number(Errno::XDEV.raw_os_error()));
        assert_eq!(SystemError::from(io::Error::other("x")), SystemError::Unknown);
    }
}
