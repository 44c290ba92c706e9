//! What a device reports or asks by itself: transfers and deployment units that nobody asked it for, files that it would like to
//! be sent, and users that were sent to it (TR-069 Annex A.3.3.3, A.4.2).
//!
//! Each report becomes an event of the outbox and a note in the session's log. RequestDownload and Kicked are also events for
//! presets, in the same session. Not here: reports of what was asked for ([`super::operations`]).

use serde_json::{Value as Json, json};

use crate::device::set_local;
use crate::rpc::{
    AcsRequest, AutonomousDUStateChangeComplete, AutonomousTransferComplete, CpeFault, CpeResponse, Inform, Kicked,
    OperationResult, RequestDownload,
};
use crate::value::{TypedValue, Value, XsdType, format_date_time};

use super::{Session, State, event};

/// Where the arguments of the last RequestDownload are kept; also the name of its event.
const REQUEST_DOWNLOAD: &str = "RequestDownload";
/// Where devices tell the key of their last change.
const PARAMETER_KEYS: [&str; 2] =
    ["Device.ManagementServer.ParameterKey", "InternetGatewayDevice.ManagementServer.ParameterKey"];

impl Session {
    pub(super) fn autonomous_transfer_complete(&mut self, message: &AutonomousTransferComplete) {
        let detail = json!({
            "announceURL": message.announce_url,
            "transferURL": message.transfer_url,
            "isDownload": message.is_download,
            "fileType": message.file_type,
            "fileSize": message.file_size,
            "targetFileName": message.target_file_name,
            "fault": message.fault.as_ref().map(fault_json),
            "startTime": format_date_time(message.start_time),
            "completeTime": format_date_time(message.complete_time),
        });
        let what = if message.is_download { "downloaded" } else { "uploaded" };
        self.report("transfer.autonomous", format!("The device has {what} a file by itself"), detail);
    }

    pub(super) fn autonomous_du_state_change_complete(&mut self, message: &AutonomousDUStateChangeComplete) {
        let results: Vec<Json> = message.results.iter().map(result_json).collect();
        let message = "The device has changed deployment units by itself".to_owned();
        self.report("deploymentUnits.autonomous", message, json!({ "results": results }));
    }

    /// The arguments become known below `RequestDownload`, so that a preset for the event can declare what to send.
    pub(super) fn request_download(&mut self, message: &RequestDownload) {
        let at = self.facts.timestamp;
        let tree = self.tree_mut();
        if let Some(root) = tree.find(REQUEST_DOWNLOAD) {
            tree.remove(root);
        }
        set_local(tree, &format!("{REQUEST_DOWNLOAD}.FileType"), TypedValue::string(&*message.file_type), at);
        for (index, (name, value)) in message.file_type_arg.iter().enumerate() {
            let entry = format!("{REQUEST_DOWNLOAD}.FileTypeArg.{}", index + 1);
            set_local(tree, &format!("{entry}.Name"), TypedValue::string(&**name), at);
            set_local(tree, &format!("{entry}.Value"), TypedValue::string(&**value), at);
        }
        self.occurred(REQUEST_DOWNLOAD);
        let arguments: Vec<Json> =
            message.file_type_arg.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let detail = json!({ "fileType": message.file_type, "fileTypeArg": arguments });
        self.report("download.requested", format!("The device asks for a file: {}", message.file_type), detail);
    }

    pub(super) fn kicked(&mut self, message: &Kicked) {
        self.occurred("Kicked");
        let detail = json!({
            "command": message.command,
            "referer": message.referer,
            "arg": message.arg,
            "next": message.next,
        });
        self.report("device.kicked", "The device was kicked".to_owned(), detail);
    }

    /// A device remembers the key of the last change of its configuration (TR-069 A.3.2.1). Another one than the last that it has
    /// acknowledged here shows that somebody else has changed it since.
    pub(super) fn compare_parameter_key(&mut self, inform: &Inform) {
        let is_key = |name: &str| PARAMETER_KEYS.contains(&name);
        let Some((_, told)) = inform.parameter_list.iter().find(|(name, _)| is_key(name)) else { return };
        let told = told.0.to_text().into_owned();
        // A device without a key has started afresh, or keeps none.
        let next = Some(told.clone()).filter(|told| !told.is_empty());
        let Some(ours) = std::mem::replace(&mut self.head.parameter_key, next) else { return };
        if told != ours && !told.is_empty() {
            self.occurred("ParameterKeyChanged");
            let message =
                "The device's configuration was changed by somebody else: it has another ParameterKey".to_owned();
            self.report("device.changedElsewhere", message, json!({ "parameterKey": told, "expected": ours }));
        }
    }

    /// The device has acknowledged a change. What it applies later has no key yet.
    pub(super) fn record_parameter_key(&mut self, request: &mut AcsRequest, response: &CpeResponse) {
        let (CpeResponse::SetParameterValuesResponse { status }
        | CpeResponse::AddObjectResponse { status, .. }
        | CpeResponse::DeleteObjectResponse { status }) = response
        else {
            return;
        };
        if let Some(key) = request.parameter_key_mut() {
            self.head.parameter_key = (*status == 0).then(|| key.clone());
        }
    }

    fn report(&mut self, kind: &str, message: String, detail: Json) {
        self.outbox.push(event(kind, &self.facts.device_id, self.facts.timestamp, detail.clone()));
        self.note(message, detail);
    }

    /// Lets presets know of something as of an event of the Inform.
    fn occurred(&mut self, name: &str) {
        let at = self.facts.timestamp;
        let time = TypedValue(Value::Int(at), XsdType::DateTime);
        set_local(self.tree_mut(), &format!("Events.{name}"), time, at);
        let is_new = self.events.insert(name.to_owned());
        if is_new && self.state == State::Driving {
            // Presets that were not selected before may be now.
            self.evaluation.occurred();
        }
    }
}

/// A fault inside a report.
fn fault_json(fault: &CpeFault) -> Json {
    json!({ "faultCode": fault.code, "faultString": fault.text() })
}

/// One result of a change of deployment units, as tasks and events show it.
pub(super) fn result_json(result: &OperationResult) -> Json {
    let mut json = json!({
        "uuid": result.uuid,
        "deploymentUnitRef": result.deployment_unit_ref,
        "version": result.version,
        "currentState": result.current_state,
        "resolved": result.resolved,
        "executionUnitRefList": result.execution_unit_ref_list,
        "startTime": format_date_time(result.start_time),
        "completeTime": format_date_time(result.complete_time),
        "fault": result.fault.as_ref().map(fault_json),
    });
    if let Some(operation) = &result.operation_performed {
        json["operationPerformed"] = operation.as_str().into();
    }
    json
}
