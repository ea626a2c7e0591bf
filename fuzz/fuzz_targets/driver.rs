#![no_main]
//! The program's driver: two rooms on a wire that joins, splits, corrupts and breaks, and one room with an authentic
//! peer that says anything.

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| tete_fuzz::driver::play(input.0, input.1));
