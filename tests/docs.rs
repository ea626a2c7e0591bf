//! What the documents claim is so.

use std::collections::BTreeSet;
use std::fs;

use clap::{Arg, Command, CommandFactory as _};
use tete::cli::Cli;
use tete::interface::Frontend;
use tete::protocol::invite::Invite;
use tete::protocol::session::{HANDSHAKE, OPENING};
use tete::transport::way::Way;
use tete::transport::{dial, listen};
use tete::ui::commands::{COMMANDS, commands_of};

fn read(path: &str) -> String {
    fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap_or_else(|_| panic!("no {path}"))
}

#[test]
fn every_test_that_security_md_names_exists() {
    let document = read("SECURITY.md");
    let named: Vec<_> = document.split('`').filter_map(|word| word.split_once(".rs::")).collect();
    assert!(named.len() > 30);
    for (file, test) in named {
        let source = read(&format!("{file}.rs")).replace("#[tokio::test]", "#[test]");
        let found = source
            .split("#[test]")
            .skip(1)
            .any(|part| part.split('{').next().is_some_and(|head| head.contains(&format!("fn {test}("))));
        assert!(found, "{file}.rs has no test {test}");
    }
}

/// A file that no `main.rs` names as a module would never be compiled, nor its tests run.
#[test]
fn every_file_of_tests_is_part_of_a_binary() {
    let mut count = 0;
    for folder in ["core", "e2e"] {
        let main = read(&format!("tests/{folder}/main.rs"));
        for entry in fs::read_dir(format!("{}/tests/{folder}", env!("CARGO_MANIFEST_DIR"))).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let module = name.strip_suffix(".rs").unwrap();
            assert!(module == "main" || main.contains(&format!("\nmod {module};")), "tests/{folder}/{name}");
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

/// What a document says in both languages.
const USAGE: [&str; 2] = ["docs/USAGE.md", "docs/USAGE.zh-CN.md"];

#[test]
fn the_exit_codes_of_the_documents_are_those_of_the_program() {
    let source = read("src/interface/fault.rs");
    let function = source.split("fn code(&self) -> u8").nth(1).unwrap().split("\n    }\n").next().unwrap();
    let mut codes: BTreeSet<u8> =
        function.lines().filter_map(|line| line.trim().strip_suffix(',')?.rsplit_once("=> ")?.1.parse().ok()).collect();
    codes.insert(0);
    assert_eq!(codes, BTreeSet::from([0, 2, 3, 4, 5, 6, 7]));
    for (path, heading) in USAGE.into_iter().zip(["## Exit codes", "## 退出代码"]) {
        let document = read(path);
        let table = document.split(heading).nth(1).unwrap();
        let told: BTreeSet<u8> =
            table.split("\n| ").filter_map(|row| row.split_whitespace().next()?.parse().ok()).collect();
        assert_eq!(told, codes, "{path}");
    }
}

#[test]
fn every_option_and_subcommand_is_documented_in_both_languages() {
    let command = Cli::command();
    let all = || command.get_subcommands().chain([&command]);
    let options = all().flat_map(Command::get_arguments).filter_map(Arg::get_long).map(|name| format!("`--{name}"));
    let names: BTreeSet<_> =
        options.chain(command.get_subcommands().map(|command| format!("`tete {}", command.get_name()))).collect();
    assert!(names.len() > 30, "{names:?}");
    for path in USAGE {
        let document = read(path);
        for name in &names {
            let whole = |rest: &str| rest.starts_with(['`', ' ']);
            assert!(document.split(name.as_str()).skip(1).any(whole), "{path} does not name {name}");
        }
        let options = document.split("\n| `--").skip(1).filter_map(|row| row.split(['`', ' ']).next());
        for name in options.map(|name| format!("`--{name}")) {
            assert!(names.contains(&name), "{path} names {name}, which tete does not know");
        }
    }
}

#[test]
fn every_command_of_the_chat_is_documented_in_both_languages() {
    for path in USAGE {
        let document = read(path);
        for row in &COMMANDS {
            assert!(document.contains(&format!("`/{}", row.name)), "{path} does not name /{}", row.name);
        }
    }
}

#[test]
fn the_lines_for_scripts_are_documented_in_both_languages() {
    let source = read("src/ui/words/pipe.rs");
    let stable = source.split("Event::LookingUp").next().unwrap();
    let lines: Vec<_> = stable.split('"').skip(1).step_by(2).flat_map(|text| text.split("\\n")).collect();
    assert!(lines.len() > 9, "{lines:?}");
    for path in USAGE {
        let document = read(path);
        for line in &lines {
            let start = line.split('{').next().unwrap().trim_end();
            assert!(
                document.contains(&format!("\n    {start} ")) || document.contains(&format!("\n    {start}\n")),
                "{path}: {line}"
            );
        }
    }
}

#[test]
fn the_readme_names_the_oldest_rust_and_keeps_to_its_length() {
    let version = env!("CARGO_PKG_RUST_VERSION");
    for path in ["README.md", "README.zh-CN.md", "docs/CONTRIBUTING.md"] {
        assert!(read(path).contains(&format!("Rust {version}")), "{path}: Rust {version}");
    }
    for path in ["README.md", "README.zh-CN.md"] {
        assert!(read(path).lines().count() <= 150, "{path} is for strangers: tables go to docs/USAGE.md");
    }
}

#[test]
fn the_pictures_of_the_readmes_are_the_screens_of_the_tests() {
    for (language, suffix) in [("en", ""), ("zh", ".zh-CN")] {
        let screens = read(&format!("tests/screens/{language}-80x24.txt"));
        for (name, file) in [("pairing", "pairing"), ("chat", "screen")] {
            let screen = screens.split("\n\n").find(|screen| screen.starts_with(&format!("{name} ("))).unwrap();
            let rows = screen.lines().filter_map(|row| row.strip_prefix('|')).filter(|row| !row.is_empty());
            let path = format!("docs/{file}{suffix}.svg");
            let picture = read(&path);
            let drawn = picture.split_once("<desc>\n").unwrap().1.split_once("\n</desc>").unwrap().0;
            let drawn = drawn.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            assert!(rows.eq(drawn.lines().filter(|row| !row.is_empty())), "{path} is old: python3 docs/picture.py");
        }
    }
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let mut count = 0;
    for folder in ["", "docs/", "docs/decisions/"] {
        for entry in fs::read_dir(format!("{}/{folder}", env!("CARGO_MANIFEST_DIR"))).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if !name.ends_with(".md") {
                continue;
            }
            let document = read(&format!("{folder}{name}"));
            for target in document.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                if target.starts_with("https://") {
                    continue;
                }
                let (file, heading) = target.split_once('#').unwrap_or((target, ""));
                let file = format!("{folder}{}", if file.is_empty() { &name } else { file });
                assert!(fs::exists(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap(), "{name}: {target}");
                let anchor = |line: &str| line.trim_matches(['#', ' ']).to_lowercase().replace(' ', "-") == heading;
                assert!(heading.is_empty() || read(&file).lines().any(anchor), "{name}: {target}");
                count += 1;
            }
        }
    }
    assert!(count > 40, "{count}");
}

/// The body of a type in a source file, without comments.
fn body(source: &str, item: &str) -> String {
    let begin = source.split_once(&format!("{item} {{\n")).unwrap_or_else(|| panic!("{item}")).1;
    let body = begin.split("\n}\n").next().unwrap();
    body.lines().filter(|line| !line.trim().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// The names that serde gives to variants and fields: those in the code, unless it says otherwise.
fn names(body: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let (mut skip, mut renamed) = (false, None);
    let mut rest = body;
    while let Some(place) = rest.find(|c: char| c == '#' || c.is_alphabetic()) {
        rest = &rest[place..];
        if rest.starts_with("#[") {
            let (attribute, after) = rest.split_once(']').unwrap();
            skip |= attribute.contains("(skip)") || attribute.contains("flatten") || attribute.contains("untagged");
            let name = attribute.split("rename = \"").nth(1);
            renamed = name.map(|name| name.split('"').next().unwrap().to_owned());
            rest = after;
            // Another attribute may follow, and the name then stands behind it.
            continue;
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        if word == "pub" {
            continue;
        }
        if !std::mem::take(&mut skip) {
            out.insert(renamed.take().unwrap_or_else(|| snake_case(word)));
        }
        renamed = None;
        // The type of a field, or of what a variant holds, is no name.
        if rest.starts_with(':') || rest.starts_with('(') {
            let mut depth = 0_i32;
            let end = rest.find(|c: char| {
                depth += i32::from("<([".contains(c)) - i32::from(">)]".contains(c));
                (depth == 0 && (c == ',' || c == '\n')) || (depth < 0 || depth == 0 && c == '}')
            });
            rest = &rest[end.unwrap_or(rest.len())..];
        }
    }
    out
}

#[test]
fn every_name_that_json_writes_or_reads_is_documented() {
    let document = read("docs/SCRIPTING.md");
    let json = read("src/ui/json.rs");
    let mut all = BTreeSet::new();
    for (path, items) in [
        ("src/interface/event.rs", &["enum Event", "enum ConnectionFault", "enum ConnectionState"][..]),
        ("src/interface/event.rs", &["enum Trust", "struct Status", "struct Who"]),
        ("src/interface/files.rs", &["enum FileEvent", "enum EndedBy", "enum FileFault", "struct Progress"]),
        ("src/interface/refusal.rs", &["enum Refusal", "enum FileRefusal"]),
        ("src/interface/fault.rs", &["enum PairingFault"]),
        ("src/interface/finding.rs", &["enum Verdict", "enum Finding"]),
        ("src/transport/error.rs", &["enum ConnectError", "enum SocksError", "enum MappingError", "enum LanError"]),
        ("src/address/scope.rs", &["enum Scope"]),
    ] {
        let source = read(path);
        all.extend(items.iter().flat_map(|item| names(&body(&source, &format!("pub {item}")))));
    }
    for item in ["struct Told<'a>", "enum Own<'a>", "enum Command"] {
        all.extend(names(&body(&json, item)));
    }
    all.extend(commands_of(Frontend::JSON).map(|row| row.name.to_owned()));
    // `#[serde(other)]`: the commands that are no more than their name.
    assert!(all.remove("plain") && all.len() > 120, "{all:?}");
    let missing: Vec<_> = all.iter().filter(|name| !document.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_limits_of_the_protocol_document_are_those_of_the_program() {
    let document = read("docs/PROTOCOL.md");
    let seconds = |limit: std::time::Duration| format!("{} s", limit.as_secs());
    for (what, value) in [
        ("connecting", seconds(dial::CONNECT)),
        ("a complete record 1 after the connection was accepted", seconds(listen::RECORD_1)),
        ("whole handshake", seconds(HANDSHAKE)),
        ("SAS_OPEN after record 3", seconds(OPENING)),
        ("connections without a valid record 1", listen::POOL.to_string()),
    ] {
        assert!(document.contains(&format!("| {what} | {value}")), "{what}: {value}");
    }
}

#[test]
fn the_invite_of_the_documents_has_the_routes_that_stand_below_it() {
    for document in ["docs/USAGE.md", "docs/USAGE.zh-CN.md"] {
        let document = read(document);
        let mut rows = document.lines().map(str::trim).skip_while(|row| !row.starts_with("tete1"));
        let invite = Invite::read(rows.next().unwrap()).unwrap_or_else(|_| panic!("not an invite"));
        let told: Vec<_> = rows.skip(2).take_while(|row| !row.is_empty()).collect();
        let routes: Vec<_> = invite.hints.iter().filter_map(Way::of).map(|way| way.address()).collect();
        assert_eq!(told.len(), routes.len(), "{told:?}");
        assert!(told.iter().zip(&routes).all(|(told, route)| told.ends_with(route)), "{told:?} {routes:?}");
    }
}
