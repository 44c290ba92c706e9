//! Task documents as clients write them, brought into the form that is specified.

use serde_json::{Map, Value as Json};

/// Brings a task document into form:
///
/// * `{"command": …, "params": {…}}` is `{"name": …}` with the parameters beside it.
/// * Names of objects and parameters lose the dot at their end.
///
/// Everything else stays, and is judged by `Task::from_document`.
pub fn normalize(mut document: Json) -> Json {
    if let Json::Object(map) = &mut document {
        rename_command(map);
        if let Some(Json::String(name)) = map.get_mut("objectName") {
            trim(name);
        }
        for name in list(map, "parameterNames") {
            trim_text(name);
        }
        for pair in list(map, "parameterValues") {
            if let Some(name) = pair.get_mut(0) {
                trim_text(name);
            }
        }
    }
    document
}

fn rename_command(map: &mut Map<String, Json>) {
    if map.contains_key("name") || !map.get("command").is_some_and(Json::is_string) {
        return;
    }
    if let Some(command) = map.shift_remove("command") {
        map.insert("name".to_owned(), command);
    }
    if let Some(Json::Object(parameters)) = map.shift_remove("params") {
        for (key, value) in parameters {
            map.entry(key).or_insert(value);
        }
    }
}

fn list<'m>(map: &'m mut Map<String, Json>, key: &str) -> &'m mut [Json] {
    map.get_mut(key).and_then(Json::as_array_mut).map_or(&mut [], Vec::as_mut_slice)
}

fn trim_text(value: &mut Json) {
    if let Json::String(name) = value {
        trim(name);
    }
}

fn trim(name: &mut String) {
    name.truncate(name.trim_end_matches('.').len());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn habits_of_clients_are_understood() {
        let cases = [
            (
                json!({"name": "refreshObject", "objectName": "Device.WiFi."}),
                json!({"name": "refreshObject", "objectName": "Device.WiFi"}),
            ),
            (json!({"name": "refreshObject", "objectName": ""}), json!({"name": "refreshObject", "objectName": ""})),
            (
                json!({"name": "getParameterValues", "parameterNames": ["A.B.", "C", 5]}),
                json!({"name": "getParameterValues", "parameterNames": ["A.B", "C", 5]}),
            ),
            (
                json!({"name": "setParameterValues", "parameterValues": [["A.B.", "x."], "odd"]}),
                json!({"name": "setParameterValues", "parameterValues": [["A.B", "x."], "odd"]}),
            ),
            (
                json!({"command": "download", "params": {"fileType": "1", "name": "other"}}),
                json!({"name": "download", "fileType": "1"}),
            ),
            (json!({"command": "reboot"}), json!({"name": "reboot"})),
            (json!({"command": 5}), json!({"command": 5})),
            (json!([1]), json!([1])),
        ];
        for (document, expected) in cases {
            assert_eq!(normalize(document.clone()), expected, "{document}");
        }
    }
}
