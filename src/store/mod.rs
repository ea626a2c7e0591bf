//! Files on this machine: what is sent is read here, what is received is stored here.
//!
//! Everything blocks, so it runs on threads of its own, one for each
//! direction. The peer's paths become [`path::SafePath`] here and reach the
//! disk as nothing else.

pub mod downloads;
pub mod folder;
pub mod output;
pub mod path;
pub mod reader;
pub mod source;
pub mod tree;
pub mod writer;
