//! What a store's clones have in common.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, RwLock};

use mongodb::bson::Document;
use mongodb::{Collection, Database};
use tokio::sync::watch;

use super::events::Outbox;
use super::files::Bucket;
use crate::StoreOptions;

/// What the clones of a store share.
pub struct Shared {
    pub(super) database: Database,
    pub(super) devices: Collection<Document>,
    pub(super) tasks: Collection<Document>,
    pub(super) ended_tasks: Collection<Document>,
    pub(super) faults: Collection<Document>,
    pub(super) operations: Collection<Document>,
    pub(super) transfers: Collection<Document>,
    pub(super) outbox: Collection<Document>,
    pub(super) counters: Collection<Document>,
    pub(super) leases: Collection<Document>,
    pub(super) suspended: Collection<Document>,
    pub(super) file_bucket: Bucket,
    pub(super) upload_bucket: Bucket,
    pub(super) outbox_writer: Outbox,
    /// Chosen indexes, as they were known last.
    pub(super) chosen: RwLock<Vec<String>>,
    pub(super) configuration: watch::Sender<i64>,
    pub(super) events: watch::Sender<i64>,
    pub(super) options: StoreOptions,
    pub(super) commands: Arc<AtomicU64>,
    pub(super) commits: AtomicU64,
    pub(super) commit_microseconds: AtomicU64,
}
