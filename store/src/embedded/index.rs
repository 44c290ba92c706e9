//! Indexes on the fields of devices that the operator chose.
//!
//! Each device has one row per indexed field, also when the field is missing, so that an index can order all devices. A value is
//! stored as a kind and a number or a text, which sort as [`acs_core::query::compare_for_sort`] does.

use std::borrow::Cow;

use acs_core::device::{DeviceHead, Tags};
use acs_core::query::{FieldValue, Operand, Record};
use acs_core::tree::DeviceTree;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, params};

use super::devices::{decode_tree, device_head};
use super::failed;
use crate::index_names::name_of_field;
use crate::record::{newest_informed, value_field};
use crate::{DeviceRecord, StoreError};

/// Devices per step when an index is built: few enough that sessions do not notice.
pub const BUILD_STEP: usize = 100;

/// An indexed field.
pub struct IndexedField {
    pub id: i64,
    /// As documents name it.
    pub name: String,
}

/// A value as an index holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub kind: i64,
    pub number: SqlValue,
    pub text: String,
}

impl Entry {
    /// Kinds go up as values of different types sort. What is no number sorts between missing values and numbers.
    pub fn of(value: &FieldValue<'_>) -> Entry {
        let (kind, number, text) = match value {
            FieldValue::Number(number) if number.is_nan() => (1, SqlValue::Integer(1), ""),
            FieldValue::Number(number) => (2, SqlValue::Real(*number), ""),
            FieldValue::Text(text) => (3, SqlValue::Integer(0), text.as_ref()),
            FieldValue::Bool(value) => (5, SqlValue::Integer(i64::from(*value)), ""),
            FieldValue::Date(time) => (6, SqlValue::Integer(*time), ""),
            // No indexed field is a list or an object.
            FieldValue::Missing
            | FieldValue::Null
            | FieldValue::List(_)
            | FieldValue::Each(_)
            | FieldValue::Object(_) => (1, SqlValue::Integer(0), ""),
        };
        Entry { kind, number, text: text.to_owned() }
    }

    /// What a value of a query would be in an index; `None` for what no indexed value equals.
    pub fn of_operand(operand: &Operand) -> Option<Entry> {
        let value = match operand {
            Operand::Null => FieldValue::Missing,
            Operand::Bool(value) => FieldValue::Bool(*value),
            Operand::Number(number) if number.is_nan() => return None,
            Operand::Number(number) => FieldValue::Number(*number),
            Operand::Text(text) => FieldValue::Text(Cow::Borrowed(text)),
            Operand::Date(time) => FieldValue::Date(*time),
            Operand::List(_) => return None,
        };
        Some(Entry::of(&value))
    }
}

/// The indexed fields: all that are kept, or only those whose index is built.
pub fn indexed_fields(connection: &Connection, only_ready: bool) -> Result<Vec<IndexedField>, StoreError> {
    let doing = failed("reading the indexes");
    let mut statement = connection
        .prepare_cached("SELECT id, field FROM indexed_field WHERE ready >= ?1 ORDER BY field")
        .map_err(&doing)?;
    let rows = statement
        .query_map([i64::from(only_ready)], |row| Ok(IndexedField { id: row.get(0)?, name: row.get(1)? }))
        .map_err(&doing)?;
    rows.collect::<Result<_, _>>().map_err(&doing)
}

/// Makes these fields the indexed ones. Returns whether any must be built.
pub fn choose_fields(connection: &Connection, fields: &[String]) -> Result<bool, StoreError> {
    let doing = failed("choosing indexes");
    for known in indexed_fields(connection, false)? {
        if !fields.contains(&known.name) {
            connection.execute("DELETE FROM indexed_field WHERE id = ?1", [known.id]).map_err(&doing)?;
        }
    }
    for field in fields {
        connection
            .execute("INSERT OR IGNORE INTO indexed_field (field, ready) VALUES (?1, 0)", [field])
            .map_err(&doing)?;
    }
    let unbuilt = "SELECT count(*) FROM indexed_field WHERE ready = 0";
    connection.query_row(unbuilt, [], |row| row.get::<_, i64>(0)).map(|count| count > 0).map_err(&doing)
}

/// Fills in the indexes of the next devices behind a number. Returns the last one's number; `None` when that was the end, and
/// then the indexes are built.
pub fn build_step(connection: &Connection, behind: i64) -> Result<Option<i64>, StoreError> {
    let doing = failed("building an index");
    let mut statement = connection
        .prepare_cached(
            "SELECT device.no, id, head, doc FROM device LEFT JOIN device_tree USING (no)
             WHERE device.no > ?1 ORDER BY device.no LIMIT ?2",
        )
        .map_err(&doing)?;
    let mut rows = statement.query([behind, BUILD_STEP as i64]).map_err(&doing)?;
    let fields = indexed_fields(connection, false)?;
    let mut last = None;
    while let Some(row) = rows.next().map_err(&doing)? {
        let no: i64 = row.get(0).map_err(&doing)?;
        last = Some(no);
        let id: String = row.get(1).map_err(&doing)?;
        let head = device_head(&id, row, 2);
        let tree = row.get_ref(3).and_then(|cell| Ok(cell.as_blob_or_null()?)).map_err(&doing)?;
        match head.and_then(|head| Ok((head, decode_tree(&id, tree)?))) {
            Ok((head, tree)) => write_entries(connection, no, &fields, &head, Some(&tree))?,
            Err(error) => tracing::error!(%error, "a stored device is damaged and left out of indexes"),
        }
    }
    if last.is_none() {
        connection.execute("UPDATE indexed_field SET ready = 1 WHERE ready = 0", []).map_err(&doing)?;
    }
    Ok(last)
}

/// Brings a device's entries up to date. With a tree all are; without one those of the head and of what it was told by Informs.
pub fn update_entries(
    connection: &Connection,
    no: i64,
    head: &DeviceHead,
    tree: Option<&DeviceTree>,
) -> Result<(), StoreError> {
    let fields = indexed_fields(connection, false)?;
    write_entries(connection, no, &fields, head, tree)
}

fn write_entries(
    connection: &Connection,
    no: i64,
    fields: &[IndexedField],
    head: &DeviceHead,
    tree: Option<&DeviceTree>,
) -> Result<(), StoreError> {
    if fields.is_empty() {
        return Ok(());
    }
    let doing = failed("writing an index");
    // No indexed field is about tags.
    let tags = Tags::new();
    let record = match tree {
        Some(tree) => DeviceRecord::with_tree(head, &tags, tree),
        None => DeviceRecord::new(head, &tags, &[]),
    };
    let mut statement = connection
        .prepare_cached(
            "INSERT INTO field_index (no, field, kind, num, text) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (no, field) DO UPDATE SET kind = ?3, num = ?4, text = ?5
             WHERE kind <> ?3 OR num <> ?4 OR text <> ?5",
        )
        .map_err(&doing)?;
    for field in fields {
        let entry = if tree.is_some() || field.name.starts_with('_') {
            Entry::of(&record.field(&field.name))
        } else {
            let path = name_of_field(&field.name);
            let Some(informed) = newest_informed(head, path) else { continue };
            Entry::of(&value_field(&informed.value))
        };
        statement.execute(params![no, field.id, entry.kind, entry.number, entry.text]).map_err(&doing)?;
    }
    Ok(())
}
