//! One run from the finished handshake on: the code, the chat, the end.
//!
//! The session tells what happened between the two sides, in its order; each of these events moves the run on, and
//! nothing here looks at the session to find out what happened meanwhile.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::mpsc;

use super::connection::{Connection, Ended};
use super::files;
use super::side::{Side, SideEvent};
use super::user::UserEvent;
use super::{Confirm, Outcome, Room, Task};
use crate::address::Via;
use crate::clock;
use crate::interface::event::{ConnectionFault, ConnectionState, Event, Status, Trust, Who};
use crate::interface::fault::{CodesDiffer, PairingFault};
use crate::interface::finding::Finding;
use crate::interface::refusal::Refusal;
use crate::interface::{ANSWER, Frontend, PromptKind, Request};
use crate::protocol::delivery::SayError;
use crate::protocol::error::{Error, Wait};
use crate::protocol::frame::Farewell;
use crate::protocol::handshake::SUITE;
use crate::protocol::keys::PublicKey;
use crate::protocol::pairing::Verdict;
use crate::protocol::session::{self, RETURN_UNVERIFIED, Stage};
use crate::transport::dial;

/// How long leaving on request waits for the last receipts.
const FINISH: Duration = Duration::from_secs(3);
/// How long a BYE may take to leave, and the other end to close.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long a script that has said everything waits for the connection, to say BYE.
const RETURN: Duration = Duration::from_secs(10);
/// How long a BYE may take when everything is to vanish.
const PANIC: Duration = Duration::from_millis(200);
/// Pause between two measurements of the round-trip time.
const MEASURE: Duration = Duration::from_secs(15);
/// Silence that the user is told of: a sign of life comes every four seconds.
const QUIET: Duration = Duration::from_secs(6);
/// Silence, or a PING without an answer, after which the joiner connects anew beside the old connection: after
/// a short break TCP may take longer to try again than the network takes to heal.
const PROBE: Duration = Duration::from_secs(5);
/// Pause between two reads while the disk is behind.
const SLOWLY: Duration = Duration::from_millis(5);
/// Pause between two looks at a disk that is far behind.
const STANDSTILL: Duration = Duration::from_millis(50);
/// How often the progress of a transfer becomes a line of its own.
const PROGRESS: Duration = Duration::from_secs(10);
/// How often the joiner looks whether its connection's own address is still there.
const LOOK: Duration = Duration::from_secs(1);

/// One run: a partner who has finished the handshake, until one of the two leaves or the room is given up.
pub struct Talk<'a> {
    room: &'a mut Room,
    side: &'a mut Side,
    connection: &'a mut Connection,
    state: State,
    health: Health,
    /// This side's user has checked the code of this connection.
    code_checked: bool,
    ending: Ending,
    /// When a leaver who has lost the connection gives up saying BYE.
    return_by: Option<Duration>,
    /// The user was told that nobody has come back to an unproved room for long.
    told_away: bool,
    /// Records that did not verify.
    damaged: u32,
    timers: Timers,
    /// The status that was shown last.
    status: Option<Status>,
}

/// How far the two have come.
enum State {
    /// The room is not open. `checked` once this side's user has checked the code, or has none to check.
    Pairing { checked: bool },
    /// The room is open.
    Open(Open),
}

/// An open room.
struct Open {
    since: Duration,
    trust: Trust,
    /// Our messages that were delivered.
    delivered: usize,
    /// The partner's messages that came.
    received: usize,
    /// When the partner gave the last receipt or came back, or this side was done.
    heard: Duration,
    /// When the room closes by itself.
    close_at: Option<Duration>,
    /// Number of the question whether the codes are the same, if it was asked.
    comparing: Option<u64>,
}

/// The connection, as the user has been told.
enum Health {
    /// Signs of life come.
    Well,
    /// Nothing came for longer than [`QUIET`].
    Quiet,
    /// There is none, since then.
    Broken {
        since: Duration,
        /// Why, while nobody was told: a better connection is about to take its place.
        untold: Option<ConnectionFault>,
    },
}

/// How far the end of the run is.
enum Ending {
    /// Nobody wants it to end.
    No,
    /// This side leaves once every message was delivered, or at that time.
    Finishing { by: Option<Duration> },
    /// BYE is all that is left to say. What happens to the connection after that is in order.
    Farewell(Goodbye),
    /// The partner has left; until then at the latest the receipts for its messages are sent.
    Left { why: Farewell, by: Duration },
}

/// Why this side says BYE.
#[derive(Clone, Copy)]
enum Goodbye {
    /// Its user is done.
    Done,
    /// The two do not get into one room.
    Failed(PairingFault),
    /// Its user has seen different codes in an open room.
    CodesDiffer,
    /// The partner of a room is back, while this run's code is not confirmed.
    Displaced,
    /// Everything is to vanish.
    Panic,
}

/// When something is to be done again.
#[derive(Default)]
struct Timers {
    /// To look for the connection's own address.
    look: Duration,
    /// To tell how far transfers are, where no bar shows it.
    progress: Duration,
    /// To read at the latest, although the disk is behind.
    read: Duration,
    /// To measure the round-trip time.
    measure: Duration,
}

/// What moved the driver.
enum Moved {
    Io(Result<(), Ended>),
    User(UserEvent),
    Side(SideEvent),
    File(files::News),
    /// The doctor's, or that it is done.
    Finding(Option<Finding>),
    Time,
}

impl<'a> Talk<'a> {
    /// A run that begins with a connection whose handshake is finished. `back`: the partner is back, whose code this
    /// side's user has checked before.
    pub fn new(room: &'a mut Room, side: &'a mut Side, connection: &'a mut Connection, back: bool) -> Self {
        let checked = back || connection.session.is_invited();
        Self {
            room,
            side,
            connection,
            state: State::Pairing { checked },
            health: Health::Well,
            code_checked: false,
            ending: Ending::No,
            return_by: None,
            told_away: false,
            damaged: 0,
            timers: Timers::default(),
            status: None,
        }
    }

    /// Runs until it is over.
    pub async fn run(mut self) -> Outcome {
        let outcome = loop {
            if let Some(outcome) = self.hear_session() {
                break outcome;
            }
            self.see_to_time();
            self.see_to_end();
            self.settle_files();
            self.show_status();
            if let Some(outcome) = self.farewell().await {
                break outcome;
            }
            let moved = self.wait().await;
            if let Some(outcome) = self.handle(moved).await {
                break outcome;
            }
        };
        self.room.user.ask(PromptKind::Nothing, None);
        outcome
    }

    fn tell(&mut self, event: Event) {
        self.room.user.tell(event);
    }

    fn waiting(&self) -> usize {
        self.connection.session.waiting()
    }

    fn open(&mut self) -> Option<&mut Open> {
        match &mut self.state {
            State::Open(open) => Some(open),
            State::Pairing { .. } => None,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    fn trust(&self) -> Trust {
        if let State::Open(open) = &self.state { open.trust } else { Trust::No }
    }

    /// Acts on all that happened between the two sides, in its order. Returns how the run ended, if it did.
    fn hear_session(&mut self) -> Option<Outcome> {
        while let Some(event) = self.connection.session.event() {
            if let Some(outcome) = self.hear(event) {
                return Some(outcome);
            }
        }
        None
    }

    fn hear(&mut self, event: session::Event) -> Option<Outcome> {
        match event {
            session::Event::Code => self.show_code_to_check(),
            session::Event::Verified => self.verified(),
            session::Event::Opened => self.opened(),
            session::Event::Resumed => self.resumed(),
            session::Event::ResumeKeys => self.change_keys(),
            session::Event::Text(text) => {
                if let Some(open) = self.open() {
                    open.received += 1;
                }
                self.room.user.hear(text);
            }
            session::Event::Delivered(messages) => {
                if let Some(open) = self.open() {
                    open.delivered += messages;
                    open.heard = clock::now();
                }
                let waiting = self.waiting();
                self.tell(Event::Delivered { messages, waiting });
            }
            session::Event::Sent(sent) => self.room.files.sent(sent),
            session::Event::Received(received) => self.room.files.received(received, &mut self.connection.session),
            session::Event::Cancelled { sending, receiving } => self.room.files.cancelled(sending, receiving),
            session::Event::Left(why) if self.connection.session.owes_receipts() => {
                let limit = self.connection.session.settings().stretch(FAREWELL);
                let by = clock::now() + limit + self.room.options.settings.cover.unwrap_or_default();
                self.ending = Ending::Left { why, by };
            }
            session::Event::Left(why) => return Some(self.partner_left(why)),
        }
        None
    }

    /// From here on the partner may be in the room, and come back to it.
    fn verified(&mut self) {
        if let Side::Host(host) = &mut *self.side {
            host.verified(self.connection.session.resume_keys());
        }
    }

    /// From here on only this partner can come, and all that follows happens in an open room.
    fn opened(&mut self) {
        let session = &self.connection.session;
        let invited = session.is_invited();
        if let Side::Host(host) = &mut *self.side {
            host.lobby.close();
        }
        let now = clock::now();
        self.health = Health::Well;
        self.state = State::Open(Open {
            since: now,
            trust: if invited { Trust::Invite } else { Trust::Code },
            delivered: 0,
            received: 0,
            heard: now,
            close_at: self.room.options.close_after.map(|after| now + after),
            comparing: None,
        });
        self.room.opened = true;
        self.room.user.ask(PromptKind::Chat, Some(Event::RoomOpen { invited }));
        let files = &mut self.room.files;
        match &self.room.options.task {
            Task::Talk | Task::Receive => {}
            Task::Send(paths) => paths.iter().for_each(|path| files.send(path.clone())),
            Task::SendInput(name) => files.send_input(name.clone()),
        }
    }

    /// The partner comes back by other keys from here on.
    fn change_keys(&mut self) {
        let session = &self.connection.session;
        match &mut *self.side {
            Side::Host(host) => host.lobby.let_back_by(session.resume_keys()),
            Side::Joiner(joiner) => joiner.stop_attempts(),
        }
    }

    fn resumed(&mut self) {
        let waiting = self.waiting();
        if let Some(open) = self.open() {
            open.heard = clock::now();
        }
        if let Health::Broken { since, .. } = std::mem::replace(&mut self.health, Health::Well) {
            self.tell(Event::Reconnected { after: clock::now().saturating_sub(since), waiting });
        }
    }

    fn partner_left(&mut self, why: Farewell) -> Outcome {
        match (&self.state, why) {
            (State::Open(open), Farewell::CodesDiffer) => {
                let (sent, received) = (open.delivered + self.waiting(), open.received);
                Outcome::CodesDiffer(CodesDiffer { by_partner: true, sent, received, partner: self.connection.from })
            }
            (State::Open(_), Farewell::Done) => {
                self.tell(Event::PartnerLeft);
                Outcome::Left { waiting: self.waiting() }
            }
            (State::Pairing { .. }, Farewell::CodesDiffer) => Outcome::Failed(PairingFault::PartnerSawOtherCode),
            (State::Pairing { .. }, Farewell::Done) => Outcome::Failed(PairingFault::PartnerLeft),
        }
    }

    /// Tells what has become due by time alone.
    fn see_to_time(&mut self) {
        let now = clock::now();
        let session = &self.connection.session;
        let (stage, after) = (session.stage(), session.settings().stretch(QUIET));
        let quiet = stage == Stage::Open && now >= session.last_received() + after;
        let told = matches!(self.health, Health::Quiet);
        if quiet && matches!(self.health, Health::Well) {
            self.health = Health::Quiet;
        } else if !quiet && told {
            self.health = Health::Well;
        }
        if quiet && !told {
            self.tell(Event::Quiet { seconds: after.as_secs() });
        }
        match stage {
            Stage::Open => self.probe(now),
            Stage::Away => {
                self.search_again();
                self.tell_away(now);
            }
            _ => {}
        }
        let closes = self.open().is_some_and(|open| open.close_at.take_if(|at| now >= *at).is_some());
        if closes {
            self.tell(Event::TimeIsUp);
            self.quit();
        }
    }

    /// Tells once that nobody has come back for long to a room that is not proved.
    fn tell_away(&mut self, now: Duration) {
        if self.away_at().is_some_and(|at| now >= at) && !std::mem::replace(&mut self.told_away, true) {
            self.tell(Event::StillAway { seconds: RETURN_UNVERIFIED.as_secs(), redialing: true });
        }
    }

    /// When that is to be told.
    fn away_at(&self) -> Option<Duration> {
        match self.health {
            Health::Broken { since, .. } if !self.is_open() && !self.told_away => Some(since + RETURN_UNVERIFIED),
            _ => None,
        }
    }

    /// Whether this side is done, and what is still to be waited for before it says BYE.
    fn see_to_end(&mut self) {
        if !self.is_open() {
            let person = self.room.user.frontend().person;
            let away = self.connection.session.stage() == Stage::Away;
            match self.state {
                _ if !self.room.user.leaving => {}
                State::Pairing { checked: false } => {
                    self.fail(if person { PairingFault::Left } else { PairingFault::NoHalf });
                }
                _ if person => self.fail(PairingFault::Left),
                _ if away && matches!(self.ending, Ending::No) => self.finish_by(Some(clock::now() + RETURN)),
                _ => {}
            }
            return;
        }
        if self.room.options.task.is_to_send() && self.room.files.is_idle() {
            self.room.user.leaving = true;
        }
        let now = clock::now();
        let by = match self.ending {
            Ending::Finishing { by } => by,
            Ending::No if self.room.user.leaving => {
                if let Some(open) = self.open() {
                    open.heard = now;
                }
                None
            }
            _ => return,
        };
        // The partner, too, wants to know that their last message was delivered.
        let done = self.waiting() == 0 && self.room.user.was_shown_all();
        let late = by.or(self.receipts_by()).is_some_and(|at| now >= at);
        if !done && !late {
            self.finish_by(by);
        } else if self.connection.session.stage() == Stage::Open {
            self.say_goodbye(Goodbye::Done);
        } else {
            self.finish_by(Some(by.unwrap_or(now + RETURN)));
        }
    }

    /// When a script that has said everything has waited long enough for receipts. `None` where a person can leave at
    /// once, and while there is no connection: then the room waits as long as it may.
    fn receipts_by(&self) -> Option<Duration> {
        let there = self.connection.session.stage() == Stage::Open && self.waiting() > 0;
        match (&self.state, &self.ending) {
            (State::Open(open), Ending::Finishing { .. }) if there && !self.room.user.frontend().person => {
                Some(open.heard + ANSWER)
            }
            _ => None,
        }
    }

    /// The joiner looks for a better connection when it has reason to doubt the one it has.
    fn probe(&mut self, now: Duration) {
        let Side::Joiner(joiner) = &mut *self.side else { return };
        let session = &self.connection.session;
        if now < session.in_doubt_since() + session.settings().stretch(PROBE) {
            joiner.stop_searching();
            if self.connection.from.via != Via::Direct
                && now >= joiner.better_at
                && let (None, Some(resume)) = (&joiner.redial, session.resume_key())
            {
                joiner.search_better(resume, self.room.options.settings);
            }
        } else if let (None, Some(resume)) = (&joiner.redial, session.resume_key()) {
            joiner.search(resume, self.room.options.settings);
        }
        if now >= self.timers.look {
            self.timers.look = now + LOOK;
            if self.connection.local().is_some_and(|local| !dial::is_own(local)) {
                self.connection_lost(Ended::Cut);
            }
        }
    }

    /// A search for a better connection that came to nothing is followed by one for any, where the room has none.
    fn search_again(&mut self) {
        let Side::Joiner(joiner) = &mut *self.side else { return };
        let Some(resume) = self.connection.session.resume_key().filter(|_| joiner.is_search_over()) else { return };
        joiner.search(resume, self.room.options.settings);
        if let Health::Broken { untold, .. } = &mut self.health
            && let Some(why) = untold.take()
        {
            self.tell_lost(why);
        }
    }

    fn tell_lost(&mut self, why: ConnectionFault) {
        let redialing = matches!(self.side, Side::Joiner(_));
        self.tell(if self.is_open() {
            Event::ConnectionLost { why, redialing }
        } else {
            Event::PairingInterrupted { why, redialing }
        });
    }

    /// Keeps a front end that always shows it up to date.
    fn show_status(&mut self) {
        if !self.room.user.frontend().shows_status {
            return;
        }
        let now = clock::now();
        let session = &mut self.connection.session;
        let stage = session.stage();
        if stage == Stage::Open && now >= self.timers.measure {
            self.timers.measure = now + MEASURE;
            session.measure();
        }
        let (round_trip, epoch) = (session.round_trip(), session.epoch().map(|(number, _)| number));
        let status = Status {
            partner: self.connection.from,
            trust: self.trust(),
            round_trip,
            epoch,
            connection: self.connection_state(),
            files: self.room.files.progress(stage != Stage::Open),
        };
        if self.status.replace(status) != Some(status) {
            self.room.user.show_status(status);
        }
    }

    /// Goes on with files where something has become possible, and tells what happened.
    fn settle_files(&mut self) {
        if self.is_open() {
            let there = self.connection.session.stage() == Stage::Open && matches!(self.health, Health::Well);
            self.room.files.see_to_time(there, &mut self.connection.session);
            self.room.files.settle(&mut self.connection.session);
        }
        let now = clock::now();
        if self.room.user.frontend().tells_progress && now >= self.timers.progress {
            self.timers.progress = now + PROGRESS;
            self.room.files.tell_progress(self.connection.session.stage() != Stage::Open);
        }
        self.room.tell_of_files();
    }

    fn connection_state(&self) -> ConnectionState {
        match (&self.health, &*self.side) {
            (Health::Well, _) => ConnectionState::Connected,
            (Health::Quiet, _) => ConnectionState::Quiet(self.connection.session.last_received()),
            (Health::Broken { since, .. }, Side::Joiner(joiner)) => {
                joiner.connection_state().unwrap_or(ConnectionState::Awaiting(*since))
            }
            (Health::Broken { since, .. }, Side::Host(_)) => ConnectionState::Awaiting(*since),
        }
    }

    fn fail(&mut self, why: PairingFault) {
        self.say_goodbye(Goodbye::Failed(why));
    }

    /// Leaves. Why a pairing failed stays what is said of it, whatever the user does next but panic.
    fn say_goodbye(&mut self, why: Goodbye) {
        if let (Ending::Left { .. }, Goodbye::Done | Goodbye::Failed(_))
        | (Ending::Farewell(_), Goodbye::Done | Goodbye::Failed(_)) = (&self.ending, why)
        {
            return;
        }
        self.connection.session.leave(why.farewell());
        self.ending = Ending::Farewell(why);
    }

    /// Leaves once every message was delivered, or at that time.
    fn finish_by(&mut self, by: Option<Duration>) {
        if matches!(self.ending, Ending::No | Ending::Finishing { .. }) {
            self.ending = Ending::Finishing { by };
        }
    }

    /// Where our side ends the run: sends what is left, BYE last.
    async fn farewell(&mut self) -> Option<Outcome> {
        let now = clock::now();
        let stage = self.connection.session.stage();
        let goodbye = match self.ending {
            Ending::Finishing { by: Some(by) } if now >= by && stage != Stage::Open => {
                let waiting = self.waiting();
                return Some(if self.is_open() {
                    Outcome::Cut { waiting }
                } else {
                    Outcome::Failed(PairingFault::Cut)
                });
            }
            Ending::Left { why, by } => {
                let done = !self.connection.session.owes_receipts() && self.connection.is_flushed();
                return if done || now >= by { Some(self.partner_left(why)) } else { None };
            }
            Ending::Farewell(goodbye) => goodbye,
            Ending::No | Ending::Finishing { .. } => return None,
        };
        if let Goodbye::Panic = goodbye {
            let _ = tokio::time::timeout(PANIC, self.connection.flush()).await;
            return Some(Outcome::Panic);
        }
        // A leaver who has lost the connection comes back once, to say so.
        let comes_back = self.is_open() && matches!(goodbye, Goodbye::Done);
        if comes_back && matches!(stage, Stage::Away | Stage::Resuming) {
            let limit = self.return_limit();
            let by = *self.return_by.get_or_insert(now + limit);
            return (now >= by).then(|| Outcome::Cut { waiting: self.waiting() });
        }
        let sent = self.say_bye().await;
        if !sent && comes_back && self.return_by.is_none() {
            self.return_by = Some(clock::now() + self.return_limit());
            self.connection_lost(Ended::Cut);
            return None;
        }
        while let Some(event) = self.connection.session.event() {
            match event {
                // A VERIFIED that was still to be said can have opened the room.
                session::Event::Verified | session::Event::Opened | session::Event::Delivered(_) => {
                    let _ = self.hear(event);
                }
                _ => {}
            }
        }
        let waiting = self.waiting();
        Some(match (goodbye, &self.state) {
            (Goodbye::CodesDiffer, State::Open(open)) => {
                let (sent, received) = (open.delivered + waiting, open.received);
                Outcome::CodesDiffer(CodesDiffer { by_partner: false, sent, received, partner: self.connection.from })
            }
            (Goodbye::Failed(why), State::Pairing { .. }) => Outcome::Failed(why),
            (Goodbye::Displaced, State::Pairing { .. }) => Outcome::Displaced,
            (_, State::Pairing { .. }) => Outcome::Failed(PairingFault::Left),
            _ if sent => Outcome::Left { waiting },
            _ => Outcome::Cut { waiting },
        })
    }

    /// How long a leaver who has lost the connection waits for another, to say BYE.
    fn return_limit(&self) -> Duration {
        if self.room.user.frontend().person { FINISH } else { RETURN }
    }

    /// Sends what is left, BYE last. `false` if it could not be sent in time.
    async fn say_bye(&mut self) -> bool {
        let limit = self.connection.session.settings().stretch(FAREWELL);
        let cover = self.room.options.settings.cover.unwrap_or_default();
        let flushed = tokio::time::timeout(limit + cover, self.connection.flush()).await;
        let sent = flushed.is_ok_and(|sent| sent.is_ok());
        if sent {
            let _ = tokio::time::timeout(limit, self.connection.close()).await;
        } else {
            self.connection.cut();
        }
        sent
    }

    async fn wait(&mut self) -> Moved {
        let now = clock::now();
        let session = &self.connection.session;
        let (stage, settings) = (session.stage(), session.settings());
        let is_open = stage == Stage::Open;
        let quiet = match self.health {
            Health::Well if is_open => Some(session.last_received() + settings.stretch(QUIET)),
            _ => None,
        };
        let (look, probe) = match &*self.side {
            Side::Joiner(joiner) if is_open => {
                let probe = joiner.redial.is_none().then(|| session.in_doubt_since() + settings.stretch(PROBE));
                (Some(self.timers.look), probe)
            }
            _ => (None, None),
        };
        // A disk that stands still must not keep messages waiting: then reading goes on, slowly, unless too much waits.
        let far_behind = self.room.files.is_far_behind();
        let behind = far_behind || !self.room.files.keeps_up() && now < self.timers.read;
        let slow = behind.then(|| if far_behind { now + STANDSTILL } else { self.timers.read });
        let frontend = self.room.user.frontend();
        let bars = progress_at(frontend, self.room.files.look_at(), self.timers.progress).filter(|_| is_open);
        let leave_by = match self.ending {
            Ending::Finishing { by } => by.or(self.receipts_by()),
            Ending::Left { by, .. } => Some(by),
            Ending::No | Ending::Farewell(_) => self.return_by,
        };
        let away = self.away_at();
        let listens = !matches!(self.ending, Ending::Left { .. });
        let close_at = if let State::Open(open) = &self.state { open.close_at } else { None };
        let files_due = self.room.files.due();
        let wake = [leave_by, close_at, away, quiet, look, probe, bars, slow, files_due].into_iter().flatten().min();
        let wake = wake.map(|at| at.saturating_sub(now));
        let items = session.wants_items();
        // In a pipe the next line is read only when it can be taken.
        let ready = frontend.converses || !self.is_open() || session.can_say();
        let has_room = self.room.user.has_room();
        let Room { user, files, examined, .. } = &mut *self.room;
        let listen = frontend.person || !user.leaving && ready;
        tokio::select! {
            moved = self.connection.move_bytes(has_room && !behind && listens) => Moved::Io(moved),
            event = user.next(listen) => Moved::User(event),
            event = self.side.next() => Moved::Side(event),
            news = files.next(items) => Moved::File(news),
            finding = finding(examined) => Moved::Finding(finding),
            () = tokio::time::sleep(wake.unwrap_or_default()), if wake.is_some() => Moved::Time,
        }
    }

    /// Returns how the run ended, if it did.
    async fn handle(&mut self, moved: Moved) -> Option<Outcome> {
        match moved {
            Moved::Io(moved) => {
                self.timers.read = clock::now() + SLOWLY;
                if let Some(outcome) = self.hear_session() {
                    return Some(outcome);
                }
                return moved.err().and_then(|ended| self.broken(ended));
            }
            Moved::User(event) => return self.hear_user(event).await,
            Moved::Side(event) => return self.hear_side(event),
            Moved::File(news) => self.room.files.hear(news, &mut self.connection.session),
            Moved::Finding(Some(finding)) => self.tell(Event::Finding(finding)),
            Moved::Finding(None) => self.room.examined = None,
            Moved::Time => {}
        }
        None
    }

    async fn hear_user(&mut self, event: UserEvent) -> Option<Outcome> {
        match event {
            UserEvent::Request(request) => self.act(request),
            UserEvent::Shown(id) => self.connection.session.shown(id),
            UserEvent::Took => {}
            UserEvent::Signal if self.is_open() => {
                self.room.user.leaving = true;
                self.finish_by(Some(Duration::ZERO));
            }
            UserEvent::Signal => self.fail(PairingFault::Left),
            UserEvent::Gone(fault) => {
                self.say_goodbye(Goodbye::Done);
                self.say_bye().await;
                return Some(Outcome::Local(fault));
            }
        }
        None
    }

    /// What happens at the door or on the way back.
    fn hear_side(&mut self, event: SideEvent) -> Option<Outcome> {
        match event {
            SideEvent::Returned(connection) => self.move_to(*connection),
            SideEvent::RedialFailed { number, failure } => {
                if let Health::Broken { .. } = self.health {
                    self.tell(Event::RedialFailed { attempt: number, why: failure });
                }
            }
            SideEvent::HostGone => return Some(Outcome::Gone { waiting: self.waiting() }),
            SideEvent::Told(event) => self.tell(event),
            SideEvent::Nothing => {}
        }
        None
    }

    /// The room goes on with the connection by which the partner has come back, if it is for this room. The partner of an
    /// unproved room goes before a caller whose code is not confirmed.
    fn move_to(&mut self, connection: Connection) {
        if !connection.session.returns_to(&self.connection.session) {
            // With VERIFIED, which is out or about to go, the other room ends.
            let confirmed = self.connection.session.is_confirmed();
            if let Side::Host(host) = &mut *self.side
                && !confirmed
                && host.take_back(connection)
            {
                self.say_goodbye(Goodbye::Displaced);
            }
            return;
        }
        let heard = self.connection.session.last_received();
        let better = self.connection.from.via != Via::Direct && connection.from.via == Via::Direct;
        if !self.connection.replace(connection) {
            return;
        }
        self.code_checked = false;
        let from = self.connection.from;
        if let Side::Joiner(joiner) = &mut *self.side {
            joiner.arrived();
        }
        let well = match &mut self.health {
            Health::Well | Health::Quiet => true,
            Health::Broken { untold, .. } => untold.take().is_some(),
        };
        if well && better {
            self.health = Health::Well;
            self.tell(Event::BetterRoute { address: from });
        } else if !matches!(self.health, Health::Broken { .. }) {
            self.health = Health::Broken { since: heard, untold: None };
        }
    }

    /// How a run ends that nobody wanted to. `None` if the room outlives its connection.
    fn broken(&mut self, ended: Ended) -> Option<Outcome> {
        if let Ended::Cut = ended {
            self.connection.cut();
        }
        if let Ending::Left { why, .. } = self.ending {
            return Some(self.partner_left(why));
        }
        if self.connection.session.stage() == Stage::Away {
            self.connection_lost(ended);
            // Others may call while the host waits for a partner who may have started over.
            let unproved = !self.is_open() && matches!(self.side, Side::Host(_));
            return (unproved && !self.room.user.leaving).then_some(Outcome::Unproved);
        }
        let waiting = self.waiting();
        Some(match (&self.state, ended) {
            (State::Open(_), Ended::Cut | Ended::Error(Error::Timeout(_))) => Outcome::Cut { waiting },
            (State::Open(_), Ended::Error(_)) => Outcome::Broken { waiting },
            (_, Ended::Error(Error::Commitment)) => Outcome::Failed(PairingFault::Commitment),
            (_, Ended::Error(Error::Reflection)) => Outcome::Failed(PairingFault::Reflection),
            (_, Ended::Error(Error::Timeout(Wait::Confirmation | Wait::Proof))) => {
                Outcome::Failed(PairingFault::Timeout)
            }
            (_, Ended::Error(Error::Timeout(Wait::Return))) => Outcome::Failed(PairingFault::Cut),
            (_, Ended::Error(_)) => Outcome::Failed(PairingFault::Misbehaved),
            (_, Ended::Cut) => Outcome::Failed(PairingFault::Cut),
        })
    }

    fn connection_lost(&mut self, ended: Ended) {
        self.connection.cut();
        let settings = self.connection.session.settings();
        let why = match ended {
            Ended::Cut => ConnectionFault::Cut,
            Ended::Error(Error::Timeout(Wait::Silence)) => ConnectionFault::Silent { after: settings.silence() },
            Ended::Error(Error::Forged | Error::RecordLength) => {
                self.damaged += 1;
                ConnectionFault::Damaged { times: self.damaged }
            }
            Ended::Error(_) => ConnectionFault::Late,
        };
        let mut bettered = false;
        if let Side::Joiner(joiner) = &mut *self.side {
            // A search may be under way since nothing was heard.
            if let Some(resume) = self.connection.session.resume_key().filter(|_| joiner.needs_search()) {
                joiner.search(resume, self.room.options.settings);
            }
            // The host closes the old connection as soon as it has followed to the better one.
            bettered = joiner.is_bettered();
        }
        let heard = self.connection.session.last_received();
        if let Health::Broken { .. } = self.health {
            return;
        }
        self.health = Health::Broken { since: heard, untold: bettered.then_some(why) };
        if !bettered {
            self.tell_lost(why);
        }
    }

    /// Shows the code of this connection, and asks the user to check it.
    fn show_code_to_check(&mut self) {
        let confirm = self.room.options.confirm;
        let Some(code) = self.connection.session.code() else { return };
        let (own, partner) = (code.own.clone(), code.partner.clone());
        let can_skip = matches!(self.side, Side::Host(_));
        let about = match confirm {
            Confirm::Type => Event::Code { own, can_skip },
            Confirm::Compare => Event::Compare { own, partner, emoji: *code.emoji, can_skip },
        };
        self.room.user.ask(confirm.prompt(), Some(about));
    }

    /// Asks again, once the user was told what was wrong with the answer.
    fn ask_again(&mut self, about: Event) {
        self.room.user.ask(self.room.options.confirm.prompt(), Some(about));
    }

    /// Our user has checked the code.
    fn confirmed(&mut self) {
        self.state = State::Pairing { checked: true };
        self.code_checked = true;
        self.room.user.ask(PromptKind::Nothing, None);
        self.tell(Event::Confirmed { partner_confirmed: self.connection.session.is_partner_confirmed() });
    }

    /// Does what the user wants.
    fn act(&mut self, request: Request) {
        match request {
            Request::Half { question, typed } => self.check_half(question, &typed),
            Request::Compared { question, same } => self.check_comparison(question, same),
            Request::Judged { same } => self.judged(same),
            Request::Next { question } => self.skip(question),
            Request::Say { taken, .. } if !self.is_open() => drop(taken.send(false)),
            Request::Who | Request::Code | Request::Rekey if !self.is_open() => {
                let checked = !matches!(self.state, State::Pairing { checked: false });
                self.tell(Event::Refused(if checked { Refusal::NotOpen } else { Refusal::NotConfirmed }));
            }
            Request::Say { text, taken } => {
                let said = self.connection.session.say(text, clock::now());
                let (away, waiting) = (self.connection.session.stage() != Stage::Open, self.waiting());
                if said == Err(SayError::Full) {
                    self.tell(Event::Refused(Refusal::Full { waiting }));
                } else if said.is_ok() && away && self.room.user.frontend().person {
                    self.tell(Event::Waiting { waiting });
                }
                let _ = taken.send(said.is_ok());
            }
            Request::Unsendable(event) => {
                self.tell(event);
                self.room.user.unsent_lines += usize::from(!self.room.user.frontend().person);
            }
            Request::Send(paths) => paths.into_iter().for_each(|path| self.room.files.send(path)),
            Request::Answer { offer, take } => {
                self.room.files.answer(offer, take, &mut self.connection.session);
            }
            Request::Cancel => self.room.files.cancel(&mut self.connection.session),
            Request::Who => self.who(),
            Request::Doctor => {
                let broken = self.connection.session.stage() != Stage::Open;
                self.room.examine(self.side, self.connection.from, broken);
            }
            Request::Code => self.show_code(),
            Request::Rekey => {
                let begun = self.connection.session.change_epoch();
                self.tell(if begun { Event::Rekey } else { Event::Refused(Refusal::NotConnected) });
            }
            Request::Panic => {
                self.room.user.leaving = true;
                self.say_goodbye(Goodbye::Panic);
            }
            Request::Refused(event) => self.tell(event),
            Request::Leave if !self.is_open() => {
                self.room.user.leaving = true;
                self.fail(PairingFault::Left);
            }
            Request::End | Request::Leave => self.quit(),
        }
    }

    /// The half that the user typed.
    fn check_half(&mut self, question: u64, typed: &str) {
        if !self.is_asked(question, PromptKind::Half) {
            return;
        }
        match self.connection.session.enter(typed) {
            Some(Verdict::Wrong { tries_left: 0 }) => self.fail(PairingFault::WrongHalf),
            Some(Verdict::Wrong { tries_left }) => self.ask_again(Event::WrongCode { tries_left }),
            Some(Verdict::OwnHalf) => self.ask_again(Event::OwnCode),
            Some(Verdict::NotACode) => self.ask_again(Event::NotACode),
            Some(Verdict::Right) => self.confirmed(),
            None => {}
        }
    }

    /// What the user saw who compared both screens.
    fn check_comparison(&mut self, question: u64, same: Option<bool>) {
        if let State::Open(Open { comparing: Some(asked), .. }) = &self.state
            && *asked == question
        {
            return match same {
                Some(same) => self.judged(same),
                None => self.tell(Event::NeitherWord),
            };
        }
        if !self.is_asked(question, PromptKind::Compare) {
            return;
        }
        match same {
            Some(true) => {
                self.connection.session.compared(true);
                self.confirmed();
            }
            Some(false) => self.fail(PairingFault::Different),
            None => self.ask_again(Event::NeitherWord),
        }
    }

    /// Whether an answer is to the question that is asked; what it is to otherwise is told.
    fn is_asked(&mut self, question: u64, what: PromptKind) -> bool {
        let asked = self.room.user.is_asked(question, what);
        if !asked {
            let stale = question != self.room.user.question();
            self.tell(if stale { Event::StaleAnswer } else { Event::Refused(Refusal::NotAsked) });
        }
        asked
    }

    /// What the user says of the code of an open room.
    fn judged(&mut self, same: bool) {
        match self.open() {
            Some(_) if !same => self.say_goodbye(Goodbye::CodesDiffer),
            Some(open) if open.trust == Trust::Invite => {
                open.trust = Trust::Voice;
                self.code_checked = true;
                self.tell(Event::Verified);
            }
            Some(_) => self.show_code(),
            None => self.tell(Event::Refused(Refusal::NotAsked)),
        }
    }

    fn skip(&mut self, question: u64) {
        if question != self.room.user.question() || self.is_open() {
            self.tell(Event::StaleAnswer);
        } else if let Side::Host(_) = self.side {
            self.fail(PairingFault::Skipped);
        } else {
            self.ask_again(Event::NotACode);
        }
    }

    /// The code of this connection, to a user who has checked it or has no need to.
    fn show_code(&mut self) {
        let trust = self.trust();
        let Some(code) = self.connection.session.code() else {
            return self.tell(Event::Refused(Refusal::NotConnected));
        };
        let (own, partner) = (code.own.clone(), code.partner.clone());
        let question = (trust == Trust::Invite).then(|| self.room.user.number());
        if let Some(open) = self.open() {
            open.comparing = question;
        }
        self.tell(Event::Codes { question, own, partner, trust, checked: self.code_checked });
    }

    fn who(&mut self) {
        let now = clock::now();
        let session = &self.connection.session;
        let (Some(keys), State::Open(Open { since: opened, .. })) = (session.keys(), &self.state) else { return };
        let opened = *opened;
        let who = Who {
            trust: self.trust(),
            partner: self.connection.from,
            connection: self.connection_state(),
            suite: SUITE,
            local: fingerprint(keys.local),
            remote: fingerprint(keys.remote),
            opened,
            epoch: session.epoch(),
            waiting: session.waiting(),
            now,
        };
        self.tell(Event::Who(who));
    }

    /// The first time politely, the second time at once.
    fn quit(&mut self) {
        let before = std::mem::replace(&mut self.room.user.leaving, true);
        if !self.is_open() {
            return;
        }
        if before {
            self.finish_by(Some(Duration::ZERO));
        } else if self.room.user.frontend().person {
            self.finish_by(Some(clock::now() + FINISH));
            let waiting = self.waiting();
            if waiting > 0 {
                self.tell(Event::Finishing { waiting });
            }
        }
    }
}

impl Goodbye {
    fn farewell(self) -> Farewell {
        match self {
            Self::CodesDiffer | Self::Failed(PairingFault::WrongHalf | PairingFault::Different) => {
                Farewell::CodesDiffer
            }
            Self::Done | Self::Failed(_) | Self::Displaced | Self::Panic => Farewell::Done,
        }
    }
}

/// When the progress of transfers is to be told again, where it is told at all.
fn progress_at(frontend: Frontend, bar: Option<Duration>, line: Duration) -> Option<Duration> {
    bar.and_then(|bar| {
        let line = frontend.tells_progress.then_some(line);
        frontend.shows_status.then_some(bar).into_iter().chain(line).min()
    })
}

/// What the doctor has found, while it looks.
async fn finding(examined: &mut Option<mpsc::Receiver<Finding>>) -> Option<Finding> {
    match examined {
        Some(examined) => examined.recv().await,
        None => std::future::pending().await,
    }
}

/// SHA-256 of a static key, in base64.
fn fingerprint(key: PublicKey) -> String {
    STANDARD.encode(digest::digest(&digest::SHA256, &key.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_wakes_only_a_front_end_that_tells_its_progress() {
        let [bar, line] = [1, 7].map(Duration::from_secs);
        for (frontend, at) in [
            (Frontend::PIPE, None),
            (Frontend::LINES, Some(line)),
            (Frontend::JSON, Some(bar)),
            (Frontend::TRANSFER, Some(bar)),
            (Frontend::SCREEN, Some(bar)),
        ] {
            assert_eq!(progress_at(frontend, Some(bar), line), at, "{frontend:?}");
            assert_eq!(progress_at(frontend, None, line), None, "{frontend:?}");
        }
    }
}
