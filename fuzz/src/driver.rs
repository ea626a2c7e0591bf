//! The program's own driver: two rooms on a wire in the fuzzer's hands, or one with a peer that says anything.
//!
//! The clock is the system's, so a run is short: at most a few breaks, and no wait for a time limit.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use tete::address::Address;
use tete::interface::event::Event;
use tete::interface::fault::Fault;
use tete::interface::{Ack, Frontend, Output, PromptKind, Request, UserChannels};
use tete::protocol::invite::{Hint, Invite};
use tete::protocol::session::Settings;
use tete::room::files::FileOptions;
use tete::room::{Confirm, HostOptions, JoinTarget, Options, Task, host, join};
use tete::transport::way::Egress;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, LocalSet, yield_now};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use crate::hostile;

/// Steps of one run.
const STEPS: usize = 48;
/// Cuts of the wire, and bytes changed on it, in one run.
const BREAKS: usize = 2;
/// Time for what needs no more than some round trips on this machine.
const PROMPT: Duration = Duration::from_secs(30);
/// Time after which a user who wants to leave says so again.
const AGAIN: Duration = Duration::from_millis(300);
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Interval of cover traffic.
const TICK: Duration = Duration::from_millis(1);

/// How two sides get into one room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meeting {
    /// Each user types what the other reads out.
    Typed,
    /// Both users compare what they see, and both sides hide when they type.
    Compared,
    /// By an invite.
    Invited,
    /// By an invite, at a relay.
    Relayed,
}

impl Meeting {
    fn is_invited(self) -> bool {
        matches!(self, Self::Invited | Self::Relayed)
    }
}

/// Every two bytes are something that happens on a side, or to what is under way from there.
pub fn play(how: u8, steps: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let place = Place::new();
    LocalSet::new().block_on(&runtime, async {
        match how % 4 {
            0 => pair(how / 4, steps, &place).await,
            1 => hostile::joins(how / 4, steps, &place).await,
            2 => hostile::hosts(how / 4, steps, &place).await,
            _ => pair((how / 4) | 8, steps, &place).await,
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    place.check();
}

/// Where files go, one folder for each side, and something to send.
pub struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let place = std::env::temp_dir().join(format!("tete-fuzz-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&place);
        for side in ["0", "1"] {
            std::fs::create_dir_all(place.join(side)).unwrap();
        }
        std::fs::write(place.join("sent"), [7; 3_000]).unwrap();
        Self(place)
    }

    fn folder(&self, side: usize) -> PathBuf {
        self.0.join(side.to_string())
    }

    fn file(&self) -> PathBuf {
        self.0.join("sent")
    }

    /// Nothing was stored beside the folders.
    fn check(&self) {
        let names = |path: &Path| -> Vec<_> {
            path.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        };
        let mut here = names(&self.0);
        here.sort_unstable();
        assert_eq!(here, ["0", "1", "sent"]);
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A side's user, as the fuzzer and the judge see them.
pub struct Seat {
    requests: mpsc::Sender<Request>,
    pub seen: RefCell<Seen>,
    frontend: Frontend,
    /// The screen stands still.
    pub still: Cell<bool>,
}

/// What a user was told and did.
#[derive(Default)]
pub struct Seen {
    /// Where the host listens.
    pub listening: Option<SocketAddr>,
    /// The invite, where the host makes one.
    invite: Option<String>,
    /// The user's own half, the partner's where it is shown, and the question for the other.
    pub asked: Option<(u64, String, Option<String>)>,
    /// The code was checked, or there is none to check.
    pub answered: bool,
    /// There is none to check.
    invited: bool,
    pub opened: bool,
    /// What the user has said, and how much of it was delivered.
    pub said: Vec<String>,
    pub delivered: usize,
    /// Messages of the partner that came, and those that were shown.
    pub heard: Vec<String>,
    pub shown: usize,
    /// The user wants to leave.
    pub leaving: bool,
    /// A message was not taken.
    pub refused: bool,
    /// The run has told its end.
    ended: bool,
    /// The last offer.
    offer: u32,
    /// What was read and not shown yet.
    unshown: Vec<u32>,
}

/// A seat, and what its driver takes.
pub fn seat(kind: u8) -> (Rc<Seat>, UserChannels, Eyes) {
    let frontend = [Frontend::LINES, Frontend::SCREEN, Frontend::JSON, Frontend::LINES][usize::from(kind % 4)];
    let (act, requests) = mpsc::channel(64);
    let (tell, acks) = mpsc::channel(4_096);
    let (output, show) = mpsc::channel(64);
    let seat = Seat { requests: act, seen: RefCell::default(), frontend, still: Cell::new(false) };
    (Rc::new(seat), UserChannels { requests, acks, output, frontend }, Eyes { show, tell })
}

/// Where a user reads, and says what was shown.
pub struct Eyes {
    show: mpsc::Receiver<Output>,
    tell: mpsc::Sender<Ack>,
}

impl Eyes {
    /// Reads and judges until the driver shows no more. `other` is the partner, if that is a driver.
    pub async fn read(mut self, seat: Rc<Seat>, other: Option<Rc<Seat>>) {
        loop {
            while seat.still.get() {
                sleep(Duration::from_millis(1)).await;
            }
            let Some(output) = self.show.recv().await else { return };
            let ids = {
                let mut seen = seat.seen.borrow_mut();
                seen.judge(output, other.as_deref());
                std::mem::take(&mut seen.unshown)
            };
            for id in ids {
                // Counted before it is told, so that no receipt can be earlier.
                seat.seen.borrow_mut().shown += 1;
                if self.tell.send(Ack::Text(id)).await.is_err() {
                    return;
                }
            }
        }
    }
}

impl Seen {
    fn judge(&mut self, output: Output, other: Option<&Seat>) {
        assert!(!self.ended, "something came after the end");
        match output {
            Output::Text(text) => {
                assert!(self.opened, "a message before the room was open");
                assert_eq!(text.id as usize, self.heard.len());
                if let Some(other) = other {
                    assert_eq!(*text.text, other.seen.borrow().said[self.heard.len()]);
                }
                self.heard.push(text.text.to_string());
                self.unshown.push(text.id);
            }
            Output::Ask { question, what: PromptKind::Half | PromptKind::Compare, about } => {
                assert!(!self.opened && !self.invited);
                self.asked = match about {
                    Some(Event::Code { own, .. }) => Some((question, own.to_string(), None)),
                    Some(Event::Compare { own, partner, .. }) => {
                        Some((question, own.to_string(), Some(partner.to_string())))
                    }
                    _ => None,
                };
            }
            Output::Ask { what: PromptKind::Chat, about: Some(Event::RoomOpen { invited }), .. } => {
                assert_eq!(invited, self.invited);
                assert!(!std::mem::replace(&mut self.opened, true), "a room opens once");
                assert!(self.answered);
                assert!(other.is_none_or(|other| other.seen.borrow().answered));
            }
            Output::Event(event) => self.judge_event(&event, other),
            Output::End(_) => self.ended = true,
            Output::Ask { .. } | Output::Status(_) | Output::Wipe => {}
        }
    }

    fn judge_event(&mut self, event: &Event, other: Option<&Seat>) {
        match event {
            Event::Listening { address } => self.listening = Some(*address),
            Event::Invite { invite, .. } => self.invite = Some(invite.to_string()),
            Event::Delivered { messages, .. } => {
                self.delivered += messages;
                assert!(self.opened && self.delivered <= self.said.len());
                assert!(other.is_none_or(|other| self.delivered <= other.seen.borrow().shown));
            }
            Event::PartnerLeft => {
                assert!(self.opened && other.is_none_or(|other| other.seen.borrow().leaving));
            }
            Event::File(tete::interface::files::FileEvent::Offered { offer, .. }) => {
                assert!(self.opened);
                self.offer = *offer;
            }
            Event::ConnectionLost { .. } | Event::CutOff => assert!(self.opened),
            Event::RoomOpen { .. } => panic!("comes with the prompt"),
            _ => {}
        }
    }
}

impl Seat {
    fn act(&self, request: Request) {
        let _ = self.requests.try_send(request);
    }

    /// Types what the partner reads out.
    pub fn answer(&self, half: &str) {
        let mut seen = self.seen.borrow_mut();
        if let Some((question, _, shown)) = seen.asked.take() {
            // Both screens show the same, unless the two are not of one connection.
            seen.answered = shown.as_ref().is_none_or(|shown| shown == half);
            self.act(match shown {
                None => Request::Half { question, typed: Zeroizing::new(half.into()) },
                Some(_) => Request::Compared { question, same: Some(seen.answered) },
            });
        }
    }

    /// Says something; whether it was taken is known once the driver has answered.
    fn say(self: &Rc<Self>, length: usize) {
        let mut seen = self.seen.borrow_mut();
        if seen.leaving || !seen.opened {
            return;
        }
        let text = format!("{}{}", seen.said.len(), "…".repeat(length));
        let (taken, answer) = oneshot::channel();
        // It can arrive before the answer is read.
        seen.said.push(text.clone());
        drop(seen);
        self.act(Request::Say { text: Zeroizing::new(text), taken });
        let seat = self.clone();
        tokio::task::spawn_local(async move {
            if !answer.await.unwrap_or(false) {
                seat.seen.borrow_mut().refused = true;
            }
        });
    }

    /// Something that a user may do at any time.
    pub fn does(self: &Rc<Self>, what: u8, size: u8, place: &Place) {
        match what % 12 {
            0..=3 => self.say(usize::from(size).pow(2) / 3),
            4 => self.act(Request::Who),
            5 => self.act(Request::Code),
            6 => self.act(Request::Rekey),
            7 => self.act(Request::Send(vec![place.file()])),
            8 => {
                let offer = self.seen.borrow().offer;
                self.act(Request::Answer { offer, take: !size.is_multiple_of(4) });
            }
            9 => self.act(Request::Cancel),
            10 if size > 200 => self.leave(),
            10 => self.still.set(!self.still.get()),
            _ if size > 250 => {
                self.seen.borrow_mut().leaving = true;
                self.act(Request::Panic);
            }
            _ => {}
        }
    }

    pub fn leave(&self) {
        self.seen.borrow_mut().leaving = true;
        self.act(Request::Leave);
    }

    /// Leaves, politely and then at once.
    pub async fn leaves<T>(&self, run: &mut tokio::task::JoinHandle<T>) -> T {
        self.still.set(false);
        self.leave();
        if let Ok(ended) = timeout(AGAIN, &mut *run).await {
            return ended.unwrap();
        }
        let last = if self.frontend.person { Request::Leave } else { Request::Panic };
        self.act(last);
        timeout(PROMPT, run).await.expect("the driver does not end").unwrap()
    }
}

/// Options of a side.
pub fn options(side: usize, how: u8, place: &Place) -> Options {
    let files = FileOptions {
        save_to: Some(place.folder(side)),
        auto_accept: how & 4 != 0,
        executable: false,
        nobody: false,
        to_stdout: false,
    };
    Options { confirm: Confirm::Type, settings: Settings::default(), close_after: None, files, task: Task::Talk }
}

/// A host on this machine.
pub async fn hosted(channels: UserChannels, options: Options) -> Result<(), Fault> {
    waits(channels, options, false, Vec::new()).await
}

async fn waits(channels: UserChannels, options: Options, invite: bool, relays: Vec<Address>) -> Result<(), Fault> {
    let at = HostOptions { bind: Some(LOOPBACK), port: 0, invite, relays, onion: false, map: false, lan: false };
    host(channels, options, at, Egress::default()).await
}

/// Somebody who joins the room at that port of this machine.
pub async fn joined(channels: UserChannels, options: Options, port: u16) -> Result<(), Fault> {
    join(channels, options, JoinTarget::Address(here(port)), Egress::default()).await
}

fn here(port: u16) -> Address {
    Address { host: LOOPBACK.to_string(), port }
}

/// Waits until something holds.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = timeout(PROMPT, async {
        while !holds() {
            sleep(Duration::from_micros(200)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}

/// Where the host listens.
pub async fn listening(seat: &Seat) -> SocketAddr {
    until("the host listens", || seat.seen.borrow().listening.is_some()).await;
    seat.seen.borrow().listening.unwrap()
}

async fn pair(how: u8, steps: &[u8], place: &Place) {
    let meeting = [Meeting::Typed, Meeting::Compared, Meeting::Invited, Meeting::Relayed][usize::from(how / 16 % 4)];
    let (hosting, channels, eyes) = seat(how);
    let (joining, other_channels, other_eyes) = seat(how / 2);
    for seat in [&hosting, &joining] {
        let mut seen = seat.seen.borrow_mut();
        (seen.invited, seen.answered) = (meeting.is_invited(), meeting.is_invited());
    }
    let relay = Relay::new().await;
    let relays = if meeting == Meeting::Relayed { vec![here(relay.port)] } else { Vec::new() };
    let options = |side| {
        let mut options = options(side, how, place);
        if meeting == Meeting::Compared {
            (options.confirm, options.settings.cover) = (Confirm::Compare, Some(TICK));
        }
        options
    };
    let mut runs = Vec::new();
    let hosts = waits(channels, options(0), meeting.is_invited(), relays);
    runs.push(tokio::task::spawn_local(hosts));
    let mut readers = JoinSet::new();
    readers.spawn_local(eyes.read(hosting.clone(), Some(joining.clone())));
    readers.spawn_local(other_eyes.read(joining.clone(), Some(hosting.clone())));
    let direct = listening(&hosting).await;
    let wire = Wire::new(if meeting == Meeting::Relayed { (LOOPBACK, relay.port).into() } else { direct }).await;
    let target = if meeting.is_invited() {
        until("the host makes an invite", || hosting.seen.borrow().invite.is_some()).await;
        let mut invite = Invite::read(hosting.seen.borrow().invite.as_deref().unwrap_or_default()).unwrap();
        invite.hints = vec![match meeting {
            Meeting::Relayed => Hint::Relay(LOOPBACK.to_string(), wire.port),
            _ => Hint::Ipv4(Ipv4Addr::LOCALHOST.octets(), wire.port),
        }];
        JoinTarget::Invite { invite, lan: false }
    } else {
        JoinTarget::Address(here(wire.port))
    };
    runs.push(tokio::task::spawn_local(join(other_channels, options(1), target, Egress::default())));
    let seats = [hosting, joining];
    if how & 8 == 0 {
        until("a room on a good wire opens", || {
            answer_each_other(&seats);
            seats.iter().all(|seat| seat.seen.borrow().opened)
        })
        .await;
    }
    for step in steps.as_chunks::<2>().0.iter().take(STEPS) {
        let (what, at, size) = (step[0] % 32, usize::from(step[0] / 32 % 2), step[1]);
        answer_each_other(&seats);
        match what {
            0..12 => seats[at].does(what, size, place),
            12 | 13 => wire.ways[at].held.set(!wire.ways[at].held.get()),
            14..=16 => wire.ways[at].piece.set([1, 7, 100, 1_283, 16_384][usize::from(size % 5)]),
            17 | 18 => wire.flip(at, size),
            19 | 20 => wire.cut(),
            21..=24 => sleep(Duration::from_micros(50) * size.into()).await,
            _ => {}
        }
        yield_now().await;
    }
    wire.ways.iter().for_each(|way| way.held.set(false));
    seats.iter().for_each(|seat| seat.still.set(false));
    let all = |test: fn(&Seen) -> bool| seats.iter().all(|seat| test(&seat.seen.borrow()));
    if all(|seen| seen.opened && !seen.leaving && !seen.refused) {
        let done = || {
            let [one, other] = [seats[0].seen.borrow(), seats[1].seen.borrow()];
            let over = one.ended || other.ended || one.refused || other.refused;
            over || one.delivered == one.said.len() && other.delivered == other.said.len()
        };
        let running = || runs.iter().all(|run| !run.is_finished());
        until("every message is delivered once the wire is good", || done() || !running()).await;
        assert!(done(), "a room ended by what the wire did");
    }
    for (seat, mut run) in seats.iter().zip(runs) {
        let _ = seat.leaves(&mut run).await;
    }
    while let Some(read) = readers.join_next().await {
        read.unwrap();
    }
    wire.end();
    relay.accepts.abort();
}

/// Both users read out their halves to each other.
fn answer_each_other(seats: &[Rc<Seat>; 2]) {
    let halves = [0, 1].map(|at| seats[at].seen.borrow().asked.as_ref().map(|(_, own, _)| own.clone()));
    if let [Some(one), Some(other)] = halves {
        seats[0].answer(&other);
        seats[1].answer(&one);
    }
}

/// A transit relay, which joins whoever comes with whoever waits.
struct Relay {
    port: u16,
    accepts: tokio::task::JoinHandle<()>,
}

impl Relay {
    async fn new() -> Self {
        let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepts = tokio::task::spawn_local(async move {
            let mut joined = JoinSet::new();
            let mut waiting: Option<(String, BufReader<TcpStream>)> = None;
            while let Ok((stream, _)) = listener.accept().await {
                let (mut stream, mut line) = (BufReader::new(stream), String::new());
                let Ok(Ok(_)) = timeout(PROMPT, stream.read_line(&mut line)).await else { continue };
                let there = |other: &TcpStream| !matches!(other.try_read(&mut [0]), Ok(0));
                match waiting.take().filter(|(_, other)| there(other.get_ref())) {
                    // Two of one side are the same, who came again.
                    Some((other, mut first)) if other != line => {
                        joined.spawn_local(async move {
                            for stream in [&mut first, &mut stream] {
                                stream.write_all(b"ok\n").await?;
                            }
                            copy_bidirectional(&mut first, &mut stream).await
                        });
                    }
                    _ => waiting = Some((line, stream)),
                }
            }
        });
        Self { port, accepts }
    }
}

/// The way to the host, in the fuzzer's hands.
struct Wire {
    port: u16,
    /// From the host, and to it.
    ways: [Rc<Way>; 2],
    cuts: Rc<Cell<usize>>,
    breaks: Cell<usize>,
    accepts: tokio::task::JoinHandle<()>,
}

struct Way {
    held: Cell<bool>,
    /// Bytes that are passed on at once.
    piece: Cell<usize>,
    /// The next byte is changed so.
    flip: Cell<u8>,
}

impl Wire {
    async fn new(to: SocketAddr) -> Self {
        let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let way = || Rc::new(Way { held: Cell::new(false), piece: Cell::new(16_384), flip: Cell::new(0) });
        let (ways, cuts) = ([way(), way()], Rc::new(Cell::new(0)));
        let (kept, counted) = (ways.clone(), cuts.clone());
        let accepts = tokio::task::spawn_local(async move {
            let mut pumps = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(to).await else { continue };
                let ((near_reads, near_writes), (far_reads, far_writes)) = (near.into_split(), far.into_split());
                let [from_host, to_host] = kept.clone();
                let cuts = (counted.clone(), counted.get());
                pumps.spawn_local(from_host.pass(far_reads, near_writes, cuts.clone()));
                pumps.spawn_local(to_host.pass(near_reads, far_writes, cuts));
            }
        });
        Self { port, ways, cuts, breaks: Cell::new(0), accepts }
    }

    fn may_break(&self) -> bool {
        self.breaks.set(self.breaks.get() + 1);
        self.breaks.get() <= BREAKS
    }

    fn flip(&self, at: usize, how: u8) {
        if self.may_break() {
            self.ways[at].flip.set(how.max(1));
        }
    }

    fn cut(&self) {
        if self.may_break() {
            self.cuts.set(self.cuts.get() + 1);
        }
    }

    fn end(self) {
        self.accepts.abort();
    }
}

impl Way {
    async fn pass(
        self: Rc<Self>,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        (cuts, born): (Rc<Cell<usize>>, usize),
    ) {
        let mut bytes = vec![0; 16_384];
        while cuts.get() == born {
            let read = timeout(Duration::from_millis(2), from.read(&mut bytes)).await;
            let count = match read {
                Err(_) => continue,
                Ok(Ok(count)) if count > 0 => count,
                Ok(_) => return,
            };
            while self.held.get() && cuts.get() == born {
                sleep(Duration::from_millis(1)).await;
            }
            if cuts.get() != born {
                return;
            }
            bytes[0] ^= self.flip.take();
            for piece in bytes[..count].chunks(self.piece.get()) {
                if to.write_all(piece).await.is_err() {
                    return;
                }
                yield_now().await;
            }
        }
    }
}
