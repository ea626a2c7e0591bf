//! A hand-made peer: authentic, and otherwise free to say anything.

use std::time::Duration;

use snow::{Builder, HandshakeState, TransportState};
use tete::protocol::delivery;
use tete::protocol::frame::{Farewell, Frame, LARGE_FRAME, SMALL_FRAME, TEXT_PART, Token};
use tete::protocol::handshake::{SUITE, SUITE_PSK};
use tete::protocol::keys::{Commitment, Epoch, HandshakeHash, KemSecret, PairingNonce, Secret, SplitKeys};
use tete::protocol::pairing::{PairingCode, Verdict};
use tete::protocol::random::{OsRandom, Randomness as _};
use tete::protocol::record::{HEADER, SMALL};
use tete::protocol::resolver::Resolver;
use tete::protocol::session::{Event, Role, Session, Stage};
use zeroize::Zeroizing;

use crate::files::Files;
use crate::{START, is_over, keeps_time, key, other_half, private, secret, session};

/// What begins record 1.
pub const PREFACE: &[u8; 8] = b"TETE\x01\0\0\0";
/// What begins record 1 of somebody who comes back.
pub const PREFACE_RESUME: &[u8; 8] = b"TETE\x01\x02\0\0";
/// Every byte of n_R and n_I.
pub const NONCE: u8 = 0x11;
/// Bytes of a tag.
pub const TAG: usize = 16;
/// Bytes of a frame before its content.
pub const HEAD: usize = 3;

const PAD: u8 = 0x00;
const SAS_OPEN: u8 = 0x01;
const VERIFIED: u8 = 0x02;
const TEXT: u8 = 0x03;
const RECEIPT: u8 = 0x04;
const BYE: u8 = 0x05;
const PING: u8 = 0x06;
const PONG: u8 = 0x07;
const RK_ASK: u8 = 0x10;
const FILE_OFFER: u8 = 0x20;
const FILE_ACCEPT: u8 = 0x21;
const FILE_BEGIN: u8 = 0x22;
const FILE_DATA: u8 = 0x23;
const FILE_END: u8 = 0x24;
const FILE_SEEN: u8 = 0x25;
const FILE_DONE: u8 = 0x26;
const FILE_CANCEL: u8 = 0x27;
const EXTENSIONS: u8 = 0x80;
/// The highest reason of a FILE_CANCEL: it is about the receiver's batch.
const YOURS: u8 = 2;

/// A session and its hand-made peer, after the handshake.
pub struct Peer {
    session: Session,
    /// The session's.
    role: Role,
    noise: TransportState,
    hash: HandshakeHash,
    now: Duration,
    /// What was sealed last.
    last: Vec<u8>,
    told: Told,
    user: User,
    heard: Heard,
    files: Files,
}

/// What the session was told by its peer.
#[derive(Default)]
struct Told {
    verified: bool,
    /// A frame was told that only an open room sends.
    proved: bool,
    texts: usize,
    /// A part of the next text was told.
    midway: bool,
    receipts: usize,
    /// The PINGs of the open room.
    pings: Vec<Token>,
}

/// What the session's user did.
#[derive(Default)]
struct User {
    confirmed: bool,
    said: Vec<String>,
    shown: usize,
    leaving: bool,
}

/// What the session has sent.
#[derive(Default)]
struct Heard {
    opened: bool,
    verified: bool,
    texts: usize,
    part: Vec<u8>,
    receipts: usize,
    /// The PING that was not answered yet.
    ping: Option<Token>,
    bye: bool,
}

/// Runs the handshake with a session of the given role. `change` may alter the peer's last payload.
///
/// Without the peer's own state if the session did not take that.
pub fn shake(role: Role, change: impl FnOnce(&mut [u8])) -> (Session, Option<(HandshakeState, KemSecret)>) {
    let mut session = session(role);
    let mut buffer = [0; SMALL + TAG];
    if role == Role::Responder {
        let mut noise = noise(Role::Initiator, None);
        let (public, kem) = OsRandom.kem_pair().unwrap();
        let mut payload = public.to_vec();
        payload.resize(1238, 0);
        let length = noise.write_message(&payload, &mut buffer).unwrap();
        let answer = exchange(&mut session, &[PREFACE, &buffer[..length]].concat()).unwrap();
        noise.read_message(&answer, &mut buffer).unwrap();
        let shared = kem.decapsulate(buffer.first_chunk().unwrap()).unwrap();
        let mut payload = [[NONCE; 32].as_slice(), &[0; 1182]].concat();
        change(&mut payload);
        let length = noise.write_message(&payload, &mut buffer).unwrap();
        exchange(&mut session, &buffer[..length]);
        return (session, Some((noise, shared)));
    }
    let mut noise = noise(Role::Responder, None);
    let first = session.transmit(START).unwrap().unwrap();
    noise.read_message(&first[HEADER + PREFACE.len()..], &mut buffer).unwrap();
    let (ciphertext, shared) = OsRandom.encapsulate(buffer.first_chunk().unwrap()).unwrap();
    let commitment = Commitment::new(key(Role::Responder).public(), &PairingNonce(secret(NONCE)));
    let mut payload = [ciphertext.as_slice(), &commitment.0, &[0; 62]].concat();
    change(&mut payload);
    let length = noise.write_message(&payload, &mut buffer).unwrap();
    let last = exchange(&mut session, &buffer[..length]);
    let taken = last.is_some_and(|last| noise.read_message(&last, &mut buffer).is_ok());
    (session, taken.then_some((noise, shared)))
}

/// The state of that side's handshake.
pub fn noise(role: Role, psk: Option<&Secret>) -> HandshakeState {
    let resolver = Resolver::new(OsRandom.secret().unwrap());
    let (suite, preface) = if psk.is_some() { (SUITE_PSK, PREFACE_RESUME) } else { (SUITE, PREFACE) };
    let prologue = [b"tete/1 prologue\0".as_slice(), preface].concat();
    let private = private(role);
    let builder = Builder::with_resolver(suite.parse().unwrap(), Box::new(resolver)).prologue(&prologue).unwrap();
    let builder = builder.local_private_key(private.expose()).unwrap();
    let builder = if let Some(psk) = psk { builder.psk(0, psk.expose()).unwrap() } else { builder };
    if role == Role::Initiator { builder.build_initiator() } else { builder.build_responder() }.unwrap()
}

/// Hands the session one record, if only to be refused, and returns the body of its answer.
fn exchange(session: &mut Session, body: &[u8]) -> Option<Vec<u8>> {
    let _ = session.receive(&mut framed(body).as_slice(), START);
    session.transmit(START).unwrap().map(|record| record[HEADER..].to_vec())
}

/// The first epoch, after the handshake.
pub fn epoch(mut noise: HandshakeState, shared: &KemSecret) -> (TransportState, HandshakeHash, Secret) {
    let hash = HandshakeHash(noise.get_handshake_hash().try_into().unwrap());
    let mut split = SplitKeys { i2r: secret(0), r2i: secret(0) };
    (*split.i2r.expose_mut(), *split.r2i.expose_mut()) = noise.dangerously_get_raw_split();
    let epoch = Epoch::new(0, &hash, &split, shared);
    let keys = epoch.keys().unwrap();
    let mut noise = noise.into_transport_mode().unwrap();
    noise.rekey_manually(Some(keys.i2r.expose()), Some(keys.r2i.expose()));
    (noise, hash, epoch.resume_psk().unwrap())
}

/// A record with that body.
pub fn framed(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u16).to_be_bytes(), body].concat()
}

impl Peer {
    /// A session of the given role at the given stage.
    pub fn new(role: Role, stage: Stage) -> Self {
        let (session, Some((noise, shared))) = shake(role, |_| ()) else { panic!("refused") };
        let (noise, hash, _) = epoch(noise, &shared);
        let (last, told, user) = (vec![0; SMALL_FRAME], Told::default(), User::default());
        let heard = Heard { opened: role == Role::Initiator, ..Heard::default() };
        let mut peer =
            Self { session, role, noise, hash, now: START, last, told, user, heard, files: Files::default() };
        if stage != Stage::Established {
            peer.session.admit();
            peer.listen();
            if role == Role::Initiator {
                peer.tell([&[SAS_OPEN, 0, 32], [NONCE; 32].as_slice()].concat());
            }
        }
        if stage == Stage::Open {
            peer.enter(true);
            peer.tell(vec![VERIFIED, 0, 0]);
            peer.listen();
            peer.answer();
        }
        assert_eq!(peer.session.stage(), stage);
        peer
    }

    /// Every two bytes are a frame about files, or something that the user does with them.
    pub fn play_files(mut self, bytes: &[u8]) {
        let mut bytes = bytes.iter().copied();
        while let (Some(step), Some(size)) = (bytes.next(), bytes.next()) {
            let (kind, mut number) = (FILE_OFFER + step % 8, || u32::from(bytes.next().unwrap_or_default()) % 4);
            let entry = [number().to_be_bytes(), number().to_be_bytes()].concat();
            let mut long = || u64::from(number() + 4 * number()).to_be_bytes();
            let content = match kind {
                FILE_OFFER => [&entry[..], &long(), &b"name"[..usize::from(size) % 5]].concat(),
                FILE_ACCEPT => [&entry[..], &long(), &[size; 32]].concat(),
                FILE_BEGIN => [&entry[..], &long(), &[size % 2], b"n"].concat(),
                FILE_DATA => [&entry[..], &long(), &vec![size; usize::from(size % 8)]].concat(),
                FILE_END => [&entry[..], &[size; 32]].concat(),
                FILE_SEEN => [&entry[..], &long()].concat(),
                FILE_DONE => [&entry[..], &[size % 2]].concat(),
                _ => [&entry[..4], &[size]].concat(),
            };
            match step / 8 % 4 {
                0 => self.files.act(size, &mut self.session),
                1 => self.listen(),
                _ => self.tell([&[kind, 0, content.len() as u8], &content[..]].concat()),
            }
        }
        self.listen();
    }

    /// Every two bytes are something that the peer, the user or the clock does.
    pub fn play(mut self, bytes: &[u8]) {
        let mut bytes = bytes.iter().copied();
        while let (Some(step), Some(size)) = (bytes.next(), bytes.next()) {
            let mut content = || bytes.by_ref().take(size.into()).collect();
            match step % 7 {
                0 => self.tell(content()),
                1 => self.tell_oddly(step / 7, content()),
                2 => (0..size % 64).for_each(|_| self.seal(self.last.clone())),
                3 => self.tell_text(step / 7 % 2, size),
                4 => self.act(size % 8, size / 8),
                5 => self.pass(Duration::from_millis(100) * size.into()),
                _ => {
                    self.listen();
                    if step / 7 % 2 == 1 {
                        self.answer();
                    }
                }
            }
        }
        self.listen();
    }

    /// A frame that begins as given.
    fn tell(&mut self, mut frame: Vec<u8>) {
        frame.resize(SMALL_FRAME, 0);
        self.seal(frame);
    }

    /// The same with its content filled up, and perhaps in a large record or with padding that is not zero.
    fn tell_oddly(&mut self, how: u8, mut frame: Vec<u8>) {
        let end = HEAD + announced(&frame);
        frame.resize(frame.len().max(end), b'x');
        frame.resize(if how & 1 == 0 { SMALL_FRAME } else { LARGE_FRAME }, 0);
        if let (Some(last), true) = (frame.last_mut(), how & 2 != 0) {
            *last = 1;
        }
        self.seal(frame);
    }

    /// A PONG to the PING that waits for one.
    fn answer(&mut self) {
        if let Some(token) = self.heard.ping {
            self.tell([&[PONG, 0, 8], &token[..]].concat());
        }
    }

    /// A part of the text that is due.
    fn tell_text(&mut self, more: u8, size: u8) {
        let part = vec![b'x'; TEXT_PART.min(usize::from(size) * 5)];
        let length = (9 + part.len() as u16).to_be_bytes();
        self.tell([&[TEXT], &length[..], &(self.told.texts as u32).to_be_bytes(), &[0, 0, 0, 0, more], &part].concat());
    }

    fn seal(&mut self, plaintext: Vec<u8>) {
        let before = self.session.stage();
        if is_over(before) {
            return;
        }
        let fate = self.fate(before, &plaintext);
        let mut body = vec![0; plaintext.len() + TAG];
        assert_eq!(self.noise.write_message(&plaintext, &mut body), Ok(body.len()));
        self.noise.rekey_outgoing();
        let record = framed(&body);
        let mut rest = record.as_slice();
        while !rest.is_empty() {
            let _ = self.session.receive(&mut rest, self.now);
            while let Some(event) = self.session.event() {
                self.judge_event(event, before, plaintext[0]);
            }
        }
        let after = self.session.stage();
        assert!(after as u8 >= before as u8);
        match fate {
            Fate::Ends => assert_eq!(after, Stage::Closed),
            Fate::Leaves if self.is_settled() => assert_eq!(after, Stage::Closed),
            Fate::Leaves => assert_eq!(after, Stage::Left),
            Fate::Passes => assert_ne!(after, Stage::Closed),
            Fate::Depends => {}
        }
        if after != Stage::Closed {
            let proves = before == Stage::Open && self.proves(&plaintext);
            assert!(!proves || self.told.proved);
            self.told.verified |= plaintext[0] == VERIFIED;
            self.told.midway |=
                plaintext[0] == TEXT && plaintext[HEAD + 8] == 1 && number(&plaintext) == self.told.texts;
            if plaintext[0] == PING && before == Stage::Open {
                self.told.pings.extend(plaintext[HEAD..].first_chunk::<8>());
            }
        }
        if before == Stage::Open && plaintext[0] == PONG && self.answers(&plaintext) {
            self.heard.ping = None;
        }
        self.last = plaintext;
    }

    /// Whether only an open room sends that frame, in an open room.
    fn proves(&self, plaintext: &[u8]) -> bool {
        match plaintext[0] {
            PAD | PING => false,
            PONG => self.answers(plaintext),
            _ => true,
        }
    }

    /// Whether a PONG is to the PING that waits for one.
    fn answers(&self, pong: &[u8]) -> bool {
        self.heard.ping.is_some_and(|token| pong[HEAD..].starts_with(&token))
    }

    /// Whether every text was receipted.
    fn is_settled(&self) -> bool {
        self.heard.receipts == self.told.texts
    }

    /// docs/PROTOCOL.md, section 7, as far as it can be told without the session's state.
    fn fate(&self, stage: Stage, plaintext: &[u8]) -> Fate {
        let (kind, end) = (plaintext[0], HEAD + announced(plaintext));
        let padded = plaintext.get(end..).is_some_and(|padding| padding.iter().all(|byte| *byte == 0));
        match stage {
            // Nothing is read any more.
            Stage::Left => return Fate::Passes,
            Stage::Leaving => return self.last_fate(plaintext),
            _ if !padded || plaintext.len() == LARGE_FRAME && kind != FILE_DATA => return Fate::Ends,
            _ => {}
        }
        let content = &plaintext[HEAD..end];
        let number = number(plaintext);
        match (stage, kind, content.len()) {
            (Stage::Established, ..) if self.role == Role::Responder => Fate::Depends,
            (Stage::Established, SAS_OPEN, _) if content == [NONCE; 32] => Fate::Passes,
            (Stage::Established, ..) => Fate::Ends,
            (_, PAD, 0) | (_, PING | PONG, 8) | (Stage::Open, EXTENSIONS.., _) => Fate::Passes,
            (Stage::Confirming, VERIFIED, 0) if !self.told.verified => Fate::Passes,
            (Stage::Open, BYE, 1) => Fate::Leaves,
            (_, BYE, _) => Fate::Ends,
            (Stage::Open, RK_ASK, 0) if self.role == Role::Initiator => Fate::Passes,
            (Stage::Open, RECEIPT, 4) if self.receipts(number) => Fate::Passes,
            (Stage::Open, FILE_CANCEL, 5) if content[4] > YOURS => Fate::Ends,
            (Stage::Open, FILE_CANCEL, 5) if content[4] < YOURS && number < self.files.offers as usize => Fate::Passes,
            (Stage::Open, FILE_OFFER..=FILE_CANCEL, _) => Fate::Depends,
            (Stage::Open, TEXT, 10..) if number == self.told.texts => Fate::Depends,
            (Stage::Open, TEXT, 9) if number == self.told.texts && content[8] == 0 => Fate::Depends,
            (Stage::Open, TEXT, 9..) if number < self.told.texts && !self.told.midway && content[8] < 2 => Fate::Passes,
            _ => Fate::Ends,
        }
    }

    /// The same once the session's own BYE is out: what can be read and is none of these few means nothing.
    fn last_fate(&self, plaintext: &[u8]) -> Fate {
        match Frame::decode(plaintext) {
            Err(_) | Ok(Frame::Bye { .. } | Frame::Rk2(_) | Frame::Rk3) => Fate::Ends,
            Ok(Frame::Receipt { id }) if !self.receipts(id as usize) => Fate::Ends,
            Ok(_) => Fate::Passes,
        }
    }

    /// Whether a RECEIPT with this number can be true.
    fn receipts(&self, number: usize) -> bool {
        number + 1 >= self.told.receipts && number < self.heard.texts
    }

    fn judge_event(&mut self, event: Event, before: Stage, kind: u8) {
        match event {
            Event::Text(text) => {
                assert!(before == Stage::Open && self.told.proved && kind == TEXT);
                assert!(text.id as usize == self.told.texts && text.text.len() <= delivery::TEXT);
                self.told.texts += 1;
                self.told.midway = false;
            }
            Event::Delivered(count) => {
                self.told.receipts += count;
                assert!(matches!(before, Stage::Open | Stage::Leaving) && self.told.proved && kind == RECEIPT);
                assert!(self.session.waiting() == self.user.said.len() - self.told.receipts);
            }
            event @ (Event::Sent(_) | Event::Received(_) | Event::Cancelled { .. }) => {
                assert!(before == Stage::Open && self.told.proved && (FILE_OFFER..=FILE_CANCEL).contains(&kind));
                self.files.judge_event(event, &mut self.session);
            }
            Event::Opened => {
                assert!(before == Stage::Open && self.user.confirmed && self.told.verified && self.heard.verified);
                assert!(!matches!(kind, PAD | PING | VERIFIED) && (kind != PONG || self.heard.ping.is_some()));
                assert!(!std::mem::replace(&mut self.told.proved, true));
            }
            Event::Code => {}
            Event::Verified | Event::ResumeKeys => panic!("by what is sent only, and no epoch ends"),
            Event::Resumed => panic!("nobody came back"),
            Event::Left(_) => {
                let after = self.session.stage();
                assert!(kind == BYE && matches!(after, Stage::Left | Stage::Closed));
                assert!(before != Stage::Open || self.told.proved);
            }
        }
    }

    fn act(&mut self, what: u8, size: u8) {
        match what {
            0 | 1 => self.enter(what == 0),
            2 | 3 => self.session.compared(what == 2),
            4 => self.session.leave(Farewell::Done),
            5 => {
                let text = "y".repeat(3 * usize::from(size).pow(2));
                if let Ok(id) = self.session.say(Zeroizing::new(text.clone()), self.now) {
                    assert!(self.user.confirmed && self.told.verified && id as usize == self.user.said.len());
                    self.user.said.push(text);
                }
            }
            6 => {
                self.session.shown(size.into());
                self.user.shown = self.user.shown.max(self.told.texts.min(usize::from(size) + 1));
            }
            _ => {
                self.session.admit();
                self.files.act(size, &mut self.session);
            }
        }
        self.user.confirmed |= what == 2 && self.session.is_confirmed();
        self.user.leaving |= what == 3 || what == 4;
    }

    fn enter(&mut self, right: bool) {
        let Some(code) = self.session.code() else { return };
        let half = if right { code.partner.to_string() } else { other_half(&code.partner) };
        match self.session.enter(&half) {
            Some(Verdict::Right) => {
                assert!(right);
                self.user.confirmed = true;
            }
            Some(Verdict::Wrong { tries_left }) => self.user.leaving |= tries_left == 0,
            _ => {}
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        let ended = self.session.tick(self.now).is_err();
        assert!(!ended || is_over(self.session.stage()));
    }

    /// Reads everything the session has to say.
    fn listen(&mut self) {
        while let Some(record) = self.session.transmit(self.now).unwrap() {
            let mut plaintext = [0; SMALL_FRAME];
            assert_eq!(self.noise.read_message(&record[HEADER..], &mut plaintext), Ok(SMALL_FRAME));
            self.noise.rekey_incoming();
            let frame = Frame::decode(&plaintext).unwrap();
            self.judge_sent(&frame);
            self.judge_frame(frame);
        }
        let mut record = Vec::new();
        while self.session.transmit_data(&mut record, self.now).unwrap() {
            let mut plaintext = [0; SMALL_FRAME];
            assert_eq!(self.noise.read_message(&record[HEADER..], &mut plaintext), Ok(SMALL_FRAME));
            self.noise.rekey_incoming();
            self.judge_frame(Frame::decode(&plaintext).unwrap());
            record.clear();
        }
        self.files.notice_ends(&mut self.session);
        assert!(keeps_time(&mut self.session, self.now));
        match self.session.stage() {
            // An idle room is proved, too.
            Stage::Open if !self.told.proved => {
                let Heard { ping, texts, part, .. } = &self.heard;
                assert!(ping.is_some() || *texts > 0 || !part.is_empty());
            }
            Stage::Left => assert!(!self.is_settled()),
            _ => {}
        }
    }

    /// What the session tells of what it has sent.
    fn judge_sent(&mut self, frame: &Frame<'_>) {
        let (mut code, mut verified) = (false, false);
        while let Some(event) = self.session.event() {
            match event {
                Event::Code => code = true,
                Event::Verified => verified = true,
                _ => panic!("nothing was received"),
            }
        }
        assert!(code == matches!(frame, Frame::SasOpen(_)) && verified == matches!(frame, Frame::Verified));
    }

    fn judge_frame(&mut self, frame: Frame<'_>) {
        let Self { role, told, user, heard, .. } = self;
        let open = heard.verified && told.verified;
        assert!(!heard.bye && (heard.opened || matches!(frame, Frame::SasOpen(_))));
        match frame {
            Frame::Pad => {}
            Frame::SasOpen(nonce) => {
                assert!(!std::mem::replace(&mut heard.opened, true));
                let mut secret = secret(0);
                *secret.expose_mut() = *nonce;
                let code = PairingCode::new(Role::Initiator, &PairingNonce(secret), &self.hash);
                assert!(self.session.code().is_some_and(|own| own.partner == code.own && own.own == code.partner));
            }
            Frame::Verified => assert!(user.confirmed && !std::mem::replace(&mut heard.verified, true)),
            Frame::Text { id, more, part, .. } => {
                assert!(open && id as usize == heard.texts);
                heard.part.extend_from_slice(part);
                if !more {
                    assert_eq!(std::mem::take(&mut heard.part), user.said[heard.texts].as_bytes());
                    heard.texts += 1;
                }
            }
            Frame::Receipt { id } => {
                assert!(open && (heard.receipts..user.shown).contains(&(id as usize)));
                heard.receipts = id as usize + 1;
            }
            Frame::Pong(token) => assert!(open && told.pings.contains(&token)),
            Frame::Bye { .. } => {
                assert!(user.leaving);
                heard.bye = true;
            }
            Frame::Ping(token) => assert!(open && heard.ping.replace(token).is_none()),
            Frame::RkAsk => assert!(open && *role == Role::Responder),
            Frame::Rk1(_) => assert!(open && *role == Role::Initiator),
            frame => {
                assert!(open);
                self.files.judge_frame(frame);
            }
        }
    }
}

enum Fate {
    Ends,
    /// Nothing more is read; receipts are still to be sent.
    Leaves,
    Passes,
    Depends,
}

/// The length in a frame's header.
fn announced(frame: &[u8]) -> usize {
    frame.get(1..HEAD).map_or(0, |length| usize::from(u16::from_be_bytes([length[0], length[1]])))
}

/// The number at the beginning of most frames' content.
fn number(frame: &[u8]) -> usize {
    frame[HEAD..].first_chunk().map_or(0, |number| u32::from_be_bytes(*number) as usize)
}
