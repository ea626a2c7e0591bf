#![no_main]
//! Whatever a proxy answers leads to a connection or an error. The first byte chooses whether there is a password.

use libfuzzer_sys::fuzz_target;
use tete::address::{Address, Proxy};
use tete::transport::socks::ask;
use tete_fuzz::now_or_never;
use tokio::io::join;

fuzz_target!(|said: &[u8]| {
    let Some((choice, mut said)) = said.split_first() else { return };
    let url = if choice % 2 == 0 { "socks5://proxy.test:1" } else { "socks5://a:b@proxy.test:1" };
    let Ok(proxy) = Proxy::parse(url) else { panic!("{url}") };
    let to = Address::parse("partner.test", None).unwrap();
    let asked = now_or_never(ask(join(&mut said, tokio::io::sink()), &proxy, &to));
    let _ = asked.map(drop);
});
