//! The tables, and how they came to be: each version is a step from the one before.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::failed;
use crate::StoreError;

/// Steps from an empty file to the present schema. Never change one that was released; add another.
const MIGRATIONS: [&str; 5] = [
    "
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
",
    "
    ALTER TABLE device ADD COLUMN serial_number TEXT NOT NULL DEFAULT '';
    UPDATE device SET serial_number = json_extract(head, '$.identity.serial_number') WHERE json_valid(head);
    CREATE INDEX device_serial_number ON device (serial_number);
    CREATE INDEX device_registered ON device (registered);
    -- Lists are in the order of `_id`, which is not that of the two columns: a colon sorts behind digits.
    CREATE INDEX fault_by_id ON fault (device || ':' || channel);
    CREATE INDEX operation_by_id ON operation (device || ':' || command_key);
    CREATE TABLE indexed_field (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        field TEXT NOT NULL UNIQUE,
        ready INTEGER NOT NULL
    );
    CREATE TABLE field_index (
        no INTEGER NOT NULL REFERENCES device (no) ON DELETE CASCADE,
        field INTEGER NOT NULL REFERENCES indexed_field (id) ON DELETE CASCADE,
        kind INTEGER NOT NULL,
        num NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (no, field)
    ) WITHOUT ROWID;
    CREATE INDEX field_index_by_value ON field_index (field, kind, num, text, no);
    CREATE TABLE file (
        no INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT UNIQUE,
        record TEXT NOT NULL
    );
    CREATE TABLE file_chunk (
        file INTEGER NOT NULL REFERENCES file (no) ON DELETE CASCADE,
        part INTEGER NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (file, part)
    ) WITHOUT ROWID;
",
    "
    -- Sessions write `record`, the file server `movement`.
    CREATE TABLE transfer (
        device TEXT NOT NULL,
        command_key TEXT NOT NULL,
        at INTEGER NOT NULL,
        watched INTEGER NOT NULL,
        record TEXT,
        movement TEXT,
        PRIMARY KEY (device, command_key)
    ) WITHOUT ROWID;
    CREATE INDEX transfer_watched ON transfer (device) WHERE watched = 1;
    CREATE INDEX transfer_by_id ON transfer (device || ':' || command_key);
    CREATE INDEX transfer_at ON transfer (at);
    -- Files that devices sent have a device.
    ALTER TABLE file ADD COLUMN device TEXT;
    ALTER TABLE file ADD COLUMN command_key TEXT;
    ALTER TABLE file ADD COLUMN length INTEGER NOT NULL DEFAULT 0;
    CREATE UNIQUE INDEX upload ON file (device, command_key) WHERE device IS NOT NULL;
    CREATE INDEX upload_length ON file (device, length) WHERE device IS NOT NULL;
    CREATE INDEX upload_by_id ON file (device || ':' || command_key) WHERE device IS NOT NULL;
",
    "
    -- Of devices that promised heartbeats, unless one is missing already.
    ALTER TABLE device ADD COLUMN heartbeat_due INTEGER;
    ALTER TABLE device ADD COLUMN heartbeat_patience INTEGER;
    CREATE INDEX device_heartbeat_due ON device (heartbeat_due) WHERE heartbeat_due IS NOT NULL;
",
    "
    CREATE TABLE ledger_entry (
        ledger TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        content BLOB NOT NULL,
        PRIMARY KEY (ledger, sequence)
    ) WITHOUT ROWID;
",
];

/// Marks the file as this program's own: the letters `LODE`.
const APPLICATION_ID: i64 = 0x4C4F_4445;

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
    // Otherwise SQLite plans a statement anew whenever a parameter of it changes that might matter to the plan, which costs a session
    // more than its reads do.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed("setting up a connection"))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Brings a database to the present schema.
pub fn prepare(connection: &Connection) -> Result<(), StoreError> {
    let doing = failed("preparing the database");
    // Before anything is written: a file of another program must stay as it is.
    let version = check_version(connection)?;
    connection.execute_batch("PRAGMA page_size = 4096; PRAGMA journal_mode = WAL;").map_err(&doing)?;
    tune(connection)?;
    for (step, migration) in MIGRATIONS.iter().enumerate().skip(version.max(0) as usize) {
        let script = format!(
            "BEGIN IMMEDIATE; {migration}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}; COMMIT;",
            step + 1
        );
        connection.execute_batch(&script).map_err(&doing)?;
    }
    Ok(())
}

/// Whether it is a database of this program, and of a version that this release can read. Returns that version; 0 is an empty file.
pub fn check_version(connection: &Connection) -> Result<i64, StoreError> {
    let doing = failed("looking at the database");
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(&doing);
    let refused = |reason: String| StoreError::Database { doing: "looking at the database", reason };
    let known = MIGRATIONS.len() as i64;
    let version = number("PRAGMA user_version")?;
    let application = number("PRAGMA application_id")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    if (application != 0 || (version == 0 && tables > 0)) && application != APPLICATION_ID {
        return Err(refused("the file belongs to another program".to_owned()));
    }
    if version > known {
        let reason = format!("its schema has version {version}, this release knows up to {known}: use a newer release");
        return Err(refused(reason));
    }
    Ok(version)
}

/// Whether it is a database that this release can read as it is.
pub fn check_current(connection: &Connection) -> Result<(), StoreError> {
    let version = check_version(connection)?;
    let known = MIGRATIONS.len() as i64;
    if version == known {
        return Ok(());
    }
    let reason =
        format!("its schema has version {version}, this release needs {known}: start the server once to bring it up");
    Err(StoreError::Database { doing: "looking at the database", reason })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_the_first_version_is_brought_up() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        connection
            .execute_batch(
                r#"INSERT INTO device (id, last_inform, registered, head) VALUES
                   ('0A1B2C-Box-7', 2, 1, '{"identity": {"serial_number": "7"}}'), ('0A1B2C-Box-8', 2, 1, 'damaged');
                   INSERT INTO fault VALUES ('0A1B2C-Box-7', 'default', '{}');
                   PRAGMA user_version = 1; PRAGMA application_id = 0x4C4F4445;"#,
            )
            .unwrap();
        assert!(check_current(&connection).unwrap_err().to_string().contains("version 1"));
        prepare(&connection).unwrap();
        check_current(&connection).unwrap();
        let sql = "SELECT group_concat(serial_number) FROM (SELECT serial_number FROM device ORDER BY no)";
        assert_eq!(connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap(), "7,");
        // Again, nothing is left to do.
        prepare(&connection).unwrap();
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        for (script, message) in [
            ("CREATE TABLE theirs (x)", "another program"),
            ("PRAGMA application_id = 7", "another program"),
            ("PRAGMA application_id = 0x4C4F4445; PRAGMA user_version = 1000", "newer release"),
        ] {
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch(script).unwrap();
            let error = prepare(&connection).unwrap_err().to_string();
            assert!(error.contains(message), "{script}: {error}");
            let tables = "SELECT count(*) FROM sqlite_schema WHERE name <> 'theirs'";
            assert_eq!(connection.query_row(tables, [], |row| row.get::<_, i64>(0)).unwrap(), 0, "{script}");
        }
    }
}
