//! Every word the program says, in English and Chinese, in one place.
//!
//! A message is a variant; each language is one `match` over all of them, so the
//! compiler sees to it that none is missing.

mod doctor;
mod files;
mod screen;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use zeroize::Zeroizing;

use super::emoji;
use super::printable::Printable;
use crate::address::{BadAddress, BadProxy, Place, Scope};
use crate::protocol::invite::InviteError;
use crate::protocol::pairing::{DIGITS, Half};
pub use doctor::{Finding, Met, Nat, Verdict};
pub use files::{EndedBy, FileFault, FileStatus, Progress, size};
pub use screen::ScreenWords;

/// A language of the interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lang {
    /// English.
    En,
    /// 中文.
    Zh,
}

impl Lang {
    /// By the first of `LC_ALL`, `LC_MESSAGES`, `LANG` that is not empty.
    pub fn of_locale(variable: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
        if locale.is_some_and(|value| value.starts_with("zh")) { Self::Zh } else { Self::En }
    }
}

/// What the program tells its user while it runs.
#[expect(missing_docs, reason = "the fields are what the sentence is made of")]
pub enum Status {
    /// A socket listens.
    Listening(SocketAddr),
    /// What to tell the partner.
    Reach { addresses: Vec<(Scope, IpAddr)>, port: u16, how: Invitation },
    /// A name is being looked up.
    LookingUp(Printable),
    /// An attempt to connect begins.
    Trying(Printable),
    /// An attempt to connect failed.
    TryFailed(Printable, Printable),
    /// The router is asked to pass a port on.
    Mapping,
    /// It does.
    Mapped(SocketAddr),
    /// It does not.
    NotMapped(MapFault),
    /// The local network is told.
    Announced,
    /// The local network cannot be told, or searched.
    NoLan(Printable),
    /// How far it is into the Tor network.
    Tor { percent: Option<u8> },
    /// The invite goes without a way through Tor.
    NoTor(Printable),
    /// Nobody can come by that way for now.
    WayShut { way: Printable, why: Printable },
    /// Now they can.
    WayOpen(Printable),
    /// A way of an invite leads nowhere.
    WayFailed(Printable, Failure),
    /// What to give the partner, and where it leads.
    Invite { line: Arc<Zeroizing<String>>, ways: Vec<Printable>, how: Invitation },
    /// Connected; the handshake begins.
    Handshake(Place),
    /// Somebody reached us and the handshake is done.
    Caller(Place),
    /// Somebody was told that the room is taken.
    ToldBusy { from: Place, times: u32 },
    /// Our half of the code, to read out.
    Code { own: Half, can_skip: bool },
    /// Both halves, to compare.
    BothHalves { own: Half, partner: Half, emoji: [u8; 7], can_skip: bool },
    /// The entry is no half of a code.
    NotACode,
    /// The entry is our own half.
    OwnHalf,
    /// The entry is another half.
    WrongHalf { tries_left: u8 },
    /// The entry was for a code that is gone.
    StaleEntry,
    /// Neither of the two words was typed.
    NeitherWord,
    /// The user has checked the code, the partner has not.
    WaitingForPartner,
    /// Nothing can be said yet.
    RoomOpen,
    /// A run failed, on the listening side.
    RunFailed { from: Place, why: PairingFault, pause: Duration },
    /// So many texts were shown to the partner; so many still wait.
    Shown { texts: usize, waiting: usize },
    /// A text was not taken: too long.
    TooLong { limit: usize },
    /// A text was not taken: too many wait.
    Full { waiting: usize },
    /// An input line that is not UTF-8 was not sent.
    NotUtf8,
    /// A command nobody knows.
    UnknownCommand(Printable),
    /// What can be typed.
    Help,
    /// Both halves again.
    CodeAgain { own: Half, partner: Half, trust: Trust },
    /// The two have compared the code of a room that was entered by an invite.
    Compared,
    /// With whom, how.
    Who(Who),
    /// The doctor's.
    Finding(Finding),
    /// About files.
    File(FileStatus),
    /// Leaving, but texts are not shown yet.
    Finishing { waiting: usize },
    /// The partner left in order.
    PartnerLeft,
    /// The line broke, and with it the room ended.
    CutOff,
    /// Nothing came for so long.
    LineQuiet { seconds: u64 },
    /// The line broke. The room goes on.
    LineCut { why: LineFault, redialing: bool },
    /// Finding the host again fails, for another reason than before.
    RedialFailed { number: u32, failure: Failure },
    /// The line is back after so long.
    LineBack { after: Duration, waiting: usize },
    /// A better way was found, and the room has moved to it.
    BetterWay(Place),
    /// A text waits for the line.
    Waiting { waiting: usize },
    /// Somebody who is not the partner tried to get into the open room.
    Intruder { from: Place, times: u32 },
    /// Fresh keys are on their way.
    Rekey,
    /// Not possible while the line is broken.
    NoLine,
    /// The time that was set for the room is over.
    TimeIsUp,
    /// A command that only the full screen has.
    NeedsScreen,
    /// `/send` without a path.
    WhatToSend,
}

/// What the partner is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Invitation {
    /// Join a room.
    Join,
    /// Take what is sent.
    Receive,
    /// Send.
    Send,
}

/// Why a line broke.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LineFault {
    /// The connection ended.
    Cut,
    /// Nothing came for too long.
    Silent,
    /// An epoch change or a return took too long.
    Late,
    /// A record did not verify, for so many times in this room.
    Damaged {
        /// How often.
        times: u32,
    },
}

/// Why the router passes no port on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapFault {
    /// There is no router.
    NoRouter,
    /// It does not answer such questions.
    NoAnswer,
    /// It will not.
    Refused,
    /// It would, but its own address cannot be reached from outside.
    Useless(IpAddr),
}

/// Why the host was not found again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Its name could not be looked up.
    Lookup,
    /// No network, or nothing answered in time.
    NoAnswer,
    /// Its machine answers that nobody listens.
    Refused,
    /// Somebody listens who does not know the room.
    NotThem,
    /// There is no way into the Tor network.
    NoTor,
    /// They did not come to the relay.
    Alone,
    /// The line broke again.
    Broke,
}

/// The state of the line. Times are on [`Clock`](crate::clock::Clock).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LineState {
    /// All is well.
    Connected,
    /// Nothing came since then.
    Quiet(Duration),
    /// This side looks for the other.
    Redialing {
        /// Attempts so far.
        number: u32,
        /// When the next begins.
        next: Duration,
        /// Why the last one that ended has failed.
        failure: Option<Failure>,
    },
    /// This side waits for the other since then.
    Awaiting(Duration),
}

/// How it is known who the partner is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// It is not known yet.
    No,
    /// Whoever it is has the invite.
    Invite,
    /// Both people have checked the code, before the room opened.
    Code,
    /// Whoever it is had the invite, and the code was compared afterwards.
    Voice,
}

/// How the room stands, for a screen that always shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Where the partner is.
    pub partner: Place,
    /// How it is known who the partner is.
    pub trust: Trust,
    /// How the line is.
    pub line: LineState,
    /// The last round-trip time of this connection.
    pub round_trip: Option<Duration>,
    /// Number of the epoch, while there is a line.
    pub epoch: Option<u32>,
    /// How far what is sent and what is received are.
    pub files: [Option<Progress>; 2],
}

/// What `/who` tells.
pub struct Who {
    /// How it is known who the partner is.
    pub trust: Trust,
    /// Where the partner is.
    pub partner: Place,
    /// How the line is.
    pub line: LineState,
    /// The Noise protocol's name.
    pub suite: &'static str,
    /// SHA-256 of this side's static key in base64.
    pub local: String,
    /// SHA-256 of the partner's static key in base64.
    pub remote: String,
    /// Local time when the room opened.
    pub since: String,
    /// Number of the epoch, and local time when it began, while there is a line.
    pub epoch: Option<(u32, String)>,
    /// Texts that wait for their receipt.
    pub waiting: usize,
    /// The time on [`Clock`](crate::clock::Clock).
    pub now: Duration,
}

/// Why a pairing failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PairingFault {
    /// Our user typed three wrong halves.
    WrongHalf,
    /// Our user saw different codes on the two screens.
    Different,
    /// Our user asked for the next caller.
    Skipped,
    /// Our user left.
    Left,
    /// No half came before the end of the input.
    NoHalf,
    /// The partner left, or its user typed three wrong halves.
    PartnerLeft,
    /// The line broke.
    Cut,
    /// Nobody confirmed in time.
    Timeout,
    /// The responder's commitment does not open: an attack.
    Commitment,
    /// Our own key or message came back: an attack.
    Reflection,
    /// The other side broke the protocol.
    Misbehaved,
}

/// Why the program ends with an exit code other than 0.
#[derive(Clone)]
#[expect(missing_docs, reason = "the fields are what the sentence is made of")]
pub enum Fault {
    /// The command line, in clap's words.
    CommandLine(Printable),
    /// Options of the side that waits, given with a host to join.
    HostOptions,
    /// What is given as address.
    Address(BadAddress),
    /// No address and no terminal to ask for one.
    NoAddress,
    /// The name has no address.
    Lookup { host: Printable, why: Printable },
    /// No address answered.
    Unreachable(Printable),
    /// No way of an invite led to the host.
    NoWay,
    /// What was given as an invite.
    Invite(InviteError),
    /// An invite on the command line.
    InviteInArguments,
    /// A way that only somebody with an invite can take.
    NeedsInvite,
    /// More relays than an invite can name.
    TooManyRelays,
    /// A command stands after options.
    WordFirst(Printable),
    /// No invite could be read.
    InviteFile(Printable),
    /// Tor cannot be used.
    Tor(Printable),
    /// What was given as a proxy.
    Proxy(BadProxy),
    /// The host talks with somebody else.
    Busy,
    /// Ended by the user before anybody came.
    NobodyCame,
    /// What answers is not tete.
    NotTete(Printable),
    /// Nothing answers on an open connection.
    NoAnswer(Printable),
    /// Another version of tete.
    Version { min: u8, max: u8 },
    /// Refused for a reason this version does not know.
    Refused(u8),
    /// The two never got into one room.
    Pairing(PairingFault),
    /// The line broke in an open room.
    CutOff { waiting: usize },
    /// The partner broke the protocol in an open room, or somebody on the way did.
    Damaged { waiting: usize },
    /// The host's program ended while the line was broken.
    HostGone { waiting: usize },
    /// Left in order, but not every text was shown to the partner.
    NotShown { waiting: usize },
    /// The room ended, and not every text of the partner was shown here.
    Unread { texts: usize },
    /// Left in order, but not every file is whole where it was to go.
    Files { unfinished: usize },
    /// Standard input is to be sent, and something else, too.
    InputAndMore,
    /// Standard input or output is to be a file, and events and commands go there.
    JsonAndStream,
    /// Files cannot be stored where they are to be.
    Folder { path: Printable, why: Printable },
    /// The partner left without sending anything.
    NothingCame,
    /// Nobody can check the code.
    NoTerminal,
    /// The port is taken.
    PortInUse(u16),
    /// The address cannot be listened on.
    Listen { address: Printable, why: Printable },
    /// Our own output is gone.
    Output(Printable),
    /// Lines of the input were not sent.
    Input { lines: usize },
    /// The system refused something without which tete does not start.
    System(Printable),
}

impl Fault {
    /// The exit code, as documented in the README.
    pub fn code(&self) -> u8 {
        match self {
            Self::CommandLine(_) | Self::HostOptions | Self::Address(_) | Self::NoAddress | Self::NoTerminal => 2,
            Self::Invite(_) | Self::InviteInArguments | Self::InviteFile(_) | Self::NeedsInvite | Self::Proxy(_) => 2,
            Self::TooManyRelays | Self::WordFirst(_) | Self::InputAndMore | Self::JsonAndStream => 2,
            Self::Folder { .. } => 2,
            Self::Lookup { .. } | Self::Unreachable(_) | Self::Busy | Self::NobodyCame | Self::NoWay => 3,
            Self::Tor(_) => 3,
            Self::NotTete(_) | Self::NoAnswer(_) | Self::Version { .. } | Self::Refused(_) => 4,
            Self::Pairing(_) => 5,
            Self::Files { .. } | Self::NothingCame | Self::Unread { .. } => 6,
            Self::CutOff { .. } | Self::HostGone { .. } | Self::Damaged { .. } | Self::NotShown { .. } => 6,
            Self::PortInUse(_) | Self::Listen { .. } | Self::Output(_) | Self::Input { .. } | Self::System(_) => 7,
        }
    }

    /// The fact, and one line of advice.
    pub fn text(&self, lang: Lang) -> (String, String) {
        match lang {
            Lang::En => self.english(),
            Lang::Zh => self.chinese(),
        }
    }

    fn english(&self) -> (String, String) {
        let two = |fact: &str, advice: &str| (fact.to_owned(), advice.to_owned());
        match self {
            Self::CommandLine(why) => two(&format!("the command line is not right: {why}"), "See `tete --help`."),
            Self::HostOptions => two(
                "the command line is not right: --port, --bind, --invite, --relay and --onion are for the side that waits",
                "To join another port write HOST PORT.",
            ),
            Self::Address(BadAddress::Host) => {
                two("this is neither a host name nor an IP address", "Write HOST, HOST PORT, IPV4:PORT or [IPV6]:PORT.")
            }
            Self::Address(BadAddress::Port) => two("this is not a port", "A port is a number from 1 to 65535."),
            Self::Address(BadAddress::NotAscii) => {
                two("this host name has letters that DNS does not know", "Write its xn-- form, or the IP address.")
            }
            Self::Address(BadAddress::Onion) => {
                two("this is not an onion address", "It has 56 letters and digits before .onion.")
            }
            Self::Address(BadAddress::TwoPorts) => {
                two("there are two ports", "Give the port once: HOST:PORT or HOST PORT.")
            }
            Self::NoAddress => {
                two("no address was given", "Name the host: `tete join HOST`, or run it in a terminal to be asked.")
            }
            Self::Lookup { host, why } => {
                two(&format!("cannot find {host}: {why}"), "Check the spelling and whether you are online.")
            }
            Self::Unreachable(address) => two(
                &format!("no connection to {address}"),
                "Is tete running there, on this port? A firewall or router in between may need the port opened: `tete doctor` tells more.",
            ),
            Self::NoWay => two(
                "none of the invite's ways led to your partner",
                "Is their tete still running, and the invite not used yet? Ask for a new one; one that names a relay gets through most routers. `tete doctor` tells more.",
            ),
            Self::Invite(InviteError::NotAnInvite) => {
                two("this is not an invite", "An invite is one long line that begins with tete1.")
            }
            Self::Invite(InviteError::Damaged) => {
                two("this invite is not whole", "A part is missing or was changed on the way. Copy all of it.")
            }
            Self::Invite(InviteError::Newer) => two("this invite was made by a newer tete", "Update this one."),
            Self::NeedsInvite => two(
                "the command line is not right: --relay, --onion and --lan need an invite",
                "Make one with --invite; your partner joins with it.",
            ),
            Self::TooManyRelays => {
                two("the command line is not right: there are more relays than an invite can name", "Name 8 at most.")
            }
            Self::WordFirst(word) => two(
                &format!("the command line is not right: `{word}` stands after an option"),
                &format!("Write `tete {word}` first, and options after it. For a machine of that name: {word}:51423."),
            ),
            Self::InviteInArguments => two(
                "an invite on the command line can be read by everybody on this machine, and stays in the shell's history",
                "It is good for nothing now: let your partner make a new one, and paste it when `tete join` asks.",
            ),
            Self::InviteFile(why) => {
                two(&format!("cannot read an invite: {why}"), "Name a file that holds it, or - for standard input.")
            }
            Self::Tor(why) => two(
                &format!("no way into the Tor network: {why}"),
                "Install tor (Debian: apt install tor), or name one that runs with --tor-control. Where Tor is blocked, pass bridges on with --tor-config.",
            ),
            Self::Proxy(BadProxy::Kind) => two("this kind of proxy is not known", "Write socks5://HOST:PORT."),
            Self::Proxy(BadProxy::User) => {
                two("the proxy's user name or password is not right", "Write socks5://USER:PASSWORD@HOST:PORT.")
            }
            Self::Proxy(BadProxy::Address(_)) => {
                two("the proxy's address is not right", "Write socks5://HOST:PORT, with [ ] around an IPv6 address.")
            }
            Self::Busy => {
                two("they are talking with somebody else", "If that is not you, tell them by phone; then try again.")
            }
            Self::NobodyCame => two("ended before anybody came", "Nothing was kept."),
            Self::NotTete(address) => two(
                &format!("what answers at {address} is not tete, or expects an invite"),
                "Check the address and the port with your partner.",
            ),
            Self::NoAnswer(address) => two(
                &format!("{address} took the connection and says nothing"),
                "Check the address and the port; something else may listen there.",
            ),
            Self::Version { min, max } => two(
                &format!("they speak version {min} to {max} of the protocol, this is version 1"),
                "Both sides need a tete of the same version.",
            ),
            Self::Refused(reason) => {
                two(&format!("they refused, reason {reason}"), "They may have a newer tete than you.")
            }
            Self::Pairing(why) => (why.english().to_owned(), why.english_advice().to_owned()),
            Self::CutOff { waiting: 0 } => {
                two("cut off: the line broke", "Start again on both sides; every text you sent was shown.")
            }
            Self::CutOff { waiting } => two(
                &format!("cut off: the line broke, and {} not shown to your partner", texts(*waiting)),
                "Start again on both sides, and say it again.",
            ),
            Self::Files { unfinished } => two(
                &format!(
                    "{unfinished} {} not complete",
                    if *unfinished == 1 { "transfer is" } else { "transfers are" }
                ),
                "What was said above tells why. Send it again; a single file goes on where it ended.",
            ),
            Self::InputAndMore => two(
                "the command line is not right: standard input (-) goes alone",
                "Send the files by themselves, and standard input after them.",
            ),
            Self::JsonAndStream => two(
                "the command line is not right: with --json, standard input and output are for commands and events",
                "Send a file, or take it into a folder; or leave out --json.",
            ),
            Self::Folder { path, why } => two(
                &format!("files cannot be stored in {path}: {why}"),
                "Name a folder that is there and may be written to: --save-to FOLDER.",
            ),
            Self::NothingCame => two("nothing came", "Your partner left without sending anything. Try again."),
            Self::NoTerminal => two(
                "there is no terminal on which the code could be checked",
                "Run it in a terminal; or drive it by a program: `tete --json`.",
            ),
            Self::HostGone { waiting } => two(
                &format!("the program at the other end is gone, {} not shown to your partner", texts(*waiting)),
                "The room went with it. Let your partner start tete again, and pair anew.",
            ),
            Self::Damaged { waiting } => two(
                &format!("cut off: the other side broke the protocol, {} not shown to your partner", texts(*waiting)),
                "Nothing false was shown. Start again on both sides, with the same version of tete.",
            ),
            Self::NotShown { waiting } => {
                two(&format!("{} not shown to your partner", texts(*waiting)), "Tell your partner some other way.")
            }
            Self::Unread { texts: count } => {
                two(&format!("{} not shown here", texts(*count)), "Ask your partner: there they have no ✓.")
            }
            Self::PortInUse(port) => two(
                &format!("port {port} is in use on this machine"),
                "Another tete may be running. Choose another port: `tete --port 51424`.",
            ),
            Self::Listen { address, why } => {
                two(&format!("cannot listen on {address}: {why}"), "Try without --bind, or another --port.")
            }
            Self::Output(why) => {
                two(&format!("cannot write the partner's texts: {why}"), "Keep standard output open while tete runs.")
            }
            Self::Input { lines } => two(
                &format!("lines of the input that were not sent: {lines}"),
                "A line is UTF-8 and at most 65536 bytes.",
            ),
            Self::System(why) => two(&format!("the system refused: {why}"), "tete needs this to start safely."),
        }
    }

    fn chinese(&self) -> (String, String) {
        let two = |fact: &str, advice: &str| (fact.to_owned(), advice.to_owned());
        match self {
            Self::CommandLine(why) => two(&format!("命令写得不对：{why}"), "用法见 `tete --help`。"),
            Self::HostOptions => two(
                "命令写得不对：--port、--bind、--invite、--relay、--onion 是等的那一边用的",
                "要连别的端口，写成 主机 端口。",
            ),
            Self::Address(BadAddress::Host) => {
                two("这不是主机名，也不是 IP 地址", "写成 主机、主机 端口、IPv4:端口 或 [IPv6]:端口。")
            }
            Self::Address(BadAddress::Port) => two("这不是端口", "端口是 1 到 65535 的数字。"),
            Self::Address(BadAddress::NotAscii) => {
                two("主机名里有 DNS 不认识的字符", "请写它的 xn-- 形式，或直接写 IP 地址。")
            }
            Self::Address(BadAddress::Onion) => two("这不是洋葱地址", "在 .onion 前面应有 56 个字母和数字。"),
            Self::Address(BadAddress::TwoPorts) => two("写了两个端口", "端口只写一次：主机:端口 或 主机 端口。"),
            Self::NoAddress => two("没有写地址", "写上主机：`tete join 主机`；在终端里运行则会问你。"),
            Self::Lookup { host, why } => two(&format!("找不到 {host}：{why}"), "看看有没有写错，网络通不通。"),
            Self::Unreachable(address) => two(
                &format!("连不上 {address}"),
                "对方的 tete 开着吗？端口对吗？中间的防火墙或路由器可能要放行这个端口：`tete doctor` 会说清楚。",
            ),
            Self::NoWay => two(
                "邀请里的路都走不通",
                "对方的 tete 还开着吗？邀请是不是已经用过？请对方再做一个；带中转的邀请大多数路由器都挡不住。`tete doctor` 会说清楚。",
            ),
            Self::Invite(InviteError::NotAnInvite) => two("这不是邀请", "邀请是以 tete1 开头的一长行。"),
            Self::Invite(InviteError::Damaged) => two("邀请不完整", "少了一段，或者路上被改了。请整行复制。"),
            Self::Invite(InviteError::Newer) => two("这个邀请是更新版的 tete 做的", "请更新这边的 tete。"),
            Self::NeedsInvite => {
                two("命令行不对：--relay、--onion 和 --lan 要有邀请才行", "用 --invite 做一个，对方用它进来。")
            }
            Self::TooManyRelays => two("命令行不对：中转太多，邀请里写不下", "最多写 8 个。"),
            Self::WordFirst(word) => two(
                &format!("命令行不对：`{word}` 写在了参数后面"),
                &format!("先写 `tete {word}`，再写参数。如果是叫这个名字的机器：{word}:51423。"),
            ),
            Self::InviteInArguments => two(
                "命令行上的邀请这台机器上谁都能看到，还会留在命令历史里",
                "它已经作废：请对方再做一个，等 `tete join` 问你时再粘贴。",
            ),
            Self::InviteFile(why) => two(&format!("读不到邀请：{why}"), "请写存着邀请的文件，或用 - 表示标准输入。"),
            Self::Tor(why) => two(
                &format!("进不了 Tor 网络：{why}"),
                "请安装 tor（Debian：apt install tor），或用 --tor-control 指定正在运行的 tor。Tor 被封锁的地方，用 --tor-config 给它网桥。",
            ),
            Self::Proxy(BadProxy::Kind) => two("不认识这种代理", "请写 socks5://主机:端口。"),
            Self::Proxy(BadProxy::User) => two("代理的用户名或密码不对", "请写 socks5://用户:密码@主机:端口。"),
            Self::Proxy(BadProxy::Address(_)) => two("代理的地址不对", "请写 socks5://主机:端口，IPv6 地址加 [ ]。"),
            Self::Busy => two("对方正在和别人说话", "如果那不是你，打电话告诉对方，然后再试。"),
            Self::NobodyCame => two("没等到人就结束了", "什么都没有留下。"),
            Self::NotTete(address) => {
                two(&format!("{address} 那边不是 tete，或者需要邀请"), "和对方核对一下地址和端口。")
            }
            Self::NoAnswer(address) => {
                two(&format!("{address} 接了连接却不说话"), "核对地址和端口，那里可能是别的程序。")
            }
            Self::Version { min, max } => {
                two(&format!("对方用的是协议版本 {min} 到 {max}，这边是版本 1"), "两边要装同一版本的 tete。")
            }
            Self::Refused(reason) => two(&format!("对方拒绝了，原因代码 {reason}"), "对方的 tete 可能比你的新。"),
            Self::Pairing(why) => (why.chinese().to_owned(), why.chinese_advice().to_owned()),
            Self::CutOff { waiting: 0 } => two("掉线了", "两边重新开始；你发的话对方都看到了。"),
            Self::CutOff { waiting } => {
                two(&format!("掉线了，还有 {waiting} 条对方没看到"), "两边重新开始，再说一遍。")
            }
            Self::Files { unfinished } => {
                two(&format!("有 {unfinished} 批文件没有传完"), "原因见上面。再发一次；单个文件会接着上次传。")
            }
            Self::InputAndMore => two("命令行不对：标准输入（-）只能单独发", "先发文件，再另发标准输入。"),
            Self::JsonAndStream => two(
                "命令行不对：用了 --json，标准输入和标准输出要留给命令和事件",
                "请发文件，或收到文件夹里；要不就去掉 --json。",
            ),
            Self::Folder { path, why } => {
                two(&format!("文件没法存到 {path}：{why}"), "请指定一个存在而且可写的文件夹：--save-to 文件夹。")
            }
            Self::NothingCame => two("什么都没有收到", "对方没有发就离开了。请再试一次。"),
            Self::NoTerminal => two("没有可以核对配对码的终端", "请在终端里运行；或者由程序控制：`tete --json`。"),
            Self::HostGone { waiting } => two(
                &format!("那边的程序已经不在了，还有 {waiting} 条对方没看到"),
                "房间也跟着没有了。让对方重新打开 tete，再配对一次。",
            ),
            Self::Damaged { waiting } => two(
                &format!("断开了：那边不按协议来，还有 {waiting} 条对方没看到"),
                "没有显示任何假消息。两边用同一版本的 tete 重新开始。",
            ),
            Self::NotShown { waiting } => two(&format!("还有 {waiting} 条对方没看到"), "请用别的办法告诉对方。"),
            Self::Unread { texts } => two(&format!("还有 {texts} 条没在这里显示过"), "请问对方：那边没有 ✓ 的就是。"),
            Self::PortInUse(port) => {
                two(&format!("端口 {port} 已被占用"), "可能已经开着一个 tete。换个端口：`tete --port 51424`。")
            }
            Self::Listen { address, why } => {
                two(&format!("没法在 {address} 上等待：{why}"), "去掉 --bind，或换个 --port。")
            }
            Self::Output(why) => two(&format!("对方的话写不出去：{why}"), "tete 运行时请不要关闭标准输出。"),
            Self::Input { lines } => two(&format!("输入里有 {lines} 行没有发出"), "每行须是 UTF-8，最多 65536 字节。"),
            Self::System(why) => two(&format!("系统拒绝了：{why}"), "没有它 tete 不能安全启动。"),
        }
    }
}

impl PairingFault {
    fn english(self) -> &'static str {
        match self {
            Self::WrongHalf => "ALARM: three wrong halves. Somebody may be between you and your partner",
            Self::Different => {
                "ALARM: the codes differ. Somebody is between you and your partner, or this is not your partner"
            }
            Self::Skipped => "not your partner",
            Self::Left => "left before the codes were checked",
            Self::NoHalf => "the input ended before the partner's half came",
            Self::PartnerLeft => "the other side ended the pairing: a wrong half, or they left",
            Self::Cut => "the line broke during the pairing",
            Self::Timeout => "the codes were not checked in time",
            Self::Commitment => "ALARM: an attack. The other side tried to choose the code",
            Self::Reflection => "ALARM: an attack. Our own key or message came back",
            Self::Misbehaved => "the other side broke the protocol during the pairing",
        }
    }

    fn english_advice(self) -> &'static str {
        match self {
            Self::WrongHalf | Self::Different => {
                "Nothing was said to them. Ask your partner on the phone whether they are connected to you, then pair again over another network if you can."
            }
            Self::Commitment | Self::Reflection => {
                "Nothing was said to them. Pair again over another network, and tell your partner what happened."
            }
            Self::Skipped | Self::Left | Self::Misbehaved => "Nothing was said to them.",
            Self::NoHalf => "Give the half that your partner reads out as the first line of the input.",
            Self::PartnerLeft => "Ask your partner on the phone what they saw, then pair again.",
            Self::Cut => "Nothing was said yet. Start again on both sides.",
            Self::Timeout => "Agree on a time by phone, then pair again.",
        }
    }

    fn chinese(self) -> &'static str {
        match self {
            Self::WrongHalf => "警报：三次都不对。可能有人夹在你和对方中间",
            Self::Different => "警报：配对码不一样。有人夹在中间，或者这根本不是对方",
            Self::Skipped => "不是要等的人",
            Self::Left => "还没核对配对码就离开了",
            Self::NoHalf => "输入结束了，也没等到对方的那一半",
            Self::PartnerLeft => "那边结束了配对：输错了，或者走了",
            Self::Cut => "配对时掉线了",
            Self::Timeout => "太久没有核对配对码",
            Self::Commitment => "警报：有人攻击。那边想自己挑配对码",
            Self::Reflection => "警报：有人攻击。我们自己的密钥或消息被送了回来",
            Self::Misbehaved => "配对时那边不按协议来",
        }
    }

    fn chinese_advice(self) -> &'static str {
        match self {
            Self::WrongHalf | Self::Different => {
                "一个字都没有告诉那边。打电话问问对方是不是连着你，可以的话换个网络再配对。"
            }
            Self::Commitment | Self::Reflection => "一个字都没有告诉那边。换个网络再配对，并把这件事告诉对方。",
            Self::Skipped | Self::Left | Self::Misbehaved => "一个字都没有告诉那边。",
            Self::NoHalf => "把对方念的那一半写在输入的第一行。",
            Self::PartnerLeft => "打电话问问对方看到了什么，再配对一次。",
            Self::Cut => "还什么都没说。两边重新开始。",
            Self::Timeout => "先在电话里约好时间，再配对。",
        }
    }
}

impl Status {
    /// What a person reads on a terminal of so many columns.
    pub fn text(&self, lang: Lang, columns: usize) -> String {
        match lang {
            Lang::En => self.english(columns),
            Lang::Zh => self.chinese(columns),
        }
    }

    /// The line a script reads: the same in every locale. `None` where there is nothing for a script.
    pub fn line(&self) -> Option<String> {
        Some(match self {
            Self::Listening(address) => format!("listening: {address}"),
            Self::Code { own, .. } => format!("code: {own}"),
            Self::BothHalves { own, partner, .. } => format!("code: {own}\npartner code: {partner}"),
            Self::RoomOpen => "room open".into(),
            Self::PartnerLeft => "partner left".into(),
            Self::CutOff => "cut off".into(),
            Self::LineCut { .. } => "line cut".into(),
            Self::LineBack { .. } => "line back".into(),
            Self::LineQuiet { .. } => "line quiet".into(),
            Self::RedialFailed { .. } | Self::Waiting { .. } => return None,
            Self::File(status) if !status.is_vital() => return None,
            Self::Invite { line, .. } => format!("invite: {}", line.as_str()),
            Self::Reach { .. } | Self::Shown { .. } | Self::Help => return None,
            other => other.english(80),
        })
    }

    fn english(&self, columns: usize) -> String {
        match self {
            Self::Listening(address) => format!("listening: {address}"),
            Self::Reach { addresses, port, how } => {
                let row = |(scope, address): &(Scope, IpAddr)| {
                    let place = match scope {
                        Scope::Global => "from anywhere",
                        Scope::Local => "from your own network",
                        Scope::Machine => "from this machine",
                    };
                    format!("  {:<44}  {place}", invocation(*address, *port, *how))
                };
                let rows: Vec<_> = addresses.iter().map(row).collect();
                format!(
                    "Tell your partner to type one of these:\n{}\n\
                     If none of them reaches you, open port {port} in your router and firewall, or try it the other way\n\
                     round: let your partner wait, and join them. Waiting; Ctrl-C ends.",
                    rows.join("\n")
                )
            }
            Self::Invite { line, ways, how } => {
                let ways: Vec<_> = ways.iter().map(|way| format!("  {way}")).collect();
                let command = match how {
                    Invitation::Join => "tete join",
                    Invitation::Receive => "tete receive --invite-file -",
                    Invitation::Send => "tete send FILE --invite-file -",
                };
                format!(
                    "{}Send your partner this line, over a channel that only the two of you read; they paste it into \
                     `{command}`. It is good for one room. Whoever has it first gets in, so compare the /code later.\n\n\
                     {}\n\nIt leads to:\n{}\nWaiting; Ctrl-C ends.",
                    picture(line, columns),
                    line.as_str(),
                    ways.join("\n")
                )
            }
            Self::Mapping => "asking the router for a port".into(),
            Self::Mapped(at) => format!("the router passes {at} on to this machine"),
            Self::NotMapped(MapFault::NoRouter) => "there is no router to ask for a port".into(),
            Self::NotMapped(MapFault::NoAnswer) => "the router does not answer when asked for a port".into(),
            Self::NotMapped(MapFault::Refused) => "the router passes no port on".into(),
            Self::NotMapped(MapFault::Useless(ip)) => {
                format!("the router would pass a port on, but stands behind another itself: {ip} cannot be reached")
            }
            Self::Announced => "whoever has the invite can find this machine on the local network now".into(),
            Self::NoLan(why) => format!("the local network cannot be used: {why}"),
            Self::Tor { percent: Some(percent) } => format!("into the Tor network: {percent} %"),
            Self::Tor { percent: None } => "making an onion service; this takes a few seconds".into(),
            Self::NoTor(why) => format!("no way into the Tor network: {why}. The invite goes without it."),
            Self::WayShut { way, why } => {
                format!("your partner cannot come by {way} for now: {why}. tete goes on trying.")
            }
            Self::WayOpen(way) => format!("your partner can come by {way} now"),
            Self::WayFailed(way, failure) => format!("no way by {way}: {}", failure.of_invite(Lang::En)),
            Self::LookingUp(host) => format!("looking up {host}"),
            Self::Trying(address) => format!("trying {address}"),
            Self::TryFailed(address, why) => format!("no connection to {address}: {why}"),
            Self::Handshake(address) => format!("connected to {address}, making the line secure"),
            Self::Caller(address) => format!("somebody is here, from {address}"),
            Self::ToldBusy { from, times } => {
                format!("somebody else tried to get in, from {from}, and was told busy ({times} so far)")
            }
            Self::Code { own, can_skip } => format!(
                "Read this half of the code to your partner by phone, or any way you know their voice:\n\n{}\n\n\
                 Then type the half that your partner reads to you.{}",
                large(own, columns),
                if *can_skip { "\nNot your partner? Type /next." } else { "" }
            ),
            Self::BothHalves { own, partner, emoji, can_skip } => format!(
                "Compare with your partner's screen, by phone or side by side:\n\n  yours   {own}\n  theirs  {partner}\n  {}\n\n\
                 On theirs the two halves change places, the pictures are the same.\n\
                 Type  same  if all agree, or  different .{}",
                pictures(emoji, |entry| entry.english),
                if *can_skip { "\nNot your partner? Type /next." } else { "" }
            ),
            Self::NotACode => "A half is eight digits, such as 4124 2842.".into(),
            Self::OwnHalf => {
                "This is your own half. Type the one your partner reads to you; if they read you this one, say so: both of you read your own screen.".into()
            }
            Self::WrongHalf { tries_left } => format!(
                "wrong half: this is not what your partner's screen shows, {tries_left} {} left. \
                 A slip of the tongue, or somebody in between: let them read it again, slowly.",
                if *tries_left == 1 { "try" } else { "tries" }
            ),
            Self::StaleEntry => "That was for the code before; it was not used.".into(),
            Self::NeitherWord => "Type the whole word: same, or different.".into(),
            Self::WaitingForPartner => "Right. Waiting for your partner to type your half.".into(),
            Self::RoomOpen => {
                "The room is open, for the two of you only. Type, and Enter sends. /help tells what else there is.".into()
            }
            Self::RunFailed { from, why, pause } => {
                format!("{} ({from}). {} Open again in {} s.", why.english(), why.english_advice(), pause.as_secs())
            }
            Self::Shown { texts: count, waiting: 0 } => format!("✓ {}shown to your partner", several(*count)),
            Self::Shown { texts: count, waiting } => format!("✓ {}shown to your partner, {waiting} waiting", several(*count)),
            Self::TooLong { limit } => format!("Not sent: longer than {limit} bytes. It is still here; shorten it."),
            Self::Full { waiting } => format!("Not sent: {} still wait to be shown to your partner. Try again soon.", texts(*waiting)),
            Self::NotUtf8 => "input line not sent: not UTF-8".into(),
            Self::UnknownCommand(name) => format!("There is no command {name}. /help lists them; to send it as a text, begin with //."),
            Self::Help => "  /code   the pairing code again\n  /who    with whom, since when, over what cipher, how the line is\n  /doctor what the line stands on, and what to try\n  /send   offer files and folders: /send PATH...\n  /get    take what your partner offers\n  /decline  do not take it\n  /cancel end what is under way\n  /rekey  fresh keys now\n  /panic  wipe everything and leave at once\n  /quit   leave (Ctrl-D, Ctrl-C)\n  //...   a text that begins with a slash".into(),
            Self::CodeAgain { own, partner, trust: Trust::Invite } => format!(
                "yours {own}, theirs {partner}\n\
                 Read yours to your partner by phone and let them read theirs; then type `/code same` or `/code different`."
            ),
            Self::CodeAgain { own, partner, .. } => format!("yours {own}, theirs {partner}"),
            Self::Compared => "verified: nobody else is in this room".into(),
            Self::Who(who) => format!(
                "partner at {}, {}, since {}\n  line          {}\n  {} + ML-KEM-768\n  epoch         {}\n  your key      {}\n  partner's key {}\n  texts not shown yet: {}",
                who.partner,
                ScreenWords::of(Lang::En).trust(who.trust),
                who.since,
                who.line.english(who.now),
                who.suite,
                who.epoch.as_ref().map_or("none".into(), |(number, began)| format!("{number}, since {began}")),
                who.local,
                who.remote,
                who.waiting
            ),
            Self::Finding(finding) => finding.text(Lang::En),
            Self::File(status) => status.text(Lang::En, false),
            Self::Finishing { waiting } => format!("Waiting until {} shown to your partner. Ctrl-C leaves at once.", are(*waiting)),
            Self::PartnerLeft => "Your partner left. The room is gone, nothing of it was kept.".into(),
            Self::CutOff => "cut off".into(),
            Self::LineQuiet { seconds } => format!("Nothing heard for {seconds} s. The line may be broken."),
            Self::LineCut { why, redialing } => format!(
                "The line is cut: {}. {} Go on typing: it waits. /who tells how it stands.",
                why.english(),
                if *redialing { "Connecting again." } else { "Your partner's side connects again." }
            ),
            Self::RedialFailed { number, failure } => {
                format!("attempt {number} to connect again failed: {}. Trying on.", failure.english())
            }
            Self::BetterWay(place) => format!("a better way was found: the line now leads to {place}"),
            Self::LineBack { after, waiting: 0 } => format!("The line is back after {} s.", after.as_secs()),
            Self::LineBack { after, waiting } => {
                format!("The line is back after {} s; {} on the way.", after.as_secs(), are(*waiting))
            }
            Self::Waiting { waiting } => format!("◌ {} waiting for the line", are(*waiting)),
            Self::Intruder { from, times } => format!(
                "somebody at {from} tried to get into your room and was kept out ({times} so far). \
                 If your partner had to start anew: /quit, and wait for them again."
            ),
            Self::Rekey => "Fresh keys are being made.".into(),
            Self::NoLine => "Not while the line is cut.".into(),
            Self::TimeIsUp => "The time that was set for this room is over.".into(),
            Self::NeedsScreen => "That needs the full screen: start without --plain.".into(),
            Self::WhatToSend => "Write what to send: /send FILE, or /send \"A FOLDER\".".into(),
        }
    }

    fn chinese(&self, columns: usize) -> String {
        match self {
            Self::Listening(address) => format!("正在等待：{address}"),
            Self::Reach { addresses, port, how } => {
                let row = |(scope, address): &(Scope, IpAddr)| {
                    let place = match scope {
                        Scope::Global => "从任何地方",
                        Scope::Local => "在同一个局域网里",
                        Scope::Machine => "在这台电脑上",
                    };
                    format!("  {:<44}  {place}", invocation(*address, *port, *how))
                };
                let rows: Vec<_> = addresses.iter().map(row).collect();
                format!(
                    "让对方输入下面任意一行：\n{}\n\
                     都连不上的话，在路由器和防火墙里放行端口 {port}，或者反过来：让对方等，你去连。\n正在等对方；按 Ctrl-C 结束。",
                    rows.join("\n")
                )
            }
            Self::Invite { line, ways, how } => {
                let ways: Vec<_> = ways.iter().map(|way| format!("  {way}")).collect();
                let command = match how {
                    Invitation::Join => "tete join",
                    Invitation::Receive => "tete receive --invite-file -",
                    Invitation::Send => "tete send 文件 --invite-file -",
                };
                format!(
                    "{}把这一行通过只有你们俩看得到的途径发给对方，对方运行 `{command}` 后粘贴。\n\
                     它只能开一次房间。谁先拿到谁就能进来，所以之后请用 /code 核对。\n\n\
                     {}\n\n它通向：\n{}\n正在等；按 Ctrl-C 结束。",
                    picture(line, columns),
                    line.as_str(),
                    ways.join("\n")
                )
            }
            Self::Mapping => "正在向路由器要一个端口".into(),
            Self::Mapped(at) => format!("路由器把 {at} 转到这台机器"),
            Self::NotMapped(MapFault::NoRouter) => "没有可以问的路由器".into(),
            Self::NotMapped(MapFault::NoAnswer) => "路由器不回答端口请求".into(),
            Self::NotMapped(MapFault::Refused) => "路由器不肯转发端口".into(),
            Self::NotMapped(MapFault::Useless(ip)) => {
                format!("路由器愿意转发端口，但它自己也在别的路由器后面：{ip} 从外面到不了")
            }
            Self::Announced => "局域网里有邀请的人现在能找到这台机器".into(),
            Self::NoLan(why) => format!("用不了局域网：{why}"),
            Self::Tor { percent: Some(percent) } => format!("正在进入 Tor 网络：{percent} %"),
            Self::Tor { percent: None } => "正在建立洋葱服务，要几秒钟".into(),
            Self::NoTor(why) => format!("进不了 Tor 网络：{why}。邀请里没有这条路。"),
            Self::WayShut { way, why } => format!("对方暂时不能从 {way} 进来：{why}。会接着试。"),
            Self::WayOpen(way) => format!("对方现在能从 {way} 进来了"),
            Self::WayFailed(way, failure) => format!("{way} 走不通：{}", failure.of_invite(Lang::Zh)),
            Self::LookingUp(host) => format!("正在查找 {host}"),
            Self::Trying(address) => format!("正在连接 {address}"),
            Self::TryFailed(address, why) => format!("连不上 {address}：{why}"),
            Self::Handshake(address) => format!("已连上 {address}，正在加密"),
            Self::Caller(address) => format!("有人来了，来自 {address}"),
            Self::ToldBusy { from, times } => format!("还有人想进来，来自 {from}，已告诉他占线（共 {times} 次）"),
            Self::Code { own, can_skip } => format!(
                "把下面这一半配对码念给对方听（打电话，或用任何能听出是 ta 的方式）：\n\n{}\n\n然后输入对方念给你的那一半。{}",
                large(own, columns),
                if *can_skip { "\n不是你等的人？输入 /next。" } else { "" }
            ),
            Self::BothHalves { own, partner, emoji, can_skip } => format!(
                "和对方的屏幕核对（打电话，或当面）：\n\n  你的  {own}\n  对方  {partner}\n  {}\n\n\
                 在对方屏幕上两半的位置相反，图案相同。\n全部一致就输入  一样 ，否则输入  不一样 。{}",
                pictures(emoji, |entry| entry.chinese),
                if *can_skip { "\n不是你等的人？输入 /next。" } else { "" }
            ),
            Self::NotACode => "一半配对码是八位数字，比如 4124 2842。".into(),
            Self::OwnHalf => "这是你自己的那一半。请输入对方念的；如果对方念的就是这个，请两边都念自己屏幕上的。".into(),
            Self::WrongHalf { tries_left } => {
                format!("不对：这不是对方屏幕上的那一半，还能试 {tries_left} 次。也许念错听错，也许有人在中间：请对方慢慢再念一遍。")
            }
            Self::StaleEntry => "那是给上一个配对码的，没有用上。".into(),
            Self::NeitherWord => "请输入完整的词：一样，或 不一样。".into(),
            Self::WaitingForPartner => "对了。等对方输入你的那一半。".into(),
            Self::RoomOpen => "房间开了，只有你们两个人。打字，按回车发送。/help 看还能做什么。".into(),
            Self::RunFailed { from, why, pause } => {
                format!("{}（{from}）。{}{} 秒后重新开门。", why.chinese(), why.chinese_advice(), pause.as_secs())
            }
            Self::Shown { texts: 1, waiting: 0 } => "✓ 对方已看到".into(),
            Self::Shown { texts, waiting: 0 } => format!("✓ 对方已看到 {texts} 条"),
            Self::Shown { texts, waiting } => format!("✓ 对方已看到 {texts} 条，还有 {waiting} 条在路上"),
            Self::TooLong { limit } => format!("没有发出：超过 {limit} 字节。内容还在，请改短。"),
            Self::Full { waiting } => format!("没有发出：还有 {waiting} 条对方没看到，请稍后再试。"),
            Self::NotUtf8 => "有一行没有发出：不是 UTF-8".into(),
            Self::UnknownCommand(name) => format!("没有 {name} 这个命令。/help 列出全部；想当作文字发送，开头写两个斜杠 //。"),
            Self::Help => "  /code   再看一次配对码\n  /who    和谁、从何时起、用什么加密、线路怎样\n  /doctor 线路靠什么、还能试什么\n  /send   发送文件和文件夹：/send 路径...\n  /get    收下对方给的\n  /decline  不收\n  /cancel 停下正在传的\n  /rekey  现在就换新密钥\n  /panic  全部抹掉，马上离开\n  /quit   离开（Ctrl-D、Ctrl-C）\n  //...   发送以斜杠开头的文字".into(),
            Self::CodeAgain { own, partner, trust: Trust::Invite } => format!(
                "你的 {own}，对方 {partner}\n\
                 打电话把你的念给对方，让对方念 ta 的；然后输入 `/code 一样` 或 `/code 不一样`。"
            ),
            Self::CodeAgain { own, partner, .. } => format!("你的 {own}，对方 {partner}"),
            Self::Compared => "已核对：房间里没有别人".into(),
            Self::Who(who) => format!(
                "对方在 {}，{}，从 {} 起\n  线路       {}\n  {} + ML-KEM-768\n  密钥轮次   {}\n  你的密钥   {}\n  对方的密钥 {}\n  对方还没看到的：{} 条",
                who.partner,
                ScreenWords::of(Lang::Zh).trust(who.trust),
                who.since,
                who.line.chinese(who.now),
                who.suite,
                who.epoch.as_ref().map_or("无".into(), |(number, began)| format!("{number}，从 {began} 起")),
                who.local,
                who.remote,
                who.waiting
            ),
            Self::Finding(finding) => finding.text(Lang::Zh),
            Self::File(status) => status.text(Lang::Zh, false),
            Self::Finishing { waiting } => format!("等对方看完 {waiting} 条。按 Ctrl-C 立刻离开。"),
            Self::PartnerLeft => "对方离开了。房间没有了，什么都没有留下。".into(),
            Self::CutOff => "掉线了".into(),
            Self::LineQuiet { seconds } => format!("{seconds} 秒没有动静了，可能掉线了。"),
            Self::LineCut { why, redialing } => format!(
                "掉线了：{}。{}你可以接着打字，先存着。/who 看现在怎样。",
                why.chinese(),
                if *redialing { "正在重连。" } else { "等对方那边重连。" }
            ),
            Self::RedialFailed { number, failure } => format!("第 {number} 次重连没成：{}。接着试。", failure.chinese()),
            Self::BetterWay(place) => format!("找到了更好的路：现在连着 {place}"),
            Self::LineBack { after, waiting: 0 } => format!("断了 {} 秒，又连上了。", after.as_secs()),
            Self::LineBack { after, waiting } => {
                format!("断了 {} 秒，又连上了，{waiting} 条正在送过去。", after.as_secs())
            }
            Self::Waiting { waiting } => format!("◌ {waiting} 条等着线路恢复"),
            Self::Intruder { from, times } => format!(
                "{from} 那边有人想进你们的房间，被挡住了（共 {times} 次）。如果是对方重新打开了程序：/quit，再等 ta 一次。"
            ),
            Self::Rekey => "正在换新密钥。".into(),
            Self::NoLine => "线路断着，现在不行。".into(),
            Self::TimeIsUp => "这个房间定好的时间到了。".into(),
            Self::NeedsScreen => "这要在全屏界面里才行：启动时不加 --plain。".into(),
            Self::WhatToSend => "请写上要发什么：/send 文件，或 /send \"文件夹\"。".into(),
        }
    }
}

impl LineFault {
    fn english(self) -> String {
        match self {
            Self::Cut => "the connection ended".into(),
            Self::Silent => "nothing was heard for 10 s".into(),
            Self::Late => "the other side took too long".into(),
            Self::Damaged { times } => format!("it was damaged or tampered with ({times} so far)"),
        }
    }

    fn chinese(self) -> String {
        match self {
            Self::Cut => "连接断开".into(),
            Self::Silent => "10 秒没有动静".into(),
            Self::Late => "那边太慢".into(),
            Self::Damaged { times } => format!("数据损坏或被人动过（共 {times} 次）"),
        }
    }
}

impl Failure {
    fn english(self) -> &'static str {
        match self {
            Self::Lookup => "the name is not found",
            Self::NoAnswer => "no answer",
            Self::Refused => "nobody listens there any more. If their program has ended, the room is gone: /quit",
            Self::NotThem => "somebody else answers there. If their program has ended, the room is gone: /quit",
            Self::NoTor => "there is no way into the Tor network",
            Self::Alone => "your partner did not come to the relay",
            Self::Broke => "the line broke again",
        }
    }

    /// What was met on a way that an invite names.
    fn of_invite(self, lang: Lang) -> &'static str {
        match (lang, self) {
            (Lang::En, Self::Refused) => "nobody listens there",
            (Lang::Zh, Self::Refused) => "那边没有程序在等",
            (Lang::En, Self::NotThem) => "who answers there does not know this invite, or not any more",
            (Lang::Zh, Self::NotThem) => "应答的不认识这个邀请，或已经作废",
            (Lang::En, other) => other.english(),
            (Lang::Zh, other) => other.chinese(),
        }
    }

    fn chinese(self) -> &'static str {
        match self {
            Self::Lookup => "找不到主机名",
            Self::NoAnswer => "没有回应",
            Self::Refused => "那边没有程序在等了。如果对方的程序已经关了，房间就没有了：/quit",
            Self::NotThem => "应答的不是对方。如果对方的程序已经关了，房间就没有了：/quit",
            Self::NoTor => "进不了 Tor 网络",
            Self::Alone => "对方没有来中转",
            Self::Broke => "又断了",
        }
    }
}

impl PairingFault {
    /// Whether somebody may have attacked.
    pub fn is_alarm(self) -> bool {
        matches!(self, Self::WrongHalf | Self::Different | Self::Commitment | Self::Reflection)
    }
}

impl LineState {
    /// Whether nothing is to be said about it.
    pub fn is_well(&self) -> bool {
        matches!(self, Self::Connected)
    }

    /// The state at that time, in a few words.
    pub fn text(&self, lang: Lang, now: Duration) -> String {
        match lang {
            Lang::En => self.english(now),
            Lang::Zh => self.chinese(now),
        }
    }

    fn english(&self, now: Duration) -> String {
        match self {
            Self::Connected => "connected".into(),
            Self::Quiet(since) => format!("quiet for {} s", now.saturating_sub(*since).as_secs()),
            Self::Redialing { number, next, failure } => format!(
                "connecting again: attempt {number}, next in {} s{}",
                next.saturating_sub(now).as_secs_f32().ceil(),
                failure.map_or(String::new(), |failure| format!("; the last failed: {}", failure.english()))
            ),
            Self::Awaiting(since) => {
                format!("cut for {} s, waiting for your partner's side", now.saturating_sub(*since).as_secs())
            }
        }
    }

    fn chinese(&self, now: Duration) -> String {
        match self {
            Self::Connected => "正常".into(),
            Self::Quiet(since) => format!("{} 秒没有动静", now.saturating_sub(*since).as_secs()),
            Self::Redialing { number, next, failure } => format!(
                "正在重连：第 {number} 次，{} 秒后再试{}",
                next.saturating_sub(now).as_secs_f32().ceil(),
                failure.map_or(String::new(), |failure| format!("；上次没成：{}", failure.chinese()))
            ),
            Self::Awaiting(since) => {
                format!("断了 {} 秒，等对方那边重连", now.saturating_sub(*since).as_secs())
            }
        }
    }
}

/// Short words of the interface.
pub struct Words {
    /// The partner, beside each of their texts.
    pub partner: &'static str,
    /// Prompt of the chat.
    pub prompt: &'static str,
    /// Prompt for the partner's half.
    pub half: &'static str,
    /// Prompt for the outcome of a comparison.
    pub compare: &'static str,
    /// Prompt for the address.
    pub address: &'static str,
    /// Before an error.
    pub error: &'static str,
}

impl Words {
    /// The words of a language.
    pub fn of(lang: Lang) -> Self {
        match lang {
            Lang::En => Self {
                partner: "partner",
                prompt: "you › ",
                half: "partner's half: ",
                compare: "same or different: ",
                address: "address or invite your partner gave you: ",
                error: "tete: ",
            },
            Lang::Zh => Self {
                partner: "对方",
                prompt: "你 › ",
                half: "对方的一半：",
                compare: "一样 还是 不一样：",
                address: "对方给你的地址或邀请：",
                error: "tete：",
            },
        }
    }
}

/// Whether the word for "same" or that for "different" was typed, in either language.
pub fn compared(word: &str) -> Option<bool> {
    match word.trim().to_lowercase().as_str() {
        "same" | "一样" | "一樣" => Some(true),
        "different" | "不一样" | "不一樣" => Some(false),
        _ => None,
    }
}

/// What `--help` says.
pub struct HelpTexts {
    lang: Lang,
    /// What tete is.
    pub about: &'static str,
    /// `tete host`.
    pub host: &'static str,
    /// `tete join`.
    pub join: &'static str,
    /// `tete send`.
    pub send: &'static str,
    /// `tete receive`.
    pub receive: &'static str,
    /// `tete doctor`.
    pub doctor: &'static str,
    /// How it is called.
    pub usage: &'static str,
    /// How `tete host` is called.
    pub usage_of_host: &'static str,
    /// How `tete join` is called.
    pub usage_of_join: &'static str,
    /// How `tete send` is called.
    pub usage_of_send: &'static str,
    /// How `tete receive` is called.
    pub usage_of_receive: &'static str,
    /// How `tete doctor` is called.
    pub usage_of_doctor: &'static str,
    /// The parts of the help and their order, in clap's terms.
    pub template: &'static str,
    /// Heading of the subcommands.
    pub commands: &'static str,
    /// Heading of the arguments.
    pub arguments: &'static str,
    /// Heading of the options.
    pub options: &'static str,
    /// Exit codes.
    pub after: &'static str,
}

impl HelpTexts {
    /// The help of a language.
    pub fn of(lang: Lang) -> Self {
        match lang {
            Lang::En => Self {
                lang,
                about: "An end-to-end encrypted private chat for exactly two people, in the terminal.\n\nOne runs `tete` and waits, the other runs `tete HOST`. Each reads half of a code to the other, then the room is open. Nothing is stored.",
                host: "Open a room and wait for the partner (what `tete` alone does)",
                join: "Join the partner's room; asks for the address if none is given",
                send: "Send files, folders or standard input, and leave once all is stored",
                receive: "Take what the partner sends until they leave",
                doctor: "See what works here and what does not, and what to try; asks nobody but the router and whom you name",
                usage: "tete [OPTIONS]               open a room and wait\n       tete [OPTIONS] HOST [PORT]   join one",
                usage_of_host: "tete host [OPTIONS]",
                usage_of_join: "tete join [OPTIONS] [HOST] [PORT]",
                usage_of_send: "tete send [OPTIONS] [PATH]...             wait for the partner\n       tete send [OPTIONS] [PATH]... --to HOST   join one who waits",
                usage_of_receive: "tete receive [OPTIONS]               wait for the partner\n       tete receive [OPTIONS] HOST [PORT]   join one who waits",
                usage_of_doctor: "tete doctor [OPTIONS]               would somebody get in here?\n       tete doctor [OPTIONS] HOST [PORT]   would I get in there?",
                template: "{about-with-newline}\nUsage: {usage}\n\n{all-args}{after-help}\n",
                commands: "Commands",
                arguments: "Arguments",
                options: "Options",
                after: "Exit codes: 0 left in order, every text shown; 2 usage; 3 no connection; 4 the other side does not speak tete/1; 5 pairing failed; 6 cut off; 7 local fault.",
            },
            Lang::Zh => Self {
                lang,
                about: "只属于你和 ta 两个人的端到端加密聊天。\n\n一个人运行 `tete` 等着，另一个人运行 `tete 主机`。两人互相念出一半配对码，房间就开了。什么都不保存。",
                host: "开一个房间等对方（只写 `tete` 也一样）",
                join: "进入对方的房间；没写地址就会问你",
                send: "发文件、文件夹或标准输入，对方都存好后离开",
                receive: "接收对方发的，直到对方离开",
                doctor: "看看这里什么行、什么不行、还能试什么；除了路由器和你写的，谁也不问",
                usage: "tete [选项]               开一个房间等对方\n      tete [选项] 主机 [端口]   进入对方的房间",
                usage_of_host: "tete host [选项]",
                usage_of_join: "tete join [选项] [主机] [端口]",
                usage_of_send: "tete send [选项] [路径]...            等对方来\n      tete send [选项] [路径]... --to 主机   去连正在等的对方",
                usage_of_receive: "tete receive [选项]               等对方来\n      tete receive [选项] 主机 [端口]   去连正在等的对方",
                usage_of_doctor: "tete doctor [选项]               别人能进来吗？\n      tete doctor [选项] 主机 [端口]   我能进去吗？",
                template: "{about-with-newline}\n用法：{usage}\n\n{all-args}{after-help}\n",
                commands: "命令",
                arguments: "参数",
                options: "选项",
                after: "退出代码：0 正常离开且对方都看到了；2 用法；3 没连上；4 那边不是 tete/1；5 配对失败；6 掉线；7 本机故障。",
            },
        }
    }

    /// What stands for an argument's value, empty where it takes none, and what the argument does.
    pub fn argument(&self, name: &str) -> (&'static str, &'static str) {
        match self.lang {
            Lang::En => match name {
                "host" => ("HOST", "Where the partner waits: a host name, IPV4, [IPV6], each also with :PORT"),
                "peer_port" => ("PORT", "The partner's port, 51423 unless they say otherwise"),
                "port" => ("PORT", "Port to listen on, 51423 unless told; 0 picks a free one"),
                "invite" => (
                    "",
                    "Let in only whoever has the invite: one line for the partner, with a secret and all ways here; no code needs to be typed",
                ),
                "relay" => (
                    "HOST:PORT",
                    "With --invite: meet at this transit relay too, if no other way is open; may be repeated",
                ),
                "no_map" => ("", "With --invite: do not ask the router to pass a port on to this machine"),
                "lan" => (
                    "",
                    "With an invite: find each other on the local network, too, where others can see that a tete runs",
                ),
                "onion" => ("", "With --invite: also through the Tor network, if no other way is open"),
                "tor" => (
                    "",
                    "Through the Tor network only: nobody learns where you are; starts a tor of its own. On the side that waits it implies --invite",
                ),
                "tor_control" => (
                    "WHERE",
                    "Use the tor that runs: its control port, as HOST:PORT, or the path of its control socket",
                ),
                "tor_config" => ("FILE", "Lines for the configuration of the tor that is started, such as bridges"),
                "invite_file" => ("FILE", "Join with the invite in this file; - for standard input"),
                "proxy" => (
                    "URL",
                    "Reach out through this SOCKS5 proxy only, which also looks up names: socks5://[USER:PASSWORD@]HOST:PORT",
                ),
                "bind" => ("ADDRESS", "Address to listen on, instead of all of this machine's"),
                "confirm" => (
                    "HOW",
                    "How to check the code: type the half that the partner reads out (the default), or compare both halves on both screens",
                ),
                "confirm_minutes" => ("MINUTES", "How long the check of the code may take, 5 unless told, at most 30"),
                "linger" => (
                    "TIME",
                    "How long an open room waits when the line is cut, such as 90s, 30m, 24h (the default); 0s: not at all",
                ),
                "close_after" => ("TIME", "Close the room so long after it opened"),
                "quiet_line" => (
                    "RATE",
                    "Cover traffic: send exactly so many records a second, whether you type or not (0.25 to 50)",
                ),
                "plain" => (
                    "",
                    "Lines instead of the full screen: for screen readers, slow lines, and to keep the talk in the terminal",
                ),
                "json" => {
                    ("", "For programs: one JSON object a line, events on standard output, commands on standard input")
                }
                "lock" => {
                    ("MINUTES", "Lock the full screen after so long without a key; asks for a passphrase at the start")
                }
                "save_to" => ("FOLDER", "Where files are stored: the folder for downloads unless told, else this one"),
                "auto_accept" => ("", "Take files without a question"),
                "executable" => ("", "Let files that may be executed stay so"),
                "paths" => ("PATH", "Files and folders to send; - or nothing for standard input"),
                "to" => ("HOST", "Join a partner who waits there, instead of waiting; also HOST:PORT"),
                "name" => ("NAME", "What standard input is called, `stream` unless told"),
                "stdout" => ("", "Write what comes to standard output"),
                "notify" => (
                    "HOW",
                    "When a text comes while you look elsewhere: bell, desktop (without saying what came), or off (the default)",
                ),
                "lang" => ("LANG", "Language of the interface, en or zh, instead of the locale's"),
                "help" => ("", "Print help"),
                "version" => ("", "Print version"),
                _ => ("", ""),
            },
            Lang::Zh => match name {
                "host" => ("主机", "对方在哪里：主机名、IPv4、[IPv6]，后面都可以加 :端口"),
                "peer_port" => ("端口", "对方的端口，对方没说就是 51423"),
                "port" => ("端口", "在哪个端口等，不写就是 51423；0 表示自动选一个"),
                "invite" => ("", "只让有邀请的人进来：给对方一行字，里面有密钥和到这里的所有路；不用输入配对码"),
                "relay" => ("主机:端口", "和 --invite 一起用：别的路不通时在这个中转会合；可以写多个"),
                "no_map" => ("", "和 --invite 一起用：不向路由器要端口"),
                "lan" => ("", "有邀请时也在局域网里互相寻找；别人能看到有人在用 tete"),
                "onion" => ("", "和 --invite 一起用：别的路不通时也走 Tor 网络"),
                "tor" => ("", "只走 Tor 网络：谁也不知道你在哪里；会自己启动一个 tor。等人的一边自动用 --invite"),
                "tor_control" => ("位置", "用正在运行的 tor：它的控制端口 主机:端口，或控制套接字的路径"),
                "tor_config" => ("文件", "给所启动的 tor 的配置，例如网桥"),
                "invite_file" => ("文件", "用这个文件里的邀请进房间；- 表示标准输入"),
                "proxy" => ("网址", "只通过这个 SOCKS5 代理连出去，名字也由它查：socks5://[用户:密码@]主机:端口"),
                "bind" => ("地址", "只在这个地址上等，而不是本机所有地址"),
                "confirm" => ("方式", "怎样核对配对码：type 输入对方念的一半（默认），compare 两边屏幕对照"),
                "confirm_minutes" => ("分钟", "核对配对码最多几分钟，默认 5，最多 30"),
                "linger" => ("时间", "掉线后房间保留多久，如 90s、30m、24h（默认）；0s 表示不保留"),
                "close_after" => ("时间", "房间开了这么久以后自动关上"),
                "quiet_line" => ("速率", "掩护流量：不管有没有打字，每秒都正好发这么多个数据包（0.25 到 50）"),
                "plain" => ("", "不用全屏，一行一行地来：适合读屏软件、慢线路，或想把对话留在终端里"),
                "json" => ("", "给程序用：每行一个 JSON 对象，事件在标准输出，命令在标准输入"),
                "lock" => ("分钟", "全屏界面这么久没有按键就锁上；开始时会让你设口令"),
                "save_to" => ("文件夹", "收到的文件存到哪里，不写就是下载文件夹，没有就是当前文件夹"),
                "auto_accept" => ("", "不问就接收文件"),
                "executable" => ("", "可执行的文件保持可执行"),
                "paths" => ("路径", "要发的文件和文件夹；写 - 或不写就是标准输入"),
                "to" => ("主机", "不等对方，而是去连正在那里等的对方；也可以写 主机:端口"),
                "name" => ("名字", "标准输入叫什么，不写就是 stream"),
                "stdout" => ("", "收到的写到标准输出"),
                "notify" => {
                    ("方式", "你在看别处时来了消息：bell 响铃，desktop 桌面提醒（不含内容），off 不提醒（默认）")
                }
                "lang" => ("语言", "界面语言，en 或 zh，不按系统设置"),
                "help" => ("", "显示帮助"),
                "version" => ("", "显示版本"),
                _ => ("", ""),
            },
        }
    }
}

fn texts(count: usize) -> String {
    if count == 1 { "1 text was".into() } else { format!("{count} texts were") }
}

fn are(count: usize) -> String {
    if count == 1 { "1 text is".into() } else { format!("{count} texts are") }
}

fn several(count: usize) -> String {
    if count == 1 { String::new() } else { format!("{count} texts ") }
}

/// What the partner types to get here.
fn invocation(address: IpAddr, port: u16, how: Invitation) -> String {
    let to = SocketAddr::new(address, port);
    match how {
        Invitation::Join if port == crate::address::PORT => format!("tete {address}"),
        Invitation::Join => format!("tete {address} {port}"),
        Invitation::Receive if port == crate::address::PORT => format!("tete receive {address}"),
        Invitation::Receive => format!("tete receive {address} {port}"),
        Invitation::Send => format!("tete send FILE --to {to}"),
    }
}

/// A line as a QR code, light on dark, if so many columns hold it. Empty otherwise.
fn picture(line: &str, columns: usize) -> String {
    let Ok(code) = QrCode::with_error_correction_level(line, EcLevel::L) else { return String::new() };
    // Half a cell each way, and the quiet zone that the standard asks for.
    if code.width() + 8 > columns {
        return String::new();
    }
    let picture = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    format!("{picture}\n\n")
}

/// Seven pictures and their names.
pub fn pictures_in(indices: &[u8; 7], lang: Lang) -> String {
    match lang {
        Lang::En => pictures(indices, |entry| entry.english),
        Lang::Zh => pictures(indices, |entry| entry.chinese),
    }
}

fn pictures(indices: &[u8; 7], name: impl Fn(&emoji::Emoji) -> &'static str) -> String {
    let entries = indices.iter().filter_map(|index| emoji::TABLE.get(usize::from(*index)));
    entries.map(|entry| format!("{} {}", entry.glyph, name(entry))).collect::<Vec<_>>().join(", ")
}

/// Columns of one large digit, in picture elements.
const FONT_WIDTH: usize = 3;
/// Each digit in five rows of three picture elements, the left one the highest bit.
const FONT: [[u8; 5]; 10] = [
    [0b111, 0b101, 0b101, 0b101, 0b111],
    [0b010, 0b110, 0b010, 0b010, 0b111],
    [0b111, 0b001, 0b111, 0b100, 0b111],
    [0b111, 0b001, 0b111, 0b001, 0b111],
    [0b101, 0b101, 0b111, 0b001, 0b001],
    [0b111, 0b100, 0b111, 0b001, 0b111],
    [0b111, 0b100, 0b111, 0b101, 0b111],
    [0b111, 0b001, 0b010, 0b010, 0b010],
    [0b111, 0b101, 0b111, 0b101, 0b111],
    [0b111, 0b101, 0b111, 0b001, 0b111],
];

/// The half as large as the terminal allows, and once more as text.
fn large(half: &Half, columns: usize) -> String {
    let rows = large_rows(half, columns.saturating_sub(4));
    let rows: String = rows.iter().map(|row| format!("    {row}\n")).collect();
    if rows.is_empty() { format!("    {half}") } else { format!("{rows}\n    {half}") }
}

/// The half in digits of five rows, as wide as so many columns allow. Empty where they do not.
pub fn large_rows(half: &Half, columns: usize) -> Vec<String> {
    let Some(scale) = [2, 1].into_iter().find(|scale| columns > (DIGITS * (FONT_WIDTH + 1) + 1) * scale) else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    for row in 0..5 {
        let mut out = String::new();
        for (place, digit) in half.digits().iter().enumerate() {
            let bits = FONT.get(usize::from(*digit)).and_then(|rows| rows.get(row)).copied().unwrap_or_default();
            let gap = if place == DIGITS / 2 - 1 { 2 } else { 1 };
            for element in (0..FONT_WIDTH).rev() {
                out.push_str(&if bits >> element & 1 == 1 { "█" } else { " " }.repeat(scale));
            }
            out.push_str(&" ".repeat(gap * scale));
        }
        out.truncate(out.trim_end().len());
        rows.push(out);
    }
    rows
}
