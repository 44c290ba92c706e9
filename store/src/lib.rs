//! Where devices, configuration, tasks and faults are kept.
//!
//! [`Store`] says what every store does; [`embedded`] is the one inside the binary, on SQLite. [`conformance`] is the suite that
//! every store must pass. Not here: what the records mean (`acs-core`), who may see them (`ui-api`).

pub mod conformance;
mod contract;
mod document;
pub mod embedded;
pub mod file;
mod find;
mod record;

pub use contract::{Collection, Lease, Listing, MAX_OPEN_TASKS, Statistics, Store, StoreError, StoredEvent};
pub use document::{device_document, value_json};
pub use embedded::{EmbeddedOptions, EmbeddedStore};
pub use file::{FileInfo, FileMetadata, FileWriter, UploadOrigin, UploadUsage};
pub use find::{Find, QueryReport, Records};
pub use record::DeviceRecord;
