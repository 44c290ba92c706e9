//! How the XMPP server is reached: TCP, then STARTTLS with certificates of the operator's choice (RFC 6120 §5).

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use sasl::common::ChannelBinding;
use tokio::io::{AsyncRead, AsyncWrite, BufStream};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_xmpp::Error;
use tokio_xmpp::connect::ServerConnector;
use tokio_xmpp::jid::Jid;
use tokio_xmpp::parsers::starttls;
use tokio_xmpp::xmlstream::{
    PendingFeaturesRecv, StreamHeader, Timeouts, XmppStream, XmppStreamElement, initiate_stream,
};
use tracing::warn;

use super::{XmppOptions, XmppOptionsError};

/// A connection, encrypted or not.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

/// Connects to one server.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    server: Arc<str>,
    /// `None`: without TLS.
    tls: Option<Arc<ClientConfig>>,
}

impl Connector {
    pub(super) fn new(options: &XmppOptions, domain: &str) -> Result<Connector, XmppOptionsError> {
        let server = options.server.clone().unwrap_or_else(|| format!("{domain}:5222"));
        let tls = if options.without_tls { None } else { Some(client_config(options)?) };
        Ok(Connector { server: server.into(), tls })
    }

    pub(super) fn server(&self) -> &str {
        &self.server
    }

    async fn transport(
        &self,
        jid: &Jid,
        namespace: &'static str,
        timeouts: Timeouts,
    ) -> Result<Box<dyn Transport>, Error> {
        let tcp = TcpStream::connect(&*self.server).await?;
        let Some(tls) = &self.tls else { return Ok(Box::new(tcp)) };
        let stream = initiate_stream(BufStream::new(tcp), namespace, header(jid), timeouts).await?;
        let (features, mut stream): (_, XmppStream<BufStream<TcpStream>>) = stream.recv_features().await?;
        if !features.can_starttls() {
            return Err(refused("the server offers no TLS"));
        }
        stream.send(&XmppStreamElement::Starttls(starttls::Nonza::Request(starttls::Request))).await?;
        match stream.next().await.map(|read| read.and_then(|element| element.into_read_error())) {
            Some(Ok(XmppStreamElement::Starttls(starttls::Nonza::Proceed(_)))) => {}
            _ => return Err(refused("the server does not go on with TLS")),
        }
        let name = ServerName::try_from(jid.domain().as_str().to_owned());
        let name = name.map_err(|_| refused("the domain is no name that a certificate can have"))?;
        let tcp = stream.into_inner().into_inner();
        Ok(Box::new(TlsConnector::from(tls.clone()).connect(name, tcp).await?))
    }
}

impl ServerConnector for Connector {
    type Stream = BufStream<Box<dyn Transport>>;

    async fn connect(
        &self,
        jid: &Jid,
        ns: &'static str,
        timeouts: Timeouts,
    ) -> Result<(PendingFeaturesRecv<Self::Stream>, ChannelBinding), Error> {
        let connected = async {
            let transport = self.transport(jid, ns, timeouts).await?;
            Ok(initiate_stream(BufStream::new(transport), ns, header(jid), timeouts).await?)
        };
        match connected.await {
            Ok(stream) => Ok((stream, ChannelBinding::None)),
            Err(error) => {
                // It is tried again, so nobody else hears of it.
                let error: Error = error;
                warn!(target: "cwmp", server = &*self.server, %error, "no XMPP connection");
                Err(error)
            }
        }
    }
}

fn header(jid: &Jid) -> StreamHeader<'_> {
    StreamHeader { to: Some(Cow::Borrowed(jid.domain().as_str())), from: None, id: None }
}

fn refused(reason: &str) -> Error {
    Error::Io(io::Error::new(io::ErrorKind::ConnectionRefused, reason))
}

fn client_config(options: &XmppOptions) -> Result<Arc<ClientConfig>, XmppOptionsError> {
    let mut roots = RootCertStore::empty();
    match &options.certificate_authority {
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(path) => {
            let failed =
                |error: &dyn std::fmt::Display| XmppOptionsError::Certificates(format!("{}: {error}", path.display()));
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))? {
                let certificate = certificate.map_err(|error| failed(&error))?;
                roots.add(certificate).map_err(|error| failed(&error))?;
            }
        }
    }
    if roots.is_empty() {
        return Err(XmppOptionsError::Certificates("there are none".to_owned()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| XmppOptionsError::Certificates(error.to_string()))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
