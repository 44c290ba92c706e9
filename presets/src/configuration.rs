//! What a preset applies: entries of `configurations` and `provisions`, brought down to provisions with arguments.

use std::sync::Arc;

use acs_core::expression::{Expression, Scalar};
use acs_core::path::Path;
use acs_core::session::configuration::SelectedProvision;
use serde_json::{Map, Value as Json};

use crate::argument::{read_argument, read_arguments};
use crate::object::ObjectTemplate;
use crate::problem::Problems;

/// One thing that a preset applies.
#[derive(Debug, Clone)]
pub enum Configuration {
    /// Runs a provision.
    Provision(SelectedProvision),
    /// Has an instance as its template describes it, or has none.
    Object {
        /// The multi-instance object that holds it.
        parent: Path,
        /// The template's name.
        object: String,
        /// Whether there shall be one.
        present: bool,
        /// Where the preset names the template.
        path: String,
    },
}

const TYPES: &str = "provision, value, age, add_tag, delete_tag, add_object, delete_object";

impl Configuration {
    /// Reads an entry of `configurations`; `None` when it cannot be used.
    ///
    /// | type | fields | becomes |
    /// | --- | --- | --- |
    /// | `provision` | `name`, `args?` | the provision |
    /// | `value` | `name`, `value` | `value(name, value)` |
    /// | `age` | `name`, `age` in seconds | `refresh(name, age)` |
    /// | `add_tag`, `delete_tag` | `tag` | `tag(tag, true)`, `tag(tag, false)` |
    /// | `add_object`, `delete_object` | `name`, `object` | `instances(alias, 1)` and a `value` per parameter, `instances(alias, 0)` |
    pub fn read(json: &Json, path: &str, problems: &mut Problems) -> Option<Configuration> {
        let Json::Object(map) = json else {
            problems.error(path, format!("must be an object with a type: {TYPES}"));
            return None;
        };
        let mut entry = Entry { map, path, problems };
        match map.get("type").and_then(Json::as_str) {
            Some("provision") => {
                entry.known(&["type", "name", "args"]);
                let name = entry.text("name");
                let arguments = read_arguments(entry.field("args"), &entry.at("args"), entry.problems);
                Some(Configuration::Provision(SelectedProvision { name: name?.into(), arguments }))
            }
            Some("value") => {
                entry.known(&["type", "name", "value"]);
                let name = entry.parameter("name");
                let value =
                    entry.required("value").map(|value| read_argument(value, &entry.at("value"), entry.problems));
                Some(provision("value", vec![literal(name?), value?]))
            }
            Some("age") => {
                entry.known(&["type", "name", "age"]);
                let name = entry.parameter("name");
                let age = entry.seconds("age");
                Some(provision("refresh", vec![literal(name?), literal(age?)]))
            }
            Some(kind @ ("add_tag" | "delete_tag")) => {
                entry.known(&["type", "tag"]);
                let tag = entry.text("tag")?;
                Some(provision("tag", vec![literal(tag), literal(kind == "add_tag")]))
            }
            Some(kind @ ("add_object" | "delete_object")) => {
                entry.known(&["type", "name", "object"]);
                let (parent, object) = (entry.parameter("name"), entry.text("object"));
                let parent = Path::parse(&parent?).ok()?;
                let path = entry.at("object");
                Some(Configuration::Object { parent, object: object?, present: kind == "add_object", path })
            }
            Some(other) => {
                problems.error(&format!("{path}.type"), format!("{other:?} is none of {TYPES}"));
                None
            }
            None => {
                problems.error(&format!("{path}.type"), format!("must be one of {TYPES}"));
                None
            }
        }
    }

    /// Reads an entry of `provisions`: a name, or a list of a name and arguments.
    pub fn read_short(json: &Json, path: &str, problems: &mut Problems) -> Option<Configuration> {
        let (name, arguments) = match json {
            Json::String(name) => (name, Vec::new()),
            Json::Array(list) => match list.split_first() {
                Some((Json::String(name), arguments)) => {
                    let arguments = arguments.iter().enumerate();
                    let read =
                        arguments.map(|(index, json)| read_argument(json, &format!("{path}[{}]", index + 1), problems));
                    (name, read.collect())
                }
                _ => {
                    problems.error(path, "must begin with the name of a provision");
                    return None;
                }
            },
            _ => {
                problems.error(path, r#"must be a name, or a list like ["name", argument, …]"#);
                return None;
            }
        };
        if name.trim().is_empty() {
            problems.error(path, "a provision needs a name");
            return None;
        }
        Some(Configuration::Provision(SelectedProvision { name: name.trim().into(), arguments }))
    }

    /// The provisions to run. `objects` knows the templates by name.
    pub fn resolve<'o>(
        &self,
        objects: &dyn Fn(&str) -> Option<&'o ObjectTemplate>,
        problems: &mut Problems,
    ) -> Vec<SelectedProvision> {
        let (parent, object, present, path) = match self {
            Configuration::Provision(provision) => return vec![provision.clone()],
            Configuration::Object { parent, object, present, path } => (parent, object, *present, path),
        };
        let Some(template) = objects(object) else {
            problems.error(path, format!("there is no usable object {object:?}"));
            return Vec::new();
        };
        let instance = parent.child(template.alias());
        let mut provisions = vec![call("instances", vec![literal(instance.to_string()), literal(i64::from(present))])];
        if present {
            for (name, value) in &template.values {
                let parameter = literal(instance.join(name).to_string());
                provisions.push(call("value", vec![parameter, Arc::new(Expression::Literal(value.clone()))]));
            }
        }
        provisions
    }
}

fn literal(value: impl Into<Scalar>) -> Arc<Expression> {
    Arc::new(Expression::literal(value))
}

fn call(name: &str, arguments: Vec<Arc<Expression>>) -> SelectedProvision {
    SelectedProvision { name: name.into(), arguments }
}

fn provision(name: &str, arguments: Vec<Arc<Expression>>) -> Configuration {
    Configuration::Provision(call(name, arguments))
}

/// An entry's fields, and where to report what is wrong with them.
struct Entry<'e> {
    map: &'e Map<String, Json>,
    path: &'e str,
    problems: &'e mut Problems,
}

impl<'e> Entry<'e> {
    fn at(&self, field: &str) -> String {
        format!("{}.{field}", self.path)
    }

    fn known(&mut self, fields: &[&str]) {
        self.problems.unknown_keys(self.path, self.map, fields);
    }

    fn field(&self, name: &str) -> &'e Json {
        self.map.get(name).unwrap_or(&Json::Null)
    }

    fn required(&mut self, name: &str) -> Option<&'e Json> {
        let field = self.field(name);
        if field.is_null() {
            self.problems.error(&self.at(name), "is missing");
            return None;
        }
        Some(field)
    }

    /// Text that is not empty.
    fn text(&mut self, name: &str) -> Option<String> {
        let text = self.required(name)?.as_str().map(str::trim).filter(|text| !text.is_empty());
        if text.is_none() {
            self.problems.error(&self.at(name), "must be text");
        }
        text.map(str::to_owned)
    }

    /// A path; older documents end those of objects with a dot.
    fn parameter(&mut self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        match Path::parse(text.strip_suffix('.').unwrap_or(&text)) {
            Ok(path) => Some(path.to_string()),
            Err(error) => {
                self.problems.error(&self.at(name), error.to_string());
                None
            }
        }
    }

    fn seconds(&mut self, name: &str) -> Option<i64> {
        let json = self.required(name)?;
        let seconds = json.as_i64().or_else(|| json.as_str()?.trim().parse().ok()).filter(|&seconds| seconds >= 0);
        if seconds.is_none() {
            self.problems.error(&self.at(name), format!("must be a whole number of seconds, not {json}"));
        }
        seconds
    }
}
