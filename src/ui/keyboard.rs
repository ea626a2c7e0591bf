//! Where keys come from.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use crossterm::event::{self, Event};
use rustix::event::{PollFd, PollFlags, Timespec};

/// How often is looked whether the terminal is still there.
const LOOK: Duration = Duration::from_millis(250);

/// Waits for the next key, paste or change of size. An error once the terminal is gone.
pub fn next_event() -> io::Result<Event> {
    while !event::poll(LOOK)? {
        if has_hung_up(io::stdin()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    event::read()
}

/// Whether the other end of a terminal is gone. The library would go on reading it for ever, without a pause.
fn has_hung_up(terminal: impl AsFd) -> bool {
    let mut polled = [PollFd::new(&terminal, PollFlags::empty())];
    let at_once = Timespec::default();
    rustix::event::poll(&mut polled, Some(&at_once)).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_terminal_without_its_other_end_has_hung_up() {
        let pair = portable_pty::native_pty_system().openpty(portable_pty::PtySize::default()).unwrap();
        let terminal = File::options().read(true).write(true).open(pair.master.tty_name().unwrap()).unwrap();
        assert!(!has_hung_up(&terminal));
        pair.master.take_writer().unwrap().write_all(b"keys\r").unwrap();
        assert!(!has_hung_up(&terminal));
        drop(pair);
        assert!(has_hung_up(&terminal));
    }
}
