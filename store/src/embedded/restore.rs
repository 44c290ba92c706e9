//! Puts a backup in a database's place, while no server uses it.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use acs_core::change::OutboxEvent;
use rusqlite::{Connection, OptionalExtension};
use serde_json::json;

use super::{EmbeddedStore, create_private, devices, failed, lock, schema, with_suffix};
use crate::StoreError;

/// Cursors of events that the lost state may have given out behind the backup's last one. None of them is given out again.
const SKIPPED_CURSORS: i64 = 1_000_000_000;

/// What a database was replaced by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The devices in it.
    pub devices: u64,
    /// Where the database is now that was there before.
    pub replaced: Option<PathBuf>,
}

impl EmbeddedStore {
    /// Makes a backup the database at `target`. One that is there is an error, unless it is to be replaced: then it is kept under
    /// another name. The backup is copied and checked before anything is changed.
    ///
    /// The outbox gets an event `store.restored` with a cursor behind all that were given out before, so that those who follow
    /// events learn that what they know may not have happened.
    ///
    /// # Errors
    /// The target is in use or there already, or the backup is none, or it is damaged.
    pub fn restore(backup: &Path, target: &Path, replace: bool, at: i64) -> Result<Restored, StoreError> {
        let _lock = lock(target)?;
        let is_there = std::fs::metadata(target).is_ok_and(|metadata| metadata.len() > 0);
        if is_there && !replace {
            return Err(refused(format!("{} holds data already", target.display())));
        }
        let part = with_suffix(target, ".restoring");
        let devices = copy(backup, &part).and_then(|()| prepare(&part, at)).inspect_err(|_| {
            let _ = std::fs::remove_file(&part);
        })?;
        let replaced = if is_there { Some(set_aside(target)?) } else { None };
        std::fs::rename(&part, target).map_err(|error| io(target, &error))?;
        // The new name must be on disk as well.
        if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            File::open(parent).and_then(|parent| parent.sync_all()).map_err(|error| io(parent, &error))?;
        }
        Ok(Restored { devices, replaced })
    }
}

fn refused(reason: String) -> StoreError {
    StoreError::Database { doing: "restoring", reason }
}

fn io(path: &Path, error: &std::io::Error) -> StoreError {
    refused(format!("{}: {error}", path.display()))
}

/// Copies a file to one that only its owner may read.
fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let mut source = File::open(from).map_err(|error| io(from, &error))?;
    let _ = std::fs::remove_file(to);
    create_private(to)?;
    let mut copy = OpenOptions::new().write(true).open(to).map_err(|error| io(to, &error))?;
    std::io::copy(&mut source, &mut copy).and_then(|_| copy.sync_all()).map_err(|error| io(to, &error))
}

/// Checks a copied backup, and tells its outbox. Returns how many devices there are.
fn prepare(path: &Path, at: i64) -> Result<u64, StoreError> {
    let doing = failed("reading the backup");
    let connection = Connection::open(path).map_err(doing)?;
    let version = schema::check_version(&connection)?;
    if version == 0 {
        return Err(refused("the backup is no database of this program".to_owned()));
    }
    let mut statement = connection.prepare("PRAGMA quick_check(10)").map_err(doing)?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0)).map_err(doing)?;
    let problems: Vec<String> =
        lines.filter(|line| line.as_deref() != Ok("ok")).collect::<Result<_, _>>().map_err(doing)?;
    drop(statement);
    if !problems.is_empty() {
        return Err(refused(format!("the backup is damaged: {}", problems.join("; "))));
    }
    let last: Option<i64> = connection
        .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'", [], |row| row.get(0))
        .optional()
        .map_err(doing)?;
    let cursor = last.unwrap_or(0).saturating_add(SKIPPED_CURSORS);
    let event = OutboxEvent { kind: "store.restored".to_owned(), device: String::new(), at, detail: json!({}) };
    connection
        .execute("INSERT INTO outbox (cursor, event) VALUES (?1, ?2)", (cursor, devices::to_text(&event)?))
        .map_err(failed("telling of the backup"))?;
    let devices: i64 = connection.query_row("SELECT count(*) FROM device", [], |row| row.get(0)).map_err(doing)?;
    connection.close().map_err(|(_, error)| doing(error))?;
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| io(path, &error))?;
    Ok(devices.max(0) as u64)
}

/// Renames a database with its log to a name that is free.
fn set_aside(target: &Path) -> Result<PathBuf, StoreError> {
    let mut names = (1..1_000).map(|number| with_suffix(target, &format!(".replaced-{number}")));
    let name = names.find(|name| !name.exists()).ok_or_else(|| refused("too many replaced databases".to_owned()))?;
    for suffix in ["", "-wal", "-shm"] {
        let from = with_suffix(target, suffix);
        if from.exists() {
            std::fs::rename(&from, with_suffix(&name, suffix)).map_err(|error| io(&from, &error))?;
        }
    }
    Ok(name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use acs_core::change::SessionChange;
    use acs_core::device::DeviceHead;
    use acs_core::tree::DeviceTree;

    use super::*;
    use crate::Store;

    async fn add_device(store: &EmbeddedStore, id: &str) {
        let head = DeviceHead { id: id.to_owned(), ..DeviceHead::default() };
        store.commit_session(SessionChange::first(head, DeviceTree::default())).await.unwrap();
        let event = OutboxEvent { kind: "x".to_owned(), device: id.to_owned(), at: 0, detail: json!({}) };
        store.add_events(vec![event]).await.unwrap();
    }

    #[tokio::test]
    async fn a_backup_takes_the_place_of_what_was_there_only_when_told() {
        let directory = tempfile::tempdir().unwrap();
        let (target, backup) = (directory.path().join("lodestar.db"), directory.path().join("backup"));
        let store = EmbeddedStore::open(&target).unwrap();
        add_device(&store, "before").await;
        store.backup_to(&backup).await.unwrap();
        add_device(&store, "after").await;
        let last = *store.watch_events().borrow();

        let in_use = EmbeddedStore::restore(&backup, &target, true, 1).unwrap_err().to_string();
        assert!(in_use.contains("another process"), "{in_use}");
        drop(store);
        let there = EmbeddedStore::restore(&backup, &target, false, 1).unwrap_err().to_string();
        assert!(there.contains("holds data already"), "{there}");

        let restored = EmbeddedStore::restore(&backup, &target, true, 1).unwrap();
        assert_eq!(restored.devices, 1);
        let store = EmbeddedStore::open(&target).unwrap();
        assert!(store.get_device("before").await.unwrap().is_some());
        assert!(store.get_device("after").await.unwrap().is_none());
        // Whoever has seen events of the lost state hears of that next.
        let events = store.events_after(last, 10).await.unwrap();
        assert_eq!(events.iter().map(|stored| stored.event.kind.as_str()).collect::<Vec<_>>(), ["store.restored"]);
        drop(store);
        let replaced = EmbeddedStore::open(&restored.replaced.unwrap()).unwrap();
        assert!(replaced.get_device("after").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn what_is_no_backup_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let store = EmbeddedStore::open(&path("lodestar.db")).unwrap();
        add_device(&store, "kept").await;
        store.backup_to(&path("good")).await.unwrap();
        drop(store);
        let mut damaged = std::fs::read(path("good")).unwrap();
        let middle = damaged.len() / 2;
        damaged[middle..].fill(0xAA);
        std::fs::write(path("damaged"), damaged).unwrap();
        std::fs::write(path("text"), "no database").unwrap();
        std::fs::write(path("empty"), "").unwrap();
        for name in ["damaged", "text", "empty", "absent"] {
            assert!(EmbeddedStore::restore(&path(name), &path("lodestar.db"), true, 1).is_err(), "{name}");
            assert!(!path("lodestar.db.restoring").exists(), "{name}");
        }
        let store = EmbeddedStore::open(&path("lodestar.db")).unwrap();
        assert!(store.get_device("kept").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn an_empty_place_needs_no_telling() {
        let directory = tempfile::tempdir().unwrap();
        let backup = directory.path().join("backup");
        let store = EmbeddedStore::open(&directory.path().join("a.db")).unwrap();
        add_device(&store, "d").await;
        store.backup_to(&backup).await.unwrap();
        let target = directory.path().join("b.db");
        let restored = EmbeddedStore::restore(&backup, &target, false, 1).unwrap();
        assert_eq!(restored, Restored { devices: 1, replaced: None });
        assert!(EmbeddedStore::open(&target).unwrap().get_device("d").await.unwrap().is_some());
    }
}
