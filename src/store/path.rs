//! The partner's paths made safe: the only way of a foreign name to the disk.

use unicode_normalization::UnicodeNormalization as _;

use crate::protocol::frame::PATH;

/// Number of names in the longest path: folders within each other, and the file in the last.
pub const DEPTH: usize = 32;
/// Size of the longest name that is stored, in bytes: 255 less what ` (2)` and `.part` need.
const NAME: usize = 240;
/// Size of the longest name that is looked at, in bytes.
const FOREIGN_NAME: usize = 250;

/// Why a path is refused.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
pub enum PathError {
    /// The path is empty or absolute, or has an empty name, `.` or `..` in it.
    #[error("the path leads out of the folder")]
    NotBelow,
    /// A name contains NUL or a backslash.
    #[error("the path has a character that no name can have")]
    Character,
    /// A name is that of a device on some system.
    #[error("the path has the name of a device")]
    Device,
    /// A name or the path is too long, or the path is too deep.
    #[error("the path is too long")]
    TooLong,
}

/// A relative path whose names can be created as they are below any folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SafePath {
    names: Vec<String>,
}

impl SafePath {
    /// Makes a foreign path safe: repairs names that some program or system would treat specially.
    ///
    /// `plain` replaces the characters that must not be shown.
    ///
    /// # Errors
    ///
    /// A path that cannot be meant well, as [`PathError`] lists.
    pub fn new(path: &str, plain: fn(&str) -> String) -> Result<Self, PathError> {
        if path.len() > PATH || path.split('/').count() > DEPTH {
            return Err(PathError::TooLong);
        }
        let names = path.split('/').map(|name| safe_name(name, plain)).collect::<Result<_, _>>()?;
        Ok(Self { names })
    }

    /// All names of the path.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The names of the folders that the path leads through.
    pub fn folders(&self) -> &[String] {
        self.names.split_last().map_or(&[], |(_, folders)| folders)
    }

    /// The last name, which is the entry's own.
    pub fn name(&self) -> &str {
        self.names.last().map_or("", String::as_str)
    }

    /// The first name, which is a folder's unless the path has one name only.
    pub fn first(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }
}

fn safe_name(name: &str, plain: fn(&str) -> String) -> Result<String, PathError> {
    if matches!(name, "" | "." | "..") {
        return Err(PathError::NotBelow);
    }
    if name.contains(['\0', '\\']) {
        return Err(PathError::Character);
    }
    if name.len() > FOREIGN_NAME {
        return Err(PathError::TooLong);
    }
    let mut safe = plain(&name.nfc().collect::<String>()).replace(['<', '>', ':', '"', '|', '?', '*'], "_");
    // Not hidden, not an option of a command, not somebody's home.
    if safe.starts_with(['.', '-', '~']) || safe.starts_with(char::is_whitespace) {
        safe = format!("_{}", safe.chars().skip(1).collect::<String>());
    }
    if safe.ends_with('.') || safe.ends_with(char::is_whitespace) {
        safe.pop();
        safe.push('_');
    }
    // The name is checked as it came and as it would be stored.
    if is_device(name) || is_device(&safe) {
        return Err(PathError::Device);
    }
    if safe.len() > NAME { Err(PathError::TooLong) } else { Ok(safe) }
}

/// Whether Windows takes the name for a device, whatever its extension.
fn is_device(name: &str) -> bool {
    let stem = name.split(['.', ':']).next().unwrap_or_default();
    let stem = stem.trim_end_matches([' ', '.']).to_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CLOCK$" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let number = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")).unwrap_or_default();
    let mut digits = number.chars();
    matches!((digits.next(), digits.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
}

/// Folds a name so that any two names which some file system takes for the same have the same key.
pub fn collision_key(name: &str) -> String {
    // Upper and then lower case folds more than either, ß and ss among them.
    name.nfc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

/// The `number`th name to try in place of one that is taken: `name.ext`, `name (2).ext`, `name (3).ext`.
pub fn numbered(name: &str, number: u32) -> String {
    if number < 2 {
        return name.to_owned();
    }
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && extension.len() <= 16 => (stem, format!(".{extension}")),
        _ => (name, String::new()),
    };
    format!("{stem} ({number}){extension}")
}

/// The name of a file until it is whole, at the `number`th try: `name.ext.part`, `name (2).ext.part`.
pub fn part_of(name: &str, number: u32) -> String {
    format!("{}.part", numbered(name, number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(name: &str) -> String {
        name.replace(|c: char| c.is_control() || c == '\u{202e}' || c == '\u{200b}', "_")
    }

    fn safe(path: &str) -> Result<String, PathError> {
        SafePath::new(path, plain).map(|path| path.names.join("/"))
    }

    #[test]
    fn what_would_leave_the_folder_is_refused() {
        for bad in ["", "/", "/etc/x", ".", "..", "../x", "a/../../x", "a//b", "a/", "./a", "a/.", "//h/s"] {
            assert_eq!(safe(bad), Err(PathError::NotBelow), "{bad}");
        }
        for bad in ["a\\..\\b", "\\\\h\\s", "C:\\x", "a\0b", "\0"] {
            assert_eq!(safe(bad), Err(PathError::Character), "{bad:?}");
        }
        for bad in ["x".repeat(251), "x".repeat(1025), "x/".repeat(32) + "x", "x".repeat(241)] {
            assert_eq!(safe(&bad), Err(PathError::TooLong), "{}", bad.len());
        }
        assert!(safe(&("x/".repeat(31) + "x")).is_ok());
    }

    #[test]
    fn devices_of_any_system_are_refused_on_every_system() {
        let devices = [
            "CON",
            "con.txt",
            "COM1",
            "COM¹",
            "com0.tar.gz",
            "LPT9 ",
            "NUL.",
            "CONIN$",
            "conout$.x",
            "clock$",
            "aux",
            "prn ..",
            "nul:x",
            "a/NUL/b",
            "lpt³.c",
        ];
        for bad in devices {
            assert_eq!(safe(bad), Err(PathError::Device), "{bad}");
        }
        for good in ["CONSOLE", "COM10", "COM", "nulls", "xCON", "LPT"] {
            assert_eq!(safe(good).as_deref(), Ok(good));
        }
    }

    #[test]
    fn what_can_be_repaired_is() {
        let repaired = [
            ("~", "_"),
            ("~root/x", "_root/x"),
            ("-rf", "_rf"),
            (".bashrc", "_bashrc"),
            (".ssh/authorized_keys", "_ssh/authorized_keys"),
            ("a:b", "a_b"),
            ("C:x", "C_x"),
            ("a.", "a_"),
            ("a ", "a_"),
            (" a", "_a"),
            ("a<b>?*|\"", "a_b_____"),
            ("evil\u{202e}gnp.exe", "evil_gnp.exe"),
            ("a\nb\x1b[31m", "a_b_[31m"),
            ("cafe\u{301}", "café"),
            ("你好 🙂.txt", "你好 🙂.txt"),
            ("...", "_._"),
        ];
        for (foreign, stored) in repaired {
            assert_eq!(safe(foreign).as_deref(), Ok(stored), "{foreign:?}");
        }
    }

    #[test]
    fn names_that_some_file_system_takes_for_the_same_have_the_same_key() {
        for (one, other) in [("A.txt", "a.txt"), ("café", "cafe\u{301}"), ("STRASSE", "straße"), ("ΣΑΣ", "σας")]
        {
            assert_eq!(collision_key(one), collision_key(other), "{one}");
        }
        assert_ne!(collision_key("a"), collision_key("b"));
    }

    #[test]
    fn a_number_goes_before_the_extension() {
        assert_eq!(numbered("a.txt", 1), "a.txt");
        assert_eq!(numbered("a.txt", 2), "a (2).txt");
        assert_eq!(numbered("a", 3), "a (3)");
        assert_eq!(numbered(".x", 2), ".x (2)");
    }

    proptest! {
        #[test]
        fn whatever_comes_through_stays_below_and_stays_the_same(
            names in prop::collection::vec("[.~a-c /\\\\:\u{0}-\u{20}\u{300}\u{202e}é-ö]{0,6}|\\.\\.?|CON", 1..5)
        ) {
            if let Ok(stored) = safe(&names.join("/")) {
                for name in stored.split('/') {
                    prop_assert!(!name.is_empty() && name != "." && name != "..", "{}", stored);
                    prop_assert!(!name.starts_with(['.', '-', '~', ' ']) && !name.ends_with(['.', ' ']));
                    prop_assert!(!name.contains(|c: char| c.is_control() || "<>:\"|?*\\".contains(c)));
                    prop_assert!(!is_device(name) && name.len() <= NAME);
                }
                prop_assert_eq!(safe(&stored), Ok(stored));
            }
        }
    }
}
