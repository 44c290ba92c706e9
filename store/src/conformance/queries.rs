//! Queries on devices.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a suite reports by panicking")]

use acs_core::query::nbi;
use acs_core::value::{TypedValue, Value};
use serde_json::json;

use super::{change, number};
use crate::{Find, Store, StoreError, device_document};

/// Each filter in each order, against the same answered in memory.
pub async fn devices_are_found(store: &impl Store) {
    for index in 0..450 {
        let serial = format!("{index:03}");
        let version = TypedValue::string(format!("{}.0", index % 3));
        let mut change = change(&serial, 1_000 + index, &[("Device.V", version), ("Device.N", number(index % 10))]);
        if index % 50 == 0 {
            change.tags.push(("fifty".into(), Some(Value::Bool(true))));
        }
        store.commit_session(change).await.unwrap();
    }
    let all: Vec<_> = store.find_devices(Find::default()).await.unwrap().collect().await.unwrap();
    let cases = [
        json!({}),
        json!({"_id": "0A1B2C-Box-007"}),
        json!({"_id": {"$in": ["0A1B2C-Box-007", "0A1B2C-Box-009", "nobody"]}}),
        json!({"_tags": "fifty"}),
        json!({"_tags": {"$ne": "fifty"}, "Device.N": 0}),
        json!({"Device.V": "1.0"}),
        json!({"Device.N": {"$gte": 8}}),
        json!({"Device.Missing": {"$exists": false}, "Device.V": {"$in": ["0.0", "2.0"]}}),
        json!({"$or": [{"Device.N": 3}, {"_deviceId._SerialNumber": "011"}]}),
        json!({"_lastInform": {"$gt": "1970-01-01T00:00:01.200Z"}}),
        json!({"Device.V": {"$ne": "1.0"}}),
    ];
    let sorts = [json!({}), json!({"_id": -1}), json!({"Device.N": 1, "_id": -1}), json!({"_lastInform": -1})];
    for case in &cases {
        for sort in &sorts {
            let filter = nbi::parse("devices", case).unwrap();
            let sort = nbi::parse_sort("devices", sort).unwrap();
            let mut expected: Vec<_> = all
                .iter()
                .filter(|device| {
                    filter.matches(&crate::DeviceRecord::new(&device.head, &device.tags, &device.tree.encode()))
                })
                .collect();
            expected.sort_by(|left, right| {
                let (left_tree, right_tree) = (left.tree.encode(), right.tree.encode());
                let left_record = crate::DeviceRecord::new(&left.head, &left.tags, &left_tree);
                let right_record = crate::DeviceRecord::new(&right.head, &right.tags, &right_tree);
                acs_core::query::compare_records(&sort, &left_record, &right_record)
                    .then_with(|| left.head.id.cmp(&right.head.id))
            });
            let expected: Vec<_> = expected.iter().skip(2).take(5).map(|device| device.head.id.as_str()).collect();
            let find = Find { filter: filter.clone(), sort: sort.clone(), skip: 2, limit: Some(5) };
            let found = store.find_devices(find).await.unwrap().collect().await.unwrap();
            let found: Vec<_> = found.iter().map(|device| device.head.id.as_str()).collect();
            assert_eq!(found, expected, "{case} sorted by {sort:?}");
        }
        let filter = nbi::parse("devices", case).unwrap();
        let count = all
            .iter()
            .filter(|device| {
                filter.matches(&crate::DeviceRecord::new(&device.head, &device.tags, &device.tree.encode()))
            })
            .count();
        assert_eq!(store.count_devices(filter).await.unwrap(), count as u64, "{case}");
    }
    let document = device_document(&all[7]);
    assert_eq!(document["Device"]["V"]["_value"], "1.0");
    assert_eq!(document["_deviceId"]["_SerialNumber"], "007");
    assert_eq!(document["_lastInform"], "1970-01-01T00:00:01.007Z");
}

/// Chosen, listed, refused, dropped.
pub async fn indexes_are_chosen_by_name(store: &impl Store) {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    store.commit_session(change("1", 1_000, &[("Device.A", number(1))])).await.unwrap();
    store.set_indexed_parameters(&names(&["Device.A", "_lastBoot", "Device.A"])).await.unwrap();
    assert_eq!(store.indexed_parameters().await.unwrap(), ["Device.A", "_lastBoot"]);
    for refused in
        ["", "Device.*", "Device.[a:1].B", "_tags", "Tags.x", "Device.A._type", "DeviceID.SerialNumber", "Device."]
    {
        let error = store.set_indexed_parameters(&names(&[refused])).await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid { .. }), "{refused}: {error}");
    }
    assert_eq!(store.indexed_parameters().await.unwrap(), ["Device.A", "_lastBoot"], "a refused list changes nothing");
    store.set_indexed_parameters(&names(&["Device.B"])).await.unwrap();
    assert_eq!(store.indexed_parameters().await.unwrap(), ["Device.B"]);
    let filter = nbi::parse("devices", &json!({"Device.A": 1})).unwrap();
    assert_eq!(store.count_devices(filter).await.unwrap(), 1, "what is no longer indexed is found all the same");
}

/// The report of a slow query names the parameter; with an index on it the same query looks at fewer devices.
pub async fn a_report_tells_which_index_would_help(store: &impl Store) {
    for serial in 0..20 {
        store.commit_session(change(&serial.to_string(), 1_000, &[("Device.A", number(serial % 10))])).await.unwrap();
    }
    let filter = nbi::parse("devices", &json!({"Device.A": 3, "Device.B": {"$exists": false}})).unwrap();
    let ask = async || {
        let mut records = store.find_devices(Find { filter: filter.clone(), ..Find::default() }).await.unwrap();
        let mut found = 0;
        while let Some(device) = records.next().await {
            device.unwrap();
            found += 1;
        }
        (found, records.report())
    };
    let (found, report) = ask().await;
    assert_eq!((found, report.used_index, report.suggestion.as_deref()), (2, false, Some("Device.A")));
    store.set_indexed_parameters(&["Device.A".to_owned()]).await.unwrap();
    let (found, indexed) = ask().await;
    assert_eq!((found, indexed.used_index, indexed.suggestion), (2, true, None));
    assert!(indexed.scanned < report.scanned, "{} is less than {}", indexed.scanned, report.scanned);
}
