//! The host: listens, and lets one partner in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::admission::{NEXT, PAUSE};
use super::connection::Connection;
use super::lobby::{DoorEvent, Lobby};
use super::side::{Side, SideEvent};
use super::talk::Talk;
use super::{OWN, Options, Outcome, Room, STEPS, Task, route, side_of_relay, system};
use crate::address::{Address, OwnAddress, Scope, Via};
use crate::clock;
use crate::interface::UserChannels;
use crate::interface::event::{Event, Invitation};
use crate::interface::fault::{Fault, PairingFault};
use crate::printable::Printable;
use crate::protocol::handshake::ResumeKey;
use crate::protocol::handshake::{Mode, SharedSecret};
use crate::protocol::invite::Invite;
use crate::protocol::keys::{InviteSecret, StaticKey};
use crate::protocol::random::{OsRandom, Randomness as _};
use crate::protocol::session::{RETURN_UNVERIFIED, Settings, Stage};
use crate::system::SystemError;
use crate::transport::error::{ConnectError, MappingError};
use crate::transport::lan::{Announcement, LanKey};
use crate::transport::listen::{self, Arrival, keep_onion, wait_at_relay};
use crate::transport::local;
use crate::transport::portmap::Mapping;
use crate::transport::relay::Token;
use crate::transport::tor::{ONION_PORT, Step};
use crate::transport::way::{Egress, Way};

/// The options of the host.
pub struct HostOptions {
    /// The only address to listen on, instead of all.
    pub bind: Option<IpAddr>,
    /// The port to listen on; 0 for any.
    pub port: u16,
    /// Whether only the holder of an invite may join.
    pub invite: bool,
    /// Relays at which the host waits, too.
    pub relays: Vec<Address>,
    /// Whether the host publishes an onion service.
    pub onion: bool,
    /// Whether the router is asked to forward a port.
    pub map: bool,
    /// Whether the host is announced on the local network.
    pub lan: bool,
}

impl HostOptions {
    /// Whether an invite leads to nothing but the machine's own addresses.
    fn leads_nowhere_else(&self, egress: &Egress) -> bool {
        self.relays.is_empty() && !self.onion && !self.lan && !egress.tor.only
    }
}

/// Waits for the partner and talks until the room ends.
pub async fn host(channels: UserChannels, options: Options, at: HostOptions, egress: Egress) -> Result<(), Fault> {
    let mut room = Room::new(channels, options)?;
    let (bind, port) = (at.bind, at.port);
    let mut host = Box::new(Host::new(room.options.settings));
    let bound = if egress.tor.only { Ok(Vec::new()) } else { listen::bind(bind, port) };
    let opened = match bound {
        Ok(listeners) => room.open_doors(&mut host, listeners, at, egress).await,
        Err(SystemError::AddressInUse) => Err(Fault::PortInUse(port)),
        Err(why) => {
            let address = bind.map_or(format!("port {port}"), |address| SocketAddr::new(address, port).to_string());
            Err(Fault::Listen { address: Printable::line(&address), why })
        }
    };
    let mut side = Side::Host(host);
    let result = match opened {
        Ok(()) => room.wait_for_partner(&mut side).await,
        Err(fault) => Err(fault),
    };
    let result = room.finish(result).await;
    if let Side::Host(host) = side {
        host.close().await;
    }
    result
}

/// The listeners of a host, and the callers.
pub struct Host {
    /// The callers whose handshake is under way.
    pub lobby: Lobby,
    /// The tasks that listen and keep the ways open. All end with the host.
    tasks: JoinSet<()>,
    arrivals: mpsc::Sender<Arrival>,
    /// How this machine reaches relays and Tor, if the host is waiting there.
    pub egress: Option<Arc<Egress>>,
    /// The router's port that is forwarded to this machine.
    mapping: Option<Mapping>,
    announcement: Option<Arc<Announcement>>,
    /// The host's own addresses and ports.
    pub listening: Vec<SocketAddr>,
    /// The router's answer, if it was asked.
    pub mapped: Option<Result<SocketAddr, MappingError>>,
    /// The ways beside the host's own addresses, each with the reason why nobody can come that way, if so.
    pub ways: Vec<(Way, Option<ConnectError>)>,
    /// The room of which it is not proved that the partner is in it, once its connection is lost.
    unproved: Option<Unproved>,
}

/// A room that waits for its partner, beside whom others may call.
struct Unproved {
    connection: Box<Connection>,
    /// When the connection was lost.
    since: Duration,
    /// The user was told that nobody has come back for long.
    told: bool,
}

impl Unproved {
    /// Whether the partner is back by another connection.
    fn is_back(&self) -> bool {
        self.connection.session.stage() != Stage::Away
    }
}

impl Host {
    fn new(settings: Settings) -> Self {
        let (arrivals, arrived) = mpsc::channel(1);
        Self {
            lobby: Lobby::new(arrived, settings),
            tasks: JoinSet::new(),
            arrivals,
            egress: None,
            mapping: None,
            announcement: None,
            listening: Vec::new(),
            mapped: None,
            ways: Vec::new(),
            unproved: None,
        }
    }

    /// This side's VERIFIED is out: from here on this run's partner alone comes back, by these keys.
    pub fn verified(&mut self, keys: Vec<Arc<ResumeKey>>) {
        self.unproved = None;
        self.lobby.let_back_by(keys);
    }

    /// Goes on with `connection`, if it is that of the partner of the unproved room.
    pub fn take_back(&mut self, connection: Connection) -> bool {
        self.unproved.as_mut().is_some_and(|unproved| unproved.connection.replace(connection))
    }

    /// The fault of a user who left while nobody paired. The partner of an unproved room has come.
    fn left_by(&self, fault: Fault) -> Fault {
        match fault {
            Fault::NobodyCame if self.unproved.is_some() => Fault::Pairing(PairingFault::Left),
            fault => fault,
        }
    }

    fn accept(&mut self, listeners: Vec<TcpListener>, via: Via) {
        self.tasks.spawn(listen::accept(listeners, via, self.arrivals.clone()));
    }

    /// Waits for the next event of a host whose room has its partner. Safe to cancel.
    pub async fn next(&mut self) -> SideEvent {
        match self.lobby.next().await {
            DoorEvent::Returned(connection) => SideEvent::Returned(connection),
            event => self.told(event).map_or(SideEvent::Nothing, SideEvent::Told),
        }
    }

    /// Converts an event of the lobby into one for the user. A caller in it is turned away.
    fn told(&mut self, event: DoorEvent) -> Option<Event> {
        match event {
            DoorEvent::ToldBusy { from, times } => Some(Event::BusySent { address: from, times }),
            DoorEvent::Waiting(callers) => Some(Event::CallersWaiting { callers }),
            DoorEvent::Intruder { from, times } => Some(Event::Intruder { address: from, times }),
            DoorEvent::Way(way, shut) => self.way_changed(way, shut),
            DoorEvent::Returned(connection) => {
                self.take_back(*connection);
                None
            }
            // Somebody else was quicker, or there is no room to return to.
            DoorEvent::Guest(_) | DoorEvent::Nothing => None,
        }
    }

    /// Notes that a way went down or came back. Returns the event for the user, unless the same was reported before.
    fn way_changed(&mut self, way: Way, why: Option<ConnectError>) -> Option<Event> {
        let before = self.ways.iter().position(|(known, _)| *known == way).map(|place| self.ways.swap_remove(place));
        let name = route(&way);
        self.ways.push((way, why));
        match (before, why) {
            (None | Some((_, None)), Some(why)) => Some(Event::RouteDown { route: name, why }),
            (Some((_, Some(_))), None) => Some(Event::RouteUp { route: name }),
            _ => None,
        }
    }

    /// Removes the router's mapping and the announcement on the local network.
    async fn close(self) {
        if let Some(mapping) = self.mapping {
            mapping.remove().await;
        }
        if let Some(announcement) = self.announcement {
            announcement.remove().await;
        }
    }
}

impl Room {
    /// Starts listening everywhere, and tells the user where.
    async fn open_doors(
        &mut self,
        host: &mut Host,
        listeners: Vec<TcpListener>,
        at: HostOptions,
        egress: Egress,
    ) -> Result<(), Fault> {
        let mut port = 0;
        let mut bound = Vec::new();
        for local in listeners.iter().filter_map(|listener| listener.local_addr().ok()) {
            port = local.port();
            bound.push(local.ip());
            host.listening.push(local);
            self.user.tell(Event::Listening { address: local });
        }
        let mut addresses = local::addresses();
        if !bound.iter().any(IpAddr::is_unspecified) {
            addresses = bound.into_iter().map(OwnAddress::from).collect();
        }
        let left_out = addresses.len().saturating_sub(OWN);
        addresses.truncate(OWN);
        let how = match self.options.task {
            Task::Talk => Invitation::Join,
            Task::Send(_) | Task::SendInput(_) => Invitation::Receive,
            Task::Receive => Invitation::Send,
        };
        host.accept(listeners, Via::Direct);
        let entry = if at.invite {
            let leads_on = |own: &OwnAddress| own.scope != Scope::Machine && own.scope != Scope::Link;
            if at.bind.is_none() && !addresses.iter().any(leads_on) && at.leads_nowhere_else(&egress) {
                return Err(Fault::NoAddressForInvite);
            }
            // The zone of a link-local address is not the partner's.
            let direct = addresses.iter().filter(|own| own.scope != Scope::Link);
            let direct = direct.map(|own| SocketAddr::new(own.address, port)).collect();
            self.invite(host, direct, left_out, at, egress, how).await?
        } else {
            self.user.tell(Event::Addresses { addresses, left_out, port, how });
            Mode::Pair(self.key.clone())
        };
        host.lobby.greet_with(entry);
        Ok(())
    }

    /// Pairs with one caller after the other until the room opens, and talks until it ends.
    async fn wait_for_partner(&mut self, side: &mut Side) -> Result<(), Fault> {
        loop {
            let Side::Host(host) = &mut *side else { return Err(Fault::NobodyCame) };
            let (mut connection, back) = self.next_guest(host).await.map_err(|fault| host.left_by(fault))?;
            let from = connection.from;
            if !back {
                self.user.tell(Event::Caller { address: from });
                connection.session.admit();
            }
            match Talk::new(self, side, &mut connection, back).run().await {
                Outcome::Unproved => {
                    if let Side::Host(host) = &mut *side {
                        host.unproved = Some(Unproved { connection, since: clock::now(), told: false });
                    }
                }
                Outcome::Displaced => self.user.tell(Event::Displaced { address: from }),
                Outcome::Failed(why) if !self.opened && !self.gives_up(why) => {
                    drop(connection);
                    let another = why == PairingFault::Skipped;
                    let pause = if another { NEXT } else { PAUSE };
                    self.user.tell(Event::PairingFailed { address: from, why, pause });
                    if let Side::Host(host) = &mut *side {
                        if host.unproved.is_none() {
                            host.lobby.let_back_by(Vec::new());
                        }
                        host.lobby.pause(from, another);
                        self.pause(host, pause).await.map_err(|fault| host.left_by(fault))?;
                    }
                }
                outcome => return self.end(outcome),
            }
        }
    }

    /// Waits until somebody has finished the handshake, or the partner of an unproved room is back (`true`).
    async fn next_guest(&mut self, host: &mut Host) -> Result<(Box<Connection>, bool), Fault> {
        host.lobby.open();
        loop {
            self.given_up()?;
            if let Some(back) = host.unproved.take_if(|unproved| unproved.is_back()) {
                host.lobby.take();
                return Ok((back.connection, true));
            }
            let wake = self.see_to_unproved(host);
            tokio::select! {
                event = host.lobby.next() => match event {
                    DoorEvent::Guest(connection) => {
                        host.lobby.take();
                        return Ok((connection, false));
                    }
                    event => host.told(event).into_iter().for_each(|event| self.user.tell(event)),
                },
                () = tokio::time::sleep(wake.unwrap_or_default()), if wake.is_some() => {}
                request = self.user.early() => self.user.refuse(request?),
            }
        }
    }

    /// Tells that nobody has come back to the unproved room for long, and gives it up once its time is over. Returns the
    /// time until the next of the two.
    fn see_to_unproved(&mut self, host: &mut Host) -> Option<Duration> {
        let now = clock::now();
        let unproved = host.unproved.as_mut()?;
        let (late, limit) = (unproved.since + RETURN_UNVERIFIED, unproved.connection.session.limit());
        if limit.is_none_or(|limit| now >= limit) {
            let seconds = now.saturating_sub(unproved.since).as_secs();
            host.unproved = None;
            host.lobby.let_back_by(Vec::new());
            self.user.tell(Event::StillAway { seconds, redialing: false });
            return None;
        }
        if now >= late && !std::mem::replace(&mut unproved.told, true) {
            self.user.tell(Event::StillAway { seconds: RETURN_UNVERIFIED.as_secs(), redialing: false });
        }
        let wake = if unproved.told { limit } else { limit.map(|limit| limit.min(late)) };
        wake.map(|at| at.saturating_sub(now))
    }

    /// Keeps the door shut for a while. The partner of an unproved room may come back all the same.
    async fn pause(&mut self, host: &mut Host, pause: Duration) -> Result<(), Fault> {
        let until = clock::now() + pause;
        loop {
            self.given_up()?;
            let left = until.saturating_sub(clock::now());
            if left.is_zero() || host.unproved.as_ref().is_some_and(Unproved::is_back) {
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                event = host.lobby.next() => {
                    host.told(event).into_iter().for_each(|event| self.user.tell(event));
                }
                request = self.user.early() => self.user.refuse(request?),
            }
        }
    }

    /// [`Fault::NobodyCame`] if the user has left, with a front end that can leave at any time.
    fn given_up(&self) -> Result<(), Fault> {
        if self.user.leaving && self.user.frontend().converses { Err(Fault::NobodyCame) } else { Ok(()) }
    }

    /// Asks the router to forward a port, and keeps the mapping until the room ends.
    async fn map(&mut self, host: &mut Host, port: u16) -> Result<Option<SocketAddr>, Fault> {
        self.user.tell(Event::Mapping);
        let mapped = self.attend(Mapping::new(port)).await?;
        host.mapped = Some(mapped.as_ref().map(|mapping| mapping.external).map_err(|why| *why));
        match mapped {
            Ok(mapping) => {
                let external = mapping.external;
                host.tasks.spawn(Mapping::keep(mapping.lease()));
                host.mapping = Some(mapping);
                self.user.tell(Event::Mapped { address: external });
                Ok(Some(external))
            }
            Err(why) => {
                self.user.tell(Event::MappingFailed(why));
                Ok(None)
            }
        }
    }

    /// Publishes an onion service that leads to a loopback socket of its own, and returns its public key.
    async fn publish(
        &mut self,
        host: &mut Host,
        egress: &Arc<Egress>,
        key: &StaticKey,
        mut steps: mpsc::Receiver<Step>,
    ) -> Result<[u8; 32], Fault> {
        let listeners = listen::bind(Some(Ipv4Addr::LOCALHOST.into()), 0).map_err(Fault::System)?;
        let local = listeners.first().and_then(|listener| listener.local_addr().ok());
        let port = local.map(|local| local.port()).unwrap_or_default();
        host.accept(listeners, Via::Tor);
        let publishing = async {
            let opened = egress.tor.open().await?;
            let service = opened.tor.lock().await.publish(key, port, |step| egress.tor.report(step)).await?;
            Ok((service, opened))
        };
        let (service, opened) = self.while_tor_works(publishing, &mut steps).await?;
        let key = service.key;
        host.tasks.spawn(keep_onion(service, opened, egress.clone(), host.arrivals.clone()));
        Ok(key)
    }

    /// Makes an invite, tells the user, and waits wherever it leads.
    async fn invite(
        &mut self,
        host: &mut Host,
        direct: Vec<SocketAddr>,
        left_out: usize,
        at: HostOptions,
        mut egress: Egress,
        how: Invitation,
    ) -> Result<Mode, Fault> {
        let secret = InviteSecret(OsRandom.secret().map_err(system)?);
        // With a proxy or --tor nothing is sent to the network around this machine.
        let asks = at.map && at.bind.is_none() && egress.proxy.is_none() && !egress.tor.only;
        let port = direct.first().map(SocketAddr::port);
        if let Some(port) = port.filter(|_| at.lan) {
            self.announce(host, LanKey(secret.lan_key().map_err(system)?), at.bind, port);
        }
        let mapped = match port.filter(|_| asks) {
            Some(port) => self.map(host, port).await?,
            None => None,
        };
        // With --tor the invite must not tell where this machine is.
        let direct = mapped.into_iter().chain(direct).filter(|_| !egress.tor.only);
        let mut ways: Vec<_> = direct.map(Way::Direct).chain(at.relays.iter().cloned().map(Way::Relay)).collect();
        egress.token = Some(Token::new(&secret.relay_token().map_err(system)?, side_of_relay().map_err(system)?));
        let (say, steps) = mpsc::channel(STEPS);
        egress.tor.tell = Some(say);
        let egress = Arc::new(egress);
        if at.onion || egress.tor.only {
            let key = secret.onion_key().and_then(StaticKey::new).map_err(system)?;
            match self.publish(host, &egress, &key, steps).await {
                Ok(onion) => ways.push(Way::Onion(onion, ONION_PORT)),
                Err(Fault::Tor(why)) if !egress.tor.only => self.user.tell(Event::TorFailed { why }),
                Err(fault) => return Err(fault),
            }
        }
        for relay in at.relays {
            host.tasks.spawn(wait_at_relay(relay, egress.clone(), host.arrivals.clone()));
        }
        host.egress = Some(egress);
        let mode = Mode::Secret(Arc::new(SharedSecret { psk: secret.psk().map_err(system)?, local: self.key.clone() }));
        let names = ways.iter().map(route).collect();
        let line = Invite { secret, hints: ways.iter().map(Way::hint).collect() }.line();
        self.user.tell(Event::Invite { invite: Arc::new(line), routes: names, left_out, how });
        Ok(mode)
    }

    /// Announces the host on the local network, and tells the user if that fails.
    fn announce(&mut self, host: &mut Host, key: LanKey, bind: Option<IpAddr>, port: u16) {
        match Announcement::new(key, bind, port) {
            Ok(announcement) => {
                host.tasks.spawn(announcement.clone().keep());
                host.announcement = Some(announcement);
                self.user.tell(Event::Announced);
            }
            Err(why) => self.user.tell(Event::LanFailed { why }),
        }
    }

    /// Whether a failed run ends the host. A stranger must not be able to; that the host's own user left may, and so may
    /// three wrong halves in a pipe: the lines that answered them were all that there was to answer with.
    fn gives_up(&self, why: PairingFault) -> bool {
        match why {
            PairingFault::Left | PairingFault::NoHalf => true,
            PairingFault::WrongHalf => !self.user.frontend().converses,
            _ => false,
        }
    }
}
