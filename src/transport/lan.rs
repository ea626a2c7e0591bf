//! Announcement and discovery of the host on the local network, by multicast DNS (RFC 6762, RFC 6763).
//!
//! The announced names are random, and the tag means something only to the holder of the invite. That somebody waits with
//! tete, and at which address, is visible to everybody on that network.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use if_addrs::Interface;
use mdns_sd::{IfKind, IfPredicate, Receiver, ResolvedService, ServiceDaemon, ServiceEvent, ServiceInfo};
use tokio::time::timeout;

use super::error::LanError;
use crate::protocol::keys::Secret;
use crate::protocol::random::{OsRandom, Randomness as _};
use crate::system::SystemError;

/// Service type of tete.
const SERVICE: &str = "_tete._tcp.local.";
/// Key of the TXT record that holds the tag.
const TAG: &str = "t";
/// Length of the tag in bytes.
const TAG_BYTES: usize = 8;
/// Most addresses that are passed on, so that an attacker who replays a tag cannot make us try without end.
const ADDRESSES: usize = 16;
/// Limit for each step of the goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// Prefixes of interfaces to virtual machines and containers, where no partner is.
const VIRTUAL: [&str; 6] = ["docker", "br-", "veth", "virbr", "vmnet", "vboxnet"];

/// The key with which the two sides of an invite recognise an announcement.
pub struct LanKey(pub Secret);

impl LanKey {
    /// The tag of an announcement under this name.
    fn tag(&self, name: &str) -> [u8; TAG_BYTES] {
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.0.expose()), name.as_bytes());
        let mut tag = [0; TAG_BYTES];
        tag.iter_mut().zip(mac.as_ref()).for_each(|(tag, byte)| *tag = *byte);
        tag
    }

    /// The usable addresses of a service, if its tag is the host's.
    fn knows(&self, service: &ResolvedService) -> Vec<SocketAddr> {
        let name = service.fullname.split('.').next().unwrap_or_default();
        let said = service.get_property_val_str(TAG).unwrap_or_default();
        if verify_slices_are_equal(HEXLOWER.encode(&self.tag(name)).as_bytes(), said.as_bytes()).is_err() {
            return Vec::new();
        }
        // A link-local IPv6 address is useless without the interface it was heard on.
        let usable = |ip: &IpAddr| match ip {
            IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_multicast() && !v4.is_broadcast(),
            IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast() && !v6.is_unicast_link_local(),
        };
        let addresses = service.addresses.iter().map(mdns_sd::ScopedIp::to_ip_addr).filter(usable);
        addresses.filter(|_| service.port != 0).map(|ip| SocketAddr::new(ip, service.port)).collect()
    }
}

/// The host's announcement. [`remove`](Self::remove) takes it back.
pub struct Announcement {
    daemon: ServiceDaemon,
    name: String,
}

impl Announcement {
    /// Announces a port on `bind`, or on all addresses of this machine's own networks.
    pub fn new(key: &LanKey, bind: Option<IpAddr>, port: u16) -> Result<Self, LanError> {
        let daemon = daemon(bind)?;
        let [name, host] = [random_name()?, random_name()?];
        let tag = HEXLOWER.encode(&key.tag(&name));
        let addresses: Vec<_> = bind.into_iter().collect();
        let service = ServiceInfo::new(
            SERVICE,
            &name,
            &format!("{host}.local."),
            addresses.as_slice(),
            port,
            [(TAG, tag.as_str())].as_slice(),
        );
        let mut service = service.map_err(unavailable)?;
        // The name is random: no other host has it.
        service.set_requires_probe(false);
        let service = if bind.is_none() { service.enable_addr_auto() } else { service };
        let name = service.get_fullname().to_owned();
        daemon.register(service).map_err(unavailable)?;
        Ok(Self { daemon, name })
    }

    /// Takes the announcement back and ends the daemon.
    pub async fn remove(self) {
        if let Ok(done) = self.daemon.unregister(&self.name) {
            let _ = timeout(GOODBYE, done.recv_async()).await;
        }
        if let Ok(done) = self.daemon.shutdown() {
            let _ = timeout(GOODBYE, done.recv_async()).await;
        }
    }
}

/// A search for the host on the local network.
pub struct Browser {
    daemon: ServiceDaemon,
    found: Receiver<ServiceEvent>,
    key: LanKey,
    known: HashSet<SocketAddr>,
}

impl Browser {
    /// Starts the search.
    pub fn new(key: LanKey) -> Result<Self, LanError> {
        let daemon = daemon(None)?;
        let found = daemon.browse(SERVICE).map_err(unavailable)?;
        Ok(Self { daemon, found, key, known: HashSet::new() })
    }

    /// Waits for the next address; returns each only once. Safe to cancel.
    pub async fn next(&mut self) -> SocketAddr {
        loop {
            let Ok(event) = self.found.recv_async().await else { return std::future::pending().await };
            let ServiceEvent::ServiceResolved(service) = event else { continue };
            for address in self.key.knows(&service) {
                if self.known.len() < ADDRESSES && self.known.insert(address) {
                    return address;
                }
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.daemon.shutdown();
    }
}

/// Starts multicast DNS on the real networks of this machine, or only on that of one address.
fn daemon(bind: Option<IpAddr>) -> Result<ServiceDaemon, LanError> {
    let daemon = ServiceDaemon::new().map_err(unavailable)?;
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

    #[test]
    fn an_announcement_says_something_only_to_whoever_has_the_invite() {
        let heard = |name: &str, tag: &str, port: u16| {
            let ips = "192.0.2.1,2001:db8::1,fe80::1,224.0.0.251,0.0.0.0";
            let service = ServiceInfo::new(SERVICE, name, "x.local.", ips, port, [(TAG, tag)].as_slice());
            service.unwrap().as_resolved_service()
        };
        let tag = HEXLOWER.encode(&key(1).tag("0123456789abcdef"));
        let mut found = key(1).knows(&heard("0123456789abcdef", &tag, 7));
        found.sort();
        assert_eq!(found, ["192.0.2.1:7", "[2001:db8::1]:7"].map(|at| at.parse().unwrap()));
        for (key, name, tag, port) in [
            (key(2), "0123456789abcdef", tag.as_str(), 7),
            (key(1), "0123456789abcdee", &tag, 7),
            (key(1), "0123456789abcdef", &tag[..15], 7),
            (key(1), "0123456789abcdef", "", 7),
            (key(1), "0123456789abcdef", &tag, 0),
        ] {
            assert_eq!(key.knows(&heard(name, tag, port)), []);
        }
    }
}
