#![no_main]
//! Two sessions on a wire that is tampered with, and one session with an authentic peer that says anything.

use libfuzzer_sys::fuzz_target;
use tete::protocol::session::{Role, Stage};
use tete_fuzz::{pair::Pair, peer::Peer};

fuzz_target!(|input: (u8, &[u8])| {
    let (start, bytes) = input;
    let stage = [Stage::Established, Stage::Confirming, Stage::Open][usize::from(start % 3)];
    match start / 3 % 3 {
        0 => Pair::new(stage).play(bytes),
        1 => Peer::new(Role::Initiator, stage).play(bytes),
        _ => Peer::new(Role::Responder, stage).play(bytes),
    }
});
