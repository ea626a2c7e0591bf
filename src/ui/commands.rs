//! The commands of the chat: one table, for the parser, Tab, both helps and programs.

use crate::interface::Frontend;
use crate::printable::Printable;

/// A command of the chat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// Lists commands and keys.
    Help,
    /// Offers files and folders.
    Send,
    /// Accepts the offer.
    Get,
    /// Declines the offer.
    Decline,
    /// Ends the transfer that is under way.
    Cancel,
    /// Tells who the partner is and how the connection is secured.
    Who,
    /// Checks what the connection depends on.
    Doctor,
    /// Shows the pairing code again, or tells how a comparison of it came out.
    Code,
    /// Looks for a text on the screen.
    Find,
    /// Wipes the screen.
    Clear,
    /// Hides the screen until a passphrase is typed.
    Lock,
    /// Makes fresh keys now.
    Rekey,
    /// Wipes everything and ends at once.
    Panic,
    /// Leaves the room.
    Quit,
}

/// What may be typed after the name of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Argument {
    /// Nothing.
    Nothing,
    /// Paths, as in a shell.
    Paths,
    /// Words to look for.
    Words,
    /// Whether both screens show the same.
    Comparison,
}

/// A row of the table: what there is to know of a command, but for the words of its help.
pub struct Row {
    /// The command.
    pub command: Command,
    /// What is typed after the slash.
    pub name: &'static str,
    /// What may be typed in place of the name.
    pub aliases: &'static [&'static str],
    /// What may follow.
    pub argument: Argument,
    /// The front ends that have the command.
    pub frontends: &'static [Frontend],
}

impl Row {
    const fn new(command: Command, name: &'static str, argument: Argument, frontends: &'static [Frontend]) -> Self {
        Self { command, name, aliases: &[], argument, frontends }
    }

    /// Whether a front end has the command.
    pub fn is_in(&self, frontend: Frontend) -> bool {
        self.frontends.contains(&frontend)
    }
}

const EVERYWHERE: &[Frontend] = &[Frontend::SCREEN, Frontend::LINES, Frontend::JSON];
const PEOPLE: &[Frontend] = &[Frontend::SCREEN, Frontend::LINES];
const SCREEN: &[Frontend] = &[Frontend::SCREEN];

/// All commands, in the order of the help and of [`Command`].
pub static COMMANDS: [Row; Command::Quit as usize + 1] = [
    Row { aliases: &["?"], ..Row::new(Command::Help, "help", Argument::Nothing, PEOPLE) },
    Row::new(Command::Send, "send", Argument::Paths, EVERYWHERE),
    Row::new(Command::Get, "get", Argument::Nothing, EVERYWHERE),
    Row::new(Command::Decline, "decline", Argument::Nothing, EVERYWHERE),
    Row::new(Command::Cancel, "cancel", Argument::Nothing, EVERYWHERE),
    Row::new(Command::Who, "who", Argument::Nothing, EVERYWHERE),
    Row::new(Command::Doctor, "doctor", Argument::Nothing, EVERYWHERE),
    Row::new(Command::Code, "code", Argument::Comparison, EVERYWHERE),
    Row::new(Command::Find, "find", Argument::Words, SCREEN),
    Row::new(Command::Clear, "clear", Argument::Nothing, SCREEN),
    Row::new(Command::Lock, "lock", Argument::Nothing, SCREEN),
    Row::new(Command::Rekey, "rekey", Argument::Nothing, EVERYWHERE),
    Row::new(Command::Panic, "panic", Argument::Nothing, EVERYWHERE),
    Row { aliases: &["exit", "bye", "q"], ..Row::new(Command::Quit, "quit", Argument::Nothing, EVERYWHERE) },
];

/// The command of that name, or of that alias.
pub fn named(name: &str) -> Option<&'static Row> {
    COMMANDS.iter().find(|row| row.name == name || row.aliases.contains(&name))
}

/// The command that a word is one slip of the finger away from.
fn near(word: &str) -> Option<&'static Row> {
    COMMANDS.iter().find(|row| row.aliases.iter().chain([&row.name]).any(|name| name.len() > 2 && is_near(word, name)))
}

/// The name of the command that was probably meant by what was typed with its slash.
pub fn meant(typed: &Printable) -> Option<&'static str> {
    near(typed.as_str().trim_start_matches(['/', '／'])).map(|row| row.name)
}

/// Whether two words differ by at most one letter, or by two neighbours that changed places.
pub fn is_near(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|word| word.chars().collect::<Vec<_>>());
    let (one, other) = (one.as_slice(), other.as_slice());
    let same = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (one, other) = (one.get(same..).unwrap_or_default(), other.get(same..).unwrap_or_default());
    let same = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    let rest = |word: &[char]| word.len() - same;
    match (rest(one), rest(other), one, other) {
        (0 | 1, 0 | 1, ..) => true,
        (2, 2, [a, b, ..], [c, d, ..]) => a == d && b == c,
        _ => false,
    }
}

/// The commands of a front end, in the order of the help.
pub fn commands_of(frontend: Frontend) -> impl Iterator<Item = &'static Row> {
    COMMANDS.iter().filter(move |row| row.is_in(frontend))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_one_row_and_every_name_one_command() {
        assert!(COMMANDS.iter().map(|row| row.command as usize).eq(0..COMMANDS.len()));
        for row in &COMMANDS {
            for name in row.aliases.iter().chain([&row.name]) {
                assert_eq!(named(name).map(|row| row.command), Some(row.command), "{name}");
            }
        }
        assert!(named("").is_none());
    }

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_nothing_else() {
        for (word, name) in [("sned", "send"), ("quti", "quit"), ("exti", "quit"), ("hepl", "help"), ("locks", "lock")]
        {
            assert_eq!(near(word).map(|row| row.name), Some(name), "{word}");
        }
        for word in ["", "x", "usr", "sender", "etc", "不"] {
            assert!(near(word).is_none(), "{word}");
        }
    }
}
