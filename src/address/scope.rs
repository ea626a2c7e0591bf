//! Which addresses can be reached from where.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;

/// The part of the network from which an address can be reached, the widest first.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The internet, unless a firewall is in between.
    Global,
    /// The same private network, over a tunnel.
    Vpn,
    /// The same local network.
    Local,
    /// The cable or the radio that an interface is on.
    Link,
    /// This machine only.
    Machine,
}

impl Scope {
    /// The scope of an address that this machine has.
    ///
    /// What IANA's registries of special-purpose addresses (RFC 6890) do not call globally reachable may still lead
    /// through the local network.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            address if address.is_loopback() => Self::Machine,
            IpAddr::V4(v4) if is_global_v4(v4) => Self::Global,
            IpAddr::V6(v6) if is_global_v6(v6) => Self::Global,
            _ => Self::Local,
        }
    }
}

/// An address of this machine, for the partner to use.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
pub struct OwnAddress {
    /// The address.
    pub address: IpAddr,
    /// From where it can be reached.
    pub scope: Scope,
    /// The interface that has it, by a name fit for a zone (RFC 4007), where the scope alone does not say enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
}

impl From<IpAddr> for OwnAddress {
    fn from(address: IpAddr) -> Self {
        Self { address, scope: Scope::of(address), interface: None }
    }
}

/// Whether the internet leads to an IPv4 address, by IANA's registry of 2025.
fn is_global_v4(address: Ipv4Addr) -> bool {
    match address.octets() {
        // Anycast within the protocol assignments.
        [192, 0, 0, 9 | 10] => true,
        // "This network", private use, loopback.
        [0 | 10 | 127, ..] => false,
        // Shared by providers, link-local, private use.
        [100, 64..=127, ..] | [169, 254, ..] | [172, 16..=31, ..] | [192, 168, ..] => false,
        // Protocol assignments such as those of DS-Lite, 6to4 relays.
        [192, 0, 0, _] | [192, 88, 99, _] => false,
        // Benchmarking.
        [198, 18 | 19, ..] => false,
        // Documentation.
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => false,
        // Multicast, reserved, broadcast.
        [224..=255, ..] => false,
        _ => true,
    }
}

/// Whether the internet leads to an IPv6 address, by IANA's registry of 2025. Global unicast is 2000::/3.
fn is_global_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // Anycast, AMT, AS112, drone remote identification within the protocol assignments.
        [0x2001, 1, 0, 0, 0, 0, 0, 1..=3] | [0x2001, 3, ..] | [0x2001, 4, 0x112, ..] | [0x2001, 0x30..=0x3f, ..] => {
            true
        }
        // The other protocol assignments: Teredo, benchmarking, ORCHID.
        [0x2001, 0..=0x1ff, ..] => false,
        // Documentation.
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // 6to4 relays are gone.
        [0x2002, ..] => false,
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

/// Whether an address is one that providers share among customers (carrier-grade NAT, RFC 6598).
pub fn is_carrier_grade(address: IpAddr) -> bool {
    matches!(address.to_canonical(), IpAddr::V4(v4) if matches!(v4.octets(), [100, 64..=127, ..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(texts: &str) -> impl Iterator<Item = IpAddr> {
        texts.split_whitespace().map(|text| text.parse().unwrap())
    }

    #[test]
    fn addresses_are_sorted_by_who_can_reach_them() {
        // The first and the last address of each block that is not globally reachable.
        let local = "0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 169.254.0.0 \
                     169.254.255.255 172.16.0.0 172.31.255.255 192.0.0.0 192.0.0.8 192.0.0.11 192.0.0.255 192.0.2.0 \
                     192.0.2.255 192.88.99.0 192.88.99.255 192.168.0.0 192.168.255.255 198.18.0.0 198.19.255.255 \
                     198.51.100.0 198.51.100.255 203.0.113.0 203.0.113.255 224.0.0.0 240.0.0.0 255.255.255.255 \
                     :: ::2 64:ff9b:1:: 64:ff9b::1 100:: 100:0:0:1:: 1fff:: 2001:: 2001:0:ffff:: 2001:1::4 2001:2:: \
                     2001:2:0:ffff:: 2001:5:: 2001:10:: 2001:20:: 2001:2f:: 2001:1ff:ffff:: 2001:db8:: \
                     2001:db8:ffff:: 2002:: 2002:ffff:: 3fff:: 3fff:fff:ffff:: 4000:: 5f00:: fc00:: fdff:: fe80:: \
                     febf:: fec0:: feff:: ff02::1 ::ffff:192.0.2.1";
        for address in all(local) {
            assert_eq!(Scope::of(address), Scope::Local, "{address}");
        }
        let global = "1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 \
                      169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.0.9 192.0.0.10 \
                      192.0.1.0 192.0.3.0 192.31.196.0 192.52.193.0 192.88.98.0 192.88.100.0 192.167.0.0 192.169.0.0 \
                      192.175.48.0 198.17.0.0 198.20.0.0 198.51.99.0 198.51.101.0 203.0.112.0 203.0.114.0 \
                      223.255.255.255 2000:: 2001:1::1 2001:1::2 2001:1::3 2001:3:: 2001:4:112:: 2001:30:: 2001:3f:: \
                      2001:200:: 2001:db7:: 2001:db9:: 2003:: 2606:4700::1 2620:4f:8000:: 3ffe:: 3fff:1000:: \
                      ::ffff:8.8.8.8";
        for address in all(global) {
            assert_eq!(Scope::of(address), Scope::Global, "{address}");
        }
        for address in all("127.0.0.0 127.0.0.1 127.255.255.255 ::1 ::ffff:127.0.0.1") {
            assert_eq!(Scope::of(address), Scope::Machine, "{address}");
        }
    }
}
