//! An `.ovpn` for each OpenVPN server, and a text with the login for each user.

use super::text::Page;
use super::{Files, Source, certificate_of, text, texts};
use crate::compile::servers::callers::usual_port;
use crate::compile::spelling;
use crate::decompose::Resource;
use crate::state::OpenVpnServer;

const MEDIA_TYPE: &str = "application/x-openvpn-profile";

pub(super) fn files(source: &Source<'_>, resource: &Resource<'_>, server: &OpenVpnServer, files: &mut Files) {
    let name = format!("openvpn-{}", resource.name);
    let profile = profile(source, resource, server);
    let has_key = profile.contains("<key>\n");
    let file = files.push(&format!("{name}.ovpn"), MEDIA_TYPE, profile, has_key);
    for user in source.users("OpenVPN", true) {
        let page = Page::new(&format!("OpenVPN {}: {}", resource.name, user.username)).row("Profile", &file);
        let page = texts::login(page, user);
        let passphrase = texts::passphrase(source).filter(|_| has_key);
        let page = page.secret("Passphrase of the key", passphrase.unwrap_or_default());
        files.page(&format!("{name}-{}", user.username), page);
    }
}

fn profile(source: &Source<'_>, resource: &Resource<'_>, server: &OpenVpnServer) -> String {
    let protocol = if server.protocol.trim().eq_ignore_ascii_case("udp") { "udp" } else { "tcp-client" };
    let is_ethernet = matches!(server.mode.trim().to_ascii_lowercase().as_str(), "ethernet" | "tap");
    let port = texts::port(server.listen_port, usual_port::OPENVPN);
    let ciphers = ciphers(&spelling::openvpn_ciphers(&server.cipher));
    let digest = spelling::openvpn_digests(&server.auth);
    let mut lines = vec![
        format!("# {}", text::line(&resource.name)),
        "client".to_owned(),
        format!("dev {}", if is_ethernet { "tap" } else { "tun" }),
        format!("proto {protocol}"),
        format!("remote {} {port}", quoted(&source.router)),
        "nobind".to_owned(),
        "persist-key".to_owned(),
        "persist-tun".to_owned(),
        "remote-cert-tls server".to_owned(),
        "auth-user-pass".to_owned(),
        format!("cipher {}", ciphers.split(':').next().unwrap_or_default()),
        format!("data-ciphers {ciphers}"),
        format!("auth {}", digest_name(digest.split(',').next().unwrap_or_default())),
    ];
    if spelling::tls_version(&server.tls_version).is_some_and(|(version, _)| version == "only-1.2") {
        lines.push("tls-version-min 1.2".to_owned());
    }
    if let Some(seconds) = server.reneg_sec.filter(|seconds| *seconds >= 0) {
        lines.push(format!("reneg-sec {seconds}"));
    }
    let mut part = |name: &str, content: Option<&str>, missing: &str| match content {
        Some(content) => lines.push(format!("<{name}>\n{content}\n</{name}>")),
        None => lines.push(format!("# {missing}")),
    };
    let is_own = certificate_of(resource).is_some_and(|name| source.is_own(name));
    let missing = "The certificate of the authority that signed the server's belongs here: <ca> ... </ca>";
    part("ca", source.authority().filter(|_| is_own), missing);
    if server.require_client_certificate == Some(true) {
        let missing = "The certificate of whoever calls belongs here: <cert> ... </cert>";
        part("cert", source.client_certificate(), missing);
        part("key", source.client_key(), "Its key belongs here: <key> ... </key>");
    }
    lines.join("\n") + "\n"
}

/// The names of ciphers in OpenVPN; those that servers of RouterOS take when nothing is said include AES-128-CBC.
fn ciphers(words: &str) -> String {
    let name = |word: &str| match word {
        "blowfish128" => Some("BF-CBC".to_owned()),
        "null" => Some("none".to_owned()),
        word => {
            let rest = word.strip_prefix("aes")?;
            let is_plain = rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            is_plain.then(|| format!("AES-{}", rest.to_ascii_uppercase()))
        }
    };
    let names: Vec<String> = words.split(',').filter_map(name).collect();
    if names.is_empty() { "AES-128-CBC".to_owned() } else { names.join(":") }
}

fn digest_name(word: &str) -> &'static str {
    match word {
        "md5" => "MD5",
        "sha256" => "SHA256",
        "sha384" => "SHA384",
        "sha512" => "SHA512",
        "null" => "none",
        // That is what all servers of RouterOS take when nothing is said.
        _ => "SHA1",
    }
}

/// A marked place is one word, too.
fn quoted(word: &str) -> String {
    if word.contains(' ') { format!("\"{word}\"") } else { word.to_owned() }
}
