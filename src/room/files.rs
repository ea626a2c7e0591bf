//! Transfers of files: connects the session, the disk and the user.

mod meter;

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::clock;
use crate::interface::ANSWER;
use crate::interface::files::{EndedBy, FileEvent, FileFault, Progress};
use crate::interface::refusal::FileRefusal;
use crate::printable::Printable;
use crate::protocol::frame::Hash;
use crate::protocol::session::Session;
use crate::protocol::transfer::{ENTRIES, Item, NOTHING, Offer, Received, Sent, UNKNOWN, WINDOW};
use crate::store::downloads::downloads;
use crate::store::folder::Folder;
use crate::store::output::Output;
use crate::store::path::{Rule, SafePath};
use crate::store::reader::{Read, ReadError, Reader, Wanted};
use crate::store::source::{Source, SourceError, Unsendable};
use crate::store::tree::{Renamed, StoreError, Target};
use crate::store::writer::{Job, Report, Stored, Writer};
use crate::system::SystemError;
use crate::thread;
use meter::Meter;

/// How often the partner is told that this side still has what came of a batch, whatever its disk does.
const STILL_AT_IT: Duration = Duration::from_secs(15);
/// How long the end of a room waits for what is unfinished to be removed.
const CLEAN_UP: Duration = Duration::from_secs(2);
/// Maximum number of files and folders that wait to be offered.
pub const QUEUE: usize = 64;
/// Number of changed names that are told. The rest are only counted.
const NAMED: usize = 5;
/// Number of bytes that wait for the disk beyond which reading from the connection slows down.
const BEHIND: usize = 2 << 20;
/// Number of bytes that wait for the disk beyond which nothing is read: a partner may count a window for each entry
/// that is accepted.
const FAR_BEHIND: usize = 2 * WINDOW as usize;

/// The user's choices for files.
#[derive(Clone, Default)]
pub struct FileOptions {
    /// The folder to store files in; by default that for downloads, or the current one.
    pub save_to: Option<PathBuf>,
    /// Whether offers are accepted without asking.
    pub auto_accept: bool,
    /// Whether executable files stay executable.
    pub executable: bool,
    /// Whether there is nobody to ask.
    pub nobody: bool,
    /// Whether files are written to standard output.
    pub to_stdout: bool,
}

impl FileOptions {
    /// The absolute path of the folder to store files in.
    pub fn place(&self) -> PathBuf {
        let place = self.save_to.clone().unwrap_or_else(downloads);
        place.canonicalize().or_else(|_| std::path::absolute(&place)).unwrap_or(place)
    }
}

/// The transfers in both directions.
pub struct Files {
    options: FileOptions,
    /// The results of looking at paths, which a thread does as a folder may be large.
    looked: (mpsc::Sender<Looked>, mpsc::Receiver<Looked>),
    looking: usize,
    /// Number of times that the queue was dropped.
    drops: u64,
    queue: VecDeque<Source>,
    sending: Option<Outgoing>,
    receiving: Option<Incoming>,
    /// Held by each thread that stores, so that the end of all of them is seen.
    storing: (mpsc::Sender<Infallible>, mpsc::Receiver<Infallible>),
    /// Number of lost connections that were handled.
    losses: u64,
    /// Events for the user.
    told: VecDeque<FileEvent>,
    /// Number of batches and files, in either direction, that did not arrive whole.
    pub failed: usize,
    /// Number of batches, in either direction, that arrived whole.
    pub done: usize,
}

/// The number of drops of the queue when a path was to be sent, the path, and what is there.
type Looked = (u64, PathBuf, Result<Source, SourceError>);

struct Outgoing {
    source: Arc<Source>,
    name: Printable,
    reader: Reader,
    read: mpsc::Receiver<(u64, Read)>,
    /// Whether the partner has accepted the batch.
    taken: bool,
    /// The entry that could not be read whole, as the user was told.
    broken: Option<u32>,
    /// Number of bytes that were read of a stream.
    read_to: u64,
    /// Sizes of entries that became smaller after they were offered, by their numbers, until they are done.
    shrunk: HashMap<u32, u64>,
    failed: u32,
    meter: Meter,
    /// Since when the partner has had something to say of it, and has not.
    owed_since: Option<Duration>,
}

struct Incoming {
    offer: Offer,
    name: Printable,
    writer: Option<(Writer, mpsc::Receiver<Report>)>,
    /// Whether the writer was asked for the part that is stored. Nothing is accepted before it answers.
    asking: bool,
    /// The part of an entry that is stored: its number, size and hash.
    have: Option<(u32, u64, Hash)>,
    failed: u32,
    /// Number of bytes that were stored.
    came: u64,
    /// The name under which the only file, or the folder of the first file, was stored.
    stored: String,
    /// The names that are stored under others: the first of them, and how many.
    renamed: (Vec<Renamed>, usize),
    /// Those of them that the partner is told, as what else has the name is not the partner's business.
    repaired: (Vec<Renamed>, u32),
    meter: Meter,
    /// When the partner was last told of what is under way, or that began.
    told_at: Option<Duration>,
}

impl Incoming {
    fn new(offer: Offer, name: Printable) -> Self {
        Self {
            meter: Meter::new(offer.entries, offer.bytes),
            offer,
            name,
            writer: None,
            asking: false,
            have: None,
            failed: 0,
            came: 0,
            stored: String::new(),
            told_at: None,
            renamed: Default::default(),
            repaired: Default::default(),
        }
    }

    /// Notes names that are stored under others.
    fn rename(&mut self, renamed: Vec<Renamed>) {
        for change in renamed {
            if change.is_repaired() {
                let (first, count) = &mut self.repaired;
                *count = count.saturating_add(1);
                first.extend((first.len() < NAMED).then(|| change.clone()));
            }
            let (first, count) = &mut self.renamed;
            *count += 1;
            first.extend((first.len() < NAMED).then_some(change));
        }
    }

    /// The changed names, to be told with the end of the batch.
    fn renamed(&self) -> Option<FileEvent> {
        let (first, count) = &self.renamed;
        let pair = |change: &Renamed| (Printable::line(&change.path), Printable::line(&change.stored));
        let names = first.iter().map(pair).collect();
        (*count > 0).then(|| FileEvent::Renamed { name: self.name.clone(), sending: false, names, count: *count })
    }

    fn give(&self, job: Job) {
        if let Some((writer, _)) = &self.writer {
            writer.give(job);
        }
    }
}

/// An event from the disk.
pub enum News {
    /// A file or folder was looked at.
    Looked(u64, PathBuf, Result<Source, SourceError>),
    /// Part of a file was read.
    Read(u64, Read),
    /// A report of the writer.
    Stored(Report),
    /// A thread ended unexpectedly.
    Ended,
}

impl Files {
    /// Creates the transfers of a run; none is under way.
    pub fn new(options: FileOptions) -> Self {
        Self {
            options,
            looked: mpsc::channel(1),
            looking: 0,
            drops: 0,
            queue: VecDeque::new(),
            sending: None,
            receiving: None,
            storing: mpsc::channel(1),
            losses: 0,
            told: VecDeque::new(),
            failed: 0,
            done: 0,
        }
    }

    /// Whether no transfer is under way or waiting.
    pub fn is_idle(&self) -> bool {
        self.looking == 0 && self.queue.is_empty() && self.sending.is_none() && self.receiving.is_none()
    }

    /// Time at which to look at the progress next.
    pub fn look_at(&self) -> Option<Duration> {
        let moving =
            [self.sending.as_ref().map(|out| &out.meter), self.receiving.as_ref().map(|incoming| &incoming.meter)];
        moving.into_iter().flatten().filter_map(Meter::look_at).min()
    }

    /// The progress of both directions, of what was accepted. `stopped` while the connection is lost.
    pub fn progress(&mut self, stopped: bool) -> [Option<Progress>; 2] {
        [
            self.sending.as_mut().filter(|out| out.taken).map(|out| out.meter.progress(stopped)),
            self.receiving
                .as_mut()
                .filter(|coming| coming.writer.is_some())
                .map(|coming| coming.meter.progress(stopped)),
        ]
    }

    /// Tells the progress of both directions, if the front end does not show it otherwise.
    pub fn tell_progress(&mut self, stopped: bool) {
        let [sending, receiving] = self.progress(stopped);
        let names = [self.sending.as_ref().map(|out| &out.name), self.receiving.as_ref().map(|coming| &coming.name)];
        for ((name, progress), sending) in names.into_iter().zip([sending, receiving]).zip([true, false]) {
            if let (Some(name), Some(progress)) = (name, progress.filter(|progress| !progress.waits)) {
                self.told.push_back(FileEvent::Progress { name: name.clone(), sending, progress });
            }
        }
    }

    /// Takes the events for the user, in order.
    pub fn take_told(&mut self) -> VecDeque<FileEvent> {
        std::mem::take(&mut self.told)
    }

    /// Queues a path that the user wants to send.
    pub fn send(&mut self, path: PathBuf) {
        let shown = Printable::line(&path.to_string_lossy());
        if self.looking + self.queue.len() >= QUEUE {
            return self.told.push_back(FileEvent::CannotSend { path: shown, why: FileFault::TooManyWait });
        }
        let (tell, drops) = (self.looked.0.clone(), self.drops);
        let looking = thread::start(move || {
            let found = Source::find(&path);
            let _ = tell.blocking_send((drops, path, found));
        });
        match looking {
            Ok(()) => self.looking += 1,
            Err(error) => self.cannot_send(shown, FileFault::System(error.into())),
        }
    }

    fn cannot_send(&mut self, path: Printable, why: FileFault) {
        self.failed += 1;
        self.told.push_back(FileEvent::CannotSend { path, why });
    }

    /// Queues standard input.
    pub fn send_input(&mut self, name: String) {
        self.queue.push_back(Source::standard_input(name));
    }

    /// Accepts or declines the offer of that number, as the user wants.
    pub fn answer(&mut self, offer: u32, take: bool, session: &mut Session) {
        match self.receiving.as_ref().filter(|incoming| incoming.writer.is_none()) {
            None => self.told.push_back(FileEvent::Refused(FileRefusal::NothingOffered)),
            Some(incoming) if incoming.offer.batch != offer => {
                self.told.push_back(FileEvent::Refused(FileRefusal::StaleOffer))
            }
            Some(_) if take => self.take(session),
            Some(_) => self.decline(session),
        }
    }

    fn take(&mut self, session: &mut Session) {
        let Some(incoming) = &mut self.receiving else { return };
        let name = incoming.name.clone();
        let place = self.options.place();
        let target = if self.options.to_stdout {
            Target::Out(Box::new(Output))
        } else {
            let folder = Folder::open(&place).and_then(|folder| folder.room().map(|room| (folder, room)));
            let (folder, free) = match folder {
                Ok(found) => found,
                Err(error) => {
                    let why = FileFault::System(error.into());
                    let path = Printable::line(&place.to_string_lossy());
                    return self.cannot_take(FileEvent::NotStored { path, why }, session);
                }
            };
            let needed = incoming.offer.bytes;
            if incoming.offer.bytes != UNKNOWN && needed > free {
                return self.cannot_take(FileEvent::NoSpace { name, needed, free }, session);
            }
            Target::Folder {
                folder,
                name: incoming.offer.name.clone(),
                entries: incoming.offer.entries,
                executable: self.options.executable,
            }
        };
        match Writer::start(target, self.storing.0.clone()) {
            Ok(writer) => incoming.writer = Some(writer),
            Err(error) => {
                let why = FileFault::System(error.into());
                return self.cannot_take(FileEvent::NotStored { path: name, why }, session);
            }
        }
        if !self.options.to_stdout {
            self.told.push_back(FileEvent::Accepting { name, folder: Printable::line(&place.to_string_lossy()) });
        }
        incoming.meter.begin();
        if let Some(receiving) = session.receiving() {
            receiving.want();
        }
    }

    /// Handles an offer that cannot be accepted now. The user can accept it later; without one it is declined.
    fn cannot_take(&mut self, why: FileEvent, session: &mut Session) {
        self.told.push_back(why);
        if self.options.nobody {
            self.failed += 1;
            self.decline(session);
        }
    }

    fn decline(&mut self, session: &mut Session) {
        let Some(incoming) = self.receiving.take() else { return };
        if let Some(receiving) = session.receiving() {
            receiving.cancel();
        }
        self.told.push_back(FileEvent::Declined { name: incoming.name });
    }

    /// Cancels the transfers that are under way, and drops the queue.
    pub fn cancel(&mut self, session: &mut Session) {
        if self.is_idle() {
            return self.told.push_back(FileEvent::Refused(FileRefusal::NothingUnderWay));
        }
        if self.sending.is_some()
            && let Some(sending) = session.sending()
        {
            sending.cancel();
        }
        if self.receiving.is_some()
            && let Some(receiving) = session.receiving()
        {
            receiving.cancel();
        }
        self.drops += 1;
        for source in std::mem::take(&mut self.queue) {
            self.dropped(&source.name);
        }
        self.ended(true, true, EndedBy::Us);
    }

    fn dropped(&mut self, name: &str) {
        self.failed += 1;
        self.told.push_back(FileEvent::Withdrawn { name: Printable::line(name), sending: true, by: EndedBy::Us });
    }

    /// Ends transfers that are not complete.
    fn ended(&mut self, sending: bool, receiving: bool, by: EndedBy) {
        if let Some(out) = self.sending.take_if(|_| sending) {
            self.failed += 1;
            let (name, sending) = (out.name, true);
            self.told.push_back(match by {
                EndedBy::Partner if !out.taken => FileEvent::PartnerDeclined { name },
                _ if !out.taken => FileEvent::Withdrawn { name, sending, by },
                _ => FileEvent::TransferEnded { name, sending, by },
            });
        }
        if let Some(incoming) = self.receiving.take_if(|_| receiving) {
            let accepted = incoming.writer.is_some();
            self.told.extend(incoming.renamed());
            self.failed += usize::from(accepted);
            let (name, sending) = (incoming.name, false);
            self.told.push_back(if accepted {
                FileEvent::TransferEnded { name, sending, by }
            } else {
                FileEvent::Withdrawn { name, sending, by }
            });
        }
    }

    /// Ends all transfers with the room. Returns how many batches are not complete; those that end now count only if
    /// `told`.
    pub fn close(&mut self, told: bool, by: EndedBy) -> usize {
        let before = std::mem::take(&mut self.failed);
        let queued = self.queue.len() + self.looking;
        self.queue.clear();
        self.ended(true, true, by);
        self.failed + queued + if told { 0 } else { before }
    }

    /// Waits until what is unfinished is removed, but not for ever for a disk that stands still.
    pub async fn clean_up(self) {
        let Self { receiving, storing: (held, mut ended), .. } = self;
        drop((receiving, held));
        let _ = timeout(CLEAN_UP, ended.recv()).await;
    }

    /// Waits for the disk. Without `items` nothing that was read is taken.
    pub async fn next(&mut self, items: bool) -> News {
        let Self { looked, sending, receiving, .. } = self;
        let read = async {
            match sending {
                Some(out) if items => out.read.recv().await,
                _ => std::future::pending().await,
            }
        };
        let stored = async {
            match receiving {
                Some(Incoming { writer: Some((_, reports)), .. }) => reports.recv().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            Some((drops, path, found)) = looked.1.recv() => News::Looked(drops, path, found),
            read = read => read.map_or(News::Ended, |(run, read)| News::Read(run, read)),
            report = stored => report.map_or(News::Ended, News::Stored),
        }
    }

    /// Handles an event from the disk.
    pub fn hear(&mut self, news: News, session: &mut Session) {
        match news {
            News::Looked(drops, path, found) => {
                self.looking -= 1;
                if drops == self.drops {
                    self.looked_at(&path, found);
                } else {
                    self.dropped(&path.to_string_lossy());
                }
            }
            News::Read(run, read) => {
                self.read(run, read, session);
                // Without a pause, so that the thread that reads wakes once for all of it.
                while session.wants_items()
                    && let Some((run, read)) = self.sending.as_mut().and_then(|out| out.read.try_recv().ok())
                {
                    self.read(run, read, session);
                }
            }
            News::Stored(report) => self.stored(report, session),
            News::Ended => self.cancel(session),
        }
    }

    fn looked_at(&mut self, path: &Path, found: Result<Source, SourceError>) {
        let shown = Printable::line(&path.to_string_lossy());
        match found {
            Ok(source) => {
                if source.left_out.count > 0 {
                    let fault = |(path, why): &(String, Unsendable)| (Printable::line(path), unsendable(*why));
                    self.told.push_back(FileEvent::LeftOut {
                        name: Printable::line(&source.name),
                        paths: source.left_out.paths.iter().map(fault).collect(),
                        count: source.left_out.count,
                    });
                }
                let before = self.queue.len() + usize::from(self.sending.is_some());
                if before > 0 {
                    self.told.push_back(FileEvent::Queued { name: Printable::line(&source.name), before });
                }
                self.queue.push_back(source);
            }
            Err(why) => self.cannot_send(shown, no_source(why)),
        }
    }

    fn read(&mut self, run: u64, read: Read, session: &mut Session) {
        let Some(out) = self.sending.as_mut().filter(|out| out.reader.is_current(run)) else { return };
        let path = |index: u32| {
            let entry = out.source.entries.get(index as usize);
            Printable::line(&entry.map(|entry| out.source.path(entry)).unwrap_or_default())
        };
        match read {
            Read::Item(item) => {
                match &item {
                    Item::Data { offset, bytes, .. } => out.read_to = offset + bytes.0.len() as u64,
                    Item::Begin { index, size, .. } => {
                        out.meter.wait(false);
                        let offered = out.source.entries.get(*index as usize).map(|entry| entry.state.size);
                        if offered.is_some_and(|offered| *size < offered) {
                            out.shrunk.insert(*index, *size);
                        }
                    }
                    Item::End { .. } => {}
                }
                if let Some(sending) = session.sending() {
                    sending.feed(item);
                }
            }
            Read::Checking(index) => {
                self.told.push_back(FileEvent::Checking { path: path(index) });
                out.meter.wait(true);
            }
            Read::Anew(index) => {
                self.told.push_back(FileEvent::Restarted { path: path(index), sending: true });
                out.meter.set(index, 0);
            }
            Read::Failed(index, why) => {
                let why = match why {
                    ReadError::Disk(error) => FileFault::System(error.into()),
                    ReadError::Changed => FileFault::Changed,
                    ReadError::Stream => FileFault::Stream,
                };
                self.told.push_back(FileEvent::NotSent { path: path(index), why });
                out.broken = Some(index);
            }
        }
    }

    fn stored(&mut self, report: Report, session: &mut Session) {
        let Some(incoming) = &mut self.receiving else { return };
        let Some(receiving) = session.receiving() else { return };
        match report {
            Report::Have { index, offset, prefix } => {
                incoming.asking = false;
                incoming.have = index.map(|index| (index, offset, prefix));
            }
            Report::Seen(index, offset) => {
                incoming.meter.set(index, offset);
                receiving.seen(index, offset);
            }
            Report::Anew(index) => {
                incoming.meter.set(index, 0);
                self.told.push_back(FileEvent::Restarted { path: incoming.name.clone(), sending: false });
            }
            Report::Full => {
                incoming.meter.wait(true);
                self.told.push_back(FileEvent::DiskFull { name: incoming.name.clone() });
            }
            Report::GoesOn => {
                incoming.meter.wait(false);
                self.told.push_back(FileEvent::Resumed { name: incoming.name.clone() });
            }
            Report::Done(index, outcome) => {
                let outcome = outcome.map(|Stored { name, size, renamed }| {
                    incoming.rename(renamed);
                    (name, size)
                });
                if receiving.is_last() {
                    let (first, count) = &incoming.repaired;
                    receiving.renamed(*count, first.iter().map(|change| (&*change.path, &*change.safe)));
                }
                let Some(last) = receiving.done(index, outcome.is_ok()) else { return };
                match outcome {
                    Ok((name, size)) => {
                        incoming.meter.done(index, size);
                        incoming.came = incoming.came.saturating_add(size);
                        incoming.stored = name;
                    }
                    Err(why) => {
                        incoming.meter.done(index, 0);
                        incoming.failed += 1;
                        let (path, why) = refused(why);
                        self.told.push_back(FileEvent::NotStored { path: Printable::line(&path), why });
                    }
                }
                if last {
                    self.all_stored();
                }
            }
        }
    }

    fn all_stored(&mut self) {
        let Some(incoming) = self.receiving.take() else { return };
        self.told.extend(incoming.renamed());
        let Incoming { offer, failed, came, stored, meter, name, .. } = incoming;
        self.failed += usize::from(failed > 0);
        self.done += usize::from(failed == 0);
        // The stored name may be another than the offered one.
        let place = stored.split('/').next().filter(|first| !first.is_empty()).map_or(name, Printable::line);
        let (files, took) = (offer.entries, meter.took());
        self.told.push_back(FileEvent::Stored { name: place, files, bytes: came, took, failed });
    }

    /// Handles an event of the batch that this side sends.
    pub fn sent(&mut self, sent: Sent) {
        let Some(out) = &mut self.sending else { return };
        out.owed_since = None;
        match sent {
            Sent::Wanted { index, offset, prefix } => {
                if !std::mem::replace(&mut out.taken, true) {
                    out.meter.begin();
                    self.told.push_back(FileEvent::Accepted { name: out.name.clone() });
                }
                match offset {
                    0 => out.meter.set(index, 0),
                    _ => out.meter.begin_at(index, offset),
                }
                out.reader.want(Wanted { index, offset, prefix });
            }
            Sent::Seen { index, offset } => {
                out.meter.set(index, offset);
                out.reader.seen(offset);
            }
            Sent::Working => {}
            Sent::Renamed { count, names } => {
                let pair = |(path, name): &(String, String)| (Printable::line(path), Printable::line(name));
                let names = names.iter().take(NAMED).map(pair).collect();
                let (name, count) = (out.name.clone(), count as usize);
                self.told.push_back(FileEvent::Renamed { name, sending: true, names, count });
            }
            Sent::Done { index, ok, last } => {
                let entry = out.source.entries.get(index as usize);
                let offered = entry.map_or(0, |entry| entry.state.size);
                let size = out.shrunk.remove(&index).unwrap_or(offered);
                if ok {
                    out.meter.done(index, if size == UNKNOWN { out.read_to } else { size });
                } else {
                    out.meter.done(index, 0);
                    out.failed += 1;
                    out.reader.refused(index);
                    let path = Printable::line(&entry.map(|entry| out.source.path(entry)).unwrap_or_default());
                    if out.broken.take_if(|broken| *broken == index).is_none() {
                        self.told.push_back(FileEvent::NotSent { path, why: FileFault::Partner });
                    }
                }
                if last && let Some(out) = self.sending.take() {
                    let whole = out.failed == 0 && out.source.left_out.missing == 0;
                    self.failed += usize::from(!whole);
                    self.done += usize::from(whole);
                    self.told.push_back(FileEvent::Sent {
                        name: out.name,
                        files: out.meter.of_files(),
                        bytes: out.meter.bytes(),
                        took: out.meter.took(),
                        failed: out.failed,
                    });
                }
            }
        }
    }

    /// Handles an event of the batch that the partner sends.
    pub fn received(&mut self, received: Received, session: &mut Session) {
        if let Received::Offered(offer) = received {
            return self.offered(offer, session);
        }
        let Some(incoming) = &self.receiving else { return };
        let job = match received {
            Received::Begun { index, kind, path, .. } => Job::Begin { index, kind, path },
            Received::Data { offset, bytes } => Job::Data { offset, bytes },
            Received::Ended { hash, size } => Job::End { hash, size },
            Received::Offered(_) => return,
        };
        incoming.give(job);
    }

    /// Whether the disk keeps up, so that more may be read at full speed.
    pub fn keeps_up(&self) -> bool {
        self.waiting() < BEHIND
    }

    /// Whether so much waits for the disk that nothing more may be read. After a loss of the connection nothing comes
    /// before it was asked for.
    pub fn is_far_behind(&self) -> bool {
        self.waiting() > FAR_BEHIND && self.receiving.as_ref().is_some_and(|incoming| !incoming.asking)
    }

    fn waiting(&self) -> usize {
        let writer = self.receiving.as_ref().and_then(|incoming| incoming.writer.as_ref());
        writer.map_or(0, |(writer, _)| writer.waiting())
    }

    fn offered(&mut self, offer: Offer, session: &mut Session) {
        let name = Printable::line(&offer.name);
        let path = SafePath::new(&offer.name, Rule::UNIX).ok().filter(|path| path.folders().is_empty());
        let why = match &path {
            None => Some(FileFault::Path),
            Some(_) if self.options.nobody && !self.options.auto_accept => Some(FileFault::Nobody),
            Some(_) => None,
        };
        let (Some(path), None) = (path, &why) else {
            if let Some(receiving) = session.receiving() {
                receiving.cancel();
            }
            // With --auto-accept an offer that is not accepted is a failure.
            self.failed += usize::from(self.options.auto_accept);
            return self.told.push_back(FileEvent::OfferRefused { name, why: why.unwrap_or(FileFault::Path) });
        };
        let place = self.options.place();
        let stored = Printable::line(path.name());
        let bytes = (offer.bytes != UNKNOWN).then_some(offer.bytes);
        let (number, files) = (offer.batch, offer.entries);
        self.receiving = Some(Incoming::new(offer, stored.clone()));
        if self.options.auto_accept {
            self.take(session);
        }
        if self.receiving.as_ref().is_some_and(|incoming| incoming.writer.is_none()) {
            let folder = Printable::line(&place.to_string_lossy());
            let called = (name != stored).then_some(name);
            self.told.push_back(FileEvent::Offered {
                offer: number,
                name: stored,
                offered_as: called,
                files,
                bytes,
                folder,
            });
        }
    }

    /// Handles the end of a batch by the partner.
    pub fn cancelled(&mut self, sending: bool, receiving: bool) {
        self.ended(sending, receiving, EndedBy::Partner);
    }

    /// Ends a batch of which a partner who is `there` says nothing, and says that this side still has theirs.
    pub fn see_to_time(&mut self, there: bool, session: &mut Session) {
        let now = clock::now();
        if let (Some(out), Some(sending)) = (&mut self.sending, session.sending()) {
            out.owed_since = out.owed_since.or(Some(now)).filter(|_| there && sending.is_owed());
            if out.owed_since.is_some_and(|since| now >= since + ANSWER) {
                sending.cancel();
                self.ended(true, false, EndedBy::Silence);
            }
        }
        if let (Some(incoming), Some(receiving)) = (&mut self.receiving, session.receiving()) {
            incoming.told_at = incoming.told_at.or(Some(now)).filter(|_| there && receiving.is_under_way());
            if incoming.told_at.is_some_and(|at| now >= at + STILL_AT_IT) {
                incoming.told_at = Some(now);
                receiving.say_again();
            }
        }
    }

    /// Time at which to [see to it](Self::see_to_time) next.
    pub fn due(&self) -> Option<Duration> {
        let owed = self.sending.as_ref().and_then(|out| Some(out.owed_since? + ANSWER));
        let told = self.receiving.as_ref().and_then(|incoming| Some(incoming.told_at? + STILL_AT_IT));
        owed.into_iter().chain(told).min()
    }

    /// Does what has become possible. Call it after every event.
    pub fn settle(&mut self, session: &mut Session) {
        let losses = session.losses();
        if std::mem::replace(&mut self.losses, losses) != losses {
            if let Some(out) = &mut self.sending {
                out.reader.set_run(losses);
            }
            if let Some(incoming) = self.receiving.as_mut().filter(|incoming| incoming.writer.is_some()) {
                incoming.give(Job::Lost);
                (incoming.asking, incoming.have) = (true, None);
            }
        }
        if let Some(incoming) = self.receiving.as_mut().filter(|incoming| !incoming.asking)
            && let Some(receiving) = session.receiving()
        {
            while let Some(index) = receiving.next_entry() {
                match incoming.have.take_if(|(have, ..)| *have == index) {
                    Some((_, offset, prefix)) => receiving.accept(offset, prefix),
                    None => receiving.accept(0, NOTHING),
                }
            }
        }
        // What ends a batch may end another of the same number that comes the other way.
        let over = |open: Option<bool>| open == Some(false);
        let sending = self.sending.is_some() && over(session.sending().map(|sending| sending.is_open()));
        let receiving = self.receiving.is_some() && over(session.receiving().map(|receiving| receiving.is_open()));
        self.ended(sending, receiving, EndedBy::Us);
        while self.sending.is_none()
            && let Some(sending) = session.sending().filter(|sending| sending.can_offer())
            && let Some(source) = self.queue.pop_front()
        {
            let name = Printable::line(&source.name);
            let source = Arc::new(source);
            let (mut reader, read) = match Reader::start(Arc::clone(&source)) {
                Ok(started) => started,
                Err(error) => {
                    self.cannot_send(name, FileFault::System(error.into()));
                    continue;
                }
            };
            let files = u32::try_from(source.entries.len()).unwrap_or(u32::MAX);
            let bytes = source.bytes;
            sending.offer(files, bytes, source.name.clone());
            let shown = (bytes != UNKNOWN).then_some(bytes);
            self.told.push_back(FileEvent::Offering { name: name.clone(), files, bytes: shown });
            reader.set_run(losses);
            let meter = Meter::new(files, bytes);
            self.sending = Some(Outgoing {
                source,
                name,
                reader,
                read,
                taken: false,
                broken: None,
                read_to: 0,
                shrunk: HashMap::new(),
                failed: 0,
                meter,
                owed_since: None,
            });
        }
    }
}

/// The paths that cannot be sent, each with its reason.
pub fn check_paths(paths: &[PathBuf]) -> Vec<(Printable, FileFault)> {
    let refused = |path: &PathBuf| {
        let why = Source::find(path).err()?;
        Some((Printable::line(&path.to_string_lossy()), no_source(why)))
    };
    paths.iter().filter_map(refused).collect()
}

/// The reason why standard input cannot be sent under that name, if there is one.
pub fn check_input(name: &str) -> Option<(Printable, FileFault)> {
    let stored = SafePath::new(name, Rule::UNIX).ok().filter(|path| path.folders().is_empty());
    if stored.is_none() {
        return Some((Printable::line(name), FileFault::Path));
    }
    let why = Source::check_input().err()?;
    Some((Printable::line("-"), system(&why)))
}

fn no_source(why: SourceError) -> FileFault {
    match why {
        SourceError::Unreadable(error) => system(&error),
        SourceError::Special => FileFault::Special,
        SourceError::Home => FileFault::Home,
        SourceError::Name => FileFault::Name,
        SourceError::Nothing => FileFault::Nothing,
        SourceError::TooMany => FileFault::TooMany(ENTRIES),
    }
}

fn system(error: &io::Error) -> FileFault {
    match error.into() {
        SystemError::NotFound => FileFault::Missing,
        SystemError::PermissionDenied => FileFault::Unreadable,
        other => FileFault::System(other),
    }
}

fn unsendable(why: Unsendable) -> FileFault {
    match why {
        Unsendable::Link => FileFault::Link,
        Unsendable::Special => FileFault::Special,
        Unsendable::Unreadable => FileFault::Unreadable,
        Unsendable::Name => FileFault::Name,
    }
}

fn refused(why: StoreError) -> (String, FileFault) {
    match why {
        StoreError::Path(path, _) => (path, FileFault::Path),
        StoreError::OtherName(path) => (path, FileFault::OtherName),
        StoreError::Hash(path) => (path, FileFault::Hash),
        StoreError::Broken(path) => (path, FileFault::Broken),
        StoreError::Stream(path) => (path, FileFault::Stream),
        StoreError::Disk(path, error) => (path, FileFault::System(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::handshake::Mode;
    use crate::protocol::keys::StaticKey;
    use crate::protocol::random::{OsRandom, Randomness as _};
    use crate::protocol::session::Settings;
    use crate::protocol::transfer::Content;

    #[tokio::test]
    async fn what_is_looked_at_when_everything_is_cancelled_is_not_offered() {
        let key = Arc::new(StaticKey::new(OsRandom.secret().unwrap()).unwrap());
        let mut session =
            Session::respond(Mode::Pair(key), Box::new(OsRandom), Settings::default(), Duration::from_secs(1));
        let mut files = Files::new(FileOptions::default());
        files.send(file!().into());
        files.cancel(&mut session);
        files.send("src/room".into());
        for _ in 0..2 {
            let news = files.next(false).await;
            files.hear(news, &mut session);
        }
        assert_eq!(files.queue.iter().map(|source| source.name.as_str()).collect::<Vec<_>>(), ["room"]);
        let told = files.take_told();
        let [FileEvent::Withdrawn { name, sending: true, by: EndedBy::Us }] = &told.into_iter().collect::<Vec<_>>()[..]
        else {
            panic!("not told that it ended");
        };
        assert_eq!(name.as_str(), file!());
        files.cancel(&mut session);
        assert!(files.is_idle() && files.failed == 2);
    }

    #[test]
    fn nothing_more_is_read_while_too_much_waits_for_the_disk() {
        let (writer, reports) = Writer::start(Target::Out(Box::new(Output)), ()).unwrap();
        // Nobody reads its reports, so it stands still.
        (0..100).for_each(|_| writer.give(Job::Lost));
        let name = Printable::line("x");
        let offer = Offer { batch: 0, entries: 1, bytes: UNKNOWN, name: "x".into() };
        let mut files = Files::new(FileOptions::default());
        files.receiving = Some(Incoming::new(offer, name));
        let incoming = files.receiving.as_mut().unwrap();
        incoming.writer = Some((writer, reports));
        // What the thread is given to do counts a little, too.
        const LITTLE: usize = 64 << 10;
        for (bytes, keeps_up, far_behind) in [
            (BEHIND - LITTLE, true, false),
            (LITTLE, false, false),
            (FAR_BEHIND - BEHIND - LITTLE, false, false),
            (LITTLE, false, true),
        ] {
            let incoming = files.receiving.as_mut().unwrap();
            incoming.give(Job::Data { offset: 0, bytes: Content(vec![0; bytes]) });
            assert_eq!((files.keeps_up(), files.is_far_behind()), (keeps_up, far_behind), "{bytes}");
        }
        files.receiving.as_mut().unwrap().asking = true;
        assert!(!files.is_far_behind());
    }
}
