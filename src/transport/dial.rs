//! Connections to all addresses of a host at once, as in Happy Eyeballs (RFC 8305).

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::error::ConnectError;
use super::nat64::Prefix;
use crate::address::Address;
use crate::thread;

/// Limit for a lookup, and for each attempt to connect.
pub const CONNECT: Duration = Duration::from_secs(10);
/// Head start of one attempt over the next (RFC 8305, section 5).
pub const HEAD_START: Duration = Duration::from_millis(250);
/// Most addresses of one host that are tried.
pub const ADDRESSES: usize = 16;

/// Progress while connecting.
pub enum Progress {
    /// An attempt has begun.
    Trying(SocketAddr),
    /// An attempt failed; others may still run.
    Failed(SocketAddr, ConnectError),
}

/// All addresses of a host, IPv6 and IPv4 in turn.
///
/// # Errors
/// [`ConnectError::Lookup`] if there is none, if no name server answers within [`CONNECT`], and for an onion address: a
/// name server must not learn it. [`ConnectError::System`] if the system has no room for the thread that asks.
pub async fn lookup(address: &Address) -> Result<Vec<SocketAddr>, ConnectError> {
    if address.onion().is_some() {
        return Err(ConnectError::Lookup);
    }
    let found = match address.host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, address.port)],
        Err(_) => timeout(CONNECT, ask(address)?).await.ok().and_then(Result::ok).unwrap_or_default(),
    };
    Some(interleave(found)).filter(|found| !found.is_empty()).ok_or(ConnectError::Lookup)
}

/// Has a thread look up a name, as the system can only be waited for. The thread ends when the system answers.
fn ask(address: &Address) -> io::Result<oneshot::Receiver<Vec<SocketAddr>>> {
    let (tell, found) = oneshot::channel();
    let (host, port) = (address.host.clone(), address.port);
    thread::start(move || {
        let asked = (host.as_str(), port).to_socket_addrs();
        let _ = tell.send(asked.map(Iterator::collect).unwrap_or_default());
    })?;
    Ok(found)
}

/// Tries all addresses, each with a [`HEAD_START`] over the next, and returns the first connection.
///
/// `None` if every attempt failed; the reasons went to `progress`.
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

/// Whether this machine has an address; `true` if its addresses cannot be listed.
pub fn is_own(address: IpAddr) -> bool {
    let own = if_addrs::get_if_addrs().unwrap_or_default();
    own.is_empty() || own.iter().any(|interface| interface.ip() == address.to_canonical())
}

/// Connects to the first address of a host that answers.
pub async fn reach(address: &Address) -> Result<(TcpStream, SocketAddr), ConnectError> {
    let found = lookup(address).await?;
    let mut last = ConnectError::Timeout;
    let note = |progress| {
        if let Progress::Failed(_, error) = progress {
            last = error;
        }
    };
    let stream = dial(found, note).await.ok_or(last)?;
    let at = stream.peer_addr()?;
    Ok((stream, at))
}

/// Connects to one address, within [`CONNECT`]. Where nothing leads to IPv4, the network's translator is tried, if it has
/// one.
pub async fn connect(to: SocketAddr) -> Result<TcpStream, ConnectError> {
    match connect_there(to).await {
        Err(ConnectError::NoRoute) if to.is_ipv4() => {
            let translated = Prefix::discover().await.and_then(|prefix| prefix.translate(to));
            connect_there(translated.ok_or(ConnectError::NoRoute)?).await
        }
        result => result,
    }
}

async fn connect_there(to: SocketAddr) -> Result<TcpStream, ConnectError> {
    let stream = timeout(CONNECT, TcpStream::connect(to)).await.map_err(|_| ConnectError::Timeout)??;
    // On Linux a connection to a free local port may be connected to itself (TCP simultaneous open).
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(ConnectError::Refused);
    }
    Ok(stream)
}

/// Orders addresses: IPv6 and IPv4 in turn, IPv6 first (RFC 8305, section 4), each address once.
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
    use rustix::process::{Resource, Rlimit, setrlimit};

    use super::*;
    use crate::system::SystemError;

    /// Runs only this test in a process of its own, whose memory can be bounded.
    #[test]
    fn a_name_that_needs_a_thread_too_many_is_not_looked_up_and_says_why() {
        const ALONE: &str = "TETE_ALONE";
        if std::env::var_os(ALONE).is_none() {
            let name = "transport::dial::tests::a_name_that_needs_a_thread_too_many_is_not_looked_up_and_says_why";
            let mut test = std::process::Command::new(std::env::current_exe().unwrap());
            test.args(["--exact", name, "--test-threads", "1"]).env(ALONE, "");
            // glibc would start a thread on the stack of one that has ended without asking the system.
            test.env("GLIBC_TUNABLES", "glibc.pthread.stack_cache_size=0");
            let ran = test.output().unwrap();
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let looks_up = || runtime.block_on(lookup(&Address { host: "localhost".into(), port: 7 }));
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap().trim().trim_end_matches(" kB");
        // Enough for anything but the stack of a thread.
        let most = (size.parse::<u64>().unwrap() + 1_024) << 10;
        setrlimit(Resource::As, Rlimit { current: Some(most), maximum: None }).unwrap();
        assert_eq!(looks_up(), Err(ConnectError::System(SystemError::TooManyThreads)));
        setrlimit(Resource::As, Rlimit { current: None, maximum: None }).unwrap();
        assert!(looks_up().is_ok());
    }

    #[test]
    fn families_take_turns_and_no_address_is_tried_twice() {
        let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
        let found = ["1.1.1.1:1", "1.1.1.1:1", "[::1]:1", "[::2]:1", "2.2.2.2:1"].map(parse);
        let order = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1"].map(parse);
        assert_eq!(interleave(found.to_vec()), order);
    }
}
