//! The encrypted channel after the handshake: seal, open, REKEY after each frame.

use snow::TransportState;
use zeroize::{Zeroize as _, Zeroizing};

use super::error::Error;
use super::frame::{Frame, LARGE_FRAME, SMALL_FRAME};
use super::keys::TrafficKeys;
use super::record::{self, Record, SMALL_BODY};

/// A counter at which a connection ends.
const LAST_COUNTER: u64 = 1 << 48;

/// One connection's two directions, each with a key and a counter of its own.
pub struct Channel {
    noise: TransportState,
    incoming: Box<Zeroizing<[u8; LARGE_FRAME]>>,
    /// How much of it holds the frame that was opened last.
    opened: usize,
    outgoing: Box<Zeroizing<[u8; SMALL_FRAME]>>,
}

impl Channel {
    /// Replaces the keys of a finished Noise handshake by those that also rest on ML-KEM.
    pub fn new(noise: TransportState, keys: &TrafficKeys) -> Self {
        let mut channel = Self {
            noise,
            incoming: Box::new(Zeroizing::new([0; LARGE_FRAME])),
            opened: 0,
            outgoing: Box::new(Zeroizing::new([0; SMALL_FRAME])),
        };
        channel.switch_sending(keys);
        channel.switch_receiving(keys);
        channel
    }

    /// From the next frame on this side sends under new keys. The counter goes on.
    pub fn switch_sending(&mut self, keys: &TrafficKeys) {
        self.switch(keys, self.noise.is_initiator());
    }

    /// From the next frame on the partner sends under new keys. The counter goes on.
    pub fn switch_receiving(&mut self, keys: &TrafficKeys) {
        self.switch(keys, !self.noise.is_initiator());
    }

    fn switch(&mut self, keys: &TrafficKeys, from_initiator: bool) {
        if from_initiator {
            self.noise.rekey_initiator_manually(keys.i2r.expose());
        } else {
            self.noise.rekey_responder_manually(keys.r2i.expose());
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
        self.outgoing.as_mut_slice().zeroize();
        Ok(record)
    }

    /// Wipes the frame that was opened last.
    pub fn forget(&mut self) {
        if let Some(frame) = self.incoming.get_mut(..self.opened) {
            frame.zeroize();
        }
        self.opened = 0;
    }

    /// Opens the body of one record. After an error the channel must not be used again.
    pub fn open(&mut self, body: &[u8]) -> Result<Frame<'_>, Error> {
        if self.noise.receiving_nonce() >= LAST_COUNTER {
            return Err(Error::Exhausted);
        }
        let length = self.noise.read_message(body, self.incoming.as_mut_slice()).map_err(|_| Error::Forged)?;
        self.noise.rekey_incoming();
        self.opened = length;
        Frame::decode(self.incoming.get(..length).ok_or(Error::Forged)?)
    }
}
