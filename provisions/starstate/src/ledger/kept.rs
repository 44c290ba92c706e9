//! Values in the ledger: what stood on the router in full, what was written with secrets as fingerprints.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, Mac};
use routeros::Secret;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// A value of a router, any bytes. `Debug` does not show secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Form", into = "Form")]
pub struct Kept {
    bytes: Vec<u8>,
    is_secret: bool,
}

/// A value that was written: as it is, or of a secret only what tells whether another one is the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Written {
    /// May be seen.
    Plain(String),
    /// See [`Fingerprints`].
    Secret {
        /// In hexadecimal digits.
        fingerprint: String,
    },
}

/// Tells by a keyed hash whether two secrets are the same. `Debug` does not show the key.
#[derive(Clone)]
pub struct Fingerprints {
    key: Secret,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Secret { secret: String },
    Bytes { base64: String },
    SecretBytes { secret_base64: String },
}

impl Kept {
    /// A value that may be seen.
    pub fn plain(bytes: impl Into<Vec<u8>>) -> Kept {
        Kept { bytes: bytes.into(), is_secret: false }
    }

    /// A value that may not be seen when `is_secret`.
    pub fn new(bytes: impl Into<Vec<u8>>, is_secret: bool) -> Kept {
        Kept { bytes: bytes.into(), is_secret }
    }

    /// For the router.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it may not be seen.
    pub fn is_secret(&self) -> bool {
        self.is_secret
    }

    /// For people: secrets are `<secret>`.
    pub fn shown(&self) -> String {
        match self.is_secret {
            true => "<secret>".to_owned(),
            false => String::from_utf8_lossy(&self.bytes).into_owned(),
        }
    }

    /// Forgets a secret.
    pub fn mask(&mut self) {
        if self.is_secret {
            self.bytes = b"<secret>".to_vec();
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shown(), formatter)
    }
}

impl From<Form> for Kept {
    fn from(form: Form) -> Kept {
        let decode = |text: String| BASE64.decode(text.as_bytes()).unwrap_or_default();
        match form {
            Form::Text(text) => Kept::new(text, false),
            Form::Secret { secret } => Kept::new(secret, true),
            Form::Bytes { base64 } => Kept::new(decode(base64), false),
            Form::SecretBytes { secret_base64 } => Kept::new(decode(secret_base64), true),
        }
    }
}

impl From<Kept> for Form {
    fn from(kept: Kept) -> Form {
        match (String::from_utf8(kept.bytes), kept.is_secret) {
            (Ok(text), false) => Form::Text(text),
            (Ok(secret), true) => Form::Secret { secret },
            (Err(error), false) => Form::Bytes { base64: BASE64.encode(error.as_bytes()) },
            (Err(error), true) => Form::SecretBytes { secret_base64: BASE64.encode(error.as_bytes()) },
        }
    }
}

impl Written {
    /// For people.
    pub fn shown(&self) -> &str {
        match self {
            Written::Plain(text) => text,
            Written::Secret { .. } => "<secret>",
        }
    }
}

impl Fingerprints {
    /// With a key that is the same as long as fingerprints are to be compared.
    pub fn new(key: Secret) -> Fingerprints {
        Fingerprints { key }
    }

    /// The fingerprint of a secret of this argument.
    #[allow(clippy::expect_used, reason = "HMAC takes keys of any length")]
    pub fn of(&self, path: &str, argument: &str, secret: &str) -> Written {
        let mut hmac = Hmac::<Sha256>::new_from_slice(self.key.reveal().as_bytes()).expect("a key of any length");
        for part in [path, argument, secret] {
            hmac.update(&(part.len() as u64).to_be_bytes());
            hmac.update(part.as_bytes());
        }
        Written::Secret { fingerprint: HEXLOWER.encode(&hmac.finalize().into_bytes()) }
    }
}

impl Fingerprints {
    /// What the ledger keeps of a value that is written.
    pub fn written(&self, path: &str, argument: &str, value: &Kept) -> Written {
        let text = String::from_utf8_lossy(&value.bytes);
        match value.is_secret {
            true => self.of(path, argument, &text),
            false => Written::Plain(text.into_owned()),
        }
    }
}

impl fmt::Debug for Fingerprints {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Fingerprints")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_being_stored() {
        for kept in [
            Kept::plain("a"),
            Kept::plain(""),
            Kept::new("sesame", true),
            Kept::plain(vec![0xFF, 0, b'=']),
            Kept::new(vec![0xFE], true),
        ] {
            let text = serde_json::to_string(&kept).unwrap();
            assert_eq!(serde_json::from_str::<Kept>(&text).unwrap(), kept, "{text}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut kept = Kept::new("sesame", true);
        assert_eq!(format!("{kept:?} {}", kept.shown()), r#""<secret>" <secret>"#);
        kept.mask();
        assert!(!serde_json::to_string(&kept).unwrap().contains("sesame"));
        let written = Fingerprints::new("key".into()).of("/ppp/secret", "password", "sesame");
        assert!(!serde_json::to_string(&written).unwrap().contains("sesame"));
        assert_eq!(written.shown(), "<secret>");
    }

    #[test]
    fn fingerprints_tell_whether_secrets_are_the_same() {
        let fingerprints = Fingerprints::new("key".into());
        let of = |argument: &str, secret: &str| fingerprints.of("/ppp/secret", argument, secret);
        assert_eq!(of("password", "sesame"), of("password", "sesame"));
        assert_ne!(of("password", "sesame"), of("password", "Sesame"));
        assert_ne!(of("password", "sesame"), of("secret", "sesame"));
        assert_ne!(of("password", "sesame"), Fingerprints::new("other".into()).of("/ppp/secret", "password", "sesame"));
    }
}
