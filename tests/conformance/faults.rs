//! Fault codes: rows Q.

use serde_json::json;

use crate::kit::{Answer, Inform, Server};

/// A refusal's parts, each of which has to be there once.
fn parts(refusal: &Answer) -> (String, String, String) {
    let document = refusal.document();
    let fault = document.descendants().find(|node| node.tag_name().name() == "Fault").unwrap();
    let names: Vec<&str> = fault.children().map(|child| child.tag_name().name()).collect();
    assert_eq!(names, ["faultcode", "faultstring", "detail"]);
    let detail = fault.last_element_child().unwrap();
    let cwmp: Vec<_> = detail.children().collect();
    assert_eq!((cwmp.len(), cwmp[0].tag_name().name()), (1, "Fault"));
    assert_eq!(cwmp[0].tag_name().namespace(), Some("urn:dslforum-org:cwmp-1-0"));
    let names: Vec<&str> = cwmp[0].children().map(|child| child.tag_name().name()).collect();
    assert_eq!(names, ["FaultCode", "FaultString"]);
    let text = |name: &str| refusal.element(name).unwrap();
    (text("faultcode"), text("FaultCode"), text("FaultString"))
}

#[test]
fn q1_each_fault_code_has_its_own_meaning_and_party() {
    let server = Server::start();
    let mut device = server.device("Q1");
    device.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
    let (party, code, text) = parts(&device.call("<cwmp:X_0A1B2C_Unknown/>"));
    assert_eq!((party.as_str(), code.as_str()), ("Server", "8000"));
    assert!(text.contains("X_0A1B2C_Unknown"), "{text}");
    let (party, code, text) = parts(&device.call("<cwmp:TransferComplete/>"));
    assert_eq!((party.as_str(), code.as_str()), ("Client", "8003"));
    assert!(text.contains("FaultStruct"), "{text}");
    device.empty().expect_end();

    let versions = "<cwmp:SupportedCWMPVersions>9.9</cwmp:SupportedCWMPVersions>";
    let refusal = server.device("Q1b").send_inform(&Inform::of("Q1b").header(versions));
    let (party, code, _) = parts(&refusal);
    assert_eq!((party.as_str(), code.as_str()), ("Server", "8006"));
}

#[test]
fn q5_faults_of_any_shape_fail_their_request_and_the_session_goes_on() {
    let server = Server::start();
    let shapes = [
        // Outside of detail.
        (
            "<soap-env:Fault><faultcode>Client</faultcode><faultstring>CWMP fault</faultstring><cwmp:Fault>\
          <FaultCode>9002</FaultCode><FaultString>no</FaultString></cwmp:Fault></soap-env:Fault>",
            "cwmp.9002",
        ),
        // Inside faultstring.
        (
            "<soap-env:Fault><faultcode>Client</faultcode><faultstring>CWMP fault<detail><cwmp:Fault>\
          <FaultCode>9003</FaultCode><FaultString>no</FaultString></cwmp:Fault></detail></faultstring></soap-env:Fault>",
            "cwmp.9003",
        ),
        // Without a cwmp:Fault.
        (
            "<soap-env:Fault><faultcode>soap-env:Server</faultcode><faultstring>broken</faultstring></soap-env:Fault>",
            "cwmp.Server",
        ),
        // With nothing at all.
        ("<soap-env:Fault/>", "cwmp.0"),
    ];
    for (index, (shape, code)) in shapes.into_iter().enumerate() {
        let mut device = server.device(&format!("Q5{index}"));
        device.register();
        let refused = server.task(&device.id(), json!({"name": "reboot"}));
        let done = server.task(&device.id(), json!({"name": "factoryReset"}));
        let request = device.begin().expect("Reboot");
        let next = device.answer(&request, shape).expect("FactoryReset");
        device.answer(&next, "<cwmp:FactoryResetResponse/>").expect_end();
        assert_eq!(server.task_state(&done), "accepted");
        assert_eq!(server.faults(&device.id()), [(format!("task_{refused}"), code.to_owned())], "{shape}");
    }
}

#[test]
fn q6_of_a_fault_and_a_response_in_one_body_the_first_counts() {
    let server = Server::start();
    let fault = "<soap-env:Fault><faultcode>Client</faultcode><faultstring>CWMP fault</faultstring><detail><cwmp:Fault>\
                 <FaultCode>9002</FaultCode><FaultString>no</FaultString></cwmp:Fault></detail></soap-env:Fault>";
    let response = "<cwmp:RebootResponse/>";
    let cases = [(fault.to_owned() + response, "faulted"), (response.to_owned() + fault, "accepted")];
    for (index, (body, state)) in cases.into_iter().enumerate() {
        let mut device = server.device(&format!("Q6{index}"));
        device.register();
        let task = server.task(&device.id(), json!({"name": "reboot"}));
        let request = device.begin().expect("Reboot");
        device.answer(&request, &body).expect_end();
        assert_eq!(server.task_state(&task), state, "{body}");
    }
}

#[test]
fn q2_faults_of_any_number_are_kept_and_shown() {
    let server = Server::start();
    let codes = ["9000", "9021", "9033", "9799", "9899", "1", "65536", "123456789012", "-5", "nine"];
    for (index, code) in codes.into_iter().enumerate() {
        let mut device = server.device(&format!("Q2{index}"));
        device.register();
        let task = server.task(&device.id(), json!({"name": "reboot"}));
        let request = device.begin().expect("Reboot");
        device.fault(&request, code).expect_end();
        let expected = [(format!("task_{task}"), format!("cwmp.{code}"))];
        assert_eq!(server.faults(&device.id()), expected, "{code}");
        assert!(server.stored_task(&task)["reason"].as_str().unwrap().contains(code), "{code}");
    }
}

#[test]
fn q3_what_a_fault_code_means_is_known_where_the_device_does_not_say() {
    let server = Server::start();
    for (code, text) in [
        ("9000", "Method not supported"),
        ("9012", "File transfer server authentication failure"),
        ("9021", "Cancelation of file transfer not permitted"),
        ("9032", "version already exists"),
    ] {
        let mut device = server.device(&format!("Q3{code}"));
        device.register();
        let task = server.task(&device.id(), json!({"name": "reboot"}));
        let request = device.begin().expect("Reboot");
        let fault = format!(
            "<soap-env:Fault><faultcode>Client</faultcode><faultstring/><detail><cwmp:Fault>\
             <FaultCode>{code}</FaultCode><FaultString/></cwmp:Fault></detail></soap-env:Fault>"
        );
        device.answer(&request, &fault).expect_end();
        let reason = server.stored_task(&task)["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains(text), "{code}: {reason}");
    }
}

#[test]
fn q4_a_task_is_tried_again_only_for_what_may_pass_and_never_within_its_session() {
    let server = Server::start();
    for (code, is_retried) in [("9002", true), ("9004", true), ("9000", false), ("9003", false), ("9007", false)] {
        let mut device = server.device(&format!("Q4{code}"));
        device.register();
        let task = server.task(&device.id(), json!({"name": "reboot"}));
        let request = device.begin().expect("Reboot");
        device.fault(&request, code).expect_end();
        let fault = server.get(&format!("/faults/{}:task_{task}", device.id()));
        assert_eq!(fault["retryAt"].is_string(), is_retried, "{fault}");
        assert_eq!(fault["givenUp"], !is_retried, "{fault}");
        device.begin().expect_end();
    }
}
