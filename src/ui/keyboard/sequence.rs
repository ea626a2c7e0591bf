//! What a whole sequence says, in the words of every terminal that is known to send it.

use super::{Event, KeyCode, KeyEvent, KeyModifiers};

/// What a sequence comes to.
pub enum Said {
    /// An event.
    Event(Event),
    /// A paste begins.
    Paste,
    /// Three bytes about the mouse follow.
    Mouse,
    /// The letter of a function key follows.
    Function,
    /// Nothing for us.
    Nothing,
}

const NONE: KeyModifiers = KeyModifiers::NONE;
const SHIFT: KeyModifiers = KeyModifiers::SHIFT;
const ALT: KeyModifiers = KeyModifiers::ALT;
const CONTROL: KeyModifiers = KeyModifiers::CONTROL;

/// The button of the wheel, turned away from the user; the next is the other way round.
const WHEEL: u32 = 64;
/// What the older reports of the mouse add to a button.
const BUTTON: u32 = 32;
/// Bits of a button that stand for modifiers and for a move.
const BUTTON_HELD: u32 = 4 | 8 | 16;

fn key(code: KeyCode, held: KeyModifiers) -> Said {
    Said::Event(Event::Key(KeyEvent::new(code, held)))
}

/// F3 with modifiers, which some terminals tell as a cursor in the first row.
pub fn f3(row: u16, column: u16) -> Option<KeyEvent> {
    let held = modifiers(column.into());
    (row == 1 && (2..=16).contains(&column)).then_some(KeyEvent::new(KeyCode::F(3), held))
}

/// Modifiers as parameters have them: one more than their bits.
fn modifiers(parameter: u32) -> KeyModifiers {
    KeyModifiers(parameter.saturating_sub(1) as u8 & 7)
}

/// The parameters of a sequence, each with its parts.
struct Parameters<'a>(&'a str);

impl Parameters<'_> {
    fn part(&self, number: usize, part: usize) -> Option<u32> {
        self.0.split(';').nth(number)?.split(':').nth(part)?.parse().ok()
    }

    fn number(&self, number: usize) -> Option<u32> {
        self.part(number, 0)
    }

    fn count(&self) -> usize {
        if self.0.is_empty() { 0 } else { self.0.split(';').count() }
    }

    fn held(&self, number: usize) -> KeyModifiers {
        modifiers(self.number(number).unwrap_or(1))
    }

    /// Whether a key was let go of.
    fn is_release(&self, number: usize) -> bool {
        self.part(number, 1) == Some(3)
    }
}

/// Reads a control sequence: what stood between `CSI` and its last byte, and that byte.
pub fn control(inner: &[u8], last: u8, alt: bool) -> Said {
    let Ok(text) = std::str::from_utf8(inner) else { return Said::Nothing };
    let parameters = Parameters(text);
    let alt = if alt { ALT } else { NONE };
    match (text.strip_prefix('<'), last) {
        (Some(text), b'M') => return wheel(Parameters(text).number(0)),
        (None, _) if text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b';' | b':')) => {}
        // Replies, and what else is not about keys.
        _ => return Said::Nothing,
    }
    if last != b'u' && parameters.is_release(1) {
        return Said::Nothing;
    }
    let held = parameters.held(1).and(alt);
    match (last, parameters.count()) {
        (b'A' | b'B' | b'C' | b'D' | b'F' | b'H', 0..=2) => arrow(last, held),
        (b'a'..=b'd', 0) => arrow(last.to_ascii_uppercase(), SHIFT.and(alt)),
        // Delete, Ctrl-End, Shift-End, Shift-Home, Shift-Delete of st.
        (b'P', 0) => key(KeyCode::Delete, alt),
        (b'J', 0) => key(KeyCode::End, CONTROL.and(alt)),
        (b'K', 0) => key(KeyCode::End, SHIFT.and(alt)),
        (b'J', 1) => key(KeyCode::Home, SHIFT.and(alt)),
        (b'K', 1) => key(KeyCode::Delete, SHIFT.and(alt)),
        (b'P', 2) => key(KeyCode::F(1), held),
        (b'Q', 0 | 2) => key(KeyCode::F(2), held),
        (b'R', 0) => key(KeyCode::F(3), held),
        (b'S', 0 | 2) => key(KeyCode::F(4), held),
        (b'R', 2) => {
            let place = |number| parameters.number(number).and_then(|place| u16::try_from(place).ok());
            match (place(0), place(1)) {
                (Some(row), Some(column)) => Said::Event(Event::Position { row, column }),
                _ => Said::Nothing,
            }
        }
        (b'Z', 0) => key(KeyCode::Tab, SHIFT.and(alt)),
        (b'I', 0) => Said::Event(Event::Focus(true)),
        (b'O', 0) => Said::Event(Event::Focus(false)),
        (b'M', 0) => Said::Mouse,
        (b'M', 3) => wheel(parameters.number(0).and_then(|button| button.checked_sub(BUTTON))),
        (b'[', 0) => Said::Function,
        (b'~', 3) if parameters.number(0) == Some(27) => coded(parameters.number(2), held),
        (b'~', 1) if parameters.number(0) == Some(200) => Said::Paste,
        (b'~', 1 | 2) => numbered(parameters.number(0), held),
        (b'^', 1) => numbered(parameters.number(0), CONTROL.and(alt)),
        (b'$', 1) => numbered(parameters.number(0), SHIFT.and(alt)),
        (b'@', 1) => numbered(parameters.number(0), CONTROL.and(SHIFT).and(alt)),
        (b'u', 1..=3) if parameters.is_release(1) => Said::Nothing,
        (b'u', 1..=3) => {
            let shifted = parameters.part(0, 1).filter(|_| held.has(SHIFT));
            // The key of the same place on a keyboard with Latin letters.
            let latin = parameters.part(0, 2).filter(|_| held.has(CONTROL));
            coded(parameters.number(2).or(latin).or(shifted).or(parameters.number(0)), held)
        }
        (b'_', 4..=6) => windows(&parameters),
        _ => Said::Nothing,
    }
}

/// A key that `ESC O` introduced, with the modifiers that may stand before its letter.
pub fn single(inner: &[u8], last: u8, alt: bool) -> Said {
    let number = std::str::from_utf8(inner).ok().and_then(|text| text.rsplit(';').next()?.parse().ok());
    let held = modifiers(number.unwrap_or(1)).and(if alt { ALT } else { NONE });
    match last {
        b'A' | b'B' | b'C' | b'D' | b'F' | b'H' => arrow(last, held),
        b'a'..=b'd' => arrow(last.to_ascii_uppercase(), held.and(CONTROL)),
        b'P'..=b'S' => key(KeyCode::F(last - b'P' + 1), held),
        // Shift-Enter of Konsole and foot. The keypad's Enter sends it only in a mode that is reset at the start.
        b'M' => key(KeyCode::Enter, held.and(SHIFT)),
        b'I' => key(KeyCode::Tab, held),
        b'X' => key(KeyCode::Char('='), held),
        b'j'..=b'y' => key(KeyCode::Char(char::from(last - b'j' + b'*')), held),
        _ => Said::Nothing,
    }
}

/// A function key of the Linux console.
pub fn function(letter: u8) -> Said {
    if let b'A'..=b'E' = letter { key(KeyCode::F(letter - b'A' + 1), NONE) } else { Said::Nothing }
}

fn arrow(letter: u8, held: KeyModifiers) -> Said {
    let code = match letter {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'H' => KeyCode::Home,
        _ => KeyCode::End,
    };
    key(code, held)
}

fn numbered(number: Option<u32>, held: KeyModifiers) -> Said {
    let code = match number {
        Some(1 | 7) => KeyCode::Home,
        Some(4 | 8) => KeyCode::End,
        Some(3) => KeyCode::Delete,
        Some(5) => KeyCode::PageUp,
        Some(6) => KeyCode::PageDown,
        Some(number @ 11..=15) => KeyCode::F(number as u8 - 10),
        Some(number @ 17..=21) => KeyCode::F(number as u8 - 11),
        Some(number @ 23..=24) => KeyCode::F(number as u8 - 12),
        _ => return Said::Nothing,
    };
    key(code, held)
}

fn wheel(button: Option<u32>) -> Said {
    match button.map(|button| button & !BUTTON_HELD) {
        Some(WHEEL) => Said::Event(Event::Wheel { down: false }),
        Some(button) if button == WHEEL + 1 => Said::Event(Event::Wheel { down: true }),
        _ => Said::Nothing,
    }
}

/// Three bytes about the mouse.
pub fn mouse(button: u8) -> Said {
    wheel(u32::from(button).checked_sub(BUTTON))
}

/// A key that is told by the number of its character.
fn coded(number: Option<u32>, held: KeyModifiers) -> Said {
    number.and_then(|number| character(number, held)).map_or(Said::Nothing, |event| Said::Event(Event::Key(event)))
}

/// The key of a character, or of one that stands for a key (kitty's keypad is in the private use area).
fn character(number: u32, held: KeyModifiers) -> Option<KeyEvent> {
    let code = match number {
        13 | 57_414 => KeyCode::Enter,
        9 => KeyCode::Tab,
        27 => KeyCode::Esc,
        8 | 127 => KeyCode::Backspace,
        0..32 => return Some(plain_control(u8::try_from(number).ok()?)),
        57_399..=57_408 => KeyCode::Char(char::from_u32(number - 57_399 + u32::from('0'))?),
        57_409..=57_413 => KeyCode::Char("./*-+".chars().nth(number as usize - 57_409)?),
        57_415 => KeyCode::Char('='),
        57_417 => KeyCode::Left,
        57_418 => KeyCode::Right,
        57_419 => KeyCode::Up,
        57_420 => KeyCode::Down,
        57_421 => KeyCode::PageUp,
        57_422 => KeyCode::PageDown,
        57_423 => KeyCode::Home,
        57_424 => KeyCode::End,
        57_426 => KeyCode::Delete,
        57_344..=63_743 => return None,
        number => {
            let c = char::from_u32(number)?;
            let mut upper = c.to_uppercase();
            match (held.has(CONTROL), held.has(SHIFT), upper.next(), upper.next()) {
                (true, ..) => return Some(KeyEvent::new(KeyCode::Char(c.to_ascii_lowercase()), held.without(SHIFT))),
                (false, true, Some(upper), None) => KeyCode::Char(upper),
                _ => KeyCode::Char(c),
            }
        }
    };
    let held = if let KeyCode::Char(_) = code { held.without(SHIFT) } else { held };
    Some(KeyEvent::new(code, held))
}

/// A key in the encoding of the Windows console: key, scan code, character, pressed, held, times.
fn windows(parameters: &Parameters) -> Said {
    if parameters.number(3) != Some(1) {
        return Said::Nothing;
    }
    let bits = parameters.number(4).unwrap_or(0);
    let mut held = NONE;
    for (bit, modifier) in [(1 | 2, ALT), (4 | 8, CONTROL), (16, SHIFT)] {
        held = if bits & bit > 0 { held.and(modifier) } else { held };
    }
    let code = match (parameters.number(2).unwrap_or(0), parameters.number(0)) {
        (0, Some(0x21)) => KeyCode::PageUp,
        (0, Some(0x22)) => KeyCode::PageDown,
        (0, Some(0x23)) => KeyCode::End,
        (0, Some(0x24)) => KeyCode::Home,
        (0, Some(0x25)) => KeyCode::Left,
        (0, Some(0x26)) => KeyCode::Up,
        (0, Some(0x27)) => KeyCode::Right,
        (0, Some(0x28)) => KeyCode::Down,
        (0, Some(0x2e)) => KeyCode::Delete,
        (0, Some(number @ 0x70..=0x7b)) => KeyCode::F(number as u8 - 0x6f),
        (0, _) => return Said::Nothing,
        // AltGr is told as Ctrl and Alt.
        (number @ 32.., _) if held.has(CONTROL.and(ALT)) => return coded(Some(number), NONE),
        // The character is that of the shifted key.
        (number, _) => return coded(Some(number), if number < 32 { held } else { held.without(SHIFT) }),
    };
    key(code, held)
}

/// The key of a single byte below 32, or of 127.
pub fn plain_control(byte: u8) -> KeyEvent {
    match byte {
        0 => KeyEvent::new(KeyCode::Char(' '), CONTROL),
        b'\t' => KeyEvent::new(KeyCode::Tab, NONE),
        b'\r' => KeyEvent::new(KeyCode::Enter, NONE),
        0x1b => KeyEvent::new(KeyCode::Esc, NONE),
        0x7f => KeyEvent::new(KeyCode::Backspace, NONE),
        letter @ 1..=26 => KeyEvent::new(KeyCode::Char(char::from(letter + b'a' - 1)), CONTROL),
        mark => KeyEvent::new(KeyCode::Char(char::from(mark & 31 | 64)), CONTROL),
    }
}

/// The character that a sequence stands for inside a paste, where some terminals encode line breaks and tabs as keys.
pub fn pasted(inner: &[u8], last: u8) -> Option<char> {
    let parameters = Parameters(std::str::from_utf8(inner).ok()?);
    let number = match (last, parameters.count()) {
        (b'u', 1..=3) => parameters.number(0),
        (b'~', 3) if parameters.number(0) == Some(27) => parameters.number(2),
        _ => None,
    };
    char::from_u32(number?)
}
