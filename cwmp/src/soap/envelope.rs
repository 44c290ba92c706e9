//! The envelope: header, body, and which RPC it is (TR-069 §3.4, §3.5).

use acs_core::rpc::{CpeFault, CpeRequest, CpeResponse};

use super::error::SoapError;
use super::fault::soap_fault;
use super::namespace::{CwmpNamespace, FAMILY};
use super::repair::Repair;
use super::requests::request;
use super::responses::response;
use super::scalar::{boolean, integer, short};
use super::xml::{Element, XmlReader, without_invalid_characters};

/// A device's message with its header.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// The namespace of the RPC; answers use the one of the session's Inform.
    pub namespace: CwmpNamespace,
    /// `cwmp:ID`, to be echoed in the answer. `None` when it is missing or empty.
    pub id: Option<String>,
    /// `cwmp:SessionTimeout` in seconds (since CWMP 1.3).
    pub session_timeout: Option<u32>,
    /// `cwmp:HoldRequests`, which only an ACS may send (TR-069 §3.4.4); to be ignored.
    pub hold_requests: bool,
    /// `cwmp:NoMoreRequests`, which left the standard with CWMP 1.1; of no consequence.
    pub no_more_requests: bool,
    /// `cwmp:SupportedCWMPVersions` verbatim (since CWMP 1.4); see [`super::highest_common_version`].
    pub supported_cwmp_versions: Option<String>,
    /// The local name of a header element that is not known, although it must be understood: asks for a SOAP fault with the
    /// faultcode MustUnderstand.
    pub not_understood: Option<String>,
    /// The RPC.
    pub body: Message,
    /// What was tolerated, empty for a faultless message.
    pub repairs: Vec<Repair>,
}

/// What a device says.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// A call of the CPE.
    Request(CpeRequest),
    /// The answer to a request of the ACS.
    Response(CpeResponse),
    /// The refusal of a request of the ACS.
    Fault(CpeFault),
    /// A response to something that the ACS never asks, or one whose content belongs to another RPC.
    UnknownResponse {
        /// The element's local name.
        name: String,
    },
}

impl Message {
    /// The RPC's element name: the method, the response, or `Fault`.
    pub fn name(&self) -> &str {
        match self {
            Message::Request(request) => request.name(),
            Message::Response(response) => response.name(),
            Message::Fault(_) => "Fault",
            Message::UnknownResponse { name } => name,
        }
    }
}

/// How lenient to be beyond what is always tolerated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ParseOptions {
    /// Take elements whose prefix is not declared, which is malformed in the sense of Namespaces in XML, with a
    /// [`Repair::UndeclaredPrefix`] instead of an error.
    pub allow_undeclared_prefixes: bool,
}

/// Reads a device's message.
///
/// # Errors
/// The document is not well-formed, exceeds a limit, is not an envelope with one RPC, or the RPC lacks what it cannot do
/// without: an Inform its OUI or SerialNumber, a list's response its ParameterList, AddObjectResponse its InstanceNumber.
pub fn parse(body: &str) -> Result<Envelope, SoapError> {
    parse_with(body, &ParseOptions::default())
}

/// Reads a device's message as [`parse`] does, with options.
///
/// # Errors
/// As [`parse`].
pub fn parse_with(body: &str, options: &ParseOptions) -> Result<Envelope, SoapError> {
    let cleaned = without_invalid_characters(body);
    let mut reader = XmlReader::new(&cleaned, options.allow_undeclared_prefixes);
    if cleaned.len() != body.len() {
        reader.repairs.note(Repair::InvalidCharacters);
    }
    let root = reader.root()?;
    if root.local != "Envelope" {
        return Err(SoapError::NotAnEnvelope { found: root.local.to_owned() });
    }
    let mut header = Header::default();
    let mut content = None;
    let mut has_body = false;
    while let Some(child) = reader.next_child()? {
        match child.local {
            "Header" => header.read(&mut reader)?,
            "Body" => {
                has_body = true;
                read_body(&mut reader, &mut content)?;
            }
            _ => reader.skip()?,
        }
    }
    reader.finish()?;
    let (namespace, message) = content.ok_or(if has_body { SoapError::EmptyBody } else { SoapError::NoBody })?;
    if header.id.is_none() {
        reader.repairs.note(Repair::MissingID);
    }
    Ok(Envelope {
        namespace,
        id: header.id,
        session_timeout: header.session_timeout,
        hold_requests: header.hold_requests,
        no_more_requests: header.no_more_requests,
        supported_cwmp_versions: header.supported_cwmp_versions,
        not_understood: header.not_understood,
        body: message,
        repairs: reader.repairs.into_list(),
    })
}

/// What can be told of a message that cannot be read as a whole: enough to refuse it (see [`SoapError::is_invalid_arguments`]).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Glance {
    /// As [`Envelope::namespace`].
    pub namespace: CwmpNamespace,
    /// As [`Envelope::id`], empty when there is none.
    pub id: String,
    /// The local name of the first element in the Body, empty when there is none.
    pub name: String,
}

impl Glance {
    /// Whether the message answers a request of the ACS, so that it is not to be answered with a fault.
    pub fn is_answer(&self) -> bool {
        self.name == "Fault" || self.name.ends_with("Response")
    }
}

/// Reads as far as the RPC's name. What cannot be read is as if it were missing.
pub fn glance(body: &str) -> Glance {
    let cleaned = without_invalid_characters(body);
    let mut reader = XmlReader::new(&cleaned, true);
    let mut glance = Glance::default();
    // What was found before an error counts.
    let _ = glance.read(&mut reader);
    glance
}

impl Glance {
    fn read(&mut self, reader: &mut XmlReader<'_>) -> Result<(), SoapError> {
        reader.root()?;
        while let Some(child) = reader.next_child()? {
            match child.local {
                "Header" => {
                    let mut header = Header::default();
                    header.read(reader)?;
                    self.id = header.id.unwrap_or_default();
                }
                "Body" => {
                    if let Some(rpc) = reader.next_child()? {
                        self.namespace = namespace(reader, &rpc);
                        self.name = rpc.local.to_owned();
                    }
                    return Ok(());
                }
                _ => reader.skip()?,
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Header {
    id: Option<String>,
    session_timeout: Option<u32>,
    hold_requests: bool,
    no_more_requests: bool,
    supported_cwmp_versions: Option<String>,
    not_understood: Option<String>,
}

impl Header {
    fn read(&mut self, reader: &mut XmlReader<'_>) -> Result<(), SoapError> {
        while let Some(child) = reader.next_child()? {
            match child.local {
                "ID" => self.id = Some(short(reader)?).filter(|id| !id.is_empty()),
                "SessionTimeout" | "sessionTimeout" => {
                    self.session_timeout = Some(integer(reader, "SessionTimeout", 0)?).filter(|seconds| *seconds > 0);
                }
                "NoMoreRequests" => self.no_more_requests = boolean(&reader.text()?).unwrap_or(false),
                "SupportedCWMPVersions" => self.supported_cwmp_versions = Some(short(reader)?),
                "HoldRequests" => {
                    reader.repairs.note(Repair::HoldRequestsFromCPE);
                    self.hold_requests = boolean(&reader.text()?).unwrap_or(false);
                }
                unknown => {
                    if child.must_understand {
                        self.not_understood = Some(unknown.to_owned());
                    }
                    reader.skip()?;
                }
            }
        }
        Ok(())
    }
}

/// The namespace and the message, once they are found.
type Content = Option<(CwmpNamespace, Message)>;

fn read_body(reader: &mut XmlReader<'_>, content: &mut Content) -> Result<(), SoapError> {
    while let Some(child) = reader.next_child()? {
        let Some((_, first)) = content else {
            let namespace = namespace(reader, &child);
            *content = Some((namespace, read_message(reader, &child)?));
            continue;
        };
        // A fault beside something else is met in practice, and there the first element counts (TR-069 allows neither).
        if child.local != "Fault" && !matches!(first, Message::Fault(_)) {
            return Err(SoapError::SeveralRPCs { first: first.name().to_owned(), second: child.local.to_owned() });
        }
        reader.repairs.note(Repair::ExtraBodyElement(child.local.into()));
        reader.skip()?;
    }
    Ok(())
}

fn read_message(reader: &mut XmlReader<'_>, element: &Element<'_>) -> Result<Message, SoapError> {
    match element.local {
        "Fault" => Ok(Message::Fault(soap_fault(reader)?)),
        name if name.ends_with("Response") => response(reader, name),
        name => Ok(Message::Request(request(reader, name)?)),
    }
}

/// The namespace of the RPC element, or (a Fault is in SOAP's) the first CWMP namespace that is declared around it.
fn namespace(reader: &mut XmlReader<'_>, element: &Element<'_>) -> CwmpNamespace {
    let declared = reader.namespace_of(element).into_iter().chain(reader.namespaces());
    let mut stranger = None;
    for uri in declared {
        if let Some(namespace) = CwmpNamespace::from_uri(uri) {
            return namespace;
        }
        if uri.trim().starts_with(FAMILY) {
            stranger = Some(uri.trim());
        }
    }
    reader.repairs.note(Repair::UnknownNamespace(stranger.unwrap_or_default().into()));
    CwmpNamespace::V1_0
}
