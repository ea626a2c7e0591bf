#![no_main]
//! What decodes and can be encoded encodes to the same bytes, but for the reason of a BYE, which is not kept.

use libfuzzer_sys::fuzz_target;
use tete::protocol::frame::{Frame, LARGE_FRAME, SMALL_FRAME};

fuzz_target!(|bytes: &[u8]| {
    for length in [bytes.len(), SMALL_FRAME, LARGE_FRAME] {
        let mut plaintext = bytes.to_vec();
        plaintext.resize(length, 0);
        let (decoded, mut encoded) = (Frame::decode(&plaintext), vec![0xff; length]);
        let Ok(frame) = decoded else { continue };
        assert!(length == SMALL_FRAME || matches!(frame, Frame::FileData { .. }));
        if frame.encode(&mut encoded).is_ok() {
            assert_eq!(Frame::decode(&encoded), decoded);
            assert!(encoded == plaintext || matches!(frame, Frame::Bye { .. }));
        }
    }
});
