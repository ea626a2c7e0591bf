//! Which addresses can be reached from where.

use std::net::IpAddr;

use serde::Serialize;

/// The part of the network from which an address can be reached, the widest first.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The internet, unless a firewall is in between.
    Global,
    /// The same local network.
    Local,
    /// This machine only.
    Machine,
}

impl Scope {
    /// The scope of an address that this machine has.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) if v4.is_loopback() => Self::Machine,
            IpAddr::V4(v4) if v4.is_private() || v4.is_link_local() || is_carrier_grade(address) => Self::Local,
            IpAddr::V6(v6) if v6.is_loopback() => Self::Machine,
            IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => Self::Local,
            _ => Self::Global,
        }
    }
}

/// Whether an address is one that providers share among customers (carrier-grade NAT, RFC 6598).
pub fn is_carrier_grade(address: IpAddr) -> bool {
    matches!(address.to_canonical(), IpAddr::V4(v4) if matches!(v4.octets(), [100, 64..=127, ..]))
}

/// Whether a machine on the internet can have this address.
pub fn is_reachable(address: IpAddr) -> bool {
    let host = match address.to_canonical() {
        IpAddr::V4(v4) => {
            // "This network", IETF protocol assignments such as those of DS-Lite, and everything from 224.0.0.0.
            let none = matches!(v4.octets(), [0 | 224..=255, ..] | [192, 0, 0, _]);
            !none
        }
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
    };
    host && Scope::of(address) == Scope::Global
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_sorted_by_who_can_reach_them() {
        let scope = |text: &str| Scope::of(text.parse().unwrap());
        for text in ["10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.1.1", "100.64.0.1", "fd00::1", "fe80::1"] {
            assert_eq!(scope(text), Scope::Local, "{text}");
        }
        for text in ["192.0.2.1", "100.63.0.1", "2001:db8::1"] {
            assert_eq!(scope(text), Scope::Global, "{text}");
        }
        assert_eq!((scope("127.0.0.1"), scope("::1")), (Scope::Machine, Scope::Machine));
    }

    #[test]
    fn what_is_no_address_of_the_internet_leads_nowhere_from_outside() {
        let reachable = |text: &str| is_reachable(text.parse().unwrap());
        for text in [
            "0.0.0.0",
            "192.0.0.2",
            "224.0.0.1",
            "255.255.255.255",
            "10.0.0.1",
            "100.64.0.1",
            "::",
            "ff02::1",
            "fd00::1",
        ] {
            assert!(!reachable(text), "{text}");
        }
        assert!(reachable("11.9.0.1") && reachable("2001:db8::1"));
    }
}
