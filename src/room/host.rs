//! The side that waits: opens the doors, and lets one in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::connection::Connection;
use super::lobby::{Lobby, News};
use super::{OWN, Options, Outcome, Room, STEPS, Task, reason, side, system, user};
use crate::address::{Address, By, Scope};
use crate::interface::event::{Event, Invitation};
use crate::interface::fault::{Fault, PairingFault};
use crate::interface::finding::MapFault;
use crate::interface::{Request, UserChannels};
use crate::printable::Printable;
use crate::protocol::handshake::{Mode, SharedSecret};
use crate::protocol::invite::Invite;
use crate::protocol::keys::{InviteSecret, StaticKey};
use crate::protocol::random::{OsRandom, Randomness as _};
use crate::transport::lan::{Announcement, LanKey};
use crate::transport::listen::{self, Arrival, keep_onion, wait_at_relay};
use crate::transport::portmap::{Mapping, NoMapping};
use crate::transport::relay::Token;
use crate::transport::tor::{ONION_PORT, Step};
use crate::transport::way::{Outside, Way};

/// Pauses after failed runs; the last one stays.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(20), Duration::from_secs(40)];

/// Where the host waits, and who may come.
pub struct HostOptions {
    /// One address instead of all.
    pub bind: Option<IpAddr>,
    /// Port; 0 for any.
    pub port: u16,
    /// Whoever has the invite, and nobody else.
    pub invite: bool,
    /// Relays where the host waits, too.
    pub relays: Vec<Address>,
    /// An onion service leads here, too.
    pub onion: bool,
    /// The router is asked to pass a port on.
    pub map: bool,
    /// The local network is told.
    pub lan: bool,
}

/// Waits for the partner and talks until the room ends.
pub async fn host(ui: UserChannels, options: Options, at: HostOptions, outside: Outside) -> Result<(), Fault> {
    let mut room = Room::new(ui, options)?;
    let (bind, port) = (at.bind, at.port);
    let bound = if outside.tor.only { Ok(Vec::new()) } else { listen::bind(bind, port) };
    let result = match bound {
        Ok(listeners) => room.host(listeners, at, outside).await,
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(Fault::PortInUse(port)),
        Err(error) => {
            let address = bind.map_or(format!("port {port}"), |address| SocketAddr::new(address, port).to_string());
            Err(Fault::Listen { address: Printable::line(&address), why: Printable::line(&reason(&error)) })
        }
    };
    let result = room.finish_showing(result).await;
    if let Some(mapping) = room.mapping.take() {
        mapping.remove().await;
    }
    if let Some(announcement) = room.announcement.take() {
        announcement.remove().await;
    }
    result
}

/// Where somebody may come in. All of them close with it.
struct Doors {
    tasks: JoinSet<()>,
    arrivals: mpsc::Sender<Arrival>,
}

impl Doors {
    fn open(&mut self, listeners: Vec<TcpListener>, by: By) {
        self.tasks.spawn(listen::accept(listeners, by, self.arrivals.clone()));
    }
}

impl Room {
    async fn host(&mut self, listeners: Vec<TcpListener>, at: HostOptions, outside: Outside) -> Result<(), Fault> {
        let mut port = 0;
        let mut bound = Vec::new();
        for local in listeners.iter().filter_map(|listener| listener.local_addr().ok()) {
            port = local.port();
            bound.push(local.ip());
            self.listening.push(local);
            self.tell(Event::Listening(local));
        }
        let mut addresses: Vec<_> = listen::own_addresses();
        if !bound.iter().any(IpAddr::is_unspecified) {
            addresses = bound.iter().map(|address| (Scope::of(*address), *address)).collect();
        }
        let how = match self.options.task {
            Task::Talk => Invitation::Join,
            Task::Send(_) | Task::SendInput(_) => Invitation::Receive,
            Task::Receive => Invitation::Send,
        };
        let mut failed_runs = 0;
        let (arrivals, arrived) = mpsc::channel(1);
        let mut doors = Doors { tasks: JoinSet::new(), arrivals };
        doors.open(listeners, By::Direct);
        let entry = if at.invite {
            let direct = addresses.iter().map(|(_, ip)| SocketAddr::new(*ip, port)).collect();
            self.invite(direct, at, outside, how, &mut doors).await?
        } else {
            self.tell(Event::Reach { addresses, port, how });
            Mode::Pair(self.key.clone())
        };
        self.lobby = Some(Lobby::new(arrived, entry, self.options.settings, self.clock));
        loop {
            let Some(mut line) = self.next_guest().await else { break Err(Fault::NobodyCame) };
            self.tell(Event::Caller(line.from));
            line.session.admit();
            match self.converse(&mut line).await {
                outcome if self.opened => break self.end(outcome),
                Outcome::Failed(why) if self.gives_up(why) => break Err(Fault::Pairing(why)),
                Outcome::Failed(why) => {
                    let pause = PAUSES.get(failed_runs).or(PAUSES.last()).copied().unwrap_or_default();
                    failed_runs += 1;
                    self.tell(Event::RunFailed { from: line.from, why, pause });
                    drop(line);
                    if !self.pause(pause).await {
                        break Err(Fault::NobodyCame);
                    }
                }
                outcome => break self.end(outcome),
            }
        }
    }

    /// Asks the router for a port, and keeps it until the room ends.
    async fn map(&mut self, port: u16, doors: &mut Doors) -> Result<Option<SocketAddr>, Fault> {
        self.tell(Event::Mapping);
        self.show_now().await;
        let asking = Mapping::new(port);
        tokio::pin!(asking);
        let asked = loop {
            tokio::select! {
                asked = &mut asking => break asked,
                request = user(&mut self.ui, &mut self.signals, !self.input.ended) => self.hear_early(request)?,
            }
        };
        let mapped = asked.map_err(map_fault);
        self.mapped = Some(mapped.as_ref().map(|mapping| mapping.external).map_err(|why| *why));
        match mapped {
            Ok(mapping) => {
                let external = mapping.external;
                doors.tasks.spawn(Mapping::keep(mapping.lease()));
                self.mapping = Some(mapping);
                self.tell(Event::Mapped(external));
                Ok(Some(external))
            }
            Err(why) => {
                self.tell(Event::NotMapped(why));
                Ok(None)
            }
        }
    }

    /// Makes an onion service that leads to a socket of its own, on this machine only.
    async fn publish(
        &mut self,
        outside: &Arc<Outside>,
        key: &StaticKey,
        mut steps: mpsc::Receiver<Step>,
        doors: &mut Doors,
    ) -> Result<[u8; 32], Fault> {
        let fault = |error: std::io::Error| Fault::Tor(Printable::line(&reason(&error)));
        let listeners = listen::bind(Some(Ipv4Addr::LOCALHOST.into()), 0).map_err(fault)?;
        let local = listeners.first().and_then(|listener| listener.local_addr().ok());
        let port = local.map(|local| local.port()).unwrap_or_default();
        doors.open(listeners, By::Tor);
        let publishing = async {
            let opened = outside.tor.open().await?;
            let service = opened.tor.lock().await.publish(key, port, |step| outside.tor.report(step)).await?;
            Ok((service, opened))
        };
        let (service, opened) = self.while_tor_works(publishing, &mut steps).await?;
        let key = service.key;
        doors.tasks.spawn(keep_onion(service, opened, outside.clone(), doors.arrivals.clone()));
        Ok(key)
    }

    /// Makes an invite that leads here, tells it, and waits wherever it leads.
    async fn invite(
        &mut self,
        direct: Vec<SocketAddr>,
        at: HostOptions,
        mut outside: Outside,
        how: Invitation,
        doors: &mut Doors,
    ) -> Result<Mode, Fault> {
        let secret = InviteSecret(OsRandom.secret().map_err(system)?);
        // Whoever goes out through a proxy or Tor only does not speak to the router.
        let asks = at.map && at.bind.is_none() && outside.proxy.is_none() && !outside.tor.only;
        let port = direct.first().map(SocketAddr::port);
        if let Some(port) = port.filter(|_| at.lan) {
            self.announce(&LanKey(secret.lan_key().map_err(system)?), at.bind, port);
        }
        let mapped = match port.filter(|_| asks) {
            Some(port) => self.map(port, doors).await?,
            None => None,
        };
        // Through Tor nobody is to learn where this machine is.
        let direct = mapped.into_iter().chain(direct.into_iter().take(OWN)).filter(|_| !outside.tor.only);
        let mut ways: Vec<_> = direct.map(Way::Direct).chain(at.relays.iter().cloned().map(Way::Relay)).collect();
        outside.token = Some(Token::new(&secret.relay_token().map_err(system)?, side().map_err(system)?));
        let (say, steps) = mpsc::channel(STEPS);
        outside.tor.tell = Some(say);
        let outside = Arc::new(outside);
        if at.onion || outside.tor.only {
            let key = secret.onion_key().and_then(StaticKey::new).map_err(system)?;
            match self.publish(&outside, &key, steps, doors).await {
                Ok(onion) => ways.push(Way::Onion(onion, ONION_PORT)),
                Err(Fault::Tor(why)) if !outside.tor.only => self.tell(Event::NoTor(why)),
                Err(fault) => return Err(fault),
            }
        }
        for relay in at.relays {
            doors.tasks.spawn(wait_at_relay(relay, outside.clone(), doors.arrivals.clone()));
        }
        self.outside = Some(outside);
        let mode = Mode::Secret(Arc::new(SharedSecret { psk: secret.psk().map_err(system)?, local: self.key.clone() }));
        let names = ways.iter().map(|way| Printable::line(&way.to_string())).collect();
        let line = Invite { secret, hints: ways.iter().map(Way::hint).collect() }.line();
        self.tell(Event::Invite { line: Arc::new(line), ways: names, how });
        Ok(mode)
    }

    /// Tells the local network, if that can be done.
    fn announce(&mut self, key: &LanKey, bind: Option<IpAddr>, port: u16) {
        match Announcement::new(key, bind, port) {
            Ok(announcement) => {
                self.announcement = Some(announcement);
                self.tell(Event::Announced);
            }
            Err(error) => self.tell(Event::NoLan(Printable::line(&reason(&error)))),
        }
    }

    /// Whether a failed run ends the host. A stranger must not be able to; what
    /// the host's own user or script did may.
    fn gives_up(&self, why: PairingFault) -> bool {
        match why {
            PairingFault::Left | PairingFault::NoHalf => true,
            PairingFault::WrongHalf => !self.ui.frontend.is_person(),
            _ => false,
        }
    }

    /// Waits until somebody has finished the handshake. `None` if the user ended it.
    async fn next_guest(&mut self) -> Option<Box<Connection>> {
        self.lobby.as_mut()?.open();
        loop {
            self.show_now().await;
            let news = tokio::select! {
                news = news(&mut self.lobby) => news,
                request = user(&mut self.ui, &mut self.signals, true) => match request {
                    Some(Request::End) | None => return None,
                    Some(request) => {
                        self.refuse(request);
                        continue;
                    }
                },
            };
            match news {
                News::Guest(line) => {
                    self.lobby.as_mut()?.take();
                    return Some(line);
                }
                news => self.hear(news),
            }
        }
    }

    /// Keeps the door shut for a while. `false` if the user ended it.
    async fn pause(&mut self, pause: Duration) -> bool {
        let until = self.clock.now() + pause;
        loop {
            self.show_now().await;
            let left = until.saturating_sub(self.clock.now());
            if left.is_zero() {
                return true;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                news = news(&mut self.lobby) => self.hear(news),
                request = user(&mut self.ui, &mut self.signals, true) => match request {
                    Some(Request::End) | None => return false,
                    Some(request) => self.refuse(request),
                },
            }
        }
    }

    pub(super) fn hear(&mut self, news: News) {
        match news {
            News::ToldBusy { from, times } => self.tell(Event::ToldBusy { from, times }),
            News::Intruder { from, times } => self.tell(Event::Intruder { from, times }),
            News::Door(way, shut) => self.hear_of_door(way, shut),
            // Somebody who was quicker has the room, or it is not open.
            News::Guest(line) | News::Returned(line) => drop(line),
            News::RedialFailed | News::HostGone | News::Found(_) | News::Nothing => {}
        }
    }

    /// Tells of a way by which nobody can come, and when somebody can again.
    fn hear_of_door(&mut self, way: Way, shut: Option<std::io::Error>) {
        let why = shut.map(|error| Printable::line(&reason(&error)));
        let before = self.doors.iter().position(|(known, _)| *known == way).map(|place| self.doors.swap_remove(place));
        let name = Printable::line(&way.to_string());
        match (&before, &why) {
            (None | Some((_, None)), Some(why)) => self.tell(Event::WayShut { way: name, why: why.clone() }),
            (Some((_, Some(_))), None) => self.tell(Event::WayOpen(name)),
            _ => {}
        }
        self.doors.push((way, why));
    }

    /// What was typed with nobody there to hear it.
    pub(super) fn refuse(&mut self, request: Request) {
        match request {
            Request::Half { .. } | Request::Compared { .. } | Request::Next { .. } => self.tell(Event::StaleEntry),
            Request::Say { taken, .. } => drop(taken.send(false)),
            Request::Unsendable(status) => self.tell(status),
            Request::UnknownCommand(name) => self.tell(Event::UnknownCommand(name)),
            _ => {}
        }
    }
}

/// What is said of it.
pub(super) fn map_fault(why: NoMapping) -> MapFault {
    match why {
        NoMapping::NoRouter => MapFault::NoRouter,
        NoMapping::NoAnswer => MapFault::NoAnswer,
        NoMapping::Refused => MapFault::Refused,
        NoMapping::Useless(external) => MapFault::Useless(external),
    }
}

/// What the lobby has to say; a joiner has none, and waits for ever.
pub(super) async fn news(lobby: &mut Option<Lobby>) -> News {
    match lobby {
        Some(lobby) => lobby.next().await,
        None => std::future::pending().await,
    }
}
