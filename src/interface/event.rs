//! What happens in a room, for whoever shows it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use super::fault::PairingFault;
use super::files::{FileEvent, Progress};
use super::finding::Finding;
use super::refusal::Refusal;
use super::route::Route;
use super::serialize;
use crate::address::{OwnAddress, PeerAddr};
use crate::printable::Printable;
use crate::protocol::pairing::Half;
use crate::transport::error::{ConnectError, LanError, MappingError, TorError};

/// Something that happened in a room or on the way to one.
///
/// Its fields are those of docs/SCRIPTING.md.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are what the sentence is made of")]
pub enum Event {
    /// A socket listens.
    Listening { address: SocketAddr },
    /// What to tell the partner.
    Addresses {
        addresses: Vec<OwnAddress>,
        left_out: usize,
        port: u16,
        #[serde(skip)]
        how: Invitation,
    },
    /// A name is being looked up.
    LookingUp { host: Printable },
    /// An attempt to connect begins.
    Trying { address: Route },
    /// An attempt to connect failed.
    TryFailed { address: Route, why: ConnectError },
    /// The router is asked to pass a port on.
    Mapping,
    /// The router forwards a port to this machine.
    Mapped { address: SocketAddr },
    /// The router refused, or did not answer.
    MappingFailed(MappingError),
    /// The room is announced on the local network.
    Announced,
    /// The room cannot be announced, or looked for, on the local network.
    LanFailed { why: LanError },
    /// Percentage of the bootstrap into the Tor network; `None` while the onion service is being made.
    Tor { percent: Option<u8> },
    /// The invite goes without a way through Tor.
    TorFailed { why: TorError },
    /// The partner cannot come by this way for now.
    RouteDown { route: Route, why: ConnectError },
    /// The partner can come by this way again.
    RouteUp { route: Route },
    /// What to give the partner, and where it leads.
    Invite {
        #[serde(serialize_with = "serialize::secret")]
        invite: Arc<Zeroizing<String>>,
        routes: Vec<Route>,
        left_out: usize,
        #[serde(skip)]
        how: Invitation,
    },
    /// Connected; the handshake begins.
    Connected { address: PeerAddr },
    /// Somebody reached us and the handshake is done.
    Caller { address: PeerAddr },
    /// Somebody was told that the room is taken.
    BusySent { address: PeerAddr, times: u32 },
    /// So many others wait while this caller pairs, and one of them may be the partner. Told once for each pairing.
    CallersWaiting { callers: usize },
    /// Our half of the code, to read out.
    Code {
        #[serde(serialize_with = "serialize::text")]
        own: Half,
        can_skip: bool,
    },
    /// Both halves, to compare.
    Compare {
        #[serde(serialize_with = "serialize::text")]
        own: Half,
        #[serde(serialize_with = "serialize::text")]
        partner: Half,
        emoji: [u8; 7],
        can_skip: bool,
    },
    /// The entry is no half of a code.
    NotACode,
    /// The entry is our own half.
    OwnCode,
    /// The entry is another half.
    WrongCode { tries_left: u8 },
    /// The entry was for a code that is gone.
    StaleAnswer,
    /// Neither of the two words was typed.
    NeitherWord,
    /// The user has checked the code. `partner_confirmed`: the partner had, as their side says.
    Confirmed { partner_confirmed: bool },
    /// The room is open. `invited`: whoever is there has the invite, and nobody has checked the code.
    RoomOpen { invited: bool },
    /// A run failed, on the listening side.
    PairingFailed {
        address: PeerAddr,
        why: PairingFault,
        #[serde(rename = "pause_seconds", serialize_with = "serialize::seconds")]
        pause: Duration,
    },
    /// So many more of our messages were delivered to the partner; so many still wait.
    Delivered { messages: usize, waiting: usize },
    /// Both halves again.
    Codes {
        #[serde(skip_serializing_if = "Option::is_none")]
        question: Option<u64>,
        #[serde(serialize_with = "serialize::text")]
        own: Half,
        #[serde(serialize_with = "serialize::text")]
        partner: Half,
        trust: Trust,
        /// This side's user has checked the code of this connection. Each return to the room makes another.
        checked: bool,
    },
    /// The two have compared the code of a room that was entered by an invite.
    Verified,
    /// Who the partner is and how the connection is secured, asked for by `/who`.
    Who(Who),
    /// Something that the doctor has found.
    #[serde(skip)]
    Finding(Finding),
    /// Leaving, but texts are not shown yet.
    Finishing { waiting: usize },
    /// The partner left in order.
    PartnerLeft,
    /// The connection was lost, and with it the room ended.
    CutOff,
    /// Nothing was received for `seconds`.
    Quiet { seconds: u64 },
    /// The connection was lost. The room goes on.
    ConnectionLost {
        #[serde(flatten)]
        why: ConnectionFault,
        redialing: bool,
    },
    /// The connection was lost after this side had confirmed, and nothing proves that the partner is in the room. It may
    /// come back without another code; the host takes other callers meanwhile. `redialing`: this side is the joiner.
    PairingInterrupted {
        #[serde(flatten)]
        why: ConnectionFault,
        redialing: bool,
    },
    /// Nobody has come back to such a room for `seconds`.
    StillAway { seconds: u64, redialing: bool },
    /// The partner of such a room is back. The caller at `address`, whose code was not confirmed, was sent away.
    Displaced { address: PeerAddr },
    /// Finding the host again fails, for another reason than before.
    RedialFailed { attempt: u32, why: ConnectError },
    /// There is a connection again; `after` is the time without one.
    Reconnected {
        #[serde(rename = "after_seconds", serialize_with = "serialize::seconds")]
        after: Duration,
        waiting: usize,
    },
    /// A better way was found, and the room has moved to it.
    BetterRoute { address: PeerAddr },
    /// A text waits for a connection.
    Waiting { waiting: usize },
    /// Somebody who is not the partner tried to get into the open room.
    Intruder { address: PeerAddr, times: u32 },
    /// Fresh keys are on their way.
    Rekey,
    /// The time that was set for the room is over.
    TimeIsUp,
    /// A text or a command was refused.
    Refused(Refusal),
    /// Something that happened to files.
    #[serde(untagged)]
    File(FileEvent),
}

/// What the partner is told to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Invitation {
    /// Join a room.
    Join,
    /// Receive files.
    Receive,
    /// Send files.
    Send,
}

/// Why a connection was lost.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum ConnectionFault {
    /// The connection ended.
    Cut,
    /// Nothing came for so long.
    Silent {
        /// How long.
        #[serde(rename = "after_seconds", serialize_with = "serialize::seconds")]
        after: Duration,
    },
    /// An epoch change or a return took too long.
    Late,
    /// A record did not verify.
    Damaged {
        /// How often that happened in this room.
        times: u32,
    },
}

/// The state of the connection. Times are on [`clock::now`](crate::clock::now).
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ConnectionState {
    /// Signs of life come.
    Connected,
    /// Nothing was received since this time.
    #[serde(serialize_with = "serialize::since")]
    Quiet(Duration),
    /// This side connects again.
    Redialing {
        /// Attempts so far.
        #[serde(rename = "attempts")]
        number: u32,
        /// When the next attempt begins.
        #[serde(rename = "next_attempt", serialize_with = "serialize::time")]
        next: Duration,
        /// Why the last attempt failed.
        #[serde(rename = "last_failure")]
        failure: Option<ConnectError>,
    },
    /// This side waits, since this time, for the other to connect again.
    #[serde(serialize_with = "serialize::since")]
    Awaiting(Duration),
}

impl ConnectionState {
    /// Whether the connection works.
    pub fn is_well(&self) -> bool {
        matches!(self, Self::Connected)
    }
}

/// How it is known who the partner is.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// It is not known yet.
    #[serde(rename = "none")]
    No,
    /// Whoever it is has the invite.
    Invite,
    /// Both people checked the code before the room opened.
    Code,
    /// Whoever it is had the invite, and the code was compared afterwards.
    Voice,
}

/// The current state of the room, for a front end that shows it all the time.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(tag = "event", rename = "status")]
pub struct Status {
    /// Where the partner is.
    #[serde(rename = "address")]
    pub partner: PeerAddr,
    /// How it is known who the partner is.
    pub trust: Trust,
    /// The state of the connection.
    pub connection: ConnectionState,
    /// The last round-trip time of this connection.
    #[serde(rename = "round_trip_seconds", serialize_with = "serialize::seconds_if_known")]
    pub round_trip: Option<Duration>,
    /// Number of the epoch, while there is a connection.
    pub epoch: Option<u32>,
    /// Progress of what is sent and of what is received.
    #[serde(flatten, serialize_with = "directions")]
    pub files: [Option<Progress>; 2],
}

/// The answer to `/who`.
#[derive(Serialize)]
pub struct Who {
    /// How it is known who the partner is.
    pub trust: Trust,
    /// Where the partner is.
    #[serde(rename = "address")]
    pub partner: PeerAddr,
    /// The state of the connection.
    pub connection: ConnectionState,
    /// The Noise protocol's name.
    pub suite: &'static str,
    /// SHA-256 of this side's static key in base64.
    #[serde(rename = "own_key")]
    pub local: String,
    /// SHA-256 of the partner's static key in base64.
    #[serde(rename = "partner_key")]
    pub remote: String,
    /// When the room opened, on [`clock::now`](crate::clock::now).
    #[serde(rename = "since", serialize_with = "serialize::time")]
    pub opened: Duration,
    /// Number of the epoch, and when it began, while there is a connection.
    #[serde(flatten, serialize_with = "serialize::epoch")]
    pub epoch: Option<(u32, Duration)>,
    /// Texts that wait for their receipt.
    pub waiting: usize,
    /// The time on [`clock::now`](crate::clock::now).
    #[serde(skip)]
    pub now: Duration,
}

fn directions<S: Serializer>([sending, receiving]: &[Option<Progress>; 2], to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Directions {
        sending: Option<Progress>,
        receiving: Option<Progress>,
    }
    Directions { sending: *sending, receiving: *receiving }.serialize(to)
}
