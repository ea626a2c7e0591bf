//! A partner made by hand: a session at one end of a real connection, whose records go out when a test says so.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tete::protocol::frame::Farewell;
use tete::protocol::handshake::{Mode, SharedSecret};
use tete::protocol::invite::Invite;
use tete::protocol::keys::StaticKey;
use tete::protocol::random::{OsRandom, Randomness as _};
use tete::protocol::session::{Event, Session, Settings, Stage};
use zeroize::Zeroizing;

use crate::process::{PATIENCE, now};

/// How long a read may take before the session has its say again.
const TURN: Duration = Duration::from_millis(200);

/// A session and its connection.
pub struct Peer {
    /// The session.
    pub session: Session,
    stream: TcpStream,
    events: VecDeque<Event>,
    /// Records that were not sent, while they are held back.
    held: Option<Vec<Vec<u8>>>,
}

fn key() -> Arc<StaticKey> {
    Arc::new(StaticKey::new(OsRandom.secret().unwrap()).unwrap())
}

/// The mode of somebody whom nobody knows.
pub fn stranger() -> Mode {
    Mode::Pair(key())
}

/// The mode of whoever has that invite.
pub fn holder(invite: &Invite) -> Mode {
    Mode::Secret(Arc::new(SharedSecret { psk: invite.secret.psk().unwrap(), local: key() }))
}

impl Peer {
    /// Calls the host at that port of this machine.
    #[track_caller]
    pub fn call(port: u16, mode: Mode) -> Self {
        let session = Session::initiate(mode, Box::new(OsRandom), Settings::default(), now()).unwrap();
        Self::new(TcpStream::connect(("127.0.0.1", port)).unwrap(), session)
    }

    /// Waits for a caller.
    #[track_caller]
    pub fn answer(at: &TcpListener, mode: Mode) -> Self {
        let limit = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
        assert_eq!(poll(&mut [PollFd::new(at, PollFlags::IN)], Some(&limit)), Ok(1), "nobody calls");
        let (stream, _) = at.accept().unwrap();
        Self::new(stream, Session::respond(mode, Box::new(OsRandom), Settings::default(), now()))
    }

    fn new(stream: TcpStream, session: Session) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(TURN)).unwrap();
        Self { session, stream, events: VecDeque::new(), held: None }
    }

    /// Seals all that there is to send, and sends it unless it is held back.
    fn send(&mut self) {
        self.session.admit();
        loop {
            let shaken = !matches!(self.session.stage(), Stage::Handshake | Stage::Established);
            let Some(record) = self.session.transmit(now()).unwrap() else { break };
            match &mut self.held {
                Some(held) if shaken => held.push(record.to_vec()),
                // Whoever is at the other end may be gone.
                _ => drop(self.stream.write_all(record.as_slice())),
            }
        }
        while let Some(event) = self.session.event() {
            self.events.push_back(event);
        }
    }

    /// One read, if anything comes. `false` at the end of the connection.
    fn receive(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        let count = match self.stream.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(error) => return matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        };
        let mut bytes = &buffer[..count];
        while !bytes.is_empty() {
            if self.session.receive(&mut bytes, now()).is_err() {
                return false;
            }
        }
        while let Some(event) = self.session.event() {
            self.events.push_back(event);
        }
        true
    }

    /// Goes on until `look` finds something. `None` if the connection ends before.
    #[track_caller]
    fn go_on<R>(&mut self, mut look: impl FnMut(&mut Self) -> Option<R>) -> Option<R> {
        let limit = now() + PATIENCE;
        while now() < limit {
            self.send();
            if let Some(found) = look(self) {
                return Some(found);
            }
            if !self.receive() {
                return look(self);
            }
        }
        panic!("nothing came of it: {:?}", self.session.stage());
    }

    /// The next event that `is` what is waited for.
    #[track_caller]
    fn until<R>(&mut self, mut is: impl FnMut(Event) -> Option<R>) -> R {
        let found = self.go_on(|peer| std::iter::from_fn(|| peer.events.pop_front()).find_map(&mut is));
        found.expect("the connection ended")
    }

    /// The half that this side reads out.
    #[track_caller]
    pub fn half(&mut self) -> String {
        self.until(|event| matches!(event, Event::Code).then_some(()));
        self.session.code().unwrap().own.to_string()
    }

    /// The half that the other side shows.
    pub fn others_half(&self) -> String {
        self.session.code().unwrap().partner.to_string()
    }

    /// Waits until the other side has left.
    #[track_caller]
    pub fn left(&mut self) {
        self.until(|event| matches!(event, Event::Left(_)).then_some(()));
    }

    /// Types the half of the other side.
    #[track_caller]
    pub fn enter(&mut self, half: &str) {
        assert_eq!(self.session.enter(half), Some(tete::protocol::pairing::Verdict::Right));
    }

    /// Waits until the room is open for both, as seen from here, and lets the other end see it, too.
    #[track_caller]
    pub fn opened(&mut self) {
        self.until(|event| matches!(event, Event::Opened).then_some(()));
        self.send();
    }

    /// Waits until VERIFIED went both ways, as seen from here.
    #[track_caller]
    pub fn entered(&mut self) {
        self.go_on(|peer| (peer.session.stage() == Stage::Open).then_some(())).expect("the connection ended");
    }

    /// Goes on for so long, whatever comes.
    #[track_caller]
    pub fn waits(&mut self, time: Duration) {
        let limit = now() + time;
        self.go_on(|_| (now() >= limit).then_some(())).expect("the connection ended");
    }

    /// The next text.
    #[track_caller]
    pub fn text(&mut self) -> String {
        let text = self.until(|event| if let Event::Text(text) = event { Some(text) } else { None });
        self.session.shown(text.id);
        self.send();
        text.text.to_string()
    }

    /// Waits until so many texts were delivered.
    #[track_caller]
    pub fn delivered(&mut self, count: usize) {
        let mut all = 0;
        self.until(|event| {
            all += if let Event::Delivered(more) = event { more } else { 0 };
            (all >= count).then_some(())
        });
    }

    /// Says a text. It goes out with the next record.
    pub fn say(&mut self, text: &str) {
        self.session.say(Zeroizing::new(text.to_owned()), now()).unwrap();
    }

    /// Offers a single file.
    pub fn offer(&mut self, name: &str, bytes: u64) {
        self.session.sending().unwrap().offer(1, bytes, name.to_owned()).unwrap();
    }

    /// Leaves. That goes out last.
    pub fn leave(&mut self) {
        self.session.leave(Farewell::Done);
    }

    /// Leaves, and waits until the other end has closed. Returns how many texts were not delivered then.
    #[track_caller]
    pub fn part(mut self) -> usize {
        self.leave();
        self.send();
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
        self.go_on(|_| None::<()>);
        self.session.waiting()
    }

    /// Takes no more than a few records before they are read.
    pub fn takes_little(&self) {
        socket2::SockRef::from(&self.stream).set_recv_buffer_size(4_096).unwrap();
    }

    /// Holds back what is to be sent from here on; of a handshake only what follows it.
    pub fn hold(&mut self) {
        self.held = Some(Vec::new());
    }

    /// What was held back, with all that there is to send now. It goes out by [`write`](Self::write).
    pub fn held(&mut self) -> Vec<Vec<u8>> {
        self.send();
        self.held.take().expect("nothing is held")
    }

    /// Sends what was held back, and holds nothing back from here on.
    pub fn write_held(&mut self) {
        let held = self.held().concat();
        self.write(&held);
    }

    /// Sends bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Whether the other end ends the connection without an answer, or with a refusal.
    #[track_caller]
    pub fn is_turned_away(&mut self) -> bool {
        self.go_on(|peer| (peer.session.stage() != Stage::Handshake).then_some(())).is_none()
            || self.session.stage() == Stage::Closed
    }

    /// The connection is gone, and so is this end of it. What is left is the room.
    pub fn cut(self) -> Session {
        let mut room = self.session;
        room.lost(now());
        room
    }

    /// Comes back into the room by another connection to that port.
    #[track_caller]
    pub fn call_again(port: u16, room: Session) -> Self {
        let mode = Mode::Resume(room.resume_key().unwrap());
        Self::call(port, mode).back(room)
    }

    /// Lets the partner back into the room.
    #[track_caller]
    pub fn answer_again(at: &TcpListener, room: Session) -> Self {
        let mode = Mode::Resume(room.resume_key().unwrap());
        Self::answer(at, mode).back(room)
    }

    #[track_caller]
    fn back(mut self, mut room: Session) -> Self {
        self.go_on(|peer| (peer.session.stage() == Stage::Returning).then_some(())).expect("not let back");
        assert!(self.session.take_over(&mut room, now()));
        self.until(|event| matches!(event, Event::Resumed).then_some(()));
        self.send();
        self
    }
}
