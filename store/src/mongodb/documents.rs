//! Documents that operators write, one collection each, and the count that tells when those changed that sessions depend on.
//!
//! Each node counts its own changes and looks at the count every second, so that all hear of each other's. A change is counted
//! after it is written; each start counts, too, so that a change whose node ended in between does not stay unheard.

use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, doc};
use mongodb::options::ReturnDocument;
use serde_json::Value as Json;

use super::events::tell;
use super::values::{damaged, document_json, json_document, time_or_number};
use super::{MongoStore, failed, is_duplicate};
use crate::{Collection, StoreError};

/// Counts changes of the configuration.
pub const REVISION: &str = "configuration";
/// Counts health checks.
pub const CHECKS: &str = "checks";

impl MongoStore {
    pub(super) fn documents(&self, collection: Collection) -> mongodb::Collection<Document> {
        self.database.collection(collection.name())
    }

    /// A count, which is 0 before the first.
    pub(super) async fn read_count(&self, name: &str) -> Result<i64, StoreError> {
        let counter = self.counters.find_one(doc! { "_id": name }).await.map_err(failed("reading a counter"))?;
        Ok(counter.as_ref().and_then(|counter| counter.get("value")).and_then(time_or_number).unwrap_or(0))
    }

    /// Counts one more. Returns the count.
    pub(super) async fn count_one(&self, name: &str) -> Result<i64, StoreError> {
        let more = doc! { "$inc": { "value": 1_i64 } };
        let counted = self.counters.find_one_and_update(doc! { "_id": name }, more).upsert(true);
        let counted = counted.return_document(ReturnDocument::After).await.map_err(failed("counting"))?;
        Ok(counted.as_ref().and_then(|counter| counter.get("value")).and_then(time_or_number).unwrap_or(0))
    }

    /// Counts a change of the configuration, and tells those who watch here.
    pub(super) async fn count_change(&self) -> Result<(), StoreError> {
        let revision = self.count_one(REVISION).await?;
        tell(&self.configuration, revision);
        Ok(())
    }

    /// The secret of this name: what is stored, or else the proposal.
    pub(super) async fn agree_on(&self, name: &str, proposal: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let doing = "agreeing on a secret";
        let secrets = self.database.collection::<Document>("secrets");
        let proposed = doc! { "secret": Binary { subtype: BinarySubtype::Generic, bytes: proposal } };
        let agreed = loop {
            let agree = doc! { "$setOnInsert": proposed.clone() };
            let agree = secrets.find_one_and_update(doc! { "_id": name }, agree).upsert(true);
            match agree.return_document(ReturnDocument::After).await {
                // Another node has made it at the same time.
                Err(error) if is_duplicate(&error) => {}
                outcome => break outcome.map_err(failed(doing))?,
            }
        };
        match agreed.and_then(|mut document| document.remove("secret")) {
            Some(Bson::Binary(secret)) => Ok(secret.bytes),
            _ => Err(damaged(name, "it is no secret")),
        }
    }

    pub(super) async fn get_document(&self, collection: Collection, id: &str) -> Result<Option<Json>, StoreError> {
        let found =
            self.documents(collection).find_one(doc! { "_id": id }).await.map_err(failed("reading a document"))?;
        Ok(found.as_ref().map(|document| document_json(document).into()))
    }

    pub(super) async fn put_document(
        &self,
        collection: Collection,
        id: &str,
        document: Json,
    ) -> Result<(), StoreError> {
        let invalid = |reason: &str| StoreError::Invalid {
            what: format!("{id:?} in {}", collection.name()),
            reason: reason.to_owned(),
        };
        let Json::Object(map) = document else { return Err(invalid("it is no JSON object")) };
        if id.is_empty() {
            return Err(invalid("its id is empty"));
        }
        let mut stored = doc! { "_id": id };
        stored.extend(json_document(&map, &[]).into_iter().filter(|(key, _)| key != "_id"));
        let documents = self.documents(collection);
        let put = documents.find_one_and_replace(doc! { "_id": id }, stored.clone()).upsert(true);
        let before = put.await.map_err(failed("writing a document"))?;
        // What is stored as it was is no change.
        if before.as_ref() != Some(&stored) && collection.is_configuration() {
            self.count_change().await
        } else {
            Ok(())
        }
    }

    pub(super) async fn delete_document(&self, collection: Collection, id: &str) -> Result<bool, StoreError> {
        let deleted = self.documents(collection).delete_one(doc! { "_id": id }).await;
        let is_deleted = deleted.map_err(failed("deleting a document"))?.deleted_count > 0;
        if is_deleted && collection.is_configuration() {
            self.count_change().await?;
        }
        Ok(is_deleted)
    }
}
