//! Ledgers: entries by their sequence: `ledgerEntries`, `{_id: "<ledger>/<sequence>", ledger, sequence, content}`.

use futures_util::future::try_join_all;
use mongodb::Collection;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, doc};

use super::values::time_or_number;
use super::{MongoStore, failed};
use crate::StoreError;

impl MongoStore {
    pub(super) fn ledgers(&self) -> Collection<Document> {
        self.database.collection("ledgerEntries")
    }

    /// Each entry is an update of its own: they are independent of each other.
    pub(super) async fn record_all(&self, ledger: &str, entries: Vec<(u64, Vec<u8>)>) -> Result<(), StoreError> {
        let ledgers = self.ledgers();
        let record = |(sequence, bytes): (u64, Vec<u8>)| {
            let content = Binary { subtype: BinarySubtype::Generic, bytes };
            let id = format!("{ledger}/{sequence:020}");
            let entry = doc! { "_id": &id, "ledger": ledger, "sequence": sequence.cast_signed(), "content": content };
            let replacing = ledgers.replace_one(doc! { "_id": id }, entry).upsert(true);
            async move { replacing.await.map_err(failed("recording entries")) }
        };
        try_join_all(entries.into_iter().map(record)).await.map(|_| ())
    }

    pub(super) async fn read_ledger(&self, ledger: &str) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let doing = "reading a ledger";
        let ledgers = self.ledgers();
        let found = ledgers.find(doc! { "ledger": ledger }).sort(doc! { "sequence": 1 }).await;
        let mut found = found.map_err(failed(doing))?;
        let mut entries = Vec::new();
        while found.advance().await.map_err(failed(doing))? {
            let mut entry: Document = found.deserialize_current().map_err(failed(doing))?;
            let sequence = entry.get("sequence").and_then(time_or_number).and_then(|number| u64::try_from(number).ok());
            if let (Some(sequence), Some(Bson::Binary(content))) = (sequence, entry.remove("content")) {
                entries.push((sequence, content.bytes));
            }
        }
        Ok(entries)
    }

    pub(super) async fn forget_all(&self, ledger: &str) -> Result<u64, StoreError> {
        let forgotten = self.ledgers().delete_many(doc! { "ledger": ledger }).await;
        Ok(forgotten.map_err(failed("forgetting a ledger"))?.deleted_count)
    }
}
