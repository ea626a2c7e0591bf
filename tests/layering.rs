//! The arrows between the parts of the program point down only, and the protocol stays free of I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A source file: its module's path, and its code without comments and tests.
struct Source {
    module: Vec<String>,
    code: String,
}

fn files(directory: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    assert!(paths.len() > 20, "{paths:?}");
    paths.iter().map(|path| Source::read(&root, path)).collect()
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let inside = path.strip_prefix(root).unwrap().with_extension("");
        let mut module: Vec<_> = inside.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        let text = fs::read_to_string(path).unwrap();
        let tested = text.split("\n#[cfg(test)]\nmod tests").next().unwrap();
        assert!(!tested.contains("#[cfg(test)]"), "{}: tests are the last module of a file", path.display());
        assert!(!tested.contains("#[path"), "{}: this test does not follow #[path]", path.display());
        let code = tested.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n");
        Self { module, code }
    }

    fn part(&self) -> &str {
        &self.module[0]
    }

    fn name(&self) -> String {
        self.module.join("::")
    }

    /// Every module of this program that the file names, from the root.
    fn uses(&self) -> Vec<Vec<String>> {
        let mut out = Vec::new();
        let code = &self.code;
        for word in ["crate::", "tete::", "super::"] {
            for (place, _) in code.match_indices(word) {
                let before = code[..place].chars().next_back();
                if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                    continue;
                }
                let mut rest = &code[place + word.len()..];
                let mut base = Vec::new();
                if word == "super::" {
                    base = self.module[..self.module.len() - 1].to_vec();
                    while let Some(further) = rest.strip_prefix("super::") {
                        base.pop();
                        rest = further;
                    }
                }
                expand(&base, rest, &mut out);
            }
        }
        out
    }
}

/// Follows a path, into its groups too: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(base: &[String], rest: &str, out: &mut Vec<Vec<String>>) {
    let mut path = base.to_vec();
    let mut rest = rest;
    loop {
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut start) = (0, 0);
            for (place, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    ',' | '}' if depth == 0 => {
                        let item = group[start..place].trim();
                        if !item.is_empty() {
                            expand(&path, item, out);
                        }
                        start = place + 1;
                        if c == '}' {
                            return;
                        }
                    }
                    '}' => depth -= 1,
                    _ => {}
                }
            }
            panic!("a group without an end: {group}");
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if !name.is_empty() && name != "self" {
            path.push(name.to_owned());
        }
        match after.strip_prefix("::") {
            Some(further) if !name.is_empty() => rest = further,
            _ => {
                assert!(!path.is_empty(), "a glob of the whole crate");
                out.push(path);
                return;
            }
        }
    }
}

#[test]
fn paths_are_followed_into_groups() {
    let uses = |code: &str| {
        let module = ["ui", "line"].map(str::to_owned).to_vec();
        let uses = Source { module, code: code.to_owned() }.uses();
        uses.iter().map(|path| path.join("::")).collect::<Vec<_>>()
    };
    assert_eq!(uses("use crate::a::{b, c::{D, e::F}, self};"), ["a::b", "a::c::D", "a::c::e::F", "a"]);
    assert_eq!(uses("use crate::{a::b, c};\nx(crate::d::e());"), ["a::b", "c", "d::e"]);
    assert_eq!(uses("use super::x::Y; use super::super::protocol::Z;"), ["ui::x::Y", "protocol::Z"]);
    assert_eq!(uses("pub(crate) fn x() -> my_crate::Y {}"), Vec::<String>::new());
}

/// The part of the program that a module is in. Errors of the network are the vocabulary of the floors above, too.
fn floor(module: &[String]) -> &str {
    if module.starts_with(&["transport".to_owned(), "error".to_owned()]) { "transport::error" } else { &module[0] }
}

#[test]
fn the_parts_of_the_program_use_each_other_downwards_only() {
    let allowed = |part: &str| -> &[&str] {
        match part {
            "main" => &["cli", "room", "ui", "interface", "printable", "harden", "system", "thread"],
            "cli" => {
                &["cli", "room", "ui", "interface", "store", "transport", "protocol", "printable", "address", "system"]
            }
            "room" => &[
                "room",
                "interface",
                "store",
                "transport",
                "transport::error",
                "protocol",
                "printable",
                "address",
                "clock",
                "system",
                "thread",
            ],
            "ui" => &[
                "ui",
                "interface",
                "transport::error",
                "protocol",
                "printable",
                "address",
                "clock",
                "system",
                "thread",
            ],
            "interface" => &["interface", "transport::error", "protocol", "printable", "address", "clock", "system"],
            "store" => &["store", "protocol", "clock", "thread"],
            "transport" => &["transport", "transport::error", "protocol", "address", "system", "thread"],
            "transport::error" => &["system"],
            "protocol" => &["protocol"],
            "printable" => &["printable"],
            "address" => &["address"],
            "harden" => &["harden"],
            "clock" | "system" | "thread" => &[],
            "lib" => &[],
            other => panic!("a new part of the program, unknown here: {other}"),
        }
    };
    let mut edges = 0;
    for source in sources() {
        for used in source.uses() {
            edges += 1;
            let fine = allowed(floor(&source.module)).contains(&floor(&used));
            assert!(fine, "{} must not use {}", source.name(), used.join("::"));
        }
    }
    assert!(edges > 60, "only {edges} were found");
}

#[test]
fn no_two_files_of_the_interface_or_the_ui_use_each_other() {
    let sources = sources();
    let files: Vec<_> = sources.iter().map(|source| source.module.clone()).collect();
    let file_of = |path: &[String]| files.iter().filter(|file| path.starts_with(file)).max_by_key(|file| file.len());
    let mut uses = BTreeMap::new();
    for source in sources.iter().filter(|source| ["interface", "ui"].contains(&source.part())) {
        let used = source.uses();
        let used: BTreeSet<_> = used.iter().filter_map(|path| file_of(path)).cloned().collect();
        uses.insert(source.module.clone(), used);
    }
    // A file whose every import is gone is in no circle.
    loop {
        let before = uses.len();
        let left: Vec<_> = uses.keys().cloned().collect();
        uses.retain(|file, used| used.iter().any(|used| used != file && left.contains(used)));
        if uses.len() == before {
            break;
        }
    }
    assert!(uses.is_empty(), "{uses:#?}");
}

#[test]
fn the_byte_pipes_know_records_invites_and_keys_and_nothing_of_what_is_said() {
    for source in sources().iter().filter(|source| source.part() == "transport") {
        for used in source.uses().iter().filter(|used| used[0] == "protocol") {
            let known = ["record", "session", "invite", "keys", "random"];
            assert!(known.contains(&used[1].as_str()), "{}: {}", source.name(), used.join("::"));
        }
    }
}

#[test]
fn the_protocol_does_no_input_or_output_and_asks_no_clock() {
    let words =
        ["tokio", "std::net", "std::io", "std::fs", "std::thread", "std::env", "now()", "print!", "println!", "eprint"];
    for source in sources().iter().filter(|source| source.part() == "protocol") {
        for word in words {
            assert!(!source.code.contains(word), "{} says {word}", source.name());
        }
    }
}

#[test]
fn nothing_that_panics_without_room_for_another_thread_starts_one() {
    let mut starts = 0;
    for source in sources() {
        for word in ["thread::spawn(", "thread::scope(", "spawn_blocking(", "block_in_place(", "lookup_host("] {
            assert!(!source.code.contains(word), "{} says {word}", source.name());
        }
        // A host in words is looked up by a thread of the runtime, which panics where it cannot be started.
        for word in
            ["tokio::fs", "tokio::io::stdin", "tokio::io::stdout", "TcpStream::connect((", "TcpListener::bind(("]
        {
            assert!(!source.code.contains(word), "{} says {word}", source.name());
        }
        let own = source.code.contains("thread::Builder");
        assert!(!own || source.name() == "thread", "{}", source.name());
        starts += source.code.matches("thread::start(").count();
    }
    assert!(starts > 10, "only {starts} were found");
}

#[test]
fn a_code_is_confirmed_in_the_session_only() {
    let mut found = 0;
    for source in sources() {
        for word in [
            "confirmed = true",
            "confirmed = same",
            "confirmed: true",
            "confirmed: known == Known::Secret",
            "verifying.received = true",
            "replace(&mut self.sent, true)",
        ] {
            let times = source.code.matches(word).count();
            found += times;
            let home = ["protocol::session", "protocol::pairing"].contains(&source.name().as_str());
            assert!(times == 0 || home, "{} says {word}", source.name());
        }
    }
    assert_eq!(found, 5, "the places where a session is confirmed have changed");
}

#[test]
fn nothing_but_the_users_entry_confirms_a_code() {
    let mut calls = Vec::new();
    for source in sources() {
        let outside = source.part() != "protocol";
        for word in [".enter(", ".compared("] {
            calls.extend(vec![(source.name(), word); if outside { source.code.matches(word).count() } else { 0 }]);
        }
    }
    assert_eq!(calls, [("room::talk".to_owned(), ".enter("), ("room::talk".to_owned(), ".compared(")]);
}

#[test]
fn no_file_may_use_unsafe_code() {
    for source in sources() {
        let root = ["main", "lib"].contains(&source.name().as_str());
        assert!(!root || source.code.contains("#![forbid(unsafe_code)]"), "{}", source.name());
        assert!(!source.code.contains("unsafe {") && !source.code.contains("unsafe fn"), "{}", source.name());
    }
}
