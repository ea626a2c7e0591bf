//! What a wire may do to what is written: TCP keeps bytes and their order, and nothing else.

use std::collections::VecDeque;
use std::time::Duration;

/// In which pieces a direction of a connection hands on its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wire {
    /// Each segment arrives by itself.
    Whole,
    /// All that is under way arrives in one read.
    Joined,
    /// Each byte arrives by itself.
    Bytewise,
    /// The segment of that number is lost: it arrives once it was sent again, in one read with all that follows.
    LosesOne(usize),
    /// All that was written arrives together, every half second.
    Bursts,
    /// A read ends in front of the byte of that number. All else that is under way arrives in one read.
    Cut(usize),
}

/// Time between two bursts.
pub const BURST: Duration = Duration::from_millis(500);

/// One direction of a connection in memory.
pub struct Direction {
    wire: Wire,
    segments: VecDeque<Vec<u8>>,
    /// Segments that have arrived.
    arrived: usize,
    /// Bytes that have arrived.
    bytes: usize,
    /// When the last burst came.
    burst_at: Duration,
}

impl Direction {
    /// A direction that nothing was written to.
    pub fn new(wire: Wire) -> Self {
        Self { wire, segments: VecDeque::new(), arrived: 0, bytes: 0, burst_at: Duration::ZERO }
    }

    /// Takes what was written at once.
    pub fn write(&mut self, segment: Vec<u8>) {
        self.segments.push_back(segment);
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The next read. `None` while nothing arrives.
    ///
    /// What was lost is sent again when it is `overdue`: when nothing else moves.
    pub fn read(&mut self, now: Duration, overdue: bool) -> Option<Vec<u8>> {
        let first = self.segments.front()?.len();
        let under_way: usize = self.segments.iter().map(Vec::len).sum();
        let count = match self.wire {
            Wire::Whole => first,
            Wire::Joined => under_way,
            Wire::Bytewise => 1,
            Wire::LosesOne(lost) if self.arrived != lost => first,
            Wire::LosesOne(_) if overdue => under_way,
            Wire::Bursts if now >= self.burst_at + BURST => {
                self.burst_at = now;
                under_way
            }
            Wire::LosesOne(_) | Wire::Bursts => return None,
            Wire::Cut(at) if (1..under_way).contains(&at.saturating_sub(self.bytes)) => at - self.bytes,
            Wire::Cut(_) => under_way,
        };
        Some(self.take(count))
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let mut read = Vec::with_capacity(count);
        while let Some(segment) = self.segments.front_mut().filter(|_| read.len() < count) {
            let part = segment.len().min(count - read.len());
            read.extend(segment.drain(..part));
            if segment.is_empty() {
                self.segments.pop_front();
                self.arrived += 1;
            }
        }
        self.bytes += read.len();
        read
    }
}
