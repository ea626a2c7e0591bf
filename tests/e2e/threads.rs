//! A system without room for another thread: what needed one fails for that reason, and everything else goes on.

use std::fs;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

use crate::process::{PATIENCE, Process, now, tete};
use crate::scratch::Scratch;
use crate::script::{pair, tell, until};

/// As the system says it.
const FULL: &str = "too many threads or processes are running";

/// Threads of the program while it moves no file: the runtime's, and two at the front end.
const THREADS: u64 = 3;

/// Leaves a process memory for all but the stack of another thread, or all that it wants again.
///
/// The number of threads would do as well, but it does not bind root.
#[track_caller]
fn crowd(process: &Process, full: bool) {
    let limit = now() + PATIENCE;
    let most = loop {
        assert!(now() < limit, "other threads do not end");
        let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
        let value = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        if !full || value("Threads:") == THREADS {
            break (value("VmSize:") + 1_024) << 10;
        }
    };
    let limit = Rlimit { current: full.then_some(most), maximum: None };
    prlimit(Pid::from_raw(process.id().try_into().unwrap()), Resource::As, limit).unwrap();
}

/// A program of whose threads nothing is kept for the next one: glibc would start that without asking the system.
fn without_spare_stacks(args: &[&str]) -> Process {
    let mut command = tete([&["--json"], args].concat());
    command.env("GLIBC_TUNABLES", "glibc.pthread.stack_cache_size=0");
    Process::start(command)
}

#[test]
fn files_that_need_a_thread_too_many_are_refused_for_that_reason_and_go_later() {
    let [from, to] = [Scratch::new(), Scratch::new()];
    let file = from.path().join("file");
    fs::write(&file, "content").unwrap();
    let mut giver = without_spare_stacks(&["--port", "0", "--bind", "127.0.0.1"]);
    let address = until(&mut giver, "listening")["address"].as_str().unwrap().to_owned();
    let mut taker = without_spare_stacks(&[&address, "--save-to", to.path().to_str().unwrap()]);
    pair(&mut giver, &mut taker);
    let send = json!({"command": "send", "paths": [file.to_str().unwrap()]});
    crowd(&giver, true);
    tell(&giver, send.clone());
    let told = until(&mut giver, "cannot_send");
    assert!(told["why"] == "system" && told["error"] == FULL, "{told}");
    crowd(&giver, false);
    tell(&giver, send);
    let get = json!({"command": "get", "offer": until(&mut taker, "offered")["offer"]});
    crowd(&taker, true);
    tell(&taker, get.clone());
    let told = until(&mut taker, "not_stored");
    assert!(told["why"] == "system" && told["error"] == FULL, "{told}");
    crowd(&taker, false);
    tell(&taker, get);
    until(&mut taker, "stored");
    until(&mut giver, "sent");
    assert_eq!(fs::read(to.path().join("file")).unwrap(), b"content");
    tell(&giver, json!({"command": "quit"}));
    assert_eq!([giver.exit(), taker.exit()], [6, 0], "one of two was not sent");
}
