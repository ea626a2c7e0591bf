//! Connects to the partner: all addresses of a host, as Happy Eyeballs does (RFC 8305).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::address::Address;

/// For a lookup, and for each attempt to connect.
pub const CONNECT: Duration = Duration::from_secs(10);
/// Head start of one attempt over the next (RFC 8305, section 5).
pub const HEAD_START: Duration = Duration::from_millis(250);
/// Addresses of one host that are tried.
pub const ADDRESSES: usize = 16;

/// What happens while connecting.
pub enum Progress {
    /// An attempt begins.
    Trying(SocketAddr),
    /// An attempt failed; others may go on.
    Failed(SocketAddr, io::Error),
}

/// All addresses of a host, within [`CONNECT`]. The name of an onion service is nobody's business but Tor's.
pub async fn lookup(address: &Address) -> io::Result<Vec<SocketAddr>> {
    if address.onion().is_some() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "only Tor leads to an onion service"));
    }
    let lookup = tokio::net::lookup_host((address.host.as_str(), address.port));
    let found = timeout(CONNECT, lookup).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    Ok(interleave(found.collect()))
}

/// Tries all of them and returns the first connection. Each has [`CONNECT`] to answer.
///
/// `None` if there is none; how each failed was told as [`Progress`].
pub async fn dial(addresses: Vec<SocketAddr>, mut progress: impl FnMut(Progress)) -> Option<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut attempts = JoinSet::new();
    loop {
        let begun = waiting.next();
        if let Some(to) = begun {
            progress(Progress::Trying(to));
            attempts.spawn(async move { (to, connect(to).await) });
        }
        if attempts.is_empty() {
            return None;
        }
        tokio::select! {
            Some(done) = attempts.join_next() => match done {
                Ok((_, Ok(stream))) => return Some(stream),
                Ok((to, Err(error))) => progress(Progress::Failed(to, error)),
                Err(_) => {}
            },
            () = sleep(HEAD_START), if begun.is_some() => {}
        }
    }
}

/// Whether this machine still has an address. When it cannot be told, it has.
pub fn is_own(address: IpAddr) -> bool {
    let own = if_addrs::get_if_addrs().unwrap_or_default();
    own.is_empty() || own.iter().any(|interface| interface.ip() == address.to_canonical())
}

/// Connects to the first address of a host that answers.
pub async fn reach(address: &Address) -> io::Result<(TcpStream, SocketAddr)> {
    let found = lookup(address).await.map_err(|error| io::Error::new(io::ErrorKind::NotFound, error))?;
    let mut last = io::ErrorKind::NotFound.into();
    let note = |progress| {
        if let Progress::Failed(_, error) = progress {
            last = error;
        }
    };
    let stream = dial(found, note).await.ok_or(last)?;
    let at = stream.peer_addr()?;
    Ok((stream, at))
}

/// Connects to one address, within [`CONNECT`].
pub async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let stream =
        timeout(CONNECT, TcpStream::connect(to)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    // On Linux a connection to a free local port can end up connected to itself.
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

/// IPv6 and IPv4 in turn, IPv6 first (RFC 8305, section 4), each address once.
fn interleave(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let (v6, v4): (Vec<_>, Vec<_>) = found.into_iter().partition(SocketAddr::is_ipv6);
    let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
    let mut out = Vec::new();
    loop {
        let pair = [v6.next(), v4.next()];
        if pair == [None, None] || out.len() >= ADDRESSES {
            return out;
        }
        for address in pair.into_iter().flatten() {
            if !out.contains(&address) {
                out.push(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_no_address_is_tried_twice() {
        let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
        let found = ["1.1.1.1:1", "1.1.1.1:1", "[::1]:1", "[::2]:1", "2.2.2.2:1"].map(parse);
        let order = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1"].map(parse);
        assert_eq!(interleave(found.to_vec()), order);
    }
}
