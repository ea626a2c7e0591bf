//! Options that a user sets once: an optional file, which tete reads and never writes.
//!
//! A line is `key = value`. A key is the name of a long option; a switch is `yes` or `no`. Blank lines and those that
//! begin with `#` say nothing.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use clap::{Arg, Args as _, Command, ValueEnum as _};
use rustix::fs::OFlags;
use rustix::process::geteuid;

use super::{Common, complaint, repeated};
use crate::interface::fault::{ConfigFault, Fault};
use crate::printable::Printable;
use crate::ui::commands::is_near;
use crate::ui::words::Lang;

/// Bytes of the longest file.
const LONGEST: u64 = 64 << 10;
/// The options that may be set, by their ids. None names an address, holds a secret, or decides for one meeting alone.
const SETTABLE: [&str; 14] = [
    "confirm",
    "confirm_minutes",
    "linger",
    "close_after",
    "quiet_line",
    "tor",
    "save_to",
    "auto_accept",
    "executable",
    "plain",
    "lock",
    "notify",
    "call",
    "lang",
];

/// What the file sets.
#[derive(Default)]
pub struct Config {
    /// Ids of options, each with its value.
    set: Vec<(&'static str, String)>,
}

impl Config {
    /// Reads the user's file. Sets nothing where there is none.
    ///
    /// # Errors
    ///
    /// [`Fault::Config`] if it cannot be read, if others could have written it, or if a line in it is not understood.
    pub fn read() -> Result<Self, Fault> {
        let Some(path) = place() else { return Ok(Self::default()) };
        let told = |line, why| Fault::Config { path: Printable::line(&path.to_string_lossy()), line, why };
        match text(&path) {
            Ok(Some(text)) => Self::parse(&text).map_err(|(line, why)| told(Some(line), why)),
            Ok(None) => Ok(Self::default()),
            Err(why) => Err(told(None, why)),
        }
    }

    /// Reads the lines of a file. An error comes with the number of its line, from 1.
    fn parse(text: &str) -> Result<Self, (usize, ConfigFault)> {
        let mut out = Self::default();
        let command = grammar();
        for (number, line) in text.trim_start_matches('\u{feff}').lines().map(str::trim).enumerate() {
            if !line.is_empty() && !line.starts_with('#') {
                let entry = entry(&command, line).map_err(|why| (number + 1, why))?;
                if out.set.iter().any(|(id, _)| *id == entry.0) {
                    return Err((number + 1, ConfigFault::Twice));
                }
                out.set.push(entry);
            }
        }
        Ok(out)
    }

    /// The language it sets.
    pub fn lang(&self) -> Option<Lang> {
        self.set.iter().find(|(id, _)| *id == "lang").and_then(|(_, value)| Lang::from_str(value, false).ok())
    }

    /// Whether it sets an option.
    pub fn sets(&self, id: &str) -> bool {
        self.set.iter().any(|(set, _)| *set == id)
    }

    /// Makes what it sets the defaults of a command.
    pub fn apply(&self, command: Command) -> Command {
        self.set
            .iter()
            .fold(command, |command, (id, value)| command.mut_arg(*id, |arg| arg.default_value(value.clone())))
    }
}

/// The options, by themselves.
fn grammar() -> Command {
    Common::augment_args(Command::new("tete").version("").disable_help_flag(true).disable_version_flag(true))
}

/// Reads one line.
fn entry(command: &Command, line: &str) -> Result<(&'static str, String), ConfigFault> {
    let (key, value) = line.split_once('=').ok_or(ConfigFault::NoValue)?;
    let (key, value) = (key.trim_end(), value.trim_start());
    let long = |arg: &&Arg| arg.get_long() == Some(key);
    let Some(id) = command.get_arguments().find(long).and_then(settable) else {
        return Err(unknown(command, key));
    };
    let Some(arg) = command.get_arguments().find(long) else { return Err(unknown(command, key)) };
    if !arg.get_action().takes_values() {
        return match value {
            "yes" => Ok((id, "true".into())),
            "no" => Ok((id, "false".into())),
            _ => Err(ConfigFault::YesOrNo),
        };
    }
    let value = match value.strip_prefix("~/").and_then(|below| Some(std::env::home_dir()?.join(below))) {
        Some(path) if id == "save_to" => path.to_str().ok_or(ConfigFault::NotText)?.to_owned(),
        _ => value.to_owned(),
    };
    let given = OsString::from(format!("--{key}={value}"));
    match command.clone().no_binary_name(true).try_get_matches_from([given]) {
        Ok(_) => Ok((id, value)),
        Err(error) => Err(ConfigFault::Option(complaint(&error))),
    }
}

/// The id of an option that may be set.
fn settable(arg: &Arg) -> Option<&'static str> {
    SETTABLE.into_iter().find(|id| arg.get_id() == id)
}

fn unknown(command: &Command, key: &str) -> ConfigFault {
    let known = command.get_arguments().filter(|arg| settable(arg).is_some()).filter_map(Arg::get_long);
    let like = known.into_iter().find(|long| is_near(key, long)).map(Printable::line);
    ConfigFault::Key { key: repeated(key), like }
}

/// Where the file is, by the XDG base directory specification.
fn place() -> Option<PathBuf> {
    let set = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = set.or_else(|| Some(std::env::home_dir()?.join(".config")))?;
    Some(folder.join("tete").join("config"))
}

/// The content of the file, if there is one. Does not wait for the writer of a pipe.
fn text(path: &Path) -> Result<Option<String>, ConfigFault> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(ConfigFault::System(error.into())),
    };
    let system = |error: io::Error| ConfigFault::System(error.into());
    let about = file.metadata().map_err(system)?;
    if !about.is_file() {
        return Err(ConfigFault::NoFile);
    }
    // Whoever can write it decides where files go and who is asked.
    if ![geteuid().as_raw(), 0].contains(&about.uid()) || about.mode() & 0o022 != 0 {
        return Err(ConfigFault::OthersWrite);
    }
    contents(file).map(Some).map_err(system)
}

fn contents(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST { Err(ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::interface::fault::UsageFault;

    fn set(text: &str) -> Vec<(&'static str, String)> {
        Config::parse(text).map(|config| config.set).unwrap_or_else(|(line, why)| panic!("{line}: {why:?}"))
    }

    #[test]
    fn lines_set_options_by_their_long_names() {
        let text = "\u{feff}# mine\r\n\r\nlang = zh\r\n  lock=10  \nplain = yes\nauto-accept = no\nsave-to = /a b\nconfirm-minutes = 7";
        let expected = [
            ("lang", "zh"),
            ("lock", "10"),
            ("plain", "true"),
            ("auto_accept", "false"),
            ("save_to", "/a b"),
            ("confirm_minutes", "7"),
        ];
        assert_eq!(set(text), expected.map(|(id, value)| (id, value.to_owned())));
        assert_eq!(Config::parse(text).map(|config| config.lang()).ok(), Some(Some(Lang::Zh)));
        assert!(set("").is_empty());
        let home = std::env::home_dir().unwrap().join("in");
        assert_eq!(set("save-to = ~/in"), [("save_to", home.to_str().unwrap().to_owned())]);
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_line() {
        for (line, fits) in [
            ("lock", (|why| matches!(why, ConfigFault::NoValue)) as fn(&ConfigFault) -> bool),
            ("lock = soon", |why| matches!(why, ConfigFault::Option(UsageFault::Value { .. }))),
            ("lock =", |why| matches!(why, ConfigFault::Option(_))),
            ("notify = loud", |why| matches!(why, ConfigFault::Option(UsageFault::NotAmong { .. }))),
            ("plain = true", |why| matches!(why, ConfigFault::YesOrNo)),
            ("lokc = 5", |why| matches!(why, ConfigFault::Key { like: Some(like), .. } if like.as_str() == "lock")),
            ("--lock = 5", |why| matches!(why, ConfigFault::Key { .. })),
            ("lang = en", |why| matches!(why, ConfigFault::Twice)),
        ] {
            let Err((number, why)) = Config::parse(&format!("# x\nlang = zh\n{line}\n")) else { panic!("{line}") };
            assert!(number == 3 && fits(&why), "{line}: {why:?}");
        }
    }

    #[test]
    fn no_address_and_no_secret_is_taken_from_the_file() {
        let command = grammar();
        let taken: BTreeSet<_> = command.get_arguments().filter_map(settable).collect();
        assert_eq!(taken, BTreeSet::from(SETTABLE));
        for key in
            ["proxy", "tor-control", "tor-config", "host", "relay", "bind", "port", "invite-file", "json", "help"]
        {
            let Err((1, ConfigFault::Key { .. })) = Config::parse(&format!("{key} = x")) else { panic!("{key}") };
        }
    }
}
