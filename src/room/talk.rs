//! One run from the finished handshake on: the code, the chat, the end.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::line::{Ended, Line};
use super::lobby::News;
use super::{Confirm, Outcome, Room, news, reason};
use crate::protocol::delivery::Refusal;
use crate::protocol::error::{Error, Wait};
use crate::protocol::handshake::SUITE;
use crate::protocol::keys::PublicKey;
use crate::protocol::pairing::Verdict;
use crate::protocol::session::{Event, Stage};
use crate::ui::line::{Action, Ask, Command, Show, Shown, local_time};
use crate::ui::messages::{Fault, PairingFault, Status, Who};
use crate::ui::printable::Printable;

/// How long leaving on request waits for the last receipts.
const FINISH: Duration = Duration::from_secs(3);
/// How long a BYE may take to leave, and the other end to close.
const FAREWELL: Duration = Duration::from_secs(1);

/// One run, and how far the user has seen it come.
struct Talk<'a> {
    line: &'a mut Line,
    seen: Stage,
    checked: bool,
    /// Why the pairing failed, by our own side.
    failure: Option<PairingFault>,
    opened_at: String,
    /// Our texts that were not shown yet when the room was last open.
    waiting: usize,
    /// When leaving no longer waits for receipts.
    leave_by: Option<Duration>,
    /// BYE is all that is left to say. What happens to the connection after that is in order.
    leaving: bool,
}

impl Talk<'_> {
    fn leave(&mut self) {
        self.leaving = true;
        self.line.session.leave();
    }
}

/// What moved the driver.
enum Moved {
    Io(Result<(), Ended>),
    Action(Option<Action>),
    Shown(Option<Shown>),
    /// The screen took the next of what there is to show, or is gone.
    Screen(bool),
    News(News),
    Signal,
    Time,
}

impl Room {
    pub(super) async fn converse(&mut self, line: &mut Line) -> Outcome {
        let mut talk = Talk {
            line,
            seen: Stage::Established,
            checked: false,
            failure: None,
            opened_at: String::new(),
            waiting: 0,
            leave_by: None,
            leaving: false,
        };
        let outcome = loop {
            self.observe(&mut talk);
            if let Some(outcome) = self.farewell(&mut talk).await {
                break outcome;
            }
            let moved = self.wait(&mut talk).await;
            if let Some(outcome) = self.handle(moved, &mut talk).await {
                break outcome;
            }
        };
        self.ask(Ask::Nothing, None);
        outcome
    }

    /// Tells and asks the user what the session's own steps have brought about.
    fn observe(&mut self, talk: &mut Talk<'_>) {
        let stage = talk.line.session.stage();
        if stage == Stage::Confirming && talk.seen == Stage::Established && talk.line.is_flushed() {
            talk.seen = stage;
            self.show_code(talk.line);
        }
        if talk.line.session.is_confirmed() && !talk.checked {
            talk.checked = true;
            self.ask(Ask::Nothing, None);
            if stage == Stage::Confirming {
                self.tell(Status::WaitingForPartner);
            }
        }
        if stage == Stage::Open && talk.seen != Stage::Open {
            talk.seen = stage;
            talk.opened_at = local_time();
            if let Some(lobby) = &mut self.lobby {
                lobby.close();
            }
            self.ask(Ask::Chat, Some(Status::RoomOpen));
        }
        if stage == Stage::Open {
            talk.waiting = talk.line.session.waiting();
            // The partner, too, wants to know that their last text was shown.
            let done = talk.waiting == 0 && self.unshown.is_empty();
            let late = talk.leave_by.is_some_and(|at| self.clock.now() >= at);
            if self.input.ended && (done || late) {
                talk.leave();
            }
        } else if self.input.ended && talk.seen == Stage::Confirming && !talk.checked && talk.failure.is_none() {
            let why = if self.ui.interactive { PairingFault::Left } else { PairingFault::NoHalf };
            self.fail(talk, why);
        }
    }

    fn fail(&mut self, talk: &mut Talk<'_>, why: PairingFault) {
        talk.failure = Some(why);
        talk.leave();
    }

    /// Where our side ends the run: sends what is left, BYE last.
    async fn farewell(&mut self, talk: &mut Talk<'_>) -> Option<Outcome> {
        if !talk.leaving && talk.line.session.stage() != Stage::Closed {
            return None;
        }
        let sent = say_bye(talk.line).await;
        Some(match talk.failure {
            Some(why) => Outcome::Failed(why),
            None if talk.seen != Stage::Open => Outcome::Failed(PairingFault::Left),
            None if sent => Outcome::Left { waiting: talk.waiting },
            None => Outcome::Cut { waiting: talk.waiting },
        })
    }

    async fn wait(&mut self, talk: &mut Talk<'_>) -> Moved {
        let leaving = talk.leave_by.map(|at| at.saturating_sub(self.clock.now()));
        let Self { ui, lobby, signals, show, unshown, input, .. } = self;
        // In a pipe the next line is read only when it can be taken.
        let listen = ui.interactive || !input.ended && (talk.seen != Stage::Open || talk.line.session.can_say());
        tokio::select! {
            moved = talk.line.move_bytes(unshown.has_room()) => Moved::Io(moved),
            action = ui.actions.recv(), if listen => Moved::Action(action),
            shown = ui.shown.recv() => Moved::Shown(shown),
            permit = ui.screen.reserve(), if !show.is_empty() => {
                let (Ok(permit), Some(what)) = (permit, show.pop_front()) else { return Moved::Screen(false) };
                permit.send(what);
                Moved::Screen(true)
            }
            news = news(lobby) => Moved::News(news),
            () = signals.recv() => Moved::Signal,
            () = tokio::time::sleep(leaving.unwrap_or_default()), if leaving.is_some() => Moved::Time,
        }
    }

    /// Returns how the run ended, if it did.
    async fn handle(&mut self, moved: Moved, talk: &mut Talk<'_>) -> Option<Outcome> {
        match moved {
            Moved::Io(moved) => {
                for event in talk.line.take_events() {
                    if let Some(outcome) = self.hear_partner(event, talk) {
                        return Some(outcome);
                    }
                }
                return moved.err().map(|ended| broken(talk, ended));
            }
            Moved::Action(Some(action)) => self.act(action, talk),
            Moved::Shown(Some(Shown::Text(id))) => {
                self.unshown.pop();
                talk.line.session.shown(id);
            }
            Moved::Shown(Some(Shown::Broken(error))) => {
                talk.leave();
                say_bye(talk.line).await;
                return Some(Outcome::Local(Fault::Output(Printable::line(&reason(&error)))));
            }
            Moved::Action(None) | Moved::Shown(None) | Moved::Screen(false) => {
                return Some(Outcome::Local(Fault::System(Printable::line("a thread of the interface ended"))));
            }
            Moved::Screen(true) | Moved::Time => {}
            Moved::News(news) => self.hear(news),
            Moved::Signal if talk.seen == Stage::Open => {
                self.input.ended = true;
                talk.leave_by = Some(Duration::ZERO);
            }
            Moved::Signal => self.fail(talk, PairingFault::Left),
        }
        None
    }

    fn hear_partner(&mut self, event: Event, talk: &mut Talk<'_>) -> Option<Outcome> {
        match event {
            Event::Text(text) => {
                self.unshown.push(text.text.len());
                self.show.push_back(Show::Text(text));
            }
            Event::Shown(texts) => {
                talk.waiting = talk.waiting.saturating_sub(texts);
                self.tell(Status::Shown { texts, waiting: talk.waiting });
            }
            Event::OfferDeclined => self.tell(Status::OfferDeclined),
            Event::Left if talk.seen == Stage::Open => {
                self.tell(Status::PartnerLeft);
                return Some(Outcome::Left { waiting: talk.waiting });
            }
            Event::Left => return Some(Outcome::Failed(PairingFault::PartnerLeft)),
        }
        None
    }

    fn show_code(&mut self, line: &Line) {
        let Some(code) = line.session.code() else { return };
        let (own, partner) = (code.own.clone(), code.partner.clone());
        let can_skip = self.lobby.is_some();
        self.ask_code(match self.options.confirm {
            Confirm::Type => Status::Code { own, can_skip },
            Confirm::Compare => Status::BothHalves { own, partner, emoji: *code.emoji, can_skip },
        });
    }

    fn ask_code(&mut self, about: Status) {
        let what = match self.options.confirm {
            Confirm::Type => Ask::Half,
            Confirm::Compare => Ask::Compare,
        };
        self.ask(what, Some(about));
    }

    /// Does what the user wants.
    fn act(&mut self, action: Action, talk: &mut Talk<'_>) {
        let session = &mut talk.line.session;
        match action {
            Action::Half { question, .. } | Action::Compared { question, .. } | Action::Next { question }
                if question != self.input.question =>
            {
                self.tell(Status::StaleEntry);
            }
            Action::Half { typed, .. } => match session.enter(&typed) {
                Some(Verdict::Wrong { tries_left: 0 }) => self.fail(talk, PairingFault::WrongHalf),
                Some(Verdict::Wrong { tries_left }) => self.ask_code(Status::WrongHalf { tries_left }),
                Some(Verdict::OwnHalf) => self.ask_code(Status::OwnHalf),
                Some(Verdict::NotACode) => self.ask_code(Status::NotACode),
                Some(Verdict::Right) | None => {}
            },
            Action::Compared { same: Some(true), .. } => session.compared(true),
            Action::Compared { same: Some(false), .. } => self.fail(talk, PairingFault::Different),
            Action::Compared { same: None, .. } => self.ask_code(Status::NeitherWord),
            Action::Next { .. } if self.lobby.is_some() => self.fail(talk, PairingFault::Skipped),
            Action::Next { .. } => self.ask_code(Status::NotACode),
            Action::Say { text, taken } => {
                let said = session.say(text, self.clock.now());
                if said == Err(Refusal::Full) {
                    self.tell(Status::Full { waiting: session.waiting() });
                }
                let _ = taken.send(said.is_ok());
            }
            Action::Unsendable(status) => {
                self.tell(status);
                self.input.unsent_lines += usize::from(!self.ui.interactive);
            }
            Action::Command(Command::Help) => self.tell(Status::Help),
            Action::Command(Command::Code) => {
                if let Some(code) = session.code() {
                    self.tell(Status::CodeAgain { own: code.own.clone(), partner: code.partner.clone() });
                }
            }
            Action::Command(Command::Who) => {
                if let Some(keys) = session.keys() {
                    self.tell(Status::Who(Who {
                        partner: talk.line.from,
                        suite: SUITE,
                        local: fingerprint(keys.local),
                        remote: fingerprint(keys.remote),
                        since: talk.opened_at.clone(),
                        waiting: talk.waiting,
                    }));
                }
            }
            Action::UnknownCommand(name) => self.tell(Status::UnknownCommand(name)),
            Action::End | Action::Interrupt | Action::Command(Command::Quit) => self.quit(talk),
        }
    }

    /// The first time politely, the second time at once.
    fn quit(&mut self, talk: &mut Talk<'_>) {
        if self.input.ended {
            talk.leave_by = Some(Duration::ZERO);
            return;
        }
        self.input.ended = true;
        if self.ui.interactive {
            talk.leave_by = Some(self.clock.now() + FINISH);
            if talk.waiting > 0 {
                self.tell(Status::Finishing { waiting: talk.waiting });
            }
        }
    }
}

/// Sends what is left, BYE last. `false` if it could not be sent in time.
async fn say_bye(line: &mut Line) -> bool {
    let sent = tokio::time::timeout(FAREWELL, line.flush()).await.is_ok_and(|sent| sent.is_ok());
    if sent {
        let _ = tokio::time::timeout(FAREWELL, line.close()).await;
    }
    sent
}

/// How a run ends that nobody wanted to.
fn broken(talk: &Talk<'_>, ended: Ended) -> Outcome {
    match (talk.seen, ended) {
        (Stage::Open, Ended::Cut | Ended::Error(Error::Timeout(_))) => Outcome::Cut { waiting: talk.waiting },
        (Stage::Open, Ended::Error(_)) => Outcome::Broken { waiting: talk.waiting },
        (_, Ended::Error(Error::Commitment)) => Outcome::Failed(PairingFault::Commitment),
        (_, Ended::Error(Error::Reflection)) => Outcome::Failed(PairingFault::Reflection),
        (_, Ended::Error(Error::Timeout(Wait::Confirmation))) => Outcome::Failed(PairingFault::Timeout),
        (_, Ended::Error(_)) => Outcome::Failed(PairingFault::Misbehaved),
        (_, Ended::Cut) => Outcome::Failed(PairingFault::Cut),
    }
}

/// SHA-256 of a static key, in base64.
fn fingerprint(key: PublicKey) -> String {
    STANDARD.encode(digest::digest(&digest::SHA256, &key.0))
}
