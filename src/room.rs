//! The driver: joins one session to the user, the wire and the clock until the room ends.

mod connection;
pub mod doctor;
pub mod files;
mod host;
mod join;
mod lobby;
mod redial;
mod signals;
mod talk;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::interface::Command;
use crate::interface::event::Event;
use crate::interface::fault::{Fault, PairingFault};
use crate::interface::files::EndedBy;
use crate::interface::finding::{Finding, MapFault};
use crate::interface::{Ack, Frontend, Output, PromptKind, RELAYS, Request, UserChannels};
use crate::printable::Printable;
use crate::protocol::delivery::{TEXT, WAITING_BYTES, WAITING_TEXTS};
use crate::protocol::error::Error;
use crate::protocol::keys::StaticKey;
use crate::protocol::random::{OsRandom, Randomness as _};
use crate::protocol::session::Settings;
use crate::transport::lan::Announcement;
use crate::transport::portmap::Mapping;
use crate::transport::tor::Step;
use crate::transport::way::{Outside, Way};
use files::{FileOptions, Files};
pub use host::{HostOptions, host};
use join::Road;
pub use join::{JoinTarget, join};
use lobby::Lobby;
use signals::Signals;

/// Words of the program that may wait for a screen that stands still.
const STATUSES: usize = 256;
/// Likewise for a program, which must not miss what became of a file: beyond it nothing more is read from the partner.
const EVENTS: usize = 4_096;
/// How long the screen may take to show what is left.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Ways that are tried of those that an invite names.
const WAYS: usize = 24;
/// Own addresses that an invite names. With the relays, a mapped port and an onion service no more than [`WAYS`].
const OWN: usize = 12;
const _: () = assert!(OWN + RELAYS + 2 <= WAYS);
/// Words about Tor that may wait.
const STEPS: usize = 128;

/// How the code is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Confirm {
    /// The user types the partner's half.
    Type,
    /// The user compares both halves on both screens.
    Compare,
}

/// What the user chose for this run.
#[derive(Clone)]
pub struct Options {
    /// How the code is checked.
    pub confirm: Confirm,
    /// The session's.
    pub settings: Settings,
    /// The room closes by itself so long after it opened.
    pub close_after: Option<Duration>,
    /// Files.
    pub files: FileOptions,
    /// What for.
    pub task: Task,
}

/// What a room is opened for.
#[derive(Clone)]
pub enum Task {
    /// To talk.
    Talk,
    /// To send files and folders, and leave.
    Send(Vec<PathBuf>),
    /// To send standard input under that name, and leave.
    SendInput(String),
    /// To take files until the partner leaves.
    Receive,
}

struct Room {
    ui: UserChannels,
    options: Options,
    clock: Clock,
    key: Arc<StaticKey>,
    signals: Signals,
    /// The host's door.
    lobby: Option<Lobby>,
    /// The joiner's way back.
    road: Option<Road>,
    /// What the host's doors need as long as they are open.
    outside: Option<Arc<Outside>>,
    /// A port of the router that leads here.
    mapping: Option<Mapping>,
    /// What the local network is told.
    announcement: Option<Announcement>,
    /// The host's own addresses and ports.
    listening: Vec<SocketAddr>,
    /// What the router said, if it was asked.
    mapped: Option<Result<SocketAddr, MapFault>>,
    /// Where the host waits beside its own addresses, and why nobody can come by that way, if so.
    doors: Vec<(Way, Option<Printable>)>,
    /// What the doctor finds, while it looks.
    examined: Option<mpsc::Receiver<Finding>>,
    /// What the screen has not taken yet: texts, bounded by what the protocol lets wait, and [`STATUSES`].
    show: VecDeque<Output>,
    unshown: Unshown,
    files: Files,
    input: Input,
    /// The room was open once.
    opened: bool,
}

/// Texts that came and were not shown yet.
#[derive(Default)]
struct Unshown {
    texts: VecDeque<usize>,
    bytes: usize,
}

/// What became of the user's side.
#[derive(Default)]
struct Input {
    /// The input ended, or the user asked to leave.
    ended: bool,
    /// Lines that could not be sent.
    unsent_lines: usize,
    /// Number of the question that is asked now.
    question: u64,
}

/// How a run ended.
enum Outcome {
    /// In an open room, in order.
    Left { waiting: usize },
    /// In an open room, broken.
    Broken { waiting: usize },
    /// In an open room, cut.
    Cut { waiting: usize },
    /// Before it was open.
    Failed(PairingFault),
    /// The user wanted everything to vanish.
    Panic,
    /// In an open room, and the host's program has ended.
    Gone { waiting: usize },
    /// Our own side cannot go on.
    Local(Fault),
}

impl Room {
    fn new(ui: UserChannels, options: Options) -> Result<Self, Fault> {
        let key = OsRandom.secret().and_then(StaticKey::new).map_err(system)?;
        let signals = Signals::new().map_err(|error| Fault::System(Printable::line(&error.to_string())))?;
        let files = Files::new(options.files.clone());
        Ok(Self {
            ui,
            options,
            clock: Clock,
            key: Arc::new(key),
            signals,
            lobby: None,
            road: None,
            outside: None,
            mapping: None,
            announcement: None,
            listening: Vec::new(),
            mapped: None,
            doors: Vec::new(),
            examined: None,
            show: VecDeque::new(),
            unshown: Unshown::default(),
            files,
            input: Input::default(),
            opened: false,
        })
    }

    /// Says something, unless the screen has stood still for so long that too much waits for it already.
    fn tell(&mut self, event: Event) {
        let before = self.show.iter_mut().rev().find_map(|what| match what {
            Output::Event(Event::Shown { texts, waiting }) => Some((texts, waiting)),
            _ => None,
        });
        if let (Some((texts, waiting)), Event::Shown { texts: more, waiting: now }) = (before, &event) {
            *texts += more;
            *waiting = *now;
            return;
        }
        let kept = match &event {
            // A full screen counts its texts by what was shown.
            Event::Shown { .. } => true,
            Event::File(event) => self.ui.frontend == Frontend::Json && !event.is_passing(),
            _ => false,
        };
        if kept || self.statuses() < STATUSES {
            self.show.push_back(Output::Event(event));
        }
    }

    /// Words of the program that wait for the screen.
    fn statuses(&self) -> usize {
        self.show.iter().filter(|what| matches!(what, Output::Event(_))).count()
    }

    fn ask(&mut self, what: PromptKind, about: Option<Event>) {
        self.input.question += 1;
        self.show.push_back(Output::Ask { question: self.input.question, what, about });
    }

    /// Tells how far tor is while it does something.
    async fn while_tor_works<T>(
        &mut self,
        working: impl Future<Output = std::io::Result<T>>,
        steps: &mut mpsc::Receiver<Step>,
    ) -> Result<T, Fault> {
        tokio::pin!(working);
        loop {
            self.show_now().await;
            tokio::select! {
                done = &mut working => return done.map_err(|error| Fault::Tor(Printable::line(&reason(&error)))),
                Some(step) = steps.recv() => self.tell(tor(step)),
                request = user(&mut self.ui, &mut self.signals, !self.input.ended) => self.hear_early(request)?,
            }
        }
    }

    /// What the user did before anybody was there. An error if they give up.
    fn hear_early(&mut self, request: Option<Request>) -> Result<(), Fault> {
        match request {
            None => return Err(Fault::NobodyCame),
            Some(Request::End) => self.input.ended = true,
            Some(request) => self.refuse(request),
        }
        Ok(())
    }

    /// What an open room, or one that was, comes to.
    fn end(&mut self, outcome: Outcome) -> Result<(), Fault> {
        let empty_handed = matches!(self.options.task, Task::Receive) && self.files.done == 0;
        let by = match outcome {
            _ if self.input.ended => EndedBy::Us,
            Outcome::Left { .. } => EndedBy::Partner,
            _ => EndedBy::Line,
        };
        let unfinished =
            self.files.close(self.ui.frontend == Frontend::Lines || self.ui.frontend == Frontend::Screen, by);
        for status in self.files.take_told() {
            self.tell(Event::File(status));
        }
        match outcome {
            Outcome::Panic => {
                self.show.clear();
                self.unshown = Unshown::default();
                self.show.push_back(Output::Wipe);
                Ok(())
            }
            Outcome::Left { waiting: 0 } if unfinished > 0 => Err(Fault::Files { unfinished }),
            Outcome::Left { waiting: 0 } if empty_handed => Err(Fault::NothingCame),
            Outcome::Left { waiting: 0 } if self.input.unsent_lines == 0 => Ok(()),
            Outcome::Left { waiting: 0 } => Err(Fault::Input { lines: self.input.unsent_lines }),
            Outcome::Left { waiting } => Err(Fault::NotShown { waiting }),
            Outcome::Cut { waiting } => {
                self.tell(Event::CutOff);
                Err(Fault::CutOff { waiting })
            }
            Outcome::Broken { waiting } => {
                self.tell(Event::CutOff);
                Err(Fault::Damaged { waiting })
            }
            Outcome::Gone { waiting } => {
                self.tell(Event::CutOff);
                Err(Fault::HostGone { waiting })
            }
            Outcome::Failed(why) => Err(Fault::Pairing(why)),
            Outcome::Local(fault) => Err(fault),
        }
    }

    /// Hands the screen all it will take without a wait.
    async fn show_now(&mut self) {
        while !self.show.is_empty() {
            let Ok(permit) = self.ui.output.try_reserve() else { return };
            if let Some(what) = self.show.pop_front() {
                permit.send(what);
            }
        }
    }

    /// Waits, but not for ever, until every text is on the screen.
    async fn drain_screen(&mut self) {
        let draining = async {
            while !self.show.is_empty() || !self.unshown.is_empty() {
                let Self { ui, show, unshown, .. } = self;
                tokio::select! {
                    permit = ui.output.reserve(), if !show.is_empty() => match (permit, show.pop_front()) {
                        (Ok(permit), Some(what)) => permit.send(what),
                        _ => return,
                    },
                    shown = ui.acks.recv(), if !unshown.is_empty() => match shown {
                        Some(Ack::Text(_)) => unshown.pop(),
                        _ => return,
                    },
                }
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS, draining).await;
    }

    /// The last words of the program, before the error that main prints.
    ///
    /// Returns the result of the run: a user who was not shown every text did not see it end in order.
    async fn finish_showing(&mut self, result: Result<(), Fault>) -> Result<(), Fault> {
        // A full screen would take the last texts with it.
        let stay = self.ui.frontend == Frontend::Screen && self.opened && !self.input.ended;
        if stay || self.ui.frontend == Frontend::Json {
            self.show.push_back(Output::End(result.as_ref().err().cloned()));
        }
        // What is still typed is for nobody.
        self.ui.requests.close();
        while self.ui.requests.try_recv().is_ok() {}
        self.drain_screen().await;
        let (output, _) = mpsc::channel(1);
        // Without a sender the screen ends once it has shown the rest, and then so does its report.
        self.ui.output = output;
        let Self { ui, signals, unshown, .. } = self;
        let ended = async {
            while let Some(shown) = ui.acks.recv().await {
                if let Ack::Text(_) = shown {
                    unshown.pop();
                }
            }
        };
        if stay {
            tokio::select! {
                () = ended => {}
                () = signals.recv() => {}
            }
        } else {
            let _ = tokio::time::timeout(LAST_WORDS, ended).await;
        }
        match self.unshown.texts.len() {
            0 => result,
            texts => result.and(Err(Fault::Unread { texts })),
        }
    }
}

impl Unshown {
    fn push(&mut self, bytes: usize) {
        self.texts.push_back(bytes);
        self.bytes += bytes;
    }

    fn pop(&mut self) {
        self.bytes -= self.texts.pop_front().unwrap_or_default();
    }

    fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// A partner that keeps to the protocol never lets more wait.
    fn has_room(&self) -> bool {
        self.texts.len() <= WAITING_TEXTS && self.bytes <= WAITING_BYTES + TEXT
    }
}

/// What the user does before anybody is there. `None` if they give up. Waits for ever if there is nothing to `listen` to.
async fn user(ui: &mut UserChannels, signals: &mut Signals, listen: bool) -> Option<Request> {
    tokio::select! {
        () = signals.recv() => None,
        request = ui.requests.recv(), if listen && ui.frontend.is_told_all() => request.filter(|request| {
            !matches!(request, Request::Interrupt | Request::Command(Command::Quit | Command::Panic))
        }),
    }
}

fn tor(step: Step) -> Event {
    Event::Tor { percent: if let Step::Bootstrap(percent) = step { Some(percent) } else { None } }
}

/// What tells one side from the other at a relay.
fn side() -> Result<[u8; 8], Error> {
    let random = OsRandom.secret()?;
    let (side, _) = random.expose().split_first_chunk().ok_or(Error::Primitive)?;
    Ok(*side)
}

fn system(error: Error) -> Fault {
    Fault::System(Printable::line(&error.to_string()))
}

/// An error of the system in its own words, without its number.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface::files::FileEvent;
    use crate::protocol::session::Settings;

    fn room(frontend: Frontend) -> Room {
        let (_, requests) = mpsc::channel(1);
        let (_, acks) = mpsc::channel(1);
        let (output, _) = mpsc::channel(1);
        let ui = UserChannels { requests, acks, output, frontend };
        let options = Options {
            confirm: Confirm::Type,
            settings: Settings::default(),
            close_after: None,
            files: FileOptions::default(),
            task: Task::Talk,
        };
        Room::new(ui, options).unwrap_or_else(|_| panic!("no room"))
    }

    #[tokio::test]
    async fn what_is_told_to_a_screen_that_stands_still_is_bounded() {
        for frontend in [Frontend::Lines, Frontend::Pipe] {
            let mut room = room(frontend);
            for waiting in 0..10_000 {
                room.tell(Event::Shown { texts: 1, waiting });
            }
            assert_eq!(room.show.len(), 1);
            for _ in 0..10_000 {
                room.tell(Event::LineBack { after: Duration::ZERO, waiting: 0 });
                room.tell(Event::Shown { texts: 1, waiting: 0 });
            }
            assert_eq!(room.show.len(), STATUSES);
            room.ask(PromptKind::Chat, None);
            assert_eq!(room.show.len(), STATUSES + 1, "a question is never dropped");
        }
    }

    #[tokio::test]
    async fn a_program_that_reads_late_misses_nothing_of_a_file() {
        let mut room = room(Frontend::Json);
        let name = Printable::line("x");
        for _ in 0..EVENTS {
            room.tell(Event::LineBack { after: Duration::ZERO, waiting: 0 });
            room.tell(Event::File(FileEvent::NothingOffered));
            room.tell(Event::File(FileEvent::Declined { name: name.clone() }));
        }
        let told =
            room.show.iter().filter(|what| matches!(what, Output::Event(Event::File(FileEvent::Declined { .. }))));
        assert_eq!(told.count(), EVENTS);
    }
}
