//! An immutable set of compiled scripts.

use std::collections::HashMap;
use std::sync::Arc;

use acs_core::script::{Outcome, ScriptKind, ScriptRun, ScriptRunner};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::compile::{CompiledScript, ScriptError, compile_here};
use crate::limits::Limits;
use crate::run;
use crate::thread::on_script_thread;

/// One script as it is stored.
#[derive(Debug, Clone)]
pub struct ScriptSource {
    /// Provision or virtual parameter.
    pub kind: ScriptKind,
    /// Its name.
    pub name: Arc<str>,
    /// Its Rhai source.
    pub source: Arc<str>,
}

/// A compiled set of provisions and virtual parameters. A script that does not compile fails when it runs, with
/// `script.SyntaxError`; the others are not affected.
#[derive(Debug, Default)]
pub struct Scripts {
    entries: HashMap<Key, Arc<Entry>>,
    limits: Limits,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key(ScriptKind, Arc<str>);

#[derive(Debug)]
struct Entry {
    hash: [u8; 32],
    script: Result<CompiledScript, ScriptError>,
}

impl Scripts {
    /// A set without scripts, to be the first `previous` of [`build`](Scripts::build) when limits are configured.
    pub fn empty(limits: Limits) -> Scripts {
        Scripts { entries: HashMap::new(), limits }
    }

    /// Compiles a set. Scripts that are unchanged since `previous` are taken from it, and its limits; without it, the
    /// [default limits](Limits::default) hold. Of two scripts of one kind and name the later counts.
    pub fn build(sources: impl IntoIterator<Item = ScriptSource>, previous: Option<&Scripts>) -> Scripts {
        let limits = previous.map(|set| set.limits.clone()).unwrap_or_default();
        let mut entries = HashMap::new();
        let mut changed = Vec::new();
        for ScriptSource { kind, name, source } in sources {
            let hash: [u8; 32] = Sha256::digest(source.as_bytes()).into();
            let key = Key(kind, name.clone());
            match previous.and_then(|set| set.entries.get(&key)).filter(|entry| entry.hash == hash) {
                Some(entry) => {
                    entries.insert(key, entry.clone());
                }
                None => changed.push((key, name, source, hash)),
            }
        }
        let compile_all = || {
            let compile = |(key, name, source, hash): &(Key, Arc<str>, Arc<str>, [u8; 32])| {
                let entry = Entry { hash: *hash, script: compile_here(name, source, &limits) };
                (Key(key.0, key.1.clone()), Arc::new(entry))
            };
            changed.iter().map(compile).collect::<Vec<_>>()
        };
        match on_script_thread(compile_all) {
            Ok(compiled) => entries.extend(compiled),
            Err(error) => entries.extend(changed.into_iter().map(|(key, script, _, _)| {
                // No hash, so that the next build tries again.
                let message = format!("no thread for the compiler: {error}");
                let broken = ScriptError { script, line: 0, column: 0, message };
                (key, Arc::new(Entry { hash: [0; 32], script: Err(broken) }))
            })),
        }
        Scripts { entries, limits }
    }

    /// Whether there is such a script, broken or not.
    pub fn contains(&self, kind: ScriptKind, name: &str) -> bool {
        self.entry(kind, name).is_some()
    }

    /// The names of all scripts of a kind, broken ones included, in alphabetical order.
    pub fn names(&self, kind: ScriptKind) -> Vec<Arc<str>> {
        let mut names: Vec<_> = self.entries.keys().filter(|key| key.0 == kind).map(|key| key.1.clone()).collect();
        names.sort();
        names
    }

    /// The scripts that do not compile, in alphabetical order.
    pub fn broken(&self) -> Vec<(ScriptKind, &ScriptError)> {
        let mut list: Vec<_> = self
            .entries
            .iter()
            .filter_map(|(key, entry)| entry.script.as_ref().err().map(|error| (key.0, error)))
            .collect();
        list.sort_by(|left, right| left.1.script.cmp(&right.1.script));
        list
    }

    fn entry(&self, kind: ScriptKind, name: &str) -> Option<&Arc<Entry>> {
        self.entries.get(&Key(kind, name.into()))
    }
}

impl ScriptRunner for Scripts {
    /// Safe on any thread; without an extra one on those marked by [`mark_script_thread`](crate::mark_script_thread).
    fn run(&self, kind: ScriptKind, name: &str, run: ScriptRun) -> (ScriptRun, Option<Outcome>) {
        let Some(entry) = self.entry(kind, name) else {
            return (run, None);
        };
        let script = match &entry.script {
            Ok(script) => script,
            Err(error) => return (run, Some(Outcome::Failed(error.to_problem().into_fault(name)))),
        };
        // The run must come back even if no thread can be started.
        let slot = Mutex::new(Some(run));
        let executed = on_script_thread(|| {
            let run = slot.lock().take()?;
            Some(run::execute(script, kind, run, &self.limits))
        });
        match (executed, slot.into_inner()) {
            (Ok(Some((run, outcome))), _) => (run, Some(outcome)),
            (Err(error), Some(run)) => (run, Some(Outcome::Failed(run::no_thread(script, &error)))),
            // Either the work ran and took the run, or it did not and left it.
            (Ok(None), _) | (Err(_), None) => unreachable!("the run is in the slot until the work starts"),
        }
    }
}
