#![no_main]
//! A session that offers and takes files, with an authentic peer that says anything of them.

use libfuzzer_sys::fuzz_target;
use tete::protocol::session::{Role, Stage};
use tete_fuzz::peer::Peer;

fuzz_target!(|bytes: &[u8]| Peer::new(Role::Responder, Stage::Open).play_files(bytes));
