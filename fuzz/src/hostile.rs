//! A hand-made peer on a socket: it gets through the handshake with the program's driver, and then says anything.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use snow::TransportState;
use tete::protocol::frame::{Frame, LARGE_FRAME, SMALL_FRAME, Token};
use tete::protocol::keys::{Commitment, HandshakeHash, PairingNonce, Secret};
use tete::protocol::pairing::PairingCode;
use tete::protocol::random::{OsRandom, Randomness as _};
use tete::protocol::record::{HEADER, LARGE_BODY, SMALL};
use tete::protocol::session::Role;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::driver::{Place, Seat, hosted, joined, listening, options, seat, until};
use crate::peer::{HEAD, NONCE, PREFACE, PREFACE_RESUME, TAG, epoch, framed, noise};
use crate::{key, secret};

/// Steps of one run.
const STEPS: usize = 256;
/// Time that a write may take while the driver reads nothing.
const STUCK: Duration = Duration::from_millis(20);
/// Time for a handshake with a driver that may want none.
const BACK: Duration = Duration::from_secs(3);
/// Returns of one run: each keeps a greater distance to the one before.
const RETURNS: usize = 2;
const PAD: u8 = 0x00;
const SAS_OPEN: u8 = 0x01;
const VERIFIED: u8 = 0x02;
const TEXT: u8 = 0x03;
const PING: u8 = 0x06;
const PONG: u8 = 0x07;
const RESUME: u8 = 0x08;
const FILE_OFFER: u8 = 0x20;
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Calls a host.
pub async fn joins(how: u8, steps: &[u8], place: &Place) {
    let (seat, channels, eyes) = seat(how);
    let mut run = tokio::task::spawn_local(hosted(channels, options(0, how, place)));
    let reader = tokio::task::spawn_local(eyes.read(seat.clone(), None));
    let to = Door::Calls(listening(&seat).await);
    let peer = Peer::meet(to, None).await.unwrap();
    peer.play(how, steps, &seat, place).await;
    let _ = seat.leaves(&mut run).await;
    reader.await.unwrap();
}

/// Is called.
pub async fn hosts(how: u8, steps: &[u8], place: &Place) {
    let (seat, channels, eyes) = seat(how);
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut run = tokio::task::spawn_local(joined(channels, options(0, how, place), port));
    let reader = tokio::task::spawn_local(eyes.read(seat.clone(), None));
    let peer = Peer::meet(Door::IsCalled(listener), None).await.unwrap();
    peer.play(how, steps, &seat, place).await;
    let _ = seat.leaves(&mut run).await;
    reader.await.unwrap();
}

/// How a peer gets to the driver.
enum Door {
    Calls(SocketAddr),
    IsCalled(TcpListener),
}

struct Peer {
    door: Door,
    reads: OwnedReadHalf,
    talk: Talk,
    /// By what it comes back.
    psk: Secret,
}

/// What both directions share.
struct Talk {
    role: Role,
    writes: OwnedWriteHalf,
    noise: Rc<RefCell<TransportState>>,
    hash: HandshakeHash,
    heard: Rc<Heard>,
    told: u32,
    /// What was sealed last.
    last: Vec<u8>,
    /// A write did not go out whole, so that nothing can follow it.
    stuck: bool,
}

/// What the driver has sent.
#[derive(Default)]
struct Heard {
    /// The half of the code that its user has to type.
    half: RefCell<Option<String>>,
    verified: Cell<bool>,
    ping: Cell<Option<Token>>,
    pong: Cell<bool>,
}

async fn record(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut record = vec![0; SMALL];
    stream.read_exact(&mut record).await.ok()?;
    Some(record.split_off(HEADER))
}

impl Peer {
    /// Goes through the handshake, with the room's secret in mode 0x02. `None` if the driver does not.
    async fn meet(door: Door, psk: Option<&Secret>) -> Option<Self> {
        let met = async {
            match &door {
                Door::Calls(at) => Self::initiate(TcpStream::connect(at).await.ok()?, psk).await,
                Door::IsCalled(at) => Self::respond(at.accept().await.ok()?.0, psk).await,
            }
        };
        let (reads, talk, psk) = timeout(BACK, met).await.ok()??;
        Some(Self { door, reads, talk, psk })
    }

    async fn initiate(mut stream: TcpStream, psk: Option<&Secret>) -> Option<(OwnedReadHalf, Talk, Secret)> {
        let (mut noise, mut buffer) = (noise(Role::Initiator, psk), [0; SMALL + TAG]);
        let (public, kem) = OsRandom.kem_pair().unwrap();
        let mut payload = public.to_vec();
        // With a secret there is a tag.
        payload.resize(if psk.is_some() { 1222 } else { 1238 }, 0);
        let length = noise.write_message(&payload, &mut buffer).unwrap();
        let preface = if psk.is_some() { PREFACE_RESUME } else { PREFACE };
        stream.write_all(&framed(&[preface, &buffer[..length]].concat())).await.ok()?;
        let answer = record(&mut stream).await?;
        noise.read_message(&answer, &mut buffer).ok()?;
        let shared = kem.decapsulate(buffer.first_chunk().unwrap()).unwrap();
        let payload = [[NONCE; 32].as_slice(), &[0; 1182]].concat();
        let length = noise.write_message(&payload, &mut buffer).unwrap();
        stream.write_all(&framed(&buffer[..length])).await.ok()?;
        let (noise, hash, psk) = epoch(noise, &shared);
        Some(Self::begin(Role::Initiator, stream, noise, hash, psk))
    }

    async fn respond(mut stream: TcpStream, psk: Option<&Secret>) -> Option<(OwnedReadHalf, Talk, Secret)> {
        let (mut noise, mut buffer) = (noise(Role::Responder, psk), [0; SMALL + TAG]);
        let first = record(&mut stream).await?;
        noise.read_message(&first[PREFACE.len()..], &mut buffer).ok()?;
        let (ciphertext, shared) = OsRandom.encapsulate(buffer.first_chunk().unwrap()).ok()?;
        let commitment = Commitment::new(key(Role::Responder).public(), &PairingNonce(secret(NONCE)));
        let payload = [ciphertext.as_slice(), &commitment.0, &[0; 62]].concat();
        let length = noise.write_message(&payload, &mut buffer).unwrap();
        stream.write_all(&framed(&buffer[..length])).await.ok()?;
        let last = record(&mut stream).await?;
        noise.read_message(&last, &mut buffer).ok()?;
        let (noise, hash, psk) = epoch(noise, &shared);
        Some(Self::begin(Role::Responder, stream, noise, hash, psk))
    }

    fn begin(
        role: Role,
        stream: TcpStream,
        noise: TransportState,
        hash: HandshakeHash,
        psk: Secret,
    ) -> (OwnedReadHalf, Talk, Secret) {
        let (reads, writes) = stream.into_split();
        let (noise, heard) = (Rc::new(RefCell::new(noise)), Rc::default());
        let last = vec![0; SMALL_FRAME];
        (reads, Talk { role, writes, noise, hash, heard, told: 0, last, stuck: false }, psk)
    }

    /// Every two bytes are something that the peer or the driver's user does.
    async fn play(self, how: u8, steps: &[u8], seat: &Rc<Seat>, place: &Place) {
        let Self { door, reads, mut talk, psk } = self;
        let mut hears = talk.hears(reads);
        talk.opens().await;
        let (mut door, mut returns) = (Some(door), 0);
        if how & 8 == 0 {
            until("the driver's user is asked", || {
                talk.heard.half.borrow().is_some() && seat.seen.borrow().asked.is_some()
            })
            .await;
            talk.confirm(seat).await;
            until("the driver verifies", || talk.heard.verified.get()).await;
            until("the driver asks whether the room is open", || talk.heard.ping.get().is_some()).await;
            // Neither of these proves that it is.
            talk.tell(vec![PAD, 0, 0]).await;
            talk.tell([&[PING, 0, 8], &[NONCE; 8][..]].concat()).await;
            until("the driver answers a PING", || talk.heard.pong.get()).await;
            assert!(!seat.seen.borrow().opened);
            if how & 16 == 0 {
                talk.answer().await;
                until("the room opens", || seat.seen.borrow().opened).await;
            }
        }
        let mut steps = steps.iter().copied();
        for _ in 0..STEPS {
            let (Some(step), Some(size)) = (steps.next(), steps.next()) else { break };
            let mut content = || -> Vec<u8> { steps.by_ref().take(size.into()).collect() };
            match step % 10 {
                0 => talk.tell(content()).await,
                1 => talk.tell_oddly(step / 10, content()).await,
                2 => {
                    for _ in 0..size % 64 {
                        talk.seal(talk.last.clone()).await;
                    }
                }
                3 => talk.tell_text(step / 10 % 2, size).await,
                4 => seat.does(step / 10, size, place),
                5 => sleep(Duration::from_micros(20) * size.into()).await,
                6 => talk.tell_of_files(step / 10, size, content()).await,
                7 => talk.answer().await,
                8 if step / 10 % 4 == 0 => talk.write(&content()).await,
                8 => talk.confirm(seat).await,
                _ if how & 32 == 0 || returns >= RETURNS => yield_now().await,
                _ => {
                    returns += 1;
                    hears.abort();
                    let told = talk.told;
                    // Without the connection there is nothing that could be said.
                    talk.stuck = true;
                    let _ = talk.writes.shutdown().await;
                    let Some(back) = Self::meet(door.take().unwrap(), Some(&psk)).await else { break };
                    (door, talk) = (Some(back.door), back.talk);
                    talk.told = told;
                    hears = talk.hears(back.reads);
                    talk.opens().await;
                    talk.tell(vec![VERIFIED, 0, 0]).await;
                    if size % 4 > 0 {
                        // What the driver may have said, or nothing, or too much.
                        let next = u32::from(size / 4).to_be_bytes();
                        talk.tell([&[RESUME, 0, 4], &next[..]].concat()).await;
                    }
                }
            }
        }
        drop(talk);
        hears.abort();
    }
}

impl Heard {
    /// Reads what the driver sends for as long as it can be read.
    async fn hear(
        self: Rc<Self>,
        role: Role,
        mut reads: OwnedReadHalf,
        noise: Rc<RefCell<TransportState>>,
        hash: HandshakeHash,
    ) {
        let mut head = [0; HEADER];
        while reads.read_exact(&mut head).await.is_ok() {
            let mut body = vec![0; usize::from(u16::from_be_bytes(head))];
            let mut plaintext = vec![0; LARGE_BODY];
            if reads.read_exact(&mut body).await.is_err() {
                return;
            }
            let opened = noise.borrow_mut().read_message(&body, &mut plaintext);
            // An epoch of which this peer knows nothing has begun.
            let Ok(length) = opened else { return };
            noise.borrow_mut().rekey_incoming();
            match Frame::decode(&plaintext[..length]).unwrap() {
                Frame::SasOpen(nonce) => {
                    let mut secret = secret(0);
                    *secret.expose_mut() = *nonce;
                    let code = PairingCode::new(role, &PairingNonce(secret), &hash);
                    *self.half.borrow_mut() = Some(code.own.to_string());
                }
                Frame::Verified => self.verified.set(true),
                Frame::Ping(token) => self.ping.set(Some(token)),
                Frame::Pong(_) => self.pong.set(true),
                _ => {}
            }
        }
    }
}

impl Talk {
    /// Begins to read what the driver sends.
    fn hears(&self, reads: OwnedReadHalf) -> tokio::task::JoinHandle<()> {
        let hears = Rc::clone(&self.heard).hear(self.role, reads, self.noise.clone(), HandshakeHash(self.hash.0));
        tokio::task::spawn_local(hears)
    }

    /// Opens the nonce, if it is this side's to open.
    async fn opens(&mut self) {
        if self.role == Role::Responder {
            self.tell([&[SAS_OPEN, 0, 32], [NONCE; 32].as_slice()].concat()).await;
            let code = PairingCode::new(Role::Responder, &PairingNonce(secret(NONCE)), &self.hash);
            *self.heard.half.borrow_mut() = Some(code.own.to_string());
        }
    }

    async fn write(&mut self, bytes: &[u8]) {
        if !self.stuck {
            let written = timeout(STUCK, self.writes.write_all(bytes)).await;
            self.stuck = !matches!(written, Ok(Ok(())));
        }
    }

    async fn seal(&mut self, plaintext: Vec<u8>) {
        let mut body = vec![0; plaintext.len() + TAG];
        {
            let mut noise = self.noise.borrow_mut();
            noise.write_message(&plaintext, &mut body).unwrap();
            noise.rekey_outgoing();
        }
        self.last = plaintext;
        self.write(&framed(&body)).await;
    }

    /// A frame that begins as given.
    async fn tell(&mut self, mut frame: Vec<u8>) {
        frame.resize(SMALL_FRAME, 0);
        self.seal(frame).await;
    }

    /// The same, perhaps in a large record or with padding that is not zero.
    async fn tell_oddly(&mut self, how: u8, mut frame: Vec<u8>) {
        frame.resize(if how & 1 == 0 { SMALL_FRAME } else { LARGE_FRAME }, (how >> 1) & 1);
        self.seal(frame).await;
    }

    /// A part of the text that is due, or the last one again.
    async fn tell_text(&mut self, more: u8, size: u8) {
        let part = vec![b'x'; usize::from(size) * 4];
        let length = (9 + part.len() as u16).to_be_bytes();
        let id = self.told.to_be_bytes();
        self.told += u32::from(more == 0);
        self.tell([&[TEXT], &length[..], &id, &[0, 0, 0, 0, more], &part].concat()).await;
    }

    /// A frame about files of the kind, with numbers that are often right and a name from the input.
    async fn tell_of_files(&mut self, kind: u8, size: u8, name: Vec<u8>) {
        let batch = u32::from(size % 2).to_be_bytes();
        let long = u64::from(size).to_be_bytes();
        let content = match kind % 8 {
            0 => [&batch[..], &[0, 0, 0, 1 + size % 3], &long, &name].concat(),
            1 => [&batch[..], &[0; 12], &[size; 32]].concat(),
            2 => [&batch[..], &[0, 0, 0, size % 3], &long, &[size % 4], &name].concat(),
            3 => [&batch[..], &[0, 0, 0, size % 3], &[0; 8], &name].concat(),
            4 => [&batch[..], &[0, 0, 0, size % 3], &[0; 32]].concat(),
            5 => [&batch[..], &[0; 4], &long].concat(),
            6 => [&batch[..], &[0; 4], &[size % 2]].concat(),
            _ => [&batch[..], &[size % 4]].concat(),
        };
        let length = (content.len() as u16).to_be_bytes();
        debug_assert!(HEAD + content.len() <= SMALL_FRAME);
        self.tell([&[FILE_OFFER + kind % 8], &length[..], &content].concat()).await;
    }

    /// The PONG that the driver waits for.
    async fn answer(&mut self) {
        if let Some(token) = self.heard.ping.take() {
            self.tell([&[PONG, 0, 8], &token[..]].concat()).await;
        }
    }

    /// Reads the peer's half out to the driver's user, and says that its own user has checked the other.
    async fn confirm(&mut self, seat: &Seat) {
        let half = self.heard.half.borrow().clone();
        if let Some(half) = half {
            seat.answer(&half);
        }
        self.tell(vec![VERIFIED, 0, 0]).await;
    }
}
