//! Every word of the interface in Chinese.

use std::sync::LazyLock;
use std::time::Duration;

use super::large::pictures;
use super::screen::{ScreenWords, Topic, Words};
use super::units::{arrow, bar, invocation, list, mark, seconds, size, speed};
use crate::address::{AddressError, OwnAddress, PORT, PeerAddr, ProxyError, Scope, Via};
use crate::interface::event::{ConnectionFault, ConnectionState, Event, Invitation, Trust, Who};
use crate::interface::fault::{CodesDiffer, ConfigFault, Fault, PairingFault, RATES, UsageFault, ValueError};
use crate::interface::files::{EndedBy, FileEvent, FileFault, Progress};
use crate::interface::finding::{Finding, Nat, ProbeResult, Verdict};
use crate::interface::refusal::{FileRefusal, Refusal};
use crate::interface::route::Route;
use crate::interface::{ANSWER, RELAYS};
use crate::printable::Printable;
use crate::protocol::delivery::TEXT;
use crate::protocol::handshake::VERSION;
use crate::protocol::invite::InviteError;
use crate::system::SystemError;
use crate::transport::error::{ConnectError, LanError, MappingError, SocksError, TorError};
use crate::ui::commands::{Command, meant};
use crate::ui::time::local_time;

/// What stands before and beside a line.
pub const WORDS: Words = Words {
    partner: "对方",
    prompt: "你 › ",
    half: "对方的配对码：",
    compare: "一样 还是 不一样：",
    address: "对方给你的地址或邀请：",
    error: "tete：",
    outcomes: ["一样", "不一样"],
    send_file: ["把“", "”发给对方？"],
    send_files: ["把这 ", " 个文件发给对方？"],
    send_keys: "回车：发送文件  Esc：不，当作消息",
    new_offer: "刚收到另一个文件请求，再按一次来回应它。",
    invite_goes_on: "邀请不完整。请粘贴剩下的部分，或再按一次回车。",
    hurried: "没有发出：输入快得像粘贴。按回车发送。",
    paste_stalls: "粘贴没有结束。按两次 Ctrl-C 丢弃它。",
    paste_given_up: "已丢弃这次粘贴。",
    signs: &[("//...", "发送以斜杠开头的文字"), ("Ctrl-D", "离开；Ctrl-C 也可以")],
};

/// What stands on the full screen beside texts and status.
pub static SCREEN: LazyLock<ScreenWords> = LazyLock::new(|| ScreenWords {
    you: "你",
    partner: "对方",
    waiting: "正在等对方，按 Ctrl-C 取消。",
    verified: "已核对",
    compared: "已核对",
    invited: "未核对（凭邀请进入）",
    used: "邀请已使用，此处不再保留",
    unverified: "未核对",
    connected: "已连接",
    unshown: "条未送达",
    below: "条在下面（Ctrl-End）",
    new: "新消息",
    leave: "再按一次离开房间。",
    full: format!("一条消息最多 {TEXT} 字节。"),
    chord: "Ctrl-X 之后：c 清空本机屏幕，p 清除一切并离开",
    over: "房间已关闭，按回车退出。",
    unsent: "房间已关闭，这条没有发出。按 q 退出。",
    close_again: "再按一次退出，未发出的内容将丢失。",
    read_out: "把这串数字念给对方听（打电话，或其他能听出对方声音的方式）：",
    type_in: "输入对方念给你的数字，按回车：",
    next: "不是你等的人？输入 /next。",
    compare: "和对方的屏幕核对（打电话，或当面）：",
    yours: "你的",
    theirs: "对方",
    agree: "对方屏幕上的图案相同，两个配对码的位置互换。全部一致请输入 一样，否则输入 不一样。",
    same: "一样 还是 不一样：",
    unlockable: "没有设口令，这个屏幕不会自动锁定。输入 /lock 可以设口令。",
    find: "查找：",
    nothing: "没找到",
    find_keys: "回车：更早  Ctrl-S：更晚  Esc：结束",
    paste: "粘贴",
    lines: "行？",
    paste_keys: "回车：粘贴  Esc：取消",
    choose: "设置解锁口令（仅本次运行有效），按 Esc 取消。",
    again: "再输入一遍：",
    differ: "两次不一致，请重设。",
    passphrase: "口令：",
    locked: "屏幕已锁定。",
    wrong: "口令错误，请等待（秒）：",
    close: "回车：关闭",
    small: "窗口太小",
    enter: "回车",
    arrows: ["↑", "↓", "←", "→"],
    comma: "、",
    parentheses: ["（", "）"],
    signs: &[
        ("滚轮", "翻看"),
        ("Shift-鼠标", "选择文字（终端自带）"),
        ("◌  ✓", "等待送达；已送达"),
        ("~12:34", "断线期间写于该时刻"),
    ],
});

/// What the keys of a row of the help do.
pub fn topic(topic: Topic) -> &'static str {
    match topic {
        Topic::Send => "发送",
        Topic::NewLine => "换行",
        Topic::Complete => "补全命令或路径",
        Topic::Leave => "清空输入；输入为空时按两次：离开",
        Topic::Help => "这份说明",
        Topic::Offer => "接收、拒绝对方的文件",
        Topic::Wipe => "之后按 c：清空本机屏幕；按 p：清除一切并离开",
        Topic::Scroll => "翻看",
        Topic::Ends => "最早和最新的一条",
        Topic::Back => "回到最新一条；关闭查找",
        Topic::Search => "查找更早、更晚、结束查找",
        Topic::Rows => "上下移动，到顶后翻出输入过的内容",
        Topic::Characters => "左右移动",
        Topic::Line => "行首、行尾",
        Topic::Words => "按词移动",
        Topic::Remove => "删掉一个字",
        Topic::CutWord => "剪掉一个词",
        Topic::CutLine => "剪到行首、行尾",
        Topic::PutBack => "粘贴剪掉的内容",
        Topic::Transpose => "交换两个字",
        Topic::Undo => "撤销、重做",
        Topic::Suspend => "挂起",
        Topic::Redraw => "重画",
    }
}

/// What a command does.
pub fn command(command: Command) -> &'static str {
    match command {
        Command::Doctor => "诊断连接并给出建议",
        Command::Send => "发送文件和文件夹：/send 路径...",
        Command::Get => "接收",
        Command::Decline => "拒绝",
        Command::Cancel => "取消当前传送",
        Command::Help => "按键和命令",
        Command::Who => "对方、开始时间、加密方式、连接状态",
        Command::Code => "再次显示配对码",
        Command::Find => "查找消息",
        Command::Clear => "清空本机屏幕",
        Command::Lock => "锁定屏幕，用口令解锁",
        Command::Rekey => "立即更换密钥",
        Command::Panic => "清除一切并立即离开",
        Command::Quit => "离开",
    }
}

/// What happened. `None` where there is nothing to tell a person.
pub fn event(event: &Event) -> Option<String> {
    Some(match event {
        // The addresses to give away, or the invite, say where this side waits.
        Event::Listening { .. } => return None,
        Event::Addresses { addresses, left_out, port, how } => {
            let row = |own: &OwnAddress| {
                let place = match own.scope {
                    Scope::Global => "任何网络".into(),
                    Scope::Vpn => format!("同一 VPN{}", interface(own)),
                    Scope::Local => "同一局域网".into(),
                    Scope::Link if own.address.is_ipv6() => "两台机器用网线直连；% 后面换成对方自己的网络接口".into(),
                    Scope::Link => "两台机器用网线直连".into(),
                    Scope::Machine => "本机".into(),
                };
                format!("  {:<44}  {place}", invocation(own, *port, *how))
            };
            let rows: Vec<_> = addresses.iter().map(row).chain(others(*left_out)).collect();
            let advice = if addresses.iter().any(|own| own.scope == Scope::Global) {
                format!(
                    "连不上？请在路由器和防火墙里放行端口 {port}，或加上 --invite 或 --tor 重新运行，\
                     也可以反过来：让对方等待，你去连。`tete doctor` 会说明原因。"
                )
            } else {
                "这些只在你自己的网络内有效。从其他网络连入：加上 --invite 或 --tor 重新运行，或让对方等待。\
                 `tete doctor` 会说明原因。"
                    .into()
            };
            format!("请对方运行下面任意一条命令：\n{}\n{advice}\n正在等对方，按 Ctrl-C 取消。", rows.join("\n"))
        }
        Event::Invite { invite: line, routes: ways, left_out, how } => {
            let ways: Vec<_> = ways.iter().map(|way| format!("  {}", route(way))).chain(others(*left_out)).collect();
            let command = match how {
                Invitation::Join => "tete join",
                Invitation::Receive => "tete receive --invite-file -",
                Invitation::Send => "tete send 文件 --invite-file -",
            };
            // Where only files are sent nobody can compare.
            let check = if *how == Invitation::Join { "，所以之后请用 /code 核对" } else { "" };
            format!(
                "请把这一行通过只有你们俩看得到的途径发给对方，对方运行 `{command}` 后粘贴。\
                 它只允许一个人进入一次，谁先使用谁就能进来{check}。\n\n\
                 {}\n\n连接方式：\n{}\n正在等对方，按 Ctrl-C 取消。",
                line.as_str(),
                ways.join("\n")
            )
        }
        Event::Mapping => "正在请求路由器映射端口".into(),
        Event::Mapped { address: at } => format!("路由器已将 {at} 转发到本机"),
        Event::MappingFailed(MappingError::NoRouter) => "没有找到路由器".into(),
        Event::MappingFailed(MappingError::NoAnswer) => "路由器没有应答映射端口的请求".into(),
        Event::MappingFailed(MappingError::Refused) => "路由器拒绝映射端口".into(),
        Event::MappingFailed(MappingError::Useless { address: ip }) => {
            format!("路由器可以映射端口，但它自己也在另一个路由器后面（{ip} 不是公网地址）")
        }
        Event::Announced => "持有邀请的人现在可在局域网内找到本机".into(),
        Event::LanFailed { why } => format!("用不了局域网：{}", lan_error(*why)),
        Event::Tor { percent: Some(percent) } => format!("正在连接 Tor：{percent} %"),
        Event::Tor { percent: None } => "正在发布洋葱服务，需要几秒钟".into(),
        Event::TorFailed { why } => format!("无法连接 Tor：{}。邀请不含 Tor 连接方式。", tor_error(*why)),
        Event::RouteDown { route: way, why } => {
            format!("对方暂时不能从{} 进来：{}。会接着试。", inside(&route(way)), connect_error(*why))
        }
        Event::RouteUp { route: way } => format!("{} 现在可用", route(way)),
        Event::LookingUp { host } => format!("正在查找 {host}"),
        Event::Trying { address } => format!("正在连接{}", inside(&route(address))),
        Event::TryFailed { address, why } => format!("连不上{}：{}", inside(&route(address)), connect_error(*why)),
        Event::Connected { address } => format!("已连上{}，正在建立加密连接", inside(&peer(address))),
        Event::Caller { address } => format!("有人连进来了（{}）", peer(address)),
        Event::BusySent { address: from, times } => {
            format!("{} 也想进来，已告知房间占用中（共 {times} 次）", peer(from))
        }
        Event::CallersWaiting { callers } => {
            format!("另有 {callers} 人在等。如果现在连上的不是你等的人，请输入 /next：你等的人可能就在其中。")
        }
        Event::Code { own, can_skip } => format!(
            "把这串数字念给对方听（打电话，或其他能听出对方声音的方式）：\n\n    {own}\n\n然后输入对方念给你的数字。{}",
            if *can_skip { "\n不是你等的人？输入 /next。" } else { "" }
        ),
        Event::Compare { own, partner, emoji, can_skip } => format!(
            "和对方的屏幕核对（打电话，或当面）：\n\n  你的  {own}\n  对方  {partner}\n  {}\n\n\
             对方屏幕上的图案相同，两个配对码的位置互换。全部一致请输入 一样，否则输入 不一样。{}",
            pictures(emoji, |entry| entry.chinese),
            if *can_skip { "\n不是你等的人？输入 /next。" } else { "" }
        ),
        Event::NotACode => "请输入八位数字，比如 4124 2842。".into(),
        Event::OwnCode => "这是你自己的配对码。请输入对方念的；如果对方念的就是这个，请对方念自己屏幕上的。".into(),
        Event::WrongCode { tries_left } => {
            format!(
                "不对，和对方屏幕上的不一致（还可试 {tries_left} 次）。可能念错或听错了，请对方慢慢再念一遍；再不对，就可能有人夹在中间。"
            )
        }
        Event::StaleAnswer => "刚才输入的是给上一个配对码的，已忽略。".into(),
        Event::Refused(Refusal::NotAsked) => "与当前的问题不符，已忽略。".into(),
        Event::Refused(Refusal::NotConfirmed) => "请先核对配对码。".into(),
        Event::Refused(Refusal::NotOpen) => "房间还没有打开。".into(),
        Event::NeitherWord => "请输入完整的词：一样，或 不一样。".into(),
        Event::Confirmed { partner_confirmed } => {
            if *partner_confirmed { "正确，对方也已核对。" } else { "正确，正在等对方核对。" }.into()
        }
        Event::RoomOpen { invited: false } => "房间已打开。输入文字，按回车发送；/help 查看全部功能。".into(),
        Event::RoomOpen { invited: true } => {
            "房间已打开，但还没有核对过里面是谁：请用 /code。输入文字，按回车发送。".into()
        }
        Event::PairingFailed { address: from, why, pause } => {
            let (fact, advice) = (pairing(*why), pairing_advice(*why));
            format!("{fact}（{}）。{advice}{} 秒后重新等待。", peer(from), pause.as_secs())
        }
        Event::Delivered { messages: 1, waiting: 0 } => "✓ 已送达".into(),
        Event::Delivered { messages, waiting: 0 } => format!("✓ {messages} 条已送达"),
        Event::Delivered { messages, waiting } => format!("✓ {messages} 条已送达，还有 {waiting} 条未送达"),
        Event::Refused(Refusal::TooLong { limit }) => format!("没有发出：超过 {limit} 字节，请改短。"),
        Event::Refused(Refusal::Full { waiting }) => format!("没有发出：还有 {waiting} 条未送达，请稍后再试。"),
        Event::Refused(Refusal::NotUtf8) => "输入中有一行没有发出：不是 UTF-8".into(),
        Event::Refused(Refusal::NeedlessArgument { command: name }) => {
            format!("{name} 后面不用写别的。要把它当作消息发出，请以 // 开头。")
        }
        Event::Refused(Refusal::UnknownCommand { command: name }) => match meant(name) {
            Some(meant) => format!("没有 {name} 这个命令，是不是 /{meant}？要把它当作消息发出，请以 // 开头。"),
            None => {
                format!("没有 {name} 这个命令，/help 查看全部。要当文字发送，请以 // 开头。")
            }
        },
        Event::Codes { own, partner, trust: Trust::Invite, .. } => format!(
            "你的配对码 {own}，对方的 {partner}\n\
             请打电话互相念出自己的配对码，然后输入 `/code 一样` 或 `/code 不一样`。"
        ),
        Event::Codes { own, partner, checked: true, .. } => format!("你的配对码 {own}，对方的 {partner}（已核对）"),
        Event::Codes { own, partner, .. } => format!(
            "你的配对码 {own}，对方的 {partner}（重连后是新的）\n\
             想确认的话，请和对方在电话里把两个都核对一遍。只要有一个不同，请输入 `/code 不一样`。"
        ),
        Event::Verified => "已核对：没有人夹在中间。".into(),
        Event::Who(with) => who(with, local_time),
        Event::Finding(found) => finding(found),
        Event::File(about) => file(about, false),
        Event::Finishing { waiting } => format!("等待 {waiting} 条消息送达，按 Ctrl-C 立即离开。"),
        Event::PartnerLeft => "对方已离开。没有保存任何消息。".into(),
        Event::CutOff => "连接已断开，房间已关闭。".into(),
        Event::Quiet { seconds } => format!("{seconds} 秒没有应答，连接可能已断开。"),
        Event::ConnectionLost { why, redialing } => format!(
            "连接已断开（{}）。{}可以继续打字，恢复后自动发出。",
            connection_fault(*why),
            if *redialing { "正在重连。" } else { "正在等对方重连。" }
        ),
        Event::PairingInterrupted { why, redialing: true } => {
            format!("对方还没应答，连接就断开了（{}）。正在重连，不必再核对配对码。", connection_fault(*why))
        }
        Event::PairingInterrupted { why, redialing: false } => format!(
            "对方还没应答，连接就断开了（{}）。对方可以直接回来，不必再核对配对码；这期间别人也可以连进来。",
            connection_fault(*why)
        ),
        Event::StillAway { seconds, redialing: true } => {
            format!("对方已 {seconds} 秒没有应答，仍在重连。如果对方已重新启动，请退出后再连一次。")
        }
        Event::StillAway { seconds, redialing: false } => {
            format!("对方已 {seconds} 秒没有回来。如果对方已重新启动，可以再连进来，用新的配对码。")
        }
        Event::Displaced { address } => format!("对方回来了，不必再核对配对码。已请走 {} 的来访者。", peer(address)),
        Event::RedialFailed { attempt: number, why: failure } => {
            format!("第 {number} 次重连失败：{}。继续尝试。", redial_failure(*failure))
        }
        Event::BetterRoute { address: place } => format!("已切换到更好的连接：{}", peer(place)),
        Event::Reconnected { after, waiting: 0 } => format!("断线 {} 秒后已恢复。", after.as_secs()),
        Event::Reconnected { after, waiting } => {
            format!("断线 {} 秒后已恢复，正在发送 {waiting} 条消息。", after.as_secs())
        }
        Event::Waiting { waiting } => format!("◌ {waiting} 条等待连接恢复"),
        Event::Intruder { address: from, times } => {
            format!(
                "{} 有人想进入房间，已被拒绝（共 {times} 次）。如果是对方重开了程序，请 /quit 后重新等待。",
                peer(from)
            )
        }
        Event::Rekey => "正在更换密钥。".into(),
        Event::Refused(Refusal::NotConnected) => "断线期间无法使用。".into(),
        Event::TimeIsUp => "这个房间的时间到了。".into(),
        Event::Refused(Refusal::NeedsScreen) => "需要全屏界面：启动时不加 --plain。".into(),
        Event::Refused(Refusal::WhatToSend) => "请指定要发送的内容：/send 文件，或 /send \"文件夹\"。".into(),
    })
}

/// The interface that an address belongs to, if that is worth a word.
fn interface(own: &OwnAddress) -> String {
    own.interface.as_ref().map(|name| format!("，{name}")).unwrap_or_default()
}

/// The row about the addresses that have none.
fn others(left_out: usize) -> Option<String> {
    (left_out > 0).then(|| format!("  （本机还有 {left_out} 个地址没有列出）"))
}

/// With whom, how. `clock` tells the time of so long ago.
pub fn who(who: &Who, clock: impl Fn(Duration) -> String) -> String {
    let ago = |then| clock(who.now.saturating_sub(then));
    format!(
        "对方在{}，{}，从 {} 起\n  连接       {}\n  {} + ML-KEM-768\n  密钥       {}\n  你的密钥   {}\n  对方的密钥 {}\n  未送达：{} 条",
        inside(&peer(&who.partner)),
        SCREEN.trust(who.trust),
        ago(who.opened),
        connection_state(&who.connection, who.now),
        who.suite,
        who.epoch.as_ref().map_or("无".into(), |(number, began)| match number {
            0 => format!("连接时生成，从 {} 起", ago(*began)),
            _ => format!("更换过 {number} 次，从 {} 起", ago(*began)),
        }),
        who.local,
        who.remote,
        who.waiting
    )
}

/// What happened to files. With `keys` it names those of the full screen.
pub fn file(event: &FileEvent, keys: bool) -> String {
    match event {
        FileEvent::CannotSend { path, why } => format!("无法发送 {path}：{}。", file_fault(why)),
        FileEvent::LeftOut { name, paths, count } => {
            let rows: Vec<_> = paths.iter().map(|(path, why)| format!("  {path}：{}", file_fault(why))).collect();
            let more = if *count > rows.len() {
                format!("\n  另外还有 {} 个", count - rows.len())
            } else {
                String::new()
            };
            format!("{name} 里以下内容不发送：\n{}{more}", rows.join("\n"))
        }
        FileEvent::Queued { name, before } => format!("{name} 正在排队，前面还有 {before} 批。"),
        FileEvent::Offering { name, files, bytes } => {
            format!("已向对方发起传送：{name}{}。", amount(*files, *bytes))
        }
        FileEvent::Accepted { name } => format!("对方同意接收 {name}。"),
        FileEvent::PartnerDeclined { name } => format!("对方没有接收 {name}。"),
        FileEvent::Sent { name, files, bytes, took, failed: 0 } => {
            format!("✓ {name}{}对方已保存{}", amount(*files, Some(*bytes)), speed("，", *bytes, *took))
        }
        FileEvent::Sent { name, files, failed, .. } => {
            format!("{name}：{files} 个文件里保存了 {} 个，{failed} 个没有。", files - failed)
        }
        FileEvent::Renamed { name, sending, names, count } => {
            let rows: Vec<_> = names.iter().map(|(path, stored)| format!("  {path} → {stored}")).collect();
            let more = if *count > rows.len() {
                format!("\n  另外还有 {} 个", count - rows.len())
            } else {
                String::new()
            };
            let whose = if *sending { "对方" } else { "" };
            format!("{whose}保存 {name} 时改了 {count} 个名称：\n{}{more}", rows.join("\n"))
        }
        FileEvent::NotSent { path, why } => format!("{path} 没有发出：{}。", file_fault(why)),
        FileEvent::Offered { name, offered_as: called, files, bytes, folder, .. } => format!(
            "对方想发给你 {name}{}{}。{}存到 {folder}，{}拒绝。",
            called.as_ref().map(|called| format!("（原名 {called}）")).unwrap_or_default(),
            amount(*files, *bytes),
            if keys { "按 F2（/get）" } else { "/get " },
            if keys { "按 F3（/decline）" } else { "/decline " },
        ),
        FileEvent::OfferRefused { name, why } => format!("对方想发送 {name}，无法接收：{}。", file_fault(why)),
        FileEvent::Refused(FileRefusal::NothingOffered) => "现在没有待接收的文件。".into(),
        FileEvent::Refused(FileRefusal::StaleOffer) => "刚才的答复针对的那一批已不在，已忽略。".into(),
        FileEvent::Refused(FileRefusal::NothingUnderWay) => "现在没有传送。".into(),
        FileEvent::NoSpace { name, needed, free } => {
            format!("空间不足，无法保存 {name}：需要 {}，只剩 {}。腾出空间后再输入 /get。", size(*needed), size(*free))
        }
        FileEvent::Accepting { name, folder } => format!("正在接收 {name}，存到 {folder}"),
        FileEvent::Declined { name } => format!("已拒绝 {name}。"),
        FileEvent::Stored { name, files, bytes, took, failed: 0 } => {
            format!("✓ {name}{}已保存{}", amount(*files, Some(*bytes)), speed("，", *bytes, *took))
        }
        FileEvent::Stored { name, files, failed, .. } => {
            format!("{name}：{files} 个文件里保存了 {} 个，{failed} 个没有。", files - failed)
        }
        FileEvent::NotStored { path, why } => format!("{path} 没有保存：{}。", file_fault(why)),
        FileEvent::Checking { path } => format!("正在核对对方已收到的 {path}。"),
        FileEvent::Restarted { path, .. } => format!("{path} 在传送期间有改动，从头再传。"),
        FileEvent::DiskFull { name } => format!("没有空间保存 {name} 了，腾出空间后自动继续。"),
        FileEvent::Resumed { name } => format!("有空间了，{name} 继续传送。"),
        FileEvent::Withdrawn { name, sending: true, .. } => format!("{name} 没有发出：还没有人接收。"),
        FileEvent::Withdrawn { name, by: EndedBy::Partner, .. } => format!("对方撤回了 {name}。"),
        FileEvent::Withdrawn { name, .. } => format!("没有接收 {name}，已不再等待答复。"),
        FileEvent::TransferEnded { name, sending: true, by, .. } => format!("{name} 没有发完：{}。", ended_by(*by)),
        FileEvent::TransferEnded { name, by, .. } => format!("{name} 没有收完：{}。", ended_by(*by)),
        FileEvent::Progress { name, sending, progress } => {
            format!("{} {name}  {}, {}", arrow(*sending), bar(progress), rest(progress))
        }
    }
}

/// Why a file is not sent or not stored: a part of a sentence.
pub fn file_fault(why: &FileFault) -> String {
    match why {
        FileFault::System(why) => system_error(*why),
        FileFault::Missing => "没有这个文件或文件夹".into(),
        FileFault::Nothing => "里面没有可以发送的文件".into(),
        FileFault::TooMany(limit) => format!("文件超过 {limit} 个，可以打成一个包发送：`tar c 文件夹 | tete send`"),
        FileFault::TooManyWait => "排队的已经太多".into(),
        FileFault::Link => "是链接".into(),
        FileFault::Home => "这是整个主目录或整个系统，请指明其中要发的内容".into(),
        FileFault::Special => "是管道、套接字或设备".into(),
        FileFault::Unreadable => "没有读取权限".into(),
        FileFault::Name => "文件名无法发送：不是 UTF-8，或者太长、太深".into(),
        FileFault::Changed => "传送期间有改动，请再发一次".into(),
        FileFault::Stream => "断线时数据流丢失太多，无法续传".into(),
        FileFault::Partner => "对方没有保存".into(),
        FileFault::Path => "没有文件夹能存这个名称".into(),
        FileFault::OtherName => "与对方先前提供的不一致".into(),
        FileFault::Hash => "校验不通过".into(),
        FileFault::Broken => "对方没能读完".into(),
        FileFault::Nobody => "本机没有人可以答复".into(),
    }
}

fn ended_by(who: EndedBy) -> String {
    match who {
        EndedBy::Us => "你取消了".into(),
        EndedBy::Partner => "对方取消了".into(),
        EndedBy::Connection => "连接断开了".into(),
        EndedBy::Silence => format!("对方 {} 秒没有任何确认", ANSWER.as_secs()),
    }
}

/// `1.5 GB, 2/7, 12.0 MB/s, 剩余 1:52`.
pub fn rest(progress: &Progress) -> String {
    let mut parts: Vec<_> = progress.of_bytes.map(size).into_iter().collect();
    if progress.of_files > 1 {
        parts.push(format!("{}/{}", progress.files, progress.of_files));
    }
    if progress.waits {
        parts.push("等待中".into());
    } else {
        parts.push(format!("{}/s", size(progress.rate)));
        if let Some(left) = progress.left() {
            let time = format!("{}:{:02}", left / 60, left % 60);
            parts.push(format!("剩余 {time}"));
        }
    }
    parts.join(", ")
}

/// `（3 个文件，4.2 MB）`.
fn amount(files: u32, bytes: Option<u64>) -> String {
    let bytes = bytes.map_or("数据流".into(), size);
    if files == 1 { format!("（{bytes}）") } else { format!("（{files} 个文件，{bytes}）") }
}

/// What is wrong with the command line.
fn usage(why: &UsageFault) -> String {
    match why {
        UsageFault::Unknown { option, like: None } => format!("没有 {option:#} 这个选项"),
        UsageFault::Unknown { option, like: Some(like) } => format!("没有 {option:#} 这个选项，是不是 {like:#}？"),
        UsageFault::TooMany { argument } => format!("多了一个参数：{argument:#}"),
        UsageFault::NoValue { option } => format!("{option:#} 后面少了值"),
        UsageFault::NeedlessValue { option, value } => format!("{option:#} 后面不用写值，却写了“{value:#}”"),
        UsageFault::NotAmong { option, value, possible } => {
            let possible: Vec<_> = possible.iter().map(Printable::as_str).collect();
            format!("{option:#} 不能是“{value:#}”，可以是 {}", possible.join("、"))
        }
        UsageFault::Value { option, value, why } => format!("{option:#} 不能是“{value:#}”：{}", value_error(*why)),
        UsageFault::Twice { option } => format!("{option:#} 写了不止一次"),
        UsageFault::Conflict { one, other } => format!("{one:#} 和 {other:#} 不能一起用"),
        UsageFault::Useless { option, command } => format!("{option:#} 对 tete {command:#} 不起作用"),
        UsageFault::NotUtf8 => "有参数不是 UTF-8".to_owned(),
        UsageFault::Other(why) => why.as_str().to_owned(),
    }
}

fn config(why: &ConfigFault) -> String {
    match why {
        ConfigFault::NoValue => "要写成 lock = 10 这样".to_owned(),
        ConfigFault::Key { key, like: None } => format!("{key:#} 不能在这里设置"),
        ConfigFault::Key { key, like: Some(like) } => format!("没有 {key:#} 这一项，是不是 {like:#}？"),
        ConfigFault::YesOrNo => "这一项只能是 yes 或 no".to_owned(),
        ConfigFault::Twice => "前面已经设置过了".to_owned(),
        ConfigFault::Option(why) => usage(why),
        ConfigFault::NotText => "文件夹的名字不是 UTF-8".to_owned(),
        ConfigFault::NoFile => "这不是文件".to_owned(),
        ConfigFault::OthersWrite => "别人能改写这个文件，所以不读它".to_owned(),
        ConfigFault::System(why) => system_error(*why),
    }
}

fn value_error(why: ValueError) -> String {
    match why {
        ValueError::Port => "端口是 0 到 65535 的数字".to_owned(),
        ValueError::Address => "地址是 IPv4 或 IPv6，不带端口".to_owned(),
        ValueError::Minutes { least, most } => format!("分钟是 {least} 到 {most} 的整数"),
        ValueError::Time => "时间写成 90s、30m、24h、7d 或 1h 30m 这样".to_owned(),
        ValueError::LongTime { most_days } => format!("时间最长 {most_days}d"),
        ValueError::Name { most } => format!("名字宽 1 到 {most} 列"),
        ValueError::Rate => format!("速率是每秒 {} 到 {} 个数据包", RATES.start(), RATES.end()),
    }
}

/// Why the program ends, and one line of advice.
pub fn fault(fault: &Fault) -> (String, String) {
    let two = |fact: &str, advice: &str| (fact.to_owned(), advice.to_owned());
    match fault {
        Fault::CommandLine(why) => (usage(why), "用法见 `tete --help`。".to_owned()),
        Fault::Config { path, line, why } => (
            match line {
                Some(line) => format!("{path} 第 {line} 行：{}", config(why)),
                None => format!("{path}：{}", config(why)),
            },
            "改好它，或者加 --no-config 不读它。".to_owned(),
        ),
        Fault::NearCommand { word, command } => two(
            &format!("“{word:#}”很像命令 {command}，所以没有当作主机去查"),
            &format!("请写 `tete {command}`；如果真有叫这个名字的机器，写 `tete join {word:#}`。"),
        ),
        Fault::LoneWord { word } => two(
            &format!("“{word:#}”不是命令，/etc/hosts 里也没有这台机器，所以没有去查"),
            &format!("如果对方的机器就叫这个名字，写 `tete join {word:#}`；命令见 `tete --help`。"),
        ),
        Fault::HostOptions => two(
            "命令行有误：--port、--bind、--invite、--relay、--onion 是等的那一边用的",
            "要连其他端口，请写成 主机 端口。",
        ),
        Fault::Address { typed, why: AddressError::Host } => {
            two(&format!("“{typed:#}”不是主机名，也不是 IP 地址"), "请写成 主机、主机 端口、IPv4:端口 或 [IPv6]:端口。")
        }
        Fault::Address { typed, why: AddressError::Port } => {
            two(&format!("“{typed:#}”不是端口"), "端口是 1 到 65535 的数字。")
        }
        Fault::Address { typed, why: AddressError::NotAscii } => {
            two(&format!("“{typed:#}”里有 DNS 不认识的字符"), "请写它的 xn-- 形式，或直接写 IP 地址。")
        }
        Fault::Address { typed, why: AddressError::Onion } => {
            two(&format!("“{typed:#}”不是洋葱地址"), "在 .onion 前面应有 56 个字母和数字。")
        }
        Fault::Address { typed, why: AddressError::Zone } => two(
            &format!("“{typed:#}”没有写网络接口，不知道从哪里走"),
            &format!("在后面写上本机的网络接口：{typed:#}%接口。"),
        ),
        Fault::Address { typed, why: AddressError::TwoPorts } => {
            two(&format!("端口重复：{typed:#}"), "端口只写一次：主机:端口 或 主机 端口。")
        }
        Fault::NoAddress => two("未指定地址", "请指定主机：`tete join 主机`；在终端里运行会询问地址。"),
        Fault::Lookup(host) => two(&format!("找不到 {host} 这个名字"), "请检查拼写和网络连接。"),
        Fault::Unreachable(address) => {
            two(&format!("连不上 {address:#}"), &format!("运行 `tete doctor {address:#}` 查看原因。"))
        }
        Fault::NoWay => two(
            "邀请里的连接方式都连不通",
            "对方的 tete 还开着吗？邀请是不是已经用过？请对方重新生成一个；带中转的邀请能穿过大多数路由器。`tete doctor` 会说明原因。",
        ),
        Fault::Invite(InviteError::NotAnInvite) => two("这不是邀请", "邀请是以 tete1 开头的一长行。"),
        Fault::Invite(InviteError::Damaged) => two("邀请不完整或已损坏", "请整行复制。"),
        Fault::Invite(InviteError::Newer) => two("这个邀请由更新版本的 tete 生成", "请更新 tete。"),
        Fault::NoAddressForInvite => two(
            "本机没有别的地址，邀请只能通到本机自己",
            "请先连上网络；或者用 --tor、--lan 或 --relay；只想在本机试试就加 --bind 127.0.0.1。",
        ),
        Fault::NeedsInvite => {
            two("命令行有误：--relay、--onion 和 --lan 需要邀请", "用 --invite 生成一个，对方凭它进入。")
        }
        Fault::TooManyRelays => two("命令行有误：中转太多，邀请里放不下", &format!("最多指定 {RELAYS} 个。")),
        Fault::WordFirst(word) => two(
            &format!("命令行有误：`{word:#}` 是命令，必须写在最前面"),
            &format!("请写成 `tete {word:#} [选项]`。如果是叫这个名字的机器：{word:#}:{PORT}。"),
        ),
        Fault::InviteInArguments => two(
            "命令行里的邀请，本机所有用户都看得到，还会留在命令历史里",
            "看到的人仍能使用它：请对方停下（Ctrl-C）再做一个新的，等 `tete join` 问你时再粘贴。",
        ),
        Fault::InviteFile(why) => {
            two(&format!("读不到邀请：{}", system_error(*why)), "请写存着邀请的文件，或用 - 表示标准输入。")
        }
        Fault::Tor(why) => two(
            &format!("无法连接 Tor：{}", tor_error(*why)),
            "请安装 tor（Debian：apt install tor），或用 --tor-control 指定正在运行的 tor。Tor 被封锁时，用 --tor-config 指定网桥。",
        ),
        Fault::Proxy(ProxyError::Kind) => two("未知的代理类型", "请写 socks5://主机:端口。"),
        Fault::Proxy(ProxyError::User) => two("代理的用户名或密码格式有误", "请写 socks5://用户:密码@主机:端口。"),
        Fault::Proxy(ProxyError::Address(_)) => two("代理的地址格式有误", "请写 socks5://主机:端口，IPv6 地址加 [ ]。"),
        Fault::Busy => two("对方正在和别人通话", "如果对方在等你，请打电话告诉对方，然后再试。"),
        Fault::NobodyCame => two("没等到人就结束了", "没有保存任何内容。"),
        Fault::Handshake { address, why } => two(
            &format!("和 {address} 没能建立加密连接：{}", connect_error(*why)),
            "请和对方核对地址和端口。如果对方启动时用了 --invite，你需要那个邀请。",
        ),
        Fault::Version { min, max } => {
            two(&format!("对方使用协议版本 {min} 到 {max}，本机是版本 {VERSION}"), "两边需要同一版本的 tete。")
        }
        Fault::Refused(reason) => two(&format!("对方拒绝了，原因代码 {reason}"), "对方的 tete 可能比你的新。"),
        Fault::Pairing(why) => (pairing(*why).to_owned(), pairing_advice(*why).to_owned()),
        Fault::CutOff { waiting: 0 } => two("连接断开且无法恢复", "请两边重新开始；你发的消息已全部送达。"),
        Fault::CutOff { waiting } => {
            two(&format!("连接断开且无法恢复，还有 {waiting} 条未送达"), "请两边重新开始，再发一遍。")
        }
        Fault::Files { unfinished } => {
            two(&format!("有 {unfinished} 批文件没有传完"), "原因见上文。请再发一次；单个文件会续传。")
        }
        Fault::InputAndMore => two("命令行有误：标准输入（-）不能和路径一起发送", "请先发送文件，再另外发送标准输入。"),
        Fault::JsonAndStream => two(
            "命令行有误：使用 --json 时，标准输入和标准输出用于命令和事件",
            "请发送文件，或接收到文件夹里；或者去掉 --json。",
        ),
        Fault::NothingToSend => two(
            "命令行有误：未指定要发送的内容",
            "请指定文件和文件夹，或发送其他程序的输出：`tar c photos | tete send`；- 表示发送你输入的内容。",
        ),
        Fault::TooManyPaths { limit } => {
            two(&format!("命令行有误：文件和文件夹超过 {limit} 个"), "请放进一个文件夹再发送。")
        }
        Fault::CannotSend { paths } => (
            match paths.as_slice() {
                [(path, why)] => format!("无法发送 {path}：{}", file_fault(why)),
                several => {
                    let rows = several.iter().map(|(path, why)| format!("\n  {path}：{}", file_fault(why)));
                    format!("以下内容无法发送：{}", rows.collect::<String>())
                }
            },
            "没有发送任何内容，也没有联系任何人。".to_owned(),
        ),
        Fault::NoScreenToLock => {
            two("命令行有误：--lock 需要全屏界面，这里没有", "请在终端里运行，不加 --plain；或者去掉 --lock。")
        }
        Fault::TorConfig { path, why } => two(
            &format!("读不了给 tor 的配置 {path}：{}", system_error(*why)),
            "请指定一个你能读的文本文件：--tor-config 文件。",
        ),
        Fault::TorControl(at) => {
            two(&format!("这不是 tor 的控制端口：{at}"), "请写 主机:端口，如 127.0.0.1:9051，或控制套接字的完整路径。")
        }
        Fault::Folder { path, why } => two(
            &format!("文件没法存到 {path}：{}", system_error(*why)),
            "请指定一个存在而且可写的文件夹：--save-to 文件夹。",
        ),
        Fault::NothingCame => two("没有收到任何内容", "对方没有发送就离开了。请再试一次。"),
        Fault::NoTerminal => two("没有可以核对配对码的终端", "请在终端里运行；或者由程序控制：`tete --json`。"),
        Fault::HostGone { after, waiting } => two(
            &format!("对方的 tete 已有 {} 秒不在原来的地址，还有 {waiting} 条未送达", after.as_secs()),
            "它很可能已退出，房间也随之关闭；请两边重新打开 tete，再次配对。",
        ),
        Fault::Damaged { waiting } => two(
            &format!("已断开：对方违反协议，还有 {waiting} 条未送达"),
            "没有显示任何伪造的消息。请两边用同一版本的 tete 重新开始。",
        ),
        Fault::CodesDiffer(said) => {
            let who =
                if said.by_partner { "对方发现两边的配对码不一致" } else { "两边的配对码不一致" };
            let CodesDiffer { partner, sent, received, .. } = said;
            let partner = inside(&peer(partner));
            (
                format!("警报：{who}。有人夹在中间，或者那根本不是对方"),
                format!(
                    "请当作这个房间里说过的话都已被别人知道：你发出 {sent} 条（发往{partner}），收到 {received} 条。\
                     请打电话告诉对方，可以的话换个网络再配对。"
                ),
            )
        }
        Fault::Unread { texts } => {
            two(&format!("收到的消息还有 {texts} 条没有显示"), "对方屏幕上没有 ✓ 的就是，请询问对方。")
        }
        Fault::Undelivered { waiting } => two(&format!("还有 {waiting} 条未送达"), "请用其他办法告诉对方。"),
        Fault::PortInUse(port) => two(
            &format!("端口 {port} 已被占用"),
            &format!("可能已经开着一个 tete。换个端口：`tete --port {}`。", PORT + 1),
        ),
        Fault::Listen { address, why } => {
            two(&format!("没法在 {address:#} 上等待：{}", system_error(*why)), "去掉 --bind，或换个 --port。")
        }
        Fault::Output(why) => {
            two(&format!("对方的话写不出去：{}", system_error(*why)), "tete 运行时请不要关闭标准输出。")
        }
        Fault::Input { lines } => {
            two(&format!("输入里有 {lines} 行没有发出"), &format!("每行必须是 UTF-8，最多 {TEXT} 字节。"))
        }
        Fault::Interface => two("程序的一部分自己停了", "这是 tete 的错误，请告诉我们。"),
        Fault::System(why) => two(&format!("系统拒绝了：{}", system_error(*why)), "没有它，tete 无法安全启动。"),
    }
}

fn pairing(why: PairingFault) -> &'static str {
    match why {
        PairingFault::WrongHalf => "警报：三次都不对。可能有人夹在中间",
        PairingFault::Different => "警报：配对码不一致。有人夹在中间，或者那根本不是对方",
        PairingFault::Skipped => "已请走：不是你等的人",
        PairingFault::Left => "还没核对配对码就离开了",
        PairingFault::NoHalf => "输入已结束，没有对方的配对码",
        PairingFault::PartnerLeft => "核对配对码之前，对方离开了",
        PairingFault::PartnerSawOtherCode => "警报：对方看到的配对码不一致。可能有人夹在中间",
        PairingFault::Cut => "配对时连接断开了",
        PairingFault::Timeout => "未在规定时间内核对配对码",
        PairingFault::Commitment => "警报：检测到攻击，对方企图操纵配对码",
        PairingFault::Reflection => "警报：检测到攻击，本机的密钥或消息被原样送回",
        PairingFault::Misbehaved => "配对时对方违反协议",
    }
}

fn pairing_advice(why: PairingFault) -> &'static str {
    match why {
        PairingFault::WrongHalf | PairingFault::Different | PairingFault::PartnerSawOtherCode => {
            "对方没有得到任何内容。请打电话问对方是否连着你，可以的话换个网络再配对。"
        }
        PairingFault::Commitment | PairingFault::Reflection => {
            "对方没有得到任何内容。请换个网络再配对，并把这件事告诉你的联系人。"
        }
        PairingFault::Skipped | PairingFault::Left | PairingFault::Misbehaved => "对方没有得到任何内容。",
        PairingFault::NoHalf => "输入的第一行应是对方念出的配对码。",
        PairingFault::PartnerLeft => "请打电话问对方看到了什么，再配对一次。",
        PairingFault::Cut => "还没有说过话，请两边重新开始。",
        PairingFault::Timeout => "请先在电话里约好时间，再配对。",
    }
}

fn connection_fault(why: ConnectionFault) -> String {
    match why {
        ConnectionFault::Cut => "连接被关闭".into(),
        ConnectionFault::Silent { after } => format!("{} 秒没有应答", after.as_secs()),
        ConnectionFault::Late => "对方响应超时".into(),
        ConnectionFault::Damaged { times } => format!("数据损坏或被篡改，共 {times} 次"),
    }
}

/// The state of the connection at `now`, in a few words.
pub fn connection_state(connection: &ConnectionState, now: Duration) -> String {
    match connection {
        ConnectionState::Connected => "已连接".into(),
        ConnectionState::Quiet(since) => format!("{} 秒没有应答", now.saturating_sub(*since).as_secs()),
        ConnectionState::Redialing { number, next, failure } => format!(
            "正在重连：第 {number} 次，{} 秒后再试{}",
            next.saturating_sub(now).as_secs_f32().ceil(),
            failure.map_or(String::new(), |why| format!("；上次失败：{}", redial_failure(why)))
        ),
        ConnectionState::Awaiting(since) => {
            format!("断线 {} 秒，正在等对方重连", now.saturating_sub(*since).as_secs())
        }
    }
}

/// Why the host was not found again.
fn redial_failure(why: ConnectError) -> String {
    let gone = if why.suggests_end() { "。如果对方已退出，房间就不存在了，请 /quit" } else { "" };
    connect_error(why) + gone
}

/// Where a way leads: a part of a sentence.
fn route(route: &Route) -> String {
    match route {
        Route::Address(at) => at.to_string(),
        Route::Relay(at) => format!("中转 {at}"),
    }
}

/// The other end of a connection: a part of a sentence.
pub fn peer(peer: &PeerAddr) -> String {
    match peer.via {
        Via::Direct => peer.at.to_string(),
        Via::Proxy => format!("代理 {}", peer.at),
        Via::Relay => format!("中转 {}", peer.at),
        Via::Tor => "Tor".into(),
    }
}

/// A part of a sentence behind Chinese words: a blank stands before it if it is Latin.
fn inside(part: &str) -> String {
    if !part.starts_with(|c: char| c.is_ascii()) { part.to_owned() } else { format!(" {part}") }
}

/// Why a way leads nowhere: a part of a sentence.
pub fn connect_error(why: ConnectError) -> String {
    match why {
        ConnectError::Lookup => "找不到这个名字".into(),
        ConnectError::Refused => "该端口上没有运行 tete".into(),
        ConnectError::Timeout => "没有回应".into(),
        ConnectError::NoRoute => "没有路由能到，或被防火墙拒绝".into(),
        ConnectError::Closed => "有程序接受了连接，但没有应答就关闭了".into(),
        ConnectError::Silent => "有程序接受了连接，但没有应答".into(),
        ConnectError::Unfinished => "应答到一半，握手没有完成".into(),
        ConnectError::NotTete => "应答的不是 tete".into(),
        ConnectError::Rejected => "tete 应答了，但拒绝".into(),
        ConnectError::NotAuthentic => "有程序应答，但不能证明自己是对方".into(),
        ConnectError::NoRelay => "连不上中转".into(),
        ConnectError::NotARelay => "应答的不是中转".into(),
        ConnectError::RelayClosed => "中转断开了连接".into(),
        ConnectError::AloneAtRelay => "中转在，对方不在".into(),
        ConnectError::NeedsInvite => "有邀请才能走中转".into(),
        ConnectError::Proxy(why) => socks_error(why).into(),
        ConnectError::Tor(why) => format!("无法连接 Tor：{}", tor_error(why)),
        ConnectError::System(why) => system_error(why),
    }
}

fn socks_error(why: SocksError) -> &'static str {
    match why {
        SocksError::Unreachable => "代理没有回应",
        SocksError::NotSocks => "应答的不是 SOCKS5 代理",
        SocksError::Login => "代理不接受这个用户名或密码",
        SocksError::Forbidden => "代理不允许",
        SocksError::Failed => "代理没连上，也没说为什么",
    }
}

/// Why Tor cannot be used: a part of a sentence.
pub fn tor_error(why: TorError) -> String {
    match why {
        TorError::NotInstalled => "没有安装 tor".into(),
        TorError::Start(why) => format!("启动不了 tor：{}", system_error(why)),
        TorError::Exited => "tor 一启动就退出了，可能是配置不对".into(),
        TorError::Control(why) => format!("连不上 tor 的控制端口：{}", system_error(why)),
        TorError::Ended => "tor 停了".into(),
        TorError::Silent => "tor 没有回应".into(),
        TorError::NotTor => "应答的不是 tor".into(),
        TorError::Password => "tor 要密码；请让它改用 cookie".into(),
        TorError::Unproven => "它的控制端口谁都能进，不一定是 tor；请让它用 cookie".into(),
        TorError::Cookie(why) => format!("读不到 tor 的 cookie：{}", system_error(why)),
        TorError::BadCookie => "tor 的 cookie 文件里没有 cookie，或者谁都能读".into(),
        TorError::Impostor => "应答的不是这个 cookie 的 tor".into(),
        TorError::Rejected(code) => format!("tor 拒绝了一条命令，代码 {code}"),
        TorError::NoSocks => "tor 在控制端口所在的主机上没有 SOCKS 端口".into(),
        TorError::NoNetwork => "tor 没能及时进入网络".into(),
        TorError::NotPublished => "洋葱服务没能及时发布".into(),
        TorError::System(why) => system_error(why),
    }
}

/// Why nobody is found on the local network: a part of a sentence.
pub fn lan_error(why: LanError) -> String {
    match why {
        LanError::Unavailable => "这里用不了多播 DNS".into(),
        LanError::NotHeard => "广播出去的没有听到".into(),
        LanError::System(why) => system_error(why),
    }
}

/// Why the system refused something: a part of a sentence.
pub fn system_error(why: SystemError) -> String {
    match why {
        SystemError::PermissionDenied => "没有权限".into(),
        SystemError::NotFound => "找不到".into(),
        SystemError::AlreadyExists => "已经存在".into(),
        SystemError::NotAFolder => "不是文件夹".into(),
        SystemError::IsAFolder => "是一个文件夹".into(),
        SystemError::NotEmpty => "文件夹不是空的".into(),
        SystemError::InvalidFilename => "这里不允许这样的名字".into(),
        SystemError::SymbolicLink => "不该有链接的地方有链接，或链接太多".into(),
        SystemError::NotText => "不是文字".into(),
        SystemError::DiskFull => "磁盘满了".into(),
        SystemError::FileTooLarge => "文件对这个磁盘来说太大".into(),
        SystemError::ReadOnly => "磁盘是只读的".into(),
        SystemError::Disk => "磁盘出错".into(),
        SystemError::Busy => "别的程序正在用".into(),
        SystemError::Closed => "另一头关了".into(),
        SystemError::AddressInUse => "端口被别的程序占用".into(),
        SystemError::AddressNotAvailable => "这台机器没有这个地址".into(),
        SystemError::ConnectionRefused => "连接被拒绝".into(),
        SystemError::TimedOut => "没有及时回应".into(),
        SystemError::Unreachable => "没有路由能到".into(),
        SystemError::TooManyFiles => "打开的文件太多".into(),
        SystemError::TooManyThreads => "线程或进程太多".into(),
        SystemError::OutOfMemory => "内存不够".into(),
        SystemError::Unsupported => "系统在这里做不到".into(),
        SystemError::Cryptography => "密码学运算或随机数出错".into(),
        SystemError::Number(number) => format!("系统错误 {number}"),
        SystemError::Unknown => "系统没说原因".into(),
    }
}

/// What the doctor has found, as lines on a screen.
pub fn finding(finding: &Finding) -> String {
    let verdict = match finding.verdict() {
        Verdict::Works => "可用",
        Verdict::Not => "失败",
        Verdict::Unknown => "不确定",
    };
    let mark = mark(finding.verdict());
    let (why, next) = finding_words(finding);
    let next = next.map_or(String::new(), |next| format!("\n    → {next}"));
    format!("{mark} {}：{verdict}，{why}{next}", label(finding))
}

fn label(finding: &Finding) -> String {
    match finding {
        Finding::Connection { .. } => "当前连接".into(),
        Finding::Listens(_) | Finding::PortInUse(_) | Finding::CannotListen { .. } => "监听端口".into(),
        Finding::Addresses(_) => "地址".into(),
        Finding::Nat(_) => "路由器".into(),
        Finding::Ipv6 { .. } => "IPv6".into(),
        Finding::Nat64(_) => "经 NAT64 到 IPv4".into(),
        Finding::Firewall { .. } => "防火墙".into(),
        Finding::Mapping(_) => "端口映射".into(),
        Finding::Lan(_) => "局域网".into(),
        Finding::Proxy { address, .. } => format!("代理 {address:#}"),
        Finding::Tor(_) => "Tor".into(),
        Finding::NoRelay => "中转".into(),
        Finding::Relay { name, .. } => format!("中转 {name}"),
        Finding::Way { name, .. } => format!("连接{}", inside(&route(name))),
    }
}

/// Why a thing works or not, and what to try next, if there is something.
pub fn finding_words(finding: &Finding) -> (String, Option<String>) {
    let no = |why: &str| (why.to_owned(), None);
    let and = |why: &str, next: &str| (why.to_owned(), Some(next.to_owned()));
    match finding {
        Finding::Connection { place, broken: false } => no(&format!("已连到{}", inside(&peer(place)))),
        Finding::Connection { place, broken: true } => {
            and(&format!("到{} 的连接断开了", inside(&peer(place))), "请稍等，会自动重连；/who 查看进展")
        }
        Finding::Listens(addresses) => no(&list(addresses)),
        Finding::PortInUse(port) => and(&format!("端口 {port} 已被占用"), "可能已经开着一个 tete；请用 --port 换一个"),
        Finding::CannotListen { port, why } => {
            and(&format!("端口 {port}：{}", system_error(*why)), "请用 --port 换一个，或去掉 --bind")
        }
        Finding::Addresses(addresses) if addresses.is_empty() => and("本机没有地址", "请先连上网络"),
        Finding::Addresses(addresses) => no(&addresses
            .iter()
            .map(|own| match (own.address, own.scope) {
                (ip, Scope::Global) => format!("{ip}（任何网络）"),
                (ip, Scope::Vpn) => format!("{ip}（同一 VPN{}）", interface(own)),
                (ip, Scope::Local) => format!("{ip}（同一局域网）"),
                (ip, Scope::Link) => format!("{ip}（仅限网线直连{}）", interface(own)),
                (ip, Scope::Machine) => format!("{ip}（仅限本机）"),
            })
            .collect::<Vec<_>>()
            .join("，")),
        Finding::Nat(Nat::None(ip)) => no(&format!("没有 NAT，{ip} 是本机自己的地址")),
        Finding::Nat(Nat::Router(ip)) => {
            and(&format!("有 NAT，公网地址是 {ip}；只有映射过的端口能进来"), "参见端口映射；或者让对方等待，你去连")
        }
        Finding::Nat(Nat::Unknown) => and(
            "有 NAT，只有映射过的端口能进来；公网地址未知",
            "在路由器设置里把端口转发到本机，或让对方等待、你去连，或用中转、Tor",
        ),
        Finding::Nat(Nat::Double(ip)) => and(
            &format!("有两层 NAT，第二层可能是运营商的（CGNAT）；中间的地址是 {ip}。IPv4 无法连入"),
            "用 IPv6、中转或 Tor，或者让对方等待，你去连",
        ),
        Finding::Nat(Nat::NoIpv4) => and("本机没有 IPv4", "对方需要 IPv6、中转或 Tor"),
        Finding::Ipv6 { own: Some(ip), reached: Some(true) } => no(&format!("从 {ip} 能连到指定的主机")),
        Finding::Ipv6 { own: Some(ip), reached: Some(false) } => {
            and(&format!("有地址 {ip} 和路由，但指定的主机都没有应答"), "IPv4、中转或 Tor 可用时不需要它")
        }
        Finding::Ipv6 { own: Some(ip), reached: None } => {
            and(&format!("有地址 {ip} 和路由；未检测能否连出"), "请指定一个有 IPv6 的主机来检测：`tete doctor 主机`")
        }
        Finding::Ipv6 { own: None, .. } => and("没有公网地址或路由", "IPv4、中转或 Tor 可用时不需要它"),
        Finding::Nat64(true) => no("这个网络会转换到 IPv4，对方没有 IPv6 你也能连过去"),
        Finding::Nat64(false) => {
            and("这个网络没有 IPv4，也不转换到 IPv4", "对方需要 IPv6、中转或 Tor，或者由对方来连你")
        }
        Finding::Firewall { name: Some(name), port } => and(
            &format!("{name} 已启用；这里看不到它的规则"),
            &match *name {
                "ufw" => format!("如果没有人能连入：sudo ufw allow {port}/tcp"),
                _ => format!("如果没有人能连入：sudo firewall-cmd --add-port={port}/tcp"),
            },
        ),
        Finding::Firewall { name: None, port } => {
            and("ufw 和 firewalld 都没有启用；这里看不到其他防火墙", &format!("如果没有人能连入：放行端口 {port}/tcp"))
        }
        Finding::Mapping(None) => no("未检测"),
        Finding::Mapping(Some(Ok(at))) => no(&format!("路由器已将 {at} 转发到本机")),
        Finding::Mapping(Some(Err(why))) => match why {
            MappingError::NoRouter => no("没有找到路由器"),
            MappingError::NoAnswer => {
                and("路由器没有应答这样的请求", "请在路由器设置里打开 PCP、NAT-PMP 或 UPnP，或手动转发端口")
            }
            MappingError::Refused => and("路由器拒绝", "请在路由器设置里允许，或手动转发端口"),
            MappingError::Useless { address: ip } => {
                and(&format!("路由器可以映射，但它自己的地址 {ip} 不是公网地址"), "用 IPv6、中转或 Tor")
            }
        },
        Finding::Lan(None) => and("未检测", "加上 --lan 来检测"),
        Finding::Lan(Some(Ok(()))) => no("能收到自己的广播"),
        Finding::Lan(Some(Err(why))) => and(&lan_error(*why), "把地址告诉对方"),
        Finding::Proxy { result: Ok(()), .. } => {
            and("接受连接；未检测能否连出", "请指定一个主机，或用 --relay 指定一个中转")
        }
        Finding::Proxy { result: Err(why), .. } => and(&connect_error(*why), "它在运行吗？请核对地址和端口"),
        Finding::Tor(None) => and("已安装，未检测", "加上 --tor 来检测"),
        Finding::Tor(Some(Ok(took))) => no(&format!("{} 秒后连上", seconds(*took))),
        Finding::Tor(Some(Err(why))) => {
            and(&tor_error(*why), "请安装 tor（Debian：apt install tor）；被封锁时用 --tor-config 指定网桥")
        }
        Finding::NoRelay => and("未指定", "用 --relay 主机:端口 检测一个；magic-wormhole 的任何 transit relay 都可以"),
        Finding::Relay { result: Ok(took), .. } => no(&format!("{} 秒内接通了两条连接", seconds(*took))),
        Finding::Relay { result: Err(why), .. } => and(&connect_error(*why), "核对地址和端口，或换一个中转"),
        Finding::Way { met, .. } => probe_result(met),
    }
}

fn probe_result(result: &ProbeResult) -> (String, Option<String>) {
    let no = |why: &str| (why.to_owned(), None);
    let and = |why: &str, next: &str| (why.to_owned(), Some(next.to_owned()));
    match result {
        ProbeResult::Tete(took) => no(&format!("{} 秒后 tete 应答", seconds(*took))),
        ProbeResult::Partner => no("对方就在那里"),
        ProbeResult::Busy => and("tete 应答了，但正在和别人通话", "如果对方在等你，请打电话告诉对方"),
        ProbeResult::Version { min, max } => {
            and(&format!("tete 应答了，使用协议版本 {min} 到 {max}，本机是版本 {VERSION}"), "两边需要同一版本的 tete")
        }
        ProbeResult::Refusal(reason) => {
            and(&format!("tete 应答了，但拒绝，原因代码 {reason}"), "它的版本可能比本机的新")
        }
        ProbeResult::Failed(why) => (connect_error(*why), connect_advice(*why).map(str::to_owned)),
        ProbeResult::Waiting => no("本机正在那里等待"),
        ProbeResult::NotTried => no("未检测"),
    }
}

fn connect_advice(why: ConnectError) -> Option<&'static str> {
    Some(match why {
        ConnectError::Lookup => "看看有没有写错，网络通不通",
        ConnectError::Refused => "对方的 tete 开着吗？端口对吗？",
        ConnectError::Timeout => {
            "被防火墙或路由器吞掉了，或者那里没有机器。地址对吗？请对方转发端口，或你来等，或用带中转的邀请"
        }
        ConnectError::NoRoute => "连上网了吗？IPv6 地址要有 IPv6 才行",
        ConnectError::Closed => "可能需要邀请，或者需要另一个邀请，也可能不是 tete：请对方做一个新的邀请",
        ConnectError::NotAuthentic => "核对地址和端口，或请对方做一个新的邀请",
        ConnectError::Silent | ConnectError::NotTete => "核对地址和端口",
        ConnectError::Unfinished => "可能是网络断开了：再试一次",
        ConnectError::Rejected => "问问对方是不是在等你",
        ConnectError::NoRelay | ConnectError::NotARelay | ConnectError::RelayClosed => "换一个中转，或自己开一个",
        ConnectError::AloneAtRelay => "对方的 tete 还开着吗？",
        ConnectError::NeedsInvite => "请对方给一个邀请",
        ConnectError::Tor(_) => "请安装 tor，或用 --tor-config 给它网桥",
        ConnectError::Proxy(_) => "核对代理的地址、用户名和密码",
        ConnectError::System(_) => return None,
    })
}
