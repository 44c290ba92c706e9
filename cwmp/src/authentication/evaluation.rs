//! The expression that says who is let in (`cwmp.auth`), evaluated for one request.
//!
//! Extensions take time, and this does not: it says which call it needs, and is done again with the answer.

use std::cell::RefCell;

use acs_core::credentials::{CredentialRecord, PASSWORDS, USERNAMES};
use acs_core::expression::{Context, Evaluated, Expression, OutsideAnswers, OutsideCall, Scalar};
use percent_encoding::percent_decode_str;
use subtle::ConstantTimeEq;
use tls::ClientCertificate;

use super::header::{Presented, Secret};

/// The HTTP method of CWMP.
const METHOD: &str = "POST";

/// What the expression can know.
pub(crate) struct Evidence<'a> {
    /// The stored device and its Inform.
    pub(crate) device: &'a dyn Context,
    pub(crate) presented: &'a Presented,
    pub(crate) certificate: Option<&'a ClientCertificate>,
    pub(crate) is_encrypted: bool,
    pub(crate) listener: &'a str,
    /// What the server knows of the device's own credentials.
    pub(crate) record: &'a CredentialRecord,
    /// Whether the user name and password among the stored parameters are the device's own, too.
    pub(crate) takes_stored: bool,
    /// What extensions have said already.
    pub(crate) answers: &'a OutsideAnswers,
}

/// What becomes of a request.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The device is let in.
    Accepted(Proof),
    /// It is not.
    Refused,
    /// That depends on what this extension says.
    Asks(OutsideCall),
}

/// What the device has proved on the way.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Proof {
    /// The user name and the password that the request was right for.
    pub(crate) credentials: Option<(String, Secret)>,
    /// Which of the device's own credentials these were.
    pub(crate) own: Option<usize>,
    /// They were those among the stored parameters.
    pub(crate) is_stored: bool,
}

impl Evidence<'_> {
    /// Evaluates the expression.
    pub(crate) fn judge(&self, expression: &Expression) -> Verdict {
        let evaluation = Evaluation { evidence: self, proof: RefCell::default() };
        match self.answers.evaluate(expression, &evaluation) {
            Evaluated::Value(value) if value.is_true() => Verdict::Accepted(evaluation.proof.into_inner()),
            Evaluated::Value(_) => Verdict::Refused,
            Evaluated::Call(call) => Verdict::Asks(call),
        }
    }

    fn proves(&self, username: &str, password: &str) -> bool {
        proves(self.presented, username, password)
    }
}

/// Whether a request presents this user and password.
pub(crate) fn proves(presented: &Presented, username: &str, password: &str) -> bool {
    let same_name = |presented: &str| is_same_name(username, presented);
    match presented {
        Presented::Nothing => false,
        Presented::Basic { username, password: given } => {
            let is_right: bool = given.0.as_bytes().ct_eq(password.as_bytes()).into();
            same_name(username) && is_right
        }
        Presented::Digest(answer) => same_name(&answer.username) && answer.proves(password, METHOD),
    }
}

/// Reserved characters of device IDs are percent-encoded (TR-069 §3.4.4), by some devices only.
fn is_same_name(one: &str, other: &str) -> bool {
    let decoded = |name: &str| percent_decode_str(name).collect::<Vec<u8>>();
    one == other || decoded(one) == decoded(other)
}

struct Evaluation<'a> {
    evidence: &'a Evidence<'a>,
    proof: RefCell<Proof>,
}

impl Evaluation<'_> {
    fn auth(&self, arguments: &[Scalar]) -> Scalar {
        let [username, password] = arguments else { return Scalar::Null };
        let (Some(username), Some(password)) = (username.to_text(), password.to_text()) else { return Scalar::Null };
        if username.is_empty() || password.is_empty() {
            return Scalar::Null;
        }
        let is_right = self.evidence.proves(&username, &password);
        if is_right {
            self.proof.borrow_mut().credentials = Some((username.into_owned(), Secret(password.into_owned())));
        }
        Scalar::Bool(is_right)
    }

    /// True for own credentials, false when the device has other ones; null when it may have none.
    fn own_credentials(&self) -> Scalar {
        let Evidence { record, device, takes_stored, .. } = self.evidence;
        for (place, own) in record.credentials.iter().enumerate() {
            if self.auth(&[own.username.as_str().into(), own.password.as_str().into()]).is_true() {
                self.proof.borrow_mut().own = Some(place);
                return Scalar::Bool(true);
            }
        }
        if !record.credentials.is_empty() || !takes_stored {
            // As long as the device may not have taken them, it may have others.
            return if record.is_enrolled() { Scalar::Bool(false) } else { Scalar::Null };
        }
        let stored = USERNAMES.iter().zip(PASSWORDS);
        let stored = stored.map(|(username, password)| [device.parameter(username), device.parameter(password)]);
        let answer: Scalar = stored.map(|pair| self.auth(&pair)).find(|answer| !answer.is_null()).into();
        self.proof.borrow_mut().is_stored = answer.is_true();
        answer
    }

    fn client_certificate(&self, arguments: &[Scalar]) -> Scalar {
        let Some(certificate) = self.evidence.certificate else {
            return if arguments.is_empty() { Scalar::Null } else { Scalar::Bool(false) };
        };
        match arguments.first() {
            None => certificate.subject().into(),
            Some(name) => match name.to_text() {
                Some(name) => Scalar::Bool(certificate.names.iter().any(|known| is_same_name(known, &name))),
                None => Scalar::Null,
            },
        }
    }
}

impl Context for Evaluation<'_> {
    fn parameter(&self, path: &str) -> Scalar {
        self.evidence.device.parameter(path)
    }

    fn now(&self) -> i64 {
        self.evidence.device.now()
    }

    fn remote_address(&self) -> Option<&str> {
        self.evidence.device.remote_address()
    }

    fn call(&self, name: &str, arguments: &[Scalar]) -> Option<Scalar> {
        Some(match name {
            "AUTH" => self.auth(arguments),
            "OWN_CREDENTIALS" => self.own_credentials(),
            "CLIENT_CERTIFICATE" => self.client_certificate(arguments),
            "ENCRYPTED" => Scalar::Bool(self.evidence.is_encrypted),
            "LISTENER" => self.evidence.listener.into(),
            "EXT" => return None,
            _ => Scalar::Null,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use acs_core::credentials::OwnCredentials;
    use acs_core::expression::parse;

    use super::*;

    /// A device that has told its serial number, and whose credentials are stored as parameters.
    struct Device;
    impl Context for Device {
        fn parameter(&self, path: &str) -> Scalar {
            match path {
                "DeviceID.ID" => "0A1B2C-My%20Box-1".into(),
                "InternetGatewayDevice.ManagementServer.Username" => "stored".into(),
                "InternetGatewayDevice.ManagementServer.Password" => "pass".into(),
                _ => Scalar::Null,
            }
        }
        fn now(&self) -> i64 {
            0
        }
        fn remote_address(&self) -> Option<&str> {
            Some("192.0.2.1")
        }
    }

    struct Case<'a> {
        presented: Presented,
        names: &'a [&'a str],
        record: CredentialRecord,
        takes_stored: bool,
        answers: OutsideAnswers,
    }

    fn basic(username: &str, password: &str) -> Case<'static> {
        let presented = Presented::Basic { username: username.into(), password: Secret(password.into()) };
        Case { presented, ..nothing() }
    }

    fn nothing() -> Case<'static> {
        Case {
            presented: Presented::Nothing,
            names: &[],
            record: CredentialRecord::default(),
            takes_stored: true,
            answers: OutsideAnswers::default(),
        }
    }

    fn judge(case: &Case<'_>, expression: &str) -> Verdict {
        let names = case.names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let certificate = ClientCertificate { names, fingerprint: "f".into() };
        let evidence = Evidence {
            device: &Device,
            presented: &case.presented,
            certificate: Some(&certificate).filter(|_| !case.names.is_empty()),
            is_encrypted: true,
            listener: "tls",
            record: &case.record,
            takes_stored: case.takes_stored,
            answers: &case.answers,
        };
        evidence.judge(&parse(expression).unwrap())
    }

    fn is_let_in(case: &Case<'_>, expression: &str) -> bool {
        matches!(judge(case, expression), Verdict::Accepted(_))
    }

    #[test]
    fn the_expression_decides() {
        let certified = |names| Case { names, ..nothing() };
        let cases = [
            (nothing(), "TRUE", true),
            (nothing(), "AUTH('a', 'b')", false),
            (basic("a", "b"), "AUTH('a', 'b')", true),
            (basic("a", "c"), "AUTH('a', 'b')", false),
            (basic("c", "b"), "AUTH('a', 'b')", false),
            (basic("a", "b"), "AUTH('x', 'y') OR AUTH('a', 'b')", true),
            (basic("a", "1"), "AUTH('a', 1)", true),
            (basic("a", ""), "AUTH('a', '')", false),
            (basic("", ""), "AUTH(Device.Nothing, Device.Nothing)", false),
            (basic("0A1B2C-My Box-1", "b"), "AUTH(DeviceID.ID, 'b')", true),
            (nothing(), "REMOTE_ADDRESS() = '192.0.2.1' AND ENCRYPTED() AND LISTENER() = 'tls'", true),
            (nothing(), "CLIENT_CERTIFICATE() IS NULL", true),
            (nothing(), "CLIENT_CERTIFICATE(DeviceID.ID)", false),
            (certified(&["0A1B2C-My%20Box-1"]), "CLIENT_CERTIFICATE(DeviceID.ID)", true),
            (certified(&["other", "0A1B2C-My Box-1"]), "CLIENT_CERTIFICATE(DeviceID.ID)", true),
            (certified(&["0A1B2C-My Box-2"]), "CLIENT_CERTIFICATE(DeviceID.ID)", false),
            (certified(&["class", "x"]), "CLIENT_CERTIFICATE() = 'class'", true),
            (basic("a", "b"), "NO_SUCH_FUNCTION()", false),
            (basic("a", "b"), "USERNAME() = 'a'", false),
        ];
        for (case, expression, expected) in cases {
            assert_eq!(is_let_in(&case, expression), expected, "{expression}");
        }
    }

    #[test]
    fn own_credentials_are_those_given_or_stored() {
        let with = |case: Case<'static>, known: &[(&str, bool)]| Case {
            record: CredentialRecord {
                identity: None,
                credentials: known
                    .iter()
                    .map(|(name, seen)| OwnCredentials {
                        username: (*name).to_owned(),
                        password: "p".into(),
                        seen: *seen,
                    })
                    .collect(),
            },
            ..case
        };
        let shared_then_own = "COALESCE(OWN_CREDENTIALS(), AUTH('enrol', 'e'))";
        let both = [("old", true), ("new", false)];
        let cases = [
            (basic("stored", "pass"), true),
            (basic("stored", "p"), false),
            (Case { takes_stored: false, ..basic("stored", "pass") }, false),
            (Case { takes_stored: false, ..basic("enrol", "e") }, true),
            (with(basic("old", "p"), &both), true),
            (with(basic("new", "p"), &both), true),
            (with(basic("enrol", "e"), &both), false),
            (with(basic("stored", "pass"), &both), false),
            (with(basic("new", "p"), &[("new", false)]), true),
            (with(basic("enrol", "e"), &[("new", false)]), true),
            (with(basic("enrol", "f"), &[("new", false)]), false),
        ];
        for (case, expected) in cases {
            assert_eq!(is_let_in(&case, shared_then_own), expected, "{:?}", case.presented);
        }
        let case = with(basic("new", "p"), &both);
        let Verdict::Accepted(proof) = judge(&case, shared_then_own) else { panic!("refused") };
        assert_eq!(proof.own, Some(1));
        assert_eq!(proof.credentials.map(|(username, _)| username).as_deref(), Some("new"));
    }

    #[test]
    fn extensions_are_asked_one_after_the_other() {
        let expression = "AUTH('a', EXT('db', 'password', 'a')) OR EXT('db', 'open')";
        let call = |arguments: &[&str]| OutsideCall {
            name: "EXT".into(),
            arguments: arguments.iter().map(|argument| Scalar::from(*argument)).collect(),
        };
        let (password, open) = (call(&["db", "password", "a"]), call(&["db", "open"]));
        let mut case = basic("a", "b");
        assert_eq!(judge(&case, expression), Verdict::Asks(password.clone()));
        case.answers.answer(password.clone(), "b".into());
        assert!(is_let_in(&case, expression), "the second need not be asked");
        let mut case = basic("a", "b");
        case.answers.answer(password, Scalar::Null);
        assert_eq!(judge(&case, expression), Verdict::Asks(open.clone()));
        case.answers.answer(open, Scalar::Null);
        assert_eq!(judge(&case, expression), Verdict::Refused);
    }
}
