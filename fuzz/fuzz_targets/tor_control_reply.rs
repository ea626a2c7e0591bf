#![no_main]
//! Whatever a tor says is an answer or an error, and bounded.

use libfuzzer_sys::fuzz_target;
use tete::transport::tor::{Control, onion_id, onion_key};
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().unwrap();
}

fuzz_target!(|said: &[u8]| RUNTIME.with(|runtime| {
    let mut control = Control { from: said, to: tokio::io::sink() };
    while let Ok(lines) = runtime.block_on(control.ask("GETINFO x")) {
        assert!(!lines.is_empty() && lines.len() <= 1_000);
        for line in lines {
            if let Some(key) = onion_key(&line) {
                assert_eq!(onion_id(&key), line.to_ascii_lowercase());
            }
        }
    }
    let _ = runtime.block_on(control.event());
}));
