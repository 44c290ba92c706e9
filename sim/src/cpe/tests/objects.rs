//! AddObject and DeleteObject (TR-069 Annex A.3.2.6, A.3.2.7).

use super::*;
use crate::testing::{object, set_values};

const MAPPINGS: &str = "Device.NAT.PortMapping.";

fn add(device: &mut Device) -> String {
    let answer = ask(device, &object("AddObject", MAPPINGS));
    assert_eq!(answer.name, "AddObjectResponse");
    assert_eq!(answer.child_text("Status"), Some("0"));
    answer.child_text("InstanceNumber").unwrap().to_owned()
}

fn mappings(behaviour: Behaviour) -> Device {
    let mut device = odd_device(behaviour);
    // Without the generated ones.
    for number in 1..20 {
        device.model_mut().delete_instance(&format!("{MAPPINGS}{number}."));
    }
    device
}

#[test]
fn an_instance_is_added_with_its_parameters_set_and_deleted() {
    let mut device = device();
    let number = add(&mut device);
    let instance = format!("{MAPPINGS}{number}.");
    let port = format!("{instance}ExternalPort");
    ask(&mut device, &set_values(&[(&port, "xsd:unsignedInt", "8080")]));
    assert_eq!(device.model().text(&port), Some("8080"));
    assert_eq!(device.model().root_text("ManagementServer.ParameterKey"), Some("key"));

    let answer = ask(&mut device, &object("DeleteObject", &instance));
    assert_eq!((answer.name.as_str(), answer.child_text("Status")), ("DeleteObjectResponse", Some("0")));
    assert_eq!(device.model().walk(&instance).count(), 0);
    assert_eq!(plain_fault(&ask(&mut device, &object("DeleteObject", &instance))), 9005);
    assert_ne!(add(&mut device), number, "instance numbers are not used twice");
}

#[test]
fn what_cannot_be_added_or_deleted_is_9005() {
    let mut device = device();
    let table = [
        ("AddObject", "Device.NAT.PortMapping"),
        ("AddObject", "Device.Nope."),
        ("AddObject", "Device.DeviceInfo."),
        ("AddObject", "Device.WiFi.SSID.1."),
        ("AddObject", "Device.ManagementServer.URL"),
        ("AddObject", ""),
        ("DeleteObject", "Device.NAT.PortMapping."),
        ("DeleteObject", "Device.Hosts.Host.1."),
        ("DeleteObject", "Device.WiFi.SSID.99."),
        ("DeleteObject", "Device.WiFi.SSID.1"),
    ];
    for (rpc, path) in table {
        assert_eq!(plain_fault(&ask(&mut device, &object(rpc, path))), 9005, "{rpc} {path}");
    }
}

#[test]
fn adding_can_be_ignored_doubled_or_limited() {
    let ignore = Behaviour { ignore_add_object: vec![MAPPINGS.into()], ..Behaviour::default() };
    let mut device = mappings(ignore);
    add(&mut device);
    assert_eq!(device.model().instance_count(MAPPINGS), 0);

    let mut device = mappings(Behaviour { add_two: vec![MAPPINGS.into()], ..Behaviour::default() });
    let number: u32 = add(&mut device).parse().unwrap();
    assert_eq!(device.model().instance_count(MAPPINGS), 2);
    assert!(device.model().get(&format!("{MAPPINGS}{}.", number + 1)).is_some());

    let mut device = mappings(Behaviour { most_instances: Some(1), ..Behaviour::default() });
    add(&mut device);
    assert_eq!(plain_fault(&ask(&mut device, &object("AddObject", MAPPINGS))), 9004);
}
