//! The configuration of extensions, as the operator gives it. Checking of endpoints is in `http`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// Where extensions are and what they may use.
#[derive(Debug, Clone)]
pub struct ExtensionsConfig {
    /// Holds the programs and CommonJS modules; need not exist.
    pub directory: PathBuf,
    /// How long a call may take, with everything: waiting for a place, starting, running.
    pub timeout: Duration,
    /// Bytes per answer. A longer one faults its call.
    pub max_output: usize,
    /// Calls that may run at once, per extension. Further ones wait for a place.
    pub max_concurrent: usize,
    /// HTTP endpoints by extension name. They come before files of the same name.
    pub endpoints: BTreeMap<String, HttpEndpoint>,
    /// The Node.js binary; `None`: `node` from the `PATH`.
    pub node: Option<PathBuf>,
}

/// An extension that is called by HTTP: `{"arguments": […]}` is sent, the body of the answer is the result, both JSON.
///
/// `Debug` shows neither header values nor what follows a `?` in the URL.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpEndpoint {
    /// `http[s]://host[:port]/path[?query]`.
    pub url: String,
    /// `POST` (the default), `PUT` or `PATCH`.
    #[serde(default = "default_method")]
    pub method: String,
    /// Headers to send, such as credentials.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretText>,
    /// Instead of the timeout of the other extensions.
    #[serde(default, rename = "timeout-ms", alias = "timeout_ms", deserialize_with = "milliseconds")]
    pub timeout: Option<Duration>,
    /// With `https`: a PEM file with the certificates to trust, instead of those that the system trusts.
    #[serde(default, rename = "ca-file")]
    pub ca_file: Option<PathBuf>,
}

/// A text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

/// A configuration that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The directory's path cannot be made absolute.
    #[error("extension directory {}: {reason}", directory.display())]
    Directory {
        /// As configured.
        directory: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A limit is zero, so that no call could succeed.
    #[error("extensions: {limit} must be above 0")]
    Zero {
        /// Which limit.
        limit: &'static str,
    },
    /// A name that scripts could not use.
    #[error("extension endpoint {endpoint:?}: {reason}")]
    Name {
        /// As configured.
        endpoint: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The URL cannot be used.
    #[error("extension endpoint {endpoint:?}: url: {reason}")]
    Url {
        /// Its name.
        endpoint: String,
        /// What is wrong.
        reason: String,
    },
    /// No certificates to trust.
    #[error("extension endpoint {endpoint:?}: {reason}")]
    Trust {
        /// Its name.
        endpoint: String,
        /// Which file or store has none.
        reason: String,
    },
    /// The method cannot be used.
    #[error("extension endpoint {endpoint:?}: method {method:?} is not one of POST, PUT, PATCH")]
    Method {
        /// Its name.
        endpoint: String,
        /// As configured.
        method: String,
    },
    /// A header that cannot be sent.
    #[error("extension endpoint {endpoint:?}: header {header:?}: {reason}")]
    Header {
        /// Its name.
        endpoint: String,
        /// The header's name.
        header: String,
        /// What is wrong.
        reason: &'static str,
    },
}

impl ExtensionsConfig {
    /// The defaults: 3 seconds, 1 MiB per answer, 64 calls at once, no endpoints.
    pub fn new(directory: impl Into<PathBuf>) -> ExtensionsConfig {
        ExtensionsConfig {
            directory: directory.into(),
            timeout: Duration::from_millis(3000),
            max_output: 1024 * 1024,
            max_concurrent: 64,
            endpoints: BTreeMap::new(),
            node: None,
        }
    }

    pub(crate) fn check_limits(&self) -> Result<(), ConfigError> {
        let zero = [
            ("timeout", self.timeout.is_zero()),
            ("max_output", self.max_output == 0),
            ("max_concurrent", self.max_concurrent == 0),
        ];
        match zero.into_iter().find(|(_, is_zero)| *is_zero) {
            Some((limit, _)) => Err(ConfigError::Zero { limit }),
            None => Ok(()),
        }
    }
}

impl HttpEndpoint {
    /// A POST to this URL, without further headers.
    pub fn new(url: impl Into<String>) -> HttpEndpoint {
        HttpEndpoint {
            url: url.into(),
            method: default_method(),
            headers: BTreeMap::new(),
            timeout: None,
            ca_file: None,
        }
    }
}

impl fmt::Debug for HttpEndpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.url.split('?').next().unwrap_or_default();
        // Credentials before the host are refused later, but an error on the way there may print this.
        let shown = if shown.contains('@') { "<with credentials>" } else { shown };
        formatter
            .debug_struct("HttpEndpoint")
            .field("url", &shown)
            .field("method", &self.method)
            .field("headers", &self.headers)
            .field("timeout", &self.timeout)
            .field("ca_file", &self.ca_file)
            .finish()
    }
}

impl SecretText {
    /// The text, for the wire.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        SecretText(text.to_owned())
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        SecretText(text)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<secret>")
    }
}

fn default_method() -> String {
    "POST".to_owned()
}

fn milliseconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
}
