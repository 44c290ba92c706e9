//! Lists, read with cursors as whoever takes them goes on.
//!
//! Devices come in the server's order, and what it cannot answer is asked of each. Documents come in the order of their ids, and
//! are narrowed down by the server only by what every one of them has; in any other order the matches are gathered first, no
//! more of them than the limit asks for.

use std::sync::{Arc, Mutex};

use acs_core::device::StoredDevice;
use acs_core::query::{JsonRecord, Query, compare_records};
use mongodb::Cursor;
use mongodb::bson::{Bson, Document, doc};
use serde_json::Value as Json;
use tokio::sync::mpsc;

use super::devices::{WITHOUT_LEASE, read_device};
use super::filter::Plan;
use super::records::{read_fault, read_operation};
use super::tasks::read_task;
use super::transfers::listed_transfer;
use super::values::{document_json, id_of, object_id};
use super::{MongoStore, failed, files};
use crate::listing::{Found, gather, is_by_id, operation_document, pinned, put_in_order};
use crate::{DATE_FIELDS, DeviceRecord, Find, Listing, QueryReport, Records, StoreError};

/// Records read ahead of whoever takes them.
const AHEAD: usize = 32;
/// Devices per batch of a cursor: large ones have megabytes.
const DEVICES: u32 = 64;

type Report = Arc<Mutex<QueryReport>>;

/// The next document of a cursor.
async fn next(cursor: &mut Cursor<Document>, doing: &'static str) -> Result<Option<Document>, StoreError> {
    match cursor.advance().await.map_err(failed(doing))? {
        true => cursor.deserialize_current().map(Some).map_err(failed(doing)),
        false => Ok(None),
    }
}

impl MongoStore {
    /// Devices, as they are read.
    pub(super) fn list_devices(&self, find: Find) -> Records<StoredDevice> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let report: Report = Arc::default();
        let store = self.clone();
        let records = Records::with_report(receiver, report.clone());
        tokio::spawn(async move {
            if let Err(error) = store.send_devices(find, &sender, &report).await {
                // Whoever has gone away does not want to know.
                let _ = sender.send(Err(error)).await;
            }
        });
        records
    }

    async fn send_devices(
        &self,
        find: Find,
        sender: &mpsc::Sender<Result<StoredDevice, StoreError>>,
        report: &Report,
    ) -> Result<(), StoreError> {
        let doing = "listing devices";
        let plan = Plan::of(&find.filter, &find.sort, &self.indexed());
        // Without an index the server looks at every one.
        let is_scan = !plan.used_index && find.filter != Query::True;
        let scanned = match is_scan {
            true => self.devices.estimated_document_count().await.map_err(failed(doing))?,
            false => 0,
        };
        if let Ok(mut report) = report.lock() {
            *report = QueryReport { scanned, used_index: plan.used_index, suggestion: plan.suggestion };
        }
        if find.limit == Some(0) {
            return Ok(());
        }
        let is_exact = plan.rest == Query::True && plan.is_sorted;
        let without: Document = WITHOUT_LEASE.iter().map(|path| ((*path).to_owned(), Bson::Int32(0))).collect();
        let query = self.devices.find(plan.filter).sort(plan.sort).projection(without).allow_disk_use(true);
        let mut query = query.batch_size(DEVICES);
        if is_exact {
            query = query.skip(find.skip as u64);
            if let Some(limit) = find.limit {
                query = query.limit(i64::try_from(limit).unwrap_or(i64::MAX));
            }
        }
        let mut cursor = query.await.map_err(failed(doing))?;
        let (mut skip, mut left) = (if is_exact { 0 } else { find.skip }, find.limit.unwrap_or(usize::MAX));
        let wanted = skip.saturating_add(left);
        let mut gathered: Vec<StoredDevice> = Vec::new();
        while left > 0
            && let Some(document) = next(&mut cursor, doing).await?
        {
            if !is_scan && let Ok(mut report) = report.lock() {
                report.scanned += 1;
            }
            let device = match read_device(&document) {
                Ok(device) => device,
                Err(error) => {
                    tracing::error!(%error, device = id_of(&document), "a stored device is damaged and left out of lists");
                    continue;
                }
            };
            if !plan.rest.matches(&DeviceRecord::of(&device)) {
                continue;
            }
            if !plan.is_sorted {
                gathered.push(device);
                if gathered.len() > wanted.saturating_mul(2).saturating_add(1_000) {
                    sort_devices(&mut gathered, &find, wanted);
                }
            } else if skip > 0 {
                skip -= 1;
            } else {
                left -= 1;
                if sender.send(Ok(device)).await.is_err() {
                    return Ok(());
                }
            }
        }
        sort_devices(&mut gathered, &find, wanted);
        for device in gathered.into_iter().skip(skip) {
            if sender.send(Ok(device)).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// How many devices satisfy a query.
    pub(super) async fn number_of_devices(&self, filter: Query) -> Result<u64, StoreError> {
        let doing = "counting devices";
        let plan = Plan::of(&filter, &[], &[]);
        if plan.rest == Query::True {
            return self.devices.count_documents(plan.filter).await.map_err(failed(doing));
        }
        let mut records = self.list_devices(Find { filter, ..Find::default() });
        let mut count = 0;
        while let Some(device) = records.next().await {
            device?;
            count += 1;
        }
        Ok(count)
    }

    /// Documents, as they are read.
    pub(super) fn list_documents(&self, listing: Listing, find: Find) -> Records<Json> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let report: Report = Arc::default();
        let store = self.clone();
        let records = Records::with_report(receiver, report.clone());
        tokio::spawn(async move {
            if let Err(error) = store.send_documents(listing, find, &sender, &report).await {
                // Whoever has gone away does not want to know.
                let _ = sender.send(Err(error)).await;
            }
        });
        records
    }

    async fn send_documents(
        &self,
        listing: Listing,
        find: Find,
        sender: &mpsc::Sender<Result<Json, StoreError>>,
        report: &Report,
    ) -> Result<(), StoreError> {
        let is_in_order = is_by_id(&find.sort);
        let (mut skip, mut left) = (find.skip, find.limit.unwrap_or(usize::MAX));
        let wanted = skip.saturating_add(left);
        let mut gathered: Vec<Found> = Vec::new();
        let mut cursor = self.candidates(listing, &find.filter).await?;
        while left > 0
            && let Some(document) = next(&mut cursor, "listing documents").await?
        {
            if let Ok(mut report) = report.lock() {
                report.scanned += 1;
            }
            let Some(found) = matching(listing, &document, &find.filter) else { continue };
            if !is_in_order {
                gather(&mut gathered, vec![found], &find.sort, wanted);
            } else if skip > 0 {
                skip -= 1;
            } else {
                left -= 1;
                if sender.send(Ok(found.1)).await.is_err() {
                    return Ok(());
                }
            }
        }
        put_in_order(&mut gathered, &find.sort, wanted);
        for (_, document) in gathered.into_iter().skip(skip) {
            if sender.send(Ok(document)).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// How many documents satisfy a query.
    pub(super) async fn number_of_documents(&self, listing: Listing, filter: Query) -> Result<u64, StoreError> {
        let mut cursor = self.candidates(listing, &filter).await?;
        let mut count = 0;
        while let Some(document) = next(&mut cursor, "counting documents").await? {
            count += u64::from(matching(listing, &document, &filter).is_some());
        }
        Ok(count)
    }

    /// Documents of a listing that may satisfy a query, in the order of their ids.
    async fn candidates(&self, listing: Listing, filter: &Query) -> Result<Cursor<Document>, StoreError> {
        let mut narrowed = match listing {
            Listing::Tasks => super::tasks::all_open_tasks(),
            _ => Document::new(),
        };
        // An upload is listed under the id of its transfer.
        let has_own_id = listing != Listing::Uploads;
        if has_own_id && let Some(ids) = pinned(filter, "_id") {
            let ids: Vec<Bson> = ids.into_iter().map(|id| stored_id(listing, id)).collect();
            narrowed.insert("_id", doc! { "$in": ids });
        }
        let has_device = matches!(listing, Listing::Tasks | Listing::Faults | Listing::Transfers | Listing::Uploads);
        if has_device && let Some(devices) = pinned(filter, "device") {
            narrowed.insert("device", doc! { "$in": devices });
        }
        let (collection, order) = match listing {
            Listing::Tasks => (self.tasks.clone(), doc! { "_id": 1 }),
            Listing::Faults => (self.faults.clone(), doc! { "_id": 1 }),
            Listing::Operations => (self.operations.clone(), doc! { "_id": 1 }),
            Listing::Transfers => (self.transfers.clone(), doc! { "_id": 1 }),
            Listing::Files => (self.bucket(false).files().clone(), doc! { "_id": 1 }),
            Listing::Uploads => (self.bucket(true).files().clone(), doc! { "device": 1, "commandKey": 1 }),
            Listing::Documents(collection) => (self.documents(collection), doc! { "_id": 1 }),
        };
        let found = collection.find(narrowed).sort(order).allow_disk_use(true);
        found.await.map_err(failed("listing documents"))
    }
}

fn sort_devices(devices: &mut Vec<StoredDevice>, find: &Find, wanted: usize) {
    devices.sort_by(|left, right| {
        compare_records(&find.sort, &DeviceRecord::of(left), &DeviceRecord::of(right))
            .then_with(|| left.head.id.cmp(&right.head.id))
    });
    devices.truncate(wanted);
}

fn stored_id(listing: Listing, id: &str) -> Bson {
    match listing {
        Listing::Tasks => object_id(id),
        _ => Bson::String(id.to_owned()),
    }
}

/// A stored document as lists show it, if it satisfies the query. One that cannot be read is left out.
fn matching(listing: Listing, document: &Document, filter: &Query) -> Option<Found> {
    match shown(listing, document) {
        Ok(found) => filter.matches(&JsonRecord::with_dates(&found.1, &DATE_FIELDS)).then_some(found),
        Err(error) => {
            tracing::error!(%error, "a stored record is damaged and left out of lists");
            None
        }
    }
}

fn shown(listing: Listing, document: &Document) -> Result<Found, StoreError> {
    let id = id_of(document);
    let json = match listing {
        Listing::Tasks => read_task(document)?.document(),
        Listing::Faults => read_fault(document)?.document(),
        Listing::Operations => operation_document(&id, &read_operation(document)?),
        Listing::Transfers => listed_transfer(document)?,
        Listing::Files | Listing::Uploads => files::read_file(document).document(),
        Listing::Documents(_) => Json::Object(document_json(document)),
    };
    let id = json["_id"].as_str().map_or(id, str::to_owned);
    Ok((id, json))
}
