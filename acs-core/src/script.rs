//! The contract between the session and what runs scripts.
//!
//! A script runs from its first line each time. [`ScriptRun`] is its world: it records declarations, answers reads as of the
//! script's revision, and says when the script must stop and wait. Runners ([`ScriptRunner`]) are the Rhai sandbox and the
//! built-in provisions. Not here: any script language.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::clock::{self, ClockError};
use crate::declaration::{Declaration, Freshness, InstanceCount, MAX_INSTANCES, Named, Origin, Wanted};
use crate::path::{Path, PathError, Segment};
use crate::random::Random;
use crate::rpc::AcsRequest;
use crate::starstate::{Ask, StarStateCall, StarStateReport};
use crate::tree::{ClearAttributes, DeviceTree, NodeId, StoredAttributes};
use crate::value::{TypedValue, Value, XsdType};

/// More declarations in one run than this fault the script.
pub const MAX_DECLARATIONS: usize = 10_000;

/// A stopped script waits for the session; its runner must not execute another statement of it, whatever it catches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspended;

/// Why a host function did not return.
#[derive(Debug, Clone, PartialEq)]
pub enum Interrupt {
    /// Stop the script; it runs again from the top when the session has what it needs.
    Suspended,
    /// The call was wrong; the script may not go on.
    Error(HostError),
}

impl From<Suspended> for Interrupt {
    fn from(_: Suspended) -> Self {
        Interrupt::Suspended
    }
}

impl<E: Into<HostError>> From<E> for Interrupt {
    fn from(error: E) -> Self {
        Interrupt::Error(error.into())
    }
}

/// A wrong call of a host function.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HostError {
    /// The path does not parse.
    #[error(transparent)]
    Path(#[from] PathError),
    /// `now()` was asked for something impossible.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// An instance count that is too high to be meant.
    #[error(
        "{path}: {count} instances wanted, at most {MAX_INSTANCES} are allowed (a time belongs into the second argument)"
    )]
    TooManyInstances {
        /// The declared path.
        path: String,
        /// What was asked for.
        count: i64,
    },
    /// An instance count on a path whose last segment cannot be counted.
    #[error("{path}: an instance count needs a path that ends in '*', an alias, or (to delete) an instance")]
    NotCountable {
        /// The declared path.
        path: String,
    },
    /// Too many declarations in one run.
    #[error("more than {MAX_DECLARATIONS} declarations in one run")]
    TooManyDeclarations,
    /// An argument of the wrong kind.
    #[error("{0}")]
    Argument(String),
    /// The extension failed.
    #[error("{message}")]
    Extension {
        /// `ext`, `ext.<name>` or `timeout`.
        code: String,
        /// What it says.
        message: String,
        /// More, when there is more.
        detail: Option<Json>,
    },
}

/// What one run of a script came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It ran to its end. The value is what it returned (virtual parameters), `null` for nothing.
    Finished(Json),
    /// It waits at a commit, explicit or implied by a read.
    Suspended,
    /// It waits for the extension calls in [`ScriptRun::wanted_extensions`].
    WaitingForExtension,
    /// It failed.
    Failed(ScriptFault),
}

/// A script's failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScriptFault {
    /// `script`, `script.<kind>`, `ext`, `ext.<name>`, `timeout`.
    pub code: String,
    /// What is wrong, with script name, line and column.
    pub message: String,
    /// `{name, message, script, line, column, …}`.
    pub detail: Option<Json>,
}

/// Runs provisions and virtual parameters by name.
pub trait ScriptRunner: Send + Sync {
    /// Runs a script once, from its first line. Gives the run back with what the script did. `None`: no such script.
    fn run(&self, kind: ScriptKind, name: &str, run: ScriptRun) -> (ScriptRun, Option<Outcome>);
}

/// The two kinds of scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ScriptKind {
    /// Selected by presets and tasks.
    Provision,
    /// Selected by declarations on `VirtualParameters`.
    VirtualParameter,
}

/// What is the same for all scripts of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionFacts {
    /// The device's ID.
    pub device_id: String,
    /// When the session's Inform arrived, in milliseconds since the Unix epoch. "Now" for the whole session.
    pub timestamp: i64,
}

/// A result of `declare()`: its number within the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Handle(pub u32);

/// One node that a declaration matched, with the attributes that it named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// Without a trailing dot.
    pub path: Arc<str>,
    /// Named and known.
    pub value: Option<TypedValue>,
    /// Named and known.
    pub object: Option<bool>,
    /// Named and known.
    pub writable: Option<bool>,
    /// Named and known.
    pub notification: Option<u8>,
    /// Named and known.
    pub access_list: Option<Vec<String>>,
}

/// What a declaration matched as of a revision, in order.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Matches {
    /// The matches.
    pub list: Vec<Match>,
    /// The value to show when nothing matches: an unset tag is `false`, not absent.
    pub absent_value: Option<TypedValue>,
}

/// A `clear()`, to be done before the declarations made with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Clear {
    /// What to forget.
    pub path: Path,
    /// What is older.
    pub timestamp: i64,
    /// Only these attributes, when any is above 0.
    pub attributes: ClearAttributes,
}

/// A `log()`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// The provision.
    pub provision: Arc<str>,
    /// The text.
    pub message: String,
    /// Further fields, or null.
    pub meta: Json,
}

/// An extension call that a script waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExtensionCall {
    /// Which extension, then its arguments.
    pub arguments: Vec<Json>,
}

/// Results by handle and revision.
type Reads = HashMap<(u32, u32), Arc<Matches>>;

/// What a run must remember from one execution to the next, so that the next sees before each commit what this one saw.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Memory {
    /// How many commits the session has satisfied.
    pub revision: u32,
    /// What each result was at each revision at which it was read.
    #[serde(with = "journal")]
    reads: Reads,
    /// Extension results by revision and arguments.
    extensions: Vec<(u32, Vec<Json>, Result<Json, ScriptFault>)>,
    /// How many log entries were already given out.
    logged: usize,
}

/// One execution of a script: what it sees and what it does.
#[derive(Debug)]
pub struct ScriptRun {
    name: Arc<str>,
    presets: Arc<str>,
    arguments: Arc<[Json]>,
    facts: Arc<SessionFacts>,
    tree: Arc<DeviceTree>,
    memory: Memory,
    commits: u32,
    handles: Vec<(Path, Named)>,
    declarations: Vec<Declaration>,
    clears: Vec<Clear>,
    uncommitted: bool,
    logs: Vec<LogEntry>,
    log_calls: usize,
    random: Random,
    wanted_extensions: Vec<ExtensionCall>,
    requests: Vec<AcsRequest>,
}

/// What a finished or suspended run hands to the session.
#[derive(Debug)]
pub struct RunRecord {
    /// Declarations since the last satisfied commit.
    pub declarations: Vec<Declaration>,
    /// Clears since the last satisfied commit.
    pub clears: Vec<Clear>,
    /// Log entries not given out before.
    pub logs: Vec<LogEntry>,
    /// Extension calls to make, when the outcome says so.
    pub extensions: Vec<ExtensionCall>,
    /// Requests to send as they are.
    pub requests: Vec<AcsRequest>,
    /// For the next run.
    pub memory: Memory,
}

impl ScriptRun {
    /// Prepares an execution.
    pub fn new(
        name: Arc<str>,
        presets: Arc<str>,
        arguments: Arc<[Json]>,
        facts: Arc<SessionFacts>,
        tree: Arc<DeviceTree>,
        memory: Memory,
    ) -> ScriptRun {
        let random = Random::new(&facts.device_id);
        ScriptRun {
            name,
            presets,
            arguments,
            facts,
            tree,
            memory,
            commits: 0,
            handles: Vec::new(),
            declarations: Vec::new(),
            clears: Vec::new(),
            uncommitted: false,
            logs: Vec::new(),
            log_calls: 0,
            random,
            wanted_extensions: Vec::new(),
            requests: Vec::new(),
        }
    }

    /// Has a request sent as it is. For provisions that run to their end at once: one that runs again would ask again.
    pub fn request(&mut self, request: AcsRequest) {
        self.requests.push(request);
    }

    /// Ends the execution.
    pub fn into_record(mut self) -> RunRecord {
        self.memory.logged = self.memory.logged.max(self.log_calls);
        RunRecord {
            declarations: self.declarations,
            clears: self.clears,
            logs: self.logs,
            extensions: self.wanted_extensions,
            requests: self.requests,
            memory: self.memory,
        }
    }

    /// The script's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The script's `args`.
    pub fn arguments(&self) -> &Arc<[Json]> {
        &self.arguments
    }

    /// The session's facts.
    pub fn facts(&self) -> &SessionFacts {
        &self.facts
    }

    /// The tree as it is before this execution; for built-in provisions that count what exists.
    pub fn tree(&self) -> &DeviceTree {
        &self.tree
    }

    /// `declare(path, freshness, wanted)`. `line` and `column` say where; 0 in built-ins.
    pub fn declare(
        &mut self,
        path: &str,
        fresh: Freshness,
        wanted: Wanted,
        named: Named,
        line: u32,
        column: u32,
    ) -> Result<Handle, HostError> {
        let path = Path::parse(path)?;
        self.declare_path(path, fresh, wanted, named, line, column)
    }

    /// Like [`Self::declare`], with a parsed path.
    pub fn declare_path(
        &mut self,
        path: Path,
        fresh: Freshness,
        wanted: Wanted,
        named: Named,
        line: u32,
        column: u32,
    ) -> Result<Handle, HostError> {
        if self.declarations.len() >= MAX_DECLARATIONS || self.handles.len() >= MAX_DECLARATIONS {
            return Err(HostError::TooManyDeclarations);
        }
        if let Some(count) = wanted.instances {
            check_countable(&path, count)?;
        }
        let handle = Handle(self.handles.len() as u32);
        let mut fresh = fresh.clamped(self.facts.timestamp);
        fresh.path = fresh.path.max(1);
        if wanted.value.is_some() {
            fresh.value = fresh.value.max(1);
        }
        if wanted.notification.is_some() {
            fresh.notification = fresh.notification.max(1);
        }
        if wanted.access_list.is_some() {
            fresh.access_list = fresh.access_list.max(1);
        }
        self.handles.push((path.clone(), named));
        if self.is_newest() {
            let origin = Origin { provision: self.name.clone(), presets: self.presets.clone(), line, column };
            self.declarations.push(Declaration { path, fresh, wanted, origin });
        }
        self.uncommitted = true;
        Ok(handle)
    }

    /// What a declaration matched. Commits first when anything was declared since the last commit.
    pub fn read(&mut self, handle: Handle) -> Result<Arc<Matches>, Suspended> {
        if self.uncommitted {
            self.commit()?;
        }
        let key = (handle.0, self.commits);
        if let Some(known) = self.memory.reads.get(&key) {
            return Ok(known.clone());
        }
        let Some((path, named)) = self.handles.get(handle.0 as usize) else {
            return Ok(Arc::new(Matches::default()));
        };
        let matches = Arc::new(resolve(&self.tree, path, *named));
        self.memory.reads.insert(key, matches.clone());
        Ok(matches)
    }

    /// `commit()`: goes on when the session has satisfied it before, else stops the script.
    pub fn commit(&mut self) -> Result<(), Suspended> {
        if self.commits >= self.memory.revision {
            return Err(Suspended);
        }
        self.commits += 1;
        self.uncommitted = false;
        Ok(())
    }

    /// `clear(path, timestamp, attributes)`.
    pub fn clear(&mut self, path: &str, timestamp: i64, attributes: ClearAttributes) -> Result<(), HostError> {
        let path = Path::parse(path)?;
        if self.clears.len() >= MAX_DECLARATIONS {
            return Err(HostError::TooManyDeclarations);
        }
        if self.is_newest() {
            let timestamp = timestamp.min(self.facts.timestamp);
            self.clears.push(Clear { path, timestamp, attributes });
        }
        self.uncommitted = true;
        Ok(())
    }

    /// `ext(name, …)`: the known result, or stops the script until it is known.
    pub fn extension(&mut self, arguments: Vec<Json>) -> Result<Json, Interrupt> {
        let known =
            self.memory.extensions.iter().find(|(revision, known, _)| *revision == self.commits && *known == arguments);
        match known {
            Some((_, _, Ok(result))) => Ok(result.clone()),
            Some((_, _, Err(fault))) => Err(Interrupt::Error(HostError::Extension {
                code: fault.code.clone(),
                message: fault.message.clone(),
                detail: fault.detail.clone(),
            })),
            None => {
                self.wanted_extensions.push(ExtensionCall { arguments });
                Err(Interrupt::Suspended)
            }
        }
    }

    /// `starstate(document, options)`: how far the document is on the device's router, once that is known; it is put on its way if
    /// need be. A document that failed fails the script.
    pub fn starstate(&mut self, document: Json, options: Json) -> Result<Json, Interrupt> {
        let (device, at) = (self.facts.device_id.clone(), self.facts.timestamp);
        let call = StarStateCall { device, at, remote_address: String::new(), ask: Ask::Ensure { document, options } };
        let report = self.extension(call.into_call().arguments)?;
        match serde_json::from_value::<StarStateReport>(report.clone()) {
            Ok(StarStateReport { fault: Some(fault), .. }) => Err(Interrupt::Error(HostError::Extension {
                code: fault.code,
                message: fault.message,
                detail: fault.detail,
            })),
            Ok(_) => Ok(report),
            Err(error) => Err(HostError::Argument(format!("starstate: no report came: {error}")).into()),
        }
    }

    /// Extension calls that this execution waits for.
    pub fn wanted_extensions(&self) -> &[ExtensionCall] {
        &self.wanted_extensions
    }

    /// `log(message, meta)`: given out once, however often the script runs again.
    pub fn log(&mut self, message: String, meta: Json) {
        self.log_calls += 1;
        if self.log_calls > self.memory.logged {
            self.logs.push(LogEntry { provision: self.name.clone(), message, meta });
        }
    }

    /// `now()`: the session's timestamp.
    pub fn now(&self) -> i64 {
        self.facts.timestamp
    }

    /// `now(interval, spread)`.
    pub fn now_interval(&self, interval: i64, spread: i64) -> Result<i64, HostError> {
        Ok(clock::now_interval(self.facts.timestamp, &self.facts.device_id, interval, spread)?)
    }

    /// `now("cron", spread)`.
    pub fn now_cron(&self, expression: &str, spread: i64) -> Result<i64, HostError> {
        Ok(clock::now_cron(self.facts.timestamp, &self.facts.device_id, expression, spread)?)
    }

    /// `random()`.
    pub fn random(&mut self) -> f64 {
        self.random.next_number()
    }

    /// `random_seed(text)`: starts another sequence.
    pub fn seed_random(&mut self, seed: &str) {
        self.random = Random::new(seed);
    }

    /// Whether the script is past its last satisfied commit, so that what it declares is new.
    fn is_newest(&self) -> bool {
        self.commits == self.memory.revision
    }
}

impl Memory {
    /// Lets the next execution pass one more commit.
    pub fn advance(&mut self) {
        self.revision += 1;
    }

    /// Makes an extension's result known at the newest revision.
    pub fn set_extension_result(&mut self, arguments: Vec<Json>, result: Result<Json, ScriptFault>) {
        self.extensions.push((self.revision, arguments, result));
    }
}

fn check_countable(path: &Path, count: InstanceCount) -> Result<(), HostError> {
    let most = if count.max == u32::MAX { count.min } else { count.min.max(count.max) };
    if most > MAX_INSTANCES {
        return Err(HostError::TooManyInstances { path: path.to_string(), count: i64::from(most) });
    }
    match path.segments().last() {
        Some(Segment::Wildcard | Segment::Alias(_)) => Ok(()),
        Some(Segment::Name(_)) if path.segments().len() > 1 => Ok(()),
        _ => Err(HostError::NotCountable { path: path.to_string() }),
    }
}

fn resolve(tree: &DeviceTree, path: &Path, named: Named) -> Matches {
    let list = tree.matches(path).into_iter().map(|id| resolve_one(tree, id, named)).collect();
    let is_tag = path.first_name() == Some("Tags") && path.segments().len() == 2 && path.is_concrete();
    let absent_value = (is_tag && named.value).then_some(TypedValue(Value::Bool(false), XsdType::Boolean));
    Matches { list, absent_value }
}

fn resolve_one(tree: &DeviceTree, id: NodeId, named: Named) -> Match {
    let node = tree.node(id);
    let attributes = node.attributes.as_ref();
    let attribute = |of: fn(&StoredAttributes) -> u8| attributes.map(of);
    Match {
        path: tree.path_text(id).into(),
        value: if named.value { node.typed_value().cloned() } else { None },
        object: named.object.then_some(node.object),
        writable: if named.writable { node.writable } else { None },
        notification: if named.notification { attribute(|a| a.notification) } else { None },
        access_list: if named.access_list { attributes.map(|a| a.access_list.clone()) } else { None },
    }
}

/// JSON has no tuple keys, so the journal is written as a list.
mod journal {
    use super::*;
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(reads: &Reads, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list: Vec<_> = reads.iter().collect();
        list.sort_by_key(|(key, _)| **key);
        serializer.collect_seq(list)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Reads, D::Error> {
        Ok(Vec::<((u32, u32), Arc<Matches>)>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn run(tree: &Arc<DeviceTree>, memory: Memory) -> ScriptRun {
        let facts = SessionFacts { device_id: "001122-PC-SN1".into(), timestamp: 1_000 };
        ScriptRun::new("p".into(), "".into(), Arc::new([]), Arc::new(facts), tree.clone(), memory)
    }

    fn value_of(run: &mut ScriptRun) -> Result<Option<Value>, Suspended> {
        let fresh = Freshness { value: 1, ..Default::default() };
        let named = Named { value: true, ..Default::default() };
        let handle = run.declare("A.B", fresh, Wanted::default(), named, 1, 1).unwrap();
        Ok(run.read(handle)?.list.first().and_then(|m| m.value.clone()).map(|v| v.0))
    }

    #[test]
    fn reads_before_a_commit_are_stable_across_runs() {
        let mut tree = DeviceTree::new();
        let id = tree.ensure("A.B");
        tree.set_read_value(id, TypedValue::string("old"), 5);
        let tree = Arc::new(tree);

        let mut first = run(&tree, Memory::default());
        assert_eq!(value_of(&mut first), Err(Suspended));
        let mut record = first.into_record();
        assert_eq!(record.declarations.len(), 1);

        record.memory.advance();
        let mut second = run(&tree, record.memory);
        assert_eq!(value_of(&mut second), Ok(Some("old".into())));
        assert_eq!(second.commit(), Err(Suspended));
        let mut record = second.into_record();
        assert!(record.declarations.is_empty());

        let mut changed = (*tree).clone();
        changed.set_read_value(id, TypedValue::string("new"), 6);
        record.memory.advance();
        let mut third = run(&Arc::new(changed), record.memory);
        assert_eq!(value_of(&mut third), Ok(Some("old".into())), "before the commit it sees what it saw");
        third.commit().unwrap();
        assert_eq!(third.read(Handle(0)).unwrap().list[0].value, Some(TypedValue::string("new")));
    }

    #[test]
    fn logs_are_given_out_once() {
        let tree = Arc::new(DeviceTree::new());
        let mut first = run(&tree, Memory::default());
        first.log("a".into(), Json::Null);
        let record = first.into_record();
        assert_eq!(record.logs.len(), 1);
        let mut second = run(&tree, record.memory);
        second.log("a".into(), Json::Null);
        second.log("b".into(), Json::Null);
        assert_eq!(second.into_record().logs.iter().map(|l| l.message.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn an_extension_result_is_known_at_its_revision() {
        let tree = Arc::new(DeviceTree::new());
        let call = vec![Json::from("lookup"), Json::from(1)];
        let mut first = run(&tree, Memory::default());
        assert_eq!(first.extension(call.clone()), Err(Interrupt::Suspended));
        let mut record = first.into_record();
        assert_eq!(record.extensions, [ExtensionCall { arguments: call.clone() }]);
        record.memory.set_extension_result(call.clone(), Ok(Json::from("x")));
        assert_eq!(run(&tree, record.memory).extension(call), Ok(Json::from("x")));
    }

    #[test]
    fn counts_are_checked_where_they_are_declared() {
        let tree = Arc::new(DeviceTree::new());
        let mut run = run(&tree, Memory::default());
        let mut declare = |path: &str, count: u32| {
            let wanted = Wanted { instances: Some(InstanceCount::exactly(count)), ..Default::default() };
            run.declare(path, Freshness::default(), wanted, Named::default(), 1, 1).map(|_| ())
        };
        assert!(declare("A.*", 1_000).is_ok());
        assert!(declare("A.1", 0).is_ok());
        assert!(matches!(declare("A.*", 1_001), Err(HostError::TooManyInstances { .. })));
        assert!(matches!(declare("A.**", 1), Err(HostError::NotCountable { .. })));
    }

    #[test]
    fn memory_survives_serialisation() {
        let mut memory = Memory { revision: 2, ..Default::default() };
        memory.reads.insert((0, 1), Arc::new(Matches::default()));
        memory.set_extension_result(vec![Json::from("a")], Ok(Json::Null));
        let text = serde_json::to_string(&memory).unwrap();
        assert_eq!(serde_json::from_str::<Memory>(&text).unwrap(), memory);
    }
}
