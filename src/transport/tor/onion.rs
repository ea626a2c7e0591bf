//! Onion addresses: <https://spec.torproject.org/rend-spec/encoding-onion-addresses.html>.

use aws_lc_rs::digest;
use data_encoding::BASE32_NOPAD;

/// Version byte of the addresses.
const VERSION: u8 = 3;

/// The address of the onion service with this public key, without `.onion`.
pub fn onion_id(key: &[u8; 32]) -> String {
    let [a, b] = onion_checksum(key);
    let mut all = Vec::with_capacity(35);
    all.extend_from_slice(key);
    all.extend_from_slice(&[a, b, VERSION]);
    BASE32_NOPAD.encode(&all).to_ascii_lowercase()
}

/// The public key in an onion address without `.onion`, in upper or lower case.
pub fn onion_key(id: &str) -> Option<[u8; 32]> {
    let bytes = BASE32_NOPAD.decode(id.to_ascii_uppercase().as_bytes()).ok()?;
    let (key, rest) = bytes.split_first_chunk::<32>()?;
    let [a, b] = onion_checksum(key);
    (rest == [a, b, VERSION]).then_some(*key)
}

fn onion_checksum(key: &[u8; 32]) -> [u8; 2] {
    let mut hash = digest::Context::new(&digest::SHA3_256);
    hash.update(b".onion checksum");
    hash.update(key);
    hash.update(&[VERSION]);
    let mut sum = [0; 2];
    sum.iter_mut().zip(hash.finish().as_ref()).for_each(|(sum, byte)| *sum = *byte);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_onion_address_and_its_key_stand_for_each_other() {
        // The example of rend-spec-v3.
        let id = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd";
        let key = onion_key(id).unwrap();
        assert_eq!(onion_id(&key), id);
        assert_eq!(onion_key(&id.replacen('p', "q", 1)), None);
        assert_eq!(onion_key("pg6m"), None);
    }

    #[test]
    fn an_onion_address_has_one_spelling_but_for_the_case() {
        let id = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd";
        assert_eq!(onion_key(&id.to_ascii_uppercase()), onion_key(id));
        for more in ["a", "=", "\n", " "] {
            assert_eq!(onion_key(&format!("{id}{more}")), None, "{more:?}");
        }
    }
}
