//! What a script reads on standard error, in English whatever the locale.
//!
//! The lines listed in docs/USAGE.md are stable and therefore written here; every other one is a sentence for people.

use super::en;
use crate::interface::event::Event;
use crate::interface::files::FileEvent;

/// Columns of what a script reads.
const COLUMNS: usize = 80;

/// The line a script reads. `None` where there is nothing for a script.
pub fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Listening(address) => format!("listening: {address}"),
        Event::Invite { line, .. } => format!("invite: {}", line.as_str()),
        Event::Code { own, .. } => format!("code: {own}"),
        Event::BothHalves { own, partner, .. } => format!("code: {own}\npartner code: {partner}"),
        Event::RoomOpen { .. } => "room open".into(),
        Event::LineQuiet { .. } => "line quiet".into(),
        Event::LineCut { .. } => "line cut".into(),
        Event::LineBack { .. } => "line back".into(),
        Event::PartnerLeft => "partner left".into(),
        Event::CutOff => "cut off".into(),
        Event::LookingUp(_)
        | Event::Trying(_)
        | Event::TryFailed(..)
        | Event::Mapping
        | Event::Mapped(_)
        | Event::NotMapped(_)
        | Event::Announced
        | Event::NoLan(_)
        | Event::Tor { .. }
        | Event::NoTor(_)
        | Event::WayShut { .. }
        | Event::WayOpen(_)
        | Event::WayFailed(..)
        | Event::Handshake(_)
        | Event::Caller(_)
        | Event::ToldBusy { .. }
        | Event::NotACode
        | Event::OwnHalf
        | Event::WrongHalf { .. }
        | Event::StaleEntry
        | Event::NotAsked
        | Event::NotConfirmed
        | Event::NeitherWord
        | Event::WaitingForPartner
        | Event::RunFailed { .. }
        | Event::TooLong { .. }
        | Event::Full { .. }
        | Event::NotUtf8
        | Event::Compared
        | Event::Finishing { .. }
        | Event::BetterWay(_)
        | Event::Intruder { .. }
        | Event::TimeIsUp => en::event(event, COLUMNS),
        Event::File(FileEvent::Queued { .. } | FileEvent::Progress { .. }) => return None,
        Event::File(_) => en::event(event, COLUMNS),
        Event::Reach { .. } | Event::Delivered { .. } | Event::RedialFailed { .. } | Event::Waiting { .. } => {
            return None;
        }
        // Answers to commands, and a pipe gives none.
        Event::UnknownCommand(_)
        | Event::Help
        | Event::CodeAgain { .. }
        | Event::Who(_)
        | Event::Finding(_)
        | Event::Rekey
        | Event::NoLine
        | Event::NeedsScreen
        | Event::WhatToSend => return None,
    })
}
