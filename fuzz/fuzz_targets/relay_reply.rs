#![no_main]
//! What a relay says lets through the one right line, and not a byte after it is taken.

use libfuzzer_sys::fuzz_target;
use tete::protocol::keys::Secret;
use tete::transport::relay::{Token, meet};
use tete_fuzz::now_or_never;
use tokio::io::join;

fuzz_target!(|said: &[u8]| {
    let mut left = said;
    let mut stream = join(&mut left, tokio::io::sink());
    let met = now_or_never(meet(&mut stream, &Token::new(&Secret::default(), [0; 8])));
    assert_eq!(met.is_ok(), said.starts_with(b"ok\n"));
    assert!(met.is_err() || left == &said[3..]);
});
