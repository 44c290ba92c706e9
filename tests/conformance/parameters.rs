//! Parameters and objects: rows P.

use serde_json::{Value as Json, json};

use crate::kit::{Answer, Device, Inform, Server, Setup, parameter};

const CODE: &str = "Device.DeviceInfo.ProvisioningCode";
const UP_TIME: &str = "Device.DeviceInfo.UpTime";
const PORTS: &str = "Device.NAT.PortMapping";

fn known(server: &Server, serial_number: &str) -> Device {
    let mut device = server.device(serial_number);
    device.register();
    device
}

/// Reads a parameter, however fresh its value is.
fn read(name: &str) -> Json {
    json!({"name": "provisions", "provisions": [["refresh", name, 0]]})
}

fn set(pairs: &[(&str, &str)]) -> Json {
    json!({"name": "setParameterValues", "parameterValues": pairs})
}

/// Answers a GetParameterValues with the same text for each name.
fn tell(device: &mut Device, request: &Answer, value: &str) -> Answer {
    let values: Vec<String> = request.elements("string").iter().map(|name| parameter(name, value)).collect();
    device.answer_values(request, &values)
}

/// Answers names and values of a small model until the server asks something else.
fn explore(device: &mut Device, mut answer: Answer) -> Answer {
    let model = [
        ("Device.", false),
        ("Device.DeviceInfo.", false),
        (CODE, true),
        (UP_TIME, false),
        ("Device.NAT.", false),
        ("Device.NAT.PortMapping.", true),
        ("Device.NAT.PortMapping.1.", true),
        ("Device.NAT.PortMapping.1.ExternalPort", true),
    ];
    loop {
        answer = match answer.rpc().as_str() {
            "GetParameterNames" => {
                let path = answer.element("ParameterPath").unwrap();
                let next_level = answer.element("NextLevel").unwrap() == "1";
                let is_listed = |name: &str| {
                    let rest = name.strip_prefix(path.as_str()).unwrap_or_default().trim_end_matches('.');
                    !(rest.is_empty() || next_level && rest.contains('.'))
                };
                let names: Vec<_> = model.iter().copied().filter(|(name, _)| is_listed(name)).collect();
                device.answer_names(&answer, &names)
            }
            "GetParameterValues" => tell(device, &answer, "1"),
            _ => return answer,
        };
    }
}

#[test]
fn p1_names_are_asked_by_paths_that_devices_understand() {
    let server = Server::start();
    let mut device = known(&server, "P1");
    // Everything: the empty path is asked at most once, and its failure tolerated.
    let task = server.task(&device.id(), json!({"name": "refreshObject", "objectName": ""}));
    let mut answer = device.begin();
    let mut paths = Vec::new();
    while answer.status == 200 {
        answer = match answer.rpc().as_str() {
            "GetParameterNames" => {
                let path = answer.element("ParameterPath").unwrap();
                let next_level = answer.element("NextLevel").unwrap() == "1";
                assert!(!next_level || path.is_empty() || path.ends_with('.'), "NextLevel on a parameter: {path}");
                paths.push(path.clone());
                match path.as_str() {
                    "" => device.fault(&answer, "9005"),
                    "Device." => device.answer_names(&answer, &[("Device.DeviceInfo.", false), (UP_TIME, false)]),
                    _ => device.answer_names(&answer, &[(UP_TIME, false)]),
                }
            }
            _ => tell(&mut device, &answer, "1"),
        };
    }
    assert!(paths.iter().filter(|path| path.is_empty()).count() <= 1, "{paths:?}");
    assert_eq!(server.task_state(&task), "done");
    assert_eq!(server.value(&device.id(), UP_TIME), "1");
}

#[test]
fn p2_more_than_the_next_level_or_the_object_itself_is_taken_as_it_is() {
    let server = Server::start();
    let mut device = known(&server, "P2");
    server.task(&device.id(), json!({"name": "refreshObject", "objectName": "Device.DeviceInfo"}));
    let mut answer = device.begin();
    while answer.status == 200 {
        let whole = [
            ("Device.DeviceInfo.", false),
            (UP_TIME, false),
            ("Device.DeviceInfo.Sub.", false),
            ("Device.DeviceInfo.Sub.A", true),
        ];
        answer = match answer.rpc().as_str() {
            "GetParameterNames" => device.answer_names(&answer, &whole),
            _ => tell(&mut device, &answer, "7"),
        };
    }
    assert_eq!(server.value(&device.id(), UP_TIME), "7");
    assert_eq!(server.parameter(&device.id(), "Device.DeviceInfo.Sub.A")["_writable"], true);
}

#[test]
fn p3_writable_of_objects_means_adding_and_deleting() {
    let server = Server::start();
    let mut device = known(&server, "P3");
    server.task(&device.id(), json!({"name": "refreshObject", "objectName": "Device"}));
    let answer = device.begin();
    explore(&mut device, answer).expect_end();
    for (path, is_writable) in [("Device.NAT", false), (PORTS, true), ("Device.NAT.PortMapping.1", true), (CODE, true)]
    {
        assert_eq!(server.parameter(&device.id(), path)["_writable"], is_writable, "{path}");
    }
    // What cannot grow is not asked to.
    let task = server.task(&device.id(), json!({"name": "addObject", "objectName": "Device.NAT"}));
    let answer = device.begin();
    explore(&mut device, answer).expect_end();
    assert_eq!(server.task_state(&task), "done");
    server.task(&device.id(), json!({"name": "deleteObject", "objectName": "Device.NAT.PortMapping.1"}));
    let answer = device.begin();
    explore(&mut device, answer).expect("DeleteObject");
}

#[test]
fn p4_a_read_that_is_too_much_is_split() {
    let server = Server::start();
    let mut device = server.simulated("P4", |options| {
        options.behaviour.most_values = Some(4);
    });
    server.session(&mut device, &["2 PERIODIC"]);
    let task = server.task(device.device_id(), json!({"name": "refreshObject", "objectName": "Device.DeviceInfo"}));
    server.session(&mut device, &["2 PERIODIC"]);
    assert_eq!(server.task_state(&task), "done");
    assert!(server.value(device.device_id(), "Device.DeviceInfo.SerialNumber").is_string());
    assert_eq!(server.get("/faults"), json!([]));
}

#[test]
fn p5_the_others_are_read_when_one_name_is_refused() {
    let server = Server::start();
    let denied = "Device.DeviceInfo.ModelName";
    let mut device = server.simulated("P5", |options| options.behaviour.deny_names = vec![denied.to_owned()]);
    server.session(&mut device, &["2 PERIODIC"]);
    server.task(device.device_id(), json!({"name": "refreshObject", "objectName": "Device.DeviceInfo"}));
    server.session(&mut device, &["2 PERIODIC"]);
    assert!(server.value(device.device_id(), "Device.DeviceInfo.SerialNumber").is_string());
    let fault = &server.get("/faults")[0];
    assert!(fault["message"].as_str().unwrap().contains(denied), "{fault}");
    assert_eq!(fault["code"], "cwmp.9005");
}

#[test]
fn p6_what_belongs_together_is_set_in_one_request() {
    let server = Server::start();
    let mut device = known(&server, "P6");
    server.task(&device.id(), json!({"name": "refreshObject", "objectName": "Device.DeviceInfo"}));
    let answer = device.begin();
    explore(&mut device, answer).expect_end();
    server.task(&device.id(), set(&[(CODE, "first"), (CODE, "second")]));
    let answer = device.begin();
    let request = explore(&mut device, answer).expect("SetParameterValues");
    assert_eq!(request.elements("Name"), [CODE], "each name once");
    assert_eq!(request.element("Value").unwrap(), "second", "the last word");
    assert!(request.text().contains("<Value xsi:type=\"xsd:string\">"), "{}", request.text());
    assert_eq!(request.elements("ParameterKey").len(), 1);
}

#[test]
fn p7_status_1_is_later_until_the_value_is_read_back() {
    let server = Server::start();
    let mut device = server.device("P7");
    device.inform(&["2 PERIODIC"], &[(CODE, "before")]).expect("InformResponse");
    device.empty().expect_end();
    let task = server.task(&device.id(), set(&[(CODE, "after")]));
    let mut answer = device.begin();
    while answer.rpc() == "GetParameterNames" {
        answer = device.answer_names(&answer, &[(CODE, true)]);
    }
    let request = answer.expect("SetParameterValues");
    let later = "<cwmp:SetParameterValuesResponse><Status>1</Status></cwmp:SetParameterValuesResponse>";
    device.answer(&request, later).expect_end();
    assert_eq!(server.task_state(&task), "done");
    let stored = server.parameter(&device.id(), CODE);
    assert_eq!((&stored["_value"], &stored["_pending"]), (&json!("after"), &json!(true)));
    server.task(&device.id(), read(CODE));
    let request = device.begin().expect("GetParameterValues");
    tell(&mut device, &request, "after").expect_end();
    assert!(server.parameter(&device.id(), CODE)["_pending"].is_null());
}

#[test]
fn p8_refused_parameters_are_shown_each_with_its_fault() {
    let server = Server::start();
    let mut device = server.simulated("P8", |options| {
        options.faults = vec![sim::FaultRule::parse(&format!("SetParameterValues@{CODE}=9007")).unwrap()];
    });
    server.session(&mut device, &["2 PERIODIC"]);
    let interval = "Device.ManagementServer.PeriodicInformInterval";
    let task = server.task(device.device_id(), set(&[(CODE, "refused"), (interval, "77")]));
    server.session(&mut device, &["2 PERIODIC"]);
    let stored = server.stored_task(&task);
    assert_eq!(stored["state"], "faulted", "{stored}");
    assert!(stored["reason"].as_str().unwrap().contains(CODE), "{stored}");
    assert!(stored["reason"].as_str().unwrap().contains("9007"), "{stored}");
    assert!(!stored["reason"].as_str().unwrap().contains(interval), "{stored}");
    assert_eq!(device.model().text(interval), Some("77"), "the others are set all the same");
}

#[test]
fn p9_exactly_the_wanted_attributes_are_set() {
    let script = format!("declare(\"{CODE}\", (), #{{notification: 5}});");
    let server = Setup::default().script("notify", &script).start();
    for (versions, sent) in [("1.4", "5"), ("1.2", "2")] {
        let mut device = server.device(&format!("P9S{sent}"));
        let header = format!("<cwmp:SupportedCWMPVersions>{versions}</cwmp:SupportedCWMPVersions>");
        let inform = Inform::of(&device.serial_number).parameter(CODE, "x").header(&header);
        device.send_inform(&inform).expect("InformResponse");
        let mut answer = device.empty();
        while answer.rpc() != "SetParameterAttributes" {
            answer = match answer.rpc().as_str() {
                "GetParameterNames" => device.answer_names(&answer, &[(CODE, true)]),
                "GetParameterAttributes" => {
                    let response = format!(
                        "<cwmp:GetParameterAttributesResponse><ParameterList><ParameterAttributeStruct><Name>{CODE}</Name>\
                         <Notification>0</Notification><AccessList/></ParameterAttributeStruct></ParameterList>\
                         </cwmp:GetParameterAttributesResponse>"
                    );
                    device.answer(&answer, &response)
                }
                _ => answer.expect("SetParameterAttributes"),
            };
        }
        let found = |name: &str| answer.element(name).unwrap();
        assert_eq!((found("NotificationChange"), found("Notification")), ("1".into(), sent.to_owned()));
        assert_eq!((found("AccessListChange"), answer.elements("Name")), ("0".into(), vec![CODE.to_owned()]));
        let refused = device.fault(&answer, "9009");
        refused.expect_end();
        assert_eq!(server.faults(&device.id()), [("default".to_owned(), "cwmp.9009".to_owned())]);
    }
}

#[test]
fn p10_a_session_that_breaks_after_an_addition_leaves_no_second_instance() {
    let script = r#"declare("Device.NAT.PortMapping.[ExternalPort:8080]", (), #{path: 1});"#;
    let server = Setup::default().script("port", script).start();
    let mut device = server.device("P10");
    let mut answer = device.begin();
    while answer.rpc() != "AddObject" {
        answer = match answer.rpc().as_str() {
            "GetParameterNames" => {
                let path = answer.element("ParameterPath").unwrap();
                let names: &[(&str, bool)] = match path.as_str() {
                    "" | "Device." => &[("Device.", false), ("Device.NAT.", false)],
                    "Device.NAT." => &[("Device.NAT.PortMapping.", true)],
                    _ => &[],
                };
                device.answer_names(&answer, names)
            }
            other => panic!("{other}"),
        };
    }
    let response =
        "<cwmp:AddObjectResponse><InstanceNumber>7</InstanceNumber><Status>0</Status></cwmp:AddObjectResponse>";
    device.answer(&answer, response);
    // The connection breaks before the keys are set.
    device.reconnect();
    device.cookie = None;
    let mut requests = Vec::new();
    let mut answer = device.begin();
    for _ in 0..20 {
        if answer.status != 200 {
            break;
        }
        requests.push(answer.rpc());
        answer = match answer.rpc().as_str() {
            "GetParameterNames" => {
                let path = answer.element("ParameterPath").unwrap();
                let names: &[(&str, bool)] = match path.as_str() {
                    "" | "Device." => &[("Device.", false), ("Device.NAT.", false)],
                    "Device.NAT." => &[("Device.NAT.PortMapping.", true)],
                    "Device.NAT.PortMapping." => &[("Device.NAT.PortMapping.7.", true)],
                    _ => &[("Device.NAT.PortMapping.7.ExternalPort", true)],
                };
                device.answer_names(&answer, names)
            }
            "GetParameterValues" => tell(&mut device, &answer, "0"),
            "SetParameterValues" => device.answer(
                &answer,
                "<cwmp:SetParameterValuesResponse><Status>0</Status></cwmp:SetParameterValuesResponse>",
            ),
            other => panic!("{other}: {requests:?}"),
        };
    }
    assert!(!requests.contains(&"AddObject".to_owned()), "{requests:?}");
    assert!(!server.parameter(&device.id(), "Device.NAT.PortMapping.7").is_null());
}

#[test]
fn p11_an_instance_that_is_gone_is_deleted() {
    let server = Server::start();
    let mut device = known(&server, "P11");
    server.task(&device.id(), json!({"name": "refreshObject", "objectName": "Device"}));
    let answer = device.begin();
    explore(&mut device, answer).expect_end();
    let task = server.task(&device.id(), json!({"name": "deleteObject", "objectName": "Device.NAT.PortMapping.1"}));
    let answer = device.begin();
    let request = explore(&mut device, answer).expect("DeleteObject");
    let mut answer = device.fault(&request, "9005");
    while answer.status == 200 {
        answer = device.answer_names(&answer, &[]);
    }
    assert_eq!(server.task_state(&task), "done");
    assert!(server.parameter(&device.id(), "Device.NAT.PortMapping.1").is_null());
    assert_eq!(server.faults(&device.id()), []);
}

#[test]
fn p12_another_parameter_key_than_the_last_one_set_shows_a_change_by_somebody_else() {
    let key = "Device.ManagementServer.ParameterKey";
    let server = Setup::default()
        .preset(
            "changed",
            json!({"events": {"ParameterKeyChanged": true}}),
            "declare(\"Tags.changed\", (), #{value: true});",
        )
        .start();
    let mut device = server.device("P12");
    device.inform(&["2 PERIODIC"], &[(CODE, "a"), (key, "")]).expect("InformResponse");
    device.empty().expect_end();
    server.task(&device.id(), set(&[(CODE, "b")]));
    let mut answer = device.begin();
    while answer.rpc() == "GetParameterNames" {
        answer = device.answer_names(&answer, &[(CODE, true)]);
    }
    let request = answer.expect("SetParameterValues");
    let ours = request.element("ParameterKey").unwrap();
    assert!(!ours.is_empty() && ours.len() <= 32, "{ours}");
    let done = "<cwmp:SetParameterValuesResponse><Status>0</Status></cwmp:SetParameterValuesResponse>";
    device.answer(&request, done).expect_end();
    for (told, is_changed) in [(ours.as_str(), false), ("theirs", true)] {
        device.inform(&["2 PERIODIC"], &[(key, told)]).expect("InformResponse");
        device.empty().expect_end();
        assert_eq!(
            server.stored(&device.id())["_tags"],
            if is_changed { json!(["changed"]) } else { json!([]) },
            "{told}"
        );
    }
    assert_eq!(server.outbox("device.changedElsewhere"), [json!({"parameterKey": "theirs", "expected": ours})]);
}

#[test]
fn p13_values_are_written_as_their_types_want_them() {
    let server = Server::start();
    let mut device = server.simulated("P13", |_| {});
    server.session(&mut device, &["2 PERIODIC"]);
    let interval = "Device.ManagementServer.PeriodicInformInterval";
    let enable = "Device.ManagementServer.PeriodicInformEnable";
    let time = "Device.ManagementServer.PeriodicInformTime";
    server.task(
        device.device_id(),
        json!({"name": "setParameterValues", "parameterValues": [
        [interval, "3601"], [enable, "0"], [CODE, 12], [time, "2026-01-02T03:04:05Z"]]}),
    );
    let report = server.session(&mut device, &["2 PERIODIC"]);
    let types: std::collections::BTreeMap<&str, (&str, Option<&str>)> = report
        .exchanges
        .iter()
        .flat_map(|exchange| exchange.request.as_ref().map(|request| request.values()).unwrap_or_default())
        .map(|value| (value.name.as_str(), (value.value.as_str(), value.xsi_type.as_deref())))
        .collect();
    assert_eq!(types[interval], ("3601", Some("xsd:unsignedInt")));
    assert_eq!(types[enable], ("false", Some("xsd:boolean")));
    assert_eq!(types[CODE], ("12", Some("xsd:string")));
    assert_eq!(types[time], ("2026-01-02T03:04:05.000Z", Some("xsd:dateTime")));
    assert_eq!(server.get("/faults"), json!([]));
}

#[test]
fn p14_no_request_has_an_alias_or_a_wildcard() {
    let script = r#"
        for port in declare("Device.NAT.PortMapping.*.ExternalPort", #{value: now()}) { log(port.path); }
        declare("Device.NAT.PortMapping.[ExternalPort:1].ExternalPort", #{value: now()});
        declare("Device.**", #{path: now()});
    "#;
    let server = Setup::default().script("patterns", script).start();
    let mut device = server.device("P14");
    let mut answer = device.begin();
    while answer.status == 200 {
        for name in answer.elements("string").iter().chain(&answer.elements("ParameterPath")) {
            assert!(!name.contains(['*', '[']), "{name}");
        }
        let before = answer.clone();
        answer = match answer.rpc().as_str() {
            "GetParameterNames" if answer.element("ParameterPath").as_deref() == Some("") => {
                device.answer_names(&before, &[("Device.", false)])
            }
            "GetParameterNames" => {
                let path = answer.element("ParameterPath").unwrap();
                let names: &[(&str, bool)] = match path.as_str() {
                    "Device." => &[("Device.NAT.", false)],
                    "Device.NAT." => &[("Device.NAT.PortMapping.", true)],
                    "Device.NAT.PortMapping." => &[("Device.NAT.PortMapping.1.", true)],
                    _ => &[("Device.NAT.PortMapping.1.ExternalPort", true)],
                };
                device.answer_names(&before, names)
            }
            _ => tell(&mut device, &before, "1"),
        };
    }
    assert_eq!(server.value(&device.id(), "Device.NAT.PortMapping.1.ExternalPort"), "1");
}

#[test]
fn p15_long_values_are_intact() {
    let server = Server::start();
    let mut device = known(&server, "P15");
    server.task(&device.id(), json!({"name": "refreshObject", "objectName": "Device.DeviceInfo"}));
    let answer = device.begin();
    explore(&mut device, answer).expect_end();
    let long = "ä€ß𝄞 ".repeat(10_000);
    server.task(&device.id(), set(&[(CODE, &long)]));
    let answer = device.begin();
    let request = explore(&mut device, answer).expect("SetParameterValues");
    assert_eq!(request.element("Value").unwrap(), long);
    let done = "<cwmp:SetParameterValuesResponse><Status>0</Status></cwmp:SetParameterValuesResponse>";
    device.answer(&request, done).expect_end();
    server.task(&device.id(), read(UP_TIME));
    let request = device.begin().expect("GetParameterValues");
    tell(&mut device, &request, &long).expect_end();
    assert_eq!(server.value(&device.id(), UP_TIME), long.as_str());
}
