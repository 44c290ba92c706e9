//! The configuration that new sessions get: compiled from the store, and compiled again when it changes there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use acs_core::expression::Context;
use arc_swap::ArcSwap;
use cwmp::{ConfigurationSource, PinnedConfiguration, SessionOptions};
use sandbox::Limits;
use serde_json::Value as Json;
use store::{Collection, Find, Listing, Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::file_urls::FileUrls;
use crate::snapshot::{Documents, Snapshot};

/// How often the store is asked whether the configuration has changed.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The current snapshot.
pub struct LiveConfiguration {
    current: ArcSwap<Snapshot>,
    store: Arc<dyn Store>,
    limits: Limits,
    file_urls: Option<FileUrls>,
}

impl LiveConfiguration {
    /// Compiles what is stored.
    pub async fn load(
        store: Arc<dyn Store>,
        limits: Limits,
        file_urls: Option<FileUrls>,
    ) -> Result<Arc<LiveConfiguration>, StoreError> {
        let documents = Documents { file_urls: file_urls.clone(), ..read_documents(&*store).await? };
        let (snapshot, problems) = Snapshot::build(&documents, None, &limits);
        report(&problems);
        let current = ArcSwap::from_pointee(snapshot);
        Ok(Arc::new(LiveConfiguration { current, store, limits, file_urls }))
    }

    /// The snapshot that sessions get which begin now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Compiles again whenever the store's configuration changes, until stopped.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut seen = self.store.configuration_revision().await.unwrap_or(0);
        // A change between loading and the line above must not be missed.
        let mut stale = true;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            match self.store.configuration_revision().await {
                Ok(revision) if revision != seen || stale => {
                    if let Err(error) = self.reload().await {
                        tracing::error!(%error, "the configuration could not be read; the one before stays");
                        continue;
                    }
                    (seen, stale) = (revision, false);
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "the configuration's revision could not be read"),
            }
        }
    }

    /// Compiles what is stored now.
    pub async fn reload(&self) -> Result<(), StoreError> {
        let documents = Documents { file_urls: self.file_urls.clone(), ..read_documents(&*self.store).await? };
        let (snapshot, problems) = Snapshot::build(&documents, Some(&self.current.load()), &self.limits);
        report(&problems);
        self.current.store(Arc::new(snapshot));
        Ok(())
    }
}

impl ConfigurationSource for LiveConfiguration {
    fn current(&self) -> Arc<dyn PinnedConfiguration> {
        self.current.load_full()
    }
}

impl PinnedConfiguration for Snapshot {
    fn documents(&self) -> Json {
        serde_json::to_value(self.documents()).unwrap_or_default()
    }

    fn session_options(&self, context: &dyn Context) -> SessionOptions {
        let mut options = SessionOptions::evaluate(self.config(), context);
        options.settings.file_url_prefix = self.file_url_prefix(context);
        options
    }
}

fn report(problems: &[String]) {
    for problem in problems {
        tracing::warn!(problem, "the stored configuration has a mistake");
    }
}

/// Reads everything that a snapshot is compiled from.
pub async fn read_documents(store: &dyn Store) -> Result<Documents, StoreError> {
    let mut documents = Documents {
        presets: by_name(store, Collection::Presets).await?,
        objects: by_name(store, Collection::Objects).await?,
        ..Documents::default()
    };
    documents.provisions = texts(by_name(store, Collection::Provisions).await?, "script");
    documents.virtual_parameters = texts(by_name(store, Collection::VirtualParameters).await?, "script");
    documents.config = texts(by_name(store, Collection::Config).await?, "value");
    Ok(documents)
}

async fn by_name(store: &dyn Store, collection: Collection) -> Result<BTreeMap<String, Json>, StoreError> {
    let list = store.find(Listing::Documents(collection), Find::default()).await?.collect().await?;
    let named = |document: Json| Some((document["_id"].as_str()?.to_owned(), document));
    Ok(list.into_iter().filter_map(named).collect())
}

fn texts(documents: BTreeMap<String, Json>, field: &str) -> BTreeMap<String, String> {
    let text = |(name, document): (String, Json)| Some((name, document[field].as_str()?.to_owned()));
    documents.into_iter().filter_map(text).collect()
}
