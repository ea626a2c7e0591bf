//! The command line.

use std::ffi::OsString;
use std::net::IpAddr;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::ui::messages::{HelpTexts, Lang};

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

/// Reads the command line; help is in `lang`.
pub fn parse(args: impl IntoIterator<Item = OsString>, lang: Lang) -> Result<Cli, Stop> {
    let words = HelpTexts::of(lang);
    let at = |command: clap::Command| {
        command.mut_arg("port", |arg| arg.help(words.port)).mut_arg("bind", |arg| arg.help(words.bind))
    };
    let to = |command: clap::Command| {
        command.mut_arg("host", |arg| arg.help(words.address)).mut_arg("peer_port", |arg| arg.help(words.peer_port))
    };
    let command = to(at(Cli::command()))
        .about(words.about)
        .after_help(words.after)
        .mut_arg("confirm", |arg| arg.help(words.confirm))
        .mut_arg("confirm_minutes", |arg| arg.help(words.confirm_minutes))
        .mut_arg("linger", |arg| arg.help(words.linger))
        .mut_arg("close_after", |arg| arg.help(words.close_after))
        .mut_arg("quiet_line", |arg| arg.help(words.quiet_line))
        .mut_arg("plain", |arg| arg.help(words.plain))
        .mut_arg("json", |arg| arg.help(words.json))
        .mut_arg("lock", |arg| arg.help(words.lock))
        .mut_arg("notify", |arg| arg.help(words.notify))
        .mut_arg("lang", |arg| arg.help(words.lang))
        .mut_arg("help", |arg| arg.help(words.help))
        .mut_arg("version", |arg| arg.help(words.version))
        .mut_subcommand("host", |command| at(command).about(words.host))
        .mut_subcommand("join", |command| to(command).about(words.join));
    command.try_get_matches_from(args).and_then(|matches| Cli::from_arg_matches(&matches)).map_err(|error| {
        let text = error.render().to_string();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Print(text),
            _ => {
                let first = text.lines().next().unwrap_or_default();
                Stop::Wrong(first.strip_prefix("error: ").unwrap_or(first).to_owned())
            }
        }
    })
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
