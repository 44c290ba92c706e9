//! The arguments of the ACS's requests: every element of the schema, in its order, even when it is empty (TR-069 Annex A.3.2, A.4.1).

use acs_core::rpc::{
    AcsRequest, DUOperation, Download, ScheduleDownload, SetParameterAttributesStruct, Upload, VendorArgument,
    VendorValue,
};
use acs_core::value::{TypedValue, Value, XsdType, format_date_time};

use super::write::{WriteOptions, array, element, flag, push_text, string_array};

/// Writes the RPC's element.
pub(super) fn write_arguments(out: &mut String, request: &AcsRequest, options: &WriteOptions) {
    let name = request.name();
    out.push_str("<cwmp:");
    out.push_str(name);
    out.push('>');
    match request {
        AcsRequest::GetRPCMethods
        | AcsRequest::FactoryReset
        | AcsRequest::GetQueuedTransfers
        | AcsRequest::GetAllQueuedTransfers => {}
        AcsRequest::GetParameterNames { parameter_path, next_level } => {
            element(out, "ParameterPath", parameter_path);
            element(out, "NextLevel", flag(*next_level));
        }
        AcsRequest::GetParameterValues { parameter_names } | AcsRequest::GetParameterAttributes { parameter_names } => {
            string_array(out, "ParameterNames", parameter_names);
        }
        AcsRequest::SetParameterValues { parameter_list, parameter_key } => {
            array(out, "ParameterList", "cwmp:ParameterValueStruct", parameter_list, |out, (name, value)| {
                value_struct(out, name, value, options);
            });
            element(out, "ParameterKey", parameter_key);
        }
        AcsRequest::SetParameterAttributes { parameter_list } => {
            array(out, "ParameterList", "cwmp:SetParameterAttributesStruct", parameter_list, attributes_struct);
        }
        AcsRequest::AddObject { object_name, parameter_key }
        | AcsRequest::DeleteObject { object_name, parameter_key } => {
            element(out, "ObjectName", object_name);
            element(out, "ParameterKey", parameter_key);
        }
        AcsRequest::Download(arguments) => download(out, arguments),
        AcsRequest::Reboot { command_key } | AcsRequest::CancelTransfer { command_key } => {
            element(out, "CommandKey", command_key);
        }
        AcsRequest::Upload(arguments) => upload(out, arguments),
        AcsRequest::ScheduleInform { delay_seconds, command_key } => {
            element(out, "DelaySeconds", &delay_seconds.to_string());
            element(out, "CommandKey", command_key);
        }
        AcsRequest::ScheduleDownload(arguments) => schedule_download(out, arguments),
        AcsRequest::ChangeDUState { operations, command_key } => {
            for operation in operations {
                du_operation(out, operation);
            }
            element(out, "CommandKey", command_key);
        }
        AcsRequest::SetVouchers { voucher_list } => {
            array(out, "VoucherList", "xsd:base64", voucher_list, |out, voucher| element(out, "base64", voucher));
        }
        AcsRequest::GetOptions { option_name } => element(out, "OptionName", option_name),
        AcsRequest::Vendor(request) => vendor_arguments(out, &request.arguments),
    }
    out.push_str("</cwmp:");
    out.push_str(name);
    out.push('>');
}

fn download(out: &mut String, arguments: &Download) {
    element(out, "CommandKey", &arguments.command_key);
    element(out, "FileType", &arguments.file_type);
    element(out, "URL", &arguments.url);
    element(out, "Username", &arguments.username);
    element(out, "Password", &arguments.password);
    element(out, "FileSize", &arguments.file_size.to_string());
    element(out, "TargetFileName", &arguments.target_file_name);
    element(out, "DelaySeconds", &arguments.delay_seconds.to_string());
    element(out, "SuccessURL", "");
    element(out, "FailureURL", "");
}

fn upload(out: &mut String, arguments: &Upload) {
    element(out, "CommandKey", &arguments.command_key);
    element(out, "FileType", &arguments.file_type);
    element(out, "URL", &arguments.url);
    element(out, "Username", &arguments.username);
    element(out, "Password", &arguments.password);
    element(out, "DelaySeconds", &arguments.delay_seconds.to_string());
}

fn schedule_download(out: &mut String, arguments: &ScheduleDownload) {
    element(out, "CommandKey", &arguments.command_key);
    element(out, "FileType", &arguments.file_type);
    element(out, "URL", &arguments.url);
    element(out, "Username", &arguments.username);
    element(out, "Password", &arguments.password);
    element(out, "FileSize", &arguments.file_size.to_string());
    element(out, "TargetFileName", &arguments.target_file_name);
    array(out, "TimeWindowList", "cwmp:TimeWindowStruct", &arguments.time_window_list, |out, window| {
        out.push_str("<TimeWindowStruct>");
        element(out, "WindowStart", &window.window_start.to_string());
        element(out, "WindowEnd", &window.window_end.to_string());
        element(out, "WindowMode", &window.window_mode);
        element(out, "UserMessage", &window.user_message);
        element(out, "MaxRetries", &window.max_retries.to_string());
        out.push_str("</TimeWindowStruct>");
    });
}

/// `Operations` is no array: it is repeated, and its type says which operation it is.
fn du_operation(out: &mut String, operation: &DUOperation) {
    out.push_str("<Operations xsi:type=\"cwmp:");
    out.push_str(operation.name());
    out.push_str("OpStruct\">");
    match operation {
        DUOperation::Install { url, uuid, username, password, execution_env_ref } => {
            element(out, "URL", url);
            element(out, "UUID", uuid);
            element(out, "Username", username);
            element(out, "Password", password);
            element(out, "ExecutionEnvRef", execution_env_ref);
        }
        DUOperation::Update { uuid, version, url, username, password } => {
            element(out, "UUID", uuid);
            element(out, "Version", version);
            element(out, "URL", url);
            element(out, "Username", username);
            element(out, "Password", password);
        }
        DUOperation::Uninstall { uuid, version, execution_env_ref } => {
            element(out, "UUID", uuid);
            element(out, "Version", version);
            element(out, "ExecutionEnvRef", execution_env_ref);
        }
    }
    out.push_str("</Operations>");
}

fn vendor_arguments(out: &mut String, arguments: &[VendorArgument]) {
    for argument in arguments {
        match &argument.value {
            VendorValue::Text(text) => element(out, &argument.name, text),
            VendorValue::Elements(inner) => {
                out.push('<');
                out.push_str(&argument.name);
                out.push('>');
                vendor_arguments(out, inner);
                out.push_str("</");
                out.push_str(&argument.name);
                out.push('>');
            }
        }
    }
}

fn value_struct(out: &mut String, name: &str, TypedValue(value, xsd_type): &TypedValue, options: &WriteOptions) {
    out.push_str("<ParameterValueStruct>");
    element(out, "Name", name);
    out.push_str("<Value xsi:type=\"");
    push_text(out, xsd_type.as_str());
    out.push_str("\">");
    push_value(out, value, xsd_type, options);
    out.push_str("</Value></ParameterValueStruct>");
}

fn push_value(out: &mut String, value: &Value, xsd_type: &XsdType, options: &WriteOptions) {
    match (value, xsd_type) {
        (Value::Bool(value), XsdType::Boolean) if !options.boolean_literal => out.push_str(flag(*value)),
        (Value::Int(milliseconds), XsdType::DateTime) if options.datetime_milliseconds => {
            out.push_str(&format_date_time(*milliseconds));
        }
        (Value::Int(milliseconds), XsdType::DateTime) => {
            let whole_seconds = milliseconds.div_euclid(1000).saturating_mul(1000);
            out.push_str(&format_date_time(whole_seconds).replace(".000Z", "Z"));
        }
        _ => push_text(out, &value.to_text()),
    }
}

fn attributes_struct(out: &mut String, change: &SetParameterAttributesStruct) {
    out.push_str("<SetParameterAttributesStruct>");
    element(out, "Name", &change.name);
    element(out, "NotificationChange", flag(change.notification.is_some()));
    element(out, "Notification", &change.notification.unwrap_or(0).to_string());
    element(out, "AccessListChange", flag(change.access_list.is_some()));
    string_array(out, "AccessList", change.access_list.as_deref().unwrap_or_default());
    out.push_str("</SetParameterAttributesStruct>");
}
