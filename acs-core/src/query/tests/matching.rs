use super::*;

#[test]
fn equality_is_within_types_and_null_matches_missing() {
    let documents =
        [json!({"a": 1}), json!({"a": "1"}), json!({"a": true}), json!({"a": null}), json!({}), json!({"a": {"b": 1}})];
    assert_matches(
        &documents,
        &[
            (json!({"a": 1}), &[0]),
            (json!({"a": 1.0}), &[0]),
            (json!({"a": "1"}), &[1]),
            (json!({"a": true}), &[2]),
            (json!({"a": null}), &[3, 4]),
            (json!({"a": {"$eq": null}}), &[3, 4]),
            (json!({"a": {"$ne": null}}), &[0, 1, 2, 5]),
            (json!({"a": {"$ne": 1}}), &[1, 2, 3, 4, 5]),
            (json!({"a": {"$in": [1, "1"]}}), &[0, 1]),
            (json!({"a": {"$in": [null]}}), &[3, 4]),
            (json!({"a": {"$in": []}}), &[]),
            (json!({"a": {"$nin": [1, null]}}), &[1, 2, 5]),
            (json!({"a": {"$nin": []}}), &[0, 1, 2, 3, 4, 5]),
            (json!({"a": {"$exists": true}}), &[0, 1, 2, 3, 5]),
            (json!({"a": {"$exists": 0}}), &[4]),
            (json!({"a.b": 1}), &[5]),
            (json!({}), &[0, 1, 2, 3, 4, 5]),
            (json!([]), &[0, 1, 2, 3, 4, 5]),
            (json!(null), &[0, 1, 2, 3, 4, 5]),
        ],
    );
}

#[test]
fn comparisons_stay_within_a_type() {
    let documents = [
        json!({"a": 1}),
        json!({"a": 5}),
        json!({"a": "1"}),
        json!({"a": "b"}),
        json!({"a": false}),
        json!({"a": true}),
        json!({"a": null}),
        json!({}),
    ];
    assert_matches(
        &documents,
        &[
            (json!({"a": {"$gt": 1}}), &[1]),
            (json!({"a": {"$gte": 1}}), &[0, 1]),
            (json!({"a": {"$lt": 5}}), &[0]),
            (json!({"a": {"$lte": 5}}), &[0, 1]),
            (json!({"a": {"$gt": "1"}}), &[3]),
            (json!({"a": {"$lt": "z"}}), &[2, 3]),
            (json!({"a": {"$gt": false}}), &[5]),
            (json!({"a": {"$lte": true}}), &[4, 5]),
            (json!({"a": {"$gte": null}}), &[6, 7]),
            (json!({"a": {"$lt": null}}), &[]),
            (json!({"a": {"$gt": 1, "$lt": 5}}), &[]),
            (json!({"a": {"$gte": 1, "$lt": 5}}), &[0]),
            (json!({"a": {"$not": {"$gt": 1}}}), &[0, 2, 3, 4, 5, 6, 7]),
            (json!({"a": {"$not": {"$gte": 1, "$lt": 5}}}), &[1, 2, 3, 4, 5, 6, 7]),
        ],
    );
}

#[test]
fn lists_match_when_an_element_does_and_negations_when_none_does() {
    let documents = [
        json!({"_tags": ["a", "b"]}),
        json!({"_tags": ["a"]}),
        json!({"_tags": []}),
        json!({}),
        json!({"_tags": [1, 9, null]}),
        json!({"_tags": [["a"]]}),
    ];
    assert_matches(
        &documents,
        &[
            (json!({"_tags": "a"}), &[0, 1]),
            (json!({"_tags": {"$ne": "a"}}), &[2, 3, 4, 5]),
            (json!({"_tags": {"$in": ["b", 1]}}), &[0, 4]),
            (json!({"_tags": {"$nin": ["b", 1]}}), &[1, 2, 3, 5]),
            (json!({"_tags": {"$all": ["a", "b"]}}), &[0]),
            (json!({"_tags": {"$all": []}}), &[]),
            (json!({"_tags": {"$size": 1}}), &[1, 5]),
            (json!({"_tags": {"$size": 0}}), &[2]),
            (json!({"_tags": ["a"]}), &[1, 5]),
            (json!({"_tags": ["a", "b"]}), &[0]),
            (json!({"_tags": []}), &[2]),
            (json!({"_tags": {"$regex": "^A$", "$options": "i"}}), &[0, 1]),
            (json!({"_tags": {"$type": "array"}}), &[0, 1, 2, 4, 5]),
            (json!({"_tags": {"$type": ["string", 16]}}), &[0, 1, 4]),
            (json!({"_tags": null}), &[3, 4]),
            // Each bound may be met by another element, unless one is to meet both.
            (json!({"_tags": {"$gt": 5, "$lt": 3}}), &[4]),
            (json!({"_tags": {"$elemMatch": {"$gt": 5, "$lt": 3}}}), &[]),
            (json!({"_tags": {"$elemMatch": {"$gt": 5, "$lt": 10}}}), &[4]),
        ],
    );
}

#[test]
fn names_lead_through_lists_of_objects() {
    let documents = [
        json!({"configurations": [{"type": "provision", "name": "a"}, {"type": "tag", "name": "b"}]}),
        json!({"configurations": [{"type": "provision", "name": "b"}]}),
        json!({"configurations": []}),
        json!({}),
        json!({"configurations": [{"type": "provision"}, 5]}),
    ];
    assert_matches(
        &documents,
        &[
            (json!({"configurations.name": "b"}), &[0, 1]),
            (json!({"configurations.name": {"$ne": "b"}}), &[2, 3, 4]),
            (json!({"configurations.0.name": "b"}), &[1]),
            (json!({"configurations.name": null}), &[3, 4]),
            (json!({"configurations.name": {"$exists": true}}), &[0, 1]),
            (json!({"configurations.name": {"$exists": false}}), &[2, 3, 4]),
            (json!({"configurations.type": "provision", "configurations.name": "b"}), &[0, 1]),
            (json!({"configurations": {"$elemMatch": {"type": "provision", "name": "b"}}}), &[1]),
            (
                json!({"configurations": {"$elemMatch": {"$or": [{"name": "a"}, {"name": {"$exists": false}}]}}}),
                &[0, 4],
            ),
            (json!({"configurations": {"$type": "object"}}), &[0, 1, 4]),
        ],
    );
}

#[test]
fn logic() {
    let documents = [json!({"a": 1, "b": 1}), json!({"a": 1}), json!({"b": 1}), json!({})];
    assert_matches(
        &documents,
        &[
            (json!({"a": 1, "b": 1}), &[0]),
            (json!({"$and": [{"a": 1}, {"b": 1}]}), &[0]),
            (json!({"$or": [{"a": 1}, {"b": 1}]}), &[0, 1, 2]),
            (json!({"$nor": [{"a": 1}, {"b": 1}]}), &[3]),
            (json!({"$nor": [{"a": 1, "b": 1}], "a": 1}), &[1]),
            (json!({"$comment": "why", "a": 1}), &[0, 1]),
        ],
    );
}

#[test]
fn regular_expressions_find_in_text() {
    let documents = [json!({"a": "Router 5"}), json!({"a": "my router"}), json!({"a": 5}), json!({"a": "x\ny"})];
    assert_matches(
        &documents,
        &[
            (json!({"a": {"$regex": "outer"}}), &[0, 1]),
            (json!({"a": {"$regex": "^ROUTER", "$options": "i"}}), &[0]),
            (json!({"a": {"$options": "i", "$regex": "^ROUTER"}}), &[0]),
            (json!({"a": {"$regex": "5"}}), &[0]),
            (json!({"a": {"$regex": "^y"}}), &[]),
            (json!({"a": {"$regex": "^y", "$options": "m"}}), &[3]),
            (json!({"a": {"$regex": "x.y", "$options": "s"}}), &[3]),
            (json!({"a": {"$regex": "x . y", "$options": "xs"}}), &[3]),
            (json!({"a": {"$not": {"$regex": "outer"}}}), &[2, 3]),
        ],
    );
}

#[test]
fn dates_compare_with_dates() {
    let documents = [
        json!({"timestamp": "2024-05-01T00:00:00.000Z"}),
        json!({"timestamp": "2024-05-02T00:00:00Z"}),
        json!({"timestamp": 1_714_521_600_000_i64}),
        json!({"timestamp": "soon"}),
        json!({"other": "2024-05-01T00:00:00.000Z"}),
    ];
    assert_matches(
        &documents,
        &[
            (json!({"timestamp": {"$date": "2024-05-01"}}), &[0, 2]),
            (json!({"timestamp": {"$gt": {"$date": 1_714_521_600_000_i64}}}), &[1]),
            (json!({"timestamp": {"$lt": "2025"}}), &[]),
            (json!({"timestamp": "soon"}), &[3]),
            (json!({"timestamp": {"$type": "date"}}), &[0, 1, 2]),
            (json!({"other": {"$gt": {"$date": 0}}}), &[]),
            (json!({"other": {"$type": "string"}}), &[4]),
        ],
    );
}

#[test]
fn types() {
    let documents = [
        json!({"a": 1}),
        json!({"a": 1.5}),
        json!({"a": 5_000_000_000_i64}),
        json!({"a": "x"}),
        json!({"a": true}),
        json!({"a": null}),
        json!({"a": {}}),
        json!({}),
    ];
    assert_matches(
        &documents,
        &[
            (json!({"a": {"$type": "number"}}), &[0, 1, 2]),
            (json!({"a": {"$type": "int"}}), &[0]),
            (json!({"a": {"$type": "double"}}), &[1]),
            (json!({"a": {"$type": "long"}}), &[2]),
            (json!({"a": {"$type": 2}}), &[3]),
            (json!({"a": {"$type": [8, 10]}}), &[4, 5]),
            (json!({"a": {"$type": "object"}}), &[6]),
        ],
    );
}

#[test]
fn mistakes_are_named_with_their_place() {
    let cases = [
        (json!("x"), "$ must be an object"),
        (json!([1]), "$ must be an object"),
        (json!({"$or": [{"a": 1}, 5]}), "$.$or[1] must be an object"),
        (json!({"$or": []}), "$.$or must be a list with at least one query"),
        (json!({"$or": {}}), "$.$or must be a list with at least one query"),
        (json!({"$where": "1"}), "operator $where at $.$where is not allowed"),
        (json!({"$and": [{"$expr": {}}]}), "operator $expr at $.$and[0].$expr is not allowed"),
        (json!({"a": {"$function": {}}}), "operator $function at $.a.$function is not allowed"),
        (json!({"a": {"$accumulator": {}}}), "operator $accumulator at $.a.$accumulator is not allowed"),
        (json!({"a": {"$elemMatch": {"$where": "1"}}}), "operator $where at $.a.$elemMatch.$where is not allowed"),
        (json!({"a": {"$not": {"$where": "1"}}}), "operator $where at $.a.$not.$where is not allowed"),
        (json!({"$foo": 1}), "unknown operator $foo at $.$foo"),
        (json!({"a": {"$foo": 1}}), "unknown operator $foo at $.a.$foo"),
        (json!({"a": {"$gt": 1, "b": 2}}), "$.a must be either operators or a value, not both"),
        (json!({"a": {"b": 2}}), "$.a must be a value; whole objects are not compared, name their fields instead"),
        (json!({"a": {"$gt": [1]}}), "$.a.$gt must be a single value, not a list"),
        (json!({"a": {"$in": 1}}), "$.a.$in must be a list"),
        (
            json!({"a": {"$in": [{"b": 1}]}}),
            "$.a.$in[0] must be a value; whole objects are not compared, name their fields instead",
        ),
        (json!({"a": {"$exists": "x"}}), "$.a.$exists must be true or false"),
        (json!({"a": {"$size": -1}}), "$.a.$size must be a whole number from 0"),
        (json!({"a": {"$not": 5}}), "$.a.$not must be an object of operators"),
        (json!({"a": {"$options": "i"}}), "$.a.$options must be beside a $regex"),
        (json!({"a": {"$regex": 5}}), "$.a.$regex must be text"),
        (json!({"a": {"$gt": {"$date": "x"}}}), "$.a.$gt must be a date: ISO 8601 text, or milliseconds since 1970"),
    ];
    for (query, message) in cases {
        assert_eq!(mongo::parse(&query).unwrap_err().to_string(), message, "{query}");
    }
    let error = mongo::parse(&json!({"a": {"$type": "objectId"}})).unwrap_err().to_string();
    assert!(error.starts_with("$.a.$type must be a type"), "{error}");
}

#[test]
fn cost_is_bounded() {
    // Catastrophic in backtracking engines, linear here.
    let query = mongo::parse(&json!({"a": {"$regex": "^(a+)+$"}})).unwrap();
    assert!(!query.matches(&record(&json!({"a": "a".repeat(50_000) + "!"}))));
    for (pattern, message) in [
        ("(", "cannot be used: unclosed group"),
        ("(?=a)", "look-around"),
        (r"(a)\1", "backreferences"),
        ("((a{1000}){1000}){1000}", "too large"),
        (&format!("{}a{}", "(".repeat(60), ")".repeat(60)), "nested parentheses"),
        (&"a".repeat(1_001), "longer than 1000"),
    ] {
        let error = mongo::parse(&json!({"a": {"$regex": pattern}})).unwrap_err().to_string();
        assert!(error.contains("$.a.$regex") && error.contains(message), "{error}");
    }
    let error = mongo::parse(&json!({"a": {"$regex": "a", "$options": "q"}})).unwrap_err();
    assert!(error.to_string().contains("no option 'q'"));

    let clauses = |count: usize| json!({"$or": vec![json!({"a": 1}); count]});
    assert!(mongo::parse(&clauses(999)).is_ok());
    assert_eq!(mongo::parse(&clauses(100_000)).unwrap_err(), QueryError::TooMany { what: "conditions", limit: 1_000 });
    let regexes = json!({"$or": vec![json!({"a": {"$regex": "x"}}); 33]});
    assert_eq!(mongo::parse(&regexes).unwrap_err(), QueryError::TooMany { what: "regular expressions", limit: 32 });
    let listed = |count: usize| json!({"a": {"$in": vec![1; count]}});
    assert!(mongo::parse(&listed(10_000)).is_ok());
    assert_eq!(mongo::parse(&listed(10_001)).unwrap_err(), QueryError::TooMany { what: "values", limit: 10_000 });

    let nested = |depth: usize| (1..depth).fold(json!({"a": 1}), |inner, _| json!({"$and": [inner]}));
    assert!(mongo::parse(&nested(32)).is_ok());
    assert!(matches!(mongo::parse(&nested(33)).unwrap_err(), QueryError::TooDeep { .. }));
    let negated = (0..40).fold(json!({"$gt": 1}), |inner, _| json!({"$not": inner}));
    assert!(matches!(mongo::parse(&json!({"a": negated})).unwrap_err(), QueryError::TooDeep { .. }));
    let elements = (0..40).fold(json!({"$gt": 1}), |inner, _| json!({"$elemMatch": inner}));
    assert!(matches!(mongo::parse(&json!({"a": elements})).unwrap_err(), QueryError::TooDeep { .. }));
    let list = (0..100).fold(json!(1), |inner, _| json!([inner]));
    assert!(matches!(mongo::parse(&json!({"a": list})).unwrap_err(), QueryError::TooDeep { .. }));
}

#[test]
fn a_query_tells_which_fields_it_looks_at() {
    let query = mongo::parse(&json!({
        "a.b": 1,
        "$or": [{"c": {"$not": {"$in": [1]}}}, {"d": {"$regex": "x"}}, {"e": {"$exists": true}}],
        "f": {"$elemMatch": {"g": {"$elemMatch": {"h": 1}}}},
        "i": {"$elemMatch": {"$gt": 1}},
        "j": {"$size": 1},
        "k": {"$type": 2}
    }))
    .unwrap();
    let fields: Vec<String> = query.fields().into_iter().collect();
    assert_eq!(fields, ["a.b", "c", "d", "e", "f", "f.g", "f.g.h", "i", "j", "k"]);
}
