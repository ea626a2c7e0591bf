//! What a command line asks for, looked at before anybody else is involved.

use std::fs::File;
use std::io::{self, BufRead as _, ErrorKind, Read as _};
use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use super::{At, Cli, Command, Common, Doctor, To, near_command, repeated};
use crate::address::{Address, AddressError, PORT, Proxy};
use crate::interface::RELAYS;
use crate::interface::fault::Fault;
use crate::printable::Printable;
use crate::protocol::invite::{Invite, InviteError, LONGEST, MARK, resembles};
use crate::protocol::session::Settings;
use crate::room::doctor::DoctorOptions;
use crate::room::files::{FileOptions, QUEUE, check_input, check_paths};
use crate::room::{HostOptions, JoinTarget, Options, Task};
use crate::store::folder::Folder;
use crate::transport::tor::{Source, TorGate, onion_key};
use crate::transport::way::Egress;
use crate::ui::tui::state;

/// Bytes of the longest configuration that is handed to a tor.
const TOR_CONFIG: u64 = 1 << 20;
/// The file of the machines that this one knows by itself.
const HOSTS: &str = "/etc/hosts";
/// The name of this machine wherever there is no such file (RFC 6761).
const LOCALHOST: &str = "localhost";
/// Bytes beyond which a word that begins like an invite is taken for one.
const SHORT: usize = 40;

/// The parts of the program's surroundings that a command line's meaning depends on.
#[derive(Clone, Copy)]
pub struct Surroundings {
    /// Standard input is a terminal.
    pub typed: bool,
    /// Standard output is a terminal.
    pub seen: bool,
    /// The terminal can show a full screen.
    pub capable: bool,
    /// Whether this machine knows a name without asking another.
    pub knows: fn(&str) -> bool,
    /// Asks the user where to go. `None` where nobody can be asked.
    pub ask: fn() -> Option<Zeroizing<String>>,
}

/// Everything that a run does.
pub struct Plan {
    /// What the program is run for.
    pub what: What,
    /// Choices that hold for both sides of a room.
    pub options: Options,
    /// How this machine reaches others.
    pub egress: Egress,
    /// What the user sits at.
    pub front: Front,
}

/// What the program is run for.
pub enum What {
    /// Opens a room.
    Host(HostOptions),
    /// Joins one.
    Join(JoinTarget),
    /// Looks at what works here.
    Doctor(DoctorOptions),
}

/// What the user sits at.
pub enum Front {
    /// Behind a program, by JSON.
    Json,
    /// At a terminal, while files go through standard input and output.
    Transfer {
        /// A code has to be checked there.
        code: bool,
        /// What the partner is called.
        call: Option<Printable>,
    },
    /// At a terminal in lines, or behind a pipe.
    Lines {
        /// What the partner is called.
        call: Option<Printable>,
    },
    /// At a full screen.
    Screen(state::Options),
}

/// Reads what a command line asks for, and refuses what can be known to fail before anybody listens or connects.
pub fn plan(cli: Cli, around: Surroundings) -> Result<Plan, Fault> {
    let common = &cli.common;
    let (task, to_stdout) = task(&cli.command, around)?;
    if common.json && (to_stdout || matches!(task, Task::SendInput(_))) {
        return Err(Fault::JsonAndStream);
    }
    let files_only = !matches!(task, Task::Talk);
    let talks = !files_only && !common.json && !matches!(cli.command, Some(Command::Doctor(_)));
    let screen = screen(common, around).filter(|_| talks);
    if common.lock.is_some() && !common.lock_is_preset && screen.is_none() {
        return Err(Fault::NoScreenToLock);
    }
    let options = Options {
        confirm: common.confirm,
        settings: Settings {
            confirmation: Duration::from_secs(60 * u64::from(common.confirm_minutes)),
            linger: common.linger,
            cover: common.quiet_line,
            tor: false,
        },
        close_after: common.close_after,
        files: FileOptions {
            save_to: common.save_to.clone(),
            auto_accept: common.auto_accept || matches!(task, Task::Receive),
            executable: common.executable,
            nobody: files_only || screen.is_none() && !around.typed && !common.json,
            to_stdout,
        },
        task,
    };
    check_folder(&options.files)?;
    check_sendable(&options.task)?;
    let egress = egress(common)?;
    let (json, call) = (common.json, common.call.clone());
    let what = what(cli, around)?;
    let front = match screen {
        _ if json => Front::Json,
        _ if files_only => Front::Transfer { code: what.is_by_code(), call },
        None => Front::Lines { call },
        Some(options) => Front::Screen(options),
    };
    Ok(Plan { what, options, egress, front })
}

impl What {
    /// Whether two people have to check a code.
    fn is_by_code(&self) -> bool {
        match self {
            Self::Host(at) => !at.invite,
            Self::Join(to) => matches!(to, JoinTarget::Address(_)),
            Self::Doctor(_) => false,
        }
    }
}

/// The full screen's options, where there can be a full screen.
fn screen(common: &Common, around: Surroundings) -> Option<state::Options> {
    (around.capable && around.typed && around.seen && !common.plain).then(|| state::Options {
        lock: common.lock.map(|minutes| Duration::from_secs(60 * u64::from(minutes))),
        notify: common.notify,
        call: common.call.clone(),
    })
}

/// What a room is opened for, and whether what comes goes to standard output.
fn task(command: &Option<Command>, around: Surroundings) -> Result<(Task, bool), Fault> {
    Ok(match command {
        Some(Command::Send(send)) => {
            let input = send.paths.iter().any(|path| path.as_os_str() == "-");
            match send.paths.len() {
                2.. if input => return Err(Fault::InputAndMore),
                0 if around.typed => return Err(Fault::NothingToSend),
                1.. if !input => (Task::Send(send.paths.clone()), false),
                _ => (Task::SendInput(send.name.clone()), false),
            }
        }
        Some(Command::Receive(receive)) => (Task::Receive, receive.stdout),
        _ => (Task::Talk, false),
    })
}

/// Refuses a folder that was named, or is stored in without a question, and cannot be.
fn check_folder(files: &FileOptions) -> Result<(), Fault> {
    if files.to_stdout || files.save_to.is_none() && !files.auto_accept {
        return Ok(());
    }
    let place = files.place();
    Folder::check(&place)
        .map_err(|error| Fault::Folder { path: Printable::line(&place.to_string_lossy()), why: error.into() })
}

/// Refuses what cannot be sent.
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
fn egress(common: &Common) -> Result<Egress, Fault> {
    let proxy = common.proxy.as_deref().map(Proxy::parse).transpose().map_err(Fault::Proxy)?;
    let source = match &common.tor_control {
        Some(at) if is_control(at) => Source::Running(at.clone()),
        Some(at) => return Err(Fault::TorControl(repeated(at))),
        None => Source::Own(common.tor_config.as_deref().map(tor_config).transpose()?),
    };
    let tor = TorGate::new(source, common.tor);
    Ok(Egress { proxy, tor, ..Egress::default() })
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
    read.map(|()| lines).map_err(|error| Fault::TorConfig { path, why: error.into() })
}

fn what(cli: Cli, around: Surroundings) -> Result<What, Fault> {
    let (tor, lan) = (cli.common.tor, cli.common.lan);
    let (to, at) = match cli.command {
        Some(Command::Host(at)) => (To::default(), at),
        Some(Command::Join(to)) => return join(to, lan, around),
        Some(Command::Send(send)) => (To { host: send.to, peer_port: None, invite_file: send.invite_file }, send.at),
        Some(Command::Receive(receive)) => (receive.to, receive.at),
        Some(Command::Doctor(doctor)) => return examine(doctor, lan, around),
        None => {
            // A slip of the finger must not be looked up as a host.
            if let Some((word, command)) = cli.to.host.as_deref().and_then(|word| Some((word, near_command(word)?))) {
                return Err(Fault::NearCommand { word: repeated(word), command });
            }
            if let (Some(word), None) = (cli.to.host.as_deref(), &cli.to.peer_port)
                && is_lone(word)
                && !(around.knows)(word)
            {
                return Err(Fault::LoneWord { word: repeated(word) });
            }
            (cli.to, cli.at)
        }
    };
    let waits = at.port.is_some() || at.bind.is_some() || at.invite || at.onion || !at.relay.is_empty();
    match (&to.host, &to.invite_file) {
        (None, None) => host(at, tor, lan),
        _ if waits => Err(Fault::HostOptions),
        _ => join(to, lan, around),
    }
}

/// Whether a word is a name without a dot, and neither an address nor an invite.
fn is_lone(word: &str) -> bool {
    let leads = |address: Address| address.host.contains(['.', ':']) || word.contains(':');
    Address::parse(word, None).is_ok_and(|address| !leads(address)) && !resembles(word)
}

/// Whether a name stands in the file of the machines that this one knows by itself (hosts(5)).
pub fn is_in_hosts(name: &str) -> bool {
    std::fs::read_to_string(HOSTS).is_ok_and(|hosts| knows(&hosts, name))
}

fn knows(hosts: &str, name: &str) -> bool {
    let names = hosts.lines().flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace().skip(1));
    [LOCALHOST].into_iter().chain(names).any(|known| known.eq_ignore_ascii_case(name))
}

fn host(at: At, tor: bool, lan: bool) -> Result<What, Fault> {
    let relays = relays(&at.relay)?;
    let port = at.port.unwrap_or(PORT);
    if !at.invite && !tor && (at.onion || lan || !at.relay.is_empty()) {
        return Err(Fault::NeedsInvite);
    }
    let (invite, map) = (at.invite || tor, !at.no_map);
    Ok(What::Host(HostOptions { bind: at.bind, port, invite, relays, onion: at.onion, map, lan }))
}

fn examine(doctor: Doctor, lan: bool, around: Surroundings) -> Result<What, Fault> {
    let goes = doctor.to.host.is_some() || doctor.to.invite_file.is_some();
    let to = if goes { Some(target(doctor.to, lan, around)?) } else { None };
    let (bind, port, map) = (doctor.bind, doctor.port.unwrap_or(PORT), !doctor.no_map);
    Ok(What::Doctor(DoctorOptions { bind, port, map, lan, relays: relays(&doctor.relay)?, to }))
}

fn relays(named: &[String]) -> Result<Vec<Address>, Fault> {
    if named.len() > RELAYS {
        return Err(Fault::TooManyRelays);
    }
    named.iter().map(|text| address(text, None)).collect()
}

/// Reads an address. That of an onion service has a checksum, which must be right.
fn address(text: &str, port: Option<&str>) -> Result<Address, Fault> {
    if resembles(text) || port.is_some_and(resembles) {
        return Err(Fault::InviteInArguments);
    }
    let address = Address::parse(text, port).and_then(|address| {
        let mistyped = address.onion().is_some_and(|id| onion_key(id).is_none());
        if mistyped { Err(AddressError::Onion) } else { Ok(address) }
    });
    address.map_err(|why| {
        let typed = match (why, port) {
            (AddressError::Port, Some(port)) => repeated(port),
            (AddressError::Port, None) => repeated(text.rsplit_once(':').map_or(text, |(_, port)| port)),
            (AddressError::TwoPorts, Some(port)) => repeated(&format!("{text} {port}")),
            _ => repeated(text),
        };
        Fault::Address { typed, why }
    })
}

fn join(to: To, lan: bool, around: Surroundings) -> Result<What, Fault> {
    match target(to, lan, around)? {
        JoinTarget::Address(_) if lan => Err(Fault::NeedsInvite),
        to => Ok(What::Join(to)),
    }
}

/// Where the joining side goes.
fn target(to: To, lan: bool, around: Surroundings) -> Result<JoinTarget, Fault> {
    let invite = |line: &str| Ok(JoinTarget::Invite { invite: Invite::read(line).map_err(Fault::Invite)?, lan });
    if let Some(file) = to.invite_file {
        let asked = file.as_os_str() == "-" && around.typed;
        let line = if asked { (around.ask)().ok_or(Fault::NoAddress) } else { invite_in(&file) };
        return invite(&line?);
    }
    if to.host.as_deref().is_some_and(resembles) {
        return Err(Fault::InviteInArguments);
    }
    let host = to.host.map(Zeroizing::new).or_else(around.ask).ok_or(Fault::NoAddress)?;
    if is_invite(&host) {
        return invite(&host);
    }
    // Whatever became of it, a name server must not see it.
    if resembles(&host) {
        return Err(Fault::Invite(InviteError::Damaged));
    }
    let (host, port) = match (host.split_whitespace().collect::<Vec<_>>().as_slice(), &to.peer_port) {
        ([host, port], None) => ((*host).to_owned(), Some((*port).to_owned())),
        _ => (host.as_str().to_owned(), to.peer_port),
    };
    address(&host, port.as_deref()).map(JoinTarget::Address)
}

/// Whether a text is longer than a host name may be, and begins like an invite.
fn is_invite(text: &str) -> bool {
    text.trim_start().starts_with(MARK) && text.len() > SHORT && !text.contains('.')
}

fn invite_in(file: &Path) -> Result<Zeroizing<String>, Fault> {
    // Twice as long in UTF-16, and with what stands around it.
    let mut bytes = Zeroizing::new(Vec::with_capacity(4 * LONGEST));
    let read = if file.as_os_str() == "-" {
        io::stdin().lock().take(LONGEST as u64).read_until(b'\n', &mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(4 * LONGEST as u64).read_to_end(&mut bytes))
    };
    let text = read.and_then(|_| decoded(&bytes).ok_or_else(|| ErrorKind::InvalidData.into()));
    text.map_err(|error| Fault::InviteFile(error.into()))
}

/// The text of a file in UTF-8, or in UTF-16 with the mark of its byte order. `None` if it is in neither.
fn decoded(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let unit: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return str::from_utf8(bytes).ok().map(|text| Zeroizing::new(text.to_owned())),
    };
    let mut text = Zeroizing::new(String::with_capacity(2 * bytes.len()));
    let units = bytes.chunks_exact(2).filter_map(|pair| pair.try_into().ok()).map(unit);
    for c in char::decode_utf16(units) {
        text.push(c.ok()?);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::config::Config;
    use crate::cli::{Stop, parse};
    use crate::room::Confirm;
    use crate::ui::tui::state::Notify;
    use crate::ui::words::Lang;

    const PIPE: Surroundings =
        Surroundings { typed: false, seen: false, capable: false, knows: |name| name == "x", ask: || None };
    const TERMINAL: Surroundings = Surroundings { typed: true, seen: true, capable: true, ..PIPE };

    fn planned(line: &[&str], around: Surroundings) -> Result<Plan, Fault> {
        let args: Vec<_> = ["tete"].iter().chain(line).map(std::ffi::OsString::from).collect();
        match parse(&args, Lang::En, &Config::default()) {
            Ok(cli) => plan(cli, around),
            Err(Stop::Wrong(fault)) => Err(fault),
            Err(Stop::Print(_)) => panic!("{line:?} asks for help"),
        }
    }

    #[track_caller]
    fn plan_of(line: &[&str], around: Surroundings) -> Plan {
        planned(line, around).unwrap_or_else(|fault| panic!("{line:?}: {}", fault.code()))
    }

    fn fault_of(line: &[&str], around: Surroundings) -> Fault {
        planned(line, around).err().unwrap_or_else(|| panic!("{line:?} is planned"))
    }

    #[test]
    fn who_names_no_partner_waits_and_who_names_one_goes_there() {
        for line in [&[][..], &["host"], &["receive", "--stdout"], &["send", file!()]] {
            let What::Host(at) = plan_of(line, PIPE).what else { panic!("{line:?}") };
            assert!(at.port == PORT && !at.invite && at.map && at.bind.is_none(), "{line:?}");
        }
        for line in [
            &["example.org", "7"][..],
            &["join", "example.org:7"],
            &["receive", "--stdout", "example.org", "7"],
            &["send", file!(), "--to", "example.org:7"],
        ] {
            let What::Join(JoinTarget::Address(to)) = plan_of(line, PIPE).what else { panic!("{line:?}") };
            assert_eq!(to.to_string(), "example.org:7", "{line:?}");
        }
        let What::Host(at) = plan_of(&["--tor", "--port", "0"], PIPE).what else { panic!("no host") };
        assert!(at.invite && at.port == 0);
        let What::Doctor(at) = plan_of(&["doctor", "--no-map"], PIPE).what else { panic!("no doctor") };
        assert!(at.to.is_none() && !at.map);
    }

    #[test]
    fn what_was_typed_when_asked_is_a_host_with_or_without_a_port_or_an_invite() {
        let asked = |ask| planned(&["join"], Surroundings { ask, ..TERMINAL }).map(|plan| plan.what);
        let Ok(What::Join(JoinTarget::Address(to))) = asked(|| Some(Zeroizing::new(" example.org 7 ".into()))) else {
            panic!("not joined")
        };
        assert_eq!(to.to_string(), "example.org:7");
        assert!(matches!(asked(|| Some(Zeroizing::new(format!("tete1{}", "A".repeat(60))))), Err(Fault::Invite(_))));
        assert!(matches!(asked(|| None), Err(Fault::NoAddress)));
    }

    #[test]
    fn the_front_end_is_what_the_user_sits_at() {
        assert!(matches!(plan_of(&[], TERMINAL).front, Front::Screen(_)));
        let Front::Screen(options) = plan_of(&["--lock", "5", "--notify", "bell"], TERMINAL).front else { panic!() };
        assert_eq!((options.lock, options.notify), (Some(Duration::from_secs(300)), Notify::Bell));
        for (line, around) in [
            (&[][..], PIPE),
            (&["--plain"], TERMINAL),
            (&[], Surroundings { seen: false, ..TERMINAL }),
            (&[], Surroundings { capable: false, ..TERMINAL }),
        ] {
            assert!(matches!(plan_of(line, around).front, Front::Lines { .. }), "{line:?}");
            assert!(matches!(fault_of(&[line, &["--lock", "5"]].concat(), around), Fault::NoScreenToLock));
        }
        assert!(matches!(plan_of(&["--json"], TERMINAL).front, Front::Json));
        assert!(matches!(plan_of(&["receive", "--stdout"], TERMINAL).front, Front::Transfer { code: true, .. }));
        let invited = plan_of(&["receive", "--stdout", "--invite"], TERMINAL).front;
        assert!(matches!(invited, Front::Transfer { code: false, .. }));
    }

    #[test]
    fn choices_reach_the_room() {
        let line = ["--confirm", "compare", "--confirm-minutes", "7", "--linger", "0s", "--close-after", "1h 30m"];
        let options = plan_of(&[&line[..], &["--quiet-line", "2", "--executable"]].concat(), PIPE).options;
        assert_eq!(options.confirm, Confirm::Compare);
        assert_eq!(options.settings.confirmation, Duration::from_secs(420));
        assert_eq!(options.settings.linger, Duration::ZERO);
        assert_eq!(options.settings.cover, Some(Duration::from_millis(500)));
        assert_eq!(options.close_after, Some(Duration::from_secs(5400)));
        assert!(options.files.executable && options.files.nobody && !options.files.auto_accept);
        assert!(plan_of(&["receive", "--stdout"], PIPE).options.files.auto_accept);
        assert!(!plan_of(&["--json"], PIPE).options.files.nobody);
        let Task::SendInput(name) = plan_of(&["send", "-", "--name", "x"], PIPE).options.task else {
            panic!("no input")
        };
        assert_eq!(name, "x");
    }

    #[test]
    fn what_can_be_known_to_fail_is_refused() {
        for (line, fits) in [
            (&["send", "a", "-"][..], (|fault| matches!(fault, Fault::InputAndMore)) as fn(&Fault) -> bool),
            (&["send", "/nonexistent"], |fault| matches!(fault, Fault::CannotSend { paths } if paths.len() == 1)),
            (&["send", "--json"], |fault| matches!(fault, Fault::JsonAndStream)),
            (&["receive", "--json", "--stdout"], |fault| matches!(fault, Fault::JsonAndStream)),
            (&["--save-to", "/nonexistent"], |fault| matches!(fault, Fault::Folder { .. })),
            (&["receive", "--save-to", "/proc"], |fault| matches!(fault, Fault::Folder { .. })),
            (&["--tor-config", "/nonexistent"], |fault| matches!(fault, Fault::TorConfig { .. })),
            (&["--tor-control", "here"], |fault| matches!(fault, Fault::TorControl(_))),
            (&["--proxy", "http://x:1"], |fault| matches!(fault, Fault::Proxy(_))),
            (&["--lan"], |fault| matches!(fault, Fault::NeedsInvite)),
            (&["--onion"], |fault| matches!(fault, Fault::NeedsInvite)),
            (&["join", "x", "--lan"], |fault| matches!(fault, Fault::NeedsInvite)),
            (&["receive", "x", "--stdout", "--port", "1"], |fault| matches!(fault, Fault::HostOptions)),
            (&["jion"], |fault| matches!(fault, Fault::NearCommand { command: "join", .. })),
            (&["--invite-file", "/nonexistent"], |fault| matches!(fault, Fault::InviteFile(_))),
            (&["join"], |fault| matches!(fault, Fault::NoAddress)),
        ] {
            let fault = fault_of(line, PIPE);
            assert!(fits(&fault) && fault.code() == 2, "{line:?}");
        }
        assert!(matches!(fault_of(&["send"], TERMINAL), Fault::NothingToSend));
        let invite = format!("tete1{}", "A".repeat(60));
        assert!(matches!(fault_of(&[&invite], PIPE), Fault::InviteInArguments));
        let relays = ["--relay", "example.org:1"].repeat(RELAYS + 1);
        assert!(matches!(fault_of(&[&["--invite"][..], &relays].concat(), PIPE), Fault::TooManyRelays));
        for word in ["chat", "laptop"] {
            let fault = planned(&["--", word], PIPE).err();
            assert!(matches!(fault, Some(Fault::LoneWord { .. })), "{word}");
            assert!(!matches!(planned(&["join", word], PIPE).err(), Some(Fault::LoneWord { .. })), "{word}");
        }
        for line in [&["laptop.local"][..], &["laptop:7"], &["laptop", "7"], &["::1"], &["doctor", "laptop"]] {
            assert!(planned(line, PIPE).is_ok(), "{line:?}");
        }
        // A machine may be called what a command is nearly called.
        assert!(planned(&["join", "jion"], PIPE).is_ok());
    }

    #[test]
    fn what_resembles_an_invite_is_refused_as_an_argument_looked_up_nowhere_and_repeated_nowhere() {
        let invite = Invite {
            secret: crate::protocol::keys::InviteSecret(
                crate::protocol::random::Randomness::secret(&mut crate::protocol::random::OsRandom).unwrap(),
            ),
            hints: vec![crate::protocol::invite::Hint::Ipv4([192, 0, 2, 1], 7777)],
        };
        let line = invite.line().to_string();
        let mangled = [
            line.clone(),
            format!("'{line}'"),
            format!("“{line}”."),
            format!("<{line}>,"),
            format!(" {line}\n"),
            format!("https://example.org/{line}"),
            line.replacen("tete1", "Tete1", 1),
            line.to_uppercase(),
            line.to_lowercase(),
            line[..30].to_owned(),
            format!("{}\u{200b}{}", &line[..9], &line[9..]),
            line.replacen("tete1", "ｔｅｔｅ１", 1),
        ];
        for text in &mangled {
            let before =
                [vec![], vec!["join"], vec!["join", "host"], vec!["send", "file"], vec!["send", "file", "--to"]];
            for mut args in before.into_iter().chain([vec!["--relay"], vec!["--no-such-option"], vec!["doctor"]]) {
                args.push(text);
                assert!(matches!(fault_of(&args, PIPE), Fault::InviteInArguments), "{args:?}");
            }
        }
        let [first, rest] = [&line[..12], &line[12..]];
        assert!(matches!(fault_of(&["join", first, rest], PIPE), Fault::InviteInArguments));
        // Without its beginning it is still no host.
        for part in [&line[3..], &line[5..], &line[9..50], &format!("tete1.{}", &line[5..])] {
            for args in [&["join", part][..], &["join", "host", part], &["send", file!(), "--to", part]] {
                assert!(matches!(fault_of(args, PIPE), Fault::InviteInArguments), "{args:?}");
            }
            let Fault::CommandLine(why) = fault_of(&["join", "host", "1", part], PIPE) else { panic!("{part}") };
            let told = crate::ui::words::fault(&Fault::CommandLine(why), Lang::En).0;
            assert!(!told.contains(&part[10..20]), "{told}");
        }
        let onion = format!("{}.onion", "a2".repeat(28));
        for host in ["tete1", "tete1.example.org", "tete12-laptop.local", "xn--bcher-kva.example", &onion] {
            assert!(!resembles(host), "{host}");
        }
    }

    #[test]
    fn a_file_with_an_invite_may_be_in_utf_16() {
        let text = "\u{feff}你 tete1";
        let bytes = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<_>>();
        for bytes in [bytes(u16::to_le_bytes), bytes(u16::to_be_bytes), text.as_bytes().to_vec()] {
            assert_eq!(decoded(&bytes).unwrap().as_str(), text);
        }
        assert!(decoded(b"\xff").is_none() && decoded(b"\xff\xfe\x00\xd8a\0").is_none());
    }

    #[test]
    fn a_name_is_known_from_the_hosts_file_and_localhost_always() {
        let hosts = "127.0.0.1 here\n# 192.0.2.1 there\n192.0.2.2\tlaptop.example Laptop # old\n";
        for (name, known) in [("here", true), ("laptop", true), ("localhost", true), ("there", false), ("old", false)] {
            assert_eq!(knows(hosts, name), known, "{name}");
        }
        assert!(!knows(hosts, "192.0.2.2"));
    }

    #[test]
    fn an_address_that_is_none_is_named() {
        for (line, typed, why) in [
            (&["x", "bar"][..], "bar", AddressError::Port),
            (&["x:bar"], "bar", AddressError::Port),
            (&["x:1", "2"], "x:1 2", AddressError::TwoPorts),
            (&["a b"], "b", AddressError::Port),
            (&["1.2.3"], "1.2.3", AddressError::Host),
        ] {
            let Fault::Address { typed: told, why: because } = fault_of(line, PIPE) else { panic!("{line:?}") };
            assert_eq!((told.as_str(), because), (typed, why), "{line:?}");
        }
    }
}
