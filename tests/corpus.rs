//! Replays the fuzzer's corpus: whatever an input once taught stays true, without the fuzzer.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../fuzz/src/lib.rs"]
#[allow(clippy::expect_used)]
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_input_of_the_corpus_keeps_its_targets_promise() {
    let folders = names_in(&corpus());
    let known: BTreeSet<String> = targets::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(folders, known, "one folder per target");
    // Scripts need a large stack.
    sandbox::on_script_thread(|| {
        for (name, check) in targets::TARGETS {
            let folder = corpus().join(name);
            let inputs = names_in(&folder);
            assert!(!inputs.is_empty(), "{name} has no corpus");
            for input in inputs {
                println!("{name}/{input}");
                check(&fs::read(folder.join(input)).unwrap());
            }
        }
    })
    .unwrap();
}

#[test]
fn the_fuzzer_has_the_same_targets() {
    let binaries = names_in(&corpus().join("../fuzz_targets"));
    let expected = targets::TARGETS.iter().map(|(name, _)| format!("{name}.rs")).collect();
    assert_eq!(binaries, expected);
}
