//! Where devices, configuration, tasks and faults are kept.
//!
//! [`Store`] says what every store does; [`embedded`] is the one inside the binary, on SQLite; `mongodb` (a feature) the one on a
//! server that several nodes share. [`conformance`] is the suite that every store must pass; [`ScopedStore`] is any of them as
//! somebody may see it. Not here: what the records mean (`acs-core`), who has which scope (`ui-api`).

pub mod conformance;
mod contract;
mod document;
pub mod embedded;
pub mod file;
mod find;
mod index_names;
mod ledger;
mod listing;
#[cfg(feature = "mongodb")]
pub mod mongodb;
mod record;
mod scoped;

pub use contract::{
    Collection, Lease, LeaseState, Listing, MAX_LEDGER_ENTRY, MAX_OPEN_TASKS, Resumption, Statistics, Store,
    StoreError, StoreOptions, StoredEvent,
};
pub use document::{device_document, value_json};
pub use embedded::{EmbeddedStore, Restored};
pub use file::{FileInfo, FileMetadata, FileWriter, UploadOrigin, UploadUsage};
pub use find::{DATE_FIELDS, Find, QueryReport, Records};
#[cfg(feature = "mongodb")]
pub use mongodb::MongoStore;
pub use record::DeviceRecord;
pub use scoped::{Change, ChangeKind, Guard, Object, Scope, ScopedError, ScopedStore};
