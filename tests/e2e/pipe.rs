//! Two programs in pipes, as a script uses them.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::process;
use crate::process::*;
use crate::scratch::Scratch;
use rustix::process::{Signal, getuid};

const CHINESE: &str = "周五晚上八点，老地方见 🙂 👨‍👩‍👧";
const REPLY: &str = "好！带上 café 的票 🎟️";

#[track_caller]
fn talk(mut host: Process, mut guest: Process) {
    pair(&mut host, &mut guest);
    host.say(CHINESE);
    guest.say(REPLY);
    assert_eq!(guest.text(), CHINESE);
    assert_eq!(host.text(), REPLY);
    part(guest, host);
}

#[test]
fn texts_go_both_ways_over_ipv4() {
    let (host, port) = host();
    talk(host, guest(port));
}

#[test]
fn texts_go_both_ways_over_ipv6() {
    if TcpListener::bind("[::1]:0").is_err() {
        return println!("left out: this machine has no ::1");
    }
    let (host, port) = listening(tete(["host", "--port", "0", "--bind", "::1"]));
    talk(host, Process::start(tete([format!("[::1]:{port}")])));
}

#[test]
fn texts_go_both_ways_by_a_name_and_with_the_ipv4_port_in_one_word() {
    let (host, port) = host();
    talk(host, Process::start(tete(["join", "localhost", &port.to_string()])));
    let (host, port) = process::host();
    talk(host, Process::start(tete([format!("127.0.0.1:{port}")])));
}

#[test]
fn each_socket_is_told_once_and_all_have_one_port() {
    let mut host = Process::start(tete(["--port", "0"]));
    let first = host.until("listening: ");
    let port = first.rsplit(':').next().unwrap().to_owned();
    let families = 1 + usize::from(TcpListener::bind("[::1]:0").is_ok());
    let mut guest = Process::start(tete(["127.0.0.1", port.as_str()]));
    pair(&mut host, &mut guest);
    let [_, end] = part(guest, host);
    let told: Vec<_> = end.err.lines().filter_map(|line| line.strip_prefix("listening: ")).collect();
    let expected = ["[::]", "0.0.0.0"].map(|address| format!("{address}:{port}"));
    assert_eq!(told, expected[2 - families..]);
}

#[test]
fn the_status_lines_of_a_script_are_these_and_no_others() {
    let (mut host, port) = host();
    let mut guest = guest(port);
    let [own, partner] = pair(&mut host, &mut guest);
    host.say("x");
    assert_eq!(guest.text(), "x");
    let [left, stayed] = part(guest, host);
    let joined: Vec<_> = left.err.lines().map(|line| line.split(" 127.").next().unwrap()).collect();
    let code = format!("code: {partner}");
    // Either may be the first to confirm.
    let waits = |line: &&&str| line.starts_with("Correct.");
    assert!(joined.iter().filter(waits).count() == 1, "{joined:?}");
    let joined: Vec<_> = joined.iter().filter(|line| !waits(line)).copied().collect();
    assert_eq!(joined, ["trying", "connected to", &code, "room open"]);
    let hosted: Vec<_> = stayed.err.lines().filter(|line| !line.starts_with("Correct.")).collect();
    assert_eq!(hosted[0], format!("listening: 127.0.0.1:{port}"));
    assert!(hosted[1].starts_with("someone connected from 127.0.0.1:"), "{hosted:?}");
    assert_eq!(hosted[2..], [&format!("code: {own}"), "room open", "partner left"]);
}

#[test]
fn a_half_is_taken_in_full_width_digits_with_dashes_and_without_spaces() {
    let spell = |half: &str| {
        let wide = |digit: char| digit.to_digit(10).and_then(|digit| char::from_u32(0xff10 + digit));
        half.chars().map(|c| wide(c).unwrap_or('\u{3000}')).collect::<String>()
    };
    let (mut host, port) = host();
    let mut guest = guest(port);
    let halves = [host.until("code: "), guest.until("code: ")];
    host.say(&spell(&halves[1]));
    guest.say(&format!("  {}  ", halves[0].replace(' ', "—")));
    host.until("room open");
    guest.until("room open");
    part(host, guest);
}

#[test]
fn the_own_half_an_empty_line_and_other_words_do_not_count_as_wrong() {
    let (mut host, port) = host();
    let mut guest = guest(port);
    let halves = [host.until("code: "), guest.until("code: ")];
    for entry in ["", "y", "yes", "same", "0000", "1234 56789", &halves[0]] {
        host.say(entry);
        let answer = host.status();
        let own = entry == halves[0];
        assert!(
            answer.starts_with(if own { "That is your own code." } else { "Please type eight digits" }),
            "{answer}"
        );
    }
    host.send(b"\xff\xff\n".to_vec());
    assert!(host.status().starts_with("Please type eight digits"));
    host.say(&halves[1]);
    guest.say(&halves[0]);
    host.until("room open");
    guest.until("room open");
    part(host, guest);
}

#[test]
fn a_wrong_half_may_be_followed_by_the_right_one() {
    let (mut host, port) = host();
    let mut guest = guest(port);
    let halves = [host.until("code: "), guest.until("code: ")];
    for tries in ["2 tries left", "1 try left"] {
        host.say(&wrong(&halves[1], &halves[0]));
        assert!(host.until("That is not the code").contains(tries));
    }
    host.say(&halves[1]);
    guest.say(&halves[0]);
    host.until("room open");
    guest.until("room open");
    part(host, guest);
}

#[test]
fn three_wrong_halves_of_the_guest_end_it_and_the_host_goes_on() {
    let (mut host, port) = host();
    let mut guest = guest(port);
    let halves = [host.until("code: "), guest.until("code: ")];
    for _ in 0..3 {
        guest.say(&wrong(&halves[0], &halves[1]));
    }
    let end = guest.finish();
    assert_eq!(end.code, 5, "{}", end.err);
    assert!(end.err.contains("tete: ALARM: three wrong codes"), "{}", end.err);
    let told = host.until("ALARM: your partner saw another code");
    assert!(told.contains("(127.0.0.1:") && told.contains("Waiting again in 5 s."), "{told}");
    host.signal(Signal::TERM);
    assert_eq!(host.exit(), 3);
}

#[test]
fn three_wrong_halves_of_the_host_end_both() {
    let (mut host, port) = host();
    let mut guest = guest(port);
    let halves = [host.until("code: "), guest.until("code: ")];
    for _ in 0..3 {
        host.say(&wrong(&halves[1], &halves[0]));
    }
    for (end, fact) in
        [(host.finish(), "ALARM: three wrong codes"), (guest.finish(), "ALARM: your partner saw another code")]
    {
        assert_eq!(end.code, 5, "{}", end.err);
        assert!(end.err.contains(fact), "{}", end.err);
    }
}

#[test]
fn an_empty_line_and_a_slash_quit_are_texts() {
    let (host, mut guest) = room();
    for line in ["", "/quit", "/help", "//x", "/next", "y", "end"] {
        host.say(line);
        assert_eq!(guest.text(), line);
    }
    part(host, guest);
}

#[test]
fn a_last_line_without_its_end_is_a_text_too() {
    let (mut host, mut guest) = room();
    host.send(b"first\nlast".to_vec());
    host.end_input();
    assert_eq!(guest.texts(2), ["first", "last"]);
    part(host, guest);
}

#[test]
fn a_line_of_65536_bytes_arrives_and_one_byte_more_is_refused() {
    let (mut host, mut guest) = room();
    let longest = "长x".repeat(65_536 / 4);
    host.say(&longest);
    assert_eq!(guest.text(), longest);
    host.say(&format!("{longest}x"));
    host.say("after");
    assert_eq!(guest.text(), "after");
    host.end_input();
    let end = host.finish();
    assert_eq!(end.code, 7, "{}", end.err);
    assert!(end.err.ends_with("tete: 1 input line was not sent\nLines must be UTF-8 and at most 65536 bytes.\n"));
    assert_eq!(guest.exit(), 0);
}

#[test]
fn a_line_that_is_not_utf8_is_refused_and_the_rest_arrives() {
    let (mut host, mut guest) = room();
    host.send(b"before\nx\xff\xfex\n\xed\xa0\x80\nafter\n".to_vec());
    assert_eq!(guest.texts(2), ["before", "after"]);
    host.end_input();
    let end = host.finish();
    assert_eq!(end.code, 7, "{}", end.err);
    assert!(end.err.contains("2 input lines were not sent\n"), "{}", end.err);
    assert_eq!(guest.exit(), 0);
}

#[test]
fn a_zero_byte_is_shown_as_a_mark() {
    let (host, mut guest) = room();
    host.send(b"a\0b\n\0\n".to_vec());
    assert_eq!(guest.texts(2), ["a␀b", "␀"]);
    part(host, guest);
}

#[test]
fn nothing_hostile_reaches_standard_output() {
    let texts = [
        "\x1b[2J\x1b[H\x1b]0;title\x07\x1b]52;c;cm0gLXJm\x07\x1bP$q\"p\x1b\\",
        "\x1b]8;;http://evil.example/\x1b\\bank\x1b]8;;\x1b\\",
        "a\rb\x08\x7f\x0b\x0c\x0e\x0f",
        "\u{85}\u{9b}2J\u{9d}0;x\u{9c}\u{90}",
        "\u{202e}evil\u{202c} \u{2066}x\u{2069} \u{200e}\u{200f}\u{061c}",
        "line\u{2028}separator\u{2029}end",
        "\u{feff}\u{200b}\u{2060}\u{e0041}",
        "code: 1234 5678\rroom open",
    ];
    let (host, mut guest) = room();
    texts.iter().for_each(|text| host.say(text));
    host.say("end");
    for text in texts {
        let shown = guest.text();
        let hostile = |c: &char| {
            c.is_control()
                || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert_eq!(shown.chars().find(hostile), None, "{text:?} became {shown:?}");
        assert!(!shown.is_empty());
    }
    assert_eq!(guest.text(), "end");
    let [_, end] = part(host, guest);
    assert_eq!(end.err.matches("room open").count(), 1);
}

#[test]
fn a_chinese_locale_leaves_the_status_lines_as_they_are() {
    let mut command = tete(["--port", "0", "--bind", "127.0.0.1"]);
    command.env("LANG", "zh_CN.UTF-8");
    let (mut host, port) = listening(command);
    let mut guest = Process::start({
        let mut command = tete(["join", "127.0.0.1", &port.to_string()]);
        command.env("LC_ALL", "zh_CN.UTF-8");
        command
    });
    let halves = pair(&mut host, &mut guest);
    host.say("x");
    assert_eq!(guest.text(), "x");
    for end in part(guest, host) {
        assert!(end.err.is_ascii(), "{}", end.err);
        assert!(halves.iter().any(|half| end.err.contains(&format!("\ncode: {half}\nr")) || end.err.contains(half)));
    }
}

#[test]
fn a_chinese_locale_makes_errors_chinese() {
    let mut command = tete(["--port", "0", "--bind", "127.0.0.1"]);
    command.env("LANG", "zh_CN.UTF-8");
    let (mut host, port) = listening(command);
    let mut guest = guest(port);
    guest.until("code: ");
    host.end_input();
    let end = host.finish();
    assert_eq!(end.code, 5);
    assert!(
        end.err.ends_with("tete：输入已结束，没有对方的配对码\n输入的第一行应是对方念出的配对码。\n"),
        "{}",
        end.err
    );
}

#[test]
fn a_closed_or_empty_standard_input_fails_the_pairing() {
    for redirection in ["<&-", "</dev/null"] {
        let (mut host, port) = host();
        let address = ["127.0.0.1", &port.to_string()];
        let end = Process::start(tete_through_shell("", &address, redirection)).finish();
        assert_eq!(end.code, 5, "{redirection}: {}", end.err);
        assert!(end.err.contains("tete: the input ended before your partner's code\n"), "{}", end.err);
        host.until("the other side left before the codes were checked");
    }
    let (host, port) = listening(tete_through_shell("", &["--port", "0", "--bind", "127.0.0.1"], "<&-"));
    let guest = guest(port);
    assert_eq!([host.finish().code, guest.finish().code], [5, 5]);
}

#[test]
fn a_reader_of_standard_output_that_is_gone_is_a_local_fault() {
    let (reader, writer) = std::io::pipe().unwrap();
    let (host, guest) = room_into(writer);
    drop(reader);
    output_fails(host, guest);
}

#[test]
fn a_closed_standard_output_is_a_local_fault() {
    let host = Process::start(tete_through_shell("", &["--port", "0", "--bind", "127.0.0.1"], ">&-"));
    let end = host.finish();
    assert_eq!(
        (end.code, end.err.lines().next()),
        (7, Some("tete: cannot write your partner's messages: the other end has closed it"))
    );
}

#[test]
fn a_full_disk_behind_standard_output_is_a_local_fault() {
    let (host, guest) = room_into(OpenOptions::new().write(true).open("/dev/full").unwrap());
    output_fails(host, guest);
}

/// A text for `reader` cannot be written: it ends with that, and `writer` is not told that it was shown.
#[track_caller]
fn output_fails(reader: Process, mut writer: Process) {
    writer.say("lost");
    let end = reader.finish();
    assert_eq!(end.code, 7, "{}", end.err);
    assert!(end.err.contains("\ntete: cannot write your partner's messages: "), "{}", end.err);
    assert!(!end.err.contains("panic") && !end.err.contains("internal error"), "{}", end.err);
    writer.end_input();
    let end = writer.finish();
    assert_eq!(end.code, 6, "{}", end.err);
    assert!(end.err.contains("\npartner left\ntete: 1 message was not delivered\n"), "{}", end.err);
}

#[test]
fn a_closed_standard_error_does_no_harm() {
    let (mut host, port) = listening(tete(["--port", "0", "--bind", "127.0.0.1", "--confirm", "compare"]));
    let mut guest = Process::start(tete_through_shell("", &["127.0.0.1", &port.to_string()], "2>&-"));
    let half = host.until("code: ");
    host.say("same");
    guest.say(&half);
    host.until("room open");
    host.say(CHINESE);
    assert_eq!(guest.text(), CHINESE);
    guest.say(REPLY);
    assert_eq!(host.text(), REPLY);
    host.end_input();
    assert_eq!([host.exit(), guest.exit()], [0, 0]);
}

#[test]
fn a_farewell_is_never_taken_for_a_cut() {
    for _ in 0..20 {
        let (mut host, mut guest) = room();
        host.say("last text");
        host.end_input();
        assert_eq!(guest.text(), "last text");
        part(host, guest);
    }
}

#[test]
fn a_killed_partner_is_a_cut_and_not_a_farewell() {
    for killed in [0, 1] {
        let (host, guest) = fragile_room();
        let mut sides = [host, guest];
        sides[killed].signal(Signal::KILL);
        sides[killed].exit();
        let [host, guest] = sides;
        let end = if killed == 0 { guest.finish() } else { host.finish() };
        assert_eq!(end.code, 6, "{}", end.err);
        assert!(
            end.err.contains("\nconnection lost\ncut off\ntete: the connection was lost for good\n"),
            "{}",
            end.err
        );
        assert!(!end.err.contains("partner left"), "{}", end.err);
    }
}

#[test]
fn the_signals_that_end_a_program_say_farewell() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let (host, guest) = room();
        guest.signal(signal);
        let (left, stayed) = (guest.finish(), host.finish());
        assert_eq!([left.code, stayed.code], [0, 0], "{signal:?}: {}\n{}", left.err, stayed.err);
        assert!(stayed.err.ends_with("\npartner left\n"), "{signal:?}: {}", stayed.err);
    }
}

#[test]
fn a_signal_during_the_pairing_tells_the_partner_at_once() {
    let (mut host, port) = host();
    let mut guest = guest(port);
    guest.until("code: ");
    host.until("code: ");
    guest.signal(Signal::TERM);
    assert_eq!(guest.exit(), 5);
    host.until("the other side left before the codes were checked");
}

#[test]
fn everybody_else_is_told_busy() {
    let (mut host, port) = host();
    let mut partner = guest(port);
    let halves = [host.until("code: "), partner.until("code: ")];
    // They wait for the pairing to fail.
    let mut others = [guest(port), guest(port)];
    others.iter_mut().for_each(|other| drop(other.until("connected to")));
    host.until("Someone else is waiting.");
    host.say(&halves[1]);
    partner.say(&halves[0]);
    host.until("room open");
    let told = host.until("someone else at 127.0.0.1:");
    assert!(told.ends_with("got a busy reply (1 so far)"), "{told}");
    partner.until("room open");
    for other in others.into_iter().chain([guest(port), guest(port)]) {
        let end = other.finish();
        assert_eq!(end.code, 3, "{}", end.err);
        assert!(end.err.contains("\ntete: they are talking to somebody else\n"), "{}", end.err);
        assert!(!end.err.contains("code: "));
    }
    host.say("still here");
    assert_eq!(partner.text(), "still here");
    part(partner, host);
}

#[test]
fn two_bursts_of_a_thousand_texts_arrive_whole_and_in_order() {
    let (host, guest) = room();
    let texts = |who: &str| (0..1_000).map(|number| format!("{who} {number} 你好")).collect::<Vec<_>>();
    let (from_host, from_guest) = (texts("host"), texts("guest"));
    host.send((from_host.join("\n") + "\n").into_bytes());
    guest.send((from_guest.join("\n") + "\n").into_bytes());
    let (mut host, mut guest) = (host, guest);
    assert_eq!(guest.texts(1_000), from_host);
    assert_eq!(host.texts(1_000), from_guest);
    part(host, guest);
}

#[test]
fn more_texts_than_may_wait_are_taken_as_the_partner_reads_them() {
    a_host_that_does_not_read(3_000, Duration::from_millis(200));
}

fn listing(directory: &Path) -> BTreeMap<String, SystemTime> {
    let mut out = BTreeMap::new();
    let changed = |path: &Path| std::fs::symlink_metadata(path).unwrap().modified().unwrap();
    out.insert(directory.display().to_string(), changed(directory));
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(listing(&path));
        } else {
            out.insert(path.display().to_string(), changed(&path));
        }
    }
    out
}

#[test]
fn nothing_is_written_to_any_directory() {
    let scratch = Scratch::new();
    let directories =
        ["home", "tmp", "cwd", "config", "cache", "data", "state", "run"].map(|name| scratch.path().join(name));
    directories.iter().for_each(|directory| std::fs::create_dir(directory).unwrap());
    let before = listing(scratch.path());
    let at = |mut command: Command| {
        let variables = [
            "HOME",
            "TMPDIR",
            "PWD",
            "XDG_CONFIG_HOME",
            "XDG_CACHE_HOME",
            "XDG_DATA_HOME",
            "XDG_STATE_HOME",
            "XDG_RUNTIME_DIR",
        ];
        command.envs(variables.into_iter().zip(&directories)).current_dir(&directories[2]);
        command
    };
    let (mut host, port) = listening(at(tete(["--port", "0", "--bind", "127.0.0.1"])));
    let mut guest = Process::start(at(tete(["127.0.0.1", &port.to_string()])));
    pair(&mut host, &mut guest);
    host.say("secret");
    assert_eq!(guest.text(), "secret");
    for side in [&host, &guest] {
        for entry in std::fs::read_dir(format!("/proc/{}/fd", side.id())).unwrap() {
            let target = std::fs::read_link(entry.unwrap().path()).unwrap();
            let target = target.to_string_lossy();
            let known = ["pipe:", "socket:", "anon_inode:"].iter().any(|kind| target.starts_with(kind));
            assert!(known || target == "/dev/null", "an open file: {target}");
        }
    }
    part(host, guest);
    assert_eq!(listing(scratch.path()), before);
}

#[test]
fn what_other_users_see_of_a_process_holds_no_code() {
    let (mut host, port) = host();
    let mut guest = guest(port);
    let halves = pair(&mut host, &mut guest);
    host.say("secret words");
    assert_eq!(guest.text(), "secret words");
    let digits: Vec<_> = halves.iter().flat_map(|half| [half.clone(), half.replace(' ', "")]).collect();
    for side in [&host, &guest] {
        for file in ["cmdline", "comm", "status", "stat", "environ"] {
            // What of it we may not read, nobody may.
            let Ok(seen) = std::fs::read(format!("/proc/{}/{file}", side.id())) else { continue };
            let seen = String::from_utf8_lossy(&seen);
            assert!(
                !digits.iter().any(|half| seen.contains(half.as_str())) && !seen.contains("secret words"),
                "{file}"
            );
        }
    }
    part(host, guest);
}

#[test]
fn a_core_dump_is_not_possible() {
    let (host, guest) = room();
    for side in [&host, &guest] {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", side.id())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    }
    part(host, guest);
}

#[test]
fn another_process_of_the_same_user_cannot_look_into_the_memory() {
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let root = getuid().is_root();
    if root && !Command::new(nobody[0]).args(&nobody[1..]).arg("true").status().is_ok_and(|status| status.success()) {
        return println!("left out: root may look into every process, and there is no setpriv to become nobody");
    }
    let scratch = Scratch::new();
    // Where nobody may not read the build directory.
    let copy = scratch.path().join("tete");
    std::fs::copy(TETE, &copy).unwrap();
    let as_user = |program: &std::ffi::OsStr, args: &[&str]| {
        let mut command = Command::new(if root { nobody[0].as_ref() } else { program });
        if root {
            command.args(&nobody[1..]).arg(program);
        }
        command.args(args);
        bare(command)
    };
    let readable = |id: u32, file: &str| {
        let script = format!("exec </proc/{id}/{file}");
        let mut command = as_user("sh".as_ref(), &["-c", &script]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    };
    let other = Process::start(as_user("cat".as_ref(), &[]));
    let (host, _) = listening(as_user(copy.as_os_str(), &["--port", "0", "--bind", "127.0.0.1"]));
    // `setpriv` itself must be gone before its successor can be judged.
    other.say("up");
    let mut other = other;
    assert_eq!(other.text(), "up");
    assert!(readable(other.id(), "environ"), "the way to look does not work");
    for file in ["mem", "environ", "maps", "auxv"] {
        assert!(!readable(host.id(), file), "{file}");
    }
    if !root {
        let error = File::open(format!("/proc/{}/mem", host.id())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    }
}
