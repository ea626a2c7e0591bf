//! A wire between two programs that can be cut, and that notes what goes by.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use tete::protocol::record::SMALL;

use crate::process::{PATIENCE, Watched, now};
use crate::wire::{BURST, Wire};

/// What TCP waits at least before it sends again what was lost.
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// Something that came by: when, from which connection, whether from the joiner, and what.
#[derive(Clone)]
pub struct Seen {
    /// When it came.
    pub at: Duration,
    /// Number of the connection.
    pub connection: usize,
    /// From the joiner to the host.
    pub from_joiner: bool,
    /// The bytes.
    pub bytes: Vec<u8>,
}

#[derive(Default)]
struct State {
    cut: bool,
    /// What a connection's host says beyond so many bytes waits.
    held: Option<usize>,
    /// Bytes of the joiners that were passed on.
    passed: usize,
    /// No more of them are.
    stop: Option<usize>,
    came: usize,
    streams: Vec<TcpStream>,
    seen: Vec<Seen>,
}

/// Passes on what comes to its port.
pub struct Relay {
    /// Where to connect instead of the host.
    pub port: u16,
    state: Watched<State>,
}

impl Relay {
    /// A wire to that port of this machine.
    pub fn new(to: u16) -> Self {
        Self::over(to, Wire::Whole)
    }

    /// The same, in pieces of its own.
    pub fn over(to: u16, wire: Wire) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Watched::new(State::default());
        let shared = state.clone();
        std::thread::spawn(move || {
            for joiner in listener.incoming().map_while(Result::ok) {
                let cut = shared.with(|state| state.cut);
                let host = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], to)));
                let (false, Ok(host)) = (cut, host) else { continue };
                let number = shared.with(|state| {
                    state.came += 1;
                    state.streams.extend([joiner.try_clone().unwrap(), host.try_clone().unwrap()]);
                    state.came - 1
                });
                for from_joiner in [true, false] {
                    let (from, to) = if from_joiner { (&joiner, &host) } else { (&host, &joiner) };
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let shared = shared.clone();
                    std::thread::spawn(move || pass(from, to, wire, number, from_joiner, &shared));
                }
            }
        });
        Self { port, state }
    }

    /// Ends every connection, and takes no other until [`mend`](Self::mend).
    pub fn cut(&self) {
        self.state.with(|state| {
            state.cut = true;
            for stream in state.streams.drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
    }

    /// Passes on no more than so many bytes from the host of each connection, until [`release`](Self::release).
    pub fn hold(&self, bytes: usize) {
        self.state.with(|state| state.held = Some(bytes));
    }

    /// Passes on no more than so many further bytes from the joiner, for good.
    pub fn stop_after(&self, bytes: usize) {
        self.state.with(|state| state.stop = Some(state.passed + bytes));
    }

    /// Waits until those have passed.
    #[track_caller]
    pub fn wait_stopped(&self) {
        let stopped = |state: &mut State| state.stop.is_some_and(|stop| state.passed >= stop).then_some(());
        assert!(self.state.wait(PATIENCE, stopped).is_some());
    }

    /// Passes everything on.
    pub fn release(&self) {
        self.state.with(|state| state.held = None);
    }

    /// Takes connections again.
    pub fn mend(&self) {
        self.state.with(|state| state.cut = false);
    }

    /// Connections that were passed on.
    pub fn connections(&self) -> usize {
        self.state.with(|state| state.came)
    }

    /// Waits until so many were passed on.
    #[track_caller]
    pub fn wait_connections(&self, count: usize) {
        assert!(self.state.wait(PATIENCE, |state| (state.came >= count).then_some(())).is_some());
    }

    /// All that has come by.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.with(|state| state.seen.clone())
    }
}

fn pass(
    mut from: TcpStream,
    mut to: TcpStream,
    wire: Wire,
    connection: usize,
    from_joiner: bool,
    state: &Watched<State>,
) {
    let _ = to.set_nodelay(true);
    let mut buffer = [0; 65_536];
    let (mut came, mut passed) = (0, 0);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let at = now();
        let mut bytes = buffer[..count].to_vec();
        match wire {
            Wire::Whole | Wire::Bytewise => {}
            Wire::Joined => take_in(&mut from, &mut bytes, Duration::ZERO),
            Wire::LosesOne(lost) if (came..came + count).contains(&(lost * SMALL)) => {
                let before: Vec<u8> = bytes.drain(..lost * SMALL - came).collect();
                let _ = to.write_all(&before);
                take_in(&mut from, &mut bytes, RETRANSMISSION);
                passed += before.len();
            }
            Wire::LosesOne(_) => {}
            Wire::Bursts => take_in(&mut from, &mut bytes, BURST),
        }
        came += count;
        let count = bytes.len();
        state.with(|state| state.seen.push(Seen { at, connection, from_joiner, bytes: bytes.clone() }));
        let waits = |state: &State| !from_joiner && state.held.is_some_and(|held| passed >= held);
        state.wait(PATIENCE, |state| (!waits(state)).then_some(()));
        passed += count;
        let stop = state.with(|state| state.stop.filter(|_| from_joiner).map(|stop| stop - state.passed));
        let count = count.min(stop.unwrap_or(count));
        let piece = if wire == Wire::Bytewise { 1 } else { count.max(1) };
        if bytes[..count].chunks(piece).any(|piece| to.write_all(piece).is_err()) {
            break;
        }
        if from_joiner {
            state.with(|state| state.passed += count);
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Takes in all that comes in so long, or is there already.
fn take_in(from: &mut TcpStream, bytes: &mut Vec<u8>, time: Duration) {
    let limit = now() + time;
    let mut buffer = [0; 65_536];
    loop {
        let left = limit.saturating_sub(now()).max(Duration::from_millis(1));
        let _ = from.set_read_timeout(Some(left));
        match from.read(&mut buffer) {
            Ok(count @ 1..) => bytes.extend_from_slice(&buffer[..count]),
            _ => break,
        }
        if now() >= limit && time > Duration::ZERO {
            break;
        }
    }
    let _ = from.set_read_timeout(None);
}
