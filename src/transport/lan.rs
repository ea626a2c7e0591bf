//! Announcement and discovery of the host on the local network, by multicast DNS (RFC 6762, RFC 6763).
//!
//! The announced names are random, and the tag means something only to the holder of the invite. That somebody waits with
//! tete, and at which address, is visible to everybody on that network. Only addresses under the tag are believed: the
//! address records beside them can be anybody's.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use if_addrs::Interface;
use mdns_sd::{
    DaemonEvent, IfKind, IfPredicate, Metrics, Receiver, ResolvedService, ServiceDaemon, ServiceEvent, ServiceInfo,
};
use tokio::time::{Instant, sleep_until, timeout};

use super::error::LanError;
use crate::protocol::invite::Hint;
use crate::protocol::keys::Secret;
use crate::protocol::random::{OsRandom, Randomness as _};
use crate::system::SystemError;

/// Service type of tete.
const SERVICE: &str = "_tete._tcp.local.";
/// Key of the TXT entry that holds the addresses.
const PLACES: &str = "a";
/// Key of the TXT entry that holds the tag.
const TAG: &str = "t";
/// Length of the tag in bytes.
const TAG_BYTES: usize = 8;
/// Most addresses of one announcement: as many as fit into a TXT entry of 255 bytes, if all are IPv6.
const ANNOUNCED: usize = 6;
/// Most addresses that one search passes on.
const ADDRESSES: usize = 16;
/// Limit for each step of the goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// Most records that the library may hold for a search. Anybody on the network can make it hold more and more.
const RECORDS: i64 = 1_000;
/// Pause between two looks at how many it holds.
const LOOK: Duration = Duration::from_millis(100);
/// Pause of a search for which it held more.
const PAUSE: Duration = Duration::from_secs(5);
/// UDP port of multicast DNS.
const MDNS: u16 = 5353;
/// Prefixes of interfaces to virtual machines and containers, where no partner is.
const VIRTUAL: [&str; 6] = ["docker", "br-", "veth", "virbr", "vmnet", "vboxnet"];

/// The key with which the two sides of an invite recognise an announcement.
pub struct LanKey(pub Secret);

impl LanKey {
    /// The tag of an announcement of these addresses under this name.
    fn tag(&self, name: &str, places: &[u8]) -> [u8; TAG_BYTES] {
        let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.0.expose()));
        mac.update(name.as_bytes());
        mac.update(&[0]);
        mac.update(places);
        let mut tag = [0; TAG_BYTES];
        tag.iter_mut().zip(mac.sign().as_ref()).for_each(|(tag, byte)| *tag = *byte);
        tag
    }

    /// The addresses that a service announces under the host's tag.
    fn knows(&self, service: &ResolvedService) -> Vec<SocketAddr> {
        let name = service.fullname.split('.').next().unwrap_or_default();
        let said = service.get_property_val_str(TAG).unwrap_or_default();
        let places = service.get_property_val_str(PLACES).unwrap_or_default();
        let Ok(places) = HEXLOWER.decode(places.as_bytes()) else { return Vec::new() };
        if verify_slices_are_equal(HEXLOWER.encode(&self.tag(name, &places)).as_bytes(), said.as_bytes()).is_err() {
            return Vec::new();
        }
        let mut rest = places.as_slice();
        let mut found = Vec::new();
        while !rest.is_empty() && found.len() < ANNOUNCED {
            match Hint::read(&mut rest) {
                Ok(Hint::Ipv4(address, port)) => found.push(SocketAddr::new(address.into(), port)),
                Ok(Hint::Ipv6(address, port)) => found.push(SocketAddr::new(address.into(), port)),
                Ok(_) | Err(_) => return Vec::new(),
            }
        }
        found.retain(|at| is_usable(at.ip()));
        found
    }
}

/// Whether a host may be at an address. A link-local IPv6 address is useless without the interface it was heard on.
fn is_usable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_multicast() && !v4.is_broadcast(),
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast() && !v6.is_unicast_link_local(),
    }
}

/// The TXT entries of an announcement: the addresses as hints of an invite, and their tag.
fn entries(key: &LanKey, name: &str, places: &[SocketAddr]) -> [(&'static str, String); 2] {
    let mut bytes = Vec::new();
    for place in places.iter().take(ANNOUNCED) {
        let hint = match place.ip() {
            IpAddr::V4(v4) => Hint::Ipv4(v4.octets(), place.port()),
            IpAddr::V6(v6) => Hint::Ipv6(v6.octets(), place.port()),
        };
        hint.write(&mut bytes);
    }
    [(PLACES, HEXLOWER.encode(&bytes)), (TAG, HEXLOWER.encode(&key.tag(name, &bytes)))]
}

/// The host's announcement. [`remove`](Self::remove) takes it back.
pub struct Announcement {
    daemon: ServiceDaemon,
    key: LanKey,
    name: String,
    host: String,
    bind: Option<IpAddr>,
    port: u16,
}

impl Announcement {
    /// Announces a port on `bind`, or on all addresses of this machine's own networks.
    pub fn new(key: LanKey, bind: Option<IpAddr>, port: u16) -> Result<Arc<Self>, LanError> {
        let daemon = daemon(bind, MDNS)?;
        let [name, host] = [random_name()?, format!("{}.local.", random_name()?)];
        let announcement = Self { daemon, key, name, host, bind, port };
        announcement.announce()?;
        Ok(Arc::new(announcement))
    }

    fn announce(&self) -> Result<(), LanError> {
        let addresses: Vec<_> = self.bind.into_iter().collect();
        let entries = entries(&self.key, &self.name, &self.places());
        let service =
            ServiceInfo::new(SERVICE, &self.name, &self.host, addresses.as_slice(), self.port, entries.as_slice());
        let mut service = service.map_err(unavailable)?;
        // The name is random: no other host has it.
        service.set_requires_probe(false);
        let service = if self.bind.is_none() { service.enable_addr_auto() } else { service };
        self.daemon.register(service).map_err(unavailable)
    }

    /// Where the host waits, IPv4 first.
    fn places(&self) -> Vec<SocketAddr> {
        let mut addresses: Vec<_> = match self.bind {
            Some(address) => vec![address],
            None => {
                let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
                interfaces.iter().filter(|interface| is_network(interface)).map(Interface::ip).collect()
            }
        };
        addresses.retain(|ip| is_usable(*ip));
        addresses.sort();
        addresses.dedup();
        addresses.into_iter().map(|ip| SocketAddr::new(ip, self.port)).collect()
    }

    /// Announces anew whenever the addresses of this machine change. Ends with the daemon.
    pub async fn keep(self: Arc<Self>) {
        let Ok(changes) = self.daemon.monitor() else { return };
        while let Ok(event) = changes.recv_async().await {
            if let DaemonEvent::IpAdd(_) | DaemonEvent::IpDel(_) = event {
                let _ = self.announce();
            }
        }
    }

    /// Takes the announcement back and ends the daemon.
    pub async fn remove(&self) {
        if let Ok(done) = self.daemon.unregister(&format!("{}.{SERVICE}", self.name)) {
            let _ = timeout(GOODBYE, done.recv_async()).await;
        }
        if let Ok(done) = self.daemon.shutdown() {
            let _ = timeout(GOODBYE, done.recv_async()).await;
        }
    }
}

/// A search for the host on the local network, which can rest.
pub struct Browser {
    key: LanKey,
    known: HashSet<SocketAddr>,
    bind: Option<IpAddr>,
    port: u16,
    search: Option<Search>,
    /// When the search goes on, if it does not run.
    again_at: Instant,
}

/// A search that runs. All that it has heard goes with it.
struct Search {
    daemon: ServiceDaemon,
    found: Receiver<ServiceEvent>,
    held: Option<Receiver<Metrics>>,
    look_at: Instant,
}

impl Browser {
    /// Starts the search.
    pub fn new(key: LanKey) -> Result<Self, LanError> {
        Self::at(key, None, MDNS)
    }

    fn at(key: LanKey, bind: Option<IpAddr>, port: u16) -> Result<Self, LanError> {
        let search = Some(Search::new(bind, port)?);
        Ok(Self { key, known: HashSet::new(), bind, port, search, again_at: Instant::now() })
    }

    /// Waits for the next address; returns each only once. Goes on with a search that rests. Safe to cancel.
    pub async fn next(&mut self) -> SocketAddr {
        loop {
            let Some(search) = &mut self.search else {
                sleep_until(self.again_at).await;
                self.search = Search::new(self.bind, self.port).ok();
                self.again_at = Instant::now() + PAUSE;
                continue;
            };
            match search.next().await {
                Some(service) => {
                    for address in self.key.knows(&service) {
                        if self.known.len() < ADDRESSES && self.known.insert(address) {
                            return address;
                        }
                    }
                }
                None => {
                    self.search = None;
                    self.again_at = Instant::now() + PAUSE;
                }
            }
        }
    }

    /// Asks and hears nothing until the next call of [`next`](Self::next).
    pub fn rest(&mut self) {
        if self.search.take().is_some() {
            self.again_at = Instant::now();
        }
    }

    /// Whether it asks and listens.
    pub fn is_searching(&self) -> bool {
        self.search.is_some()
    }
}

impl Search {
    fn new(bind: Option<IpAddr>, port: u16) -> Result<Self, LanError> {
        let daemon = daemon(bind, port)?;
        let found = daemon.browse(SERVICE).map_err(unavailable)?;
        Ok(Self { daemon, found, held: None, look_at: Instant::now() + LOOK })
    }

    /// The next service. `None` once the library holds too much, or hears nothing more.
    async fn next(&mut self) -> Option<ResolvedService> {
        loop {
            tokio::select! {
                biased;
                held = async {
                    match &self.held {
                        Some(held) => held.recv_async().await,
                        None => std::future::pending().await,
                    }
                } => {
                    self.held = None;
                    if records(&held.ok()?) > RECORDS {
                        return None;
                    }
                }
                () = sleep_until(self.look_at), if self.held.is_none() => {
                    self.look_at = Instant::now() + LOOK;
                    self.held = Some(self.daemon.get_metrics().ok()?);
                }
                event = self.found.recv_async() => {
                    if let ServiceEvent::ServiceResolved(service) = event.ok()? {
                        return Some(*service);
                    }
                }
            }
        }
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        let _ = self.daemon.shutdown();
    }
}

/// Records that the library holds, and what it has set itself to do about them.
fn records(held: &Metrics) -> i64 {
    held.iter().filter(|(name, _)| name.starts_with("cached-") || *name == "timer").map(|(_, count)| count).sum()
}

/// Starts multicast DNS on the real networks of this machine, or only on that of one address.
fn daemon(bind: Option<IpAddr>, port: u16) -> Result<ServiceDaemon, LanError> {
    let daemon = ServiceDaemon::new_with_port(port).map_err(unavailable)?;
    daemon.disable_interface(IfKind::All).map_err(unavailable)?;
    let wanted = move |interface: &Interface| match bind {
        Some(address) => interface.ip() == address,
        None => is_network(interface),
    };
    daemon.enable_interface(IfKind::Predicate(IfPredicate::new(wanted))).map_err(unavailable)?;
    Ok(daemon)
}

/// Whether a partner on the local network may be behind an interface: not behind a tunnel.
fn is_network(interface: &Interface) -> bool {
    let virt = VIRTUAL.iter().any(|name| interface.name.starts_with(name));
    !interface.is_loopback() && !interface.is_p2p() && !virt
}

fn random_name() -> Result<String, LanError> {
    let random = OsRandom.secret().map_err(|_| SystemError::Cryptography)?;
    Ok(HEXLOWER.encode(random.expose().get(..8).unwrap_or_default()))
}

fn unavailable(_: mdns_sd::Error) -> LanError {
    LanError::Unavailable
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> LanKey {
        let mut secret = Secret::default();
        secret.expose_mut().fill(byte);
        LanKey(secret)
    }

    fn heard(name: &str, txt: &[(&str, String)]) -> ResolvedService {
        // What the address records say is nobody's word.
        let forged: Vec<_> = (1..=16).map(|last| IpAddr::from([198, 51, 100, last])).collect();
        ServiceInfo::new(SERVICE, name, "x.local.", forged.as_slice(), 9, txt).unwrap().as_resolved_service()
    }

    fn places(places: &str) -> Vec<SocketAddr> {
        places.split_whitespace().map(|place| place.parse().unwrap()).collect()
    }

    #[test]
    fn an_announcement_says_something_only_to_whoever_has_the_invite() {
        let name = "0123456789abcdef";
        let own = places("192.0.2.1:7 [2001:db8::1]:7 [fe80::1]:7 224.0.0.251:7 0.0.0.0:7");
        let [places, tag] = entries(&key(1), name, &own);
        assert_eq!(key(1).knows(&heard(name, &[places.clone(), tag.clone()])), &own[..2]);
        let with = |(key, value): &(&'static str, String), from: &str, to: &str| (*key, value.replacen(from, to, 1));
        assert_eq!(key(2).knows(&heard(name, &[places.clone(), tag.clone()])), []);
        assert_eq!(key(1).knows(&heard("0123456789abcdee", &[places.clone(), tag.clone()])), []);
        assert_eq!(key(1).knows(&heard(name, std::slice::from_ref(&places))), []);
        assert_eq!(key(1).knows(&heard(name, std::slice::from_ref(&tag))), []);
        assert_eq!(key(1).knows(&heard(name, &[places.clone(), (TAG, tag.1[..15].into())])), []);
        assert_eq!(key(1).knows(&heard(name, &[with(&places, "c0000201", "c0000202"), tag])), []);
    }

    #[test]
    fn forged_address_records_beside_a_true_tag_lead_nowhere_and_hide_nothing() {
        let own = places("192.0.2.1:7 192.0.2.2:7 192.0.2.3:7 192.0.2.4:7 192.0.2.5:7 192.0.2.6:7 192.0.2.7:7");
        let entry = |bytes: &[u8]| [(PLACES, HEXLOWER.encode(bytes)), (TAG, HEXLOWER.encode(&key(1).tag("a", bytes)))];
        let mut bytes = Vec::new();
        (1..=7).for_each(|last| Hint::Ipv4([192, 0, 2, last], 7).write(&mut bytes));
        let found = key(1).knows(&heard("a", &entry(&bytes)));
        assert_eq!(found, &own[..ANNOUNCED], "those under the tag, and no more than an announcement may have");
        bytes.truncate(ANNOUNCED * bytes.len() / 7);
        assert_eq!(entries(&key(1), "a", &own), entry(&bytes), "and no more are announced");
        let v6 = places(&"[2001:db8:1111:2222:3333:4444:5555:6666]:65535 ".repeat(ANNOUNCED));
        let [(key, value), _] = entries(&super::tests::key(1), "a", &v6);
        assert!(key.len() + 1 + value.len() <= 255, "it fits into one TXT entry");
    }

    /// An answer with so many made-up instances of the service.
    fn forged(from: u32, count: u16) -> Vec<u8> {
        let service = b"\x05_tete\x04_tcp\x05local\0";
        let mut packet = vec![0, 0, 0x84, 0, 0, 0];
        packet.extend(count.to_be_bytes());
        packet.extend([0; 4]);
        for number in from..from + u32::from(count) {
            packet.extend(service);
            packet.extend([0, 12, 0, 1, 0, 0, 0x11, 0x94]);
            let label = format!("{number:08x}");
            packet.extend((1 + label.len() as u16 + service.len() as u16).to_be_bytes());
            packet.push(label.len() as u8);
            packet.extend(label.as_bytes());
            packet.extend(service);
        }
        packet
    }

    #[test]
    fn a_flood_of_forged_announcements_ends_the_search_before_it_holds_more_than_it_may() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(flood());
    }

    async fn flood() {
        let lo = std::net::Ipv4Addr::LOCALHOST;
        let port = std::net::UdpSocket::bind((lo, 0)).unwrap().local_addr().unwrap().port();
        let mut browser = Browser::at(key(1), Some(lo.into()), port).unwrap();
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
        socket.set_multicast_if_v4(&lo).unwrap();
        socket.bind(&SocketAddr::from((lo, 0)).into()).unwrap();
        let socket = std::net::UdpSocket::from(socket);
        let flood = async {
            for round in 0..10_000 {
                let _ = socket.send_to(&forged(round * 20, 20), ("224.0.0.251", port));
                tokio::task::yield_now().await;
                if timeout(Duration::from_millis(5), browser.next()).await.is_err() && !browser.is_searching() {
                    return true;
                }
            }
            false
        };
        assert!(timeout(Duration::from_secs(60), flood).await.unwrap());
        assert!(browser.again_at > Instant::now());
    }

    #[tokio::test]
    async fn a_search_that_rests_hears_nothing_and_goes_on_when_it_is_asked() {
        let mut browser = Browser::new(key(1)).unwrap();
        assert!(browser.is_searching());
        browser.rest();
        assert!(!browser.is_searching());
        assert!(timeout(LOOK, browser.next()).await.is_err());
        assert!(browser.is_searching());
    }
}
