#![no_main]
//! Whatever arrives, what is printed holds no control, does not change when printed again and fits its area.

use libfuzzer_sys::fuzz_target;
use tete::printable::{Ambiguous, Printable};
use unicode_width::UnicodeWidthStr;

fuzz_target!(|foreign: &str| {
    let (text, line) = (Printable::text(foreign), Printable::line(foreign));
    for printable in [&text, &line] {
        assert!(printable.as_str().len() <= 12 * foreign.len() + 64);
        assert!(!printable.as_str().contains(|c: char| c.is_control() && c != '\n'));
        assert!(!printable.as_str().contains(['\u{61c}', '\u{200b}', '\u{200e}', '\u{202e}', '\u{2028}', '\u{2066}']));
        assert!(printable.rows(20, Ambiguous::Narrow).all(|row| row.width() <= 20));
    }
    assert!(!line.as_str().contains('\n'));
    assert!(Printable::text(text.as_str()) == text && Printable::line(line.as_str()) == line);
});
