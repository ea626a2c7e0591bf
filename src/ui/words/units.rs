//! Numbers, units and commands as they stand in sentences of every language.

use std::net::SocketAddr;
use std::time::Duration;

use crate::address::{Address, OwnAddress, PORT, Scope};
use crate::interface::event::Invitation;
use crate::interface::files::Progress;
use crate::interface::finding::Verdict;

/// Shortest time whose speed is told.
const MEASURABLE: Duration = Duration::from_secs(1);

/// A bar, and how much of a hundred; what has come where the end is not known.
pub fn bar(progress: &Progress) -> String {
    const CELLS: usize = 10;
    match progress.percent() {
        Some(percent) => {
            let full = usize::try_from(percent).unwrap_or(CELLS).min(100) * CELLS / 100;
            format!("{}{} {percent} %", "█".repeat(full), "░".repeat(CELLS - full))
        }
        None => size(progress.bytes),
    }
}

/// Whether a batch goes out or comes in.
pub fn arrow(sending: bool) -> &'static str {
    if sending { "↑" } else { "↓" }
}

/// Bytes a second, on average, behind a comma. Nothing for a time in which no speed can be told.
pub fn speed(comma: &str, bytes: u64, took: Duration) -> String {
    if took < MEASURABLE {
        return String::new();
    }
    let rate = (bytes as f64 / took.as_secs_f64()) as u64;
    format!("{comma}{}/s", size(rate))
}

/// Bytes with a decimal unit: `999 B`, `1.0 kB`, `2.5 GB`.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB", "PB", "EB"] {
        if value < 999.95 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

/// Whether a thing works, in one character.
pub fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Works => "✓",
        Verdict::Not => "✗",
        Verdict::Unknown => "?",
    }
}

/// Addresses in a row.
pub fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Seconds with one digit.
pub fn seconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64())
}

/// What the partner types to get here.
pub fn invocation(own: &OwnAddress, port: u16, how: Invitation) -> String {
    let address = match (&own.interface, own.scope) {
        (Some(interface), Scope::Link) if own.address.is_ipv6() => format!("{}%{interface}", own.address),
        _ => own.address.to_string(),
    };
    let to = Address { host: address.clone(), port };
    match how {
        Invitation::Join if port == PORT => format!("tete {address}"),
        Invitation::Join => format!("tete {address} {port}"),
        Invitation::Receive if port == PORT => format!("tete receive {address}"),
        Invitation::Receive => format!("tete receive {address} {port}"),
        Invitation::Send => format!("tete send FILE --to {to}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit_and_one_digit() {
        let sizes = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_999, "1.0 MB"),
            (u64::MAX, "18.4 EB"),
        ];
        for (bytes, text) in sizes {
            assert_eq!(size(bytes), text);
        }
    }
}
