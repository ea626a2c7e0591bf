//! The driver: joins one session to the user, the wire and the clock until the room ends.

pub mod files;
mod line;
mod lobby;
mod redial;
mod signals;
mod talk;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::address::{Address, scope};
use crate::clock::Clock;
use crate::protocol::delivery::{TEXT, WAITING_BYTES, WAITING_TEXTS};
use crate::protocol::error::{Error, Rejection};
use crate::protocol::handshake::{Mode, ResumeKey};
use crate::protocol::keys::StaticKey;
use crate::protocol::random::{OsRandom, Randomness as _};
use crate::protocol::session::{Session, Settings, Stage};
use crate::transport::{dial, listen};
use crate::ui::interface::{Action, Ask, Seat, Show, Shown, Ui};
use crate::ui::messages::{Fault, Invitation, PairingFault, Status};
use crate::ui::printable::Printable;
use files::{FileOptions, Files};
use line::{Ended, Line};
use lobby::{Lobby, News};
use redial::Redial;
use signals::Signals;

/// Pauses after failed runs; the last one stays.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(20), Duration::from_secs(40)];
/// A connection that lasts so long was a good one.
const STEADY: Duration = Duration::from_secs(2);
/// Words of the program that may wait for a screen that stands still.
const STATUSES: usize = 256;
/// How long the screen may take to show what is left.
const LAST_WORDS: Duration = Duration::from_secs(2);

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
    pub errand: Errand,
}

/// What a room is opened for.
#[derive(Clone)]
pub enum Errand {
    /// To talk.
    Talk,
    /// To send files and folders, and leave.
    Send(Vec<PathBuf>),
    /// To send standard input under that name, and leave.
    SendInput(String),
    /// To take files until the partner leaves.
    Receive,
}

/// Waits for the partner and talks until the room ends.
pub async fn host(ui: Ui, options: Options, bind: Option<IpAddr>, port: u16) -> Result<(), Fault> {
    let mut room = Room::new(ui, options)?;
    let result = match listen::bind(bind, port) {
        Ok(listeners) => room.host(listeners).await,
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(Fault::PortInUse(port)),
        Err(error) => {
            let address = bind.map_or(format!("port {port}"), |address| SocketAddr::new(address, port).to_string());
            Err(Fault::Listen { address: Printable::line(&address), why: Printable::line(&reason(&error)) })
        }
    };
    room.finish_showing(&result).await;
    result
}

/// Joins the partner's room and talks until it ends.
pub async fn join(ui: Ui, options: Options, address: Address) -> Result<(), Fault> {
    let mut room = Room::new(ui, options)?;
    let result = room.join(&address).await;
    room.finish_showing(&result).await;
    result
}

struct Room {
    ui: Ui,
    options: Options,
    clock: Clock,
    key: Arc<StaticKey>,
    signals: Signals,
    /// The host's door.
    lobby: Option<Lobby>,
    /// The joiner's way back.
    road: Option<Road>,
    /// What the screen has not taken yet: texts, bounded by what the protocol lets wait, and [`STATUSES`].
    show: VecDeque<Show>,
    unshown: Unshown,
    files: Files,
    input: Input,
    /// The room was open once.
    opened: bool,
}

/// Where the joiner found the host, and the search for it after a break.
struct Road {
    address: Address,
    found: Vec<SocketAddr>,
    redial: Option<Redial>,
    /// Attempts that the last return took, and when that was.
    returned: Option<(u32, Duration)>,
}

impl Road {
    /// Begins at once, unless the last return did not last: then where the attempts before it had stopped.
    fn search(&mut self, resume: Arc<ResumeKey>, settings: Settings, clock: Clock) {
        let tries = self.returned.filter(|(_, at)| clock.now() < *at + STEADY).map_or(0, |(tries, _)| tries);
        let (address, found) = (self.address.clone(), self.found.clone());
        self.redial = Some(Redial::new(address, found, resume, settings, clock, tries));
    }

    /// The partner was found.
    fn arrived(&mut self, now: Duration) {
        self.returned = self.redial.take().map(|redial| (redial.state().number, now));
    }
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
    fn new(ui: Ui, options: Options) -> Result<Self, Fault> {
        let system = |why: &str| Fault::System(Printable::line(why));
        let key = OsRandom.secret().and_then(StaticKey::new).map_err(|error| system(&error.to_string()))?;
        let signals = Signals::new().map_err(|error| system(&error.to_string()))?;
        let files = Files::new(options.files.clone());
        Ok(Self {
            ui,
            options,
            clock: Clock,
            key: Arc::new(key),
            signals,
            lobby: None,
            road: None,
            show: VecDeque::new(),
            unshown: Unshown::default(),
            files,
            input: Input::default(),
            opened: false,
        })
    }

    /// Says something, unless the screen has stood still for so long that too much waits for it already.
    fn tell(&mut self, status: Status) {
        if !self.ui.seat.is_told_all() && status.line().is_none() {
            return;
        }
        let before = self.show.iter_mut().rev().find_map(|what| match what {
            Show::Status(Status::Shown { texts, waiting }) => Some((texts, waiting)),
            _ => None,
        });
        if let (Some((texts, waiting)), Status::Shown { texts: more, waiting: now }) = (before, &status) {
            *texts += more;
            *waiting = *now;
            return;
        }
        let statuses = self.show.iter().filter(|what| matches!(what, Show::Status(_))).count();
        // A full screen counts its texts by what was shown.
        if statuses < STATUSES || matches!(status, Status::Shown { .. }) {
            self.show.push_back(Show::Status(status));
        }
    }

    fn ask(&mut self, what: Ask, about: Option<Status>) {
        self.input.question += 1;
        self.show.push_back(Show::Ask { question: self.input.question, what, about });
    }

    async fn join(&mut self, address: &Address) -> Result<(), Fault> {
        let name = || Printable::line(&address.to_string());
        let (stream, mut found) = self.dial(address).await?;
        let from = stream.peer_addr().map_err(|_| Fault::Unreachable(name()))?;
        self.tell(Status::Handshake(from));
        let mode = Mode::Pair(self.key.clone());
        let session = Session::initiate(mode, Box::new(OsRandom), self.options.settings, self.clock.now())
            .map_err(|error| Fault::System(Printable::line(&error.to_string())))?;
        let mut line = Line::new(stream, from, session, self.clock);
        self.shake_hands(&mut line, name).await?;
        // The address that answered comes first.
        found.sort_by_key(|known| *known != from);
        self.road = Some(Road { address: address.clone(), found, redial: None, returned: None });
        let outcome = self.converse(&mut line).await;
        self.end(outcome)
    }

    /// Connects, telling what is tried and what failed where. Returns all that was found, too.
    async fn dial(&mut self, address: &Address) -> Result<(TcpStream, Vec<SocketAddr>), Fault> {
        if address.host.parse::<IpAddr>().is_err() {
            self.tell(Status::LookingUp(Printable::line(&address.host)));
        }
        // Two for each address at most, and the channel holds them all.
        let (tell, mut told) = mpsc::channel(2 * dial::ADDRESSES);
        let dialing = async {
            let found = dial::lookup(address).await.map_err(|error| Fault::Lookup {
                host: Printable::line(&address.host),
                why: Printable::line(&reason(&error)),
            })?;
            let stream = dial::dial(found.clone(), move |progress| drop(tell.try_send(progress))).await;
            stream
                .map(|stream| (stream, found))
                .ok_or_else(|| Fault::Unreachable(Printable::line(&address.to_string())))
        };
        tokio::pin!(dialing);
        let result = loop {
            self.show_now().await;
            tokio::select! {
                Some(progress) = told.recv() => self.tell_progress(progress),
                result = &mut dialing => break result,
                () = self.signals.recv() => return Err(Fault::NobodyCame),
            }
        };
        while let Ok(progress) = told.try_recv() {
            self.tell_progress(progress);
        }
        result
    }

    fn tell_progress(&mut self, progress: dial::Progress) {
        self.tell(match progress {
            dial::Progress::Trying(to) => Status::Trying(to),
            dial::Progress::Failed(to, error) => Status::TryFailed(to, Printable::line(&reason(&error))),
        });
    }

    /// The joiner's handshake: what goes wrong here means that no tete answered.
    async fn shake_hands(&mut self, line: &mut Line, name: impl Fn() -> Printable) -> Result<(), Fault> {
        while line.session.stage() == Stage::Handshake {
            self.show_now().await;
            let moved = tokio::select! {
                moved = line.move_bytes(true) => moved,
                () = self.signals.recv() => return Err(Fault::NobodyCame),
            };
            moved.map_err(|ended| match ended {
                Ended::Error(Error::Rejected(Rejection::Busy)) => Fault::Busy,
                Ended::Error(Error::Rejected(Rejection::Version { min, max })) => Fault::Version { min, max },
                Ended::Error(Error::Rejected(Rejection::Other(reason))) => Fault::Refused(reason),
                Ended::Error(Error::Timeout(_)) => Fault::NoAnswer(name()),
                Ended::Error(Error::Reflection) => Fault::Pairing(PairingFault::Reflection),
                Ended::Error(Error::Primitive) => Fault::System(Printable::line("a cryptographic primitive failed")),
                Ended::Error(_) | Ended::Cut => Fault::NotTete(name()),
            })?;
        }
        Ok(())
    }

    async fn host(&mut self, listeners: Vec<tokio::net::TcpListener>) -> Result<(), Fault> {
        let mut port = 0;
        let mut bound = Vec::new();
        for local in listeners.iter().filter_map(|listener| listener.local_addr().ok()) {
            port = local.port();
            bound.push(local.ip());
            self.tell(Status::Listening(local));
        }
        let mut addresses: Vec<_> = listen::own_addresses();
        if !bound.iter().any(IpAddr::is_unspecified) {
            addresses = bound.iter().map(|address| (scope(*address), *address)).collect();
        }
        let how = match self.options.errand {
            Errand::Talk => Invitation::Join,
            Errand::Send(_) | Errand::SendInput(_) => Invitation::Receive,
            Errand::Receive => Invitation::Send,
        };
        self.tell(Status::Reach { addresses, port, how });

        let mut failed_runs = 0;
        let (callers, called) = mpsc::channel(1);
        let accepting = tokio::spawn(listen::accept(listeners, callers));
        self.lobby = Some(Lobby::new(called, self.key.clone(), self.options.settings, self.clock));
        let result = loop {
            let Some(mut line) = self.next_guest().await else { break Err(Fault::NobodyCame) };
            self.tell(Status::Caller(line.from));
            line.session.admit();
            match self.converse(&mut line).await {
                Outcome::Failed(why) if self.gives_up(why) => break Err(Fault::Pairing(why)),
                Outcome::Failed(why) => {
                    let pause = PAUSES.get(failed_runs).or(PAUSES.last()).copied().unwrap_or_default();
                    failed_runs += 1;
                    self.tell(Status::RunFailed { from: line.from, why, pause });
                    drop(line);
                    if !self.pause(pause).await {
                        break Err(Fault::NobodyCame);
                    }
                }
                outcome => break self.end(outcome),
            }
        };
        accepting.abort();
        result
    }

    /// Whether a failed run ends the host. A stranger must not be able to; what
    /// the host's own user or script did may.
    fn gives_up(&self, why: PairingFault) -> bool {
        match why {
            PairingFault::Left | PairingFault::NoHalf => true,
            PairingFault::WrongHalf => !self.ui.seat.is_person(),
            _ => false,
        }
    }

    /// Waits until somebody has finished the handshake. `None` if the user ended it.
    async fn next_guest(&mut self) -> Option<Box<Line>> {
        self.lobby.as_mut()?.open();
        loop {
            self.show_now().await;
            let news = tokio::select! {
                news = news(&mut self.lobby) => news,
                () = self.signals.recv() => return None,
                action = self.ui.actions.recv(), if self.ui.seat.is_told_all() => match action {
                    Some(Action::Interrupt | Action::End) | None => return None,
                    Some(action) => {
                        self.refuse(action);
                        continue;
                    }
                },
            };
            match news {
                News::Guest(line) => {
                    self.lobby.as_mut()?.take();
                    return Some(line);
                }
                news => self.hear(news),
            }
        }
    }

    /// Keeps the door shut for a while. `false` if the user ended it.
    async fn pause(&mut self, pause: Duration) -> bool {
        let until = self.clock.now() + pause;
        loop {
            self.show_now().await;
            let left = until.saturating_sub(self.clock.now());
            if left.is_zero() {
                return true;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                news = news(&mut self.lobby) => self.hear(news),
                () = self.signals.recv() => return false,
                action = self.ui.actions.recv(), if self.ui.seat.is_told_all() => match action {
                    Some(Action::Interrupt | Action::End) | None => return false,
                    Some(action) => self.refuse(action),
                },
            }
        }
    }

    fn hear(&mut self, news: News) {
        match news {
            News::ToldBusy { from, times } => self.tell(Status::ToldBusy { from, times }),
            News::Intruder { from, times } => self.tell(Status::Intruder { from, times }),
            // Somebody who was quicker has the room, or it is not open.
            News::Guest(line) | News::Returned(line) => drop(line),
            News::RedialFailed | News::HostGone | News::Nothing => {}
        }
    }

    /// What was typed with nobody there to hear it.
    fn refuse(&mut self, action: Action) {
        match action {
            Action::Half { .. } | Action::Compared { .. } | Action::Next { .. } => self.tell(Status::StaleEntry),
            Action::Say { taken, .. } => drop(taken.send(false)),
            Action::Unsendable(status) => self.tell(status),
            Action::UnknownCommand(name) => self.tell(Status::UnknownCommand(name)),
            _ => {}
        }
    }

    /// What an open room, or one that was, comes to.
    fn end(&mut self, outcome: Outcome) -> Result<(), Fault> {
        let empty_handed = matches!(self.options.errand, Errand::Receive) && self.files.done == 0;
        let unfinished = self.files.close(self.ui.seat == Seat::Lines || self.ui.seat == Seat::Screen);
        for status in self.files.take_told() {
            self.tell(Status::File(status));
        }
        match outcome {
            Outcome::Panic => {
                self.show.clear();
                self.unshown = Unshown::default();
                self.show.push_back(Show::Wipe);
                Ok(())
            }
            Outcome::Left { waiting: 0 } if unfinished > 0 => Err(Fault::Files { unfinished }),
            Outcome::Left { waiting: 0 } if empty_handed => Err(Fault::NothingCame),
            Outcome::Left { waiting: 0 } if self.input.unsent_lines == 0 => Ok(()),
            Outcome::Left { waiting: 0 } => Err(Fault::Input { lines: self.input.unsent_lines }),
            Outcome::Left { waiting } => Err(Fault::NotShown { waiting }),
            Outcome::Cut { waiting } => {
                self.tell(Status::CutOff);
                Err(Fault::CutOff { waiting })
            }
            Outcome::Broken { waiting } => {
                self.tell(Status::CutOff);
                Err(Fault::Damaged { waiting })
            }
            Outcome::Gone { waiting } => {
                self.tell(Status::CutOff);
                Err(Fault::HostGone { waiting })
            }
            Outcome::Failed(why) => Err(Fault::Pairing(why)),
            Outcome::Local(fault) => Err(fault),
        }
    }

    /// Hands the screen all it will take without a wait.
    async fn show_now(&mut self) {
        while !self.show.is_empty() {
            let Ok(permit) = self.ui.screen.try_reserve() else { return };
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
                    permit = ui.screen.reserve(), if !show.is_empty() => match (permit, show.pop_front()) {
                        (Ok(permit), Some(what)) => permit.send(what),
                        _ => return,
                    },
                    shown = ui.shown.recv(), if !unshown.is_empty() => match shown {
                        Some(Shown::Text(_)) => unshown.pop(),
                        _ => return,
                    },
                }
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS, draining).await;
    }

    /// The last words of the program, before the error that main prints.
    async fn finish_showing(&mut self, result: &Result<(), Fault>) {
        // A full screen would take the last texts with it.
        let stay = self.ui.seat == Seat::Screen && self.opened && !self.input.ended;
        if stay || self.ui.seat == Seat::Json {
            self.show.push_back(Show::End(result.as_ref().err().cloned()));
        }
        // What is still typed is for nobody.
        self.ui.actions.close();
        while self.ui.actions.try_recv().is_ok() {}
        self.drain_screen().await;
        let (screen, _) = mpsc::channel(1);
        // Without a sender the screen ends once it has shown the rest, and then so does its report.
        self.ui.screen = screen;
        let Self { ui, signals, .. } = self;
        let ended = async { while ui.shown.recv().await.is_some() {} };
        if stay {
            tokio::select! {
                () = ended => {}
                () = signals.recv() => {}
            }
        } else {
            let _ = tokio::time::timeout(LAST_WORDS, ended).await;
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

/// What the lobby has to say; a joiner has none, and waits for ever.
async fn news(lobby: &mut Option<Lobby>) -> News {
    match lobby {
        Some(lobby) => lobby.next().await,
        None => std::future::pending().await,
    }
}

/// What a search for the host has to say, while there is one.
async fn search(road: &mut Option<Road>) -> News {
    match road {
        Some(Road { redial: Some(redial), .. }) => redial.next().await,
        _ => std::future::pending().await,
    }
}

/// An error of the system in its own words, without its number.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::session::Settings;

    fn room(seat: Seat) -> Room {
        let (_, actions) = mpsc::channel(1);
        let (_, shown) = mpsc::channel(1);
        let (screen, _) = mpsc::channel(1);
        let ui = Ui { actions, shown, screen, seat };
        let options = Options {
            confirm: Confirm::Type,
            settings: Settings::default(),
            close_after: None,
            files: FileOptions::default(),
            errand: Errand::Talk,
        };
        Room::new(ui, options).unwrap_or_else(|_| panic!("no room"))
    }

    #[tokio::test]
    async fn what_is_told_to_a_screen_that_stands_still_is_bounded() {
        for seat in [Seat::Lines, Seat::Pipe] {
            let mut room = room(seat);
            for waiting in 0..10_000 {
                room.tell(Status::Shown { texts: 1, waiting });
            }
            assert_eq!(room.show.len(), usize::from(seat.is_person()));
            for _ in 0..10_000 {
                room.tell(Status::LineBack { after: Duration::ZERO, waiting: 0 });
                room.tell(Status::Shown { texts: 1, waiting: 0 });
            }
            assert_eq!(room.show.len(), STATUSES);
            room.ask(Ask::Chat, None);
            assert_eq!(room.show.len(), STATUSES + 1, "a question is never dropped");
        }
    }
}
