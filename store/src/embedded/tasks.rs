//! Tasks and faults.

use acs_core::change::{OutboxEvent, TaskChange};
use acs_core::fault::FaultRecord;
use acs_core::task::{Task, TaskState};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;

use super::devices::{add_event, device_number, from_text, records_of, to_text};
use super::failed;
use crate::{MAX_OPEN_TASKS, StoreError};

pub fn open_tasks_of(connection: &Connection, device: &str) -> Result<Vec<Task>, StoreError> {
    let sql = "SELECT record FROM task WHERE device = ?1 AND open = 1 ORDER BY timestamp, id";
    records_of(connection, sql, device)
}

pub fn read_task(connection: &Connection, id: &str) -> Result<Option<Task>, StoreError> {
    let text: Option<String> = connection
        .prepare_cached("SELECT record FROM task WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([id], |row| row.get(0)).optional())
        .map_err(failed("reading a task"))?;
    text.map(|text| from_text(id, &text)).transpose()
}

fn write_task(connection: &Connection, task: &Task) -> Result<(), StoreError> {
    let open = task.state.is_open();
    let ended_at = if open { 0 } else { task.state_at };
    let record = to_text(task)?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO task (id, device, timestamp, open, ended_at, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .and_then(|mut statement| {
            statement.execute(params![task.id, task.device, task.timestamp, open, ended_at, record])
        })
        .map(|_| ())
        .map_err(failed("writing a task"))
}

/// Queues a task, and removes tasks that ended more than `retention` milliseconds before.
pub fn insert_task(connection: &Connection, task: &Task, retention: i64) -> Result<(), StoreError> {
    if device_number(connection, &task.device)?.is_none() {
        return Err(StoreError::NoSuchDevice(task.device.clone()));
    }
    if task.unique_key.is_some() {
        for other in open_tasks_of(connection, &task.device)? {
            if other.unique_key == task.unique_key && other.id != task.id {
                end_task(connection, other, &format!("Replaced by task {}", task.id), task.state_at)?;
            }
        }
    }
    let open: i64 = connection
        .prepare_cached("SELECT count(*) FROM task WHERE device = ?1 AND open = 1 AND id <> ?2")
        .and_then(|mut statement| statement.query_row([&task.device, &task.id], |row| row.get(0)))
        .map_err(failed("counting tasks"))?;
    if open >= MAX_OPEN_TASKS as i64 {
        let reason = format!("{open} tasks wait for device {} already", task.device);
        return Err(StoreError::Invalid { what: format!("task {}", task.id), reason });
    }
    let old = task.state_at.saturating_sub(retention);
    connection
        .execute("DELETE FROM task WHERE open = 0 AND ended_at < ?1", [old])
        .map_err(failed("pruning ended tasks"))?;
    write_task(connection, task)?;
    add_event(connection, &task_event(task, "task.queued"))
}

fn task_event(task: &Task, kind: &str) -> OutboxEvent {
    let detail = json!({ "task": task.id, "reason": task.reason });
    OutboxEvent { kind: kind.to_owned(), device: task.device.clone(), at: task.state_at, detail }
}

fn end_task(connection: &Connection, task: Task, reason: &str, at: i64) -> Result<(), StoreError> {
    let channel = task.channel();
    let task = Task { state: TaskState::Cancelled, reason: reason.to_owned(), state_at: at, ..task };
    write_task(connection, &task)?;
    remove_fault(connection, &task.device, &channel)?;
    add_event(connection, &task_event(&task, "task.cancelled"))
}

pub fn move_task(
    connection: &Connection,
    id: &str,
    from: &[TaskState],
    to: TaskState,
    reason: &str,
    at: i64,
) -> Result<bool, StoreError> {
    let Some(task) = read_task(connection, id)?.filter(|task| from.contains(&task.state)) else { return Ok(false) };
    write_task(connection, &Task { state: to, reason: reason.to_owned(), state_at: at, ..task })?;
    Ok(true)
}

/// What a session says of a task; one that is over stays as it is.
pub fn apply_change(connection: &Connection, change: &TaskChange) -> Result<bool, StoreError> {
    let Some(task) = read_task(connection, &change.id)?.filter(|task| !task.state.is_final()) else { return Ok(false) };
    let result = change.result.clone().or_else(|| task.result.clone());
    let TaskChange { state, reason, at, .. } = change;
    write_task(connection, &Task { state: *state, reason: reason.clone(), state_at: *at, result, ..task })?;
    Ok(true)
}

/// Queues again what was being done when the process ended: neither sessions nor connection requests outlive it.
pub fn requeue_interrupted(connection: &Connection) -> Result<(), StoreError> {
    let sql = "SELECT record FROM task WHERE open = 1 AND record ->> '$.state' = ?1";
    for state in [TaskState::InSession, TaskState::Waking] {
        let interrupted: Vec<Task> = records_of(connection, sql, state.as_str())?;
        for task in interrupted {
            let reason = "The server was stopped meanwhile".to_owned();
            write_task(connection, &Task { state: TaskState::Queued, reason, ..task })?;
        }
    }
    Ok(())
}

pub fn cancel_task(connection: &Connection, id: &str, at: i64) -> Result<bool, StoreError> {
    match read_task(connection, id)? {
        Some(task) if !task.state.is_final() => {
            end_task(connection, task, "Cancelled by an operator", at)?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

pub fn retry_task(connection: &Connection, id: &str, at: i64) -> Result<bool, StoreError> {
    match read_task(connection, id)? {
        Some(task) if task.state.is_open() => {
            remove_fault(connection, &task.device, &task.channel())?;
            move_task(connection, id, &[task.state], TaskState::Queued, "To be tried again", at)
        }
        _ => Ok(false),
    }
}

fn remove_fault(connection: &Connection, device: &str, channel: &str) -> Result<bool, StoreError> {
    let rows = connection
        .prepare_cached("DELETE FROM fault WHERE device = ?1 AND channel = ?2")
        .and_then(|mut statement| statement.execute([device, channel]))
        .map_err(failed("deleting a fault"))?;
    Ok(rows > 0)
}

pub fn read_fault(connection: &Connection, device: &str, channel: &str) -> Result<Option<FaultRecord>, StoreError> {
    let text: Option<String> = connection
        .prepare_cached("SELECT record FROM fault WHERE device = ?1 AND channel = ?2")
        .and_then(|mut statement| statement.query_row([device, channel], |row| row.get(0)).optional())
        .map_err(failed("reading a fault"))?;
    text.map(|text| from_text(&format!("{device}:{channel}"), &text)).transpose()
}

pub fn delete_fault(connection: &Connection, device: &str, channel: &str, at: i64) -> Result<bool, StoreError> {
    let found = remove_fault(connection, device, channel)?;
    if found {
        if let Some(id) = channel.strip_prefix("task_") {
            cancel_task(connection, id, at)?;
        }
        let detail = json!({ "channel": channel });
        let event = OutboxEvent { kind: "fault.deleted".to_owned(), device: device.to_owned(), at, detail };
        add_event(connection, &event)?;
    }
    Ok(found)
}
