//! The configuration that new sessions get: compiled from the store, and compiled again when it changes there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use acs_core::expression::{Context, Expression};
use acs_core::rpc::AcsRequest;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use cwmp::{AuthenticationOptions, ConfigurationSource, NamedCounts, PinnedConfiguration, SessionOptions};
use sandbox::Limits;
use serde_json::Value as Json;
use store::{Collection, Find, Listing, Store, StoreError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use ui_api::ConfigurationFollower;

use crate::file_urls::FileUrls;
use crate::snapshot::{Documents, FileFacts, Snapshot};

/// How often the store is asked whether the configuration has changed, besides being told: another process may change it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long somebody waits until a change is compiled. It always is, unless the store fails.
const CATCH_UP: Duration = Duration::from_secs(2);

/// The current snapshot.
pub struct LiveConfiguration {
    current: ArcSwap<Snapshot>,
    /// The store's revision that the snapshot holds at least.
    revision: watch::Sender<i64>,
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
        let revision = watch::Sender::new(store.configuration_revision().await?);
        let documents = Documents { file_urls: file_urls.clone(), ..read_documents(&*store).await? };
        let (snapshot, problems) = Snapshot::build(&documents, None, &limits);
        report(&problems);
        let current = ArcSwap::from_pointee(snapshot);
        Ok(Arc::new(LiveConfiguration { current, revision, store, limits, file_urls }))
    }

    /// The snapshot that sessions get which begin now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// How steps of scripts ended, since the start.
    pub fn script_counts(&self) -> Arc<NamedCounts> {
        self.current.load().script_counts().clone()
    }

    /// Compiles again whenever the store's configuration changes, until stopped.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut told = self.store.watch_configuration();
        loop {
            match self.store.configuration_revision().await {
                Ok(revision) if revision != *self.revision.borrow() => match self.reload().await {
                    Ok(()) => {
                        self.revision.send_replace(revision);
                    }
                    Err(error) => {
                        tracing::error!(%error, "the configuration could not be read; the one before stays");
                    }
                },
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "the configuration's revision could not be read"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                // A store that is closed tells nothing more.
                Ok(()) = told.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
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

#[async_trait]
impl ConfigurationFollower for LiveConfiguration {
    async fn catch_up(&self) {
        let Ok(stored) = self.store.configuration_revision().await else { return };
        let mut revision = self.revision.subscribe();
        let _ = tokio::time::timeout(CATCH_UP, revision.wait_for(|revision| *revision >= stored)).await;
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

    fn sign_urls(&self, request: &mut AcsRequest, context: &dyn Context) {
        Snapshot::sign_urls(self, request, context);
    }

    fn authentication(&self) -> Option<&Expression> {
        Snapshot::authentication(self)
    }

    fn authentication_options(&self, context: &dyn Context) -> AuthenticationOptions {
        AuthenticationOptions::evaluate(self.config(), context)
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
    documents.files = files(store).await?;
    Ok(documents)
}

async fn files(store: &dyn Store) -> Result<BTreeMap<String, FileFacts>, StoreError> {
    let list = store.find(Listing::Files, Find::default()).await?.collect().await?;
    let facts = |file: Json| {
        let facts = FileFacts { length: file["length"].as_u64()?, sha256: file["sha256"].as_str()?.to_owned() };
        Some((file["_id"].as_str()?.to_owned(), facts))
    };
    Ok(list.into_iter().filter_map(facts).collect())
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
