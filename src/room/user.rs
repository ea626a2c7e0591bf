//! The user as the driver sees them: what they do, what they are to be shown, and what of it they were shown.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;

use super::signals::Signals;
use crate::interface::event::{Event, Status};
use crate::interface::fault::Fault;
use crate::interface::{Ack, Frontend, Output, PromptKind, Request, UserChannels};
use crate::protocol::delivery::{Incoming, TEXT, WAITING_BYTES, WAITING_TEXTS};

/// Events that may wait for a screen that stands still; later ones are dropped.
const EVENTS: usize = 256;
/// Events that may wait for a front end that must miss none; beyond it nothing more is read from the partner.
const EVENTS_LOSSLESS: usize = 4_096;
/// How long the screen may take to show what is left.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The user's front end, with all that waits for it.
pub struct User {
    channels: UserChannels,
    signals: Signals,
    /// What the front end has not taken yet: messages, bounded by what the protocol lets wait, and [`EVENTS`].
    queue: VecDeque<Output>,
    unshown: Unshown,
    /// Questions that were asked so far.
    questions: u64,
    /// Number of the question that is asked now, and what it is.
    asked: (u64, PromptKind),
    /// The input ended, or the user asked to leave.
    pub leaving: bool,
    /// Input lines that could not be sent.
    pub unsent_lines: usize,
}

/// What happens at the user's side.
pub enum UserEvent {
    /// The user did something.
    Request(Request),
    /// The partner's message of that id was shown.
    Shown(u32),
    /// The front end took something it was to show.
    Took,
    /// A signal asks the program to end.
    Signal,
    /// The front end is gone, and why.
    Gone(Fault),
}

/// Messages of the partner that came and were not shown yet.
#[derive(Default)]
struct Unshown {
    texts: VecDeque<usize>,
    bytes: usize,
}

impl User {
    /// A user of whom nothing is asked yet.
    pub fn new(channels: UserChannels, signals: Signals) -> Self {
        Self {
            channels,
            signals,
            queue: VecDeque::new(),
            unshown: Unshown::default(),
            questions: 0,
            asked: (0, PromptKind::Nothing),
            leaving: false,
            unsent_lines: 0,
        }
    }

    /// What the front end can do.
    pub fn frontend(&self) -> Frontend {
        self.channels.frontend
    }

    /// Tells an event, unless the screen has stood still for so long that too much waits for it already.
    pub fn tell(&mut self, event: Event) {
        let before = self.queue.iter_mut().rev().find_map(|what| match what {
            Output::Event(Event::Delivered { messages, waiting }) => Some((messages, waiting)),
            _ => None,
        });
        if let (Some((messages, waiting)), Event::Delivered { messages: more, waiting: now }) = (before, &event) {
            *messages += more;
            *waiting = *now;
            return;
        }
        let kept = match &event {
            // A full screen counts its messages by what was delivered.
            Event::Delivered { .. } => self.frontend().converses,
            Event::File(event) => self.frontend().lossless && !event.is_passing(),
            _ => false,
        };
        if kept || self.events() < EVENTS {
            self.queue.push_back(Output::Event(event));
        }
    }

    /// Asks the user something, once what it is about is shown. The question of before is no longer asked.
    pub fn ask(&mut self, what: PromptKind, about: Option<Event>) {
        let question = self.number();
        self.asked = (question, what);
        self.queue.push_back(Output::Ask { question, what, about });
    }

    /// Whether an answer is to the question that is asked now, and of the kind that was asked for.
    pub fn is_asked(&self, question: u64, what: PromptKind) -> bool {
        self.asked == (question, what)
    }

    /// The number of the question that is asked now.
    pub fn question(&self) -> u64 {
        self.asked.0
    }

    /// A number for a question beside the one that is asked now.
    pub fn number(&mut self) -> u64 {
        self.questions += 1;
        self.questions
    }

    /// A message of the partner is to be shown.
    pub fn hear(&mut self, text: Incoming) {
        self.unshown.push(text.text.len());
        self.queue.push_back(Output::Text(text));
    }

    /// Shows how the room stands now, in place of what was to be shown of it before.
    pub fn show_status(&mut self, status: Status) {
        self.queue.retain(|what| !matches!(what, Output::Status(_)));
        self.queue.push_back(Output::Status(status));
    }

    /// Everything that was to be shown is dropped, and what was shown vanishes.
    pub fn wipe(&mut self) {
        self.queue.clear();
        self.unshown = Unshown::default();
        self.queue.push_back(Output::Wipe);
    }

    /// Whether every message of the partner was shown.
    pub fn was_shown_all(&self) -> bool {
        self.unshown.texts.is_empty()
    }

    /// Whether more may be read from the partner: a message waits for the screen, and so does what became of a file.
    pub fn has_room(&self) -> bool {
        self.unshown.has_room() && self.events() < EVENTS_LOSSLESS
    }

    fn events(&self) -> usize {
        self.queue.iter().filter(|what| matches!(what, Output::Event(_))).count()
    }

    /// Waits for what happens next, and hands the front end what it takes meanwhile. Safe to cancel.
    ///
    /// Without `listen` requests stay where they are.
    pub async fn next(&mut self, listen: bool) -> UserEvent {
        let Self { channels, signals, queue, unshown, .. } = self;
        tokio::select! {
            request = channels.requests.recv(), if listen => if let Some(request) = request {
                return UserEvent::Request(request);
            },
            ack = channels.acks.recv() => match ack {
                Some(Ack::Text(id)) => {
                    unshown.pop();
                    return UserEvent::Shown(id);
                }
                Some(Ack::Broken(error)) => return UserEvent::Gone(broken(&error)),
                None => {}
            },
            permit = channels.output.reserve(), if !queue.is_empty() => {
                if let (Ok(permit), Some(what)) = (permit, queue.pop_front()) {
                    permit.send(what);
                    return UserEvent::Took;
                }
            }
            () = signals.recv() => return UserEvent::Signal,
        }
        UserEvent::Gone(self.lost())
    }

    /// Why the front end ended. All its channels end with it, in any order.
    fn lost(&mut self) -> Fault {
        while let Ok(ack) = self.channels.acks.try_recv() {
            match ack {
                Ack::Broken(error) => return broken(&error),
                Ack::Text(_) => self.unshown.pop(),
            }
        }
        Fault::Interface
    }

    /// Waits for a request of a user who has no partner yet, and shows meanwhile what is to be shown. Safe to cancel.
    ///
    /// # Errors
    ///
    /// The user gives up, or nothing can be shown to them any more.
    pub async fn early(&mut self) -> Result<Request, Fault> {
        loop {
            let listen = self.frontend().converses && !self.leaving;
            match self.next(listen).await {
                UserEvent::Request(Request::Panic) => {
                    self.wipe();
                    return Err(Fault::NobodyCame);
                }
                UserEvent::Request(Request::Leave) | UserEvent::Signal => return Err(Fault::NobodyCame),
                UserEvent::Request(request) => return Ok(request),
                // A person whose terminal is gone has given up.
                UserEvent::Gone(fault) => return Err(if self.frontend().person { Fault::NobodyCame } else { fault }),
                UserEvent::Shown(_) | UserEvent::Took => {}
            }
        }
    }

    /// Refuses what was done with nobody there to hear it.
    pub fn refuse(&mut self, request: Request) {
        match request {
            Request::Half { .. } | Request::Compared { .. } | Request::Next { .. } => self.tell(Event::StaleAnswer),
            Request::Say { taken, .. } => drop(taken.send(false)),
            Request::Unsendable(event) | Request::Refused(event) => self.tell(event),
            Request::End => self.leaving = true,
            _ => {}
        }
    }

    /// Shows what is left to be shown, and why the run ended. A full screen whose room was `opened` stays until its user
    /// leaves it.
    ///
    /// Returns what the run came to: one whose user was not shown every message did not end in order.
    pub async fn finish(mut self, result: Result<(), Fault>, opened: bool) -> Result<(), Fault> {
        let frontend = self.frontend();
        // A full screen would take the last messages with it.
        let stay = frontend.stays && opened && !self.leaving;
        if stay || frontend.lossless {
            self.queue.push_back(Output::End(result.as_ref().err().cloned()));
        }
        // What is still typed is for nobody.
        self.channels.requests.close();
        while self.channels.requests.try_recv().is_ok() {}
        let draining = async {
            while !(self.queue.is_empty() && self.unshown.texts.is_empty()) {
                if let UserEvent::Gone(_) = self.next(false).await {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS, draining).await;
        let (output, _) = mpsc::channel(1);
        // Without a sender the front end ends once it has shown the rest, and then so do its acks.
        self.channels.output = output;
        let Self { channels, signals, unshown, .. } = &mut self;
        let ended = async {
            while let Some(ack) = channels.acks.recv().await {
                if let Ack::Text(_) = ack {
                    unshown.pop();
                }
            }
        };
        if stay {
            tokio::select! {
                () = ended => {}
                () = signals.recv() => {}
            }
        } else {
            let _ = tokio::time::timeout(LAST_WORDS, ended).await;
        }
        match self.unshown.texts.len() {
            0 => result,
            texts => result.and(Err(Fault::Unread { texts })),
        }
    }
}

fn broken(error: &std::io::Error) -> Fault {
    Fault::Output(error.into())
}

impl Unshown {
    fn push(&mut self, bytes: usize) {
        self.texts.push_back(bytes);
        self.bytes += bytes;
    }

    fn pop(&mut self) {
        self.bytes -= self.texts.pop_front().unwrap_or_default();
    }

    /// A partner that keeps to the protocol never lets more wait.
    fn has_room(&self) -> bool {
        self.texts.len() <= WAITING_TEXTS && self.bytes <= WAITING_BYTES + TEXT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface::files::FileEvent;
    use crate::interface::refusal::FileRefusal;
    use crate::printable::Printable;

    fn user(frontend: Frontend) -> User {
        let (_, requests) = mpsc::channel(1);
        let (_, acks) = mpsc::channel(1);
        let (output, _) = mpsc::channel(1);
        User::new(UserChannels { requests, acks, output, frontend }, Signals::new().unwrap())
    }

    #[tokio::test]
    async fn what_is_told_to_a_screen_that_stands_still_is_bounded() {
        for frontend in [Frontend::LINES, Frontend::PIPE] {
            let mut user = user(frontend);
            for waiting in 0..10_000 {
                user.tell(Event::Delivered { messages: 1, waiting });
            }
            assert_eq!(user.queue.len(), 1);
            for _ in 0..10_000 {
                user.tell(Event::Reconnected { after: Duration::ZERO, waiting: 0 });
                user.tell(Event::Delivered { messages: 1, waiting: 0 });
            }
            assert_eq!(user.queue.len(), EVENTS);
            user.ask(PromptKind::Chat, None);
            assert_eq!(user.queue.len(), EVENTS + 1, "a question is never dropped");
        }
    }

    #[tokio::test]
    async fn a_front_end_that_ended_by_itself_is_a_fault_whichever_channel_tells() {
        for ended in 0..2 {
            let (act, requests) = mpsc::channel(1);
            let (tell, acks) = mpsc::channel(1);
            let (output, _show) = mpsc::channel(1);
            let channels = UserChannels { requests, acks, output, frontend: Frontend::JSON };
            let mut user = User::new(channels, Signals::new().unwrap());
            // A thread that panics drops its end.
            let (mut act, mut tell) = (Some(act), Some(tell));
            if ended == 0 {
                drop(act.take())
            } else {
                drop(tell.take())
            }
            assert!(matches!(user.next(true).await, UserEvent::Gone(Fault::Interface)), "{ended}");
            assert!(matches!(user.early().await, Err(Fault::Interface)), "{ended}");
        }
    }

    #[tokio::test]
    async fn a_panic_wipes_what_was_shown_even_where_nobody_has_come() {
        let (act, requests) = mpsc::channel(1);
        let (_tell, acks) = mpsc::channel(1);
        let (output, _show) = mpsc::channel(1);
        let mut user =
            User::new(UserChannels { requests, acks, output, frontend: Frontend::JSON }, Signals::new().unwrap());
        act.send(Request::Panic).await.unwrap();
        assert!(matches!(user.early().await, Err(Fault::NobodyCame)));
        assert!(matches!(user.queue.make_contiguous(), [Output::Wipe]));
    }

    #[tokio::test]
    async fn a_program_that_reads_late_misses_nothing_of_a_file() {
        let mut user = user(Frontend::JSON);
        let name = Printable::line("x");
        for _ in 0..EVENTS_LOSSLESS {
            user.tell(Event::Reconnected { after: Duration::ZERO, waiting: 0 });
            user.tell(Event::File(FileEvent::Refused(FileRefusal::NothingOffered)));
            user.tell(Event::File(FileEvent::Declined { name: name.clone() }));
        }
        let told =
            user.queue.iter().filter(|what| matches!(what, Output::Event(Event::File(FileEvent::Declined { .. }))));
        assert_eq!(told.count(), EVENTS_LOSSLESS);
    }
}
