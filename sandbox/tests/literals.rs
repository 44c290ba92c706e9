//! The literal paths of a script, with their places and values.

mod support;

use acs_core::value::{Value, XsdType};
use sandbox::literal_declarations;

type Found = (String, Option<(Value, Option<XsdType>)>, u32, u32);

fn found(source: &str) -> Vec<Found> {
    literal_declarations(source)
        .into_iter()
        .map(|one| (one.path.to_string(), one.value, one.line, one.column))
        .collect()
}

fn one(path: &str, value: Option<(Value, Option<XsdType>)>, line: u32, column: u32) -> Vec<Found> {
    vec![(path.to_owned(), value, line, column)]
}

#[test]
fn literal_paths_are_found_wherever_they_stand() {
    let text = |text: &str| Some((Value::Text(text.to_owned()), None));
    let cases = [
        ("declare(\"A.B\");", one("A.B", None, 1, 9)),
        ("let x = 1;\nif x > 0 { log(declare(\"A.*.C\", #{value: 1}).size); }", one("A.*.C", None, 2, 24)),
        ("fn f() { clear(\"A\", 5); }", one("A", None, 1, 16)),
        ("declare(\"A\", (), #{value: \"x\"});", one("A", text("x"), 1, 9)),
        ("declare(\"A\", #{value: 1}, #{path: 1, value: -5});", one("A", Some((Value::Int(-5), None)), 1, 9)),
        (
            "declare(\"A\", (), #{value: [true, \"xsd:boolean\"]});",
            one("A", Some((Value::Bool(true), Some(XsdType::Boolean))), 1, 9),
        ),
        ("let n = 1; declare(\"A\", (), #{value: n});", one("A", None, 1, 20)),
        ("clear(\"A\", 1, #{value: 5});", one("A", None, 1, 7)),
    ];
    for (source, expected) in cases {
        assert_eq!(found(source), expected, "{source}");
    }
}

#[test]
fn what_is_no_literal_path_is_left_out() {
    let sources = [
        "let n = 1; declare(`A.${n}`);",
        "let p = \"A\"; declare(p);",
        "declare(\"A..B\");",
        "log(\"A.B\"); ext(\"A\");",
        "let m = #{}; m.declare(\"A\");",
        "declare(\"A\"",
    ];
    for source in sources {
        assert_eq!(found(source), [], "{source}");
    }
}

#[test]
fn they_come_in_the_order_of_their_lines() {
    let places = found("fn f() { declare(\"C\"); }\ndeclare(\"B\"); declare(\"A\");\nf();");
    let paths: Vec<String> = places.into_iter().map(|one| one.0).collect();
    assert_eq!(paths, ["C", "B", "A"]);
}
