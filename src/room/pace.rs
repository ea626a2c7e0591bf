//! The pace of returns to a room.
//!
//! Each return has a new code, and whoever holds a stolen invite could draw new ones many times a second by cutting the
//! connection. So both sides wait before a return the longer, the more there were lately (docs/PROTOCOL.md, section 8).

use std::collections::VecDeque;
use std::time::Duration;

/// Pauses before the attempts to come back, and between returns. The last one repeats.
const PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];
/// How long a return counts.
const LATELY: Duration = Duration::from_secs(60);

/// The pause that follows so many attempts, or so many returns lately.
pub fn pause(times: usize) -> Duration {
    PAUSES.get(times).or(PAUSES.last()).copied().unwrap_or_default()
}

/// The times of the latest returns, as many as make a difference.
#[derive(Default)]
pub struct Pace(VecDeque<Duration>);

impl Pace {
    /// Number of returns lately, up to that of the longest pause.
    pub fn lately(&self, now: Duration) -> usize {
        self.0.iter().filter(|at| now < **at + LATELY).count()
    }

    /// Counts a return at `now`.
    pub fn returned(&mut self, now: Duration) {
        if self.0.len() + 1 >= PAUSES.len() {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    /// Counts a return at `now` if enough time has passed since the one before, else tells when that will be.
    pub fn try_return(&mut self, now: Duration) -> Result<(), Duration> {
        let at = self.0.back().map(|last| *last + pause(self.lately(now)));
        match at.filter(|at| now < *at) {
            Some(at) => Err(at),
            None => {
                self.returned(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_that_follow_each_other_keep_a_growing_distance_and_one_now_and_then_none() {
        let mut pace = Pace::default();
        let mut now = Duration::from_secs(1_000);
        let mut distances = Vec::new();
        for _ in 0..8 {
            let before = now;
            while let Err(at) = pace.try_return(now) {
                assert!(at > now);
                now = at;
            }
            distances.push((now - before).as_millis());
        }
        assert_eq!(distances, [0, 250, 500, 1_000, 2_000, 2_000, 2_000, 2_000]);
        assert_eq!(pace.0.len(), PAUSES.len() - 1, "bounded");
        now += LATELY;
        assert_eq!((pace.lately(now), pace.try_return(now)), (0, Ok(())));
    }
}
