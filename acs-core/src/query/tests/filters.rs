use super::*;
use crate::expression::{Context, Scalar, parse};

fn device_query(filter: &str) -> Query {
    from_expression(&parse(filter).unwrap(), FieldNames::Devices).unwrap_or_else(|error| panic!("{filter}: {error}"))
}

#[test]
fn names_map_to_fields_of_device_documents() {
    for (filter, fields) in [
        ("DeviceID.ID = 'x'", vec!["_id"]),
        ("DeviceID.SerialNumber LIKE 'x'", vec!["_deviceId._SerialNumber"]),
        ("DeviceID.OUI = DeviceID.ProductClass OR TRUE", vec![]),
        ("DeviceID.Manufacturer IS NULL", vec!["_deviceId._Manufacturer"]),
        ("Events.Inform > 5", vec!["_lastInform"]),
        ("Events.Registered > 5", vec!["_registered"]),
        ("Events.1_BOOT > 5", vec!["_lastBoot"]),
        ("Events.0_BOOTSTRAP > 5", vec!["_lastBootstrap"]),
        ("Tags.x IS NOT NULL", vec!["_tags"]),
        ("Device.UpTime > 5", vec!["Device.UpTime._value"]),
    ] {
        assert_eq!(device_query(filter).fields().into_iter().collect::<Vec<_>>(), fields, "{filter}");
    }
    let tag = |name: &str| Query::equal("_tags", name);
    assert_eq!(device_query("Tags.x IS NOT NULL"), tag("x"));
    assert_eq!(device_query("Tags.x = TRUE"), tag("x"));
    assert_eq!(device_query("Tags.x"), tag("x"));
    assert_eq!(device_query("Tags.a0x20b = TRUE"), tag("a b"));
    assert_eq!(device_query("Tags.firmware_3.0 IS NULL"), tag("firmware_3.0").negated());
    assert_eq!(device_query("Tags.x = FALSE"), Query::False);
    let documents = from_expression(&parse("a.b = 'x'").unwrap(), FieldNames::Documents).unwrap();
    assert_eq!(documents, Query::equal("a.b", "x"));
}

#[test]
fn numbers_match_dates_and_booleans() {
    let documents = [
        json!({"a": 1}),
        json!({"a": true}),
        json!({"a": false}),
        json!({"a": "1"}),
        json!({"timestamp": "1970-01-01T00:00:00.001Z"}),
        json!({"timestamp": "1970-01-01T00:00:02Z"}),
    ];
    for (filter, expected) in [
        ("a = 1", vec![0, 1]),
        ("a = TRUE", vec![0, 1]),
        ("a = 0", vec![2]),
        ("a = '1'", vec![3]),
        ("a > 0", vec![0, 1, 3]),
        ("a < 'x'", vec![0, 1, 2, 3]),
        ("timestamp = 1", vec![4]),
        ("timestamp > 1", vec![5]),
        ("timestamp > 0.5", vec![4, 5]),
        ("timestamp <= 1.5", vec![4]),
        ("timestamp < 1.5", vec![4]),
        ("timestamp >= 1.5", vec![5]),
        ("2000 - timestamp < 1000", vec![5]),
        ("timestamp / 1000 = 2", vec![5]),
        ("5 < timestamp", vec![5]),
    ] {
        let query = from_expression(&parse(filter).unwrap(), FieldNames::Documents).unwrap();
        assert_eq!(matching(&query, &documents), expected, "{filter}");
    }
}

#[test]
fn null_is_not_true_also_under_not() {
    let documents = [json!({"a": 1}), json!({"a": 2}), json!({"a": null}), json!({}), json!({"a": "abc"})];
    for (filter, expected) in [
        ("a = 1", vec![0]),
        ("a <> 1", vec![1, 4]),
        ("NOT a = 1", vec![1, 4]),
        ("NOT a <> 1", vec![0]),
        ("NOT NOT a = 1", vec![0]),
        ("NOT (a = 1 AND b = 1)", vec![1, 4]),
        ("NOT (a = 1 OR b = 1)", vec![]),
        ("NOT (a = 1 OR a = 2)", vec![4]),
        ("a IS NULL", vec![2, 3]),
        ("NOT a IS NULL", vec![0, 1, 4]),
        ("a IS NOT NULL", vec![0, 1, 4]),
        ("a LIKE 'a%'", vec![4]),
        ("a NOT LIKE 'a%'", vec![0, 1]),
        ("NOT a LIKE 'a%'", vec![0, 1]),
        ("UPPER(a) LIKE 'AB_'", vec![4]),
        ("UPPER(a) LIKE 'ab_'", vec![]),
        ("NOT UPPER(a) LIKE 'ab_'", vec![0, 1, 4]),
        ("LOWER(a) = 'abc'", vec![4]),
        ("LOWER(a) <> 'abc'", vec![0, 1]),
        ("a = NULL", vec![]),
        ("NOT a = NULL", vec![]),
        ("NULL", vec![]),
        ("NOT NULL", vec![]),
        ("TRUE", vec![0, 1, 2, 3, 4]),
        ("a", vec![0, 1, 4]),
        ("NOT b", vec![]),
        ("a LIKE 'a!%' ESCAPE '!'", vec![]),
    ] {
        let query = from_expression(&parse(filter).unwrap(), FieldNames::Documents).unwrap();
        assert_eq!(matching(&query, &documents), expected, "{filter}");
    }
}

#[test]
fn what_no_query_can_express_is_refused() {
    for (filter, message) in [
        ("a = b", "Right-hand operand must be a literal value: a = b"),
        ("a LIKE b", "Right-hand operand must be a literal value: a LIKE b"),
        ("a > NOW()", "Right-hand operand must be a literal value: a > NOW()"),
        ("a || 'x' = 'y'", "Left-hand operand must be a parameter: a || \"x\" = \"y\""),
        ("ROUND(a) = 1", "Left-hand operand must be a parameter: ROUND(a) = 1"),
        ("UPPER(a) > 'x'", "Left-hand operand must be a parameter: UPPER(a) > \"x\""),
        ("a + b > 1", "Left-hand operand must be a parameter: a + b > 1"),
        ("a * 0 = 1", "Left-hand operand must be a parameter: a * 0 = 1"),
        ("a % 2 = 1", "Left-hand operand must be a parameter: a % 2 = 1"),
        ("(a = 1) IS NULL", "Left-hand operand must be a parameter: (a = 1) IS NULL"),
        ("CASE WHEN a THEN b END", "Left-hand operand must be a parameter: CASE WHEN a THEN b END"),
        ("a.* = 1", "a filter cannot use the parameter name a.*"),
        ("a.{b} = 1", "a filter cannot use the parameter name a.{b}"),
    ] {
        let error = from_expression(&parse(filter).unwrap(), FieldNames::Devices).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

/// A document as the context of an expression: dates are numbers.
pub(super) struct Document<'a>(pub &'a Json);

impl Context for Document<'_> {
    fn parameter(&self, path: &str) -> Scalar {
        match record(self.0).value(path) {
            FieldValue::Bool(value) => value.into(),
            FieldValue::Number(number) => number.into(),
            FieldValue::Text(text) => text.into_owned().into(),
            FieldValue::Date(milliseconds) => milliseconds.into(),
            _ => Scalar::Null,
        }
    }

    fn now(&self) -> i64 {
        0
    }
}
