//! What the fuzz targets share.

pub mod driver;
pub mod files;
pub mod foreign;
pub mod handshake;
pub mod hostile;
pub mod input;
pub mod pair;
pub mod peer;
pub mod sitting;
pub mod writing;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tete::protocol::handshake::Mode;
use tete::protocol::keys::{Secret, StaticKey};
use tete::protocol::pairing::{Half, Verdict};
use tete::protocol::random::OsRandom;
use tete::protocol::record::{Decoder, HEADER, LARGE_BODY, SMALL_BODY};
use tete::protocol::session::{Role, Session, Settings, Stage};
use unicode_normalization::UnicodeNormalization as _;

/// Time at the start, on the fake clock.
pub const START: Duration = Duration::from_secs(1_000);

/// 32 times the same byte.
pub fn secret(byte: u8) -> Secret {
    let mut secret = Secret::default();
    secret.expose_mut().fill(byte);
    secret
}

/// The private key of that side, in every run the same.
pub fn private(role: Role) -> Secret {
    secret(1 + role as u8)
}

/// The key pair of that side.
pub fn key(role: Role) -> &'static Arc<StaticKey> {
    static KEYS: OnceLock<[Arc<StaticKey>; 2]> = OnceLock::new();
    let make = |role| Arc::new(StaticKey::new(private(role)).unwrap());
    &KEYS.get_or_init(|| [Role::Initiator, Role::Responder].map(make))[role as usize]
}

/// That side knows nobody.
pub fn mode(role: Role) -> Mode {
    Mode::Pair(key(role).clone())
}

/// A session at its start.
pub fn session(role: Role) -> Session {
    match role {
        Role::Initiator => Session::initiate(mode(role), Box::new(OsRandom), Settings::default(), START).unwrap(),
        Role::Responder => Session::respond(mode(role), Box::new(OsRandom), Settings::default(), START),
    }
}

/// Whether nothing more comes by this connection.
pub fn is_over(stage: Stage) -> bool {
    matches!(stage, Stage::Away | Stage::Left | Stage::Closed)
}

/// Whether a session that has nothing to send now has time until its deadline, or ends there.
pub fn keeps_time(session: &mut Session, now: Duration) -> bool {
    session.deadline().is_none_or(|at| at > now) || session.tick(now).is_err()
}

/// A stream in pieces of the given sizes, over and over: 1 to 128 bytes, then up to 16 KiB.
pub fn pieces<'a>(mut stream: &'a [u8], cuts: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut cuts = cuts.iter().cycle();
    std::iter::from_fn(move || {
        let cut = cuts.next().map_or(usize::MAX, |cut| match usize::from(*cut) {
            cut @ 0..128 => cut + 1,
            cut => (cut - 127) * 128,
        });
        let (piece, rest) = stream.split_at(cut.min(stream.len()));
        stream = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Has the decoder read a piece, counting what it takes. Whether that failed.
pub fn read(decoder: &mut Decoder, piece: &[u8], bodies: &mut Vec<Vec<u8>>, taken: &mut usize) -> bool {
    let mut rest = piece;
    let failed = loop {
        match decoder.read(&mut rest) {
            Ok(Some(body)) => bodies.push(body.to_vec()),
            end => break end.is_err(),
        }
    };
    *taken += piece.len() - rest.len();
    failed
}

/// What a decoder is to make of a stream: the bodies, how much of it is read, and whether it fails there.
///
/// Large records are allowed once `small_only` bytes have been read.
pub fn bodies(stream: &[u8], small_only: usize) -> (Vec<Vec<u8>>, usize, bool) {
    let (mut bodies, mut from) = (Vec::new(), 0);
    while let Some(header) = stream[from..].first_chunk::<HEADER>() {
        let length = usize::from(u16::from_be_bytes(*header));
        from += HEADER;
        if length != SMALL_BODY && (length != LARGE_BODY || from <= small_only) {
            return (bodies, from, true);
        }
        let Some(body) = stream.get(from..from + length) else { break };
        bodies.push(body.to_vec());
        from += length;
    }
    (bodies, stream.len(), false)
}

/// The own half in the target `code`.
pub const OWN: &str = "01234567";
/// The partner's half there.
pub const PARTNER: &str = "98765432";

/// The eight digits in what was typed, if there is nothing else but what people write between digits.
pub fn digits(typed: &str) -> Option<String> {
    let between = |c: char| matches!(c, ' ' | '-' | '‐'..='―' | '−' | 'ー' | '.' | ',' | '·' | '。' | '、');
    let plain: String = typed.trim().nfkc().filter(|c| !between(*c)).collect();
    let digits = Some(plain).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    digits.filter(|digits| digits.len() == 8)
}

/// What an entry is to be worth.
pub fn verdict(typed: &str, tries_left: &mut u8) -> Verdict {
    match digits(typed).as_deref() {
        None => Verdict::NotACode,
        Some(PARTNER) if *tries_left > 0 => Verdict::Right,
        Some(OWN) => Verdict::OwnHalf,
        Some(_) => {
            *tries_left = tries_left.saturating_sub(1);
            Verdict::Wrong { tries_left: *tries_left }
        }
    }
}

/// A half that differs from this one in its last digit.
pub fn other_half(half: &Half) -> String {
    let [rest @ .., last] = half.digits();
    rest.iter().chain(&[(last + 1) % 10]).map(u8::to_string).collect()
}

/// The outcome of what never has to wait.
pub fn now_or_never<T>(what: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    // The runtime's budget makes even what is ready wait now and then.
    let mut what = std::pin::pin!(what);
    loop {
        if let std::task::Poll::Ready(done) = what.as_mut().poll(&mut context) {
            return done;
        }
    }
}
