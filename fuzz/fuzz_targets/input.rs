#![no_main]
//! Whatever a terminal sends, and however it is cut into reads: the keys are the same, and the keyboard goes on.

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| tete_fuzz::input::play(input.0, input.1));
