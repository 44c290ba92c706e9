//! The calls of a CPE: Inform, TransferComplete, GetRPCMethods (TR-069 Annex A.3.1.1, A.3.3).

use acs_core::rpc::{CpeRequest, DeviceIdStruct, Event, Inform, TransferComplete, UNKNOWN_TIME};

use super::error::SoapError;
use super::fault::fault_struct;
use super::parameters;
use super::repair::Repair;
use super::scalar::{integer, key, or_missing, time, time_or_unknown, trimmed, verbatim};
use super::xml::XmlReader;

/// The events of one Inform (Annex A.3.3.1). Further ones are ignored.
pub const MAX_EVENTS: usize = 64;
/// Bytes of an event's code (A.3.3.1, table 8).
const MAX_EVENT_CODE: usize = 64;
/// Bytes of each part of a device's identity. The standard allows 64 (A.3.3.1, table 7).
pub const MAX_IDENTITY: usize = 256;

/// Reads the arguments of the method that was just opened. Any method that is not known is
/// [`CpeRequest::Unsupported`], its arguments unread.
pub(super) fn request(reader: &mut XmlReader<'_>, method: &str) -> Result<CpeRequest, SoapError> {
    Ok(match method {
        "Inform" => CpeRequest::Inform(inform(reader)?),
        "TransferComplete" => CpeRequest::TransferComplete(transfer_complete(reader)?),
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
    Ok(TransferComplete {
        command_key: or_missing(reader, command_key, "CommandKey", String::new()),
        fault: or_missing(reader, fault, "FaultStruct", None),
        start_time: or_missing(reader, start_time, "StartTime", UNKNOWN_TIME),
        complete_time: or_missing(reader, complete_time, "CompleteTime", UNKNOWN_TIME),
    })
}
