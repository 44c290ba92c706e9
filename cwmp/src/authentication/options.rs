//! How devices may authenticate themselves, as configured.

use acs_core::expression::Context;
use acs_core::session::settings::ConfigValues;

use super::Algorithm;

/// The `cwmp.…` keys of authentication, evaluated for a device (`docs/authentication.md`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticationOptions {
    /// `cwmp.digestAlgorithms`: what is offered, in order; nothing else is taken.
    pub algorithms: Vec<Algorithm>,
    /// `cwmp.digestQop`: what is offered. Devices may protect their bodies without being asked to.
    pub offers_auth_int: bool,
    /// `cwmp.allowBasicWithoutTls`
    pub allow_basic_without_tls: bool,
    /// `cwmp.strictNonceCount`: a nonce's count is good once, also on one connection.
    pub strict_nonce_count: bool,
    /// `cwmp.bindIdentity`: a device ID belongs to the user or certificate that it came with first.
    pub bind_identity: bool,
}

impl Default for AuthenticationOptions {
    /// MD5 is first: older HTTP libraries look at the first challenge only, and fail when they do not know its algorithm.
    fn default() -> AuthenticationOptions {
        AuthenticationOptions {
            algorithms: vec![Algorithm::Md5, Algorithm::Sha256],
            offers_auth_int: false,
            allow_basic_without_tls: false,
            strict_nonce_count: false,
            bind_identity: false,
        }
    }
}

impl AuthenticationOptions {
    /// Evaluates the keys for a device.
    pub fn evaluate(values: &ConfigValues, context: &dyn Context) -> AuthenticationOptions {
        let default = AuthenticationOptions::default();
        let list = values.text("cwmp.digestAlgorithms", context, "");
        let algorithms: Vec<_> = list.split(',').filter_map(Algorithm::named).collect();
        let qop = values.text("cwmp.digestQop", context, "");
        let boolean = |key| values.boolean(key, context, false);
        AuthenticationOptions {
            algorithms: if algorithms.is_empty() { default.algorithms } else { algorithms },
            offers_auth_int: qop.split(',').any(|qop| qop.trim().eq_ignore_ascii_case("auth-int")),
            allow_basic_without_tls: boolean("cwmp.allowBasicWithoutTls"),
            strict_nonce_count: boolean("cwmp.strictNonceCount"),
            bind_identity: boolean("cwmp.bindIdentity"),
        }
    }
}

#[cfg(test)]
mod tests {
    use acs_core::expression::Scalar;

    use super::*;

    struct Device;
    impl Context for Device {
        fn parameter(&self, path: &str) -> Scalar {
            if path == "DeviceID.OUI" { "0A1B2C".into() } else { Scalar::Null }
        }
        fn now(&self) -> i64 {
            0
        }
    }

    #[test]
    fn options_are_expressions_per_device() {
        let documents = [
            ("cwmp.digestAlgorithms", "CASE WHEN DeviceID.OUI = '0A1B2C' THEN 'md5' END"),
            ("cwmp.digestQop", "'auth, auth-int'"),
            ("cwmp.strictNonceCount", "true"),
            ("cwmp.allowBasicWithoutTls", "'yes'"),
        ];
        let (values, _) = ConfigValues::parse(documents);
        let options = AuthenticationOptions::evaluate(&values, &Device);
        assert_eq!(options.algorithms, [Algorithm::Md5]);
        assert!(options.offers_auth_int && options.strict_nonce_count);
        assert!(!options.allow_basic_without_tls && !options.bind_identity);
        let (values, _) = ConfigValues::parse([("cwmp.digestAlgorithms", "'ROT13'")]);
        assert_eq!(AuthenticationOptions::evaluate(&values, &Device), AuthenticationOptions::default());
    }
}
