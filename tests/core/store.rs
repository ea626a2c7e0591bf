//! What a malicious partner, or another program of this machine, can do to the folder that files are stored in.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read as _, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::scratch::Scratch;
use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};
use tete::protocol::frame::EntryKind;
use tete::protocol::transfer::{BROKEN, Content, NOTHING};
use tete::store::folder::Folder;
use tete::store::source::Source;
use tete::store::tree::{Renamed, StoreError, Target};
use tete::store::writer::{Job, Report, Writer};
use tokio::sync::mpsc;

/// A batch that is stored, and the folder it goes to.
struct Storing {
    scratch: Scratch,
    writer: Writer,
    reports: mpsc::Receiver<Report>,
    next: u32,
}

impl Storing {
    fn new(name: &str, entries: u32) -> Self {
        Self::into(Scratch::new(), name, entries)
    }

    fn into(scratch: Scratch, name: &str, entries: u32) -> Self {
        let folder = Folder::open(scratch.path()).unwrap();
        let target = Target::Folder { folder, name: name.into(), entries, executable: true };
        let (writer, reports) = Writer::start(target, ()).unwrap();
        Self { scratch, writer, reports, next: 0 }
    }

    /// What becomes of an entry whose hash is right.
    fn store(&mut self, path: &str, content: &[u8]) -> Result<String, StoreError> {
        self.store_as(path, content, *blake3::hash(content).as_bytes(), content.len() as u64)
    }

    fn store_as(&mut self, path: &str, content: &[u8], hash: [u8; 32], size: u64) -> Result<String, StoreError> {
        let index = self.next;
        self.next += 1;
        self.writer.give(Job::Begin { index, kind: EntryKind::File, path: path.to_owned() });
        if !content.is_empty() {
            self.writer.give(Job::Data { offset: 0, bytes: Content(content.to_vec()) });
        }
        self.writer.give(Job::End { hash, size });
        loop {
            if let Report::Done(done, outcome) = self.reports.blocking_recv().unwrap() {
                assert_eq!(done, index);
                return outcome.map(|stored| stored.name);
            }
        }
    }

    /// What becomes of an empty folder, or of what claims to be one with that hash.
    fn store_folder(&mut self, path: &str, hash: [u8; 32]) -> Result<String, StoreError> {
        let index = self.next;
        self.next += 1;
        self.writer.give(Job::Begin { index, kind: EntryKind::Folder, path: path.to_owned() });
        self.writer.give(Job::End { hash, size: 0 });
        loop {
            if let Report::Done(done, outcome) = self.reports.blocking_recv().unwrap() {
                assert_eq!(done, index);
                return outcome.map(|stored| stored.name);
            }
        }
    }

    /// Every file below the folder, by its path.
    fn files(&self) -> Vec<String> {
        fn search(folder: &Path, root: &Path, out: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if fs::symlink_metadata(&path).unwrap().is_dir() {
                    search(&path, root, out);
                } else {
                    out.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        let mut out = Vec::new();
        search(self.scratch.path(), self.scratch.path(), &mut out);
        out.sort();
        out
    }
}

#[test]
fn no_path_leaves_the_folder_that_was_offered() {
    let mut storing = Storing::new("photos", 2);
    let deep = format!("photos/{}x", "d/".repeat(40));
    for bad in ["", ".", "..", "/etc/x", "../x", "photos/../../x", "photos//x", "photos/\0", &deep] {
        assert!(matches!(storing.store(bad, b"x"), Err(StoreError::Path(..))), "{bad:?}");
    }
    for other in ["photos", "x", "photo/x", "Photos/x", "photos2/x", "/photos/x", "~/x", "C:/x"] {
        let refused = storing.store(other, b"x");
        assert!(matches!(refused, Err(StoreError::OtherName(_) | StoreError::Path(..))), "{other:?}");
    }
    assert_eq!(storing.files(), Vec::<String>::new());
    for (path, stored) in [
        ("photos/.bashrc", "photos/.bashrc"),
        ("photos/..\\x", "photos/..\\x"),
        ("photos/-rf", "photos/-rf"),
        ("photos/evil\u{202e}gnp.exe", "photos/evil_gnp.exe"),
        ("photos/a\u{1b}[2J\nb", "photos/a_[2J_b"),
        ("photos/~", "photos/~"),
        ("photos/a\u{200b}", "photos/a_"),
    ] {
        assert_eq!(storing.store(path, b"x").unwrap(), stored);
    }
    assert_eq!(storing.files().len(), 7);
}

#[test]
fn a_single_file_is_the_one_that_was_offered() {
    let mut storing = Storing::new("a.txt", 1);
    for other in ["b.txt", "x/a.txt", "a.txt2/b"] {
        assert!(matches!(storing.store(other, b"x"), Err(StoreError::OtherName(_))), "{other}");
    }
    assert_eq!(storing.store("a.txt", b"x").unwrap(), "a.txt");
    assert_eq!(storing.files(), ["a.txt"]);
    // A folder with one file is offered the same way.
    assert_eq!(Storing::new("d", 1).store("d/e/f", b"x").unwrap(), "d/e/f");
}

#[test]
fn every_name_is_a_file_of_its_own_whatever_else_there_is() {
    let mut storing = Storing::new("d", 2);
    let names = ["A.txt", "a.txt", "café", "cafe\u{301}", "x.part", "x", "a:b", "a?b", "ß", "SS"];
    for name in names {
        storing.store(&format!("d/{name}"), name.as_bytes()).unwrap();
        storing.store(&format!("d/Sub{}/{name}", name.len() % 2), name.as_bytes()).unwrap();
    }
    let files = storing.files();
    assert_eq!(files.len(), 2 * names.len(), "{files:?}");
    let mut folders = Storing::new("d", 2);
    for name in ["Foo", "foo", "FOO"] {
        folders.store(&format!("d/{name}/x"), name.as_bytes()).unwrap();
        folders.store(&format!("d/{name}/y"), name.as_bytes()).unwrap();
    }
    assert_eq!(folders.files(), ["d/FOO/x", "d/FOO/y", "d/Foo/x", "d/Foo/y", "d/foo/x", "d/foo/y"]);
}

#[test]
fn two_folders_whose_names_become_the_same_stay_two() {
    let mut storing = Storing::new("d", 2);
    for folder in ["a\u{202e}", "a\u{200b}", "a_"] {
        for name in ["x", "y"] {
            storing.store(&format!("d/{folder}/{name}"), folder.as_bytes()).unwrap();
        }
    }
    assert_eq!(storing.files(), ["d/a_ (2)/x", "d/a_ (2)/y", "d/a_ (3)/x", "d/a_ (3)/y", "d/a_/x", "d/a_/y"]);
}

#[test]
fn a_tree_of_names_that_windows_would_refuse_is_stored_as_it_was() {
    let mut storing = Storing::new("d", 2);
    let cjk = "漢".repeat(84) + "a";
    let names = [
        ".git/HEAD",
        ".git/objects/ab/.keep",
        "cur/1700000000.M1P2.host:2,S",
        "aux.c",
        "nul",
        "a\\b",
        "trailing.",
        "trailing ",
        "what?*<>|\"",
        "cafe\u{301}",
        &"x".repeat(241),
        &"x".repeat(255),
        &cjk,
        &format!("{cjk}/{cjk}"),
    ];
    for name in names {
        let path = format!("d/{name}");
        assert_eq!(
            storing.store(&path, b"x").unwrap(),
            if name.starts_with(&format!("{cjk}/")) { path.replacen(&cjk, &numbered(&cjk), 1) } else { path }
        );
    }
    assert_eq!(storing.files().len(), names.len());
    // Alone they are the top names.
    for name in ["aux.c", "a\\b", "a:b", &cjk, &"x".repeat(241)] {
        assert_eq!(Storing::new(name, 1).store(name, b"x").unwrap(), name);
    }
    for (name, stored) in [(".bashrc", "_bashrc"), ("-rf", "_rf"), ("~root", "_root")] {
        assert_eq!(Storing::new(name, 1).store(name, b"x").unwrap(), stored);
    }
}

/// What a name of 253 bytes becomes where it is taken.
fn numbered(name: &str) -> String {
    let stem: String = name.chars().take((255 - " (4294967295)".len()) / 3).collect();
    format!("{stem} (2)")
}

#[test]
fn every_changed_name_is_reported_once_with_what_it_became() {
    let mut storing = Storing::new(".d", 9);
    fs::create_dir(storing.scratch.path().join("_d")).unwrap();
    let mut renamed = |path: &str| {
        let index = storing.next;
        storing.next += 1;
        storing.writer.give(Job::Begin { index, kind: EntryKind::File, path: path.into() });
        storing.writer.give(Job::End { hash: NOTHING, size: 0 });
        let Some(Report::Done(_, Ok(stored))) = storing.reports.blocking_recv() else { panic!("{path}") };
        let of = |change: &Renamed| (change.path.clone(), change.stored.clone(), change.is_repaired());
        stored.renamed.iter().map(of).collect::<Vec<_>>()
    };
    let change = |path: &str, stored: &str, repaired| (path.to_owned(), stored.to_owned(), repaired);
    let top = change(".d", "_d (2)", true);
    assert_eq!(
        renamed(".d/a\u{1b}/b\u{1b}"),
        [top, change(".d/a\u{1b}", "a_", true), change(".d/a\u{1b}/b\u{1b}", "b_", true)]
    );
    assert_eq!(renamed(".d/a\u{1b}/b"), []);
    // A name that was taken is not one that had to be repaired.
    assert_eq!(renamed(".d/a\u{1b}/b"), [change(".d/a\u{1b}/b", "b (2)", false)]);
}

#[test]
fn what_waits_at_the_place_is_neither_opened_nor_replaced() {
    for plant in 0..5 {
        for name in ["x", "x.part"] {
            let mut storing = Storing::new("x", 1);
            let outside = Scratch::new();
            fs::write(outside.path().join("secret"), "secret").unwrap();
            let place = storing.scratch.path().join(name);
            match plant {
                0 => fs::write(&place, "mine").unwrap(),
                1 => fs::create_dir(&place).unwrap(),
                2 => symlink(outside.path().join("secret"), &place).unwrap(),
                3 => symlink("/nowhere/at/all", &place).unwrap(),
                _ => mknodat(CWD, &place, FileType::Fifo, Mode::RWXU, 0).unwrap(),
            }
            let before = fs::symlink_metadata(&place).unwrap();
            let stored = storing.store("x", b"theirs").unwrap();
            assert_eq!(fs::read(storing.scratch.path().join(&stored)).unwrap(), b"theirs");
            let after = fs::symlink_metadata(&place).unwrap();
            assert_eq!((before.ino(), before.len(), before.mode()), (after.ino(), after.len(), after.mode()));
            assert_eq!(stored, if name == "x" { "x (2)" } else { "x" });
            assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"secret");
        }
    }
}

#[test]
fn without_the_right_hash_there_is_no_file() {
    for (content, hash, size) in [
        (&b"abc"[..], [7; 32], 3),
        (b"abc", *blake3::hash(b"abc").as_bytes(), 4),
        (b"", [7; 32], 0),
        (b"abc", BROKEN, 3),
    ] {
        let mut storing = Storing::new("x", 1);
        let refused = storing.store_as("x", content, hash, size);
        assert!(matches!(refused, Err(StoreError::Hash(_) | StoreError::Broken(_))), "{content:?}");
        assert_eq!(storing.files(), Vec::<String>::new());
    }
}

#[test]
fn an_empty_folder_is_stored_by_the_rules_of_files_and_stays() {
    let mut storing = Storing::new("d", 2);
    let outside = Scratch::new();
    symlink(outside.path(), storing.scratch.path().join("d")).unwrap();
    let deep = format!("d/{}x", "d/".repeat(31));
    for bad in ["", "..", "/x", "d/../../x", "d//x", "d/", "d/\0", &deep] {
        assert!(matches!(storing.store_folder(bad, NOTHING), Err(StoreError::Path(..))), "{bad:?}");
    }
    for other in ["d", "x", "x/d", "D/x"] {
        assert!(matches!(storing.store_folder(other, NOTHING), Err(StoreError::OtherName(_))), "{other:?}");
    }
    // The same folder once more is one folder, and a file in it is in it.
    for _ in 0..2 {
        assert_eq!(storing.store_folder("d/a/b", NOTHING).unwrap(), "d (2)/a/b");
    }
    assert_eq!(storing.store("d/a/b/x", b"x").unwrap(), "d (2)/a/b/x");
    // A file and a folder of one name are two, whichever came first.
    assert_eq!(storing.store("d/a", b"x").unwrap(), "d (2)/a (2)");
    assert_eq!(storing.store("d/f", b"x").unwrap(), "d (2)/f");
    assert_eq!(storing.store_folder("d/f", NOTHING).unwrap(), "d (2)/f (2)");
    assert_eq!(storing.store_folder("d/F", NOTHING).unwrap(), "d (2)/F");
    assert_eq!(storing.store_folder("d/.ssh", NOTHING).unwrap(), "d (2)/.ssh");
    // What is refused does not stay, nor takes with it what was stored.
    for (path, hash) in [("d/gone/away", BROKEN), ("d/wrong", [7; 32]), ("d/f", BROKEN)] {
        let refused = storing.store_folder(path, hash);
        assert!(matches!(refused, Err(StoreError::Broken(_) | StoreError::Hash(_))), "{path}");
    }
    let Storing { scratch, writer, mut reports, .. } = storing;
    drop(writer);
    assert!(reports.blocking_recv().is_none());
    let mut names: Vec<_> = fs::read_dir(scratch.path().join("d (2)"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [".ssh", "F", "a", "a (2)", "f", "f (2)"]);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    // Alone it is the one that was offered.
    assert_eq!(Storing::new("d", 1).store_folder("d", NOTHING).unwrap(), "d");
}

#[test]
fn a_folder_in_which_nothing_is_sent_is_sent_empty() {
    let scratch = Scratch::new();
    let root = scratch.path().join("root");
    for folder in ["empty", "deep/er/empty", "full", "links"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("full/file"), "x").unwrap();
    symlink("/", root.join("links/link")).unwrap();
    let source = Source::find(&root).unwrap();
    let entries: Vec<_> = source.entries.iter().map(|entry| (entry.below.join("/"), entry.kind)).collect();
    let expected = [("deep/er/empty", true), ("empty", true), ("full/file", false), ("links", true)];
    let kind = |folder| if folder { EntryKind::Folder } else { EntryKind::File };
    assert_eq!(entries, expected.map(|(path, folder)| (path.to_owned(), kind(folder))));
    assert_eq!((source.bytes, source.left_out.count, source.left_out.missing), (1, 1, 0));
    let place = source.root.as_ref().unwrap();
    place.check_folder(&source.entries[0]).unwrap();
    // What takes its place is not taken for it.
    fs::remove_dir(root.join("deep/er/empty")).unwrap();
    symlink("/tmp", root.join("deep/er/empty")).unwrap();
    assert!(place.check_folder(&source.entries[0]).is_err());
    assert!(Source::find(&root.join("empty")).is_err());
}

#[test]
fn zeroes_take_no_space_and_the_hash_is_that_of_all() {
    for hole in [1 << 30, (1 << 20) + 77] {
        let mut storing = Storing::new("x", 1);
        storing.writer.give(Job::Begin { index: 0, kind: EntryKind::File, path: "x".into() });
        let (mut hasher, mut offset) = (blake3::Hasher::new(), 0);
        let zeroes = std::iter::repeat_n(16_347, hole / 16_347).map(|length| vec![0; length]);
        for bytes in [vec![1; 5]].into_iter().chain(zeroes).chain([vec![2; 5_000], vec![0; 9_000]]) {
            hasher.update(&bytes);
            // As the window of the protocol does.
            while storing.reports.try_recv().is_ok() || storing.writer.waiting() > 1 << 20 {
                std::thread::yield_now();
            }
            let length = bytes.len() as u64;
            storing.writer.give(Job::Data { offset, bytes: Content(bytes) });
            offset += length;
        }
        storing.writer.give(Job::End { hash: *hasher.finalize().as_bytes(), size: offset });
        let outcome = loop {
            if let Report::Done(_, outcome) = storing.reports.blocking_recv().unwrap() {
                break outcome;
            }
        };
        assert_eq!(outcome.unwrap().size, offset);
        let path = storing.scratch.path().join("x");
        let (there, mut stored) = (fs::metadata(&path).unwrap(), fs::File::open(&path).unwrap());
        assert_eq!(there.len(), offset);
        assert!(there.blocks() * 512 <= 16 << 10, "{} blocks", there.blocks());
        let mut again = blake3::Hasher::new();
        io::copy(&mut stored, &mut again).unwrap();
        assert_eq!(again.finalize(), hasher.finalize());
    }
}

/// A private file of the user's own that has the name of a partial file.
fn plant(scratch: &Scratch, content: &[u8]) -> PathBuf {
    let part = scratch.path().join("x.part");
    fs::write(&part, content).unwrap();
    fs::set_permissions(&part, fs::Permissions::from_mode(0o600)).unwrap();
    part
}

#[test]
fn a_partial_file_that_was_there_is_not_read_and_not_written_to() {
    let before = b"what was there";
    let longer = [&before[..], b" and more"].concat();
    for (data, hash, size) in [
        (&longer[..], *blake3::hash(&longer).as_bytes(), 23),
        (before, *blake3::hash(before).as_bytes(), 14),
        (&longer, [7; 32], 23),
        (&longer, BROKEN, 23),
        (&longer, *blake3::hash(&longer).as_bytes(), 24),
        (b"", BROKEN, 0),
    ] {
        let scratch = Scratch::new();
        let part = plant(&scratch, before);
        let state = |part: &Path| {
            let there = fs::metadata(part).unwrap();
            (there.ino(), there.len(), there.mode(), there.mtime_nsec(), fs::read(part).unwrap())
        };
        let there = state(&part);
        let mut storing = Storing::into(scratch, "x", 1);
        storing.writer.give(Job::Begin { index: 0, kind: EntryKind::File, path: "x".into() });
        // The partner learns nothing of it.
        storing.writer.give(Job::Lost);
        let Some(Report::Have { offset: 0, prefix: NOTHING, .. }) = storing.reports.blocking_recv() else { panic!() };
        storing.writer.give(Job::Begin { index: 0, kind: EntryKind::File, path: "x".into() });
        if !data.is_empty() {
            storing.writer.give(Job::Data { offset: 0, bytes: Content(data.to_vec()) });
        }
        storing.writer.give(Job::End { hash, size });
        let outcome = loop {
            if let Report::Done(_, outcome) = storing.reports.blocking_recv().unwrap() {
                break outcome;
            }
        };
        assert_eq!(state(&part), there);
        let stored: &[&str] = if outcome.is_ok() { &["x", "x.part"] } else { &["x.part"] };
        assert_eq!(storing.files(), stored);
    }
}

#[test]
fn what_takes_the_place_of_a_partial_file_does_not_get_its_name() {
    for takes in ["a link", "a file over it", "a file beside it", "a folder", "nothing"] {
        let mut storing = Storing::new("x", 1);
        let outside = Scratch::new();
        let [part, away, other] = ["x.part", "away", "other"].map(|name| storing.scratch.path().join(name));
        storing.writer.give(Job::Begin { index: 0, kind: EntryKind::File, path: "x".into() });
        storing.writer.give(Job::Data { offset: 0, bytes: Content(b"theirs".to_vec()) });
        storing.writer.give(Job::Lost);
        let Some(Report::Have { index: Some(0), offset: 6, .. }) = storing.reports.blocking_recv() else { panic!() };
        let secret = outside.path().join("secret");
        fs::write(&secret, "secret").unwrap();
        fs::write(&other, "another").unwrap();
        match takes {
            "a link" => {
                fs::remove_file(&part).unwrap();
                symlink(&secret, &part).unwrap();
            }
            "a file over it" => fs::rename(&other, &part).unwrap(),
            "a file beside it" => {
                fs::rename(&part, &away).unwrap();
                fs::rename(&other, &part).unwrap();
            }
            "a folder" => {
                fs::rename(&part, &away).unwrap();
                fs::create_dir(&part).unwrap();
            }
            _ => fs::remove_file(&part).unwrap(),
        }
        let there = fs::symlink_metadata(&part).map(|there| (there.ino(), there.len(), there.mtime())).ok();
        storing.writer.give(Job::Begin { index: 0, kind: EntryKind::File, path: "x".into() });
        storing.writer.give(Job::End { hash: *blake3::hash(b"theirs").as_bytes(), size: 6 });
        let Some(Report::Done(0, outcome)) = storing.reports.blocking_recv() else { panic!() };
        let name = storing.scratch.path().join("x");
        match outcome {
            Ok(stored) => {
                assert_eq!(stored.name, "x");
                assert!(fs::symlink_metadata(&name).unwrap().is_file(), "{takes}");
                assert_eq!(fs::read(&name).unwrap(), b"theirs", "{takes}");
            }
            Err(_) => assert!(fs::symlink_metadata(&name).is_err(), "{takes}"),
        }
        // It stays where it was put.
        let after = fs::symlink_metadata(&part).map(|there| (there.ino(), there.len(), there.mtime())).ok();
        assert_eq!(after, there, "{takes}");
        assert_eq!(fs::read(&secret).unwrap(), b"secret");
    }
}

#[test]
fn what_takes_the_place_of_a_partial_file_is_not_removed_with_it() {
    let mut storing = Storing::new("x", 1);
    let part = storing.scratch.path().join("x.part");
    storing.writer.give(Job::Begin { index: 0, kind: EntryKind::File, path: "x".into() });
    storing.writer.give(Job::Data { offset: 0, bytes: Content(b"abc".to_vec()) });
    storing.writer.give(Job::Lost);
    storing.reports.blocking_recv();
    fs::remove_file(&part).unwrap();
    fs::write(&part, "another").unwrap();
    storing.writer.give(Job::Begin { index: 0, kind: EntryKind::File, path: "x".into() });
    storing.writer.give(Job::End { hash: [7; 32], size: 3 });
    let Some(Report::Done(0, Err(StoreError::Hash(_)))) = storing.reports.blocking_recv() else { panic!() };
    assert_eq!(fs::read(&part).unwrap(), b"another");
}

#[test]
fn a_partial_file_is_readable_by_the_user_alone_until_it_is_whole() {
    let mut storing = Storing::new("x", 1);
    storing.writer.give(Job::Begin { index: 0, kind: EntryKind::File, path: "x".into() });
    storing.writer.give(Job::Data { offset: 0, bytes: Content(b"abc".to_vec()) });
    storing.writer.give(Job::Lost);
    let Some(Report::Have { index: Some(0), offset: 3, .. }) = storing.reports.blocking_recv() else { panic!() };
    let part = fs::metadata(storing.scratch.path().join("x.part")).unwrap();
    assert_eq!((part.permissions().mode() & 0o777, part.len()), (0o600, 3));
    storing.writer.give(Job::End { hash: *blake3::hash(b"abc").as_bytes(), size: 3 });
    assert!(matches!(storing.reports.blocking_recv(), Some(Report::Done(0, Ok(_)))));
    assert_eq!(storing.files(), ["x"]);
}

#[test]
fn of_a_batch_that_ends_early_nothing_unfinished_is_left() {
    for (name, path) in [("x", "x"), ("d", "d/x")] {
        let mut storing = Storing::new(name, if name == "x" { 1 } else { 2 });
        storing.writer.give(Job::Begin { index: 0, kind: EntryKind::File, path: path.into() });
        storing.writer.give(Job::Data { offset: 0, bytes: Content(b"abc".to_vec()) });
        storing.writer.give(Job::Lost);
        storing.reports.blocking_recv();
        let Storing { scratch, writer, mut reports, .. } = storing;
        drop(writer);
        assert!(reports.blocking_recv().is_none());
        assert_eq!(Storing::into(scratch, "other", 1).files(), Vec::<String>::new());
    }
}

#[test]
fn of_a_batch_that_ends_between_its_files_every_reported_one_is_there_and_no_partial_one() {
    for count in [5, 300] {
        let mut storing = Storing::new("d", 1_000);
        for index in 0..count {
            storing.writer.give(Job::Begin { index, kind: EntryKind::File, path: format!("d/{index}") });
            storing.writer.give(Job::Data { offset: 0, bytes: Content(b"abc".to_vec()) });
            storing.writer.give(Job::End { hash: *blake3::hash(b"abc").as_bytes(), size: 3 });
        }
        storing.writer.give(Job::Lost);
        let mut stored = Vec::new();
        let mut hear = |reports: &mut mpsc::Receiver<Report>| {
            let report = reports.blocking_recv();
            if let Some(Report::Done(_, outcome)) = &report {
                stored.push(outcome.as_ref().unwrap().name.clone());
            }
            report
        };
        // All have come, and the last of them wait to be committed with others.
        while !matches!(hear(&mut storing.reports), Some(Report::Have { .. })) {}
        let Storing { scratch, writer, mut reports, .. } = storing;
        drop(writer);
        while hear(&mut reports).is_some() {}
        let files = Storing::into(scratch, "other", 1).files();
        assert!(stored.iter().all(|name| files.contains(name)));
        assert!(files.iter().all(|name| !name.ends_with(".part")), "{files:?}");
    }
}

#[test]
fn a_folder_that_becomes_a_link_meanwhile_leads_nowhere() {
    let mut storing = Storing::new("d", 2);
    let outside = Scratch::new();
    storing.store("d/sub/first", b"x").unwrap();
    let (folder, link) = (storing.scratch.path().join("d/sub"), storing.scratch.path().join("link"));
    symlink(outside.path(), &link).unwrap();
    let stop = AtomicBool::new(false);
    let mut stored = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, &folder, CWD, &link, RenameFlags::EXCHANGE).unwrap();
            }
        });
        for place in 0..1_000 {
            // Away and back, so that the folder is opened anew each time.
            let _ = storing.store(&format!("d/other/{place}"), b"x");
            stored += usize::from(storing.store(&format!("d/sub/{place}"), b"x").is_ok());
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert!(stored > 0);
}

/// A stream that takes so many bytes at a time, between which it is full.
struct Narrow {
    steps: VecDeque<usize>,
    out: Arc<Mutex<Vec<u8>>>,
}

impl Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.steps.pop_front() {
            None | Some(0) => Err(io::ErrorKind::StorageFull.into()),
            Some(most) => {
                let count = most.min(bytes.len());
                self.out.lock().unwrap().extend_from_slice(&bytes[..count]);
                Ok(count)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn nothing_is_written_twice_to_a_stream_that_was_full() {
    for (steps, whole) in [(&[3, 0, 4, 100][..], true), (&[3, 1], false)] {
        let out = Arc::new(Mutex::new(Vec::new()));
        let narrow = Narrow { steps: steps.iter().copied().collect(), out: Arc::clone(&out) };
        let (writer, mut reports) = Writer::start(Target::Out(Box::new(narrow)), ()).unwrap();
        let content = b"a stream of bytes";
        writer.give(Job::Begin { index: 0, kind: EntryKind::File, path: "x".into() });
        writer.give(Job::Data { offset: 0, bytes: Content(content.to_vec()) });
        writer.give(Job::End { hash: *blake3::hash(content).as_bytes(), size: content.len() as u64 });
        assert!(matches!(reports.blocking_recv(), Some(Report::Full)));
        if whole {
            assert!(matches!(reports.blocking_recv(), Some(Report::GoesOn)));
            assert!(matches!(reports.blocking_recv(), Some(Report::Seen(0, 17))));
            assert!(matches!(reports.blocking_recv(), Some(Report::Done(0, Ok(_)))));
        }
        drop(writer);
        while reports.blocking_recv().is_some() {}
        let expected = if whole { &content[..] } else { &content[..4] };
        assert_eq!(*out.lock().unwrap(), expected);
    }
}

#[test]
fn what_takes_the_place_of_a_folder_is_not_sent_in_its_stead() {
    let scratch = Scratch::new();
    let [folder, away, other] = ["folder", "away", "other"].map(|name| scratch.path().join(name));
    for (folder, content) in [(&folder, "seen"), (&other, "never seen")] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("file"), content).unwrap();
    }
    let read = |source: &Source| -> io::Result<String> {
        let mut content = String::new();
        source.root.as_ref().unwrap().open(&source.entries[0])?.read_to_string(&mut content)?;
        Ok(content)
    };
    for path in [folder.clone(), folder.join("file")] {
        let source = Source::find(&path).unwrap();
        fs::rename(&folder, &away).unwrap();
        fs::rename(&other, &folder).unwrap();
        assert_eq!(read(&source).unwrap(), "seen");
        fs::remove_file(away.join("file")).unwrap();
        symlink(folder.join("file"), away.join("file")).unwrap();
        assert!(read(&source).is_err());
        fs::remove_file(away.join("file")).unwrap();
        fs::write(away.join("file"), "seen").unwrap();
        fs::rename(&folder, &other).unwrap();
        fs::rename(&away, &folder).unwrap();
    }
}

#[test]
fn no_folder_is_left_in_which_nothing_was_stored() {
    let mut storing = Storing::new("d", 2);
    storing.store("d/kept/file", b"x").unwrap();
    for path in ["d/a/b/c/file", "d/a/b/file", "d/kept/empty/file", "d/e/file"] {
        storing.store_as(path, b"x", [7; 32], 1).unwrap_err();
    }
    storing.store("d/e/file", b"x").unwrap();
    let Storing { scratch, writer, mut reports, .. } = storing;
    drop(writer);
    assert!(reports.blocking_recv().is_none());
    let folders = ["d", "d/kept", "d/e"].map(|name| fs::read_dir(scratch.path().join(name)).unwrap().count());
    assert_eq!(folders, [2, 1, 1]);
}

/// A stream that stands still until the other end is dropped.
struct Still(Mutex<std::sync::mpsc::Receiver<()>>);

impl Write for Still {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        let _ = self.0.lock().unwrap().recv();
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Memory of this process, in bytes.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    size.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn what_waits_for_the_disk_in_pieces_of_one_byte_needs_little_more_memory_than_its_bytes() {
    const PIECES: u64 = 2_000_000;
    let (end, still) = std::sync::mpsc::channel();
    let (writer, _reports) = Writer::start(Target::Out(Box::new(Still(Mutex::new(still)))), ()).unwrap();
    writer.give(Job::Begin { index: 0, kind: EntryKind::File, path: "x".into() });
    let before = memory();
    (0..PIECES).for_each(|offset| writer.give(Job::Data { offset, bytes: Content(vec![7]) }));
    let grown = memory().saturating_sub(before);
    let waiting = writer.waiting() as u64;
    // The thread has taken a block.
    assert!((PIECES / 2..2 * PIECES).contains(&waiting), "every byte counts, whatever piece it came in: {waiting}");
    // Other tests run beside this one.
    assert!(grown < 64 << 20, "{grown}");
    drop(end);
}
