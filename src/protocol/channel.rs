//! The encrypted channel after the handshake, with a REKEY after each frame (docs/PROTOCOL.md, section 5).

use snow::TransportState;
use zeroize::{Zeroize as _, Zeroizing};

use super::error::Error;
use super::frame::{Frame, LARGE_FRAME, SMALL_FRAME};
use super::keys::TrafficKeys;
use super::record::{self, LARGE_BODY, Record, SMALL_BODY};

/// The counter at which a connection ends.
const LAST_COUNTER: u64 = 1 << 48;

/// The two directions of one connection, each with a key and a counter of its own.
pub struct Channel {
    noise: TransportState,
    incoming: Box<Zeroizing<[u8; LARGE_FRAME]>>,
    /// Bytes of `incoming` that hold plaintext which is not wiped yet.
    opened: usize,
    outgoing: Box<Zeroizing<[u8; LARGE_FRAME]>>,
    /// Bytes of `outgoing` that hold plaintext which is not wiped yet.
    sealed: usize,
}

impl Channel {
    /// A channel that replaces the keys of a finished Noise handshake by `keys`, which also rest on ML-KEM.
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

    /// Switches the sending direction to new keys, from the next frame on. The counter continues.
    pub fn switch_sending(&mut self, keys: &TrafficKeys) {
        self.switch(keys, self.noise.is_initiator());
    }

    /// Switches the receiving direction to new keys, from the next frame on. The counter continues.
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

    /// Encrypts one frame into a small record.
    ///
    /// # Errors
    ///
    /// [`Error::Exhausted`] at the last counter, [`Error::Frame`] if the frame does not fit.
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

    /// Encrypts one frame of file data and appends the record to `out`.
    ///
    /// The plaintext stays in the channel's buffer until [`seal`](Self::seal) wipes it, so that a run of
    /// file data is wiped once. Fails as `seal` does.
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

    /// Wipes the plaintext of the frame that was opened last.
    pub fn forget(&mut self) {
        if let Some(frame) = self.incoming.get_mut(..self.opened) {
            frame.zeroize();
        }
        self.opened = 0;
    }

    /// Decrypts the body of one record and parses its frame.
    ///
    /// # Errors
    ///
    /// [`Error::Forged`] if the body does not verify, [`Error::Frame`] if the frame cannot be parsed,
    /// [`Error::Exhausted`] at the last counter. The channel must not be used again after any of them.
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
