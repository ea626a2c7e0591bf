//! Every word of the interface in English.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

use super::large::{large, picture, pictures};
use super::screen::{ScreenWords, Topic, Words};
use super::units::{arrow, bar, invocation, list, mark, seconds, size, speed};
use crate::address::{BadAddress, BadProxy, PORT, Scope};
use crate::interface::event::{Event, Invitation, LineFault, LineState, Trust, Who};
use crate::interface::fault::{CodesDiffer, Fault, PairingFault, RATES, UsageFault, ValueError};
use crate::interface::files::{EndedBy, FileEvent, FileFault, Progress};
use crate::interface::finding::{Finding, Nat, ProbeResult, Verdict};
use crate::interface::refusal::{FileRefusal, Refusal};
use crate::interface::{Command, RELAYS};
use crate::printable::Printable;
use crate::protocol::delivery::TEXT;
use crate::protocol::handshake::VERSION;
use crate::protocol::invite::InviteError;
use crate::system::SystemError;
use crate::transport::error::{ConnectError, LanError, MappingError, SocksError, TorError};
use crate::ui::time::local_time;

/// What stands before and beside a line.
pub const WORDS: Words = Words {
    partner: "partner",
    prompt: "you › ",
    half: "partner's half: ",
    compare: "same or different: ",
    address: "address or invite your partner gave you: ",
    error: "tete: ",
};

/// What stands on the full screen beside texts and status.
pub static SCREEN: LazyLock<ScreenWords> = LazyLock::new(|| ScreenWords {
    you: "you",
    partner: "partner",
    waiting: "Ctrl-C ends. Nobody is here yet.",
    verified: "verified by code",
    compared: "verified by voice",
    invited: "entered by invite",
    used: "the invite was used, and is not kept here",
    unverified: "not verified yet",
    connected: "connected",
    epoch: "epoch",
    unshown: "not shown yet",
    below: "below (Ctrl-End)",
    new: "new",
    leave: "Once more leaves the room.",
    full: format!("A text is at most {TEXT} bytes."),
    chord: "Ctrl-X, and then: c wipes this screen, p wipes everything and leaves",
    over: "Over. Enter closes.",
    unsent: "Over. This was not sent. q closes.",
    close_again: "Once more closes; what you wrote is lost.",
    read_out: "Read your half to your partner by phone, or any way you know their voice:",
    type_in: "Type the half that your partner reads to you:",
    right: "Right. Waiting for your partner to type your half.",
    next: "Not your partner? Type /next.",
    compare: "Compare with your partner's screen, by phone or side by side:",
    yours: "yours ",
    theirs: "theirs",
    agree: "On theirs the two halves change places, the pictures are the same. Type same if all agree, or different.",
    same: "same or different: ",
    find: "find: ",
    nothing: "nothing found",
    find_keys: "Enter: older  Ctrl-S: newer  Esc: done",
    paste: "Paste",
    lines: "lines?",
    paste_keys: "Enter: yes  Esc: no",
    choose: "Choose a passphrase that opens this screen again. It is for this run only. Esc: no lock.",
    again: "The same once more:",
    differ: "They differ. Choose again.",
    passphrase: "passphrase: ",
    locked: "This screen is locked.",
    wrong: "Wrong. Wait, in seconds:",
    close: "Enter: close",
    small: "too small",
    enter: "Enter",
    arrows: ["Up", "Down", "Left", "Right"],
    comma: ", ",
    signs: &[
        ("wheel", "scroll"),
        ("Shift-mouse", "select text, as the terminal does it"),
        ("◌  ✓", "waiting; shown to your partner"),
        ("~12:34", "written then, while the line was cut"),
    ],
});

/// What the keys of a row of the help do.
pub fn topic(topic: Topic) -> &'static str {
    match topic {
        Topic::Send => "send",
        Topic::NewLine => "new line",
        Topic::Complete => "complete a command or a path",
        Topic::Leave => "empty the input; twice when empty: leave",
        Topic::Help => "this help",
        Topic::Offer => "take, or decline, what is offered",
        Topic::Wipe => "then c: wipe this screen; p: wipe all, leave",
        Topic::Scroll => "scroll",
        Topic::Ends => "first and last text",
        Topic::Back => "back to the last text; close a search",
        Topic::Search => "search for older, for newer; end it",
        Topic::Rows => "other rows, then what you entered before",
        Topic::Characters => "left and right",
        Topic::Line => "start and end of the line",
        Topic::Words => "word by word",
        Topic::Remove => "remove a character",
        Topic::CutWord => "cut a word",
        Topic::CutLine => "cut to the start, to the end of the line",
        Topic::PutBack => "put back what was cut",
        Topic::Transpose => "exchange two characters",
        Topic::Undo => "undo, redo",
        Topic::Suspend => "suspend",
        Topic::Redraw => "draw everything anew",
    }
}

/// What a command does.
pub fn command(command: Command) -> &'static str {
    match command {
        Command::Help => "keys and commands",
        Command::Who => "with whom, since when, over what cipher",
        Command::Doctor => "what the line stands on, what to try",
        Command::Code => "the pairing code again",
        Command::Find => "look for a text (Ctrl-R)",
        Command::Clear => "wipe this screen (Ctrl-X c)",
        Command::Lock => "hide this screen behind a passphrase",
        Command::Send => "send files and folders: /send PATH...",
        Command::Get => "take what is offered (F2)",
        Command::Decline => "do not take it (F3)",
        Command::Cancel => "end what is under way",
        Command::Rekey => "fresh keys now",
        Command::Panic => "wipe everything, leave at once (Ctrl-X p)",
        Command::Quit => "leave",
    }
}

/// What happened, for a terminal of so many columns.
pub fn event(event: &Event, columns: usize) -> String {
    match event {
        Event::Listening { address } => format!("listening: {address}"),
        Event::Addresses { addresses, port, how } => {
            let row = |(scope, address): &(Scope, IpAddr)| {
                let place = match scope {
                    Scope::Global => "from anywhere",
                    Scope::Local => "from your own network",
                    Scope::Machine => "from this machine",
                };
                format!("  {:<44}  {place}", invocation(*address, *port, *how))
            };
            let rows: Vec<_> = addresses.iter().map(row).collect();
            format!(
                "Tell your partner to type one of these:\n{}\n\
                 If none of them reaches you, open port {port} in your router and firewall, or try it the other way\n\
                 round: let your partner wait, and join them. Waiting; Ctrl-C ends.",
                rows.join("\n")
            )
        }
        Event::Invite { invite: line, routes: ways, how } => {
            let ways: Vec<_> = ways.iter().map(|way| format!("  {way}")).collect();
            let command = match how {
                Invitation::Join => "tete join",
                Invitation::Receive => "tete receive --invite-file -",
                Invitation::Send => "tete send FILE --invite-file -",
            };
            format!(
                "{}Send your partner this line, over a channel that only the two of you read; they paste it into \
                 `{command}`. It is good for one room. Whoever has it first gets in, so compare the /code later.\n\n\
                 {}\n\nIt leads to:\n{}\nWaiting; Ctrl-C ends.",
                picture(line, columns),
                line.as_str(),
                ways.join("\n")
            )
        }
        Event::Mapping => "asking the router for a port".into(),
        Event::Mapped { address: at } => format!("the router passes {at} on to this machine"),
        Event::MappingFailed(MappingError::NoRouter) => "there is no router to ask for a port".into(),
        Event::MappingFailed(MappingError::NoAnswer) => "the router does not answer when asked for a port".into(),
        Event::MappingFailed(MappingError::Refused) => "the router passes no port on".into(),
        Event::MappingFailed(MappingError::Useless { address: ip }) => {
            format!("the router would pass a port on, but stands behind another itself: {ip} cannot be reached")
        }
        Event::Announced => "whoever has the invite can find this machine on the local network now".into(),
        Event::LanFailed { why } => format!("the local network cannot be used: {}", lan_error(*why)),
        Event::Tor { percent: Some(percent) } => format!("into the Tor network: {percent} %"),
        Event::Tor { percent: None } => "making an onion service; this takes a few seconds".into(),
        Event::TorFailed { why } => format!("no way into the Tor network: {}. The invite goes without it.", tor_error(*why)),
        Event::RouteDown { route: way, why } => {
            format!("your partner cannot come by {way} for now: {}. tete goes on trying.", connect_error(*why))
        }
        Event::RouteUp { route: way } => format!("your partner can come by {way} now"),
        Event::LookingUp { host } => format!("looking up {host}"),
        Event::Trying { address } => format!("trying {address}"),
        Event::TryFailed { address, why } => format!("no connection to {address}: {}", connect_error(*why)),
        Event::Connected { address } => format!("connected to {address}, making the line secure"),
        Event::Caller { address } => format!("somebody is here, from {address}"),
        Event::BusySent { address: from, times } => {
            format!("somebody else tried to get in, from {from}, and was told busy ({times} so far)")
        }
        Event::Code { own, can_skip } => format!(
            "Read this half of the code to your partner by phone, or any way you know their voice:\n\n{}\n\n\
             Then type the half that your partner reads to you.{}",
            large(own, columns),
            if *can_skip { "\nNot your partner? Type /next." } else { "" }
        ),
        Event::Compare { own, partner, emoji, can_skip } => format!(
            "Compare with your partner's screen, by phone or side by side:\n\n  yours   {own}\n  theirs  {partner}\n  {}\n\n\
             On theirs the two halves change places, the pictures are the same.\n\
             Type  same  if all agree, or  different .{}",
            pictures(emoji, |entry| entry.english),
            if *can_skip { "\nNot your partner? Type /next." } else { "" }
        ),
        Event::NotACode => "A half is eight digits, such as 4124 2842.".into(),
        Event::OwnCode => {
            "This is your own half. Type the one your partner reads to you; if they read you this one, say so: both of you read your own screen.".into()
        }
        Event::WrongCode { tries_left } => format!(
            "wrong half: this is not what your partner's screen shows, {tries_left} {} left. \
             A slip of the tongue, or somebody in between: let them read it again, slowly.",
            if *tries_left == 1 { "try" } else { "tries" }
        ),
        Event::StaleAnswer => "That belonged to an earlier code and was ignored.".into(),
        Event::Refused(Refusal::NotAsked) => "That is not what was asked for; it was ignored.".into(),
        Event::Refused(Refusal::NotConfirmed) => "Not before you have checked the code.".into(),
        Event::NeitherWord => "Type the whole word: same, or different.".into(),
        Event::Confirmed => "Right. Waiting for your partner to type your half.".into(),
        Event::RoomOpen { invited: false } => {
            "The room is open. Type a message and press Enter. /help shows everything else.".into()
        }
        Event::RoomOpen { invited: true } => {
            "The room is open, but nobody has checked who is in it: /code. Type a message and press Enter.".into()
        }
        Event::PairingFailed { address: from, why, pause } => {
            format!("{} ({from}). {} Open again in {} s.", pairing(*why), pairing_advice(*why), pause.as_secs())
        }
        Event::Delivered { messages: 1, waiting: 0 } => "✓ delivered".into(),
        Event::Delivered { messages, waiting: 0 } => format!("✓ {messages} messages delivered"),
        Event::Delivered { messages, waiting } => format!("✓ {messages} delivered, {waiting} waiting"),
        Event::Refused(Refusal::TooLong { limit }) => format!("Not sent: longer than {limit} bytes. It is still here; shorten it."),
        Event::Refused(Refusal::Full { waiting }) => format!("Not sent: {} still wait to be shown to your partner. Try again soon.", texts(*waiting)),
        Event::Refused(Refusal::NotUtf8) => "input line not sent: not UTF-8".into(),
        Event::Refused(Refusal::UnknownCommand { command: name }) => format!("There is no command {name}. /help lists them; to send it as a text, begin with //."),
        Event::Help => "  /code   the pairing code again\n  /who    with whom, since when, over what cipher, how the line is\n  /doctor what the line stands on, and what to try\n  /send   offer files and folders: /send PATH...\n  /get    take what your partner offers\n  /decline  do not take it\n  /cancel end what is under way\n  /rekey  fresh keys now\n  /panic  wipe everything and leave at once\n  /quit   leave (Ctrl-D, Ctrl-C)\n  //...   a text that begins with a slash".into(),
        Event::Codes { own, partner, trust: Trust::Invite, .. } => format!(
            "yours {own}, theirs {partner}\n\
             Read yours to your partner by phone and let them read theirs; then type `/code same` or `/code different`."
        ),
        Event::Codes { own, partner, .. } => format!("yours {own}, theirs {partner}"),
        Event::Verified => "verified: nobody else is in this room".into(),
        Event::Who(with) => who(with, local_time),
        Event::Finding(found) => finding(found),
        Event::File(about) => file(about, false),
        Event::Finishing { waiting } => format!("Waiting until {} shown to your partner. Ctrl-C leaves at once.", are(*waiting)),
        Event::PartnerLeft => "Your partner left. The room is gone, nothing of it was kept.".into(),
        Event::CutOff => "cut off".into(),
        Event::Quiet { seconds } => format!("Nothing heard for {seconds} s. The line may be broken."),
        Event::ConnectionLost { why, redialing } => format!(
            "The line is cut: {}. {} Go on typing: it waits. /who tells how it stands.",
            line_fault(*why),
            if *redialing { "Connecting again." } else { "Your partner's side connects again." }
        ),
        Event::RedialFailed { attempt: number, why: failure } => {
            format!("attempt {number} to connect again failed: {}. Trying on.", redial_failure(*failure))
        }
        Event::BetterRoute { address: place } => format!("a better way was found: the line now leads to {place}"),
        Event::Reconnected { after, waiting: 0 } => format!("The line is back after {} s.", after.as_secs()),
        Event::Reconnected { after, waiting } => {
            format!("The line is back after {} s; {} on the way.", after.as_secs(), are(*waiting))
        }
        Event::Waiting { waiting } => format!("◌ {} waiting for the line", are(*waiting)),
        Event::Intruder { address: from, times } => format!(
            "somebody at {from} tried to get into your room and was kept out ({times} so far). \
             If your partner had to start anew: /quit, and wait for them again."
        ),
        Event::Rekey => "Fresh keys are being made.".into(),
        Event::Refused(Refusal::NotConnected) => "Not while the line is cut.".into(),
        Event::TimeIsUp => "The time that was set for this room is over.".into(),
        Event::Refused(Refusal::NeedsScreen) => "That needs the full screen: start without --plain.".into(),
        Event::Refused(Refusal::WhatToSend) => "Write what to send: /send FILE, or /send \"A FOLDER\".".into(),
    }
}

/// With whom, how. `clock` tells the time of so long ago.
pub fn who(who: &Who, clock: impl Fn(Duration) -> String) -> String {
    let ago = |then| clock(who.now.saturating_sub(then));
    format!(
        "partner at {}, {}, since {}\n  line          {}\n  {} + ML-KEM-768\n  epoch         {}\n  your key      {}\n  partner's key {}\n  texts not shown yet: {}",
        who.partner,
        SCREEN.trust(who.trust),
        ago(who.opened),
        line_state(&who.line, who.now),
        who.suite,
        who.epoch.as_ref().map_or("none".into(), |(number, began)| format!("{number}, since {}", ago(*began))),
        who.local,
        who.remote,
        who.waiting
    )
}

/// What happened to files. With `keys` it names those of the full screen.
pub fn file(event: &FileEvent, keys: bool) -> String {
    match event {
        FileEvent::CannotSend { path, why } => format!("{path} cannot be sent: {}.", file_fault(why)),
        FileEvent::LeftOut { name, paths, count } => {
            let rows: Vec<_> = paths.iter().map(|(path, why)| format!("  {path}: {}", file_fault(why))).collect();
            let more = if *count > rows.len() { format!("\n  and {} more", count - rows.len()) } else { String::new() };
            format!("Left out of {name}:\n{}{more}", rows.join("\n"))
        }
        FileEvent::Queued { name, before: 1 } => format!("{name} is offered after the one that is under way."),
        FileEvent::Queued { name, before } => format!("{name} is offered after {before} others."),
        FileEvent::Offering { name, files, bytes } => {
            format!("Offered to your partner: {name}{}.", amount(*files, *bytes))
        }
        FileEvent::Accepted { name } => format!("Your partner takes {name}."),
        FileEvent::PartnerDeclined { name } => format!("Your partner does not want {name}."),
        FileEvent::Sent { name, files, bytes, took, failed: 0 } => {
            format!("✓ {name}{} sent and stored, {}", amount(*files, Some(*bytes)), speed(*bytes, *took))
        }
        FileEvent::Sent { name, files, failed, .. } => {
            format!("{name}: {} of {files} files were stored, {failed} were not.", files - failed)
        }
        FileEvent::NotSent { path, why } => format!("Not sent: {path}: {}.", file_fault(why)),
        FileEvent::Offered { name, offered_as: called, files, bytes, folder, .. } => format!(
            "Your partner offers {name}{}{}. /get{} stores it in {folder}, /decline{} does not.",
            called.as_ref().map(|called| format!(" (they call it {called})")).unwrap_or_default(),
            amount(*files, *bytes),
            if keys { " (F2)" } else { "" },
            if keys { " (F3)" } else { "" },
        ),
        FileEvent::OfferRefused { name, why } => format!("Your partner offered {name}: declined, {}.", file_fault(why)),
        FileEvent::Refused(FileRefusal::NothingOffered) => "Nothing is offered to you.".into(),
        FileEvent::Refused(FileRefusal::StaleOffer) => {
            "That was for an offer that is gone; it was not used. See what is offered now.".into()
        }
        FileEvent::Refused(FileRefusal::NothingUnderWay) => "No file is under way.".into(),
        FileEvent::NoSpace { name, needed, free } => format!(
            "There is too little space for {name}: it needs {}, {} are free. Make room, then /get.",
            size(*needed),
            size(*free)
        ),
        FileEvent::Accepting { name, folder } => format!("Taking {name} into {folder}."),
        FileEvent::Declined { name } => format!("Declined: {name}."),
        FileEvent::Stored { name, files, bytes, took, failed: 0 } => {
            format!("✓ {name}{} stored, {}", amount(*files, Some(*bytes)), speed(*bytes, *took))
        }
        FileEvent::Stored { name, files, failed, .. } => {
            format!("{name}: {} of {files} files stored, {failed} were not.", files - failed)
        }
        FileEvent::NotStored { path, why } => format!("Not stored: {path}: {}.", file_fault(why)),
        FileEvent::Restarted { path, .. } => format!("{path} has changed since it was begun: it starts anew."),
        FileEvent::DiskFull { name } => {
            format!("No space is left for {name}. Make room and it goes on by itself.")
        }
        FileEvent::Resumed { name } => format!("There is space again: {name} goes on."),
        FileEvent::Withdrawn { name, sending: true, .. } => format!("{name} was not sent: nobody had accepted it."),
        FileEvent::Withdrawn { name, by: EndedBy::Partner, .. } => {
            format!("Your partner withdrew the offer of {name}.")
        }
        FileEvent::Withdrawn { name, .. } => format!("{name} was not accepted, and is no longer offered."),
        FileEvent::TransferEnded { name, sending: true, by, .. } => {
            format!("{name} was not sent completely: {}.", ended_by(*by))
        }
        FileEvent::TransferEnded { name, by, kept, .. } => {
            let kept = if *kept { " The part that arrived is kept as a .part file." } else { "" };
            format!("{name} did not arrive completely: {}.{kept}", ended_by(*by))
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
        FileFault::Missing => "there is no such file or folder".into(),
        FileFault::Nothing => "there is no file in it that can be sent".into(),
        FileFault::TooMany(limit) => format!("it has more than {limit} files"),
        FileFault::TooManyWait => "too many wait already".into(),
        FileFault::Link => "a link".into(),
        FileFault::Special => "a pipe, a socket or a device".into(),
        FileFault::Unreadable => "not allowed to be read".into(),
        FileFault::Name => "its name cannot be sent: not UTF-8, too long or too deep".into(),
        FileFault::Empty => "an empty folder".into(),
        FileFault::Changed => "it was changed meanwhile; send it again".into(),
        FileFault::Stream => "too much of the stream was lost with the line".into(),
        FileFault::Partner => "your partner's side did not store it".into(),
        FileFault::Path => "no safe place has such a name".into(),
        FileFault::OtherName => "it is not what was offered".into(),
        FileFault::Hash => "what came is not what was sent".into(),
        FileFault::Broken => "your partner's side could not read it whole".into(),
        FileFault::Nobody => "nobody is here to answer".into(),
    }
}

fn ended_by(who: EndedBy) -> &'static str {
    match who {
        EndedBy::Us => "you ended it",
        EndedBy::Partner => "your partner ended it",
        EndedBy::Line => "the line broke",
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

/// `, 3 files, 4.2 MB`.
fn amount(files: u32, bytes: Option<u64>) -> String {
    let bytes = bytes.map_or("a stream".into(), size);
    if files == 1 { format!(", {bytes}") } else { format!(", {files} files, {bytes}") }
}

/// What is wrong with the command line.
fn usage(why: &UsageFault) -> String {
    match why {
        UsageFault::Unknown { option, like: None } => format!("unknown option {option}"),
        UsageFault::Unknown { option, like: Some(like) } => format!("unknown option {option}; did you mean {like}?"),
        UsageFault::TooMany { argument } => format!("\"{argument}\" is one argument too many"),
        UsageFault::NoValue { option } => format!("{option} needs a value"),
        UsageFault::NeedlessValue { option, value } => format!("{option} takes no value, but \"{value}\" was given"),
        UsageFault::NotAmong { option, value, possible } => {
            let possible: Vec<_> = possible.iter().map(Printable::as_str).collect();
            format!("{option} cannot be \"{value}\"; it can be {}", possible.join(", "))
        }
        UsageFault::Value { option, value, why } => format!("{option} cannot be \"{value}\": {}", value_error(*why)),
        UsageFault::Twice { option } => format!("{option} is given more than once"),
        UsageFault::Conflict { one, other } => format!("{one} and {other} do not go together"),
        UsageFault::NotUtf8 => "an argument is not UTF-8".to_owned(),
        UsageFault::Other(why) => why.to_string(),
    }
}

fn value_error(why: ValueError) -> String {
    match why {
        ValueError::Port => "a port is a number from 0 to 65535".to_owned(),
        ValueError::Address => "an address is IPv4 or IPv6, without a port".to_owned(),
        ValueError::Minutes { least, most } => format!("minutes are a whole number from {least} to {most}"),
        ValueError::Time => "a time is written like 90s, 30m, 24h, 7d or 1h 30m".to_owned(),
        ValueError::LongTime { most_days } => format!("a time is at most {most_days}d"),
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
        Fault::NearCommand { word, command } => two(
            &format!("\"{word}\" looks like the command {command}, so it was not looked up as a host"),
            &format!("Write `tete {command}`; or for a machine of that name `tete join {word}`."),
        ),
        Fault::HostOptions => two(
            "the command line is not right: --port, --bind, --invite, --relay and --onion are for the side that waits",
            "To join another port write HOST PORT.",
        ),
        Fault::Address { typed, why: BadAddress::Host } => two(
            &format!("\"{typed}\" is neither a host name nor an IP address"),
            "Write HOST, HOST PORT, IPV4:PORT or [IPV6]:PORT.",
        ),
        Fault::Address { typed, why: BadAddress::Port } => {
            two(&format!("\"{typed}\" is not a port"), "A port is a number from 1 to 65535.")
        }
        Fault::Address { typed, why: BadAddress::NotAscii } => {
            two(&format!("\"{typed}\" has letters that DNS does not know"), "Write its xn-- form, or the IP address.")
        }
        Fault::Address { typed, why: BadAddress::Onion } => {
            two(&format!("\"{typed}\" is not an onion address"), "It has 56 letters and digits before .onion.")
        }
        Fault::Address { typed, why: BadAddress::TwoPorts } => {
            two(&format!("the port is given twice: {typed}"), "Give it once: HOST:PORT or HOST PORT.")
        }
        Fault::NoAddress => {
            two("no address was given", "Name the host: `tete join HOST`, or run it in a terminal to be asked.")
        }
        Fault::Lookup(host) => {
            two(&format!("the name {host} is not found"), "Check the spelling and whether you are online.")
        }
        Fault::Unreachable(address) => two(
            &format!("no connection to {address}"),
            "Is tete running there, on this port? A firewall or router in between may need the port opened: `tete doctor` tells more.",
        ),
        Fault::NoWay => two(
            "none of the invite's ways led to your partner",
            "Is their tete still running, and the invite not used yet? Ask for a new one; one that names a relay gets through most routers. `tete doctor` tells more.",
        ),
        Fault::Invite(InviteError::NotAnInvite) => {
            two("this is not an invite", "An invite is one long line that begins with tete1.")
        }
        Fault::Invite(InviteError::Damaged) => {
            two("this invite is not whole", "A part is missing or was changed on the way. Copy all of it.")
        }
        Fault::Invite(InviteError::Newer) => two("this invite was made by a newer tete", "Update this one."),
        Fault::NeedsInvite => two(
            "the command line is not right: --relay, --onion and --lan need an invite",
            "Make one with --invite; your partner joins with it.",
        ),
        Fault::TooManyRelays => two(
            "the command line is not right: there are more relays than an invite can name",
            &format!("Name {RELAYS} at most."),
        ),
        Fault::WordFirst(word) => two(
            &format!("the command line is not right: `{word}` stands after an option"),
            &format!("Write `tete {word}` first, and options after it. For a machine of that name: {word}:{PORT}."),
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
            &format!("no way into the Tor network: {}", tor_error(*why)),
            "Install tor (Debian: apt install tor), or name one that runs with --tor-control. Where Tor is blocked, pass bridges on with --tor-config.",
        ),
        Fault::Proxy(BadProxy::Kind) => two("this kind of proxy is not known", "Write socks5://HOST:PORT."),
        Fault::Proxy(BadProxy::User) => {
            two("the proxy's user name or password is not right", "Write socks5://USER:PASSWORD@HOST:PORT.")
        }
        Fault::Proxy(BadProxy::Address(_)) => {
            two("the proxy's address is not right", "Write socks5://HOST:PORT, with [ ] around an IPv6 address.")
        }
        Fault::Busy => {
            two("they are talking with somebody else", "If that is not you, tell them by phone; then try again.")
        }
        Fault::NobodyCame => two("ended before anybody came", "Nothing was kept."),
        Fault::NotTete(address) => two(
            &format!("what answers at {address} is not tete, or expects an invite"),
            "Check the address and the port with your partner.",
        ),
        Fault::NoAnswer(address) => two(
            &format!("{address} took the connection and says nothing"),
            "Check the address and the port; something else may listen there.",
        ),
        Fault::Version { min, max } => two(
            &format!("they speak version {min} to {max} of the protocol, this is version {VERSION}"),
            "Both sides need a tete of the same version.",
        ),
        Fault::Refused(reason) => {
            two(&format!("they refused, reason {reason}"), "They may have a newer tete than you.")
        }
        Fault::Pairing(why) => (pairing(*why).to_owned(), pairing_advice(*why).to_owned()),
        Fault::CutOff { waiting: 0 } => {
            two("cut off: the line broke", "Start again on both sides; every text you sent was shown.")
        }
        Fault::CutOff { waiting } => two(
            &format!("cut off: the line broke, and {} not shown to your partner", texts(*waiting)),
            "Start again on both sides, and say it again.",
        ),
        Fault::Files { unfinished } => two(
            &format!("{unfinished} {} not complete", if *unfinished == 1 { "transfer is" } else { "transfers are" }),
            "What was said above tells why. Send it again; a single file goes on where it ended.",
        ),
        Fault::InputAndMore => two(
            "the command line is not right: standard input (-) goes alone",
            "Send the files by themselves, and standard input after them.",
        ),
        Fault::JsonAndStream => two(
            "the command line is not right: with --json, standard input and output are for commands and events",
            "Send a file, or take it into a folder; or leave out --json.",
        ),
        Fault::NothingToSend => two(
            "the command line is not right: there is nothing to send",
            "Name files and folders, or send the output of a program: `tar c photos | tete send`; - sends what you type.",
        ),
        Fault::TooManyPaths { limit } => two(
            &format!("the command line is not right: more than {limit} files and folders"),
            "Put them into one folder, and send that.",
        ),
        Fault::CannotSend { paths } => (
            match paths.as_slice() {
                [(path, why)] => format!("{path} cannot be sent: {}", file_fault(why)),
                several => {
                    let rows = several.iter().map(|(path, why)| format!("\n  {path}: {}", file_fault(why)));
                    format!("these cannot be sent:{}", rows.collect::<String>())
                }
            },
            "Nothing was sent, and nobody was called.".to_owned(),
        ),
        Fault::NoScreenToLock => two(
            "the command line is not right: --lock needs the full screen, and there is none here",
            "Run it in a terminal and without --plain, or leave out --lock.",
        ),
        Fault::TorConfig { path, why } => two(
            &format!("cannot read {path}, the lines for tor's configuration: {}", system_error(*why)),
            "Name a text file that you may read: --tor-config FILE.",
        ),
        Fault::TorControl(at) => two(
            &format!("this is not where a tor can be reached: {at}"),
            "Write HOST:PORT, such as 127.0.0.1:9051, or the whole path of its control socket.",
        ),
        Fault::Folder { path, why } => two(
            &format!("files cannot be stored in {path}: {}", system_error(*why)),
            "Name a folder that is there and may be written to: --save-to FOLDER.",
        ),
        Fault::NothingCame => two("nothing came", "Your partner left without sending anything. Try again."),
        Fault::NoTerminal => two(
            "there is no terminal on which the code could be checked",
            "Run it in a terminal; or drive it by a program: `tete --json`.",
        ),
        Fault::HostGone { waiting } => two(
            &format!("the program at the other end is gone, {} not shown to your partner", texts(*waiting)),
            "The room went with it. Let your partner start tete again, and pair anew.",
        ),
        Fault::Damaged { waiting } => two(
            &format!("cut off: the other side broke the protocol, {} not shown to your partner", texts(*waiting)),
            "Nothing false was shown. Start again on both sides, with the same version of tete.",
        ),
        Fault::CodesDiffer(said) => {
            let who = if said.by_partner { "your partner saw that the codes differ" } else { "the codes differ" };
            let CodesDiffer { partner, sent, received, .. } = said;
            (
                format!("ALARM: {who}. Somebody is between you and your partner, or this is not your partner"),
                format!(
                    "Treat everything said in this room as known to somebody else: {} went to {partner}, and {} came \
                     from there. Tell your partner on the phone, and meet again over another network if you can.",
                    messages(*sent),
                    messages(*received)
                ),
            )
        }
        Fault::Unread { texts: count } => {
            two(&format!("{} not shown here", texts(*count)), "Ask your partner: there they have no ✓.")
        }
        Fault::Undelivered { waiting } => {
            two(&format!("{} not shown to your partner", texts(*waiting)), "Tell your partner some other way.")
        }
        Fault::PortInUse(port) => two(
            &format!("port {port} is in use on this machine"),
            &format!("Another tete may be running. Choose another port: `tete --port {}`.", PORT + 1),
        ),
        Fault::Listen { address, why } => two(
            &format!("cannot listen on {address}: {}", system_error(*why)),
            "Try without --bind, or another --port.",
        ),
        Fault::Output(why) => two(
            &format!("cannot write the partner's texts: {}", system_error(*why)),
            "Keep standard output open while tete runs.",
        ),
        Fault::Input { lines } => two(
            &format!("lines of the input that were not sent: {lines}"),
            &format!("A line is UTF-8 and at most {TEXT} bytes."),
        ),
        Fault::Interface => two("a part of the program ended by itself", "This is a bug in tete; please report it."),
        Fault::System(why) => {
            two(&format!("the system refused: {}", system_error(*why)), "tete needs this to start safely.")
        }
    }
}

fn pairing(why: PairingFault) -> &'static str {
    match why {
        PairingFault::WrongHalf => "ALARM: three wrong halves. Somebody may be between you and your partner",
        PairingFault::Different => {
            "ALARM: the codes differ. Somebody is between you and your partner, or this is not your partner"
        }
        PairingFault::Skipped => "not your partner",
        PairingFault::Left => "left before the codes were checked",
        PairingFault::NoHalf => "the input ended before the partner's half came",
        PairingFault::PartnerLeft => "the other side left before the codes were checked",
        PairingFault::PartnerSawOtherCode => {
            "ALARM: your partner's side saw another code. Somebody may be between you and your partner"
        }
        PairingFault::Cut => "the line broke during the pairing",
        PairingFault::Timeout => "the codes were not checked in time",
        PairingFault::Commitment => "ALARM: an attack. The other side tried to choose the code",
        PairingFault::Reflection => "ALARM: an attack. Our own key or message came back",
        PairingFault::Misbehaved => "the other side broke the protocol during the pairing",
    }
}

fn pairing_advice(why: PairingFault) -> &'static str {
    match why {
        PairingFault::WrongHalf | PairingFault::Different | PairingFault::PartnerSawOtherCode => {
            "Nothing was said to them. Ask your partner on the phone whether they are connected to you, then pair again over another network if you can."
        }
        PairingFault::Commitment | PairingFault::Reflection => {
            "Nothing was said to them. Pair again over another network, and tell your partner what happened."
        }
        PairingFault::Skipped | PairingFault::Left | PairingFault::Misbehaved => "Nothing was said to them.",
        PairingFault::NoHalf => "Give the half that your partner reads out as the first line of the input.",
        PairingFault::PartnerLeft => "Ask your partner on the phone what they saw, then pair again.",
        PairingFault::Cut => "Nothing was said yet. Start again on both sides.",
        PairingFault::Timeout => "Agree on a time by phone, then pair again.",
    }
}

fn line_fault(why: LineFault) -> String {
    match why {
        LineFault::Cut => "the connection ended".into(),
        LineFault::Silent { after } => format!("no answer for {} s", after.as_secs()),
        LineFault::Late => "the other side took too long".into(),
        LineFault::Damaged { times } => format!("it was damaged or tampered with ({times} so far)"),
    }
}

/// How the line is at that time, in a few words.
pub fn line_state(line: &LineState, now: Duration) -> String {
    match line {
        LineState::Connected => "connected".into(),
        LineState::Quiet(since) => format!("quiet for {} s", now.saturating_sub(*since).as_secs()),
        LineState::Redialing { number, next, failure } => format!(
            "connecting again: attempt {number}, next in {} s{}",
            next.saturating_sub(now).as_secs_f32().ceil(),
            failure.map_or(String::new(), |why| format!("; the last failed: {}", redial_failure(why)))
        ),
        LineState::Awaiting(since) => {
            format!("cut for {} s, waiting for your partner's side", now.saturating_sub(*since).as_secs())
        }
    }
}

/// Why the host was not found again.
fn redial_failure(why: ConnectError) -> String {
    let gone = match why {
        ConnectError::Refused | ConnectError::Stranger => ". If their program has ended, the room is gone: /quit",
        _ => "",
    };
    connect_error(why) + gone
}

/// Why a way leads nowhere: a part of a sentence.
pub fn connect_error(why: ConnectError) -> String {
    match why {
        ConnectError::Lookup => "the name is not found".into(),
        ConnectError::Refused => "the machine answers that nobody listens there".into(),
        ConnectError::Timeout => "nothing answers".into(),
        ConnectError::NoRoute => "no route leads there, or a firewall says so".into(),
        ConnectError::Closed => "somebody listens, and closes without a word".into(),
        ConnectError::Silent => "somebody took the connection, and says nothing".into(),
        ConnectError::NotTete => "what answers is not tete".into(),
        ConnectError::Stranger => "somebody listens, and does not know the invite or the room, or not any more".into(),
        ConnectError::NoRelay => "the relay cannot be reached".into(),
        ConnectError::NotARelay => "what answers is not a relay".into(),
        ConnectError::RelayClosed => "the relay closed the connection".into(),
        ConnectError::AloneAtRelay => "the relay is there, your partner is not".into(),
        ConnectError::NeedsInvite => "only an invite leads through a relay".into(),
        ConnectError::Proxy(why) => socks_error(why).into(),
        ConnectError::Tor(why) => format!("no way into the Tor network: {}", tor_error(why)),
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
        TorError::Cookie(why) => format!("its cookie cannot be read: {}", system_error(why)),
        TorError::BadCookie => "its cookie file holds no cookie".into(),
        TorError::Impostor => "what answers is not the tor whose cookie this is".into(),
        TorError::Rejected(code) => format!("tor refused a command, code {code}"),
        TorError::NoSocks => "tor has no SOCKS port".into(),
        TorError::NoNetwork => "tor did not find its network in time".into(),
        TorError::NotPublished => "the onion service was not published in time".into(),
        TorError::System(why) => system_error(why),
    }
}

/// Why nobody is found on the local network: a part of a sentence.
pub fn lan_error(why: LanError) -> String {
    match why {
        LanError::Unavailable => "multicast DNS does not work here".into(),
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
        Verdict::Not => "does not work",
        Verdict::Unknown => "unknown",
    };
    let mark = mark(finding.verdict());
    let (why, next) = finding_words(finding);
    let next = next.map_or(String::new(), |next| format!("\n    → {next}"));
    format!("{mark} {}, {verdict}: {why}{next}", label(finding))
}

fn label(finding: &Finding) -> String {
    match finding {
        Finding::Line { .. } => "this line".into(),
        Finding::Listens(_) | Finding::PortInUse(_) | Finding::CannotListen { .. } => "listening".into(),
        Finding::Addresses(_) => "addresses".into(),
        Finding::Nat(_) => "router".into(),
        Finding::Ipv6 { .. } => "IPv6".into(),
        Finding::Firewall { .. } => "firewall".into(),
        Finding::Mapping(_) => "port mapping".into(),
        Finding::Lan(_) => "local network".into(),
        Finding::Proxy { address, .. } => format!("proxy {address}"),
        Finding::Tor(_) => "Tor".into(),
        Finding::NoRelay => "relay".into(),
        Finding::Relay { name, .. } => format!("relay {name}"),
        Finding::Way { name, .. } => format!("way to {name}"),
    }
}

/// Why a thing works or not, and what to try next, if there is something.
pub fn finding_words(finding: &Finding) -> (String, Option<String>) {
    let no = |why: &str| (why.to_owned(), None);
    let and = |why: &str, next: &str| (why.to_owned(), Some(next.to_owned()));
    match finding {
        Finding::Line { place, broken: false } => no(&format!("connected to {place}")),
        Finding::Line { place, broken: true } => and(
            &format!("the line to {place} is cut"),
            "wait: it is looked for again by itself; /who tells how far that is",
        ),
        Finding::Listens(addresses) => no(&list(addresses)),
        Finding::PortInUse(port) => and(
            &format!("port {port} is in use on this machine"),
            "another tete may be running; or choose another with --port",
        ),
        Finding::CannotListen { port, why } => {
            and(&format!("port {port}: {}", system_error(*why)), "choose another with --port, or leave out --bind")
        }
        Finding::Addresses(addresses) if addresses.is_empty() => {
            and("this machine has none", "connect it to a network")
        }
        Finding::Addresses(addresses) => no(&addresses
            .iter()
            .map(|(scope, ip)| match scope {
                Scope::Global => format!("{ip} (from anywhere)"),
                Scope::Local => format!("{ip} (from the local network)"),
                Scope::Machine => format!("{ip} (from this machine only)"),
            })
            .collect::<Vec<_>>()
            .join(", ")),
        Finding::Nat(Nat::None(ip)) => no(&format!("none translates addresses, {ip} is this machine's own")),
        Finding::Nat(Nat::Router(ip)) => and(
            &format!("one translates addresses; from outside it is {ip}, and lets in only what it was told to"),
            "see port mapping; or let your partner wait, and join them",
        ),
        Finding::Nat(Nat::Unknown) => and(
            "one translates addresses, and lets in only what it was told to; its own address is not known",
            "pass the port on to this machine in its settings, let your partner wait and join them, or use a relay or Tor",
        ),
        Finding::Nat(Nat::Double(ip)) => and(
            &format!(
                "two in a row translate addresses, the second perhaps your provider's; between them you are {ip}. Nobody gets in by IPv4"
            ),
            "IPv6, a relay, Tor, or let your partner wait, and join them",
        ),
        Finding::Nat(Nat::NoIpv4) => and("this machine has no IPv4", "your partner needs IPv6, a relay or Tor"),
        Finding::Ipv6 { own: Some(ip), reached: Some(true) } => no(&format!("from {ip} it leads to what was named")),
        Finding::Ipv6 { own: Some(ip), reached: Some(false) } => and(
            &format!("{ip} and a route are there, and nothing that was named answers"),
            "it is not needed where IPv4, a relay or Tor works",
        ),
        Finding::Ipv6 { own: Some(ip), reached: None } => and(
            &format!("{ip} and a route are there; whether it leads out was not tried"),
            "name a host that has IPv6: `tete doctor HOST`",
        ),
        Finding::Ipv6 { own: None, .. } => {
            and("no address that leads out, or no route", "it is not needed where IPv4, a relay or Tor works")
        }
        Finding::Firewall { name: Some(name), port } => and(
            &format!("{name} is on; what it lets in cannot be seen from here"),
            &match *name {
                "ufw" => format!("if nobody gets in: sudo ufw allow {port}/tcp"),
                _ => format!("if nobody gets in: sudo firewall-cmd --add-port={port}/tcp"),
            },
        ),
        Finding::Firewall { name: None, port } => and(
            "neither ufw nor firewalld is on; others cannot be seen from here",
            &format!("if nobody gets in: let port {port}/tcp in"),
        ),
        Finding::Mapping(None) => no("not asked for"),
        Finding::Mapping(Some(Ok(at))) => no(&format!("the router passes {at} on to this machine")),
        Finding::Mapping(Some(Err(why))) => match why {
            MappingError::NoRouter => no("there is no router to ask"),
            MappingError::NoAnswer => and(
                "the router does not answer such questions",
                "allow PCP, NAT-PMP or UPnP in its settings, or pass the port on by hand",
            ),
            MappingError::Refused => {
                and("the router will not", "allow it in its settings, or pass the port on by hand")
            }
            MappingError::Useless { address: ip } => and(
                &format!("the router would, but {ip}, its own address, cannot be reached from outside"),
                "IPv6, a relay or Tor",
            ),
        },
        Finding::Lan(None) => and("not tried", "try it with --lan"),
        Finding::Lan(Some(Ok(()))) => no("what is announced can be heard"),
        Finding::Lan(Some(Err(why))) => and(&lan_error(*why), "give your partner the address"),
        Finding::Proxy { result: Ok(()), .. } => and(
            "it takes connections; whether it leads out was not tried",
            "name a host to try, or a relay with --relay",
        ),
        Finding::Proxy { result: Err(why), .. } => {
            and(&connect_error(*why), "is it running there? Check the address and the port")
        }
        Finding::Tor(None) => and("tor is installed, and was not started", "try it with --tor"),
        Finding::Tor(Some(Ok(took))) => no(&format!("in the network after {} s", seconds(*took))),
        Finding::Tor(Some(Err(why))) => and(
            &tor_error(*why),
            "install tor (Debian: apt install tor); where it is blocked, pass bridges on with --tor-config",
        ),
        Finding::NoRelay => {
            and("none was named", "try one with --relay HOST:PORT; any transit relay of magic-wormhole serves")
        }
        Finding::Relay { result: Ok(took), .. } => no(&format!("joined two connections within {} s", seconds(*took))),
        Finding::Relay { result: Err(why), .. } => {
            and(&connect_error(*why), "check the address and the port, or take another relay")
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
            and("tete answers, and talks with somebody else", "if that is not you, tell them by phone")
        }
        ProbeResult::Version { min, max } => and(
            &format!("tete answers, and speaks version {min} to {max} of the protocol; this is version {VERSION}"),
            "both sides need a tete of the same version",
        ),
        ProbeResult::Refusal(reason) => {
            and(&format!("tete answers, and refuses, reason {reason}"), "it may be newer than this one")
        }
        ProbeResult::Failed(why) => (connect_error(*why), connect_advice(*why).map(str::to_owned)),
        ProbeResult::Waiting => no("this side waits there"),
        ProbeResult::NotTried => no("not tried yet"),
    }
}

fn connect_advice(why: ConnectError) -> Option<&'static str> {
    Some(match why {
        ConnectError::Lookup => "check the spelling, and whether you are online",
        ConnectError::Refused => "is tete running there, on this port?",
        ConnectError::Timeout => {
            "a firewall or router swallows it, or nobody is there. Is the address right? Let them pass the port on, wait \
             yourself, or take an invite with a relay"
        }
        ConnectError::NoRoute => "are you online? For an IPv6 address you need IPv6",
        ConnectError::Closed => "it needs an invite, or is not tete: ask your partner for an invite",
        ConnectError::Stranger => "ask your partner for a new invite",
        ConnectError::Silent | ConnectError::NotTete => "check the address and the port",
        ConnectError::NoRelay | ConnectError::NotARelay | ConnectError::RelayClosed => {
            "take another relay, or run one of your own"
        }
        ConnectError::AloneAtRelay => "is their tete still running?",
        ConnectError::NeedsInvite => "ask your partner for an invite",
        ConnectError::Tor(_) => "install tor, or pass bridges on with --tor-config",
        ConnectError::Proxy(_) => "check the address of the proxy, its user name and its password",
        ConnectError::System(_) => return None,
    })
}

fn texts(count: usize) -> String {
    if count == 1 { "1 text was".into() } else { format!("{count} texts were") }
}

fn are(count: usize) -> String {
    if count == 1 { "1 text is".into() } else { format!("{count} texts are") }
}

fn messages(count: usize) -> String {
    if count == 1 { "1 message".into() } else { format!("{count} messages") }
}
