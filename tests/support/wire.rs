//! What a wire may do to what is written: TCP keeps bytes and their order, and nothing else.

use std::time::Duration;

/// In which pieces a direction of a connection hands on its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wire {
    /// Each segment arrives by itself.
    Whole,
    /// All that is under way arrives in one read.
    Joined,
    /// Each byte arrives by itself.
    Bytewise,
    /// The segment of that number is lost: it arrives once it was sent again, in one read with all that follows.
    LosesOne(usize),
    /// All that was written arrives together, every half second.
    Bursts,
}

/// One of each kind. The first segments are those of the handshake.
pub const WIRES: [Wire; 6] =
    [Wire::Whole, Wire::Joined, Wire::Bytewise, Wire::LosesOne(2), Wire::LosesOne(5), Wire::Bursts];

/// Time between two bursts.
pub const BURST: Duration = Duration::from_millis(500);
