//! Restarts and scheduled Informs: known to have happened by the events of a later Inform, and never sent twice for a task.

use std::collections::BTreeSet;

use serde_json::json;

use crate::operation::OperationKind;
use crate::planner::{Purpose, Sources};
use crate::rpc::{AcsRequest, Event};
use crate::task::TaskState;

use super::configuration::Configuration;
use super::{Outstanding, Session};

impl Session {
    /// A restart that was sent for a task and not answered may have been carried out: it is taken for accepted, lest it is sent
    /// twice. Gives the sources behind it, or nothing when the request is something else.
    pub(super) fn sent_restart(
        &mut self,
        outstanding: Outstanding,
        configuration: &dyn Configuration,
    ) -> Option<Sources> {
        let Outstanding { id, request, purpose } = outstanding;
        let is_task = self.cycle.as_ref().is_some_and(|cycle| cycle.task().is_some());
        let is_restart = is_task && matches!(request, AcsRequest::Reboot { .. } | AcsRequest::FactoryReset);
        let Purpose::Command { sources, instances } = purpose else { return None };
        if !is_restart {
            return None;
        }
        self.accepted(request, &id, &sources, instances, None, configuration);
        Some(sources)
    }

    /// The request, unless it is a restart: that is taken for accepted.
    pub(super) fn unsent_restart(
        &mut self,
        outstanding: Outstanding,
        configuration: &dyn Configuration,
    ) -> Option<Outstanding> {
        match self.sent_restart(outstanding.clone(), configuration) {
            Some(_) => None,
            None => Some(outstanding),
        }
    }

    /// Tells the tasks behind some sources of the lowest level that what they wanted was sent, when the session ends before
    /// their cycle does.
    pub(super) fn tell_accepted(&mut self, sources: &Sources) {
        let Some(level) = self.cycle.as_ref().and_then(|cycle| cycle.levels.first()) else { return };
        let channels: BTreeSet<String> = sources
            .iter()
            .filter_map(|&index| level.sources.get(index as usize))
            .flat_map(|source| source.channels.iter().cloned())
            .collect();
        for channel in channels {
            self.end_task_of(&channel);
        }
    }

    /// What the events of an Inform confirm: restarts and scheduled Informs.
    pub(super) fn confirm_by_events(&mut self, events: &[Event]) {
        let key_of = |code: &str| {
            let found = events.iter().find(|event| event.code.eq_ignore_ascii_case(code));
            found.map(|event| event.command_key.as_str())
        };
        let has = |code: &str| key_of(code).is_some();
        let confirmed: Vec<(String, &str)> = self
            .operations
            .values()
            .filter_map(|operation| {
                let key = Some(operation.command_key.as_str());
                let reason = match operation.kind {
                    OperationKind::Reboot if key_of("M Reboot") == key => "The device restarted (1 BOOT, M Reboot)",
                    OperationKind::Reboot if has("1 BOOT") => "The device restarted (1 BOOT without its M Reboot)",
                    OperationKind::FactoryReset if has("0 BOOTSTRAP") => "The device was reset (0 BOOTSTRAP)",
                    OperationKind::ScheduleInform if key_of("M ScheduleInform") == key => {
                        "The device informed as scheduled (M ScheduleInform)"
                    }
                    _ => return None,
                };
                Some((operation.command_key.clone(), reason))
            })
            .collect();
        for (command_key, reason) in confirmed {
            if let Some(operation) = self.take_operation(&command_key) {
                self.tell("operation.confirmed", json!({ "rpc": operation.kind.rpc(), "commandKey": command_key }));
                self.end_tasks(&operation, TaskState::Done, reason, None);
            }
        }
        // A task whose session was lost with the server is known by its key.
        let task = key_of("M Reboot").and_then(|key| self.tasks.iter().find(|task| task.id == key));
        if let Some(id) = task.filter(|task| task.state.is_open()).map(|task| task.id.clone()) {
            self.clear_fault(&format!("task_{id}"));
            self.change_task(&id, TaskState::Done, "The device restarted (M Reboot)".to_owned());
        }
    }
}
