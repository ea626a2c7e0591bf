//! Where callers come from, as far as it says that two of them may be the same attacker.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{PeerAddr, Via};

/// Where a caller comes from: a network, and a host in it.
///
/// An attacker gets the addresses of one network cheaply: a /24 of IPv4, a /48 of IPv6. A host is one address of IPv4, or
/// a /64 of IPv6. Loopback, a proxy, a relay and Tor may bring everybody: each is one network without known hosts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Origin {
    via: Via,
    network: Option<IpAddr>,
    host: Option<IpAddr>,
}

impl Origin {
    /// Where a connection comes from.
    pub fn of(from: PeerAddr) -> Self {
        let (network, host) = match from.at.ip().to_canonical() {
            at if from.via != Via::Direct || at.is_loopback() => (None, None),
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                (Some(Ipv4Addr::new(a, b, c, 0).into()), Some(v4.into()))
            }
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                let network = Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into();
                (Some(network), Some(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()))
            }
        };
        Self { via: from.via, network, host }
    }

    /// The network.
    pub fn network(&self) -> (Via, Option<IpAddr>) {
        (self.via, self.network)
    }

    /// Whether both are the same known host.
    pub fn is_same_host(&self, other: &Self) -> bool {
        self.host.is_some() && self == other
    }
}

/// Those of the host with most places in the network with most places, in order: one of them goes where all places are
/// taken.
pub fn most_crowded(places: &[Origin]) -> Vec<usize> {
    let (mut networks, mut hosts) = (HashMap::new(), HashMap::new());
    for place in places {
        *networks.entry(place.network()).or_insert(0_usize) += 1;
        *hosts.entry(place).or_insert(0_usize) += 1;
    }
    let crowd = |place: &Origin| {
        let of_host = if place.host.is_some() { hosts.get(place).copied().unwrap_or_default() } else { 1 };
        (networks.get(&place.network()).copied().unwrap_or_default(), of_host)
    };
    let most = places.iter().map(crowd).max();
    places.iter().enumerate().filter(|(_, place)| Some(crowd(place)) == most).map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn at(text: &str) -> Origin {
        Origin::of(SocketAddr::new(text.parse().unwrap(), 1).into())
    }

    #[test]
    fn a_network_is_what_one_attacker_has_cheaply_and_loopback_may_be_anybody() {
        assert_eq!(at("2001:db8:0:1::1"), at("2001:db8:0:1:ffff::2"));
        assert!(at("2001:db8:0:1::1").is_same_host(&at("2001:db8:0:1::2")));
        assert!(!at("2001:db8:0:1::1").is_same_host(&at("2001:db8:0:2::1")));
        assert_eq!(at("2001:db8:0:1::1").network(), at("2001:db8:0:2::1").network());
        assert_ne!(at("2001:db8:0:1::1").network(), at("2001:db8:1:1::1").network());
        assert!(!at("192.0.2.1").is_same_host(&at("192.0.2.2")));
        assert_eq!(at("192.0.2.1").network(), at("192.0.2.2").network());
        assert_ne!(at("192.0.2.1").network(), at("192.0.3.1").network());
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
        for loopback in ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"] {
            assert!(!at(loopback).is_same_host(&at(loopback)));
            assert_eq!(at(loopback).network(), at("127.0.0.1").network());
        }
        let by = |via| Origin::of(PeerAddr { at: SocketAddr::new("192.0.2.1".parse().unwrap(), 1), via });
        assert!(
            by(Via::Relay).network() != by(Via::Direct).network() && by(Via::Tor).network() != by(Via::Relay).network()
        );
    }

    #[test]
    fn whoever_has_most_places_loses_one() {
        let crowd = |places: &[&str]| most_crowded(&places.iter().map(|place| at(place)).collect::<Vec<_>>());
        assert_eq!(crowd(&[]), [] as [usize; 0]);
        assert_eq!(crowd(&["192.0.2.1", "198.51.100.1", "198.51.100.1"]), [1, 2]);
        assert_eq!(crowd(&["192.0.2.1", "198.51.100.1", "198.51.100.2", "198.51.100.1"]), [1, 3]);
        assert_eq!(crowd(&["192.0.2.1", "127.0.0.1", "127.0.0.1"]), [1, 2]);
        assert_eq!(crowd(&["192.0.2.1", "198.51.100.1"]), [0, 1]);
    }
}
