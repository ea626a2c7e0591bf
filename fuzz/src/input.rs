//! A terminal that sends any bytes at any times.

use std::collections::VecDeque;
use std::time::Duration;

use tete::protocol::delivery::TEXT;
use tete::ui::keyboard::{Event, Framing, KeyCode, KeyEvent, KeyModifiers, SILENCE};

use crate::START;

/// A terminal, and the time at it.
struct Terminal {
    framing: Framing,
    now: Duration,
    out: VecDeque<Event>,
}

impl Terminal {
    fn new() -> Self {
        Self { framing: Framing::default(), now: START, out: VecDeque::new() }
    }

    fn after(&mut self, pause: Duration, bytes: &[u8]) {
        self.now += pause;
        while let Some(due) = self.framing.deadline().filter(|due| *due <= self.now) {
            self.framing.tick(due, &mut self.out);
        }
        self.framing.feed(bytes, self.now, &mut self.out);
    }
}

/// Feeds `bytes` in bursts. Each step is the length of one, the time before it, and the length of its reads.
pub fn play(bytes: &[u8], steps: &[u8]) {
    let (mut whole, mut cut) = (Terminal::new(), Terminal::new());
    let mut rest = bytes;
    for [length, pause, reads] in steps.as_chunks().0.iter().take(200) {
        let (burst, more) = rest.split_at(rest.len().min((*length).into()));
        rest = more;
        let pause = Duration::from_millis(u64::from(*pause) * u64::from(*pause) / 16);
        whole.after(pause, burst);
        cut.after(pause, b"");
        burst.chunks(usize::from(*reads).max(1)).for_each(|read| cut.after(Duration::ZERO, read));
    }
    whole.after(Duration::ZERO, rest);
    rest.iter().for_each(|byte| cut.after(Duration::ZERO, &[*byte]));
    assert_eq!(whole.out, cut.out);
    for event in &whole.out {
        if let Event::Paste(text) = event {
            // A byte that is no character becomes one of three bytes.
            assert!(text.len() <= 3 * TEXT && !text.contains('\r'));
        }
    }
    wipes(whole);
}

/// The keys that wipe everything are heard, whatever came before.
fn wipes(mut terminal: Terminal) {
    terminal.after(2 * SILENCE, b"");
    terminal.after(SILENCE, b"\x18p");
    terminal.after(SILENCE, b"");
    let key = |c, held| Event::Key(KeyEvent::new(KeyCode::Char(c), held));
    let keys = [key('x', KeyModifiers::CONTROL), key('p', KeyModifiers::NONE)];
    let last: Vec<_> = terminal.out.iter().rev().take(2).rev().cloned().collect();
    assert_eq!(last, keys);
}
