//! Where a way leads, as users and programs are told.

use serde::{Serialize, Serializer};

use crate::printable::Printable;

/// A way to the host. No text for people: the sentence says in its language what a relay is.
#[derive(Clone, PartialEq, Eq)]
pub enum Route {
    /// A socket, a host name or an onion service.
    Address(Printable),
    /// A relay where both sides meet.
    Relay(Printable),
}

impl Serialize for Route {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Address(at) => at.serialize(to),
            Self::Relay(at) => to.collect_str(&format_args!("relay {at}")),
        }
    }
}
