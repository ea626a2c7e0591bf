//! Where the partner is, as a person writes it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use zeroize::Zeroizing;

/// The port both sides use unless told otherwise.
pub const PORT: u16 = 51_423;

/// The longest host name (RFC 1035), in bytes.
const HOST_NAME: usize = 253;
/// What stands before `.onion` (v3), in letters and digits.
const ONION: usize = 56;
/// The longest label of a host name (RFC 1035), in bytes.
const LABEL: usize = 63;

/// A host and a port to connect to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// A host name, or an address in its usual spelling without brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
}

/// What is wrong with an address that was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadAddress {
    /// Neither a host name nor an IP address.
    Host,
    /// Not a number from 1 to 65535.
    Port,
    /// Written in other letters than ASCII; DNS knows such names by their `xn--` form.
    NotAscii,
    /// Ends in `.onion`, and is none.
    Onion,
    /// A port both in the address and after it.
    TwoPorts,
}

impl Address {
    /// Reads `HOST`, `HOST:PORT`, `IPV4:PORT`, `IPV6`, `[IPV6]` or `[IPV6]:PORT`,
    /// and the port where it is given apart.
    pub fn parse(text: &str, port: Option<&str>) -> Result<Self, BadAddress> {
        let (host, inner) = split(text.trim())?;
        if inner.is_some() && port.is_some() {
            return Err(BadAddress::TwoPorts);
        }
        let port = port.or(inner).map_or(Ok(PORT), parse_port)?;
        check_host(host)?;
        Ok(Self { host: host.to_owned(), port })
    }
}

impl Address {
    /// The name of an onion service, without `.onion` and what is before it.
    pub fn onion(&self) -> Option<&str> {
        let name = self.host.strip_suffix('.').unwrap_or(&self.host);
        let (before, last) = name.rsplit_once('.')?;
        last.eq_ignore_ascii_case("onion").then(|| before.rsplit('.').next().unwrap_or(before))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(out, "[{}]:{}", self.host, self.port)
        } else {
            write!(out, "{}:{}", self.host, self.port)
        }
    }
}

/// A port to connect to: 0 is not one.
fn parse_port(text: &str) -> Result<u16, BadAddress> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0).ok_or(BadAddress::Port)
}

fn split(text: &str) -> Result<(&str, Option<&str>), BadAddress> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(BadAddress::Host)?;
        if !host.contains(':') {
            return Err(BadAddress::Host);
        }
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(BadAddress::Host),
        };
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => Ok((host, Some(port))),
        _ => Ok((text, None)),
    }
}

fn check_host(host: &str) -> Result<(), BadAddress> {
    if host.contains(':') {
        return check_ipv6(host);
    }
    if !host.is_ascii() {
        return Err(BadAddress::NotAscii);
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or_default();
    // Where the last label is a number the whole is IPv4 and nothing else:
    // the C library would read 0x7f.1 as an address too.
    let numeric = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X");
    if numeric {
        return if host.parse::<Ipv4Addr>().is_ok() { Ok(()) } else { Err(BadAddress::Host) };
    }
    if last.eq_ignore_ascii_case("onion") {
        let id = name.rsplit('.').nth(1).unwrap_or_default();
        let letters = id.bytes().all(|byte| byte.is_ascii_alphabetic() || (b'2'..=b'7').contains(&byte));
        if id.len() != ONION || !letters {
            return Err(BadAddress::Onion);
        }
    }
    let label_ok = |label: &str| {
        (1..=LABEL).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if name.len() <= HOST_NAME && name.split('.').all(label_ok) { Ok(()) } else { Err(BadAddress::Host) }
}

/// An IPv6 address, with the zone that a link-local one needs (RFC 4007).
fn check_ipv6(host: &str) -> Result<(), BadAddress> {
    let (address, zone) = host.split_once('%').unwrap_or((host, "0"));
    let zone_ok = (1..=16).contains(&zone.len())
        && zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if address.parse::<Ipv6Addr>().is_ok() && zone_ok { Ok(()) } else { Err(BadAddress::Host) }
}

/// The longest user name and password (RFC 1929), in bytes.
const PROXY_USER: usize = 255;

/// A SOCKS5 proxy.
pub struct Proxy {
    /// Where it is.
    pub address: Address,
    /// User name and password.
    pub user: Option<(String, Zeroizing<String>)>,
}

/// What is wrong with a proxy that was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadProxy {
    /// It does not begin with `socks5://`.
    Kind,
    /// The user name or the password.
    User,
    /// The address.
    Address(BadAddress),
}

impl Proxy {
    /// Reads `socks5://[USER:PASSWORD@]HOST:PORT`.
    pub fn parse(text: &str) -> Result<Self, BadProxy> {
        let rest = text.strip_prefix("socks5://").or_else(|| text.strip_prefix("socks5h://")).ok_or(BadProxy::Kind)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, address) = match rest.rsplit_once('@') {
            Some((user, address)) => {
                let (name, password) = user.split_once(':').ok_or(BadProxy::User)?;
                let fits = |part: &str| (1..=PROXY_USER).contains(&part.len());
                if !fits(name) || !fits(password) {
                    return Err(BadProxy::User);
                }
                (Some((name.to_owned(), Zeroizing::new(password.to_owned()))), address)
            }
            None => (None, rest),
        };
        let port = address.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
        if port.is_none() {
            return Err(BadProxy::Address(BadAddress::Port));
        }
        Ok(Self { address: Address::parse(address, None).map_err(BadProxy::Address)?, user })
    }
}

/// Where the other end of a connection is, as far as it can be seen from here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// What the connection goes to.
    pub at: SocketAddr,
    /// What that is.
    pub by: By,
}

/// What a connection goes to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum By {
    /// The partner's machine, or a router's mapped port.
    Direct,
    /// A SOCKS proxy, and on to the partner from there.
    Proxy,
    /// A transit relay, where the two meet.
    Relay,
    /// The Tor network.
    Tor,
}

impl From<SocketAddr> for Place {
    fn from(at: SocketAddr) -> Self {
        Self { at: SocketAddr::new(at.ip().to_canonical(), at.port()), by: By::Direct }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.by {
            By::Direct => write!(out, "{}", self.at),
            By::Proxy => write!(out, "proxy {}", self.at),
            By::Relay => write!(out, "relay {}", self.at),
            By::Tor => write!(out, "Tor"),
        }
    }
}

/// How far away a partner may be to reach one of this machine's addresses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Scope {
    /// From anywhere, if no firewall stands between.
    Global,
    /// From the same local network.
    Local,
    /// From this machine only.
    Machine,
}

/// The scope of an address of this machine.
pub fn scope(address: IpAddr) -> Scope {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b); // carrier-grade NAT, RFC 6598
            if v4.is_loopback() {
                Scope::Machine
            } else if v4.is_private() || v4.is_link_local() || shared {
                Scope::Local
            } else {
                Scope::Global
            }
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => scope(v4.into()),
            None if v6.is_loopback() => Scope::Machine,
            None if v6.is_unique_local() || v6.is_unicast_link_local() => Scope::Local,
            None => Scope::Global,
        },
    }
}

/// Whether an address can be a machine's on the internet.
pub fn is_reachable(address: IpAddr) -> bool {
    let host = match address.to_canonical() {
        IpAddr::V4(v4) => {
            // "This network", IETF protocol assignments such as those of DS-Lite, and all from 224.0.0.0 on.
            let none = matches!(v4.octets(), [0 | 224..=255, ..] | [192, 0, 0, _]);
            !none
        }
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
    };
    host && scope(address) == Scope::Global
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_documented_spelling_is_read() {
        for (text, port, host, number) in [
            ("example.org", None, "example.org", PORT),
            ("example.org.", None, "example.org.", PORT),
            ("example.org:1", None, "example.org", 1),
            ("example.org", Some("65535"), "example.org", 65_535),
            ("localhost", None, "localhost", PORT),
            ("my_host-2", None, "my_host-2", PORT),
            ("192.0.2.1", None, "192.0.2.1", PORT),
            ("192.0.2.1:99", None, "192.0.2.1", 99),
            ("2001:db8::1", None, "2001:db8::1", PORT),
            ("::1", Some("7"), "::1", 7),
            ("[::1]", None, "::1", PORT),
            ("[2001:db8::1]:7", None, "2001:db8::1", 7),
            ("fe80::1%eth0", None, "fe80::1%eth0", PORT),
            (" example.org ", None, "example.org", PORT),
        ] {
            assert_eq!(Address::parse(text, port), Ok(Address { host: host.into(), port: number }), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}.org", "a".repeat(300));
        let label = format!("{}.org", "a".repeat(64));
        let onion = format!("a\0b.{}.onion", "a".repeat(ONION));
        for (text, why) in [
            ("", BadAddress::Host),
            ("-x", BadAddress::Host),
            ("a b", BadAddress::Host),
            ("a\nb", BadAddress::Host),
            ("a\0b", BadAddress::Host),
            ("\x1b[2J", BadAddress::Host),
            ("[::1", BadAddress::Host),
            ("[::1]x", BadAddress::Host),
            ("[example.org]", BadAddress::Host),
            ("::1:51423", BadAddress::Host),
            ("1.2.3.4.5", BadAddress::Host),
            ("1.2.3", BadAddress::Host),
            ("0x7f.1", BadAddress::Host),
            ("a..b", BadAddress::Host),
            ("fe80::1%", BadAddress::Host),
            ("1.2.3.4:99999", BadAddress::Port),
            ("example.org:0", BadAddress::Port),
            ("example.org:", BadAddress::Port),
            ("example.org:http", BadAddress::Port),
            ("example.org:+80", BadAddress::Port),
            ("bücher.example", BadAddress::NotAscii),
            ("аpple.com", BadAddress::NotAscii),
            ("x.onion", BadAddress::Onion),
            (&long, BadAddress::Host),
            (&label, BadAddress::Host),
            (&onion, BadAddress::Host),
        ] {
            assert_eq!(Address::parse(text, None), Err(why), "{text:?}");
        }
        assert_eq!(Address::parse("a:1", Some("2")), Err(BadAddress::TwoPorts));
    }

    #[test]
    fn addresses_are_sorted_by_who_can_reach_them() {
        let scope = |text: &str| scope(text.parse().unwrap());
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

    proptest! {
        #[test]
        fn what_was_read_is_written_so_that_it_reads_the_same(text in "[\\[\\]:.%a-z0-9-]{0,40}") {
            if let Ok(address) = Address::parse(&text, None) {
                prop_assert_eq!(Address::parse(&address.to_string(), None), Ok(address));
            }
        }
    }
}
