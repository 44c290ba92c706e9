//! The rules by which envelopes are read, one table for each: what is tolerated, and what is not.

#![allow(clippy::unwrap_used)]

use acs_core::rpc::*;
use cwmp::soap::{CwmpNamespace, Envelope, Message, Repair, SoapError, parse};

/// An envelope of version 1.0 around an RPC.
fn around(rpc: &str) -> String {
    around_with_header("<cwmp:ID>1</cwmp:ID>", rpc)
}

fn around_with_header(header: &str, rpc: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:cwmp=\"urn:dslforum-org:cwmp-1-0\">\
         <s:Header>{header}</s:Header><s:Body>{rpc}</s:Body></s:Envelope>"
    )
}

fn read(rpc: &str) -> Envelope {
    parse(&around(rpc)).unwrap()
}

const REBOOTED: &str = "<cwmp:RebootResponse/>";
const DEVICE_ID: &str = "<DeviceId><OUI>0A1B2C</OUI><SerialNumber>1</SerialNumber></DeviceId>";

#[test]
fn responses() {
    use CpeResponse as R;
    let unknown_time = UNKNOWN_TIME;
    let missing = |element| vec![Repair::MissingElement(element)];
    let unreadable = |element| vec![Repair::UnreadableElement(element)];
    let cases: Vec<(&str, CpeResponse, Vec<Repair>)> = vec![
        (REBOOTED, R::RebootResponse, vec![]),
        ("<cwmp:RebootResponse></cwmp:RebootResponse>", R::RebootResponse, vec![]),
        ("<cwmp:FactoryResetResponse><x/></cwmp:FactoryResetResponse>", R::FactoryResetResponse, vec![]),
        ("<cwmp:SetParameterAttributesResponse/>", R::SetParameterAttributesResponse, vec![]),
        (
            "<cwmp:SetParameterValuesResponse><Status> 1 </Status></cwmp:SetParameterValuesResponse>",
            R::SetParameterValuesResponse { status: 1 },
            vec![],
        ),
        ("<cwmp:SetParameterValuesResponse/>", R::SetParameterValuesResponse { status: 0 }, missing("Status")),
        (
            "<cwmp:DeleteObjectResponse><Status>-1</Status></cwmp:DeleteObjectResponse>",
            R::DeleteObjectResponse { status: 0 },
            unreadable("Status"),
        ),
        (
            "<cwmp:AddObjectResponse><Status>9005</Status><InstanceNumber>0</InstanceNumber></cwmp:AddObjectResponse>",
            R::AddObjectResponse { instance_number: 0, status: 9005 },
            vec![],
        ),
        (
            "<cwmp:AddObjectResponse><InstanceNumber>-17</InstanceNumber></cwmp:AddObjectResponse>",
            R::AddObjectResponse { instance_number: -17, status: 0 },
            missing("Status"),
        ),
        (
            "<cwmp:DownloadResponse><Status>1</Status><StartTime>0001-01-01T00:00:00Z</StartTime>\
             <CompleteTime>1970-01-01T00:00:01Z</CompleteTime></cwmp:DownloadResponse>",
            R::DownloadResponse { status: 1, start_time: unknown_time, complete_time: 1000 },
            vec![],
        ),
        (
            "<cwmp:DownloadResponse><Status>0</Status><StartTime/></cwmp:DownloadResponse>",
            R::DownloadResponse { status: 0, start_time: unknown_time, complete_time: unknown_time },
            vec![Repair::UnreadableElement("StartTime"), Repair::MissingElement("CompleteTime")],
        ),
        ("<cwmp:GetRPCMethodsResponse/>", R::GetRPCMethodsResponse(vec![]), missing("MethodList")),
        (
            "<cwmp:GetParameterValuesResponse><ParameterList/></cwmp:GetParameterValuesResponse>",
            R::GetParameterValuesResponse(vec![]),
            vec![],
        ),
    ];
    for (rpc, expected, repairs) in cases {
        let envelope = read(rpc);
        assert_eq!(envelope.body, Message::Response(expected), "{rpc}");
        assert_eq!(envelope.repairs, repairs, "{rpc}");
    }
}

#[test]
fn other_responses_keep_their_name() {
    for name in ["InformResponse", "BlinkResponse", "Response"] {
        let envelope = read(&format!("<cwmp:{name}><Status>1</Status></cwmp:{name}>"));
        assert_eq!(envelope.body, Message::UnknownResponse { name: name.into() });
        assert_eq!(envelope.body.name(), name);
    }
}

#[test]
fn calls_that_the_acs_does_not_offer_are_recognised() {
    let unsupported = |method: &str| Message::Request(CpeRequest::Unsupported { method: method.into() });
    for method in ["X_EXAMPLE_Blink", "InformAgain", "GetParameterValues"] {
        let rpc = format!("<cwmp:{method}><FileType>1</FileType><FileTypeArg><Name/></FileTypeArg></cwmp:{method}>");
        assert_eq!(read(&rpc).body, unsupported(method));
    }
    assert_eq!(read("<cwmp:GetRPCMethods/>").body, Message::Request(CpeRequest::GetRPCMethods));
}

#[test]
fn an_inform_needs_only_its_device_id() {
    let envelope = read(&format!("<cwmp:Inform>{DEVICE_ID}</cwmp:Inform>"));
    let Message::Request(CpeRequest::Inform(inform)) = envelope.body else { panic!("not an Inform") };
    assert_eq!(inform.device_id.device_id(), "0A1B2C-1");
    assert_eq!((inform.max_envelopes, inform.retry_count, inform.current_time), (1, 0, None));
    assert!(inform.events.is_empty() && inform.parameter_list.is_empty());
    let missing = ["Event", "MaxEnvelopes", "CurrentTime", "RetryCount", "ParameterList"];
    assert_eq!(envelope.repairs, missing.map(Repair::MissingElement));
}

#[test]
fn unreadable_numbers_and_times_of_an_inform_get_their_defaults() {
    let envelope = read(&format!(
        "<cwmp:Inform>{DEVICE_ID}<Event><EventStruct><CommandKey/></EventStruct></Event><MaxEnvelopes>one</MaxEnvelopes>\
         <CurrentTime>now</CurrentTime><RetryCount>99999999999</RetryCount><ParameterList/></cwmp:Inform>"
    ));
    let Message::Request(CpeRequest::Inform(inform)) = envelope.body else { panic!("not an Inform") };
    assert_eq!((inform.max_envelopes, inform.retry_count, inform.current_time), (1, 0, None));
    let unreadable = |element| Repair::UnreadableElement(element);
    let expected = [
        Repair::MissingElement("EventCode"),
        unreadable("MaxEnvelopes"),
        unreadable("CurrentTime"),
        unreadable("RetryCount"),
    ];
    assert_eq!(envelope.repairs, expected);
}

#[test]
fn rpcs_without_what_they_cannot_do_without() {
    let missing = |element, parent| SoapError::Missing { element, parent };
    let number = |text: &str| SoapError::NotANumber {
        element: "InstanceNumber",
        parent: "AddObjectResponse",
        text: text.into(),
    };
    let device_id = |parts: &str| format!("<cwmp:Inform><DeviceId>{parts}</DeviceId></cwmp:Inform>");
    let cases = [
        ("<cwmp:Inform/>".to_owned(), missing("DeviceId", "Inform")),
        (device_id("<SerialNumber>1</SerialNumber>"), missing("OUI", "DeviceId")),
        (device_id("<OUI> </OUI><SerialNumber>1</SerialNumber>"), missing("OUI", "DeviceId")),
        (device_id("<OUI>0A1B2C</OUI><SerialNumber/>"), missing("SerialNumber", "DeviceId")),
        ("<cwmp:GetParameterNamesResponse/>".to_owned(), missing("ParameterList", "GetParameterNamesResponse")),
        (
            "<cwmp:GetParameterValuesResponse><Status>0</Status></cwmp:GetParameterValuesResponse>".to_owned(),
            missing("ParameterList", "GetParameterValuesResponse"),
        ),
        (
            "<cwmp:GetParameterAttributesResponse/>".to_owned(),
            missing("ParameterList", "GetParameterAttributesResponse"),
        ),
        (
            "<cwmp:AddObjectResponse><Status>0</Status></cwmp:AddObjectResponse>".to_owned(),
            missing("InstanceNumber", "AddObjectResponse"),
        ),
        (
            "<cwmp:AddObjectResponse><InstanceNumber>2nd</InstanceNumber></cwmp:AddObjectResponse>".to_owned(),
            number("2nd"),
        ),
    ];
    for (rpc, expected) in cases {
        let error = parse(&around(&rpc)).unwrap_err();
        assert_eq!(error, expected, "{rpc}");
        assert!(error.is_invalid_arguments(), "{rpc}");
    }
}

#[test]
fn documents_that_are_no_envelope_with_one_rpc() {
    let two = format!("{REBOOTED}<cwmp:FactoryResetResponse/>");
    let cases: Vec<(String, SoapError)> = vec![
        (String::new(), SoapError::Empty),
        (" \r\n ".into(), SoapError::Empty),
        ("<?xml version=\"1.0\"?>".into(), SoapError::Empty),
        ("<html><body/></html>".into(), SoapError::NotAnEnvelope { found: "html".into() }),
        ("<Envelope/>".into(), SoapError::NoBody),
        ("<Envelope><Header/></Envelope>".into(), SoapError::NoBody),
        (around(""), SoapError::EmptyBody),
        (around("text"), SoapError::EmptyBody),
        (
            around(&two),
            SoapError::SeveralRPCs { first: "RebootResponse".into(), second: "FactoryResetResponse".into() },
        ),
    ];
    for (document, expected) in cases {
        assert_eq!(parse(&document).unwrap_err(), expected, "{document:?}");
    }
}

#[test]
fn beside_a_fault_the_first_element_counts() {
    let fault = "<s:Fault><detail><cwmp:Fault><FaultCode>9002</FaultCode></cwmp:Fault></detail></s:Fault>";
    let cases = [
        (format!("{fault}{REBOOTED}"), "Fault", "RebootResponse"),
        (format!("{REBOOTED}{fault}"), "RebootResponse", "Fault"),
    ];
    for (rpcs, first, second) in cases {
        let envelope = read(&rpcs);
        assert_eq!(envelope.body.name(), first);
        assert_eq!(envelope.repairs, [Repair::ExtraBodyElement(second.into())]);
    }
}

#[test]
fn faults() {
    let code_and_message = |fault: &str| match read(fault).body {
        Message::Fault(fault) => (fault.code, fault.message),
        other => panic!("not a fault: {other:?}"),
    };
    let cases = [
        ("<cwmp:Fault><FaultCode>9001</FaultCode><FaultString>no</FaultString></cwmp:Fault>", "9001", "no"),
        ("<s:Fault><FaultCode> 9899 </FaultCode></s:Fault>", "9899", ""),
        ("<s:Fault><faultcode>s:Client</faultcode><detail/></s:Fault>", "Client", ""),
        ("<s:Fault><faultstring>broken</faultstring></s:Fault>", "0", "broken"),
        ("<s:Fault/>", "0", ""),
        (
            "<s:Fault><faultcode>Client</faultcode><faultstring>soap</faultstring><detail><cwmp:Fault>\
             <FaultCode>4711</FaultCode><FaultString></FaultString></cwmp:Fault></detail></s:Fault>",
            "4711",
            "soap",
        ),
    ];
    for (fault, code, message) in cases {
        assert_eq!(code_and_message(fault), (code.into(), message.into()), "{fault}");
    }
}

#[test]
fn a_transfer_with_fault_code_zero_or_none_has_succeeded() {
    for (fault_struct, failed) in [
        ("<FaultStruct><FaultCode>0</FaultCode><FaultString>ok</FaultString></FaultStruct>", false),
        ("<FaultStruct><FaultCode> 00 </FaultCode></FaultStruct>", false),
        ("<FaultStruct/>", false),
        ("<FaultStruct><FaultCode>9010</FaultCode></FaultStruct>", true),
    ] {
        let rpc = format!("<cwmp:TransferComplete><CommandKey>k</CommandKey>{fault_struct}</cwmp:TransferComplete>");
        let Message::Request(CpeRequest::TransferComplete(transfer)) = read(&rpc).body else {
            panic!("not a TransferComplete")
        };
        assert_eq!(transfer.fault.is_some(), failed, "{fault_struct}");
        assert_eq!((transfer.start_time, transfer.complete_time), (UNKNOWN_TIME, UNKNOWN_TIME));
    }
}

#[test]
fn namespaces() {
    let unknown = |uri: &str| vec![Repair::UnknownNamespace(uri.into())];
    let cases = [
        ("urn:dslforum-org:cwmp-1-0", CwmpNamespace::V1_0, vec![]),
        ("urn:dslforum-org:cwmp-1-1", CwmpNamespace::V1_1, vec![]),
        ("urn:dslforum-org:cwmp-1-2", CwmpNamespace::V1_2, vec![]),
        ("urn:dslforum-org:cwmp-1-3", CwmpNamespace::V1_3, vec![]),
        ("urn:dslforum-org:cwmp-1-4", CwmpNamespace::V1_4, vec![]),
        ("urn:dslforum-org:cwmp-1-9", CwmpNamespace::V1_0, unknown("urn:dslforum-org:cwmp-1-9")),
        ("urn:example", CwmpNamespace::V1_0, unknown("")),
    ];
    for (uri, expected, repairs) in cases {
        for rpc in [REBOOTED, "<s:Fault><detail><Fault><FaultCode>9000</FaultCode></Fault></detail></s:Fault>"] {
            let envelope = parse(&around(rpc).replace("urn:dslforum-org:cwmp-1-0", uri)).unwrap();
            assert_eq!((envelope.namespace, &envelope.repairs), (expected, &repairs), "{uri}");
        }
    }
}

#[test]
fn the_namespace_is_that_of_the_rpc_when_several_are_declared() {
    let rpc = "<b:RebootResponse xmlns:b=\"urn:dslforum-org:cwmp-1-2\"/>";
    assert_eq!(read(rpc).namespace, CwmpNamespace::V1_2);
    let no_namespace = "<Envelope><Header><ID>1</ID></Header><Body><RebootResponse/></Body></Envelope>";
    assert_eq!(parse(no_namespace).unwrap().repairs, [Repair::UnknownNamespace("".into())]);
}

#[test]
fn a_prefix_is_only_declared_inside_its_element() {
    let rpc = "<b:RebootResponse xmlns:b=\"urn:dslforum-org:cwmp-1-0\"><b:x><b:y/></b:x></b:RebootResponse>";
    assert!(parse(&around(rpc)).is_ok());
    let header = "<b:x xmlns:b=\"urn:example\"/><b:y/>";
    let error = parse(&around_with_header(header, REBOOTED)).unwrap_err();
    assert!(matches!(error, SoapError::UndeclaredPrefix { element, .. } if element == "b:y"));
}

#[test]
fn headers() {
    let header = |text: &str| parse(&around_with_header(text, REBOOTED)).unwrap();
    assert_eq!(header("<cwmp:ID s:mustUnderstand=\"1\"> a&amp;b </cwmp:ID>").id.as_deref(), Some("a&b"));
    assert_eq!(header("<cwmp:ID/>").id, None);
    assert_eq!(header("<cwmp:ID/>").repairs, [Repair::MissingID]);
    assert_eq!(header("<cwmp:ID>1</cwmp:ID><cwmp:SessionTimeout>0</cwmp:SessionTimeout>").session_timeout, None);

    let held = header("<cwmp:ID>1</cwmp:ID><cwmp:HoldRequests>1</cwmp:HoldRequests>");
    assert_eq!((held.hold_requests, held.repairs), (true, vec![Repair::HoldRequestsFromCPE]));

    for (value, understood) in [("1", false), ("true", false), ("0", true), ("false", true)] {
        let envelope = header(&format!("<cwmp:ID>1</cwmp:ID><x:Secret xmlns:x=\"urn:x\" s:mustUnderstand='{value}'/>"));
        assert_eq!(envelope.not_understood, (!understood).then(|| "Secret".to_owned()), "mustUnderstand={value}");
    }
}

#[test]
fn line_ends_are_normalised_but_references_to_them_are_kept() {
    let values = "<cwmp:GetParameterValuesResponse><ParameterList><ParameterValueStruct><Name>A</Name>\
                  <Value>1\r\n2\r3&#13;4&#10;5&#9;6</Value></ParameterValueStruct></ParameterList></cwmp:GetParameterValuesResponse>";
    assert_eq!(first_value(values), "1\n2\n3\r4\n5\t6");
}

#[test]
fn characters_that_xml_cannot_hold_are_dropped() {
    for dropped in [
        "\0",
        "\u{1}",
        "\u{b}",
        "\u{1f}",
        "\u{fffe}",
        "\u{ffff}",
        "&#0;",
        "&#x1;",
        "&#xD83D;",
        "&#xFFFF;",
        "&#1114112;",
        "&#99999999999;",
    ] {
        let rpc = format!(
            "<cwmp:GetParameterValuesResponse><ParameterList><ParameterValueStruct><Name>A</Name>\
             <Value>a{dropped}b</Value></ParameterValueStruct></ParameterList></cwmp:GetParameterValuesResponse>"
        );
        assert_eq!(first_value(&rpc), "ab", "{dropped:?}");
        assert_eq!(read(&rpc).repairs, [Repair::InvalidCharacters], "{dropped:?}");
    }
    let nul_at_the_end = around(REBOOTED) + "\0";
    assert_eq!(parse(&nul_at_the_end).unwrap().repairs, [Repair::InvalidCharacters]);
}

#[test]
fn elements_inside_text_are_ignored() {
    let rpc = "<cwmp:GetParameterValuesResponse><ParameterList><ParameterValueStruct><Name>A</Name>\
               <Value>x<b>y<c/></b>z</Value></ParameterValueStruct></ParameterList></cwmp:GetParameterValuesResponse>";
    assert_eq!(first_value(rpc), "xz");
    assert_eq!(read(rpc).repairs, [Repair::ElementInText("b".into())]);
}

fn first_value(rpc: &str) -> String {
    match read(rpc).body {
        Message::Response(CpeResponse::GetParameterValuesResponse(list)) => list[0].1.0.to_text().into_owned(),
        other => panic!("not a GetParameterValuesResponse: {other:?}"),
    }
}
