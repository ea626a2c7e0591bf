//! A peer made by hand: after an honest handshake it seals any plaintext, right or wrong.

use std::time::Duration;

use snow::TransportState;
use tete::protocol::frame::SMALL_FRAME;
use tete::protocol::handshake::Mode;
use tete::protocol::keys::{Commitment, Epoch, PairingNonce, Secret, StaticKey};
use tete::protocol::random::{OsRandom, Randomness as _};
use tete::protocol::record::HEADER;
use tete::protocol::session::{Role, Stage};

use crate::forge::{Forger, encapsulate, random};
use crate::sessions::{Side, initiator, pairing, responder, secret};

const TAG: usize = 16;

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
        assert_eq!((side.error, side.session.stage()), (None, Stage::Open));
        (peer, side)
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
        let (noise, epoch, nonce) = Self::shake(noise, &mut side, role, &private, Forger::record_1, now);
        assert_eq!((side.error, side.session.stage()), (None, Stage::Established));
        (Self { noise, private: secret(&private), psk: epoch.resume_psk().unwrap() }, side, nonce)
    }

    /// Comes back into the room of `side` by a new connection, up to the frames after SAS_OPEN.
    pub fn come_back(&self, side: &mut Side, role: Role, now: Duration) -> Self {
        let (private, psk) = (*self.private.expose(), secret(self.psk.expose()));
        let mode = Mode::Resume(side.session.resume_key().unwrap());
        let mut back = Side::new(if role == Role::Initiator { initiator(mode, now) } else { responder(mode, now) });
        let noise = Forger::resuming(role == Role::Responder, &private, psk.expose());
        let (noise, _, nonce) = Self::shake(noise, &mut back, role, &private, Forger::record_1_resume, now);
        let mut peer = Self { noise, private: secret(&private), psk };
        match nonce {
            Some(nonce) => back.take(&peer.seal(&frame(0x01, &nonce)), now),
            None => {
                back.session.admit();
                assert_eq!(peer.said(&mut back, now).len(), 1);
            }
        }
        assert_eq!((back.error, back.session.stage()), (None, Stage::Returning));
        assert!(back.session.take_over(&mut side.session, now));
        side.session = back.session;
        side.error = None;
        peer
    }

    /// Runs the handshake, and returns n_R if the peer is the one to open it.
    fn shake(
        mut noise: Forger,
        side: &mut Side,
        role: Role,
        private: &[u8; 32],
        record_1: fn(&mut Forger, &[u8]) -> Vec<u8>,
        now: Duration,
    ) -> (TransportState, Epoch, Option<[u8; 32]>) {
        let public = StaticKey::new(secret(private)).unwrap().public();
        if role == Role::Responder {
            let (key, kem) = OsRandom.kem_pair().unwrap();
            side.take(&record_1(&mut noise, key.as_slice()), now);
            side.drain(now);
            let payload = noise.read(&side.sent.pop_front().unwrap()[HEADER..]);
            let shared = kem.decapsulate(payload.first_chunk().unwrap()).unwrap();
            side.take(&noise.record_3(&random()), now);
            let (noise, epoch) = noise.into_transport(&shared);
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
        let length = plaintext.len() + TAG;
        let mut record = vec![0; HEADER + length];
        record[..HEADER].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        assert_eq!(self.noise.write_message(plaintext, &mut record[HEADER..]).unwrap(), length);
        self.noise.rekey_outgoing();
        record
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
