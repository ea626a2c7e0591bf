//! Where each key, reply and paste ends in the bytes of a terminal.

use std::collections::VecDeque;
use std::time::Duration;

use zeroize::{Zeroize as _, Zeroizing};

use super::sequence::{self, Said};
use super::{Event, KeyCode, KeyEvent, KeyModifiers};
use crate::protocol::delivery::TEXT;

/// Time for which an ESC waits for what it may introduce. Nobody presses two keys so fast.
pub const ESCAPE: Duration = Duration::from_millis(40);
/// Time after other bytes within which an Enter is not taken for one of a hand, and before them.
pub const HURRY: Duration = Duration::from_millis(10);
/// Silence after which a sequence has no end, and after which a paste may be given up.
pub const SILENCE: Duration = Duration::from_secs(1);
/// Bytes of the longest sequence that means anything.
const SEQUENCE: usize = 64;
/// Bytes of the longest sequence within a paste that means anything.
const PASTED: usize = 24;

const CTRL_C: u8 = 0x03;
const BELL: u8 = 0x07;
const CTRL_X: u8 = 0x18;
const ESC: u8 = 0x1b;

/// The place in a sequence.
#[derive(Default)]
enum Place {
    /// Between two.
    #[default]
    Ground,
    /// After one ESC, or two.
    Escape { twice: bool },
    /// After the first bytes of a character.
    Character { alt: bool },
    /// After `ESC [`.
    Control { alt: bool },
    /// After `ESC O`.
    Single { alt: bool },
    /// In a string of the terminal that ends by BEL or ST, and whether an ESC has come that may begin ST. The kind is
    /// the byte after the ESC that began it, as long as nothing else has come.
    String { kind: Option<u8>, escape: bool },
    /// Before so many bytes about the mouse.
    Mouse(u8),
    /// Before the letter of a function key.
    Function,
    /// In a paste.
    Paste(Paste),
}

/// A paste that has begun.
struct Paste {
    text: Zeroizing<Vec<u8>>,
    /// It is longer than a text may be, and not kept.
    over: bool,
    /// The last byte was a CR.
    cr: bool,
    /// A sequence that has begun within it.
    inner: Vec<u8>,
    /// Time of the last byte that was no attempt to give it up.
    heard: Duration,
    /// What of such an attempt has come.
    attempt: Option<u8>,
    told: bool,
}

/// Cuts bytes into events. Time goes in with them; how the bytes were cut into reads makes no difference.
///
/// Nothing waits for ever: an ESC stands for itself after [`ESCAPE`], any other sequence without an end is dropped
/// after [`SILENCE`], and a control byte that no sequence contains ends it at once. A paste has no time limit, as its
/// rest would be taken for keys; once it is silent, Ctrl-C pressed twice or Ctrl-X p ends it.
#[derive(Default)]
pub struct Framing {
    place: Place,
    /// The sequence so far.
    bytes: Vec<u8>,
    /// Time of the last byte.
    last: Option<Duration>,
    /// Time of the last byte before what has begun.
    before: Option<Duration>,
    /// An Enter that may still turn out to be a line break.
    held: Option<Held>,
}

struct Held {
    hurried: bool,
    /// A LF came with it.
    fed: bool,
    until: Duration,
}

type Out = VecDeque<Event>;

impl Framing {
    /// Time at which to call [`tick`](Self::tick) at the latest.
    pub fn deadline(&self) -> Option<Duration> {
        let held = self.held.as_ref().map(|held| held.until);
        [self.ends(), held].into_iter().flatten().min()
    }

    /// Time at which what has begun is given up.
    fn ends(&self) -> Option<Duration> {
        let last = self.last?;
        let bare = self.bytes.is_empty();
        match &self.place {
            Place::Ground | Place::Character { .. } => None,
            Place::Escape { .. } | Place::String { escape: true, .. } | Place::String { kind: Some(_), .. } => {
                Some(last + ESCAPE)
            }
            Place::Control { .. } | Place::Single { .. } if bare => Some(last + ESCAPE),
            Place::Mouse(_) | Place::Function => Some(last + ESCAPE),
            Place::Control { .. } | Place::Single { .. } | Place::String { .. } => Some(last + SILENCE),
            Place::Paste(paste) => Some(paste.heard + SILENCE).filter(|_| !paste.told),
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Duration, out: &mut Out) {
        // What comes first goes out first.
        if self.held.as_ref().is_some_and(|held| now >= held.until) {
            self.release(out);
        }
        if self.ends().is_none_or(|ends| now < ends) {
            return;
        }
        if let Place::Paste(paste) = &mut self.place {
            paste.told = true;
            out.push_back(Event::PasteStalls);
            return;
        }
        self.give_up(now, out);
    }

    /// Takes bytes that came at that time.
    pub fn feed(&mut self, bytes: &[u8], now: Duration, out: &mut Out) {
        self.tick(now, out);
        for byte in bytes {
            if let Place::Ground = self.place {
                self.before = self.last;
            }
            self.byte(*byte, now, out);
            self.last = Some(now);
        }
    }

    /// Ends what has begun without an end. Keys that look like the beginning of a sequence are keys.
    fn give_up(&mut self, now: Duration, out: &mut Out) {
        let bare = self.bytes.is_empty();
        self.bytes.zeroize();
        let alt = |letter: u8| KeyEvent::new(KeyCode::Char(letter.into()), KeyModifiers::ALT);
        let escape = KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE);
        match std::mem::take(&mut self.place) {
            Place::Escape { twice } => {
                (0..=u8::from(twice)).for_each(|_| self.emit(Event::Key(escape), now, out));
            }
            Place::Control { .. } if bare => self.emit(Event::Key(alt(b'[')), now, out),
            Place::Single { .. } if bare => self.emit(Event::Key(alt(b'O')), now, out),
            // Ctrl-Delete of st.
            Place::Mouse(3) => {
                self.emit(Event::Key(KeyEvent::new(KeyCode::Delete, KeyModifiers::CONTROL)), now, out);
            }
            Place::String { kind, escape: ended } => {
                if let Some(kind) = kind {
                    self.emit(Event::Key(alt(kind)), now, out);
                }
                if ended {
                    self.emit(Event::Key(escape), now, out);
                }
            }
            _ => {}
        }
    }

    fn byte(&mut self, byte: u8, now: Duration, out: &mut Out) {
        match &mut self.place {
            Place::Ground => self.ground(byte, now, out),
            Place::Escape { twice } => {
                let twice = *twice;
                self.escaped(byte, twice, now, out);
            }
            Place::Character { alt } => {
                let alt = *alt;
                self.bytes.push(byte);
                match std::str::from_utf8(&self.bytes) {
                    Ok(text) => {
                        let c = text.chars().next();
                        self.leave();
                        c.into_iter().for_each(|c| self.character(c, alt, now, out));
                    }
                    Err(error) if error.error_len().is_none() => {}
                    // It has no end: the byte is the first of what follows.
                    Err(_) => {
                        self.leave();
                        self.ground(byte, now, out);
                    }
                }
            }
            Place::Control { alt } => {
                let alt = *alt;
                // With `$` rxvt ends what others go on with; a reply has two parameters, or a mark before them.
                let rxvt = byte == b'$' && !self.bytes.is_empty() && self.bytes.iter().all(u8::is_ascii_digit);
                match byte {
                    0x40..=0x7e => self.finish(|bytes| sequence::control(bytes, byte, alt), now, out),
                    b'$' if rxvt => self.finish(|bytes| sequence::control(bytes, byte, alt), now, out),
                    0x20..=0x3f => self.gather(byte),
                    _ => self.interrupt(byte, now, out),
                }
            }
            Place::Single { alt } => {
                let alt = *alt;
                match byte {
                    0x40..=0x7e => self.finish(|bytes| sequence::single(bytes, byte, alt), now, out),
                    b'0'..=b'9' | b';' => self.gather(byte),
                    _ => self.interrupt(byte, now, out),
                }
            }
            Place::String { escape: true, .. } if byte == b'\\' => self.leave(),
            Place::String { kind, escape: ended @ true } => {
                // Not its end, but the beginning of another sequence.
                *ended = false;
                if kind.is_some() {
                    self.give_up(now, out);
                }
                self.place = Place::Escape { twice: false };
                self.byte(byte, now, out);
            }
            Place::String { kind, escape } => match byte {
                BELL => self.leave(),
                ESC => *escape = true,
                b'\t' | b'\n' | b'\r' | 0x20.. => *kind = None,
                _ => self.interrupt(byte, now, out),
            },
            Place::Mouse(left) => match byte {
                0x20.. => {
                    *left -= 1;
                    let left = *left;
                    self.bytes.push(byte);
                    if left == 0 {
                        let button = self.bytes.first().copied().unwrap_or_default();
                        self.finish(|_| sequence::mouse(button), now, out);
                    }
                }
                _ => self.interrupt(byte, now, out),
            },
            Place::Function => match byte {
                0x20..=0x7e => self.finish(|_| sequence::function(byte), now, out),
                _ => self.interrupt(byte, now, out),
            },
            Place::Paste(paste) => {
                let end = paste.byte(byte, now);
                self.end_paste(end, now, out);
            }
        }
    }

    fn leave(&mut self) {
        self.bytes.zeroize();
        self.place = Place::Ground;
    }

    /// A byte that no sequence contains: the sequence is none.
    fn interrupt(&mut self, byte: u8, now: Duration, out: &mut Out) {
        self.give_up(now, out);
        self.before = self.last;
        self.ground(byte, now, out);
    }

    /// Keeps a byte of a sequence, as long as it can mean anything.
    fn gather(&mut self, byte: u8) {
        if self.bytes.len() < SEQUENCE {
            self.bytes.push(byte);
        }
    }

    fn finish(&mut self, read: impl FnOnce(&[u8]) -> Said, now: Duration, out: &mut Out) {
        let said = if self.bytes.len() < SEQUENCE { read(&self.bytes) } else { Said::Nothing };
        self.leave();
        match said {
            Said::Event(event) => self.emit(event, now, out),
            Said::Paste => self.place = Place::Paste(Paste::new(now)),
            Said::Mouse => self.place = Place::Mouse(3),
            Said::Function => self.place = Place::Function,
            Said::Nothing => {}
        }
    }

    fn ground(&mut self, byte: u8, now: Duration, out: &mut Out) {
        match byte {
            ESC => self.place = Place::Escape { twice: false },
            0x20..=0x7e => self.character(byte.into(), false, now, out),
            0..0x20 | 0x7f => self.emit(Event::Key(sequence::plain_control(byte)), now, out),
            0x80..=0x9f => self.introduce(byte & 0x1f | 0x40),
            0xc2..=0xf4 => self.begin(byte, false),
            _ => {}
        }
    }

    fn begin(&mut self, byte: u8, alt: bool) {
        self.bytes.push(byte);
        self.place = Place::Character { alt };
    }

    /// One of the introducers that are a byte, or a character, of their own.
    fn introduce(&mut self, letter: u8) {
        self.place = match letter {
            b'[' => Place::Control { alt: false },
            b'O' => Place::Single { alt: false },
            b'P' | b'X' | b']' | b'^' | b'_' => Place::String { kind: None, escape: false },
            _ => Place::Ground,
        };
    }

    fn character(&mut self, c: char, alt: bool, now: Duration, out: &mut Out) {
        if let 0x80..=0x9f = u32::from(c) {
            return self.introduce(u32::from(c) as u8 & 0x1f | 0x40);
        }
        let held = if alt { KeyModifiers::ALT } else { KeyModifiers::NONE };
        self.emit(Event::Key(KeyEvent::new(KeyCode::Char(c), held)), now, out);
    }

    fn escaped(&mut self, byte: u8, twice: bool, now: Duration, out: &mut Out) {
        let key = |code, held| Event::Key(KeyEvent::new(code, held));
        let escape = key(KeyCode::Esc, KeyModifiers::NONE);
        self.place = Place::Ground;
        match byte {
            ESC => {
                if twice {
                    self.emit(escape, now, out);
                }
                self.place = Place::Escape { twice: true };
            }
            b'[' => self.place = Place::Control { alt: twice },
            b'O' => self.place = Place::Single { alt: twice },
            _ if twice => {
                self.emit(escape, now, out);
                self.escaped(byte, false, now, out);
            }
            b'P' | b'X' | b']' | b'^' | b'_' => self.place = Place::String { kind: Some(byte), escape: false },
            b'\r' | b'\n' => self.emit(key(KeyCode::Enter, KeyModifiers::ALT), now, out),
            b'\t' => self.emit(key(KeyCode::Tab, KeyModifiers::ALT), now, out),
            0x08 | 0x7f => self.emit(key(KeyCode::Backspace, KeyModifiers::ALT), now, out),
            0x20..=0x7e => self.character(byte.into(), true, now, out),
            0xc2..=0xf4 => self.begin(byte, true),
            _ => {
                self.emit(escape, now, out);
                self.ground(byte, now, out);
            }
        }
    }

    fn end_paste(&mut self, end: Option<End>, now: Duration, out: &mut Out) {
        let Some(end) = end else { return };
        let Place::Paste(paste) = std::mem::take(&mut self.place) else { return };
        match end {
            End::Whole if paste.over => self.emit(Event::PasteTooLong, now, out),
            End::Whole => {
                let text = Zeroizing::new(String::from_utf8_lossy(&paste.text).into_owned());
                self.emit(Event::Paste(text), now, out);
            }
            End::GivenUp => self.emit(Event::PasteGivenUp, now, out),
            End::Wiped => {
                self.emit(Event::PasteGivenUp, now, out);
                self.ground(CTRL_X, now, out);
                self.ground(b'p', now, out);
            }
        }
    }

    /// Passes an event on. An Enter waits, as what comes at once behind it makes it a line break: a paste that is not
    /// marked as one would send each of its lines.
    fn emit(&mut self, event: Event, now: Duration, out: &mut Out) {
        const LINE_FEED: KeyEvent = KeyEvent::new(KeyCode::Char('j'), KeyModifiers::CONTROL);
        let (enter, text) = match &event {
            Event::Key(KeyEvent { code, modifiers, .. }) => {
                let plain = *modifiers == KeyModifiers::NONE;
                let written = matches!(code, KeyCode::Char(_) | KeyCode::Tab | KeyCode::Enter);
                (plain && *code == KeyCode::Enter, plain && written || event == Event::Key(LINE_FEED))
            }
            Event::Paste(_) => (false, true),
            _ => (false, false),
        };
        if let (Some(held @ Held { fed: false, .. }), true) = (&mut self.held, event == Event::Key(LINE_FEED)) {
            // A CR and a LF are one line break, or one Enter.
            (held.fed, held.until) = (true, now + HURRY);
            return;
        }
        if self.held.take_if(|_| text).is_some() {
            out.push_back(Event::Key(LINE_FEED));
        }
        self.release(out);
        if enter {
            let hurried = self.before.is_some_and(|before| now < before + HURRY);
            self.held = Some(Held { hurried, fed: false, until: now + HURRY });
        } else {
            out.push_back(event);
        }
    }

    /// Passes on the Enter that has waited.
    fn release(&mut self, out: &mut Out) {
        if let Some(Held { hurried, .. }) = self.held.take() {
            let key = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
            out.push_back(Event::Key(KeyEvent { hurried, ..key }));
        }
    }
}

/// How a paste ends.
enum End {
    Whole,
    GivenUp,
    /// By the keys that wipe everything.
    Wiped,
}

impl Paste {
    fn new(now: Duration) -> Self {
        Self {
            text: Zeroizing::new(Vec::with_capacity(TEXT)),
            over: false,
            cr: false,
            inner: Vec::with_capacity(PASTED),
            heard: now,
            attempt: None,
            told: false,
        }
    }

    fn byte(&mut self, byte: u8, now: Duration) -> Option<End> {
        if now >= self.heard + SILENCE {
            match (self.attempt.replace(byte), byte) {
                (Some(CTRL_C), CTRL_C) => return Some(End::GivenUp),
                (Some(CTRL_X), b'p') => return Some(End::Wiped),
                (_, CTRL_C | CTRL_X) => return None,
                _ => {}
            }
        }
        (self.heard, self.attempt, self.told) = (now, None, false);
        if self.inner.is_empty() {
            if byte == ESC {
                self.inner.push(byte)
            } else {
                self.push(byte)
            }
            return None;
        }
        match byte {
            b'[' if self.inner.len() == 1 => self.inner.push(byte),
            0x20..=0x3f if (2..PASTED).contains(&self.inner.len()) => self.inner.push(byte),
            0x40..=0x7e if self.inner.len() > 1 => {
                let inner = std::mem::take(&mut self.inner);
                let parameters = inner.get(2..).unwrap_or_default();
                if (parameters, byte) == (b"201", b'~') {
                    return Some(End::Whole);
                }
                match sequence::pasted(parameters, byte) {
                    Some(c) => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| self.push(byte)),
                    None => inner.into_iter().chain([byte]).for_each(|byte| self.push(byte)),
                }
            }
            // No sequence after all.
            _ => {
                std::mem::take(&mut self.inner).into_iter().for_each(|byte| self.push(byte));
                if byte == ESC { self.inner.push(byte) } else { self.push(byte) }
            }
        }
        None
    }

    fn push(&mut self, byte: u8) {
        let follows = std::mem::replace(&mut self.cr, byte == b'\r');
        match byte {
            b'\n' if follows => return,
            _ if self.over => return,
            _ => {}
        }
        if self.text.len() == TEXT {
            self.text.zeroize();
            self.over = true;
            return;
        }
        self.text.push(if byte == b'\r' { b'\n' } else { byte });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    /// A terminal, and the time at it.
    #[derive(Default)]
    struct Terminal {
        framing: Framing,
        now: Duration,
        out: Out,
    }

    impl Terminal {
        /// Bytes after a time in which the deadlines were kept.
        fn after(&mut self, pause: Duration, bytes: &[u8]) -> &mut Self {
            let now = self.now + pause;
            while let Some(due) = self.framing.deadline().filter(|due| *due <= now) {
                self.framing.tick(due, &mut self.out);
            }
            self.now = now;
            self.framing.feed(bytes, now, &mut self.out);
            self
        }

        /// What came of it, in a few words.
        fn told(&mut self) -> String {
            self.after(2 * SILENCE, b"");
            self.out.drain(..).map(|event| name(&event)).collect::<Vec<_>>().join(" ")
        }
    }

    fn name(event: &Event) -> String {
        match event {
            Event::Key(KeyEvent { code, modifiers, hurried }) => {
                let held = [(KeyModifiers::CONTROL, "C-"), (KeyModifiers::ALT, "M-"), (KeyModifiers::SHIFT, "S-")];
                let held: String =
                    held.iter().filter(|(held, _)| modifiers.has(*held)).map(|(_, name)| *name).collect();
                let code = if let KeyCode::Char(c) = code { c.to_string() } else { format!("{code:?}") };
                format!("{}{held}{code}", if *hurried { "hurried-" } else { "" })
            }
            Event::Paste(text) => format!("{:?}", text.as_str()),
            other => format!("{other:?}"),
        }
    }

    /// What a terminal's bytes come to that arrive at once, long after others.
    fn read(bytes: &[u8]) -> String {
        Terminal::default().after(SILENCE, bytes).told()
    }

    #[test]
    fn every_key_is_the_same_however_a_terminal_tells_it() {
        let cases: &[(&str, &[&str])] = &[
            ("a", &["a", "\x1b[97u", "\x1b[97;1:1u", "\x1b[27;1;97~", "\x1b[65;30;97;1;0;1_"]),
            ("A", &["A", "\x1b[97;2u", "\x1b[97:65;2u", "\x1b[27;2;65~", "\x1b[65;30;65;1;16;1_"]),
            ("你", &["你", "\x1b[20320u", "\x1b[0;0;20320;1;0;1_"]),
            ("€", &["€", "\x1b[101;0;8364;1;9;1_"]),
            ("C-c", &["\x03", "\x1b[99;5u", "\x1b[27;5;99~", "\x1b[1089::99;5u", "\x1b[67;46;3;1;8;1_"]),
            ("C-x", &["\x18", "\x1b[120;5u", "\x1b[27;5;120~", "\x1b[88;45;24;1;8;1_"]),
            ("M-b", &["\x1bb", "\x1b[98;3u", "\x1b[27;3;98~", "\x1b[66;48;98;1;2;1_"]),
            ("Enter", &["\r", "\x1b[13u", "\x1b[27;1;13~", "\x1b[57414u", "\x1b[13;28;13;1;0;1_"]),
            ("M-Enter", &["\x1b\r", "\x1b\n", "\x1b[13;3u", "\x1b[27;3;13~"]),
            ("S-Enter", &["\x1bOM", "\x1b[13;2u", "\x1b[27;2;13~", "\x1b[13;28;13;1;16;1_"]),
            ("C-j", &["\n", "\x1b[106;5u", "\x1b[10u"]),
            ("Tab", &["\t", "\x1b[9u", "\x1b[27;1;9~"]),
            ("S-Tab", &["\x1b[Z", "\x1b[9;2u"]),
            ("Esc", &["\x1b", "\x1b[27u", "\x1b[27;1;27~"]),
            ("Backspace", &["\x7f", "\x1b[127u", "\x1b[27;1;127~"]),
            ("M-Backspace", &["\x1b\x7f", "\x1b\x08", "\x1b[127;3u"]),
            ("Up", &["\x1b[A", "\x1bOA", "\x1b[1;1A", "\x1b[57419u", "\u{9b}A"]),
            ("S-Up", &["\x1b[1;2A", "\x1b[a"]),
            ("M-Up", &["\x1b[1;3A", "\x1b\x1b[A", "\x1b\x1bOA"]),
            ("C-Left", &["\x1b[1;5D", "\x1bOd", "\x1bO5D", "\x1bO1;5D"]),
            ("C-Right", &["\x1b[1;5C", "\x1bOc"]),
            ("Home", &["\x1b[H", "\x1bOH", "\x1b[1~", "\x1b[7~"]),
            ("End", &["\x1b[F", "\x1bOF", "\x1b[4~", "\x1b[8~"]),
            ("C-Home", &["\x1b[1;5H", "\x1b[7^"]),
            ("C-End", &["\x1b[1;5F", "\x1b[8^", "\x1b[J"]),
            ("S-Home", &["\x1b[1;2H", "\x1b[7$", "\x1b[2J"]),
            ("S-End", &["\x1b[1;2F", "\x1b[8$", "\x1b[K"]),
            ("Delete", &["\x1b[3~", "\x1b[P", "\x1b[57426u"]),
            ("C-Delete", &["\x1b[3;5~", "\x1b[3^", "\x1b[M"]),
            ("PageUp", &["\x1b[5~", "\x1b[57421u"]),
            ("F(1)", &["\x1bOP", "\x1b[11~", "\x1b[[A", "\x1b[112;59;0;1;0;1_"]),
            ("F(2)", &["\x1bOQ", "\x1b[12~", "\x1b[[B", "\x1b[Q"]),
            ("F(3)", &["\x1bOR", "\x1b[13~", "\x1b[[C", "\x1b[R"]),
            ("S-F(1)", &["\x1b[1;2P", "\x1b[11;2~"]),
            ("7", &["7", "\x1bOw", "\x1b[57406u"]),
            ("+", &["+", "\x1bOk", "\x1b[57413u"]),
            ("Wheel { down: false }", &["\x1b[<64;3;3M", "\x1b[<80;3;3M", "\x1b[M`##", "\x1b[96;3;3M"]),
            ("Wheel { down: true }", &["\x1b[<65;3;3M", "\x1b[Ma##", "\x1b[97;3;3M"]),
            ("Focus(true)", &["\x1b[I"]),
            ("Focus(false)", &["\x1b[O"]),
            ("Position { row: 1, column: 2 }", &["\x1b[1;2R"]),
            ("M-_", &["\x1b_", "\x1b[95;3u"]),
            ("M-[", &["\x1b["]),
            ("M-O", &["\x1bO"]),
            ("Esc Esc", &["\x1b\x1b"]),
            ("Esc C-c", &["\x1b\x03"]),
        ];
        for (key, ways) in cases {
            for way in *ways {
                assert_eq!(read(way.as_bytes()), *key, "{way:?}");
                // It ends there.
                assert_eq!(
                    Terminal::default().after(SILENCE, way.as_bytes()).after(SILENCE, b"z").told(),
                    format!("{key} z")
                );
            }
        }
    }

    #[test]
    fn a_key_that_was_let_go_of_is_not_pressed_again() {
        for release in ["\x1b[97;1:3u", "\x1b[13;1:3u", "\x1b[1;1:3A", "\x1b[3;1:3~", "\x1b[65;30;97;0;0;1_"] {
            assert_eq!(read(release.as_bytes()), "", "{release:?}");
        }
    }

    #[test]
    fn answers_of_the_terminal_are_no_keys() {
        let answers = [
            "\x1b]11;rgb:0000/0000/0000\x1b\\",
            "\x1b]11;rgb:0000/0000/0000\x07",
            "\x1b]52;c;cm0gLXJmIC8NCg==\x07",
            "\x1bP1+r544e=787465726d\x1b\\",
            "\x1bP>|XTerm(379)\x1b\\",
            "\x1bP!|00000000\x1b\\",
            "\x1b_Gi=31;OK\x1b\\",
            "\x1b^a message\x1b\\",
            "\x1bXa string\x1b\\",
            "\x1b[?64;1;2;6;9;15;22c",
            "\x1b[>41;379;0c",
            "\x1b[0n",
            "\x1b[?2026;2$y",
            "\x1b[4;2$y",
            "\x1b[8;24;80t",
            "\x1b[48;24;80;480;960t",
            "\x1b[?1u",
            "\x1b[>4;2m",
            "\x1b[?997;1n",
            "\u{9d}11;rgb:0000/0000/0000\x07",
            "\x1b[201~",
        ];
        for answer in answers {
            assert_eq!(read(format!("a{answer}b").as_bytes()), "a b", "{answer:?}");
        }
        // Longer than anything that is kept.
        let long = format!("\x1b]52;c;{}\x07\x1b[{}uz", "QUJD".repeat(100_000), "1;".repeat(1_000));
        assert_eq!(read(long.as_bytes()), "z");
    }

    #[test]
    fn a_sequence_without_its_end_is_over_after_a_second_or_with_the_next_control() {
        for begun in ["\x1b[200", "\x1b[<64;1", "\x1b[?", "\x1b]11;rgb", "\x1bP1+r", "\x1b_G", "\x1bO1", "\x1b[1;"] {
            let told = Terminal::default().after(SILENCE, begun.as_bytes()).after(SILENCE, b"2026").told();
            assert_eq!(told, "2 0 2 6", "{begun:?}");
            let told =
                Terminal::default().after(SILENCE, begun.as_bytes()).after(MOMENT, b"\x03").after(MOMENT, b"a").told();
            assert_eq!(told, "C-c a", "{begun:?}");
            let told = Terminal::default().after(SILENCE, begun.as_bytes()).after(MOMENT, b"\x18p").told();
            assert_eq!(told, "C-x p", "{begun:?}");
        }
    }

    #[test]
    fn a_paste_without_its_end_is_told_of_and_given_up_by_ctrl_c_twice() {
        let mut terminal = Terminal::default();
        terminal.after(MOMENT, b"\x1b[200~x").after(SILENCE / 2, b"\x03\x03y");
        assert_eq!(terminal.out, []);
        terminal.after(SILENCE, b"");
        assert_eq!(terminal.out, [Event::PasteStalls]);
        terminal.after(MOMENT, b"\x03").after(SILENCE, b"\x03").after(SILENCE, b"ok");
        assert_eq!(terminal.told(), "PasteStalls PasteGivenUp o k");
        // What goes on is still a paste, however late: keys are none of it.
        let late = Terminal::default().after(MOMENT, b"\x1b[200~a\r").after(5 * SILENCE, b"b\rc\x1b[201~").told();
        assert_eq!(late, "PasteStalls \"a\\nb\\nc\"");
        let wiped = Terminal::default().after(MOMENT, b"\x1b[200~a").after(SILENCE, b"\x18").after(MOMENT, b"p").told();
        assert_eq!(wiped, "PasteStalls PasteGivenUp C-x p");
    }

    #[test]
    fn a_paste_is_kept_up_to_the_length_of_a_text() {
        let paste = |text: &str| read(format!("\x1b[200~{text}\x1b[201~").as_bytes());
        let longest = "x".repeat(TEXT);
        assert_eq!(paste(&longest), format!("{longest:?}"));
        assert_eq!(paste(&format!("{longest}y")), "PasteTooLong");
        let mut terminal = Terminal::default();
        terminal.after(MOMENT, b"\x1b[200~");
        for _ in 0..1_000 {
            terminal.after(MOMENT, longest.as_bytes());
        }
        let Place::Paste(paste) = &terminal.framing.place else { panic!("the paste has ended") };
        assert!(paste.text.capacity() <= TEXT);
    }

    #[test]
    fn line_breaks_and_tabs_of_a_paste_are_read_in_every_encoding() {
        for line_break in ["\r", "\n", "\r\n", "\x1b[13u", "\x1b[27;1;13~", "\x1b[10;1u", "\x1b[106;5u"] {
            let expected = if line_break == "\x1b[106;5u" { "\"ajb\"" } else { "\"a\\nb\"" };
            assert_eq!(read(format!("\x1b[200~a{line_break}b\x1b[201~").as_bytes()), expected, "{line_break:?}");
        }
        assert_eq!(
            read("\x1b[200~a\x1b[9u\x1b[27;5;9~你\x1b[31m\x1b\x1b[201~z".as_bytes()),
            "\"a\\t\\t你\\u{1b}[31m\\u{1b}\" z"
        );
    }

    #[test]
    fn a_lone_escape_waits_for_what_it_may_begin() {
        let split = |bytes: &[u8], pause| {
            Terminal::default().after(SILENCE, b"\x1b").after(pause, bytes).after(SILENCE, b"").told()
        };
        let soon = ESCAPE - MOMENT;
        assert_eq!(split(b"[D", soon), "Left");
        assert_eq!(split(b"\r", soon), "M-Enter");
        assert_eq!(split(b"b", soon), "M-b");
        assert_eq!(split(b"[D", ESCAPE), "Esc [ D");
        assert_eq!(split(b"\r", ESCAPE), "Esc Enter");
    }

    #[test]
    fn an_enter_within_other_bytes_is_a_line_break_and_one_behind_them_is_told() {
        assert_eq!(read(b"one\rtwo\r\n\rthree\r"), "o n e C-j t w o C-j C-j t h r e e hurried-Enter");
        let told = |before: Duration, after: Duration| {
            let mut terminal = Terminal::default();
            terminal.after(SILENCE, b"a").after(before, b"\r").after(after, b"b").told()
        };
        assert_eq!(told(HURRY, HURRY), "a Enter b");
        assert_eq!(told(HURRY - MOMENT, HURRY), "a hurried-Enter b");
        assert_eq!(told(HURRY, HURRY - MOMENT), "a C-j b");
        for other in ["\x1b[F", "\x1b[200~x\x1b[201~", "\x1b]0;x\x07", "\x1b[1", "\x1b[97u"] {
            let bytes = [other.as_bytes(), b"\r"].concat();
            assert!(read(&bytes).ends_with("hurried-Enter"), "{other:?}");
            let bytes = [other.as_bytes(), b"\x1b[13u"].concat();
            assert!(read(&bytes).ends_with("hurried-Enter"), "{other:?}");
        }
        // A terminal may send both for Enter.
        assert_eq!(read(b"\r\n"), "Enter");
        assert_eq!(read(b"\r\n\n"), "C-j C-j");
        assert_eq!(read(b"a\r\n"), "a hurried-Enter");
        // A key that writes nothing does not make it one.
        assert_eq!(read(b"\r\x1b[A"), "Enter Up");
        assert_eq!(read(b"\r\x03"), "Enter C-c");
    }

    #[test]
    fn bytes_that_are_no_character_are_no_key() {
        assert_eq!(read(b"a\xff\xc3b\xa0\xe4\xbd\x03c"), "a b C-c c");
    }

    /// Bytes that mean something to a terminal, and any others.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let known = prop::sample::select(vec![
            "\x1b",
            "\x1b[",
            "\x1bO",
            "\x1b]",
            "\x1bP",
            "\x1b[200~",
            "\x1b[201~",
            "\x1b[M",
            "\x1b[[",
            "\x1b[<",
            "\x1b[27;5;",
            "\x1b\\",
            "\x07",
            "\r",
            "\n",
            "\t",
            "\x03",
            "\x18",
            "p",
            "~",
            "u",
            "R",
            "$",
            "1",
            ";",
            "你",
            "\u{9b}",
            "a",
        ]);
        prop_oneof![8 => known.prop_map(|piece| piece.as_bytes().to_vec()), 1 => prop::collection::vec(any::<u8>(), 0..4)]
    }

    /// What comes at the same time, and the time before.
    fn bursts() -> impl Strategy<Value = Vec<(u64, Vec<u8>)>> {
        let pause = prop::sample::select(vec![0, 1, 9, 10, 39, 40, 41, 500, 999, 1_000, 3_000]);
        let bytes = prop::collection::vec(pieces(), 0..8).prop_map(|pieces| pieces.concat());
        prop::collection::vec((pause, bytes), 0..8)
    }

    proptest! {
        #[test]
        fn keys_are_the_same_however_the_bytes_are_cut_into_reads(bursts in bursts(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..16)) {
            let (mut whole, mut cut) = (Terminal::default(), Terminal::default());
            for (pause, bytes) in &bursts {
                let pause = Duration::from_millis(*pause);
                whole.after(pause, bytes);
                cut.after(pause, b"");
                let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
                places.sort_unstable();
                for place in places.windows(2) {
                    cut.after(Duration::ZERO, &bytes[place[0]..place[1]]);
                }
            }
            prop_assert_eq!(whole.told(), cut.told());
        }

        #[test]
        fn after_any_bytes_and_a_second_ctrl_c_and_the_keys_that_wipe_are_heard(bursts in bursts()) {
            for (keys, heard) in [(&b"\x03\x03"[..], "C-c C-c z"), (b"\x18p", "C-x p z")] {
                let mut terminal = Terminal::default();
                for (pause, bytes) in &bursts {
                    terminal.after(Duration::from_millis(*pause), bytes);
                }
                terminal.told();
                let told = terminal.after(MOMENT, keys).after(SILENCE, b"z").told();
                let given_up = if keys[0] == 3 { "PasteGivenUp z".to_owned() } else { format!("PasteGivenUp {heard}") };
                prop_assert!(told == heard || told == given_up, "{told}");
            }
        }
    }
}
