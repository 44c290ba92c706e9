//! Any text is a path or a named mistake, and what is printed reads back as the same path.
#![no_main]

use acs_core::path::Path;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(path) = Path::parse(text) {
        assert_eq!(Path::parse(&path.to_string()).as_ref(), Ok(&path));
    }
});
