//! A CPE's responses (TR-069 Annex A.3.2, A.4.1).

use acs_core::rpc::{CpeResponse, OptionStruct, QueuedTransfer, UNKNOWN_TIME};

use super::envelope::Message;
use super::error::SoapError;
use super::parameters;
use super::repair::Repair;
use super::scalar::{boolean_or, integer, or_missing, time, time_or_unknown, trimmed, verbatim};
use super::xml::{XmlReader, cut};

/// Entries of a list of transfers (the standard has at most 16) or options. Further ones are ignored.
const MAX_ENTRIES: usize = 256;
/// How many bytes of a vendor's answer are kept.
const MAX_RAW: usize = 65_536;

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
        "DownloadResponse" => {
            let (status, start_time, complete_time) = transfer_response(reader)?;
            CpeResponse::DownloadResponse { status, start_time, complete_time }
        }
        "UploadResponse" => {
            let (status, start_time, complete_time) = transfer_response(reader)?;
            CpeResponse::UploadResponse { status, start_time, complete_time }
        }
        "GetQueuedTransfersResponse" => CpeResponse::GetQueuedTransfersResponse(transfer_list(reader)?),
        "GetAllQueuedTransfersResponse" => CpeResponse::GetAllQueuedTransfersResponse(transfer_list(reader)?),
        "GetOptionsResponse" => {
            let list = only_child(reader, "OptionList", option_list)?;
            CpeResponse::GetOptionsResponse(or_missing(reader, list, "OptionList", Vec::new()))
        }
        vendors if vendors.starts_with("X_") => {
            let xml = cut_to(reader.raw()?, MAX_RAW).to_owned();
            CpeResponse::VendorResponse { name: vendors.to_owned(), xml }
        }
        _ => {
            reader.skip()?;
            match name {
                "SetParameterAttributesResponse" => CpeResponse::SetParameterAttributesResponse,
                "RebootResponse" => CpeResponse::RebootResponse,
                "FactoryResetResponse" => CpeResponse::FactoryResetResponse,
                "ScheduleInformResponse" => CpeResponse::ScheduleInformResponse,
                "ScheduleDownloadResponse" => CpeResponse::ScheduleDownloadResponse,
                "CancelTransferResponse" => CpeResponse::CancelTransferResponse,
                "ChangeDUStateResponse" => CpeResponse::ChangeDUStateResponse,
                "SetVouchersResponse" => CpeResponse::SetVouchersResponse,
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

/// Status, StartTime and CompleteTime of DownloadResponse and UploadResponse.
fn transfer_response(reader: &mut XmlReader<'_>) -> Result<(u32, i64, i64), SoapError> {
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
    Ok((
        or_missing(reader, status, "Status", 0),
        or_missing(reader, start_time, "StartTime", UNKNOWN_TIME),
        or_missing(reader, complete_time, "CompleteTime", UNKNOWN_TIME),
    ))
}

/// The TransferList of both RPCs that list transfers; their structs differ only in how much they tell.
fn transfer_list(reader: &mut XmlReader<'_>) -> Result<Vec<QueuedTransfer>, SoapError> {
    let list = only_child(reader, "TransferList", |reader| {
        let mut transfers = Vec::new();
        while let Some(child) = reader.next_child()? {
            match child.local {
                "QueuedTransferStruct" | "AllQueuedTransferStruct" if transfers.len() < MAX_ENTRIES => {
                    transfers.push(queued_transfer(reader)?)
                }
                _ => reader.skip()?,
            }
        }
        Ok(transfers)
    })?;
    Ok(or_missing(reader, list, "TransferList", Vec::new()))
}

fn queued_transfer(reader: &mut XmlReader<'_>) -> Result<QueuedTransfer, SoapError> {
    let mut transfer = QueuedTransfer::default();
    while let Some(child) = reader.next_child()? {
        match child.local {
            "CommandKey" => transfer.command_key = verbatim(reader)?,
            "State" => transfer.state = integer(reader, "State", 0)?,
            "IsDownload" => transfer.is_download = Some(boolean_or(reader, "IsDownload", true)?),
            "FileType" => transfer.file_type = trimmed(reader)?,
            "FileSize" => transfer.file_size = integer(reader, "FileSize", 0)?,
            "TargetFileName" => transfer.target_file_name = verbatim(reader)?,
            _ => reader.skip()?,
        }
    }
    Ok(transfer)
}

fn option_list(reader: &mut XmlReader<'_>) -> Result<Vec<OptionStruct>, SoapError> {
    let mut options = Vec::new();
    while let Some(child) = reader.next_child()? {
        if child.local != "OptionStruct" || options.len() == MAX_ENTRIES {
            reader.skip()?;
            continue;
        }
        let mut option = OptionStruct { start_date: UNKNOWN_TIME, ..OptionStruct::default() };
        while let Some(child) = reader.next_child()? {
            match child.local {
                "OptionName" => option.option_name = trimmed(reader)?,
                "VoucherSN" => option.voucher_sn = integer(reader, "VoucherSN", 0)?,
                "State" => option.state = integer(reader, "State", 0)?,
                "Mode" => option.mode = integer(reader, "Mode", 0)?,
                "StartDate" => option.start_date = time_or_unknown(reader, "StartDate")?,
                "ExpirationDate" => option.expiration_date = time(reader, "ExpirationDate")?,
                "IsTransferable" => option.is_transferable = boolean_or(reader, "IsTransferable", false)?,
                _ => reader.skip()?,
            }
        }
        options.push(option);
    }
    Ok(options)
}

/// The text up to a limit in bytes.
fn cut_to(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
