//! What the doctor has found.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Serialize;

use super::serialize;
use crate::address::{Place, Scope};
use crate::printable::Printable;

/// Whether a thing works.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The thing works.
    Works,
    /// The thing does not work.
    #[serde(rename = "does_not_work")]
    Not,
    /// It was not tried, or cannot be told from here.
    Unknown,
}

/// The result of one check.
#[expect(missing_docs, reason = "the fields are what the sentence is made of")]
pub enum Finding {
    /// The line of the open room.
    Line { place: Place, broken: bool },
    /// The port can be listened on, or is: the addresses.
    Listens(Vec<SocketAddr>),
    /// The port is taken.
    PortInUse(u16),
    /// The port cannot be listened on.
    CannotListen { port: u16, why: Printable },
    /// This machine's addresses.
    Addresses(Vec<(Scope, IpAddr)>),
    /// What stands between this machine and IPv4 outside.
    Nat(Nat),
    /// Whether IPv6 has an address and a route: the address. Whether it led somewhere, if that was tried.
    Ipv6 { own: Option<IpAddr>, reached: Option<bool> },
    /// A program that filters what comes to this machine, if one is known to be on.
    Firewall { name: Option<&'static str>, port: u16 },
    /// What the router said to a port. `None`: it was not asked.
    Mapping(Option<Result<SocketAddr, MapFault>>),
    /// Whether an announcement on the local network comes back. `None`: it was not tried.
    Lan(Option<Result<(), Printable>>),
    /// The proxy, and whether it takes connections.
    Proxy { address: Printable, result: Result<(), Printable> },
    /// Whether tor is there, or how long it took into the network. `None`: it is there, and was not started.
    Tor(Option<Result<Duration, Printable>>),
    /// No relay was named.
    NoRelay,
    /// A relay, and how long it took until it joined two of ours.
    Relay { name: Printable, result: Result<Duration, Printable> },
    /// A way to the partner.
    Way { name: Printable, met: ProbeResult },
}

/// What stands between this machine and IPv4 outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nat {
    /// Nothing: the address is one of the internet's.
    None(IpAddr),
    /// A router, whose own address is known.
    Router(IpAddr),
    /// A router of which nothing is known.
    Unknown,
    /// A router behind another, such as the provider's.
    Double(IpAddr),
    /// There is no IPv4.
    NoIpv4,
}

/// Why the router forwards no port.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum MapFault {
    /// There is no router.
    NoRouter,
    /// The router does not answer when asked for a port.
    NoAnswer,
    /// The router refused.
    Refused,
    /// The router agreed, but its own address cannot be reached from outside.
    #[serde(serialize_with = "serialize::address")]
    Useless(IpAddr),
}

/// The outcome of probing a way to the partner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProbeResult {
    /// A tete that can be joined answered, after this time.
    Tete(Duration),
    /// The partner of the open room.
    Partner,
    /// A tete whose room is taken.
    Busy,
    /// A tete of other versions.
    Version {
        /// Lowest version it speaks.
        min: u8,
        /// Highest version it speaks.
        max: u8,
    },
    /// A tete that refuses, for a reason that is not known here.
    Refusal(u8),
    /// The machine answers that nobody listens.
    Refused,
    /// Nothing answers: filtered, or nobody there.
    Filtered,
    /// There is no route.
    NoRoute,
    /// The name is not found.
    Lookup,
    /// Who took the connection closed it without a word.
    Closed,
    /// Who took the connection does not know the invite, or the room.
    Stranger,
    /// Who took the connection says nothing.
    Silent,
    /// What answers is not tete.
    NotTete,
    /// The relay is there, the partner is not.
    AloneAtRelay,
    /// This side waits there.
    Waiting,
    /// The relay does not answer, or not as a relay.
    NoRelay,
    /// There is no way into the Tor network.
    NoTor,
    /// Something else, in the words of the system or the proxy.
    Other(Printable),
    /// It was not tried yet.
    NotTried,
}

impl Finding {
    /// Whether the thing works.
    pub fn verdict(&self) -> Verdict {
        let of = |works: bool| if works { Verdict::Works } else { Verdict::Not };
        match self {
            Self::Line { broken, .. } => of(!broken),
            Self::Listens(_) => Verdict::Works,
            Self::PortInUse(_) | Self::CannotListen { .. } => Verdict::Not,
            Self::Addresses(addresses) => of(addresses.iter().any(|(scope, _)| *scope != Scope::Machine)),
            Self::Nat(Nat::None(_)) => Verdict::Works,
            Self::Nat(Nat::Router(_) | Nat::Unknown) => Verdict::Unknown,
            Self::Nat(Nat::Double(_) | Nat::NoIpv4) => Verdict::Not,
            Self::Ipv6 { own: None, .. } => Verdict::Not,
            Self::Ipv6 { reached, .. } => reached.map_or(Verdict::Unknown, of),
            Self::Firewall { .. } | Self::NoRelay => Verdict::Unknown,
            Self::Mapping(result) => result.map_or(Verdict::Unknown, |result| of(result.is_ok())),
            Self::Lan(result) => result.as_ref().map_or(Verdict::Unknown, |result| of(result.is_ok())),
            Self::Proxy { result: Ok(()), .. } => Verdict::Unknown,
            Self::Proxy { .. } => Verdict::Not,
            Self::Tor(result) => result.as_ref().map_or(Verdict::Unknown, |result| of(result.is_ok())),
            Self::Relay { result, .. } => of(result.is_ok()),
            Self::Way { met: ProbeResult::Tete(_) | ProbeResult::Partner | ProbeResult::Waiting, .. } => Verdict::Works,
            Self::Way { met: ProbeResult::NotTried, .. } => Verdict::Unknown,
            Self::Way { .. } => Verdict::Not,
        }
    }

    /// The name of the check in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Line { .. } => "line",
            Self::Listens(_) | Self::PortInUse(_) | Self::CannotListen { .. } => "listening",
            Self::Addresses(_) => "addresses",
            Self::Nat(_) => "nat",
            Self::Ipv6 { .. } => "ipv6",
            Self::Firewall { .. } => "firewall",
            Self::Mapping(_) => "mapping",
            Self::Lan(_) => "lan",
            Self::Proxy { .. } => "proxy",
            Self::Tor(_) => "tor",
            Self::NoRelay | Self::Relay { .. } => "relay",
            Self::Way { .. } => "way",
        }
    }

    /// What distinguishes this check from others of the same name, where there may be several.
    pub fn of(&self) -> Option<&Printable> {
        match self {
            Self::Proxy { address: name, .. } | Self::Relay { name, .. } | Self::Way { name, .. } => Some(name),
            _ => None,
        }
    }
}
