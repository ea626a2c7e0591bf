//! The short words of the interface, to be filled in each language.

use crate::interface::event::Trust;

/// Short words of the interface.
pub struct Words {
    /// The partner, beside each of their messages.
    pub partner: &'static str,
    /// Prompt of the chat.
    pub prompt: &'static str,
    /// Prompt for the partner's code.
    pub half: &'static str,
    /// Prompt for the outcome of a comparison.
    pub compare: &'static str,
    /// Prompt for the address.
    pub address: &'static str,
    /// The words for the outcome of a comparison: the same, and different.
    pub outcomes: [&'static str; 2],
    /// A message names a file: before and after its name.
    pub send_file: [&'static str; 2],
    /// A message names several: before and after their number.
    pub send_files: [&'static str; 2],
    /// Keys of that question.
    pub send_keys: &'static str,
    /// A key that answers an offer was pressed just when another came.
    pub new_offer: &'static str,
    /// An invite that was typed is not whole.
    pub invite_goes_on: &'static str,
    /// Before an error.
    pub error: &'static str,
    /// An Enter came at once behind other bytes, and nothing was sent.
    pub hurried: &'static str,
    /// A paste has begun and does not go on.
    pub paste_stalls: &'static str,
    /// It was given up.
    pub paste_given_up: &'static str,
    /// What else may be typed, below the commands, and what it does.
    pub signs: &'static [(&'static str, &'static str)],
}

/// What stands on the full screen beside messages and status.
pub struct ScreenWords {
    /// Our user, beside each of their messages.
    pub you: &'static str,
    /// The partner, beside each of theirs.
    pub partner: &'static str,
    /// In place of the input while nothing can be said.
    pub waiting: &'static str,
    /// Both have checked the code.
    pub verified: &'static str,
    /// They have not, and whoever is there has the invite.
    pub invited: &'static str,
    /// Where an invite was.
    pub used: &'static str,
    /// The same, and the code was compared afterwards.
    pub compared: &'static str,
    /// They have not.
    pub unverified: &'static str,
    /// The connection works.
    pub connected: &'static str,
    /// After the number of messages that are not delivered yet.
    pub unshown: &'static str,
    /// After the number of messages below the view.
    pub below: &'static str,
    /// Above the messages that are new.
    pub new: &'static str,
    /// A key was pressed that leaves when it is pressed again.
    pub leave: &'static str,
    /// No more can be written.
    pub full: String,
    /// Keys after Ctrl-X.
    pub chord: &'static str,
    /// The room is over.
    pub over: &'static str,
    /// The room is over, and there is a message that was not sent.
    pub unsent: &'static str,
    /// A key was pressed that closes the screen, and that message with it, when it is pressed again.
    pub close_again: &'static str,
    /// Above our user's code.
    pub read_out: &'static str,
    /// Above the partner's code.
    pub type_in: &'static str,
    /// How to refuse a caller.
    pub next: &'static str,
    /// Above two codes to compare.
    pub compare: &'static str,
    /// Beside our user's code.
    pub yours: &'static str,
    /// Beside the partner's.
    pub theirs: &'static str,
    /// What to type after comparing.
    pub agree: &'static str,
    /// Prompt after comparing.
    pub same: &'static str,
    /// Prompt of a search.
    pub find: &'static str,
    /// The screen was to lock itself, and no passphrase was chosen.
    pub unlockable: &'static str,
    /// Nothing was found.
    pub nothing: &'static str,
    /// Keys of a search.
    pub find_keys: &'static str,
    /// Before the number of lines of a paste.
    pub paste: &'static str,
    /// After it.
    pub lines: &'static str,
    /// Keys of that question.
    pub paste_keys: &'static str,
    /// Asks for a passphrase to be set.
    pub choose: &'static str,
    /// Asks for it again.
    pub again: &'static str,
    /// The two differ.
    pub differ: &'static str,
    /// Prompt for a passphrase.
    pub passphrase: &'static str,
    /// The screen is locked.
    pub locked: &'static str,
    /// After a wrong passphrase, before the seconds to wait.
    pub wrong: &'static str,
    /// Key that closes what lies above the chat.
    pub close: &'static str,
    /// The terminal is too small.
    pub small: &'static str,
    /// The key Enter.
    pub enter: &'static str,
    /// The keys up, down, left and right.
    pub arrows: [&'static str; 4],
    /// Between the names of keys.
    pub comma: &'static str,
    /// Before and after the keys that do the same.
    pub parentheses: [&'static str; 2],
    /// The mouse and signs on the screen, and what they mean.
    pub signs: &'static [(&'static str, &'static str)],
}

/// A row of the help: keys that belong together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Topic {
    /// Sends a text.
    Send,
    /// Begins a new line.
    NewLine,
    /// Completes a command or a path.
    Complete,
    /// Empties the input, or leaves.
    Leave,
    /// Opens the help.
    Help,
    /// Answers an offer.
    Offer,
    /// Wipes the screen, or everything.
    Wipe,
    /// Scrolls by rows and screens.
    Scroll,
    /// Goes to the first and the last text.
    Ends,
    /// Goes back to the last text.
    Back,
    /// Searches.
    Search,
    /// Moves by rows, and recalls lines.
    Rows,
    /// Moves by characters.
    Characters,
    /// Moves to both ends of the line.
    Line,
    /// Moves by words.
    Words,
    /// Removes a character.
    Remove,
    /// Cuts a word.
    CutWord,
    /// Cuts to an end of the line.
    CutLine,
    /// Puts back what was cut.
    PutBack,
    /// Exchanges two characters.
    Transpose,
    /// Takes changes back, and back again.
    Undo,
    /// Stops the program for the shell.
    Suspend,
    /// Draws everything anew.
    Redraw,
}

impl ScreenWords {
    /// How it is known who the partner is.
    pub fn trust(&self, trust: Trust) -> &'static str {
        match trust {
            Trust::No => self.unverified,
            Trust::Invite => self.invited,
            Trust::Code => self.verified,
            Trust::Voice => self.compared,
        }
    }
}
