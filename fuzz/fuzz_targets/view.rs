#![no_main]
//! Whatever the screen knows and however large it is: it can be drawn, and nothing leaves its area.

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8])| tete_fuzz::sitting::play(input.0, input.1));
