//! What is found without running a script.

mod support;

use sandbox::{Finding, Severity, check};

fn found(source: &str) -> Vec<(u32, u32, Severity, String)> {
    check("test", source)
        .into_iter()
        .map(|Finding { line, column, severity, message }| (line, column, severity, message))
        .collect()
}

#[test]
fn a_good_script_has_no_findings() {
    let sources = [
        sandbox::SAMPLE_SCRIPT,
        "let f = |x| x + args[0]; [1].map(f); fn g(args2) { args2 + args.len() } g(1);",
        "for host in declare(\"Device.Hosts.Host.*.MACAddress\", #{value: now(1000)}) { log(host.value[0]); }",
        "declare(\"Downloads.[FileType:1 Firmware Upgrade Image]\", #{path: 1}, #{path: 1700000000000});",
        "let n = 1; declare(`A.${n}`, #{value: n}, #{value: [n, \"xsd:int\"], path: n}); clear(\"A\", now(), #{value: n});",
        "try { parse_json(\"x\") } catch { declare(\"A\"); }",
        "let list = []; for n in 0..3 { list.push(declare(`A.${n}`, #{value: 1})); } for one in list { log(one.value); }",
        "let x = call(|a| a, 1); type_of(x); ext(\"a\", 1, 2, 3); let c = Fn(\"g\").curry(1); fn g(a) { a } c.call();",
        "switch args[0] { \"a\" => 1, _ => 2 }; let m = #{a: 1}; m.a; m.keys(); \"x\".to_upper(); 1.5.floor(); x();  fn x() { }",
    ];
    for source in sources {
        assert_eq!(found(source), [], "{source}");
    }
}

#[test]
fn mistakes_are_found_at_their_place() {
    use Severity::{Error, Warning};
    let cases = [
        ("let x = ;", 1, 9, Error, "';'"),
        ("let a = 1;\nfoo(a);", 2, 1, Error, "there is no function foo"),
        ("let a = 1; a.toString();", 1, 14, Error, "there is no function toString: use x.to_string()"),
        ("let a = #{}; a.handler(1);", 1, 16, Warning, "there is no function handler"),
        ("commit(1);", 1, 1, Error, "commit() takes 0 arguments, not 1"),
        ("\"a\".sub_string();", 1, 5, Error, "sub_string() takes"),
        ("fn f(a) { }\nf();", 2, 1, Error, "the function f of this script does not take 0 arguments"),
        ("log(x);", 1, 5, Error, "there is no variable x"),
        ("let t = Date.now();", 1, 9, Error, "there is no variable Date: the session's time is now()"),
        ("declare(\"A..B\");", 1, 9, Error, "invalid parameter path \"A..B\""),
        ("clear(\"A.%\", 1);", 1, 7, Error, "character not allowed in a name"),
        ("declare(\"A\", #{path: 1,\n  vaule: 1});", 2, 3, Error, "unknown key \"vaule\""),
        ("let n = 1; declare(\"A\", #{vaule: n});", 1, 27, Error, "unknown key \"vaule\""),
        ("declare(\"A\", #{value: \"1\"});", 1, 16, Error, "value must be a time in milliseconds, not a text"),
        ("declare(\"A\", (), #{value: ()});", 1, 20, Error, "value is () (nothing)"),
        ("declare(\"A\", (), #{notification: 9});", 1, 20, Error, "notification must be a number from 0 to 6"),
        ("declare(\"A.*\", (), #{path: 1700000000000});", 1, 22, Error, "a time belongs into the second argument"),
        ("declare(\"A\", 5);", 1, 14, Error, "expected a map"),
        ("clear(\"A\", 1, #{path: 1});", 1, 17, Error, "unknown key \"path\""),
        ("try { declare(\"A\"); } catch { }", 1, 7, Warning, "inside try"),
        ("try { if true { ext(\"x\"); } } catch { }", 1, 17, Warning, "inside try"),
        ("for n in 0..3 { commit(); }", 1, 17, Warning, "waits for the device in each turn"),
        (
            "for n in 0..3 { log(declare(`A.${n}`, #{value: 1}).value[0]); }",
            1,
            21,
            Warning,
            "waits for the device in each turn",
        ),
        (
            "while true { let d = declare(\"A\", #{value: 1});\n if d.size > 0 { break; } }",
            2,
            5,
            Warning,
            "waits for the device",
        ),
        ("x::y();", 1, 4, Error, "scripts have no modules"),
    ];
    for (source, line, column, severity, message) in cases {
        let findings = found(source);
        let hit =
            findings.iter().any(|one| one.3.contains(message) && (one.0, one.1, one.2) == (line, column, severity));
        assert!(hit, "{source}: {findings:?}");
    }
}

#[test]
fn all_mistakes_are_found_in_order() {
    let findings = found("log(x);\nlog(y);\nfoo();\ndeclare(\"A.\", #{a: 1});");
    let lines: Vec<u32> = findings.iter().map(|one| one.0).collect();
    assert_eq!(lines, [1, 2, 3, 4, 4]);
}
