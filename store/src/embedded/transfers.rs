//! Transfer records: one row per transfer, of which sessions write one half and the file server the other.

use acs_core::change::OutboxEvent;
use acs_core::transfer::{Movement, MovementReport, Transfer, document};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::devices::{add_event, from_text, records_of, to_text};
use super::failed;
use crate::StoreError;

/// How many records are kept, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Per device.
    pub most: u32,
    /// In milliseconds.
    pub age: i64,
}

/// A transfer as the database writes it.
pub struct EncodedTransfer {
    command_key: String,
    requested_at: i64,
    is_watched: bool,
    record: String,
}

impl EncodedTransfer {
    pub fn encode(transfer: &Transfer) -> Result<EncodedTransfer, StoreError> {
        Ok(EncodedTransfer {
            command_key: transfer.command_key.clone(),
            requested_at: transfer.requested_at,
            is_watched: !transfer.is_settled,
            record: to_text(transfer)?,
        })
    }

    /// Writes the session's half.
    pub fn write(&self, connection: &Connection, device: &str, bounds: Bounds) -> Result<(), StoreError> {
        let EncodedTransfer { command_key, requested_at, is_watched, record } = self;
        connection
            .prepare_cached(
                "INSERT INTO transfer (device, command_key, at, watched, record) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (device, command_key) DO UPDATE SET watched = ?4, record = ?5",
            )
            .and_then(|mut statement| statement.execute(params![device, command_key, requested_at, is_watched, record]))
            .map_err(failed("writing a transfer"))?;
        prune(connection, device, *requested_at, bounds)
    }
}

/// Transfers of which there may be news.
pub fn watched_transfers_of(connection: &Connection, device: &str) -> Result<Vec<Transfer>, StoreError> {
    let sql = "SELECT record FROM transfer WHERE device = ?1 AND watched = 1 AND record IS NOT NULL";
    records_of(connection, sql, device)
}

/// Adds to the file server's half.
pub fn add_movement(
    connection: &Connection,
    device: &str,
    command_key: &str,
    report: &MovementReport,
    bounds: Bounds,
) -> Result<(), StoreError> {
    let doing = failed("writing a transfer");
    let known: Option<Option<String>> = connection
        .prepare_cached("SELECT movement FROM transfer WHERE device = ?1 AND command_key = ?2")
        .and_then(|mut statement| statement.query_row([device, command_key], |row| row.get(0)).optional())
        .map_err(doing)?;
    let mut movement: Movement = match known.flatten() {
        Some(text) => from_text("a transfer", &text)?,
        None => Movement::default(),
    };
    let is_completed = movement.take(report);
    let text = to_text(&movement)?;
    connection
        .prepare_cached(
            "INSERT INTO transfer (device, command_key, at, watched, movement) VALUES (?1, ?2, ?3, 0, ?4)
             ON CONFLICT (device, command_key) DO UPDATE SET movement = ?4",
        )
        .and_then(|mut statement| statement.execute(params![device, command_key, report.at, text]))
        .map_err(doing)?;
    prune(connection, device, report.at, bounds)?;
    if !is_completed {
        return Ok(());
    }
    let kind = if report.is_upload { "transfer.received" } else { "transfer.fetched" };
    let detail = json!({ "transfer": format!("{device}:{command_key}"), "bytes": movement.bytes() });
    add_event(connection, &OutboxEvent { kind: kind.to_owned(), device: device.to_owned(), at: report.at, detail })
}

fn prune(connection: &Connection, device: &str, now: i64, bounds: Bounds) -> Result<(), StoreError> {
    let doing = failed("pruning transfers");
    connection
        .prepare_cached(
            "DELETE FROM transfer WHERE device = ?1 AND command_key IN (SELECT command_key FROM transfer
             WHERE device = ?1 ORDER BY at DESC, command_key DESC LIMIT -1 OFFSET ?2)",
        )
        .and_then(|mut statement| statement.execute(params![device, bounds.most]))
        .map_err(doing)?;
    connection
        .prepare_cached("DELETE FROM transfer WHERE at < ?1")
        .and_then(|mut statement| statement.execute([now.saturating_sub(bounds.age)]))
        .map_err(doing)?;
    Ok(())
}

/// Both halves, as lists read them.
#[derive(Deserialize)]
struct Halves {
    record: Option<Transfer>,
    movement: Option<Movement>,
}

/// The document of a transfer by its id and its halves.
pub fn listed_document(id: &str, halves: &str) -> Result<Json, StoreError> {
    let Halves { record, movement } = from_text(id, halves)?;
    // Device IDs have no colon.
    let (device, command_key) = id.split_once(':').unwrap_or((id, ""));
    Ok(document(device, command_key, record.as_ref(), movement.as_ref()))
}
