//! What the documents claim is so.

use std::collections::BTreeSet;
use std::fs;

use tete::protocol::session::{HANDSHAKE, OPENING};
use tete::transport::{dial, listen};

fn read(path: &str) -> String {
    fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap_or_else(|_| panic!("no {path}"))
}

#[test]
fn every_test_that_security_md_names_exists() {
    let document = read("SECURITY.md");
    let named: Vec<_> = document.split('`').filter_map(|word| word.split_once(".rs::")).collect();
    assert!(named.len() > 30);
    for (file, test) in named {
        let source = read(&format!("{file}.rs"));
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

#[test]
fn the_exit_codes_of_both_readmes_are_those_of_the_program() {
    let source = read("src/interface/fault.rs");
    let function = source.split("fn code(&self) -> u8").nth(1).unwrap().split("\n    }\n").next().unwrap();
    let mut codes: BTreeSet<u8> =
        function.lines().filter_map(|line| line.trim().strip_suffix(',')?.rsplit_once("=> ")?.1.parse().ok()).collect();
    codes.insert(0);
    assert_eq!(codes, BTreeSet::from([0, 2, 3, 4, 5, 6, 7]));
    let english = read("README.md");
    let table = english.split("### Exit codes").nth(1).unwrap().split("\n## ").next().unwrap();
    let told = |text: &str, start: &str| -> BTreeSet<u8> {
        text.split(start).filter_map(|part| part.split_whitespace().next()?.parse().ok()).collect()
    };
    assert_eq!(told(table, "\n| "), codes);
    let chinese = read("README.zh-CN.md");
    let line = chinese.lines().find(|line| line.starts_with("退出代码")).unwrap();
    assert_eq!(told(&line.replace('：', "；"), "；"), codes);
}

#[test]
fn every_event_and_command_of_json_is_documented() {
    let document = read("docs/SCRIPTING.md");
    let source = read("src/ui/json.rs");
    let code = [source.split("mod tests").next().unwrap(), &read("src/ui/json/files.rs")].concat();
    let quoted = |text: &str| text.split('"').next().unwrap().to_owned();
    let events = code.split("\"event\": \"").skip(1).map(quoted);
    let commands = code.split("Some(match name.as_str() {").nth(1).unwrap().split("other =>").next().unwrap();
    let commands = commands.lines().filter_map(|line| line.trim().strip_prefix('"').map(quoted));
    let names: BTreeSet<_> = events.chain(commands).filter(|name| !name.is_empty()).collect();
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        assert!(document.contains(&format!("`{name}`")), "{name}");
    }
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
