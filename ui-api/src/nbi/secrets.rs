//! Values of secret parameters, for those who may not see them.
//!
//! A parameter is secret when the last segment of its name says so. Without `reveal`, its value is shown as `***`, and queries
//! and sort orders on it are refused: with them it could be found out digit by digit. Where values stand without a name, as
//! arguments of provisions do, none is shown.

use acs_core::secret::is_secret;
use serde_json::Value as Json;
use store::{Collection, Listing};

use super::routes::Listed;

const MASK: &str = "***";
/// Arguments of requests that are keys of another kind.
const NO_SECRETS: [&str; 2] = ["parameter_key", "command_key"];
/// Built-in provisions whose arguments are no secrets.
const PLAIN_BUILTINS: [&str; 8] =
    ["refresh", "tag", "reboot", "reset", "download", "upload", "scheduleDownload", "scheduleInform"];

/// Whether a field of a listed document may hold a secret value. Of devices it is a parameter's path, also with `._value` behind it.
pub fn is_secret_field(listed: Listed, field: &str) -> bool {
    let is_one_of = |names: &[&str]| names.contains(&field.split('.').next().unwrap_or_default());
    match listed {
        Listed::Devices => is_secret(field.strip_suffix("._value").unwrap_or(field)),
        Listed::Documents(Listing::Tasks) => is_one_of(&[
            "parameterValues",
            "objectName",
            "operations",
            "arguments",
            "voucherList",
            "provisions",
            "result",
        ]),
        Listed::Documents(Listing::Faults) => is_one_of(&["provisions", "detail"]),
        Listed::Documents(Listing::Documents(Collection::Presets)) => is_one_of(&["configurations", "provisions"]),
        Listed::Documents(Listing::Documents(Collection::Config)) => is_one_of(&["value"]),
        Listed::Documents(_) => false,
    }
}

/// Masks the secret values of a whole listed document.
pub fn mask(listed: Listed, document: &mut Json) {
    match listed {
        Listed::Devices => mask_device(document),
        Listed::Documents(Listing::Tasks) => mask_task(document),
        Listed::Documents(Listing::Faults) => mask_fault(document),
        Listed::Documents(Listing::Documents(Collection::Presets)) => mask_preset(document),
        Listed::Documents(Listing::Documents(Collection::Config)) => mask_config(document),
        Listed::Documents(_) => {}
    }
}

/// Masks the arguments of what failed, and secret values in its details.
fn mask_fault(document: &mut Json) {
    if let Some(text) = document.get("provisions").and_then(Json::as_str) {
        let mut calls = serde_json::from_str(text).unwrap_or(Json::Null);
        entries(Some(&mut calls)).for_each(mask_call);
        document["provisions"] = calls.to_string().into();
    }
    document.get_mut("detail").into_iter().for_each(mask_named);
}

/// Masks what a preset gives to secret parameters, and the arguments of its provisions.
fn mask_preset(document: &mut Json) {
    entries(document.get_mut("provisions")).for_each(mask_call);
    for entry in entries(document.get_mut("configurations")) {
        entries(entry.get_mut("args")).for_each(mask_scalar);
        if entry.get("name").and_then(Json::as_str).is_some_and(is_secret) {
            entry.get_mut("value").into_iter().for_each(mask_scalar);
        }
    }
}

/// Masks configuration values that hold credentials.
fn mask_config(document: &mut Json) {
    let name = document.get("_id").and_then(Json::as_str).unwrap_or_default();
    if is_secret(name) || name.to_ascii_lowercase().ends_with("auth") {
        document.get_mut("value").into_iter().for_each(mask_scalar);
    }
}

/// Masks the arguments of `[provision, argument, …]`: all but those of built-in provisions that are known to be none.
fn mask_call(call: &mut Json) {
    let Some((Json::String(name), arguments)) = call.as_array_mut().and_then(|call| call.split_first_mut()) else {
        return;
    };
    match (name.as_str(), arguments) {
        (name, _) if PLAIN_BUILTINS.contains(&name) => {}
        ("changeDUState", operations) => operations.iter_mut().for_each(mask_named),
        ("value", [path, rest @ ..]) => {
            // The attribute stands before its value, where it is named.
            let values = if rest.len() > 1 { &mut rest[1..] } else { rest };
            if path.as_str().is_some_and(is_secret) {
                values.iter_mut().for_each(mask_scalar);
            }
            mask_alias(path);
        }
        ("instances", [path, ..]) => mask_alias(path),
        (_, arguments) => arguments.iter_mut().for_each(mask_scalar),
    }
}

/// Masks a path in which an alias (`A.[Password:x]`) gives the value of a secret parameter.
fn mask_alias(path: &mut Json) {
    let names =
        |text: &str| text.split(['[', ',', ']']).skip(1).any(|pair| pair.split(':').next().is_some_and(is_secret));
    if path.as_str().is_some_and(names) {
        *path = MASK.into();
    }
}

/// Masks a value that may be a secret. A boolean is none.
fn mask_scalar(value: &mut Json) {
    if !matches!(value, Json::Null | Json::Bool(_)) {
        *value = MASK.into();
    }
}

/// Masks the secret values of a device document.
fn mask_device(document: &mut Json) {
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
/// arguments of provisions, and what a vendor's method answers, may be secrets as a whole.
fn mask_task(document: &mut Json) {
    document.get_mut("objectName").into_iter().for_each(mask_alias);
    entries(document.get_mut("provisions")).for_each(mask_call);
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
            assert!(is_secret_field(Listed::Devices, field), "{field}");
        }
        for field in ["A.ParameterKey._value", "A.Password.Owner", "_id", "_lastInform", "A.Password._timestamp"] {
            assert!(!is_secret_field(Listed::Devices, field), "{field}");
        }
    }

    #[test]
    fn arguments_of_provisions_are_no_secrets_only_when_that_is_known() {
        let cases = [
            (json!(["value", "A.Password", "hush"]), json!(["value", "A.Password", "***"])),
            (
                json!(["value", "A.Password", "value", 5, "xsd:int"]),
                json!(["value", "A.Password", "value", "***", "***"]),
            ),
            (json!(["value", "A.Name", "value", "n"]), json!(["value", "A.Name", "value", "n"])),
            (json!(["value", "A.[Password:hush].Name", "n"]), json!(["value", "***", "n"])),
            (json!(["instances", "A.[Name:n,PreSharedKey:hush]", 1]), json!(["instances", "***", 1])),
            (json!(["instances", "A.[Name:n]", 1]), json!(["instances", "A.[Name:n]", 1])),
            (json!(["refresh", "A.Password"]), json!(["refresh", "A.Password"])),
            (json!(["wifi", "hush", 7, true, null]), json!(["wifi", "***", "***", true, null])),
            (json!(["rpc", {"SetVouchers": ["hush"]}]), json!(["rpc", "***"])),
            (
                json!(["changeDUState", {"url": "u", "password": "hush"}]),
                json!(["changeDUState", {"url": "u", "password": "***"}]),
            ),
            (json!("wifi"), json!("wifi")),
            (json!([]), json!([])),
        ];
        for (mut call, expected) in cases {
            mask_call(&mut call);
            assert_eq!(call, expected);
        }
        let mut fault =
            json!({"code": "c", "provisions": "[[\"wifi\",\"hush\"]]", "detail": {"Password": "hush", "at": 5}});
        mask(Listed::Documents(Listing::Faults), &mut fault);
        assert_eq!(
            fault,
            json!({"code": "c", "provisions": "[[\"wifi\",\"***\"]]", "detail": {"Password": "***", "at": 5}})
        );
    }

    #[test]
    fn configuration_keeps_its_credentials() {
        let listed = |collection| Listed::Documents(Listing::Documents(collection));
        let cases = [
            (
                Collection::Config,
                json!({"_id": "cwmp.auth", "value": "AUTH('a', 'hush')"}),
                json!({"_id": "cwmp.auth", "value": "***"}),
            ),
            (
                Collection::Config,
                json!({"_id": "cwmp.retryDelay", "value": "5"}),
                json!({"_id": "cwmp.retryDelay", "value": "5"}),
            ),
            (
                Collection::Presets,
                json!({"configurations": [
                    {"type": "value", "name": "A.Password", "value": "hush"},
                    {"type": "value", "name": "A.Name", "value": "n"},
                    {"type": "provision", "name": "wifi", "args": ["hush"]},
                ], "provisions": ["wifi", ["wifi", "hush"]]}),
                json!({"configurations": [
                    {"type": "value", "name": "A.Password", "value": "***"},
                    {"type": "value", "name": "A.Name", "value": "n"},
                    {"type": "provision", "name": "wifi", "args": ["***"]},
                ], "provisions": ["wifi", ["wifi", "***"]]}),
            ),
        ];
        for (collection, mut document, expected) in cases {
            mask(listed(collection), &mut document);
            assert_eq!(document, expected);
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
