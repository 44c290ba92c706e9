//! What a session leaves behind for whoever asks later what happened in it.

use std::time::Duration;

use cwmp::trace::{MessageDetail, StepKind};
use cwmp::{SessionOptions, SessionTrace, TraceLevel};

use super::kit::*;

const PASSPHRASE: &str = "Device.WiFi.AccessPoint.1.Security.KeyPassphrase";
const CANARY: &str = "canary-Wx7#q9";

/// The steps in short: who speaks, and what.
fn steps(trace: &SessionTrace) -> Vec<String> {
    let short = |kind: &StepKind| match kind {
        StepKind::Received(message) => format!("< {}", message.method),
        StepKind::Sent(message) => format!("> {}", message.method),
        StepKind::Log { message, .. } => format!("log {message}"),
        StepKind::Extensions { names } => format!("extensions {}", names.join(", ")),
    };
    trace.steps.iter().map(|step| short(&step.kind)).collect()
}

/// What is known of the message of this method.
fn detail<'t>(trace: &'t SessionTrace, wanted: &str) -> Option<&'t MessageDetail> {
    trace.steps.iter().find_map(|step| match &step.kind {
        StepKind::Received(message) | StepKind::Sent(message) if message.method == wanted => message.detail.as_deref(),
        _ => None,
    })
}

fn level(level: TraceLevel) -> impl Fn(&dyn acs_core::expression::Context) -> SessionOptions {
    move |_| SessionOptions { trace: level, ..SessionOptions::default() }
}

#[tokio::test]
async fn a_quiet_session_is_told_without_details() {
    let mut server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    for registered in [true, false] {
        assert_eq!(device.begin().await.status, 204);
        let trace = server.trace().await;
        assert_eq!(steps(&trace), ["< Inform", "> InformResponse", "< "]);
        assert!(detail(&trace, "Inform").is_none() && detail(&trace, "InformResponse").is_none());
        assert_eq!((&*trace.device, &*trace.remote), (&*device.id(), "127.0.0.1"));
        assert_eq!((trace.registered, trace.failure.as_deref()), (registered, None));
        assert_eq!(trace.events, ["2 PERIODIC"]);
        assert_eq!((trace.counts.acs_requests, trace.counts.cpe_requests), (0, 1));
        assert_eq!(trace.counts.bytes_received, inform("1").len() as u64);
        assert!(trace.counts.bytes_sent > 0);
    }
}

#[tokio::test]
async fn requests_are_told_with_who_wants_them() {
    let mut server = Server::start(Scripts::none().with("restart", reboot).with("tell", extension)).await;
    let mut device = server.device("1").await;
    let first = server.answering("told", device.begin()).await;
    let refused = fault(first.cwmp_id(), "9002");
    assert_eq!(server.answering("told", device.post(&refused)).await.status, 204);
    let trace = server.trace().await;
    assert_eq!(steps(&trace)[2..6], ["< ", "extensions lookup", "> Reboot", "< Fault"]);
    let cause = "preset restart, provision restart";
    assert_eq!(detail(&trace, "Reboot").unwrap().causes, [cause]);
    assert_eq!(detail(&trace, "Fault").unwrap().summary, "9002 no");
    assert_eq!((trace.counts.acs_requests, trace.counts.cpe_faults), (1, 1));
    let faults: Vec<(&str, &str)> = trace
        .faults
        .iter()
        .filter_map(|(channel, fault)| Some((channel.as_str(), fault.as_ref()?.code.as_str())))
        .collect();
    assert_eq!(faults, [("restart", "cwmp.9002")]);
}

#[tokio::test]
async fn sessions_that_are_broken_off_say_why() {
    let options = || SessionOptions { session_timeout: Duration::from_millis(300), ..SessionOptions::default() };
    let mut server = Server::start(Scripts::none().with("a", reboot).options(move |_| options())).await;
    let mut device = server.device("1").await;
    assert_eq!(device.begin().await.rpc(), "Reboot");
    let trace = server.trace().await;
    assert_eq!(trace.failure.as_deref(), Some("no message for 0.3 s"));
    assert_eq!(steps(&trace)[..4], ["< Inform", "> InformResponse", "< ", "> Reboot"]);

    let mut device = server.device("2").await;
    assert_eq!(device.begin().await.rpc(), "Reboot");
    assert_eq!(device.post("<nonsense").await.status, 400);
    let trace = server.trace().await;
    assert!(trace.failure.is_some());
    assert_eq!(trace.steps.iter().filter(|step| matches!(step.kind, StepKind::Received(_))).count(), 3);
}

#[tokio::test]
async fn messages_are_kept_where_that_is_configured() {
    for (chosen, kept) in [(TraceLevel::All, false), (TraceLevel::Messages, true)] {
        let mut server = Server::start(Scripts::none().with("a", reboot).options(level(chosen))).await;
        let mut device = server.device("1").await;
        let request = device.begin().await;
        assert_eq!(device.respond(&request).await.status, 204);
        let trace = server.trace().await;
        let content = |method| detail(&trace, method).and_then(|detail| detail.content.clone());
        assert_eq!(content("Inform"), kept.then(|| inform("1")));
        assert_eq!(content("Reboot").is_some_and(|text| text == request.text()), kept);
        assert_eq!(content("RebootResponse").is_some(), kept);
    }
}

/// The device tells a secret, a script logs it and sets another one, and the device quotes that in its fault.
#[tokio::test]
async fn no_secret_is_in_a_trace() {
    const SET: &str = "set-Kz4-secret";
    let script = |run: &mut acs_core::script::ScriptRun| {
        run.log(format!("the passphrase was {CANARY}, and will be {SET}"), serde_json::Value::Null);
        write(run, PASSPHRASE, SET);
        acs_core::script::Outcome::Finished(serde_json::Value::Null)
    };
    let mut server = Server::start(Scripts::none().with("a", script).options(level(TraceLevel::Messages))).await;
    let mut device = server.device("1").await;
    let secret = format!(
        "<ParameterValueStruct><Name>{PASSPHRASE}</Name><Value>{CANARY}</Value></ParameterValueStruct></ParameterList>"
    );
    let inform = inform("1").replace("</ParameterList>", &secret);
    assert_eq!(device.post(&inform).await.rpc(), "InformResponse");
    let mut request = device.post("").await;
    while request.status == 200 {
        request = match &*request.rpc() {
            "SetParameterValues" => {
                assert!(request.text().contains(SET));
                let refused = fault(request.cwmp_id(), "9007").replace(">no<", &format!(">{SET} is too short<"));
                device.post(&refused).await
            }
            "GetParameterNames" => {
                let name = format!(
                    "<ParameterInfoStruct><Name>{PASSPHRASE}</Name><Writable>1</Writable></ParameterInfoStruct>"
                );
                let names = format!(
                    "<cwmp:GetParameterNamesResponse><ParameterList>{name}</ParameterList></cwmp:GetParameterNamesResponse>"
                );
                device.post(&envelope(request.cwmp_id(), &names)).await
            }
            other => panic!("{other}"),
        };
    }
    let told = format!("{:?}", server.trace().await);
    assert!(told.contains("SetParameterValues") && told.contains("the passphrase was ***"), "{told}");
    for secret in [CANARY, SET] {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
}
