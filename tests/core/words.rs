//! The register of both languages, held by a walk over what the program can say.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tete::address::{AddressError, OwnAddress, PeerAddr, ProxyError, Scope, Via};
use tete::interface::event::{ConnectionFault, ConnectionState, Event, Invitation, Trust, Who};
use tete::interface::fault::{CodesDiffer, ConfigFault, Fault, PairingFault, UsageFault};
use tete::interface::files::{EndedBy, FileEvent, FileFault, Progress};
use tete::interface::finding::{Finding, Nat, ProbeResult};
use tete::interface::refusal::{FileRefusal, Refusal};
use tete::interface::route::Route;
use tete::printable::Printable;
use tete::protocol::invite::InviteError;
use tete::protocol::pairing::Half;
use tete::system::SystemError;
use tete::transport::error::{ConnectError, LanError, MappingError, SocksError, TorError};
use tete::ui::commands::COMMANDS;
use tete::ui::words::{self, Lang};
use zeroize::Zeroizing;

/// What is not English or Chinese by itself: names and words of the system and of the partner.
const FOREIGN: &str = "〔〕";
const TIME: Duration = Duration::from_secs(19);

fn foreign() -> Printable {
    Printable::line(FOREIGN)
}

fn ip() -> IpAddr {
    IpAddr::from([192, 0, 2, 7])
}

const SCOPES: [Scope; 5] = [Scope::Global, Scope::Vpn, Scope::Local, Scope::Link, Scope::Machine];

fn own(scope: Scope) -> OwnAddress {
    OwnAddress { address: ip(), scope, interface: Some("eth0".into()) }
}

fn socket() -> SocketAddr {
    SocketAddr::new(ip(), 51423)
}

/// Every kind of other end.
fn places() -> [PeerAddr; 4] {
    [Via::Direct, Via::Proxy, Via::Relay, Via::Tor].map(|via| PeerAddr { at: socket(), via })
}

fn place() -> PeerAddr {
    places()[0]
}

/// Every kind of way.
fn routes() -> [Route; 2] {
    [Route::Address(foreign()), Route::Relay(foreign())]
}

fn half() -> Half {
    Half::parse("41242842").unwrap()
}

/// Every reason why nobody was reached.
fn connect_errors() -> Vec<ConnectError> {
    use SystemError::*;
    let mut all = vec![
        ConnectError::Lookup,
        ConnectError::Refused,
        ConnectError::Timeout,
        ConnectError::NoRoute,
        ConnectError::Closed,
        ConnectError::Silent,
        ConnectError::Unfinished,
        ConnectError::NotTete,
        ConnectError::Rejected,
        ConnectError::NotAuthentic,
        ConnectError::NoRelay,
        ConnectError::NotARelay,
        ConnectError::RelayClosed,
        ConnectError::AloneAtRelay,
        ConnectError::NeedsInvite,
    ];
    let socks =
        [SocksError::Unreachable, SocksError::NotSocks, SocksError::Login, SocksError::Forbidden, SocksError::Failed];
    all.extend(socks.map(ConnectError::Proxy));
    let tor = [
        TorError::NotInstalled,
        TorError::Exited,
        TorError::Ended,
        TorError::Silent,
        TorError::NotTor,
        TorError::Password,
        TorError::Unproven,
        TorError::BadCookie,
        TorError::Impostor,
        TorError::Rejected(510),
        TorError::NoSocks,
        TorError::NoNetwork,
        TorError::NotPublished,
        TorError::Start(NotFound),
        TorError::Control(NotFound),
        TorError::Cookie(NotFound),
        TorError::System(NotFound),
    ];
    all.extend(tor.map(ConnectError::Tor));
    let system = [
        PermissionDenied,
        NotFound,
        AlreadyExists,
        NotAFolder,
        IsAFolder,
        NotEmpty,
        InvalidFilename,
        SymbolicLink,
        NotText,
        DiskFull,
        FileTooLarge,
        ReadOnly,
        Disk,
        Busy,
        Closed,
        AddressInUse,
        AddressNotAvailable,
        ConnectionRefused,
        TimedOut,
        Unreachable,
        TooManyFiles,
        TooManyThreads,
        OutOfMemory,
        Unsupported,
        Cryptography,
        Number(5),
        Unknown,
    ];
    all.extend(system.map(ConnectError::System));
    all
}

const MAPPING: [fn() -> MappingError; 4] = [
    || MappingError::NoRouter,
    || MappingError::NoAnswer,
    || MappingError::Refused,
    || MappingError::Useless { address: ip() },
];

fn pairing_faults() -> Vec<PairingFault> {
    vec![
        PairingFault::WrongHalf,
        PairingFault::Different,
        PairingFault::Skipped,
        PairingFault::Left,
        PairingFault::NoHalf,
        PairingFault::PartnerLeft,
        PairingFault::PartnerSawOtherCode,
        PairingFault::Cut,
        PairingFault::Timeout,
        PairingFault::Commitment,
        PairingFault::Reflection,
        PairingFault::Misbehaved,
    ]
}

fn who(trust: Trust, line: ConnectionState) -> Who {
    let (local, remote) = (FOREIGN.into(), FOREIGN.into());
    let suite = FOREIGN;
    Who {
        trust,
        partner: place(),
        connection: line,
        suite,
        local,
        remote,
        opened: TIME,
        epoch: Some((2, TIME)),
        waiting: 2,
        now: TIME,
    }
}

fn events() -> Vec<Event> {
    let mut all = vec![
        Event::Listening { address: socket() },
        Event::LookingUp { host: foreign() },
        Event::Mapping,
        Event::Mapped { address: socket() },
        Event::Announced,
        Event::LanFailed { why: LanError::NotHeard },
        Event::LanFailed { why: LanError::Unavailable },
        Event::Tor { percent: Some(14) },
        Event::Tor { percent: None },
        Event::TorFailed { why: TorError::NotInstalled },
        Event::StillAway { seconds: 60, redialing: true },
        Event::StillAway { seconds: 60, redialing: false },
        Event::Displaced { address: place() },
        Event::CallersWaiting { callers: 1 },
        Event::CallersWaiting { callers: 2 },
        Event::Code { own: half(), can_skip: true },
        Event::Compare { own: half(), partner: half(), emoji: [0; 7], can_skip: true },
        Event::NotACode,
        Event::OwnCode,
        Event::WrongCode { tries_left: 1 },
        Event::WrongCode { tries_left: 2 },
        Event::StaleAnswer,
        Event::Refused(Refusal::NotAsked),
        Event::Refused(Refusal::NotConfirmed),
        Event::Refused(Refusal::NotOpen),
        Event::NeitherWord,
        Event::Confirmed { partner_confirmed: false },
        Event::Confirmed { partner_confirmed: true },
        Event::RoomOpen { invited: false },
        Event::RoomOpen { invited: true },
        Event::Delivered { messages: 1, waiting: 0 },
        Event::Delivered { messages: 2, waiting: 0 },
        Event::Delivered { messages: 2, waiting: 1 },
        Event::Refused(Refusal::TooLong { limit: 9 }),
        Event::Refused(Refusal::Full { waiting: 9 }),
        Event::Refused(Refusal::NotUtf8),
        Event::Refused(Refusal::UnknownCommand { command: foreign() }),
        Event::Refused(Refusal::UnknownCommand { command: Printable::line("/sned") }),
        Event::Refused(Refusal::NeedlessArgument { command: foreign() }),
        Event::Verified,
        Event::Finishing { waiting: 1 },
        Event::PartnerLeft,
        Event::CutOff,
        Event::Quiet { seconds: 6 },
        Event::Reconnected { after: TIME, waiting: 0 },
        Event::Reconnected { after: TIME, waiting: 1 },
        Event::Waiting { waiting: 1 },
        Event::Rekey,
        Event::Refused(Refusal::NotConnected),
        Event::TimeIsUp,
        Event::Refused(Refusal::NeedsScreen),
        Event::Refused(Refusal::WhatToSend),
    ];
    for route in routes() {
        all.push(Event::Trying { address: route.clone() });
        all.push(Event::TryFailed { address: route.clone(), why: ConnectError::Lookup });
        all.push(Event::RouteDown { route: route.clone(), why: ConnectError::AloneAtRelay });
        all.push(Event::RouteUp { route });
    }
    for address in places() {
        all.push(Event::Connected { address });
        all.push(Event::Caller { address });
        all.push(Event::BusySent { address, times: 2 });
        all.push(Event::BetterRoute { address });
        all.push(Event::Intruder { address, times: 1 });
        all.push(Event::PairingFailed { address, why: PairingFault::Cut, pause: TIME });
        all.push(Event::Who(Who { partner: address, ..who(Trust::Code, ConnectionState::Connected) }));
    }
    for how in [Invitation::Join, Invitation::Receive, Invitation::Send] {
        for scope in SCOPES {
            all.push(Event::Addresses { addresses: vec![own(scope)], left_out: 3, port: 7, how });
        }
        let invite = Arc::new(Zeroizing::new(FOREIGN.to_owned()));
        all.push(Event::Invite { invite, routes: routes().to_vec(), left_out: 3, how });
    }
    for epoch in [None, Some((0, TIME)), Some((1, TIME))] {
        all.push(Event::Who(Who { epoch, ..who(Trust::Code, ConnectionState::Connected) }));
    }
    for trust in [Trust::No, Trust::Invite, Trust::Code, Trust::Voice] {
        for checked in [true, false] {
            all.push(Event::Codes { question: None, own: half(), partner: half(), trust, checked });
        }
        all.push(Event::Who(who(trust, ConnectionState::Connected)));
    }
    for why in [
        ConnectionFault::Cut,
        ConnectionFault::Silent { after: TIME },
        ConnectionFault::Late,
        ConnectionFault::Damaged { times: 2 },
    ] {
        all.extend([true, false].map(|redialing| Event::ConnectionLost { why, redialing }));
        all.extend([true, false].map(|redialing| Event::PairingInterrupted { why, redialing }));
    }
    for failure in connect_errors() {
        all.push(Event::TryFailed { address: Route::Address(foreign()), why: failure });
        all.push(Event::RedialFailed { attempt: 2, why: failure });
        let line = ConnectionState::Redialing { number: 2, next: TIME, failure: Some(failure) };
        all.push(Event::Who(who(Trust::Code, line)));
    }
    all.push(Event::Who(who(Trust::Code, ConnectionState::Awaiting(TIME))));
    all.push(Event::Who(who(Trust::Code, ConnectionState::Quiet(TIME))));
    all.extend(MAPPING.map(|fault| Event::MappingFailed(fault())));
    all.extend(pairing_faults().into_iter().map(|why| Event::PairingFailed { address: place(), why, pause: TIME }));
    all.extend(findings().into_iter().map(Event::Finding));
    all
}

fn file_faults() -> Vec<FileFault> {
    vec![
        FileFault::System(SystemError::DiskFull),
        FileFault::Missing,
        FileFault::Nothing,
        FileFault::TooMany(9),
        FileFault::TooManyWait,
        FileFault::Link,
        FileFault::Home,
        FileFault::Special,
        FileFault::Unreadable,
        FileFault::Name,
        FileFault::Changed,
        FileFault::Stream,
        FileFault::Partner,
        FileFault::Path,
        FileFault::OtherName,
        FileFault::Hash,
        FileFault::Broken,
        FileFault::Nobody,
    ]
}

fn file_events() -> Vec<FileEvent> {
    let name = foreign;
    let progress = |waits| Progress { files: 1, of_files: 2, bytes: 1, of_bytes: Some(9), rate: 1, waits };
    let (offered_as, folder) = (Some(name()), name());
    let mut all = vec![
        FileEvent::LeftOut { name: name(), paths: vec![(name(), FileFault::Link)], count: 2 },
        FileEvent::Renamed { name: name(), sending: true, names: vec![(name(), name())], count: 1 },
        FileEvent::Renamed { name: name(), sending: false, names: vec![(name(), name())], count: 2 },
        FileEvent::Queued { name: name(), before: 1 },
        FileEvent::Queued { name: name(), before: 2 },
        FileEvent::Offering { name: name(), files: 2, bytes: None },
        FileEvent::Accepted { name: name() },
        FileEvent::PartnerDeclined { name: name() },
        FileEvent::Offered { offer: 1, name: name(), offered_as, files: 1, bytes: Some(3), folder },
        FileEvent::Refused(FileRefusal::NothingOffered),
        FileEvent::Refused(FileRefusal::StaleOffer),
        FileEvent::Refused(FileRefusal::NothingUnderWay),
        FileEvent::NoSpace { name: name(), needed: 2, free: 1 },
        FileEvent::Accepting { name: name(), folder: name() },
        FileEvent::Declined { name: name() },
        FileEvent::Checking { path: name() },
        FileEvent::Restarted { path: name(), sending: true },
        FileEvent::DiskFull { name: name() },
        FileEvent::Resumed { name: name() },
        FileEvent::Progress { name: name(), sending: true, progress: progress(true) },
        FileEvent::Progress { name: name(), sending: false, progress: progress(false) },
    ];
    for failed in [0, 1] {
        all.push(FileEvent::Sent { name: name(), files: 2, bytes: 9, took: TIME, failed });
        all.push(FileEvent::Stored { name: name(), files: 2, bytes: 9, took: TIME, failed });
    }
    for why in file_faults() {
        all.push(FileEvent::CannotSend { path: name(), why: why.clone() });
        all.push(FileEvent::NotSent { path: name(), why: why.clone() });
        all.push(FileEvent::NotStored { path: name(), why: why.clone() });
        all.push(FileEvent::OfferRefused { name: name(), why });
    }
    for by in [EndedBy::Us, EndedBy::Partner, EndedBy::Connection, EndedBy::Silence] {
        for sending in [true, false] {
            all.push(FileEvent::Withdrawn { name: name(), sending, by });
            all.push(FileEvent::TransferEnded { name: name(), sending, by });
        }
    }
    all
}

fn faults() -> Vec<Fault> {
    let why = foreign;
    let mut all = vec![
        Fault::HostOptions,
        Fault::NoAddress,
        Fault::Lookup(why()),
        Fault::Unreachable(why()),
        Fault::NoWay,
        Fault::Invite(InviteError::NotAnInvite),
        Fault::Invite(InviteError::Damaged),
        Fault::Invite(InviteError::Newer),
        Fault::InviteInArguments,
        Fault::NeedsInvite,
        Fault::NoAddressForInvite,
        Fault::LoneWord { word: why() },
        Fault::Address { typed: why(), why: AddressError::Zone },
        Fault::TooManyRelays,
        Fault::WordFirst(why()),
        Fault::InviteFile(SystemError::NotFound),
        Fault::Tor(TorError::NotInstalled),
        Fault::Proxy(ProxyError::Kind),
        Fault::Proxy(ProxyError::User),
        Fault::Proxy(ProxyError::Address(AddressError::Host)),
        Fault::Busy,
        Fault::NobodyCame,
        Fault::Version { min: 2, max: 3 },
        Fault::Refused(9),
        Fault::Files { unfinished: 2 },
        Fault::InputAndMore,
        Fault::JsonAndStream,
        Fault::NothingToSend,
        Fault::TooManyPaths { limit: 9 },
        Fault::CannotSend { paths: vec![(why(), FileFault::Missing)] },
        Fault::CannotSend { paths: vec![(why(), FileFault::Missing), (why(), FileFault::Special)] },
        Fault::NoScreenToLock,
        Fault::TorConfig { path: why(), why: SystemError::NotFound },
        Fault::TorControl(why()),
        Fault::Folder { path: why(), why: SystemError::ReadOnly },
        Fault::NothingCame,
        Fault::NoTerminal,
        Fault::Unread { texts: 1 },
        Fault::PortInUse(7),
        Fault::Listen { address: why(), why: SystemError::PermissionDenied },
        Fault::Output(SystemError::Closed),
        Fault::Input { lines: 1 },
        Fault::Interface,
        Fault::System(SystemError::PermissionDenied),
    ];
    for why in [
        ConfigFault::NoValue,
        ConfigFault::Key { key: why(), like: None },
        ConfigFault::Key { key: why(), like: Some(why()) },
        ConfigFault::YesOrNo,
        ConfigFault::Twice,
        ConfigFault::Option(UsageFault::Useless { option: why(), command: why() }),
        ConfigFault::NotText,
        ConfigFault::NoFile,
        ConfigFault::OthersWrite,
        ConfigFault::System(SystemError::PermissionDenied),
    ] {
        for line in [None, Some(3)] {
            all.push(Fault::Config { path: foreign(), line, why: why.clone() });
        }
    }
    all.extend([0, 1].map(|waiting| Fault::CutOff { waiting }));
    all.push(Fault::Damaged { waiting: 1 });
    all.push(Fault::HostGone { after: TIME, waiting: 1 });
    all.push(Fault::Undelivered { waiting: 2 });
    for by_partner in [true, false] {
        all.extend(
            places().map(|partner| Fault::CodesDiffer(CodesDiffer { by_partner, partner, sent: 1, received: 2 })),
        );
    }
    all.extend(pairing_faults().into_iter().map(Fault::Pairing));
    all.extend(connect_errors().into_iter().map(|why| Fault::Handshake { address: foreign(), why }));
    all
}

fn findings() -> Vec<Finding> {
    let mut all = vec![
        Finding::Listens(vec![socket()]),
        Finding::PortInUse(7),
        Finding::CannotListen { port: 7, why: SystemError::PermissionDenied },
        Finding::Addresses(Vec::new()),
        Finding::Nat64(true),
        Finding::Nat64(false),
        Finding::Addresses(SCOPES.map(own).to_vec()),
        Finding::Ipv6 { own: None, reached: None },
        Finding::Firewall { name: Some("ufw"), port: 7 },
        Finding::Firewall { name: Some("firewalld"), port: 7 },
        Finding::Firewall { name: None, port: 7 },
        Finding::Mapping(None),
        Finding::Mapping(Some(Ok(socket()))),
        Finding::Lan(None),
        Finding::Lan(Some(Ok(()))),
        Finding::Lan(Some(Err(LanError::Unavailable))),
        Finding::Proxy { address: foreign(), result: Ok(()) },
        Finding::Proxy { address: foreign(), result: Err(ConnectError::Refused) },
        Finding::Tor(None),
        Finding::Tor(Some(Ok(TIME))),
        Finding::Tor(Some(Err(TorError::NoNetwork))),
        Finding::NoRelay,
        Finding::Relay { name: foreign(), result: Ok(TIME) },
        Finding::Relay { name: foreign(), result: Err(ConnectError::NotARelay) },
    ];
    all.extend([Nat::None(ip()), Nat::Router(ip()), Nat::Unknown, Nat::Double(ip()), Nat::NoIpv4].map(Finding::Nat));
    all.extend([None, Some(true), Some(false)].map(|reached| Finding::Ipv6 { own: Some(ip()), reached }));
    all.extend(MAPPING.map(|fault| Finding::Mapping(Some(Err(fault())))));
    let met = [
        ProbeResult::Tete(TIME),
        ProbeResult::Partner,
        ProbeResult::Busy,
        ProbeResult::Version { min: 2, max: 3 },
        ProbeResult::Refusal(9),
        ProbeResult::Waiting,
        ProbeResult::NotTried,
    ];
    for place in places() {
        all.extend([true, false].map(|broken| Finding::Connection { place, broken }));
    }
    all.extend(routes().map(|name| Finding::Way { name, met: ProbeResult::Waiting }));
    let name = || Route::Address(foreign());
    all.extend(met.map(|met| Finding::Way { name: name(), met }));
    all.extend(connect_errors().into_iter().map(|why| Finding::Way { name: name(), met: ProbeResult::Failed(why) }));
    all
}

/// Everything that a language says, sentence by sentence.
fn sentences(lang: Lang) -> Vec<String> {
    let mut all: Vec<_> = events().iter().filter_map(|event| words::event(event, lang)).collect();
    for keys in [true, false] {
        all.extend(file_events().iter().map(|event| words::file(event, lang, keys)));
    }
    for fault in faults() {
        let (fact, advice) = words::fault(&fault, lang);
        all.extend([fact, advice]);
    }
    all.extend(COMMANDS.iter().map(|row| words::command(row.command, lang).to_owned()));
    let short = words::words(lang);
    all.extend([short.half, short.compare, short.address].map(str::to_owned));
    all.extend(places().map(|place| words::peer(&place, lang)));
    let screen = words::screen(lang);
    let short = [
        screen.waiting,
        screen.verified,
        screen.invited,
        screen.used,
        screen.compared,
        screen.unverified,
        screen.connected,
        screen.unshown,
        screen.below,
        screen.new,
        screen.leave,
        screen.full.as_str(),
        screen.chord,
        screen.over,
        screen.unsent,
        screen.close_again,
        screen.read_out,
        screen.type_in,
        screen.next,
        screen.compare,
        screen.agree,
        screen.find_keys,
        screen.choose,
        screen.again,
        screen.differ,
        screen.locked,
        screen.wrong,
        screen.close,
        screen.small,
    ];
    all.extend(short.map(str::to_owned));
    all
}

/// The words of a sentence without those of whole commands.
fn ascii_words(sentence: &str) -> Vec<String> {
    let rows: Vec<_> = sentence.lines().filter(|row| !row.starts_with("  tete ")).collect();
    let prose = rows.join(" ").split('`').step_by(2).collect::<Vec<_>>().join(" ");
    let letters = |c: char| c.is_ascii_alphanumeric() || "-_/.".contains(c);
    let words = prose.split(|c| !letters(c)).map(|word| word.trim_matches('.'));
    words.filter(|word| word.chars().any(|c| c.is_ascii_alphabetic())).map(str::to_owned).collect()
}

#[test]
fn no_english_stands_inside_chinese() {
    let names = "tete tor torrc Tor SOCKS SOCKS5 cookie IP IPv4 IPv6 DNS UTF-8 TCP NAT CGNAT PCP NAT-PMP UPnP Debian apt install ufw sudo \
                 allow firewalld firewall-cmd Noise ML-KEM-768 tete1 xn-- .onion onion \
                 .part part VPN NAT64 eth0 lock yes no F2 F3 Ctrl-C Ctrl-D Ctrl-R Ctrl-S Ctrl-X Ctrl-End Enter Esc c p q s B kB MB B/s /s socks5";
    let names: Vec<_> = names.split_whitespace().collect();
    let mut found = Vec::new();
    for sentence in
        sentences(Lang::Zh).iter().map(|sentence| sentence.replace("magic-wormhole 的任何 transit relay", ""))
    {
        let foreign = ascii_words(&sentence).into_iter().filter(|word| {
            let command = word.starts_with('/') || word.starts_with("--") || word.ends_with("/tcp");
            !command && !names.contains(&word.as_str())
        });
        found.extend(foreign.map(|word| format!("{word:?} in {sentence:?}")));
        // Numbers of a transfer, the mark of a finding, and the pictures of a code.
        let list = sentence.starts_with(['↑', '↓', '?']) || sentence.contains("🐶");
        let half_width = [", ", "; ", "? ", "! "].into_iter().filter(|_| !list);
        let banned = ["报警", "小黑屋", "那边", "命令行不对", "命令写得不对", "他", "没看到", "走不通"];
        let whole = sentence.replace("其他", "");
        let banned = half_width.chain(banned).filter(|word| whole.contains(word));
        found.extend(banned.map(|word| format!("{word:?} in {sentence:?}")));
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_english_says_message_code_and_connection() {
    // What is a line: of input, of a file, or the one that an invite is.
    let lines = [
        "this line",
        "long line",
        "input line",
        "first line",
        "extra lines",
        "Lines must",
        "command line",
        "lines above",
        ", line 3",
    ];
    let mut found = Vec::new();
    for sentence in sentences(Lang::En) {
        let plain = lines.iter().fold(sentence.clone(), |sentence, line| sentence.replace(line, ""));
        let plain = plain.replace("text file", "").replace("it is not text", "");
        let words: Vec<_> = plain.split(|c: char| !c.is_alphanumeric() && c != '\'').collect();
        for banned in ["text", "texts", "line", "lines", "half", "halves", "anew", "told"] {
            if words.iter().any(|word| word.eq_ignore_ascii_case(banned)) {
                found.push(format!("{banned:?} in {sentence:?}"));
            }
        }
        for banned in ["goes on", "go on", "good for nothing", "does not work", "not right", "unless told", "a tete"] {
            if plain.contains(banned) {
                found.push(format!("{banned:?} in {sentence:?}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn who_confirms_second_is_not_told_to_wait() {
    for (lang, waiting) in [(Lang::En, "Waiting"), (Lang::Zh, "等")] {
        for partner_confirmed in [true, false] {
            let told = words::event(&Event::Confirmed { partner_confirmed }, lang).unwrap();
            assert_eq!(told.contains(waiting), !partner_confirmed, "{told}");
        }
    }
}

#[test]
fn only_lists_and_commands_break_a_line() {
    for lang in [Lang::En, Lang::Zh] {
        for fault in faults().iter().filter(|fault| !matches!(fault, Fault::CannotSend { .. })) {
            let (fact, advice) = words::fault(fault, lang);
            assert!(!fact.contains('\n') && !advice.contains('\n'), "{fact:?} {advice:?}");
        }
        let reach =
            Event::Addresses { addresses: vec![own(Scope::Global)], left_out: 0, port: 7, how: Invitation::Join };
        assert_eq!(
            words::event(&reach, lang).unwrap().lines().count(),
            4,
            "what to run, the command, advice, what goes on"
        );
    }
}

#[test]
fn a_person_is_told_what_to_give_away_and_not_which_sockets_listen() {
    for lang in [Lang::En, Lang::Zh] {
        assert_eq!(words::event(&Event::Listening { address: socket() }, lang), None);
    }
    assert_eq!(words::line(&Event::Listening { address: socket() }).unwrap(), format!("listening: {}", socket()));
}

#[test]
fn of_a_host_that_is_gone_no_more_is_claimed_than_that_it_was_not_at_its_address() {
    for (lang, fact, claim) in [(Lang::En, "for 19 s", "has quit"), (Lang::Zh, "19 秒", "已退出")] {
        let (said, advice) = words::fault(&Fault::HostGone { after: TIME, waiting: 0 }, lang);
        assert!(said.contains(fact) && !said.contains(claim), "{said}");
        assert!(advice.contains("probably") || advice.contains("很可能"), "{advice}");
    }
}
