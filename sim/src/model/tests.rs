//! Model generation, look-up, changes and the JSON form.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::value::XsdType;

const KINDS: [ModelKind; 2] = [ModelKind::Tr098, ModelKind::Tr181];

#[test]
fn a_model_has_exactly_the_wanted_number_of_parameters() {
    for kind in KINDS {
        for wanted in [80, 81, 200, 600, 5_000, 20_000] {
            let model = DataModel::generate(kind, wanted, 1);
            assert_eq!(model.parameter_count(), wanted, "{kind:?}");
        }
        let smallest = DataModel::generate(kind, 0, 1).parameter_count();
        assert!(smallest <= 80, "{kind:?} starts at {smallest}");
    }
}

#[test]
fn a_kind_is_named_as_on_the_command_line() {
    for kind in KINDS {
        assert_eq!(kind.to_string().parse(), Ok(kind));
    }
    assert!("tr069".parse::<ModelKind>().is_err());
}

#[test]
fn a_model_follows_from_kind_size_and_seed() {
    for kind in KINDS {
        let one = DataModel::generate(kind, 300, 7).to_json();
        assert_eq!(one, DataModel::generate(kind, 300, 7).to_json());
        assert_ne!(one, DataModel::generate(kind, 300, 8).to_json());
    }
}

#[test]
fn every_value_fits_its_type_and_every_node_has_its_parent() {
    for kind in KINDS {
        let model = DataModel::generate(kind, 1_000, 3);
        for (path, node) in model.walk("") {
            assert_eq!(path.ends_with('.'), node.value.is_none(), "{path}");
            if let Some(value) = &node.value {
                assert!(value.xsd.accepts(&value.text), "{path}: {}", value.text);
            }
            let parent = parent(path);
            assert!(parent.is_empty() || model.get(parent).is_some(), "{path}");
        }
    }
}

#[test]
fn number_of_entries_counts_the_instances() {
    for kind in KINDS {
        let model = DataModel::generate(kind, 900, 3);
        let counters: Vec<&str> =
            model.walk("").map(|(path, _)| path).filter(|path| path.ends_with("NumberOfEntries")).collect();
        assert!(counters.len() > 3);
        for counter in counters {
            let object = format!("{}.", counter.trim_end_matches("NumberOfEntries"));
            if model.get(&object).is_some() {
                let count = model.instance_count(&object).to_string();
                assert_eq!(model.text(counter), Some(count.as_str()), "{counter}");
            }
        }
    }
}

#[test]
fn the_json_form_brings_back_the_same_model_and_templates() {
    for kind in KINDS {
        let model = DataModel::generate(kind, 150, 5);
        let mut copy = DataModel::from_json(&model.to_json()).unwrap();
        assert_eq!(copy.to_json(), model.to_json());
        let mut original = model.clone();
        let object = match kind {
            ModelKind::Tr098 => "InternetGatewayDevice.Layer3Forwarding.Forwarding.",
            ModelKind::Tr181 => "Device.NAT.PortMapping.",
        };
        assert_eq!(copy.add_instance(object), original.add_instance(object));
        assert_eq!(copy.to_json(), original.to_json());
    }
}

#[test]
fn a_file_may_leave_out_objects_and_use_json_scalars() {
    let model = DataModel::from_json(
        r#"{"Device.A.1.On": [true, true, "xsd:boolean"], "Device.A.1.N": [false, 7, "xsd:int"], "Device.T": [true, "x"]}"#,
    )
    .unwrap();
    assert_eq!(model.root(), "Device.");
    assert_eq!(model.get("Device.A."), Some(&Node::object(false)));
    assert_eq!(model.text("Device.A.1.On"), Some("true"));
    assert_eq!(model.text("Device.A.1.N"), Some("7"));
    assert_eq!(model.get("Device.T").unwrap().value.as_ref().unwrap().xsd, XsdType::String);
}

#[test]
fn a_wrong_file_is_refused_with_the_path() {
    let table = [
        ("[]", "not a JSON object"),
        ("{}", "empty"),
        (r#"{"Device.A": [true]}"#, "Device.A: expected"),
        (r#"{"Device.A": ["yes", "x"]}"#, "Device.A: expected"),
        (r#"{"Device.A": [true, "x", "xsd:int"]}"#, "Device.A: \"x\" is not a xsd:int"),
        (r#"{"Device..A": [true, "x"]}"#, "Device..A: expected"),
        (r#"{"Device.A": [true, "x"], "Other.B": [true, "x"]}"#, "two roots"),
    ];
    for (text, expected) in table {
        let message = DataModel::from_json(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[test]
fn children_are_one_level_and_walk_is_the_subtree() {
    let model = DataModel::generate(ModelKind::Tr181, 120, 1);
    let children: Vec<&str> = model.children("Device.WiFi.").map(|(path, _)| path).collect();
    assert_eq!(
        children,
        [
            "Device.WiFi.AccessPoint.",
            "Device.WiFi.AccessPointNumberOfEntries",
            "Device.WiFi.Radio.",
            "Device.WiFi.RadioNumberOfEntries",
            "Device.WiFi.SSID.",
            "Device.WiFi.SSIDNumberOfEntries",
        ]
    );
    assert_eq!(model.children("").map(|(path, _)| path).collect::<Vec<_>>(), ["Device."]);
    assert!(model.walk("Device.WiFi.").all(|(path, _)| path.starts_with("Device.WiFi.")));
    assert_eq!(model.walk("Device.WiFi.").next().unwrap().0, "Device.WiFi.");
}

#[test]
fn a_new_instance_comes_from_the_template_and_numbers_are_not_used_twice() {
    let mut model = DataModel::generate(ModelKind::Tr181, 80, 1);
    let object = "Device.NAT.PortMapping.";
    assert_eq!(model.instance_count(object), 0);
    assert_eq!(model.add_instance(object), 1);
    assert_eq!(model.add_instance(object), 2);
    assert_eq!(model.text("Device.NAT.PortMapping.2.Alias"), Some("cpe-2"));
    assert_eq!(model.text("Device.NAT.PortMapping.2.Enable"), Some("false"));
    assert_eq!(model.text("Device.NAT.PortMappingNumberOfEntries"), Some("2"));
    assert!(model.delete_instance("Device.NAT.PortMapping.2."));
    assert!(!model.delete_instance("Device.NAT.PortMapping.2."));
    assert_eq!(model.text("Device.NAT.PortMappingNumberOfEntries"), Some("1"));
    assert_eq!(model.add_instance(object), 3);
}

#[test]
fn a_new_instance_brings_sub_objects_but_no_instances_of_them() {
    let mut model = DataModel::generate(ModelKind::Tr181, 80, 1);
    let number = model.add_instance("Device.IP.Interface.");
    let table = format!("Device.IP.Interface.{number}.IPv4Address.");
    assert_eq!(model.get(&table), Some(&Node::object(true)));
    assert_eq!(model.instance_count(&table), 0);
    assert_eq!(model.add_instance(&table), 1);
    assert!(model.get(&format!("{table}1.IPAddress")).is_some());
}

#[test]
fn without_a_template_a_new_instance_looks_like_an_emptied_sibling() {
    let text = r#"{"Device.T.": [true], "Device.T.4.": [true], "Device.T.4.A": [true, "5", "xsd:int"],
                   "Device.T.4.S.": [false], "Device.T.4.S.2.B": [true, "x"], "Device.E.": [true]}"#;
    let mut model = DataModel::from_json(text).unwrap();
    assert_eq!(model.add_instance("Device.T."), 5);
    let made: Vec<_> = model.walk("Device.T.5.").map(|(path, _)| path.to_owned()).collect();
    assert_eq!(made, ["Device.T.5.", "Device.T.5.A", "Device.T.5.S."]);
    assert_eq!(model.text("Device.T.5.A"), Some("0"));
    assert_eq!(model.add_instance("Device.E."), 1);
    assert_eq!(model.get("Device.E.1."), Some(&Node::object(true)));
}

#[test]
fn devices_share_the_base_and_keep_their_changes_apart() {
    let base = DataModel::generate(ModelKind::Tr098, 600, 1);
    let mut one = base.clone();
    let mut two = base.clone();
    one.personalise(&Identity { serial_number: "S1".into(), ..Identity::default() });
    two.personalise(&Identity { serial_number: "S2".into(), ..Identity::default() });
    assert!(Arc::ptr_eq(&one.base, &two.base));
    assert!(one.own_nodes() < 12, "{}", one.own_nodes());
    assert_eq!(one.root_text("DeviceInfo.SerialNumber"), Some("S1"));
    assert_ne!(
        one.root_text("LANDevice.1.WLANConfiguration.1.SSID"),
        two.root_text("LANDevice.1.WLANConfiguration.1.SSID")
    );
    one.reset();
    assert_eq!(one.to_json(), base.to_json());
}

#[test]
fn a_device_id_is_percent_encoded() {
    let identity =
        Identity { product_class: "Home-Gateway 2".into(), serial_number: "A_1.b".into(), ..Identity::default() };
    assert_eq!(identity.device_id(), "0A1B2C-Home%2DGateway%202-A_1%2Eb");
}

proptest::proptest! {
    /// Whatever is added and deleted, the merged view has neither gaps nor ghosts.
    #[test]
    fn adding_and_deleting_keeps_the_view_consistent(steps in proptest::collection::vec((0u32..6, proptest::bool::ANY), 0..40)) {
        let mut model = DataModel::generate(ModelKind::Tr181, 150, 1);
        let object = "Device.Hosts.Host.";
        let mut expected: std::collections::BTreeSet<u32> =
            model.children(object).filter_map(|(path, _)| instance_number(path)).collect();
        for (number, add) in steps {
            if add {
                expected.insert(model.add_instance(object));
            } else {
                let existed = expected.remove(&number);
                proptest::prop_assert_eq!(model.delete_instance(&format!("{object}{number}.")), existed);
            }
        }
        let left: std::collections::BTreeSet<u32> =
            model.children(object).filter_map(|(path, _)| instance_number(path)).collect();
        proptest::prop_assert_eq!(&left, &expected);
        let paths: Vec<&str> = model.walk("").map(|(path, _)| path).collect();
        proptest::prop_assert!(paths.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
