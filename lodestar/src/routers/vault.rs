//! Secrets at rest: documents and sessions are sealed with a key that is not where they are.
//!
//! Each piece has a key of its own, derived from the vault's and 32 random bytes (HKDF with SHA-256, RFC 5869), and is encrypted by
//! ChaCha20-Poly1305 (RFC 8439). What it is belongs to what is authenticated, so that one piece cannot be put in another's place.
//!
//! ```text
//!  1 │ salt, 32 bytes │ encrypted, with its tag of 16 bytes
//! ```

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use data_encoding::HEXLOWER_PERMISSIVE;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::error::Unspecified;
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::hmac;

use crate::serve::write_private_file;

/// The first byte of what is sealed as described above.
const FORMAT: u8 = 1;
const SALT: usize = 32;
/// What comes before the encrypted bytes.
const HEAD: usize = 1 + SALT;

/// Seals and opens.
pub struct Vault {
    master: [u8; 32],
}

/// What is stored cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// It is damaged, or sealed with another key.
    #[error("it cannot be opened: it is damaged, or was sealed with another key than this server has (starstate-key)")]
    Unreadable,
    /// There is no randomness, or the piece is far too large.
    #[error("it cannot be sealed")]
    Unsealable,
}

/// Bytes that are no key of a cipher.
struct Bytes;

impl KeyType for Bytes {
    fn len(&self) -> usize {
        32
    }
}

impl Vault {
    /// A vault with this key.
    pub fn new(master: [u8; 32]) -> Vault {
        Vault { master }
    }

    /// Reads the key from a file of 64 hexadecimal digits. When `makes` is set, a file that is not there is made with a new key.
    ///
    /// # Errors
    /// It is not there, or holds something else.
    pub fn open(path: &Path, makes: bool) -> Result<Vault> {
        let context = || format!("the key of the routers' secrets, {}", path.display());
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if makes && error.kind() == std::io::ErrorKind::NotFound => {
                let mut master = [0; 32];
                getrandom::fill(&mut master).with_context(context)?;
                let text = format!("{}\n", HEXLOWER_PERMISSIVE.encode(&master));
                write_private_file(path, text.as_bytes()).with_context(context)?;
                return Ok(Vault::new(master));
            }
            Err(error) => return Err(error).with_context(context),
        };
        let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok();
        match bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) {
            Some(master) => Ok(Vault::new(master)),
            None => bail!("{}: it must be 64 hexadecimal digits", context()),
        }
    }

    /// Seals bytes as `what`.
    pub fn seal(&self, what: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(|_| VaultError::Unsealable)?;
        let key = self.key_of(&salt).map_err(|_| VaultError::Unsealable)?;
        let mut sealed = Vec::with_capacity(HEAD + plain.len() + CHACHA20_POLY1305.tag_len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(&salt);
        let mut encrypted = plain.to_vec();
        key.seal_in_place_append_tag(nonce(), Aad::from(what.as_bytes()), &mut encrypted)
            .map_err(|_| VaultError::Unsealable)?;
        sealed.append(&mut encrypted);
        Ok(sealed)
    }

    /// Opens what was sealed as `what`.
    pub fn unseal(&self, what: &str, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        let Some((&[FORMAT], rest)) = sealed.split_first_chunk::<1>() else { return Err(VaultError::Unreadable) };
        let (salt, encrypted) = rest.split_first_chunk::<SALT>().ok_or(VaultError::Unreadable)?;
        let key = self.key_of(salt).map_err(|_| VaultError::Unreadable)?;
        let mut bytes = encrypted.to_vec();
        let opened = key.open_in_place(nonce(), Aad::from(what.as_bytes()), &mut bytes);
        let length = opened.map_err(|_| VaultError::Unreadable)?.len();
        bytes.truncate(length);
        Ok(bytes)
    }

    /// A key for a purpose of its own, the same as long as the vault's is.
    pub fn derived(&self, purpose: &str) -> [u8; 32] {
        let mut bytes = [0; 32];
        let prk = Salt::new(HKDF_SHA256, b"lodestar").extract(&self.master);
        let filled = prk.expand(&[purpose.as_bytes()], Bytes).and_then(|okm| okm.fill(&mut bytes));
        debug_assert!(filled.is_ok(), "32 bytes are never too many");
        bytes
    }

    /// Tells contents apart without telling anything of them.
    pub fn mark(&self, purpose: &str, content: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.derived(purpose));
        HEXLOWER_PERMISSIVE.encode(&hmac::sign(&key, content).as_ref()[..16])
    }

    /// A salt is used once, so each key encrypts one piece, and the nonce may be the same.
    fn key_of(&self, salt: &[u8]) -> Result<LessSafeKey, Unspecified> {
        let prk = Salt::new(HKDF_SHA256, salt).extract(&self.master);
        let okm = prk.expand(&[b"lodestar piece"], &CHACHA20_POLY1305)?;
        Ok(LessSafeKey::new(UnboundKey::from(okm)))
    }
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// Without the key.
impl fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Vault")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened_as_what_it_is_with_the_same_key_only() {
        let vault = Vault::new([7; 32]);
        let sealed = vault.seal("document a", b"open sesame").unwrap();
        assert!(!sealed.windows(4).any(|part| part == b"sesa"));
        assert_eq!(vault.unseal("document a", &sealed).unwrap(), b"open sesame");
        assert_ne!(sealed, vault.seal("document a", b"open sesame").unwrap(), "each time it is another");
        assert_eq!(vault.unseal("document b", &sealed), Err(VaultError::Unreadable));
        assert_eq!(Vault::new([8; 32]).unseal("document a", &sealed), Err(VaultError::Unreadable));
        for place in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[place] ^= 1;
            assert_eq!(vault.unseal("document a", &damaged), Err(VaultError::Unreadable), "byte {place}");
            assert_eq!(vault.unseal("document a", &sealed[..place]), Err(VaultError::Unreadable), "{place} bytes");
        }
        assert_eq!(vault.unseal("x", &vault.seal("x", b"").unwrap()).unwrap(), b"");
    }

    #[test]
    fn keys_for_other_purposes_are_others_and_stay() {
        let vault = Vault::new([7; 32]);
        assert_eq!(vault.derived("a"), Vault::new([7; 32]).derived("a"));
        assert_ne!(vault.derived("a"), vault.derived("b"));
        assert_eq!(vault.mark("a", b"x"), vault.mark("a", b"x"));
        assert_ne!(vault.mark("a", b"x"), vault.mark("a", b"y"));
    }

    #[test]
    fn the_key_is_made_once_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("starstate-key");
        assert!(Vault::open(&path, false).is_err());
        let first = Vault::open(&path, true).unwrap();
        let again = Vault::open(&path, false).unwrap();
        assert_eq!(first.master, again.master);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(&path, "short").unwrap();
        assert!(format!("{:#}", Vault::open(&path, true).unwrap_err()).contains("64 hexadecimal digits"));
    }
}
