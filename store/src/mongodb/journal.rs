//! What a change brings about in other collections than `devices`, as the device's document keeps it until it is done.
//!
//! An entry is written in the same update as the change itself, so both are there or neither. Each effect may be brought about
//! again: whoever finds an entry that was left over does so.

use acs_core::change::{OutboxEvent, SessionChange, TaskChange};
use acs_core::task::Task;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::records::{fault_document, operation_document};
use super::tasks::task_document;
use super::values::{bson_json, damaged, json_bson};
use crate::StoreError;

/// Something to be done in another collection.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Store a document in `faults` or `operations`, whatever was there.
    Put { collection: String, document: Document },
    /// Remove a document from there.
    Remove { collection: String, id: String },
    /// Store what a session says of a transfer.
    Transfer { command_key: String, record: Bson },
    /// Queue a task.
    Task { document: Document },
    /// Change a task's state, unless it is over.
    Move { change: TaskChange },
    /// Take tags away: what adds some at the same time cannot.
    Untag { tags: Vec<String> },
    /// Tell something.
    Tell { event: OutboxEvent },
}

/// An entry of a device's journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Which one; it tells when it was made, too.
    pub id: ObjectId,
    /// In order.
    pub effects: Vec<Effect>,
}

/// A record as BSON, by way of its JSON.
pub fn record_bson(record: &impl Serialize) -> Result<Bson, StoreError> {
    let json = serde_json::to_value(record).map_err(|error| damaged("a record", error))?;
    Ok(json_bson(&json, &[]))
}

/// The opposite of [`record_bson`].
pub fn bson_record<T: DeserializeOwned>(what: &str, bson: &Bson) -> Result<T, StoreError> {
    serde_json::from_value(bson_json(bson)).map_err(|error| damaged(what, error))
}

impl Entry {
    /// An entry; `None` when there is nothing to do.
    pub fn new(effects: Vec<Effect>) -> Option<Entry> {
        (!effects.is_empty()).then(|| Entry::of(effects))
    }

    /// An entry with something to do.
    pub fn of(effects: Vec<Effect>) -> Entry {
        Entry { id: ObjectId::new(), effects }
    }

    /// What a session brings about. `untag` are tags that its update cannot remove.
    pub fn of_session(change: &SessionChange, untag: Vec<String>) -> Result<Option<Entry>, StoreError> {
        let device = &change.head.id;
        let mut effects = Vec::new();
        if !untag.is_empty() {
            effects.push(Effect::Untag { tags: untag });
        }
        let mut put = |collection: &str, key: &str, document: Option<Document>| {
            let collection = collection.to_owned();
            effects.push(match document {
                Some(document) => Effect::Put { collection, document },
                None => Effect::Remove { collection, id: format!("{device}:{key}") },
            });
        };
        for (channel, fault) in &change.faults {
            put("faults", channel, fault.as_ref().map(fault_document));
        }
        for (key, operation) in &change.operations {
            let document = operation.as_ref().map(|operation| operation_document(device, operation)).transpose()?;
            put("operations", key, document);
        }
        for transfer in &change.transfers {
            let record = record_bson(transfer)?;
            effects.push(Effect::Transfer { command_key: transfer.command_key.clone(), record });
        }
        effects.extend(change.tasks.iter().map(|change| Effect::Move { change: change.clone() }));
        effects.extend(change.events.iter().map(|event| Effect::Tell { event: event.clone() }));
        Ok(Entry::new(effects))
    }

    /// A new task, and what tells of it.
    pub fn of_task(task: &Task, event: OutboxEvent) -> Entry {
        Entry::of(vec![Effect::Task { document: task_document(task) }, Effect::Tell { event }])
    }

    /// As the device's document keeps it.
    pub fn to_document(&self) -> Result<Document, StoreError> {
        let effects = self.effects.iter().map(Effect::to_document).collect::<Result<Vec<_>, _>>()?;
        Ok(doc! { "id": self.id, "effects": effects })
    }

    /// The entries in a device's document.
    pub fn all_in(device: &Document) -> Result<Vec<Entry>, StoreError> {
        let Some(list) = device.get_document("_lodestar").ok().and_then(|own| own.get_array("journal").ok()) else {
            return Ok(Vec::new());
        };
        list.iter().map(Entry::read).collect()
    }

    fn read(bson: &Bson) -> Result<Entry, StoreError> {
        let broken = |reason: &str| damaged("an entry of a journal", reason);
        let document = bson.as_document().ok_or_else(|| broken("it is no document"))?;
        let id = document.get_object_id("id").map_err(|error| broken(&error.to_string()))?;
        let effects = document.get_array("effects").map_err(|error| broken(&error.to_string()))?;
        let effects = effects.iter().map(|effect| {
            let effect = effect.as_document().ok_or_else(|| broken("an effect is no document"))?;
            Effect::read(effect)?.ok_or_else(|| broken("it was written by a newer release"))
        });
        Ok(Entry { id, effects: effects.collect::<Result<_, _>>()? })
    }
}

impl Effect {
    fn to_document(&self) -> Result<Document, StoreError> {
        Ok(match self {
            Effect::Put { collection, document } => doc! { "put": collection, "document": document.clone() },
            Effect::Remove { collection, id } => doc! { "remove": collection, "id": id },
            Effect::Transfer { command_key, record } => doc! { "transfer": command_key, "record": record.clone() },
            Effect::Task { document } => doc! { "task": document.clone() },
            Effect::Move { change } => doc! { "move": record_bson(change)? },
            Effect::Untag { tags } => doc! { "untag": tags.clone() },
            Effect::Tell { event } => doc! { "tell": record_bson(event)? },
        })
    }

    /// `None`: unknown.
    fn read(document: &Document) -> Result<Option<Effect>, StoreError> {
        let text = |key: &str| document.get_str(key).map(str::to_owned);
        let inner = |key: &str| document.get_document(key).cloned();
        let broken = |error: mongodb::bson::error::Error| damaged("an entry of a journal", error);
        let what = document.keys().next().map(String::as_str).unwrap_or_default();
        Ok(Some(match what {
            "put" => {
                Effect::Put { collection: text(what).map_err(broken)?, document: inner("document").map_err(broken)? }
            }
            "remove" => Effect::Remove { collection: text(what).map_err(broken)?, id: text("id").map_err(broken)? },
            "transfer" => Effect::Transfer {
                command_key: text(what).map_err(broken)?,
                record: document.get("record").cloned().unwrap_or(Bson::Null),
            },
            "task" => Effect::Task { document: inner(what).map_err(broken)? },
            "move" => {
                Effect::Move { change: bson_record("a task's change", document.get(what).unwrap_or(&Bson::Null))? }
            }
            "untag" => {
                let tags = document.get_array(what).map_err(broken)?;
                Effect::Untag { tags: tags.iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect() }
            }
            "tell" => Effect::Tell { event: bson_record("an event", document.get(what).unwrap_or(&Bson::Null))? },
            _ => return Ok(None),
        }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use acs_core::task::TaskState;
    use serde_json::json;

    use super::*;
    use crate::conformance::{fault, task};

    #[test]
    fn entries_come_back_as_they_were() {
        let event = OutboxEvent { kind: "k".into(), device: "d".into(), at: 1, detail: json!({"$a": [1]}) };
        let change = TaskChange { id: "t".into(), state: TaskState::Done, reason: String::new(), at: 5, result: None };
        let effects = vec![
            Effect::Put { collection: "faults".into(), document: fault_document(&fault("d", "c", "script")) },
            Effect::Remove { collection: "operations".into(), id: "d:k".into() },
            Effect::Transfer { command_key: "k".into(), record: doc! { "a": 1 }.into() },
            Effect::Task { document: task_document(&task("t", "d", Some("key"))) },
            Effect::Move { change },
            Effect::Untag { tags: vec!["a.b".into()] },
            Effect::Tell { event },
        ];
        let entry = Entry::new(effects).unwrap();
        let device = doc! { "_id": "d", "_lodestar": { "journal": [entry.to_document().unwrap()] } };
        assert_eq!(Entry::all_in(&device).unwrap(), [entry]);
        assert!(Entry::new(Vec::new()).is_none() && Entry::all_in(&doc! {}).unwrap().is_empty());
        let newer = doc! { "_lodestar": { "journal": [{ "id": ObjectId::new(), "effects": [{ "dance": 1 }] }] } };
        assert!(Entry::all_in(&newer).unwrap_err().to_string().contains("newer release"));
    }
}
