use super::*;

/// Text, and how the expression is printed: the printed form shows the structure by its parentheses, and parses again.
#[test]
fn precedence_and_canonical_text() {
    let cases = [
        ("a or b and not c = d", "a OR b AND NOT c = d"),
        ("(a or b) and c", "(a OR b) AND c"),
        ("a AND (b AND c)", "a AND (b AND c)"),
        ("((a))", "a"),
        ("NOT NOT a", "NOT NOT a"),
        ("NOT (a AND b)", "NOT (a AND b)"),
        ("(NOT a) = b", "(NOT a) = b"),
        ("a || b || c = d", "a || b || c = d"),
        ("a || (b || c)", "a || (b || c)"),
        ("a + b * c", "a + b * c"),
        ("(a + b) * c", "(a + b) * c"),
        ("a - b - c", "a - b - c"),
        ("a - (b - c)", "a - (b - c)"),
        ("a / b % c", "a / b % c"),
        ("a + b || c", "a + b || c"),
        ("a || (b + c)", "a || b + c"),
        ("a LIKE 'x%' escape '!'", r#"a LIKE "x%" ESCAPE "!""#),
        ("a not like b || c", "a NOT LIKE b || c"),
        ("a is null", "a IS NULL"),
        ("a Is Not Null", "a IS NOT NULL"),
        ("(a IS NULL) = b", "(a IS NULL) = b"),
        ("a<>b", "a <> b"),
        ("a<=b", "a <= b"),
        ("a >=b", "a >= b"),
        ("now()", "NOW()"),
        ("round ( a, 2 )", "ROUND(a, 2)"),
        ("case when a then 1 when b then 2 else 3 end", "CASE WHEN a THEN 1 WHEN b THEN 2 ELSE 3 END"),
        ("CASE WHEN a OR b THEN c END || 'x'", r#"CASE WHEN a OR b THEN c END || "x""#),
        ("true", "TRUE"),
        ("", "NULL"),
        (" \n\t ", "NULL"),
    ];
    for (text, printed) in cases {
        let expression = parse(text).unwrap();
        assert_eq!(expression.to_string(), printed, "{text}");
        assert_eq!(parse(printed).unwrap(), expression, "{text}");
    }
}

#[test]
fn literals() {
    let cases: &[(&str, Scalar)] = &[
        ("0", 0.0.into()),
        ("-0.5", (-0.5).into()),
        ("1.25e2", 125.0.into()),
        ("1E+3", 1000.0.into()),
        ("2e-2", 0.02.into()),
        ("9007199254740992", 9_007_199_254_740_992.0.into()),
        (r#""a\"b\\c\/\n\u00e9\ud83d\ude00""#, "a\"b\\c/\né😀".into()),
        ("'it''s'", "it's".into()),
        ("''", "".into()),
        (r"'\n'", "\\n".into()),
        ("TRUE", true.into()),
        ("False", false.into()),
        ("null", Scalar::Null),
    ];
    for (text, value) in cases {
        assert_eq!(parse(text).unwrap(), Expression::Literal(value.clone()), "{text}");
    }
}

#[test]
fn names_may_hold_minus_and_star_so_operators_after_names_want_a_space() {
    let cases = [
        ("Device.X-Y.*.Z_1", Expression::parameter("Device.X-Y.*.Z_1")),
        ("a-1", Expression::parameter("a-1")),
        ("a*b", Expression::parameter("a*b")),
        ("notes", Expression::parameter("notes")),
        ("order.end", Expression::parameter("order.end")),
        ("1st", Expression::parameter("1st")),
        ("a - 1", parse("(a) - (1)").unwrap()),
        ("a -1", parse("(a) - (1)").unwrap()),
        ("5-3", parse("(5) - (3)").unwrap()),
        ("5*3", parse("(5) * (3)").unwrap()),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn names_may_be_computed() {
    let expression = parse("Device.WiFi.SSID.{i + 1}.SSID").unwrap();
    assert_eq!(expression.to_string(), "Device.WiFi.SSID.{i + 1}.SSID");
    assert!(expression.has_computed_names());
    assert_eq!(expression.parameters(), ["i"]);
    // Constant fragments are part of the name; so any name can be written.
    for (text, name) in
        [("A.{5}.B", "A.5.B"), ("A{'b c'}", "Ab c"), (r#"{"NULL"}"#, "NULL"), (r#"{"12"}"#, "12"), (r#"{""}"#, "")]
    {
        let expression = parse(text).unwrap();
        assert_eq!(expression, Expression::parameter(name), "{text}");
        assert_eq!(parse(&expression.to_string()).unwrap(), expression, "{text}");
    }
    assert_eq!(parse("{'5-'}{x}").unwrap().to_string(), r#"{"5-"}{x}"#);
}

#[test]
fn mistakes_are_named_with_their_place() {
    let cases = [
        ("a =", 3, "expected a value, found the end"),
        ("a = = b", 4, "unexpected \"=\""),
        ("a = b = c", 6, "comparisons do not chain"),
        ("a IS NULL IS NULL", 10, "comparisons do not chain"),
        ("a != b", 2, "write <>"),
        ("a == b", 3, "unexpected \"=\""),
        ("a IN (1)", 2, "there is no IN"),
        ("a between 1 and 2", 2, "there is no BETWEEN"),
        ("(a", 2, "expected ), found the end"),
        ("a)", 1, "unexpected \")\""),
        ("'abc", 0, "no closing '"),
        ("\"abc", 0, "no closing \""),
        (r#""\x""#, 1, "unknown escape"),
        (r#""\ud800""#, 1, "surrogate"),
        (r#""\u12g4""#, 1, "four hexadecimal digits"),
        ("001122", 0, "quote it"),
        ("10.0.0.1", 0, "quote it"),
        ("1e999", 0, "out of range"),
        ("a NOT b", 6, "expected LIKE after NOT, found b"),
        ("a IS b", 5, "expected NULL, found b"),
        ("a = NOT b", 4, "parentheses"),
        ("CASE a END", 5, "expected WHEN"),
        ("CASE WHEN a THEN b", 18, "expected END"),
        ("CASE WHEN a b END", 12, "expected THEN, found b"),
        ("f(a, )", 5, "unexpected \")\""),
        ("f(a b)", 4, "expected ), found b"),
        ("a.b(1)", 0, "function's name"),
        ("END", 0, "found END"),
        ("Device.SSID.[SSID:x]", 12, "aliases"),
        ("{a", 2, "expected }"),
        ("a b", 2, "unexpected \"b\""),
        ("a é", 2, "unexpected \"é\""),
    ];
    for (text, offset, message) in cases {
        let error = parse(text).unwrap_err();
        assert_eq!(error.offset, offset, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
    }
    let error = parse("a AND\n  'é' ? b").unwrap_err();
    assert_eq!((error.line, error.column), (2, 7));
    assert_eq!(error.to_string(), "line 2, column 7: unexpected \"?\"");
}

#[test]
fn size_and_depth_are_bounded() {
    for (unit, count) in [("(", 100_000), ("NOT ", 50_000), ("f(", 50_000), ("a{", 50_000), ("CASE WHEN ", 20_000)] {
        let error = parse(&unit.repeat(count)).unwrap_err();
        assert!(!error.message.is_empty(), "{unit}");
    }
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(MAXIMUM_NESTING)).is_ok());
    assert!(parse(&nested(MAXIMUM_NESTING + 1)).unwrap_err().message.contains("nested"));
    let sum = |terms: usize| vec!["a"; terms].join(" + ");
    assert!(parse(&sum(MAXIMUM_HEIGHT)).is_ok());
    assert!(parse(&sum(MAXIMUM_HEIGHT + 1)).unwrap_err().message.contains("within each other"));
    // A sum in each of many parentheses: neither limit alone would bound the height.
    let both = format!("{}a{}", "(".repeat(90), " + b + c + d)".repeat(90));
    assert!(parse(&both).unwrap_err().message.contains("within each other"));
    // What is as deep as may be can be worked with on an ordinary stack.
    let deepest = format!("{}a{}", "(".repeat(95), " + b - UPPER(c))".repeat(95));
    let deepest = parse(&deepest).unwrap();
    assert_eq!(parse(&deepest.to_string()).unwrap(), deepest);
    assert_eq!(deepest.simplify(&()), deepest);
    assert_eq!(deepest.evaluate(&Parameters::default()), Scalar::Null);
    assert!(deepest.check(FunctionSet::BASIC).is_empty());
    // What lists of devices look like stays fine.
    let long = vec!["DeviceID.ID = '0A1B2C-Example-1'"; 5_000].join(" OR ");
    assert!(matches!(parse(&long).unwrap(), Expression::Or(operands) if operands.len() == 5_000));
    assert!(parse(&" ".repeat(MAXIMUM_LENGTH + 1)).unwrap_err().message.contains("longer"));
}

#[test]
fn in_serde_an_expression_is_its_text() {
    let expression = parse("a = 'x' AND b > 1").unwrap();
    let json = serde_json::to_string(&expression).unwrap();
    assert_eq!(json, r#""a = \"x\" AND b > 1""#);
    assert_eq!(serde_json::from_str::<Expression>(&json).unwrap(), expression);
    for (json, expected) in [("true", "TRUE"), ("5", "5"), ("-1.5", "-1.5"), ("null", "NULL"), ("\"\"", "NULL")] {
        assert_eq!(serde_json::from_str::<Expression>(json).unwrap().to_string(), expected);
    }
    let message = serde_json::from_str::<Expression>(r#""a =""#).unwrap_err().to_string();
    assert!(message.contains("line 1, column 4"), "{message}");
    assert!(serde_json::from_str::<Expression>("[]").is_err());
    // Formats that do not describe themselves.
    let bytes = postcard::to_allocvec(&expression).unwrap();
    assert_eq!(postcard::from_bytes::<Expression>(&bytes).unwrap(), expression);
}

#[test]
fn parameters_are_listed_once_in_order() {
    let expression = parse("b = 1 AND NOT a LIKE b || c.{d} OR COALESCE(e, CASE WHEN a THEN f END) IS NULL").unwrap();
    assert_eq!(expression.parameters(), ["b", "a", "d", "e", "f"]);
}

#[test]
fn old_short_names_are_spelled_out() {
    let expression =
        parse("id || serialNumber || productClass || oui || remoteAddress || username || password || x").unwrap();
    assert_eq!(
        expression.with_legacy_names().to_string(),
        "DeviceID.ID || DeviceID.SerialNumber || DeviceID.ProductClass || DeviceID.OUI || REMOTE_ADDRESS() || USERNAME() || PASSWORD() || x"
    );
}

#[test]
fn names_that_need_braces_when_printed_read_back_at_every_limit() {
    let sum = |name: &str, count: usize| vec![name; count].join(" + ");
    let calls = |name: &str, count: usize| "UPPER(".repeat(count) + name + &")".repeat(count);
    // Neither begins with a letter, so both are printed in braces.
    for name in ["-a", "5a.b"] {
        for text in [sum(name, MAXIMUM_HEIGHT), calls(name, MAXIMUM_NESTING)] {
            let expression = parse(&text).unwrap();
            let printed = expression.to_string();
            assert!(printed.contains("{\""), "{printed}");
            assert_eq!(parse(&printed).as_ref(), Ok(&expression));
        }
    }
}
