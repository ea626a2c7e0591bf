//! A thread that reads one batch for sending, entry after entry as the partner asks for them.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use tokio::sync::mpsc;

use super::source::{Entry, Source, State};
use crate::protocol::frame::{EntryKind, Hash};
use crate::protocol::transfer::{BROKEN, Content, Item, NOTHING, UNKNOWN, WINDOW};
use crate::thread;

/// Number of bytes that are read at once.
const CHUNK: usize = 128 << 10;
/// Number of bytes that take so long to compare that it is reported.
const LONG: u64 = 64 << 20;

/// The partner's request for an entry.
pub struct Wanted {
    /// Number of the entry in the batch.
    pub index: u32,
    /// Number of bytes that the partner has already.
    pub offset: u64,
    /// Hash of the bytes that the partner has already.
    pub prefix: Hash,
}

/// An event from the thread.
pub enum Read {
    /// The next item to send.
    Item(Item),
    /// What the partner has of an entry, by its number, is compared with it, which takes a while.
    Checking(u32),
    /// An entry, by its number, does not begin with the bytes that the partner has, and is sent from the start.
    Anew(u32),
    /// An entry, by its number, could not be read whole. It ends with [`BROKEN`].
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

/// The handle of the thread. Dropping it ends the thread.
pub struct Reader {
    wanted: Sender<(u64, Wanted)>,
    shared: Arc<Shared>,
    run: u64,
}

/// State that the thread looks at while it reads.
#[derive(Default)]
struct Shared {
    /// Number of the current connection; `u64::MAX` when the reader was dropped.
    run: AtomicU64,
    /// One more than the number of the entry that is not wanted any longer.
    refused: AtomicU64,
    /// Offset up to which the partner has handled the stream.
    seen: AtomicU64,
}

impl Reader {
    /// Starts the thread. Each event comes with the number of the connection it was read for.
    ///
    /// # Errors
    ///
    /// The system has no room for another thread.
    pub fn start(source: Arc<Source>) -> io::Result<(Self, mpsc::Receiver<(u64, Read)>)> {
        let (wanted, todo) = channel();
        let (out, read) = mpsc::channel(4);
        let shared = Arc::new(Shared::default());
        let reading = Reading { source, shared: Arc::clone(&shared), out, stream: None, run: 0 };
        thread::start(move || reading.run(&todo))?;
        Ok((Self { wanted, shared, run: 0 }, read))
    }

    /// Queues an entry to be read. The protocol lets each entry be wanted once on a connection.
    pub fn want(&self, wanted: Wanted) {
        let _ = self.wanted.send((self.run, wanted));
    }

    /// Stops reading an entry that the partner has refused.
    pub fn refused(&self, index: u32) {
        self.shared.refused.store(u64::from(index) + 1, Ordering::Relaxed);
    }

    /// Reports that the partner has handled the stream up to `offset`, so that less of it is kept.
    pub fn seen(&self, offset: u64) {
        self.shared.seen.store(offset, Ordering::Relaxed);
    }

    /// Starts a new connection: what was wanted on an earlier one is dropped.
    pub fn set_run(&mut self, run: u64) {
        self.run = run;
        self.shared.run.store(run, Ordering::Relaxed);
        self.shared.refused.store(0, Ordering::Relaxed);
    }

    /// Whether `run` is the number of the current connection.
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

/// Standard input, and the part of it that may have to be sent again.
#[derive(Default)]
struct Stream {
    /// Hash of everything before `start`.
    before: blake3::Hasher,
    start: u64,
    /// Joined where pieces are small, so that it takes little more memory than its bytes.
    kept: VecDeque<Content>,
    ended: bool,
}

/// Stops reading: the entry, or the connection it was for, is not wanted any longer.
struct Unwanted;

impl Reading {
    fn run(mut self, todo: &Receiver<(u64, Wanted)>) {
        while let Ok((run, wanted)) = todo.recv() {
            self.run = run;
            // An entry that is not wanted any longer is not read to its end.
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

    /// Ends an entry that cannot be sent whole, with a hash that nothing has.
    fn fail(&self, index: u32, failure: ReadError) -> Result<(), Unwanted> {
        self.send(Read::Failed(index, failure))?;
        self.send(Read::Item(Item::End { index, hash: BROKEN }))
    }

    fn read(&self, wanted: &Wanted, entry: &Entry) -> Result<Result<(), ReadError>, Unwanted> {
        let index = wanted.index;
        let begin = |size| Read::Item(Item::Begin { index, size, kind: entry.kind, path: self.source.path(entry) });
        let root = self.source.root.as_ref().ok_or(io::ErrorKind::NotFound.into());
        if entry.kind == EntryKind::Folder {
            self.send(begin(0))?;
            if let Err(error) = root.and_then(|root| root.check_folder(entry)) {
                return Ok(Err(ReadError::Disk(error)));
            }
            self.send(Read::Item(Item::End { index, hash: NOTHING }))?;
            return Ok(Ok(()));
        }
        let opened = root.and_then(|root| root.open(entry));
        let opened = opened.and_then(|file| file.metadata().map(|metadata| (file, State::of(&metadata))));
        let (mut file, state) = match opened {
            // The partner would refuse more than was offered.
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
        if wanted.offset >= LONG {
            self.send(Read::Checking(index))?;
        }
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
            let left = usize::try_from(state.size - at).unwrap_or(usize::MAX);
            let mut bytes = Content(Vec::with_capacity(CHUNK.min(left)));
            match rustix::io::read(&file, spare_capacity(&mut bytes.0)) {
                Ok(0) => return Ok(Err(ReadError::Changed)),
                Ok(_) => {
                    // The file may have grown, and the buffer have more room than was asked for.
                    bytes.0.truncate(left);
                    hasher.update(&bytes.0);
                    let offset = at;
                    at += bytes.0.len() as u64;
                    self.send(Read::Item(Item::Data { index, offset, bytes }))?;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Ok(Err(ReadError::Disk(error.into()))),
            }
        }
        // A size of 0 may mean that it is not known, as in /proc.
        let is_at_end = matches!((&file).read(&mut [0]), Ok(0));
        if !is_at_end || file.metadata().map(|metadata| State::of(&metadata)).ok() != Some(state) {
            return Ok(Err(ReadError::Changed));
        }
        self.send(Read::Item(Item::End { index, hash: *hasher.finalize().as_bytes() }))?;
        Ok(Ok(()))
    }

    /// Hashes the part that the partner has. `None` if the file does not begin with the same bytes.
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
        self.send(Read::Item(Item::Begin {
            index,
            size: UNKNOWN,
            kind: EntryKind::File,
            path: self.source.name.clone(),
        }))?;
        // The stream is kept only from the offset on that the partner has handled.
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
                        stream.keep(&bytes);
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

/// Reads what standard input has now. Empty at its end.
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
    /// Hashes the stream up to `offset`. `None` if the hash is not `prefix`, or the bytes behind it are no longer kept.
    fn hash_to(&self, offset: u64, prefix: &Hash) -> Option<blake3::Hasher> {
        let mut left = offset.checked_sub(self.start)?;
        let mut hasher = self.before.clone();
        for Content(bytes) in &self.kept {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            hasher.update(bytes.get(..most)?);
            left -= most as u64;
        }
        (left == 0 && hasher.finalize() == blake3::Hash::from_bytes(*prefix)).then_some(hasher)
    }

    /// Keeps bytes that were read.
    fn keep(&mut self, bytes: &[u8]) {
        match self.kept.back_mut().filter(|last| last.0.len() + bytes.len() <= CHUNK) {
            Some(last) => last.append(bytes),
            None => self.kept.push_back(Content(bytes.to_vec())),
        }
    }

    /// The kept bytes from `offset` on.
    fn from(&self, offset: u64) -> VecDeque<Vec<u8>> {
        let mut skip = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let mut out = VecDeque::new();
        for Content(bytes) in &self.kept {
            let rest = bytes.get(skip..).unwrap_or_default();
            skip = skip.saturating_sub(bytes.len());
            if !rest.is_empty() {
                out.push_back(rest.to_vec());
            }
        }
        out
    }

    /// Drops what lies before `seen`, for which the partner will not ask again. The window of the protocol bounds the rest.
    fn forget(&mut self, seen: u64) {
        while let Some(Content(bytes)) = self.kept.front().filter(|kept| self.start + kept.0.len() as u64 <= seen) {
            self.before.update(bytes);
            self.start += bytes.len() as u64;
            self.kept.pop_front();
        }
        debug_assert!(self.kept.iter().map(|kept| kept.0.len()).sum::<usize>() as u64 <= WINDOW + (4 << 20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_that_takes_a_while_is_reported_before_it_begins() {
        let path = std::env::temp_dir().join(format!("tete-reader-{}", std::process::id()));
        File::create(&path).unwrap().set_len(LONG + 1).unwrap();
        let source = Arc::new(Source::find(&path).unwrap());
        for (offset, reported) in [(LONG - 1, false), (LONG, true)] {
            let (reader, mut read) = Reader::start(Arc::clone(&source)).unwrap();
            let mut prefix = blake3::Hasher::new();
            prefix.update(&vec![0; offset as usize]);
            reader.want(Wanted { index: 0, offset, prefix: *prefix.finalize().as_bytes() });
            let mut next = || read.blocking_recv().unwrap().1;
            if reported {
                assert!(matches!(next(), Read::Checking(0)));
            }
            assert!(matches!(next(), Read::Item(Item::Begin { index: 0, .. })));
            assert!(matches!(next(), Read::Item(Item::Data { offset: from, .. }) if from == offset));
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_is_kept_of_a_stream_takes_little_more_memory_than_its_bytes() {
        let mut stream = Stream::default();
        let content: Vec<u8> = (0..3 * CHUNK).map(|place| (place % 251) as u8).collect();
        content.chunks(1).for_each(|piece| stream.keep(piece));
        let memory: usize = stream.kept.iter().map(|kept| kept.0.capacity() + size_of::<Content>()).sum();
        assert!(memory <= 2 * content.len(), "{memory}");
        // Nothing is lost by it.
        for offset in [0, 1, CHUNK, CHUNK + 5] {
            let prefix = *blake3::hash(&content[..offset]).as_bytes();
            assert!(stream.hash_to(offset as u64, &prefix).is_some());
            assert_eq!(stream.from(offset as u64).into_iter().collect::<Vec<_>>().concat(), content[offset..]);
        }
        stream.forget(CHUNK as u64 + 5);
        assert_eq!((stream.start, stream.kept.len()), (CHUNK as u64, 2));
    }
}
