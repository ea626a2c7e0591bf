#![no_main]
//! Whatever is typed, pasted, cut and undone: the text is the model's, the cursor between two clusters.

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8])| tete_fuzz::writing::play(input.0, input.1));
