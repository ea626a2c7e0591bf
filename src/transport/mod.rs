//! Byte streams to the partner: by TCP, through a proxy, a relay or Tor. Knows addresses, and nothing of chat.

pub mod dial;
pub mod error;
pub mod lan;
pub mod listen;
pub mod local;
pub mod nat64;
pub mod portmap;
pub mod relay;
pub mod socks;
pub mod tor;
pub mod way;
