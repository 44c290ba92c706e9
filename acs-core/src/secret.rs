//! Which parameters hold secrets, by their names. Logs, recordings and the NBI all ask here, so that none shows what another hides.
//!
//! What lives here: the rule. What does not: what is put in place of a secret value, which is up to who shows it.

/// Parts of names, in lower case, that make a value secret.
const SECRET_PARTS: [&str; 6] = ["password", "passphrase", "secret", "key", "credential", "psk"];
/// Names with such a part that are none.
const NO_SECRETS: [&str; 2] = ["parameterkey", "commandkey"];

/// Whether the value of a parameter is shown only to those who may see secrets: the last segment of its name says so.
pub fn is_secret(parameter: &str) -> bool {
    let name = parameter.rsplit('.').next().unwrap_or_default().trim().to_ascii_lowercase();
    !NO_SECRETS.contains(&name.as_str()) && SECRET_PARTS.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_is_secret() {
        let secret = [
            "Device.ManagementServer.ConnectionRequestPassword",
            "Device.WiFi.AccessPoint.1.Security.KeyPassphrase",
            "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.PreSharedKey.1.PreSharedKey",
            "Device.X.WEPKEY",
            "wifi_psk",
        ];
        let open = [
            "Device.ManagementServer.Username",
            "Device.ManagementServer.ParameterKey",
            "Device.Passwords.1.Owner",
            "uniqueKey.x",
            "",
        ];
        assert!(secret.into_iter().all(is_secret));
        assert!(!open.into_iter().any(is_secret));
    }
}
