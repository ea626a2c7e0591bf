#![no_main]
//! No bytes lead a stranger beyond the handshake, and an authentic peer only if the padding is zero.

use libfuzzer_sys::fuzz_target;
use tete::protocol::session::Role;
use tete_fuzz::handshake::{authentic, stranger};

fuzz_target!(|input: (u8, [u8; 4], &[u8])| {
    let (which, cuts, bytes) = input;
    match which % 5 {
        3 => authentic(Role::Initiator, bytes),
        4 => authentic(Role::Responder, bytes),
        record => stranger(record + 1, bytes, &cuts),
    }
});
