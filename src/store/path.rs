//! The partner's paths made safe: the only way of a foreign name to the disk.

use unicode_normalization::UnicodeNormalization as _;

use crate::protocol::frame::PATH;

/// Number of names in the longest path: folders within each other, and the file in the last.
pub const DEPTH: usize = 32;
/// Size of the longest name that a file system of a Unix system takes, in bytes.
pub const NAME: usize = 255;
/// What the name of a file ends in until the file is whole.
const PART: &str = ".part";
/// Size of the longest number that is put into a name, in bytes.
const NUMBER: usize = " (4294967295)".len();
/// Size of the longest extension that stays whole when a name is shortened, in bytes, without its dot.
const EXTENSION: usize = 16;

/// What a file system takes as a name. Names that it takes stay as they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Whether the names must be possible on Windows: no reserved characters, no devices, no dot or blank at the end.
    pub strict: bool,
    /// Size of the longest name, in bytes.
    pub longest: usize,
}

impl Rule {
    /// The rule of a Unix file system.
    pub const UNIX: Self = Self { strict: false, longest: NAME };
}

/// Why a path is refused.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
pub enum PathError {
    /// The path is empty or absolute, or has an empty name, `.` or `..` in it.
    #[error("the path leads out of the folder")]
    NotBelow,
    /// A name contains NUL.
    #[error("the path has a character that no name can have")]
    Character,
    /// The path is too long or too deep.
    #[error("the path is too long")]
    TooLong,
}

/// A relative path whose names can be created as they are below any folder of the [`Rule`] it was made for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SafePath {
    names: Vec<SafeName>,
}

/// A name as the partner calls it, and as it is stored if that is free.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SafeName {
    /// The partner's name. It never reaches the disk.
    pub foreign: String,
    /// The name to store it by.
    pub safe: String,
}

impl SafePath {
    /// Makes a foreign path safe: keeps every name that the file system takes, and repairs the others.
    ///
    /// What a terminal acts upon is replaced everywhere. The first name, which lies among the user's own files, is
    /// neither hidden nor an option of a command nor somebody's home.
    ///
    /// # Errors
    ///
    /// A path that cannot be meant well, as [`PathError`] lists.
    pub fn new(path: &str, rule: Rule) -> Result<Self, PathError> {
        if path.len() > PATH || path.split('/').count() > DEPTH {
            return Err(PathError::TooLong);
        }
        let names = path.split('/').enumerate().map(|(depth, name)| {
            let safe = safe_name(name, depth == 0, rule)?;
            Ok(SafeName { foreign: name.to_owned(), safe })
        });
        Ok(Self { names: names.collect::<Result<_, _>>()? })
    }

    /// All names of the path.
    pub fn names(&self) -> &[SafeName] {
        &self.names
    }

    /// The names of the folders that the path leads through.
    pub fn folders(&self) -> &[SafeName] {
        self.names.split_last().map_or(&[], |(_, folders)| folders)
    }

    /// The last name, which is the entry's own.
    pub fn name(&self) -> &str {
        self.names.last().map_or("", |name| &name.safe)
    }

    /// The first name as the partner calls it, which is a folder's unless the path has one name only.
    pub fn first(&self) -> &str {
        self.names.first().map_or("", |name| &name.foreign)
    }
}

fn safe_name(name: &str, is_first: bool, rule: Rule) -> Result<String, PathError> {
    if matches!(name, "" | "." | "..") {
        return Err(PathError::NotBelow);
    }
    if name.contains('\0') {
        return Err(PathError::Character);
    }
    let mut safe = name.replace(is_acted_upon, "_");
    if rule.strict {
        safe = safe.replace(['<', '>', ':', '"', '|', '?', '*', '\\'], "_");
        if let Some(stem) = device(&safe) {
            safe.insert(stem, '_');
        }
    }
    if is_first && safe.starts_with(['.', '-', '~']) {
        safe.replace_range(..1, "_");
    }
    let mut safe = Candidates::new(&safe, rule.longest).first();
    if rule.strict && (safe.ends_with('.') || safe.ends_with(char::is_whitespace)) {
        safe.pop();
        safe.push('_');
    }
    Ok(safe)
}

/// Whether a terminal or what shows a name acts upon the character, so that `ls` would: a control character, one that
/// ends a line or changes its direction, or one that is there and not seen. Those that scripts and emoji need stay.
fn is_acted_upon(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// The end of the stem of a name that Windows takes for a device, whatever its extension.
fn device(name: &str) -> Option<usize> {
    let stem = name.split('.').next().unwrap_or_default();
    let word = stem.trim_end_matches(' ').to_uppercase();
    let number = word.strip_prefix("COM").or_else(|| word.strip_prefix("LPT")).unwrap_or_default();
    let mut digits = number.chars();
    let is_port = matches!((digits.next(), digits.next()), (Some('0'..='9' | '¹' | '²' | '³'), None));
    let is_device = matches!(word.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CLOCK$" | "CONIN$" | "CONOUT$");
    (is_device || is_port).then_some(stem.len())
}

/// The names to try for something: its own, and those with a number where that is taken. None is too long.
pub struct Candidates<'a> {
    stem: &'a str,
    /// With its dot; empty without one.
    extension: &'a str,
    end: &'static str,
    longest: usize,
}

impl<'a> Candidates<'a> {
    /// `name.ext`, `name (2).ext`, `name (3).ext`.
    pub fn new(name: &'a str, longest: usize) -> Self {
        let dot = name.rfind('.').filter(|dot| *dot > 0 && name.len() - dot <= EXTENSION + 1);
        let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
        Self { stem, extension, end: "", longest }
    }

    /// The names of a file until it is whole: `name.ext.part`, `name (2).ext.part`.
    pub fn part(name: &'a str, longest: usize) -> Self {
        Self { end: PART, ..Self::new(name, longest) }
    }

    /// The name itself, shortened before its extension if it is too long.
    pub fn first(&self) -> String {
        [self.stem_for(0), self.extension, self.end].concat()
    }

    /// The name with a number. What is left of the name does not depend on it.
    pub fn numbered(&self, number: u32) -> String {
        format!("{} ({number}){}{}", self.stem_for(NUMBER), self.extension, self.end)
    }

    /// What all names that get the same name with the same number have in common, on any file system.
    pub fn key(&self) -> String {
        collision_key(&self.numbered(0))
    }

    /// As much of the stem as leaves room for everything else, and never nothing.
    fn stem_for(&self, number: usize) -> &'a str {
        let room = self.longest.saturating_sub(self.extension.len() + self.end.len() + number);
        let end = self.stem.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= room).last();
        let least = self.stem.chars().next().map_or(0, char::len_utf8);
        self.stem.get(..end.unwrap_or(least)).unwrap_or_default()
    }
}

/// Folds a name so that any two names which some file system takes for the same have the same key.
fn collision_key(name: &str) -> String {
    // Upper and then lower case folds more than either, ß and ss among them.
    name.nfc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STRICT: Rule = Rule { strict: true, longest: NAME };

    fn safe(path: &str, rule: Rule) -> Result<String, PathError> {
        SafePath::new(path, rule).map(|path| path.names.into_iter().map(|name| name.safe).collect::<Vec<_>>().join("/"))
    }

    #[test]
    fn what_would_leave_the_folder_is_refused() {
        for rule in [Rule::UNIX, STRICT] {
            for bad in ["", "/", "/etc/x", ".", "..", "../x", "a/../../x", "a//b", "a/", "./a", "a/.", "//h/s"] {
                assert_eq!(safe(bad, rule), Err(PathError::NotBelow), "{bad}");
            }
            for bad in ["a\0b", "\0"] {
                assert_eq!(safe(bad, rule), Err(PathError::Character), "{bad:?}");
            }
            for bad in ["x".repeat(1025), "x/".repeat(32) + "x"] {
                assert_eq!(safe(&bad, rule), Err(PathError::TooLong), "{}", bad.len());
            }
            assert!(safe(&("x/".repeat(31) + "x"), rule).is_ok());
        }
    }

    #[test]
    fn below_the_top_every_name_that_a_unix_system_takes_stays_as_it_was() {
        let cjk = "漢".repeat(84) + "a";
        assert_eq!(cjk.len(), 253);
        let names = [
            ".git",
            ".gitignore",
            "1700000000.M1P2.host:2,S",
            "aux.c",
            "CON",
            "nul",
            "a\\b",
            "..\\b",
            "C:\\x",
            "-rf",
            "~",
            "~root",
            " a",
            "a ",
            "a.",
            "...",
            "a<b>?*|\"",
            "cafe\u{301}",
            "你好 🙂.txt",
            "👩\u{200d}💻",
            "نمی\u{200c}خواهم",
            "\u{e0a0}",
            &"x".repeat(241),
            &"x".repeat(255),
            &cjk,
        ];
        for name in names {
            let path = format!("top/{name}");
            assert_eq!(safe(&path, Rule::UNIX).as_deref(), Ok(&*path));
            if !name.starts_with(['.', '-', '~']) {
                assert_eq!(safe(name, Rule::UNIX).as_deref(), Ok(name));
            }
        }
    }

    #[test]
    fn a_first_name_is_neither_hidden_nor_an_option_nor_a_home() {
        for (foreign, stored) in
            [("~", "_"), ("~root/x", "_root/x"), ("-rf", "_rf"), (".bashrc", "_bashrc"), (".ssh/.x", "_ssh/.x")]
        {
            assert_eq!(safe(foreign, Rule::UNIX).as_deref(), Ok(stored), "{foreign:?}");
        }
    }

    #[test]
    fn what_a_terminal_acts_upon_is_replaced_wherever_it_is_stored() {
        for rule in [Rule::UNIX, STRICT] {
            for (foreign, stored) in [
                ("evil\u{202e}gnp.exe", "evil_gnp.exe"),
                ("a\nb\x1b[31m", "a_b_[31m"),
                ("a\u{9b}31m", "a_31m"),
                ("d/\u{2067}a\u{200b}", "d/_a_"),
                ("\u{200b}.bashrc", "_.bashrc"),
            ] {
                assert_eq!(safe(foreign, rule).as_deref(), Ok(stored), "{foreign:?}");
            }
        }
    }

    #[test]
    fn a_strict_file_system_gets_names_that_windows_takes() {
        let repaired = [
            ("a:b", "a_b"),
            ("d/a\\b", "d/a_b"),
            ("C:\\x", "C__x"),
            ("a.", "a_"),
            ("a ", "a_"),
            ("a<b>?*|\"", "a_b_____"),
            ("...", "_._"),
            ("d/.git", "d/.git"),
            ("aux.c", "aux_.c"),
            ("d/AUX", "d/AUX_"),
            ("nul:x", "nul_x"),
            ("NUL.", "NUL__"),
            ("com0.tar.gz", "com0_.tar.gz"),
            ("COM¹", "COM¹_"),
            ("LPT9 ", "LPT9 _"),
            ("CONIN$", "CONIN$_"),
            ("clock$.x", "clock$_.x"),
        ];
        for (foreign, stored) in repaired {
            assert_eq!(safe(foreign, STRICT).as_deref(), Ok(stored), "{foreign:?}");
            assert_eq!(safe(stored, STRICT).as_deref(), Ok(stored), "{foreign:?}");
        }
        for good in ["CONSOLE", "COM10", "COM", "nulls", "xCON", "LPT"] {
            assert_eq!(safe(good, STRICT).as_deref(), Ok(good));
        }
    }

    #[test]
    fn a_name_that_is_too_long_is_shortened_before_its_extension() {
        for rule in [Rule::UNIX, STRICT, Rule { longest: 143, ..Rule::UNIX }] {
            let long = "漢".repeat(100) + ".tar";
            let stored = safe(&long, rule).unwrap();
            assert!(stored.len() <= rule.longest && stored.len() > rule.longest - 3, "{}", stored.len());
            assert!(stored.starts_with("漢漢") && stored.ends_with("漢.tar"));
        }
        assert_eq!(safe(&"x".repeat(300), Rule::UNIX), Ok("x".repeat(255)));
        assert_eq!(safe(&("x".repeat(254) + ".."), STRICT), Ok("x".repeat(254) + "_"));
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
    fn a_number_goes_before_the_extension_and_never_makes_a_name_too_long() {
        for (name, numbered) in [("a.txt", "a (2).txt"), ("a", "a (2)"), (".x", ".x (2)"), ("a.", "a (2).")] {
            assert_eq!(Candidates::new(name, NAME).numbered(2), numbered);
            assert_eq!(Candidates::new(name, NAME).first(), name);
            assert_eq!(Candidates::part(name, NAME).first(), format!("{name}.part"));
            assert_eq!(Candidates::part(name, NAME).numbered(2), format!("{numbered}.part"));
        }
        for name in ["x".repeat(255), "漢".repeat(83) + ".html", "漢".repeat(85)] {
            for candidates in [Candidates::new(&name, NAME), Candidates::part(&name, NAME)] {
                for candidate in [candidates.first(), candidates.numbered(2), candidates.numbered(u32::MAX)] {
                    assert!(
                        candidate.len() <= NAME
                            && candidate.ends_with(&[candidates.extension, candidates.end].concat())
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_name_that_the_file_system_takes_arrives_as_it_was_below_a_top_name(name in "[^/\\pC]{1,63}|\\PC{1,63}") {
            prop_assume!(!name.contains(['/', '\0']) && !matches!(&*name, "." | "..") && !name.contains(is_acted_upon));
            let path = format!("top/{name}");
            prop_assert_eq!(safe(&path, Rule::UNIX), Ok(path));
        }

        #[test]
        fn whatever_comes_through_stays_below_and_stays_the_same(
            names in prop::collection::vec("[.~a-c /\\\\:\u{0}-\u{20}\u{300}\u{202e}é-ö]{0,6}|\\.\\.?|(CON|aux)[. :]{0,2}", 1..5),
            strict: bool,
        ) {
            let rule = Rule { strict, ..Rule::UNIX };
            if let Ok(stored) = safe(&names.join("/"), rule) {
                prop_assert!(!stored.starts_with(['.', '-', '~']));
                for name in stored.split('/') {
                    prop_assert!(!name.is_empty() && name != "." && name != ".." && name.len() <= NAME, "{}", stored);
                    prop_assert!(!name.contains(is_acted_upon));
                    prop_assert!(!strict || !name.contains(['<', '>', ':', '"', '|', '?', '*', '\\']));
                    prop_assert!(!strict || !name.ends_with(['.', ' ']) && device(name).is_none());
                }
                prop_assert_eq!(safe(&stored, rule), Ok(stored));
            }
        }
    }
}
