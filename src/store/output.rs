//! Standard output, as files go there.

use std::io::{self, Write};

/// Standard output without a buffer between: so many bytes as [`write`](Write::write) says are gone, and no more.
pub struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(rustix::stdio::stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
