//! One run from the finished handshake on: the code, the chat, the end.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::mpsc;

use super::connection::{Connection, Ended};
use super::files;
use super::host::news;
use super::join::{Road, search};
use super::lobby::News;
use super::redial::Redial;
use super::{Confirm, EVENTS, Outcome, Room, Task, reason};
use crate::address::By;
use crate::interface::Command;
use crate::interface::event::{Event, LineFault, LineState, Status, Trust, Who};
use crate::interface::fault::{Fault, PairingFault};
use crate::interface::files::FileEvent;
use crate::interface::finding::Finding;
use crate::interface::{Ack, Frontend, Output, PromptKind, Request};
use crate::printable::Printable;
use crate::protocol::delivery::SayError;
use crate::protocol::error::{Error, Wait};
use crate::protocol::frame::Farewell;
use crate::protocol::handshake::SUITE;
use crate::protocol::keys::PublicKey;
use crate::protocol::pairing::Verdict;
use crate::protocol::session::{self, Stage};
use crate::transport::dial;

/// How long leaving on request waits for the last receipts.
const FINISH: Duration = Duration::from_secs(3);
/// How long a BYE may take to leave, and the other end to close.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long a script that has said everything waits for the line, to say BYE.
const RETURN: Duration = Duration::from_secs(10);
/// How long a BYE may take when everything is to vanish.
const PANIC: Duration = Duration::from_millis(200);
/// Pause between two measurements of the round-trip time.
const MEASURE: Duration = Duration::from_secs(15);
/// Silence that is worth a word: a sign of life comes every four seconds.
const QUIET: Duration = Duration::from_secs(6);
/// Silence, or a PING without an answer, after which the joiner connects anew beside the old connection: after
/// a short break TCP may take longer to try again than the line takes to heal.
const PROBE: Duration = Duration::from_secs(5);
/// Pause between two reads while the disk is behind.
const SLOWLY: Duration = Duration::from_millis(5);
/// Pause between two looks at a disk that is far behind.
const STANDSTILL: Duration = Duration::from_millis(50);
/// How often how far a transfer is becomes a line of its own.
const PROGRESS: Duration = Duration::from_secs(10);
/// How often the joiner looks whether its connection's own address is still there.
const LOOK: Duration = Duration::from_secs(1);

/// One run, and how far the user has seen it come.
struct Talk<'a> {
    line: &'a mut Connection,
    seen: Stage,
    checked: bool,
    trust: Trust,
    /// Why the pairing failed, by our own side.
    failure: Option<PairingFault>,
    /// When the room opened.
    opened_at: Duration,
    /// Our texts that were not shown yet when the room was last open.
    waiting: usize,
    /// When the room closes by itself.
    close_at: Option<Duration>,
    /// When the line broke, while it is broken.
    broken_at: Option<Duration>,
    /// Why it broke, while nothing was said of it: a better one is about to take its place.
    untold: Option<LineFault>,
    /// Times that a record did not verify.
    damaged: u32,
    /// The silence that lasts was told.
    quiet_told: bool,
    /// When to look for the own address again.
    look_at: Duration,
    /// When to tell again how far transfers are, where no bar shows it.
    progress_at: Duration,
    /// When to read again at the latest, although the disk is behind.
    read_at: Duration,
    /// How the room stood when the screen was last told.
    standing: Option<Status>,
    /// When to measure the round-trip time again.
    measure_at: Duration,
    /// Everything is to vanish.
    panic: bool,
    /// When leaving no longer waits for receipts.
    leave_by: Option<Duration>,
    /// BYE is all that is left to say. What happens to the connection after that is in order.
    leaving: bool,
}

impl Talk<'_> {
    fn leave(&mut self, why: Farewell) {
        self.leaving = true;
        self.line.session.leave(why);
    }
}

/// What moved the driver.
enum Moved {
    Io(Result<(), Ended>),
    Request(Option<Request>),
    Ack(Option<Ack>),
    /// The screen took the next of what there is to show, or is gone.
    Screen(bool),
    News(News),
    File(files::News),
    /// The doctor's, or that it is done.
    Finding(Option<Finding>),
    Signal,
    Time,
}

impl Room {
    pub(super) async fn converse(&mut self, line: &mut Connection) -> Outcome {
        let mut talk = Talk {
            line,
            seen: Stage::Established,
            checked: false,
            trust: Trust::No,
            failure: None,
            opened_at: Duration::ZERO,
            waiting: 0,
            close_at: None,
            broken_at: None,
            untold: None,
            damaged: 0,
            quiet_told: false,
            look_at: Duration::ZERO,
            read_at: Duration::ZERO,
            progress_at: Duration::ZERO,
            standing: None,
            measure_at: Duration::ZERO,
            panic: false,
            leave_by: None,
            leaving: false,
        };
        let outcome = loop {
            if let Some(outcome) = self.hear_session(&mut talk) {
                break outcome;
            }
            self.observe(&mut talk);
            self.settle_files(&mut talk);
            self.show_standing(&mut talk);
            if let Some(outcome) = self.farewell(&mut talk).await {
                break outcome;
            }
            let moved = self.wait(&mut talk).await;
            if let Some(outcome) = self.handle(moved, &mut talk).await {
                break outcome;
            }
        };
        self.ask(PromptKind::Nothing, None);
        outcome
    }

    /// Acts on all that happened between the two sides, in its order. Returns how the run ended, if it did.
    fn hear_session(&mut self, talk: &mut Talk<'_>) -> Option<Outcome> {
        while let Some(event) = talk.line.session.event() {
            if let Some(outcome) = self.hear_partner(event, talk) {
                return Some(outcome);
            }
        }
        None
    }

    /// The room is open: from here on only its partner can come, and everything that follows happens in it.
    fn open(&mut self, talk: &mut Talk<'_>) {
        talk.seen = Stage::Open;
        talk.checked = true;
        talk.trust = if talk.line.session.is_invited() { Trust::Invite } else { Trust::Code };
        talk.opened_at = self.clock.now();
        self.opened = true;
        talk.close_at = self.options.close_after.map(|after| self.clock.now() + after);
        if let (Some(lobby), Some(resume)) = (&mut self.lobby, talk.line.session.resume_key()) {
            lobby.close(resume);
        }
        self.ask(PromptKind::Chat, Some(Event::RoomOpen));
        match &self.options.task {
            Task::Talk | Task::Receive => {}
            Task::Send(paths) => paths.iter().for_each(|path| self.files.send(path.clone())),
            Task::SendInput(name) => self.files.send_input(name.clone()),
        }
    }

    /// Sees to what is due, however long ago the last thing happened.
    fn observe(&mut self, talk: &mut Talk<'_>) {
        let stage = talk.line.session.stage();
        if matches!(stage, Stage::Open | Stage::Resuming | Stage::Away) {
            self.observe_room(talk, stage);
        } else if self.input.ended && talk.seen == Stage::Confirming && !talk.checked && talk.failure.is_none() {
            let why = if self.ui.frontend.is_person() { PairingFault::Left } else { PairingFault::NoHalf };
            self.fail(talk, why);
        }
    }

    fn observe_room(&mut self, talk: &mut Talk<'_>, stage: Stage) {
        let now = self.clock.now();
        talk.waiting = talk.line.session.waiting();
        let after = talk.line.session.settings().stretch(QUIET);
        let quiet = stage == Stage::Open && now >= talk.line.session.last_received() + after;
        if quiet && !talk.quiet_told {
            self.tell(Event::LineQuiet { seconds: after.as_secs() });
        }
        talk.quiet_told = quiet;
        if stage == Stage::Open {
            self.probe(talk, now);
        } else if let (Some(road), Some(resume)) = (&mut self.road, talk.line.session.resume_key())
            && stage == Stage::Away
            && road.redial.as_ref().is_some_and(Redial::is_over)
        {
            road.search(resume, self.options.settings, self.clock);
            if let Some(why) = talk.untold.take() {
                self.tell(Event::LineCut { why, redialing: true });
            }
        }
        if talk.close_at.is_some_and(|at| now >= at) {
            talk.close_at = None;
            self.tell(Event::TimeIsUp);
            self.quit(talk);
        }
        if matches!(self.options.task, Task::Send(_) | Task::SendInput(_)) && self.files.is_idle() {
            self.input.ended = true;
        }
        // The partner, too, wants to know that their last text was shown.
        let done = talk.waiting == 0 && self.unshown.is_empty();
        let late = talk.leave_by.is_some_and(|at| now >= at);
        if !self.input.ended || !done && !late {
            return;
        }
        if stage == Stage::Open {
            talk.leave(Farewell::Done);
        } else if talk.leave_by.is_none() {
            talk.leave_by = Some(now + RETURN);
        }
    }

    /// The joiner looks for a better connection when it has reason to doubt the one it has.
    fn probe(&mut self, talk: &mut Talk<'_>, now: Duration) {
        let Some(road) = &mut self.road else { return };
        if now < talk.line.session.in_doubt_since() + talk.line.session.settings().stretch(PROBE) {
            // Nobody needs the search any more, unless the partner is about to follow it.
            road.redial =
                road.redial.take().filter(|redial| redial.is_proving() || redial.is_once() && !redial.is_over());
            if talk.line.from.by != By::Direct
                && now >= road.better_at
                && let (None, Some(resume)) = (&road.redial, talk.line.session.resume_key())
            {
                road.search_better(resume, self.options.settings, self.clock);
            }
        } else if let (None, Some(resume)) = (&road.redial, talk.line.session.resume_key()) {
            road.search(resume, self.options.settings, self.clock);
        }
        if now >= talk.look_at {
            talk.look_at = now + LOOK;
            if talk.line.local().is_some_and(|local| !dial::is_own(local)) {
                talk.line.cut();
                self.line_lost(talk, Ended::Cut);
            }
        }
    }

    /// Keeps a full screen up to date.
    fn show_standing(&mut self, talk: &mut Talk<'_>) {
        if !self.ui.frontend.shows_standing() {
            return;
        }
        let now = self.clock.now();
        let session = &mut talk.line.session;
        let stage = session.stage();
        if stage == Stage::Open && now >= talk.measure_at {
            talk.measure_at = now + MEASURE;
            session.measure();
        }
        let standing = Status {
            partner: talk.line.from,
            trust: talk.trust,
            round_trip: session.round_trip(),
            epoch: session.epoch().map(|(number, _)| number),
            line: self.line_state(talk, now),
            files: self.files.progress(stage != Stage::Open),
        };
        if talk.standing.replace(standing) != Some(standing) {
            self.show.retain(|what| !matches!(what, Output::Status(_)));
            self.show.push_back(Output::Status(standing));
        }
    }

    /// Goes on with files where something has become possible, and tells what happened.
    fn settle_files(&mut self, talk: &mut Talk<'_>) {
        if talk.seen == Stage::Open {
            self.files.settle(&mut talk.line.session);
        }
        let now = self.clock.now();
        if self.ui.frontend.is_told_progress() && now >= talk.progress_at {
            talk.progress_at = now + PROGRESS;
            self.files.tell_progress(talk.line.session.stage() != Stage::Open);
        }
        for status in self.files.take_told() {
            self.tell(Event::File(status));
        }
    }

    fn line_state(&self, talk: &Talk<'_>, now: Duration) -> LineState {
        let heard = talk.line.session.last_received();
        match (talk.line.session.stage(), &self.road) {
            (Stage::Open, _) if now >= heard + talk.line.session.settings().stretch(QUIET) => LineState::Quiet(heard),
            (Stage::Away | Stage::Resuming, Some(Road { redial: Some(redial), .. })) => LineState::Redialing {
                number: redial.state().number,
                next: redial.next_at(),
                failure: redial.state().failure,
            },
            (Stage::Away | Stage::Resuming, _) => LineState::Awaiting(talk.broken_at.unwrap_or(now)),
            _ => LineState::Connected,
        }
    }

    fn fail(&mut self, talk: &mut Talk<'_>, why: PairingFault) {
        talk.failure = Some(why);
        talk.leave(match why {
            PairingFault::WrongHalf | PairingFault::Different => Farewell::CodesDiffer,
            _ => Farewell::Done,
        });
    }

    /// Where our side ends the run: sends what is left, BYE last.
    async fn farewell(&mut self, talk: &mut Talk<'_>) -> Option<Outcome> {
        let stage = talk.line.session.stage();
        if stage != Stage::Open && talk.seen == Stage::Open && talk.leave_by.is_some_and(|at| self.clock.now() >= at) {
            return Some(Outcome::Cut { waiting: talk.waiting });
        }
        if !talk.leaving && stage != Stage::Closed {
            return None;
        }
        if talk.panic {
            let _ = tokio::time::timeout(PANIC, talk.line.flush()).await;
            return Some(Outcome::Panic);
        }
        let sent = say_bye(talk.line, self.options.settings.cover).await;
        // A VERIFIED that was still to be said can have opened the room.
        while let Some(event) = talk.line.session.event() {
            if let session::Event::Opened = event {
                self.open(talk);
            }
        }
        Some(match talk.failure {
            Some(why) => Outcome::Failed(why),
            None if talk.seen != Stage::Open => Outcome::Failed(PairingFault::Left),
            None if sent => Outcome::Left { waiting: talk.waiting },
            None => Outcome::Cut { waiting: talk.waiting },
        })
    }

    async fn wait(&mut self, talk: &mut Talk<'_>) -> Moved {
        let open = talk.line.session.stage() == Stage::Open;
        let heard = talk.line.session.last_received();
        let settings = talk.line.session.settings();
        let quiet = (open && !talk.quiet_told).then_some(heard + settings.stretch(QUIET));
        let look = (open && self.road.is_some()).then_some(talk.look_at);
        let probe = (open && self.road.as_ref().is_some_and(|road| road.redial.is_none()))
            .then_some(talk.line.session.in_doubt_since() + settings.stretch(PROBE));
        // A disk that stands still must not keep texts waiting: then reading goes on, slowly, unless too much waits.
        let far_behind = self.files.is_far_behind();
        let behind = far_behind || !self.files.keeps_up() && self.clock.now() < talk.read_at;
        let slow = behind.then(|| if far_behind { self.clock.now() + STANDSTILL } else { talk.read_at });
        let bars = progress_at(self.ui.frontend, self.files.look_at(), talk.progress_at).filter(|_| open);
        // A text waits for the screen, and so does what was said of files.
        let has_room = self.unshown.has_room() && self.statuses() < EVENTS;
        let wake = [talk.leave_by, talk.close_at, quiet, look, probe, bars, slow].into_iter().flatten().min();
        let wake = wake.map(|at| at.saturating_sub(self.clock.now()));
        let items = talk.line.session.wants_items();
        let Self { ui, lobby, road, signals, show, input, files, examined, .. } = self;
        // In a pipe the next line is read only when it can be taken.
        let ready = ui.frontend.is_told_all() || talk.seen != Stage::Open || talk.line.session.can_say();
        let listen = ui.frontend.is_person() || !input.ended && ready;
        tokio::select! {
            moved = talk.line.move_bytes(has_room && !behind) => Moved::Io(moved),
            request = ui.requests.recv(), if listen => Moved::Request(request),
            shown = ui.acks.recv() => Moved::Ack(shown),
            permit = ui.output.reserve(), if !show.is_empty() => {
                let (Ok(permit), Some(what)) = (permit, show.pop_front()) else { return Moved::Screen(false) };
                permit.send(what);
                Moved::Screen(true)
            }
            news = news(lobby) => Moved::News(news),
            news = search(road) => Moved::News(news),
            news = files.next(items) => Moved::File(news),
            finding = finding(examined) => Moved::Finding(finding),
            () = signals.recv() => Moved::Signal,
            () = tokio::time::sleep(wake.unwrap_or_default()), if wake.is_some() => Moved::Time,
        }
    }

    /// Returns how the run ended, if it did.
    async fn handle(&mut self, moved: Moved, talk: &mut Talk<'_>) -> Option<Outcome> {
        match moved {
            Moved::Io(moved) => {
                talk.read_at = self.clock.now() + SLOWLY;
                if let Some(outcome) = self.hear_session(talk) {
                    return Some(outcome);
                }
                return moved.err().and_then(|ended| self.broken(talk, ended));
            }
            Moved::Request(Some(request)) => self.act(request, talk),
            Moved::Ack(Some(Ack::Text(id))) => {
                self.unshown.pop();
                talk.line.session.shown(id);
            }
            Moved::Ack(Some(Ack::Broken(error))) => {
                return Some(self.lose_user(talk, Some(error)).await);
            }
            Moved::Request(None) | Moved::Ack(None) | Moved::Screen(false) => {
                return Some(self.lose_user(talk, None).await);
            }
            Moved::File(news) => self.files.hear(news, &mut talk.line.session),
            Moved::Finding(Some(finding)) => self.tell(Event::Finding(finding)),
            Moved::Finding(None) => self.examined = None,
            Moved::Screen(true) | Moved::Time => {}
            Moved::News(news) => return self.hear_of_partner(news, talk),
            Moved::Signal if talk.seen == Stage::Open => {
                self.input.ended = true;
                talk.leave_by = Some(Duration::ZERO);
            }
            Moved::Signal => self.fail(talk, PairingFault::Left),
        }
        None
    }

    /// Leaves where the user's side has ended, although nobody asked to leave.
    async fn lose_user(&mut self, talk: &mut Talk<'_>, mut why: Option<std::io::Error>) -> Outcome {
        // All channels of an interface end with it, in any order.
        while let (None, Ok(shown)) = (&why, self.ui.acks.try_recv()) {
            match shown {
                Ack::Broken(error) => why = Some(error),
                Ack::Text(_) => self.unshown.pop(),
            }
        }
        talk.leave(Farewell::Done);
        say_bye(talk.line, self.options.settings.cover).await;
        Outcome::Local(match why {
            Some(error) => Fault::Output(Printable::line(&reason(&error))),
            None => Fault::System(Printable::line("a thread of the interface ended")),
        })
    }

    /// What happens at the door or on the way back.
    fn hear_of_partner(&mut self, news: News, talk: &mut Talk<'_>) -> Option<Outcome> {
        match news {
            News::Returned(line) => {
                let heard = talk.line.session.last_received();
                let well = talk.broken_at.is_none() || talk.untold.take().is_some();
                let better = talk.line.from.by != By::Direct && line.from.by == By::Direct;
                if talk.line.replace(*line) {
                    if well && better {
                        talk.broken_at = None;
                        self.tell(Event::BetterWay(talk.line.from));
                    } else {
                        talk.broken_at.get_or_insert(heard);
                    }
                    if let Some(road) = &mut self.road {
                        road.arrived(self.clock.now());
                    }
                }
            }
            News::RedialFailed => {
                if talk.broken_at.is_some()
                    && let Some(attempts) = self.road.as_ref().and_then(|road| road.redial.as_ref()).map(Redial::state)
                    && let Some(failure) = attempts.failure
                {
                    self.tell(Event::RedialFailed { number: attempts.number, failure });
                }
            }
            News::Found(at) => {
                if let Some(road) = &mut self.road {
                    road.found(at);
                }
            }
            News::HostGone => return Some(Outcome::Gone { waiting: talk.waiting }),
            news => self.hear(news),
        }
        None
    }

    /// How a run ends that nobody wanted to. `None` if the room outlives its connection.
    fn broken(&mut self, talk: &mut Talk<'_>, ended: Ended) -> Option<Outcome> {
        if let Ended::Cut = ended {
            talk.line.cut();
        }
        if talk.line.session.stage() == Stage::Away {
            self.line_lost(talk, ended);
            return None;
        }
        Some(match (talk.seen, ended) {
            (Stage::Open, Ended::Cut | Ended::Error(Error::Timeout(_))) => Outcome::Cut { waiting: talk.waiting },
            (Stage::Open, Ended::Error(_)) => Outcome::Broken { waiting: talk.waiting },
            (_, Ended::Error(Error::Commitment)) => Outcome::Failed(PairingFault::Commitment),
            (_, Ended::Error(Error::Reflection)) => Outcome::Failed(PairingFault::Reflection),
            (_, Ended::Error(Error::Timeout(Wait::Confirmation))) => Outcome::Failed(PairingFault::Timeout),
            (_, Ended::Error(_)) => Outcome::Failed(PairingFault::Misbehaved),
            (_, Ended::Cut) => Outcome::Failed(PairingFault::Cut),
        })
    }

    fn line_lost(&mut self, talk: &mut Talk<'_>, ended: Ended) {
        talk.line.cut();
        let why = match ended {
            Ended::Cut => LineFault::Cut,
            Ended::Error(Error::Timeout(Wait::Silence)) => LineFault::Silent,
            Ended::Error(Error::Forged | Error::RecordLength) => {
                talk.damaged += 1;
                LineFault::Damaged { times: talk.damaged }
            }
            Ended::Error(_) => LineFault::Late,
        };
        let first = talk.broken_at.is_none();
        talk.broken_at.get_or_insert(talk.line.session.last_received());
        // It may be under way since the line was quiet.
        if let (Some(road), Some(resume)) = (&mut self.road, talk.line.session.resume_key())
            && road.redial.as_ref().is_none_or(|redial| redial.is_once() && !redial.is_proving())
        {
            road.search(resume, self.options.settings, self.clock);
        }
        // The host closes the old connection as soon as it has followed to the better one.
        if first && self.road.as_ref().is_some_and(Road::is_bettered) {
            talk.untold = Some(why);
        } else if first {
            self.tell(Event::LineCut { why, redialing: self.road.is_some() });
        }
    }

    fn hear_partner(&mut self, event: session::Event, talk: &mut Talk<'_>) -> Option<Outcome> {
        match event {
            session::Event::Code => {
                talk.seen = Stage::Confirming;
                self.show_code(talk.line);
            }
            session::Event::Opened => self.open(talk),
            session::Event::Resumed => {
                if let Some(broken_at) = talk.broken_at.take() {
                    let after = self.clock.now().saturating_sub(broken_at);
                    self.tell(Event::LineBack { after, waiting: talk.line.session.waiting() });
                }
            }
            session::Event::Text(text) => {
                self.unshown.push(text.text.len());
                self.show.push_back(Output::Text(text));
            }
            session::Event::Delivered(texts) => {
                talk.waiting = talk.waiting.saturating_sub(texts);
                self.tell(Event::Shown { texts, waiting: talk.waiting });
            }
            session::Event::Sent(sent) => self.files.sent(sent),
            session::Event::Received(received) => self.files.received(received, &mut talk.line.session),
            session::Event::Cancelled { sending, receiving } => self.files.cancelled(sending, receiving),
            session::Event::Left(_) if talk.seen == Stage::Open => {
                self.tell(Event::PartnerLeft);
                return Some(Outcome::Left { waiting: talk.waiting });
            }
            session::Event::Left(_) => return Some(Outcome::Failed(PairingFault::PartnerLeft)),
        }
        None
    }

    fn show_code(&mut self, line: &Connection) {
        let Some(code) = line.session.code() else { return };
        let (own, partner) = (code.own.clone(), code.partner.clone());
        let can_skip = self.lobby.is_some();
        self.ask_code(match self.options.confirm {
            Confirm::Type => Event::Code { own, can_skip },
            Confirm::Compare => Event::BothHalves { own, partner, emoji: *code.emoji, can_skip },
        });
    }

    /// Our user has checked the code.
    fn confirmed(&mut self, talk: &mut Talk<'_>) {
        if !std::mem::replace(&mut talk.checked, true) {
            self.ask(PromptKind::Nothing, None);
            self.tell(Event::WaitingForPartner);
        }
    }

    fn ask_code(&mut self, about: Event) {
        let what = match self.options.confirm {
            Confirm::Type => PromptKind::Half,
            Confirm::Compare => PromptKind::Compare,
        };
        self.ask(what, Some(about));
    }

    /// Does what the user wants.
    fn act(&mut self, request: Request, talk: &mut Talk<'_>) {
        let session = &mut talk.line.session;
        match request {
            Request::Half { question, .. } | Request::Compared { question, .. } | Request::Next { question }
                if question != self.input.question =>
            {
                self.tell(Event::StaleEntry);
            }
            Request::Half { typed, .. } => match session.enter(&typed) {
                Some(Verdict::Wrong { tries_left: 0 }) => self.fail(talk, PairingFault::WrongHalf),
                Some(Verdict::Wrong { tries_left }) => self.ask_code(Event::WrongHalf { tries_left }),
                Some(Verdict::OwnHalf) => self.ask_code(Event::OwnHalf),
                Some(Verdict::NotACode) => self.ask_code(Event::NotACode),
                Some(Verdict::Right) => self.confirmed(talk),
                None => {}
            },
            Request::Judged { same: false } | Request::Compared { same: Some(false), .. } => {
                self.fail(talk, PairingFault::Different);
            }
            Request::Judged { same: true } | Request::Compared { same: Some(true), .. }
                if talk.trust == Trust::Invite =>
            {
                talk.trust = Trust::Voice;
                self.tell(Event::Compared);
            }
            Request::Judged { same: true } => self.act(Request::Command(Command::Code), talk),
            Request::Compared { same: Some(true), .. } => {
                session.compared(true);
                self.confirmed(talk);
            }
            Request::Compared { same: None, .. } => self.ask_code(Event::NeitherWord),
            Request::Next { .. } if self.lobby.is_some() => self.fail(talk, PairingFault::Skipped),
            Request::Next { .. } => self.ask_code(Event::NotACode),
            Request::Say { text, taken } => {
                let said = session.say(text, self.clock.now());
                let (away, waiting) = (session.stage() != Stage::Open, session.waiting());
                if said == Err(SayError::Full) {
                    self.tell(Event::Full { waiting });
                } else if away && self.ui.frontend.is_person() {
                    self.tell(Event::Waiting { waiting });
                }
                let _ = taken.send(said.is_ok());
            }
            Request::Unsendable(status) => {
                self.tell(status);
                self.input.unsent_lines += usize::from(!self.ui.frontend.is_person());
            }
            Request::Command(Command::Help) => self.tell(Event::Help),
            Request::Command(Command::Rekey) => {
                let begun = session.change_epoch();
                self.tell(if begun { Event::Rekey } else { Event::NoLine });
            }
            Request::Command(Command::Code) => {
                if let Some(code) = session.code() {
                    let (own, partner) = (code.own.clone(), code.partner.clone());
                    self.tell(Event::CodeAgain { own, partner, trust: talk.trust });
                } else {
                    self.tell(Event::NoLine);
                }
            }
            Request::Command(Command::Who) => {
                if let Some(keys) = session.keys() {
                    let now = self.clock.now();
                    let epoch = session.epoch();
                    self.tell(Event::Who(Who {
                        trust: talk.trust,
                        partner: talk.line.from,
                        line: self.line_state(talk, now),
                        now,
                        suite: SUITE,
                        local: fingerprint(keys.local),
                        remote: fingerprint(keys.remote),
                        opened: talk.opened_at,
                        epoch,
                        waiting: talk.waiting,
                    }));
                }
            }
            Request::Command(Command::Doctor) => {
                let broken = talk.line.session.stage() != Stage::Open;
                self.examine(talk.line.from, broken);
            }
            Request::Command(Command::Find | Command::Clear | Command::Lock) => self.tell(Event::NeedsScreen),
            Request::Send(paths) => paths.into_iter().for_each(|path| self.files.send(path)),
            Request::Command(Command::Send) => self.tell(Event::WhatToSend),
            Request::Answer { offer, take } => self.files.answer(offer, take, session),
            Request::Command(Command::Get | Command::Decline) => self.tell(Event::File(FileEvent::NothingOffered)),
            Request::Command(Command::Cancel) => self.files.cancel(session),
            Request::Command(Command::Panic) => {
                talk.panic = true;
                self.input.ended = true;
                talk.leave(Farewell::Done);
            }
            Request::UnknownCommand(name) => self.tell(Event::UnknownCommand(name)),
            Request::End | Request::Interrupt | Request::Command(Command::Quit) => self.quit(talk),
        }
    }

    /// The first time politely, the second time at once.
    fn quit(&mut self, talk: &mut Talk<'_>) {
        if self.input.ended {
            talk.leave_by = Some(Duration::ZERO);
            return;
        }
        self.input.ended = true;
        if self.ui.frontend.is_person() {
            talk.leave_by = Some(self.clock.now() + FINISH);
            if talk.waiting > 0 {
                self.tell(Event::Finishing { waiting: talk.waiting });
            }
        }
    }
}

/// When how far transfers are is to be told again, where it is told at all.
fn progress_at(frontend: Frontend, bar: Option<Duration>, line: Duration) -> Option<Duration> {
    bar.and_then(|bar| {
        let line = frontend.is_told_progress().then_some(line);
        frontend.shows_standing().then_some(bar).into_iter().chain(line).min()
    })
}

/// What the doctor has found, while it looks.
async fn finding(examined: &mut Option<mpsc::Receiver<Finding>>) -> Option<Finding> {
    match examined {
        Some(examined) => examined.recv().await,
        None => std::future::pending().await,
    }
}

/// Sends what is left, BYE last. `false` if it could not be sent in time.
async fn say_bye(line: &mut Connection, cover: Option<Duration>) -> bool {
    let farewell = line.session.settings().stretch(FAREWELL);
    let sent =
        tokio::time::timeout(farewell + cover.unwrap_or_default(), line.flush()).await.is_ok_and(|sent| sent.is_ok());
    if sent {
        let _ = tokio::time::timeout(farewell, line.close()).await;
    }
    sent
}

/// SHA-256 of a static key, in base64.
fn fingerprint(key: PublicKey) -> String {
    STANDARD.encode(digest::digest(&digest::SHA256, &key.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_wakes_only_who_is_told_how_far_it_is() {
        let [bar, line] = [1, 7].map(Duration::from_secs);
        for (frontend, at) in [
            (Frontend::Pipe, None),
            (Frontend::Lines, Some(line)),
            (Frontend::Json, Some(bar)),
            (Frontend::Transfer, Some(bar)),
            (Frontend::Screen, Some(bar)),
        ] {
            assert_eq!(progress_at(frontend, Some(bar), line), at, "{frontend:?}");
            assert_eq!(progress_at(frontend, None, line), None, "{frontend:?}");
        }
    }
}
