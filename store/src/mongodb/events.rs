//! The outbox: `{_id: cursor, source, kind, device, at, detail}`.
//!
//! Each node appends behind the greatest cursor there is; the unique `_id` decides when two do so at once, and the loser goes
//! behind. So cursors have no gaps that could be filled later, and who reads on from a cursor misses nothing. `source` names the
//! journal entry that an event comes from, so that one that is brought about again is not told twice.

use acs_core::change::OutboxEvent;
use mongodb::Collection;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error, ErrorKind};
use tokio::sync::{mpsc, oneshot, watch};

use super::values::{bson_json, date, json_bson, time_of, time_or_number};
use super::{DUPLICATE_KEY, MongoStore, failed};
use crate::{StoreError, StoredEvent};

/// Events that are appended at once, at most.
const BATCH: usize = 500;
/// Events between two rounds of pruning.
const PRUNE_STEP: i64 = 1_000;
/// The document of `counters` that says below which cursor nothing comes again.
const FLOOR: &str = "outbox";

/// Events that wait to be appended, and who waits for that.
struct Waiting {
    events: Vec<Document>,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// Appends events, those that wait together at once.
#[derive(Clone)]
pub struct Outbox {
    waiting: mpsc::UnboundedSender<Waiting>,
}

struct Appender {
    outbox: Collection<Document>,
    counters: Collection<Document>,
    told: watch::Sender<i64>,
    length: i64,
    /// The greatest cursor that was seen.
    last: Option<i64>,
}

impl Outbox {
    /// Starts the one that appends. It ends with the last clone of what is returned.
    pub fn start(
        outbox: Collection<Document>,
        counters: Collection<Document>,
        told: watch::Sender<i64>,
        length: u32,
    ) -> Outbox {
        let (waiting, receiver) = mpsc::unbounded_channel();
        let appender = Appender { outbox, counters, told, length: i64::from(length), last: None };
        tokio::spawn(appender.run(receiver));
        Outbox { waiting }
    }

    /// Appends events that come from a journal entry or another source; durable when it returns.
    pub async fn append(&self, source: ObjectId, events: &[OutboxEvent]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let (done, answer) = oneshot::channel();
        let events = events.iter().enumerate().map(|(number, event)| event_document(source, number, event)).collect();
        self.waiting.send(Waiting { events, done }).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

fn event_document(source: ObjectId, number: usize, event: &OutboxEvent) -> Document {
    doc! {
        "source": format!("{source}:{number}"),
        "kind": &event.kind,
        "device": &event.device,
        "at": date(event.at),
        "detail": json_bson(&event.detail, &[]),
    }
}

fn read_event(document: &Document) -> StoredEvent {
    let text = |name: &str| document.get_str(name).unwrap_or_default().to_owned();
    StoredEvent {
        cursor: document.get("_id").and_then(time_or_number).unwrap_or(0),
        event: OutboxEvent {
            kind: text("kind"),
            device: text("device"),
            at: time_of(document, "at").unwrap_or(0),
            detail: document.get("detail").map(bson_json).unwrap_or_default(),
        },
    }
}

impl Appender {
    async fn run(mut self, mut receiver: mpsc::UnboundedReceiver<Waiting>) {
        let mut crowd = Vec::new();
        while receiver.recv_many(&mut crowd, BATCH).await > 0 {
            let events = crowd.iter_mut().flat_map(|waiting| std::mem::take(&mut waiting.events)).collect();
            let outcome = self.append(events).await;
            if outcome.is_err() {
                // What was appended is not known.
                self.last = None;
            }
            for waiting in crowd.drain(..) {
                // Who has gone away does not want to know.
                let _ = waiting.done.send(outcome.clone());
            }
        }
    }

    async fn append(&mut self, mut events: Vec<Document>) -> Result<(), StoreError> {
        let doing = "writing events";
        while !events.is_empty() {
            let first = match self.last {
                Some(last) => last,
                None => last_cursor(&self.outbox, &self.counters).await?,
            } + 1;
            for (cursor, event) in (first..).zip(&mut events) {
                event.insert("_id", cursor);
            }
            let (appended, error) = match self.outbox.insert_many(&events).ordered(true).await {
                Ok(_) => (events.len(), None),
                Err(error) => (first_duplicate(&error).ok_or_else(|| failed(doing)(error))?, Some(())),
            };
            events.drain(..appended);
            self.last = error.is_none().then_some(first - 1 + appended as i64);
            if let (Some(()), Some(refused)) = (error, events.first()) {
                // Its cursor was taken, or it has been told before.
                let source = refused.get("source").cloned().unwrap_or(Bson::Null);
                if self.outbox.find_one(doc! { "source": source }).await.map_err(failed(doing))?.is_some() {
                    events.remove(0);
                }
            }
            tell(&self.told, first - 1 + appended as i64);
        }
        self.prune().await
    }

    async fn prune(&self) -> Result<(), StoreError> {
        match self.last {
            Some(last) if last > self.length + PRUNE_STEP => {
                let oldest =
                    self.outbox.find_one(doc! {}).sort(doc! { "_id": 1 }).await.map_err(failed("pruning events"))?;
                let oldest =
                    oldest.as_ref().and_then(|event| event.get("_id")).and_then(time_or_number).unwrap_or(last);
                if oldest <= last - self.length - PRUNE_STEP {
                    let old = doc! { "_id": { "$lte": last - self.length } };
                    self.outbox.delete_many(old).await.map_err(failed("pruning events"))?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Says what the last cursor is, to those who have not heard of it.
pub fn tell(told: &watch::Sender<i64>, value: i64) {
    told.send_if_modified(|known| {
        let has_grown = value > *known;
        *known = value.max(*known);
        has_grown
    });
}

/// The place of the first document of a batch that was refused because of a unique index; those before it are stored.
fn first_duplicate(error: &Error) -> Option<usize> {
    match &*error.kind {
        ErrorKind::InsertMany(error) => {
            let first = error.write_errors.as_ref()?.first()?;
            (first.code == DUPLICATE_KEY).then_some(first.index)
        }
        _ => None,
    }
}

/// The last event's cursor; 0 before the first.
pub async fn last_cursor(outbox: &Collection<Document>, counters: &Collection<Document>) -> Result<i64, StoreError> {
    let doing = "reading the last event";
    let last = outbox.find_one(doc! {}).sort(doc! { "_id": -1 }).projection(doc! { "_id": 1 });
    let last = last.await.map_err(failed(doing))?;
    let cursor = last.as_ref().and_then(|event| event.get("_id")).and_then(time_or_number);
    if let Some(cursor) = cursor {
        return Ok(cursor);
    }
    let floor = counters.find_one(doc! { "_id": FLOOR }).await.map_err(failed(doing))?;
    Ok(floor.as_ref().and_then(|floor| floor.get("value")).and_then(time_or_number).unwrap_or(0))
}

impl MongoStore {
    /// Tells events that come from no journal.
    pub(super) async fn tell(&self, events: Vec<OutboxEvent>) -> Result<(), StoreError> {
        self.outbox_writer.append(ObjectId::new(), &events).await
    }

    /// Events behind a cursor.
    pub(super) async fn read_events(&self, cursor: i64, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        let doing = "reading events";
        if limit == 0 {
            return Ok(Vec::new());
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = self.outbox.find(doc! { "_id": { "$gt": cursor } }).sort(doc! { "_id": 1 }).limit(limit);
        let mut found = found.await.map_err(failed(doing))?;
        let mut events = Vec::new();
        while found.advance().await.map_err(failed(doing))? {
            events.push(read_event(&found.deserialize_current().map_err(failed(doing))?));
        }
        Ok(events)
    }

    /// Removes events up to a cursor. Cursors grow on from there, also when none is left.
    pub(super) async fn remove_events(&self, up_to: i64) -> Result<u64, StoreError> {
        let doing = "pruning events";
        let last = last_cursor(&self.outbox, &self.counters).await?;
        let floor = doc! { "$max": { "value": up_to.min(last) } };
        self.counters.update_one(doc! { "_id": FLOOR }, floor).upsert(true).await.map_err(failed(doing))?;
        let removed = self.outbox.delete_many(doc! { "_id": { "$lte": up_to } }).await.map_err(failed(doing))?;
        Ok(removed.deleted_count)
    }
}
