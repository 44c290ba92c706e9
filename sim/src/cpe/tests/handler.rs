//! GetRPCMethods and the parameter RPCs (TR-069 Annex A.3.2.1 to A.3.2.5).

use super::*;
use crate::testing::{get_names, get_values, set_values};

#[test]
fn get_rpc_methods_lists_what_is_answered() {
    let mut device = device();
    let answer = ask(&mut device, "<cwmp:GetRPCMethods/>");
    let list = answer.child("MethodList").unwrap();
    assert_eq!(list.attribute("arrayType"), Some("xsd:string[20]"));
    for method in &list.children {
        let reply = device.handle(&envelope("1", &format!("<cwmp:{}/>", method.text))).unwrap();
        let answer = Element::parse(&reply.body).unwrap().child("Body").unwrap().children[0].clone();
        let unsupported = answer.name == "Fault" && fault_of(&answer).0 == 9000;
        assert!(!unsupported, "{}", method.text);
    }
    assert_eq!(plain_fault(&ask(&mut device, "<cwmp:X_0A1B2C_Blink/>")), 9000);
}

#[test]
fn names_are_one_level_or_everything_below() {
    let mut device = device();
    let names =
        |device: &mut Device, path: &str, next_level| items(&ask(device, &get_names(path, next_level)), "Writable");
    assert_eq!(names(&mut device, "", true), [("Device.".into(), "0".into())]);
    let level = names(&mut device, "Device.NAT.", true);
    let expected = [("Device.NAT.PortMapping.", "1"), ("Device.NAT.PortMappingNumberOfEntries", "0")];
    assert_eq!(level, expected.map(|(name, writable)| (name.to_owned(), writable.to_owned())));

    let below = names(&mut device, "Device.WiFi.", false);
    assert_eq!(below[0].0, "Device.WiFi.");
    assert!(below.iter().any(|(name, _)| name == "Device.WiFi.SSID.1.SSID"));
    let all = names(&mut device, "", false);
    assert_eq!(all.len(), device.model().walk("").count());

    let one = names(&mut device, "Device.ManagementServer.URL", false);
    assert_eq!(one, [("Device.ManagementServer.URL".to_owned(), "1".to_owned())]);
}

#[test]
fn names_of_unknown_paths_are_9005_and_a_parameter_has_no_next_level() {
    let mut device = device();
    let table = [
        ("Device.Nope.", true, 9005),
        ("Device.Nope", false, 9005),
        ("Device.WiFi", false, 9005),
        ("Device.ManagementServer.URL", true, 9003),
    ];
    for (path, next_level, code) in table {
        assert_eq!(plain_fault(&ask(&mut device, &get_names(path, next_level))), code, "{path}");
    }
}

#[test]
fn values_are_read_by_name_and_by_partial_path() {
    let mut device = device();
    let answer = ask(&mut device, &get_values(&["Device.DeviceInfo.SerialNumber", "Device.Time."]));
    let values = items(&answer, "Value");
    assert_eq!(values[0], ("Device.DeviceInfo.SerialNumber".into(), "SIM00000001".into()));
    assert_eq!(values.len(), 6);
    assert!(values[1..].iter().all(|(name, _)| name.starts_with("Device.Time.")));
    let types: Vec<_> = answer.child("ParameterList").unwrap().children[1..3]
        .iter()
        .map(|item| item.child("Value").unwrap().attribute("type").unwrap().to_owned())
        .collect();
    assert_eq!(types, ["xsd:dateTime", "xsd:boolean"]);

    let all = items(&ask(&mut device, &get_values(&[""])), "Value");
    assert_eq!(all.len(), 90);
    assert_eq!(items(&ask(&mut device, &get_values(&[])), "Value"), []);
}

#[test]
fn one_unknown_name_fails_the_whole_read() {
    let mut device = device();
    for name in ["Device.Nope", "Device.WiFi", "Device.Nope."] {
        let answer = ask(&mut device, &get_values(&["Device.ManagementServer.URL", name]));
        assert_eq!(plain_fault(&answer), 9005, "{name}");
    }
}

#[test]
fn passwords_are_kept_and_read_back_empty() {
    let name = "Device.ManagementServer.ConnectionRequestPassword";
    let mut device = device();
    ask(&mut device, &set_values(&[(name, "xsd:string", "s3cret")]));
    assert_eq!(device.model().text(name), Some("s3cret"));
    let hidden = items(&ask(&mut device, &get_values(&[name])), "Value");
    assert_eq!(hidden, [(name.to_owned(), String::new())]);

    let mut open = odd_device(Behaviour { show_passwords: true, ..Behaviour::default() });
    ask(&mut open, &set_values(&[(name, "xsd:string", "s3cret")]));
    assert_eq!(items(&ask(&mut open, &get_values(&[name])), "Value")[0].1, "s3cret");
}

#[test]
fn values_are_set_with_the_parameter_key() {
    let mut device = device();
    let answer = ask(
        &mut device,
        &set_values(&[
            ("Device.WiFi.SSID.1.SSID", "xsd:string", "caf\u{e9} &lt;1&gt;"),
            ("Device.WiFi.SSID.1.Enable", "xsd:boolean", "0"),
            ("Device.ManagementServer.PeriodicInformInterval", "xsd:unsignedInt", "900"),
        ]),
    );
    assert_eq!(answer.name, "SetParameterValuesResponse");
    assert_eq!(answer.child_text("Status"), Some("0"));
    let expected = [
        ("Device.WiFi.SSID.1.SSID", "caf\u{e9} <1>"),
        ("Device.WiFi.SSID.1.Enable", "false"),
        ("Device.ManagementServer.PeriodicInformInterval", "900"),
        ("Device.ManagementServer.ParameterKey", "key"),
    ];
    for (name, value) in expected {
        assert_eq!(device.model().text(name), Some(value), "{name}");
    }
}

#[test]
fn a_refused_set_names_every_parameter_and_changes_nothing() {
    let mut device = device();
    let before = device.model().to_json();
    let answer = ask(
        &mut device,
        &set_values(&[
            ("Device.DeviceInfo.ProvisioningCode", "xsd:string", "fine"),
            ("Device.Nope", "xsd:string", "x"),
            ("Device.WiFi.", "xsd:string", "x"),
            ("Device.DeviceInfo.SerialNumber", "xsd:string", "x"),
            ("Device.WiFi.SSID.1.Enable", "xsd:string", "true"),
            ("Device.WiFi.Radio.1.Channel", "xsd:unsignedInt", "six"),
            ("Device.ManagementServer.PeriodicInformInterval", "xsd:unsignedInt", "0"),
        ]),
    );
    let (code, entries) = fault_of(&answer);
    assert_eq!(code, 9003);
    let expected = [
        ("Device.Nope", 9005),
        ("Device.WiFi.", 9005),
        ("Device.DeviceInfo.SerialNumber", 9008),
        ("Device.WiFi.SSID.1.Enable", 9006),
        ("Device.WiFi.Radio.1.Channel", 9007),
        ("Device.ManagementServer.PeriodicInformInterval", 9007),
    ];
    assert_eq!(entries, expected.map(|(name, code)| (name.to_owned(), code)));
    assert_eq!(device.model().to_json(), before);
}

#[test]
fn a_parameter_set_twice_is_9003() {
    let mut device = device();
    let twice = ("Device.DeviceInfo.ProvisioningCode", "xsd:string", "x");
    assert_eq!(plain_fault(&ask(&mut device, &set_values(&[twice, twice]))), 9003);
    assert_eq!(device.model().root_text("DeviceInfo.ProvisioningCode"), Some(""));
}

#[test]
fn missing_arguments_are_9003_and_name_the_argument() {
    let mut device = device();
    let answer = ask(&mut device, "<cwmp:Reboot/>");
    let fault = answer.child("detail").unwrap().child("Fault").unwrap();
    assert_eq!(fault.child_text("FaultCode"), Some("9003"));
    assert!(fault.child_text("FaultString").unwrap().contains("CommandKey"));
    assert!(!device.has_follow_up());
}

fn set_attributes(name: &str, notification: &str, access_list: &str) -> String {
    format!(
        "<cwmp:SetParameterAttributes><ParameterList soap-enc:arrayType=\"cwmp:SetParameterAttributesStruct[1]\">\
         <SetParameterAttributesStruct><Name>{name}</Name><NotificationChange>{}</NotificationChange><Notification>{}</Notification>\
         <AccessListChange>{}</AccessListChange><AccessList soap-enc:arrayType=\"xsd:string[0]\"/>\
         </SetParameterAttributesStruct></ParameterList></cwmp:SetParameterAttributes>",
        !notification.is_empty(),
        if notification.is_empty() { "0" } else { notification },
        access_list
    )
}

#[test]
fn attributes_are_read_and_changed_as_flagged() {
    let mut device = device();
    let name = "Device.DeviceInfo.SoftwareVersion";
    let read = format!(
        "<cwmp:GetParameterAttributes><ParameterNames soap-enc:arrayType=\"xsd:string[1]\"><string>{name}</string></ParameterNames></cwmp:GetParameterAttributes>"
    );
    let attributes = |device: &mut Device| {
        let answer = ask(device, &read);
        let item = answer.child("ParameterList").unwrap().children[0].clone();
        let access: Vec<String> =
            item.child("AccessList").unwrap().children.iter().map(|entry| entry.text.clone()).collect();
        (item.child_text("Notification").unwrap().to_owned(), access)
    };
    assert_eq!(attributes(&mut device), ("0".into(), vec!["Subscriber".into()]));
    ask(&mut device, &set_attributes(name, "2", "0"));
    assert_eq!(attributes(&mut device), ("2".into(), vec!["Subscriber".into()]));
    ask(&mut device, &set_attributes("Device.DeviceInfo.", "", "1"));
    assert_eq!(attributes(&mut device), ("2".into(), vec![]));

    assert_eq!(plain_fault(&ask(&mut device, &set_attributes("Device.Nope", "1", "0"))), 9005);
    assert_eq!(plain_fault(&ask(&mut device, &set_attributes(name, "3", "0"))), 9003);
    let mut refusing =
        odd_device(Behaviour { refuse_notification: vec!["Device.DeviceInfo.".into()], ..Behaviour::default() });
    assert_eq!(plain_fault(&ask(&mut refusing, &set_attributes(name, "1", "0"))), 9009);
    assert_eq!(ask(&mut refusing, &set_attributes(name, "0", "0")).name, "SetParameterAttributesResponse");
}

#[test]
fn names_can_be_denied_although_they_are_listed() {
    let name = "Device.WiFi.SSID.1.SSID";
    let mut device = odd_device(Behaviour { deny_names: vec![name.into()], ..Behaviour::default() });
    assert_eq!(items(&ask(&mut device, &get_names(name, false)), "Writable").len(), 1);
    assert_eq!(plain_fault(&ask(&mut device, &get_values(&[name]))), 9005);
    let below = items(&ask(&mut device, &get_values(&["Device.WiFi.SSID.1."])), "Value");
    assert!(!below.is_empty() && below.iter().all(|(path, _)| path != name));
    let (_, entries) = fault_of(&ask(&mut device, &set_values(&[(name, "xsd:string", "x")])));
    assert_eq!(entries, [(name.to_owned(), 9005)]);
}

#[test]
fn oddities_of_reading_and_writing_can_be_chosen() {
    let forget = vec!["Device.WiFi.".to_owned()];
    let mut device = odd_device(Behaviour { forget_values: forget, ..Behaviour::default() });
    let before = device.model().text("Device.WiFi.SSID.1.SSID").unwrap().to_owned();
    let answer = ask(&mut device, &set_values(&[("Device.WiFi.SSID.1.SSID", "xsd:string", "new")]));
    assert_eq!(answer.child_text("Status"), Some("0"));
    assert_eq!(device.model().text("Device.WiFi.SSID.1.SSID"), Some(before.as_str()));

    let mut device = odd_device(Behaviour { most_values: Some(5), ..Behaviour::default() });
    assert_eq!(plain_fault(&ask(&mut device, &get_values(&["Device."]))), 9004);
    assert_eq!(items(&ask(&mut device, &get_values(&["Device.Time."])), "Value").len(), 5);

    let mut device = odd_device(Behaviour { ignore_next_level: true, ..Behaviour::default() });
    let whole = items(&ask(&mut device, &get_names("Device.", true)), "Writable");
    assert_eq!(whole.len(), device.model().walk("").count());

    let mut device = odd_device(Behaviour { refuse_empty_path: true, ..Behaviour::default() });
    assert_eq!(plain_fault(&ask(&mut device, &get_names("", true))), 9005);
    assert_eq!(plain_fault(&ask(&mut device, &get_values(&[""]))), 9005);

    let lenient = Behaviour { lenient_types: true, lenient_values: true, ..Behaviour::default() };
    let mut device = odd_device(lenient);
    let long = "x".repeat(40);
    let answer = ask(
        &mut device,
        &set_values(&[
            ("Device.WiFi.SSID.1.Enable", "xsd:string", "true"),
            ("Device.WiFi.SSID.1.SSID", "xsd:string", &long),
        ]),
    );
    assert_eq!(answer.name, "SetParameterValuesResponse");

    let mut device = odd_device(Behaviour { unsupported: vec!["Reboot".into()], ..Behaviour::default() });
    assert_eq!(plain_fault(&ask(&mut device, crate::testing::REBOOT)), 9000);
}
