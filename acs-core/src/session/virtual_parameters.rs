//! Virtual parameters: nested levels of scripts that compute values, or set what stands behind them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::declaration::Freshness;
use crate::fault::{Fault, ProvisionCall};
use crate::planner::{Refusal, Sources, VirtualParameterSet};
use crate::script::{ScriptFault, ScriptKind};
use crate::value::{TypedValue, Value, XsdType};

use super::Session;
use super::configuration::Configuration;
use super::level::{Level, LevelPurpose, SetDemand, Source, SourceState};

/// How many levels of virtual parameters may stand on each other.
const MAX_NESTING: usize = 6;

impl Session {
    pub(super) fn begin_virtual_gets(
        &mut self,
        demands: BTreeMap<Arc<str>, (Freshness, Sources)>,
        configuration: &dyn Configuration,
    ) {
        let mut sources = Vec::new();
        let mut purpose = BTreeMap::new();
        for (name, (fresh, demanders)) in demands {
            let mut declared = Map::new();
            if fresh.value > 0 {
                declared.insert("value".to_owned(), fresh.value.into());
            }
            if fresh.writable > 0 {
                declared.insert("writable".to_owned(), fresh.writable.into());
            }
            sources.push(self.virtual_source(&name, Json::Object(declared), json!({}), demanders));
            purpose.insert(name, fresh);
        }
        self.push_level(Level { sources, purpose: LevelPurpose::Get(purpose) }, configuration);
    }

    pub(super) fn begin_virtual_sets(&mut self, sets: Vec<VirtualParameterSet>, configuration: &dyn Configuration) {
        let sources = sets
            .iter()
            .map(|set| {
                self.virtual_source(&set.name, json!({}), json!({ "value": set.value }), Sources::from([set.source]))
            })
            .collect();
        let purpose = LevelPurpose::Set(Session::set_demands(sets));
        self.push_level(Level { sources, purpose }, configuration);
    }

    fn virtual_source(
        &self,
        name: &Arc<str>,
        declared_times: Json,
        declared_values: Json,
        demanders: Sources,
    ) -> Source {
        let node = self.tree.find(&format!("VirtualParameters.{name}")).map(|id| self.tree.node(id));
        let mut times = Map::new();
        let mut values = Map::new();
        times.insert("object".to_owned(), 1.into());
        values.insert("object".to_owned(), false.into());
        if let Some(node) = node {
            if let Some(writable) = node.writable {
                times.insert("writable".to_owned(), node.listed_at.into());
                values.insert("writable".to_owned(), writable.into());
            }
            if let Some(stored) = &node.value {
                times.insert("value".to_owned(), stored.at.into());
                values.insert("value".to_owned(), json!(stored.value));
            }
        }
        let arguments = vec![declared_times, declared_values, Json::Object(times), Json::Object(values)];
        let call = ProvisionCall { name: name.to_string(), arguments, weight: 0 };
        Source {
            kind: ScriptKind::VirtualParameter,
            demanders,
            ..Source::provision(&call, "virtual parameter".into(), Default::default())
        }
    }

    fn push_level(&mut self, level: Level, configuration: &dyn Configuration) {
        let Some(cycle) = &mut self.cycle else { return };
        if cycle.levels.len() <= MAX_NESTING {
            cycle.levels.push(level);
            return;
        }
        let names: Vec<_> = level.sources.iter().map(|source| source.name.to_string()).collect();
        let demanders: Sources = level.sources.iter().flat_map(|source| source.demanders.iter().copied()).collect();
        let guilty = cycle.lowest_sources(&demanders);
        let message = format!(
            "Virtual parameters are referencing other virtual parameters in a deeply nested manner: {} would be level {}",
            names.join(", "),
            MAX_NESTING + 1
        );
        self.fault_sources(&guilty, Fault::new("deeply_nested_vparams", message), configuration);
    }

    /// All scripts of the uppermost level have finished: their results become the virtual parameters' values.
    pub(super) fn end_virtual_level(&mut self, configuration: &dyn Configuration) {
        let Some(level) = self.cycle.as_ref().and_then(|cycle| cycle.levels.last()) else { return };
        let mut results = Vec::new();
        for (index, source) in (0u32..).zip(&level.sources) {
            let SourceState::Finished(result) = &source.state else { continue };
            let (needs_writable, needs_value) = match &level.purpose {
                LevelPurpose::Get(demands) => {
                    let fresh = demands.get(&source.name).copied().unwrap_or_default();
                    (fresh.writable > 0, fresh.value > 0)
                }
                LevelPurpose::Set(_) => (false, true),
                LevelPurpose::Provisions => (false, false),
            };
            results.push((index, source.name.clone(), read_result(&source.name, result, needs_writable, needs_value)));
        }
        let sets = match &level.purpose {
            LevelPurpose::Set(sets) => sets.clone(),
            _ => Vec::new(),
        };
        if let Some((index, _, Err(message))) = results.iter().find(|(_, _, result)| result.is_err()) {
            let fault = ScriptFault { code: "script".to_owned(), message: message.clone(), detail: None };
            self.fault_script(*index, fault, configuration);
            return;
        }
        let mut refusals = Vec::new();
        for (index, name, result) in results {
            let Ok((writable, value)) = result else { continue };
            if let Some(set) = sets.iter().find(|set| set.name == name)
                && let Some(value) = &value
                && value.0.clone().coerce(&set.value.1) != set.value.0
            {
                refusals.push((index, set.clone(), value.clone()));
            }
            self.store_virtual_parameter(&name, writable, value, &sets);
        }
        for (index, set, value) in refusals {
            self.refuse_virtual_set(index, &set, &value);
        }
        if let Some(cycle) = &mut self.cycle {
            cycle.levels.pop();
        }
    }

    fn store_virtual_parameter(
        &mut self,
        name: &str,
        writable: Option<bool>,
        value: Option<TypedValue>,
        sets: &[SetDemand],
    ) {
        let at = self.stamp + i64::from(!sets.is_empty());
        let writer = sets.iter().find(|set| *set.name == *name).map(|set| Arc::<str>::from(set.origin.as_str()));
        let tree = self.tree_mut();
        let node = tree.ensure(&format!("VirtualParameters.{name}"));
        if let Some(value) = value {
            tree.set_written_value(node, value, at, writer);
        }
        if let Some(writable) = writable {
            tree.set_listed(node, false, writable, at);
        }
    }

    fn refuse_virtual_set(&mut self, index: u32, set: &SetDemand, value: &TypedValue) {
        let Some(cycle) = &mut self.cycle else { return };
        let sources = cycle.lowest_sources(&Sources::from([index]));
        cycle.ledger.unsettable.insert(format!("VirtualParameters.{}", set.name));
        let message = format!(
            "Virtual parameter '{}' was set to {:?}, but its script returned {:?}; declared at {}",
            set.name,
            set.value.0.to_text(),
            value.0.to_text(),
            set.origin
        );
        let detail = json!({ "virtualParameter": set.name, "set": set.value, "returned": value, "origin": set.origin });
        cycle.ledger.refusals.push(Refusal { sources, code: "vparam_mismatch".to_owned(), message, detail });
    }
}

/// Reads what a virtual parameter's script returned: `#{writable: bool, value: scalar or [scalar, type]}`.
fn read_result(
    name: &str,
    result: &Json,
    needs_writable: bool,
    needs_value: bool,
) -> Result<(Option<bool>, Option<TypedValue>), String> {
    let Some(map) = result.as_object() else {
        return Err(format!(
            "Invalid virtual parameter return value: '{name}' must return a map with 'writable' and 'value'"
        ));
    };
    let writable = match map.get("writable") {
        None | Some(Json::Null) if needs_writable => {
            return Err(format!("Virtual parameter '{name}' must provide 'writable' attribute"));
        }
        None | Some(Json::Null) => None,
        Some(Json::Bool(writable)) => Some(*writable),
        Some(Json::Number(number)) => Some(number.as_f64() != Some(0.0)),
        Some(other) => return Err(format!("Invalid virtual parameter writable attribute: '{name}' returned {other}")),
    };
    let value = match map.get("value") {
        None if needs_value => return Err(format!("Virtual parameter '{name}' must provide 'value' attribute")),
        None => None,
        Some(value) => Some(read_value(value).ok_or_else(|| {
            format!("Invalid virtual parameter value attribute: '{name}' returned {value}; expected a scalar or [scalar, type]")
        })?),
    };
    Ok((writable, value))
}

fn read_value(value: &Json) -> Option<TypedValue> {
    let (value, xsd_type) = match value {
        Json::Array(pair) => match pair.as_slice() {
            [value, Json::String(xsd_type)] => match XsdType::parse(xsd_type) {
                XsdType::Other(_) => return None,
                known => (value, Some(known)),
            },
            [value] => (value, None),
            _ => return None,
        },
        scalar => (scalar, None),
    };
    let value = match value {
        Json::Bool(value) => Value::Bool(*value),
        Json::String(text) => Value::Text(text.clone()),
        Json::Number(number) => number.as_i64().map(Value::Int).or_else(|| number.as_f64().map(Value::Float))?,
        _ => return None,
    };
    let xsd_type = xsd_type.unwrap_or_else(|| XsdType::of(&value));
    Some(TypedValue(value.coerce(&xsd_type), xsd_type))
}
