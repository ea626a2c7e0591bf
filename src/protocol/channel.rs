//! The encrypted channel after the handshake: seal, open, REKEY after each frame.

use snow::TransportState;
use zeroize::Zeroizing;

use super::error::Error;
use super::frame::{Frame, LARGE_FRAME, SMALL_FRAME};
use super::keys::TrafficKey;
use super::record::{self, Record, SMALL_BODY};

/// A counter at which a connection ends.
const LAST_COUNTER: u64 = 1 << 48;

/// One connection's two directions, each with a key and a counter of its own.
pub struct Channel {
    noise: TransportState,
    incoming: Box<Zeroizing<[u8; LARGE_FRAME]>>,
    outgoing: Box<Zeroizing<[u8; SMALL_FRAME]>>,
}

impl Channel {
    /// Replaces the keys of a finished Noise handshake by those that also rest on ML-KEM.
    pub fn new(mut noise: TransportState, i2r: &TrafficKey, r2i: &TrafficKey) -> Self {
        noise.rekey_manually(Some(i2r.expose()), Some(r2i.expose()));
        Self {
            noise,
            incoming: Box::new(Zeroizing::new([0; LARGE_FRAME])),
            outgoing: Box::new(Zeroizing::new([0; SMALL_FRAME])),
        }
    }

    /// Seals one frame into the record that carries it.
    pub fn seal(&mut self, frame: &Frame<'_>) -> Result<Record, Error> {
        if self.noise.sending_nonce() >= LAST_COUNTER {
            return Err(Error::Exhausted);
        }
        frame.encode(&mut self.outgoing)?;
        let record = record::small(|body| match self.noise.write_message(self.outgoing.as_slice(), body) {
            Ok(SMALL_BODY) => Ok(()),
            _ => Err(Error::Primitive),
        })?;
        self.noise.rekey_outgoing();
        Ok(record)
    }

    /// Opens the body of one record. After an error the channel must not be used again.
    pub fn open(&mut self, body: &[u8]) -> Result<Frame<'_>, Error> {
        if self.noise.receiving_nonce() >= LAST_COUNTER {
            return Err(Error::Exhausted);
        }
        let length = self.noise.read_message(body, self.incoming.as_mut_slice()).map_err(|_| Error::Forged)?;
        self.noise.rekey_incoming();
        Frame::decode(self.incoming.get(..length).ok_or(Error::Forged)?)
    }
}
