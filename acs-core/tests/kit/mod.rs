//! A simulated data model that answers RPCs, and a driver that runs a session against it ([`world`]). No XML, no sockets.
// Each of the tests that share it uses a part.
#![allow(dead_code, unused_imports, clippy::unwrap_used, clippy::expect_used)]

mod world;

pub use world::{Extension, Observer, Visit, World};

use std::collections::{BTreeMap, BTreeSet};

use acs_core::rpc::*;
use acs_core::session::Input;
use acs_core::value::{TypedValue, Value, XsdType};
use serde::Deserialize;

/// A device's data model. Objects end with a dot; an instance's template is what AddObject creates.
#[derive(Debug, Clone, Default)]
pub struct Device {
    pub objects: BTreeMap<String, bool>,
    pub parameters: BTreeMap<String, (bool, TypedValue)>,
    pub attributes: BTreeMap<String, (u8, Vec<String>)>,
    /// Per multi-instance object: parameters of a new instance.
    pub templates: BTreeMap<String, Vec<(String, TypedValue)>>,
    pub next_instance: i64,
    /// The highest instance number that each table ever had, as far as instances were deleted.
    pub highest: BTreeMap<String, i64>,
    pub behaviour: Behaviour,
    pub informs: Vec<String>,
    pub identity: DeviceIdStruct,
}

/// How a device misbehaves.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Answer with this fault to the RPC of this name, when the argument text contains the second string.
    pub faults: Vec<(String, String, String)>,
    /// Refuse values: parameter, code.
    pub refused_values: BTreeMap<String, String>,
    /// Do not name the parameter in the fault of a refused value.
    pub anonymous_refusals: bool,
    /// Acknowledge sets of these but keep the old value.
    pub forgetful: BTreeSet<String>,
    /// Tell these as empty.
    pub hidden: BTreeSet<String>,
    /// Answer AddObject but add nothing.
    pub ignores_add: bool,
    /// Add two instances for one AddObject.
    pub adds_two: bool,
    /// Acknowledge DeleteObject but delete nothing.
    pub ignores_delete: bool,
    /// Leave these out of GetParameterValuesResponse.
    pub unanswered_values: BTreeSet<String>,
    /// Ignore NextLevel and list the whole subtree.
    pub ignores_next_level: bool,
    /// DownloadResponse status.
    #[serde(default = "accepted")]
    pub download_status: u32,
    /// Status of SetParameterValuesResponse, AddObjectResponse and DeleteObjectResponse.
    pub status: u32,
    /// Keep this instead of the value that was set, and acknowledge.
    pub normalised: BTreeMap<String, String>,
    /// Number new instances from the highest that their table ever had, instead of over all tables.
    pub numbers_by_table: bool,
    /// Answer AddObject with this instance number, whatever was added.
    pub announces: Option<i64>,
    /// Leave these names, and what is below them, out of GetParameterNamesResponse.
    pub unlisted: BTreeSet<String>,
    /// List only parameters, not the objects that they are in.
    pub lists_no_objects: bool,
    /// Names that GetParameterNamesResponse has beside those asked for.
    pub further_names: Vec<String>,
    /// Values that GetParameterValuesResponse has beside those asked for.
    pub further_values: Vec<String>,
    /// Leave these out of GetParameterAttributesResponse.
    pub unanswered_attributes: BTreeSet<String>,
    /// Send an empty POST instead of an answer to the RPC of this name.
    pub silent: Option<String>,
    /// Vanish instead of answering the RPC of this name.
    pub vanishes: Option<String>,
    /// Answer the RPC of this name as if it had been a Reboot.
    pub confused: Option<String>,
    /// GetRPCMethodsResponse beside `Inform`.
    pub methods: Vec<String>,
}

/// DownloadResponse: a TransferComplete will follow.
fn accepted() -> u32 {
    1
}

pub fn string(text: &str) -> TypedValue {
    TypedValue::string(text)
}
pub fn unsigned(number: i64) -> TypedValue {
    TypedValue(Value::Int(number), XsdType::UnsignedInt)
}
pub fn boolean(value: bool) -> TypedValue {
    TypedValue(Value::Bool(value), XsdType::Boolean)
}

impl Device {
    /// A model of lines, see [`Device::change`].
    pub fn parse(lines: &str) -> Device {
        let identity = DeviceIdStruct {
            manufacturer: "ExampleCorp".into(),
            oui: "0A1B2C".into(),
            product_class: "Box".into(),
            serial_number: "S1".into(),
        };
        let behaviour = Behaviour { download_status: accepted(), ..Default::default() };
        let mut device = Device { behaviour, identity, next_instance: 100, ..Default::default() };
        device.change(lines);
        device
    }

    /// Takes in lines of a model.
    ///
    /// | line | |
    /// | --- | --- |
    /// | `A.B.C = text`, `A.B.C : text` | a parameter, writable or read-only; values `12u`, `true`, `5:unsignedLong`, else strings |
    /// | `A.B. +` | an object that may grow |
    /// | `A.B.+.C = text` | what a new instance of it has |
    /// | `A.B. =`, `A.B. :` | an object, writable (an instance: may be deleted) or read-only |
    /// | `- A.B.C`, `- A.B.` | is gone |
    ///
    /// Parents are made as read-only objects; numeric segments as deletable instances.
    pub fn change(&mut self, lines: &str) {
        let device = self;
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(gone) = line.strip_prefix("- ") {
                device.objects.retain(|name, _| !name.starts_with(gone));
                device.parameters.retain(|name, _| name != gone && !(gone.ends_with('.') && name.starts_with(gone)));
                continue;
            }
            if let Some(object) = line.strip_suffix(" +") {
                device.add_parents(object);
                device.objects.insert(object.to_owned(), true);
                continue;
            }
            let (path, value, writable) = match line.split_once(" = ") {
                Some((path, value)) => (path, value, true),
                None => {
                    let (path, value) = line.split_once(" : ").unwrap_or((line, ""));
                    (path.trim_end_matches(" :").trim_end_matches(" ="), value, false)
                }
            };
            let writable = writable || line.ends_with(" =");
            if let Some((object, name)) = path.split_once("+.") {
                device.templates.entry(object.to_owned()).or_default().push((name.to_owned(), parse_value(value)));
                continue;
            }
            if path.ends_with('.') {
                device.add_parents(path);
                device.objects.insert(path.to_owned(), writable);
                continue;
            }
            device.add_parents(path);
            device.parameters.insert(path.to_owned(), (writable, parse_value(value)));
        }
    }

    fn add_parents(&mut self, path: &str) {
        let trimmed = path.trim_end_matches('.');
        for (index, _) in trimmed.match_indices('.') {
            let object = &trimmed[..=index];
            let is_instance =
                object.trim_end_matches('.').rsplit('.').next().is_some_and(|name| name.parse::<u32>().is_ok());
            self.objects.entry(object.to_owned()).or_insert(is_instance);
        }
    }

    pub fn template(mut self, object: &str, parameters: &[(&str, TypedValue)]) -> Device {
        let parameters = parameters.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        self.templates.insert(object.to_owned(), parameters);
        self
    }

    pub fn value(&self, path: &str) -> Option<&Value> {
        self.parameters.get(path).map(|(_, value)| &value.0)
    }

    /// What comes of a request.
    pub fn react(&mut self, request: &AcsRequest) -> Input {
        let is = |name: &Option<String>| name.as_deref() == Some(request.name());
        if is(&self.behaviour.vanishes) {
            return Input::Gone { reason: "the connection was closed".into() };
        }
        if is(&self.behaviour.silent) {
            return Input::Unanswered { reason: "an empty POST came instead".into() };
        }
        if is(&self.behaviour.confused) {
            return Input::Response(CpeResponse::RebootResponse);
        }
        match self.answer(request) {
            Ok(response) => Input::Response(response),
            Err(fault) => Input::Fault(fault),
        }
    }

    pub fn answer(&mut self, request: &AcsRequest) -> Result<CpeResponse, CpeFault> {
        let arguments = describe(request);
        for (rpc, contains, code) in &self.behaviour.faults {
            if rpc == request.name() && arguments.contains(contains.as_str()) {
                return Err(fault(code));
            }
        }
        match request {
            AcsRequest::GetRPCMethods => {
                let methods = ["Inform".to_owned()].into_iter().chain(self.behaviour.methods.clone());
                Ok(CpeResponse::GetRPCMethodsResponse(methods.collect()))
            }
            AcsRequest::GetParameterNames { parameter_path, next_level } => self.names(parameter_path, *next_level),
            AcsRequest::GetParameterValues { parameter_names } => {
                let mut list = Vec::new();
                for name in parameter_names {
                    let Some((_, value)) = self.parameters.get(name) else { return Err(fault("9005")) };
                    if self.behaviour.unanswered_values.contains(name) {
                        continue;
                    }
                    let hidden = self.behaviour.hidden.contains(name);
                    list.push((name.clone(), if hidden { string("") } else { value.clone() }));
                }
                let further = self.behaviour.further_values.iter();
                list.extend(further.filter_map(|name| Some((name.clone(), self.parameters.get(name)?.1.clone()))));
                Ok(CpeResponse::GetParameterValuesResponse(list))
            }
            AcsRequest::SetParameterValues { parameter_list, .. } => self.set(parameter_list),
            AcsRequest::GetParameterAttributes { parameter_names } => {
                let answered = |name: &&String| !self.behaviour.unanswered_attributes.contains(*name);
                let list = parameter_names.iter().filter(answered).map(|name| {
                    let (notification, access_list) = self.attributes.get(name).cloned().unwrap_or_default();
                    ParameterAttributes { name: name.clone(), notification, access_list }
                });
                Ok(CpeResponse::GetParameterAttributesResponse(list.collect()))
            }
            AcsRequest::SetParameterAttributes { parameter_list } => {
                for change in parameter_list {
                    let entry = self.attributes.entry(change.name.clone()).or_default();
                    entry.0 = change.notification.unwrap_or(entry.0);
                    entry.1 = change.access_list.clone().unwrap_or(entry.1.clone());
                }
                Ok(CpeResponse::SetParameterAttributesResponse)
            }
            AcsRequest::AddObject { object_name, .. } => {
                if self.objects.get(object_name) != Some(&true) {
                    return Err(fault("9005"));
                }
                let number = self.next_number(object_name);
                let count = if self.behaviour.ignores_add { 0 } else { 1 + i64::from(self.behaviour.adds_two) };
                self.next_instance += count.max(1);
                for offset in 0..count {
                    let instance = format!("{object_name}{}.", number + offset);
                    self.objects.insert(instance.clone(), true);
                    for (name, value) in self.templates.get(object_name).cloned().unwrap_or_default() {
                        let path = format!("{instance}{name}");
                        self.add_parents(&path);
                        self.parameters.insert(path, (true, value));
                    }
                }
                let instance_number = self.behaviour.announces.unwrap_or(number);
                Ok(CpeResponse::AddObjectResponse { instance_number, status: self.behaviour.status })
            }
            AcsRequest::DeleteObject { object_name, .. } => {
                if !self.objects.contains_key(object_name) {
                    return Err(fault("9005"));
                }
                if let Some((table, number)) = object_name.trim_end_matches('.').rsplit_once('.') {
                    let highest = self.highest.entry(format!("{table}.")).or_default();
                    *highest = number.parse().unwrap_or(0).max(*highest);
                }
                if !self.behaviour.ignores_delete {
                    self.objects.retain(|name, _| !name.starts_with(object_name.as_str()));
                    self.parameters.retain(|name, _| !name.starts_with(object_name.as_str()));
                }
                Ok(CpeResponse::DeleteObjectResponse { status: self.behaviour.status })
            }
            AcsRequest::Download(_) => Ok(CpeResponse::DownloadResponse {
                status: self.behaviour.download_status,
                start_time: UNKNOWN_TIME,
                complete_time: UNKNOWN_TIME,
            }),
            AcsRequest::Upload(_) => Ok(CpeResponse::UploadResponse {
                status: self.behaviour.download_status,
                start_time: UNKNOWN_TIME,
                complete_time: UNKNOWN_TIME,
            }),
            AcsRequest::Reboot { .. } => Ok(CpeResponse::RebootResponse),
            AcsRequest::FactoryReset => Ok(CpeResponse::FactoryResetResponse),
            AcsRequest::ScheduleInform { .. } => Ok(CpeResponse::ScheduleInformResponse),
            AcsRequest::ScheduleDownload(_) => Ok(CpeResponse::ScheduleDownloadResponse),
            AcsRequest::CancelTransfer { .. } => Ok(CpeResponse::CancelTransferResponse),
            AcsRequest::GetQueuedTransfers => Ok(CpeResponse::GetQueuedTransfersResponse(Vec::new())),
            AcsRequest::GetAllQueuedTransfers => Ok(CpeResponse::GetAllQueuedTransfersResponse(Vec::new())),
            AcsRequest::ChangeDUState { .. } => Ok(CpeResponse::ChangeDUStateResponse),
            AcsRequest::SetVouchers { .. } => Ok(CpeResponse::SetVouchersResponse),
            AcsRequest::GetOptions { .. } => Ok(CpeResponse::GetOptionsResponse(Vec::new())),
            AcsRequest::Vendor(request) => Ok(CpeResponse::VendorResponse {
                name: format!("{}Response", request.method),
                xml: "<Result>1</Result>".into(),
            }),
        }
    }

    fn next_number(&self, table: &str) -> i64 {
        if !self.behaviour.numbers_by_table {
            return self.next_instance;
        }
        let numbers =
            self.objects.keys().filter_map(|name| name.strip_prefix(table)?.trim_end_matches('.').parse().ok());
        numbers.chain(self.highest.get(table).copied()).max().unwrap_or(0) + 1
    }

    fn names(&self, path: &str, next_level: bool) -> Result<CpeResponse, CpeFault> {
        if !path.is_empty() && !self.objects.contains_key(path) {
            return Err(fault("9005"));
        }
        let unlisted = |name: &String| self.behaviour.unlisted.iter().any(|hidden| name.starts_with(hidden.as_str()));
        let below = |name: &String| name.starts_with(path) && name != path && !unlisted(name);
        let one = |name: &String| {
            let rest = name[path.len()..].trim_end_matches('.');
            !next_level || self.behaviour.ignores_next_level || !rest.contains('.')
        };
        let mut list: Vec<ParameterInfo> = Vec::new();
        if !next_level && !path.is_empty() {
            list.push(ParameterInfo { name: path.into(), writable: self.objects[path] });
        }
        let objects = self.objects.iter().filter(|(name, _)| below(name) && one(name));
        if !self.behaviour.lists_no_objects {
            list.extend(objects.map(|(name, writable)| info(name, *writable)));
        }
        let parameters = self.parameters.iter().filter(|(name, _)| below(name) && one(name));
        list.extend(parameters.map(|(name, (writable, _))| info(name, *writable)));
        list.extend(self.behaviour.further_names.iter().map(|name| info(name, false)));
        Ok(CpeResponse::GetParameterNamesResponse(list))
    }

    fn set(&mut self, list: &[(String, TypedValue)]) -> Result<CpeResponse, CpeFault> {
        let mut entries = Vec::new();
        for (name, _) in list {
            let code = match self.parameters.get(name) {
                None => Some("9005".to_owned()),
                Some((false, _)) => Some("9008".to_owned()),
                Some(_) => self.behaviour.refused_values.get(name).cloned(),
            };
            if let Some(code) = code {
                entries.push(SetParameterValuesFault {
                    parameter_name: name.clone(),
                    message: format!("text of {code}"),
                    code,
                });
            }
        }
        if !entries.is_empty() {
            if self.behaviour.anonymous_refusals {
                entries.clear();
            }
            return Err(CpeFault {
                code: "9003".into(),
                message: "Invalid arguments".into(),
                set_parameter_values_faults: entries,
            });
        }
        for (name, value) in list {
            let mut value = value.clone();
            if let Some(text) = self.behaviour.normalised.get(name) {
                value.0 = Value::from(text.as_str()).coerce(&value.1);
            }
            if !self.behaviour.forgetful.contains(name) {
                self.parameters.get_mut(name).unwrap().1 = value;
            }
        }
        Ok(CpeResponse::SetParameterValuesResponse { status: self.behaviour.status })
    }

    /// The Inform of this device: the parameters in `informs`.
    pub fn inform(&self, events: &[&str]) -> Inform {
        Inform {
            device_id: self.identity.clone(),
            events: events.iter().map(|code| Event { code: code.to_string(), command_key: String::new() }).collect(),
            max_envelopes: 1,
            current_time: None,
            retry_count: 0,
            parameter_list: self
                .informs
                .iter()
                .filter_map(|name| Some((name.clone(), self.parameters.get(name)?.1.clone())))
                .collect(),
        }
    }
}

fn info(name: &str, writable: bool) -> ParameterInfo {
    ParameterInfo { name: name.into(), writable }
}

fn fault(code: &str) -> CpeFault {
    CpeFault { code: code.into(), message: format!("text of {code}"), set_parameter_values_faults: Vec::new() }
}

pub fn parse_value(text: &str) -> TypedValue {
    if let Some((value, name)) = text.rsplit_once(':') {
        let xsd_type = XsdType::parse(name);
        if !matches!(xsd_type, XsdType::Other(_)) {
            return TypedValue(Value::from(value).coerce(&xsd_type), xsd_type);
        }
    }
    match text {
        "true" => boolean(true),
        "false" => boolean(false),
        _ => match text.strip_suffix('u').and_then(|digits| digits.parse().ok()) {
            Some(number) => unsigned(number),
            None => string(text),
        },
    }
}

/// A request in one line, as the scenarios write it.
pub fn describe(request: &AcsRequest) -> String {
    match request {
        AcsRequest::GetRPCMethods => "GetRPCMethods".into(),
        AcsRequest::GetParameterNames { parameter_path, next_level } => {
            format!("GPN {parameter_path}{}", if *next_level { " next" } else { " all" })
        }
        AcsRequest::GetParameterValues { parameter_names } => format!("GPV {}", parameter_names.join(" ")),
        AcsRequest::SetParameterValues { parameter_list, .. } => {
            let pairs: Vec<_> = parameter_list
                .iter()
                .map(|(name, value)| format!("{name}={}:{}", value.0.to_text(), short(&value.1)))
                .collect();
            format!("SPV {}", pairs.join(" "))
        }
        AcsRequest::GetParameterAttributes { parameter_names } => format!("GPA {}", parameter_names.join(" ")),
        AcsRequest::SetParameterAttributes { parameter_list } => {
            let list: Vec<_> = parameter_list
                .iter()
                .map(|change| {
                    let notification = change.notification.map_or(String::new(), |n| format!(" n{n}"));
                    let access = change.access_list.as_ref().map_or(String::new(), |a| format!(" [{}]", a.join(",")));
                    format!("{}{notification}{access}", change.name)
                })
                .collect();
            format!("SPA {}", list.join(" "))
        }
        AcsRequest::AddObject { object_name, .. } => format!("AddObject {object_name}"),
        AcsRequest::DeleteObject { object_name, .. } => format!("DeleteObject {object_name}"),
        AcsRequest::Download(download) => {
            let size = if download.file_size > 0 { format!(" {} bytes", download.file_size) } else { String::new() };
            let target = &download.target_file_name;
            let target = if target.is_empty() { String::new() } else { format!(" to {target}") };
            format!("Download {} {}{size}{target}", download.file_type, download.url)
        }
        AcsRequest::Reboot { .. } => "Reboot".into(),
        AcsRequest::FactoryReset => "FactoryReset".into(),
        AcsRequest::Upload(upload) => format!("Upload {} {}", upload.file_type, upload.url),
        AcsRequest::ScheduleInform { delay_seconds, .. } => format!("ScheduleInform {delay_seconds}"),
        AcsRequest::ScheduleDownload(download) => {
            let window = |window: &TimeWindow| format!(" {}-{}", window.window_start, window.window_end);
            let windows: String = download.time_window_list.iter().map(window).collect();
            format!("ScheduleDownload {} {}{windows}", download.file_type, download.url)
        }
        AcsRequest::CancelTransfer { command_key } => format!("CancelTransfer {command_key}"),
        AcsRequest::ChangeDUState { operations, .. } => {
            let operation = |operation: &DUOperation| match operation {
                DUOperation::Install { url, .. } => format!(" Install {url}"),
                DUOperation::Update { uuid, version, url, .. } => format!(" Update {uuid} {version} {url}"),
                DUOperation::Uninstall { uuid, version, .. } => format!(" Uninstall {uuid} {version}"),
            };
            format!("ChangeDUState{}", operations.iter().map(operation).collect::<String>())
        }
        AcsRequest::SetVouchers { voucher_list } => format!("SetVouchers {}", voucher_list.join(" ")),
        AcsRequest::GetOptions { option_name } => format!("GetOptions {option_name}"),
        AcsRequest::GetQueuedTransfers | AcsRequest::GetAllQueuedTransfers | AcsRequest::Vendor(_) => {
            request.name().to_owned()
        }
    }
}

fn short(xsd_type: &XsdType) -> &str {
    xsd_type.as_str().trim_start_matches("xsd:")
}
