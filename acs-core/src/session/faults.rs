//! Faulting channels: the fault is stored with what to run again, the provisions leave the cycle, the others go on.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::json;

use crate::fault::{Fault, FaultRecord, ProvisionCall};
use crate::planner::Sources;
use crate::rpc::fault::is_permanent;
use crate::script::{ScriptFault, ScriptKind};

use super::configuration::Configuration;
use super::cycle::CycleKind;
use super::level::SourceState;
use super::{LogKind, Session, SessionLog, event};

impl Session {
    /// A script failed; at a nested level, those who asked for it fail with it.
    pub(super) fn fault_script(&mut self, index: u32, fault: ScriptFault, configuration: &dyn Configuration) {
        let Some(cycle) = &mut self.cycle else { return };
        let sources = cycle.lowest_sources(&Sources::from([index]));
        if cycle.levels.len() > 1 {
            // Whoever still needs the other virtual parameters asks for them again.
            cycle.levels.truncate(1);
        }
        let fault = Fault { code: fault.code, message: fault.message, detail: fault.detail };
        self.fault_sources(&sources, fault, configuration);
    }

    /// Faults the channels of some sources of the lowest level, and takes out what belongs to no healthy channel.
    pub(super) fn fault_sources(&mut self, sources: &Sources, fault: Fault, configuration: &dyn Configuration) {
        let Some(cycle) = &mut self.cycle else { return };
        let Some(level) = cycle.levels.first_mut() else { return };
        let channels: BTreeSet<String> = sources
            .iter()
            .filter_map(|&index| level.sources.get(index as usize))
            .flat_map(|source| source.channels.iter().cloned())
            .collect();
        let mut provisions: Vec<(String, Vec<ProvisionCall>)> = Vec::new();
        let fetching = cycle.kind == CycleKind::Preconditions;
        for channel in &channels {
            let calls = level.sources.iter().filter(|source| source.channels.contains(channel) && !fetching);
            provisions.push((channel.clone(), calls.map(|source| source.call()).collect()));
        }
        cycle.faulted.extend(channels.iter().cloned());
        for (index, source) in (0u32..).zip(&mut level.sources) {
            if sources.contains(&index) || source.channels.is_subset(&cycle.faulted) {
                source.state = SourceState::Dropped;
                source.declarations.clear();
                source.requests.clear();
            }
        }
        // What the dropped ones had begun is not carried on, except that a new instance still gets its keys.
        let dropped: Sources = (0u32..)
            .zip(&level.sources)
            .filter(|(_, source)| source.state == SourceState::Dropped)
            .map(|(index, _)| index)
            .collect();
        cycle.levels.truncate(1);
        cycle.ledger.queue.retain(|change| !dropped.contains(&change.source()));
        if fetching {
            self.blocked.extend(channels.iter().cloned());
        }
        for (channel, calls) in provisions {
            self.record_fault(&channel, fault.clone(), calls, None, configuration);
        }
    }

    /// Stores a channel's fault: the first with no retries, later ones with one more. `earlier` is for what was begun in another
    /// session: when, and how often the channel had been tried again by then.
    pub(super) fn record_fault(
        &mut self,
        channel: &str,
        fault: Fault,
        calls: Vec<ProvisionCall>,
        earlier: Option<(i64, Option<u32>)>,
        configuration: &dyn Configuration,
    ) {
        let before = self.faults.get(channel);
        let (timestamp, retries) = match earlier {
            Some((timestamp, retries)) => (timestamp, retries.map_or(0, |retries| retries + 1)),
            None => {
                let timestamp = self.facts.timestamp;
                let again = |before: &FaultRecord| before.timestamp < timestamp;
                (timestamp, before.map_or(0, |before| before.retries + u32::from(again(before))))
            }
        };
        let mut provisions = before.map(|before| before.provisions.clone()).unwrap_or_default();
        merge_calls(&mut provisions, calls);
        let task = self.tasks.iter().find(|task| task.channel() == channel);
        // A task whose operation has failed later is no longer among those of the session.
        let earlier_task = channel.strip_prefix("task_").filter(|_| earlier.is_some());
        let task_id = task.map(|task| task.id.as_str()).or(earlier_task).map(str::to_owned);
        // What the device would refuse again is not tried again; a preset's turn may come when the device has changed.
        let refused_for_good = task_id.is_some() && fault.code.strip_prefix("cwmp.").is_some_and(is_permanent);
        let record = FaultRecord {
            device: self.facts.device_id.clone(),
            channel: channel.to_owned(),
            retry_at: self.settings.retry.retry_at(timestamp, retries).filter(|_| !refused_for_good),
            expiry: task.and_then(|task| task.expiry),
            fingerprint: fingerprint(&provisions, configuration),
            fault,
            timestamp,
            retries,
            provisions,
        };
        if let Some(id) = task_id {
            self.change_task(&id, crate::task::TaskState::Faulted, record.fault.message.clone());
        }
        let fields =
            json!({ "channel": channel, "code": record.fault.code, "retries": retries, "retryAt": record.retry_at });
        self.outbox.push(event("fault.created", &self.facts.device_id, self.facts.timestamp, fields.clone()));
        self.log.push(SessionLog { kind: LogKind::Fault, message: record.fault.message.clone(), fields });
        self.faults.insert(channel.to_owned(), record);
        self.changed_faults.insert(channel.to_owned());
    }

    /// A channel has done what it should.
    pub(super) fn clear_fault(&mut self, channel: &str) {
        if self.faults.remove(channel).is_some() {
            self.changed_faults.insert(channel.to_owned());
            let fields = json!({ "channel": channel });
            self.outbox.push(event("fault.cleared", &self.facts.device_id, self.facts.timestamp, fields));
        }
    }
}

/// Adds calls that are not yet in the list.
pub(super) fn merge_calls(list: &mut Vec<ProvisionCall>, calls: Vec<ProvisionCall>) -> bool {
    let before = list.len();
    for call in calls {
        if !list.iter().any(|known| known.is_same_call(&call)) {
            list.push(call);
        }
    }
    list.len() != before
}

/// Changes when one of the provisions' scripts changes.
pub(super) fn fingerprint(calls: &[ProvisionCall], configuration: &dyn Configuration) -> u64 {
    let mut hasher = DefaultHasher::new();
    for call in calls {
        call.name.hash(&mut hasher);
        configuration.script_fingerprint(ScriptKind::Provision, &call.name).hash(&mut hasher);
    }
    // The store keeps signed 64-bit integers.
    hasher.finish() >> 1
}
