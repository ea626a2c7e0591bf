//! For programs: every event as one JSON object a line on standard output, commands the same way on standard input.
//!
//! `docs/SCRIPTING.md` is the contract. Names never change their meaning; readers skip what they do not know.

mod files;

use std::io::{self, Write as _};
use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use super::input::{Line, read_line};
use crate::address::Scope;
use crate::clock;
use crate::interface::Command;
use crate::interface::event::{Event, Failure, LineFault, LineState, Status, Trust, Who};
use crate::interface::fault::Fault;
use crate::interface::finding::{Finding, MapFault, Verdict};
use crate::interface::{Ack, Frontend, Output, Request, UserChannels};
use crate::printable::{Printable, is_writable};
use crate::protocol::delivery::TEXT;
use crate::ui::time::local_time;
use crate::ui::words::{self, Lang};

/// Bytes of the longest command: a text of which each byte is written as `\u00xx`, and some more.
const COMMAND: usize = 6 * TEXT + 1024;

/// Starts both threads.
pub fn start() -> UserChannels {
    let (act, requests) = mpsc::channel(1);
    let (tell, acks) = mpsc::channel(64);
    let (output, show) = mpsc::channel(64);
    let reader = Reader { act, said: 0 };
    std::thread::spawn(move || reader.run());
    std::thread::spawn(move || Writer { shown: 0 }.run(show, &tell));
    UserChannels { requests, acks, output, frontend: Frontend::JSON }
}

/// Writes one event whole.
fn write(event: &Value) -> io::Result<()> {
    let line = Zeroizing::new(escaped(&Zeroizing::new(event.to_string())));
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush())
}

/// The same JSON in characters that no terminal acts upon, hides or reorders.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + json.len() / 8);
    for c in json.chars() {
        if c.is_ascii() && !c.is_control() || is_writable(c) && !c.is_control() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

struct Writer {
    /// Our texts that were shown.
    shown: usize,
}

impl Writer {
    fn run(mut self, mut show: mpsc::Receiver<Output>, tell: &mpsc::Sender<Ack>) {
        while let Some(what) = show.blocking_recv() {
            let text = if let Output::Text(text) = &what { Some(text.id) } else { None };
            let told = match (self.show(what), text) {
                (Err(error), _) => Ack::Broken(error),
                (Ok(()), Some(id)) => Ack::Text(id),
                (Ok(()), None) => continue,
            };
            if tell.blocking_send(told).is_err() {
                return;
            }
        }
    }

    fn show(&mut self, what: Output) -> io::Result<()> {
        match what {
            Output::Text(text) => {
                let age = u64::try_from(text.age.as_millis()).unwrap_or(u64::MAX);
                write(&json!({"event": "text", "id": text.id, "age_ms": age, "text": text.text.as_str()}))
            }
            Output::Event(status) => {
                if let Event::Delivered { messages, .. } = &status {
                    self.shown += messages;
                }
                write(&event(&status, self.shown))
            }
            Output::Ask { question, about, .. } => about.iter().try_for_each(|about| {
                let mut asked = event(about, self.shown);
                if let Some(fields) = asked.as_object_mut() {
                    fields.insert("question".into(), question.into());
                }
                write(&asked)
            }),
            Output::Status(now) => write(&standing(&now)),
            Output::Wipe => Ok(()),
            Output::End(None) => write(&end(&Ok(()))),
            Output::End(Some(fault)) => write(&end(&Err(fault))),
        }
    }
}

/// Writes the last line of a run that ended without a room.
pub fn print_end(result: &Result<(), Fault>) {
    // Where standard output is gone the exit code has to do.
    let _ = write(&end(result));
}

fn end(result: &Result<(), Fault>) -> Value {
    match result {
        Ok(()) => json!({"event": "end", "exit": 0}),
        Err(fault) => {
            let (error, advice) = words::fault(fault, Lang::En);
            json!({"event": "end", "exit": fault.code(), "error": error, "advice": advice})
        }
    }
}

fn standing(standing: &Status) -> Value {
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let [sending, receiving] = standing.files;
    json!({
        "event": "status",
        "address": standing.partner.to_string(),
        "verified": matches!(standing.trust, Trust::Code | Trust::Voice),
        "invited": standing.trust == Trust::Invite,
        "line": line(&standing.line),
        "round_trip_ms": standing.round_trip.map(millis),
        "epoch": standing.epoch,
        "sending": sending.map(files::progress),
        "receiving": receiving.map(files::progress),
    })
}

fn line(state: &LineState) -> Value {
    let now = clock::now();
    let since = |then| now.saturating_sub(then).as_secs_f64();
    match state {
        LineState::Connected => json!({"state": "connected"}),
        LineState::Quiet(then) => json!({"state": "quiet", "seconds": since(*then)}),
        LineState::Awaiting(then) => json!({"state": "awaiting", "seconds": since(*then)}),
        LineState::Redialing { number, next, failure } => json!({
            "state": "redialing",
            "attempt": number,
            "next_in_seconds": next.saturating_sub(now).as_secs_f64(),
            "last_failure": failure.map(name_of_failure),
        }),
    }
}

fn name_of_failure(failure: Failure) -> &'static str {
    match failure {
        Failure::Lookup => "lookup",
        Failure::NoAnswer => "no_answer",
        Failure::Refused => "refused",
        Failure::NotThem => "not_them",
        Failure::NoTor => "no_tor",
        Failure::Alone => "alone",
        Failure::Broke => "broke",
    }
}

fn name_of_scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Global => "anywhere",
        Scope::Local => "own_network",
        Scope::Machine => "this_machine",
    }
}

/// Writes what the doctor has found, in the words of programs.
pub fn print_finding(found: &Finding, _: Lang) -> io::Result<()> {
    write(&finding(found))
}

fn finding(finding: &Finding) -> Value {
    let (why, next) = words::finding_words(finding, Lang::En);
    let verdict = match finding.verdict() {
        Verdict::Works => "works",
        Verdict::Not => "does_not_work",
        Verdict::Unknown => "unknown",
    };
    let (name, of) = (finding.name(), finding.of().map(Printable::as_str));
    json!({"event": "finding", "what": name, "name": of, "verdict": verdict, "why": why, "next": next})
}

/// What a status says, where so many of our texts were shown.
fn event(status: &Event, shown: usize) -> Value {
    match status {
        Event::Listening { address } => json!({"event": "listening", "address": address}),
        Event::Addresses { addresses, port, .. } => {
            let addresses: Vec<_> = addresses
                .iter()
                .map(|(scope, address)| json!({"address": address, "from": name_of_scope(*scope)}))
                .collect();
            json!({"event": "addresses", "addresses": addresses, "port": port})
        }
        Event::LookingUp { host } => json!({"event": "looking_up", "host": host.as_str()}),
        Event::Trying { address } => json!({"event": "trying", "address": address.as_str()}),
        Event::TryFailed { address, why } => {
            json!({"event": "try_failed", "address": address.as_str(), "why": why.as_str()})
        }
        Event::BetterRoute { address: place } => json!({"event": "better_route", "address": place.to_string()}),
        Event::Finding(found) => finding(found),
        Event::Announced => json!({"event": "announced"}),
        Event::LanFailed { why } => json!({"event": "lan_failed", "why": why.as_str()}),
        Event::RouteDown { route: way, why } => {
            json!({"event": "route_down", "way": way.as_str(), "why": why.as_str()})
        }
        Event::RouteUp { route: way } => json!({"event": "route_up", "way": way.as_str()}),
        Event::TorFailed { why } => json!({"event": "tor_failed", "why": why.as_str()}),
        Event::Mapping => json!({"event": "mapping"}),
        Event::Mapped { address: at } => json!({"event": "mapped", "address": at}),
        Event::MappingFailed(MapFault::Useless(ip)) => {
            json!({"event": "mapping_failed", "why": "useless", "address": ip})
        }
        Event::MappingFailed(why) => json!({"event": "mapping_failed", "why": match why {
            MapFault::NoRouter => "no_router",
            MapFault::NoAnswer => "no_answer",
            _ => "refused",
        }}),
        Event::Tor { percent } => json!({"event": "tor", "percent": percent}),
        Event::RouteFailed { route: way, why: failure } => {
            json!({"event": "try_failed", "address": way.as_str(), "why": name_of_failure(*failure)})
        }
        Event::Invite { invite: line, routes: ways, .. } => {
            let ways: Vec<_> = ways.iter().map(Printable::as_str).collect();
            json!({"event": "invite", "invite": line.as_str(), "ways": ways})
        }
        Event::Connected { address } => json!({"event": "connected", "address": address.to_string()}),
        Event::Caller { address } => json!({"event": "caller", "address": address.to_string()}),
        Event::BusySent { address: from, times } => {
            json!({"event": "busy_sent", "address": from.to_string(), "times": times})
        }
        Event::Code { own, can_skip } => json!({"event": "code", "own": own.to_string(), "can_skip": can_skip}),
        Event::Compare { own, partner, emoji, can_skip } => json!({
            "event": "compare",
            "own": own.to_string(),
            "partner": partner.to_string(),
            "pictures": emoji,
            "can_skip": can_skip,
        }),
        Event::NotACode => json!({"event": "not_a_code"}),
        Event::OwnCode => json!({"event": "own_code"}),
        Event::WrongCode { tries_left } => json!({"event": "wrong_code", "tries_left": tries_left}),
        Event::StaleAnswer => json!({"event": "stale_answer"}),
        Event::NotAsked => json!({"event": "refused", "why": "not_asked"}),
        Event::NotConfirmed => json!({"event": "refused", "why": "not_confirmed"}),
        Event::NeitherWord => json!({"event": "neither_word"}),
        Event::Confirmed => json!({"event": "confirmed"}),
        Event::RoomOpen { .. } => json!({"event": "room_open"}),
        Event::PairingFailed { address: from, why, pause } => {
            let (error, _) = words::fault(&Fault::Pairing(*why), Lang::En);
            let alarm = why.is_alarm();
            json!({"event": "pairing_failed", "address": from.to_string(), "error": error, "alarm": alarm, "pause_seconds": pause.as_secs()})
        }
        Event::Delivered { waiting, .. } => {
            json!({"event": "delivered", "up_to": shown.saturating_sub(1), "waiting": waiting})
        }
        Event::TooLong { limit } => json!({"event": "refused", "why": "too_long", "limit": limit}),
        Event::Full { waiting } => json!({"event": "refused", "why": "full", "waiting": waiting}),
        Event::NotUtf8 => json!({"event": "refused", "why": "not_a_command"}),
        Event::UnknownCommand { command: name } => {
            json!({"event": "refused", "why": "unknown_command", "command": name.as_str()})
        }
        Event::Verified => json!({"event": "verified"}),
        Event::Codes { question, own, partner, .. } => {
            json!({"event": "codes", "question": question, "own": own.to_string(), "partner": partner.to_string()})
        }
        Event::Who(who) => who_event(who),
        Event::File(status) => files::event(status),
        Event::WhatToSend => json!({"event": "refused", "why": "not_a_command", "command": "send"}),
        Event::Finishing { waiting } => json!({"event": "finishing", "waiting": waiting}),
        Event::PartnerLeft => json!({"event": "partner_left"}),
        Event::CutOff => json!({"event": "cut_off"}),
        Event::Quiet { seconds } => json!({"event": "quiet", "seconds": seconds}),
        Event::ConnectionLost { why, redialing } => {
            let why = match why {
                LineFault::Cut => "cut",
                LineFault::Silent { .. } => "silent",
                LineFault::Late => "late",
                LineFault::Damaged { .. } => "damaged",
            };
            json!({"event": "connection_lost", "why": why, "redialing": redialing})
        }
        Event::RedialFailed { attempt: number, why: failure } => {
            json!({"event": "redial_failed", "attempt": number, "why": name_of_failure(*failure)})
        }
        Event::Reconnected { after, waiting } => {
            json!({"event": "reconnected", "after_seconds": after.as_secs_f64(), "waiting": waiting})
        }
        Event::Waiting { waiting } => json!({"event": "waiting", "waiting": waiting}),
        Event::Intruder { address: from, times } => {
            json!({"event": "intruder", "address": from.to_string(), "times": times})
        }
        Event::Rekey => json!({"event": "rekey"}),
        Event::NotConnected => json!({"event": "not_connected"}),
        Event::TimeIsUp => json!({"event": "time_is_up"}),
        Event::NeedsScreen | Event::Help => json!({"event": "refused", "why": "unknown_command"}),
    }
}

fn who_event(who: &Who) -> Value {
    json!({
        "event": "who",
        "address": who.partner.to_string(),
        "line": line(&who.line),
        "suite": who.suite,
        "own_key": who.local,
        "partner_key": who.remote,
        "since": local_time(who.now.saturating_sub(who.opened)),
        "epoch": who.epoch.as_ref().map(|(number, _)| number),
        "waiting": who.waiting,
    })
}

struct Reader {
    act: mpsc::Sender<Request>,
    /// Texts that were taken.
    said: u64,
}

impl Reader {
    fn run(mut self) {
        let mut input = io::stdin().lock();
        loop {
            let request = match read_line(&mut input, COMMAND) {
                Ok(Some(Line::Text(line))) => self.command(&line),
                Ok(Some(Line::Bad(_))) => Some(bad()),
                Ok(None) | Err(_) => Some(Request::End),
            };
            let Some(request) = request else { continue };
            let end = matches!(request, Request::End);
            if self.act.blocking_send(request).is_err() || end {
                return;
            }
        }
    }

    /// What a line asks for, unless it was done here.
    fn command(&mut self, line: &str) -> Option<Request> {
        let Ok(Value::Object(mut fields)) = serde_json::from_str(line) else { return Some(bad()) };
        let question = fields.get("question").and_then(Value::as_u64);
        let names_offer = fields.contains_key("offer");
        let mut secret = |name: &str| match fields.remove(name) {
            Some(Value::String(value)) => Some(Zeroizing::new(value)),
            _ => None,
        };
        let name = secret("command").unwrap_or_default();
        Some(match name.as_str() {
            "say" => match secret("text") {
                Some(text) => return self.say(text),
                None => bad(),
            },
            // An answer that does not say what it answers could be for another partner.
            "half" | "compare" | "next" if question.is_none() => return refuse("question_missing", &name),
            "get" | "decline" if !names_offer => return refuse("offer_missing", &name),
            "half" => match secret("half") {
                Some(typed) => Request::Half { question: question.unwrap_or_default(), typed },
                None => bad(),
            },
            "compare" => {
                let same = fields.get("same").and_then(Value::as_bool);
                Request::Compared { question: question.unwrap_or_default(), same }
            }
            "next" => Request::Next { question: question.unwrap_or_default() },
            "who" => Request::Command(Command::Who),
            "doctor" => Request::Command(Command::Doctor),
            "code" => Request::Command(Command::Code),
            "rekey" => Request::Command(Command::Rekey),
            "send" => match fields.remove("paths") {
                Some(Value::Array(paths)) if !paths.is_empty() && paths.iter().all(Value::is_string) => {
                    Request::Send(paths.iter().filter_map(Value::as_str).map(PathBuf::from).collect())
                }
                _ => bad(),
            },
            "get" | "decline" => {
                let offer = fields.get("offer").and_then(Value::as_u64).and_then(|offer| offer.try_into().ok());
                offer.map_or_else(bad, |offer| Request::Answer { offer, take: name.as_str() == "get" })
            }
            "cancel" => Request::Command(Command::Cancel),
            "quit" => Request::Command(Command::Quit),
            "panic" => Request::Command(Command::Panic),
            "" => bad(),
            other => Request::UnknownCommand(Printable::line(other)),
        })
    }

    /// Waits until the text was taken or not, so that the answers come in order.
    fn say(&mut self, text: Zeroizing<String>) -> Option<Request> {
        if text.len() > TEXT {
            return Some(Request::Unsendable(Event::TooLong { limit: TEXT }));
        }
        let (taken, answer) = oneshot::channel();
        let _ = self.act.blocking_send(Request::Say { text, taken });
        let said = answer.blocking_recv() == Ok(true);
        // Where standard output is gone the other thread finds out.
        let _ = write(&if said {
            json!({"event": "said", "id": self.said})
        } else {
            json!({"event": "refused", "why": "not_taken", "command": "say"})
        });
        self.said += u64::from(said);
        None
    }
}

/// Refuses a command that lacks what it must name. Where standard output is gone the other thread finds out.
fn refuse(why: &str, command: &str) -> Option<Request> {
    let _ = write(&json!({"event": "refused", "why": why, "command": command}));
    None
}

fn bad() -> Request {
    Request::Unsendable(Event::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_upon_is_escaped_and_still_the_same() {
        let hostile = "\x1b]0;x\x07\u{9b}31m\u{202e}abc\u{200b}\u{e0041}\u{7f}\n\t\"\\ 你好 👨‍👩‍👧";
        let line = escaped(&json!({"text": hostile}).to_string());
        assert!(line.chars().all(|c| is_writable(c) && !c.is_control()), "{line}");
        assert!(line.contains("你好"));
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["text"], hostile);
    }
}
