//! Keeping transfer records: what the session says and hears about files that devices fetch and send.
//!
//! Not here: what follows from it for tasks and channels (`transfers`).

use percent_encoding::percent_decode_str;
use serde_json::json;

use crate::rpc::{
    AcsRequest, CpeFault, CpeResponse, Download, Inform, ScheduleDownload, TransferComplete, UNKNOWN_TIME, Upload,
};
use crate::transfer::{Sighting, Transfer, TransferKind, TransferState, kept};
use crate::value::TypedValue;

use super::{Session, event};

/// Where devices say which software they run.
const SOFTWARE_VERSIONS: [&str; 2] =
    ["Device.DeviceInfo.SoftwareVersion", "InternetGatewayDevice.DeviceInfo.SoftwareVersion"];
/// Events that follow a restart.
const BOOTS: [&str; 2] = ["0 BOOTSTRAP", "1 BOOT"];

impl Session {
    /// Looks for effects of earlier transfers in the session's Inform.
    pub(super) fn see_transfers(&mut self, inform: &Inform) {
        let is_version = |name: &str| SOFTWARE_VERSIONS.contains(&name);
        let version = inform.parameter_list.iter().find(|(name, _)| is_version(name));
        let version = version.map(|(_, value)| value.0.to_text());
        let sighting = Sighting {
            version: version.as_deref(),
            has_booted: inform.events.iter().any(|event| BOOTS.contains(&event.code.as_str())),
            at: self.facts.timestamp,
        };
        for (key, transfer) in &mut self.transfers {
            if transfer.see(sighting) {
                self.changed_transfers.insert(key.clone());
            }
        }
    }

    /// A request is about to be sent.
    pub(super) fn record_request(&mut self, request: &AcsRequest) {
        let (kind, command_key, file_type, url, file_size) = match request {
            AcsRequest::Download(Download { command_key, file_type, url, file_size, .. }) => {
                (TransferKind::Download, command_key, file_type, url, *file_size)
            }
            AcsRequest::ScheduleDownload(ScheduleDownload { command_key, file_type, url, file_size, .. }) => {
                (TransferKind::ScheduleDownload, command_key, file_type, url, *file_size)
            }
            AcsRequest::Upload(Upload { command_key, file_type, url, .. }) => {
                (TransferKind::Upload, command_key, file_type, url, 0)
            }
            _ => return,
        };
        let transfer = Transfer {
            file_type: file_type.clone(),
            file_name: self.file_name_of(url),
            file_size,
            ..Transfer::requested(command_key, kind, self.facts.timestamp)
        };
        let transfer = Transfer { version_before: self.software_version(), ..transfer };
        self.tell_of_transfer("transfer.requested", &transfer);
        self.changed_transfers.insert(transfer.command_key.clone());
        self.transfers.insert(transfer.command_key.clone(), transfer);
    }

    /// The device answers a request.
    pub(super) fn record_response(&mut self, request: &mut AcsRequest, response: &CpeResponse) {
        let Some(address) = request.transfer_address() else { return };
        let key = address.command_key.to_owned();
        match response {
            CpeResponse::DownloadResponse { status, start_time, complete_time }
            | CpeResponse::UploadResponse { status, start_time, complete_time } => {
                let (status, times) = (*status, (*start_time, *complete_time));
                self.change_transfer(&key, |transfer, at| {
                    transfer.accept(status, at);
                    if status == 0 {
                        transfer.complete(times.0, times.1, at);
                    }
                });
            }
            CpeResponse::ScheduleDownloadResponse => self.change_transfer(&key, |transfer, at| transfer.accept(1, at)),
            _ => self.record_silence(request, &format!("{} came instead of an answer", response.name())),
        }
    }

    /// The device refuses a request.
    pub(super) fn record_refusal(&mut self, request: &mut AcsRequest, fault: &CpeFault) {
        let Some(address) = request.transfer_address() else { return };
        let key = address.command_key.to_owned();
        let refused =
            TransferComplete { command_key: key, fault: Some(fault.clone()), start_time: 0, complete_time: 0 };
        self.record_transfer_complete(&refused);
    }

    /// The device does not answer a request. It may have understood it all the same.
    pub(super) fn record_silence(&mut self, request: &mut AcsRequest, reason: &str) {
        let Some(address) = request.transfer_address() else { return };
        let key = address.command_key.to_owned();
        self.change_transfer(&key, |transfer, at| transfer.fail("unanswered", reason, at));
    }

    /// The device says how a transfer ended.
    pub(super) fn record_transfer_complete(&mut self, message: &TransferComplete) {
        self.change_transfer(&message.command_key, |transfer, at| transfer.end(message, at));
    }

    /// The device has not said how a transfer ended, and is not waited for any longer.
    pub(super) fn record_timeout(&mut self, command_key: &str, message: &str) {
        self.change_transfer(command_key, |transfer, at| transfer.fail("timeout", message, at));
    }

    /// The same, taken for success.
    pub(super) fn record_presumed_success(&mut self, command_key: &str) {
        self.change_transfer(command_key, |transfer, at| transfer.complete(UNKNOWN_TIME, UNKNOWN_TIME, at));
    }

    fn change_transfer(&mut self, command_key: &str, change: impl FnOnce(&mut Transfer, i64)) {
        let Some(transfer) = self.transfers.get_mut(command_key) else { return };
        let before = transfer.state;
        change(transfer, self.facts.timestamp);
        let transfer = transfer.clone();
        self.changed_transfers.insert(command_key.to_owned());
        match transfer.state {
            state if state == before => {}
            TransferState::Completed => self.tell_of_transfer("transfer.completed", &transfer),
            TransferState::Failed => self.tell_of_transfer("transfer.failed", &transfer),
            TransferState::Requested | TransferState::Accepted => {}
        }
    }

    fn tell_of_transfer(&mut self, kind: &str, transfer: &Transfer) {
        let mut detail = json!({
            "transfer": format!("{}:{}", self.facts.device_id, transfer.command_key),
            "kind": transfer.kind,
            "fileType": transfer.file_type,
            "fileName": transfer.file_name,
        });
        if let Some(fault) = &transfer.fault {
            detail["faultCode"] = fault.code.as_str().into();
            detail["faultString"] = fault.message.as_str().into();
        }
        self.outbox.push(event(kind, &self.facts.device_id, self.facts.timestamp, detail));
    }

    /// The name of a file of the file server; any other URL is its own name.
    fn file_name_of(&self, url: &str) -> String {
        let name =
            url.strip_prefix(&self.settings.file_url_prefix).filter(|_| !self.settings.file_url_prefix.is_empty());
        name.map_or_else(|| url.to_owned(), |name| percent_decode_str(name).decode_utf8_lossy().into_owned())
    }

    fn software_version(&self) -> Option<String> {
        let node = SOFTWARE_VERSIONS.iter().find_map(|path| self.tree.find(path))?;
        let TypedValue(value, _) = self.tree.node(node).typed_value()?;
        Some(kept(&value.to_text()))
    }
}
