//! What the doctor has found.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Serialize;

use super::route::Route;
use crate::address::{PeerAddr, Scope};
use crate::printable::Printable;
use crate::system::SystemError;
use crate::transport::error::{ConnectError, LanError, MappingError, TorError};

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
    /// The connection of the open room.
    Connection { place: PeerAddr, broken: bool },
    /// The port can be listened on, or is: the addresses.
    Listens(Vec<SocketAddr>),
    /// The port is taken.
    PortInUse(u16),
    /// The port cannot be listened on.
    CannotListen { port: u16, why: SystemError },
    /// This machine's addresses.
    Addresses(Vec<(Scope, IpAddr)>),
    /// What stands between this machine and IPv4 outside.
    Nat(Nat),
    /// Whether IPv6 has an address and a route: the address. Whether it led somewhere, if that was tried.
    Ipv6 { own: Option<IpAddr>, reached: Option<bool> },
    /// A program that filters what comes to this machine, if one is known to be on.
    Firewall { name: Option<&'static str>, port: u16 },
    /// What the router said to a port. `None`: it was not asked.
    Mapping(Option<Result<SocketAddr, MappingError>>),
    /// Whether an announcement on the local network comes back. `None`: it was not tried.
    Lan(Option<Result<(), LanError>>),
    /// The proxy, and whether it takes connections.
    Proxy { address: Printable, result: Result<(), ConnectError> },
    /// Whether tor is there, or how long it took into the network. `None`: it is there, and was not started.
    Tor(Option<Result<Duration, TorError>>),
    /// No relay was named.
    NoRelay,
    /// A relay, and how long it took until it joined two of ours.
    Relay { name: Printable, result: Result<Duration, ConnectError> },
    /// A way to the partner.
    Way { name: Route, met: ProbeResult },
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
    /// The way leads nowhere.
    Failed(ConnectError),
    /// This side waits there.
    Waiting,
    /// It was not tried yet.
    NotTried,
}

impl Finding {
    /// Whether the thing works.
    pub fn verdict(&self) -> Verdict {
        let of = |works: bool| if works { Verdict::Works } else { Verdict::Not };
        match self {
            Self::Connection { broken, .. } => of(!broken),
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
            Self::Connection { .. } => "connection",
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
    pub fn of(&self) -> Option<Route> {
        match self {
            Self::Proxy { address: name, .. } | Self::Relay { name, .. } => Some(Route::Address(name.clone())),
            Self::Way { name, .. } => Some(name.clone()),
            _ => None,
        }
    }
}
