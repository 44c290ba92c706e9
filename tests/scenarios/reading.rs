//! Reading: discovery, freshness, results (docs/engine.md, "Rounds" and "Listing").

use acs_core::value::Value;

use crate::bench::{Scenario, only};

/// Runs a script once on a router of which only the Inform is known, and gives the requests.
fn requests(script: &str) -> Vec<String> {
    let mut scenario = Scenario::router().script(script);
    let visit = scenario.periodic();
    scenario.expect_no_fault();
    visit.requests
}

#[test]
fn what_is_asked_for_is_the_least_that_is_needed() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("an Inform's value is known", r#"declare("Device.DeviceInfo.SoftwareVersion", #{value: 1});"#, &[]),
        ("an Inform's value is fresh", r#"declare("Device.DeviceInfo.SoftwareVersion", #{value: now()});"#, &[]),
        (
            "an unknown leaf: its object is listed, then it is read",
            r#"declare("Device.DeviceInfo.ModelName", #{value: 1});"#,
            &["GPN Device.DeviceInfo. next", "GPV Device.DeviceInfo.ModelName"],
        ),
        (
            "discovery goes level by level",
            r#"declare("Device.WiFi.Radio.1.Channel", #{value: 1});"#,
            &[
                "GPN Device. next",
                "GPN Device.WiFi. next",
                "GPN Device.WiFi.Radio. next",
                "GPN Device.WiFi.Radio.1. next",
                "GPV Device.WiFi.Radio.1.Channel",
            ],
        ),
        ("a whole subtree is listed at once", r#"declare("Device.WiFi.**", #{path: 1});"#, &["GPN Device. all"]),
        (
            "an object that does not exist is looked for once",
            r#"declare("Device.DeviceInfo.Nothing.Here", #{value: 1}); declare("Device.DeviceInfo.Nothing.There", #{value: 1});"#,
            &["GPN Device.DeviceInfo. next"],
        ),
        (
            "a root that the device did not announce costs one request",
            r#"declare("InternetGatewayDevice.DeviceInfo.UpTime", #{value: 1});"#,
            &["GPN  next"],
        ),
        (
            "a declaration without freshness only looks for the path",
            r#"declare("Device.DeviceInfo.SoftwareVersion");"#,
            &[],
        ),
        (
            "zero and negative freshness demand nothing",
            r#"declare("Device.DeviceInfo.SoftwareVersion", #{value: 0});"#,
            &[],
        ),
        (
            "freshness of writable lists the parent",
            r#"declare("Device.DeviceInfo.SoftwareVersion", #{writable: 1});"#,
            &["GPN Device.DeviceInfo. next"],
        ),
        (
            "notification and access list are read together",
            r#"declare("Device.DeviceInfo.SoftwareVersion", #{notification: 1, accessList: 1});"#,
            &["GPA Device.DeviceInfo.SoftwareVersion"],
        ),
        (
            "an alias reads its keys, then what is asked",
            r#"declare("Device.WiFi.SSID.[SSID:guest].Enable", #{value: 1});"#,
            &[
                "GPN Device. next",
                "GPN Device.WiFi. next",
                "GPN Device.WiFi.SSID. next",
                "GPN Device.WiFi.SSID.1. next",
                "GPN Device.WiFi.SSID.2. next",
                "GPV Device.WiFi.SSID.1.SSID Device.WiFi.SSID.2.SSID",
            ],
        ),
        (
            "local roots are never asked for",
            r#"declare("DeviceID.*", #{value: now()}); declare("Events.*", #{value: now()});"#,
            &[],
        ),
    ];
    for (rule, script, expected) in cases {
        assert_eq!(requests(script), *expected, "{rule}");
    }
}

#[test]
fn batches_hold_as_many_parameters_as_configured() {
    for (size, expected) in [("32", 1), ("2", 4)] {
        let mut scenario = Scenario::router().script(r#"declare("Device.DeviceInfo.*", #{value: 1});"#);
        scenario.world.settings.batch_size = size.parse().unwrap();
        let visit = scenario.periodic();
        assert_eq!(only(&visit, "GPV").len(), expected, "{:?}", visit.requests);
    }
}

#[test]
fn a_missing_answer_is_noted_not_invented() {
    let mut scenario = Scenario::router()
        .script(r#"let v = declare("Device.DeviceInfo.ModelName", #{value: 1}).value; log(if v == () { "absent" } else { "there" });"#)
        .device(|device| {
            device.behaviour.unanswered_values.insert("Device.DeviceInfo.ModelName".into());
        });
    let visit = scenario.periodic();
    scenario.expect_no_fault();
    assert_eq!(scenario.stored("Device.DeviceInfo.ModelName"), None);
    assert!(visit.log.iter().any(|line| line.message.contains("lacks 1")), "{:?}", visit.log);
    assert!(visit.log.iter().any(|line| line.message == "absent"));
    assert_eq!(only(&visit, "GPV").len(), 1, "it is not asked again and again");
}

#[test]
fn a_device_that_ignores_next_level_is_understood() {
    let mut scenario = Scenario::router()
        .script(r#"declare("Device.WiFi.Radio.1.Channel", #{value: 1});"#)
        .device(|device| device.behaviour.ignores_next_level = true);
    scenario.periodic();
    scenario.expect_no_fault();
    assert_eq!(scenario.stored("Device.WiFi.Radio.1.Channel"), Some(Value::Int(6)));
}

#[test]
fn a_vanished_instance_is_noticed_when_paths_must_be_fresh() {
    let mut scenario = Scenario::router().script(
        r#"let all = declare("Device.WiFi.SSID.*.SSID", #{path: now(), value: now()}); log(all.size.to_string());"#,
    );
    scenario.periodic();
    scenario.device.objects.remove("Device.WiFi.SSID.2.");
    scenario.device.parameters.retain(|name, _| !name.starts_with("Device.WiFi.SSID.2."));
    let visit = scenario.periodic();
    scenario.expect_no_fault();
    assert!(visit.log.iter().any(|line| line.message == "1"), "{:?}", visit.log);
    assert_eq!(scenario.stored("Device.WiFi.SSID.2.SSID"), None);
}

#[test]
fn results_are_what_the_documentation_says() {
    let cases = [
        (r#"declare("Device.DeviceInfo.SoftwareVersion", #{value: 1}).value[1]"#, "xsd:string"),
        (r#"declare("Device.DeviceInfo.SoftwareVersion", #{value: 1}).path"#, "Device.DeviceInfo.SoftwareVersion"),
        (r#"declare("Device.WiFi.SSID.*", #{path: 1}).size"#, "2"),
        (r#"declare("Device.Nothing", #{value: 1}).size"#, "0"),
        (r#"declare("Device.Nothing", #{value: 1}).value == ()"#, "true"),
        (r#"declare("Tags.absent", #{value: 1}).value[0]"#, "false"),
        (r#"declare("Device.WiFi.SSID.*.SSID", #{value: 1}).values.len()"#, "2"),
        (r#"declare("Device.WiFi.SSID.1.SSID", #{writable: 1}).writable"#, "true"),
        (r#"declare("Device.WiFi.SSID.1", #{object: 1}).object"#, "true"),
        (r#"declare("DeviceID.SerialNumber", #{value: 1}).value[0]"#, "S1"),
        (r#"declare("Device.WiFi.Radio.1.Channel", #{value: 1}).value[0] + 1"#, "7"),
    ];
    for (expression, expected) in cases {
        let mut scenario = Scenario::router().script(&format!("let x = {expression}; log(`${{x}}`);"));
        let visit = scenario.periodic();
        scenario.expect_no_fault();
        let logged: Vec<_> = visit.log.iter().map(|line| line.message.as_str()).collect();
        assert_eq!(logged, [expected], "{expression}");
    }
}
