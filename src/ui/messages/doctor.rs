//! What the doctor has found: for each thing that tete needs whether it works, why, and what to try next.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{Lang, MapFault};
use crate::address::{Place, Scope};
use crate::ui::printable::Printable;

/// Whether a thing works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It does.
    Works,
    /// It does not.
    Not,
    /// That cannot be told from here, or was not tried.
    Unknown,
}

/// One thing that was looked at.
#[expect(missing_docs, reason = "the fields are what the sentence is made of")]
pub enum Finding {
    /// The line of the open room.
    Line { place: Place, broken: bool },
    /// The port can be listened on, or is: the addresses.
    Listens(Vec<SocketAddr>),
    /// The port is taken.
    PortInUse(u16),
    /// It cannot be listened on.
    CannotListen { port: u16, why: Printable },
    /// This machine's addresses.
    Addresses(Vec<(Scope, IpAddr)>),
    /// What stands between this machine and IPv4 outside.
    Nat(Nat),
    /// Whether IPv6 has an address and a route: the address. Whether it led somewhere, if that was tried.
    Ipv6 { own: Option<IpAddr>, reached: Option<bool> },
    /// A program that filters what comes to this machine, if one is known to be on.
    Firewall { name: Option<&'static str>, port: u16 },
    /// What the router said to a port. `None`: it was not asked.
    Mapping(Option<Result<SocketAddr, MapFault>>),
    /// Whether an announcement on the local network comes back. `None`: it was not tried.
    Lan(Option<Result<(), Printable>>),
    /// The proxy, and whether it takes connections.
    Proxy { address: Printable, result: Result<(), Printable> },
    /// Whether tor is there, or how long it took into the network. `None`: it is there, and was not started.
    Tor(Option<Result<Duration, Printable>>),
    /// No relay was named.
    NoRelay,
    /// A relay, and how long it took until it joined two of ours.
    Relay { name: Printable, result: Result<Duration, Printable> },
    /// A way to the partner.
    Way { name: Printable, met: Met },
}

/// What stands between this machine and IPv4 outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nat {
    /// Nothing: the address is one of the internet's.
    None(IpAddr),
    /// A router, whose own address is known.
    Router(IpAddr),
    /// A router of which nothing is known.
    Unknown,
    /// A router behind another, such as the provider's.
    Double(IpAddr),
    /// There is no IPv4.
    NoIpv4,
}

/// What was met on a way to the partner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Met {
    /// A tete that can be joined, after so long.
    Tete(Duration),
    /// The partner of the open room.
    Partner,
    /// A tete whose room is taken.
    Busy,
    /// A tete of other versions.
    Version {
        /// Lowest version it speaks.
        min: u8,
        /// Highest version it speaks.
        max: u8,
    },
    /// A tete that refuses, for a reason that is not known here.
    Refusal(u8),
    /// The machine answers that nobody listens.
    Refused,
    /// Nothing answers: filtered, or nobody there.
    Filtered,
    /// There is no route.
    NoRoute,
    /// The name is not found.
    Lookup,
    /// Who took the connection closed it without a word.
    Closed,
    /// Who took the connection does not know the invite, or the room.
    Stranger,
    /// Who took the connection says nothing.
    Silent,
    /// What answers is not tete.
    NotTete,
    /// The relay is there, the partner is not.
    AloneAtRelay,
    /// This side waits there.
    Waiting,
    /// The relay does not answer, or not as a relay.
    NoRelay,
    /// There is no way into the Tor network.
    NoTor,
    /// Something else, in the words of the system or the proxy.
    Other(Printable),
    /// It was not tried yet.
    NotTried,
}

impl Finding {
    /// Whether it works.
    pub fn verdict(&self) -> Verdict {
        let of = |works: bool| if works { Verdict::Works } else { Verdict::Not };
        match self {
            Self::Line { broken, .. } => of(!broken),
            Self::Listens(_) => Verdict::Works,
            Self::PortInUse(_) | Self::CannotListen { .. } => Verdict::Not,
            Self::Addresses(addresses) => of(addresses.iter().any(|(scope, _)| *scope != Scope::Machine)),
            Self::Nat(Nat::None(_)) => Verdict::Works,
            Self::Nat(Nat::Router(_) | Nat::Unknown) => Verdict::Unknown,
            Self::Nat(Nat::Double(_) | Nat::NoIpv4) => Verdict::Not,
            Self::Ipv6 { own: None, .. } => Verdict::Not,
            Self::Ipv6 { reached, .. } => reached.map_or(Verdict::Unknown, of),
            Self::Firewall { .. } | Self::NoRelay => Verdict::Unknown,
            Self::Mapping(result) => result.map_or(Verdict::Unknown, |result| of(result.is_ok())),
            Self::Lan(result) => result.as_ref().map_or(Verdict::Unknown, |result| of(result.is_ok())),
            Self::Proxy { result: Ok(()), .. } => Verdict::Unknown,
            Self::Proxy { .. } => Verdict::Not,
            Self::Tor(result) => result.as_ref().map_or(Verdict::Unknown, |result| of(result.is_ok())),
            Self::Relay { result, .. } => of(result.is_ok()),
            Self::Way { met: Met::Tete(_) | Met::Partner | Met::Waiting, .. } => Verdict::Works,
            Self::Way { met: Met::NotTried, .. } => Verdict::Unknown,
            Self::Way { .. } => Verdict::Not,
        }
    }

    /// What it is called where programs read it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Line { .. } => "line",
            Self::Listens(_) | Self::PortInUse(_) | Self::CannotListen { .. } => "listening",
            Self::Addresses(_) => "addresses",
            Self::Nat(_) => "nat",
            Self::Ipv6 { .. } => "ipv6",
            Self::Firewall { .. } => "firewall",
            Self::Mapping(_) => "mapping",
            Self::Lan(_) => "lan",
            Self::Proxy { .. } => "proxy",
            Self::Tor(_) => "tor",
            Self::NoRelay | Self::Relay { .. } => "relay",
            Self::Way { .. } => "way",
        }
    }

    /// Which of several, where there may be.
    pub fn of(&self) -> Option<&Printable> {
        match self {
            Self::Proxy { address: name, .. } | Self::Relay { name, .. } | Self::Way { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Why, and what to try next, if there is something.
    pub fn words(&self, lang: Lang) -> (String, Option<String>) {
        match lang {
            Lang::En => self.english(),
            Lang::Zh => self.chinese(),
        }
    }

    /// As lines on a screen.
    pub fn text(&self, lang: Lang) -> String {
        let (mark, verdict) = match (self.verdict(), lang) {
            (Verdict::Works, Lang::En) => ("✓", "works"),
            (Verdict::Works, Lang::Zh) => ("✓", "可用"),
            (Verdict::Not, Lang::En) => ("✗", "does not work"),
            (Verdict::Not, Lang::Zh) => ("✗", "不行"),
            (Verdict::Unknown, Lang::En) => ("?", "unknown"),
            (Verdict::Unknown, Lang::Zh) => ("?", "不确定"),
        };
        let (why, next) = self.words(lang);
        let next = next.map_or(String::new(), |next| format!("\n    → {next}"));
        match lang {
            Lang::En => format!("{mark} {}, {verdict}: {why}{next}", self.label(lang)),
            Lang::Zh => format!("{mark} {}，{verdict}：{why}{next}", self.label(lang)),
        }
    }

    fn label(&self, lang: Lang) -> String {
        let of = |english: &str, chinese: &str| match lang {
            Lang::En => english.to_owned(),
            Lang::Zh => chinese.to_owned(),
        };
        match self {
            Self::Line { .. } => of("this line", "现在的线路"),
            Self::Listens(_) | Self::PortInUse(_) | Self::CannotListen { .. } => of("listening", "等待连接"),
            Self::Addresses(_) => of("addresses", "地址"),
            Self::Nat(_) => of("router", "路由器"),
            Self::Ipv6 { .. } => of("IPv6", "IPv6"),
            Self::Firewall { .. } => of("firewall", "防火墙"),
            Self::Mapping(_) => of("port mapping", "端口映射"),
            Self::Lan(_) => of("local network", "局域网"),
            Self::Proxy { address, .. } => of(&format!("proxy {address}"), &format!("代理 {address}")),
            Self::Tor(_) => of("Tor", "Tor"),
            Self::NoRelay => of("relay", "中转"),
            Self::Relay { name, .. } => of(&format!("relay {name}"), &format!("中转 {name}")),
            Self::Way { name, .. } => of(&format!("way to {name}"), &format!("通往 {name}")),
        }
    }

    fn english(&self) -> (String, Option<String>) {
        let no = |why: &str| (why.to_owned(), None);
        let and = |why: &str, next: &str| (why.to_owned(), Some(next.to_owned()));
        match self {
            Self::Line { place, broken: false } => no(&format!("connected to {place}")),
            Self::Line { place, broken: true } => and(
                &format!("the line to {place} is cut"),
                "wait: it is looked for again by itself; /who tells how far that is",
            ),
            Self::Listens(addresses) => no(&list(addresses)),
            Self::PortInUse(port) => and(
                &format!("port {port} is in use on this machine"),
                "another tete may be running; or choose another with --port",
            ),
            Self::CannotListen { port, why } => {
                and(&format!("port {port}: {why}"), "choose another with --port, or leave out --bind")
            }
            Self::Addresses(addresses) if addresses.is_empty() => {
                and("this machine has none", "connect it to a network")
            }
            Self::Addresses(addresses) => no(&addresses
                .iter()
                .map(|(scope, ip)| match scope {
                    Scope::Global => format!("{ip} (from anywhere)"),
                    Scope::Local => format!("{ip} (from the local network)"),
                    Scope::Machine => format!("{ip} (from this machine only)"),
                })
                .collect::<Vec<_>>()
                .join(", ")),
            Self::Nat(Nat::None(ip)) => no(&format!("none translates addresses, {ip} is this machine's own")),
            Self::Nat(Nat::Router(ip)) => and(
                &format!("one translates addresses; from outside it is {ip}, and lets in only what it was told to"),
                "see port mapping; or let your partner wait, and join them",
            ),
            Self::Nat(Nat::Unknown) => and(
                "one translates addresses, and lets in only what it was told to; its own address is not known",
                "pass the port on to this machine in its settings, let your partner wait and join them, or use a relay or Tor",
            ),
            Self::Nat(Nat::Double(ip)) => and(
                &format!(
                    "two in a row translate addresses, the second perhaps your provider's; between them you are {ip}. Nobody gets in by IPv4"
                ),
                "IPv6, a relay, Tor, or let your partner wait, and join them",
            ),
            Self::Nat(Nat::NoIpv4) => and("this machine has no IPv4", "your partner needs IPv6, a relay or Tor"),
            Self::Ipv6 { own: Some(ip), reached: Some(true) } => no(&format!("from {ip} it leads to what was named")),
            Self::Ipv6 { own: Some(ip), reached: Some(false) } => and(
                &format!("{ip} and a route are there, and nothing that was named answers"),
                "it is not needed where IPv4, a relay or Tor works",
            ),
            Self::Ipv6 { own: Some(ip), reached: None } => and(
                &format!("{ip} and a route are there; whether it leads out was not tried"),
                "name a host that has IPv6: `tete doctor HOST`",
            ),
            Self::Ipv6 { own: None, .. } => {
                and("no address that leads out, or no route", "it is not needed where IPv4, a relay or Tor works")
            }
            Self::Firewall { name: Some(name), port } => and(
                &format!("{name} is on; what it lets in cannot be seen from here"),
                &match *name {
                    "ufw" => format!("if nobody gets in: sudo ufw allow {port}/tcp"),
                    _ => format!("if nobody gets in: sudo firewall-cmd --add-port={port}/tcp"),
                },
            ),
            Self::Firewall { name: None, port } => and(
                "neither ufw nor firewalld is on; others cannot be seen from here",
                &format!("if nobody gets in: let port {port}/tcp in"),
            ),
            Self::Mapping(None) => no("not asked for"),
            Self::Mapping(Some(Ok(at))) => no(&format!("the router passes {at} on to this machine")),
            Self::Mapping(Some(Err(why))) => match why {
                MapFault::NoRouter => no("there is no router to ask"),
                MapFault::NoAnswer => and(
                    "the router does not answer such questions",
                    "allow PCP, NAT-PMP or UPnP in its settings, or pass the port on by hand",
                ),
                MapFault::Refused => {
                    and("the router will not", "allow it in its settings, or pass the port on by hand")
                }
                MapFault::Useless(ip) => and(
                    &format!("the router would, but {ip}, its own address, cannot be reached from outside"),
                    "IPv6, a relay or Tor",
                ),
            },
            Self::Lan(None) => and("not tried", "try it with --lan"),
            Self::Lan(Some(Ok(()))) => no("what is announced can be heard"),
            Self::Lan(Some(Err(why))) => and(why.as_str(), "give your partner the address"),
            Self::Proxy { result: Ok(()), .. } => and(
                "it takes connections; whether it leads out was not tried",
                "name a host to try, or a relay with --relay",
            ),
            Self::Proxy { result: Err(why), .. } => {
                and(why.as_str(), "is it running there? Check the address and the port")
            }
            Self::Tor(None) => and("tor is installed, and was not started", "try it with --tor"),
            Self::Tor(Some(Ok(took))) => no(&format!("in the network after {} s", seconds(*took))),
            Self::Tor(Some(Err(why))) => and(
                why.as_str(),
                "install tor (Debian: apt install tor); where it is blocked, pass bridges on with --tor-config",
            ),
            Self::NoRelay => {
                and("none was named", "try one with --relay HOST:PORT; any transit relay of magic-wormhole serves")
            }
            Self::Relay { result: Ok(took), .. } => no(&format!("joined two connections within {} s", seconds(*took))),
            Self::Relay { result: Err(why), .. } => {
                and(why.as_str(), "check the address and the port, or take another relay")
            }
            Self::Way { met, .. } => met.english(),
        }
    }

    fn chinese(&self) -> (String, Option<String>) {
        let no = |why: &str| (why.to_owned(), None);
        let and = |why: &str, next: &str| (why.to_owned(), Some(next.to_owned()));
        match self {
            Self::Line { place, broken: false } => no(&format!("连着 {place}")),
            Self::Line { place, broken: true } => {
                and(&format!("到 {place} 的线路断了"), "等一等，会自动重连；/who 看进展")
            }
            Self::Listens(addresses) => no(&list(addresses)),
            Self::PortInUse(port) => {
                and(&format!("端口 {port} 已被占用"), "可能已经开着一个 tete；或者用 --port 换一个")
            }
            Self::CannotListen { port, why } => and(&format!("端口 {port}：{why}"), "用 --port 换一个，或去掉 --bind"),
            Self::Addresses(addresses) if addresses.is_empty() => and("这台机器没有地址", "先连上网络"),
            Self::Addresses(addresses) => no(&addresses
                .iter()
                .map(|(scope, ip)| match scope {
                    Scope::Global => format!("{ip}（哪里都能连）"),
                    Scope::Local => format!("{ip}（同一个局域网）"),
                    Scope::Machine => format!("{ip}（只有这台机器）"),
                })
                .collect::<Vec<_>>()
                .join("，")),
            Self::Nat(Nat::None(ip)) => no(&format!("没有地址转换，{ip} 就是这台机器自己的")),
            Self::Nat(Nat::Router(ip)) => {
                and(&format!("有地址转换；从外面看是 {ip}，只放行设置过的"), "看下面的端口映射；或者让对方等，你去连")
            }
            Self::Nat(Nat::Unknown) => and(
                "有地址转换，只放行设置过的；不知道它在外面的地址",
                "在路由器设置里把端口转到这台机器，或让对方等、你去连，或用中转、Tor",
            ),
            Self::Nat(Nat::Double(ip)) => and(
                &format!("有两层地址转换，第二层可能是运营商的；中间的地址是 {ip}。IPv4 谁也进不来"),
                "用 IPv6、中转或 Tor，或者让对方等，你去连",
            ),
            Self::Nat(Nat::NoIpv4) => and("这台机器没有 IPv4", "对方需要 IPv6、中转或 Tor"),
            Self::Ipv6 { own: Some(ip), reached: Some(true) } => no(&format!("从 {ip} 能到写出的地方")),
            Self::Ipv6 { own: Some(ip), reached: Some(false) } => {
                and(&format!("有 {ip}，也有路由，但写出的地方都没有回应"), "IPv4、中转或 Tor 能用就不需要它")
            }
            Self::Ipv6 { own: Some(ip), reached: None } => {
                and(&format!("有 {ip}，也有路由；没有试能不能出去"), "写一个有 IPv6 的主机来试：`tete doctor 主机`")
            }
            Self::Ipv6 { own: None, .. } => and("没有能出去的地址或路由", "IPv4、中转或 Tor 能用就不需要它"),
            Self::Firewall { name: Some(name), port } => and(
                &format!("{name} 开着；它放行什么从这里看不到"),
                &match *name {
                    "ufw" => format!("谁都进不来的话：sudo ufw allow {port}/tcp"),
                    _ => format!("谁都进不来的话：sudo firewall-cmd --add-port={port}/tcp"),
                },
            ),
            Self::Firewall { name: None, port } => {
                and("ufw 和 firewalld 都没开；别的从这里看不到", &format!("谁都进不来的话：放行端口 {port}/tcp"))
            }
            Self::Mapping(None) => no("没有要"),
            Self::Mapping(Some(Ok(at))) => no(&format!("路由器把 {at} 转到这台机器")),
            Self::Mapping(Some(Err(why))) => match why {
                MapFault::NoRouter => no("没有可以问的路由器"),
                MapFault::NoAnswer => {
                    and("路由器不回答这样的请求", "在路由器设置里打开 PCP、NAT-PMP 或 UPnP，或手动转发端口")
                }
                MapFault::Refused => and("路由器不肯", "在路由器设置里允许它，或手动转发端口"),
                MapFault::Useless(ip) => {
                    and(&format!("路由器愿意，但它自己的地址 {ip} 从外面到不了"), "用 IPv6、中转或 Tor")
                }
            },
            Self::Lan(None) => and("没有试", "加上 --lan 来试"),
            Self::Lan(Some(Ok(()))) => no("广播出去的能听到"),
            Self::Lan(Some(Err(why))) => and(why.as_str(), "把地址告诉对方"),
            Self::Proxy { result: Ok(()), .. } => {
                and("接受连接；没有试它能不能出去", "写一个主机来试，或用 --relay 写一个中转")
            }
            Self::Proxy { result: Err(why), .. } => and(why.as_str(), "它开着吗？核对地址和端口"),
            Self::Tor(None) => and("装了 tor，没有启动", "加上 --tor 来试"),
            Self::Tor(Some(Ok(took))) => no(&format!("{} 秒后进入网络", seconds(*took))),
            Self::Tor(Some(Err(why))) => {
                and(why.as_str(), "请安装 tor（Debian：apt install tor）；被封锁的地方用 --tor-config 给它网桥")
            }
            Self::NoRelay => and("没有写", "用 --relay 主机:端口 试一个；magic-wormhole 的任何 transit relay 都行"),
            Self::Relay { result: Ok(took), .. } => no(&format!("{} 秒内接通了两条连接", seconds(*took))),
            Self::Relay { result: Err(why), .. } => and(why.as_str(), "核对地址和端口，或换一个中转"),
            Self::Way { met, .. } => met.chinese(),
        }
    }
}

impl Met {
    fn english(&self) -> (String, Option<String>) {
        let no = |why: &str| (why.to_owned(), None);
        let and = |why: &str, next: &str| (why.to_owned(), Some(next.to_owned()));
        match self {
            Self::Tete(took) => no(&format!("tete answers after {} s", seconds(*took))),
            Self::Partner => no("your partner is there"),
            Self::Busy => and("tete answers, and talks with somebody else", "if that is not you, tell them by phone"),
            Self::Version { min, max } => and(
                &format!("tete answers, and speaks version {min} to {max} of the protocol; this is version 1"),
                "both sides need a tete of the same version",
            ),
            Self::Refusal(reason) => {
                and(&format!("tete answers, and refuses, reason {reason}"), "it may be newer than this one")
            }
            Self::Refused => {
                and("the machine answers that nobody listens there", "is tete running there, on this port?")
            }
            Self::Filtered => and(
                "nothing answers: a firewall or router swallows it, or nobody is there",
                "is the address right? Let them pass the port on, wait yourself, or take an invite with a relay",
            ),
            Self::NoRoute => {
                and("no route leads there, or a firewall says so", "are you online? For an IPv6 address you need IPv6")
            }
            Self::Lookup => and("the name is not found", "check the spelling, and whether you are online"),
            Self::Closed => and(
                "somebody listens, and closes without a word: it needs an invite, or is not tete",
                "ask your partner for an invite",
            ),
            Self::Stranger => and(
                "somebody listens, and does not know the invite or the room, or not any more",
                "ask your partner for a new invite",
            ),
            Self::Silent => and("somebody took the connection, and says nothing", "check the address and the port"),
            Self::NotTete => and("what answers is not tete", "check the address and the port"),
            Self::AloneAtRelay => and("the relay is there, your partner is not", "is their tete still running?"),
            Self::Waiting => no("this side waits there"),
            Self::NoRelay => and("the relay does not answer", "take another relay, or run one of your own"),
            Self::NoTor => {
                and("there is no way into the Tor network", "install tor, or pass bridges on with --tor-config")
            }
            Self::Other(why) => no(why.as_str()),
            Self::NotTried => no("not tried yet"),
        }
    }

    fn chinese(&self) -> (String, Option<String>) {
        let no = |why: &str| (why.to_owned(), None);
        let and = |why: &str, next: &str| (why.to_owned(), Some(next.to_owned()));
        match self {
            Self::Tete(took) => no(&format!("{} 秒后 tete 应答", seconds(*took))),
            Self::Partner => no("对方就在那里"),
            Self::Busy => and("tete 应答了，但正在和别人说话", "如果那不是你，打电话告诉对方"),
            Self::Version { min, max } => {
                and(&format!("tete 应答了，用的是协议版本 {min} 到 {max}，这边是版本 1"), "两边要装同一版本的 tete")
            }
            Self::Refusal(reason) => and(&format!("tete 应答了，但拒绝，原因代码 {reason}"), "它可能比这边的新"),
            Self::Refused => and("那台机器说没有程序在等", "对方的 tete 开着吗？端口对吗？"),
            Self::Filtered => and(
                "没有回应：被防火墙或路由器吞掉了，或者那里没有机器",
                "地址对吗？请对方转发端口，或你来等，或用带中转的邀请",
            ),
            Self::NoRoute => and("没有路由能到，或被防火墙拒绝", "连上网了吗？IPv6 地址要有 IPv6 才行"),
            Self::Lookup => and("找不到这个名字", "看看有没有写错，网络通不通"),
            Self::Closed => and("有程序接了又不说话就关了：需要邀请，或者不是 tete", "请对方给一个邀请"),
            Self::Stranger => and("有程序在等，但不认识这个邀请或房间，或已经作废", "请对方再做一个邀请"),
            Self::Silent => and("有程序接了连接却不说话", "核对地址和端口"),
            Self::NotTete => and("应答的不是 tete", "核对地址和端口"),
            Self::AloneAtRelay => and("中转在，对方不在", "对方的 tete 还开着吗？"),
            Self::Waiting => no("这边在那里等着"),
            Self::NoRelay => and("中转没有回应", "换一个中转，或自己开一个"),
            Self::NoTor => and("进不了 Tor 网络", "请安装 tor，或用 --tor-config 给它网桥"),
            Self::Other(why) => no(why.as_str()),
            Self::NotTried => no("还没试过"),
        }
    }
}

fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn seconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64())
}
