//! Ways to the host, and connecting by one of them.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::dial::{self, CONNECT};
use super::error::{ConnectError, SocksError, TorError};
use super::relay::{self, Token};
use super::socks;
use super::tor::{Opened, TorGate, onion_id, onion_key};
use crate::address::{Address, PeerAddr, Proxy, Scope, Via};
use crate::protocol::invite::Hint;
use crate::protocol::random::{OsRandom, Randomness as _};
use crate::system::SystemError;

/// Factor of the limits for connections through Tor.
pub const TOR: u32 = 4;
/// Keepalive time of a connection that waits at a relay.
const ALIVE: Duration = Duration::from_secs(15);
/// Limit for the partner to come to a relay.
const MEETING: Duration = Duration::from_secs(15);
/// Head start of all other ways over an onion service for which a tor has to be started.
const BEFORE_TOR: Duration = Duration::from_secs(5);
/// Pause after an onion service was not found: its descriptor may not be uploaded yet.
const AGAIN: Duration = Duration::from_secs(1);
/// Limit for waiting at a relay behind a proxy or Tor, where no keepalive tells whether the relay is still there.
const UNSEEN: Duration = Duration::from_secs(300);

/// A way to the host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Way {
    /// An IP address.
    Direct(SocketAddr),
    /// A host name.
    Name(Address),
    /// A relay where both sides meet.
    Relay(Address),
    /// An onion service: its public key and its port.
    Onion([u8; 32], u16),
}

/// How this machine reaches other machines.
#[derive(Default)]
pub struct Egress {
    /// The SOCKS5 proxy through which everything goes, lookups too.
    pub proxy: Option<Proxy>,
    /// The token that joins both sides at a relay. Only an invite holds one.
    pub token: Option<Token>,
    /// The way into the Tor network.
    pub tor: TorGate,
}

/// The SOCKS5 server that a connection goes through.
enum Through<'a> {
    Proxy(&'a Proxy),
    Tor(Arc<Opened>),
}

impl Through<'_> {
    /// Connects to an address. The server looks up the name.
    async fn connect(&self, to: &Address) -> Result<(TcpStream, PeerAddr), ConnectError> {
        let (proxy, via, limit) = match self {
            Self::Proxy(proxy) => (*proxy, Via::Proxy, CONNECT),
            Self::Tor(opened) => (&opened.proxy, Via::Tor, CONNECT * TOR),
        };
        let (stream, at) = dial::reach(&proxy.address).await.map_err(|_| match self {
            Self::Proxy(_) => ConnectError::Proxy(SocksError::Unreachable),
            Self::Tor(opened) => {
                opened.mark_ended();
                TorError::Ended.into()
            }
        })?;
        let stream = timeout(limit, socks::ask(stream, proxy, to)).await.map_err(|_| ConnectError::Timeout)??;
        Ok((stream, PeerAddr { at, via }))
    }
}

impl Egress {
    /// Whether connections go out directly, through neither a proxy nor Tor.
    pub fn is_open(&self) -> bool {
        self.proxy.is_none() && !self.tor.only
    }

    /// The server that a connection has to go through. An onion service needs one in any case.
    async fn through(&self, onion: bool) -> Result<Option<Through<'_>>, TorError> {
        Ok(match &self.proxy {
            Some(proxy) => Some(Through::Proxy(proxy)),
            None if self.tor.only || onion => Some(Through::Tor(self.tor.open().await?)),
            None => None,
        })
    }
}

impl Way {
    /// The way in a hint of an invite. `None` if nothing can be there.
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

    /// The way to an address.
    pub fn to(address: &Address) -> Self {
        let onion = address.onion().and_then(onion_key);
        match (onion, address.host.parse()) {
            (Some(key), _) => Self::Onion(key, address.port),
            (None, Ok(ip)) => Self::Direct(SocketAddr::new(ip, address.port)),
            (None, Err(_)) => Self::Name(address.clone()),
        }
    }

    /// The hint that names this way in an invite.
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

    /// The address that is connected to: the host's, the relay's or the onion service's.
    pub fn address(&self) -> String {
        match self {
            Self::Direct(at) => at.to_string(),
            Self::Name(address) | Self::Relay(address) => address.to_string(),
            Self::Onion(key, port) => format!("{}.onion:{port}", onion_id(key)),
        }
    }

    /// Whether the way leads to the partner's machine itself, possibly through a proxy, and not to a meeting point.
    pub fn is_direct(&self) -> bool {
        matches!(self, Self::Direct(_) | Self::Name(_))
    }

    /// Whether a connection to `place` may have been made by this way.
    pub fn is_to(&self, place: PeerAddr) -> bool {
        match self {
            Self::Direct(at) => place.via == Via::Direct && PeerAddr::from(*at) == place,
            Self::Name(_) => place.via == Via::Proxy,
            // The addresses of a relay given by name are not known here.
            Self::Relay(at) => {
                let ip = at.host.parse::<IpAddr>();
                place.via == Via::Relay && place.at.port() == at.port && ip.map_or(true, |ip| ip == place.at.ip())
            }
            Self::Onion(..) => place.via == Via::Tor,
        }
    }

    /// Order in which ways are tried, the smallest first.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Direct(at) if Scope::of(at.ip()) == Scope::Machine => 3,
            Self::Direct(_) => 0,
            Self::Name(_) => 1,
            Self::Relay(_) => 2,
            Self::Onion(..) => 4,
        }
    }

    /// Waits at a relay until the partner comes there, however long that takes. Calls `there` once the relay has let this
    /// side wait for so long.
    pub async fn wait(
        &self,
        egress: &Egress,
        steady: Duration,
        there: impl AsyncFnOnce(),
    ) -> Result<(TcpStream, PeerAddr), ConnectError> {
        let (Self::Relay(address), Some(token)) = (self, &egress.token) else {
            return Err(ConnectError::NeedsInvite);
        };
        let (mut stream, place) = reach_relay(address, egress).await?;
        // No byte is sent while nobody comes: only keepalive can tell that the relay is still there.
        let alive = TcpKeepalive::new().with_time(ALIVE).with_interval(ALIVE / 3).with_retries(3);
        SockRef::from(&stream).set_tcp_keepalive(&alive)?;
        relay::come(&mut stream, token).await?;
        // Behind a proxy not even keepalive can.
        let patience = if place.via == Via::Direct { Duration::MAX } else { UNSEEN };
        let met = {
            let mut waiting = pin!(timeout(patience, relay::partner(&mut stream)));
            tokio::select! {
                biased;
                met = &mut waiting => met,
                () = sleep(steady) => {
                    there().await;
                    waiting.await
                }
            }
        };
        met.map_err(|_| ConnectError::Timeout)??;
        Ok((stream, at_relay(place)))
    }

    /// Connects to the host.
    pub async fn connect(&self, egress: &Egress) -> Result<(TcpStream, PeerAddr), ConnectError> {
        match self {
            Self::Relay(address) => {
                let token = egress.token.as_ref().ok_or(ConnectError::NeedsInvite)?;
                let (mut stream, place) = reach_relay(address, egress).await?;
                let met = timeout(MEETING, relay::meet(&mut stream, token)).await;
                met.map_err(|_| ConnectError::AloneAtRelay)??;
                Ok((stream, at_relay(place)))
            }
            Self::Direct(at) => {
                let address = Address { host: at.ip().to_string(), port: at.port() };
                match egress.through(false).await? {
                    Some(through) => through.connect(&address).await,
                    None => Ok((dial::connect(*at).await?, (*at).into())),
                }
            }
            Self::Name(address) => reach(address, egress).await,
            Self::Onion(key, port) => {
                if egress.is_open() && !egress.tor.is_open() {
                    sleep(BEFORE_TOR).await;
                }
                let through = egress.through(true).await?;
                if let (Some(Through::Tor(opened)), Some(own)) = (&through, &egress.tor.key) {
                    let allowed = opened.tor.lock().await.allow(key, own.private().expose()).await;
                    allowed.inspect_err(|error| {
                        // Any error but a refusal means that the control connection is of no more use.
                        if !matches!(error, TorError::Rejected(_)) {
                            opened.mark_ended();
                        }
                    })?;
                }
                let address = Address { host: format!("{}.onion", onion_id(key)), port: *port };
                let connected = reach(&address, egress).await;
                if let (Err(_), Some(Through::Tor(opened))) = (&connected, &through) {
                    opened.tor.lock().await.look_again().await;
                    sleep(AGAIN).await;
                }
                connected
            }
        }
    }
}

/// Tries a relay: it must join two connections of this machine.
pub async fn try_relay(relay: &Address, egress: &Egress) -> Result<(), ConnectError> {
    // The time until tor has found the network does not count.
    let tor = matches!(egress.through(relay.onion().is_some()).await?, Some(Through::Tor(_)));
    let limit = if tor { MEETING * TOR } else { MEETING };
    let secret = OsRandom.secret().map_err(|_| SystemError::Cryptography)?;
    let side = |number| {
        let token = Token::new(&secret, [number; 8]);
        async move {
            let (mut stream, _) = reach_relay(relay, egress).await?;
            relay::meet(&mut stream, &token).await
        }
    };
    let both = async { tokio::try_join!(side(1), side(2)) };
    timeout(limit, both).await.map_err(|_| ConnectError::Timeout)?.map(drop)
}

fn at_relay(place: PeerAddr) -> PeerAddr {
    // Behind a proxy the address of the relay is not known.
    if place.via == Via::Direct { PeerAddr { via: Via::Relay, ..place } } else { place }
}

/// Connects to a relay.
async fn reach_relay(address: &Address, egress: &Egress) -> Result<(TcpStream, PeerAddr), ConnectError> {
    // Not the partner's machine: a refusal there says nothing about their program.
    reach(address, egress).await.map_err(|error| match error {
        ConnectError::Refused | ConnectError::Timeout | ConnectError::Closed => ConnectError::NoRelay,
        other => other,
    })
}

/// Connects to an address, through the proxy or Tor where everything goes that way.
async fn reach(address: &Address, egress: &Egress) -> Result<(TcpStream, PeerAddr), ConnectError> {
    if let Some(through) = egress.through(address.onion().is_some()).await? {
        return through.connect(address).await;
    }
    let (stream, at) = dial::reach(address).await?;
    Ok((stream, at.into()))
}
