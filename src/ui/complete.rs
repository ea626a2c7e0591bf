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
/// Names that are listed.
const CHOICES: usize = 100;

/// What Tab comes to.
#[derive(PartialEq, Eq, Debug)]
pub enum Completion {
    /// It is clear how this goes on.
    Rest(String),
    /// It may go on in each of these ways.
    Choices(Vec<String>),
}

/// How what is being written goes on. The words for the outcome of a comparison are those of the language.
pub fn completion(editor: &Editor, frontend: Frontend, outcomes: [&str; 2]) -> Option<Completion> {
    let text = editor.text();
    if let Typed::Command(row, _) = Typed::read(text, editor.is_first_word_typed(), frontend)
        && let Some((_, argument)) = text.split_once(char::is_whitespace)
    {
        match row.argument {
            Argument::Paths => return of_path(argument, std::env::home_dir().as_deref()),
            Argument::Comparison => {
                let begun = argument.trim_start();
                let words = outcomes.iter().filter(|word| word.starts_with(begun)).map(|word| (*word).to_owned());
                return of_names(begun, words.collect());
            }
            Argument::Nothing | Argument::Words => {}
        }
    }
    let begun = after_slash(text)?;
    let names = candidates(editor, frontend).iter().map(|row| row.name.to_owned()).collect();
    of_names(begun, names)
}

/// How the beginning of some of these names goes on.
fn of_names(begun: &str, mut names: Vec<String>) -> Option<Completion> {
    names.sort();
    let rest = common(&names)?.get(begun.len()..)?.to_owned();
    match names.len() {
        1 => Some(Completion::Rest(rest)).filter(|_| !names.iter().any(|name| name == begun)),
        _ if !rest.is_empty() => Some(Completion::Rest(rest)),
        _ => Some(Completion::Choices(names)),
    }
}

/// What all of the names begin with, which are in order.
fn common(names: &[String]) -> Option<&str> {
    let (first, last) = (names.first()?, names.last()?);
    // Of names in order the first and the last differ first.
    let shared = first.char_indices().zip(last.chars()).find(|((_, a), b)| a != b).map(|((place, _), _)| place);
    first.get(..shared.unwrap_or(first.len().min(last.len())))
}

/// Commands of the front end that begin as what is written, while that may become one.
pub fn candidates(editor: &Editor, frontend: Frontend) -> Vec<&'static Row> {
    let begun = after_slash(editor.text()).filter(|_| editor.is_first_word_typed());
    commands_of(frontend).filter(|row| begun.is_some_and(|begun| row.name.starts_with(begun))).collect()
}

/// How a line that begins with `/send ` goes on.
fn of_path(argument: &str, home: Option<&Path>) -> Option<Completion> {
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
    let is_folder = |name: &str| Path::new(folder).join(OsStr::new(name)).is_dir();
    let mut rest = quoted(common(&names)?.get(begun.len()..)?, quote);
    if let [name] = names.as_slice() {
        if is_folder(name) {
            rest.push('/');
        } else {
            rest.extend(quote);
            rest.push(' ');
        }
    }
    if !rest.is_empty() {
        return Some(Completion::Rest(rest));
    }
    let more = names.len() > CHOICES;
    names.truncate(CHOICES);
    names.iter_mut().filter(|name| is_folder(name)).for_each(|name| name.push('/'));
    names.extend(more.then(|| "…".to_owned()));
    Some(Completion::Choices(names))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tab(typed: &str) -> Option<Completion> {
        let mut editor = Editor::new(1_000);
        assert!(editor.insert(typed));
        completion(&editor, Frontend::SCREEN, ["same", "different"])
    }

    fn rest(text: &str) -> Option<Completion> {
        Some(Completion::Rest(text.into()))
    }

    fn choices(names: &[&str]) -> Option<Completion> {
        Some(Completion::Choices(names.iter().map(|name| (*name).to_owned()).collect()))
    }

    #[test]
    fn tab_goes_on_where_it_is_clear_how_and_lists_what_is_possible_elsewhere() {
        let folder = std::env::temp_dir().join(format!("tete-tab-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("film")).unwrap();
        for name in ["file one", "file two", ".hidden"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        let at = folder.to_str().unwrap();
        assert_eq!(tab(&format!("/send {at}/")), rest("fil"));
        assert_eq!(tab(&format!("/send {at}/fil")), choices(&["file one", "file two", "film/"]));
        assert_eq!(tab(&format!("/send {at}/file")), rest("\\ "));
        assert_eq!(tab(&format!("/send {at}/film")), rest("/"));
        assert_eq!(tab(&format!("/send '{at}/file o")), rest("ne' "));
        assert_eq!(tab(&format!("/send {at}/.")), rest("hidden "));
        assert_eq!(tab(&format!("/send {at}/none")), None);
        for number in 0..CHOICES {
            std::fs::write(folder.join(format!("film/{number}")), "").unwrap();
        }
        std::fs::write(folder.join("film/last"), "").unwrap();
        let Some(Completion::Choices(names)) = tab(&format!("/send {at}/film/")) else { panic!("nothing is listed") };
        assert_eq!((names.len(), names.last().map(String::as_str)), (CHOICES + 1, Some("…")));
        std::fs::remove_dir_all(&folder).unwrap();

        assert_eq!(tab("/code "), choices(&["different", "same"]));
        assert_eq!(tab("/code s"), rest("ame"));
        assert_eq!(tab("/code same"), None);
        assert_eq!(tab("/code x"), None);
        assert_eq!(tab("/d"), choices(&["decline", "doctor"]));
        assert_eq!(tab("/do"), rest("ctor"));
        assert_eq!(tab("/find "), None);
        assert_eq!(tab("text"), None);
    }
}
