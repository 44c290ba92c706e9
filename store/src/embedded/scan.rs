//! Lists of devices, read page by page: no page is one long transaction, and no list is in memory as a whole.
//!
//! Where an index leads to the matches, their numbers are gathered first. Where only the order has an index, that is walked. Any
//! other order gathers the sort keys of all matches, or of as many as the limit asks for, never the devices.

use std::sync::{Arc, Mutex};

use acs_core::device::{DeviceHead, StoredDevice};
use acs_core::query::{FieldValue, Query, Record, Sort, compare_records};
use acs_core::tree::codec::Selection;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use tokio::sync::mpsc;

use super::devices::{damaged, decode_tree, device_head, read_tags};
use super::failed;
use super::index::indexed_fields;
use super::plan::{Condition, Order, OrderBy, Plan};
use super::readers::{Lane, Readers};
use crate::record::selection_of;
use crate::{DeviceRecord, Find, QueryReport, Records, StoreError};

/// Devices looked at per page.
const CANDIDATES: usize = 400;
/// Devices given per page: large ones have megabytes.
const MATCHES: usize = 64;
/// Devices read ahead of whoever takes them.
const AHEAD: usize = 32;
/// From this many devices looked at without an index on, the log says so.
const WORTH_MENTIONING: u64 = 1_000;

/// A list of devices under way.
pub struct DeviceScan {
    find: Find,
    rest: Option<Rest>,
    source: Source,
    /// The keys of matches so far, while they are being put in order.
    gathered: Option<Vec<Keys>>,
    skip: usize,
    left: usize,
    only_counts: bool,
    count: u64,
    report: Arc<Mutex<QueryReport>>,
}

/// What is to be asked of each candidate.
struct Rest {
    of_head: Query,
    of_tree: Query,
    /// What that, and the order, need of the tree.
    selection: Selection,
}

/// Where candidates come from.
enum Source {
    Unplanned,
    Walk(Walk),
    List { numbers: Vec<i64>, position: usize },
    End,
}

struct Walk {
    condition: Condition,
    order: Order,
    behind: Option<Vec<SqlValue>>,
    /// Indexes that must still be there.
    indexes: Vec<i64>,
}

/// What a device is ordered by.
struct Keys {
    no: i64,
    id: String,
    fields: Vec<(String, FieldValue<'static>)>,
}

/// Devices, as they are read.
pub fn find_devices(readers: Arc<Readers>, find: Find) -> Records<StoredDevice> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let report = Arc::default();
    let records = Records::with_report(receiver, Arc::clone(&report));
    let mut scan = DeviceScan::new(find, report);
    tokio::spawn(async move {
        while !scan.is_finished() && !sender.is_closed() {
            let (next, page) = match read_page(&readers, scan).await {
                Ok(read) => read,
                Err(error) => (DeviceScan::finished(), Err(error)),
            };
            scan = next;
            match page {
                Ok(devices) => {
                    for device in devices {
                        if sender.send(Ok(device)).await.is_err() {
                            return;
                        }
                    }
                }
                Err(error) => {
                    // Whoever has gone away does not want to know.
                    let _ = sender.send(Err(error)).await;
                    return;
                }
            }
        }
    });
    records
}

/// How many devices satisfy a query.
pub async fn count_devices(readers: &Arc<Readers>, filter: Query) -> Result<u64, StoreError> {
    let mut scan = DeviceScan::new(Find { filter, ..Find::default() }, Arc::default());
    scan.only_counts = true;
    while !scan.is_finished() {
        let (next, page) = read_page(readers, scan).await?;
        page?;
        scan = next;
    }
    Ok(scan.count)
}

type Page = Result<Vec<StoredDevice>, StoreError>;

async fn read_page(readers: &Arc<Readers>, mut scan: DeviceScan) -> Result<(DeviceScan, Page), StoreError> {
    let read = move |connection: &Connection| {
        let page = scan.page(connection);
        Ok((scan, page))
    };
    readers.run(Lane::Lists, read).await
}

impl DeviceScan {
    fn new(find: Find, report: Arc<Mutex<QueryReport>>) -> DeviceScan {
        DeviceScan {
            skip: find.skip,
            left: find.limit.unwrap_or(usize::MAX),
            find,
            rest: None,
            source: Source::Unplanned,
            gathered: None,
            only_counts: false,
            count: 0,
            report,
        }
    }

    fn finished() -> DeviceScan {
        DeviceScan { source: Source::End, ..DeviceScan::new(Find::default(), Arc::default()) }
    }

    fn is_finished(&self) -> bool {
        matches!(self.source, Source::End) || self.left == 0
    }

    /// Reads the next page. It may be empty without being the last.
    fn page(&mut self, connection: &Connection) -> Page {
        let doing = failed("listing devices");
        // One snapshot for the indexes, the heads, the tags and the trees.
        let transaction = connection.unchecked_transaction().map_err(&doing)?;
        if matches!(self.source, Source::Unplanned) {
            self.plan(&transaction)?;
        }
        let mut devices = Vec::new();
        let mut looked_at = 0;
        while looked_at < CANDIDATES && devices.len() < MATCHES && !self.is_finished() {
            let candidates = self.candidates(&transaction, MATCHES)?;
            if candidates.is_empty() {
                self.end();
            }
            looked_at += candidates.len();
            for no in candidates {
                self.look_at(&transaction, no, &mut devices)?;
                if self.is_finished() {
                    break;
                }
            }
        }
        Ok(devices)
    }

    fn plan(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let indexes = indexed_fields(connection, true)?;
        let plan = Plan::of(&self.find.filter, &self.find.sort, &indexes);
        if let Ok(mut report) = self.report.lock() {
            report.used_index = plan.used_index;
            report.suggestion = if plan.used_index { None } else { plan.suggestion.clone() };
        }
        if self.only_counts && plan.is_exact() {
            self.count = count_all(connection, &plan.condition)?;
            self.source = Source::End;
            return Ok(());
        }
        let is_exact = plan.is_exact();
        self.rest = (!is_exact).then(|| {
            let fields = plan.tree_rest.fields();
            let sorted = self.find.sort.iter().map(|sort| sort.field.as_str());
            let selection = selection_of(fields.iter().map(String::as_str).chain(sorted));
            Rest { of_head: plan.head_rest, of_tree: plan.tree_rest, selection }
        });
        // Counting needs no order.
        let order = if self.only_counts { Some(Order { by: OrderBy::Id, descending: false }) } else { plan.order };
        self.source = match order {
            Some(order) if plan.used_index => {
                let numbers = self.numbers(connection, &plan.condition, Some(&order), is_exact)?;
                Source::List { numbers, position: 0 }
            }
            Some(order) => {
                let is_on_field = matches!(order.by, OrderBy::Field(_)) || plan.condition.sql.contains("field_index");
                let indexes = if is_on_field { indexes.iter().map(|index| index.id).collect() } else { Vec::new() };
                Source::Walk(Walk { condition: plan.condition, order, behind: None, indexes })
            }
            None => {
                self.gathered = Some(Vec::new());
                Source::List { numbers: self.numbers(connection, &plan.condition, None, false)?, position: 0 }
            }
        };
        Ok(())
    }

    /// The numbers of the devices that satisfy a condition. When that is all there is to satisfy, only those of the part that is
    /// wanted.
    fn numbers(
        &mut self,
        connection: &Connection,
        condition: &Condition,
        order: Option<&Order>,
        is_exact: bool,
    ) -> Result<Vec<i64>, StoreError> {
        let doing = failed("listing devices");
        let (join, order) = match order {
            Some(order) => (order.join(), format!("ORDER BY {}", order.terms())),
            None => (String::new(), String::new()),
        };
        let mut sql = format!("SELECT device.no FROM device {join} WHERE {} {order}", condition.sql);
        if is_exact {
            sql.push_str(&format!(" LIMIT {} OFFSET {}", limit(self.left), limit(std::mem::take(&mut self.skip))));
        }
        let mut statement = connection.prepare(&sql).map_err(&doing)?;
        let rows = statement.query_map(params_from_iter(&condition.parameters), |row| row.get(0)).map_err(&doing)?;
        rows.collect::<Result<_, _>>().map_err(&doing)
    }

    /// The next candidates; none at the end.
    fn candidates(&mut self, connection: &Connection, count: usize) -> Result<Vec<i64>, StoreError> {
        match &mut self.source {
            Source::Unplanned | Source::End => Ok(Vec::new()),
            Source::List { numbers, position } => {
                let page: Vec<i64> = numbers.iter().skip(*position).take(count).copied().collect();
                *position += page.len();
                Ok(page)
            }
            Source::Walk(walk) => {
                // What is only skipped need not be looked at.
                let skip = if self.rest.is_none() { std::mem::take(&mut self.skip) } else { 0 };
                walk.next(connection, count, skip)
            }
        }
    }

    /// What follows when there are no more candidates: the gathered ones in order, or nothing.
    fn end(&mut self) {
        let Some(mut keys) = self.gathered.take() else {
            self.source = Source::End;
            return self.mention();
        };
        put_in_order(&mut keys, &self.find.sort, self.skip.saturating_add(self.left));
        let numbers = keys.into_iter().skip(std::mem::take(&mut self.skip)).map(|keys| keys.no).collect();
        // They have been found to match.
        self.rest = None;
        self.source = Source::List { numbers, position: 0 };
    }

    fn mention(&self) {
        if let Ok(report) = self.report.lock()
            && !report.used_index
            && report.scanned >= WORTH_MENTIONING
            && let Some(parameter) = &report.suggestion
        {
            tracing::info!(scanned = report.scanned, parameter, "a query would be faster with an index");
        }
    }

    fn look_at(&mut self, connection: &Connection, no: i64, devices: &mut Vec<StoredDevice>) -> Result<(), StoreError> {
        match self.matching(connection, no) {
            Ok(Some(device)) => devices.push(device),
            Ok(None) => {}
            Err(error @ StoreError::Damaged { .. }) => {
                tracing::error!(%error, "a stored device is damaged and left out of lists");
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The device with this number, if it is to be given now.
    fn matching(&mut self, connection: &Connection, no: i64) -> Result<Option<StoredDevice>, StoreError> {
        if self.rest.is_some()
            && let Ok(mut report) = self.report.lock()
        {
            report.scanned += 1;
        }
        // It may have been deleted since.
        let Some((id, head)) = read_head(connection, no)? else { return Ok(None) };
        let tags = read_tags(connection, no)?;
        let sorts_by_tree = self.gathered.is_some() && self.find.sort.iter().any(|sort| needs_tree(&sort.field));
        let asks_tree = self.rest.as_ref().is_some_and(|rest| rest.of_tree != Query::True);
        if let Some(rest) = &self.rest
            && !rest.of_head.matches(&DeviceRecord::new(&head, &tags, &[]))
        {
            return Ok(None);
        }
        let will_be_given = self.gathered.is_none() && self.skip == 0 && !self.only_counts;
        let bytes = if sorts_by_tree || asks_tree || will_be_given { read_tree(connection, no)? } else { None };
        let tree = {
            let encoded = bytes.as_deref().unwrap_or_default();
            let record = match &self.rest {
                Some(rest) => DeviceRecord::selecting(&head, &tags, encoded, &rest.selection),
                None => DeviceRecord::new(&head, &tags, encoded),
            };
            let is_match = self.rest.as_ref().is_none_or(|rest| rest.of_tree.matches(&record));
            let keys = match (&self.gathered, is_match) {
                (Some(_), true) => Some(Keys::of(&record, &self.find.sort, no, &id)),
                _ => None,
            };
            if let Some(damage) = record.damage() {
                return Err(damaged(&id, damage));
            }
            if !is_match {
                return Ok(None);
            }
            if let (Some(gathered), Some(keys)) = (&mut self.gathered, keys) {
                gathered.push(keys);
                let wanted = self.skip.saturating_add(self.left);
                if gathered.len() > wanted.saturating_mul(2).saturating_add(1_000) {
                    put_in_order(gathered, &self.find.sort, wanted);
                }
                return Ok(None);
            }
            record.into_tree()
        };
        if self.only_counts {
            self.count += 1;
            return Ok(None);
        }
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(None);
        }
        let tree = match tree {
            Some(tree) => tree,
            None => decode_tree(&id, bytes.as_deref())?,
        };
        self.left -= 1;
        Ok(Some(StoredDevice { head, tags, tree: Arc::new(tree) }))
    }
}

impl Walk {
    fn next(&mut self, connection: &Connection, count: usize, skip: usize) -> Result<Vec<i64>, StoreError> {
        let doing = failed("listing devices");
        if !self.indexes.is_empty() {
            let ready = indexed_fields(connection, true)?;
            if self.indexes.iter().any(|id| ready.iter().all(|index| index.id != *id)) {
                let reason = "an index was dropped meanwhile; ask again".to_owned();
                return Err(StoreError::Database { doing: "listing devices", reason });
            }
        }
        let mut parameters = self.condition.parameters.clone();
        let behind = match &self.behind {
            Some(keys) => {
                parameters.extend(self.order.behind_parameters(keys));
                self.order.behind()
            }
            None => "1".to_owned(),
        };
        let sql = format!(
            "SELECT device.no, {} FROM device {} WHERE ({}) AND {behind} ORDER BY {} LIMIT {} OFFSET {}",
            self.order.columns(),
            self.order.join(),
            self.condition.sql,
            self.order.terms(),
            limit(count),
            limit(skip),
        );
        let mut statement = connection.prepare(&sql).map_err(&doing)?;
        let width = statement.column_count();
        let mut rows = statement.query(params_from_iter(&parameters)).map_err(&doing)?;
        let mut numbers = Vec::new();
        while let Some(row) = rows.next().map_err(&doing)? {
            numbers.push(row.get(0).map_err(&doing)?);
            self.behind = Some((1..width).map(|column| row.get(column)).collect::<Result<_, _>>().map_err(&doing)?);
        }
        Ok(numbers)
    }
}

impl Order {
    fn key_columns(&self) -> &'static [&'static str] {
        match self.by {
            OrderBy::Id => &[],
            OrderBy::Column("device.last_inform") => &["device.last_inform"],
            OrderBy::Column("device.registered") => &["device.registered"],
            OrderBy::Column(_) => &["device.serial_number"],
            OrderBy::Field(_) => &["field_index.kind", "field_index.num", "field_index.text"],
        }
    }

    fn join(&self) -> String {
        match self.by {
            OrderBy::Field(id) => {
                format!("JOIN field_index ON field_index.no = device.no AND field_index.field = {id}")
            }
            _ => String::new(),
        }
    }

    /// What a row's place is made of.
    fn columns(&self) -> String {
        let mut columns = self.key_columns().to_vec();
        columns.push("device.id");
        columns.join(", ")
    }

    fn terms(&self) -> String {
        let direction = if self.descending { "DESC" } else { "ASC" };
        let mut terms: Vec<String> = self.key_columns().iter().map(|column| format!("{column} {direction}")).collect();
        let id_direction = if self.by == OrderBy::Id { direction } else { "ASC" };
        terms.push(format!("device.id {id_direction}"));
        terms.join(", ")
    }

    /// Rows behind a place. The first half is what an index can use.
    fn behind(&self) -> String {
        let symbol = if self.descending { "<" } else { ">" };
        let columns = self.key_columns();
        if columns.is_empty() {
            return format!("device.id {symbol} ?");
        }
        let marks = vec!["?"; columns.len()].join(", ");
        let columns = columns.join(", ");
        format!("({columns}) {symbol}= ({marks}) AND (({columns}) {symbol} ({marks}) OR device.id > ?)")
    }

    fn behind_parameters(&self, place: &[SqlValue]) -> Vec<SqlValue> {
        let (keys, id) = place.split_at(self.key_columns().len());
        let mut parameters = keys.to_vec();
        if !keys.is_empty() {
            parameters.extend_from_slice(keys);
        }
        parameters.extend_from_slice(id);
        parameters
    }
}

impl Keys {
    fn of(record: &dyn Record, sort: &[Sort], no: i64, id: &str) -> Keys {
        let fields = sort.iter().map(|sort| (sort.field.clone(), owned(record.field(&sort.field)))).collect();
        Keys { no, id: id.to_owned(), fields }
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

/// Sorts, and drops what is beyond the wanted number.
fn put_in_order(keys: &mut Vec<Keys>, sort: &[Sort], wanted: usize) {
    keys.sort_by(|left, right| compare_records(sort, left, right).then_with(|| left.id.cmp(&right.id)));
    keys.truncate(wanted);
}

fn count_all(connection: &Connection, condition: &Condition) -> Result<u64, StoreError> {
    let doing = failed("counting devices");
    let sql = format!("SELECT count(*) FROM device WHERE {}", condition.sql);
    let mut statement = connection.prepare(&sql).map_err(&doing)?;
    let count: i64 = statement.query_row(params_from_iter(&condition.parameters), |row| row.get(0)).map_err(&doing)?;
    Ok(count.max(0) as u64)
}

fn read_head(connection: &Connection, no: i64) -> Result<Option<(String, DeviceHead)>, StoreError> {
    let doing = failed("reading a device");
    let mut statement = connection.prepare_cached("SELECT id, head FROM device WHERE no = ?1").map_err(&doing)?;
    let read = |row: &Row<'_>| {
        let id: String = row.get(0)?;
        let head = device_head(&id, row, 1);
        Ok((id, head))
    };
    match statement.query_row([no], read).optional().map_err(&doing)? {
        Some((id, head)) => Ok(Some((id, head?))),
        None => Ok(None),
    }
}

fn read_tree(connection: &Connection, no: i64) -> Result<Option<Vec<u8>>, StoreError> {
    connection
        .prepare_cached("SELECT doc FROM device_tree WHERE no = ?1")
        .and_then(|mut statement| statement.query_row([no], |row| row.get(0)).optional())
        .map_err(failed("reading a device's tree"))
}

/// Whether a field is in the tree rather than in the head or the tags.
pub fn needs_tree(field: &str) -> bool {
    !field.starts_with('_') || field == "_timestamp"
}

fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
