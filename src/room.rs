//! The driver: joins one session to the user, the wire and the clock until the room ends.

mod admission;
mod connection;
pub mod doctor;
pub mod files;
mod host;
mod join;
mod lobby;
mod pace;
mod redial;
mod side;
pub mod signals;
mod talk;
mod user;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::interface::event::Event;
use crate::interface::fault::{CodesDiffer, Fault, PairingFault};
use crate::interface::files::EndedBy;
use crate::interface::finding::Finding;
use crate::interface::route::Route;
use crate::interface::{PromptKind, RELAYS, UserChannels};
use crate::printable::Printable;
use crate::protocol::error::Error;
use crate::protocol::keys::StaticKey;
use crate::protocol::random::{OsRandom, Randomness as _};
use crate::protocol::session::Settings;
use crate::system::SystemError;
use crate::transport::error::TorError;
use crate::transport::tor::Step;
use crate::transport::way::Way;
use files::{FileOptions, Files};
pub use host::{HostOptions, host};
pub use join::{JoinTarget, join};
use redial::GONE;
use signals::Signals;
use user::User;

/// Ways that are tried of those that an invite names.
const WAYS: usize = 24;
/// Own addresses that an invite names. With the relays, a mapped port and an onion service no more than [`WAYS`].
const OWN: usize = 12;
const _: () = assert!(OWN + RELAYS + 2 <= WAYS);
/// Words about Tor that may wait.
const STEPS: usize = 128;

/// How the code is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
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
    user: User,
    options: Options,
    /// This run's static key.
    key: Arc<StaticKey>,
    /// What the doctor finds, while it looks.
    examined: Option<mpsc::Receiver<Finding>>,
    files: Files,
    /// The room was open.
    opened: bool,
}

/// How a run ended.
enum Outcome {
    /// In an open room, in order.
    Left { waiting: usize },
    /// In an open room, broken.
    Broken { waiting: usize },
    /// In an open room, cut.
    Cut { waiting: usize },
    /// In an open room whose codes differ, as a user saw.
    CodesDiffer(CodesDiffer),
    /// Before it was open.
    Failed(PairingFault),
    /// The connection was lost where the partner may be in the room, and come back.
    Unproved,
    /// Before it was open, as the partner of a room is back.
    Displaced,
    /// The user wanted everything to vanish.
    Panic,
    /// In an open room, and the host's program has ended.
    Gone { waiting: usize },
    /// Our own side cannot go on.
    Local(Fault),
}

impl Room {
    fn new(channels: UserChannels, options: Options) -> Result<Self, Fault> {
        let key = OsRandom.secret().and_then(StaticKey::new).map_err(system)?;
        let signals = Signals::new().map_err(|error| Fault::System(error.into()))?;
        let (user, files) = (User::new(channels, signals), Files::new(options.files.clone()));
        Ok(Self { user, options, key: Arc::new(key), examined: None, files, opened: false })
    }

    /// Runs `work` for a user who has no partner yet. An error if they give up meanwhile.
    async fn attend<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Fault> {
        let (_, mut none) = mpsc::channel::<Infallible>(1);
        self.attend_to(work, &mut none, |_, never| match never {}).await
    }

    /// The same, and takes `news` of the work as they come.
    async fn attend_to<T, N>(
        &mut self,
        work: impl Future<Output = T>,
        news: &mut mpsc::Receiver<N>,
        mut take: impl FnMut(&mut Self, N),
    ) -> Result<T, Fault> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                Some(news) = news.recv() => take(self, news),
                request = self.user.early() => self.user.refuse(request?),
            }
        }
    }

    /// Tells how far tor is while it does something.
    async fn while_tor_works<T>(
        &mut self,
        working: impl Future<Output = Result<T, TorError>>,
        steps: &mut mpsc::Receiver<Step>,
    ) -> Result<T, Fault> {
        let done = self.attend_to(working, steps, |room, step| room.user.tell(tor(step))).await?;
        done.map_err(Fault::Tor)
    }

    fn tell_of_files(&mut self) {
        for event in self.files.take_told() {
            self.user.tell(Event::File(event));
        }
    }

    /// What an open room, or one that was, comes to.
    fn end(&mut self, outcome: Outcome) -> Result<(), Fault> {
        let empty_handed = matches!(self.options.task, Task::Receive) && self.files.done == 0;
        let by = match outcome {
            _ if self.user.leaving => EndedBy::Us,
            Outcome::Left { .. } => EndedBy::Partner,
            _ => EndedBy::Connection,
        };
        let unfinished = self.files.close(matches!(self.options.task, Task::Talk) && self.user.frontend().person, by);
        self.tell_of_files();
        match outcome {
            Outcome::Panic => {
                self.user.wipe();
                Ok(())
            }
            Outcome::Left { waiting: 0 } if unfinished > 0 => Err(Fault::Files { unfinished }),
            Outcome::Left { waiting: 0 } if empty_handed => Err(Fault::NothingCame),
            Outcome::Left { waiting: 0 } if self.user.unsent_lines == 0 => Ok(()),
            Outcome::Left { waiting: 0 } => Err(Fault::Input { lines: self.user.unsent_lines }),
            Outcome::Left { waiting } => Err(Fault::Undelivered { waiting }),
            Outcome::Cut { waiting } => {
                self.user.tell(Event::CutOff);
                Err(Fault::CutOff { waiting })
            }
            Outcome::Broken { waiting } => {
                self.user.tell(Event::CutOff);
                Err(Fault::Damaged { waiting })
            }
            Outcome::Gone { waiting } => {
                self.user.tell(Event::CutOff);
                Err(Fault::HostGone { after: GONE, waiting })
            }
            Outcome::CodesDiffer(said) => Err(Fault::CodesDiffer(said)),
            Outcome::Failed(why) => Err(Fault::Pairing(why)),
            Outcome::Unproved | Outcome::Displaced => Err(Fault::Pairing(PairingFault::Cut)),
            Outcome::Local(fault) => Err(fault),
        }
    }

    /// Shows what is left to be shown. Returns what the run came to.
    async fn finish(self, result: Result<(), Fault>) -> Result<(), Fault> {
        self.files.clean_up().await;
        self.user.finish(result, self.opened).await
    }
}

impl Confirm {
    /// What the user is asked for.
    fn prompt(self) -> PromptKind {
        match self {
            Self::Type => PromptKind::Half,
            Self::Compare => PromptKind::Compare,
        }
    }
}

impl Task {
    /// Whether this side leaves once what it was to send is stored.
    fn is_to_send(&self) -> bool {
        matches!(self, Self::Send(_) | Self::SendInput(_))
    }
}

/// A way as the user is told of it.
fn route(way: &Way) -> Route {
    let at = Printable::line(&way.address());
    if let Way::Relay(_) = way { Route::Relay(at) } else { Route::Address(at) }
}

fn tor(step: Step) -> Event {
    Event::Tor { percent: if let Step::Bootstrap(percent) = step { Some(percent) } else { None } }
}

/// What tells one side from the other at a relay.
fn side_of_relay() -> Result<[u8; 8], Error> {
    let random = OsRandom.secret()?;
    let (side, _) = random.expose().split_first_chunk().ok_or(Error::Primitive)?;
    Ok(*side)
}

/// The fault in an error of the protocol that the partner cannot cause: a primitive or the random generator failed.
fn system(_: Error) -> Fault {
    Fault::System(SystemError::Cryptography)
}
