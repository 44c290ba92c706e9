//! What people need to call the VPN servers of a router: configuration files, and plain texts with the values where there is no file
//! that everybody reads. Pure.
//!
//! From the document, what the session read back from the router, and the address or name under which the router is reached. What none of
//! them says, such as the private key of somebody's device, is a marked place: `<PRIVATE KEY OF THIS DEVICE>`.
//!
//! Names and values are text, whatever is in them: no name makes another line. Not here: how the values came about ([`crate::compile`]),
//! and who may have the files.

mod openvpn;
mod text;
mod texts;
mod wireguard;

use routeros::Secret;

use crate::compile::World;
use crate::compile::servers::{AUTHORITY, CLIENT, OWN, callers};
use crate::decompose::{Content, Resource};
use crate::orchestrator::Generated;
use crate::role::Role;
use crate::state::{StarState, User};
use text::{Page, file_name};

/// A file for somebody who calls a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFile {
    /// Its name, unique among them: letters, digits, `-`, `_` and `.` of ASCII.
    pub name: String,
    /// What it is, for the header `Content-Type`.
    pub media_type: &'static str,
    /// What is in it.
    pub content: Secret,
    /// Whether it holds a password or key, so that only its owner may see it.
    pub is_secret: bool,
}

/// What the files are made of.
struct Source<'a> {
    world: World<'a>,
    generated: &'a [Generated],
    /// Address or name of the router; a marked place when there is none.
    router: String,
}

/// The files that are made.
#[derive(Default)]
struct Files(Vec<ClientFile>);

const PLAIN: &str = "text/plain; charset=utf-8";
const PEM: &str = "application/x-pem-file";

/// The files for all who call the VPN servers of a document. `router` is the public address or name of the router, empty when it is
/// not known.
pub fn client_files(state: &StarState, generated: &[Generated], router: &str) -> Vec<ClientFile> {
    // What is wrong with the document is said elsewhere.
    let (world, _) = World::new(state, Role::Master);
    let router = text::host(router).map_or_else(|| "<ADDRESS OF THE ROUTER>".to_owned(), str::to_owned);
    let source = Source { world, generated, router };
    let mut files = Files::default();
    for resource in callers::resources(state) {
        match resource.content {
            Content::WireguardServer(server) => wireguard::files(&source, &resource, server, &mut files),
            Content::OpenVpnServer(server) => openvpn::files(&source, &resource, server, &mut files),
            _ => texts::files(&source, &resource, &mut files),
        }
    }
    certificates(&source, &mut files);
    files.0
}

/// The certificates that several servers need.
fn certificates(source: &Source<'_>, files: &mut Files) {
    let names: Vec<&str> =
        callers::resources(source.world.state).filter_map(|resource| certificate_of(&resource)).collect();
    if !names.iter().any(|name| source.is_own(name)) {
        return;
    }
    if let Some(authority) = source.authority() {
        files.push(&format!("{AUTHORITY}.crt"), PEM, authority, false);
    }
    if callers::resources(source.world.state).any(|resource| wants_certificates(&resource)) {
        if let Some(certificate) = source.client_certificate() {
            files.push(&format!("{CLIENT}.crt"), PEM, certificate, false);
        }
        if let Some(key) = source.client_key() {
            files.push(&format!("{CLIENT}.key"), PEM, key, true);
        }
    }
}

/// The certificate by which a server shows who it is.
fn certificate_of<'a>(resource: &Resource<'a>) -> Option<&'a str> {
    let name = match resource.content {
        Content::SstpServer(server) => server.certificate.trim(),
        Content::OpenVpnServer(server) => server.certificates.as_ref().map_or("", |found| found.cert.trim()),
        Content::Ikev2Server(server) if !texts::has_secret(server) => {
            server.certificate.as_ref().map_or("", |certificate| certificate.name.trim())
        }
        _ => return None,
    };
    Some(if name.is_empty() { OWN } else { name })
}

/// Whether those who call must show a certificate.
fn wants_certificates(resource: &Resource<'_>) -> bool {
    match resource.content {
        Content::SstpServer(server) => server.verify_client_certificate == Some(true),
        Content::OpenVpnServer(server) => server.require_client_certificate == Some(true),
        Content::Ikev2Server(server) => !texts::has_secret(server),
        _ => false,
    }
}

impl<'a> Source<'a> {
    /// What was read back for a step.
    fn value(&self, step: &str, name: &str) -> Option<&'a str> {
        let found = self.generated.iter().find(|made| made.step == step && made.name == name)?;
        std::str::from_utf8(found.value.bytes()).ok()
    }

    fn authority(&self) -> Option<&'a str> {
        let step = format!("certificate/{AUTHORITY}/export");
        text::pem(self.value(&step, &format!("file:{AUTHORITY}.crt"))?)
    }

    fn client_certificate(&self) -> Option<&'a str> {
        let step = format!("certificate/{CLIENT}/export");
        text::pem(self.value(&step, &format!("file:{CLIENT}.crt"))?)
    }

    /// It can be used with the passphrase of the document.
    fn client_key(&self) -> Option<&'a str> {
        let step = format!("certificate/{CLIENT}/export");
        text::pem(self.value(&step, &format!("file:{CLIENT}.key"))?)
    }

    /// Whether the router's own authority has signed a certificate. One that was there before may come from anywhere.
    fn is_own(&self, certificate: &str) -> bool {
        self.value(&format!("certificate/{certificate}"), "ca").is_some_and(|ca| ca == AUTHORITY)
    }

    /// Those who may use a server.
    fn users(&self, kind: &'static str, is_ppp: bool) -> impl Iterator<Item = &'a User> {
        let users = callers::users(self.world.state, kind, is_ppp).map(|(_, user)| user);
        users.filter(|user| !user.username.trim().is_empty() && !user.password.is_empty())
    }
}

impl Files {
    /// Keeps a file. Its name is changed when it is none for files, or taken. Gives the name.
    fn push(&mut self, name: &str, media_type: &'static str, content: impl Into<Secret>, is_secret: bool) -> String {
        let wanted = file_name(name);
        let (base, end) = wanted.rsplit_once('.').unwrap_or((&wanted, "txt"));
        let taken = |name: &String| self.0.iter().any(|file| file.name.eq_ignore_ascii_case(name));
        let numbered = (2..).map(|number| format!("{base}-{number}.{end}"));
        let name = std::iter::once(wanted.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or_default();
        self.0.push(ClientFile { name: name.clone(), media_type, content: content.into(), is_secret });
        name
    }

    /// Keeps a plain text.
    fn page(&mut self, name: &str, page: Page) {
        let (content, is_secret) = page.finish();
        self.push(&format!("{name}.txt"), PLAIN, content, is_secret);
    }
}
