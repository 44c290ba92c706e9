//! The tables, and how they came to be: each version is a step from the one before.

use rusqlite::Connection;

use super::failed;
use crate::StoreError;

/// Steps from an empty file to the present schema. Never change one that was released; add another.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE device (
        no INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        last_inform INTEGER NOT NULL,
        registered INTEGER NOT NULL,
        head TEXT NOT NULL
    );
    CREATE INDEX device_last_inform ON device (last_inform);
    CREATE TABLE device_tree (
        no INTEGER PRIMARY KEY REFERENCES device (no) ON DELETE CASCADE,
        doc BLOB NOT NULL
    );
    CREATE TABLE device_tag (
        no INTEGER NOT NULL REFERENCES device (no) ON DELETE CASCADE,
        tag TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (no, tag)
    ) WITHOUT ROWID;
    CREATE INDEX device_tag_by_tag ON device_tag (tag, no);
    CREATE TABLE fault (
        device TEXT NOT NULL,
        channel TEXT NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (device, channel)
    ) WITHOUT ROWID;
    CREATE TABLE operation (
        device TEXT NOT NULL,
        command_key TEXT NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (device, command_key)
    ) WITHOUT ROWID;
    CREATE TABLE task (
        id TEXT PRIMARY KEY,
        device TEXT NOT NULL,
        timestamp INTEGER NOT NULL,
        open INTEGER NOT NULL,
        ended_at INTEGER NOT NULL,
        record TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX task_by_device ON task (device, timestamp) WHERE open = 1;
    CREATE INDEX task_ended ON task (ended_at) WHERE open = 0;
    CREATE TABLE document (
        collection TEXT NOT NULL,
        id TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (collection, id)
    ) WITHOUT ROWID;
    CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE outbox (
        cursor INTEGER PRIMARY KEY AUTOINCREMENT,
        event TEXT NOT NULL
    );
"];

/// Settings of every connection.
pub fn tune(connection: &Connection) -> Result<(), StoreError> {
    let settings = "
        PRAGMA busy_timeout = 10000;
        PRAGMA foreign_keys = ON;
        PRAGMA synchronous = FULL;
        PRAGMA mmap_size = 1073741824;
        PRAGMA cache_size = -16000;
    ";
    connection.execute_batch(settings).map_err(failed("setting up a connection"))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Brings a database to the present schema.
pub fn prepare(connection: &Connection) -> Result<(), StoreError> {
    let doing = failed("preparing the database");
    connection.execute_batch("PRAGMA page_size = 4096; PRAGMA journal_mode = WAL;").map_err(&doing)?;
    tune(connection)?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(&doing)?;
    let known = MIGRATIONS.len() as i64;
    if version > known {
        let reason = format!("its schema has version {version}, this release knows up to {known}: use a newer release");
        return Err(StoreError::Database { doing: "preparing the database", reason });
    }
    for (step, migration) in MIGRATIONS.iter().enumerate().skip(version.max(0) as usize) {
        let script = format!("BEGIN IMMEDIATE; {migration}; PRAGMA user_version = {}; COMMIT;", step + 1);
        connection.execute_batch(&script).map_err(&doing)?;
    }
    Ok(())
}
