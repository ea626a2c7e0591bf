//! Which end of the room this side is, and what happens there while the two talk.

use super::connection::Connection;
use super::host::Host;
use super::join::Joiner;
use crate::interface::event::Event;
use crate::transport::error::ConnectError;

/// Which end of the room this side is.
pub enum Side {
    /// It waits, and keeps the door.
    Host(Box<Host>),
    /// It has come, and finds the host again after a break.
    Joiner(Box<Joiner>),
}

/// What happens at the door, or on the way back to it.
pub enum SideEvent {
    /// The partner who may be in a room has come back by this connection.
    Returned(Box<Connection>),
    /// Finding the host again failed, for another reason than before.
    RedialFailed {
        /// Attempts so far.
        number: u32,
        /// Why the latest has failed.
        failure: ConnectError,
    },
    /// The host's program has ended, by all that can be seen from here.
    HostGone,
    /// Something that the user is told.
    Told(Event),
    /// Nothing that matters to the room.
    Nothing,
}

impl Side {
    /// Waits for what happens next. Safe to cancel.
    pub async fn next(&mut self) -> SideEvent {
        match self {
            Self::Host(host) => host.next().await,
            Self::Joiner(joiner) => joiner.next().await,
        }
    }
}
