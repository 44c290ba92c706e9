//! One preset, read from its document.

use std::sync::Arc;

use acs_core::expression::{Expression, Scalar};
use acs_core::query::read_precondition;
use serde_json::{Map, Value as Json};

use crate::argument::checked;
use crate::configuration::Configuration;
use crate::events::EventRules;
use crate::problem::{PresetProblem, Problems};
use crate::schedule::Schedule;

/// The channel of presets that name none.
const DEFAULT_CHANNEL: &str = "default";

const FIELDS: &[&str] =
    &["_id", "weight", "channel", "events", "schedule", "timezone", "precondition", "configurations", "provisions"];

/// When to run which provisions.
#[derive(Debug, Clone)]
pub struct Preset {
    /// Its name, unique among presets.
    pub name: Arc<str>,
    /// Higher goes first and wins.
    pub weight: i64,
    /// The fault domain.
    pub channel: Arc<str>,
    /// Events that must, or must not, have occurred.
    pub events: EventRules,
    /// When it applies; `None` is always.
    pub schedule: Option<Schedule>,
    /// Must evaluate to true; `None` is always true.
    pub precondition: Option<Arc<Expression>>,
    /// What it applies, in order.
    pub configurations: Vec<Configuration>,
    /// What is odd about the document without making it unusable.
    pub warnings: Vec<PresetProblem>,
}

impl Preset {
    /// Reads a preset document. `Err` has all problems, warnings included, each with its place in the JSON.
    pub fn from_document(name: &str, document: &Json) -> Result<Preset, Vec<PresetProblem>> {
        let mut problems = Problems::default();
        let empty = Map::new();
        let map = document.as_object().unwrap_or_else(|| {
            problems.error("$", "a preset must be a JSON object");
            &empty
        });
        let field = |name: &str| map.get(name).unwrap_or(&Json::Null);
        problems.unknown_keys("$", map, FIELDS);
        if name.is_empty() {
            problems.error("$._id", "a preset needs a name");
        }
        let preset = Preset {
            name: name.into(),
            weight: read_weight(field("weight"), &mut problems),
            channel: read_channel(field("channel"), &mut problems),
            events: EventRules::read(field("events"), "$.events", &mut problems),
            schedule: Schedule::read(field("schedule"), field("timezone"), "$.schedule", "$.timezone", &mut problems),
            precondition: read_condition(field("precondition"), &mut problems),
            configurations: read_configurations(map, &mut problems),
            warnings: Vec::new(),
        };
        if problems.has_errors() {
            return Err(problems.into_list());
        }
        if preset.configurations.is_empty() {
            problems.warning("$.configurations", "the preset applies nothing");
        }
        Ok(Preset { warnings: problems.into_list(), ..preset })
    }
}

fn read_weight(json: &Json, problems: &mut Problems) -> i64 {
    let weight = match json {
        Json::Null => Some(0),
        Json::Number(number) => {
            // Databases keep whole numbers as floats, too.
            let whole = |number: f64| (number.fract() == 0.0 && number.abs() < 9.0e15).then_some(number as i64);
            number.as_i64().or_else(|| number.as_f64().and_then(whole))
        }
        Json::String(text) if text.trim().is_empty() => Some(0),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    weight.unwrap_or_else(|| {
        problems.error("$.weight", format!("must be a whole number, not {json}"));
        0
    })
}

fn read_channel(json: &Json, problems: &mut Problems) -> Arc<str> {
    match json {
        Json::Null => DEFAULT_CHANNEL.into(),
        Json::String(text) if text.trim().is_empty() => DEFAULT_CHANNEL.into(),
        Json::String(text) => text.trim().into(),
        _ => {
            problems.error("$.channel", "must be text");
            DEFAULT_CHANNEL.into()
        }
    }
}

fn read_condition(json: &Json, problems: &mut Problems) -> Option<Arc<Expression>> {
    const PATH: &str = "$.precondition";
    match read_precondition(json) {
        Ok(Expression::Literal(Scalar::Bool(true))) => None,
        Ok(condition) => Some(checked(condition, PATH, problems)),
        Err(error) => {
            problems.error(PATH, error.to_string());
            None
        }
    }
}

fn read_configurations(map: &Map<String, Json>, problems: &mut Problems) -> Vec<Configuration> {
    type Read = fn(&Json, &str, &mut Problems) -> Option<Configuration>;
    let kinds: [(&str, Read); 2] = [("configurations", Configuration::read), ("provisions", Configuration::read_short)];
    let mut configurations = Vec::new();
    for (key, read) in kinds {
        match map.get(key) {
            None | Some(Json::Null) => {}
            Some(Json::Array(list)) => {
                for (index, json) in list.iter().enumerate() {
                    configurations.extend(read(json, &format!("$.{key}[{index}]"), problems));
                }
            }
            Some(_) => problems.error(&format!("$.{key}"), "must be a list"),
        }
    }
    configurations
}
