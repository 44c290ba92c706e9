//! Signed paths: who may fetch, and until when, in the URL itself, because devices can be given nothing else.
//!
//! `d/<device ID>/<expiry>-<signature>/` goes before the file's name. The signature is HMAC-SHA256 over device and expiry, with a key
//! that is made at the first start. A path that was given to one device does not serve another's, nor after its time.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, Mac};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::Sha256;

/// The key of the signatures.
#[derive(Clone)]
pub struct UrlSigner {
    key: [u8; 32],
}

impl std::fmt::Debug for UrlSigner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("UrlSigner")
    }
}

/// What a signed path says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The device that the path was made for.
    pub device_id: String,
    /// The rest of the path: the file's name.
    pub file_name: String,
}

/// Why a path is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathRefusal {
    /// It is not of the signed form.
    #[error("the path is not signed")]
    Unsigned,
    /// The signature is wrong.
    #[error("the path's signature is wrong")]
    Forged,
    /// Its time is over.
    #[error("the path has expired")]
    Expired,
}

impl UrlSigner {
    /// A signer with this key.
    pub fn new(key: [u8; 32]) -> UrlSigner {
        UrlSigner { key }
    }

    /// The path, without a leading slash, that serves files to a device until `expires_at` (milliseconds since the Unix epoch).
    pub fn prefix(&self, device_id: &str, expires_at: i64) -> String {
        let device = utf8_percent_encode(device_id, NON_ALPHANUMERIC);
        format!(
            "d/{device}/{expires_at:x}-{}/",
            HEXLOWER.encode(&self.mac(device_id, expires_at).finalize().into_bytes()[..16])
        )
    }

    /// Reads a request's path, which begins with a slash.
    ///
    /// # Errors
    /// See [`PathRefusal`].
    pub fn read(&self, path: &str, now: i64) -> Result<Grant, PathRefusal> {
        let mut parts = path.strip_prefix("/d/").ok_or(PathRefusal::Unsigned)?.splitn(3, '/');
        let (Some(device), Some(token), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(PathRefusal::Unsigned);
        };
        let (expiry, signature) = token.split_once('-').ok_or(PathRefusal::Unsigned)?;
        let expires_at = i64::from_str_radix(expiry, 16).map_err(|_| PathRefusal::Unsigned)?;
        let device_id = percent_decode_str(device).decode_utf8().map_err(|_| PathRefusal::Unsigned)?.into_owned();
        let signature = HEXLOWER_PERMISSIVE.decode(signature.as_bytes()).map_err(|_| PathRefusal::Unsigned)?;
        self.mac(&device_id, expires_at).verify_truncated_left(&signature).map_err(|_| PathRefusal::Forged)?;
        if signature.len() < 16 {
            return Err(PathRefusal::Forged);
        }
        if expires_at < now {
            return Err(PathRefusal::Expired);
        }
        let file_name = percent_decode_str(name).decode_utf8().map_err(|_| PathRefusal::Unsigned)?.into_owned();
        Ok(Grant { device_id, file_name })
    }

    fn mac(&self, device_id: &str, expires_at: i64) -> Hmac<Sha256> {
        // A key of the hash's block size is taken as it is.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.key);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(&expires_at.to_be_bytes());
        mac.update(device_id.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_serves_its_device_until_its_time_and_no_other() {
        let signer = UrlSigner::new([7; 32]);
        let prefix = signer.prefix("0A1B2C-Box%20X-1", 1_000);
        let path = format!("/{prefix}fw%201.bin");
        let grant = Grant { device_id: "0A1B2C-Box%20X-1".into(), file_name: "fw 1.bin".into() };
        assert_eq!(signer.read(&path, 1_000), Ok(grant));
        assert_eq!(signer.read(&path, 1_001), Err(PathRefusal::Expired));
        assert_eq!(UrlSigner::new([8; 32]).read(&path, 0), Err(PathRefusal::Forged));
        let other = path.replacen("0A1B2C", "0A1B2D", 1);
        assert_eq!(signer.read(&other, 0), Err(PathRefusal::Forged));
        let later = path.replacen("3e8-", "fffffff-", 1);
        assert_eq!(signer.read(&later, 0), Err(PathRefusal::Forged));
        assert_eq!(signer.read("/d/0A1B2C/3e8-/fw", 0), Err(PathRefusal::Forged));
        for unsigned in ["/fw.bin", "/d/a", "/d/a/b/c", "/", "/d/a/zz-zz/x"] {
            assert_eq!(signer.read(unsigned, 0), Err(PathRefusal::Unsigned), "{unsigned}");
        }
    }

    proptest! {
        #[test]
        fn no_path_panics(path in ".{0,80}") {
            let _ = UrlSigner::new([7; 32]).read(&path, 0);
        }
    }
}
