//! What is drawn with characters: the QR code of an invite, large digits, the pictures of a code.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use super::emoji;
use crate::protocol::pairing::{DIGITS, Half};

/// A line as a QR code, light on dark, if so many columns hold it. Empty otherwise.
pub fn picture(line: &str, columns: usize) -> String {
    let Ok(code) = QrCode::with_error_correction_level(line, EcLevel::L) else { return String::new() };
    // Half a cell each way, and the quiet zone that the standard asks for.
    if code.width() + 8 > columns {
        return String::new();
    }
    let picture = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    format!("{picture}\n\n")
}

/// Seven pictures and their names.
pub fn pictures(indices: &[u8; 7], name: impl Fn(&emoji::Emoji) -> &'static str) -> String {
    let entries = indices.iter().filter_map(|index| emoji::TABLE.get(usize::from(*index)));
    entries.map(|entry| format!("{} {}", entry.glyph, name(entry))).collect::<Vec<_>>().join(", ")
}

/// Columns of one large digit, in picture elements.
const FONT_WIDTH: usize = 3;
/// Each digit in five rows of three picture elements, the left one the highest bit.
const FONT: [[u8; 5]; 10] = [
    [0b111, 0b101, 0b101, 0b101, 0b111],
    [0b010, 0b110, 0b010, 0b010, 0b111],
    [0b111, 0b001, 0b111, 0b100, 0b111],
    [0b111, 0b001, 0b111, 0b001, 0b111],
    [0b101, 0b101, 0b111, 0b001, 0b001],
    [0b111, 0b100, 0b111, 0b001, 0b111],
    [0b111, 0b100, 0b111, 0b101, 0b111],
    [0b111, 0b001, 0b010, 0b010, 0b010],
    [0b111, 0b101, 0b111, 0b101, 0b111],
    [0b111, 0b101, 0b111, 0b001, 0b111],
];

/// The half in digits of five rows made of a `block`, as wide as so many columns allow. Empty where they do not.
pub fn large_rows(half: &Half, columns: usize, block: &str) -> Vec<String> {
    let Some(scale) = [2, 1].into_iter().find(|scale| columns > (DIGITS * (FONT_WIDTH + 1) + 1) * scale) else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    for row in 0..5 {
        let mut out = String::new();
        for (place, digit) in half.digits().iter().enumerate() {
            let bits = FONT.get(usize::from(*digit)).and_then(|rows| rows.get(row)).copied().unwrap_or_default();
            let gap = if place == DIGITS / 2 - 1 { 2 } else { 1 };
            for element in (0..FONT_WIDTH).rev() {
                out.push_str(&if bits >> element & 1 == 1 { block } else { " " }.repeat(scale));
            }
            out.push_str(&" ".repeat(gap * scale));
        }
        out.truncate(out.trim_end().len());
        rows.push(out);
    }
    rows
}
