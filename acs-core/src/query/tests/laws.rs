use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Map;

use super::filters::Document;
use super::*;
use crate::expression::parse;

// A second evaluator, written straight on the JSON of query and document, to compare with.

/// What a dotted name reaches: elements of lists first, then the list itself.
fn reach<'d>(value: &'d Json, name: &[&str], found: &mut Vec<Option<&'d Json>>) {
    match (name, value) {
        ([], Json::Array(items)) => {
            found.extend(items.iter().map(Some));
            found.push(Some(value));
        }
        ([], _) => found.push(Some(value)),
        ([first, rest @ ..], Json::Array(items)) => {
            for item in items {
                if item.is_object() {
                    reach(item, name, found);
                }
            }
            if let Some(item) = first.parse::<usize>().ok().and_then(|index| items.get(index)) {
                reach(item, rest, found);
            }
        }
        ([first, rest @ ..], _) => match value.get(*first) {
            Some(inner) => reach(inner, rest, found),
            None => found.push(None),
        },
    }
}

fn naive_equal(value: Option<&Json>, operand: &Json) -> bool {
    match (value, operand) {
        (None, Json::Null) => true,
        (Some(Json::Number(a)), Json::Number(b)) => a.as_f64() == b.as_f64(),
        (Some(value), operand) => value == operand,
        (None, _) => false,
    }
}

fn naive_less(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() < b.as_f64(),
        (Json::String(a), Json::String(b)) => a < b,
        (Json::Bool(a), Json::Bool(b)) => !a & b,
        _ => false,
    }
}

fn naive_operator(document: &Json, field: &str, operator: &str, operand: &Json) -> bool {
    let mut found = Vec::new();
    reach(document, &field.split('.').collect::<Vec<_>>(), &mut found);
    let equal = |value: &Option<&Json>| naive_equal(*value, operand);
    let less = |value: &Option<&Json>| value.is_some_and(|value| naive_less(value, operand));
    let greater = |value: &Option<&Json>| value.is_some_and(|value| naive_less(operand, value));
    let listed = |value: &Option<&Json>| operand.as_array().unwrap().iter().any(|operand| naive_equal(*value, operand));
    match operator {
        "$eq" => found.iter().any(equal),
        "$ne" => !found.iter().any(equal),
        "$lt" => found.iter().any(less),
        "$lte" => found.iter().any(|value| less(value) || equal(value)),
        "$gt" => found.iter().any(greater),
        "$gte" => found.iter().any(|value| greater(value) || equal(value)),
        "$in" => found.iter().any(listed),
        "$nin" => !found.iter().any(listed),
        "$exists" => found.iter().any(Option::is_some) == operand.as_bool().unwrap(),
        "$not" => {
            !operand.as_object().unwrap().iter().all(|(inner, operand)| naive_operator(document, field, inner, operand))
        }
        other => panic!("{other}"),
    }
}

fn naive(document: &Json, query: &Json) -> bool {
    query.as_object().unwrap().iter().all(|(key, value)| {
        let parts = || value.as_array().unwrap().iter();
        match key.as_str() {
            "$and" => parts().all(|part| naive(document, part)),
            "$or" => parts().any(|part| naive(document, part)),
            "$nor" => !parts().any(|part| naive(document, part)),
            field => match value.as_object() {
                None => naive_operator(document, field, "$eq", value),
                Some(operators) => {
                    operators.iter().all(|(operator, operand)| naive_operator(document, field, operator, operand))
                }
            },
        }
    })
}

// Random documents and queries over few names and values, so that they meet.

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Json::from),
        (-1..3).prop_map(Json::from),
        Just(json!(1.5)),
        prop_oneof![Just(""), Just("1"), Just("a"), Just("B")].prop_map(Json::from),
    ]
}

fn value() -> impl Strategy<Value = Json> {
    scalar().prop_recursive(3, 8, 3, |inner| prop_oneof![vec(inner.clone(), 0..3).prop_map(Json::from), object(inner)])
}

fn object(inner: impl Strategy<Value = Json> + 'static) -> impl Strategy<Value = Json> {
    vec(("[ab0]", inner), 0..3).prop_map(|pairs| Json::Object(pairs.into_iter().collect()))
}

fn field_name() -> impl Strategy<Value = String> {
    prop_oneof![Just("a"), Just("b"), Just("a.b"), Just("a.0"), Just("a.a.b"), Just("a.0.b"), Just("c")]
        .prop_map(str::to_owned)
}

fn operators() -> impl Strategy<Value = Json> {
    let one = prop_oneof![
        (prop_oneof![Just("$eq"), Just("$ne"), Just("$lt"), Just("$lte"), Just("$gt"), Just("$gte")], scalar()).boxed(),
        (prop_oneof![Just("$in"), Just("$nin")], vec(scalar(), 0..3).prop_map(Json::from)).boxed(),
        (Just("$eq"), vec(scalar(), 0..3).prop_map(Json::from)).boxed(),
        (Just("$exists"), any::<bool>().prop_map(Json::from)).boxed(),
    ];
    let several = |one| {
        vec(one, 1..3).prop_map(|pairs: Vec<(&str, Json)>| {
            Json::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
        })
    };
    several(one).prop_recursive(2, 4, 1, |inner| inner.prop_map(|inner| json!({"$not": inner})))
}

fn query() -> impl Strategy<Value = Json> {
    let condition = prop_oneof![scalar(), operators()];
    let leaf = vec((field_name(), condition), 0..3).prop_map(|pairs| Json::Object(pairs.into_iter().collect()));
    leaf.prop_recursive(3, 12, 3, |inner| {
        (prop_oneof![Just("$and"), Just("$or"), Just("$nor")], vec(inner, 1..3))
            .prop_map(|(key, parts)| json!({key: parts}))
    })
}

/// Filters of every translatable form over flat documents, as text.
fn filter() -> impl Strategy<Value = String> {
    let literal = prop_oneof![
        Just("NULL"),
        Just("TRUE"),
        Just("FALSE"),
        Just("0"),
        Just("1"),
        Just("1.5"),
        Just("-1"),
        Just("2000"),
        Just("''"),
        Just("'1'"),
        Just("'a'"),
        Just("'B'"),
    ];
    let operator = prop_oneof![Just("="), Just("<>"), Just("<"), Just("<="), Just(">"), Just(">=")];
    let name = || prop_oneof![Just("a"), Just("b"), Just("timestamp"), Just("missing")];
    let pattern = prop_oneof![Just("'%'"), Just("'a%'"), Just("'_'"), Just("'A'"), Just("'!%' ESCAPE '!'")];
    let like = prop_oneof![Just("LIKE"), Just("NOT LIKE")];
    let side = (name(), prop_oneof![Just("{}"), Just("UPPER({})"), Just("LOWER({})")])
        .prop_map(|(name, form)| form.replace("{}", name));
    let leaf = prop_oneof![
        (name(), operator.clone(), literal.clone()).prop_map(|(name, o, l)| format!("{name} {o} {l}")),
        (name(), operator, literal).prop_map(|(name, o, l)| format!("{l} {o} {name}")),
        (side.clone(), like, pattern).prop_map(|(side, like, pattern)| format!("{side} {like} {pattern}")),
        (side, prop_oneof![Just("= 'a'"), Just("<> 'B'")]).prop_map(|(side, test)| format!("{side} {test}")),
        name().prop_map(|name| format!("{name} IS NULL")),
        name().prop_map(|name| format!("{name} IS NOT NULL")),
        name().prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("NOT ({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) AND ({b})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a}) OR ({b})")),
        ]
    })
}

fn flat_document() -> impl Strategy<Value = Json> {
    let date = prop_oneof![
        Just(json!(null)),
        Just(json!("1970-01-01T00:00:00Z")),
        Just(json!("1970-01-01T00:00:02Z")),
        Just(json!("1970-01-01T00:00:00.001Z")),
    ];
    (proptest::option::of(scalar()), proptest::option::of(scalar()), proptest::option::of(date)).prop_map(
        |(a, b, timestamp)| {
            let fields = [("a", a), ("b", b), ("timestamp", timestamp)];
            let present = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
            Json::Object(present.collect())
        },
    )
}

/// Sums and products of a parameter that is no text.
fn line() -> impl Strategy<Value = String> {
    let operator = prop_oneof![Just("="), Just("<>"), Just("<"), Just(">=")];
    let step = (prop_oneof![Just("+"), Just("-"), Just("*"), Just("/")], prop_oneof![Just(1), Just(-2), Just(4)]);
    let start = prop_oneof![Just("a"), Just("3 - a"), Just("2 * a"), Just("timestamp")];
    (start, vec(step, 0..3), operator, -4..8, any::<bool>()).prop_map(|(start, steps, operator, limit, negated)| {
        let sum = steps.iter().fold(start.to_owned(), |sum, (sign, number)| format!("({sum}) {sign} {number}"));
        let not = if negated { "NOT " } else { "" };
        format!("{not}{sum} {operator} {limit}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn matching_agrees_with_the_naive_evaluator(query in query(), document in object(value())) {
        let parsed = mongo::parse(&query).unwrap();
        prop_assert_eq!(parsed.matches(&JsonRecord::new(&document)), naive(&document, &query));
    }

    #[test]
    fn a_filter_matches_exactly_where_its_expression_is_true(filter in filter(), document in flat_document()) {
        let expression = parse(&filter).unwrap();
        let query = from_expression(&expression, FieldNames::Documents).unwrap();
        prop_assert_eq!(query.matches(&record(&document)), expression.holds(&Document(&document)), "{:?}", query);
    }

    #[test]
    fn so_it_does_with_arithmetic_on_what_is_no_text(filter in line(), document in flat_document()) {
        let mut document = document;
        if document["a"].is_string() {
            document["a"] = json!(null);
        }
        let expression = parse(&filter).unwrap();
        let query = from_expression(&expression, FieldNames::Documents).unwrap();
        prop_assert_eq!(query.matches(&record(&document)), expression.holds(&Document(&document)), "{:?}", query);
    }

    #[test]
    fn any_json_is_read_or_refused(json in object(prop_oneof![value(), operators(), query()])) {
        for collection in ["devices", "tasks", "faults", "presets"] {
            if let Ok(query) = nbi::parse(collection, &json) {
                let _ = query.matches(&record(&json));
            }
            let _ = nbi::parse_sort(collection, &json);
        }
        let _ = read_precondition(&json);
        if let Ok(projection) = Projection::from_json(&json) {
            let _ = projection.apply(&json);
        }
    }

    #[test]
    fn any_text_operand_is_read_or_refused(text in any::<String>()) {
        let json = json!({"a": text, "_b": {"$ne": text}, "c": {"$in": [text]}});
        if let Ok(query) = nbi::parse("devices", &json) {
            let document = json!({"a": {"_value": text}, "_b": text});
            prop_assert!(!query.matches(&record(&document)));
        }
    }

    #[test]
    fn a_glob_is_found_by_the_text_that_it_was_made_of(start in "[a-c.(]{0,3}", middle in "\\PC{0,5}", end in "[a-c$]{0,3}") {
        let query = json!({"_a": format!("{start}*{end}")});
        let document = json!({"_a": format!("{start}{middle}{end}")});
        prop_assert!(nbi::parse("devices", &query).unwrap().matches(&record(&document)));
    }

    #[test]
    fn sorting_is_a_total_order(values in vec(value(), 3)) {
        let documents: Vec<Json> = values.into_iter().map(|value| json!({"a": value})).collect();
        for descending in [false, true] {
            let order = [Sort { field: "a".into(), descending }];
            let compare = |left: usize, right: usize| {
                compare_records(&order, &record(&documents[left]), &record(&documents[right]))
            };
            prop_assert_eq!(compare(0, 1), compare(1, 0).reverse());
            if compare(0, 1).is_le() && compare(1, 2).is_le() {
                prop_assert!(compare(0, 2).is_le());
            }
        }
    }
}
