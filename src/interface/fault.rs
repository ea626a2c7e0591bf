//! Why a room, or the program, ends.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Serialize;

use super::files::FileFault;
use crate::address::{AddressError, PeerAddr, ProxyError};
use crate::printable::Printable;
use crate::protocol::invite::InviteError;
use crate::system::SystemError;
use crate::transport::error::{ConnectError, TorError};

/// Records per second that a quiet line can be asked to send. At the lowest rate a record still comes in time as a sign
/// of life.
pub const RATES: RangeInclusive<f64> = 0.25..=50.0;

/// Why a pairing failed.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum PairingFault {
    /// Our user typed three wrong halves.
    WrongHalf,
    /// Our user saw different codes on the two screens.
    Different,
    /// Our user asked for the next caller.
    Skipped,
    /// Our user left.
    Left,
    /// No half came before the end of the input.
    NoHalf,
    /// The partner left.
    PartnerLeft,
    /// The partner's user saw another code, or typed a wrong one three times.
    PartnerSawOtherCode,
    /// The line broke.
    Cut,
    /// Nobody confirmed in time.
    Timeout,
    /// The responder's commitment does not open: an attack.
    Commitment,
    /// Our own key or message came back: an attack.
    Reflection,
    /// The other side broke the protocol.
    Misbehaved,
}

impl PairingFault {
    /// Whether somebody may have attacked.
    pub fn is_alarm(self) -> bool {
        matches!(
            self,
            Self::WrongHalf | Self::Different | Self::PartnerSawOtherCode | Self::Commitment | Self::Reflection
        )
    }
}

/// What two have said in an open room before it was seen that their codes differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CodesDiffer {
    /// The partner's user saw it, not ours.
    pub by_partner: bool,
    /// Where the messages went to.
    pub partner: PeerAddr,
    /// Our messages that were sent, delivered or not.
    pub sent: usize,
    /// Messages that came from there.
    pub received: usize,
}

/// Why a command line cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the fields are what the sentence is made of")]
pub enum UsageFault {
    /// There is no such option, but perhaps one like it.
    Unknown { option: Printable, like: Option<Printable> },
    /// There is one argument more than can be used.
    TooMany { argument: Printable },
    /// An option stands without its value.
    NoValue { option: Printable },
    /// An option takes no value and was given one.
    NeedlessValue { option: Printable, value: Printable },
    /// A value is none of those that are possible.
    NotAmong { option: Printable, value: Printable, possible: Vec<Printable> },
    /// A value cannot be read.
    Value { option: Printable, value: Printable, why: ValueError },
    /// An option stands twice.
    Twice { option: Printable },
    /// Two arguments exclude each other.
    Conflict { one: Printable, other: Printable },
    /// An option has nothing to act on with that command.
    Useless { option: Printable, command: Printable },
    /// An argument is not UTF-8.
    NotUtf8,
    /// Anything else, in the words of the parser.
    Other(Printable),
}

/// Why the file of the user's options is not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the fields are what the sentence is made of")]
pub enum ConfigFault {
    /// A line without a value.
    NoValue,
    /// A key that is none, or none for this file, but perhaps nearly one.
    Key { key: Printable, like: Option<Printable> },
    /// A switch that is neither yes nor no.
    YesOrNo,
    /// A key that was set further up.
    Twice,
    /// A value that the option does not take.
    Option(UsageFault),
    /// A folder whose name is not text.
    NotText,
    /// A folder, a pipe or a device.
    NoFile,
    /// Others can write it.
    OthersWrite,
    /// The system did not let it be read.
    System(SystemError),
}

/// Why an option's value cannot be read.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ValueError {
    /// Not a number from 0 to 65535.
    #[error("not a port")]
    Port,
    /// Not an IP address.
    #[error("not an IP address")]
    Address,
    /// Not a whole number of minutes within bounds.
    #[error("not {least} to {most} minutes")]
    Minutes {
        /// The smallest.
        least: u16,
        /// The largest.
        most: u16,
    },
    /// Not a length of time.
    #[error("not a length of time")]
    Time,
    /// A length of time beyond the bound.
    #[error("more than {most_days} days")]
    LongTime {
        /// The largest, in days.
        most_days: u32,
    },
    /// Not a short name of one line.
    #[error("not a name of 1 to {most} columns")]
    Name {
        /// The widest.
        most: usize,
    },
    /// Not a number of records per second within bounds.
    #[error("not a rate")]
    Rate,
}

/// Why the program ends with an exit code other than 0.
#[derive(Clone)]
#[expect(missing_docs, reason = "the fields are what the sentence is made of")]
pub enum Fault {
    /// The command line cannot be read.
    CommandLine(UsageFault),
    /// The file of the user's options is not taken; the number is that of the line.
    Config { path: Printable, line: Option<usize>, why: ConfigFault },
    /// A word that is nearly a command stands where a host may stand.
    NearCommand { word: Printable, command: &'static str },
    /// A lone word that is no command, and no machine that this one knows by itself, stands where a host may stand.
    LoneWord { word: Printable },
    /// Options of the side that waits, given with a host to join.
    HostOptions,
    /// What is given as address, and why it is none.
    Address { typed: Printable, why: AddressError },
    /// No address and no terminal to ask for one.
    NoAddress,
    /// The name has no address.
    Lookup(Printable),
    /// No address answered.
    Unreachable(Printable),
    /// No way of an invite led to the host.
    NoWay,
    /// What was given as an invite.
    Invite(InviteError),
    /// An invite on the command line.
    InviteInArguments,
    /// A way that only somebody with an invite can take.
    NeedsInvite,
    /// An invite that would lead only to this machine.
    NoAddressForInvite,
    /// More relays than an invite can name.
    TooManyRelays,
    /// A command stands after options.
    WordFirst(Printable),
    /// No invite could be read.
    InviteFile(SystemError),
    /// Tor cannot be used.
    Tor(TorError),
    /// What was given as a proxy.
    Proxy(ProxyError),
    /// The host talks with somebody else.
    Busy,
    /// Ended by the user before anybody came.
    NobodyCame,
    /// The handshake failed on an open connection.
    Handshake { address: Printable, why: ConnectError },
    /// Another version of tete.
    Version { min: u8, max: u8 },
    /// Refused for a reason this version does not know.
    Refused(u8),
    /// The two never got into one room.
    Pairing(PairingFault),
    /// The connection was lost in an open room, for good.
    CutOff { waiting: usize },
    /// The partner broke the protocol in an open room, or somebody on the way did.
    Damaged { waiting: usize },
    /// The host's program was not at its address for so long, after the connection was lost.
    HostGone { after: Duration, waiting: usize },
    /// Left in order, but not every message was delivered to the partner.
    Undelivered { waiting: usize },
    /// A user saw that the codes of an open room differ.
    CodesDiffer(CodesDiffer),
    /// The room ended, and not every text of the partner was shown here.
    Unread { texts: usize },
    /// Left in order, but not every file is whole where it was to go.
    Files { unfinished: usize },
    /// Standard input is to be sent, and something else, too.
    InputAndMore,
    /// Standard input or output is to be a file, and events and commands go there.
    JsonAndStream,
    /// No path was given, and standard input is a terminal.
    NothingToSend,
    /// More paths than one run sends.
    TooManyPaths { limit: usize },
    /// Some of what is to be sent cannot be, each with its reason.
    CannotSend { paths: Vec<(Printable, FileFault)> },
    /// A screen is to lock itself, and there is none.
    NoScreenToLock,
    /// The lines for the configuration of tor cannot be read.
    TorConfig { path: Printable, why: SystemError },
    /// What was given as tor's control port is neither a path nor a host and a port.
    TorControl(Printable),
    /// Files cannot be stored where they are to be.
    Folder { path: Printable, why: SystemError },
    /// The partner left without sending anything.
    NothingCame,
    /// Nobody can check the code.
    NoTerminal,
    /// The port is taken.
    PortInUse(u16),
    /// The address cannot be listened on.
    Listen { address: Printable, why: SystemError },
    /// Our own output is gone.
    Output(SystemError),
    /// Lines of the input were not sent.
    Input { lines: usize },
    /// A thread of the interface ended before the room.
    Interface,
    /// The system refused something without which tete does not start.
    System(SystemError),
}

impl Fault {
    /// The exit code, as documented in docs/USAGE.md.
    pub fn code(&self) -> u8 {
        match self {
            Self::CommandLine(_) | Self::HostOptions | Self::Address { .. } | Self::NoAddress | Self::NoTerminal => 2,
            Self::NearCommand { .. } | Self::LoneWord { .. } | Self::Config { .. } => 2,
            Self::Invite(_) | Self::InviteInArguments | Self::InviteFile(_) | Self::NeedsInvite | Self::Proxy(_) => 2,
            Self::TooManyRelays | Self::WordFirst(_) | Self::InputAndMore | Self::JsonAndStream => 2,
            Self::NothingToSend | Self::TooManyPaths { .. } | Self::CannotSend { .. } | Self::Folder { .. } => 2,
            Self::NoScreenToLock | Self::TorConfig { .. } | Self::TorControl(_) => 2,
            Self::Lookup(_) | Self::Unreachable(_) | Self::Busy | Self::NobodyCame | Self::NoWay => 3,
            Self::Tor(_) | Self::NoAddressForInvite => 3,
            Self::Handshake { .. } | Self::Version { .. } | Self::Refused(_) => 4,
            Self::Pairing(_) | Self::CodesDiffer(_) => 5,
            Self::Files { .. } | Self::NothingCame | Self::Unread { .. } => 6,
            Self::CutOff { .. } | Self::HostGone { .. } | Self::Damaged { .. } | Self::Undelivered { .. } => 6,
            Self::PortInUse(_) | Self::Listen { .. } | Self::Output(_) | Self::Input { .. } => 7,
            Self::Interface | Self::System(_) => 7,
        }
    }
}
