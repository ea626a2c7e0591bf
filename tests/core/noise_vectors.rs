//! The published Noise test vectors of our primitives, through our resolver.
//!
//! `tests/vectors/cacophony-aesgcm-sha256.json` is the part without psk of the vectors
//! of the Haskell library cacophony, as the crate snow ships them.

use crate::sessions::secret;
use serde_json::Value;
use snow::{Builder, HandshakeState};
use tete::protocol::resolver::Resolver;

fn hex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap_or_default().as_bytes();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// One side, with the keys that the vector has for it.
fn side(vector: &Value, role: &str) -> HandshakeState {
    let of = |name: &str| hex(&vector[format!("{role}_{name}")]);
    let (prologue, private, remote) = (of("prologue"), of("static"), of("remote_static"));
    let ephemeral = Some(of("ephemeral")).filter(|key| !key.is_empty()).unwrap_or(vec![0; 32]);
    let name = vector["protocol_name"].as_str().unwrap();
    let resolver = Resolver::new(secret(&ephemeral));
    let mut builder = Builder::with_resolver(name.parse().unwrap(), Box::new(resolver)).prologue(&prologue).unwrap();
    if !private.is_empty() {
        builder = builder.local_private_key(&private).unwrap();
    }
    if !remote.is_empty() {
        builder = builder.remote_public_key(&remote).unwrap();
    }
    if role == "init" { builder.build_initiator() } else { builder.build_responder() }.unwrap()
}

#[test]
fn all_vectors_of_our_primitives_hold() {
    let file: Value = serde_json::from_str(include_str!("../vectors/cacophony-aesgcm-sha256.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 38);
    for vector in vectors {
        let name = vector["protocol_name"].as_str().unwrap();
        let (mut i, mut r) = (side(vector, "init"), side(vector, "resp"));
        let mut messages = vector["messages"].as_array().unwrap().iter();
        let (mut sealed, mut opened) = ([0; 65_535], [0; 65_535]);
        let mut from_initiator = true;
        while !(i.is_handshake_finished() && r.is_handshake_finished()) {
            let (from, to) = if from_initiator { (&mut i, &mut r) } else { (&mut r, &mut i) };
            let message = messages.next().unwrap();
            let length = from.write_message(&hex(&message["payload"]), &mut sealed).unwrap();
            assert_eq!(sealed[..length], hex(&message["ciphertext"]), "{name}");
            let length = to.read_message(&sealed[..length], &mut opened).unwrap();
            assert_eq!(opened[..length], hex(&message["payload"]), "{name}");
            from_initiator = !from_initiator;
        }
        assert_eq!(i.get_handshake_hash(), r.get_handshake_hash());
        assert_eq!(i.get_handshake_hash(), hex(&vector["handshake_hash"]), "{name}");

        let one_way = name.split('_').nth(1).is_some_and(|pattern| pattern.len() == 1);
        let (mut i, mut r) = (i.into_transport_mode().unwrap(), r.into_transport_mode().unwrap());
        for message in messages {
            let (from, to) = if from_initiator || one_way { (&mut i, &mut r) } else { (&mut r, &mut i) };
            let length = from.write_message(&hex(&message["payload"]), &mut sealed).unwrap();
            assert_eq!(sealed[..length], hex(&message["ciphertext"]), "{name}");
            let length = to.read_message(&sealed[..length], &mut opened).unwrap();
            assert_eq!(opened[..length], hex(&message["payload"]), "{name}");
            from_initiator = !from_initiator;
        }
    }
}
