//! Events about files.

use serde_json::{Value, json};

use crate::ui::messages::{EndedBy, FileFault, FileStatus, Progress};
use crate::ui::printable::Printable;

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
pub fn event(status: &FileStatus) -> Value {
    let direction = |sending: bool| if sending { "sending" } else { "receiving" };
    match status {
        FileStatus::CannotSend { path, why } => {
            json!({"event": "cannot_send", "path": path.as_str(), "why": name(why), "error": why.english()})
        }
        FileStatus::LeftOut { name: of, paths, count } => {
            let paths: Vec<_> =
                paths.iter().map(|(path, why)| json!({"path": path.as_str(), "why": name(why)})).collect();
            json!({"event": "left_out", "name": of.as_str(), "paths": paths, "count": count})
        }
        FileStatus::Queued { name, before } => json!({"event": "queued", "name": name.as_str(), "before": before}),
        FileStatus::Offering { name, files, bytes } => {
            json!({"event": "offering", "name": name.as_str(), "files": files, "bytes": bytes})
        }
        FileStatus::Taken { name } => json!({"event": "taken", "name": name.as_str()}),
        FileStatus::NotWanted { name } => json!({"event": "not_wanted", "name": name.as_str()}),
        FileStatus::Sent { name, files, bytes, failed, .. } => {
            json!({"event": "sent", "name": name.as_str(), "files": files, "bytes": bytes, "failed": failed})
        }
        FileStatus::NotSent { path, why } => {
            json!({"event": "not_sent", "path": path.as_str(), "why": name(why), "error": why.english()})
        }
        FileStatus::Offered { offer, name, called, files, bytes, folder } => json!({
            "event": "offered",
            "offer": offer,
            "name": name.as_str(),
            "called": called.as_ref().map(Printable::as_str),
            "files": files,
            "bytes": bytes,
            "folder": folder.as_str(),
        }),
        FileStatus::OfferRefused { name: of, why } => {
            json!({"event": "offer_refused", "name": of.as_str(), "why": name(why)})
        }
        FileStatus::NothingOffered => json!({"event": "refused", "why": "nothing_offered"}),
        FileStatus::StaleOffer => json!({"event": "refused", "why": "stale_offer"}),
        FileStatus::NothingUnderWay => json!({"event": "refused", "why": "nothing_under_way"}),
        FileStatus::NoSpace { name, needed, free } => {
            json!({"event": "no_space", "name": name.as_str(), "needed": needed, "free": free})
        }
        FileStatus::Taking { name, folder } => {
            json!({"event": "taking", "name": name.as_str(), "folder": folder.as_str()})
        }
        FileStatus::Declined { name } => json!({"event": "declined", "name": name.as_str()}),
        FileStatus::Stored { name, files, bytes, failed, .. } => {
            json!({"event": "stored", "name": name.as_str(), "files": files, "bytes": bytes, "failed": failed})
        }
        FileStatus::NotStored { path, why } => {
            json!({"event": "not_stored", "path": path.as_str(), "why": name(why), "error": why.english()})
        }
        FileStatus::Anew { path, sending } => {
            json!({"event": "anew", "path": path.as_str(), "direction": direction(*sending)})
        }
        FileStatus::Full { name } => json!({"event": "disk_full", "name": name.as_str()}),
        FileStatus::GoesOn { name } => json!({"event": "goes_on", "name": name.as_str()}),
        FileStatus::Ended { name, sending, by } => json!({
            "event": "transfer_ended",
            "name": name.as_str(),
            "direction": direction(*sending),
            "by_partner": *by == EndedBy::Partner,
        }),
        FileStatus::Progress { name, sending, progress: now } => json!({
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
