//! `lodestar serve`: everything put together, started in order and stopped in order.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use cwmp::udp::UdpPort;
use cwmp::{Endpoint, EndpointLimits, EndpointParts, Listener, Pool, system_clock};
use ext::{Extensions, ExtensionsConfig};
use sandbox::Limits;
use store::{EmbeddedStore, Store, StoreOptions};
use tls::{TlsOptions, TlsServer};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use ui_api::{ApiKeys, FileServer, Nbi, NbiOptions, SessionBoard, Users};

use crate::disk_space::Disk;
use crate::file_urls::{self, FileUrls, FilesAddress};
use crate::limit_options::fit_open_files;
use crate::live::LiveConfiguration;
use crate::metrics::Metrics;
use crate::options::ServeOptions;
#[cfg(feature = "xmpp")]
use crate::options::XmppAccess;
use crate::own_threads::OwnThreads;
use crate::pinger::Pinger;
use crate::planning::StoredPlanner;
use crate::ports::{Calls, Repairs, SessionNews, Status};
use crate::record::Recorder;
use crate::routers::{RouterCalls, RouterDesk, Routers, RoutersParts};
use crate::session_history::SessionHistory;
use crate::waker::{Directory, Waker, WakerParts, XmppRequests};
use crate::{demo, disk_space, elsewhere, first_start, heartbeats};

/// Where a running server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// For devices.
    pub cwmp: Vec<SocketAddr>,
    /// Which of those speak TLS.
    pub cwmp_encrypted: Vec<bool>,
    /// For devices that fetch files.
    pub files: SocketAddr,
    /// Whether that speaks TLS.
    pub files_encrypted: bool,
    /// The REST API.
    pub nbi: SocketAddr,
}

/// Runs the server until it is told to stop, and prints where it listens.
pub async fn run(options: ServeOptions, limits: Limits, stop: CancellationToken) -> Result<()> {
    run_telling(options, limits, stop, print_addresses).await
}

/// Runs the server until it is told to stop. `listening` is told the addresses once all can be connected to.
pub async fn run_telling(
    options: ServeOptions,
    limits: Limits,
    stop: CancellationToken,
    listening: impl FnOnce(&Addresses),
) -> Result<()> {
    create_private_directory(&options.data_dir)?;
    let store = open_store(&options).await?;
    if first_start::seed(&*store).await? {
        tracing::info!("this is a new installation: the seed presets are stored");
    }
    if options.demo {
        demo::prepare(&*store).await?;
    }
    provide_api_key(&options, &*store).await?;
    provide_administrator(&options, &*store).await?;

    // Addresses first: a port that is taken must stop the start before anything else happens.
    let mut cwmp_listeners = Vec::new();
    let mut certificates = Vec::new();
    for listener in &options.cwmp_listeners {
        let tls = listener.tls.as_ref().map(|tls| load_certificate(tls, &mut certificates)).transpose()?;
        let socket = bind(listener.address, "--cwmp-listen, --cwmp-tls-listen or a table of the file").await?;
        cwmp_listeners.push(Listener { socket, policy: listener.policy.clone(), tls });
    }
    let nbi_listener = bind(options.nbi_listen, "--nbi-listen").await?;
    let files_listener = bind(options.files_listen, "--files-listen").await?;
    let metrics_listener = match options.metrics_listen {
        Some(address) => Some(bind(address, "--metrics-listen").await?),
        None => None,
    };
    let files_tls = options.files_tls.as_ref().map(|tls| load_certificate(tls, &mut certificates)).transpose()?;
    let files_address = files_listener.local_addr()?;
    let udp = match options.stun_listen {
        Some(address) => Some(bind_udp(address, &store).await?),
        None => None,
    };
    let files_at = FilesAddress { address: files_address, is_encrypted: files_tls.is_some() };
    let signer = file_urls::signer(&options.data_dir, &*store).await?;
    let plain = options.plain_file_urls;
    let file_urls = FileUrls::new(signer.clone(), options.file_url_prefix.clone(), files_at, plain);

    let configuration = LiveConfiguration::load(store.clone(), limits.clone(), Some(file_urls)).await?;
    let extensions = Arc::new(Extensions::new(extensions_config(&options))?);
    let nbi_address = nbi_listener.local_addr()?;
    let cwmp_at: Result<Vec<_>, _> = cwmp_listeners.iter().map(|listener| listener.socket.local_addr()).collect();
    let own_listeners = cwmp_at?.into_iter().chain([nbi_address, files_address]).collect();
    let device_addresses = options.wakeable.clone().with_own_listeners(own_listeners);
    let mut tasks = JoinSet::new();
    let routers_parts = RoutersParts {
        store: store.clone(),
        configuration: configuration.clone(),
        extensions: Arc::new(Calls(extensions.clone())),
        policy: device_addresses.clone(),
        stop: stop.clone(),
    };
    let routers = open_routers(&options, routers_parts, &mut tasks).await;
    let sessions = Arc::new(SessionBoard::default());
    let (history, keeper) = SessionHistory::new(store.clone(), options.sessions);
    let mut endpoint_limits = EndpointLimits { shared_sessions: store.is_shared(), ..options.limits.clone() };
    fit_open_files(&mut endpoint_limits);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let parts = EndpointParts {
        store: store.clone(),
        configuration: configuration.clone(),
        extensions: Arc::new(RouterCalls { extensions: Arc::new(Calls(extensions.clone())), routers: routers.clone() }),
        observer: Some(Arc::new(SessionNews { board: sessions.clone(), history: history.clone() })),
        clock: system_clock(),
        pool: Pool::start(threads, Some(Arc::new(sandbox::mark_script_thread))).context("starting worker threads")?,
        limits: endpoint_limits,
    };
    let endpoint = Endpoint::recorded(parts, Recorder::from_options(&options)?);

    tasks.spawn(configuration.clone().follow(stop.clone()));
    tasks.spawn(heartbeats::watch(store.clone(), stop.clone()));
    tasks.spawn(keeper.run(stop.clone()));
    let least_free = options.min_free_disk;
    let disk = Disk { directory: options.data_dir.clone(), store: store.clone() };
    tasks.spawn(disk_space::watch(endpoint.clone(), disk, least_free, stop.clone()));
    if store.is_shared() {
        tasks.spawn(elsewhere::watch(store.clone(), sessions.clone(), stop.clone()));
    }
    let mut cwmp_addresses = Vec::new();
    for listener in cwmp_listeners {
        cwmp_addresses.push(listener.socket.local_addr()?);
        tasks.spawn(cwmp::serve(listener, endpoint.clone(), stop.clone()));
    }
    let waker = Arc::new(Waker::new(WakerParts {
        store: store.clone(),
        configuration: configuration.clone(),
        extensions: Arc::new(Calls(extensions.clone())),
        sessions: sessions.clone(),
        udp: udp.clone(),
        xmpp: xmpp_requests(&options, &stop)?,
        policy: device_addresses,
        rates: options.request_rates,
    }));
    let request_counts = waker.counts().clone();
    if let Some(routers) = &routers {
        routers.wake_by(waker.clone());
        // Not before devices can be woken for what goes on now.
        tasks.spawn(routers.clone().run());
    }
    if let Some(udp) = udp {
        tracing::info!(address = %udp.address()?, "devices behind a NAT announce themselves by STUN");
        tasks.spawn(udp.serve(stop.clone()));
    }
    let planner = Arc::new(StoredPlanner::new(store.clone(), configuration.clone(), limits));
    let nbi = Nbi::new(store.clone(), NbiOptions { open: options.nbi_open, ..NbiOptions::default() });
    let nbi = nbi.with_planner(planner).with_sessions(waker, sessions).with_configuration(configuration.clone());
    let nbi = nbi.with_repairs(Arc::new(Repairs(endpoint.statistics().clone())));
    let nbi = nbi.with_session_history(history);
    let nbi = match &routers {
        Some(routers) => nbi.with_router_sessions(Arc::new(RouterDesk(routers.clone()))),
        None => nbi,
    };
    let nbi = nbi.with_pinger(Arc::new(Pinger::new(options.wakeable.clone())));
    let nbi = Arc::new(nbi.with_status(Arc::new(Status(endpoint.clone()))));
    if let Some(listener) = metrics_listener {
        let store = store.clone();
        let (endpoint, nbi, requests) = (endpoint.clone(), nbi.clone(), request_counts);
        let routers = routers.as_ref().map(|routers| routers.counts().clone());
        let configuration = configuration.clone();
        let source = Arc::new(Metrics { endpoint, nbi, store, configuration, requests, routers });
        let metrics_stop = stop.clone();
        tasks.spawn(async move {
            if let Err(error) = ui_api::serve_metrics(listener, source, metrics_stop).await {
                tracing::error!(%error, "metrics are no longer served");
            }
        });
    }
    let nbi_stop = stop.clone();
    // On threads of its own: however many devices come at once, operators are not queued behind them.
    let operators = OwnThreads::start("nbi")?;
    let nbi_listener = nbi_listener.into_std().context("handing the listener over")?;
    tasks.spawn(operators.run(async move {
        let served = match TcpListener::from_std(nbi_listener) {
            Ok(listener) => ui_api::serve(listener, nbi, nbi_stop).await,
            Err(error) => Err(error),
        };
        if let Err(error) = served {
            tracing::error!(%error, "the REST API stopped");
        }
    }));
    let files = FileServer::new(store.clone(), signer, || chrono::Utc::now().timestamp_millis());
    let files = files.with_upload_limits(options.uploads.limits());
    let files = Arc::new(if plain { files.with_plain_paths() } else { files });
    let files_stop = stop.clone();
    tasks.spawn(async move {
        if let Err(error) = ui_api::serve_files(files_listener, files_tls, files, files_stop).await {
            tracing::error!(%error, "the file server stopped");
        }
    });
    if !certificates.is_empty() {
        let now = Arc::new(Notify::new());
        tasks.spawn(notify_on_hangup(now.clone(), stop.clone()));
        tasks.spawn(tls::follow(certificates, now, stop.clone()));
    }
    let addresses = Addresses {
        cwmp: cwmp_addresses,
        cwmp_encrypted: options.cwmp_listeners.iter().map(|listener| listener.tls.is_some()).collect(),
        files: files_address,
        files_encrypted: files_at.is_encrypted,
        nbi: nbi_address,
    };
    listening(&addresses);
    let plain = addresses.cwmp.iter().zip(&addresses.cwmp_encrypted).find(|(_, is_encrypted)| !**is_encrypted);
    if let Some((address, _)) = plain.filter(|_| options.demo) {
        demo::start(*address, &options.data_dir, &stop)?;
        println!("{}", demo::guide(nbi_address, &options.data_dir));
    }

    stop.cancelled().await;
    tracing::info!("stopping: running sessions are ended and written");
    while tokio::time::timeout(Duration::from_secs(30), tasks.join_next()).await.is_ok_and(|done| done.is_some()) {}
    extensions.shutdown().await;
    Ok(())
}

/// The service that configures routers. Without the key of their secrets the rest of the server does its work all the same.
async fn open_routers(options: &ServeOptions, parts: RoutersParts, tasks: &mut JoinSet<()>) -> Option<Arc<Routers>> {
    match Routers::open(parts, &options.data_dir, options.starstate_key_file.as_ref()).await {
        Ok((routers, writing)) => {
            tasks.spawn(writing);
            Some(routers)
        }
        Err(error) => {
            tracing::error!("routers are not configured from StarState documents: {error:#}");
            None
        }
    }
}

async fn open_store(options: &ServeOptions) -> Result<Arc<dyn Store>> {
    let store_options = StoreOptions { outbox_length: options.events_kept, ..StoreOptions::default() };
    if let Some(address) = &options.store {
        let store = address.open(store_options).await?;
        tracing::info!(%address, "the store is a MongoDB server");
        return Ok(store);
    }
    let database = options.data_dir.join("lodestar.db");
    let store = EmbeddedStore::open_with(&database, store_options);
    Ok(Arc::new(store.with_context(|| format!("opening {}", database.display()))?))
}

fn print_addresses(addresses: &Addresses) {
    let scheme = |is_encrypted| if is_encrypted { "https" } else { "http" };
    for (address, is_encrypted) in addresses.cwmp.iter().zip(&addresses.cwmp_encrypted) {
        println!("devices (CWMP) connect to {}://{address}/", scheme(*is_encrypted));
    }
    println!("devices fetch files from    {}://{}/", scheme(addresses.files_encrypted), addresses.files);
    println!("the REST API (NBI) is at    http://{}/", addresses.nbi);
}

/// The first start makes an API key, or takes the one that the environment gives, and says it once.
async fn provide_api_key(options: &ServeOptions, store: &dyn Store) -> Result<()> {
    let given = std::env::var("LODESTAR_INITIAL_API_KEY").ok().filter(|key| !key.is_empty());
    let made = ApiKeys::ensure_initial(store, given.clone()).await?;
    if options.demo {
        // The guide's commands read it from there; a demonstration has nothing to protect from its own user.
        if let Some(key) = made.or(given) {
            write_private_file(&options.data_dir.join("api-key"), key.as_bytes())?;
        }
    } else if let Some(key) = made.filter(|_| given.is_none()) {
        println!("the REST API's key, which is shown only this once: {key}");
    }
    Ok(())
}

/// The first start makes an administrator, with the password that the environment gives, or one that it says once.
async fn provide_administrator(options: &ServeOptions, store: &dyn Store) -> Result<()> {
    let given = std::env::var("LODESTAR_INITIAL_PASSWORD").ok().filter(|password| !password.is_empty());
    let made = Users::ensure_initial(store, given).await.context("LODESTAR_INITIAL_PASSWORD")?;
    match made {
        Some(password) if options.demo => {
            write_private_file(&options.data_dir.join("admin-password"), password.as_bytes())
        }
        Some(password) => {
            println!("the password of the user admin, which is shown only this once: {password}");
            Ok(())
        }
        None => Ok(()),
    }
}

fn extensions_config(options: &ServeOptions) -> ExtensionsConfig {
    let default = ExtensionsConfig::new(options.data_dir.join("ext"));
    ExtensionsConfig {
        timeout: options.extensions.timeout_ms.map_or(default.timeout, Duration::from_millis),
        endpoints: options.extensions.endpoints.clone(),
        ..default
    }
}

/// Goes on XMPP, if this server is to.
#[cfg(feature = "xmpp")]
fn xmpp_requests(options: &ServeOptions, stop: &CancellationToken) -> Result<Option<Arc<dyn XmppRequests>>> {
    let Some(access) = options.xmpp.clone() else { return Ok(None) };
    let XmppAccess { jid, password, server, certificate_authority, without_tls } = access;
    let options = cwmp::xmpp::XmppOptions { jid, password, server, certificate_authority, without_tls };
    let client = cwmp::xmpp::XmppClient::start(options, stop.clone()).context("XMPP")?;
    Ok(Some(client))
}

/// This build has no XMPP; options that ask for it were refused.
#[cfg(not(feature = "xmpp"))]
fn xmpp_requests(_options: &ServeOptions, _stop: &CancellationToken) -> Result<Option<Arc<dyn XmppRequests>>> {
    Ok(None)
}

/// Opens the port for STUN and connection requests over UDP.
async fn bind_udp(address: SocketAddr, store: &Arc<dyn Store>) -> Result<Arc<UdpPort>> {
    let directory = Arc::new(Directory::open(store.clone()).await?);
    UdpPort::bind(address, directory)
        .await
        .with_context(|| format!("listening on {address} (UDP); choose another address with --stun-listen"))
}

/// Reads a certificate, to be read again when its files change.
fn load_certificate(options: &TlsOptions, certificates: &mut Vec<Arc<TlsServer>>) -> Result<Arc<TlsServer>> {
    let server = TlsServer::load(options.clone()).context("TLS")?;
    certificates.push(server.clone());
    Ok(server)
}

/// SIGHUP asks for certificates to be read at once.
#[cfg(unix)]
async fn notify_on_hangup(now: Arc<Notify>, stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => {
            tracing::warn!(%error, "SIGHUP is not listened to");
            return;
        }
    };
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            hangup = hangups.recv() => match hangup {
                Some(()) => now.notify_one(),
                None => return,
            },
        }
    }
}

#[cfg(not(unix))]
async fn notify_on_hangup(_now: Arc<Notify>, _stop: CancellationToken) {}

async fn bind(address: SocketAddr, option: &str) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listening on {address}; choose another address with {option}"))
}

/// Makes a directory that only its owner can read: it will hold credentials.
pub(crate) fn create_private_directory(path: &Path) -> Result<()> {
    let context = || format!("creating the data directory {}", path.display());
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path).with_context(context)
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private_file(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path).with_context(|| format!("creating {}", path.display()))?;
    file.write_all(bytes).with_context(|| format!("writing {}", path.display()))
}
