//! Keys of WireGuard: X25519, as on a real router.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use routeros_schema::value::parse_key;
use x25519_dalek::{PublicKey, StaticSecret};

use super::refusal::Refusal;
use super::row::Row;

/// An interface without a key gets one.
pub fn complete(row: &mut Row) -> Result<(), Refusal> {
    if row.text("private-key").is_none() {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|_| Refusal::failure("no entropy"))?;
        row.put("private-key", &BASE64_STANDARD.encode(StaticSecret::from(secret).to_bytes()));
    }
    if row.text("listen-port").is_none_or(|port| port == "0") {
        // From the range of ports that nobody has registered.
        row.put("listen-port", &(49_152 + row.id % 16_384).to_string());
    }
    Ok(())
}

/// The public key that belongs to a private one.
pub fn public_of(private: &str) -> Option<String> {
    let secret = StaticSecret::from(parse_key(private)?);
    Some(BASE64_STANDARD.encode(PublicKey::from(&secret).as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_key_is_derived() {
        // RFC 7748 §6.1, the keys of Alice.
        let private = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=";
        let public = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";
        assert_eq!(public_of(private).as_deref(), Some(public));
        assert_eq!(public_of("no key"), None);
    }

    #[test]
    fn an_interface_without_a_key_gets_one() {
        let (mut first, mut second) = (Row { id: 1, ..Row::default() }, Row { id: 2, ..Row::default() });
        for row in [&mut first, &mut second] {
            complete(row).unwrap();
            assert!(row.text("private-key").is_some_and(|key| parse_key(&key).is_some()));
        }
        assert_ne!(first.text("private-key"), second.text("private-key"));
        assert_ne!(first.text("listen-port"), second.text("listen-port"));
    }
}
