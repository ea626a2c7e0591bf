//! One whole connection with fixed keys, made by an independent implementation:
//! every record of both sides and every key, byte for byte.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::sessions::{Pair, secret};
use serde_json::Value;
use tete::protocol::epoch::Chain;
use tete::protocol::error::Error;
use tete::protocol::frame::{Farewell, Frame, LARGE_FRAME, SMALL_FRAME};
use tete::protocol::handshake::{Established, Initiator, Mode, Responder, SUITE, SharedSecret};
use tete::protocol::keys::{
    Commitment, Epoch, HandshakeHash, InviteSecret, KemSecret, PairingNonce, Secret, SplitKeys, StaticKey,
};
use tete::protocol::pairing::Verdict;
use tete::protocol::random::{CIPHERTEXT, Decapsulate, ENCAPSULATION_KEY, Randomness};
use tete::protocol::record::HEADER;
use tete::protocol::resolver::Resolver;
use tete::protocol::session::{Event, Role, Session, Settings, Stage};

fn vector() -> Value {
    serde_json::from_str(include_str!("../vectors/tete1-pair.json")).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap().as_bytes();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Draws the given secrets in order; ML-KEM gives the key, ciphertext and secret of the vector.
struct Scripted {
    secrets: VecDeque<Vec<u8>>,
    kem: VecDeque<Value>,
}

impl Scripted {
    fn new(vector: &Value, side: &str) -> Box<Self> {
        let names = [format!("e_{side}"), format!("n_{side}"), format!("e_{side}_1")];
        let secrets = names.map(|name| hex(&vector["inputs"][name])).into();
        Box::new(Self { secrets, kem: vector["kem"].as_array().unwrap().clone().into() })
    }
}

impl Randomness for Scripted {
    fn secret(&mut self) -> Result<Secret, Error> {
        Ok(secret(&self.secrets.pop_front().unwrap()))
    }

    fn kem_pair(&mut self) -> Result<([u8; ENCAPSULATION_KEY], Box<dyn Decapsulate>), Error> {
        let known = self.kem.pop_front().unwrap();
        Ok((hex(&known["ek"]).try_into().unwrap(), Box::new(Known(known))))
    }

    fn encapsulate(&mut self, key: &[u8; ENCAPSULATION_KEY]) -> Result<([u8; CIPHERTEXT], KemSecret), Error> {
        let known = self.kem.pop_front().unwrap();
        assert_eq!(key.as_slice(), hex(&known["ek"]));
        Ok((hex(&known["ct"]).try_into().unwrap(), KemSecret(secret(&hex(&known["ss"])))))
    }
}

struct Known(Value);

impl Decapsulate for Known {
    fn decapsulate(self: Box<Self>, ciphertext: &[u8; CIPHERTEXT]) -> Result<KemSecret, Error> {
        assert_eq!(ciphertext.as_slice(), hex(&self.0["ct"]));
        Ok(KemSecret(secret(&hex(&self.0["ss"]))))
    }
}

/// Both sides with the vector's keys, after its six records up to the open room; every record is compared.
fn open_room(vector: &Value) -> (Pair, VecDeque<(Role, Vec<u8>)>) {
    let mode = |name: &str| Mode::Pair(Arc::new(StaticKey::new(secret(&hex(&vector["inputs"][name]))).unwrap()));
    let now = Duration::ZERO;
    let i = Session::initiate(mode("s_I"), Scripted::new(vector, "I"), Settings::default(), now).unwrap();
    let r = Session::respond(mode("s_R"), Scripted::new(vector, "R"), Settings::default(), now);
    let mut pair = Pair::of(i, r, now);
    let role = |record: &Value| if record["side"] == "I" { Role::Initiator } else { Role::Responder };
    let records = vector["records"].as_array().unwrap();
    let mut records: VecDeque<_> = records.iter().map(|record| (role(record), hex(&record["hex"]))).collect();
    for _ in 0..4 {
        exchange(&mut pair, &mut records);
        pair.r.session.admit();
    }
    for (code, digits) in [("code_i", pair.i.session.code()), ("code_r", pair.r.session.code())] {
        let own = digits.unwrap().own.to_string().replace(' ', "");
        assert_eq!(own, vector["epoch_0"][code].as_str().unwrap());
    }
    let halves = [&pair.i, &pair.r].map(|side| side.session.code().unwrap().own.to_string());
    assert_eq!(pair.i.session.enter(&halves[1]), Some(Verdict::Right));
    assert_eq!(pair.r.session.enter(&halves[0]), Some(Verdict::Right));
    exchange(&mut pair, &mut records);
    exchange(&mut pair, &mut records);
    assert_eq!(pair.stages(), (Stage::Open, Stage::Open));
    (pair, records)
}

/// The side whose turn it is sends exactly the next record of the vector, and the other takes it.
fn exchange(pair: &mut Pair, records: &mut VecDeque<(Role, Vec<u8>)>) {
    let (role, expected) = records.pop_front().unwrap();
    let now = pair.now;
    let sent = pair.side(role).session.transmit(now).unwrap().unwrap();
    assert!(sent.as_slice() == expected, "another record than the vector's, {} before its end", records.len());
    let other = if role == Role::Initiator { Role::Responder } else { Role::Initiator };
    pair.side(other).take(&expected, now);
    assert_eq!(pair.side(other).error, None);
}

#[test]
fn every_record_is_the_vectors_through_an_epoch_change() {
    let (mut pair, mut records) = open_room(&vector());
    pair.say(Role::Initiator, "你好 🙂");
    exchange(&mut pair, &mut records);
    exchange(&mut pair, &mut records);
    pair.say(Role::Responder, "回信 🙂");
    exchange(&mut pair, &mut records);
    exchange(&mut pair, &mut records);
    assert_eq!((pair.i.shown, pair.r.shown), (1, 1));
    assert!(pair.i.session.change_epoch());
    for _ in 0..3 {
        exchange(&mut pair, &mut records);
    }
    assert_eq!([&pair.i, &pair.r].map(|side| side.session.epoch().unwrap().0), [1, 1]);
    pair.say(Role::Initiator, "epoch one");
    let (_, record) = records.pop_front().unwrap();
    assert!(pair.i.session.transmit(pair.now).unwrap().unwrap().as_slice() == record);
    // In the vector the responder leaves without a receipt for it.
    pair.r.session.receive(&mut record.as_slice(), pair.now).unwrap();
    let Some(Event::Text(last)) = pair.r.session.event() else { panic!("not a text") };
    pair.r.session.leave(Farewell::Done);
    exchange(&mut pair, &mut records);
    assert!(records.is_empty() && pair.i.left == Some(Farewell::Done));
    assert_eq!((pair.r.texts, pair.i.texts), (vec!["你好 🙂".to_owned()], vec!["回信 🙂".to_owned()]));
    assert_eq!(last.text.as_str(), "epoch one");
}

#[test]
fn the_commitment_is_the_vectors() {
    let vector = vector();
    let key = StaticKey::new(secret(&hex(&vector["inputs"]["s_R"]))).unwrap();
    let nonce = PairingNonce(secret(&hex(&vector["inputs"]["n_R"])));
    assert_eq!(Commitment::new(key.public(), &nonce).0.as_slice(), hex(&vector["epoch_0"]["commit"]));
}

/// The responder's side of the handshake, by hand, with the primitives the sessions use.
#[test]
fn every_key_of_the_first_epoch_is_the_vectors() {
    let vector = vector();
    let inputs = &vector["inputs"];
    let record = |n: usize| hex(&vector["records"][n]["hex"])[HEADER..].to_vec();
    let (static_key, first) = (hex(&inputs["s_R"]), record(0));
    let prologue = [b"tete/1 prologue\0", &first[..8]].concat();
    let resolver = Resolver::new(secret(&hex(&inputs["e_R"])));
    let mut noise = snow::Builder::with_resolver(SUITE.parse().unwrap(), Box::new(resolver))
        .prologue(&prologue)
        .and_then(|builder| builder.local_private_key(&static_key))
        .and_then(|builder| builder.build_responder())
        .unwrap();
    let mut buffer = [0; 2_000];
    noise.read_message(&first[8..], &mut buffer).unwrap();
    let mut payload = [hex(&vector["kem"][0]["ct"]), hex(&vector["epoch_0"]["commit"])].concat();
    payload.resize(1182, 0);
    let length = noise.write_message(&payload, &mut buffer).unwrap();
    assert_eq!(buffer[..length], record(1));
    noise.read_message(&record(2), &mut buffer).unwrap();

    let hash = HandshakeHash(noise.get_handshake_hash().try_into().unwrap());
    let (i2r, r2i) = noise.dangerously_get_raw_split();
    let split = SplitKeys { i2r: secret(&i2r), r2i: secret(&r2i) };
    let epoch = Epoch::new(0, &hash, &split, &KemSecret(secret(&hex(&vector["kem"][0]["ss"]))));
    let expected = |name: &str| hex(&vector["epoch_0"][name]);
    assert_eq!(hash.0.as_slice(), expected("h"));
    assert_eq!(epoch.chain().unwrap().expose().as_slice(), expected("chain_0"));
    assert_eq!(epoch.resume_psk().unwrap().expose().as_slice(), expected("resume_psk"));
    assert_eq!(epoch.contact_psk().unwrap().expose().as_slice(), expected("contact_psk"));
    assert_eq!(epoch.keys().unwrap().i2r.expose().as_slice(), expected("key_i2r_first"));
}

/// Both sides of a transcript's connection, I first.
struct Ends([Established; 2]);

impl Ends {
    fn new(connection: &Value, modes: [Mode; 2]) -> Self {
        let inputs = &connection["inputs"];
        let drawn = |side: &str| Scripted {
            secrets: ["e", "n"].map(|name| hex(&inputs[format!("{name}_{side}")])).into(),
            kem: [connection["results"].clone()].into(),
        };
        let records: Vec<_> = connection["handshake"].as_array().unwrap().iter().map(|one| hex(&one["hex"])).collect();
        let [mode_i, mode_r] = modes;
        let (mut random_i, mut random_r) = (drawn("I"), drawn("R"));
        let (i, first) = Initiator::start(mode_i, &mut random_i).unwrap();
        let (r, second) = Responder::accept(mode_r, &first[HEADER..], &mut random_r).unwrap();
        let (third, i) = i.finish(&second[HEADER..], &mut random_i).unwrap();
        let r = r.finish(&third[HEADER..]).unwrap();
        for (ours, theirs) in [first, second, third].iter().zip(&records) {
            assert!(ours.as_slice() == theirs, "another handshake");
        }
        assert_eq!(i.hash.0.as_slice(), hex(&connection["results"]["h"]));
        Self([i, r])
    }

    /// Seals every frame, compares its record, and lets the other side open it.
    fn play(&mut self, frames: &[Value]) {
        let mut change = None;
        let mut next = None;
        for step in frames {
            let from = usize::from(step["from"] == "R");
            let [i, r] = &mut self.0;
            let (sender, receiver) = if from == 0 { (i, r) } else { (r, i) };
            let mut plaintext = unfold(step["plaintext"].as_str().unwrap());
            let large = step["large"] == true;
            plaintext.resize(if large { LARGE_FRAME } else { SMALL_FRAME }, 0);
            let rng = |side: &str| Scripted {
                secrets: [hex(&step["inputs"][format!("e_{side}")])].into(),
                kem: [step.clone()].into(),
            };
            let frame = Frame::decode(&plaintext).unwrap();
            if let Frame::Rk1(message) = frame {
                let chain = |end: &mut Established| Chain::new(secret(end.chain.expose()), end.hash);
                let (begun, ours) = chain(sender).begin(&sender.resume, &mut rng("I")).unwrap();
                assert_eq!(ours.as_slice(), message.as_slice());
                change = Some((begun, chain(receiver).answer(&receiver.resume, message, &mut rng("R")).unwrap()));
            }
            let mut record = Vec::new();
            if large {
                sender.channel.seal_data(&frame, true, &mut record).unwrap();
            } else {
                record.extend_from_slice(sender.channel.seal(&frame).unwrap().as_slice());
            }
            let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &record);
            assert_eq!(hash.as_ref(), hex(&step["sha256"]), "{}", step["plaintext"]);
            if step["lost"] == true {
                continue;
            }
            assert_eq!(receiver.channel.open(&record[HEADER..]).unwrap(), frame);
            match frame {
                Frame::Rk2(message) => {
                    let (begun, (answer, at_r)) = change.take().unwrap();
                    assert_eq!(answer.as_slice(), message.as_slice());
                    let at_i = begun.finish(message).unwrap();
                    assert_eq!(at_i.chain.number(), 1);
                    sender.channel.switch_sending(&at_r.keys);
                    receiver.channel.switch_receiving(&at_i.keys);
                    sender.resume = Arc::new(sender.resume.renewed(at_r.resume_psk));
                    receiver.resume = Arc::new(receiver.resume.renewed(at_i.resume_psk));
                    next = Some((at_i.keys, at_r.keys));
                }
                Frame::Rk3 => {
                    let (keys_i, keys_r) = next.take().unwrap();
                    sender.channel.switch_sending(&keys_i);
                    receiver.channel.switch_receiving(&keys_r);
                }
                _ => {}
            }
        }
    }
}

/// Bytes in hex; `xx*N` is one byte N times.
fn unfold(text: &str) -> Vec<u8> {
    let word = |word: &str| match word.split_once('*') {
        Some((byte, count)) => hex(&byte.into()).repeat(count.parse().unwrap()),
        None => hex(&word.into()),
    };
    text.split_whitespace().flat_map(word).collect()
}

#[test]
fn every_record_of_the_transcripts_is_ours_in_each_mode() {
    for (text, connections) in [
        (include_str!("../vectors/tete1-secret.json"), 1),
        (include_str!("../vectors/tete1-resume.json"), 3),
        (include_str!("../vectors/tete1-files.json"), 2),
    ] {
        let transcript: Value = serde_json::from_str(text).unwrap();
        let keys =
            ["s_I", "s_R"].map(|name| Arc::new(StaticKey::new(secret(&hex(&transcript["inputs"][name]))).unwrap()));
        let mut room = None::<[Mode; 2]>;
        for connection in transcript["connections"].as_array().unwrap().iter().take(connections) {
            let modes = match connection["mode"].as_u64().unwrap() {
                0 => keys.clone().map(Mode::Pair),
                1 => keys.clone().map(|local| {
                    let invite = InviteSecret(secret(&hex(&transcript["inputs"]["invite_secret"])));
                    let psk = invite.psk().unwrap();
                    assert_eq!(psk.expose().as_slice(), hex(&connection["psk"]));
                    Mode::Secret(Arc::new(SharedSecret { psk, local }))
                }),
                _ => room.take().unwrap(),
            };
            let mut ends = Ends::new(connection, modes);
            ends.play(connection["frames"].as_array().unwrap());
            room = Some([0, 1].map(|end| Mode::Resume(ends.0[end].resume.clone())));
        }
    }
}
