//! One connection and its session: moves bytes, keeps time.

use std::net::IpAddr;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::address::{PeerAddr, Via};
use crate::clock::{self, Timer};
use crate::protocol::error::Error;
use crate::protocol::session::{Session, Stage};
use crate::system::SystemError;
use crate::transport::error::ConnectError;

/// Maximum number of bytes read at once.
const READ: usize = 128 * 1024;
/// Number of sealed bytes that may wait for the socket.
const OUT: usize = 16 * 1024;
/// Number of unsent bytes in the kernel beyond which the socket is not writable: the initial and smallest limit.
const UNSENT: u32 = 4 * 1024;
/// Upper bound of the unsent limit.
const MOST_UNSENT: u32 = 512 * 1024;
/// Unsent limit as a time at the current rate: a message may wait so long behind a file.
const UNSENT_TIME: f64 = 0.000_1;
/// Time over which the rate is measured.
const MEASURE: Duration = Duration::from_millis(50);

/// The reason why bytes stopped moving.
pub enum Ended {
    /// The session refused what was received, or a time limit was reached.
    Error(Error),
    /// The connection broke, or nothing could be sent for too long.
    Cut,
}

/// A session and its connection, while it has one.
pub struct Connection {
    /// The session.
    pub session: Session,
    /// The other end.
    pub from: PeerAddr,
    stream: Option<TcpStream>,
    timer: Timer,
    /// Whether a byte came from the other end.
    heard: bool,
    incoming: Box<[u8]>,
    outgoing: Vec<u8>,
    pace: Pace,
    written: usize,
    /// Whether the timer of a tick has fired, with cover traffic. An event just before it must not hurry a record.
    tick: bool,
    moved_at: Duration,
}

impl Connection {
    /// Takes over a fresh connection.
    pub fn new(stream: TcpStream, from: PeerAddr, session: Session) -> Self {
        // Otherwise the kernel holds small records back until larger ones are acknowledged.
        let _ = stream.set_nodelay(true);
        // Urgent records cannot overtake bytes that the kernel has not sent yet.
        let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT);
        Self {
            session,
            from,
            stream: Some(stream),
            timer: Timer::new(),
            heard: false,
            incoming: vec![0; READ].into_boxed_slice(),
            outgoing: Vec::with_capacity(OUT),
            pace: Pace { unsent: UNSENT, since: clock::now(), sent: 0 },
            written: 0,
            tick: false,
            moved_at: clock::now(),
        }
    }

    /// This end's address, while there is a connection.
    pub fn local(&self) -> Option<IpAddr> {
        Some(self.stream.as_ref()?.local_addr().ok()?.ip())
    }

    /// Moves the room to a connection by which the partner has returned. `false` if that is not for this room.
    pub fn replace(&mut self, mut by: Self) -> bool {
        let taken = by.session.take_over(&mut self.session, clock::now());
        if taken {
            *self = by;
        }
        taken
    }

    /// The reason why the host did not prove itself on this connection, by what came before it ended.
    pub fn handshake_error(&self, ended: &Ended) -> ConnectError {
        match ended {
            Ended::Cut | Ended::Error(Error::Timeout(_)) if self.heard => ConnectError::Unfinished,
            Ended::Cut => ConnectError::Closed,
            Ended::Error(Error::Timeout(_)) => ConnectError::Silent,
            Ended::Error(Error::Rejected(_)) => ConnectError::Rejected,
            Ended::Error(Error::Handshake | Error::OtherPartner | Error::Reflection | Error::Forged) => {
                ConnectError::NotAuthentic
            }
            Ended::Error(Error::Primitive) => ConnectError::System(SystemError::Cryptography),
            Ended::Error(_) => ConnectError::NotTete,
        }
    }

    /// Closes the connection. A room in which the partner may be waits for the next one.
    pub fn cut(&mut self) {
        self.stream = None;
        self.outgoing.clear();
        self.written = 0;
        self.session.lost(clock::now());
    }

    /// Moves bytes, and returns when some have moved or a time limit was reached.
    ///
    /// Safe to cancel: nothing is taken from the socket or the session that is not kept here.
    pub async fn move_bytes(&mut self, read: bool) -> Result<(), Ended> {
        self.seal()?;
        let write = !self.is_flushed() || self.session.has_data();
        let interest = match (read, write) {
            (true, false) => Some(Interest::READABLE),
            (true, true) => Some(Interest::READABLE | Interest::WRITABLE),
            (false, true) => Some(Interest::WRITABLE),
            (false, false) => None,
        };
        let movable = self.stream.as_ref().zip(interest);
        let stalled = (!self.is_flushed()).then(|| self.moved_at + self.session.settings().silence());
        // Nothing can be sealed before the socket takes what was sealed already.
        let due = if self.outgoing.len() < OUT { self.session.deadline() } else { self.session.limit() };
        let wake = [due, stalled].into_iter().flatten().min();
        let ready = async {
            match movable {
                Some((stream, interest)) => stream.ready(interest).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ready = ready => {
                let ready = ready.map_err(|_| Ended::Cut)?;
                if ready.is_writable() {
                    if self.is_flushed() && self.is_drained() {
                        self.seal_data()?;
                    }
                    self.write()?;
                }
                if ready.is_readable() && read {
                    self.read()?;
                }
            }
            () = self.timer.until(wake.unwrap_or_default()), if wake.is_some() => self.tick = true,
        }
        let now = clock::now();
        if !self.is_flushed() && now >= self.moved_at + self.session.settings().silence() {
            return Err(Ended::Cut);
        }
        self.session.tick(now).map_err(Ended::Error)
    }

    /// Writes everything that the session has to send, up to its last record.
    pub async fn flush(&mut self) -> Result<(), Ended> {
        loop {
            self.seal()?;
            if self.is_flushed() {
                let due = match self.session.stage() {
                    Stage::Closed | Stage::Leaving => return Ok(()),
                    Stage::Away => None,
                    // With cover traffic nothing is sent before the next tick.
                    _ => self.session.deadline(),
                };
                self.timer.until(due.ok_or(Ended::Cut)?).await;
                self.tick = true;
                continue;
            }
            let Some(stream) = &self.stream else { return Err(Ended::Cut) };
            stream.writable().await.map_err(|_| Ended::Cut)?;
            self.write()?;
        }
    }

    /// Closes the sending direction, and reads until the other end has closed, too: its receipts may still be under way.
    ///
    /// A socket closed with bytes unread resets the connection, and the other
    /// end could lose the BYE that it has not read yet.
    pub async fn close(&mut self) {
        let Some(stream) = &self.stream else { return };
        // A relay or proxy may close both directions on FIN and drop buffered data.
        let whole = self.from.via == Via::Direct;
        if whole && socket2::SockRef::from(stream).shutdown(std::net::Shutdown::Write).is_err() {
            return;
        }
        while let Some(stream) = &self.stream
            && stream.readable().await.is_ok()
            && self.read().is_ok()
        {}
    }

    /// Whether all that was sealed has gone to the socket.
    pub fn is_flushed(&self) -> bool {
        self.outgoing.is_empty()
    }

    fn seal(&mut self) -> Result<(), Ended> {
        if !std::mem::take(&mut self.tick) && self.session.is_paced() {
            return Ok(());
        }
        while self.outgoing.len() < OUT {
            let now = clock::now();
            match self.session.transmit(now).map_err(Ended::Error)? {
                Some(record) => {
                    if self.outgoing.is_empty() {
                        self.moved_at = now;
                    }
                    self.outgoing.extend_from_slice(record.as_slice());
                }
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Whether the kernel has little left to send.
    ///
    /// The kernel takes bytes beyond its limit as long as they fit into the packet it has begun, and says so only
    /// when it is asked.
    fn is_drained(&self) -> bool {
        let Some(stream) = &self.stream else { return false };
        let asked = stream.try_io(Interest::WRITABLE, || {
            let mut asked = [PollFd::new(stream, PollFlags::OUT)];
            poll(&mut asked, Some(&Timespec::default()))?;
            if asked[0].revents().is_empty() { Err(std::io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        asked.is_ok()
    }

    /// Seals file data. Only for a socket that takes bytes, as urgent records cannot overtake sealed ones.
    fn seal_data(&mut self) -> Result<(), Ended> {
        self.moved_at = clock::now();
        while self.outgoing.len() < self.pace.unsent as usize
            && self.session.transmit_data(&mut self.outgoing, self.moved_at).map_err(Ended::Error)?
        {}
        Ok(())
    }

    fn write(&mut self) -> Result<(), Ended> {
        let Some(rest) = self.outgoing.get(self.written..).filter(|rest| !rest.is_empty()) else { return Ok(()) };
        let Some(stream) = &self.stream else { return Err(Ended::Cut) };
        match stream.try_write(rest) {
            Ok(count) => {
                self.moved_at = clock::now();
                if let Some(unsent) = self.pace.sent(count, self.moved_at) {
                    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(unsent);
                }
                self.written += count;
                if self.written >= self.outgoing.len() {
                    self.outgoing.clear();
                    self.written = 0;
                }
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            Err(_) => Err(Ended::Cut),
        }
    }

    fn read(&mut self) -> Result<(), Ended> {
        let Some(stream) = &self.stream else { return Err(Ended::Cut) };
        let count = match stream.try_read(&mut self.incoming) {
            Ok(0) => return Err(Ended::Cut),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
            Err(_) => return Err(Ended::Cut),
        };
        let Self { session, incoming, heard, .. } = self;
        *heard = true;
        take(session, incoming.get(..count).unwrap_or_default(), clock::now())
    }
}

/// The unsent limit of the kernel: low, so that a message does not wait; high enough, so that a fast connection does
/// not run dry.
struct Pace {
    unsent: u32,
    since: Duration,
    sent: usize,
}

impl Pace {
    /// Notes that `count` bytes were sent. Returns a new limit if the rate asks for one.
    fn sent(&mut self, count: usize, now: Duration) -> Option<u32> {
        self.sent += count;
        let elapsed = now.saturating_sub(self.since);
        if elapsed < MEASURE {
            return None;
        }
        let rate = self.sent as f64 / elapsed.as_secs_f64();
        (self.since, self.sent) = (now, 0);
        let unsent = ((rate * UNSENT_TIME) as u32).clamp(UNSENT, MOST_UNSENT);
        let other = unsent.abs_diff(self.unsent) > self.unsent / 4;
        if !other {
            return None;
        }
        self.unsent = unsent;
        Some(unsent)
    }
}

fn take(session: &mut Session, mut bytes: &[u8], now: Duration) -> Result<(), Ended> {
    while !bytes.is_empty() {
        session.receive(&mut bytes, now).map_err(Ended::Error)?;
    }
    Ok(())
}
