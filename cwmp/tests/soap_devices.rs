//! Messages in the manners of real devices, and what they say: `fixtures/` has one file for each habit.

#![allow(clippy::unwrap_used)]

use acs_core::rpc::*;
use acs_core::value::{TypedValue, Value, XsdType};
use cwmp::soap::{CwmpNamespace, Envelope, Message, ParseOptions, Repair, parse, parse_with};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("fixtures/", $name, ".xml"))
    };
}

/// 2024-05-06T07:08:09Z
const MORNING: i64 = 1_714_979_289_000;

fn device_id(product_class: &str, serial_number: &str) -> DeviceIdStruct {
    DeviceIdStruct {
        manufacturer: "ExampleCorp".into(),
        oui: "0A1B2C".into(),
        product_class: product_class.into(),
        serial_number: serial_number.into(),
    }
}

fn event(code: &str, command_key: &str) -> Event {
    Event { code: code.into(), command_key: command_key.into() }
}

fn string(name: &str, value: &str) -> (String, TypedValue) {
    (name.into(), TypedValue::string(value))
}

fn typed(name: &str, value: impl Into<Value>, xsd_type: XsdType) -> (String, TypedValue) {
    (name.into(), TypedValue(value.into(), xsd_type))
}

/// The envelope that a device without quirks would have sent.
fn envelope(namespace: CwmpNamespace, id: &str, body: Message) -> Envelope {
    Envelope {
        namespace,
        id: Some(id.into()),
        session_timeout: None,
        hold_requests: false,
        no_more_requests: false,
        supported_cwmp_versions: None,
        not_understood: None,
        body,
        repairs: Vec::new(),
    }
}

fn inform(device_id: DeviceIdStruct, events: &[Event], parameter_list: Vec<(String, TypedValue)>) -> Inform {
    let events = events.to_vec();
    Inform { device_id, events, max_envelopes: 1, current_time: Some(MORNING), retry_count: 0, parameter_list }
}

fn from_inform(inform: Inform) -> Message {
    Message::Request(CpeRequest::Inform(inform))
}

fn fault(code: &str, message: &str, entries: &[(&str, &str, &str)]) -> Message {
    let entry = |(parameter_name, code, message): &(&str, &str, &str)| SetParameterValuesFault {
        parameter_name: (*parameter_name).into(),
        code: (*code).into(),
        message: (*message).into(),
    };
    Message::Fault(CpeFault {
        code: code.into(),
        message: message.into(),
        set_parameter_values_faults: entries.iter().map(entry).collect(),
    })
}

#[track_caller]
fn assert_reads(document: &str, expected: Envelope) {
    assert_eq!(parse(document).unwrap(), expected);
}

#[test]
fn tags_over_several_lines_and_a_blank_before_the_root() {
    let events = [event("7 TRANSFER COMPLETE", ""), event("M Download", "firmware-42"), event("1 BOOT", "")];
    let parameters = vec![
        string("InternetGatewayDevice.DeviceInfo.SoftwareVersion", "3.1.4"),
        string("InternetGatewayDevice.ManagementServer.ParameterKey", ""),
    ];
    let message = from_inform(inform(device_id("Gate 1", "EX000001"), &events, parameters));
    assert_reads(fixture!("inform-attributes-on-lines"), envelope(CwmpNamespace::V1_2, "7", message));
}

#[test]
fn an_inform_without_events_and_product_class() {
    let message = Inform { retry_count: 3, ..inform(device_id("", "EX000002"), &[], vec![]) };
    assert_reads(fixture!("inform-no-events"), envelope(CwmpNamespace::V1_1, "8", from_inform(message)));
}

#[test]
fn schema_namespaces_of_1999_types_everywhere_and_a_time_without_zone() {
    let identity = DeviceIdStruct { oui: "0a1b2c".into(), ..device_id("Old-Box", "EX000003") };
    let parameters = vec![string("InternetGatewayDevice.DeviceInfo.SpecVersion", "V1.0")];
    let message = inform(identity, &[event("0 BOOTSTRAP", "")], parameters);
    assert_reads(fixture!("inform-1999-schema"), envelope(CwmpNamespace::V1_0, "1", from_inform(message)));
}

#[test]
fn counts_with_zeros_in_front_and_references_of_every_kind() {
    let identity = DeviceIdStruct { manufacturer: "Example & Sons".into(), ..device_id("Box", "EX-000004") };
    let parameters = vec![
        string("InternetGatewayDevice.DeviceInfo.ProvisioningCode", "a<b && \"c' d>e ü ü"),
        typed("InternetGatewayDevice.ManagementServer.PeriodicInformInterval", 300, XsdType::UnsignedInt),
    ];
    let message = Inform {
        retry_count: 1,
        ..inform(identity, &[event("4 VALUE CHANGE", ""), event("2 PERIODIC", "")], parameters)
    };
    assert_reads(fixture!("inform-padded-counts"), envelope(CwmpNamespace::V1_0, "2", from_inform(message)));
}

#[test]
fn no_white_space_and_a_wrong_count() {
    let parameters = vec![
        typed("Device.DeviceInfo.UpTime", 0, XsdType::UnsignedInt),
        string("Device.DeviceInfo.ProvisioningCode", ""),
        typed("Device.DeviceInfo.FirstUseDate", UNKNOWN_TIME, XsdType::DateTime),
    ];
    let message = Inform {
        current_time: Some(MORNING + 250),
        ..inform(device_id("Sim", "EX000005"), &[event("2 PERIODIC", "")], parameters)
    };
    assert_reads(fixture!("inform-compact-wrong-count"), envelope(CwmpNamespace::V1_0, "k3x9", from_inform(message)));
}

#[test]
fn an_envelope_in_no_namespace_reverse_order_and_no_header() {
    let parameters = vec![string("Device.DeviceInfo.HardwareVersion", "7")];
    let message = inform(device_id("Py", "EX000006"), &[event("1 BOOT", "")], parameters);
    let repairs = vec![Repair::MissingElement("CommandKey"), Repair::MissingElement("RetryCount"), Repair::MissingID];
    let expected = Envelope { id: None, repairs, ..envelope(CwmpNamespace::V1_0, "", from_inform(message)) };
    assert_reads(fixture!("inform-envelope-without-namespace"), expected);
}

#[test]
fn no_types_no_counts_no_command_keys() {
    let message = Inform {
        max_envelopes: 0,
        current_time: Some(MORNING + 123),
        ..inform(
            device_id("Femto", "EX000007"),
            &[event("6 REQUEST", "")],
            vec![string("Device.ManagementServer.URL", "http://acs.example/?a=1&b=2")],
        )
    };
    let repairs = vec![Repair::MissingElement("CommandKey")];
    let expected = Envelope { repairs, ..envelope(CwmpNamespace::V1_0, "00001", from_inform(message)) };
    assert_reads(fixture!("inform-untyped"), expected);
}

#[test]
fn default_namespace_byte_order_mark_cdata_comments_and_foreign_elements() {
    let identity = DeviceIdStruct { manufacturer: "Example & <Corp>".into(), ..device_id("Boxes", "EX000008") };
    let parameters = vec![
        typed("Device.WiFi.Radio.1.Enable", true, XsdType::Boolean),
        string("Device.WiFi.SSID.1.SSID", "  two  blanks  "),
    ];
    let message = inform(identity, &[event("X 0A1B2C Example", " kept ")], parameters);
    assert_reads(fixture!("inform-default-namespace"), envelope(CwmpNamespace::V1_3, "9", from_inform(message)));
}

#[test]
fn the_headers_of_newer_versions() {
    let message = Inform {
        current_time: Some(UNKNOWN_TIME),
        ..inform(device_id("New", "EX000009"), &[event("14 HEARTBEAT", "")], vec![])
    };
    let expected = Envelope {
        session_timeout: Some(40),
        no_more_requests: true,
        supported_cwmp_versions: Some("1.4,1.3,1.2,1.1,1.0".into()),
        ..envelope(CwmpNamespace::V1_4, "11", from_inform(message))
    };
    assert_reads(fixture!("inform-version-headers"), expected);
}

#[test]
fn a_transfer_is_complete() {
    let succeeded = TransferComplete {
        command_key: "firmware-42".into(),
        fault: None,
        start_time: MORNING + 100,
        complete_time: MORNING + 1200,
    };
    let message = Message::Request(CpeRequest::TransferComplete(succeeded));
    assert_reads(fixture!("transfer-complete-fault-last"), envelope(CwmpNamespace::V1_0, "q8", message));

    let failed = TransferComplete {
        command_key: "firmware-43".into(),
        fault: Some(CpeFault {
            code: "9001".into(),
            message: "Request denied".into(),
            set_parameter_values_faults: vec![],
        }),
        start_time: UNKNOWN_TIME,
        complete_time: UNKNOWN_TIME,
    };
    let message = Message::Request(CpeRequest::TransferComplete(failed));
    let repairs = vec![Repair::UnreadableElement("StartTime"), Repair::UnreadableElement("CompleteTime")];
    let expected = Envelope { repairs, ..envelope(CwmpNamespace::V1_0, "3", message) };
    assert_reads(fixture!("transfer-complete-failed"), expected);
}

#[test]
fn faults_wherever_their_details_are() {
    let entries = [("Device.DeviceInfo.SerialNumber", "9008", "Not writable"), ("Device.Absent", "9005", "")];
    let message = fault("9003", "Invalid arguments", &entries);
    assert_reads(fixture!("fault-set-parameter-values"), envelope(CwmpNamespace::V1_0, "5f01", message));

    let misplaced = vec![Repair::MisplacedFaultDetail];
    let entries = [("InternetGatewayDevice.ManagementServer.URL", "9007", "Invalid value")];
    let message = fault("9003", "Invalid arguments", &entries);
    let expected = Envelope { repairs: misplaced.clone(), ..envelope(CwmpNamespace::V1_0, "5f02", message) };
    assert_reads(fixture!("fault-inside-faultstring"), expected);

    let message = fault("Server", "out of memory", &[]);
    let expected = Envelope { repairs: misplaced, ..envelope(CwmpNamespace::V1_2, "5f04", message) };
    assert_reads(fixture!("fault-without-detail"), expected);
}

#[test]
fn an_undeclared_prefix_is_refused_unless_allowed() {
    let document = fixture!("malformed-undeclared-prefix");
    let reason = parse(document).unwrap_err().to_string();
    assert_eq!(reason, "the prefix of <soap:Fault> is not declared (line 2, column 219)");

    let tolerant = ParseOptions { allow_undeclared_prefixes: true };
    let message = fault("9008", "cannot set Device.X, Device.Y", &[]);
    let repairs = vec![Repair::UndeclaredPrefix("soap:Fault".into())];
    let expected = Envelope { repairs, ..envelope(CwmpNamespace::V1_0, "5f03", message) };
    assert_eq!(parse_with(document, &tolerant).unwrap(), expected);
}

#[test]
fn malformed_documents_are_refused_with_place_and_reason() {
    let cases = [
        (fixture!("malformed-unescaped-text"), "line 10, column 9", "not closed"),
        (fixture!("malformed-cut-off"), "line 1, column ", "not closed"),
    ];
    for (document, place, reason) in cases {
        let text = parse(document).unwrap_err().to_string();
        assert!(text.starts_with(&format!("malformed XML at {place}")) && text.contains(reason), "{text}");
    }
}

#[test]
fn the_methods_of_a_device() {
    let methods = vec!["GetRPCMethods".to_owned(), "X_EXAMPLE_Blink".to_owned()];
    let message = Message::Response(CpeResponse::GetRPCMethodsResponse(methods));
    assert_reads(fixture!("get-rpc-methods-response"), envelope(CwmpNamespace::V1_0, "5f05", message));
}

#[test]
fn names_with_every_spelling_of_writable() {
    let info = |name: &str, writable| ParameterInfo { name: name.into(), writable };
    let names = vec![
        info("Device.", false),
        info("Device.WiFi.SSID.", true),
        info("Device.WiFi.SSID.1.Enable", true),
        info("Device.WiFi.SSID.1.Status", false),
        info("Device.X_EXAMPLE_Radio", true),
        info("Device.Time.", false),
    ];
    let message = Message::Response(CpeResponse::GetParameterNamesResponse(names));
    let repairs = vec![Repair::UnreadableElement("Writable"), Repair::MissingElement("Writable")];
    let expected = Envelope { repairs, ..envelope(CwmpNamespace::V1_0, "5f06", message) };
    assert_reads(fixture!("get-parameter-names-response"), expected);
}

#[test]
fn values_of_every_type() {
    let values = vec![
        string("P.String", " a 😀 "),
        string("P.Untyped", "12"),
        string("P.PrefixAlone", "12"),
        typed("P.Int", -7, XsdType::Int),
        typed("P.UnsignedInt", 4_294_967_295, XsdType::UnsignedInt),
        typed("P.UnsignedLong", "18446744073709551615", XsdType::UnsignedLong),
        typed("P.True", true, XsdType::Boolean),
        typed("P.False", false, XsdType::Boolean),
        typed("P.DateTime", MORNING + 500, XsdType::DateTime),
        typed("P.UnknownTime", UNKNOWN_TIME, XsdType::DateTime),
        typed("P.Base64", "AQI=", XsdType::Base64),
        typed("P.Object.", "", XsdType::Other("object".into())),
        typed("P.BadInt", "", XsdType::Int),
        typed("P.BadBoolean", "Enabled", XsdType::Boolean),
        typed("P.BadTime", "yesterday", XsdType::DateTime),
        string("P.NoValue", ""),
        typed("P.Twice", 2, XsdType::Int),
    ];
    let message = Message::Response(CpeResponse::GetParameterValuesResponse(values));
    let repairs = vec![
        Repair::UnreadableValue("P.BadInt".into()),
        Repair::UnreadableValue("P.BadBoolean".into()),
        Repair::UnreadableValue("P.BadTime".into()),
        Repair::MissingValue("P.NoValue".into()),
        Repair::MissingElement("Name"),
        Repair::DuplicateParameter("P.Twice".into()),
    ];
    let expected = Envelope { repairs, ..envelope(CwmpNamespace::V1_0, "5f07", message) };
    assert_reads(fixture!("get-parameter-values-response"), expected);
}

#[test]
fn attributes_with_and_without_access_list() {
    let attributes = |name: &str, notification, access_list: &[&str]| ParameterAttributes {
        name: name.into(),
        notification,
        access_list: access_list.iter().map(|entry| (*entry).to_owned()).collect(),
    };
    let list = vec![
        attributes("Device.A", 2, &["Subscriber"]),
        attributes("Device.B", 0, &[]),
        attributes("Device.C", 0, &[]),
    ];
    let message = Message::Response(CpeResponse::GetParameterAttributesResponse(list));
    let repairs = vec![Repair::MissingElement("Notification"), Repair::MissingElement("AccessList")];
    let expected = Envelope { repairs, ..envelope(CwmpNamespace::V1_2, "5f08", message) };
    assert_reads(fixture!("get-parameter-attributes-response"), expected);
}

#[test]
fn a_response_with_the_content_of_another_one_is_not_taken_for_success() {
    let message = Message::UnknownResponse { name: "SetParameterValuesResponse".into() };
    let expected = envelope(CwmpNamespace::V1_0, "5f09", message);
    assert_reads(fixture!("set-parameter-values-response-with-list"), expected);
}
