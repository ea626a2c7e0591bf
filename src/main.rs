//! Parse, run, exit code.
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, ErrorKind, IsTerminal as _, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tete::address::{Address, BadAddress, PORT, Proxy};
use tete::cli::{self, At, Cli, Command, Doctor, Stop, To};
use tete::harden::harden;
use tete::interface::RELAYS;
use tete::interface::fault::Fault;
use tete::printable::Printable;
use tete::protocol::invite::{Invite, LONGEST, MARK};
use tete::protocol::session::Settings;
use tete::room::doctor::{DoctorOptions, doctor};
use tete::room::files::{FileOptions, QUEUE, check_input, check_paths};
use tete::room::{self, Confirm, HostOptions, JoinTarget, Options, Task, reason};
use tete::store::folder::Folder;
use tete::transport::tor::{Source, TorGate, onion_key};
use tete::transport::way::Outside;
use tete::ui::guard::{TerminalGuard, is_dumb};
use tete::ui::json;
use tete::ui::line::{self, ask_address, output_is_closed, print_fault};
use tete::ui::transfer;
use tete::ui::tui;
use tete::ui::tui::state::{self, Notify};
use tete::ui::words::Lang;
use zeroize::Zeroizing;

/// Bytes of the longest configuration that is handed to a tor.
const TOR_CONFIG: u64 = 1 << 20;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let lang = cli::language(&args).unwrap_or_else(|| Lang::of_locale(|name| std::env::var(name).ok()));
    let terminal = TerminalGuard::new();
    restore_on_panic(&terminal);
    let result = run(args, lang, &terminal);
    terminal.restore();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            print_fault(&fault, lang);
            ExitCode::from(fault.code())
        }
    }
}

fn run(args: Vec<OsString>, lang: Lang, terminal: &TerminalGuard) -> Result<(), Fault> {
    let system = |why: &str| Fault::System(Printable::line(why));
    harden().map_err(|error| system(&error.to_string()))?;
    let cli = match cli::parse(args, lang) {
        Ok(cli) => cli,
        Err(Stop::Print(text)) => {
            let _ = std::io::stdout().write_all(text.as_bytes());
            return Ok(());
        }
        Err(Stop::Wrong(why)) => return Err(Fault::CommandLine(Printable::line(&why))),
    };
    let (screen, to_program) = (screen(&cli.common), cli.common.json);
    let (task, to_stdout) = task(&cli.command)?;
    if to_program && (to_stdout || matches!(task, Task::SendInput(_))) {
        return Err(Fault::JsonAndStream);
    }
    let errands = !matches!(task, Task::Talk);
    let shown = screen.is_some() && !to_program && !errands && !matches!(cli.command, Some(Command::Doctor(_)));
    if cli.common.lock.is_some() && !shown {
        return Err(Fault::NoScreenToLock);
    }
    let options = Options {
        confirm: match cli.common.confirm {
            cli::Confirm::Type => Confirm::Type,
            cli::Confirm::Compare => Confirm::Compare,
        },
        settings: Settings {
            confirmation: Duration::from_secs(60 * u64::from(cli.common.confirm_minutes)),
            linger: cli.common.linger,
            cover: cli.common.quiet_line,
            tor: false,
        },
        close_after: cli.common.close_after,
        files: FileOptions {
            save_to: cli.common.save_to.clone(),
            auto_accept: cli.common.auto_accept || matches!(task, Task::Receive),
            executable: cli.common.executable,
            nobody: errands || screen.is_none() && !std::io::stdin().is_terminal() && !cli.common.json,
            to_stdout,
        },
        task,
    };
    if output_is_closed() {
        return Err(Fault::Output(Printable::line("it is closed")));
    }
    if !to_stdout && (options.files.save_to.is_some() || options.files.auto_accept) {
        let place = options.files.place();
        Folder::check(&place).map_err(|error| Fault::Folder {
            path: Printable::line(&place.to_string_lossy()),
            why: Printable::line(&reason(&error)),
        })?;
    }
    check_sendable(&options.task)?;
    let outside = outside(&cli.common)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| system(&error.to_string()))?;
    let side = match what(cli, lang)? {
        What::Room(side) => side,
        What::Doctor(case) => {
            let print = if to_program { json::print_finding } else { line::print_finding };
            let result = runtime.block_on(doctor(case, outside, |finding| drop(print(finding, lang))));
            runtime.shutdown_background();
            return result;
        }
    };
    let ui = match screen {
        _ if to_program => json::start(),
        _ if errands => transfer::start(lang, side.is_by_code()).map_err(|_| Fault::NoTerminal)?,
        None => line::start(lang).map_err(|error| system(&error.to_string()))?,
        Some(screen) => tui::start(lang, screen, terminal).map_err(|error| system(&error.to_string()))?,
    };
    let result = runtime.block_on(async {
        match side {
            Side::Host(at) => room::host(ui, options, at, outside).await,
            Side::Join(to) => room::join(ui, options, to, outside).await,
        }
    });
    // A lookup or a read of standard input may still block a thread.
    runtime.shutdown_background();
    result
}

/// How the full screen is to be, where there can be one.
fn screen(common: &cli::Common) -> Option<state::Options> {
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    (!is_dumb() && terminal && !common.plain).then(|| state::Options {
        lock: common.lock.map(|minutes| Duration::from_secs(60 * u64::from(minutes))),
        notify: match common.notify {
            cli::Notify::Off => Notify::Off,
            cli::Notify::Bell => Notify::Bell,
            cli::Notify::Desktop => Notify::Desktop,
        },
    })
}

enum What {
    Room(Side),
    Doctor(DoctorOptions),
}

enum Side {
    Host(HostOptions),
    Join(JoinTarget),
}

impl Side {
    /// Whether two people have to check a code.
    fn is_by_code(&self) -> bool {
        match self {
            Self::Host(at) => !at.invite,
            Self::Join(to) => matches!(to, JoinTarget::Address(_)),
        }
    }
}

/// What a room is opened for, and whether what comes goes to standard output.
fn task(command: &Option<Command>) -> Result<(Task, bool), Fault> {
    Ok(match command {
        Some(Command::Send(send)) => {
            let input = send.paths.iter().any(|path| path.as_os_str() == "-");
            match send.paths.len() {
                2.. if input => return Err(Fault::InputAndMore),
                0 if std::io::stdin().is_terminal() => return Err(Fault::NothingToSend),
                1.. if !input => (Task::Send(send.paths.clone()), false),
                _ => (Task::SendInput(send.name.clone()), false),
            }
        }
        Some(Command::Receive(receive)) => (Task::Receive, receive.stdout),
        _ => (Task::Talk, false),
    })
}

/// Refuses what cannot be sent before anybody is waited for or called.
fn check_sendable(task: &Task) -> Result<(), Fault> {
    let refused = match task {
        Task::Send(paths) if paths.len() > QUEUE => return Err(Fault::TooManyPaths { limit: QUEUE }),
        Task::Send(paths) => check_paths(paths),
        Task::SendInput(name) => check_input(name).into_iter().collect(),
        Task::Talk | Task::Receive => Vec::new(),
    };
    if refused.is_empty() { Ok(()) } else { Err(Fault::CannotSend { paths: refused }) }
}

/// How this machine reaches others.
fn outside(common: &cli::Common) -> Result<Outside, Fault> {
    let proxy = common.proxy.as_deref().map(Proxy::parse).transpose().map_err(Fault::Proxy)?;
    let source = match &common.tor_control {
        Some(at) if is_control(at) => Source::Running(at.clone()),
        Some(at) => return Err(Fault::TorControl(Printable::line(at))),
        None => Source::Own(common.tor_config.as_deref().map(tor_config).transpose()?),
    };
    let tor = TorGate::new(source, common.tor);
    Ok(Outside { proxy, tor, ..Outside::default() })
}

/// Whether a tor can be reached there: an absolute path, or a host and a port.
fn is_control(at: &str) -> bool {
    let host = at.rsplit_once(':').map(|(host, _)| host);
    let both = host.is_some_and(|host| !host.contains(':') || host.ends_with(']')) && Address::parse(at, None).is_ok();
    at.starts_with('/') || both
}

/// The lines in a file for the configuration of a tor that is started.
fn tor_config(path: &Path) -> Result<String, Fault> {
    let mut lines = String::new();
    let read = File::open(path).and_then(|file| file.take(TOR_CONFIG + 1).read_to_string(&mut lines));
    let read =
        read.and_then(|count| if count as u64 > TOR_CONFIG { Err(ErrorKind::FileTooLarge.into()) } else { Ok(()) });
    let path = Printable::line(&path.to_string_lossy());
    read.map(|()| lines).map_err(|error| Fault::TorConfig { path, why: Printable::line(&reason(&error)) })
}

fn what(cli: Cli, lang: Lang) -> Result<What, Fault> {
    let (tor, lan) = (cli.common.tor, cli.common.lan);
    // After an option a command is taken for a host.
    if let Some(word) = cli.to.host.as_deref().filter(|word| cli::is_command(word)) {
        return Err(Fault::WordFirst(Printable::line(word)));
    }
    let (to, at) = match cli.command {
        Some(Command::Host(at)) => (To::default(), at),
        Some(Command::Join(to)) => return join(to, lan, lang),
        Some(Command::Send(send)) => (To { host: send.to, peer_port: None, invite_file: send.invite_file }, send.at),
        Some(Command::Receive(receive)) => (receive.to, receive.at),
        Some(Command::Doctor(doctor)) => return examine(doctor, lan, lang),
        None => (cli.to, cli.at),
    };
    let waits = at.port.is_some() || at.bind.is_some() || at.invite || at.onion || !at.relay.is_empty();
    match (&to.host, &to.invite_file) {
        (None, None) => host(at, tor, lan),
        _ if waits => Err(Fault::HostOptions),
        _ => join(to, lan, lang),
    }
}

fn host(at: At, tor: bool, lan: bool) -> Result<What, Fault> {
    let relays = relays(&at.relay)?;
    let port = at.port.unwrap_or(PORT);
    if !at.invite && !tor && (at.onion || lan || !at.relay.is_empty()) {
        return Err(Fault::NeedsInvite);
    }
    let (invite, map) = (at.invite || tor, !at.no_map);
    Ok(What::Room(Side::Host(HostOptions { bind: at.bind, port, invite, relays, onion: at.onion, map, lan })))
}

fn examine(doctor: Doctor, lan: bool, lang: Lang) -> Result<What, Fault> {
    let goes = doctor.to.host.is_some() || doctor.to.invite_file.is_some();
    let to = if goes { Some(target(doctor.to, lan, lang)?) } else { None };
    let (bind, port, map) = (doctor.bind, doctor.port.unwrap_or(PORT), !doctor.no_map);
    Ok(What::Doctor(DoctorOptions { bind, port, map, lan, relays: relays(&doctor.relay)?, to }))
}

fn relays(named: &[String]) -> Result<Vec<Address>, Fault> {
    if named.len() > RELAYS {
        return Err(Fault::TooManyRelays);
    }
    named.iter().map(|text| address(text, None)).collect()
}

/// An address, and where it is that of an onion service one that can be.
fn address(text: &str, port: Option<&str>) -> Result<Address, Fault> {
    let address = Address::parse(text, port).map_err(Fault::Address)?;
    let mistyped = address.onion().is_some_and(|id| onion_key(id).is_none());
    if mistyped { Err(Fault::Address(BadAddress::Onion)) } else { Ok(address) }
}

fn join(to: To, lan: bool, lang: Lang) -> Result<What, Fault> {
    let joins_by_address = |to: &JoinTarget| matches!(to, JoinTarget::Address(_));
    match target(to, lan, lang)? {
        to if lan && joins_by_address(&to) => Err(Fault::NeedsInvite),
        to => Ok(What::Room(Side::Join(to))),
    }
}

/// Where somebody goes.
fn target(to: To, lan: bool, lang: Lang) -> Result<JoinTarget, Fault> {
    let invite = |line: &str| Ok(JoinTarget::Invite { invite: Invite::read(line).map_err(Fault::Invite)?, lan });
    if let Some(file) = to.invite_file {
        let typed = file.as_os_str() == "-" && std::io::stdin().is_terminal();
        let line = if typed { ask_address(lang).ok_or(Fault::NoAddress) } else { invite_in(&file) };
        return invite(&line?);
    }
    if to.host.as_deref().is_some_and(is_invite) {
        return Err(Fault::InviteInArguments);
    }
    let host = to.host.map(Zeroizing::new).or_else(|| ask_address(lang)).ok_or(Fault::NoAddress)?;
    if is_invite(&host) {
        return invite(&host);
    }
    let (host, port) = match (host.split_whitespace().collect::<Vec<_>>().as_slice(), &to.peer_port) {
        ([host, port], None) => ((*host).to_owned(), Some((*port).to_owned())),
        _ => (host.as_str().to_owned(), to.peer_port),
    };
    address(&host, port.as_deref()).map(JoinTarget::Address)
}

/// Longer than a host name may be, and begins like an invite.
fn is_invite(text: &str) -> bool {
    text.trim_start().starts_with(MARK) && text.len() > 40 && !text.contains('.')
}

fn invite_in(file: &Path) -> Result<Zeroizing<String>, Fault> {
    let mut line = Zeroizing::new(String::with_capacity(2 * LONGEST));
    let read = if file.as_os_str() == "-" {
        std::io::stdin().lock().take(LONGEST as u64).read_line(&mut line).map(|_| ())
    } else {
        File::open(file).and_then(|file| file.take(2 * LONGEST as u64).read_to_string(&mut line)).map(|_| ())
    };
    read.map_err(|error| Fault::InviteFile(Printable::line(&reason(&error))))?;
    Ok(line)
}

/// A panic is a bug of ours; the terminal must not suffer from it, nor show what was in memory.
fn restore_on_panic(terminal: &TerminalGuard) {
    let terminal = terminal.clone();
    std::panic::set_hook(Box::new(move |info| {
        terminal.restore();
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(std::io::stderr(), "tete: internal error at {place}; please report it");
    }));
}
