//! Scripts that try to take the host down. Each must end by itself, soon, with a fault that says why.
//!
//! A stack overflow ends the whole test process, so these tests fail loudly.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use acs_core::script::{Outcome, ScriptKind};
use proptest::prelude::*;
use sandbox::Limits;
use support::World;

/// The outcome under generous time, so that the wanted limit comes first even on a slow machine.
fn outcome(source: &str, limits: Limits) -> Outcome {
    World::with(ScriptKind::Provision, source, limits).finish().outcome
}

fn code(source: &str, limits: Limits) -> String {
    match outcome(source, limits) {
        Outcome::Failed(fault) => fault.code,
        other => panic!("{source}: {other:?}"),
    }
}

fn patient() -> Limits {
    Limits { cpu_time: Duration::from_secs(20), wall_time: Duration::from_secs(600), ..Limits::default() }
}

#[test]
fn endless_work_ends_by_the_number_of_operations() {
    for source in [
        "loop { }",
        "loop { 1 }",
        "while true { }",
        "while true { continue; }",
        "do { } while true;",
        "do { } until false;",
        "let i = 0; loop { i += 1; }",
        "for i in range(0, 1000000000) { i; }",
        "loop { try { loop { } } catch { } }",
        "loop { try { [1].map(|x| { loop { } }) } catch { } }",
        "let f = |x| { loop { } }; loop { try { [2, 1].sort(f); } catch { } }",
        "loop { let a = [2, 1]; a.dedup(|x, y| { loop { } }); }",
        "loop { [1].for_each(|| 1); }",
    ] {
        assert_eq!(code(source, patient()), "script.TooManyOperations", "{source}");
    }
}

#[test]
fn endless_work_ends_by_time() {
    let limits = Limits { operations: u64::MAX, cpu_time: Duration::from_millis(5), ..Limits::default() };
    for source in [
        "loop { }",
        "loop { try { [1].map(|x| { loop { } }) } catch { } }",
        "let a = []; a.pad(9000, 1); loop { a.index_of(2); }",
        "let a = []; a.pad(9000, 1); loop { a.sort(); }",
    ] {
        let mut world = World::with(ScriptKind::Provision, source, limits.clone());
        let fault = world.finish().fault().clone();
        assert_eq!(fault.code, "script.Timeout", "{source}");
        assert!(fault.message.contains("more than 5 ms"), "{}", fault.message);
        assert!(fault.message.starts_with("test: line 1, column "), "{}", fault.message);
    }
}

#[test]
fn deep_calls_end_by_their_depth() {
    for source in [
        "fn f() { f() } f();",
        "fn f(n) { g(n + 1) } fn g(n) { f(n + 1) } f(0);",
        "fn f(x) { [1].map(|y| f(y)) } f(1);",
        "let f = |g, n| g.call(g, n + 1); f.call(f, 0);",
    ] {
        assert_eq!(code(source, patient()), "script.TooDeep", "{source}");
    }
}

#[test]
fn large_values_end_by_their_size() {
    for source in [
        "let s = \"x\"; loop { s += s; }",
        "let s = \"x\"; loop { s = s + s; }",
        "let s = \"x\"; loop { s = `${s}${s}`; }",
        "let s = \"x\"; s.pad(100000000, \"x\");",
        "let s = \"x\"; s.pad(100000000, 'x');",
        "let s = \"\"; s.pad(60000, \"x\"); s.replace(\"x\", s);",
        "let s = \"\"; s.pad(60000, \"x\"); s.replace('x', s);",
        "let s = \"\"; s.pad(60000, \"x\"); s.replace(\"\", s);",
        "let s = \"\"; s.pad(60000, \"x\"); s.split(\"\");",
        "let s = \"\"; s.pad(60000, \"x\"); s.to_chars();",
        "let s = \"\"; s.pad(60000, \"x\"); let a = []; loop { a.push(s); }",
        "let s = \"\"; s.pad(60000, \"x\"); let m = #{a: s, b: s};",
        "let a = [1]; loop { a += a; }",
        "let a = [1]; loop { a.append(a); }",
        "let a = [1]; loop { a = [a, a]; }",
        "let a = []; a.pad(100000000, 0);",
        "let a = [[]]; a.pad(5000, [1, 2, 3]);",
        "let b = blob(100000000, 1);",
        "let m = #{}; for i in 0..100000 { m[`k${i}`] = i; } m.len(); m.keys();",
        "let s = \"\"; s.pad(60000, \"x\"); let m = #{}; for i in 0..100 { m[`k${i}`] = s; } m.to_string();",
        "let s = \"\"; s.pad(60000, \"x\"); let m = #{}; for i in 0..100 { m[`k${i}`] = s; } `${m}`;",
        "let s = \"\"; s.pad(60000, \"x\"); let m = #{}; for i in 0..100 { m[`k${i}`] = s; } \"\" + m;",
        "let s = \"\"; s.pad(60000, \"x\"); let m = #{}; for i in 0..100 { m[`k${i}`] = s; } print(m);",
        "let s = \"\"; s.pad(60000, \"x\"); let m = #{}; for i in 0..100 { m[`k${i}`] = s; } m.to_json();",
        "let s = \"\"; s.pad(60000, \"x\"); let m = #{}; for i in 0..100 { m[`k${i}`] = s; } m == m;",
        "let s = \"\"; s.pad(60000, \"x\"); let a = []; a.pad(200, 0); for i in 0..200 { a[i] = s; } a.sort();",
    ] {
        assert_eq!(code(source, patient()), "script.TooLarge", "{source}");
    }
}

#[test]
fn what_is_handed_to_the_host_is_bounded() {
    for source in [
        "let s = \"\"; s.pad(60000, \"x\"); loop { log(s); }",
        "let s = \"\"; s.pad(60000, \"x\"); loop { print(s); }",
        "let s = \"\"; s.pad(60000, \"x\"); loop { log(1, s); }",
        "let s = \"\"; s.pad(60000, \"x\"); loop { declare(\"A.B\", (), #{value: s}); }",
        "let s = \"\"; s.pad(60000, \"x\"); loop { declare(\"A.B\", (), #{accessList: [s]}); }",
        "loop { log(\"\"); }",
    ] {
        let code = code(source, Limits { operations: 10_000_000, ..patient() });
        assert_eq!(code, "script.OutOfMemory", "{source}");
    }
    let declarations = "loop { declare(\"A.B\"); }";
    assert_eq!(code(declarations, patient()), "script.Error");
}

#[test]
fn nested_values_neither_overflow_the_stack_nor_hang() {
    let builds = [
        "let a = []; for i in 0..900 { a = [a]; }",
        "let a = #{}; for i in 0..900 { a = #{a: a}; }",
        "let a = []; for i in 0..450 { a = #{a: [a]}; }",
        "let a = []; for i in 0..900 { let b = [()]; b[0] = a; a = b; }",
        "fn g(x) { } let a = Fn(\"g\"); for i in 0..900 { a = Fn(\"g\").curry(a); }",
        "let a = (); for i in 0..900 { let y = a; a = || y; }",
    ];
    let uses = [
        "",
        "a.to_string();",
        "`${a}`;",
        "print(a);",
        "debug(a);",
        "log(a);",
        "log(1, a);",
        "a == a;",
        "a != a;",
        "let b = a;",
        "[a].contains(a);",
        "[a, a].dedup();",
        "[a].index_of(a);",
        "a in [a];",
        "switch a { 1 => 2 }",
        "throw a;",
        "ext(\"x\", a);",
        "exit(a);",
        "return a;",
        "let b = [a, a]; b.sort();",
        "to_json(a);",
        "\"\" + a;",
        "declare(\"A\", (), #{value: a});",
        "let m = #{}; m[a] = 1;",
        "try { throw a; } catch (e) { log(e); }",
        "let f = || a; f.call();",
        "a.type_of();",
        "commit();",
        "fn h(x) { x } h(a);",
        "a.map(|x| x);",
    ];
    for build in builds {
        for usage in uses {
            let mut world = World::with(ScriptKind::VirtualParameter, &format!("{build}\n{usage}"), patient());
            // Any outcome will do; what counts is that there is one.
            let (_, outcome) = world.step();
            if let Outcome::Failed(fault) = outcome {
                assert_ne!(fault.code, "script.InternalError", "{build}\n{usage}: {}", fault.message);
            }
        }
    }
}

#[test]
fn endless_nesting_ends() {
    for source in [
        "let a = []; loop { a = [a]; }",
        "let a = #{}; loop { a = #{a: a}; }",
        "let a = []; loop { a = #{a: [a]}; }",
        "let a = []; loop { let b = [()]; b[0] = a; a = b; }",
        "let a = #{}; loop { let b = #{}; b.x = a; a = b; }",
        "let a = #{}; loop { let b = #{}; b[\"x\"] = a; a = b; }",
        "fn g(x) { } let a = Fn(\"g\"); loop { a = Fn(\"g\").curry(a); }",
        "let a = (); loop { let y = a; a = || y; }",
        "let a = (); loop { let y = a; let z = [|| y, || y]; a = z; }",
        "let l = []; l.pad(9000, 1); let a = (); loop { a = l.reduce(|acc, x| || acc, a); }",
        "fn f() { loop { let y = this; this = || y; } } let a = 1; a.f();",
        "fn wrap(x) { || x } let a = 1; loop { a = wrap(a); }",
        "let m = #{a: ()}; loop { let y = m.a; m.a = || y; }",
        "let a = [()]; loop { let y = a[0]; a[0] = #{f: || y}; }",
    ] {
        assert!(matches!(outcome(source, Limits::default()), Outcome::Failed(_)), "{source}");
        // Four times the default time: a slow clock does not make it unsafe.
        let limits = Limits { cpu_time: Duration::from_millis(200), ..Limits::default() };
        assert!(matches!(outcome(source, limits), Outcome::Failed(_)), "{source}");
    }
}

#[test]
fn a_script_that_waits_for_itself_ends() {
    let limits = Limits { wall_time: Duration::from_millis(300), ..patient() };
    let source = "let a = [1]; loop { try { a.map(|x| a.len()) } catch { } }";
    let fault = World::with(ScriptKind::Provision, source, limits).finish().fault().clone();
    assert_eq!(fault.code, "script.Timeout");
    assert!(fault.message.contains("does a closure use the variable whose method calls it?"), "{}", fault.message);
}

#[test]
fn what_is_held_is_bounded() {
    for source in [
        "let s = \"\"; s.pad(60000, \"x\"); let m = #{}; let i = 0; loop { m[`k${i}`] = s + i; i += 1; }",
        "let s = \"\"; s.pad(60000, \"x\"); let l = []; l.pad(9000, 0); l.map(|x| s + x);",
        "fn f(s, n) { let m = #{}; for i in 0..100 { m[`k${i}`] = s + i; } f(s, n + 1); } let s = \"\"; s.pad(60000, \"x\"); f(s, 0);",
        "let s = \"\"; s.pad(60000, \"x\"); let l = []; l.pad(9000, 0); l.zip(l, |x, y| s + x);",
        "let s = \"\"; s.pad(60000, \"x\"); let m = #{}; for i in 0..9000 { m[`k${i}`] = i; } m.map(|k, v| s + k);",
        "let s = \"\"; s.pad(60000, \"x\"); let a = []; a.pad(9000, 0); for i in 0..9000 { a[i] = s + i; }",
        "let a = []; a.pad(9000, 0); let m = #{}; let i = 0; loop { m[`k${i}`] = a; i += 1; }",
    ] {
        assert_eq!(code(source, patient()), "script.OutOfMemory", "{source}");
    }
}

#[test]
fn sources_nested_too_deeply_do_not_compile() {
    let sources = [
        format!("let x = {}1{};", "[".repeat(5_000), "]".repeat(5_000)),
        format!("let x = {}1{};", "(".repeat(5_000), ")".repeat(5_000)),
        format!("let x = {}1{};", "#{a: ".repeat(5_000), "}".repeat(5_000)),
        format!("{}{}", "{ ".repeat(5_000), "} ".repeat(5_000)),
        format!("if a {{ }} {}", "else if b { } ".repeat(20_000)),
        format!("let x = 1{};", " + 1".repeat(50_000)),
        format!("let x = {}1;", "-".repeat(50_000)),
        format!("let x = a{};", ".b".repeat(50_000)),
        format!("let x = a{};", "[0]".repeat(50_000)),
        format!("let x = {};", "|a| ".repeat(5_000)),
    ];
    for source in &sources {
        let shown = &source[..30];
        assert!(sandbox::compile("test", source).is_err(), "{shown}");
        assert!(!sandbox::check("test", source).is_empty(), "{shown}");
    }
}

#[test]
fn a_memory_probe_bounds_what_is_held() {
    fn nothing_more() -> i64 {
        thread_local!(static CALLS: std::cell::Cell<i64> = const { std::cell::Cell::new(0) });
        // Each question finds another 64 KB in use.
        CALLS.with(|calls| {
            calls.set(calls.get() + 65_536);
            calls.get()
        })
    }
    let limits = Limits { memory_probe: Some(nothing_more), ..patient() };
    let mut world = World::with(ScriptKind::Provision, "loop { }", limits);
    let fault = world.finish().fault().clone();
    assert_eq!(fault.code, "script.OutOfMemory");
    assert!(fault.message.ends_with("the script needs more than 16384 KB of memory"), "{}", fault.message);
}

#[test]
fn variables_and_functions_are_bounded() {
    let many: String = (0..600).map(|number| format!("let v{number} = 1;\n")).collect();
    assert_eq!(code(&many, patient()), "script.TooLarge");
    let many: String = (0..300).map(|number| format!("fn f{number}() {{ }}\n")).collect();
    assert!(sandbox::compile("test", &many).is_err());
}

/// Expressions that mostly compile: `A`, `B`, `C` stand for parts.
const EXPRESSIONS: &[&str] = &[
    "a",
    "b",
    "f",
    "args",
    "1",
    "-7",
    "2.5",
    "\"x\"",
    "'c'",
    "()",
    "true",
    "[]",
    "#{}",
    "[A, B]",
    "[A, B, C]",
    "#{x: A, y: B}",
    "A + B",
    "A - B",
    "A * B",
    "A == B",
    "A != B",
    "A < B",
    "A && B",
    "A ?? B",
    "A in B",
    "!(A)",
    "A[B]",
    "A?[B]",
    "A.x",
    "A?.x",
    "|x| A",
    "|| A",
    "|x, y| A",
    "g(A)",
    "A.map(B)",
    "A.map(|x| B)",
    "A.filter(|x| B)",
    "A.reduce(|x, y| B, C)",
    "A.sort(|x, y| B)",
    "A.zip(B, |x, y| C)",
    "A.dedup()",
    "A.drain(|x| B)",
    "A.retain(|x| B)",
    "A.find(|x| B)",
    "A.index_of(B)",
    "A.contains(B)",
    "A.call(B)",
    "A.curry(B)",
    "A.push(B)",
    "A.append(B)",
    "A.insert(0, B)",
    "A.splice(0, 1, B)",
    "A.pad(50, B)",
    "A.order()",
    "A.len()",
    "A.to_string()",
    "A.to_json()",
    "parse_json(A)",
    "`${A} ${B}`",
    "A.split(B)",
    "A.replace(B, C)",
    "A.sub_string(B, C)",
    "A.pop()",
    "A.keys()",
    "A.values()",
    "A.mixin(B)",
    "A.tag",
    "A.type_of()",
    "is_shared(A)",
    "range(A, B)",
    "A..B",
    "if A { B } else { C }",
    "switch A { 1 => B, _ => C }",
    "Fn(\"g\")",
    "declare(A, B, C)",
    "declare(\"Device.Hosts.Host.*.MACAddress\", #{value: 1})",
    "A.value",
    "A.values",
    "A.size",
    "ext(\"e\", A)",
    "random()",
    "now()",
    "blob(9, 1)",
    "A.to_blob()",
    "loop { break A; }",
    "take(A)",
    "A.x.y",
    "(A).f(B)",
];

/// Statements: as above, with `E` for an expression and `S` for statements.
const STATEMENTS: &[&str] = &[
    "let a = E;",
    "let b = E;",
    "let f = |x| E;",
    "a = E;",
    "b = E;",
    "a[0] = E;",
    "a.x = E;",
    "a += E;",
    "b[E] = E;",
    "E;",
    "E;",
    "E;",
    "log(E);",
    "if E { S }",
    "for x in E { S }",
    "for x in 0..9 { S }",
    "try { S } catch (e) { S }",
    "{ S }",
    "while E { S break; }",
    "do { S } while false;",
    "throw E;",
    "return E;",
    "commit();",
    "exit(E);",
    "a.call(E);",
    "a.tag = E;",
    "const K = E;",
    "[1, 2].map(|x| { S });",
    "a.for_each(|x| { S });",
    "let y = a; a = || y;",
];

fn expression() -> impl Strategy<Value = String> {
    proptest::sample::select(EXPRESSIONS).prop_map(str::to_owned).prop_recursive(3, 24, 3, |inner| {
        (proptest::sample::select(EXPRESSIONS), inner.clone(), inner.clone(), inner)
            .prop_map(|(shape, first, second, third)| fill(shape, &[('A', &first), ('B', &second), ('C', &third)]))
    })
}

fn statements() -> impl Strategy<Value = String> {
    let one =
        (proptest::sample::select(STATEMENTS), expression()).prop_map(|(shape, part)| fill(shape, &[('E', &part)]));
    one.prop_recursive(3, 24, 4, |inner| {
        (proptest::sample::select(STATEMENTS), expression(), proptest::collection::vec(inner, 1..4))
            .prop_map(|(shape, part, body)| fill(shape, &[('E', &part), ('S', &body.join(" "))]))
    })
}

/// Replaces the letters that stand alone.
fn fill(shape: &str, parts: &[(char, &str)]) -> String {
    let letters: Vec<char> = shape.chars().collect();
    let is_word = |index: Option<usize>| {
        index.and_then(|index| letters.get(index)).is_some_and(|letter| letter.is_alphanumeric())
    };
    let filled = letters.iter().enumerate().map(|(index, letter)| {
        let alone = !is_word(index.checked_sub(1)) && !is_word(index.checked_add(1));
        parts
            .iter()
            .find(|(name, _)| alone && name == letter)
            .map_or(letter.to_string(), |(_, part)| (*part).to_owned())
    });
    filled.collect()
}

proptest! {
    #[test]
    fn no_script_takes_the_host_down(body in proptest::collection::vec(statements(), 1..8)) {
        // One error must not end it all.
        let guarded = body.iter().map(|one| if one.starts_with(['l', 'c']) { one.clone() } else { format!("try {{ {one} }} catch {{ }}") });
        let body = guarded.collect::<Vec<_>>().join("\n");
        // What was not filled is a value.
        let source = format!("fn g(x) {{ x }}\nlet a = [1, \"x\", #{{x: 2}}]; let b = #{{x: a}}; let f = |x| x; const A = 1; const B = 2; const C = 3;\n{body}");
        let _ = sandbox::check("test", &source);
        let limits = Limits { cpu_time: Duration::from_millis(20), wall_time: Duration::from_millis(20), ..Limits::default() };
        let mut world = World::with(ScriptKind::VirtualParameter, &source, limits);
        for _ in 0..3 {
            if let (_, Outcome::Failed(fault)) = world.step() {
                prop_assert!(fault.code != "script.InternalError", "{source}");
            }
            world.memory.advance();
        }
    }
}
