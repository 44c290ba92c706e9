//! Templates of instances, as the configuration types `add_object` and `delete_object` name them.

use acs_core::expression::Scalar;
use acs_core::path::{Alias, Path, Segment};
use serde_json::{Map, Value as Json};

use crate::problem::Problems;

/// The parameters of an instance: those that tell it from others, and those that it shall have besides.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectTemplate {
    /// Relative paths and values that identify the instance.
    pub keys: Vec<(Path, Scalar)>,
    /// Relative paths and values to set.
    pub values: Vec<(Path, Scalar)>,
}

impl ObjectTemplate {
    /// Reads an object document: names and values, nested or dotted; `_keys` lists the names that identify the instance,
    /// without it all do. Other names that begin with `_` are passed over.
    pub fn from_document(document: &Json, path: &str, problems: &mut Problems) -> ObjectTemplate {
        let mut template = ObjectTemplate { keys: Vec::new(), values: Vec::new() };
        let Json::Object(map) = document else {
            problems.error(path, "must be an object of parameter names and values");
            return template;
        };
        let mut fields = Vec::new();
        flatten(map, "", path, &mut fields, problems);
        let keys = read_keys(map, path, problems);
        for key in &keys {
            if !fields.iter().any(|(name, _)| name.to_string() == *key) {
                problems.error(&format!("{path}._keys"), format!("names {key:?}, which the object has no value for"));
            }
        }
        if fields.is_empty() && !problems.has_errors() {
            // Its alias would match every instance: deleting it would delete all.
            problems.error(path, "has no parameter");
        }
        for (name, value) in fields {
            let is_key = keys.is_empty() || keys.contains(&name.to_string());
            let list = if is_key { &mut template.keys } else { &mut template.values };
            list.push((name, value));
        }
        template
    }

    /// The alias that matches the instance below its parent.
    pub fn alias(&self) -> Segment {
        let pairs = self.keys.iter().map(|(name, value)| {
            let text = value.to_value().map(|value| value.to_text().into_owned());
            (name.clone(), text.unwrap_or_default())
        });
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort_by_key(|(name, _)| name.to_string());
        Segment::Alias(Alias { pairs }.into())
    }
}

fn flatten(
    map: &Map<String, Json>,
    prefix: &str,
    path: &str,
    fields: &mut Vec<(Path, Scalar)>,
    problems: &mut Problems,
) {
    for (key, value) in map {
        if key.starts_with('_') {
            continue;
        }
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        let at = format!("{path}.{key}");
        if let Json::Object(nested) = value {
            flatten(nested, &name, &at, fields, problems);
            continue;
        }
        match (Path::parse(&name), Scalar::from_json(value)) {
            (_, None | Some(Scalar::Null)) => problems.error(&at, "must be text, a number or a boolean"),
            (Err(error), _) => problems.error(&at, error.to_string()),
            (Ok(name), Some(value)) => fields.push((name, value)),
        }
    }
}

fn read_keys(map: &Map<String, Json>, path: &str, problems: &mut Problems) -> Vec<String> {
    let list = match map.get("_keys") {
        None | Some(Json::Null) => return Vec::new(),
        Some(Json::Array(list)) => list.iter().map(|key| key.as_str().map(str::to_owned)).collect(),
        Some(_) => None,
    };
    list.unwrap_or_else(|| {
        problems.error(&format!("{path}._keys"), "must be a list of names");
        Vec::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(document: &Json) -> Result<(String, Vec<String>), Vec<String>> {
        let mut problems = Problems::default();
        let template = ObjectTemplate::from_document(document, "$", &mut problems);
        let problems: Vec<_> = problems.into_list().iter().map(ToString::to_string).collect();
        if problems.is_empty() {
            let values = template.values.iter().map(|(name, value)| format!("{name}={:?}", value.to_json()));
            Ok((template.alias().to_string(), values.collect()))
        } else {
            Err(problems)
        }
    }

    #[test]
    fn keys_identify_and_the_rest_is_set() {
        let cases = [
            (json!({"_id": "x", "Port": 80, "Enable": true}), "[Enable:true,Port:80]", vec![]),
            (json!({"_keys": [], "B": "b", "A": "a"}), "[A:a,B:b]", vec![]),
            (json!({"_keys": ["Port"], "Port": 80, "Enable": true}), "[Port:80]", vec!["Enable=Bool(true)"]),
            (json!({"_keys": ["A.B"], "A": {"B": "1", "C": "2"}}), "[A.B:1]", vec![r#"A.C=String("2")"#]),
            (json!({"Name": "a, b]"}), r#"[Name:"a, b]"]"#, vec![]),
        ];
        for (document, alias, values) in cases {
            let values = values.into_iter().map(str::to_owned).collect();
            assert_eq!(read(&document), Ok((alias.to_owned(), values)), "{document}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let cases = [
            (json!([]), "$: must be an object of parameter names and values"),
            (json!({"_id": "x"}), "$: has no parameter"),
            (json!({"A": 1, "B": [1]}), "$.B: must be text, a number or a boolean"),
            (json!({"A": 1, "B": {"C": null}}), "$.B.C: must be text, a number or a boolean"),
            (json!({"A": 1, "b c": 1}), r#"$.b c: invalid parameter path "b c""#),
            (json!({"A": 1, "_keys": "A"}), "$._keys: must be a list of names"),
            (json!({"A": 1, "_keys": ["B"]}), r#"$._keys: names "B", which the object has no value for"#),
        ];
        for (document, expected) in cases {
            let problems = read(&document).map_or_else(|problems| problems, |_| Vec::new());
            assert_eq!(problems.len(), 1, "{document}: {problems:?}");
            assert!(problems[0].starts_with(expected), "{document}: {}", problems[0]);
        }
    }
}
