//! Every word of the interface in English.

use std::sync::LazyLock;
use std::time::Duration;

use super::large::pictures;
use super::screen::{ScreenWords, Topic, Words};
use super::units::{arrow, bar, invocation, list, mark, seconds, size, speed};
use crate::address::{AddressError, OwnAddress, PORT, PeerAddr, ProxyError, Scope, Via};
use crate::interface::event::{ConnectionFault, ConnectionState, Event, Invitation, Trust, Who};
use crate::interface::fault::{CodesDiffer, ConfigFault, Fault, PairingFault, RATES, UsageFault, ValueError};
use crate::interface::files::{EndedBy, FileEvent, FileFault, Progress};
use crate::interface::finding::{Finding, Nat, ProbeResult, Verdict};
use crate::interface::refusal::{FileRefusal, Refusal};
use crate::interface::route::Route;
use crate::interface::{ANSWER, RELAYS};
use crate::printable::Printable;
use crate::protocol::delivery::TEXT;
use crate::protocol::handshake::VERSION;
use crate::protocol::invite::InviteError;
use crate::system::SystemError;
use crate::transport::error::{ConnectError, LanError, MappingError, SocksError, TorError};
use crate::ui::commands::{Command, meant};
use crate::ui::time::local_time;

/// What stands before and beside a line.
pub const WORDS: Words = Words {
    partner: "partner",
    prompt: "you › ",
    half: "partner's code: ",
    compare: "same or different: ",
    address: "address or invite from your partner: ",
    error: "tete: ",
    outcomes: ["same", "different"],
    send_file: ["Send “", "” to your partner?"],
    send_files: ["Send these ", " files to your partner?"],
    send_keys: "Enter: send  Esc: no, it is a message",
    new_offer: "Another offer has just come. Press it again to answer that.",
    invite_goes_on: "The invite is not whole. Paste the rest, or press Enter again.",
    hurried: "Not sent: that came as fast as a paste. Enter sends it.",
    paste_stalls: "A paste has no end. Ctrl-C twice drops it.",
    paste_given_up: "The paste was dropped.",
    signs: &[("//...", "a message that starts with a slash"), ("Ctrl-D", "leave, as Ctrl-C does")],
};

/// What stands on the full screen beside texts and status.
pub static SCREEN: LazyLock<ScreenWords> = LazyLock::new(|| ScreenWords {
    you: "you",
    partner: "partner",
    waiting: "Waiting for your partner. Ctrl-C cancels.",
    verified: "verified",
    compared: "verified",
    invited: "not verified (invite)",
    used: "the invite was used and is not kept here",
    unverified: "not verified yet",
    connected: "connected",
    unshown: "not delivered",
    below: "more below (Ctrl-End)",
    new: "new",
    leave: "Press it again to leave the room.",
    full: format!("A message is at most {TEXT} bytes."),
    chord: "Ctrl-X, then c: clear this screen, p: panic (wipe and leave)",
    over: "This room is closed. Enter quits.",
    unsent: "This room is closed; this was not sent. q quits.",
    close_again: "Press it again to quit and lose what you wrote.",
    read_out: "Read this to your partner by phone, or wherever you know their voice:",
    type_in: "Type what your partner reads to you, then Enter:",
    next: "Not your partner? Type /next.",
    compare: "Compare with your partner's screen, by phone or side by side:",
    yours: "yours ",
    theirs: "theirs",
    agree: "Your partner's screen shows the same pictures and the two codes swapped. Type same if everything matches, otherwise different.",
    same: "same or different: ",
    unlockable: "No passphrase was chosen, so this screen will not lock itself. /lock chooses one.",
    find: "find: ",
    nothing: "nothing found",
    find_keys: "Enter: older  Ctrl-S: newer  Esc: done",
    paste: "Paste",
    lines: "lines?",
    paste_keys: "Enter: yes  Esc: no",
    choose: "Choose a passphrase to unlock this screen (for this session only). Esc: cancel.",
    again: "Again:",
    differ: "They do not match; try again.",
    passphrase: "passphrase: ",
    locked: "This screen is locked.",
    wrong: "Wrong. Seconds to wait:",
    close: "Enter: close",
    small: "too small",
    enter: "Enter",
    arrows: ["Up", "Down", "Left", "Right"],
    comma: ", ",
    parentheses: [" (", ")"],
    signs: &[
        ("wheel", "scroll"),
        ("Shift-mouse", "select text (done by the terminal)"),
        ("◌  ✓", "waiting; delivered to your partner"),
        ("~12:34", "written at that time, while offline"),
    ],
});

/// What the keys of a row of the help do.
pub fn topic(topic: Topic) -> &'static str {
    match topic {
        Topic::Send => "send",
        Topic::NewLine => "insert a line break",
        Topic::Complete => "complete a command or a path",
        Topic::Leave => "clear the input; twice when empty: leave",
        Topic::Help => "this help",
        Topic::Offer => "accept, or refuse, the offered files",
        Topic::Wipe => "then c: clear this screen; p: panic",
        Topic::Scroll => "scroll",
        Topic::Ends => "first and last message",
        Topic::Back => "back to the last message; end a search",
        Topic::Search => "search: older, newer, end it",
        Topic::Rows => "previous/next line, then earlier input",
        Topic::Characters => "left and right",
        Topic::Line => "start and end of the line",
        Topic::Words => "word by word",
        Topic::Remove => "remove a character",
        Topic::CutWord => "cut a word",
        Topic::CutLine => "cut to the start, to the end of the line",
        Topic::PutBack => "paste what was cut",
        Topic::Transpose => "swap two characters",
        Topic::Undo => "undo, redo",
        Topic::Suspend => "suspend",
        Topic::Redraw => "redraw",
    }
}

/// What a command does.
pub fn command(command: Command) -> &'static str {
    match command {
        Command::Help => "keys and commands",
        Command::Who => "your partner, since when, encryption, connection",
        Command::Doctor => "diagnose the connection, suggest fixes",
        Command::Code => "show both codes again",
        Command::Find => "search the messages",
        Command::Clear => "clear this screen",
        Command::Lock => "lock this screen with a passphrase",
        Command::Send => "send files and folders: /send PATH...",
        Command::Get => "accept the offered files",
        Command::Decline => "refuse the offered files",
        Command::Cancel => "cancel the current transfer",
        Command::Rekey => "change keys now",
        Command::Panic => "wipe everything, leave now",
        Command::Quit => "leave",
    }
}

/// What happened. `None` where there is nothing to tell a person.
pub fn event(event: &Event) -> Option<String> {
    Some(match event {
        // The addresses to give away, or the invite, say where this side waits.
        Event::Listening { .. } => return None,
        Event::Addresses { addresses, left_out, port, how } => {
            let row = |own: &OwnAddress| {
                let place = match own.scope {
                    Scope::Global => "from anywhere".into(),
                    Scope::Vpn => format!("from the same VPN{}", interface(own)),
                    Scope::Local => "from your own network".into(),
                    Scope::Link if own.address.is_ipv6() => {
                        "over a cable between you two; they put their own interface after %".into()
                    }
                    Scope::Link => "over a cable between you two".into(),
                    Scope::Machine => "from this machine".into(),
                };
                format!("  {:<44}  {place}", invocation(own, *port, *how))
            };
            let rows: Vec<_> = addresses.iter().map(row).chain(others(*left_out)).collect();
            let advice = if addresses.iter().any(|own| own.scope == Scope::Global) {
                format!(
                    "Can't be reached? Open port {port} in your router and firewall, start again with --invite or \
                     --tor, or swap roles: let your partner wait. `tete doctor` tells you what is blocking it."
                )
            } else {
                "These work only inside your own network. From elsewhere: start again with --invite or --tor, or let \
                 your partner wait. `tete doctor` tells you more."
                    .into()
            };
            format!(
                "Ask your partner to run one of these:\n{}\n{advice}\n\
                 Waiting for your partner; Ctrl-C cancels.",
                rows.join("\n")
            )
        }
        Event::Invite { invite: line, routes: ways, left_out, how } => {
            let ways: Vec<_> = ways.iter().map(|way| format!("  {}", route(way))).chain(others(*left_out)).collect();
            let command = match how {
                Invitation::Join => "tete join",
                Invitation::Receive => "tete receive --invite-file -",
                Invitation::Send => "tete send FILE --invite-file -",
            };
            // Where only files are sent nobody can compare.
            let check = if *how == Invitation::Join { ", so compare the /code afterwards" } else { "" };
            format!(
                "Send your partner this line over a channel only the two of you can read; they paste it into \
                 `{command}`. It admits one person, once. The first person to use it gets in{check}.\n\n\
                 {}\n\nIts routes:\n{}\nWaiting for your partner; Ctrl-C cancels.",
                line.as_str(),
                ways.join("\n")
            )
        }
        Event::Mapping => "asking the router to forward a port".into(),
        Event::Mapped { address: at } => format!("the router now forwards {at} here"),
        Event::MappingFailed(MappingError::NoRouter) => "no router found that could forward a port".into(),
        Event::MappingFailed(MappingError::NoAnswer) => "the router does not answer requests to forward a port".into(),
        Event::MappingFailed(MappingError::Refused) => "the router refused to forward a port".into(),
        Event::MappingFailed(MappingError::Useless { address: ip }) => {
            format!("the router could forward a port, but it is behind another router itself ({ip} is not public)")
        }
        Event::Announced => "anyone holding the invite can now find this machine on the local network".into(),
        Event::LanFailed { why } => format!("the local network cannot be used: {}", lan_error(*why)),
        Event::Tor { percent: Some(percent) } => format!("connecting to Tor: {percent} %"),
        Event::Tor { percent: None } => "publishing the onion service, a few seconds".into(),
        Event::TorFailed { why } => format!("cannot connect to Tor: {}. The invite has no route through Tor.", tor_error(*why)),
        Event::RouteDown { route: way, why } => {
            format!("your partner cannot reach you through {} for now: {}. Still trying.", route(way), connect_error(*why))
        }
        Event::RouteUp { route: way } => format!("{} works now", route(way)),
        Event::LookingUp { host } => format!("looking up {host}"),
        Event::Trying { address } => format!("trying {}", route(address)),
        Event::TryFailed { address, why } => {
            format!("could not connect to {}: {}", route(address), connect_error(*why))
        }
        Event::Connected { address } => format!("connected to {}, setting up encryption", peer(address)),
        Event::Caller { address } => format!("someone connected from {}", peer(address)),
        Event::BusySent { address: from, times } => {
            format!("someone else at {} tried to join and got a busy reply ({times} so far)", peer(from))
        }
        Event::CallersWaiting { callers: 1 } => {
            "Someone else is waiting. If this is not your partner, type /next: your partner may be waiting.".into()
        }
        Event::CallersWaiting { callers } => format!(
            "{callers} others are waiting. If this is not your partner, type /next: your partner may be one of them."
        ),
        Event::Code { own, can_skip } => format!(
            "Read this to your partner by phone, or wherever you know their voice:\n\n    {own}\n\n\
             Then type what your partner reads to you.{}",
            if *can_skip { "\nNot your partner? Type /next." } else { "" }
        ),
        Event::Compare { own, partner, emoji, can_skip } => format!(
            "Compare with your partner's screen, by phone or side by side:\n\n  yours   {own}\n  theirs  {partner}\n  {}\n\n\
             Your partner's screen shows the same pictures and the two codes swapped. \
             Type same if everything matches, otherwise different.{}",
            pictures(emoji, |entry| entry.english),
            if *can_skip { "\nNot your partner? Type /next." } else { "" }
        ),
        Event::NotACode => "Please type eight digits, like 4124 2842.".into(),
        Event::OwnCode => {
            "That is your own code. Type the one your partner reads. If they read you this one, ask them to read from their own screen.".into()
        }
        Event::WrongCode { tries_left } => format!(
            "That is not the code on your partner's screen ({tries_left} {} left). It may be a slip: ask them to read \
             it again, slowly. If it fails again, somebody may be in the middle.",
            if *tries_left == 1 { "try" } else { "tries" }
        ),
        Event::StaleAnswer => "That belonged to an earlier code and was ignored.".into(),
        Event::Refused(Refusal::NotAsked) => "That does not answer the current question and was ignored.".into(),
        Event::Refused(Refusal::NotConfirmed) => "Please check the code first.".into(),
        Event::Refused(Refusal::NotOpen) => "The room is not open yet.".into(),
        Event::NeitherWord => "Please type the whole word, same or different.".into(),
        Event::Confirmed { partner_confirmed } => if *partner_confirmed { "Correct. Your partner has confirmed it, too." } else { "Correct. Waiting for your partner." }.into(),
        Event::RoomOpen { invited: false } => {
            "The room is open. Type a message and press Enter; /help shows the rest.".into()
        }
        Event::RoomOpen { invited: true } => {
            "The room is open, but nobody has checked who is in it: compare with /code. Type a message and press Enter.".into()
        }
        Event::PairingFailed { address: from, why, pause } => {
            let (fact, advice) = (pairing(*why), pairing_advice(*why));
            format!("{fact} ({}). {advice} Waiting again in {} s.", peer(from), pause.as_secs())
        }
        Event::Delivered { messages: 1, waiting: 0 } => "✓ delivered".into(),
        Event::Delivered { messages, waiting: 0 } => format!("✓ {messages} messages delivered"),
        Event::Delivered { messages, waiting } => format!("✓ {messages} delivered, {waiting} waiting"),
        Event::Refused(Refusal::TooLong { limit }) => format!("Not sent: longer than {limit} bytes. Please shorten it."),
        Event::Refused(Refusal::Full { waiting }) => format!("Not sent: {} not delivered yet. Try again soon.", are(*waiting)),
        Event::Refused(Refusal::NotUtf8) => "input line not sent: not UTF-8".into(),
        Event::Refused(Refusal::NeedlessArgument { command: name }) => {
            format!("{name} takes nothing behind it. To send it as a message, start with //.")
        }
        Event::Refused(Refusal::UnknownCommand { command: name }) => match meant(name) {
            Some(meant) => {
                format!("Unknown command {name}; did you mean /{meant}? To send it as a message, start with //.")
            }
            None => format!("Unknown command {name} (/help lists all). To send it as a message, start with //."),
        },
        Event::Codes { own, partner, trust: Trust::Invite, .. } => format!(
            "your code {own}, partner's {partner}\n\
             Read yours to your partner on the phone and have them read theirs; then type `/code same` or `/code different`."
        ),
        Event::Codes { own, partner, checked: true, .. } => format!("your code {own}, partner's {partner} (already verified)"),
        Event::Codes { own, partner, .. } => format!(
            "your code {own}, partner's {partner} (new since you reconnected)\n\
             If you want to be sure, compare both with your partner on the phone. If either differs: `/code different`."
        ),
        Event::Verified => "Verified: nobody is in the middle.".into(),
        Event::Who(with) => who(with, local_time),
        Event::Finding(found) => finding(found),
        Event::File(about) => file(about, false),
        Event::Finishing { waiting } => format!("Waiting until {} delivered. Ctrl-C leaves at once.", are(*waiting)),
        Event::PartnerLeft => "Your partner left. No messages were saved.".into(),
        Event::CutOff => "The connection is lost and this room is closed.".into(),
        Event::Quiet { seconds } => format!("No answer for {seconds} s; the connection may be lost."),
        Event::ConnectionLost { why, redialing } => format!(
            "Connection lost ({}). {} Keep typing: it will be sent when you are back.",
            connection_fault(*why),
            if *redialing { "Reconnecting." } else { "Waiting for your partner to reconnect." }
        ),
        Event::PairingInterrupted { why, redialing: true } => format!(
            "Connection lost ({}) before your partner answered. Reconnecting; it needs no other code.",
            connection_fault(*why)
        ),
        Event::PairingInterrupted { why, redialing: false } => format!(
            "Connection lost ({}) before your partner answered. They can come back without another code; others can call meanwhile.",
            connection_fault(*why)
        ),
        Event::StillAway { seconds, redialing: true } => format!(
            "No answer from your partner for {seconds} s. Still reconnecting; if they have started over, quit and call again."
        ),
        Event::StillAway { seconds, redialing: false } => format!(
            "Your partner has not come back for {seconds} s. If they have started over, they can call again, with a new code."
        ),
        Event::Displaced { address } => {
            format!("Your partner is back, without another code. The caller at {} was sent away.", peer(address))
        }
        Event::RedialFailed { attempt: number, why: failure } => {
            format!("Reconnecting, attempt {number}: {}. Still trying.", redial_failure(*failure))
        }
        Event::BetterRoute { address: place } => format!("switched to a better route, {}", peer(place)),
        Event::Reconnected { after, waiting: 0 } => format!("Reconnected after {} s.", after.as_secs()),
        Event::Reconnected { after, waiting } => {
            format!("Reconnected after {} s; sending {}.", after.as_secs(), messages(*waiting))
        }
        Event::Waiting { waiting } => format!("◌ {} waiting for the connection", are(*waiting)),
        Event::Intruder { address: from, times } => format!(
            "Someone at {} tried to join and was turned away ({times} so far). \
             If that was your partner restarting: /quit and wait for them again.",
            peer(from)
        ),
        Event::Rekey => "Changing keys.".into(),
        Event::Refused(Refusal::NotConnected) => "Not possible while offline.".into(),
        Event::TimeIsUp => "This room's time is up.".into(),
        Event::Refused(Refusal::NeedsScreen) => "This needs the full screen: start without --plain.".into(),
        Event::Refused(Refusal::WhatToSend) => "Say what to send: /send FILE, or /send \"A FOLDER\".".into(),
    })
}

/// The interface that an address belongs to, if that is worth a word.
fn interface(own: &OwnAddress) -> String {
    own.interface.as_ref().map(|name| format!(", {name}")).unwrap_or_default()
}

/// The row about the addresses that have none.
fn others(left_out: usize) -> Option<String> {
    (left_out > 0).then(|| format!("  ({left_out} more of this machine's addresses left out)"))
}

/// With whom, how. `clock` tells the time of so long ago.
pub fn who(who: &Who, clock: impl Fn(Duration) -> String) -> String {
    let ago = |then| clock(who.now.saturating_sub(then));
    format!(
        "partner at {}, {}, since {}\n  connection    {}\n  {} + ML-KEM-768\n  keys          {}\n  your key      {}\n  partner's key {}\n  messages not delivered: {}",
        peer(&who.partner),
        SCREEN.trust(who.trust),
        ago(who.opened),
        connection_state(&who.connection, who.now),
        who.suite,
        who.epoch.as_ref().map_or("none".into(), |(number, began)| match number {
            0 => format!("new with this connection, since {}", ago(*began)),
            1 => format!("changed once, since {}", ago(*began)),
            _ => format!("changed {number} times, since {}", ago(*began)),
        }),
        who.local,
        who.remote,
        who.waiting
    )
}

/// What happened to files. With `keys` it names those of the full screen.
pub fn file(event: &FileEvent, keys: bool) -> String {
    match event {
        FileEvent::CannotSend { path, why } => format!("Cannot send {path}: {}.", file_fault(why)),
        FileEvent::LeftOut { name, paths, count } => {
            let rows: Vec<_> = paths.iter().map(|(path, why)| format!("  {path}: {}", file_fault(why))).collect();
            let more = if *count > rows.len() { format!("\n  and {} more", count - rows.len()) } else { String::new() };
            format!("Not included in {name}:\n{}{more}", rows.join("\n"))
        }
        FileEvent::Queued { name, before: 1 } => format!("{name} is queued."),
        FileEvent::Queued { name, before } => format!("{name} is queued behind {before} others."),
        FileEvent::Offering { name, files, bytes } => {
            format!("Offered to your partner: {name}{}.", amount(*files, *bytes))
        }
        FileEvent::Accepted { name } => format!("Your partner accepted {name}."),
        FileEvent::PartnerDeclined { name } => format!("{name} was not accepted on your partner's side."),
        FileEvent::Sent { name, files, bytes, took, failed: 0 } => {
            format!("✓ {name}{} sent and saved{}", amount(*files, Some(*bytes)), speed(", ", *bytes, *took))
        }
        FileEvent::Sent { name, files, failed, .. } => {
            format!("{name}: {} of {files} files were saved, {failed} were not.", files - failed)
        }
        FileEvent::Renamed { name, sending, names, count } => {
            let rows: Vec<_> = names.iter().map(|(path, stored)| format!("  {path} → {stored}")).collect();
            let more = if *count > rows.len() { format!("\n  and {} more", count - rows.len()) } else { String::new() };
            let what = if *count == 1 { "1 name".to_owned() } else { format!("{count} names") };
            let whose = if *sending { " on your partner's side" } else { "" };
            format!("{what} of {name} had to be changed{whose}:\n{}{more}", rows.join("\n"))
        }
        FileEvent::NotSent { path, why } => format!("{path} was not sent: {}.", file_fault(why)),
        FileEvent::Offered { name, offered_as: called, files, bytes, folder, .. } => format!(
            "Your partner wants to send you {name}{}{}. {}/get: save to {folder} · {}/decline: refuse",
            called.as_ref().map(|called| format!(" (on their side: {called})")).unwrap_or_default(),
            amount(*files, *bytes),
            if keys { "F2 or " } else { "" },
            if keys { "F3 or " } else { "" },
        ),
        FileEvent::OfferRefused { name, why } => {
            format!("Your partner offered {name}, which cannot be accepted: {}.", file_fault(why))
        }
        FileEvent::Refused(FileRefusal::NothingOffered) => "There is no offer to answer.".into(),
        FileEvent::Refused(FileRefusal::StaleOffer) => "That offer is gone; nothing was done.".into(),
        FileEvent::Refused(FileRefusal::NothingUnderWay) => "No transfer is running.".into(),
        FileEvent::NoSpace { name, needed, free } => format!(
            "Not enough space for {name}: {} needed, {} free. Make room, then /get.",
            size(*needed),
            size(*free)
        ),
        FileEvent::Accepting { name, folder } => format!("Receiving {name} into {folder}"),
        FileEvent::Declined { name } => format!("You declined {name}."),
        FileEvent::Stored { name, files, bytes, took, failed: 0 } => {
            format!("✓ {name}{} saved{}", amount(*files, Some(*bytes)), speed(", ", *bytes, *took))
        }
        FileEvent::Stored { name, files, failed, .. } => {
            format!("{name}: {} of {files} files saved, {failed} were not.", files - failed)
        }
        FileEvent::NotStored { path, why } => format!("{path} was not saved: {}.", file_fault(why)),
        FileEvent::Checking { path } => format!("Checking what your partner already has of {path}."),
        FileEvent::Restarted { path, .. } => format!("{path} changed meanwhile; starting over."),
        FileEvent::DiskFull { name } => {
            format!("No space left for {name}. Make room and it continues by itself.")
        }
        FileEvent::Resumed { name } => format!("Space again: {name} continues."),
        FileEvent::Withdrawn { name, sending: true, .. } => format!("{name} was not sent: nobody had accepted it."),
        FileEvent::Withdrawn { name, by: EndedBy::Partner, .. } => {
            format!("Your partner withdrew the offer of {name}.")
        }
        FileEvent::Withdrawn { name, .. } => format!("{name} was not accepted, and is no longer offered."),
        FileEvent::TransferEnded { name, sending: true, by, .. } => {
            format!("{name} was not sent completely: {}.", ended_by(*by))
        }
        FileEvent::TransferEnded { name, by, .. } => {
            format!("{name} did not arrive completely: {}.", ended_by(*by))
        }
        FileEvent::Progress { name, sending, progress } => {
            format!("{} {name}  {}, {}", arrow(*sending), bar(progress), rest(progress))
        }
    }
}

/// Why a file is not sent or not stored: a part of a sentence.
pub fn file_fault(why: &FileFault) -> String {
    match why {
        FileFault::System(why) => system_error(*why),
        FileFault::Missing => "no such file or folder".into(),
        FileFault::Nothing => "nothing in it can be sent".into(),
        FileFault::TooMany(limit) => {
            format!("it has more than {limit} files; send them as one: `tar c FOLDER | tete send`")
        }
        FileFault::TooManyWait => "too many are waiting already".into(),
        FileFault::Link => "a link".into(),
        FileFault::Home => "it is your whole home folder, or the whole system; name what is in it".into(),
        FileFault::Special => "a pipe, a socket or a device".into(),
        FileFault::Unreadable => "no permission to read it".into(),
        FileFault::Name => "its name cannot be sent: not UTF-8, too long or too deep".into(),
        FileFault::Changed => "it changed meanwhile; send it again".into(),
        FileFault::Stream => "too much of the stream was lost with the connection".into(),
        FileFault::Partner => "your partner's side did not save it".into(),
        FileFault::Path => "no folder can hold that name".into(),
        FileFault::OtherName => "not what was offered".into(),
        FileFault::Hash => "checksum mismatch".into(),
        FileFault::Broken => "your partner's side could not read all of it".into(),
        FileFault::Nobody => "nobody is here to answer".into(),
    }
}

fn ended_by(who: EndedBy) -> String {
    match who {
        EndedBy::Us => "you cancelled it".into(),
        EndedBy::Partner => "your partner cancelled it".into(),
        EndedBy::Connection => "the connection was lost".into(),
        EndedBy::Silence => format!("your partner's side has not confirmed anything for {} s", ANSWER.as_secs()),
    }
}

/// `1.5 GB, 2/7, 12.0 MB/s, 1:52 left`.
pub fn rest(progress: &Progress) -> String {
    let mut parts: Vec<_> = progress.of_bytes.map(size).into_iter().collect();
    if progress.of_files > 1 {
        parts.push(format!("{}/{}", progress.files, progress.of_files));
    }
    if progress.waits {
        parts.push("waiting".into());
    } else {
        parts.push(format!("{}/s", size(progress.rate)));
        if let Some(left) = progress.left() {
            let time = format!("{}:{:02}", left / 60, left % 60);
            parts.push(format!("{time} left"));
        }
    }
    parts.join(", ")
}

/// ` (3 files, 4.2 MB)`.
fn amount(files: u32, bytes: Option<u64>) -> String {
    let bytes = bytes.map_or("a stream".into(), size);
    if files == 1 { format!(" ({bytes})") } else { format!(" ({files} files, {bytes})") }
}

/// What is wrong with the command line.
fn usage(why: &UsageFault) -> String {
    match why {
        UsageFault::Unknown { option, like: None } => format!("unknown option {option:#}"),
        UsageFault::Unknown { option, like: Some(like) } => {
            format!("unknown option {option:#}; did you mean {like:#}?")
        }
        UsageFault::TooMany { argument } => format!("\"{argument:#}\" is one argument too many"),
        UsageFault::NoValue { option } => format!("{option:#} needs a value"),
        UsageFault::NeedlessValue { option, value } => {
            format!("{option:#} takes no value, but \"{value:#}\" was given")
        }
        UsageFault::NotAmong { option, value, possible } => {
            let possible: Vec<_> = possible.iter().map(Printable::as_str).collect();
            format!("{option:#} cannot be \"{value:#}\"; it can be {}", possible.join(", "))
        }
        UsageFault::Value { option, value, why } => {
            format!("{option:#} cannot be \"{value:#}\": {}", value_error(*why))
        }
        UsageFault::Twice { option } => format!("{option:#} is given more than once"),
        UsageFault::Conflict { one, other } => format!("{one:#} and {other:#} do not go together"),
        UsageFault::Useless { option, command } => format!("{option:#} does nothing with tete {command:#}"),
        UsageFault::NotUtf8 => "an argument is not UTF-8".to_owned(),
        UsageFault::Other(why) => why.as_str().to_owned(),
    }
}

fn config(why: &ConfigFault) -> String {
    match why {
        ConfigFault::NoValue => "write it like lock = 10".to_owned(),
        ConfigFault::Key { key, like: None } => format!("{key:#} cannot be set here"),
        ConfigFault::Key { key, like: Some(like) } => format!("unknown key {key:#}; did you mean {like:#}?"),
        ConfigFault::YesOrNo => "this is yes or no".to_owned(),
        ConfigFault::Twice => "this was set further up".to_owned(),
        ConfigFault::Option(why) => usage(why),
        ConfigFault::NotText => "the name of the folder is not UTF-8".to_owned(),
        ConfigFault::NoFile => "this is not a file".to_owned(),
        ConfigFault::OthersWrite => "others can write this file, so it is not read".to_owned(),
        ConfigFault::System(why) => system_error(*why),
    }
}

fn value_error(why: ValueError) -> String {
    match why {
        ValueError::Port => "a port is a number from 0 to 65535".to_owned(),
        ValueError::Address => "an address is IPv4 or IPv6, without a port".to_owned(),
        ValueError::Minutes { least, most } => format!("minutes are a whole number from {least} to {most}"),
        ValueError::Time => "a time is written like 90s, 30m, 24h, 7d or 1h 30m".to_owned(),
        ValueError::LongTime { most_days } => format!("a time is at most {most_days}d"),
        ValueError::Name { most } => format!("a name is 1 to {most} columns wide"),
        ValueError::Rate => {
            format!("a rate is {} to {} records per second", RATES.start(), RATES.end())
        }
    }
}

/// Why the program ends, and one line of advice.
pub fn fault(fault: &Fault) -> (String, String) {
    let two = |fact: &str, advice: &str| (fact.to_owned(), advice.to_owned());
    match fault {
        Fault::CommandLine(why) => (usage(why), "See `tete --help`.".to_owned()),
        Fault::Config { path, line, why } => (
            match line {
                Some(line) => format!("{path}, line {line}: {}", config(why)),
                None => format!("{path}: {}", config(why)),
            },
            "Mend it, or leave it out with --no-config.".to_owned(),
        ),
        Fault::NearCommand { word, command } => two(
            &format!("\"{word:#}\" looks like the command {command}, so it was not looked up as a host"),
            &format!("Write `tete {command}`; or for a machine of that name `tete join {word:#}`."),
        ),
        Fault::LoneWord { word } => two(
            &format!("\"{word:#}\" is neither a command nor a machine in /etc/hosts, so it was not looked up"),
            &format!(
                "Write `tete join {word:#}` if your partner's machine is called that; `tete --help` lists the commands."
            ),
        ),
        Fault::HostOptions => two(
            "--port, --bind, --invite, --relay and --onion are for the side that waits",
            "To join on another port, write HOST PORT.",
        ),
        Fault::Address { typed, why: AddressError::Host } => two(
            &format!("\"{typed:#}\" is neither a host name nor an IP address"),
            "Write HOST, HOST PORT, IPV4:PORT or [IPV6]:PORT.",
        ),
        Fault::Address { typed, why: AddressError::Port } => {
            two(&format!("\"{typed:#}\" is not a port"), "A port is a number from 1 to 65535.")
        }
        Fault::Address { typed, why: AddressError::NotAscii } => {
            two(&format!("\"{typed:#}\" has letters that DNS does not know"), "Write its xn-- form, or the IP address.")
        }
        Fault::Address { typed, why: AddressError::Onion } => {
            two(&format!("\"{typed:#}\" is not an onion address"), "It has 56 letters and digits before .onion.")
        }
        Fault::Address { typed, why: AddressError::Zone } => two(
            &format!("\"{typed:#}\" leads nowhere without the interface it is reached by"),
            &format!("Write the interface of this machine behind it: {typed:#}%INTERFACE."),
        ),
        Fault::Address { typed, why: AddressError::TwoPorts } => {
            two(&format!("the port is given twice: {typed:#}"), "Give it once: HOST:PORT or HOST PORT.")
        }
        Fault::NoAddress => {
            two("no address was given", "Name the host: `tete join HOST`, or run it in a terminal to be asked.")
        }
        Fault::Lookup(host) => {
            two(&format!("the name {host} is not found"), "Check the spelling and whether you are online.")
        }
        Fault::Unreachable(address) => two(
            &format!("{address:#} could not be reached"),
            &format!("`tete doctor {address:#}` tells you what is blocking it."),
        ),
        Fault::NoWay => two(
            "no route in this invite reached your partner",
            "Is their tete still running, and the invite not used yet? Ask for a new one; one with a relay gets through most routers. `tete doctor` tells you what is blocking it.",
        ),
        Fault::Invite(InviteError::NotAnInvite) => {
            two("this is not an invite", "An invite is one long line that begins with tete1.")
        }
        Fault::Invite(InviteError::Damaged) => {
            two("this invite is incomplete or damaged", "Copy all of it, in one piece.")
        }
        Fault::Invite(InviteError::Newer) => two("this invite was made by a newer tete", "Update tete."),
        Fault::NoAddressForInvite => two(
            "an invite would lead only to this machine: it has no other address",
            "Connect it to a network; or use --tor, --lan or --relay; or --bind 127.0.0.1 to try it here.",
        ),
        Fault::NeedsInvite => {
            two("--relay, --onion and --lan need an invite", "Make one with --invite; your partner joins with it.")
        }
        Fault::TooManyRelays => {
            two("there are more relays than fit into an invite", &format!("Name {RELAYS} at most."))
        }
        Fault::WordFirst(word) => two(
            &format!("`{word:#}` is a command and must come first"),
            &format!("Put it first: `tete {word:#} [OPTIONS]`. For a machine of that name: {word:#}:{PORT}."),
        ),
        Fault::InviteInArguments => two(
            "an invite on the command line can be read by everybody on this machine, and stays in the shell's history",
            "Anyone who saw it can still use it: ask your partner to stop (Ctrl-C) and make a new one, and paste that when `tete join` asks.",
        ),
        Fault::InviteFile(why) => two(
            &format!("cannot read an invite: {}", system_error(*why)),
            "Name a file that holds it, or - for standard input.",
        ),
        Fault::Tor(why) => two(
            &format!("cannot connect to Tor: {}", tor_error(*why)),
            "Install tor (Debian: apt install tor), or use one that is already running with --tor-control. Where Tor is blocked, add bridges with --tor-config.",
        ),
        Fault::Proxy(ProxyError::Kind) => two("unknown kind of proxy", "Write socks5://HOST:PORT."),
        Fault::Proxy(ProxyError::User) => {
            two("the proxy's user name or password is malformed", "Write socks5://USER:PASSWORD@HOST:PORT.")
        }
        Fault::Proxy(ProxyError::Address(_)) => {
            two("the proxy's address is malformed", "Write socks5://HOST:PORT, with [ ] around an IPv6 address.")
        }
        Fault::Busy => two(
            "they are talking to somebody else",
            "If your partner expects you, let them know by phone, then try again.",
        ),
        Fault::NobodyCame => two("ended before anybody joined", "Nothing was saved."),
        Fault::Handshake { address, why } => two(
            &format!("no encrypted connection to {address}: {}", connect_error(*why)),
            "Check the address and the port with your partner. If they started tete with --invite, you need the invite.",
        ),
        Fault::Version { min, max } => two(
            &format!("they speak versions {min} to {max} of the protocol, this is version {VERSION}"),
            "Both sides need the same version of tete.",
        ),
        Fault::Refused(reason) => {
            two(&format!("they refused, reason {reason}"), "They may have a newer tete than you.")
        }
        Fault::Pairing(why) => (pairing(*why).to_owned(), pairing_advice(*why).to_owned()),
        Fault::CutOff { waiting: 0 } => {
            two("the connection was lost for good", "Start again on both sides; every message you sent was delivered.")
        }
        Fault::CutOff { waiting } => two(
            &format!("the connection was lost for good, and {} not delivered", were(*waiting)),
            "Start again on both sides, and send it again.",
        ),
        Fault::Files { unfinished } => two(
            &format!("{unfinished} {} not complete", if *unfinished == 1 { "transfer is" } else { "transfers are" }),
            "The lines above say why. Send it again; a single file resumes where it stopped.",
        ),
        Fault::InputAndMore => two(
            "standard input (-) cannot be combined with paths",
            "Send the files first and standard input afterwards.",
        ),
        Fault::JsonAndStream => two(
            "with --json, standard input and output carry commands and events",
            "Send a file or receive into a folder, or leave out --json.",
        ),
        Fault::NothingToSend => two(
            "there is nothing to send",
            "Name files and folders, or pipe in a program's output: `tar c photos | tete send`; - sends what you type.",
        ),
        Fault::TooManyPaths { limit } => {
            two(&format!("more than {limit} files and folders"), "Put them into one folder and send that.")
        }
        Fault::CannotSend { paths } => (
            match paths.as_slice() {
                [(path, why)] => format!("cannot send {path}: {}", file_fault(why)),
                several => {
                    let rows = several.iter().map(|(path, why)| format!("\n  {path}: {}", file_fault(why)));
                    format!("cannot send these:{}", rows.collect::<String>())
                }
            },
            "Nothing was sent, and nobody was contacted.".to_owned(),
        ),
        Fault::NoScreenToLock => two(
            "--lock needs the full screen, and there is none here",
            "Run it in a terminal without --plain, or leave out --lock.",
        ),
        Fault::TorConfig { path, why } => two(
            &format!("cannot read {path}, the extra configuration for tor: {}", system_error(*why)),
            "Name a text file that you can read: --tor-config FILE.",
        ),
        Fault::TorControl(at) => two(
            &format!("this is not the address of a tor control port: {at}"),
            "Write HOST:PORT, like 127.0.0.1:9051, or the full path of its control socket.",
        ),
        Fault::Folder { path, why } => two(
            &format!("cannot save files to {path}: {}", system_error(*why)),
            "Name an existing folder that you can write to: --save-to FOLDER.",
        ),
        Fault::NothingCame => two("nothing was received", "Your partner left without sending anything. Try again."),
        Fault::NoTerminal => {
            two("no terminal to check the code on", "Run it in a terminal, or let a program drive it: `tete --json`.")
        }
        Fault::HostGone { after, waiting } => two(
            &format!(
                "your partner's tete has not been at its address for {} s, {} not delivered",
                after.as_secs(),
                were(*waiting)
            ),
            "It has probably quit, and the room is gone with it; start tete on both sides and pair again.",
        ),
        Fault::Damaged { waiting } => two(
            &format!("disconnected: the other side broke the protocol, {} not delivered", were(*waiting)),
            "Nothing forged was shown. Start again on both sides with the same version of tete.",
        ),
        Fault::CodesDiffer(said) => {
            let who = if said.by_partner { "your partner saw that the codes differ" } else { "the codes differ" };
            let CodesDiffer { partner, sent, received, .. } = said;
            let partner = peer(partner);
            (
                format!("ALARM: {who}. Somebody is in the middle, or this is not your partner"),
                format!(
                    "Treat everything said in this room as known to somebody else: {} went to {partner}, and {} came \
                     from there. Let your partner know by phone, and meet again over another network if you can.",
                    messages(*sent),
                    messages(*received)
                ),
            )
        }
        Fault::Unread { texts: count } => two(
            &format!("{} received but not shown here", were(*count)),
            "On your partner's screen they have no ✓: ask.",
        ),
        Fault::Undelivered { waiting } => {
            two(&format!("{} not delivered", were(*waiting)), "Reach your partner some other way.")
        }
        Fault::PortInUse(port) => two(
            &format!("port {port} is in use on this machine"),
            &format!("Another tete may be running. Choose another port: `tete --port {}`.", PORT + 1),
        ),
        Fault::Listen { address, why } => two(
            &format!("cannot listen on {address:#}: {}", system_error(*why)),
            "Try without --bind, or another --port.",
        ),
        Fault::Output(why) => two(
            &format!("cannot write your partner's messages: {}", system_error(*why)),
            "Keep standard output open while tete runs.",
        ),
        Fault::Input { lines } => two(
            &format!("{lines} input {} not sent", if *lines == 1 { "line was" } else { "lines were" }),
            &format!("Lines must be UTF-8 and at most {TEXT} bytes."),
        ),
        Fault::Interface => two("a part of the program ended by itself", "This is a bug in tete; please report it."),
        Fault::System(why) => {
            two(&format!("the system refused: {}", system_error(*why)), "tete needs this to start safely.")
        }
    }
}

fn pairing(why: PairingFault) -> &'static str {
    match why {
        PairingFault::WrongHalf => "ALARM: three wrong codes. Somebody may be in the middle",
        PairingFault::Different => "ALARM: the codes differ. Somebody is in the middle, or this is not your partner",
        PairingFault::Skipped => "not your partner",
        PairingFault::Left => "left before the codes were checked",
        PairingFault::NoHalf => "the input ended before your partner's code",
        PairingFault::PartnerLeft => "the other side left before the codes were checked",
        PairingFault::PartnerSawOtherCode => "ALARM: your partner saw another code. Somebody may be in the middle",
        PairingFault::Cut => "the connection was lost during pairing",
        PairingFault::Timeout => "the codes were not checked in time",
        PairingFault::Commitment => "ALARM: an attack. The other side tried to choose the code",
        PairingFault::Reflection => "ALARM: an attack. This side's own key or message came back",
        PairingFault::Misbehaved => "the other side broke the protocol during pairing",
    }
}

fn pairing_advice(why: PairingFault) -> &'static str {
    match why {
        PairingFault::WrongHalf | PairingFault::Different | PairingFault::PartnerSawOtherCode => {
            "Nothing has been revealed. Ask your partner on the phone whether they are connected to you, then pair again, over another network if you can."
        }
        PairingFault::Commitment | PairingFault::Reflection => {
            "Nothing has been revealed. Pair again over another network, and let your partner know what happened."
        }
        PairingFault::Skipped | PairingFault::Left | PairingFault::Misbehaved => "Nothing has been revealed.",
        PairingFault::NoHalf => "The first line of the input is the code that your partner reads out.",
        PairingFault::PartnerLeft => "Ask your partner on the phone what they saw, then pair again.",
        PairingFault::Cut => "Nothing has been revealed. Start again on both sides.",
        PairingFault::Timeout => "Agree on a time by phone, then pair again.",
    }
}

fn connection_fault(why: ConnectionFault) -> String {
    match why {
        ConnectionFault::Cut => "it was closed".into(),
        ConnectionFault::Silent { after } => format!("no answer for {} s", after.as_secs()),
        ConnectionFault::Late => "your partner's side took too long".into(),
        ConnectionFault::Damaged { times } => format!("damaged or tampered with, {times} so far"),
    }
}

/// The state of the connection at `now`, in a few words.
pub fn connection_state(connection: &ConnectionState, now: Duration) -> String {
    match connection {
        ConnectionState::Connected => "connected".into(),
        ConnectionState::Quiet(since) => format!("no answer for {} s", now.saturating_sub(*since).as_secs()),
        ConnectionState::Redialing { number, next, failure } => format!(
            "reconnecting: attempt {number}, next in {} s{}",
            next.saturating_sub(now).as_secs_f32().ceil(),
            failure.map_or(String::new(), |why| format!("; the last failed: {}", redial_failure(why)))
        ),
        ConnectionState::Awaiting(since) => {
            format!("offline for {} s, waiting for your partner to reconnect", now.saturating_sub(*since).as_secs())
        }
    }
}

/// Why the host was not found again.
fn redial_failure(why: ConnectError) -> String {
    let gone = if why.suggests_end() { ". If your partner quit, this room is gone (/quit)" } else { "" };
    connect_error(why) + gone
}

/// Where a way leads: a part of a sentence.
fn route(route: &Route) -> String {
    match route {
        Route::Address(at) => at.to_string(),
        Route::Relay(at) => format!("relay {at}"),
    }
}

/// The other end of a connection: a part of a sentence.
pub fn peer(peer: &PeerAddr) -> String {
    match peer.via {
        Via::Direct => peer.at.to_string(),
        Via::Proxy => format!("proxy {}", peer.at),
        Via::Relay => format!("relay {}", peer.at),
        Via::Tor => "Tor".into(),
    }
}

/// Why a way leads nowhere: a part of a sentence.
pub fn connect_error(why: ConnectError) -> String {
    match why {
        ConnectError::Lookup => "the name was not found".into(),
        ConnectError::Refused => "the machine is there, but tete is not running on that port".into(),
        ConnectError::Timeout => "nothing answers".into(),
        ConnectError::NoRoute => "no route to it, or a firewall rejects it".into(),
        ConnectError::Closed => "something accepts the connection and closes it without a word".into(),
        ConnectError::Silent => "something accepts the connection but does not answer".into(),
        ConnectError::Unfinished => "an answer began, but the handshake did not finish".into(),
        ConnectError::NotTete => "what answers is not tete".into(),
        ConnectError::Rejected => "tete answers, and refuses".into(),
        ConnectError::NotAuthentic => "something answers, but does not prove that it is your partner".into(),
        ConnectError::NoRelay => "the relay cannot be reached".into(),
        ConnectError::NotARelay => "what answers is not a relay".into(),
        ConnectError::RelayClosed => "the relay closed the connection".into(),
        ConnectError::AloneAtRelay => "the relay is there, your partner is not".into(),
        ConnectError::NeedsInvite => "only an invite leads through a relay".into(),
        ConnectError::Proxy(why) => socks_error(why).into(),
        ConnectError::Tor(why) => format!("cannot connect to Tor: {}", tor_error(why)),
        ConnectError::System(why) => system_error(why),
    }
}

fn socks_error(why: SocksError) -> &'static str {
    match why {
        SocksError::Unreachable => "the proxy does not answer",
        SocksError::NotSocks => "what answers is not a SOCKS5 proxy",
        SocksError::Login => "the proxy wants another user name or password",
        SocksError::Forbidden => "the proxy does not allow it",
        SocksError::Failed => "the proxy failed, and does not say why",
    }
}

/// Why Tor cannot be used: a part of a sentence.
pub fn tor_error(why: TorError) -> String {
    match why {
        TorError::NotInstalled => "tor is not installed".into(),
        TorError::Start(why) => format!("tor cannot be started: {}", system_error(why)),
        TorError::Exited => "tor ended at once; its configuration may be wrong".into(),
        TorError::Control(why) => format!("its control port cannot be reached: {}", system_error(why)),
        TorError::Ended => "tor has ended".into(),
        TorError::Silent => "tor does not answer".into(),
        TorError::NotTor => "what answers is not tor".into(),
        TorError::Password => "tor asks for a password; let it use a cookie".into(),
        TorError::Unproven => "its control port lets anybody in, so it may not be tor; let it use a cookie".into(),
        TorError::Cookie(why) => format!("its cookie cannot be read: {}", system_error(why)),
        TorError::BadCookie => "its cookie file holds no cookie, or everybody may read it".into(),
        TorError::Impostor => "what answers is not the tor whose cookie this is".into(),
        TorError::Rejected(code) => format!("tor refused a command, code {code}"),
        TorError::NoSocks => "tor has no SOCKS port on the host of its control port".into(),
        TorError::NoNetwork => "tor did not find its network in time".into(),
        TorError::NotPublished => "the onion service was not published in time".into(),
        TorError::System(why) => system_error(why),
    }
}

/// Why nobody is found on the local network: a part of a sentence.
pub fn lan_error(why: LanError) -> String {
    match why {
        LanError::Unavailable => "multicast DNS is not available here".into(),
        LanError::NotHeard => "what was announced was not heard".into(),
        LanError::System(why) => system_error(why),
    }
}

/// Why the system refused something: a part of a sentence.
pub fn system_error(why: SystemError) -> String {
    match why {
        SystemError::PermissionDenied => "permission denied".into(),
        SystemError::NotFound => "not found".into(),
        SystemError::AlreadyExists => "it exists already".into(),
        SystemError::NotAFolder => "not a folder".into(),
        SystemError::IsAFolder => "it is a folder".into(),
        SystemError::NotEmpty => "the folder is not empty".into(),
        SystemError::InvalidFilename => "the name is not allowed here".into(),
        SystemError::SymbolicLink => "a link stands where none may, or too many follow each other".into(),
        SystemError::NotText => "it is not text".into(),
        SystemError::DiskFull => "the disk is full".into(),
        SystemError::FileTooLarge => "the file is too large for the disk".into(),
        SystemError::ReadOnly => "the disk is read-only".into(),
        SystemError::Disk => "the disk reports an error".into(),
        SystemError::Busy => "somebody else is using it".into(),
        SystemError::Closed => "the other end has closed it".into(),
        SystemError::AddressInUse => "another program uses the port".into(),
        SystemError::AddressNotAvailable => "this machine does not have that address".into(),
        SystemError::ConnectionRefused => "nobody listens there".into(),
        SystemError::TimedOut => "no answer in time".into(),
        SystemError::Unreachable => "no route leads there".into(),
        SystemError::TooManyFiles => "too many files are open".into(),
        SystemError::TooManyThreads => "too many threads or processes are running".into(),
        SystemError::OutOfMemory => "no memory is left".into(),
        SystemError::Unsupported => "the system cannot do that here".into(),
        SystemError::Cryptography => "a cryptographic primitive or the random generator failed".into(),
        SystemError::Number(number) => format!("system error {number}"),
        SystemError::Unknown => "for a reason that it does not name".into(),
    }
}

/// What the doctor has found, as lines on a screen.
pub fn finding(finding: &Finding) -> String {
    let verdict = match finding.verdict() {
        Verdict::Works => "works",
        Verdict::Not => "failed",
        Verdict::Unknown => "not certain",
    };
    let mark = mark(finding.verdict());
    let (why, next) = finding_words(finding);
    let next = next.map_or(String::new(), |next| format!("\n    → {next}"));
    format!("{mark} {}, {verdict}: {why}{next}", label(finding))
}

fn label(finding: &Finding) -> String {
    match finding {
        Finding::Connection { .. } => "connection".into(),
        Finding::Listens(_) | Finding::PortInUse(_) | Finding::CannotListen { .. } => "listening".into(),
        Finding::Addresses(_) => "addresses".into(),
        Finding::Nat(_) => "router".into(),
        Finding::Ipv6 { .. } => "IPv6".into(),
        Finding::Nat64(_) => "IPv4 by NAT64".into(),
        Finding::Firewall { .. } => "firewall".into(),
        Finding::Mapping(_) => "port mapping".into(),
        Finding::Lan(_) => "local network".into(),
        Finding::Proxy { address, .. } => format!("proxy {address:#}"),
        Finding::Tor(_) => "Tor".into(),
        Finding::NoRelay => "relay".into(),
        Finding::Relay { name, .. } => format!("relay {name}"),
        Finding::Way { name, .. } => format!("route to {}", route(name)),
    }
}

/// Why a thing works or not, and what to try next, if there is something.
pub fn finding_words(finding: &Finding) -> (String, Option<String>) {
    let no = |why: &str| (why.to_owned(), None);
    let and = |why: &str, next: &str| (why.to_owned(), Some(next.to_owned()));
    match finding {
        Finding::Connection { place, broken: false } => no(&format!("connected to {}", peer(place))),
        Finding::Connection { place, broken: true } => and(
            &format!("the connection to {} is lost", peer(place)),
            "wait: it reconnects by itself; /who shows how far that is",
        ),
        Finding::Listens(addresses) => no(&list(addresses)),
        Finding::PortInUse(port) => and(
            &format!("port {port} is in use on this machine"),
            "another tete may be running; choose another with --port",
        ),
        Finding::CannotListen { port, why } => {
            and(&format!("port {port}: {}", system_error(*why)), "choose another with --port, or leave out --bind")
        }
        Finding::Addresses(addresses) if addresses.is_empty() => {
            and("this machine has none", "connect it to a network")
        }
        Finding::Addresses(addresses) => no(&addresses
            .iter()
            .map(|own| match (own.address, own.scope) {
                (ip, Scope::Global) => format!("{ip} (from anywhere)"),
                (ip, Scope::Vpn) => format!("{ip} (from the same VPN{})", interface(own)),
                (ip, Scope::Local) => format!("{ip} (from the local network)"),
                (ip, Scope::Link) => format!("{ip} (over a cable only{})", interface(own)),
                (ip, Scope::Machine) => format!("{ip} (from this machine only)"),
            })
            .collect::<Vec<_>>()
            .join(", ")),
        Finding::Nat(Nat::None(ip)) => no(&format!("no NAT, {ip} is this machine's own address")),
        Finding::Nat(Nat::Router(ip)) => and(
            &format!("NAT with the public address {ip}; only forwarded ports get in"),
            "see port mapping, or let your partner wait and join them",
        ),
        Finding::Nat(Nat::Unknown) => and(
            "NAT; only forwarded ports get in; its public address is not known",
            "forward the port to this machine in its settings, let your partner wait and join them, or use a relay or Tor",
        ),
        Finding::Nat(Nat::Double(ip)) => and(
            &format!(
                "two NATs in a row, the second perhaps your provider's (CGNAT); between them you are {ip}. Nobody gets in by IPv4"
            ),
            "use IPv6, a relay or Tor, or let your partner wait and join them",
        ),
        Finding::Nat(Nat::NoIpv4) => and("this machine has no IPv4", "your partner needs IPv6, a relay or Tor"),
        Finding::Ipv6 { own: Some(ip), reached: Some(true) } => no(&format!("the named host answers from {ip}")),
        Finding::Ipv6 { own: Some(ip), reached: Some(false) } => and(
            &format!("address {ip} and a route are present, but no named host answers"),
            "it is not needed where IPv4, a relay or Tor works",
        ),
        Finding::Ipv6 { own: Some(ip), reached: None } => and(
            &format!("address {ip} and a route are present; not tested"),
            "name a host that has IPv6: `tete doctor HOST`",
        ),
        Finding::Ipv6 { own: None, .. } => {
            and("no global address or no route", "it is not needed where IPv4, a relay or Tor works")
        }
        Finding::Nat64(true) => no("this network translates to IPv4, so you can join partners who have no IPv6"),
        Finding::Nat64(false) => and(
            "this network has neither IPv4 nor a translator to it",
            "your partner needs IPv6, a relay or Tor, or joins you",
        ),
        Finding::Firewall { name: Some(name), port } => and(
            &format!("{name} is on; its rules cannot be seen from here"),
            &match *name {
                "ufw" => format!("if nobody gets in: sudo ufw allow {port}/tcp"),
                _ => format!("if nobody gets in: sudo firewall-cmd --add-port={port}/tcp"),
            },
        ),
        Finding::Firewall { name: None, port } => and(
            "neither ufw nor firewalld is on; others cannot be seen from here",
            &format!("if nobody gets in: allow port {port}/tcp"),
        ),
        Finding::Mapping(None) => no("not tested"),
        Finding::Mapping(Some(Ok(at))) => no(&format!("the router forwards {at} to this machine")),
        Finding::Mapping(Some(Err(why))) => match why {
            MappingError::NoRouter => no("no router found"),
            MappingError::NoAnswer => and(
                "the router does not answer such requests",
                "allow PCP, NAT-PMP or UPnP in its settings, or forward the port by hand",
            ),
            MappingError::Refused => and("the router refuses", "allow it in its settings, or forward the port by hand"),
            MappingError::Useless { address: ip } => {
                and(&format!("the router could, but its own address {ip} is not public"), "use IPv6, a relay or Tor")
            }
        },
        Finding::Lan(None) => and("not tested", "test it with --lan"),
        Finding::Lan(Some(Ok(()))) => no("announcements can be heard"),
        Finding::Lan(Some(Err(why))) => and(&lan_error(*why), "give your partner the address"),
        Finding::Proxy { result: Ok(()), .. } => {
            and("it accepts connections; not tested further", "name a host to test, or a relay with --relay")
        }
        Finding::Proxy { result: Err(why), .. } => {
            and(&connect_error(*why), "is it running there? Check the address and the port")
        }
        Finding::Tor(None) => and("installed, not tested", "test it with --tor"),
        Finding::Tor(Some(Ok(took))) => no(&format!("connected after {} s", seconds(*took))),
        Finding::Tor(Some(Err(why))) => and(
            &tor_error(*why),
            "install tor (Debian: apt install tor); where it is blocked, add bridges with --tor-config",
        ),
        Finding::NoRelay => {
            and("none given", "test one with --relay HOST:PORT; any magic-wormhole transit relay will do")
        }
        Finding::Relay { result: Ok(took), .. } => no(&format!("joined two connections within {} s", seconds(*took))),
        Finding::Relay { result: Err(why), .. } => {
            and(&connect_error(*why), "check the address and the port, or use another relay")
        }
        Finding::Way { met, .. } => probe_result(met),
    }
}

fn probe_result(result: &ProbeResult) -> (String, Option<String>) {
    let no = |why: &str| (why.to_owned(), None);
    let and = |why: &str, next: &str| (why.to_owned(), Some(next.to_owned()));
    match result {
        ProbeResult::Tete(took) => no(&format!("tete answers after {} s", seconds(*took))),
        ProbeResult::Partner => no("your partner is there"),
        ProbeResult::Busy => {
            and("tete answers, but is talking to somebody else", "if your partner expects you, let them know by phone")
        }
        ProbeResult::Version { min, max } => and(
            &format!("tete answers and speaks versions {min} to {max} of the protocol; this is version {VERSION}"),
            "both sides need the same version of tete",
        ),
        ProbeResult::Refusal(reason) => {
            and(&format!("tete answers and refuses, reason {reason}"), "it may be newer than this one")
        }
        ProbeResult::Failed(why) => (connect_error(*why), connect_advice(*why).map(str::to_owned)),
        ProbeResult::Waiting => no("this side is waiting there"),
        ProbeResult::NotTried => no("not tested yet"),
    }
}

fn connect_advice(why: ConnectError) -> Option<&'static str> {
    Some(match why {
        ConnectError::Lookup => "check the spelling, and whether you are online",
        ConnectError::Refused => "is your partner's tete running, and is the port right?",
        ConnectError::Timeout => {
            "a firewall or router swallows it, or nobody is there. Is the address right? Let them pass the port on, wait \
             yourself, or take an invite with a relay"
        }
        ConnectError::NoRoute => "are you online? For an IPv6 address you need IPv6",
        ConnectError::Closed => {
            "it may need an invite, or another one than yours, or not be tete: ask your partner for a new invite"
        }
        ConnectError::NotAuthentic => "check the address and the port, or ask your partner for a new invite",
        ConnectError::Silent | ConnectError::NotTete => "check the address and the port",
        ConnectError::Unfinished => "the network may have cut it: try again",
        ConnectError::Rejected => "ask your partner whether they are waiting for you",
        ConnectError::NoRelay | ConnectError::NotARelay | ConnectError::RelayClosed => {
            "use another relay, or run your own"
        }
        ConnectError::AloneAtRelay => "is their tete still running?",
        ConnectError::NeedsInvite => "ask your partner for an invite",
        ConnectError::Tor(_) => "install tor, or pass bridges on with --tor-config",
        ConnectError::Proxy(_) => "check the address of the proxy, its user name and its password",
        ConnectError::System(_) => return None,
    })
}

fn were(count: usize) -> String {
    if count == 1 { "1 message was".into() } else { format!("{count} messages were") }
}

fn are(count: usize) -> String {
    if count == 1 { "1 message is".into() } else { format!("{count} messages are") }
}

fn messages(count: usize) -> String {
    if count == 1 { "1 message".into() } else { format!("{count} messages") }
}
