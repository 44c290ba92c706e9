//! The suite that every store must pass, one function per topic, over any [`Store`].
//!
//! Each function panics with what differs. Give each a store of its own that is empty.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a suite reports by panicking")]

pub mod devices;
pub mod documents;
pub mod events;
pub mod files;
pub mod generated;
pub mod heartbeats;
pub mod leases;
pub mod ledgers;
pub mod queries;
pub mod scopes;
pub mod suspended;
pub mod tasks;
pub mod transfers;

use acs_core::change::SessionChange;
use acs_core::device::DeviceHead;
use acs_core::fault::{Fault, FaultRecord, ProvisionCall};
use acs_core::rpc::DeviceIdStruct;
use acs_core::task::Task;
use acs_core::tree::DeviceTree;
use acs_core::value::{TypedValue, Value, XsdType};
use serde_json::json;

/// One test per case, each with a store of its own. The argument is an async function without parameters that gives an empty store,
/// and whatever must live as long; `None` when there can be none here, which it has said.
///
/// ```ignore
/// store::conformance!(async || Some((open_a_store().await, temporary_directory)));
/// ```
#[macro_export]
macro_rules! conformance {
    ($make:expr) => {
        $crate::conformance!(@cases $make;
            devices: devices_are_stored_as_a_whole, a_deleted_device_is_not_written,
                what_is_kept_of_a_device_goes_with_it, a_devices_credentials_go_with_it, tags_are_changed_one_by_one,
                a_first_contact_that_came_twice_is_one_device, tags_are_changed_together_or_not_at_all;
            queries: devices_are_found, indexes_are_chosen_by_name, a_report_tells_which_index_would_help;
            generated: devices_answer_as_in_memory, faults_answer_as_in_memory;
            documents: documents_are_kept, collections_are_known_by_any_spelling, changes_of_the_configuration_are_told,
                documents_are_changed_together;
            tasks: tasks_live_and_end, tasks_of_a_device_are_limited, faults_are_kept_per_channel, an_ended_task_does_not_come_back,
                an_accepted_task_ends_with_its_result,
                a_replaced_task_takes_its_fault_along, a_deleted_fault_takes_its_task_along, waiting_tasks_are_in_order;
            events: events_are_in_order, events_come_without_a_session, a_failed_change_tells_nothing,
                pruned_events_do_not_come_back;
            heartbeats: a_missing_heartbeat_is_told_once, nobody_is_missing_before_his_time;
            leases: one_owner_at_a_time, a_lease_that_has_passed_on_writes_nothing, expired_leases_pass_on,
                who_begins_anew_takes_the_lease;
            ledgers: entries_are_kept_by_sequence, a_ledger_is_forgotten_as_a_whole, entries_that_are_too_large_are_refused;
            suspended: a_session_goes_on_elsewhere, one_of_a_crowd_resumes, a_session_that_went_on_is_written_by_its_successor,
                nobody_resumes_what_began_anew, an_expired_session_is_not_resumed, large_sessions_are_kept;
            files: files_are_kept_in_chunks, a_file_is_replaced_at_the_end, an_unfinished_file_leaves_nothing,
                uploads_are_apart;
            transfers: both_halves_of_a_transfer_are_one_record, settled_transfers_are_not_opened_again,
                transfers_are_bounded;
            scopes: only_what_is_within_a_scope_is_read, what_belongs_to_a_device_is_seen_with_it,
                nothing_outside_a_scope_is_changed, documents_stay_within_a_scope, a_guard_decides_on_each_change;
        );
    };
    (@cases $make:expr; $($topic:ident: $($case:ident),+;)+) => {
        $(mod $topic {
            #[allow(unused_imports)]
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let made: Option<_> = ($make)().await;
                if let Some((store, _kept)) = &made {
                    $crate::conformance::$topic::$case(store).await;
                }
            })+
        })+
    };
}

/// A session's change for a device with a serial number and some values.
pub fn change(serial: &str, at: i64, values: &[(&str, TypedValue)]) -> SessionChange {
    let identity = DeviceIdStruct {
        manufacturer: "ExampleCorp".into(),
        oui: "0A1B2C".into(),
        product_class: "Box".into(),
        serial_number: serial.into(),
    };
    let mut tree = DeviceTree::new();
    for (path, value) in values {
        let id = tree.ensure(path);
        tree.set_read_value(id, value.clone(), at);
    }
    let head = DeviceHead { id: identity.device_id(), identity, registered: at, last_inform: at, ..Default::default() };
    SessionChange::first(head, tree)
}

/// A number of type `xsd:unsignedInt`.
pub fn number(value: i64) -> TypedValue {
    TypedValue(Value::Int(value), XsdType::UnsignedInt)
}

/// A fault of a channel.
pub fn fault(device: &str, channel: &str, code: &str) -> FaultRecord {
    FaultRecord {
        device: device.into(),
        channel: channel.into(),
        fault: Fault::new(code, "what was wrong"),
        timestamp: 1_000,
        retries: 1,
        expiry: None,
        provisions: vec![ProvisionCall { name: "p".into(), arguments: vec![json!(1)], weight: 3 }],
        retry_at: Some(61_000),
        fingerprint: 7,
    }
}

/// A task that restarts a device.
pub fn task(id: &str, device: &str, key: Option<&str>) -> Task {
    let mut document = json!({"name": "reboot"});
    if let Some(key) = key {
        document["uniqueKey"] = key.into();
    }
    Task::from_document(&document, device, id.into(), 1_000).unwrap()
}

/// A later session of a device that writes only its head.
pub fn quiet(serial: &str, at: i64) -> SessionChange {
    let mut change = change(serial, at, &[]);
    change.is_new = false;
    change.tree = None;
    change
}
