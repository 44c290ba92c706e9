//! Devices: the head row, the tree blob, the tags.

use std::sync::Arc;

use acs_core::change::{DeviceSnapshot, OutboxEvent, SessionChange, TaskChange};
use acs_core::device::{DeviceHead, StoredDevice, Tags};
use acs_core::fault::FaultRecord;
use acs_core::operation::Operation;
use acs_core::tree::DeviceTree;
use acs_core::value::Value;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::transfers::{Bounds, EncodedTransfer};
use super::{failed, heartbeats, index, tasks, transfers};
use crate::StoreError;

pub fn to_text<T: Serialize>(record: &T) -> Result<String, StoreError> {
    serde_json::to_string(record).map_err(|error| damaged("a record", &error))
}

pub fn from_text<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| damaged(what, &error))
}

pub fn damaged(what: &str, reason: &dyn std::fmt::Display) -> StoreError {
    StoreError::Damaged { what: what.to_owned(), reason: reason.to_string() }
}

pub fn read_tags(connection: &Connection, no: i64) -> Result<Tags, StoreError> {
    let doing = failed("reading tags");
    let mut statement = connection.prepare_cached("SELECT tag, value FROM device_tag WHERE no = ?1").map_err(&doing)?;
    let rows =
        statement.query_map([no], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).map_err(&doing)?;
    let mut tags = Tags::new();
    for row in rows {
        let (tag, value) = row.map_err(&doing)?;
        tags.insert(tag, from_text("a tag", &value)?);
    }
    Ok(tags)
}

/// The head in a column of a row.
pub fn device_head(id: &str, row: &Row<'_>, column: usize) -> Result<DeviceHead, StoreError> {
    let text = row.get_ref(column).and_then(|cell| Ok(cell.as_str()?)).map_err(|error| damaged(id, &error))?;
    from_text(id, text)
}

/// The tree of a device; an empty one when none was ever written.
pub fn decode_tree(id: &str, bytes: Option<&[u8]>) -> Result<DeviceTree, StoreError> {
    match bytes {
        Some(bytes) => DeviceTree::decode(bytes).map_err(|error| damaged(id, &error)),
        None => Ok(DeviceTree::new()),
    }
}

pub fn read_device(connection: &Connection, id: &str) -> Result<Option<StoredDevice>, StoreError> {
    let doing = failed("reading a device");
    let mut statement = connection
        .prepare_cached("SELECT device.no, head, doc FROM device LEFT JOIN device_tree USING (no) WHERE id = ?1")
        .map_err(&doing)?;
    let mut rows = statement.query([id]).map_err(&doing)?;
    let Some(row) = rows.next().map_err(&doing)? else { return Ok(None) };
    let no: i64 = row.get(0).map_err(&doing)?;
    let head = device_head(id, row, 1)?;
    let tree = decode_tree(id, row.get_ref(2).and_then(|cell| Ok(cell.as_blob_or_null()?)).map_err(&doing)?)?;
    let tags = read_tags(connection, no)?;
    Ok(Some(StoredDevice { head, tags, tree: Arc::new(tree) }))
}

pub fn read_snapshot(connection: &Connection, id: &str) -> Result<DeviceSnapshot, StoreError> {
    let doing = failed("reading a device");
    // One snapshot for all tables. It ends when it is dropped.
    let _transaction = connection.unchecked_transaction().map_err(doing)?;
    Ok(DeviceSnapshot {
        device: read_device(connection, id)?,
        tasks: tasks::open_tasks_of(connection, id)?,
        faults: records_of::<FaultRecord>(connection, "SELECT record FROM fault WHERE device = ?1", id)?,
        operations: records_of::<Operation>(connection, "SELECT record FROM operation WHERE device = ?1", id)?,
        transfers: transfers::watched_transfers_of(connection, id)?,
    })
}

pub fn records_of<T: DeserializeOwned>(connection: &Connection, sql: &str, key: &str) -> Result<Vec<T>, StoreError> {
    let doing = failed("reading records");
    let mut statement = connection.prepare_cached(sql).map_err(&doing)?;
    let mut rows = statement.query([key]).map_err(&doing)?;
    let mut out = Vec::new();
    while let Some(row) = rows.next().map_err(&doing)? {
        out.push(from_text(key, row.get_ref(0).and_then(|cell| Ok(cell.as_str()?)).map_err(&doing)?)?);
    }
    Ok(out)
}

/// What the writer puts into the database: encoded before, so that its thread only writes.
pub struct EncodedChange {
    is_new: bool,
    head: DeviceHead,
    encoded_head: String,
    tree: Option<Arc<DeviceTree>>,
    encoded_tree: Option<Vec<u8>>,
    tags: Vec<(String, Option<String>)>,
    faults: Vec<(String, Option<String>)>,
    operations: Vec<(String, Option<String>)>,
    transfers: Vec<EncodedTransfer>,
    tasks: Vec<TaskChange>,
    events: Vec<String>,
}

impl EncodedChange {
    pub fn encode(change: SessionChange) -> Result<EncodedChange, StoreError> {
        fn texts<T: Serialize>(list: Vec<(String, Option<T>)>) -> Result<Vec<(String, Option<String>)>, StoreError> {
            list.into_iter()
                .map(|(key, record)| Ok((key, record.map(|record| to_text(&record)).transpose()?)))
                .collect()
        }
        Ok(EncodedChange {
            is_new: change.is_new,
            encoded_head: to_text(&change.head)?,
            head: change.head,
            encoded_tree: change.tree.as_ref().map(|tree| tree.encode()),
            tree: change.tree,
            tags: texts::<Value>(change.tags)?,
            faults: texts(change.faults)?,
            operations: texts(change.operations)?,
            transfers: change.transfers.iter().map(EncodedTransfer::encode).collect::<Result<_, _>>()?,
            tasks: change.tasks,
            events: change.events.iter().map(to_text).collect::<Result<_, _>>()?,
        })
    }

    pub fn write(&self, connection: &Connection, transfer_bounds: Bounds) -> Result<(), StoreError> {
        let doing = failed("writing a session");
        let execute = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| {
            connection.prepare_cached(sql).and_then(|mut statement| statement.execute(parameters)).map_err(&doing)
        };
        let id = &self.head.id;
        let (no, is_inserted) = match self.update_head(connection)? {
            Some(no) => (no, false),
            None if self.is_new => (self.insert_head(connection)?, true),
            None => return Err(StoreError::NoSuchDevice(id.clone())),
        };
        if let Some(tree) = &self.encoded_tree {
            execute(
                "INSERT INTO device_tree (no, doc) VALUES (?1, ?2) ON CONFLICT (no) DO UPDATE SET doc = ?2",
                params![no, tree],
            )?;
        }
        let unknown = DeviceTree::new();
        let tree = self.tree.as_deref().or_else(|| is_inserted.then_some(&unknown));
        index::update_entries(connection, no, &self.head, tree)?;
        for (tag, value) in &self.tags {
            write_tag(connection, no, tag, value.as_deref())?;
        }
        for (channel, record) in &self.faults {
            match record {
                Some(record) => execute(
                    "INSERT OR REPLACE INTO fault (device, channel, record) VALUES (?1, ?2, ?3)",
                    params![id, channel, record],
                )?,
                None => execute("DELETE FROM fault WHERE device = ?1 AND channel = ?2", params![id, channel])?,
            };
        }
        for (key, record) in &self.operations {
            match record {
                Some(record) => execute(
                    "INSERT OR REPLACE INTO operation (device, command_key, record) VALUES (?1, ?2, ?3)",
                    params![id, key, record],
                )?,
                None => execute("DELETE FROM operation WHERE device = ?1 AND command_key = ?2", params![id, key])?,
            };
        }
        for transfer in &self.transfers {
            transfer.write(connection, id, transfer_bounds)?;
        }
        for change in &self.tasks {
            tasks::apply_change(connection, change)?;
        }
        for event in &self.events {
            write_event(connection, event)?;
        }
        Ok(())
    }
}

impl EncodedChange {
    /// Rewrites the head's row, if there is one, and returns its number. Columns that hardly ever change are written only when
    /// they do, to spare their indexes.
    fn update_head(&self, connection: &Connection) -> Result<Option<i64>, StoreError> {
        let doing = failed("writing a session");
        let head = &self.head;
        let written = connection
            .prepare_cached(
                "UPDATE device SET last_inform = ?2, head = ?3 WHERE id = ?1
                 RETURNING no, registered, serial_number, heartbeat_due, heartbeat_patience",
            )
            .and_then(|mut statement| {
                let parameters = params![head.id, head.last_inform, self.encoded_head];
                let (due, patience) = heartbeats::columns(head);
                let look = |row: &Row<'_>| {
                    let is_as_before = row.get::<_, i64>(1)? == head.registered
                        && row.get_ref(2)?.as_str()? == head.identity.serial_number
                        && row.get::<_, Option<i64>>(3)? == due
                        && row.get::<_, Option<i64>>(4)? == patience;
                    Ok((row.get::<_, i64>(0)?, is_as_before))
                };
                statement.query_row(parameters, look).optional()
            })
            .map_err(&doing)?;
        let Some((no, is_as_before)) = written else { return Ok(None) };
        if !is_as_before {
            let (due, patience) = heartbeats::columns(head);
            connection
                .prepare_cached(
                    "UPDATE device SET registered = ?2, serial_number = ?3, heartbeat_due = ?4, heartbeat_patience = ?5
                     WHERE no = ?1",
                )
                .and_then(|mut statement| {
                    statement.execute(params![no, head.registered, head.identity.serial_number, due, patience])
                })
                .map_err(doing)?;
        }
        Ok(Some(no))
    }

    fn insert_head(&self, connection: &Connection) -> Result<i64, StoreError> {
        let head = &self.head;
        let (due, patience) = heartbeats::columns(head);
        connection
            .prepare_cached(
                "INSERT INTO device
                     (id, last_inform, registered, serial_number, head, heartbeat_due, heartbeat_patience)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )
            .and_then(|mut statement| {
                statement.insert(params![
                    head.id,
                    head.last_inform,
                    head.registered,
                    head.identity.serial_number,
                    self.encoded_head,
                    due,
                    patience
                ])
            })
            .map_err(failed("writing a session"))
    }
}

pub fn device_number(connection: &Connection, id: &str) -> Result<Option<i64>, StoreError> {
    connection
        .prepare_cached("SELECT no FROM device WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([id], |row| row.get(0)).optional())
        .map_err(failed("looking up a device"))
}

pub fn write_tag(connection: &Connection, no: i64, tag: &str, value: Option<&str>) -> Result<(), StoreError> {
    let done = match value {
        Some(value) => connection
            .prepare_cached("INSERT OR REPLACE INTO device_tag (no, tag, value) VALUES (?1, ?2, ?3)")
            .and_then(|mut statement| statement.execute(params![no, tag, value])),
        None => connection
            .prepare_cached("DELETE FROM device_tag WHERE no = ?1 AND tag = ?2")
            .and_then(|mut statement| statement.execute(params![no, tag])),
    };
    done.map(|_| ()).map_err(failed("writing a tag"))
}

fn write_event(connection: &Connection, event: &str) -> Result<(), StoreError> {
    let doing = failed("writing an event");
    connection
        .prepare_cached("INSERT INTO outbox (event) VALUES (?1)")
        .and_then(|mut statement| statement.execute([event]))
        .map_err(&doing)?;
    Ok(())
}

pub fn add_event(connection: &Connection, event: &OutboxEvent) -> Result<(), StoreError> {
    write_event(connection, &to_text(event)?)
}

pub fn delete_device(connection: &Connection, id: &str) -> Result<bool, StoreError> {
    let doing = failed("deleting a device");
    let mut found = 0;
    for (sql, counts) in [
        ("DELETE FROM device WHERE id = ?1", true),
        ("DELETE FROM task WHERE device = ?1", false),
        ("DELETE FROM fault WHERE device = ?1", false),
        ("DELETE FROM operation WHERE device = ?1", false),
        ("DELETE FROM document WHERE collection = 'connectionRequests' AND id = ?1", false),
        ("DELETE FROM document WHERE collection = 'deviceCredentials' AND id = ?1", false),
        ("DELETE FROM document WHERE collection = 'sessionTraces' AND id = ?1", false),
        ("DELETE FROM transfer WHERE device = ?1", false),
        ("DELETE FROM file WHERE device = ?1", false),
    ] {
        let rows = connection.execute(sql, [id]).map_err(&doing)?;
        found += if counts { rows } else { 0 };
    }
    Ok(found > 0)
}
