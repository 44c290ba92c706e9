//! Where the configuration is: behind the REST API of a running server, or in a store.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::Value as Json;
use store::{Find, Listing, Store};

use super::plan::Change;
use super::{Documents, Kind};
use crate::command_line::ConfigurationPlace;
use crate::nbi_client::NbiClient;

/// A configuration that can be read and changed.
pub enum Place {
    /// A running server.
    Nbi(NbiClient),
    /// A database.
    Stored(Arc<dyn Store>),
}

/// A place of which nothing is changed; a database may be in use.
pub async fn open_for_reading(place: &ConfigurationPlace) -> Result<Place> {
    match &place.url {
        Some(url) => Ok(Place::Nbi(client(url, place)?)),
        None => Ok(Place::Stored(place.store.open_for_reading(place.data_dir.as_deref()).await?)),
    }
}

/// A place that is to be changed; no server may use the database of a data directory.
pub async fn open_for_writing(place: &ConfigurationPlace) -> Result<Place> {
    match &place.url {
        Some(url) => Ok(Place::Nbi(client(url, place)?)),
        None => {
            let store = place.store.open(place.data_dir.as_deref()).await;
            Ok(Place::Stored(store.context("a running server is changed with --url")?))
        }
    }
}

fn client(url: &str, place: &ConfigurationPlace) -> Result<NbiClient> {
    let key = match (&place.api_key_file, std::env::var("LODESTAR_API_KEY")) {
        (Some(file), _) => {
            let text =
                std::fs::read_to_string(file).with_context(|| format!("reading --api-key-file {}", file.display()))?;
            Some(text.trim().to_owned())
        }
        (None, Ok(key)) if !key.is_empty() => Some(key),
        _ => None,
    };
    NbiClient::new(url, key, place.ca.as_deref())
}

impl Place {
    /// All documents.
    ///
    /// # Errors
    /// The place cannot be read.
    pub async fn read(&self) -> Result<Documents> {
        let mut documents = Documents::new();
        for kind in Kind::ALL {
            let list = match self {
                Place::Nbi(client) => client.list(kind.folder()).await?,
                Place::Stored(store) => {
                    store.find(Listing::Documents(kind.collection()), Find::default()).await?.collect().await?
                }
            };
            for mut document in list {
                let id = document.as_object_mut().and_then(|map| map.shift_remove("_id"));
                let Some(Json::String(name)) = id else { bail!("{}: a document has no _id", kind.folder()) };
                documents.insert((kind, name), document);
            }
        }
        Ok(documents)
    }

    /// Makes changes, in their order: in a data directory all or none.
    ///
    /// # Errors
    /// The place does not take them; says which were made before.
    pub async fn write(&self, changes: &[Change]) -> Result<()> {
        match self {
            Place::Stored(store) => {
                let change = |change: &Change| (change.kind.collection(), change.name.clone(), change.after.clone());
                Ok(store.change_documents(changes.iter().map(change).collect()).await?)
            }
            Place::Nbi(client) => {
                for (done, change) in changes.iter().enumerate() {
                    let made = match &change.after {
                        Some(document) => client.put(change.kind.folder(), &change.name, document).await,
                        None => client.delete(change.kind.folder(), &change.name).await,
                    };
                    made.with_context(|| {
                        format!("{}: {done} of {} changes were made before", change.title(), changes.len())
                    })?;
                }
                Ok(())
            }
        }
    }
}
