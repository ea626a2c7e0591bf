//! Listening sockets and the first stage of admission: a caller has five seconds to send one whole record, and costs a
//! buffer and a descriptor.
//!
//! When the pool is full the oldest caller goes. Refusing the newest instead would let silent strangers lock the partner
//! out.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::error::{ConnectError, TorError};
use super::tor::{ONION_PORT, Opened, Service};
use super::way::{Egress, TOR, Way};
use crate::address::{Address, PeerAddr, Via};
use crate::protocol::record::{HEADER, Record, SMALL, SMALL_BODY};
use crate::system::SystemError;

/// Most connections that have not sent a whole record yet.
pub const POOL: usize = 256;
/// Limit from the accept to the last byte of record 1.
pub const RECORD_1: Duration = Duration::from_secs(5);
/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;
/// Pause before this side waits again at a relay where somebody came.
const AGAIN: Duration = Duration::from_millis(250);
/// Pause before the next try after a relay or tor failed.
const LATER: Duration = Duration::from_secs(2);
/// How long a relay must let the host wait to count as back after it first closed. Each further time doubles it, so that
/// a relay that comes and goes is told of ever less often.
const STEADY: Duration = Duration::from_secs(5);
/// The longest such time.
const STEADIEST: Duration = Duration::from_secs(3_600);
/// Pause when the system has no descriptor or memory for one more connection.
const SHORTAGE: Duration = Duration::from_millis(100);
/// Most ports that are tried until one is free for both address families.
const PORT_TRIES: usize = 16;

/// A connection that sent a record of the right length.
pub struct Caller {
    /// The connection.
    pub stream: TcpStream,
    /// The other end.
    pub from: PeerAddr,
    /// Record 1. Only its length is checked.
    pub record: Record,
}

/// An event at a place where the partner may come in.
pub enum Arrival {
    /// A caller.
    Caller(Caller),
    /// A way went down (`Some(error)`) or came back (`None`).
    Door(Way, Option<ConnectError>),
}

/// Listens on one address, or with one socket per address family. Port 0 picks a free port, the same for all sockets.
pub fn bind(address: Option<IpAddr>, port: u16) -> Result<Vec<TcpListener>, SystemError> {
    let families = match address {
        Some(address) => vec![address],
        None => vec![Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()],
    };
    let mut last = None;
    for _ in 0..PORT_TRIES {
        match bind_all(&families, port) {
            Err(error) if port == 0 && error.kind() == io::ErrorKind::AddrInUse => last = Some(error),
            result => return result.map_err(SystemError::from),
        }
    }
    Err(last.map_or(SystemError::AddressInUse, SystemError::from))
}

fn bind_all(families: &[IpAddr], port: u16) -> io::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut missing = None;
    for address in families {
        let port = listeners.first().map_or(Ok(port), |first| first.local_addr().map(|local| local.port()))?;
        match bind_one(SocketAddr::new(*address, port)) {
            Ok(listener) => listeners.push(listener),
            // A machine may lack one of the two families.
            Err(error) if families.len() > 1 && is_missing_family(&error) => missing = Some(error),
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Earlier connections in TIME_WAIT must not keep the port.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn is_missing_family(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

/// Accepts connections for ever and passes on those that send a whole record. `by` says what leads to the sockets.
pub async fn accept(listeners: Vec<TcpListener>, via: Via, arrivals: mpsc::Sender<Arrival>) {
    let mut tasks = JoinSet::new();
    let mut pool: VecDeque<AbortHandle> = VecDeque::with_capacity(POOL);
    loop {
        let accepted = tokio::select! {
            accepted = accept_any(&listeners) => accepted,
            Some(_) = tasks.join_next() => {
                pool.retain(|entry| !entry.is_finished());
                continue;
            }
        };
        match accepted {
            Ok((stream, from)) => {
                if pool.len() >= POOL {
                    evict(&mut pool);
                }
                let from = PeerAddr { via, ..from.into() };
                pool.push_back(tasks.spawn(receive(stream, from, arrivals.clone())));
            }
            Err(error) if is_shortage(&error) => {
                evict(&mut pool);
                sleep(SHORTAGE).await;
            }
            // The connection ended before it was accepted.
            Err(_) => {}
        }
    }
}

/// Waits at a relay for ever and passes on connections that send a whole record.
pub async fn wait_at_relay(relay: Address, egress: Arc<Egress>, arrivals: mpsc::Sender<Arrival>) {
    let mut tasks = JoinSet::new();
    let way = Way::Relay(relay);
    let mut steady = Duration::ZERO;
    loop {
        let mut told = false;
        let there = async || {
            told = true;
            let _ = arrivals.send(Arrival::Door(way.clone(), None)).await;
        };
        match way.wait(&egress, steady, there).await {
            Ok((stream, from)) => {
                tasks.spawn(receive(stream, from, arrivals.clone()));
                sleep(AGAIN).await;
            }
            Err(error) => {
                let _ = arrivals.send(Arrival::Door(way.clone(), Some(error))).await;
                if told {
                    steady = (steady * 2).clamp(STEADY, STEADIEST);
                }
                sleep(LATER).await;
            }
        }
        while tasks.try_join_next().is_some() {}
    }
}

/// Keeps an onion service published: when its tor ends, the service is published again by another.
pub async fn keep_onion(
    mut service: Service,
    mut opened: Arc<Opened>,
    egress: Arc<Egress>,
    arrivals: mpsc::Sender<Arrival>,
) {
    let way = Way::Onion(service.key, ONION_PORT);
    loop {
        opened.tor.lock().await.ended().await;
        opened.mark_ended();
        let mut error = TorError::Ended;
        opened = loop {
            let _ = arrivals.send(Arrival::Door(way.clone(), Some(error.into()))).await;
            sleep(LATER).await;
            let again = async {
                let opened = egress.tor.open().await?;
                opened.tor.lock().await.publish_again(&mut service, |_| {}).await.map(|()| opened.clone())
            };
            match again.await {
                Ok(opened) => break opened,
                Err(other) => error = other,
            }
        };
        let _ = arrivals.send(Arrival::Door(way.clone(), None)).await;
    }
}

/// Passes on a connection that sends a whole record in time.
async fn receive(mut stream: TcpStream, from: PeerAddr, arrivals: mpsc::Sender<Arrival>) {
    let limit = if from.via == Via::Tor { RECORD_1 * TOR } else { RECORD_1 };
    if let Ok(Some(record)) = timeout(limit, first_record(&mut stream)).await {
        let _ = arrivals.send(Arrival::Caller(Caller { stream, from, record })).await;
    }
}

fn evict(pool: &mut VecDeque<AbortHandle>) {
    if let Some(oldest) = pool.pop_front() {
        oldest.abort();
    }
}

async fn accept_any(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    std::future::poll_fn(|context| {
        for listener in listeners {
            if let std::task::Poll::Ready(accepted) = listener.poll_accept(context) {
                return std::task::Poll::Ready(accepted);
            }
        }
        std::task::Poll::Pending
    })
    .await
}

/// Whether the system has no descriptor or memory left for another connection.
fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Reads record 1. `None` if the connection ends or the first two bytes announce another length.
async fn first_record(stream: &mut TcpStream) -> Option<Record> {
    let mut record: Record = Box::new([0; SMALL]);
    let (header, body) = record.split_at_mut(HEADER);
    stream.read_exact(header).await.ok()?;
    if header != (SMALL_BODY as u16).to_be_bytes() {
        return None;
    }
    stream.read_exact(body).await.ok()?;
    Some(record)
}
