//! The simple types of CWMP messages, as devices write them (TR-106 §3.2, TR-069 Annex A.2).

use std::borrow::Cow;

use acs_core::rpc::UNKNOWN_TIME;
use acs_core::value::{TypedValue, Value, XsdType, parse_date_time};

use super::error::SoapError;
use super::repair::Repair;
use super::xml::XmlReader;

/// `true`, `false`, `1` or `0`, in any case.
pub(super) fn boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    if text == "1" || text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text == "0" || text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// A parameter's value as its type says; `name` is only for the note when it does not fit, and stays text.
pub(super) fn typed_value(
    reader: &mut XmlReader<'_>,
    name: &str,
    xsi_type: Option<&str>,
    text: Cow<'_, str>,
) -> TypedValue {
    let xsd_type = match xsi_type.map(str::trim) {
        // Some devices write the prefix alone, `xsd:`.
        None | Some("") => XsdType::String,
        Some(prefix_alone) if prefix_alone.ends_with(':') => XsdType::String,
        Some(written) => XsdType::parse(written),
    };
    let value = match xsd_type {
        XsdType::Boolean => boolean(&text).map(Value::Bool),
        XsdType::Int | XsdType::UnsignedInt => leading_integer(&text).map(Value::Int),
        XsdType::DateTime => parse_date_time(&text).map(Value::Int),
        _ => return TypedValue(Value::Text(text.into_owned()), xsd_type),
    };
    let value = value.unwrap_or_else(|| {
        reader.repairs.note(Repair::UnreadableValue(name.into()));
        Value::Text(text.into_owned())
    });
    TypedValue(value, xsd_type)
}

fn leading_integer(text: &str) -> Option<i64> {
    match Value::from(text).coerce(&XsdType::Int) {
        Value::Int(number) => Some(number),
        _ => None,
    }
}

/// The current element as an integer; `default`, with a note, when it is none or does not fit.
pub(super) fn integer<T: TryFrom<i64>>(
    reader: &mut XmlReader<'_>,
    element: &'static str,
    default: T,
) -> Result<T, SoapError> {
    let text = reader.text()?;
    Ok(leading_integer(&text).and_then(|number| T::try_from(number).ok()).unwrap_or_else(|| {
        reader.repairs.note(Repair::UnreadableElement(element));
        default
    }))
}

/// The current element as a boolean; `default`, with a note, when it is none.
pub(super) fn boolean_or(reader: &mut XmlReader<'_>, element: &'static str, default: bool) -> Result<bool, SoapError> {
    let text = reader.text()?;
    Ok(boolean(&text).unwrap_or_else(|| {
        reader.repairs.note(Repair::UnreadableElement(element));
        default
    }))
}

/// The current element as a time in milliseconds since the Unix epoch; `None`, with a note, when it cannot be read.
pub(super) fn time(reader: &mut XmlReader<'_>, element: &'static str) -> Result<Option<i64>, SoapError> {
    let text = reader.text()?;
    let time = parse_date_time(&text);
    if time.is_none() {
        reader.repairs.note(Repair::UnreadableElement(element));
    }
    Ok(time)
}

/// The time, or the Unknown Time Value with a note.
pub(super) fn time_or_unknown(reader: &mut XmlReader<'_>, element: &'static str) -> Result<i64, SoapError> {
    Ok(time(reader, element)?.unwrap_or(UNKNOWN_TIME))
}

/// What was found, or the default with a note that the element is missing.
pub(super) fn or_missing<T>(reader: &mut XmlReader<'_>, found: Option<T>, element: &'static str, default: T) -> T {
    found.unwrap_or_else(|| {
        reader.repairs.note(Repair::MissingElement(element));
        default
    })
}

/// The current element's text without the white space around it.
pub(super) fn trimmed(reader: &mut XmlReader<'_>) -> Result<String, SoapError> {
    Ok(match reader.text()? {
        Cow::Borrowed(text) => text.trim().to_owned(),
        Cow::Owned(text) if text.trim().len() == text.len() => text,
        Cow::Owned(text) => text.trim().to_owned(),
    })
}

/// The longest text that ends up in logs and fault records; the standard's longest is 256 characters.
const MAX_SHORT: usize = 1_024;

/// The current element's text without the white space around it, cut to 1,024 bytes: for texts that only people read.
pub(super) fn short(reader: &mut XmlReader<'_>) -> Result<String, SoapError> {
    let mut text = trimmed(reader)?;
    text.truncate(text.floor_char_boundary(MAX_SHORT));
    Ok(text)
}

/// The current element's text, blanks and all, cut to 1,024 bytes: for keys that are compared with shorter ones.
pub(super) fn key(reader: &mut XmlReader<'_>) -> Result<String, SoapError> {
    let mut text = verbatim(reader)?;
    text.truncate(text.floor_char_boundary(MAX_SHORT));
    Ok(text)
}

/// The current element's text, blanks and all.
pub(super) fn verbatim(reader: &mut XmlReader<'_>) -> Result<String, SoapError> {
    Ok(reader.text()?.into_owned())
}
