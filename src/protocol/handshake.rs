//! The handshake: Noise XX with ML-KEM-768 in its payloads, three records that lead to [`Established`]
//! (docs/PROTOCOL.md, sections 3 and 4).
//!
//! ```text
//! I -> R   [psk] e      preface, ML-KEM encapsulation key; in clear without a psk
//! I <- R   e, ee, s, es ML-KEM ciphertext, commitment to n_R
//! I -> R   s, se        n_I
//! ```
//! Two strangers have no pre-shared key (psk) and check a code afterwards. Two who
//! share an invite derive a psk from it, and the two of an open room have one from
//! its first handshake; nobody else can finish a handshake with them.
//!
//! Every step takes the state by value, so that a state that failed is dropped whole
//! and cannot be given another message.

use std::sync::Arc;

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

/// Name of the Noise protocol in mode 0x00.
pub const SUITE: &str = "Noise_XX_25519_AESGCM_SHA256";
/// Name of the Noise protocol in modes 0x01 and 0x02.
pub const SUITE_PSK: &str = "Noise_XXpsk0_25519_AESGCM_SHA256";
/// Version of the wire protocol.
pub const VERSION: u8 = 1;

const MAGIC: &[u8; 4] = b"TETE";
const MODE_PAIR: u8 = 0;
const MODE_SECRET: u8 = 1;
const MODE_RESUME: u8 = 2;
const PREFACE: usize = 8;
const PROLOGUE_LABEL: &[u8] = b"tete/1 prologue\0";
const REJECT_MARK: u8 = 0xff;
const REJECT_VERSION: u8 = 1;
const REJECT_BUSY: u8 = 2;
const CAPS: [u8; 4] = [0; 4];

const DH: usize = 32;
const TAG: usize = 16;
const MESSAGE_1: usize = SMALL_BODY - PREFACE;
const PAYLOAD_1: usize = MESSAGE_1 - DH;
const PAYLOAD_1_PSK: usize = PAYLOAD_1 - TAG;
const PAYLOAD_2: usize = SMALL_BODY - DH - (DH + TAG) - TAG;
const PAYLOAD_3: usize = SMALL_BODY - (DH + TAG) - TAG;
const _: () = assert!(PAYLOAD_1 == 1238 && PAYLOAD_1_PSK == 1222 && PAYLOAD_2 == 1182 && PAYLOAD_3 == 1214);

/// How the two sides know each other before the handshake. Both must use the same mode.
#[derive(Clone)]
pub enum Mode {
    /// Mode 0x00: not at all. The two people check a pairing code after the handshake. Holds this side's static key.
    Pair(Arc<StaticKey>),
    /// Mode 0x01: by a secret that was handed over. Checking a code is optional.
    Secret(Arc<SharedSecret>),
    /// Mode 0x02: as the two of an open room whose connection was lost.
    Resume(Arc<ResumeKey>),
}

/// The keys for a handshake in mode 0x01.
pub struct SharedSecret {
    /// The pre-shared key that was derived from the secret.
    pub psk: Secret,
    /// This side's static key.
    pub local: Arc<StaticKey>,
}

/// The keys for a handshake in mode 0x02: the room's pre-shared key, and the static keys of both sides.
pub struct ResumeKey {
    psk: Secret,
    local: Arc<StaticKey>,
    remote: PublicKey,
}

impl ResumeKey {
    /// The static public keys of both sides.
    pub fn keys(&self) -> Keys {
        Keys { local: self.local.public(), remote: self.remote }
    }

    pub(super) fn local(&self) -> &StaticKey {
        &self.local
    }

    /// The keys with another pre-shared key of the same room.
    pub fn renewed(&self, psk: Secret) -> Self {
        Self { psk, local: self.local.clone(), remote: self.remote }
    }
}

/// The static public keys of both sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keys {
    /// The static key of this side.
    pub local: PublicKey,
    /// The static key of the partner.
    pub remote: PublicKey,
}

impl Mode {
    fn number(&self) -> u8 {
        match self {
            Self::Pair(_) => MODE_PAIR,
            Self::Secret(_) => MODE_SECRET,
            Self::Resume(_) => MODE_RESUME,
        }
    }

    fn preface(&self) -> [u8; PREFACE] {
        let [a, b, c, d] = *MAGIC;
        [a, b, c, d, VERSION, self.number(), 0, 0]
    }

    fn key(&self) -> &Arc<StaticKey> {
        match self {
            Self::Pair(key) => key,
            Self::Secret(shared) => &shared.local,
            Self::Resume(resume) => &resume.local,
        }
    }
}

/// Whether a record 1 names mode 0x02 in its preface. Nothing is verified.
pub fn asks_to_resume(record: &Record) -> bool {
    let from = record::HEADER + MAGIC.len() + 1;
    record.get(from) == Some(&MODE_RESUME)
}

/// This side's part in the opening of n_R, which is the first frame after the handshake.
pub enum Opening {
    /// The initiator has the responder's commitment, which the opened nonce must match.
    Committed(Commitment),
    /// The responder has n_R, which it opens.
    Nonce(PairingNonce),
}

/// How the two sides of a finished handshake know each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// Not at all. The two people must check a code.
    No,
    /// By a secret that was handed over.
    Secret,
    /// As the two of an open room.
    Room,
}

/// A finished handshake. In mode 0x00 it proves nothing yet about who is at the other end.
pub struct Established {
    /// The encrypted channel.
    pub channel: Channel,
    /// Hash of the whole handshake.
    pub hash: HandshakeHash,
    /// Pre-shared key of the first epoch change.
    pub chain: Secret,
    /// Lets the room outlive this connection.
    pub resume: Arc<ResumeKey>,
    /// The responder's commitment, or the nonce that opens it.
    pub opening: Opening,
    /// How the two sides know each other.
    pub known: Known,
}

/// The initiator between records 1 and 2.
pub struct Initiator {
    noise: HandshakeState,
    kem: Box<dyn Decapsulate>,
    mode: Mode,
    ephemeral: [u8; DH],
}

impl Initiator {
    /// Begins a handshake (`-> e`) and returns record 1.
    ///
    /// # Errors
    ///
    /// [`Error::Primitive`] if no key can be made.
    pub fn start(mode: Mode, random: &mut dyn Randomness) -> Result<(Self, Record), Error> {
        let mut noise = noise(&mode, random.secret()?, |builder| builder.build_initiator())?;
        let (public, kem) = random.kem_pair()?;
        let record = record::small(|body| {
            let (preface, message) = body.split_first_chunk_mut().ok_or(Error::Primitive)?;
            *preface = mode.preface();
            let content: [&[u8]; 2] = [&public, &CAPS];
            match mode {
                Mode::Pair(_) => write(&mut noise, &Payload::<PAYLOAD_1>::of(&content), message),
                Mode::Secret(_) | Mode::Resume(_) => {
                    write(&mut noise, &Payload::<PAYLOAD_1_PSK>::of(&content), message)
                }
            }
        })?;
        forget_psk(&mut noise)?;
        let ephemeral = ephemeral(&record).ok_or(Error::Primitive)?;
        Ok((Self { noise, kem, mode, ephemeral }, record))
    }

    /// Reads the body of record 2 (`<- e, ee, s, es`) and returns record 3 (`-> s, se`) and the result.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] if the body is a refusal in clear, [`Error::Reflection`] if it holds a key of this side,
    /// [`Error::OtherPartner`] in mode 0x02 if the static key is not the partner's, and [`Error::Handshake`] if
    /// anything else does not verify.
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
        let payload = Payload::<PAYLOAD_3>::of(&[nonce.0.expose(), &CAPS]);
        let record = record::small(|body| write(&mut self.noise, &payload, body))?;
        let established = establish(self.noise, self.mode, &shared, Opening::Committed(commitment))?;
        Ok((record, established))
    }
}

/// The responder between records 2 and 3.
pub struct Responder {
    noise: HandshakeState,
    shared: KemSecret,
    nonce: PairingNonce,
    mode: Mode,
}

impl Responder {
    /// Reads the body of record 1 (`-> e`) and returns record 2 (`<- e, ee, s, es`).
    ///
    /// # Errors
    ///
    /// [`Error::NotTete`], [`Error::Version`] and [`Error::Mode`] for a preface that is not the expected one,
    /// [`Error::Handshake`] if anything else does not verify.
    pub fn accept(mode: Mode, body: &[u8], random: &mut dyn Randomness) -> Result<(Self, Record), Error> {
        let (preface, message) = body.split_first_chunk().ok_or(Error::NotTete)?;
        check_preface(preface, &mode)?;
        let mut noise = noise(&mode, random.secret()?, |builder| builder.build_responder())?;
        let (ciphertext, shared) = match mode {
            Mode::Pair(_) => answer(&read::<PAYLOAD_1>(&mut noise, message)?, random)?,
            Mode::Secret(_) | Mode::Resume(_) => answer(&read::<PAYLOAD_1_PSK>(&mut noise, message)?, random)?,
        };
        forget_psk(&mut noise)?;

        let nonce = PairingNonce(random.secret()?);
        let commitment = Commitment::new(mode.key().public(), &nonce);
        let payload = Payload::<PAYLOAD_2>::of(&[&ciphertext, &commitment.0, &CAPS]);
        let record = record::small(|body| write(&mut noise, &payload, body))?;
        Ok((Self { noise, shared, nonce, mode }, record))
    }

    /// Reads the body of record 3 (`-> s, se`) and returns the result.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`], and [`Error::Reflection`] and [`Error::OtherPartner`] as
    /// [`Initiator::finish`].
    pub fn finish(mut self, body: &[u8]) -> Result<Established, Error> {
        let payload: Payload<PAYLOAD_3> = read(&mut self.noise, body)?;
        let (_nonce, rest) = payload.0.split_first_chunk::<32>().ok_or(Error::Handshake)?;
        check_padding(rest)?;
        establish(self.noise, self.mode, &self.shared, Opening::Nonce(self.nonce))
    }
}

/// Encapsulates a shared secret for the key in the payload of record 1.
fn answer<const N: usize>(
    payload: &Payload<N>,
    random: &mut dyn Randomness,
) -> Result<([u8; CIPHERTEXT], KemSecret), Error> {
    let (public, rest) = payload.0.split_first_chunk::<ENCAPSULATION_KEY>().ok_or(Error::Handshake)?;
    check_padding(rest)?;
    random.encapsulate(public)
}

/// Makes the record that refuses a caller in clear, in place of record 2.
pub fn reject(rejection: Rejection) -> Option<Record> {
    let (reason, min, max) = match rejection {
        Rejection::Version { min, max } => (REJECT_VERSION, min, max),
        Rejection::Busy => (REJECT_BUSY, VERSION, VERSION),
        Rejection::Other(reason) => (reason, VERSION, VERSION),
    };
    record::small(|body| {
        let payload = Payload::<SMALL_BODY>::of(&[MAGIC, &[REJECT_MARK, reason, min, max]]);
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

fn check_preface(preface: &[u8; PREFACE], expected: &Mode) -> Result<(), Error> {
    let [magic @ .., version, mode, high, low] = *preface;
    match (magic, version, mode, [high, low]) {
        (magic, ..) if magic != *MAGIC => Err(Error::NotTete),
        // Only a listener for strangers says which versions there are.
        (_, version, ..) if version != VERSION => Err(match expected {
            Mode::Pair(_) => Error::Version(version),
            Mode::Secret(_) | Mode::Resume(_) => Error::NotTete,
        }),
        (_, _, mode, _) if mode != expected.number() => Err(Error::Mode(mode)),
        (.., [0, 0]) => Ok(()),
        _ => Err(Error::Handshake),
    }
}

/// Checks the end of a payload: `caps(4)`, of which no bit has a meaning yet, then zeros.
fn check_padding(rest: &[u8]) -> Result<(), Error> {
    match rest.split_first_chunk::<4>() {
        Some((_caps, zeros)) if zeros.iter().all(|byte| *byte == 0) => Ok(()),
        _ => Err(Error::Handshake),
    }
}

/// Reads the ephemeral public key of a record 1 as it is on the wire. Nothing is verified.
pub fn ephemeral(record: &Record) -> Option<[u8; DH]> {
    let from = record::HEADER + PREFACE;
    record.get(from..from + DH)?.try_into().ok()
}

fn noise(
    mode: &Mode,
    ephemeral: Secret,
    build: impl FnOnce(Builder<'_>) -> Result<HandshakeState, snow::Error>,
) -> Result<HandshakeState, Error> {
    let (suite, psk) = match mode {
        Mode::Pair(_) => (SUITE, None),
        Mode::Secret(shared) => (SUITE_PSK, Some(shared.psk.expose())),
        Mode::Resume(resume) => (SUITE_PSK, Some(resume.psk.expose())),
    };
    let params = suite.parse().map_err(|_| Error::Primitive)?;
    let prologue = [PROLOGUE_LABEL, &mode.preface()].concat();
    Builder::with_resolver(params, Box::new(Resolver::new(ephemeral)))
        .prologue(&prologue)
        .and_then(|builder| builder.local_private_key(mode.key().private().expose()))
        .and_then(|builder| if let Some(psk) = psk { builder.psk(0, psk) } else { Ok(builder) })
        .and_then(build)
        .map_err(|_| Error::Primitive)
}

/// Overwrites the psk, which the first message has used up. snow would leave it in memory.
pub(super) fn forget_psk(noise: &mut HandshakeState) -> Result<(), Error> {
    noise.set_psk(0, &[0; 32]).map_err(|_| Error::Primitive)
}

/// A payload of `N` bytes, padded with zeros and wiped on drop.
struct Payload<const N: usize>(Box<Zeroizing<[u8; N]>>);

impl<const N: usize> Payload<N> {
    fn of(parts: &[&[u8]]) -> Self {
        let mut payload = Self::default();
        for (place, byte) in payload.0.iter_mut().zip(parts.iter().flat_map(|part| part.iter())) {
            *place = *byte;
        }
        payload
    }
}

impl<const N: usize> Default for Payload<N> {
    fn default() -> Self {
        Self(Box::new(Zeroizing::new([0; N])))
    }
}

fn write<const N: usize>(noise: &mut HandshakeState, payload: &Payload<N>, message: &mut [u8]) -> Result<(), Error> {
    // snow asks for space for a tag even where message 1 has none.
    let mut buffer = [0; SMALL_BODY + TAG];
    let written = noise.write_message(payload.0.as_slice(), &mut buffer).map_err(|error| match error {
        // The partner's key is a point of small order.
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

/// Derives everything from a handshake that is finished: only here is the partner's static key read, and are the split
/// keys taken.
fn establish(
    mut noise: HandshakeState,
    mode: Mode,
    shared: &KemSecret,
    opening: Opening,
) -> Result<Established, Error> {
    if !noise.is_handshake_finished() {
        return Err(Error::Handshake);
    }
    let hash = HandshakeHash(noise.get_handshake_hash().try_into().map_err(|_| Error::Primitive)?);
    let remote = noise.get_remote_static().and_then(|key| key.get(..DH)?.try_into().ok()).ok_or(Error::Handshake)?;
    let remote = PublicKey(remote);
    if remote == mode.key().public() {
        return Err(Error::Reflection);
    }
    let split = split(&mut noise);
    let epoch = Epoch::new(0, &hash, &split, shared);
    let known = match mode {
        Mode::Pair(_) => Known::No,
        Mode::Secret(_) => Known::Secret,
        Mode::Resume(_) => Known::Room,
    };
    let resume = match mode {
        Mode::Pair(local) => Arc::new(ResumeKey { psk: epoch.resume_psk()?, local, remote }),
        Mode::Secret(shared) => Arc::new(ResumeKey { psk: epoch.resume_psk()?, local: shared.local.clone(), remote }),
        Mode::Resume(resume) if resume.remote == remote => resume,
        Mode::Resume(_) => return Err(Error::OtherPartner),
    };
    let chain = epoch.chain()?;
    let noise = noise.into_transport_mode().map_err(|_| Error::Handshake)?;
    let channel = Channel::new(noise, &epoch.keys()?);
    drop((split, epoch));
    scrub_stack();
    Ok(Established { channel, hash, chain, resume, opening, known })
}

/// Takes the two split keys of a finished handshake.
#[inline(never)]
pub(super) fn split(noise: &mut HandshakeState) -> SplitKeys {
    let (i2r, r2i) = noise.dangerously_get_raw_split();
    let (i2r, r2i) = (Zeroizing::new(i2r), Zeroizing::new(r2i));
    let mut keys = SplitKeys { i2r: Secret::default(), r2i: Secret::default() };
    *keys.i2r.expose_mut() = *i2r;
    *keys.r2i.expose_mut() = *r2i;
    keys
}
