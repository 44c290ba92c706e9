use super::*;

#[test]
fn mistakes_are_found_before_use() {
    let cases: &[(&str, FunctionSet, &[&str])] = &[
        ("NOW() - a > 5 AND UPPER(b) LIKE 'X%'", FunctionSet::BASIC, &[]),
        ("NOSUCH(1)", FunctionSet::ALL, &["there is no function NOSUCH"]),
        ("EXT('a', 'b')", FunctionSet::SESSION, &["EXT() cannot be used here"]),
        ("EXT('a', 'b', 1, 2, 3)", FunctionSet::AUTHENTICATION, &[]),
        ("REMOTE_ADDRESS()", FunctionSet::SESSION, &[]),
        ("REMOTE_ADDRESS()", FunctionSet::BASIC, &["REMOTE_ADDRESS() cannot be used here"]),
        ("AUTH(USERNAME(), PASSWORD())", FunctionSet::CONNECTION_REQUEST, &[]),
        ("Q('ID', 'x')", FunctionSet::FILTER, &[]),
        ("NOW(1)", FunctionSet::BASIC, &["NOW() takes no arguments, not 1"]),
        ("LOWER()", FunctionSet::BASIC, &["LOWER() takes 1 argument, not 0"]),
        ("ROUND(1, 2, 3)", FunctionSet::BASIC, &["ROUND() takes 1 to 2 arguments, not 3"]),
        ("EXT('a')", FunctionSet::ALL, &["EXT() takes 2 or more arguments, not 1"]),
        ("AUTH('a')", FunctionSet::ALL, &["AUTH() takes 2 arguments, not 1"]),
        ("COALESCE()", FunctionSet::BASIC, &["COALESCE() takes 1 or more arguments, not 0"]),
        ("a = NULL", FunctionSet::BASIC, &["a = NULL is always NULL; write IS NULL or IS NOT NULL"]),
        (
            "'1' = 1",
            FunctionSet::BASIC,
            &["\"1\" = 1 compares text with a number, which are never equal; quote both or neither"],
        ),
        ("TRUE = 1 OR 'a' < 'b' OR a = 1", FunctionSet::BASIC, &[]),
        ("a + 'x'", FunctionSet::BASIC, &["\"x\" in a + \"x\" is not a number"]),
        ("a + '12'", FunctionSet::BASIC, &[]),
        ("a LIKE 5", FunctionSet::BASIC, &["the pattern of a LIKE 5 is not text"]),
        (
            "a LIKE 'x' ESCAPE '!!'",
            FunctionSet::BASIC,
            &["ESCAPE in a LIKE \"x\" ESCAPE \"!!\" wants exactly one character"],
        ),
        ("a LIKE 'x' ESCAPE '!'", FunctionSet::BASIC, &[]),
        ("NOT (A(1) OR B(2))", FunctionSet::BASIC, &["there is no function A", "there is no function B"]),
    ];
    for (text, allowed, expected) in cases {
        let problems = parse(text).unwrap().check(*allowed);
        let messages: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(messages, *expected, "{text}");
    }
}

#[test]
fn every_function_is_found_by_its_name() {
    for function in Function::ALL {
        assert_eq!(Function::by_name(function.name()), Some(function));
        assert!(FunctionSet::ALL.contains(function));
    }
    assert!(!FunctionSet::BASIC.contains(Function::Ext));
}

struct Some5;

impl Known for Some5 {
    fn parameter(&self, path: &str) -> Option<Scalar> {
        match path {
            "five" => Some(5.0.into()),
            "none" => Some(Scalar::Null),
            _ => None,
        }
    }

    fn now(&self) -> Option<i64> {
        Some(1_000_000)
    }
}

#[test]
fn simplification_puts_in_what_is_known() {
    let cases = [
        ("a > NOW() - 5 * 60", "a > 999700"),
        ("five = 5 AND a", "TRUE AND a"),
        ("five = 5 AND a = 1", "a = 1"),
        ("five = 6 AND a", "FALSE"),
        ("five = 6 OR a = 1", "a = 1"),
        ("five = 5 OR a", "TRUE"),
        ("none AND a", "NULL AND a"),
        ("none AND TRUE", "NULL"),
        ("none AND a AND none", "NULL AND a"),
        ("none = a", "NULL"),
        ("NOT none", "NULL"),
        ("a || none", "NULL"),
        ("a LIKE none", "NULL"),
        ("none IS NULL", "TRUE"),
        ("a IS NULL", "a IS NULL"),
        ("x.{five}.y", "x.5.y"),
        ("x.{none}.y", "NULL"),
        ("{'fi' || 've'}", "5"),
        ("CASE WHEN five = 6 THEN 1 WHEN a THEN 2 WHEN five = 5 THEN 3 ELSE 4 END", "CASE WHEN a THEN 2 ELSE 3 END"),
        ("CASE WHEN none THEN 1 ELSE five END", "5"),
        ("CASE WHEN FALSE THEN 1 END", "NULL"),
        ("COALESCE(none, a, five, b)", "COALESCE(a, 5)"),
        ("COALESCE(none, a)", "a"),
        ("COALESCE(none)", "NULL"),
        ("UPPER('a') || LOWER('B')", r#""Ab""#),
        ("EXT('f', 'g', five)", r#"EXT("f", "g", 5)"#),
        ("REMOTE_ADDRESS()", "REMOTE_ADDRESS()"),
        ("UPPER()", "NULL"),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text).unwrap().simplify(&Some5).to_string(), expected, "{text}");
    }
}

/// A driver answers functions that take time one by one.
#[test]
fn pending_calls_are_answered_in_order_until_a_value_is_left() {
    struct Answer(&'static str, Vec<Scalar>, Scalar);
    impl Known for Answer {
        fn call(&self, name: &str, arguments: &[Scalar]) -> Option<Scalar> {
            (name == self.0 && arguments == self.1).then(|| self.2.clone())
        }
    }
    let text = "AUTH(EXT('users', 'find', 1 + 1), UPPER('pw')) OR EXT('never', 'called')";
    let mut expression = parse(text).unwrap().simplify(&());
    let answers = [
        Answer("EXT", vec!["users".into(), "find".into(), 2.0.into()], "ann".into()),
        Answer("AUTH", vec!["ann".into(), "PW".into()], true.into()),
    ];
    for answer in answers {
        assert_eq!(expression.next_call(), Some((answer.0, answer.1.clone())));
        expression = expression.simplify(&answer);
    }
    assert_eq!(expression, Expression::literal(true));
    assert_eq!(expression.next_call(), None);
}
