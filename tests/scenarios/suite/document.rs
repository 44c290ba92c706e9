//! The form of a case. Everything that a case does not say is as usual: the router's model, no configuration, a periodic session
//! fifty minutes after the one before, and at its end no faults and no changed tasks.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::kit::Behaviour;

/// A device, its configuration, and its sessions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The rules of `docs/rules.md` that it shows.
    pub rules: Vec<String>,
    /// What it shows, in a sentence.
    pub about: String,
    /// The model of the device: a file in `models/`.
    #[serde(default = "router")]
    pub device: String,
    /// More lines of the model, see [`crate::kit::Device::change`].
    #[serde(default)]
    pub model: String,
    /// OUI, product class, serial number.
    pub identity: Option<[String; 3]>,
    /// What the Inform tells.
    pub informs: Option<Vec<String>>,
    /// Whether everything has been read in an earlier session.
    #[serde(default)]
    pub known: bool,
    /// The version of CWMP that is agreed upon; the newest unless given.
    pub cwmp_version: Option<String>,
    /// How the device misbehaves.
    pub behaviour: Option<Behaviour>,
    /// Tags that the device has beforehand.
    #[serde(default)]
    pub tags: BTreeMap<String, Json>,
    /// A preset `main` for every session, with a provision of this script.
    pub script: Option<String>,
    /// Documents by name.
    #[serde(default)]
    pub presets: BTreeMap<String, Json>,
    #[serde(default)]
    pub provisions: BTreeMap<String, String>,
    #[serde(default)]
    pub virtual_parameters: BTreeMap<String, String>,
    #[serde(default)]
    pub objects: BTreeMap<String, Json>,
    /// Expressions.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// Lengths of stored files.
    #[serde(default)]
    pub files: BTreeMap<String, u64>,
    /// Where the device fetches files.
    #[serde(default = "file_server")]
    pub file_url_prefix: String,
    /// What extensions answer.
    #[serde(default, rename = "extension")]
    pub extensions: Vec<Extension>,
    /// The sessions.
    #[serde(rename = "session")]
    pub sessions: Vec<Step>,
}

/// Configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Documents {
    pub presets: BTreeMap<String, Json>,
    pub provisions: BTreeMap<String, String>,
    pub virtual_parameters: BTreeMap<String, String>,
    pub objects: BTreeMap<String, Json>,
    pub config: BTreeMap<String, String>,
    pub files: BTreeMap<String, u64>,
}

/// What an extension answers to a call; without any, null.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// The call begins with this.
    pub call: Vec<Json>,
    pub returns: Option<Json>,
    /// A fault's code and message.
    pub fails: Option<(String, String)>,
}

/// What happens, and what is expected of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    #[serde(default = "periodic")]
    pub events: Vec<String>,
    /// How long after the session before: `90s`, `50m`, `24h`.
    pub after: Option<String>,
    /// When, in ISO 8601.
    pub at: Option<String>,
    /// How the model has changed, see [`crate::kit::Device::change`].
    #[serde(default)]
    pub changes: String,
    /// The device misbehaves in another way from now on.
    pub behaviour: Option<Behaviour>,
    /// Other or changed documents.
    #[serde(default)]
    pub documents: Documents,
    /// Documents that are gone, e.g. `presets.main`.
    #[serde(default)]
    pub removed: Vec<String>,
    /// Tasks that are queued, with their `_id`.
    #[serde(default, rename = "task")]
    pub tasks: Vec<Json>,
    /// Channels whose faults an operator deletes.
    #[serde(default)]
    pub deleted_faults: Vec<String>,
    /// TransferComplete calls.
    #[serde(default, rename = "transfer")]
    pub transfers: Vec<Transfer>,

    /// All requests in order.
    pub requests: Option<Vec<String>>,
    /// How many requests begin with this.
    #[serde(default)]
    pub counts: BTreeMap<String, usize>,
    /// Stored values: a scalar, or `[scalar, type]`.
    #[serde(default)]
    pub stored: BTreeMap<String, Json>,
    /// Paths of which no value is stored.
    #[serde(default)]
    pub unknown: Vec<String>,
    /// Stored notification and access list.
    #[serde(default)]
    pub attributes: BTreeMap<String, (u8, Vec<String>)>,
    /// What the last writer of a stored value is said to be.
    #[serde(default)]
    pub writers: BTreeMap<String, String>,
    /// The device's own values.
    #[serde(default)]
    pub has: BTreeMap<String, Json>,
    /// The device's names that are not there.
    #[serde(default)]
    pub lacks: Vec<String>,
    /// All tags.
    pub tags: Option<BTreeMap<String, Json>>,
    /// All faults that are stored now, by channel.
    #[serde(default, rename = "fault")]
    pub faults: Vec<ExpectedFault>,
    /// All tasks whose state changed, by id.
    #[serde(default)]
    pub task_states: BTreeMap<String, String>,
    /// All that scripts logged.
    pub log: Option<Vec<String>>,
    /// What notes of the session contain.
    #[serde(default)]
    pub notes: Vec<String>,
    /// All calls of extensions.
    pub extension_calls: Option<Vec<Json>>,
    /// File names of the downloads whose end is awaited.
    pub pending_downloads: Option<Vec<String>>,
}

/// A TransferComplete.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Transfer {
    /// The CommandKey; unless given, that of the oldest download.
    pub command_key: Option<String>,
    /// A fault's code and text.
    pub fault: Option<(String, String)>,
    pub start_time: i64,
    pub complete_time: i64,
}

/// A fault that should be stored.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedFault {
    #[serde(default = "default_channel")]
    pub channel: String,
    pub code: String,
    #[serde(default)]
    pub retries: u32,
    /// What the message contains.
    #[serde(default)]
    pub says: Vec<String>,
    /// How long after the fault's time it is due, or `never`.
    pub retry_after: Option<String>,
    /// What is run again: names with arguments.
    pub provisions: Option<Json>,
    /// Parts of the detail.
    pub detail: Option<Json>,
}

fn router() -> String {
    "router".into()
}

fn file_server() -> String {
    "http://files.example/".into()
}

fn periodic() -> Vec<String> {
    vec!["2 PERIODIC".into()]
}

fn default_channel() -> String {
    "default".into()
}

impl Case {
    /// Reads a case.
    pub fn parse(text: &str) -> Result<Case, String> {
        let table: toml::Table = toml::from_str(text).map_err(|error| error.to_string())?;
        // Documents are JSON, so everything is read from that.
        let json = serde_json::to_value(table).map_err(|error| error.to_string())?;
        serde_json::from_value(json).map_err(|error| error.to_string())
    }

    /// The configuration at first.
    pub fn documents(&self) -> Documents {
        Documents {
            presets: self.presets.clone(),
            provisions: self.provisions.clone(),
            virtual_parameters: self.virtual_parameters.clone(),
            objects: self.objects.clone(),
            config: self.config.clone(),
            files: self.files.clone(),
        }
    }
}

/// Reads `90s`, `50m`, `24h`, to milliseconds.
pub fn duration(text: &str) -> i64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let number: i64 = number.parse().unwrap_or_else(|_| panic!("{text:?} is no duration"));
    match unit {
        "s" => number * 1_000,
        "m" => number * 60_000,
        "h" => number * 3_600_000,
        _ => panic!("{text:?} is no duration: s, m or h"),
    }
}
