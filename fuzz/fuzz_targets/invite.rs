#![no_main]
//! Whatever is pasted is an invite that reads the same when it is written, or none. Every way of it can be shown.

use libfuzzer_sys::fuzz_target;
use tete::protocol::invite::Invite;
use tete::transport::way::Way;

fuzz_target!(|text: &str| {
    if let Ok(invite) = Invite::read(text) {
        let again = Invite::read(&invite.line()).unwrap_or_else(|_| panic!("{text}"));
        assert_eq!(again.hints, invite.hints);
        for way in invite.hints.iter().filter_map(Way::of) {
            assert!(way.address().chars().all(|c| c.is_ascii_graphic()));
        }
    }
});
