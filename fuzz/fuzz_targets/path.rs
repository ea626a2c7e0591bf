#![no_main]
//! A path is refused, or stays below its folder, can be shown, and stays what it is.

use libfuzzer_sys::fuzz_target;
use tete::printable::{Printable, plain_name};
use tete::store::path::SafePath;

fuzz_target!(|path: &str| {
    let Ok(safe) = SafePath::new(path, plain_name) else { return };
    assert_eq!(safe.folders().len(), path.matches('/').count());
    for name in safe.folders().iter().map(String::as_str).chain([safe.name()]) {
        assert!(!matches!(name, "" | "." | "..") && !name.contains(['/', '\\', '\0']) && name.len() <= 240);
        assert!(!name.starts_with(['.', '-', '~', ' ']) && !name.ends_with(['.', ' ']));
        assert_eq!(Printable::line(name).as_str(), name);
    }
    let again = [safe.folders(), &[safe.name().to_owned()]].concat().join("/");
    assert_eq!(SafePath::new(&again, plain_name), Ok(safe));
});
