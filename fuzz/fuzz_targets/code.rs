#![no_main]
//! Eight digits are a half and nothing else is, only the partner's is right, and three others are the end.

use libfuzzer_sys::fuzz_target;
use tete::protocol::pairing::{Entries, Half, PairingCode, TRIES};
use tete_fuzz::{OWN, PARTNER, digits, verdict};

fuzz_target!(|typed: &str| {
    let [own, partner] = [OWN, PARTNER].map(|half| Half::parse(half).unwrap());
    let code = PairingCode { own, partner, emoji: Default::default() };
    let (mut entries, mut tries_left) = (Entries::default(), TRIES);
    for typed in typed.split('\n') {
        assert!(Half::parse(typed).map(|half| half.to_string().replace(' ', "")) == digits(typed));
        assert_eq!(entries.judge(&code, typed), verdict(typed, &mut tries_left));
    }
});
