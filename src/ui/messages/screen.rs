//! The words of the full screen.

use super::{Lang, Trust};
use crate::ui::commands::Command;

/// What stands on the full screen beside texts and status.
pub struct ScreenWords {
    /// Our user, beside each of their texts.
    pub you: &'static str,
    /// The partner, beside each of theirs.
    pub partner: &'static str,
    /// In place of the input while nothing can be said.
    pub waiting: &'static str,
    /// Both have checked the code.
    pub verified: &'static str,
    /// They have not, and whoever is there has the invite.
    pub invited: &'static str,
    /// Where an invite was.
    pub used: &'static str,
    /// The same, and the code was compared afterwards.
    pub compared: &'static str,
    /// They have not.
    pub unverified: &'static str,
    /// The line is well.
    pub connected: &'static str,
    /// Before the number of the epoch.
    pub epoch: &'static str,
    /// After the number of texts that the partner was not shown yet.
    pub unshown: &'static str,
    /// After the number of texts below the view.
    pub below: &'static str,
    /// Above the texts that are new.
    pub new: &'static str,
    /// A key was pressed that leaves when it is pressed again.
    pub leave: &'static str,
    /// No more can be written.
    pub full: &'static str,
    /// Keys after Ctrl-X.
    pub chord: &'static str,
    /// The room is over.
    pub over: &'static str,
    /// The room is over, and there is a text that was not sent.
    pub unsent: &'static str,
    /// A key was pressed that closes the screen, and that text with it, when it is pressed again.
    pub close_again: &'static str,
    /// Above our half of the code.
    pub read_out: &'static str,
    /// Above the partner's half.
    pub type_in: &'static str,
    /// The half was right.
    pub right: &'static str,
    /// How to refuse a caller.
    pub next: &'static str,
    /// Above two halves to compare.
    pub compare: &'static str,
    /// Beside our half.
    pub yours: &'static str,
    /// Beside the partner's.
    pub theirs: &'static str,
    /// What to type after comparing.
    pub agree: &'static str,
    /// Prompt after comparing.
    pub same: &'static str,
    /// Prompt of a search.
    pub find: &'static str,
    /// Nothing was found.
    pub nothing: &'static str,
    /// Keys of a search.
    pub find_keys: &'static str,
    /// Before the number of lines of a paste.
    pub paste: &'static str,
    /// After it.
    pub lines: &'static str,
    /// Keys of that question.
    pub paste_keys: &'static str,
    /// Asks for a passphrase to be set.
    pub choose: &'static str,
    /// Asks for it again.
    pub again: &'static str,
    /// The two differ.
    pub differ: &'static str,
    /// Prompt for a passphrase.
    pub passphrase: &'static str,
    /// The screen is locked.
    pub locked: &'static str,
    /// After a wrong passphrase, before the seconds to wait.
    pub wrong: &'static str,
    /// Key that closes what lies above the chat.
    pub close: &'static str,
    /// The terminal is too small.
    pub small: &'static str,
    /// Keys and what they do.
    pub keys: &'static [(&'static str, &'static str)],
}

impl ScreenWords {
    /// The words of a language.
    pub fn of(lang: Lang) -> &'static Self {
        match lang {
            Lang::En => &ENGLISH,
            Lang::Zh => &CHINESE,
        }
    }

    /// How it is known who the partner is.
    pub fn trust(&self, trust: Trust) -> &'static str {
        match trust {
            Trust::No => self.unverified,
            Trust::Invite => self.invited,
            Trust::Code => self.verified,
            Trust::Voice => self.compared,
        }
    }
}

impl Command {
    /// What it does.
    pub fn help(self, lang: Lang) -> &'static str {
        match (lang, self) {
            (Lang::En, Self::Help) => "keys and commands",
            (Lang::En, Self::Who) => "with whom, since when, over what cipher",
            (Lang::En, Self::Doctor) => "what the line stands on, what to try",
            (Lang::Zh, Self::Doctor) => "线路靠什么、还能试什么",
            (Lang::En, Self::Code) => "the pairing code again",
            (Lang::En, Self::Find) => "look for a text (Ctrl-R)",
            (Lang::En, Self::Clear) => "wipe this screen (Ctrl-X c)",
            (Lang::En, Self::Lock) => "hide this screen behind a passphrase",
            (Lang::En, Self::Send) => "send files and folders: /send PATH...",
            (Lang::En, Self::Get) => "take what is offered (F2)",
            (Lang::En, Self::Decline) => "do not take it (F3)",
            (Lang::En, Self::Cancel) => "end what is under way",
            (Lang::Zh, Self::Send) => "发文件和文件夹：/send 路径...",
            (Lang::Zh, Self::Get) => "接收对方要发的（F2）",
            (Lang::Zh, Self::Decline) => "不要（F3）",
            (Lang::Zh, Self::Cancel) => "取消正在传的",
            (Lang::En, Self::Rekey) => "fresh keys now",
            (Lang::En, Self::Panic) => "wipe everything, leave at once (Ctrl-X p)",
            (Lang::En, Self::Quit) => "leave",
            (Lang::Zh, Self::Help) => "按键和命令",
            (Lang::Zh, Self::Who) => "和谁、从何时起、用什么加密",
            (Lang::Zh, Self::Code) => "再看一次配对码",
            (Lang::Zh, Self::Find) => "找一句话（Ctrl-R）",
            (Lang::Zh, Self::Clear) => "清空这边的屏幕（Ctrl-X c）",
            (Lang::Zh, Self::Lock) => "锁屏，用口令解开",
            (Lang::Zh, Self::Rekey) => "现在就换新密钥",
            (Lang::Zh, Self::Panic) => "全部抹掉，马上离开（Ctrl-X p）",
            (Lang::Zh, Self::Quit) => "离开",
        }
    }
}

const ENGLISH: ScreenWords = ScreenWords {
    you: "you",
    partner: "partner",
    waiting: "Ctrl-C ends. Nobody is here yet.",
    verified: "verified by code",
    compared: "verified by voice",
    invited: "entered by invite",
    used: "the invite was used, and is not kept here",
    unverified: "not verified yet",
    connected: "connected",
    epoch: "epoch",
    unshown: "not shown yet",
    below: "below (Ctrl-End)",
    new: "new",
    leave: "Once more leaves the room.",
    full: "A text is at most 65536 bytes.",
    chord: "Ctrl-X, and then: c wipes this screen, p wipes everything and leaves",
    over: "Over. Enter closes.",
    unsent: "Over. This was not sent. q closes.",
    close_again: "Once more closes; what you wrote is lost.",
    read_out: "Read your half to your partner by phone, or any way you know their voice:",
    type_in: "Type the half that your partner reads to you:",
    right: "Right. Waiting for your partner to type your half.",
    next: "Not your partner? Type /next.",
    compare: "Compare with your partner's screen, by phone or side by side:",
    yours: "yours ",
    theirs: "theirs",
    agree: "On theirs the two halves change places, the pictures are the same. Type same if all agree, or different.",
    same: "same or different: ",
    find: "find: ",
    nothing: "nothing found",
    find_keys: "Enter: older  Ctrl-S: newer  Esc: done",
    paste: "Paste",
    lines: "lines?",
    paste_keys: "Enter: yes  Esc: no",
    choose: "Choose a passphrase that opens this screen again. It is for this run only. Esc: no lock.",
    again: "The same once more:",
    differ: "They differ. Choose again.",
    passphrase: "passphrase: ",
    locked: "This screen is locked.",
    wrong: "Wrong. Wait, in seconds:",
    close: "Enter: close",
    small: "too small",
    keys: &[
        ("Enter", "send"),
        ("Alt-Enter, Ctrl-J", "new line"),
        ("Tab", "complete a command"),
        ("PgUp, PgDn, wheel", "scroll (also Shift-Up, Shift-Down)"),
        ("Ctrl-Home, Ctrl-End", "first and last text"),
        ("Ctrl-R", "search"),
        ("Up, Down", "other rows, then what you sent before"),
        ("Ctrl-A, Ctrl-E", "start and end of the line"),
        ("Alt-B, Alt-F", "word by word (also Ctrl-Left, Ctrl-Right)"),
        ("Ctrl-W, Alt-D", "cut a word"),
        ("Ctrl-U, Ctrl-K", "cut to the start, to the end"),
        ("Ctrl-Y", "put back what was cut"),
        ("Ctrl-_, Alt-_", "undo, redo"),
        ("Ctrl-C", "empty the input; twice when empty: leave"),
        ("Ctrl-Z", "suspend"),
        ("Ctrl-L", "draw everything anew"),
        ("Shift-mouse", "select text, as the terminal does it"),
        ("◌  ✓", "waiting; shown to your partner"),
        ("~12:34", "written then, while the line was cut"),
    ],
};

const CHINESE: ScreenWords = ScreenWords {
    you: "你",
    partner: "对方",
    waiting: "Ctrl-C 结束。还没人来。",
    verified: "配对码已核对",
    compared: "已用语音核对",
    invited: "凭邀请进入",
    used: "邀请已经用掉，这里不再留着",
    unverified: "还没核对",
    connected: "线路正常",
    epoch: "密钥轮次",
    unshown: "条对方没看到",
    below: "条在下面（Ctrl-End）",
    new: "新消息",
    leave: "再按一次就离开房间。",
    full: "一条最多 65536 字节。",
    chord: "Ctrl-X 之后：c 清空这边的屏幕，p 全部抹掉并离开",
    over: "结束了。按回车关闭。",
    unsent: "结束了。这条没有发出。按 q 关闭。",
    close_again: "再按一次就关闭，没发出的就没了。",
    read_out: "把你这一半念给对方听（打电话，或用任何能听出是 ta 的方式）：",
    type_in: "输入对方念给你的那一半：",
    right: "对了。等对方输入你的那一半。",
    next: "不是你等的人？输入 /next。",
    compare: "和对方的屏幕核对（打电话，或当面）：",
    yours: "你的",
    theirs: "对方",
    agree: "在对方屏幕上两半的位置相反，图案相同。全部一致就输入 一样，否则输入 不一样。",
    same: "一样 还是 不一样：",
    find: "查找：",
    nothing: "没找到",
    find_keys: "回车：往前找  Ctrl-S：往后找  Esc：好了",
    paste: "要粘贴",
    lines: "行吗？",
    paste_keys: "回车：好  Esc：不要",
    choose: "设一个解锁口令，只在这一次运行里有效。按 Esc 就不锁。",
    again: "再输一遍：",
    differ: "两遍不一样，请重新设。",
    passphrase: "口令：",
    locked: "屏幕已锁。",
    wrong: "不对。请等（秒）：",
    close: "回车：关闭",
    small: "太小了",
    keys: &[
        ("回车", "发送"),
        ("Alt-回车、Ctrl-J", "换行"),
        ("Tab", "补全命令"),
        ("PgUp、PgDn、滚轮", "翻看（Shift-↑、Shift-↓ 也行）"),
        ("Ctrl-Home、Ctrl-End", "最早和最新的一条"),
        ("Ctrl-R", "查找"),
        ("↑、↓", "上下行，再往上是以前发过的"),
        ("Ctrl-A、Ctrl-E", "行首、行尾"),
        ("Alt-B、Alt-F", "按词移动（Ctrl-←、Ctrl-→ 也行）"),
        ("Ctrl-W、Alt-D", "剪掉一个词"),
        ("Ctrl-U、Ctrl-K", "剪到行首、行尾"),
        ("Ctrl-Y", "放回剪掉的"),
        ("Ctrl-_、Alt-_", "撤销、重做"),
        ("Ctrl-C", "清空输入；空的时候按两次：离开"),
        ("Ctrl-Z", "挂起"),
        ("Ctrl-L", "重画"),
        ("Shift-鼠标", "选文字，由终端来做"),
        ("◌  ✓", "还在路上；对方已看到"),
        ("~12:34", "是那时写的，当时线路断着"),
    ],
};
