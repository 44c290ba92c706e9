//! What a porting user's scripts and tasks have always led to: requests in order, and what is stored afterwards.
//!
//! Each table names the rule that it shows. The model is the same throughout, known or only informed of; where Lodestar needs
//! fewer requests than the incumbent for the same result, the table holds Lodestar's.

mod running;

use acs_core::value::{TypedValue, Value, XsdType};
use serde_json::json;

use crate::bench::{Scenario, only};
use crate::kit::{boolean, string, unsigned};

const MODEL: &str = "
    InternetGatewayDevice.DeviceInfo.SoftwareVersion : 2.0.1
    InternetGatewayDevice.DeviceInfo.ModelName : EX-98
    InternetGatewayDevice.DeviceInfo.ProvisioningCode = old
    InternetGatewayDevice.DeviceInfo.UpTime : 120u
    InternetGatewayDevice.ManagementServer.URL = http://acs.example/
    InternetGatewayDevice.Time.NTPServer1 = one
    InternetGatewayDevice.Time.NTPServer2 = two
    InternetGatewayDevice.LANDevice.1.Hosts.Host.1.HostName : tv
    InternetGatewayDevice.LANDevice.1.WLANConfiguration. +
    InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID = home
    InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.Enable = true
    InternetGatewayDevice.LANDevice.1.WLANConfiguration.2.SSID = guest
    InternetGatewayDevice.LANDevice.1.WLANConfiguration.2.Enable = false
    InternetGatewayDevice.WANDevice.1.PortMapping. +
";

/// Scripts and expectations abbreviate what the model's paths have in common.
fn full(text: &str) -> String {
    text.replace("IGD.", "InternetGatewayDevice.")
        .replace("WLAN.", "InternetGatewayDevice.LANDevice.1.WLANConfiguration.")
        .replace("PM.", "InternetGatewayDevice.WANDevice.1.PortMapping.")
}

fn all_full(requests: &[&str]) -> Vec<String> {
    requests.iter().map(|request| full(request)).collect()
}

/// A TR-098 gateway that tells of its software version when it informs.
fn informed() -> Scenario {
    let mut scenario = Scenario::of(MODEL);
    scenario.device =
        scenario.device.template(&full("WLAN."), &[("SSID", string("")), ("Enable", boolean(true))]).template(
            &full("PM."),
            &[("ExternalPort", unsigned(0)), ("Protocol", string("TCP")), ("InternalPort", unsigned(0))],
        );
    let typed = [
        ("When", Value::Int(1_000), XsdType::DateTime),
        ("Count", "5".into(), XsdType::UnsignedLong),
        ("Hex", "00".into(), XsdType::HexBinary),
        ("Offset", Value::Int(-3), XsdType::Int),
    ];
    for (name, value, xsd_type) in typed {
        scenario.device.parameters.insert(full(&format!("IGD.Time.{name}")), (true, TypedValue(value, xsd_type)));
    }
    scenario.device.informs = vec![full("IGD.DeviceInfo.SoftwareVersion")];
    scenario
}

/// The same gateway, all of which has been read before.
fn known() -> Scenario {
    let read_all = full(r#"let t = now(); declare("IGD.**", #{path: t, value: t, writable: 1});"#);
    let mut scenario = informed().script(&read_all);
    scenario.periodic();
    scenario.documents = Default::default();
    scenario
}

/// What is stored of a parameter, in text form.
fn stored(scenario: &Scenario, path: &str) -> String {
    scenario.stored(&full(path)).map_or("(unknown)".into(), |value| value.to_text().into_owned())
}

/// A rule, a script, the requests of its first and of its second session.
type Case<'c> = (&'c str, &'c str, &'c [&'c str], &'c [&'c str]);

fn check(of: fn() -> Scenario, cases: &[Case<'_>]) {
    for (rule, script, first, second) in cases {
        let mut scenario = of().script(&full(script));
        assert_eq!(scenario.periodic().requests, all_full(first), "{rule}");
        scenario.expect_no_fault();
        assert_eq!(scenario.periodic().requests, all_full(second), "{rule}, the second session");
        scenario.expect_no_fault();
    }
}

#[test]
fn reads_of_known_parameters_cost_what_their_freshness_demands() {
    check(
        known,
        &[
            ("known at all", r#"declare("WLAN.1.SSID", #{value: 1});"#, &[], &[]),
            (
                "now: read in each session",
                r#"declare("WLAN.1.SSID", #{value: now()});"#,
                &["GPV WLAN.1.SSID"],
                &["GPV WLAN.1.SSID"],
            ),
            ("an interval: not again within it", r#"declare("WLAN.1.SSID", #{value: now(864000000, 0)});"#, &[], &[]),
            ("an object has no value", r#"declare("IGD.LANDevice", #{value: now()});"#, &[], &[]),
            (
                "a leaf's path is listed again",
                r#"declare("WLAN.1.SSID", #{path: now()});"#,
                &["GPN WLAN.1. next"],
                &["GPN WLAN.1. next"],
            ),
            (
                "unless its value is read anyway",
                r#"declare("WLAN.1.SSID", #{path: now(), value: now()});"#,
                &["GPV WLAN.1.SSID"],
                &["GPV WLAN.1.SSID"],
            ),
            (
                "an instance's path lists its table",
                r#"declare("WLAN.*", #{path: now()});"#,
                &["GPN WLAN. next"],
                &["GPN WLAN. next"],
            ),
            (
                "a wildcard lists the table and, without values, each row",
                r#"declare("WLAN.*.SSID", #{path: now()});"#,
                &["GPN WLAN. next", "GPN WLAN.1. next", "GPN WLAN.2. next"],
                &["GPN WLAN. next", "GPN WLAN.1. next", "GPN WLAN.2. next"],
            ),
            (
                "values of a wildcard save the rows' lists",
                r#"declare("WLAN.*.SSID", #{path: now(), value: now()});"#,
                &["GPN WLAN. next", "GPV WLAN.1.SSID WLAN.2.SSID"],
                &["GPN WLAN. next", "GPV WLAN.1.SSID WLAN.2.SSID"],
            ),
            (
                "two levels of wildcards list both tables",
                r#"declare("IGD.LANDevice.*.WLANConfiguration.*.SSID", #{path: now(), value: now()});"#,
                &["GPN IGD.LANDevice. next", "GPN WLAN. next", "GPV WLAN.1.SSID WLAN.2.SSID"],
                &["GPN IGD.LANDevice. next", "GPN WLAN. next", "GPV WLAN.1.SSID WLAN.2.SSID"],
            ),
            (
                "an alias' keys are as fresh as its path",
                r#"declare("WLAN.[SSID:guest].Enable", #{path: now(), value: 1});"#,
                &["GPN WLAN. next", "GPN WLAN.2. next", "GPV WLAN.1.SSID WLAN.2.SSID"],
                &["GPN WLAN. next", "GPN WLAN.2. next", "GPV WLAN.1.SSID WLAN.2.SSID"],
            ),
            (
                "writability is listed",
                r#"declare("WLAN.1.SSID", #{writable: now()});"#,
                &["GPN WLAN.1. next"],
                &["GPN WLAN.1. next"],
            ),
            ("what is known to be missing is not looked for", r#"declare("WLAN.9.SSID", #{value: now()});"#, &[], &[]),
            (
                "unless its path must be fresh",
                r#"declare("WLAN.9.SSID", #{path: now()});"#,
                &["GPN WLAN. next"],
                &["GPN WLAN. next"],
            ),
        ],
    );
}

#[test]
fn discovery_begins_at_the_deepest_known_object_and_happens_once() {
    check(
        informed,
        &[
            (
                "a sibling of an informed parameter",
                r#"declare("IGD.DeviceInfo.ModelName", #{value: 1});"#,
                &["GPN IGD.DeviceInfo. next", "GPV IGD.DeviceInfo.ModelName"],
                &[],
            ),
            (
                "level by level down to a row",
                r#"declare("IGD.LANDevice.*.WLANConfiguration.1.SSID", #{value: 1});"#,
                &[
                    "GPN IGD. next",
                    "GPN IGD.LANDevice. next",
                    "GPN IGD.LANDevice.1. next",
                    "GPN WLAN. next",
                    "GPN WLAN.1. next",
                    "GPV WLAN.1.SSID",
                ],
                &[],
            ),
            (
                "a root that the device does not have costs one list",
                r#"declare("Device.ManagementServer.URL", #{value: 1}); declare("IGD.ManagementServer.URL", #{value: 1});"#,
                &["GPN  next", "GPN IGD. next", "GPN IGD.ManagementServer. next", "GPV IGD.ManagementServer.URL"],
                &[],
            ),
            (
                "a set of an informed parameter learns its writability first",
                r#"declare("IGD.DeviceInfo.SoftwareVersion", (), #{value: "x"});"#,
                &["GPN IGD.DeviceInfo. next"],
                &[],
            ),
            (
                "a count on an unknown table",
                r#"declare("WLAN.*", (), #{path: 3});"#,
                &[
                    "GPN IGD. next",
                    "GPN IGD.LANDevice. next",
                    "GPN IGD.LANDevice.1. next",
                    "GPN WLAN. next",
                    "AddObject WLAN.",
                    "GPN WLAN. next",
                ],
                &[],
            ),
        ],
    );
}

#[test]
fn sets_are_coerced_to_the_type_that_the_device_told() {
    let cases = [
        ("WLAN.1.Enable", r#""false""#, Some("false:boolean")),
        ("WLAN.1.Enable", "0", Some("false:boolean")),
        ("WLAN.1.Enable", r#""True""#, None),
        ("WLAN.1.Enable", r#""maybe""#, Some("maybe:boolean")),
        ("IGD.Time.When", r#""1970-01-01T00:00:02Z""#, Some("2000:dateTime")),
        ("IGD.Time.When", r#""3000""#, Some("3000:dateTime")),
        ("IGD.Time.When", "1000", None),
        ("IGD.Time.Count", "5", None),
        ("IGD.Time.Count", "6", Some("6:unsignedLong")),
        ("IGD.Time.Hex", "10", Some("10:hexBinary")),
        ("IGD.Time.Offset", r#""-12abc""#, Some("-12:int")),
        ("IGD.Time.Offset", r#""abc""#, Some("abc:int")),
        ("IGD.Time.NTPServer1", "true", Some("true:string")),
        ("IGD.Time.NTPServer1", "1.5", Some("1.5:string")),
        ("IGD.Time.NTPServer1", r#"["one"]"#, None),
        ("IGD.Time.NTPServer1", r#"["5", "xsd:unsignedInt"]"#, Some("5:unsignedInt")),
    ];
    for (path, value, sent) in cases {
        let mut scenario = known().script(&full(&format!(r#"declare("{path}", (), #{{value: {value}}});"#)));
        let expected: Vec<_> = sent.map(|sent| full(&format!("SPV {path}={sent}"))).into_iter().collect();
        assert_eq!(scenario.periodic().requests, expected, "{path} := {value}");
        scenario.expect_no_fault();
        if let Some((text, _)) = sent.and_then(|sent| sent.rsplit_once(':')) {
            assert_eq!(stored(&scenario, path), text, "{path} := {value}");
        }
        assert!(scenario.periodic().requests.is_empty(), "{path} := {value}, again");
    }
}

#[test]
fn commits_order_what_would_else_be_one_request() {
    let sets = |between: &str| {
        let set = |path: &str, value: &str| format!(r#"declare("IGD.{path}", (), #{{value: "{value}"}});"#);
        [set("Time.NTPServer2", "1"), set("Time.NTPServer1", "2"), set("DeviceInfo.ProvisioningCode", "3")]
            .join(between)
    };
    check(
        known,
        &[
            (
                "without commit",
                &sets(""),
                &[
                    "SPV IGD.Time.NTPServer2=1:string IGD.Time.NTPServer1=2:string IGD.DeviceInfo.ProvisioningCode=3:string",
                ],
                &[],
            ),
            (
                "with commits",
                &sets("commit();"),
                &[
                    "SPV IGD.Time.NTPServer2=1:string",
                    "SPV IGD.Time.NTPServer1=2:string",
                    "SPV IGD.DeviceInfo.ProvisioningCode=3:string",
                ],
                &[],
            ),
            (
                "a value that is read commits too",
                r#"let on = declare("WLAN.1.Enable", #{value: now()}).value[0];
                   declare("WLAN.1.SSID", (), #{value: if on { "was-on" } else { "was-off" }});"#,
                &["GPV WLAN.1.Enable", "SPV WLAN.1.SSID=was-on:string"],
                &["GPV WLAN.1.Enable"],
            ),
        ],
    );
}

#[test]
fn what_was_read_before_a_commit_stays_what_it_was() {
    let script = r#"
        let before = declare("WLAN.1.SSID", #{value: 1}).value[0];
        declare("WLAN.1.SSID", (), #{value: "new"});
        commit();
        declare("IGD.DeviceInfo.ProvisioningCode", (), #{value: before + ">" + declare("WLAN.1.SSID", #{value: 1}).value[0]});
    "#;
    let mut scenario = known().script(&full(script));
    let visit = scenario.periodic();
    scenario.expect_no_fault();
    let expected = ["SPV WLAN.1.SSID=new:string", "SPV IGD.DeviceInfo.ProvisioningCode=home>new:string"];
    assert_eq!(visit.requests[..2], all_full(&expected));
    assert_eq!(
        stored(&scenario, "IGD.DeviceInfo.ProvisioningCode"),
        "new>new",
        "the second evaluation sees the new value"
    );
}

#[test]
fn attributes_are_read_once_and_set_where_they_differ() {
    check(
        known,
        &[
            ("read", r#"declare("WLAN.1.SSID", #{notification: 1});"#, &["GPA WLAN.1.SSID"], &[]),
            (
                "set on every match, read-only ones included",
                r#"declare("IGD.DeviceInfo.UpTime", (), #{notification: 2}); declare("WLAN.*.SSID", (), #{notification: 1});"#,
                &[
                    "GPA IGD.DeviceInfo.UpTime WLAN.1.SSID WLAN.2.SSID",
                    "SPA IGD.DeviceInfo.UpTime n2 WLAN.1.SSID n1 WLAN.2.SSID n1",
                ],
                &[],
            ),
            (
                "the later access list wins, and an empty one is the default",
                r#"declare("WLAN.*.SSID", (), #{accessList: ["Subscriber"]}); declare("WLAN.1.SSID", (), #{accessList: []});"#,
                &["GPA WLAN.1.SSID WLAN.2.SSID", "SPA WLAN.2.SSID [Subscriber]"],
                &[],
            ),
        ],
    );
}

#[test]
fn clear_forgets_what_it_names_and_no_more() {
    let ssid_again: &[&str] = &["GPV WLAN.1.SSID"];
    let listed_again: &[&str] = &["GPN WLAN.1. next", "GPV WLAN.1.SSID"];
    let from_the_lan: &[&str] = &[
        "GPN IGD. next",
        "GPN IGD.LANDevice. next",
        "GPN IGD.LANDevice.1. next",
        "GPN WLAN. next",
        "GPN WLAN.1. next",
        "GPV WLAN.1.SSID",
    ];
    let cases: &[(&str, &str, &[&str])] = &[
        ("only the value", r#"clear("WLAN.1.SSID", now(), #{value: now()});"#, ssid_again),
        ("all of a parameter", r#"clear("WLAN.1.SSID", now());"#, listed_again),
        ("a wildcard", r#"clear("WLAN.*.SSID", now());"#, listed_again),
        ("a subtree", r#"clear("IGD.LANDevice", now());"#, from_the_lan),
        ("something else", r#"clear("WLAN.2", now());"#, &[]),
        ("nothing so old", r#"clear("WLAN.1.SSID", 1000);"#, &[]),
        ("only attributes", r#"clear("WLAN.1.SSID", now(), #{notification: now()});"#, &[]),
    ];
    for (rule, script, expected) in cases {
        let mut scenario = known().script(&full(&format!(r#"{script} declare("WLAN.1.SSID", #{{value: 1}});"#)));
        assert_eq!(scenario.periodic().requests, all_full(expected), "{rule}");
        scenario.expect_no_fault();
        assert_eq!(stored(&scenario, "WLAN.1.SSID"), "home", "{rule}");
        assert_eq!(stored(&scenario, "IGD.DeviceInfo.ModelName"), "EX-98", "{rule}: what is elsewhere stays");
    }
}

#[test]
fn rows_are_added_and_deleted_until_the_count_is_met() {
    check(
        known,
        &[
            (
                "all rows deleted, then one list",
                r#"declare("WLAN.*", (), #{path: 0});"#,
                &["DeleteObject WLAN.1.", "DeleteObject WLAN.2.", "GPN WLAN. next"],
                &[],
            ),
            (
                "the row of an alias deleted",
                r#"declare("WLAN.[SSID:guest]", (), #{path: 0});"#,
                &["DeleteObject WLAN.2.", "GPN WLAN. next"],
                &[],
            ),
            (
                "a row for an alias, its keys, then another value of it",
                r#"declare("PM.[ExternalPort:8080,Protocol:TCP]", (), #{path: 1});
                   declare("PM.[ExternalPort:8080,Protocol:TCP].InternalPort", (), #{value: 80});"#,
                &[
                    "AddObject PM.",
                    "GPV PM.100.ExternalPort PM.100.Protocol",
                    "SPV PM.100.ExternalPort=8080:unsignedInt",
                    "GPN PM. next",
                    "GPN PM.100. next",
                    "GPV PM.100.InternalPort",
                    "SPV PM.100.InternalPort=80:unsignedInt",
                ],
                &[],
            ),
            (
                "any row will do for an empty alias",
                r#"declare("PM.[]", (), #{path: 1});"#,
                &["AddObject PM.", "GPN PM. next"],
                &[],
            ),
        ],
    );
}

#[test]
fn the_last_word_counts_even_while_another_script_is_at_a_commit() {
    let code = r#"declare("IGD.DeviceInfo.ProvisioningCode", (), #{value: "VALUE"});"#;
    let count = r#"declare("WLAN.*", (), #{path: VALUE});"#;
    let cases = [
        (code, "a", "b", vec!["SPV IGD.DeviceInfo.ProvisioningCode=b:string"]),
        (count, "3", "1", vec!["DeleteObject WLAN.2.", "GPN WLAN. next"]),
        (
            r#"declare("WLAN.1.SSID", (), #{notification: VALUE});"#,
            "1",
            "2",
            vec!["GPA WLAN.1.SSID", "SPA WLAN.1.SSID n2"],
        ),
    ];
    for (script, first, last, expected) in cases {
        let mut scenario = known()
            .preset("a", json!({}), &full(&format!("{} commit();", script.replace("VALUE", first))))
            .preset("b", json!({}), &full(&script.replace("VALUE", last)));
        assert_eq!(scenario.periodic().requests, all_full(&expected), "{script}");
        scenario.expect_no_fault();
        assert!(scenario.periodic().requests.is_empty(), "{script}");
    }
}

#[test]
fn a_script_that_spoils_the_key_of_its_own_row_does_not_fill_the_table() {
    let script = r#"declare("WLAN.[SSID:new,Enable:true]", (), #{path: 1});
        declare("WLAN.[SSID:new,Enable:true].Enable", (), #{value: false});"#;
    let mut scenario = known().script(&full(script));
    let visit = scenario.periodic();
    assert_eq!(only(&visit, "AddObject").len(), 1, "{:?}", visit.requests);
    let fault = &scenario.fault().fault;
    assert_eq!(fault.code, "instance_key_changed");
    assert!(fault.message.contains("Enable:true") && fault.message.contains("line 1"), "{}", fault.message);
}

#[test]
fn names_that_are_gone_from_the_device_are_no_fault() {
    let two =
        |what: &str| format!(r#"declare("IGD.Time.NTPServer1", {what}); declare("IGD.Time.NTPServer2", {what});"#);
    let cases = [
        (
            two("#{value: now()}"),
            vec!["GPV IGD.Time.NTPServer1 IGD.Time.NTPServer2", "GPN IGD.Time. next", "GPV IGD.Time.NTPServer2"],
        ),
        (
            two(r#"(), #{value: "x"}"#),
            vec![
                "SPV IGD.Time.NTPServer1=x:string IGD.Time.NTPServer2=x:string",
                "GPN IGD.Time. next",
                "SPV IGD.Time.NTPServer2=x:string",
            ],
        ),
    ];
    for (script, expected) in cases {
        let mut scenario = known().script(&full(&script));
        scenario.device.parameters.remove(&full("IGD.Time.NTPServer1"));
        assert_eq!(scenario.periodic().requests, all_full(&expected), "{script}");
        scenario.expect_no_fault();
        assert_eq!(stored(&scenario, "IGD.Time.NTPServer1"), "(unknown)");
    }
    let mut scenario = known().script(&full(r#"declare("PM.*", (), #{path: 2});"#));
    scenario.device.objects.remove(&full("PM."));
    assert_eq!(scenario.periodic().requests, all_full(&["AddObject PM.", "GPN IGD.WANDevice.1. next"]));
    scenario.expect_no_fault();
}

#[test]
fn names_that_the_device_lists_but_calls_invalid_end_in_a_fault() {
    let cases = [
        ("SetParameterValues", r#"declare("WLAN.1.SSID", (), #{value: "x"});"#),
        ("GetParameterValues", r#"declare("WLAN.1.SSID", #{value: now()});"#),
        ("GetParameterAttributes", r#"declare("WLAN.1.SSID", #{notification: 1});"#),
        ("SetParameterAttributes", r#"declare("WLAN.1.SSID", (), #{notification: 1});"#),
        ("AddObject", r#"declare("PM.*", (), #{path: 2});"#),
        ("DeleteObject", r#"declare("WLAN.*", (), #{path: 0});"#),
    ];
    for (rpc, script) in cases {
        let mut scenario = known().script(&full(script));
        scenario.device.behaviour.faults.push((rpc.into(), String::new(), "9005".into()));
        let visit = scenario.periodic();
        assert_eq!(scenario.fault().fault.code, "cwmp.9005", "{rpc}");
        assert!(visit.requests.len() <= 5, "{rpc}: {:?}", visit.requests);
    }
}
