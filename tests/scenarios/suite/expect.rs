//! Compares what a session did with what its case says.

use std::collections::BTreeMap;

use acs_core::fault::FaultRecord;
use acs_core::operation::OperationKind;
use acs_core::session::LogKind;
use acs_core::tree::Node;
use acs_core::value::TypedValue;
use serde_json::{Value as Json, json};

use super::document::{ExpectedFault, Step, duration};
use super::play::plain;
use crate::bench::Scenario;
use crate::kit::Visit;

/// What a session did.
pub struct Actual<'a> {
    pub scenario: &'a Scenario,
    pub visit: &'a Visit,
    pub extension_calls: Vec<Json>,
}

impl Actual<'_> {
    /// One text per difference.
    pub fn differences(&self, step: &Step) -> Vec<String> {
        let mut out = Differences::default();
        let requests = &self.visit.requests;
        if let Some(expected) = &step.requests {
            out.lists("requests", expected, requests);
        } else if step.counts.is_empty() {
            out.0.push("requests: the case does not say which".into());
        }
        for (prefix, &expected) in &step.counts {
            let count = requests.iter().filter(|request| request.starts_with(prefix.as_str())).count();
            out.values(&format!("count of {prefix}"), &json!(expected), &json!(count));
        }
        self.compare_stored(step, &mut out);
        self.compare_device(step, &mut out);
        self.compare_faults(&step.faults, &mut out);
        let states: BTreeMap<_, _> = self
            .visit
            .change
            .tasks
            .iter()
            .map(|change| (change.id.clone(), change.state.as_str().to_owned()))
            .collect();
        out.values("task states", &json!(step.task_states), &json!(states));
        let logged =
            |kind| self.visit.log.iter().filter(move |line| line.kind == kind).map(|line| line.message.clone());
        if let Some(expected) = &step.log {
            out.lists("log", expected, &logged(LogKind::Script).collect::<Vec<_>>());
        }
        for expected in &step.notes {
            if !logged(LogKind::Note).any(|note| note.contains(expected.as_str())) {
                out.0.push(format!("notes: none says {expected:?}"));
            }
        }
        if let Some(expected) = &step.extension_calls {
            out.values("extension calls", &json!(expected), &json!(self.extension_calls));
        }
        if let Some(expected) = &step.pending_downloads {
            let operations = self.scenario.world.snapshot.operations.iter();
            let pending: Vec<_> = operations
                .filter(|operation| operation.kind == OperationKind::Download)
                .map(|operation| operation.file_name.clone())
                .collect();
            out.values("pending downloads", &json!(expected), &json!(pending));
        }
        out.0
    }

    fn compare_stored(&self, step: &Step, out: &mut Differences) {
        let device = self.scenario.world.snapshot.device.as_ref().unwrap();
        let tree = device.full_tree();
        let node = |path: &str| tree.find(path).map(|id| tree.node(id));
        for (path, expected) in &step.stored {
            out.values(&format!("stored {path}"), expected, &value(node(path), expected.is_array()));
        }
        for path in &step.unknown {
            let known = value(node(path), true);
            if !known.is_null() {
                out.0.push(format!("stored {path}: {known}, and should be unknown"));
            }
        }
        for (path, expected) in &step.attributes {
            let known = node(path).and_then(|node| node.attributes.as_ref());
            let known = known.map(|attributes| json!([attributes.notification, attributes.access_list]));
            out.values(&format!("attributes of {path}"), &json!(expected), &known.unwrap_or_default());
        }
        for (path, expected) in &step.writers {
            let writer = node(path).and_then(|node| node.value.as_ref()).and_then(|stored| stored.writer.as_deref());
            out.values(&format!("writer of {path}"), &json!(expected), &json!(writer));
        }
        if let Some(expected) = &step.tags {
            let tags: BTreeMap<_, _> = device.tags.iter().map(|(tag, value)| (tag.clone(), plain(value))).collect();
            out.values("tags", &json!(expected), &json!(tags));
        }
    }

    fn compare_device(&self, step: &Step, out: &mut Differences) {
        let device = &self.scenario.device;
        for (path, expected) in &step.has {
            let value = match device.parameters.get(path) {
                Some((_, value)) => typed(value, expected.is_array()),
                None => Json::Null,
            };
            out.values(&format!("the device's {path}"), expected, &value);
        }
        for name in &step.lacks {
            if device.parameters.contains_key(name) || device.objects.contains_key(name) {
                out.0.push(format!("the device still has {name}"));
            }
        }
    }

    fn compare_faults(&self, expected: &[ExpectedFault], out: &mut Differences) {
        let mut stored: Vec<&FaultRecord> = self.scenario.world.snapshot.faults.iter().collect();
        stored.sort_by(|left, right| left.channel.cmp(&right.channel));
        let mut expected: Vec<&ExpectedFault> = expected.iter().collect();
        expected.sort_by(|left, right| left.channel.cmp(&right.channel));
        let line = |channel: &str, code: &str, retries: u32| format!("{channel}: {code}, retries {retries}");
        let wanted: Vec<_> = expected.iter().map(|fault| line(&fault.channel, &fault.code, fault.retries)).collect();
        let found: Vec<_> =
            stored.iter().map(|record| line(&record.channel, &record.fault.code, record.retries)).collect();
        if wanted != found {
            out.lists("faults", &wanted, &found);
            return out
                .0
                .extend(stored.iter().map(|record| format!("fault of {}: {}", record.channel, record.fault.message)));
        }
        for (fault, record) in expected.iter().zip(stored) {
            let channel = &fault.channel;
            for text in &fault.says {
                if !record.fault.message.contains(text.as_str()) {
                    out.0.push(format!("fault of {channel}: it does not say {text:?}: {}", record.fault.message));
                }
            }
            if let Some(after) = &fault.retry_after {
                let due = (after != "never").then(|| duration(after));
                let found = record.retry_at.map(|time| time - record.timestamp);
                out.values(&format!("retry of {channel} after"), &json!(due), &json!(found));
            }
            if let Some(provisions) = &fault.provisions {
                let found = record.provisions.iter().map(|call| call.to_json()).collect();
                out.values(&format!("provisions of {channel}"), provisions, &found);
            }
            if let Some(detail) = &fault.detail {
                let found = record.fault.detail.clone().unwrap_or_default();
                if !contains(&found, detail) {
                    out.values(&format!("detail of {channel}"), detail, &found);
                }
            }
        }
    }
}

/// A node's value: null, a scalar, or a pair with its type.
fn value(node: Option<&Node>, with_type: bool) -> Json {
    node.and_then(|node| node.typed_value()).map_or(Json::Null, |value| typed(value, with_type))
}

fn typed(value: &TypedValue, with_type: bool) -> Json {
    let TypedValue(value, xsd_type) = value;
    if with_type { json!([plain(value), xsd_type.as_str()]) } else { plain(value) }
}

/// Whether JSON has all that another has, and maybe more keys.
fn contains(all: &Json, part: &Json) -> bool {
    match (all, part) {
        (Json::Object(all), Json::Object(part)) => {
            part.iter().all(|(key, part)| all.get(key).is_some_and(|all| contains(all, part)))
        }
        (Json::Array(all), Json::Array(part)) => {
            all.len() == part.len() && all.iter().zip(part).all(|(all, part)| contains(all, part))
        }
        _ => all == part,
    }
}

#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn values(&mut self, what: &str, expected: &Json, actual: &Json) {
        if expected != actual {
            self.0.push(format!("{what}:\n  - {expected}\n  + {actual}"));
        }
    }

    /// A diff: what is only expected has a minus, what is only there a plus.
    fn lists(&mut self, what: &str, expected: &[String], actual: &[String]) {
        if expected == actual {
            return;
        }
        // Lengths of the longest common subsequences of what is left of both.
        let mut common = vec![vec![0usize; actual.len() + 1]; expected.len() + 1];
        for (left, wanted) in expected.iter().enumerate().rev() {
            for (right, found) in actual.iter().enumerate().rev() {
                common[left][right] = if wanted == found {
                    common[left + 1][right + 1] + 1
                } else {
                    common[left + 1][right].max(common[left][right + 1])
                };
            }
        }
        let mut text = format!("{what}:");
        let (mut left, mut right) = (0, 0);
        while left < expected.len() || right < actual.len() {
            if left < expected.len() && right < actual.len() && expected[left] == actual[right] {
                text.push_str(&format!("\n    {}", expected[left]));
                (left, right) = (left + 1, right + 1);
            } else if right == actual.len()
                || left < expected.len() && common[left + 1][right] >= common[left][right + 1]
            {
                text.push_str(&format!("\n  - {}", expected[left]));
                left += 1;
            } else {
                text.push_str(&format!("\n  + {}", actual[right]));
                right += 1;
            }
        }
        self.0.push(text);
    }
}
