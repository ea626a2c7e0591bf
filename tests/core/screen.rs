//! The full screen without a terminal: what each key does, and what every screen looks like.

use std::sync::Arc;
use std::time::Duration;

use jiff::Zoned;
use jiff::civil::date;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use tete::address::{OwnAddress, Scope};
use tete::interface::event::{ConnectionFault, ConnectionState, Event, Invitation, Status, Trust, Who};
use tete::interface::fault::{Fault, PairingFault};
use tete::interface::files::{FileEvent, Progress};
use tete::interface::refusal::Refusal;
use tete::interface::route::Route;
use tete::interface::{Frontend, Output, PromptKind, Request};
use tete::printable::{Ambiguous, Printable, cells, is_certain};
use tete::protocol::delivery::Incoming;
use tete::protocol::pairing::Half;
use tete::transport::error::ConnectError;
use tete::ui::commands::commands_of;
use tete::ui::keyboard::{self as event, KeyCode, KeyEvent, KeyModifiers};
use tete::ui::keys;
use tete::ui::tui::painter::Painter;
use tete::ui::tui::state::{Effect, Notify, Options, Scene, State};
use tete::ui::tui::view::draw;
use tete::ui::words::{self, Lang};
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;
use zeroize::Zeroizing;

const NOW: Duration = Duration::from_secs(100_000);
/// Time for which a question counts as not seen.
const GLANCE: Duration = Duration::from_millis(500);

fn wall(ago: Duration) -> Zoned {
    let noon = date(2026, 11, 23).at(12, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap();
    noon.checked_sub(jiff::SignedDuration::try_from(ago).unwrap_or_default()).unwrap_or(noon)
}

/// A screen and who sits at it.
struct Sitting {
    state: State,
    now: Duration,
    next_text: u32,
}

impl Sitting {
    fn new(size: (u16, u16), lang: Lang) -> Self {
        Self::with(size, lang, Options::default())
    }

    fn with(size: (u16, u16), lang: Lang, options: Options) -> Self {
        Self { state: State::new(lang, size, options, wall, NOW), now: NOW, next_text: 0 }
    }

    /// In an open room.
    fn open() -> Self {
        let mut sitting = Self::new((80, 24), Lang::En);
        sitting.opens();
        sitting
    }

    fn opens(&mut self) {
        self.state.show(Output::Status(status(true, ConnectionState::Connected)));
        self.state.show(Output::Ask {
            question: 2,
            what: PromptKind::Chat,
            about: Some(Event::RoomOpen { invited: false }),
        });
    }

    fn press(&mut self, code: KeyCode) {
        self.with_key(code, KeyModifiers::NONE);
    }

    fn control(&mut self, c: char) {
        self.with_key(KeyCode::Char(c), KeyModifiers::CONTROL);
    }

    fn with_key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.state.tick(self.now);
        self.state.input(event::Event::Key(KeyEvent::new(code, modifiers)));
    }

    fn types(&mut self, text: &str) {
        text.chars().for_each(|c| self.press(KeyCode::Char(c)));
    }

    fn paste(&mut self, text: &str) {
        self.state.input(event::Event::Paste(Zeroizing::new(text.to_owned())));
    }

    /// Types a text and sends it; the room takes it.
    fn says(&mut self, text: &str) {
        self.types(text);
        self.press(KeyCode::Enter);
        self.effects();
        self.state.said(true);
    }

    fn hears(&mut self, text: &str) {
        self.hears_late(text, Duration::ZERO);
    }

    fn hears_late(&mut self, text: &str, age: Duration) {
        let id = self.next_text;
        self.next_text += 1;
        self.state.show(Output::Text(Incoming { id, age, text: Zeroizing::new(text.to_owned()) }));
    }

    fn status(&mut self, status: Event) {
        self.state.show(Output::Event(status));
    }

    fn passes(&mut self, time: Duration) {
        self.now += time;
        self.state.tick(self.now);
    }

    fn effects(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.state.effect()).map(|effect| name(&effect)).collect()
    }

    fn seen(&mut self) -> Vec<u32> {
        std::iter::from_fn(|| self.state.seen()).collect()
    }

    fn rows(&self) -> Vec<String> {
        self.drawn().0
    }

    fn shows(&self, words: &str) -> bool {
        self.rows().join(" ").split_whitespace().collect::<Vec<_>>().join(" ").contains(words)
    }

    /// What a terminal of that size shows, and its cursor.
    fn drawn(&self) -> (Vec<String>, Option<Position>) {
        let (columns, rows) = self.state.size();
        let area = Rect::new(0, 0, columns, rows);
        let mut cells = Buffer::empty(area);
        let cursor = draw(&self.state, true, &mut cells);
        let row = |y| (0..columns).map(|x| cells[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        ((0..rows).map(row).collect(), cursor)
    }
}

fn name(effect: &Effect) -> String {
    match effect {
        Effect::Act(Request::Half { question, typed }) => format!("half {question} {}", typed.as_str()),
        Effect::Act(Request::Compared { question, same }) => format!("compared {question} {same:?}"),
        Effect::Act(Request::Next { question }) => format!("next {question}"),
        Effect::Act(Request::Cancel) => "/cancel".into(),
        Effect::Act(Request::Who) => "/who".into(),
        Effect::Act(Request::Doctor) => "/doctor".into(),
        Effect::Act(Request::Code) => "/code".into(),
        Effect::Act(Request::Rekey) => "/rekey".into(),
        Effect::Act(Request::Panic) => "/panic".into(),
        Effect::Act(Request::Leave) => "leave".into(),
        Effect::Act(Request::Refused(Event::Refused(Refusal::WhatToSend))) => "nothing to send".into(),
        Effect::Act(Request::Refused(Event::File(_))) => "nothing offered".into(),
        Effect::Act(Request::Answer { offer, take }) => format!("{} {offer}", if *take { "get" } else { "decline" }),
        Effect::Act(Request::Send(paths)) => format!("send {paths:?}"),
        Effect::Act(_) => "another request".into(),
        Effect::Say(text) => format!("say {}", text.as_str()),
        Effect::Interrupt => "interrupt".into(),
        Effect::Bell => "bell".into(),
        Effect::Notify => "notify".into(),
        Effect::Suspend => "suspend".into(),
        Effect::Redraw => "redraw".into(),
        Effect::Wipe => "wipe".into(),
        Effect::Leave => "gone".into(),
    }
}

fn status(verified: bool, line: ConnectionState) -> Status {
    Status {
        partner: "192.168.1.7:51423".parse::<std::net::SocketAddr>().unwrap().into(),
        trust: if verified { Trust::Code } else { Trust::No },
        connection: line,
        round_trip: verified.then_some(Duration::from_micros(12_300)),
        epoch: verified.then_some(2),
        files: [None; 2],
    }
}

fn code() -> Event {
    Event::Code { own: Half::parse("41242842").unwrap(), can_skip: true }
}

fn asks(about: Event) -> Output {
    Output::Ask { question: 1, what: PromptKind::Half, about: Some(about) }
}

const CONTROL: KeyModifiers = KeyModifiers::CONTROL;
const ALT: KeyModifiers = KeyModifiers::ALT;

#[test]
fn an_invite_leaves_the_screen_when_it_was_used() {
    let mut sitting = Sitting::new((100, 40), Lang::En);
    let line = Arc::new(Zeroizing::new(format!("tete1{}", "x".repeat(60))));
    let ways = vec![Route::Address(Printable::line("192.0.2.7:51423"))];
    sitting.state.show(Output::Event(Event::Invite { invite: line, routes: ways, left_out: 0, how: Invitation::Join }));
    assert!(sitting.shows("tete1xxx") && sitting.shows("█"));
    sitting.opens();
    assert!(!sitting.shows("tete1xxx") && !sitting.shows("█"));
    assert!(sitting.shows("the invite was used and is not kept here"));
}

#[test]
fn a_half_is_typed_into_boxes_and_nothing_else_opens_the_room() {
    let mut sitting = Sitting::new((80, 24), Lang::En);
    sitting.state.show(asks(code()));
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.effects(), ["half 1 "]);
    sitting.types("1234");
    assert!(sitting.shows("│ 1 │ 2 │ 3 │ 4 │ │ │ │ │ │"), "{:#?}", sitting.rows());
    sitting.types("５678");
    sitting.press(KeyCode::Backspace);
    sitting.types("8");
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.effects(), ["half 1 1234５678"]);
    sitting.types("／next");
    assert!(sitting.shows("› ／next"));
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.effects(), ["next 1"]);
}

#[test]
fn what_was_typed_before_the_code_is_no_answer_to_it() {
    let mut sitting = Sitting::new((80, 24), Lang::En);
    sitting.types("1234 5678");
    sitting.press(KeyCode::Enter);
    sitting.state.show(asks(code()));
    sitting.types("12");
    sitting.state.show(asks(code()));
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.effects(), ["half 1 "]);
}

#[test]
fn the_code_is_nowhere_once_the_room_is_open() {
    let mut sitting = Sitting::new((80, 24), Lang::En);
    sitting.state.show(asks(code()));
    assert!(sitting.shows("4124 2842"));
    sitting.opens();
    assert!(!sitting.shows("4124"));
    sitting.with_key(KeyCode::Home, CONTROL);
    assert!(!sitting.shows("4124"));
}

#[test]
fn both_words_of_a_comparison_are_understood() {
    for (word, seen) in [("same", "Some(true)"), ("不一样", "Some(false)"), ("y", "None")] {
        let mut sitting = Sitting::new((80, 24), Lang::En);
        let own = Half::parse("41242842").unwrap();
        let partner = Half::parse("11112222").unwrap();
        let about = Event::Compare { own, partner, emoji: [0, 1, 2, 3, 4, 5, 6], can_skip: false };
        sitting.state.show(Output::Ask { question: 1, what: PromptKind::Compare, about: Some(about) });
        sitting.types(word);
        sitting.press(KeyCode::Enter);
        assert_eq!(sitting.effects(), [format!("compared 1 {seen}")]);
    }
}

#[test]
fn an_alarm_takes_the_whole_screen_until_it_was_seen() {
    let mut sitting = Sitting::new((80, 24), Lang::En);
    sitting.state.show(asks(code()));
    let from = std::net::SocketAddr::from(([10, 0, 0, 9], 4000)).into();
    sitting.status(Event::PairingFailed {
        address: from,
        why: PairingFault::Commitment,
        pause: Duration::from_secs(5),
    });
    assert_eq!(sitting.effects(), ["bell"]);
    assert!(sitting.shows("ALARM: an attack") && !sitting.shows("4124"));
    sitting.types("x ");
    sitting.press(KeyCode::Enter);
    assert!(sitting.shows("Enter: close"), "that key was meant for the screen before");
    sitting.passes(Duration::from_secs(1));
    sitting.press(KeyCode::Enter);
    assert!(!sitting.shows("Enter: close"));
}

#[test]
fn a_text_waits_and_then_was_shown() {
    let mut sitting = Sitting::open();
    sitting.says("one");
    sitting.says("two");
    assert!(sitting.shows("you ◌ one") && sitting.shows("◌ 2 not delivered"));
    sitting.status(Event::Delivered { messages: 1, waiting: 1 });
    assert!(sitting.shows("you ✓ one") && sitting.shows("you ◌ two"), "{:#?}", sitting.rows());
    sitting.status(Event::Delivered { messages: 1, waiting: 0 });
    assert!(sitting.shows("you ✓ two") && !sitting.shows("not delivered"));
}

#[test]
fn marks_are_right_although_the_screen_was_cleared_in_between() {
    let mut sitting = Sitting::open();
    sitting.says("one");
    sitting.control('x');
    sitting.types("c");
    sitting.says("two");
    sitting.status(Event::Delivered { messages: 1, waiting: 1 });
    assert!(sitting.shows("you ◌ two") && !sitting.shows("one"));
}

#[test]
fn a_text_that_was_not_taken_is_back_in_the_input() {
    let mut sitting = Sitting::open();
    sitting.types("keep me");
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.effects(), ["say keep me"]);
    assert!(sitting.state.is_saying());
    sitting.state.said(false);
    assert!(!sitting.shows("you ◌ keep me"));
    assert_eq!(sitting.state.editor().text(), "keep me");
}

#[test]
fn commands_are_typed_not_pasted_and_may_be_full_width() {
    let mut sitting = Sitting::open();
    sitting.types("／who");
    sitting.press(KeyCode::Enter);
    sitting.types("/rek");
    sitting.press(KeyCode::Tab);
    sitting.press(KeyCode::Enter);
    sitting.paste("/quit");
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.effects(), ["/who", "/rekey", "say /quit"]);
    sitting.state.said(true);
}

/// All ways to type or paste a line in at most three pieces.
fn ways_to_write(line: &str) -> Vec<Vec<(bool, &str)>> {
    let places: Vec<_> = line.char_indices().map(|(at, _)| at).chain([line.len()]).collect();
    let mut ways = Vec::new();
    for (number, first) in places.iter().enumerate() {
        for second in &places[number..] {
            let pieces = [&line[..*first], &line[*first..*second], &line[*second..]];
            for typed in 0..8 {
                ways.push((0..3).map(|piece| (typed >> piece & 1 == 1, pieces[piece])).collect());
            }
        }
    }
    ways
}

#[test]
fn a_line_is_a_command_if_and_only_if_its_first_word_was_typed() {
    let lines = [
        ("/who", "/who"),
        ("／rekey", "/rekey"),
        ("/send /etc/hostname", "send [\"/etc/hostname\"]"),
        ("/send file:///a%20b\n", "send [\"/a b\"]"),
    ];
    for (line, command) in lines {
        let word = line.find(' ').unwrap_or(line.len());
        for way in ways_to_write(line) {
            let mut sitting = Sitting::open();
            let (mut at, mut first_word_typed) = (0, true);
            for (typed, piece) in &way {
                first_word_typed &= *typed || piece.is_empty() || at >= word;
                at += piece.len();
                match typed {
                    // A line break is no key of a command.
                    true => piece.split_inclusive('\n').for_each(|part| {
                        sitting.types(part.trim_end_matches('\n'));
                        if part.ends_with('\n') {
                            sitting.control('j');
                        }
                    }),
                    false => sitting.paste(piece),
                }
            }
            sitting.press(KeyCode::Enter);
            let expected = if first_word_typed { command.to_owned() } else { format!("say {line}") };
            assert_eq!(sitting.effects(), [expected], "{way:?}");
        }
    }
}

/// A file for the time of a test.
struct OneFile(std::path::PathBuf);

impl OneFile {
    fn named(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tete-screen-{}-{}", std::process::id(), name.len()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), "").unwrap();
        Self(folder.join(name))
    }
}

impl Drop for OneFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
    }
}

#[test]
fn a_path_that_stands_alone_is_asked_about_and_only_a_question_that_was_seen_is_answered() {
    let file = OneFile::named("a film.mkv");
    let path = file.0.to_str().unwrap();
    let offer = format!("send [{path:?}]");
    let says = format!("say {path}");
    for pasted in [format!("'{path}'\n"), format!("file://{}\r\n", path.replace(' ', "%20")), path.to_owned()] {
        let mut sitting = Sitting::open();
        sitting.paste(&pasted);
        assert!(sitting.shows("Send “a film.mkv” to your partner?") && sitting.shows("Enter: send Esc: no"));
        sitting.state.drawn();
        sitting.press(KeyCode::Enter);
        sitting.passes(GLANCE);
        assert!(sitting.effects().is_empty(), "that Enter was meant for a message");
        sitting.types("yn ");
        sitting.press(KeyCode::Enter);
        assert_eq!(sitting.effects(), std::slice::from_ref(&offer));
        assert!(sitting.state.editor().is_empty());
    }
    let mut sitting = Sitting::open();
    sitting.paste(path);
    sitting.passes(GLANCE);
    sitting.press(KeyCode::Enter);
    assert!(sitting.effects().is_empty() && sitting.shows("Esc: no"), "it was not on the terminal yet");
    sitting.press(KeyCode::Esc);
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.effects(), [says]);
    sitting.state.said(true);
    // Not pasted as one: it is asked when it would be sent.
    for typed in [path.to_owned(), format!("\"{path}\"")] {
        sitting.types(&typed);
        sitting.press(KeyCode::Enter);
        assert!(sitting.shows("Send “a film.mkv”"));
        sitting.press(KeyCode::Esc);
        sitting.press(KeyCode::Backspace);
        let last = typed.chars().last().unwrap();
        sitting.types(&last.to_string());
        sitting.press(KeyCode::Enter);
        assert!(sitting.shows("Send “a film.mkv”") && sitting.effects().is_empty(), "it was written anew");
        sitting.control('c');
        sitting.control('c');
    }
    sitting.types("see ");
    sitting.paste(path);
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.effects(), [format!("say see {path}")]);
}

#[test]
fn an_enter_that_may_belong_to_a_paste_sends_agrees_to_and_closes_nothing() {
    let hurried = |sitting: &mut Sitting| {
        let key = KeyEvent { hurried: true, ..KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE) };
        sitting.state.tick(sitting.now);
        sitting.state.input(event::Event::Key(key));
    };
    for written in ["a message", "/quit", "/send /etc/hostname"] {
        let mut sitting = Sitting::open();
        sitting.types(written);
        hurried(&mut sitting);
        assert!(sitting.effects().is_empty() && sitting.shows("Enter sends it."), "{written}");
        assert_eq!(sitting.state.editor().text(), written);
        sitting.press(KeyCode::Enter);
        assert_eq!(sitting.effects().len(), 1, "{written}");
    }
    let mut sitting = Sitting::open();
    hurried(&mut sitting);
    assert!(!sitting.shows("Enter sends it."), "there is nothing to send");
    sitting.state.show(Output::End(None));
    sitting.passes(Duration::from_secs(2));
    hurried(&mut sitting);
    assert!(sitting.effects().is_empty());
    // Answers that are not sent on.
    let mut sitting = Sitting::new((80, 24), Lang::En);
    sitting.state.show(asks(code()));
    sitting.types("12345678");
    hurried(&mut sitting);
    assert_eq!(sitting.effects(), ["half 1 12345678"]);
}

#[test]
fn a_key_that_answers_an_offer_does_nothing_when_another_has_just_come() {
    let offered = |offer| {
        let name = Printable::line("film.mkv");
        let folder = Printable::line("/tmp");
        Event::File(FileEvent::Offered { offer, name, offered_as: None, files: 1, bytes: None, folder })
    };
    for (key, answer) in [(KeyCode::F(2), "get"), (KeyCode::F(3), "decline")] {
        let mut sitting = Sitting::open();
        sitting.status(offered(1));
        sitting.press(key);
        assert_eq!(sitting.effects(), [format!("{answer} 1")]);
        sitting.status(offered(2));
        sitting.press(key);
        assert!(sitting.effects().is_empty() && sitting.shows("Another offer has just come."));
        sitting.passes(GLANCE);
        sitting.press(key);
        assert_eq!(sitting.effects(), [format!("{answer} 2")]);
    }
}

#[test]
fn tab_lists_what_is_possible_until_the_next_key() {
    let file = OneFile::named("one");
    let folder = file.0.parent().unwrap().to_owned();
    (0..30).for_each(|number| std::fs::write(folder.join(format!("two {number:02}")), "").unwrap());
    let mut sitting = Sitting::open();
    sitting.types(&format!("/send {}/", folder.display()));
    sitting.press(KeyCode::Tab);
    assert!(sitting.shows("one two 00 two 01") && sitting.shows("two 18 …"), "{:#?}", sitting.rows());
    sitting.types("t");
    assert!(!sitting.shows("two 00"));
    sitting.press(KeyCode::Tab);
    assert!(sitting.state.editor().text().ends_with("/two\\ "));
    sitting.control('c');
    sitting.types("/code ");
    sitting.press(KeyCode::Tab);
    assert!(sitting.shows("different same"), "{:#?}", sitting.rows());
    sitting.types("s");
    sitting.press(KeyCode::Tab);
    assert_eq!(sitting.state.editor().text(), "/code same");
}

#[test]
fn a_half_of_an_input_method_is_in_its_boxes() {
    let mut sitting = Sitting::new((80, 24), Lang::En);
    sitting.state.show(asks(code()));
    for (typed, shown) in
        [("１２３４－５６", "5 │ 6"), ("12．34　5", "│ 5 │"), ("1234ー56。7", "5 │ 6 │ 7"), ("１２３４−", "3 │ 4")]
    {
        sitting.types(typed);
        assert!(sitting.shows("│ 1 │ 2 │ 3 │ 4 │") && sitting.shows(shown), "{typed}: {:#?}", sitting.rows());
        sitting.control('u');
    }
}

#[test]
fn a_line_that_was_refused_stays_in_the_input_and_can_be_recalled() {
    let mut sitting = Sitting::open();
    sitting.types("/usr/bin/ls is nice");
    sitting.press(KeyCode::Enter);
    assert!(sitting.shows("Unknown command /usr/bin/ls"));
    assert!(sitting.effects().is_empty());
    assert_eq!(sitting.state.editor().text(), "/usr/bin/ls is nice");
    sitting.control('c');
    sitting.paste("/quit");
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.effects(), ["say /quit"]);
    sitting.state.said(false);
    assert_eq!(sitting.state.editor().text(), "/quit");
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.effects(), ["say /quit"], "what was pasted is a text when it comes back, too");
    sitting.state.said(false);
    sitting.control('c');
    sitting.press(KeyCode::Up);
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.effects(), ["say /quit"], "and when it is recalled");
    sitting.state.said(true);
    sitting.types("/who");
    sitting.press(KeyCode::Enter);
    (0..3).for_each(|_| sitting.press(KeyCode::Up));
    assert_eq!(sitting.state.editor().text(), "/usr/bin/ls is nice");
    (0..2).for_each(|_| sitting.press(KeyCode::Down));
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.effects(), ["/who", "/who"], "a command that is recalled is still one");
}

#[test]
fn a_pasted_word_refuses_no_caller() {
    let mut sitting = Sitting::new((80, 24), Lang::En);
    sitting.state.show(asks(code()));
    sitting.paste("/next");
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.effects(), ["half 1 /next"]);
}

#[test]
fn a_long_paste_is_asked_about_and_never_sent_by_itself() {
    let mut sitting = Sitting::open();
    let text = "line\r\n".repeat(99) + "last";
    sitting.paste(&text);
    assert!(sitting.shows("Paste 100 lines?"));
    sitting.press(KeyCode::Enter);
    assert!(sitting.state.editor().is_empty() && sitting.shows("Paste 100 lines?"), "it was not on the terminal yet");
    sitting.state.drawn();
    sitting.types("xyz");
    sitting.press(KeyCode::Esc);
    assert!(sitting.state.editor().is_empty());
    sitting.paste(&text);
    sitting.state.drawn();
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.state.editor().text(), text.replace("\r\n", "\n"));
    assert!(sitting.effects().is_empty());
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.effects(), [format!("say {}", text.replace("\r\n", "\n"))]);
}

#[test]
fn the_input_grows_to_eight_rows_and_keeps_the_cursor_in_sight() {
    let mut sitting = Sitting::open();
    for number in 0..12 {
        sitting.types(&format!("row {number}"));
        sitting.with_key(KeyCode::Enter, ALT);
    }
    assert_eq!(sitting.state.areas().input, 8);
    assert!(sitting.shows("row 11") && !sitting.shows("row 4"));
    assert_eq!(sitting.drawn().1, Some(Position::new(2, 23)));
    (0..10).for_each(|_| sitting.press(KeyCode::Up));
    assert!(sitting.shows("row 2") && !sitting.shows("row 11"));
    assert_eq!(sitting.drawn().1.unwrap().x, 2);
}

#[test]
fn what_was_sent_can_be_had_back() {
    let mut sitting = Sitting::open();
    sitting.says("one");
    sitting.says("two");
    sitting.types("draft");
    sitting.press(KeyCode::Up);
    assert_eq!(sitting.state.editor().text(), "two");
    sitting.press(KeyCode::Up);
    sitting.press(KeyCode::Up);
    assert_eq!(sitting.state.editor().text(), "one");
    sitting.press(KeyCode::Down);
    sitting.press(KeyCode::Down);
    assert_eq!(sitting.state.editor().text(), "draft");
    sitting.press(KeyCode::Down);
    assert_eq!(sitting.state.editor().text(), "draft");
}

#[test]
fn one_press_never_leaves() {
    let mut sitting = Sitting::open();
    sitting.types("abc");
    sitting.control('c');
    assert!(sitting.state.editor().is_empty() && sitting.effects().is_empty());
    sitting.control('7');
    assert_eq!(sitting.state.editor().text(), "abc", "what was emptied can be had back");
    sitting.control('c');
    sitting.control('c');
    assert!(sitting.effects().is_empty() && sitting.shows("Press it again to leave the room."));
    sitting.passes(Duration::from_secs(5));
    sitting.control('c');
    assert!(sitting.effects().is_empty(), "the first press was too long ago");
    sitting.control('c');
    assert_eq!(sitting.effects(), ["leave"]);
}

#[test]
fn whatever_is_done_between_two_presses_they_do_not_leave() {
    type Step = fn(&mut Sitting);
    let steps: [Step; 12] = [
        |sitting| sitting.says("hello"),
        |sitting| {
            sitting.types("c");
            sitting.control('c');
        },
        |sitting| {
            sitting.paste("pasted");
            sitting.control('c');
        },
        |sitting| sitting.press(KeyCode::Enter),
        |sitting| sitting.press(KeyCode::Esc),
        |sitting| sitting.press(KeyCode::Left),
        |sitting| sitting.press(KeyCode::PageUp),
        |sitting| {
            sitting.press(KeyCode::F(1));
            sitting.press(KeyCode::Esc);
        },
        |sitting| sitting.control('d'),
        |sitting| sitting.control('l'),
        |sitting| {
            sitting.state.input(event::Event::Wheel { down: false });
        },
        |sitting| sitting.passes(Duration::from_secs(4)),
    ];
    for (number, step) in steps.into_iter().enumerate() {
        let mut sitting = Sitting::open();
        sitting.control('c');
        step(&mut sitting);
        sitting.effects();
        sitting.control('c');
        assert!(sitting.effects().is_empty() && sitting.shows("Press it again to leave the room."), "step {number}");
        sitting.control('c');
        assert_eq!(sitting.effects(), ["leave"], "step {number}");
    }
    let mut sitting = Sitting::open();
    sitting.control('d');
    sitting.state.input(event::Event::Focus(false));
    sitting.state.input(event::Event::Resize(60, 20));
    sitting.hears("a text");
    sitting.effects();
    sitting.control('d');
    assert_eq!(sitting.effects(), ["leave"]);
}

#[test]
fn panic_wipes_at_once_and_needs_two_keys() {
    let mut sitting = Sitting::open();
    sitting.hears("a secret");
    sitting.says("another");
    sitting.types("p");
    sitting.control('x');
    assert!(sitting.shows("p: panic"));
    sitting.types("p");
    assert_eq!(sitting.effects(), ["wipe", "/panic"]);
    assert!(!sitting.shows("secret") && !sitting.shows("another"));
    assert!(sitting.state.scrollback().is_empty() && sitting.state.editor().is_empty());
    sitting.press(KeyCode::Up);
    assert!(sitting.state.editor().is_empty());
}

#[test]
fn scrolling_stays_where_it_is_and_what_comes_is_marked() {
    let mut sitting = Sitting::open();
    (0..100).for_each(|number| sitting.hears(&format!("text {number}.")));
    assert!(sitting.shows("text 99."));
    sitting.press(KeyCode::PageUp);
    let before = sitting.rows()[..22].to_vec();
    sitting.hears("something new");
    assert_eq!(sitting.rows()[..22], before);
    assert!(sitting.shows("below (Ctrl-End)"));
    sitting.with_key(KeyCode::End, CONTROL);
    assert!(sitting.shows("─ new ─") && sitting.shows("something new"));
    sitting.says("an answer");
    assert!(!sitting.shows("─ new ─"));
    sitting.with_key(KeyCode::Home, CONTROL);
    assert!(sitting.shows("text 0.") && !sitting.shows("text 99."));
    sitting.state.input(event::Event::Wheel { down: true });
    assert!(!sitting.shows("text 0.") && sitting.shows("text 22."), "{:#?}", sitting.rows());
    sitting.state.input(event::Event::Wheel { down: false });
    assert!(sitting.shows("text 0."));
}

#[test]
fn a_search_finds_what_has_scrolled_away() {
    let mut sitting = Sitting::open();
    sitting.hears("the first Needle");
    (0..100).for_each(|number| sitting.hears(&format!("text {number}.")));
    sitting.hears("the second needle");
    sitting.control('r');
    sitting.types("NEEDLE");
    assert!(sitting.shows("the second needle"));
    sitting.press(KeyCode::Enter);
    assert!(sitting.shows("the first Needle") && !sitting.shows("the second"));
    sitting.press(KeyCode::Enter);
    assert!(sitting.shows("nothing found") && sitting.shows("the first Needle"));
    sitting.control('s');
    assert!(sitting.shows("the second needle"));
    sitting.control('g');
    sitting.types("/find text 42.");
    sitting.press(KeyCode::Enter);
    assert!(sitting.shows("text 42.") && sitting.shows("find: text 42."));
    sitting.press(KeyCode::Esc);
    assert!(sitting.shows("text 42.") && !sitting.shows("find:"));
}

#[test]
fn a_screen_that_was_to_lock_itself_and_has_no_passphrase_says_so() {
    for lang in [Lang::En, Lang::Zh] {
        let options = Options { lock: Some(Duration::from_secs(600)), ..Options::default() };
        let mut sitting = Sitting::with((80, 24), lang, options);
        sitting.press(KeyCode::Esc);
        sitting.opens();
        let told = words::screen(lang).unlockable.split(['，', ',']).next().unwrap();
        assert!(sitting.shows(told), "{told}");
        sitting.hears("a secret");
        sitting.passes(Duration::from_secs(601));
        assert!(sitting.shows("a secret"));
    }
    let mut sitting = Sitting::open();
    sitting.types("/lock");
    sitting.press(KeyCode::Enter);
    assert!(sitting.shows("Choose a passphrase"));
    sitting.press(KeyCode::Esc);
    assert!(!sitting.shows("Choose a passphrase") && !sitting.shows("No passphrase was chosen"), "it was never to");
}

fn locked() -> Sitting {
    let options = Options { lock: Some(Duration::from_secs(600)), ..Options::default() };
    let mut sitting = Sitting::with((80, 24), Lang::En, options);
    assert!(sitting.shows("Choose a passphrase"));
    for attempt in ["one", "two", "口令 1", "口令 1"] {
        sitting.types(attempt);
        assert!(!sitting.shows(attempt), "a passphrase is not shown");
        sitting.press(KeyCode::Enter);
        assert_eq!(sitting.shows("They do not match"), attempt == "two");
    }
    sitting.opens();
    sitting.hears("a secret");
    assert_eq!(sitting.seen(), [0]);
    sitting.passes(Duration::from_secs(599));
    assert!(sitting.shows("a secret"));
    sitting.passes(Duration::from_secs(1));
    assert!(sitting.shows("This screen is locked.") && !sitting.shows("a secret"));
    sitting
}

#[test]
fn a_locked_screen_shows_nothing_and_tells_nothing_was_shown() {
    let mut sitting = locked();
    sitting.hears("while it was locked");
    assert!(sitting.seen().is_empty(), "nobody has seen it");
    sitting.types("/quit");
    sitting.control('x');
    sitting.types("p");
    sitting.press(KeyCode::PageUp);
    assert!(sitting.effects().is_empty());
    sitting.press(KeyCode::Enter);
    assert!(sitting.shows("Wrong. Seconds to wait"));
    sitting.passes(Duration::from_secs(2));
    sitting.types("口令 1");
    sitting.press(KeyCode::Enter);
    assert!(sitting.shows("while it was locked") && sitting.shows("─ new ─"));
    assert_eq!(sitting.seen(), [1]);
}

#[test]
fn the_wheel_scrolls_nothing_behind_a_lock() {
    let mut sitting = locked();
    (0..100).for_each(|_| sitting.hears("hidden"));
    sitting.state.input(event::Event::Wheel { down: false });
    assert_eq!(sitting.state.bottom(), None);
}

#[test]
fn a_text_counts_as_shown_only_where_the_end_of_the_talk_is_on_the_screen() {
    type Step = fn(&mut Sitting);
    let steps: [(Step, Step); 6] = [
        (|sitting| sitting.press(KeyCode::F(1)), |sitting| sitting.press(KeyCode::Esc)),
        (|sitting| sitting.press(KeyCode::PageUp), |sitting| sitting.press(KeyCode::Esc)),
        (
            |sitting| {
                sitting.types("/lock");
                sitting.press(KeyCode::Enter);
            },
            |sitting| sitting.press(KeyCode::Esc),
        ),
        (
            |sitting| sitting.state.input(event::Event::Resize(10, 2)),
            |sitting| sitting.state.input(event::Event::Resize(80, 24)),
        ),
        (
            |sitting| {
                let from = std::net::SocketAddr::from(([10, 0, 0, 9], 4000)).into();
                let pause = Duration::from_secs(5);
                sitting.status(Event::PairingFailed { address: from, why: PairingFault::Commitment, pause });
            },
            |sitting| {
                sitting.passes(Duration::from_secs(1));
                sitting.press(KeyCode::Enter);
            },
        ),
        (
            |sitting| sitting.press(KeyCode::PageUp),
            |sitting| {
                sitting.control('c');
                sitting.control('c');
            },
        ),
    ];
    for (number, (hide, back)) in steps.into_iter().enumerate() {
        let mut sitting = Sitting::open();
        (0..50).for_each(|number| sitting.hears(&format!("text {number}")));
        assert_eq!(sitting.seen().len(), 50);
        hide(&mut sitting);
        sitting.hears("hidden");
        assert!(sitting.seen().is_empty(), "step {number}");
        assert!(!sitting.shows("hidden"), "step {number}");
        back(&mut sitting);
        assert!(sitting.shows("hidden"), "step {number}");
        assert_eq!(sitting.seen(), [50], "step {number}");
    }
}

#[test]
fn the_lock_command_asks_for_a_passphrase_first() {
    let mut sitting = Sitting::open();
    sitting.types("/lock");
    sitting.press(KeyCode::Enter);
    sitting.press(KeyCode::Esc);
    assert!(!sitting.state.lock_state().is_set());
    sitting.types("/lock");
    sitting.press(KeyCode::Enter);
    for _ in 0..2 {
        sitting.types("abc");
        sitting.press(KeyCode::Enter);
    }
    assert!(sitting.shows("This screen is locked."));
    sitting.types("abc");
    sitting.press(KeyCode::Enter);
    assert!(sitting.shows("The room is open"));
}

#[test]
fn a_search_an_answer_and_a_passphrase_each_have_a_field_of_their_own() {
    let fields = |sitting: &Sitting| (sitting.state.sought().to_owned(), sitting.state.entry().text().to_owned());
    let are = |sought: &str, entry: &str| (sought.to_owned(), entry.to_owned());
    let mut sitting = locked();
    sitting.types("口令");
    sitting.paste(" 1\nmore");
    assert_eq!(fields(&sitting), are("", "口令 1"));
    sitting.press(KeyCode::Enter);
    sitting.control('r');
    sitting.types("a sec");
    sitting.paste("ret\nmore");
    assert_eq!(fields(&sitting), are("a secret", ""));
    assert!(sitting.shows("find: a secret"));
    // The screen locks itself over the search.
    sitting.passes(Duration::from_secs(600));
    assert_eq!(fields(&sitting), are("", ""));
    sitting.types("口令 1");
    sitting.press(KeyCode::Enter);
    sitting.control('r');
    assert_eq!(fields(&sitting), are("", ""));
    sitting.press(KeyCode::Esc);

    let mut sitting = Sitting::new((80, 24), Lang::En);
    sitting.state.show(asks(code()));
    sitting.types("1234");
    sitting.press(KeyCode::F(1));
    sitting.paste("5678");
    assert_eq!(fields(&sitting), are("", "1234"), "a paste goes nowhere that is not seen");
    sitting.state.show(asks(code()));
    sitting.press(KeyCode::Esc);
    assert_eq!(fields(&sitting), are("", ""), "what was written to the code before is no answer to this one");
}

#[test]
fn a_passphrase_being_set_is_not_disturbed_by_who_comes() {
    let options = Options { lock: Some(Duration::from_secs(600)), ..Options::default() };
    let mut sitting = Sitting::with((80, 24), Lang::En, options);
    sitting.types("correct ");
    sitting.state.show(asks(code()));
    let from = std::net::SocketAddr::from(([10, 0, 0, 9], 4000)).into();
    sitting.status(Event::PairingFailed {
        address: from,
        why: PairingFault::Commitment,
        pause: Duration::from_secs(5),
    });
    assert!(sitting.shows("ALARM"));
    sitting.passes(Duration::from_secs(1));
    sitting.press(KeyCode::Enter);
    sitting.types("horse");
    sitting.press(KeyCode::Enter);
    sitting.types("correct horse");
    sitting.press(KeyCode::Enter);
    assert!(sitting.state.lock_state().is_set());
}

#[test]
fn a_screen_on_which_nothing_happens_is_not_drawn_again() {
    let mut quiet = locked();
    let mut cut = Sitting::open();
    cut.state.show(Output::Status(status(true, ConnectionState::Awaiting(NOW))));
    for (sitting, draws) in [(&mut quiet, 0), (&mut cut, 10)] {
        sitting.state.take_changed();
        let mut drawn = 0;
        for _ in 0..1_000 {
            sitting.passes(Duration::from_millis(10));
            drawn += usize::from(sitting.state.take_changed());
        }
        assert_eq!(drawn, draws);
    }
}

#[test]
fn a_notice_comes_only_when_asked_for_and_the_user_looks_elsewhere() {
    for (notify, effect) in [(Notify::Off, None), (Notify::Bell, Some("bell")), (Notify::Desktop, Some("notify"))] {
        let mut sitting = Sitting::with((80, 24), Lang::En, Options { notify, ..Options::default() });
        sitting.opens();
        sitting.hears("a");
        assert!(sitting.effects().is_empty());
        // A terminal that reports nothing is looked at only for a while after a key.
        sitting.passes(Duration::from_secs(20));
        sitting.hears("unseen");
        assert_eq!(sitting.effects(), Vec::from_iter(effect));
        sitting.types("x");
        sitting.effects();
        sitting.hears("seen");
        assert!(sitting.effects().is_empty());
        sitting.state.input(event::Event::Focus(false));
        sitting.hears("b");
        assert_eq!(sitting.effects(), Vec::from_iter(effect));
        sitting.state.input(event::Event::Focus(true));
        sitting.hears("c");
        assert!(sitting.effects().is_empty());
    }
}

#[test]
fn the_title_counts_what_came_while_the_user_looked_elsewhere_and_says_nothing_of_it() {
    let mut sitting = Sitting::open();
    assert_eq!(sitting.state.title(), "tete");
    sitting.hears("seen");
    sitting.state.input(event::Event::Focus(false));
    sitting.hears("one");
    sitting.hears("two");
    assert_eq!(sitting.state.title(), "(2) tete");
    sitting.state.input(event::Event::Focus(true));
    assert_eq!(sitting.state.title(), "tete");
}

#[test]
fn the_bell_rings_for_whoever_comes_and_not_again_at_once() {
    let mut sitting = Sitting::new((80, 24), Lang::En);
    let caller = || Event::Caller { address: "192.0.2.7:1".parse::<std::net::SocketAddr>().unwrap().into() };
    sitting.status(caller());
    sitting.status(caller());
    assert_eq!(sitting.effects(), ["bell"]);
    sitting.passes(Duration::from_secs(10));
    sitting.status(caller());
    assert_eq!(sitting.effects(), ["bell"]);
}

#[test]
fn offers_and_a_farewell_call_like_messages() {
    let offered = || {
        Event::File(FileEvent::Offered {
            offer: 1,
            name: Printable::line("x"),
            files: 1,
            bytes: Some(1),
            offered_as: None,
            folder: Printable::line("/"),
        })
    };
    for (away, called) in [(true, vec!["bell"]), (false, Vec::new())] {
        for event in [offered(), Event::PartnerLeft] {
            let mut sitting = Sitting::with((80, 24), Lang::En, Options { notify: Notify::Bell, ..Options::default() });
            sitting.opens();
            sitting.state.input(event::Event::Focus(!away));
            sitting.effects();
            sitting.status(event);
            assert_eq!(sitting.effects(), called);
        }
    }
}

#[test]
fn the_partner_is_called_what_the_user_chose_where_there_is_room_for_it() {
    for (columns, name) in [(80, "Mum"), (40, "Mum"), (39, "partner")] {
        let call = Some(Printable::line("Mum"));
        let mut sitting = Sitting::with((columns, 24), Lang::En, Options { call, ..Options::default() });
        sitting.opens();
        sitting.hears("hello");
        let screen = sitting.rows().join("\n");
        assert_eq!(
            ["Mum", "partner"].map(|called| screen.contains(called)),
            ["Mum", "partner"].map(|it| it == name),
            "{screen}"
        );
    }
}

#[test]
fn the_end_of_a_room_can_be_read_until_a_key_closes_it() {
    let mut sitting = Sitting::open();
    sitting.hears("last words");
    sitting.status(Event::PartnerLeft);
    sitting.state.show(Output::End(None));
    assert!(sitting.shows("last words") && sitting.shows("Enter quits"));
    sitting.passes(Duration::from_secs(1));
    sitting.types("x");
    assert!(sitting.effects().is_empty());
    sitting.passes(Duration::from_secs(1));
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.effects(), ["gone"]);
}

#[test]
fn a_room_that_ends_under_the_hands_of_its_writer_takes_neither_their_keys_nor_their_words() {
    let ended = |draft: &str| {
        let mut sitting = Sitting::open();
        sitting.types(draft);
        sitting.state.show(Output::End(None));
        for code in [KeyCode::Enter, KeyCode::Esc, KeyCode::Char('q')] {
            sitting.press(code);
        }
        sitting.control('c');
        assert!(sitting.effects().is_empty(), "they were meant for the room");
        sitting.passes(Duration::from_millis(600));
        sitting.types("more");
        sitting.passes(Duration::from_millis(600));
        sitting.press(KeyCode::Enter);
        assert!(sitting.effects().is_empty(), "somebody writes on");
        sitting.passes(Duration::from_millis(400));
        sitting
    };
    let mut without = ended("");
    without.press(KeyCode::Enter);
    assert_eq!(without.effects(), ["gone"]);

    let mut sitting = ended("half a sentence");
    assert!(sitting.shows("› half a sentence") && sitting.shows("this was not sent. q quits."));
    assert_eq!(sitting.drawn().1, None);
    sitting.press(KeyCode::Enter);
    assert!(sitting.effects().is_empty() && sitting.shows("Press it again to quit and lose what you wrote."));
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.effects(), ["gone"]);
    let mut sitting = ended("half a sentence");
    sitting.types("q");
    assert_eq!(sitting.effects(), ["gone"]);
}

#[test]
fn nothing_of_the_partner_leaves_its_own_place() {
    let hostile = [
        "\x1b[2J\x1b]0;title\x07\x1b[31mred".to_owned(),
        "\u{202e}gnp.exe\u{2066}".to_owned(),
        "a\u{301}".to_owned() + &"\u{301}".repeat(5_000),
        "👨‍👩‍👧".repeat(2_000),
        "x".repeat(10_000),
        "宽".repeat(10_000),
        "שלום עולם مرحبا ".repeat(50),
        "\n".repeat(10_000),
        "\u{fdfd}\u{12031}\u{2e3b}".repeat(100),
        "12:00     you ✓ I never said this".to_owned(),
    ];
    for size in [(80, 24), (40, 10), (20, 5), (33, 7)] {
        let mut sitting = Sitting::new(size, Lang::En);
        sitting.opens();
        for text in &hostile {
            sitting.hears(text);
            let rows = sitting.rows();
            let areas = sitting.state.areas();
            for row in &rows[..usize::from(areas.messages)] {
                assert!(row.width() <= usize::from(size.0), "{row:?}");
                assert!(!row.contains(char::is_control), "{row:?}");
                // What is ours begins at the left edge, and the partner's rows never do.
                let foreign = row.contains("I never") || row.contains("xxx") || row.contains("宽宽");
                assert!(!foreign || row.starts_with("12:00 partner │") || row.trim_start().starts_with('│'), "{row:?}");
            }
        }
    }
}

#[test]
fn letters_from_the_right_are_kept_from_what_stands_beside_them() {
    let mut sitting = Sitting::open();
    sitting.hears("שלום 123");
    let row = sitting.rows().into_iter().find(|row| row.contains("123")).unwrap();
    assert!(row.contains("│ \u{2066}\u{2068}ש") && row.ends_with("3\u{2069}\u{2069}"), "{row:?}");
}

#[test]
fn the_cursor_stands_where_the_next_character_goes() {
    let mut sitting = Sitting::open();
    for (typed, column) in [("你好", 6), ("🙂", 8), ("👨‍👩‍👧", 16), ("e\u{301}", 17), ("a", 18)] {
        sitting.types(typed);
        assert_eq!(sitting.drawn().1, Some(Position::new(column, 23)), "{typed}");
    }
}

#[test]
fn a_line_that_is_cut_is_counted_by_the_second() {
    let mut sitting = Sitting::open();
    sitting.state.show(Output::Status(status(true, ConnectionState::Awaiting(NOW))));
    sitting.passes(Duration::from_secs(3));
    assert!(sitting.shows("offline for 3 s"));
    assert_eq!(sitting.state.deadline(), Some(sitting.now + Duration::from_secs(1)));
    let line = ConnectionState::Redialing {
        number: 4,
        next: sitting.now + Duration::from_secs(2),
        failure: Some(ConnectError::Timeout),
    };
    sitting.state.show(Output::Status(status(true, line)));
    assert!(sitting.shows("attempt 4, next in 2 s"));
    sitting.passes(Duration::from_secs(1));
    assert!(sitting.state.take_changed() && sitting.shows("next in 1 s"));
}

/// Every screen there is, by name.
fn screens(size: (u16, u16), lang: Lang) -> Vec<(&'static str, Sitting)> {
    let new = || Sitting::new(size, lang);
    let mut out = Vec::new();

    let mut waiting = new();
    waiting.status(Event::Listening { address: "[::]:51423".parse().unwrap() });
    let own = |address: &str, scope| OwnAddress { address: address.parse().unwrap(), scope, interface: None };
    let addresses = vec![own("2001:db8::7", Scope::Global), own("192.168.1.7", Scope::Local)];
    waiting.status(Event::Addresses { addresses, left_out: 0, port: 51423, how: Invitation::Join });
    out.push(("waiting", waiting));

    let mut pairing = new();
    pairing.state.show(Output::Status(status(false, ConnectionState::Connected)));
    pairing.state.show(asks(code()));
    pairing.types("1234 5");
    out.push(("pairing", pairing));

    let mut wrong = new();
    wrong.state.show(Output::Status(status(false, ConnectionState::Connected)));
    wrong.state.show(asks(code()));
    wrong.state.show(asks(Event::WrongCode { tries_left: 2 }));
    out.push(("pairing, a wrong half", wrong));

    let mut right = new();
    right.state.show(Output::Status(status(false, ConnectionState::Connected)));
    right.state.show(asks(code()));
    right.state.show(Output::Ask { question: 2, what: PromptKind::Nothing, about: None });
    right.status(Event::Confirmed { partner_confirmed: false });
    out.push(("pairing, the partner is to type", right));

    let mut compare = new();
    let (own, partner) = (Half::parse("41242842").unwrap(), Half::parse("90713355").unwrap());
    let about = Event::Compare { own, partner, emoji: [0, 9, 18, 27, 36, 45, 54], can_skip: false };
    compare.state.show(Output::Ask { question: 1, what: PromptKind::Compare, about: Some(about) });
    out.push(("comparing", compare));

    let mut alarm = new();
    let from = std::net::SocketAddr::from(([10, 0, 0, 9], 4000)).into();
    alarm.status(Event::PairingFailed { address: from, why: PairingFault::WrongHalf, pause: Duration::from_secs(5) });
    out.push(("alarm", alarm));

    let talk = || {
        let mut talk = new();
        talk.opens();
        talk.says("你好🙂 are you there?");
        talk.status(Event::Delivered { messages: 1, waiting: 0 });
        talk.hears("在的。The house is quiet now, so we can talk as long as we like 👨‍👩‍👧 and nobody keeps a word of it.");
        talk.hears("שלום!");
        talk.state.input(event::Event::Focus(false));
        talk.hears_late("this was written while the line was cut", Duration::from_secs(95));
        talk
    };
    let mut chat = talk();
    chat.says("two\nlines");
    chat.types("明天");
    out.push(("chat", chat));

    let mut new_texts = talk();
    new_texts.hears("and another");
    out.push(("new texts", new_texts));

    let mut cut = talk();
    cut.status(Event::ConnectionLost {
        why: ConnectionFault::Silent { after: Duration::from_secs(10) },
        redialing: true,
    });
    let line = ConnectionState::Redialing {
        number: 3,
        next: NOW + Duration::from_secs(4),
        failure: Some(ConnectError::Timeout),
    };
    cut.state.show(Output::Status(status(true, line)));
    cut.says("I go on typing");
    out.push(("connection lost", cut));

    let mut who = talk();
    who.status(Event::Who(Who {
        trust: Trust::Code,
        partner: std::net::SocketAddr::from(([192, 168, 1, 7], 51_423)).into(),
        connection: ConnectionState::Connected,
        suite: "Noise_XX_25519_AESGCM_SHA256",
        local: "/UMgWlEOTi8EQoxkjBucHVCF2dCj/bSDpD5rjN/e4Ew=".into(),
        remote: "oa1XOHkxfvtvCOW2QnNs+M3HwLkyYShD4qmQP1aI0rA=".into(),
        opened: NOW,
        epoch: Some((2, NOW)),
        waiting: 0,
        now: NOW,
    }));
    out.push(("who", who));

    let mut commands = talk();
    commands.types("／");
    out.push(("commands", commands));

    let mut files = talk();
    let name = || Printable::line("照片 2026");
    let folder = Printable::line("/home/me/Downloads");
    files.status(Event::File(FileEvent::Offered {
        offer: 0,
        name: name(),
        offered_as: None,
        files: 212,
        bytes: Some(1_400_000_000),
        folder,
    }));
    let moving = Progress {
        files: 87,
        of_files: 212,
        bytes: 574_000_000,
        of_bytes: Some(1_400_000_000),
        rate: 98_200_000,
        waits: false,
    };
    let mut now = status(true, ConnectionState::Connected);
    now.files = [None, Some(moving)];
    files.state.show(Output::Status(now));
    files.types("/send ~/a");
    out.push(("files", files));

    let mut find = talk();
    find.control('r');
    find.types("the");
    out.push(("search", find));

    let mut paste = talk();
    paste.paste(&"line\n".repeat(99));
    out.push(("a long paste", paste));

    let mut long = talk();
    (0..10).for_each(|_| {
        long.types("一二三四五六七八九十");
        long.with_key(KeyCode::Enter, ALT);
    });
    out.push(("a long input", long));

    let mut help = talk();
    help.press(KeyCode::F(1));
    out.push(("help", help));

    let mut chord = talk();
    chord.control('x');
    out.push(("after Ctrl-X", chord));

    let mut choose = talk();
    choose.types("/lock");
    choose.press(KeyCode::Enter);
    choose.types("abc");
    out.push(("a passphrase", choose));

    let mut locked = talk();
    locked.types("/lock");
    locked.press(KeyCode::Enter);
    for _ in 0..2 {
        locked.types("abc");
        locked.press(KeyCode::Enter);
    }
    out.push(("locked", locked));

    let mut over = talk();
    over.state.show(Output::End(Some(Fault::HostGone { after: Duration::from_secs(120), waiting: 1 })));
    out.push(("over", over));

    let mut unsent = talk();
    unsent.types("写到一半");
    unsent.state.show(Output::End(None));
    out.push(("over, with a text that was not sent", unsent));
    out
}

#[test]
fn every_screen_is_as_it_was_agreed_on() {
    for (language, lang) in [("en", Lang::En), ("zh", Lang::Zh)] {
        for size in [(80, 24), (40, 10), (20, 5)] {
            let mut all = String::new();
            for (name, sitting) in screens(size, lang) {
                let (rows, cursor) = sitting.drawn();
                let cursor = cursor.map_or("none".into(), |at| format!("column {}, row {}", at.x, at.y));
                let edge = "-".repeat(size.0.into());
                all += &format!("{name} (cursor: {cursor})\n+{edge}\n");
                rows.iter().for_each(|row| all += &format!("|{row}\n"));
                all += &format!("+{edge}\n\n");
            }
            let path = format!("{}/tests/screens/{language}-{}x{}.txt", env!("CARGO_MANIFEST_DIR"), size.0, size.1);
            if std::env::var_os("TETE_AGREE").is_some() {
                std::fs::write(&path, &all).unwrap();
            }
            let agreed = std::fs::read_to_string(&path).unwrap_or_default();
            let other = all.lines().zip(agreed.lines()).position(|(now, then)| now != then);
            assert!(
                all == agreed,
                "{path}, line {other:?} is not as agreed on. If it is to be so: TETE_AGREE=1 cargo test --test core screen\n{all}"
            );
        }
    }
}

#[test]
fn files_are_sent_taken_and_declined_by_commands_and_keys() {
    let mut sitting = Sitting::open();
    sitting.types("/send a \"b c\"");
    sitting.press(KeyCode::Enter);
    sitting.press(KeyCode::F(2));
    sitting.press(KeyCode::F(3));
    for command in ["/get", "/decline", "/cancel", "/send"] {
        sitting.types(command);
        sitting.press(KeyCode::Enter);
    }
    let expected = [
        "send [\"a\", \"b c\"]",
        "nothing offered",
        "nothing offered",
        "nothing offered",
        "nothing offered",
        "/cancel",
        "nothing to send",
    ];
    assert_eq!(sitting.effects(), expected);
    let (name, folder) = (Printable::line("x"), Printable::line("/tmp"));
    for offer in [3, 4] {
        let (name, folder) = (name.clone(), folder.clone());
        sitting.status(Event::File(FileEvent::Offered {
            offer,
            name,
            offered_as: None,
            files: 1,
            bytes: None,
            folder,
        }));
        sitting.passes(GLANCE);
        sitting.press(KeyCode::F(2));
        sitting.press(KeyCode::F(3));
        sitting.types("/get");
        sitting.press(KeyCode::Enter);
        assert_eq!(sitting.effects(), [format!("get {offer}"), format!("decline {offer}"), format!("get {offer}")]);
    }
    sitting.paste("/send a");
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.effects(), ["say /send a"], "what is pasted is no command");
}

#[test]
fn a_path_is_completed_as_far_as_it_is_clear() {
    let folder = std::env::temp_dir().join(format!("tete-complete-{}", std::process::id()));
    for name in ["one file.txt", "one film.mkv", ".hidden"] {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), "").unwrap();
    }
    std::fs::create_dir_all(folder.join("sub")).unwrap();
    let completed = |typed: &str| {
        let mut sitting = Sitting::open();
        sitting.types(&format!("/send {}/{typed}", folder.display()));
        sitting.press(KeyCode::Tab);
        sitting.state.editor().text().rsplit('/').next().unwrap().to_owned()
    };
    assert_eq!(completed("on"), "one\\ fil");
    assert_eq!(completed("one\\ film"), "one\\ film.mkv ");
    assert_eq!(completed("s"), "");
    assert_eq!(completed("x"), "x");
    assert_eq!(completed(".h"), ".hidden ");
    std::fs::remove_dir_all(folder).unwrap();
}

/// The bytes of the next frame of a terminal that shows what `painter` has painted.
fn frame(painter: &mut Painter, sitting: &Sitting) -> String {
    let mut bytes = Vec::new();
    painter.paint(&sitting.state, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The bytes of a frame on a terminal that shows nobody knows what.
fn whole_frame(sitting: &Sitting) -> String {
    frame(&mut Painter::new(true), sitting)
}

#[test]
fn another_kind_of_screen_begins_on_a_cleared_terminal_and_only_that_does() {
    let mut all = screens((80, 24), Lang::En);
    let mut small = Sitting::open();
    small.state.input(event::Event::Resize(10, 2));
    all.push(("too small", small));
    for (before, from) in &all {
        for (after, to) in &all {
            let mut painter = Painter::new(true);
            frame(&mut painter, from);
            let written = frame(&mut painter, to);
            if from.state.scene() == to.state.scene() {
                assert!(!written.contains("\x1b[2J"), "{before} to {after}");
            } else {
                assert_eq!(written, whole_frame(to), "{before} to {after}");
                assert!(written.starts_with("\x1b[?2026h\x1b[?25l\x1b[m\x1b[2J"), "{before} to {after}");
                let forgets = written.contains("\x1b[3J");
                assert_eq!(forgets, to.state.scene() == Scene::Locked, "{before} to {after}");
            }
        }
    }
}

#[test]
fn whatever_lay_above_the_talk_leaves_the_terminal_whole() {
    type Step = fn(&mut Sitting);
    let steps: [(Scene, Step); 24] = [
        (Scene::Pairing, |sitting| sitting.state.show(asks(code()))),
        (Scene::Chat, Sitting::opens),
        (Scene::Help, |sitting| sitting.press(KeyCode::F(1))),
        (Scene::Chat, |sitting| sitting.press(KeyCode::Esc)),
        (Scene::Paste, |sitting| sitting.paste(&"line\n".repeat(99))),
        (Scene::Chat, |sitting| sitting.press(KeyCode::Esc)),
        (Scene::Find, |sitting| sitting.control('r')),
        (Scene::Chat, |sitting| sitting.press(KeyCode::Esc)),
        (Scene::Passphrase, |sitting| {
            sitting.types("/lock");
            sitting.press(KeyCode::Enter);
        }),
        (Scene::Locked, |sitting| {
            for _ in 0..2 {
                sitting.types("abc");
                sitting.press(KeyCode::Enter);
            }
        }),
        (Scene::Chat, |sitting| {
            sitting.types("abc");
            sitting.press(KeyCode::Enter);
        }),
        (Scene::Locked, |sitting| sitting.passes(Duration::from_secs(600))),
        (Scene::Chat, |sitting| {
            sitting.types("abc");
            sitting.press(KeyCode::Enter);
        }),
        (Scene::Locked, |sitting| {
            sitting.types("/lock");
            sitting.press(KeyCode::Enter);
        }),
        (Scene::TooSmall, |sitting| sitting.state.input(event::Event::Resize(10, 2))),
        (Scene::Locked, |sitting| sitting.state.input(event::Event::Resize(80, 24))),
        (Scene::Chat, |sitting| {
            sitting.types("abc");
            sitting.press(KeyCode::Enter);
        }),
        (Scene::Alarm, |sitting| {
            let from = std::net::SocketAddr::from(([10, 0, 0, 9], 4000)).into();
            sitting.status(Event::PairingFailed {
                address: from,
                why: PairingFault::Commitment,
                pause: Duration::from_secs(5),
            });
        }),
        (Scene::Chat, |sitting| {
            sitting.passes(Duration::from_secs(1));
            sitting.press(KeyCode::Enter);
        }),
        (Scene::Over, |sitting| sitting.state.show(Output::End(None))),
        (Scene::Find, |sitting| sitting.control('r')),
        (Scene::Over, |sitting| sitting.press(KeyCode::Esc)),
        (Scene::TooSmall, |sitting| sitting.state.input(event::Event::Resize(10, 2))),
        (Scene::Over, |sitting| sitting.state.input(event::Event::Resize(80, 24))),
    ];
    let options = Options { lock: Some(Duration::from_secs(600)), ..Options::default() };
    let mut sitting = Sitting::with((80, 24), Lang::En, options);
    sitting.press(KeyCode::Esc);
    let mut painter = Painter::new(true);
    frame(&mut painter, &sitting);
    for (number, (scene, step)) in steps.into_iter().enumerate() {
        step(&mut sitting);
        assert_eq!(sitting.state.scene(), scene, "step {number}");
        assert_eq!(frame(&mut painter, &sitting), whole_frame(&sitting), "step {number}");
    }
}

/// A terminal without autowrap, with a mind of its own about how wide a character is.
struct Odd {
    width: fn(char) -> usize,
    /// What was drawn into each cell; nothing in the others of a wide character.
    cells: Vec<Vec<String>>,
    row: usize,
    column: usize,
}

impl Odd {
    fn new(width: fn(char) -> usize) -> Self {
        Self { width, cells: vec![vec![" ".into(); 80]; 24], row: 0, column: 0 }
    }

    /// A terminal that shows the whole of a screen, and nothing from before.
    fn fresh(width: fn(char) -> usize, sitting: &Sitting) -> Self {
        let mut fresh = Self::new(width);
        fresh.show(&whole_frame(sitting));
        fresh
    }

    fn show(&mut self, frame: &str) {
        let mut rest = frame.chars();
        while let Some(c) = rest.next() {
            if c != '\x1b' {
                self.draw(c);
                continue;
            }
            assert_eq!(rest.next(), Some('['));
            let mut parameters = String::new();
            let end = loop {
                match rest.next().unwrap() {
                    end @ '@'..='~' => break end,
                    c => parameters.push(c),
                }
            };
            match (end, parameters.as_str()) {
                ('H', place) => {
                    let (row, column) = place.split_once(';').unwrap();
                    (self.row, self.column) = (row.parse::<usize>().unwrap() - 1, column.parse::<usize>().unwrap() - 1);
                }
                ('J', "2") => self.cells.iter_mut().for_each(|row| row.fill(" ".into())),
                ('K', "2") => self.cells[self.row].fill(" ".into()),
                ('J', "3") | ('h' | 'l' | 'm', _) => {}
                _ => panic!("CSI {parameters} {end}"),
            }
        }
    }

    fn draw(&mut self, c: char) {
        match (self.width)(c) {
            0 => {
                let place = self.cells[self.row][..self.column].iter().rposition(|cell| !cell.is_empty()).unwrap_or(0);
                self.cells[self.row][place].push(c);
            }
            width => {
                for place in 0..width {
                    let column = self.column.min(79);
                    self.cells[self.row][column] = if place == 0 { c.into() } else { String::new() };
                    self.column += 1;
                }
                self.column = self.column.min(80);
            }
        }
    }

    fn rows(&self) -> Vec<String> {
        self.cells.iter().map(|row| row.concat()).collect()
    }
}

/// The number of cells of what terminals agree on, and of what the program itself draws where that is narrow.
fn agreed(c: char) -> Option<usize> {
    let counted = || cells(c.encode_utf8(&mut [0; 4]), Ambiguous::Narrow);
    (is_certain(c.encode_utf8(&mut [0; 4])) || "│─✓◌·›↓↑█┌┬┐└┴┘…".contains(c)).then(counted)
}

/// A cell for a character that does not join what stands before it.
fn stands_alone(c: char) -> usize {
    usize::from(format!("a{c}").graphemes(true).nth(1).is_some())
}

/// Whoever measures a text: as narrow as it can be, as wide as it was counted, and as no terminal should.
const MEASURES: [fn(char) -> usize; 5] = [
    |c| agreed(c).unwrap_or(stands_alone(c)),
    |c| cells(c.encode_utf8(&mut [0; 4]), Ambiguous::Narrow),
    |c| agreed(c).unwrap_or(3),
    |c| agreed(c).unwrap_or(stands_alone(c).max(u32::from(c) as usize % 4)),
    |c| agreed(c).unwrap_or(stands_alone(c).max(u32::from(c) as usize / 3 % 3)),
];

/// Texts of which terminals make what they like, and texts that make use of that.
fn doubtful() -> Vec<String> {
    let forged = |text: &str| format!("{text}03:42\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}you\u{a0}✓\u{a0}I\u{a0}did\u{a0}it");
    let mut out: Vec<_> = "กำ secret|क्षि secret|ｶﾞｷﾞ secret|◌̂ secret|বাংলা ভাষা, আমি ভালো আছি|ಕನ್ನಡ ಕೋಟಿ|① “secret” ─|⌚︎⌛︎⚡︎|👨‍👩‍👧‍👦|end|🇦b🇩🇪|\
                       한글 한글|שלום עולם|\u{fdfd}\u{12031}|zwnj می‌خواهم|❤️1️⃣👍🏽|\u{d4e}ക \u{a8fa}x \u{111c2}y|ｶ\u{ff9e}\u{ff9e}\u{ff9e}"
        .split('|')
        .map(str::to_owned)
        .collect();
    out.extend([
        forged(&("xx".to_owned() + &"\u{3248}".repeat(31))),
        forged(&("a".to_owned() + &"\u{302e}".repeat(31) + "x")),
        forged(&("🇦x".repeat(21) + "x")),
        forged(&("xx".to_owned() + &"a\u{898}".repeat(31))),
        "ｶ".to_owned() + &"\u{ff9e}".repeat(63),
        "👨‍👩‍👧‍👦".repeat(30),
    ]);
    out
}

#[test]
fn whatever_a_terminal_makes_of_a_text_everything_else_stands_where_it_was_put() {
    for (number, width) in MEASURES.into_iter().enumerate() {
        let mut sitting = Sitting::open();
        let (mut painter, mut terminal) = (Painter::new(true), Odd::new(width));
        sitting.hears("the first");
        for text in doubtful() {
            sitting.hears(&text);
            sitting.says("mine");
            let (columns, rows) = sitting.state.size();
            terminal.show(&frame(&mut painter, &sitting));
            let mut cells = Buffer::empty(Rect::new(0, 0, columns, rows));
            draw(&sitting.state, true, &mut cells);
            let areas = sitting.state.areas();
            for y in 0..rows {
                let ours = if y < areas.messages { 16 } else { columns };
                let put: Vec<_> = (0..ours).map(|x| cells[(x, y)].symbol().to_owned()).collect();
                let stands: Vec<_> = terminal.cells[usize::from(y)][..put.len()].to_vec();
                // What takes no cell joins what stands before it, at the most the blank of the gutter.
                let stands: Vec<_> = stands.iter().map(|cell| cell.chars().take(1).collect::<String>()).collect();
                assert_eq!(stands, put, "{number}, {text:?}, row {y}");
            }
        }
    }
}

#[test]
fn a_text_begins_at_its_column_even_behind_signs_that_are_drawn_too_wide() {
    let mut sitting = Sitting::open();
    sitting.hears("heard");
    sitting.says("said");
    sitting.types("written");
    let terminal = Odd::fresh(|c| if c.is_ascii() { 1 } else { 2 }, &sitting);
    for (row, column, text) in [(1, 16, "heard"), (2, 16, "said"), (23, 2, "written")] {
        assert_eq!(terminal.cells[row][column..].concat().trim_end(), text);
    }
    assert_eq!((terminal.row, terminal.column), (23, 9));
}

#[test]
fn nothing_that_was_drawn_before_is_left_on_a_terminal_whatever_it_makes_of_a_text() {
    for (number, width) in MEASURES.into_iter().enumerate() {
        let mut sitting = Sitting::open();
        let (mut painter, mut terminal) = (Painter::new(true), Odd::new(width));
        let mut step = |sitting: &Sitting, what: &str| {
            terminal.show(&frame(&mut painter, sitting));
            for (row, fresh) in terminal.rows().iter().zip(Odd::fresh(width, sitting).rows()) {
                assert_eq!(*row, fresh, "{number}, {what}");
            }
        };
        for text in doubtful() {
            sitting.hears(&text);
            step(&sitting, &text);
            sitting.paste(&text);
            step(&sitting, &text);
            for code in [KeyCode::Left, KeyCode::Backspace, KeyCode::Home, KeyCode::Char('x'), KeyCode::Delete] {
                sitting.press(code);
                step(&sitting, &text);
            }
            sitting.control('c');
            step(&sitting, &text);
        }
        for code in [KeyCode::PageUp, KeyCode::PageUp, KeyCode::PageDown, KeyCode::F(1), KeyCode::Esc] {
            sitting.press(code);
            step(&sitting, "scrolling");
        }
        sitting.control('r');
        for letter in "secret".chars() {
            sitting.press(KeyCode::Char(letter));
            step(&sitting, "searching");
        }
        sitting.press(KeyCode::Esc);
        sitting.types("/lock");
        sitting.press(KeyCode::Enter);
        for _ in 0..2 {
            sitting.types("abc");
            step(&sitting, "a passphrase");
            sitting.press(KeyCode::Enter);
            step(&sitting, "the lock");
        }
        let mut empty = Sitting::open();
        empty.types("/lock");
        empty.press(KeyCode::Enter);
        for _ in 0..2 {
            empty.types("abc");
            empty.press(KeyCode::Enter);
        }
        assert_eq!(terminal.rows(), Odd::fresh(width, &empty).rows(), "{number}: of another room");
    }
}

#[test]
fn the_cursor_stands_behind_what_was_written_whatever_a_terminal_makes_of_it() {
    for (number, width) in MEASURES.into_iter().enumerate() {
        for text in doubtful() {
            let mut sitting = Sitting::open();
            let (mut painter, mut terminal) = (Painter::new(true), Odd::new(width));
            let start: String = text.chars().take(8).collect();
            sitting.paste(&start);
            sitting.types("|");
            terminal.show(&frame(&mut painter, &sitting));
            let behind = terminal.column;
            assert_eq!(terminal.cells[23][behind - 1], "|", "{number}, {start:?}");
            sitting.press(KeyCode::Left);
            terminal.show(&frame(&mut painter, &sitting));
            assert_eq!((terminal.row, terminal.column), (23, behind - 1), "{number}, {start:?}");
        }
    }
}

/// The characters of a frame, without what moves, styles and clears.
fn characters(frame: &str) -> String {
    let mut rest = frame.split('\x1b');
    let first = rest.next().unwrap_or_default().to_owned();
    first
        + &rest
            .map(|part| &part[part.find(|c: char| ('@'..='~').contains(&c) && c != '[').unwrap() + 1..])
            .collect::<String>()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn every_cluster_of_a_text_that_fits_is_in_the_bytes_drawn(
        text in prop::collection::vec(prop_oneof![
            4 => prop::sample::select(doubtful()),
            2 => "[a-z 你好é…]{1,20}".prop_map(|text| text),
            1 => any::<String>(),
        ], 1..4).prop_map(|parts| parts.concat()),
        wide in any::<bool>(),
    ) {
        let mut sitting = Sitting::new((80, 200), Lang::En);
        sitting.state.position(if wide { 3 } else { 2 });
        let ambiguous = sitting.state.ambiguous();
        sitting.opens();
        sitting.effects();
        let shown = |sitting: &Sitting, text: &Printable, gutter: usize, what: &str| -> Result<(), TestCaseError> {
            let drawn = characters(&whole_frame(sitting));
            for row in text.rows(80 - gutter, ambiguous) {
                prop_assert!(drawn.contains(row.trim_end()), "{} {:?} in {:?}", what, row, drawn);
            }
            Ok(())
        };
        let printable = Printable::text(&text);
        sitting.hears(&text);
        shown(&sitting, &printable, 16, "heard")?;
        let name = || Printable::line(&text);
        let offered = || Event::File(FileEvent::Offered {
            offer: 0, name: name(), offered_as: None, files: 1, bytes: Some(7), folder: Printable::line("/tmp"),
        });
        sitting.status(offered());
        let Event::File(event) = offered() else { unreachable!() };
        shown(&sitting, &Printable::sentence(&words::file(&event, Lang::En, true), false), 8, "a name")?;
        sitting.paste(&text);
        sitting.press(KeyCode::Esc);
        sitting.paste(&text.replace(char::is_control, " "));
        let draft = sitting.state.editor().text().to_owned();
        let drawn = characters(&whole_frame(&sitting));
        for range in sitting.state.editor().layout(sitting.state.input_columns()).rows.into_iter().skip(sitting.state.input_top()).take(8) {
            prop_assert!(drawn.contains(draft[range.clone()].trim_end()), "{:?} in {:?}", &draft[range], drawn);
        }
        if !draft.trim().is_empty() && !draft.trim_start().starts_with(['/', '／']) {
            sitting.press(KeyCode::Enter);
            sitting.effects();
            sitting.state.said(true);
            shown(&sitting, &Printable::text(&draft), 16, "said")?;
        }
        sitting.control('r');
        let part: String = printable.as_str().lines().next().unwrap_or_default().graphemes(true).take(4).collect();
        sitting.paste(&part);
        shown(&sitting, &printable, 16, "found")?;
        prop_assert!(characters(&whole_frame(&sitting)).contains(sitting.state.sought().trim_end()));
    }
}

#[test]
fn where_ambiguous_characters_are_wide_none_of_the_frames_is_drawn_with_them() {
    let wide: fn(char) -> usize = |c| cells(c.encode_utf8(&mut [0; 4]), Ambiguous::Wide);
    for lang in [Lang::En, Lang::Zh] {
        for (name, mut sitting) in screens((80, 24), lang) {
            assert!(sitting.state.position(3), "{name}");
            assert!(!sitting.state.position(3), "asked once");
            let terminal = Odd::fresh(wide, &sitting);
            let rows = terminal.rows();
            assert!(!rows.concat().contains(|c| ('\u{2500}'..='\u{25a0}').contains(&c)), "{name}: {rows:#?}");
            let drawn: Vec<_> = rows.iter().map(|row| row.trim_end()).collect();
            assert_eq!(drawn, sitting.rows(), "{name}: nothing is drawn over");
        }
    }
    let mut narrow = Sitting::open();
    assert!(narrow.state.position(2));
    assert_eq!(narrow.state.ambiguous(), Ambiguous::Narrow);
}

/// Sixteen colours, and the foreground and background of the user.
struct Scheme {
    name: &'static str,
    palette: [u32; 16],
    grounds: [[u32; 2]; 2],
}

const BLACK_AND_WHITE: [[u32; 2]; 2] = [[0xff_ff_ff, 0], [0, 0xff_ff_ff]];

#[rustfmt::skip]
const SCHEMES: [Scheme; 5] = [
    Scheme { name: "xterm", grounds: BLACK_AND_WHITE, palette: [
        0x000000, 0xcd0000, 0x00cd00, 0xcdcd00, 0x0000ee, 0xcd00cd, 0x00cdcd, 0xe5e5e5,
        0x7f7f7f, 0xff0000, 0x00ff00, 0xffff00, 0x5c5cff, 0xff00ff, 0x00ffff, 0xffffff,
    ] },
    Scheme { name: "VTE", grounds: BLACK_AND_WHITE, palette: [
        0x000000, 0xaa0000, 0x00aa00, 0xaa5500, 0x0000aa, 0xaa00aa, 0x00aaaa, 0xaaaaaa,
        0x555555, 0xff5555, 0x55ff55, 0xffff55, 0x5555ff, 0xff55ff, 0x55ffff, 0xffffff,
    ] },
    Scheme { name: "urxvt, mlterm", grounds: BLACK_AND_WHITE, palette: [
        0x000000, 0xcd0000, 0x00cd00, 0xcdcd00, 0x0000cd, 0xcd00cd, 0x00cdcd, 0xfaebd7,
        0x404040, 0xff0000, 0x00ff00, 0xffff00, 0x0000ff, 0xff00ff, 0x00ffff, 0xffffff,
    ] },
    Scheme { name: "GNOME", grounds: [[0xffffff, 0x1e1e1e], [0x1e1e1e, 0xffffff]], palette: [
        0x171421, 0xc01c28, 0x26a269, 0xa2734c, 0x12488b, 0xa347ba, 0x2aa1b3, 0xd0cfcc,
        0x5e5c64, 0xf66151, 0x33da7a, 0xe9ad0c, 0x2a7bde, 0xc061cb, 0x33c7de, 0xffffff,
    ] },
    Scheme { name: "Tango", grounds: [[0xeeeeec, 0x2e3436], [0x2e3436, 0xeeeeec]], palette: [
        0x2e3436, 0xcc0000, 0x4e9a06, 0xc4a000, 0x3465a4, 0x75507b, 0x06989a, 0xd3d7cf,
        0x555753, 0xef2929, 0x8ae234, 0xfce94f, 0x729fcf, 0xad7fa8, 0x34e2e2, 0xeeeeec,
    ] },
];

/// The contrast of two colours, as the Web Content Accessibility Guidelines define it.
fn contrast(one: u32, other: u32) -> f64 {
    let luminance = |color: u32| {
        let part = |shift: u32| {
            let value = f64::from(color >> shift & 0xff) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(16) + 0.7152 * part(8) + 0.0722 * part(0) + 0.05
    };
    let (one, other) = (luminance(one), luminance(other));
    (one / other).max(other / one)
}

#[test]
fn every_style_is_legible_in_the_usual_schemes() {
    use ratatui::style::{Color, Modifier};
    let place = |color: Color| match color {
        Color::Black => Some(0),
        Color::LightCyan => Some(14),
        Color::Reset => None,
        other => panic!("add {other:?}"),
    };
    let mut styles = std::collections::BTreeSet::new();
    for (name, sitting) in screens((80, 24), Lang::En) {
        let mut cells = Buffer::empty(Rect::new(0, 0, 80, 24));
        draw(&sitting.state, true, &mut cells);
        for cell in &cells.content {
            let [fg, bg] = [cell.fg, cell.bg].map(place);
            let bold = cell.modifier.contains(Modifier::BOLD);
            assert!(fg.is_some() == bg.is_some(), "{name}: a colour stands before one that nobody knows");
            assert!(fg.is_none() || !cell.modifier.contains(Modifier::DIM), "{name}");
            styles.insert((fg, bg, bold));
        }
    }
    assert!(styles.len() > 2, "{styles:?}");
    for (scheme, ground) in SCHEMES.iter().flat_map(|scheme| scheme.grounds.map(|ground| (scheme, ground))) {
        for (fg, bg, bold) in &styles {
            // Bold is bright with some.
            for bright in [0, if *bold { 8 } else { 0 }] {
                let fg = fg.map_or(ground[0], |fg| scheme.palette[(fg + bright) & 15]);
                let bg = bg.map_or(ground[1], |bg| scheme.palette[bg]);
                assert!(contrast(fg, bg) >= 4.5, "{}: {fg:06x} on {bg:06x}", scheme.name);
            }
        }
    }
}

#[test]
fn a_line_that_is_not_well_is_told_by_the_whole_bar() {
    for (color, lang) in [(true, Lang::En), (false, Lang::Zh)] {
        let mut sitting = Sitting::new((80, 24), lang);
        sitting.opens();
        let bar = |sitting: &Sitting| {
            let mut cells = Buffer::empty(Rect::new(0, 0, 80, 24));
            draw(&sitting.state, color, &mut cells);
            (0..80).map(|x| (cells[(x, 22)].modifier, cells[(x, 22)].symbol().to_owned())).collect::<Vec<_>>()
        };
        let well = bar(&sitting);
        sitting.state.show(Output::Status(status(true, ConnectionState::Awaiting(NOW))));
        let cut = bar(&sitting);
        assert!(well.iter().zip(&cut).all(|(well, cut)| well.0 != cut.0));
        assert!(cut.iter().rev().take(10).all(|(_, symbol)| symbol == "/"), "{cut:?}");
    }
}

#[test]
fn the_help_names_every_key_and_every_command() {
    for (lang, columns) in [Lang::En, Lang::Zh].into_iter().flat_map(|lang| [(lang, 80), (lang, 40)]) {
        let mut sitting = Sitting::new((columns, 200), lang);
        sitting.opens();
        sitting.press(KeyCode::F(1));
        for (names, _) in keys::rows(words::screen(lang)) {
            for name in names {
                assert!(sitting.shows(&name), "{name}: {:#?}", sitting.rows());
            }
        }
        for row in commands_of(Frontend::SCREEN) {
            assert!(sitting.shows(&format!("/{}", row.name)), "{}", row.name);
        }
    }
}

#[test]
fn the_help_says_all_of_what_a_command_does_at_any_width() {
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    for (lang, columns) in [Lang::En, Lang::Zh].into_iter().flat_map(|lang| (20..=100).map(move |to| (lang, to))) {
        let mut sitting = Sitting::new((columns, 200), lang);
        sitting.opens();
        sitting.press(KeyCode::F(1));
        let shown = squeezed(&sitting.rows().concat());
        for row in commands_of(Frontend::SCREEN) {
            let help = squeezed(&keys::command_help(row.command, lang));
            assert!(shown.contains(&help), "{columns} {help}: {:#?}", sitting.rows());
        }
    }
}

#[test]
fn no_size_is_too_small_to_be_drawn_on() {
    for (_, mut sitting) in screens((80, 24), Lang::Zh) {
        for size in (0..50).flat_map(|columns| (0..12).map(move |rows| (columns, rows))) {
            sitting.state.input(event::Event::Resize(size.0, size.1));
            sitting.drawn();
        }
    }
}

#[test]
fn without_colour_nothing_is_coloured() {
    for (name, sitting) in screens((80, 24), Lang::En) {
        let mut cells = Buffer::empty(Rect::new(0, 0, 80, 24));
        draw(&sitting.state, false, &mut cells);
        let plain = |cell: &ratatui::buffer::Cell| {
            cell.fg == ratatui::style::Color::Reset && cell.bg == ratatui::style::Color::Reset
        };
        assert!(cells.content.iter().all(plain), "{name}");
    }
}

#[test]
fn a_resize_at_any_moment_keeps_the_text_and_the_cursor_on_the_screen() {
    let mut sitting = Sitting::open();
    sitting.says("你好🙂");
    sitting.types("half a sentence 写到一半");
    for step in 0..400_u16 {
        let size = (20 + step * 7 % 120, 5 + step * 11 % 40);
        sitting.state.input(event::Event::Resize(size.0, size.1));
        let cursor = sitting.drawn().1.unwrap();
        assert!(cursor.x < size.0 && cursor.y < size.1, "{cursor:?} in {size:?}");
    }
    assert_eq!(sitting.state.editor().text(), "half a sentence 写到一半");
}

#[test]
fn own_texts_are_shown_as_the_partner_sees_them() {
    let mut sitting = Sitting::open();
    sitting.state.show(Output::Event(Event::Refused(Refusal::UnknownCommand { command: Printable::line("/\x1b[2J") })));
    assert!(sitting.shows("/␛[2J"));
}
