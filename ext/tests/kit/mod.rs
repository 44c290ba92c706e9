//! A temporary extension directory, and extensions over it.
#![allow(dead_code, reason = "each test file uses its part")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use acs_core::script::ScriptFault;
use ext::{Extensions, ExtensionsConfig};
use serde_json::Value as Json;
use tempfile::TempDir;

/// Long enough for a loaded machine; nothing waits for it unless a test fails.
pub const LONG: Duration = Duration::from_secs(60);

/// Answers each line with `$result`, after the number of the call was put into `$id` and the arguments into `$arguments`.
pub const READ_CALL: &str = r#"
read_call() {
  read -r line || exit 0
  id=$(printf '%s' "$line" | sed 's/^{"id":\([0-9]*\),.*/\1/')
  arguments=$(printf '%s' "$line" | sed 's/^.*"arguments":\(.*\)}$/\1/')
}
answer() { printf '{"id":%s,"result":%s}\n' "$1" "$2"; }
wait_for() { until [ -e "$1" ]; do sleep 0.02; done; }
"#;

pub struct Directory(pub TempDir);

impl Directory {
    pub fn new() -> Directory {
        Directory(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A shell program with the functions of [`READ_CALL`].
    pub fn program(&self, name: &str, body: &str) -> &Directory {
        let path = self.path(name);
        std::fs::write(&path, format!("#!/bin/sh\n{READ_CALL}\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    pub fn file(&self, name: &str, text: &str) -> &Directory {
        std::fs::write(self.path(name), text).unwrap();
        self
    }

    pub fn config(&self) -> ExtensionsConfig {
        let mut config = ExtensionsConfig::new(self.0.path());
        config.timeout = LONG;
        config
    }

    pub fn extensions(&self) -> Extensions {
        Extensions::new(self.config()).unwrap()
    }

    /// The lines of a file that a program appends to.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until a file has so many lines.
    pub async fn wait_for_lines(&self, name: &str, count: usize) -> Vec<String> {
        until(|| self.lines(name).len() >= count).await;
        self.lines(name)
    }
}

pub fn arguments(list: &[&str]) -> Vec<Json> {
    list.iter().map(|text| Json::from(*text)).collect()
}

pub async fn call(extensions: &Extensions, list: &[&str]) -> Result<Json, ScriptFault> {
    extensions.call(arguments(list)).await
}

pub async fn fault(extensions: &Extensions, list: &[&str]) -> (String, String) {
    let fault = call(extensions, list).await.unwrap_err();
    (fault.code, fault.message)
}

/// Waits until something is so, for as long as a loaded machine may need.
pub async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..3000 {
        if is_so() {
            return;
        }
        // The clock of the system, since a test may have stopped that of the runtime.
        tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(20))).await.unwrap();
    }
    panic!("it never became so");
}

/// Whether a process exists and is not just a dead entry in the table.
pub fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    match stat.rsplit_once(") ") {
        Some((_, rest)) => !rest.starts_with(['Z', 'X']),
        None => false,
    }
}
