//! Operations from their acceptance to the report that ends them, or their timeout: transfers, deployment units, restarts.
//!
//! ```text
//!  request ─► accepted ─► pending, its tasks `accepted`
//!                            ├─ TransferComplete, DUStateChangeComplete, an event of the Inform ─► done, or its channels fault
//!                            ├─ CancelTransfer ─► its tasks `cancelled`
//!                            └─ nothing in time ─► transfers fault; for restarts its tasks are `unknown`
//! ```
//!
//! Not here: what is checked before a request is sent ([`super::commands`]); results of deployment units
//! ([`super::deployment_units`]); what confirms restarts ([`super::restarts`]).

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::entries::EntryKind;
use crate::fault::{Fault, ProvisionCall};
use crate::operation::{Operation, OperationKind};
use crate::planner::Sources;
use crate::rpc::{AcsRequest, TransferComplete, UNKNOWN_TIME};
use crate::task::TaskState;
use crate::value::{TypedValue, Value, XsdType, format_date_time};

use super::configuration::Configuration;
use super::{Session, event};

/// The provision that tasks change deployment units with: one argument per operation.
const CHANGE_DU_STATE: &str = "changeDUState";

/// The operation behind a request; `None` for requests that are over once they are answered.
fn kind_of(request: &AcsRequest) -> Option<OperationKind> {
    Some(match request {
        AcsRequest::Download(_) => OperationKind::Download,
        AcsRequest::Upload(_) => OperationKind::Upload,
        AcsRequest::ScheduleDownload(_) => OperationKind::ScheduleDownload,
        AcsRequest::ChangeDUState { .. } => OperationKind::ChangeDUState,
        AcsRequest::Reboot { .. } => OperationKind::Reboot,
        AcsRequest::FactoryReset => OperationKind::FactoryReset,
        AcsRequest::ScheduleInform { .. } => OperationKind::ScheduleInform,
        _ => return None,
    })
}

/// How much later than its request the device may begin, in milliseconds.
fn delay_of(request: &AcsRequest) -> i64 {
    let seconds = match request {
        AcsRequest::Download(download) => download.delay_seconds,
        AcsRequest::Upload(upload) => upload.delay_seconds,
        AcsRequest::ScheduleDownload(download) => {
            download.time_window_list.iter().map(|window| window.window_end).max().unwrap_or(0)
        }
        AcsRequest::ScheduleInform { delay_seconds, .. } => *delay_seconds,
        _ => 0,
    };
    i64::from(seconds) * 1_000
}

impl Session {
    /// The device took a command or, when a restart was not answered, may have taken it. `done` tells when a transfer that is
    /// over already began and ended; of all others a report is still to come.
    pub(super) fn accepted(
        &mut self,
        mut request: AcsRequest,
        id: &str,
        sources: &Sources,
        instances: Vec<String>,
        done: Option<(i64, i64)>,
        configuration: &dyn Configuration,
    ) {
        let Some(kind) = kind_of(&request) else { return };
        let timestamp = self.facts.timestamp;
        let delay = delay_of(&request);
        // FactoryReset has no key of its own.
        let command_key = request.command_key_mut().map_or_else(|| id.to_owned(), std::mem::take);
        let source = sources.first().copied().unwrap_or(0);
        match EntryKind::of_operation(kind) {
            Some(entries) => {
                for instance in &instances {
                    self.set_field(entries, instance, entries.trigger(), time_value(timestamp));
                    if let Some(cycle) = &mut self.cycle {
                        cycle.note_write(&format!("{}.{instance}", entries.root), "(requested)".to_owned(), "", source);
                    }
                }
            }
            // ScheduleInform is remembered by the time that it is for.
            None => self.commanded(kind.rpc(), timestamp + delay, source),
        }
        let first = instances.first().map_or("", String::as_str);
        let text = |field: &str| match EntryKind::of_operation(kind) {
            Some(entries) => self.field_text(entries, first, field),
            None => String::new(),
        };
        let channels = self.channels_of(sources);
        let retries = channels.keys().filter_map(|channel| Some((channel.clone(), self.faults.get(channel)?.retries)));
        let operation = Operation {
            kind,
            timestamp,
            delay,
            file_type: text("FileType"),
            file_name: text("FileName"),
            target_file_name: text("TargetFileName"),
            retries: retries.collect(),
            channels,
            command_key,
            instances,
        };
        let tasks = operation.tasks();
        let early = self.early_reports.iter().position(|report| report.command_key == operation.command_key);
        match (done, early) {
            (Some((start, complete)), _) => {
                for task in tasks {
                    self.results.insert(task, transfer_result(&operation.command_key, start, complete));
                }
                self.record_transfer(&operation, start, complete);
            }
            (None, Some(place)) => {
                let report = self.early_reports.remove(place);
                self.end_transfer(operation, report, configuration);
            }
            (None, None) => {
                for task in tasks {
                    self.results.insert(task, json!({ "commandKey": operation.command_key }));
                }
                self.store_operation(operation);
            }
        }
    }

    pub(super) fn store_operation(&mut self, operation: Operation) {
        self.changed_operations.insert(operation.command_key.clone());
        self.operations.insert(operation.command_key.clone(), operation);
    }

    pub(super) fn take_operation(&mut self, command_key: &str) -> Option<Operation> {
        let operation = self.operations.remove(command_key)?;
        self.changed_operations.insert(command_key.to_owned());
        Some(operation)
    }

    /// What a channel still waits for.
    pub(super) fn pending_of(&self, channel: &str) -> Option<&Operation> {
        self.operations.values().find(|operation| operation.channels.contains_key(channel))
    }

    /// The channels behind sources, each with all its provisions.
    pub(super) fn channels_of(&self, sources: &Sources) -> BTreeMap<String, Vec<ProvisionCall>> {
        let Some(cycle) = &self.cycle else { return BTreeMap::new() };
        let Some(level) = cycle.levels.first() else { return BTreeMap::new() };
        let lowest = cycle.lowest_sources(sources);
        let channels =
            lowest.iter().filter_map(|&index| level.sources.get(index as usize)).flat_map(|source| &source.channels);
        channels
            .map(|channel| {
                let calls =
                    level.sources.iter().filter(|source| source.channels.contains(channel)).map(|source| source.call());
                (channel.clone(), calls.collect())
            })
            .collect()
    }

    pub(super) fn transfer_complete(&mut self, message: TransferComplete, configuration: &dyn Configuration) {
        self.record_transfer_complete(&message);
        let is_transfer = |operation: &Operation| EntryKind::of_operation(operation.kind).is_some();
        if !self.operations.get(&message.command_key).is_some_and(is_transfer) {
            self.unexpected_transfer_complete(message);
            return;
        }
        if let Some(operation) = self.take_operation(&message.command_key) {
            self.end_transfer(operation, message, configuration);
        }
    }

    /// A TransferComplete that nothing waits for. It may be for the very request that is not answered yet.
    fn unexpected_transfer_complete(&mut self, message: TransferComplete) {
        const MOST: usize = 16;
        let outstanding = self.outstanding.as_mut().and_then(|outstanding| outstanding.request.command_key_mut());
        if outstanding.is_some_and(|key| *key == message.command_key) && self.early_reports.len() < MOST {
            self.early_reports.push(message);
            return;
        }
        let detail = json!({ "commandKey": message.command_key });
        self.note("Unrecognized command key in TransferComplete".to_owned(), detail);
    }

    fn end_transfer(&mut self, operation: Operation, message: TransferComplete, configuration: &dyn Configuration) {
        match &message.fault {
            None => {
                self.record_transfer(&operation, message.start_time, message.complete_time);
                let result = transfer_result(&operation.command_key, message.start_time, message.complete_time);
                self.end_tasks(&operation, TaskState::Done, "", Some(&result));
            }
            Some(fault) => {
                let mut recorded = Fault::from_cpe(fault);
                recorded.message = format!("{}: {}", operation.file_name, fault.text());
                let instances = operation.instances.clone();
                self.fail_operation(operation, &instances, recorded, configuration);
            }
        }
    }

    /// Ends operations whose report has not come in time.
    pub(super) fn expire_operations(&mut self, configuration: &dyn Configuration) {
        let now = self.facts.timestamp;
        let settings = &self.settings;
        let is_late = |operation: &&Operation| {
            let patience = match operation.kind {
                OperationKind::Download | OperationKind::Upload | OperationKind::ScheduleDownload => {
                    settings.download_timeout
                }
                OperationKind::ChangeDUState => settings.du_state_change_timeout,
                OperationKind::Reboot | OperationKind::FactoryReset | OperationKind::ScheduleInform => {
                    settings.confirmation_timeout
                }
                // Its end is asked for in each session.
                OperationKind::StarState => i64::MAX,
            };
            operation.timestamp.saturating_add(operation.delay).saturating_add(patience) <= now
        };
        let late: Vec<String> = self.operations.values().filter(is_late).map(|o| o.command_key.clone()).collect();
        for key in late {
            if let Some(operation) = self.take_operation(&key) {
                self.expire(operation, configuration);
            }
        }
    }

    fn expire(&mut self, operation: Operation, configuration: &dyn Configuration) {
        let (rpc, report) = (operation.kind.rpc(), operation.kind.report());
        if EntryKind::of_operation(operation.kind).is_none() {
            // A restart is never repeated for this: it may have happened.
            let message = format!("{rpc} was sent, but {report} did not come in time");
            let detail = json!({ "rpc": rpc, "commandKey": operation.command_key });
            self.tell("operation.unconfirmed", detail.clone());
            self.note(message.clone(), detail);
            self.end_tasks(&operation, TaskState::Unknown, &message, None);
            return;
        }
        let is_transfer = operation.kind != OperationKind::ChangeDUState;
        if is_transfer && self.settings.download_success_on_timeout {
            self.record_presumed_success(&operation.command_key);
            let timestamp = self.facts.timestamp;
            self.record_transfer(&operation, operation.timestamp, timestamp);
            self.end_tasks(&operation, TaskState::Done, "Taken for done: no TransferComplete came", None);
            return;
        }
        let what = if is_transfer { operation.file_name.as_str() } else { "a change of deployment units" };
        let message = format!("{rpc} operation timed out: {what} was requested, but no {report} came");
        self.record_timeout(&operation.command_key, &message);
        let instances = operation.instances.clone();
        self.fail_operation(operation, &instances, Fault::new("timeout", message), configuration);
    }

    /// A transfer was taken back; a later trigger may ask for it again.
    pub(super) fn transfer_cancelled(&mut self, command_key: &str) {
        if let Some(operation) = self.take_operation(command_key) {
            self.tell("transfer.cancelled", json!({ "rpc": operation.kind.rpc(), "commandKey": command_key }));
            self.end_tasks(&operation, TaskState::Cancelled, "Its transfer was cancelled", None);
        }
    }

    /// The state of the tasks behind an operation, which need not be among those of the session.
    pub(super) fn end_tasks(&mut self, operation: &Operation, state: TaskState, reason: &str, result: Option<&Json>) {
        for task in operation.tasks() {
            if let Some(result) = result {
                self.results.insert(task.clone(), result.clone());
            }
            self.change_task(&task, state, reason.to_owned());
        }
    }

    fn record_transfer(&mut self, operation: &Operation, start_time: i64, complete_time: i64) {
        let Some(entries) = EntryKind::of_operation(operation.kind) else { return };
        for instance in &operation.instances {
            if !self.has_entry(entries, instance) {
                continue;
            }
            self.set_field(entries, instance, &entries.last_trigger(), time_value(operation.timestamp));
            self.set_field(entries, instance, "StartTime", time_value(start_time));
            self.set_field(entries, instance, "CompleteTime", time_value(complete_time));
            let requested = [
                ("LastFileType", &operation.file_type),
                ("LastFileName", &operation.file_name),
                ("LastTargetFileName", &operation.target_file_name),
            ];
            for (field, text) in requested {
                if entries.remembered.contains(&&field["Last".len()..]) {
                    self.set_field(entries, instance, field, TypedValue::string(text.as_str()));
                }
            }
        }
    }

    /// Takes the request of some entries back, so that a retry asks for them again, and faults the channels that wanted it.
    pub(super) fn fail_operation(
        &mut self,
        operation: Operation,
        instances: &[String],
        fault: Fault,
        configuration: &dyn Configuration,
    ) {
        if let Some(entries) = EntryKind::of_operation(operation.kind) {
            for instance in instances {
                if self.has_entry(entries, instance) {
                    let last = self.field_time(entries, instance, &entries.last_trigger());
                    self.set_field(entries, instance, entries.trigger(), time_value(last));
                }
            }
        }
        let failed: Vec<bool> = operation.instances.iter().map(|instance| instances.contains(instance)).collect();
        for (channel, mut calls) in operation.channels {
            for call in &mut calls {
                keep_failed(call, &failed);
            }
            let earlier = operation.retries.get(&channel).copied();
            self.record_fault(&channel, fault.clone(), calls, Some((operation.timestamp, earlier)), configuration);
        }
    }

    pub(super) fn tell(&mut self, kind: &str, detail: Json) {
        self.outbox.push(event(kind, &self.facts.device_id, self.facts.timestamp, detail));
    }

    pub(super) fn has_entry(&self, entries: &EntryKind, instance: &str) -> bool {
        self.tree.find(&format!("{}.{instance}", entries.root)).is_some()
    }

    pub(super) fn field_text(&self, entries: &EntryKind, instance: &str, field: &str) -> String {
        let node = self.tree.find(&format!("{}.{instance}.{field}", entries.root));
        node.and_then(|id| self.tree.node(id).typed_value())
            .map(|value| value.0.to_text().into_owned())
            .unwrap_or_default()
    }

    fn field_time(&self, entries: &EntryKind, instance: &str, field: &str) -> i64 {
        let node = self.tree.find(&format!("{}.{instance}.{field}", entries.root));
        match node.and_then(|id| self.tree.node(id).typed_value()) {
            Some(TypedValue(Value::Int(time), _)) => *time,
            _ => 0,
        }
    }

    pub(super) fn set_field(&mut self, entries: &EntryKind, instance: &str, field: &str, value: TypedValue) {
        let at = self.stamp + 1;
        let tree = self.tree_mut();
        let node = tree.ensure(&format!("{}.{instance}.{field}", entries.root));
        tree.set_written_value(node, value, at, None);
    }

    /// Remembers when a root that stands for an RPC was asked for.
    fn commanded(&mut self, name: &str, time: i64, source: u32) {
        let timestamp = self.facts.timestamp;
        let tree = self.tree_mut();
        let node = tree.ensure(name);
        tree.set_written_value(node, time_value(time), timestamp, None);
        tree.set_listed(node, false, true, timestamp);
        if let Some(cycle) = &mut self.cycle {
            cycle.note_write(name, "(sent)".to_owned(), "", source);
        }
    }
}

impl Operation {
    /// The ids of the tasks that it was requested by.
    pub(super) fn tasks(&self) -> Vec<String> {
        self.channels.keys().filter_map(|channel| channel.strip_prefix("task_")).map(str::to_owned).collect()
    }
}

/// What has succeeded is not to be done again: a retry of a task changes only the deployment units that failed.
fn keep_failed(call: &mut ProvisionCall, failed: &[bool]) {
    if call.name == CHANGE_DU_STATE && call.arguments.len() == failed.len() {
        let mut failed = failed.iter();
        call.arguments.retain(|_| failed.next().copied().unwrap_or(true));
    }
}

fn transfer_result(command_key: &str, start_time: i64, complete_time: i64) -> Json {
    let time = |time: i64| (time != UNKNOWN_TIME).then(|| format_date_time(time));
    json!({ "commandKey": command_key, "startTime": time(start_time), "completeTime": time(complete_time) })
}

pub(super) fn time_value(time: i64) -> TypedValue {
    TypedValue(Value::Int(time), XsdType::DateTime)
}
