//! The URLs by which devices fetch and send files: at an address that they reach, and signed on their way to the device.
//!
//! The engine works with plain URLs, `<base><file name>`. What is signed, and how it is read again, is `ui_api`'s.

use std::net::SocketAddr;
use std::path::Path;

use acs_core::expression::{Context, Scalar};
use acs_core::rpc::AcsRequest;
use anyhow::{Context as _, Result};
use percent_encoding::percent_decode_str;
use store::Store;
use ui_api::{Direction, Grant, UrlSigner, content_mark};

/// Where devices say which URL of the server they use.
const ACS_URLS: [&str; 2] = ["Device.ManagementServer.URL", "InternetGatewayDevice.ManagementServer.URL"];

/// The key's name, in the data directory and in a store that nodes share.
const KEY: &str = "file-url-key";

/// What the URL of a Download may have, in characters (TR-069 A.3.2.8).
const LONGEST_URL: usize = 256;

/// Makes URLs of the file server.
#[derive(Debug, Clone)]
pub struct FileUrls {
    signer: UrlSigner,
    /// As configured, ending in a slash; empty when it is not.
    configured: String,
    listen: FilesAddress,
    serves_plain_paths: bool,
}

/// Where the file server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilesAddress {
    /// Address and port.
    pub address: SocketAddr,
    /// Whether it speaks HTTPS.
    pub is_encrypted: bool,
}

impl FilesAddress {
    /// The scheme of its URLs.
    pub fn scheme(self) -> &'static str {
        if self.is_encrypted { "https" } else { "http" }
    }
}

/// How a device's URLs are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UrlPolicy {
    /// `files.plainUrls`: what it fetches is not signed, if the file server serves that.
    pub plain: bool,
    /// `files.urlValidity`, in milliseconds.
    pub validity: i64,
}

impl FileUrls {
    /// `configured` is the URL at which devices reach the file server, if it was given; `listen` is where that listens.
    pub fn new(signer: UrlSigner, configured: String, listen: FilesAddress, serves_plain_paths: bool) -> FileUrls {
        FileUrls { signer, configured, listen, serves_plain_paths }
    }

    /// Signs the URL of a transfer's request, if it is one of the file server. `sha256` tells a stored file's hash.
    pub fn sign<'a>(
        &self,
        request: &mut AcsRequest,
        device: &dyn Context,
        policy: UrlPolicy,
        sha256: impl FnOnce(&str) -> Option<&'a str>,
    ) {
        let Some(transfer) = request.transfer_address() else { return };
        let Scalar::Text(device_id) = device.parameter("DeviceID.ID") else { return };
        if policy.plain && self.serves_plain_paths && !transfer.is_upload {
            return;
        }
        let base = self.base(device);
        let Some(name) = transfer.url.strip_prefix(&base).filter(|_| !base.is_empty()) else { return };
        let Ok(file_name) = percent_decode_str(name).decode_utf8() else { return };
        let grant = Grant {
            direction: if transfer.is_upload { Direction::Send } else { Direction::Fetch },
            device_id,
            command_key: transfer.command_key.to_owned(),
            expires_at: device
                .now()
                .saturating_add(policy.validity)
                .saturating_add(i64::from(transfer.delay_seconds) * 1_000),
            content: match transfer.is_upload {
                true => String::new(),
                false => sha256(&file_name).map(content_mark).unwrap_or_default().to_owned(),
            },
            file_name: file_name.into_owned(),
        };
        *transfer.url = format!("{base}{}", self.signer.path(&grant));
        if transfer.url.len() > LONGEST_URL {
            let (device, file, length) = (&grant.device_id, &grant.file_name, transfer.url.len());
            tracing::warn!(
                device,
                file,
                length,
                "the signed URL is longer than TR-069 allows; a shorter file name may help"
            );
        }
    }

    /// The configured address, else the host by which the device calls this server (as its proxy or it itself says), else where the file server listens.
    /// Empty when no address is known that the device could reach.
    pub fn base(&self, device: &dyn Context) -> String {
        if !self.configured.is_empty() {
            return self.configured.clone();
        }
        let FilesAddress { address, .. } = self.listen;
        let (scheme, port) = (self.listen.scheme(), address.port());
        if let Some(host) = device.called_host() {
            return format!("{scheme}://{host}:{port}/");
        }
        for path in ACS_URLS {
            if let Scalar::Text(url) = device.parameter(path)
                && let Some(host) = host_of(&url)
            {
                return format!("{scheme}://{host}:{port}/");
            }
        }
        if address.ip().is_unspecified() { String::new() } else { format!("{scheme}://{address}/") }
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

/// Reads the key of the signatures, and makes it at the first start. Nodes that share a store have it there: whichever comes first
/// gives that of its data directory, or a new one.
pub async fn signer(data_dir: &Path, store: &dyn Store) -> Result<UrlSigner> {
    if !store.is_shared() {
        return key_of(data_dir, true).map(UrlSigner::new);
    }
    let stored = store.shared_secret(KEY, key_of(data_dir, false)?.to_vec()).await?;
    let key = stored.try_into().ok().context("the key of file URLs in the store has not 32 bytes")?;
    Ok(UrlSigner::new(key))
}

/// The key in a data directory, or a new one, which is kept there if it is to be.
fn key_of(data_dir: &Path, keep: bool) -> Result<[u8; 32]> {
    let path = data_dir.join(KEY);
    let context = || format!("the key of file URLs, {}", path.display());
    match std::fs::read(&path) {
        Ok(bytes) => bytes.try_into().ok().context("it has not 32 bytes").with_context(context),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut key = [0; 32];
            getrandom::fill(&mut key)
                .map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
            if keep {
                crate::serve::write_private_file(&path, &key).with_context(context)?;
            }
            Ok(key)
        }
        Err(error) => Err(error).with_context(context),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use acs_core::rpc::Download;

    const SHA256: &str = "6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d";
    const SIGNED: UrlPolicy = UrlPolicy { plain: false, validity: 1_000 };

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
            5_000
        }
    }

    fn urls(configured: &str, listen: &str) -> FileUrls {
        let listen = FilesAddress { address: listen.parse().unwrap(), is_encrypted: false };
        FileUrls::new(UrlSigner::new([1; 32]), configured.into(), listen, true)
    }

    fn signed(urls: &FileUrls, url: &str, policy: UrlPolicy) -> String {
        let download = Download { command_key: "k1".into(), url: url.into(), delay_seconds: 60, ..Download::default() };
        let mut request = AcsRequest::Download(download);
        urls.sign(&mut request, &Device(""), policy, |name| (name == "fw 1.bin").then_some(SHA256));
        request.transfer_address().unwrap().url.clone()
    }

    #[test]
    fn the_address_is_one_that_the_device_reaches() {
        let cases = [
            (urls("http://files.example/x/", "0.0.0.0:7567"), "http://acs.example/", "http://files.example/x/"),
            (urls("", "0.0.0.0:7567"), "https://user@acs.example:7547/path", "http://acs.example:7567/"),
            (urls("", "0.0.0.0:7567"), "http://[2001:db8::1]:7547/", "http://[2001:db8::1]:7567/"),
            (urls("", "127.0.0.1:7567"), "", "http://127.0.0.1:7567/"),
            (urls("", "127.0.0.1:7567"), "http://a b/", "http://127.0.0.1:7567/"),
            (urls("", "0.0.0.0:7567"), "", ""),
        ];
        for (urls, acs_url, expected) in cases {
            assert_eq!(urls.base(&Device(acs_url)), expected, "{acs_url}");
        }
    }

    #[test]
    fn a_url_is_signed_for_device_transfer_and_content() {
        let urls = urls("http://files.example/x/", "0.0.0.0:7567");
        let url = signed(&urls, "http://files.example/x/fw%201.bin", SIGNED);
        let path = url.strip_prefix("http://files.example/x").unwrap();
        let grant = UrlSigner::new([1; 32]).read(path, 66_000).unwrap();
        let expected = Grant {
            direction: Direction::Fetch,
            device_id: "0A1B2C-1".into(),
            command_key: "k1".into(),
            expires_at: 5_000 + 1_000 + 60_000,
            content: "6105d6cc76af4003".into(),
            file_name: "fw 1.bin".into(),
        };
        assert_eq!(grant, expected);
    }

    #[test]
    fn what_is_not_the_file_servers_or_shall_be_plain_is_left_alone() {
        let urls = urls("http://files.example/x/", "0.0.0.0:7567");
        let elsewhere = "http://vendor.example/fw.bin";
        assert_eq!(signed(&urls, elsewhere, SIGNED), elsewhere);
        let plain = "http://files.example/x/fw%201.bin";
        assert_eq!(signed(&urls, plain, UrlPolicy { plain: true, ..SIGNED }), plain);
        // Nobody would serve it.
        let strict = FileUrls { serves_plain_paths: false, ..urls };
        assert_ne!(signed(&strict, plain, UrlPolicy { plain: true, ..SIGNED }), plain);
    }
}
