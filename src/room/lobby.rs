//! The second stage of admission: handshakes with everyone who sent a valid record 1.
//!
//! The first to finish takes the pairing. While that lasts one more caller
//! waits; all others are told busy. Once the room is open only its partner can
//! finish a handshake.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::connection::{Connection, Ended};
use super::pace::Pace;
use crate::address::{PeerAddr, Via};
use crate::clock;
use crate::protocol::error::Error;
use crate::protocol::handshake::{Mode, ResumeKey, asks_to_resume};
use crate::protocol::random::OsRandom;
use crate::protocol::replays::Replays;
use crate::protocol::session::{Session, Settings, Stage};
use crate::transport::error::ConnectError;
use crate::transport::listen::{Arrival, Caller};
use crate::transport::way::Way;

/// Maximum number of handshakes after a valid record 1.
const HANDSHAKES: usize = 16;
/// Maximum number of handshakes from one address, or one /64 of IPv6. Loopback is exempt: a proxy may bring everybody
/// from there.
const PER_ADDRESS: usize = 4;
/// Time for which the one waiting caller is held: well within the handshake limit of its own side.
const HOLD: Duration = Duration::from_secs(12);
/// Time limit for sending a refusal.
const REFUSAL: Duration = Duration::from_secs(1);
/// Shortest time between two reports about strangers.
const NEWS_EVERY: Duration = Duration::from_secs(30);

/// The callers who are let in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Admission {
    /// The first caller: nobody is pairing.
    Open,
    /// No caller: somebody is pairing, or the pause after a failed run lasts.
    Taken,
    /// No caller but the partner: the room is open.
    Closed,
}

/// An event at the door.
pub enum DoorEvent {
    /// Somebody finished the handshake.
    Guest(Box<Connection>),
    /// A caller was told that the host is busy.
    ToldBusy {
        /// Address of the latest one.
        from: PeerAddr,
        /// Number of such callers so far.
        times: u32,
    },
    /// The partner, who may be in the room, is back.
    Returned(Box<Connection>),
    /// Somebody who is not the partner tried to resume the open room.
    Intruder {
        /// Address of the latest one.
        from: PeerAddr,
        /// Number of such attempts so far.
        times: u32,
    },
    /// A way went down (`Some(error)`) or came back (`None`).
    Way(Way, Option<ConnectError>),
    /// No event for the room.
    Nothing,
}

enum Greeting {
    Guest(Box<Connection>),
    Returned(Box<Connection>),
    Intruder(PeerAddr),
    Busy(PeerAddr),
    Gone,
}

/// The keys by which the partner returns to a room.
struct Door {
    keys: Vec<Arc<ResumeKey>>,
    replays: Replays,
}

/// A count of strangers, which is reported now and then.
#[derive(Default)]
struct Tally {
    times: u32,
    told: Option<Duration>,
}

impl Tally {
    /// Counts one more. Returns the count if it is time for a report.
    fn add(&mut self, now: Duration) -> Option<u32> {
        self.times = self.times.saturating_add(1);
        if self.told.is_some_and(|told| now < told + NEWS_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(self.times)
    }
}

/// The handshakes that are under way.
pub struct Lobby {
    arrivals: mpsc::Receiver<Arrival>,
    /// The handshake for strangers, or for the holder of the invite, until the room is open.
    entry: Option<Mode>,
    replays: Replays,
    settings: Settings,
    admission: watch::Sender<Admission>,
    door: Option<Door>,
    pace: Arc<Mutex<Pace>>,
    waiter: Arc<Semaphore>,
    tasks: JoinSet<Greeting>,
    entries: VecDeque<(AbortHandle, Option<IpAddr>)>,
    /// A connection whose handshake finished while somebody else was pairing. Its own side waits only five seconds.
    spare: Option<Box<Connection>>,
    busy: Tally,
    intruders: Tally,
}

impl Lobby {
    /// Creates a lobby that accepts nobody before [`greet_with`](Self::greet_with).
    pub fn new(arrivals: mpsc::Receiver<Arrival>, settings: Settings) -> Self {
        Self {
            arrivals,
            entry: None,
            replays: Replays::default(),
            settings,
            admission: watch::channel(Admission::Open).0,
            door: None,
            pace: Arc::default(),
            waiter: Arc::new(Semaphore::new(1)),
            tasks: JoinSet::new(),
            entries: VecDeque::new(),
            spare: None,
            busy: Tally::default(),
            intruders: Tally::default(),
        }
    }

    /// Accepts callers from here on, with this handshake.
    pub fn greet_with(&mut self, entry: Mode) {
        self.entry = Some(entry);
    }

    /// Lets the next caller pair.
    pub fn open(&mut self) {
        self.admission.send_replace(Admission::Open);
    }

    /// Lets nobody pair: somebody is pairing.
    pub fn take(&mut self) {
        self.admission.send_replace(Admission::Taken);
    }

    /// Lets only the partner return, as the room is open. An invite expires.
    pub fn close(&mut self) {
        self.spare = None;
        self.entry = self.entry.take().filter(|entry| matches!(entry, Mode::Pair(_)));
        self.admission.send_replace(Admission::Closed);
    }

    /// Lets the partner return by these keys, and by no others.
    pub fn let_back_by(&mut self, keys: Vec<Arc<ResumeKey>>) {
        let same = |door: &Door| door.keys.iter().any(|known| keys.iter().any(|key| Arc::ptr_eq(known, key)));
        let replays = self.door.take_if(|door| same(door)).map(|door| door.replays).unwrap_or_default();
        self.door = (!keys.is_empty()).then_some(Door { keys, replays });
    }

    /// Waits for the next event. Safe to cancel.
    pub async fn next(&mut self) -> DoorEvent {
        if *self.admission.borrow() == Admission::Open
            && let Some(mut connection) = self.spare.take()
            && connection.session.tick(clock::now()).is_ok()
        {
            return DoorEvent::Guest(connection);
        }
        tokio::select! {
            Some(arrival) = self.arrivals.recv() => match arrival {
                Arrival::Door(way, shut) => DoorEvent::Way(way, shut),
                Arrival::Caller(caller) if asks_to_resume(&caller.record) => self.let_back(caller),
                Arrival::Caller(caller) => self.greet(caller),
            },
            Some(greeting) = self.tasks.join_next() => {
                self.entries.retain(|(entry, _)| !entry.is_finished());
                match greeting {
                    Ok(Greeting::Guest(connection)) => self.guest(connection),
                    Ok(Greeting::Returned(connection)) => DoorEvent::Returned(connection),
                    Ok(Greeting::Intruder(from)) => self.intruder(from),
                    Ok(Greeting::Busy(from)) => match self.busy.add(clock::now()) {
                        Some(times) => DoorEvent::ToldBusy { from, times },
                        None => DoorEvent::Nothing,
                    },
                    _ => DoorEvent::Nothing,
                }
            }
            else => std::future::pending().await,
        }
    }

    fn guest(&mut self, connection: Box<Connection>) -> DoorEvent {
        match *self.admission.borrow() {
            Admission::Open => return DoorEvent::Guest(connection),
            Admission::Taken if self.spare.is_none() => self.spare = Some(connection),
            _ => {}
        }
        DoorEvent::Nothing
    }

    fn intruder(&mut self, from: PeerAddr) -> DoorEvent {
        match self.intruders.add(clock::now()) {
            Some(times) => DoorEvent::Intruder { from, times },
            None => DoorEvent::Nothing,
        }
    }

    fn greet(&mut self, caller: Caller) -> DoorEvent {
        let Some(entry) = self.entry.clone() else { return DoorEvent::Nothing };
        let strangers = matches!(entry, Mode::Pair(_));
        if !strangers && self.replays.knows(&caller.record) {
            return DoorEvent::Nothing;
        }
        let session = Session::respond(entry, Box::new(OsRandom), over(self.settings, caller.from), clock::now());
        let from = caller.from;
        let mut connection = Box::new(Connection::new(caller.stream, from, session));
        let (admission, waiter) = (self.admission.subscribe(), self.waiter.clone());
        if strangers {
            self.admit(from, async move { greeting(connection, caller.record.as_slice(), admission, waiter).await });
        } else if connection.receive(caller.record.as_slice()).is_ok() {
            // A caller without the invite ends here, before any costly step and without an answer.
            self.replays.accepted(&caller.record);
            self.admit(from, invited(connection, admission, waiter));
        }
        DoorEvent::Nothing
    }

    /// Accepts a caller who wants to resume. One without the room's secret ends here, before any costly step.
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

    /// Runs one more handshake, in place of an earlier one if there are too many.
    fn admit(&mut self, from: PeerAddr, greeting: impl Future<Output = Greeting> + Send + 'static) {
        let block = block(from);
        let same = |entry: &(AbortHandle, Option<IpAddr>)| entry.1.is_some() && entry.1 == block;
        if self.entries.iter().filter(|entry| same(entry)).count() >= PER_ADDRESS {
            self.evict(self.entries.iter().position(same));
        }
        if self.entries.len() >= HANDSHAKES {
            self.evict(Some(0));
        }
        let limit = over(self.settings, from).handshake();
        let greeting = async move { timeout(limit, greeting).await.unwrap_or(Greeting::Gone) };
        self.entries.push_back((self.tasks.spawn(greeting), block));
    }

    fn evict(&mut self, place: Option<usize>) {
        if let Some((entry, _)) = place.and_then(|place| self.entries.remove(place)) {
            entry.abort();
        }
    }
}

/// Settings of a session with a peer at `place`.
pub fn over(settings: Settings, place: PeerAddr) -> Settings {
    Settings { tor: place.via == Via::Tor, ..settings }
}

/// The block of addresses that is limited as one. `None` if it is not limited.
fn block(from: PeerAddr) -> Option<IpAddr> {
    match from.at.ip().to_canonical() {
        _ if from.via != Via::Direct => None,
        address if address.is_loopback() => None,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Some(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
        }
        v4 => Some(v4),
    }
}

async fn greeting(
    mut connection: Box<Connection>,
    record: &[u8],
    admission: watch::Receiver<Admission>,
    waiter: Arc<Semaphore>,
) -> Greeting {
    let from = connection.from;
    if connection.receive(record).is_err() {
        // Of all refusals only that of another version is sent.
        let _ = timeout(REFUSAL, connection.flush()).await;
        return Greeting::Gone;
    }
    if !admitted(admission, &waiter).await {
        connection.session.refuse_busy();
        let _ = timeout(REFUSAL, connection.flush()).await;
        return Greeting::Busy(from);
    }
    while connection.session.stage() == Stage::Handshake {
        if connection.move_bytes(true).await.is_err() {
            return Greeting::Gone;
        }
    }
    Greeting::Guest(connection)
}

/// Finishes the handshake with the holder of the invite. A refusal has no answer.
async fn invited(
    mut connection: Box<Connection>,
    admission: watch::Receiver<Admission>,
    waiter: Arc<Semaphore>,
) -> Greeting {
    if !admitted(admission, &waiter).await {
        return Greeting::Gone;
    }
    while connection.session.stage() == Stage::Handshake {
        if connection.move_bytes(true).await.is_err() {
            return Greeting::Gone;
        }
    }
    Greeting::Guest(connection)
}

/// Finishes the handshake with a holder of the room's secret, up to this side's nonce, which waits for its turn.
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

/// Waits, before record 2 is sent, until the caller may pair. `false` if another caller waits already, or for too long.
async fn admitted(mut admission: watch::Receiver<Admission>, waiter: &Semaphore) -> bool {
    if *admission.borrow() == Admission::Open {
        return true;
    }
    let Ok(_place) = waiter.try_acquire() else { return false };
    let opened = admission.wait_for(|admission| *admission != Admission::Taken);
    matches!(timeout(HOLD, opened).await, Ok(Ok(admission)) if *admission == Admission::Open)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn ipv6_counts_by_its_64_bits_and_loopback_does_not_count() {
        let block = |text: &str| block(SocketAddr::new(text.parse().unwrap(), 1).into());
        assert_eq!(block("2001:db8:0:1::1"), block("2001:db8:0:1:ffff::2"));
        assert_ne!(block("2001:db8:0:1::1"), block("2001:db8:0:2::1"));
        assert_ne!(block("192.0.2.1"), block("192.0.2.2"));
        assert_eq!((block("127.0.0.1"), block("::1"), block("::ffff:127.0.0.1")), (None, None, None));
    }
}
