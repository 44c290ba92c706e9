//! What a simulated device is and how it behaves: plain data, to be filled from JSON, flags or code.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::FaultRule;
use crate::habits::Habits;
use crate::habits::clients::Client;
use crate::habits::quirks::Quirk;
use crate::http::{Authentication, TlsOptions};
use crate::model::{DataModel, Identity, ModelKind};

use super::{DeviceError, OwnCall};

/// Everything about one simulated device. All fields have defaults; in JSON any may be left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// URL of the ACS, `http[s]://host:port/path`; becomes ManagementServer.URL.
    pub acs_url: String,
    /// User name toward the ACS; becomes ManagementServer.Username. Empty: no authentication.
    pub username: String,
    /// Password toward the ACS; becomes ManagementServer.Password.
    pub password: String,
    /// How it authenticates itself toward the ACS.
    pub authentication: Authentication,
    /// TLS, for `https` URLs.
    pub tls: TlsOptions,
    /// Who the device is.
    pub identity: Identity,
    /// Kind of data model, when there is no `model_file`.
    pub model: ModelKind,
    /// Number of parameters of the generated model.
    pub parameters: usize,
    /// Seed of the generated model.
    pub seed: u64,
    /// A data model as JSON (`{path: [writable, value, type]}`) instead of a generated one.
    pub model_file: Option<PathBuf>,
    /// CWMP namespace of the Inform, e.g. `urn:dslforum-org:cwmp-1-2`.
    pub cwmp_namespace: String,
    /// SupportedCWMPVersions header of the Inform, e.g. `1.0,1.1,1.2,1.3,1.4`.
    pub supported_cwmp_versions: Option<String>,
    /// SessionTimeout header of the Inform, in seconds.
    pub session_timeout: Option<u32>,
    /// Longest wait for an answer of the ACS, in milliseconds.
    pub timeout_milliseconds: u64,
    /// When an unanswered or refused Inform is sent again.
    pub retry: Retry,
    /// How Download and Upload are carried out.
    pub transfers: TransferMode,
    /// Fetch files in pieces of this many bytes, each with a request of its own (`Range`, `If-Range`), as a device does that goes
    /// on after a break; none: at once.
    pub fetch_piece_bytes: Option<u64>,
    /// Calls that the device makes by itself in its first session.
    pub calls: Vec<OwnCall>,
    /// Execution environments for deployment units, as `Device.SoftwareModules.ExecEnv.1`; the first is the default.
    pub execution_environments: Vec<String>,
    /// How long a reboot takes, in milliseconds.
    pub reboot_milliseconds: u64,
    /// Upper limit, in milliseconds, of waits that the ACS asks for (DelaySeconds); none: waited in full.
    pub delay_limit_milliseconds: Option<u64>,
    /// How long an injected `hang` keeps the connection open, in milliseconds.
    pub hang_milliseconds: u64,
    /// Most requests answered in one session before the device gives up.
    pub request_limit: u32,
    /// The connection-request listener.
    pub connection_request: ConnectionRequest,
    /// Connection requests over UDP; none: the device does no STUN.
    pub stun: Option<Stun>,
    /// Connection requests over XMPP; none: the device is not online.
    #[cfg(feature = "xmpp")]
    pub xmpp: Option<Xmpp>,
    /// Faults to inject; the first that matches counts.
    pub faults: Vec<FaultRule>,
    /// Lasting oddities of what it does.
    pub behaviour: Behaviour,
    /// How it speaks.
    pub habits: Habits,
    /// Known oddities, e.g. `q04` or `q08.5`: they are added to the two above when the device is made.
    pub quirks: Vec<Quirk>,
    /// A known program whose habits it has, below its own quirks.
    pub client: Option<Client>,
    /// First values of parameters, by their path below the root object.
    pub values: BTreeMap<String, String>,
}

/// When a failed session is tried again (TR-069 §3.2.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// How often `Device::session` tries again by itself; `Device::run` always goes on.
    pub attempts: u32,
    /// CWMPRetryMinimumWaitInterval, here in milliseconds; the standard's default is 5,000.
    pub minimum_wait_milliseconds: u64,
    /// CWMPRetryIntervalMultiplier, in thousandths; the standard's default is 2,000.
    pub interval_multiplier: u64,
}

/// How file transfers are carried out and reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferMode {
    /// Status 1; after the session the file is fetched, and a new session reports TransferComplete.
    #[default]
    FollowingSession,
    /// Status 1; the file is fetched at once, and TransferComplete is sent when the ACS has no more requests.
    SameSession,
    /// The file is fetched before the answer, which has Status 0 or is a fault; no TransferComplete.
    Immediate,
}

/// The connection-request listener (TR-069 §3.2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionRequest {
    /// Whether and how requests are let in.
    pub mode: ConnectionRequestMode,
    /// Address to listen on; port 0 takes a free one.
    pub listen: String,
    /// Answer 503 while a session runs, instead of 200 and a session afterwards.
    pub busy_while_in_session: bool,
}

/// STUN and connection requests over UDP (TR-069 Annex G).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stun {
    /// The STUN server, `host:port`.
    pub server: String,
    /// Address to send from; port 0 takes a free one.
    pub bind: String,
    /// Milliseconds between Binding Requests.
    pub keep_alive_milliseconds: u64,
    /// User name toward the STUN server from the factory; becomes ManagementServer.STUNUsername.
    pub username: String,
    /// Password toward the STUN server from the factory; becomes ManagementServer.STUNPassword.
    pub password: String,
    /// Repeats of a request are not told, as with some devices: each leads to a session.
    pub every_datagram: bool,
}

impl Default for Stun {
    fn default() -> Self {
        Self {
            server: "127.0.0.1:3478".into(),
            bind: "0.0.0.0:0".into(),
            keep_alive_milliseconds: 20_000,
            username: String::new(),
            password: String::new(),
            every_datagram: false,
        }
    }
}

/// The device on XMPP (TR-069 Annex K), without TLS: for a server on the same machine.
#[cfg(feature = "xmpp")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Xmpp {
    /// `user@domain/resource`
    pub jid: String,
    /// The user's password.
    pub password: String,
    /// The server, `address:port`.
    pub server: String,
}

/// Whether and how connection requests are let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionRequestMode {
    /// No listener.
    #[default]
    Off,
    /// Digest with ConnectionRequestUsername and ConnectionRequestPassword; without a challenge as long as the user
    /// name is empty.
    Digest,
    /// Always let in.
    Open,
}

/// Lasting oddities of a device. Paths are prefixes: `Device.WiFi.` means everything below it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Parameters whose new values are accepted and then not kept.
    pub forget_values: Vec<String>,
    /// SetParameterValues answers Status 1 and applies the values when the session ends.
    pub apply_after_session: bool,
    /// Objects for which AddObject answers success and makes nothing.
    pub ignore_add_object: Vec<String>,
    /// Objects for which AddObject makes two instances and names the first.
    pub add_two: Vec<String>,
    /// Values set on instances that AddObject made go back to their defaults when the session ends.
    pub reset_new_instances: bool,
    /// Names that exist (and are listed by GetParameterNames) but answer 9005 to everything else.
    pub deny_names: Vec<String>,
    /// Notifications on these parameters are refused with 9009.
    pub refuse_notification: Vec<String>,
    /// Passwords and keys read back as they are, not as the empty string.
    pub show_passwords: bool,
    /// The `xsi:type` of SetParameterValues is not compared with the parameter's type.
    pub lenient_types: bool,
    /// Values are only checked against their type, not against what the parameter's name implies.
    pub lenient_values: bool,
    /// NextLevel is ignored: GetParameterNames always answers with the whole subtree.
    pub ignore_next_level: bool,
    /// GetParameterNames and GetParameterValues with an empty path answer 9005.
    pub refuse_empty_path: bool,
    /// Most parameters in one GetParameterValues answer; above it fault 9004.
    pub most_values: Option<usize>,
    /// Most instances of one object; above it AddObject answers 9004.
    pub most_instances: Option<usize>,
    /// RPCs answered with 9000, although GetRPCMethods lists them.
    pub unsupported: Vec<String>,
    /// GetRPCMethods is called on the ACS in each session.
    pub call_get_rpc_methods: bool,
    /// An empty POST goes before the Inform.
    pub empty_post_first: bool,
    /// Empty POSTs have no Content-Length header.
    pub unframed_empty_post: bool,
    /// Cookies are not sent back.
    pub no_cookies: bool,
    /// No `xsi:type` and no `arrayType` on anything.
    pub untyped: bool,
    /// No XML declaration.
    pub no_xml_declaration: bool,
    /// The same `cwmp:ID` on each call of the device.
    pub same_call_id: bool,
    /// The same `cwmp:ID` on every message, whatever the ACS sent.
    pub constant_id: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            acs_url: "http://127.0.0.1:7547/".into(),
            username: String::new(),
            password: String::new(),
            authentication: Authentication::default(),
            tls: TlsOptions::default(),
            identity: Identity::default(),
            model: ModelKind::Tr181,
            parameters: 200,
            seed: 1,
            model_file: None,
            cwmp_namespace: "urn:dslforum-org:cwmp-1-0".into(),
            supported_cwmp_versions: None,
            session_timeout: None,
            timeout_milliseconds: 30_000,
            retry: Retry::default(),
            transfers: TransferMode::default(),
            calls: Vec::new(),
            execution_environments: vec!["Device.SoftwareModules.ExecEnv.1".into()],
            reboot_milliseconds: 200,
            fetch_piece_bytes: None,
            delay_limit_milliseconds: None,
            hang_milliseconds: 60_000,
            request_limit: 10_000,
            connection_request: ConnectionRequest::default(),
            stun: None,
            #[cfg(feature = "xmpp")]
            xmpp: None,
            faults: Vec::new(),
            behaviour: Behaviour::default(),
            habits: Habits::default(),
            quirks: Vec::new(),
            client: None,
            values: BTreeMap::new(),
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 0, minimum_wait_milliseconds: 5_000, interval_multiplier: 2_000 }
    }
}

impl Default for ConnectionRequest {
    fn default() -> Self {
        Self { mode: ConnectionRequestMode::Off, listen: "127.0.0.1:0".into(), busy_while_in_session: false }
    }
}

impl Options {
    /// Reads options from JSON text.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The options with what their client and quirks mean put in place.
    pub fn settled(mut self) -> Self {
        if let Some(client) = self.client.take() {
            client.apply(&mut self);
        }
        for quirk in std::mem::take(&mut self.quirks) {
            quirk.apply(&mut self);
        }
        self
    }

    /// The data model that the options ask for, not yet personalised. Devices share it when it is loaded once.
    pub fn load_model(&self) -> Result<DataModel, DeviceError> {
        let Some(path) = &self.model_file else {
            return Ok(DataModel::generate(self.model, self.parameters, self.seed));
        };
        let text =
            std::fs::read_to_string(path).map_err(|source| DeviceError::ModelFile { path: path.clone(), source })?;
        Ok(DataModel::from_json(&text)?)
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_milliseconds)
    }

    /// How long a DelaySeconds of the ACS is really waited.
    pub(super) fn delay(&self, seconds: u32) -> Duration {
        let asked = u64::from(seconds) * 1_000;
        let limit = self.delay_limit_milliseconds.unwrap_or(u64::MAX);
        Duration::from_millis(asked.min(limit))
    }
}

impl Retry {
    /// The shortest and longest wait before retry number `count` (from 1), in milliseconds: from m·(k/1000)^(n-1) to
    /// m·(k/1000)^n, no longer growing from the tenth on (TR-069 §3.2.1.1).
    pub fn window(&self, count: u32) -> (u64, u64) {
        let factor = u128::from(self.interval_multiplier);
        let step = |exponent: u32| {
            let grown = (0..exponent).fold(u128::from(self.minimum_wait_milliseconds), |wait, _| {
                (wait * factor / 1_000).min(u128::from(u32::MAX))
            });
            u64::try_from(grown).unwrap_or(u64::MAX)
        };
        let count = count.clamp(1, 10);
        (step(count - 1), step(count))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn options_come_from_json_with_defaults_for_the_rest() {
        let options = Options::from_json(
            r#"{"model": "tr181", "parameters": 90, "transfers": "same-session",
                "identity": {"serial_number": "S1"}, "connection_request": {"mode": "digest"},
                "faults": ["Reboot=9001"], "behaviour": {"add_two": ["Device.NAT.PortMapping."]}}"#,
        )
        .unwrap();
        assert_eq!(options.model, ModelKind::Tr181);
        assert_eq!(options.transfers, TransferMode::SameSession);
        assert_eq!(options.identity.oui, "0A1B2C");
        assert_eq!(options.connection_request.listen, "127.0.0.1:0");
        assert_eq!(options.faults.len(), 1);
        let written = serde_json::to_string(&options).unwrap();
        assert_eq!(Options::from_json(&written).unwrap(), options);
        assert!(Options::from_json(r#"{"behavior": {}}"#).is_err());
    }

    #[test]
    fn retry_windows_are_the_standard_s() {
        let retry = Retry::default();
        let table = [
            (1, (5_000, 10_000)),
            (2, (10_000, 20_000)),
            (3, (20_000, 40_000)),
            (10, (2_560_000, 5_120_000)),
            (11, (2_560_000, 5_120_000)),
        ];
        for (count, window) in table {
            assert_eq!(retry.window(count), window, "retry {count}");
        }
    }

    #[test]
    fn the_documented_example_is_read() {
        let documentation = include_str!("../../../docs/simulator.md");
        let example = documentation.split("```json").nth(1).and_then(|rest| rest.split("```").next());
        let options = Options::from_json(example.unwrap()).unwrap();
        assert_eq!((options.parameters, options.faults.len()), (200, 1));
        assert_eq!(options.transfers, TransferMode::SameSession);
    }
}
