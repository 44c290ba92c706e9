//! A store as somebody may see it: every read and every change is kept within a scope.
//!
//! The scope is joined to each query here and nowhere else, so each store answers it with its own indexes, and whoever has a
//! [`ScopedStore`] and nothing else cannot forget it. What is outside a scope is not there: reads do not find it, and changes
//! answer as they do for what does not exist. Only what would be written outside, and what a [`Guard`] does not permit, is denied.
//!
//! Not here: who has which scope.

use std::collections::HashSet;
use std::sync::Arc;

use acs_core::device::StoredDevice;
use acs_core::query::{JsonRecord, Operand, Query};
use acs_core::task::Task;
use acs_core::value::Value;
use serde_json::{Map, Value as Json};
use tokio::sync::mpsc;

use crate::{Collection, DATE_FIELDS, FileInfo, FileMetadata, FileWriter, Find, Listing, Records, Store, StoreError};

/// Records whose devices are asked for together.
const BATCH: usize = 100;
/// Records read ahead of whoever takes them.
const AHEAD: usize = 64;

/// Which records somebody may see or change, and how.
#[derive(Clone)]
pub struct Scope {
    devices: Query,
    records: Query,
    guard: Option<Arc<dyn Guard>>,
}

/// Decides on changes within a scope.
pub trait Guard: Send + Sync {
    /// Whether a change may be made.
    fn permits(&self, change: &Change<'_>) -> bool;
}

/// A change that somebody wants to make.
#[derive(Debug, Clone, Copy)]
pub struct Change<'c> {
    /// What kind it is.
    pub kind: ChangeKind,
    /// What is written: the document, the task, the tags with whether they are set; null where nothing is.
    pub content: &'c Json,
    /// What it is done to, as it is before.
    pub object: Object<'c>,
}

/// Kinds of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// A document, a file or a device's credentials are written.
    Put,
    /// Something is removed.
    Delete,
    /// A task is queued, or tried again.
    Task,
    /// Tags are set or removed.
    Tags,
    /// A user's password is set.
    Password,
}

/// What a change is done to.
#[derive(Debug, Clone, Copy)]
pub enum Object<'c> {
    /// Nothing that is there already.
    None,
    /// A device.
    Device(&'c StoredDevice),
    /// Any other record.
    Document(&'c Json),
}

/// Why a change was not made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ScopedError {
    /// The scope does not permit it.
    #[error("the change is not permitted")]
    Denied,
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Scope {
    /// No limits.
    pub fn everything() -> Scope {
        Scope::of(Query::True, Query::True)
    }

    /// `devices` limits devices and whatever belongs to one: tasks, faults, operations, transfers, uploads, credentials.
    /// `records` limits the records themselves of everything but devices; it is about one listing.
    pub fn of(devices: Query, records: Query) -> Scope {
        Scope { devices, records, guard: None }
    }

    /// The same scope with somebody who decides on each change.
    #[must_use]
    pub fn guarded_by(self, guard: Arc<dyn Guard>) -> Scope {
        Scope { guard: Some(guard), ..self }
    }

    /// Whether a change is permitted.
    ///
    /// # Errors
    /// [`ScopedError::Denied`]
    pub fn permit(&self, kind: ChangeKind, content: &Json, object: Object<'_>) -> Result<(), ScopedError> {
        let is_permitted = self.guard.as_ref().is_none_or(|guard| guard.permits(&Change { kind, content, object }));
        if is_permitted { Ok(()) } else { Err(ScopedError::Denied) }
    }

    /// Whether a record that is no device, and belongs to none, is within the scope.
    pub fn covers(&self, document: &Json) -> bool {
        self.records.matches(&JsonRecord::with_dates(document, &DATE_FIELDS))
    }
}

/// A store within a scope. Reads and changes are those of [`Store`].
#[derive(Clone)]
pub struct ScopedStore {
    store: Arc<dyn Store>,
    scope: Scope,
}

impl ScopedStore {
    /// A store within a scope.
    pub fn new(store: Arc<dyn Store>, scope: Scope) -> ScopedStore {
        ScopedStore { store, scope }
    }

    /// The store itself: for what was found within the scope already, and for what belongs to nobody.
    pub fn unscoped(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Whether there is no limit on devices.
    pub fn sees_all_devices(&self) -> bool {
        self.scope.devices == Query::True
    }

    /// Whether a change is permitted that is made in another way; see [`Scope::permit`].
    ///
    /// # Errors
    /// [`ScopedError::Denied`]
    pub fn permit(&self, kind: ChangeKind, content: &Json, object: Object<'_>) -> Result<(), ScopedError> {
        self.scope.permit(kind, content, object)
    }

    /// Devices.
    pub async fn find_devices(&self, find: Find) -> Result<Records<StoredDevice>, StoreError> {
        let filter = both(&self.scope.devices, find.filter);
        self.store.find_devices(Find { filter, ..find }).await
    }

    /// How many devices there are.
    pub async fn count_devices(&self, filter: Query) -> Result<u64, StoreError> {
        self.store.count_devices(both(&self.scope.devices, filter)).await
    }

    /// One device.
    pub async fn get_device(&self, device_id: &str) -> Result<Option<StoredDevice>, StoreError> {
        if self.sees_all_devices() {
            return self.store.get_device(device_id).await;
        }
        let find = Find { filter: Query::equal("_id", device_id), limit: Some(1), ..Find::default() };
        self.find_devices(find).await?.next().await.transpose()
    }

    /// Whether a device is within the scope. With no limit on devices unknown ones are, too.
    pub async fn sees_device(&self, device_id: &str) -> Result<bool, StoreError> {
        if self.sees_all_devices() {
            return Ok(true);
        }
        Ok(self.count_devices(Query::equal("_id", device_id)).await? > 0)
    }

    /// Removes a device with all that belongs to it. Returns whether it was there.
    pub async fn delete_device(&self, device_id: &str) -> Result<bool, ScopedError> {
        if !self.permit_on_device(ChangeKind::Delete, &Json::Null, device_id).await? {
            return Ok(false);
        }
        Ok(self.store.delete_device(device_id).await?)
    }

    /// Sets or removes tags of a device.
    pub async fn set_tags(&self, device_id: &str, tags: Vec<(String, Option<Value>)>) -> Result<(), ScopedError> {
        let content: Map<String, Json> =
            tags.iter().map(|(tag, value)| (tag.clone(), value.is_some().into())).collect();
        if !self.permit_on_device(ChangeKind::Tags, &content.into(), device_id).await? {
            return Err(StoreError::NoSuchDevice(device_id.to_owned()).into());
        }
        Ok(self.store.set_tags(device_id, tags).await?)
    }

    /// Writes (`Some`) or removes (`None`) the record of a device's credentials. The device need not be known when there is no limit
    /// on devices.
    pub async fn write_credentials(&self, device_id: &str, record: Option<Json>) -> Result<(), ScopedError> {
        if !self.sees_device(device_id).await? {
            return Err(ScopedError::Denied);
        }
        let kind = if record.is_some() { ChangeKind::Put } else { ChangeKind::Delete };
        if !self.permit_on_device(kind, &Json::Null, device_id).await? {
            self.scope.permit(kind, &Json::Null, Object::None)?;
        }
        match record {
            Some(record) => self.store.put(Collection::DeviceCredentials, device_id, record).await?,
            None => {
                self.store.delete(Collection::DeviceCredentials, device_id).await?;
            }
        }
        Ok(())
    }

    /// Documents of a listing.
    pub async fn find(&self, listing: Listing, find: Find) -> Result<Records<Json>, StoreError> {
        let Find { filter, sort, skip, limit } = find;
        let filter = both(&self.scope.records, filter);
        if !self.is_limited_by_device(listing) {
            return self.store.find(listing, Find { filter, sort, skip, limit }).await;
        }
        let records = self.store.find(listing, Find { filter, sort, skip: 0, limit: None }).await?;
        let mut owned = OwnedRecords { store: self.store.clone(), devices: self.scope.devices.clone(), records };
        let (sender, receiver) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            let (mut skip, mut left) = (skip, limit.unwrap_or(usize::MAX));
            while left > 0 && !sender.is_closed() {
                let batch = match owned.next_batch().await {
                    Ok(Some(batch)) => batch,
                    Ok(None) => return,
                    Err(error) => {
                        // Whoever has gone away does not want to know.
                        let _ = sender.send(Err(error)).await;
                        return;
                    }
                };
                let skipped = skip.min(batch.len());
                skip -= skipped;
                for document in batch.into_iter().skip(skipped).take(left) {
                    left -= 1;
                    if sender.send(Ok(document)).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Records::new(receiver))
    }

    /// How many documents of a listing there are.
    pub async fn count(&self, listing: Listing, filter: Query) -> Result<u64, StoreError> {
        let filter = both(&self.scope.records, filter);
        if !self.is_limited_by_device(listing) {
            return self.store.count(listing, filter).await;
        }
        let records = self.store.find(listing, Find { filter, ..Find::default() }).await?;
        let mut owned = OwnedRecords { store: self.store.clone(), devices: self.scope.devices.clone(), records };
        let mut count = 0;
        while let Some(batch) = owned.next_batch().await? {
            count += batch.len() as u64;
        }
        Ok(count)
    }

    /// One document of a listing with its `_id`.
    pub async fn find_one(&self, listing: Listing, id: &str) -> Result<Option<Json>, StoreError> {
        let find = Find { filter: Query::equal("_id", id), limit: Some(1), ..Find::default() };
        self.find(listing, find).await?.next().await.transpose()
    }

    /// One document with its `_id`.
    pub async fn get(&self, collection: Collection, id: &str) -> Result<Option<Json>, StoreError> {
        Ok(self.store.get(collection, id).await?.filter(|document| self.scope.covers(document)))
    }

    /// Stores a document under an id. Both what was there and what is written must be within the scope.
    pub async fn put(&self, collection: Collection, id: &str, document: Json) -> Result<(), ScopedError> {
        let before = self.store.get(collection, id).await?;
        let mut after = document;
        if let Json::Object(map) = &mut after {
            map.insert("_id".to_owned(), id.into());
        }
        if !before.as_ref().is_none_or(|before| self.scope.covers(before)) || !self.scope.covers(&after) {
            return Err(ScopedError::Denied);
        }
        self.scope.permit(ChangeKind::Put, &after, before.as_ref().map_or(Object::None, Object::Document))?;
        Ok(self.store.put(collection, id, after).await?)
    }

    /// Removes a document. Returns whether it was there.
    pub async fn delete(&self, collection: Collection, id: &str) -> Result<bool, ScopedError> {
        let Some(before) = self.get(collection, id).await? else { return Ok(false) };
        self.scope.permit(ChangeKind::Delete, &Json::Null, Object::Document(&before))?;
        Ok(self.store.delete(collection, id).await?)
    }

    /// Queues a task for a device.
    pub async fn insert_task(&self, task: Task) -> Result<(), ScopedError> {
        if !self.permit_on_device(ChangeKind::Task, &task.document(), &task.device).await? {
            return Err(StoreError::NoSuchDevice(task.device).into());
        }
        Ok(self.store.insert_task(task).await?)
    }

    /// A task in any state.
    pub async fn get_task(&self, id: &str) -> Result<Option<Task>, StoreError> {
        let Some(task) = self.store.get_task(id).await? else { return Ok(None) };
        let is_seen = self.scope.covers(&task.document()) && self.sees_device(&task.device).await?;
        Ok(is_seen.then_some(task))
    }

    /// Cancels a task that has not ended. Returns whether there was one.
    pub async fn cancel_task(&self, id: &str, at: i64) -> Result<bool, ScopedError> {
        let Some(task) = self.get_task(id).await? else { return Ok(false) };
        self.scope.permit(ChangeKind::Delete, &Json::Null, Object::Document(&task.document()))?;
        Ok(self.store.cancel_task(id, at).await?)
    }

    /// Removes a task's fault, so that the task is tried again. Returns whether the task is there.
    pub async fn retry_task(&self, id: &str, at: i64) -> Result<bool, ScopedError> {
        let Some(task) = self.get_task(id).await? else { return Ok(false) };
        let document = task.document();
        self.scope.permit(ChangeKind::Task, &document, Object::Document(&document))?;
        Ok(self.store.retry_task(id, at).await?)
    }

    /// Removes a fault; a task's fault takes its task along. Returns whether it was there.
    pub async fn delete_fault(&self, device_id: &str, channel: &str, at: i64) -> Result<bool, ScopedError> {
        let Some(fault) = self.find_one(Listing::Faults, &format!("{device_id}:{channel}")).await? else {
            return Ok(false);
        };
        self.scope.permit(ChangeKind::Delete, &Json::Null, Object::Document(&fault))?;
        Ok(self.store.delete_fault(device_id, channel, at).await?)
    }

    /// A description of a file for devices.
    pub async fn get_file(&self, name: &str) -> Result<Option<FileInfo>, StoreError> {
        Ok(self.store.get_file(name).await?.filter(|file| self.scope.covers(&file.document())))
    }

    /// Begins to write a file for devices.
    pub async fn create_file(&self, metadata: FileMetadata) -> Result<Box<dyn FileWriter>, ScopedError> {
        let before = self.store.get_file(&metadata.name).await?.map(|file| file.document());
        if !before.as_ref().is_none_or(|before| self.scope.covers(before)) {
            return Err(ScopedError::Denied);
        }
        let FileMetadata { name, file_type, oui, product_class, version, .. } = &metadata;
        let content = serde_json::json!({
            "_id": name,
            "metadata": { "fileType": file_type, "oui": oui, "productClass": product_class, "version": version },
        });
        self.scope.permit(ChangeKind::Put, &content, before.as_ref().map_or(Object::None, Object::Document))?;
        Ok(self.store.create_file(metadata).await?)
    }

    /// Removes a file for devices. Returns whether it was there.
    pub async fn delete_file(&self, name: &str) -> Result<bool, ScopedError> {
        let Some(file) = self.get_file(name).await? else { return Ok(false) };
        self.scope.permit(ChangeKind::Delete, &Json::Null, Object::Document(&file.document()))?;
        Ok(self.store.delete_file(name).await?)
    }

    /// The file that a device sent, by its `_id` in [`Listing::Uploads`].
    pub async fn get_upload(&self, id: &str) -> Result<Option<FileInfo>, StoreError> {
        let document = self.find_one(Listing::Uploads, id).await?;
        match document.as_ref().and_then(|document| document.get("filename")).and_then(Json::as_str) {
            Some(name) => self.store.get_file(name).await,
            None => Ok(None),
        }
    }

    /// Removes a file that a device sent. Returns whether it was there.
    pub async fn delete_upload(&self, id: &str) -> Result<bool, ScopedError> {
        let Some(file) = self.get_upload(id).await? else { return Ok(false) };
        self.scope.permit(ChangeKind::Delete, &Json::Null, Object::Document(&file.document()))?;
        Ok(self.store.delete_file(&file.metadata.name).await?)
    }

    /// Whether a device is there, and the change permitted. A device outside the scope is not there.
    async fn permit_on_device(&self, kind: ChangeKind, content: &Json, device_id: &str) -> Result<bool, ScopedError> {
        if self.scope.guard.is_none() {
            return Ok(self.sees_device(device_id).await?);
        }
        let Some(device) = self.get_device(device_id).await? else { return Ok(false) };
        self.scope.permit(kind, content, Object::Device(&device))?;
        Ok(true)
    }

    fn is_limited_by_device(&self, listing: Listing) -> bool {
        let belongs_to_device = match listing {
            Listing::Tasks | Listing::Faults | Listing::Operations | Listing::Transfers | Listing::Uploads => true,
            Listing::Documents(Collection::StarstateSessions) => true,
            Listing::Files | Listing::Documents(_) => false,
        };
        belongs_to_device && !self.sees_all_devices()
    }
}

/// Records whose devices must satisfy a query: asked for batch by batch, since no query reaches from a record to its device.
struct OwnedRecords {
    store: Arc<dyn Store>,
    devices: Query,
    records: Records<Json>,
}

impl OwnedRecords {
    /// Those of the next few records that may be seen; `None` at the end.
    async fn next_batch(&mut self) -> Result<Option<Vec<Json>>, StoreError> {
        let mut batch = Vec::new();
        while batch.len() < BATCH {
            match self.records.next().await {
                Some(document) => batch.push(document?),
                None => break,
            }
        }
        if batch.is_empty() {
            return Ok(None);
        }
        let owners: HashSet<&str> = batch.iter().filter_map(owner).collect();
        let values = owners.into_iter().map(|id| Operand::Text(id.to_owned())).collect();
        let filter = both(&self.devices, Query::In { field: "_id".to_owned(), values });
        let devices = self.store.find_devices(Find { filter, ..Find::default() }).await?.collect().await?;
        let seen: HashSet<&str> = devices.iter().map(|device| device.head.id.as_str()).collect();
        batch.retain(|document| owner(document).is_some_and(|owner| seen.contains(owner)));
        Ok(Some(batch))
    }
}

/// The device that a record belongs to.
fn owner(document: &Json) -> Option<&str> {
    document.get("device").and_then(Json::as_str)
}

fn both(scope: &Query, filter: Query) -> Query {
    Query::all(vec![scope.clone(), filter])
}
