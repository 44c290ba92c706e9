#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lodestar_fuzz::starstate_document(data));
