//! The search for the host, by every way there is: with an invite, and after a break.
//!
//! Attempts begin at fixed times and overlap: one that waits on a dead network
//! must not keep the next from finding a live one. Each tries all ways, the best
//! first, with head starts. The first to prove the partner wins.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::connection::{Connection, Ended};
use super::lobby::over;
use crate::clock;
use crate::interface::event::Failure;
use crate::protocol::error::Error;
use crate::protocol::handshake::Mode;
use crate::protocol::random::OsRandom;
use crate::protocol::session::{Session, Settings, Stage};
use crate::transport::dial::HEAD_START;
use crate::transport::relay;
use crate::transport::way::{Outside, Way, is_no_tor};

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

/// What is tried by an attempt, and how.
#[derive(Clone)]
pub struct Search {
    /// The ways, the best first.
    pub ways: Vec<Way>,
    /// How they are taken.
    pub outside: Arc<Outside>,
    /// What the host will know this side by.
    pub mode: Mode,
    /// The session's.
    pub settings: Settings,
    /// Who is told of each way, while there is room.
    pub tell: Option<mpsc::Sender<Progress>>,
    /// Why ways led nowhere.
    pub met: Met,
}

/// Why each way that led nowhere when it was tried last did so.
#[derive(Clone, Default)]
pub struct Met(Arc<Mutex<Vec<Miss>>>);

type Miss = (Way, Failure);

impl Met {
    fn note(&self, way: &Way, failure: Option<Failure>) {
        let mut met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        met.retain(|(known, _)| known != way);
        met.extend(failure.map(|failure| (way.clone(), failure)));
    }

    /// Those ways, the best first, and of the equally good those that led nowhere last.
    fn order(&self, mut ways: Vec<Way>) -> Vec<Way> {
        ways.sort_by_key(|way| (way.rank(), self.of(way).is_some()));
        ways
    }

    /// Why that way led nowhere, if it was tried.
    pub fn of(&self, way: &Way) -> Option<Failure> {
        let met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        met.iter().find(|(known, _)| known == way).map(|(_, failure)| *failure)
    }
}

/// What happens on a way.
pub enum Progress {
    /// It is tried.
    Trying(Way),
    /// It leads nowhere.
    Failed(Way, Failure),
}

/// What a search comes to.
pub enum RedialEvent {
    /// The host was found, and has proved itself.
    Found(Box<Connection>),
    /// An attempt failed, for another reason than the one before.
    Failed {
        /// Attempts so far.
        number: u32,
        /// Why it failed.
        failure: Failure,
    },
    /// The host's program has ended, by all that can be seen from here.
    Gone,
    /// Nothing that matters.
    Nothing,
}

/// Redials until somebody stops it.
pub struct Redial {
    search: Search,
    attempts: JoinSet<Result<Box<Connection>, Option<Missed>>>,
    turns: Turns,
    next_at: Duration,
    /// One attempt only.
    once: bool,
    state: Attempts,
    gone_since: Option<Duration>,
}

impl Redial {
    /// Begins at once, or after the pause that follows so many attempts.
    pub fn new(search: Search, tries: u32) -> Self {
        Self {
            search,
            attempts: JoinSet::new(),
            turns: Turns {
                shaking: Arc::new(Semaphore::new(SHAKING)),
                meeting: Arc::new(Semaphore::new(1)),
                onion: Arc::new(Semaphore::new(1)),
                proving: Arc::new(Semaphore::new(1)),
            },
            next_at: clock::now() + pause(tries),
            once: false,
            state: Attempts { number: tries, failure: None },
            gone_since: None,
        }
    }

    /// One attempt, and no other.
    pub fn once(mut self) -> Self {
        self.finish();
        self
    }

    /// No attempt beyond those that have begun, but one.
    pub fn finish(&mut self) {
        self.once = true;
    }

    /// Whether it is one attempt that came to nothing.
    pub fn is_over(&self) -> bool {
        self.once && self.state.number > 0 && self.attempts.is_empty()
    }

    /// Whether it looks for a better way than the one there is.
    pub fn is_once(&self) -> bool {
        self.once
    }

    /// How far it is.
    pub fn state(&self) -> Attempts {
        self.state
    }

    /// Whether an attempt is so far that the host may go over to it at any moment.
    pub fn is_proving(&self) -> bool {
        self.turns.proving.available_permits() == 0
    }

    /// One more way was found. It is tried at once.
    pub fn add(&mut self, way: Way) {
        self.search.ways.push(way.clone());
        if self.state.number > 0 && !self.once && self.attempts.len() < AT_ONCE {
            let search = Search { ways: vec![way], ..self.search.clone() };
            self.attempts.spawn(attempt(search, self.turns.clone()));
        }
    }

    /// When the next attempt begins.
    pub fn next_at(&self) -> Duration {
        self.next_at
    }

    /// Waits for the next thing to happen. Safe to cancel.
    pub async fn next(&mut self) -> RedialEvent {
        tokio::select! {
            () = sleep(self.next_at.saturating_sub(clock::now())), if !self.once || self.state.number == 0 => {
                self.begin();
                RedialEvent::Nothing
            }
            Some(ended) = self.attempts.join_next() => match ended {
                Ok(Ok(line)) => RedialEvent::Found(line),
                Ok(Err(Some(missed))) if !self.once => self.failed(missed),
                _ => RedialEvent::Nothing,
            },
            else => std::future::pending().await,
        }
    }

    fn begin(&mut self) {
        self.state.number += 1;
        self.next_at = clock::now() + pause(self.state.number);
        if self.attempts.len() >= AT_ONCE {
            return;
        }
        // A host whose address changes is found by its name, one whose name is not found where it was.
        let named = |way: &Way| matches!(way, Way::Name(_));
        let by_name = self.state.number.is_multiple_of(2) && self.search.ways.iter().any(named);
        let both = self.search.ways.iter().any(|way| matches!(way, Way::Direct(_)));
        let mut search = self.search.clone();
        search.ways.retain(|way| !both || matches!(way, Way::Relay(_)) || named(way) == by_name);
        self.attempts.spawn(attempt(search, self.turns.clone()));
    }

    fn failed(&mut self, missed: Missed) -> RedialEvent {
        let failure = missed.failure;
        let changed = self.state.failure.replace(failure) != Some(failure);
        if is_gone(&mut self.gone_since, missed.gone, clock::now()) {
            return RedialEvent::Gone;
        }
        if changed { RedialEvent::Failed { number: self.state.number, failure } } else { RedialEvent::Nothing }
    }
}

/// Why an attempt came to nothing.
#[derive(Clone, Copy)]
struct Missed {
    failure: Failure,
    /// All that was met spoke for the end of the partner's program.
    gone: bool,
}

impl Missed {
    /// What a proxy, a relay or tor says is not the word of the partner's machine.
    fn new(way: &Way, outside: &Outside, failure: Failure) -> Self {
        let said = way.is_direct() && outside.is_open();
        Self { failure, gone: said && matches!(failure, Failure::Refused | Failure::NotThem) }
    }

    /// What two come to: the failure that says least about the host's program.
    fn and(self, before: Option<Self>) -> Self {
        let weight = |failure| match failure {
            Failure::Refused => 0,
            Failure::NotThem => 1,
            _ => 2,
        };
        let Some(before) = before else { return self };
        let failure = if weight(before.failure) > weight(self.failure) { before.failure } else { self.failure };
        Self { failure, gone: before.gone && self.gone }
    }
}

/// Whether every attempt for long enough spoke for the end of the partner's program.
fn is_gone(since: &mut Option<Duration>, gone: bool, now: Duration) -> bool {
    *since = gone.then(|| since.unwrap_or(now));
    since.is_some_and(|since| now >= since + GONE)
}

/// Before the attempt after so many.
fn pause(tries: u32) -> Duration {
    PAUSES.get(tries as usize).or(PAUSES.last()).copied().unwrap_or_default()
}

/// Whose turn it is among attempts that overlap.
#[derive(Clone)]
struct Turns {
    /// Places for handshakes.
    shaking: Arc<Semaphore>,
    /// One place at a relay.
    meeting: Arc<Semaphore>,
    /// One on the way to an onion service.
    onion: Arc<Semaphore>,
    /// Only one attempt at a time proves itself, so that the host sees one partner come.
    proving: Arc<Semaphore>,
}

impl Turns {
    /// A turn at a way that only one attempt at a time may try, or none where it needs none. `None` if it is another's.
    fn of(&self, way: &Way) -> Option<Option<OwnedSemaphorePermit>> {
        let turn = |of: &Arc<Semaphore>| of.clone().try_acquire_owned().ok().map(Some);
        match way {
            // Two of one side at a relay do not meet, but the partner could meet the one that is given up.
            Way::Relay(_) => turn(&self.meeting),
            Way::Onion(..) => turn(&self.onion),
            Way::Direct(_) | Way::Name(_) => Some(None),
        }
    }
}

/// Tries all ways, each with a head start over the next, but those that another attempt is trying. `None` if there was
/// no other.
async fn attempt(search: Search, turns: Turns) -> Result<Box<Connection>, Option<Missed>> {
    let mut waiting = search.met.order(search.ways.clone()).into_iter();
    let mut tries = JoinSet::new();
    let mut missed = None;
    loop {
        let begun = waiting.find_map(|way| turns.of(&way).map(|turn| (way, turn)));
        let more = begun.is_some();
        if let Some((way, turn)) = begun {
            let (search, turns) = (search.clone(), turns.clone());
            tries.spawn(async move {
                let _turn = turn;
                one(way, search, turns).await
            });
        }
        if tries.is_empty() {
            return Err(missed);
        }
        tokio::select! {
            Some(done) = tries.join_next() => match done {
                Ok(Ok(line)) => return Ok(line),
                Ok(Err(Some(other))) => missed = Some(other.and(missed)),
                _ => {}
            },
            () = sleep(HEAD_START), if more => {}
        }
    }
}

async fn one(way: Way, search: Search, turns: Turns) -> Result<Box<Connection>, Option<Missed>> {
    let tell = |progress| {
        if let Some(tell) = &search.tell {
            let _ = tell.try_send(progress);
        }
    };
    tell(Progress::Trying(way.clone()));
    match take(&way, &search, &turns).await {
        Ok(line) => {
            search.met.note(&way, None);
            Ok(line)
        }
        Err(None) => Err(None),
        Err(Some(failure)) => {
            search.met.note(&way, Some(failure));
            let missed = Missed::new(&way, &search.outside, failure);
            tell(Progress::Failed(way, failure));
            Err(Some(missed))
        }
    }
}

/// Takes one way as far as the proof of the partner. `None` if there are too many handshakes already.
async fn take(way: &Way, search: &Search, turns: &Turns) -> Result<Box<Connection>, Option<Failure>> {
    let taken = way.take(&search.outside).await;
    let (stream, from) = taken.map_err(|error| not_taken(way, &error))?;
    // One that waited would find its connection closed by the host, and take that for a refusal.
    let _place = if way.is_direct() { Some(turns.shaking.try_acquire().map_err(|_| None)?) } else { None };
    let settings = over(search.settings, from);
    let session = Session::initiate(search.mode.clone(), Box::new(OsRandom), settings, clock::now());
    let line = Connection::new(stream, from, session.map_err(|_| Failure::Broke)?);
    match timeout(settings.handshake(), prove(line, &turns.proving)).await {
        Ok(proved) => Ok(proved?),
        Err(_) => Err(Some(Failure::NoAnswer)),
    }
}

/// Why a way could not be taken.
fn not_taken(way: &Way, error: &io::Error) -> Failure {
    match error.kind() {
        _ if is_no_tor(error) => Failure::NoTor,
        io::ErrorKind::NotFound => Failure::Lookup,
        io::ErrorKind::ConnectionRefused if way.is_direct() => Failure::Refused,
        _ if relay::is_alone(error) => Failure::Alone,
        _ => Failure::NoAnswer,
    }
}

/// The handshake. Record 3 goes out only when no other attempt is that far.
async fn prove(mut line: Connection, proving: &Semaphore) -> Result<Box<Connection>, Failure> {
    let failure = |ended| match ended {
        Ended::Error(Error::Timeout(_)) => Failure::NoAnswer,
        _ => Failure::NotThem,
    };
    while line.session.stage() == Stage::Handshake {
        line.move_bytes(true).await.map_err(failure)?;
    }
    let turn = proving.acquire().await.map_err(|_| Failure::Broke)?;
    // One that waited too long would take the host with it and then run out of time.
    line.session.tick(clock::now()).map_err(|_| Failure::NoAnswer)?;
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
    use crate::address::{Address, Proxy};

    #[test]
    fn a_host_is_gone_once_nothing_else_was_met_for_two_minutes() {
        let mut since = None;
        let open = Outside::default();
        let way = Way::Direct(([192, 0, 2, 1], 7).into());
        let relay = Way::Relay(Address { host: "192.0.2.2".into(), port: 7 });
        let mut meets = |failure, seconds| {
            is_gone(&mut since, Missed::new(&way, &open, failure).gone, Duration::from_secs(seconds))
        };
        assert!(!meets(Failure::Refused, 1_000));
        assert!(!meets(Failure::NotThem, 1_119));
        assert!(!meets(Failure::NoAnswer, 1_120), "a network that is down says nothing about the program");
        assert!(!meets(Failure::Refused, 1_121));
        assert!(!meets(Failure::Refused, 1_240));
        assert!(meets(Failure::Refused, 1_241));
        let refused = Missed::new(&way, &open, Failure::Refused);
        assert!(refused.and(Some(refused)).gone);
        let alone = Missed::new(&relay, &open, Failure::Alone);
        assert!(!refused.and(Some(alone)).gone && !alone.and(Some(refused)).gone);
        assert!(!Missed::new(&relay, &open, Failure::NotThem).gone, "a relay may join us with anybody");
        let proxied = Outside { proxy: Proxy::parse("socks5://127.0.0.1:1").ok(), ..Outside::default() };
        assert!(!Missed::new(&way, &proxied, Failure::Refused).gone, "this may be the proxy's word");
    }
}
