//! Documents that operators write, and the counter that tells when they changed.

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value as Json;

use super::devices::from_text;
use super::failed;
use crate::{Collection, StoreError};

const REVISION: &str = "configuration";

pub fn read_revision(connection: &Connection) -> Result<i64, StoreError> {
    let value = connection
        .prepare_cached("SELECT value FROM counter WHERE name = ?1")
        .and_then(|mut statement| statement.query_row([REVISION], |row| row.get(0)).optional())
        .map_err(failed("reading the configuration's revision"))?;
    Ok(value.unwrap_or(0))
}

/// Counts a change, if it is one of the configuration. Returns the revision.
fn bump(connection: &Connection, collection: Collection) -> Result<i64, StoreError> {
    if collection.is_configuration() {
        connection
            .execute(
                "INSERT INTO counter (name, value) VALUES (?1, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1",
                [REVISION],
            )
            .map_err(failed("counting a change of the configuration"))?;
    }
    read_revision(connection)
}

pub fn get(connection: &Connection, collection: Collection, id: &str) -> Result<Option<Json>, StoreError> {
    let text: Option<String> = connection
        .prepare_cached("SELECT document FROM document WHERE collection = ?1 AND id = ?2")
        .and_then(|mut statement| statement.query_row([collection.name(), id], |row| row.get(0)).optional())
        .map_err(failed("reading a document"))?;
    text.map(|text| from_text(id, &text)).transpose()
}

pub fn put(connection: &Connection, collection: Collection, id: &str, document: Json) -> Result<i64, StoreError> {
    let mut with_id = serde_json::Map::new();
    with_id.insert("_id".to_owned(), id.into());
    if let Json::Object(map) = document {
        with_id.extend(map.into_iter().filter(|(key, _)| key != "_id"));
    }
    connection
        .execute(
            "INSERT OR REPLACE INTO document (collection, id, document) VALUES (?1, ?2, ?3)",
            params![collection.name(), id, Json::Object(with_id).to_string()],
        )
        .map_err(failed("writing a document"))?;
    bump(connection, collection)
}

pub fn delete(connection: &Connection, collection: Collection, id: &str) -> Result<Option<i64>, StoreError> {
    let rows = connection
        .execute("DELETE FROM document WHERE collection = ?1 AND id = ?2", [collection.name(), id])
        .map_err(failed("deleting a document"))?;
    if rows == 0 { Ok(None) } else { bump(connection, collection).map(Some) }
}
