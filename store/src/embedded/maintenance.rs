//! What keeps the store in good order: telling what changed, pruning, statistics, backup, the integrity check.

use std::path::Path;
use std::sync::atomic::Ordering;

use rusqlite::{Connection, OpenFlags, OptionalExtension};
use tokio::sync::watch;

use super::devices::read_device;
use super::readers::Lane;
use super::{EmbeddedStore, create_private, documents, failed, with_suffix};
use crate::{Statistics, StoreError};

/// Events beyond the outbox's length that may wait to be pruned together.
const PRUNE_STEP: i64 = 1_000;
/// Devices per step of the integrity check.
const CHECK_STEP: usize = 200;

/// Tells those who watch what the last commit changed.
pub fn tell(
    connection: &Connection,
    configuration: &watch::Sender<i64>,
    events: &watch::Sender<i64>,
) -> Result<(), StoreError> {
    let grow = |sender: &watch::Sender<i64>, value: i64| {
        sender.send_if_modified(|known| {
            let has_grown = value > *known;
            *known = value.max(*known);
            has_grown
        });
    };
    grow(configuration, documents::read_count(connection, documents::REVISION)?);
    let cursor: Option<i64> = connection
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)).optional())
        .map_err(failed("reading the last event"))?;
    grow(events, cursor.unwrap_or(0));
    Ok(())
}

/// Removes the oldest events when there are many more than are to be kept.
pub fn prune_outbox(connection: &Connection, last: i64, length: i64) -> Result<(), StoreError> {
    let doing = failed("pruning events");
    let first: Option<i64> = connection
        .prepare_cached("SELECT min(cursor) FROM outbox")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(doing)?;
    if first.is_some_and(|first| first <= last - length - PRUNE_STEP) {
        connection.execute("DELETE FROM outbox WHERE cursor <= ?1", [last - length]).map_err(doing)?;
    }
    Ok(())
}

impl EmbeddedStore {
    /// Copies the database, in one state, while it is in use. The copy is compact and can be opened like the original. An existing
    /// target is an error.
    pub async fn backup_to(&self, target: &Path) -> Result<(), StoreError> {
        let target = target.to_owned();
        let path = self.path.clone();
        let copy = move |_: &Connection| {
            let cannot = |error: std::io::Error| StoreError::Database {
                doing: "backing up",
                reason: format!("{}: {error}", target.display()),
            };
            if target.exists() {
                return Err(cannot(std::io::ErrorKind::AlreadyExists.into()));
            }
            // Under another name until it is whole: whoever finds a backup can rely on it.
            let part = with_suffix(&target, ".part");
            if part.exists() {
                std::fs::remove_file(&part).map_err(cannot)?;
            }
            create_private(&part)?;
            // A connection of its own: the readers' may not even write elsewhere.
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            Connection::open_with_flags(path.as_path(), flags)
                .and_then(|connection| connection.execute("VACUUM INTO ?1", [part.to_string_lossy().as_ref()]))
                .map_err(failed("backing up"))?;
            std::fs::File::open(&part).and_then(|file| file.sync_all()).map_err(cannot)?;
            std::fs::rename(&part, &target).map_err(cannot)
        };
        self.readers.run(Lane::Lists, copy).await
    }

    /// Looks for damage: in the database's structure, and in each device. Returns what was found, in words; nothing is good.
    pub async fn check_integrity(&self) -> Result<Vec<String>, StoreError> {
        let mut problems = self.readers.run(Lane::Lists, check_structure).await?;
        let mut behind = String::new();
        loop {
            let check = move |connection: &Connection| check_devices(connection, &behind);
            let (last, found) = self.readers.run(Lane::Lists, check).await?;
            problems.extend(found);
            match last {
                Some(id) => behind = id,
                None => return Ok(problems),
            }
        }
    }

    pub(super) fn read_statistics(&self, connection: &Connection) -> Result<Statistics, StoreError> {
        let devices: i64 = connection
            .query_row("SELECT count(*) FROM device", [], |row| row.get(0))
            .map_err(failed("counting devices"))?;
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        let mut statistics = Statistics {
            devices: devices.max(0) as u64,
            database_bytes: size(&self.path),
            log_bytes: size(&with_suffix(&self.path, "-wal")),
            ..Statistics::default()
        };
        if let Some(writer) = &self.writer {
            let counts = writer.counts();
            statistics.commits = counts.commits.load(Ordering::Relaxed);
            statistics.changes = counts.changes.load(Ordering::Relaxed);
            statistics.largest_batch = counts.largest_batch.load(Ordering::Relaxed);
            statistics.commit_microseconds = counts.commit_microseconds.load(Ordering::Relaxed);
            statistics.queued_changes = writer.queued();
        }
        Ok(statistics)
    }
}

fn check_structure(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let doing = failed("checking the database");
    let mut problems: Vec<String> = {
        let mut statement = connection.prepare("PRAGMA integrity_check").map_err(doing)?;
        let rows = statement.query_map([], |row| row.get(0)).map_err(doing)?;
        rows.collect::<Result<_, _>>().map_err(doing)?
    };
    problems.retain(|line| line != "ok");
    let mut statement = connection.prepare("PRAGMA foreign_key_check").map_err(doing)?;
    let mut rows = statement.query([]).map_err(doing)?;
    while let Some(row) = rows.next().map_err(doing)? {
        let (table, parent): (String, String) = row.get(0).and_then(|table| Ok((table, row.get(2)?))).map_err(doing)?;
        problems.push(format!("a row of {table} refers to one of {parent} that is not there"));
    }
    Ok(problems)
}

fn check_devices(connection: &Connection, behind: &str) -> Result<(Option<String>, Vec<String>), StoreError> {
    let doing = failed("checking devices");
    let mut statement =
        connection.prepare_cached("SELECT id FROM device WHERE id > ?1 ORDER BY id LIMIT ?2").map_err(doing)?;
    let rows = statement.query_map((behind, CHECK_STEP as i64), |row| row.get(0)).map_err(doing)?;
    let ids: Vec<String> = rows.collect::<Result<_, _>>().map_err(doing)?;
    let mut problems = Vec::new();
    for id in &ids {
        match read_device(connection, id) {
            Ok(_) => {}
            Err(error @ StoreError::Damaged { .. }) => problems.push(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    Ok((ids.last().cloned(), problems))
}
