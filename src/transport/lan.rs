//! The host on the local network, by multicast DNS (RFC 6762, RFC 6763).
//!
//! What is announced has names made up for this room, and a tag that says something only to whoever has the invite.
//! That a tete waits there can be seen by everybody on that network, and so can its address.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use if_addrs::Interface;
use mdns_sd::{IfKind, IfPredicate, Receiver, ResolvedService, ServiceDaemon, ServiceEvent, ServiceInfo};
use tokio::time::timeout;

use crate::protocol::keys::Secret;
use crate::protocol::random::{OsRandom, Randomness as _};

/// What a tete is called in multicast DNS.
const SERVICE: &str = "_tete._tcp.local.";
/// Where the tag stands.
const TAG: &str = "t";
/// Of the tag, in bytes.
const TAG_BYTES: usize = 8;
/// Addresses that are believed in all: whoever forges more of them wins nothing but time.
const ADDRESSES: usize = 16;
/// For the goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// Interfaces of virtual machines and containers: nobody is behind them who has the invite.
const VIRTUAL: [&str; 6] = ["docker", "br-", "veth", "virbr", "vmnet", "vboxnet"];

/// By what the two of an invite know each other's announcements.
pub struct LanKey(pub Secret);

impl LanKey {
    /// The tag of whoever announces itself by that name.
    fn tag(&self, name: &str) -> [u8; TAG_BYTES] {
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.0.expose()), name.as_bytes());
        let mut tag = [0; TAG_BYTES];
        tag.iter_mut().zip(mac.as_ref()).for_each(|(tag, byte)| *tag = *byte);
        tag
    }

    /// The addresses of a service, if it is the host's.
    fn knows(&self, service: &ResolvedService) -> Vec<SocketAddr> {
        let name = service.fullname.split('.').next().unwrap_or_default();
        let said = service.get_property_val_str(TAG).unwrap_or_default();
        if verify_slices_are_equal(HEXLOWER.encode(&self.tag(name)).as_bytes(), said.as_bytes()).is_err() {
            return Vec::new();
        }
        // A link-local IPv6 address is good for nothing without the interface it was heard on.
        let usable = |ip: &IpAddr| match ip {
            IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_multicast() && !v4.is_broadcast(),
            IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast() && !v6.is_unicast_link_local(),
        };
        let addresses = service.addresses.iter().map(mdns_sd::ScopedIp::to_ip_addr).filter(usable);
        addresses.filter(|_| service.port != 0).map(|ip| SocketAddr::new(ip, service.port)).collect()
    }
}

/// The host's announcement. Ends with it.
pub struct Announcement {
    daemon: ServiceDaemon,
    name: String,
}

impl Announcement {
    /// Announces a port on `bind`, or on all addresses of this machine's own networks.
    pub fn new(key: &LanKey, bind: Option<IpAddr>, port: u16) -> io::Result<Self> {
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
        let mut service = service.map_err(wrong)?;
        // Nobody else made up the same sixteen letters.
        service.set_requires_probe(false);
        let service = if bind.is_none() { service.enable_addr_auto() } else { service };
        let name = service.get_fullname().to_owned();
        daemon.register(service).map_err(wrong)?;
        Ok(Self { daemon, name })
    }

    /// Ends it, and says so.
    pub async fn remove(self) {
        if let Ok(done) = self.daemon.unregister(&self.name) {
            let _ = timeout(GOODBYE, done.recv_async()).await;
        }
        if let Ok(done) = self.daemon.shutdown() {
            let _ = timeout(GOODBYE, done.recv_async()).await;
        }
    }
}

/// Looks for the host on the local network.
pub struct Browser {
    daemon: ServiceDaemon,
    found: Receiver<ServiceEvent>,
    key: LanKey,
    known: HashSet<SocketAddr>,
}

impl Browser {
    /// Begins.
    pub fn new(key: LanKey) -> io::Result<Self> {
        let daemon = daemon(None)?;
        let found = daemon.browse(SERVICE).map_err(wrong)?;
        Ok(Self { daemon, found, key, known: HashSet::new() })
    }

    /// The next address, each only once. Waits for ever if there is no other. Safe to cancel.
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

/// One that speaks on the networks of this machine only, or on that of one address.
fn daemon(bind: Option<IpAddr>) -> io::Result<ServiceDaemon> {
    let daemon = ServiceDaemon::new().map_err(wrong)?;
    daemon.disable_interface(IfKind::All).map_err(wrong)?;
    let wanted = move |interface: &Interface| match bind {
        Some(address) => interface.ip() == address,
        None => is_network(interface),
    };
    daemon.enable_interface(IfKind::Predicate(IfPredicate::new(wanted))).map_err(wrong)?;
    Ok(daemon)
}

/// Whether there may be a partner on an interface. A tunnel leads elsewhere.
fn is_network(interface: &Interface) -> bool {
    let virt = VIRTUAL.iter().any(|name| interface.name.starts_with(name));
    !interface.is_loopback() && !interface.is_p2p() && !virt
}

fn random_name() -> io::Result<String> {
    let random = OsRandom.secret().map_err(|error| io::Error::other(error.to_string()))?;
    Ok(HEXLOWER.encode(random.expose().get(..8).unwrap_or_default()))
}

fn wrong(error: mdns_sd::Error) -> io::Error {
    io::Error::other(error.to_string())
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
