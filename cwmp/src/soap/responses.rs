//! A CPE's responses (TR-069 Annex A.3.2, A.4.1).

use acs_core::rpc::{CpeResponse, UNKNOWN_TIME};

use super::envelope::Message;
use super::error::SoapError;
use super::parameters;
use super::repair::Repair;
use super::scalar::{integer, or_missing, time_or_unknown, trimmed};
use super::xml::{XmlReader, cut};

/// Reads the response that was just opened, whose local name ends with `Response`.
pub(super) fn response(reader: &mut XmlReader<'_>, name: &str) -> Result<Message, SoapError> {
    let response = match name {
        "GetRPCMethodsResponse" => {
            let list = only_child(reader, "MethodList", parameters::strings)?;
            CpeResponse::GetRPCMethodsResponse(or_missing(reader, list, "MethodList", Vec::new()))
        }
        "GetParameterNamesResponse" => {
            let list = only_child(reader, "ParameterList", parameters::names)?;
            CpeResponse::GetParameterNamesResponse(list.ok_or(no_list("GetParameterNamesResponse"))?)
        }
        "GetParameterValuesResponse" => {
            let list = only_child(reader, "ParameterList", parameters::values)?;
            CpeResponse::GetParameterValuesResponse(list.ok_or(no_list("GetParameterValuesResponse"))?)
        }
        "GetParameterAttributesResponse" => {
            let list = only_child(reader, "ParameterList", parameters::attributes)?;
            CpeResponse::GetParameterAttributesResponse(list.ok_or(no_list("GetParameterAttributesResponse"))?)
        }
        "SetParameterValuesResponse" => match status_response(reader)? {
            Some(status) => CpeResponse::SetParameterValuesResponse { status },
            None => {
                return Ok(Message::UnknownResponse { name: name.to_owned() });
            }
        },
        "DeleteObjectResponse" => match status_response(reader)? {
            Some(status) => CpeResponse::DeleteObjectResponse { status },
            None => {
                return Ok(Message::UnknownResponse { name: name.to_owned() });
            }
        },
        "AddObjectResponse" => add_object_response(reader)?,
        "DownloadResponse" => download_response(reader)?,
        _ => {
            reader.skip()?;
            match name {
                "SetParameterAttributesResponse" => CpeResponse::SetParameterAttributesResponse,
                "RebootResponse" => CpeResponse::RebootResponse,
                "FactoryResetResponse" => CpeResponse::FactoryResetResponse,
                _ => {
                    return Ok(Message::UnknownResponse { name: name.to_owned() });
                }
            }
        }
    };
    Ok(Message::Response(response))
}

fn no_list(parent: &'static str) -> SoapError {
    SoapError::Missing { element: "ParameterList", parent }
}

fn only_child<'a, T>(
    reader: &mut XmlReader<'a>,
    element: &str,
    read: impl Fn(&mut XmlReader<'a>) -> Result<T, SoapError>,
) -> Result<Option<T>, SoapError> {
    let mut found = None;
    while let Some(child) = reader.next_child()? {
        if child.local == element {
            found = Some(read(reader)?);
        } else {
            reader.skip()?;
        }
    }
    Ok(found)
}

/// The status of a response that has nothing else: 0, with a note, when it is empty; `None` when it has another content
/// instead, which shows that the device answers something else than it was asked.
fn status_response(reader: &mut XmlReader<'_>) -> Result<Option<u32>, SoapError> {
    let mut status = None;
    let mut other_content = false;
    while let Some(child) = reader.next_child()? {
        if child.local == "Status" {
            status = Some(integer(reader, "Status", 0)?);
        } else {
            other_content = true;
            reader.skip()?;
        }
    }
    if status.is_none() && !other_content {
        reader.repairs.note(Repair::MissingElement("Status"));
        status = Some(0);
    }
    Ok(status)
}

fn add_object_response(reader: &mut XmlReader<'_>) -> Result<CpeResponse, SoapError> {
    let mut instance_number = None;
    let mut status = None;
    while let Some(child) = reader.next_child()? {
        match child.local {
            "InstanceNumber" => instance_number = Some(trimmed(reader)?),
            "Status" => status = Some(integer(reader, "Status", 0)?),
            _ => reader.skip()?,
        }
    }
    let (element, parent) = ("InstanceNumber", "AddObjectResponse");
    let text = instance_number.filter(|text| !text.is_empty()).ok_or(SoapError::Missing { element, parent })?;
    let Ok(instance_number) = text.parse() else {
        return Err(SoapError::NotANumber { element, parent, text: cut(&text) });
    };
    Ok(CpeResponse::AddObjectResponse { instance_number, status: or_missing(reader, status, "Status", 0) })
}

fn download_response(reader: &mut XmlReader<'_>) -> Result<CpeResponse, SoapError> {
    let mut status = None;
    let mut start_time = None;
    let mut complete_time = None;
    while let Some(child) = reader.next_child()? {
        match child.local {
            "Status" => status = Some(integer(reader, "Status", 0)?),
            "StartTime" => start_time = Some(time_or_unknown(reader, "StartTime")?),
            "CompleteTime" => complete_time = Some(time_or_unknown(reader, "CompleteTime")?),
            _ => reader.skip()?,
        }
    }
    Ok(CpeResponse::DownloadResponse {
        status: or_missing(reader, status, "Status", 0),
        start_time: or_missing(reader, start_time, "StartTime", UNKNOWN_TIME),
        complete_time: or_missing(reader, complete_time, "CompleteTime", UNKNOWN_TIME),
    })
}
