//! Signed paths: who may fetch or send which file, for which transfer and until when, in the URL itself, because many devices can be
//! given nothing else.
//!
//! ```text
//!  d/<device ID>/<command key>/<expiry>.<content>.<signature>/<file name>      fetching
//!  u/<device ID>/<command key>/<expiry>..<signature>/<file name>               sending, once
//! ```
//!
//! The expiry is in milliseconds since the Unix epoch, hexadecimal. The content is the beginning of the file's SHA-256, so that a path
//! does not serve another file that has got the name since. The signature is HMAC-SHA256 over all the rest, with a key that is made
//! at the first start, cut to 128 bits. A path that was given to one device or for one transfer does not do for another.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::Sha256;

/// Bytes of a signature.
const SIGNATURE: usize = 16;
/// Digits of a content's hash.
const CONTENT: usize = 16;
/// What is encoded in one segment of a path.
const OUTSIDE_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// What is encoded in a file's name, which may be several segments.
const OUTSIDE_NAME: &AsciiSet = &OUTSIDE_SEGMENT.remove(b'/');

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

/// Which way a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The device fetches it (Download).
    Fetch,
    /// The device sends it (Upload).
    Send,
}

/// What a signed path allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Which way.
    pub direction: Direction,
    /// The device that the path was made for.
    pub device_id: String,
    /// The CommandKey of the request that named it.
    pub command_key: String,
    /// When it ends, in milliseconds since the Unix epoch.
    pub expires_at: i64,
    /// [`content_mark`] of the file to fetch; empty when the file was not known, or is to be sent.
    pub content: String,
    /// The file's name.
    pub file_name: String,
}

/// Why a path is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathRefusal {
    /// It is not of the signed form.
    #[error("the path is not signed")]
    Unsigned,
    /// The signature is wrong: another device, transfer, file or time than it was made for.
    #[error("the path's signature is wrong")]
    Forged,
    /// Its time is over.
    #[error("the path has expired")]
    Expired,
}

/// What tells a file's content in a path, of its SHA-256 in hexadecimal digits.
pub fn content_mark(sha256: &str) -> &str {
    sha256.get(..CONTENT).unwrap_or(sha256)
}

impl UrlSigner {
    /// A signer with this key.
    pub fn new(key: [u8; 32]) -> UrlSigner {
        UrlSigner { key }
    }

    /// The path, without a leading slash, that grants this.
    pub fn path(&self, grant: &Grant) -> String {
        let segment = |text| utf8_percent_encode(text, OUTSIDE_SEGMENT);
        format!(
            "{}/{}/{}/{:x}.{}.{}/{}",
            grant.direction.letter(),
            segment(&grant.device_id),
            segment(&grant.command_key),
            grant.expires_at,
            grant.content,
            URL_SAFE_NO_PAD.encode(&self.mac(grant).finalize().into_bytes()[..SIGNATURE]),
            utf8_percent_encode(&grant.file_name, OUTSIDE_NAME),
        )
    }

    /// Reads a request's path, which begins with a slash.
    ///
    /// # Errors
    /// See [`PathRefusal`].
    pub fn read(&self, path: &str, now: i64) -> Result<Grant, PathRefusal> {
        let (grant, signature) = parse(path).ok_or(PathRefusal::Unsigned)?;
        if signature.len() != SIGNATURE {
            return Err(PathRefusal::Forged);
        }
        self.mac(&grant).verify_truncated_left(&signature).map_err(|_| PathRefusal::Forged)?;
        if grant.expires_at < now {
            return Err(PathRefusal::Expired);
        }
        Ok(grant)
    }

    fn mac(&self, grant: &Grant) -> Hmac<Sha256> {
        // A key of the hash's block size is taken as it is.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.key);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(grant.direction.letter().as_bytes());
        mac.update(&grant.expires_at.to_be_bytes());
        // With their lengths, so that no part can pass for the end of another.
        for part in [&grant.device_id, &grant.command_key, &grant.content, &grant.file_name] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }
}

impl Direction {
    fn letter(self) -> &'static str {
        match self {
            Direction::Fetch => "d",
            Direction::Send => "u",
        }
    }
}

/// The parts of a signed path, and its signature.
fn parse(path: &str) -> Option<(Grant, Vec<u8>)> {
    let mut segments = path.strip_prefix('/')?.splitn(5, '/');
    let direction = match segments.next()? {
        "d" => Direction::Fetch,
        "u" => Direction::Send,
        _ => return None,
    };
    let mut decoded = || Some(percent_decode_str(segments.next()?).decode_utf8().ok()?.into_owned());
    let (device_id, command_key, token, file_name) = (decoded()?, decoded()?, decoded()?, decoded()?);
    let mut token = token.splitn(3, '.');
    let expires_at = i64::from_str_radix(token.next()?, 16).ok()?;
    let content = token.next()?.to_owned();
    let signature = URL_SAFE_NO_PAD.decode(token.next()?).ok()?;
    Some((Grant { direction, device_id, command_key, expires_at, content, file_name }, signature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grant() -> Grant {
        Grant {
            direction: Direction::Fetch,
            device_id: "0A1B2C-Box%20X-1".into(),
            command_key: "1a2b0000".into(),
            expires_at: 1_000,
            content: content_mark("6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d").into(),
            file_name: "fw 1/2.bin".into(),
        }
    }

    #[test]
    fn a_path_serves_its_device_and_file_until_its_time() {
        let signer = UrlSigner::new([7; 32]);
        let path = format!("/{}", signer.path(&grant()));
        assert!(path.starts_with("/d/0A1B2C-Box%2520X-1/1a2b0000/3e8.6105d6cc76af4003."), "{path}");
        assert!(path.ends_with("/fw%201/2.bin"), "{path}");
        assert_eq!(signer.read(&path, 1_000), Ok(grant()));
        assert_eq!(signer.read(&path, 1_001), Err(PathRefusal::Expired));
        assert_eq!(UrlSigner::new([8; 32]).read(&path, 0), Err(PathRefusal::Forged));
        // Spelled otherwise, it is the same name.
        assert_eq!(signer.read(&path.replace("fw%201/", "f%77%201%2F"), 0), Ok(grant()));
    }

    #[test]
    fn whatever_is_changed_breaks_the_signature() {
        let signer = UrlSigner::new([7; 32]);
        let path = format!("/{}", signer.path(&grant()));
        let changes = [
            ("/d/", "/u/"),
            ("0A1B2C", "0A1B2D"),
            ("%2520", "%20"),
            ("1a2b0000", "1a2b0001"),
            ("3e8.", "fffffff."),
            ("6105d6cc", "6105d6cd"),
            ("6105d6cc76af4003.", "."),
            ("fw%201/2.bin", "fw%202/2.bin"),
            ("fw%201/2.bin", "../fw%201/2.bin"),
            ("fw%201/2.bin", "fw%25201/2.bin"),
            ("fw%201/2.bin", "FW%201/2.BIN"),
            ("fw%201/2.bin", "fw%201/2.bin%00"),
        ];
        for (from, to) in changes {
            let changed = path.replacen(from, to, 1);
            assert_ne!(changed, path, "{from}");
            assert_eq!(signer.read(&changed, 0), Err(PathRefusal::Forged), "{changed}");
        }
        for signature in ["", "AA", "AAAAAAAAAAAAAAAAAAAAAA"] {
            let changed = format!("/d/0A1B2C/k/3e8..{signature}/fw");
            assert_eq!(signer.read(&changed, 0), Err(PathRefusal::Forged), "{changed}");
        }
        for unsigned in ["", "/", "fw.bin", "/fw.bin", "/d/a", "/d/a/k/3e8..AA", "/d/a/k/zz..AA/x", "/x/a/k/3e8..AA/f"]
        {
            assert_eq!(signer.read(unsigned, 0), Err(PathRefusal::Unsigned), "{unsigned}");
        }
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let signer = UrlSigner::new([7; 32]);
        let moved = Grant { device_id: "0A1B2C-Box%20X-11".into(), command_key: "a2b0000".into(), ..grant() };
        let signature = |grant: &Grant| signer.mac(grant).finalize().into_bytes();
        assert_ne!(signature(&moved), signature(&grant()));
    }

    proptest! {
        #[test]
        fn what_is_signed_is_read_again(device_id in ".{1,30}", command_key in ".{1,20}", file_name in ".{1,30}", expires_at in 0..i64::MAX) {
            let signer = UrlSigner::new([7; 32]);
            let grant = Grant { device_id, command_key, file_name, expires_at, ..grant() };
            prop_assert_eq!(signer.read(&format!("/{}", signer.path(&grant)), 0), Ok(grant));
        }

        #[test]
        fn no_path_panics(path in "(/[du]/)?.{0,80}") {
            let _ = UrlSigner::new([7; 32]).read(&path, 0);
        }
    }
}
