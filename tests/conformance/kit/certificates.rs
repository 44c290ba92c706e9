//! Certificates of a test's own authority, and TLS spoken by hand.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};
use tempfile::TempDir;

use super::server::{Server, Setup};
use super::soap::Inform;

type Authority = CertifiedIssuer<'static, KeyPair>;

/// A root that everybody trusts, an authority below it, and a server's certificate from that.
pub struct Certificates {
    directory: TempDir,
    authority: Authority,
}

impl Certificates {
    pub fn new() -> Certificates {
        let directory = tempfile::tempdir().unwrap();
        let authority_named = |name: &str| {
            let mut parameters = CertificateParams::default();
            parameters.distinguished_name.push(DnType::CommonName, name);
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            parameters
        };
        let root: Authority =
            CertifiedIssuer::self_signed(authority_named("Root"), KeyPair::generate().unwrap()).unwrap();
        let below = authority_named("Authority");
        let authority: Authority = CertifiedIssuer::signed_by(below, KeyPair::generate().unwrap(), &root).unwrap();
        let certificates = Certificates { directory, authority };
        std::fs::write(certificates.path("ca.pem"), root.pem()).unwrap();
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        certificates.issue("server", CertificateParams::new(names).unwrap());
        certificates
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes `NAME.pem`, with the authority's certificate behind, and `NAME.key`.
    fn issue(&self, name: &str, parameters: CertificateParams) {
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.authority).unwrap();
        std::fs::write(self.path(&format!("{name}.pem")), [certificate.pem(), self.authority.pem()].concat()).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    /// A server with a TLS listener, which asks for client certificates.
    pub fn server(&self, setup: Setup) -> Server {
        let client_ca = self.path("ca.pem").display().to_string();
        self.server_with(setup, &format!("client-ca = {client_ca:?}"))
    }

    /// A server with a TLS listener, and further lines for that.
    pub fn server_with(&self, setup: Setup, lines: &str) -> Server {
        let (certificate, key) = (self.path("server.pem"), self.path("server.key"));
        let file = self.path("lodestar.toml");
        let text = format!(
            "[[cwmp.listener]]\naddress = \"127.0.0.1:0\"\nname = \"tls\"\n[cwmp.listener.tls]\n\
             certificate = {certificate:?}\nkey = {key:?}\n{lines}\n"
        );
        std::fs::write(&file, text).unwrap();
        setup.arguments(|arguments| arguments.config = Some(file)).start()
    }

    /// Where the server speaks TLS.
    pub fn address(&self, server: &Server) -> SocketAddr {
        let addresses = server.addresses();
        let mut pairs = addresses.cwmp.iter().zip(&addresses.cwmp_encrypted);
        *pairs.find(|(_, is_encrypted)| **is_encrypted).expect("a TLS listener").0
    }

    /// Lets a simulated device come by TLS, and trust the root.
    pub fn trust(&self, server: &Server, options: &mut sim::Options) {
        options.acs_url = format!("https://{}/", self.address(server));
        options.tls.ca = Some(self.path("ca.pem"));
    }

    /// Gives a simulated device a certificate of this name.
    pub fn certify(&self, common_name: &str, options: &mut sim::Options) {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, common_name);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue("client", parameters);
        options.tls.certificate = Some(self.path("client.pem"));
        options.tls.key = Some(self.path("client.key"));
    }
}

/// What a test's client speaks. Clones share the sessions that they can resume.
#[derive(Clone)]
pub struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// Trusts a root, and speaks one version: `1.2` or `1.3`.
    pub fn new(root: &Path, version: &str) -> TlsClient {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(root).unwrap()).unwrap();
        let version = if version == "1.2" { &rustls::version::TLS12 } else { &rustls::version::TLS13 };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
        TlsClient(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
    }

    /// Connects. On failure says why.
    pub fn connect(&self, address: SocketAddr) -> Result<TlsConnection, String> {
        let mut connection = ClientConnection::new(self.0.clone(), "127.0.0.1".try_into().unwrap()).unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut stream).map_err(|error| error.to_string())?;
        }
        Ok(TlsConnection(StreamOwned::new(connection, stream)))
    }
}

/// A connection with TLS.
pub struct TlsConnection(StreamOwned<ClientConnection, TcpStream>);

impl TlsConnection {
    /// How many certificates the server has shown.
    pub fn chain_length(&self) -> usize {
        self.0.conn.peer_certificates().map_or(0, <[_]>::len)
    }

    /// Whether the session is one of before.
    pub fn is_resumed(&self) -> bool {
        self.0.conn.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Holds a device's session on it. Returns the statuses of both answers.
    pub fn session(&mut self, serial_number: &str) -> [u16; 2] {
        let first = self.inform(serial_number);
        [first, self.post("")]
    }

    /// Begins a device's session.
    pub fn inform(&mut self, serial_number: &str) -> u16 {
        self.post(&Inform::of(serial_number).envelope("1"))
    }

    /// Sends a body, and returns the answer's status.
    pub fn post(&mut self, body: &str) -> u16 {
        let request = format!("POST / HTTP/1.1\r\nHost: acs\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        self.0.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).unwrap();
        head.split(' ').nth(1).unwrap().parse().unwrap()
    }
}
