//! Events about files.

use serde_json::{Value, json};

use crate::interface::files::{EndedBy, FileEvent, FileFault, Progress};
use crate::printable::Printable;
use crate::ui::words::{self, Lang};

/// How far a transfer is.
pub fn progress(progress: Progress) -> Value {
    json!({
        "files": progress.files,
        "of_files": progress.of_files,
        "bytes": progress.bytes,
        "of_bytes": progress.of_bytes,
        "bytes_per_second": progress.rate,
        "seconds_left": progress.left(),
        "waits": progress.waits,
    })
}

/// What a status says.
pub fn event(status: &FileEvent) -> Value {
    let direction = |sending: bool| if sending { "sending" } else { "receiving" };
    match status {
        FileEvent::CannotSend { path, why } => {
            json!({"event": "cannot_send", "path": path.as_str(), "why": name(why), "error": words::file_fault(why, Lang::En)})
        }
        FileEvent::LeftOut { name: of, paths, count } => {
            let paths: Vec<_> =
                paths.iter().map(|(path, why)| json!({"path": path.as_str(), "why": name(why)})).collect();
            json!({"event": "left_out", "name": of.as_str(), "paths": paths, "count": count})
        }
        FileEvent::Queued { name, before } => json!({"event": "queued", "name": name.as_str(), "before": before}),
        FileEvent::Offering { name, files, bytes } => {
            json!({"event": "offering", "name": name.as_str(), "files": files, "bytes": bytes})
        }
        FileEvent::Accepted { name } => json!({"event": "accepted", "name": name.as_str()}),
        FileEvent::PartnerDeclined { name } => json!({"event": "partner_declined", "name": name.as_str()}),
        FileEvent::Sent { name, files, bytes, failed, .. } => {
            json!({"event": "sent", "name": name.as_str(), "files": files, "bytes": bytes, "failed": failed})
        }
        FileEvent::NotSent { path, why } => {
            json!({"event": "not_sent", "path": path.as_str(), "why": name(why), "error": words::file_fault(why, Lang::En)})
        }
        FileEvent::Offered { offer, name, offered_as: called, files, bytes, folder } => json!({
            "event": "offered",
            "offer": offer,
            "name": name.as_str(),
            "offered_as": called.as_ref().map(Printable::as_str),
            "files": files,
            "bytes": bytes,
            "folder": folder.as_str(),
        }),
        FileEvent::OfferRefused { name: of, why } => {
            json!({"event": "offer_refused", "name": of.as_str(), "why": name(why)})
        }
        FileEvent::NothingOffered => json!({"event": "refused", "why": "nothing_offered"}),
        FileEvent::StaleOffer => json!({"event": "refused", "why": "stale_offer"}),
        FileEvent::NothingUnderWay => json!({"event": "refused", "why": "nothing_under_way"}),
        FileEvent::NoSpace { name, needed, free } => {
            json!({"event": "no_space", "name": name.as_str(), "needed": needed, "free": free})
        }
        FileEvent::Accepting { name, folder } => {
            json!({"event": "accepting", "name": name.as_str(), "folder": folder.as_str()})
        }
        FileEvent::Declined { name } => json!({"event": "declined", "name": name.as_str()}),
        FileEvent::Stored { name, files, bytes, failed, .. } => {
            json!({"event": "stored", "name": name.as_str(), "files": files, "bytes": bytes, "failed": failed})
        }
        FileEvent::NotStored { path, why } => {
            json!({"event": "not_stored", "path": path.as_str(), "why": name(why), "error": words::file_fault(why, Lang::En)})
        }
        FileEvent::Restarted { path, sending } => {
            json!({"event": "restarted", "path": path.as_str(), "direction": direction(*sending)})
        }
        FileEvent::DiskFull { name } => json!({"event": "disk_full", "name": name.as_str()}),
        FileEvent::Resumed { name } => json!({"event": "resumed", "name": name.as_str()}),
        FileEvent::Withdrawn { name, sending, by } => json!({
            "event": "withdrawn",
            "name": name.as_str(),
            "direction": direction(*sending),
            "by_partner": *by == EndedBy::Partner,
        }),
        FileEvent::TransferEnded { name, sending, by, kept } => json!({
            "event": "transfer_ended",
            "name": name.as_str(),
            "direction": direction(*sending),
            "by_partner": *by == EndedBy::Partner,
            "kept": kept,
        }),
        FileEvent::Progress { name, sending, progress: now } => json!({
            "event": "progress",
            "name": name.as_str(),
            "direction": direction(*sending),
            "progress": progress(*now),
        }),
    }
}

fn name(why: &FileFault) -> &'static str {
    match why {
        FileFault::System(_) => "system",
        FileFault::Missing => "missing",
        FileFault::Nothing => "nothing",
        FileFault::TooMany(_) => "too_many",
        FileFault::TooManyWait => "too_many_wait",
        FileFault::Link => "link",
        FileFault::Special => "special",
        FileFault::Unreadable => "unreadable",
        FileFault::Name => "name",
        FileFault::Empty => "empty",
        FileFault::Changed => "changed",
        FileFault::Stream => "stream",
        FileFault::Partner => "partner",
        FileFault::Path => "path",
        FileFault::OtherName => "other_name",
        FileFault::Hash => "hash",
        FileFault::Broken => "broken",
        FileFault::Nobody => "nobody",
    }
}
