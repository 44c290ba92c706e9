//! Writing the device's messages: fixed text around loops, element order as in the standard's schema.

use std::fmt::Write as _;

use super::inform::{AutonomousTransfer, Inform, OperationResult, TransferComplete};
use super::{ENVELOPE_NAMESPACE, Fault};
use crate::value::Value;
use crate::xml::push_escaped;

/// How a device writes its XML; the default is the plain style.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Leave out `xsi:type` and `arrayType`, as some devices do.
    pub untyped: bool,
    /// Leave out the XML declaration.
    pub no_declaration: bool,
}

/// A parameter's attributes (TR-069 Annex A.3.2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// 0 off, 1 passive, 2 active.
    pub notification: u32,
    /// Who else may write; `Subscriber` by default.
    pub access_list: Vec<String>,
}

impl Default for Attributes {
    fn default() -> Self {
        Self { notification: 0, access_list: vec!["Subscriber".to_owned()] }
    }
}

/// Writes envelopes with one header and namespace.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// CWMP namespace of the session.
    pub namespace: &'a str,
    /// `cwmp:ID`; left out when `None`.
    pub id: Option<&'a str>,
    /// SupportedCWMPVersions header (protocol 1.4), Inform only.
    pub supported_versions: Option<&'a str>,
    /// SessionTimeout header in seconds (protocol 1.3), Inform only.
    pub session_timeout: Option<u32>,
    /// The device's habits.
    pub style: Style,
}

impl<'a> Writer<'a> {
    /// A writer in plain style.
    pub fn new(namespace: &'a str, id: Option<&'a str>) -> Self {
        Self { namespace, id, supported_versions: None, session_timeout: None, style: Style::default() }
    }

    fn envelope(&self, body: &str) -> String {
        let mut out = String::with_capacity(body.len() + 512);
        if !self.style.no_declaration {
            out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        }
        let _ = write!(
            out,
            "<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"{ENVELOPE_NAMESPACE}\" \
             xmlns:SOAP-ENC=\"http://schemas.xmlsoap.org/soap/encoding/\" \
             xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:cwmp=\"{}\"><SOAP-ENV:Header>",
            self.namespace
        );
        if let Some(id) = self.id {
            out.push_str("<cwmp:ID SOAP-ENV:mustUnderstand=\"1\">");
            push_escaped(&mut out, id);
            out.push_str("</cwmp:ID>");
        }
        if let Some(versions) = self.supported_versions {
            element_with(&mut out, "cwmp:SupportedCWMPVersions SOAP-ENV:mustUnderstand=\"0\"", versions);
        }
        if let Some(seconds) = self.session_timeout {
            element_with(&mut out, "cwmp:SessionTimeout SOAP-ENV:mustUnderstand=\"0\"", &seconds.to_string());
        }
        out.push_str("</SOAP-ENV:Header><SOAP-ENV:Body>");
        out.push_str(body);
        out.push_str("</SOAP-ENV:Body></SOAP-ENV:Envelope>");
        out
    }

    /// An envelope around one RPC element.
    fn rpc(&self, name: &str, arguments: &str) -> String {
        self.envelope(&format!("<cwmp:{name}>{arguments}</cwmp:{name}>"))
    }

    /// Starts an array element whose items are of type `of`.
    fn array(&self, out: &mut String, name: &str, of: &str, count: usize) {
        if self.style.untyped {
            let _ = write!(out, "<{name}>");
        } else {
            let _ = write!(out, "<{name} SOAP-ENC:arrayType=\"{of}[{count}]\">");
        }
    }

    fn parameter_list(&self, out: &mut String, parameters: &[(&str, &Value)]) {
        self.array(out, "ParameterList", "cwmp:ParameterValueStruct", parameters.len());
        for (name, value) in parameters {
            out.push_str("<ParameterValueStruct>");
            element(out, "Name", name);
            if self.style.untyped {
                out.push_str("<Value>");
            } else {
                let _ = write!(out, "<Value xsi:type=\"{}\">", value.xsd.name());
            }
            push_escaped(out, &value.text);
            out.push_str("</Value></ParameterValueStruct>");
        }
        out.push_str("</ParameterList>");
    }

    fn strings(&self, out: &mut String, name: &str, items: &[impl AsRef<str>]) {
        self.array(out, name, "xsd:string", items.len());
        for item in items {
            element(out, "string", item.as_ref());
        }
        let _ = write!(out, "</{name}>");
    }

    /// Inform.
    pub fn inform(&self, inform: &Inform<'_>) -> String {
        let mut out = String::with_capacity(2048);
        out.push_str("<DeviceId>");
        element(&mut out, "Manufacturer", &inform.identity.manufacturer);
        element(&mut out, "OUI", &inform.identity.oui);
        element(&mut out, "ProductClass", &inform.identity.product_class);
        element(&mut out, "SerialNumber", &inform.identity.serial_number);
        out.push_str("</DeviceId>");
        self.array(&mut out, "Event", "cwmp:EventStruct", inform.events.len());
        for event in inform.events {
            out.push_str("<EventStruct>");
            element(&mut out, "EventCode", &event.code);
            element(&mut out, "CommandKey", &event.command_key);
            out.push_str("</EventStruct>");
        }
        out.push_str("</Event>");
        element(&mut out, "MaxEnvelopes", "1");
        element(&mut out, "CurrentTime", &inform.current_time);
        element(&mut out, "RetryCount", &inform.retry_count.to_string());
        self.parameter_list(&mut out, &inform.parameters);
        self.rpc("Inform", &out)
    }

    /// TransferComplete.
    pub fn transfer_complete(&self, transfer: &TransferComplete) -> String {
        let mut out = String::new();
        element(&mut out, "CommandKey", &transfer.command_key);
        let (code, text) = match &transfer.fault {
            Some((code, text)) => (*code, text.as_str()),
            None => (0, ""),
        };
        fault_struct(&mut out, "FaultStruct", code, text);
        element(&mut out, "StartTime", &transfer.start_time);
        element(&mut out, "CompleteTime", &transfer.complete_time);
        self.rpc("TransferComplete", &out)
    }

    /// AutonomousTransferComplete.
    pub fn autonomous_transfer_complete(&self, transfer: &AutonomousTransfer, start: &str, complete: &str) -> String {
        let mut out = String::new();
        element(&mut out, "AnnounceURL", &transfer.announce_url);
        element(&mut out, "TransferURL", &transfer.transfer_url);
        element(&mut out, "IsDownload", if transfer.is_download { "1" } else { "0" });
        element(&mut out, "FileType", &transfer.file_type);
        element(&mut out, "FileSize", &transfer.file_size.to_string());
        element(&mut out, "TargetFileName", &transfer.target_file_name);
        fault_struct(&mut out, "FaultStruct", transfer.fault, super::fault_text_or_none(transfer.fault));
        element(&mut out, "StartTime", start);
        element(&mut out, "CompleteTime", complete);
        self.rpc("AutonomousTransferComplete", &out)
    }

    /// DUStateChangeComplete or, without a command key, AutonomousDUStateChangeComplete.
    pub fn du_state_change_complete(&self, results: &[OperationResult], command_key: Option<&str>) -> String {
        let (rpc, item) = match command_key {
            Some(_) => ("DUStateChangeComplete", "OpResultStruct"),
            None => ("AutonomousDUStateChangeComplete", "AutonOpResultStruct"),
        };
        let mut out = String::new();
        self.array(&mut out, "Results", &format!("cwmp:{item}"), results.len());
        for result in results {
            let _ = write!(out, "<{item}>");
            element(&mut out, "UUID", &result.uuid);
            element(&mut out, "DeploymentUnitRef", &result.deployment_unit_ref);
            element(&mut out, "Version", &result.version);
            element(&mut out, "CurrentState", result.current_state);
            element(&mut out, "Resolved", if result.fault == 0 { "1" } else { "0" });
            element(&mut out, "ExecutionUnitRefList", "");
            element(&mut out, "StartTime", &result.start_time);
            element(&mut out, "CompleteTime", &result.complete_time);
            fault_struct(&mut out, "Fault", result.fault, super::fault_text_or_none(result.fault));
            if let Some(operation) = result.operation {
                element(&mut out, "OperationPerformed", operation);
            }
            let _ = write!(out, "</{item}>");
        }
        out.push_str("</Results>");
        if let Some(command_key) = command_key {
            element(&mut out, "CommandKey", command_key);
        }
        self.rpc(rpc, &out)
    }

    /// RequestDownload.
    pub fn request_download(&self, file_type: &str, arguments: &[(String, String)]) -> String {
        let mut out = String::new();
        element(&mut out, "FileType", file_type);
        self.array(&mut out, "FileTypeArg", "cwmp:ArgStruct", arguments.len());
        for (name, value) in arguments {
            out.push_str("<ArgStruct>");
            element(&mut out, "Name", name);
            element(&mut out, "Value", value);
            out.push_str("</ArgStruct>");
        }
        out.push_str("</FileTypeArg>");
        self.rpc("RequestDownload", &out)
    }

    /// Kicked.
    pub fn kicked(&self, [command, referer, arg, next]: [&str; 4]) -> String {
        let mut out = String::new();
        element(&mut out, "Command", command);
        element(&mut out, "Referer", referer);
        element(&mut out, "Arg", arg);
        element(&mut out, "Next", next);
        self.rpc("Kicked", &out)
    }

    /// GetOptionsResponse from the options' names: all of them are active without expiration.
    pub fn options(&self, names: &[&str], start_date: &str) -> String {
        let mut out = String::new();
        self.array(&mut out, "OptionList", "cwmp:OptionStruct", names.len());
        for (index, name) in names.iter().enumerate() {
            out.push_str("<OptionStruct>");
            element(&mut out, "OptionName", name);
            element(&mut out, "VoucherSN", &(index + 1).to_string());
            element(&mut out, "State", "1");
            element(&mut out, "Mode", "2");
            element(&mut out, "StartDate", start_date);
            element(&mut out, "IsTransferable", "0");
            out.push_str("</OptionStruct>");
        }
        out.push_str("</OptionList>");
        self.rpc("GetOptionsResponse", &out)
    }

    /// A call or response without arguments, e.g. GetRPCMethods or RebootResponse.
    pub fn bare(&self, name: &str) -> String {
        self.rpc(name, "")
    }

    /// GetRPCMethodsResponse.
    pub fn rpc_methods(&self, methods: &[&str]) -> String {
        let mut out = String::new();
        self.strings(&mut out, "MethodList", methods);
        self.rpc("GetRPCMethodsResponse", &out)
    }

    /// GetParameterNamesResponse from paths and their Writable flags.
    pub fn parameter_names(&self, parameters: &[(&str, bool)]) -> String {
        let mut out = String::with_capacity(parameters.len() * 128);
        self.array(&mut out, "ParameterList", "cwmp:ParameterInfoStruct", parameters.len());
        for (name, writable) in parameters {
            out.push_str("<ParameterInfoStruct>");
            element(&mut out, "Name", name);
            element(&mut out, "Writable", if *writable { "1" } else { "0" });
            out.push_str("</ParameterInfoStruct>");
        }
        out.push_str("</ParameterList>");
        self.rpc("GetParameterNamesResponse", &out)
    }

    /// GetParameterValuesResponse.
    pub fn parameter_values(&self, parameters: &[(&str, &Value)]) -> String {
        let mut out = String::with_capacity(parameters.len() * 160);
        self.parameter_list(&mut out, parameters);
        self.rpc("GetParameterValuesResponse", &out)
    }

    /// GetParameterAttributesResponse.
    pub fn parameter_attributes(&self, parameters: &[(&str, Attributes)]) -> String {
        let mut out = String::new();
        self.array(&mut out, "ParameterList", "cwmp:ParameterAttributeStruct", parameters.len());
        for (name, attributes) in parameters {
            out.push_str("<ParameterAttributeStruct>");
            element(&mut out, "Name", name);
            element(&mut out, "Notification", &attributes.notification.to_string());
            self.strings(&mut out, "AccessList", &attributes.access_list);
            out.push_str("</ParameterAttributeStruct>");
        }
        out.push_str("</ParameterList>");
        self.rpc("GetParameterAttributesResponse", &out)
    }

    /// SetParameterValuesResponse or DeleteObjectResponse: only a Status.
    pub fn status(&self, response: &str, status: u32) -> String {
        let mut out = String::new();
        element(&mut out, "Status", &status.to_string());
        self.rpc(response, &out)
    }

    /// AddObjectResponse.
    pub fn add_object(&self, instance_number: u32, status: u32) -> String {
        let mut out = String::new();
        element(&mut out, "InstanceNumber", &instance_number.to_string());
        element(&mut out, "Status", &status.to_string());
        self.rpc("AddObjectResponse", &out)
    }

    /// DownloadResponse or UploadResponse.
    pub fn transfer(&self, response: &str, status: u32, start: &str, complete: &str) -> String {
        let mut out = String::new();
        element(&mut out, "Status", &status.to_string());
        element(&mut out, "StartTime", start);
        element(&mut out, "CompleteTime", complete);
        self.rpc(response, &out)
    }

    /// GetQueuedTransfersResponse, or GetAllQueuedTransfersResponse with `all`, from the CommandKey, direction and
    /// file type of each transfer that has not begun.
    pub fn queued_transfers(&self, all: bool, transfers: &[(&str, bool, &str)]) -> String {
        let (response, item) = if all {
            ("GetAllQueuedTransfersResponse", "AllQueuedTransferStruct")
        } else {
            ("GetQueuedTransfersResponse", "QueuedTransferStruct")
        };
        let mut out = String::new();
        self.array(&mut out, "TransferList", &format!("cwmp:{item}"), transfers.len());
        for (command_key, upload, file_type) in transfers {
            let _ = write!(out, "<{item}>");
            element(&mut out, "CommandKey", command_key);
            element(&mut out, "State", "1");
            if all {
                element(&mut out, "IsDownload", if *upload { "0" } else { "1" });
                element(&mut out, "FileType", file_type);
                element(&mut out, "FileSize", "0");
                element(&mut out, "TargetFileName", "");
            }
            let _ = write!(out, "</{item}>");
        }
        out.push_str("</TransferList>");
        self.rpc(response, &out)
    }

    /// A SOAP Fault with a `cwmp:Fault` detail (TR-069 §3.5).
    pub fn fault(&self, fault: &Fault) -> String {
        let mut out = soap_fault_start();
        out.push_str("<detail><cwmp:Fault>");
        element(&mut out, "FaultCode", &fault.code.to_string());
        element(&mut out, "FaultString", &fault.text);
        for (name, code) in &fault.parameters {
            out.push_str("<SetParameterValuesFault>");
            element(&mut out, "ParameterName", name);
            element(&mut out, "FaultCode", &code.to_string());
            element(&mut out, "FaultString", super::fault_text(*code));
            out.push_str("</SetParameterValuesFault>");
        }
        out.push_str("</cwmp:Fault></detail></SOAP-ENV:Fault>");
        self.envelope(&out)
    }

    /// A SOAP Fault without any detail, as some devices send.
    pub fn fault_without_detail(&self) -> String {
        let mut out = soap_fault_start();
        out.push_str("</SOAP-ENV:Fault>");
        self.envelope(&out)
    }
}

/// A FaultStruct; code 0 is success.
fn fault_struct(out: &mut String, name: &str, code: u32, text: &str) {
    let _ = write!(out, "<{name}>");
    element(out, "FaultCode", &code.to_string());
    element(out, "FaultString", text);
    let _ = write!(out, "</{name}>");
}

fn soap_fault_start() -> String {
    let mut out = String::from("<SOAP-ENV:Fault>");
    element(&mut out, "faultcode", "Client");
    element(&mut out, "faultstring", "CWMP fault");
    out
}

/// `<name>text</name>`, the text escaped.
fn element(out: &mut String, name: &str, text: &str) {
    element_with(out, name, text);
}

/// As [`element`], where `start` may have attributes after the name.
fn element_with(out: &mut String, start: &str, text: &str) {
    let name = start.split(' ').next().unwrap_or(start);
    let _ = write!(out, "<{start}>");
    push_escaped(out, text);
    let _ = write!(out, "</{name}>");
}
