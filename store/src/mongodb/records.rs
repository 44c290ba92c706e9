//! Faults and operations as documents that other programs know, and read also when another program wrote them.
//!
//! Their provisions and channels are JSON in text, as in the incumbent. What it has no place for is in `lodestar`.

use std::collections::BTreeMap;

use acs_core::fault::{Fault, FaultRecord, ProvisionCall};
use acs_core::operation::Operation;
use mongodb::bson::{Bson, Document, doc};
use serde_json::{Value as Json, json};

use super::journal::{bson_record, record_bson};
use super::values::{bson_json, damaged, date, id_of, json_document, time_of, time_or_number};
use crate::StoreError;

/// A fault's document.
pub fn fault_document(fault: &FaultRecord) -> Document {
    let json = fault.document();
    let mut document =
        json.as_object().map(|map| json_document(map, &["timestamp", "expiry", "retryAt"])).unwrap_or_default();
    let weights: Vec<i64> = fault.provisions.iter().map(|call| call.weight).collect();
    document.insert("lodestar", doc! { "weights": weights, "fingerprint": fault.fingerprint.cast_signed() });
    document
}

/// Reads a fault's document.
pub fn read_fault(document: &Document) -> Result<FaultRecord, StoreError> {
    let id = id_of(document);
    let text = |name: &str| document.get_str(name).map(str::to_owned);
    let broken = |error: mongodb::bson::error::Error| damaged(&id, error);
    let own = document.get_document("lodestar").ok();
    let timestamp = time_of(document, "timestamp").unwrap_or(0);
    let mut provisions = calls_of(&id, document.get_str("provisions").unwrap_or("[]"))?;
    if let Some(weights) = own.and_then(|own| own.get_array("weights").ok()) {
        for (call, weight) in provisions.iter_mut().zip(weights) {
            call.weight = time_or_number(weight).unwrap_or(0);
        }
    }
    // One that another program stored has no time for the next attempt: it is due.
    let is_ours = own.is_some();
    let retry_at = time_of(document, "retryAt").or_else(|| (!is_ours).then_some(timestamp));
    let number = |document: &Document, name: &str| document.get(name).and_then(time_or_number);
    Ok(FaultRecord {
        device: text("device").map_err(broken)?,
        channel: text("channel").map_err(broken)?,
        fault: Fault {
            code: text("code").unwrap_or_default(),
            message: text("message").unwrap_or_default(),
            detail: document.get("detail").map(bson_json),
        },
        timestamp,
        retries: number(document, "retries").and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
        expiry: time_of(document, "expiry"),
        provisions,
        retry_at,
        fingerprint: own.and_then(|own| number(own, "fingerprint")).unwrap_or(0).cast_unsigned(),
    })
}

/// Provisions in text: `[["name", argument, …], …]`.
fn calls_of(id: &str, text: &str) -> Result<Vec<ProvisionCall>, StoreError> {
    let lists: Vec<Vec<Json>> = serde_json::from_str(text).map_err(|error| damaged(id, error))?;
    lists.into_iter().map(|list| call_of(id, list)).collect()
}

fn call_of(id: &str, list: Vec<Json>) -> Result<ProvisionCall, StoreError> {
    let mut list = list.into_iter();
    match list.next() {
        Some(Json::String(name)) => Ok(ProvisionCall { name, arguments: list.collect(), weight: 0 }),
        _ => Err(damaged(id, "a provision has no name")),
    }
}

/// An operation's document.
pub fn operation_document(device: &str, operation: &Operation) -> Result<Document, StoreError> {
    let mut provisions: Vec<&ProvisionCall> = Vec::new();
    let mut channels = BTreeMap::new();
    for (channel, calls) in &operation.channels {
        let mut mask = 0u64;
        for call in calls {
            let index = provisions.iter().position(|known| known.is_same_call(call)).unwrap_or_else(|| {
                provisions.push(call);
                provisions.len() - 1
            });
            mask |= 1u64.checked_shl(u32::try_from(index).unwrap_or(u32::MAX)).unwrap_or(0);
        }
        channels.insert(channel, mask);
    }
    let provisions: Vec<Json> = provisions.iter().map(|call| call.to_json()).collect();
    Ok(doc! {
        "_id": format!("{device}:{}", operation.command_key),
        "name": operation.kind.rpc(),
        "timestamp": date(operation.timestamp),
        "channels": json!(channels).to_string(),
        "provisions": Json::Array(provisions).to_string(),
        "retries": json!(operation.retries).to_string(),
        "args": json!({
            "instance": operation.instances.join(","),
            "fileType": operation.file_type,
            "fileName": operation.file_name,
            "targetFileName": operation.target_file_name,
        })
        .to_string(),
        "lodestar": record_bson(operation)?,
    })
}

/// Reads an operation's document.
pub fn read_operation(document: &Document) -> Result<Operation, StoreError> {
    let id = id_of(document);
    if let Some(record @ Bson::Document(_)) = document.get("lodestar") {
        return bson_record(&id, record);
    }
    let json = |name: &str| -> Result<Json, StoreError> {
        let text = document.get_str(name).map_err(|error| damaged(&id, error))?;
        serde_json::from_str(text).map_err(|error| damaged(&id, error))
    };
    let (channels, retries, arguments) = (json("channels")?, json("retries")?, json("args")?);
    let provisions = calls_of(&id, document.get_str("provisions").unwrap_or("[]"))?;
    let chosen = |mask: &Json| {
        let mask = mask.as_u64().unwrap_or(0);
        let is_chosen = |index: usize| index < 64 && mask & (1 << index) != 0;
        provisions.iter().enumerate().filter(|(index, _)| is_chosen(*index)).map(|(_, call)| call.clone()).collect()
    };
    let numbers = |(channel, count): (&String, &Json)| (channel.clone(), count.as_u64().unwrap_or(0) as u32);
    let text = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
    Ok(Operation {
        // Device IDs have no colon.
        command_key: id.split_once(':').map(|(_, key)| key.to_owned()).unwrap_or_default(),
        timestamp: time_of(document, "timestamp").unwrap_or(0),
        instances: vec![text("instance")],
        file_type: text("fileType"),
        file_name: text("fileName"),
        target_file_name: text("targetFileName"),
        channels: channels.as_object().into_iter().flatten().map(|(name, mask)| (name.clone(), chosen(mask))).collect(),
        retries: retries.as_object().into_iter().flatten().map(numbers).collect(),
        ..Operation::default()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use acs_core::operation::OperationKind;

    use super::*;

    fn call(name: &str, weight: i64) -> ProvisionCall {
        ProvisionCall { name: name.into(), arguments: vec![json!(1), json!("x")], weight }
    }

    #[test]
    fn faults_come_back_as_they_were() {
        let mut fault = crate::conformance::fault("d", "c", "cwmp.9002");
        fault.fingerprint = u64::MAX - 1;
        fault.provisions.push(call("q", -5));
        fault.fault.detail = Some(json!({"faultCode": "9002", "$odd": 1}));
        for (expiry, retry_at) in [(None, None), (Some(5), Some(6))] {
            (fault.expiry, fault.retry_at) = (expiry, retry_at);
            let document = fault_document(&fault);
            assert!(matches!(document.get("timestamp"), Some(Bson::DateTime(_))));
            assert_eq!(read_fault(&document).unwrap(), fault);
        }
    }

    #[test]
    fn a_fault_of_another_program_is_due() {
        let document = doc! {
            "_id": "d:default", "device": "d", "channel": "default", "timestamp": date(5_000), "code": "cwmp.9002",
            "message": "Internal error", "detail": { "faultCode": "9002", "faultString": "Internal error" }, "retries": 2,
            "provisions": r#"[["refresh","Device"]]"#,
        };
        let fault = read_fault(&document).unwrap();
        assert_eq!((fault.retry_at, fault.retries, fault.provisions[0].name.as_str()), (Some(5_000), 2, "refresh"));
        assert!(read_fault(&doc! { "_id": "x" }).is_err());
    }

    #[test]
    fn operations_come_back_as_they_were() {
        let operation = Operation {
            command_key: "k:1".into(),
            kind: OperationKind::Upload,
            timestamp: 9,
            instances: vec!["1".into(), "2".into()],
            file_name: "f".into(),
            channels: [("a".to_owned(), vec![call("p", 1), call("q", 2)]), ("b".to_owned(), vec![call("q", 2)])].into(),
            retries: [("a".to_owned(), 3)].into(),
            ..Operation::default()
        };
        let document = operation_document("d", &operation).unwrap();
        assert_eq!(document.get_str("_id").unwrap(), "d:k:1");
        assert_eq!(document.get_str("channels").unwrap(), r#"{"a":3,"b":2}"#);
        assert_eq!(read_operation(&document).unwrap(), operation);
    }

    #[test]
    fn a_download_of_another_program_is_awaited() {
        let document = doc! {
            "_id": "d:18b0a2", "name": "Download", "timestamp": date(7), "channels": r#"{"default":2}"#,
            "provisions": r#"[["a"],["b",1]]"#, "retries": r#"{"default":1}"#,
            "args": r#"{"instance":"2","fileType":"1 Firmware Upgrade Image","fileName":"fw.bin","targetFileName":""}"#,
        };
        let operation = read_operation(&document).unwrap();
        assert_eq!((operation.command_key.as_str(), operation.kind), ("18b0a2", OperationKind::Download));
        assert_eq!((&operation.instances[..], operation.file_name.as_str()), (&["2".to_owned()][..], "fw.bin"));
        assert_eq!(operation.channels["default"].iter().map(|call| call.name.as_str()).collect::<Vec<_>>(), ["b"]);
        assert_eq!(operation.retries["default"], 1);
    }
}
