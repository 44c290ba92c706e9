//! Plans: what a session would ask and tell a device (`docs/plan.md`). Here are the request and its refusals; the binary, which has
//! the configuration, plans.

use acs_core::path::Path;
use acs_core::value::Value;
use async_trait::async_trait;
use hyper::StatusCode;
use serde_json::{Map, Value as Json};
use store::{ScopedStore, StoreError};

use super::documents::read_json;
use super::target::Segment;
use super::{Nbi, device_id, secrets};
use crate::answer::{Answer, Refusal};

/// The events of a session, unless a request names others.
const EVENTS: [&str; 1] = ["2 PERIODIC"];
/// What a request may have.
const FIELDS: [&str; 5] = ["presets", "provision", "script", "set", "events"];

/// What is to be planned.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanRequest {
    /// What is run.
    pub subject: PlanSubject,
    /// Values that are declared besides, in order: path or pattern, and value.
    pub set: Vec<(String, Value)>,
    /// The event codes of the session.
    pub events: Vec<String>,
    /// Whether the plan may be made with, and tell, values of secret parameters.
    pub reveal: bool,
}

/// What a planned session runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanSubject {
    /// All presets that would match, and the tasks that wait.
    Presets,
    /// One stored provision, as if a preset selected it.
    Provision(String),
    /// This Rhai source, as if it were a provision.
    Script(String),
    /// Nothing but the values that are set.
    Values,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The device is not stored.
    #[error("no such device: {0}")]
    NoSuchDevice(String),
    /// The request cannot be planned; says why.
    #[error("{0}")]
    Invalid(String),
    /// The script does not compile; says where and why.
    #[error("{0}")]
    Script(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server could not do it.
    #[error("{0}")]
    Failed(String),
}

/// Plans sessions. The binary brings it, see [`Nbi::with_planner`].
#[async_trait]
pub trait Planner: Send + Sync {
    /// Plans a session of a device. Nothing is sent or written.
    ///
    /// The plan is `{requests: [{rpc, arguments}], changes: [{path, before, after, origin}], faults, log}`, with values as
    /// `[value, type]`.
    ///
    /// # Errors
    /// [`PlanError`]
    async fn plan(&self, device_id: &str, request: PlanRequest) -> Result<Json, PlanError>;
}

impl From<PlanError> for Refusal {
    fn from(error: PlanError) -> Refusal {
        match error {
            PlanError::NoSuchDevice(_) => Refusal::Missing("No such device"),
            PlanError::Invalid(message) => bad(message),
            PlanError::Script(message) => Refusal::BadRequest(format!("SyntaxError: {message}")),
            PlanError::Store(error) => error.into(),
            PlanError::Failed(reason) => Refusal::Store(StoreError::Database { doing: "planning", reason }),
        }
    }
}

/// POST `/devices/<id>/plan`
pub async fn post(
    nbi: &Nbi,
    store: &ScopedStore,
    given: &Segment,
    body: &[u8],
    reveal: bool,
) -> Result<Answer, Refusal> {
    let Some(planner) = &nbi.planner else { return Err(Refusal::NotFound) };
    let document = if body.trim_ascii().is_empty() { Json::Object(Map::new()) } else { read_json(body)? };
    let request = read_request(&document, reveal)?;
    let found = device_id::require(store, given).await?;
    let mut plan = planner.plan(&found.id, request).await?;
    if !reveal {
        secrets::mask_plan(&mut plan);
    }
    Ok(Answer::json(StatusCode::OK, &plan).warnings(found.warning()))
}

fn bad(message: impl std::fmt::Display) -> Refusal {
    Refusal::BadRequest(format!("Error: {message}"))
}

fn read_request(document: &Json, reveal: bool) -> Result<PlanRequest, Refusal> {
    let Json::Object(map) = document else { return Err(bad("the body must be an object")) };
    if let Some(unknown) = map.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        return Err(bad(format!("$.{unknown}: unknown field; known are {}", FIELDS.join(", "))));
    }
    let set = map.get("set").map(read_set).transpose()?;
    Ok(PlanRequest {
        subject: read_subject(map)?,
        set: set.unwrap_or_default(),
        events: map.get("events").map_or_else(|| Ok(EVENTS.map(str::to_owned).to_vec()), read_events)?,
        reveal,
    })
}

fn read_subject(map: &Map<String, Json>) -> Result<PlanSubject, Refusal> {
    let presets = match map.get("presets") {
        None => false,
        Some(Json::Bool(wanted)) => *wanted,
        Some(_) => return Err(bad("$.presets: must be true or false")),
    };
    let text = |field: &str| match map.get(field) {
        None => Ok(None),
        Some(Json::String(text)) if !text.trim().is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(bad(format!("$.{field}: must be a text that is not empty"))),
    };
    match (presets, text("provision")?, text("script")?) {
        (false, Some(name), None) => Ok(PlanSubject::Provision(name)),
        (false, None, Some(source)) => Ok(PlanSubject::Script(source)),
        (true, None, None) => Ok(PlanSubject::Presets),
        (false, None, None) if map.contains_key("set") => Ok(PlanSubject::Values),
        (false, None, None) => Ok(PlanSubject::Presets),
        _ => Err(bad("only one of presets, provision and script can be planned at once")),
    }
}

fn read_set(set: &Json) -> Result<Vec<(String, Value)>, Refusal> {
    let Json::Object(values) = set else { return Err(bad("$.set: must be an object as {\"path\": value}")) };
    let one = |(path, value): (&String, &Json)| {
        Path::parse(path).map_err(|error| bad(format!("$.set: {error}")))?;
        let value = match value {
            Json::String(text) => Value::Text(text.clone()),
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => Value::Int(number),
                (None, Some(float)) if !number.is_u64() => Value::Float(float),
                // Too large for an integer, and exact as text.
                _ => Value::Text(number.to_string()),
            },
            _ => return Err(bad(format!("$.set[{path:?}]: must be a text, a number or a boolean"))),
        };
        Ok((path.clone(), value))
    };
    values.iter().map(one).collect()
}

fn read_events(events: &Json) -> Result<Vec<String>, Refusal> {
    let wrong = || bad("$.events: must be a list of event codes as [\"1 BOOT\"]");
    let code = |code: &Json| code.as_str().filter(|code| !code.trim().is_empty()).map(str::to_owned);
    events.as_array().ok_or_else(wrong)?.iter().map(|event| code(event).ok_or_else(wrong)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(document: Json) -> Result<PlanRequest, String> {
        read_request(&document, true).map_err(|refusal| match refusal {
            Refusal::BadRequest(message) => message,
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn bodies_say_what_is_planned() {
        let set = || vec![("A.B".to_owned(), Value::Int(5)), ("A.C".to_owned(), Value::Text("x".to_owned()))];
        let cases = [
            (json!({}), PlanSubject::Presets, Vec::new()),
            (json!({"presets": true}), PlanSubject::Presets, Vec::new()),
            (json!({"presets": true, "set": {"A.B": 5, "A.C": "x"}}), PlanSubject::Presets, set()),
            (json!({"provision": "wifi"}), PlanSubject::Provision("wifi".to_owned()), Vec::new()),
            (json!({"script": "log(1);"}), PlanSubject::Script("log(1);".to_owned()), Vec::new()),
            (json!({"set": {"A.B": 5, "A.C": "x"}}), PlanSubject::Values, set()),
        ];
        for (document, subject, set) in cases {
            let request = read(document.clone()).unwrap();
            assert_eq!((request.subject, request.set), (subject, set), "{document}");
            assert_eq!(request.events, ["2 PERIODIC"]);
        }
        assert_eq!(read(json!({"events": ["1 BOOT", "4 VALUE CHANGE"]})).unwrap().events, ["1 BOOT", "4 VALUE CHANGE"]);
        let numbers = read(json!({"set": {"A": 18_446_744_073_709_551_615_u64, "B": 1.5, "C": false}})).unwrap().set;
        let values: Vec<Value> = numbers.into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, [Value::Text(u64::MAX.to_string()), Value::Float(1.5), Value::Bool(false)]);
    }
}
