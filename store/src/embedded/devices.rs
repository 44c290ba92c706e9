//! Devices: the head row, the tree blob, the tags.

use std::sync::Arc;

use acs_core::change::{DeviceSnapshot, OutboxEvent, SessionChange, TaskChange};
use acs_core::device::{DeviceHead, StoredDevice, Tags};
use acs_core::fault::FaultRecord;
use acs_core::operation::Operation;
use acs_core::tree::DeviceTree;
use acs_core::value::Value;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{OUTBOX_LENGTH, failed, tasks};
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

pub fn read_device(connection: &Connection, id: &str) -> Result<Option<StoredDevice>, StoreError> {
    let doing = failed("reading a device");
    let mut statement = connection
        .prepare_cached("SELECT device.no, head, doc FROM device LEFT JOIN device_tree USING (no) WHERE id = ?1")
        .map_err(&doing)?;
    let mut rows = statement.query([id]).map_err(&doing)?;
    let Some(row) = rows.next().map_err(&doing)? else { return Ok(None) };
    let no: i64 = row.get(0).map_err(&doing)?;
    let head: DeviceHead = from_text(id, row.get_ref(1).and_then(|cell| Ok(cell.as_str()?)).map_err(&doing)?)?;
    let tree = match row.get_ref(2).and_then(|cell| Ok(cell.as_blob_or_null()?)).map_err(&doing)? {
        Some(bytes) => DeviceTree::decode(bytes).map_err(|error| damaged(id, &error))?,
        None => DeviceTree::new(),
    };
    let tags = read_tags(connection, no)?;
    Ok(Some(StoredDevice { head, tags, tree: Arc::new(tree) }))
}

pub fn read_snapshot(connection: &Connection, id: &str) -> Result<DeviceSnapshot, StoreError> {
    let doing = failed("reading a device");
    // One snapshot for all tables.
    connection.execute_batch("BEGIN").map_err(&doing)?;
    let read = || {
        Ok(DeviceSnapshot {
            device: read_device(connection, id)?,
            tasks: tasks::open_tasks_of(connection, id)?,
            faults: records_of::<FaultRecord>(connection, "SELECT record FROM fault WHERE device = ?1", id)?,
            operations: records_of::<Operation>(connection, "SELECT record FROM operation WHERE device = ?1", id)?,
        })
    };
    let snapshot = read();
    connection.execute_batch("COMMIT").map_err(&doing)?;
    snapshot
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
    id: String,
    is_new: bool,
    last_inform: i64,
    registered: i64,
    head: String,
    tree: Option<Vec<u8>>,
    tags: Vec<(String, Option<String>)>,
    faults: Vec<(String, Option<String>)>,
    operations: Vec<(String, Option<String>)>,
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
            id: change.head.id.clone(),
            is_new: change.is_new,
            last_inform: change.head.last_inform,
            registered: change.head.registered,
            head: to_text(&change.head)?,
            tree: change.tree.map(|tree| tree.encode()),
            tags: texts::<Value>(change.tags)?,
            faults: texts(change.faults)?,
            operations: texts(change.operations)?,
            tasks: change.tasks,
            events: change.events.iter().map(to_text).collect::<Result<_, _>>()?,
        })
    }

    pub fn write(&self, connection: &Connection) -> Result<(), StoreError> {
        let doing = failed("writing a session");
        let execute = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| {
            connection.prepare_cached(sql).and_then(|mut statement| statement.execute(parameters)).map_err(&doing)
        };
        if self.is_new {
            execute(
                "INSERT INTO device (id, last_inform, registered, head) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (id) DO UPDATE SET last_inform = ?2, head = ?4",
                params![self.id, self.last_inform, self.registered, self.head],
            )?;
        } else if execute(
            "UPDATE device SET last_inform = ?2, head = ?3 WHERE id = ?1",
            params![self.id, self.last_inform, self.head],
        )? == 0
        {
            return Err(StoreError::NoSuchDevice(self.id.clone()));
        }
        if self.tree.is_some() || !self.tags.is_empty() {
            let no = device_number(connection, &self.id)?.ok_or_else(|| StoreError::NoSuchDevice(self.id.clone()))?;
            if let Some(tree) = &self.tree {
                execute("INSERT OR REPLACE INTO device_tree (no, doc) VALUES (?1, ?2)", params![no, tree])?;
            }
            for (tag, value) in &self.tags {
                write_tag(connection, no, tag, value.as_deref())?;
            }
        }
        for (channel, record) in &self.faults {
            match record {
                Some(record) => execute(
                    "INSERT OR REPLACE INTO fault (device, channel, record) VALUES (?1, ?2, ?3)",
                    params![self.id, channel, record],
                )?,
                None => execute("DELETE FROM fault WHERE device = ?1 AND channel = ?2", params![self.id, channel])?,
            };
        }
        for (key, record) in &self.operations {
            match record {
                Some(record) => execute(
                    "INSERT OR REPLACE INTO operation (device, command_key, record) VALUES (?1, ?2, ?3)",
                    params![self.id, key, record],
                )?,
                None => execute("DELETE FROM operation WHERE device = ?1 AND command_key = ?2", params![self.id, key])?,
            };
        }
        for change in &self.tasks {
            tasks::write_state(connection, &change.id, change.state, &change.reason, change.at)?;
        }
        for event in &self.events {
            write_event(connection, event)?;
        }
        Ok(())
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
    let cursor = connection.last_insert_rowid();
    // Pruning now and then costs less than with each event.
    if cursor % 1_000 == 0 {
        connection.execute("DELETE FROM outbox WHERE cursor <= ?1", [cursor - OUTBOX_LENGTH]).map_err(&doing)?;
    }
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
    ] {
        let rows = connection.execute(sql, [id]).map_err(&doing)?;
        found += if counts { rows } else { 0 };
    }
    Ok(found > 0)
}
