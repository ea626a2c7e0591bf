//! What this machine knows about its own network, without sending a packet.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;

use crate::address::Scope;

/// Addresses on the internet whose routes are looked up. Nothing is sent to them.
const ANYWHERE: (Ipv4Addr, Ipv6Addr) = (Ipv4Addr::new(128, 0, 0, 0), Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0));

/// The IPv6 source address for the internet, if there is a route and the address is global.
pub fn ipv6() -> Option<IpAddr> {
    towards((ANYWHERE.1, 9).into()).filter(|own| Scope::of(*own) == Scope::Global)
}

/// The IPv4 source address for the internet, if there is a route. It may be an address of the local network.
pub fn ipv4() -> Option<IpAddr> {
    towards((ANYWHERE.0, 9).into())
}

fn towards(there: SocketAddr) -> Option<IpAddr> {
    let any = if there.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { IpAddr::from(Ipv4Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    // On a datagram socket this only looks up the route.
    socket.connect(there).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// The active firewall front end of this machine, if it is one of the two common ones.
pub fn firewall() -> Option<&'static str> {
    let ufw = fs::read_to_string("/etc/ufw/ufw.conf").unwrap_or_default();
    if ufw.lines().any(|line| line.trim().eq_ignore_ascii_case("ENABLED=yes")) {
        return Some("ufw");
    }
    ["/run/firewalld", "/run/firewalld.pid"].iter().any(|at| Path::new(at).exists()).then_some("firewalld")
}
