#![no_main]
//! Names, paths and messages of somebody hostile, wherever the program shows them: no control character comes out, and
//! no row of theirs looks like one of the program's.

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8])| tete_fuzz::foreign::play(input.0, input.1));
