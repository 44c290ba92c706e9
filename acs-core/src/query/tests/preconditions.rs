use super::*;

#[test]
fn old_json_becomes_an_expression() {
    let cases = [
        (json!({}), "TRUE"),
        (json!({"A.b": 1}), "A.b = 1"),
        (json!({"A.b": "x", "C": true}), "A.b = \"x\" AND C = TRUE"),
        (json!({"A.b._value": 1}), "A.b = 1"),
        (json!({"A.b": {"$eq": 1}}), "A.b = 1"),
        (json!({"A.b": {"$ne": 1}}), "A.b <> 1 OR A.b IS NULL"),
        (json!({"A.b": null}), "A.b IS NULL"),
        (json!({"A.b": {"$ne": null}}), "A.b IS NOT NULL"),
        (json!({"A.b": {"$gt": 1, "$lte": 5}}), "A.b > 1 AND A.b <= 5"),
        (json!({"A.b": {"$gte": "a"}}), "A.b >= \"a\""),
        (json!({"A.b": {"$lt": -1.5}}), "A.b < -1.5"),
        (json!({"$or": [{"A": 1}, {"B": 2, "C": 3}]}), "A = 1 OR B = 2 AND C = 3"),
        (json!({"$and": [{"A": {"$ne": 1}}, {"B": 2}]}), "(A <> 1 OR A IS NULL) AND B = 2"),
        (json!({"_tags": "x y"}), "Tags.x0x20y IS NOT NULL"),
        (json!({"_tags": {"$eq": "x"}}), "Tags.x IS NOT NULL"),
        (json!({"_tags": {"$ne": "x"}}), "Tags.x IS NULL"),
        (json!({"Tags.x": true}), "Tags.x IS NOT NULL"),
        (json!({"Tags.x": false}), "Tags.x IS NULL"),
        (json!({"Tags.x": {"$ne": true}}), "Tags.x IS NULL"),
        (json!({"Tags.x": {"$eq": false}}), "Tags.x IS NULL"),
        (json!({"Tags.x": {"$exists": true}}), "Tags.x IS NOT NULL"),
        (json!({"Tags.x": {"$exists": false}}), "Tags.x IS NULL"),
        (json!({"_deviceId._SerialNumber": "1"}), "DeviceID.SerialNumber = \"1\""),
        (json!({"_id": "a"}), "DeviceID.ID = \"a\""),
    ];
    for (json, expected) in cases {
        let expression = precondition_from_json(&json).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(expression.to_string(), expected, "{json}");
    }
}

#[test]
fn preconditions_come_in_many_forms() {
    for (json, expected) in [
        (json!(true), "TRUE"),
        (json!(false), "FALSE"),
        (json!(null), "TRUE"),
        (json!(""), "TRUE"),
        (json!("  "), "TRUE"),
        (json!("A = 1"), "A = 1"),
        (json!("true"), "TRUE"),
        (json!("{\"A\": 1}"), "A = 1"),
        (json!("{A}.b = 1"), "{A}.b = 1"),
        (json!({"A": 1}), "A = 1"),
    ] {
        assert_eq!(read_precondition(&json).unwrap().to_string(), expected, "{json}");
    }
}

#[test]
fn what_cannot_be_converted_is_named() {
    for (json, message) in [
        (json!({"A": {"$regex": "x"}}), "operator $regex at $.A.$regex cannot be converted"),
        (json!({"$nor": []}), "operator $nor at $.$nor cannot be converted"),
        (json!({"_tags": {"$gt": "x"}}), "operator $gt at $._tags.$gt cannot be converted"),
        (json!({"Tags.x": {"$gt": true}}), "operator $gt at $.Tags.x.$gt cannot be converted"),
        (json!({"Tags.x": "yes"}), "$.Tags.x must be true or false"),
        (json!({"_tags": ["x"]}), "$._tags must be text, a number, a boolean or null"),
        (json!({"A": {"$gt": null}}), "$.A.$gt must be text, a number or a boolean"),
        (json!({"$and": [5]}), "$.$and[0] must be an object"),
        (json!({"$and": 5}), "$.$and must be a list"),
        (json!([]), "$ must be an object"),
        (json!("A ="), "line 1, column 4"),
    ] {
        let error = read_precondition(&json).unwrap_err().to_string();
        assert!(error.contains(message), "{json}: {error}");
    }
    let nested = (0..100).fold(json!({"A": 1}), |inner, _| json!({"$and": [inner, {"B": 1}]}));
    assert!(read_precondition(&nested).is_err());
}
