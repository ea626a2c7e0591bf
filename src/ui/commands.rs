//! What a line of the chat is: a text, or a command.

/// A command of the chat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// What there is.
    Help,
    /// With whom, how.
    Who,
    /// The pairing code again.
    Code,
    /// Looks for a text on the screen.
    Find,
    /// Wipes the screen.
    Clear,
    /// Hides the screen until a passphrase is typed.
    Lock,
    /// Fresh keys now.
    Rekey,
    /// Wipes everything and ends, at once.
    Panic,
    /// Leaves.
    Quit,
}

impl Command {
    /// All of them, in the order of the help.
    pub const ALL: [Self; 9] =
        [Self::Help, Self::Who, Self::Code, Self::Find, Self::Clear, Self::Lock, Self::Rekey, Self::Panic, Self::Quit];

    /// What is typed after the slash.
    pub fn name(self) -> &'static str {
        match self {
            Self::Help => "help",
            Self::Who => "who",
            Self::Code => "code",
            Self::Find => "find",
            Self::Clear => "clear",
            Self::Lock => "lock",
            Self::Rekey => "rekey",
            Self::Panic => "panic",
            Self::Quit => "quit",
        }
    }
}

/// A line of the chat, as its writer meant it.
#[derive(PartialEq, Eq, Debug)]
pub enum Typed<'a> {
    /// A text.
    Text(&'a str),
    /// A command and what follows it.
    Command(Command, &'a str),
    /// A command nobody knows.
    Unknown(&'a str),
}

impl<'a> Typed<'a> {
    /// Only what was typed can be a command; a paste is a text whatever it begins with.
    pub fn read(line: &'a str, typed: bool) -> Self {
        let Some(rest) = after_slash(line).filter(|_| typed) else { return Self::Text(line) };
        if after_slash(rest).is_some() {
            return Self::Text(rest);
        }
        let (name, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let argument = argument.trim();
        let name = if name == "?" { "help" } else { name };
        match Command::ALL.into_iter().find(|command| command.name() == name) {
            Some(command) if argument.is_empty() || command == Command::Find => Self::Command(command, argument),
            _ => Self::Unknown(line.split_whitespace().next().unwrap_or_default()),
        }
    }
}

/// What follows the slash of a command, which may be full-width.
pub fn after_slash(line: &str) -> Option<&str> {
    line.strip_prefix(['/', '／'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_only_what_was_typed() {
        let quit = Typed::Command(Command::Quit, "");
        assert_eq!(Typed::read("/quit", true), quit);
        assert_eq!(Typed::read("／quit　", true), quit);
        assert_eq!(Typed::read("/?", true), Typed::Command(Command::Help, ""));
        assert_eq!(Typed::read("/quit", false), Typed::Text("/quit"));
        assert_eq!(Typed::read("//quit", true), Typed::Text("/quit"));
        assert_eq!(Typed::read("／／quit", true), Typed::Text("／quit"));
        assert_eq!(Typed::read("/send x", true), Typed::Unknown("/send"));
        assert_eq!(Typed::read("/quit now", true), Typed::Unknown("/quit"));
        assert_eq!(Typed::read("see /quit", true), Typed::Text("see /quit"));
    }

    #[test]
    fn find_takes_what_to_look_for() {
        assert_eq!(Typed::read("/find", true), Typed::Command(Command::Find, ""));
        assert_eq!(Typed::read("／find　你好 吗 ", true), Typed::Command(Command::Find, "你好 吗"));
    }
}
