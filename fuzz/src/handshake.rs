//! Strangers, and peers whose handshake is authentic and otherwise wrong.

use std::sync::OnceLock;

use tete::protocol::delivery::SayError;
use tete::protocol::error::Error;
use tete::protocol::handshake::Initiator;
use tete::protocol::random::{CIPHERTEXT, OsRandom};
use tete::protocol::record::{Record, SMALL};
use tete::protocol::session::{HANDSHAKE, Role, Session, Stage};
use zeroize::Zeroizing;

use crate::peer::shake;
use crate::{START, mode, pieces, session};

/// The session that awaits the handshake record of that number gets these bytes, and stays in the handshake.
pub fn stranger(awaited: u8, bytes: &[u8], cuts: &[u8]) {
    let mut session = session(if awaited == 2 { Role::Initiator } else { Role::Responder });
    if awaited == 3 {
        assert!(session.receive(&mut record_1().as_slice(), START).is_ok());
    }
    let sent = |session: &mut Session| std::iter::from_fn(|| session.transmit(START).unwrap()).count();
    assert_eq!(sent(&mut session), usize::from(awaited != 1));
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().max(SMALL), 0);
    for mut piece in pieces(&bytes, cuts) {
        while !piece.is_empty() {
            let result = session.receive(&mut piece, START);
            assert!(session.event().is_none() && !matches!(result, Err(Error::Primitive)));
        }
        knows_nothing(&mut session);
    }
    assert!(sent(&mut session) <= usize::from(awaited == 1));
    let expired = session.tick(START + HANDSHAKE).is_err();
    assert!(!expired || session.stage() == Stage::Closed);
    knows_nothing(&mut session);
}

fn knows_nothing(session: &mut Session) {
    assert!(matches!(session.stage(), Stage::Handshake | Stage::Closed));
    assert!(session.code().is_none() && session.keys().is_none() && session.enter("01234567").is_none());
    assert_eq!(session.say(Zeroizing::default(), START), Err(SayError::NotOpen));
}

fn record_1() -> &'static Record {
    static RECORD: OnceLock<Record> = OnceLock::new();
    RECORD.get_or_init(|| Initiator::start(mode(Role::Initiator), &mut OsRandom).unwrap().1)
}

/// A session of that role takes the last message of an authentic peer, its payload changed, if the padding is zero.
pub fn authentic(role: Role, change: &[u8]) {
    let Some((place, change)) = change.split_first_chunk() else { return };
    let mut zero = true;
    let (session, _) = shake(role, |payload| {
        let place = usize::from(u16::from_be_bytes(*place)) % payload.len();
        payload[place..].iter_mut().zip(change).for_each(|(byte, change)| *byte ^= change);
        let used = if role == Role::Initiator { CIPHERTEXT } else { 0 };
        zero = payload[used + 32 + 4..].iter().all(|byte| *byte == 0);
    });
    assert_eq!(session.stage(), if zero { Stage::Established } else { Stage::Closed });
}
