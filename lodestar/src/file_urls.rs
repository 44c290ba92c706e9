//! The URLs from which devices fetch files: signed for the device, for a day, at an address that it reaches.

use std::net::SocketAddr;
use std::path::Path;

use acs_core::expression::{Context, Scalar};
use anyhow::{Context as _, Result};
use ui_api::UrlSigner;

/// How long a device may fetch what it was told to, in milliseconds.
const VALIDITY: i64 = 86_400_000;
/// Where devices say which URL of the server they use.
const ACS_URLS: [&str; 2] = ["Device.ManagementServer.URL", "InternetGatewayDevice.ManagementServer.URL"];

/// Makes URLs of the file server.
#[derive(Debug, Clone)]
pub struct FileUrls {
    signer: UrlSigner,
    /// As configured, ending in a slash; empty when it is not.
    configured: String,
    listen: SocketAddr,
}

impl FileUrls {
    /// `configured` is the URL at which devices reach the file server, if it was given; `listen` is where that listens.
    pub fn new(signer: UrlSigner, configured: String, listen: SocketAddr) -> FileUrls {
        FileUrls { signer, configured, listen }
    }

    /// The signed prefix for a device; empty when no address is known that it could reach.
    pub fn prefix(&self, device: &dyn Context) -> String {
        let Scalar::Text(device_id) = device.parameter("DeviceID.ID") else { return String::new() };
        let base = self.base(device);
        if base.is_empty() {
            base
        } else {
            format!("{base}{}", self.signer.prefix(&device_id, device.now() + VALIDITY))
        }
    }

    /// The configured address, else the host by which the device calls this server, else where the file server listens.
    fn base(&self, device: &dyn Context) -> String {
        if !self.configured.is_empty() {
            return self.configured.clone();
        }
        let port = self.listen.port();
        for path in ACS_URLS {
            if let Scalar::Text(url) = device.parameter(path)
                && let Some(host) = host_of(&url)
            {
                return format!("http://{host}:{port}/");
            }
        }
        if self.listen.ip().is_unspecified() { String::new() } else { format!("http://{}/", self.listen) }
    }
}

/// The host of a URL, an IPv6 address in its brackets.
fn host_of(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host_and_port = authority.rsplit('@').next()?;
    let host = match host_and_port.find(']') {
        Some(end) => &host_and_port[..=end],
        None => host_and_port.split(':').next()?,
    };
    let is_host = |character: char| character.is_ascii_alphanumeric() || "-._[]:".contains(character);
    (!host.is_empty() && host.chars().all(is_host)).then_some(host)
}

/// Reads the key of the signatures, and makes it at the first start.
pub fn signer(data_dir: &Path) -> Result<UrlSigner> {
    let path = data_dir.join("file-url-key");
    let context = || format!("the key of file URLs, {}", path.display());
    match std::fs::read(&path) {
        Ok(bytes) => {
            let key: [u8; 32] = bytes.try_into().ok().context("it has not 32 bytes").with_context(context)?;
            Ok(UrlSigner::new(key))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut key = [0; 32];
            getrandom::fill(&mut key)
                .map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
            crate::serve::write_private_file(&path, &key).with_context(context)?;
            Ok(UrlSigner::new(key))
        }
        Err(error) => Err(error).with_context(context),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Device(&'static str);
    impl Context for Device {
        fn parameter(&self, path: &str) -> Scalar {
            match path {
                "DeviceID.ID" => "0A1B2C-1".into(),
                "Device.ManagementServer.URL" if !self.0.is_empty() => self.0.into(),
                _ => Scalar::Null,
            }
        }
        fn now(&self) -> i64 {
            0
        }
    }

    #[test]
    fn the_address_is_one_that_the_device_reaches() {
        let urls = |configured: &str, listen: &str| {
            FileUrls::new(UrlSigner::new([1; 32]), configured.into(), listen.parse().unwrap())
        };
        let cases = [
            (urls("http://files.example/x/", "0.0.0.0:7567"), "http://acs.example/", "http://files.example/x/d/"),
            (urls("", "0.0.0.0:7567"), "https://user@acs.example:7547/path", "http://acs.example:7567/d/"),
            (urls("", "0.0.0.0:7567"), "http://[2001:db8::1]:7547/", "http://[2001:db8::1]:7567/d/"),
            (urls("", "127.0.0.1:7567"), "", "http://127.0.0.1:7567/d/"),
            (urls("", "127.0.0.1:7567"), "http://a b/", "http://127.0.0.1:7567/d/"),
        ];
        for (urls, acs_url, expected) in cases {
            let prefix = urls.prefix(&Device(acs_url));
            assert!(prefix.starts_with(expected) && prefix.ends_with('/'), "{acs_url}: {prefix}");
        }
        assert_eq!(urls("", "0.0.0.0:7567").prefix(&Device("")), "");
    }
}
