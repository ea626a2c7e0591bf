//! The command line.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::ui::words::Lang;
use crate::ui::words::help::HelpTexts;

/// What was typed after `tete`.
#[derive(Parser)]
#[command(name = "tete", version, args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
#[command(disable_help_flag = true, disable_version_flag = true)]
pub struct Cli {
    /// `host` or `join`, where it was said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Where to join, without the word.
    #[command(flatten)]
    pub to: To,
    /// Where to listen, without the word.
    #[command(flatten)]
    pub at: At,
    /// Either way.
    #[command(flatten)]
    pub common: Common,
}

/// The two things tete does.
#[derive(Subcommand)]
pub enum Command {
    /// Open a room.
    Host(At),
    /// Join one.
    Join(To),
    /// Send files, and leave.
    Send(Send),
    /// Take files.
    Receive(Receive),
    /// See what works here.
    Doctor(Doctor),
}

/// What to look at.
#[derive(Args)]
pub struct Doctor {
    /// Where this side would go, instead of waiting.
    #[command(flatten)]
    pub to: To,
    /// Where it would wait.
    #[arg(long, value_name = "PORT", conflicts_with_all = ["host", "invite_file"])]
    pub port: Option<u16>,
    /// One address instead of all.
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["host", "invite_file"])]
    pub bind: Option<IpAddr>,
    /// Relays to try.
    #[arg(long, value_name = "HOST:PORT")]
    pub relay: Vec<String>,
    /// The router is asked for nothing.
    #[arg(long)]
    pub no_map: bool,
}

/// What to send, and to whom.
#[derive(Args)]
pub struct Send {
    /// Files and folders; standard input if none is given, or `-`.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Where the partner waits, if it is not this side that does.
    #[arg(long, value_name = "HOST", conflicts_with_all = ["port", "bind", "invite", "relay"])]
    pub to: Option<String>,
    /// A file with an invite.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["to", "port", "bind", "invite", "relay"])]
    pub invite_file: Option<PathBuf>,
    /// What standard input is called.
    #[arg(long, value_name = "NAME", default_value = "stream")]
    pub name: String,
    /// Where to wait.
    #[command(flatten)]
    pub at: At,
}

/// From whom to take files, and where to.
#[derive(Args)]
pub struct Receive {
    /// Where the partner waits, if it is not this side that does.
    #[command(flatten)]
    pub to: To,
    /// Standard output instead of a folder.
    #[arg(long, conflicts_with = "save_to")]
    pub stdout: bool,
    /// Where to wait.
    #[command(flatten)]
    pub at: At,
}

/// Where the partner waits.
#[derive(Args, Default)]
pub struct To {
    /// Host, with or without a port.
    #[arg(value_name = "HOST")]
    pub host: Option<String>,
    /// Port.
    #[arg(value_name = "PORT")]
    pub peer_port: Option<String>,
    /// A file with an invite.
    #[arg(long, value_name = "FILE", conflicts_with = "host")]
    pub invite_file: Option<PathBuf>,
}

/// Where to listen.
#[derive(Args)]
pub struct At {
    /// Port, instead of [`crate::address::PORT`]; 0 for any.
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// One address instead of all.
    #[arg(long, value_name = "ADDRESS")]
    pub bind: Option<IpAddr>,
    /// Whoever has the invite, and nobody else.
    #[arg(long)]
    pub invite: bool,
    /// Relays where the host waits, too.
    #[arg(long, value_name = "HOST:PORT")]
    pub relay: Vec<String>,
    /// An onion service leads here, too.
    #[arg(long, conflicts_with = "proxy")]
    pub onion: bool,
    /// The router is asked for nothing.
    #[arg(long)]
    pub no_map: bool,
}

/// What hosts and joiners choose alike.
#[derive(Args)]
pub struct Common {
    /// How the code is checked.
    #[arg(long, value_enum, default_value_t = Confirm::Type, global = true)]
    pub confirm: Confirm,
    /// How long that may take.
    #[arg(long, value_name = "MINUTES", default_value_t = 5, global = true)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=30))]
    pub confirm_minutes: u8,
    /// How long an open room waits for a partner whose line broke.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = time, global = true)]
    pub linger: Duration,
    /// When an open room closes by itself.
    #[arg(long, value_name = "TIME", value_parser = time, global = true)]
    pub close_after: Option<Duration>,
    /// Cover traffic: records a second.
    #[arg(long, value_name = "RATE", value_parser = interval, global = true)]
    pub quiet_line: Option<Duration>,
    /// Lines instead of the full screen.
    #[arg(long, global = true)]
    pub plain: bool,
    /// For programs: events and commands as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// The full screen locks itself after so many minutes without a key.
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u16).range(1..=1440), global = true)]
    pub lock: Option<u16>,
    /// Through what this machine reaches others.
    #[arg(long, value_name = "URL", global = true)]
    pub proxy: Option<String>,
    /// Nothing goes any other way than through Tor.
    #[arg(long, global = true, conflicts_with = "proxy")]
    pub tor: bool,
    /// The partner is found on the local network, too.
    #[arg(long, global = true, conflicts_with_all = ["proxy", "tor"])]
    pub lan: bool,
    /// A tor that runs.
    #[arg(long, value_name = "WHERE", global = true)]
    pub tor_control: Option<String>,
    /// For the configuration of the tor that is started.
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "tor_control")]
    pub tor_config: Option<PathBuf>,
    /// Where files are stored.
    #[arg(long, value_name = "FOLDER", global = true)]
    pub save_to: Option<PathBuf>,
    /// Files are taken without a question.
    #[arg(long, global = true)]
    pub auto_accept: bool,
    /// Files that may be executed stay so.
    #[arg(long, global = true)]
    pub executable: bool,
    /// How to be told of a text while looking elsewhere.
    #[arg(long, value_enum, default_value_t = Notify::Off, global = true)]
    pub notify: Notify,
    /// Language of the interface.
    #[arg(long, value_enum, global = true)]
    pub lang: Option<Language>,
    #[arg(short, long, action = clap::ArgAction::Help, global = true)]
    help: Option<bool>,
    #[arg(short = 'V', long, action = clap::ArgAction::Version)]
    version: Option<bool>,
}

/// Values of `--confirm`.
#[derive(Clone, Copy, ValueEnum)]
pub enum Confirm {
    /// Type the partner's half.
    Type,
    /// Compare both halves.
    Compare,
}

/// Values of `--notify`.
#[derive(Clone, Copy, ValueEnum)]
pub enum Notify {
    /// Not at all.
    Off,
    /// The terminal's bell.
    Bell,
    /// The desktop, without what was said.
    Desktop,
}

/// Values of `--lang`.
#[derive(Clone, Copy, ValueEnum)]
pub enum Language {
    /// English.
    En,
    /// 中文.
    Zh,
}

/// Why there is nothing to run.
pub enum Stop {
    /// Help or the version was asked for: the text.
    Print(String),
    /// The command line is wrong: clap's one line about it.
    Wrong(String),
}

/// Reads the command line; help and complaints are in `lang`.
pub fn parse(args: impl IntoIterator<Item = OsString>, lang: Lang) -> Result<Cli, Stop> {
    let words = HelpTexts::of(lang);
    command(&words).try_get_matches_from(args).and_then(|matches| Cli::from_arg_matches(&matches)).map_err(|error| {
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Print(error.render().to_string()),
            _ => Stop::Wrong(complaint(&error, lang)),
        }
    })
}

/// The command with its help in one language.
fn command(words: &HelpTexts) -> clap::Command {
    let of = |command: clap::Command, names: &[&str]| {
        names.iter().fold(command, |command, name| {
            let (value, help) = words.argument(name);
            command.mut_arg(name, |arg| {
                let positional = arg.is_positional();
                let arg = arg.help(help).help_heading(if positional { words.arguments } else { words.options });
                // What it may be, and is by default, stands in the help.
                let told = |arg: Arg| arg.value_name(value).hide_possible_values(true).hide_default_value(true);
                if value.is_empty() { arg } else { told(arg) }
            })
        })
    };
    let (at, to) = (["port", "bind", "invite", "relay", "onion", "no_map"], ["host", "peer_port", "invite_file"]);
    let common = [
        "confirm",
        "confirm_minutes",
        "linger",
        "close_after",
        "quiet_line",
        "lan",
        "proxy",
        "tor",
        "tor_control",
        "tor_config",
        "plain",
        "json",
        "save_to",
        "auto_accept",
        "executable",
        "lock",
        "notify",
        "lang",
        "help",
    ];
    let command = of(of(of(Cli::command(), &to), &at), &common);
    of(command, &["version"])
        .about(words.about)
        .after_help(words.after)
        .override_usage(words.usage)
        .help_template(words.template)
        .subcommand_help_heading(words.commands)
        .mut_subcommand("host", |command| {
            of(command, &at).about(words.host).override_usage(words.usage_of_host).help_template(words.template)
        })
        .mut_subcommand("join", |command| {
            of(command, &to).about(words.join).override_usage(words.usage_of_join).help_template(words.template)
        })
        .mut_subcommand("send", |command| {
            let command = of(of(command, &["paths", "to", "name", "invite_file"]), &at);
            command.about(words.send).override_usage(words.usage_of_send).help_template(words.template)
        })
        .mut_subcommand("doctor", |command| {
            let command = of(of(command, &to), &["port", "bind", "relay", "no_map"]);
            command.about(words.doctor).override_usage(words.usage_of_doctor).help_template(words.template)
        })
        .mut_subcommand("receive", |command| {
            let command = of(of(of(command, &to), &["stdout"]), &at);
            command.about(words.receive).override_usage(words.usage_of_receive).help_template(words.template)
        })
}

/// What is wrong with the command line, in one line.
fn complaint(error: &clap::Error, lang: Lang) -> String {
    let text = error.render().to_string();
    let first = text.lines().next().unwrap_or_default();
    let english = first.strip_prefix("error: ").unwrap_or(first).to_owned();
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(value)) => value.clone(),
        _ => String::new(),
    };
    let (argument, value) = (context(ContextKind::InvalidArg), context(ContextKind::InvalidValue));
    match (lang, error.kind()) {
        (Lang::En, ErrorKind::ArgumentConflict) => "these arguments do not go together".to_owned(),
        (Lang::En, _) => english,
        (Lang::Zh, ErrorKind::UnknownArgument) => format!("没有 {argument} 这个参数"),
        (Lang::Zh, ErrorKind::InvalidValue) if value.is_empty() => format!("{argument} 后面少了值"),
        (Lang::Zh, ErrorKind::InvalidValue | ErrorKind::ValueValidation) => format!("{argument} 的值不对：{value}"),
        (Lang::Zh, ErrorKind::ArgumentConflict) => "这些参数不能一起用".to_owned(),
        (Lang::Zh, ErrorKind::InvalidUtf8) => "不是 UTF-8".to_owned(),
        (Lang::Zh, _) => english,
    }
}

/// `90s`, `30m`, `24h`, `7d`; at most a year.
fn time(typed: &str) -> Result<Duration, String> {
    let (number, unit) = typed.split_at(typed.find(|c: char| !c.is_ascii_digit()).unwrap_or(typed.len()));
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err("a time is a number and s, m, h or d".into()),
    };
    let time = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds));
    time.filter(|time| *time <= 366 * 24 * 60 * 60)
        .map(Duration::from_secs)
        .ok_or_else(|| "a time is at most 366d".into())
}

/// The pause between two records, from records a second.
fn interval(typed: &str) -> Result<Duration, String> {
    let rate: f64 = typed.parse().map_err(|_| "a rate is a number")?;
    // At the lowest rate each record still comes in time as a sign of life.
    if (0.25..=50.0).contains(&rate) {
        Ok(Duration::from_secs_f64(rate.recip()))
    } else {
        Err("a rate is 0.25 to 50 records a second".into())
    }
}

/// Whether a word is one of the commands.
pub fn is_command(word: &str) -> bool {
    Cli::command().find_subcommand(word).is_some()
}

/// The language a command line asks for, found before the rest is read.
pub fn language(args: &[OsString]) -> Option<Lang> {
    let args: Vec<_> = args.iter().filter_map(|arg| arg.to_str()).collect();
    let apart = args.windows(2).find_map(|pair| if let ["--lang", value] = pair { Some(*value) } else { None });
    match apart.or_else(|| args.iter().find_map(|arg| arg.strip_prefix("--lang=")))? {
        "zh" => Some(Lang::Zh),
        "en" => Some(Lang::En),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_and_complaints_are_chinese_where_the_rest_is() {
        let parse = |args: &[&str]| parse(["tete"].iter().chain(args).map(OsString::from), Lang::Zh).err();
        let Some(Stop::Print(help)) = parse(&["--help"]) else { panic!("no help") };
        for english in ["Usage", "Options", "Arguments", "Commands", "PORT", "default", "possible"] {
            assert!(!help.contains(english), "{english}");
        }
        for wrong in [&["--bogus"][..], &["--port"], &["--port", "x"], &["--notify", "loud"], &["a", "b", "c"]] {
            let Some(Stop::Wrong(why)) = parse(wrong) else { panic!("{wrong:?} is right") };
            assert!(why.contains(|c| ('一'..='龥').contains(&c)), "{why}");
        }
    }

    #[test]
    fn times_and_rates_have_a_form_and_bounds() {
        assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(time("0s"), Ok(Duration::ZERO));
        assert_eq!(time("366d"), Ok(Duration::from_secs(366 * 86_400)));
        for bad in ["", "s", "90", "-1s", "1.5h", "367d", "99999999999999999999s", "1 h", "1w"] {
            assert!(time(bad).is_err(), "{bad}");
        }
        assert_eq!(interval("2"), Ok(Duration::from_millis(500)));
        assert_eq!(interval("0.25"), Ok(Duration::from_secs(4)));
        for bad in ["0", "0.2", "51", "-1", "NaN", "inf", "fast", ""] {
            assert!(interval(bad).is_err(), "{bad}");
        }
    }
}
