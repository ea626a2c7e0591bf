//! The signals that ask a program to end, or would end it.

use std::io;
use std::task::Poll;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

/// Every signal that ends a program unless it is caught, and can be caught; but those of a fault of the program itself,
/// after which nothing it does is reliable.
const ENDS: [Signal; 14] = [
    Signal::INT,
    Signal::TERM,
    Signal::HUP,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::VTALARM,
    Signal::PROF,
    Signal::XCPU,
    Signal::XFSZ,
    Signal::IO,
    Signal::POWER,
    Signal::STKFLT,
];

/// The signals that end the program in order.
pub struct Signals(Vec<tokio::signal::unix::Signal>);

impl Signals {
    /// Takes the signals over from the system.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn new() -> io::Result<Self> {
        ENDS.iter().map(|ends| signal(SignalKind::from_raw(ends.as_raw()))).collect::<io::Result<_>>().map(Self)
    }

    /// Waits for any of them.
    pub async fn recv(&mut self) {
        std::future::poll_fn(|context| {
            let came = self.0.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
            if came { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
