//! The encrypted channel after the handshake: seal, open, REKEY after each frame.

use snow::TransportState;
use zeroize::{Zeroize as _, Zeroizing};

use super::error::Error;
use super::frame::{Frame, LARGE_FRAME, SMALL_FRAME};
use super::keys::TrafficKeys;
use super::record::{self, LARGE_BODY, Record, SMALL_BODY};

/// A counter at which a connection ends.
const LAST_COUNTER: u64 = 1 << 48;

/// One connection's two directions, each with a key and a counter of its own.
pub struct Channel {
    noise: TransportState,
    incoming: Box<Zeroizing<[u8; LARGE_FRAME]>>,
    /// How much of it holds what was opened and is not wiped.
    opened: usize,
    outgoing: Box<Zeroizing<[u8; LARGE_FRAME]>>,
    /// How much of it holds what was sealed and is not wiped.
    sealed: usize,
}

impl Channel {
    /// Replaces the keys of a finished Noise handshake by those that also rest on ML-KEM.
    pub fn new(noise: TransportState, keys: &TrafficKeys) -> Self {
        let mut channel = Self {
            noise,
            incoming: Box::new(Zeroizing::new([0; LARGE_FRAME])),
            opened: 0,
            outgoing: Box::new(Zeroizing::new([0; LARGE_FRAME])),
            sealed: 0,
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
        self.check_counter()?;
        let plaintext = self.outgoing.get_mut(..SMALL_FRAME).ok_or(Error::Primitive)?;
        frame.encode(plaintext)?;
        let record = record::small(|body| match self.noise.write_message(plaintext, body) {
            Ok(SMALL_BODY) => Ok(()),
            _ => Err(Error::Primitive),
        })?;
        self.noise.rekey_outgoing();
        let dirty = self.sealed.max(SMALL_FRAME);
        self.outgoing.get_mut(..dirty).unwrap_or_default().zeroize();
        self.sealed = 0;
        Ok(record)
    }

    /// Seals one frame of file data at the end of `out`. What it says is wiped with the next frame of another kind.
    pub fn seal_data(&mut self, frame: &Frame<'_>, large: bool, out: &mut Vec<u8>) -> Result<(), Error> {
        self.check_counter()?;
        let (length, sealed) = if large { (LARGE_FRAME, LARGE_BODY) } else { (SMALL_FRAME, SMALL_BODY) };
        let plaintext = self.outgoing.get_mut(..length).ok_or(Error::Primitive)?;
        frame.encode(plaintext)?;
        self.sealed = self.sealed.max(length);
        record::append(out, sealed, |body| match self.noise.write_message(plaintext, body) {
            Ok(written) if written == sealed => Ok(()),
            _ => Err(Error::Primitive),
        })?;
        self.noise.rekey_outgoing();
        Ok(())
    }

    fn check_counter(&self) -> Result<(), Error> {
        if self.noise.sending_nonce() < LAST_COUNTER { Ok(()) } else { Err(Error::Exhausted) }
    }

    /// Wipes what was opened.
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
        self.opened = self.opened.max(length);
        Frame::decode(self.incoming.get(..length).ok_or(Error::Forged)?)
    }
}
