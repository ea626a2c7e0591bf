//! Completes what is being typed: a command, or a path after `/send`.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use super::commands::{Argument, Row, commands_of};
use super::editor::Editor;
use super::paths::unquoted_tail;
use super::typed::{Typed, after_slash};
use crate::interface::Frontend;
use crate::printable::plain_name;

/// Names that are looked at.
const NAMES: usize = 10_000;

/// What is to be appended to what is being written, if that is clear.
pub fn completion(editor: &Editor, frontend: Frontend) -> Option<String> {
    let text = editor.text();
    if let Typed::Command(row, _) = Typed::read(text, editor.is_first_word_typed(), frontend)
        && row.argument == Argument::Paths
        && let Some((_, argument)) = text.split_once(char::is_whitespace)
    {
        return rest_of_path(argument, std::env::home_dir().as_deref());
    }
    let candidates = candidates(editor, frontend);
    let first = candidates.first()?.name;
    let shared = |other: &str| first.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let common = candidates.iter().map(|row| shared(row.name)).min()?;
    let rest = first.get(after_slash(text)?.len()..common)?;
    Some(rest.to_owned()).filter(|rest| !rest.is_empty())
}

/// Commands of the front end that begin as what is written, while that may become one.
pub fn candidates(editor: &Editor, frontend: Frontend) -> Vec<&'static Row> {
    let begun = after_slash(editor.text()).filter(|_| editor.is_first_word_typed());
    commands_of(frontend).filter(|row| begun.is_some_and(|begun| row.name.starts_with(begun))).collect()
}

/// What is to be appended to a line that begins with `/send `, if that is clear.
fn rest_of_path(argument: &str, home: Option<&Path>) -> Option<String> {
    let (path, quote) = unquoted_tail(argument, home)?;
    let (folder, begun) = match path.rsplit_once('/') {
        Some(("", begun)) => ("/", begun),
        Some((folder, begun)) => (folder, begun),
        None => (".", path.as_str()),
    };
    let names = fs::read_dir(folder).ok()?.filter_map(Result::ok).take(NAMES).filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        // What is hidden must be begun, and what cannot be shown cannot be typed either.
        let fits = name.starts_with(begun) && (!name.starts_with('.') || begun.starts_with('.'));
        (fits && plain_name(&name) == name).then_some(name)
    });
    let mut names = names.collect::<Vec<_>>();
    names.sort();
    let (first, last) = (names.first()?, names.last()?);
    // Of names in order the first and the last differ first.
    let shared = first.char_indices().zip(last.chars()).find(|((_, a), b)| a != b).map(|((place, _), _)| place);
    let common = first.get(..shared.unwrap_or(first.len().min(last.len())))?;
    let mut rest = quoted(common.get(begun.len()..)?, quote);
    if names.len() == 1 {
        let whole = Path::new(folder).join(OsStr::new(first));
        if whole.is_dir() {
            rest.push('/');
        } else {
            rest.extend(quote);
            rest.push(' ');
        }
    }
    Some(rest).filter(|rest| !rest.is_empty())
}

fn quoted(name: &str, quote: Option<char>) -> String {
    let mut out = String::new();
    for c in name.chars() {
        let special = match quote {
            None => c.is_whitespace() || "\"'\\".contains(c),
            Some('"') => "\"\\".contains(c),
            Some(_) => false,
        };
        out.extend(special.then_some('\\'));
        out.push(c);
    }
    out
}
