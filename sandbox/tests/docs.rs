//! The script reference's examples are good scripts, and its tables are complete.

#![allow(clippy::unwrap_used)]

mod support;

use acs_core::script::Outcome;
use serde_json::{Value as Json, json};
use support::{World, value_of};

const REFERENCE: &str = include_str!("../../docs/scripts.md");

fn examples() -> Vec<(usize, String)> {
    let mut examples = Vec::new();
    let mut open: Option<(usize, Vec<&str>)> = None;
    for (number, line) in REFERENCE.lines().enumerate() {
        match (&mut open, line) {
            (None, "```rhai") => open = Some((number + 1, Vec::new())),
            (Some(_), "```") => examples.extend(open.take().map(|(start, lines)| (start, lines.join("\n")))),
            (Some((_, lines)), line) => lines.push(line),
            _ => {}
        }
    }
    assert!(open.is_none());
    examples
}

#[test]
fn every_example_is_a_good_script() {
    let examples = examples();
    assert!(examples.len() > 12, "{}", examples.len());
    for (line, source) in examples {
        assert_eq!(sandbox::check("example", &source), [], "docs/scripts.md:{line}");
    }
}

#[test]
fn every_example_runs() {
    for (line, source) in examples() {
        let is_virtual = source.contains("#{writable: ");
        let mut world = if is_virtual { World::virtual_parameter(&source) } else { World::new(&source) };
        world.arguments = std::sync::Arc::new([json!({}), json!({}), json!({}), json!({})]);
        let mut outcome = Outcome::Suspended;
        for _ in 0..10 {
            let (record, now) = world.step();
            match &now {
                Outcome::Suspended => world.memory.advance(),
                Outcome::WaitingForExtension => {
                    let call = record.extensions[0].arguments.clone();
                    world.memory.set_extension_result(call, Ok(json!({})));
                }
                _ => {
                    outcome = now;
                    break;
                }
            }
        }
        assert!(matches!(outcome, Outcome::Finished(_)), "docs/scripts.md:{line}: {outcome:?}");
    }
}

/// What the porting table says of Rhai.
#[test]
fn the_porting_table_is_true() {
    let cases: &[(&str, Json)] = &[
        ("1 == 1.0", json!(true)),
        ("1 == \"1\"", json!(false)),
        ("7 / 2", json!(3)),
        ("7.0 / 2", json!(3.5)),
        ("\"a\" + 1", json!("a1")),
        ("let b = 5; `a ${b}`", json!("a 5")),
        ("\"text\".len()", json!(4)),
        ("\"x\".to_upper()", json!("X")),
        ("\"abx\".index_of(\"x\")", json!(2)),
        ("\"abcd\".sub_string(1, 2)", json!("bc")),
        ("\"abcd\".contains(\"bc\") && \"abcd\".starts_with(\"ab\")", json!(true)),
        ("let s = \"aXaX\"; s.replace(\"X\", \"b\"); s", json!("abab")),
        ("[1, 2].map(|x| x + 1)", json!([2, 3])),
        ("[1, 2].all(|x| x > 0) && [1, 2].some(|x| x > 1)", json!(true)),
        ("[1, 2, 3].reduce(|a, b| a + b, 0)", json!(6)),
        ("let t = 0; for i in 0..5 { t += i; } t", json!(10)),
        ("switch 1 { 1 => \"a\", _ => \"b\" }", json!("a")),
        ("#{a: 1}.b", json!(null)),
        ("#{a: 1}.keys()", json!(["a"])),
        ("\"a\" in #{a: 1}", json!(true)),
        ("type_of(\"x\")", json!("string")),
        ("parse_int(\"12\") + parse_int(\"ff\", 16)", json!(267)),
        ("parse_float(\"1.5\")", json!(1.5)),
        ("2.7.floor()", json!(2.0)),
        ("min(3, 2)", json!(2)),
        ("if true { 1 } else { 2 }", json!(1)),
        ("let r = (); try { throw \"x\"; } catch (e) { r = e; } r", json!("x")),
        ("let r = (); try { [1][5]; } catch (e) { r = e.line; } r", json!(1)),
        ("const X = 5; fn f() { global::X } f()", json!(5)),
    ];
    for (expression, expected) in cases {
        assert_eq!(value_of(expression), *expected, "{expression}");
    }
}

#[test]
fn every_fault_and_function_is_described() {
    for word in [
        "script.Timeout",
        "script.TooManyOperations",
        "script.TooDeep",
        "script.TooLarge",
        "script.OutOfMemory",
        "script.Error",
        "script.TypeError",
        "script.ReferenceError",
        "script.RangeError",
        "script.SyntaxError",
        "declare(",
        "clear(",
        "commit()",
        "ext(",
        "starstate(",
        "now(",
        "random()",
        "random_seed(",
        "log(",
        "args",
        "parse_json(",
        "to_json(",
        "exit(",
    ] {
        assert!(REFERENCE.contains(word), "{word}");
    }
}
