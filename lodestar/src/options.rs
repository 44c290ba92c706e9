//! What `serve` was asked for, as meant: flags and environment over the configuration file over defaults, all checked.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use cwmp::EndpointLimits;
use cwmp::connection_request::{AddressPolicy, PortRange};
use ipnet::IpNet;
use serde::Deserialize;
use store::StoreOptions;
use tls::TlsOptions;
use ui_api::UploadLimits;

use crate::command_line::ServeArguments;
use crate::limit_options::LimitOptions;
use crate::listeners::{CwmpListener, CwmpTables, FilesTable, SimpleListeners};
use crate::session_history::HistoryOptions;
use crate::stores::{DATA_DIR, StoreAddress, StoreArguments};
use crate::waker::RequestRates;

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct ConfigFile {
    data_dir: Option<PathBuf>,
    store: Option<StoreAddress>,
    store_file: Option<PathBuf>,
    cwmp_listen: Vec<SocketAddr>,
    cwmp_tls_listen: Vec<SocketAddr>,
    tls_certificate: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    tls_client_ca: Option<PathBuf>,
    files_tls: bool,
    trusted_proxies: Vec<String>,
    cwmp: CwmpTables,
    nbi_listen: Option<SocketAddr>,
    nbi_open: bool,
    files_listen: Option<SocketAddr>,
    files: FilesTable,
    file_url_prefix: Option<String>,
    plain_file_urls: bool,
    connection_requests_to_this_machine: bool,
    starstate_key_file: Option<PathBuf>,
    connection_request_networks: Vec<String>,
    connection_request_ports: Vec<String>,
    connection_requests_per_address: Option<usize>,
    connection_requests_per_second: Option<usize>,
    stun_listen: Option<SocketAddr>,
    xmpp_jid: Option<String>,
    xmpp_password_file: Option<PathBuf>,
    xmpp_server: Option<String>,
    xmpp_ca: Option<PathBuf>,
    xmpp_without_tls: bool,
    events_kept: Option<u32>,
    metrics_listen: Option<SocketAddr>,
    record: Option<PathBuf>,
    record_device: Vec<String>,
    extensions: ExtensionOptions,
    uploads: UploadOptions,
    sessions: HistoryOptions,
    limits: LimitOptions,
}

/// The configuration file's `[uploads]`: how much devices may send, in bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct UploadOptions {
    /// One file.
    pub file_bytes: Option<u64>,
    /// All stored files of a device together.
    pub device_bytes: Option<u64>,
    /// All stored files of all devices together.
    pub total_bytes: Option<u64>,
}

impl UploadOptions {
    /// With the defaults for what is not given.
    pub fn limits(self) -> UploadLimits {
        let default = UploadLimits::default();
        UploadLimits {
            file_bytes: self.file_bytes.unwrap_or(default.file_bytes),
            device_bytes: self.device_bytes.unwrap_or(default.device_bytes),
            total_bytes: self.total_bytes.unwrap_or(default.total_bytes),
        }
    }
}

/// The configuration file's `[extensions]`.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ExtensionOptions {
    /// Milliseconds that a call may take.
    pub timeout_ms: Option<u64>,
    /// Extensions that are called by HTTP, by name.
    pub endpoints: BTreeMap<String, ext::HttpEndpoint>,
}

/// Everything that `serve` needs to know.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Where everything is kept, or what is of this node alone.
    pub data_dir: PathBuf,
    /// The MongoDB server that is the store; `None` for the embedded one.
    pub store: Option<StoreAddress>,
    /// Where devices connect.
    pub cwmp_listeners: Vec<CwmpListener>,
    /// Where the NBI listens.
    pub nbi_listen: SocketAddr,
    /// Whether the NBI answers without credentials.
    pub nbi_open: bool,
    /// Where devices fetch files.
    pub files_listen: SocketAddr,
    /// Its certificate; plain HTTP without.
    pub files_tls: Option<TlsOptions>,
    /// The URL below which devices reach the file server; empty when none is configured.
    pub file_url_prefix: String,
    /// Whether the file server serves whoever knows a file's name.
    pub plain_file_urls: bool,
    /// Where connection requests may go.
    pub wakeable: AddressPolicy,
    /// The key of the routers' secrets, when it is not the one in the data directory.
    pub starstate_key_file: Option<PathBuf>,
    /// How many connection requests are sent.
    pub request_rates: RequestRates,
    /// Where devices behind a NAT announce themselves (STUN), if anywhere.
    pub stun_listen: Option<SocketAddr>,
    /// How this server is on XMPP, if it is.
    pub xmpp: Option<XmppAccess>,
    /// How many events are kept, about.
    pub events_kept: u32,
    /// Where metrics are fetched, if anywhere.
    pub metrics_listen: Option<SocketAddr>,
    /// Extensions.
    pub extensions: ExtensionOptions,
    /// How much devices may send.
    pub uploads: UploadOptions,
    /// How much is kept of sessions that are over.
    pub sessions: HistoryOptions,
    /// What devices may take.
    pub limits: EndpointLimits,
    /// Bytes that must be free where the data lie for devices that are not known yet; 0: whatever is free.
    pub min_free_disk: u64,
    /// Where sessions are recorded, if they are.
    pub record: Option<PathBuf>,
    /// The devices whose sessions are recorded; empty for all.
    pub record_device: Vec<String>,
    /// Whether the demonstration runs.
    pub demo: bool,
}

impl ServeOptions {
    /// Resolves flags, environment, file and defaults.
    pub fn resolve(arguments: ServeArguments) -> Result<ServeOptions> {
        let mut file = match &arguments.config {
            Some(path) => read_file(path)?,
            None => ConfigFile::default(),
        };
        let simple = SimpleListeners {
            plain: either(&arguments.cwmp_listen, &file.cwmp_listen),
            tls: either(&arguments.cwmp_tls_listen, &file.cwmp_tls_listen),
            certificate: arguments.tls_certificate.clone().or(file.tls_certificate.take()),
            key: arguments.tls_key.clone().or(file.tls_key.take()),
            client_ca: arguments.tls_client_ca.clone().or(file.tls_client_ca.take()),
            files_tls: arguments.files_tls || file.files_tls,
            trusted_proxies: either(&arguments.trusted_proxies, &file.trusted_proxies),
        };
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let any = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let default_listen = if arguments.demo { loopback(7547) } else { any(7547) };
        let (cwmp_listeners, files_tls) = simple.with(file.cwmp, file.files, default_listen)?;
        let default_data_dir = if arguments.demo { "./lodestar-demo" } else { DATA_DIR };
        let store = arguments.store.address()?.map_or_else(
            || StoreArguments { store: file.store.take(), store_file: file.store_file.take() }.address(),
            |address| Ok(Some(address)),
        )?;
        if arguments.demo && store.is_some() {
            bail!("--demo fills the embedded store with examples; start it without --store");
        }
        let xmpp = xmpp_access(
            arguments.xmpp_jid.or(file.xmpp_jid),
            arguments.xmpp_password_file.or(file.xmpp_password_file),
            arguments.xmpp_server.or(file.xmpp_server),
            arguments.xmpp_ca.or(file.xmpp_ca),
            arguments.xmpp_without_tls || file.xmpp_without_tls,
        )?;
        let wakes_this_machine =
            arguments.connection_requests_to_this_machine || file.connection_requests_to_this_machine || arguments.demo;
        let first_of = |lists: [Vec<String>; 2]| lists.into_iter().find(|list| !list.is_empty()).unwrap_or_default();
        let networks = first_of([arguments.connection_request_networks, file.connection_request_networks]);
        let ports = first_of([arguments.connection_request_ports, file.connection_request_ports]);
        let wakeable = wakeable(wakes_this_machine, &networks, &ports)?;
        let rates = RequestRates::default();
        let request_rates = RequestRates {
            per_address: arguments
                .connection_requests_per_address
                .or(file.connection_requests_per_address)
                .unwrap_or(rates.per_address),
            per_second: arguments
                .connection_requests_per_second
                .or(file.connection_requests_per_second)
                .unwrap_or(rates.per_second),
        };
        let options = ServeOptions {
            data_dir: arguments.data_dir.or(file.data_dir).unwrap_or_else(|| default_data_dir.into()),
            store,
            cwmp_listeners,
            files_tls,
            nbi_listen: arguments.nbi_listen.or(file.nbi_listen).unwrap_or_else(|| loopback(7557)),
            nbi_open: arguments.nbi_open || file.nbi_open,
            files_listen: arguments
                .files_listen
                .or(file.files_listen)
                .unwrap_or_else(|| if arguments.demo { loopback(7567) } else { any(7567) }),
            file_url_prefix: arguments.file_url_prefix.or(file.file_url_prefix).unwrap_or_default(),
            plain_file_urls: arguments.plain_file_urls || file.plain_file_urls,
            wakeable,
            starstate_key_file: arguments.starstate_key_file.or(file.starstate_key_file),
            request_rates,
            stun_listen: arguments.stun_listen.or(file.stun_listen),
            xmpp,
            events_kept: arguments
                .events_kept
                .or(file.events_kept)
                .unwrap_or_else(|| StoreOptions::default().outbox_length),
            metrics_listen: arguments.metrics_listen.or(file.metrics_listen),
            record: arguments.record.or(file.record),
            record_device: [arguments.record_device, file.record_device]
                .into_iter()
                .find(|list| !list.is_empty())
                .unwrap_or_default(),
            extensions: file.extensions,
            uploads: file.uploads,
            sessions: file.sessions,
            limits: file.limits.resolve()?,
            min_free_disk: file.limits.min_free_disk(),
            demo: arguments.demo,
        };
        if options.nbi_open && !options.nbi_listen.ip().is_loopback() {
            bail!(
                "--nbi-open gives everyone who reaches {} full control: it is allowed on a loopback address only",
                options.nbi_listen
            );
        }
        if !options.file_url_prefix.is_empty() && !options.file_url_prefix.ends_with('/') {
            bail!("--file-url-prefix must end in a slash: {}", options.file_url_prefix);
        }
        Ok(options)
    }
}

/// How this server is on XMPP.
#[derive(Clone)]
pub struct XmppAccess {
    /// `user@domain`
    pub jid: String,
    /// Its password.
    pub password: String,
    /// `host:port`, if it is not the domain's.
    pub server: Option<String>,
    /// Who may have signed the server's certificate, if not those whom the system trusts.
    pub certificate_authority: Option<PathBuf>,
    /// Whether the connection goes without TLS.
    pub without_tls: bool,
}

impl std::fmt::Debug for XmppAccess {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("XmppAccess")
            .field("jid", &self.jid)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// TLS may be left out on this machine, and where the operator says so.
fn xmpp_access(
    jid: Option<String>,
    password_file: Option<PathBuf>,
    server: Option<String>,
    certificate_authority: Option<PathBuf>,
    without_tls: bool,
) -> Result<Option<XmppAccess>> {
    let Some(jid) = jid else { return Ok(None) };
    if !cfg!(feature = "xmpp") {
        bail!("--xmpp-jid: this program was built without XMPP; build it with `--features xmpp`");
    }
    let password = match (password_file, std::env::var("LODESTAR_XMPP_PASSWORD")) {
        (Some(path), _) => std::fs::read_to_string(&path)
            .with_context(|| format!("reading --xmpp-password-file {}", path.display()))?
            .trim_end()
            .to_owned(),
        (None, Ok(password)) => password,
        (None, Err(_)) => bail!("--xmpp-jid needs --xmpp-password-file or LODESTAR_XMPP_PASSWORD"),
    };
    let is_loopback = server.as_deref().and_then(|server| server.parse::<SocketAddr>().ok());
    let is_loopback = is_loopback.is_some_and(|address| address.ip().is_loopback());
    let without_tls = without_tls || (is_loopback && certificate_authority.is_none());
    Ok(Some(XmppAccess { jid, password, server, certificate_authority, without_tls }))
}

/// The first list, unless it is empty.
fn either<T: Clone>(first: &[T], second: &[T]) -> Vec<T> {
    if first.is_empty() { second.to_vec() } else { first.to_vec() }
}

/// Where connection requests may go.
fn wakeable(this_machine: bool, networks: &[String], ports: &[String]) -> Result<AddressPolicy> {
    let networks: Result<Vec<IpNet>> = networks.iter().map(|text| network(text)).collect();
    let ports: Result<Vec<PortRange>, String> = ports.iter().map(|text| text.parse()).collect();
    let policy = AddressPolicy::default()
        .with_networks(networks.context("--connection-request-networks")?)
        .with_ports(ports.map_err(|error| anyhow!("--connection-request-ports: {error}"))?);
    Ok(if this_machine { policy.with_this_machine() } else { policy })
}

/// A network, or a single address.
pub(crate) fn network(text: &str) -> Result<IpNet> {
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| anyhow!("{text:?} is no network; one looks like 10.0.0.0/8"))
}

fn read_file(path: &Path) -> Result<ConfigFile> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is no configuration file", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_file_and_that_over_defaults() {
        let directory = std::env::temp_dir().join(format!("lodestar-options-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("lodestar.toml");
        let text = "data-dir = \"/a\"\nnbi-listen = \"127.0.0.1:1\"\n[uploads]\nfile-bytes = 1000\n";
        std::fs::write(&path, text).unwrap();
        let arguments =
            ServeArguments { config: Some(path.clone()), data_dir: Some("/b".into()), ..Default::default() };
        let options = ServeOptions::resolve(arguments).unwrap();
        assert_eq!(options.data_dir, Path::new("/b"));
        assert_eq!(options.nbi_listen.port(), 1);
        let limits = UploadLimits { file_bytes: 1_000, ..UploadLimits::default() };
        assert_eq!(options.uploads.limits(), limits);
        let [listener] = options.cwmp_listeners.as_slice() else { panic!("{:?}", options.cwmp_listeners) };
        assert_eq!((listener.address, &listener.tls), ("0.0.0.0:7547".parse().unwrap(), &None));

        std::fs::write(&path, "nbi-lisen = \"127.0.0.1:1\"\n").unwrap();
        let arguments = ServeArguments { config: Some(path), ..Default::default() };
        let error = format!("{:#}", ServeOptions::resolve(arguments).unwrap_err());
        assert!(error.contains("nbi-lisen") && error.contains("lodestar.toml"), "{error}");
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn networks_and_ports_of_devices_are_checked() {
        let resolve = |networks: &[&str], ports: &[&str]| {
            let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect();
            let arguments = ServeArguments {
                connection_request_networks: texts(networks),
                connection_request_ports: texts(ports),
                ..Default::default()
            };
            ServeOptions::resolve(arguments).map(|options| options.wakeable)
        };
        let policy = resolve(&["10.0.0.0/8"], &["7547"]).unwrap();
        for (address, expected) in [("10.0.0.1:7547", true), ("10.0.0.1:80", false), ("192.0.2.1:7547", false)] {
            assert_eq!(policy.check(address.parse().unwrap()).is_ok(), expected, "{address}");
        }
        let error = format!("{:#}", resolve(&["10.0.0.0/99"], &[]).unwrap_err());
        assert!(error.contains("--connection-request-networks") && error.contains("10.0.0.0/99"), "{error}");
        let error = format!("{:#}", resolve(&[], &["9-1"]).unwrap_err());
        assert!(error.contains("--connection-request-ports") && error.contains("9-1"), "{error}");
    }

    #[test]
    fn an_open_nbi_stays_on_this_machine() {
        let arguments =
            ServeArguments { nbi_open: true, nbi_listen: Some("0.0.0.0:7557".parse().unwrap()), ..Default::default() };
        let error = ServeOptions::resolve(arguments).unwrap_err().to_string();
        assert!(error.contains("loopback"), "{error}");
    }
}
