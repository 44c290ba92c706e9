//! The NBI: the REST API for operators and their systems (`docs/nbi.md`).
//!
//! ```text
//!  connection      sockets; request lines are repaired before they are parsed
//!    └ Nbi::answer     who asks, may they, what for
//!        ├ lists           GET /<collection>
//!        ├ accounts        users, permissions, API keys
//!        ├ documents       presets, provisions, virtual parameters, objects, config
//!        ├ devices         devices, tags, faults
//!        ├ files           what devices download
//!        ├ uploads         what devices sent
//!        ├ tasks           queueing, waking, waiting
//!        ├ plans           what a session would do
//!        ├ session_history what sessions did
//!        ├ starstate       what routers behind devices are to be
//!        ├ events          what happens, as it happens
//!        ├ health, ping    whether the server works, and hosts answer
//!        └ openapi         all of it, described
//! ```
//!
//! What lives here: paths, parameters, statuses, and the tolerance that clients in the field need. What does not: what queries and
//! tasks mean (`acs_core`), where things are kept (`store`), who wakes devices ([`DeviceWaker`]), who plans
//! sessions ([`Planner`]).

mod accounts;
mod credentials;
mod device_id;
mod devices;
mod document_check;
mod documents;
mod events;
mod files;
mod health;
mod lists;
mod openapi;
mod ping;
mod plans;
mod routes;
mod secrets;
mod session_history;
mod sessions;
mod starstate;
mod statistics;
mod summary;
mod target;
mod task_body;
mod tasks;
mod uploads;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as HttpBody;
use hyper::header::{CACHE_CONTROL, HeaderName, HeaderValue, SERVER, X_CONTENT_TYPE_OPTIONS};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::Value as Json;
use store::{Listing, Scope, ScopedStore, Store, StoreError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::access::{Authenticator, Principal, check_browser, check_host};
use crate::answer::{Answer, Body, Refusal};
use crate::connection;
use accounts::Asker;
use events::EventFeed;
use health::HealthCheck;
use lists::View;
use routes::{Listed, Route};
use target::Parameters;

pub use document_check::{DocumentPlace, DocumentProblem, check_document};
pub use ping::{HostPinger, PingError};
pub use plans::{PlanError, PlanRequest, PlanSubject, Planner};
pub use session_history::SessionHistory;
pub use sessions::{ConfigurationFollower, DeviceWaker, RepairReport, SessionBoard, SessionPhase, SessionWatch};
pub use starstate::{Acted, ActionDetails, NewRouterSession, RouterAction, RouterError, RouterSession, RouterSessions};
pub use statistics::NbiStatistics;

/// This server's version.
const VERSION_HEADER: HeaderName = HeaderName::from_static("lodestar-version");
/// The release of the incumbent whose API this one follows, for clients that look; the build part says who really answers.
const COMPATIBLE_HEADER: HeaderName = HeaderName::from_static("genieacs-version");
const COMPATIBLE_VERSION: &str = concat!("1.2.16+lodestar.", env!("CARGO_PKG_VERSION"));
/// How long a request's body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// What may go wrong with a body.
trait BodyError: std::error::Error + Send + Sync + 'static {}

impl<E: std::error::Error + Send + Sync + 'static> BodyError for E {}

/// How the NBI behaves.
#[derive(Debug, Clone)]
pub struct NbiOptions {
    /// No credentials are asked for. Only for loopback addresses: [`serve`] refuses others.
    pub open: bool,
    /// Names that the server may be called by in the `Host` header. When there are any, or when it listens on a loopback
    /// address only, other names are refused; addresses and `localhost` are always right.
    pub allowed_hosts: Vec<String>,
    /// How long to wait for a session to begin after a connection request, unless the request says.
    pub online_threshold: Duration,
    /// How long to wait for a session to end.
    pub session_limit: Duration,
    /// The largest request body in bytes, files apart.
    pub body_limit: usize,
    /// The largest file in bytes.
    pub file_limit: u64,
}

impl Default for NbiOptions {
    fn default() -> NbiOptions {
        NbiOptions {
            open: false,
            allowed_hosts: Vec::new(),
            online_threshold: Duration::from_secs(4),
            session_limit: Duration::from_secs(120),
            body_limit: 10 * 1024 * 1024,
            file_limit: 1024 * 1024 * 1024,
        }
    }
}

/// The NBI of a store.
pub struct Nbi {
    store: Arc<dyn Store>,
    waker: Arc<dyn DeviceWaker>,
    sessions: Arc<dyn SessionWatch>,
    planner: Option<Arc<dyn Planner>>,
    status: Option<Arc<dyn StatusSource>>,
    configuration: Option<Arc<dyn ConfigurationFollower>>,
    repairs: Option<Arc<dyn RepairReport>>,
    pinger: Option<Arc<dyn HostPinger>>,
    history: Option<Arc<dyn SessionHistory>>,
    routers: Option<Arc<dyn RouterSessions>>,
    events: Arc<EventFeed>,
    health: HealthCheck,
    statistics: Arc<NbiStatistics>,
    options: NbiOptions,
    authenticator: Authenticator,
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
struct Origin {
    address: IpAddr,
    /// Whether the `Host` header must be one of those that are known.
    is_host_checked: bool,
}

/// Knows how the server does.
pub trait StatusSource: Send + Sync {
    /// A document of counters and of what they are now.
    fn status(&self) -> Json;
}

/// Cannot wake anybody.
struct NoWaker;

#[async_trait]
impl DeviceWaker for NoWaker {
    async fn wake(&self, _device_id: &str) -> Result<(), String> {
        Err("Connection requests are not available".to_owned())
    }

    async fn connection_requests(&self, device_id: &str) -> Result<Json, StoreError> {
        Ok(serde_json::json!({ "_id": device_id, "methods": {} }))
    }
}

impl Nbi {
    /// An NBI that cannot wake devices: connection requests fail with that reason.
    pub fn new(store: Arc<dyn Store>, options: NbiOptions) -> Nbi {
        Nbi {
            authenticator: Authenticator::new(store.clone()),
            store,
            waker: Arc::new(NoWaker),
            sessions: Arc::new(SessionBoard::default()),
            planner: None,
            status: None,
            configuration: None,
            repairs: None,
            pinger: None,
            history: None,
            routers: None,
            events: Arc::default(),
            health: HealthCheck::default(),
            statistics: Arc::default(),
            options,
        }
    }

    /// The same with a way to wake devices, and to hear of their sessions.
    #[must_use]
    pub fn with_sessions(self, waker: Arc<dyn DeviceWaker>, sessions: Arc<dyn SessionWatch>) -> Nbi {
        Nbi { waker, sessions, ..self }
    }

    /// The same with somebody who knows how the server does; without, there is no status.
    #[must_use]
    pub fn with_status(self, status: Arc<dyn StatusSource>) -> Nbi {
        Nbi { status: Some(status), ..self }
    }

    /// The same with somebody who plans sessions; without, there are no plans.
    #[must_use]
    pub fn with_planner(self, planner: Arc<dyn Planner>) -> Nbi {
        Nbi { planner: Some(planner), ..self }
    }

    /// The same where an answered change of the configuration holds for every session that begins afterwards.
    #[must_use]
    pub fn with_configuration(self, configuration: Arc<dyn ConfigurationFollower>) -> Nbi {
        Nbi { configuration: Some(configuration), ..self }
    }

    /// The same with somebody who knows what was forgiven; without, nothing was.
    #[must_use]
    pub fn with_repairs(self, repairs: Arc<dyn RepairReport>) -> Nbi {
        Nbi { repairs: Some(repairs), ..self }
    }

    /// The same with somebody who pings hosts; without, there is no `/ping`.
    #[must_use]
    pub fn with_pinger(self, pinger: Arc<dyn HostPinger>) -> Nbi {
        Nbi { pinger: Some(pinger), ..self }
    }

    /// The same with somebody who knows what sessions were; without, nothing is told of them.
    #[must_use]
    pub fn with_session_history(self, history: Arc<dyn SessionHistory>) -> Nbi {
        Nbi { history: Some(history), ..self }
    }

    /// The same with somebody who configures routers; without, there is no `/starstate`.
    #[must_use]
    pub fn with_router_sessions(self, routers: Arc<dyn RouterSessions>) -> Nbi {
        Nbi { routers: Some(routers), ..self }
    }

    /// What it counts.
    pub fn statistics(&self) -> &Arc<NbiStatistics> {
        &self.statistics
    }

    /// How many streams of events are open now.
    pub fn event_streams(&self) -> usize {
        self.events.streams()
    }

    async fn wake(&self, device_id: &str) -> Result<(), String> {
        self.waker.wake(device_id).await
    }

    /// Answers a request.
    async fn answer<B>(&self, request: Request<B>, origin: Origin) -> Response<Body>
    where
        B: HttpBody<Data = Bytes, Error: BodyError> + Unpin,
    {
        let started = Instant::now();
        let (parts, body) = request.into_parts();
        let mut who = String::new();
        let answer = match self.handle(&parts, body, origin, &mut who).await {
            Ok(answer) => answer,
            Err(Refusal::NotReached(reason)) if accepts_json(&parts) => {
                Answer::json(StatusCode::GATEWAY_TIMEOUT, &serde_json::json!({ "reason": reason })).reason(&reason)
            }
            Err(refusal) => refusal.into_answer(),
        };
        let mut response = answer.into_response();
        self.statistics.note(response.status());
        let headers = response.headers_mut();
        headers.insert(VERSION_HEADER, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
        headers.insert(COMPATIBLE_HEADER, HeaderValue::from_static(COMPATIBLE_VERSION));
        headers.insert(SERVER, HeaderValue::from_static(concat!("Lodestar/", env!("CARGO_PKG_VERSION"))));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // The query may hold secrets: it is left out.
        tracing::info!(
            target: "nbi",
            remote = %origin.address,
            method = %parts.method,
            path = parts.uri.path(),
            status = response.status().as_u16(),
            who,
            milliseconds = started.elapsed().as_millis() as u64,
            "request"
        );
        response
    }

    async fn handle<B>(&self, parts: &Parts, body: B, origin: Origin, who: &mut String) -> Result<Answer, Refusal>
    where
        B: HttpBody<Data = Bytes, Error: BodyError> + Unpin,
    {
        if origin.is_host_checked {
            check_host(&parts.headers, &self.options.allowed_hosts)?;
        }
        if Route::find(parts.uri.path()) == Some(Route::Health) {
            return self.health.answer(&*self.store, self.events.is_closing(), &parts.method, &parts.headers).await;
        }
        check_browser(&parts.method, &parts.headers)?;
        let now = chrono::Utc::now().timestamp_millis();
        let principal = match self.options.open {
            true => Principal::Open,
            false => {
                let found = self.authenticator.authenticate(&parts.headers, origin.address, now).await;
                found.inspect_err(|refusal| self.statistics.note_refusal(refusal, &parts.headers))?
            }
        };
        principal.name().clone_into(who);
        let route = Route::find(parts.uri.path()).ok_or(Refusal::NotFound)?;
        let methods = route.methods();
        if !methods.contains(&parts.method) {
            let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
            return Err(Refusal::MethodNotAllowed(names.join(", ")));
        }
        if let Route::Account(account) = &route {
            let body = read_body(body, self.options.body_limit).await?;
            let asker = Asker { principal: &principal, address: origin.address, now };
            return accounts::answer(self, account, &parts.method, &asker, &body).await;
        }
        let scope = match route.subject() {
            Some(subject) => principal.scope(&parts.method, subject, now)?,
            None => Scope::everything(),
        };
        // Whoever answers has this store and no other.
        let store = &ScopedStore::new(self.store.clone(), scope);
        let reveal = principal.reveals(now);
        let parameters = Parameters::parse(parts.uri.query().unwrap_or_default());
        if let Route::StarState(route) = &route {
            let routers = self.routers.as_deref().ok_or(Refusal::NotFound)?;
            let is_head = parts.method == Method::HEAD;
            let asked = starstate::Asked { routers, store, reveal, is_head };
            return match parts.method {
                Method::GET | Method::HEAD => asked.get(route, &parameters).await,
                Method::DELETE => asked.delete(route).await,
                _ => asked.write(route, &read_body(body, self.options.body_limit).await?).await,
            };
        }
        let answer = match parts.method {
            Method::GET | Method::HEAD if route == Route::Events => {
                let is_head = parts.method == Method::HEAD;
                return events::open(store, &self.events, &parameters, &parts.headers, is_head).await;
            }
            Method::GET | Method::HEAD => {
                return self.read(store, &route, &parameters, reveal, parts.method == Method::HEAD).await;
            }
            Method::DELETE => self.delete(store, &route).await?,
            _ => {
                if let Route::File(name) = &route {
                    files::put(store, name, &parts.headers, body, self.options.file_limit).await?
                } else {
                    let body = read_body(body, self.options.body_limit).await?;
                    if let Route::Plan(id) = &route {
                        return plans::post(self, store, id, &body, reveal).await;
                    }
                    self.write(store, &route, &parts.method, &parameters, &body).await?
                }
            }
        };
        if let Some(configuration) = &self.configuration
            && route.is_configuration()
        {
            configuration.catch_up().await;
        }
        Ok(answer)
    }

    async fn read(
        &self,
        store: &ScopedStore,
        route: &Route,
        parameters: &Parameters,
        reveal: bool,
        is_head: bool,
    ) -> Result<Answer, Refusal> {
        let view = |listed| View::read(listed, parameters, reveal);
        let view_of = |listing| view(Listed::Documents(listing));
        match route {
            Route::Root => Ok(Answer::text(StatusCode::OK, "OK")),
            Route::Status => match &self.status {
                Some(source) => Ok(Answer::json(StatusCode::OK, &source.status())),
                None => Err(Refusal::NotFound),
            },
            Route::List(listed) => lists::list(store, *listed, parameters, reveal, is_head).await,
            Route::Document(collection, name) => {
                documents::get(store, *collection, name, &view_of(Listing::Documents(*collection))?).await
            }
            Route::Device(id) => devices::get(store, id, &view(Listed::Devices)?).await,
            Route::ConnectionRequests(id) => devices::connection_requests(store, &*self.waker, id).await,
            Route::Sessions(id) => session_history::list(store, self.history.as_deref(), id).await,
            Route::Session(id, session) => session_history::get(store, self.history.as_deref(), id, session).await,
            Route::Task(id) => tasks::get(store, id, &view_of(Listing::Tasks)?).await,
            Route::Fault(id) => devices::get_part(store, Listing::Faults, id, &view_of(Listing::Faults)?).await,
            Route::Transfer(id) => {
                devices::get_part(store, Listing::Transfers, id, &view_of(Listing::Transfers)?).await
            }
            Route::Upload(id) => devices::get_part(store, Listing::Uploads, id, &view_of(Listing::Uploads)?).await,
            Route::UploadContent(id) => uploads::content(store, id, reveal, is_head).await,
            Route::Operation(id) => {
                let view = view_of(Listing::Operations)?;
                devices::get_listed(store, Listing::Operations, id, &view).await
            }
            Route::File(name) => files::get(store, name, &view_of(Listing::Files)?).await,
            Route::Repairs if !store.sees_all_devices() => {
                Err(Refusal::Forbidden("repairs tell of all devices, of which some are hidden".to_owned()))
            }
            Route::Repairs => {
                let list = self.repairs.as_ref().map_or_else(|| Json::Array(Vec::new()), |report| report.repairs());
                Ok(Answer::json(StatusCode::OK, &list))
            }
            Route::OpenApi => Ok(Answer::json(StatusCode::OK, &openapi::document())),
            Route::Ping(host) => ping::ping(store, self.pinger.as_deref(), host).await,
            Route::Tag(..)
            | Route::DeviceTasks(_)
            | Route::Refresh(..)
            | Route::Plan(_)
            | Route::Retry(_)
            | Route::Credentials(_)
            | Route::Account(_)
            | Route::Health
            | Route::StarState(_)
            | Route::Events => Err(Refusal::NotFound),
        }
    }

    async fn delete(&self, store: &ScopedStore, route: &Route) -> Result<Answer, Refusal> {
        match route {
            Route::Document(collection, name) => documents::delete(store, *collection, name).await,
            Route::Device(id) => devices::delete(store, self.history.as_deref(), id).await,
            Route::Credentials(id) => credentials::delete(store, id).await,
            Route::Tag(id, tag) => devices::tag(store, id, tag, &Method::DELETE).await,
            Route::Task(id) => tasks::delete(store, id).await,
            Route::Fault(id) => devices::delete_fault(store, id).await,
            Route::File(name) => files::delete(store, name).await,
            Route::Upload(id) => uploads::delete(store, id).await,
            _ => Err(Refusal::NotFound),
        }
    }

    /// PUT and POST.
    async fn write(
        &self,
        store: &ScopedStore,
        route: &Route,
        method: &Method,
        parameters: &Parameters,
        body: &[u8],
    ) -> Result<Answer, Refusal> {
        match route {
            Route::List(Listed::Documents(Listing::Documents(collection))) => {
                documents::post(store, *collection, body).await
            }
            Route::Document(collection, name) if *method == Method::POST => {
                documents::post_named(store, *collection, name, body).await
            }
            Route::Document(collection, name) => documents::put(store, *collection, name, body).await,
            Route::Credentials(id) => credentials::put(store, id, body).await,
            Route::Tag(id, tag) => devices::tag(store, id, tag, method).await,
            Route::DeviceTasks(id) => tasks::post(self, store, id, parameters, body).await,
            Route::Refresh(id, object) => tasks::refresh(self, store, id, object, parameters).await,
            Route::Retry(id) => tasks::retry(store, id).await,
            _ => Err(Refusal::NotFound),
        }
    }
}

/// Whether a client says that it understands JSON.
fn accepts_json(parts: &Parts) -> bool {
    let accepted = parts.headers.get_all(hyper::header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| {
        let media_type = range.split(';').next().unwrap_or_default().trim();
        media_type.eq_ignore_ascii_case("application/json")
    })
}

async fn read_body<B>(body: B, limit: usize) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes, Error: BodyError> + Unpin,
{
    let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, limit).collect()).await;
    match collected {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge(limit as u64)),
        Ok(Err(error)) => Err(Refusal::BadRequest(format!("Error: the request's body ended early: {error}"))),
        Err(_) => Err(Refusal::Timeout),
    }
}

/// Serves the NBI until `shutdown`; requests that are under way then may end.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] when the NBI is open and the listener's address is not loopback.
pub async fn serve(listener: TcpListener, nbi: Arc<Nbi>, shutdown: CancellationToken) -> io::Result<()> {
    let is_loopback = listener.local_addr()?.ip().to_canonical().is_loopback();
    if nbi.options.open && !is_loopback {
        let message = "an NBI without credentials may listen on loopback addresses only";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    // Streams end before the requests that are waited for: they would not by themselves.
    let (feed, stopped) = (nbi.events.clone(), shutdown.clone());
    tokio::spawn(async move {
        stopped.cancelled().await;
        feed.close();
    });
    let is_host_checked = is_loopback || !nbi.options.allowed_hosts.is_empty();
    connection::serve(listener, None, shutdown, move |request, peer: SocketAddr| {
        let nbi = nbi.clone();
        let origin = Origin { address: peer.ip().to_canonical(), is_host_checked };
        async move { nbi.answer(request, origin).await }
    })
    .await
}
