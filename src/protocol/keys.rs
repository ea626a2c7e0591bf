//! Every key derivation and label of the protocol, and the types that hold secrets
//! (docs/PROTOCOL.md, sections 5, 6 and 11).
//!
//! A secret is boxed, so that a move copies a pointer and not the key; it is wiped
//! on drop and has no `Debug`, `Display` or `Clone`.

use aws_lc_rs::agreement::{PrivateKey, X25519};
use aws_lc_rs::hkdf::{self, HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::{digest, hmac};
use zeroize::Zeroizing;

use super::error::Error;

const LABEL_COMMIT: &[u8] = b"tete/1 sas commit\0";
const LABEL_CODE: &[u8] = b"tete/1 sas\0";
const LABEL_KEY: &[u8] = b"tete/1 ";
const LABEL_INVITE: &[u8] = b"tete/1 invite\0";
const LABEL_INVITE_PSK: &[u8] = b"tete/1 psk\0";
const LABEL_INVITE_RELAY: &[u8] = b"tete/1 relay\0";
const LABEL_INVITE_ONION: &[u8] = b"tete/1 onion\0";
const LABEL_INVITE_LAN: &[u8] = b"tete/1 lan\0";

/// 32 secret bytes on the heap, wiped on drop.
pub struct Secret(Box<Zeroizing<[u8; 32]>>);

impl Secret {
    /// The bytes. A caller that copies them must wipe the copy.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The bytes, for filling them in place.
    pub fn expose_mut(&mut self) -> &mut [u8; 32] {
        &mut self.0
    }
}

impl Default for Secret {
    fn default() -> Self {
        Self(Box::new(Zeroizing::new([0; 32])))
    }
}

/// An X25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicKey(pub [u8; 32]);

/// An X25519 static key pair: the identity of one side towards its partner.
pub struct StaticKey {
    private: Secret,
    public: PublicKey,
}

impl StaticKey {
    /// The key pair of a private key.
    ///
    /// # Errors
    ///
    /// [`Error::Primitive`] if the public key cannot be computed.
    pub fn new(private: Secret) -> Result<Self, Error> {
        let public = PublicKey(x25519_public(private.expose()).ok_or(Error::Primitive)?);
        Ok(Self { private, public })
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The private half. A caller that copies it must wipe the copy.
    pub fn private(&self) -> &Secret {
        &self.private
    }
}

/// Computes the public key of an X25519 private key (RFC 7748). `None` if the primitive fails.
pub fn x25519_public(private: &[u8; 32]) -> Option<[u8; 32]> {
    let private = PrivateKey::from_private_key(&X25519, private).ok()?;
    private.compute_public_key().ok()?.as_ref().try_into().ok()
}

/// The Noise handshake hash, which covers every byte of the handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HandshakeHash(pub [u8; 32]);

/// A nonce of the pairing: n_R, which the code is made from, or n_I.
pub struct PairingNonce(pub Secret);

/// The responder's commitment to n_R, made before it can know n_I.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Commitment(pub [u8; 32]);

impl Commitment {
    /// Computes `SHA256("tete/1 sas commit\0" || s_R || n_R)`.
    pub fn new(responder: PublicKey, nonce: &PairingNonce) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(LABEL_COMMIT);
        hash.update(&responder.0);
        hash.update(nonce.0.expose());
        let mut out = [0; 32];
        out.copy_from_slice(hash.finish().as_ref());
        Self(out)
    }
}

/// Computes S, the secret that the pairing code is cut from: `HMAC-SHA256(n_R, "tete/1 sas\0" || h)`.
pub(super) fn code_secret(nonce: &PairingNonce, hash: &HandshakeHash) -> Secret {
    let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, nonce.0.expose()));
    mac.update(LABEL_CODE);
    mac.update(&hash.0);
    let mut out = Secret::default();
    out.expose_mut().copy_from_slice(mac.sign().as_ref());
    out
}

/// The two keys of Noise's Split(). They encrypt nothing; the keys of epoch 0 are derived from them.
pub struct SplitKeys {
    /// Initiator to responder.
    pub i2r: Secret,
    /// Responder to initiator.
    pub r2i: Secret,
}

/// The shared secret of ML-KEM-768 (FIPS 203).
pub struct KemSecret(pub Secret);

/// The first key of one direction in an epoch, before any REKEY.
pub struct TrafficKey(Secret);

impl TrafficKey {
    /// The bytes. A caller that copies them must wipe the copy.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

/// The first keys of both directions in an epoch.
pub struct TrafficKeys {
    /// Initiator to responder.
    pub i2r: TrafficKey,
    /// Responder to initiator.
    pub r2i: TrafficKey,
}

/// The source of one epoch's keys, derived from the transcript, Noise and ML-KEM together.
pub struct Epoch {
    root: Prk,
    number: u32,
}

impl Epoch {
    /// Computes `HKDF-Extract(salt = h, IKM = k_i2r || k_r2i || ss)` (RFC 5869).
    pub fn new(number: u32, hash: &HandshakeHash, split: &SplitKeys, kem: &KemSecret) -> Self {
        let mut input = Box::new(Zeroizing::new([0; 96]));
        let parts = [&split.i2r, &split.r2i, &kem.0];
        for (place, part) in input.chunks_exact_mut(32).zip(parts) {
            place.copy_from_slice(part.expose());
        }
        let root = Salt::new(HKDF_SHA256, &hash.0).extract(input.as_slice());
        Self { root, number }
    }

    /// The first key of each direction.
    pub fn keys(&self) -> Result<TrafficKeys, Error> {
        Ok(TrafficKeys { i2r: TrafficKey(self.expand(b"key i2r")?), r2i: TrafficKey(self.expand(b"key r2i")?) })
    }

    /// The pre-shared key of the handshake that starts the next epoch.
    pub fn chain(&self) -> Result<Secret, Error> {
        self.expand(b"chain")
    }

    /// The pre-shared key with which the partner, and nobody else, comes back to the room.
    pub fn resume_psk(&self) -> Result<Secret, Error> {
        self.expand(b"resume psk")
    }

    /// The pre-shared key that two partners keep who remember each other.
    pub fn contact_psk(&self) -> Result<Secret, Error> {
        self.expand(b"contact psk")
    }

    /// Computes `HKDF-Expand(PRK, "tete/1 " || name || "\0" || epoch(4), 32)`.
    fn expand(&self, name: &[u8]) -> Result<Secret, Error> {
        let number = self.number.to_be_bytes();
        expand(&self.root, &[LABEL_KEY, name, b"\0", &number])
    }
}

/// The secret of an invite. Whoever has it may enter the room.
pub struct InviteSecret(pub Secret);

impl InviteSecret {
    /// The bytes. A caller that copies them must wipe the copy.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// The pre-shared key of the handshake in mode 0x01.
    pub fn psk(&self) -> Result<Secret, Error> {
        self.expand(LABEL_INVITE_PSK)
    }

    /// The token by which a relay pairs the two connections. It reveals nothing of the room.
    pub fn relay_token(&self) -> Result<Secret, Error> {
        self.expand(LABEL_INVITE_RELAY)
    }

    /// The X25519 private key of the onion service's client authorisation.
    pub fn onion_key(&self) -> Result<Secret, Error> {
        self.expand(LABEL_INVITE_ONION)
    }

    /// The key that authenticates announcements on a local network.
    pub fn lan_key(&self) -> Result<Secret, Error> {
        self.expand(LABEL_INVITE_LAN)
    }

    /// Computes `HKDF-Expand(HKDF-Extract("tete/1 invite\0", secret), label, 32)`.
    fn expand(&self, label: &[u8]) -> Result<Secret, Error> {
        expand(&Salt::new(HKDF_SHA256, LABEL_INVITE).extract(self.expose()), &[label])
    }
}

fn expand(root: &Prk, info: &[&[u8]]) -> Result<Secret, Error> {
    let mut out = Secret::default();
    root.expand(info, Length)
        .and_then(|okm: hkdf::Okm<'_, Length>| okm.fill(out.expose_mut()))
        .map_err(|_| Error::Primitive)?;
    Ok(out)
}

#[derive(Clone, Copy)]
struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        32
    }
}

/// Overwrites 256 KiB of stack below the caller, where copies of keys may lie: more than the handshake uses.
#[inline(never)]
pub fn scrub_stack() {
    let mut depth = [0u8; 256 * 1024];
    std::hint::black_box(&mut depth);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_distinct_and_none_begins_another() {
        let names: [&[u8]; 5] = [b"key i2r\0", b"key r2i\0", b"chain\0", b"resume psk\0", b"contact psk\0"];
        let mut labels: Vec<Vec<u8>> = names.iter().map(|name| [LABEL_KEY, name].concat()).collect();
        labels.push(LABEL_COMMIT.to_vec());
        labels.push(LABEL_CODE.to_vec());
        let invite = [LABEL_INVITE, LABEL_INVITE_PSK, LABEL_INVITE_RELAY, LABEL_INVITE_ONION, LABEL_INVITE_LAN];
        labels.extend(invite.map(<[u8]>::to_vec));
        for (i, a) in labels.iter().enumerate() {
            for (j, b) in labels.iter().enumerate() {
                assert!(i == j || !a.starts_with(b), "{a:?} {b:?}");
            }
        }
    }
}
