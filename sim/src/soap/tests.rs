//! What is written reads back, and what the ACS sends is decoded and judged.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::model::Identity;
use crate::value::{Value, XsdType};
use crate::xml::Element;

const NAMESPACE: &str = "urn:dslforum-org:cwmp-1-2";

/// An envelope as an ACS in good style writes it.
fn from_acs(body: &str) -> String {
    format!(
        "<soap-env:Envelope xmlns:soap-env=\"{ENVELOPE_NAMESPACE}\" xmlns:soap-enc=\"http://schemas.xmlsoap.org/soap/encoding/\" \
         xmlns:xsi=\"i\" xmlns:xsd=\"d\" xmlns:cwmp=\"{NAMESPACE}\"><soap-env:Header>\
         <cwmp:ID soap-env:mustUnderstand=\"1\">id-7</cwmp:ID></soap-env:Header><soap-env:Body>{body}</soap-env:Body></soap-env:Envelope>"
    )
}

fn decode(body: &str) -> (Result<Request, String>, Vec<String>) {
    let mut incoming = Incoming::parse(&from_acs(body)).unwrap();
    let request = incoming.request().map_err(|error| error.to_string());
    (request, incoming.violations)
}

fn body_of(document: &str) -> Element {
    let envelope = Element::parse(document).unwrap();
    envelope.child("Body").unwrap().children[0].clone()
}

#[test]
fn requests_are_decoded_with_all_arguments() {
    let (request, violations) = decode(
        "<cwmp:SetParameterValues><ParameterList soap-enc:arrayType=\"cwmp:ParameterValueStruct[1]\">\
         <ParameterValueStruct><Name>Device.A</Name><Value xsi:type=\"xsd:string\"> a&amp;b </Value></ParameterValueStruct>\
         </ParameterList><ParameterKey>k</ParameterKey></cwmp:SetParameterValues>",
    );
    let expected = Request::SetParameterValues {
        parameter_list: vec![ParameterValue {
            name: "Device.A".into(),
            value: " a&b ".into(),
            xsi_type: Some("xsd:string".into()),
        }],
        parameter_key: "k".into(),
    };
    assert_eq!(request.unwrap(), expected);
    assert_eq!(violations, Vec::<String>::new());

    let (request, _) = decode(
        "<cwmp:Download><CommandKey>c</CommandKey><FileType>1 Firmware Upgrade Image</FileType><URL>http://h/f</URL>\
         <Username>u</Username><Password>p</Password><FileSize>12</FileSize><TargetFileName>t</TargetFileName>\
         <DelaySeconds>3</DelaySeconds><SuccessURL/><FailureURL/></cwmp:Download>",
    );
    let Request::Transfer(transfer) = request.unwrap() else {
        panic!("not a transfer");
    };
    assert_eq!((transfer.file_size, transfer.delay_seconds, transfer.upload), (12, 3, false));
    assert_eq!((transfer.username.as_str(), transfer.target_file_name.as_str()), ("u", "t"));

    let (request, _) = decode(
        "<cwmp:SetParameterAttributes><ParameterList soap-enc:arrayType=\"x[1]\"><SetParameterAttributesStruct>\
         <Name>Device.A</Name><NotificationChange>true</NotificationChange><Notification>2</Notification>\
         <AccessListChange>0</AccessListChange><AccessList soap-enc:arrayType=\"xsd:string[0]\"/>\
         </SetParameterAttributesStruct></ParameterList></cwmp:SetParameterAttributes>",
    );
    let expected = AttributeChange { name: "Device.A".into(), notification: Some(2), access_list: None };
    assert_eq!(request.unwrap(), Request::SetParameterAttributes { parameter_list: vec![expected] });
}

#[test]
fn missing_and_wrong_arguments_are_named() {
    let table = [
        ("<cwmp:GetParameterNames><NextLevel>1</NextLevel></cwmp:GetParameterNames>", "ParameterPath"),
        ("<cwmp:GetParameterNames><ParameterPath/><NextLevel>yes</NextLevel></cwmp:GetParameterNames>", "NextLevel"),
        ("<cwmp:GetParameterValues/>", "ParameterNames"),
        ("<cwmp:SetParameterValues><ParameterList/></cwmp:SetParameterValues>", "ParameterKey"),
        ("<cwmp:AddObject><ParameterKey/></cwmp:AddObject>", "ObjectName"),
        ("<cwmp:Reboot/>", "CommandKey"),
        ("<cwmp:ScheduleInform><DelaySeconds>-1</DelaySeconds><CommandKey/></cwmp:ScheduleInform>", "DelaySeconds"),
    ];
    for (body, argument) in table {
        let message = decode(body).0.unwrap_err();
        assert!(message.contains(argument), "{body}: {message}");
    }
}

#[test]
fn deviations_of_the_acs_are_listed() {
    let names = |attribute: &str| {
        format!(
            "<cwmp:GetParameterValues><ParameterNames{attribute}><string>A</string></ParameterNames></cwmp:GetParameterValues>"
        )
    };
    let (_, violations) = decode(&names(""));
    assert_eq!(violations, ["GetParameterValues: ParameterNames has no arrayType"]);
    let (_, violations) = decode(&names(" soap-enc:arrayType=\"xsd:string[2]\""));
    assert!(violations[0].contains("1 items but arrayType"), "{violations:?}");
    let (_, violations) = decode(&names(" soap-enc:arrayType=\"xsd:string[1]\""));
    assert!(violations.is_empty());

    let bare = "<Envelope><Body><x:Reboot><CommandKey/></x:Reboot></Body></Envelope>";
    let incoming = Incoming::parse(bare).unwrap();
    assert_eq!(incoming.violations.len(), 2, "{:?}", incoming.violations);
    assert_eq!(incoming.namespace, None);
}

#[test]
fn messages_without_envelope_body_or_rpc_are_refused() {
    for text in ["", "<a/>", "<Envelope/>", "<Envelope><Body/></Envelope>", "<Envelope><Body>"] {
        assert!(Incoming::parse(text).is_err(), "{text}");
    }
}

proptest::proptest! {
    /// Whatever comes, reading it ends with a message or an error.
    #[test]
    fn any_text_is_read_or_refused(text in "(<[a-z:/ ='\"]{0,12}>|[ -~]{0,8}|&[a-z#0-9]{0,5};){0,24}") {
        if let Ok(mut incoming) = Incoming::parse(&text) {
            let _ = incoming.request();
        }
    }

    /// A Body with any element of any shape is decoded or refused with the element's name.
    #[test]
    fn any_rpc_is_decoded_or_refused_by_name(
        rpc in "(GetParameterNames|SetParameterValues|Download|AddObject|SetParameterAttributes|[A-Z][a-z]{1,8})",
        fields in proptest::collection::vec(("(Name|Value|ParameterList|NextLevel|URL|x)", "[ -%'-;=?-~]{0,6}"), 0..6),
    ) {
        let content: String = fields.iter().map(|(name, text)| format!("<{name}>{text}</{name}>")).collect();
        match decode(&format!("<cwmp:{rpc}>{content}</cwmp:{rpc}>")).0 {
            Ok(request) => proptest::prop_assert_eq!(request.rpc(), rpc),
            Err(message) => proptest::prop_assert!(message.starts_with(&rpc), "{}", message),
        }
    }
}

#[test]
fn faults_of_the_acs_are_read_with_and_without_detail() {
    let with = from_acs(
        "<soap-env:Fault><faultcode>Server</faultcode><faultstring>CWMP fault</faultstring><detail><cwmp:Fault>\
         <FaultCode>8005</FaultCode><FaultString>Retry</FaultString></cwmp:Fault></detail></soap-env:Fault>",
    );
    assert_eq!(Incoming::parse(&with).unwrap().fault(), Some((8005, "Retry".into())));
    let without = from_acs("<soap-env:Fault><faultstring>odd</faultstring></soap-env:Fault>");
    assert_eq!(Incoming::parse(&without).unwrap().fault(), Some((0, "odd".into())));
}

#[test]
fn an_inform_has_all_arguments_in_schema_order() {
    let identity = Identity::default();
    let value = Value::new("1 < 2", XsdType::String);
    let events = [Event::from("1 BOOT"), Event::with_key("M Reboot", "k")];
    let mut writer = Writer::new(NAMESPACE, Some("5"));
    writer.supported_versions = Some("1.0,1.4");
    writer.session_timeout = Some(60);
    let document = writer.inform(&Inform {
        identity: &identity,
        events: &events,
        current_time: "2026-01-02T03:04:05Z".into(),
        retry_count: 2,
        parameters: vec![("Device.A", &value)],
    });
    let inform = body_of(&document);
    let order: Vec<&str> = inform.children.iter().map(|child| child.name.as_str()).collect();
    assert_eq!(order, ["DeviceId", "Event", "MaxEnvelopes", "CurrentTime", "RetryCount", "ParameterList"]);
    let events = inform.child("Event").unwrap();
    assert_eq!(events.attribute("arrayType"), Some("cwmp:EventStruct[2]"));
    assert_eq!(events.children[1].child_text("CommandKey"), Some("k"));
    let parameter = &inform.child("ParameterList").unwrap().children[0];
    assert_eq!(parameter.child_text("Value"), Some("1 < 2"));
    let envelope = Element::parse(&document).unwrap();
    let header = envelope.child("Header").unwrap();
    assert_eq!(header.child_text("ID"), Some("5"));
    assert_eq!(header.child_text("SupportedCWMPVersions"), Some("1.0,1.4"));
    assert_eq!(header.child_text("SessionTimeout"), Some("60"));
}

#[test]
fn a_fault_carries_its_parameter_faults() {
    let fault = Fault::parameters(vec![("Device.A".into(), 9008), ("Device.B".into(), 9005)]);
    let body = body_of(&Writer::new(NAMESPACE, None).fault(&fault));
    let detail = body.child("detail").unwrap().child("Fault").unwrap();
    assert_eq!(detail.child_text("FaultCode"), Some("9003"));
    let entries: Vec<_> = detail
        .children
        .iter()
        .filter(|child| child.name == "SetParameterValuesFault")
        .map(|child| (child.child_text("ParameterName").unwrap(), child.child_text("FaultCode").unwrap()))
        .collect();
    assert_eq!(entries, [("Device.A", "9008"), ("Device.B", "9005")]);
    let bare = body_of(&Writer::new(NAMESPACE, None).fault_without_detail());
    assert_eq!(bare.child("detail"), None);
}

#[test]
fn untyped_style_has_neither_types_nor_array_types() {
    let mut writer = Writer::new(NAMESPACE, None);
    writer.style.untyped = true;
    let value = Value::new("x", XsdType::String);
    let document = writer.parameter_values(&[("Device.A", &value)]);
    assert!(!document.contains("arrayType") && !document.contains("xsi:type"));
}
