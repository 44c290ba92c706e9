//! Lists: what the database can narrow down is narrowed down there, the rest of the same query is answered on each record.
//!
//! Lists in the order of `_id` stream page by page. Any other order first gathers the keys of all matches, never the records.

use std::collections::VecDeque;
use std::sync::Arc;

use acs_core::device::{DeviceHead, StoredDevice};
use acs_core::expression::CompareOperator;
use acs_core::fault::FaultRecord;
use acs_core::operation::Operation;
use acs_core::query::{FieldValue, JsonRecord, Operand, Query, Record, Sort, compare_records};
use acs_core::task::Task;
use acs_core::tree::DeviceTree;
use acs_core::value::format_date_time;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, params_from_iter};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use super::devices::{damaged, from_text, read_device, read_tags};
use super::{Readers, failed};
use crate::{DeviceRecord, Find, Listing, Records, StoreError};

/// Records per page: small enough that a page of large devices is little memory.
const PAGE: usize = 200;
/// Records read ahead of whoever takes them.
const AHEAD: usize = 64;

/// Fields of documents that are dates.
const DATES: [&str; 4] = ["timestamp", "expiry", "retryAt", "stateTimestamp"];

/// A condition in SQL with its parameters.
struct Restriction {
    sql: String,
    parameters: Vec<SqlValue>,
}

/// What the columns of `device` can answer of a query. Never excludes a match.
fn restriction(query: &Query) -> Restriction {
    let mut found = Restriction { sql: String::new(), parameters: Vec::new() };
    let conjuncts = match query {
        Query::And(queries) => queries.as_slice(),
        other => std::slice::from_ref(other),
    };
    let mut add = |condition: String, parameters: Vec<SqlValue>| {
        found.sql.push_str(" AND ");
        found.sql.push_str(&condition);
        found.parameters.extend(parameters);
    };
    for conjunct in conjuncts {
        match conjunct {
            Query::Compare { field, operator: CompareOperator::Equal, value: Operand::Text(text) }
                if field == "_id" =>
            {
                add("device.id = ?".to_owned(), vec![SqlValue::Text(text.clone())]);
            }
            Query::Compare { field, operator: CompareOperator::Equal, value: Operand::Text(text) }
                if field == "_tags" =>
            {
                add(
                    "device.no IN (SELECT no FROM device_tag WHERE tag = ?)".to_owned(),
                    vec![SqlValue::Text(text.clone())],
                );
            }
            Query::In { field, values } if field == "_id" => {
                let texts = values.iter().filter_map(|value| match value {
                    Operand::Text(text) => Some(SqlValue::Text(text.clone())),
                    _ => None,
                });
                let texts: Vec<_> = texts.collect();
                add(format!("device.id IN ({})", vec!["?"; texts.len()].join(",")), texts);
            }
            Query::Compare { field, operator, value: Operand::Date(time) }
                if field == "_lastInform" || field == "_registered" =>
            {
                let column = if field == "_lastInform" { "last_inform" } else { "registered" };
                let symbol = match operator {
                    CompareOperator::Equal => "=",
                    CompareOperator::Less => "<",
                    CompareOperator::LessOrEqual => "<=",
                    CompareOperator::Greater => ">",
                    CompareOperator::GreaterOrEqual => ">=",
                    CompareOperator::NotEqual => continue,
                };
                add(format!("device.{column} {symbol} ?"), vec![SqlValue::Integer(*time)]);
            }
            _ => {}
        }
    }
    found
}

/// Reads one page of devices behind an id, and gives each with its record to `see` until that says stop. Returns the last id seen.
fn device_page(
    connection: &Connection,
    restriction: &Restriction,
    behind: &str,
    see: &mut dyn FnMut(DeviceHead, &DeviceRecord<'_>, acs_core::device::Tags, &[u8]) -> bool,
) -> Result<Option<String>, StoreError> {
    let doing = failed("listing devices");
    let sql = format!(
        "SELECT device.no, id, head, doc FROM device LEFT JOIN device_tree USING (no)
         WHERE id > ? {} ORDER BY id LIMIT {PAGE}",
        restriction.sql
    );
    let mut statement = connection.prepare_cached(&sql).map_err(&doing)?;
    let parameters = std::iter::once(SqlValue::Text(behind.to_owned())).chain(restriction.parameters.iter().cloned());
    let mut rows = statement.query(params_from_iter(parameters)).map_err(&doing)?;
    let mut last = None;
    while let Some(row) = rows.next().map_err(&doing)? {
        let no: i64 = row.get(0).map_err(&doing)?;
        let id: String = row.get(1).map_err(&doing)?;
        let head = row.get_ref(2).and_then(|cell| Ok(cell.as_str()?)).map_err(&doing)?;
        let tree = row.get_ref(3).and_then(|cell| Ok(cell.as_blob_or_null()?)).map_err(&doing)?.unwrap_or_default();
        let head: DeviceHead = match from_text(&id, head) {
            Ok(head) => head,
            Err(error) => {
                tracing::error!(device = id, %error, "a stored device is damaged and left out of lists");
                last = Some(id);
                continue;
            }
        };
        let tags = read_tags(connection, no)?;
        last = Some(id);
        let again = {
            let record = DeviceRecord::new(&head, &tags, tree);
            see(head.clone(), &record, tags.clone(), tree)
        };
        if !again {
            return Ok(None);
        }
    }
    Ok(last)
}

/// Fields that records are ordered by.
struct Keys {
    id: String,
    fields: Vec<(String, FieldValue<'static>)>,
}

impl Keys {
    fn of(record: &dyn Record, sort: &[Sort], id: String) -> Keys {
        let fields = sort.iter().map(|sort| (sort.field.clone(), owned(record.field(&sort.field)))).collect();
        Keys { id, fields }
    }
}

impl Record for Keys {
    fn field(&self, name: &str) -> FieldValue<'_> {
        self.fields.iter().find(|(field, _)| field == name).map_or(FieldValue::Missing, |(_, value)| value.clone())
    }
}

fn owned(value: FieldValue<'_>) -> FieldValue<'static> {
    match value {
        FieldValue::Missing => FieldValue::Missing,
        FieldValue::Null => FieldValue::Null,
        FieldValue::Bool(value) => FieldValue::Bool(value),
        FieldValue::Number(value) => FieldValue::Number(value),
        FieldValue::Text(text) => FieldValue::Text(text.into_owned().into()),
        FieldValue::Date(time) => FieldValue::Date(time),
        FieldValue::List(list) => FieldValue::List(list.into_iter().map(owned).collect()),
        FieldValue::Each(list) => FieldValue::Each(list.into_iter().map(owned).collect()),
        FieldValue::Object(_) => FieldValue::Object(None),
    }
}

fn is_id_order(sort: &[Sort]) -> bool {
    matches!(sort, []) || matches!(sort, [Sort { field, descending: false }, ..] if field == "_id")
}

pub fn find_devices(readers: Arc<Readers>, find: Find) -> Records<StoredDevice> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let send = |record: Result<StoredDevice, StoreError>| sender.blocking_send(record).is_ok();
        let result = if is_id_order(&find.sort) {
            stream_devices(&readers, &find, &send)
        } else {
            sort_devices(&readers, &find, &send)
        };
        if let Err(error) = result {
            send(Err(error));
        }
    });
    Records::new(receiver)
}

fn stream_devices(
    readers: &Readers,
    find: &Find,
    send: &dyn Fn(Result<StoredDevice, StoreError>) -> bool,
) -> Result<(), StoreError> {
    let restriction = restriction(&find.filter);
    let mut behind = String::new();
    let mut skip = find.skip;
    let mut left = find.limit.unwrap_or(usize::MAX);
    while left > 0 {
        let mut page = Vec::new();
        let last = readers.with(|connection| {
            device_page(connection, &restriction, &behind, &mut |head, record, tags, tree| {
                if find.filter.matches(record) {
                    if skip > 0 {
                        skip -= 1;
                    } else {
                        left -= 1;
                        page.push((head, tags, tree.to_vec()));
                    }
                }
                left > 0
            })
        })?;
        for (head, tags, tree) in page {
            match decoded(&head.id, &tree) {
                Ok(tree) => {
                    if !send(Ok(StoredDevice { head, tags, tree: Arc::new(tree) })) {
                        return Ok(());
                    }
                }
                Err(error) => tracing::error!(%error, "a stored device is damaged and left out of lists"),
            }
        }
        match last {
            Some(id) => behind = id,
            None => return Ok(()),
        }
    }
    Ok(())
}

fn decoded(id: &str, tree: &[u8]) -> Result<DeviceTree, StoreError> {
    if tree.is_empty() { Ok(DeviceTree::new()) } else { DeviceTree::decode(tree).map_err(|error| damaged(id, &error)) }
}

fn sort_devices(
    readers: &Readers,
    find: &Find,
    send: &dyn Fn(Result<StoredDevice, StoreError>) -> bool,
) -> Result<(), StoreError> {
    let mut keys = Vec::new();
    each_device(readers, &find.filter, &mut |head, record| {
        keys.push(Keys::of(record, &find.sort, head.id));
    })?;
    for key in ordered(keys, find) {
        // A device may have been deleted since.
        match readers.with(|connection| read_device(connection, &key.id)) {
            Ok(Some(device)) => {
                if !send(Ok(device)) {
                    return Ok(());
                }
            }
            Ok(None) => {}
            Err(error @ StoreError::Damaged { .. }) => {
                tracing::error!(%error, "a stored device is damaged and left out of lists");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn ordered(mut keys: Vec<Keys>, find: &Find) -> impl Iterator<Item = Keys> {
    keys.sort_by(|left, right| compare_records(&find.sort, left, right).then_with(|| left.id.cmp(&right.id)));
    keys.into_iter().skip(find.skip).take(find.limit.unwrap_or(usize::MAX))
}

fn each_device(
    readers: &Readers,
    filter: &Query,
    see: &mut dyn FnMut(DeviceHead, &dyn Record),
) -> Result<(), StoreError> {
    let restriction = restriction(filter);
    let mut behind = Some(String::new());
    while let Some(id) = behind {
        behind = readers.with(|connection| {
            device_page(connection, &restriction, &id, &mut |head, record, _, _| {
                if filter.matches(record) {
                    see(head, record);
                }
                true
            })
        })?;
    }
    Ok(())
}

pub fn count_devices(readers: &Readers, filter: &Query) -> Result<u64, StoreError> {
    if *filter == Query::True {
        let count: i64 = readers.with(|connection| {
            connection
                .query_row("SELECT count(*) FROM device", [], |row| row.get(0))
                .map_err(failed("counting devices"))
        })?;
        return Ok(count.max(0) as u64);
    }
    let mut count = 0;
    each_device(readers, filter, &mut |_, _| count += 1)?;
    Ok(count)
}

/// Reads one page of a listing's documents behind a key. Returns the documents by key.
fn document_page(
    connection: &Connection,
    listing: Listing,
    behind: &(String, String),
) -> Result<Vec<((String, String), Json)>, StoreError> {
    let doing = failed("listing documents");
    let (first, second) = behind;
    let sql = match listing {
        Listing::Tasks => {
            "SELECT id, '', record FROM task WHERE open = 1 AND (id, '') > (?1, ?2) ORDER BY id LIMIT 200"
        }
        Listing::Faults => {
            "SELECT device, channel, record FROM fault WHERE (device, channel) > (?1, ?2) ORDER BY device, channel LIMIT 200"
        }
        Listing::Operations => {
            "SELECT device, command_key, record FROM operation WHERE (device, command_key) > (?1, ?2)
             ORDER BY device, command_key LIMIT 200"
        }
        Listing::Documents(_) => {
            "SELECT id, '', document FROM document WHERE collection = ?3 AND (id, '') > (?1, ?2) ORDER BY id LIMIT 200"
        }
    };
    let mut statement = connection.prepare_cached(sql).map_err(&doing)?;
    let mut parameters = vec![first.as_str(), second.as_str()];
    if let Listing::Documents(collection) = listing {
        parameters.push(collection.name());
    }
    let mut rows = statement.query(params_from_iter(parameters)).map_err(&doing)?;
    let mut out = Vec::new();
    while let Some(row) = rows.next().map_err(&doing)? {
        let key: (String, String) = (row.get(0).map_err(&doing)?, row.get(1).map_err(&doing)?);
        let text = row.get_ref(2).and_then(|cell| Ok(cell.as_str()?)).map_err(&doing)?;
        let document = match listing {
            Listing::Tasks => from_text::<Task>(&key.0, text).map(|task| task.document()),
            Listing::Faults => from_text::<FaultRecord>(&key.0, text).map(|fault| fault.document()),
            Listing::Operations => {
                from_text::<Operation>(&key.0, text).map(|operation| operation_document(&key.0, &operation))
            }
            Listing::Documents(_) => from_text(&key.0, text),
        };
        match document {
            Ok(document) => out.push((key, document)),
            Err(error) => {
                tracing::error!(%error, "a stored record is damaged and left out of lists");
                out.push((key, Json::Null));
            }
        }
    }
    Ok(out)
}

fn operation_document(device: &str, operation: &Operation) -> Json {
    json!({
        "_id": format!("{device}:{}", operation.command_key),
        "device": device,
        "name": "Download",
        "timestamp": format_date_time(operation.timestamp),
        "channels": json!(operation.channels.keys().collect::<Vec<_>>()).to_string(),
        "args": json!({
            "instance": operation.instance,
            "fileType": operation.file_type,
            "fileName": operation.file_name,
            "targetFileName": operation.target_file_name,
        })
        .to_string(),
    })
}

fn each_document(
    readers: &Readers,
    listing: Listing,
    filter: &Query,
    see: &mut dyn FnMut(Json) -> bool,
) -> Result<(), StoreError> {
    let mut behind = (String::new(), String::new());
    loop {
        let page = readers.with(|connection| document_page(connection, listing, &behind))?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        behind = last.clone();
        for (_, document) in page {
            if document.is_null() || !filter.matches(&JsonRecord::with_dates(&document, &DATES)) {
                continue;
            }
            if !see(document) {
                return Ok(());
            }
        }
    }
}

pub fn find_documents(readers: Arc<Readers>, listing: Listing, find: Find) -> Records<Json> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let send = |record: Result<Json, StoreError>| sender.blocking_send(record).is_ok();
        let result = if is_id_order(&find.sort) {
            let mut skip = find.skip;
            let mut left = find.limit.unwrap_or(usize::MAX);
            if left == 0 {
                return;
            }
            each_document(&readers, listing, &find.filter, &mut |document| {
                if skip > 0 {
                    skip -= 1;
                    return true;
                }
                left -= 1;
                send(Ok(document)) && left > 0
            })
        } else {
            sort_documents(&readers, listing, &find, &send)
        };
        if let Err(error) = result {
            send(Err(error));
        }
    });
    Records::new(receiver)
}

fn sort_documents(
    readers: &Readers,
    listing: Listing,
    find: &Find,
    send: &dyn Fn(Result<Json, StoreError>) -> bool,
) -> Result<(), StoreError> {
    let mut documents = Vec::new();
    each_document(readers, listing, &find.filter, &mut |document| {
        documents.push(document);
        true
    })?;
    documents.sort_by(|left, right| {
        let (left_record, right_record) = (JsonRecord::with_dates(left, &DATES), JsonRecord::with_dates(right, &DATES));
        let id = |document: &Json| document["_id"].as_str().unwrap_or_default().to_owned();
        compare_records(&find.sort, &left_record, &right_record).then_with(|| id(left).cmp(&id(right)))
    });
    let mut documents: VecDeque<_> = documents.into();
    documents.drain(..find.skip.min(documents.len()));
    for document in documents.into_iter().take(find.limit.unwrap_or(usize::MAX)) {
        if !send(Ok(document)) {
            break;
        }
    }
    Ok(())
}

pub fn count_documents(readers: &Readers, listing: Listing, filter: &Query) -> Result<u64, StoreError> {
    let mut count = 0;
    each_document(readers, listing, filter, &mut |_| {
        count += 1;
        true
    })?;
    Ok(count)
}
