//! `lodestar export` and `lodestar apply`: what operators configure as files that live well in Git.
//!
//! ```text
//!  DIR/presets/<name>.json              one preset, keys in order
//!      objects/<name>.json
//!      provisions/<name>.rhai           the script as it is
//!      virtual_parameters/<name>.rhai
//!      config.json                      all keys of `config`, in order
//! ```
//!
//! ```text
//!  export   place ──► documents ──► files
//!  apply    files ──► documents ──► checked ──► plan against the place ──► place
//! ```
//!
//! Nothing else decides what the files are: no time, no host, no order of writing. Not here: what may be stored (`ui_api` checks it).

mod check;
mod files;
mod json_lines;
mod names;
mod place;
mod plan;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde_json::{Value as Json, json};
use store::Collection;

use crate::command_line::{ApplyArguments, ExportArguments};
use plan::Plan;

/// What is exported, in the order in which it is written: what others refer to comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Scripts that presets name.
    Provision,
    /// Scripts that make parameters.
    VirtualParameter,
    /// Templates that old presets name.
    Object,
    /// Settings.
    Config,
    /// What runs when.
    Preset,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 5] = [Kind::Provision, Kind::VirtualParameter, Kind::Object, Kind::Config, Kind::Preset];

    fn collection(self) -> Collection {
        match self {
            Kind::Provision => Collection::Provisions,
            Kind::VirtualParameter => Collection::VirtualParameters,
            Kind::Object => Collection::Objects,
            Kind::Config => Collection::Config,
            Kind::Preset => Collection::Presets,
        }
    }

    /// Its folder, and its name in paths of the REST API.
    fn folder(self) -> &'static str {
        match self {
            Kind::VirtualParameter => "virtual_parameters",
            other => other.collection().name(),
        }
    }
}

/// Documents without their `_id`, by kind and name.
pub type Documents = BTreeMap<(Kind, String), Json>;

/// Writes the files, and says what changed in the directory.
///
/// # Errors
/// The place cannot be read, or the directory not be written.
pub async fn export(arguments: &ExportArguments) -> Result<()> {
    let documents = place::open_for_reading(&arguments.place).await?.read().await?;
    for problem in files::losses(&documents) {
        eprintln!("lodestar: {problem}");
    }
    let written = files::write(&arguments.directory, &documents)?;
    for change in &written.changes {
        println!("{change}");
    }
    println!("{} documents, {} files changed", documents.len(), written.changes.len());
    Ok(())
}

/// Shows what would change, and changes it. Returns whether the files are good.
///
/// # Errors
/// The directory cannot be read, or the place not be read or written.
pub async fn apply(arguments: &ApplyArguments) -> Result<bool> {
    let read = files::read(&arguments.directory)?;
    let mut problems = read.problems;
    problems.extend(check::check(&read.documents).await);
    problems.sort();
    for problem in &problems {
        eprintln!("{problem}");
    }
    if problems.iter().any(|problem| problem.is_error) {
        eprintln!("lodestar: nothing is changed");
        return Ok(false);
    }
    if read.documents.is_empty() && read.kinds.is_empty() {
        bail!("{} holds no files of an export", arguments.directory.display());
    }
    let place = if arguments.dry_run {
        place::open_for_reading(&arguments.place).await?
    } else {
        place::open_for_writing(&arguments.place).await?
    };
    let wanted = read.documents.into_iter().map(|(key, source)| (key, source.document)).collect();
    let plan = Plan::make(&place.read().await?, &wanted, &read.kinds, arguments.prune);
    if !arguments.json {
        print!("{}", plan.text());
    }
    let is_applied = !arguments.dry_run && !plan.changes.is_empty();
    if is_applied {
        place.write(&plan.changes).await?;
    }
    if arguments.json {
        let mut document = plan.to_json();
        document["applied"] = json!(is_applied);
        println!("{document:#}");
    } else if is_applied {
        println!("done");
    }
    Ok(true)
}
