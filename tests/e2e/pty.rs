//! Two people at their terminals.

use crate::process::{self, Process, tete as piped, wrong};
use crate::scratch::Scratch;
use crate::terminal::{Display, Terminal, command, tete};
use portable_pty::CommandBuilder;
use rustix::process::Signal;

pub const HALF: &str = "partner's code: ";
const COMPARE: &str = "same or different: ";
pub const CHAT: &str = "you › ";

pub fn host_with(args: &[&str]) -> (Terminal, u16) {
    let host = Terminal::start(tete(&[&["--port", "0", "--bind", "127.0.0.1"], args].concat()));
    let port = host.port();
    (host, port)
}

pub fn guest_with(port: u16, args: &[&str]) -> Terminal {
    let port = port.to_string();
    Terminal::start(tete(&[&["127.0.0.1", port.as_str()], args].concat()))
}

/// Two people before the code.
pub fn meeting() -> (Terminal, Terminal) {
    let (host, port) = host_with(&[]);
    let guest = guest_with(port, &[]);
    (host, guest)
}

#[track_caller]
pub fn pair(host: &Terminal, guest: &Terminal) {
    let halves = [host.half(), guest.half()];
    host.answer(HALF, &halves[1]);
    guest.answer(HALF, &halves[0]);
    host.shows("The room is open");
    guest.shows("The room is open");
    host.prompts(CHAT);
    guest.prompts(CHAT);
}

/// Two people in an open room.
#[track_caller]
pub fn room() -> (Terminal, Terminal) {
    let (host, guest) = meeting();
    pair(&host, &guest);
    (host, guest)
}

/// A person in an open room with a script.
#[track_caller]
pub fn room_with_script() -> (Terminal, Process) {
    let (host, port) = host_with(&[]);
    let mut script = process::guest(port);
    let half = script.until("code: ");
    script.say(&host.half());
    host.answer(HALF, &half);
    script.until("room open");
    host.prompts(CHAT);
    (host, script)
}

/// The partner's texts as rows between gutters: what stands before and after each.
pub fn gutters(rows: &[String]) -> Vec<(String, String)> {
    rows.iter().filter_map(|row| row.split_once('│')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

/// The partner's text whose first row begins so: each row after the gutter.
#[track_caller]
pub fn text(side: &Terminal, start: &str, end: &str) -> Vec<String> {
    side.until(end, |display| {
        let rows = gutters(&display.rows());
        let from = rows.iter().position(|(head, row)| head.contains("partner") && row.trim().starts_with(start))?;
        let rest = rows[from..].iter().enumerate();
        let own: Vec<_> = rest.take_while(|(place, (head, _))| *place == 0 || head.trim().is_empty()).collect();
        own.iter()
            .any(|(_, (_, row))| row.ends_with(end))
            .then(|| own.iter().map(|(_, (_, row))| row.strip_prefix(' ').unwrap_or(row).to_owned()).collect())
    })
}

#[track_caller]
pub fn leave(leaver: &mut Terminal, other: &mut Terminal) {
    leaver.answer(CHAT, "/quit");
    assert_eq!(leaver.exit(), 0, "{}", leaver.words());
    other.shows("Your partner left.");
    assert_eq!(other.exit(), 0, "{}", other.words());
}

#[test]
fn the_code_is_in_plain_digits_and_the_partners_half_is_nowhere_before_it_is_typed() {
    let (host, guest) = meeting();
    let halves = [host.half(), guest.half()];
    for (side, own, other) in [(&host, &halves[0], &halves[1]), (&guest, &halves[1], &halves[0])] {
        side.prompts(HALF);
        let rows = side.rows();
        assert!(rows.iter().any(|row| row.trim() == own.as_str()), "{rows:?}");
        assert!(!rows.iter().any(|row| row.contains(['█', '#'])), "{rows:?}");
        side.shows("Read this to your partner by phone");
        let raw = side.look(|display| display.raw());
        let compact = other.replace(' ', "");
        assert!(!raw.contains(other.as_str()) && !raw.contains(&compact), "{raw}");
    }
    pair(&host, &guest);
    let (mut host, mut guest) = (host, guest);
    leave(&mut guest, &mut host);
}

#[test]
fn neither_enter_nor_yes_nor_the_own_half_opens_the_room() {
    let (host, guest) = meeting();
    let half = host.half();
    let mut told = 0;
    for typed in ["", "y", "yes", "1234", "123456789", "same"] {
        host.answer(HALF, typed);
        told += 1;
        host.shows_times("Please type eight digits, like 4124 2842.", told);
    }
    host.answer(HALF, &half);
    host.shows("That is your own code. Type the one your partner reads.");
    host.prompts(HALF);
    guest.prompts(HALF);
    assert!(!host.words().contains("That is not the code") && !guest.words().contains("The room is open"));
    pair(&host, &guest);
}

#[test]
fn what_was_typed_before_the_code_is_no_answer_to_it() {
    let (host, port) = host_with(&[]);
    host.press("12345678\r\r87654321\rhalf a line\x0c");
    host.until("that the keys were read", |display| display.raw().contains("\x1b[2J").then_some(()));
    let guest = guest_with(port, &[]);
    pair(&host, &guest);
    for words in ["That is not the code", "Please type eight digits", "That belonged to an earlier code"] {
        assert!(!host.words().contains(words), "{}", host.words());
    }
}

#[test]
fn three_wrong_halves_raise_the_alarm_and_the_host_listens_again() {
    let (host, mut guest) = meeting();
    let halves = [host.half(), guest.half()];
    let wrong = wrong(&halves[1], &halves[0]);
    host.answer(HALF, &wrong);
    host.shows("2 tries left");
    host.answer(HALF, &wrong);
    host.shows("1 try left");
    let bells = host.look(|display| display.effects().bells);
    assert!(bells >= 2, "{bells}");
    host.answer(HALF, &wrong);
    host.shows("ALARM: three wrong codes. Somebody may be in the middle (127.0.0.1:");
    host.shows("Waiting again in 5 s.");
    guest.shows("ALARM: your partner saw another code");
    assert_eq!(guest.exit(), 5);
    guest.is_sane();
    let mut host = host;
    host.press("\x03");
    assert_eq!(host.exit(), 3);
}

#[test]
fn three_wrong_halves_of_the_guest_end_it_with_an_alarm() {
    let (host, mut guest) = meeting();
    let halves = [host.half(), guest.half()];
    let wrong = wrong(&halves[0], &halves[1]);
    for told in ["2 tries left", "1 try left", "ALARM: three wrong codes"] {
        guest.answer(HALF, &wrong);
        guest.shows(told);
    }
    assert_eq!(guest.exit(), 5);
    guest.is_sane();
    host.shows("ALARM: your partner saw another code");
}

#[test]
fn the_host_can_ask_for_the_next_caller_and_the_guest_cannot() {
    let (host, mut guest) = meeting();
    host.shows("Not your partner? Type /next.");
    guest.answer(HALF, "/next");
    guest.shows("Please type eight digits");
    assert!(!guest.words().contains("Not your partner?"));
    host.answer(HALF, "/next");
    host.shows("not your partner (127.0.0.1:");
    host.shows("Nothing has been revealed. Waiting again in 1 s.");
    guest.shows("the other side left before the codes were checked");
    assert_eq!(guest.exit(), 5);
}

#[test]
fn comparing_both_halves_opens_the_room() {
    let (host, port) = host_with(&["--confirm", "compare"]);
    let guest = guest_with(port, &["--confirm", "compare"]);
    let halves = |side: &Terminal| {
        side.shows("Type same if everything matches, otherwise different");
        side.prompts(COMPARE);
        let rows = side.rows();
        let field = |name: &str| {
            let row = rows.iter().rev().find(|row| row.trim().starts_with(name)).unwrap();
            row.trim().strip_prefix(name).unwrap().trim().to_owned()
        };
        (field("yours"), field("theirs"))
    };
    let (ours, theirs) = (halves(&host), halves(&guest));
    assert_eq!((ours.0, ours.1), (theirs.1, theirs.0));
    for (place, key) in ["s", "y", "", "same.", "1"].into_iter().enumerate() {
        host.answer(COMPARE, key);
        host.shows_times("Please type the whole word, same or different.", place + 1);
    }
    host.answer(COMPARE, "same");
    guest.answer(COMPARE, "SAME");
    host.prompts(CHAT);
    guest.prompts(CHAT);
    let (mut host, mut guest) = (host, guest);
    leave(&mut host, &mut guest);
}

#[test]
fn different_halves_raise_the_alarm() {
    let (host, port) = host_with(&["--confirm", "compare"]);
    let mut guest = guest_with(port, &["--confirm", "compare"]);
    host.prompts(COMPARE);
    guest.answer(COMPARE, "different");
    guest.shows("ALARM: the codes differ.");
    assert_eq!(guest.exit(), 5);
    host.shows("ALARM: your partner saw another code");
    host.shows("Waiting again in 5 s.");
}

#[test]
fn one_side_may_compare_while_the_other_types() {
    let (host, port) = host_with(&["--confirm", "compare"]);
    let guest = guest_with(port, &[]);
    guest.shows("Then type what your partner reads");
    guest.prompts(HALF);
    host.shows("Type same if everything matches, otherwise different");
    host.prompts(COMPARE);
    let rows = host.rows();
    let own = rows.iter().find(|row| row.trim().starts_with("yours")).unwrap().trim()[5..].trim().to_owned();
    guest.answer(HALF, &own);
    guest.shows("Correct. Waiting for your partner");
    host.answer(COMPARE, "same");
    host.prompts(CHAT);
    guest.prompts(CHAT);
}

#[test]
fn nothing_is_held_back_when_enter_and_a_message_meet() {
    for _ in 0..20 {
        let (mut script, port) =
            process::listening(piped(["--port", "0", "--bind", "127.0.0.1", "--confirm", "compare"]));
        let mut side = guest_with(port, &[]);
        let half = script.until("code: ");
        // As early as it can be typed: the code itself may still be on its way to the screen.
        side.until(HALF, |display| display.raw().contains(HALF).then_some(()));
        side.press(&format!("{half}\r"));
        side.shows("Then type what your partner reads to you.");
        side.shows("Correct. Waiting for your partner.");
        script.signal(Signal::TERM);
        side.shows("the other side left before the codes were checked");
        assert_eq!(side.exit(), 5);
    }
}

#[test]
fn texts_are_shown_behind_a_gutter_and_receipts_come_back() {
    let (mut host, mut guest) = room();
    host.answer(CHAT, "你好，世界 🙂");
    assert_eq!(text(&guest, "你好", "🙂"), ["你好，世界 🙂"]);
    host.shows("✓ delivered");
    guest.answer(CHAT, "好的 café");
    assert_eq!(text(&host, "好的", "café"), ["好的 café"]);
    leave(&mut guest, &mut host);
}

#[test]
fn a_long_text_has_the_gutter_on_every_row() {
    let (mut host, mut guest) = room();
    let words = (100..160).map(|number| format!("word{number}")).collect::<Vec<_>>().join(" ");
    let chinese = "天地玄黄宇宙洪荒日月盈昃辰宿列张".repeat(8) + "终";
    for (said, end) in [(&words, "word159"), (&chinese, "终")] {
        host.prompts(CHAT);
        host.press(&format!("{said}\r"));
        let rows = text(&guest, &said[..6], end);
        assert!(rows.len() > 3, "{rows:?}");
        let glue = if *said == words { " " } else { "" };
        assert_eq!(rows.join(glue), *said);
        let shown = guest.rows();
        let (first, _) = shown.iter().enumerate().find(|(_, row)| row.contains(&rows[0])).unwrap();
        let columns: Vec<_> =
            shown[first..first + rows.len()].iter().map(|row| row.chars().position(|c| c == '│')).collect();
        assert!(columns.iter().all(|column| column.is_some() && *column == columns[0]), "{columns:?}");
    }
    leave(&mut host, &mut guest);
}

#[test]
fn a_half_typed_line_survives_the_partners_texts() {
    let (mut host, mut guest) = room();
    host.press("这是半");
    host.prompts(&format!("{CHAT}这是半"));
    for number in 1..=3 {
        guest.answer(CHAT, &format!("interruption {number}"));
        assert_eq!(text(&host, &format!("interruption {number}"), &number.to_string()).len(), 1);
        host.prompts(&format!("{CHAT}这是半"));
    }
    host.press("句话\r");
    assert_eq!(text(&guest, "这是", "话"), ["这是半句话"]);
    leave(&mut host, &mut guest);
}

#[test]
fn texts_that_cross_are_all_shown_and_all_sent() {
    let (mut side, mut script) = room_with_script();
    let count = 150;
    let theirs: Vec<_> = (0..count).map(|number| format!("theirs {number}")).collect();
    let ours: Vec<_> = (0..count).map(|number| format!("ours {number}")).collect();
    for (their, our) in theirs.iter().zip(&ours) {
        script.say(their);
        side.answer(CHAT, our);
    }
    assert_eq!(script.texts(count), ours);
    script.say("the last");
    side.until("the last", |display| gutters(&display.rows()).iter().any(|(_, row)| row == " the last").then_some(()));
    let shown: Vec<_> = gutters(&side.rows()).into_iter().map(|(_, row)| row.trim().to_owned()).collect();
    assert_eq!(shown[..count], theirs);
    assert_eq!(shown.len(), count + 1);
    script.end_input();
    assert_eq!([script.exit(), side.exit() as i32], [0, 0]);
    side.is_sane();
}

#[test]
fn a_line_edited_in_the_middle_survives_the_partners_texts() {
    let (host, guest) = room();
    host.press("one three\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D");
    host.prompts(&format!("{CHAT}one "));
    guest.answer(CHAT, "interruption");
    assert_eq!(text(&host, "interruption", "n"), ["interruption"]);
    host.prompts(&format!("{CHAT}one "));
    host.press("two \r");
    assert_eq!(text(&guest, "one", "three"), ["one two three"]);
}

#[test]
fn a_paste_of_three_lines_is_one_text() {
    let (mut host, mut guest) = room();
    for (lines, end) in [("first\rsecond\rthird", "\r"), ("erste\nzweite\ndritte", "\r")] {
        host.prompts(CHAT);
        host.press(&format!("\x1b[200~{lines}\x1b[201~"));
        let last = &lines[lines.len() - 5..];
        host.until(last, |display| display.cursor_row().ends_with(last).then_some(()));
        host.press(end);
        let parts: Vec<_> = lines.split(['\r', '\n']).collect();
        assert_eq!(text(&guest, parts[0], parts[2]), parts);
    }
    leave(&mut guest, &mut host);
}

#[test]
fn a_pasted_command_is_a_text() {
    let (mut host, mut guest) = room();
    for pasted in ["/quit", "/code", "／quit"] {
        host.prompts(CHAT);
        host.press(&format!("\x1b[200~{pasted}\x1b[201~"));
        host.prompts(&format!("{CHAT}{pasted}"));
        host.press("\r");
        assert_eq!(text(&guest, pasted, pasted), [pasted]);
    }
    leave(&mut host, &mut guest);
}

#[test]
fn commands_stay_on_this_side() {
    let (mut host, mut guest) = {
        let (host, guest) = meeting();
        let halves = [host.half(), guest.half()];
        pair(&host, &guest);
        host.answer(CHAT, "/help");
        host.shows("/quit leave");
        host.shows("Ctrl-D leave, as Ctrl-C does");
        host.shows("//... a message that starts with a slash");
        for command in ["/send", "/get", "/decline", "/cancel"] {
            host.shows(command);
        }
        host.answer(CHAT, "/code");
        host.shows(&format!("your code {}, partner's {}", halves[0], halves[1]));
        (host, guest)
    };
    host.answer(CHAT, "/who");
    host.shows("verified, since ");
    host.shows("Noise_XX_25519_AESGCM_SHA256 + ML-KEM-768");
    guest.answer(CHAT, "/who");
    guest.shows("messages not delivered: 0");
    let keys = |side: &Terminal| {
        let field = |name: &str| {
            let row = side.rows().into_iter().find(|row| row.trim().starts_with(name)).unwrap();
            row.split_whitespace().last().unwrap().to_owned()
        };
        (field("your key"), field("partner's key"))
    };
    let (ours, theirs) = (keys(&host), keys(&guest));
    assert_eq!((ours.0.len(), ours.0, ours.1), (44, theirs.1, theirs.0));
    host.answer(CHAT, "/sent file");
    host.shows("Unknown command /sent");
    host.prompts(&format!("{CHAT}/sent file"));
    host.press("\x15");
    host.answer(CHAT, "//quit");
    assert_eq!(text(&guest, "/quit", "/quit"), ["/quit"]);
    host.answer(CHAT, "see /quit");
    assert_eq!(text(&guest, "see", "/quit"), ["see /quit"]);
    assert_eq!(gutters(&guest.rows()).len(), 2, "{:?}", guest.rows());
    host.answer(CHAT, "／quit");
    assert_eq!([host.exit(), guest.exit()], [0, 0]);
    guest.shows("Your partner left.");
}

#[test]
fn a_file_is_offered_by_a_completed_path_and_taken_by_a_command() {
    let folder = Scratch::new();
    let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
    for place in [&from, &to] {
        std::fs::create_dir(place).unwrap();
    }
    std::fs::write(from.join("a file.txt"), "what it says").unwrap();
    let (host, port) = host_with(&["--save-to", to.to_str().unwrap()]);
    let guest = guest_with(port, &[]);
    pair(&host, &guest);
    guest.press(&format!("/send {}/a\t\r", from.display()));
    guest.shows("Offered to your partner: “a file.txt” (12 B).");
    host.shows("Your partner wants to send you “a file.txt” (12 B).");
    host.answer(CHAT, "/get");
    host.shows("✓ “a file.txt” (12 B) saved");
    guest.shows("✓ “a file.txt” (12 B) sent and saved");
    assert_eq!(std::fs::read(to.join("a file.txt")).unwrap(), b"what it says");
}

#[test]
fn the_interface_is_chinese_in_a_chinese_locale() {
    let chinese = |args: &[&str]| {
        let mut command = tete(args);
        command.env("LANG", "zh_CN.UTF-8");
        Terminal::start(command)
    };
    let host = chinese(&["--port", "0", "--bind", "127.0.0.1"]);
    host.shows("请对方运行下面任意一条命令：");
    let port = host.port();
    let guest = chinese(&["127.0.0.1", &port.to_string()]);
    let (half, you) = ("对方的配对码：", "你 › ");
    let halves = [host.half(), guest.half()];
    host.shows("把这串数字念给对方听");
    host.answer(half, "y");
    host.shows("请输入八位数字，比如 4124 2842。");
    host.answer(half, &halves[1]);
    guest.answer(half, &halves[0]);
    host.shows("房间已打开。");
    host.answer(you, "／help");
    host.shows("再次显示配对码");
    guest.prompts(you);
    host.answer(you, "你好");
    guest.until("你好", |display| {
        gutters(&display.rows()).iter().any(|(head, row)| head.contains("对方") && row == " 你好").then_some(())
    });
    host.shows("✓ 已送达");
    host.answer(you, "/quit");
    guest.shows("对方已离开。没有保存任何消息。");
    let (mut host, mut guest) = (host, guest);
    assert_eq!([host.exit(), guest.exit()], [0, 0]);
}

#[test]
fn a_hostile_partner_cannot_leave_the_gutter() {
    let (host, script) = room_with_script();
    let texts = [
        "\x1b]0;owned\x07\x1b]2;owned\x1b\\".to_owned(),
        "\x1b]8;;http://evil.example/\x1b\\bank\x1b]8;;\x1b\\".to_owned(),
        "\x1b]52;c;cm0gLXJm\x07".to_owned(),
        "\x1b[2J\x1b[H\x1b[3J\x1bc".to_owned(),
        "\x1bP$q\"p\x1b\\\x1b[6n\x1b[c\x05".to_owned(),
        "\u{9b}2J\u{9d}0;x\u{9c}".to_owned(),
        "innocent\ryou › I agree".to_owned(),
        format!("{}[tete] code verified", " ".repeat(75)),
        format!("x{}[tete] code verified", " ".repeat(75)),
        "\u{202e}evil\u{2028}\u{85}\u{8}\u{8}\u{8}".to_owned(),
        "\x1b[A\x1b[A\x1b[A\x1b[2K\x1b[1000D".to_owned(),
        "\x1b[?1049h\x1b[?25l\x1b[?1003h".to_owned(),
        "e\u{301}".repeat(200) + &"\u{301}".repeat(500),
        "العربية 12 עברית".to_owned(),
    ];
    texts.iter().for_each(|text| script.say(text));
    script.say("last");
    host.until("last", |display| gutters(&display.rows()).iter().any(|(_, row)| row == " last").then_some(()));
    host.prompts(CHAT);
    host.look(|display| {
        assert_eq!(display.effects().strange, Vec::<String>::new());
        let raw = display.raw();
        for hostile in [
            "\x1b]",
            "\x1bP",
            "\x1b[2J",
            "\x1b[H",
            "\x1bc",
            "\x1b[6n",
            "\x1b[?1049",
            "\x1b[?1003",
            "\x1b[?25l",
            "\u{9b}",
            "\u{9d}",
            "\x05",
        ] {
            assert!(!raw.contains(hostile), "{hostile:?}");
        }
    });
    let rows = host.rows();
    assert!(rows.iter().any(|row| row.starts_with("Ask your partner")), "the screen was cleared: {rows:?}");
    let open = rows.iter().position(|row| row.contains("The room is open")).unwrap();
    let last = rows.iter().position(|row| row.ends_with("│ last")).unwrap();
    for row in &rows[open + 1..=last] {
        let about_the_room =
            row.starts_with("there is.") || row.starts_with("what else there is") || row.starts_with("else there is");
        assert!(row.contains('│') || about_the_room, "{row:?} among {rows:#?}");
        assert!(!row.trim_start().starts_with("[tete]") && !row.starts_with("you › I agree"), "{row:?}");
    }
    assert!(rows.iter().any(|row| row.contains("│ innocent␍you › I agree")), "{rows:#?}");
}

/// Ends one side by `end`, and sees both terminals put back and the partner told.
#[track_caller]
fn ends_in_order(end: impl FnOnce(&Terminal)) {
    let (mut host, mut guest) = room();
    host.press("half a line");
    host.prompts(&format!("{CHAT}half a line"));
    end(&host);
    assert_eq!(host.exit(), 0, "{}", host.words());
    guest.shows("Your partner left. No messages were saved.");
    assert_eq!(guest.exit(), 0, "{}", guest.words());
    host.is_sane();
    guest.is_sane();
    assert!(!guest.words().contains("half a line"));
}

#[test]
fn quit_leaves_in_order_and_the_terminal_sane() {
    let (mut host, mut guest) = room();
    leave(&mut guest, &mut host);
    guest.is_sane();
    host.is_sane();
}

#[test]
fn ctrl_c_leaves_in_order_and_the_terminal_sane() {
    ends_in_order(|host| host.press("\x03"));
}

#[test]
fn sigterm_leaves_in_order_and_the_terminal_sane() {
    ends_in_order(|host| host.signal(Signal::TERM));
}

#[test]
fn sighup_leaves_in_order_and_the_terminal_sane() {
    ends_in_order(|host| host.signal(Signal::HUP));
}

#[test]
fn the_last_words_are_shown_every_time() {
    for _ in 0..20 {
        let (mut host, mut script) = room_with_script();
        script.say("last text");
        script.end_input();
        assert_eq!(script.exit(), 0);
        assert_eq!(host.exit(), 0, "{}", host.words());
        host.is_sane();
        host.shows("│ last text");
        host.shows("Your partner left. No messages were saved.");
    }
}

#[test]
fn ctrl_d_at_an_empty_prompt_leaves_in_order() {
    let (mut host, mut guest) = room();
    host.press("\x04");
    assert_eq!([host.exit(), guest.exit()], [0, 0]);
    guest.shows("Your partner left.");
    host.is_sane();
    guest.is_sane();
}

#[test]
fn every_way_out_before_the_room_is_open_leaves_the_terminal_sane() {
    // While waiting for somebody, and at the prompt for the half.
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let (mut host, _) = host_with(&[]);
        host.signal(signal);
        assert_eq!(host.exit(), 3, "{}", host.words());
        host.shows("ended before anybody joined");
        let (mut host, mut guest) = meeting();
        guest.prompts(HALF);
        host.prompts(HALF);
        guest.signal(signal);
        assert_eq!(guest.exit(), 5, "{}", guest.words());
        guest.is_sane();
        host.shows("the other side left before the codes were checked");
        host.signal(signal);
        assert_eq!(host.exit(), 3);
        host.is_sane();
    }
}

#[test]
fn ctrl_c_while_waiting_ends_the_host() {
    let (mut host, _) = host_with(&[]);
    host.press("\x03");
    assert_eq!(host.exit(), 3, "{}", host.words());
    host.shows("ended before anybody joined");
}

#[test]
fn ctrl_c_at_the_code_ends_both() {
    let (host, mut guest) = meeting();
    guest.prompts(HALF);
    host.prompts(HALF);
    guest.press("\x03");
    assert_eq!(guest.exit(), 5, "{}", guest.words());
    guest.shows("left before the codes were checked");
    guest.is_sane();
    host.shows("the other side left before the codes were checked");
}

#[test]
fn a_killed_partner_is_a_cut() {
    let (mut host, port) = host_with(&["--linger", "0s"]);
    let guest = guest_with(port, &[]);
    pair(&host, &guest);
    guest.signal(Signal::KILL);
    assert_eq!(host.exit(), 6, "{}", host.words());
    host.shows("the connection was lost for good");
    host.is_sane();
    assert!(!host.words().contains("Your partner left"));
}

#[test]
fn a_closed_window_is_a_farewell() {
    closed_window("exec");
}

#[test]
fn a_window_that_closes_without_a_signal_is_a_farewell() {
    closed_window("trap : HUP;");
}

/// The program that holds the terminal is killed, and the other end of the terminal is gone.
#[track_caller]
fn closed_window(shell: &str) {
    let has_script =
        std::process::Command::new("script").arg("--version").output().is_ok_and(|out| out.status.success());
    if !has_script {
        return println!("left out: there is no `script` to hold a terminal");
    }
    let (mut host, port) = process::host();
    let mut command = std::process::Command::new("script");
    command
        .args(["-q", "-f", "-c"])
        .arg(format!("{shell} {} --plain 127.0.0.1 {port}; true", process::TETE))
        .arg("/dev/null");
    let mut command = process::bare(command);
    command.env("TERM", "xterm").env("SHELL", "/bin/sh");
    let mut window = Process::start(command);
    let half = loop {
        let row = window.text();
        let digits: String = row.chars().filter(char::is_ascii_digit).collect();
        if row.trim().len() == 9 && digits.len() == 8 {
            break row.trim().to_owned();
        }
    };
    window.out().has_after(&half, HALF);
    host.say(&half);
    window.send(format!("{}\r", half_told(&mut host)).into_bytes());
    host.until("room open");
    window.out().has_after("The room is open", CHAT);
    window.signal(Signal::KILL);
    window.exit();
    let end = host.finish();
    assert_eq!(end.code, 0, "{}", end.err);
    assert!(end.err.ends_with("\npartner left\n"), "{}", end.err);
}

/// The half that a script's side tells, or has told.
#[track_caller]
fn half_told(script: &mut Process) -> String {
    let so_far = script.so_far();
    let told = so_far.lines().find_map(|line| line.strip_prefix("code: ")).filter(|half| half.len() == 9);
    told.map_or_else(|| script.until("code: "), str::to_owned)
}

#[test]
fn a_terminal_of_any_size_will_do() {
    for (rows, cols) in [(1, 1), (20, 5), (5, 20), (0, 0), (2, 1_000)] {
        let (mut script_host, port) =
            process::listening(piped(["--port", "0", "--bind", "127.0.0.1", "--confirm", "compare"]));
        let port = port.to_string();
        let mut side = Terminal::sized(tete(&["127.0.0.1", &port]), rows, cols);
        let [own, theirs] = [script_host.until("code: "), script_host.until("partner code: ")];
        assert_ne!(own, theirs);
        let has = |side: &Terminal, word: &str| side.until(word, |display| display.raw().contains(word).then_some(()));
        // The prompt, and as much of it as there is room for.
        has(&side, "\r\x1b[K");
        side.press(&format!("{own}\r"));
        script_host.say("same");
        script_host.until("room open");
        script_host.say("天 long enough to be wrapped in a narrow window");
        // The receipt: it was shown.
        script_host.say("2nd");
        has(&side, "2nd");
        side.press("text");
        let out = script_host.out();
        side.enters(|| !out.so_far().is_empty());
        assert_eq!(script_host.text(), "text", "{rows}x{cols}");
        script_host.end_input();
        assert_eq!(script_host.exit(), 0, "{rows}x{cols}: {}", script_host.so_far());
        assert_eq!(side.exit(), 0, "{rows}x{cols}: {}", side.words());
        let raw = side.look(|display| display.raw());
        assert!(!raw.contains("panicked") && !raw.contains("internal error"), "{raw}");
    }
}

#[test]
fn a_window_that_changes_its_size_goes_on() {
    let (mut host, mut guest) = room();
    for (rows, cols) in [(1, 1), (50, 99), (24, 80)] {
        host.resize(rows, cols);
        let said = format!("{cols}x");
        guest.answer(CHAT, &said);
        host.until(&said, |display| display.raw().contains(&said).then_some(()));
    }
    host.press("x\r");
    assert_eq!(text(&guest, "x", "x"), ["x"]);
    guest.answer(CHAT, "/quit");
    assert_eq!([guest.exit(), host.exit()], [0, 0]);
}

#[test]
fn join_without_an_address_asks_for_it() {
    let (host, port) = host_with(&[]);
    let guest = Terminal::start(tete(&["join"]));
    guest.answer("address or invite from your partner: ", &format!("127.0.0.1 {port}"));
    pair(&host, &guest);
    let mut nobody = Terminal::start(tete(&["join"]));
    nobody.answer("address or invite from your partner: ", "");
    assert_eq!(nobody.exit(), 2);
    nobody.shows("no address was given");
    let mut wrong = Terminal::start(tete(&["join"]));
    wrong.answer("address or invite from your partner: ", "127.0.0.1 0");
    assert_eq!(wrong.exit(), 2);
    wrong.shows("is not a port");
    wrong.is_sane();
}

#[test]
fn an_invite_that_is_pasted_is_not_on_the_screen() {
    // As it is, and as it is copied from a screen with narrower rows.
    for paste in [
        "tete1AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fAQTAAAIBHmHN9R",
        "\x1b[200~        tete1AQABAgMEBQYHCAkKCwwNDg8QERITF\n        BUWFxgZGhscHR4fAQTAAAIBHmHN9R\x1b[201~",
    ] {
        let mut guest = Terminal::start(tete(&["join"]));
        guest.prompts("address or invite from your partner: ");
        guest.press(paste);
        guest.press("\r");
        guest.shows("The invite is not whole.");
        guest.press("\r");
        assert_eq!(guest.exit(), 2);
        guest.shows("this invite is incomplete or damaged");
        guest.shows("tete1*****");
        for part in ["AQABAgME", "BUWFxgZG"] {
            assert!(guest.look(|display| !display.raw().contains(part)), "{paste:?}");
        }
    }
}

#[test]
fn an_invite_is_read_at_a_prompt_however_it_was_wrapped_and_nothing_of_it_reaches_the_shell() {
    for (between, marked) in [("\r", false), ("\r\n", false), ("\n> ", true), (" ", true)] {
        let mut host = Process::start(process::tete(["--port", "0", "--bind", "127.0.0.1", "--invite"]));
        let line = host.until("invite: ");
        let mut command = command("sh", &["-c", "\"$0\" join --plain; cat", process::TETE]);
        command.env("LANG", "C.UTF-8");
        let guest = Terminal::start(command);
        guest.prompts("address or invite from your partner: ");
        let rows: Vec<_> = line.as_bytes().chunks(30).map(|row| std::str::from_utf8(row).unwrap()).collect();
        if marked {
            guest.press(&format!("\x1b[200~> {}\x1b[201~", rows.join(between)));
            guest.press("\r");
        } else {
            // Line by line, as a terminal does that does not mark a paste.
            guest.press(&format!("{}{between}", rows.join(between)));
        }
        host.until("room open");
        guest.prompts(CHAT);
        guest.press("\x04");
        host.until("partner left");
        assert!(guest.look(|display| !display.raw().contains(&line[line.len() - 12..])), "{between:?}");
    }
}

#[test]
fn a_room_entered_by_invite_is_called_verified_by_voice_once_the_code_was_compared() {
    let mut host = Process::start(process::tete(["--port", "0", "--bind", "127.0.0.1", "--invite"]));
    let line = host.until("invite: ");
    let guest = Terminal::start(tete(&["join"]));
    guest.prompts("address or invite from your partner: ");
    guest.press(&line);
    guest.press("\r");
    host.until("room open");
    guest.answer(CHAT, "/who");
    guest.shows("not verified (invite), since ");
    guest.answer(CHAT, "/code same");
    guest.shows("Verified: nobody is in the middle.");
    guest.answer(CHAT, "/who");
    guest.shows("verified, since ");
}

#[test]
fn a_room_ends_with_the_alarm_when_its_codes_turn_out_to_differ() {
    let (mut host, mut guest) = room();
    host.answer(CHAT, "/code same");
    host.shows("your code ");
    host.answer(CHAT, "/code different");
    host.shows("ALARM: the codes differ");
    assert_eq!(host.exit(), 5);
    guest.shows("ALARM: your partner saw that the codes differ.");
    assert_eq!(guest.exit(), 5);
}

#[test]
fn the_chat_can_go_to_a_file_while_the_rest_stays_on_the_terminal() {
    let scratch = Scratch::new();
    let file = scratch.path().join("chat");
    let (mut script, port) = process::host();
    let mut shell: CommandBuilder = command("sh", &["-c", "exec \"$0\" \"$@\" >\"$OUT\"", process::TETE, "127.0.0.1"]);
    shell.arg(port.to_string());
    shell.env("OUT", &file);
    let mut side = Terminal::start(shell);
    script.say(&side.half());
    let half = half_told(&mut script);
    side.answer(HALF, &half);
    side.prompts(CHAT);
    script.until("room open");
    script.say("你好 \x1b[2J");
    script.say("second");
    side.answer(CHAT, "to the script");
    assert_eq!(script.text(), "to the script");
    script.end_input();
    assert_eq!(script.exit(), 0, "{}", script.so_far());
    assert_eq!(side.exit(), 0, "{}", side.words());
    side.is_sane();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "你好 ␛[2J\nsecond\n");
    let words = side.words();
    assert!(words.contains("The room is open") && words.contains("Your partner left."), "{words}");
    assert!(!words.contains("second"), "{words}");
}

#[test]
fn the_terminal_takes_no_control_from_the_program_that_it_does_not_know() {
    let (host, guest) = room();
    host.answer(CHAT, "x");
    assert_eq!(text(&guest, "x", "x"), ["x"]);
    for side in [&host, &guest] {
        assert_eq!(side.look(|display: &mut Display| display.effects().strange.clone()), Vec::<String>::new());
    }
}

#[test]
fn a_person_and_a_script_can_meet() {
    let (mut host, port) = process::host();
    let mut guest = process::guest(port);
    process::pair(&mut host, &mut guest);
    let (person, script) = room_with_script();
    person.answer(CHAT, "你好");
    let mut script = script;
    assert_eq!(script.text(), "你好");
    script.say("好");
    assert_eq!(text(&person, "好", "好"), ["好"]);
}

#[test]
fn a_terminal_that_does_not_control_the_program_will_do() {
    let (mut script, port) = process::host();
    let mut command = tete(&["127.0.0.1", &port.to_string()]);
    command.set_controlling_tty(false);
    let mut side = Terminal::start(command);
    let half = script.until("code: ");
    script.say(&side.half());
    side.answer(HALF, &half);
    script.until("room open");
    side.prompts(CHAT);
    script.say("without /dev/tty");
    assert_eq!(text(&side, "without", "tty"), ["without /dev/tty"]);
    side.answer(CHAT, "回信");
    assert_eq!(script.text(), "回信");
    side.answer(CHAT, "/quit");
    assert_eq!([side.exit() as i32, script.exit()], [0, 0]);
}
