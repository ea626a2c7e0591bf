//! What is said of files.

use std::time::Duration;

use super::Lang;
use crate::ui::printable::Printable;

/// What the program tells its user of files.
#[expect(missing_docs, reason = "the fields are what the sentence is made of")]
pub enum FileStatus {
    /// What the user wants to send cannot be sent.
    CannotSend { path: Printable, why: FileFault },
    /// Files in a folder that are not sent with it: the first of them, and how many.
    LeftOut { name: Printable, paths: Vec<(Printable, FileFault)>, count: usize },
    /// Waits for what is under way.
    Queued { name: Printable, before: usize },
    /// Offered to the partner.
    Offering { name: Printable, files: u32, bytes: Option<u64> },
    /// The partner takes it.
    Taken { name: Printable },
    /// The partner does not want it, or no more of it.
    NotWanted { name: Printable },
    /// All that could be stored is.
    Sent { name: Printable, files: u32, bytes: u64, took: Duration, failed: u32 },
    /// One of ours could not be sent, or the partner did not store it.
    NotSent { path: Printable, why: FileFault },
    /// The partner offers files, to be stored in a folder; what they call them, if it is not by that name.
    Offered {
        offer: u32,
        name: Printable,
        called: Option<Printable>,
        files: u32,
        bytes: Option<u64>,
        folder: Printable,
    },
    /// The partner offers files, and nobody can answer here.
    OfferRefused { name: Printable, why: FileFault },
    /// There is nothing to be taken or declined.
    NothingOffered,
    /// What was to be taken or declined is another offer than the one there is.
    StaleOffer,
    /// There is nothing to be ended.
    NothingUnderWay,
    /// Too little space for it.
    NoSpace { name: Printable, needed: u64, free: u64 },
    /// It comes.
    Taking { name: Printable, folder: Printable },
    /// We do not want it.
    Declined { name: Printable },
    /// All of it that could be stored is, under that name.
    Stored { name: Printable, files: u32, bytes: u64, took: Duration, failed: u32 },
    /// One of the partner's was not stored.
    NotStored { path: Printable, why: FileFault },
    /// What was there of it does not fit: it starts anew.
    Anew { path: Printable, sending: bool },
    /// No space is left.
    Full { name: Printable },
    /// There is space again.
    GoesOn { name: Printable },
    /// It ended before it was complete.
    Ended { name: Printable, sending: bool, by: EndedBy },
    /// How far it is, where no bar shows it.
    Progress { name: Printable, sending: bool, progress: Progress },
}

/// Who, or what, ended a batch before it was complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndedBy {
    /// Our side.
    Us,
    /// The partner.
    Partner,
    /// The line, and nobody came back.
    Line,
}

impl EndedBy {
    fn english(self) -> &'static str {
        match self {
            Self::Us => "you ended it",
            Self::Partner => "your partner ended it",
            Self::Line => "the line broke",
        }
    }

    fn chinese(self) -> &'static str {
        match self {
            Self::Us => "你取消了",
            Self::Partner => "对方取消了",
            Self::Line => "线路断了",
        }
    }
}

/// How far a batch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Files that are done.
    pub files: u32,
    /// Of so many.
    pub of_files: u32,
    /// Bytes that are done.
    pub bytes: u64,
    /// Of so many, if that is known.
    pub of_bytes: Option<u64>,
    /// Bytes a second.
    pub rate: u64,
    /// It waits: for the partner's answer, the line or space.
    pub waits: bool,
}

/// Why a file is not sent or not stored.
#[derive(Clone, PartialEq, Eq)]
pub enum FileFault {
    /// In the words of the system.
    System(Printable),
    /// Neither a file nor a folder with files in it.
    Nothing,
    /// More files than one batch may have.
    TooMany(u32),
    /// So many wait already.
    TooManyWait,
    /// It is a link.
    Link,
    /// It is a pipe, a socket or a device.
    Special,
    /// It may not be read.
    Unreadable,
    /// Its name cannot be sent.
    Name,
    /// It has no file in it.
    Empty,
    /// It was changed meanwhile.
    Changed,
    /// A stream cannot be read twice.
    Stream,
    /// The partner did not store it.
    Partner,
    /// Its path would leave the folder, or no folder can have it.
    Path,
    /// It is not what was offered.
    OtherName,
    /// What came is not what was sent.
    Hash,
    /// The partner could not read it whole.
    Broken,
    /// There is nobody to ask.
    Nobody,
}

impl FileStatus {
    /// The sentence. With `keys` it names those of the full screen.
    pub fn text(&self, lang: Lang, keys: bool) -> String {
        match lang {
            Lang::En => self.english(keys),
            Lang::Zh => self.chinese(keys),
        }
    }

    /// Whether a program that reads late may miss it: it is of one moment, or answers a command.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Progress { .. } | Self::NothingOffered | Self::NothingUnderWay | Self::StaleOffer => true,
            Self::CannotSend { why, .. } => *why == FileFault::TooManyWait,
            _ => false,
        }
    }

    /// Whether it is part of the few lines that a pipe gets.
    pub fn is_vital(&self) -> bool {
        !matches!(self, Self::Progress { .. } | Self::Queued { .. })
    }

    fn english(&self, keys: bool) -> String {
        match self {
            Self::CannotSend { path, why } => format!("{path} cannot be sent: {}.", why.english()),
            Self::LeftOut { name, paths, count } => {
                let rows: Vec<_> = paths.iter().map(|(path, why)| format!("  {path}: {}", why.english())).collect();
                let more =
                    if *count > rows.len() { format!("\n  and {} more", count - rows.len()) } else { String::new() };
                format!("Left out of {name}:\n{}{more}", rows.join("\n"))
            }
            Self::Queued { name, before: 1 } => format!("{name} is offered after the one that is under way."),
            Self::Queued { name, before } => format!("{name} is offered after {before} others."),
            Self::Offering { name, files, bytes } => {
                format!("Offered to your partner: {name}{}.", amount(*files, *bytes, Lang::En))
            }
            Self::Taken { name } => format!("Your partner takes {name}."),
            Self::NotWanted { name } => format!("Your partner does not want {name}."),
            Self::Sent { name, files, bytes, took, failed: 0 } => {
                format!("✓ {name}{} sent and stored, {}", amount(*files, Some(*bytes), Lang::En), speed(*bytes, *took))
            }
            Self::Sent { name, files, failed, .. } => {
                format!("{name}: {} of {files} files were stored, {failed} were not.", files - failed)
            }
            Self::NotSent { path, why } => format!("Not sent: {path}: {}.", why.english()),
            Self::Offered { name, called, files, bytes, folder, .. } => format!(
                "Your partner offers {name}{}{}. /get{} stores it in {folder}, /decline{} does not.",
                called.as_ref().map(|called| format!(" (they call it {called})")).unwrap_or_default(),
                amount(*files, *bytes, Lang::En),
                if keys { " (F2)" } else { "" },
                if keys { " (F3)" } else { "" },
            ),
            Self::OfferRefused { name, why } => format!("Your partner offered {name}: declined, {}.", why.english()),
            Self::NothingOffered => "Nothing is offered to you.".into(),
            Self::StaleOffer => "That was for an offer that is gone; it was not used. See what is offered now.".into(),
            Self::NothingUnderWay => "No file is under way.".into(),
            Self::NoSpace { name, needed, free } => format!(
                "There is too little space for {name}: it needs {}, {} are free. Make room, then /get.",
                size(*needed),
                size(*free)
            ),
            Self::Taking { name, folder } => format!("Taking {name} into {folder}."),
            Self::Declined { name } => format!("Declined: {name}."),
            Self::Stored { name, files, bytes, took, failed: 0 } => {
                format!("✓ {name}{} stored, {}", amount(*files, Some(*bytes), Lang::En), speed(*bytes, *took))
            }
            Self::Stored { name, files, failed, .. } => {
                format!("{name}: {} of {files} files stored, {failed} were not.", files - failed)
            }
            Self::NotStored { path, why } => format!("Not stored: {path}: {}.", why.english()),
            Self::Anew { path, .. } => format!("{path} has changed since it was begun: it starts anew."),
            Self::Full { name } => {
                format!("No space is left for {name}. Make room and it goes on by itself.")
            }
            Self::GoesOn { name } => format!("There is space again: {name} goes on."),
            Self::Ended { name, sending: true, by } => format!("{name} was not sent whole: {}.", by.english()),
            Self::Ended { name, by, .. } => {
                format!("{name} did not come whole: {}. What there is of a single file stays as .part.", by.english())
            }
            Self::Progress { name, sending, progress } => {
                format!("{} {name}  {}, {}", arrow(*sending), progress.bar(), progress.rest(Lang::En))
            }
        }
    }

    fn chinese(&self, keys: bool) -> String {
        match self {
            Self::CannotSend { path, why } => format!("发不了 {path}：{}。", why.chinese()),
            Self::LeftOut { name, paths, count } => {
                let rows: Vec<_> = paths.iter().map(|(path, why)| format!("  {path}：{}", why.chinese())).collect();
                let more = if *count > rows.len() {
                    format!("\n  另外还有 {} 个", count - rows.len())
                } else {
                    String::new()
                };
                format!("{name} 里这些不发：\n{}{more}", rows.join("\n"))
            }
            Self::Queued { name, before } => format!("{name} 排队等着，前面还有 {before} 个。"),
            Self::Offering { name, files, bytes } => {
                format!("想发给对方：{name}{}。", amount(*files, *bytes, Lang::Zh))
            }
            Self::Taken { name } => format!("对方接收 {name}。"),
            Self::NotWanted { name } => format!("对方不要 {name}。"),
            Self::Sent { name, files, bytes, took, failed: 0 } => {
                format!("✓ {name}{}，对方已存好，{}", amount(*files, Some(*bytes), Lang::Zh), speed(*bytes, *took))
            }
            Self::Sent { name, files, failed, .. } => {
                format!("{name}：{files} 个文件里存好了 {} 个，{failed} 个没有。", files - failed)
            }
            Self::NotSent { path, why } => format!("没有发出：{path}：{}。", why.chinese()),
            Self::Offered { name, called, files, bytes, folder, .. } => format!(
                "对方想发给你 {name}{}{}。/get{}存到 {folder}，/decline{}不要。",
                called.as_ref().map(|called| format!("（对方那边叫 {called}）")).unwrap_or_default(),
                amount(*files, *bytes, Lang::Zh),
                if keys { "（F2）" } else { " " },
                if keys { "（F3）" } else { " " },
            ),
            Self::OfferRefused { name, why } => format!("对方想发 {name}，已谢绝：{}。", why.chinese()),
            Self::NothingOffered => "没有人要发文件给你。".into(),
            Self::StaleOffer => "那是给上一批的，没有用上。请看现在要发的是什么。".into(),
            Self::NothingUnderWay => "没有正在传的文件。".into(),
            Self::NoSpace { name, needed, free } => {
                format!("放不下 {name}：要 {}，只剩 {}。腾出空间后再输入 /get。", size(*needed), size(*free))
            }
            Self::Taking { name, folder } => format!("正在接收 {name}，存到 {folder}。"),
            Self::Declined { name } => format!("不要 {name}。"),
            Self::Stored { name, files, bytes, took, failed: 0 } => {
                format!("✓ {name}{} 已存好，{}", amount(*files, Some(*bytes), Lang::Zh), speed(*bytes, *took))
            }
            Self::Stored { name, files, failed, .. } => {
                format!("{name}：{files} 个文件里存好了 {} 个，{failed} 个没有。", files - failed)
            }
            Self::NotStored { path, why } => format!("没有存：{path}：{}。", why.chinese()),
            Self::Anew { path, .. } => format!("{path} 和开始传的时候不一样了，从头再来。"),
            Self::Full { name } => format!("没有空间存 {name} 了。腾出空间就会接着传。"),
            Self::GoesOn { name } => format!("有空间了，{name} 接着传。"),
            Self::Ended { name, sending: true, by } => format!("{name} 没有发完：{}。", by.chinese()),
            Self::Ended { name, by, .. } => {
                format!("{name} 没有收完：{}。单个文件已收到的部分留作 .part。", by.chinese())
            }
            Self::Progress { name, sending, progress } => {
                format!("{} {name}  {}, {}", arrow(*sending), progress.bar(), progress.rest(Lang::Zh))
            }
        }
    }
}

impl FileFault {
    /// A part of a sentence.
    pub fn english(&self) -> String {
        match self {
            Self::System(why) => why.to_string(),
            Self::Nothing => "there is no file in it".into(),
            Self::TooMany(limit) => format!("it has more than {limit} files"),
            Self::TooManyWait => "too many wait already".into(),
            Self::Link => "a link".into(),
            Self::Special => "neither a file nor a folder".into(),
            Self::Unreadable => "not allowed to be read".into(),
            Self::Name => "its name is too long, too deep or not UTF-8".into(),
            Self::Empty => "an empty folder".into(),
            Self::Changed => "it was changed meanwhile; send it again".into(),
            Self::Stream => "too much of the stream was lost with the line".into(),
            Self::Partner => "your partner's side did not store it".into(),
            Self::Path => "no safe place has such a name".into(),
            Self::OtherName => "it is not what was offered".into(),
            Self::Hash => "what came is not what was sent".into(),
            Self::Broken => "your partner's side could not read it whole".into(),
            Self::Nobody => "nobody is here to answer".into(),
        }
    }

    fn chinese(&self) -> String {
        match self {
            Self::System(why) => why.to_string(),
            Self::Nothing => "里面没有文件".into(),
            Self::TooMany(limit) => format!("文件超过 {limit} 个"),
            Self::TooManyWait => "排队的太多了".into(),
            Self::Link => "是链接".into(),
            Self::Special => "不是文件也不是文件夹".into(),
            Self::Unreadable => "没有权限读".into(),
            Self::Name => "名字太长、太深，或不是 UTF-8".into(),
            Self::Empty => "空文件夹".into(),
            Self::Changed => "传的时候被改过，请再发一次".into(),
            Self::Stream => "断线时丢了太多，接不上了".into(),
            Self::Partner => "对方那边没有存".into(),
            Self::Path => "这样的名字存不安全".into(),
            Self::OtherName => "和说好的不是同一个".into(),
            Self::Hash => "收到的和发出的不一样".into(),
            Self::Broken => "对方那边没能读完".into(),
            Self::Nobody => "这边没有人回答".into(),
        }
    }
}

impl Progress {
    /// Parts of a hundred, if the end is known.
    pub fn percent(&self) -> Option<u64> {
        let of = self.of_bytes?;
        Some(if of == 0 { 100 } else { (u128::from(self.bytes) * 100 / u128::from(of)) as u64 })
    }

    /// Seconds until the end at this rate, if both are known.
    pub fn left(&self) -> Option<u64> {
        self.of_bytes?.saturating_sub(self.bytes).checked_div(self.rate)
    }

    /// A bar, and how much of a hundred; what has come where the end is not known.
    pub fn bar(&self) -> String {
        const CELLS: usize = 10;
        match self.percent() {
            Some(percent) => {
                let full = usize::try_from(percent).unwrap_or(CELLS).min(100) * CELLS / 100;
                format!("{}{} {percent} %", "█".repeat(full), "░".repeat(CELLS - full))
            }
            None => size(self.bytes),
        }
    }

    /// `1.5 GB, 2/7, 12.0 MB/s, 1:52 left`.
    pub fn rest(&self, lang: Lang) -> String {
        let mut parts: Vec<_> = self.of_bytes.map(size).into_iter().collect();
        if self.of_files > 1 {
            parts.push(format!("{}/{}", self.files, self.of_files));
        }
        if self.waits {
            parts.push(if lang == Lang::En { "waiting".into() } else { "等待中".into() });
        } else {
            parts.push(format!("{}/s", size(self.rate)));
            if let Some(left) = self.left() {
                let time = format!("{}:{:02}", left / 60, left % 60);
                parts.push(if lang == Lang::En { format!("{time} left") } else { format!("还要 {time}") });
            }
        }
        parts.join(", ")
    }
}

fn arrow(sending: bool) -> &'static str {
    if sending { "↑" } else { "↓" }
}

/// `, 3 files, 4.2 MB`.
fn amount(files: u32, bytes: Option<u64>, lang: Lang) -> String {
    let bytes = match (bytes, lang) {
        (Some(bytes), _) => size(bytes),
        (None, Lang::En) => "a stream".into(),
        (None, Lang::Zh) => "数据流".into(),
    };
    match (files, lang) {
        (1, Lang::En) => format!(", {bytes}"),
        (1, Lang::Zh) => format!("（{bytes}）"),
        (_, Lang::En) => format!(", {files} files, {bytes}"),
        (_, Lang::Zh) => format!("（{files} 个文件，{bytes}）"),
    }
}

fn speed(bytes: u64, took: Duration) -> String {
    let rate = (bytes as f64 / took.as_secs_f64().max(0.001)) as u64;
    format!("{}/s", size(rate))
}

/// Bytes with a decimal unit: `999 B`, `1.0 kB`, `2.5 GB`.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB", "PB", "EB"] {
        if value < 999.95 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit_and_one_digit() {
        let sizes = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_999, "1.0 MB"),
            (u64::MAX, "18.4 EB"),
        ];
        for (bytes, text) in sizes {
            assert_eq!(size(bytes), text);
        }
    }
}
