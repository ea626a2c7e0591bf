//! Parse, run, exit code.
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _, stderr, stdin, stdout};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use tete::cli::config::Config;
use tete::cli::plan::{Front, Plan, Surroundings, What, is_in_hosts, plan};
use tete::cli::{self, Stop};
use tete::harden::{check_files, harden};
use tete::interface::UserChannels;
use tete::interface::fault::Fault;
use tete::room;
use tete::room::doctor::doctor;
use tete::room::signals::Signals;
use tete::system::SystemError;
use tete::thread;
use tete::ui::guard::{TerminalGuard, is_dumb};
use tete::ui::line::{self, ask_address, output_is_closed, print_fault};
use tete::ui::words::Lang;
use tete::ui::{json, transfer, tui};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let config = if cli::wants_no_config(&args) { Ok(Config::default()) } else { Config::read() };
    let set = config.as_ref().ok().and_then(Config::lang);
    let lang = cli::language(&args).or(set).unwrap_or_else(|| Lang::of_locale(|name| std::env::var(name).ok()));
    let terminal = TerminalGuard::new();
    restore_on_panic(&terminal);
    let result =
        catch_unwind(AssertUnwindSafe(|| run(&args, lang, config, &terminal))).unwrap_or(Err(Fault::Interface));
    terminal.restore();
    if cli::wants_json(&args) {
        json::print_end(&result);
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            print_fault(&fault, lang);
            ExitCode::from(fault.code())
        }
    }
}

fn run(args: &[OsString], lang: Lang, config: Result<Config, Fault>, terminal: &TerminalGuard) -> Result<(), Fault> {
    let Some((plan, runtime)) = prepare(args, lang, config)? else { return Ok(()) };
    let Plan { what, options, egress, front } = plan;
    let result = match what {
        What::Doctor(case) => {
            let print = if let Front::Json = front { json::print_finding } else { line::print_finding };
            runtime.block_on(doctor(case, egress, |finding| drop(print(finding, lang))))
        }
        What::Host(at) => {
            let user = start(front, lang, terminal)?;
            runtime.block_on(room::host(user, options, at, egress))
        }
        What::Join(to) => {
            let user = start(front, lang, terminal)?;
            runtime.block_on(room::join(user, options, to, egress))
        }
    };
    // Nothing waits for what still runs.
    runtime.shutdown_background();
    result
}

/// What is to be done, and the runtime for it. `None` where help was printed instead.
fn prepare(args: &[OsString], lang: Lang, config: Result<Config, Fault>) -> Result<Option<(Plan, Runtime)>, Fault> {
    harden().map_err(|error| system(error.into()))?;
    // Help and complaints about the command line need no options of the file.
    let (config, unread) = config.map_or_else(|fault| (Config::default(), Some(fault)), |config| (config, None));
    let cli = match cli::parse(args, lang, &config) {
        Ok(cli) => cli,
        Err(Stop::Print(text)) => {
            let _ = stdout().write_all(text.as_bytes());
            return Ok(None);
        }
        Err(Stop::Wrong(fault)) => return Err(fault),
    };
    if let Some(fault) = unread {
        return Err(fault);
    }
    check_files().map_err(|error| system(error.into()))?;
    if output_is_closed() {
        return Err(Fault::Output(SystemError::Closed));
    }
    let ask = match lang {
        Lang::En => || ask_address(Lang::En),
        Lang::Zh => || ask_address(Lang::Zh),
    };
    let (typed, seen) = (stdin().is_terminal(), stdout().is_terminal());
    let around = Surroundings { typed, seen, capable: !is_dumb(), knows: is_in_hosts, ask };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(system)?;
    let plan = runtime.block_on(planned(cli, around))?;
    Ok(Some((plan, runtime)))
}

/// What is to be done. A file that an option names may keep the program waiting, and the user may be asked, until a
/// signal comes.
async fn planned(cli: cli::Cli, around: Surroundings) -> Result<Plan, Fault> {
    let mut signals = Signals::new().map_err(system)?;
    let (tell, planned) = oneshot::channel();
    let planning = move || drop(tell.send(plan(cli, around)));
    thread::start(planning).map_err(system)?;
    tokio::select! {
        planned = planned => planned.unwrap_or(Err(Fault::Interface)),
        () = signals.recv() => Err(Fault::NobodyCame),
    }
}

/// Starts the front end.
fn start(front: Front, lang: Lang, terminal: &TerminalGuard) -> Result<UserChannels, Fault> {
    match front {
        Front::Json => json::start().map_err(system),
        Front::Transfer { code, call } => transfer::start(lang, code, call),
        Front::Lines { call } => line::start(lang, call).map_err(system),
        Front::Screen(options) => tui::start(lang, options, terminal).map_err(system),
    }
}

fn system(error: std::io::Error) -> Fault {
    Fault::System(error.into())
}

/// A panic is a bug of ours; the terminal must not suffer from it, nor show what was in memory.
fn restore_on_panic(terminal: &TerminalGuard) {
    let terminal = terminal.clone();
    std::panic::set_hook(Box::new(move |info| {
        terminal.restore();
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(stderr(), "tete: internal error at {place}; please report it");
    }));
}
