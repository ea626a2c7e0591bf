//! What is left in the memory of a process after a session: no key and no text.
//!
//! Every secret is noted as it passes, masked, and afterwards all writable memory
//! is searched for it. Meant for the release profile, where the compiler keeps no
//! copies for a debugger: `cargo test --release --test residue`.
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "tests/core uses the other helpers")]
#[path = "support/sessions.rs"]
mod sessions;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use snow::params::CipherChoice;
use snow::resolvers::CryptoResolver as _;
use tete::protocol::error::Error;
use tete::protocol::frame::Farewell;
use tete::protocol::handshake::{Mode, SUITE};
use tete::protocol::keys::{Epoch, HandshakeHash, KemSecret, Secret, SplitKeys, StaticKey, TrafficKey, scrub_stack};
use tete::protocol::random::{CIPHERTEXT, Decapsulate, ENCAPSULATION_KEY, OsRandom, Randomness};
use tete::protocol::record::{HEADER, Record};
use tete::protocol::resolver::Resolver;
use tete::protocol::session::{Event, Session, Settings, Stage};
use tete::ui::editor::{Edit, Editor};
use tete::ui::recall::Recall;
use zeroize::{Zeroize as _, Zeroizing};

const NOW: Duration = Duration::from_secs(1_000);
const MASK: u8 = 0xa5;
/// Keys of each direction that are looked for: more than frames are sent.
const KEYS: usize = 8;

/// A search keeps a copy of what it looks at, which another would find.
static ALONE: Mutex<()> = Mutex::new(());

/// A secret that is in memory only masked.
struct Masked {
    name: &'static str,
    bytes: Vec<u8>,
}

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Masked>>>);

impl Notes {
    fn note(&self, name: &'static str, secret: &[u8]) {
        let bytes = secret.iter().map(|byte| byte ^ MASK).collect();
        self.0.lock().unwrap().push(Masked { name, bytes });
    }

    /// The noted secret of that name, for as long as the result lives.
    fn recall(&self, name: &str) -> Secret {
        let notes = self.0.lock().unwrap();
        let found = notes.iter().find(|masked| masked.name == name).unwrap();
        let mut secret = Secret::default();
        for (place, byte) in secret.expose_mut().iter_mut().zip(&found.bytes) {
            *place = byte ^ MASK;
        }
        secret
    }
}

/// Notes what a session draws: its ephemeral key first, then its pairing nonce, then the key of an epoch change.
struct Noting {
    notes: Notes,
    names: Vec<&'static str>,
}

impl Randomness for Noting {
    fn secret(&mut self) -> Result<Secret, Error> {
        let secret = OsRandom.secret()?;
        self.notes.note(self.names.remove(0), secret.expose());
        Ok(secret)
    }

    fn kem_pair(&mut self) -> Result<([u8; ENCAPSULATION_KEY], Box<dyn Decapsulate>), Error> {
        OsRandom.kem_pair()
    }

    fn encapsulate(&mut self, key: &[u8; ENCAPSULATION_KEY]) -> Result<([u8; CIPHERTEXT], KemSecret), Error> {
        let (ciphertext, shared) = OsRandom.encapsulate(key)?;
        self.notes.note("ss", shared.0.expose());
        Ok((ciphertext, shared))
    }
}

fn mode(notes: &Notes, name: &'static str) -> Mode {
    let secret = OsRandom.secret().unwrap();
    notes.note(name, secret.expose());
    Mode::Pair(Arc::new(StaticKey::new(secret).unwrap()))
}

fn noting<const N: usize>(notes: &Notes, names: [&'static str; N]) -> Box<Noting> {
    Box::new(Noting { notes: notes.clone(), names: names.to_vec() })
}

/// 64 random letters.
fn text(notes: &Notes, name: &'static str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(64));
    for _ in 0..2 {
        for byte in OsRandom.secret().unwrap().expose() {
            text.push(char::from(b'a' + byte % 26));
        }
    }
    notes.note(name, text.as_bytes());
    text
}

/// Whether an event only tells how far the session has come.
fn is_a_step(event: &Event) -> bool {
    matches!(event, Event::Code | Event::Opened | Event::Resumed)
}

/// Moves one record, and returns it and what came of it.
fn pass(from: &mut Session, to: &mut Session) -> (Record, Option<Event>) {
    let record = from.transmit(NOW).unwrap().unwrap();
    to.receive(&mut record.as_slice(), NOW).unwrap();
    let event = std::iter::from_fn(|| to.event()).find(|event| !is_a_step(event));
    while from.event().is_some() {}
    (record, event)
}

/// A whole room, from the first record to both ends' end: an epoch change, a break, a return. Returns records 1 and 2.
#[inline(never)]
fn connection(notes: &Notes) -> [Record; 2] {
    let random = noting(notes, ["e_I", "n_I", "e_I of epoch 1"]);
    let mut i = Box::new(Session::initiate(mode(notes, "s_I"), random, Settings::default(), NOW).unwrap());
    let random = noting(notes, ["e_R", "n_R", "e_R of epoch 1"]);
    let mut r = Box::new(Session::respond(mode(notes, "s_R"), random, Settings::default(), NOW));
    let (first, _) = pass(&mut i, &mut r);
    let (second, _) = pass(&mut r, &mut i);
    pass(&mut i, &mut r);
    r.admit();
    pass(&mut r, &mut i);
    let halves = [&i, &r].map(|side| side.code().unwrap().own.to_string());
    i.enter(&halves[1]);
    r.enter(&halves[0]);
    pass(&mut i, &mut r);
    pass(&mut r, &mut i);
    assert_eq!((i.stage(), r.stage()), (Stage::Open, Stage::Open));
    say(&mut i, &mut r, text(notes, "text of I"));
    say(&mut r, &mut i, text(notes, "text of R"));
    assert!(i.change_epoch());
    pass(&mut i, &mut r);
    pass(&mut r, &mut i);
    pass(&mut i, &mut r);
    assert_eq!((i.epoch(), r.epoch()), (Some((1, NOW)), Some((1, NOW))));
    say(&mut i, &mut r, text(notes, "text of epoch 1"));

    i.say(text(notes, "text that waits"), NOW).unwrap();
    i.lost(NOW);
    r.lost(NOW);
    assert_eq!((i.stage(), r.stage()), (Stage::Away, Stage::Away));
    let mode = |session: &Session| Mode::Resume(session.resume_key().unwrap());
    let random = noting(notes, ["e_I of the return", "n_I of the return"]);
    let mut i2 = Box::new(Session::initiate(mode(&i), random, Settings::default(), NOW).unwrap());
    let random = noting(notes, ["e_R of the return", "n_R of the return"]);
    let mut r2 = Box::new(Session::respond(mode(&r), random, Settings::default(), NOW));
    pass(&mut i2, &mut r2);
    pass(&mut r2, &mut i2);
    pass(&mut i2, &mut r2);
    r2.admit();
    pass(&mut r2, &mut i2);
    assert!(i2.take_over(&mut i, NOW) && r2.take_over(&mut r, NOW));
    for _ in 0..2 {
        pass(&mut i2, &mut r2);
        pass(&mut r2, &mut i2);
    }
    // Both send their newest receipt again.
    let (_, None) = pass(&mut i2, &mut r2) else { panic!("not an old receipt") };
    let (_, None) = pass(&mut r2, &mut i2) else { panic!("not an old receipt") };
    let (_, Some(Event::Text(waited))) = pass(&mut i2, &mut r2) else { panic!("not a text") };
    r2.shown(waited.id);
    let (_, Some(Event::Delivered(1))) = pass(&mut r2, &mut i2) else { panic!("not a receipt") };
    i2.leave(Farewell::Done);
    pass(&mut i2, &mut r2);
    // Whoever leaves reads what is under way, until the connection ends and with it the session.
    assert_eq!((i2.stage(), r2.stage()), (Stage::Leaving, Stage::Closed));
    [first, second]
}

fn say(from: &mut Session, to: &mut Session, text: Zeroizing<String>) {
    from.say(text, NOW).unwrap();
    let (_, Some(Event::Text(text))) = pass(from, to) else { panic!("not a text") };
    to.shown(text.id);
    let (_, Some(Event::Delivered(1))) = pass(to, from) else { panic!("not a receipt") };
}

/// Computes every traffic key of the connection once more, from what was noted and what was on the wire.
#[inline(never)]
fn note_traffic_keys(notes: &Notes, [first, second]: &[Record; 2]) {
    let static_key = notes.recall("s_I");
    let prologue = [b"tete/1 prologue\0".as_slice(), &first[HEADER..HEADER + 8]].concat();
    let mut noise = snow::Builder::with_resolver(SUITE.parse().unwrap(), Box::new(Resolver::new(notes.recall("e_I"))))
        .prologue(&prologue)
        .and_then(|builder| builder.local_private_key(static_key.expose()))
        .and_then(|builder| builder.build_initiator())
        .unwrap();
    let mut buffer = [0; 2_000];
    let length = noise.write_message(&first[HEADER + 40..], &mut buffer).unwrap();
    assert_eq!(buffer[..length], first[HEADER + 8..]);
    noise.read_message(&second[HEADER..], &mut buffer).unwrap();
    let mut payload = Zeroizing::new([0; 1214]);
    payload[..32].copy_from_slice(notes.recall("n_I").expose());
    noise.write_message(payload.as_slice(), &mut buffer).unwrap();
    let hash = HandshakeHash(noise.get_handshake_hash().try_into().unwrap());
    let (i2r, r2i) = noise.dangerously_get_raw_split();
    let (i2r, r2i) = (Zeroizing::new(i2r), Zeroizing::new(r2i));
    let split = SplitKeys { i2r: sessions::secret(i2r.as_slice()), r2i: sessions::secret(r2i.as_slice()) };
    let epoch = Epoch::new(0, &hash, &split, &KemSecret(notes.recall("ss")));
    notes.note("the resume secret", epoch.resume_psk().unwrap().expose());
    notes.note("the chain of epoch 0", epoch.chain().unwrap().expose());
    let keys = epoch.keys().unwrap();
    note_keys(notes, "a key of I", &keys.i2r);
    note_keys(notes, "a key of R", &keys.r2i);
}

/// The first key of a direction and those that REKEY makes of it.
fn note_keys(notes: &Notes, name: &'static str, first: &TrafficKey) {
    let mut key = Zeroizing::new(*first.expose());
    let mut cipher = Resolver::new(Secret::default()).resolve_cipher(&CipherChoice::AESGCM).unwrap();
    for _ in 0..KEYS {
        notes.note(name, key.as_slice());
        cipher.set(&key);
        let mut sealed = Zeroizing::new([0; 48]);
        cipher.encrypt(u64::MAX, &[], &[0; 32], sealed.as_mut_slice());
        key.copy_from_slice(&sealed[..32]);
    }
}

/// Where each noted secret stands in the writable memory of this process.
fn search(notes: &Notes) -> Vec<String> {
    let notes = notes.0.lock().unwrap();
    let memory = File::open("/proc/self/mem").unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut found = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    for map in maps.lines().filter(|map| map.split_whitespace().nth(1).is_some_and(|mode| mode.starts_with("rw"))) {
        let (start, end) = map.split_whitespace().next().unwrap().split_once('-').unwrap();
        let (mut at, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        while at < end {
            let wanted = buffer.len().min((end - at) as usize);
            let Ok(length) = memory.read_at(&mut buffer[..wanted], at) else { break };
            for secret in notes.iter() {
                let [a, b, ..] = secret.bytes[..] else { continue };
                let heads = buffer[..length].windows(2).enumerate().filter(|(_, head)| **head == [a ^ MASK, b ^ MASK]);
                for (place, _) in heads {
                    let here = buffer[place..length].iter().zip(&secret.bytes);
                    if here.clone().count() == secret.bytes.len()
                        && here.clone().all(|(byte, masked)| *byte == masked ^ MASK)
                    {
                        let region = map.split_whitespace().nth(5).unwrap_or("a thread's stack or heap");
                        found.push(format!("{} at {:#x} in {region}", secret.name, at + place as u64));
                    }
                }
            }
            buffer[..length].zeroize();
            // Pieces overlap, so that a secret on their border is found.
            at += if length == wanted && at + (length as u64) < end { length as u64 - 64 } else { length as u64 };
            if length == 0 {
                break;
            }
        }
    }
    found
}

#[test]
#[cfg_attr(debug_assertions, ignore = "the debug profile keeps copies: cargo test --release --test residue")]
fn no_key_and_no_text_is_left_in_memory_after_a_session() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let notes = Notes::default();
    let control = OsRandom.secret().unwrap();
    notes.note("the control", control.expose());
    let found = search(&notes);
    assert!(!found.is_empty(), "the search does not find what is there");
    drop(control);
    assert_eq!(search(&notes), Vec::<String>::new(), "a dropped secret");

    let wire = connection(&notes);
    scrub_stack();
    let found = search(&notes);
    assert_eq!(found, Vec::<String>::new());

    note_traffic_keys(&notes, &wire);
    scrub_stack();
    // The control; static keys; what both sides drew, three times; ML-KEM, three times; texts; secrets of epoch 0.
    assert_eq!(notes.0.lock().unwrap().len(), 1 + 2 + (4 + 2 + 4) + 3 + 4 + 2 + 2 * KEYS);
    assert_eq!(search(&notes), Vec::<String>::new());
}

/// A line typed, cut, put back, entered and recalled over a draft that was pasted.
#[inline(never)]
fn write(notes: &Notes) {
    let (mut editor, mut recall) = (Editor::new(1_000), Recall::default());
    let line = text(notes, "a line that was entered");
    assert!((0..line.len()).all(|at| editor.insert(&line[at..=at])));
    [Edit::CutHome, Edit::PutBack, Edit::Undo, Edit::Redo].into_iter().for_each(|edit| editor.edit(edit));
    recall.remember(editor.take());
    let draft = text(notes, "a draft");
    assert!(editor.paste(&draft));
    recall.move_to(true, &mut editor);
    assert_eq!(editor.text(), *line);
    recall.move_to(false, &mut editor);
    assert_eq!(editor.text(), *draft);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "the debug profile keeps copies: cargo test --release --test residue")]
fn no_line_that_was_written_is_left_in_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let notes = Notes::default();
    write(&notes);
    scrub_stack();
    assert_eq!(notes.0.lock().unwrap().len(), 2);
    assert_eq!(search(&notes), Vec::<String>::new());
}
