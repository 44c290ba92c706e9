//! Any text is an envelope or a named mistake.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &str| {
    let _ = cwmp::soap::parse(body);
});
