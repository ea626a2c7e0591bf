//! The joiner's way back into its room after a break.
//!
//! Attempts begin at fixed times and overlap: one that waits on a dead network
//! must not keep the next from finding a live one. The first to prove the
//! partner wins.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::line::{Ended, Line};
use super::lobby::News;
use crate::address::Address;
use crate::clock::Clock;
use crate::protocol::error::Error;
use crate::protocol::handshake::{Mode, ResumeKey};
use crate::protocol::random::OsRandom;
use crate::protocol::session::{HANDSHAKE, Session, Settings, Stage};
use crate::transport::dial::{self, Progress};
use crate::ui::messages::Failure;

/// Pauses before the attempts; the last one stays.
const PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];
/// Attempts under way; each ends by its own limits of time.
const AT_ONCE: usize = 16;
/// Handshakes under way: fewer than a host allows one address, or the latest would push out the earliest.
const SHAKING: usize = 3;
/// When for so long every answer said that the partner's program is gone, it is.
const GONE: Duration = Duration::from_secs(120);

/// How far redialling is.
#[derive(Clone, Copy)]
pub struct Attempts {
    /// Attempts begun.
    pub number: u32,
    /// Why the latest that ended has failed.
    pub failure: Option<Failure>,
}

/// Redials until somebody stops it.
pub struct Redial {
    address: Address,
    /// Where the host was found before.
    known: Vec<SocketAddr>,
    resume: Arc<ResumeKey>,
    settings: Settings,
    clock: Clock,
    attempts: JoinSet<Result<Box<Line>, Failure>>,
    /// Places for handshakes.
    shaking: Arc<Semaphore>,
    /// Only one attempt at a time proves itself, so that the host sees one partner come back.
    proving: Arc<Semaphore>,
    next_at: Duration,
    state: Attempts,
    gone_since: Option<Duration>,
}

impl Redial {
    /// Begins at once, or after the pause that follows so many attempts.
    pub fn new(
        address: Address,
        known: Vec<SocketAddr>,
        resume: Arc<ResumeKey>,
        settings: Settings,
        clock: Clock,
        tries: u32,
    ) -> Self {
        Self {
            address,
            known,
            resume,
            settings,
            clock,
            attempts: JoinSet::new(),
            shaking: Arc::new(Semaphore::new(SHAKING)),
            proving: Arc::new(Semaphore::new(1)),
            next_at: clock.now() + pause(tries),
            state: Attempts { number: tries, failure: None },
            gone_since: None,
        }
    }

    /// How far it is.
    pub fn state(&self) -> Attempts {
        self.state
    }

    /// Whether an attempt is so far that the host may go over to it at any moment.
    pub fn is_proving(&self) -> bool {
        self.proving.available_permits() == 0
    }

    /// When the next attempt begins.
    pub fn next_at(&self) -> Duration {
        self.next_at
    }

    /// Waits for the next thing to happen. Safe to cancel.
    pub async fn next(&mut self) -> News {
        tokio::select! {
            () = sleep(self.next_at.saturating_sub(self.clock.now())) => {
                self.begin();
                News::Nothing
            }
            Some(ended) = self.attempts.join_next() => match ended {
                Ok(Ok(line)) => News::Returned(line),
                Ok(Err(failure)) => self.failed(failure),
                Err(_) => News::Nothing,
            },
        }
    }

    fn begin(&mut self) {
        self.state.number += 1;
        self.next_at = self.clock.now() + pause(self.state.number);
        if self.attempts.len() >= AT_ONCE {
            return;
        }
        // A host whose address changes is found by its name, one whose name is not found where it was.
        let by_name = self.state.number.is_multiple_of(2) && self.address.host.parse::<IpAddr>().is_err();
        let (address, known) = (by_name.then(|| self.address.clone()), self.known.clone());
        let (resume, settings, clock) = (self.resume.clone(), self.settings, self.clock);
        let (shaking, proving) = (self.shaking.clone(), self.proving.clone());
        self.attempts.spawn(async move {
            let addresses = match address {
                Some(address) => dial::lookup(&address).await.map_err(|_| Failure::Lookup)?,
                None => known,
            };
            let stream = connect(addresses).await?;
            // One that waited would find its connection closed by the host, and take that for a refusal.
            let _place = shaking.try_acquire().map_err(|_| Failure::NoAnswer)?;
            let from = stream.peer_addr().map_err(|_| Failure::Broke)?;
            let session = Session::initiate(Mode::Resume(resume), Box::new(OsRandom), settings, clock.now());
            let line = Line::new(stream, from, session.map_err(|_| Failure::Broke)?, clock);
            match timeout(HANDSHAKE, prove(line, &proving)).await {
                Ok(proved) => proved,
                Err(_) => Err(Failure::NoAnswer),
            }
        });
    }

    fn failed(&mut self, failure: Failure) -> News {
        let changed = self.state.failure != Some(failure);
        self.state.failure = Some(failure);
        if is_gone(&mut self.gone_since, failure, self.clock.now()) {
            return News::HostGone;
        }
        if changed { News::RedialFailed } else { News::Nothing }
    }
}

/// Whether every attempt for long enough spoke for the end of the partner's program.
fn is_gone(since: &mut Option<Duration>, failure: Failure, now: Duration) -> bool {
    *since = matches!(failure, Failure::Refused | Failure::NotThem).then(|| since.unwrap_or(now));
    since.is_some_and(|since| now >= since + GONE)
}

/// Before the attempt after so many.
fn pause(tries: u32) -> Duration {
    PAUSES.get(tries as usize).or(PAUSES.last()).copied().unwrap_or_default()
}

async fn connect(addresses: Vec<SocketAddr>) -> Result<TcpStream, Failure> {
    let refused = Arc::new(Mutex::new(true));
    let note = refused.clone();
    let dialing = dial::dial(addresses, move |progress| {
        if let Progress::Failed(_, error) = progress {
            let mut refused = note.lock().unwrap_or_else(PoisonError::into_inner);
            *refused &= error.kind() == std::io::ErrorKind::ConnectionRefused;
        }
    });
    let stream = dialing.await;
    let refused = *refused.lock().unwrap_or_else(PoisonError::into_inner);
    stream.ok_or(if refused { Failure::Refused } else { Failure::NoAnswer })
}

/// The handshake. Record 3 goes out only when no other attempt is that far.
async fn prove(mut line: Line, proving: &Semaphore) -> Result<Box<Line>, Failure> {
    let failure = |ended| match ended {
        Ended::Error(Error::Timeout(_)) => Failure::NoAnswer,
        _ => Failure::NotThem,
    };
    while line.session.stage() == Stage::Handshake {
        line.move_bytes(true).await.map_err(failure)?;
    }
    let turn = proving.acquire().await.map_err(|_| Failure::Broke)?;
    // One that waited too long would take the host with it and then run out of time.
    line.session.tick(Clock.now()).map_err(|_| Failure::NoAnswer)?;
    while line.session.stage() == Stage::Established {
        line.move_bytes(true).await.map_err(failure)?;
    }
    // The host has followed this one; it must not see another.
    turn.forget();
    Ok(Box::new(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_gone_once_nothing_else_was_met_for_two_minutes() {
        let mut since = None;
        let mut meets = |failure, seconds| is_gone(&mut since, failure, Duration::from_secs(seconds));
        assert!(!meets(Failure::Refused, 1_000));
        assert!(!meets(Failure::NotThem, 1_119));
        assert!(!meets(Failure::NoAnswer, 1_120), "a network that is down says nothing about the program");
        assert!(!meets(Failure::Refused, 1_121));
        assert!(!meets(Failure::Refused, 1_240));
        assert!(meets(Failure::Refused, 1_241));
    }
}
