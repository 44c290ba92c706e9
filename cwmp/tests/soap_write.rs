//! What the ACS sends: the house style, the schema's order, and values that survive the way there and back.

#![allow(clippy::unwrap_used)]

use acs_core::rpc::*;
use acs_core::value::{TypedValue, Value, XsdType};
use cwmp::soap::write::*;
use cwmp::soap::{CwmpNamespace, Message, parse};
use proptest::prelude::*;

const CWMP: &str = "urn:dslforum-org:cwmp-1-0";
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const SOAP_ENCODING: &str = "http://schemas.xmlsoap.org/soap/encoding/";

fn request(request: &AcsRequest) -> String {
    request_with(request, &WriteOptions::default())
}

fn request_with(request: &AcsRequest, options: &WriteOptions) -> String {
    let mut out = String::new();
    write_request(&mut out, CwmpNamespace::V1_0, "1a&b", request, options);
    out
}

fn written(write: impl FnOnce(&mut String)) -> String {
    let mut out = String::new();
    write(&mut out);
    out
}

/// What is between the tags of the Body.
fn body(document: &str) -> &str {
    let (_, rest) = document.split_once("<soap-env:Body>").unwrap();
    rest.strip_suffix("</soap-env:Body></soap-env:Envelope>").unwrap()
}

fn set_values(list: Vec<(String, TypedValue)>) -> AcsRequest {
    AcsRequest::SetParameterValues { parameter_list: list, parameter_key: String::new() }
}

fn requests() -> Vec<(AcsRequest, &'static str)> {
    let names = || vec!["Device.A".to_owned(), "Device.B.".to_owned()];
    vec![
        (AcsRequest::GetRPCMethods, "<cwmp:GetRPCMethods></cwmp:GetRPCMethods>"),
        (AcsRequest::FactoryReset, "<cwmp:FactoryReset></cwmp:FactoryReset>"),
        (
            AcsRequest::GetParameterNames { parameter_path: "Device.".into(), next_level: true },
            "<cwmp:GetParameterNames><ParameterPath>Device.</ParameterPath><NextLevel>1</NextLevel></cwmp:GetParameterNames>",
        ),
        (
            AcsRequest::GetParameterNames { parameter_path: String::new(), next_level: false },
            "<cwmp:GetParameterNames><ParameterPath></ParameterPath><NextLevel>0</NextLevel></cwmp:GetParameterNames>",
        ),
        (
            AcsRequest::GetParameterValues { parameter_names: names() },
            "<cwmp:GetParameterValues><ParameterNames soap-enc:arrayType=\"xsd:string[2]\"><string>Device.A</string>\
             <string>Device.B.</string></ParameterNames></cwmp:GetParameterValues>",
        ),
        (
            AcsRequest::GetParameterAttributes { parameter_names: names() },
            "<cwmp:GetParameterAttributes><ParameterNames soap-enc:arrayType=\"xsd:string[2]\"><string>Device.A</string>\
             <string>Device.B.</string></ParameterNames></cwmp:GetParameterAttributes>",
        ),
        (
            AcsRequest::SetParameterValues {
                parameter_list: vec![
                    ("Device.A".into(), TypedValue::string("x<y")),
                    ("Device.B".into(), TypedValue(Value::Int(5), XsdType::UnsignedInt)),
                    ("Device.C".into(), TypedValue(Value::Text(String::new()), XsdType::Other("ns:\"odd".into()))),
                ],
                parameter_key: "key".into(),
            },
            "<cwmp:SetParameterValues><ParameterList soap-enc:arrayType=\"cwmp:ParameterValueStruct[3]\">\
             <ParameterValueStruct><Name>Device.A</Name><Value xsi:type=\"xsd:string\">x&lt;y</Value></ParameterValueStruct>\
             <ParameterValueStruct><Name>Device.B</Name><Value xsi:type=\"xsd:unsignedInt\">5</Value></ParameterValueStruct>\
             <ParameterValueStruct><Name>Device.C</Name><Value xsi:type=\"ns:&quot;odd\"></Value></ParameterValueStruct>\
             </ParameterList><ParameterKey>key</ParameterKey></cwmp:SetParameterValues>",
        ),
        (
            AcsRequest::SetParameterAttributes {
                parameter_list: vec![
                    SetParameterAttributesStruct { name: "Device.A".into(), notification: Some(2), access_list: None },
                    SetParameterAttributesStruct {
                        name: "Device.B".into(),
                        notification: None,
                        access_list: Some(vec!["Subscriber".into()]),
                    },
                ],
            },
            "<cwmp:SetParameterAttributes><ParameterList soap-enc:arrayType=\"cwmp:SetParameterAttributesStruct[2]\">\
             <SetParameterAttributesStruct><Name>Device.A</Name><NotificationChange>1</NotificationChange>\
             <Notification>2</Notification><AccessListChange>0</AccessListChange>\
             <AccessList soap-enc:arrayType=\"xsd:string[0]\"></AccessList></SetParameterAttributesStruct>\
             <SetParameterAttributesStruct><Name>Device.B</Name><NotificationChange>0</NotificationChange>\
             <Notification>0</Notification><AccessListChange>1</AccessListChange>\
             <AccessList soap-enc:arrayType=\"xsd:string[1]\"><string>Subscriber</string></AccessList>\
             </SetParameterAttributesStruct></ParameterList></cwmp:SetParameterAttributes>",
        ),
        (
            AcsRequest::AddObject { object_name: "Device.B.".into(), parameter_key: String::new() },
            "<cwmp:AddObject><ObjectName>Device.B.</ObjectName><ParameterKey></ParameterKey></cwmp:AddObject>",
        ),
        (
            AcsRequest::DeleteObject { object_name: "Device.B.1.".into(), parameter_key: "k".into() },
            "<cwmp:DeleteObject><ObjectName>Device.B.1.</ObjectName><ParameterKey>k</ParameterKey></cwmp:DeleteObject>",
        ),
        (AcsRequest::Reboot { command_key: String::new() }, "<cwmp:Reboot><CommandKey></CommandKey></cwmp:Reboot>"),
        (
            AcsRequest::Download(Download {
                command_key: "k".into(),
                file_type: "1 Firmware Upgrade Image".into(),
                url: "http://files.example/f?a=1&b=2".into(),
                file_size: 9,
                target_file_name: "f.bin".into(),
                ..Download::default()
            }),
            "<cwmp:Download><CommandKey>k</CommandKey><FileType>1 Firmware Upgrade Image</FileType>\
             <URL>http://files.example/f?a=1&amp;b=2</URL><Username></Username><Password></Password><FileSize>9</FileSize>\
             <TargetFileName>f.bin</TargetFileName><DelaySeconds>0</DelaySeconds><SuccessURL></SuccessURL>\
             <FailureURL></FailureURL></cwmp:Download>",
        ),
    ]
}

#[test]
fn every_request_has_all_its_arguments_in_the_schemas_order() {
    for (message, expected) in requests() {
        assert_eq!(body(&request(&message)), expected);
    }
}

#[test]
fn every_envelope_is_in_the_house_style() {
    let mut documents: Vec<String> = requests().iter().map(|(message, _)| request(message)).collect();
    let namespace = CwmpNamespace::V1_0;
    documents.push(written(|out| write_inform_response(out, namespace, "1a&b")));
    documents.push(written(|out| write_inform_response_with_version(out, namespace, "1a&b", "1.4")));
    documents.push(written(|out| write_empty_response(out, namespace, "1a&b", "TransferComplete")));
    documents.push(written(|out| write_get_rpc_methods_response(out, namespace, "1a&b", false)));
    documents.push(written(|out| write_fault(out, namespace, "1a&b", FaultCode::RequestDenied, "no <b>")));
    documents.push(written(|out| write_must_understand_fault(out, namespace, "1a&b", "Secret")));
    for document in &documents {
        assert!(document.starts_with("<soap-env:Envelope "), "no XML declaration: {document}");
        assert!(!document.contains('\n') && !document.contains("> <"), "no white space: {document}");
        let tree = roxmltree::Document::parse(document).unwrap();
        let root = tree.root_element();
        for (prefix, uri) in [("soap-env", SOAP), ("soap-enc", SOAP_ENCODING), ("xsi", XSI), ("cwmp", CWMP)] {
            assert_eq!(root.lookup_namespace_uri(Some(prefix)), Some(uri));
        }
        assert_eq!(root.lookup_namespace_uri(Some("xsd")), Some("http://www.w3.org/2001/XMLSchema"));
        let id = root.descendants().find(|node| node.has_tag_name((CWMP, "ID"))).unwrap();
        assert_eq!((id.text(), id.attribute((SOAP, "mustUnderstand"))), (Some("1a&b"), Some("1")));
        assert!(id.parent().unwrap().has_tag_name((SOAP, "Header")));
        let rpc = root.last_element_child().unwrap();
        assert!(rpc.has_tag_name((SOAP, "Body")));
        assert_eq!(rpc.children().filter(|node| node.is_element()).count(), 1);
        for array in root.descendants() {
            if let Some(array_type) = array.attribute((SOAP_ENCODING, "arrayType")) {
                let count = array.children().filter(|node| node.is_element()).count();
                assert!(array_type.ends_with(&format!("[{count}]")), "{array_type} with {count} elements");
            }
        }
        let values = root.descendants().filter(|node| node.has_tag_name("Value"));
        assert!(values.into_iter().all(|value| value.has_attribute((XSI, "type"))));
    }
}

#[test]
fn answers_use_the_namespace_of_the_session() {
    for namespace in CwmpNamespace::ALL {
        let document = written(|out| write_inform_response(out, namespace, "1"));
        let tree = roxmltree::Document::parse(&document).unwrap();
        assert!(tree.descendants().any(|node| node.has_tag_name((namespace.uri(), "InformResponse"))));
    }
}

#[test]
fn answers_to_calls() {
    let namespace = CwmpNamespace::V1_2;
    let cases = [
        (
            written(|out| write_inform_response(out, namespace, "1")),
            "<cwmp:InformResponse><MaxEnvelopes>1</MaxEnvelopes></cwmp:InformResponse>",
        ),
        (
            written(|out| write_empty_response(out, namespace, "1", "TransferComplete")),
            "<cwmp:TransferCompleteResponse/>",
        ),
        (
            written(|out| write_kicked_response(out, namespace, "1", "http://portal.example/?a=1&b=2")),
            "<cwmp:KickedResponse><NextURL>http://portal.example/?a=1&amp;b=2</NextURL></cwmp:KickedResponse>",
        ),
        (
            written(|out| write_get_rpc_methods_response(out, namespace, "1", false)),
            "<cwmp:GetRPCMethodsResponse><MethodList soap-enc:arrayType=\"xsd:string[7]\"><string>Inform</string>\
             <string>GetRPCMethods</string><string>TransferComplete</string><string>AutonomousTransferComplete</string>\
             <string>RequestDownload</string><string>DUStateChangeComplete</string>\
             <string>AutonomousDUStateChangeComplete</string></MethodList></cwmp:GetRPCMethodsResponse>",
        ),
        (
            written(|out| write_must_understand_fault(out, namespace, "1", "Secret")),
            "<soap-env:Fault><faultcode>soap-env:MustUnderstand</faultcode>\
             <faultstring>Secret is not understood</faultstring></soap-env:Fault>",
        ),
    ];
    for (document, expected) in cases {
        assert_eq!(body(&document), expected);
    }
    let versioned = written(|out| write_inform_response_with_version(out, namespace, "1", "1.4"));
    let header =
        "</cwmp:ID><cwmp:UseCWMPVersion soap-env:mustUnderstand=\"1\">1.4</cwmp:UseCWMPVersion></soap-env:Header>";
    assert!(versioned.contains(header), "{versioned}");
}

#[test]
fn faults_name_the_party_at_fault() {
    for (code, number) in FaultCode::ALL.into_iter().zip(8000_u16..) {
        assert_eq!(code.number(), number);
        let document = written(|out| write_fault(out, CwmpNamespace::V1_0, "1", code, code.text()));
        let party = if number == 8003 { "Client" } else { "Server" };
        let expected = format!(
            "<soap-env:Fault><faultcode>{party}</faultcode><faultstring>CWMP fault</faultstring><detail><cwmp:Fault>\
             <FaultCode>{number}</FaultCode><FaultString>{}</FaultString></cwmp:Fault></detail></soap-env:Fault>",
            code.text()
        );
        assert_eq!(body(&document), expected);
        let Message::Fault(fault) = parse(&document).unwrap().body else { panic!("not a fault") };
        assert_eq!((fault.code, fault.message.as_str()), (number.to_string(), code.text()));
    }
}

#[test]
fn values_look_as_the_options_say() {
    let literal = WriteOptions::default();
    let terse = WriteOptions { boolean_literal: false, datetime_milliseconds: false };
    let cases: [(Value, XsdType, &str, &str); 9] = [
        (true.into(), XsdType::Boolean, "true", "1"),
        (false.into(), XsdType::Boolean, "false", "0"),
        ("true".into(), XsdType::Boolean, "true", "true"),
        (true.into(), XsdType::String, "true", "true"),
        (1_714_979_289_250.into(), XsdType::DateTime, "2024-05-06T07:08:09.250Z", "2024-05-06T07:08:09Z"),
        ((-1).into(), XsdType::DateTime, "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59Z"),
        (UNKNOWN_TIME.into(), XsdType::DateTime, "0001-01-01T00:00:00.000Z", "0001-01-01T00:00:00Z"),
        ("soon".into(), XsdType::DateTime, "soon", "soon"),
        ((-5).into(), XsdType::Int, "-5", "-5"),
    ];
    for (value, xsd_type, in_full, in_short) in cases {
        for (options, expected) in [(literal, in_full), (terse, in_short)] {
            let list = vec![("A".to_owned(), TypedValue(value.clone(), xsd_type.clone()))];
            let document = request_with(&set_values(list), &options);
            assert!(document.contains(&format!("\">{expected}</Value>")), "{value:?} as {xsd_type}: {document}");
        }
    }
}

#[test]
fn characters_that_xml_cannot_hold_are_not_sent() {
    let mut out = String::new();
    push_text(&mut out, "\0a\u{1}\t\n\r\u{b}<>&\"'\u{fffe}é😀\u{ffff}");
    assert_eq!(out, "a\t\n&#13;&lt;&gt;&amp;&quot;'é😀");
}

/// A request to set values, turned into the response in which a device would report them.
fn reported(list: &[(String, TypedValue)]) -> String {
    request(&set_values(list.to_vec())).replace("cwmp:SetParameterValues>", "cwmp:GetParameterValuesResponse>")
}

fn typed_value() -> impl Strategy<Value = TypedValue> {
    let text = "[ -~\t\n\ré😀\u{a0}\u{2028}<>&\"']{0,20}";
    let text_types = prop_oneof![
        Just(XsdType::String),
        Just(XsdType::Base64),
        Just(XsdType::HexBinary),
        Just(XsdType::UnsignedLong),
        Just(XsdType::Other("object".into())),
    ];
    // The years that four digits can hold.
    let times = UNKNOWN_TIME..253_402_300_800_000_i64;
    prop_oneof![
        (text, text_types).prop_map(|(text, xsd_type)| TypedValue(Value::Text(text), xsd_type)),
        any::<bool>().prop_map(|value| TypedValue(Value::Bool(value), XsdType::Boolean)),
        any::<i64>().prop_map(|value| TypedValue(Value::Int(value), XsdType::Int)),
        any::<u32>().prop_map(|value| TypedValue(Value::Int(value.into()), XsdType::UnsignedInt)),
        times.prop_map(|value| TypedValue(Value::Int(value), XsdType::DateTime)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values_survive_the_way_there_and_back(values in prop::collection::vec(typed_value(), 0..40)) {
        let list: Vec<_> = values.into_iter().enumerate().map(|(index, value)| (format!("Device.{index}.É&<"), value)).collect();
        let envelope = parse(&reported(&list)).unwrap();
        prop_assert_eq!(envelope.repairs, []);
        prop_assert_eq!(envelope.body, Message::Response(CpeResponse::GetParameterValuesResponse(list)));
    }

    #[test]
    fn whatever_is_written_is_well_formed(texts in prop::array::uniform4(any::<String>())) {
        let [id, name, value, xsd_type] = texts;
        let list = vec![(name, TypedValue(Value::Text(value.clone()), XsdType::Other(xsd_type.into())))];
        let mut document = String::new();
        write_request(&mut document, CwmpNamespace::V1_0, &id, &set_values(list), &WriteOptions::default());
        let tree = roxmltree::Document::parse(&document).unwrap();
        let sent = tree.descendants().find(|node| node.has_tag_name("Value")).unwrap().text().unwrap_or_default().to_owned();
        let allowed = |it: &char| !matches!(it, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
        prop_assert_eq!(sent, value.chars().filter(allowed).collect::<String>());
    }
}
