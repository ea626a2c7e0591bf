//! Stopping as every program does on Ctrl-Z, and as a SIGTSTP from elsewhere asks.

use std::fs;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

/// Number of programs that are looked at between this one and its shell.
const ABOVE: usize = 64;

/// How long a stop may take to come, after which the program was continued if it runs.
pub const STOP: Duration = Duration::from_millis(200);

/// Whether a shell watches over this program and can continue it. Elsewhere the system would not stop it either.
pub fn can_be_continued() -> bool {
    let Some(own) = Place::of("self") else { return false };
    let mut parent = own.parent;
    for _ in 0..ABOVE {
        let Some(above) = Place::of(&parent.to_string()).filter(|above| above.session == own.session) else {
            return false;
        };
        if above.group != own.group {
            return true;
        }
        parent = above.parent;
    }
    false
}

/// Stops the program until it is continued, within [`STOP`]. The terminal was given back before.
pub fn stop() {
    // SIGTSTP is caught, and so would not stop it.
    let _ = kill_process(getpid(), Signal::STOP);
}

/// Where a process stands among the others.
struct Place {
    parent: i32,
    group: i32,
    session: i32,
}

impl Place {
    fn of(process: &str) -> Option<Self> {
        Self::read(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
    }

    /// Reads proc_pid_stat(5). The name of the program, in parentheses, may have any character.
    fn read(stat: &str) -> Option<Self> {
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(1);
        let mut number = || fields.next()?.parse().ok();
        Some(Self { parent: number()?, group: number()?, session: number()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_stands_where_its_line_says_whatever_it_is_called() {
        let place = Place::read("77 (a) S 1 2 (b)) S 5 6 7 34816 6 4194304").unwrap();
        assert_eq!((place.parent, place.group, place.session), (5, 6, 7));
        assert!(Place::of("self").is_some() && Place::read("77 (a) S 1").is_none());
    }
}
