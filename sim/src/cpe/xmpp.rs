//! Connection requests over XMPP (TR-069 Annex K), by a client library of its own kind: the simulated device is online as long as
//! it lives, and answers the IQs of those who know its credentials.

use std::sync::Arc;

use futures_util::StreamExt;
use tokio::task::JoinHandle;
use tokio_xmpp::connect::DnsConfig;
use tokio_xmpp::jid::Jid;
use tokio_xmpp::parsers::iq::Iq;
use tokio_xmpp::parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};
use tokio_xmpp::xmlstream::Timeouts;
use tokio_xmpp::{Client, Event, Stanza};

use super::connection_request::Signal;
use super::{Device, DeviceError};
use crate::model::Node;
use crate::value::{Value, XsdType};

const NAMESPACE: &str = "urn:broadband-forum-org:cwmp:xmppConnReq-1-0";

/// A device's connection; closes when dropped.
#[derive(Debug)]
pub(super) struct XmppListener(JoinHandle<()>);

impl Drop for XmppListener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Device {
    /// Goes online, if the options ask for it. Returns when the Jabber ID is known, which is then in the model.
    pub async fn listen_xmpp(&mut self) -> Result<(), DeviceError> {
        let Some(options) = self.options.xmpp.clone() else { return Ok(()) };
        let failed = |reason: String| DeviceError::Listen {
            address: options.server.clone(),
            source: std::io::Error::other(reason),
        };
        let jid = Jid::new(&options.jid).map_err(|error| failed(format!("{}: {error}", options.jid)))?;
        if jid.node().is_none() {
            return Err(failed(format!("{} has no user", options.jid)));
        }
        let server = DnsConfig::Addr { addr: options.server.clone() };
        let mut client = Client::new_plaintext(jid, options.password.clone(), server, Timeouts::tight());
        let bound = loop {
            match client.next().await {
                Some(Event::Online { bound_jid, .. }) => break bound_jid,
                Some(_) => {}
                None => return Err(failed("the connection is lost".to_owned())),
            }
        };
        let path = self.model.under_root("ManagementServer.ConnReqJabberID");
        let value = Value { xsd: XsdType::String, text: bound.to_string().into() };
        self.model.insert(&path, Node { writable: false, value: Some(value) });
        self.changed.insert(path);
        self.xmpp_listener = Some(XmppListener(tokio::spawn(run(client, Arc::clone(&self.signal)))));
        Ok(())
    }
}

async fn run(mut client: Client, signal: Arc<Signal>) {
    while let Some(event) = client.next().await {
        let Event::Stanza(Stanza::Iq(Iq::Get { from, id, payload, .. })) = event else { continue };
        let child = |name| payload.get_child(name, NAMESPACE).map(|child| child.text()).unwrap_or_default();
        let error = |condition| StanzaError::new(ErrorType::Cancel, condition, "en", "");
        let answer = if !payload.is("connectionRequest", NAMESPACE) {
            Err(error(DefinedCondition::ServiceUnavailable))
        } else if (child("username"), child("password")) != signal.credentials() {
            Err(error(DefinedCondition::NotAuthorized))
        } else {
            signal.accept();
            Ok(())
        };
        let answer = match answer {
            Ok(()) => Iq::Result { from: None, to: from, id, payload: None },
            Err(error) => Iq::Error { from: None, to: from, id, error, payload: None },
        };
        if client.send_stanza(answer.into()).await.is_err() {
            return;
        }
    }
}
