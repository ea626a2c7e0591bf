//! The two ends of a connection.

/// The end of a connection that this side is, which is also its role in Noise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The side that opened the connection: the joiner.
    Initiator,
    /// The side that accepted the connection: the host.
    Responder,
}
