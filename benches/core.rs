//! The protocol core alone: `cargo bench --bench core`.

#[allow(dead_code, reason = "tests/core uses the other helpers")]
#[path = "../tests/support/sessions.rs"]
mod sessions;

use divan::{Bencher, black_box};
use sessions::Pair;
use tete::printable::{Ambiguous, Printable};
use tete::protocol::session::Role;

fn main() {
    divan::main();
}

/// Records 1 to 3 and the responder's nonce, both sides: X25519, ML-KEM-768, commitment, code.
#[divan::bench]
fn handshake_of_both_sides() {
    let mut pair = Pair::default();
    pair.run();
    black_box(pair.stages());
}

/// One text and its receipt: sealed, opened and rekeyed on both sides.
#[divan::bench]
fn text_and_receipt(bencher: Bencher) {
    let mut pair = Pair::open();
    bencher.bench_local(|| {
        pair.say(Role::Initiator, "一百个字节左右的一句话, about a hundred bytes of text, as people write it 🙂");
        pair.run();
        pair.r.texts.clear();
    });
}

/// One small record, sealed on one side and opened on the other, with the REKEY of both.
#[divan::bench]
fn seal_and_open(bencher: Bencher) {
    let mut pair = Pair::open();
    bencher.bench_local(|| {
        // Four seconds of silence make a PAD due.
        pair.now += tete::protocol::session::HEARTBEAT;
        let record = pair.i.session.transmit(pair.now).unwrap().unwrap();
        pair.r.take(record.as_slice(), pair.now);
    });
}

/// The longest text made printable and cut into rows, if it is all combining marks.
#[divan::bench]
fn printable_of_65536_bytes() {
    let text = "a\u{301}".repeat(21_845);
    let printable = Printable::text(black_box(&text));
    black_box(printable.rows(80, Ambiguous::Narrow).count());
}
