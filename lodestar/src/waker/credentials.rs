//! Which credentials a device is given: those of `cwmp.connectionRequestAuth`, one after the other, then what it took last.

use acs_core::expression::{Context, Evaluated, Expression, OutsideAnswers, OutsideCall, Scalar};
use acs_core::script::ScriptFault;
use async_trait::async_trait;
use cwmp::ExtensionCaller;
use cwmp::connection_request::{ConnectionRequestError, Credentials};

use crate::outside::{self, MOST_CALLS};

/// What is asked with credentials.
#[async_trait]
pub trait Presenting: Send {
    /// Asks the device with these credentials. Returns whether it takes them.
    async fn present(&mut self, credentials: &Credentials) -> Result<bool, ConnectionRequestError>;
}

/// What credentials are taken from.
pub struct CredentialSource<'a> {
    /// `cwmp.connectionRequestAuth`
    pub expression: &'a Expression,
    /// The device.
    pub context: &'a (dyn Context + Send + Sync),
    /// For `EXT()`.
    pub extensions: &'a dyn ExtensionCaller,
    /// What the device took last.
    pub accepted: Option<Credentials>,
}

impl CredentialSource<'_> {
    /// Presents credentials until the device takes them. Returns those.
    ///
    /// # Errors
    /// [`ConnectionRequestError::WrongCredentials`], or why the device could not be asked.
    pub async fn try_in_turn(&self, presenting: &mut dyn Presenting) -> Result<Credentials, ConnectionRequestError> {
        let mut answers = OutsideAnswers::default();
        let mut tried: Vec<Credentials> = Vec::new();
        while answers.count() < MOST_CALLS {
            let Evaluated::Call(call) = answers.evaluate(self.expression, self.context) else { break };
            let value = match call.name.as_str() {
                "AUTH" => {
                    let credentials = credentials_of(&call);
                    let is_new = !tried.contains(&credentials);
                    if is_new && presenting.present(&credentials).await? {
                        return Ok(credentials);
                    }
                    tried.push(credentials);
                    Scalar::Bool(false)
                }
                "EXT" => self.extension(&call).await?,
                _ => Scalar::Null,
            };
            answers.answer(call, value);
        }
        if let Some(accepted) = self.accepted.clone().filter(|accepted| !tried.contains(accepted))
            && presenting.present(&accepted).await?
        {
            return Ok(accepted);
        }
        Err(ConnectionRequestError::WrongCredentials)
    }

    async fn extension(&self, call: &OutsideCall) -> Result<Scalar, ConnectionRequestError> {
        let failed =
            |fault: ScriptFault| ConnectionRequestError::Failed(format!("the extension failed: {}", fault.message));
        outside::extension(self.extensions, call).await.map_err(failed)
    }
}

fn credentials_of(call: &OutsideCall) -> Credentials {
    let text = |index: usize| {
        let text = call.arguments.get(index).and_then(|argument| argument.to_text().map(|text| text.into_owned()));
        text.unwrap_or_default()
    };
    Credentials { username: text(0), password: text(1) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use acs_core::expression::parse;
    use acs_core::script::ExtensionCall;
    use serde_json::{Value as Json, json};

    use super::*;

    /// A device that takes one set of credentials, and keeps what it was given.
    struct Device {
        wants: &'static str,
        given: Vec<String>,
    }

    #[async_trait]
    impl Presenting for Device {
        async fn present(&mut self, credentials: &Credentials) -> Result<bool, ConnectionRequestError> {
            self.given.push(format!("{}:{}", credentials.username, credentials.password));
            Ok(self.given.last().is_some_and(|given| given == self.wants))
        }
    }

    struct Known;

    impl Context for Known {
        fn parameter(&self, path: &str) -> Scalar {
            if path == "Tags.old" { "old".into() } else { Scalar::Null }
        }

        fn now(&self) -> i64 {
            0
        }

        fn call(&self, name: &str, _: &[Scalar]) -> Option<Scalar> {
            match name {
                "USERNAME" => Some("u".into()),
                "PASSWORD" => Some("p".into()),
                _ => None,
            }
        }
    }

    struct Vault;

    #[async_trait]
    impl ExtensionCaller for Vault {
        async fn call(&self, call: ExtensionCall) -> Result<Json, ScriptFault> {
            Ok(json!(format!("of {}", call.arguments[2].as_str().unwrap())))
        }
    }

    #[tokio::test]
    async fn credentials_are_tried_in_turn_and_what_worked_last_at_the_end() {
        let accepted = || Some(Credentials { username: "last".into(), password: "time".into() });
        type Case = (&'static str, Option<Credentials>, &'static str, bool, &'static [&'static str]);
        let cases: [Case; 8] = [
            ("AUTH(USERNAME(), PASSWORD())", None, "u:p", true, &["u:p"]),
            ("AUTH(USERNAME(), PASSWORD())", accepted(), "last:time", true, &["u:p", "last:time"]),
            ("AUTH(USERNAME(), PASSWORD())", accepted(), "x:y", false, &["u:p", "last:time"]),
            ("AUTH('a', 'b') OR AUTH(Tags.old, 'c')", None, "old:c", true, &["a:b", "old:c"]),
            ("AUTH('a', 'b') OR AUTH('a', 'b')", None, "x:y", false, &["a:b"]),
            ("AUTH('last', 'time')", accepted(), "x:y", false, &["last:time"]),
            ("AUTH('a', EXT('vault', 'password', USERNAME()))", None, "a:of u", true, &["a:of u"]),
            ("FALSE", None, "u:p", false, &[]),
        ];
        for (text, accepted, wants, is_taken, given) in cases {
            let mut device = Device { wants, given: Vec::new() };
            let expression = parse(text).unwrap();
            let source = CredentialSource { expression: &expression, context: &Known, extensions: &Vault, accepted };
            let result = source.try_in_turn(&mut device).await;
            assert_eq!(
                (result.is_ok(), device.given.as_slice()),
                (is_taken, given.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice()),
                "{text}"
            );
        }
    }
}
