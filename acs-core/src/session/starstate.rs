//! StarState documents: what configures the router beside the session.
//!
//! ```text
//!  starstate(document) ─► under way ─► pending, its tasks `accepted` ─► each later session asks first ─► done, or its channels fault
//!                      ├► applied
//!                      └► failed: the script fails
//! ```
//!
//! What is known stands below `StarState` in the device's tree. One session is told once about a document: what goes on meanwhile is
//! the next session's. Not here: the jobs themselves, which whoever drives the session asks for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::device::set_local;
use crate::fault::Fault;
use crate::operation::{Operation, OperationKind};
use crate::planner::Sources;
use crate::script::{ExtensionCall, ScriptFault};
use crate::starstate::{Ask, JobStatus, ROOT, StarStateCall, StarStateReport};
use crate::task::TaskState;
use crate::value::{TypedValue, Value, XsdType};

use super::Session;
use super::configuration::Configuration;
use super::level::SourceState;
use super::operations::time_value;

/// What comes before a provisioning session's name in the key of its operation.
const KEY: &str = "starstate-";

/// What came of StarState documents in a session.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Documents {
    /// The session has asked what became of earlier jobs, and waits.
    following: bool,
    /// What was answered.
    known: Vec<(ExtensionCall, Result<Json, ScriptFault>)>,
}

impl Session {
    /// Asks what became of the jobs that were under way when the last session ended.
    pub(super) fn jobs_to_follow(&mut self) -> Vec<ExtensionCall> {
        let jobs = self.operations.values().filter(|operation| operation.kind == OperationKind::StarState);
        let call = |operation: &Operation| {
            let session = operation.command_key.strip_prefix(KEY).unwrap_or(&operation.command_key).to_owned();
            let (device, at) = (self.facts.device_id.clone(), self.facts.timestamp);
            StarStateCall { device, at, remote_address: String::new(), ask: Ask::Follow { session } }.into_call()
        };
        let calls: Vec<ExtensionCall> = jobs.map(call).collect();
        self.starstate.following = !calls.is_empty();
        calls
    }

    /// What goes out tells where the device is, which scripts do not know.
    pub(super) fn with_address(&self, calls: Vec<ExtensionCall>) -> Vec<ExtensionCall> {
        let address = &self.settings.remote_address;
        calls.into_iter().map(|call| addressed(call, address)).collect()
    }

    /// Whether the results that come are those of [`Self::jobs_to_follow`].
    pub(super) fn is_following(&self) -> bool {
        self.starstate.following
    }

    /// Ends the operations whose jobs are over.
    pub(super) fn take_job_reports(
        &mut self,
        results: Vec<(ExtensionCall, Result<Json, ScriptFault>)>,
        configuration: &dyn Configuration,
    ) {
        self.starstate.following = false;
        for (call, result) in results {
            let Some(StarStateCall { ask: Ask::Follow { session }, .. }) = StarStateCall::of(&call) else { continue };
            // Who cannot be asked now is asked in the next session.
            let Some(report) = result.ok().and_then(|json| serde_json::from_value::<StarStateReport>(json).ok()) else {
                continue;
            };
            self.show(&report);
            if report.status == JobStatus::Applying {
                continue;
            }
            let Some(operation) = self.take_operation(&format!("{KEY}{session}")) else { continue };
            match report.fault {
                None => self.end_tasks(&operation, TaskState::Done, "", None),
                Some(ScriptFault { code, message, detail }) => {
                    // The wait until the next attempt begins when it is known that this one failed.
                    let operation = Operation { timestamp: self.facts.timestamp, ..operation };
                    self.fail_operation(operation, &[], Fault { code, message, detail }, configuration);
                }
            }
        }
    }

    /// Gives scripts the answers that this session has got already. Returns whether there was one.
    pub(super) fn answer_known_documents(&mut self) -> bool {
        let known = &self.starstate.known;
        let Some(level) = self.cycle.as_mut().and_then(|cycle| cycle.levels.last_mut()) else { return false };
        let mut any = false;
        for source in &mut level.sources {
            let SourceState::WaitingForExtension(wanted) = &source.state else { continue };
            let answer = |call: &ExtensionCall| known.iter().find(|(asked, _)| asked == call);
            let Some(answers) = wanted.iter().map(answer).collect::<Option<Vec<_>>>() else { continue };
            for (call, result) in answers {
                source.memory.set_extension_result(call.arguments.clone(), result.clone());
            }
            source.state = SourceState::Ready;
            any = true;
        }
        any
    }

    /// Remembers and shows what is answered about documents, and waits for the jobs that are under way.
    pub(super) fn note_documents(&mut self, results: &[(ExtensionCall, Result<Json, ScriptFault>)]) {
        for (call, result) in results {
            if StarStateCall::of(call).is_none() {
                continue;
            }
            self.starstate.known.push((call.clone(), result.clone()));
            let Ok(json) = result else { continue };
            let Ok(report) = serde_json::from_value::<StarStateReport>(json.clone()) else { continue };
            self.show(&report);
            if report.status == JobStatus::Applying && !report.session.is_empty() {
                self.wait_for_job(call, report);
            }
        }
    }

    fn wait_for_job(&mut self, call: &ExtensionCall, report: StarStateReport) {
        let Some(level) = self.cycle.as_ref().and_then(|cycle| cycle.levels.last()) else { return };
        let asks =
            |state: &SourceState| matches!(state, SourceState::WaitingForExtension(wanted) if wanted.contains(call));
        let askers: Sources =
            (0u32..).zip(&level.sources).filter(|(_, source)| asks(&source.state)).map(|(index, _)| index).collect();
        let channels = self.channels_of(&askers);
        let retries = channels.keys().filter_map(|channel| Some((channel.clone(), self.faults.get(channel)?.retries)));
        let retries: BTreeMap<String, u32> = retries.collect();
        let command_key = format!("{KEY}{}", report.session);
        let mut operation = self.operations.get(&command_key).cloned().unwrap_or_else(|| Operation {
            kind: OperationKind::StarState,
            timestamp: self.facts.timestamp,
            file_name: report.document,
            command_key,
            ..Operation::default()
        });
        operation.channels.extend(channels);
        operation.retries.extend(retries);
        if self.operations.get(&operation.command_key) != Some(&operation) {
            self.store_operation(operation);
        }
    }

    /// Writes what is known of a document into the tree.
    fn show(&mut self, report: &StarStateReport) {
        let text = |text: &str| Some(TypedValue::string(text));
        let fields = [
            ("Document", text(&report.document)),
            ("Fingerprint", text(&report.fingerprint)),
            ("Session", text(&report.session)),
            ("Status", text(report.status.as_str())),
            ("Phase", text(&report.phase)),
            ("Percent", Some(TypedValue(Value::Int(report.percent.into()), XsdType::UnsignedInt))),
            ("Message", text(&report.message)),
            ("AppliedAt", report.applied_at.map(time_value)),
        ];
        let at = self.stamp + 1;
        let root_is_known = self.tree.find(ROOT).is_some_and(|root| self.tree.node(root).object);
        if !root_is_known {
            let tree = self.tree_mut();
            let root = tree.ensure(ROOT);
            tree.set_listed(root, true, false, at);
        }
        for (name, value) in fields {
            let path = format!("{ROOT}.{name}");
            let Some(value) = value else { continue };
            // What is as it was is no change: presets would be evaluated again for it.
            if self.tree.find(&path).and_then(|id| self.tree.node(id).typed_value()) != Some(&value) {
                set_local(self.tree_mut(), &path, value, at);
            }
        }
    }
}

/// A call with another address, if it is about a document.
fn addressed(call: ExtensionCall, address: &str) -> ExtensionCall {
    match StarStateCall::of(&call) {
        Some(known) => StarStateCall { remote_address: address.to_owned(), ..known }.into_call(),
        None => call,
    }
}

/// Results as those know them who asked.
pub(super) fn without_address(
    results: Vec<(ExtensionCall, Result<Json, ScriptFault>)>,
) -> Vec<(ExtensionCall, Result<Json, ScriptFault>)> {
    results.into_iter().map(|(call, result)| (addressed(call, ""), result)).collect()
}
