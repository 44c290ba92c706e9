//! Leases: who may run a device's session.
//!
//! A known device's lease is in its own document (`_lodestar.lease`), so that taking it and reading the device are one command,
//! and so are writing what a session changed and checking that the lease is still held. A device that is not known yet has its
//! lease in `leases`, until its document is made with it. Whoever takes one there looks again whether the document is there by
//! now: then that one's lease counts.
//!
//! Times are those of the server's clock, whatever those of the nodes say. Tokens grow with each owner; they begin at the time in
//! milliseconds, so that they grow also when nothing is left of earlier ones.

use std::collections::HashMap;
use std::time::Duration;

use mongodb::Collection;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::ReturnDocument;

use super::values::{id_of, time_or_number};
use super::{MongoStore, date, failed, is_duplicate};
use crate::{Lease, LeaseState, StoreError};

/// The path of a lease in a device's document, and in one of `leases`.
pub const PATH: &str = "_lodestar.lease";
/// The path of who holds it; empty when nobody does.
pub const OWNER: &str = "_lodestar.lease.owner";

fn now() -> Document {
    doc! { "$toLong": "$$NOW" }
}

pub fn milliseconds(ttl: Duration) -> i64 {
    // A year is as good as for ever, and the sum with the time of day fits.
    i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX).min(365 * 86_400_000)
}

/// The time from now on, or the present one when that is later.
fn prolonged(ttl: Duration) -> Document {
    let from_now = doc! { "$add": [now(), milliseconds(ttl)] };
    doc! { "$toDate": { "$max": [{ "$toLong": format!("${PATH}.expires") }, from_now] } }
}

/// Who wants the lease on which device.
#[derive(Clone, Copy)]
pub struct Claim<'a> {
    pub device: &'a str,
    pub owner: &'a str,
    pub ttl: Duration,
    /// Whoever holds it.
    pub seizes: bool,
}

impl Claim<'_> {
    /// The pipeline that takes a lease if it may be taken, and leaves it as it is otherwise. One's own is prolonged, unless it is
    /// seized.
    fn pipeline(&self) -> Vec<Document> {
        let fresh = fresh(self.owner, self.ttl);
        if self.seizes {
            return vec![doc! { "$set": { PATH: fresh } }];
        }
        let owner = doc! { "$literal": self.owner };
        let is_own = doc! { "$eq": [format!("${PATH}.owner"), &owner] };
        let own = doc! { "owner": &owner, "token": format!("${PATH}.token"), "expires": prolonged(self.ttl) };
        let branches =
            vec![doc! { "case": is_own, "then": own }, doc! { "case": { "$not": [is_held()] }, "then": fresh }];
        vec![doc! { "$set": { PATH: { "$switch": { "branches": branches, "default": format!("${PATH}") } } } }]
    }
}

/// A lease with a token of its own.
fn fresh(owner: &str, ttl: Duration) -> Document {
    let next = doc! { "$add": [{ "$ifNull": [format!("${PATH}.token"), 0_i64] }, 1_i64] };
    doc! {
        "owner": { "$literal": owner },
        "token": { "$max": [now(), next] },
        "expires": { "$toDate": { "$add": [now(), milliseconds(ttl)] } },
    }
}

/// Whether somebody holds the lease in a document, as an expression.
pub fn is_held() -> Document {
    doc! { "$gt": [{ "$ifNull": [{ "$toLong": format!("${PATH}.expires") }, 0_i64] }, now()] }
}

/// The filter of a document whose lease is this one.
pub fn held(lease: &Lease) -> Document {
    doc! { "_id": &lease.device, OWNER: &lease.owner, format!("{PATH}.token"): token(lease) }
}

/// A lease's token, as it is stored.
pub fn token(lease: &Lease) -> i64 {
    i64::try_from(lease.token).unwrap_or(i64::MAX)
}

/// Sets what makes a lease free.
pub fn set_free(set: &mut Document) {
    set.insert(OWNER, "");
    set.insert(format!("{PATH}.expires"), date(0));
}

/// The lease in a document, if it is this owner's.
pub fn own_lease(document: &Document, device: &str, owner: &str) -> Option<Lease> {
    let lease = document.get_document("_lodestar").ok()?.get_document("lease").ok()?;
    if lease.get_str("owner").ok()? != owner {
        return None;
    }
    let token = u64::try_from(time_or_number(lease.get("token")?)?).ok()?;
    Some(Lease { device: device.to_owned(), owner: owner.to_owned(), token })
}

impl MongoStore {
    /// Takes the lease on a device that is known. `None`: there is no such device; else the document with the lease, whoever has it.
    pub(super) async fn take_in_device(
        &self,
        claim: Claim<'_>,
        with_device: bool,
    ) -> Result<Option<Document>, StoreError> {
        let update = self.devices.find_one_and_update(doc! { "_id": claim.device }, claim.pipeline());
        let update = update.return_document(ReturnDocument::After);
        let update = if with_device { update } else { update.projection(doc! { PATH: 1 }) };
        update.await.map_err(failed("taking a lease"))
    }

    /// Takes the lease on a device that is not known. The inner `None`: another owner holds it; the outer: the device is known by now.
    pub(super) async fn take_apart(&self, claim: Claim<'_>) -> Result<Option<Option<Lease>>, StoreError> {
        let Claim { device, owner, .. } = claim;
        let taken = loop {
            let update = self.leases.find_one_and_update(doc! { "_id": device }, claim.pipeline()).upsert(true);
            match update.return_document(ReturnDocument::After).await {
                Ok(document) => break document,
                // Somebody else has made it at the same time.
                Err(error) if is_duplicate(&error) => {}
                Err(error) => return Err(failed("taking a lease")(error)),
            }
        };
        let Some(lease) = taken.and_then(|document| own_lease(&document, device, owner)) else { return Ok(Some(None)) };
        if self.device_exists(device).await? {
            self.free_in(&self.leases, &lease).await?;
            return Ok(None);
        }
        Ok(Some(Some(lease)))
    }

    /// Takes a lease, wherever it is.
    pub(super) async fn take_lease(&self, claim: Claim<'_>) -> Result<Option<Lease>, StoreError> {
        loop {
            if let Some(document) = self.take_in_device(claim, false).await? {
                return Ok(own_lease(&document, claim.device, claim.owner));
            }
            if let Some(lease) = self.take_apart(claim).await? {
                return Ok(lease);
            }
        }
    }

    /// Gives a lease that is held another token. `None` when it is held no longer.
    pub(super) async fn take_over(&self, lease: &Lease, ttl: Duration) -> Result<Option<Lease>, StoreError> {
        let mut filter = held(lease);
        filter.insert("$expr", is_held());
        let renew = vec![doc! { "$set": { PATH: fresh(&lease.owner, ttl) } }];
        for place in [&self.devices, &self.leases] {
            let update = place.find_one_and_update(filter.clone(), renew.clone()).projection(doc! { PATH: 1 });
            let taken = update.return_document(ReturnDocument::After).await.map_err(failed("taking over a lease"))?;
            if let Some(document) = taken {
                return Ok(own_lease(&document, &lease.device, &lease.owner));
            }
        }
        Ok(None)
    }

    /// Where the leases of devices stand; of those that are known and of those that are not.
    pub(super) async fn states_of_leases(&self, devices: &[String]) -> Result<Vec<(String, LeaseState)>, StoreError> {
        let doing = "reading leases";
        let project = doc! { "owner": format!("${OWNER}"), "token": format!("${PATH}.token"), "held": is_held() };
        let mut states: HashMap<String, LeaseState> = HashMap::new();
        for place in [&self.leases, &self.devices] {
            let pipeline = [doc! { "$match": { "_id": { "$in": devices } } }, doc! { "$project": project.clone() }];
            let mut found = place.aggregate(pipeline).await.map_err(failed(doing))?;
            while found.advance().await.map_err(failed(doing))? {
                let lease = found.deserialize_current().map_err(failed(doing))?;
                let token = lease.get("token").and_then(time_or_number).and_then(|token| u64::try_from(token).ok());
                let is_held = matches!(lease.get("held"), Some(Bson::Boolean(true)));
                let owner = lease.get_str("owner").ok().filter(|_| is_held).map(str::to_owned);
                let state = LeaseState { token: token.unwrap_or(0), owner };
                let known = states.entry(id_of(&lease)).or_default();
                if state.token >= known.token {
                    *known = state;
                }
            }
        }
        Ok(states.into_iter().collect())
    }

    /// Whether an owner holds a lease now.
    pub(super) async fn holds_any(&self, owner: &str) -> Result<bool, StoreError> {
        // A first contact's lease moves from `leases` to the device's document; it is in both in between.
        for place in [&self.leases, &self.devices] {
            let found = place.find_one(doc! { OWNER: owner, "$expr": is_held() }).projection(doc! { "_id": 1 });
            if found.await.map_err(failed("looking for a lease"))?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Prolongs a lease. Returns whether it is still held.
    pub(super) async fn prolong(&self, lease: &Lease, ttl: Duration) -> Result<bool, StoreError> {
        let prolong = vec![doc! { "$set": { format!("{PATH}.expires"): prolonged(ttl) } }];
        for place in [&self.devices, &self.leases] {
            let update = place.update_one(held(lease), prolong.clone()).await.map_err(failed("prolonging a lease"))?;
            if update.matched_count > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives a lease back. Returns whether it was held.
    pub(super) async fn free(&self, lease: &Lease) -> Result<bool, StoreError> {
        Ok(self.free_in(&self.devices, lease).await? || self.free_in(&self.leases, lease).await?)
    }

    async fn free_in(&self, place: &Collection<Document>, lease: &Lease) -> Result<bool, StoreError> {
        let mut set = Document::new();
        set_free(&mut set);
        let update =
            place.update_one(held(lease), doc! { "$set": set }).await.map_err(failed("giving back a lease"))?;
        Ok(update.matched_count > 0)
    }

    /// Who holds the lease on a device now.
    pub(super) async fn holder(&self, device: &str) -> Result<Option<String>, StoreError> {
        let doing = "reading a lease";
        let project = doc! { "_id": 0, "owner": format!("${PATH}.owner"), "held": is_held() };
        for place in [&self.devices, &self.leases] {
            let pipeline = [doc! { "$match": { "_id": device } }, doc! { "$project": project.clone() }];
            let mut found = place.aggregate(pipeline).await.map_err(failed(doing))?;
            if !found.advance().await.map_err(failed(doing))? {
                continue;
            }
            let lease = found.deserialize_current().map_err(failed(doing))?;
            if matches!(lease.get("held"), Some(Bson::Boolean(true))) {
                return Ok(lease.get_str("owner").ok().map(str::to_owned));
            }
        }
        Ok(None)
    }
}
