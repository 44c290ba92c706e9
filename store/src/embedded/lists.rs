//! Lists of tasks, faults, operations, transfers, files and operators' documents, read page by page in the order of `_id`. In any other order
//! the matches are gathered first, no more of them than the limit asks for.

use std::sync::Arc;

use acs_core::fault::FaultRecord;
use acs_core::query::{JsonRecord, Query};
use acs_core::task::Task;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, params_from_iter};
use serde_json::Value as Json;
use tokio::sync::mpsc;

use super::devices::from_text;
use super::readers::{Lane, Readers};
use super::{failed, transfers};
use crate::listing::{Found, gather, is_by_id, operation_document, pinned, put_in_order};
use crate::{DATE_FIELDS, FileInfo, Find, Listing, QueryReport, Records, StoreError};

/// Documents per page.
const PAGE: usize = 200;
/// Documents read ahead of whoever takes them.
const AHEAD: usize = 64;

/// How a listing is read.
struct Table {
    /// The document's `_id`, in the words of an index.
    key: &'static str,
    /// Key and record of what is listed.
    from: &'static str,
    /// The column with the device, if the listing is about devices.
    device: Option<&'static str>,
}

impl Listing {
    fn table(self) -> Table {
        match self {
            Listing::Tasks => Table { key: "id", from: "record FROM task WHERE open = 1", device: Some("device") },
            Listing::Faults => {
                Table { key: "device || ':' || channel", from: "record FROM fault WHERE 1", device: Some("device") }
            }
            Listing::Operations => Table {
                key: "device || ':' || command_key",
                from: "record FROM operation WHERE 1",
                device: Some("device"),
            },
            Listing::Transfers => Table {
                key: "device || ':' || command_key",
                from: "json_object('record', json(record), 'movement', json(movement)) FROM transfer WHERE 1",
                device: Some("device"),
            },
            Listing::Files => {
                Table { key: "name", from: "record FROM file WHERE name IS NOT NULL AND device IS NULL", device: None }
            }
            Listing::Uploads => Table {
                key: "device || ':' || command_key",
                from: "record FROM file WHERE device IS NOT NULL",
                device: Some("device"),
            },
            Listing::Documents(_) => {
                Table { key: "id", from: "document FROM document WHERE collection = ?", device: None }
            }
        }
    }

    fn document(self, key: &str, text: &str) -> Result<Json, StoreError> {
        match self {
            Listing::Tasks => from_text::<Task>(key, text).map(|task| task.document()),
            Listing::Faults => from_text::<FaultRecord>(key, text).map(|fault| fault.document()),
            Listing::Operations => from_text(key, text).map(|operation| operation_document(key, &operation)),
            Listing::Transfers => transfers::listed_document(key, text),
            Listing::Files | Listing::Uploads => from_text::<FileInfo>(key, text).map(|file| file.document()),
            Listing::Documents(_) => from_text(key, text),
        }
    }
}

/// A list under way.
struct DocumentScan {
    listing: Listing,
    filter: Query,
    behind: Option<String>,
    is_finished: bool,
    scanned: u64,
}

/// Documents, as they are read.
pub fn find_documents(readers: Arc<Readers>, listing: Listing, find: Find) -> Records<Json> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let report: Arc<std::sync::Mutex<QueryReport>> = Arc::default();
    let records = Records::with_report(receiver, report.clone());
    tokio::spawn(async move {
        let mut scan = DocumentScan::new(listing, find.filter);
        let is_in_order = is_by_id(&find.sort);
        let mut skip = find.skip;
        let mut left = find.limit.unwrap_or(usize::MAX);
        let wanted = skip.saturating_add(left);
        let mut gathered: Vec<Found> = Vec::new();
        while left > 0 && !scan.is_finished && !sender.is_closed() {
            let page = match read_page(&readers, scan).await {
                Ok((next, page)) => {
                    scan = next;
                    page
                }
                Err(error) => {
                    // Whoever has gone away does not want to know.
                    let _ = sender.send(Err(error)).await;
                    return;
                }
            };
            if let Ok(mut report) = report.lock() {
                report.scanned = scan.scanned;
            }
            if !is_in_order {
                gather(&mut gathered, page, &find.sort, wanted);
                continue;
            }
            let skipped = skip.min(page.len());
            skip -= skipped;
            for (_, document) in page.into_iter().skip(skipped).take(left) {
                left -= 1;
                if sender.send(Ok(document)).await.is_err() {
                    return;
                }
            }
        }
        put_in_order(&mut gathered, &find.sort, wanted);
        for (_, document) in gathered.into_iter().skip(find.skip) {
            if sender.send(Ok(document)).await.is_err() {
                return;
            }
        }
    });
    records
}

/// How many documents satisfy a query.
pub async fn count_documents(readers: &Arc<Readers>, listing: Listing, filter: Query) -> Result<u64, StoreError> {
    let mut scan = DocumentScan::new(listing, filter);
    let mut count = 0;
    while !scan.is_finished {
        let (next, page) = read_page(readers, scan).await?;
        count += page.len() as u64;
        scan = next;
    }
    Ok(count)
}

async fn read_page(readers: &Arc<Readers>, mut scan: DocumentScan) -> Result<(DocumentScan, Vec<Found>), StoreError> {
    let read = move |connection: &Connection| {
        let page = scan.page(connection)?;
        Ok((scan, page))
    };
    readers.run(Lane::Lists, read).await
}

impl DocumentScan {
    fn new(listing: Listing, filter: Query) -> DocumentScan {
        DocumentScan { listing, filter, behind: None, is_finished: false, scanned: 0 }
    }

    /// The matches of the next page. There may be none without it being the last.
    fn page(&mut self, connection: &Connection) -> Result<Vec<Found>, StoreError> {
        let doing = failed("listing documents");
        let Table { key, from, device } = self.listing.table();
        let mut sql = format!("SELECT {key}, {from}");
        let mut parameters: Vec<SqlValue> = Vec::new();
        if let Listing::Documents(collection) = self.listing {
            parameters.push(collection.name().to_owned().into());
        }
        if let Some(behind) = &self.behind {
            sql.push_str(&format!(" AND {key} > ?"));
            parameters.push(behind.clone().into());
        }
        for (column, field) in [(Some(key), "_id"), (device, "device")] {
            if let Some(column) = column
                && let Some(texts) = pinned(&self.filter, field)
            {
                sql.push_str(&format!(" AND {column} IN ({})", vec!["?"; texts.len()].join(",")));
                parameters.extend(texts.into_iter().map(|text| SqlValue::from(text.to_owned())));
            }
        }
        sql.push_str(&format!(" ORDER BY {key} LIMIT {PAGE}"));
        let mut statement = connection.prepare_cached(&sql).map_err(&doing)?;
        let mut rows = statement.query(params_from_iter(parameters)).map_err(&doing)?;
        let mut page = Vec::new();
        let mut read = 0;
        while let Some(row) = rows.next().map_err(&doing)? {
            read += 1;
            let key: String = row.get(0).map_err(&doing)?;
            let text = row.get_ref(1).and_then(|cell| Ok(cell.as_str()?)).map_err(&doing)?;
            match self.listing.document(&key, text) {
                Ok(document) if self.filter.matches(&JsonRecord::with_dates(&document, &DATE_FIELDS)) => {
                    page.push((key.clone(), document));
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "a stored record is damaged and left out of lists"),
            }
            self.behind = Some(key);
        }
        self.scanned += read as u64;
        self.is_finished = read < PAGE;
        Ok(page)
    }
}
