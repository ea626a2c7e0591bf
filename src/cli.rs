//! The command line.

use std::ffi::OsString;
use std::net::IpAddr;

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
