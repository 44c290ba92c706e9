//! Downloads from their acceptance to their TransferComplete, or their timeout.

use std::collections::BTreeMap;

use serde_json::json;

use crate::fault::{Fault, ProvisionCall};
use crate::operation::Operation;
use crate::planner::{Refusal, Sources};
use crate::rpc::{DUStateChangeComplete, Download, TransferComplete};
use crate::value::{TypedValue, Value, XsdType};

use super::Session;
use super::configuration::Configuration;

impl Session {
    /// The device took a Download. With status 1 a TransferComplete will follow; with 0 it is done already.
    pub(super) fn download_accepted(
        &mut self,
        command_key: &str,
        download: &Download,
        instance: &str,
        source: u32,
        (status, start_time, complete_time): (u32, i64, i64),
    ) {
        let timestamp = self.facts.timestamp;
        let file_name = self.download_text(instance, "FileName");
        self.set_download_time(instance, "Download", timestamp);
        let operation = Operation {
            command_key: command_key.to_owned(),
            timestamp,
            instance: instance.to_owned(),
            file_type: download.file_type.clone(),
            file_name,
            target_file_name: download.target_file_name.clone(),
            channels: self.channels_of(source),
            retries: BTreeMap::new(),
        };
        if let Some(cycle) = &mut self.cycle {
            cycle.note_write(&format!("Downloads.{instance}"), "(requested)".to_owned(), "", source);
        }
        if status == 0 {
            self.record_transfer(&operation, start_time, complete_time);
            return;
        }
        let retries =
            operation.channels.keys().filter_map(|channel| Some((channel.clone(), self.faults.get(channel)?.retries)));
        let operation = Operation { retries: retries.collect(), ..operation };
        self.operations.insert(command_key.to_owned(), operation);
        self.changed_operations.insert(command_key.to_owned());
    }

    /// Nobody has said where devices fetch files: the device could not know either.
    pub(super) fn refuse_download(&mut self, source: u32, instance: &str) {
        let file_name = self.download_text(instance, "FileName");
        let Some(cycle) = &mut self.cycle else { return };
        cycle.ledger.refused_commands.insert(format!("Downloads.{instance}"));
        let sources = cycle.lowest_sources(&Sources::from([source]));
        cycle.ledger.refusals.push(Refusal {
            sources,
            code: "no_file_url".to_owned(),
            message: format!(
                "{file_name} cannot be downloaded: the address under which the device reaches the file server is not known; \
                 configure it (--file-url-prefix), or use a whole URL as the file's name"
            ),
            detail: json!({ "fileName": file_name }),
        });
    }

    /// The channels behind a source, each with all its provisions.
    fn channels_of(&self, source: u32) -> BTreeMap<String, Vec<ProvisionCall>> {
        let Some(cycle) = &self.cycle else { return BTreeMap::new() };
        let Some(level) = cycle.levels.first() else { return BTreeMap::new() };
        let lowest = cycle.lowest_sources(&Sources::from([source]));
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
        let Some(operation) = self.operations.remove(&message.command_key) else {
            self.note(
                "Unrecognized command key in TransferComplete".to_owned(),
                json!({ "commandKey": message.command_key }),
            );
            return;
        };
        self.changed_operations.insert(message.command_key.clone());
        match &message.fault {
            None => self.record_transfer(&operation, message.start_time, message.complete_time),
            Some(fault) => {
                let mut recorded = Fault::from_cpe(fault);
                recorded.message = format!("{}: {}", operation.file_name, fault.message);
                self.fail_transfer(operation, recorded, configuration);
            }
        }
    }

    /// Ends downloads whose TransferComplete has not come in time.
    pub(super) fn expire_operations(&mut self, configuration: &dyn Configuration) {
        let deadline = self.facts.timestamp - self.settings.download_timeout;
        let late: Vec<String> = self
            .operations
            .values()
            .filter(|operation| operation.timestamp <= deadline)
            .map(|o| o.command_key.clone())
            .collect();
        for key in late {
            let Some(operation) = self.operations.remove(&key) else { continue };
            self.changed_operations.insert(key.clone());
            if self.settings.download_success_on_timeout {
                self.record_presumed_success(&key);
                let timestamp = self.facts.timestamp;
                self.record_transfer(&operation, operation.timestamp, timestamp);
            } else {
                let message = format!(
                    "Download operation timed out: {} was requested, but no TransferComplete came",
                    operation.file_name
                );
                self.record_timeout(&key, &message);
                self.fail_transfer(operation, Fault::new("timeout", message), configuration);
            }
        }
    }

    fn record_transfer(&mut self, operation: &Operation, start_time: i64, complete_time: i64) {
        let instance = &operation.instance;
        if self.tree.find(&format!("Downloads.{instance}")).is_none() {
            return;
        }
        self.set_download_time(instance, "LastDownload", operation.timestamp);
        self.set_download_time(instance, "StartTime", start_time);
        self.set_download_time(instance, "CompleteTime", complete_time);
        self.set_download_text(instance, "LastFileType", &operation.file_type);
        self.set_download_text(instance, "LastFileName", &operation.file_name);
        self.set_download_text(instance, "LastTargetFileName", &operation.target_file_name);
    }

    /// Takes the request back, so that a retry asks again, and faults the channels that wanted it.
    fn fail_transfer(&mut self, operation: Operation, fault: Fault, configuration: &dyn Configuration) {
        if self.tree.find(&format!("Downloads.{}", operation.instance)).is_some() {
            let last = self.download_time(&operation.instance, "LastDownload");
            self.set_download_time(&operation.instance, "Download", last);
        }
        for (channel, calls) in operation.channels {
            let earlier = operation.retries.get(&channel).copied();
            self.record_fault(&channel, fault.clone(), calls, Some((operation.timestamp, earlier)), configuration);
        }
    }

    pub(super) fn download_text(&self, instance: &str, field: &str) -> String {
        let node = self.tree.find(&format!("Downloads.{instance}.{field}"));
        node.and_then(|id| self.tree.node(id).typed_value())
            .map(|value| value.0.to_text().into_owned())
            .unwrap_or_default()
    }

    fn download_time(&self, instance: &str, field: &str) -> i64 {
        let node = self.tree.find(&format!("Downloads.{instance}.{field}"));
        match node.and_then(|id| self.tree.node(id).typed_value()) {
            Some(TypedValue(Value::Int(time), _)) => *time,
            _ => 0,
        }
    }

    fn set_download_time(&mut self, instance: &str, field: &str, time: i64) {
        self.set_download_field(instance, field, TypedValue(Value::Int(time), XsdType::DateTime));
    }

    fn set_download_text(&mut self, instance: &str, field: &str, text: &str) {
        self.set_download_field(instance, field, TypedValue::string(text));
    }

    fn set_download_field(&mut self, instance: &str, field: &str, value: TypedValue) {
        let at = self.stamp + 1;
        let tree = self.tree_mut();
        let node = tree.ensure(&format!("Downloads.{instance}.{field}"));
        tree.set_written_value(node, value, at, None);
    }

    pub(super) fn du_state_change_complete(&mut self, message: DUStateChangeComplete, _: &dyn Configuration) {
        let results: Vec<_> = message.results.iter().map(super::reports::result_json).collect();
        let detail = json!({ "commandKey": message.command_key, "results": results });
        self.note("Unrecognized command key in DUStateChangeComplete".to_owned(), detail);
    }
}
