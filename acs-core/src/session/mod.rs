//! The session: a device's visit, as a step function without I/O (`docs/engine.md`).
//!
//! ```text
//!  open(snapshot, inform)          the Inform is taken in
//!    │ TransferComplete → Acknowledged          (any number)
//!    │ Ready (empty POST)
//!    ▼
//!  ┌─ tasks, one cycle each ─► presets: preconditions, then all their provisions as one cycle ─► again until nothing changes
//!  │      a cycle:  run scripts ─► plan ─► Request ◄──► Response | Fault | Unanswered
//!  │                    ▲           └────► Extensions ◄──► results
//!  │                    └── commits satisfied
//!  └─► Finished: change() is written, then the device gets its last answer
//! ```
//!
//! A session is a value: it serialises, and equal inputs give equal outputs. What lives here: state and the step function.
//! [`cycle`] advances one set of provisions ([`level`]), [`answers`] and [`refusals`] take in what the device says, [`evaluation`]
//! decides what runs next, [`commands`] prepares requests, [`operations`] follows what goes on afterwards, [`transfer_records`] keeps
//! records of files, [`reports`] takes what nobody asked for, [`virtual_parameters`] nests scripts, [`quota`] bounds what is kept,
//! [`causes`] says who wants a request, [`starstate`] follows what configures the router beside the session.

mod answers;
mod causes;
mod commands;
pub mod configuration;
mod cycle;
mod deployment_units;
mod evaluation;
mod faults;
mod level;
mod local;
mod operations;
pub mod quota;
mod refusals;
mod reports;
mod restarts;
pub mod settings;
mod starstate;
mod transfer_records;
mod virtual_parameters;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::change::{DeviceSnapshot, OutboxEvent, SessionChange, TaskChange};
use crate::device::{DeviceHead, InformedValue, Tags, apply_tags, set_local};
use crate::fault::{Fault, FaultRecord};
use crate::heartbeat::Heartbeat;
use crate::operation::Operation;
use crate::path::{event_segment, is_name};
use crate::planner::Purpose;
use crate::rpc::{
    AcsRequest, AutonomousDUStateChangeComplete, AutonomousTransferComplete, CpeFault, CpeResponse,
    DUStateChangeComplete, Inform, Kicked, RequestDownload, TransferComplete,
};
use crate::script::{ExtensionCall, LogEntry, ScriptFault, SessionFacts};
use crate::task::Task;
use crate::transfer::Transfer;
use crate::tree::DeviceTree;
use crate::value::{TypedValue, Value, XsdType, format_date_time};

use configuration::Configuration;
use cycle::Cycle;
use evaluation::Evaluation;
use level::WriteNote;
use quota::{InformRoom, MAX_LINES, MAX_NAME, Room, shortened};
use settings::Settings;
use starstate::Documents;

pub use evaluation::TreeContext;

/// What happens to a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// The device has nothing more to say (the empty POST).
    Ready,
    /// The device calls TransferComplete.
    TransferComplete(TransferComplete),
    /// The device calls AutonomousTransferComplete.
    AutonomousTransferComplete(AutonomousTransferComplete),
    /// The device calls DUStateChangeComplete.
    DUStateChangeComplete(DUStateChangeComplete),
    /// The device calls AutonomousDUStateChangeComplete.
    AutonomousDUStateChangeComplete(AutonomousDUStateChangeComplete),
    /// The device calls RequestDownload.
    RequestDownload(RequestDownload),
    /// The device calls Kicked.
    Kicked(Kicked),
    /// The device answers the outstanding request.
    Response(CpeResponse),
    /// The device answers the outstanding request with a fault.
    Fault(CpeFault),
    /// The device sends an empty POST, or an answer to something else, while a request is outstanding.
    Unanswered {
        /// What came instead.
        reason: String,
    },
    /// Results of extension calls, in any order.
    Extensions(Vec<(ExtensionCall, Result<Json, ScriptFault>)>),
    /// The device is gone: timeout, dropped connection, unreadable message.
    Gone {
        /// Why.
        reason: String,
    },
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Output {
    /// The device's call is to be answered.
    Acknowledged,
    /// Send this.
    Request {
        /// The `cwmp:ID`.
        id: String,
        /// The RPC.
        request: AcsRequest,
    },
    /// Make these calls, then give their results.
    Extensions(Vec<ExtensionCall>),
    /// Write [`Session::change`], then end the session.
    Finished,
    /// The input does not fit the session's state; the session goes on as if it had not come.
    Refused {
        /// Why.
        reason: &'static str,
    },
}

/// A line of the session's log, for the access log and for traces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionLog {
    /// E.g. `script`, `fault`, `note`.
    pub kind: LogKind,
    /// For people.
    pub message: String,
    /// Further fields, or null.
    pub fields: Json,
}

/// What a [`SessionLog`] line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogKind {
    /// A script's `log()`.
    Script,
    /// A channel has faulted.
    Fault,
    /// Something that an operator may want to know: ignored names, missing values, silently dropped sets.
    Note,
}

/// A device's visit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    facts: Arc<SessionFacts>,
    settings: Settings,
    head: DeviceHead,
    is_new: bool,
    tree: Arc<DeviceTree>,
    /// The tree's change count behind which the head row suffices.
    changes_when_informed: u64,
    tags_before: Tags,
    events: BTreeSet<String>,
    tasks: Vec<Task>,
    faults: BTreeMap<String, FaultRecord>,
    changed_faults: BTreeSet<String>,
    operations: BTreeMap<String, Operation>,
    changed_operations: BTreeSet<String>,
    /// Records of transfers of which there may be news, by CommandKey.
    transfers: BTreeMap<String, Transfer>,
    changed_transfers: BTreeSet<String>,
    task_changes: Vec<TaskChange>,
    /// What tasks have to show, by their ids.
    results: BTreeMap<String, Json>,
    /// TransferCompletes that came before the request was answered.
    early_reports: Vec<TransferComplete>,
    outbox: Vec<OutboxEvent>,
    log: Vec<SessionLog>,
    /// Script lines that were logged: provision and message.
    logged: BTreeSet<(String, String)>,
    state: State,
    cycle: Option<Cycle>,
    outstanding: Option<Outstanding>,
    /// What came of StarState documents in this session.
    #[serde(default)]
    starstate: Documents,
    /// The time that the next knowledge gets: the session's timestamp plus two per answer: reads get it, writes the one behind it.
    stamp: i64,
    cycles: u32,
    evaluations: u32,
    evaluation: Evaluation,
    /// What the evaluations of presets have written, for explaining why they never end.
    #[serde(default)]
    preset_writes: Vec<WriteNote>,
    /// Channels that have been tried again in this session.
    retried: BTreeSet<String>,
    /// Channels whose preconditions could not be evaluated.
    blocked: BTreeSet<String>,
    /// Parameters that the device left out of its answers; asking again would not help.
    unanswered: BTreeSet<String>,
    /// Known once something is learnt.
    room: Option<Room>,
    notes: u32,
    script_lines: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// The device may still call methods.
    Informed,
    /// The server asks.
    Driving,
    /// Waits for extensions.
    Waiting,
    /// Over.
    Finished,
}

/// The request that waits for its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Outstanding {
    id: String,
    request: AcsRequest,
    purpose: Purpose,
}

impl Session {
    /// Begins a session with a device's Inform, received at `timestamp` (milliseconds since the Unix epoch).
    pub fn open(snapshot: DeviceSnapshot, inform: &Inform, timestamp: i64, settings: Settings) -> Session {
        let is_new = snapshot.device.is_none();
        let (mut head, tags, stored_tree) = match snapshot.device {
            Some(device) => (device.head, device.tags, device.tree),
            None => (DeviceHead::default(), Tags::default(), Arc::new(DeviceTree::new())),
        };
        head.receive(inform, timestamp);
        let mut tree = Arc::unwrap_or_clone(stored_tree);
        let mut log = Vec::new();
        let structure = take_inform(&tree, &mut head, inform, timestamp, &mut log);
        head.apply_to(&mut tree);
        apply_tags(&mut tree, &tags, timestamp);
        let mut events = BTreeSet::from(["Inform".to_owned()]);
        for event in &inform.events {
            let segment = event_segment(&event.code);
            set_local(
                &mut tree,
                &format!("Events.{segment}"),
                TypedValue(Value::Int(timestamp), XsdType::DateTime),
                timestamp,
            );
            events.insert(segment);
        }
        let mut outbox = Vec::new();
        if is_new {
            events.insert("Registered".to_owned());
            outbox.push(event("device.registered", &head.id, timestamp, json!({})));
        }
        if let Some(missed_at) = head.heartbeat.and_then(|heartbeat| heartbeat.missed_at) {
            let detail = json!({ "missedAt": format_date_time(missed_at) });
            outbox.push(event("device.heartbeat_resumed", &head.id, timestamp, detail));
        }
        let mut tasks = snapshot.tasks;
        tasks.sort_by_key(|task| task.timestamp);
        let changes_when_informed = if structure { tree.changes().wrapping_sub(1) } else { tree.changes() };
        let mut session = Session {
            facts: Arc::new(SessionFacts { device_id: head.id.clone(), timestamp }),
            settings,
            head,
            is_new,
            tree: Arc::new(tree),
            changes_when_informed,
            tags_before: tags,
            events,
            tasks,
            faults: snapshot.faults.into_iter().map(|fault| (fault.channel.clone(), fault)).collect(),
            changed_faults: BTreeSet::new(),
            operations: snapshot
                .operations
                .into_iter()
                .map(|operation| (operation.command_key.clone(), operation))
                .collect(),
            changed_operations: BTreeSet::new(),
            transfers: snapshot
                .transfers
                .into_iter()
                .map(|transfer| (transfer.command_key.clone(), transfer))
                .collect(),
            changed_transfers: BTreeSet::new(),
            task_changes: Vec::new(),
            results: BTreeMap::new(),
            early_reports: Vec::new(),
            outbox,
            log,
            logged: BTreeSet::new(),
            state: State::Informed,
            cycle: None,
            outstanding: None,
            starstate: Documents::default(),
            stamp: timestamp + 2,
            cycles: 0,
            evaluations: 0,
            evaluation: Evaluation::default(),
            preset_writes: Vec::new(),
            retried: BTreeSet::new(),
            blocked: BTreeSet::new(),
            unanswered: BTreeSet::new(),
            room: None,
            notes: 0,
            script_lines: 0,
        };
        session.see_transfers(inform);
        session.confirm_by_events(&inform.events);
        session.compare_parameter_key(inform);
        session
    }

    /// Takes in what happened and says what to do next. `configuration` must be the same throughout a session.
    pub fn step(&mut self, input: Input, configuration: &dyn Configuration) -> Output {
        match (self.state, input) {
            (State::Finished, _) => Output::Refused { reason: "the session is over" },
            (_, Input::Gone { reason }) => {
                self.abandon(&reason, configuration);
                self.finish()
            }
            (State::Informed, Input::Ready) => {
                self.state = State::Driving;
                self.expire_operations(configuration);
                let jobs = self.jobs_to_follow();
                if !jobs.is_empty() {
                    self.state = State::Waiting;
                    return Output::Extensions(self.with_address(jobs));
                }
                self.advance(configuration)
            }
            (State::Driving, Input::Response(response)) => {
                let Some(outstanding) = self.outstanding.take() else {
                    return Output::Refused { reason: "no request is outstanding" };
                };
                self.stamp += 2;
                if response.answers(&outstanding.request) {
                    self.take_response(outstanding, response, configuration);
                } else {
                    let reason = format!("{} came instead of an answer", response.name());
                    self.take_unanswered(outstanding, &reason, configuration);
                }
                self.advance(configuration)
            }
            (State::Driving, Input::Fault(fault)) => {
                let Some(outstanding) = self.outstanding.take() else {
                    return Output::Refused { reason: "no request is outstanding" };
                };
                self.stamp += 2;
                self.take_fault(outstanding, fault, configuration);
                self.advance(configuration)
            }
            (State::Driving, Input::Unanswered { reason }) => {
                let Some(outstanding) = self.outstanding.take() else {
                    return Output::Refused { reason: "no request is outstanding" };
                };
                self.stamp += 2;
                self.take_unanswered(outstanding, &reason, configuration);
                self.advance(configuration)
            }
            (State::Waiting, Input::Extensions(results)) => {
                self.state = State::Driving;
                let results = starstate::without_address(results);
                if self.is_following() {
                    self.take_job_reports(results, configuration);
                } else {
                    self.take_extension_results(results);
                }
                self.advance(configuration)
            }
            // A device may report while the server asks, too; the request stays outstanding.
            (State::Informed | State::Driving, input) => self.take_report(input, configuration),
            _ => Output::Refused { reason: "not expected in this state" },
        }
    }

    /// What the device calls by itself.
    fn take_report(&mut self, input: Input, configuration: &dyn Configuration) -> Output {
        match input {
            Input::TransferComplete(message) => self.transfer_complete(message, configuration),
            Input::DUStateChangeComplete(message) => self.du_state_change_complete(message, configuration),
            Input::AutonomousTransferComplete(message) => self.autonomous_transfer_complete(&message),
            Input::AutonomousDUStateChangeComplete(message) => self.autonomous_du_state_change_complete(&message),
            Input::RequestDownload(message) => self.request_download(&message),
            Input::Kicked(message) => self.kicked(&message),
            _ => return Output::Refused { reason: "not expected in this state" },
        }
        Output::Acknowledged
    }

    /// The device's ID.
    pub fn device_id(&self) -> &str {
        &self.facts.device_id
    }

    /// When the session's Inform arrived.
    pub fn timestamp(&self) -> i64 {
        self.facts.timestamp
    }

    /// What expressions know of the device now.
    pub fn context(&self) -> TreeContext<'_> {
        TreeContext { tree: &self.tree, facts: &self.facts, settings: &self.settings }
    }

    /// The settings that it follows.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What is known of the device now.
    pub fn tree(&self) -> &DeviceTree {
        &self.tree
    }

    /// The device's stored faults as of now, by channel.
    pub fn faults(&self) -> impl Iterator<Item = &FaultRecord> {
        self.faults.values()
    }

    /// The outstanding request with its `cwmp:ID`.
    pub fn outstanding(&self) -> Option<(&str, &AcsRequest)> {
        self.outstanding.as_ref().map(|outstanding| (outstanding.id.as_str(), &outstanding.request))
    }

    /// The task that is being done.
    pub fn running_task(&self) -> Option<&str> {
        self.cycle.as_ref().and_then(Cycle::task)
    }

    /// Whether the first empty POST is still to come.
    pub fn is_informed_only(&self) -> bool {
        self.state == State::Informed
    }

    /// Whether it is over.
    pub fn is_finished(&self) -> bool {
        self.state == State::Finished
    }

    /// Log lines since the last call.
    pub fn take_log(&mut self) -> Vec<SessionLog> {
        std::mem::take(&mut self.log)
    }

    /// What the session changed, to be written once it is finished.
    pub fn change(&mut self) -> SessionChange {
        let tree_changed = self.is_new || self.tree.changes() != self.changes_when_informed;
        let mut head = self.head.clone();
        head.heartbeat = Heartbeat::after(&self.tree, self.facts.timestamp);
        let tree = tree_changed.then(|| {
            // The informed values are part of the tree from now on.
            head.informed.clear();
            self.tree.clone()
        });
        let faults =
            self.changed_faults.iter().map(|channel| (channel.clone(), self.faults.get(channel).cloned())).collect();
        let operations =
            self.changed_operations.iter().map(|key| (key.clone(), self.operations.get(key).cloned())).collect();
        SessionChange {
            head,
            is_new: self.is_new,
            tree,
            tags: self.tag_changes(),
            faults,
            operations,
            transfers: self.changed_transfers.iter().filter_map(|key| self.transfers.get(key).cloned()).collect(),
            tasks: std::mem::take(&mut self.task_changes),
            events: std::mem::take(&mut self.outbox),
        }
    }

    fn finish(&mut self) -> Output {
        self.state = State::Finished;
        self.cycle = None;
        self.outstanding = None;
        Output::Finished
    }

    /// Ends a session that cannot go on: what was running faults, what was learnt is kept.
    fn abandon(&mut self, reason: &str, configuration: &dyn Configuration) {
        if let Some(Outstanding { request, .. }) = &mut self.outstanding {
            let mut request = request.clone();
            self.record_silence(&mut request, &format!("the session ended before the answer came: {reason}"));
        }
        let sent = self.outstanding.take().and_then(|outstanding| self.sent_restart(outstanding, configuration));
        if let Some(cycle) = &self.cycle {
            let mut all = cycle.all_sources();
            let certain = sent.map(|sources| cycle.lowest_sources(&sources)).unwrap_or_default();
            all.retain(|source| !certain.contains(source));
            let fault =
                Fault::new("session_terminated", format!("The TR-069 session was unsuccessfully terminated: {reason}"));
            self.fault_sources(&all, fault, configuration);
            self.tell_accepted(&certain);
        }
    }

    fn tree_mut(&mut self) -> &mut DeviceTree {
        Arc::make_mut(&mut self.tree)
    }

    fn note(&mut self, message: String, fields: Json) {
        // A hostile device could cause a note per parameter.
        self.notes += 1;
        if self.notes <= MAX_LINES {
            self.log.push(SessionLog { kind: LogKind::Note, message, fields });
        }
    }

    fn log_scripts(&mut self, entries: Vec<LogEntry>) {
        for entry in entries {
            // Presets are evaluated again after a change, mostly to find that nothing is left to do: the same lines would come.
            let line = (entry.provision.to_string(), entry.message.clone());
            if self.evaluations > 0 && self.logged.contains(&line) {
                continue;
            }
            self.script_lines += 1;
            if self.script_lines > MAX_LINES {
                if self.script_lines == MAX_LINES + 1 {
                    self.note(format!("scripts have logged {MAX_LINES} lines; further ones are dropped"), Json::Null);
                }
                continue;
            }
            self.logged.insert(line);
            let fields = json!({ "provision": entry.provision, "meta": entry.meta });
            self.log.push(SessionLog { kind: LogKind::Script, message: entry.message, fields });
        }
    }

    fn tag_changes(&self) -> Vec<(String, Option<Value>)> {
        let mut now = Tags::new();
        if let Some(root) = self.tree.find("Tags") {
            for &id in self.tree.children(root) {
                if let Some(TypedValue(value, _)) = self.tree.node(id).typed_value() {
                    now.insert(self.tree.name(id).to_string(), value.clone());
                }
            }
        }
        let removed = self.tags_before.keys().filter(|tag| !now.contains_key(*tag)).map(|tag| (tag.clone(), None));
        let set = now.iter().filter(|(tag, value)| self.tags_before.get(*tag) != Some(*value));
        removed.chain(set.map(|(tag, value)| (tag.clone(), Some(value.clone())))).collect()
    }
}

/// Takes over an Inform's parameters. Returns whether the tree's structure changed, so that the tree must be written.
fn take_inform(
    tree: &DeviceTree,
    head: &mut DeviceHead,
    inform: &Inform,
    timestamp: i64,
    log: &mut Vec<SessionLog>,
) -> bool {
    let mut room = InformRoom::new(&head.informed, &inform.parameter_list);
    let mut structure = room.is_large;
    let mut overflow = None;
    let mut ignored = Vec::new();
    let mut informed: BTreeMap<String, InformedValue> =
        std::mem::take(&mut head.informed).into_iter().map(|value| (value.path.clone(), value)).collect();
    for (name, value) in &inform.parameter_list {
        if !is_storable_name(name) {
            ignored.push(shortened(name));
            continue;
        }
        if let Err(reason) = room.take(tree, name, value) {
            overflow = Some(reason);
            continue;
        }
        structure |= tree.find(name).is_none_or(|id| tree.node(id).object);
        head.pending.remove(name);
        let value = InformedValue { path: name.clone(), value: value.clone(), at: timestamp + 1 };
        informed.insert(name.clone(), value);
    }
    head.informed = informed.into_values().collect();
    let is_bootstrap = inform.events.iter().any(|event| event_segment(&event.code) == "0_BOOTSTRAP");
    quota::mark(head, timestamp, is_bootstrap, overflow);
    if !ignored.is_empty() {
        let message = format!(
            "the Inform has {} names that are no legal parameter names; their values are ignored",
            ignored.len()
        );
        ignored.truncate(10);
        log.push(SessionLog { kind: LogKind::Note, message, fields: json!({ "names": ignored }) });
    }
    if let Some(reason) = overflow {
        let message = format!("the Inform tells {reason}");
        log.push(SessionLog { kind: LogKind::Note, message, fields: Json::Null });
    }
    structure
}

/// Whether a device's name can be kept: legal segments, not too many, and none of the server's own roots.
fn is_storable_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut segments = name.split('.');
    let first = segments.clone().next().unwrap_or("");
    name.len() <= MAX_NAME
        && segments.clone().count() <= crate::path::MAX_SEGMENTS
        && segments.all(is_name)
        && !crate::tree::LOCAL_ROOTS.contains(&first)
}

fn event(kind: &str, device: &str, at: i64, detail: Json) -> OutboxEvent {
    OutboxEvent { kind: kind.to_owned(), device: device.to_owned(), at, detail }
}
