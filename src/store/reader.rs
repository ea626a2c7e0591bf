//! Reads one batch of ours, entry after entry as the partner asks for them.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::mpsc;

use super::source::{Entry, Source, State};
use crate::protocol::frame::Hash;
use crate::protocol::transfer::{BROKEN, Content, Item, UNKNOWN, WINDOW};

/// Bytes read at once.
const CHUNK: usize = 128 << 10;

/// What the partner wants of an entry.
pub struct Wanted {
    /// Which one.
    pub index: u32,
    /// Bytes the partner has.
    pub offset: u64,
    /// Their hash.
    pub prefix: Hash,
}

/// What was read.
pub enum Read {
    /// The next of what is to be sent.
    Item(Item),
    /// What the partner has of an entry is not what it now begins with: it starts anew.
    Anew(u32),
    /// An entry could not be read whole.
    Failed(u32, ReadError),
}

/// Why an entry could not be read whole.
#[derive(thiserror::Error, Debug)]
pub enum ReadError {
    /// The system failed to open or read the file.
    #[error("cannot be read")]
    Disk(#[source] io::Error),
    /// The file has changed since it was offered.
    #[error("the file has changed")]
    Changed,
    /// The part of a stream that the partner lacks is no longer kept.
    #[error("a part of the stream is gone")]
    Stream,
}

/// The thread's end on the driver's side. Dropping it ends the thread.
pub struct Reader {
    wanted: Sender<(u64, Wanted)>,
    shared: Arc<Shared>,
    run: u64,
}

/// What the thread looks at while it reads.
#[derive(Default)]
struct Shared {
    /// Number of the connection that is read for; of none when there is no reader.
    run: AtomicU64,
    /// One more than the entry that is not wanted any longer.
    refused: AtomicU64,
    /// How far the partner has dealt with the stream.
    seen: AtomicU64,
}

impl Reader {
    /// Starts the thread. What it has read comes with the number of the connection it was read for.
    pub fn start(source: Arc<Source>) -> (Self, mpsc::Receiver<(u64, Read)>) {
        let (wanted, todo) = channel();
        let (out, read) = mpsc::channel(4);
        let shared = Arc::new(Shared::default());
        let reading = Reading { source, shared: Arc::clone(&shared), out, stream: None, run: 0 };
        std::thread::spawn(move || reading.run(&todo));
        (Self { wanted, shared, run: 0 }, read)
    }

    /// Reads an entry once those before it are read. The protocol lets each be wanted once a connection.
    pub fn want(&self, wanted: Wanted) {
        let _ = self.wanted.send((self.run, wanted));
    }

    /// The entry is not wanted any longer.
    pub fn refused(&self, index: u32) {
        self.shared.refused.store(u64::from(index) + 1, Ordering::Relaxed);
    }

    /// The partner has dealt with an entry up to there.
    pub fn seen(&self, offset: u64) {
        self.shared.seen.store(offset, Ordering::Relaxed);
    }

    /// The connection of that number is there: what was wanted before is not any longer.
    pub fn set_run(&mut self, run: u64) {
        self.run = run;
        self.shared.run.store(run, Ordering::Relaxed);
        self.shared.refused.store(0, Ordering::Relaxed);
    }

    /// Whether what was read is for the connection that there is.
    pub fn is_current(&self, run: u64) -> bool {
        self.run == run
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.run.store(u64::MAX, Ordering::Relaxed);
    }
}

struct Reading {
    source: Arc<Source>,
    shared: Arc<Shared>,
    out: mpsc::Sender<(u64, Read)>,
    stream: Option<Stream>,
    run: u64,
}

/// Standard input, and what may have to be sent again.
#[derive(Default)]
struct Stream {
    /// Hash of all before `start`.
    before: blake3::Hasher,
    start: u64,
    kept: VecDeque<Vec<u8>>,
    ended: bool,
}

/// Nobody wants what is read any longer.
struct Unwanted;

impl Reading {
    fn run(mut self, todo: &Receiver<(u64, Wanted)>) {
        while let Ok((run, wanted)) = todo.recv() {
            self.run = run;
            // What is not wanted any longer is simply not read to its end.
            let _ = if self.source.root.is_some() { self.file(&wanted) } else { self.stream(&wanted) };
        }
    }

    fn send(&self, read: Read) -> Result<(), Unwanted> {
        self.out.blocking_send((self.run, read)).map_err(|_| Unwanted)
    }

    fn check(&self, index: u32) -> Result<(), Unwanted> {
        let refused = self.shared.refused.load(Ordering::Relaxed) == u64::from(index) + 1;
        if refused || self.shared.run.load(Ordering::Relaxed) != self.run { Err(Unwanted) } else { Ok(()) }
    }

    fn file(&self, wanted: &Wanted) -> Result<(), Unwanted> {
        self.check(wanted.index)?;
        let Some(entry) = self.source.entries.get(wanted.index as usize) else { return Ok(()) };
        if let Err(failure) = self.read(wanted, entry)? {
            self.fail(wanted.index, failure)?;
        }
        Ok(())
    }

    /// An entry that cannot be sent ends with a hash that nothing has.
    fn fail(&self, index: u32, failure: ReadError) -> Result<(), Unwanted> {
        self.send(Read::Failed(index, failure))?;
        self.send(Read::Item(Item::End { index, hash: BROKEN }))
    }

    fn read(&self, wanted: &Wanted, entry: &Entry) -> Result<Result<(), ReadError>, Unwanted> {
        let index = wanted.index;
        let opened = self.source.root.as_ref().ok_or(io::ErrorKind::NotFound.into());
        let opened = opened.and_then(|root| root.open(entry));
        let opened = opened.and_then(|file| file.metadata().map(|metadata| (file, State::of(&metadata))));
        let begin =
            |size| Read::Item(Item::Begin { index, size, executable: entry.executable, path: self.source.path(entry) });
        let (mut file, state) = match opened {
            // More than was offered would be refused.
            Ok((_, state)) if state.size > entry.state.size => {
                self.send(begin(0))?;
                return Ok(Err(ReadError::Changed));
            }
            Ok(opened) => opened,
            Err(error) => {
                self.send(begin(0))?;
                return Ok(Err(ReadError::Disk(error)));
            }
        };
        let (mut hasher, mut at) = (blake3::Hasher::new(), 0);
        if wanted.offset > 0 {
            match self.prefix(&mut file, wanted)? {
                Ok(Some(prefix)) => (hasher, at) = (prefix, wanted.offset),
                Ok(None) => self.send(Read::Anew(index))?,
                Err(_) => {}
            }
            if let Err(error) = file.seek(SeekFrom::Start(at)) {
                self.send(begin(0))?;
                return Ok(Err(ReadError::Disk(error)));
            }
        }
        self.send(begin(state.size))?;
        while at < state.size {
            self.check(index)?;
            let mut bytes = Content(Vec::with_capacity(CHUNK.min(usize::try_from(state.size - at).unwrap_or(CHUNK))));
            let most = (bytes.0.capacity() as u64).min(state.size - at);
            match (&file).take(most).read_to_end(&mut bytes.0) {
                Ok(0) => return Ok(Err(ReadError::Changed)),
                Ok(count) => {
                    hasher.update(&bytes.0);
                    self.send(Read::Item(Item::Data { index, offset: at, bytes }))?;
                    at += count as u64;
                }
                Err(error) => return Ok(Err(ReadError::Disk(error))),
            }
        }
        if file.metadata().map(|metadata| State::of(&metadata)).ok() != Some(state) {
            return Ok(Err(ReadError::Changed));
        }
        self.send(Read::Item(Item::End { index, hash: *hasher.finalize().as_bytes() }))?;
        Ok(Ok(()))
    }

    /// The state of the hash after what the partner has, if that is what the file begins with.
    fn prefix(&self, file: &mut File, wanted: &Wanted) -> Result<io::Result<Option<blake3::Hasher>>, Unwanted> {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = Content(vec![0; CHUNK]);
        let mut left = wanted.offset;
        while left > 0 {
            self.check(wanted.index)?;
            let most = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            match file.read(buffer.0.get_mut(..most).unwrap_or_default()) {
                Ok(0) => return Ok(Ok(None)),
                Ok(count) => {
                    hasher.update(buffer.0.get(..count).unwrap_or_default());
                    left -= count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(Err(error)),
            }
        }
        let same = hasher.finalize() == blake3::Hash::from_bytes(wanted.prefix);
        Ok(Ok(same.then_some(hasher)))
    }

    fn stream(&mut self, wanted: &Wanted) -> Result<(), Unwanted> {
        let mut stream = self.stream.take().unwrap_or_default();
        let read = self.read_stream(&mut stream, wanted);
        self.stream = Some(stream);
        read
    }

    fn read_stream(&self, stream: &mut Stream, wanted: &Wanted) -> Result<(), Unwanted> {
        let index = wanted.index;
        self.send(Read::Item(Item::Begin { index, size: UNKNOWN, executable: false, path: self.source.name.clone() }))?;
        // What the partner has is still known only as far back as it said so.
        let Some(mut hasher) = stream.hash_to(wanted.offset, &wanted.prefix) else {
            return self.fail(index, ReadError::Stream);
        };
        let mut at = wanted.offset;
        let mut again = stream.from(at);
        loop {
            self.check(index)?;
            let bytes = match again.pop_front() {
                Some(bytes) => bytes,
                None if stream.ended => break,
                None => match read_some() {
                    Ok(bytes) if bytes.is_empty() => {
                        stream.ended = true;
                        break;
                    }
                    Ok(bytes) => {
                        stream.kept.push_back(bytes.clone());
                        bytes
                    }
                    Err(error) => return self.fail(index, ReadError::Disk(error)),
                },
            };
            hasher.update(&bytes);
            let offset = at;
            at += bytes.len() as u64;
            self.send(Read::Item(Item::Data { index, offset, bytes: Content(bytes) }))?;
            stream.forget(self.shared.seen.load(Ordering::Relaxed));
        }
        self.send(Read::Item(Item::End { index, hash: *hasher.finalize().as_bytes() }))
    }
}

/// What standard input has now; nothing at its end.
fn read_some() -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; CHUNK];
    loop {
        match io::stdin().lock().read(&mut bytes) {
            Ok(count) => {
                bytes.truncate(count);
                return Ok(bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl Stream {
    /// The state of the hash after so many bytes, if they are those with that hash and the next are still there.
    fn hash_to(&self, offset: u64, prefix: &Hash) -> Option<blake3::Hasher> {
        let mut left = offset.checked_sub(self.start)?;
        let mut hasher = self.before.clone();
        for bytes in &self.kept {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            hasher.update(bytes.get(..most)?);
            left -= most as u64;
        }
        (left == 0 && hasher.finalize() == blake3::Hash::from_bytes(*prefix)).then_some(hasher)
    }

    /// What is kept from there on.
    fn from(&self, offset: u64) -> VecDeque<Vec<u8>> {
        let mut skip = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let mut out = VecDeque::new();
        for bytes in &self.kept {
            let rest = bytes.get(skip..).unwrap_or_default();
            skip = skip.saturating_sub(bytes.len());
            if !rest.is_empty() {
                out.push_back(rest.to_vec());
            }
        }
        out
    }

    /// The partner will not ask again for what lies before. More than the window cannot be missing.
    fn forget(&mut self, seen: u64) {
        while let Some(bytes) = self.kept.front().filter(|bytes| self.start + bytes.len() as u64 <= seen) {
            self.before.update(bytes);
            self.start += bytes.len() as u64;
            self.kept.pop_front();
        }
        debug_assert!(self.kept.iter().map(Vec::len).sum::<usize>() as u64 <= WINDOW + (4 << 20));
    }
}
