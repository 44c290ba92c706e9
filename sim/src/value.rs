//! Parameter values: the XML schema types of TR-106 §3.3 and what the simulated device accepts for each.
//!
//! Not here: where values are kept (`model`) and how they are written on the wire (`soap`).

use std::borrow::Cow;
use std::net::IpAddr;

use chrono::{DateTime, NaiveDateTime};

/// The time that CWMP uses for "unknown" (TR-106 §3.3).
pub const UNKNOWN_TIME: &str = "0001-01-01T00:00:00Z";

/// A type that a parameter may have (TR-106 §3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum XsdType {
    /// Text.
    String,
    /// 32-bit signed.
    Int,
    /// 32-bit unsigned.
    UnsignedInt,
    /// 64-bit signed.
    Long,
    /// 64-bit unsigned.
    UnsignedLong,
    /// `true`, `false`, `1` or `0`.
    Boolean,
    /// ISO 8601 with or without a zone.
    DateTime,
    /// Base64 text.
    Base64,
    /// Pairs of hexadecimal digits.
    HexBinary,
    /// A type this simulator does not know, with its name as given; every value is accepted for it.
    Other(Box<str>),
}

/// A parameter's value with its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The value as text, unescaped.
    pub text: Box<str>,
    /// Its type.
    pub xsd: XsdType,
}

impl XsdType {
    /// Reads `xsd:boolean`, `boolean`, `xs:boolean`, …; the prefix does not matter.
    pub fn parse(name: &str) -> Self {
        let local = name.rsplit(':').next().unwrap_or(name);
        match local {
            "string" => Self::String,
            "int" => Self::Int,
            "unsignedInt" => Self::UnsignedInt,
            "long" => Self::Long,
            "unsignedLong" => Self::UnsignedLong,
            "boolean" => Self::Boolean,
            "dateTime" => Self::DateTime,
            "base64" | "base64Binary" => Self::Base64,
            "hexBinary" => Self::HexBinary,
            _ => Self::Other(name.into()),
        }
    }

    /// The name as written in `xsi:type`, with the prefix `xsd:`.
    pub fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::String => "xsd:string",
            Self::Int => "xsd:int",
            Self::UnsignedInt => "xsd:unsignedInt",
            Self::Long => "xsd:long",
            Self::UnsignedLong => "xsd:unsignedLong",
            Self::Boolean => "xsd:boolean",
            Self::DateTime => "xsd:dateTime",
            Self::Base64 => "xsd:base64",
            Self::HexBinary => "xsd:hexBinary",
            Self::Other(name) => return Cow::Borrowed(name),
        })
    }

    /// Whether `text` is in the type's lexical space.
    pub fn accepts(&self, text: &str) -> bool {
        match self {
            Self::String | Self::Other(_) => true,
            Self::Int => text.parse::<i32>().is_ok(),
            Self::UnsignedInt => text.parse::<u32>().is_ok(),
            Self::Long => text.parse::<i64>().is_ok(),
            Self::UnsignedLong => text.parse::<u64>().is_ok(),
            Self::Boolean => matches!(text, "true" | "false" | "1" | "0"),
            Self::DateTime => is_date_time(text),
            Self::Base64 => is_base64(text),
            Self::HexBinary => text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        }
    }

    /// The value that a parameter of this type has before anything was set.
    pub fn default_text(&self) -> &'static str {
        match self {
            Self::String | Self::Base64 | Self::HexBinary | Self::Other(_) => "",
            Self::Int | Self::UnsignedInt | Self::Long | Self::UnsignedLong => "0",
            Self::Boolean => "false",
            Self::DateTime => UNKNOWN_TIME,
        }
    }
}

impl Value {
    /// A value from its text and the type's name (`xsd:` may be left out).
    pub fn new(text: &str, xsd: XsdType) -> Self {
        Self { text: text.into(), xsd }
    }

    /// What the device keeps after `text` was written over this value: booleans keep the spelling
    /// (`1`/`0` or `true`/`false`) that the device used before, all else is stored as sent.
    pub fn stored_form<'a>(&self, text: &'a str) -> &'a str {
        if self.xsd != XsdType::Boolean {
            return text;
        }
        let digits = matches!(&*self.text, "0" | "1");
        match (text, digits) {
            ("true", true) => "1",
            ("false", true) => "0",
            ("1", false) => "true",
            ("0", false) => "false",
            _ => text,
        }
    }
}

/// Whether the parameter at `path` may hold `text`, as far as its name tells: length and range rules of TR-098 and
/// TR-181 that real devices enforce with fault 9007. Type checks are apart, see [`XsdType::accepts`].
pub fn allowed_for_name(path: &str, text: &str) -> bool {
    let name = path.rsplit('.').next().unwrap_or(path);
    match name {
        "SSID" => text.len() <= 32,
        "KeyPassphrase" => text.is_empty() || (8..=64).contains(&text.len()),
        "PreSharedKey" => text.is_empty() || text.len() <= 64,
        "ExternalPort" | "InternalPort" => text.parse::<u32>().is_ok_and(|port| port <= 65_535),
        "PeriodicInformInterval" => text.parse::<u32>().is_ok_and(|seconds| seconds >= 1),
        "PortMappingProtocol" | "Protocol" => matches!(text, "TCP" | "UDP"),
        "MinAddress" | "MaxAddress" | "SubnetMask" | "DestIPAddress" | "GatewayIPAddress" => {
            text.is_empty() || text.parse::<IpAddr>().is_ok()
        }
        "URL" if path.ends_with("ManagementServer.URL") => {
            text.len() <= 256 && (text.starts_with("http://") || text.starts_with("https://"))
        }
        _ => text.len() <= 65_536,
    }
}

/// Whether a parameter is a secret that reads back as the empty string (TR-098, TR-181: "when read, … empty").
pub fn is_secret(path: &str) -> bool {
    let name = path.rsplit('.').next().unwrap_or(path);
    name.ends_with("Password") || matches!(name, "KeyPassphrase" | "PreSharedKey" | "WEPKey")
}

fn is_date_time(text: &str) -> bool {
    DateTime::parse_from_rfc3339(text).is_ok() || NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").is_ok()
}

fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - body.len() <= 2
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_accepts_its_lexical_space_only() {
        let table = [
            ("xsd:string", "anything <&>", true),
            ("xsd:int", "-12", true),
            ("xsd:int", "12.5", false),
            ("xsd:unsignedInt", "4294967295", true),
            ("xsd:unsignedInt", "4294967296", false),
            ("xsd:unsignedInt", "-1", false),
            ("xsd:long", "-9223372036854775808", true),
            ("xsd:unsignedLong", "18446744073709551615", true),
            ("xsd:boolean", "1", true),
            ("xsd:boolean", "TRUE", false),
            ("xsd:dateTime", "2026-01-02T03:04:05Z", true),
            ("xsd:dateTime", "2026-01-02T03:04:05.250+01:00", true),
            ("xsd:dateTime", "2026-01-02T03:04:05", true),
            ("xsd:dateTime", UNKNOWN_TIME, true),
            ("xsd:dateTime", "yesterday", false),
            ("xsd:base64", "QUJD", true),
            ("xsd:base64", "QUJ", false),
            ("xsd:hexBinary", "0aFF", true),
            ("xsd:hexBinary", "0aF", false),
            ("vendor:thing", "whatever", true),
        ];
        for (xsd, text, expected) in table {
            assert_eq!(XsdType::parse(xsd).accepts(text), expected, "{xsd} {text}");
        }
    }

    #[test]
    fn the_default_of_each_type_is_a_value_of_the_type() {
        for name in "string int unsignedInt long unsignedLong boolean dateTime base64 hexBinary".split(' ') {
            let xsd = XsdType::parse(name);
            assert!(xsd.accepts(xsd.default_text()), "{name}");
            assert_eq!(xsd.name(), format!("xsd:{name}"));
        }
    }

    #[test]
    fn a_boolean_keeps_the_device_s_spelling() {
        let digits = Value::new("0", XsdType::Boolean);
        assert_eq!(digits.stored_form("true"), "1");
        let words = Value::new("false", XsdType::Boolean);
        assert_eq!(words.stored_form("1"), "true");
        assert_eq!(words.stored_form("true"), "true");
        assert_eq!(Value::new("", XsdType::String).stored_form("1"), "1");
    }

    #[test]
    fn names_bring_their_own_rules() {
        assert!(!allowed_for_name("Device.WiFi.SSID.1.SSID", &"x".repeat(33)));
        assert!(allowed_for_name("Device.WiFi.SSID.1.SSID", "home"));
        assert!(!allowed_for_name("Device.NAT.PortMapping.1.ExternalPort", "70000"));
        assert!(!allowed_for_name("Device.ManagementServer.PeriodicInformInterval", "0"));
        assert!(!allowed_for_name("Device.ManagementServer.URL", "acs"));
        assert!(is_secret("Device.ManagementServer.ConnectionRequestPassword"));
        assert!(!is_secret("Device.ManagementServer.ConnectionRequestUsername"));
    }
}
