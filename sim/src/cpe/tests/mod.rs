//! A device's answers as a pure function, its sessions against a miniature ACS, and its connection-request listener.
#![allow(clippy::unwrap_used)]

mod connection_requests;
mod faults;
mod handler;
mod objects;
mod operations;
mod sessions;
mod transfers;

use super::*;
use crate::soap::Request;
use crate::testing::envelope;
use crate::xml::Element;

/// Options of a small, quick TR-181 device.
fn options() -> Options {
    Options {
        model: crate::model::ModelKind::Tr181,
        parameters: 90,
        reboot_milliseconds: 0,
        delay_limit_milliseconds: Some(0),
        ..Options::default()
    }
}

fn device() -> Device {
    Device::new(options()).unwrap()
}

/// A device with the given behaviour.
fn odd_device(behaviour: Behaviour) -> Device {
    Device::new(Options { behaviour, ..options() }).unwrap()
}

/// Handles an RPC and returns the element in the answer's Body.
fn ask(device: &mut Device, rpc: &str) -> Element {
    let reply = device.handle(&envelope("id-1", rpc)).unwrap();
    let answer = Element::parse(&reply.body).unwrap();
    assert_eq!(answer.child("Header").unwrap().child_text("ID"), Some("id-1"));
    assert_eq!(reply.violations, Vec::<String>::new());
    answer.child("Body").unwrap().children[0].clone()
}

#[test]
fn a_model_given_with_changes_keeps_them_even_over_a_factory_reset() {
    let options = Arc::new(options());
    let mut model = options.load_model().unwrap();
    model.set_root_text("DeviceInfo.HardwareVersion", "changed");
    let mut device = Device::with_model(options, Identity::default(), model);
    assert_eq!(device.model().root_text("DeviceInfo.HardwareVersion"), Some("changed"));
    device.set_factory_values();
    assert_eq!(device.model().root_text("DeviceInfo.HardwareVersion"), Some("changed"));
}

/// The fault code, and parameter with code of each SetParameterValuesFault.
fn fault_of(answer: &Element) -> (u32, Vec<(String, u32)>) {
    assert_eq!(answer.name, "Fault", "{answer:?}");
    let code = |element: &Element| element.child_text("FaultCode").unwrap().parse().unwrap();
    let fault = answer.child("detail").unwrap().child("Fault").unwrap();
    let entries = fault
        .children
        .iter()
        .filter(|child| child.name == "SetParameterValuesFault")
        .map(|child| (child.child_text("ParameterName").unwrap().to_owned(), code(child)))
        .collect();
    (code(fault), entries)
}

/// The code of a fault without entries.
fn plain_fault(answer: &Element) -> u32 {
    let (code, entries) = fault_of(answer);
    assert_eq!(entries, []);
    code
}

/// Name and value (or Writable) of each item of a ParameterList.
fn items(answer: &Element, field: &str) -> Vec<(String, String)> {
    let list = answer.child("ParameterList").unwrap_or_else(|| panic!("{answer:?}"));
    let count = list.children.len();
    assert!(list.attribute("arrayType").unwrap().ends_with(&format!("[{count}]")));
    list.children
        .iter()
        .map(|item| {
            let text = |name| item.child_text(name).unwrap().to_owned();
            (text("Name"), text(field))
        })
        .collect()
}
