//! Recordings: what is secret is not in them, and what was equal is equal.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use acs_core::change::{DeviceSnapshot, SessionChange};
use acs_core::device::{DeviceHead, InformedValue, StoredDevice, Tags};
use acs_core::recording::{Header, Tape, fill, markers};
use acs_core::rpc::{AcsRequest, CpeResponse, Inform};
use acs_core::session::settings::Settings;
use acs_core::session::{Input, Output};
use acs_core::tree::DeviceTree;
use acs_core::value::{TypedValue, Value, XsdType};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn inform() -> Inform {
    let mut inform = Inform::default();
    inform.device_id.oui = "0A1B2C".into();
    inform.device_id.serial_number = "SERIAL0001".into();
    inform
}

fn read(pairs: &[(&str, TypedValue)]) -> Input {
    let list = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Input::Response(CpeResponse::GetParameterValuesResponse(list))
}

fn recorded(inform: &Inform, documents: Json, steps: &[(Input, Output)]) -> Vec<Json> {
    recorded_from(&DeviceSnapshot::default(), inform, documents, steps)
}

fn recorded_from(snapshot: &DeviceSnapshot, inform: &Inform, documents: Json, steps: &[(Input, Output)]) -> Vec<Json> {
    let mut tape = Tape::begin(snapshot, inform, 1, &Settings::default(), documents);
    for (input, output) in steps {
        tape.input(input);
        tape.output(output);
    }
    tape.end(&SessionChange::default())
}

#[test]
fn equal_secrets_have_equal_markers_wherever_they_are() {
    let set = AcsRequest::SetParameterValues {
        parameter_list: vec![("A.Password".into(), TypedValue::string("hush-hush"))],
        parameter_key: String::new(),
    };
    let values = [
        ("B.Password", TypedValue::string("hush-hush")),
        ("C.Password", TypedValue::string("other")),
        ("C.Text", TypedValue::string("it is hush-hush")),
        ("D.Password", TypedValue::string("")),
        ("E.Password", TypedValue(Value::Int(12_345_678), XsdType::UnsignedInt)),
        ("F.Password", TypedValue(Value::Int(3_600), XsdType::UnsignedInt)),
        ("G.Password", TypedValue(Value::Int(1_700_000_000_000), XsdType::DateTime)),
    ];
    let documents = json!({ "provisions": { "p": "declare(\"A.Password\", (), #{value: \"hush-hush\"})" } });
    let lines = recorded(&inform(), documents, &[(read(&values), Output::Request { id: "1".into(), request: set })]);
    assert_eq!(lines[0]["documents"]["provisions"]["p"], "declare(\"A.Password\", (), #{value: \"***1\"})");
    let read = &lines[1]["input"]["Response"]["GetParameterValuesResponse"];
    let values: Vec<&Json> = read.as_array().unwrap().iter().map(|pair| &pair[1][0]).collect();
    assert_eq!(
        values,
        [
            &json!("***1"),
            &json!("***2"),
            &json!("it is ***1"),
            &json!(""),
            &json!("***3"),
            &json!(3_600),
            &json!(1_700_000_000_000_i64)
        ]
    );
    let set = &lines[1]["output"]["Request"]["request"]["SetParameterValues"]["parameter_list"];
    assert_eq!(set[0], json!(["A.Password", ["***1", "xsd:string"]]));
}

#[test]
fn what_names_a_thing_is_replaced_only_as_a_value() {
    let values = [
        ("A.Password", TypedValue::string("SERIAL0001")),
        ("B.Password", TypedValue::string("Setting")),
        ("C.Password", TypedValue::string("xsd:string")),
        ("D.Setting", TypedValue::string("x")),
        ("E.Password", TypedValue::string("boolean")),
    ];
    let lines = recorded(&inform(), Json::Null, &[(read(&values), Output::Finished)]);
    let header: Header = serde_json::from_value(lines[0].clone()).unwrap();
    assert_eq!(header.inform, inform());
    let input: Input = serde_json::from_value(lines[1]["input"].clone()).unwrap();
    let expected = [
        ("A.Password", TypedValue::string("***1")),
        ("B.Password", TypedValue::string("***2")),
        ("C.Password", TypedValue::string("***3")),
        ("D.Setting", TypedValue::string("x")),
        ("E.Password", TypedValue::string("***4")),
    ];
    assert_eq!(input, read(&expected));
}

#[test]
fn a_stored_device_tells_no_secret() {
    let mut tree = DeviceTree::new();
    let id = tree.ensure("A.Password");
    tree.set_written_value(id, TypedValue::string("first-one"), 1, Some("task x".into()));
    tree.set_read_value(id, TypedValue::string("second-one"), 2);
    let mut head = DeviceHead::default();
    let value = TypedValue::string("third-one");
    head.informed.push(InformedValue { path: "B.Password".into(), value, at: 3 });
    let tags = Tags::from([("Password".to_owned(), Value::from("fourth-one"))]);
    let device = StoredDevice { head, tags, tree: Arc::new(tree) };
    let snapshot = DeviceSnapshot { device: Some(device), ..DeviceSnapshot::default() };
    let lines = recorded_from(&snapshot, &inform(), Json::Null, &[]);
    let text = lines[0].to_string();
    for secret in ["first-one", "second-one", "third-one", "fourth-one"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let header: Header = serde_json::from_value(lines[0].clone()).unwrap();
    let device = header.device.unwrap();
    let id = device.tree.find("A.Password").unwrap();
    assert_eq!(device.tree.len(), 3);
    assert!(device.tree.node(id).typed_value().unwrap().0.to_text().starts_with("***"));
}

#[test]
fn markers_are_filled_with_their_values() {
    let values = BTreeMap::from([("***1".to_owned(), json!("one")), ("***12".to_owned(), json!(12))]);
    let mut json = json!(["***1", "***12", "a ***12 ***1 ***3 ****1 ***", { "***1": "***2" }]);
    fill(&mut json, &values);
    assert_eq!(json, json!(["one", 12, "a 12 one ***3 *one ***", { "***1": "***2" }]));
}

proptest! {
    /// Whatever values there are: the lines still read, values stay where they are, no two are taken for one, and none that
    /// is long and no part of a name is left.
    #[test]
    fn redaction_keeps_what_is_equal_and_what_is_not(
        values in prop::collection::vec("[ab*1]{0,3}|[a-zA-Z0-9\"\\\\'`é*:. ]{4,12}|xsd:string|Finished|Password", 1..8)
    ) {
        let names: Vec<String> = (0..values.len()).map(|index| format!("A.{index}.Password")).collect();
        let pairs: Vec<_> =
            names.iter().zip(&values).map(|(name, value)| (name.as_str(), TypedValue::string(value))).collect();
        let mut all: Vec<_> = pairs.clone();
        all.push(("A.Text", TypedValue::string(values.join("|"))));
        let lines = recorded(&inform(), json!({ "provisions": { "p": "x" } }), &[(read(&all), Output::Finished)]);
        prop_assert!(serde_json::from_value::<Header>(lines[0].clone()).is_ok());
        prop_assert_eq!(&lines[1]["output"], "Finished");
        let Ok(Input::Response(CpeResponse::GetParameterValuesResponse(list))) =
            serde_json::from_value(lines[1]["input"].clone()) else { panic!("{}", lines[1]) };
        let shown: Vec<_> = list.iter().map(|(_, value)| value.0.to_text().into_owned()).collect();
        for (a, plain_a) in values.iter().enumerate() {
            prop_assert_eq!(&list[a].0, &names[a]);
            prop_assert_eq!(plain_a.is_empty(), shown[a].is_empty());
            prop_assert!(plain_a.is_empty() || markers(&shown[a]) == [(0, shown[a].as_str())]);
            for (b, plain_b) in values.iter().enumerate() {
                prop_assert_eq!(plain_a == plain_b, shown[a] == shown[b]);
            }
        }
    }
}
