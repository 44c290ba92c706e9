//! Passwords: hashed with Argon2id, compared in constant time, a few at a time.
//!
//! Hashing takes memory and time on purpose, so it runs on threads that may block, few at once, and who just proved a password
//! need not prove it again for some minutes: what is remembered of it is a digest with a secret of this process, which is only
//! good for the very hash that is stored.
//!
//! Users of older databases have PBKDF2 hashes; these are told apart by their `salt`, and are good once more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use argon2::password_hash::SaltString;
use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier};
use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::Value as Json;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

/// Hashes that are made at a time.
const AT_A_TIME: usize = 2;
/// How long a check may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer passwords are refused: nobody types them.
pub const MAX_LENGTH: usize = 1_024;
/// How long a proof is remembered, in milliseconds.
const REMEMBERED: i64 = 5 * 60_000;
/// How many proofs are remembered.
const PROOFS: usize = 1_000;
/// The PBKDF2 of older databases: SHA-512, 10,000 rounds, 128 bytes.
const OLD_ROUNDS: u32 = 10_000;
const OLD_LENGTH: usize = 128;

/// Why a password could not be hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too many at once.
    #[error("too many passwords are being checked")]
    Busy,
    /// The system, or the stored hash, does not permit it.
    #[error("{0}")]
    Failed(String),
}

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The password is wrong, or there is no such user.
    Wrong,
    /// It is right.
    Right,
    /// It is right, and this hash should take the place of the old one.
    RightWithOldHash(String),
}

/// The passwords of one server.
#[derive(Debug)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    /// `None` when the system gave no random numbers: then nothing is remembered.
    secret: Option<[u8; 32]>,
    /// Digests of proofs, and until when they are good.
    proofs: Mutex<HashMap<[u8; 32], i64>>,
}

impl Default for Passwords {
    fn default() -> Passwords {
        let mut secret = [0; 32];
        let secret = getrandom::fill(&mut secret).is_ok().then_some(secret);
        Passwords { turns: Arc::new(Semaphore::new(AT_A_TIME)), secret, proofs: Mutex::default() }
    }
}

impl Passwords {
    /// Whether a password is that of a stored user. For a user that is not there the same work is done, so that the time that it
    /// takes does not tell. `now` is in milliseconds.
    ///
    /// # Errors
    /// Too many checks wait already, or hashing fails.
    pub async fn check(&self, user: Option<&Json>, password: &str, now: i64) -> Result<Proof, PasswordError> {
        if password.len() > MAX_LENGTH {
            return Ok(Proof::Wrong);
        }
        let stored = user.and_then(StoredPassword::of);
        let digest = stored.as_ref().and_then(|stored| self.digest(stored, password));
        if digest.is_some_and(|digest| self.is_remembered(digest, now)) {
            return Ok(Proof::Right);
        }
        let turn = tokio::time::timeout(PATIENCE, self.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(PasswordError::Busy) };
        let password = password.to_owned();
        let checked = tokio::task::spawn_blocking(move || {
            let proof = prove(stored.as_ref(), &password);
            drop(turn);
            proof
        });
        let proof = checked.await.map_err(|error| PasswordError::Failed(error.to_string()))??;
        if let (Proof::Right, Some(digest)) = (&proof, digest) {
            self.remember(digest, now);
        }
        Ok(proof)
    }

    fn digest(&self, stored: &StoredPassword, password: &str) -> Option<[u8; 32]> {
        let mut hasher = Sha256::new_with_prefix(self.secret?);
        hasher.update((stored.hash.len() as u64).to_be_bytes());
        hasher.update(&stored.hash);
        hasher.update(password);
        Some(hasher.finalize().into())
    }

    fn is_remembered(&self, digest: [u8; 32], now: i64) -> bool {
        let proofs = self.proofs.lock();
        proofs.is_ok_and(|proofs| proofs.get(&digest).is_some_and(|until| now < *until))
    }

    fn remember(&self, digest: [u8; 32], now: i64) {
        let Ok(mut proofs) = self.proofs.lock() else { return };
        if proofs.len() >= PROOFS {
            proofs.retain(|_, until| now < *until);
        }
        if proofs.len() < PROOFS {
            proofs.insert(digest, now.saturating_add(REMEMBERED));
        }
    }
}

/// Makes a hash to be stored. Takes its time: not for the threads of the async runtime.
///
/// # Errors
/// The system gave no random numbers.
pub fn hash(password: &str) -> Result<String, PasswordError> {
    let failed = |error: argon2::password_hash::Error| PasswordError::Failed(format!("hashing a password: {error}"));
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| PasswordError::Failed(error.to_string()))?;
    let salt = SaltString::encode_b64(&salt).map_err(failed)?;
    Ok(Argon2::default().hash_password(password.as_bytes(), &salt).map_err(failed)?.to_string())
}

/// What a user's document has of its password.
#[derive(Debug)]
struct StoredPassword {
    hash: String,
    /// Of old hashes.
    salt: Option<String>,
}

impl StoredPassword {
    fn of(user: &Json) -> Option<StoredPassword> {
        let text = |field: &str| user.get(field).and_then(Json::as_str).map(str::to_owned);
        Some(StoredPassword { hash: text("password")?, salt: text("salt") })
    }
}

fn prove(stored: Option<&StoredPassword>, password: &str) -> Result<Proof, PasswordError> {
    match stored {
        Some(StoredPassword { hash: old, salt: Some(salt) }) => {
            Ok(if is_old(old, salt, password) { Proof::RightWithOldHash(hash(password)?) } else { Proof::Wrong })
        }
        Some(StoredPassword { hash, salt: None }) => Ok(match PasswordHash::new(hash) {
            Ok(hash) if Argon2::default().verify_password(password.as_bytes(), &hash).is_ok() => Proof::Right,
            Ok(_) => Proof::Wrong,
            Err(error) => {
                tracing::error!(target: "nbi", %error, "a user's stored password cannot be read");
                Proof::Wrong
            }
        }),
        None => {
            static NOBODY: OnceLock<String> = OnceLock::new();
            let hash = NOBODY.get_or_init(|| hash("nobody").unwrap_or_default());
            if let Ok(hash) = PasswordHash::new(hash) {
                let _ = Argon2::default().verify_password(password.as_bytes(), &hash);
            }
            Ok(Proof::Wrong)
        }
    }
}

/// Whether a password is the one of a PBKDF2 hash. The salt is the text of its hexadecimal digits, not what they stand for.
fn is_old(hash: &str, salt: &str, password: &str) -> bool {
    let Ok(hash) = HEXLOWER_PERMISSIVE.decode(hash.as_bytes()) else { return false };
    let mut derived = [0; OLD_LENGTH];
    pbkdf2::pbkdf2_hmac::<Sha512>(password.as_bytes(), salt.as_bytes(), OLD_ROUNDS, &mut derived);
    hash.ct_eq(&derived).into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Made by another implementation of PBKDF2, from the password `sesame`.
    fn old_user() -> Json {
        json!({
            "_id": "old",
            "password": concat!(
                "e52e04834e3805f2261c5ccfffc65551a4b1afec025e1d205fe7dbdd7849f6f4e973c39148fad5a8ae87046cd0",
                "237030189f93f6994ed245386c7ce729448fdaf4a64ae76aef8e1f63de9c2a8b757f2573091a03f09de8e6e874",
                "5852fc8dbfd146204da520627737ef2735b2ff1d0714a3223ec448a92378800d48222ba74198"
            ),
            "salt": "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
            "roles": "admin",
        })
    }

    #[tokio::test]
    async fn a_password_is_right_for_its_hash_only() {
        let passwords = Passwords::default();
        let user = json!({ "password": hash("sesame").unwrap() });
        assert!(user["password"].as_str().unwrap().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(passwords.check(Some(&user), "sesame", 0).await.unwrap(), Proof::Right);
        for (user, password) in [
            (Some(&user), "Sesame"),
            (Some(&user), ""),
            (None, "nobody"),
            (Some(&json!({})), ""),
            (Some(&json!({"password": "sesame"})), "sesame"),
            (Some(&json!({"password": ""})), ""),
        ] {
            assert_eq!(passwords.check(user, password, 0).await.unwrap(), Proof::Wrong, "{user:?} {password}");
        }
        assert_eq!(passwords.check(Some(&user), &"x".repeat(2_000), 0).await.unwrap(), Proof::Wrong);
    }

    #[tokio::test]
    async fn an_old_hash_is_good_once_more() {
        let passwords = Passwords::default();
        let Proof::RightWithOldHash(new) = passwords.check(Some(&old_user()), "sesame", 0).await.unwrap() else {
            panic!("the old hash is not understood")
        };
        assert_eq!(passwords.check(Some(&json!({ "password": new })), "sesame", 0).await.unwrap(), Proof::Right);
        assert_eq!(passwords.check(Some(&old_user()), "sesam", 0).await.unwrap(), Proof::Wrong);
    }

    #[tokio::test]
    async fn a_proof_is_remembered_for_its_hash_and_for_a_while() {
        let passwords = Passwords::default();
        let user = json!({ "password": hash("sesame").unwrap() });
        let stored = StoredPassword::of(&user).unwrap();
        let digest = passwords.digest(&stored, "sesame").unwrap();
        passwords.check(Some(&user), "sesame", 0).await.unwrap();
        assert!(passwords.is_remembered(digest, REMEMBERED - 1));
        assert!(!passwords.is_remembered(digest, REMEMBERED));
        let changed = StoredPassword { hash: hash("sesame").unwrap(), salt: None };
        assert!(!passwords.is_remembered(passwords.digest(&changed, "sesame").unwrap(), 1));
        passwords.check(Some(&user), "wrong", 0).await.unwrap();
        assert!(!passwords.is_remembered(passwords.digest(&stored, "wrong").unwrap(), 1));
    }
}
