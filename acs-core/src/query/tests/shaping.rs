//! Sort orders and projections.

use std::cmp::Ordering;

use super::*;

#[test]
fn types_sort_in_a_fixed_order() {
    let ascending = [
        json!({"a": []}),
        json!({"a": null}),
        json!({"a": -1}),
        json!({"a": 2}),
        json!({"a": 10}),
        json!({"a": ""}),
        json!({"a": "B"}),
        json!({"a": "a"}),
        json!({"a": {"x": 1}}),
        json!({"a": false}),
        json!({"a": true}),
    ];
    let by_a = [Sort { field: "a".into(), descending: false }];
    for (left_rank, left) in ascending.iter().enumerate() {
        for (right_rank, right) in ascending.iter().enumerate() {
            let ordering = compare_records(&by_a, &record(left), &record(right));
            assert_eq!(ordering, left_rank.cmp(&right_rank), "{left} and {right}");
        }
    }
    assert_eq!(compare_for_sort(&FieldValue::Missing, &FieldValue::Null), Ordering::Equal);
    assert_eq!(compare_for_sort(&FieldValue::Date(-5), &FieldValue::Bool(true)), Ordering::Greater);
    assert_eq!(compare_for_sort(&FieldValue::Date(-5), &FieldValue::Date(3)), Ordering::Less);
    assert_eq!(compare_for_sort(&FieldValue::Number(0.0), &FieldValue::Number(-0.0)), Ordering::Equal);
}

#[test]
fn lists_sort_by_their_least_or_greatest_element() {
    let documents = [json!({"a": [1, 9]}), json!({"a": 5}), json!({"a": [3, 4]}), json!({"a": [{"b": 0}]})];
    let sorted = |descending| {
        let order = [Sort { field: "a".into(), descending }];
        let mut indexes: Vec<usize> = (0..documents.len()).collect();
        indexes.sort_by(|left, right| compare_records(&order, &record(&documents[*left]), &record(&documents[*right])));
        indexes
    };
    assert_eq!(sorted(false), [0, 2, 1, 3]);
    assert_eq!(sorted(true), [3, 0, 1, 2]);
}

#[test]
fn the_first_field_that_differs_decides() {
    let order = [Sort { field: "a".into(), descending: true }, Sort { field: "b".into(), descending: false }];
    let compare = |left: &Json, right: &Json| compare_records(&order, &record(left), &record(right));
    assert_eq!(compare(&json!({"a": 2, "b": 9}), &json!({"a": 1, "b": 1})), Ordering::Less);
    assert_eq!(compare(&json!({"a": 1, "b": 9}), &json!({"a": 1, "b": 1})), Ordering::Greater);
    assert_eq!(compare(&json!({"a": 1}), &json!({"a": 1, "b": null})), Ordering::Equal);
}

#[test]
fn projections_show_only_what_is_named() {
    let document = json!({
        "_id": "x",
        "_tags": ["t"],
        "Device": {
            "_object": true,
            "Info": {"Version": {"_value": "1"}, "UpTime": {"_value": 5}},
            "InfoX": {"_value": 7}
        },
        "list": [{"a": 1, "b": 2}, {"b": 3}, 4]
    });
    let cases = [
        ("", document.clone()),
        (" , ", document.clone()),
        ("_id", json!({"_id": "x"})),
        ("nothing", json!({"_id": "x"})),
        ("Device.Info", json!({"_id": "x", "Device": {"Info": document["Device"]["Info"]}})),
        ("Device.Info.Version._value", json!({"_id": "x", "Device": {"Info": {"Version": {"_value": "1"}}}})),
        (
            "Device.Info.UpTime, _tags",
            json!({"_id": "x", "_tags": ["t"], "Device": {"Info": {"UpTime": {"_value": 5}}}}),
        ),
        ("Device.Info.Version,Device.Info", json!({"_id": "x", "Device": {"Info": document["Device"]["Info"]}})),
        ("list.a", json!({"_id": "x", "list": [{"a": 1}, {}]})),
        (
            r#"{"Device.InfoX": 1, "_tags": true}"#,
            json!({"_id": "x", "_tags": ["t"], "Device": {"InfoX": {"_value": 7}}}),
        ),
        (r#"{"_id": 0, "_tags": 1}"#, json!({"_id": "x", "_tags": ["t"]})),
        (r#"{"Device": 0, "list.b": false}"#, json!({"_id": "x", "_tags": ["t"], "list": [{"a": 1}, {}, 4]})),
        (r#"{"_id": 0}"#, document.clone()),
        ("{}", document.clone()),
    ];
    for (text, expected) in cases {
        assert_eq!(Projection::parse(text).unwrap().apply(&document), expected, "{text}");
    }
}

#[test]
fn redundant_names_of_projections_are_dropped() {
    for (text, names) in [("a.b,a,a.c.d,ab", vec!["a", "ab"]), ("a,a", vec!["a"]), ("b.c , a", vec!["b.c", "a"])] {
        assert_eq!(Projection::parse(text).unwrap().names(), names, "{text}");
    }
    let projection = Projection::parse("a.b").unwrap();
    for (name, inclusion) in [
        ("_id", Inclusion::Whole),
        ("a", Inclusion::Partly),
        ("a.b", Inclusion::Whole),
        ("a.b.c", Inclusion::Whole),
        ("a.bc", Inclusion::No),
        ("b", Inclusion::No),
    ] {
        assert_eq!(projection.inclusion(name), inclusion, "{name}");
    }
}

#[test]
fn mistakes_of_projections() {
    for (text, message) in [
        (r#"{"a": 1, "b": 0}"#, "$ must be either all 1 or all 0"),
        (r#"{"a": "x"}"#, "$.a must be 0 or 1"),
        ("{", "invalid JSON"),
    ] {
        let error = Projection::parse(text).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
