//! What this machine can tell of itself, without a packet to anybody.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;

use crate::address::{Scope, scope};

/// Addresses of the internet. Nothing is sent there.
const ANYWHERE: (Ipv4Addr, Ipv6Addr) = (Ipv4Addr::new(128, 0, 0, 0), Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0));

/// The address from which IPv6 would leave this machine for the internet, if there is a route.
pub fn ipv6() -> Option<IpAddr> {
    towards((ANYWHERE.1, 9).into()).filter(|own| scope(*own) == Scope::Global)
}

/// The same for IPv4, which may be an address of a local network.
pub fn ipv4() -> Option<IpAddr> {
    towards((ANYWHERE.0, 9).into())
}

fn towards(there: SocketAddr) -> Option<IpAddr> {
    let any = if there.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { IpAddr::from(Ipv4Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    // For a datagram socket this only looks for the route.
    socket.connect(there).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// The program that filters what comes to this machine, if one of those that ordinary users have is on.
pub fn firewall() -> Option<&'static str> {
    let ufw = fs::read_to_string("/etc/ufw/ufw.conf").unwrap_or_default();
    if ufw.lines().any(|line| line.trim().eq_ignore_ascii_case("ENABLED=yes")) {
        return Some("ufw");
    }
    ["/run/firewalld", "/run/firewalld.pid"].iter().any(|at| Path::new(at).exists()).then_some("firewalld")
}

/// Whether an address is one that providers give to customers behind a router of theirs (RFC 6598).
pub fn is_of_a_carrier(ip: IpAddr) -> bool {
    matches!(ip.to_canonical(), IpAddr::V4(v4) if matches!(v4.octets(), [100, 64..=127, ..]))
}
