//! How the values in an event are written for programs.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, Unit};
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use crate::clock;

/// Writes a value as the text that people see.
pub fn text<S: Serializer>(value: &impl Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// Writes a secret without a copy of it.
pub fn secret<S: Serializer>(value: &Arc<Zeroizing<String>>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(value)
}

/// Writes a duration as seconds with a fraction.
pub fn seconds<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(value.as_secs_f64())
}

/// Writes a duration that may be unknown as seconds with a fraction.
pub fn seconds_if_known<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    value.map(|value| value.as_secs_f64()).serialize(to)
}

/// Writes a time on [`clock::now`] as RFC 3339 has it: in UTC, to the second.
pub fn time<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
    let now = SignedDuration::try_from(clock::now()).unwrap_or_default();
    let then = SignedDuration::try_from(*value).unwrap_or_default();
    let time = Timestamp::now().checked_add(then.saturating_sub(now)).and_then(|time| time.round(Unit::Second));
    to.collect_str(&time.unwrap_or(Timestamp::UNIX_EPOCH))
}

/// Writes `since`, a time on [`clock::now`], as the only field.
pub fn since<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Since {
        #[serde(serialize_with = "time")]
        since: Duration,
    }
    Since { since: *value }.serialize(to)
}

/// Writes the number of an epoch and when it began, both null while there is no connection.
pub fn epoch<S: Serializer>(value: &Option<(u32, Duration)>, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Time(#[serde(serialize_with = "time")] Duration);
    #[derive(Serialize)]
    struct Epoch {
        epoch: Option<u32>,
        epoch_since: Option<Time>,
    }
    let (epoch, epoch_since) = value.map(|(number, began)| (number, Time(began))).unzip();
    Epoch { epoch, epoch_since }.serialize(to)
}

/// Writes which way a file goes.
pub fn direction<S: Serializer>(sending: &bool, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(if *sending { "sending" } else { "receiving" })
}
