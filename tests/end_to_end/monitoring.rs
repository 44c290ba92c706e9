//! What monitoring sees of the binary: metrics, health, the description of the API; and pings.

use std::collections::{BTreeMap, BTreeSet};

use sim::cpe::ConnectionRequestMode;

use crate::kit::{Server, free_address};

/// A sample: the name, the labels, the value.
type Sample = (String, BTreeMap<String, String>, f64);

/// A row of the documentation's table: the name, the type, the labels.
type Row = (String, String, BTreeSet<String>);

/// The metrics that the documentation promises.
fn documented() -> Vec<Row> {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/monitoring.md");
    let text = std::fs::read_to_string(file).unwrap();
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().replace('`', "")).collect::<Vec<_>>();
    let rows = text.lines().filter(|line| line.starts_with("| `")).map(cells);
    rows.map(|cells| {
        let labels = cells[3].split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect();
        (cells[1].clone(), cells[2].clone(), labels)
    })
    .collect()
}

/// Reads Prometheus' text format, and insists on its rules: families in one piece with HELP and TYPE before their samples.
fn parse(text: &str) -> (BTreeMap<String, String>, Vec<Sample>) {
    let (mut families, mut samples) = (BTreeMap::new(), Vec::new());
    let mut current = String::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            current = rest.split(' ').next().unwrap().to_owned();
            assert!(!families.contains_key(&current), "{current} is there twice");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, current);
            families.insert(name.to_owned(), kind.to_owned());
        } else {
            let (head, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = head.split_once('{').unwrap_or((head, "}"));
            let suffix = name.strip_prefix(&current).unwrap_or_else(|| panic!("{line} is not of {current}"));
            assert!(suffix.is_empty() || families[&current] == "histogram", "{line}");
            let labels = labels.strip_suffix('}').unwrap().split(',').filter(|label| !label.is_empty()).map(|label| {
                let (name, value) = label.split_once('=').unwrap();
                (name.to_owned(), value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap().to_owned())
            });
            samples.push((name.to_owned(), labels.collect(), value.parse().unwrap()));
        }
    }
    (families, samples)
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_happened() {
    let address = free_address();
    let server = Server::start_with(&["--metrics-listen", &address.to_string()]);
    let mut device = server.device("MET1", |options| options.connection_request.mode = ConnectionRequestMode::Open);
    device.listen().await.unwrap();
    assert!(device.session(["1 BOOT"]).await.completed());
    assert_eq!(server.request("POST", "/devices/0A1B2C-SimCPE-MET1/tasks", r#"{"name":"getRPCMethods"}"#).status, 202);
    assert!(device.session(["2 PERIODIC"]).await.completed());
    assert_eq!(server.request_with("GET", "/devices", "X-API-Key: wrong\r\n", "").status, 401);
    // It says that it is on this machine, where no device may be.
    server.request("POST", "/devices/0A1B2C-SimCPE-MET1/tasks?connection_request", "");

    let answer = server.request_at(address, "GET", "/metrics", "", "");
    assert_eq!(answer.status, 200, "{answer:?}");
    let (families, samples) = parse(&answer.body);
    let documented = documented();
    let expected: BTreeMap<String, String> =
        documented.iter().map(|(name, kind, _)| (name.clone(), kind.clone())).collect();
    assert_eq!(families, expected);
    for (metric, kind, labels) in &documented {
        let own: Vec<&Sample> = samples.iter().filter(|(name, ..)| name.starts_with(metric.as_str())).collect();
        assert!(!own.is_empty(), "{metric} has no value");
        for (name, found, value) in own.iter().filter(|(name, ..)| name == metric) {
            assert_eq!(&found.keys().cloned().collect::<BTreeSet<_>>(), labels, "{name}");
            assert!(kind == "gauge" || *value >= 0.0, "{name} {value}");
        }
        assert_eq!(metric.ends_with("_total"), kind == "counter", "{metric}");
    }
    let value = |name: &str, label: Option<(&str, &str)>| {
        let fits = |labels: &BTreeMap<String, String>| {
            label.is_none_or(|(name, value)| labels.get(name).is_some_and(|found| found == value))
        };
        let fitting = samples.iter().filter(|(found, labels, _)| found == name && fits(labels));
        fitting.map(|(.., value)| value).sum::<f64>()
    };
    for (name, label, expected) in [
        ("lodestar_sessions_started_total", None, 2.0),
        ("lodestar_sessions_ended_total", Some(("outcome", "finished")), 2.0),
        ("lodestar_session_duration_seconds_count", None, 2.0),
        ("lodestar_session_duration_seconds_bucket", Some(("le", "+Inf")), 2.0),
        ("lodestar_task_changes_total", Some(("state", "done")), 1.0),
        ("lodestar_devices_registered_total", None, 1.0),
        ("lodestar_store_devices", None, 1.0),
        ("lodestar_authentication_failures_total", Some(("interface", "nbi")), 1.0),
        ("lodestar_authentication_failures_total", Some(("interface", "cwmp")), 0.0),
        ("lodestar_rpcs_total", Some(("method", "Inform")), 2.0),
        ("lodestar_nbi_answers_total", Some(("class", "5xx")), 1.0),
    ] {
        assert_eq!(value(name, label), expected, "{name} {label:?} in\n{}", answer.body);
    }
    for name in ["lodestar_script_steps_total", "lodestar_store_commits_total", "lodestar_connection_requests_total"] {
        assert!(value(name, None) > 0.0, "{name}");
    }
    assert_eq!(server.request_at(address, "GET", "/devices", "", "").status, 404);
    assert_eq!(server.request_at(address, "POST", "/metrics", "", "").status, 405);
}

#[test]
fn anybody_may_ask_whether_the_server_is_ready() {
    let server = Server::start();
    let answer = server.request_with("GET", "/health", "", "");
    assert_eq!((answer.status, answer.body.as_str()), (200, "OK"));
    let answer = server.request_with("GET", "/health", "Accept: application/json\r\n", "");
    assert_eq!(answer.body, r#"{"ready":true,"reasons":[]}"#);
}

#[test]
fn the_description_is_served_as_it_is_checked_in() {
    let server = Server::start();
    let checked_in = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let checked_in: serde_json::Value = serde_json::from_slice(&std::fs::read(checked_in).unwrap()).unwrap();
    assert_eq!(server.get("/openapi.json"), checked_in);
}

#[test]
fn a_ping_reaches_devices_and_nothing_else() {
    let server = Server::start();
    let answer = server.request("GET", "/ping/127.0.0.1", "");
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(server.request("GET", "/ping/no-such-host.invalid", "").status, 404);
    assert_eq!(server.request_with("GET", "/ping/127.0.0.1", "", "").status, 401);
    let server = Server::start_with(&["--connection-requests-to-this-machine"]);
    let answer = server.request("GET", "/ping/127.0.0.1", "");
    // Not every system lets a program send pings; then that is said.
    let is_pinged = answer.status == 200 && answer.body.contains("3 packets transmitted, 3 received, 0% packet loss");
    let is_forbidden = answer.status == 500 && answer.body.contains("net.ipv4.ping_group_range");
    assert!(is_pinged || is_forbidden, "{answer:?}");
}
