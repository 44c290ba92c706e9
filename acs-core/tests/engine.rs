//! The engine without a script language: provisions are Rust functions. Scenarios in Rhai are in the workspace's `tests/`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod kit;

use std::collections::BTreeMap;
use std::sync::Arc;

use acs_core::declaration::{Freshness, InstanceCount, Named, Wanted};
use acs_core::path::Path;
use acs_core::script::*;
use acs_core::session::configuration::*;
use acs_core::value::Value;
use kit::*;
use serde_json::Value as Json;

type Script = Box<dyn Fn(&mut ScriptRun) -> Result<Json, Interrupt> + Send + Sync>;

#[derive(Default)]
struct Rules {
    scripts: BTreeMap<(ScriptKind, String), Script>,
    presets: Vec<SelectedPreset>,
    virtual_parameters: Vec<Arc<str>>,
}

impl Rules {
    fn preset(
        mut self,
        name: &str,
        weight: i64,
        channel: &str,
        script: impl Fn(&mut ScriptRun) -> Result<Json, Interrupt> + Send + Sync + 'static,
    ) -> Rules {
        self.scripts.insert((ScriptKind::Provision, name.to_owned()), Box::new(script));
        self.presets.push(SelectedPreset {
            name: name.into(),
            weight,
            channel: channel.into(),
            precondition: None,
            provisions: vec![SelectedProvision { name: name.into(), arguments: vec![] }],
        });
        self.presets.sort_by(|a, b| b.weight.cmp(&a.weight).then(a.name.cmp(&b.name)));
        self
    }

    fn virtual_parameter(
        mut self,
        name: &str,
        script: impl Fn(&mut ScriptRun) -> Result<Json, Interrupt> + Send + Sync + 'static,
    ) -> Rules {
        self.scripts.insert((ScriptKind::VirtualParameter, name.to_owned()), Box::new(script));
        self.virtual_parameters.push(name.into());
        self
    }
}

impl ScriptRunner for Rules {
    fn run(&self, kind: ScriptKind, name: &str, mut run: ScriptRun) -> (ScriptRun, Option<Outcome>) {
        let Some(script) = self.scripts.get(&(kind, name.to_owned())) else { return (run, None) };
        let outcome = match script(&mut run) {
            Ok(value) => Outcome::Finished(value),
            Err(Interrupt::Suspended) if run.wanted_extensions().is_empty() => Outcome::Suspended,
            Err(Interrupt::Suspended) => Outcome::WaitingForExtension,
            Err(Interrupt::Error(error)) => {
                Outcome::Failed(ScriptFault { code: "script.Error".into(), message: error.to_string(), detail: None })
            }
        };
        (run, Some(outcome))
    }
}

impl Configuration for Rules {
    fn select_presets(&self, _: &PresetFacts<'_>) -> Vec<SelectedPreset> {
        self.presets.clone()
    }
    fn virtual_parameters(&self) -> &[Arc<str>] {
        &self.virtual_parameters
    }
    fn script_fingerprint(&self, _: ScriptKind, _: &str) -> Option<u64> {
        Some(1)
    }
    fn file_size(&self, _: &str) -> Option<u64> {
        None
    }
}

fn get(run: &mut ScriptRun, path: &str, fresh: i64) -> Result<Handle, Interrupt> {
    let fresh = Freshness { value: fresh, ..Default::default() };
    Ok(run.declare(path, fresh, Wanted::default(), Named { value: true, ..Default::default() }, 1, 1)?)
}

fn set(run: &mut ScriptRun, path: &str, value: impl Into<Value>) -> Result<Handle, Interrupt> {
    let wanted = Wanted { value: Some((value.into(), None)), ..Default::default() };
    Ok(run.declare(path, Freshness::default(), wanted, Named { value: true, ..Default::default() }, 1, 1)?)
}

fn count(run: &mut ScriptRun, path: &str, count: u32) -> Result<Handle, Interrupt> {
    let wanted = Wanted { instances: Some(InstanceCount::exactly(count)), ..Default::default() };
    Ok(run.declare(path, Freshness::default(), wanted, Named::default(), 1, 1)?)
}

fn router() -> Device {
    let mut device = Device::parse(
        "Device.DeviceInfo.SoftwareVersion : 1.0
         Device.DeviceInfo.ModelName : EX
         Device.DeviceInfo.ProvisioningCode = A
         Device.DeviceInfo.UpTime : 77u
         Device.WiFi.SSID.1.SSID = home
         Device.WiFi.SSID.1.Enable = true
         Device.WiFi.SSID.2.SSID = guest
         Device.WiFi.SSID.2.Enable = true
         Device.WiFi.SSID. +
         Device.NAT.PortMapping. +",
    )
    .template(
        "Device.NAT.PortMapping.",
        &[("ExternalPort", unsigned(0)), ("Protocol", string("TCP")), ("InternalPort", unsigned(0))],
    )
    .template("Device.WiFi.SSID.", &[("SSID", string("")), ("Enable", boolean(false))]);
    device.informs = vec!["Device.DeviceInfo.SoftwareVersion".into(), "Device.DeviceInfo.ProvisioningCode".into()];
    device
}

fn sessions(rules: &Rules, device: &mut Device, number: usize) -> (World, Vec<Vec<String>>) {
    let mut world = World { serialise: true, ..World::new() };
    let requests = (0..number).map(|_| world.session(device, &["2 PERIODIC"], rules).requests).collect();
    (world, requests)
}

#[test]
fn an_unknown_value_is_discovered_then_read_once() {
    let rules = Rules::default().preset("p", 0, "default", |run| {
        get(run, "Device.DeviceInfo.ModelName", 1)?;
        Ok(Json::Null)
    });
    let (_, requests) = sessions(&rules, &mut router(), 2);
    assert_eq!(requests[0], ["GPN Device.DeviceInfo. next", "GPV Device.DeviceInfo.ModelName"]);
    assert!(requests[1].is_empty());
}

#[test]
fn a_set_needs_to_know_that_the_parameter_is_writable() {
    let rules = Rules::default().preset("p", 0, "default", |run| {
        set(run, "Device.DeviceInfo.ProvisioningCode", "B")?;
        set(run, "Device.DeviceInfo.SoftwareVersion", "9")?;
        set(run, "Device.DeviceInfo.Missing", "9")?;
        Ok(Json::Null)
    });
    let mut device = router();
    let (world, requests) = sessions(&rules, &mut device, 2);
    assert_eq!(requests[0], ["GPN Device.DeviceInfo. next", "SPV Device.DeviceInfo.ProvisioningCode=B:string"]);
    assert!(requests[1].is_empty(), "{:?}", requests[1]);
    assert!(world.snapshot.faults.is_empty());
    assert_eq!(device.value("Device.DeviceInfo.ProvisioningCode"), Some(&"B".into()));
}

#[test]
fn commits_order_writes() {
    let rules = Rules::default().preset("p", 0, "default", |run| {
        set(run, "Device.WiFi.SSID.1.SSID", "x")?;
        run.commit()?;
        set(run, "Device.WiFi.SSID.2.SSID", "y")?;
        Ok(Json::Null)
    });
    let (_, requests) = sessions(&rules, &mut router(), 1);
    let writes: Vec<_> = requests[0].iter().filter(|r| r.starts_with("SPV")).collect();
    assert_eq!(writes, ["SPV Device.WiFi.SSID.1.SSID=x:string", "SPV Device.WiFi.SSID.2.SSID=y:string"]);
}

#[test]
fn higher_weight_is_written_first_and_wins() {
    let rules = Rules::default()
        .preset("low", 0, "a", |run| {
            set(run, "Device.WiFi.SSID.1.SSID", "low")?;
            set(run, "Device.WiFi.SSID.2.SSID", "low")?;
            Ok(Json::Null)
        })
        .preset("high", 10, "b", |run| {
            set(run, "Device.WiFi.SSID.1.SSID", "high")?;
            Ok(Json::Null)
        });
    let (_, requests) = sessions(&rules, &mut router(), 2);
    let writes: Vec<_> = requests[0].iter().filter(|r| r.starts_with("SPV")).collect();
    assert_eq!(writes, ["SPV Device.WiFi.SSID.1.SSID=high:string", "SPV Device.WiFi.SSID.2.SSID=low:string"]);
    assert!(requests[1].is_empty());
}

#[test]
fn lower_weights_wait_for_a_higher_one_that_commits() {
    let rules = Rules::default()
        .preset("low", 0, "a", |run| {
            set(run, "Device.WiFi.SSID.2.SSID", "low")?;
            Ok(Json::Null)
        })
        .preset("high", 10, "b", |run| {
            set(run, "Device.WiFi.SSID.1.SSID", "first")?;
            run.commit()?;
            set(run, "Device.WiFi.SSID.1.SSID", "second")?;
            Ok(Json::Null)
        });
    let (_, requests) = sessions(&rules, &mut router(), 1);
    let writes: Vec<_> = requests[0].iter().filter(|r| r.starts_with("SPV")).take(3).collect();
    assert_eq!(
        writes,
        [
            "SPV Device.WiFi.SSID.1.SSID=first:string",
            "SPV Device.WiFi.SSID.1.SSID=second:string",
            "SPV Device.WiFi.SSID.2.SSID=low:string"
        ]
    );
}

#[test]
fn at_equal_weight_the_later_declaration_wins() {
    let rules = Rules::default()
        .preset("a", 0, "a", |run| set(run, "Device.WiFi.SSID.*.SSID", "a").map(|_| Json::Null))
        .preset("b", 0, "a", |run| set(run, "Device.WiFi.SSID.1.SSID", "b").map(|_| Json::Null));
    let (_, requests) = sessions(&rules, &mut router(), 1);
    assert_eq!(requests[0].last().unwrap(), "SPV Device.WiFi.SSID.1.SSID=b:string Device.WiFi.SSID.2.SSID=a:string");
}

#[test]
fn an_alias_creates_its_instance_once() {
    let rules = Rules::default().preset("p", 0, "default", |run| {
        let path = "Device.NAT.PortMapping.[ExternalPort:8080,Protocol:TCP]";
        count(run, path, 1)?;
        set(run, &format!("{path}.InternalPort"), 80)?;
        Ok(Json::Null)
    });
    let mut device = router();
    let (world, requests) = sessions(&rules, &mut device, 2);
    assert_eq!(world.snapshot.faults, []);
    assert_eq!(device.value("Device.NAT.PortMapping.100.ExternalPort"), Some(&8080.into()));
    assert_eq!(device.value("Device.NAT.PortMapping.100.InternalPort"), Some(&80.into()));
    assert_eq!(
        requests[0][3..],
        [
            "AddObject Device.NAT.PortMapping.",
            "GPV Device.NAT.PortMapping.100.ExternalPort Device.NAT.PortMapping.100.Protocol",
            "SPV Device.NAT.PortMapping.100.ExternalPort=8080:unsignedInt",
            "GPN Device.NAT.PortMapping. next",
            "GPN Device.NAT.PortMapping.100. next",
            "GPV Device.NAT.PortMapping.100.InternalPort",
            "SPV Device.NAT.PortMapping.100.InternalPort=80:unsignedInt",
        ]
    );
    assert!(requests[1].is_empty(), "{:?}", requests[1]);
}

#[test]
fn counts_keep_the_first_and_delete_the_surplus() {
    let rules =
        Rules::default().preset("p", 0, "default", |run| count(run, "Device.WiFi.SSID.*", 1).map(|_| Json::Null));
    let mut device = router();
    let (_, requests) = sessions(&rules, &mut device, 2);
    assert!(requests[0].contains(&"DeleteObject Device.WiFi.SSID.2.".to_owned()), "{:?}", requests[0]);
    assert!(device.objects.contains_key("Device.WiFi.SSID.1."));
    assert!(requests[1].is_empty());

    let rules =
        Rules::default().preset("p", 0, "default", |run| count(run, "Device.WiFi.SSID.*", 4).map(|_| Json::Null));
    let (_, requests) = sessions(&rules, &mut router(), 2);
    assert_eq!(requests[0].iter().filter(|r| r.starts_with("AddObject")).count(), 2);
    assert!(requests[1].is_empty(), "{:?}", requests[1]);
}

#[test]
fn a_refused_parameter_is_set_aside_and_the_others_are_applied() {
    let script = |run: &mut ScriptRun| {
        set(run, "Device.WiFi.SSID.1.SSID", "bad")?;
        set(run, "Device.WiFi.SSID.2.SSID", "good")?;
        set(run, "Device.WiFi.SSID.2.Enable", false)?;
        Ok(Json::Null)
    };
    for anonymous_refusals in [false, true] {
        let mut device = router();
        device.behaviour.refused_values.insert("Device.WiFi.SSID.1.SSID".into(), "9007".into());
        device.behaviour.anonymous_refusals = anonymous_refusals;
        let rules = Rules::default().preset("p", 0, "wifi", script);
        let (world, _) = sessions(&rules, &mut device, 1);
        assert_eq!(device.value("Device.WiFi.SSID.2.SSID"), Some(&"good".into()));
        assert_eq!(device.value("Device.WiFi.SSID.2.Enable"), Some(&false.into()));
        let fault = &world.snapshot.faults[0];
        assert_eq!((fault.channel.as_str(), fault.fault.code.as_str(), fault.retries), ("wifi", "cwmp.9003", 0));
        assert!(
            fault.fault.message.contains("Device.WiFi.SSID.1.SSID") && fault.fault.message.contains("\"bad\""),
            "{}",
            fault.fault.message
        );
        assert!(!fault.fault.message.contains("good"));
    }
}

#[test]
fn a_failing_script_faults_its_channel_only_and_backs_off() {
    let rules = Rules::default()
        .preset("broken", 0, "broken", |run| {
            run.declare("no path!", Freshness::default(), Wanted::default(), Named::default(), 1, 1)
                .map(|_| Json::Null)
                .map_err(Into::into)
        })
        .preset("fine", 0, "fine", |run| set(run, "Device.DeviceInfo.ProvisioningCode", "B").map(|_| Json::Null));
    let mut device = router();
    let mut world = World::new();
    let mut seen = Vec::new();
    for _ in 0..6 {
        world.session(&mut device, &["2 PERIODIC"], &rules);
        let fault = &world.snapshot.faults[0];
        seen.push((fault.retries, fault.is_given_up()));
    }
    assert_eq!(device.value("Device.DeviceInfo.ProvisioningCode"), Some(&"B".into()));
    assert_eq!(world.snapshot.faults.len(), 1);
    assert_eq!(seen, [(0, false), (1, false), (2, false), (3, true), (3, true), (3, true)]);
}

#[test]
fn an_endless_script_is_explained() {
    let rules = Rules::default().preset("p", 0, "default", |run| {
        for number in 0.. {
            set(run, "Device.DeviceInfo.ProvisioningCode", format!("{}", number % 2).as_str())?;
            run.commit()?;
        }
        Ok(Json::Null)
    });
    let (world, _) = sessions(&rules, &mut router(), 1);
    let fault = &world.snapshot.faults[0].fault;
    assert_eq!(fault.code, "too_many_commits");
    assert!(fault.message.contains("Device.DeviceInfo.ProvisioningCode"), "{}", fault.message);
}

#[test]
fn presets_that_never_settle_are_explained() {
    let rules = Rules::default().preset("p", 0, "default", |run| {
        let handle = get(run, "Device.DeviceInfo.ProvisioningCode", 1)?;
        let Some(Value::Text(text)) = run.read(handle)?.list.first().and_then(|m| m.value.clone()).map(|v| v.0) else {
            return Ok(Json::Null);
        };
        set(run, "Device.DeviceInfo.ProvisioningCode", format!("{text}x").as_str())?;
        Ok(Json::Null)
    });
    let (world, requests) = sessions(&rules, &mut router(), 1);
    let fault = &world.snapshot.faults[0].fault;
    assert_eq!(fault.code, "preset_loop");
    assert_eq!(requests[0].iter().filter(|r| r.starts_with("SPV")).count(), 4);
    assert!(fault.message.contains("Device.DeviceInfo.ProvisioningCode"), "{}", fault.message);
}

#[test]
fn a_refresh_of_an_unknown_root_takes_one_listing() {
    let rules = Rules::default().preset("p", 0, "default", |run| {
        let now = run.now();
        get(run, "Device.**", now)?;
        Ok(Json::Null)
    });
    let (_, requests) = sessions(&rules, &mut router(), 1);
    assert_eq!(requests[0][0], "GPN Device. all");
    assert_eq!(requests[0].len(), 2, "{:?}", requests[0]);
    assert!(requests[0][1].starts_with("GPV "));
}

#[test]
fn listing_one_subtree_leaves_its_siblings_alone() {
    let rules = Rules::default().preset("p", 0, "default", |run| {
        let now = run.now();
        get(run, "Device.DeviceInfo.*", now)?;
        get(run, "Device.WiFi.**", now)?;
        Ok(Json::Null)
    });
    let (world, requests) = sessions(&rules, &mut router(), 2);
    assert!(requests[1].iter().any(|r| r.starts_with("GPV") && r.contains("UpTime")), "{:?}", requests[1]);
    assert!(world.snapshot.device.unwrap().tree.find("Device.DeviceInfo.UpTime").is_some());
}

#[test]
fn virtual_parameters_compute_and_set() {
    let rules = Rules::default()
        .virtual_parameter("code", |run| {
            let declared = run.arguments()[1].clone();
            if let Some(value) = declared.get("value") {
                set(run, "Device.DeviceInfo.ProvisioningCode", value[0].as_str().unwrap())?;
                return Ok(serde_json::json!({ "writable": true, "value": value }));
            }
            let handle = get(run, "Device.DeviceInfo.ProvisioningCode", 1)?;
            let value = run.read(handle)?.list[0].value.clone().unwrap();
            Ok(serde_json::json!({ "writable": true, "value": value }))
        })
        .preset("p", 0, "default", |run| set(run, "VirtualParameters.code", "V").map(|_| Json::Null));
    let mut device = router();
    let (world, requests) = sessions(&rules, &mut device, 2);
    assert_eq!(world.snapshot.faults, []);
    assert_eq!(device.value("Device.DeviceInfo.ProvisioningCode"), Some(&"V".into()));
    assert!(requests[1].is_empty(), "{:?}", requests[1]);
}

#[test]
fn a_virtual_parameter_that_does_not_take_its_value_faults_with_both() {
    let rules = Rules::default()
        .virtual_parameter("stubborn", |_| Ok(serde_json::json!({ "writable": true, "value": "mine" })))
        .preset("p", 0, "default", |run| set(run, "VirtualParameters.stubborn", "yours").map(|_| Json::Null));
    let (world, _) = sessions(&rules, &mut router(), 1);
    let fault = &world.snapshot.faults[0].fault;
    assert_eq!(fault.code, "vparam_mismatch");
    assert!(fault.message.contains("yours") && fault.message.contains("mine"), "{}", fault.message);
}

#[test]
fn tags_are_local() {
    let rules =
        Rules::default().preset("p", 0, "default", |run| set(run, "Tags.firmware_3.0", true).map(|_| Json::Null));
    let (world, requests) = sessions(&rules, &mut router(), 2);
    assert!(requests.iter().all(Vec::is_empty));
    assert_eq!(world.snapshot.device.unwrap().tags.get("firmware_3.0"), Some(&true.into()));
}

#[test]
fn a_quiet_session_does_not_write_the_tree() {
    let rules = Rules::default()
        .preset("p", 0, "default", |run| set(run, "Device.DeviceInfo.ProvisioningCode", "A").map(|_| Json::Null));
    let mut device = router();
    let mut world = World::new();
    assert!(world.session(&mut device, &["2 PERIODIC"], &rules).change.tree.is_some());
    let quiet = world.session(&mut device, &["2 PERIODIC"], &rules);
    assert!(quiet.requests.is_empty());
    assert!(quiet.change.tree.is_none());
    device.parameters.get_mut("Device.DeviceInfo.SoftwareVersion").unwrap().1 = string("2.0");
    let informed = world.session(&mut device, &["2 PERIODIC"], &rules);
    assert!(informed.change.tree.is_none(), "an Inform's values fit into the head");
    let tree = world.snapshot.device.as_ref().unwrap().full_tree();
    let node = tree.find("Device.DeviceInfo.SoftwareVersion").unwrap();
    assert_eq!(tree.node(node).typed_value(), Some(&string("2.0")));
}

#[test]
fn a_password_that_reads_back_empty_ends_in_a_fault_not_in_endless_sets() {
    let rules = Rules::default().preset("p", 0, "default", |run| {
        let fresh = Freshness { value: run.now(), ..Default::default() };
        let wanted = Wanted { value: Some(("secret".into(), None)), ..Default::default() };
        run.declare("Device.WiFi.SSID.1.SSID", fresh, wanted, Named::default(), 1, 1)?;
        set(run, "Device.WiFi.SSID.2.SSID", "other")?;
        Ok(Json::Null)
    });
    let mut device = router();
    device.behaviour.hidden.insert("Device.WiFi.SSID.1.SSID".into());
    let (world, requests) = sessions(&rules, &mut device, 3);
    let sets = |requests: &[String]| requests.iter().filter(|r| r.contains("secret")).count();
    assert_eq!((sets(&requests[0]), sets(&requests[1]), sets(&requests[2])), (1, 0, 0));
    assert_eq!(world.snapshot.faults[0].fault.code, "value_not_kept");
    assert_eq!(device.value("Device.WiFi.SSID.2.SSID"), Some(&"other".into()));
}

#[test]
fn add_object_that_adds_nothing_is_a_fault() {
    let rules =
        Rules::default().preset("p", 0, "default", |run| count(run, "Device.WiFi.SSID.*", 3).map(|_| Json::Null));
    let mut device = router();
    device.behaviour.ignores_add = true;
    let (world, requests) = sessions(&rules, &mut device, 1);
    assert_eq!(world.snapshot.faults[0].fault.code, "instance_not_kept");
    assert_eq!(requests[0].iter().filter(|r| r.starts_with("AddObject")).count(), 1);
}

#[test]
fn a_vanished_parameter_is_found_out_without_a_fault() {
    let rules = Rules::default().preset("p", 0, "default", |run| {
        let now = run.now();
        get(run, "Device.DeviceInfo.ModelName", now)?;
        get(run, "Device.DeviceInfo.UpTime", now)?;
        Ok(Json::Null)
    });
    let mut device = router();
    let mut world = World::new();
    world.session(&mut device, &["2 PERIODIC"], &rules);
    device.parameters.remove("Device.DeviceInfo.ModelName");
    let outcome = world.session(&mut device, &["2 PERIODIC"], &rules);
    assert_eq!(world.snapshot.faults, [], "{:?}", outcome.requests);
    assert!(outcome.session.tree().find("Device.DeviceInfo.ModelName").is_none());
}

#[test]
fn a_name_that_is_listed_but_called_invalid_is_isolated() {
    let rules = Rules::default().preset("p", 0, "default", |run| {
        let now = run.now();
        get(run, "Device.DeviceInfo.*", now)?;
        Ok(Json::Null)
    });
    let mut device = router();
    device.behaviour.faults.push(("GetParameterValues".into(), "ModelName".into(), "9005".into()));
    let (world, requests) = sessions(&rules, &mut device, 1);
    let fault = &world.snapshot.faults[0].fault;
    assert!(
        fault.message.contains("ModelName") && !fault.message.contains("UpTime"),
        "{} {:?}",
        fault.message,
        requests
    );
    let tree = world.snapshot.device.as_ref().unwrap().full_tree();
    assert!(tree.node(tree.find("Device.DeviceInfo.UpTime").unwrap()).value.is_some());
}

#[test]
fn paths_of_wildcard_roots_never_ask_for_the_roots() {
    let rules = Rules::default().preset("p", 0, "default", |run| {
        get(run, "*.DeviceInfo.ModelName", 1)?;
        get(run, "*.LANDevice.*.WLANConfiguration.*.SSID", 1)?;
        Ok(Json::Null)
    });
    let (world, requests) = sessions(&rules, &mut router(), 2);
    assert!(requests[0].iter().all(|r| !r.starts_with("GPN  ")), "{:?}", requests[0]);
    assert_eq!(requests[0], ["GPN Device. next", "GPN Device.DeviceInfo. next", "GPV Device.DeviceInfo.ModelName"]);
    assert!(requests[1].is_empty());
    assert!(world.snapshot.faults.is_empty());
    let _ = Path::root();
}
