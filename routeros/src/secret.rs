//! Texts that must not be seen: passwords, keys.

use std::fmt;

use serde::Deserialize;

/// A text that `Debug` does not show; there is no `Display`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text, for the wire.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Secret(text.to_owned())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Secret(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<secret>")
    }
}

/// Whether a property of this name holds a secret in some menu of RouterOS.
///
/// The second line of defence: who knows that a value is secret gives it as a [`Secret`].
pub fn is_secret_name(name: &str) -> bool {
    const PARTS: [&str; 6] = ["password", "passphrase", "secret", "private-key", "shared-key", "auth-key"];
    const WHOLE: [&str; 3] = ["key", "response", "challenge"];
    WHOLE.contains(&name) || PARTS.iter().any(|part| name.contains(part))
}

/// Shows `name=value` pairs, without the values of secrets.
pub(crate) struct Fields<I>(pub(crate) I);

impl<'a, I: Iterator<Item = (&'a str, Option<&'a [u8]>)> + Clone> fmt::Debug for Fields<I> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = formatter.debug_map();
        for (name, value) in self.0.clone() {
            match value {
                Some(value) if !is_secret_name(name) => map.entry(&name, &String::from_utf8_lossy(value)),
                _ => map.entry(&name, &format_args!("<secret>")),
            };
        }
        map.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::from("sesame")), "<secret>");
        assert_eq!(format!("{:#?}", Some(Secret::from("sesame"))), "Some(\n    <secret>,\n)");
    }

    #[test]
    fn names_of_secrets_are_known() {
        for name in
            ["password", "ipsec-secret", "private-key", "preshared-key", "wpa2-pre-shared-key", "passphrase", "key"]
        {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["name", "public-key", "key-size", "comment", "address"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
