//! Provisioning sessions in the store: a small head, and what is sealed.
//!
//! A session's content is entry 0 of a ledger, its ledger's entries are those behind. The head names which ledger counts, so that
//! writing a session as a whole is one change of one document: everything is written to the next ledger, then the head, then the
//! ledger before is forgotten. Whoever ends in between leaves a ledger that nobody reads.
//!
//! A router is reserved by a lease of the store, which is renewed as long as this process lives. Once it has passed to another node,
//! nothing more is recorded here, so that nothing more is sent to the router.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use acs_core::query::Query;
use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use starstate::ledger::Entry;
use starstate::session::{Session, SessionStore, Status, StoreError};
use store::{Collection, Find, Lease, Listing, Store};
use tokio_util::task::AbortOnDropHandle;

use super::date;
use super::vault::Vault;

/// How long a router stays reserved when its node is gone.
const LEASE: Duration = Duration::from_secs(20);
/// How often the reservation is renewed.
const RENEWAL: Duration = Duration::from_secs(5);

/// The store of sessions.
pub struct StoredSessions {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    /// This process among those that share the store.
    node: String,
    /// Which ledger of each session counts, as far as known here.
    ledgers: Mutex<HashMap<String, u64>>,
    /// The routers that are reserved here.
    claims: Mutex<HashMap<String, Claim>>,
}

struct Claim {
    session: String,
    lease: Lease,
    is_lost: Arc<AtomicBool>,
    _renewing: AbortOnDropHandle<()>,
}

/// What may be seen of a session in a list, besides its id.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The device whose router it is about.
    #[serde(rename = "device")]
    pub router: String,
    /// How far it is.
    pub status: Status,
    /// What is on the router is this session's.
    pub holds: bool,
    /// The session that had the router before.
    pub supersedes: Option<String>,
    /// A date.
    pub created_at: String,
    /// A date.
    pub updated_at: String,
    /// Which ledger counts.
    pub ledger: u64,
}

fn failed(error: impl ToString) -> StoreError {
    StoreError(error.to_string())
}

fn ledger_of(session: &str, number: u64) -> String {
    format!("starstate/{session}/{number}")
}

/// What a router is reserved under.
fn lease_of(router: &str) -> String {
    format!("starstate/{router}")
}

impl StoredSessions {
    /// Sessions of a store. `node` tells this process from others that share it.
    pub fn new(store: Arc<dyn Store>, vault: Arc<Vault>, node: String) -> StoredSessions {
        let (ledgers, claims) = (Mutex::default(), Mutex::default());
        StoredSessions { store, vault, node, ledgers, claims }
    }

    /// The heads of sessions that satisfy a query, with their ids, the oldest first.
    pub async fn heads(&self, filter: Query) -> Result<Vec<(String, Head)>, store::StoreError> {
        let find = Find { filter, ..Find::default() };
        let listing = Listing::Documents(Collection::StarstateSessions);
        let documents = self.store.find(listing, find).await?.collect().await?;
        let read = |document: Json| {
            let id = document["_id"].as_str()?.to_owned();
            Some((id, serde_json::from_value(document).ok()?))
        };
        Ok(documents.into_iter().filter_map(read).collect())
    }

    /// Whether a process has a router reserved now.
    pub async fn is_reserved(&self, router: &str) -> Result<bool, store::StoreError> {
        Ok(self.store.lease_owner(&lease_of(router)).await?.is_some())
    }

    /// Forgets a session that nobody needs any more.
    pub async fn forget(&self, id: &str, head: &Head) -> Result<(), store::StoreError> {
        self.store.delete(Collection::StarstateSessions, id).await?;
        self.store.forget_ledger(&ledger_of(id, head.ledger)).await?;
        self.ledgers.lock().remove(id);
        Ok(())
    }

    /// A session's head; `None` when there is none.
    pub async fn head_of(&self, id: &str) -> Result<Option<Head>, StoreError> {
        let Some(document) = self.store.get(Collection::StarstateSessions, id).await.map_err(failed)? else {
            return Ok(None);
        };
        let head = serde_json::from_value(document);
        head.map(Some).map_err(|error| failed(format!("session {id} is damaged: {error}")))
    }

    /// Which ledger counts; `None` when there is no such session.
    async fn ledger(&self, id: &str) -> Result<Option<u64>, StoreError> {
        if let Some(number) = self.ledgers.lock().get(id) {
            return Ok(Some(*number));
        }
        Ok(self.head_of(id).await?.map(|head| head.ledger))
    }

    async fn read(&self, id: &str, head: &Head) -> Result<Session, StoreError> {
        let ledger = ledger_of(id, head.ledger);
        let mut entries = self.store.ledger_entries(&ledger).await.map_err(failed)?.into_iter();
        let damaged = |reason: String| failed(format!("session {id} is damaged: {reason}"));
        let open = |(sequence, sealed): (u64, Vec<u8>)| {
            self.vault.unseal(&format!("{ledger}/{sequence}"), &sealed).map_err(|error| damaged(error.to_string()))
        };
        let content = entries.next().filter(|(sequence, _)| *sequence == 0);
        let content = open(content.ok_or_else(|| damaged("its content is missing".to_owned()))?)?;
        let mut session: Session = serde_json::from_slice(&content).map_err(|error| damaged(error.to_string()))?;
        let mut known: BTreeMap<u64, Entry> = session.entries.drain(..).map(|entry| (entry.sequence, entry)).collect();
        for sealed in entries {
            let entry: Entry = serde_json::from_slice(&open(sealed)?).map_err(|error| damaged(error.to_string()))?;
            known.insert(entry.sequence, entry);
        }
        session.entries = known.into_values().collect();
        Ok(session)
    }

    fn seal<T: serde::Serialize>(&self, ledger: &str, sequence: u64, value: &T) -> Result<(u64, Vec<u8>), StoreError> {
        let plain = serde_json::to_vec(value).map_err(failed)?;
        let sealed = self.vault.seal(&format!("{ledger}/{sequence}"), &plain).map_err(failed)?;
        Ok((sequence, sealed))
    }

    /// Renews a reservation until it is lost.
    fn renew(&self, lease: Lease) -> (Arc<AtomicBool>, AbortOnDropHandle<()>) {
        let is_lost = Arc::new(AtomicBool::new(false));
        let (store, lost) = (self.store.clone(), is_lost.clone());
        let renewing = tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEWAL).await;
                match store.renew_lease(&lease, LEASE).await {
                    Ok(true) => {}
                    Ok(false) => {
                        tracing::error!(target: "starstate", router = lease.device, "the router is reserved by another node now");
                        lost.store(true, Ordering::Release);
                        return;
                    }
                    Err(error) => {
                        tracing::warn!(target: "starstate", router = lease.device, %error, "the router's reservation is not renewed");
                    }
                }
            }
        });
        (is_lost, AbortOnDropHandle::new(renewing))
    }
}

#[async_trait]
impl SessionStore for StoredSessions {
    async fn load(&self, id: &str) -> Result<Option<Session>, StoreError> {
        // The head may change while the ledger is read: then another one counts.
        for _ in 0..3 {
            let Some(head) = self.head_of(id).await? else { return Ok(None) };
            match self.read(id, &head).await {
                Ok(session) => return Ok(Some(session)),
                Err(error) if self.head_of(id).await?.is_some_and(|now| now.ledger == head.ledger) => {
                    return Err(error);
                }
                Err(_) => {}
            }
        }
        Err(failed(format!("session {id} changes too often to be read")))
    }

    async fn save(&self, session: &Session) -> Result<(), StoreError> {
        // As it is stored, not as it was known here: another node may have written it meanwhile.
        let before = self.head_of(&session.id).await?.map(|head| head.ledger);
        let number = before.map_or(1, |number| number + 1);
        let ledger = ledger_of(&session.id, number);
        let content = self.seal(&ledger, 0, session)?;
        self.store.record_entries(&ledger, vec![content]).await.map_err(failed)?;
        let head = Head {
            router: session.router.clone(),
            status: session.status,
            holds: session.holds,
            supersedes: session.supersedes.clone(),
            created_at: date(session.created_at),
            updated_at: date(session.updated_at),
            ledger: number,
        };
        let document = json!(head);
        self.store.put(Collection::StarstateSessions, &session.id, document).await.map_err(failed)?;
        self.ledgers.lock().insert(session.id.clone(), number);
        if let Some(before) = before
            && let Err(error) = self.store.forget_ledger(&ledger_of(&session.id, before)).await
        {
            tracing::warn!(target: "starstate", session = session.id, %error, "a session's earlier ledger is left over");
        }
        Ok(())
    }

    async fn record(&self, session: &str, entries: &[Entry]) -> Result<(), StoreError> {
        let is_lost = |claim: &Claim| claim.session == session && claim.is_lost.load(Ordering::Acquire);
        if self.claims.lock().values().any(is_lost) {
            return Err(failed("the router is reserved by another node now"));
        }
        let number = self.ledger(session).await?.ok_or_else(|| failed(format!("there is no session {session}")))?;
        let ledger = ledger_of(session, number);
        let sealed: Result<Vec<_>, _> = entries.iter().map(|entry| self.seal(&ledger, entry.sequence, entry)).collect();
        self.store.record_entries(&ledger, sealed?).await.map_err(failed)
    }

    async fn list(&self, router: Option<&str>) -> Result<Vec<Session>, StoreError> {
        let filter = router.map_or(Query::True, |router| Query::equal("device", router));
        let mut sessions = Vec::new();
        for (id, _) in self.heads(filter).await.map_err(failed)? {
            sessions.extend(self.load(&id).await?);
        }
        Ok(sessions)
    }

    async fn claim(&self, router: &str, session: &str) -> Result<Option<String>, StoreError> {
        let owner = format!("{session}@{}", self.node);
        let name = lease_of(router);
        let Some(lease) = self.store.acquire_lease(&name, &owner, LEASE).await.map_err(failed)? else {
            let owner = self.store.lease_owner(&name).await.map_err(failed)?.unwrap_or_default();
            return Ok(Some(owner.split('@').next().unwrap_or_default().to_owned()));
        };
        // Another node may have had it before.
        self.ledgers.lock().remove(session);
        let (is_lost, renewing) = self.renew(lease.clone());
        let claim = Claim { session: session.to_owned(), lease, is_lost, _renewing: renewing };
        self.claims.lock().insert(router.to_owned(), claim);
        Ok(None)
    }

    async fn release(&self, router: &str, session: &str) -> Result<(), StoreError> {
        let claim = {
            let mut claims = self.claims.lock();
            let is_own = claims.get(router).is_some_and(|claim| claim.session == session);
            if is_own { claims.remove(router) } else { None }
        };
        if let Some(claim) = claim {
            self.store.release_lease(&claim.lease).await.map_err(failed)?;
        }
        Ok(())
    }
}
