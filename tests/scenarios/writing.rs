//! Writing: sets, attributes, instances, commands, downloads (docs/engine.md, "Rounds").

use acs_core::rpc::{CpeFault, TransferComplete};
use acs_core::value::Value;

use crate::bench::{Scenario, only};

#[test]
fn a_set_is_sent_only_when_it_changes_something_that_may_be_changed() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("the same value", r#"declare("Device.WiFi.SSID.1.SSID", (), #{value: "home"});"#, &[]),
        (
            "another value",
            r#"declare("Device.WiFi.SSID.1.SSID", (), #{value: "x"});"#,
            &["SPV Device.WiFi.SSID.1.SSID=x:string"],
        ),
        (
            "text for a boolean",
            r#"declare("Device.WiFi.SSID.1.Enable", (), #{value: "0"});"#,
            &["SPV Device.WiFi.SSID.1.Enable=false:boolean"],
        ),
        ("a number for a boolean", r#"declare("Device.WiFi.SSID.1.Enable", (), #{value: 1});"#, &[]),
        (
            "leading digits for a number",
            r#"declare("Device.WiFi.Radio.1.Channel", (), #{value: "11x"});"#,
            &["SPV Device.WiFi.Radio.1.Channel=11:unsignedInt"],
        ),
        (
            "a number for text",
            r#"declare("Device.WiFi.SSID.1.SSID", (), #{value: 7});"#,
            &["SPV Device.WiFi.SSID.1.SSID=7:string"],
        ),
        (
            "an explicit type that differs",
            r#"declare("Device.WiFi.Radio.1.Channel", (), #{value: [6, "xsd:int"]});"#,
            &["SPV Device.WiFi.Radio.1.Channel=6:int"],
        ),
        ("a read-only parameter", r#"declare("Device.DeviceInfo.ModelName", (), #{value: "x"});"#, &[]),
        ("a missing parameter", r#"declare("Device.DeviceInfo.Nothing", (), #{value: "x"});"#, &[]),
        ("the device's identity", r#"declare("DeviceID.SerialNumber", (), #{value: "x"});"#, &[]),
        (
            "all matches of a wildcard",
            r#"declare("Device.WiFi.SSID.*.Enable", (), #{value: true});"#,
            &["SPV Device.WiFi.SSID.2.Enable=true:boolean"],
        ),
        (
            "the later declaration wins, whatever its specificity",
            r#"declare("Device.WiFi.SSID.1.SSID", (), #{value: "x"}); declare("Device.WiFi.SSID.*.SSID", (), #{value: "y"});"#,
            &["SPV Device.WiFi.SSID.1.SSID=y:string Device.WiFi.SSID.2.SSID=y:string"],
        ),
        (
            "attributes",
            r#"declare("Device.WiFi.SSID.1.SSID", (), #{notification: 2, accessList: ["Subscriber"]});"#,
            &["GPA Device.WiFi.SSID.1.SSID", "SPA Device.WiFi.SSID.1.SSID n2 [Subscriber]"],
        ),
        ("a reboot now", r#"declare("Reboot", (), #{value: now()});"#, &["Reboot"]),
        ("a reboot in the future never comes", r#"declare("Reboot", (), #{value: now() + 1000});"#, &[]),
        (
            "a factory reset follows everything else",
            r#"declare("FactoryReset", (), #{value: now()}); declare("Reboot", (), #{value: now()});"#,
            &["Reboot", "FactoryReset"],
        ),
    ];
    for (rule, script, expected) in cases {
        let mut scenario = Scenario::router().script(script).known();
        let visit = scenario.periodic();
        scenario.expect_no_fault();
        assert_eq!(visit.requests, *expected, "{rule}");
    }
}

#[test]
fn skipping_the_writable_check_tries_read_only_parameters() {
    let mut scenario =
        Scenario::router().script(r#"declare("Device.DeviceInfo.ModelName", (), #{value: "x"});"#).known();
    scenario.world.settings.skip_writable_check = true;
    let visit = scenario.periodic();
    assert_eq!(visit.requests, ["SPV Device.DeviceInfo.ModelName=x:string"]);
    assert!(scenario.fault().fault.message.contains("9008"), "{}", scenario.fault().fault.message);
}

#[test]
fn instances_are_counted() {
    let mapping = |port: u32| format!("[ExternalPort:{port},Protocol:TCP]");
    let add = |port: u32| format!(r#"declare("Device.NAT.PortMapping.{}", (), #{{path: 1}});"#, mapping(port));
    let cases = [
        ("a count of an object that may grow", r#"declare("Device.NAT.PortMapping.*", (), #{path: 2});"#.to_owned(), 2, 0),
        ("a range keeps what is within", r#"declare("Device.WiFi.SSID.*", (), #{path: [1, 3]});"#.to_owned(), 0, 0),
        ("a range's minimum", r#"declare("Device.WiFi.SSID.*", (), #{path: [3, 5]});"#.to_owned(), 1, 0),
        ("a range's maximum", r#"declare("Device.WiFi.SSID.*", (), #{path: [0, 1]});"#.to_owned(), 0, 1),
        ("two aliases", format!("{}{}", add(80), add(443)), 2, 0),
        ("the same alias twice is one instance", format!("{0}{0}", add(80)), 1, 0),
        ("everything but one alias", r#"declare("Device.WiFi.SSID.[]", (), #{path: 0}); declare("Device.WiFi.SSID.[SSID:home]", (), #{path: 1});"#.to_owned(), 0, 1),
        ("the other order ends with nothing", r#"declare("Device.WiFi.SSID.[SSID:home]", (), #{path: 1}); declare("Device.WiFi.SSID.[]", (), #{path: 0});"#.to_owned(), 0, 2),
        ("an object that may not grow", r#"declare("Device.Hosts.Host.*", (), #{path: 5});"#.to_owned(), 0, 0),
        ("a concrete instance cannot be brought about", r#"declare("Device.WiFi.SSID.7", (), #{path: 1});"#.to_owned(), 0, 0),
        ("an alias of one number", r#"declare("Device.WiFi.SSID.2", (), #{path: 0});"#.to_owned(), 0, 1),
    ];
    for (rule, script, added, deleted) in cases {
        let mut scenario = Scenario::router().script(&script).known();
        let visit = scenario.periodic();
        scenario.expect_no_fault();
        let counts = (only(&visit, "AddObject").len(), only(&visit, "DeleteObject").len());
        assert_eq!(counts, (added, deleted), "{rule}: {:?}", visit.requests);
        let again = scenario.periodic();
        assert!(again.requests.is_empty(), "{rule}, again: {:?}", again.requests);
    }
}

#[test]
fn a_nested_count_applies_to_each_parent() {
    let model = "
        Device.A.1.B. +
        Device.A.2.B. +
        Device.A.2.B.1.Name = x
        Device.DeviceInfo.SoftwareVersion : 1
    ";
    let mut scenario = Scenario::of(model).script(r#"declare("Device.A.*.B.*", (), #{path: 1});"#).known();
    let visit = scenario.periodic();
    assert_eq!(only(&visit, "AddObject"), ["AddObject Device.A.1.B."]);
}

#[test]
fn devices_that_do_not_do_what_they_acknowledge_end_in_a_fault_and_the_rest_is_done() {
    let script = r#"
        declare("Device.NAT.PortMapping.[ExternalPort:80,Protocol:TCP]", (), #{path: 1});
        declare("Device.DeviceInfo.ProvisioningCode", (), #{value: "done"});
    "#;
    let provisioned = |scenario: &Scenario| scenario.device.value("Device.DeviceInfo.ProvisioningCode").cloned();

    let mut ignoring = Scenario::router().script(script).device(|device| device.behaviour.ignores_add = true).known();
    ignoring.periodic();
    assert!(
        ["instance_not_kept", "cwmp.9005"].contains(&ignoring.fault().fault.code.as_str()),
        "{:?}",
        ignoring.fault()
    );
    assert_eq!(provisioned(&ignoring), Some("done".into()));

    let mut forgetful = Scenario::router()
        .script(script)
        .device(|device| {
            for instance in 100..110 {
                device.behaviour.forgetful.insert(format!("Device.NAT.PortMapping.{instance}.ExternalPort"));
            }
        })
        .known();
    for _ in 0..4 {
        forgetful.periodic();
    }
    let mappings = forgetful.device.objects.keys().filter(|name| name.starts_with("Device.NAT.PortMapping.1")).count();
    assert!(mappings <= 2, "instances pile up: {mappings}");
    assert_eq!(provisioned(&forgetful), Some("done".into()));

    let script = r#"declare("Device.WiFi.SSID.*", (), #{path: 1}); declare("Device.DeviceInfo.ProvisioningCode", (), #{value: "done"});"#;
    let mut staying = Scenario::router().script(script).device(|device| device.behaviour.ignores_delete = true).known();
    let visit = staying.periodic();
    assert_eq!(only(&visit, "DeleteObject").len(), 1);
    assert_eq!(staying.fault().fault.code, "instance_not_deleted");
    assert_eq!(provisioned(&staying), Some("done".into()));
}

#[test]
fn a_refused_key_takes_the_half_made_instance_back() {
    let mut scenario = Scenario::router()
        .script(r#"declare("Device.NAT.PortMapping.[ExternalPort:80,Protocol:TCP]", (), #{path: 1});"#)
        .device(|device| {
            device.behaviour.refused_values.insert("Device.NAT.PortMapping.100.ExternalPort".into(), "9007".into());
        })
        .known();
    let visit = scenario.periodic();
    assert!(visit.requests.contains(&"DeleteObject Device.NAT.PortMapping.100.".to_owned()), "{:?}", visit.requests);
    assert!(scenario.fault().fault.message.contains("ExternalPort"), "{}", scenario.fault().fault.message);
    assert!(!scenario.device.objects.contains_key("Device.NAT.PortMapping.100."));
}

const DOWNLOAD: &str = r#"
    let entry = "Downloads.[FileType:1 Firmware Upgrade Image,FileName:fw.bin]";
    declare(entry, (), #{path: 1});
    declare(entry + ".Download", (), #{value: 1700000000000});
"#;

fn complete(scenario: &Scenario, fault: Option<&str>) -> TransferComplete {
    TransferComplete {
        command_key: scenario.world.snapshot.operations[0].command_key.clone(),
        fault: fault.map(|code| CpeFault {
            code: code.into(),
            message: "no file".into(),
            set_parameter_values_faults: vec![],
        }),
        start_time: 5_000,
        complete_time: 6_000,
    }
}

#[test]
fn a_download_lives_until_its_transfer_complete() {
    let mut scenario = Scenario::router().script(DOWNLOAD);
    let visit = scenario.periodic();
    assert_eq!(visit.requests, ["Download 1 Firmware Upgrade Image http://files.example/fw.bin"]);
    let message = complete(&scenario, None);
    scenario.transfer(message);
    let visit = scenario.session(&["7 TRANSFER COMPLETE", "M Download"]);
    assert!(visit.requests.is_empty(), "{:?}", visit.requests);
    assert!(scenario.world.snapshot.operations.is_empty());
    assert_eq!(scenario.stored("Downloads.1.LastFileName"), Some("fw.bin".into()));
    assert_eq!(scenario.stored("Downloads.1.CompleteTime"), Some(Value::Int(6_000)));
    scenario.expect_no_fault();
}

#[test]
fn a_failed_transfer_faults_its_channel_and_is_requested_again_when_due() {
    let mut scenario = Scenario::router().script(DOWNLOAD);
    scenario.periodic();
    let message = complete(&scenario, Some("9010"));
    scenario.transfer(message);
    let visit = scenario.session(&["7 TRANSFER COMPLETE"]);
    // The fault carries the time of the request, 50 minutes ago: its retry is due at once.
    assert_eq!(only(&visit, "Download").len(), 1, "{:?}", visit.requests);
    assert!(scenario.world.snapshot.faults.is_empty());
    assert_eq!(scenario.world.snapshot.operations.len(), 1);
}

#[test]
fn a_transfer_that_never_completes_times_out() {
    let mut scenario = Scenario::router().script(DOWNLOAD);
    scenario.world.settings.retry.delay = 10_000_000;
    scenario.periodic();
    scenario.world.clock += 3_600_000;
    scenario.periodic();
    assert_eq!(scenario.fault().fault.code, "timeout");
    assert!(scenario.fault().fault.message.contains("fw.bin"));
}

#[test]
fn a_download_that_is_done_at_once_leaves_nothing_pending() {
    let mut scenario = Scenario::router().script(DOWNLOAD).device(|device| device.behaviour.download_status = 0);
    scenario.periodic();
    assert!(scenario.world.snapshot.operations.is_empty());
    assert_eq!(scenario.stored("Downloads.1.LastFileType"), Some("1 Firmware Upgrade Image".into()));
    assert!(scenario.periodic().requests.is_empty());
}

#[test]
fn a_download_needs_an_address() {
    let mut scenario = Scenario::router().script(DOWNLOAD);
    scenario.world.settings.file_url_prefix.clear();
    assert!(scenario.periodic().requests.is_empty());
    assert_eq!(scenario.fault().fault.code, "no_file_url");
    assert!(scenario.fault().fault.message.contains("fw.bin"));

    let mut scenario =
        Scenario::router().script(&DOWNLOAD.replace("fw.bin", "\\\"http://elsewhere.example/fw.bin\\\""));
    scenario.world.settings.file_url_prefix.clear();
    assert_eq!(scenario.periodic().requests, ["Download 1 Firmware Upgrade Image http://elsewhere.example/fw.bin"]);
    scenario.expect_no_fault();
}

#[test]
fn a_time_as_instance_count_is_a_mistake_that_is_named() {
    let mut scenario = Scenario::router().script(r#"declare("Device.NAT.PortMapping.*", (), #{path: now()});"#);
    scenario.periodic();
    let message = &scenario.fault().fault.message;
    assert!(
        message.contains("Device.NAT.PortMapping.*") && message.contains("1000") && message.contains("line 1"),
        "{message}"
    );
}
