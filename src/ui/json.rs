//! For programs: every event as one JSON object a line on standard output, commands the same way on standard input.
//!
//! `docs/SCRIPTING.md` is the contract. Names never change their meaning; readers skip what they do not know.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Serializer;
use serde_json::ser::Formatter;
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use super::input::{Line, Lines};
use crate::interface::event::Event;
use crate::interface::fault::Fault;
use crate::interface::files::FileEvent;
use crate::interface::finding::{Finding, Verdict};
use crate::interface::refusal::Refusal;
use crate::interface::{Ack, Frontend, Output, Request, UserChannels};
use crate::printable::{Printable, is_writable};
use crate::protocol::delivery::TEXT;
use crate::thread;
use crate::ui::commands::named;
use crate::ui::typed::request;
use crate::ui::words::{self, Lang};

/// Bytes of the longest command: a text of which each byte is written as `\u00xx`, and some more.
const COMMAND: usize = 6 * TEXT + 1024;

/// Starts both threads.
pub fn start() -> io::Result<UserChannels> {
    let (act, requests) = mpsc::channel(1);
    let (tell, acks) = mpsc::channel(64);
    let (output, show) = mpsc::channel(64);
    let reader = Reader { act, said: 0 };
    thread::start(move || reader.run())?;
    thread::start(move || Writer { delivered: 0 }.run(show, &tell))?;
    Ok(UserChannels { requests, acks, output, frontend: Frontend::JSON })
}

/// Limit for writing the last line to a program that does not read.
const LAST_LINE: Duration = Duration::from_secs(2);
/// Whether the last line was written. Changes only while standard output is locked.
static ENDED: AtomicBool = AtomicBool::new(false);

/// Writes one event whole, unless the last line was written.
fn write(event: &impl Serialize) -> io::Result<()> {
    let line = line(event)?;
    let mut out = io::stdout().lock();
    if ENDED.load(Ordering::Relaxed) {
        return Ok(());
    }
    out.write_all(&line).and_then(|()| out.flush())
}

/// An event as a line. The buffer never grows, which would leave a copy of a text behind.
fn line(event: &impl Serialize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut length = Length(1);
    event.serialize(&mut Serializer::with_formatter(&mut length, Escaped))?;
    let mut line = Zeroizing::new(Vec::with_capacity(length.0));
    event.serialize(&mut Serializer::with_formatter(&mut *line, Escaped))?;
    line.push(b'\n');
    Ok(line)
}

/// Counts what is written.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// JSON in characters that no terminal acts upon, hides or reorders.
struct Escaped;

impl Formatter for Escaped {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let is_plain = |c: char| c.is_ascii() && !c.is_control() || is_writable(c) && !c.is_control();
        let mut rest = fragment;
        while let Some((place, c)) = rest.char_indices().find(|(_, c)| !is_plain(*c)) {
            let (plain, after) = rest.split_at(place);
            writer.write_all(plain.as_bytes())?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = after.split_at(c.len_utf8()).1;
        }
        writer.write_all(rest.as_bytes())
    }
}

/// An event, and what a program is told beside its own fields.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    event: &'a Event,
    /// Number of the question that this event asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<u64>,
    /// Id of the last of our texts that were delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    up_to: Option<usize>,
    /// Whether somebody may have attacked.
    #[serde(skip_serializing_if = "Option::is_none")]
    alarm: Option<bool>,
    /// The fault in English.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// An event of this front end.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Own<'a> {
    /// A text of the partner.
    Text { id: u32, age_seconds: f64, text: &'a str },
    /// A text was taken.
    Said { id: u64 },
    /// A command was refused before anybody else saw it.
    Refused { why: &'static str, command: &'static str },
    /// What the doctor has found.
    Finding {
        #[serde(flatten)]
        finding: &'a Finding,
        verdict: Verdict,
        why: String,
        next: Option<String>,
    },
    /// The last line.
    End {
        exit: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        advice: Option<String>,
    },
}

struct Writer {
    /// Our texts that were delivered.
    delivered: usize,
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
                let (id, age_seconds) = (text.id, text.age.as_secs_f64());
                write(&Own::Text { id, age_seconds, text: &text.text })
            }
            Output::Event(event) => self.event(&event, None),
            Output::Ask { question, about, .. } => about.iter().try_for_each(|about| self.event(about, Some(question))),
            Output::Status(status) => write(&status),
            Output::Wipe => Ok(()),
            Output::End(None) => end(&Ok(())),
            Output::End(Some(fault)) => end(&Err(fault)),
        }
    }

    fn event(&mut self, event: &Event, question: Option<u64>) -> io::Result<()> {
        if let Event::Finding(finding) = event {
            return print_finding(finding, Lang::En);
        }
        let mut told = Told { event, question, up_to: None, alarm: None, error: None };
        match event {
            Event::Delivered { messages, .. } => {
                self.delivered += messages;
                told.up_to = self.delivered.checked_sub(1);
            }
            Event::PairingFailed { why, .. } => {
                told.alarm = Some(why.is_alarm());
                told.error = Some(words::fault(&Fault::Pairing(*why), Lang::En).0);
            }
            Event::File(
                FileEvent::CannotSend { why, .. } | FileEvent::NotSent { why, .. } | FileEvent::NotStored { why, .. },
            ) => told.error = Some(words::file_fault(why, Lang::En)),
            _ => {}
        }
        write(&told)
    }
}

/// Writes the last line, unless the room has.
pub fn print_end(result: &Result<(), Fault>) {
    let (told, written) = std::sync::mpsc::channel();
    let writing = thread::start({
        let result = result.clone();
        move || drop(told.send(end(&result)))
    });
    // Where standard output is gone the exit code has to do.
    let _ = match writing {
        Ok(()) => written.recv_timeout(LAST_LINE).unwrap_or(Ok(())),
        Err(_) => end(result),
    };
}

fn end(result: &Result<(), Fault>) -> io::Result<()> {
    let told = result.as_ref().err().map(|fault| (fault.code(), words::fault(fault, Lang::En)));
    let (exit, (error, advice)) =
        told.map_or((0, (None, None)), |(code, (error, advice))| (code, (Some(error), Some(advice))));
    let line = line(&Own::End { exit, error, advice })?;
    let mut out = io::stdout().lock();
    if ENDED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    out.write_all(&line).and_then(|()| out.flush())
}

/// Writes what the doctor has found, in the words of programs.
pub fn print_finding(finding: &Finding, _: Lang) -> io::Result<()> {
    let (why, next) = words::finding_words(finding, Lang::En);
    write(&Own::Finding { finding, verdict: finding.verdict(), why, next })
}

/// A text of a command, wiped with it.
struct Secret(Zeroizing<String>);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(Zeroizing::new(text)))
    }
}

/// A line of standard input. An answer that does not say what it answers could be for another partner, so `question`
/// and `offer` may be missing here only to be refused by name.
#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
enum Command {
    Half {
        question: Option<u64>,
        half: Option<Secret>,
    },
    Compare {
        question: Option<u64>,
        same: Option<bool>,
    },
    Next {
        question: Option<u64>,
    },
    Say {
        text: Secret,
    },
    Send {
        paths: Vec<PathBuf>,
    },
    Get {
        offer: Option<u32>,
    },
    Decline {
        offer: Option<u32>,
    },
    #[serde(other)]
    Plain,
}

/// The name of a command that is no more than its name.
#[derive(Deserialize)]
struct Named {
    command: String,
}

struct Reader {
    act: mpsc::Sender<Request>,
    /// Texts that were taken.
    said: u64,
}

impl Reader {
    fn run(mut self) {
        let mut input = Lines::new(io::stdin().lock());
        loop {
            let request = match input.read(COMMAND) {
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
        // An array is no command, although serde would take one.
        let object = line.trim_start().starts_with('{');
        let Some(command) = serde_json::from_str(line).ok().filter(|_| object) else { return Some(bad()) };
        Some(match command {
            Command::Say { text } => return self.say(text.0),
            Command::Half { question: None, .. } => return refuse("question_missing", "half"),
            Command::Compare { question: None, .. } => return refuse("question_missing", "compare"),
            Command::Next { question: None } => return refuse("question_missing", "next"),
            Command::Get { offer: None } => return refuse("offer_missing", "get"),
            Command::Decline { offer: None } => return refuse("offer_missing", "decline"),
            Command::Half { question: Some(question), half: Some(typed) } => Request::Half { question, typed: typed.0 },
            Command::Half { half: None, .. } => bad(),
            Command::Compare { question: Some(question), same } => Request::Compared { question, same },
            Command::Next { question: Some(question) } => Request::Next { question },
            Command::Send { paths } if paths.is_empty() => bad(),
            Command::Send { paths } => Request::Send(paths),
            Command::Get { offer: Some(offer) } => Request::Answer { offer, take: true },
            Command::Decline { offer: Some(offer) } => Request::Answer { offer, take: false },
            Command::Plain => serde_json::from_str(line).map_or_else(|_| bad(), |Named { command }| plain(&command)),
        })
    }

    /// Waits until the text was taken or not, so that the answers come in order.
    fn say(&mut self, text: Zeroizing<String>) -> Option<Request> {
        if text.len() > TEXT {
            return Some(Request::Unsendable(Event::Refused(Refusal::TooLong { limit: TEXT })));
        }
        let (taken, answer) = oneshot::channel();
        let _ = self.act.blocking_send(Request::Say { text, taken });
        let said = answer.blocking_recv() == Ok(true);
        // Where standard output is gone the other thread finds out.
        let _ =
            write(&if said { Own::Said { id: self.said } } else { Own::Refused { why: "not_taken", command: "say" } });
        self.said += u64::from(said);
        None
    }
}

/// Refuses a command that lacks what it must name. Where standard output is gone the other thread finds out.
fn refuse(why: &'static str, command: &'static str) -> Option<Request> {
    let _ = write(&Own::Refused { why, command });
    None
}

/// What a command of the chat asks for that programs have, too.
fn plain(name: &str) -> Request {
    let row = named(name).filter(|row| row.is_in(Frontend::JSON));
    row.and_then(|row| request(row.command, "", None))
        .unwrap_or_else(|| Request::Refused(Event::Refused(Refusal::UnknownCommand { command: Printable::line(name) })))
}

fn bad() -> Request {
    Request::Unsendable(Event::Refused(Refusal::NotUtf8))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use serde_json::{Value, json};

    use super::*;
    use crate::clock;
    use crate::interface::event::{ConnectionFault, ConnectionState, Status, Trust};
    use crate::interface::files::FileFault;
    use crate::interface::finding::ProbeResult;
    use crate::interface::refusal::FileRefusal;
    use crate::interface::route::Route;
    use crate::system::SystemError;
    use crate::transport::error::{ConnectError, MappingError, TorError};
    use crate::ui::commands::COMMANDS;

    fn written(event: &impl Serialize) -> Value {
        serde_json::from_slice(&line(event).unwrap()).unwrap()
    }

    #[test]
    fn programs_have_exactly_the_commands_of_the_table_that_are_theirs() {
        let mut reader = Reader { act: mpsc::channel(1).0, said: 0 };
        for row in &COMMANDS {
            let line = json!({"command": row.name, "offer": 1, "paths": ["a"]}).to_string();
            let known = reader.command(&line).is_some_and(|request| !matches!(request, Request::Refused(_)));
            assert_eq!(known, row.is_in(Frontend::JSON), "{}", row.name);
        }
    }

    #[test]
    fn what_a_terminal_would_act_upon_is_escaped_and_still_the_same() {
        let hostile = "\x1b]0;x\x07\u{9b}31m\u{202e}abc\u{200b}\u{e0041}\u{7f}\n\t\"\\ 你好 👨‍👩‍👧";
        let line = line(&Own::Text { id: 0, age_seconds: 0.0, text: hostile }).unwrap();
        let text = str::from_utf8(&line).unwrap().strip_suffix('\n').unwrap();
        assert!(text.chars().all(|c| is_writable(c) && !c.is_control()), "{text}");
        assert!(text.contains("你好"));
        assert_eq!(serde_json::from_str::<Value>(text).unwrap()["text"], hostile);
        assert_eq!(line.len(), line.capacity());
    }

    #[test]
    fn an_event_of_any_kind_is_one_object_with_its_name() {
        let told = |event: &Event| written(&Told { event, question: Some(7), up_to: None, alarm: None, error: None });
        let name = || Printable::line("a");
        for (event, expected) in [
            (Event::NotACode, json!({"event": "not_a_code", "question": 7})),
            (
                Event::ConnectionLost {
                    why: ConnectionFault::Silent { after: Duration::from_secs(10) },
                    redialing: true,
                },
                json!({"event": "connection_lost", "why": "silent", "after_seconds": 10.0, "redialing": true, "question": 7}),
            ),
            (
                Event::MappingFailed(MappingError::Useless { address: [10, 0, 0, 1].into() }),
                json!({"event": "mapping_failed", "why": "useless", "address": "10.0.0.1", "question": 7}),
            ),
            (
                Event::TryFailed { address: Route::Relay(name()), why: TorError::Cookie(SystemError::NotFound).into() },
                json!({"event": "try_failed", "address": "relay a", "why": {"tor": {"cookie": "not_found"}}, "question": 7}),
            ),
            (
                Event::Refused(Refusal::TooLong { limit: 9 }),
                json!({"event": "refused", "why": "too_long", "limit": 9, "question": 7}),
            ),
            (
                Event::File(FileEvent::Refused(FileRefusal::StaleOffer)),
                json!({"event": "refused", "why": "stale_offer", "question": 7}),
            ),
            (
                Event::File(FileEvent::LeftOut {
                    name: name(),
                    paths: vec![(name(), FileFault::TooMany(3))],
                    count: 1,
                }),
                json!({"event": "left_out", "name": "a", "paths": [{"path": "a", "why": "too_many"}], "count": 1, "question": 7}),
            ),
            (
                Event::File(FileEvent::NotSent { path: name(), why: FileFault::System(SystemError::Disk) }),
                json!({"event": "not_sent", "path": "a", "why": "system", "question": 7}),
            ),
        ] {
            assert_eq!(told(&event), expected);
        }
    }

    #[test]
    fn a_finding_has_the_name_of_its_check_and_of_what_was_checked() {
        let told = |finding: Finding| {
            written(&Own::Finding { finding: &finding, verdict: finding.verdict(), why: "w".into(), next: None })
        };
        let name = || Printable::line("a:1");
        for (finding, what, called, verdict) in [
            (Finding::Listens(Vec::new()), "listening", None, "works"),
            (Finding::PortInUse(7), "listening", None, "does_not_work"),
            (Finding::Firewall { name: Some("ufw"), port: 7 }, "firewall", None, "unknown"),
            (Finding::Ipv6 { own: None, reached: None }, "ipv6", None, "does_not_work"),
            (Finding::Mapping(None), "mapping", None, "unknown"),
            (Finding::Proxy { address: name(), result: Ok(()) }, "proxy", Some("a:1"), "unknown"),
            (Finding::NoRelay, "relay", None, "unknown"),
            (Finding::Relay { name: name(), result: Ok(Duration::ZERO) }, "relay", Some("a:1"), "works"),
            (
                Finding::Way { name: Route::Relay(name()), met: ProbeResult::Busy },
                "way",
                Some("relay a:1"),
                "does_not_work",
            ),
        ] {
            let mut expected = json!({"event": "finding", "what": what, "verdict": verdict, "why": "w", "next": null});
            if let Some(called) = called {
                expected["name"] = json!(called);
            }
            assert_eq!(told(finding), expected);
        }
    }

    #[test]
    fn times_are_rfc_3339_in_utc() {
        let time = clock::now();
        let status = written(&Status {
            partner: "127.0.0.1:1".parse::<SocketAddr>().unwrap().into(),
            trust: Trust::No,
            connection: ConnectionState::Redialing { number: 2, next: time, failure: Some(ConnectError::NotAuthentic) },
            round_trip: Some(Duration::from_millis(1_500)),
            epoch: None,
            files: [None; 2],
        });
        assert_eq!((&status["event"], &status["trust"]), (&json!("status"), &json!("none")));
        assert_eq!((&status["round_trip_seconds"], &status["sending"]), (&json!(1.5), &Value::Null));
        let connection = &status["connection"];
        assert_eq!((&connection["state"], &connection["last_failure"]), (&json!("redialing"), &json!("not_authentic")));
        let next = connection["next_attempt"].as_str().unwrap();
        assert!(next.len() == 20 && next.ends_with('Z') && next.parse::<jiff::Timestamp>().is_ok(), "{next}");
        assert_eq!(written(&ConnectionState::Awaiting(time))["since"].as_str().unwrap().len(), 20);
    }
}
