//! Words of documents in the spelling of RouterOS. Pure.
//!
//! What is no known word is passed on: the schema of the release says whether it is one.

use std::time::Duration;

use routeros_schema::interval;

/// The methods by which callers of PPP show who they are: `mschapv2` is `mschap2`; `none` and `eap` are none.
pub(crate) fn ppp_methods(words: &[String]) -> String {
    let methods = words.iter().map(|word| word.trim().to_ascii_lowercase().replace("mschapv", "mschap"));
    methods.filter(|word| !matches!(word.as_str(), "" | "none" | "eap")).collect::<Vec<_>>().join(",")
}

/// Ciphers of OpenVPN: `AES-256-CBC` is `aes256-cbc`.
pub(crate) fn openvpn_ciphers(words: &[String]) -> String {
    list(words, |word| match word {
        "none" => "null".to_owned(),
        "bf-cbc" | "blowfish" => "blowfish128".to_owned(),
        word => word.replace("aes-", "aes"),
    })
}

/// Digests of OpenVPN: `SHA256` is `sha256`.
pub(crate) fn openvpn_digests(words: &[String]) -> String {
    list(words, |word| match word {
        "none" => "null".to_owned(),
        word => word.replace("sha-", "sha"),
    })
}

/// Which versions of TLS are taken. RouterOS knows `any` and `only-1.2`; that it does not know the wanted one is the second part.
pub(crate) fn tls_version(word: &str) -> Option<(&'static str, bool)> {
    let word = word.trim().to_ascii_lowercase();
    match word.trim_start_matches("tls").trim_start_matches(['-', 'v']) {
        "" => None,
        "only-1.2" | "1.2" => Some(("only-1.2", false)),
        "only-1.3" | "1.3" => Some(("only-1.2", true)),
        "any" => Some(("any", false)),
        _ => Some(("any", true)),
    }
}

/// Ciphers of phase 2 of IPsec, by the names of phase 1: `aes-256` is `aes-256-cbc`.
pub(crate) fn phase2_ciphers(words: &[String]) -> String {
    list(words, |word| match word {
        "aes-128" | "aes-192" | "aes-256" => format!("{word}-cbc"),
        word => word.to_owned(),
    })
}

/// Any other words.
pub(crate) fn words(words: &[String]) -> String {
    list(words, str::to_owned)
}

/// A number of seconds.
pub(crate) fn seconds(seconds: u64) -> String {
    interval::format(Duration::from_secs(seconds))
}

fn list(words: &[String], spell: impl Fn(&str) -> String) -> String {
    let parts = words.iter().flat_map(|word| word.split(',')).map(|word| word.trim().to_ascii_lowercase());
    parts.filter(|word| !word.is_empty()).map(|word| spell(&word)).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_spelled_as_on_routers() {
        type Spell = fn(&[String]) -> String;
        let cases: [(Spell, &[&str], &str); 11] = [
            (ppp_methods, &["mschapv2", "MSCHAP1", "none", "eap"], "mschap2,mschap1"),
            (ppp_methods, &[], ""),
            (openvpn_ciphers, &["AES-256-CBC"], "aes256-cbc"),
            (openvpn_ciphers, &["aes128-gcm", "BF-CBC", "none"], "aes128-gcm,blowfish128,null"),
            (openvpn_digests, &["SHA256", "sha-1"], "sha256,sha1"),
            (openvpn_digests, &["none"], "null"),
            (phase2_ciphers, &["aes-256"], "aes-256-cbc"),
            (phase2_ciphers, &["aes-128-gcm", "aes-192-cbc", "3des"], "aes-128-gcm,aes-192-cbc,3des"),
            (words, &["SHA256"], "sha256"),
            (words, &["modp2048,ecp256", "", " modp1024 "], "modp2048,ecp256,modp1024"),
            (words, &["something"], "something"),
        ];
        for (spell, given, expected) in cases {
            let given: Vec<String> = given.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(spell(&given), expected, "{given:?}");
        }
    }

    #[test]
    fn versions_of_tls_are_those_that_routers_know() {
        let cases = [
            ("", None),
            ("any", Some(("any", false))),
            ("only-1.2", Some(("only-1.2", false))),
            ("1.2", Some(("only-1.2", false))),
            ("TLSv1.2", Some(("only-1.2", false))),
            ("only-1.3", Some(("only-1.2", true))),
            ("1.0", Some(("any", true))),
        ];
        for (word, expected) in cases {
            assert_eq!(tls_version(word), expected, "{word}");
        }
    }

    #[test]
    fn times_are_written_in_the_largest_units() {
        for (number, text) in [(28_800, "8h"), (5_400, "1h30m"), (90, "1m30s"), (30, "30s"), (86_400, "1d")] {
            assert_eq!(seconds(number), text);
        }
    }
}
