//! Generated queries: what a store answers is what the query's definition answers in memory, in the same order.
//!
//! The random numbers are fixed, so that a failure comes again; the message has the query.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a suite reports by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use acs_core::device::{DeviceHead, InformedValue, StoredDevice};
use acs_core::query::{
    CompareOperator, FieldType, JsonRecord, LikePattern, Operand, Query, RegexPattern, Sort, compare_records,
};
use acs_core::value::{TypedValue, Value, XsdType};

use serde_json::Value as Json;

use super::{change, fault, quiet};
use crate::{DeviceRecord, Find, Listing, Store};

/// How many queries are asked at a time.
const QUERIES: usize = 150;

/// A source of repeatable random numbers (SplitMix64).
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }
}

const PARAMETERS: [&str; 4] = ["Device.A", "Device.B", "Device.C.1.D", "VirtualParameters.V"];
const TEXTS: [&str; 10] = ["", "a", "ab", "abc", "b", "B", "\u{e9}", "z%_", "1", "\u{10FFFF}x"];
const TAGS: [&str; 4] = ["t", "t1", "a.b", "\u{e9}"];

fn value(random: &mut Random) -> TypedValue {
    let small = random.below(6) as i64 - 1;
    match random.below(6) {
        0 | 1 => TypedValue(Value::Int(small), XsdType::UnsignedInt),
        2 | 3 => TypedValue::string(random.of(&TEXTS)),
        4 => TypedValue(Value::Bool(random.chance(50)), XsdType::Boolean),
        _ if random.chance(50) => TypedValue(Value::Int(small * 1_000), XsdType::DateTime),
        _ => TypedValue(Value::Float(small as f64 + 0.5), XsdType::Int),
    }
}

/// Devices in the store and the same in memory.
struct Fleet {
    devices: BTreeMap<String, StoredDevice>,
    next_serial: usize,
}

impl Fleet {
    /// One session of a new device.
    async fn register(&mut self, store: &impl Store, random: &mut Random) {
        // Serial numbers that begin alike, so that orders by parts of an ID differ from those by the whole.
        let serial = format!("{}{}", random.of(&["", "0", "1-"]), self.next_serial);
        self.next_serial += 1;
        let at = 1_000 * (1 + random.below(8) as i64);
        let mut values = Vec::new();
        for path in PARAMETERS {
            if random.chance(75) {
                values.push((path, value(random)));
            }
        }
        let mut change = change(&serial, at, &values);
        change.head.last_inform += random.below(3) as i64;
        change.head.last_boot = random.chance(50).then(|| 1_000 * random.below(4) as i64);
        if random.chance(10) {
            change.tree = None;
        }
        for tag in TAGS {
            if random.chance(30) {
                let tag_value =
                    if random.chance(70) { Value::Bool(true) } else { Value::Text(random.of(&TEXTS).into()) };
                change.tags.push((tag.to_owned(), Some(tag_value)));
            }
        }
        let device = StoredDevice {
            head: change.head.clone(),
            tags: change.tags.iter().filter_map(|(tag, value)| Some((tag.clone(), value.clone()?))).collect(),
            tree: change.tree.clone().unwrap_or_default(),
        };
        store.commit_session(change).await.unwrap();
        self.devices.insert(device.head.id.clone(), device);
    }

    /// A later session, a deletion, or a tag set by an operator.
    async fn happen(&mut self, store: &impl Store, random: &mut Random) {
        let ids: Vec<String> = self.devices.keys().cloned().collect();
        let id = random.of(&ids);
        if random.chance(5) {
            assert!(store.delete_device(&id).await.unwrap());
            self.devices.remove(&id);
            return;
        }
        let device = self.devices.get_mut(&id).unwrap();
        if random.chance(20) {
            let tag = random.of(&TAGS).to_owned();
            let tag_value = random.chance(50).then_some(Value::Bool(true));
            store.set_tag(&id, &tag, tag_value.clone()).await.unwrap();
            match tag_value {
                Some(tag_value) => device.tags.insert(tag, tag_value),
                None => device.tags.remove(&tag),
            };
            return;
        }
        let at = device.head.last_inform + 1 + random.below(2_000) as i64;
        let mut change = quiet("", at);
        change.head = DeviceHead { last_inform: at, ..device.head.clone() };
        if random.chance(20) {
            change.head.last_boot = Some(at);
        }
        let path = random.of(&PARAMETERS);
        if random.chance(60) {
            change.head.informed.retain(|informed| informed.path != path);
            change.head.informed.push(InformedValue { path: path.into(), value: value(random), at });
        } else {
            let mut tree = (*device.tree).clone();
            for informed in change.head.informed.drain(..) {
                let id = tree.ensure(&informed.path);
                tree.set_read_value(id, informed.value, informed.at);
            }
            if random.chance(20)
                && let Some(gone) = tree.find(path)
            {
                tree.remove(gone);
            } else {
                let id = tree.ensure(path);
                tree.set_read_value(id, value(random), at);
            }
            change.tree = Some(Arc::new(tree));
        }
        device.head = change.head.clone();
        device.tree = change.tree.clone().unwrap_or_else(|| device.tree.clone());
        store.commit_session(change).await.unwrap();
    }

    async fn ask(&self, store: &impl Store, random: &mut Random) {
        for _ in 0..QUERIES {
            let find = self.find(random);
            let mut expected: Vec<_> =
                self.devices.values().filter(|device| find.filter.matches(&DeviceRecord::of(device))).collect();
            assert_eq!(store.count_devices(find.filter.clone()).await.unwrap(), expected.len() as u64, "{find:?}");
            expected.sort_by(|left, right| {
                compare_records(&find.sort, &DeviceRecord::of(left), &DeviceRecord::of(right))
                    .then_with(|| left.head.id.cmp(&right.head.id))
            });
            let expected = expected.into_iter().skip(find.skip).take(find.limit.unwrap_or(usize::MAX));
            let found = store.find_devices(find.clone()).await.unwrap().collect().await.unwrap();
            let ids =
                |devices: &[StoredDevice]| devices.iter().map(|device| device.head.id.clone()).collect::<Vec<_>>();
            let expected: Vec<_> = expected.cloned().collect();
            assert_eq!(ids(&found), ids(&expected), "{find:?}");
            for (found, expected) in found.iter().zip(&expected) {
                // What Informs told may have become part of the tree.
                let apart = |head: &DeviceHead| DeviceHead { informed: Vec::new(), ..head.clone() };
                assert_eq!((apart(&found.head), &found.tags), (apart(&expected.head), &expected.tags));
                assert_eq!(found.full_tree().encode(), expected.full_tree().encode());
            }
        }
    }

    fn find(&self, random: &mut Random) -> Find {
        let sort = (0..random.below(3)).map(|_| {
            let field = if random.chance(20) { "_id".to_owned() } else { self.field(random) };
            Sort { field, descending: random.chance(50) }
        });
        Find {
            sort: sort.collect(),
            filter: if random.chance(10) { Query::True } else { self.query(random, 3) },
            skip: if random.chance(50) { 0 } else { random.below(12) },
            limit: random.chance(50).then(|| random.below(15)),
        }
    }

    fn query(&self, random: &mut Random, depth: usize) -> Query {
        if depth > 0 && random.chance(55) {
            let several: Vec<Query> = (0..random.below(3) + 1).map(|_| self.query(random, depth - 1)).collect();
            return match random.below(5) {
                0 | 1 => Query::all(several),
                2 => Query::any(several),
                3 => Query::And(several),
                _ => several.into_iter().next().unwrap().negated(),
            };
        }
        let field = self.field(random);
        match random.below(12) {
            0 => Query::Exists { field, exists: random.chance(50) },
            1 | 2 => {
                let values = (0..random.below(4)).map(|_| self.operand(random, &field)).collect();
                Query::In { field, values }
            }
            3 => Query::Like {
                field,
                pattern: LikePattern::parse(
                    random.of(&["a%", "%b", "_", "ab", "%", "\u{10FFFF}%", "0A1B2C-%1", ""]),
                    None,
                ),
                fold_case: random.chance(40),
            },
            4 => Query::Regex { field, pattern: RegexPattern::new(random.of(&["^a", "b$", "1"]), "").unwrap() },
            5 => {
                Query::Type { field, types: vec![random.of(&[FieldType::Number, FieldType::String, FieldType::Date])] }
            }
            6 => Query::Size { field: "_tags".into(), size: random.below(3) },
            _ => Query::Compare {
                operator: random.of(&[
                    CompareOperator::Equal,
                    CompareOperator::Equal,
                    CompareOperator::NotEqual,
                    CompareOperator::Less,
                    CompareOperator::LessOrEqual,
                    CompareOperator::Greater,
                    CompareOperator::GreaterOrEqual,
                ]),
                value: self.operand(random, &field),
                field,
            },
        }
    }

    fn field(&self, random: &mut Random) -> String {
        const OTHERS: [&str; 14] = [
            "_id",
            "_deviceId._SerialNumber",
            "_deviceId._OUI",
            "_registered",
            "_lastInform",
            "_lastBoot",
            "_lastBootstrap",
            "_tags",
            "_tags",
            "_tagValues.t",
            "Device",
            "Device.C._object",
            "Device.A._timestamp",
            "Device.B._type",
        ];
        if random.chance(50) { format!("{}._value", random.of(&PARAMETERS)) } else { random.of(&OTHERS).to_owned() }
    }

    fn operand(&self, random: &mut Random, field: &str) -> Operand {
        let ids: Vec<&String> = self.devices.keys().collect();
        match field {
            _ if random.chance(8) => Operand::Null,
            "_id" if random.chance(80) => Operand::Text(random.of(&ids).clone()),
            "_deviceId._SerialNumber" if random.chance(80) => {
                let id = random.of(&ids);
                Operand::Text(self.devices[id].head.identity.serial_number.clone())
            }
            "_registered" | "_lastInform" | "_lastBoot" if random.chance(90) => {
                Operand::Date(1_000 * random.below(8) as i64 + random.below(3) as i64)
            }
            "_tags" if random.chance(80) => Operand::Text(random.of(&TAGS).to_owned()),
            "_tags" => Operand::List(vec![Operand::Text("t".into()), Operand::Text("t1".into())]),
            _ => match value(random) {
                TypedValue(Value::Int(time), XsdType::DateTime) => Operand::Date(time),
                TypedValue(Value::Int(number), _) => Operand::Number(number as f64),
                TypedValue(Value::Float(number), _) => Operand::Number(number),
                TypedValue(Value::Bool(value), _) => Operand::Bool(value),
                TypedValue(Value::Text(text), _) => Operand::Text(text),
            },
        }
    }
}

/// Without indexes, with some that are built, with others, and while devices change.
pub async fn devices_answer_as_in_memory(store: &impl Store) {
    let mut random = Random::new(1);
    let mut fleet = Fleet { devices: BTreeMap::new(), next_serial: 0 };
    for _ in 0..90 {
        fleet.register(store, &mut random).await;
    }
    let rounds: [&[&str]; 4] =
        [&[], &["Device.A", "Device.C.1.D", "_lastBoot"], &["Device.B", "_lastBoot", "Device.A"], &[]];
    for indexed in rounds {
        let names: Vec<String> = indexed.iter().map(|name| (*name).to_owned()).collect();
        store.set_indexed_parameters(&names).await.unwrap();
        fleet.ask(store, &mut random).await;
        for _ in 0..60 {
            fleet.happen(store, &mut random).await;
        }
        for _ in 0..8 {
            fleet.register(store, &mut random).await;
        }
        fleet.ask(store, &mut random).await;
    }
}

/// Lists of documents: narrowed down by device or ID, or by nothing.
pub async fn faults_answer_as_in_memory(store: &impl Store) {
    let mut random = Random::new(2);
    let mut documents = BTreeMap::new();
    for number in 0..40 {
        let mut session = change(&number.to_string(), 1_000, &[]);
        let device = session.head.id.clone();
        for channel in ["a", "b", "task_1"] {
            if random.chance(60) {
                let mut record = fault(&device, channel, random.of(&["cwmp.9002", "script", "timeout"]));
                record.retries = random.below(4) as u32;
                record.timestamp = 1_000 * random.below(5) as i64;
                record.expiry = random.chance(30).then_some(5_000);
                documents.insert(record.id(), record.document());
                session.faults.push((channel.into(), Some(record)));
            }
        }
        store.commit_session(session).await.unwrap();
    }
    let ids: Vec<String> = documents.keys().cloned().collect();
    for _ in 0..2 * QUERIES {
        let find = fault_find(&mut random, &ids);
        fn record(document: &Json) -> JsonRecord<'_> {
            JsonRecord::with_dates(document, &["timestamp", "expiry", "retryAt"])
        }
        let mut expected: Vec<_> =
            documents.values().filter(|document| find.filter.matches(&record(document))).cloned().collect();
        let count = store.count(Listing::Faults, find.filter.clone()).await.unwrap();
        assert_eq!(count, expected.len() as u64, "{find:?}");
        // They are in the order of their ids, which the sort keeps where records are equal.
        expected.sort_by(|left, right| compare_records(&find.sort, &record(left), &record(right)));
        let expected: Vec<_> = expected.into_iter().skip(find.skip).take(find.limit.unwrap_or(usize::MAX)).collect();
        let found = store.find(Listing::Faults, find.clone()).await.unwrap().collect().await.unwrap();
        assert_eq!(found, expected, "{find:?}");
    }
}

fn fault_find(random: &mut Random, ids: &[String]) -> Find {
    let leaf = |random: &mut Random| match random.below(6) {
        0 => Query::equal("_id", random.of(ids)),
        1 => Query::In { field: "_id".into(), values: (0..3).map(|_| Operand::Text(random.of(ids))).collect() },
        2 => Query::equal("device", random.of(ids).split(':').next().unwrap()),
        3 => Query::equal("channel", random.of(&["a", "b", "none"])),
        4 => Query::compare("timestamp", CompareOperator::Greater, Operand::Date(1_000 * random.below(5) as i64)),
        _ => Query::compare("retries", CompareOperator::LessOrEqual, random.below(4) as f64),
    };
    let filter = match random.below(5) {
        0 => Query::True,
        1 => Query::all(vec![leaf(random), leaf(random)]),
        2 => Query::any(vec![leaf(random), leaf(random)]),
        3 => leaf(random).negated(),
        _ => leaf(random),
    };
    let field = random.of(&["_id", "timestamp", "code", "expiry", "device"]);
    let sort = random.chance(60).then(|| Sort { field: field.into(), descending: random.chance(50) });
    Find {
        filter,
        sort: sort.into_iter().collect(),
        skip: random.below(4),
        limit: random.chance(50).then(|| random.below(20)),
    }
}
