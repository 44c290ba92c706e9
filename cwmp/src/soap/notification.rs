//! The document of a lightweight notification (TR-069 Annex M), by itself or in an envelope.

use acs_core::rpc::DeviceIdStruct;
use acs_core::value::TypedValue;

use super::error::SoapError;
use super::parameters::{value_struct, values};
use super::scalar::trimmed;
use super::xml::{XmlReader, without_invalid_characters};

/// What a device notifies.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// TS: seconds since the Unix epoch.
    pub timestamp: i64,
    /// UN: the device's user name toward the ACS.
    pub username: String,
    /// OUI, ProductClass and SerialNumber; there is no Manufacturer.
    pub device_id: DeviceIdStruct,
    /// SIG, when it is in the document.
    pub signature: Option<String>,
    /// TS, UN, CN, OUI, ProductClass and SerialNumber as they stand.
    pub header_texts: [String; 6],
    /// Parameters and their values.
    pub values: Vec<(String, TypedValue)>,
}

const HEADER: [&str; 6] = ["TS", "UN", "CN", "OUI", "ProductClass", "SerialNumber"];

#[derive(Default)]
struct Found {
    header: [Option<String>; 6],
    signature: Option<String>,
    values: Vec<(String, TypedValue)>,
}

/// Reads a notification.
///
/// # Errors
/// It is not well-formed, or not a notification with a time and a device.
pub fn parse_notification(text: &str) -> Result<Notification, SoapError> {
    let cleaned = without_invalid_characters(text);
    let mut reader = XmlReader::new(&cleaned, true);
    let root = reader.root()?;
    let mut found = Found::default();
    match root.local {
        "Notification" => found.read(&mut reader)?,
        "Envelope" => {
            while let Some(part) = reader.next_child()? {
                match part.local {
                    "Header" => found.read(&mut reader)?,
                    "Body" => {
                        while let Some(child) = reader.next_child()? {
                            if child.local == "Notification" { found.read(&mut reader)? } else { reader.skip()? }
                        }
                    }
                    _ => reader.skip()?,
                }
            }
        }
        other => return Err(SoapError::NotAnEnvelope { found: other.to_owned() }),
    }
    reader.finish()?;
    found.finish()
}

impl Found {
    /// Reads the children of the current element.
    fn read(&mut self, reader: &mut XmlReader<'_>) -> Result<(), SoapError> {
        while let Some(child) = reader.next_child()? {
            match child.local {
                "SIG" => self.signature = Some(trimmed(reader)?),
                "ParameterList" => self.values.extend(values(reader)?),
                "Param" | "ParameterValueStruct" => self.values.push(value_struct(reader)?),
                name => match HEADER.iter().position(|known| *known == name) {
                    Some(place) => self.header[place] = Some(trimmed(reader)?),
                    None => reader.skip()?,
                },
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Notification, SoapError> {
        let header_texts = self.header.map(Option::unwrap_or_default);
        let [timestamp, username, _, oui, product_class, serial_number] = header_texts.clone();
        for (text, element) in [(&oui, "OUI"), (&serial_number, "SerialNumber")] {
            if text.is_empty() {
                return Err(SoapError::Missing { element, parent: "Notification" });
            }
        }
        let timestamp = timestamp.parse().map_err(|_| SoapError::NotANumber {
            element: "TS",
            parent: "Notification",
            text: super::xml::cut(&timestamp),
        })?;
        let device_id = DeviceIdStruct { oui, product_class, serial_number, ..DeviceIdStruct::default() };
        Ok(Notification {
            timestamp,
            username,
            device_id,
            signature: self.signature,
            header_texts,
            values: self.values,
        })
    }
}
