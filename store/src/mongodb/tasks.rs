//! Tasks: those in the queue are in `tasks`, as other programs know them; those that have left it in `endedTasks`, which forgets
//! them after a while.

use acs_core::change::{OutboxEvent, TaskChange};
use acs_core::task::{Task, TaskState};
use mongodb::bson::{Bson, Document, doc};
use serde_json::{Value as Json, json};

use super::journal::Entry;
use super::values::{bson_json, damaged, document_json, id_of, json_bson, json_document, object_id, time_of};
use super::{MongoStore, date, failed};
use crate::{MAX_OPEN_TASKS, StoreError};

/// A task's document.
pub fn task_document(task: &Task) -> Document {
    let json = task.document();
    let mut document =
        json.as_object().map(|map| json_document(map, &["timestamp", "expiry", "stateTimestamp"])).unwrap_or_default();
    document.insert("_id", object_id(&task.id));
    document
}

/// Reads a task's document; one without a state is queued.
pub fn read_task(document: &Document) -> Result<Task, StoreError> {
    let id = id_of(document);
    let device = document.get_str("device").map_err(|error| damaged(&id, error))?;
    let timestamp = time_of(document, "timestamp").unwrap_or(0);
    let json = Json::Object(document_json(document));
    let mut task = Task::from_document(&json, device, id.clone(), timestamp).map_err(|error| damaged(&id, error))?;
    if let Ok(state) = document.get_str("state") {
        task.state = serde_json::from_value(state.into()).map_err(|error| damaged(&id, error))?;
    }
    task.reason = document.get_str("reason").unwrap_or_default().to_owned();
    task.state_at = time_of(document, "stateTimestamp").unwrap_or(timestamp);
    task.result = document.get("result").map(bson_json);
    Ok(task)
}

/// The states of tasks that may still change: in the queue, or awaiting the device's report.
pub const UNDECIDED: [TaskState; 5] =
    [TaskState::Queued, TaskState::Waking, TaskState::InSession, TaskState::Faulted, TaskState::Accepted];

/// States in a filter; a task of another program has none, and is queued.
fn states(states: &[TaskState]) -> Document {
    let mut list: Vec<Bson> = states.iter().map(|state| state.as_str().into()).collect();
    if states.contains(&TaskState::Queued) {
        list.push(Bson::Null);
    }
    doc! { "$in": list }
}

/// Tasks of a device that wait, in a filter.
pub fn open_tasks(device: &str) -> Document {
    doc! { "device": device, "state": states(&TaskState::OPEN) }
}

/// All tasks that wait, in a filter.
pub fn all_open_tasks() -> Document {
    doc! { "state": states(&TaskState::OPEN) }
}

/// What a new state sets.
fn state_update(state: TaskState, reason: &str, at: i64, result: Option<&Json>) -> Document {
    let mut set = doc! { "state": state.as_str(), "stateTimestamp": date(at) };
    let mut unset = Document::new();
    if reason.is_empty() {
        unset.insert("reason", "");
    } else {
        set.insert("reason", reason);
    }
    if let Some(result) = result {
        set.insert("result", json_bson(result, &[]));
    }
    if unset.is_empty() {
        doc! { "$set": set }
    } else {
        doc! { "$set": set, "$unset": unset }
    }
}

impl MongoStore {
    /// Queues a task.
    pub(super) async fn queue_task(&self, task: Task) -> Result<(), StoreError> {
        if !self.device_exists(&task.device).await? {
            return Err(StoreError::NoSuchDevice(task.device));
        }
        let doing = "queueing a task";
        let id = object_id(&task.id);
        if let Some(key) = &task.unique_key {
            let mut filter = open_tasks(&task.device);
            filter.insert("uniqueKey", key);
            filter.insert("_id", doc! { "$ne": &id });
            let others = self.tasks.distinct("_id", filter).await.map_err(failed(doing))?;
            for other in others {
                self.give_up_task(&other, &TaskState::OPEN, &format!("Replaced by task {}", task.id), task.state_at)
                    .await?;
            }
        }
        let mut others = open_tasks(&task.device);
        others.insert("_id", doc! { "$ne": id });
        let open = self.tasks.count_documents(others).await.map_err(failed(doing))?;
        if open >= MAX_OPEN_TASKS as u64 {
            let reason = format!("{open} tasks wait for device {} already", task.device);
            return Err(StoreError::Invalid { what: format!("task {}", task.id), reason });
        }
        let entry = Entry::of_task(&task, task_event(&task, "task.queued"));
        if self.write_entry(&task.device, entry).await? { Ok(()) } else { Err(StoreError::NoSuchDevice(task.device)) }
    }

    /// A task, wherever it is.
    pub(super) async fn find_task(&self, id: &Bson) -> Result<Option<Task>, StoreError> {
        let doing = "reading a task";
        let filter = doc! { "_id": id };
        let found = match self.tasks.find_one(filter.clone()).await.map_err(failed(doing))? {
            Some(document) => Some(document),
            None => self.ended_tasks.find_one(filter).await.map_err(failed(doing))?,
        };
        found.as_ref().map(read_task).transpose()
    }

    /// Changes the state of a task that is in one of these states. Returns the task as it is then.
    pub(super) async fn change_state(
        &self,
        from: &[TaskState],
        change: &TaskChange,
    ) -> Result<Option<Task>, StoreError> {
        let doing = "changing a task";
        let id = object_id(&change.id);
        let filter = doc! { "_id": &id, "state": states(from) };
        let update = state_update(change.state, &change.reason, change.at, change.result.as_ref());
        for tasks in [&self.tasks, &self.ended_tasks] {
            let changed = tasks.find_one_and_update(filter.clone(), update.clone());
            let changed = changed.return_document(mongodb::options::ReturnDocument::After);
            if let Some(document) = changed.await.map_err(failed(doing))? {
                if tasks.name() == self.tasks.name() && !change.state.is_open() {
                    self.retire(document.clone()).await?;
                }
                return read_task(&document).map(Some);
            }
        }
        Ok(None)
    }

    /// Moves a task out of the queue. It may be in both places for a moment, never in none.
    async fn retire(&self, document: Document) -> Result<(), StoreError> {
        let doing = "ending a task";
        let filter = doc! { "_id": document.get("_id").cloned().unwrap_or(Bson::Null) };
        self.ended_tasks.replace_one(filter.clone(), document).upsert(true).await.map_err(failed(doing))?;
        self.tasks.delete_one(filter).await.map(|_| ()).map_err(failed(doing))
    }

    /// Moves tasks out of the queue that a process which ended at the wrong moment has left there.
    pub(super) async fn retire_left_over(&self) -> Result<(), StoreError> {
        let open: Vec<Bson> = TaskState::OPEN.iter().map(|state| state.as_str().into()).chain([Bson::Null]).collect();
        let filter = doc! { "state": { "$nin": open } };
        let mut left = self.tasks.find(filter).await.map_err(failed("looking for ended tasks"))?;
        while left.advance().await.map_err(failed("looking for ended tasks"))? {
            let document = left.deserialize_current().map_err(failed("looking for ended tasks"))?;
            self.retire(document).await?;
        }
        Ok(())
    }

    /// Ends a task that is in one of these states, with its fault. Returns whether there was one.
    pub(super) async fn give_up_task(
        &self,
        id: &Bson,
        from: &[TaskState],
        reason: &str,
        at: i64,
    ) -> Result<bool, StoreError> {
        let change = TaskChange {
            id: super::values::id_text(id),
            state: TaskState::Cancelled,
            reason: reason.to_owned(),
            at,
            result: None,
        };
        let Some(task) = self.change_state(from, &change).await? else { return Ok(false) };
        self.remove_fault(&task.device, &task.channel()).await?;
        self.tell(vec![task_event(&task, "task.cancelled")]).await?;
        Ok(true)
    }

    /// Queues an open task again, without its fault. Returns whether there is one.
    pub(super) async fn queue_again(&self, id: &str, at: i64) -> Result<bool, StoreError> {
        let Some(task) = self.find_task(&object_id(id)).await?.filter(|task| task.state.is_open()) else {
            return Ok(false);
        };
        self.remove_fault(&task.device, &task.channel()).await?;
        let reason = "To be tried again".to_owned();
        let change = TaskChange { id: id.to_owned(), state: TaskState::Queued, reason, at, result: None };
        Ok(self.change_state(&[task.state], &change).await?.is_some())
    }

    /// Removes a fault. Returns whether it was there.
    pub(super) async fn remove_fault(&self, device: &str, channel: &str) -> Result<bool, StoreError> {
        let filter = doc! { "_id": format!("{device}:{channel}") };
        let removed = self.faults.delete_one(filter).await.map_err(failed("deleting a fault"))?;
        Ok(removed.deleted_count > 0)
    }
}

fn task_event(task: &Task, kind: &str) -> OutboxEvent {
    let detail = json!({ "task": task.id, "reason": task.reason });
    OutboxEvent { kind: kind.to_owned(), device: task.device.clone(), at: task.state_at, detail }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tasks_come_back_as_they_were() {
        let id = "0123456789abcdef01234567";
        for document in [
            json!({"name": "reboot", "expiry": 60, "uniqueKey": "k"}),
            json!({"name": "getParameterValues", "parameterNames": ["A", "B.C"]}),
            json!({"name": "setParameterValues", "parameterValues": [["A", 1], ["B", "x", "xsd:string"], ["C", true], ["D", 0.5]]}),
            json!({"name": "addObject", "objectName": "A", "parameterValues": [["K", "a b"]]}),
            json!({"name": "download", "fileType": "1 Firmware Upgrade Image", "fileName": "f"}),
            json!({"name": "provisions", "provisions": [["p", 1, "$x"]]}),
            json!({"name": "changeDUState", "operations": [{"operation": "Install", "url": "http://h/u"}]}),
            json!({"name": "X_0A1B2C_Probe", "arguments": {"Host": ["a", "b"], "Options": {"Count": "3"}}}),
        ] {
            let mut task = Task::from_document(&document, "d", id.into(), 1_000).unwrap();
            assert_eq!(read_task(&task_document(&task)).unwrap(), task, "{document}");
            (task.state, task.reason, task.state_at) = (TaskState::Faulted, "refused".into(), 5_000);
            task.result = Some(json!({"$a": [1.5]}));
            let stored = task_document(&task);
            assert!(matches!(
                (stored.get("_id"), stored.get("timestamp")),
                (Some(Bson::ObjectId(_)), Some(Bson::DateTime(_)))
            ));
            assert_eq!(read_task(&stored).unwrap(), task, "{document}");
        }
    }

    #[test]
    fn a_task_of_another_program_is_queued() {
        let document = doc! { "_id": object_id("0123456789abcdef01234567"), "name": "refreshObject", "objectName": "", "device": "d", "timestamp": date(5) };
        let task = read_task(&document).unwrap();
        assert_eq!((task.state, task.timestamp, task.state_at), (TaskState::Queued, 5, 5));
        assert!(read_task(&doc! { "_id": "x", "device": "d", "name": "dance" }).is_err());
    }
}
