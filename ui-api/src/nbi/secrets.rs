//! Values of secret parameters, for keys that may not see them.
//!
//! A parameter is secret when the last segment of its name says so. Without `reveal`, its value is shown as `***`, and queries
//! and sort orders on it are refused: with them it could be found out digit by digit.

use acs_core::secret::is_secret;
use serde_json::Value as Json;

const MASK: &str = "***";
/// Arguments of requests that are keys of another kind.
const NO_SECRETS: [&str; 2] = ["parameter_key", "command_key"];

/// Whether a field of a device document holds a secret value. `field` is a parameter's path, also with `._value` behind it.
pub fn is_secret_field(field: &str) -> bool {
    is_secret(field.strip_suffix("._value").unwrap_or(field))
}

/// Whether a field of a task document may hold a secret value.
pub fn is_secret_task_field(field: &str) -> bool {
    let first = field.split('.').next().unwrap_or_default();
    ["parameterValues", "operations", "arguments", "voucherList", "result"].contains(&first)
}

/// Masks the secret values of a device document.
pub fn mask_device(document: &mut Json) {
    let Json::Object(map) = document else { return };
    for (name, inner) in map {
        if is_secret(name)
            && let Some(value) = inner.get_mut("_value")
        {
            *value = MASK.into();
        }
        mask_device(inner);
    }
}

/// Masks the secret values that a task sets: of parameters, in operations and in a vendor's arguments by their names. Vouchers,
/// and what a vendor's method answers, may be secrets as a whole.
pub fn mask_task(document: &mut Json) {
    for key in ["operations", "arguments"] {
        document.get_mut(key).into_iter().for_each(mask_named);
    }
    entries(document.get_mut("voucherList")).for_each(|voucher| *voucher = MASK.into());
    if let Some(xml) = document.pointer_mut("/result/xml") {
        *xml = MASK.into();
    }
    let Some(Json::Array(pairs)) = document.get_mut("parameterValues") else { return };
    for pair in pairs {
        let hidden = pair.get(0).and_then(Json::as_str).is_some_and(is_secret);
        if let Some(value) = pair.get_mut(1).filter(|_| hidden) {
            *value = MASK.into();
        }
    }
}

/// Masks the secret values of a plan: of what is set, and before and after each change. Passwords of downloads, too.
pub fn mask_plan(plan: &mut Json) {
    for arguments in entries(plan.get_mut("requests")).filter_map(|request| request.get_mut("arguments")) {
        mask_named(arguments);
        for pair in entries(arguments.get_mut("parameter_list")) {
            if pair.get(0).and_then(Json::as_str).is_some_and(is_secret) {
                mask_typed(pair.get_mut(1));
            }
        }
    }
    for change in entries(plan.get_mut("changes")) {
        if change.get("path").and_then(Json::as_str).is_some_and(is_secret) {
            mask_typed(change.get_mut("before"));
            mask_typed(change.get_mut("after"));
        }
    }
}

/// Masks texts and numbers whose keys say that they are secrets, however deep they are.
fn mask_named(json: &mut Json) {
    match json {
        Json::Array(list) => list.iter_mut().for_each(mask_named),
        Json::Object(map) => {
            for (key, value) in map {
                let is_scalar = value.is_string() || value.is_number();
                if is_scalar && is_secret(key) && !NO_SECRETS.contains(&key.as_str()) && value.as_str() != Some("") {
                    *value = MASK.into();
                } else {
                    mask_named(value);
                }
            }
        }
        _ => {}
    }
}

fn entries(list: Option<&mut Json>) -> impl Iterator<Item = &mut Json> {
    list.and_then(Json::as_array_mut).into_iter().flatten()
}

/// Masks the value of `[value, type]`.
fn mask_typed(typed: Option<&mut Json>) {
    if let Some(value) = typed.and_then(|typed| typed.get_mut(0)) {
        *value = MASK.into();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_as_secret_as_its_parameter() {
        for field in ["A.ConnectionRequestPassword._value", "A.1.KeyPassphrase", "wifi_psk"] {
            assert!(is_secret_field(field), "{field}");
        }
        for field in ["A.ParameterKey._value", "A.Password.Owner", "_id", "_lastInform", "A.Password._timestamp"] {
            assert!(!is_secret_field(field), "{field}");
        }
    }

    #[test]
    fn secret_values_are_masked_and_nothing_else() {
        let mut device = json!({
            "_id": "x",
            "A": {"_object": true, "Password": {"_value": "hush", "_type": "xsd:string"}, "Name": {"_value": "n"}},
            "Key": {"1": {"Key": {"_value": 5}}},
        });
        mask_device(&mut device);
        assert_eq!(
            device,
            json!({
                "_id": "x",
                "A": {"_object": true, "Password": {"_value": "***", "_type": "xsd:string"}, "Name": {"_value": "n"}},
                "Key": {"1": {"Key": {"_value": "***"}}},
            })
        );
        let mut task =
            json!({"name": "setParameterValues", "parameterValues": [["A.Password", "x", "xsd:string"], ["B", 1]]});
        mask_task(&mut task);
        assert_eq!(task["parameterValues"], json!([["A.Password", "***", "xsd:string"], ["B", 1]]));
        let mut task = json!({
            "operations": [{"operation": "Install", "url": "u", "password": "hush"}],
            "arguments": {"Login": {"Password": "hush", "Name": "n"}},
            "voucherList": ["QUJD"],
            "result": {"commandKey": "k", "xml": "<Password>hush</Password>"},
        });
        mask_task(&mut task);
        let expected = json!({
            "operations": [{"operation": "Install", "url": "u", "password": "***"}],
            "arguments": {"Login": {"Password": "***", "Name": "n"}},
            "voucherList": ["***"],
            "result": {"commandKey": "k", "xml": "***"},
        });
        assert_eq!(task, expected);
    }

    #[test]
    fn plans_do_not_tell_secret_values() {
        let mut plan = json!({
            "requests": [
                {"rpc": "SetParameterValues", "arguments": {"parameter_list": [["A.Password", ["hush", "xsd:string"]], ["A.Name", ["n", "xsd:string"]]]}},
                {"rpc": "Download", "arguments": {"username": "u", "password": "hush"}},
                {"rpc": "FactoryReset", "arguments": null},
                {"rpc": "ChangeDUState", "arguments": {"operations": [{"Install": {"password": "hush"}}], "command_key": "k"}},
            ],
            "changes": [
                {"path": "A.Password", "before": null, "after": ["hush", "xsd:string"]},
                {"path": "A.Name", "before": ["m", "xsd:string"], "after": ["n", "xsd:string"]},
            ],
        });
        mask_plan(&mut plan);
        assert_eq!(
            plan["requests"][0]["arguments"]["parameter_list"],
            json!([["A.Password", ["***", "xsd:string"]], ["A.Name", ["n", "xsd:string"]]])
        );
        assert_eq!(plan["requests"][1]["arguments"], json!({"username": "u", "password": "***"}));
        assert_eq!(
            plan["requests"][3]["arguments"],
            json!({"operations": [{"Install": {"password": "***"}}], "command_key": "k"})
        );
        assert_eq!(plan["changes"][0], json!({"path": "A.Password", "before": null, "after": ["***", "xsd:string"]}));
        assert_eq!(plan["changes"][1]["before"], json!(["m", "xsd:string"]));
    }
}
