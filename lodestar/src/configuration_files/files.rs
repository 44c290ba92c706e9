//! The files: what a document looks like in one, writing a directory, reading it back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde_json::{Map, Value as Json, json};

use super::names::{document_name, file_names};
use super::{Documents, Kind};

/// The file of all config keys.
pub const CONFIG: &str = "config.json";

/// What was done to a directory.
pub struct Written {
    /// One line per file.
    pub changes: Vec<String>,
}

/// What a directory holds.
#[derive(Debug, Default)]
pub struct Read {
    /// The documents, each with where it is from.
    pub documents: BTreeMap<(Kind, String), Source>,
    /// The kinds that have their folder or file.
    pub kinds: BTreeSet<Kind>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// A document and where it is from.
#[derive(Debug, Clone)]
pub struct Source {
    /// Without its `_id`.
    pub document: Json,
    /// The file, relative to the directory.
    pub file: String,
    /// The file's text.
    pub text: String,
}

/// What is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Relative to the directory.
    pub file: String,
    /// From 1; 0 when it is the file as a whole.
    pub line: u32,
    /// From 1; 0 when unknown.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// Whether nothing can be applied.
    pub is_error: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:", self.file)?;
        for number in [self.line, self.column].into_iter().take_while(|number| *number > 0) {
            write!(formatter, "{number}:")?;
        }
        write!(formatter, " {}: {}", if self.is_error { "error" } else { "warning" }, self.message)
    }
}

/// The ending of a kind's files.
fn ending(kind: Kind) -> &'static str {
    match kind {
        Kind::Provision | Kind::VirtualParameter => "rhai",
        Kind::Object | Kind::Preset | Kind::Config => "json",
    }
}

/// JSON with keys in order, one value per line, and a line break at the end.
pub fn pretty(document: &Json) -> String {
    format!("{:#}\n", sorted(document))
}

fn sorted(document: &Json) -> Json {
    match document {
        Json::Object(map) => {
            let ordered: BTreeMap<&String, &Json> = map.iter().collect();
            Json::Object(ordered.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect())
        }
        Json::Array(list) => list.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// A document as its file has it; a config key as it stands in the file of all.
pub fn text_of(kind: Kind, document: &Json) -> String {
    match kind {
        Kind::Provision | Kind::VirtualParameter => script(document).to_owned(),
        Kind::Object | Kind::Preset => pretty(document),
        Kind::Config => pretty(&config_value(document)),
    }
}

fn script(document: &Json) -> &str {
    document.get("script").and_then(Json::as_str).unwrap_or_default()
}

/// A config document in short: its expression, when it is nothing more.
fn config_value(document: &Json) -> Json {
    match document.as_object().map(Map::len) {
        Some(1) if document["value"].is_string() => document["value"].clone(),
        _ => document.clone(),
    }
}

fn config_document(value: Json) -> Json {
    match value {
        Json::Object(_) => value,
        other => json!({ "value": other }),
    }
}

/// What the files cannot hold: a script's document is its script.
pub fn losses(documents: &Documents) -> Vec<String> {
    let of_script = |kind: &Kind| matches!(kind, Kind::Provision | Kind::VirtualParameter);
    let scripts = documents.iter().filter(|((kind, _), _)| of_script(kind));
    scripts
        .flat_map(|((kind, name), document)| {
            let fields = document.as_object().into_iter().flat_map(Map::keys).filter(|field| *field != "script");
            fields.map(move |field| format!("{}/{name}: the field {field:?} is not exported", kind.folder()))
        })
        .collect()
}

/// The files of documents, relative to the directory.
fn files_of(documents: &Documents) -> Result<BTreeMap<PathBuf, String>> {
    let mut files = BTreeMap::new();
    let mut config = Map::new();
    for kind in Kind::ALL {
        let of_kind = documents
            .iter()
            .filter(|((found, _), _)| *found == kind)
            .map(|((_, name), document)| (name.as_str(), document));
        if kind == Kind::Config {
            config.extend(of_kind.map(|(name, document)| (name.to_owned(), config_value(document))));
            continue;
        }
        let names = file_names(of_kind.clone().map(|(name, _)| name));
        let names = names.map_err(|name| anyhow!("{}/{name}: the name is too long for a file", kind.folder()))?;
        for (name, document) in of_kind {
            let path = Path::new(kind.folder()).join(format!("{}.{}", names[name], ending(kind)));
            files.insert(path, text_of(kind, document));
        }
    }
    files.insert(CONFIG.into(), pretty(&Json::Object(config)));
    Ok(files)
}

/// Writes the files of documents, and removes those of documents that there are no more. Files that are as they should be are not
/// touched.
pub fn write(directory: &Path, documents: &Documents) -> Result<Written> {
    let files = files_of(documents)?;
    let mut changes = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Config) {
        let folder = directory.join(kind.folder());
        std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        for name in list(&folder)? {
            let path = Path::new(kind.folder()).join(&name);
            if path.extension().is_some_and(|found| found == ending(kind)) && !files.contains_key(&path) {
                let whole = directory.join(&path);
                std::fs::remove_file(&whole).with_context(|| format!("removing {}", whole.display()))?;
                changes.push(format!("removed  {}", path.display()));
            }
        }
    }
    for (path, text) in &files {
        let whole = directory.join(path);
        let before = std::fs::read(&whole).ok();
        if before.as_deref() == Some(text.as_bytes()) {
            continue;
        }
        std::fs::write(&whole, text).with_context(|| format!("writing {}", whole.display()))?;
        changes.push(format!("{} {}", if before.is_some() { "changed " } else { "added   " }, path.display()));
    }
    Ok(Written { changes })
}

/// The names in a folder, in order; hidden ones apart.
fn list(folder: &Path) -> Result<Vec<String>> {
    let reading = || format!("reading {}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(reading)? {
        let name = entry.with_context(reading)?.file_name();
        let name = name.into_string().map_err(|name| anyhow!("{}: {name:?} is no UTF-8", folder.display()))?;
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Reads a directory. What is wrong in a file is a problem among the others.
///
/// # Errors
/// The directory cannot be read.
pub fn read(directory: &Path) -> Result<Read> {
    let mut read = Read::default();
    std::fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))?;
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Config) {
        let folder = directory.join(kind.folder());
        if folder.is_dir() {
            read.kinds.insert(kind);
            for name in list(&folder)? {
                read.take_file(directory, kind, &name)?;
            }
        }
    }
    let config = directory.join(CONFIG);
    if config.exists() {
        read.kinds.insert(Kind::Config);
        let text = std::fs::read(&config).with_context(|| format!("reading {}", config.display()))?;
        read.take_config(text);
    }
    Ok(read)
}

impl Read {
    fn refuse(&mut self, file: &str, (line, column): (u32, u32), message: impl Into<String>) {
        self.problems.push(Problem { file: file.to_owned(), line, column, message: message.into(), is_error: true });
    }

    fn take_file(&mut self, directory: &Path, kind: Kind, name: &str) -> Result<()> {
        let file = format!("{}/{name}", kind.folder());
        // What people put beside files of a kind: how they are meant.
        if name.ends_with(".md") {
            return Ok(());
        }
        let Some(stem) = name.strip_suffix(&format!(".{}", ending(kind))) else {
            self.refuse(&file, (0, 0), format!("it is not read: files of {} end in .{}", kind.folder(), ending(kind)));
            return Ok(());
        };
        let Some(document_name) = document_name(stem) else {
            self.refuse(&file, (0, 0), "its name stands for none of a document");
            return Ok(());
        };
        let whole = directory.join(&file);
        let bytes = std::fs::read(&whole).with_context(|| format!("reading {}", whole.display()))?;
        let Some(text) = self.text(&file, bytes) else { return Ok(()) };
        let document = match kind {
            Kind::Provision | Kind::VirtualParameter => Some(json!({ "script": text })),
            Kind::Object | Kind::Preset | Kind::Config => self.json(&file, &text).map(Json::Object),
        };
        let Some(mut document) = document else { return Ok(()) };
        if let Some(map) = document.as_object_mut() {
            map.shift_remove("_id");
        }
        let source = Source { document, file: file.clone(), text };
        if let Some(other) = self.documents.insert((kind, document_name), source) {
            self.refuse(&file, (0, 0), format!("{} has the same name", other.file));
        }
        Ok(())
    }

    fn take_config(&mut self, bytes: Vec<u8>) {
        let Some(text) = self.text(CONFIG, bytes) else { return };
        let Some(map) = self.json(CONFIG, &text) else { return };
        for (name, value) in map {
            let document = config_document(value);
            let source = Source { document, file: CONFIG.to_owned(), text: text.clone() };
            self.documents.insert((Kind::Config, name), source);
        }
    }

    fn text(&mut self, file: &str, bytes: Vec<u8>) -> Option<String> {
        match String::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() as u32 + 1;
                self.refuse(file, (line, 0), "the text is no UTF-8");
                None
            }
        }
    }

    fn json(&mut self, file: &str, text: &str) -> Option<Map<String, Json>> {
        match serde_json::from_str(text) {
            Ok(Json::Object(map)) => Some(map),
            Ok(_) => {
                self.refuse(file, (1, 0), "it must be a JSON object");
                None
            }
            Err(error) => {
                let place = (error.line() as u32, error.column() as u32);
                // Its own words end with the place.
                let message = error.to_string();
                let message = message.split(" at line ").next().unwrap_or_default();
                self.refuse(file, place, format!("no JSON: {message}"));
                None
            }
        }
    }
}
