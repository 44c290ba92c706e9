//! The built-in provisions.
//!
//! | call | what it declares |
//! | --- | --- |
//! | `refresh(path[, seconds[, children, attribute, …]])` | knowledge of the path, and of all below it, at most so many seconds old (default 1, 0 is "now"); with `children`, only the named attributes, and what is below only if it is true |
//! | `value(path, value)` | the value |
//! | `value(path, attribute, value[, type])` | `value`, `notification` (0 to 6) or `accessList` (names separated by commas) |
//! | `tag(name, value)` | the tag: true sets it, false removes it, other text is its content |
//! | `reboot()`, `reset()` | a restart, a factory reset, each time it runs |
//! | `download(fileType, fileName[, targetFileName])` | a download, each time it runs |
//! | `upload(fileType, fileName)` | an upload, each time it runs |
//! | `scheduleDownload(fileType, fileName, targetFileName, start, end, mode, message, retries, …)` | a download within one or two time windows of five arguments each, each time it runs |
//! | `scheduleInform(seconds)` | an Inform in so many seconds, each time it runs |
//! | `changeDUState(operation, …)` | operations on deployment units, each an object as tasks have it |
//! | `rpc(request)` | a request as it is; for tasks |
//! | `starstate(document[, options])` | that the router is what the StarState document says, which a job of its own sees to; the document's name, or it itself |
//! | `instances(path, count)` | exactly so many instances; `"+1"` and `"-1"` are relative to how many there are when it starts |
//!
//! Wrong arguments fail with `script.Error`, "Invalid arguments". Built-ins run again from their start in each round, like
//! scripts; nothing that they declare depends on how often.

mod arguments;
#[cfg(test)]
mod tests;

use acs_core::declaration::{Freshness, InstanceCount, Named, Wanted};
use acs_core::path::{Alias, Path, Segment};
use acs_core::rpc::AcsRequest;
use acs_core::script::{
    Handle, HostError, Interrupt, Outcome, ScriptFault, ScriptKind, ScriptRun, ScriptRunner, Suspended,
};
use acs_core::value::{Value, XsdType};
use serde_json::{Value as Json, json};

use arguments::Arguments;

/// Runs the built-in provisions. Has no scripts of other kinds or names.
#[derive(Debug, Clone, Copy, Default)]
pub struct Builtins;

/// The names of the built-in provisions. A stored script of the same name goes before.
pub const BUILTIN_NAMES: [&str; 13] = [
    "refresh",
    "value",
    "tag",
    "reboot",
    "reset",
    "download",
    "upload",
    "scheduleDownload",
    "scheduleInform",
    "changeDUState",
    "rpc",
    "instances",
    "starstate",
];

/// Whether a provision is built in.
pub fn is_builtin(name: &str) -> bool {
    BUILTIN_NAMES.contains(&name)
}

impl ScriptRunner for Builtins {
    fn run(&self, kind: ScriptKind, name: &str, mut run: ScriptRun) -> (ScriptRun, Option<Outcome>) {
        if kind != ScriptKind::Provision {
            return (run, None);
        }
        let list = run.arguments().clone();
        let arguments = Arguments(&list);
        let result = match name {
            "refresh" => refresh(&mut run, arguments),
            "value" => value(&mut run, arguments),
            "tag" => tag(&mut run, arguments),
            "reboot" => command(&mut run, arguments, "Reboot"),
            "reset" => command(&mut run, arguments, "FactoryReset"),
            "download" => download(&mut run, arguments),
            "upload" => upload(&mut run, arguments),
            "scheduleDownload" => schedule_download(&mut run, arguments),
            "scheduleInform" => schedule_inform(&mut run, arguments),
            "changeDUState" => change_du_state(&mut run, arguments),
            "rpc" => rpc(&mut run, arguments),
            "instances" => instances(&mut run, arguments),
            "starstate" => starstate(&mut run, arguments),
            _ => return (run, None),
        };
        let outcome = match result {
            Ok(()) => Outcome::Finished(serde_json::Value::Null),
            Err(Stop::Suspended) => Outcome::Suspended,
            Err(Stop::WaitsForExtension) => Outcome::WaitingForExtension,
            Err(Stop::Failed(error)) => Outcome::Failed(error.into_fault(name)),
        };
        (run, Some(outcome))
    }
}

/// Why a built-in did not finish.
#[derive(Debug)]
enum Stop {
    Suspended,
    WaitsForExtension,
    Failed(BuiltinError),
}

/// Why a built-in failed.
#[derive(Debug, thiserror::Error)]
enum BuiltinError {
    #[error("Invalid arguments: {0}")]
    Arguments(String),
    #[error(transparent)]
    Host(#[from] HostError),
}

impl From<Suspended> for Stop {
    fn from(_: Suspended) -> Stop {
        Stop::Suspended
    }
}

impl<E: Into<BuiltinError>> From<E> for Stop {
    fn from(error: E) -> Stop {
        Stop::Failed(error.into())
    }
}

impl BuiltinError {
    fn into_fault(self, name: &str) -> ScriptFault {
        let message = self.to_string();
        let message = format!("{name}: {message}");
        if let BuiltinError::Host(HostError::Extension { code, detail, .. }) = self {
            return ScriptFault { code, message, detail };
        }
        let detail = json!({ "name": "Error", "message": self.to_string(), "script": name });
        ScriptFault { code: "script.Error".to_owned(), message, detail: Some(detail) }
    }
}

fn refresh(run: &mut ScriptRun, arguments: Arguments<'_>) -> Result<(), Stop> {
    arguments.count("a path, optionally seconds, whether to include what is below, attributes", 1..)?;
    let path = arguments.path(0)?;
    let interval = arguments.milliseconds(1, 1_000)?;
    let time = if interval == 0 { run.now() } else { run.now_interval(interval, interval)? };
    let (children, fresh) = if arguments.is_given(2) {
        (arguments.flag(2)?, arguments.freshness(3, time)?)
    } else {
        (true, Freshness { path: time, value: time, object: 1, writable: 1, ..Freshness::default() })
    };
    declare(run, path.clone(), fresh, Wanted::default())?;
    if children {
        declare(run, path.child(Segment::AnyDepth), fresh, Wanted::default())?;
    }
    Ok(())
}

fn value(run: &mut ScriptRun, arguments: Arguments<'_>) -> Result<(), Stop> {
    arguments
        .count("a path and a value, or a path, an attribute and a value, and the value's type if need be", 2..=4)?;
    let path = arguments.path(0)?;
    let attribute = if arguments.len() == 2 { "value" } else { arguments.text(1, "an attribute")? };
    let at = arguments.len().min(3) - 1;
    let mut wanted = Wanted::default();
    match attribute {
        "value" => {
            let xsd_type =
                if arguments.is_given(3) { Some(XsdType::parse(arguments.text(3, "a type")?)) } else { None };
            wanted.value = Some((arguments.value(at)?, xsd_type));
        }
        _ if arguments.len() == 4 => return Err(arguments.wrong(3, "absent, since only a value has a type")),
        "notification" => wanted.notification = Some(arguments.notification(at)?),
        "accessList" => wanted.access_list = Some(arguments.names(at)?),
        _ => return Err(arguments.wrong(1, "value, notification or accessList")),
    }
    declare(run, path, Freshness::default(), wanted)?;
    Ok(())
}

fn tag(run: &mut ScriptRun, arguments: Arguments<'_>) -> Result<(), Stop> {
    arguments.count("a tag's name and a value", 2..=2)?;
    let name = arguments.text(0, "a tag's name")?;
    let path = Path::parse(&format!("Tags.{name}")).map_err(HostError::from)?;
    if !path.is_concrete() {
        // One typing error shall not remove all tags.
        return Err(arguments.wrong(0, "the name of one tag"));
    }
    let wanted = Wanted { value: Some((arguments.tag_value(1)?, None)), ..Wanted::default() };
    declare(run, path, Freshness::default(), wanted)?;
    Ok(())
}

fn command(run: &mut ScriptRun, arguments: Arguments<'_>, root: &str) -> Result<(), Stop> {
    arguments.count("none", 0..=0)?;
    declare_now(run, named(root))
}

fn download(run: &mut ScriptRun, arguments: Arguments<'_>) -> Result<(), Stop> {
    arguments.count("a file type, a file name, optionally a target file name", 2..=3)?;
    let target = if arguments.is_given(2) { arguments.text(2, "a target file name")? } else { "" };
    let fields = vec![
        ("FileName", arguments.text(1, "a file name")?.to_owned()),
        ("FileType", arguments.text(0, "a file type")?.to_owned()),
        ("TargetFileName", target.to_owned()),
    ];
    entry(run, "Downloads", "Download", fields)
}

fn upload(run: &mut ScriptRun, arguments: Arguments<'_>) -> Result<(), Stop> {
    arguments.count("a file type, a file name", 2..=2)?;
    let fields = vec![
        ("FileName", arguments.text(1, "a file name")?.to_owned()),
        ("FileType", arguments.text(0, "a file type")?.to_owned()),
    ];
    entry(run, "Uploads", "Upload", fields)
}

fn schedule_download(run: &mut ScriptRun, arguments: Arguments<'_>) -> Result<(), Stop> {
    const WINDOWS: [[&str; 5]; 2] = [
        [
            "TimeWindow.1.WindowStart",
            "TimeWindow.1.WindowEnd",
            "TimeWindow.1.WindowMode",
            "TimeWindow.1.UserMessage",
            "TimeWindow.1.MaxRetries",
        ],
        [
            "TimeWindow.2.WindowStart",
            "TimeWindow.2.WindowEnd",
            "TimeWindow.2.WindowMode",
            "TimeWindow.2.UserMessage",
            "TimeWindow.2.MaxRetries",
        ],
    ];
    if !matches!(arguments.len(), 8 | 13) {
        let expected =
            "a file type, a file name, a target file name, and five arguments for each of one or two windows";
        return Err(BuiltinError::Arguments(format!("expected {expected}; got {}", arguments.len())).into());
    }
    let mut fields = vec![
        ("FileName", arguments.text(1, "a file name")?.to_owned()),
        ("FileType", arguments.text(0, "a file type")?.to_owned()),
        ("TargetFileName", arguments.text(2, "a target file name")?.to_owned()),
    ];
    for (index, name) in WINDOWS.iter().flatten().enumerate() {
        fields.push((name, if index + 3 < arguments.len() { arguments.plain(index + 3) } else { String::new() }));
    }
    entry(run, "ScheduledDownloads", "ScheduleDownload", fields)
}

fn schedule_inform(run: &mut ScriptRun, arguments: Arguments<'_>) -> Result<(), Stop> {
    arguments.count("seconds", 1..=1)?;
    let at = run.now().saturating_add(arguments.milliseconds(0, 0)?);
    let wanted = Wanted { value: Some((Value::Int(at), None)), ..Wanted::default() };
    declare(run, named("ScheduleInform"), Freshness::default(), wanted)?;
    Ok(())
}

/// The entry's fields, with what they are called in documents.
const OPERATION_FIELDS: [(&str, &str); 7] = [
    ("Operation", "operation"),
    ("URL", "url"),
    ("UUID", "uuid"),
    ("Version", "version"),
    ("ExecutionEnvRef", "executionEnvRef"),
    ("Username", "username"),
    ("Password", "password"),
];

fn change_du_state(run: &mut ScriptRun, arguments: Arguments<'_>) -> Result<(), Stop> {
    arguments.count("operations", 1..)?;
    for (index, operation) in arguments.0.iter().enumerate() {
        let operation = operation.as_object().ok_or_else(|| arguments.wrong(index, "an operation"))?;
        let text = |key: &str| operation.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let fields = OPERATION_FIELDS.iter().map(|(field, key)| (*field, text(key))).collect();
        entry(run, "DUStateChanges", "ChangeDUState", fields)?;
    }
    Ok(())
}

fn rpc(run: &mut ScriptRun, arguments: Arguments<'_>) -> Result<(), Stop> {
    arguments.count("a request", 1..=1)?;
    let request: AcsRequest = serde_json::from_value(arguments.0[0].clone())
        .map_err(|error| BuiltinError::Arguments(format!("no request: {error}")))?;
    // What has a life after its answer is declared, so that it is followed.
    let is_whole = matches!(
        request,
        AcsRequest::GetRPCMethods
            | AcsRequest::CancelTransfer { .. }
            | AcsRequest::GetQueuedTransfers
            | AcsRequest::GetAllQueuedTransfers
            | AcsRequest::SetVouchers { .. }
            | AcsRequest::GetOptions { .. }
            | AcsRequest::Vendor(_)
    );
    if !is_whole {
        return Err(BuiltinError::Arguments(format!("{} is not sent as it is", request.name())).into());
    }
    run.request(request);
    Ok(())
}

/// Declares one entry with these fields, and that it is triggered in this session.
fn entry(run: &mut ScriptRun, root: &str, trigger: &str, mut fields: Vec<(&str, String)>) -> Result<(), Stop> {
    // As an alias that is read from its text has them.
    fields.sort_by_key(|(name, _)| *name);
    let key = |name: &str| Path::from_segments(name.split('.').map(|part| Segment::Name(part.into())).collect());
    let pairs = fields.into_iter().map(|(name, text)| (key(name), text)).collect();
    let entry = named(root).child(Segment::Alias(Alias { pairs }.into()));
    declare(run, entry.clone(), Freshness::default(), counted(InstanceCount::exactly(1)))?;
    declare_now(run, entry.join(&named(trigger)))
}

fn named(name: &str) -> Path {
    Path::from_segments(vec![Segment::Name(name.into())])
}

fn instances(run: &mut ScriptRun, arguments: Arguments<'_>) -> Result<(), Stop> {
    arguments.count("a path and a count", 2..=2)?;
    let path = arguments.path(0)?;
    let count = match arguments.instances(1)? {
        arguments::Instances::Absolute(count) => InstanceCount::exactly(count),
        arguments::Instances::Added(more) => {
            let existing = existing_instances(run, &path, 1)?;
            // Without an upper bound: what somebody else has added meanwhile must not be deleted for it.
            InstanceCount { min: existing.saturating_add(more), max: u32::MAX }
        }
        arguments::Instances::Removed(fewer) => {
            // Old knowledge is no ground to delete anything.
            let now = run.now();
            let existing = existing_instances(run, &path, now)?;
            InstanceCount { min: 0, max: existing.saturating_sub(fewer) }
        }
    };
    declare(run, path, Freshness::default(), counted(count))?;
    Ok(())
}

/// How many instances there were when the provision ran first: a read is the same in every later round.
fn existing_instances(run: &mut ScriptRun, path: &Path, known_at: i64) -> Result<u32, Stop> {
    let fresh = Freshness { path: known_at, ..Freshness::default() };
    let handle = declare(run, path.clone(), fresh, Wanted::default())?;
    let matches = run.read(handle)?;
    Ok(u32::try_from(matches.list.len()).unwrap_or(u32::MAX))
}

fn starstate(run: &mut ScriptRun, arguments: Arguments<'_>) -> Result<(), Stop> {
    arguments.count("a document or its name, optionally options", 1..=2)?;
    let document = arguments.document(0)?;
    let options = if arguments.is_given(1) { arguments.object(1, "an object of options")? } else { Json::Null };
    match run.starstate(document, options) {
        Ok(_) => Ok(()),
        Err(Interrupt::Suspended) => Err(Stop::WaitsForExtension),
        Err(Interrupt::Error(error)) => Err(error.into()),
    }
}

fn counted(count: InstanceCount) -> Wanted {
    Wanted { instances: Some(count), ..Wanted::default() }
}

/// Declares that something happens in this session: its time is the session's.
fn declare_now(run: &mut ScriptRun, path: Path) -> Result<(), Stop> {
    let wanted = Wanted { value: Some((Value::Int(run.now()), None)), ..Wanted::default() };
    declare(run, path, Freshness::default(), wanted)?;
    Ok(())
}

fn declare(run: &mut ScriptRun, path: Path, fresh: Freshness, wanted: Wanted) -> Result<Handle, HostError> {
    run.declare_path(path, fresh, wanted, Named::default(), 0, 0)
}
