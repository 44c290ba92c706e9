//! What a device says of itself at the start of a session (TR-069 Annex A.3.3.1).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::value::TypedValue;

/// What a part of a device ID is percent-encoded for.
const OUTSIDE_DEVICE_ID: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_');

/// The arguments of Inform (A.3.3.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Inform {
    /// Who the device is.
    pub device_id: DeviceIdStruct,
    /// Event codes with their command keys, in the device's order; may be empty.
    pub events: Vec<Event>,
    /// Envelopes that the CPE would take at once; always treated as 1.
    pub max_envelopes: u32,
    /// The CPE's clock in milliseconds, if it could be read. Never trusted for ordering.
    pub current_time: Option<i64>,
    /// How often the CPE has tried since the last complete session.
    pub retry_count: u32,
    /// Values that the CPE tells unasked. A missing type is `xsd:string`.
    pub parameter_list: Vec<(String, TypedValue)>,
}

/// DeviceIdStruct (A.3.3.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct DeviceIdStruct {
    /// Display only.
    pub manufacturer: String,
    /// Six hexadecimal digits.
    pub oui: String,
    /// May be empty.
    pub product_class: String,
    /// Unique within OUI and product class.
    pub serial_number: String,
}

impl DeviceIdStruct {
    /// The device ID: `OUI-ProductClass-SerialNumber`, or `OUI-SerialNumber` when the product class is empty. Each part keeps
    /// `A-Z a-z 0-9 _`; every other character is percent-encoded, per UTF-8 byte and in upper case. So the hyphens between the
    /// parts are unambiguous.
    pub fn device_id(&self) -> String {
        let mut id = String::with_capacity(self.oui.len() + self.product_class.len() + self.serial_number.len() + 8);
        // An OUI is a number (six hexadecimal digits), which some devices write in lower case.
        let is_oui = self.oui.len() == 6 && self.oui.bytes().all(|digit| digit.is_ascii_hexdigit());
        match is_oui {
            true => id.push_str(&self.oui.to_ascii_uppercase()),
            false => escape_into(&mut id, &self.oui),
        }
        id.push('-');
        if !self.product_class.is_empty() {
            escape_into(&mut id, &self.product_class);
            id.push('-');
        }
        escape_into(&mut id, &self.serial_number);
        id
    }
}

fn escape_into(out: &mut String, text: &str) {
    out.extend(utf8_percent_encode(text, OUTSIDE_DEVICE_ID));
}

/// One EventStruct.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// E.g. `2 PERIODIC`, `M Reboot`, `X 001122 Foo`; verbatim.
    pub code: String,
    /// Empty, or the key of the command that caused an `M` event.
    pub command_key: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_ids_are_unambiguous() {
        let cases = [
            ("001122", "P C", "S&N-1", "001122-P%20C-S%26N%2D1"),
            ("001122", "", "x.y", "001122-x%2Ey"),
            ("001122", "Röuter", "1", "001122-R%C3%B6uter-1"),
            ("0a1b2c", "Box", "abc", "0A1B2C-Box-abc"),
            ("vendor", "Box", "1", "vendor-Box-1"),
        ];
        for (oui, product_class, serial_number, expected) in cases {
            let id = DeviceIdStruct {
                manufacturer: String::new(),
                oui: oui.into(),
                product_class: product_class.into(),
                serial_number: serial_number.into(),
            };
            assert_eq!(id.device_id(), expected);
        }
    }
}
