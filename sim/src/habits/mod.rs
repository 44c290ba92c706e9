//! How a device speaks, where real ones differ from the standard and from each other: plain data, part of a device's options.
//!
//! - [`HttpHabits`] are kept by the HTTP client;
//! - [`XmlHabits`] are put on a finished message, see [`dress`];
//! - [`quirks`] are the known oddities, each by its number; [`clients`] are the habits of known device programs.
//!
//! Not here: what a device does (`cpe::Behaviour`), and single faults at a chosen moment (`fault`).

pub mod clients;
pub mod dress;
pub mod quirks;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// All habits. The default is that of a well-behaved device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Habits {
    /// HTTP.
    pub http: HttpHabits,
    /// SOAP and XML.
    pub xml: XmlHabits,
}

/// A header that devices write in their own ways, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeaderHabit {
    /// As everyone does.
    #[default]
    Usual,
    /// Not at all.
    Absent,
    /// This text.
    Value(String),
}

/// How a device speaks HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpHabits {
    /// Content-Type of messages; usually `text/xml; charset="utf-8"`.
    pub content_type: HeaderHabit,
    /// Content-Type of empty POSTs; usually absent.
    pub empty_content_type: HeaderHabit,
    /// SOAPAction of messages; usually `""`.
    pub soap_action: HeaderHabit,
    /// Content-Length counts UTF-16 units, and so is too small for text beyond ASCII.
    pub length_in_utf16: bool,
    /// Bodies wait for `100 Continue`.
    pub expect_continue: bool,
    /// Each request has a connection of its own.
    pub connection_per_request: bool,
    /// What becomes of cookies.
    pub cookies: CookieHabit,
    /// Basic credentials go with the first request, unasked.
    pub basic_unasked: bool,
    /// Digest is answered without qop, nc and cnonce, whatever is offered (RFC 2069).
    pub digest_without_qop: bool,
    /// The digest's uri is empty.
    pub digest_empty_uri: bool,
    /// The digest's nc stays 00000001.
    pub digest_frozen_count: bool,
    /// Empty POSTs carry no credentials.
    pub bodies_only_authorization: bool,
    /// An empty POST goes before each message to fetch a challenge, for as long as none has come.
    pub empty_post_until_challenged: bool,
    /// Connections that are opened and closed again without a byte before each session. The device waits for the server to close
    /// them, and begins no session when it hears anything on them.
    pub silent_connections: u32,
}

/// What becomes of cookies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CookieHabit {
    /// Kept by name, and sent back.
    #[default]
    Jar,
    /// Never sent back.
    None,
    /// Only those of the answer before are sent back.
    LastAnswer,
    /// Only the first of an answer is kept.
    First,
    /// Sent back with their attributes, as if those were cookies.
    WithAttributes,
    /// Sent back with attributes, separated by commas, among others.
    CommaJoined,
    /// Kept for the next session's Inform.
    AcrossSessions,
}

/// How a device writes its messages. Everything is a change of the plain message that [`crate::soap::Writer`] writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct XmlHabits {
    /// The prefix of SOAP's elements instead of `SOAP-ENV`.
    pub envelope_prefix: Option<String>,
    /// The prefix of SOAP's encoding instead of `SOAP-ENC`.
    pub encoding_prefix: Option<String>,
    /// The Envelope has no prefix, and so is in no namespace.
    pub bare_envelope: bool,
    /// DeviceId and what is in it have the prefix `cwmp`.
    pub prefixed_device_id: bool,
    /// arrayType is an attribute of the envelope's namespace.
    pub array_type_in_envelope: bool,
    /// The Fault has a prefix that is not declared.
    pub undeclared_fault_prefix: bool,
    /// XML Schema's namespaces of 1999.
    pub schema_of_1999: bool,
    /// What arrayType says.
    pub array_types: ArrayTypes,
    /// What xsi:type says.
    pub value_types: ValueTypes,
    /// mustUnderstand says this instead of `1`.
    pub must_understand: Option<String>,
    /// Text is not escaped.
    pub raw_text: bool,
    /// White space between and in tags.
    pub white_space: WhiteSpace,
    /// The XML declaration.
    pub declaration: Declaration,
    /// How empty elements are written.
    pub empty_elements: EmptyElements,
    /// MaxEnvelopes comes first and Event last in Inform, which has no RetryCount; FaultStruct last in TransferComplete.
    pub unordered: bool,
    /// Other texts of event codes.
    pub event_names: BTreeMap<String, String>,
    /// Events that are left out.
    pub hidden_events: Vec<String>,
    /// No events at all.
    pub no_events: bool,
    /// MaxEnvelopes says this instead of `1`.
    pub max_envelopes: Option<String>,
    /// RetryCount always says this.
    pub retry_count: Option<String>,
    /// How times are written.
    pub times: Times,
    /// How boolean values and Writable are written.
    pub booleans: Booleans,
    /// Where the details of faults are.
    pub faults: Faults,
    /// SetParameterValuesResponse has a list instead of a Status.
    pub set_answers_with_list: bool,
    /// AddObjectResponse has this InstanceNumber, and Status 9005.
    pub instance_number: Option<i64>,
}

/// What arrayType says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArrayTypes {
    /// What is right.
    #[default]
    Right,
    /// Nothing.
    Missing,
    /// `[02]`
    Padded,
    /// `[16]`, always.
    Sixteen,
    /// `string[2]`
    Unprefixed,
    /// `cwmp:ParameterValue[2]`
    WrongElement,
}

/// What xsi:type says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueTypes {
    /// What is right, on each Value.
    #[default]
    Right,
    /// Nothing.
    Missing,
    /// `object`
    Object,
    /// `xsd:string` on every element that has text, too.
    Everywhere,
}

/// White space between and in tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhiteSpace {
    /// None.
    #[default]
    None,
    /// Each attribute on a line of its own.
    BetweenAttributes,
    /// A blank before the document.
    Leading,
    /// Each element on a line of its own, indented.
    Indented,
}

/// The XML declaration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Declaration {
    /// With the encoding.
    #[default]
    Usual,
    /// None.
    Missing,
    /// Only the version.
    WithoutEncoding,
    /// With `standalone="no"`.
    Standalone,
}

/// How empty elements are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmptyElements {
    /// `<CommandKey></CommandKey>`
    #[default]
    Pair,
    /// `<CommandKey/>`
    SelfClosed,
    /// `<CommandKey />`
    SelfClosedWithBlank,
    /// An empty CommandKey is left out.
    Missing,
}

/// How times are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Times {
    /// In UTC, with `Z`.
    #[default]
    Utc,
    /// Without a zone.
    WithoutZone,
    /// With `+00:00`.
    Offset,
    /// With six digits of fraction.
    Microseconds,
    /// StartTime and CompleteTime are empty.
    EmptyTransferTimes,
}

/// How booleans are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Booleans {
    /// Values as they are stored, Writable in digits.
    #[default]
    AsStored,
    /// `1` and `0`
    Digits,
    /// `true` and `false`
    Words,
    /// Writable is `30` where it should be true.
    Thirty,
}

/// Where the details of faults are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Faults {
    /// In detail.
    #[default]
    InDetail,
    /// In detail, and that in faultstring.
    InFaultString,
    /// In detail, without SetParameterValuesFault.
    WithoutEntries,
    /// In detail, with an empty FaultString.
    WithoutText,
}
