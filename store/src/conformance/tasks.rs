//! Tasks and faults.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a suite reports by panicking")]

use acs_core::change::TaskChange;
use acs_core::query::{Query, nbi};
use acs_core::task::{Task, TaskState};
use serde_json::json;

use super::{change, fault, quiet, task};
use crate::{Find, Listing, MAX_OPEN_TASKS, Store, StoreError};

/// From the queue to the end, with replacement, retry and cancellation.
pub async fn tasks_live_and_end(store: &impl Store) {
    let id = change("1", 0, &[]).head.id;
    assert!(matches!(store.insert_task(task("a", &id, None)).await, Err(StoreError::NoSuchDevice(_))));
    store.commit_session(change("1", 1_000, &[])).await.unwrap();
    store.insert_task(task("a", &id, Some("k"))).await.unwrap();
    store.insert_task(task("b", &id, Some("k"))).await.unwrap();
    store.insert_task(task("c", &id, None)).await.unwrap();
    assert_eq!(store.get_task("a").await.unwrap().unwrap().state, TaskState::Cancelled);
    let open: Vec<_> = store.open_device(&id).await.unwrap().tasks.into_iter().map(|task| task.id).collect();
    assert_eq!(open, ["b", "c"]);
    let mut session = change("1", 2_000, &[]);
    session.is_new = false;
    session.tasks.push(TaskChange {
        id: "b".into(),
        state: TaskState::Done,
        reason: String::new(),
        at: 2_000,
        result: None,
    });
    session.faults.push(("task_c".into(), Some(fault(&id, "task_c", "cwmp.9002"))));
    session.tasks.push(TaskChange {
        id: "c".into(),
        state: TaskState::Faulted,
        reason: "refused".into(),
        at: 2_000,
        result: None,
    });
    store.commit_session(session).await.unwrap();
    assert_eq!(store.get_task("b").await.unwrap().unwrap().state, TaskState::Done);
    let listed = store.find(Listing::Tasks, Find::default()).await.unwrap().collect().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0]["_id"], &listed[0]["state"]), (&json!("c"), &json!("faulted")));
    assert!(store.retry_task("c", 3_000).await.unwrap());
    assert_eq!(store.get_task("c").await.unwrap().unwrap().state, TaskState::Queued);
    assert_eq!(store.count(Listing::Faults, Query::True).await.unwrap(), 0);
    assert!(store.cancel_task("c", 3_000).await.unwrap());
    assert!(!store.cancel_task("c", 3_000).await.unwrap());
    assert!(!store.retry_task("unknown", 3_000).await.unwrap());
    assert_eq!(store.count(Listing::Tasks, Query::True).await.unwrap(), 0);

    // One that the device has taken can be given up, too; what it reports later changes nothing.
    store.insert_task(task("d", &id, None)).await.unwrap();
    assert!(store.move_task("d", &[TaskState::Queued], TaskState::Accepted, "", 3_000).await.unwrap());
    assert!(store.cancel_task("d", 4_000).await.unwrap());
    assert_eq!(store.get_task("d").await.unwrap().unwrap().state, TaskState::Cancelled);
    let mut report = change("1", 5_000, &[]);
    report.is_new = false;
    let state = TaskState::Done;
    report.tasks.push(TaskChange { id: "d".into(), state, reason: String::new(), at: 5_000, result: None });
    store.commit_session(report).await.unwrap();
    assert_eq!(store.get_task("d").await.unwrap().unwrap().state, TaskState::Cancelled);
    assert!(!store.cancel_task("d", 6_000).await.unwrap());
}

/// No device has more open tasks than it can read in a session.
pub async fn tasks_of_a_device_are_limited(store: &impl Store) {
    store.commit_session(change("1", 1_000, &[])).await.unwrap();
    store.commit_session(change("2", 1_000, &[])).await.unwrap();
    let (full, other) = (change("1", 0, &[]).head.id, change("2", 0, &[]).head.id);
    for index in 0..MAX_OPEN_TASKS {
        store.insert_task(task(&index.to_string(), &full, None)).await.unwrap();
    }
    match store.insert_task(task("more", &full, None)).await {
        Err(StoreError::Invalid { what, reason }) => assert!(what.contains("more") && reason.contains(&full)),
        unexpected => panic!("{unexpected:?}"),
    }
    store.insert_task(task("0", &full, None)).await.expect("one that is there may be written again");
    store.insert_task(task("of-another", &other, None)).await.unwrap();
    assert!(store.cancel_task("1", 2_000).await.unwrap());
    store.insert_task(task("more", &full, None)).await.unwrap();
}

/// Each channel of a device has its own fault.
pub async fn faults_are_kept_per_channel(store: &impl Store) {
    let mut first = change("1", 1_000, &[]);
    let id = first.head.id.clone();
    for channel in ["default", "wifi"] {
        first.faults.push((channel.into(), Some(fault(&id, channel, "script.Error"))));
    }
    store.commit_session(first).await.unwrap();
    let filter = nbi::parse("faults", &json!({"channel": "wifi"})).unwrap();
    let found = store.find(Listing::Faults, Find { filter, ..Find::default() }).await.unwrap().collect().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["_id"], format!("{id}:wifi"));
    assert_eq!(found[0]["provisions"], "[[\"p\",1]]");
    assert!(store.delete_fault(&id, "wifi", 2_000).await.unwrap());
    assert!(!store.delete_fault(&id, "wifi", 2_000).await.unwrap());
    assert_eq!(store.open_device(&id).await.unwrap().faults.len(), 1);
}

/// A state that comes too late changes nothing.
pub async fn an_ended_task_does_not_come_back(store: &impl Store) {
    store.commit_session(change("1", 1_000, &[])).await.unwrap();
    let id = change("1", 0, &[]).head.id;
    store.insert_task(task("a", &id, None)).await.unwrap();
    let waits = [TaskState::Queued, TaskState::Waking];
    assert!(store.move_task("a", &waits, TaskState::InSession, "", 1_500).await.unwrap());
    assert!(!store.move_task("a", &waits, TaskState::Waking, "", 1_600).await.unwrap(), "it waits no longer");
    assert!(store.cancel_task("a", 2_000).await.unwrap());
    let open = [TaskState::Waking, TaskState::InSession];
    assert!(!store.move_task("a", &open, TaskState::Queued, "", 3_000).await.unwrap());
    let mut session = quiet("1", 3_000);
    session.tasks.push(TaskChange {
        id: "a".into(),
        state: TaskState::Faulted,
        reason: String::new(),
        at: 3_000,
        result: None,
    });
    store.commit_session(session).await.unwrap();
    let task = store.get_task("a").await.unwrap().unwrap();
    assert_eq!((task.state, task.state_at), (TaskState::Cancelled, 2_000));
    assert!(!store.move_task("unknown", &open, TaskState::Done, "", 1).await.unwrap());
}

/// What the device has accepted is no longer in the queue, and ends when its report comes.
pub async fn an_accepted_task_ends_with_its_result(store: &impl Store) {
    store.commit_session(change("1", 1_000, &[])).await.unwrap();
    let id = change("1", 0, &[]).head.id;
    store.insert_task(task("a", &id, None)).await.unwrap();
    let mut session = quiet("1", 2_000);
    let result = Some(json!({"commandKey": "k"}));
    let accepted = TaskChange {
        id: "a".into(),
        state: TaskState::Accepted,
        reason: "told".into(),
        at: 2_000,
        result: result.clone(),
    };
    session.tasks.push(accepted);
    store.commit_session(session).await.unwrap();
    assert!(store.open_device(&id).await.unwrap().tasks.is_empty());
    let mut session = quiet("1", 3_000);
    let done = TaskChange { id: "a".into(), state: TaskState::Done, reason: String::new(), at: 3_000, result: None };
    session.tasks.push(done);
    store.commit_session(session).await.unwrap();
    let task = store.get_task("a").await.unwrap().unwrap();
    assert_eq!((task.state, task.result), (TaskState::Done, result));
}

/// Only tasks of the same device and key are replaced.
// Rule: task-unique-key.
pub async fn a_replaced_task_takes_its_fault_along(store: &impl Store) {
    let mut first = change("1", 1_000, &[]);
    let id = first.head.id.clone();
    first.faults.push(("task_a".into(), Some(fault(&id, "task_a", "cwmp.9002"))));
    store.commit_session(first).await.unwrap();
    store.commit_session(change("2", 1_000, &[])).await.unwrap();
    let other = change("2", 0, &[]).head.id;
    store.insert_task(task("a", &id, Some("k"))).await.unwrap();
    store.insert_task(task("b", &other, Some("k"))).await.unwrap();
    store.insert_task(task("c", &id, Some("l"))).await.unwrap();
    store.insert_task(task("d", &id, Some("k"))).await.unwrap();
    let replaced = store.get_task("a").await.unwrap().unwrap();
    assert_eq!(replaced.state, TaskState::Cancelled);
    assert!(replaced.reason.to_lowercase().contains("replaced by task d"), "{}", replaced.reason);
    assert!(store.get_fault(&id, "task_a").await.unwrap().is_none());
    for open in ["b", "c", "d"] {
        assert!(store.get_task(open).await.unwrap().unwrap().state.is_open(), "{open}");
    }
}

/// Deleting a task's fault gives the task up.
// Rule: task-fault-deleted.
pub async fn a_deleted_fault_takes_its_task_along(store: &impl Store) {
    let mut first = change("1", 1_000, &[]);
    let id = first.head.id.clone();
    first.faults.push(("task_a".into(), Some(fault(&id, "task_a", "cwmp.9002"))));
    store.commit_session(first).await.unwrap();
    store.insert_task(task("a", &id, None)).await.unwrap();
    assert_eq!(store.get_fault(&id, "task_a").await.unwrap(), Some(fault(&id, "task_a", "cwmp.9002")));
    assert!(store.delete_fault(&id, "task_a", 2_000).await.unwrap());
    assert_eq!(store.get_task("a").await.unwrap().unwrap().state, TaskState::Cancelled);
    assert_eq!(store.get_fault(&id, "task_a").await.unwrap(), None);
}

/// A session takes tasks by their time, and lists have them by id.
pub async fn waiting_tasks_are_in_order(store: &impl Store) {
    store.commit_session(change("1", 1_000, &[])).await.unwrap();
    let device = change("1", 0, &[]).head.id;
    for (id, timestamp) in [("a", 3_000), ("b", 1_000), ("c", 2_000)] {
        store.insert_task(Task { timestamp, ..task(id, &device, None) }).await.unwrap();
    }
    let waiting: Vec<_> = store.open_device(&device).await.unwrap().tasks.into_iter().map(|task| task.id).collect();
    assert_eq!(waiting, ["b", "c", "a"]);
    let filter = nbi::parse("tasks", &json!({"device": device, "timestamp": {"$gte": 2_000}})).unwrap();
    let sort = nbi::parse_sort("tasks", &json!({"timestamp": -1})).unwrap();
    for (sort, skip, expected) in [(vec![], 0, vec!["a", "c"]), (sort, 1, vec!["c"])] {
        let find = Find { filter: filter.clone(), sort, skip, limit: Some(5) };
        let listed = store.find(Listing::Tasks, find).await.unwrap().collect().await.unwrap();
        assert_eq!(listed.iter().map(|task| &task["_id"]).collect::<Vec<_>>(), expected);
    }
}
