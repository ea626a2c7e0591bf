//! Errors of the network: why nobody was reached, and why nobody can come.

use std::io;
use std::net::IpAddr;

use serde::Serialize;

use crate::system::SystemError;

/// The reason why a way did not lead to the partner.
#[derive(thiserror::Error, Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum ConnectError {
    /// The name was not found, or no name server answered.
    #[error("name not found")]
    Lookup,
    /// The machine answers that nothing listens on that port.
    #[error("connection refused")]
    Refused,
    /// Nothing answered in time.
    #[error("no answer")]
    Timeout,
    /// No route leads there, or a firewall says so.
    #[error("no route")]
    NoRoute,
    /// The other end took the connection and closed it without a byte.
    #[error("closed without a byte")]
    Closed,
    /// The other end took the connection and sent nothing in time.
    #[error("no answer to the handshake")]
    Silent,
    /// The other end began to answer, and the connection or the time ended before the handshake did.
    #[error("unfinished handshake")]
    Unfinished,
    /// The other end does not keep to this protocol.
    #[error("not tete")]
    NotTete,
    /// The other end refused in words of this protocol, which anybody on the path can forge.
    #[error("refused in place of an answer")]
    Rejected,
    /// The other end answered as this protocol says, and the answer does not verify.
    #[error("an answer that does not verify")]
    NotAuthentic,
    /// The relay cannot be reached.
    #[error("no relay")]
    NoRelay,
    /// The other end is not a transit relay.
    #[error("not a relay")]
    NotARelay,
    /// The relay closed the connection.
    #[error("closed by the relay")]
    RelayClosed,
    /// The partner did not come to the relay in time.
    #[error("alone at the relay")]
    AloneAtRelay,
    /// Only an invite holds the token that a relay needs.
    #[error("a relay needs an invite")]
    NeedsInvite,
    /// The proxy did not connect.
    #[error("proxy: {0}")]
    Proxy(#[from] SocksError),
    /// The Tor network cannot be used.
    #[error("tor: {0}")]
    Tor(#[from] TorError),
    /// The operating system refused.
    #[error(transparent)]
    System(SystemError),
}

/// The reason why a SOCKS5 proxy did not connect.
#[derive(thiserror::Error, Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum SocksError {
    /// The proxy itself cannot be reached.
    #[error("unreachable")]
    Unreachable,
    /// The other end does not speak SOCKS5.
    #[error("not a SOCKS5 proxy")]
    NotSocks,
    /// The proxy wants another user name or password.
    #[error("login refused")]
    Login,
    /// The rules of the proxy forbid the connection.
    #[error("not allowed")]
    Forbidden,
    /// The proxy failed, and does not say why.
    #[error("failed")]
    Failed,
}

/// The reason why Tor cannot be used.
#[derive(thiserror::Error, Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum TorError {
    /// No program of that name is on the PATH.
    #[error("not installed")]
    NotInstalled,
    /// The process or its folder cannot be made.
    #[error("cannot be started: {0}")]
    Start(SystemError),
    /// The process ended before it opened its control port, as it does with a bad configuration.
    #[error("exited at once")]
    Exited,
    /// The control port cannot be reached.
    #[error("control port: {0}")]
    Control(SystemError),
    /// The control connection ended.
    #[error("ended")]
    Ended,
    /// A command got no answer in time.
    #[error("no answer")]
    Silent,
    /// What answers does not speak the control protocol.
    #[error("not tor")]
    NotTor,
    /// Only a password opens the control port, or a cookie that would have to be sent.
    #[error("password needed")]
    Password,
    /// The control port lets anybody in, so that nothing proves that it is tor's.
    #[error("no proof that it is tor")]
    Unproven,
    /// The file that opens the control port cannot be read.
    #[error("cookie: {0}")]
    Cookie(SystemError),
    /// The file that opens the control port does not hold a cookie, or lets everybody read it.
    #[error("bad cookie")]
    BadCookie,
    /// What answers does not know the cookie that it names.
    #[error("not the owner of the cookie")]
    Impostor,
    /// A command was refused, with this status code.
    #[error("refused with code {0}")]
    Rejected(u16),
    /// Tor has no SOCKS port that takes TCP on the host of its control port.
    #[error("no SOCKS port")]
    NoSocks,
    /// Tor did not find its network in time.
    #[error("network not found")]
    NoNetwork,
    /// The descriptor of the onion service was not uploaded in time.
    #[error("onion service not published")]
    NotPublished,
    /// The operating system refused something else.
    #[error(transparent)]
    System(#[from] SystemError),
}

/// The reason why a router does not pass a port on to this machine.
#[derive(thiserror::Error, Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum MappingError {
    /// This machine has no router.
    #[error("no router")]
    NoRouter,
    /// The router does not answer such requests.
    #[error("no answer")]
    NoAnswer,
    /// The router refuses.
    #[error("refused")]
    Refused,
    /// The router's own address cannot be reached from the internet.
    #[error("router without a public address: {address}")]
    Useless {
        /// The router's own address.
        address: IpAddr,
    },
}

/// The reason why nobody is found on the local network.
#[derive(thiserror::Error, Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum LanError {
    /// Multicast DNS cannot be used on this machine.
    #[error("no multicast DNS")]
    Unavailable,
    /// The announcement was not heard.
    #[error("not heard")]
    NotHeard,
    /// The operating system refused something else.
    #[error(transparent)]
    System(#[from] SystemError),
}

impl ConnectError {
    /// Whether a machine fails a connection like this once the partner's program on it has ended: nothing listens on
    /// its port, or something else does.
    pub fn suggests_end(self) -> bool {
        matches!(self, Self::Refused | Self::Closed | Self::NotTete | Self::Rejected | Self::NotAuthentic)
    }
}

impl From<SystemError> for ConnectError {
    fn from(error: SystemError) -> Self {
        match error {
            SystemError::ConnectionRefused => Self::Refused,
            SystemError::TimedOut => Self::Timeout,
            SystemError::Unreachable => Self::NoRoute,
            SystemError::Closed => Self::Closed,
            other => Self::System(other),
        }
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        SystemError::from(error).into()
    }
}
