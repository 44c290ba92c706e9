//! Where devices connect, as configured: plain addresses, TLS with one certificate, and tables for everything else.
//!
//! What lives here: what the options mean. What does not: opening sockets and reading certificates (`serve`).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use acs_core::expression::{Expression, FunctionSet, parse};
use anyhow::{Context, Result, bail};
use cwmp::ListenerPolicy;
use ipnet::IpNet;
use serde::Deserialize;
use tls::TlsOptions;

use crate::options::network;

/// A listener for devices.
#[derive(Debug, Clone)]
pub struct CwmpListener {
    /// Where it listens.
    pub address: SocketAddr,
    /// How it treats who comes.
    pub policy: Arc<ListenerPolicy>,
    /// Its certificate; plain HTTP without.
    pub tls: Option<TlsOptions>,
}

/// The configuration file's `[cwmp]`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct CwmpTables {
    listener: Vec<ListenerTable>,
}

/// One `[[cwmp.listener]]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ListenerTable {
    address: SocketAddr,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    auth: Option<String>,
    #[serde(default)]
    allow_basic: bool,
    #[serde(default)]
    trusted_proxies: Vec<String>,
    #[serde(default)]
    tls: Option<TlsOptions>,
}

/// The configuration file's `[files]`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct FilesTable {
    tls: Option<TlsOptions>,
}

/// What flags can say.
pub(crate) struct SimpleListeners {
    pub(crate) plain: Vec<SocketAddr>,
    pub(crate) tls: Vec<SocketAddr>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) client_ca: Option<PathBuf>,
    pub(crate) files_tls: bool,
    pub(crate) trusted_proxies: Vec<String>,
}

impl SimpleListeners {
    /// All listeners, and the certificate of the file server. The default address is only for those who name no listener at all.
    pub(crate) fn with(
        self,
        tables: CwmpTables,
        files: FilesTable,
        default: SocketAddr,
    ) -> Result<(Vec<CwmpListener>, Option<TlsOptions>)> {
        let tls = self.tls_options()?;
        let trusted_proxies = networks(&self.trusted_proxies).context("--trusted-proxies")?;
        let policy = |name: &str| {
            let trusted_proxies = trusted_proxies.clone();
            Arc::new(ListenerPolicy { name: name.to_owned(), trusted_proxies, ..ListenerPolicy::default() })
        };
        let names_none = self.plain.is_empty() && self.tls.is_empty() && tables.listener.is_empty();
        let plain_policy = policy("plain");
        let plain = self.plain.into_iter().chain(names_none.then_some(default));
        let plain = plain.map(|address| CwmpListener { address, policy: plain_policy.clone(), tls: None });
        let mut listeners: Vec<_> = plain.collect();
        let tls_policy = policy("tls");
        for address in self.tls {
            let Some(tls) = tls.clone() else {
                bail!("--cwmp-tls-listen {address} needs --tls-certificate and --tls-key");
            };
            listeners.push(CwmpListener { address, policy: tls_policy.clone(), tls: Some(tls) });
        }
        for table in tables.listener {
            let context = format!("[[cwmp.listener]] at {}", table.address);
            listeners.push(table.listener().context(context)?);
        }
        let files_tls = match (files.tls, self.files_tls) {
            (Some(tls), _) => Some(tls),
            // Devices that fetch files have been authenticated before, and need not show a certificate.
            (None, true) => match tls {
                Some(tls) => Some(TlsOptions { client_ca: None, client_certificates: None, ..tls }),
                None => bail!("--files-tls needs --tls-certificate and --tls-key"),
            },
            (None, false) => None,
        };
        Ok((listeners, files_tls))
    }

    fn tls_options(&self) -> Result<Option<TlsOptions>> {
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                let options = TlsOptions { client_ca: self.client_ca.clone(), ..TlsOptions::new(certificate, key) };
                Ok(Some(options))
            }
            (None, None) if self.client_ca.is_none() => Ok(None),
            _ => bail!("--tls-certificate and --tls-key belong together, and --tls-client-ca to them"),
        }
    }
}

impl ListenerTable {
    fn listener(self) -> Result<CwmpListener> {
        let ListenerTable { address, name, auth, allow_basic, trusted_proxies, tls } = self;
        let policy = ListenerPolicy {
            name: name.unwrap_or_else(|| address.to_string()),
            authentication: auth.as_deref().map(expression).transpose().context("auth")?,
            allow_basic,
            trusted_proxies: networks(&trusted_proxies).context("trusted-proxies")?,
        };
        Ok(CwmpListener { address, policy: Arc::new(policy), tls })
    }
}

fn expression(text: &str) -> Result<Expression> {
    let expression = parse(text)?;
    if let Some(problem) = expression.check(FunctionSet::AUTHENTICATION).into_iter().next() {
        bail!("{problem}");
    }
    Ok(expression)
}

fn networks(texts: &[String]) -> Result<Vec<IpNet>> {
    texts.iter().map(|text| network(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(file: &str, change: impl FnOnce(&mut SimpleListeners)) -> Result<(Vec<CwmpListener>, bool), String> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct File {
            cwmp: CwmpTables,
            files: FilesTable,
        }
        let file: File = toml::from_str(file).map_err(|error| error.to_string())?;
        let mut simple = SimpleListeners {
            plain: Vec::new(),
            tls: Vec::new(),
            certificate: None,
            key: None,
            client_ca: None,
            files_tls: false,
            trusted_proxies: Vec::new(),
        };
        change(&mut simple);
        let default = "0.0.0.0:7547".parse().unwrap();
        let (listeners, files) = simple.with(file.cwmp, file.files, default).map_err(|error| format!("{error:#}"))?;
        Ok((listeners, files.is_some()))
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([0, 0, 0, 0], port))
    }

    #[test]
    fn the_default_is_one_plain_listener_for_those_who_name_none() {
        let ports = |listeners: &[CwmpListener]| -> Vec<(u16, bool)> {
            listeners.iter().map(|listener| (listener.address.port(), listener.tls.is_some())).collect()
        };
        let (listeners, _) = resolve("", |_| {}).unwrap();
        assert_eq!(ports(&listeners), [(7547, false)]);
        let with_certificate = |simple: &mut SimpleListeners| {
            (simple.certificate, simple.key) = (Some("c".into()), Some("k".into()));
            simple.tls = vec![address(1)];
            simple.files_tls = true;
        };
        let (listeners, files_tls) = resolve("", with_certificate).unwrap();
        assert_eq!((ports(&listeners), files_tls), (vec![(1, true)], true));
    }

    #[test]
    fn tables_have_policies_of_their_own() {
        let file = r#"
            [[cwmp.listener]]
            address = "0.0.0.0:1"
            name = "field"
            auth = "CLIENT_CERTIFICATE(DeviceID.ID)"
            trusted-proxies = ["10.0.0.0/8"]
            [cwmp.listener.tls]
            certificate = "c"
            key = "k"
            client-ca = "a"
            client-certificates = "require"
            minimum-version = "1.3"

            [[cwmp.listener]]
            address = "0.0.0.0:2"
            allow-basic = true

            [files.tls]
            certificate = "c"
            key = "k"
        "#;
        let (listeners, files_tls) = resolve(file, |simple| simple.plain = vec![address(3)]).unwrap();
        assert!(files_tls);
        let names: Vec<_> = listeners.iter().map(|listener| listener.policy.name.as_str()).collect();
        assert_eq!(names, ["plain", "field", "0.0.0.0:2"]);
        assert!(listeners[1].policy.authentication.is_some() && listeners[2].policy.allow_basic);
        assert_eq!(listeners[1].tls.as_ref().unwrap().client_ca.as_deref(), Some("a".as_ref()));
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let table = |line: &str| format!("[[cwmp.listener]]\naddress = \"0.0.0.0:1\"\n{line}\n");
        let cases = [
            (table("auth = \"AUTH('a'\""), "0.0.0.0:1: auth: line 1, column"),
            (table("auth = \"NONSENSE()\""), "there is no function NONSENSE"),
            (table("trusted-proxies = [\"10.0.0.0/99\"]"), "10.0.0.0/99"),
            (table("tls = { certificate = \"c\" }"), "key"),
            (table("tsl = true"), "tsl"),
            (table("tls = { certificate = \"c\", key = \"k\", minimum-version = \"1.1\" }"), "1.1"),
        ];
        for (file, expected) in cases {
            let error = resolve(&file, |_| {}).unwrap_err();
            assert!(error.contains(expected), "{file}: {error}");
        }
        let error = resolve("", |simple| simple.tls = vec![address(1)]).unwrap_err();
        assert!(error.contains("--cwmp-tls-listen 0.0.0.0:1 needs --tls-certificate"), "{error}");
        let error = resolve("", |simple| simple.key = Some("k".into())).unwrap_err();
        assert!(error.contains("belong together"), "{error}");
        let error = resolve("", |simple| simple.trusted_proxies = vec!["proxy".into()]).unwrap_err();
        assert!(error.contains("--trusted-proxies") && error.contains("proxy"), "{error}");
    }
}
