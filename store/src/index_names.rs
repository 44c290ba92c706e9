//! Which fields of devices an operator may have indexed, and how they are named.

use acs_core::query::nbi;

use crate::StoreError;

/// Head fields that may be indexed; they are looked at with every session.
const HEAD_FIELDS: [&str; 5] =
    ["_deviceId._Manufacturer", "_deviceId._OUI", "_deviceId._ProductClass", "_lastBoot", "_lastBootstrap"];

/// The field that an operator's name means.
pub(crate) fn field_of_name(name: &str) -> Result<String, StoreError> {
    let invalid = |reason: &str| StoreError::Invalid { what: format!("the index {name:?}"), reason: reason.to_owned() };
    if HEAD_FIELDS.contains(&name) {
        return Ok(name.to_owned());
    }
    let parameter = name.strip_suffix("._value").unwrap_or(name);
    let path = acs_core::path::Path::parse(parameter).map_err(|error| invalid(&error.to_string()))?;
    if parameter.is_empty() || !path.is_concrete() || parameter.split('.').any(|segment| segment.starts_with('_')) {
        return Err(invalid("it must be the name of a parameter"));
    }
    if acs_core::tree::codec::HEAD_ROOTS.contains(&path.first_name().unwrap_or_default()) {
        return Err(invalid("parameters below DeviceID, Events and Tags are fields of their own"));
    }
    Ok(nbi::device_field(parameter).into_owned())
}

/// The operator's name of a field.
pub(crate) fn name_of_field(field: &str) -> &str {
    field.strip_suffix("._value").unwrap_or(field)
}
