//! IPv4 hosts from a network that has only IPv6: the prefix under which it translates their addresses.
//!
//! The prefix is discovered as RFC 7050 says, by the IPv6 address that the network's name servers make for a name which
//! has none, and used as RFC 6052 says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::dial::lookup;
use super::local;
use crate::address::{Address, PORT, Scope};

/// The name that has IPv4 addresses alone.
const NAME: &str = "ipv4only.arpa";
/// Those addresses (RFC 7050, section 2.2).
const KNOWN: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 0, 170), Ipv4Addr::new(192, 0, 0, 171)];
/// Lengths of a prefix in bits (RFC 6052, section 2.2), the usual one first.
const LENGTHS: [usize; 6] = [96, 64, 56, 48, 40, 32];
/// The byte between the parts of a shorter one, which is zero.
const GAP: usize = 8;

/// The prefix of a network that translates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    bytes: [u8; 16],
    bits: usize,
}

impl Prefix {
    /// Asks the network's name servers for it. `None` where it is not needed: without IPv6, or with IPv4.
    pub async fn discover() -> Option<Self> {
        if local::ipv4().is_some() || local::ipv6().is_none() {
            return None;
        }
        // The port means nothing.
        let found = lookup(&Address { host: NAME.into(), port: PORT }).await.ok()?;
        found.into_iter().find_map(|at| match at.ip() {
            IpAddr::V6(made) => Self::of(made),
            IpAddr::V4(_) => None,
        })
    }

    /// The prefix of an address that was made for [`NAME`].
    fn of(made: Ipv6Addr) -> Option<Self> {
        LENGTHS.into_iter().find_map(|bits| {
            let mut bytes = made.octets();
            bytes.iter_mut().skip(bits / 8).for_each(|byte| *byte = 0);
            let prefix = Self { bytes, bits };
            KNOWN.iter().any(|known| prefix.embed(*known) == made).then_some(prefix)
        })
    }

    fn embed(&self, address: Ipv4Addr) -> Ipv6Addr {
        let mut bytes = self.bytes;
        let places = bytes.iter_mut().enumerate().skip(self.bits / 8).filter(|(at, _)| self.bits == 96 || *at != GAP);
        places.zip(address.octets()).for_each(|((_, place), byte)| *place = byte);
        bytes.into()
    }

    /// The address by which the network leads to an IPv4 host. `None` for other addresses, and for those of private
    /// networks, which are on this side of the translator.
    pub fn translate(&self, to: SocketAddr) -> Option<SocketAddr> {
        match to.ip().to_canonical() {
            IpAddr::V4(v4) if Scope::of(v4.into()) == Scope::Global => {
                Some(SocketAddr::new(self.embed(v4).into(), to.port()))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v6(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_embedded_as_the_examples_of_rfc_6052_have_it() {
        for (prefix, bits, embedded) in [
            ("2001:db8::", 32, "2001:db8:c000:221::"),
            ("2001:db8:100::", 40, "2001:db8:1c0:2:21::"),
            ("2001:db8:122::", 48, "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::", 56, "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::", 64, "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::", 96, "2001:db8:122:344::192.0.2.33"),
        ] {
            let prefix = Prefix { bytes: v6(prefix).octets(), bits };
            assert_eq!(prefix.embed(Ipv4Addr::new(192, 0, 2, 33)), v6(embedded));
            for known in KNOWN {
                assert_eq!(Prefix::of(prefix.embed(known)), Some(prefix), "{bits}");
            }
        }
        assert_eq!(Prefix::of(v6("64:ff9b::192.0.2.1")), None);
        assert_eq!(Prefix::of(v6("2606:4700::1")), None);
    }

    #[test]
    fn only_what_the_internet_leads_to_is_translated() {
        let prefix = Prefix::of(v6("64:ff9b::192.0.0.170")).unwrap();
        let translate = |to: &str| prefix.translate(to.parse().unwrap()).map(|at| at.to_string());
        assert_eq!(translate("8.8.4.4:51423"), Some("[64:ff9b::808:404]:51423".into()));
        for to in ["192.168.1.1:1", "127.0.0.1:1", "10.0.0.1:1", "[2606:4700::1]:1"] {
            assert_eq!(translate(to), None, "{to}");
        }
    }
}
