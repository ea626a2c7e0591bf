//! The second stage of admission: handshakes with callers who sent a valid record 1.
//!
//! While nobody pairs, callers are let in one after the other, in the order of [`Queue`], and the first to finish takes
//! the pairing. While it lasts the others wait, before record 2 is sent, and are told busy after a while. Once the room
//! is open only its partner can finish a handshake.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::admission::Queue;
use super::connection::{Connection, Ended};
use super::pace::Pace;
use crate::address::{Origin, PeerAddr, Via, most_crowded};
use crate::clock;
use crate::protocol::error::Error;
use crate::protocol::handshake::{Mode, ResumeKey, asks_to_resume};
use crate::protocol::random::{OsRandom, Randomness as _};
use crate::protocol::replays::Replays;
use crate::protocol::session::{Session, Settings, Stage};
use crate::transport::error::ConnectError;
use crate::transport::listen::{Arrival, Caller};
use crate::transport::way::Way;

/// Handshakes after a valid record 1.
const HANDSHAKES: usize = 16;
/// Handshakes from one known host.
const PER_HOST: usize = 4;
/// How long a caller may wait: well within the handshake limit of its own side.
const HOLD: Duration = Duration::from_secs(12);
/// At most one word about strangers in so long.
const NEWS_EVERY: Duration = Duration::from_secs(30);

/// Who is let in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Admission {
    /// Nobody is pairing.
    Open,
    /// Somebody is.
    Taken,
    /// A failed run's pause lasts.
    Paused,
    /// The room is open: nobody else can come.
    Closed,
}

/// What happens at the door.
pub enum DoorEvent {
    /// Somebody finished the handshake.
    Guest(Box<Connection>),
    /// Somebody was told busy, so many in all.
    ToldBusy {
        /// The latest of them.
        from: PeerAddr,
        /// How many.
        times: u32,
    },
    /// So many others wait while somebody pairs. Told once for each pairing.
    Waiting(usize),
    /// The partner who may be in a room is back.
    Returned(Box<Connection>),
    /// Somebody who is not the partner tried to resume the open room, so many times in all.
    Intruder {
        /// The latest of them.
        from: PeerAddr,
        /// How many times.
        times: u32,
    },
    /// A way went down (`Some(error)`) or came back (`None`).
    Way(Way, Option<ConnectError>),
    /// Somebody came and went.
    Nothing,
}

enum Greeting {
    Guest(Box<Connection>),
    Returned(Box<Connection>),
    Intruder(PeerAddr),
    Gone,
}

/// A caller who waits: the session has accepted record 1, and record 2 is not sent.
struct Waiting {
    stream: TcpStream,
    from: PeerAddr,
    session: Session,
    until: Duration,
}

impl Waiting {
    /// Whether the caller has gone, or sent what it may not.
    fn poll_gone(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut byte = [0];
        self.stream.poll_peek(context, &mut ReadBuf::new(&mut byte)).map(drop)
    }
}

/// The way back into a room.
struct Door {
    keys: Vec<Arc<ResumeKey>>,
    replays: Replays,
}

/// Tells about strangers, but not each of them.
#[derive(Default)]
struct Tally {
    times: u32,
    told: Option<Duration>,
}

impl Tally {
    /// Counts one more. The count, if it is time for a word.
    fn add(&mut self, now: Duration) -> Option<u32> {
        self.times = self.times.saturating_add(1);
        if self.told.is_some_and(|told| now < told + NEWS_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(self.times)
    }
}

/// All callers on their way in.
pub struct Lobby {
    arrivals: mpsc::Receiver<Arrival>,
    /// By what strangers, or whoever has the invite, get in until the room is open.
    entry: Option<Mode>,
    replays: Replays,
    settings: Settings,
    admission: Admission,
    door: Option<Door>,
    pace: Arc<Mutex<Pace>>,
    queue: Queue<Waiting>,
    /// Whether it was told of this pairing that others wait.
    told_of_queue: bool,
    tasks: JoinSet<Greeting>,
    entries: VecDeque<(AbortHandle, Origin)>,
    busy: Tally,
    /// A word about busy replies that nobody has taken yet.
    told_busy: Option<DoorEvent>,
    intruders: Tally,
}

impl Lobby {
    /// Greets nobody yet.
    pub fn new(arrivals: mpsc::Receiver<Arrival>, settings: Settings) -> Self {
        Self {
            arrivals,
            entry: None,
            replays: Replays::default(),
            settings,
            admission: Admission::Open,
            door: None,
            pace: Arc::default(),
            queue: Queue::default(),
            told_of_queue: false,
            tasks: JoinSet::new(),
            entries: VecDeque::new(),
            busy: Tally::default(),
            told_busy: None,
            intruders: Tally::default(),
        }
    }

    /// Greets everyone who arrives, by what lets them in.
    pub fn greet_with(&mut self, entry: Mode) {
        self.entry = Some(entry);
    }

    /// Nobody is pairing: the next one may.
    pub fn open(&mut self) {
        self.admission = Admission::Open;
    }

    /// Somebody is pairing.
    pub fn take(&mut self) {
        (self.admission, self.told_of_queue) = (Admission::Taken, false);
    }

    /// A run has failed: nobody is let in for a while, and its caller's host for longer, unless our own user wanted
    /// `another`.
    pub fn pause(&mut self, from: PeerAddr, another: bool) {
        self.admission = Admission::Paused;
        if !another {
            self.queue.failed(Origin::of(from), clock::now());
        }
    }

    /// The room is open: only its partner may come, and come back. An invite is good for nothing more.
    pub fn close(&mut self) {
        self.admission = Admission::Closed;
        while let Some(waiting) = self.queue.remove(0) {
            self.refuse(waiting);
        }
        self.entry = self.entry.take().filter(|entry| matches!(entry, Mode::Pair(_)));
    }

    /// The partner comes back by these keys, and by no others.
    pub fn let_back_by(&mut self, keys: Vec<Arc<ResumeKey>>) {
        let same = |door: &Door| door.keys.iter().any(|known| keys.iter().any(|key| Arc::ptr_eq(known, key)));
        let replays = self.door.take_if(|door| same(door)).map(|door| door.replays).unwrap_or_default();
        self.door = (!keys.is_empty()).then_some(Door { keys, replays });
    }

    /// Waits for the next thing to happen. Safe to cancel.
    pub async fn next(&mut self) -> DoorEvent {
        if let Some(told) = self.told_busy.take() {
            return told;
        }
        let waiting = self.queue.len();
        if self.admission == Admission::Taken && waiting > 0 && !std::mem::replace(&mut self.told_of_queue, true) {
            return DoorEvent::Waiting(waiting);
        }
        let open = self.admission == Admission::Open;
        if open && let Some((_, waiting)) = self.queue.draw(clock::now(), dice) {
            self.let_in(waiting);
        }
        let wake = self.queue.callers().map(|waiting| waiting.until).min();
        let wake = [wake, self.queue.next_draw().filter(|_| open)].into_iter().flatten().min();
        let Self { arrivals, tasks, queue, .. } = self;
        tokio::select! {
            Some(arrival) = arrivals.recv() => match arrival {
                Arrival::Door(way, shut) => DoorEvent::Way(way, shut),
                Arrival::Caller(caller) if asks_to_resume(&caller.record) => self.let_back(caller),
                Arrival::Caller(caller) => self.greet(caller),
            },
            Some(greeting) = tasks.join_next() => {
                self.entries.retain(|(entry, _)| !entry.is_finished());
                match greeting {
                    // Whoever finishes while somebody else pairs is sent away without an answer.
                    Ok(Greeting::Guest(connection)) if self.admission == Admission::Open => DoorEvent::Guest(connection),
                    Ok(Greeting::Returned(connection)) => DoorEvent::Returned(connection),
                    Ok(Greeting::Intruder(from)) => self.intruder(from),
                    _ => DoorEvent::Nothing,
                }
            }
            gone = gone(queue) => {
                drop(queue.remove(gone));
                DoorEvent::Nothing
            }
            () = sleep(wake.unwrap_or_default().saturating_sub(clock::now())), if wake.is_some() => {
                self.refuse_the_late();
                DoorEvent::Nothing
            }
            else => std::future::pending().await,
        }
    }

    fn intruder(&mut self, from: PeerAddr) -> DoorEvent {
        match self.intruders.add(clock::now()) {
            Some(times) => DoorEvent::Intruder { from, times },
            None => DoorEvent::Nothing,
        }
    }

    fn greet(&mut self, caller: Caller) -> DoorEvent {
        let Some(entry) = self.entry.clone() else { return DoorEvent::Nothing };
        if self.replays.knows(&caller.record) {
            return DoorEvent::Nothing;
        }
        let Caller { stream, from, record } = caller;
        let now = clock::now();
        let mut session = Session::respond(entry, Box::new(OsRandom), over(self.settings, from), now);
        if session.receive(&mut record.as_slice(), now).is_err() {
            // Only another version is answered. Whoever has not the invite ends here, before any costly step.
            answer(&stream, &mut session);
            return DoorEvent::Nothing;
        }
        self.replays.accepted(&record);
        let waiting = Waiting { stream, from, session, until: now + HOLD };
        if self.admission == Admission::Closed {
            self.refuse(waiting);
        } else if let Some(gone) = self.queue.join(Origin::of(from), waiting, dice) {
            self.refuse(gone);
        }
        DoorEvent::Nothing
    }

    /// Tells a caller that somebody else has the room. Nobody is told why an invite does not get them in.
    fn refuse(&mut self, mut waiting: Waiting) {
        if matches!(self.entry, Some(Mode::Pair(_))) {
            waiting.session.refuse_busy();
            answer(&waiting.stream, &mut waiting.session);
            if let Some(times) = self.busy.add(clock::now()) {
                self.told_busy = Some(DoorEvent::ToldBusy { from: waiting.from, times });
            }
        }
    }

    fn refuse_the_late(&mut self) {
        let now = clock::now();
        let late = |queue: &Queue<Waiting>| queue.callers().position(|waiting| now >= waiting.until);
        while let Some(waiting) = late(&self.queue).and_then(|place| self.queue.remove(place)) {
            self.refuse(waiting);
        }
    }

    fn let_in(&mut self, waiting: Waiting) {
        let connection = Box::new(Connection::new(waiting.stream, waiting.from, waiting.session));
        self.admit(waiting.from, greeting(connection));
    }

    /// Somebody wants to resume. Whoever has not the room's secret ends here, before any costly step.
    fn let_back(&mut self, caller: Caller) -> DoorEvent {
        let Some(door) = &mut self.door else { return DoorEvent::Nothing };
        if door.replays.knows(&caller.record) {
            return self.intruder(caller.from);
        }
        let settings = over(self.settings, caller.from);
        let session = door.keys.iter().find_map(|key| {
            let mut session = Session::respond(Mode::Resume(key.clone()), Box::new(OsRandom), settings, clock::now());
            session.receive(&mut caller.record.as_slice(), clock::now()).ok().map(|()| session)
        });
        let Some(session) = session else { return self.intruder(caller.from) };
        door.replays.accepted(&caller.record);
        let connection = Box::new(Connection::new(caller.stream, caller.from, session));
        self.admit(caller.from, returning(connection, self.pace.clone()));
        DoorEvent::Nothing
    }

    /// Makes room for one more handshake, and lets it run.
    fn admit(&mut self, from: PeerAddr, greeting: impl Future<Output = Greeting> + Send + 'static) {
        let origin = Origin::of(from);
        let same = |entry: &(AbortHandle, Origin)| entry.1.is_same_host(&origin);
        if self.entries.iter().filter(|entry| same(entry)).count() >= PER_HOST {
            self.evict(self.entries.iter().position(same));
        }
        if self.entries.len() >= HANDSHAKES {
            let places: Vec<_> = self.entries.iter().map(|(_, origin)| *origin).collect();
            self.evict(most_crowded(&places).first().copied());
        }
        let limit = over(self.settings, from).handshake();
        let greeting = async move { timeout(limit, greeting).await.unwrap_or(Greeting::Gone) };
        self.entries.push_back((self.tasks.spawn(greeting), origin));
    }

    fn evict(&mut self, place: Option<usize>) {
        if let Some((entry, _)) = place.and_then(|place| self.entries.remove(place)) {
            entry.abort();
        }
    }
}

/// The settings of a session with somebody there.
pub fn over(settings: Settings, place: PeerAddr) -> Settings {
    Settings { tor: place.via == Via::Tor, ..settings }
}

/// One of so many, at random.
fn dice(of: usize) -> usize {
    let random =
        OsRandom.secret().ok().and_then(|random| random.expose().first_chunk().map(|it| u64::from_be_bytes(*it)));
    usize::try_from(random.unwrap_or_default() >> 33).unwrap_or_default().checked_rem(of).unwrap_or_default()
}

/// Sends the last record of a session that is over. A fresh socket takes it at once.
fn answer(stream: &TcpStream, session: &mut Session) {
    if let Ok(Some(record)) = session.transmit(clock::now()) {
        let _ = stream.try_write(record.as_slice());
    }
}

/// Waits for a caller in the queue to go. Returns the place.
async fn gone(queue: &Queue<Waiting>) -> usize {
    std::future::poll_fn(|context| match queue.callers().position(|waiting| waiting.poll_gone(context).is_ready()) {
        Some(place) => Poll::Ready(place),
        None => Poll::Pending,
    })
    .await
}

/// The rest of the handshake with somebody who was let in.
async fn greeting(mut connection: Box<Connection>) -> Greeting {
    while connection.session.stage() == Stage::Handshake {
        if connection.move_bytes(true).await.is_err() {
            return Greeting::Gone;
        }
    }
    Greeting::Guest(connection)
}

/// The rest of the handshake with whoever has the room's secret, up to our nonce, which waits for its turn.
async fn returning(mut connection: Box<Connection>, pace: Arc<Mutex<Pace>>) -> Greeting {
    let from = connection.from;
    let mut admitted = false;
    loop {
        let mut turn = None;
        match connection.session.stage() {
            Stage::Returning => return Greeting::Returned(connection),
            Stage::Established if !admitted => {
                match pace.lock().unwrap_or_else(PoisonError::into_inner).try_return(clock::now()) {
                    Ok(()) => admitted = true,
                    Err(at) => turn = Some(at),
                }
            }
            _ => {}
        }
        if admitted {
            connection.session.admit();
        }
        let wait = turn.map(|at| at.saturating_sub(clock::now()));
        tokio::select! {
            moved = connection.move_bytes(true) => match moved {
                Ok(()) => {}
                Err(Ended::Error(Error::OtherPartner | Error::Handshake)) => return Greeting::Intruder(from),
                Err(_) => return Greeting::Gone,
            },
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::super::admission::{NEXT, WAITING};
    use super::*;
    use crate::protocol::keys::StaticKey;

    fn mode() -> Mode {
        Mode::Pair(Arc::new(StaticKey::new(OsRandom.secret().unwrap()).unwrap()))
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    /// A lobby for strangers, and where they arrive.
    fn lobby() -> (Lobby, mpsc::Sender<Arrival>) {
        let (say, arrivals) = mpsc::channel(64);
        let mut lobby = Lobby::new(arrivals, Settings::default());
        lobby.greet_with(mode());
        (lobby, say)
    }

    fn at(ip: &str) -> PeerAddr {
        SocketAddr::new(ip.parse().unwrap(), 7).into()
    }

    async fn sockets() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (near, listener.accept().await.unwrap().0)
    }

    /// Somebody who speaks the protocol calls from there and stays.
    async fn calls(say: &mpsc::Sender<Arrival>, ip: &str) {
        let (near, stream) = sockets().await;
        let mut session = Session::initiate(mode(), Box::new(OsRandom), Settings::default(), clock::now()).unwrap();
        let record = session.transmit(clock::now()).unwrap().unwrap();
        say.send(Arrival::Caller(Caller { stream, from: at(ip), record })).await.unwrap();
        let mut connection = Connection::new(near, at(ip), session);
        tokio::spawn(async move { while connection.move_bytes(true).await.is_ok() {} });
    }

    async fn guest(lobby: &mut Lobby) -> Box<Connection> {
        loop {
            if let DoorEvent::Guest(connection) = lobby.next().await {
                lobby.take();
                return connection;
            }
        }
    }

    /// How many tries a measurement makes, unless the environment says it.
    const TRIES: usize = 2;
    /// The partner's code has to be on the screen after that.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Strangers call from these addresses, `apart` from each other and in turns, and go through with the handshake. A
    /// second later the partner calls. The host's user types `/next` whenever others wait. Returns the most `/next` that
    /// the partner cost, after each try was in time.
    #[expect(clippy::print_stdout, reason = "the figures of a measurement")]
    fn nexts(strangers: &'static [&'static str], apart: Duration) -> usize {
        let tries = std::env::var("TETE_TRIES").ok().and_then(|tries| tries.parse().ok()).unwrap_or(TRIES);
        let mut took = Vec::new();
        run(async {
            for _ in 0..tries {
                let (mut lobby, say) = lobby();
                let flood = tokio::spawn({
                    let say = say.clone();
                    async move {
                        for from in strangers.iter().cycle() {
                            calls(&say, from).await;
                            sleep(apart).await;
                        }
                    }
                });
                let mut came = None;
                let began = clock::now();
                let mut nexts = 0;
                let mut pairs = guest(&mut lobby).await;
                loop {
                    if came.is_none() && clock::now() >= began + Duration::from_secs(1) {
                        calls(&say, "203.0.113.7").await;
                        came = Some(clock::now());
                    }
                    if came.is_some() && pairs.from == at("203.0.113.7") {
                        break;
                    }
                    let _ = timeout(Duration::from_millis(100), lobby.next()).await;
                    let waits = lobby.queue.callers().any(|waiting| waiting.from == at("203.0.113.7"));
                    if came.is_none() || (nexts == 0 && !waits) {
                        continue;
                    }
                    nexts += 1;
                    assert!(nexts < 20, "the partner is not let in");
                    lobby.pause(pairs.from, true);
                    let over = clock::now() + NEXT;
                    while clock::now() < over {
                        let _ = timeout(over.saturating_sub(clock::now()), lobby.next()).await;
                    }
                    lobby.open();
                    pairs = guest(&mut lobby).await;
                }
                took.push((clock::now().saturating_sub(came.unwrap_or_default()), nexts));
                flood.abort();
            }
        });
        let late = took.iter().filter(|(took, _)| *took > PATIENCE).count();
        println!("{late} of {tries} tries took longer than {PATIENCE:?}: {took:?}");
        assert!(late * 20 <= tries, "{took:?}");
        took.iter().map(|(_, nexts)| *nexts).max().unwrap_or_default()
    }

    #[test]
    fn two_patient_strangers_cost_the_partner_one_next_for_each_network() {
        assert_eq!(nexts(&["198.51.100.1", "198.51.100.2"], Duration::from_secs(1)), 1);
        assert!(nexts(&["198.51.100.1", "192.0.2.1"], Duration::from_secs(1)) <= 2);
    }

    #[test]
    fn two_hundred_calls_a_second_from_eight_addresses_of_a_network_cost_the_partner_one_next() {
        const STRANGERS: [&str; 8] = [
            "198.51.100.1",
            "198.51.100.2",
            "198.51.100.3",
            "198.51.100.4",
            "198.51.100.5",
            "198.51.100.6",
            "198.51.100.7",
            "198.51.100.8",
        ];
        assert_eq!(nexts(&STRANGERS, Duration::from_millis(5)), 1);
    }

    #[test]
    fn two_hundred_calls_a_second_from_eight_networks_cost_the_partner_eight_nexts_at_most() {
        const STRANGERS: [&str; 8] = [
            "198.51.1.1",
            "198.51.2.1",
            "198.51.3.1",
            "198.51.4.1",
            "198.51.5.1",
            "198.51.6.1",
            "198.51.7.1",
            "198.51.8.1",
        ];
        assert!(nexts(&STRANGERS, Duration::from_millis(5)) <= 8);
    }

    #[test]
    fn distinct_records_1_fill_the_queue_and_false_records_3_the_handshakes_and_no_more() {
        run(async {
            let (mut lobby, _say) = lobby();
            lobby.take();
            let mut session = Session::initiate(mode(), Box::new(OsRandom), Settings::default(), clock::now()).unwrap();
            let record = session.transmit(clock::now()).unwrap().unwrap();
            let mut held = VecDeque::new();
            for number in 0_u32..500 {
                let (near, stream) = sockets().await;
                held.push_back(near);
                let mut record = record.clone();
                record[10..14].copy_from_slice(&number.to_be_bytes());
                lobby.greet(Caller { stream, from: at(&format!("198.51.{}.1", number % 250)), record });
                assert!(lobby.queue.len() <= WAITING);
            }
            assert_eq!(lobby.queue.len(), WAITING);
            // More are let in than the pace of draws would allow.
            while let Some(waiting) = lobby.queue.remove(0) {
                lobby.let_in(waiting);
                assert!(lobby.entries.len() <= HANDSHAKES);
            }
            assert_eq!(lobby.entries.len(), HANDSHAKES);
            for near in &mut held {
                let _ = near.write_all(&[0xff; 1_280]).await;
            }
            while !lobby.entries.is_empty() {
                assert!(!matches!(lobby.next().await, DoorEvent::Guest(_)));
            }
        });
    }

    #[test]
    fn a_record_1_that_is_sent_again_gets_no_second_place() {
        run(async {
            let (mut lobby, say) = lobby();
            lobby.take();
            let mut session = Session::initiate(mode(), Box::new(OsRandom), Settings::default(), clock::now()).unwrap();
            let record = session.transmit(clock::now()).unwrap().unwrap();
            let mut held = Vec::new();
            for from in ["198.51.100.1", "203.0.113.7"] {
                let (near, stream) = sockets().await;
                held.push(near);
                say.send(Arrival::Caller(Caller { stream, from: at(from), record: record.clone() })).await.unwrap();
            }
            calls(&say, "192.0.2.1").await;
            while !lobby.queue.callers().any(|waiting| waiting.from == at("192.0.2.1")) {
                lobby.next().await;
            }
            assert_eq!(lobby.queue.len(), 2);
        });
    }
}
