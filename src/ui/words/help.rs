//! What `--help` says.

use super::Lang;

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
