//! Transfers, deployment units, schedules, options and vendors' methods: what is sent, what is read, and what is tolerated in it.

#![allow(clippy::unwrap_used)]

use acs_core::rpc::*;
use cwmp::soap::write::write_request;
use cwmp::soap::{CwmpNamespace, Envelope, Message, Repair, SoapError, WriteOptions, parse};

/// What is between the tags of the Body.
fn written(request: &AcsRequest) -> String {
    let mut out = String::new();
    write_request(&mut out, CwmpNamespace::V1_2, "1", request, &WriteOptions::default());
    roxmltree::Document::parse(&out).unwrap();
    let (_, rest) = out.split_once("<soap-env:Body>").unwrap();
    rest.strip_suffix("</soap-env:Body></soap-env:Envelope>").unwrap().to_owned()
}

fn try_read(rpc: &str) -> Result<Envelope, SoapError> {
    parse(&format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:cwmp=\"urn:dslforum-org:cwmp-1-2\">\
         <s:Header><cwmp:ID>1</cwmp:ID></s:Header><s:Body>{rpc}</s:Body></s:Envelope>"
    ))
}

fn read(rpc: &str) -> Envelope {
    try_read(rpc).unwrap()
}

fn window(start: u32, end: u32) -> TimeWindow {
    TimeWindow {
        window_start: start,
        window_end: end,
        window_mode: "1 At Any Time".into(),
        user_message: "a & b".into(),
        max_retries: -1,
    }
}

#[test]
fn every_request_has_all_its_arguments_in_the_schemas_order() {
    let text = str::to_owned;
    let cases = [
        (
            AcsRequest::Upload(Upload {
                command_key: text("k"),
                file_type: text("1 Vendor Configuration File"),
                url: text("http://files.example/u?a=1&b=2"),
                username: text("u"),
                password: text("p"),
                delay_seconds: 5,
            }),
            "<cwmp:Upload><CommandKey>k</CommandKey><FileType>1 Vendor Configuration File</FileType>\
             <URL>http://files.example/u?a=1&amp;b=2</URL><Username>u</Username><Password>p</Password>\
             <DelaySeconds>5</DelaySeconds></cwmp:Upload>",
        ),
        (
            AcsRequest::ScheduleInform { delay_seconds: 60, command_key: text("k") },
            "<cwmp:ScheduleInform><DelaySeconds>60</DelaySeconds><CommandKey>k</CommandKey></cwmp:ScheduleInform>",
        ),
        (
            AcsRequest::ScheduleDownload(ScheduleDownload {
                command_key: text("k"),
                file_type: text("1 Firmware Upgrade Image"),
                url: text("http://files.example/f"),
                time_window_list: vec![window(0, 60), window(3600, 7200)],
                ..ScheduleDownload::default()
            }),
            "<cwmp:ScheduleDownload><CommandKey>k</CommandKey><FileType>1 Firmware Upgrade Image</FileType>\
             <URL>http://files.example/f</URL><Username></Username><Password></Password><FileSize>0</FileSize>\
             <TargetFileName></TargetFileName><TimeWindowList soap-enc:arrayType=\"cwmp:TimeWindowStruct[2]\">\
             <TimeWindowStruct><WindowStart>0</WindowStart><WindowEnd>60</WindowEnd><WindowMode>1 At Any Time</WindowMode>\
             <UserMessage>a &amp; b</UserMessage><MaxRetries>-1</MaxRetries></TimeWindowStruct>\
             <TimeWindowStruct><WindowStart>3600</WindowStart><WindowEnd>7200</WindowEnd>\
             <WindowMode>1 At Any Time</WindowMode><UserMessage>a &amp; b</UserMessage><MaxRetries>-1</MaxRetries>\
             </TimeWindowStruct></TimeWindowList></cwmp:ScheduleDownload>",
        ),
        (
            AcsRequest::CancelTransfer { command_key: text("k") },
            "<cwmp:CancelTransfer><CommandKey>k</CommandKey></cwmp:CancelTransfer>",
        ),
        (AcsRequest::GetQueuedTransfers, "<cwmp:GetQueuedTransfers></cwmp:GetQueuedTransfers>"),
        (AcsRequest::GetAllQueuedTransfers, "<cwmp:GetAllQueuedTransfers></cwmp:GetAllQueuedTransfers>"),
        (
            AcsRequest::ChangeDUState {
                operations: vec![
                    DUOperation::Install {
                        url: text("http://files.example/d"),
                        uuid: text("i"),
                        username: text("u"),
                        password: text("p"),
                        execution_env_ref: text("Device.SoftwareModules.ExecEnv.1."),
                    },
                    DUOperation::Update {
                        uuid: text("i"),
                        version: text("1.0"),
                        url: String::new(),
                        username: String::new(),
                        password: String::new(),
                    },
                    DUOperation::Uninstall { uuid: text("i"), version: text("2.0"), execution_env_ref: String::new() },
                ],
                command_key: text("k"),
            },
            "<cwmp:ChangeDUState><Operations xsi:type=\"cwmp:InstallOpStruct\"><URL>http://files.example/d</URL>\
             <UUID>i</UUID><Username>u</Username><Password>p</Password>\
             <ExecutionEnvRef>Device.SoftwareModules.ExecEnv.1.</ExecutionEnvRef></Operations>\
             <Operations xsi:type=\"cwmp:UpdateOpStruct\"><UUID>i</UUID><Version>1.0</Version><URL></URL>\
             <Username></Username><Password></Password></Operations>\
             <Operations xsi:type=\"cwmp:UninstallOpStruct\"><UUID>i</UUID><Version>2.0</Version>\
             <ExecutionEnvRef></ExecutionEnvRef></Operations><CommandKey>k</CommandKey></cwmp:ChangeDUState>",
        ),
        (
            AcsRequest::SetVouchers { voucher_list: vec![text("QUJD"), text("REVG")] },
            "<cwmp:SetVouchers><VoucherList soap-enc:arrayType=\"xsd:base64[2]\"><base64>QUJD</base64>\
             <base64>REVG</base64></VoucherList></cwmp:SetVouchers>",
        ),
        (
            AcsRequest::GetOptions { option_name: String::new() },
            "<cwmp:GetOptions><OptionName></OptionName></cwmp:GetOptions>",
        ),
        (
            AcsRequest::Vendor(VendorRequest {
                method: text("X_0A1B2C_Probe"),
                arguments: vec![
                    VendorArgument { name: text("Host"), value: VendorValue::Text(text("a<b")) },
                    VendorArgument {
                        name: text("Options"),
                        value: VendorValue::Elements(vec![VendorArgument {
                            name: text("Count"),
                            value: VendorValue::Text(text("3")),
                        }]),
                    },
                ],
            }),
            "<cwmp:X_0A1B2C_Probe><Host>a&lt;b</Host><Options><Count>3</Count></Options></cwmp:X_0A1B2C_Probe>",
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(written(&request), expected);
    }
}

#[test]
fn responses() {
    use CpeResponse as R;
    let missing = |element| vec![Repair::MissingElement(element)];
    let queued = |state, is_download, file_type: &str| QueuedTransfer {
        command_key: "k".into(),
        state,
        is_download,
        file_type: file_type.into(),
        ..QueuedTransfer::default()
    };
    let cases: Vec<(&str, CpeResponse, Vec<Repair>)> = vec![
        (
            "<cwmp:UploadResponse><Status>1</Status><StartTime>0001-01-01T00:00:00Z</StartTime>\
             <CompleteTime>1970-01-01T00:00:01Z</CompleteTime></cwmp:UploadResponse>",
            R::UploadResponse { status: 1, start_time: UNKNOWN_TIME, complete_time: 1000 },
            vec![],
        ),
        (
            "<cwmp:UploadResponse><Status>1</Status></cwmp:UploadResponse>",
            R::UploadResponse { status: 1, start_time: UNKNOWN_TIME, complete_time: UNKNOWN_TIME },
            vec![Repair::MissingElement("StartTime"), Repair::MissingElement("CompleteTime")],
        ),
        ("<cwmp:ScheduleInformResponse/>", R::ScheduleInformResponse, vec![]),
        ("<cwmp:ScheduleDownloadResponse></cwmp:ScheduleDownloadResponse>", R::ScheduleDownloadResponse, vec![]),
        ("<cwmp:CancelTransferResponse/>", R::CancelTransferResponse, vec![]),
        ("<cwmp:ChangeDUStateResponse/>", R::ChangeDUStateResponse, vec![]),
        ("<cwmp:SetVouchersResponse/>", R::SetVouchersResponse, vec![]),
        (
            "<cwmp:GetQueuedTransfersResponse><TransferList><QueuedTransferStruct><CommandKey>k</CommandKey><State>2</State>\
             </QueuedTransferStruct></TransferList></cwmp:GetQueuedTransfersResponse>",
            R::GetQueuedTransfersResponse(vec![queued(2, None, "")]),
            vec![],
        ),
        (
            "<cwmp:GetAllQueuedTransfersResponse><TransferList><AllQueuedTransferStruct><CommandKey>k</CommandKey>\
             <State>1</State><IsDownload>false</IsDownload><FileType>2 Vendor Log File</FileType><FileSize>0</FileSize>\
             <TargetFileName/></AllQueuedTransferStruct></TransferList></cwmp:GetAllQueuedTransfersResponse>",
            R::GetAllQueuedTransfersResponse(vec![queued(1, Some(false), "2 Vendor Log File")]),
            vec![],
        ),
        ("<cwmp:GetQueuedTransfersResponse/>", R::GetQueuedTransfersResponse(vec![]), missing("TransferList")),
        (
            "<cwmp:GetOptionsResponse><OptionList><OptionStruct><OptionName>o</OptionName><VoucherSN>7</VoucherSN>\
             <State>1</State><Mode>2</Mode><StartDate>1970-01-01T00:00:02Z</StartDate><IsTransferable>1</IsTransferable>\
             </OptionStruct></OptionList></cwmp:GetOptionsResponse>",
            R::GetOptionsResponse(vec![OptionStruct {
                option_name: "o".into(),
                voucher_sn: 7,
                state: 1,
                mode: 2,
                start_date: 2000,
                expiration_date: None,
                is_transferable: true,
            }]),
            vec![],
        ),
        (
            "<cwmp:X_0A1B2C_ProbeResponse><Round><Trip>5</Trip></Round>&amp;</cwmp:X_0A1B2C_ProbeResponse>",
            R::VendorResponse {
                name: "X_0A1B2C_ProbeResponse".into(),
                xml: "<Round><Trip>5</Trip></Round>&amp;".into(),
            },
            vec![],
        ),
        (
            "<cwmp:X_0A1B2C_ProbeResponse/>",
            R::VendorResponse { name: "X_0A1B2C_ProbeResponse".into(), xml: String::new() },
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
fn a_vendors_answer_is_kept_up_to_a_limit() {
    let long = "ä".repeat(50_000);
    let envelope = read(&format!("<cwmp:X_LongResponse>{long}</cwmp:X_LongResponse>"));
    let Message::Response(CpeResponse::VendorResponse { xml, .. }) = envelope.body else { panic!("no response") };
    assert_eq!(xml.len(), 65_536);
}

#[test]
fn calls() {
    let fault = |code: &str, message: &str| CpeFault {
        code: code.into(),
        message: message.into(),
        set_parameter_values_faults: Vec::new(),
    };
    let result = OperationResult {
        uuid: "u".into(),
        deployment_unit_ref: "Device.SoftwareModules.DeploymentUnit.1.".into(),
        version: "1".into(),
        current_state: "Installed".into(),
        resolved: true,
        execution_unit_ref_list: "a,b".into(),
        start_time: 1000,
        complete_time: 2000,
        fault: None,
        operation_performed: None,
    };
    let failed = OperationResult {
        uuid: "v".into(),
        current_state: "Failed".into(),
        start_time: UNKNOWN_TIME,
        complete_time: UNKNOWN_TIME,
        fault: Some(fault("9026", "")),
        ..OperationResult::default()
    };
    let result_xml = "<UUID>u</UUID><DeploymentUnitRef>Device.SoftwareModules.DeploymentUnit.1.</DeploymentUnitRef>\
        <Version>1</Version><CurrentState>Installed</CurrentState><Resolved>true</Resolved>\
        <ExecutionUnitRefList>a,b</ExecutionUnitRefList><StartTime>1970-01-01T00:00:01Z</StartTime>\
        <CompleteTime>1970-01-01T00:00:02Z</CompleteTime><Fault><FaultCode>0</FaultCode><FaultString/></Fault>";
    let arguments = (1..=20).map(|number| (format!("n{number}"), format!(" v{number} "))).collect::<Vec<_>>();
    let many: String = arguments
        .iter()
        .map(|(name, value)| format!("<ArgStruct><Name>{name}</Name><Value>{value}</Value></ArgStruct>"))
        .collect();
    let cases = [
        (
            "<cwmp:AutonomousTransferComplete><AnnounceURL>a</AnnounceURL><TransferURL>t</TransferURL>\
             <IsDownload>0</IsDownload><FileType>2 Vendor Log File</FileType><FileSize>9</FileSize>\
             <TargetFileName>f</TargetFileName><FaultStruct><FaultCode>9011</FaultCode><FaultString>no</FaultString>\
             </FaultStruct><StartTime>1970-01-01T00:00:01Z</StartTime><CompleteTime/></cwmp:AutonomousTransferComplete>"
                .to_owned(),
            CpeRequest::AutonomousTransferComplete(AutonomousTransferComplete {
                announce_url: "a".into(),
                transfer_url: "t".into(),
                is_download: false,
                file_type: "2 Vendor Log File".into(),
                file_size: 9,
                target_file_name: "f".into(),
                fault: Some(fault("9011", "no")),
                start_time: 1000,
                complete_time: UNKNOWN_TIME,
            }),
        ),
        (
            format!(
                "<cwmp:DUStateChangeComplete><Results><OpResultStruct>{result_xml}</OpResultStruct><OpResultStruct>\
                 <UUID>v</UUID><CurrentState>Failed</CurrentState><Fault><FaultCode>9026</FaultCode></Fault>\
                 </OpResultStruct></Results><CommandKey>k</CommandKey></cwmp:DUStateChangeComplete>"
            ),
            CpeRequest::DUStateChangeComplete(DUStateChangeComplete {
                command_key: "k".into(),
                results: vec![result.clone(), failed],
            }),
        ),
        (
            format!(
                "<cwmp:AutonomousDUStateChangeComplete><Results><AutonOpResultStruct>{result_xml}\
                 <OperationPerformed>Install</OperationPerformed></AutonOpResultStruct></Results>\
                 </cwmp:AutonomousDUStateChangeComplete>"
            ),
            CpeRequest::AutonomousDUStateChangeComplete(AutonomousDUStateChangeComplete {
                results: vec![OperationResult { operation_performed: Some("Install".into()), ..result }],
            }),
        ),
        (
            format!(
                "<cwmp:RequestDownload><FileType>1 Firmware Upgrade Image</FileType><FileTypeArg>{many}</FileTypeArg>\
                 </cwmp:RequestDownload>"
            ),
            CpeRequest::RequestDownload(RequestDownload {
                file_type: "1 Firmware Upgrade Image".into(),
                file_type_arg: arguments[..16].to_vec(),
            }),
        ),
        (
            "<cwmp:RequestDownload><FileType>2 Web Content</FileType></cwmp:RequestDownload>".to_owned(),
            CpeRequest::RequestDownload(RequestDownload { file_type: "2 Web Content".into(), file_type_arg: vec![] }),
        ),
        (
            "<cwmp:Kicked><Command>c</Command><Referer>r</Referer><Arg> a </Arg><Next>n</Next></cwmp:Kicked>"
                .to_owned(),
            CpeRequest::Kicked(Kicked {
                command: "c".into(),
                referer: "r".into(),
                arg: " a ".into(),
                next: "n".into(),
            }),
        ),
    ];
    for (rpc, expected) in cases {
        assert_eq!(read(&rpc).body, Message::Request(expected), "{rpc}");
    }
}

#[test]
fn calls_without_what_they_are_about_are_invalid() {
    for rpc in [
        "<cwmp:RequestDownload><FileTypeArg/></cwmp:RequestDownload>",
        "<cwmp:DUStateChangeComplete><CommandKey>k</CommandKey></cwmp:DUStateChangeComplete>",
        "<cwmp:AutonomousDUStateChangeComplete/>",
    ] {
        assert!(try_read(rpc).unwrap_err().is_invalid_arguments(), "{rpc}");
    }
}
