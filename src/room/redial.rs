//! The search for the host by every known way, with an invite and after a break.
//!
//! Attempts begin at fixed times and overlap: one that waits on a dead network must not keep the next from finding a live
//! one. Each tries all ways, the best first, with head starts. The first in which the partner proves itself wins.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::connection::{Connection, Ended};
use super::lobby::over;
use super::pace::pause;
use crate::clock;
use crate::protocol::error::{Error, Wait};
use crate::protocol::handshake::Mode;
use crate::protocol::random::OsRandom;
use crate::protocol::session::{Session, Settings, Stage};
use crate::system::SystemError;
use crate::transport::dial::HEAD_START;
use crate::transport::error::ConnectError;
use crate::transport::way::{Egress, Way};

/// Most attempts at once. Each ends by its own time limits.
const AT_ONCE: usize = 16;
/// Most handshakes at once: fewer than a host allows one address, or the latest would push out the earliest.
const SHAKING: usize = 3;
/// Time after which the partner's program counts as gone, if every answer meanwhile suggests that it has ended.
pub const GONE: Duration = Duration::from_secs(120);

/// Reasons for which a search, or one of its ways, is told to have failed: each once, however often they alternate.
pub const REASONS: usize = 8;

/// Progress of a redial.
#[derive(Clone, Copy)]
pub struct Attempts {
    /// Number of attempts that have begun.
    pub number: u32,
    /// The failure of the attempt that ended last.
    pub failure: Option<ConnectError>,
}

/// The plan of an attempt.
#[derive(Clone)]
pub struct DialPlan {
    /// The ways to try, the best first.
    pub ways: Vec<Way>,
    /// How this machine reaches other machines.
    pub egress: Arc<Egress>,
    /// The handshake by which the host recognises this side.
    pub mode: Mode,
    /// Settings of the session.
    pub settings: Settings,
    /// Receives the progress on each way, as far as there is room.
    pub tell: Option<mpsc::Sender<Progress>>,
    /// The latest failures.
    pub met: Failures,
}

/// The latest failure of each way. A way whose latest attempt led to the host has none.
#[derive(Clone, Default)]
pub struct Failures(Arc<Mutex<Vec<Miss>>>);

type Miss = (Way, ConnectError);

impl Failures {
    fn note(&self, way: &Way, failure: Option<ConnectError>) {
        let mut met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        met.retain(|(known, _)| known != way);
        met.extend(failure.map(|failure| (way.clone(), failure)));
    }

    /// Sorts ways, the best first; among equals, those whose latest attempt failed come last.
    fn order(&self, mut ways: Vec<Way>) -> Vec<Way> {
        ways.sort_by_key(|way| (way.rank(), self.of(way).is_some()));
        ways
    }

    /// The failure of a way, if its latest attempt failed.
    pub fn of(&self, way: &Way) -> Option<ConnectError> {
        let met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        met.iter().find(|(known, _)| known == way).map(|(_, failure)| *failure)
    }
}

/// Progress on one way.
pub enum Progress {
    /// An attempt has begun.
    Trying(Way),
    /// The attempt failed.
    Failed(Way, ConnectError),
}

/// An event of a search.
pub enum RedialEvent {
    /// The host was found and has proved itself.
    Found(Box<Connection>),
    /// An attempt failed, for a reason that this search did not meet before.
    Failed {
        /// Number of attempts so far.
        number: u32,
        /// The failure.
        failure: ConnectError,
    },
    /// Every answer for two minutes suggests that the host's program has ended.
    Gone,
    /// No event for the room.
    Nothing,
}

/// A search for the host that goes on until it is dropped.
pub struct Redial {
    search: DialPlan,
    attempts: JoinSet<Result<Box<Connection>, Option<AttemptError>>>,
    turns: Permits,
    /// Number of returns to the room lately: the pauses grow from there.
    returns: usize,
    next_at: Duration,
    /// Whether the search is limited to one attempt.
    once: bool,
    state: Attempts,
    told: Vec<ConnectError>,
    gone_since: Option<Duration>,
}

impl Redial {
    /// Starts a search. The first attempt begins after the pause that follows so many `returns` to the room lately.
    pub fn new(search: DialPlan, returns: usize) -> Self {
        Self {
            search,
            attempts: JoinSet::new(),
            turns: Permits {
                shaking: Arc::new(Semaphore::new(SHAKING)),
                meeting: Arc::new(Semaphore::new(1)),
                onion: Arc::new(Semaphore::new(1)),
                proving: Arc::new(Semaphore::new(1)),
            },
            returns,
            next_at: clock::now() + pause(returns),
            once: false,
            state: Attempts { number: 0, failure: None },
            told: Vec::new(),
            gone_since: None,
        }
    }

    /// Limits the search to one attempt.
    pub fn once(mut self) -> Self {
        self.finish();
        self
    }

    /// Stops after the attempts in flight; starts one if none has run.
    pub fn finish(&mut self) {
        self.once = true;
    }

    /// Whether the search was limited to one attempt, and that failed.
    pub fn is_over(&self) -> bool {
        self.once && self.state.number > 0 && self.attempts.is_empty()
    }

    /// Whether the search is limited to one attempt.
    pub fn is_once(&self) -> bool {
        self.once
    }

    /// The progress so far.
    pub fn state(&self) -> Attempts {
        self.state
    }

    /// Whether an attempt has sent record 3, or is about to: the host may move to it at any moment.
    pub fn is_proving(&self) -> bool {
        self.turns.proving.available_permits() == 0
    }

    /// Adds a way that was found later, and tries it at once.
    pub fn add(&mut self, way: Way) {
        self.search.ways.push(way.clone());
        if self.state.number > 0 && !self.once && self.attempts.len() < AT_ONCE {
            let search = DialPlan { ways: vec![way], ..self.search.clone() };
            self.attempts.spawn(attempt(search, self.turns.clone()));
        }
    }

    /// Time at which the next attempt begins.
    pub fn next_at(&self) -> Duration {
        self.next_at
    }

    /// Waits for the next event. Safe to cancel.
    pub async fn next(&mut self) -> RedialEvent {
        tokio::select! {
            () = sleep(self.next_at.saturating_sub(clock::now())), if !self.once || self.state.number == 0 => {
                self.begin();
                RedialEvent::Nothing
            }
            Some(ended) = self.attempts.join_next() => match ended {
                Ok(Ok(connection)) => RedialEvent::Found(connection),
                Ok(Err(Some(missed))) if !self.once => self.failed(missed),
                _ => RedialEvent::Nothing,
            },
            else => std::future::pending().await,
        }
    }

    fn begin(&mut self) {
        self.state.number += 1;
        self.next_at = clock::now() + pause(self.returns + self.state.number as usize);
        if self.attempts.len() >= AT_ONCE {
            return;
        }
        self.attempts.spawn(attempt(self.search.clone(), self.turns.clone()));
    }

    fn failed(&mut self, missed: AttemptError) -> RedialEvent {
        let failure = missed.failure;
        self.state.failure = Some(failure);
        let news = !self.told.contains(&failure) && self.told.len() < REASONS;
        if news {
            self.told.push(failure);
        }
        if is_gone(&mut self.gone_since, missed.gone, clock::now()) {
            return RedialEvent::Gone;
        }
        if news { RedialEvent::Failed { number: self.state.number, failure } } else { RedialEvent::Nothing }
    }
}

/// The failure of an attempt.
#[derive(Clone, Copy)]
struct AttemptError {
    failure: ConnectError,
    /// Whether every answer suggests that the partner's program has ended.
    gone: bool,
}

impl AttemptError {
    /// The failure on one way. Answers of a proxy, a relay or tor do not come from the partner's machine.
    fn new(way: &Way, egress: &Egress, failure: ConnectError) -> Self {
        let said = way.is_direct() && egress.is_open();
        Self { failure, gone: said && failure.suggests_end() }
    }

    /// Combines two failures. Keeps the one that says less about the host's program.
    fn and(self, before: Option<Self>) -> Self {
        let weight = |failure: ConnectError| match failure {
            ConnectError::Refused => 0,
            other if other.suggests_end() => 1,
            _ => 2,
        };
        let Some(before) = before else { return self };
        let failure = if weight(before.failure) > weight(self.failure) { before.failure } else { self.failure };
        Self { failure, gone: before.gone && self.gone }
    }
}

/// Whether every answer for [`GONE`] suggests that the partner's program has ended.
fn is_gone(since: &mut Option<Duration>, gone: bool, now: Duration) -> bool {
    *since = gone.then(|| since.unwrap_or(now));
    since.is_some_and(|since| now >= since + GONE)
}

/// Permits that attempts which overlap share.
#[derive(Clone)]
struct Permits {
    /// For handshakes.
    shaking: Arc<Semaphore>,
    /// For meeting at a relay.
    meeting: Arc<Semaphore>,
    /// For connecting to an onion service.
    onion: Arc<Semaphore>,
    /// For record 3: one at a time, so that the host sees one partner come.
    proving: Arc<Semaphore>,
}

impl Permits {
    /// The permit for a way: `Some(None)` if it needs none, `None` if another attempt holds it.
    fn of(&self, way: &Way) -> Option<Option<OwnedSemaphorePermit>> {
        let turn = |of: &Arc<Semaphore>| of.clone().try_acquire_owned().ok().map(Some);
        match way {
            // The relay would join the partner with an attempt that has been given up.
            Way::Relay(_) => turn(&self.meeting),
            Way::Onion(..) => turn(&self.onion),
            Way::Direct(_) | Way::Name(_) => Some(None),
        }
    }
}

/// Tries all ways except those that another attempt is trying, each with a head start over the next. `Err(None)` if
/// there are no others.
async fn attempt(search: DialPlan, turns: Permits) -> Result<Box<Connection>, Option<AttemptError>> {
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
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(Some(other))) => missed = Some(other.and(missed)),
                _ => {}
            },
            () = sleep(HEAD_START), if more => {}
        }
    }
}

async fn one(way: Way, search: DialPlan, turns: Permits) -> Result<Box<Connection>, Option<AttemptError>> {
    let tell = |progress| {
        if let Some(tell) = &search.tell {
            let _ = tell.try_send(progress);
        }
    };
    tell(Progress::Trying(way.clone()));
    match connect(&way, &search, &turns).await {
        Ok(connection) => {
            search.met.note(&way, None);
            Ok(connection)
        }
        Err(None) => Err(None),
        Err(Some(failure)) => {
            search.met.note(&way, Some(failure));
            let missed = AttemptError::new(&way, &search.egress, failure);
            tell(Progress::Failed(way, failure));
            Err(Some(missed))
        }
    }
}

/// Connects by one way and lets the partner prove itself. `Err(None)` if [`SHAKING`] handshakes are under way.
async fn connect(way: &Way, search: &DialPlan, turns: &Permits) -> Result<Box<Connection>, Option<ConnectError>> {
    let (stream, from) = way.connect(&search.egress).await?;
    // Do not wait for a permit: the host would close the idle connection, which would look like a refusal.
    let _place = if way.is_direct() { Some(turns.shaking.try_acquire().map_err(|_| None)?) } else { None };
    let settings = over(search.settings, from);
    let session = Session::initiate(search.mode.clone(), Box::new(OsRandom), settings, clock::now());
    let session = session.map_err(|_| ConnectError::System(SystemError::Cryptography))?;
    let mut connection = Box::new(Connection::new(stream, from, session));
    let proved = timeout(settings.handshake(), prove(&mut connection, &turns.proving)).await;
    match proved.unwrap_or(Err(Ended::Error(Error::Timeout(Wait::Handshake)))) {
        Ok(()) => Ok(connection),
        Err(ended) => Err(Some(connection.handshake_error(&ended))),
    }
}

/// Runs the handshake. Record 3 is sent only while no other attempt is that far.
async fn prove(connection: &mut Connection, proving: &Semaphore) -> Result<(), Ended> {
    while connection.session.stage() == Stage::Handshake {
        connection.move_bytes(true).await?;
    }
    let turn = proving.acquire().await.map_err(|_| Ended::Cut)?;
    // Re-check the deadline: the host would move to this connection just before it expires.
    connection.session.tick(clock::now()).map_err(Ended::Error)?;
    while connection.session.stage() == Stage::Established {
        connection.move_bytes(true).await?;
    }
    // The host has moved to this connection and must not see another.
    turn.forget();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{Address, Proxy};
    use crate::protocol::keys::StaticKey;
    use crate::protocol::random::Randomness as _;
    use crate::transport::relay::Token;

    #[test]
    fn a_host_is_gone_once_nothing_else_was_met_for_two_minutes() {
        let mut since = None;
        let open = Egress::default();
        let way = Way::Direct(([192, 0, 2, 1], 7).into());
        let relay = Way::Relay(Address { host: "192.0.2.2".into(), port: 7 });
        let mut meets = |failure, seconds| {
            is_gone(&mut since, AttemptError::new(&way, &open, failure).gone, Duration::from_secs(seconds))
        };
        assert!(!meets(ConnectError::Refused, 1_000));
        assert!(!meets(ConnectError::Closed, 1_119));
        for failure in [ConnectError::Timeout, ConnectError::Unfinished, ConnectError::Silent] {
            assert!(!meets(failure, 1_120), "a network that is down says nothing about the program");
            assert!(!meets(ConnectError::Refused, 1_121));
        }
        for answer in [ConnectError::Closed, ConnectError::NotTete, ConnectError::Rejected, ConnectError::NotAuthentic]
        {
            assert!(!meets(answer, 1_200));
        }
        assert!(!meets(ConnectError::Refused, 1_240));
        assert!(meets(ConnectError::Refused, 1_241));
        let refused = AttemptError::new(&way, &open, ConnectError::Refused);
        assert!(refused.and(Some(refused)).gone);
        let alone = AttemptError::new(&relay, &open, ConnectError::AloneAtRelay);
        assert!(!refused.and(Some(alone)).gone && !alone.and(Some(refused)).gone);
        assert!(!AttemptError::new(&relay, &open, ConnectError::Closed).gone, "a relay may join us with anybody");
        let proxied = Egress { proxy: Proxy::parse("socks5://127.0.0.1:1").ok(), ..Egress::default() };
        assert!(!AttemptError::new(&way, &proxied, ConnectError::Refused).gone, "this may be the proxy's word");
    }

    #[tokio::test]
    async fn failures_that_alternate_are_told_once_each() {
        let local = StaticKey::new(OsRandom.secret().unwrap()).unwrap();
        let (mode, egress) = (Mode::Pair(Arc::new(local)), Arc::new(Egress::default()));
        let (settings, met) = (Settings::default(), Failures::default());
        let mut redial = Redial::new(DialPlan { ways: Vec::new(), egress, mode, settings, tell: None, met }, 0);
        let failures = [ConnectError::RelayClosed, ConnectError::NotARelay].into_iter().cycle().take(1_000);
        let told = failures.filter(|failure| {
            matches!(redial.failed(AttemptError { failure: *failure, gone: false }), RedialEvent::Failed { .. })
        });
        assert_eq!(told.count(), 2);
    }

    #[test]
    fn every_kind_of_way_is_tried_in_the_first_attempt() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).unwrap();
            let address = |host: &str| Address { host: host.into(), port: closed.port() };
            let ways = vec![
                Way::Direct(closed),
                Way::Direct(([0, 0, 0, 0, 0, 0, 0, 1], closed.port()).into()),
                Way::Name(address("localhost")),
                Way::Relay(address("127.0.0.1")),
            ];
            let (tell, mut told) = mpsc::channel(16);
            let local = StaticKey::new(OsRandom.secret().unwrap()).unwrap();
            let egress = Egress { token: Some(Token::new(&OsRandom.secret().unwrap(), [1; 8])), ..Egress::default() };
            let mut redial = Redial::new(
                DialPlan {
                    ways: ways.clone(),
                    egress: Arc::new(egress),
                    mode: Mode::Pair(Arc::new(local)),
                    settings: Settings::default(),
                    tell: Some(tell),
                    met: Failures::default(),
                },
                0,
            )
            .once();
            while !redial.is_over() {
                redial.next().await;
            }
            let mut tried = Vec::new();
            while let Ok(progress) = told.try_recv() {
                if let Progress::Trying(way) = progress {
                    tried.push(way);
                }
            }
            assert!(ways.iter().all(|way| tried.contains(way)), "{tried:?}");
        });
    }
}
