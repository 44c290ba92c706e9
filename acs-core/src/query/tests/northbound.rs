use super::*;

/// A device document with one parameter `A.b` of this value.
fn device(value: Json) -> Json {
    json!({"_id": "0A1B2C-Example-1", "A": {"b": {"_value": value}}})
}

fn device_matches(query: &Json, document: &Json) -> bool {
    nbi::parse("devices", query).unwrap_or_else(|error| panic!("{query}: {error}")).matches(&record(document))
}

#[test]
fn names_of_parameters_get_value_appended() {
    for (name, field) in [
        ("A.b", "A.b._value"),
        ("A.b._value", "A.b._value"),
        ("_id", "_id"),
        ("_deviceId._SerialNumber", "_deviceId._SerialNumber"),
        ("_x.y", "_x.y._value"),
    ] {
        assert_eq!(nbi::device_field(name), field);
    }
    assert!(device_matches(&json!({"A.b": 5}), &device(json!(5))));
    assert!(device_matches(&json!({"$and": [{"$or": [{"A.b": 5}]}]}), &device(json!(5))));
    assert!(device_matches(&json!({"A.b": {"$exists": true}}), &device(json!(5))));
    assert!(device_matches(&json!({"A.b": {"$regex": "^x"}}), &device(json!("xy"))));
    assert!(device_matches(&json!({"_id": "0A1B2C-Example-1"}), &device(json!(5))));
}

#[test]
fn text_is_tried_as_other_types() {
    let cases = [
        (json!("5"), json!(5), true),
        (json!("5"), json!("5"), true),
        (json!("5.50"), json!(5.5), true),
        (json!("-1e3"), json!(-1000), true),
        (json!("5x"), json!(5), false),
        (json!(""), json!(0), false),
        (json!("true"), json!(true), false),
        (json!("/^ab+c$/"), json!("abbc"), true),
        (json!("/^AB/i"), json!("abc"), true),
        (json!("/^AB/"), json!("abc"), false),
        (json!("/x/y"), json!("x"), false),
        (json!("/x/y"), json!("/x/y"), true),
        (json!("a*c"), json!("abc"), true),
        (json!("a*c*e"), json!("abcde"), true),
        (json!("*.1.*"), json!("192.168.1.5"), true),
        (json!("a.c*"), json!("abc"), false),
        (json!("a*"), json!("ba"), false),
        (json!("a*(x)"), json!("ab(x)"), true),
        (json!("a*"), json!("a*"), true),
        (json!({"$gt": "5"}), json!(6), true),
        (json!({"$gt": "5"}), json!("6"), true),
        (json!({"$lt": "5"}), json!(6), false),
        (json!({"$gte": "1", "$lt": "9"}), json!(5), true),
        (json!({"$gte": "1", "$lt": "9"}), json!(9), false),
        (json!({"$in": ["5", "x*"]}), json!(5), true),
        (json!({"$in": ["5", "x*"]}), json!("xyz"), true),
        (json!({"$in": ["5", "/^q/"]}), json!("xyz"), false),
        (json!({"$nin": ["5", "x*"]}), json!(5), false),
        (json!({"$nin": ["5", "x*"]}), json!("abc"), true),
        (json!({"$ne": "5"}), json!(5), false),
        (json!({"$ne": "5"}), json!("5"), false),
        (json!({"$ne": "5"}), json!(6), true),
        (json!({"$ne": "x*"}), json!("xyz"), false),
        (json!({"$not": {"$gt": "5"}}), json!(6), false),
        (json!({"$not": {"$gt": "5"}}), json!(5), true),
        (json!({"$not": "/^a/"}), json!("abc"), false),
        (json!({"$not": "/^a/"}), json!("xyz"), true),
        // Operands that are no text are what they are.
        (json!(5), json!("5"), false),
        (json!(null), json!(null), true),
    ];
    for (operand, value, expected) in cases {
        let query = json!({"A.b": operand});
        assert_eq!(device_matches(&query, &device(value.clone())), expected, "{query} on {value}");
    }
}

#[test]
fn text_is_tried_as_a_date_when_long_and_late_enough() {
    let document = json!({"_lastInform": "2024-05-01T10:00:00.000Z", "A": {"timestamp": "1980-01-01T00:00:00Z"}});
    let cases = [
        (json!({"_lastInform": {"$lt": "2024-05-02"}}), true),
        (json!({"_lastInform": {"$lt": "2024-05-01 10:00:00 +0200"}}), false),
        (json!({"_lastInform": "2024-05-01T12:00:00+02:00"}), true),
        (json!({"_lastInform": {"$gt": "Wed, 01 May 2024 09:59:59 GMT"}}), true),
        (json!({"_lastInform": {"$gt": "1983-12-31"}}), false),
        (json!({"_lastInform": {"$gt": "20240101"}}), false),
    ];
    for (query, expected) in cases {
        assert_eq!(device_matches(&query, &document), expected, "{query}");
    }
}

#[test]
fn negations_stand_alone() {
    for operators in [json!({"$ne": "1", "$gt": 0}), json!({"$not": {"$gt": 1}, "$lt": 9})] {
        let error = nbi::parse("devices", &json!({"A.b": operators})).unwrap_err();
        assert_eq!(error.to_string(), "Cannot mix $ne or $not with other operators (at $.A.b)");
    }
    let error = nbi::parse("devices", &json!({"A.b": "/(/"})).unwrap_err();
    assert!(matches!(error, QueryError::Regex { .. }), "{error}");
    assert!(nbi::parse("devices", &json!({"$where": "1"})).is_err());
    assert!(nbi::parse("presets", &json!({"weight": {"$ne": 1, "$gt": 0}})).is_ok());
}

#[test]
fn tasks_and_faults_convert_dates_and_retries() {
    let document = json!({"_id": "0123456789abcdef01234567", "timestamp": "2024-05-01T10:00:00.000Z", "retries": 3, "device": "2024-05-01"});
    let cases = [
        (json!({"timestamp": {"$gt": "2024-05-01"}}), true),
        (json!({"timestamp": {"$lt": 1_714_557_600_001_i64}}), true),
        (json!({"timestamp": {"$in": ["2024-05-01T10:00:00Z"]}}), true),
        (json!({"timestamp": {"$nin": ["2024-05-01T10:00:00Z"]}}), false),
        (json!({"timestamp": "2024-05-01T10:00:00Z"}), true),
        (json!({"expiry": null}), true),
        (json!({"expiry": {"$exists": false}}), true),
        (json!({"retries": "3"}), true),
        (json!({"retries": {"$gte": "2"}}), true),
        (json!({"retries": {"$type": "number"}}), true),
        (json!({"_id": "0123456789abcdef01234567"}), true),
        (json!({"device": "2024-05-01"}), true),
        (json!({"device": {"$regex": "^2024"}}), true),
        (json!({"$or": [{"retries": "4"}, {"timestamp": {"$lt": "2024-05-02"}}]}), true),
        (json!({"retries": {"$ne": "3"}}), false),
    ];
    for (query, expected) in cases {
        for collection in ["tasks", "faults"] {
            let parsed = nbi::parse(collection, &query).unwrap();
            assert_eq!(parsed.matches(&record(&document)), expected, "{query}");
        }
    }
    let mistakes = [
        (json!({"timestamp": {"$regex": "2024"}}), "operator $regex cannot be used on timestamp (at $.timestamp)"),
        (json!({"retries": {"$not": {"$gt": 1}}}), "operator $not cannot be used on retries (at $.retries)"),
        (json!({"timestamp": "soon"}), "$.timestamp must be a date: ISO 8601 text, or milliseconds since 1970"),
        (json!({"retries": {"$gt": "x"}}), "$.retries.$gt must be a number"),
    ];
    for (query, message) in mistakes {
        assert_eq!(nbi::parse("faults", &query).unwrap_err().to_string(), message);
    }
}

#[test]
fn text_of_queries_and_sort_orders() {
    use crate::query::nbi::{parse_sort_text, parse_text};
    assert_eq!(parse_text("devices", " ").unwrap(), Query::True);
    assert_eq!(parse_text("devices", "[]").unwrap(), Query::True);
    assert_eq!(parse_text("devices", "{}").unwrap(), Query::True);
    assert!(parse_text("devices", "{\"a\":").unwrap_err().to_string().starts_with("invalid JSON: EOF"));

    let sort = |field: &str, descending| Sort { field: field.into(), descending };
    assert_eq!(parse_sort_text("devices", "").unwrap(), []);
    assert_eq!(
        parse_sort_text("devices", r#"{"Z.b": -1, "_lastInform": 1, "A.b": 1.0}"#).unwrap(),
        [sort("Z.b._value", true), sort("_lastInform", false), sort("A.b._value", false)]
    );
    assert_eq!(parse_sort_text("faults", r#"{"retries": -1}"#).unwrap(), [sort("retries", true)]);
    for (text, message) in [
        ("[]", "$ must be an object"),
        (r#"{"a": 2}"#, "$.a must be 1 or -1"),
        (r#"{"a": "asc"}"#, "$.a must be 1 or -1"),
    ] {
        assert_eq!(parse_sort_text("tasks", text).unwrap_err().to_string(), message);
    }
}
