//! Why a connection ended before its time, by whose fault.

use std::fmt;

/// What the responder refuses in clear, before any key exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejection {
    /// It speaks these versions only.
    Version {
        /// Lowest version it speaks.
        min: u8,
        /// Highest version it speaks.
        max: u8,
    },
    /// It talks with somebody else.
    Busy,
    /// A reason this version does not know.
    Other(u8),
}

/// Why a session ended. Every one of them leaves the session closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// A record of a length that is not allowed now.
    RecordLength,
    /// The first bytes are not those of tete.
    NotTete,
    /// Another version of tete, as the initiator's preface names it.
    Version(u8),
    /// Another mode than the one listened for.
    Mode(u8),
    /// The responder refused in clear: a hint, not a fact.
    Rejected(Rejection),
    /// A handshake message that does not verify, or a key that must be refused.
    Handshake,
    /// Whoever wants to come back has the room's secret and not the partner's key.
    OtherPartner,
    /// The partner sends our own key or message back.
    Reflection,
    /// The responder's nonce is not the one it had committed to: an attack.
    Commitment,
    /// A record of the channel that does not verify.
    Forged,
    /// A frame that cannot be parsed.
    Frame,
    /// A frame that may not come now.
    OutOfOrder,
    /// A text longer than allowed, or not UTF-8.
    Text,
    /// A limit of time ran out.
    Timeout(Wait),
    /// The last counter of a key was reached.
    Exhausted,
    /// A cryptographic primitive or the random generator failed.
    Primitive,
}

/// What a session waits for at most so long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// The three records of the handshake.
    Handshake,
    /// The responder's nonce after the handshake.
    Opening,
    /// The two people's check of the code.
    Confirmation,
    /// Any sign of life in an open room.
    Silence,
    /// The end of an epoch change.
    EpochChange,
    /// The partner's return after a break.
    Return,
}

impl Error {
    /// Whether it is the connection that failed, and not the partner: the room outlives it.
    pub fn is_of_the_line(self) -> bool {
        matches!(
            self,
            Self::RecordLength | Self::Forged | Self::Timeout(Wait::Silence | Wait::EpochChange | Wait::Opening)
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::RecordLength => "a record of a length that is not allowed",
            Self::NotTete => "the first bytes are not those of tete",
            Self::Version(_) => "another version of tete",
            Self::Mode(_) => "another mode of tete",
            Self::Rejected(_) => "refused by the other side",
            Self::Handshake => "a handshake message that does not verify",
            Self::OtherPartner => "the room's secret with another key",
            Self::Reflection => "our own key or message came back",
            Self::Commitment => "the commitment does not open",
            Self::Forged => "a record that does not verify",
            Self::Frame => "a frame that cannot be parsed",
            Self::OutOfOrder => "a frame that may not come now",
            Self::Text => "a text that is too long or not UTF-8",
            Self::Timeout(_) => "a limit of time ran out",
            Self::Exhausted => "the last counter of a key was reached",
            Self::Primitive => "a cryptographic primitive failed",
        })
    }
}

impl std::error::Error for Error {}
