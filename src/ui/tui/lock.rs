//! The lock of the screen: a passphrase for this run, and the pauses between attempts to open it.

use std::num::NonZeroU32;
use std::time::Duration;

use aws_lc_rs::pbkdf2;
use zeroize::Zeroizing;

use crate::protocol::error::Error;
use crate::protocol::keys::Secret;
use crate::protocol::random::Randomness;

/// Rounds of PBKDF2-HMAC-SHA256 (RFC 8018), about a tenth of a second: guessing from a memory dump is slow, too.
const ROUNDS: NonZeroU32 = NonZeroU32::new(200_000).unwrap();
/// The first pause after a wrong passphrase; each further one doubles it.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause, as the number of doublings of the first.
const DOUBLINGS: u32 = 6;

/// The salted hash of a passphrase.
struct Passphrase {
    salt: Secret,
    hash: Zeroizing<[u8; 32]>,
}

/// The state of the lock, and the passphrase that opens it.
#[derive(Default)]
pub struct Lock {
    passphrase: Option<Passphrase>,
    locked: bool,
    wrong: u32,
    open_at: Duration,
}

impl Lock {
    /// Sets the passphrase.
    pub fn set(&mut self, passphrase: &str, random: &mut dyn Randomness) -> Result<(), Error> {
        let salt = random.secret()?;
        let mut hash = Zeroizing::new([0; 32]);
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, salt.expose(), passphrase.as_bytes(), hash.as_mut_slice());
        self.passphrase = Some(Passphrase { salt, hash });
        Ok(())
    }

    /// Whether a passphrase is set.
    pub fn is_set(&self) -> bool {
        self.passphrase.is_some()
    }

    /// Whether the screen is locked.
    pub fn is_locked(&self) -> bool {
        self.locked
    }

    /// Locks the screen if a passphrase is set.
    pub fn lock(&mut self) {
        self.locked = self.is_set();
    }

    /// The end of the retry delay, if it is still running at `now`.
    pub fn closed_until(&self, now: Duration) -> Option<Duration> {
        Some(self.open_at).filter(|at| now < *at)
    }

    /// Whether the retry delay was still running at `then`.
    pub fn waits(&self, then: Duration) -> bool {
        then <= self.open_at && self.wrong > 0
    }

    /// Opens the screen if the passphrase is correct and no retry delay is running.
    pub fn open(&mut self, typed: &str, now: Duration) {
        let Some(Passphrase { salt, hash }) = self.passphrase.as_ref().filter(|_| self.closed_until(now).is_none())
        else {
            return;
        };
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        if pbkdf2::verify(algorithm, ROUNDS, salt.expose(), typed.as_bytes(), hash.as_slice()).is_ok() {
            (self.locked, self.wrong) = (false, 0);
        } else {
            self.open_at = now + PAUSE * (1 << self.wrong.min(DOUBLINGS));
            self.wrong = self.wrong.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::random::OsRandom;

    const START: Duration = Duration::from_secs(1_000);

    #[test]
    fn only_the_passphrase_opens_it() {
        let mut lock = Lock::default();
        lock.lock();
        assert!(!lock.is_locked(), "nothing would open it");
        lock.set("你好 secret", &mut OsRandom).unwrap();
        lock.lock();
        lock.open("你好", START);
        assert!(lock.is_locked());
        lock.open("你好 secret", START + PAUSE);
        assert!(!lock.is_locked());
    }

    #[test]
    fn each_wrong_passphrase_makes_the_next_wait_longer() {
        let mut lock = Lock::default();
        lock.set("right", &mut OsRandom).unwrap();
        lock.lock();
        let mut now = START;
        for pause in [1, 2, 4] {
            lock.open("wrong", now);
            let until = lock.closed_until(now).unwrap();
            assert_eq!(until - now, Duration::from_secs(pause));
            lock.open("right", until - Duration::from_millis(1));
            assert!(lock.is_locked(), "it was too early");
            now = until;
        }
        lock.open("right", now);
        assert!(!lock.is_locked());
    }
}
