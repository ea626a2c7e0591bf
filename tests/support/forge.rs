//! Handshake messages as no honest side would send them: any payload, any public key.

use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState, TransportState};
use std::sync::atomic::{AtomicBool, Ordering};
use tete::protocol::channel::Channel;
use tete::protocol::handshake::{SUITE, SUITE_PSK};
use tete::protocol::keys::{Epoch, HandshakeHash, KemSecret, SplitKeys};
use tete::protocol::random::{CIPHERTEXT, OsRandom, Randomness as _};
use tete::protocol::record::{HEADER, SMALL_BODY};
use tete::protocol::resolver::Resolver;

use crate::sessions::secret;

/// The preface of mode 0x00.
pub const PREFACE: [u8; 8] = *b"TETE\x01\0\0\0";
/// The preface of mode 0x01.
pub const PREFACE_SECRET: [u8; 8] = *b"TETE\x01\x01\0\0";
/// The preface of mode 0x02.
pub const PREFACE_RESUME: [u8; 8] = *b"TETE\x01\x02\0\0";

/// One side of the handshake, made by hand.
pub struct Forger(HandshakeState);

impl Forger {
    /// An initiator with fixed keys.
    pub fn initiator(private: &[u8; 32], ephemeral: &[u8; 32]) -> Self {
        Self::new(private, Resolver::new(secret(ephemeral)), |builder| builder.build_initiator())
    }

    /// A responder with fixed keys.
    pub fn responder(private: &[u8; 32], ephemeral: &[u8; 32]) -> Self {
        Self::new(private, Resolver::new(secret(ephemeral)), |builder| builder.build_responder())
    }

    /// Somebody who wants to come back into a room, with this secret.
    pub fn resuming(initiator: bool, private: &[u8; 32], psk: &[u8; 32]) -> Self {
        Self::knowing(&PREFACE_RESUME, initiator, private, psk)
    }

    /// Somebody in a mode with a secret.
    pub fn knowing(preface: &[u8; 8], initiator: bool, private: &[u8; 32], psk: &[u8; 32]) -> Self {
        let prologue = [b"tete/1 prologue\0".as_slice(), preface].concat();
        let resolver = Resolver::new(OsRandom.secret().unwrap());
        let builder = Builder::with_resolver(SUITE_PSK.parse().unwrap(), Box::new(resolver));
        let builder = builder.prologue(&prologue).and_then(|builder| builder.local_private_key(private)).unwrap();
        let builder = builder.psk(0, psk).unwrap();
        Self(if initiator { builder.build_initiator() } else { builder.build_responder() }.unwrap())
    }

    /// The same, claiming a static public key that is not its own.
    pub fn claiming(initiator: bool, claim: [u8; 32]) -> Self {
        let resolver =
            Claiming { inner: Resolver::new(OsRandom.secret().unwrap()), claim, used: AtomicBool::new(false) };
        let private = random();
        if initiator {
            Self::new(&private, resolver, |builder| builder.build_initiator())
        } else {
            Self::new(&private, resolver, |builder| builder.build_responder())
        }
    }

    fn new(
        private: &[u8; 32],
        resolver: impl CryptoResolver + Send + 'static,
        build: impl FnOnce(Builder<'_>) -> Result<HandshakeState, snow::Error>,
    ) -> Self {
        let prologue = [b"tete/1 prologue\0".as_slice(), &PREFACE].concat();
        let builder = Builder::with_resolver(SUITE.parse().unwrap(), Box::new(resolver)).prologue(&prologue).unwrap();
        Self(build(builder.local_private_key(private).unwrap()).unwrap())
    }

    /// The next record, with a payload filled up with zeros to its full length.
    pub fn write(&mut self, payload: &[u8], length: usize, preface: &[u8]) -> Vec<u8> {
        let mut padded = payload.to_vec();
        padded.resize(length, 0);
        let mut message = vec![0; 2 * SMALL_BODY];
        let written = self.0.write_message(&padded, &mut message).unwrap();
        [&(SMALL_BODY as u16).to_be_bytes(), preface, &message[..written]].concat()
    }

    /// Record 1.
    pub fn record_1(&mut self, payload: &[u8]) -> Vec<u8> {
        self.write(payload, 1238, &PREFACE)
    }

    /// Record 1 of mode 0x01.
    pub fn record_1_secret(&mut self, payload: &[u8]) -> Vec<u8> {
        self.write(payload, 1222, &PREFACE_SECRET)
    }

    /// Record 1 of mode 0x02.
    pub fn record_1_resume(&mut self, payload: &[u8]) -> Vec<u8> {
        self.write(payload, 1222, &PREFACE_RESUME)
    }

    /// Record 2.
    pub fn record_2(&mut self, payload: &[u8]) -> Vec<u8> {
        self.write(payload, 1182, &[])
    }

    /// Record 3.
    pub fn record_3(&mut self, payload: &[u8]) -> Vec<u8> {
        self.write(payload, 1214, &[])
    }

    /// The payload of record 1.
    pub fn read_1(&mut self, record: &[u8]) -> Vec<u8> {
        self.read(&record[HEADER + PREFACE.len()..])
    }

    /// The payload of record 2 or 3.
    pub fn read(&mut self, message: &[u8]) -> Vec<u8> {
        let mut payload = vec![0; 2 * SMALL_BODY];
        let length = self.0.read_message(message, &mut payload).unwrap();
        payload.truncate(length);
        payload
    }

    /// The handshake hash so far.
    pub fn hash(&self) -> [u8; 32] {
        self.0.get_handshake_hash().try_into().unwrap()
    }

    /// The channel of the finished handshake.
    pub fn into_channel(mut self, shared: &KemSecret) -> Channel {
        let keys = self.epoch(shared).keys().unwrap();
        Channel::new(self.0.into_transport_mode().unwrap(), &keys)
    }

    /// The same, to be used by hand, and its keys.
    pub fn into_transport(mut self, shared: &KemSecret) -> (TransportState, Epoch) {
        let epoch = self.epoch(shared);
        let keys = epoch.keys().unwrap();
        let mut noise = self.0.into_transport_mode().unwrap();
        noise.rekey_manually(Some(keys.i2r.expose()), Some(keys.r2i.expose()));
        (noise, epoch)
    }

    fn epoch(&mut self, shared: &KemSecret) -> Epoch {
        let (i2r, r2i) = self.0.dangerously_get_raw_split();
        let split = SplitKeys { i2r: secret(&i2r), r2i: secret(&r2i) };
        Epoch::new(0, &HandshakeHash(self.hash()), &split, shared)
    }
}

/// 32 random bytes.
pub fn random() -> [u8; 32] {
    *OsRandom.secret().unwrap().expose()
}

/// An ML-KEM-768 key.
pub fn kem_key() -> Vec<u8> {
    OsRandom.kem_pair().unwrap().0.to_vec()
}

/// A ciphertext for the key in the payload of record 1, and its secret.
pub fn encapsulate(payload: &[u8]) -> ([u8; CIPHERTEXT], KemSecret) {
    OsRandom.encapsulate(payload[..1184].try_into().unwrap()).unwrap()
}

/// The ciphertext alone.
pub fn ciphertext(payload: &[u8]) -> [u8; CIPHERTEXT] {
    encapsulate(payload).0
}

/// The first key pair it hands out, the static one, tells a false public key.
struct Claiming {
    inner: Resolver,
    claim: [u8; 32],
    used: AtomicBool,
}

impl CryptoResolver for Claiming {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        self.inner.resolve_rng()
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        let inner = self.inner.resolve_dh(choice)?;
        let first = !self.used.swap(true, Ordering::Relaxed);
        Some(if first { Box::new(FalseKey { inner, claim: self.claim }) } else { inner })
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        self.inner.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        self.inner.resolve_cipher(choice)
    }
}

struct FalseKey {
    inner: Box<dyn Dh>,
    claim: [u8; 32],
}

impl Dh for FalseKey {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn pub_len(&self) -> usize {
        self.inner.pub_len()
    }

    fn priv_len(&self) -> usize {
        self.inner.priv_len()
    }

    fn set(&mut self, private: &[u8]) {
        self.inner.set(private);
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), snow::Error> {
        self.inner.generate(rng)
    }

    fn pubkey(&self) -> &[u8] {
        &self.claim
    }

    fn privkey(&self) -> &[u8] {
        self.inner.privkey()
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        self.inner.dh(public, out)
    }
}
