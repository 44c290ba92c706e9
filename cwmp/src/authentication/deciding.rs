//! One Inform's case: what there is to know of it, and what the expression says.

use acs_core::credentials::CredentialRecord;
use acs_core::device::StoredDevice;
use acs_core::expression::{Expression, OutsideAnswers, Scalar};
use acs_core::rpc::Inform;
use acs_core::script::ExtensionCall;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::evaluation::{Evidence, Proof, Verdict};
use super::header::Presented;
use super::nonce::{Nonce, Use};
use super::{AuthenticationOptions, Claim, REALM};
use crate::channel::Channel;
use crate::connection::Connection;
use crate::endpoint::Endpoint;
use crate::first_message::SMALL_BODY;
use crate::opening::InformContext;
use crate::pool::Priority;
use crate::statistics::count;

/// Extensions that one case may ask.
const MOST_ASKED: usize = 16;

/// An Inform that claims to be a device's, with what is known of the device.
pub(super) struct Case<'a> {
    pub(super) claim: Claim<'a>,
    inform: &'a Inform,
    device: Option<StoredDevice>,
    pub(super) timestamp: i64,
    pub(super) options: AuthenticationOptions,
    pub(super) record: CredentialRecord,
    /// There is no record, so what is stored of the device's parameters counts.
    pub(super) takes_stored: bool,
}

/// A request's credentials, as far as they can be looked at without a password.
pub(super) struct Credentials {
    pub(super) presented: Presented,
    /// The nonce of a digest.
    nonce: Option<Nonce>,
    /// There was a digest, and only its nonce is at fault.
    pub(super) is_stale: bool,
}

/// Why a device is not let in.
pub(super) enum Denial {
    /// It may try again.
    Challenge { is_stale: bool },
    /// It presents what is wrong.
    Wrong(&'static str),
    /// It belongs to somebody else.
    OtherIdentity,
    /// Nothing can be said now.
    Unavailable,
}

impl<'a> Case<'a> {
    /// A case with the default options, of a device that has no credentials of its own.
    pub(super) fn new(claim: Claim<'a>, inform: &'a Inform, device: Option<StoredDevice>, timestamp: i64) -> Case<'a> {
        let (options, record) = Default::default();
        Case { claim, inform, device, timestamp, options, record, takes_stored: true }
    }

    pub(super) fn context(&self) -> InformContext<'_> {
        InformContext {
            id: self.claim.device,
            inform: self.inform,
            device: self.device.as_ref(),
            timestamp: self.timestamp,
            channel: self.claim.channel,
        }
    }

    fn judge(&self, gate: &Expression, presented: &Presented, answers: &OutsideAnswers) -> Verdict {
        let Claim { connection, channel, .. } = self.claim;
        let evidence = Evidence {
            device: &self.context(),
            presented,
            certificate: connection.certificate.as_ref(),
            is_encrypted: channel.is_encrypted,
            listener: &connection.policy.name,
            record: &self.record,
            takes_stored: self.takes_stored,
            answers,
        };
        evidence.judge(gate)
    }
}

/// Whether passwords may come as they are.
pub(super) fn may_use_basic(connection: &Connection, channel: &Channel, options: &AuthenticationOptions) -> bool {
    channel.is_encrypted || connection.policy.allow_basic || options.allow_basic_without_tls
}

impl Endpoint {
    /// Looks at a request's credentials.
    pub(super) async fn credentials(&self, claim: Claim<'_>, options: &AuthenticationOptions) -> Credentials {
        let Claim { connection, channel, body, device } = claim;
        let nothing = |is_stale| Credentials { presented: Presented::Nothing, nonce: None, is_stale };
        let Some(authorization) = &body.authorization else { return nothing(false) };
        let remote = &*channel.remote;
        match Presented::read(authorization.value.as_bytes()) {
            Presented::Nothing => nothing(false),
            Presented::Basic { .. } if !may_use_basic(connection, channel, options) => {
                debug!(target: "cwmp", device, remote, "Basic is not taken without encryption");
                nothing(false)
            }
            basic @ Presented::Basic { .. } => Credentials { presented: basic, nonce: None, is_stale: false },
            Presented::Digest(mut answer) => {
                if !options.algorithms.contains(&answer.algorithm) {
                    return nothing(false);
                }
                let nonce = self.memory.nonces.read(&answer.nonce).filter(|_| answer.realm == REALM);
                let Some(nonce) = nonce else { return nothing(true) };
                let target = authorization.target.as_str();
                if answer.uri != target {
                    let uri = answer.uri.as_str();
                    debug!(target: "cwmp", device, remote, uri, target, "the digest's uri is not the requested one");
                }
                if answer.covers_body() {
                    let (bytes, algorithm) = (body.bytes.clone(), answer.algorithm);
                    answer.body_hash = match bytes.len() > SMALL_BODY {
                        true => self.parts.pool.run(Priority::Opening, move || algorithm.hash(&[&bytes])).await.ok(),
                        false => Some(algorithm.hash(&[&bytes])),
                    };
                }
                Credentials { presented: Presented::Digest(answer), nonce: Some(nonce), is_stale: false }
            }
        }
    }

    /// Evaluates the expression, with what extensions say.
    pub(super) async fn decide(
        &self,
        gate: &Expression,
        case: &Case<'_>,
        credentials: &Credentials,
    ) -> Result<Proof, Denial> {
        let Claim { connection, channel, device, .. } = case.claim;
        let presents = !matches!(credentials.presented, Presented::Nothing);
        if presents && !self.memory.failures.allow(device, channel.address) {
            debug!(target: "cwmp", device, remote = &*channel.remote, "too many failures: not looked at");
            count(&self.statistics.authentication_failures);
            return Err(Denial::Challenge { is_stale: false });
        }
        let mut answers = OutsideAnswers::default();
        loop {
            match case.judge(gate, &credentials.presented, &answers) {
                Verdict::Accepted(proof) => return self.spend_nonce(case, credentials, &proof).map(|()| proof),
                Verdict::Refused if presents => return Err(Denial::Wrong("wrong credentials")),
                Verdict::Refused if connection.certificate.is_some() && !credentials.is_stale => {
                    return Err(Denial::Wrong("the client certificate does not suffice"));
                }
                Verdict::Refused => return Err(Denial::Challenge { is_stale: credentials.is_stale }),
                Verdict::Asks(_) if answers.count() >= MOST_ASKED => return Err(Denial::Unavailable),
                Verdict::Asks(call) => {
                    let answer = self.ask(device, &call.arguments).await;
                    answers.answer(call, answer);
                }
            }
        }
    }

    /// A digest is good once.
    fn spend_nonce(&self, case: &Case<'_>, credentials: &Credentials, proof: &Proof) -> Result<(), Denial> {
        let (Some(nonce), Presented::Digest(answer)) = (credentials.nonce, &credentials.presented) else {
            return Ok(());
        };
        if proof.credentials.is_none() {
            return Ok(());
        }
        let Claim { connection, channel, device, .. } = case.claim;
        let is_strict = case.options.strict_nonce_count;
        match self.memory.nonces.spend(nonce, answer.count(), connection.id, is_strict) {
            Use::Granted => Ok(()),
            Use::Repeated => {
                warn!(target: "cwmp", device, remote = &*channel.remote, "a digest came again");
                Err(Denial::Challenge { is_stale: true })
            }
        }
    }

    /// What an extension says: null when it fails, or says what is no single value.
    async fn ask(&self, device: &str, arguments: &[Scalar]) -> Scalar {
        let call = ExtensionCall { arguments: arguments.iter().map(Scalar::to_json).collect() };
        let deadline = Instant::now() + self.limits().extension_time;
        match self.call_extensions(vec![call], deadline).await.pop() {
            Some((_, Ok(answer))) => Scalar::from_json(&answer).unwrap_or(Scalar::Null),
            Some((_, Err(fault))) => {
                let code = fault.code.as_str();
                warn!(target: "cwmp", device, code, "an extension that authenticates failed: {}", fault.message);
                Scalar::Null
            }
            None => Scalar::Null,
        }
    }
}
