//! Byte pipes to the partner. Knows addresses, nothing of chat.

pub mod dial;
pub mod listen;
