//! Files that commands write on the router, such as exported certificates: their contents are fetched, and the files removed.

use routeros::{Command, Error, ErrorClass};

use super::carry::ATTEMPTS;
use super::{Generated, Orchestrator};
use crate::ledger::{self, Deed, Entry, Kept};
use crate::snapshot::Snapshot;

/// What a router gives at once.
const CHUNK: usize = 32 * 1024;
/// What is fetched of a file at most.
const MOST: usize = 1024 * 1024;

/// The files that an entry's command writes.
pub(super) fn names(entry: &Entry) -> &[String] {
    match &entry.deed {
        Deed::Run { files, .. } => files,
        _ => &[],
    }
}

/// Removes the files of an entry that are there.
pub(super) fn removal(entry: &Entry, router: &Snapshot) -> Option<Command> {
    remove_named("/file", router, |name| names(entry).iter().any(|file| file == name))
}

/// Removes the certificate that an entry's command has imported.
pub(super) fn removal_of_import(entry: &Entry, router: &Snapshot) -> Option<Command> {
    let imported = imported(entry)?;
    remove_named("/certificate", router, |name| name == imported)
}

fn imported(entry: &Entry) -> Option<String> {
    let Deed::Run { command, written, .. } = &entry.deed else { return None };
    ledger::imported(&entry.path, command, written.iter().map(|(name, value)| (name.as_str(), value)))
}

fn remove_named(path: &str, router: &Snapshot, is_it: impl Fn(&str) -> bool) -> Option<Command> {
    let rows = router.rows(path).iter().filter(|row| row.text("name").is_some_and(|name| is_it(&name)));
    let ids: Vec<&str> = rows.filter_map(|row| row.id.as_deref()).collect();
    (!ids.is_empty()).then(|| Command::remove(path, &ids.join(",")))
}

impl Orchestrator<'_> {
    /// Fetches the files that a command has written, and removes them; those that it has imported are only removed.
    pub(super) async fn fetch_files(&self, entry: &Entry) -> Result<(), String> {
        let written = if imported(entry).is_some() { &[] } else { names(entry) };
        for file in written {
            let contents =
                self.again(|| self.read_file(file)).await.map_err(|error| format!("file {file}: {error}"))?;
            // Keys and configurations with keys.
            let value = Kept::new(contents, true);
            let (step, resource, name) = (entry.step.clone(), entry.resource.clone(), format!("file:{file}"));
            self.fetched.lock().push(Generated { step, resource, name, value });
        }
        if names(entry).is_empty() {
            return Ok(());
        }
        let router = self.read_for(&[entry]).await.map_err(|error| error.to_string())?;
        let Some(removal) = removal(entry, &router) else { return Ok(()) };
        match self.again(|| self.port.run(removal.clone())).await {
            Err(error) if error.class() != ErrorClass::MissingItem => Err(format!("its files stay: {error}")),
            _ => Ok(()),
        }
    }

    /// Does something that may be done twice, once more when the connection is lost meanwhile.
    async fn again<T, F: Future<Output = Result<T, Error>>>(&self, run: impl Fn() -> F) -> Result<T, Error> {
        let mut result = run().await;
        for _ in 1..ATTEMPTS {
            let Err(error) = &result else { break };
            if error.class() != ErrorClass::Transient || self.connect_again(error).await.is_err() {
                break;
            }
            result = run().await;
        }
        result
    }

    async fn read_file(&self, file: &str) -> Result<Vec<u8>, Error> {
        let mut contents = Vec::new();
        while contents.len() < MOST {
            let read = Command::new("/file", "read").argument("file", file.to_owned());
            let read = read.argument("offset", contents.len().to_string()).argument("chunk-size", CHUNK.to_string());
            let rows = self.port.run(read).await?.rows;
            let chunk = rows.first().and_then(|row| row.bytes("data"));
            let Some(chunk) = chunk.filter(|chunk| !chunk.is_empty()) else { break };
            contents.extend_from_slice(chunk);
            if chunk.len() < CHUNK {
                break;
            }
        }
        Ok(contents)
    }
}
