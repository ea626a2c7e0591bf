#![no_main]
//! A path is refused, or stays below its folder, has nothing that a terminal acts upon, and stays what it is.

use libfuzzer_sys::fuzz_target;
use tete::store::path::{NAME, Rule, SafeName, SafePath};

fuzz_target!(|path: &str| {
    for strict in [false, true] {
        let rule = Rule { strict, longest: NAME };
        let Ok(safe) = SafePath::new(path, rule) else { return };
        assert_eq!(safe.folders().len(), path.matches('/').count());
        for SafeName { safe: name, .. } in safe.names() {
            assert!(!matches!(&**name, "" | "." | "..") && !name.contains(['/', '\0']) && name.len() <= NAME);
            assert!(!name.contains(|c: char| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c)));
            assert!(!strict || !name.contains(['\\', ':', '?']) && !name.ends_with(['.', ' ']));
        }
        let names = |path: &SafePath| path.names().iter().map(|name| name.safe.clone()).collect::<Vec<_>>();
        let again = SafePath::new(&names(&safe).join("/"), rule).expect("a safe path is safe");
        assert_eq!(names(&again), names(&safe));
    }
});
