//! The state file.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::row::State;

/// What is in the file; `None` when there is none yet.
pub fn load(path: &Path) -> io::Result<Option<State>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let wrong = |error| io::Error::other(format!("{} is no state of a simulated router: {error}", path.display()));
    serde_json::from_slice(&text).map(Some).map_err(wrong)
}

/// Writes all of it or nothing: whoever reads the file sees one state or the other.
pub fn save(path: &Path, state: &State) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = File::create(&beside)?;
    file.write_all(&serde_json::to_vec(state)?)?;
    file.sync_data()?;
    fs::rename(&beside, path)
}
