//! What the process gives up before it holds a secret, and what it must be allowed.

use rustix::io::Result;
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// Files that are open at once in a room where little happens, beyond the standard ones.
const FILES: usize = 14;

/// No core dump, no debugger and no look into memory by other programs of the same user.
///
/// The limit alone would not do: it does not hold for dumps that are piped to a
/// program (core(5)). Also raises the limit of open files to what is allowed.
pub fn harden() -> Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let files = getrlimit(Resource::Nofile);
    // With fewer the listener drops its oldest callers sooner; no reason not to start.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum });
    Ok(())
}

/// Whether so many files may be open at once that a room can be made. What uses them panics where it cannot open one.
pub fn check_files() -> Result<()> {
    let mut spare = Vec::with_capacity(FILES);
    for _ in 0..FILES {
        spare.push(rustix::io::dup(rustix::stdio::stderr())?);
    }
    Ok(())
}
