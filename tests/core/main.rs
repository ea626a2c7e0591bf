//! Tests that start no program: the protocol, invites, the store and the full screen, each by its own interface.

#[path = "../support/forge.rs"]
mod forge;
#[path = "../support/raw.rs"]
mod raw;
#[path = "../support/scratch.rs"]
mod scratch;
#[path = "../support/sessions.rs"]
mod sessions;
#[path = "../support/wire.rs"]
mod wire;

mod conformance;
mod cover;
mod epochs;
mod file_frames;
mod frames;
mod handshake_attacks;
mod invite;
mod noise_vectors;
mod pairing_attacks;
mod recovery;
mod resume;
mod screen;
mod store;
mod transfers;
mod transitions;
mod vectors;
mod wires;
mod words;
