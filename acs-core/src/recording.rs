//! Recordings: a session's start, its steps and its end as JSON lines, without its secrets (`docs/replay.md`).
//!
//! ```text
//!  {"recording":1, "device":…, "inform":…, "settings":…, "documents":…}    what the session began with
//!  {"input":…, "output":…}                                               one line per step
//!  {"end":{"faults":…, "tags":…, "tasks":…}}                             what it came to
//! ```
//!
//! Secrets become markers `***1`, `***2`, …: the same value has the same marker wherever it is, so that what was equal stays
//! equal. Not here: files, and replaying.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::change::{DeviceSnapshot, SessionChange};
use crate::device::{DeviceHead, StoredDevice, Tags};
use crate::fault::FaultRecord;
use crate::operation::Operation;
use crate::rpc::Inform;
use crate::secret::is_secret;
use crate::session::settings::Settings;
use crate::session::{Input, Output};
use crate::task::Task;
use crate::transfer::Transfer;
use crate::tree::DeviceTree;

/// The version of the format that is written here.
pub const VERSION: u32 = 1;

/// What marks a secret, before its number.
const MARKER: &str = "***";
/// Shorter secrets occur by chance in other texts: they are replaced only where a name says that they are secrets.
const LEAST_SECRET: usize = 6;
/// Smaller numbers below a secret's name are lengths and intervals.
const LEAST_SECRET_NUMBER: i64 = 100_000;
/// Keys whose texts are names. They are needed as they are, and what is part of a name is no secret.
const NAMES: [&str; 16] = [
    "_id",
    "name",
    "path",
    "parameter_path",
    "parameter_names",
    "object_name",
    "GetParameterNamesResponse",
    "manufacturer",
    "oui",
    "product_class",
    "serial_number",
    "id",
    "device",
    "channel",
    "code",
    "state",
];
/// Keys of lists whose items begin with a name and its value.
const PAIRS: [&str; 3] = ["parameter_list", "parameter_values", "GetParameterValuesResponse"];
/// Texts of the format itself.
const WORDS: &str = "Ready Acknowledged Finished GetRPCMethods FactoryReset RebootResponse FactoryResetResponse \
    SetParameterAttributesResponse xsd:string xsd:int xsd:unsignedInt xsd:long xsd:unsignedLong xsd:boolean xsd:dateTime \
    xsd:base64 xsd:hexBinary queued waking in_session accepted unknown done faulted expired cancelled";

/// The first line: what a session begins with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`]
    pub recording: u32,
    /// The device as it was stored; `None` when it was unknown.
    pub device: Option<RecordedDevice>,
    /// [`DeviceSnapshot::tasks`]
    pub tasks: Vec<Task>,
    /// [`DeviceSnapshot::faults`]
    pub faults: Vec<FaultRecord>,
    /// [`DeviceSnapshot::operations`]
    pub operations: Vec<Operation>,
    /// [`DeviceSnapshot::transfers`]
    #[serde(default)]
    pub transfers: Vec<Transfer>,
    /// The device's Inform.
    pub inform: Inform,
    /// When it arrived, in milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// As evaluated for the device.
    pub settings: Settings,
    /// What the configuration was compiled from, and the fingerprints of its scripts; the recorder's and replayer's to know.
    pub documents: Json,
}

/// A stored device in a recording.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecordedDevice {
    /// The head row.
    pub head: DeviceHead,
    /// The tags.
    pub tags: Tags,
    /// The tree as it was written last.
    pub tree: Arc<DeviceTree>,
}

impl Header {
    /// What the session is opened with.
    pub fn into_snapshot(self) -> (DeviceSnapshot, Inform, i64, Settings) {
        let device = self.device.map(|device| StoredDevice { head: device.head, tags: device.tags, tree: device.tree });
        let snapshot = DeviceSnapshot {
            device,
            tasks: self.tasks,
            faults: self.faults,
            operations: self.operations,
            transfers: self.transfers,
        };
        (snapshot, self.inform, self.timestamp, self.settings)
    }
}

/// What a session came to, as far as a replay compares it: faulted (`code`) and cleared (`null`) channels, tags set and removed
/// (`null`), and the states of tasks.
pub fn end_of(change: &SessionChange) -> Json {
    let code = |record: &Option<FaultRecord>| record.as_ref().map(|record| record.fault.code.clone());
    let faults: BTreeMap<_, _> = change.faults.iter().map(|(channel, record)| (channel, code(record))).collect();
    let tags: BTreeMap<_, _> = change.tags.iter().map(|(tag, value)| (tag, value)).collect();
    let tasks: BTreeMap<_, _> = change.tasks.iter().map(|task| (&task.id, task.state)).collect();
    json!({ "faults": faults, "tags": tags, "tasks": tasks })
}

/// A recording that is being made. It is kept until the session's end, when all its secrets are known.
#[derive(Debug)]
pub struct Tape {
    lines: Vec<Json>,
}

impl Tape {
    /// Begins with what a session begins with.
    pub fn begin(
        snapshot: &DeviceSnapshot,
        inform: &Inform,
        timestamp: i64,
        settings: &Settings,
        documents: Json,
    ) -> Tape {
        let device = snapshot.device.as_ref().map(|device| RecordedDevice {
            head: device.head.clone(),
            tags: device.tags.clone(),
            tree: device.tree.clone(),
        });
        let header = Header {
            recording: VERSION,
            device,
            tasks: snapshot.tasks.clone(),
            faults: snapshot.faults.clone(),
            operations: snapshot.operations.clone(),
            transfers: snapshot.transfers.clone(),
            inform: inform.clone(),
            timestamp,
            settings: settings.clone(),
            documents,
        };
        Tape { lines: vec![to_json(&header)] }
    }

    /// Notes what happens to the session.
    pub fn input(&mut self, input: &Input) {
        self.lines.push(json!({ "input": to_json(input) }));
    }

    /// Notes what the session said to it.
    pub fn output(&mut self, output: &Output) {
        if let Some(line) = self.lines.last_mut() {
            line["output"] = to_json(output);
        }
    }

    /// Ends the recording: its lines without secrets.
    pub fn end(mut self, change: &SessionChange) -> Vec<Json> {
        self.lines.push(json!({ "end": end_of(change) }));
        redact(&mut self.lines);
        self.lines
    }
}

fn to_json<T: Serialize>(value: &T) -> Json {
    // Only maps with other keys than texts and failing types of one's own cannot be written: there are none.
    serde_json::to_value(value).unwrap_or_default()
}

/// Puts markers in place of secrets, consistently over all lines.
fn redact(lines: &mut [Json]) {
    let mut secrets = Secrets { numbers: BTreeMap::new() };
    let mut names = WORDS.to_owned();
    for line in lines.iter_mut() {
        secrets.mark_named(line);
        collect_names(line, "", &mut names);
    }
    if let Some(header) = lines.first() {
        for id in
            [&header["device"]["head"]["id"], &header["device"]["head"]["identity"], &header["inform"]["device_id"]]
        {
            names.push_str(&format!(" {id}"));
        }
    }
    let everywhere = secrets.everywhere(&names);
    for line in lines {
        let mut documents = line.get_mut("documents").map(Json::take);
        mark_texts(line, "", &everywhere);
        if let Some(documents) = &mut documents {
            mark_literals(documents, &everywhere);
        }
        if let Some(documents) = documents {
            line["documents"] = documents;
        }
    }
}

struct Secrets {
    /// By the secret as JSON, so that numbers and texts are different.
    numbers: BTreeMap<String, usize>,
}

impl Secrets {
    fn mark(&mut self, value: &mut Json) {
        let is_long_enough = match &*value {
            Json::String(text) => !text.is_empty(),
            Json::Number(number) => number.as_i64().is_none_or(|number| number.abs() >= LEAST_SECRET_NUMBER),
            _ => false,
        };
        if is_long_enough {
            let next = self.numbers.len() + 1;
            let number = *self.numbers.entry(value.to_string()).or_insert(next);
            *value = Json::String(format!("{MARKER}{number}"));
        }
    }

    /// A value that may be typed: `[value, type]`. Times are no secrets.
    fn mark_value(&mut self, value: &mut Json) {
        match value {
            Json::Array(typed) if typed.len() == 2 => {
                let is_time = typed[0].is_number() && typed[1] == "xsd:dateTime";
                if !is_time {
                    self.mark(&mut typed[0]);
                }
            }
            scalar => self.mark(scalar),
        }
    }

    fn mark_pairs(&mut self, list: &mut Json) {
        for item in list.as_array_mut().into_iter().flatten() {
            if let Some([Json::String(name), value, ..]) = item.as_array_mut().map(Vec::as_mut_slice)
                && is_secret(name)
            {
                self.mark_value(value);
            }
        }
    }

    /// Marks what a name says to be secret.
    fn mark_named(&mut self, json: &mut Json) {
        match json {
            Json::Array(list) => list.iter_mut().for_each(|item| self.mark_named(item)),
            Json::Object(map) => {
                let name = map.get("name").or(map.get("path")).and_then(Json::as_str);
                if name.is_some_and(is_secret)
                    && let Some(value) = map.get_mut("value")
                {
                    self.mark_stored(value);
                }
                for (key, value) in map.iter_mut() {
                    match key.as_str() {
                        "documents" => {}
                        pairs if PAIRS.contains(&pairs) => self.mark_pairs(value),
                        "password" => self.mark(value),
                        "tags" | "Extensions" => self.mark_keyed(value),
                        _ => self.mark_named(value),
                    }
                }
            }
            _ => {}
        }
    }

    /// A tree's node keeps its value with its history, an informed value does not.
    fn mark_stored(&mut self, value: &mut Json) {
        match value {
            Json::Object(stored) => {
                for key in ["value", "written"] {
                    if let Some(value) = stored.get_mut(key) {
                        self.mark_value(value);
                    }
                }
            }
            typed => self.mark_value(typed),
        }
    }

    /// Where the keys are the names.
    fn mark_keyed(&mut self, json: &mut Json) {
        match json {
            Json::Array(list) => list.iter_mut().for_each(|item| self.mark_keyed(item)),
            Json::Object(map) => {
                for (key, value) in map.iter_mut() {
                    if is_secret(key) && (value.is_string() || value.is_number()) {
                        self.mark(value);
                    } else {
                        self.mark_keyed(value);
                    }
                }
            }
            _ => {}
        }
    }

    /// The secrets that are to be replaced in all texts, with their markers; the longest first.
    fn everywhere(&self, names: &str) -> Vec<(String, String)> {
        let plain = |json: &str| match serde_json::from_str(json) {
            Ok(Json::String(text)) => text,
            _ => json.to_owned(),
        };
        let pairs = self.numbers.iter().map(|(json, number)| (plain(json), format!("{MARKER}{number}")));
        let mut pairs: Vec<_> =
            pairs.filter(|(text, _)| text.chars().count() >= LEAST_SECRET && !names.contains(text.as_str())).collect();
        pairs.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        pairs
    }
}

fn is_name(key: &str) -> bool {
    NAMES.contains(&key)
}

/// Joins all names, so that one search tells whether a text is part of any.
fn collect_names(json: &Json, key: &str, names: &mut String) {
    match json {
        Json::String(text) if is_name(key) => {
            names.push(' ');
            names.push_str(text);
        }
        Json::Array(list) if PAIRS.contains(&key) => {
            list.iter().filter_map(|pair| pair.get(0)).for_each(|name| collect_names(name, "name", names));
        }
        Json::Array(list) => list.iter().for_each(|item| collect_names(item, key, names)),
        Json::Object(map) => {
            map.iter().filter(|(key, _)| *key != "documents").for_each(|(key, value)| collect_names(value, key, names));
        }
        _ => {}
    }
}

fn mark_texts(json: &mut Json, key: &str, secrets: &[(String, String)]) {
    match json {
        Json::String(text) if !is_name(key) => {
            for (secret, marker) in secrets {
                if text.contains(secret.as_str()) {
                    *text = text.replace(secret.as_str(), marker);
                }
            }
        }
        Json::Array(list) => list.iter_mut().for_each(|item| mark_texts(item, key, secrets)),
        Json::Object(map) => map.iter_mut().for_each(|(key, value)| mark_texts(value, key, secrets)),
        _ => {}
    }
}

/// In scripts and presets: texts, and literals in them, that are a secret as a whole.
fn mark_literals(json: &mut Json, secrets: &[(String, String)]) {
    match json {
        Json::String(text) => {
            for (secret, marker) in secrets.iter().filter(|(secret, _)| !secret.is_empty()) {
                if text == secret {
                    *text = marker.clone();
                } else if text.contains(secret.as_str()) {
                    for quote in ['"', '\'', '`'] {
                        *text = text.replace(&format!("{quote}{secret}{quote}"), &format!("{quote}{marker}{quote}"));
                    }
                }
            }
        }
        Json::Array(list) => list.iter_mut().for_each(|item| mark_literals(item, secrets)),
        Json::Object(map) => map.values_mut().for_each(|value| mark_literals(value, secrets)),
        _ => {}
    }
}

/// The markers in a text, with their places.
pub fn markers(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(MARKER).map(|place| at + place) {
        let digits = text[start + MARKER.len()..].bytes().take_while(u8::is_ascii_digit).count();
        at = start + if digits == 0 { 1 } else { MARKER.len() + digits };
        if digits > 0 {
            found.push((start, &text[start..at]));
        }
    }
    found
}

/// Puts values in place of their markers.
pub fn fill(json: &mut Json, values: &BTreeMap<String, Json>) {
    match json {
        Json::String(text) => {
            if let Some(value) = values.get(text) {
                *json = value.clone();
                return;
            }
            let known: Vec<_> = markers(text).into_iter().filter(|(_, marker)| values.contains_key(*marker)).collect();
            let mut filled = text.clone();
            for (start, marker) in known.into_iter().rev() {
                let value = &values[marker];
                let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                filled.replace_range(start..start + marker.len(), &plain);
            }
            *text = filled;
        }
        Json::Array(list) => list.iter_mut().for_each(|item| fill(item, values)),
        Json::Object(map) => map.values_mut().for_each(|value| fill(value, values)),
        _ => {}
    }
}
