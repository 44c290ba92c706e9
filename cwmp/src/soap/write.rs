//! The ACS's messages, in the one house style that all known devices understand.
//!
//! - no XML declaration, since some devices wrap the body before they parse it; UTF-8 needs none;
//! - the prefixes `soap-env`, `soap-enc`, `xsd`, `xsi` and `cwmp`, since some devices match them literally;
//! - no white space between elements;
//! - `cwmp:ID` in every header, `xsi:type` on every value, correct counts in every `arrayType`;
//! - elements in the schema's order, and all of them, even when they are empty.
//!
//! Every function appends one whole envelope to `out`. A message is fixed text around a few values, so it is written as text.

use acs_core::rpc::AcsRequest;
use acs_core::rpc::check::is_xml_character;

use super::arguments::write_arguments;
use super::namespace::CwmpNamespace;

/// The methods that a CPE may call (Annex A.3.3, A.4.2), all but Kicked, which is only offered when it is configured.
pub const ACS_METHODS: [&str; 7] = [
    "Inform",
    "GetRPCMethods",
    "TransferComplete",
    "AutonomousTransferComplete",
    "RequestDownload",
    "DUStateChangeComplete",
    "AutonomousDUStateChangeComplete",
];

/// How values look, where the standard leaves a choice that some devices do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WriteOptions {
    /// Boolean values as `true` and `false`, rather than `1` and `0` (`cwmp.booleanLiteral`).
    pub boolean_literal: bool,
    /// `dateTime` values with milliseconds, rather than cut to seconds (`cwmp.datetimeMilliseconds`).
    pub datetime_milliseconds: bool,
}

impl Default for WriteOptions {
    fn default() -> WriteOptions {
        WriteOptions { boolean_literal: true, datetime_milliseconds: true }
    }
}

/// The fault codes of an ACS (TR-069 Annex A.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultCode {
    /// 8000: the ACS does not offer the method.
    MethodNotSupported,
    /// 8001: no reason given.
    RequestDenied,
    /// 8002: something is wrong on the side of the ACS.
    InternalError,
    /// 8003: missing or contradictory arguments.
    InvalidArguments,
    /// 8004: the message exceeds what the ACS can take.
    ResourcesExceeded,
    /// 8005: the CPE is to send the same request again.
    RetryRequest,
    /// 8006: no CWMP version in common (since CWMP 1.4).
    VersionIncompatible,
}

impl FaultCode {
    /// Every code, in ascending order.
    pub const ALL: [FaultCode; 7] = [
        FaultCode::MethodNotSupported,
        FaultCode::RequestDenied,
        FaultCode::InternalError,
        FaultCode::InvalidArguments,
        FaultCode::ResourcesExceeded,
        FaultCode::RetryRequest,
        FaultCode::VersionIncompatible,
    ];

    /// The number on the wire.
    pub const fn number(self) -> u16 {
        match self {
            FaultCode::MethodNotSupported => 8000,
            FaultCode::RequestDenied => 8001,
            FaultCode::InternalError => 8002,
            FaultCode::InvalidArguments => 8003,
            FaultCode::ResourcesExceeded => 8004,
            FaultCode::RetryRequest => 8005,
            FaultCode::VersionIncompatible => 8006,
        }
    }

    /// What the standard calls it: a FaultString when there is nothing more precise to say.
    pub const fn text(self) -> &'static str {
        match self {
            FaultCode::MethodNotSupported => "Method not supported",
            FaultCode::RequestDenied => "Request denied",
            FaultCode::InternalError => "Internal error",
            FaultCode::InvalidArguments => "Invalid arguments",
            FaultCode::ResourcesExceeded => "Resources exceeded",
            FaultCode::RetryRequest => "Retry request",
            FaultCode::VersionIncompatible => "CWMP version incompatible",
        }
    }

    /// SOAP's faultcode: whose fault it is.
    const fn party(self) -> &'static str {
        match self {
            FaultCode::InvalidArguments => "Client",
            _ => "Server",
        }
    }
}

/// Writes a request of the ACS.
pub fn write_request(
    out: &mut String,
    namespace: CwmpNamespace,
    id: &str,
    request: &AcsRequest,
    options: &WriteOptions,
) {
    envelope(out, namespace, id, "", |out| write_arguments(out, request, options));
}

/// Writes InformResponse (Annex A.3.3.1) with its MaxEnvelopes of 1.
pub fn write_inform_response(out: &mut String, namespace: CwmpNamespace, id: &str) {
    envelope(out, namespace, id, "", inform_response);
}

/// Writes InformResponse to a device that lists SupportedCWMPVersions: `version`, e.g. `1.4`, is the one that the session is to
/// use (see [`super::highest_common_version`]).
pub fn write_inform_response_with_version(out: &mut String, namespace: CwmpNamespace, id: &str, version: &str) {
    let mut header = String::from("<cwmp:UseCWMPVersion soap-env:mustUnderstand=\"1\">");
    push_text(&mut header, version);
    header.push_str("</cwmp:UseCWMPVersion>");
    envelope(out, namespace, id, &header, inform_response);
}

/// Writes the answer to a CPE's call that has nothing to say, e.g. TransferCompleteResponse (Annex A.3.3.2) to `TransferComplete`.
pub fn write_empty_response(out: &mut String, namespace: CwmpNamespace, id: &str, method: &str) {
    envelope(out, namespace, id, "", |out| {
        out.push_str("<cwmp:");
        push_text(out, method);
        out.push_str("Response/>");
    });
}

/// Writes KickedResponse (Annex A.4.2.1): where the user is sent.
pub fn write_kicked_response(out: &mut String, namespace: CwmpNamespace, id: &str, next_url: &str) {
    envelope(out, namespace, id, "", |out| {
        out.push_str("<cwmp:KickedResponse>");
        element(out, "NextURL", next_url);
        out.push_str("</cwmp:KickedResponse>");
    });
}

/// Writes GetRPCMethodsResponse (Annex A.3.1.1) with the methods that a CPE may call.
pub fn write_get_rpc_methods_response(out: &mut String, namespace: CwmpNamespace, id: &str, offers_kicked: bool) {
    let kicked = offers_kicked.then_some("Kicked");
    let methods: Vec<&str> = ACS_METHODS.into_iter().chain(kicked).collect();
    envelope(out, namespace, id, "", |out| {
        out.push_str("<cwmp:GetRPCMethodsResponse>");
        string_array(out, "MethodList", &methods);
        out.push_str("</cwmp:GetRPCMethodsResponse>");
    });
}

/// Writes the refusal of a CPE's call (§3.5, Annex A.5). `message` is the CWMP FaultString.
pub fn write_fault(out: &mut String, namespace: CwmpNamespace, id: &str, code: FaultCode, message: &str) {
    envelope(out, namespace, id, "", |out| {
        out.push_str("<soap-env:Fault>");
        element(out, "faultcode", code.party());
        element(out, "faultstring", "CWMP fault");
        out.push_str("<detail><cwmp:Fault>");
        element(out, "FaultCode", &code.number().to_string());
        element(out, "FaultString", message);
        out.push_str("</cwmp:Fault></detail></soap-env:Fault>");
    });
}

/// Writes the refusal of a message with a header element that must be understood and is not (SOAP 1.1 §4.4.1). It has no CWMP
/// detail, since headers are SOAP's business.
pub fn write_must_understand_fault(out: &mut String, namespace: CwmpNamespace, id: &str, header_element: &str) {
    envelope(out, namespace, id, "", |out| {
        out.push_str("<soap-env:Fault><faultcode>soap-env:MustUnderstand</faultcode>");
        element(out, "faultstring", &format!("{header_element} is not understood"));
        out.push_str("</soap-env:Fault>");
    });
}

fn envelope(out: &mut String, namespace: CwmpNamespace, id: &str, header: &str, body: impl FnOnce(&mut String)) {
    out.push_str(concat!(
        "<soap-env:Envelope",
        " xmlns:soap-enc=\"http://schemas.xmlsoap.org/soap/encoding/\"",
        " xmlns:soap-env=\"http://schemas.xmlsoap.org/soap/envelope/\"",
        " xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"",
        " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"",
        " xmlns:cwmp=\"",
    ));
    out.push_str(namespace.uri());
    out.push_str("\"><soap-env:Header><cwmp:ID soap-env:mustUnderstand=\"1\">");
    push_text(out, id);
    out.push_str("</cwmp:ID>");
    out.push_str(header);
    out.push_str("</soap-env:Header><soap-env:Body>");
    body(out);
    out.push_str("</soap-env:Body></soap-env:Envelope>");
}

fn inform_response(out: &mut String) {
    out.push_str("<cwmp:InformResponse><MaxEnvelopes>1</MaxEnvelopes></cwmp:InformResponse>");
}

pub(super) fn string_array(out: &mut String, name: &str, texts: &[impl AsRef<str>]) {
    array(out, name, "xsd:string", texts, |out, text| element(out, "string", text.as_ref()));
}

pub(super) fn array<T>(
    out: &mut String,
    name: &str,
    item_type: &str,
    items: &[T],
    mut item: impl FnMut(&mut String, &T),
) {
    out.push('<');
    out.push_str(name);
    out.push_str(" soap-enc:arrayType=\"");
    out.push_str(item_type);
    out.push('[');
    out.push_str(&items.len().to_string());
    out.push_str("]\">");
    for entry in items {
        item(out, entry);
    }
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

pub(super) fn element(out: &mut String, name: &str, text: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
    push_text(out, text);
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// A boolean argument of an RPC. Unlike a parameter's value it is never `true` or `false`: `1` and `0` are understood by all.
pub(super) const fn flag(value: bool) -> &'static str {
    if value { "1" } else { "0" }
}

/// Appends text with all markup escaped, fit for elements and for quoted attributes. Characters that XML 1.0 cannot hold are
/// dropped. A carriage return is written as a reference, since a parser would make a line feed of it (XML 1.0 §2.11).
pub fn push_text(out: &mut String, text: &str) {
    let mut copied = 0;
    for (index, character) in text.char_indices() {
        let replacement = match character {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\r' => "&#13;",
            ' '..='~' => continue,
            _ if is_xml_character(character) => continue,
            _ => "",
        };
        out.push_str(&text[copied..index]);
        out.push_str(replacement);
        copied = index + character.len_utf8();
    }
    out.push_str(&text[copied..]);
}
