//! The command line. Every option also has an environment variable `LODESTAR_…`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::accounts::{KeyCommand, UserCommand};
use crate::starstate::arguments::StarStateCommand;
use crate::stores::StoreArguments;

/// A TR-069 auto configuration server.
#[derive(Debug, Parser)]
#[command(name = "lodestar", version, about, max_term_width = 100)]
pub struct CommandLine {
    /// Log lines: text, or one JSON object per line.
    #[arg(long, global = true, value_enum, default_value = "text", env = "LODESTAR_LOG_FORMAT")]
    pub log_format: LogFormat,
    /// What is logged, e.g. `info`, `warn,cwmp=debug`.
    #[arg(long, global = true, default_value = "info", env = "LODESTAR_LOG")]
    pub log: String,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server.
    Serve(Box<ServeArguments>),
    /// Run simulated devices.
    #[command(subcommand)]
    Sim(SimCommand),
    /// Measure the server on this machine: quiet sessions, sessions that read 200 values, memory.
    Bench(BenchArguments),
    /// Show what a session would ask and tell a device. Nothing is sent or written.
    Plan(PlanArguments),
    /// Run recorded sessions again, and show where they go another way.
    Replay(ReplayArguments),
    /// Check provision scripts without running them.
    Check(CheckArguments),
    /// Make a MikroTik router what a StarState document says; plan, check and take back what was done.
    #[command(subcommand, name = "starstate")]
    StarState(StarStateCommand),
    /// Make, change, remove and list users.
    #[command(subcommand)]
    User(UserCommand),
    /// Make, remove and list API keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Write presets, provisions, virtual parameters, objects and config as files that live well in Git.
    Export(ExportArguments),
    /// Make presets, provisions, virtual parameters, objects and config what the files of `export` say.
    Apply(ApplyArguments),
    /// Write the embedded database to a file; the server may be running.
    Backup(BackupArguments),
    /// Put a backup in the database's place; the server must not be running.
    Restore(RestoreArguments),
}

/// Options of `serve`. Flags win over the environment, that over the configuration file.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArguments {
    /// A TOML file with these options, in kebab-case.
    #[arg(long, value_name = "FILE", env = "LODESTAR_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where everything is kept [default: ./lodestar-data, with --demo ./lodestar-demo].
    #[arg(long, value_name = "DIR", env = "LODESTAR_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Which store.
    #[command(flatten)]
    pub store: StoreArguments,
    /// Where devices connect; may be given several times [default: 0.0.0.0:7547].
    #[arg(long, value_name = "ADDR", env = "LODESTAR_CWMP_LISTEN", value_delimiter = ',')]
    pub cwmp_listen: Vec<SocketAddr>,
    /// Where devices connect by TLS; may be given several times.
    #[arg(long, value_name = "ADDR", env = "LODESTAR_CWMP_TLS_LISTEN", value_delimiter = ',')]
    pub cwmp_tls_listen: Vec<SocketAddr>,
    /// The server's certificate and those that lead to one that devices know, PEM.
    #[arg(long, value_name = "FILE", env = "LODESTAR_TLS_CERTIFICATE")]
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's private key, PEM.
    #[arg(long, value_name = "FILE", env = "LODESTAR_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// Certificates that those of devices must lead to, PEM; devices without one are served, too.
    #[arg(long, value_name = "FILE", env = "LODESTAR_TLS_CLIENT_CA")]
    pub tls_client_ca: Option<PathBuf>,
    /// Serve files by TLS, with the same certificate.
    #[arg(long, env = "LODESTAR_FILES_TLS")]
    pub files_tls: bool,
    /// Proxies whose word is taken for where devices come from, e.g. `10.0.0.0/8`; may be given several times.
    #[arg(long, value_name = "NETWORK", env = "LODESTAR_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<String>,
    /// Where the REST API listens [default: 127.0.0.1:7557].
    #[arg(long, value_name = "ADDR", env = "LODESTAR_NBI_LISTEN")]
    pub nbi_listen: Option<SocketAddr>,
    /// Answer the REST API without credentials; only on a loopback address.
    #[arg(long, env = "LODESTAR_NBI_OPEN")]
    pub nbi_open: bool,
    /// Where devices fetch files [default: 0.0.0.0:7567].
    #[arg(long, value_name = "ADDR", env = "LODESTAR_FILES_LISTEN")]
    pub files_listen: Option<SocketAddr>,
    /// The URL at which devices reach the file server, ending in a slash [default: by the host of their ACS URL].
    #[arg(long, value_name = "URL", env = "LODESTAR_FILE_URL_PREFIX")]
    pub file_url_prefix: Option<String>,
    /// Let devices fetch files at plain URLs, which serve everybody who knows a file's name, instead of signed ones.
    #[arg(long, env = "LODESTAR_PLAIN_FILE_URLS")]
    pub plain_file_urls: bool,
    /// Let connection requests go to this machine's own addresses, which are refused otherwise: for simulated devices.
    #[arg(long, env = "LODESTAR_CONNECTION_REQUESTS_TO_THIS_MACHINE")]
    pub connection_requests_to_this_machine: bool,
    /// A file with the key that seals StarState documents and sessions: 64 hexadecimal digits [default: starstate-key in the data
    /// directory, made at the first start].
    #[arg(long, value_name = "FILE", env = "LODESTAR_STARSTATE_KEY_FILE")]
    pub starstate_key_file: Option<PathBuf>,
    /// The networks that devices are in, e.g. `10.0.0.0/8`; may be given several times [default: any].
    #[arg(long, value_name = "NETWORK", env = "LODESTAR_CONNECTION_REQUEST_NETWORKS", value_delimiter = ',')]
    pub connection_request_networks: Vec<String>,
    /// The ports that devices take connection requests on; may be given several times [default: 80,1024-65535].
    #[arg(long, value_name = "PORT[-PORT]", env = "LODESTAR_CONNECTION_REQUEST_PORTS", value_delimiter = ',')]
    pub connection_request_ports: Vec<String>,
    /// Connection requests to one address within ten seconds, at most [default: 20].
    #[arg(long, value_name = "N", env = "LODESTAR_CONNECTION_REQUESTS_PER_ADDRESS")]
    pub connection_requests_per_address: Option<usize>,
    /// Connection requests per second, at most [default: 100].
    #[arg(long, value_name = "N", env = "LODESTAR_CONNECTION_REQUESTS_PER_SECOND")]
    pub connection_requests_per_second: Option<usize>,
    /// Where devices behind a NAT announce themselves by STUN, and connection requests over UDP come from; usually port 3478
    /// [default: off].
    #[arg(long, value_name = "ADDR", env = "LODESTAR_STUN_LISTEN")]
    pub stun_listen: Option<SocketAddr>,
    /// This server's Jabber ID, to wake devices over XMPP [default: off; needs a build with the feature `xmpp`].
    #[arg(long, value_name = "USER@DOMAIN", env = "LODESTAR_XMPP_JID")]
    pub xmpp_jid: Option<String>,
    /// A file with its password; or LODESTAR_XMPP_PASSWORD.
    #[arg(long, value_name = "FILE", env = "LODESTAR_XMPP_PASSWORD_FILE")]
    pub xmpp_password_file: Option<PathBuf>,
    /// The XMPP server [default: port 5222 of the Jabber ID's domain].
    #[arg(long, value_name = "HOST:PORT", env = "LODESTAR_XMPP_SERVER")]
    pub xmpp_server: Option<String>,
    /// Certificates (PEM) of those who may have signed the XMPP server's [default: those whom the system trusts].
    #[arg(long, value_name = "FILE", env = "LODESTAR_XMPP_CA")]
    pub xmpp_ca: Option<PathBuf>,
    /// Talk to the XMPP server without TLS; by itself only on a loopback address.
    #[arg(long, env = "LODESTAR_XMPP_WITHOUT_TLS")]
    pub xmpp_without_tls: bool,
    /// How many events are kept for those who follow them, about [default: 100000].
    #[arg(long, value_name = "N", env = "LODESTAR_EVENTS_KEPT")]
    pub events_kept: Option<u32>,
    /// Where Prometheus fetches metrics, without credentials [default: off].
    #[arg(long, value_name = "ADDR", env = "LODESTAR_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// Record every session into this directory, without secrets, for `lodestar replay`.
    #[arg(long, value_name = "DIR", env = "LODESTAR_RECORD")]
    pub record: Option<PathBuf>,
    /// Record only this device's sessions; may be given several times.
    #[arg(long, value_name = "ID", env = "LODESTAR_RECORD_DEVICE", value_delimiter = ',')]
    pub record_device: Vec<String>,
    /// Also start three simulated devices and instructive presets, and say what to look at.
    #[arg(long, env = "LODESTAR_DEMO")]
    pub demo: bool,
}

/// The simulators.
#[derive(Debug, Subcommand)]
pub enum SimCommand {
    /// Devices that speak TR-069.
    Cpe(Box<SimCpeArguments>),
    /// A MikroTik router that speaks the RouterOS API.
    Routeros(Box<SimRouterosArguments>),
}

/// Options of `sim routeros`.
#[derive(Debug, Args)]
pub struct SimRouterosArguments {
    /// Where the API listens.
    #[arg(long, value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Where the API listens with TLS.
    #[arg(long, value_name = "ADDR")]
    pub tls_listen: Option<SocketAddr>,
    /// Where the REST interface listens, without TLS.
    #[arg(long, value_name = "ADDR")]
    pub rest_listen: Option<SocketAddr>,
    /// Have no certificate for TLS, as out of the box: only anonymous ciphers.
    #[arg(long, requires = "tls_listen")]
    pub without_certificate: bool,
    /// The user who may do everything.
    #[arg(long, value_name = "NAME")]
    pub user: String,
    /// That user's password.
    #[arg(long, value_name = "PASS", env = "LODESTAR_SIM_ROUTEROS_PASSWORD", hide_env_values = true)]
    pub password: String,
    /// Keep the router's configuration in this file.
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// The release, 7.9 to 7.24 [default: 7.24].
    #[arg(long, value_name = "RELEASE")]
    pub release: Option<String>,
    /// Begin with the default configuration of a home router, not with an empty one.
    #[arg(long)]
    pub default_configuration: bool,
    /// How many Ethernet ports.
    #[arg(long, value_name = "COUNT", default_value_t = 8)]
    pub ethernets: u32,
    /// How many SFP cages.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub sfps: u32,
    /// How many radios.
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    pub radios: u32,
    /// How many modems.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub modems: u32,
    /// Lack a menu and those below, as if a package was missing; may be given several times.
    #[arg(long, value_name = "MENU")]
    pub without: Vec<String>,
    /// The device-mode: `advanced`, or `home`, which forbids schedulers, proxies and more.
    #[arg(long, value_name = "MODE", default_value = "advanced")]
    pub device_mode: sim::routeros::options::DeviceMode,
    /// Fail whatever needs room on the disk.
    #[arg(long)]
    pub full_disk: bool,
    /// Give clients of DHCP no leases.
    #[arg(long)]
    pub without_leases: bool,
    /// How long each reply is on its way.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    pub latency: u64,
    /// Refuse the N-th command that changes something: `N` or `N:message`; may be given several times.
    #[arg(long, value_name = "N", value_parser = sim::RouterFault::parse_refusal)]
    pub fail_command: Vec<sim::RouterFault>,
    /// Cut the connection at the N-th command that changes something: `N`, `N:after` (it was carried out) or `N:before`; may be
    /// given several times.
    #[arg(long, value_name = "N", value_parser = sim::RouterFault::parse_cut)]
    pub cut_at_command: Vec<sim::RouterFault>,
}

/// Options of `sim cpe`.
#[derive(Debug, Args)]
pub struct SimCpeArguments {
    /// The server's URL.
    #[arg(long, value_name = "URL", env = "LODESTAR_SIM_ACS")]
    pub acs: Option<String>,
    /// How many devices.
    #[arg(long, default_value_t = 1)]
    pub devices: u32,
    /// The data model [default: that of the options file, or tr181].
    #[arg(long, value_name = "tr098|tr181")]
    pub model: Option<sim::ModelKind>,
    /// Parameters per device, at least 80 [default: those of the options file, else 200].
    #[arg(long, value_name = "COUNT")]
    pub parameters: Option<usize>,
    /// Events of the first session; may be given several times, or separated by commas.
    #[arg(long, default_value = "1 BOOT", value_delimiter = ',')]
    pub events: Vec<String>,
    /// Serial numbers are this text and eight digits.
    #[arg(long, default_value = "SIM")]
    pub serial_prefix: String,
    /// The first serial number.
    #[arg(long, default_value_t = 1)]
    pub first_serial: u32,
    /// Spread the first sessions over this time.
    #[arg(long, default_value_t = 0, value_name = "MILLISECONDS")]
    pub spread: u64,
    /// First sessions at the same time, at most; 0 is no limit.
    #[arg(long, default_value_t = 256)]
    pub concurrency: usize,
    /// Go on with periodic sessions until stopped.
    #[arg(long)]
    pub keep_running: bool,
    /// Seconds between periodic sessions, instead of each device's own interval.
    #[arg(long, value_name = "SECONDS")]
    pub interval: Option<u64>,
    /// Inject a fault: `RPC[#n][@path]=action`, e.g. `SetParameterValues=9002`; may be given several times. Actions: a fault code,
    /// soap-fault, empty, hang, close, malformed, slow:MILLISECONDS, wrong-id, no-id, wrong-response, chunked.
    #[arg(long, value_name = "RULE", value_parser = sim::FaultRule::parse)]
    pub fault: Vec<sim::FaultRule>,
    /// A known oddity, e.g. `q04` or `q08.5` (`docs/simulator.md`); may be given several times, or separated by commas.
    #[arg(long, value_name = "QUIRK", value_delimiter = ',')]
    pub quirk: Vec<sim::habits::quirks::Quirk>,
    /// The habits of a known program: netcwmp, tr069agent, easycwmp, cwmp-sim, genieacs-sim, simulatr69, paraam, honeyclient,
    /// cwmpclient.
    #[arg(long, value_name = "NAME")]
    pub client: Option<sim::habits::clients::Client>,
    /// User name toward the server.
    #[arg(long, default_value = "")]
    pub username: String,
    /// A file with the password toward the server.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Certificates that the server's must lead to, PEM; for https URLs.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Trust any server; for https URLs.
    #[arg(long)]
    pub insecure: bool,
    /// The devices' certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// All further device options as JSON (`docs/simulator.md`); the flags above win.
    #[arg(long, value_name = "FILE")]
    pub options: Option<PathBuf>,
    /// Write every message as a JSON line; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub transcript: Option<PathBuf>,
    /// Put the messages' XML into the transcript.
    #[arg(long)]
    pub bodies: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `bench`.
#[derive(Debug, Args)]
pub struct BenchArguments {
    /// Sessions per measurement.
    #[arg(long, default_value_t = 20_000)]
    pub sessions: u64,
    /// Known devices.
    #[arg(long, default_value_t = 1_000)]
    pub devices: u64,
    /// Connections at the same time.
    #[arg(long, default_value_t = 64)]
    pub connections: u32,
    /// Parameters per device.
    #[arg(long, default_value_t = 200)]
    pub parameters: usize,
    /// Where the database is made; a temporary directory otherwise.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Measure sessions over TLS, too, with this certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// Measure a boot storm of so many devices instead.
    #[arg(long, value_name = "DEVICES")]
    pub storm: Option<u64>,
    /// The storm's devices all come within so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    pub within: u64,
    /// Measure the memory of so many sessions in flight instead.
    #[arg(long, value_name = "SESSIONS")]
    pub in_flight: Option<u64>,
    /// Measure full refreshes of devices with so many parameters instead.
    #[arg(long, value_name = "PARAMETERS")]
    pub refresh: Option<usize>,
    /// Measure how a StarState document is planned and applied on a simulated router instead.
    #[arg(long, value_name = "FILE")]
    pub starstate: Option<PathBuf>,
    /// Write the id and sequence number of each acknowledged session to this file as it is acknowledged.
    #[arg(long, value_name = "FILE")]
    pub acknowledged: Option<PathBuf>,
    /// Print the figures as JSON.
    #[arg(long)]
    pub json: bool,
}

impl BenchArguments {
    /// The certificate and its key, when sessions over TLS are to be measured.
    pub fn tls(&self) -> Option<(&Path, &Path)> {
        self.tls_certificate.as_deref().zip(self.tls_key.as_deref())
    }
}

/// Options of `plan`.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// The device's ID.
    #[arg(long, value_name = "ID")]
    pub device: String,
    /// A stored provision, as if a preset selected it.
    #[arg(long, value_name = "NAME", group = "what")]
    pub provision: Option<String>,
    /// A script file, as if it were a provision.
    #[arg(long, value_name = "FILE", group = "what")]
    pub script: Option<PathBuf>,
    /// All presets that would match (the default).
    #[arg(long, group = "what")]
    pub presets: bool,
    /// Declare a value, by itself or besides a script; may be given several times.
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// Events of the session that is planned; may be given several times, or separated by commas.
    #[arg(long, default_value = "2 PERIODIC", value_delimiter = ',')]
    pub event: Vec<String>,
    /// The server's data directory; it may be running.
    #[arg(long, value_name = "DIR", env = "LODESTAR_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Which store.
    #[command(flatten)]
    pub store: StoreArguments,
    /// Print the plan as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArguments {
    /// Recordings, as `serve --record` makes them.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Replay with this script in a provision's place; may be given several times.
    #[arg(long, value_name = "NAME=FILE")]
    pub provision: Vec<String>,
    /// Print the comparison as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// Rhai scripts.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Compare literal paths and values with the devices in this data directory; its server may be running.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Compare with those in this store.
    #[command(flatten)]
    pub store: StoreArguments,
    /// Print the findings as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Which server's configuration: that of a running one, or what is stored.
#[derive(Debug, Clone, Args)]
pub struct ConfigurationPlace {
    /// The running server's REST API, e.g. http://127.0.0.1:7557; without, the store is read and written itself.
    #[arg(long, value_name = "URL", env = "LODESTAR_NBI_URL")]
    pub url: Option<String>,
    /// A file with the API key; or LODESTAR_API_KEY.
    #[arg(long, value_name = "FILE", env = "LODESTAR_API_KEY_FILE", requires = "url")]
    pub api_key_file: Option<PathBuf>,
    /// Certificates that the server's must lead to, PEM; for https URLs [default: those that the system trusts].
    #[arg(long, value_name = "FILE", requires = "url")]
    pub ca: Option<PathBuf>,
    /// The server's data directory [default: ./lodestar-data].
    #[arg(long, value_name = "DIR", env = "LODESTAR_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Which store.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Options of `export`.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The directory to write to. Files of documents that there are no more are removed.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Where the configuration is.
    #[command(flatten)]
    pub place: ConfigurationPlace,
}

/// Options of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArguments {
    /// The directory to read.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Where the configuration is.
    #[command(flatten)]
    pub place: ConfigurationPlace,
    /// Print the plan only.
    #[arg(long)]
    pub dry_run: bool,
    /// Remove what is stored and has no file. A kind that has no folder in the directory is left alone.
    #[arg(long)]
    pub prune: bool,
    /// Print the plan as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `backup`.
#[derive(Debug, Args)]
pub struct BackupArguments {
    /// The file to write; it must not be there.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The server's data directory [default: ./lodestar-data].
    #[arg(long, value_name = "DIR", env = "LODESTAR_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Which store; only the embedded one has backups.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Options of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArguments {
    /// The backup.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The server's data directory [default: ./lodestar-data].
    #[arg(long, value_name = "DIR", env = "LODESTAR_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Which store; only the embedded one has backups.
    #[command(flatten)]
    pub store: StoreArguments,
    /// Replace the database that is there; it is kept under another name.
    #[arg(long)]
    pub replace: bool,
}
