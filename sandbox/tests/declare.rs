//! What scripts declare, and what they read.

#![allow(clippy::unwrap_used)]

mod support;

use acs_core::declaration::{Declaration, Freshness, InstanceCount, Origin, Wanted};
use acs_core::path::Path;
use acs_core::script::Outcome;
use acs_core::value::{Value, XsdType};
use serde_json::{Value as Json, json};
use support::{NOW, World, fault_of, run, value_of};

/// The only declaration of a script, without its origin.
fn declared(source: &str) -> (String, Freshness, Wanted) {
    let mut finished = run(source);
    assert_eq!(finished.declarations.len(), 1, "{source}");
    let Declaration { path, fresh, wanted, .. } = finished.declarations.remove(0);
    (path.to_string(), fresh, wanted)
}

#[test]
fn freshness_is_read_and_limited_to_the_session() {
    let base = Freshness { path: 1, ..Default::default() };
    let cases = [
        (r#"declare("A.B");"#, base),
        (r#"declare("A.B", ());"#, base),
        (r#"declare("A.B", (), ());"#, base),
        (r#"declare("A.B", #{});"#, base),
        (r#"declare("A.B", #{value: 1});"#, Freshness { value: 1, ..base }),
        (r#"declare("A.B", #{value: 12.7});"#, Freshness { value: 12, ..base }),
        (r#"declare("A.B", #{value: 0, path: -5, object: 0.5});"#, base),
        (r#"declare("A.B", #{value: now() + 1000});"#, Freshness { value: NOW, ..base }),
        (
            r#"declare("A.B", #{path: 2, value: 3, object: 4, writable: 5, notification: 6, accessList: 7});"#,
            Freshness { path: 2, value: 3, object: 4, writable: 5, notification: 6, access_list: 7 },
        ),
    ];
    for (source, fresh) in cases {
        assert_eq!(declared(source), ("A.B".to_owned(), fresh, Wanted::default()), "{source}");
    }
}

#[test]
fn the_wanted_state_is_read() {
    let value =
        |value: Value, xsd_type: Option<XsdType>| Wanted { value: Some((value, xsd_type)), ..Default::default() };
    let count = |min, max| Wanted { instances: Some(InstanceCount { min, max }), ..Default::default() };
    let cases = [
        ("A.B", r#"value: "x""#, value("x".into(), None)),
        ("A.B", "value: 5", value(5.into(), None)),
        ("A.B", "value: 1.5", value(Value::Float(1.5), None)),
        ("A.B", "value: true", value(true.into(), None)),
        ("A.B", "value: 'x'", value("x".into(), None)),
        ("A.B", "value: [5]", value(5.into(), None)),
        ("A.B", r#"value: [5, "unsignedInt"]"#, value(5.into(), Some(XsdType::UnsignedInt))),
        ("A.B", r#"value: ["x", "xs:string"]"#, value("x".into(), Some(XsdType::String))),
        ("A.B", "notification: 2", Wanted { notification: Some(2), ..Default::default() }),
        (
            "A.B",
            r#"accessList: ["Subscriber"]"#,
            Wanted { access_list: Some(vec!["Subscriber".into()]), ..Default::default() },
        ),
        ("A.B", "accessList: []", Wanted { access_list: Some(Vec::new()), ..Default::default() }),
        ("A.*", "path: 2", count(2, 2)),
        ("A.*", "path: 2.0", count(2, 2)),
        ("A.*", "path: [1, 3]", count(1, 3)),
        ("A.[B:c]", "path: 0", count(0, 0)),
        ("A.1", "path: 0", count(0, 0)),
        ("A.*", "object: true", count(1, u32::MAX)),
        ("A.1", "object: false", count(0, 0)),
        ("A.*", "path: 1000", count(1_000, 1_000)),
        ("A.B", "writable: true", Wanted::default()),
    ];
    for (path, wanted, expected) in cases {
        for fresh in ["()", "#{}"] {
            let source = format!(r#"declare("{path}", {fresh}, #{{{wanted}}});"#);
            let (declared_path, _, found) = declared(&source);
            assert_eq!((declared_path.as_str(), found), (path, expected.clone()), "{source}");
        }
    }
}

#[test]
fn wanted_attributes_are_demanded() {
    let (_, fresh, _) = declared(r#"declare("A.*", (), #{object: true, writable: true, notification: 1, value: 2});"#);
    assert_eq!(fresh, Freshness { path: 1, value: 1, object: 1, writable: 1, notification: 1, access_list: 0 });
}

#[test]
fn mistakes_name_the_key_and_the_place() {
    let cases = [
        (
            r#"declare("A.B", #{vaule: 1});"#,
            "the freshness: unknown key \"vaule\"; known are path, value, object, writable, notification, accessList",
        ),
        (r#"declare("A.B", #{value: "1"});"#, "the freshness: value must be a time in milliseconds, not a text"),
        (r#"declare("A.B", #{object: true});"#, "the freshness: object must be a time in milliseconds, not a boolean"),
        (r#"declare("A.B", #{value: ()});"#, "the freshness: value must be a time in milliseconds, not () (nothing)"),
        (
            r#"declare("A.B", (), #{vaule: 1});"#,
            "the wanted state: unknown key \"vaule\"; known are value, path, object, notification, accessList, writable",
        ),
        (r#"declare("A.B", (), #{value: ()});"#, "the wanted state: value is () (nothing); use an empty text"),
        (r#"declare("A.B", (), #{value: #{}});"#, "value must be a text, a number or a boolean, not a map"),
        (
            r#"declare("A.B", (), #{value: [1, 2]});"#,
            "the type of value must be a text as \"xsd:string\", not a number",
        ),
        (r#"declare("A.B", (), #{value: []});"#, "must be [value] or [value, type]"),
        (r#"declare("A.B", (), #{notification: 7});"#, "notification must be a number from 0 to 6"),
        (r#"declare("A.B", (), #{accessList: "x"});"#, "accessList must be an array of texts"),
        (r#"declare("A.*", (), #{path: -1});"#, "path must be a number of instances or [least, most]"),
        (r#"declare("A.*", (), #{path: [3, 1]});"#, "path [3, 1] has its bounds swapped"),
        (r#"declare("A.*", (), #{path: 1, object: true});"#, "path and object both count instances"),
        (r#"declare("A.*", (), #{path: now()});"#, "A.*: 1700000000000 instances wanted, at most 1000 are allowed"),
        (r#"declare("A.**", (), #{path: 1});"#, "an instance count needs a path that ends in"),
        (r#"declare("A..B");"#, "invalid parameter path \"A..B\": empty segment at character 2"),
        (r#"declare(5);"#, "declare: the path must be a text, not a number"),
        (r#"declare("A", 5);"#, "declare: the freshness must be a map or (), not a number"),
        (r#"declare("A", (), "x");"#, "declare: the wanted state must be a map or (), not a text"),
        (r#"clear("A", "x");"#, "clear: the time must be a number of milliseconds, not a text"),
        (r#"clear("A", 1, #{path: 1});"#, "the attributes: unknown key \"path\""),
        (r#"now("nonsense");"#, "invalid cron expression \"nonsense\""),
        (r#"now(0);"#, "invalid interval 0"),
        (r#"now(true);"#, "now: expected a number of milliseconds or a cron expression, not a boolean"),
        (r#"now(1, "x");"#, "now: the spread must be a number of milliseconds, not a text"),
        (r#"ext(1);"#, "ext: the name must be a text, not a number"),
        (r#"ext("a", |x| x);"#, "an argument of ext cannot be a function"),
        (r#"ext("a", declare("A"));"#, "an argument of ext cannot be a declare() result"),
        (r#"sleep(1);"#, "sleep: a script cannot wait"),
    ];
    for (statement, message) in cases {
        let fault = fault_of(&format!("let x = 1;\n  {statement}"));
        assert_eq!(fault.code, "script.Error", "{statement}");
        assert!(fault.message.starts_with("test: line 2, column 3: "), "{statement}: {}", fault.message);
        assert!(fault.message.contains(message), "{statement}: {}", fault.message);
    }
}

#[test]
fn wrong_calls_cannot_be_caught() {
    let finished = World::new(r#"try { [1].map(|x| declare("A..B")); } catch { } log("ran on");"#).finish();
    assert_eq!(finished.fault().code, "script.Error");
    assert!(finished.messages().is_empty());
}

#[test]
fn a_download_is_an_entry_and_its_time() {
    let mut finished =
        run(r#"let d = declare("Downloads.[FileType:1 Firmware Upgrade Image]", #{path: 1}, #{path: now()});"#);
    let second = finished.declarations.remove(1);
    let first = finished.declarations.remove(0);
    assert_eq!(first.path.to_string(), "Downloads.[FileType:1 Firmware Upgrade Image]");
    assert_eq!(first.wanted, Wanted { instances: Some(InstanceCount::exactly(1)), ..Default::default() });
    assert_eq!(second.path.to_string(), "Downloads.[FileType:1 Firmware Upgrade Image].Download");
    assert_eq!(second.wanted.value, Some((Value::Int(NOW), Some(XsdType::DateTime))));
    assert_eq!(second.fresh.value, 1);
    assert_eq!((first.origin.line, second.origin.line), (1, 1));

    assert_eq!(run(r#"declare("Downloads.*", (), #{path: now()});"#).declarations.len(), 2);
    assert_eq!(run(r#"declare("Downloads.*", (), #{path: 1});"#).declarations.len(), 1);
    for path in ["Downloads.1", "Downloads.*.x.*", "Device.Downloads.*"] {
        let fault = fault_of(&format!(r#"declare("{path}", (), #{{path: now()}});"#));
        assert!(fault.message.contains("at most 1000 are allowed"), "{path}: {}", fault.message);
    }
}

#[test]
fn results_show_what_was_named() {
    let ssid =
        r#"declare("Device.WiFi.SSID.1.SSID", #{value: 1, object: 1, writable: 1, notification: 1, accessList: 1})"#;
    let cases = [
        (format!("{ssid}.value"), json!(["home", "xsd:string"])),
        (format!("{ssid}.value[0]"), json!("home")),
        (format!("{ssid}.object"), json!(false)),
        (format!("{ssid}.writable"), json!(true)),
        (format!("{ssid}.notification"), json!(2)),
        (format!("{ssid}.accessList"), json!(["Subscriber"])),
        (format!("{ssid}.path"), json!("Device.WiFi.SSID.1.SSID")),
        (format!("{ssid}.size"), json!(1)),
        (r#"declare("Device.WiFi.SSID.1.SSID").value"#.into(), json!(null)),
        (r#"declare("Device.WiFi.SSID.1.SSID", #{value: 0}).value[0]"#.into(), json!("home")),
        (r#"declare("Device.WiFi.SSID.1.SSID").writable"#.into(), json!(null)),
        (r#"declare("Device.Nothing", #{value: 1}).value"#.into(), json!(null)),
        (r#"declare("Device.Nothing", #{value: 1}).values"#.into(), json!([])),
        (r#"declare("Device.Nothing", #{value: 1}).size"#.into(), json!(0)),
        (r#"declare("Device.Nothing", #{value: 1}).path"#.into(), json!(null)),
        (r#"declare("Device.Nothing", #{value: 1}).value?[0] ?? "none""#.into(), json!("none")),
        (r#"declare("Device.Nothing", #{value: 1}).value == ()"#.into(), json!(true)),
        (r#"declare("Device.DeviceInfo.Status", #{value: 1}).value != ()"#.into(), json!(true)),
        (r#"declare("Device.DeviceInfo", #{value: 1, object: 1}).object"#.into(), json!(true)),
        (r#"declare("Device.DeviceInfo.UpTime", #{value: 1}).value"#.into(), json!([90_000, "xsd:unsignedInt"])),
        (r#"declare("Device.WiFi.SSID.1.Enable", #{value: 1}).value[0]"#.into(), json!(true)),
        (r#"declare("Device.Time.CurrentLocalTime", #{value: 1}).value[0]"#.into(), json!(NOW - 5_000)),
        (r#"declare("Tags.known", #{value: 1}).value"#.into(), json!([true, "xsd:boolean"])),
        (r#"declare("Tags.unknown", #{value: 1}).value"#.into(), json!([false, "xsd:boolean"])),
        (r#"declare("Tags.unknown", #{value: 1}).size"#.into(), json!(0)),
        (
            r#"declare("Device.Hosts.Host.*.MACAddress", #{value: 1}).values"#.into(),
            json!([
                ["02:00:00:00:00:01", "xsd:string"],
                ["02:00:00:00:00:02", "xsd:string"],
                ["02:00:00:00:00:0A", "xsd:string"]
            ]),
        ),
        (r#"const R = declare("Device.DeviceInfo.Status", #{value: 1}); R.value[0]"#.into(), json!("Up")),
        (r#"type_of(declare("A"))"#.into(), json!("DeclareResult")),
        (r#"declare("A.*").to_string()"#.into(), json!("declare(\"A.*\") (use .value[0], .path, .size or a for loop)")),
        (
            r#"let t = ""; for h in declare("Device.Hosts.Host.1.MACAddress", #{value: 1}) { t = `${h}`; } t"#.into(),
            json!("Device.Hosts.Host.1.MACAddress: 02:00:00:00:00:01"),
        ),
        (r#"let n = 0; for (host, index) in declare("Device.Hosts.Host.*", #{}) { n += index; } n"#.into(), json!(3)),
    ];
    for (expression, expected) in cases {
        assert_eq!(value_of(&expression), expected, "{expression}");
    }
}

#[test]
fn declarations_know_their_line_and_column() {
    let finished = run(
        "fn enable(path) {\n    declare(path, (), #{value: true});\n}\nenable(\"A.B\");\nlet x = declare(\"A.C\");",
    );
    let origin = |line, column| Origin { provision: "test".into(), presets: "preset".into(), line, column };
    let origins: Vec<_> = finished.declarations.iter().map(|one| one.origin.clone()).collect();
    assert_eq!(origins, [origin(2, 5), origin(5, 9)]);
}

#[test]
fn clears_are_recorded() {
    let mut world = World::new(r#"clear("Device", now()); clear("A.*", 5.5, #{value: 3, accessList: 4.0});"#);
    let (record, outcome) = world.step();
    assert_eq!(outcome, Outcome::Finished(Json::Null));
    assert_eq!((record.clears[0].path.clone(), record.clears[0].timestamp), (Path::parse("Device").unwrap(), NOW));
    assert_eq!(record.clears[1].timestamp, 5);
    assert_eq!((record.clears[1].attributes.value, record.clears[1].attributes.access_list), (3, 4));
}

#[test]
fn the_session_s_helpers() {
    let day = 86_400_000;
    let cases = [
        ("now()", json!(NOW)),
        ("now(3600000, 0)", json!(NOW / 3_600_000 * 3_600_000)),
        ("now(86400000.0)", json!((NOW + 69_222_906) / day * day - 69_222_906)),
        (r#"now("0 22 * * *")"#, json!(1_699_999_200_000_i64)),
        (r#"now("0 22 * * *", 0)"#, json!(1_699_999_200_000_i64)),
        ("[random(), random()]", json!([0.965_376_344_430_178_3, 0.004_964_319_570_118_104])),
        (r#"random_seed("x"); random()"#, json!(0.908_061_466_440_110_5)),
        ("args", json!(["first", {"key": [1, 2.5, null]}])),
        ("args[0]", json!("first")),
        ("args.len()", json!(2)),
        ("fn f() { args[0] } f()", json!("first")),
        ("[1].map(|x| args[1].key[x])", json!([2.5])),
        ("let args = 5; args", json!(5)),
        ("fn f(args) { args } f(7)", json!(7)),
        (r#"parse_json(`[1, {"a": null, "b": 1.5}, "x"]`)"#, json!([1, {"a": null, "b": 1.5}, "x"])),
        (r#"try { parse_json("{") } catch (error) { "no JSON" }"#, json!(null)),
        (
            r#"let r = ""; try { parse_json("{") } catch (error) { r = error.sub_string(0, 12); } r"#,
            json!("invalid JSON"),
        ),
        (r#"to_json(#{b: [1, 2.0, "x"], a: ()})"#, json!(r#"{"a":null,"b":[1,2.0,"x"]}"#)),
        (r#"[1, "a\"b"].to_json()"#, json!(r#"[1,"a\"b"]"#)),
        (r#""x".to_json()"#, json!("\"x\"")),
        (r#"`${[1, "x", #{a: ()}]}`"#, json!(r#"[1, "x", #{"a": ()}]"#)),
        ("[1, 2] == [1.0, 2] && #{a: [1]} == #{a: [1]} && [1] != [2] && #{a: 1} != #{a: 2}", json!(true)),
        ("[] == () || [] != []", json!(false)),
        (r#"let s = "a.b.c"; s.replace(".", "-"); s"#, json!("a-b-c")),
        (r#"let s = "a.b"; s.replace('.', '/'); s"#, json!("a/b")),
        (r#"let a = ["b", "a"]; a.sort(); a"#, json!(["a", "b"])),
        ("let a = [3, 1, 2.5]; a.sort_desc(); a", json!([3, 2.5, 1])),
        ("[3, 1, 2].order(|a, b| a - b)", json!([1, 2, 3])),
        ("[3, 1, 2].order_by(|a, b| a > b)", json!([3, 2, 1])),
        ("let x = (); if x?.y == () { 1 } else { 2 }", json!(1)),
        ("return 5; 6", json!(5)),
        ("()", json!(null)),
    ];
    for (expression, expected) in cases {
        assert_eq!(value_of(expression), expected, "{expression}");
    }
}

#[test]
fn logs_take_any_value_and_print_is_a_log() {
    let finished = run(r#"
        log("text", #{a: [1]});
        log(5);
        log([1, "x"]);
        log(1.5, 2.5);
        print("printed");
        debug("x");
        declare("A").size;
        log("once");
    "#);
    assert_eq!(finished.messages(), ["text", "5", "[1, \"x\"]", "1.5", "printed", "\"x\"", "once"]);
    assert_eq!(finished.logs[0].meta, json!({"a": [1]}));
    assert_eq!(finished.logs[3].meta, json!(2.5));
}

#[test]
fn extensions_take_up_to_16_arguments_and_keep_their_fault() {
    let arguments: Vec<String> = (0..15).map(|number| number.to_string()).collect();
    let mut world = World::new(&format!(r#"log(ext("lookup", {}).plan);"#, arguments.join(", ")));
    let (record, outcome) = world.step();
    assert_eq!(outcome, Outcome::WaitingForExtension);
    let call = record.extensions[0].arguments.clone();
    assert_eq!((call.len(), &call[15]), (16, &json!(14)));
    world.memory.set_extension_result(call, Ok(json!({"plan": "gold"})));
    assert_eq!(world.step().0.logs[0].message, "gold");

    let mut world = World::new("let a = 1;\ntry { ext(\"lookup\"); } catch { }");
    let call = world.step().0.extensions[0].arguments.clone();
    let fault = acs_core::script::ScriptFault {
        code: "ext.NotFound".into(),
        message: "no customer".into(),
        detail: Some(json!(7)),
    };
    world.memory.set_extension_result(call, Err(fault));
    let Outcome::Failed(fault) = world.step().1 else { panic!("not failed") };
    assert_eq!((fault.code.as_str(), fault.message.as_str()), ("ext.NotFound", "test: line 2, column 7: no customer"));
    assert_eq!(fault.detail.unwrap()["extension"], json!(7));
}

#[test]
fn provisions_return_nothing_and_virtual_parameters_a_map() {
    assert_eq!(run("5").outcome, Outcome::Finished(Json::Null));
    assert_eq!(run("declare(\"A.B\")").commits, 0);
    assert_eq!(
        value_of("return #{writable: false, value: [1, \"xsd:int\"]};"),
        json!({"writable": false, "value": [1, "xsd:int"]})
    );
    let mut world = World::virtual_parameter("declare(\"A\")");
    let fault = world.finish().fault().clone();
    assert_eq!(fault.code, "script.TypeError");
    assert!(
        fault.message.contains("a virtual parameter returns #{writable: …, value: …}, not a declare() result"),
        "{fault:?}"
    );
}

#[test]
fn named_attributes_are_those_of_either_map() {
    let finished = run(r#"
        let r = declare("Device.WiFi.SSID.1.SSID", #{object: 1}, #{value: "x"});
        log(r.value[0] + " " + r.object + " " + r.writable);
    "#);
    assert_eq!(finished.messages(), ["home false "]);
}
