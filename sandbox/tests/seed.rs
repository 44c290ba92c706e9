//! Well-known provisions of the field, ported to Rhai: they compile without findings, and do what they say.

#![allow(clippy::unwrap_used)]

mod support;

use acs_core::declaration::InstanceCount;
use acs_core::value::Value;
use serde_json::json;
use support::{NOW, World, run};

/// `path = wanted value` of all declarations that want one, `path × min..max` of counts.
fn wanted(source: &str) -> Vec<String> {
    assert_eq!(sandbox::check("test", source), [], "{source}");
    let wants = run(source).declarations.into_iter().filter_map(|one| match (one.wanted.value, one.wanted.instances) {
        (Some((value, _)), _) => Some(format!("{} = {}", one.path, value.to_text())),
        (_, Some(InstanceCount { min, max: u32::MAX })) => Some(format!("{} × {min}..", one.path)),
        (_, Some(InstanceCount { min, max })) => Some(format!("{} × {min}..{max}", one.path)),
        _ => None,
    });
    wants.collect()
}

#[test]
fn reading_writing_creating_deleting() {
    let source = r#"
        let version = declare("Device.DeviceInfo.SoftwareVersion", #{value: 1});
        let wifi = declare("Device.WiFi.SSID.*", #{value: 1});
        declare("Device.WiFi.SSID.1.SSID", (), #{value: "MyNetwork"});
        declare("Device.WiFi.SSID.*", #{path: 1}, #{object: true});
        declare("Device.WiFi.SSID.2", (), #{object: false});
        let uptime = declare("Device.DeviceInfo.UpTime", #{value: 1});
        if uptime.value[0] > 300 {
            declare("Tags.recently_rebooted", (), #{value: true});
        }
        declare("Device.WiFi.SSID.[SSID:MyNetwork].Enable", (), #{value: true});
    "#;
    assert_eq!(
        wanted(source),
        [
            "Device.WiFi.SSID.1.SSID = MyNetwork",
            "Device.WiFi.SSID.* × 1..",
            "Device.WiFi.SSID.2 × 0..0",
            "Tags.recently_rebooted = true",
            "Device.WiFi.SSID.[SSID:MyNetwork].Enable = true",
        ]
    );
}

#[test]
fn refreshing() {
    let source = r#"
        let now = now();
        declare("Device.DeviceInfo.*", #{value: now});
        declare("Device.ManagementServer.*", #{value: now});
        declare("Device.WiFi.*", #{value: now - 3600000});
    "#;
    assert_eq!(sandbox::check("test", source), []);
    let times: Vec<i64> = run(source).declarations.iter().map(|one| one.fresh.value).collect();
    assert_eq!(times, [NOW, NOW, NOW - 3_600_000]);
}

#[test]
fn a_firmware_upgrade() {
    let source = r#"
        let current = declare("Device.DeviceInfo.SoftwareVersion", #{value: 1});
        let target = "3.0.0";
        if current.value[0] != target {
            declare("Downloads.[FileType:1 Firmware Upgrade Image]", #{path: 1}, #{path: now()});
        }
    "#;
    let entry = "Downloads.[FileType:1 Firmware Upgrade Image]";
    assert_eq!(wanted(source), [format!("{entry} × 1..1"), format!("{entry}.Download = {NOW}")]);
}

#[test]
fn tags() {
    let source = r#"
        let configured = declare("Tags.configured", #{value: 1});
        if !configured.value[0] {
            declare("Device.WiFi.SSID.1.SSID", (), #{value: "DefaultSSID"});
            declare("Tags.configured", (), #{value: true});
            declare("Tags.firmware_3.0", (), #{value: true});
        }
        let optional = declare("Device.Optional.Param", #{value: 1});
        if optional.value != () && optional.value[0] != "" {
            declare("Tags.optional", (), #{value: true});
        }
    "#;
    assert_eq!(
        wanted(source),
        ["Device.WiFi.SSID.1.SSID = DefaultSSID", "Tags.configured = true", "Tags.firmware_3.0 = true"]
    );
}

#[test]
fn an_extension() {
    let source = r#"
        let cached = declare("Tags.customer_config", #{value: 1});
        if !cached.value[0] {
            let config = ext("lookup-customer", declare("DeviceID.SerialNumber", #{value: 1}).value[0]);
            declare("Device.ManagementServer.Username", (), #{value: config.username});
            declare("Tags.customer_config", (), #{value: to_json(config)});
        }
    "#;
    assert_eq!(sandbox::check("test", source), []);
    let mut world = World::new(source);
    for _ in 0..2 {
        world.step();
        world.memory.advance();
    }
    let (record, _) = world.step();
    assert_eq!(record.extensions[0].arguments, [json!("lookup-customer"), json!("SN1")]);
    world
        .memory
        .set_extension_result(record.extensions[0].arguments.clone(), Ok(json!({"username": "u", "plan": "gold"})));
    let (record, _) = world.step();
    let values: Vec<_> = record.declarations.iter().map(|one| one.wanted.value.clone().unwrap().0).collect();
    assert_eq!(values, [Value::from("u"), Value::from(r#"{"plan":"gold","username":"u"}"#)]);
}

#[test]
fn iteration() {
    let source = r#"
        let hour = now(3600 * 1000);
        for host in declare("Device.Hosts.Host.*.MACAddress", #{value: hour}) {
            log(host.path + " " + host.value[0]);
        }
    "#;
    assert_eq!(sandbox::check("test", source), []);
    assert_eq!(run(source).logs.len(), 3);
}

fn virtual_parameter(source: &str, arguments: serde_json::Value) -> (serde_json::Value, Vec<String>) {
    assert_eq!(sandbox::check("test", source), [], "{source}");
    let mut world = World::virtual_parameter(source);
    world.arguments = arguments.as_array().unwrap().clone().into();
    let finished = world.finish();
    let acs_core::script::Outcome::Finished(result) = finished.outcome else { panic!("{finished:?}") };
    let wants = finished
        .declarations
        .iter()
        .filter_map(|one| one.wanted.value.as_ref().map(|value| format!("{} = {}", one.path, value.0.to_text())));
    (result, wants.collect())
}

#[test]
fn virtual_parameters() {
    let summary = r#"
        let status = declare("Device.DeviceInfo.Status", #{value: 1});
        let uptime = declare("Device.DeviceInfo.UpTime", #{value: 1});
        let state = if status.value[0] == "Up" { "Online" } else { "Offline" };
        let days = uptime.value[0] / 86400;
        return #{writable: false, value: [`${state} - ${days} days`, "xsd:string"]};
    "#;
    let get = json!([{"value": 1}, {}, {}, {}]);
    assert_eq!(
        virtual_parameter(summary, get.clone()).0,
        json!({"writable": false, "value": ["Online - 1 days", "xsd:string"]})
    );

    let bandwidth = r#"
        fn bytes(direction) {
            let value = declare(`Device.IP.Interface.1.Stats.${direction}`, #{value: 1}).value?[0] ?? "0";
            parse_float(value)
        }
        let total = bytes("BytesReceived") + bytes("BytesSent");
        #{writable: false, value: [total, "xsd:unsignedLong"]}
    "#;
    assert_eq!(virtual_parameter(bandwidth, get.clone()).0["value"][0], json!(18_446_744_073_709_551_622.0));

    let config = r#"
        let wanted = args[1]?.value;
        if wanted != () {
            let config = parse_json(wanted[0]);
            declare("Device.WiFi.SSID.1.SSID", (), #{value: config.ssid});
            declare("Device.WiFi.SSID.1.Enable", (), #{value: config.enabled});
            return #{writable: true, value: [wanted[0], "xsd:string"]};
        }
        let ssid = declare("Device.WiFi.SSID.1.SSID", #{value: 1});
        let enabled = declare("Device.WiFi.SSID.1.Enable", #{value: 1});
        #{writable: true, value: [to_json(#{ssid: ssid.value[0], enabled: enabled.value[0]}), "xsd:string"]}
    "#;
    assert_eq!(
        virtual_parameter(config, get).0,
        json!({"writable": true, "value": [r#"{"enabled":true,"ssid":"home"}"#, "xsd:string"]})
    );
    let text = r#"{"ssid":"new","enabled":false}"#;
    let (result, wants) = virtual_parameter(config, json!([{}, {"value": [text, "xsd:string"]}, {}, {}]));
    assert_eq!(result, json!({"writable": true, "value": [text, "xsd:string"]}));
    assert_eq!(wants, ["Device.WiFi.SSID.1.SSID = new", "Device.WiFi.SSID.1.Enable = false"]);
}
