//! Documents that operators write.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a suite reports by panicking")]

use acs_core::query::nbi;
use serde_json::json;

use crate::{Collection, Find, Listing, Store, StoreError};

/// They are listed in the order of their ids, and changes are counted.
pub async fn documents_are_kept(store: &impl Store) {
    let before = store.configuration_revision().await.unwrap();
    store.put(Collection::Presets, "b", json!({"weight": 1})).await.unwrap();
    store.put(Collection::Presets, "a", json!({"weight": 2, "_id": "ignored"})).await.unwrap();
    store.put(Collection::ApiKeys, "k", json!({"hash": "x"})).await.unwrap();
    let after = store.configuration_revision().await.unwrap();
    assert!(after > before);
    let list =
        store.find(Listing::Documents(Collection::Presets), Find::default()).await.unwrap().collect().await.unwrap();
    assert_eq!(list, [json!({"_id": "a", "weight": 2}), json!({"_id": "b", "weight": 1})]);
    assert_eq!(store.get(Collection::Presets, "a").await.unwrap().unwrap()["weight"], 2);
    assert!(store.get(Collection::Provisions, "a").await.unwrap().is_none());
    assert!(store.delete(Collection::Presets, "a").await.unwrap());
    assert!(!store.delete(Collection::Presets, "a").await.unwrap());
    assert!(store.configuration_revision().await.unwrap() > after);
    let filter = nbi::parse("presets", &json!({"weight": {"$lt": 2}})).unwrap();
    assert_eq!(store.count(Listing::Documents(Collection::Presets), filter).await.unwrap(), 1);
}

/// As paths and old clients spell them.
pub async fn collections_are_known_by_any_spelling(_: &impl Store) {
    for name in ["virtualParameters", "virtual_parameters", "virtualparameters"] {
        assert_eq!(Collection::parse(name), Some(Collection::VirtualParameters), "{name}");
    }
    for collection in Collection::ALL {
        assert_eq!(Collection::parse(collection.name()), Some(collection));
    }
    assert_eq!(Collection::parse("devices"), None);
}

/// Whoever watches hears of each change, and of nothing else.
pub async fn changes_of_the_configuration_are_told(store: &impl Store) {
    let mut watch = store.watch_configuration();
    let before = *watch.borrow_and_update();
    assert_eq!(store.configuration_revision().await.unwrap(), before);
    store.put(Collection::Config, "a", json!({"value": "1"})).await.unwrap();
    watch.changed().await.unwrap();
    let first = *watch.borrow_and_update();
    assert!(first > before);
    store.put(Collection::Config, "a", json!({"value": "1"})).await.unwrap();
    store.put(Collection::Users, "u", json!({"roles": "admin"})).await.unwrap();
    assert_eq!(store.configuration_revision().await.unwrap(), first, "nothing that sessions use has changed");
    store.put(Collection::Config, "a", json!({"value": "2"})).await.unwrap();
    watch.changed().await.unwrap();
    assert!(*watch.borrow_and_update() > first);
    for (id, document) in [("a", json!("text")), ("a", json!([1])), ("", json!({}))] {
        assert!(matches!(store.put(Collection::Config, id, document).await, Err(StoreError::Invalid { .. })));
    }
}

/// Several at once, in their order.
pub async fn documents_are_changed_together(store: &impl Store) {
    store.put(Collection::Presets, "old", json!({"weight": 1})).await.unwrap();
    let before = store.configuration_revision().await.unwrap();
    let changes = vec![
        (Collection::Provisions, "p".to_owned(), Some(json!({"script": "1"}))),
        (Collection::Presets, "new".to_owned(), Some(json!({"provisions": ["p"]}))),
        (Collection::Presets, "old".to_owned(), None),
        (Collection::Presets, "never".to_owned(), None),
    ];
    store.change_documents(changes).await.unwrap();
    assert!(store.configuration_revision().await.unwrap() > before);
    assert_eq!(store.get(Collection::Presets, "new").await.unwrap().unwrap()["provisions"], json!(["p"]));
    assert_eq!(store.get(Collection::Provisions, "p").await.unwrap().unwrap()["script"], "1");
    assert!(store.get(Collection::Presets, "old").await.unwrap().is_none());
}
