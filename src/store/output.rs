//! Standard output as the target of received files.

use std::io::{self, Write};

/// Standard output without a buffer: exactly the bytes that [`write`](Write::write) reports have left the process.
pub struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(rustix::stdio::stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
