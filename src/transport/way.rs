//! Ways to the host, and how one is taken.

use std::fmt;
use std::io;
use std::io::ErrorKind::NetworkUnreachable;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::dial::{self, CONNECT, connect};
use super::relay::{self, Token};
use super::socks;
use super::tor::{Opened, TorGate, onion_id, onion_key};
use crate::address::{Address, By, Place, Proxy, Scope};
use crate::protocol::invite::Hint;
use crate::protocol::random::{OsRandom, Randomness as _};

/// Everything takes so many times longer through Tor.
pub const TOR: u32 = 4;
/// A waiting connection without a sign of life is asked for one after so long.
const ALIVE: Duration = Duration::from_secs(15);
/// How long the host may take to come to a relay.
const MEETING: Duration = Duration::from_secs(15);
/// Head start of all other ways over Tor, where a tor has to be started for it.
const BEFORE_TOR: Duration = Duration::from_secs(5);
/// Pause after an onion service was not found: it may not have been published yet.
const AGAIN: Duration = Duration::from_secs(1);
/// How long to wait for somebody by a connection of which nobody can tell whether it still leads to the relay.
const UNSEEN: Duration = Duration::from_secs(300);

/// A way to the host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Way {
    /// An address.
    Direct(SocketAddr),
    /// A name, to be looked up.
    Name(Address),
    /// A relay where the two meet.
    Relay(Address),
    /// An onion service: its public key and its port.
    Onion([u8; 32], u16),
}

/// How this machine reaches other machines.
#[derive(Default)]
pub struct Outside {
    /// Everything goes through it, names too.
    pub proxy: Option<Proxy>,
    /// By what a relay knows the two.
    pub token: Option<Token>,
    /// The way into the Tor network.
    pub tor: TorGate,
}

/// What everything has to go through.
enum Through<'a> {
    Proxy(&'a Proxy),
    Tor(Arc<Opened>),
}

impl Through<'_> {
    /// Connects to an address, whose name is not looked up on this side.
    async fn connect(&self, to: &Address) -> io::Result<(TcpStream, Place)> {
        let (proxy, by, limit) = match self {
            Self::Proxy(proxy) => (*proxy, By::Proxy, CONNECT),
            Self::Tor(opened) => (&opened.proxy, By::Tor, CONNECT * TOR),
        };
        let (stream, at) = dial::reach(&proxy.address).await.map_err(|error| {
            if let Self::Tor(opened) = self {
                opened.mark_ended();
            }
            io::Error::other(format!("the proxy does not answer: {error}"))
        })?;
        let stream = timeout(limit, socks::ask(stream, proxy, to));
        let stream = stream.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        Ok((stream, Place { at, by }))
    }
}

impl Outside {
    /// Whether connections leave this machine as they are.
    pub fn is_open(&self) -> bool {
        self.proxy.is_none() && !self.tor.only
    }

    /// What everything has to go through, or at least what leads to an onion service.
    async fn through(&self, onion: bool) -> io::Result<Option<Through<'_>>> {
        Ok(match &self.proxy {
            Some(proxy) => Some(Through::Proxy(proxy)),
            None if self.tor.only || onion => Some(Through::Tor(self.tor.open().await?)),
            None => None,
        })
    }
}

impl Way {
    /// The way that an invite names. `None` if it leads nowhere.
    pub fn of(hint: &Hint) -> Option<Self> {
        let direct = |ip: IpAddr, port: u16| {
            let ip = ip.to_canonical();
            let host = match ip {
                IpAddr::V4(v4) => !v4.is_broadcast() && !v4.is_multicast() && !matches!(v4.octets(), [0, ..]),
                IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast() && !v6.is_unicast_link_local(),
            };
            host.then_some(Self::Direct(SocketAddr::new(ip, port)))
        };
        let address = |host: &str, port: u16| Address::parse(host, Some(&port.to_string())).ok();
        match hint {
            Hint::Ipv4(octets, port) => direct((*octets).into(), *port),
            Hint::Ipv6(octets, port) => direct((*octets).into(), *port),
            Hint::Name(name, port) => address(name, *port).map(|address| Self::to(&address)),
            Hint::Relay(host, port) => address(host, *port).map(Self::Relay),
            Hint::Onion(key, port) => Some(Self::Onion(*key, *port)),
        }
    }

    /// The way to an address that somebody typed.
    pub fn to(address: &Address) -> Self {
        let onion = address.onion().and_then(onion_key);
        match (onion, address.host.parse()) {
            (Some(key), _) => Self::Onion(key, address.port),
            (None, Ok(ip)) => Self::Direct(SocketAddr::new(ip, address.port)),
            (None, Err(_)) => Self::Name(address.clone()),
        }
    }

    /// What an invite says of this way.
    pub fn hint(&self) -> Hint {
        match self {
            Self::Direct(at) => match at.ip().to_canonical() {
                IpAddr::V4(v4) => Hint::Ipv4(v4.octets(), at.port()),
                IpAddr::V6(v6) => Hint::Ipv6(v6.octets(), at.port()),
            },
            Self::Name(address) => Hint::Name(address.host.clone(), address.port),
            Self::Relay(address) => Hint::Relay(address.host.clone(), address.port),
            Self::Onion(key, port) => Hint::Onion(*key, *port),
        }
    }

    /// Whether it leads to the partner's machine, by itself or through a proxy, and not to where both meet.
    pub fn is_direct(&self) -> bool {
        matches!(self, Self::Direct(_) | Self::Name(_))
    }

    /// Whether somebody there came by this way.
    pub fn is_to(&self, place: Place) -> bool {
        match self {
            Self::Direct(at) => place.by == By::Direct && Place::from(*at) == place,
            Self::Name(_) => place.by == By::Proxy,
            // What a relay's name leads to is not known here.
            Self::Relay(at) => {
                let ip = at.host.parse::<IpAddr>();
                place.by == By::Relay && place.at.port() == at.port && ip.map_or(true, |ip| ip == place.at.ip())
            }
            Self::Onion(..) => place.by == By::Tor,
        }
    }

    /// The smaller, the sooner it is tried.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Direct(at) if Scope::of(at.ip()) == Scope::Machine => 3,
            Self::Direct(_) => 0,
            Self::Name(_) => 1,
            Self::Relay(_) => 2,
            Self::Onion(..) => 4,
        }
    }

    /// Waits at a relay until the partner comes there, however long that takes. Calls `there` once this side has come.
    pub async fn wait(&self, outside: &Outside, there: impl AsyncFnOnce()) -> io::Result<(TcpStream, Place)> {
        let (Self::Relay(address), Some(token)) = (self, &outside.token) else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let (mut stream, place) = reach(address, outside).await?;
        // Nothing moves while nobody comes: only the kernel can tell that the relay is still there.
        let alive = TcpKeepalive::new().with_time(ALIVE).with_interval(ALIVE / 3).with_retries(3);
        SockRef::from(&stream).set_tcp_keepalive(&alive)?;
        relay::come(&mut stream, token).await?;
        there().await;
        // And where something stands between not even the kernel can.
        let patience = if place.by == By::Direct { Duration::MAX } else { UNSEEN };
        let partner = timeout(patience, relay::partner(&mut stream));
        partner.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        Ok((stream, at_relay(place)))
    }

    /// Takes it.
    pub async fn take(&self, outside: &Outside) -> io::Result<(TcpStream, Place)> {
        match self {
            Self::Relay(address) => {
                let token = outside.token.as_ref().ok_or(io::ErrorKind::Unsupported)?;
                let (mut stream, place) = reach(address, outside).await?;
                timeout(MEETING, relay::meet(&mut stream, token)).await.unwrap_or_else(|_| Err(relay::alone()))?;
                Ok((stream, at_relay(place)))
            }
            Self::Direct(at) => {
                let address = Address { host: at.ip().to_string(), port: at.port() };
                match outside.through(false).await? {
                    Some(through) => through.connect(&address).await,
                    None => Ok((connect(*at).await?, (*at).into())),
                }
            }
            Self::Name(address) => reach(address, outside).await,
            Self::Onion(key, port) => {
                if outside.is_open() && !outside.tor.is_open() {
                    sleep(BEFORE_TOR).await;
                }
                let through = outside.through(true).await?;
                if let (Some(Through::Tor(opened)), Some(own)) = (&through, &outside.tor.key) {
                    let allowed = opened.tor.lock().await.allow(key, own.private().expose()).await;
                    allowed.inspect_err(|error| {
                        // What tor refuses it says; all else is the end of the line to it.
                        if error.kind() != io::ErrorKind::Other {
                            opened.mark_ended();
                        }
                    })?;
                }
                let address = Address { host: format!("{}.onion", onion_id(key)), port: *port };
                let taken = reach(&address, outside).await;
                if let (Err(_), Some(Through::Tor(opened))) = (&taken, &through) {
                    opened.tor.lock().await.look_again().await;
                    sleep(AGAIN).await;
                }
                taken
            }
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct(at) => write!(out, "{at}"),
            Self::Name(address) => write!(out, "{address}"),
            Self::Relay(address) => write!(out, "relay {address}"),
            Self::Onion(key, port) => write!(out, "{}.onion:{port}", onion_id(key)),
        }
    }
}

/// Whether a way was not taken because there is none into the Tor network.
pub fn is_no_tor(error: &io::Error) -> bool {
    // Of the kernel's own errors none has another within.
    error.kind() == NetworkUnreachable && error.get_ref().is_some()
}

/// Whether a relay joins two connections of this machine.
pub async fn try_relay(relay: &Address, outside: &Outside) -> io::Result<()> {
    // What this takes is not the relay's.
    let tor = matches!(outside.through(relay.onion().is_some()).await?, Some(Through::Tor(_)));
    let limit = if tor { MEETING * TOR } else { MEETING };
    let secret = OsRandom.secret().map_err(|error| io::Error::other(error.to_string()))?;
    let side = |number| {
        let token = Token::new(&secret, [number; 8]);
        async move {
            let (mut stream, _) = reach(relay, outside).await?;
            relay::meet(&mut stream, &token).await
        }
    };
    let both = async { tokio::try_join!(side(1), side(2)) };
    timeout(limit, both).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map(drop)
}

fn at_relay(place: Place) -> Place {
    // Behind a proxy its own address is not known.
    if place.by == By::Direct { Place { by: By::Relay, ..place } } else { place }
}

/// Connects to an address, by name where it is one.
async fn reach(address: &Address, outside: &Outside) -> io::Result<(TcpStream, Place)> {
    if let Some(through) = outside.through(address.onion().is_some()).await? {
        return through.connect(address).await;
    }
    let (stream, at) = dial::reach(address).await?;
    Ok((stream, at.into()))
}
