//! The doctor: tries everything that a connection needs. It contacts nobody whom the user did not name, except the
//! router.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connection::{Connection, Ended};
use super::join::{JoinTarget, open_invite};
use super::lobby::over;
use super::side::Side;
use super::signals::Signals;
use super::{Room, route, system};
use crate::address::{Address, PeerAddr, Scope, is_carrier_grade};
use crate::clock;
use crate::interface::fault::Fault;
use crate::interface::finding::{Finding, Nat, ProbeResult, Verdict};
use crate::printable::Printable;
use crate::protocol::error::{Error, Rejection, Wait};
use crate::protocol::handshake::Mode;
use crate::protocol::keys::{Secret, StaticKey};
use crate::protocol::random::{OsRandom, Randomness as _};
use crate::protocol::session::{Session, Settings, Stage};
use crate::system::SystemError;
use crate::transport::error::{ConnectError, LanError, MappingError, TorError};
use crate::transport::lan::{Announcement, Browser, LanKey};
use crate::transport::nat64::Prefix;
use crate::transport::portmap::Mapping;
use crate::transport::way::{Egress, Way, try_relay};
use crate::transport::{dial, listen, local, tor};

/// Maximum number of findings that wait to be shown.
const FINDINGS: usize = 8;
/// Time limit for hearing this machine's own announcement on the local network.
const ECHO: Duration = Duration::from_secs(5);

/// The options of the doctor.
pub struct DoctorOptions {
    /// The only address to listen on, instead of all.
    pub bind: Option<IpAddr>,
    /// The port to listen on.
    pub port: u16,
    /// Whether the router may be asked.
    pub map: bool,
    /// Whether the local network may be used.
    pub lan: bool,
    /// Relays to try.
    pub relays: Vec<Address>,
    /// The host to join, instead of waiting.
    pub to: Option<JoinTarget>,
}

/// A check, which returns its findings.
type Check = Pin<Box<dyn Future<Output = Vec<Finding>> + Send>>;

/// Runs all checks at once and shows their findings in a fixed order.
///
/// # Errors
///
/// [`Fault::Unreachable`] or [`Fault::NoWay`] if a host was named and no way leads there.
pub async fn doctor(case: DoctorOptions, egress: Egress, mut show: impl FnMut(&Finding)) -> Result<(), Fault> {
    let mut signals = Signals::new().map_err(|error| Fault::System(error.into()))?;
    let goes = match &case.to {
        Some(JoinTarget::Address(address)) => Some(Fault::Unreachable(Printable::line(&address.to_string()))),
        Some(JoinTarget::Invite { .. }) => Some(Fault::NoWay),
        None => None,
    };
    let mut found = examine(checks(case, egress)?);
    let mut leads = false;
    loop {
        let finding = tokio::select! {
            finding = found.recv() => finding,
            () = signals.recv() => return Err(Fault::NobodyCame),
        };
        let Some(finding) = finding else { break };
        leads |= matches!(finding, Finding::Way { .. }) && finding.verdict() == Verdict::Works;
        show(&finding);
    }
    goes.filter(|_| !leads).map_or(Ok(()), Err)
}

/// Runs all checks at once. The findings arrive in the order of the checks, until the receiver is dropped.
fn examine(checks: Vec<Check>) -> mpsc::Receiver<Finding> {
    let (tell, told) = mpsc::channel(FINDINGS);
    tokio::spawn(async move {
        let mut running = JoinSet::new();
        for (place, check) in checks.into_iter().enumerate() {
            running.spawn(async move { (place, check.await) });
        }
        let (mut done, mut next) = (BTreeMap::new(), 0);
        while let Some(ended) = running.join_next().await {
            let Ok((place, findings)) = ended else { return };
            done.insert(place, findings);
            while let Some(findings) = done.remove(&next) {
                next += 1;
                for finding in findings {
                    if tell.send(finding).await.is_err() {
                        return;
                    }
                }
            }
        }
    });
    told
}

/// The checks of `tete doctor`, without a room.
fn checks(case: DoctorOptions, mut egress: Egress) -> Result<Vec<Check>, Fault> {
    let key = OsRandom.secret().and_then(StaticKey::new).map_err(system)?;
    let key = Arc::new(key);
    let waits = case.to.is_none();
    let (ways, mode) = match case.to {
        Some(JoinTarget::Invite { invite, .. }) => open_invite(&invite, &mut egress, key)?,
        Some(JoinTarget::Address(address)) => (vec![Way::to(&address)], Mode::Pair(key)),
        None => (Vec::new(), Mode::Pair(key)),
    };
    let egress = Arc::new(egress);
    // With a proxy or --tor nothing is sent to the network around this machine.
    let open = egress.is_open();
    let mut checks: Vec<Check> = Vec::new();
    if !egress.tor.only {
        checks.push(Box::pin(async { vec![Finding::Addresses(local::addresses())] }));
    }
    if waits && !egress.tor.only {
        let (bind, port) = (case.bind, case.port);
        checks.push(Box::pin(async move { vec![listens(bind, port)] }));
        let needs = nat(None) == Nat::Unknown && bind.is_none();
        checks.push(Box::pin(router(open && case.map && needs)));
        checks.push(Box::pin(async move { vec![firewall(port)] }));
    }
    if open {
        checks.push(Box::pin(ipv6(ways.clone(), case.relays.clone())));
        checks.push(Box::pin(lan(case.lan, case.port)));
    } else if egress.proxy.is_some() {
        checks.push(Box::pin(proxy(egress.clone())));
    }
    checks.push(Box::pin(into_tor(egress.clone())));
    if case.relays.is_empty() && waits {
        checks.push(Box::pin(async { vec![Finding::NoRelay] }));
    }
    for name in case.relays {
        checks.push(Box::pin(relay(name, egress.clone())));
    }
    for way in ways {
        checks.push(Box::pin(probe(way, egress.clone(), mode.clone())));
    }
    Ok(checks)
}

impl Room {
    /// Examines the connection of the open room. Reports what is known, and contacts nobody new.
    pub(super) fn examine(&mut self, side: &Side, place: PeerAddr, broken: bool) {
        let mut known = vec![Finding::Connection { place, broken }];
        let egress = match side {
            Side::Joiner(joiner) => Some(&joiner.egress),
            Side::Host(host) => host.egress.as_ref(),
        };
        let tor_only = egress.is_some_and(|egress| egress.tor.only);
        if !tor_only {
            known.push(Finding::Addresses(local::addresses()));
        }
        match side {
            Side::Joiner(joiner) => known.extend(joiner.ways.iter().map(|way| {
                let met = if way.is_to(place) {
                    ProbeResult::Partner
                } else {
                    joiner.met.of(way).map_or(ProbeResult::NotTried, ProbeResult::Failed)
                };
                Finding::Way { name: route(way), met }
            })),
            Side::Host(host) => {
                if !tor_only {
                    let port = host.listening.first().map_or(0, SocketAddr::port);
                    known.push(Finding::Listens(host.listening.clone()));
                    known.push(Finding::Nat(nat(host.mapped)));
                    known.push(Finding::Mapping(host.mapped));
                    known.push(firewall(port));
                }
                known.extend(host.ways.iter().map(|(way, shut)| Finding::Way {
                    name: route(way),
                    met: match shut {
                        Some(why) => ProbeResult::Failed(*why),
                        None if way.is_to(place) => ProbeResult::Partner,
                        None => ProbeResult::Waiting,
                    },
                }));
            }
        }
        let mut checks: Vec<Check> = vec![Box::pin(async { known })];
        if !tor_only {
            checks.push(Box::pin(ipv6(Vec::new(), Vec::new())));
            checks.push(Box::pin(async { vec![tor_installed()] }));
        }
        self.examined = Some(examine(checks));
    }
}

/// Tries the port by listening on it for a moment.
fn listens(bind: Option<IpAddr>, port: u16) -> Finding {
    match listen::bind(bind, port) {
        Ok(sockets) => Finding::Listens(sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect()),
        Err(SystemError::AddressInUse) => Finding::PortInUse(port),
        Err(why) => Finding::CannotListen { port, why },
    }
}

fn firewall(port: u16) -> Finding {
    Finding::Firewall { name: local::firewall(), port }
}

/// Asks the router to map a free port, and removes the mapping. Another tete may have the usual port mapped.
async fn router(ask: bool) -> Vec<Finding> {
    let free = || Some(listen::bind(None, 0).ok()?.first()?.local_addr().ok()?.port());
    let mapped = match free().filter(|_| ask) {
        None => None,
        Some(port) => Some(match Mapping::new(port).await {
            Ok(mapping) => {
                let external = mapping.external;
                mapping.remove().await;
                Ok(external)
            }
            Err(why) => Err(why),
        }),
    };
    vec![Finding::Nat(nat(mapped)), Finding::Mapping(mapped)]
}

/// The address translation between this machine and the internet, judged by the machine's addresses and the router's
/// answer.
fn nat(mapped: Option<Result<SocketAddr, MappingError>>) -> Nat {
    let own = || local::addresses().into_iter().find(|own| own.address.is_ipv4());
    // Any other address may belong to a tunnel or to virtual machines.
    let near = local::ipv4().map(|ip| (Scope::of(ip), ip)).or_else(|| own().map(|own| (own.scope, own.address)));
    let near = near.filter(|(scope, _)| *scope != Scope::Machine);
    match (near, mapped) {
        (None, _) => Nat::NoIpv4,
        (Some((Scope::Global, ip)), _) => Nat::None(ip),
        (Some(_), Some(Err(MappingError::Useless { address: ip }))) => Nat::Double(ip),
        (Some((_, ip)), _) if is_carrier_grade(ip) => Nat::Double(ip),
        (Some(_), Some(Ok(at))) => Nat::Router(at.ip()),
        (Some(_), _) => Nat::Unknown,
    }
}

/// Looks for IPv6, and tries it with the hosts that the user named.
async fn ipv6(ways: Vec<Way>, relays: Vec<Address>) -> Vec<Finding> {
    let named = ways.into_iter().filter_map(|way| match way {
        Way::Direct(at) => Some(Address { host: at.ip().to_string(), port: at.port() }),
        Way::Name(address) | Way::Relay(address) => Some(address),
        Way::Onion(..) => None,
    });
    let mut found = Vec::new();
    for address in named.chain(relays) {
        found.extend(dial::lookup(&address).await.unwrap_or_default());
    }
    found.retain(|at| matches!(at.ip().to_canonical(), IpAddr::V6(v6) if !v6.is_loopback()));
    found.truncate(dial::ADDRESSES);
    let tried = !found.is_empty();
    let mut refused = false;
    let stream = dial::dial(found, |progress| {
        refused |= matches!(progress, dial::Progress::Failed(_, ConnectError::Refused));
    });
    // A refusal is an answer, too: IPv6 works up to the host.
    let reached = stream.await.is_some() || refused;
    let own = local::ipv6();
    let ipv6 = Finding::Ipv6 { own, reached: tried.then_some(reached) };
    let alone = own.is_some() && local::ipv4().is_none();
    let nat64 = if alone { Some(Finding::Nat64(Prefix::discover().await.is_some())) } else { None };
    [ipv6].into_iter().chain(nat64).collect()
}

/// Announces a random key on the local network, and listens for it.
async fn lan(asked: bool, port: u16) -> Vec<Finding> {
    if !asked {
        return vec![Finding::Lan(None)];
    }
    let heard = async {
        let secret = OsRandom.secret().map_err(|_| SystemError::Cryptography)?;
        let mut again = Secret::default();
        again.expose_mut().copy_from_slice(secret.expose());
        let mut browser = Browser::new(LanKey(secret))?;
        let announcement = Announcement::new(LanKey(again), None, port)?;
        let heard = timeout(ECHO, browser.next()).await;
        announcement.remove().await;
        heard.map(drop).map_err(|_| LanError::NotHeard)
    };
    vec![Finding::Lan(Some(heard.await))]
}

async fn proxy(egress: Arc<Egress>) -> Vec<Finding> {
    let Some(proxy) = &egress.proxy else { return Vec::new() };
    let address = Printable::line(&proxy.address.to_string());
    vec![Finding::Proxy { address, result: dial::reach(&proxy.address).await.map(drop) }]
}

async fn into_tor(egress: Arc<Egress>) -> Vec<Finding> {
    if !egress.tor.is_wanted() {
        return vec![tor_installed()];
    }
    let begun = clock::now();
    let opened = egress.tor.open().await;
    vec![Finding::Tor(Some(opened.map(|_| clock::now().saturating_sub(begun))))]
}

fn tor_installed() -> Finding {
    Finding::Tor(if tor::is_installed() { None } else { Some(Err(TorError::NotInstalled)) })
}

async fn relay(name: Address, egress: Arc<Egress>) -> Vec<Finding> {
    let begun = clock::now();
    let tried = try_relay(&name, &egress).await;
    let result = tried.map(|()| clock::now().saturating_sub(begun));
    vec![Finding::Relay { name: Printable::line(&name.to_string()), result }]
}

/// Connects by one way, up to the host's first answer. The host is not disturbed, and no invite is used up.
async fn probe(way: Way, egress: Arc<Egress>, mode: Mode) -> Vec<Finding> {
    let name = route(&way);
    let ways = match &way {
        Way::Name(address) if egress.is_open() => match dial::lookup(address).await {
            Ok(found) => found.into_iter().map(Way::Direct).collect(),
            Err(error) => return vec![Finding::Way { name, met: ProbeResult::Failed(error) }],
        },
        _ => vec![way],
    };
    let mut probing = JoinSet::new();
    for (place, way) in ways.into_iter().enumerate() {
        let (egress, mode) = (egress.clone(), mode.clone());
        probing.spawn(async move {
            let met = meet(&way, &egress, mode).await;
            (place, Finding::Way { name: route(&way), met })
        });
    }
    let mut found = probing.join_all().await;
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, finding)| finding).collect()
}

async fn meet(way: &Way, egress: &Egress, mode: Mode) -> ProbeResult {
    let begun = clock::now();
    let (stream, from) = match way.connect(egress).await {
        Ok(taken) => taken,
        Err(error) => return ProbeResult::Failed(error),
    };
    let settings = over(Settings::default(), from);
    let Ok(session) = Session::initiate(mode, Box::new(OsRandom), settings, clock::now()) else {
        return ProbeResult::Failed(SystemError::Cryptography.into());
    };
    let mut line = Connection::new(stream, from, session);
    let answered = timeout(settings.handshake(), async {
        // Record 3, which the host would act upon, is never sent.
        while line.session.stage() == Stage::Handshake {
            line.move_bytes(true).await?;
        }
        Ok(())
    });
    let answered = answered.await;
    match answered.unwrap_or(Err(Ended::Error(Error::Timeout(Wait::Handshake)))) {
        Ok(()) => ProbeResult::Tete(clock::now().saturating_sub(begun)),
        Err(Ended::Error(Error::Rejected(Rejection::Busy))) => ProbeResult::Busy,
        Err(Ended::Error(Error::Rejected(Rejection::Version { min, max }))) => ProbeResult::Version { min, max },
        Err(Ended::Error(Error::Rejected(Rejection::Other(reason)))) => ProbeResult::Refusal(reason),
        Err(ended) => ProbeResult::Failed(line.handshake_error(&ended)),
    }
}
