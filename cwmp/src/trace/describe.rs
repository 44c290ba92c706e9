//! Messages in a few words, without values.

use acs_core::rpc::{AcsRequest, CpeFault, CpeResponse};

/// So many names are told.
const MAX_NAMES: usize = 5;

/// What a request asks for.
pub(super) fn request(request: &AcsRequest) -> String {
    match request {
        AcsRequest::GetParameterNames { parameter_path, next_level } => {
            let path = if parameter_path.is_empty() { "the roots" } else { parameter_path };
            let depth = if *next_level { "next level" } else { "all below" };
            format!("{path} ({depth})")
        }
        AcsRequest::GetParameterValues { parameter_names } | AcsRequest::GetParameterAttributes { parameter_names } => {
            list(parameter_names.iter().map(String::as_str))
        }
        AcsRequest::SetParameterValues { parameter_list, .. } => {
            list(parameter_list.iter().map(|(name, _)| name.as_str()))
        }
        AcsRequest::SetParameterAttributes { parameter_list } => {
            list(parameter_list.iter().map(|parameter| parameter.name.as_str()))
        }
        AcsRequest::AddObject { object_name, .. } | AcsRequest::DeleteObject { object_name, .. } => object_name.clone(),
        AcsRequest::Download(download) => format!("{}, CommandKey {}", download.file_type, download.command_key),
        AcsRequest::Upload(upload) => format!("{}, CommandKey {}", upload.file_type, upload.command_key),
        AcsRequest::ScheduleDownload(download) => {
            format!("{}, CommandKey {}", download.file_type, download.command_key)
        }
        AcsRequest::ScheduleInform { delay_seconds, .. } => format!("in {delay_seconds} s"),
        AcsRequest::Reboot { command_key } | AcsRequest::CancelTransfer { command_key } => {
            format!("CommandKey {command_key}")
        }
        AcsRequest::ChangeDUState { operations, command_key } => {
            format!("{} operations, CommandKey {command_key}", operations.len())
        }
        AcsRequest::GetRPCMethods
        | AcsRequest::FactoryReset
        | AcsRequest::GetQueuedTransfers
        | AcsRequest::GetAllQueuedTransfers
        | AcsRequest::SetVouchers { .. }
        | AcsRequest::GetOptions { .. }
        | AcsRequest::Vendor(_) => String::new(),
    }
}

/// What a device answers.
pub(super) fn response(response: &CpeResponse) -> String {
    match response {
        CpeResponse::GetParameterNamesResponse(names) => format!("{} names", names.len()),
        CpeResponse::GetParameterValuesResponse(values) => format!("{} values", values.len()),
        CpeResponse::GetParameterAttributesResponse(attributes) => format!("attributes of {}", attributes.len()),
        CpeResponse::SetParameterValuesResponse { status }
        | CpeResponse::DeleteObjectResponse { status }
        | CpeResponse::DownloadResponse { status, .. }
        | CpeResponse::UploadResponse { status, .. } => format!("status {status}"),
        CpeResponse::AddObjectResponse { instance_number, status } => {
            format!("instance {instance_number}, status {status}")
        }
        CpeResponse::GetQueuedTransfersResponse(transfers) | CpeResponse::GetAllQueuedTransfersResponse(transfers) => {
            format!("{} transfers", transfers.len())
        }
        CpeResponse::GetRPCMethodsResponse(methods) => format!("{} methods", methods.len()),
        CpeResponse::GetOptionsResponse(options) => format!("{} options", options.len()),
        CpeResponse::SetParameterAttributesResponse
        | CpeResponse::RebootResponse
        | CpeResponse::FactoryResetResponse
        | CpeResponse::ScheduleInformResponse
        | CpeResponse::ScheduleDownloadResponse
        | CpeResponse::CancelTransferResponse
        | CpeResponse::ChangeDUStateResponse
        | CpeResponse::SetVouchersResponse
        | CpeResponse::VendorResponse { .. } => String::new(),
    }
}

/// Why a device refuses, and which parameters it names.
pub(super) fn fault(fault: &CpeFault) -> String {
    let mut text = format!("{} {}", fault.code, fault.message);
    let refused = &fault.set_parameter_values_faults;
    for one in refused.iter().take(MAX_NAMES) {
        text.push_str(&format!("; {}: {} {}", one.parameter_name, one.code, one.message));
    }
    if refused.len() > MAX_NAMES {
        text.push_str(&format!("; and {} more", refused.len() - MAX_NAMES));
    }
    text
}

fn list<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> String {
    let count = names.len();
    let mut text = names.take(MAX_NAMES).collect::<Vec<_>>().join(", ");
    if count > MAX_NAMES {
        text.push_str(&format!(" and {} more", count - MAX_NAMES));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_counted() {
        assert_eq!(list(["A", "B"].into_iter()), "A, B");
        assert_eq!(list(["A", "B", "C", "D", "E", "F", "G"].into_iter()), "A, B, C, D, E and 2 more");
    }
}
