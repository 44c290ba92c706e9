use super::*;
use crate::value::Value;

/// Evaluates with `n` 5, `t` "Text", `b` true, `zero` 0, `empty` "", `digits` "12", `lines` "a\nb"; all else is null.
fn evaluate(text: &str) -> Scalar {
    let parameters = Parameters::of(&[
        ("n", 5.0.into()),
        ("t", "Text".into()),
        ("b", true.into()),
        ("zero", 0.0.into()),
        ("empty", "".into()),
        ("digits", "12".into()),
        ("lines", "a\nb".into()),
        ("list.5.x", "five".into()),
        ("list.1.x", "one".into()),
    ]);
    parse(text).unwrap().evaluate(&parameters)
}

/// The value of each text is written as a literal.
fn assert_values(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(evaluate(text).to_string(), *expected, "{text}");
    }
}

#[test]
fn logic_has_three_values() {
    for (left, right, and, or) in [
        ("TRUE", "TRUE", "TRUE", "TRUE"),
        ("TRUE", "FALSE", "FALSE", "TRUE"),
        ("TRUE", "NULL", "NULL", "TRUE"),
        ("FALSE", "FALSE", "FALSE", "FALSE"),
        ("FALSE", "NULL", "FALSE", "NULL"),
        ("NULL", "NULL", "NULL", "NULL"),
    ] {
        assert_values(&[
            (&format!("{left} AND {right}"), and),
            (&format!("{right} AND {left}"), and),
            (&format!("{left} OR {right}"), or),
            (&format!("{right} OR {left}"), or),
        ]);
    }
    assert_values(&[
        ("NOT TRUE", "FALSE"),
        ("NOT FALSE", "TRUE"),
        ("NOT NULL", "NULL"),
        ("NOT missing", "NULL"),
        ("NOT 0", "TRUE"),
        ("NOT empty", "TRUE"),
        ("5 AND t", "TRUE"),
        ("zero OR empty", "FALSE"),
    ]);
}

#[test]
fn null_propagates() {
    assert_values(&[
        ("missing = missing", "NULL"),
        ("missing <> 1", "NULL"),
        ("missing < 1", "NULL"),
        ("missing + 1", "NULL"),
        ("1 / missing", "NULL"),
        ("'a' || missing", "NULL"),
        ("missing LIKE '%'", "NULL"),
        ("t LIKE missing", "NULL"),
        ("t LIKE 'a' ESCAPE missing", "NULL"),
        ("missing NOT LIKE '%'", "NULL"),
        ("UPPER(missing)", "NULL"),
        ("ROUND(missing)", "NULL"),
        ("list.{missing}.x", "NULL"),
        ("missing IS NULL", "TRUE"),
        ("missing IS NOT NULL", "FALSE"),
        ("n IS NULL", "FALSE"),
        ("n IS NOT NULL", "TRUE"),
    ]);
}

#[test]
fn comparison_across_types() {
    assert_values(&[
        ("'1' = 1", "FALSE"),
        ("'1' <> 1", "TRUE"),
        ("'a' > 5", "TRUE"),
        ("'' > 99999", "TRUE"),
        ("5 < 'a'", "TRUE"),
        ("5 >= 'a'", "FALSE"),
        ("TRUE = 1", "TRUE"),
        ("FALSE = 0", "TRUE"),
        ("TRUE > FALSE", "TRUE"),
        ("TRUE = 'true'", "FALSE"),
        ("TRUE < 2", "TRUE"),
        ("'B' < 'a'", "TRUE"),
        ("'10' < '9'", "TRUE"),
        ("10 < 9", "FALSE"),
        ("'abc' < 'abcd'", "TRUE"),
        ("1 = 1.0", "TRUE"),
        // By UTF-16 code unit: an emoji's first unit is a surrogate, below U+FF5E.
        ("'😀' < '～'", "TRUE"),
        ("n >= 5", "TRUE"),
        ("n <= 4", "FALSE"),
    ]);
}

#[test]
fn arithmetic_coerces() {
    assert_values(&[
        ("1 + 2 * 3", "7"),
        ("10 - 4 - 3", "3"),
        ("'2' + '3'", "5"),
        ("'x' + 1", "1"),
        ("' 12.5kg' * 2", "25"),
        ("'-.5e1z' + 0", "-5"),
        ("'1e' + 0", "1"),
        ("'.' + 1", "1"),
        ("TRUE + TRUE", "2"),
        ("1 / 4", "0.25"),
        ("1 / 0", "NULL"),
        ("zero / zero", "NULL"),
        ("7 % 3", "1"),
        ("-7 % 3", "-1"),
        ("7 % -3", "1"),
        ("7 % 2.9", "1"),
        ("7 % 0", "NULL"),
        ("7 % 0.9", "NULL"),
        ("5.5 % 2", "1.5"),
        ("1e308 * 10", "NULL"),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("9007199254740991 + 1", "9007199254740992"),
        ("1e21 * 1", "1e+21"),
        ("1 / 10000000", "1e-7"),
        ("0 * -1", "0"),
    ]);
}

#[test]
fn concatenation_writes_numbers_and_booleans() {
    assert_values(&[
        ("'a' || 5", r#""a5""#),
        ("1.50 || ''", r#""1.5""#),
        ("TRUE || FALSE", r#""10""#),
        ("1 + 1 || 'x'", r#""2x""#),
    ]);
}

#[test]
fn like_matches_whole_texts() {
    assert_values(&[
        ("'abc' LIKE 'abc'", "TRUE"),
        ("'abc' LIKE 'ab'", "FALSE"),
        ("'abc' LIKE 'a%'", "TRUE"),
        ("'abc' LIKE '%c'", "TRUE"),
        ("'abc' LIKE '%b%'", "TRUE"),
        ("'abc' LIKE 'a_c'", "TRUE"),
        ("'abc' LIKE '_'", "FALSE"),
        ("'abc' LIKE 'ABC'", "FALSE"),
        ("LOWER('ABC') LIKE 'abc%'", "TRUE"),
        ("'' LIKE '%'", "TRUE"),
        ("'' LIKE ''", "TRUE"),
        ("'' LIKE '_'", "FALSE"),
        ("'aXbXc' LIKE 'a%X%c'", "TRUE"),
        ("'mississippi' LIKE '%iss%ip%i'", "TRUE"),
        ("'mississippi' LIKE '%iss%ix%i'", "FALSE"),
        ("'é' LIKE '_'", "TRUE"),
        ("'50%' LIKE '50!%' ESCAPE '!'", "TRUE"),
        ("'50x' LIKE '50!%' ESCAPE '!'", "FALSE"),
        ("'a!' LIKE 'a!!' ESCAPE '!'", "TRUE"),
        ("'a!' LIKE 'a!' ESCAPE '!'", "TRUE"),
        ("'a.c' LIKE 'a.c'", "TRUE"),
        ("'abc' LIKE 'a.c'", "FALSE"),
        ("'abc' NOT LIKE 'x%'", "TRUE"),
        ("lines LIKE 'a%b'", "FALSE"),
        ("lines LIKE 'a_b'", "FALSE"),
        ("lines LIKE 'a' || lines", "FALSE"),
        // As with `=`, a number is not text.
        ("5 LIKE '5'", "FALSE"),
        ("5 || '' LIKE '5'", "TRUE"),
    ]);
    let newline = LikePattern::parse("a%b", None);
    assert!(newline.matches("a\nb") && !newline.matches_within_lines("a\nb"));
}

#[test]
fn functions() {
    assert_values(&[
        ("NOW()", "1000000"),
        ("REMOTE_ADDRESS()", r#""192.0.2.7""#),
        ("UPPER('straße')", r#""STRASSE""#),
        ("lower('ÄB')", r#""äb""#),
        ("UPPER(5)", "5"),
        ("ROUND(2.5)", "3"),
        ("ROUND(-2.5)", "-3"),
        ("ROUND(2.4)", "2"),
        ("ROUND(2.345, 2)", "2.35"),
        ("ROUND(1234, -2)", "1200"),
        ("ROUND(1250, -2)", "1300"),
        ("ROUND('3.7')", "4"),
        ("ROUND(1.5, 400)", "1.5"),
        ("ROUND(5, -400)", "0"),
        ("COALESCE(missing, NULL, n, t)", "5"),
        ("COALESCE(missing)", "NULL"),
        ("DATE_STRING(0)", r#""1970-01-01T00:00:00.000Z""#),
        ("DATE_STRING('2024-05-06')", r#""2024-05-06T00:00:00.000Z""#),
        ("DATE_STRING(missing)", "NULL"),
        ("ENCODEURICOMPONENT('a b/ü(1)')", r#""a%20b%2F%C3%BC(1)""#),
        ("EXT('file', 'fn', n)", r#""file/fn/5""#),
        ("AUTH('a', 'b')", "NULL"),
        ("NOSUCH(1)", "NULL"),
        ("UPPER()", "NULL"),
        ("NOW(1)", "NULL"),
        ("CASE WHEN missing THEN 1 WHEN n = 5 THEN 2 ELSE 3 END", "2"),
        ("CASE WHEN missing THEN 1 ELSE 3 END", "3"),
        ("CASE WHEN FALSE THEN 1 END", "NULL"),
        ("list.{n}.x", r#""five""#),
        ("list.{b}.x", r#""one""#),
        ("list.{n - 4}.x || list.{n}.x", r#""onefive""#),
    ]);
}

#[test]
fn a_condition_holds_only_when_true() {
    let holds = |text: &str| parse(text).unwrap().holds(&Parameters::default());
    assert!(holds("TRUE"));
    assert!(holds("1"));
    assert!(!holds("NULL"));
    assert!(!holds(""));
    assert!(!holds("0"));
    assert!(!holds("missing <> 1"));
}

#[test]
fn values_of_parameters_convert_both_ways() {
    for (value, scalar) in [
        (Value::Int(7), Scalar::Number(7.0)),
        (Value::Float(0.5), Scalar::Number(0.5)),
        (Value::Bool(true), Scalar::Bool(true)),
        (Value::Text("x".into()), Scalar::Text("x".into())),
    ] {
        assert_eq!(Scalar::from(&value), scalar);
        assert_eq!(scalar.to_value(), Some(value));
        assert_eq!(Scalar::from_json(&scalar.to_json()), Some(scalar));
    }
    assert_eq!(Scalar::Null.to_value(), None);
    assert_eq!(Scalar::from(&Value::Float(f64::NAN)), Scalar::Null);
    assert_eq!(Scalar::Number(5.0).to_json().to_string(), "5");
    assert_eq!(Scalar::from_json(&serde_json::json!([])), None);
}
