//! The calls of a CPE (TR-069 Annex A.3.1.1, A.3.3, A.4.2).

use acs_core::rpc::{
    AutonomousDUStateChangeComplete, AutonomousTransferComplete, CpeRequest, DUStateChangeComplete, DeviceIdStruct,
    Event, Inform, Kicked, OperationResult, RequestDownload, TransferComplete, UNKNOWN_TIME,
};

use super::error::SoapError;
use super::fault::fault_struct;
use super::parameters;
use super::repair::Repair;
use super::scalar::{boolean_or, integer, key, or_missing, short, time, time_or_unknown, trimmed, verbatim};
use super::xml::XmlReader;

/// The events of one Inform (Annex A.3.3.1). Further ones are ignored.
pub const MAX_EVENTS: usize = 64;
/// Bytes of an event's code (A.3.3.1, table 8).
const MAX_EVENT_CODE: usize = 64;
/// Results of one change of deployment units; the standard names no limit. Further ones are ignored.
const MAX_RESULTS: usize = 256;
/// Bytes of each part of a device's identity. The standard allows 64 (A.3.3.1, table 7).
pub const MAX_IDENTITY: usize = 256;

/// Reads the arguments of the method that was just opened. Any method that is not known is
/// [`CpeRequest::Unsupported`], its arguments unread.
pub(super) fn request(reader: &mut XmlReader<'_>, method: &str) -> Result<CpeRequest, SoapError> {
    Ok(match method {
        "Inform" => CpeRequest::Inform(inform(reader)?),
        "TransferComplete" => CpeRequest::TransferComplete(transfer_complete(reader)?),
        "AutonomousTransferComplete" => CpeRequest::AutonomousTransferComplete(autonomous_transfer_complete(reader)?),
        "DUStateChangeComplete" => CpeRequest::DUStateChangeComplete(du_state_change_complete(reader)?),
        "AutonomousDUStateChangeComplete" => {
            let DUStateChangeComplete { results, .. } = du_state_change_complete(reader)?;
            CpeRequest::AutonomousDUStateChangeComplete(AutonomousDUStateChangeComplete { results })
        }
        "RequestDownload" => CpeRequest::RequestDownload(request_download(reader)?),
        "Kicked" => CpeRequest::Kicked(kicked(reader)?),
        "GetRPCMethods" => {
            reader.skip()?;
            CpeRequest::GetRPCMethods
        }
        _ => {
            reader.skip()?;
            CpeRequest::Unsupported { method: method.to_owned() }
        }
    })
}

fn inform(reader: &mut XmlReader<'_>) -> Result<Inform, SoapError> {
    let mut found_device_id = None;
    let mut found_events = None;
    let mut max_envelopes = None;
    let mut current_time = None;
    let mut retry_count = None;
    let mut parameter_list = None;
    while let Some(child) = reader.next_child()? {
        match child.local {
            "DeviceId" => found_device_id = Some(device_id(reader)?),
            "Event" => found_events = Some(events(reader)?),
            "MaxEnvelopes" => max_envelopes = Some(integer(reader, "MaxEnvelopes", 1)?),
            "CurrentTime" => current_time = Some(time(reader, "CurrentTime")?),
            "RetryCount" => retry_count = Some(integer(reader, "RetryCount", 0)?),
            "ParameterList" => parameter_list = Some(parameters::values(reader)?),
            _ => reader.skip()?,
        }
    }
    let missing = |element, parent| SoapError::Missing { element, parent };
    let device_id = found_device_id.ok_or(missing("DeviceId", "Inform"))?;
    if device_id.oui.trim().is_empty() {
        return Err(missing("OUI", "DeviceId"));
    }
    if device_id.serial_number.trim().is_empty() {
        return Err(missing("SerialNumber", "DeviceId"));
    }
    Ok(Inform {
        device_id,
        events: or_missing(reader, found_events, "Event", Vec::new()),
        max_envelopes: or_missing(reader, max_envelopes, "MaxEnvelopes", 1),
        current_time: or_missing(reader, current_time, "CurrentTime", None),
        retry_count: or_missing(reader, retry_count, "RetryCount", 0),
        parameter_list: or_missing(reader, parameter_list, "ParameterList", Vec::new()),
    })
}

/// The parts are taken to the letter, since together they are the key under which the device is known.
fn device_id(reader: &mut XmlReader<'_>) -> Result<DeviceIdStruct, SoapError> {
    let mut device_id = DeviceIdStruct::default();
    while let Some(child) = reader.next_child()? {
        match child.local {
            "Manufacturer" => device_id.manufacturer = verbatim(reader)?,
            "OUI" => device_id.oui = verbatim(reader)?,
            "ProductClass" => device_id.product_class = verbatim(reader)?,
            "SerialNumber" => device_id.serial_number = verbatim(reader)?,
            _ => reader.skip()?,
        }
    }
    let parts = [
        ("Manufacturer", &device_id.manufacturer),
        ("OUI", &device_id.oui),
        ("ProductClass", &device_id.product_class),
        ("SerialNumber", &device_id.serial_number),
    ];
    if let Some((element, _)) = parts.into_iter().find(|(_, text)| text.len() > MAX_IDENTITY) {
        return Err(SoapError::TooLong { element, parent: "DeviceId", limit: MAX_IDENTITY });
    }
    Ok(device_id)
}

fn events(reader: &mut XmlReader<'_>) -> Result<Vec<Event>, SoapError> {
    let mut events = Vec::new();
    while let Some(child) = reader.next_child()? {
        if child.local != "EventStruct" {
            reader.skip()?;
            continue;
        }
        let mut code = String::new();
        let mut command_key = None;
        while let Some(child) = reader.next_child()? {
            match child.local {
                "EventCode" => code = trimmed(reader)?,
                "CommandKey" => command_key = Some(key(reader)?),
                _ => reader.skip()?,
            }
        }
        if events.len() == MAX_EVENTS || code.len() > MAX_EVENT_CODE {
            reader.repairs.note(Repair::ExcessEvents);
            continue;
        }
        if code.is_empty() {
            reader.repairs.note(Repair::MissingElement("EventCode"));
            continue;
        }
        let command_key = or_missing(reader, command_key, "CommandKey", String::new());
        events.push(Event { code, command_key });
    }
    Ok(events)
}

fn transfer_complete(reader: &mut XmlReader<'_>) -> Result<TransferComplete, SoapError> {
    let mut command_key = None;
    let mut fault = None;
    let mut start_time = None;
    let mut complete_time = None;
    while let Some(child) = reader.next_child()? {
        match child.local {
            "CommandKey" => command_key = Some(key(reader)?),
            "FaultStruct" => fault = Some(fault_struct(reader)?),
            "StartTime" => start_time = Some(time_or_unknown(reader, "StartTime")?),
            "CompleteTime" => complete_time = Some(time_or_unknown(reader, "CompleteTime")?),
            _ => reader.skip()?,
        }
    }
    // Without it, nobody knows whether the transfer succeeded.
    let fault = fault.ok_or(SoapError::Missing { element: "FaultStruct", parent: "TransferComplete" })?;
    Ok(TransferComplete {
        command_key: or_missing(reader, command_key, "CommandKey", String::new()),
        fault,
        start_time: or_missing(reader, start_time, "StartTime", UNKNOWN_TIME),
        complete_time: or_missing(reader, complete_time, "CompleteTime", UNKNOWN_TIME),
    })
}

fn autonomous_transfer_complete(reader: &mut XmlReader<'_>) -> Result<AutonomousTransferComplete, SoapError> {
    let mut is_download = None;
    let mut found = AutonomousTransferComplete {
        announce_url: String::new(),
        transfer_url: String::new(),
        is_download: true,
        file_type: String::new(),
        file_size: 0,
        target_file_name: String::new(),
        fault: None,
        start_time: UNKNOWN_TIME,
        complete_time: UNKNOWN_TIME,
    };
    while let Some(child) = reader.next_child()? {
        match child.local {
            "AnnounceURL" => found.announce_url = short(reader)?,
            "TransferURL" => found.transfer_url = short(reader)?,
            "IsDownload" => is_download = Some(boolean_or(reader, "IsDownload", true)?),
            "FileType" => found.file_type = short(reader)?,
            "FileSize" => found.file_size = integer(reader, "FileSize", 0)?,
            "TargetFileName" => found.target_file_name = key(reader)?,
            "FaultStruct" => found.fault = fault_struct(reader)?,
            "StartTime" => found.start_time = time_or_unknown(reader, "StartTime")?,
            "CompleteTime" => found.complete_time = time_or_unknown(reader, "CompleteTime")?,
            _ => reader.skip()?,
        }
    }
    found.is_download = or_missing(reader, is_download, "IsDownload", true);
    Ok(found)
}

/// DUStateChangeComplete and, without its CommandKey, AutonomousDUStateChangeComplete.
fn du_state_change_complete(reader: &mut XmlReader<'_>) -> Result<DUStateChangeComplete, SoapError> {
    let mut found_results = None;
    let mut command_key = String::new();
    while let Some(child) = reader.next_child()? {
        match child.local {
            "Results" => found_results = Some(operation_results(reader)?),
            "CommandKey" => command_key = key(reader)?,
            _ => reader.skip()?,
        }
    }
    let (element, parent) = ("Results", "DUStateChangeComplete");
    Ok(DUStateChangeComplete { results: found_results.ok_or(SoapError::Missing { element, parent })?, command_key })
}

fn operation_results(reader: &mut XmlReader<'_>) -> Result<Vec<OperationResult>, SoapError> {
    let mut results = Vec::new();
    while let Some(child) = reader.next_child()? {
        match child.local {
            "OpResultStruct" | "AutonOpResultStruct" if results.len() < MAX_RESULTS => {
                results.push(operation_result(reader)?)
            }
            _ => reader.skip()?,
        }
    }
    Ok(results)
}

fn operation_result(reader: &mut XmlReader<'_>) -> Result<OperationResult, SoapError> {
    let mut result =
        OperationResult { start_time: UNKNOWN_TIME, complete_time: UNKNOWN_TIME, ..OperationResult::default() };
    while let Some(child) = reader.next_child()? {
        match child.local {
            "UUID" => result.uuid = short(reader)?,
            "DeploymentUnitRef" => result.deployment_unit_ref = short(reader)?,
            "Version" => result.version = short(reader)?,
            "CurrentState" => result.current_state = short(reader)?,
            "Resolved" => result.resolved = boolean_or(reader, "Resolved", false)?,
            "ExecutionUnitRefList" => result.execution_unit_ref_list = short(reader)?,
            "StartTime" => result.start_time = time_or_unknown(reader, "StartTime")?,
            "CompleteTime" => result.complete_time = time_or_unknown(reader, "CompleteTime")?,
            // The schema calls it Fault; FaultStruct is its type.
            "Fault" | "FaultStruct" => result.fault = fault_struct(reader)?,
            "OperationPerformed" => result.operation_performed = Some(short(reader)?),
            _ => reader.skip()?,
        }
    }
    Ok(result)
}

fn request_download(reader: &mut XmlReader<'_>) -> Result<RequestDownload, SoapError> {
    let mut file_type = String::new();
    let mut file_type_arg = Vec::new();
    while let Some(child) = reader.next_child()? {
        match child.local {
            "FileType" => file_type = short(reader)?,
            "FileTypeArg" => file_type_arg = arg_structs(reader)?,
            _ => reader.skip()?,
        }
    }
    if file_type.is_empty() {
        return Err(SoapError::Missing { element: "FileType", parent: "RequestDownload" });
    }
    Ok(RequestDownload { file_type, file_type_arg })
}

/// A list of ArgStruct (Annex A.4.2.2). What exceeds the standard's 16 is left out.
fn arg_structs(reader: &mut XmlReader<'_>) -> Result<Vec<(String, String)>, SoapError> {
    const MOST: usize = 16;
    let mut arguments = Vec::new();
    while let Some(child) = reader.next_child()? {
        if child.local != "ArgStruct" || arguments.len() == MOST {
            reader.skip()?;
            continue;
        }
        let (mut name, mut value) = (String::new(), String::new());
        while let Some(child) = reader.next_child()? {
            match child.local {
                "Name" => name = short(reader)?,
                "Value" => value = key(reader)?,
                _ => reader.skip()?,
            }
        }
        arguments.push((name, value));
    }
    Ok(arguments)
}

fn kicked(reader: &mut XmlReader<'_>) -> Result<Kicked, SoapError> {
    let mut kicked = Kicked::default();
    while let Some(child) = reader.next_child()? {
        match child.local {
            "Command" => kicked.command = short(reader)?,
            "Referer" => kicked.referer = short(reader)?,
            "Arg" => kicked.arg = key(reader)?,
            "Next" => kicked.next = short(reader)?,
            _ => reader.skip()?,
        }
    }
    Ok(kicked)
}
