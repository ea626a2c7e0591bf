//! Threads beside the one of the runtime.

use std::io;

/// Runs `work` in a thread of its own.
///
/// # Errors
///
/// The system has no room for another thread, at which [`std::thread::spawn`] panics.
pub fn start(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().spawn(work).map(drop)
}
