//! Documents that operators write, and the counter that tells when they changed.

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value as Json;

use super::devices::from_text;
use super::failed;
use crate::{Collection, StoreError};

/// Counts changes of the configuration.
pub const REVISION: &str = "configuration";
/// Counts how often the database was opened for writing.
pub const STARTS: &str = "starts";
/// Counts health checks.
pub const CHECKS: &str = "checks";

pub fn read_count(connection: &Connection, name: &str) -> Result<i64, StoreError> {
    let value = connection
        .prepare_cached("SELECT value FROM counter WHERE name = ?1")
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
        .map_err(failed("reading a counter"))?;
    Ok(value.unwrap_or(0))
}

/// Counts one more. Returns the count.
pub fn count(connection: &Connection, name: &str) -> Result<i64, StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO counter (name, value) VALUES (?1, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1
             RETURNING value",
        )
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)))
        .map_err(failed("counting"))
}

/// Counts a change of the configuration.
pub fn count_change(connection: &Connection) -> Result<(), StoreError> {
    count(connection, REVISION).map(|_| ())
}

pub fn get(connection: &Connection, collection: Collection, id: &str) -> Result<Option<Json>, StoreError> {
    let text: Option<String> = connection
        .prepare_cached("SELECT document FROM document WHERE collection = ?1 AND id = ?2")
        .and_then(|mut statement| statement.query_row([collection.name(), id], |row| row.get(0)).optional())
        .map_err(failed("reading a document"))?;
    text.map(|text| from_text(id, &text)).transpose()
}

pub fn put(connection: &Connection, collection: Collection, id: &str, document: Json) -> Result<(), StoreError> {
    let invalid = |reason: &str| StoreError::Invalid {
        what: format!("{id:?} in {}", collection.name()),
        reason: reason.to_owned(),
    };
    let Json::Object(map) = document else { return Err(invalid("it is no JSON object")) };
    if id.is_empty() {
        return Err(invalid("its id is empty"));
    }
    let mut with_id = serde_json::Map::new();
    with_id.insert("_id".to_owned(), id.into());
    with_id.extend(map.into_iter().filter(|(key, _)| key != "_id"));
    let rows = connection
        .execute(
            "INSERT INTO document (collection, id, document) VALUES (?1, ?2, ?3)
             ON CONFLICT (collection, id) DO UPDATE SET document = ?3 WHERE document <> ?3",
            params![collection.name(), id, Json::Object(with_id).to_string()],
        )
        .map_err(failed("writing a document"))?;
    // What is stored as it was is no change.
    if rows > 0 && collection.is_configuration() { count_change(connection) } else { Ok(()) }
}

pub fn delete(connection: &Connection, collection: Collection, id: &str) -> Result<bool, StoreError> {
    let rows = connection
        .execute("DELETE FROM document WHERE collection = ?1 AND id = ?2", [collection.name(), id])
        .map_err(failed("deleting a document"))?;
    if rows > 0 && collection.is_configuration() {
        count_change(connection)?;
    }
    Ok(rows > 0)
}
