//! What the program says to wrong input and to servers that are not tete, and how it ends.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStringExt;
use std::process::Command;

use crate::process::*;
use crate::scratch::Scratch;
use rustix::process::Signal;

/// What no message may hold: insides of the program or of the system.
const INSIDES: [&str; 9] =
    ["panicked", "RUST_BACKTRACE", "internal error", "os error", "{", "}", "Some(", "Err(", "None"];

/// What may come before an error: what was tried.
const TRIED: [&str; 6] =
    ["looking up ", "trying ", "could not connect to ", "connected to ", "listening: ", "someone connected"];

/// Runs it to its end, which is an error: the fact with the usual start, and one line of advice.
#[track_caller]
fn fails(command: Command, code: i32, fact: &str) -> End {
    let end = Process::start(command).finish();
    let what = format!("exit code {}, said: {}", end.code, end.err);
    assert_eq!((end.code, end.out.as_str()), (code, ""), "{what}");
    assert!(!INSIDES.iter().any(|word| end.err.contains(word)), "{what}");
    assert!(end.err.ends_with('\n') && !end.err.chars().any(|c| c.is_control() && c != '\n'), "{what}");
    let lines: Vec<_> = end.err.lines().collect();
    let (tried, last) = lines.split_at(lines.len() - 2.min(lines.len()));
    assert!(tried.iter().all(|line| TRIED.iter().any(|start| line.starts_with(start))), "{what}");
    let [said, advice] = last else { panic!("{what}") };
    let said = said.strip_prefix("tete: ").or(said.strip_prefix("tete：")).unwrap_or_else(|| panic!("{what}"));
    assert!(said.contains(fact), "{what}");
    assert!(!advice.is_empty() && advice.ends_with(['.', '。', '？', '?']), "{what}");
    end
}

/// A port on 127.0.0.1 where nobody listens.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server that does this with its first visitor.
fn server(serve: impl FnOnce(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        serve(stream);
    });
    port
}

/// A server that answers record 1 with these bytes and ends.
fn answers(answer: Vec<u8>) -> u16 {
    server(move |mut stream| {
        stream.read_exact(&mut [0; 1280]).unwrap();
        stream.write_all(&answer).unwrap();
    })
}

fn refusal(reason: u8, min: u8, max: u8) -> Vec<u8> {
    let mut record = vec![0; 1280];
    record[..10].copy_from_slice(&[0x04, 0xfe, b'T', b'E', b'T', b'E', 0xff, reason, min, max]);
    record
}

fn join(port: u16) -> Command {
    tete(["join", "127.0.0.1", &port.to_string()])
}

#[test]
fn what_is_no_address_is_refused_before_anything_is_tried() {
    let host = "is neither a host name nor an IP address";
    let port = "is not a port";
    let long = "a".repeat(10_000);
    for (args, fact) in [
        (vec!["[::1"], host),
        (vec!["::1:51423"], host),
        (vec!["1.2.3"], host),
        (vec!["1.2.3.4.5"], host),
        (vec![""], host),
        (vec![" "], host),
        (vec!["a\u{1}b"], host),
        (vec!["\x1b]0;title\x07host"], host),
        (vec!["\x1b[2Jhost", "80"], host),
        (vec!["join", "host\u{202e}"], "letters that DNS does not know"),
        (vec![long.as_str()], host),
        (vec!["join", "1.2.3.4:99999"], port),
        (vec!["1.2.3.4:0"], port),
        (vec!["1.2.3.4:"], port),
        (vec!["1.2.3.4", "0"], port),
        (vec!["1.2.3.4", "65536"], port),
        (vec!["1.2.3.4", "http"], port),
        (vec!["join", "1.2.3.4", "\x1b[2J"], port),
        (vec!["join", "1.2.3.4", long.as_str()], port),
        (vec!["1.2.3.4:5", "6"], "the port is given twice: 1.2.3.4:5 6"),
        (vec!["münchen.example"], "letters that DNS does not know"),
        (vec!["expyuzz4wqqyqhjn.onion"], "is not an onion address"),
        (vec!["join", "x.ONION.", "1"], "is not an onion address"),
        (vec!["join"], "no address was given"),
    ] {
        let end = fails(tete(&args), 2, fact);
        assert_eq!(end.err.lines().count(), 2, "{args:?}: {}", end.err);
        assert!(end.err.len() < 400, "{args:?}: {}", end.err);
    }
}

#[test]
fn a_wrong_command_line_is_refused_in_one_line() {
    for args in [
        vec!["--port", "65536"],
        vec!["--port", "-1"],
        vec!["--port", "x"],
        vec!["--port"],
        vec!["--port", "1", "example.org"],
        vec!["--bind", "localhost"],
        vec!["--bind", "1.2.3.4:5"],
        vec!["--bind", ""],
        vec!["--bind", "::1", "example.org"],
        vec!["--confirm", "yes"],
        vec!["--confirm-minutes", "0"],
        vec!["--confirm-minutes", "31"],
        vec!["--lang", "xx"],
        vec!["--no-such-option"],
        vec!["--\x1b]0;title\x07"],
        vec!["--port", "\x1b[2J\r\n"],
        vec!["join", "a", "1", "b"],
        vec!["a", "1", "b"],
        vec!["join", "--port", "1", "a"],
    ] {
        let end = fails(tete(&args), 2, "");
        assert_eq!(end.err.lines().count(), 2, "{args:?}: {}", end.err);
    }
    let broken = OsString::from_vec(b"exa\xffmple.org".to_vec());
    fails(tete([broken.as_os_str()]), 2, "an argument is not UTF-8");
    fails(tete([OsStr::new("--lang"), broken.as_os_str()]), 2, "--lang cannot be ");
}

#[test]
fn a_wrong_command_line_after_the_word_host_is_refused_in_one_line() {
    for args in
        [["host", "--port", "65536"], ["host", "--bind", "x"], ["host", "example.org", "1"], ["host", "--confirm", "x"]]
    {
        let end = fails(tete(args), 2, "");
        assert_eq!(end.err.lines().count(), 2, "{args:?}: {}", end.err);
    }
}

#[test]
fn what_an_option_names_is_looked_at_before_anybody_is_waited_for() {
    for (args, fact) in [
        (vec!["--tor", "--tor-config", "/nonexistent"], "cannot read /nonexistent, the extra configuration for tor: "),
        (vec!["--tor-config", "/", "127.0.0.1", "1"], "cannot read /, the extra configuration for tor: "),
        (vec!["--tor-config", "/dev/zero", "--port", "0"], "cannot read /dev/zero, "),
        (vec!["--tor", "--tor-control", "here"], "this is not the address of a tor control port: here"),
        (vec!["--tor", "--tor-control", "run/control"], "this is not the address of a tor control port: run/control"),
        (vec!["--tor", "--tor-control", "localhost:x"], "this is not the address of a tor control port: localhost:x"),
        (vec!["--tor", "--tor-control", "::1"], "this is not the address of a tor control port: ::1"),
        (vec!["--lock", "5", "--port", "0"], "--lock needs the full screen"),
        (vec!["doctor", "--lock", "5"], "--lock does nothing with tete doctor"),
        (vec!["receive", "--lock", "5", "--save-to", "/tmp"], "--lock does nothing with tete receive"),
        (vec!["--invite-file", "/nonexistent"], "cannot read an invite: "),
        (vec!["--invite", "--relay", "a b"], "is neither a host name nor an IP address"),
        (vec!["--proxy", "http://x:1", "127.0.0.1"], "unknown kind of proxy"),
    ] {
        let end = fails(tete(&args), 2, fact);
        assert_eq!(end.err.lines().count(), 2, "{args:?}: {}", end.err);
    }
}

#[test]
fn a_slip_of_the_finger_in_a_command_is_not_looked_up_as_a_host() {
    for (word, command) in [("jion", "join"), ("sned", "send"), ("hlep", "help")] {
        let end = fails(tete([word]), 2, &format!("\"{word}\" looks like the command {command}"));
        assert_eq!(end.err.lines().count(), 2, "{}", end.err);
    }
}

#[test]
fn with_json_every_exit_is_told_by_a_last_line() {
    let closed = free_port().to_string();
    let invite = format!("tete1{}", "A".repeat(60));
    for (args, code) in [
        (vec!["--json", "--no-such-option"], 2),
        (vec!["--port", "--json"], 2),
        (vec!["jion", "--json"], 2),
        (vec!["--json", &invite], 2),
        (vec!["--json", "send", "/nonexistent"], 2),
        (vec!["send", "--json"], 2),
        (vec!["--json", "join"], 2),
        (vec!["--json", "join", "127.0.0.1", &closed], 3),
        (vec!["join", "127.0.0.1", &closed, "--json"], 3),
        (vec!["--json", "doctor", "127.0.0.1", &closed], 3),
        (vec!["doctor", "--json", "127.0.0.1", &closed], 3),
        (vec!["--json", "--bind", "192.0.2.1"], 7),
        (vec!["--json", "--help"], 0),
    ] {
        let end = Process::start(tete(&args)).finish();
        assert_eq!(end.code, code, "{args:?}: {}", end.err);
        let last: serde_json::Value = serde_json::from_str(end.out.lines().last().unwrap()).unwrap();
        assert_eq!((&last["event"], &last["exit"]), (&"end".into(), &code.into()), "{args:?}: {last}");
        assert_eq!(last["error"].is_string(), code != 0, "{args:?}: {last}");
        assert_eq!(end.out.matches("\"end\"").count(), 1, "{args:?}: {}", end.out);
    }
}

#[test]
fn with_json_a_system_that_refuses_anything_still_gets_a_last_line() {
    // Each limit of open files makes another step of the start fail, a room's own among them.
    let mut refused = 0;
    for files in 3..=20 {
        let limit = format!("ulimit -n {files}");
        let mut host =
            Process::start(tete_through_shell(&limit, &["--json", "--port", "0", "--bind", "127.0.0.1"], ""));
        host.end_input();
        let end = host.finish();
        // Too few for the program to be loaded.
        if end.code == 127 {
            continue;
        }
        assert!(!end.err.contains("internal error"), "{files}: {}", end.err);
        if end.code == 7 {
            assert!(end.err.contains("too many files are open"), "{files}: {}", end.err);
        } else {
            assert_eq!(end.code, 3, "{files}: {}", end.err);
        }
        let last = end.out.lines().last().unwrap_or_else(|| panic!("{files}: {}", end.err));
        let last: serde_json::Value = serde_json::from_str(last).unwrap();
        assert_eq!(
            (&last["event"], &last["exit"]),
            (&"end".into(), &end.code.into()),
            "{files}: {} {}",
            end.out,
            end.err
        );
        refused += usize::from(end.code == 7);
    }
    assert!(refused > 3, "{refused}");
}

#[test]
fn an_invite_on_the_command_line_is_not_said_to_be_revoked() {
    let invite = format!("tete1{}", "A".repeat(60));
    let end = fails(tete([&invite]), 2, "an invite on the command line can be read by everybody on this machine");
    assert!(end.err.contains("Anyone who saw it can still use it"), "{}", end.err);
    let end = fails(tete(["--lang", "zh", &invite]), 2, "命令行里的邀请");
    assert!(end.err.contains("看到的人仍能使用它"), "{}", end.err);
}

#[test]
fn the_word_host_and_no_word_do_the_same() {
    for args in [vec!["host", "--port", "0", "--bind", "127.0.0.1"], vec!["--bind", "127.0.0.1", "--port=0"]] {
        let (host, _) = listening(tete(&args));
        host.signal(Signal::TERM);
        let end = host.finish();
        assert_eq!(end.code, 3, "{}", end.err);
        assert!(end.err.ends_with("tete: ended before anybody joined\nNothing was saved.\n"), "{}", end.err);
    }
}

#[test]
fn a_name_that_does_not_exist_is_not_found() {
    let end = fails(tete(["join", "no-such-host.invalid"]), 3, "no-such-host.invalid");
    assert_eq!(end.err.lines().count(), 3, "{}", end.err);
}

#[test]
fn a_port_where_nobody_listens_gives_no_connection() {
    let port = free_port();
    let end = fails(join(port), 3, &format!("127.0.0.1:{port} could not be reached"));
    let tried = format!(
        "trying 127.0.0.1:{port}\ncould not connect to 127.0.0.1:{port}: the machine is there, but tete is not running on that port\n"
    );
    assert!(end.err.starts_with(&tried), "{}", end.err);
}

#[test]
fn a_port_in_use_is_told_with_advice() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let end =
        fails(tete(["--bind", "127.0.0.1", "--port", &port]), 7, &format!("port {port} is in use on this machine"));
    assert!(end.err.contains("Choose another port: `tete --port "), "{}", end.err);
}

#[test]
fn an_address_that_is_not_ours_cannot_be_listened_on() {
    for address in ["192.0.2.1", "2001:db8::1"] {
        fails(tete(["--port", "0", "--bind", address]), 7, "cannot listen on ");
    }
}

#[test]
fn a_web_server_is_not_tete() {
    let answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let port = answers(answer.to_vec());
    fails(join(port), 4, &format!("no encrypted connection to 127.0.0.1:{port}: what answers is not tete"));
}

#[test]
fn a_server_that_speaks_first_is_not_tete() {
    for banner in ["SSH-2.0-OpenSSH_9.9\r\n", "220 mail.example ESMTP\r\n", "\x1b[2J\x07\n"] {
        let port = server(move |mut stream| {
            stream.write_all(banner.as_bytes()).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        fails(join(port), 4, "is not tete");
    }
}

#[test]
fn of_a_server_that_closes_no_more_is_told_than_that_it_did() {
    fails(join(server(drop)), 4, "closes it without a word");
    fails(join(answers(Vec::new())), 4, "closes it without a word");
    fails(join(answers(vec![0x04, 0xfe, 0x00])), 4, "an answer began, but the handshake did not finish");
}

#[test]
fn a_server_that_sends_a_record_of_noise_proves_nothing() {
    let record = [vec![0x04, 0xfe], vec![0x5a; 1278]].concat();
    fails(join(answers(record)), 4, "does not prove that it is your partner");
    // A refusal has nothing but zeros behind its first eight bytes.
    let mut almost = refusal(2, 1, 1);
    almost[1279] = 1;
    fails(join(answers(almost)), 4, "does not prove that it is your partner");
}

#[test]
fn an_echo_is_not_mistaken_for_a_partner() {
    let port = server(|mut stream| {
        let mut record = [0; 1280];
        stream.read_exact(&mut record).unwrap();
        stream.write_all(&record).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let end = Process::start(join(port)).finish();
    assert!([4, 5].contains(&end.code) && !end.err.contains("code: "), "{}: {}", end.code, end.err);
}

#[test]
fn a_refusal_is_told_with_its_reason() {
    fails(join(answers(refusal(1, 2, 3))), 4, "they speak versions 2 to 3 of the protocol");
    fails(join(answers(refusal(2, 1, 1))), 3, "they are talking to somebody else");
    fails(join(answers(refusal(9, 1, 1))), 4, "they refused, reason 9");
}

#[test]
fn errors_are_chinese_by_locale_and_by_option() {
    let located = |name: &str, value: &str, args: &[&str]| {
        let mut command = tete(args);
        command.env(name, value);
        command
    };
    for command in [
        located("LANG", "zh_CN.UTF-8", &["x.onion"]),
        located("LC_ALL", "zh_TW.UTF-8", &["x.onion"]),
        located("LC_MESSAGES", "zh_HK", &["join", "x.onion"]),
        tete(["--lang", "zh", "x.onion"]),
        tete(["join", "--lang=zh", "x.onion"]),
        tete(["join", "x.onion", "--lang", "zh"]),
    ] {
        let end = fails(command, 2, "不是洋葱地址");
        assert_eq!(end.err, "tete：“x.onion”不是洋葱地址\n在 .onion 前面应有 56 个字母和数字。\n");
    }
    let mut english = located("LANG", "zh_CN.UTF-8", &["x.onion"]);
    english.env("LC_ALL", "en_US.UTF-8");
    fails(english, 2, "is not an onion address");
    fails(located("LANG", "zh_CN.UTF-8", &["--lang", "en", "x.onion"]), 2, "is not an onion address");
    fails(located("LANG", "zh_CN.UTF-8", &["--port", "x"]), 2, "--port 不能是“x”");
}

#[track_caller]
fn prints(command: Command) -> String {
    let end = Process::start(command).finish();
    assert_eq!((end.code, end.err.as_str()), (0, ""));
    assert!(!INSIDES.iter().any(|word| end.out.contains(word)), "{}", end.out);
    assert!(!end.out.contains('\x1b') && end.out.ends_with('\n'));
    end.out
}

#[test]
fn help_and_version_go_to_standard_output() {
    assert_eq!(prints(tete(["--version"])), format!("tete {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(prints(tete(["-V"])), prints(tete(["--version"])));
    let help = prints(tete(["--help"]));
    for word in [
        "Usage: tete",
        "HOST",
        "--port",
        "--bind",
        "--confirm",
        "--lang",
        "[default: 51423]",
        "[default: 24h]",
        "Exit codes: 0 left in order",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
    assert!(prints(tete(["join", "--help"])).contains("Where your partner is waiting"));
    assert!(prints(tete(["-h"])).contains("Usage: tete"));
    assert_eq!(prints(tete(["help"])), prints(tete(["--help"])));
    assert_eq!(prints(tete(["help", "send"])), prints(tete(["send", "--help"])));
}

#[test]
fn help_of_the_word_host_is_printed() {
    assert!(prints(tete(["host", "--help"])).contains("Port to listen on"));
}

#[test]
fn help_is_chinese_by_locale_and_by_option() {
    let mut located = tete(["--help"]);
    located.env("LANG", "zh_CN.UTF-8");
    for help in [prints(located), prints(tete(["--help", "--lang", "zh"])), prints(tete(["--lang=zh", "--help"]))] {
        for word in ["只属于两个人的端到端加密聊天", "对方的地址", "界面语言", "退出代码：0 正常离开"]
        {
            assert!(help.contains(word), "{word}: {help}");
        }
    }
}

#[test]
fn a_reader_of_help_that_is_gone_does_no_harm() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = tete(["--help"]);
    command.stdout(writer);
    let end = Process::start(command).finish();
    assert_eq!((end.code, end.err.as_str()), (0, ""));
}

#[test]
fn no_variable_makes_it_say_more() {
    let port = free_port();
    let quiet = Process::start(join(port)).finish();
    let mut command = join(port);
    command.envs([
        ("RUST_LOG", "trace"),
        ("RUST_BACKTRACE", "full"),
        ("RUST_LIB_BACKTRACE", "1"),
        ("TOKIO_CONSOLE", "1"),
    ]);
    let loud = Process::start(command).finish();
    assert_eq!((loud.code, loud.out, loud.err), (quiet.code, quiet.out, quiet.err));
}

#[test]
fn no_environment_keeps_a_room_from_opening() {
    let environments: [&[(&str, Option<&str>)]; 8] = [
        &[("LANG", Some("xx"))],
        &[("LANG", Some("xx_YY.ISO-8859-1")), ("LC_ALL", Some(""))],
        &[("LC_ALL", Some("POSIX"))],
        &[("TERM", None), ("HOME", None), ("PATH", None)],
        &[("TERM", Some("dumb")), ("COLUMNS", Some("0")), ("LINES", Some("x"))],
        &[("TERM", Some("../../etc/passwd")), ("NO_COLOR", Some("1"))],
        &[("HOME", Some("/dev/null")), ("TMPDIR", Some("/nonexistent"))],
        &[("TZ", Some(":/nonexistent")), ("TZDIR", Some("/nonexistent"))],
    ];
    for environment in environments {
        let with = |mut command: Command| {
            for (name, value) in environment {
                match value {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
            command
        };
        let (mut host, port) = listening(with(tete(["--port", "0", "--bind", "127.0.0.1"])));
        let mut guest = Process::start(with(tete(["127.0.0.1", &port.to_string()])));
        pair(&mut host, &mut guest);
        host.say("你好");
        assert_eq!(guest.text(), "你好", "{environment:?}");
        part(host, guest);
    }
}

#[test]
fn a_time_zone_that_is_a_device_does_no_harm() {
    for zone in [":/dev/zero", "/dev/zero", ":/dev/tty", "../../../dev/zero", ":/dev/stdin", "/"] {
        // The limit keeps a program that reads all of /dev/zero from taking the machine along.
        let with = |args: &[&str]| {
            let mut command = tete_through_shell("ulimit -v 1000000", args, "");
            command.env("TZ", zone);
            command
        };
        let (mut host, port) = listening(with(&["--port", "0", "--bind", "127.0.0.1"]));
        let mut guest = Process::start(with(&["127.0.0.1", &port.to_string()]));
        pair(&mut host, &mut guest);
        host.say("你好");
        assert_eq!(guest.text(), "你好", "{zone}");
        assert!(memory(&host, PEAK) < 64 * 1024, "{zone}: {} KiB", memory(&host, PEAK));
        part(host, guest);
    }
}

/// A program at home in a folder with this file of options.
fn with_options(scratch: &Scratch, options: &str, args: &[&str]) -> Command {
    let folder = scratch.path().join("tete");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config"), options).unwrap();
    at_home(scratch, args)
}

fn at_home(scratch: &Scratch, args: &[&str]) -> Command {
    let mut command = tete(args);
    command.env("XDG_CONFIG_HOME", scratch.path());
    command
}

#[test]
fn a_file_of_options_is_read_and_the_command_line_goes_before_it() {
    let scratch = Scratch::new();
    let chinese = Process::start(with_options(&scratch, "lang = zh\n", &["--help"])).finish();
    assert!(chinese.code == 0 && chinese.out.contains("用法"), "{}", chinese.out);
    for args in [&["--lang", "en", "--help"][..], &["--no-config", "--help"], &["--json", "--help"]] {
        let english = Process::start(at_home(&scratch, args)).finish();
        assert!(english.code == 0 && english.out.contains("Usage"), "{args:?}: {}", english.out);
    }
    fails(with_options(&scratch, "tor = yes\n", &["--proxy", "socks5://127.0.0.1:9"]), 2, "do not go together");
    // Where there is no screen to lock, the file's lock means nothing.
    fails(with_options(&scratch, "lock = 10\n", &["127.0.0.1", &free_port().to_string()]), 3, "could not be reached");
}

#[test]
fn a_file_of_options_that_cannot_be_trusted_or_understood_is_refused_and_none_is_ever_made() {
    use std::os::unix::fs::PermissionsExt as _;

    let scratch = Scratch::new();
    assert_eq!(Process::start(at_home(&scratch, &["--version"])).finish().code, 0);
    assert!(std::fs::read_dir(scratch.path()).unwrap().next().is_none());
    let port = free_port().to_string();
    let target = ["127.0.0.1", &port];
    fails(with_options(&scratch, "\nlokc = 5\n", &target), 2, "line 2: unknown key lokc; did you mean lock?");
    fails(with_options(&scratch, "proxy = socks5://u:secret@h:1\n", &target), 2, "proxy cannot be set here");
    let file = scratch.path().join("tete/config");
    std::fs::write(&file, "lang = en\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    fails(at_home(&scratch, &target), 2, "others can write this file");
    std::fs::remove_file(&file).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &file, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    fails(at_home(&scratch, &target), 2, "this is not a file");
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
    fails(at_home(&scratch, &target), 2, "this is not a file");
}
