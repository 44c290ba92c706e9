//! From an extension's name to the file that it stands for. The configuration's endpoints are not looked up here.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use acs_core::script::ScriptFault;

use crate::fault;

/// Longer names are no file names on any system.
const MAX_NAME: usize = 200;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// An executable file that speaks JSON lines.
    Program { file: PathBuf, version: Version },
    /// A CommonJS module.
    Module { file: PathBuf, version: Version },
}

/// Tells that a file was replaced or edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

/// Refuses everything but a plain file name, so that a script cannot leave the directory.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    let is_bad = |character: char| matches!(character, '/' | '\\' | ':') || character.is_control();
    if name.is_empty() {
        Err("the name is empty")
    } else if name.len() > MAX_NAME {
        Err("the name is too long")
    } else if name.starts_with('.') || name.contains("..") || name.contains(is_bad) {
        Err("the name must be a plain file name")
    } else {
        Ok(())
    }
}

/// Finds the program `<name>` or the module `<name>.js` in the directory. The name has passed [`check_name`].
pub(crate) fn find(directory: &Path, name: &str) -> Result<Target, ScriptFault> {
    let file = directory.join(name);
    if let Some(found) = regular_file(&file) {
        let version = Version::of(&found);
        if name.ends_with(".js") {
            return Ok(Target::Module { file, version });
        }
        if found.mode() & 0o111 == 0 {
            return Err(fault::of(name, "its file is not executable"));
        }
        return Ok(Target::Program { file, version });
    }
    let file = directory.join(format!("{name}.js"));
    if let Some(found) = regular_file(&file) {
        return Ok(Target::Module { file, version: Version::of(&found) });
    }
    let missing = format_args!(
        "there is none: no endpoint of that name is configured, and the extension directory has neither '{name}' nor '{name}.js'"
    );
    Err(fault::of(name, missing))
}

impl Version {
    fn of(metadata: &Metadata) -> Version {
        Version { inode: metadata.ino(), length: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }
}

fn regular_file(path: &Path) -> Option<Metadata> {
    std::fs::metadata(path).ok().filter(Metadata::is_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_plain_file_name() {
        for name in ["lookup-customer", "cpe_creds", "a.b", "x.js", "Größe", "with space"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        let long = "n".repeat(201);
        for name in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "../x",
            "a/../../x",
            "/etc/passwd",
            "a\\b",
            "a..b",
            "c:x",
            "a\0b",
            "a\nb",
            &long,
        ] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }
}
