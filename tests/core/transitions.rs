//! Every row of the table that is explored in docs/formal, against a session.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use proptest::test_runner::{RngAlgorithm, TestRng};
use rand::seq::IndexedRandom as _;
use tete::protocol::channel::Channel;
use tete::protocol::epoch::{Begun, Chain, Next};
use tete::protocol::error::Error;
use tete::protocol::frame::{Farewell, Frame, RK1, RK2, Token};
use tete::protocol::handshake::{Established, Initiator, Mode, Opening, Responder, ResumeKey};
use tete::protocol::random::OsRandom;
use tete::protocol::record::HEADER;
use tete::protocol::session::{Event, Role, Session, Stage};

use crate::sessions::{initiator, pairing, responder, secret};

const NOW: Duration = Duration::from_secs(1_000);
/// Walks of each role, and events of one.
const WALKS: (u8, usize) = (60, 60);

/// What follows an event in a state.
struct Outcome {
    after: &'static str,
    sent: Vec<&'static str>,
    told: Vec<&'static str>,
}

/// One line of the file.
struct Row {
    role: Role,
    state: &'static str,
    events: Vec<&'static str>,
    outcome: Outcome,
}

fn rows(role: Role) -> Vec<Row> {
    let lines = include_str!("../../docs/formal/transitions.txt").lines();
    let rows = lines.filter(|line| !line.starts_with('#')).map(|line| {
        let columns: Vec<_> = line.split(" | ").collect();
        let [role, state, events, after, sent, told] = columns[..] else { panic!("{line}") };
        let list = |column: &'static str| column.split("; ").filter(|word| *word != "-").collect();
        Row {
            role: if role == "I" { Role::Initiator } else { Role::Responder },
            state,
            events: list(events),
            outcome: Outcome { after: if after == "=" { state } else { after }, sent: list(sent), told: list(told) },
        }
    });
    rows.filter(|row| row.role == role).collect()
}

/// A partner that says any frame at any time and follows the keys.
struct Partner {
    channel: Channel,
    opening: Opening,
    chain: Chain,
    /// The key by which this connection was entered.
    entered: Arc<ResumeKey>,
    /// The newest key for a return, and the one before.
    resume: [Arc<ResumeKey>; 2],
    begun: Option<Begun>,
    /// The RK1 that came.
    asked: Option<Box<[u8; RK1]>>,
    next: Option<Next>,
    /// The PING that waits for its answer.
    ping: Option<Token>,
}

impl Partner {
    fn new(established: Established) -> Self {
        let Established { channel, hash, chain, resume, opening, .. } = established;
        Self {
            channel,
            opening,
            chain: Chain::new(chain, hash),
            resume: [resume.clone(), resume.clone()],
            entered: resume,
            begun: None,
            asked: None,
            next: None,
            ping: None,
        }
    }

    /// The record of an event that is a frame. Where the content cannot matter it is none that an honest side makes.
    fn seal(&mut self, event: &str) -> Vec<u8> {
        let (kind, number) = event.split_once(' ').unwrap_or((event, "0"));
        let id = number.parse().unwrap_or_default();
        let record = match kind {
            "PAD" => self.channel.seal(&Frame::Pad),
            "SAS_OPEN" => match &self.opening {
                Opening::Nonce(nonce) => self.channel.seal(&Frame::SasOpen(nonce.0.expose())),
                Opening::Committed(_) => self.channel.seal(&Frame::SasOpen(&[7; 32])),
            },
            "VERIFIED" => {
                self.resume = [self.entered.clone(), self.entered.clone()];
                self.channel.seal(&Frame::Verified)
            }
            "TEXT" => self.channel.seal(&Frame::Text { id, age_ms: 0, more: false, part: b"x" }),
            "RECEIPT" => self.channel.seal(&Frame::Receipt { id }),
            "BYE" => self.channel.seal(&Frame::Bye { reason: Farewell::Done }),
            "PING" => self.channel.seal(&Frame::Ping([7; 8])),
            "PONG" if number == "other" => self.channel.seal(&Frame::Pong([0xee; 8])),
            "PONG" => self.channel.seal(&Frame::Pong(self.ping.unwrap_or([0xee; 8]))),
            "RESUME" => self.channel.seal(&Frame::Resume { next_id: id }),
            "RK_ASK" => self.channel.seal(&Frame::RkAsk),
            "RK1" => {
                let (begun, message) = self.chain.begin(&self.resume[0], &mut OsRandom).unwrap();
                self.begun = Some(begun);
                self.channel.seal(&Frame::Rk1(&message))
            }
            "RK2" => match self.asked.take() {
                Some(asked) => {
                    let (message, next) = self.chain.answer(&self.resume[0], &asked, &mut OsRandom).unwrap();
                    let record = self.channel.seal(&Frame::Rk2(&message));
                    self.channel.switch_sending(&next.keys);
                    self.make(next);
                    record
                }
                None => self.channel.seal(&Frame::Rk2(&[7; RK2])),
            },
            "RK3" => {
                let record = self.channel.seal(&Frame::Rk3);
                if let Some(next) = self.next.take() {
                    self.channel.switch_sending(&next.keys);
                    self.chain = next.chain;
                }
                record
            }
            _ => panic!("no frame {event}"),
        };
        record.unwrap().to_vec()
    }

    /// Notes the secrets of the next epoch. The key for a return is the first that is used.
    fn make(&mut self, next: Next) {
        let newest = Arc::new(self.resume[0].renewed(secret(next.resume_psk.expose())));
        self.resume = [newest, self.resume[0].clone()];
        self.next = Some(next);
    }

    /// The name of a frame that the session sent.
    fn open(&mut self, record: &[u8]) -> String {
        match self.channel.open(&record[HEADER..]).unwrap() {
            Frame::Pad => "PAD".into(),
            Frame::SasOpen(_) => "SAS_OPEN".into(),
            Frame::Verified => "VERIFIED".into(),
            Frame::Text { id, .. } => format!("TEXT {id}"),
            Frame::Receipt { id } => format!("RECEIPT {id}"),
            Frame::Bye { reason: Farewell::Done } => "BYE".into(),
            Frame::Ping(token) => {
                self.ping = Some(token);
                "PING".into()
            }
            Frame::Pong(token) => {
                assert_eq!(token, [7; 8]);
                "PONG".into()
            }
            Frame::Resume { next_id } => format!("RESUME {next_id}"),
            Frame::RkAsk => "RK_ASK".into(),
            Frame::Rk1(message) => {
                self.asked = Some(Box::new(*message));
                "RK1".into()
            }
            Frame::Rk2(message) => {
                let next = self.begun.take().unwrap().finish(message).unwrap();
                self.channel.switch_receiving(&next.keys);
                self.make(next);
                "RK2".into()
            }
            Frame::Rk3 => {
                let next = self.next.take().unwrap();
                self.channel.switch_receiving(&next.keys);
                self.chain = next.chain;
                "RK3".into()
            }
            _ => panic!("no frame of the table"),
        }
    }
}

/// A session, its partner, and what came of the last event.
struct Side {
    role: Role,
    session: Session,
    partner: Partner,
    sent: Vec<String>,
    told: Vec<&'static str>,
    error: Option<Error>,
}

impl Side {
    fn new(role: Role) -> Self {
        let session = match role {
            Role::Initiator => initiator(pairing(), NOW),
            Role::Responder => responder(pairing(), NOW),
        };
        let (session, partner) = shake(role, [session], pairing());
        Self { role, session, partner, sent: Vec::new(), told: Vec::new(), error: None }
    }

    /// Lets an event happen, and all that follows from it.
    fn meets(&mut self, event: &str) {
        (self.sent, self.told) = (Vec::new(), Vec::new());
        match event {
            "admits" => self.session.admit(),
            "confirms" => self.session.compared(true),
            "says" => assert!(self.session.say("x".to_owned().into(), NOW).is_ok()),
            "rekeys" => assert!(self.session.change_epoch()),
            "leaves" => self.session.leave(Farewell::Done),
            "lost" => self.session.lost(NOW),
            "returns" => self.returns(0),
            "returns by-older" => self.returns(1),
            _ => {
                let record = self.partner.seal(event);
                if let Err(error) = self.session.receive(&mut record.as_slice(), NOW) {
                    self.error = Some(error);
                }
            }
        }
        loop {
            while let Some(event) = self.session.event() {
                self.told.extend(self.says(&event));
                if let Event::Text(text) = event {
                    self.session.shown(text.id);
                }
            }
            let Some(record) = self.session.transmit(NOW).unwrap() else { break };
            self.sent.push(self.partner.open(record.as_slice()));
        }
    }

    fn says(&self, event: &Event) -> Option<&'static str> {
        match event {
            Event::Code => Some("code"),
            Event::Verified => Some("verified"),
            Event::ResumeKeys => Some("keys"),
            Event::Opened => Some("opened"),
            Event::Resumed => Some("resumed"),
            Event::Text(_) => Some("text"),
            Event::Delivered(_) => Some("delivered"),
            Event::Left(_) => Some("left"),
            _ => None,
        }
    }

    /// The partner comes back by its newest key, or by the one before.
    fn returns(&mut self, age: usize) {
        let key = self.partner.resume[age].clone();
        let sessions = self.session.resume_keys().into_iter().map(Mode::Resume).map(|mode| match self.role {
            Role::Initiator => initiator(mode, NOW),
            Role::Responder => responder(mode, NOW),
        });
        let (mut session, mut partner) = shake(self.role, sessions, Mode::Resume(key));
        partner.resume = self.partner.resume.clone();
        match self.role {
            Role::Initiator => {
                let record = partner.seal("SAS_OPEN");
                session.receive(&mut record.as_slice(), NOW).unwrap();
            }
            Role::Responder => {
                session.admit();
                let record = session.transmit(NOW).unwrap().unwrap();
                assert_eq!(partner.open(record.as_slice()), "SAS_OPEN");
            }
        }
        assert!(session.take_over(&mut self.session, NOW));
        (self.session, self.partner) = (session, partner);
    }
}

/// The three records of the handshake, with the first session that knows the partner's key.
fn shake(role: Role, sessions: impl IntoIterator<Item = Session>, mode: Mode) -> (Session, Partner) {
    let mut sessions = sessions.into_iter();
    let (session, established) = match role {
        Role::Initiator => {
            let mut session = sessions.next().unwrap();
            let record = session.transmit(NOW).unwrap().unwrap();
            let (responder, record) = Responder::accept(mode, &record.as_slice()[HEADER..], &mut OsRandom).unwrap();
            session.receive(&mut record.as_slice(), NOW).unwrap();
            let record = session.transmit(NOW).unwrap().unwrap();
            (session, responder.finish(&record.as_slice()[HEADER..]).unwrap())
        }
        Role::Responder => {
            let (initiator, record) = Initiator::start(mode, &mut OsRandom).unwrap();
            let mut session =
                sessions.find_map(|mut it| it.receive(&mut record.as_slice(), NOW).ok().map(|()| it)).unwrap();
            let record = session.transmit(NOW).unwrap().unwrap();
            let (record, established) = initiator.finish(&record.as_slice()[HEADER..], &mut OsRandom).unwrap();
            session.receive(&mut record.as_slice(), NOW).unwrap();
            (session, established)
        }
    };
    assert_eq!(session.stage(), Stage::Established);
    (session, Partner::new(established))
}

fn stage(state: &str) -> Stage {
    match state.split(' ').next().unwrap() {
        "opening" => Stage::Established,
        "pairing" => Stage::Confirming,
        "open" => Stage::Open,
        "away" => Stage::Away,
        "back" => Stage::Resuming,
        "BYE-out" => Stage::Leaving,
        "over" | "fatal" => Stage::Closed,
        _ => panic!("no state {state}"),
    }
}

/// The events that lead to each state, as few as there can be.
fn ways(rows: &[Row]) -> HashMap<&'static str, Vec<(&'static str, &Outcome)>> {
    let first = rows[0].state;
    let mut ways = HashMap::from([(first, Vec::new())]);
    let mut todo = VecDeque::from([first]);
    while let Some(state) = todo.pop_front() {
        for Row { events, outcome, .. } in rows.iter().filter(|row| row.state == state) {
            if !ways.contains_key(outcome.after) {
                let way = ways[state].iter().copied().chain([(events[0], outcome)]).collect();
                ways.insert(outcome.after, way);
                todo.push_back(outcome.after);
            }
        }
    }
    ways
}

/// What is wrong with a session that meets these events.
fn walk(role: Role, way: &[(&str, &Outcome)]) -> Option<String> {
    let mut side = Side::new(role);
    for (number, (event, outcome)) in way.iter().enumerate() {
        side.meets(event);
        let fatal = outcome.after == "fatal";
        let right = side.sent == outcome.sent
            && side.told == outcome.told
            && side.session.stage() == stage(outcome.after)
            && side.error.is_some() == fatal
            && side.error.is_none_or(|error| !error.is_of_the_line());
        if !right {
            let events: Vec<_> = way[..=number].iter().map(|(event, _)| *event).collect();
            let (sent, told, stage) = (side.sent, side.told, side.session.stage());
            let meant = (outcome.after, &outcome.sent, &outcome.told);
            return Some(format!("{role:?} {events:?}: {stage:?} {sent:?} {told:?} {:?}, not {meant:?}", side.error));
        }
    }
    None
}

fn check(role: Role) {
    let rows = rows(role);
    let ways = ways(&rows);
    let mut wrong = Vec::new();
    for Row { state, events, outcome, .. } in &rows {
        let steps: Vec<_> = events.iter().map(|event| (*event, outcome)).collect();
        // Events after which nothing has changed can follow one another.
        let length = if outcome.after == *state { steps.len() } else { 1 };
        for steps in steps.chunks(length) {
            wrong.extend(walk(role, &[&ways[state], steps].concat()));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_joiner_goes_by_the_explored_table() {
    check(Role::Initiator);
}

#[test]
fn a_host_goes_by_the_explored_table() {
    check(Role::Responder);
}

/// A walk that goes on as long as it may, each row of a state as likely as another.
fn long_walk(rows: &[Row], seed: u8) -> Vec<(&'static str, &Outcome)> {
    let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let (mut state, mut way) = (rows[0].state, Vec::new());
    while way.len() < WALKS.1 {
        let goes_on = |row: &&Row| row.state == state && !matches!(row.outcome.after, "over" | "fatal");
        let ways: Vec<_> = rows.iter().filter(goes_on).collect();
        let row = ways.choose(&mut random).unwrap();
        way.push((*row.events.choose(&mut random).unwrap(), &row.outcome));
        state = row.outcome.after;
    }
    way
}

#[test]
fn a_session_keeps_to_the_table_however_long_it_goes_on() {
    for role in [Role::Initiator, Role::Responder] {
        let rows = rows(role);
        let wrong: Vec<_> = (0..WALKS.0).filter_map(|seed| walk(role, &long_walk(&rows, seed))).collect();
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
}
