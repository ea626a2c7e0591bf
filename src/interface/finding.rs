//! What the doctor has found.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Serialize;

use super::route::Route;
use crate::address::{OwnAddress, PeerAddr, Scope};
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
///
/// Programs get the name of the check, what distinguishes it from others of that name, and the sentence beside them.
#[derive(Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are what the sentence is made of")]
pub enum Finding {
    /// The connection of the open room.
    Connection {
        #[serde(skip)]
        place: PeerAddr,
        #[serde(skip)]
        broken: bool,
    },
    /// The port can be listened on, or is: the addresses.
    #[serde(rename = "listening")]
    Listens(#[serde(skip)] Vec<SocketAddr>),
    /// The port is taken.
    #[serde(rename = "listening")]
    PortInUse(#[serde(skip)] u16),
    /// The port cannot be listened on.
    #[serde(rename = "listening")]
    CannotListen {
        #[serde(skip)]
        port: u16,
        #[serde(skip)]
        why: SystemError,
    },
    /// This machine's addresses.
    Addresses(#[serde(skip)] Vec<OwnAddress>),
    /// The address translation between this machine and IPv4 outside.
    Nat(#[serde(skip)] Nat),
    /// This machine's IPv6 address, if there is one with a route, and whether a host was reached from it, if that was
    /// tried.
    Ipv6 {
        #[serde(skip)]
        own: Option<IpAddr>,
        #[serde(skip)]
        reached: Option<bool>,
    },
    /// Whether the network, which has no IPv4, leads to IPv4 hosts all the same (NAT64).
    Nat64(#[serde(skip)] bool),
    /// A program that filters what comes to this machine, if one is known to be on.
    Firewall {
        #[serde(skip)]
        name: Option<&'static str>,
        #[serde(skip)]
        port: u16,
    },
    /// The router's answer to a request for a port. `None`: it was not asked.
    Mapping(#[serde(skip)] Option<Result<SocketAddr, MappingError>>),
    /// Whether an announcement on the local network comes back. `None`: it was not tried.
    Lan(#[serde(skip)] Option<Result<(), LanError>>),
    /// The proxy, and whether it takes connections.
    Proxy {
        #[serde(rename = "name")]
        address: Printable,
        #[serde(skip)]
        result: Result<(), ConnectError>,
    },
    /// The time that tor took into its network. `None`: it is installed, and was not started.
    Tor(#[serde(skip)] Option<Result<Duration, TorError>>),
    /// No relay was named.
    #[serde(rename = "relay")]
    NoRelay,
    /// A relay, and the time until it joined two connections of this machine.
    Relay {
        name: Printable,
        #[serde(skip)]
        result: Result<Duration, ConnectError>,
    },
    /// A way to the partner.
    Way {
        name: Route,
        #[serde(skip)]
        met: ProbeResult,
    },
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
            Self::Addresses(addresses) => of(addresses.iter().any(|own| own.scope != Scope::Machine)),
            Self::Nat(Nat::None(_)) => Verdict::Works,
            Self::Nat(Nat::Router(_) | Nat::Unknown) => Verdict::Unknown,
            Self::Nat(Nat::Double(_) | Nat::NoIpv4) => Verdict::Not,
            Self::Ipv6 { own: None, .. } => Verdict::Not,
            Self::Ipv6 { reached, .. } => reached.map_or(Verdict::Unknown, of),
            Self::Nat64(leads) => of(*leads),
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
}
