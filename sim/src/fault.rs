//! Faults to inject: rules that make the simulated device misbehave in a chosen way at a chosen moment.
//!
//! A rule is written `RPC[#n][@path]=action`, e.g. `SetParameterValues=9002`, `AddObject#2=close`,
//! `*@Device.WiFi.=slow:500`, and may be a JSON object too. Lasting oddities of a device are not rules, see
//! `cpe::Behaviour`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What happens instead of, or with, the proper answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultAction {
    /// `9002`: a CWMP fault with this code; the request is not carried out. SetParameterValues with a path and one of
    /// 9005 to 9008 gives fault 9003 with an entry per matching parameter.
    Fault(u32),
    /// `soap-fault`: a SOAP fault without detail; the request is not carried out.
    SoapFault,
    /// `empty`: an empty POST instead of an answer; the request is not carried out.
    EmptyPost,
    /// `hang`: the request is carried out and never answered; the connection stays open.
    Hang,
    /// `close`: the request is carried out, then the connection is closed without an answer.
    Close,
    /// `malformed`: the answer's XML is cut off in the middle of a tag.
    Malformed,
    /// `slow:500`: the answer comes after this many milliseconds.
    Slow(u64),
    /// `wrong-id`: the answer has another `cwmp:ID` than the request.
    WrongId,
    /// `no-id`: the answer has no `cwmp:ID`.
    NoId,
    /// `wrong-response`: the answer belongs to another RPC.
    WrongResponse,
    /// `chunked`: the answer is sent with chunked transfer encoding.
    Chunked,
}

/// When to inject what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "RuleForm")]
pub struct FaultRule {
    /// The RPC's name; `None` is any. `Inform`, `TransferComplete` and `GetRPCMethods` (called by the device) work too, with
    /// the actions that concern delivery.
    pub rpc: Option<String>,
    /// Only the n-th time that this rule's other conditions hold, counted from 1; always when `None`.
    pub occurrence: Option<u32>,
    /// Only when the request names a path that begins so, or a partial path that contains it.
    pub path: Option<String>,
    /// What happens.
    pub action: FaultAction,
}

/// Why a text is not a fault rule.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("fault rule {rule:?}: {problem} (expected RPC[#n][@path]=action, e.g. SetParameterValues#2=9002)")]
pub struct FaultRuleError {
    rule: String,
    problem: String,
}

impl FaultRule {
    /// Reads `RPC[#n][@path]=action`; see [`FaultAction`] for the actions. `*` is any RPC.
    pub fn parse(text: &str) -> Result<Self, FaultRuleError> {
        let error = |problem: String| FaultRuleError { rule: text.to_owned(), problem };
        let (condition, action) = text.rsplit_once('=').ok_or_else(|| error("no `=`".into()))?;
        let (condition, path) = match condition.split_once('@') {
            Some((condition, path)) if !path.is_empty() => (condition, Some(path.to_owned())),
            Some(_) => return Err(error("empty path".into())),
            None => (condition, None),
        };
        let (rpc, occurrence) = match condition.split_once('#') {
            Some((rpc, number)) => match number.parse() {
                Ok(number) if number > 0 => (rpc, Some(number)),
                _ => return Err(error(format!("{number:?} is not a number from 1"))),
            },
            None => (condition, None),
        };
        let rpc = match rpc {
            "" => return Err(error("no RPC name".into())),
            "*" => None,
            name => Some(name.to_owned()),
        };
        let action = action.parse().map_err(error)?;
        Ok(Self { rpc, occurrence, path, action })
    }

    /// Whether RPC and paths are this rule's; how often it happened is counted elsewhere.
    pub fn matches(&self, rpc: &str, paths: &[&str]) -> bool {
        let right_rpc = self.rpc.as_deref().is_none_or(|name| name == rpc);
        let right_path = match &self.path {
            None => true,
            Some(prefix) => paths.iter().any(|path| covers(path, prefix)),
        };
        right_rpc && right_path
    }
}

/// Whether a requested path is below `prefix`, or is a partial path that `prefix` is below.
pub fn covers(path: &str, prefix: &str) -> bool {
    path.starts_with(prefix) || ((path.is_empty() || path.ends_with('.')) && prefix.starts_with(path))
}

impl FromStr for FaultAction {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(milliseconds) = text.strip_prefix("slow:") {
            return match milliseconds.parse() {
                Ok(milliseconds) => Ok(Self::Slow(milliseconds)),
                Err(_) => Err(format!("{milliseconds:?} is not a number of milliseconds")),
            };
        }
        Ok(match text {
            "soap-fault" => Self::SoapFault,
            "empty" => Self::EmptyPost,
            "hang" => Self::Hang,
            "close" => Self::Close,
            "malformed" => Self::Malformed,
            "wrong-id" => Self::WrongId,
            "no-id" => Self::NoId,
            "wrong-response" => Self::WrongResponse,
            "chunked" => Self::Chunked,
            code => match code.parse() {
                Ok(code) => Self::Fault(code),
                Err(_) => return Err(format!("unknown action {code:?}")),
            },
        })
    }
}

impl fmt::Display for FaultAction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Fault(code) => return write!(formatter, "{code}"),
            Self::Slow(milliseconds) => return write!(formatter, "slow:{milliseconds}"),
            Self::SoapFault => "soap-fault",
            Self::EmptyPost => "empty",
            Self::Hang => "hang",
            Self::Close => "close",
            Self::Malformed => "malformed",
            Self::WrongId => "wrong-id",
            Self::NoId => "no-id",
            Self::WrongResponse => "wrong-response",
            Self::Chunked => "chunked",
        })
    }
}

impl fmt::Display for FaultRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.rpc.as_deref().unwrap_or("*"))?;
        if let Some(occurrence) = self.occurrence {
            write!(formatter, "#{occurrence}")?;
        }
        if let Some(path) = &self.path {
            write!(formatter, "@{path}")?;
        }
        write!(formatter, "={}", self.action)
    }
}

impl From<FaultRule> for String {
    fn from(rule: FaultRule) -> Self {
        rule.to_string()
    }
}

/// The two JSON forms of a rule.
#[derive(Deserialize)]
#[serde(untagged)]
enum RuleForm {
    Text(String),
    Fields { rpc: Option<String>, occurrence: Option<u32>, path: Option<String>, action: ActionForm },
}

/// An action in JSON: a fault code may be a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum ActionForm {
    Code(u32),
    Text(String),
}

impl TryFrom<RuleForm> for FaultRule {
    type Error = String;

    fn try_from(form: RuleForm) -> Result<Self, String> {
        match form {
            RuleForm::Text(text) => Self::parse(&text).map_err(|error| error.to_string()),
            RuleForm::Fields { rpc, occurrence, path, action } => Ok(Self {
                rpc: rpc.filter(|name| name != "*"),
                occurrence,
                path,
                action: match action {
                    ActionForm::Code(code) => FaultAction::Fault(code),
                    ActionForm::Text(text) => text.parse()?,
                },
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rules_are_parsed_and_written_back() {
        let table = [
            ("SetParameterValues=9002", Some("SetParameterValues"), None, None, FaultAction::Fault(9002)),
            ("AddObject#2=close", Some("AddObject"), Some(2), None, FaultAction::Close),
            ("*@Device.WiFi.=slow:500", None, None, Some("Device.WiFi."), FaultAction::Slow(500)),
            ("Inform#1=hang", Some("Inform"), Some(1), None, FaultAction::Hang),
            ("Reboot#3@x=wrong-id", Some("Reboot"), Some(3), Some("x"), FaultAction::WrongId),
        ];
        for (text, rpc, occurrence, path, action) in table {
            let rule = FaultRule::parse(text).unwrap();
            assert_eq!(rule.rpc.as_deref(), rpc, "{text}");
            assert_eq!((rule.occurrence, rule.path.as_deref(), rule.action), (occurrence, path, action), "{text}");
            assert_eq!(rule.to_string(), text);
        }
    }

    #[test]
    fn every_action_has_a_word_that_reads_back() {
        for word in "9005 soap-fault empty hang close malformed slow:7 wrong-id no-id wrong-response chunked".split(' ')
        {
            assert_eq!(word.parse::<FaultAction>().unwrap().to_string(), word);
        }
    }

    #[test]
    fn wrong_rules_say_what_is_wrong() {
        let table = [
            ("Reboot", "no `=`"),
            ("=9002", "no RPC name"),
            ("Reboot#0=9002", "\"0\" is not a number from 1"),
            ("Reboot#x=9002", "\"x\" is not a number from 1"),
            ("Reboot@=9002", "empty path"),
            ("Reboot=explode", "unknown action \"explode\""),
            ("Reboot=slow:long", "not a number of milliseconds"),
        ];
        for (text, problem) in table {
            let message = FaultRule::parse(text).unwrap_err().to_string();
            assert!(message.contains(problem), "{text}: {message}");
        }
    }

    #[test]
    fn json_has_a_text_and_an_object_form() {
        let text: FaultRule = serde_json::from_str("\"AddObject#2=9004\"").unwrap();
        let object: FaultRule =
            serde_json::from_str(r#"{"rpc": "AddObject", "occurrence": 2, "action": 9004}"#).unwrap();
        assert_eq!(text, object);
        assert_eq!(serde_json::to_string(&object).unwrap(), "\"AddObject#2=9004\"");
        assert!(serde_json::from_str::<FaultRule>("\"AddObject=?\"").is_err());
    }

    #[test]
    fn a_path_matches_below_it_and_partial_paths_above_it() {
        let rule = FaultRule::parse("GetParameterValues@Device.WiFi.SSID.=9005").unwrap();
        let table = [
            ("Device.WiFi.SSID.1.SSID", true),
            ("Device.WiFi.SSID.", true),
            ("Device.WiFi.", true),
            ("", true),
            ("Device.WiFi.Radio.", false),
            ("Device.WiFi", false),
        ];
        for (path, expected) in table {
            assert_eq!(rule.matches("GetParameterValues", &[path]), expected, "{path}");
        }
        assert!(!rule.matches("SetParameterValues", &["Device.WiFi.SSID.1.SSID"]));
        assert!(!rule.matches("GetParameterValues", &[]));
    }
}
