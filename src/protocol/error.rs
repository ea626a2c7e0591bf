//! Why a connection or a room ended before its users ended it.

/// A refusal in clear, sent in place of record 2 before any key exists (docs/PROTOCOL.md, section 3).
///
/// Anybody on the path can forge it: a hint to show, not a fact to act upon.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejection {
    /// The responder speaks other versions of the protocol only.
    #[error("it speaks versions {min} to {max} of the protocol")]
    Version {
        /// Lowest version that the responder speaks.
        min: u8,
        /// Highest version that the responder speaks.
        max: u8,
    },
    /// The responder talks with somebody else.
    #[error("it is busy with somebody else")]
    Busy,
    /// A reason that this version of the protocol does not define, by its number on the wire.
    #[error("reason {0}")]
    Other(u8),
}

/// Why a session ended, or lost its connection.
///
/// After an error for which [`is_of_the_line`](Self::is_of_the_line) is true an open room outlives the
/// connection; after any other the session is closed and keeps no key.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// A record has a length that is not allowed at this point.
    #[error("a record of a length that is not allowed")]
    RecordLength,
    /// The first bytes of the connection are not those of tete.
    #[error("the first bytes are not those of tete")]
    NotTete,
    /// The initiator's preface names a version that this side does not speak.
    #[error("another version of tete: {0}")]
    Version(u8),
    /// The initiator's preface names another mode than this side listens for.
    #[error("another mode of tete: {0}")]
    Mode(u8),
    /// The responder refused in clear, which anybody on the path can forge.
    #[error("refused by the other side: {0}")]
    Rejected(Rejection),
    /// A handshake message does not verify, or holds a key that must be refused.
    #[error("a handshake message that does not verify")]
    Handshake,
    /// The peer of a resuming handshake has the room's secret, but not the partner's static key.
    #[error("the room's secret with another key")]
    OtherPartner,
    /// The peer sends this side's own key or message back.
    #[error("our own key or message came back")]
    Reflection,
    /// The responder opened another nonce than it had committed to: an attack.
    #[error("the commitment does not open")]
    Commitment,
    /// A record of the encrypted channel does not verify.
    #[error("a record that does not verify")]
    Forged,
    /// A frame cannot be parsed.
    #[error("a frame that cannot be parsed")]
    Frame,
    /// A frame is not allowed in this phase, or breaks the rules of its kind.
    #[error("a frame that may not come now")]
    OutOfOrder,
    /// A text is longer than allowed, or not UTF-8.
    #[error("a text that is too long or not UTF-8")]
    Text,
    /// A time limit was reached.
    #[error("a time limit was reached: {0:?}")]
    Timeout(Wait),
    /// A counter reached its last value.
    #[error("the last value of a counter was reached")]
    Exhausted,
    /// A cryptographic primitive or the random generator failed.
    #[error("a cryptographic primitive failed")]
    Primitive,
}

/// What a time limit bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// The three records of the handshake.
    Handshake,
    /// The responder's nonce after the handshake.
    Opening,
    /// The two people's check of the code.
    Confirmation,
    /// The first frame that only an open room sends.
    Proof,
    /// Any record from the partner in an open room.
    Silence,
    /// The end of an epoch change.
    EpochChange,
    /// The partner's return after the connection was lost.
    Return,
}

impl Error {
    /// Whether the connection failed and not the partner, so that an open room waits for the next connection.
    pub fn is_of_the_line(self) -> bool {
        matches!(
            self,
            Self::RecordLength | Self::Forged | Self::Timeout(Wait::Silence | Wait::EpochChange | Wait::Opening)
        )
    }
}
