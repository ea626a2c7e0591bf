//! Somebody at the full screen: any keys, texts, states and sizes, drawn after each.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tete::interface::event::{ConnectionState, Event, Status, Trust};
use tete::interface::fault::{Fault, PairingFault};
use tete::interface::refusal::Refusal;
use tete::interface::{Output, PromptKind};
use tete::printable::Printable;
use tete::protocol::delivery::Incoming;
use tete::protocol::pairing::Half;
use tete::transport::error::ConnectError;
use tete::ui::keyboard::{self as event, KeyCode, KeyEvent, KeyModifiers};
use tete::ui::tui::state::{Effect, Notify, Options, State};
use tete::ui::tui::view::draw;
use tete::ui::words::Lang;
use unicode_width::UnicodeWidthStr;
use zeroize::Zeroizing;

use crate::START;

const CODES: [KeyCode; 14] = [
    KeyCode::Enter,
    KeyCode::Esc,
    KeyCode::Tab,
    KeyCode::Backspace,
    KeyCode::Delete,
    KeyCode::Left,
    KeyCode::Right,
    KeyCode::Up,
    KeyCode::Down,
    KeyCode::Home,
    KeyCode::End,
    KeyCode::PageUp,
    KeyCode::PageDown,
    KeyCode::F(1),
];
const MODIFIERS: [KeyModifiers; 4] =
    [KeyModifiers::NONE, KeyModifiers::CONTROL, KeyModifiers::ALT, KeyModifiers::SHIFT];

fn wall(ago: Duration) -> Zoned {
    let then = 1_795_000_000 - i64::try_from(ago.as_secs()).unwrap_or(0);
    Timestamp::from_second(then).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC)
}

/// Plays the steps; what is typed, pasted and said comes from `words`.
pub fn play(words: &str, steps: &[u8]) {
    let (mut now, mut size, mut id) = (START, (80, 24), 0);
    let lang = if words.len().is_multiple_of(2) { Lang::En } else { Lang::Zh };
    let mut state = State::new(lang, size, Options { notify: Notify::Bell, ..Options::default() }, wall, now);
    let mut words = words.split_inclusive('|').cycle();
    for [what, which] in steps.as_chunks().0.iter().take(200) {
        let word = words.next().unwrap_or("x");
        let place = usize::from(*which);
        match what % 16 {
            0..=2 => {
                let modifiers = MODIFIERS[place / 64];
                state.input(event::Event::Key(KeyEvent::new(CODES[place % CODES.len()], modifiers)));
            }
            3 => {
                for c in word.chars() {
                    state.input(event::Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
                }
            }
            4 => {
                let c = char::from(b'a' + which % 26);
                state.input(event::Event::Key(KeyEvent::new(KeyCode::Char(c), MODIFIERS[1 + place / 128])));
            }
            5 => state.input(event::Event::Paste(Zeroizing::new(word.repeat(1 + place / 8)))),
            6 => {
                size = (u16::from(*which) % 130, u16::from(what / 16) * 4 + 1);
                state.input(event::Event::Resize(size.0, size.1));
            }
            7 => {
                state.input(event::Event::Wheel { down: place % 2 == 1 });
            }
            8 => state.input(event::Event::Focus(place % 2 == 1)),
            9 | 10 => {
                let text = Zeroizing::new(word.repeat(1 + place / 4));
                let age = Duration::from_millis(u64::from(u32::MAX) * u64::from(which % 2));
                state.show(Output::Text(Incoming { id, age, text }));
                id += 1;
            }
            11 => state.show(Output::Event(event(place, word))),
            12 => state.show(ask(place)),
            13 => state.show(Output::Status(status(place, now))),
            14 => {
                now += Duration::from_secs(place as u64 * 3);
                state.tick(now);
            }
            _ if place == 0 => {
                state.show(Output::End(Some(Fault::HostGone { after: Duration::from_secs(120), waiting: 1 })))
            }
            _ if place == 1 => state.show(Output::Wipe),
            _ => {}
        }
        while let Some(effect) = state.effect() {
            if let Effect::Say(_) = effect {
                state.said(place % 3 > 0);
            }
        }
        while state.seen().is_some() {}
        draws(&state, size);
        draws(&state, (size.1, size.0));
    }
}

fn event(place: usize, word: &str) -> Event {
    match place % 5 {
        0 => Event::Delivered { messages: place, waiting: 0 },
        1 => Event::Refused(Refusal::UnknownCommand { command: Printable::line(word) }),
        2 => Event::Confirmed { partner_confirmed: place.is_multiple_of(2) },
        3 => {
            let from = SocketAddr::from(([10, 0, 0, 9], 4000)).into();
            Event::PairingFailed { address: from, why: PairingFault::Commitment, pause: Duration::ZERO }
        }
        _ => Event::Rekey,
    }
}

fn ask(place: usize) -> Output {
    let half = |digits| Half::parse(digits).unwrap();
    let (what, about) = match place % 5 {
        0 => (PromptKind::Half, Some(Event::Code { own: half("41242842"), can_skip: place > 100 })),
        1 => {
            let (own, partner) = (half("41242842"), half("90713355"));
            (PromptKind::Compare, Some(Event::Compare { own, partner, emoji: [place as u8 % 64; 7], can_skip: true }))
        }
        2 => (PromptKind::Nothing, None),
        3 => (PromptKind::Half, Some(Event::WrongCode { tries_left: 1 })),
        _ => (PromptKind::Chat, Some(Event::RoomOpen { invited: place > 100 })),
    };
    Output::Ask { question: 1, what, about }
}

fn status(place: usize, now: Duration) -> Status {
    Status {
        partner: SocketAddr::from(([127, 0, 0, 1], 51423)).into(),
        trust: [Trust::No, Trust::Invite, Trust::Code][place % 3],
        connection: match place % 4 {
            0 => ConnectionState::Connected,
            1 => ConnectionState::Quiet(now),
            2 => ConnectionState::Redialing {
                number: 7,
                next: now + Duration::MAX / 4,
                failure: Some(ConnectError::Refused),
            },
            _ => ConnectionState::Awaiting(Duration::ZERO),
        },
        round_trip: Some(Duration::from_millis(place as u64)),
        epoch: Some(u32::MAX),
        files: [None; 2],
    }
}

/// No cell reaches beyond the right edge, none holds a control, and the cursor is on the screen.
fn draws(state: &State, (columns, rows): (u16, u16)) {
    let mut cells = Buffer::empty(Rect::new(0, 0, columns, rows));
    if let Some(cursor) = draw(state, true, &mut cells) {
        assert!(cursor.x < columns && cursor.y < rows);
    }
    for y in 0..rows {
        let mut x = 0;
        while x < columns {
            let symbol = cells[(x, y)].symbol();
            assert!(!symbol.contains(char::is_control));
            x += u16::try_from(symbol.width().max(1)).unwrap();
        }
        assert!(x == columns, "row {y} is {x} of {columns} wide");
    }
}
