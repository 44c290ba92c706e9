//! Reading a SOAP envelope that came from the ACS.

use super::ENVELOPE_NAMESPACE;
use super::request::{ArgumentError, Request};
use crate::xml::{Element, XmlError};

/// A message of the ACS.
#[derive(Debug)]
pub struct Incoming {
    /// `cwmp:ID` of the header, when given.
    pub id: Option<String>,
    /// The envelope's CWMP namespace, when one is declared.
    pub namespace: Option<String>,
    /// UseCWMPVersion of the header (protocol 1.4), when given.
    pub use_cwmp_version: Option<String>,
    /// The first element of the Body.
    pub body: Element,
    /// What is against the letter of the standard without making the message unreadable.
    pub violations: Vec<String>,
}

/// Why a message of the ACS is not a usable SOAP envelope.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not XML.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// Not an Envelope with a Body with an element in it.
    #[error("no {0} in the message")]
    Missing(&'static str),
}

impl Incoming {
    /// Reads an envelope.
    pub fn parse(text: &str) -> Result<Self, ReadError> {
        let envelope = Element::parse(text)?;
        if envelope.name != "Envelope" {
            return Err(ReadError::Missing("Envelope"));
        }
        let mut violations = Vec::new();
        let namespaces = envelope.attributes.iter().filter(|(name, _)| name.starts_with("xmlns"));
        let mut cwmp = None;
        let mut soap = false;
        for (_, value) in namespaces {
            soap |= value == ENVELOPE_NAMESPACE;
            if value.starts_with("urn:dslforum-org:cwmp-") {
                cwmp = Some(value.clone());
            }
        }
        if !soap {
            violations.push("the envelope is not in the SOAP 1.1 namespace".into());
        }
        let id = envelope.child("Header").and_then(|header| header.child("ID")).map(|id| {
            if id.attribute("mustUnderstand") != Some("1") {
                violations.push("cwmp:ID without mustUnderstand=\"1\"".into());
            }
            id.text.clone()
        });
        if id.is_none() {
            violations.push("no cwmp:ID header".into());
        }
        let use_cwmp_version =
            envelope.child("Header").and_then(|header| header.child_text("UseCWMPVersion")).map(str::to_owned);
        let body = envelope.child("Body").ok_or(ReadError::Missing("Body"))?;
        if body.children.len() > 1 {
            violations.push("more than one element in the Body".into());
        }
        let body = body.children.first().ok_or(ReadError::Missing("RPC"))?.clone();
        let namespace = cwmp.or_else(|| declared_cwmp(&body));
        Ok(Self { id, namespace, use_cwmp_version, body, violations })
    }

    /// The name of the RPC, response or fault in the Body.
    pub fn name(&self) -> &str {
        &self.body.name
    }

    /// Code and text when the Body is a Fault; the code is 0 when the detail has none.
    pub fn fault(&self) -> Option<(u32, String)> {
        if self.body.name != "Fault" {
            return None;
        }
        let detail = self.body.child("detail").and_then(|detail| detail.child("Fault"));
        let code = detail
            .and_then(|fault| fault.child_text("FaultCode"))
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0);
        let text = detail
            .and_then(|fault| fault.child_text("FaultString"))
            .or_else(|| self.body.child_text("faultstring"))
            .unwrap_or_default();
        Some((code, text.to_owned()))
    }

    /// Decodes the Body as a request of the ACS.
    pub fn request(&mut self) -> Result<Request, ArgumentError> {
        Request::decode(&self.body, &mut self.violations)
    }
}

/// A CWMP namespace declared on the RPC element itself.
fn declared_cwmp(element: &Element) -> Option<String> {
    element
        .attributes
        .iter()
        .find(|(name, value)| name.starts_with("xmlns") && value.starts_with("urn:dslforum-org:cwmp-"))
        .map(|(_, value)| value.clone())
}
