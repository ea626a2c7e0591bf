//! Every word the program says to a person, in one file for each language.
//!
//! An event is a variant; each language is one `match` over all of them, so the compiler sees to it that none is
//! missing. Here is only which language it is.

pub mod emoji;
mod en;
mod large;
mod pipe;
mod screen;
mod units;
mod zh;

use std::path::PathBuf;
use std::time::Duration;

use crate::address::PeerAddr;
use crate::interface::Frontend;
use crate::interface::event::{ConnectionState, Event, Who};
use crate::interface::fault::Fault;
use crate::interface::files::{FileEvent, FileFault, Progress};
use crate::interface::finding::Finding;
use crate::printable::Printable;
use crate::ui::commands::{Command, commands_of};
pub use large::{large_rows, picture};
pub use pipe::line;
pub use screen::{ScreenWords, Topic, Words};
pub use units::bar;

/// A language of the interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Lang {
    /// English.
    En,
    /// 中文.
    Zh,
}

impl Lang {
    /// By the first of `LC_ALL`, `LC_MESSAGES`, `LANG` that is not empty.
    pub fn of_locale(variable: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
        if locale.is_some_and(|value| value.starts_with("zh")) { Self::Zh } else { Self::En }
    }
}

/// What the partner is called beside each of their messages, in place of the language's word if the user has chosen.
pub fn partner(called: Option<&Printable>, lang: Lang) -> &str {
    called.map_or(words(lang).partner, Printable::as_str)
}

/// What happened, for a person. `None` where there is nothing to tell them.
pub fn event(event: &Event, lang: Lang) -> Option<String> {
    match lang {
        Lang::En => en::event(event),
        Lang::Zh => zh::event(event),
    }
}

/// With whom, how. `clock` tells the time of so long ago.
pub fn who(who: &Who, lang: Lang, clock: impl Fn(Duration) -> String) -> String {
    match lang {
        Lang::En => en::who(who, clock),
        Lang::Zh => zh::who(who, clock),
    }
}

/// The other end of a connection: a part of a sentence.
pub fn peer(peer: &PeerAddr, lang: Lang) -> String {
    match lang {
        Lang::En => en::peer(peer),
        Lang::Zh => zh::peer(peer),
    }
}

/// What happened to files. With `keys` it names those of the full screen.
pub fn file(event: &FileEvent, lang: Lang, keys: bool) -> String {
    match lang {
        Lang::En => en::file(event, keys),
        Lang::Zh => zh::file(event, keys),
    }
}

/// Why a file is not sent or not stored: a part of a sentence.
pub fn file_fault(why: &FileFault, lang: Lang) -> String {
    match lang {
        Lang::En => en::file_fault(why),
        Lang::Zh => zh::file_fault(why),
    }
}

/// Why the program ends, and one line of advice.
pub fn fault(fault: &Fault, lang: Lang) -> (String, String) {
    match lang {
        Lang::En => en::fault(fault),
        Lang::Zh => zh::fault(fault),
    }
}

/// What the doctor has found, as lines on a screen.
pub fn finding(finding: &Finding, lang: Lang) -> String {
    match lang {
        Lang::En => en::finding(finding),
        Lang::Zh => zh::finding(finding),
    }
}

/// Why a thing works or not, and what to try next, if there is something.
pub fn finding_words(finding: &Finding, lang: Lang) -> (String, Option<String>) {
    match lang {
        Lang::En => en::finding_words(finding),
        Lang::Zh => zh::finding_words(finding),
    }
}

/// The state of the connection at `now`, in a few words.
pub fn connection_state(connection: &ConnectionState, lang: Lang, now: Duration) -> String {
    match lang {
        Lang::En => en::connection_state(connection, now),
        Lang::Zh => zh::connection_state(connection, now),
    }
}

/// How much there is, how fast it moves and how long it takes: `1.5 GB, 2/7, 12.0 MB/s, 1:52 left`.
pub fn rest(progress: &Progress, lang: Lang) -> String {
    match lang {
        Lang::En => en::rest(progress),
        Lang::Zh => zh::rest(progress),
    }
}

/// What a command does.
pub fn command(command: Command, lang: Lang) -> &'static str {
    match lang {
        Lang::En => en::command(command),
        Lang::Zh => zh::command(command),
    }
}

/// The help of lines: their commands, a row each.
pub fn help(lang: Lang) -> String {
    let words = words(lang);
    let commands = commands_of(Frontend::LINES).map(|row| (format!("/{}", row.name), command(row.command, lang)));
    let signs = words.signs.iter().map(|(sign, what)| ((*sign).to_owned(), *what));
    let rows: Vec<_> = commands.chain(signs).map(|(left, right)| format!("  {left:<9} {right}")).collect();
    rows.join("\n")
}

/// What the keys of a row of the help do.
pub fn topic(topic: Topic, lang: Lang) -> &'static str {
    match lang {
        Lang::En => en::topic(topic),
        Lang::Zh => zh::topic(topic),
    }
}

/// What stands before and beside a line.
pub fn words(lang: Lang) -> &'static Words {
    match lang {
        Lang::En => &en::WORDS,
        Lang::Zh => &zh::WORDS,
    }
}

/// What stands on the full screen beside texts and status.
pub fn screen(lang: Lang) -> &'static ScreenWords {
    match lang {
        Lang::En => &en::SCREEN,
        Lang::Zh => &zh::SCREEN,
    }
}

/// Seven pictures and their names.
pub fn pictures(indices: &[u8; 7], lang: Lang) -> String {
    match lang {
        Lang::En => large::pictures(indices, |entry| entry.english),
        Lang::Zh => large::pictures(indices, |entry| entry.chinese),
    }
}

/// Asks whether a message that names files is to be an offer of them.
pub fn ask_to_send(paths: &[PathBuf], words: &Words) -> String {
    let name = |path: &PathBuf| path.file_name().map(|name| Printable::line(&name.to_string_lossy()));
    match paths {
        [path] => {
            let [before, after] = words.send_file;
            format!("{before}{}{after}", name(path).as_ref().map_or("", Printable::as_str))
        }
        _ => {
            let [before, after] = words.send_files;
            format!("{before}{}{after}", paths.len())
        }
    }
}

/// Whether the word for "same" or that for "different" was typed, in either language.
pub fn compared(word: &str) -> Option<bool> {
    match word.trim().to_lowercase().as_str() {
        "same" | "一样" | "一樣" => Some(true),
        "different" | "不一样" | "不一樣" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::commands::COMMANDS;

    #[test]
    fn the_help_of_lines_lists_what_lines_can_do_and_nothing_else() {
        for lang in [Lang::En, Lang::Zh] {
            let help = help(lang);
            for row in &COMMANDS {
                let listed = help.lines().any(|line| line.starts_with(&format!("  /{} ", row.name)));
                assert_eq!(listed, row.is_in(Frontend::LINES), "{}", row.name);
            }
        }
    }
}
