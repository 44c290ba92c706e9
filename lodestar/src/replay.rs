//! `lodestar replay`: runs recorded sessions again, and says where they go another way (`docs/replay.md`).
//!
//! Secrets are not in a recording. What a script works out by itself is only found by running it, so a marker whose value is not
//! known takes the value that the scripts come to, once, and the session is run again with it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use acs_core::recording::{Header, VERSION, end_of, fill, markers};
use acs_core::script::{Outcome, ScriptKind, ScriptRun, ScriptRunner};
use acs_core::secret::is_secret;
use acs_core::session::configuration::{Configuration, PresetFacts, SelectedPreset};
use acs_core::session::{Input, Session};
use anyhow::{Context, Result, bail};
use sandbox::Limits;
use serde_json::{Value as Json, json};

use crate::command_line::ReplayArguments;
use crate::snapshot::{Documents, Snapshot};

/// The recorded configuration.
struct Recorded {
    snapshot: Snapshot,
    fingerprints: Json,
}

impl ScriptRunner for Recorded {
    fn run(&self, kind: ScriptKind, name: &str, run: ScriptRun) -> (ScriptRun, Option<Outcome>) {
        self.snapshot.run(kind, name, run)
    }
}

impl Configuration for Recorded {
    fn select_presets(&self, facts: &PresetFacts<'_>) -> Vec<SelectedPreset> {
        self.snapshot.select_presets(facts)
    }

    fn virtual_parameters(&self) -> &[Arc<str>] {
        self.snapshot.virtual_parameters()
    }

    fn script_fingerprint(&self, kind: ScriptKind, name: &str) -> Option<u64> {
        let kind_name = match kind {
            ScriptKind::Provision => "provisions",
            ScriptKind::VirtualParameter => "virtual_parameters",
        };
        let recorded = self.fingerprints[kind_name][name].as_u64();
        recorded.or_else(|| self.snapshot.script_fingerprint(kind, name))
    }

    fn file_size(&self, file_name: &str) -> Option<u64> {
        self.snapshot.file_size(file_name)
    }
}

/// A recording as read: the header, the steps, the end.
struct Recording {
    header: Json,
    steps: Vec<(Json, Json)>,
    end: Json,
}

impl Recording {
    fn read(path: &Path) -> Result<Recording> {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let place = |number: usize| format!("{}, line {}", path.display(), number + 1);
        let lines = text.lines().enumerate().map(|(number, line)| {
            serde_json::from_str::<Json>(line).with_context(|| format!("{}: no JSON", place(number)))
        });
        let mut lines = lines.collect::<Result<Vec<_>>>()?;
        match lines.first().and_then(|header| header["recording"].as_u64()) {
            Some(version) if version == u64::from(VERSION) => {}
            Some(version) => bail!("{}: version {version}; this release reads {VERSION}", path.display()),
            None => bail!("{}: no recording", path.display()),
        }
        let end = match lines.pop() {
            Some(mut line) if line.get("end").is_some() => line["end"].take(),
            _ => bail!("{}: the recording is cut off", path.display()),
        };
        let mut rest = lines.into_iter();
        let header = rest.next().with_context(|| format!("{}: no recording", path.display()))?;
        let mut steps = Vec::new();
        for (number, mut line) in rest.enumerate() {
            if line.get("input").is_none() || line.get("output").is_none() {
                bail!("{}: no step", place(number + 1));
            }
            steps.push((line["input"].take(), line["output"].take()));
        }
        Ok(Recording { header, steps, end })
    }
}

/// What a replay comes to.
#[derive(Debug)]
pub struct Report {
    steps: usize,
    /// Markers that were given values.
    assumed: Vec<String>,
    difference: Option<Difference>,
}

/// The first step that is different.
#[derive(Debug)]
struct Difference {
    /// From 1; one more than there are steps for the end.
    step: usize,
    input: String,
    recorded: Json,
    replayed: Json,
}

/// Replays files and prints. Returns whether all of them go as recorded.
pub fn run(arguments: &ReplayArguments, limits: &Limits) -> Result<bool> {
    let mut all_equal = true;
    let mut list = Vec::new();
    for path in &arguments.files {
        let report = replay_file(path, &arguments.provision, limits)?;
        all_equal &= report.is_as_recorded();
        let name = path.display().to_string();
        if arguments.json {
            list.push(report.to_json(&name));
        } else {
            print!("{}", report.to_text(&name));
        }
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&list)?);
    }
    Ok(all_equal)
}

/// Replays one file, with other scripts (`NAME=FILE`) in some provisions' places.
pub fn replay_file(path: &Path, replacements: &[String], limits: &Limits) -> Result<Report> {
    let mut recording = Recording::read(path)?;
    for replacement in replacements {
        replace_provision(&mut recording.header, replacement)?;
    }
    // Scripts need a large stack.
    sandbox::on_script_thread(|| replay(&recording, limits))
        .context("starting a thread for scripts")?
        .with_context(|| format!("replaying {}", path.display()))
}

fn replace_provision(header: &mut Json, replacement: &str) -> Result<()> {
    let (name, path) =
        replacement.split_once('=').with_context(|| format!("--provision needs NAME=FILE, not {replacement}"))?;
    let source = std::fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    sandbox::compile(path, &source)?;
    let provisions = header.pointer_mut("/documents/provisions").and_then(Json::as_object_mut);
    provisions.context("the recording has no provisions")?.insert(name.to_owned(), source.into());
    if let Some(Json::Object(fingerprints)) = header.pointer_mut("/documents/fingerprints/provisions") {
        fingerprints.remove(name);
    }
    Ok(())
}

fn replay(recording: &Recording, limits: &Limits) -> Result<Report> {
    let mut values = BTreeMap::new();
    // A script that keeps a secret as a literal has its marker there, too; its value need not be found.
    let text = recording.header["documents"].to_string();
    let literal: Vec<&str> = markers(&text).into_iter().map(|(_, marker)| marker).collect();
    loop {
        let mut attempt = Attempt::open(recording, &values, limits)?;
        let Some(difference) = attempt.run(recording, &values)? else {
            let assumed = values.into_keys().collect();
            return Ok(Report { steps: recording.steps.len(), assumed, difference: None });
        };
        let found = attempt.unknown_secret(&difference);
        let found = found.filter(|(marker, value)| {
            let is_taken = values.contains_key(marker) || values.values().any(|known| known == value);
            let is_marked = value.as_str().is_some_and(|text| !markers(text).is_empty());
            !is_taken && !is_marked && !literal.contains(&marker.as_str())
        });
        match found {
            Some((marker, value)) => values.insert(marker, value),
            None => {
                let assumed = values.into_keys().collect();
                return Ok(Report { steps: recording.steps.len(), assumed, difference: Some(difference) });
            }
        };
    }
}

/// One run of a recorded session.
struct Attempt {
    session: Session,
    configuration: Recorded,
}

impl Attempt {
    fn open(recording: &Recording, values: &BTreeMap<String, Json>, limits: &Limits) -> Result<Attempt> {
        let header: Header = serde_json::from_value(filled(&recording.header, values)).context("the first line")?;
        let documents: Documents =
            serde_json::from_value(header.documents.clone()).context("the recorded configuration")?;
        let fingerprints = header.documents["fingerprints"].clone();
        let (snapshot, _) = Snapshot::build(&documents, None, limits);
        let (device, inform, timestamp, settings) = header.into_snapshot();
        let session = Session::open(device, &inform, timestamp, settings);
        Ok(Attempt { session, configuration: Recorded { snapshot, fingerprints } })
    }

    /// Runs to the first difference.
    fn run(&mut self, recording: &Recording, values: &BTreeMap<String, Json>) -> Result<Option<Difference>> {
        for (index, (input, output)) in recording.steps.iter().enumerate() {
            let step = index + 1;
            let input = filled(input, values);
            let name = name_of(&input);
            let input: Input = serde_json::from_value(input).with_context(|| format!("step {step}"))?;
            let replayed = serde_json::to_value(self.session.step(input, &self.configuration))?;
            let recorded = filled(output, values);
            if replayed != recorded {
                return Ok(Some(Difference { step, input: name, recorded, replayed }));
            }
        }
        let (recorded, mut replayed) = (filled(&recording.end, values), end_of(&self.session.change()));
        // Tags may be secret, too; there they are only compared.
        adopt_markers(&recorded["tags"], &mut replayed["tags"]);
        let step = recording.steps.len() + 1;
        let end = Difference { step, input: "end".to_owned(), recorded, replayed };
        Ok((end.recorded != end.replayed).then_some(end))
    }

    /// The marker at which a difference may be no more than a secret that is not in the recording, and its value.
    fn unknown_secret(&self, difference: &Difference) -> Option<(String, Json)> {
        only_marker(&difference.recorded, &difference.replayed).or_else(|| {
            // Scripts set what the device has already, except that nobody knows what it has.
            let list = difference.replayed["Request"]["request"]["SetParameterValues"]["parameter_list"].as_array()?;
            list.iter().find_map(|item| {
                let name = item[0].as_str().filter(|name| is_secret(name))?;
                let tree = self.session.tree();
                let known = tree.node(tree.find(name)?).typed_value()?.0.to_text().into_owned();
                let is_marker = markers(&known).first() == Some(&(0, known.as_str()));
                is_marker.then(|| (known, item[1][0].clone()))
            })
        })
    }
}

fn filled(json: &Json, values: &BTreeMap<String, Json>) -> Json {
    let mut json = json.clone();
    fill(&mut json, values);
    json
}

fn adopt_markers(recorded: &Json, replayed: &mut Json) {
    for (tag, value) in recorded.as_object().into_iter().flatten() {
        let is_marker = value.as_str().is_some_and(|text| markers(text).first() == Some(&(0, text)));
        if is_marker && replayed.get(tag).is_some_and(Json::is_string) {
            replayed[tag] = value.clone();
        }
    }
}

/// The first marker by which two values differ, with what is in its place; `None` when they differ in anything else before.
fn only_marker(recorded: &Json, replayed: &Json) -> Option<(String, Json)> {
    match (recorded, replayed) {
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
            let (a, b) = a.iter().zip(b).find(|(a, b)| a != b)?;
            only_marker(a, b)
        }
        (Json::Object(a), Json::Object(b)) if a.keys().eq(b.keys()) => {
            let (a, b) = a.values().zip(b.values()).find(|(a, b)| a != b)?;
            only_marker(a, b)
        }
        (Json::String(text), Json::String(_) | Json::Number(_)) => {
            let [(start, marker)] = markers(text)[..] else { return None };
            let (before, after) = (&text[..start], &text[start + marker.len()..]);
            if before.is_empty() && after.is_empty() {
                return Some((marker.to_owned(), replayed.clone()));
            }
            let value = replayed.as_str()?.strip_prefix(before)?.strip_suffix(after)?;
            Some((marker.to_owned(), value.into()))
        }
        _ => None,
    }
}

/// What an input or output is: `Ready`, `GetParameterValuesResponse`, …
fn name_of(json: &Json) -> String {
    let mut at = json;
    loop {
        match at {
            Json::String(name) => return name.clone(),
            Json::Object(map) => match map.iter().next() {
                Some((name, inner)) if name == "Response" => at = inner,
                Some((_, inner)) if inner.get("request").is_some() => at = &inner["request"],
                Some((name, _)) => return name.clone(),
                None => return String::new(),
            },
            _ => return String::new(),
        }
    }
}

impl Report {
    /// Whether the session went as recorded.
    pub fn is_as_recorded(&self) -> bool {
        self.difference.is_none()
    }

    fn to_json(&self, file: &str) -> Json {
        let difference = self.difference.as_ref().map(|difference| {
            json!({
                "step": difference.step,
                "input": difference.input,
                "recorded": difference.recorded,
                "replayed": difference.replayed,
            })
        });
        json!({ "file": file, "steps": self.steps, "assumed": self.assumed, "difference": difference })
    }

    /// For people.
    pub fn to_text(&self, file: &str) -> String {
        let mut out = match &self.difference {
            None => format!("{file}: {} steps, as recorded\n", self.steps),
            Some(Difference { step, input, recorded, replayed }) => {
                let place = if *step > self.steps {
                    "the end is different".to_owned()
                } else {
                    format!("step {step} of {} is different, after {input}", self.steps)
                };
                format!("{file}: {place}\n  recorded: {}\n  replayed: {}\n", shown(recorded), shown(replayed))
            }
        };
        if !self.assumed.is_empty() {
            let list = self.assumed.join(", ");
            out.push_str(&format!("  taken for what the scripts set, since secrets are not recorded: {list}\n"));
        }
        out
    }
}

fn shown(output: &Json) -> String {
    format!("{} {output}", name_of(output))
}
