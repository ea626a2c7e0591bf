#![no_main]
//! However a stream is cut, the same bodies come out, and a wrong length is an error before its body.

use libfuzzer_sys::fuzz_target;
use tete::protocol::record::Decoder;
use tete_fuzz::{bodies, pieces, read};

fuzz_target!(|input: (u8, [u8; 4], &[u8])| {
    let (small_pieces, cuts, stream) = input;
    let (mut decoder, mut got, mut taken, mut small_only) = (Decoder::default(), Vec::new(), 0, stream.len());
    let failed = pieces(stream, &cuts).enumerate().any(|(turn, piece)| {
        if turn == usize::from(small_pieces) {
            small_only = taken;
            decoder.allow_large();
        }
        read(&mut decoder, piece, &mut got, &mut taken)
    });
    assert!((got, taken, failed) == bodies(stream, small_only));
});
