//! The 401, with its challenges.

use acs_core::expression::{Context, Scalar};
use hyper::header::{self, HeaderValue};
use tracing::error;

use super::deciding::may_use_basic;
use super::{AuthenticationOptions, REALM};
use crate::answer::Answer;
use crate::body::unavailable;
use crate::channel::Channel;
use crate::connection::Connection;
use crate::endpoint::Endpoint;
use crate::statistics::count;

impl Endpoint {
    /// Asks for credentials. The second time on a connection it is closed after that, unless only the nonce was at fault.
    pub(super) fn challenge(
        &self,
        connection: &Connection,
        channel: &Channel,
        options: &AuthenticationOptions,
        is_stale: bool,
    ) -> Answer {
        count(&self.statistics.challenges);
        let nonce = match self.memory.nonces.issue() {
            Ok(nonce) => nonce,
            Err(error) => {
                error!(target: "cwmp", "no random numbers: {error}");
                return unavailable(self.limits());
            }
        };
        let closes = !is_stale && connection.count_challenge() > 1;
        let stale = if is_stale { ", stale=true" } else { "" };
        let qop = if options.offers_auth_int { "auth,auth-int" } else { "auth" };
        let mut challenges: Vec<String> = Vec::with_capacity(3);
        for algorithm in &options.algorithms {
            let algorithm = algorithm.name();
            challenges.push(format!(
                "Digest realm=\"{REALM}\", qop=\"{qop}\", nonce=\"{nonce}\", algorithm={algorithm}{stale}"
            ));
        }
        if may_use_basic(connection, channel, options) {
            challenges.push(format!("Basic realm=\"{REALM}\""));
        }
        let values = challenges.into_iter().filter_map(|challenge| HeaderValue::try_from(challenge).ok());
        values.fold(Answer::unauthorized(closes), |answer, value| answer.with(header::WWW_AUTHENTICATE, value))
    }
}

/// What is known of a device that has not said who it is.
pub(super) struct Stranger(pub(super) i64);

impl Context for Stranger {
    fn parameter(&self, _path: &str) -> Scalar {
        Scalar::Null
    }

    fn now(&self) -> i64 {
        self.0
    }
}
