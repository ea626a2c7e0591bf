//! The primitives that Noise runs on: X25519, AES-256-GCM and SHA-256 of aws-lc.
//!
//! `snow` wipes no key by itself, so every key that it is handed lives in the types
//! of this module, which wipe it. The ephemeral key is passed in: a handshake draws
//! exactly one, and a second request for randomness fails.

use std::sync::Mutex;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::digest;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};
use zeroize::{Zeroize, Zeroizing};

use super::keys::{Secret, x25519_public};

const KEY: usize = 32;
const TAG: usize = 16;

/// A `snow` resolver for one handshake with one given ephemeral key.
pub struct Resolver {
    ephemeral: Mutex<Option<Secret>>,
}

impl Resolver {
    /// A resolver whose handshake uses `ephemeral` as its X25519 private key.
    pub fn new(ephemeral: Secret) -> Self {
        Self { ephemeral: Mutex::new(Some(ephemeral)) }
    }
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        let ephemeral = self.ephemeral.lock().ok()?.take();
        Some(Box::new(Once(ephemeral)))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519).then(|| Box::new(X25519Key::default()) as Box<dyn Dh>)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        matches!(choice, HashChoice::SHA256).then(|| Box::new(Sha256::new()) as Box<dyn Hash>)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        matches!(choice, CipherChoice::AESGCM).then(|| Box::new(Aes256Gcm(None)) as Box<dyn Cipher>)
    }
}

/// A random generator that yields the one ephemeral key and fails from then on.
struct Once(Option<Secret>);

impl Random for Once {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        match self.0.take() {
            Some(key) if dest.len() == KEY => {
                dest.copy_from_slice(key.expose());
                Ok(())
            }
            _ => Err(snow::Error::Rng),
        }
    }
}

#[derive(Default)]
struct X25519Key {
    private: Secret,
    public: [u8; KEY],
}

impl Dh for X25519Key {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        KEY
    }

    fn priv_len(&self) -> usize {
        KEY
    }

    fn set(&mut self, private: &[u8]) {
        self.private = Secret::default();
        if let Ok(key) = <&[u8; KEY]>::try_from(private) {
            self.private.expose_mut().copy_from_slice(key);
        }
        // All zero if the primitive fails: the partner refuses such a key.
        self.public = x25519_public(self.private.expose()).unwrap_or_default();
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), snow::Error> {
        let mut key = Zeroizing::new([0; KEY]);
        rng.try_fill_bytes(key.as_mut_slice())?;
        self.set(key.as_slice());
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        self.private.expose()
    }

    /// Refuses an all-zero result (RFC 7748 section 6.1).
    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        // snow hands over its 56-byte key buffer.
        let public = public.get(..KEY).ok_or(snow::Error::Dh)?;
        let private = PrivateKey::from_private_key(&X25519, self.private.expose()).map_err(|_| snow::Error::Dh)?;
        let out = out.get_mut(..KEY).ok_or(snow::Error::Dh)?;
        agree(&private, UnparsedPublicKey::new(&X25519, public), snow::Error::Dh, |shared| {
            if shared.iter().all(|byte| *byte == 0) {
                return Err(snow::Error::Dh);
            }
            out.copy_from_slice(shared);
            Ok(())
        })
    }
}

struct Aes256Gcm(Option<LessSafeKey>);

impl Aes256Gcm {
    /// The nonce of Noise revision 34, section 12.4: 4 zero bytes, then the counter big-endian.
    fn nonce(counter: u64) -> Nonce {
        let mut nonce = [0; 12];
        for (place, byte) in nonce.iter_mut().skip(4).zip(counter.to_be_bytes()) {
            *place = byte;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

impl Cipher for Aes256Gcm {
    fn name(&self) -> &'static str {
        "AESGCM"
    }

    fn set(&mut self, key: &[u8; KEY]) {
        self.0 = UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new);
    }

    /// Returns 0 if there is no key, a length that no caller accepts as sealed.
    fn encrypt(&self, nonce: u64, ad: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        let (Some(key), Some((body, rest))) = (&self.0, out.split_at_mut_checked(plaintext.len())) else {
            return 0;
        };
        let Some(tag_place) = rest.get_mut(..TAG) else { return 0 };
        match key.seal_out_of_place_scatter(Self::nonce(nonce), Aad::from(ad), plaintext, body, &[], tag_place) {
            Ok(()) => plaintext.len() + TAG,
            Err(_) => {
                body.zeroize();
                0
            }
        }
    }

    fn decrypt(&self, nonce: u64, ad: &[u8], ciphertext: &[u8], out: &mut [u8]) -> Result<usize, snow::Error> {
        let key = self.0.as_ref().ok_or(snow::Error::Decrypt)?;
        let length = ciphertext.len().checked_sub(TAG).ok_or(snow::Error::Decrypt)?;
        let (body, tag) = ciphertext.split_at_checked(length).ok_or(snow::Error::Decrypt)?;
        let out = out.get_mut(..length).ok_or(snow::Error::Decrypt)?;
        key.open_separate_gather(Self::nonce(nonce), Aad::from(ad), body, tag, out)
            .map_err(|_| snow::Error::Decrypt)?;
        Ok(length)
    }

    /// Implements REKEY of Noise revision 34, section 4.2.
    fn rekey(&mut self) {
        let mut sealed = Zeroizing::new([0; KEY + TAG]);
        let length = self.encrypt(u64::MAX, &[], &[0; KEY], sealed.as_mut_slice());
        match sealed.first_chunk::<KEY>() {
            Some(key) if length == KEY + TAG => self.set(key),
            _ => self.0 = None,
        }
    }
}

struct Sha256(digest::Context);

impl Sha256 {
    fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Hash for Sha256 {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        *self = Self::new();
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        let context = std::mem::replace(self, Self::new());
        for (place, byte) in out.iter_mut().zip(context.0.finish().as_ref()) {
            *place = *byte;
        }
    }
}
