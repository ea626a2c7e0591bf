//! A peer made by hand: after an honest handshake it seals any plaintext, right or wrong.

use std::sync::Arc;
use std::time::Duration;

use snow::TransportState;
use tete::protocol::frame::SMALL_FRAME;
use tete::protocol::handshake::{Mode, SharedSecret};
use tete::protocol::keys::{Commitment, Epoch, PairingNonce, Secret, StaticKey};
use tete::protocol::random::{OsRandom, Randomness as _};
use tete::protocol::record::HEADER;
use tete::protocol::session::{Role, Stage};

use crate::forge::{Forger, PREFACE_SECRET, encapsulate, random};
use crate::sessions::{Side, initiator, pairing, responder, secret, static_key};

/// Makes record 1 with this payload.
type Record1 = fn(&mut Forger, &[u8]) -> Vec<u8>;

const TAG: usize = 16;

/// How the two find each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// In mode 0x00.
    Code,
    /// In mode 0x01.
    Invite,
    /// In mode 0x02.
    Return,
}

/// The peer's end of an encrypted channel.
pub struct RawPeer {
    noise: TransportState,
    private: Secret,
    /// The room's secret.
    pub psk: Secret,
}

impl RawPeer {
    /// A peer and the session of the given role, both with the code and nothing confirmed.
    pub fn confirming(role: Role, now: Duration) -> (Self, Side) {
        let (mut peer, mut side, opening) = Self::established(role, now);
        match opening {
            Some(nonce) => side.take(&peer.seal(&frame(0x01, &nonce)), now),
            None => {
                side.session.admit();
                side.drain(now);
                assert_eq!(peer.open(&side.sent.pop_front().unwrap())[..3], [0x01, 0, 32]);
            }
        }
        assert_eq!((side.error, side.session.stage(), side.sent.len()), (None, Stage::Confirming, 0));
        (peer, side)
    }

    /// The same after the session's own user has checked the code and its VERIFIED is out.
    pub fn confirmed(role: Role, now: Duration) -> (Self, Side) {
        let (mut peer, mut side) = Self::confirming(role, now);
        side.session.compared(true);
        assert_eq!(peer.said(&mut side, now), [frame(0x02, &[])]);
        (peer, side)
    }

    /// The same in an open room.
    pub fn opened(role: Role, now: Duration) -> (Self, Side) {
        let (mut peer, mut side) = Self::confirmed(role, now);
        side.take(&peer.seal(&frame(0x02, &[])), now);
        peer.answer_ping(&mut side, now);
        assert_eq!((side.error, side.session.stage(), side.opened), (None, Stage::Open, true));
        (peer, side)
    }

    /// Answers the PING by which the session asks whether the room is open here, too.
    pub fn answer_ping(&mut self, side: &mut Side, now: Duration) {
        let mut asked = self.said(side, now);
        assert_eq!((asked.len(), asked[0][0]), (1, 0x06));
        asked[0][0] = 0x07;
        side.take(&self.seal(&asked[0]), now);
    }

    /// After the three records of the handshake; for an initiator also the nonce that it waits for.
    pub fn established(role: Role, now: Duration) -> (Self, Side, Option<[u8; 32]>) {
        let mut side = Side::new(match role {
            Role::Initiator => initiator(pairing(), now),
            Role::Responder => responder(pairing(), now),
        });
        let private = random();
        let noise = match role {
            Role::Initiator => Forger::responder(&private, &random()),
            Role::Responder => Forger::initiator(&private, &random()),
        };
        let (noise, epoch, nonce) = Self::shake(noise, &mut side, role, &private, Forger::record_1, &[], now);
        assert_eq!((side.error, side.session.stage()), (None, Stage::Established));
        (Self { noise, private: secret(&private), psk: epoch.resume_psk().unwrap() }, side, nonce)
    }

    /// Comes back into the room of `side` by a new connection, up to the frames after SAS_OPEN.
    pub fn come_back(&self, side: &mut Side, role: Role, now: Duration) -> Self {
        let (peer, mut back) = self.meet_again(side, role, now);
        assert!(back.session.take_over(&mut side.session, now));
        side.session = back.session;
        side.error = None;
        peer
    }

    /// The same, before the new connection has the room.
    pub fn meet_again(&self, side: &Side, role: Role, now: Duration) -> (Self, Side) {
        let (private, psk) = (*self.private.expose(), secret(self.psk.expose()));
        let mode = Mode::Resume(side.session.resume_key().unwrap());
        let mut back = Side::new(if role == Role::Initiator { initiator(mode, now) } else { responder(mode, now) });
        let noise = Forger::resuming(role == Role::Responder, &private, psk.expose());
        let (noise, _, nonce) = Self::shake(noise, &mut back, role, &private, Forger::record_1_resume, &[], now);
        let mut peer = Self { noise, private: secret(&private), psk };
        match nonce {
            Some(nonce) => back.take(&peer.seal(&frame(0x01, &nonce)), now),
            None => {
                back.session.admit();
                assert_eq!(peer.said(&mut back, now).len(), 1);
            }
        }
        assert_eq!((back.error, back.session.stage()), (None, Stage::Returning));
        (peer, back)
    }

    /// An initiator whose record 3 comes in one read with these frames, and the responder that took them.
    pub fn in_one_read(by: By, frames: &[Vec<u8>], now: Duration) -> (Self, Side) {
        let (private, psk) = (random(), random());
        let (mode, noise, record_1): (_, _, Record1) = match by {
            By::Code => (pairing(), Forger::initiator(&private, &random()), Forger::record_1),
            By::Invite => {
                let shared = SharedSecret { psk: secret(&psk), local: Arc::new(static_key()) };
                let noise = Forger::knowing(&PREFACE_SECRET, true, &private, &psk);
                (Mode::Secret(Arc::new(shared)), noise, Forger::record_1_secret)
            }
            By::Return => {
                let (peer, side) = Self::opened(Role::Responder, now);
                let (peer, back) = peer.comes_with(&side, frames, now);
                return (peer, back.into_room(side, now));
            }
        };
        let mut side = Side::new(responder(mode, now));
        let (noise, epoch, _) = Self::shake(noise, &mut side, Role::Responder, &private, record_1, frames, now);
        (Self { noise, private: secret(&private), psk: epoch.resume_psk().unwrap() }, side)
    }

    /// Comes back with these frames in one read with record 3, to a responder that has not taken the room over.
    fn comes_with(&self, side: &Side, frames: &[Vec<u8>], now: Duration) -> (Self, Side) {
        let (private, psk) = (*self.private.expose(), secret(self.psk.expose()));
        let mut back = Side::new(responder(Mode::Resume(side.session.resume_key().unwrap()), now));
        let noise = Forger::resuming(true, &private, psk.expose());
        let record_1 = Forger::record_1_resume;
        let (noise, ..) = Self::shake(noise, &mut back, Role::Responder, &private, record_1, frames, now);
        (Self { noise, private: secret(&private), psk }, back)
    }

    /// Runs the handshake, and returns n_R if the peer is the one to open it. The frames come in one read with record 3.
    fn shake(
        mut noise: Forger,
        side: &mut Side,
        role: Role,
        private: &[u8; 32],
        record_1: fn(&mut Forger, &[u8]) -> Vec<u8>,
        frames: &[Vec<u8>],
        now: Duration,
    ) -> (TransportState, Epoch, Option<[u8; 32]>) {
        let public = StaticKey::new(secret(private)).unwrap().public();
        if role == Role::Responder {
            let (key, kem) = OsRandom.kem_pair().unwrap();
            side.take(&record_1(&mut noise, key.as_slice()), now);
            side.drain(now);
            let payload = noise.read(&side.sent.pop_front().unwrap()[HEADER..]);
            let shared = kem.decapsulate(payload.first_chunk().unwrap()).unwrap();
            let mut read = noise.record_3(&random());
            let (mut noise, epoch) = noise.into_transport(&shared);
            frames.iter().for_each(|frame| read.extend(seal(&mut noise, frame)));
            side.take(&read, now);
            return (noise, epoch, None);
        }
        side.drain(now);
        let (ciphertext, shared) = encapsulate(&noise.read_1(&side.sent.pop_front().unwrap()));
        let nonce = PairingNonce(OsRandom.secret().unwrap());
        let commitment = Commitment::new(public, &nonce);
        side.take(&noise.record_2(&[&ciphertext, &commitment.0[..]].concat()), now);
        side.drain(now);
        noise.read(&side.sent.pop_front().unwrap()[HEADER..]);
        let (noise, epoch) = noise.into_transport(&shared);
        (noise, epoch, Some(*nonce.0.expose()))
    }

    /// The record around any plaintext.
    pub fn seal(&mut self, plaintext: &[u8]) -> Vec<u8> {
        seal(&mut self.noise, plaintext)
    }

    /// The plaintext of a record.
    pub fn open(&mut self, record: &[u8]) -> Vec<u8> {
        let mut plaintext = vec![0; record.len() - HEADER - TAG];
        assert_eq!(self.noise.read_message(&record[HEADER..], &mut plaintext).unwrap(), plaintext.len());
        self.noise.rekey_incoming();
        plaintext
    }

    /// Every frame that the session has to say now, with its padding.
    pub fn said(&mut self, side: &mut Side, now: Duration) -> Vec<Vec<u8>> {
        side.drain(now);
        side.sent.drain(..).map(|record| self.open(&record)).collect()
    }
}

fn seal(noise: &mut TransportState, plaintext: &[u8]) -> Vec<u8> {
    let length = plaintext.len() + TAG;
    let mut record = vec![0; HEADER + length];
    record[..HEADER].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
    assert_eq!(noise.write_message(plaintext, &mut record[HEADER..]).unwrap(), length);
    noise.rekey_outgoing();
    record
}

/// The plaintext of a small record with one frame in it.
pub fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
    padded(kind, content.len(), content, SMALL_FRAME)
}

/// A plaintext of `size` bytes whose length field says whatever it is told to.
pub fn padded(kind: u8, length: usize, content: &[u8], size: usize) -> Vec<u8> {
    let length = u16::try_from(length).unwrap().to_be_bytes();
    let mut plaintext = [&[kind], &length[..], content].concat();
    assert!(plaintext.len() <= size);
    plaintext.resize(size, 0);
    plaintext
}

/// A part of a text.
pub fn text(id: u32, flags: u8, part: &[u8]) -> Vec<u8> {
    frame(0x03, &[&id.to_be_bytes()[..], &[0, 0, 0, 0, flags], part].concat())
}
