//! What documents mean, and which presets fit a session.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use acs_core::path::event_segment;
use acs_core::session::configuration::{PresetFacts, SelectedPreset, SelectedProvision};
use acs_core::value::parse_date_time;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::{Mismatch, Preset, PresetSet, Severity};

fn shown(provision: &SelectedProvision) -> String {
    let arguments: Vec<_> = provision.arguments.iter().map(ToString::to_string).collect();
    format!("{}({})", provision.name, arguments.join(", "))
}

fn build(presets: &[(&str, Json)], objects: &[(&str, Json)]) -> (PresetSet, Vec<String>) {
    let (set, problems) = PresetSet::build(
        presets.iter().map(|(name, document)| (*name, document)),
        objects.iter().map(|(name, document)| (*name, document)),
    );
    (set, problems.iter().map(ToString::to_string).collect())
}

fn facts_at(events: &[&str], time: &str) -> (BTreeSet<String>, i64) {
    (events.iter().map(|event| event_segment(event)).collect(), parse_date_time(time).unwrap())
}

fn select(set: &PresetSet, events: &[&str], time: &str) -> Vec<SelectedPreset> {
    let (events, timestamp) = facts_at(events, time);
    set.select(&PresetFacts { events: &events, timestamp })
}

fn names(selected: &[SelectedPreset]) -> Vec<&str> {
    selected.iter().map(|preset| &*preset.name).collect()
}

/// What a document with one preset applies.
fn provisions(document: Json, objects: &[(&str, Json)]) -> Vec<String> {
    let (set, problems) = build(&[("p", document)], objects);
    assert_eq!(problems, Vec::<String>::new());
    set.all().flat_map(|preset| &preset.provisions).map(shown).collect()
}

#[test]
fn weight_channel_and_precondition() {
    let cases = [
        (json!({}), (0, "default", None)),
        (json!({"weight": 10, "channel": "wifi"}), (10, "wifi", None)),
        (json!({"weight": "-5", "channel": " "}), (-5, "default", None)),
        (json!({"weight": 3.0, "precondition": ""}), (3, "default", None)),
        (json!({"weight": "", "precondition": true}), (0, "default", None)),
        (json!({"precondition": false}), (0, "default", Some("FALSE"))),
        (json!({"precondition": "TRUE"}), (0, "default", None)),
        (json!({"precondition": "Tags.lab IS NOT NULL"}), (0, "default", Some("Tags.lab IS NOT NULL"))),
        (json!({"precondition": {"_tags": "lab"}}), (0, "default", Some("Tags.lab IS NOT NULL"))),
        (
            json!({"precondition": r#"{"DeviceID.OUI": "0A1B2C", "Device.X._value": {"$gt": 5}}"#}),
            (0, "default", Some(r#"DeviceID.OUI = "0A1B2C" AND Device.X > 5"#)),
        ),
        (json!({"precondition": "{}"}), (0, "default", None)),
    ];
    for (mut document, (weight, channel, precondition)) in cases {
        document["provisions"] = json!(["p"]);
        let preset = Preset::from_document("p", &document).unwrap();
        assert_eq!(preset.warnings, [], "{document}");
        assert_eq!((preset.weight, &*preset.channel), (weight, channel), "{document}");
        assert_eq!(preset.precondition.map(|condition| condition.to_string()).as_deref(), precondition, "{document}");
    }
}

#[test]
fn every_configuration_becomes_provisions() {
    let objects = [
        ("rule", json!({"_id": "rule", "_keys": ["Port"], "Port": 80, "Enable": true, "Name": "web"})),
        ("all", json!({"Port": 81, "Enable": true})),
    ];
    let parent = "Device.NAT.PortMapping";
    let cases = [
        (json!({"type": "provision", "name": "wifi"}), vec!["wifi()"]),
        (json!({"type": "provision", "name": "wifi", "args": null}), vec!["wifi()"]),
        (
            json!({"type": "provision", "name": "wifi", "args": ["x", ["PARAM", "DeviceID.ID"]]}),
            vec![r#"wifi("x", DeviceID.ID)"#],
        ),
        (json!({"type": "provision", "name": "wifi", "args": "DeviceID.ID, 5"}), vec!["wifi(DeviceID.ID, 5)"]),
        (json!({"type": "value", "name": "Device.A.B", "value": true}), vec![r#"value("Device.A.B", TRUE)"#]),
        (
            json!({"type": "value", "name": "Device.A.B", "value": ["FUNC", "NOW"]}),
            vec![r#"value("Device.A.B", NOW())"#],
        ),
        (json!({"type": "age", "name": "Device.A.", "age": "3600"}), vec![r#"refresh("Device.A", 3600)"#]),
        (json!({"type": "add_tag", "tag": "lab"}), vec![r#"tag("lab", TRUE)"#]),
        (json!({"type": "delete_tag", "tag": "lab"}), vec![r#"tag("lab", FALSE)"#]),
        (
            json!({"type": "add_object", "name": parent, "object": "rule"}),
            vec![
                r#"instances("Device.NAT.PortMapping.[Port:80]", 1)"#,
                r#"value("Device.NAT.PortMapping.[Port:80].Enable", TRUE)"#,
                r#"value("Device.NAT.PortMapping.[Port:80].Name", "web")"#,
            ],
        ),
        (
            json!({"type": "delete_object", "name": parent, "object": "rule"}),
            vec![r#"instances("Device.NAT.PortMapping.[Port:80]", 0)"#],
        ),
        (
            json!({"type": "add_object", "name": "Device.NAT.PortMapping.", "object": "all"}),
            vec![r#"instances("Device.NAT.PortMapping.[Enable:true,Port:81]", 1)"#],
        ),
    ];
    for (configuration, expected) in cases {
        assert_eq!(provisions(json!({"configurations": [configuration]}), &objects), expected, "{configuration}");
    }
}

#[test]
fn provisions_follow_configurations() {
    let document = json!({
        "configurations": [{"type": "add_tag", "tag": "a"}],
        "provisions": ["default", ["inform", 300, ["PARAM", "DeviceID.ID"]], ["bare"]],
    });
    assert_eq!(provisions(document, &[]), [r#"tag("a", TRUE)"#, "default()", "inform(300, DeviceID.ID)", "bare()"]);
}

#[test]
fn all_mistakes_of_a_document_are_reported_with_their_places() {
    let document = json!({
        "weight": 1.5,
        "channel": 7,
        "events": {"1 BOOT": 1},
        "schedule": "1h 0 2 * *",
        "precondition": "a = ",
        "configurations": [
            {"type": "provision"},
            {"type": "value", "name": "Device..A"},
            {"type": "age", "name": "Device.A", "age": -1},
            {"type": "add_tag", "tag": ""},
            {"type": "add_object", "name": "Device.A"},
            {"type": "frobnicate"},
            {"name": "x"},
            "wifi",
            {"type": "provision", "name": "x", "args": [{}, ["NO", 1]]},
        ],
        "provisions": ["", [], [1], 5, ["x", [1]]],
        "comment": "ours",
    });
    let problems = Preset::from_document("p", &document).unwrap_err();
    let places: Vec<_> =
        problems.iter().filter(|problem| problem.severity == Severity::Error).map(|problem| &*problem.path).collect();
    assert_eq!(
        places,
        [
            "$.weight",
            "$.channel",
            "$.events[\"1 BOOT\"]",
            "$.schedule",
            "$.schedule",
            "$.precondition",
            "$.configurations[0].name",
            "$.configurations[1].name",
            "$.configurations[1].value",
            "$.configurations[2].age",
            "$.configurations[3].tag",
            "$.configurations[4].object",
            "$.configurations[5].type",
            "$.configurations[6].type",
            "$.configurations[7]",
            "$.configurations[8].args[0]",
            "$.configurations[8].args[1]",
            "$.provisions[0]",
            "$.provisions[1]",
            "$.provisions[2]",
            "$.provisions[3]",
            "$.provisions[4][1]",
        ]
    );
    let warnings: Vec<_> =
        problems.iter().filter(|problem| problem.severity == Severity::Warning).map(|problem| &*problem.path).collect();
    assert_eq!(warnings, ["$.comment"]);
}

#[test]
fn a_document_must_be_an_object_with_lists() {
    for (document, place) in [
        (json!(null), "$"),
        (json!([]), "$"),
        (json!({"configurations": {}}), "$.configurations"),
        (json!({"provisions": "default"}), "$.provisions"),
        (json!({"precondition": 5}), "$.precondition"),
        (json!({"precondition": {"a": {"$where": 1}}}), "$.precondition"),
        (json!({"precondition": "USERNAME() = 'x'"}), "$.precondition"),
    ] {
        let problems = Preset::from_document("p", &document).unwrap_err();
        assert_eq!((problems.len(), &*problems[0].path), (1, place), "{document}: {problems:?}");
    }
    assert_eq!(Preset::from_document("", &json!({})).unwrap_err()[0].path, "$._id");
}

#[test]
fn what_is_odd_is_a_warning() {
    for (document, place) in [
        (json!({}), "$.configurations"),
        (json!({"provisions": ["x"], "enabled": true}), "$.enabled"),
        (json!({"configurations": [{"type": "add_tag", "tag": "x", "name": "y"}]}), "$.configurations[0].name"),
        (json!({"provisions": ["x"], "precondition": "a = NULL"}), "$.precondition"),
        (json!({"provisions": ["x"], "precondition": "a..b = 1"}), "$.precondition"),
    ] {
        let preset = Preset::from_document("p", &document).unwrap();
        assert_eq!((preset.warnings.len(), &*preset.warnings[0].path), (1, place), "{document}: {:?}", preset.warnings);
        assert_eq!(preset.warnings[0].severity, Severity::Warning);
    }
}

#[test]
fn a_broken_preset_is_left_out_and_harms_no_other() {
    let good = json!({"provisions": ["x"]});
    let adds = |object: &str| json!({"configurations": [{"type": "add_object", "name": "Device.A", "object": object}]});
    let (set, problems) = build(
        &[
            ("bad-schedule", json!({"provisions": ["x"], "schedule": "soon"})),
            ("bad-type", json!(7)),
            ("good", good.clone()),
            ("no-object", adds("missing")),
            ("broken-object", adds("broken")),
            ("odd", json!({"provisions": ["x"], "note": 1})),
        ],
        &[("broken", json!({"A": []}))],
    );
    assert_eq!(names(&select(&set, &[], "2024-03-15T12:00:00Z")), ["good", "odd"]);
    let starts = [
        "object broken: $.A: must be",
        "preset bad-schedule: $.schedule: must be",
        "preset bad-type: $: a preset must be",
        r#"preset no-object: $.configurations[0].object: there is no usable object "missing""#,
        r#"preset broken-object: $.configurations[0].object: there is no usable object "broken""#,
        "preset odd: $.note: unknown field",
    ];
    let mut problems = problems.iter();
    for start in starts {
        let problem = problems.next().unwrap();
        assert!(problem.starts_with(start), "{problem}");
    }
    assert_eq!(problems.next(), None);
}

#[test]
fn they_come_by_descending_weight_then_by_name() {
    let preset = |weight: i64| json!({"weight": weight, "provisions": ["x"]});
    let (set, _) =
        build(&[("b", preset(5)), ("z", preset(50)), ("a", preset(5)), ("B", preset(5)), ("n", preset(-1))], &[]);
    assert_eq!(names(&select(&set, &[], "2024-03-15T12:00:00Z")), ["z", "B", "a", "b", "n"]);
}

#[test]
fn events_and_schedule_must_both_fit() {
    let (set, problems) = build(
        &[
            ("always", json!({"provisions": ["x"]})),
            ("boot", json!({"provisions": ["x"], "events": {"1 BOOT": true}})),
            ("first", json!({"provisions": ["x"], "events": "Registered"})),
            ("night", json!({"provisions": ["x"], "schedule": {"h": [2], "timezone": "Europe/Warsaw"}})),
            ("quiet", json!({"provisions": ["x"], "events": {"1 BOOT": false}, "schedule": "3600 0 1 * * *"})),
        ],
        &[],
    );
    assert_eq!(problems, Vec::<String>::new());
    let (noon, night) = ("2024-03-15T12:00:00Z", "2024-03-15T01:30:00Z");
    let cases: [(&[&str], &str, &[&str]); 4] = [
        (&["Inform", "2 PERIODIC"], noon, &["always"]),
        (&["Inform", "1 BOOT"], noon, &["always", "boot"]),
        (&["Inform", "1 BOOT", "Registered"], night, &["always", "boot", "first", "night"]),
        (&["Inform", "2 PERIODIC"], night, &["always", "night", "quiet"]),
    ];
    for (events, time, expected) in cases {
        assert_eq!(names(&select(&set, events, time)), expected, "{events:?} at {time}");
    }
    let (events, timestamp) = facts_at(&["1 BOOT"], noon);
    let explained = set.explain(&PresetFacts { events: &events, timestamp });
    let explained: Vec<_> = explained.into_iter().map(|explanation| explanation.mismatch).collect();
    assert_eq!(
        explained,
        [
            None,
            None,
            Some(Mismatch::EventMissing("Registered".into())),
            Some(Mismatch::Schedule),
            Some(Mismatch::EventPresent("1 BOOT".into())),
        ]
    );
}

#[test]
fn a_selected_preset_carries_what_the_session_needs() {
    let document = json!({
        "weight": 7,
        "channel": "wifi",
        "precondition": "Tags.lab IS NOT NULL",
        "provisions": [["wifi", ["PARAM", "DeviceID.ID"]]],
    });
    let (set, _) = build(&[("p", document)], &[]);
    let selected = select(&set, &[], "2024-03-15T12:00:00Z").remove(0);
    assert_eq!((&*selected.name, selected.weight, &*selected.channel), ("p", 7, "wifi"));
    assert_eq!(selected.precondition.unwrap().to_string(), "Tags.lab IS NOT NULL");
    assert_eq!(selected.provisions.iter().map(shown).collect::<Vec<_>>(), ["wifi(DeviceID.ID)"]);
}

/// JSON as a careless or hostile client might send it.
fn any_json() -> impl Strategy<Value = Json> {
    let word = prop_oneof![
        Just("PARAM".to_owned()),
        Just("FUNC".to_owned()),
        Just("CASE".to_owned()),
        Just("add_object".to_owned()),
        Just("provision".to_owned()),
        "[0-9]{1,3} [0-9*/,LW#?A-Z -]{0,20}",
        "\\PC{0,12}",
    ];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        word.prop_map(Json::from),
    ];
    let key = prop_oneof![
        Just("type".to_owned()),
        Just("name".to_owned()),
        Just("args".to_owned()),
        Just("object".to_owned()),
        Just("cron".to_owned()),
        Just("duration".to_owned()),
        Just("md".to_owned()),
        "[ -~]{0,6}",
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::vec((key.clone(), inner), 0..5)
                .prop_map(|fields| Json::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_document_makes_reading_or_matching_panic(
        fields in prop::collection::vec((prop::sample::select(vec![
            "weight", "channel", "events", "schedule", "timezone", "precondition", "configurations", "provisions", "x",
        ]), any_json()), 0..6),
        object in any_json(),
        timestamp in any::<i64>(),
    ) {
        let document = Json::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        let (set, problems) = PresetSet::build([("p", &document)], [("o", &object)]);
        let broken = problems.iter().any(|problem| problem.kind == "preset" && problem.is_error());
        prop_assert_eq!(set.all().count(), usize::from(!broken));
        let facts = PresetFacts { events: &BTreeSet::new(), timestamp };
        prop_assert!(set.select(&facts).len() <= 1);
    }

    #[test]
    fn no_schedule_makes_reading_or_matching_panic(
        cron in "([0-9*/,LW#?-]{1,5} ){4}[0-9*/,L#?A-Z-]{1,5}",
        duration in 1..100_000u32,
        timestamp in -4_000_000_000_000..8_000_000_000_000i64,
    ) {
        let document = json!({"provisions": ["x"], "schedule": format!("{duration} {cron}"), "timezone": "Europe/Warsaw"});
        let (set, problems) = build(&[("p", document)], &[]);
        let facts = PresetFacts { events: &BTreeSet::new(), timestamp };
        prop_assert!(problems.is_empty() || set.select(&facts).is_empty());
    }
}
