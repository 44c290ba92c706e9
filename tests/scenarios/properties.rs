//! What holds for any declarations: a second session writes nothing, and a plan is the session.

use acs_core::plan::plan;
use acs_core::session::settings::Settings;
use lodestar::snapshot::Snapshot;
use proptest::prelude::*;
use sandbox::Limits;

use crate::bench::Scenario;
use crate::kit::describe;

/// One line of a script that the router's model gives sense to.
fn line() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "Device.WiFi.SSID.1.SSID",
        "Device.WiFi.SSID.*.SSID",
        "Device.WiFi.SSID.[SSID:home].SSID",
        "Device.DeviceInfo.ProvisioningCode",
        "Device.DeviceInfo.ModelName",
        "Device.ManagementServer.Username",
        "*.DeviceInfo.UpTime",
        "Device.Nothing.At.All",
    ]);
    let freshness = prop::sample::select(vec!["1", "now()", "now() - 100000000", "now(86400000)"]);
    let text = prop::sample::select(vec!["\"a\"", "\"b\"", "7", "true", "\"home\""]);
    prop_oneof![
        (leaf.clone(), freshness.clone()).prop_map(|(path, at)| format!("declare(\"{path}\", #{{value: {at}}});")),
        (leaf.clone(), text).prop_map(|(path, value)| format!("declare(\"{path}\", (), #{{value: {value}}});")),
        (leaf, freshness).prop_map(|(path, at)| {
            format!(
                "if declare(\"{path}\", #{{value: {at}}}).size == 0 {{ declare(\"Tags.none\", (), #{{value: true}}); }}"
            )
        }),
        (0u32..5).prop_map(|count| format!("declare(\"Device.WiFi.SSID.*\", (), #{{path: {count}}});")),
        Just("declare(\"Device.WiFi.SSID.*.Enable\", (), #{value: true});".to_owned()),
        Just("declare(\"Device.WiFi.**\", #{path: now(), value: now()});".to_owned()),
        Just("declare(\"Device.DeviceInfo.UpTime\", (), #{notification: 1});".to_owned()),
        Just("commit();".to_owned()),
    ]
}

fn script() -> impl Strategy<Value = String> {
    prop::collection::vec(line(), 1..6).prop_map(|lines| lines.join("\n"))
}

fn scenario(script: &str) -> Scenario {
    let mut scenario = Scenario::router().script(script).known();
    // The numbers that the plan would choose.
    scenario.device.next_instance = 3;
    scenario
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_second_session_writes_nothing(script in script()) {
        let mut scenario = scenario(&script);
        let first = scenario.periodic();
        // Scripts that contradict themselves over a commit never settle; that is what preset_loop is for.
        prop_assume!(scenario.world.snapshot.faults.is_empty());
        let second = scenario.periodic();
        let writes: Vec<_> = second.requests.iter().filter(|request| !request.starts_with('G')).collect();
        prop_assert!(writes.is_empty(), "{script}\nfirst: {:#?}\nsecond: {:#?}", first.requests, second.requests);
    }

    #[test]
    fn a_plan_is_the_session(script in script()) {
        let mut scenario = scenario(&script);
        let (configuration, _) = Snapshot::build(&scenario.documents, None, &Limits::default());
        let inform = scenario.device.inform(&["2 PERIODIC"]);
        let mut no_extension = |_: &_| unreachable!("no script here calls one");
        let planned =
            plan(scenario.world.snapshot.clone(), &inform, scenario.world.clock, Settings::default(), &configuration, &mut no_extension);
        let planned: Vec<_> = planned.requests.iter().map(describe).collect();
        prop_assert_eq!(planned, scenario.periodic().requests, "{}", script);
    }
}
