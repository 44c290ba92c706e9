//! Who a device is: HTTP authentication, client certificates, and whom its ID belongs to (TR-069 §3.4).
//!
//! ```text
//!  Inform ─► evidence: Authorization header, certificate, what is stored ─► cwmp.auth (evaluation) ─► who it is, or 401, or 8001
//!            header, digest, nonce                                          own credentials, binding   failures
//! ```
//!
//! A device authenticates itself with its Inform, before anything else happens: as long as it has not, nothing is stored of it and
//! its running session goes on. Later requests belong to the session by its cookie or connection, since many devices send their
//! credentials only once; a cookie on a connection of its own must not come with somebody else's credentials.

mod answers;
mod deciding;
mod digest;
mod evaluation;
mod failures;
mod header;
mod nonce;
mod options;
mod records;

use std::sync::Arc;

use acs_core::change::OutboxEvent;
use acs_core::expression::Expression;
use acs_core::rpc::Inform;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::StoreError;
use tracing::{error, info, warn};

use crate::answer::Answer;
use crate::body::{Body, unavailable};
use crate::channel::Channel;
use crate::connection::Connection;
use crate::endpoint::Endpoint;
use crate::ports::PinnedConfiguration;
use crate::sessions::LiveSession;
use crate::statistics::count;
use answers::Stranger;
use deciding::{Case, Denial};
use evaluation::{Proof, proves};
use failures::Failures;
use header::{Presented, Secret};
use nonce::Nonces;

pub use digest::Algorithm;
pub use options::AuthenticationOptions;
pub(crate) use records::Offer;

/// The user name that an Authorization header claims; `None` when the header cannot be read. Nothing is proved by it.
pub fn claimed_username(authorization: &[u8]) -> Option<String> {
    Presented::read(authorization).username().map(str::to_owned)
}

/// The realm of all challenges.
const REALM: &str = "Lodestar";
/// As much of a claimed user name as is told to others.
const LONGEST_NAME: usize = 128;

/// What authentication remembers from one request to the next.
#[derive(Default)]
pub(crate) struct Memory {
    nonces: Nonces,
    failures: Failures,
}

/// Who a session belongs to.
#[derive(Debug)]
pub(crate) struct Authenticated {
    /// `user:NAME` or `certificate:SUBJECT`.
    identity: String,
    credentials: Option<(String, Secret)>,
    /// The certificate's fingerprint.
    certificate: Option<String>,
}

/// The same where a session is kept in the store, beside the devices' own credentials.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct KeptIdentity {
    identity: String,
    credentials: Option<(String, String)>,
    certificate: Option<String>,
}

impl From<&Authenticated> for KeptIdentity {
    fn from(authenticated: &Authenticated) -> KeptIdentity {
        let Authenticated { identity, credentials, certificate } = authenticated;
        let credentials = credentials.as_ref().map(|(username, password)| (username.clone(), password.0.clone()));
        KeptIdentity { identity: identity.clone(), credentials, certificate: certificate.clone() }
    }
}

impl From<KeptIdentity> for Authenticated {
    fn from(kept: KeptIdentity) -> Authenticated {
        let KeptIdentity { identity, credentials, certificate } = kept;
        let credentials = credentials.map(|(username, password)| (username, Secret(password)));
        Authenticated { identity, credentials, certificate }
    }
}

/// A request that claims to be a device's.
#[derive(Clone, Copy)]
pub(crate) struct Claim<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) channel: &'a Channel,
    pub(crate) body: &'a Body,
    pub(crate) device: &'a str,
}

/// Why an Inform begins no session.
pub(crate) enum Rejected {
    /// With this answer.
    Answer(Answer),
    /// With fault 8001: the device is somebody else's.
    RequestDenied,
}

/// The expression that says who is let in. `None`: everybody is.
fn gate<'a>(connection: &'a Connection, configuration: &'a dyn PinnedConfiguration) -> Option<&'a Expression> {
    let gate = connection.policy.authentication.as_ref().or_else(|| configuration.authentication())?;
    let is_open = matches!(gate, Expression::Literal(value) if value.is_true());
    (!is_open).then_some(gate)
}

/// Whether an expression wants to know the stored device, and its own credentials.
fn needs(gate: &Expression) -> (bool, bool) {
    let (mut device, mut record) = (gate.has_computed_names(), false);
    gate.visit(&mut |part| match part {
        Expression::Parameter(name) => device |= !name.starts_with("DeviceID."),
        Expression::Call { name, .. } if name == "OWN_CREDENTIALS" => (device, record) = (true, true),
        _ => {}
    });
    (device, record)
}

impl Endpoint {
    /// The answer to an empty message outside of any session: a challenge when devices must authenticate themselves.
    pub(crate) fn greet(&self, connection: &Connection, channel: &Channel) -> Answer {
        let configuration = self.parts.configuration.current();
        match gate(connection, &*configuration) {
            None => Answer::empty(),
            Some(_) => {
                let options = configuration.authentication_options(&Stranger((self.parts.clock)()));
                self.challenge(connection, channel, &options, false)
            }
        }
    }

    /// Whether an Inform is the device's. `Ok(None)`: nobody asks. When it is rejected, all is as before.
    pub(crate) async fn authenticate(
        &self,
        claim: Claim<'_>,
        inform: &Inform,
        configuration: &dyn PinnedConfiguration,
    ) -> Result<Option<Arc<Authenticated>>, Rejected> {
        let Some(gate) = gate(claim.connection, configuration) else { return Ok(None) };
        let unreadable = |error: StoreError| {
            error!(target: "cwmp", device = claim.device, "the device cannot be authenticated: {error}");
            Rejected::Answer(unavailable(self.limits()))
        };
        let (needs_device, needs_record) = needs(gate);
        let device = match needs_device {
            true => self.parts.store.get_device(claim.device).await.map_err(unreadable)?,
            false => None,
        };
        let mut case = Case::new(claim, inform, device, (self.parts.clock)());
        case.options = configuration.authentication_options(&case.context());
        if needs_record || case.options.bind_identity {
            let record = self.credential_record(claim.device).await.map_err(unreadable)?;
            case.takes_stored = record.is_none();
            case.record = record.unwrap_or_default();
        }
        let credentials = self.credentials(claim, &case.options).await;
        let denial = match self.decide(gate, &case, &credentials).await {
            Ok(proof) => match self.let_in(&case, proof).await {
                Ok(authenticated) => return Ok(authenticated),
                Err(denial) => denial,
            },
            Err(denial) => denial,
        };
        let username = credentials.presented.username();
        let challenge = |is_stale| self.challenge(claim.connection, claim.channel, &case.options, is_stale);
        Err(match denial {
            Denial::Challenge { is_stale } => Rejected::Answer(challenge(is_stale)),
            Denial::Wrong(reason) => {
                self.failed(claim, username, reason, case.timestamp).await;
                Rejected::Answer(challenge(false))
            }
            Denial::OtherIdentity => {
                self.failed(claim, username, "the device belongs to another identity", case.timestamp).await;
                Rejected::RequestDenied
            }
            Denial::Unavailable => Rejected::Answer(unavailable(self.limits())),
        })
    }

    /// The device has proved what it should. Keeps what follows from that for its next time.
    async fn let_in(&self, case: &Case<'_>, proof: Proof) -> Result<Option<Arc<Authenticated>>, Denial> {
        let Claim { connection, channel, device, .. } = case.claim;
        let certificate = connection.certificate.as_ref();
        let identity = match (&proof.credentials, certificate) {
            (Some((username, _)), _) => Some(format!("user:{username}")),
            (None, Some(certificate)) => Some(format!("certificate:{}", certificate.subject())),
            (None, None) => None,
        };
        let mut record = case.record.clone();
        let mut has_changed = proof.own.is_some_and(|place| record.saw(place));
        if proof.is_stored
            && let Some((username, password)) = &proof.credentials
        {
            // From now on they are the device's own, whatever is stored of it later.
            record.offer(username, &password.0);
            has_changed |= record.saw(record.credentials.len() - 1);
        }
        if case.options.bind_identity && record.identity != identity {
            // What the server gave to the device itself proves who it is.
            if record.identity.is_some() && proof.own.is_none() && !proof.is_stored {
                return Err(Denial::OtherIdentity);
            }
            (record.identity, has_changed) = (identity.clone(), true);
        }
        if has_changed && let Err(error) = self.keep_record(device, &record).await {
            error!(target: "cwmp", device, "the device's credentials are not kept: {error}");
            return Err(Denial::Unavailable);
        }
        self.memory.failures.succeeded(device, channel.address);
        connection.forget_challenges();
        Ok(identity.map(|identity| {
            let certificate = certificate.map(|certificate| certificate.fingerprint.clone());
            Arc::new(Authenticated { identity, credentials: proof.credentials, certificate })
        }))
    }

    /// Somebody has claimed to be a device, and failed.
    async fn failed(&self, claim: Claim<'_>, username: Option<&str>, reason: &str, timestamp: i64) {
        let Claim { device, channel, connection, .. } = claim;
        let (remote, listener) = (&*channel.remote, connection.policy.name.as_str());
        let username: Option<String> = username.map(|name| name.chars().take(LONGEST_NAME).collect());
        count(&self.statistics.authentication_failures);
        self.memory.failures.failed(device, channel.address);
        warn!(target: "cwmp", device, remote, listener, username = username.as_deref(), "authentication failed: {reason}");
        let event = OutboxEvent {
            kind: "device.authentication_failed".to_owned(),
            device: device.to_owned(),
            at: timestamp,
            detail: json!({ "remote": remote, "listener": listener, "username": username, "reason": reason }),
        };
        if let Err(error) = self.parts.store.add_events(vec![event]).await {
            warn!(target: "cwmp", device, "the failed authentication is not told: {error}");
        }
    }

    /// Whether a request with a session's cookie, on a connection that is not the session's, may go on with it. What it presents,
    /// if anything, must be what the session began with.
    pub(crate) async fn may_resume(
        &self,
        live: &LiveSession,
        connection: &Connection,
        channel: &Channel,
        body: &Body,
    ) -> Result<(), Answer> {
        let Some(authenticated) = &live.origin.authenticated else { return Ok(()) };
        let fingerprint = connection.certificate.as_ref().map(|certificate| &certificate.fingerprint);
        let is_same_certificate = authenticated.certificate.as_ref() == fingerprint;
        if is_same_certificate && body.authorization.is_none() {
            return Ok(());
        }
        let claim = Claim { connection, channel, body, device: &live.device_id };
        let options = self.parts.configuration.current().authentication_options(&Stranger((self.parts.clock)()));
        let credentials = self.credentials(claim, &options).await;
        let is_right = match (&authenticated.credentials, &credentials.presented) {
            (_, Presented::Nothing) => !credentials.is_stale,
            (Some((username, password)), presented) => proves(presented, username, &password.0),
            // It was not asked for any.
            (None, _) => true,
        };
        if is_same_certificate && is_right {
            return Ok(());
        }
        if !credentials.is_stale {
            let (remote, identity) = (&*channel.remote, authenticated.identity.as_str());
            info!(target: "cwmp", device = &*live.device_id, remote, identity, "somebody else came with the session's cookie");
        }
        Err(self.challenge(connection, channel, &options, credentials.is_stale))
    }
}
