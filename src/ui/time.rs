//! The user's clock on the wall: only to be shown, no timer follows it.

use std::path::{Component, Path};
use std::sync::OnceLock;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// No time zone file is longer, in bytes.
const ZONE_FILE: u64 = 1 << 20;

/// Hours and minutes on the user's clock, so long ago.
pub fn local_time(ago: Duration) -> String {
    then(ago).strftime("%H:%M").to_string()
}

/// Date and time on the user's clock, so long ago.
pub fn then(ago: Duration) -> Zoned {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    let ago = jiff::SignedDuration::try_from(ago).unwrap_or_default();
    let then = Timestamp::now().checked_sub(ago).unwrap_or(Timestamp::UNIX_EPOCH);
    then.to_zoned(ZONE.get_or_init(zone).clone())
}

/// The user's time zone, or UTC where `TZ` names something that is no zone file:
/// the library would read a device for ever.
fn zone() -> TimeZone {
    let named = std::env::var("TZ").unwrap_or_default();
    let path = Path::new(named.trim_start_matches(':'));
    let file = path.metadata().is_ok_and(|file| file.is_file() && file.len() <= ZONE_FILE);
    let elsewhere = path.is_absolute() && !file || path.components().any(|part| part == Component::ParentDir);
    if elsewhere { TimeZone::UTC } else { TimeZone::system() }
}
