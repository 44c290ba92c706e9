//! How a device's router is reached: its address, who logs in, whom to believe. From the config collection, each value an expression
//! evaluated for the device (`docs/configuration.md`).
//!
//! Addresses come from devices, so they go through the guard of connection requests, and what was checked is what is connected to.

use std::net::{IpAddr, SocketAddr};

use acs_core::device::StoredDevice;
use acs_core::expression::{Context, Scalar};
use acs_core::session::settings::ConfigValues;
use cwmp::ExtensionCaller;
use cwmp::connection_request::AddressPolicy;
use routeros::{ClientOptions, PORT, Secret, TLS_PORT, TcpConnector, TlsConnector, Trust};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use starstate::management::Management;
use starstate::orchestrator::Options;
use starstate::port::{ConnectorAt, ReachableRouter, own_address};

use crate::outside;
use crate::waker::DeviceFacts;

/// What a script, a preset or an operator says besides the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessOptions {
    /// A host's name or its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The port of its API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// Why a router is not even asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// A value is missing, or is of no use.
    #[error("{0}")]
    NotConfigured(String),
    /// It is not where devices may be.
    #[error("{0}")]
    AddressRefused(String),
    /// Its name has no address.
    #[error("{host} has no address: {reason}")]
    UnknownHost {
        /// The name.
        host: String,
        /// What the system says.
        reason: String,
    },
}

impl AccessError {
    /// The fault's code.
    pub fn code(&self) -> &'static str {
        match self {
            AccessError::NotConfigured(_) => "starstate.not_configured",
            AccessError::AddressRefused(_) => "starstate.address_refused",
            AccessError::UnknownHost { .. } => "starstate.unreachable",
        }
    }
}

/// How a router is reached. `Debug` does not show the password.
#[derive(Debug)]
pub struct Access {
    host: String,
    port: u16,
    /// Without TLS, whoever is on the way sees passwords and keys.
    trust: Option<Trust>,
    user: String,
    password: Secret,
    /// How plans are carried out.
    pub options: Options,
}

/// A device, and where it connected from.
struct Known<'a> {
    facts: &'a DeviceFacts,
    remote_address: &'a str,
}

impl Context for Known<'_> {
    fn parameter(&self, path: &str) -> Scalar {
        self.facts.parameter(path)
    }

    fn now(&self) -> i64 {
        self.facts.now()
    }

    fn remote_address(&self) -> Option<&str> {
        Some(self.remote_address).filter(|address| !address.is_empty())
    }
}

impl AccessOptions {
    /// From the options of a call: null, or an object.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(json: &Json) -> Result<AccessOptions, String> {
        if json.is_null() {
            return Ok(AccessOptions::default());
        }
        serde_json::from_value(json.clone()).map_err(|error| format!("options: {error}"))
    }
}

impl Access {
    /// How the router of a device is reached.
    ///
    /// # Errors
    /// [`AccessError::NotConfigured`]
    pub async fn of(
        device: &StoredDevice,
        remote_address: &str,
        given: &AccessOptions,
        config: &ConfigValues,
        extensions: &dyn ExtensionCaller,
    ) -> Result<Access, AccessError> {
        let facts = DeviceFacts::of(device, chrono::Utc::now().timestamp_millis());
        let known = Known { facts: &facts, remote_address };
        let values = Values { config, known: &known, extensions };
        let missing = |text: &str| AccessError::NotConfigured(text.to_owned());
        let address = match &given.address {
            Some(address) => Some(address.clone()),
            None => values.text("starstate.address").await?.or_else(|| facts.url.as_deref().and_then(host_of)),
        };
        let host = address.ok_or_else(|| {
            missing("the router's address is not known: the device tells no connection request URL, and the config has no starstate.address")
        })?;
        let user =
            values.text("starstate.username").await?.ok_or_else(|| missing("the config has no starstate.username"))?;
        let password = values.text("starstate.password").await?;
        let password = password.ok_or_else(|| missing("the config has no starstate.password"))?;
        let is_encrypted = config.boolean("starstate.tls", &known, true);
        let trust = match is_encrypted {
            true => Some(values.trust().await?),
            false if config.boolean("starstate.allowPlain", &known, false) => None,
            false => {
                return Err(missing(
                    "starstate.tls is false: without TLS passwords and keys can be read on the way, so starstate.allowPlain must be true as well",
                ));
            }
        };
        let default_port = if is_encrypted { TLS_PORT } else { PORT };
        let configured = config.number("starstate.port", &known, default_port.into(), 1);
        let port = match given.port {
            Some(port) => port,
            None => u16::try_from(configured)
                .map_err(|_| AccessError::NotConfigured(format!("starstate.port: {configured} is no port")))?,
        };
        let options = Options {
            take_over: config.boolean("starstate.takeOver", &known, false),
            allow_cut: config.boolean("starstate.allowCut", &known, false),
            ..Options::default()
        };
        Ok(Access { host, port, trust, user, password: Secret::from(password), options })
    }

    /// The router at its address, which is looked up and checked. Nothing is connected yet.
    ///
    /// # Errors
    /// It has no address, or none at which devices may be.
    pub async fn router(&self, policy: &AddressPolicy) -> Result<(ReachableRouter, Management), AccessError> {
        let target = self.resolve(policy).await?;
        let options = ClientOptions::new(self.user.clone(), self.password.clone());
        let management = Management {
            service: if self.trust.is_some() { "api-ssl" } else { "api" }.to_owned(),
            port: self.port,
            user: self.user.clone(),
            router: Some(target),
            peer: own_address(SocketAddr::new(target, self.port)),
        };
        let connector_at: Box<ConnectorAt> = match &self.trust {
            None => Box::new(move |port| Box::new(TcpConnector::new(target.to_string(), port))),
            Some(trust) => {
                let invalid = |error: routeros::TlsError| AccessError::NotConfigured(error.to_string());
                let connector = TlsConnector::new(self.host.clone(), self.port, trust).map_err(invalid)?;
                Box::new(move |port| Box::new(connector.clone().at(SocketAddr::new(target, port))))
            }
        };
        Ok((ReachableRouter::new(self.port, options, connector_at), management))
    }

    async fn resolve(&self, policy: &AddressPolicy) -> Result<IpAddr, AccessError> {
        let unknown = |reason: String| AccessError::UnknownHost { host: self.host.clone(), reason };
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let found = tokio::net::lookup_host((host, self.port)).await.map_err(|error| unknown(error.to_string()))?;
        let mut refusal = None;
        for address in found {
            match policy.check(address) {
                Ok(()) => return Ok(address.ip()),
                Err(error) => refusal = Some(error.to_string()),
            }
        }
        Err(refusal.map_or_else(|| unknown("the name is known, but not where".to_owned()), AccessError::AddressRefused))
    }
}

/// Reads values of the config collection.
struct Values<'a> {
    config: &'a ConfigValues,
    known: &'a Known<'a>,
    extensions: &'a dyn ExtensionCaller,
}

impl Values<'_> {
    /// A text that is not empty.
    async fn text(&self, key: &str) -> Result<Option<String>, AccessError> {
        let Some(expression) = self.config.get(key) else { return Ok(None) };
        let value = outside::evaluate(expression, self.known, self.extensions).await;
        let value = value.map_err(|fault| AccessError::NotConfigured(format!("{key}: {}", fault.message)))?;
        Ok(value.to_text().map(|text| text.into_owned()).filter(|text| !text.is_empty()))
    }

    async fn trust(&self) -> Result<Trust, AccessError> {
        let wrong = |key: &str, error: routeros::TlsError| AccessError::NotConfigured(format!("{key}: {error}"));
        if let Some(fingerprint) = self.text("starstate.tlsFingerprint").await? {
            let fingerprint = fingerprint.parse().map_err(|error| wrong("starstate.tlsFingerprint", error))?;
            return Ok(Trust::Fingerprint(fingerprint));
        }
        match self.text("starstate.tlsCa").await? {
            Some(pem) => Trust::authorities(pem.as_bytes()).map_err(|error| wrong("starstate.tlsCa", error)),
            None => Err(AccessError::NotConfigured(
                "whom to believe is not configured: starstate.tlsFingerprint, the SHA-256 of the router's certificate, or \
                 starstate.tlsCa, the PEM of who signed it"
                    .to_owned(),
            )),
        }
    }
}

/// The host of a connection request URL, an IPv6 address without its brackets.
fn host_of(url: &str) -> Option<String> {
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host_and_port = authority.rsplit('@').next()?;
    let host = match host_and_port.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => host_and_port.split(':').next()?,
    };
    Some(host.to_owned()).filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_url_is_found() {
        for (url, host) in [
            ("http://192.0.2.1:7547/x", Some("192.0.2.1")),
            ("http://user:pass@router.example/x", Some("router.example")),
            ("https://[2001:db8::1]:7547/", Some("2001:db8::1")),
            ("192.0.2.1", None),
            ("http:///x", None),
        ] {
            assert_eq!(host_of(url).as_deref(), host, "{url}");
        }
    }

    #[test]
    fn options_are_checked() {
        let read = |text: &str| AccessOptions::read(&serde_json::from_str(text).unwrap_or_default());
        let options = AccessOptions { address: Some("192.0.2.1".to_owned()), port: Some(8728) };
        assert_eq!(read(r#"{"address": "192.0.2.1", "port": 8728}"#), Ok(options));
        assert_eq!(read("null"), Ok(AccessOptions::default()));
        for (text, part) in [(r#"{"adress": "x"}"#, "adress"), (r#"{"port": 70000}"#, "70000"), ("[1]", "options")] {
            assert!(read(text).is_err_and(|error| error.contains(part)), "{text}");
        }
    }
}
