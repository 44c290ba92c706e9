//! What runs, and what comes of it: presets, faults, tags, virtual parameters, extensions, tasks, downloads.

use acs_core::fault::FaultRecord;
use acs_core::rpc::{CpeFault, TransferComplete};
use acs_core::script::ScriptFault;
use serde_json::{Value as Json, json};

use super::{all_full, full, known, stored};
use crate::bench::only;

#[test]
fn one_refused_value_does_not_keep_the_others_back() {
    let script = r#"declare("IGD.DeviceInfo.ProvisioningCode", (), #{value: "bad"});
        declare("IGD.Time.NTPServer1", (), #{value: "good"});"#;
    let mut scenario = known().script(&full(script));
    scenario.device.behaviour.refused_values.insert(full("IGD.DeviceInfo.ProvisioningCode"), "9007".into());
    scenario.world.settings.retry.delay = 10_000_000;
    let expected = [
        "SPV IGD.DeviceInfo.ProvisioningCode=bad:string IGD.Time.NTPServer1=good:string",
        "SPV IGD.Time.NTPServer1=good:string",
    ];
    assert_eq!(scenario.periodic().requests, all_full(&expected));
    assert_eq!(stored(&scenario, "IGD.Time.NTPServer1"), "good");
    assert_eq!(stored(&scenario, "IGD.DeviceInfo.ProvisioningCode"), "old");
    assert_eq!((scenario.fault().fault.code.as_str(), scenario.fault().retries), ("cwmp.9003", 0));
    assert!(scenario.periodic().requests.is_empty(), "within the retry's delay");
    assert_eq!(scenario.fault().retries, 0);
}

#[test]
fn one_refused_attribute_does_not_keep_the_others_back() {
    let script = r#"for name in ["SSID", "Enable"] { declare("WLAN.1." + name, (), #{notification: 1}); }"#;
    let mut scenario = known().script(&full(script));
    scenario.device.behaviour.faults.push(("GetParameterAttributes".into(), "SSID".into(), "9002".into()));
    let expected = ["GPA WLAN.1.SSID WLAN.1.Enable", "GPA WLAN.1.SSID", "GPA WLAN.1.Enable", "SPA WLAN.1.Enable n1"];
    assert_eq!(scenario.periodic().requests, all_full(&expected));
    assert_eq!(scenario.fault().fault.code, "cwmp.9002");
    assert!(scenario.fault().fault.message.contains("SSID"), "{}", scenario.fault().fault.message);
}

#[test]
fn a_fault_takes_its_channel_and_is_counted_from_zero() {
    let good = full(r#"declare("IGD.DeviceInfo.ProvisioningCode", (), #{value: "good"});"#);
    let preset = |channel: &str, weight: i64| json!({"channel": channel, "weight": weight});
    for (channel_of_good, expected) in [("c", "old"), ("d", "good")] {
        let mut scenario =
            known().preset("bad", preset("c", 0), r#"throw "boom";"#).preset("good", preset(channel_of_good, 1), &good);
        scenario.periodic();
        assert_eq!(stored(&scenario, "IGD.DeviceInfo.ProvisioningCode"), expected);
        let FaultRecord { channel, fault, retries, .. } = scenario.fault();
        assert_eq!((channel.as_str(), fault.code.as_str(), *retries), ("c", "script.Error", 0));
        scenario.periodic();
        assert_eq!(scenario.fault().retries, 1, "its delay has passed");
    }
}

#[test]
fn a_preset_for_boots_runs_in_boots_only() {
    let script = full(r#"declare("IGD.DeviceInfo.ProvisioningCode", (), #{value: "booted"});"#);
    let mut scenario = known().preset("boot", json!({"events": {"1 BOOT": true, "0 BOOTSTRAP": false}}), &script);
    let sets = ["2 PERIODIC", "1 BOOT", "2 PERIODIC"].map(|event| scenario.session(&[event]).requests.len());
    assert_eq!(sets, [0, 1, 0]);
    assert_eq!(stored(&scenario, "IGD.DeviceInfo.ProvisioningCode"), "booted");
}

#[test]
fn tags_are_kept_without_a_request() {
    let mut scenario =
        known().script(r#"declare("Tags.alpha", (), #{value: true}); declare("Tags.beta", (), #{value: false});"#);
    assert!(scenario.periodic().requests.is_empty());
    assert_eq!(stored(&scenario, "Tags.alpha"), "true");
    assert_eq!(stored(&scenario, "Tags.beta"), "(unknown)");
    scenario.expect_no_fault();
}

#[test]
fn a_script_that_sets_and_removes_a_tag_is_told_which() {
    let script = r#"declare("Tags.x", (), #{value: true}); commit(); declare("Tags.x", (), #{value: false});"#;
    let mut scenario = known().script(script);
    assert!(scenario.periodic().requests.is_empty());
    let fault = &scenario.fault().fault;
    assert_eq!(fault.code, "preset_loop");
    assert!(fault.message.contains("Tags.x") && fault.message.contains("line 1"), "{}", fault.message);
}

#[test]
fn a_script_that_appends_writes_four_times_then_faults() {
    let script =
        r#"let v = declare("WLAN.1.SSID", #{value: 1}).value[0]; declare("WLAN.1.SSID", (), #{value: v + "x"});"#;
    let mut scenario = known().script(&full(script));
    assert_eq!(only(&scenario.periodic(), "SPV").len(), 4);
    assert_eq!(scenario.fault().fault.code, "preset_loop");
    assert_eq!(stored(&scenario, "WLAN.1.SSID"), "homexxxx");
}

#[test]
fn virtual_parameters_compute_pass_on_and_are_remembered() {
    let model = full(
        r#"#{writable: false, value: [declare("IGD.DeviceInfo.ModelName", #{value: 1}).value[0] + "/x", "xsd:string"]}"#,
    );
    let ssid = full(
        r#"let v = if "value" in args[1] { args[1].value[0] } else { declare("WLAN.1.SSID", #{value: 1}).value[0] };
           if "value" in args[1] { declare("WLAN.1.SSID", (), #{value: v}); }
           #{writable: true, value: [v, "xsd:string"]}"#,
    );
    let cases: &[(&str, &str, &[&str], &str)] = &[
        ("read", r#"declare("VirtualParameters.model", #{value: now()});"#, &[], "EX-98/x home"),
        (
            "set",
            r#"declare("VirtualParameters.ssid", (), #{value: "via"});"#,
            &["SPV WLAN.1.SSID=via:string"],
            "(unknown) via",
        ),
        ("not writable", r#"declare("VirtualParameters.model", (), #{value: "y"});"#, &[], "EX-98/x home"),
        ("unknown", r#"declare("VirtualParameters.nothing", #{value: 1}, #{value: "y"});"#, &[], "(unknown) home"),
        ("all", r#"declare("VirtualParameters.*", #{value: 1});"#, &[], "EX-98/x home"),
    ];
    for (rule, script, expected, kept) in cases {
        let mut scenario = known().script(script).virtual_parameter("model", &model).virtual_parameter("ssid", &ssid);
        assert_eq!(scenario.periodic().requests, all_full(expected), "{rule}");
        scenario.expect_no_fault();
        let now = format!("{} {}", stored(&scenario, "VirtualParameters.model"), stored(&scenario, "WLAN.1.SSID"));
        assert_eq!(now, *kept, "{rule}");
    }
}

#[test]
fn virtual_parameters_must_return_what_is_asked_of_them() {
    let cases = [
        ("", r#"declare("VirtualParameters.v", #{value: 1});"#, "script", "return value"),
        ("#{value: ()}", r#"declare("VirtualParameters.v", #{value: 1});"#, "script", "value attribute"),
        ("#{value: 1}", r#"declare("VirtualParameters.v", (), #{value: 2});"#, "script", "must provide 'writable'"),
        ("#{writable: true}", r#"declare("VirtualParameters.v", #{value: 1});"#, "script", "must provide 'value'"),
        ("throw \"no\"", r#"declare("VirtualParameters.v", #{value: 1});"#, "script.Error", "no"),
    ];
    for (script, declaration, code, message) in cases {
        let mut scenario = known().script(declaration).virtual_parameter("v", script);
        scenario.periodic();
        let fault = &scenario.fault().fault;
        assert!(fault.code == code && fault.message.contains(message), "{script}: {} {}", fault.code, fault.message);
    }
}

#[test]
fn extensions_give_values_or_fault_the_channel() {
    let script = full(
        r#"declare("IGD.DeviceInfo.ProvisioningCode", (), #{value: ext("crm", "code", "S1") + ext("crm", "code", "S1")});"#,
    );
    let mut scenario = known().script(&script).extension(|_| Ok(json!("ab")));
    assert_eq!(scenario.periodic().requests, all_full(&["SPV IGD.DeviceInfo.ProvisioningCode=abab:string"]));
    let failing =
        |_: &_| Err(ScriptFault { code: "ext.Error".into(), message: "no such customer".into(), detail: None });
    let mut scenario = known().script(&script).extension(failing);
    assert!(scenario.periodic().requests.is_empty());
    assert_eq!(scenario.fault().fault.code, "ext.Error");
    assert!(scenario.fault().fault.message.contains("no such customer"));
}

#[test]
fn tasks_do_what_they_say_and_leave_the_queue() {
    let pm = full("IGD.WANDevice.1.PortMapping");
    let cases: &[(Json, &[&str])] = &[
        (
            json!({"name": "setParameterValues", "parameterValues": [[full("IGD.DeviceInfo.ProvisioningCode"), "t", "xsd:string"], [full("IGD.Time.Offset"), 4]]}),
            &["SPV IGD.DeviceInfo.ProvisioningCode=t:string IGD.Time.Offset=4:int"],
        ),
        (
            json!({"name": "setParameterValues", "parameterValues": [[full("IGD.Nothing"), 1], [full("IGD.DeviceInfo.UpTime"), 5]]}),
            &[],
        ),
        (
            json!({"name": "getParameterValues", "parameterNames": [full("IGD.DeviceInfo.UpTime")]}),
            &["GPV IGD.DeviceInfo.UpTime"],
        ),
        (
            json!({"name": "refreshObject", "objectName": full("IGD.LANDevice.1.WLANConfiguration.1.SSID")}),
            &["GPV WLAN.1.SSID"],
        ),
        (json!({"name": "addObject", "objectName": pm}), &["AddObject PM.", "GPN PM. next"]),
        (
            json!({"name": "deleteObject", "objectName": full("IGD.LANDevice.1.WLANConfiguration.2")}),
            &["DeleteObject WLAN.2.", "GPN WLAN. next"],
        ),
        (json!({"name": "deleteObject", "objectName": full("IGD.LANDevice.1.WLANConfiguration.9")}), &[]),
        (json!({"name": "reboot"}), &["Reboot"]),
        (json!({"name": "factoryReset"}), &["FactoryReset"]),
    ];
    for (document, expected) in cases {
        let mut scenario = known();
        scenario.task("t", document.clone());
        assert_eq!(scenario.periodic().requests, all_full(expected), "{document}");
        scenario.expect_no_fault();
        assert!(scenario.world.snapshot.tasks.is_empty(), "{document}");
        assert!(scenario.periodic().requests.is_empty(), "{document}: it is not done again");
    }
}

#[test]
fn a_download_is_recorded_when_its_transfer_ends() {
    let script = r#"
        declare("Downloads.[FileType:1 Firmware Upgrade Image]", #{path: 1}, #{path: 1});
        declare("Downloads.[FileType:1 Firmware Upgrade Image].FileName", #{value: 1}, #{value: "fw.bin"});
        declare("Downloads.[FileType:1 Firmware Upgrade Image].Download", #{value: 1}, #{value: now(864000000, 0)});
    "#;
    for (fault, last, again) in [(None, "fw.bin", 0), (Some("9010"), "", 1)] {
        let mut scenario = known().script(script);
        assert_eq!(only(&scenario.periodic(), "Download 1 Firmware Upgrade Image").len(), 1);
        let message = TransferComplete {
            command_key: scenario.world.snapshot.operations[0].command_key.clone(),
            fault: fault.map(|code: &str| CpeFault {
                code: code.into(),
                message: "no file".into(),
                set_parameter_values_faults: Vec::new(),
            }),
            start_time: 1_000,
            complete_time: 2_000,
        };
        scenario.transfer(message);
        let visit = scenario.session(&["7 TRANSFER COMPLETE", "M Download"]);
        assert_eq!(only(&visit, "Download").len(), again, "{fault:?}");
        assert_eq!(stored(&scenario, "Downloads.1.LastFileName"), last, "{fault:?}");
        assert_eq!(scenario.world.snapshot.operations.len(), again, "{fault:?}");
    }
}
