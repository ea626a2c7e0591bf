//! The words of `--help`, in every language.
//!
//! Which arguments and commands there are is known to clap alone: [`localized`] walks them and gives each its words by
//! its id.

use clap::{Arg, Command};

use super::{grammar, is_useless};
use crate::address::PORT;
use crate::ui::words::Lang;

/// What stands for an argument's value, empty where it takes none, and what the argument does.
type Words = (&'static str, &'static str);

/// Where an argument stands in the help.
#[derive(Clone, Copy)]
enum Group {
    Arguments,
    Connection,
    Code,
    Files,
    Interface,
}

use Group::{Arguments, Code, Connection, Files, Interface};

/// Each argument by its id, in English and Chinese. `{port}` stands for [`PORT`]; clap knows the other defaults.
#[rustfmt::skip]
const ARGUMENTS: &[(&str, Group, Words, Words)] = &[
    ("host", Arguments,
        ("HOST", "Where your partner is waiting: host name, IPv4 or [IPv6], optionally :PORT"),
        ("主机", "对方的地址：主机名、IPv4 或 [IPv6]，后面可以加 :端口")),
    ("peer_port", Arguments,
        ("PORT", "Your partner's port [default: {port}]"),
        ("端口", "对方的端口（默认 {port}）")),
    ("paths", Arguments,
        ("PATH", "Files and folders to send; - or nothing for standard input"),
        ("路径", "要发的文件和文件夹；- 或未指定时发标准输入")),
    ("topic", Arguments,
        ("COMMAND", "Command to explain"),
        ("命令", "要说明的命令")),
    ("port", Connection,
        ("PORT", "Port to listen on; 0 picks a free one [default: {port}]"),
        ("端口", "监听的端口；0 表示自动选一个（默认 {port}）")),
    ("bind", Connection,
        ("ADDRESS", "Listen only on this address"),
        ("地址", "只监听这个地址（默认监听本机所有地址）")),
    ("to", Connection,
        ("HOST", "Join a partner who is waiting there instead of waiting; also HOST:PORT"),
        ("主机", "不等对方，去连正在那里等的对方；也可以写 主机:端口")),
    ("invite", Connection,
        ("", "Admit only the holder of a one-time invite: one line to send your partner, no code to type"),
        ("", "只允许持有邀请的人进入：发给对方一行文字，无需输入配对码")),
    ("invite_file", Connection,
        ("FILE", "Join with the invite in this file; - for standard input"),
        ("文件", "用这个文件里的邀请进房间；- 表示标准输入")),
    ("relay", Connection,
        ("HOST:PORT", "With --invite: also meet at this transit relay if nothing else works (repeatable)"),
        ("主机:端口", "配合 --invite：其他连接方式都不通时在这个中转会合；可以指定多个")),
    ("no_map", Connection,
        ("", "With --invite: do not ask the router to forward a port"),
        ("", "配合 --invite：不请求路由器映射端口")),
    ("lan", Connection,
        ("", "With an invite: also find each other on the local network (others there can see that tete is running)"),
        ("", "有邀请时也在局域网里互相寻找（局域网里的人能看到有人在用 tete）")),
    ("onion", Connection,
        ("", "With --invite: also through the Tor network if nothing else works"),
        ("", "配合 --invite：其他连接方式都不通时也走 Tor 网络")),
    ("tor", Connection,
        ("", "Through the Tor network only: nobody learns where you are; starts its own tor. Implies --invite on the side that waits"),
        ("", "只走 Tor 网络：谁也不知道你在哪里；会自己启动一个 tor。等的一边自动使用 --invite")),
    ("tor_control", Connection,
        ("WHERE", "Use an already running tor: its control port as HOST:PORT, or the path of its control socket"),
        ("位置", "使用正在运行的 tor：它的控制端口 主机:端口，或控制套接字的路径")),
    ("tor_config", Connection,
        ("FILE", "Extra torrc lines for the tor that tete starts, such as bridges"),
        ("文件", "给 tete 启动的 tor 的额外配置，例如网桥")),
    ("proxy", Connection,
        ("URL", "Connect only through this SOCKS5 proxy, which also looks up names: socks5://[USER:PASSWORD@]HOST:PORT"),
        ("网址", "只通过这个 SOCKS5 代理连出去，域名也由它解析：socks5://[用户:密码@]主机:端口")),
    ("quiet_line", Connection,
        ("RATE", "Cover traffic: send exactly RATE records per second, whether you type or not (0.25 to 50)"),
        ("速率", "掩护流量：不管有没有打字，每秒都正好发这么多个数据包（0.25 到 50）")),
    ("linger", Connection,
        ("TIME", "How long to keep the room after the connection drops, such as 90s, 30m or 24h; 0s closes at once"),
        ("时间", "掉线后房间保留多久，如 90s、30m、24h；0s 表示立即关闭")),
    ("close_after", Connection,
        ("TIME", "Close the room this long after it opens"),
        ("时间", "房间打开这么久以后自动关闭")),
    ("confirm", Code,
        ("HOW", "How to check the code: type what your partner reads out, or compare both screens"),
        ("方式", "怎样核对配对码：type 输入对方念的，compare 对照两边屏幕")),
    ("confirm_minutes", Code,
        ("MINUTES", "How long checking the code may take, at most 30"),
        ("分钟", "核对配对码最多几分钟，不超过 30")),
    ("name", Files,
        ("NAME", "What standard input is called at your partner's"),
        ("名字", "标准输入在对方那里叫什么")),
    ("stdout", Files,
        ("", "Write what comes to standard output"),
        ("", "收到的写到标准输出")),
    ("save_to", Files,
        ("FOLDER", "Where to save received files [default: Downloads, else the current folder]"),
        ("文件夹", "收到的文件存到哪里（默认下载文件夹，没有就是当前文件夹）")),
    ("auto_accept", Files,
        ("", "Accept files without asking"),
        ("", "自动接收文件，不询问")),
    ("executable", Files,
        ("", "Keep the executable bit on received files"),
        ("", "保留收到的文件的可执行权限")),
    ("plain", Interface,
        ("", "Plain lines instead of a full screen: for screen readers, slow connections, or to keep the chat in the terminal's scrollback"),
        ("", "不用全屏，一行一行地来：适合读屏软件、慢线路，或想把对话留在终端里")),
    ("json", Interface,
        ("", "For programs: one JSON object per line, events on standard output, commands on standard input"),
        ("", "给程序用：每行一个 JSON 对象，事件在标准输出，命令在标准输入")),
    ("lock", Interface,
        ("MINUTES", "Lock the screen after MINUTES without a keypress; asks for a passphrase at the start"),
        ("分钟", "全屏界面这么久没有按键就锁上；开始时会让你设口令")),
    ("notify", Interface,
        ("HOW", "When a message comes while you look elsewhere: bell, desktop (without saying what came) or off. In tmux: bell, and set -g focus-events on"),
        ("方式", "你在看别处时来了消息：bell 响铃，desktop 桌面提醒（不含内容），off 不提醒。tmux 里用 bell，并 set -g focus-events on")),
    ("call", Interface,
        ("NAME", "What your partner is called here; never sent"),
        ("名字", "在这里怎么称呼对方；不会发给对方")),
    ("no_config", Interface,
        ("", "Do not read the file of your options, ~/.config/tete/config"),
        ("", "不读你的选项文件 ~/.config/tete/config")),
    ("lang", Interface,
        ("LANG", "Language of the interface, en or zh, instead of the locale's"),
        ("语言", "界面语言，en 或 zh，不按系统设置")),
    ("help", Interface,
        ("", "Print help"),
        ("", "显示帮助")),
    ("version", Interface,
        ("", "Print version"),
        ("", "显示版本")),
];

/// Each command by its name: what it does, and how it is called.
#[rustfmt::skip]
const COMMANDS: &[(&str, Words, Words)] = &[
    ("tete",
        ("An end-to-end encrypted private chat for exactly two people, in the terminal.\n\nOne runs `tete` and waits, the other runs `tete HOST`. Each reads half of a code to the other, then the room is open. Nothing is stored.",
         "tete [OPTIONS]               open a room and wait\n       tete [OPTIONS] HOST [PORT]   join one"),
        ("只属于两个人的端到端加密聊天，在终端里。\n\n一个人运行 `tete` 等着，另一个人运行 `tete 主机`。两人互相念出一半配对码，房间就开了。什么都不保存。",
         "tete [选项]               开一个房间等对方\n      tete [选项] 主机 [端口]   进入对方的房间")),
    ("host",
        ("Open a room and wait for your partner (what `tete` alone does)",
         "tete host [OPTIONS]"),
        ("开一个房间等对方（只写 `tete` 也一样）",
         "tete host [选项]")),
    ("join",
        ("Join your partner's room; asks for the address if none is given",
         "tete join [OPTIONS] [HOST] [PORT]"),
        ("进入对方的房间；未指定地址时会询问",
         "tete join [选项] [主机] [端口]")),
    ("send",
        ("Send files, folders or standard input, and leave once all is stored",
         "tete send [OPTIONS] [PATH]...             wait for your partner\n       tete send [OPTIONS] [PATH]... --to HOST   join one who waits"),
        ("发文件、文件夹或标准输入，对方都存好后离开",
         "tete send [选项] [路径]...            等对方来\n      tete send [选项] [路径]... --to 主机   去连正在等的对方")),
    ("receive",
        ("Receive files until your partner leaves",
         "tete receive [OPTIONS]               wait for your partner\n       tete receive [OPTIONS] HOST [PORT]   join one who waits"),
        ("接收对方发的，直到对方离开",
         "tete receive [选项]               等对方来\n      tete receive [选项] 主机 [端口]   去连正在等的对方")),
    ("doctor",
        ("Diagnose the connection and suggest fixes; contacts only your router and the hosts you name",
         "tete doctor [OPTIONS]               can my partner reach me?\n       tete doctor [OPTIONS] HOST [PORT]   can I reach them?"),
        ("诊断本机的连接情况并给出建议；只联系路由器和你指定的主机",
         "tete doctor [选项]               对方能连到我吗？\n      tete doctor [选项] 主机 [端口]   我能连到对方吗？")),
    ("help",
        ("Print this help, or that of a command",
         "tete help [COMMAND]"),
        ("显示帮助，或某个命令的帮助",
         "tete help [命令]")),
];

const EXIT_CODES: Words = (
    "Exit codes: 0 left in order, every text shown; 2 usage; 3 no connection; 4 the other side does not speak tete/1; 5 pairing failed; 6 cut off; 7 local fault.",
    "退出代码：0 正常离开且对方都看到了；2 用法；3 没连上；4 那边不是 tete/1；5 配对失败；6 掉线；7 本机故障。",
);

/// The arguments of the short help, by their ids.
const ESSENTIAL: &[&str] = &["host", "peer_port", "paths", "topic", "to", "invite", "invite_file", "tor", "stdout"];
/// Where the rest stands, under the short help.
const MORE: (&str, &str) = ("All options: --help", "全部选项：--help");

/// clap's command with its help in that language, all of it or the short one.
pub fn localized(lang: Lang, short: bool) -> Command {
    let mut command = localize(grammar(), lang, short);
    let common: Vec<_> = command.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    // An argument that a subcommand has already is not handed down to it.
    command = command.mut_subcommands(|sub| {
        let useless = common.iter().filter(|arg| is_useless(sub.get_name(), arg));
        let useless: Vec<_> = useless.map(|arg| arg.clone().hide(true)).collect();
        sub.args(useless)
    });
    if short { command } else { command.after_help(chosen(lang, EXIT_CODES.0, EXIT_CODES.1)) }
}

fn localize(command: Command, lang: Lang, short: bool) -> Command {
    let words = COMMANDS.iter().find(|(name, ..)| *name == command.get_name());
    let (about, usage) = words.map(|(_, en, zh)| chosen(lang, *en, *zh)).unwrap_or_default();
    let first = about.split('\n').next().unwrap_or_default();
    let command = if short { command.after_help(chosen(lang, MORE.0, MORE.1)) } else { command };
    command
        .about(if short { first } else { about })
        .override_usage(usage)
        .help_template(chosen(
            lang,
            "{about-with-newline}\nUsage: {usage}\n\n{all-args}{after-help}\n",
            "{about-with-newline}\n用法：{usage}\n\n{all-args}{after-help}\n",
        ))
        .subcommand_help_heading(chosen(lang, "Commands", "命令"))
        .mut_args(|arg| {
            let left_out = short && !ESSENTIAL.iter().any(|id| arg.get_id() == id);
            describe(arg, lang).hide(left_out)
        })
        .mut_subcommands(|command| localize(command, lang, short))
}

fn describe(arg: Arg, lang: Lang) -> Arg {
    let Some((_, group, en, zh)) = ARGUMENTS.iter().find(|(id, ..)| *id == arg.get_id()) else { return arg };
    let (value, help) = chosen(lang, *en, *zh);
    let default: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let default = match default.as_slice() {
        [default] if !value.is_empty() => chosen(lang, format!(" [default: {default}]"), format!("（默认 {default}）")),
        _ => String::new(),
    };
    let help = help.replace("{port}", &PORT.to_string()) + &default;
    let arg = arg.help(help).help_heading(group.heading(lang));
    // The possible values and the default stand in the words.
    let told = |arg: Arg| arg.value_name(value).hide_possible_values(true).hide_default_value(true);
    if value.is_empty() { arg } else { told(arg) }
}

impl Group {
    fn heading(self, lang: Lang) -> &'static str {
        match self {
            Self::Arguments => chosen(lang, "Arguments", "参数"),
            Self::Connection => chosen(lang, "Connection", "连接"),
            Self::Code => chosen(lang, "Checking the code", "核对配对码"),
            Self::Files => chosen(lang, "Files", "文件"),
            Self::Interface => chosen(lang, "Interface", "界面"),
        }
    }
}

fn chosen<T>(lang: Lang, en: T, zh: T) -> T {
    match lang {
        Lang::En => en,
        Lang::Zh => zh,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn walk(command: &Command, out: &mut (BTreeSet<String>, BTreeSet<String>)) {
        out.0.insert(command.get_name().to_owned());
        out.1.extend(command.get_arguments().map(|arg| arg.get_id().to_string()));
        command.get_subcommands().for_each(|command| walk(command, out));
    }

    #[test]
    fn every_argument_and_command_has_words_and_every_word_has_an_argument_or_command() {
        let mut there = Default::default();
        walk(&grammar(), &mut there);
        let commands: BTreeSet<_> = COMMANDS.iter().map(|(name, ..)| (*name).to_owned()).collect();
        let arguments: BTreeSet<_> = ARGUMENTS.iter().map(|(id, ..)| (*id).to_owned()).collect();
        assert_eq!(there, (commands, arguments));
        assert_eq!(ARGUMENTS.len(), there.1.len(), "an argument has words twice");
    }

    #[test]
    fn an_argument_with_a_value_has_a_word_for_it_in_each_language_and_no_other_has() {
        fn check(command: &Command) {
            for arg in command.get_arguments() {
                let takes = arg.get_action().takes_values();
                let (_, _, en, zh) = ARGUMENTS.iter().find(|(id, ..)| *id == arg.get_id()).unwrap();
                for (value, help) in [en, zh] {
                    assert!(value.is_empty() != takes && !help.is_empty(), "{}", arg.get_id());
                }
            }
            command.get_subcommands().for_each(check);
        }
        check(&grammar());
    }

    /// Documents of one language: the readme, and what it leads to.
    fn documents(lang: Lang) -> String {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap();
        let folder = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
        let chinese = |path: &std::path::PathBuf| path.to_string_lossy().ends_with(".zh-CN.md");
        let mut out = read(root.join(chosen(lang, "README.md", "README.zh-CN.md")));
        for path in folder.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
            if chinese(&path) == (lang == Lang::Zh) {
                out += &read(path);
            }
        }
        out
    }

    #[test]
    fn the_documents_of_each_language_name_every_option_and_command() {
        fn check(command: &Command, document: &str) {
            // What every program has needs no word.
            let told = |arg: &&Arg| !matches!(arg.get_id().as_str(), "help" | "version");
            for long in command.get_arguments().filter(told).filter_map(Arg::get_long) {
                assert!(document.contains(&format!("--{long}")), "--{long}");
            }
            for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
                assert!(document.contains(&format!("tete {}", sub.get_name())), "{}", sub.get_name());
                check(sub, document);
            }
        }
        for lang in [Lang::En, Lang::Zh] {
            check(&grammar(), &documents(lang));
        }
    }
}
