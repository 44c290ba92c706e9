//! Sessions from draft to router and back, over crashes, one at a time.

#![allow(clippy::unwrap_used)]

mod kit;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use kit::*;
use parking_lot::Mutex;
use serde_json::{Value, json};
use sim::routeros::{RouterFault, Simulator};
use starstate::compile::{Compiled, Facts};
use starstate::ledger::Entry;
use starstate::management::Management;
use starstate::orchestrator::{Generated, Options};
use starstate::port::Reach;
use starstate::session::{
    Compile, Issue, ServiceError, Session, SessionEvent, SessionEventKind, SessionStore, Sessions, Severity, Status,
    StoreError, Target,
};
use starstate::step::Step;

/// Keeps sessions as a store does: in their stored form.
#[derive(Default)]
struct MemoryStore {
    sessions: Mutex<BTreeMap<String, String>>,
    claims: Mutex<BTreeMap<String, String>>,
    is_broken: AtomicBool,
}

impl MemoryStore {
    fn check(&self) -> Result<(), StoreError> {
        match self.is_broken.load(Ordering::SeqCst) {
            true => Err(StoreError("no space".into())),
            false => Ok(()),
        }
    }

    fn read(&self, id: &str) -> Option<Session> {
        self.sessions.lock().get(id).map(|text| serde_json::from_str(text).unwrap())
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn load(&self, id: &str) -> Result<Option<Session>, StoreError> {
        Ok(self.read(id))
    }

    async fn save(&self, session: &Session) -> Result<(), StoreError> {
        self.check()?;
        self.sessions.lock().insert(session.id.clone(), serde_json::to_string(session).unwrap());
        Ok(())
    }

    async fn record(&self, session: &str, entries: &[Entry]) -> Result<(), StoreError> {
        self.check()?;
        let mut kept = self.read(session).unwrap();
        for entry in entries {
            kept.entries.retain(|known| known.sequence != entry.sequence);
            kept.entries.push(entry.clone());
        }
        self.save(&kept).await
    }

    async fn list(&self, router: Option<&str>) -> Result<Vec<Session>, StoreError> {
        let ids: Vec<String> = self.sessions.lock().keys().cloned().collect();
        let all = ids.iter().filter_map(|id| self.read(id));
        Ok(all.filter(|session| router.is_none_or(|router| session.router == router)).collect())
    }

    async fn claim(&self, router: &str, session: &str) -> Result<Option<String>, StoreError> {
        let mut claims = self.claims.lock();
        let holder = claims.entry(router.to_owned()).or_insert_with(|| session.to_owned());
        Ok(Some(holder.clone()).filter(|holder| holder != session))
    }

    async fn release(&self, router: &str, session: &str) -> Result<(), StoreError> {
        self.claims.lock().retain(|known, holder| known != router || holder != session);
        Ok(())
    }
}

/// Documents that name the steps to leave out, and values to change.
struct Fixture;

impl Compile for Fixture {
    fn validate(&self, document: &Value) -> Vec<Issue> {
        let issue = |severity, message: &str| Issue { severity, path: "$".into(), message: message.into() };
        match document.as_object() {
            Some(_) => vec![issue(Severity::Warning, "has no effect")],
            None => vec![issue(Severity::Error, "is no object")],
        }
    }

    fn steps(&self, document: &Value, _: &Facts) -> Compiled {
        let is_without =
            |id: &str| document["without"].as_array().is_some_and(|ids| ids.iter().any(|known| known == id));
        let mut steps: Vec<Step> = steps().into_iter().filter(|step| !is_without(&step.id)).collect();
        if let Some(time) = document["lease"].as_str() {
            let server = steps.iter_mut().find(|step| step.id == "lan/server").unwrap();
            server.arguments.iter_mut().find(|(name, _)| name == "lease-time").unwrap().1 = time.into();
        }
        Compiled { steps, issues: Vec::new() }
    }

    fn connections(&self, _: &Value, generated: &[Generated], applied_at: u64) -> Vec<SessionEventKind> {
        let key = generated.iter().find(|made| made.name == "public-key").map(|made| made.value.shown());
        vec![
            SessionEventKind::WireguardClientApplied {
                resource_id: "vpn/wg".into(),
                interface_name: "wg-home".into(),
                peer_endpoint: "vpn.example.com:51820".into(),
                public_key: key,
                wan_type: None,
            },
            SessionEventKind::TunnelApplied {
                resource_id: "tunnel.gre/branch".into(),
                tunnel_type: "gre".into(),
                interface_name: "branch".into(),
                local_address: String::new(),
                remote_address: "198.51.100.1".into(),
                applied_at,
            },
        ]
    }
}

struct World {
    store: Arc<MemoryStore>,
    sessions: Sessions,
    events: Arc<Mutex<Vec<SessionEvent>>>,
}

impl World {
    fn new() -> World {
        World::with(Arc::default())
    }

    /// Another process with the same store.
    fn with(store: Arc<MemoryStore>) -> World {
        static CLOCK: AtomicU64 = AtomicU64::new(1_800_000_000_000);
        let events: Arc<Mutex<Vec<SessionEvent>>> = Arc::default();
        let told = events.clone();
        let sessions = Sessions::new(
            store.clone(),
            Arc::new(Fixture),
            fingerprints(),
            move |event| told.lock().push(event),
            || CLOCK.fetch_add(1, Ordering::SeqCst),
        );
        World { store, sessions, events }
    }

    async fn validated(&self, document: Value) -> String {
        let session = self.sessions.create("r1", document).await.unwrap();
        assert_eq!(session.status, Status::Draft);
        let session = self.sessions.validate(&session.id).await.unwrap();
        assert_eq!(session.status, Status::Validated);
        session.id
    }

    fn kinds(&self) -> Vec<String> {
        let kinds = self
            .events
            .lock()
            .iter()
            .map(|event| {
                let json = serde_json::to_value(event).unwrap();
                json["type"].as_str().unwrap().trim_start_matches("provisioning.session.").to_owned()
            })
            .collect::<Vec<_>>();
        let mut kinds = kinds;
        kinds.retain(|kind| kind != "progress");
        kinds
    }
}

fn target(port: &dyn Reach) -> Target<'_> {
    let options = Options { patience: std::time::Duration::from_secs(5), ..Options::default() };
    let management = Management { service: "api".into(), port: 8728, user: USER.into(), ..Management::default() };
    Target { port, management, options, reviewed: None }
}

async fn writes(router: &Simulator) -> u64 {
    router.counts().writes
}

#[tokio::test]
async fn a_document_becomes_a_router_and_is_taken_back() {
    let router = start().await;
    let port = reach(&router);
    let world = World::new();
    let before = configuration(&router);
    let id = world.validated(json!({})).await;
    assert_eq!(world.sessions.apply(&id, &target(&port)).await.unwrap().status, Status::Applied);
    assert!(world.sessions.plan(&id, &target(&port)).await.unwrap().is_empty());
    let (holder, plan) = world.sessions.drift("r1", &target(&port)).await.unwrap().unwrap();
    assert_eq!((holder.id == id, plan.is_empty()), (true, true));
    let told = ["validated", "started", "applied", "vpn.wireguard.client.applied", "tunnel.applied"];
    assert_eq!(world.kinds(), told);
    let events = world.events.lock().clone();
    let [.., applied, wireguard, tunnel] = &events[..] else { panic!() };
    let json = serde_json::to_value(wireguard).unwrap();
    assert_eq!(json["publicKey"].as_str().map(str::len), Some(44), "as read back: {json}");
    assert_eq!((&json["routerId"], &json["interfaceName"]), (&json!("r1"), &json!("wg-home")));
    let json = serde_json::to_value(tunnel).unwrap();
    assert_eq!(json["appliedAt"], world.store.read(&id).unwrap().applied.unwrap().1.unwrap(), "{json}");
    let applied = applied.clone();
    let SessionEventKind::ProvisioningSessionAppliedEvent { resource_count, changes, .. } = applied.kind else {
        panic!()
    };
    // And one write removes the file that was fetched.
    assert_eq!((resource_count, changes as u64 + 1), (7, writes(&router).await));

    let session = world.sessions.roll_back(&id, &target(&port)).await.unwrap();
    assert_eq!(session.status, Status::Validated);
    assert_same(&configuration(&router), &before, "");
    assert_eq!(world.sessions.drift("r1", &target(&port)).await.unwrap(), None);
    assert_eq!(world.kinds().last().unwrap(), "rolled-back");
    assert_eq!(world.sessions.discard(&id).await.unwrap().status, Status::Discarded);
}

#[tokio::test]
async fn what_is_not_the_turn_of_a_session_is_refused() {
    let router = start().await;
    let port = reach(&router);
    let world = World::new();
    let draft = world.sessions.create("r1", json!(7)).await.unwrap().id;
    let refusal = world.sessions.apply(&draft, &target(&port)).await.unwrap_err();
    assert_eq!(refusal.to_string(), format!("session {draft} is draft, it must be validated to be applied"));
    let session = world.sessions.validate(&draft).await.unwrap();
    assert_eq!((session.status, session.issues[0].message.as_str()), (Status::Draft, "is no object"));
    world.sessions.update(&draft, json!({})).await.unwrap();
    world.sessions.validate(&draft).await.unwrap();
    assert!(world.sessions.validate(&draft).await.is_err(), "only drafts are validated");
    assert_eq!(world.sessions.update(&draft, json!({})).await.unwrap().status, Status::Draft);
    world.sessions.validate(&draft).await.unwrap();
    world.sessions.apply(&draft, &target(&port)).await.unwrap();
    for result in [
        world.sessions.update(&draft, json!({})).await,
        world.sessions.discard(&draft).await,
        world.sessions.retry(&draft).await,
        world.sessions.resume(&draft, &target(&port)).await,
        world.sessions.apply(&draft, &target(&port)).await,
    ] {
        assert!(matches!(result, Err(ServiceError::Transition(_))), "{result:?}");
    }
    assert_eq!(world.sessions.get("nobody").await, Err(ServiceError::Unknown("nobody".into())));
    // A refusal leaves no router taken.
    assert!(world.store.claims.lock().is_empty());
}

#[tokio::test]
async fn a_failure_is_named_taken_back_and_can_be_tried_again() {
    let router = start().await;
    let port = reach(&router);
    let world = World::new();
    let before = configuration(&router);
    let id = world.validated(json!({})).await;
    router.set_faults(vec![RouterFault::refuse_write(12)]);
    let session = world.sessions.apply(&id, &target(&port)).await.unwrap();
    assert_eq!(session.status, Status::Failed);
    let failure = session.failure.clone().unwrap();
    assert!(failure.step.is_some() && failure.message.contains("injected by the simulator"), "{failure:?}");
    assert_same(&configuration(&router), &before, "");
    let last = world.events.lock().last().cloned().unwrap();
    let SessionEventKind::ProvisioningSessionFailedEvent { rolled_back, failed_step, .. } = last.kind else { panic!() };
    assert_eq!((rolled_back, failed_step), (true, failure.step));

    router.set_faults(Vec::new());
    world.sessions.retry(&id).await.unwrap();
    assert_eq!(world.sessions.apply(&id, &target(&port)).await.unwrap().status, Status::Applied);
}

#[tokio::test]
async fn a_later_session_takes_over_and_gives_back() {
    let router = start().await;
    let port = reach(&router);
    let world = World::new();
    let before = configuration(&router);
    let first = world.validated(json!({})).await;
    world.sessions.apply(&first, &target(&port)).await.unwrap();
    let with_first = configuration(&router);

    router.set_faults(Vec::new());
    let same = world.validated(json!({})).await;
    assert_eq!(world.sessions.apply(&same, &target(&port)).await.unwrap().status, Status::Applied);
    assert_eq!(writes(&router).await, 0, "nothing changes, so nothing is sent");

    let second = world.validated(json!({"without": ["lan/mark"], "lease": "2h"})).await;
    world.sessions.apply(&second, &target(&port)).await.unwrap();
    assert_eq!(writes(&router).await, 2);
    assert_eq!(
        world.sessions.roll_back(&first, &target(&port)).await,
        Err(ServiceError::Superseded(first.clone())),
        "it would take away what the later one relies on"
    );

    // The later one taken back is the earlier one again.
    world.sessions.roll_back(&second, &target(&port)).await.unwrap();
    assert_same(&configuration(&router), &with_first, "");
    let (holder, plan) = world.sessions.drift("r1", &target(&port)).await.unwrap().unwrap();
    assert_eq!((holder.id == same, plan.is_empty()), (true, true));

    // And all of it can be removed by the last.
    let removed = world.sessions.remove(&same, &target(&port)).await.unwrap();
    assert_eq!(removed.status, Status::Discarded);
    assert_same(&configuration(&router), &before, "");
    assert_eq!(world.sessions.drift("r1", &target(&port)).await.unwrap(), None);
}

#[tokio::test]
async fn after_a_crash_a_session_is_resumed_or_taken_back_by_another_process() {
    for (write, resumes) in [(1, true), (9, false), (17, true), (30, false)] {
        let router = start().await;
        let port = reach(&router);
        let before = configuration(&router);
        let world = World::new();
        let id = world.validated(json!({})).await;
        let crashing = Crashing::at(&port, write, true);
        let reached = target(&crashing);
        tokio::select! {
            result = world.sessions.apply(&id, &reached) => panic!("it did not crash: {result:?}"),
            () = crashing.stopped.notified() => {}
        }
        let later = World::with(world.store.clone());
        let interrupted = later.sessions.interrupted().await.unwrap();
        assert_eq!(interrupted.iter().map(|session| session.id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
        let other = later.validated(json!({})).await;
        let busy = later.sessions.apply(&other, &target(&port)).await;
        assert!(matches!(busy, Err(ServiceError::Busy { ref session, .. }) if *session == id), "{busy:?}");
        if resumes {
            let session = later.sessions.resume(&id, &target(&port)).await.unwrap();
            assert_eq!((session.status, session.warnings), (Status::Applied, Vec::new()));
            assert!(later.sessions.plan(&id, &target(&port)).await.unwrap().is_empty());
        }
        let session = later.sessions.roll_back(&id, &target(&port)).await.unwrap();
        assert_eq!(session.status, Status::Validated);
        assert_same(&configuration(&router), &before, write);
    }
}

#[tokio::test]
async fn only_one_session_is_at_work_on_a_router_and_it_can_be_cancelled() {
    let router = start().await;
    let port = reach(&router);
    let before = configuration(&router);
    let world = World::new();
    let (first, second) = (world.validated(json!({})).await, world.validated(json!({})).await);
    router.set_latency(std::time::Duration::from_millis(5));
    let reached = target(&port);
    let started = world.sessions.apply(&first, &reached);
    let other = async {
        let is_begun =
            || world.events.lock().iter().any(|event| matches!(event.kind, SessionEventKind::Progress { .. }));
        while !is_begun() {
            tokio::task::yield_now().await;
        }
        let busy = world.sessions.apply(&second, &target(&port)).await;
        assert_eq!(busy, Err(ServiceError::Busy { router: "r1".into(), session: first.clone() }));
        assert!(world.sessions.cancel(&first) && !world.sessions.cancel(&second));
    };
    let (session, ()) = tokio::join!(started, other);
    let session = session.unwrap();
    assert_eq!((session.status, session.failure.unwrap().message.as_str()), (Status::Failed, "cancelled"));
    assert_same(&configuration(&router), &before, "");
    assert_eq!(world.sessions.apply(&second, &target(&port)).await.unwrap().status, Status::Applied);
}

#[tokio::test]
async fn nothing_that_may_be_shown_has_secrets() {
    let router = start().await;
    let port = reach(&router);
    let world = World::new();
    let id = world.validated(json!({"password": "document-secret"})).await;
    let session = world.sessions.apply(&id, &target(&port)).await.unwrap();
    let plan = world.sessions.plan(&id, &target(&port)).await.unwrap();
    let events = serde_json::to_string(&*world.events.lock()).unwrap();
    let shown = format!("{session:?} {} {plan} {plan:?} {events}", session.summary());
    for secret in ["document-secret", "wonderland", "romon-secret", "p4ss", "yAnz5TF"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn only_the_plan_that_was_reviewed_is_applied() {
    let router = start().await;
    let port = reach(&router);
    let world = World::new();
    let id = world.validated(json!({})).await;
    let plan = world.sessions.plan(&id, &target(&port)).await.unwrap();
    let reviewed = Some(world.sessions.fingerprint_of(&plan));
    let reach_reviewed = Target { reviewed, ..target(&port) };
    // Somebody adds a row in front of which another one was to go.
    router.run(&["/ip/firewall/filter/add", "=chain=input", "=action=accept", "=place-before=0"]).unwrap();
    let before = configuration(&router);
    assert_eq!(world.sessions.apply(&id, &reach_reviewed).await, Err(ServiceError::Stale(id.clone())));
    assert_same(&configuration(&router), &before, "");
    let plan = world.sessions.plan(&id, &target(&port)).await.unwrap();
    let reviewed = Some(world.sessions.fingerprint_of(&plan));
    let session = world.sessions.apply(&id, &Target { reviewed, ..target(&port) }).await.unwrap();
    assert_eq!(session.status, Status::Applied);
}

#[tokio::test]
async fn what_cannot_be_taken_back_now_is_taken_back_later() {
    let router = start().await;
    let port = reach(&router);
    let before = configuration(&router);
    let world = World::new();
    let id = world.validated(json!({})).await;
    let dead = Dying::at(&port, 20);
    let session = world.sessions.apply(&id, &Target { options: impatient(), ..target(&dead) }).await.unwrap();
    assert_eq!(session.status, Status::Failed);
    let result = session.rolled_back.clone().unwrap();
    assert!(result.failed > 0 && result.removed == 0, "{result:?}");
    assert!(session.holds, "something of it is on the router");
    for refused in [world.sessions.retry(&id).await, world.sessions.discard(&id).await] {
        assert!(matches!(refused, Err(ServiceError::Transition(_))), "{refused:?}");
    }
    let session = world.sessions.roll_back(&id, &target(&port)).await.unwrap();
    assert_eq!(session.status, Status::Validated);
    assert_same(&configuration(&router), &before, "");
}

fn impatient() -> Options {
    Options { patience: std::time::Duration::ZERO, ..Options::default() }
}

#[tokio::test]
async fn importing_checks_at_once() {
    let world = World::new();
    assert_eq!(world.sessions.import("r1", json!({})).await.unwrap().status, Status::Validated);
    let wrong = world.sessions.import("r1", json!([])).await.unwrap();
    assert_eq!((wrong.status, wrong.issues.len()), (Status::Draft, 1));
}

#[tokio::test]
async fn what_was_made_once_is_kept_by_later_sessions() {
    let router = start().await;
    let port = reach(&router);
    let world = World::new();
    let names = |session: &Session| -> Vec<String> {
        session.generated.iter().map(|value| format!("{} {}", value.step, value.name)).collect()
    };
    let first = world.validated(json!({})).await;
    let first = world.sessions.apply(&first, &target(&port)).await.unwrap();
    let expected = ["certificate/export file:exported-ca.crt", "vpn/wg public-key"];
    assert!(expected.iter().all(|name| names(&first).contains(&(*name).to_owned())), "{:?}", names(&first));
    let second = world.validated(json!({"lease": "3h"})).await;
    let second = world.sessions.apply(&second, &target(&port)).await.unwrap();
    assert!(expected.iter().all(|name| names(&second).contains(&(*name).to_owned())), "{:?}", names(&second));
    let third = world.validated(json!({"without": ["certificate/export"]})).await;
    let third = world.sessions.apply(&third, &target(&port)).await.unwrap();
    assert_eq!(names(&third), ["vpn/wg public-key"]);
}

#[tokio::test]
async fn a_session_runs_as_a_task_that_outlives_whoever_started_it() {
    let router = Arc::new(start().await);
    let world = Arc::new(World::new());
    let id = world.validated(json!({})).await;
    let task = tokio::spawn({
        let (router, world, id) = (router.clone(), world.clone(), id.clone());
        async move {
            let port = reach(&router);
            let target = target(&port);
            world.sessions.plan(&id, &target).await.unwrap();
            world.sessions.apply(&id, &target).await.unwrap();
            world.sessions.drift("r1", &target).await.unwrap();
            world.sessions.roll_back(&id, &target).await.unwrap();
            world.sessions.apply(&id, &target).await.unwrap();
            world.sessions.remove(&id, &target).await.unwrap().status
        }
    });
    assert_eq!(task.await.unwrap(), Status::Discarded);
}
