//! Bytes as lower-case hexadecimal digits, as relays, tor and multicast DNS are told them.

use std::fmt::Write as _;

/// Adds them to a text.
pub fn write(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

/// As a text of their own.
pub fn text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 * bytes.len());
    write(&mut out, bytes);
    out
}
