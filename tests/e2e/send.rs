//! `tete send` and `tete receive`: files and streams without a talk, the code at the terminal.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;

use crate::process::{self, Process, TETE};
use crate::scratch::Scratch;
use crate::terminal::{self, Terminal};
use rustix::fs::{CWD, FileType, mknodat};

const HALF: &str = "partner's code: ";

/// A shell on a terminal of its own that runs tete in a pipe.
fn shell(script: &str, folder: &Scratch) -> Terminal {
    terminal::shell(script, folder.path())
}

fn pair(host: &Terminal, guest: &Terminal) {
    let halves = [host.half(), guest.half()];
    host.answer(HALF, &halves[1]);
    guest.answer(HALF, &halves[0]);
}

const LISTEN: &str = "--port 0 --bind 127.0.0.1";

#[test]
fn a_file_and_a_folder_are_sent_and_both_exit_with_zero() {
    let [from, to] = [Scratch::new(), Scratch::new()];
    fs::write(from.path().join("a"), "one").unwrap();
    fs::create_dir(from.path().join("b")).unwrap();
    fs::write(from.path().join("b/c"), vec![7; 3_000_000]).unwrap();
    let mut host = shell(&format!("tete send a b {LISTEN}; echo exit $?"), &from);
    let port = host.port();
    host.shows(&format!("tete receive 127.0.0.1 {port}"));
    let mut guest = shell(&format!("tete receive 127.0.0.1 {port} --save-to .; echo exit $?"), &to);
    pair(&host, &guest);
    for side in [&host, &guest] {
        side.shows("✓ a");
        side.shows("✓ b");
        side.shows("exit 0");
    }
    assert_eq!(fs::read(to.path().join("a")).unwrap(), b"one");
    assert_eq!(fs::read(to.path().join("b/c")).unwrap(), [7; 3_000_000]);
    assert_eq!([host.exit(), guest.exit()], [0, 0]);
}

#[test]
fn a_stream_goes_from_a_pipe_into_a_pipe() {
    let [from, to] = [Scratch::new(), Scratch::new()];
    let content: Vec<u8> = (0..5_000_000_u32).map(|place| (place.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(from.path().join("source"), &content).unwrap();
    let host = shell(&format!("tete receive --stdout {LISTEN} >target; echo exit $?"), &to);
    let port = host.port();
    host.shows(&format!("tete send FILE --to 127.0.0.1:{port}"));
    let guest = shell(&format!("cat source | tete send --to 127.0.0.1:{port}; echo exit $?"), &from);
    pair(&host, &guest);
    guest.shows("✓ stream (5.0 MB) sent and saved");
    host.shows("✓ stream (5.0 MB) saved");
    for side in [&host, &guest] {
        side.shows("exit 0");
    }
    assert!(fs::read(to.path().join("target")).unwrap() == content);
}

#[test]
fn what_has_come_of_a_stream_is_there_while_its_producer_pauses() {
    let [from, to] = [Scratch::new(), Scratch::new()];
    mknodat(CWD, from.path().join("more"), FileType::Fifo, 0o600.into(), 0).unwrap();
    let host = shell(&format!("tete receive --stdout {LISTEN}; echo exit $?"), &to);
    let port = host.port();
    let guest = shell(&format!("(echo the first; cat more) | tete send --to 127.0.0.1:{port}; echo exit $?"), &from);
    pair(&host, &guest);
    host.shows("the first");
    fs::write(from.path().join("more"), "the rest\n").unwrap();
    host.shows("the rest");
    for side in [&host, &guest] {
        side.shows("exit 0");
    }
}

#[test]
fn a_stream_leaves_alone_what_came_of_one_before() {
    let [from, to] = [Scratch::new(), Scratch::new()];
    let part = to.path().join("stream.part");
    fs::write(&part, "another").unwrap();
    fs::set_permissions(&part, fs::Permissions::from_mode(0o600)).unwrap();
    let host = shell(&format!("tete receive --save-to . {LISTEN}; echo exit $?"), &to);
    let guest = shell(&format!("echo content | tete send --to 127.0.0.1:{}; echo exit $?", host.port()), &from);
    pair(&host, &guest);
    for side in [&host, &guest] {
        side.shows("exit 0");
    }
    assert_eq!(fs::read(to.path().join("stream")).unwrap(), b"content\n");
    assert_eq!(fs::read(part).unwrap(), b"another");
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 2);
}

/// What both exit with, and what was stored, where that is sent.
fn exits(what: &str, from: &Scratch, expected: [&str; 2]) -> Vec<String> {
    let to = Scratch::new();
    let host = shell(&format!("tete receive --save-to . {LISTEN}; echo exit $?"), &to);
    let guest = shell(&format!("tete send {what} --to 127.0.0.1:{}; echo exit $?", host.port()), from);
    pair(&host, &guest);
    for (side, exit) in [guest, host].iter().zip(expected) {
        side.shows(&format!("exit {exit}"));
    }
    fs::read_dir(to.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_was_not_stored_is_told_by_both_exits() {
    let from = Scratch::new();
    fs::write(from.path().join("good"), "x").unwrap();
    // Its size of 0 is not believed.
    assert_eq!(exits("/proc/version", &from, ["6", "6"]), Vec::<String>::new());
    assert_eq!(exits("good /proc/version", &from, ["6", "6"]), ["good"]);
}

#[test]
fn what_is_missing_of_a_folder_is_told_by_the_exit_unless_it_is_never_sent() {
    let from = Scratch::new();
    let folder = from.path().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("good"), "x").unwrap();
    symlink("good", folder.join("link")).unwrap();
    assert_eq!(exits("folder", &from, ["0", "0"]), ["folder"]);
    fs::write(folder.join(OsStr::from_bytes(b"\xff")), "x").unwrap();
    assert_eq!(exits("folder", &from, ["6", "0"]), ["folder"]);
}

#[test]
fn standard_input_goes_alone_and_not_beside_json() {
    for (args, told) in [
        (&["send", "a", "-"][..], "tete: standard input (-) cannot be combined with paths"),
        (&["send", "-", "-"], "tete: standard input (-) cannot be combined with paths"),
        (&["send", "--json"], "tete: with --json"),
        (&["send", "--json", "-"], "tete: with --json"),
        (&["receive", "--json", "--stdout"], "tete: with --json"),
    ] {
        let mut side = Process::start(process::tete(args));
        side.until(told);
        assert_eq!(side.exit(), 2, "{args:?}");
    }
}

/// Runs a side that must end by itself with exit code 2, having listened nowhere. Returns what it said.
#[track_caller]
fn refused(command: Command) -> String {
    let end = Process::start(command).finish();
    assert!(end.code == 2 && !end.out.contains("listening"), "{}{}", end.out, end.err);
    assert!(end.err.starts_with("tete: "), "{}", end.err);
    end.err
}

#[test]
fn what_cannot_be_sent_is_refused_before_anybody_is_waited_for_or_called() {
    let folder = Scratch::new();
    let place = |name: &str| folder.path().join(name);
    mknodat(CWD, place("pipe"), FileType::Fifo, 0o600.into(), 0).unwrap();
    let _socket = UnixListener::bind(place("socket")).unwrap();
    fs::create_dir(place("empty")).unwrap();
    symlink("nowhere", place("dangling")).unwrap();
    let unnamed = place("").join(OsStr::from_bytes(b"\xff"));
    fs::write(&unnamed, "x").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let to = listener.local_addr().unwrap().to_string();
    for (path, why) in [
        (place("missing"), "no such file or folder"),
        (place("dangling"), "no such file or folder"),
        (place("pipe"), "a pipe, a socket or a device"),
        (place("socket"), "a pipe, a socket or a device"),
        ("/dev/null".into(), "a pipe, a socket or a device"),
        (place("empty"), "nothing in it can be sent"),
        (unnamed, "its name cannot be sent: not UTF-8, too long or too deep"),
    ] {
        let shown = tete::printable::Printable::line(&path.to_string_lossy());
        let told = format!("tete: cannot send {shown}: {why}\n");
        for options in [&["--port", "0"][..], &["--invite", "--no-map", "--port", "0"], &["--to", &to], &["--json"]] {
            let args = [OsStr::new("send"), path.as_os_str()].into_iter().chain(options.iter().map(OsStr::new));
            let said = refused(process::tete(args));
            assert!(said.starts_with(&told), "{options:?}: {said}");
        }
    }
    assert_eq!(listener.accept().map(drop).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
}

#[test]
fn every_path_that_cannot_be_sent_is_named() {
    let folder = Scratch::new();
    fs::write(folder.path().join("good"), "x").unwrap();
    let mut command = process::tete(["send", "gone", "good", "/dev/null", "/dev/fd/0", ".", "/"]);
    command.env("HOME", folder.path());
    command.stdin(std::process::Stdio::piped());
    command.current_dir(folder.path());
    let said = refused(command);
    let rows = "cannot send these:\n  gone: no such file or folder\n  /dev/null: a pipe, a socket or a device\n  /dev/fd/0: a pipe, a socket or a device\n  .: it is your whole home";
    assert!(said.starts_with(&format!("tete: {rows}")), "{said}");
    let good = folder.path().join("good");
    let many = ["send"].into_iter().chain([good.to_str().unwrap(); 65]);
    assert!(refused(process::tete(many)).contains("more than 64 files and folders"));
}

#[test]
fn standard_input_that_cannot_be_read_or_named_is_refused_at_once() {
    let mut folder = process::tete(["send"]);
    folder.stdin(fs::File::open("/").unwrap());
    assert!(refused(folder).contains("cannot send -: it is a folder"));
    let mut unreadable = process::tete(["send", "-"]);
    unreadable.stdin(fs::File::options().write(true).open("/dev/null").unwrap());
    assert!(refused(unreadable).contains("cannot send -: "));
    for name in ["", "..", "a/b", &"x".repeat(2_000)] {
        let said = refused(process::tete(["send", "--name", name]));
        assert!(said.contains("no folder can hold that name"), "{said}");
    }
}

#[test]
fn a_terminal_is_not_sent_unless_it_is_asked_for() {
    let folder = Scratch::new();
    let side = shell("tete send; echo exit $?", &folder);
    side.shows("there is nothing to send");
    side.shows("exit 2");
    // What is wider than the terminal is broken by tete, and goes on behind two blanks.
    let rows = side.rows();
    let advice = rows.iter().position(|row| row.starts_with("Name files and folders")).unwrap();
    assert!(rows[advice + 1].starts_with("  ") && rows[advice + 2] == "exit 2", "{rows:?}");
}

#[test]
fn what_a_partner_says_to_a_side_that_only_receives_stays_behind_its_gutter() {
    let to = Scratch::new();
    let host = shell(&format!("tete receive --save-to . {LISTEN}; echo exit $?"), &to);
    let mut script = process::guest(host.port());
    let half = script.until("code: ");
    script.say(&host.half());
    host.answer(HALF, &half);
    script.until("room open");
    script.say(&format!("begin{}✓ all (9.9 GB) saved{}end", "\u{a0}".repeat(75), "\u{a0}".repeat(60)));
    let rows = host.until("the text", |display| {
        let rows = display.rows();
        let from = rows.iter().position(|row| row.contains("begin"))?;
        let rows = rows[from..].to_vec();
        let end = rows.iter().position(|row| row.ends_with("end"))?;
        Some(rows[..=end].to_vec())
    });
    assert!(rows.len() > 2 && rows[0].starts_with("partner │ begin"), "{rows:?}");
    assert!(rows[1..].iter().all(|row| row.starts_with("        │")), "{rows:?}");
    script.end_input();
    host.shows("exit 6");
}

#[test]
fn without_a_terminal_nobody_could_check_the_code() {
    let mut command = std::process::Command::new("setsid");
    command.args(["-w", TETE, "send", TETE]);
    let mut alone = Process::start(process::bare(command));
    alone.until("tete: no terminal");
    assert_eq!(alone.exit(), 2);
}

#[test]
fn nobody_waits_for_a_side_that_could_store_nothing() {
    let file = Scratch::new();
    fs::write(file.path().join("file"), "").unwrap();
    let missing = file.path().join("missing");
    for args in [&["receive"][..], &["--auto-accept"], &[]] {
        let mut side = Process::start(process::tete([args, &["--save-to", missing.to_str().unwrap()]].concat()));
        side.until(&format!("tete: cannot save files to {}: not found", missing.display()));
        assert_eq!(side.exit(), 2, "{args:?}");
    }
}

#[test]
fn what_can_no_longer_be_stored_is_declined_where_nobody_is_asked() {
    let [from, to] = [Scratch::new(), Scratch::new()];
    fs::write(from.path().join("a"), "x").unwrap();
    fs::create_dir(to.path().join("folder")).unwrap();
    let host = shell(&format!("tete receive --save-to folder {LISTEN}; echo exit $?"), &to);
    let port = host.port();
    fs::remove_dir(to.path().join("folder")).unwrap();
    let guest = shell(&format!("tete send a --to 127.0.0.1:{port}; echo exit $?"), &from);
    pair(&host, &guest);
    for side in [&host, &guest] {
        side.shows("exit 6");
    }
}
