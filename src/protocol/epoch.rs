//! Fresh keys inside a running connection: `Noise_KKpsk0_25519_AESGCM_SHA256` with ML-KEM-768 in its payloads.
//!
//! ```text
//! I -> R   psk, e, es, ss   RK1, ML-KEM encapsulation key
//! I <- R   e, ee, se        RK2, ML-KEM ciphertext
//! I -> R                    RK3, the last frame under I's old key
//! ```
//! A stolen copy of memory is worth nothing after the next change, unless the thief
//! takes an active part in it. When a change begins, and which key holds for which
//! frame, is decided in [`session`](super::session) (docs/PROTOCOL.md, section 9).

use snow::{Builder, HandshakeState};
use zeroize::Zeroizing;

use super::error::Error;
use super::frame::{RK1, RK2};
use super::handshake::{ResumeKey, forget_psk, split};
use super::keys::{Epoch, HandshakeHash, KemSecret, Secret, TrafficKeys, scrub_stack};
use super::random::{CIPHERTEXT, Decapsulate, ENCAPSULATION_KEY, Randomness};
use super::resolver::Resolver;

/// The Noise protocol of an epoch change.
pub const SUITE: &str = "Noise_KKpsk0_25519_AESGCM_SHA256";
const PROLOGUE_LABEL: &[u8] = b"tete/1 rekey\0";

/// The state that the next epoch change starts from.
pub struct Chain {
    number: u32,
    secret: Secret,
    hash: HandshakeHash,
}

/// What an epoch change makes: the secrets of the next epoch.
pub struct Next {
    /// The state that the change after it starts from.
    pub chain: Chain,
    /// The first keys of the epoch.
    pub keys: TrafficKeys,
    /// The pre-shared key with which the partner comes back to the room.
    pub resume_psk: Secret,
}

/// An epoch change between RK1 and RK2, on the initiator's side.
pub struct Begun {
    noise: HandshakeState,
    kem: Box<dyn Decapsulate>,
    number: u32,
}

impl Chain {
    /// The chain of a fresh connection, in epoch 0.
    pub fn new(secret: Secret, hash: HandshakeHash) -> Self {
        Self { number: 0, secret, hash }
    }

    /// Number of the epoch. The first of a connection is 0.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Begins an epoch change as the initiator (`-> psk, e, es, ss`) and returns the content of RK1.
    pub fn begin(&self, keys: &ResumeKey, random: &mut dyn Randomness) -> Result<(Begun, Box<[u8; RK1]>), Error> {
        let number = self.number.checked_add(1).ok_or(Error::Exhausted)?;
        let mut noise = self.noise(number, keys, random.secret()?, |builder| builder.build_initiator())?;
        let (public, kem) = random.kem_pair()?;
        let message = write(&mut noise, &public)?;
        forget_psk(&mut noise)?;
        Ok((Begun { noise, kem, number }, message))
    }

    /// Answers RK1 as the responder (`<- e, ee, se`): returns the content of RK2, and the next epoch.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] if the message does not verify.
    pub fn answer(
        &self,
        keys: &ResumeKey,
        message: &[u8; RK1],
        random: &mut dyn Randomness,
    ) -> Result<(Box<[u8; RK2]>, Next), Error> {
        let number = self.number.checked_add(1).ok_or(Error::Exhausted)?;
        let mut noise = self.noise(number, keys, random.secret()?, |builder| builder.build_responder())?;
        let public: [u8; ENCAPSULATION_KEY] = read(&mut noise, message)?;
        forget_psk(&mut noise)?;
        let (ciphertext, shared) = random.encapsulate(&public)?;
        let answer = write(&mut noise, &ciphertext)?;
        Ok((answer, next(noise, number, &shared)?))
    }

    fn noise(
        &self,
        number: u32,
        keys: &ResumeKey,
        ephemeral: Secret,
        build: impl FnOnce(Builder<'_>) -> Result<HandshakeState, snow::Error>,
    ) -> Result<HandshakeState, Error> {
        let params = SUITE.parse().map_err(|_| Error::Primitive)?;
        let prologue = [PROLOGUE_LABEL, &number.to_be_bytes(), &self.hash.0].concat();
        let remote = keys.keys().remote;
        Builder::with_resolver(params, Box::new(Resolver::new(ephemeral)))
            .prologue(&prologue)
            .and_then(|builder| builder.local_private_key(keys.local().private().expose()))
            .and_then(|builder| builder.remote_public_key(&remote.0))
            .and_then(|builder| builder.psk(0, self.secret.expose()))
            .and_then(build)
            .map_err(|_| Error::Primitive)
    }
}

impl Begun {
    /// Reads RK2 and returns the next epoch.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] if the message does not verify.
    pub fn finish(mut self, message: &[u8; RK2]) -> Result<Next, Error> {
        let ciphertext: [u8; CIPHERTEXT] = read(&mut self.noise, message)?;
        let shared = self.kem.decapsulate(&ciphertext)?;
        next(self.noise, self.number, &shared)
    }
}

fn next(mut noise: HandshakeState, number: u32, shared: &KemSecret) -> Result<Next, Error> {
    if !noise.is_handshake_finished() {
        return Err(Error::Handshake);
    }
    let hash = HandshakeHash(noise.get_handshake_hash().try_into().map_err(|_| Error::Primitive)?);
    let epoch = Epoch::new(number, &hash, &split(&mut noise), shared);
    let chain = Chain { number, secret: epoch.chain()?, hash };
    let next = Next { chain, keys: epoch.keys()?, resume_psk: epoch.resume_psk()? };
    drop((noise, epoch));
    scrub_stack();
    Ok(next)
}

fn write<const N: usize>(noise: &mut HandshakeState, payload: &[u8]) -> Result<Box<[u8; N]>, Error> {
    let mut message = Box::new([0; N]);
    match noise.write_message(payload, message.as_mut_slice()) {
        Ok(length) if length == N => Ok(message),
        _ => Err(Error::Primitive),
    }
}

fn read<const N: usize>(noise: &mut HandshakeState, message: &[u8]) -> Result<[u8; N], Error> {
    let mut payload = Zeroizing::new([0; RK1]);
    match noise.read_message(message, payload.as_mut_slice()) {
        Ok(length) if length == N => payload.first_chunk().copied().ok_or(Error::Handshake),
        _ => Err(Error::Handshake),
    }
}
