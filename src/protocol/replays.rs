//! Protection against a replayed record 1.
//!
//! A pre-shared key authenticates record 1, so a recorded one passes again and
//! would cost a handshake and a place each time. The ephemeral key in it tells.

use std::collections::{HashSet, VecDeque};

use super::handshake::ephemeral;
use super::record::Record;

/// Number of ephemeral keys that are remembered (docs/PROTOCOL.md, section 10).
pub const REMEMBERED: usize = 4_096;

/// The latest [`REMEMBERED`] ephemeral keys that were accepted in a room.
#[derive(Default)]
pub struct Replays {
    known: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Replays {
    /// Whether a record 1 with the same ephemeral key was accepted before.
    pub fn knows(&self, record: &Record) -> bool {
        ephemeral(record).is_some_and(|key| self.known.contains(&key))
    }

    /// Remembers the ephemeral key of an accepted record 1.
    pub fn accepted(&mut self, record: &Record) {
        let Some(key) = ephemeral(record) else { return };
        if !self.known.insert(key) {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::record::SMALL;

    #[test]
    fn the_latest_are_known_and_memory_is_bounded() {
        let record = |number: usize| {
            let mut record = Box::new([0; SMALL]);
            record[10..18].copy_from_slice(&number.to_be_bytes());
            record
        };
        let mut replays = Replays::default();
        for number in 0..2 * REMEMBERED {
            assert!(!replays.knows(&record(number)));
            replays.accepted(&record(number));
            replays.accepted(&record(number));
        }
        assert!(!replays.knows(&record(REMEMBERED - 1)) && replays.knows(&record(REMEMBERED)));
        assert_eq!((replays.known.len(), replays.order.len()), (REMEMBERED, REMEMBERED));
    }
}
