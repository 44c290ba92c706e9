//! What a device tells of deployment units that it was asked to install, update and uninstall (TR-069 Annex A.4.2.3).

use serde_json::{Value as Json, json};

use crate::entries::EntryKind;
use crate::fault::Fault;
use crate::operation::{Operation, OperationKind};
use crate::rpc::{DUStateChangeComplete, OperationResult};
use crate::task::TaskState;
use crate::value::TypedValue;

use super::Session;
use super::configuration::Configuration;
use super::operations::time_value;
use super::reports::result_json;

impl Session {
    pub(super) fn du_state_change_complete(
        &mut self,
        message: DUStateChangeComplete,
        configuration: &dyn Configuration,
    ) {
        let results: Vec<Json> = message.results.iter().map(result_json).collect();
        let detail = json!({ "commandKey": message.command_key, "results": results });
        let is_change = |operation: &Operation| operation.kind == OperationKind::ChangeDUState;
        let Some(operation) = self.operations.get(&message.command_key).cloned().filter(is_change) else {
            self.note("Unrecognized command key in DUStateChangeComplete".to_owned(), detail);
            return;
        };
        self.take_operation(&message.command_key);
        let Some(entries) = EntryKind::of_operation(OperationKind::ChangeDUState) else { return };
        let mut failed = Vec::new();
        let mut problems = Vec::new();
        for (index, instance) in operation.instances.iter().enumerate() {
            let what = format!(
                "{} {}",
                self.field_text(entries, instance, "Operation"),
                [self.field_text(entries, instance, "URL"), self.field_text(entries, instance, "UUID")]
                    .join(" ")
                    .trim()
            );
            let result = message.results.get(index);
            if let Some(result) = result {
                self.record_result(entries, instance, result);
            }
            match result.map(|result| &result.fault) {
                Some(None) => self.remember(entries, instance, &operation),
                Some(Some(fault)) => {
                    failed.push(instance.clone());
                    problems.push((format!("cwmp.{}", fault.code), format!("{what}: {} {}", fault.code, fault.text())));
                }
                None => {
                    failed.push(instance.clone());
                    problems.push(("invalid_response".to_owned(), format!("{what}: the device tells no result")));
                }
            }
        }
        let kind = if problems.is_empty() { "deploymentUnits.changed" } else { "deploymentUnits.failed" };
        self.tell(kind, detail.clone());
        match problems.first() {
            None => self.end_tasks(&operation, TaskState::Done, "", Some(&detail)),
            Some((code, _)) => {
                for task in operation.tasks() {
                    self.results.insert(task, detail.clone());
                }
                let message = problems.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("; ");
                let fault = Fault { code: code.clone(), message, detail: Some(detail) };
                self.fail_operation(operation, &failed, fault, configuration);
            }
        }
    }

    fn record_result(&mut self, entries: &'static EntryKind, instance: &str, result: &OperationResult) {
        let (code, text) = match &result.fault {
            Some(fault) => (fault.code.as_str(), fault.text()),
            None => ("0", ""),
        };
        let outcomes = [
            ("CurrentState", result.current_state.as_str()),
            ("CurrentUUID", &result.uuid),
            ("CurrentVersion", &result.version),
            ("DeploymentUnitRef", &result.deployment_unit_ref),
            ("ExecutionUnitRefList", &result.execution_unit_ref_list),
            ("Resolved", if result.resolved { "true" } else { "false" }),
            ("FaultCode", code),
            ("FaultString", text),
        ];
        if self.has_entry(entries, instance) {
            for (field, text) in outcomes {
                self.set_field(entries, instance, field, TypedValue::string(text));
            }
            self.set_field(entries, instance, "StartTime", time_value(result.start_time));
            self.set_field(entries, instance, "CompleteTime", time_value(result.complete_time));
        }
    }

    /// Remembers an entry's arguments as carried out.
    fn remember(&mut self, entries: &'static EntryKind, instance: &str, operation: &Operation) {
        if !self.has_entry(entries, instance) {
            return;
        }
        self.set_field(entries, instance, &entries.last_trigger(), time_value(operation.timestamp));
        for argument in entries.remembered {
            let text = self.field_text(entries, instance, argument);
            self.set_field(entries, instance, &format!("Last{argument}"), TypedValue::string(text));
        }
    }
}
