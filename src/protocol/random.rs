//! The source of randomness, passed in so that a test can fix it.

use aws_lc_rs::kem::{Ciphertext, DecapsulationKey, EncapsulationKey, ML_KEM_768};
use rand::TryRng as _;
use rand::rngs::SysRng;

use super::error::Error;
use super::keys::{KemSecret, Secret};

/// Size of an ML-KEM-768 encapsulation key (FIPS 203), in bytes.
pub const ENCAPSULATION_KEY: usize = 1184;
/// Size of an ML-KEM-768 ciphertext (FIPS 203), in bytes.
pub const CIPHERTEXT: usize = 1088;

/// The private half of an ML-KEM-768 key pair, used up by one ciphertext.
pub trait Decapsulate: Send {
    /// Computes the shared secret of a ciphertext. A changed ciphertext gives another secret, not an error
    /// (implicit rejection).
    fn decapsulate(self: Box<Self>, ciphertext: &[u8; CIPHERTEXT]) -> Result<KemSecret, Error>;
}

/// Everything that a session draws at random.
///
/// An implementation that cannot draw fails with [`Error::Primitive`]; it never returns weak bytes.
pub trait Randomness: Send {
    /// Draws 32 fresh bytes.
    fn secret(&mut self) -> Result<Secret, Error>;

    /// Makes a fresh ML-KEM-768 key pair.
    fn kem_pair(&mut self) -> Result<([u8; ENCAPSULATION_KEY], Box<dyn Decapsulate>), Error>;

    /// Makes a fresh shared secret for the owner of `key`, and the ciphertext that carries it.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] if the key fails the check of FIPS 203, section 7.2.
    fn encapsulate(&mut self, key: &[u8; ENCAPSULATION_KEY]) -> Result<([u8; CIPHERTEXT], KemSecret), Error>;
}

/// The operating system's random generator.
pub struct OsRandom;

impl Randomness for OsRandom {
    fn secret(&mut self) -> Result<Secret, Error> {
        let mut out = Secret::default();
        SysRng.try_fill_bytes(out.expose_mut()).map_err(|_| Error::Primitive)?;
        // A generator that fills nothing must not pass for one that works.
        if *out.expose() == [0; 32] { Err(Error::Primitive) } else { Ok(out) }
    }

    fn kem_pair(&mut self) -> Result<([u8; ENCAPSULATION_KEY], Box<dyn Decapsulate>), Error> {
        let private = DecapsulationKey::generate(&ML_KEM_768).map_err(|_| Error::Primitive)?;
        let public = private.encapsulation_key().and_then(|key| key.key_bytes()).map_err(|_| Error::Primitive)?;
        let public = public.as_ref().try_into().map_err(|_| Error::Primitive)?;
        Ok((public, Box::new(private)))
    }

    fn encapsulate(&mut self, key: &[u8; ENCAPSULATION_KEY]) -> Result<([u8; CIPHERTEXT], KemSecret), Error> {
        let key = EncapsulationKey::new(&ML_KEM_768, key).map_err(|_| Error::Handshake)?;
        let (ciphertext, secret) = key.encapsulate().map_err(|_| Error::Handshake)?;
        let ciphertext = ciphertext.as_ref().try_into().map_err(|_| Error::Primitive)?;
        Ok((ciphertext, kem_secret(secret.as_ref())?))
    }
}

impl Decapsulate for DecapsulationKey {
    fn decapsulate(self: Box<Self>, ciphertext: &[u8; CIPHERTEXT]) -> Result<KemSecret, Error> {
        let secret = DecapsulationKey::decapsulate(&self, Ciphertext::from(ciphertext.as_slice()))
            .map_err(|_| Error::Handshake)?;
        kem_secret(secret.as_ref())
    }
}

fn kem_secret(bytes: &[u8]) -> Result<KemSecret, Error> {
    let mut out = Secret::default();
    *out.expose_mut() = *<&[u8; 32]>::try_from(bytes).map_err(|_| Error::Primitive)?;
    Ok(KemSecret(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_agree_and_a_changed_ciphertext_gives_another_secret() {
        let agree = |flip: u8| {
            let (key, private) = OsRandom.kem_pair().unwrap();
            let (mut ciphertext, theirs) = OsRandom.encapsulate(&key).unwrap();
            ciphertext[7] ^= flip;
            private.decapsulate(&ciphertext).unwrap().0.expose() == theirs.0.expose()
        };
        assert!(agree(0));
        assert!(!agree(1));
    }

    #[test]
    fn a_key_with_a_coefficient_out_of_range_is_refused() {
        let (mut key, _) = OsRandom.kem_pair().unwrap();
        // Two 12-bit coefficients of 4095, where 3328 is the greatest.
        key[..3].fill(0xff);
        assert!(matches!(OsRandom.encapsulate(&key), Err(Error::Handshake)));
    }
}
