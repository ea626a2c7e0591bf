//! What this machine knows about its own network, without sending a packet.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;

use crate::address::{OwnAddress, Scope, is_zone};

/// Addresses on the internet whose routes are looked up. Nothing is sent to them.
const ANYWHERE: (Ipv4Addr, Ipv6Addr) = (Ipv4Addr::new(128, 0, 0, 0), Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0));

/// Linux's table of its IPv6 addresses: address, interface, prefix, scope, flags, name.
const IF_INET6: &str = "/proc/net/if_inet6";
/// Flags in it (linux/if_addr.h).
const DUPLICATE: u32 = 0x08;
const DEPRECATED: u32 = 0x20;
const TENTATIVE: u32 = 0x40;
/// Linux's folder of interfaces.
const INTERFACES: &str = "/sys/class/net";

/// The IPv6 source address for the internet, if there is a route and the address is global.
pub fn ipv6() -> Option<IpAddr> {
    towards((ANYWHERE.1, 9).into()).filter(|own| Scope::of(*own) == Scope::Global)
}

/// The IPv4 source address for the internet, if there is a route. It may be an address of the local network.
pub fn ipv4() -> Option<IpAddr> {
    towards((ANYWHERE.0, 9).into())
}

/// An address that an interface has.
struct Found {
    address: IpAddr,
    interface: String,
    /// Packets can pass: the interface is up, and its cable, if it has one, is in.
    runs: bool,
    /// Leads to one other machine, as a tunnel does.
    tunnel: bool,
    /// Joins the networks of virtual machines or containers.
    bridge: bool,
    /// Not to be used for new connections (RFC 4862), or in use by another machine.
    stale: bool,
}

/// The addresses of this machine that a partner may use, the most useful first: those that it reaches the internet from,
/// then the rest, the widest scope first, and in it what virtual machines and containers hang on last.
///
/// Without addresses that lead nowhere, and without loopback addresses unless there are no others. A link-local address
/// is there only where nothing but loopback is beside it.
pub fn addresses() -> Vec<OwnAddress> {
    let stale = fs::read_to_string(IF_INET6).map(|table| stale(&table)).unwrap_or_default();
    let found = if_addrs::get_if_addrs().unwrap_or_default().into_iter().map(|interface| Found {
        address: interface.ip(),
        runs: interface.is_oper_up(),
        tunnel: interface.is_p2p(),
        bridge: Path::new(INTERFACES).join(&interface.name).join("bridge").exists(),
        stale: stale.contains(&interface.ip()),
        interface: interface.name,
    });
    rank(found.collect(), &[ipv4(), ipv6()])
}

fn rank(found: Vec<Found>, defaults: &[Option<IpAddr>]) -> Vec<OwnAddress> {
    let mut ranked: Vec<_> = found
        .into_iter()
        .filter(|found| found.runs && !found.stale)
        .map(|found| {
            let default = defaults.contains(&Some(found.address));
            let scope = match Scope::of(found.address) {
                _ if is_link_local(found.address) => Scope::Link,
                Scope::Local if found.tunnel && !default => Scope::Vpn,
                scope => scope,
            };
            let named = matches!(scope, Scope::Vpn | Scope::Link) && is_zone(&found.interface);
            let interface = named.then_some(found.interface);
            (!default, found.bridge, OwnAddress { address: found.address, scope, interface })
        })
        .filter(|(.., own)| !(own.scope == Scope::Link && own.address.is_ipv6() && own.interface.is_none()))
        .collect();
    ranked.sort_by_key(|(other, bridge, own)| (*other, own.scope, *bridge, own.address.is_ipv6()));
    let mut out: Vec<_> = ranked.into_iter().map(|(.., own)| own).collect();
    out.dedup();
    for narrow in [Scope::Machine, Scope::Link] {
        let wider = |own: &OwnAddress| own.scope < Scope::Link || own.scope < narrow;
        if out.iter().any(wider) {
            out.retain(|own| own.scope != narrow);
        }
    }
    out
}

fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// The addresses in Linux's table of its IPv6 addresses that are deprecated, or not known to be this machine's alone.
fn stale(table: &str) -> Vec<IpAddr> {
    let row = |line: &str| {
        let mut fields = line.split_whitespace();
        let address = u128::from_str_radix(fields.next()?, 16).ok()?;
        let flags = u32::from_str_radix(fields.nth(3)?, 16).ok()?;
        (flags & (TENTATIVE | DEPRECATED | DUPLICATE) != 0).then(|| Ipv6Addr::from(address).into())
    };
    table.lines().filter_map(row).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn found(address: &str, interface: &str) -> Found {
        let (address, interface) = (address.parse().unwrap(), interface.to_owned());
        Found { address, interface, runs: true, tunnel: false, bridge: false, stale: false }
    }

    /// Each address with what is said of it, by rank.
    fn ranked(found: Vec<Found>, defaults: &[&str]) -> Vec<String> {
        let defaults: Vec<_> = defaults.iter().map(|address| address.parse().ok()).collect();
        let text = |own: OwnAddress| {
            let interface = own.interface.map(|name| format!(" {name}")).unwrap_or_default();
            format!("{} {:?}{interface}", own.address, own.scope)
        };
        rank(found, &defaults).into_iter().map(text).collect()
    }

    #[test]
    fn what_leads_to_the_internet_comes_before_what_leads_to_containers_whatever_the_kernel_lists_first() {
        let bridge = |number| Found { bridge: true, ..found(&format!("172.{number}.0.1"), "docker") };
        let mut all: Vec<_> = (17..31).map(bridge).collect();
        all.push(Found { tunnel: true, ..found("100.64.0.7", "tailscale0") });
        all.push(found("192.168.1.20", "wlan0"));
        all.push(found("2606:4700::20", "wlan0"));
        all.push(found("10.0.0.1", "eth1"));
        let ranked = ranked(all, &["192.168.1.20", "2606:4700::20"]);
        let first = [
            "2606:4700::20 Global",
            "192.168.1.20 Local",
            "100.64.0.7 Vpn tailscale0",
            "10.0.0.1 Local",
            "172.17.0.1 Local",
        ];
        assert_eq!(ranked[..5], first);
        assert_eq!(ranked.len(), 18);
    }

    #[test]
    fn a_bridge_or_a_tunnel_that_leads_to_the_internet_is_like_any_other_interface() {
        let all = vec![found("192.168.7.1", "eth0"), Found { bridge: true, ..found("192.168.1.2", "br0") }];
        assert_eq!(ranked(all, &["192.168.1.2"]), ["192.168.1.2 Local", "192.168.7.1 Local"]);
        let public = vec![found("10.0.0.1", "eth0"), Found { bridge: true, ..found("8.8.8.8", "br0") }];
        assert_eq!(ranked(public, &[]), ["8.8.8.8 Global", "10.0.0.1 Local"]);
        let line = vec![Found { tunnel: true, ..found("100.64.0.7", "ppp0") }];
        assert_eq!(ranked(line, &["100.64.0.7"]), ["100.64.0.7 Local"]);
    }

    #[test]
    fn what_leads_nowhere_is_left_out() {
        let all = vec![
            Found { runs: false, ..found("192.168.1.1", "eth0") },
            Found { stale: true, ..found("2606:4700::1", "wlan0") },
            found("192.168.1.20", "wlan0"),
            found("fe80::1", "wlan0"),
            found("169.254.1.1", "eth0"),
            found("127.0.0.1", "lo"),
        ];
        assert_eq!(ranked(all, &["192.168.1.20"]), ["192.168.1.20 Local"]);
        let table = "fe80000000000000000000000000001 02 40 20 80 eth0\n\
                     26064700000000000000000000000001 02 40 00 20 eth0\n\
                     26064700000000000000000000000002 02 40 00 01 eth0\n\
                     26064700000000000000000000000003 02 40 00 40 eth0\nx\n";
        assert_eq!(stale(table), ["2606:4700::1", "2606:4700::3"].map(|address| address.parse::<IpAddr>().unwrap()));
    }

    #[test]
    fn a_cable_between_two_machines_is_named_with_its_interface_and_loopback_stands_for_nothing_else() {
        let cable = || vec![found("127.0.0.1", "lo"), found("fe80::1", "eth0"), found("fe80::2", "bad name")];
        assert_eq!(ranked(cable(), &[]), ["fe80::1 Link eth0"]);
        assert_eq!(
            ranked(vec![found("::1", "lo"), found("127.0.0.1", "lo")], &[]),
            ["127.0.0.1 Machine", "::1 Machine"]
        );
    }
}
