//! What a script reads on standard error, in English whatever the locale.
//!
//! The lines listed in docs/USAGE.md are stable and therefore written here; every other one is a sentence for people.

use super::en;
use crate::interface::event::Event;
use crate::interface::files::FileEvent;
use crate::interface::refusal::Refusal;

/// The line a script reads. `None` where there is nothing for a script.
pub fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Listening { address } => format!("listening: {address}"),
        Event::Invite { invite: line, .. } => format!("invite: {}", line.as_str()),
        Event::Code { own, .. } => format!("code: {own}"),
        Event::Compare { own, partner, .. } => format!("code: {own}\npartner code: {partner}"),
        Event::RoomOpen { .. } => "room open".into(),
        Event::Quiet { .. } => "quiet".into(),
        Event::ConnectionLost { .. } => "connection lost".into(),
        Event::Reconnected { .. } => "reconnected".into(),
        Event::PartnerLeft => "partner left".into(),
        Event::CutOff => "cut off".into(),
        Event::LookingUp { .. }
        | Event::Trying { .. }
        | Event::TryFailed { .. }
        | Event::Mapping
        | Event::Mapped { .. }
        | Event::MappingFailed(_)
        | Event::Announced
        | Event::LanFailed { .. }
        | Event::Tor { .. }
        | Event::TorFailed { .. }
        | Event::RouteDown { .. }
        | Event::RouteUp { .. }
        | Event::Connected { .. }
        | Event::Caller { .. }
        | Event::BusySent { .. }
        | Event::CallersWaiting { .. }
        | Event::NotACode
        | Event::OwnCode
        | Event::WrongCode { .. }
        | Event::StaleAnswer
        | Event::Refused(Refusal::NotAsked)
        | Event::Refused(Refusal::NotConfirmed)
        | Event::Refused(Refusal::NotOpen)
        | Event::NeitherWord
        | Event::Confirmed { .. }
        | Event::PairingFailed { .. }
        | Event::Refused(Refusal::TooLong { .. })
        | Event::Refused(Refusal::Full { .. })
        | Event::Refused(Refusal::NotUtf8)
        | Event::Verified
        | Event::Finishing { .. }
        | Event::PairingInterrupted { .. }
        | Event::StillAway { .. }
        | Event::Displaced { .. }
        | Event::BetterRoute { .. }
        | Event::Intruder { .. }
        | Event::TimeIsUp => return en::event(event),
        Event::File(FileEvent::Queued { .. } | FileEvent::Progress { .. }) => return None,
        Event::File(_) => return en::event(event),
        Event::Addresses { .. } | Event::Delivered { .. } | Event::RedialFailed { .. } | Event::Waiting { .. } => {
            return None;
        }
        // Answers to commands, and a pipe gives none.
        Event::Refused(Refusal::UnknownCommand { .. } | Refusal::NeedlessArgument { .. })
        | Event::Codes { .. }
        | Event::Who(_)
        | Event::Finding(_)
        | Event::Rekey
        | Event::Refused(Refusal::NotConnected)
        | Event::Refused(Refusal::NeedsScreen)
        | Event::Refused(Refusal::WhatToSend) => return None,
    })
}
