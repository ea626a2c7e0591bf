//! Parse, run, exit code.
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use tete::address::{Address, PORT};
use tete::cli::{self, At, Cli, Command, Stop, To};
use tete::harden::harden;
use tete::protocol::session::Settings;
use tete::room::files::FileOptions;
use tete::room::{self, Confirm, Errand, Options};
use tete::ui::counter;
use tete::ui::guard::TerminalGuard;
use tete::ui::json;
use tete::ui::line::{self, ask_address, output_is_closed, print_fault};
use tete::ui::messages::{Fault, Lang};
use tete::ui::printable::Printable;
use tete::ui::tui;
use tete::ui::tui::state::{self, Notify};

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
    let (errand, to_stdout) = errand(&cli.command);
    let errands = !matches!(errand, Errand::Talk);
    let options = Options {
        confirm: match cli.common.confirm {
            cli::Confirm::Type => Confirm::Type,
            cli::Confirm::Compare => Confirm::Compare,
        },
        settings: Settings {
            confirmation: Duration::from_secs(60 * u64::from(cli.common.confirm_minutes)),
            linger: cli.common.linger,
            cover: cli.common.quiet_line,
        },
        close_after: cli.common.close_after,
        files: FileOptions {
            save_to: cli.common.save_to.clone(),
            auto_accept: cli.common.auto_accept || matches!(errand, Errand::Receive),
            executable: cli.common.executable,
            nobody: errands || screen.is_none() && !std::io::stdin().is_terminal() && !cli.common.json,
            to_stdout,
        },
        errand,
    };
    if output_is_closed() {
        return Err(Fault::Output(Printable::line("it is closed")));
    }
    let what = what(cli, lang)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| system(&error.to_string()))?;
    let ui = match screen {
        _ if to_program => json::start(),
        _ if errands => counter::start(lang).map_err(|_| Fault::NoTerminal)?,
        None => line::start(lang),
        Some(screen) => tui::start(lang, screen, terminal).map_err(|error| system(&error.to_string()))?,
    };
    let result = runtime.block_on(async {
        match what {
            What::Host(at) => room::host(ui, options, at.bind, at.port.unwrap_or(PORT)).await,
            What::Join(address) => room::join(ui, options, address).await,
        }
    });
    // A lookup or a read of standard input may still block a thread.
    runtime.shutdown_background();
    result
}

/// How the full screen is to be, where there can be one.
fn screen(common: &cli::Common) -> Option<state::Options> {
    let able = std::env::var("TERM").is_ok_and(|term| !term.is_empty() && term != "dumb");
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    (able && terminal && !common.plain).then(|| state::Options {
        lock: common.lock.map(|minutes| Duration::from_secs(60 * u64::from(minutes))),
        notify: match common.notify {
            cli::Notify::Off => Notify::Off,
            cli::Notify::Bell => Notify::Bell,
            cli::Notify::Desktop => Notify::Desktop,
        },
    })
}

enum What {
    Host(At),
    Join(Address),
}

/// What a room is opened for, and whether what comes goes to standard output.
fn errand(command: &Option<Command>) -> (Errand, bool) {
    match command {
        Some(Command::Send(send)) => {
            let input = send.paths.is_empty() || send.paths.iter().any(|path| path.as_os_str() == "-");
            (if input { Errand::SendInput(send.name.clone()) } else { Errand::Send(send.paths.clone()) }, false)
        }
        Some(Command::Receive(receive)) => (Errand::Receive, receive.stdout),
        _ => (Errand::Talk, false),
    }
}

fn what(cli: Cli, lang: Lang) -> Result<What, Fault> {
    let (to, at) = match cli.command {
        Some(Command::Host(at)) => return Ok(What::Host(at)),
        Some(Command::Join(to)) => return join(to, lang),
        Some(Command::Send(send)) => (To { host: send.to, peer_port: None }, send.at),
        Some(Command::Receive(receive)) => (receive.to, receive.at),
        None => (cli.to, cli.at),
    };
    match to.host {
        None => Ok(What::Host(at)),
        Some(_) if at.port.is_some() || at.bind.is_some() => Err(Fault::HostOptions),
        Some(_) => join(to, lang),
    }
}

fn join(to: To, lang: Lang) -> Result<What, Fault> {
    let host = to.host.or_else(|| ask_address(lang)).ok_or(Fault::NoAddress)?;
    let (host, port) = match (host.split_whitespace().collect::<Vec<_>>().as_slice(), &to.peer_port) {
        ([host, port], None) => ((*host).to_owned(), Some((*port).to_owned())),
        _ => (host, to.peer_port),
    };
    Address::parse(&host, port.as_deref()).map(What::Join).map_err(Fault::Address)
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
