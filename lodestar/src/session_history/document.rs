//! Sessions as the REST API shows them, and as they are stored: of each device one document, in which what happened is text, so that
//! no database minds what scripts and devices say.

use std::time::Duration;

use acs_core::session::LogKind;
use acs_core::value::format_date_time;
use cwmp::SessionTrace;
use cwmp::trace::{Step, StepKind, TracedMessage};
use serde_json::{Map, Value as Json, json};

/// A session as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub id: String,
    /// In milliseconds since the Unix epoch.
    pub began: i64,
    /// [`summary`] as text.
    pub summary: String,
    /// [`steps`] as text.
    pub steps: String,
}

impl Kept {
    /// A session to be stored.
    pub fn of(trace: &SessionTrace, node: &str) -> Kept {
        let (summary, steps) = (summary(trace, node).to_string(), steps(trace).to_string());
        Kept { id: id(trace), began: trace.began, summary, steps }
    }

    /// About the bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.id.len() + self.summary.len() + self.steps.len() + 64
    }
}

/// A device's stored sessions. What is damaged is left out.
pub fn read(document: &Json) -> Vec<Kept> {
    let text = |session: &Json, field: &str| session.get(field).and_then(Json::as_str).map(str::to_owned);
    let one = |session: &Json| {
        let began = session.get("began").and_then(Json::as_i64)?;
        let (summary, steps) = (text(session, "summary")?, text(session, "steps")?);
        Some(Kept { id: text(session, "id")?, began, summary, steps })
    };
    document.get("sessions").and_then(Json::as_array).into_iter().flatten().filter_map(one).collect()
}

/// The document of a device's stored sessions.
pub fn write(sessions: &[Kept]) -> Json {
    let one = |kept: &Kept| json!({ "id": kept.id, "began": kept.began, "summary": kept.summary, "steps": kept.steps });
    json!({ "sessions": sessions.iter().map(one).collect::<Vec<_>>() })
}

/// What was stored as text.
pub fn parse(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|_| json!({}))
}

/// A session's `_id`.
pub fn id(trace: &SessionTrace) -> String {
    format!("{:024x}", trace.id)
}

/// A session without its steps.
pub fn summary(trace: &SessionTrace, node: &str) -> Json {
    let ended = trace.began.saturating_add(i64::try_from(trace.took.as_millis()).unwrap_or(i64::MAX));
    let outcome = if trace.failure.is_none() { "completed" } else { "failed" };
    let counts = &trace.counts;
    let times = &trace.times;
    let mut shown = json!({
        "_id": id(trace),
        "device": &*trace.device,
        "node": node,
        "began": format_date_time(trace.began),
        "ended": format_date_time(ended),
        "remoteAddress": &*trace.remote,
        "events": trace.events,
        "registered": trace.registered,
        "outcome": outcome,
        "acsRequests": counts.acs_requests,
        "cpeRequests": counts.cpe_requests,
        "cpeFaults": counts.cpe_faults,
        "bytesReceived": counts.bytes_received,
        "bytesSent": counts.bytes_sent,
        "milliseconds": {
            "total": milliseconds(trace.took),
            "device": milliseconds(times.device),
            "engine": milliseconds(times.engine),
            "extensions": milliseconds(times.extensions),
            "store": milliseconds(times.store),
        },
        "faults": trace.faults.iter().filter_map(|(channel, fault)| {
            let fault = fault.as_ref()?;
            Some(json!({ "channel": channel, "code": fault.code, "message": fault.message }))
        }).collect::<Vec<_>>(),
        "clearedFaults": trace.faults.iter().filter(|(_, fault)| fault.is_none()).map(|(channel, _)| channel).collect::<Vec<_>>(),
        "tasks": trace.tasks.iter().map(|(task, state)| json!({ "_id": task, "state": state })).collect::<Vec<_>>(),
        "stored": false,
    });
    if let Some(reason) = &trace.failure {
        shown["reason"] = reason.as_str().into();
    }
    shown
}

/// What happened in a session, in order.
pub fn steps(trace: &SessionTrace) -> Json {
    let mut steps: Vec<Json> = trace.steps.iter().map(step).collect();
    if trace.steps_left_out > 0 {
        steps.push(json!({ "kind": "left out", "steps": trace.steps_left_out }));
    }
    steps.into()
}

fn step(step: &Step) -> Json {
    let mut shown = match &step.kind {
        StepKind::Received(message) => message_json("received", message),
        StepKind::Sent(message) => message_json("sent", message),
        StepKind::Log { kind, message, provision } => {
            let kind = match kind {
                LogKind::Script => "script",
                LogKind::Fault => "fault",
                LogKind::Note => "note",
            };
            let mut line =
                Map::from_iter([("kind".to_owned(), kind.into()), ("text".to_owned(), message.as_str().into())]);
            if let Some(provision) = provision {
                line.insert("provision".to_owned(), provision.as_str().into());
            }
            line
        }
        StepKind::Extensions { names } => {
            Map::from_iter([("kind".to_owned(), "extensions".into()), ("names".to_owned(), json!(names))])
        }
    };
    shown.insert("at".to_owned(), milliseconds(step.at));
    shown.into()
}

fn message_json(kind: &str, message: &TracedMessage) -> Map<String, Json> {
    let mut shown = Map::new();
    shown.insert("kind".to_owned(), kind.into());
    shown.insert("method".to_owned(), message.method.as_ref().into());
    shown.insert("bytes".to_owned(), message.bytes.into());
    if let Some(detail) = &message.detail {
        if !detail.summary.is_empty() {
            shown.insert("text".to_owned(), detail.summary.as_str().into());
        }
        if !detail.causes.is_empty() {
            shown.insert("causes".to_owned(), json!(detail.causes));
        }
        if let Some(content) = &detail.content {
            shown.insert("content".to_owned(), content.as_str().into());
        }
    }
    shown
}

/// With three places behind the point.
fn milliseconds(time: Duration) -> Json {
    let microseconds = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    (f64::from(microseconds) / 1_000.0).into()
}

#[cfg(test)]
pub mod tests {
    use cwmp::TraceLevel;
    use cwmp::trace::{TraceCounts, TraceTimes};

    use super::*;

    /// A session of a device in which nothing happened.
    pub fn trace(device: &str, id: u128) -> SessionTrace {
        SessionTrace {
            id,
            device: device.into(),
            remote: "192.0.2.1".into(),
            began: 1_700_000_000_000 + id as i64,
            took: Duration::from_micros(12_345),
            events: vec!["2 PERIODIC".to_owned()],
            registered: false,
            failure: None,
            counts: TraceCounts::default(),
            times: TraceTimes::default(),
            faults: Vec::new(),
            tasks: Vec::new(),
            steps: Vec::new(),
            steps_left_out: 0,
            level: TraceLevel::All,
        }
    }

    #[test]
    fn what_is_stored_is_what_is_read() {
        let kept: Vec<Kept> = [2, 1].map(|id| Kept::of(&trace("a", id), "node")).to_vec();
        assert_eq!(read(&write(&kept)), kept);
        assert_eq!(parse(&kept[0].summary)["milliseconds"]["total"], json!(12.345));
        assert_eq!(kept[0].id, "000000000000000000000002");
        assert!(read(&json!({ "sessions": [{ "id": "x" }, 5] })).is_empty());
        assert!(read(&json!({})).is_empty());
    }
}
