//! Files between two real programs.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::process::{self, Process};
use crate::relay::Relay;
use crate::scratch::Scratch;
use crate::script::{guest_with, host_with, pair, tell, until};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Two programs in a room, the first of which stores in a folder of its own.
struct Room {
    taker: Process,
    giver: Process,
    relay: Relay,
    stored: Scratch,
}

fn room(args: &[&str]) -> Room {
    room_in(Scratch::new(), args)
}

fn room_in(stored: Scratch, args: &[&str]) -> Room {
    let folder = stored.path().to_str().unwrap().to_owned();
    let (mut taker, port) = host_with(&[&["--save-to", &folder], args].concat());
    let relay = Relay::new(port);
    let mut giver = guest_with(relay.port, &[]);
    pair(&mut taker, &mut giver);
    Room { taker, giver, relay, stored }
}

impl Room {
    fn send(&self, path: &Path) {
        tell(&self.giver, json!({"command": "send", "paths": [path.to_str().unwrap()]}));
    }

    /// Sends, takes, and returns what the two said in the end.
    fn give(&mut self, path: &Path) -> [Value; 2] {
        self.send(path);
        let offer = until(&mut self.taker, "offered")["offer"].clone();
        tell(&self.taker, json!({"command": "get", "offer": offer}));
        [until(&mut self.taker, "stored"), until(&mut self.giver, "sent")]
    }

    fn names(&self) -> Vec<String> {
        names(self.stored.path())
    }

    fn leave(mut self) {
        tell(&self.giver, json!({"command": "quit"}));
        assert_eq!([self.giver.exit(), self.taker.exit()], [0, 0]);
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Bytes that do not repeat.
fn content(length: usize) -> Vec<u8> {
    (0..length as u64).map(|place| (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_file_arrives_whole_beside_one_of_its_name_and_cannot_be_executed() {
    let from = Scratch::new();
    for length in [0, 1, 1_243, 1_244, 16_348, 3_000_000] {
        let mut room = room(&[]);
        let path = from.path().join("文件 🙂.tar.gz");
        fs::write(&path, content(length)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(room.stored.path().join("文件 🙂.tar.GZ"), "mine").unwrap();
        let [stored, sent] = room.give(&path).map(|mut event| {
            assert!(event.as_object_mut().unwrap().remove("took_seconds").unwrap().is_f64());
            event
        });
        assert_eq!(
            stored,
            json!({"event": "stored", "name": "文件 🙂.tar.gz", "files": 1, "bytes": length, "failed": 0})
        );
        assert_eq!(sent, json!({"event": "sent", "name": "文件 🙂.tar.gz", "files": 1, "bytes": length, "failed": 0}));
        let arrived = room.stored.path().join("文件 🙂.tar.gz");
        assert_eq!(fs::read(&arrived).unwrap(), content(length));
        assert_eq!(mode(&arrived) & 0o111, 0);
        assert_eq!(fs::read(room.stored.path().join("文件 🙂.tar.GZ")).unwrap(), b"mine");
        assert_eq!(room.names().len(), 2);
        room.leave();
    }
}

#[test]
fn a_name_that_is_not_stored_as_it_is_is_shown_beside_the_one_that_is() {
    let scratch = Scratch::new();
    let mut room = room(&[]);
    for (name, stored, called) in [
        (".bashrc", "_bashrc", json!(".bashrc")),
        ("evil\u{202e}gnp.exe", "evil_gnp.exe", json!("evil‹U+202E›gnp.exe")),
        ("plain", "plain", json!(null)),
        ("aux.c", "aux.c", json!(null)),
        ("a\\b:c", "a\\b:c", json!(null)),
    ] {
        fs::write(scratch.path().join(name), "x").unwrap();
        room.send(&scratch.path().join(name));
        let offered = until(&mut room.taker, "offered");
        assert_eq!((&offered["name"], &offered["offered_as"]), (&json!(stored), &called));
        tell(&room.taker, json!({"command": "get", "offer": offered["offer"]}));
        until(&mut room.taker, "stored");
        until(&mut room.giver, "sent");
    }
    room.leave();
}

#[test]
fn names_arrive_as_they_were_and_both_sides_learn_which_did_not() {
    let from = Scratch::new();
    let root = from.path().join("tree");
    let cjk = "漢".repeat(84) + "a";
    let kept = [".git/HEAD", "cur/1.host:2,S", "aux.c", "a\\b", "d/aux.c", "end.", &cjk];
    let changed = ["b\u{1b}[31m", "c\u{202e}d", "e\u{1b}/f", "g\n", "h\t", "i\u{7f}", "i_"];
    for name in kept.iter().chain(&changed) {
        fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        fs::write(root.join(name), name).unwrap();
    }
    let mut room = room(&["--auto-accept"]);
    // What the receiver has is not the sender's business.
    fs::create_dir(room.stored.path().join("tree")).unwrap();
    room.send(&root);
    let [there, here] = [&mut room.taker, &mut room.giver].map(|side| until(side, "renamed"));
    assert_eq!((&there["direction"], &there["count"]), (&json!("receiving"), &json!(7)));
    assert_eq!((&here["direction"], &here["count"]), (&json!("sending"), &json!(6)));
    assert_eq!(there["names"][0], json!({"path": "tree", "stored_as": "tree (2)"}));
    assert_eq!(there["names"].as_array().unwrap().len(), 5);
    assert_eq!(here["names"][0], json!({"path": "tree/b␛[31m", "stored_as": "b_[31m"}));
    assert_eq!(here["names"][2], json!({"path": "tree/e␛", "stored_as": "e_"}));
    until(&mut room.taker, "stored");
    assert_eq!(until(&mut room.giver, "sent")["failed"], 0);
    let stored = room.stored.path().join("tree (2)");
    for name in kept {
        assert_eq!(fs::read(stored.join(name)).unwrap(), name.as_bytes(), "{name}");
    }
    // Two that became the same are two.
    assert_eq!(fs::read(stored.join("i_")).unwrap(), b"i_");
    assert_eq!(fs::read(stored.join("i_ (2)")).unwrap(), b"i\x7f");
    room.leave();
}

#[test]
fn a_folder_arrives_without_what_leads_out_of_it() {
    let from = Scratch::new();
    let root = from.path().join("photos");
    fs::create_dir_all(root.join("a/b/空")).unwrap();
    fs::create_dir_all(root.join("empty")).unwrap();
    for place in 0..200 {
        fs::write(root.join(format!("a/{place}")), content(place * 7)).unwrap();
    }
    fs::write(root.join("a/b/空/script"), content(40_000)).unwrap();
    fs::set_permissions(root.join("a/b/空/script"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("/etc/passwd", root.join("a/link")).unwrap();
    symlink("/", root.join("root")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let mut room = room(&["--executable"]);
    fs::create_dir(room.stored.path().join("photos")).unwrap();
    room.send(&root);
    let left_out = until(&mut room.giver, "left_out");
    let of = |path: &str, why: &str| json!({"path": path, "why": why});
    assert_eq!(left_out["paths"], json!([of("a/link", "link"), of("pipe", "special"), of("root", "link")]));
    until(&mut room.taker, "offered");
    tell(&room.taker, json!({"command": "get", "offer": 0}));
    assert_eq!(until(&mut room.taker, "stored")["name"], "photos (2)");
    assert_eq!(until(&mut room.giver, "sent")["files"], 202);
    let arrived = room.stored.path().join("photos (2)");
    for place in 0..200 {
        assert_eq!(fs::read(arrived.join(format!("a/{place}"))).unwrap(), content(place * 7));
    }
    assert_eq!(names(&arrived), ["a", "empty"]);
    assert_eq!(names(&arrived.join("empty")), Vec::<String>::new());
    assert_eq!(fs::read(arrived.join("a/b/空/script")).unwrap(), content(40_000));
    assert_eq!(mode(&arrived.join("a/b/空/script")) & 0o100, 0o100);
    assert_eq!(mode(&arrived.join("a/0")) & 0o111, 0);
    room.leave();
}

#[test]
fn an_offer_can_be_declined_and_a_transfer_cancelled_from_both_ends() {
    let from = Scratch::new();
    let mut room = room(&[]);
    let path = from.path().join("big");
    fs::write(&path, content(30_000_000)).unwrap();
    room.send(&path);
    until(&mut room.taker, "offered");
    tell(&room.taker, json!({"command": "decline", "offer": 0}));
    until(&mut room.giver, "partner_declined");
    for giver in [true, false] {
        room.send(&path);
        let offer = until(&mut room.taker, "offered")["offer"].clone();
        // The one that reads nothing stops what is on its way.
        room.relay.cut();
        tell(&room.taker, json!({"command": "get", "offer": offer}));
        until(&mut room.taker, "accepting");
        let who = if giver { &room.giver } else { &room.taker };
        tell(who, json!({"command": "cancel"}));
        room.relay.mend();
        if giver {
            assert_eq!(until(&mut room.giver, "withdrawn")["by"], "us");
        } else {
            // Nothing of it was asked for.
            until(&mut room.giver, "partner_declined");
        }
        assert_eq!(until(&mut room.taker, "transfer_ended")["by"], if giver { "partner" } else { "us" });
    }
    assert_eq!(room.names(), Vec::<String>::new());
    for command in ["get", "decline"] {
        tell(&room.taker, json!({"command": command, "offer": 0}));
        assert_eq!(until(&mut room.taker, "refused")["why"], "nothing_offered");
    }
    tell(&room.taker, json!({"command": "cancel"}));
    assert_eq!(until(&mut room.taker, "refused")["why"], "nothing_under_way");
    room.send(&from.path().join("nothing"));
    assert_eq!(until(&mut room.giver, "cannot_send")["why"], "missing");
    tell(&room.giver, json!({"command": "say", "text": "the chat goes on"}));
    until(&mut room.taker, "text");
    // A program is told by the exit, too, that not all has arrived.
    tell(&room.giver, json!({"command": "quit"}));
    assert_eq!([room.giver.exit(), room.taker.exit()], [6, 6]);
}

#[test]
fn an_answer_is_for_the_offer_that_was_seen() {
    let from = Scratch::new();
    let mut room = room(&[]);
    let [notes, other] = ["notes.txt", "other"].map(|name| from.path().join(name));
    fs::write(&notes, "notes").unwrap();
    fs::write(&other, "other").unwrap();
    for answer in ["get", "decline"] {
        room.send(&notes);
        let seen = until(&mut room.taker, "offered")["offer"].clone();
        tell(&room.giver, json!({"command": "cancel"}));
        let gone = until(&mut room.taker, "withdrawn");
        assert_eq!((&gone["by"], &gone["direction"]), (&json!("partner"), &json!("receiving")));
        room.send(&other);
        let now = until(&mut room.taker, "offered")["offer"].clone();
        assert_ne!(seen, now);
        tell(&room.taker, json!({"command": answer, "offer": seen}));
        assert_eq!(until(&mut room.taker, "refused")["why"], "stale_offer");
        tell(&room.taker, json!({"command": answer, "offer": now}));
        until(&mut room.taker, if answer == "get" { "stored" } else { "declined" });
        until(&mut room.giver, if answer == "get" { "sent" } else { "partner_declined" });
    }
    assert_eq!(room.names(), ["other"]);
    for offer in [json!("0"), json!(-1), json!(1_u64 << 40)] {
        tell(&room.taker, json!({"command": "get", "offer": offer}));
        assert_eq!(until(&mut room.taker, "refused")["why"], "not_a_command");
    }
}

#[test]
fn who_ended_what_was_under_way_is_said_as_it_was() {
    let from = Scratch::new();
    let path = from.path().join("x");
    fs::write(&path, "x").unwrap();
    let mut room = room(&[]);
    room.send(&path);
    until(&mut room.taker, "offered");
    tell(&room.giver, json!({"command": "quit"}));
    assert_eq!(until(&mut room.giver, "withdrawn")["by"], "us");
    assert_eq!(until(&mut room.taker, "withdrawn")["by"], "partner");
    assert_eq!([room.giver.exit(), room.taker.exit()], [6, 0]);
}

#[test]
fn a_break_costs_nothing_that_has_arrived() {
    let from = Scratch::new();
    let folder = from.path().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a"), content(20_000_000)).unwrap();
    fs::write(folder.join("b"), content(5_000_000)).unwrap();
    for place in 0..100 {
        fs::write(folder.join(format!("c{place}")), content(place)).unwrap();
    }
    let mut room = room(&[]);
    room.send(&folder);
    until(&mut room.taker, "offered");
    tell(&room.taker, json!({"command": "get", "offer": 0}));
    until(&mut room.giver, "accepted");
    for _ in 0..3 {
        room.relay.cut();
        until(&mut room.giver, "connection_lost");
        room.relay.mend();
        until(&mut room.giver, "reconnected");
    }
    assert_eq!(until(&mut room.taker, "stored")["failed"], 0);
    assert_eq!(until(&mut room.giver, "sent")["failed"], 0);
    let arrived = room.stored.path().join("folder");
    assert!(fs::read(arrived.join("a")).unwrap() == content(20_000_000));
    assert!(fs::read(arrived.join("b")).unwrap() == content(5_000_000));
    assert_eq!(names(&arrived).len(), 102);
    room.leave();
}

#[test]
fn a_partial_file_that_was_there_is_left_alone() {
    let from = Scratch::new();
    let path = from.path().join("film.mkv");
    fs::write(&path, content(2_000_000)).unwrap();
    for there in [content(1_500_000), content(2_000_000), vec![1; 100], content(3_000_000)] {
        let scratch = Scratch::new();
        let part = scratch.path().join("film.mkv.part");
        fs::write(&part, &there).unwrap();
        fs::set_permissions(&part, fs::Permissions::from_mode(0o600)).unwrap();
        let mut room = room_in(scratch, &[]);
        assert_eq!(room.give(&path)[0]["bytes"], 2_000_000);
        assert!(fs::read(room.stored.path().join("film.mkv")).unwrap() == content(2_000_000));
        assert!(fs::read(part).unwrap() == there);
        assert_eq!(room.names(), ["film.mkv", "film.mkv.part"]);
        room.leave();
    }
}

#[test]
fn a_receiver_that_is_killed_leaves_a_private_partial_file_and_takes_the_file_anew() {
    let from = Scratch::new();
    let path = from.path().join("film.mkv");
    fs::write(&path, content(40_000_000)).unwrap();
    let mut room = room(&[]);
    room.send(&path);
    until(&mut room.taker, "offered");
    tell(&room.taker, json!({"command": "get", "offer": 0}));
    until(&mut room.taker, "accepting");
    room.taker.signal(Signal::KILL);
    room.taker.exit();
    let names = room.names();
    assert!(names.is_empty() || names == ["film.mkv.part"], "{names:?}");
    for name in &names {
        let part = room.stored.path().join(name);
        assert_eq!(mode(&part), 0o600);
        let there = fs::read(part).unwrap();
        assert!(there == content(40_000_000)[..there.len()]);
    }
    room.giver.signal(Signal::KILL);
    room.giver.exit();
    let mut room = room_in(room.stored, &[]);
    assert_eq!(room.give(&path)[0]["failed"], 0);
    assert!(fs::read(room.stored.path().join("film.mkv")).unwrap() == content(40_000_000));
    assert_eq!(room.names(), [vec!["film.mkv".to_owned()], names].concat());
    room.leave();
}

#[test]
fn a_receiver_that_is_killed_at_any_moment_has_the_name_only_with_the_whole_file() {
    const BYTES: usize = 4_000_000;
    let from = Scratch::new();
    let path = from.path().join("film.mkv");
    fs::write(&path, content(BYTES)).unwrap();
    let [mut parts, mut whole] = [0; 2];
    for moment in 0..20 {
        let mut room = room(&[]);
        room.send(&path);
        until(&mut room.taker, "offered");
        // The last is when all has come, and been said to be there.
        if moment < 19 {
            room.relay.stop_after(moment * BYTES / 18);
        }
        tell(&room.taker, json!({"command": "get", "offer": 0}));
        if moment < 19 {
            room.relay.wait_stopped();
        } else {
            until(&mut room.giver, "sent");
        }
        room.taker.signal(Signal::KILL);
        room.taker.exit();
        for name in room.names() {
            let there = fs::read(room.stored.path().join(&name)).unwrap();
            match name.as_str() {
                "film.mkv.part" => assert!(there == content(BYTES)[..there.len()], "{moment}"),
                "film.mkv" => assert!(there == content(BYTES), "{moment}"),
                other => panic!("{other}"),
            }
            parts += usize::from(name != "film.mkv" && !there.is_empty());
            whole += usize::from(name == "film.mkv");
        }
    }
    assert!(parts > 0 && whole > 0, "{parts} {whole}");
}

#[test]
fn several_files_wait_for_each_other_and_both_ways_work_at_once() {
    let from = Scratch::new();
    let paths: Vec<_> = (0..5).map(|place| from.path().join(format!("{place}"))).collect();
    for (place, path) in paths.iter().enumerate() {
        fs::write(path, content(place * 100_000)).unwrap();
    }
    let stored = Scratch::new();
    let folders = [stored.path().join("one"), stored.path().join("other")];
    folders.iter().for_each(|folder| fs::create_dir(folder).unwrap());
    let args = folders.each_ref().map(|folder| ["--save-to", folder.to_str().unwrap(), "--auto-accept"]);
    let (mut one, port) = host_with(&args[0]);
    let mut other = guest_with(port, &args[1]);
    pair(&mut one, &mut other);
    let all: Vec<_> = paths.iter().map(|path| path.to_str().unwrap()).collect();
    for side in [&one, &other] {
        tell(side, json!({"command": "send", "paths": all}));
    }
    for side in [&mut one, &mut other] {
        for _ in 0..10 {
            let event = loop {
                let event: Value = serde_json::from_str(&side.text()).unwrap();
                if event["event"] == "sent" || event["event"] == "stored" {
                    break event;
                }
            };
            assert_eq!(event["failed"], 0);
        }
    }
    for folder in &folders {
        assert_eq!(names(folder), ["0", "1", "2", "3", "4"]);
        assert!((0..5).all(|place| fs::read(folder.join(place.to_string())).unwrap() == content(place * 100_000)));
    }
    tell(&one, json!({"command": "quit"}));
    assert_eq!([one.exit(), other.exit()], [0, 0]);
}

#[test]
fn nobody_is_asked_in_a_pipe_and_so_an_offer_is_declined() {
    let from = Scratch::new();
    let path = from.path().join("x");
    fs::write(&path, "x").unwrap();
    let (mut host, port) = process::host();
    let mut giver = guest_with(port, &[]);
    let code = until(&mut giver, "code");
    let half = host.until("code: ");
    host.say(code["own"].as_str().unwrap());
    tell(&giver, json!({"command": "half", "question": code["question"], "half": half}));
    host.until("room open");
    tell(&giver, json!({"command": "send", "paths": [path.to_str().unwrap()]}));
    until(&mut giver, "partner_declined");
    host.until("Your partner offered x, which cannot be accepted");
    host.end_input();
    assert_eq!(host.exit(), 0);
}

#[test]
fn a_file_that_was_changed_meanwhile_is_not_stored_and_said_so() {
    let from = Scratch::new();
    let folder = from.path().join("folder");
    fs::create_dir(&folder).unwrap();
    for name in ["gone", "grown", "shrunk", "same"] {
        fs::write(folder.join(name), content(1_000)).unwrap();
    }
    let mut room = room(&[]);
    room.send(&folder);
    until(&mut room.taker, "offered");
    fs::remove_file(folder.join("gone")).unwrap();
    fs::write(folder.join("grown"), content(2_000)).unwrap();
    fs::write(folder.join("shrunk"), content(500)).unwrap();
    tell(&room.taker, json!({"command": "get", "offer": 0}));
    let mut why = ["gone", "grown"].map(|name| {
        let told = until(&mut room.giver, "not_sent");
        assert_eq!(told["path"], format!("folder/{name}"));
        told["why"].as_str().unwrap().to_owned()
    });
    why.sort();
    assert_eq!(why, ["changed", "system"]);
    let ends = [until(&mut room.taker, "stored"), until(&mut room.giver, "sent")];
    for end in ends {
        // The size is that of what is there, and not what was offered.
        assert_eq!((&end["failed"], &end["bytes"]), (&json!(2), &json!(1_500)));
    }
    assert_eq!(names(&room.stored.path().join("folder")), ["same", "shrunk"]);
    assert_eq!(fs::read(room.stored.path().join("folder/shrunk")).unwrap(), content(500));
}

#[test]
fn of_a_transfer_that_is_cancelled_nothing_unfinished_is_left() {
    let from = Scratch::new();
    let (file, folder) = (from.path().join("film.mkv"), from.path().join("folder"));
    fs::write(&file, content(30_000_000)).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a"), content(30_000_000)).unwrap();
    fs::write(folder.join("b"), "b").unwrap();
    for path in [&file, &folder] {
        let mut room = room(&[]);
        room.send(path);
        let offer = until(&mut room.taker, "offered")["offer"].clone();
        room.relay.stop_after(4_000_000);
        tell(&room.taker, json!({"command": "get", "offer": offer}));
        room.relay.wait_stopped();
        // What is written is told with the status.
        let written = |status: &Value| status["receiving"]["bytes"].as_u64().is_some_and(|bytes| bytes > 0);
        while !written(&until(&mut room.taker, "status")) {}
        tell(&room.taker, json!({"command": "cancel"}));
        until(&mut room.taker, "transfer_ended");
        tell(&room.taker, json!({"command": "quit"}));
        room.taker.exit();
        assert_eq!(room.names(), Vec::<String>::new(), "{path:?}");
    }
}
