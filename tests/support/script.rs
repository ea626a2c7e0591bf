//! Two programs driven as docs/SCRIPTING.md says.

use std::time::Duration;

use serde_json::{Value, json};

use crate::process::{Process, now, tete};

/// The next event of that name.
#[track_caller]
pub fn until(side: &mut Process, name: &str) -> Value {
    let limit = now() + Duration::from_secs(30);
    loop {
        assert!(now() < limit, "no {name}");
        let line = side.text();
        assert!(!line.contains(char::is_control), "{line:?}");
        let event: Value = serde_json::from_str(&line).unwrap();
        if event["event"] == name {
            return event;
        }
    }
}

/// Gives a command.
pub fn tell(side: &Process, command: Value) {
    side.say(&command.to_string());
}

/// A host that listens on a free port.
pub fn host_with(args: &[&str]) -> (Process, u16) {
    let mut host = Process::start(tete([&["--json", "--port", "0", "--bind", "127.0.0.1"], args].concat()));
    let address = until(&mut host, "listening")["address"].as_str().unwrap().to_owned();
    (host, address.rsplit(':').next().unwrap().parse().unwrap())
}

/// Somebody who joins there.
pub fn guest_with(port: u16, args: &[&str]) -> Process {
    Process::start(tete([&["--json", "127.0.0.1", &port.to_string()], args].concat()))
}

/// Both check the code.
#[track_caller]
pub fn pair(host: &mut Process, guest: &mut Process) {
    let codes = [until(host, "code"), until(guest, "code")];
    tell(host, json!({"command": "half", "question": codes[0]["question"], "half": codes[1]["own"]}));
    tell(guest, json!({"command": "half", "question": codes[1]["question"], "half": codes[0]["own"]}));
    until(host, "room_open");
    until(guest, "room_open");
}
