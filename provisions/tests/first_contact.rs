//! What the seeds and the demonstration do with a device, through the real session engine and sandbox.
#![allow(clippy::unwrap_used)]

mod kit;

use std::collections::BTreeSet;

use acs_core::value::{TypedValue, Value, XsdType, parse_date_time};
use provisions::{demo, is_builtin, seeds};
use sandbox::{Finding, check};

use kit::{Device, TestConfiguration, Visit, date, flag, number, text};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Two minutes past an hour in UTC, within the demonstration's schedule.
fn start() -> i64 {
    parse_date_time("2024-03-15T12:02:00Z").unwrap()
}

const NEVER: i64 = -62_135_596_800_000;

fn tr098(serial: &str) -> Device {
    let root = "InternetGatewayDevice";
    let wan = format!("{root}.WANDevice.1.WANConnectionDevice.1");
    let lan = format!("{root}.LANDevice.1");
    let parameters = [
        (format!("{root}.DeviceSummary"), text("InternetGatewayDevice:1.4[](Baseline:1)"), false),
        (format!("{root}.DeviceInfo.ModelName"), text("EX-098"), false),
        (format!("{root}.DeviceInfo.HardwareVersion"), text("H1"), false),
        (format!("{root}.DeviceInfo.SoftwareVersion"), text("1.0"), false),
        (format!("{root}.DeviceInfo.UpTime"), number(77), false),
        (format!("{root}.DeviceInfo.ProvisioningCode"), text(""), true),
        (format!("{root}.ManagementServer.URL"), text("http://acs.example/"), true),
        (format!("{root}.ManagementServer.ConnectionRequestURL"), text("http://192.0.2.1:7547/"), false),
        (format!("{root}.ManagementServer.PeriodicInformEnable"), flag(false), true),
        (format!("{root}.ManagementServer.PeriodicInformInterval"), number(86_400), true),
        (format!("{root}.ManagementServer.PeriodicInformTime"), date(NEVER), true),
        (format!("{wan}.WANIPConnection.1.ExternalIPAddress"), text("192.0.2.1"), false),
        (format!("{wan}.WANIPConnection.1.MACAddress"), text("0A:1B:2C:00:00:01"), true),
        (format!("{wan}.WANIPConnection.1.Enable"), flag(true), true),
        (format!("{wan}.WANPPPConnection.1.ExternalIPAddress"), text("192.0.2.2"), false),
        (format!("{wan}.WANPPPConnection.1.MACAddress"), text("0A:1B:2C:00:00:02"), true),
        (format!("{lan}.WLANConfiguration.1.SSID"), text("home"), true),
        (format!("{lan}.WLANConfiguration.1.Enable"), flag(true), true),
        (format!("{lan}.WLANConfiguration.1.Channel"), number(6), true),
        (format!("{lan}.WLANConfiguration.1.KeyPassphrase"), text("secret"), true),
        (format!("{lan}.WLANConfiguration.2.SSID"), text("guest"), true),
        (format!("{lan}.WLANConfiguration.2.Enable"), flag(false), true),
        (format!("{lan}.WLANConfiguration.2.Channel"), number(36), true),
        (format!("{lan}.Hosts.HostNumberOfEntries"), number(1), false),
        (format!("{lan}.Hosts.Host.1.HostName"), text("printer"), false),
        (format!("{lan}.Hosts.Host.1.IPAddress"), text("10.0.0.5"), false),
        (format!("{lan}.Hosts.Host.1.MACAddress"), text("0A:1B:2C:00:00:05"), false),
        (format!("{lan}.Hosts.Host.1.Active"), flag(true), false),
    ];
    let parameters: Vec<_> =
        parameters.iter().map(|(name, value, writable)| (name.as_str(), value.clone(), *writable)).collect();
    Device::new(
        serial,
        &parameters,
        &[
            "InternetGatewayDevice.DeviceSummary",
            "InternetGatewayDevice.DeviceInfo.HardwareVersion",
            "InternetGatewayDevice.DeviceInfo.SoftwareVersion",
            "InternetGatewayDevice.ManagementServer.ConnectionRequestURL",
            "InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.ExternalIPAddress",
        ],
    )
}

fn tr181(serial: &str) -> Device {
    Device::new(
        serial,
        &[
            ("Device.DeviceInfo.ModelName", text("EX-181"), false),
            ("Device.DeviceInfo.HardwareVersion", text("H2"), false),
            ("Device.DeviceInfo.SoftwareVersion", text("2.0"), false),
            ("Device.DeviceInfo.UpTime", number(78), false),
            ("Device.ManagementServer.ConnectionRequestURL", text("http://192.0.2.9:7547/"), false),
            ("Device.ManagementServer.PeriodicInformEnable", flag(true), true),
            ("Device.ManagementServer.PeriodicInformInterval", number(300), true),
            ("Device.ManagementServer.PeriodicInformTime", date(0), true),
            ("Device.IP.InterfaceNumberOfEntries", number(2), false),
            ("Device.IP.Interface.1.Enable", flag(true), true),
            ("Device.IP.Interface.1.IPv4Address.1.IPAddress", text("192.0.2.9"), true),
            ("Device.IP.Interface.2.IPv4Address.1.IPAddress", text("10.0.0.1"), true),
            ("Device.IP.Interface.2.IPv6Address.1.IPAddress", text("2001:db8::1"), true),
            ("Device.WiFi.Radio.1.Channel", number(36), true),
            ("Device.WiFi.Radio.1.OperatingFrequencyBand", text("5GHz"), true),
            ("Device.WiFi.SSID.1.SSID", text("home"), true),
            ("Device.WiFi.SSID.1.Enable", flag(true), true),
            ("Device.WiFi.AccessPoint.1.Security.KeyPassphrase", text("secret"), true),
            ("Device.Hosts.HostNumberOfEntries", number(1), false),
            ("Device.Hosts.Host.1.HostName", text("laptop"), false),
            ("Device.Hosts.Host.1.IPAddress", text("10.0.0.7"), false),
            ("Device.Hosts.Host.1.PhysAddress", text("0A:1B:2C:00:00:07"), false),
            ("Device.Hosts.Host.1.Active", flag(true), false),
        ],
        &["Device.DeviceInfo.SoftwareVersion", "Device.ManagementServer.ConnectionRequestURL"],
    )
}

fn first_contact(device: &mut Device, configuration: &TestConfiguration) -> Visit {
    let visit = device.visit(configuration, &["0 BOOTSTRAP", "1 BOOT"], start());
    assert!(visit.faults.is_empty(), "{:?}", visit.faults);
    visit
}

/// The values that the seeds are there for must be known; nothing that was asked may belong to a foreign root.
fn assert_known(visit: &Visit, root: &str, expected: &[(&str, Value)]) {
    for (name, value) in expected {
        assert_eq!(visit.known.get(&format!("{root}.{name}")), Some(value), "{name}");
    }
    for path in visit.listed() {
        assert!(path.starts_with(&format!("{root}.")), "GetParameterNames {path:?}");
    }
    assert!(!visit.known.keys().any(|name| name.contains("KeyPassphrase")), "secrets are not read");
}

/// How objects are listed is the engine's choice; that tables are not listed row by row is due to the scripts.
fn assert_few_requests(visit: &Visit) {
    let listed = visit.listed();
    assert!(listed.len() <= 10 && visit.requests.len() <= 15, "{:#?}", visit.requests);
    assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), listed.len(), "each once: {listed:?}");
}

#[test]
fn a_tr098_device_is_known_after_its_first_contact() {
    let mut device = tr098("SN1");
    let visit = first_contact(&mut device, &TestConfiguration::seeds());
    assert_known(
        &visit,
        "InternetGatewayDevice",
        &[
            ("DeviceInfo.ModelName", "EX-098".into()),
            ("DeviceInfo.HardwareVersion", "H1".into()),
            ("DeviceInfo.SoftwareVersion", "1.0".into()),
            ("DeviceInfo.UpTime", 77.into()),
            ("WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.ExternalIPAddress", "192.0.2.1".into()),
            ("WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.ExternalIPAddress", "192.0.2.2".into()),
            ("LANDevice.1.WLANConfiguration.1.SSID", "home".into()),
            ("LANDevice.1.WLANConfiguration.2.SSID", "guest".into()),
            ("LANDevice.1.WLANConfiguration.2.Channel", 36.into()),
            ("LANDevice.1.Hosts.Host.1.HostName", "printer".into()),
        ],
    );
    assert_few_requests(&visit);
}

#[test]
fn a_tr181_device_is_known_after_its_first_contact() {
    let mut device = tr181("SN2");
    let visit = first_contact(&mut device, &TestConfiguration::seeds());
    assert_known(
        &visit,
        "Device",
        &[
            ("DeviceInfo.ModelName", "EX-181".into()),
            ("DeviceInfo.HardwareVersion", "H2".into()),
            ("DeviceInfo.SoftwareVersion", "2.0".into()),
            ("IP.Interface.1.IPv4Address.1.IPAddress", "192.0.2.9".into()),
            ("IP.Interface.2.IPv6Address.1.IPAddress", "2001:db8::1".into()),
            ("WiFi.SSID.1.SSID", "home".into()),
            ("WiFi.Radio.1.Channel", 36.into()),
            ("Hosts.Host.1.PhysAddress", "0A:1B:2C:00:00:07".into()),
        ],
    );
    assert_few_requests(&visit);
}

#[test]
fn a_device_without_any_of_it_is_asked_little() {
    let mut device = Device::new(
        "SN3",
        &[("Device.DeviceInfo.SoftwareVersion", text("1"), false), ("Device.DeviceInfo.UpTime", number(1), false)],
        &["Device.DeviceInfo.SoftwareVersion"],
    );
    let visit = first_contact(&mut device, &TestConfiguration::seeds());
    assert_eq!(visit.listed(), ["Device.", "Device.DeviceInfo."]);
    assert!(visit.set().is_empty());
}

#[test]
fn informs_are_regular_and_spread() {
    let reference = parse_date_time("2020-01-01T00:00:00Z").unwrap();
    let mut times = BTreeSet::new();
    for serial in ["A", "B", "C", "D", "E"] {
        let mut device = tr098(serial);
        let visit = first_contact(&mut device, &TestConfiguration::seeds());
        let of = |name: &str| device.value(&format!("InternetGatewayDevice.ManagementServer.PeriodicInform{name}"));
        assert_eq!(of("Enable"), &flag(true));
        assert_eq!(of("Interval"), &number(3600));
        let TypedValue(Value::Int(time), XsdType::DateTime) = of("Time") else { panic!("{:?}", of("Time")) };
        assert!((reference..reference + HOUR).contains(time) && time % 1_000 == 0, "{time}");
        times.insert(*time);
        assert_eq!(visit.set().len(), 3, "{:?}", visit.set());
    }
    assert_eq!(times.len(), 5, "each has its own time");
}

#[test]
fn later_sessions_ask_little_and_set_nothing() {
    let configuration = TestConfiguration::seeds();
    for mut device in [tr098("SN1"), tr181("SN2")] {
        first_contact(&mut device, &configuration);
        // Right after, nothing is old enough, except where an hour of the device's own has just begun.
        let soon: usize =
            (1..=3).map(|n| device.visit(&configuration, &["2 PERIODIC"], start() + n * MINUTE).requests.len()).sum();
        let next_hour = device.visit(&configuration, &["2 PERIODIC"], start() + HOUR + 3 * MINUTE);
        assert!(soon <= next_hour.requests.len(), "{soon} requests within minutes");
        assert!(!next_hour.requests.is_empty() && next_hour.requests.len() <= 5, "{:#?}", next_hour.requests);
        let next_day = device.visit(&configuration, &["2 PERIODIC"], start() + DAY + HOUR);
        for visit in [next_hour, next_day] {
            assert!(visit.faults.is_empty() && visit.set().is_empty(), "{:?}", visit.set());
        }
    }
}

#[test]
fn after_a_reset_the_interval_is_set_again() {
    let configuration = TestConfiguration::seeds();
    let mut device = tr181("SN2");
    first_contact(&mut device, &configuration);
    let mut reset = tr181("SN2");
    reset.take_memory(&mut device);
    let visit = reset.visit(&configuration, &["0 BOOTSTRAP", "1 BOOT"], start() + 30 * MINUTE);
    let set: Vec<_> = visit.set().into_iter().map(|(name, _)| name).collect();
    assert_eq!(set, ["Device.ManagementServer.PeriodicInformInterval", "Device.ManagementServer.PeriodicInformTime"]);
}

#[test]
fn seeds_and_demonstration_are_in_order() {
    let presets = seeds::PRESETS.map(|preset| (preset.name, preset.document().unwrap()));
    let all: Vec<_> = presets.into_iter().chain(demo::presets("SN1")).collect();
    let scripts: Vec<_> = seeds::PROVISIONS.into_iter().chain(demo::PROVISIONS).collect();
    for script in &scripts {
        assert_eq!(check(script.name, script.script), Vec::<Finding>::new(), "{}", script.name);
    }
    for (name, document) in &all {
        let preset = presets::Preset::from_document(name, document).unwrap();
        assert_eq!(preset.warnings, [], "{name}");
    }
    let documents = all.iter().map(|(name, document)| (*name, document));
    let (set, problems) = presets::PresetSet::build(documents, []);
    assert_eq!(problems, []);
    for provision in set.all().flat_map(|preset| &preset.provisions) {
        assert!(
            is_builtin(&provision.name) || scripts.iter().any(|script| *script.name == *provision.name),
            "{}",
            provision.name
        );
    }
}

#[test]
fn the_demonstration_shows_tags_values_and_a_fault() {
    let configuration = TestConfiguration::new(&demo::PROVISIONS, &demo::presets("SN7"));
    let mut renamed = 0;
    for serial in (1..=9).map(|n| format!("SN{n}")) {
        let mut device = tr098(&serial);
        let visit = device.visit(&configuration, &["1 BOOT"], start());
        let name = device.value("InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID").clone();
        assert_eq!(visit.known.get("Tags.demo_greeted"), Some(&Value::Bool(true)));
        if visit.known.contains_key("Tags.demo_wifi") {
            renamed += 1;
            assert_eq!(name, text(&format!("Demo {serial}")));
        } else {
            assert_eq!(name, text("home"));
        }
        assert!(visit.known.contains_key("InternetGatewayDevice.DeviceInfo.ProvisioningCode"), "read by schedule");
        if serial == "SN7" {
            let [fault] = visit.faults.as_slice() else { panic!("{:?}", visit.faults) };
            let line =
                1 + demo::PROVISIONS[2].script.lines().position(|line| line.contains("contract.value[0]")).unwrap();
            assert_eq!(fault.channel, "demo-mistake");
            assert!(
                fault.fault.message.starts_with(&format!("demo-mistake: line {line}, column ")),
                "{}",
                fault.fault.message
            );
        } else {
            assert!(visit.faults.is_empty(), "{:?}", visit.faults);
        }
    }
    assert!((1..9).contains(&renamed), "some are renamed, some are not: {renamed}");
}
