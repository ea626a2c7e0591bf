//! A peer made by hand: after an honest handshake it seals any plaintext, right or wrong.
#![allow(dead_code)]

use std::sync::Arc;
use std::time::Duration;

use snow::{Builder, HandshakeState, TransportState};
use tete::protocol::frame::SMALL_FRAME;
use tete::protocol::handshake::SUITE;
use tete::protocol::keys::{
    Commitment, Epoch, HandshakeHash, KemSecret, PairingNonce, PublicKey, Secret, SplitKeys, StaticKey,
};
use tete::protocol::random::{OsRandom, Randomness as _};
use tete::protocol::record::{HEADER, SMALL_BODY};
use tete::protocol::resolver::Resolver;
use tete::protocol::session::{Role, Session, Stage};

use super::common::{CONFIRMATION, Side, secret, static_key};

const PREFACE: [u8; 8] = *b"TETE\x01\0\0\0";
const TAG: usize = 16;

/// The peer's end of an encrypted channel.
pub struct RawPeer {
    noise: TransportState,
}

impl RawPeer {
    /// A peer and the session of the given role, both with the code and nothing confirmed.
    pub fn confirming(role: Role, now: Duration) -> (Self, Side) {
        let (mut peer, mut side, opening) = Self::established(role, now);
        match opening {
            Some(nonce) => side.take(&peer.seal(&frame(0x01, &nonce)), now),
            None => {
                side.session.admit();
                side.drain(now);
                assert_eq!(peer.open(&side.sent.pop_front().unwrap())[..3], [0x01, 0, 32]);
            }
        }
        assert_eq!((side.error, side.session.stage(), side.sent.len()), (None, Stage::Confirming, 0));
        (peer, side)
    }

    /// The same after the session's own user has checked the code and its VERIFIED is out.
    pub fn confirmed(role: Role, now: Duration) -> (Self, Side) {
        let (mut peer, mut side) = Self::confirming(role, now);
        side.session.compared(true);
        assert_eq!(peer.said(&mut side, now), [frame(0x02, &[])]);
        (peer, side)
    }

    /// The same in an open room.
    pub fn opened(role: Role, now: Duration) -> (Self, Side) {
        let (mut peer, mut side) = Self::confirmed(role, now);
        side.take(&peer.seal(&frame(0x02, &[])), now);
        assert_eq!((side.error, side.session.stage()), (None, Stage::Open));
        (peer, side)
    }

    /// After the three records of the handshake; for an initiator also the nonce that it waits for.
    pub fn established(role: Role, now: Duration) -> (Self, Side, Option<[u8; 32]>) {
        let private = OsRandom.secret().unwrap();
        let public = StaticKey::new(secret(private.expose())).unwrap().public();
        let session = match role {
            Role::Initiator => Session::initiate(&static_key(), Box::new(OsRandom), CONFIRMATION, now).unwrap(),
            Role::Responder => Session::respond(Arc::new(static_key()), Box::new(OsRandom), CONFIRMATION, now),
        };
        let mut side = Side::new(session);
        let (peer, nonce) = match role {
            Role::Initiator => {
                let (peer, nonce) = Self::respond(&mut side, &private, public, now);
                (peer, Some(nonce))
            }
            Role::Responder => (Self::initiate(&mut side, &private, now), None),
        };
        assert_eq!((side.error, side.session.stage()), (None, Stage::Established));
        (peer, side, nonce)
    }

    fn respond(side: &mut Side, private: &Secret, public: PublicKey, now: Duration) -> (Self, [u8; 32]) {
        let mut noise = noise(private, |builder| builder.build_responder());
        side.drain(now);
        let first = side.sent.pop_front().unwrap();
        let ek = read(&mut noise, &first[HEADER + PREFACE.len()..]);
        let (ciphertext, shared) = OsRandom.encapsulate(ek[..1184].try_into().unwrap()).unwrap();
        let nonce = PairingNonce(OsRandom.secret().unwrap());
        let commitment = Commitment::new(public, &nonce);
        side.take(&write(&mut noise, &[], &[&ciphertext, &commitment.0[..]].concat(), 1182), now);
        side.drain(now);
        read(&mut noise, &side.sent.pop_front().unwrap()[HEADER..]);
        (Self::new(noise, &shared), *nonce.0.expose())
    }

    fn initiate(side: &mut Side, private: &Secret, now: Duration) -> Self {
        let mut noise = noise(private, |builder| builder.build_initiator());
        let (ek, decapsulate) = OsRandom.kem_pair().unwrap();
        side.take(&write(&mut noise, &PREFACE, &ek, 1238), now);
        side.drain(now);
        let payload = read(&mut noise, &side.sent.pop_front().unwrap()[HEADER..]);
        let shared = decapsulate.decapsulate(payload[..1088].try_into().unwrap()).unwrap();
        side.take(&write(&mut noise, &[], &[0x17; 32], 1214), now);
        Self::new(noise, &shared)
    }

    fn new(mut noise: HandshakeState, shared: &KemSecret) -> Self {
        let hash = HandshakeHash(noise.get_handshake_hash().try_into().unwrap());
        let (i2r, r2i) = noise.dangerously_get_raw_split();
        let split = SplitKeys { i2r: secret(&i2r), r2i: secret(&r2i) };
        let epoch = Epoch::new(0, &hash, &split, shared);
        let (i2r, r2i) = (epoch.key_i2r().unwrap(), epoch.key_r2i().unwrap());
        let mut noise = noise.into_transport_mode().unwrap();
        noise.rekey_manually(Some(i2r.expose()), Some(r2i.expose()));
        Self { noise }
    }

    /// The record around any plaintext.
    pub fn seal(&mut self, plaintext: &[u8]) -> Vec<u8> {
        let length = plaintext.len() + TAG;
        let mut record = vec![0; HEADER + length];
        record[..HEADER].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        assert_eq!(self.noise.write_message(plaintext, &mut record[HEADER..]).unwrap(), length);
        self.noise.rekey_outgoing();
        record
    }

    /// The plaintext of a small record.
    pub fn open(&mut self, record: &[u8]) -> Vec<u8> {
        let mut plaintext = vec![0; SMALL_FRAME];
        assert_eq!(self.noise.read_message(&record[HEADER..], &mut plaintext).unwrap(), SMALL_FRAME);
        self.noise.rekey_incoming();
        plaintext
    }

    /// Every frame that the session has to say now, with its padding.
    pub fn said(&mut self, side: &mut Side, now: Duration) -> Vec<Vec<u8>> {
        side.drain(now);
        side.sent.drain(..).map(|record| self.open(&record)).collect()
    }
}

/// The plaintext of a small record with one frame in it.
pub fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
    padded(kind, content.len(), content, SMALL_FRAME)
}

/// A plaintext of `size` bytes whose length field says whatever it is told to.
pub fn padded(kind: u8, length: usize, content: &[u8], size: usize) -> Vec<u8> {
    let length = u16::try_from(length).unwrap().to_be_bytes();
    let mut plaintext = [&[kind], &length[..], content].concat();
    assert!(plaintext.len() <= size);
    plaintext.resize(size, 0);
    plaintext
}

/// A part of a text.
pub fn text(id: u32, flags: u8, part: &[u8]) -> Vec<u8> {
    frame(0x03, &[&id.to_be_bytes()[..], &[0, 0, 0, 0, flags], part].concat())
}

fn noise(
    private: &Secret,
    build: impl FnOnce(Builder<'_>) -> Result<HandshakeState, snow::Error>,
) -> HandshakeState {
    let prologue = [&b"tete/1 prologue\0"[..], &PREFACE].concat();
    let resolver = Resolver::new(OsRandom.secret().unwrap());
    Builder::with_resolver(SUITE.parse().unwrap(), Box::new(resolver))
        .prologue(&prologue)
        .and_then(|builder| builder.local_private_key(private.expose()))
        .and_then(build)
        .unwrap()
}

fn write(noise: &mut HandshakeState, preface: &[u8], payload: &[u8], length: usize) -> Vec<u8> {
    let mut padded = payload.to_vec();
    padded.resize(length, 0);
    let mut message = [0; SMALL_BODY + TAG];
    let written = noise.write_message(&padded, &mut message).unwrap();
    [&(SMALL_BODY as u16).to_be_bytes(), preface, &message[..written]].concat()
}

fn read(noise: &mut HandshakeState, message: &[u8]) -> Vec<u8> {
    let mut payload = vec![0; SMALL_BODY];
    let length = noise.read_message(message, &mut payload).unwrap();
    payload.truncate(length);
    payload
}
