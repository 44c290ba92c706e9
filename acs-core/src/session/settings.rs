//! Settings: the `cwmp.…` keys of the config collection, evaluated for one device (`docs/configuration.md`).
//!
//! A value is an expression. One that evaluates to nothing, or to something of the wrong kind, is the default.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::expression::{Context, Expression, ExpressionError, Scalar, parse};
use crate::fault::RetryPolicy;
use crate::rpc::CwmpVersion;

/// The config collection, parsed once: expressions by key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConfigValues(BTreeMap<String, Expression>);

/// A config value that does not parse.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("config {key}: {error}")]
pub struct ConfigError {
    /// The key.
    pub key: String,
    /// What is wrong with its expression.
    #[source]
    pub error: ExpressionError,
}

impl ConfigValues {
    /// Parses key and expression pairs. Those that do not parse are left out and reported.
    pub fn parse<'a>(documents: impl IntoIterator<Item = (&'a str, &'a str)>) -> (ConfigValues, Vec<ConfigError>) {
        let mut values = BTreeMap::new();
        let mut errors = Vec::new();
        for (key, text) in documents {
            match parse(text) {
                Ok(expression) => {
                    values.insert(key.to_owned(), expression);
                }
                Err(error) => errors.push(ConfigError { key: key.to_owned(), error }),
            }
        }
        (ConfigValues(values), errors)
    }

    /// A key's value; null when it is not set.
    pub fn evaluate(&self, key: &str, context: &dyn Context) -> Scalar {
        self.0.get(key).map_or(Scalar::Null, |expression| expression.evaluate(context))
    }

    /// A key's expression.
    pub fn get(&self, key: &str) -> Option<&Expression> {
        self.0.get(key)
    }

    /// A number that is at least `least`, or the default.
    pub fn number(&self, key: &str, context: &dyn Context, default: i64, least: i64) -> i64 {
        match self.evaluate(key, context) {
            Scalar::Number(number) if number >= least as f64 => number as i64,
            Scalar::Text(text) => text.trim().parse().ok().filter(|number| *number >= least).unwrap_or(default),
            _ => default,
        }
    }

    /// A boolean, or the default.
    pub fn boolean(&self, key: &str, context: &dyn Context, default: bool) -> bool {
        match self.evaluate(key, context) {
            Scalar::Bool(value) => value,
            Scalar::Number(number) => number != 0.0,
            _ => default,
        }
    }

    /// A text, or the default.
    pub fn text(&self, key: &str, context: &dyn Context, default: &str) -> String {
        match self.evaluate(key, context) {
            Scalar::Text(text) => text,
            _ => default.to_owned(),
        }
    }
}

/// The settings that a session follows, evaluated for its device when it opens (`docs/configuration.md`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// `cwmp.retryDelay`, `cwmp.retryDelayMax`, `cwmp.maxRetries`.
    pub retry: RetryPolicy,
    /// `cwmp.maxCommitIterations`: rounds per cycle.
    pub max_commit_iterations: u32,
    /// `cwmp.maxRpcCount`: answers of the device per cycle.
    pub max_rpc_count: u32,
    /// `cwmp.gpvBatchSize`: parameters per request, of every kind.
    pub batch_size: usize,
    /// `cwmp.gpnNextLevel`: objects less deep than this are always listed level by level.
    pub gpn_next_level: usize,
    /// `cwmp.skipWritableCheck`: try to set what claims to be read-only.
    pub skip_writable_check: bool,
    /// `cwmp.skipRootGpn`: never ask for the names of the roots.
    pub skip_root_gpn: bool,
    /// `cwmp.downloadTimeout` in milliseconds.
    pub download_timeout: i64,
    /// `cwmp.downloadSuccessOnTimeout`.
    pub download_success_on_timeout: bool,
    /// `cwmp.duStateChangeTimeout` in milliseconds.
    #[serde(default = "du_state_change_timeout")]
    pub du_state_change_timeout: i64,
    /// `cwmp.confirmationTimeout` in milliseconds: for restarts and scheduled Informs.
    #[serde(default = "confirmation_timeout")]
    pub confirmation_timeout: i64,
    /// Where the device reaches the file server, ending in a slash; empty when that is not known. URLs are signed later, on their
    /// way to the device.
    pub file_url_prefix: String,
    /// The version of CWMP that the device speaks.
    #[serde(default)]
    pub cwmp_version: CwmpVersion,
    /// The address that the device connected from; `REMOTE_ADDRESS()` in expressions.
    pub remote_address: String,
}

/// Installing software may take long (TR-069 A.4.1.10).
fn du_state_change_timeout() -> i64 {
    86_400_000
}

fn confirmation_timeout() -> i64 {
    900_000
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            retry: RetryPolicy::default(),
            max_commit_iterations: 32,
            max_rpc_count: 255,
            batch_size: 32,
            gpn_next_level: 0,
            skip_writable_check: false,
            skip_root_gpn: false,
            download_timeout: 3_600_000,
            download_success_on_timeout: false,
            du_state_change_timeout: du_state_change_timeout(),
            confirmation_timeout: confirmation_timeout(),
            file_url_prefix: String::new(),
            cwmp_version: CwmpVersion::default(),
            remote_address: String::new(),
        }
    }
}

impl Settings {
    /// Evaluates the settings for a device. Times are configured in seconds.
    pub fn evaluate(values: &ConfigValues, context: &dyn Context) -> Settings {
        let default = Settings::default();
        let number = |key: &str, default: i64, least: i64| values.number(key, context, default, least);
        let milliseconds =
            |key: &str, default: i64| values.number(key, context, default / 1_000, 0).saturating_mul(1_000);
        Settings {
            retry: RetryPolicy {
                delay: milliseconds("cwmp.retryDelay", default.retry.delay),
                delay_max: milliseconds("cwmp.retryDelayMax", default.retry.delay_max),
                max_retries: number("cwmp.maxRetries", i64::from(default.retry.max_retries), 0).min(i64::from(u32::MAX))
                    as u32,
            },
            max_commit_iterations: number("cwmp.maxCommitIterations", i64::from(default.max_commit_iterations), 1)
                .min(100_000) as u32,
            max_rpc_count: number("cwmp.maxRpcCount", i64::from(default.max_rpc_count), 1).min(1_000_000) as u32,
            batch_size: number("cwmp.gpvBatchSize", default.batch_size as i64, 1).min(10_000) as usize,
            gpn_next_level: number("cwmp.gpnNextLevel", default.gpn_next_level as i64, 0).min(1_000) as usize,
            skip_writable_check: values.boolean("cwmp.skipWritableCheck", context, default.skip_writable_check),
            skip_root_gpn: values.boolean("cwmp.skipRootGpn", context, default.skip_root_gpn),
            download_timeout: milliseconds("cwmp.downloadTimeout", default.download_timeout),
            download_success_on_timeout: values.boolean(
                "cwmp.downloadSuccessOnTimeout",
                context,
                default.download_success_on_timeout,
            ),
            du_state_change_timeout: milliseconds("cwmp.duStateChangeTimeout", default.du_state_change_timeout),
            confirmation_timeout: milliseconds("cwmp.confirmationTimeout", default.confirmation_timeout),
            file_url_prefix: default.file_url_prefix,
            cwmp_version: default.cwmp_version,
            remote_address: context.remote_address().unwrap_or_default().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Device;
    impl Context for Device {
        fn parameter(&self, path: &str) -> Scalar {
            if path == "DeviceID.OUI" { "0A1B2C".into() } else { Scalar::Null }
        }
        fn now(&self) -> i64 {
            0
        }
    }

    #[test]
    fn settings_are_expressions_per_device() {
        let documents = [
            ("cwmp.retryDelay", "CASE WHEN DeviceID.OUI = '0A1B2C' THEN 5 ELSE 7 END"),
            ("cwmp.gpvBatchSize", "'8'"),
            ("cwmp.skipRootGpn", "true"),
            ("cwmp.maxRetries", "'many'"),
            ("cwmp.maxCommitIterations", "0"),
            ("cwmp.broken", "1 +"),
        ];
        let (values, errors) = ConfigValues::parse(documents);
        assert_eq!(errors.iter().map(|error| error.key.as_str()).collect::<Vec<_>>(), ["cwmp.broken"]);
        let settings = Settings::evaluate(&values, &Device);
        assert_eq!(settings.retry.delay, 5_000);
        assert_eq!(settings.batch_size, 8);
        assert!(settings.skip_root_gpn);
        assert_eq!(settings.retry.max_retries, 3, "text is no number: the default");
        assert_eq!(settings.max_commit_iterations, 32, "below the least: the default");
    }
}
