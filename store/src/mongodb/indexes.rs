//! Indexes: those that are always there, and those on parameters that the operator chose.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Collection, IndexModel};

use super::leases::OWNER;
use super::names::{Place, device_place};
use super::{MongoStore, failed, has_code};
use crate::index_names::{field_of_name, name_of_field};
use crate::{Collection as Listed, StoreError};

/// The server's code for a collection that is not there.
const NO_SUCH_COLLECTION: i32 = 26;
/// What the names of chosen indexes begin with.
const CHOSEN: &str = "lodestar ";
/// How long a lease of a device that never became known is kept after its end.
const LEASE_KEPT: Duration = Duration::from_secs(86_400);

fn index(keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).build()
}

fn index_with(keys: Document, options: IndexOptions) -> IndexModel {
    IndexModel::builder().keys(keys).options(options).build()
}

fn expiring(keys: Document, after: Duration) -> IndexModel {
    index_with(keys, IndexOptions::builder().expire_after(after).build())
}

impl MongoStore {
    /// Makes the indexes that are always there.
    pub(super) async fn make_indexes(&self) -> Result<(), StoreError> {
        let unique = || IndexOptions::builder().unique(true).build();
        let waiting =
            IndexOptions::builder().partial_filter_expression(doc! { "_lodestar.journal.id": { "$exists": true } });
        let promised =
            IndexOptions::builder().partial_filter_expression(doc! { "_heartbeat._due": { "$exists": true } });
        let owned = || IndexOptions::builder().partial_filter_expression(doc! { OWNER: { "$gt": "" } }).build();
        let watched = IndexOptions::builder().partial_filter_expression(doc! { "watched": true });
        let of_devices = vec![
            index(doc! { "_deviceId._SerialNumber": 1 }),
            index(doc! { "_tags": 1 }),
            index(doc! { "_registered": 1 }),
            index(doc! { "_lastInform": 1 }),
            index_with(doc! { "_heartbeat._due": 1 }, promised.build()),
            index_with(doc! { "_lodestar.journal.id": 1 }, waiting.build()),
            index_with(doc! { OWNER: 1 }, owned()),
        ];
        let (files, uploads) = (self.bucket(false), self.bucket(true));
        let ledgers = self.ledgers();
        let sessions = self.documents(Listed::StarstateSessions);
        let all: Vec<(&Collection<Document>, Vec<IndexModel>)> = vec![
            (&self.devices, of_devices),
            (&self.tasks, vec![index(doc! { "device": 1, "timestamp": 1 })]),
            (
                &self.ended_tasks,
                vec![index(doc! { "device": 1 }), expiring(doc! { "stateTimestamp": 1 }, self.options.task_retention)],
            ),
            (&self.faults, vec![index(doc! { "device": 1 })]),
            (
                &self.transfers,
                vec![
                    index(doc! { "device": 1, "at": -1, "commandKey": -1 }),
                    index_with(doc! { "device": 1, "watched": 1 }, watched.build()),
                    index(doc! { "at": 1 }),
                ],
            ),
            (&self.outbox, vec![index_with(doc! { "source": 1 }, unique())]),
            (
                &self.leases,
                vec![
                    expiring(doc! { "_lodestar.lease.expires": 1 }, LEASE_KEPT),
                    index_with(doc! { OWNER: 1 }, owned()),
                ],
            ),
            (&ledgers, vec![index(doc! { "ledger": 1, "sequence": 1 })]),
            (&sessions, vec![index(doc! { "device": 1 }), index(doc! { "status": 1 })]),
            (&self.suspended, vec![expiring(doc! { "expires": 1 }, Duration::ZERO)]),
            (files.chunks(), vec![index_with(doc! { "files_id": 1, "n": 1 }, unique())]),
            (files.files(), vec![index(doc! { "filename": 1, "uploadDate": 1 }), index(doc! { "content": 1 })]),
            (uploads.chunks(), vec![index_with(doc! { "files_id": 1, "n": 1 }, unique())]),
            (
                uploads.files(),
                vec![index_with(doc! { "device": 1, "commandKey": 1 }, unique()), index(doc! { "content": 1 })],
            ),
        ];
        for (collection, indexes) in all {
            collection.create_indexes(indexes).await.map_err(failed("making indexes"))?;
        }
        self.read_chosen().await.map(|_| ())
    }

    /// Reads which fields are indexed, as queries name them, in order.
    pub(super) async fn read_chosen(&self) -> Result<Vec<String>, StoreError> {
        let names = match self.devices.list_index_names().await {
            // Nothing has been written yet.
            Err(error) if has_code(&error, NO_SUCH_COLLECTION) => Vec::new(),
            names => names.map_err(failed("reading the indexes"))?,
        };
        let mut fields: Vec<String> =
            names.iter().filter_map(|name| name.strip_prefix(CHOSEN).map(str::to_owned)).collect();
        fields.sort();
        if let Ok(mut known) = self.chosen.write() {
            known.clone_from(&fields);
        }
        Ok(fields)
    }

    /// The indexed fields as they were known last.
    pub(super) fn indexed(&self) -> Vec<String> {
        self.chosen.read().map(|known| known.clone()).unwrap_or_default()
    }

    /// Makes these the chosen indexes.
    pub(super) async fn choose_indexes(&self, names: &[String]) -> Result<(), StoreError> {
        let fields = names.iter().map(|name| field_of_name(name)).collect::<Result<Vec<_>, _>>()?;
        for known in self.read_chosen().await? {
            if !fields.contains(&known) {
                let dropped = self.devices.drop_index(format!("{CHOSEN}{known}")).await;
                dropped.map_err(failed("dropping an index"))?;
            }
        }
        for field in &fields {
            if let Place::At(path) = device_place(field) {
                let options = IndexOptions::builder().name(format!("{CHOSEN}{field}")).build();
                let made = self.devices.create_index(index_with(doc! { path: 1 }, options)).await;
                made.map_err(failed("building an index"))?;
            }
        }
        self.read_chosen().await.map(|_| ())
    }

    /// The operator's names of the chosen indexes.
    pub(super) async fn chosen_names(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.read_chosen().await?.iter().map(|field| name_of_field(field).to_owned()).collect())
    }
}
