//! What a script's author is told.

#![allow(clippy::unwrap_used)]

mod support;

use acs_core::script::{Outcome, ScriptKind};
use sandbox::{Limits, ScriptSource, Scripts, compile};
use serde_json::json;
use support::{World, fault_of, run};

#[test]
fn failures_have_a_code_and_a_place() {
    let cases = [
        ("throw \"no\";", "script.Error", "no"),
        ("throw #{message: \"no\", code: 5};", "script.Error", "no"),
        ("throw 5;", "script.Error", "threw 5"),
        ("x;", "script.ReferenceError", "Variable not found: x"),
        ("Date.now();", "script.ReferenceError", "the session's time is now()"),
        ("foo(1);", "script.ReferenceError", "Function not found: foo (i64)"),
        ("timestamp();", "script.ReferenceError", "the session's time is now()"),
        ("\"a\".toUpperCase();", "script.ReferenceError", "use text.to_upper()"),
        ("declare();", "script.TypeError", "Function not found: declare ()"),
        ("\"a\" - true;", "script.TypeError", "Function not found: - "),
        ("if a { log(1); }", "script.TypeError", "conditions must be true or false"),
        ("().value;", "script.TypeError", "the value is () (nothing)"),
        ("[1].length;", "script.TypeError", "use .len()"),
        ("for x in a { log(x); }", "script.TypeError", "`for` goes over arrays"),
        ("[1][3];", "script.RangeError", "Array index 3 out of bounds"),
        ("9223372036854775807 + x();", "script.ReferenceError", "Function not found: x ()"),
        ("let y = 9223372036854775807; y += 1;", "script.RangeError", "overflow"),
        ("[2, 1].order(|a, b| \"x\");", "script.TypeError", "Data type incorrect"),
        ("let a = [1, \"x\"]; a.sort();", "script.Error", "give a comparing function"),
    ];
    for (statement, code, message) in cases {
        let fault = fault_of(&format!("let a = 1;\n\n   {statement}"));
        assert_eq!(fault.code, code, "{statement}: {}", fault.message);
        assert!(fault.message.starts_with("test: line 3, column "), "{statement}: {}", fault.message);
        assert!(fault.message.contains(message), "{statement}: {}", fault.message);
        let detail = fault.detail.unwrap();
        assert_eq!((&detail["script"], &detail["line"]), (&json!("test"), &json!(3)), "{statement}");
        assert_eq!(detail["name"], code.trim_start_matches("script."), "{statement}");
    }
}

#[test]
fn the_innermost_place_is_told_with_the_calls() {
    let fault = fault_of("fn inner(x) {\n    throw x;\n}\nfn outer() { inner(\"deep\") }\n\nouter();");
    assert_eq!(fault.message, "test: line 2, column 5: deep");
    assert_eq!(fault.detail.unwrap()["calls"], json!(["inner at 4:14", "outer at 6:1"]));
    let fault = fault_of("[1].map(|x| {\n    x.missing\n});");
    assert!(fault.message.starts_with("test: line 2, column "), "{}", fault.message);
}

#[test]
fn thrown_maps_are_kept() {
    let fault = fault_of("throw #{message: \"no\", code: 5};");
    assert_eq!(fault.detail.unwrap()["thrown"], json!({"message": "no", "code": 5}));
}

#[test]
fn errors_can_be_caught() {
    let finished = run(
        "try { throw \"x\"; } catch (error) { log(error); }\ntry { [1][2]; } catch (error) { log(error.message); }",
    );
    assert_eq!(finished.messages(), ["x", "Array index 2 out of bounds: only 1 element in array"]);
}

#[test]
fn syntax_errors_tell_line_and_column() {
    let cases = [
        ("let x = ;", 1, 9, ""),
        ("let a = 1;\nlet b = (2;", 2, 11, ""),
        ("declare(\"A\", null);", 1, 14, "`()` instead of `null`"),
        ("declare(\"A\", {value: 1});", 1, 20, "`#{value: 1}` instead of `{value: 1}`"),
        ("let f = (x) => x;", 1, 13, "`|x| …` instead of `x => …`"),
        ("if (a === 1) { }", 1, 7, "`==` instead of `===`"),
        ("var x = 1;", 1, 1, "`let` instead of `var`"),
        ("function f() { }", 1, 10, "instead of `function`"),
        ("let d = new Date();", 1, 9, "`now()` instead of `new Date()`"),
        ("let x = 'long';", 1, 9, "double quotes for texts"),
        ("eval(\"1\");", 1, 1, ""),
        ("import \"x\" as y;", 1, 1, ""),
    ];
    for (source, line, column, hint) in cases {
        let error = compile("wifi", source).unwrap_err();
        assert_eq!((error.line, error.column), (line, column), "{source}: {error}");
        assert!(error.to_string().starts_with(&format!("wifi: line {line}, column {column}: ")), "{error}");
        assert!(error.message.contains(hint), "{source}: {error}");
    }
}

#[test]
fn what_is_left_out_of_the_language_cannot_be_reached() {
    for source in [
        "Fn(\"eval\").call(\"1\");",
        "let f = \"eval\"; call(f, \"1\");",
        "Fn(\"sleep\").call(1);",
        "Fn(\"timestamp\").call();",
    ] {
        let outcome = compile("test", source).map(|_| World::new(source).finish().outcome);
        assert!(!matches!(outcome, Ok(Outcome::Finished(_))), "{source}: {outcome:?}");
    }
}

#[test]
fn a_broken_script_breaks_nothing_else() {
    let source = |name: &str, source: &str| ScriptSource {
        kind: ScriptKind::Provision,
        name: name.into(),
        source: source.into(),
    };
    let good = source("good", "log(\"fine\");");
    let scripts = Scripts::build([good.clone(), source("broken", "let x = null;")], None);
    assert_eq!(
        scripts.names(ScriptKind::Provision).iter().map(|name| name.to_string()).collect::<Vec<_>>(),
        ["broken", "good"]
    );
    assert_eq!(scripts.broken().len(), 1);
    assert!(scripts.contains(ScriptKind::Provision, "broken"));
    assert!(!scripts.contains(ScriptKind::VirtualParameter, "good"));

    let world = |scripts: Scripts| World { scripts, ..World::new("") };
    let mut broken = world(Scripts::build([good.clone(), source("test", "let x = null;")], None));
    let fault = broken.finish().fault().clone();
    assert_eq!(fault.code, "script.SyntaxError");
    assert!(fault.message.starts_with("test: line 1, column 9: "), "{}", fault.message);
    let mut fine = world(Scripts::build([source("broken", "let x = null;"), source("test", "log(\"fine\");")], None));
    assert_eq!(fine.finish().messages(), ["fine"]);
}

#[test]
fn a_new_set_takes_over_what_is_unchanged() {
    let source = |name: &str, source: &str| ScriptSource {
        kind: ScriptKind::Provision,
        name: name.into(),
        source: source.into(),
    };
    let first = Scripts::build(
        [source("test", "log(\"one\");"), source("other", "1;")],
        Some(&Scripts::empty(Limits::default())),
    );
    let second = Scripts::build([source("test", "log(\"two\");")], Some(&first));
    let mut world = World { scripts: second, ..World::new("") };
    assert_eq!(world.finish().messages(), ["two"]);
    assert!(!world.scripts.contains(ScriptKind::Provision, "other"));
}
