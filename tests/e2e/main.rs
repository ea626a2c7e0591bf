//! Tests of the real program: in pipes, on terminals, over wires that break.

#[allow(dead_code, reason = "tests/slow.rs uses the other helpers")]
#[path = "../support/meeting.rs"]
mod meeting;
#[path = "../support/peer.rs"]
mod peer;
#[path = "../support/process.rs"]
mod process;
#[allow(dead_code, reason = "tests/slow.rs and tests/e2e_cover.rs use the other helpers")]
#[path = "../support/relay.rs"]
mod relay;
#[path = "../support/scratch.rs"]
mod scratch;
#[path = "../support/script.rs"]
mod script;
#[path = "../support/terminal.rs"]
mod terminal;
#[path = "../support/wire.rs"]
mod wire;

mod cli;
mod doctor;
mod files;
mod json;
mod lines;
mod one_read;
mod pipe;
mod pty;
mod questions;
mod reach;
mod resume;
mod screen;
mod send;
mod strangers;
mod threads;
mod tmux;
