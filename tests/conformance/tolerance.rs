//! Tolerance: messages that are wrong in one way each, taken all the same. Each is a file in `fixtures/`, sent as it is; the device's
//! serial number is the file's name.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::kit::{Inform, Server, parameter};

/// What the server makes of a fixture: the file, values that are stored, and the kinds of repairs that are counted.
type Case = (&'static str, Vec<(&'static str, Json)>, &'static [&'static str]);

fn cases() -> Vec<Case> {
    let model = || vec![("Device.DeviceInfo.ModelName", json!("M"))];
    let a = |text: &str| vec![("Device.DeviceInfo.A", json!(text))];
    vec![
        ("no-id", model(), &["missing-id"]),
        ("empty-id", model(), &["missing-id"]),
        ("odd-prefixes", model(), &[]),
        ("odd-namespaces", model(), &["unknown-namespace"]),
        (
            "types",
            vec![
                ("Device.DeviceInfo.A", json!(true)),
                ("Device.DeviceInfo.B", json!(7)),
                ("Device.DeviceInfo.C", json!("2026-01-02T03:04:05.000Z")),
                ("Device.DeviceInfo.D", json!(-3)),
                ("Device.DeviceInfo.E", json!("text")),
                ("Device.DeviceInfo.F", json!("text")),
                ("Device.DeviceInfo.G", json!("text")),
            ],
            &[],
        ),
        (
            "missing-value",
            vec![
                ("Device.DeviceInfo.A", json!("")),
                ("Device.DeviceInfo.B", json!("")),
                ("Device.DeviceInfo.C", json!("")),
                ("Device.DeviceInfo.D", json!("there")),
            ],
            &["missing-value"],
        ),
        (
            "cdata",
            vec![
                ("Device.DeviceInfo.A", json!("a & b <c>")),
                ("Device.DeviceInfo.B", json!("before <&> after")),
                ("Device.DeviceInfo.C", json!("")),
            ],
            &[],
        ),
        (
            "control-characters",
            vec![("Device.DeviceInfo.A", json!("abcde")), ("Device.DeviceInfo.B", json!("tab\tand\tmore"))],
            &["invalid-characters"],
        ),
        ("array-types", vec![("Device.DeviceInfo.A", json!("1")), ("Device.DeviceInfo.B", json!("2"))], &[]),
        ("latin1", a("Größe"), &[]),
        ("latin1-undeclared", a("Größe"), &[]),
        ("windows-1251", a("Привет"), &[]),
        ("utf16-le", a("Größe €"), &[]),
        ("utf16-be", a("Größe €"), &[]),
        ("byte-order-mark", a("Größe €"), &[]),
        ("duplicates", a("last"), &["duplicate-parameter"]),
        ("illegal-names", a("legal"), &["missing-element"]),
        (
            "booleans",
            (0..10).map(|index| (BOOLEANS[index], json!(index < 5))).chain([(BOOLEANS[10], json!("yes"))]).collect(),
            &["unreadable-value"],
        ),
        (
            "dates",
            (0..8)
                .map(|index| (DATES[index], json!("2026-01-02T03:04:05.000Z")))
                .chain([
                    (DATES[8], json!("0001-01-01T00:00:00.000Z")),
                    (DATES[9], json!("")),
                    (DATES[10], json!("soon")),
                ])
                .collect(),
            &["unreadable-value"],
        ),
    ]
}

const BOOLEANS: [&str; 11] = [
    "Device.B.P0",
    "Device.B.P1",
    "Device.B.P2",
    "Device.B.P3",
    "Device.B.P4",
    "Device.B.P5",
    "Device.B.P6",
    "Device.B.P7",
    "Device.B.P8",
    "Device.B.P9",
    "Device.B.P10",
];
const DATES: [&str; 11] = [
    "Device.D.P0",
    "Device.D.P1",
    "Device.D.P2",
    "Device.D.P3",
    "Device.D.P4",
    "Device.D.P5",
    "Device.D.P6",
    "Device.D.P7",
    "Device.D.P8",
    "Device.D.P9",
    "Device.D.P10",
];

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
