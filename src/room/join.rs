//! The joiner: finds the host, and finds it again after the connection was lost.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::connection::{Connection, Ended};
use super::lobby::over;
use super::pace::Pace;
use super::redial::{DialPlan, Failures, Progress, REASONS, Redial, RedialEvent};
use super::side::{Side, SideEvent};
use super::talk::Talk;
use super::{Options, Room, STEPS, WAYS, route, side_of_relay, system, tor};
use crate::address::{Address, PeerAddr};
use crate::clock;
use crate::interface::UserChannels;
use crate::interface::event::{ConnectionState, Event};
use crate::interface::fault::{Fault, PairingFault};
use crate::printable::Printable;
use crate::protocol::error::{Error, Rejection};
use crate::protocol::handshake::{Mode, ResumeKey, SharedSecret};
use crate::protocol::invite::Invite;
use crate::protocol::keys::StaticKey;
use crate::protocol::random::OsRandom;
use crate::protocol::session::{Session, Settings, Stage};
use crate::transport::dial;
use crate::transport::error::ConnectError;
use crate::transport::lan::{Browser, LanKey};
use crate::transport::relay::Token;
use crate::transport::way::{Egress, Way};

/// Interval between two searches for a better way than a relay or Tor.
const BETTER: Duration = Duration::from_secs(30);
/// Duration of each search on the local network.
const LISTEN: Duration = Duration::from_secs(5);
/// Time for which the ways of an invite are tried again, if one of them may work later.
const SEARCH: Duration = Duration::from_secs(60);
/// Time for which the ways of an invite are tried again, if one of them leads through Tor.
const SEARCH_TOR: Duration = Duration::from_secs(300);

/// The target of the joiner.
pub enum JoinTarget {
    /// An address. The users check a code.
    Address(Address),
    /// The host of an invite.
    Invite {
        /// The invite.
        invite: Invite,
        /// Whether the local network is searched, too.
        lan: bool,
    },
}

/// The ways whose attempts were told, and for what reasons each was told to lead nowhere.
type ToldOf = Vec<(Way, Vec<ConnectError>)>;

/// Joins the partner's room and talks until it ends.
pub async fn join(channels: UserChannels, options: Options, to: JoinTarget, egress: Egress) -> Result<(), Fault> {
    let mut room = Room::new(channels, options)?;
    let found = match to {
        JoinTarget::Address(address) => room.find(&address, egress).await,
        JoinTarget::Invite { invite, lan } => room.find_by(invite, lan, egress).await,
    };
    let (result, side) = match found {
        Ok((mut connection, joiner)) => {
            let mut side = Side::Joiner(Box::new(joiner));
            let outcome = Talk::new(&mut room, &mut side, &mut connection, false).run().await;
            (room.end(outcome), Some(side))
        }
        Err(fault) => (Err(fault), None),
    };
    let result = room.finish(result).await;
    if let Some(Side::Joiner(joiner)) = side {
        joiner.egress.tor.close().await;
    }
    result
}

/// The ways to the host, and the search for it after the connection was lost.
pub struct Joiner {
    /// The ways to the host, the best first.
    pub ways: Vec<Way>,
    /// How this machine reaches other machines.
    pub egress: Arc<Egress>,
    /// The latest failure of each way.
    pub met: Failures,
    /// The search for the host, while there is one.
    pub redial: Option<Redial>,
    /// The times of this side's returns.
    pace: Pace,
    /// Time of the next search for a better way.
    pub better_at: Duration,
    /// The search on the local network, while another connection is needed and until `listen_until`.
    browser: Option<Browser>,
    listen_until: Duration,
}

impl Joiner {
    fn new(ways: Vec<Way>, egress: Arc<Egress>) -> Self {
        let (redial, pace, browser) = (None, Pace::default(), None);
        let (better_at, listen_until) = (Duration::ZERO, Duration::ZERO);
        Self { ways, egress, met: Failures::default(), redial, pace, better_at, browser, listen_until }
    }

    /// Waits for the next event of the search for the host. Safe to cancel.
    pub async fn next(&mut self) -> SideEvent {
        let listens = self.redial.is_some() || clock::now() < self.listen_until;
        let Self { redial, browser, .. } = self;
        if let Some(browser) = browser.as_mut().filter(|_| !listens) {
            browser.rest();
        }
        tokio::select! {
            at = found(browser), if listens => {
                self.found(at);
                SideEvent::Nothing
            }
            event = async {
                match redial {
                    Some(redial) => redial.next().await,
                    None => std::future::pending().await,
                }
            } => match event {
                RedialEvent::Found(connection) => SideEvent::Returned(connection),
                RedialEvent::Failed { number, failure } => SideEvent::RedialFailed { number, failure },
                RedialEvent::Gone => SideEvent::HostGone,
                RedialEvent::Nothing => SideEvent::Nothing,
            },
        }
    }

    /// Adds a way to the host that was found on the local network.
    fn found(&mut self, at: SocketAddr) {
        let way = Way::Direct(at);
        if self.ways.contains(&way) {
            return;
        }
        self.ways.push(way.clone());
        self.better_at = Duration::ZERO;
        if let Some(redial) = &mut self.redial {
            redial.add(way);
        }
    }

    /// Begins a search, the later the more often this side came back lately.
    pub fn search(&mut self, resume: Arc<ResumeKey>, settings: Settings) {
        let search = self.plan(self.ways.clone(), resume, settings);
        self.redial = Some(Redial::new(search, self.pace.lately(clock::now())));
    }

    /// Starts a search of one attempt for a way without a relay or Tor.
    pub fn search_better(&mut self, resume: Arc<ResumeKey>, settings: Settings) {
        self.better_at = clock::now() + BETTER;
        self.listen_until = clock::now() + LISTEN;
        let mut ways = self.ways.clone();
        ways.retain(Way::is_direct);
        if !ways.is_empty() && self.egress.proxy.is_none() && !self.egress.tor.only {
            self.redial = Some(Redial::new(self.plan(ways, resume, settings), 0).once());
        }
    }

    fn plan(&self, ways: Vec<Way>, resume: Arc<ResumeKey>, settings: Settings) -> DialPlan {
        let (egress, met) = (self.egress.clone(), self.met.clone());
        DialPlan { ways, egress, mode: Mode::Resume(resume), settings, tell: None, met }
    }

    /// Stops the search, unless the host may be about to move to a connection of it.
    pub fn stop_searching(&mut self) {
        self.redial = self.redial.take().filter(|redial| redial.is_proving() || redial.is_once() && !redial.is_over());
    }

    /// Drops all attempts under way: their key is not the room's any more.
    pub fn stop_attempts(&mut self) {
        self.redial = None;
    }

    /// Whether a search has to be started after the connection was lost.
    pub fn needs_search(&self) -> bool {
        self.redial.as_ref().is_none_or(|redial| redial.is_once() && !redial.is_proving())
    }

    /// Whether a search for a better way has failed.
    pub fn is_search_over(&self) -> bool {
        self.redial.as_ref().is_some_and(Redial::is_over)
    }

    /// Whether a search for a better way is under way.
    pub fn is_bettered(&self) -> bool {
        self.redial.as_ref().is_some_and(Redial::is_once)
    }

    /// The progress of the search as a state of the connection.
    pub fn connection_state(&self) -> Option<ConnectionState> {
        self.redial.as_ref().map(|redial| ConnectionState::Redialing {
            number: redial.state().number,
            next: redial.next_at(),
            failure: redial.state().failure,
        })
    }

    /// Ends the search, as the host was found.
    pub fn arrived(&mut self) {
        self.redial = None;
        self.pace.returned(clock::now());
    }
}

/// Takes the ways out of an invite, the best first, and the handshake by which the host recognises its holder. Prepares
/// `egress` for them.
pub fn open_invite(invite: &Invite, egress: &mut Egress, local: Arc<StaticKey>) -> Result<(Vec<Way>, Mode), Fault> {
    let secret = &invite.secret;
    let mut ways = Vec::new();
    for way in invite.hints.iter().filter_map(Way::of) {
        if ways.len() < WAYS && !ways.contains(&way) {
            ways.push(way);
        }
    }
    ways.sort_by_key(Way::rank);
    egress.token = Some(Token::new(&secret.relay_token().map_err(system)?, side_of_relay().map_err(system)?));
    egress.tor.key = Some(secret.onion_key().and_then(StaticKey::new).map_err(system)?);
    let secret = SharedSecret { psk: secret.psk().map_err(system)?, local };
    Ok((ways, Mode::Secret(Arc::new(secret))))
}

impl Room {
    /// Connects to an address and runs the handshake.
    async fn find(&mut self, address: &Address, mut egress: Egress) -> Result<(Box<Connection>, Joiner), Fault> {
        let name = || Printable::line(&address.to_string());
        let way = Way::to(address);
        let (say, mut steps) = mpsc::channel(STEPS);
        egress.tor.tell = Some(say);
        let egress = Arc::new(egress);
        let apart = egress.proxy.is_some() || egress.tor.only || matches!(way, Way::Onion(..));
        let (stream, from, ways) = if apart {
            self.user.tell(Event::Trying { address: route(&way) });
            let connected =
                self.attend_to(way.connect(&egress), &mut steps, |room, step| room.user.tell(tor(step))).await?;
            let (stream, from) = connected.map_err(|why| {
                self.user.tell(Event::TryFailed { address: route(&way), why });
                Fault::Unreachable(name())
            })?;
            (stream, from, vec![way])
        } else {
            let (stream, found) = self.dial(address).await?;
            let from = stream.peer_addr().map_err(|_| Fault::Unreachable(name()))?;
            let mut ways: Vec<_> = found.into_iter().map(Way::Direct).collect();
            // Try the address that answered first.
            ways.sort_by_key(|way| *way != Way::Direct(from));
            if address.host.parse::<IpAddr>().is_err() {
                ways.push(Way::Name(address.clone()));
            }
            (stream, PeerAddr::from(from), ways)
        };
        self.user.tell(Event::Connected { address: from });
        let mode = Mode::Pair(self.key.clone());
        let settings = over(self.options.settings, from);
        let session = Session::initiate(mode, Box::new(OsRandom), settings, clock::now()).map_err(system)?;
        let mut connection = Box::new(Connection::new(stream, from, session));
        self.shake_hands(&mut connection, name).await?;
        Ok((connection, Joiner::new(ways, egress)))
    }

    /// Connects by the way of an invite that reaches its host first.
    async fn find_by(
        &mut self,
        invite: Invite,
        lan: bool,
        mut egress: Egress,
    ) -> Result<(Box<Connection>, Joiner), Fault> {
        let (mut ways, mode) = open_invite(&invite, &mut egress, self.key.clone())?;
        let mut browser = if lan { self.browse(LanKey(invite.secret.lan_key().map_err(system)?)) } else { None };
        drop(invite);
        if ways.is_empty() && browser.is_none() {
            return Err(Fault::NoWay);
        }
        let (say, mut steps) = mpsc::channel(STEPS);
        egress.tor.tell = Some(say);
        let egress = Arc::new(egress);
        let (tell, mut told) = mpsc::channel(2 * WAYS);
        let settings = self.options.settings;
        let met = Failures::default();
        let search =
            DialPlan { ways: ways.clone(), egress: egress.clone(), mode, settings, tell: Some(tell), met: met.clone() };
        let mut redial = Redial::new(search, 0);
        let onion = ways.iter().any(|way| matches!(way, Way::Onion(..)));
        let search_for = match ways.iter().all(Way::is_direct) {
            _ if onion || egress.tor.only => SEARCH_TOR,
            true if browser.is_none() => Duration::ZERO,
            _ => SEARCH,
        };
        // No way can be tried before Tor is open.
        let by_onion = browser.is_none() && ways.iter().all(|way| matches!(way, Way::Onion(..)));
        if egress.proxy.is_none() && (egress.tor.only || by_onion) {
            self.while_tor_works(egress.tor.open(), &mut steps).await?;
        }
        let given_up = clock::now() + search_for;
        let mut told_of = ToldOf::new();
        let connection = loop {
            if redial.is_over() {
                while let Ok(progress) = told.try_recv() {
                    self.tell_way(progress, &mut told_of);
                }
                return Err(Fault::NoWay);
            }
            tokio::select! {
                Some(progress) = told.recv() => self.tell_way(progress, &mut told_of),
                Some(step) = steps.recv() => self.user.tell(tor(step)),
                found = found(&mut browser) => {
                    let way = Way::Direct(found);
                    if !ways.contains(&way) {
                        ways.push(way.clone());
                        redial.add(way);
                    }
                }
                event = redial.next() => if let RedialEvent::Found(connection) = event {
                    break connection;
                },
                () = sleep(given_up.saturating_sub(clock::now())), if !redial.is_once() => redial.finish(),
                request = self.user.early() => self.user.refuse(request?),
            }
        };
        drop((redial, told));
        self.user.tell(Event::Connected { address: connection.from });
        Ok((connection, Joiner { browser, met, ..Joiner::new(ways, egress) }))
    }

    /// Starts the search on the local network, and reports if that fails.
    fn browse(&mut self, key: LanKey) -> Option<Browser> {
        match Browser::new(key) {
            Ok(browser) => Some(browser),
            Err(error) => {
                self.user.tell(Event::LanFailed { why: error });
                None
            }
        }
    }

    /// Reports the progress on a way, unless the same was reported before.
    fn tell_way(&mut self, progress: Progress, met: &mut ToldOf) {
        let (way, failure) = match progress {
            Progress::Trying(way) => (way, None),
            Progress::Failed(way, failure) => (way, Some(failure)),
        };
        let name = route(&way);
        let before = met.iter_mut().find(|(known, _)| *known == way);
        match (before, failure) {
            (None, _) => {
                met.push((way, failure.into_iter().collect()));
                self.user.tell(Event::Trying { address: name });
            }
            (Some((_, before)), Some(failure)) if !before.contains(&failure) && before.len() < REASONS => {
                before.push(failure);
                self.user.tell(Event::TryFailed { address: name, why: failure });
            }
            _ => {}
        }
    }

    /// Connects to an address and reports each attempt. Returns all addresses that the name has, too.
    async fn dial(&mut self, address: &Address) -> Result<(TcpStream, Vec<SocketAddr>), Fault> {
        if address.host.parse::<IpAddr>().is_err() {
            self.user.tell(Event::LookingUp { host: Printable::line(&address.host) });
        }
        // At most two reports for each address, so that the channel holds them all.
        let (tell, mut told) = mpsc::channel(2 * dial::ADDRESSES);
        let dialing = async {
            let found = dial::lookup(address).await.map_err(|error| match error {
                ConnectError::System(error) => Fault::System(error),
                _ => Fault::Lookup(Printable::line(&address.host)),
            })?;
            let stream = dial::dial(found.clone(), move |progress| drop(tell.try_send(progress))).await;
            stream
                .map(|stream| (stream, found))
                .ok_or_else(|| Fault::Unreachable(Printable::line(&address.to_string())))
        };
        let result = self.attend_to(dialing, &mut told, Self::tell_progress).await?;
        while let Ok(progress) = told.try_recv() {
            self.tell_progress(progress);
        }
        result
    }

    fn tell_progress(&mut self, progress: dial::Progress) {
        self.user.tell(match progress {
            dial::Progress::Trying(to) => Event::Trying { address: route(&Way::Direct(to)) },
            dial::Progress::Failed(to, why) => Event::TryFailed { address: route(&Way::Direct(to)), why },
        });
    }

    /// Runs the joiner's handshake up to record 3.
    async fn shake_hands(&mut self, connection: &mut Connection, name: impl Fn() -> Printable) -> Result<(), Fault> {
        while connection.session.stage() == Stage::Handshake {
            let moved = self.attend(connection.move_bytes(true)).await?;
            moved.map_err(|ended| match ended {
                Ended::Error(Error::Rejected(Rejection::Busy)) => Fault::Busy,
                Ended::Error(Error::Rejected(Rejection::Version { min, max })) => Fault::Version { min, max },
                Ended::Error(Error::Rejected(Rejection::Other(reason))) => Fault::Refused(reason),
                Ended::Error(Error::Reflection) => Fault::Pairing(PairingFault::Reflection),
                Ended::Error(error @ Error::Primitive) => system(error),
                ended => Fault::Handshake { address: name(), why: connection.handshake_error(&ended) },
            })?;
        }
        Ok(())
    }
}

/// The next address at which the host is on the local network.
async fn found(browser: &mut Option<Browser>) -> SocketAddr {
    match browser {
        Some(browser) => browser.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::keys::Secret;
    use crate::protocol::random::Randomness as _;

    #[tokio::test]
    async fn the_local_network_is_searched_only_while_another_connection_is_needed() {
        let mut joiner = Joiner::new(Vec::new(), Arc::default());
        joiner.browser = Some(Browser::new(LanKey(Secret::default())).unwrap());
        let searches = async |joiner: &mut Joiner| {
            let _ = tokio::time::timeout(Duration::from_millis(10), joiner.next()).await;
            joiner.browser.as_ref().unwrap().is_searching()
        };
        assert!(!searches(&mut joiner).await, "there is a connection");
        let local = StaticKey::new(OsRandom.secret().unwrap()).unwrap();
        let plan = DialPlan {
            ways: Vec::new(),
            egress: joiner.egress.clone(),
            mode: Mode::Pair(Arc::new(local)),
            settings: Settings::default(),
            tell: None,
            met: Failures::default(),
        };
        joiner.redial = Some(Redial::new(plan, 0));
        assert!(searches(&mut joiner).await, "it broke");
        joiner.redial = None;
        assert!(!searches(&mut joiner).await, "it is back");
        joiner.listen_until = clock::now() + LISTEN;
        assert!(searches(&mut joiner).await, "it leads through a relay, and a better one is looked for");
    }
}
