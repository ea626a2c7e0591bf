//! Files on this machine: reading what is sent, and storing what is received.
//!
//! Everything blocks, so it runs on threads of its own, one for each direction.
//! The partner's paths reach the disk only as a [`path::SafePath`].

pub mod downloads;
pub mod folder;
pub mod output;
pub mod path;
mod queue;
pub mod reader;
pub mod source;
pub mod tree;
pub mod writer;
