//! Names, paths and messages of somebody hostile, in lines and on the full screen.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tete::interface::event::Event;
use tete::interface::fault::Fault;
use tete::interface::files::{EndedBy, FileEvent, FileFault, Progress};
use tete::interface::finding::{Finding, ProbeResult};
use tete::interface::refusal::Refusal;
use tete::interface::route::Route;
use tete::interface::{Output, PromptKind};
use tete::printable::Printable;
use tete::protocol::delivery::Incoming;
use tete::system::SystemError;
use tete::transport::error::ConnectError;
use tete::ui::rows;
use tete::ui::tui::state::{Notify, Options, Scene, State};
use tete::ui::tui::view::draw;
use tete::ui::words::{self, Lang};
use zeroize::Zeroizing;

use crate::START;

/// A name that does not occur in what the program says by itself, and needs no care.
const PLAIN: &str = "〔〕";
/// Kinds of [`event`].
const EVENTS: u8 = 32;
const TOOK: Duration = Duration::from_secs(3);

/// Every two bytes are something with the name in it, and the columns that there are for it.
pub fn play(name: &str, steps: &[u8]) {
    // The program's own rows begin with a time or a blank, and so a digit at the left edge is its own.
    let name: String = name.chars().map(|c| if c.is_ascii_digit() { 'x' } else { c }).take(2_000).collect();
    let mut screens = [Lang::En, Lang::Zh].map(screen);
    for (id, [what, columns]) in (0..).zip(steps.as_chunks().0.iter().take(24)) {
        let lang = if what / 64 % 2 == 0 { Lang::En } else { Lang::Zh };
        let columns = 12 + usize::from(*columns);
        let screen = &mut screens[usize::from(lang == Lang::Zh)];
        if what % 64 < EVENTS {
            let make = |name: &str| event(what % 64, &Printable::line(name));
            in_lines(|name| told(&make(name), lang, columns), &name);
            if let Some(line) = words::line(&make(&name)) {
                assert_eq!(line.lines().count(), words::line(&make(PLAIN)).unwrap().lines().count());
                harmless(&line, true);
            }
            screen.show(Output::Event(make(&name)));
        } else if what % 64 < EVENTS + 8 {
            in_lines(|name| sentence(&ends(what % 8, &Printable::line(name)), lang, columns), &name);
        } else {
            said(&name, columns);
            screen.show(Output::Text(Incoming { id, age: TOOK, text: Zeroizing::new(name.clone()) }));
        }
        let size = (columns.min(200) as u16, 5 + u16::from(what / 8));
        screen.input(tete::ui::keyboard::Event::Resize(size.0, size.1));
        drawn(screen, size);
    }
}

fn screen(lang: Lang) -> State {
    let wall = |_: Duration| -> Zoned { Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC) };
    let mut state = State::new(lang, (80, 24), Options { notify: Notify::Bell, ..Options::default() }, wall, START);
    let about = Some(Event::RoomOpen { invited: false });
    state.show(Output::Ask { question: 1, what: PromptKind::Chat, about });
    state
}

/// Everything that has a name in it which another side can choose, or that leads there.
fn event(what: u8, name: &Printable) -> Event {
    let name = || name.clone();
    let progress = |waits| Progress { files: 1, of_files: 2, bytes: 1, of_bytes: Some(9), rate: 1, waits };
    let sending = what.is_multiple_of(2);
    Event::File(match what {
        0 => return Event::LookingUp { host: name() },
        1 => return Event::Trying { address: Route::Address(name()) },
        2 => return Event::TryFailed { address: Route::Relay(name()), why: ConnectError::Refused },
        3 => return Event::RouteDown { route: Route::Relay(name()), why: ConnectError::AloneAtRelay },
        4 => return Event::RouteUp { route: Route::Address(name()) },
        5 => return Event::Refused(Refusal::UnknownCommand { command: name() }),
        6 => return Event::Finding(Finding::Relay { name: name(), result: Ok(TOOK) }),
        7 => return Event::Finding(Finding::Way { name: Route::Address(name()), met: ProbeResult::NotTried }),
        8 => return Event::Finding(Finding::Proxy { address: name(), result: Err(ConnectError::Refused) }),
        9 => FileEvent::CannotSend { path: name(), why: FileFault::Missing },
        10 => {
            let paths = vec![(name(), FileFault::Link), (name(), FileFault::Special)];
            FileEvent::LeftOut { name: name(), paths, count: 3 }
        }
        11 => FileEvent::Queued { name: name(), before: 2 },
        12 => FileEvent::Offering { name: name(), files: 2, bytes: None },
        13 => FileEvent::Accepted { name: name() },
        14 => FileEvent::PartnerDeclined { name: name() },
        15 => FileEvent::Sent { name: name(), files: 1, bytes: 2, took: TOOK, failed: 0 },
        16 => FileEvent::Sent { name: name(), files: 2, bytes: 2, took: TOOK, failed: 1 },
        17 => FileEvent::NotSent { path: name(), why: FileFault::Partner },
        18 => {
            let (offered_as, folder) = (Some(name()), name());
            FileEvent::Offered { offer: 1, name: name(), offered_as, files: 1, bytes: Some(3), folder }
        }
        19 => {
            let folder = name();
            FileEvent::Offered { offer: 1, name: name(), offered_as: None, files: 7, bytes: None, folder }
        }
        20 => FileEvent::OfferRefused { name: name(), why: FileFault::Path },
        21 => FileEvent::NoSpace { name: name(), needed: 2, free: 1 },
        22 => FileEvent::Accepting { name: name(), folder: name() },
        23 => FileEvent::Declined { name: name() },
        24 => FileEvent::Stored { name: name(), files: 1, bytes: 9, took: TOOK, failed: 0 },
        25 => FileEvent::Stored { name: name(), files: 2, bytes: 9, took: TOOK, failed: 1 },
        26 => FileEvent::NotStored { path: name(), why: FileFault::Hash },
        27 => FileEvent::Restarted { path: name(), sending },
        28 => FileEvent::DiskFull { name: name() },
        29 => FileEvent::Resumed { name: name() },
        30 => FileEvent::Withdrawn { name: name(), sending, by: EndedBy::Partner },
        _ => FileEvent::Progress { name: name(), sending, progress: progress(true) },
    })
}

/// The program's last words with a name in them.
fn ends(what: u8, name: &Printable) -> Fault {
    let name = || name.clone();
    match what {
        0 => Fault::Lookup(name()),
        1 => Fault::Unreachable(name()),
        2 => Fault::WordFirst(name()),
        3 => Fault::CannotSend { paths: vec![(name(), FileFault::Missing), (name(), FileFault::Special)] },
        4 => Fault::TorControl(name()),
        5 => Fault::Folder { path: name(), why: SystemError::ReadOnly },
        6 => Fault::Listen { address: name(), why: SystemError::PermissionDenied },
        _ => Fault::Handshake { address: name(), why: ConnectError::NotTete },
    }
}

/// An event as line mode writes it.
fn told(event: &Event, lang: Lang, columns: usize) -> String {
    let text = words::event(event, lang).unwrap_or_default();
    rows::event(event, &text, columns).to_string()
}

/// A fault as line mode writes it.
fn sentence(fault: &Fault, lang: Lang, columns: usize) -> String {
    let (fact, advice) = words::fault(fault, lang);
    rows::sentence(&format!("{}{fact}\n{advice}", words::words(lang).error), columns).to_string()
}

/// The rows at the left edge are as many as those of a plain name, and begin with the same words of the program.
///
/// A sentence may begin with a name; what continues one may not stand at the edge.
fn in_lines(tell: impl Fn(&str) -> String, name: &str) {
    let (plain, hostile) = (tell(PLAIN), tell(name));
    harmless(&hostile, true);
    let edge = |rows: &str| -> Vec<String> {
        let plain = rows.replace(['\u{2068}', '\u{2069}'], "");
        plain.lines().filter(|row| !row.is_empty() && !row.starts_with(' ')).map(str::to_owned).collect()
    };
    let (plain, hostile) = (edge(&plain), edge(&hostile));
    assert_eq!(plain.len(), hostile.len(), "{plain:?} {hostile:?}");
    for (plain, hostile) in plain.iter().zip(&hostile) {
        // A single plain word is not quoted.
        let own = plain.split('〔').next().unwrap_or_default().trim_end_matches(['“', '"', ' ']);
        // The name makes the line longer, and so it may be broken earlier.
        let hostile = hostile.trim_end();
        assert!(hostile.starts_with(own) || own.starts_with(hostile), "{plain:?} {hostile:?}");
    }
}

/// A message stands behind its gutter, and in a pipe it is one line.
fn said(text: &str, columns: usize) {
    let head = "12:00 partner ";
    let rows = rows::said(head, &Printable::text(text), columns, false);
    harmless(&rows, true);
    for (place, row) in rows.lines().enumerate() {
        let narrow = columns < 40;
        if place == 0 && narrow {
            assert_eq!(row, head);
            continue;
        }
        let before = row.split('│').next().unwrap_or_default();
        let gutter = if narrow { before.is_empty() } else { before.trim().is_empty() || before == head };
        assert!(gutter && row.contains('│') && (narrow || before.len() == head.len()), "{row:?}");
    }
    harmless(Printable::line(text).as_str(), false);
    assert!(!Printable::line(text).as_str().contains('\n'));
}

/// Nothing moves the cursor, and nothing reorders more than its own row.
fn harmless(rows: &str, isolates: bool) {
    for row in rows.split('\n') {
        let mut open = 0;
        for c in row.chars() {
            match c {
                '\u{2066}' | '\u{2068}' if isolates => open += 1,
                '\u{2069}' if isolates => open -= 1,
                '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' => {
                    panic!("{row:?}")
                }
                '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{61c}' | '\u{e0000}'..='\u{e007f}' => panic!("{row:?}"),
                c => assert!(!c.is_control(), "{row:?}"),
            }
            assert!(open >= 0, "{row:?}");
        }
        assert_eq!(open, 0, "{row:?}");
    }
}

/// No row of the messages begins with what is not the program's.
fn drawn(state: &State, (columns, rows): (u16, u16)) {
    let mut cells = Buffer::empty(Rect::new(0, 0, columns, rows));
    draw(state, true, &mut cells);
    let chat = state.scene() == Scene::Chat;
    for y in 0..rows {
        let row: String = (0..columns).map(|x| cells[(x, y)].symbol()).collect();
        assert!(!row.contains(char::is_control), "{row:?}");
        if chat && y < state.areas().messages {
            let first = row.chars().next().unwrap_or(' ');
            assert!(matches!(first, ' ' | '│' | '─') || first.is_ascii_digit(), "{row:?}");
        }
    }
}
