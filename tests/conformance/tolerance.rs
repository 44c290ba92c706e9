//! Tolerance: messages that are wrong in one way each, taken all the same. Each is a file in `fixtures/`, sent as it is; the device's
//! serial number is the file's name.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::kit::{Inform, Server, parameter};

/// What the server makes of a fixture: the file, values that are stored, and the kinds of repairs that are counted.
type Case = (&'static str, Vec<(String, Json)>, &'static [&'static str]);

/// Values below `Device.DeviceInfo.`.
fn info(values: &[(&str, Json)]) -> Vec<(String, Json)> {
    values.iter().map(|(name, value)| (format!("Device.DeviceInfo.{name}"), value.clone())).collect()
}

/// Values of `Device.B.P0`, `Device.B.P1` and so on, for the object `B`.
fn numbered(object: &str, values: &[Json]) -> Vec<(String, Json)> {
    let paths = (0..).map(|index| format!("Device.{object}.P{index}"));
    paths.zip(values.iter().cloned()).collect()
}

fn cases() -> Vec<Case> {
    let model = || info(&[("ModelName", json!("M"))]);
    let a = |text: &str| info(&[("A", json!(text))]);
    let empty = || json!("");
    let types = info(&[
        ("A", json!(true)),
        ("B", json!(7)),
        ("C", json!("2026-01-02T03:04:05.000Z")),
        ("D", json!(-3)),
        ("E", json!("text")),
        ("F", json!("text")),
        ("G", json!("text")),
    ]);
    let missing = info(&[("A", empty()), ("B", empty()), ("C", empty()), ("D", json!("there"))]);
    let cdata = info(&[("A", json!("a & b <c>")), ("B", json!("before <&> after")), ("C", empty())]);
    let controls = info(&[("A", json!("abcde")), ("B", json!("tab\tand\tmore"))]);
    let booleans = [vec![json!(true); 5], vec![json!(false); 5], vec![json!("yes")]].concat();
    let same_time = vec![json!("2026-01-02T03:04:05.000Z"); 8];
    let dates = [same_time, vec![json!("0001-01-01T00:00:00.000Z"), empty(), json!("soon")]].concat();
    vec![
        ("no-id", model(), &["missing-id"]),
        ("empty-id", model(), &["missing-id"]),
        ("odd-prefixes", model(), &[]),
        ("odd-namespaces", model(), &["unknown-namespace"]),
        ("types", types, &[]),
        ("missing-value", missing, &["missing-value"]),
        ("cdata", cdata, &[]),
        ("control-characters", controls, &["invalid-characters"]),
        ("array-types", info(&[("A", json!("1")), ("B", json!("2"))]), &[]),
        ("latin1", a("Größe"), &[]),
        ("latin1-undeclared", a("Größe"), &[]),
        ("windows-1251", a("Привет"), &[]),
        ("utf16-le", a("Größe €"), &[]),
        ("utf16-be", a("Größe €"), &[]),
        ("byte-order-mark", a("Größe €"), &[]),
        ("duplicates", a("last"), &["duplicate-parameter"]),
        ("illegal-names", a("legal"), &["missing-element"]),
        ("booleans", numbered("B", &booleans), &["unreadable-value"]),
        ("dates", numbered("D", &dates), &["unreadable-value"]),
    ]
}

fn fixture(name: &str) -> Vec<u8> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/fixtures");
    std::fs::read(directory.join(format!("{name}.xml"))).unwrap()
}

/// The kinds of repairs of all models.
fn repairs(server: &Server) -> Vec<String> {
    let models = server.get("/repairs");
    let kinds =
        models.as_array().unwrap().iter().flat_map(|model| model["repairs"].as_object().unwrap().keys().cloned());
    kinds.collect()
}

#[test]
fn each_fixture_is_taken_and_what_was_repaired_is_counted() {
    for (name, values, kinds) in cases() {
        let server = Server::start();
        let mut device = server.device(name);
        device.post_with("", &fixture(name)).expect("InformResponse");
        device.empty().expect_end();
        let id = format!("0A1B2C-Box-{}", name.replace('-', "%2D"));
        let stored = server.get(&format!("/devices/?query={{\"_id\":\"{}\"}}", id.replace('%', "%25")))[0].clone();
        for (path, expected) in values {
            let found = path.split('.').fold(&stored, |node, name| &node[name]);
            assert_eq!(found["_value"], expected, "{name}: {path}");
        }
        assert_eq!(repairs(&server), kinds, "{name}");
        assert_eq!(server.get("/faults"), json!([]), "{name}");
        assert_eq!(stored["_tags"], json!([]), "{name}");
    }
}

#[test]
fn every_fixture_has_a_case() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/fixtures");
    let mut files: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let mut names: Vec<&str> = cases().into_iter().map(|(name, ..)| name).collect();
    names.sort_unstable();
    assert_eq!(files, names);
}

#[test]
fn repairs_are_told_per_model_with_their_first_case() {
    let server = Server::start();
    for serial in ["one", "two"] {
        let mut device = server.device(serial);
        let message =
            Inform::of(serial).envelope("1").replace("<cwmp:ID soap-env:mustUnderstand=\"1\">1</cwmp:ID>", "");
        device.post(&message).expect("InformResponse");
        device.empty().expect_end();
    }
    let mut other = Inform::of("three");
    other.parameters = vec![parameter("Device.DeviceInfo.SoftwareVersion", "2.0")];
    let message = other.envelope("1").replace("<RetryCount>0</RetryCount>", "<RetryCount>many</RetryCount>");
    server.device("three").post(&message).expect("InformResponse");
    assert_eq!(
        server.get("/repairs"),
        json!([
            {
                "manufacturer": "ExampleCorp", "oui": "0A1B2C", "productClass": "Box", "softwareVersion": "1.0",
                "repairs": { "missing-id": { "messages": 2, "first": "Inform: no cwmp:ID" } },
            },
            {
                "manufacturer": "ExampleCorp", "oui": "0A1B2C", "productClass": "Box", "softwareVersion": "2.0",
                "repairs": { "unreadable-element": { "messages": 1, "first": "Inform: unreadable RetryCount" } },
            },
        ])
    );
}

#[test]
fn an_inform_of_20_000_parameters_is_taken() {
    let server = Server::start();
    let mut device = server.device("many");
    let mut inform = Inform::of("many");
    inform.parameters =
        (0..20_000).map(|index| parameter(&format!("Device.X.{index}.Name"), "some text of a value")).collect();
    device.send_inform(&inform).expect("InformResponse");
    device.empty().expect_end();
    assert_eq!(server.value(&device.id(), "Device.X.19999.Name"), "some text of a value");
}
