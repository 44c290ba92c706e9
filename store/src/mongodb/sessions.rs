//! Sessions: what one starts from, and what it changes.
//!
//! A quiet session takes two round trips. The first takes the lease and reads the device, and beside it reads what waits in other
//! collections. The second writes the changes and gives the lease back. One that learnt something of the tree reads the document
//! once more before it writes, so that only what differs is written.

use std::time::Duration;

use acs_core::change::{DeviceSnapshot, SessionChange};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};

use super::devices::{head_changes, new_device, read_device, revision_of, tag_text_changes};
use super::journal::{Effect, Entry};
use super::leases::{Claim, PATH, held, own_lease, set_free, token};
use super::records::{read_fault, read_operation};
use super::tasks::{UNDECIDED, open_tasks, read_task};
use super::transfers::{read_transfer, watched_transfers};
use super::tree::{Difference, compare_trees};
use super::values::time_or_number;
use super::{MongoStore, failed, is_duplicate};
use crate::{Lease, StoreError};

/// How long a new device's lease holds while its document is made.
const WHILE_MAKING: Duration = Duration::from_secs(30);

/// What waits for a device outside of its document.
struct Around {
    /// The document's revision before anything else was read; `None` when there was none.
    revision: Option<i64>,
    snapshot: DeviceSnapshot,
}

/// The texts between which a device's records are, in collections by `<device>:<key>`. Device IDs have no colon.
fn of_device(device: &str) -> Document {
    doc! { "_id": { "$gte": format!("{device}:"), "$lt": format!("{device};") } }
}

impl MongoStore {
    /// Reads what waits for a device, in one command.
    async fn read_around(&self, device: &str) -> Result<Around, StoreError> {
        let doing = "reading what waits for a device";
        let union = |collection: &str, filter: Document| {
            let project = doc! { "_id": 0, "from": { "$literal": collection }, "document": "$$ROOT" };
            let pipeline = vec![doc! { "$match": filter }, doc! { "$project": project }];
            doc! { "$unionWith": { "coll": collection, "pipeline": pipeline } }
        };
        // The revision comes first: if it is that of the document as it is under the lease, the rest is no older.
        let pipeline = vec![
            doc! { "$match": { "_id": device } },
            doc! { "$project": { "_id": 0, "revision": { "$ifNull": ["$_lodestar.revision", 0_i64] } } },
            union(self.tasks.name(), open_tasks(device)),
            union(self.faults.name(), of_device(device)),
            union(self.operations.name(), of_device(device)),
            union(self.transfers.name(), watched_transfers(device)),
        ];
        let mut found = self.devices.aggregate(pipeline).await.map_err(failed(doing))?;
        let (mut revision, mut snapshot) = (None, DeviceSnapshot::default());
        while found.advance().await.map_err(failed(doing))? {
            let row = found.deserialize_current().map_err(failed(doing))?;
            let Ok(document) = row.get_document("document") else {
                revision = row.get("revision").and_then(time_or_number);
                continue;
            };
            let read = match row.get_str("from").unwrap_or_default() {
                "tasks" => read_task(document).map(|task| snapshot.tasks.push(task)),
                "faults" => read_fault(document).map(|fault| snapshot.faults.push(fault)),
                "operations" => read_operation(document).map(|operation| snapshot.operations.push(operation)),
                _ => read_transfer(document).map(|transfer| snapshot.transfers.extend(transfer)),
            };
            if let Err(error) = read {
                tracing::error!(%error, device, "a stored record is damaged and left out of the session");
            }
        }
        snapshot.tasks.sort_by(|left, right| (left.timestamp, &left.id).cmp(&(right.timestamp, &right.id)));
        Ok(Around { revision, snapshot })
    }

    /// Takes the lease on a device, and reads everything that its session starts from. `None`: another owner has it.
    pub(super) async fn open_under_lease(
        &self,
        claim: Claim<'_>,
    ) -> Result<Option<(Lease, DeviceSnapshot)>, StoreError> {
        loop {
            let (document, around) =
                tokio::try_join!(self.take_in_device(claim, true), self.read_around(claim.device))?;
            if let Some(document) = document {
                let Some(lease) = own_lease(&document, claim.device, claim.owner) else { return Ok(None) };
                return match self.complete(document, around).await {
                    Ok(snapshot) => Ok(Some((lease, snapshot))),
                    Err(error) => {
                        self.free(&lease).await?;
                        Err(error)
                    }
                };
            }
            if let Some(lease) = self.take_apart(claim).await? {
                return Ok(lease.map(|lease| (lease, DeviceSnapshot { device: None, ..around.snapshot })));
            }
        }
    }

    /// Everything that a device's session would start from now.
    pub(super) async fn open(&self, device: &str) -> Result<DeviceSnapshot, StoreError> {
        let (document, around) = tokio::try_join!(self.device_document(device), self.read_around(device))?;
        match document {
            Some(document) => self.complete(document, around).await,
            None => Ok(DeviceSnapshot { device: None, ..around.snapshot }),
        }
    }

    /// Puts a device with what waits for it, which is read again if it was read too early.
    async fn complete(&self, mut document: Document, mut around: Around) -> Result<DeviceSnapshot, StoreError> {
        let id = super::values::id_of(&document);
        let left_over = Entry::all_in(&document)?;
        for entry in &left_over {
            self.bring_about(&id, entry, None).await?;
        }
        if !left_over.is_empty() {
            document = self.device_document(&id).await?.ok_or(StoreError::NoSuchDevice(id.clone()))?;
        }
        if around.revision != Some(revision_of(&document)) {
            around = self.read_around(&id).await?;
        }
        Ok(DeviceSnapshot { device: Some(read_device(&document)?), ..around.snapshot })
    }

    pub(super) async fn device_document(&self, device: &str) -> Result<Option<Document>, StoreError> {
        self.devices.find_one(doc! { "_id": device }).await.map_err(failed("reading a device"))
    }

    pub(super) async fn device_exists(&self, device: &str) -> Result<bool, StoreError> {
        let found = self.devices.find_one(doc! { "_id": device }).projection(doc! { "_id": 1 });
        Ok(found.await.map_err(failed("looking up a device"))?.is_some())
    }

    /// Writes what a session changed. With `is_end` the lease is given back with it.
    pub(super) async fn commit(
        &self,
        change: SessionChange,
        lease: Option<&Lease>,
        is_end: bool,
    ) -> Result<(), StoreError> {
        let device = change.head.id.clone();
        let (set, removed): (Vec<_>, Vec<_>) = change.tags.iter().partition(|(_, value)| value.is_some());
        // An update cannot add to a list and take from it.
        let names = |tags: &[&(String, Option<_>)]| tags.iter().map(|(tag, _)| tag.clone()).collect::<Vec<_>>();
        let untag = if set.is_empty() { Vec::new() } else { names(&removed) };
        let entry = Entry::of_session(&change, untag)?;
        let journal = entry.as_ref().map(Entry::to_document).transpose()?;
        // The lease is given back when everything is done.
        let frees_at_once = is_end && entry.is_none();

        let mut operators = Document::new();
        if !set.is_empty() {
            operators.insert("$addToSet", doc! { "_tags": { "$each": names(&set) } });
        } else if !removed.is_empty() {
            operators.insert("$pull", doc! { "_tags": { "$in": names(&removed) } });
        }
        if let Some(journal) = &journal {
            operators.insert("$push", doc! { "_lodestar.journal": journal.clone() });
        }
        if journal.is_some() || change.tree.is_some() {
            operators.insert("$inc", doc! { "_lodestar.revision": 1_i64 });
        }
        loop {
            let mut difference = head_changes(&change.head);
            tag_text_changes(&mut difference, &change.tags);
            let mut filter = lease.map_or_else(|| doc! { "_id": &device }, held);
            let is_known = match &change.tree {
                None => true,
                Some(tree) => match self.device_document(&device).await? {
                    None => false,
                    Some(document) => {
                        filter.insert("_lodestar.revision", revision_filter(&document));
                        let mut of_tree = Difference::default();
                        compare_trees(&mut of_tree, &super::tree::read_tree(&document), tree);
                        difference.set.extend(of_tree.set);
                        difference.unset.extend(of_tree.unset);
                        true
                    }
                },
            };
            if frees_at_once {
                set_free(&mut difference.set);
            }
            if is_known && self.update_device(filter, &operators, difference).await? {
                break;
            }
            match self.why_not(&device, lease, &change).await? {
                Missed::Changed => continue,
                Missed::Unknown => {}
            }
            let mut document = new_device(&change.head, change.tree.as_deref(), &change.tags);
            let own = document.entry("_lodestar".to_owned()).or_insert_with(|| Document::new().into());
            if let Some(own) = own.as_document_mut() {
                own.insert("revision", 1_i64);
                if let Some(journal) = &journal {
                    own.insert("journal", [journal.clone()].to_vec());
                }
                if let Some(lease) = lease {
                    own.insert("lease", self.lease_for_new(lease, frees_at_once).await?);
                }
            }
            match self.devices.insert_one(document).await {
                Ok(_) => {
                    if let Some(lease) = lease {
                        self.leases.delete_one(held(lease)).await.map_err(failed("moving a lease"))?;
                    }
                    break;
                }
                // Another first contact has made it; this one becomes a later session.
                Err(error) if is_duplicate(&error) => self.adopt(lease).await?,
                Err(error) => return Err(failed("writing a new device")(error)),
            }
        }
        match entry {
            Some(entry) => self.bring_about(&device, &entry, lease.filter(|_| is_end)).await,
            None => Ok(()),
        }
    }

    async fn update_device(
        &self,
        filter: Document,
        operators: &Document,
        difference: Difference,
    ) -> Result<bool, StoreError> {
        let mut update = operators.clone();
        update.insert("$set", difference.set);
        if !difference.unset.is_empty() {
            update.insert("$unset", difference.unset);
        }
        let updated = self.devices.update_one(filter, update).await.map_err(failed("writing a session"))?;
        Ok(updated.matched_count > 0)
    }

    /// Why there was nothing to update.
    async fn why_not(&self, device: &str, lease: Option<&Lease>, change: &SessionChange) -> Result<Missed, StoreError> {
        match self.device_document(device).await? {
            Some(document) => match lease {
                Some(lease) if own_lease(&document, device, &lease.owner).as_ref() != Some(lease) => {
                    Err(StoreError::LeaseLost(device.to_owned()))
                }
                _ => Ok(Missed::Changed),
            },
            None if !change.is_new => Err(StoreError::NoSuchDevice(device.to_owned())),
            None => match lease {
                Some(lease) if !self.prolong(lease, WHILE_MAKING).await? => {
                    Err(StoreError::LeaseLost(device.to_owned()))
                }
                _ => Ok(Missed::Unknown),
            },
        }
    }

    /// A new device's lease: the one that it had before its document was made.
    async fn lease_for_new(&self, lease: &Lease, is_free: bool) -> Result<Document, StoreError> {
        if is_free {
            return Ok(doc! { "owner": "", "token": token(lease), "expires": super::date(0) });
        }
        let known = self.leases.find_one(held(lease)).await.map_err(failed("moving a lease"))?;
        let inner = known.as_ref().and_then(|known| known.get_document("_lodestar").ok());
        let inner = inner.and_then(|own| own.get_document("lease").ok());
        inner.cloned().ok_or_else(|| StoreError::LeaseLost(lease.device.clone()))
    }

    /// Makes a lease that was taken apart from the document the document's own, when nobody else has that.
    async fn adopt(&self, lease: Option<&Lease>) -> Result<(), StoreError> {
        let Some(lease) = lease else { return Ok(()) };
        let moved = self.lease_for_new(lease, false).await?;
        let filter = doc! { "_id": &lease.device, format!("{PATH}.token"): null };
        self.devices.update_one(filter, doc! { "$set": { PATH: moved } }).await.map_err(failed("moving a lease"))?;
        self.leases.delete_one(held(lease)).await.map(|_| ()).map_err(failed("moving a lease"))
    }

    /// Writes an entry into a device's journal and brings it about. Returns whether the device is there.
    pub(super) async fn write_entry(&self, device: &str, entry: Entry) -> Result<bool, StoreError> {
        let update = doc! {
            "$push": { "_lodestar.journal": entry.to_document()? },
            "$inc": { "_lodestar.revision": 1_i64 },
        };
        let written =
            self.devices.update_one(doc! { "_id": device }, update).await.map_err(failed("writing a journal"))?;
        if written.matched_count == 0 {
            return Ok(false);
        }
        self.bring_about(device, &entry, None).await.map(|()| true)
    }

    /// Does what an entry says, then takes it out of the journal, and gives back the lease, if one is given.
    pub(super) async fn bring_about(
        &self,
        device: &str,
        entry: &Entry,
        lease: Option<&Lease>,
    ) -> Result<(), StoreError> {
        let mut events = Vec::new();
        for effect in &entry.effects {
            match effect {
                Effect::Tell { event } => events.push(event.clone()),
                effect => self.bring_about_one(device, effect).await?,
            }
        }
        self.outbox_writer.append(entry.id, &events).await?;
        self.forget_entry(device, entry.id, lease).await
    }

    async fn forget_entry(&self, device: &str, entry: ObjectId, lease: Option<&Lease>) -> Result<(), StoreError> {
        let mut update = doc! {
            "$pull": { "_lodestar.journal": { "id": entry } },
            "$inc": { "_lodestar.revision": 1_i64 },
        };
        let mut is_freed = false;
        if let Some(lease) = lease {
            let mut set = Document::new();
            set_free(&mut set);
            let mut freeing = update.clone();
            freeing.insert("$set", set);
            let freed = self.devices.update_one(held(lease), freeing).await.map_err(failed("closing a journal"))?;
            is_freed = freed.matched_count > 0;
        }
        if !is_freed {
            update.remove("$set");
            self.devices.update_one(doc! { "_id": device }, update).await.map_err(failed("closing a journal"))?;
        }
        Ok(())
    }

    async fn bring_about_one(&self, device: &str, effect: &Effect) -> Result<(), StoreError> {
        let doing = "writing a session's records";
        match effect {
            Effect::Put { collection, document } => {
                let filter = doc! { "_id": document.get("_id").cloned() };
                let place = self.database.collection::<Document>(collection);
                place.replace_one(filter, document).upsert(true).await.map(|_| ()).map_err(failed(doing))
            }
            Effect::Remove { collection, id } => {
                let place = self.database.collection::<Document>(collection);
                place.delete_one(doc! { "_id": id }).await.map(|_| ()).map_err(failed(doing))
            }
            Effect::Transfer { command_key, record } => self.put_transfer(device, command_key, record).await,
            Effect::Task { document } => {
                let filter = doc! { "_id": document.get("_id").cloned() };
                self.tasks.replace_one(filter, document).upsert(true).await.map(|_| ()).map_err(failed(doing))
            }
            Effect::Move { change } => self.change_state(&UNDECIDED, change).await.map(|_| ()),
            Effect::Untag { tags } => {
                let update = doc! { "$pull": { "_tags": { "$in": tags } } };
                let filter = doc! { "_id": device };
                self.devices.update_one(filter, update).await.map(|_| ()).map_err(failed(doing))
            }
            // Those are told together.
            Effect::Tell { .. } => Ok(()),
        }
    }
}

/// Why an update found nothing to write to.
enum Missed {
    /// The document has changed since it was read.
    Changed,
    /// The device is unknown.
    Unknown,
}

/// What matches a document in the revision that was read; none is the revision of what another program wrote.
fn revision_filter(document: &Document) -> mongodb::bson::Bson {
    let own = document.get_document("_lodestar").ok();
    own.and_then(|own| own.get("revision")).cloned().unwrap_or(mongodb::bson::Bson::Null)
}
