//! The documented examples of the script API: declarations, patterns, execution flow, virtual parameters, best practices.

use acs_core::value::Value;
use serde_json::json;

use crate::bench::{Scenario, only};
use crate::kit::Visit;

const PERIODIC: &[&str] = &["2 PERIODIC"];

fn run(scenario: &mut Scenario) -> Visit {
    let visit = scenario.periodic();
    scenario.expect_no_fault();
    visit
}

fn logged(visit: &Visit) -> Vec<&str> {
    visit.log.iter().filter(|line| line.fields.get("provision").is_some()).map(|line| line.message.as_str()).collect()
}

#[test]
fn declaration_1_reads_a_single_parameter() {
    let mut scenario = Scenario::router().script(
        r#"let version = declare("Device.DeviceInfo.SoftwareVersion", #{value: 1});
           log(version.value[0] + " " + version.value[1]);"#,
    );
    let visit = run(&mut scenario);
    assert!(visit.requests.is_empty(), "the Inform has told it");
    assert_eq!(logged(&visit), ["2.0.1 xsd:string"]);
}

#[test]
fn declaration_2_reads_all_matches_of_a_wildcard() {
    let mut scenario = Scenario::router().script(
        r#"let wifi = declare("Device.WiFi.SSID.*.SSID", #{value: 1});
           for ssid in wifi { log(ssid.path + "=" + ssid.value[0]); }
           log(wifi.size.to_string());"#,
    );
    let visit = run(&mut scenario);
    assert_eq!(logged(&visit), ["Device.WiFi.SSID.1.SSID=home", "Device.WiFi.SSID.2.SSID=MyNetwork", "2"]);
    assert_eq!(only(&visit, "GPV"), ["GPV Device.WiFi.SSID.1.SSID Device.WiFi.SSID.2.SSID"]);
}

#[test]
fn declaration_3_sets_a_value() {
    let mut scenario = Scenario::router().script(r#"declare("Device.WiFi.SSID.1.SSID", (), #{value: "MyNetwork"});"#);
    let visit = run(&mut scenario);
    assert_eq!(only(&visit, "SPV"), ["SPV Device.WiFi.SSID.1.SSID=MyNetwork:string"]);
    assert_eq!(scenario.device.value("Device.WiFi.SSID.1.SSID"), Some(&"MyNetwork".into()));
    assert!(run(&mut scenario).requests.is_empty(), "running it again changes nothing");
}

#[test]
fn declaration_4_object_true_makes_sure_that_an_instance_exists() {
    let mut scenario =
        Scenario::router().script(r#"declare("Device.NAT.PortMapping.*", #{path: 1}, #{object: true});"#);
    assert_eq!(only(&run(&mut scenario), "AddObject"), ["AddObject Device.NAT.PortMapping."]);
    assert!(only(&run(&mut scenario), "AddObject").is_empty(), "one matching instance is enough");
    let mut has_some = Scenario::router().script(r#"declare("Device.WiFi.SSID.*", #{path: 1}, #{object: true});"#);
    assert!(only(&run(&mut has_some), "AddObject").is_empty());
}

#[test]
fn declaration_5_object_false_deletes_the_instance() {
    let mut scenario = Scenario::router().script(r#"declare("Device.WiFi.SSID.2", (), #{object: false});"#);
    assert_eq!(only(&run(&mut scenario), "DeleteObject"), ["DeleteObject Device.WiFi.SSID.2."]);
    assert!(!scenario.device.objects.contains_key("Device.WiFi.SSID.2."));
    assert!(run(&mut scenario).requests.is_empty());
}

#[test]
fn declaration_6_conditional_logic_sets_a_tag() {
    let script = r#"
        let uptime = declare("Device.DeviceInfo.UpTime", #{value: 1});
        if uptime.value[0] < 300 {
            declare("Tags.recently_rebooted", (), #{value: true});
        }"#;
    let mut scenario = Scenario::router().script(script);
    run(&mut scenario);
    assert_eq!(scenario.stored("Tags.recently_rebooted"), Some(true.into()));
    let mut old = Scenario::router().script(script).device(|device| {
        device.parameters.get_mut("Device.DeviceInfo.UpTime").unwrap().1 = crate::kit::unsigned(1_000);
    });
    run(&mut old);
    assert_eq!(old.stored("Tags.recently_rebooted"), None);
}

#[test]
fn declaration_7_an_alias_finds_the_instance_by_its_values() {
    let mut scenario =
        Scenario::router().script(r#"declare("Device.WiFi.SSID.[SSID:MyNetwork].Enable", (), #{value: true});"#);
    assert_eq!(only(&run(&mut scenario), "SPV"), ["SPV Device.WiFi.SSID.2.Enable=true:boolean"]);
}

#[test]
fn execution_flow_a_miss_suspends_a_hit_goes_on() {
    let mut scenario = Scenario::router().script(
        r#"let model = declare("Device.DeviceInfo.ModelName", #{value: 1});
           log("got " + model.value[0]);"#,
    );
    let first = run(&mut scenario);
    assert_eq!(first.requests, ["GPN Device.DeviceInfo. next", "GPV Device.DeviceInfo.ModelName"]);
    assert_eq!(logged(&first)[0], "got EX-3000");
    let second = run(&mut scenario);
    assert!(second.requests.is_empty(), "now it is known");
    assert_eq!(logged(&second), ["got EX-3000"]);
}

#[test]
fn pattern_1_refreshes_everything_below() {
    let mut scenario = Scenario::router().script(
        r#"let now = now();
           declare("Device.DeviceInfo.*", #{path: now, value: now});
           declare("Device.ManagementServer.*", #{path: now, value: now});
           declare("Device.WiFi.**", #{path: now, value: now});"#,
    );
    for _ in 0..2 {
        let visit = run(&mut scenario);
        assert!(
            only(&visit, "GPV").iter().any(|request| request.contains("Device.WiFi.SSID.2.Enable")),
            "{:?}",
            visit.requests
        );
        assert!(
            only(&visit, "GPV").iter().any(|request| request.contains("Device.DeviceInfo.UpTime")),
            "{:#?}",
            visit.requests
        );
    }
    assert_eq!(scenario.stored("Device.WiFi.Radio.1.Channel"), Some(6.into()));
}

#[test]
fn pattern_2_configures_wifi_in_one_request() {
    let mut scenario = Scenario::router()
        .script(
            r#"declare("Device.WiFi.SSID.1.SSID", (), #{value: "CompanyWiFi"});
               declare("Device.WiFi.SSID.1.Enable", (), #{value: true});
               declare("Device.WiFi.AccessPoint.1.Security.ModeEnabled", (), #{value: "WPA2-Personal"});"#,
        )
        .known();
    let visit = run(&mut scenario);
    assert_eq!(
        visit.requests,
        [
            "SPV Device.WiFi.SSID.1.SSID=CompanyWiFi:string Device.WiFi.AccessPoint.1.Security.ModeEnabled=WPA2-Personal:string"
        ]
    );
}

#[test]
fn pattern_3_requests_a_firmware_download_once() {
    let mut scenario = Scenario::router().script(
        r#"let current = declare("Device.DeviceInfo.SoftwareVersion", #{value: 1});
           let target = "3.0.0";
           if current.value[0] != target {
               let entry = "Downloads.[FileType:1 Firmware Upgrade Image,FileName:fw-3.0.0.bin]";
               declare(entry, #{path: 1}, #{path: now(86400000)});
           }"#,
    );
    let visit = run(&mut scenario);
    assert_eq!(only(&visit, "Download"), ["Download 1 Firmware Upgrade Image http://files.example/fw-3.0.0.bin"]);
    assert_eq!(scenario.world.snapshot.operations.len(), 1);
    let again = run(&mut scenario);
    assert!(
        only(&again, "Download").is_empty(),
        "one at or after that time is known: {:#?} {:?}",
        again.requests,
        scenario.stored("Downloads.1.Download")
    );
}

#[test]
fn pattern_4_tags_remember_what_was_done() {
    let mut scenario = Scenario::router().script(
        r#"let configured = declare("Tags.configured", #{value: 1});
           if !configured.value[0] {
               declare("Device.WiFi.SSID.1.SSID", (), #{value: "DefaultSSID"});
               declare("Tags.configured", (), #{value: true});
           }"#,
    );
    assert_eq!(only(&run(&mut scenario), "SPV"), ["SPV Device.WiFi.SSID.1.SSID=DefaultSSID:string"]);
    scenario.device.parameters.get_mut("Device.WiFi.SSID.1.SSID").unwrap().1 = crate::kit::string("mine");
    assert!(run(&mut scenario).requests.is_empty());
}

#[test]
fn pattern_5_extensions_look_things_up() {
    let mut scenario = Scenario::router()
        .script(
            r#"let id = declare("DeviceID.ID", #{value: 1}).value[0];
               let config = ext("config-lookup", "deviceConfig", id);
               declare("Device.WiFi.SSID.1.SSID", (), #{value: config.ssid});"#,
        )
        .extension(|call| {
            assert_eq!(call.arguments, [json!("config-lookup"), json!("deviceConfig"), json!("0A1B2C-Box-S1")]);
            Ok(json!({ "ssid": "FromBilling" }))
        });
    assert_eq!(only(&run(&mut scenario), "SPV"), ["SPV Device.WiFi.SSID.1.SSID=FromBilling:string"]);
}

#[test]
fn virtual_parameter_1_summarises() {
    let mut scenario = Scenario::router()
        .virtual_parameter(
            "Summary",
            r#"let status = declare("Device.DeviceInfo.Status", #{value: 1});
               let uptime = declare("Device.DeviceInfo.UpTime", #{value: 1});
               let online = status.value[0] == "Up";
               let days = uptime.value[0] / 86400;
               let word = if online { "Online" } else { "Offline" };
               #{ writable: false, value: [`${word} - ${days} days`, "xsd:string"] }"#,
        )
        .script(r#"log(declare("VirtualParameters.Summary", #{value: 1}).value[0]);"#);
    assert_eq!(logged(&run(&mut scenario))[0], "Online - 0 days");
    assert_eq!(scenario.stored("VirtualParameters.Summary"), Some("Online - 0 days".into()));
}

#[test]
fn virtual_parameter_2_adds_up_as_an_unsigned_long() {
    let mut scenario = Scenario::router()
        .virtual_parameter(
            "TotalBandwidth",
            r#"let down = declare("Device.IP.Interface.1.Stats.BytesReceived", #{value: 1});
               let up = declare("Device.IP.Interface.1.Stats.BytesSent", #{value: 1});
               let total = (down.value?[0] ?? 0) + (up.value?[0] ?? 0);
               #{ writable: false, value: [total, "xsd:unsignedLong"] }"#,
        )
        .script(r#"declare("VirtualParameters.TotalBandwidth", #{value: 1});"#);
    run(&mut scenario);
    assert_eq!(scenario.stored("VirtualParameters.TotalBandwidth"), Some(Value::Text("1500".into())));
}

#[test]
fn virtual_parameter_3_is_set_through_other_parameters() {
    let mut scenario = Scenario::router()
        .virtual_parameter(
            "WiFiConfig",
            r#"if "value" in args[1] {
                   let text = args[1].value[0];
                   let config = parse_json(text);
                   declare("Device.WiFi.SSID.1.SSID", (), #{value: config.ssid});
                   declare("Device.WiFi.SSID.1.Enable", (), #{value: config.enabled});
                   #{ writable: true, value: [text, "xsd:string"] }
               } else {
                   let ssid = declare("Device.WiFi.SSID.1.SSID", #{value: 1});
                   let enabled = declare("Device.WiFi.SSID.1.Enable", #{value: 1});
                   let config = #{ ssid: ssid.value[0], enabled: enabled.value[0] };
                   #{ writable: true, value: [config.to_json(), "xsd:string"] }
               }"#,
        )
        .script(r#"declare("VirtualParameters.WiFiConfig", (), #{value: `{"ssid":"new","enabled":false}`});"#);
    let visit = run(&mut scenario);
    assert_eq!(
        only(&visit, "SPV"),
        ["SPV Device.WiFi.SSID.1.SSID=new:string Device.WiFi.SSID.1.Enable=false:boolean"],
        "{:?}",
        visit.requests
    );
    assert!(run(&mut scenario).requests.is_empty());
}

#[test]
fn best_practice_tags_may_contain_dots() {
    let mut scenario = Scenario::router().script(
        r#"declare("Tags.wifi_configured", (), #{value: true});
           declare("Tags.firmware_3.0", (), #{value: true});"#,
    );
    run(&mut scenario);
    let tags = &scenario.world.snapshot.device.as_ref().unwrap().tags;
    assert_eq!(tags.keys().collect::<Vec<_>>(), ["firmware_3.0", "wifi_configured"]);
}

#[test]
fn best_practice_missing_parameters_are_tested_without_an_error() {
    let mut scenario = Scenario::router().script(
        r#"let parameter = declare("Device.Optional.Param", #{value: 1});
           if parameter.value != () && parameter.value[0] != "" { log("exists"); } else { log("absent"); }
           log(parameter.size.to_string());"#,
    );
    assert_eq!(logged(&run(&mut scenario)), ["absent", "0"]);
}

#[test]
fn best_practice_declarations_are_batched() {
    let mut scenario = Scenario::router().script(
        r#"let ssid = declare("Device.WiFi.SSID.1.SSID", #{value: 1});
           let enable = declare("Device.WiFi.SSID.1.Enable", #{value: 1});
           log(ssid.value[0] + enable.value[0].to_string());"#,
    );
    let visit = run(&mut scenario);
    assert_eq!(only(&visit, "GPV"), ["GPV Device.WiFi.SSID.1.SSID Device.WiFi.SSID.1.Enable"]);
}

#[test]
fn best_practice_freshness_limits_reading() {
    let mut scenario = Scenario::router()
        .script(
            r#"let two_hours_ago = now() - 2 * 3600000;
               declare("Device.DeviceInfo.UpTime", #{value: two_hours_ago});"#,
        )
        .known();
    assert!(run(&mut scenario).requests.is_empty(), "50 minutes old is fresh enough");
    run(&mut scenario);
    assert_eq!(run(&mut scenario).requests, ["GPV Device.DeviceInfo.UpTime"]);
}

#[test]
fn best_practice_extension_results_are_kept_in_a_tag() {
    use std::cell::Cell;
    use std::rc::Rc;
    let calls = Rc::new(Cell::new(0));
    let counted = calls.clone();
    let mut scenario = Scenario::router()
        .script(
            r#"let serial = declare("DeviceID.SerialNumber", #{value: 1}).value[0];
               let cached = declare("Tags.customer_config", #{value: 1});
               if !(cached.value[0] != false) {
                   let config = ext("lookup-customer", serial);
                   declare("Tags.customer_config", (), #{value: config.to_json()});
               }"#,
        )
        .extension(move |_| {
            counted.set(counted.get() + 1);
            Ok(json!({ "plan": "gold" }))
        });
    run(&mut scenario);
    run(&mut scenario);
    assert_eq!(scenario.stored("Tags.customer_config"), Some(r#"{"plan":"gold"}"#.into()));
    assert_eq!(calls.get(), 1);
}

#[test]
fn bootstrap_runs_before_and_wins_over_lower_weights() {
    let mut scenario = Scenario::router()
        .preset(
            "bootstrap",
            json!({ "weight": 100, "channel": "bootstrap", "events": { "0 BOOTSTRAP": true } }),
            r#"clear("Device", now()); declare("Device.DeviceInfo.ProvisioningCode", (), #{value: "boot"}); commit();"#,
        )
        .preset(
            "config",
            json!({ "weight": 50, "channel": "default" }),
            r#"declare("Device.DeviceInfo.ProvisioningCode", (), #{value: "late"});
               declare("Device.WiFi.SSID.1.SSID", (), #{value: "x"});"#,
        )
        .known();
    let visit = scenario.session(&["0 BOOTSTRAP"]);
    scenario.expect_no_fault();
    assert_eq!(
        only(&visit, "SPV"),
        ["SPV Device.DeviceInfo.ProvisioningCode=boot:string", "SPV Device.WiFi.SSID.1.SSID=x:string"]
    );
    let visit = scenario.session(PERIODIC);
    assert_eq!(only(&visit, "SPV"), ["SPV Device.DeviceInfo.ProvisioningCode=late:string"]);
}
