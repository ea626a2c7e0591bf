//! `Noise_XX_25519_AESGCM_SHA256` with ML-KEM-768 in its payloads: three records in, [`Established`] out.
//!
//! ```text
//! I -> R   e            preface, ML-KEM encapsulation key, in clear
//! I <- R   e, ee, s, es ML-KEM ciphertext, commitment to n_R
//! I -> R   s, se        n_I
//! ```
//! A state that failed is dropped whole; nobody can feed it again, because every
//! step takes it by value.

use snow::{Builder, HandshakeState};
use zeroize::Zeroizing;

use super::channel::Channel;
use super::error::{Error, Rejection};
use super::keys::{
    Commitment, Epoch, HandshakeHash, KemSecret, PairingNonce, PublicKey, Secret, SplitKeys, StaticKey, scrub_stack,
};
use super::random::{CIPHERTEXT, Decapsulate, ENCAPSULATION_KEY, Randomness};
use super::record::{self, Record, SMALL_BODY};
use super::resolver::Resolver;

/// The Noise protocol of mode 0x00.
pub const SUITE: &str = "Noise_XX_25519_AESGCM_SHA256";
/// The one version of the wire protocol.
pub const VERSION: u8 = 1;

const MAGIC: &[u8; 4] = b"TETE";
const MODE_PAIR: u8 = 0;
const PREFACE: usize = 8;
const PREFACE_PAIR: [u8; PREFACE] = [b'T', b'E', b'T', b'E', VERSION, MODE_PAIR, 0, 0];
const PROLOGUE_LABEL: &[u8] = b"tete/1 prologue\0";
const REJECT_MARK: u8 = 0xff;
const REJECT_VERSION: u8 = 1;
const REJECT_BUSY: u8 = 2;
const CAPS: [u8; 4] = [0; 4];

const DH: usize = 32;
const TAG: usize = 16;
const MESSAGE_1: usize = SMALL_BODY - PREFACE;
const PAYLOAD_1: usize = MESSAGE_1 - DH;
const PAYLOAD_2: usize = SMALL_BODY - DH - (DH + TAG) - TAG;
const PAYLOAD_3: usize = SMALL_BODY - (DH + TAG) - TAG;
const _: () = assert!(PAYLOAD_1 == 1238 && PAYLOAD_2 == 1182 && PAYLOAD_3 == 1214);

/// What the first frame must still prove.
pub enum Opening {
    /// The initiator holds the responder's commitment.
    Committed(Commitment),
    /// The responder holds n_R.
    Nonce(PairingNonce),
}

/// A finished handshake. Nobody knows yet who is at the other end.
pub struct Established {
    /// The encrypted channel.
    pub channel: Channel,
    /// Hash of the whole handshake.
    pub hash: HandshakeHash,
    /// This side's static key.
    pub local: PublicKey,
    /// The partner's static key.
    pub remote: PublicKey,
    /// The commitment or its opening.
    pub opening: Opening,
}

/// The initiator between records 1 and 2.
pub struct Initiator {
    noise: HandshakeState,
    kem: Box<dyn Decapsulate>,
    local: PublicKey,
    ephemeral: [u8; DH],
}

impl Initiator {
    /// `-> e`
    pub fn start(key: &StaticKey, random: &mut dyn Randomness) -> Result<(Self, Record), Error> {
        let mut noise = noise(key, random.secret()?, |builder| builder.build_initiator())?;
        let (public, kem) = random.kem_pair()?;
        let mut payload = Payload::<PAYLOAD_1>::default();
        payload.put(&[&public, &CAPS]);
        let record = record::small(|body| {
            let (preface, message) = body.split_first_chunk_mut().ok_or(Error::Primitive)?;
            *preface = PREFACE_PAIR;
            write(&mut noise, &payload, message)
        })?;
        let ephemeral = ephemeral_of_record_1(&record)?;
        Ok((Self { noise, kem, local: key.public(), ephemeral }, record))
    }

    /// `<- e, ee, s, es` and `-> s, se`
    pub fn finish(mut self, body: &[u8], random: &mut dyn Randomness) -> Result<(Record, Established), Error> {
        if let Some(rejection) = read_rejection(body) {
            return Err(Error::Rejected(rejection));
        }
        let echoed = |from| body.get(from..from + DH) == Some(self.ephemeral.as_slice());
        if echoed(0) || echoed(PREFACE) {
            return Err(Error::Reflection);
        }
        let payload: Payload<PAYLOAD_2> = read(&mut self.noise, body)?;
        let (ciphertext, rest) = payload.0.split_first_chunk::<CIPHERTEXT>().ok_or(Error::Handshake)?;
        let (commitment, rest) = rest.split_first_chunk().ok_or(Error::Handshake)?;
        let commitment = Commitment(*commitment);
        check_padding(rest)?;
        let shared = self.kem.decapsulate(ciphertext)?;

        let nonce = PairingNonce(random.secret()?);
        let mut payload = Payload::<PAYLOAD_3>::default();
        payload.put(&[nonce.0.expose(), &CAPS]);
        let record = record::small(|body| write(&mut self.noise, &payload, body))?;
        let established = establish(self.noise, self.local, &shared, Opening::Committed(commitment))?;
        Ok((record, established))
    }
}

/// The responder between records 2 and 3.
pub struct Responder {
    noise: HandshakeState,
    shared: KemSecret,
    nonce: PairingNonce,
    local: PublicKey,
}

impl Responder {
    /// `-> e` and `<- e, ee, s, es`
    pub fn accept(key: &StaticKey, body: &[u8], random: &mut dyn Randomness) -> Result<(Self, Record), Error> {
        let (preface, message) = body.split_first_chunk().ok_or(Error::NotTete)?;
        check_preface(preface)?;
        let mut noise = noise(key, random.secret()?, |builder| builder.build_responder())?;
        let payload: Payload<PAYLOAD_1> = read(&mut noise, message)?;
        let (public, rest) = payload.0.split_first_chunk::<ENCAPSULATION_KEY>().ok_or(Error::Handshake)?;
        check_padding(rest)?;
        let (ciphertext, shared) = random.encapsulate(public)?;

        let nonce = PairingNonce(random.secret()?);
        let commitment = Commitment::new(key.public(), &nonce);
        let mut payload = Payload::<PAYLOAD_2>::default();
        payload.put(&[&ciphertext, &commitment.0, &CAPS]);
        let record = record::small(|body| write(&mut noise, &payload, body))?;
        Ok((Self { noise, shared, nonce, local: key.public() }, record))
    }

    /// `-> s, se`
    pub fn finish(mut self, body: &[u8]) -> Result<Established, Error> {
        let payload: Payload<PAYLOAD_3> = read(&mut self.noise, body)?;
        let (_nonce, rest) = payload.0.split_first_chunk::<32>().ok_or(Error::Handshake)?;
        check_padding(rest)?;
        establish(self.noise, self.local, &self.shared, Opening::Nonce(self.nonce))
    }
}

/// The record that refuses a caller in clear.
pub fn reject(rejection: Rejection) -> Option<Record> {
    let (reason, min, max) = match rejection {
        Rejection::Version { min, max } => (REJECT_VERSION, min, max),
        Rejection::Busy => (REJECT_BUSY, VERSION, VERSION),
        Rejection::Other(reason) => (reason, VERSION, VERSION),
    };
    record::small(|body| {
        let mut payload = Payload::<SMALL_BODY>::default();
        payload.put(&[MAGIC, &[REJECT_MARK, reason, min, max]]);
        body.copy_from_slice(payload.0.as_slice());
        Ok(())
    })
    .ok()
}

fn read_rejection(body: &[u8]) -> Option<Rejection> {
    let (preface, rest) = body.split_first_chunk::<PREFACE>()?;
    let [magic @ .., mark, reason, min, max] = *preface;
    if magic != *MAGIC || mark != REJECT_MARK || rest.iter().any(|byte| *byte != 0) {
        return None;
    }
    Some(match reason {
        REJECT_VERSION => Rejection::Version { min, max },
        REJECT_BUSY => Rejection::Busy,
        other => Rejection::Other(other),
    })
}

fn check_preface(preface: &[u8; PREFACE]) -> Result<(), Error> {
    let [magic @ .., version, mode, high, low] = *preface;
    match (magic, version, mode, [high, low]) {
        (magic, ..) if magic != *MAGIC => Err(Error::NotTete),
        (_, version, ..) if version != VERSION => Err(Error::Version(version)),
        (_, _, mode, _) if mode != MODE_PAIR => Err(Error::Mode(mode)),
        (.., [0, 0]) => Ok(()),
        _ => Err(Error::Handshake),
    }
}

/// `caps(4)`, of which no bit has a meaning yet, then zeros.
fn check_padding(rest: &[u8]) -> Result<(), Error> {
    match rest.split_first_chunk::<4>() {
        Some((_caps, zeros)) if zeros.iter().all(|byte| *byte == 0) => Ok(()),
        _ => Err(Error::Handshake),
    }
}

fn ephemeral_of_record_1(record: &Record) -> Result<[u8; DH], Error> {
    let from = record::HEADER + PREFACE;
    record.get(from..from + DH).and_then(|key| key.try_into().ok()).ok_or(Error::Primitive)
}

fn noise(
    key: &StaticKey,
    ephemeral: Secret,
    build: impl FnOnce(Builder<'_>) -> Result<HandshakeState, snow::Error>,
) -> Result<HandshakeState, Error> {
    let params = SUITE.parse().map_err(|_| Error::Primitive)?;
    let prologue = [PROLOGUE_LABEL, &PREFACE_PAIR].concat();
    Builder::with_resolver(params, Box::new(Resolver::new(ephemeral)))
        .prologue(&prologue)
        .and_then(|builder| builder.local_private_key(key.private().expose()))
        .and_then(build)
        .map_err(|_| Error::Primitive)
}

/// Zeros, over which a payload is written from the front.
struct Payload<const N: usize>(Box<Zeroizing<[u8; N]>>);

impl<const N: usize> Default for Payload<N> {
    fn default() -> Self {
        Self(Box::new(Zeroizing::new([0; N])))
    }
}

impl<const N: usize> Payload<N> {
    fn put(&mut self, parts: &[&[u8]]) {
        for (place, byte) in self.0.iter_mut().zip(parts.iter().flat_map(|part| part.iter())) {
            *place = *byte;
        }
    }
}

fn write<const N: usize>(noise: &mut HandshakeState, payload: &Payload<N>, message: &mut [u8]) -> Result<(), Error> {
    // snow asks for room for a tag even where message 1 has none.
    let mut buffer = [0; SMALL_BODY + TAG];
    let written = noise.write_message(payload.0.as_slice(), &mut buffer).map_err(|error| match error {
        // The partner's key is one of small order.
        snow::Error::Dh => Error::Handshake,
        _ => Error::Primitive,
    })?;
    if written != message.len() {
        return Err(Error::Primitive);
    }
    message.copy_from_slice(buffer.get(..written).ok_or(Error::Primitive)?);
    Ok(())
}

fn read<const N: usize>(noise: &mut HandshakeState, message: &[u8]) -> Result<Payload<N>, Error> {
    let mut payload = Payload::default();
    match noise.read_message(message, payload.0.as_mut_slice()) {
        Ok(length) if length == N => Ok(payload),
        _ => Err(Error::Handshake),
    }
}

/// The only place that takes the split keys and the partner's static key: the handshake is finished here.
fn establish(
    mut noise: HandshakeState,
    local: PublicKey,
    shared: &KemSecret,
    opening: Opening,
) -> Result<Established, Error> {
    if !noise.is_handshake_finished() {
        return Err(Error::Handshake);
    }
    let hash = HandshakeHash(noise.get_handshake_hash().try_into().map_err(|_| Error::Primitive)?);
    let remote = noise.get_remote_static().and_then(|key| key.get(..DH)?.try_into().ok()).ok_or(Error::Handshake)?;
    let remote = PublicKey(remote);
    if remote == local {
        return Err(Error::Reflection);
    }
    let split = split(&mut noise);
    let epoch = Epoch::new(0, &hash, &split, shared);
    let (i2r, r2i) = (epoch.key_i2r()?, epoch.key_r2i()?);
    let noise = noise.into_transport_mode().map_err(|_| Error::Handshake)?;
    let channel = Channel::new(noise, &i2r, &r2i);
    drop((i2r, r2i, split, epoch));
    scrub_stack();
    Ok(Established { channel, hash, local, remote, opening })
}

#[inline(never)]
fn split(noise: &mut HandshakeState) -> SplitKeys {
    let (i2r, r2i) = noise.dangerously_get_raw_split();
    let (i2r, r2i) = (Zeroizing::new(i2r), Zeroizing::new(r2i));
    let mut keys = SplitKeys { i2r: Secret::default(), r2i: Secret::default() };
    *keys.i2r.expose_mut() = *i2r;
    *keys.r2i.expose_mut() = *r2i;
    keys
}
