//! The command line: its options ([`Cli`]), what they mean ([`plan`](plan::plan)) and their help.

pub mod config;
mod help;
pub mod plan;

use std::error::Error as _;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum as _};
use config::Config;
use jiff::{Span, SpanRelativeTo};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::address::AddressError;
use crate::interface::fault::{Fault, RATES, UsageFault, ValueError};
use crate::printable::{Printable, widest};
use crate::protocol::invite::{is_begun_in, resembles};
use crate::room::Confirm;
use crate::ui::commands::is_near;
use crate::ui::tui::state::Notify;
use crate::ui::words::Lang;

/// The command that prints help, and its argument.
const HELP: &str = "help";
const TOPIC: &str = "topic";
/// Names of the commands.
const COMMANDS: [&str; 6] = ["host", "join", "send", "receive", "doctor", HELP];
/// The [`Common`] options that have nothing to act on behind a command, by their ids.
const USELESS: [(&str, &[&str]); 3] = [
    ("send", &["save_to", "auto_accept", "executable", "plain", "lock", "notify"]),
    ("receive", &["auto_accept", "plain", "lock", "notify"]),
    (
        "doctor",
        &[
            "confirm",
            "confirm_minutes",
            "linger",
            "close_after",
            "quiet_line",
            "save_to",
            "auto_accept",
            "executable",
            "plain",
            "lock",
            "notify",
        ],
    ),
];
/// The longest time that an option takes, in days.
const MOST_DAYS: u32 = 366;
/// Columns of the longest name for the partner.
const NAME: usize = 12;
/// Characters of a typed word that an error repeats.
const REPEATED: usize = 60;

/// What was typed after `tete`.
#[derive(Parser)]
#[command(name = "tete", version, disable_help_subcommand = true)]
#[command(disable_help_flag = true, disable_version_flag = true)]
pub struct Cli {
    /// The command, if one was named.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Where to join, without a command.
    #[command(flatten)]
    pub to: To,
    /// Where to listen, without a command.
    #[command(flatten)]
    pub at: At,
    /// Options that stand before a command or after it.
    #[command(flatten)]
    pub common: Common,
}

/// What tete does.
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
    #[arg(long, value_name = "PORT", value_parser = port, conflicts_with_all = ["host", "invite_file"])]
    pub port: Option<u16>,
    /// One address instead of all.
    #[arg(long, value_name = "ADDRESS", value_parser = ip, conflicts_with_all = ["host", "invite_file"])]
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
    #[arg(long, value_name = "PORT", value_parser = port)]
    pub port: Option<u16>,
    /// One address instead of all.
    #[arg(long, value_name = "ADDRESS", value_parser = ip)]
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
    #[arg(long, value_name = "MINUTES", default_value_t = 5, value_parser = minutes::<30>, global = true)]
    pub confirm_minutes: u16,
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
    #[arg(long, value_name = "MINUTES", value_parser = minutes::<1440>, global = true)]
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
    /// What the partner is called here.
    #[arg(long, value_name = "NAME", value_parser = called, global = true)]
    pub call: Option<Printable>,
    /// The file of the user's options is not read.
    #[arg(long, global = true)]
    pub no_config: bool,
    /// Language of the interface.
    #[arg(long, value_enum, global = true)]
    pub lang: Option<Lang>,
    #[arg(short, long, action = clap::ArgAction::Help, global = true)]
    help: Option<bool>,
    #[arg(short = 'V', long, action = clap::ArgAction::Version)]
    version: Option<bool>,
    /// The time before the screen locks itself is the file's, not the command line's.
    #[arg(skip)]
    pub lock_is_preset: bool,
}

/// Why there is nothing to run.
pub enum Stop {
    /// Help or the version was asked for: the text.
    Print(String),
    /// The command line is wrong.
    Wrong(Fault),
}

/// Reads the command line; help is in `lang`. What it leaves open is as in `config`.
///
/// # Errors
///
/// [`Stop`] if the user asked for help or the version, or the command line cannot be read.
pub fn parse(args: &[OsString], lang: Lang, config: &Config) -> Result<Cli, Stop> {
    if holds_invite(args) {
        return Err(Stop::Wrong(Fault::InviteInArguments));
    }
    let mut command = config.apply(help::localized(lang, options(args).any(|arg| arg == "-h")));
    let matches = command.try_get_matches_from_mut(args).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Print(error.render().to_string()),
        _ => Stop::Wrong(Fault::CommandLine(complaint(&error))),
    })?;
    if let Some((word, chosen)) = matches.subcommand() {
        check_before(&command, &matches, word).map_err(Stop::Wrong)?;
        command.build();
        if let Some(command) = command.find_subcommand(word) {
            check_conflicts(command, chosen, config).map_err(|why| Stop::Wrong(Fault::CommandLine(why)))?;
            check_useless(command, chosen).map_err(|why| Stop::Wrong(Fault::CommandLine(why)))?;
        }
    }
    if let Some((HELP, chosen)) = matches.subcommand() {
        let topic = chosen.get_one::<String>(TOPIC).and_then(|topic| command.find_subcommand_mut(topic));
        let about = topic.map(clap::Command::render_help);
        return Err(Stop::Print(about.unwrap_or_else(|| command.render_help()).to_string()));
    }
    check_conflicts(&command, &matches, config).map_err(|why| Stop::Wrong(Fault::CommandLine(why)))?;
    let mut cli =
        Cli::from_arg_matches(&matches).map_err(|error| Stop::Wrong(Fault::CommandLine(complaint(&error))))?;
    cli.common.lock_is_preset = matches.value_source("lock") == Some(ValueSource::DefaultValue);
    Ok(cli)
}

/// Whether an invite was given as an argument, or as several.
fn holds_invite(args: &[OsString]) -> bool {
    let words = args.iter().skip(1).map(|arg| Zeroizing::new(arg.to_string_lossy().into_owned()));
    let words: Vec<_> = words.collect();
    let mut joined = Zeroizing::new(String::with_capacity(words.iter().map(|word| word.len()).sum()));
    words.iter().filter(|word| !word.starts_with('-')).for_each(|word| joined.push_str(word));
    words.iter().chain([&joined]).any(|text| is_begun_in(text))
}

/// Everything that can be typed. `help` is answered by [`parse`], and so no [`Command`].
fn grammar() -> clap::Command {
    let topic = clap::Arg::new(TOPIC).value_name("COMMAND").value_parser(COMMANDS);
    Cli::command().subcommand(clap::Command::new(HELP).arg(topic))
}

fn is_given(matches: &ArgMatches, id: &str) -> bool {
    matches.value_source(id) == Some(ValueSource::CommandLine)
}

/// Refuses a command behind options of another: only the [`Common`] ones may stand before it.
fn check_before(command: &clap::Command, matches: &ArgMatches, word: &str) -> Result<(), Fault> {
    if is_given(matches, "host") {
        return Err(Fault::Address { typed: repeated(word), why: AddressError::Port });
    }
    let mut own = command.get_arguments().filter(|arg| !arg.is_global_set()).map(|arg| arg.get_id().as_str());
    if own.any(|id| is_given(matches, id)) { Err(Fault::WordFirst(repeated(word))) } else { Ok(()) }
}

/// Refuses arguments of a command that exclude each other. clap does, too, but only where both stand behind the command.
fn check_conflicts(command: &clap::Command, matches: &ArgMatches, config: &Config) -> Result<(), UsageFault> {
    let given = |arg: &&clap::Arg| {
        let id = arg.get_id().as_str();
        // Nothing but switches can exclude another and be preset.
        let preset = || config.sets(id) && !arg.get_action().takes_values() && matches.get_flag(id);
        is_given(matches, id) || preset()
    };
    for one in command.get_arguments().filter(given) {
        if let Some(other) = command.get_arg_conflicts_with(one).into_iter().find(given) {
            let [one, other] = [one, other].map(|arg| first_word(&arg.to_string()));
            return Err(UsageFault::Conflict { one, other });
        }
    }
    Ok(())
}

/// Refuses an option that does nothing with the command it is given to.
fn check_useless(command: &clap::Command, matches: &ArgMatches) -> Result<(), UsageFault> {
    let given = |arg: &&clap::Arg| is_useless(command.get_name(), arg) && is_given(matches, arg.get_id().as_str());
    match command.get_arguments().find(given) {
        Some(arg) => Err(UsageFault::Useless {
            option: first_word(&arg.to_string()),
            command: Printable::line(command.get_name()),
        }),
        None => Ok(()),
    }
}

/// Whether an option does nothing with a command.
fn is_useless(command: &str, arg: &clap::Arg) -> bool {
    USELESS.iter().any(|(name, ids)| *name == command && ids.iter().any(|id| arg.get_id() == id))
}

/// What clap found wrong with the command line.
fn complaint(error: &clap::Error) -> UsageFault {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(value)) => Some(value.as_str()),
        Some(ContextValue::Strings(values)) => values.first().map(String::as_str),
        _ => None,
    };
    let argument = context(ContextKind::InvalidArg).unwrap_or_default();
    let option = first_word(argument);
    let value = context(ContextKind::InvalidValue).filter(|value| !value.is_empty()).map(repeated);
    let possible = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) => values.iter().map(|value| Printable::line(value)).collect(),
        _ => Vec::new(),
    };
    let why = error.source().and_then(|source| source.downcast_ref::<ValueError>());
    if let Some(why) = why {
        return UsageFault::Value { option, value: value.unwrap_or_else(|| repeated("")), why: *why };
    }
    match (error.kind(), value) {
        (ErrorKind::UnknownArgument, _) if !argument.starts_with('-') => {
            UsageFault::TooMany { argument: repeated(argument) }
        }
        (ErrorKind::InvalidSubcommand, _) => UsageFault::TooMany {
            argument: context(ContextKind::InvalidSubcommand).map_or_else(|| repeated(""), repeated),
        },
        (ErrorKind::UnknownArgument, _) => {
            UsageFault::Unknown { option, like: context(ContextKind::SuggestedArg).map(first_word) }
        }
        (ErrorKind::InvalidValue, None) => UsageFault::NoValue { option },
        (ErrorKind::InvalidValue, Some(value)) => UsageFault::NotAmong { option, value, possible },
        (ErrorKind::TooManyValues, Some(value)) => UsageFault::NeedlessValue { option, value },
        (ErrorKind::ArgumentConflict, _) => match context(ContextKind::PriorArg).map(first_word) {
            Some(other) if other != option => UsageFault::Conflict { one: option, other },
            _ => UsageFault::Twice { option },
        },
        (ErrorKind::InvalidUtf8, _) => UsageFault::NotUtf8,
        _ => {
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or_default();
            UsageFault::Other(repeated(first.strip_prefix("error: ").unwrap_or(first)))
        }
    }
}

/// An argument as it is typed, without what stands for its value: `--port` of `--port <PORT>`.
fn first_word(argument: &str) -> Printable {
    let word = argument.split([' ', '=']).next().unwrap_or_default();
    repeated(word.trim_matches(['[', ']', '<', '>', '.']))
}

/// The beginning of what was typed, to be shown in an error; nothing of what may be a part of an invite.
fn repeated(typed: &str) -> Printable {
    if resembles(typed) {
        return Printable::line("…");
    }
    match typed.char_indices().nth(REPEATED) {
        Some((end, _)) => Printable::line(&format!("{}…", typed.get(..end).unwrap_or_default())),
        None => Printable::line(typed),
    }
}

fn port(typed: &str) -> Result<u16, ValueError> {
    whole(typed).ok_or(ValueError::Port)
}

fn minutes<const MOST: u16>(typed: &str) -> Result<u16, ValueError> {
    whole(typed).filter(|minutes| (1..=MOST).contains(minutes)).ok_or(ValueError::Minutes { least: 1, most: MOST })
}

/// A number in digits alone, which may be those of an input method.
fn whole(typed: &str) -> Option<u16> {
    let typed: String = typed.nfkc().collect();
    typed.parse().ok().filter(|_| typed.bytes().all(|byte| byte.is_ascii_digit()))
}

fn ip(typed: &str) -> Result<IpAddr, ValueError> {
    typed.parse().map_err(|_| ValueError::Address)
}

/// A length of time such as `90s`, `1h 30m` or `7d`.
fn time(typed: &str) -> Result<Duration, ValueError> {
    let span: Span = typed.parse().map_err(|_| ValueError::Time)?;
    let time = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| ValueError::Time)?;
    let time = Duration::try_from(time).map_err(|_| ValueError::Time)?;
    let most = Duration::from_secs(u64::from(MOST_DAYS) * 24 * 60 * 60);
    if time <= most { Ok(time) } else { Err(ValueError::LongTime { most_days: MOST_DAYS }) }
}

/// A name for the partner, short enough to stand beside each of their messages.
fn called(typed: &str) -> Result<Printable, ValueError> {
    let name = Printable::line(typed.trim());
    let columns = widest(name.as_str());
    if (1..=NAME).contains(&columns) { Ok(name) } else { Err(ValueError::Name { most: NAME }) }
}

/// The pause between two records, from records per second.
fn interval(typed: &str) -> Result<Duration, ValueError> {
    let rate = typed.parse().ok().filter(|rate| RATES.contains(rate)).ok_or(ValueError::Rate)?;
    Ok(Duration::from_secs_f64(f64::recip(rate)))
}

/// The command that a word is, or is one slip of the finger away from.
fn near_command(word: &str) -> Option<&'static str> {
    let word = word.to_lowercase();
    COMMANDS.into_iter().find(|command| is_near(&word, command))
}

/// The arguments that are options or commands: those before `--`.
fn options(args: &[OsString]) -> impl Iterator<Item = &str> {
    args.iter().skip(1).map_while(|arg| (arg != "--").then_some(arg.to_str().unwrap_or_default()))
}

/// Whether a command line asks for JSON, found before the rest is read.
pub fn wants_json(args: &[OsString]) -> bool {
    options(args).any(|arg| arg == "--json")
}

/// Whether a command line wants nothing of the user's file, found before the rest is read. A program is asked for
/// nothing that its command line does not say.
pub fn wants_no_config(args: &[OsString]) -> bool {
    wants_json(args) || options(args).any(|arg| arg == "--no-config")
}

/// The language a command line asks for, found before the rest is read.
pub fn language(args: &[OsString]) -> Option<Lang> {
    let apart = options(args).skip_while(|arg| *arg != "--lang").nth(1);
    let value = apart.or_else(|| options(args).find_map(|arg| arg.strip_prefix("--lang=")))?;
    Lang::from_str(value, false).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::words;

    fn args(words: &[&str]) -> Vec<OsString> {
        ["tete"].iter().chain(words).map(OsString::from).collect()
    }

    fn read(line: &[&str], lang: Lang) -> Result<Cli, Stop> {
        parse(&args(line), lang, &Config::default())
    }

    /// What is wrong with a command line, in one language.
    fn told(line: &[&str], lang: Lang) -> String {
        match read(line, lang) {
            Err(Stop::Wrong(fault)) => words::fault(&fault, lang).0,
            _ => panic!("{line:?} is right"),
        }
    }

    #[test]
    fn help_is_chinese_where_the_rest_is() {
        for line in [&["--help"][..], &["help"], &["help", "send"], &["send", "--help"]] {
            let Err(Stop::Print(help)) = read(line, Lang::Zh) else { panic!("no help") };
            for english in ["Usage", "Options", "Arguments", "Commands", "PORT", "default", "possible"] {
                assert!(!help.contains(english), "{english}: {help}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_value_and_what_is_possible_in_both_languages() {
        for (line, en, zh) in [
            (
                &["--prot", "5"][..],
                "unknown option --prot; did you mean --port?",
                "没有 --prot 这个选项，是不是 --port？",
            ),
            (&["--bogus"], "unknown option --bogus", "没有 --bogus 这个选项"),
            (&["a", "1", "c"], "\"c\" is one argument too many", "多了一个参数：c"),
            (&["--port"], "--port needs a value", "--port 后面少了值"),
            (&["--plain=x"], "--plain takes no value, but \"x\" was given", "--plain 后面不用写值，却写了“x”"),
            (
                &["--port", "abc"],
                "--port cannot be \"abc\": a port is a number from 0 to 65535",
                "--port 不能是“abc”：端口是 0 到 65535 的数字",
            ),
            (
                &["--notify", "foo"],
                "--notify cannot be \"foo\"; it can be off, bell, desktop",
                "--notify 不能是“foo”，可以是 off、bell、desktop",
            ),
            (&["--lang", "fr"], "--lang cannot be \"fr\"; it can be en, zh", "--lang 不能是“fr”，可以是 en、zh"),
            (
                &["--bind", "localhost"],
                "--bind cannot be \"localhost\": an address is IPv4 or IPv6, without a port",
                "--bind 不能是“localhost”：地址是 IPv4 或 IPv6，不带端口",
            ),
            (
                &["--quiet-line", "500"],
                "--quiet-line cannot be \"500\": a rate is 0.25 to 50 records per second",
                "--quiet-line 不能是“500”：速率是每秒 0.25 到 50 个数据包",
            ),
            (
                &["--confirm-minutes", "31"],
                "--confirm-minutes cannot be \"31\": minutes are a whole number from 1 to 30",
                "--confirm-minutes 不能是“31”：分钟是 1 到 30 的整数",
            ),
            (
                &["--linger", "400d"],
                "--linger cannot be \"400d\": a time is at most 366d",
                "--linger 不能是“400d”：时间最长 366d",
            ),
            (
                &["--linger", "soon"],
                "--linger cannot be \"soon\": a time is written like 90s, 30m, 24h, 7d or 1h 30m",
                "--linger 不能是“soon”：时间写成 90s、30m、24h、7d 或 1h 30m 这样",
            ),
            (&["--tor", "--proxy", "x"], "--tor and --proxy do not go together", "--tor 和 --proxy 不能一起用"),
            (&["--port", "1", "--port", "2"], "--port is given more than once", "--port 写了不止一次"),
            (
                &["help", "me"],
                "COMMAND cannot be \"me\"; it can be host, join, send, receive, doctor, help",
                "命令 不能是“me”，可以是 host、join、send、receive、doctor、help",
            ),
        ] {
            assert_eq!((told(line, Lang::En).as_str(), told(line, Lang::Zh).as_str()), (en, zh));
        }
    }

    #[test]
    fn common_options_stand_before_a_command_or_after_it_and_exclude_each_other_across_it() {
        for line in [&["--json", "send", "x"][..], &["send", "--json", "x"], &["send", "x", "--json"]] {
            let Ok(cli) = read(line, Lang::En) else { panic!("{line:?}") };
            assert!(cli.common.json && matches!(cli.command, Some(Command::Send(_))));
        }
        let Ok(cli) = read(&["--confirm", "compare", "join", "x"], Lang::En) else { panic!("no command") };
        assert_eq!(cli.common.confirm, Confirm::Compare);
        assert_eq!(told(&["--tor", "join", "--proxy", "x"], Lang::En), "--tor and --proxy do not go together");
        assert_eq!(told(&["--proxy", "x", "host", "--onion"], Lang::En), "--onion and --proxy do not go together");
        for line in [&["--port", "1", "host"][..], &["--invite", "send", "x"], &["--invite-file", "x", "join"]] {
            assert!(told(line, Lang::En).contains("must come first"), "{line:?}");
        }
        assert_eq!(told(&["example.org", "send"], Lang::En), "\"send\" is not a port");
    }

    #[test]
    fn json_and_the_language_are_found_in_any_place_before_the_separator() {
        for line in [&["--json"][..], &["send", "x", "--json", "--no-such-option"], &["--port", "--json"]] {
            assert!(wants_json(&args(line)), "{line:?}");
        }
        assert!(!wants_json(&args(&["send", "--", "--json"])) && !wants_json(&args(&[])));
        assert_eq!(language(&args(&["send", "--lang", "zh", "x"])), Some(Lang::Zh));
        assert_eq!(language(&args(&["--bogus", "--lang=en"])), Some(Lang::En));
        assert_eq!(language(&args(&["--", "--lang", "zh"])), None);
        assert_eq!(language(&args(&["--lang", "xx"])), None);
    }

    #[test]
    fn a_slip_of_the_finger_in_a_command_is_recognised() {
        for (word, command) in [
            ("jion", "join"),
            ("jon", "join"),
            ("sned", "send"),
            ("Send", "send"),
            ("hosts", "host"),
            ("recieve", "receive"),
            ("docter", "doctor"),
            ("send", "send"),
        ] {
            assert_eq!(near_command(word), Some(command), "{word}");
        }
        for word in ["", "h", "laptop", "johnny", "example.org", "ohts", "192.0.2.1", "senders"] {
            assert_eq!(near_command(word), None, "{word}");
        }
    }

    #[test]
    fn a_port_is_read_in_the_digits_of_an_input_method() {
        assert_eq!([port("51423"), port("５１４２３")], [Ok(51_423); 2]);
        for bad in ["", "+1", "1.", "65536", "①②x"] {
            assert_eq!(port(bad), Err(ValueError::Port), "{bad}");
        }
    }

    #[test]
    fn times_and_rates_have_a_form_and_bounds() {
        assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(time("0s"), Ok(Duration::ZERO));
        assert_eq!(time("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(time("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(time("366d"), Ok(Duration::from_secs(366 * 86_400)));
        for bad in ["", "s", "90", "-1s", "99999999999999999999s", "1x", "1y", "2mo", "1s ago"] {
            assert_eq!(time(bad), Err(ValueError::Time), "{bad}");
        }
        assert_eq!(time("367d"), Err(ValueError::LongTime { most_days: 366 }));
        assert_eq!(interval("2"), Ok(Duration::from_millis(500)));
        assert_eq!(interval("0.25"), Ok(Duration::from_secs(4)));
        for bad in ["0", "0.2", "51", "-1", "NaN", "inf", "fast", ""] {
            assert_eq!(interval(bad), Err(ValueError::Rate), "{bad}");
        }
    }

    #[test]
    fn the_names_of_the_commands_are_those_of_the_parser_and_each_has_help() {
        let commands: Vec<_> = grammar().get_subcommands().map(|command| command.get_name().to_owned()).collect();
        assert_eq!(commands, COMMANDS);
        for name in COMMANDS {
            assert!(matches!(read(&["help", name], Lang::En), Err(Stop::Print(_))), "{name}");
        }
    }

    fn help(line: &[&str]) -> String {
        match read(line, Lang::En) {
            Err(Stop::Print(text)) => text,
            _ => panic!("{line:?} prints no help"),
        }
    }

    #[test]
    fn a_command_lists_and_takes_only_the_options_that_do_something_with_it() {
        let common = Common::augment_args(clap::Command::new(""));
        let takes = |arg: &clap::Arg| arg.get_action().takes_values();
        for (command, useless) in USELESS {
            for arg in common.get_arguments().filter(|arg| !["help", "version"].contains(&arg.get_id().as_str())) {
                let long = arg.get_long().unwrap();
                let does_nothing = useless.iter().any(|id| arg.get_id() == id);
                assert_eq!(
                    !help(&[command, "--help"]).contains(&format!("--{long} ")),
                    does_nothing,
                    "{command} {long}"
                );
                if does_nothing {
                    let option = format!("--{long}");
                    let value = arg.get_possible_values().first().map_or("1", |value| value.get_name()).to_owned();
                    let value = if long.contains("after") || long == "linger" { "1s".to_owned() } else { value };
                    let mut line = vec![option.as_str()];
                    line.extend(takes(arg).then_some(value.as_str()));
                    // Before the command and behind it.
                    for line in [[&[command], &line[..]].concat(), [&line[..], &[command]].concat()] {
                        assert_eq!(told(&line, Lang::En), format!("{option} does nothing with tete {command}"));
                    }
                }
            }
        }
    }

    #[test]
    fn the_short_help_is_a_part_of_the_long_one_and_fits_a_screen() {
        for command in [&[][..], &["host"], &["join"], &["send"], &["receive"], &["doctor"]] {
            let (short, long) = (help(&[command, &["-h"]].concat()), help(&[command, &["--help"]].concat()));
            assert!(short.lines().count() <= 24 && short.lines().count() < long.lines().count(), "{short}");
            for option in short.split_whitespace().filter(|word| word.starts_with("--")) {
                assert!(long.contains(option), "{option}");
            }
            assert!(short.contains("--help"), "{short}");
        }
    }
}
