//! Standard output as the target of received files.

use std::io::{self, Write};

use rustix::io::Errno;

/// Standard output without a buffer: exactly the bytes that [`write`](Write::write) reports have left the process.
///
/// [`flush`](Write::flush) brings them to the disk where standard output is a file.
pub struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(rustix::stdio::stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        match rustix::fs::fsync(rustix::stdio::stdout()) {
            // A pipe, a socket or a device.
            Err(Errno::INVAL | Errno::ROFS) => Ok(()),
            synced => Ok(synced?),
        }
    }
}
