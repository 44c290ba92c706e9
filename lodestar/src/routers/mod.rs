//! Routers behind devices, configured from StarState documents over their own API (`docs/starstate-server.md`).
//!
//! ```text
//!  starstate(document) in a device's session ─► calls ─┐
//!  REST API ──────────────────────────────────► nbi ───┼─► work ─► starstate::session::Sessions ─► reach ─► the router
//!                                                      │             ├ sessions, documents: the store, sealed by the vault
//!                                                      │             └ events: what happens, as it happens
//!                                                      └─► job: what is wanted of each router
//! ```
//!
//! Jobs run beside devices' sessions, a few at a time, one per router. What is wanted stands in the store before anything is done, so that
//! whoever comes after this process goes on. Not here: what documents mean and how they are carried out (`starstate`), the requests of
//! the REST API (`ui_api`), what a device's session makes of it (`acs_core`).

mod calls;
mod documents;
mod events;
mod job;
mod nbi;
mod reach;
mod sessions;
mod vault;
mod work;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use acs_core::expression::{Context, Scalar};
use anyhow::Result;
use cwmp::ExtensionCaller;
use cwmp::connection_request::AddressPolicy;
use data_encoding::HEXLOWER;
use parking_lot::Mutex;
use routeros::Secret;
use serde_json::Value as Json;
use starstate::documents::Documents;
use starstate::issue::Issue;
use starstate::ledger::Fingerprints;
use starstate::session::{Compile, Sessions};
use store::Store;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use ui_api::DeviceWaker;

use crate::live::LiveConfiguration;
use documents::StoredDocuments;
use events::Teller;
use sessions::StoredSessions;
use vault::Vault;

pub use calls::RouterCalls;
pub use events::RouterCounts;
pub use nbi::RouterDesk;

/// The file of the key, in the data directory.
const KEY: &str = "starstate-key";

/// What the service needs of others.
pub struct RoutersParts {
    /// Where documents and sessions are.
    pub store: Arc<dyn Store>,
    /// How routers are reached.
    pub configuration: Arc<LiveConfiguration>,
    /// For `EXT()`.
    pub extensions: Arc<dyn ExtensionCaller>,
    /// Where routers may be.
    pub policy: AddressPolicy,
    /// No job begins any more.
    pub stop: CancellationToken,
}

/// Configures routers.
pub struct Routers {
    parts: RoutersParts,
    vault: Arc<Vault>,
    compile: Arc<dyn Compile>,
    sessions: Arc<Sessions>,
    stored: Arc<StoredSessions>,
    teller: Teller,
    counts: Arc<RouterCounts>,
    waker: OnceLock<Arc<dyn DeviceWaker>>,
    /// Sessions that wait or are at work here.
    at_work: Mutex<HashSet<String>>,
    tasks: TaskTracker,
    places: work::Places,
    /// What is wanted of a router is decided by one at a time.
    deciding: tokio::sync::Mutex<()>,
}

impl Routers {
    /// The service of a store, whose secrets are sealed with the key in a file. Returns the task that writes events, too.
    ///
    /// # Errors
    /// The key cannot be read, or is not the one with which the other nodes seal.
    pub async fn open(
        parts: RoutersParts,
        data_dir: &Path,
        key_file: Option<&PathBuf>,
    ) -> Result<(Arc<Routers>, impl Future<Output = ()> + Send + 'static)> {
        let vault = match key_file {
            Some(path) => Vault::open(path, false)?,
            None => Vault::open(&data_dir.join(KEY), true)?,
        };
        let mark = vault.mark("the key itself", b"");
        let shared = parts.store.shared_secret("starstate-key-mark", mark.clone().into_bytes()).await?;
        if shared != mark.as_bytes() {
            anyhow::bail!(
                "the other nodes of this store seal StarState documents and sessions with another key: give this one the same, with --starstate-key-file"
            );
        }
        let vault = Arc::new(vault);
        let mut node = [0; 8];
        getrandom::fill(&mut node)?;
        let stored = Arc::new(StoredSessions::new(parts.store.clone(), vault.clone(), HEXLOWER.encode(&node)));
        let counts = Arc::new(RouterCounts::default());
        let (teller, writing) = Teller::new(parts.store.clone(), counts.clone());
        let compile: Arc<dyn Compile> = Arc::new(Documents);
        let key = Secret::from(HEXLOWER.encode(&vault.derived("fingerprints of secrets on routers")));
        let told = teller.clone();
        let sessions = Arc::new(Sessions::new(
            stored.clone(),
            compile.clone(),
            Fingerprints::new(key),
            move |event| told.tell(event),
            || u64::try_from(now()).unwrap_or_default(),
        ));
        let routers = Arc::new(Routers {
            parts,
            vault,
            compile,
            sessions,
            stored,
            teller,
            counts,
            waker: OnceLock::new(),
            at_work: Mutex::default(),
            tasks: TaskTracker::new(),
            places: work::Places::default(),
            deciding: tokio::sync::Mutex::default(),
        });
        Ok((routers, writing))
    }

    /// Who wakes devices when their jobs are over.
    pub fn wake_by(&self, waker: Arc<dyn DeviceWaker>) {
        let _ = self.waker.set(waker);
    }

    /// What it counts.
    pub fn counts(&self) -> &Arc<RouterCounts> {
        &self.counts
    }

    fn documents(&self) -> StoredDocuments<'_> {
        StoredDocuments { store: &*self.parts.store, vault: &self.vault }
    }

    /// What is wrong with a document.
    fn issues(&self, document: &Json) -> Vec<Issue> {
        self.compile.validate(document)
    }

    /// Tells a document's content from others.
    fn fingerprint(&self, document: &Json) -> String {
        self.vault.mark("fingerprints of documents", document.to_string().as_bytes())
    }

    /// A setting that is no device's.
    fn setting(&self, key: &str) -> Scalar {
        self.parts.configuration.snapshot().config().evaluate(key, &NoDevice)
    }
}

/// Knows what time it is.
struct NoDevice;

impl Context for NoDevice {
    fn parameter(&self, _path: &str) -> Scalar {
        Scalar::Null
    }

    fn now(&self) -> i64 {
        now()
    }
}

/// A time in milliseconds since the Unix epoch as a date; those of different times are ordered as they are.
fn date(milliseconds: u64) -> String {
    acs_core::value::format_date_time(i64::try_from(milliseconds).unwrap_or(i64::MAX))
}

fn now() -> i64 {
    chrono::Utc::now().timestamp_millis()
}
