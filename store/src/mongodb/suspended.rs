//! Sessions that wait for their device's next request, which may come to any node: `suspendedSessions`,
//! `{_id: owner, device, token, content, expires}`.
//!
//! A session is taken out by deleting its document, so one node gets it; then its lease gets a new token. A document whose token is
//! not that of the owner's lease is a leftover: nobody resumes it, and it goes at its time. Whether a session is still valid is
//! decided by its lease, whose times are those of the server's clock.

use std::time::Duration;

use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, doc};

use super::leases::{milliseconds, token};
use super::values::time_or_number;
use super::{MongoStore, date, failed, is_duplicate, now};
use crate::{Lease, Resumption, StoreError};

/// What a document may have, but for the little that is in it besides the content.
const LARGEST: usize = 16 * 1024 * 1024 - 4_096;
/// How much longer than its lease a document is kept, in milliseconds: nodes' clocks are not the server's.
const SLACK: i64 = 600_000;

impl MongoStore {
    pub(super) async fn suspend(&self, lease: &Lease, content: Vec<u8>, ttl: Duration) -> Result<(), StoreError> {
        if content.len() > LARGEST {
            let reason =
                format!("it has {} bytes, and a MongoDB document holds at most {LARGEST} of it", content.len());
            return Err(StoreError::Invalid { what: format!("the session of device {}", lease.device), reason });
        }
        let document = doc! {
            "_id": &lease.owner,
            "device": &lease.device,
            "token": token(lease),
            "content": Binary { subtype: BinarySubtype::Generic, bytes: content },
            "expires": date(now() + milliseconds(ttl) + SLACK),
        };
        // A node that was too slow must not write over what its successor keeps.
        let not_later = doc! { "_id": &lease.owner, "token": { "$lte": token(lease) } };
        let keep = async {
            match self.suspended.replace_one(not_later, document).upsert(true).await {
                Ok(_) => Ok(true),
                Err(error) if is_duplicate(&error) => Ok(false),
                Err(error) => Err(failed("keeping a session")(error)),
            }
        };
        let (is_kept, is_held) = tokio::try_join!(keep, self.prolong(lease, ttl))?;
        if is_kept && is_held {
            return Ok(());
        }
        let leftover = doc! { "_id": &lease.owner, "token": token(lease) };
        let removed = self.suspended.delete_one(leftover).await.map_err(failed("keeping a session"))?;
        if is_kept && removed.deleted_count == 0 {
            // Somebody goes on with it already, under the lease's next token.
            return Ok(());
        }
        Err(StoreError::LeaseLost(lease.device.clone()))
    }

    pub(super) async fn resume(&self, owner: &str, ttl: Duration) -> Result<Resumption, StoreError> {
        let taken = self.suspended.find_one_and_delete(doc! { "_id": owner }).await;
        if let Some(document) = taken.map_err(failed("resuming a session"))?
            && let Some((lease, content)) = read_suspended(document)
            && let Some(lease) = self.take_over(&lease, ttl).await?
        {
            return Ok(Resumption::Resumed { lease, content });
        }
        Ok(if self.holds_any(owner).await? { Resumption::Elsewhere } else { Resumption::Unknown })
    }
}

/// `None`: it is none of ours.
fn read_suspended(mut document: Document) -> Option<(Lease, Vec<u8>)> {
    let text = |name: &str| document.get_str(name).ok().map(str::to_owned);
    let (owner, device) = (text("_id")?, text("device")?);
    let token = u64::try_from(time_or_number(document.get("token")?)?).ok()?;
    let Some(Bson::Binary(content)) = document.remove("content") else { return None };
    Some((Lease { device, owner, token }, content.bytes))
}
