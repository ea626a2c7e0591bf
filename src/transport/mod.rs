//! Byte pipes to the partner. Knows addresses, nothing of chat.

pub mod dial;
pub mod lan;
pub mod listen;
pub mod local;
pub mod portmap;
pub mod relay;
pub mod socks;
pub mod tor;
pub mod way;
