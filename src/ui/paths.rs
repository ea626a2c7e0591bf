//! Paths as people type and paste them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// Bytes of the longest text that is looked at for files.
const LONGEST: usize = 16 * 1024;
/// Number of files that a text may name.
const MOST: usize = 64;

/// Reads the paths of a `/send`: words, or in quotes where there are blanks in them, with `\` before a character that
/// stands for itself, `~` for `home`, and `file://` addresses as file managers paste them. `None` where a quote has no
/// end.
pub fn paths(argument: &str, home: Option<&Path>) -> Option<Vec<PathBuf>> {
    let mut words = Words::read(argument)?;
    words.done.extend(words.last.take());
    let whole = words.quote.is_none();
    whole.then(|| words.done.into_iter().map(|word| word.path(home)).collect())
}

/// The paths of a `/send`, as [`paths`] reads them, or the one path that the whole is where there is one: a path is
/// often copied as it is, with its blanks.
pub fn sendable(argument: &str, home: Option<&Path>) -> Option<Vec<PathBuf>> {
    match whole(argument, home) {
        Some(path) => Some(vec![path]),
        None => paths(argument, home),
    }
}

/// The files that a text names, if it has nothing else in it: absolute paths of what is there, as a file manager or a
/// terminal pastes them.
pub fn files(text: &str, home: Option<&Path>) -> Option<Vec<PathBuf>> {
    if text.len() > LONGEST || !text.contains('/') {
        return None;
    }
    let paths = sendable(text, home)?;
    let are_files = !paths.is_empty() && paths.len() <= MOST && paths.iter().all(|path| is_there(path));
    are_files.then_some(paths)
}

fn whole(argument: &str, home: Option<&Path>) -> Option<PathBuf> {
    let text = argument.trim();
    let word = Word { text: text.to_owned(), home: text.starts_with('~') };
    Some(word.path(home)).filter(|path| is_there(path))
}

fn is_there(path: &Path) -> bool {
    path.is_absolute() && path.file_name().is_some() && path.symlink_metadata().is_ok()
}

/// The path that is being typed, and the quote it stands in.
pub fn unquoted_tail(argument: &str, home: Option<&Path>) -> Option<(String, Option<char>)> {
    let words = Words::read(argument)?;
    let path = words.last.unwrap_or_default().path(home);
    Some((path.into_os_string().into_string().ok()?, words.quote))
}

#[derive(Default)]
struct Words {
    done: Vec<Word>,
    /// The one that no blank has ended.
    last: Option<Word>,
    /// The quote it stands in.
    quote: Option<char>,
}

#[derive(Default)]
struct Word {
    text: String,
    /// It begins with a `~` that stands for a home.
    home: bool,
}

impl Words {
    /// `None` if a `\` ends it.
    fn read(argument: &str) -> Option<Self> {
        let mut words = Self::default();
        let mut chars = argument.chars();
        while let Some(c) = chars.next() {
            match (c, words.quote) {
                ('\\', None | Some('"')) => words.last.get_or_insert_default().text.push(chars.next()?),
                (c, Some(end)) if c == end => words.quote = None,
                (c, Some(_)) => words.last.get_or_insert_default().text.push(c),
                ('"' | '\'', None) => {
                    words.last.get_or_insert_default();
                    words.quote = Some(c);
                }
                (c, None) if c.is_whitespace() => words.done.extend(words.last.take()),
                (c, None) => {
                    let home = c == '~' && words.last.is_none();
                    let word = words.last.get_or_insert_default();
                    word.home |= home;
                    word.text.push(c);
                }
            }
        }
        Some(words)
    }
}

impl Word {
    fn path(self, home: Option<&Path>) -> PathBuf {
        if let Some(path) = of_address(&self.text) {
            return path;
        }
        match (self.text.strip_prefix('~').filter(|_| self.home), home) {
            (Some(""), Some(home)) => home.to_owned(),
            (Some(rest), Some(home)) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
            _ => self.text.into(),
        }
    }
}

/// The path of a `file://` address of this machine.
fn of_address(address: &str) -> Option<PathBuf> {
    let rest = address.strip_prefix("file://")?;
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    let mut bytes = path.starts_with('/').then_some(path.as_bytes())?;
    let mut out = Vec::with_capacity(bytes.len());
    while let [first, rest @ ..] = bytes {
        let escaped = if let [b'%', high, low, ..] = bytes { hex(*high).zip(hex(*low)) } else { None };
        let (byte, length) = escaped.map_or((*first, 1), |(high, low)| (high << 4 | low, 3));
        out.push(byte);
        bytes = rest.get(length - 1..).unwrap_or_default();
    }
    Some(OsString::from_vec(out).into())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_about_files_where_it_names_what_is_there_in_any_quotes_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("tete-paths-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let [film, other] = ["it's a 50% film.mkv", "b"].map(|name| folder.join(name));
        for file in [&film, &other] {
            std::fs::write(file, "").unwrap();
        }
        let at = folder.to_str().unwrap();
        let one = [
            format!("{at}/it's a 50% film.mkv"),
            format!("\"{at}/it's a 50% film.mkv\""),
            format!("'{at}/it'\\''s a 50% film.mkv' "),
            format!("{at}/it\\'s\\ a\\ 50%\\ film.mkv"),
            format!("file://{at}/it's%20a%2050%25%20film.mkv\r\n"),
            format!("'file://localhost{at}/it%27s a 50%25 film.mkv'"),
            "~/it's a 50% film.mkv\n".to_owned(),
        ];
        for text in one {
            assert_eq!(files(&text, Some(&folder)), Some(vec![film.clone()]), "{text}");
            assert_eq!(sendable(&text, Some(&folder)), Some(vec![film.clone()]), "{text}");
        }
        let both = format!("file://{at}/b\r\n'{at}/it'\\''s a 50% film.mkv'\n");
        assert_eq!(files(&both, None), Some(vec![other.clone(), film]));
        for text in
            ["b", "./b", "/", "~", "", "see /b", &format!("{at}/c"), &format!("{at}/b c"), &format!("look: {at}/b")]
        {
            assert_eq!(files(text, Some(&folder)), None, "{text}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn paths_are_words_with_quotes_and_a_home() {
        let read = |argument: &str| {
            let paths = paths(argument, Some(Path::new("/home/x")))?;
            Some(paths.iter().map(|path| path.to_str().unwrap().to_owned()).collect::<Vec<_>>().join("|"))
        };
        let cases = [
            ("a b", "a|b"),
            (" a  b ", "a|b"),
            ("\"a b\" 'c \"d'", "a b|c \"d"),
            ("a\\ b", "a b"),
            ("~", "/home/x"),
            ("~/a ~b '~'", "/home/x/a|~b|~"),
            ("\\~/a", "~/a"),
            ("你好\u{3000}/b", "你好|/b"),
            ("", ""),
            ("a''b", "ab"),
            ("'it'\\''s'", "it's"),
            ("file:///a%20b/%e4%BD%A0\nfile:///c", "/a b/你|/c"),
            ("'file:///a b' \"file://localhost/c\"", "/a b|/c"),
            ("file:///100%/%2 file:///%", "/100%/%2|/%"),
            ("file://elsewhere/a ./file:///a", "file://elsewhere/a|./file:///a"),
        ];
        for (argument, expected) in cases {
            assert_eq!(read(argument).as_deref(), Some(expected), "{argument}");
        }
        assert_eq!(read("'a"), None);
        assert_eq!(read("a\\"), None);
    }
}
