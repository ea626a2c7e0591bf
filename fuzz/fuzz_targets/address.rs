#![no_main]
//! An address that was read holds nothing strange and reads the same when it is written out.

use libfuzzer_sys::fuzz_target;
use tete::address::Address;

fuzz_target!(|text: &str| {
    let apart = text.rsplit_once(' ').map(|(host, port)| Address::parse(host, Some(port)));
    for address in [Address::parse(text, None)].into_iter().chain(apart).flatten() {
        assert!(address.port > 0 && (1..=254).contains(&address.host.len()));
        assert!(address.host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/@[]".contains(&byte)));
        assert_eq!(Address::parse(&address.to_string(), None).as_ref(), Ok(&address));
        assert_eq!(Address::parse(&address.host, Some(&address.port.to_string())), Ok(address));
    }
});
