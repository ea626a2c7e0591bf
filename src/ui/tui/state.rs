//! The state of the full screen and the meaning of each key. No terminal, clock or channel: keys, outputs and the time
//! are passed in, effects come out.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Zoned;
use zeroize::Zeroizing;

use super::lock::Lock;
use super::scrollback::{Kind, RowId, Scrollback, Shape, names};
use crate::interface::event::{Event, Status};
use crate::interface::fault::Fault;
use crate::interface::files::FileEvent;
use crate::interface::{Frontend, Output, PromptKind, Request};
use crate::printable::{Ambiguous, Printable};
use crate::protocol::delivery::{Incoming, TEXT};
use crate::protocol::pairing::Half;
use crate::protocol::random::OsRandom;
use crate::ui::commands::{Command, Row};
use crate::ui::complete::{Completion, candidates, completion};
use crate::ui::editor::{Draft, Edit, Editor};
use crate::ui::keyboard::{self, f3};
use crate::ui::keys::{Key, key, write};
use crate::ui::paths::files;
use crate::ui::recall::Recall;
use crate::ui::typed::{Typed, after_slash, request};
use crate::ui::words::{self, Lang, ScreenWords, compared};

/// Fewest columns on which anything is drawn.
pub const COLUMNS: u16 = 20;
/// Fewest rows on which anything is drawn.
pub const ROWS: u16 = 5;
/// How long after a key the screen counts as looked at, where the terminal does not report its focus.
const LOOKS: Duration = Duration::from_secs(10);
/// Maximum number of rows of the input.
const INPUT_ROWS: usize = 8;
/// Number of columns before the input.
pub const PROMPT: u16 = 2;
/// Number of lines beyond which a paste has to be confirmed.
const PASTE_LINES: usize = 20;
/// Maximum size of an answer, of a search and of a passphrase, in bytes.
const ENTRY: usize = 512;
/// Time for which a notice stands in the bar.
const NOTICE: Duration = Duration::from_secs(4);
/// Time for which the keys that close a screen do nothing after it came by itself: they were meant for the screen
/// before.
const UNSEEN: Duration = Duration::from_secs(1);
/// Time for which a key that answers does nothing after what it answers has come.
const GLANCE: Duration = Duration::from_millis(500);
/// Columns of a screen from which on the partner has the name that the user chose.
const NAMED: u16 = 40;
/// Time for which the bell does not ring again for somebody who comes.
const RING: Duration = Duration::from_secs(10);
/// What the terminal's window is called.
const TITLE: &str = "tete";
/// Number of rows that the wheel scrolls at once.
const WHEEL: usize = 3;
/// Age from which a message counts as late.
const LATE: Duration = Duration::from_secs(10);

/// The notification of a user who looks elsewhere about a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Notify {
    /// No notification.
    #[default]
    Off,
    /// The terminal's bell.
    Bell,
    /// A notification of the desktop (OSC 9), without the message.
    Desktop,
}

/// What the user chose for the full screen.
#[derive(Clone, Default)]
pub struct Options {
    /// Time without a key after which the screen locks itself.
    pub lock: Option<Duration>,
    /// The notification of a user who looks elsewhere about a message.
    pub notify: Notify,
    /// What the partner is called.
    pub call: Option<Printable>,
}

/// An action that the state asks its driver for.
pub enum Effect {
    /// Sends a request to the room.
    Act(Request),
    /// Sends a message. [`State::said`] has to be told whether the room took it.
    Say(Zeroizing<String>),
    /// Raises SIGINT: the user pressed Ctrl-C while nothing is asked.
    Interrupt,
    /// Rings the bell.
    Bell,
    /// Notifies the desktop.
    Notify,
    /// Stops the program until the shell continues it.
    Suspend,
    /// Draws the whole screen, whatever the terminal shows.
    Redraw,
    /// Wipes the terminal.
    Wipe,
    /// Ends the full screen: the user has left it.
    Leave,
}

/// The check of the code.
pub struct Pairing {
    /// This side's half of the code.
    pub own: Half,
    /// The partner's half and the pictures, if the two are compared.
    pub partner: Option<(Half, [u8; 7])>,
    /// Whether the user can refuse the caller.
    pub can_skip: bool,
    /// The reply to the last answer, and whether that was wrong.
    pub note: Option<(Printable, bool)>,
    /// The text that replaces the question once the user has checked the code.
    pub done: Option<Printable>,
}

/// The overlay above the chat.
pub enum Overlay {
    /// No overlay.
    None,
    /// The help, from a row on.
    Help(usize),
    /// The question about a long paste, and the number of its lines.
    Paste(Zeroizing<String>, usize),
    /// The question whether a message that names files is an offer of them.
    Send(String, Vec<PathBuf>),
    /// A search in the talk.
    Find {
        /// The words that are searched for.
        words: Editor,
        /// The entry that was found, and the byte offset of the match.
        hit: Option<(u64, usize)>,
        /// Whether the last step of the search found nothing.
        nothing: bool,
    },
    /// A passphrase is being set.
    Passphrase {
        /// The passphrase as it was typed the first time.
        first: Option<Zeroizing<String>>,
        /// Whether the second passphrase was another than the first.
        differ: bool,
        /// Whether the screen locks once the passphrase is set.
        then_lock: bool,
    },
}

/// The kind of screen that is shown. No two are mixed: the terminal is cleared between them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scene {
    /// The terminal is too small for any other.
    TooSmall,
    /// The lock of the screen.
    Locked,
    /// An alarm that has to be closed.
    Alarm,
    /// The help.
    Help,
    /// A passphrase is being set.
    Passphrase,
    /// The check of the code.
    Pairing,
    /// A question about what was pasted or written, below the talk.
    Paste,
    /// A search in the talk.
    Find,
    /// The talk.
    Chat,
    /// The talk, once the room is over.
    Over,
}

impl Scene {
    /// Whether messages are on the screen.
    pub fn shows_talk(self) -> bool {
        matches!(self, Self::Paste | Self::Find | Self::Chat | Self::Over)
    }
}

/// The division of the chat's rows, from the top.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Areas {
    /// Number of rows of messages.
    pub messages: u16,
    /// Number of rows of the input, below the bar.
    pub input: u16,
}

/// The state of the full screen.
pub struct State {
    lang: Lang,
    size: (u16, u16),
    now: Duration,
    options: Options,
    wall: fn(Duration) -> Zoned,
    touched: Duration,
    focused: Option<bool>,
    /// Number of messages that came while the user looked elsewhere.
    unread: usize,
    /// When the bell rang for somebody who had come.
    rang_at: Option<Duration>,
    question: u64,
    ask: PromptKind,
    pairing: Option<Pairing>,
    /// Number of the last offer of the partner that was shown.
    offer: Option<u32>,
    /// Time until which a key may have been meant for the offer before it.
    offer_until: Duration,
    /// Whether the question was written to the terminal.
    drawn: bool,
    /// Whether what is being written is a message although it names files.
    as_text: bool,
    /// What Tab has listed.
    choices: Vec<String>,
    scrollback: Scrollback,
    /// Number of the entry with an invite that was not used yet.
    invite: Option<u64>,
    bottom: Option<RowId>,
    new_from: Option<u64>,
    editor: Editor,
    input_top: usize,
    entry: Editor,
    recall: Recall,
    overlay: Overlay,
    /// What the terminal makes of ambiguous characters, and whether it was asked and has not answered.
    ambiguous: Ambiguous,
    measuring: bool,
    alarm: Option<Printable>,
    lock: Lock,
    status: Option<Status>,
    notice: Option<(&'static str, Duration)>,
    chord: bool,
    /// The key that leaves if it is pressed again, and the end of the time for that.
    armed: Option<(Key, Duration)>,
    /// Time until which a screen that came by itself counts as not seen.
    unseen_until: Duration,
    /// Time at which the seconds on the screen were updated last.
    counted: Duration,
    leaving: bool,
    over: bool,
    /// Entries of this side's undelivered messages, oldest first.
    unshown: VecDeque<u64>,
    /// The entry of the message that is being sent, and its draft.
    saying: Option<(u64, Draft)>,
    /// Numbers of the partner's messages that were not reported as shown.
    seen: VecDeque<u32>,
    effects: VecDeque<Effect>,
    changed: bool,
}

impl State {
    /// Creates an empty screen of `size` columns and rows. With [`Options::lock`] a passphrase is asked for first.
    ///
    /// `wall` returns the local time a duration ago; `now` is on [`clock::now`](crate::clock::now).
    pub fn new(lang: Lang, size: (u16, u16), options: Options, wall: fn(Duration) -> Zoned, now: Duration) -> Self {
        let overlay = match options.lock {
            Some(_) => Overlay::Passphrase { first: None, differ: false, then_lock: false },
            None => Overlay::None,
        };
        Self {
            lang,
            size,
            now,
            options,
            wall,
            touched: now,
            focused: None,
            unread: 0,
            rang_at: None,
            question: 0,
            ask: PromptKind::Nothing,
            pairing: None,
            offer: None,
            offer_until: now,
            drawn: false,
            as_text: false,
            choices: Vec::new(),
            scrollback: Scrollback::default(),
            invite: None,
            bottom: None,
            new_from: None,
            editor: Editor::new(TEXT),
            input_top: 0,
            entry: Editor::new(ENTRY),
            recall: Recall::default(),
            overlay,
            ambiguous: Ambiguous::Narrow,
            measuring: true,
            alarm: None,
            lock: Lock::default(),
            status: None,
            notice: None,
            chord: false,
            armed: None,
            unseen_until: now,
            counted: now,
            leaving: false,
            over: false,
            unshown: VecDeque::new(),
            saying: None,
            seen: VecDeque::new(),
            effects: VecDeque::new(),
            changed: true,
        }
    }

    /// Takes the next action for the driver.
    pub fn effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Takes the number of the partner's next message that counts as shown. Call it after a frame was written to the
    /// terminal.
    ///
    /// A message was shown once the end of the talk was on the screen: neither behind a lock or a help nor below the view.
    pub fn seen(&mut self) -> Option<u32> {
        if self.scene().shows_talk() && self.bottom.is_none() { self.seen.pop_front() } else { None }
    }

    /// Notes that a frame was written to the terminal: a question in it can be answered.
    pub fn drawn(&mut self) {
        self.drawn = true;
    }

    /// Whether the screen has changed since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Whether a message is being sent. Until [`said`](Self::said) no key may be passed in.
    pub fn is_saying(&self) -> bool {
        self.saying.is_some()
    }

    /// Sets the time, and does what is due.
    pub fn tick(&mut self, now: Duration) {
        self.now = now;
        let idle = self.options.lock.is_some_and(|after| now >= self.touched + after);
        if idle && self.lock.is_set() && !self.lock.is_locked() {
            self.lock();
        }
        self.changed |= self.notice.take_if(|(_, until)| now >= *until).is_some();
        self.armed.take_if(|(_, until)| now >= *until);
        if self.counts() && now >= self.counted + Duration::from_secs(1) {
            self.counted = now;
            self.changed = true;
        }
    }

    /// Time at which to call [`tick`](Self::tick) at the latest.
    pub fn deadline(&self) -> Option<Duration> {
        let idle = self.options.lock.filter(|_| self.lock.is_set() && !self.lock.is_locked());
        let second = self.counts().then(|| self.counted + Duration::from_secs(1));
        let notice = self.notice.as_ref().map(|(_, until)| *until);
        [idle.map(|after| self.touched + after), notice, second].into_iter().flatten().min()
    }

    /// Shows an output of the room.
    pub fn show(&mut self, show: Output) {
        self.changed = true;
        let scene = self.scene();
        match show {
            Output::Text(text) => self.hear(&text),
            Output::Event(event) => self.event(&event),
            Output::Status(status) => self.status = Some(status),
            Output::Ask { question, what, about } => self.ask(question, what, about),
            Output::Wipe => self.wipe(),
            Output::End(fault) => self.end(fault),
        }
        if self.scene() != scene {
            self.unseen_until = self.now + UNSEEN;
        }
    }

    /// Notes whether the room took the message that was being sent.
    pub fn said(&mut self, taken: bool) {
        let Some((id, written)) = self.saying.take() else { return };
        self.changed = true;
        if taken {
            self.unshown.push_back(id);
        } else {
            self.scrollback.take_back(id);
            self.editor.set(&written);
            self.settle_input();
        }
        self.recall.remember(written);
    }

    /// Takes the column of a cursor report, from 1 on, if it answers
    /// [`MEASURE`](super::painter::MEASURE): later ones are none of its business.
    pub fn position(&mut self, column: u16) -> bool {
        let answers = std::mem::take(&mut self.measuring);
        if answers && column > 2 {
            self.ambiguous = Ambiguous::Wide;
            let sought = if let Overlay::Find { words, .. } = &mut self.overlay { Some(words) } else { None };
            for editor in [&mut self.editor, &mut self.entry].into_iter().chain(sought) {
                editor.set_ambiguous(Ambiguous::Wide);
            }
            self.settle_input();
            self.effects.push_back(Effect::Redraw);
            self.changed = true;
        }
        answers
    }

    /// Handles an event of the terminal.
    pub fn input(&mut self, event: keyboard::Event) {
        match event {
            keyboard::Event::Key(event) => {
                self.touch();
                self.key(key(event));
            }
            keyboard::Event::Position { row, column } => {
                if self.position(column) {
                    return;
                }
                let Some(event) = f3(row, column) else { return };
                self.touch();
                self.key(key(event));
            }
            keyboard::Event::Paste(text) => {
                self.touch();
                self.paste(text);
            }
            keyboard::Event::PasteTooLong => self.note(&self.words().full),
            keyboard::Event::PasteStalls => self.note(words::words(self.lang).paste_stalls),
            keyboard::Event::PasteGivenUp => self.note(words::words(self.lang).paste_given_up),
            keyboard::Event::Resize(columns, rows) => {
                self.size = bounded(columns, rows);
                self.effects.push_back(Effect::Redraw);
            }
            keyboard::Event::Focus(focused) => self.focused = Some(focused),
            keyboard::Event::Wheel { down } => {
                self.disarm();
                if self.scene().shows_talk() {
                    self.scroll(WHEEL, down);
                }
            }
        }
        self.look();
        self.settle_input();
        self.changed = true;
    }

    /// The width of ambiguous characters.
    pub fn ambiguous(&self) -> Ambiguous {
        self.ambiguous
    }

    /// The language.
    pub fn lang(&self) -> Lang {
        self.lang
    }

    /// Words of the screen in its language.
    pub fn words(&self) -> &'static ScreenWords {
        words::screen(self.lang)
    }

    /// Number of columns and of rows.
    pub fn size(&self) -> (u16, u16) {
        self.size
    }

    /// The time of the last [`tick`](Self::tick).
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The kind of screen that is shown.
    pub fn scene(&self) -> Scene {
        if self.fits() { self.scene_at_any_size() } else { Scene::TooSmall }
    }

    /// The kind of screen that a larger terminal would show, which is the one that keys and pastes go to.
    fn scene_at_any_size(&self) -> Scene {
        match (&self.overlay, &self.pairing) {
            _ if self.lock.is_locked() => Scene::Locked,
            _ if self.alarm.is_some() => Scene::Alarm,
            (Overlay::Help(_), _) => Scene::Help,
            (Overlay::Passphrase { .. }, _) => Scene::Passphrase,
            (Overlay::Paste(..) | Overlay::Send(..), _) => Scene::Paste,
            (Overlay::Find { .. }, _) => Scene::Find,
            (Overlay::None, Some(_)) => Scene::Pairing,
            (Overlay::None, None) if self.over => Scene::Over,
            (Overlay::None, None) => Scene::Chat,
        }
    }

    /// The kind of question that is asked.
    pub fn asked(&self) -> PromptKind {
        self.ask
    }

    /// The check of the code, while it lasts.
    pub fn pairing(&self) -> Option<&Pairing> {
        self.pairing.as_ref()
    }

    /// The overlay above the chat.
    pub fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// The alarm, until the user closes it.
    pub fn alarm(&self) -> Option<&Printable> {
        self.alarm.as_ref()
    }

    /// The lock of the screen.
    pub fn lock_state(&self) -> &Lock {
        &self.lock
    }

    /// Messages and events.
    pub fn scrollback(&self) -> &Scrollback {
        &self.scrollback
    }

    /// The last visible row. `None` at the end of the talk.
    pub fn bottom(&self) -> Option<RowId> {
        self.bottom
    }

    /// The message that is being written.
    pub fn editor(&self) -> &Editor {
        &self.editor
    }

    /// The first visible row of the message that is being written.
    pub fn input_top(&self) -> usize {
        self.input_top
    }

    /// The answer or the passphrase that is being written.
    pub fn entry(&self) -> &Editor {
        &self.entry
    }

    /// The state of the room, once there is a partner.
    pub fn status(&self) -> Option<&Status> {
        self.status.as_ref()
    }

    /// Number of this side's undelivered messages.
    pub fn unshown(&self) -> usize {
        self.unshown.len()
    }

    /// Number of entries below the view.
    pub fn below(&self) -> u64 {
        self.bottom.map_or(0, |bottom| self.scrollback.next_id().saturating_sub(bottom.id + 1))
    }

    /// A notice that replaces the bar.
    pub fn notice(&self) -> Option<&'static str> {
        if self.chord { Some(self.words().chord) } else { self.notice.as_ref().map(|(text, _)| *text) }
    }

    /// Whether the room is over.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The words that are searched for; empty without a search.
    pub fn sought(&self) -> &str {
        if let Overlay::Find { words, .. } = &self.overlay { words.text() } else { "" }
    }

    /// Commands that the input may become.
    pub fn candidates(&self) -> Vec<&'static Row> {
        if self.ask == PromptKind::Chat { candidates(&self.editor, Frontend::SCREEN) } else { Vec::new() }
    }

    /// The ways in which what is written may go on, if Tab was pressed last.
    pub fn choices(&self) -> &[String] {
        &self.choices
    }

    /// Whether the screen is large enough to be used.
    pub fn fits(&self) -> bool {
        self.size.0 >= COLUMNS && self.size.1 >= ROWS
    }

    /// The division of the chat's rows.
    pub fn areas(&self) -> Areas {
        let rows = self.size.1.max(ROWS);
        let asked = (self.ask == PromptKind::Chat || self.over) && matches!(self.overlay, Overlay::None);
        let wanted = if asked { self.editor.layout(self.input_columns()).rows.len().min(INPUT_ROWS) } else { 1 };
        let input = u16::try_from(wanted).unwrap_or(1).min(rows - 3);
        Areas { messages: rows - 1 - input, input }
    }

    /// Number of columns of the input.
    pub fn input_columns(&self) -> usize {
        usize::from(self.size.0.max(COLUMNS) - PROMPT)
    }

    /// The shape of the message area.
    pub fn shape(&self) -> Shape {
        let words = self.words();
        Shape {
            columns: usize::from(self.size.0.max(COLUMNS)),
            names: names(words.you, self.partner()),
            new_from: self.new_from,
            ambiguous: self.ambiguous,
        }
    }

    /// What the partner is called beside their messages. A narrow screen has no room for a name of any length.
    pub fn partner(&self) -> &str {
        let called = self.options.call.as_ref().filter(|_| self.size.0 >= NAMED);
        words::partner(called, self.lang)
    }

    /// Whether the screen shows a number of seconds that changes.
    fn counts(&self) -> bool {
        let line = self.status.is_some_and(|status| !status.connection.is_well());
        line || self.lock.is_locked() && self.lock.waits(self.counted)
    }

    fn height(&self) -> usize {
        usize::from(self.areas().messages)
    }

    fn touch(&mut self) {
        self.touched = self.now;
        self.focused = self.focused.map(|_| true);
    }

    /// Whether a screen came by itself a moment ago.
    fn is_unseen(&self) -> bool {
        self.now < self.unseen_until
    }

    /// Forgets the key that would leave if it were pressed again, and the notice about it.
    fn disarm(&mut self) {
        if self.armed.take().is_some() {
            self.notice = None;
        }
    }

    fn note(&mut self, text: &'static str) {
        self.notice = Some((text, self.now + NOTICE));
    }

    fn hear(&mut self, text: &Incoming) {
        let late = text.age >= LATE;
        let age = if late { text.age } else { Duration::ZERO };
        let id = self.scrollback.push(Kind::Partner { late }, &(self.wall)(age), Printable::text(&text.text));
        if self.focused == Some(false) || self.bottom.is_some() || self.lock.is_locked() {
            self.new_from.get_or_insert(id);
        }
        self.seen.push_back(text.id);
        if self.is_away() {
            self.unread += 1;
        }
        self.call();
    }

    /// Whether the user cannot see what comes.
    fn is_away(&self) -> bool {
        // A terminal that reports no focus may be out of sight: only a key a moment ago shows that it is not.
        let looks = self.focused.unwrap_or(self.now < self.touched + LOOKS);
        !looks || self.lock.is_locked()
    }

    /// Calls a user who looks elsewhere, as they have chosen.
    fn call(&mut self) {
        let away = self.is_away();
        self.effects.extend(match self.options.notify {
            Notify::Bell if away => Some(Effect::Bell),
            Notify::Desktop if away => Some(Effect::Notify),
            _ => None,
        });
    }

    /// Rings for somebody who has come, which is what the user waits for. Strangers can come, too, so not again at once.
    fn ring(&mut self) {
        if self.rang_at.is_none_or(|at| self.now >= at + RING) {
            self.rang_at = Some(self.now);
            self.effects.push_back(Effect::Bell);
        }
    }

    /// What the terminal's window is called: the program, and how many messages came while the user looked elsewhere.
    pub fn title(&self) -> String {
        match self.unread {
            0 => TITLE.into(),
            unread => format!("({unread}) {TITLE}"),
        }
    }

    /// Forgets what came meanwhile, once the user looks again.
    fn look(&mut self) {
        if !self.is_away() {
            self.unread = 0;
        }
    }

    fn event(&mut self, event: &Event) {
        if let Event::Delivered { messages, .. } = event {
            for id in self.unshown.drain(..self.unshown.len().min(*messages)) {
                self.scrollback.mark_shown(id);
            }
            return;
        }
        let alarm = match event {
            // The mark beside the message shows it.
            Event::Waiting { .. } => return,
            Event::PairingFailed { why, .. } => {
                (self.pairing, self.status) = (None, None);
                why.is_alarm()
            }
            _ => false,
        };
        match event {
            Event::Caller { .. } => self.ring(),
            Event::PartnerLeft => self.call(),
            Event::File(FileEvent::Offered { offer, .. }) => {
                if self.offer.replace(*offer).is_some() {
                    self.offer_until = self.now + GLANCE;
                }
                self.call();
            }
            _ => {}
        }
        let text = match event {
            Event::File(event) => Some(words::file(event, self.lang, true)),
            Event::Who(who) => Some(words::who(who, self.lang, |ago| (self.wall)(ago).strftime("%H:%M").to_string())),
            other => words::event(other, self.lang),
        };
        let text = match event {
            // A picture of wide blocks is none.
            Event::Invite { invite, .. } if self.ambiguous != Ambiguous::Wide => {
                text.map(|text| self.with_picture(invite, text))
            }
            _ => text,
        };
        let Some(text) = text.map(Zeroizing::new) else { return };
        let text = Printable::sentence(&text, false);
        match &mut self.pairing {
            Some(pairing) if matches!(event, Event::Confirmed { .. }) => {
                (pairing.done, pairing.note) = (Some(text.clone()), None);
            }
            Some(pairing) => pairing.note = Some((text.clone(), alarm)),
            None => {}
        }
        if alarm {
            self.effects.push_back(Effect::Bell);
            self.alarm = Some(text.clone());
        }
        let id = self.scrollback.push(Kind::Event { alarm }, &(self.wall)(Duration::ZERO), text);
        if let Event::Invite { .. } = event {
            self.invite = Some(id);
        }
    }

    /// An invite's picture above its words, on a screen that shows both.
    fn with_picture(&self, invite: &str, text: String) -> String {
        let columns = usize::from(self.size.0);
        let picture = words::picture(invite, columns);
        let rows = picture.lines().count() + Printable::sentence(&text, false).rows(columns, self.ambiguous).count();
        if rows < self.height() { picture + &text } else { text }
    }

    fn ask(&mut self, question: u64, what: PromptKind, about: Option<Event>) {
        (self.question, self.ask) = (question, what);
        // What was written before cannot be an answer. A passphrase is none and goes on.
        if !self.lock.is_locked() && !matches!(self.overlay, Overlay::Passphrase { .. }) {
            self.entry.take();
        }
        match about {
            Some(Event::Code { own, can_skip }) => {
                self.pairing = Some(Pairing { own, partner: None, can_skip, note: None, done: None });
            }
            Some(Event::Compare { own, partner, emoji, can_skip }) => {
                let partner = Some((partner, emoji));
                self.pairing = Some(Pairing { own, partner, can_skip, note: None, done: None });
            }
            Some(event) if what == PromptKind::Chat => {
                self.pairing = None;
                if let Some(id) = self.invite.take() {
                    self.scrollback.replace(id, Printable::line(self.words().used));
                }
                self.event(&event);
            }
            Some(event) => {
                let wrong = matches!(event, Event::WrongCode { .. });
                let text = words::event(&event, self.lang).unwrap_or_default();
                let text = Printable::sentence(&text, false);
                match &mut self.pairing {
                    Some(pairing) => pairing.note = Some((text, wrong)),
                    None => {
                        self.scrollback.push(Kind::Event { alarm: wrong }, &(self.wall)(Duration::ZERO), text);
                    }
                }
                if wrong {
                    self.effects.push_back(Effect::Bell);
                }
            }
            None => {}
        }
    }

    fn end(&mut self, fault: Option<Fault>) {
        if let Some(fault) = fault {
            let (fact, advice) = words::fault(&fault, self.lang);
            let text = Printable::sentence(&format!("{fact}\n{advice}"), false);
            self.scrollback.push(Kind::Event { alarm: true }, &(self.wall)(Duration::ZERO), text);
        }
        self.over = true;
        (self.pairing, self.status) = (None, None);
        self.ask = PromptKind::Nothing;
        self.overlay = Overlay::None;
        self.entry.take();
        self.settle_input();
        if self.leaving {
            self.effects.push_back(Effect::Leave);
        }
    }

    /// Wipes everything that either side has said.
    fn wipe(&mut self) {
        self.scrollback.clear();
        (self.editor, self.entry) = (self.blank(TEXT), self.blank(ENTRY));
        self.recall = Recall::default();
        (self.overlay, self.choices, self.as_text) = (Overlay::None, Vec::new(), false);
        (self.alarm, self.pairing, self.status) = (None, None, None);
        (self.bottom, self.new_from) = (None, None);
        self.unshown.clear();
        self.seen.clear();
        self.effects.push_back(Effect::Wipe);
    }

    fn blank(&self, limit: usize) -> Editor {
        let mut editor = Editor::new(limit);
        editor.set_ambiguous(self.ambiguous);
        editor
    }

    fn clear(&mut self) {
        self.scrollback.clear();
        (self.bottom, self.new_from) = (None, None);
        self.effects.push_back(Effect::Redraw);
    }

    fn lock(&mut self) {
        self.lock.lock();
        self.overlay = Overlay::None;
        self.entry.take();
        self.changed = true;
    }

    fn scroll(&mut self, rows: usize, down: bool) {
        let (height, shape) = (self.height(), self.shape());
        self.bottom = if down {
            self.scrollback.down(self.bottom, rows, shape)
        } else {
            self.scrollback.up(self.bottom, rows, height, shape)
        };
    }

    fn follow(&mut self) {
        self.bottom = None;
    }

    /// Handles a key; `None` is one without a meaning.
    fn key(&mut self, key: Option<Key>) {
        let key = if self.hurries() { key } else { key.map(Key::unhurried) };
        self.choices.clear();
        self.notice = None;
        self.armed.take_if(|(armed, _)| Some(*armed) != key);
        match key {
            Some(Key::Suspend) => return self.effects.push_back(Effect::Suspend),
            Some(Key::Redraw) => return self.effects.push_back(Effect::Redraw),
            _ => {}
        }
        if self.lock.is_locked() {
            return self.key_locked(key);
        }
        if self.alarm.is_some() {
            let seen = !self.is_unseen();
            self.alarm.take_if(|_| seen && matches!(key, Some(Key::Enter | Key::Escape)));
            return;
        }
        if std::mem::take(&mut self.chord) {
            return match key {
                Some(Key::Char('c')) => self.clear(),
                Some(Key::Char('p')) => self.panic(),
                _ => {}
            };
        }
        if let Overlay::Help(top) = &mut self.overlay {
            match key {
                Some(Key::Up) => *top = top.saturating_sub(1),
                Some(Key::Down) => *top += 1,
                Some(Key::PageUp) => *top = top.saturating_sub(10),
                Some(Key::PageDown) => *top += 10,
                _ => self.overlay = Overlay::None,
            }
            return;
        }
        let Some(key) = key else { return };
        match self.overlay {
            Overlay::Help(_) | Overlay::None if self.over => self.key_over(key),
            Overlay::Help(_) | Overlay::None => self.key_room(key),
            Overlay::Paste(..) => self.key_paste(key),
            Overlay::Send(..) => self.key_send(key),
            Overlay::Find { .. } => self.key_find(key),
            Overlay::Passphrase { .. } => self.key_passphrase(key),
        }
    }

    /// Whether an Enter that may belong to a paste does not count as one: it would send, agree or close.
    fn hurries(&self) -> bool {
        match self.scene_at_any_size() {
            Scene::Chat => self.ask == PromptKind::Chat,
            Scene::Alarm | Scene::Over => true,
            _ => false,
        }
    }

    fn key_room(&mut self, key: Key) {
        match key {
            Key::Help => self.overlay = Overlay::Help(0),
            Key::Get | Key::Decline if self.ask == PromptKind::Chat && self.now < self.offer_until => {
                self.note(words::words(self.lang).new_offer);
            }
            Key::Get if self.ask == PromptKind::Chat => self.command(Command::Get, ""),
            Key::Decline if self.ask == PromptKind::Chat => self.command(Command::Decline, ""),
            Key::Wipe => self.chord = true,
            _ if self.key_scrolls(key) => {}
            _ => match self.ask {
                PromptKind::Nothing if matches!(key, Key::Interrupt | Key::End) => {
                    self.leaving = true;
                    self.effects.push_back(Effect::Interrupt);
                }
                PromptKind::Nothing => {}
                PromptKind::Half | PromptKind::Compare => self.key_answer(key),
                PromptKind::Chat => self.key_chat(key),
            },
        }
    }

    fn key_scrolls(&mut self, key: Key) -> bool {
        let page = self.height().saturating_sub(1).max(1);
        match key {
            Key::PageUp => self.scroll(page, false),
            Key::PageDown => self.scroll(page, true),
            Key::RowUp => self.scroll(1, false),
            Key::RowDown => self.scroll(1, true),
            Key::Top => self.bottom = self.scrollback.top(self.height(), self.shape()),
            Key::Bottom => self.follow(),
            _ => return false,
        }
        true
    }

    fn key_over(&mut self, key: Key) {
        match key {
            Key::Wipe => self.chord = true,
            Key::Help => self.overlay = Overlay::Help(0),
            Key::Search => self.find(""),
            Key::Enter | Key::Escape | Key::Char('q') | Key::Interrupt | Key::End if self.is_unseen() => {}
            Key::Enter | Key::Escape if !self.editor.is_empty() && !self.is_second(key, self.words().close_again) => {}
            Key::Enter | Key::Escape | Key::Char('q') | Key::Interrupt | Key::End => {
                self.effects.push_back(Effect::Leave);
            }
            _ if self.key_scrolls(key) => {}
            // The user is still typing.
            _ => self.unseen_until = self.now + UNSEEN,
        }
    }

    fn key_answer(&mut self, key: Key) {
        match key {
            Key::Enter => {
                let written = self.entry.take();
                let command = after_slash(written.text().trim()).filter(|_| written.is_first_word_typed());
                let (question, is_next) = (self.question, command == Some("next"));
                let typed = written.into_text();
                let request = match self.ask {
                    _ if is_next => Request::Next { question },
                    PromptKind::Compare => Request::Compared { question, same: compared(&typed) },
                    _ => Request::Half { question, typed },
                };
                self.effects.push_back(Effect::Act(request));
            }
            Key::Interrupt | Key::End => {
                self.leaving = true;
                self.effects.push_back(Effect::Act(Request::Leave));
            }
            _ => drop(write(&mut self.entry, key)),
        }
    }

    fn key_chat(&mut self, key: Key) {
        self.as_text &= matches!(key, Key::Enter | Key::Hurried);
        let columns = self.input_columns();
        match key {
            Key::Enter => self.send(),
            Key::Hurried if self.editor.text().trim().is_empty() => {}
            Key::Hurried if self.asks_to_send() => {}
            Key::Hurried => self.note(words::words(self.lang).hurried),
            Key::NewLine => self.write("\n"),
            Key::Complete => self.complete(),
            Key::Search => self.find(""),
            Key::Escape => self.follow(),
            Key::Interrupt if !self.editor.is_empty() => self.editor.empty(),
            Key::Interrupt | Key::End if self.editor.is_empty() => {
                if self.is_second(key, self.words().leave) {
                    self.leave(Request::Leave);
                }
            }
            Key::Up if !self.editor.move_row(false, columns) => self.recall.move_to(true, &mut self.editor),
            Key::Down if !self.editor.move_row(true, columns) => self.recall.move_to(false, &mut self.editor),
            _ => {
                if !write(&mut self.editor, key) {
                    self.note(&self.words().full);
                }
            }
        }
    }

    fn write(&mut self, text: &str) {
        if !self.editor.insert(text) {
            self.note(&self.words().full);
        }
    }

    /// Whether the key is pressed for the second time in a row. If not, `notice` says what the second time does.
    fn is_second(&mut self, key: Key, notice: &'static str) -> bool {
        let second = self.armed.take().is_some();
        if !second {
            self.armed = Some((key, self.now + NOTICE));
            self.note(notice);
        }
        second
    }

    fn leave(&mut self, request: Request) {
        self.follow();
        self.leaving = true;
        self.effects.push_back(Effect::Act(request));
    }

    fn panic(&mut self) {
        self.wipe();
        self.leave(Request::Panic);
    }

    fn send(&mut self) {
        if self.editor.text().trim().is_empty() {
            return self.follow();
        }
        if self.asks_to_send() {
            return;
        }
        let written = self.editor.draft();
        self.follow();
        self.new_from = None;
        let typed = if std::mem::take(&mut self.as_text) {
            Typed::Text(written.text())
        } else {
            Typed::read(written.text(), written.is_first_word_typed(), Frontend::SCREEN)
        };
        match typed {
            Typed::Text(text) => {
                self.editor.take();
                let id = self.scrollback.push(
                    Kind::Own { shown: false },
                    &(self.wall)(Duration::ZERO),
                    Printable::text(text),
                );
                self.effects.push_back(Effect::Say(Zeroizing::new(text.to_owned())));
                self.saying = Some((id, written));
            }
            Typed::Command(row, argument) => {
                self.editor.take();
                self.command(row.command, argument);
                self.recall.remember(written);
            }
            Typed::Refused(why) => {
                self.event(&Event::Refused(why));
                self.recall.remember(written);
            }
        }
    }

    fn command(&mut self, command: Command, argument: &str) {
        match command {
            Command::Help => self.overlay = Overlay::Help(0),
            Command::Find => self.find(argument),
            Command::Clear => self.clear(),
            Command::Lock if self.lock.is_set() => self.lock(),
            Command::Lock => {
                self.entry.take();
                self.overlay = Overlay::Passphrase { first: None, differ: false, then_lock: true };
            }
            Command::Panic => self.panic(),
            Command::Quit => self.leave(Request::Leave),
            _ => self.effects.extend(request(command, argument, self.offer).map(Effect::Act)),
        }
    }

    fn complete(&mut self) {
        match completion(&self.editor, Frontend::SCREEN, words::words(self.lang).outcomes) {
            Some(Completion::Rest(rest)) => {
                self.editor.edit(Edit::Last);
                self.write(&rest);
            }
            // Commands are listed as they are typed.
            Some(Completion::Choices(choices)) if self.candidates().is_empty() => self.choices = choices,
            Some(Completion::Choices(_)) | None => {}
        }
    }

    /// Asks whether the files that are named, and nothing else, are to be sent. `false` if there is nothing to ask.
    fn asks_to_send(&mut self) -> bool {
        let text = self.editor.text();
        let typed = Typed::read(text, self.editor.is_first_word_typed(), Frontend::SCREEN);
        if self.as_text || matches!(typed, Typed::Command(..)) {
            return false;
        }
        let Some(paths) = files(text, std::env::home_dir().as_deref()) else { return false };
        let question = words::ask_to_send(&paths, words::words(self.lang));
        self.overlay = Overlay::Send(question, paths);
        (self.drawn, self.unseen_until) = (false, self.now + GLANCE);
        true
    }

    fn key_send(&mut self, key: Key) {
        match (key, std::mem::replace(&mut self.overlay, Overlay::None)) {
            (Key::Enter, Overlay::Send(_, paths)) if self.drawn && !self.is_unseen() => {
                let written = self.editor.take();
                self.recall.remember(written);
                self.effects.push_back(Effect::Act(Request::Send(paths)));
            }
            (Key::Escape, _) => self.as_text = true,
            (Key::Interrupt, _) => {}
            (_, overlay) => self.overlay = overlay,
        }
    }

    fn paste(&mut self, text: Zeroizing<String>) {
        self.notice = None;
        self.armed = None;
        let first = text.lines().next().unwrap_or_default();
        match (self.scene_at_any_size(), self.ask) {
            (Scene::Locked | Scene::Passphrase, _) => drop(self.entry.paste(first)),
            (Scene::Find, _) => {
                if let Overlay::Find { words, .. } = &mut self.overlay {
                    words.paste(first);
                }
                self.find_from(None, true);
            }
            (Scene::Pairing | Scene::Chat, PromptKind::Half | PromptKind::Compare) => drop(self.entry.paste(first)),
            (Scene::Pairing | Scene::Chat, PromptKind::Chat) => {
                let lines = text.replace("\r\n", "\n").split(['\r', '\n']).count();
                let begins = self.editor.is_empty();
                self.as_text = false;
                if lines > PASTE_LINES {
                    (self.overlay, self.drawn) = (Overlay::Paste(text, lines), false);
                } else if !self.editor.paste(&text) {
                    self.note(&self.words().full);
                } else if begins {
                    self.asks_to_send();
                }
            }
            (Scene::Pairing | Scene::Chat, PromptKind::Nothing) => {}
            (Scene::TooSmall | Scene::Alarm | Scene::Help | Scene::Paste | Scene::Over, _) => {}
        }
    }

    fn key_paste(&mut self, key: Key) {
        match (key, std::mem::replace(&mut self.overlay, Overlay::None)) {
            (Key::Enter, Overlay::Paste(text, _)) if self.drawn => {
                if !self.editor.paste(&text) {
                    self.note(&self.words().full);
                }
            }
            (Key::Escape | Key::Interrupt, _) => {}
            (_, overlay) => self.overlay = overlay,
        }
    }

    fn find(&mut self, sought: &str) {
        let mut words = self.blank(ENTRY);
        words.insert(sought);
        self.overlay = Overlay::Find { words, hit: None, nothing: false };
        self.find_from(None, true);
    }

    fn find_from(&mut self, from: Option<u64>, older: bool) {
        let Overlay::Find { words, hit, nothing } = &mut self.overlay else { return };
        let found = self.scrollback.find(words.text(), from, older);
        *nothing = found.is_none() && !words.is_empty();
        // If nothing more is found, the last hit stays.
        *hit = found.or(hit.filter(|_| from.is_some()));
        if let Some((id, byte)) = *hit {
            self.bottom = self.scrollback.around(id, byte, self.height(), self.shape());
        }
    }

    fn key_find(&mut self, key: Key) {
        let Overlay::Find { hit, .. } = &self.overlay else { return };
        let from = hit.map(|(id, _)| id);
        match key {
            Key::Enter | Key::Up | Key::Search => self.find_from(from, true),
            Key::Down | Key::Newer => self.find_from(from, false),
            Key::Escape => self.overlay = Overlay::None,
            Key::Interrupt | Key::EndSearch => {
                self.overlay = Overlay::None;
                self.follow();
            }
            _ if self.key_scrolls(key) => {}
            _ => {
                if let Overlay::Find { words, .. } = &mut self.overlay {
                    write(words, key);
                }
                self.find_from(None, true);
            }
        }
    }

    fn key_passphrase(&mut self, key: Key) {
        match key {
            Key::Escape | Key::Interrupt => {
                self.entry.take();
                self.overlay = Overlay::None;
                self.tell_of_no_lock();
            }
            Key::Enter if !self.entry.is_empty() => {
                let typed = self.entry.take().into_text();
                if let Overlay::Passphrase { first, differ, then_lock } = &mut self.overlay {
                    match first.take() {
                        None => (*first, *differ) = (Some(typed), false),
                        Some(same) if same == typed => {
                            let set = self.lock.set(&typed, &mut OsRandom).is_ok();
                            let lock = set && *then_lock;
                            self.overlay = Overlay::None;
                            if lock {
                                self.lock();
                            }
                            self.tell_of_no_lock();
                        }
                        Some(_) => *differ = true,
                    }
                }
            }
            _ => drop(write(&mut self.entry, key)),
        }
    }

    /// Tells that the screen will not lock itself although it was to.
    fn tell_of_no_lock(&mut self) {
        if self.options.lock.is_some() && !self.lock.is_set() {
            let text = Printable::line(self.words().unlockable);
            self.scrollback.push(Kind::Event { alarm: false }, &(self.wall)(Duration::ZERO), text);
        }
    }

    fn key_locked(&mut self, key: Option<Key>) {
        match key {
            Some(Key::Enter) => {
                let typed = self.entry.take().into_text();
                self.lock.open(&typed, self.now);
            }
            Some(key) => drop(write(&mut self.entry, key)),
            None => {}
        }
    }

    /// Keeps the cursor's row visible.
    fn settle_input(&mut self) {
        let layout = self.editor.layout(self.input_columns());
        let rows = usize::from(self.areas().input);
        let lowest = layout.row.saturating_sub(rows.saturating_sub(1));
        self.input_top = self.input_top.clamp(lowest, layout.row).min(layout.rows.len().saturating_sub(rows));
    }
}

/// Limits the number of columns and rows of a terminal to those that are used.
pub fn bounded(columns: u16, rows: u16) -> (u16, u16) {
    (columns.min(1_000), rows.min(500))
}
