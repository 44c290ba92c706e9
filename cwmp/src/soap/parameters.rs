//! The lists of parameters that Inform and several responses carry (TR-069 Annex A.3.2, tables of ParameterValueStruct,
//! ParameterInfoStruct and ParameterAttributeStruct). `arrayType` is never looked at: what counts is what is there.

use std::collections::HashSet;

use acs_core::rpc::{ParameterAttributes, ParameterInfo};
use acs_core::value::TypedValue;

use super::error::SoapError;
use super::repair::{Repair, Repairs};
use super::scalar::{boolean, integer, or_missing, trimmed, typed_value};
use super::xml::XmlReader;

/// Below this length every name is compared with every other, which is faster than hashing them.
const SHORT_LIST: usize = 24;

/// Reads a ParameterList of ParameterValueStruct.
pub(super) fn values(reader: &mut XmlReader<'_>) -> Result<Vec<(String, TypedValue)>, SoapError> {
    list(reader, "ParameterValueStruct", value_struct, |entry| &entry.0)
}

/// Reads a ParameterList of ParameterInfoStruct.
pub(super) fn names(reader: &mut XmlReader<'_>) -> Result<Vec<ParameterInfo>, SoapError> {
    list(reader, "ParameterInfoStruct", info_struct, |entry| &entry.name)
}

/// Reads a ParameterList of ParameterAttributeStruct.
pub(super) fn attributes(reader: &mut XmlReader<'_>) -> Result<Vec<ParameterAttributes>, SoapError> {
    list(reader, "ParameterAttributeStruct", attribute_struct, |entry| &entry.name)
}

/// Reads a list of `string` elements. Text outside of any element is taken for one.
pub(super) fn strings(reader: &mut XmlReader<'_>) -> Result<Vec<String>, SoapError> {
    let mut list = Vec::new();
    let own_text = reader.mixed_text(|reader, child| match child.local {
        "string" => {
            list.push(trimmed(reader)?);
            Ok(())
        }
        _ => reader.skip(),
    })?;
    if !own_text.trim().is_empty() {
        list.push(own_text.trim().to_owned());
    }
    Ok(list)
}

fn list<'a, T>(
    reader: &mut XmlReader<'a>,
    element: &'static str,
    read: impl Fn(&mut XmlReader<'a>) -> Result<T, SoapError>,
    name: impl Fn(&T) -> &str,
) -> Result<Vec<T>, SoapError> {
    let mut entries = Vec::new();
    while let Some(child) = reader.next_child()? {
        if child.local != element {
            reader.skip()?;
            continue;
        }
        let entry = read(reader)?;
        if name(&entry).is_empty() {
            reader.repairs.note(Repair::MissingElement("Name"));
        } else {
            entries.push(entry);
        }
    }
    keep_last(&mut entries, name, &mut reader.repairs);
    Ok(entries)
}

/// Reads a name and a value, whatever the element around them is called.
pub(super) fn value_struct(reader: &mut XmlReader<'_>) -> Result<(String, TypedValue), SoapError> {
    let mut name = None;
    let mut value = None;
    while let Some(child) = reader.next_child()? {
        match child.local {
            "Name" => name = Some(trimmed(reader)?),
            "Value" => value = Some((child.xsi_type, reader.text()?)),
            _ => reader.skip()?,
        }
    }
    let name = name.unwrap_or_default();
    let (xsi_type, text) = value.unwrap_or_else(|| {
        reader.repairs.note(Repair::MissingValue(name.as_str().into()));
        (None, "".into())
    });
    let value = typed_value(reader, &name, xsi_type, text);
    Ok((name, value))
}

fn info_struct(reader: &mut XmlReader<'_>) -> Result<ParameterInfo, SoapError> {
    let mut name = String::new();
    let mut writable = None;
    while let Some(child) = reader.next_child()? {
        match child.local {
            "Name" => name = trimmed(reader)?,
            "Writable" => writable = Some(is_writable(reader)?),
            _ => reader.skip()?,
        }
    }
    let writable = or_missing(reader, writable, "Writable", false);
    Ok(ParameterInfo { name, writable })
}

/// Some devices write flags of their own, such as `30`; none of them but zero means that it is read-only.
fn is_writable(reader: &mut XmlReader<'_>) -> Result<bool, SoapError> {
    let text = reader.text()?;
    Ok(boolean(&text).unwrap_or_else(|| {
        reader.repairs.note(Repair::UnreadableElement("Writable"));
        text.trim().parse::<u32>().is_ok_and(|flags| flags != 0)
    }))
}

fn attribute_struct(reader: &mut XmlReader<'_>) -> Result<ParameterAttributes, SoapError> {
    let mut name = String::new();
    let mut notification = None;
    let mut access_list = None;
    while let Some(child) = reader.next_child()? {
        match child.local {
            "Name" => name = trimmed(reader)?,
            "Notification" => notification = Some(integer(reader, "Notification", 0)?),
            "AccessList" => access_list = Some(strings(reader)?),
            _ => reader.skip()?,
        }
    }
    let notification = or_missing(reader, notification, "Notification", 0);
    let access_list = or_missing(reader, access_list, "AccessList", Vec::new());
    Ok(ParameterAttributes { name, notification, access_list })
}

/// Of entries with the same name, keeps only the last.
fn keep_last<T>(entries: &mut Vec<T>, name: impl Fn(&T) -> &str, repairs: &mut Repairs) {
    let mut overridden = Vec::new();
    if entries.len() <= SHORT_LIST {
        for (index, entry) in entries.iter().enumerate() {
            if entries[index + 1..].iter().any(|later| name(later) == name(entry)) {
                overridden.push(index);
            }
        }
    } else {
        let mut later = HashSet::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate().rev() {
            if !later.insert(name(entry)) {
                overridden.push(index);
            }
        }
        overridden.reverse();
    }
    if overridden.is_empty() {
        return;
    }
    for index in &overridden {
        repairs.note(Repair::DuplicateParameter(name(&entries[*index]).into()));
    }
    let mut overridden = overridden.into_iter().peekable();
    let mut index = 0;
    entries.retain(|_| {
        let keep = overridden.next_if_eq(&index).is_none();
        index += 1;
        keep
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_equal_names_is_kept_in_short_and_long_lists() {
        for length in [5_usize, 100] {
            let mut entries: Vec<(String, usize)> =
                (0..length).map(|index| (format!("P{}", index % (length - 1)), index)).collect();
            let mut repairs = Repairs::default();
            keep_last(&mut entries, |entry| &entry.0, &mut repairs);
            let kept: Vec<usize> = entries.iter().map(|entry| entry.1).collect();
            assert_eq!(kept, (1..length).collect::<Vec<_>>());
            assert_eq!(repairs.into_list(), [Repair::DuplicateParameter("P0".into())]);
        }
    }
}
