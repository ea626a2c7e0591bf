//! Addresses as people write them, and as connections have them.

mod origin;
mod scope;

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Serialize, Serializer};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

pub use self::origin::{Origin, most_crowded};
pub use self::scope::{OwnAddress, Scope, is_carrier_grade};

/// The port both sides use unless told otherwise.
pub const PORT: u16 = 51_423;

/// The longest host name (RFC 1035), in bytes.
const HOST_NAME: usize = 253;
/// Length of the label before `.onion` (version 3).
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

/// The reason why a text is not an [`Address`].
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressError {
    /// Neither a host name nor an IP address.
    #[error("neither a host name nor an IP address")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("not a port")]
    Port,
    /// Letters other than ASCII. DNS knows such names by their `xn--` form.
    #[error("letters other than ASCII")]
    NotAscii,
    /// A name that ends in `.onion` without being an onion address.
    #[error("not an onion address")]
    Onion,
    /// A link-local address without the interface that leads there (RFC 4007).
    #[error("no interface")]
    Zone,
    /// Two ports, one in the address and one beside it.
    #[error("two ports")]
    TwoPorts,
}

impl Address {
    /// Reads `HOST`, `HOST:PORT`, `IPV4:PORT`, `IPV6`, `[IPV6]` or `[IPV6]:PORT`, with [`PORT`] as the default.
    ///
    /// `port` is a port that was given beside the address. Both are also read in the forms of an input method (NFKC).
    pub fn parse(text: &str, port: Option<&str>) -> Result<Self, AddressError> {
        let (text, port) = (plain(text), port.map(plain));
        let (host, inner) = split(text.trim())?;
        let port = port.as_deref().map(str::trim);
        if inner.is_some() && port.is_some() {
            return Err(AddressError::TwoPorts);
        }
        let port = port.or(inner).map_or(Ok(PORT), parse_port)?;
        check_host(host)?;
        Ok(Self { host: host.to_owned(), port })
    }

    /// The label before `.onion`, if this is the address of an onion service.
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

/// A text with the digits, marks and dots of an input method in their plain form.
fn plain(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { text.into() } else { text.nfkc().map(|c| if c == '。' { '.' } else { c }).collect() }
}

/// Reads a port that can be connected to: 1 to 65535, digits only.
fn parse_port(text: &str) -> Result<u16, AddressError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0).ok_or(AddressError::Port)
}

/// Splits off the port, and the brackets of an IPv6 address.
fn split(text: &str) -> Result<(&str, Option<&str>), AddressError> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(AddressError::Host)?;
        if !host.contains(':') {
            return Err(AddressError::Host);
        }
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(AddressError::Host),
        };
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => Ok((host, Some(port))),
        _ => Ok((text, None)),
    }
}

fn check_host(host: &str) -> Result<(), AddressError> {
    if host.contains(':') {
        return check_ipv6(host);
    }
    if !host.is_ascii() {
        return Err(AddressError::NotAscii);
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or_default();
    // If the last label is a number, only the usual spelling of IPv4 is left: the C library would also resolve 0x7f.1.
    let numeric = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X");
    if numeric {
        return if host.parse::<Ipv4Addr>().is_ok() { Ok(()) } else { Err(AddressError::Host) };
    }
    if last.eq_ignore_ascii_case("onion") {
        let id = name.rsplit('.').nth(1).unwrap_or_default();
        let letters = id.bytes().all(|byte| byte.is_ascii_alphabetic() || (b'2'..=b'7').contains(&byte));
        if id.len() != ONION || !letters {
            return Err(AddressError::Onion);
        }
    }
    let label_ok = |label: &str| {
        (1..=LABEL).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if name.len() <= HOST_NAME && name.split('.').all(label_ok) { Ok(()) } else { Err(AddressError::Host) }
}

/// Checks an IPv6 address, with or without the zone that a link-local one needs (RFC 4007).
fn check_ipv6(host: &str) -> Result<(), AddressError> {
    let (address, zone) = host.split_once('%').unwrap_or((host, "0"));
    match address.parse::<Ipv6Addr>() {
        Ok(address) if address.is_unicast_link_local() && !host.contains('%') => Err(AddressError::Zone),
        Ok(_) if is_zone(zone) => Ok(()),
        _ => Err(AddressError::Host),
    }
}

/// Whether a text may be the zone of a link-local address: the name of an interface.
pub fn is_zone(text: &str) -> bool {
    (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// The longest user name and password (RFC 1929), in bytes.
const PROXY_USER: usize = 255;

/// A SOCKS5 proxy.
pub struct Proxy {
    /// The address of the proxy.
    pub address: Address,
    /// User name and password.
    pub user: Option<(String, Zeroizing<String>)>,
}

/// The reason why a text is not a [`Proxy`].
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProxyError {
    /// Something other than `socks5://` at the beginning.
    #[error("not a SOCKS5 proxy")]
    Kind,
    /// A user name or password that is missing, empty or too long.
    #[error("bad user name or password")]
    User,
    /// A bad address, or no port.
    #[error("address: {0}")]
    Address(#[from] AddressError),
}

impl Proxy {
    /// Reads `socks5://[USER:PASSWORD@]HOST:PORT`, or the same with `socks5h`.
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        let rest =
            text.strip_prefix("socks5://").or_else(|| text.strip_prefix("socks5h://")).ok_or(ProxyError::Kind)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, address) = match rest.rsplit_once('@') {
            Some((user, address)) => {
                let (name, password) = user.split_once(':').ok_or(ProxyError::User)?;
                let fits = |part: &str| (1..=PROXY_USER).contains(&part.len());
                if !fits(name) || !fits(password) {
                    return Err(ProxyError::User);
                }
                (Some((name.to_owned(), Zeroizing::new(password.to_owned()))), address)
            }
            None => (None, rest),
        };
        let port = address.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
        if port.is_none() {
            return Err(ProxyError::Address(AddressError::Port));
        }
        Ok(Self { address: Address::parse(address, None)?, user })
    }
}

/// The other end of a connection, as far as this machine can tell. No text for people: the sentence says in its
/// language what stands between.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerAddr {
    /// The address that the socket is connected to.
    pub at: SocketAddr,
    /// What listens at that address.
    pub via: Via,
}

/// What a socket is connected to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Via {
    /// The partner's machine, or a router's mapped port.
    Direct,
    /// A SOCKS proxy that connects on to the partner.
    Proxy,
    /// A transit relay, where both sides meet.
    Relay,
    /// The Tor network.
    Tor,
}

impl From<SocketAddr> for PeerAddr {
    fn from(at: SocketAddr) -> Self {
        Self { at: SocketAddr::new(at.ip().to_canonical(), at.port()), via: Via::Direct }
    }
}

impl Serialize for PeerAddr {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.via {
            Via::Direct => to.collect_str(&self.at),
            Via::Proxy => to.collect_str(&format_args!("proxy {}", self.at)),
            Via::Relay => to.collect_str(&format_args!("relay {}", self.at)),
            Via::Tor => to.serialize_str("Tor"),
        }
    }
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
            ("\u{3000}ｅｘａｍｐｌｅ．ｏｒｇ\u{3000}", None, "example.org", PORT),
            ("example。org：５１４２４", None, "example.org", 51_424),
            ("１９２．０．２．１", Some("９９"), "192.0.2.1", 99),
            ("192｡0。2.1:99", None, "192.0.2.1", 99),
            ("［２００１：ｄｂ８：：１］：７", None, "2001:db8::1", 7),
            ("ｆｅ８０：：１％ｅｔｈ０", None, "fe80::1%eth0", PORT),
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
            ("", AddressError::Host),
            ("-x", AddressError::Host),
            ("a b", AddressError::Host),
            ("a\nb", AddressError::Host),
            ("a\0b", AddressError::Host),
            ("\x1b[2J", AddressError::Host),
            ("[::1", AddressError::Host),
            ("[::1]x", AddressError::Host),
            ("[example.org]", AddressError::Host),
            ("::1:51423", AddressError::Host),
            ("1.2.3.4.5", AddressError::Host),
            ("1.2.3", AddressError::Host),
            ("0x7f.1", AddressError::Host),
            ("a..b", AddressError::Host),
            ("fe80::1%", AddressError::Host),
            ("fe80::1", AddressError::Zone),
            ("[fe80::1]:7", AddressError::Zone),
            ("1.2.3.4:99999", AddressError::Port),
            ("example.org:0", AddressError::Port),
            ("example.org:", AddressError::Port),
            ("example.org:http", AddressError::Port),
            ("example.org:+80", AddressError::Port),
            ("bücher.example", AddressError::NotAscii),
            ("аpple.com", AddressError::NotAscii),
            ("x.onion", AddressError::Onion),
            (&long, AddressError::Host),
            (&label, AddressError::Host),
            (&onion, AddressError::Host),
        ] {
            assert_eq!(Address::parse(text, None), Err(why), "{text:?}");
        }
        assert_eq!(Address::parse("a:1", Some("2")), Err(AddressError::TwoPorts));
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
