//! Devices of which a sign of life is overdue.

use acs_core::change::OutboxEvent;
use acs_core::device::DeviceHead;
use acs_core::value::format_date_time;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;

use super::devices::{add_event, device_head, to_text};
use super::failed;
use crate::StoreError;

/// What the columns hold that devices are found by: when the next sign of life is due, and after how long a silence.
pub fn columns(head: &DeviceHead) -> (Option<i64>, Option<i64>) {
    let awaited = head.heartbeat.filter(|heartbeat| heartbeat.missed_at.is_none());
    (awaited.map(|heartbeat| heartbeat.due), awaited.map(|heartbeat| heartbeat.patience))
}

/// Devices that are overdue, the longest first.
pub fn overdue(connection: &Connection, now: i64, since: i64, limit: usize) -> Result<Vec<String>, StoreError> {
    let doing = failed("looking for missing heartbeats");
    let mut statement = connection
        .prepare_cached(
            "SELECT id FROM device WHERE heartbeat_due <= ?1 AND heartbeat_patience <= ?2 ORDER BY heartbeat_due LIMIT ?3",
        )
        .map_err(&doing)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![now, now.saturating_sub(since), limit], |row| row.get(0)).map_err(&doing)?;
    rows.collect::<Result<_, _>>().map_err(&doing)
}

/// Marks a device, unless it has given a sign of life meanwhile. Returns whether it is marked now and was not before.
pub fn mark(connection: &Connection, id: &str, now: i64) -> Result<bool, StoreError> {
    let doing = failed("marking a missing heartbeat");
    let found = connection
        .prepare_cached("SELECT head FROM device WHERE id = ?1 AND heartbeat_due <= ?2")
        .and_then(|mut statement| statement.query_row(params![id, now], |row| Ok(device_head(id, row, 0))).optional())
        .map_err(&doing)?;
    let Some(mut head) = found.transpose()? else { return Ok(false) };
    let Some(heartbeat) = &mut head.heartbeat else { return Ok(false) };
    heartbeat.missed_at = Some(now);
    let due = format_date_time(heartbeat.due);
    let detail = json!({ "due": due, "lastInform": format_date_time(head.last_inform) });
    let encoded = to_text(&head)?;
    connection
        .prepare_cached("UPDATE device SET head = ?2, heartbeat_due = NULL, heartbeat_patience = NULL WHERE id = ?1")
        .and_then(|mut statement| statement.execute(params![id, encoded]))
        .map_err(&doing)?;
    let kind = "device.heartbeat_missed".to_owned();
    add_event(connection, &OutboxEvent { kind, device: id.to_owned(), at: now, detail })?;
    Ok(true)
}
