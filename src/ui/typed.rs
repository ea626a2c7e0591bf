//! What a line of the chat is: a text, or a command.

use super::commands::{Argument, Command, Row, named};
use super::paths::sendable;
use super::words::compared;
use crate::interface::event::Event;
use crate::interface::files::FileEvent;
use crate::interface::refusal::{FileRefusal, Refusal};
use crate::interface::{Frontend, Request};
use crate::printable::Printable;

/// A line of the chat, as its writer meant it.
pub enum Typed<'a> {
    /// A text.
    Text(&'a str),
    /// A command that the front end has, and what follows it.
    Command(&'static Row, &'a str),
    /// Not a command of this front end, or one with an argument that it does not take.
    Refused(Refusal),
}

impl<'a> Typed<'a> {
    /// Reads a line, given the front end where it was typed and whether every character of its first word was typed key
    /// by key.
    ///
    /// Only then can it be a command: a paste is a text whatever it begins with. What is pasted behind the typed name
    /// of a command is its argument, without the blanks and line breaks around it.
    pub fn read(line: &'a str, first_word_typed: bool, frontend: Frontend) -> Self {
        let Some(rest) = after_slash(line).filter(|_| first_word_typed) else { return Self::Text(line) };
        if after_slash(rest).is_some() {
            return Self::Text(rest);
        }
        let (name, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let argument = argument.trim();
        let command = || Printable::line(line.split_whitespace().next().unwrap_or_default());
        match named(name) {
            Some(row) if !argument.is_empty() && row.argument == Argument::Nothing => {
                Self::Refused(Refusal::NeedlessArgument { command: command() })
            }
            Some(row) if row.is_in(frontend) => Self::Command(row, argument),
            Some(_) => Self::Refused(Refusal::NeedsScreen),
            None => Self::Refused(Refusal::UnknownCommand { command: command() }),
        }
    }
}

/// What follows the slash of a command, which may be full-width.
pub fn after_slash(line: &str) -> Option<&str> {
    line.strip_prefix(['/', '／'])
}

/// What a command asks of the room, given what was typed after it and the offer that was shown last. `None` for what
/// the front end does itself.
pub fn request(command: Command, argument: &str, offer: Option<u32>) -> Option<Request> {
    Some(match command {
        Command::Help | Command::Find | Command::Clear | Command::Lock => return None,
        Command::Send => match sendable(argument, std::env::home_dir().as_deref()) {
            Some(paths) if !paths.is_empty() => Request::Send(paths),
            _ => Request::Refused(Event::Refused(Refusal::WhatToSend)),
        },
        Command::Get | Command::Decline => match offer {
            Some(offer) => Request::Answer { offer, take: command == Command::Get },
            None => Request::Refused(Event::File(FileEvent::Refused(FileRefusal::NothingOffered))),
        },
        Command::Code => compared(argument).map_or(Request::Code, |same| Request::Judged { same }),
        Command::Cancel => Request::Cancel,
        Command::Who => Request::Who,
        Command::Doctor => Request::Doctor,
        Command::Rekey => Request::Rekey,
        Command::Panic => Request::Panic,
        Command::Quit => Request::Leave,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::commands::COMMANDS;

    const FRONTENDS: [Frontend; 2] = [Frontend::SCREEN, Frontend::LINES];

    /// A line in a few words.
    fn read(line: &str, typed: bool) -> String {
        match Typed::read(line, typed, Frontend::SCREEN) {
            Typed::Text(text) => format!("text {text}"),
            Typed::Command(row, argument) => format!("{} {argument}", row.name),
            Typed::Refused(Refusal::UnknownCommand { command }) => format!("unknown {}", command.as_str()),
            Typed::Refused(Refusal::NeedlessArgument { command }) => format!("needless {}", command.as_str()),
            Typed::Refused(_) => "refused".into(),
        }
    }

    #[test]
    fn a_command_is_only_what_was_typed() {
        for (line, typed, expected) in [
            ("/quit", true, "quit "),
            ("／quit\u{3000}", true, "quit "),
            ("/?", true, "help "),
            ("/quit", false, "text /quit"),
            ("//quit", true, "text /quit"),
            ("／／quit", true, "text ／quit"),
            ("/sent x", true, "unknown /sent"),
            ("/quit now", true, "needless /quit"),
            ("/q x", true, "needless /q"),
            ("see /quit", true, "text see /quit"),
            ("/quit\n", true, "quit "),
            ("/send /a\n", true, "send /a"),
            ("/find", true, "find "),
            ("／find\u{3000}你好 吗 ", true, "find 你好 吗"),
        ] {
            assert_eq!(read(line, typed), expected, "{line}");
        }
    }

    #[test]
    fn every_row_is_read_where_the_front_end_has_it_and_refused_elsewhere() {
        for row in &COMMANDS {
            for (name, frontend) in
                row.aliases.iter().chain([&row.name]).flat_map(|name| FRONTENDS.map(|at| (name, at)))
            {
                match Typed::read(&format!("/{name}"), true, frontend) {
                    Typed::Command(read, "") => assert!(read.command == row.command && row.is_in(frontend), "{name}"),
                    Typed::Refused(Refusal::NeedsScreen) => assert!(!row.is_in(frontend), "{name}"),
                    _ => panic!("/{name} is not read"),
                }
                let takes = !matches!(
                    Typed::read(&format!("/{name} x"), true, frontend),
                    Typed::Refused(Refusal::NeedlessArgument { .. })
                );
                assert_eq!(takes, row.argument != Argument::Nothing, "{name}");
            }
        }
    }

    #[test]
    fn lines_ask_the_room_for_all_of_their_commands_but_the_help() {
        for row in COMMANDS.iter().filter(|row| row.command != Command::Help && row.is_in(Frontend::LINES)) {
            assert!(request(row.command, "", None).is_some(), "{}", row.name);
        }
    }

    #[test]
    fn what_lacks_its_argument_is_refused_and_asks_nothing_of_the_room() {
        let refused = |command, argument| match request(command, argument, None) {
            Some(Request::Refused(event)) => event,
            _ => panic!("{command:?} {argument}"),
        };
        for argument in ["", "'no end"] {
            assert!(matches!(refused(Command::Send, argument), Event::Refused(Refusal::WhatToSend)));
        }
        for command in [Command::Get, Command::Decline] {
            let event = refused(command, "");
            assert!(matches!(event, Event::File(FileEvent::Refused(FileRefusal::NothingOffered))));
        }
    }
}
