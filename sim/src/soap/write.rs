//! Writing the device's messages: fixed text around loops, element order as in the standard's schema.

use std::fmt::Write as _;

use super::inform::{Inform, TransferComplete};
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
        out.push_str("<FaultStruct>");
        element(&mut out, "FaultCode", &code.to_string());
        element(&mut out, "FaultString", text);
        out.push_str("</FaultStruct>");
        element(&mut out, "StartTime", &transfer.start_time);
        element(&mut out, "CompleteTime", &transfer.complete_time);
        self.rpc("TransferComplete", &out)
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
