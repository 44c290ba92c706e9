//! What a new installation starts with.

use anyhow::Result;
use provisions::seeds;
use serde_json::json;
use store::{Collection, Find, Listing, Store};

/// Stores the seed presets and provisions when there is no configuration and no device yet. Returns whether it did.
pub async fn seed(store: &dyn Store) -> Result<bool> {
    let find = || Find { limit: Some(1), ..Find::default() };
    for collection in [Collection::Presets, Collection::Provisions] {
        if !store.find(Listing::Documents(collection), find()).await?.collect().await?.is_empty() {
            return Ok(false);
        }
    }
    if !store.find_devices(find()).await?.collect().await?.is_empty() {
        return Ok(false);
    }
    for provision in seeds::PROVISIONS {
        store.put(Collection::Provisions, provision.name, json!({ "script": provision.script })).await?;
    }
    for preset in seeds::PRESETS {
        store.put(Collection::Presets, preset.name, preset.document()?).await?;
    }
    Ok(true)
}
