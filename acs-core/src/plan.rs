//! Plans: what a session would ask and tell a device, without the device.
//!
//! The same session as ever is driven, but its requests are answered from what is stored ([`StoredModel`]): lists and values as they
//! were last known, sets as if they succeeded. Nothing is written anywhere. For a device whose stored tree is complete and current, the
//! requests are those of the real session.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::change::DeviceSnapshot;
use crate::fault::Fault;
use crate::rpc::{AcsRequest, CpeFault, CpeResponse, Inform, ParameterAttributes, ParameterInfo, UNKNOWN_TIME};
use crate::script::{ExtensionCall, ScriptFault};
use crate::session::configuration::Configuration;
use crate::session::settings::Settings;
use crate::session::{Input, Output, Session, SessionLog};
use crate::tree::{DeviceTree, NodeId};
use crate::value::{TypedValue, Value, XsdType};

/// What would happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The requests, in order.
    pub requests: Vec<AcsRequest>,
    /// What would be different afterwards, by path.
    pub changes: Vec<PlannedChange>,
    /// Channels that would fault.
    pub faults: Vec<PlannedFault>,
    /// What scripts would log, and notes.
    pub log: Vec<SessionLog>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedChange {
    /// The parameter, object or tag.
    pub path: String,
    /// The value before; `None` when it was unknown or did not exist.
    pub before: Option<TypedValue>,
    /// The value after; `None` when it would be gone.
    pub after: Option<TypedValue>,
    /// Who would do it: preset, provision and line; empty for what has no single author.
    pub origin: String,
}

/// A channel that would fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedFault {
    /// The channel.
    pub channel: String,
    /// Why.
    pub fault: Fault,
}

/// Answers extension calls while planning.
pub type CallExtension<'a> = &'a mut dyn FnMut(&ExtensionCall) -> Result<Json, ScriptFault>;

/// Plans a session that begins with the Inform at the time.
pub fn plan(
    snapshot: DeviceSnapshot,
    inform: &Inform,
    timestamp: i64,
    settings: Settings,
    configuration: &dyn Configuration,
    call_extension: CallExtension<'_>,
) -> Plan {
    let known_faults: Vec<_> =
        snapshot.faults.iter().map(|fault| (fault.channel.clone(), fault.fault.clone())).collect();
    let mut model = StoredModel::new(snapshot.device.as_ref().map(|device| device.full_tree()).unwrap_or_default());
    let mut session = Session::open(snapshot, inform, timestamp, settings);
    let before = session.tree().clone();
    let mut requests = Vec::new();
    let mut output = session.step(Input::Ready, configuration);
    loop {
        let input = match output {
            Output::Request { mut request, .. } => {
                let answer = model.answer(&request);
                // It is made when the request is sent.
                request.parameter_key_mut().into_iter().for_each(String::clear);
                requests.push(request);
                match answer {
                    Ok(response) => Input::Response(response),
                    Err(fault) => Input::Fault(fault),
                }
            }
            Output::Extensions(calls) => Input::Extensions(
                calls
                    .into_iter()
                    .map(|call| {
                        let result = call_extension(&call);
                        (call, result)
                    })
                    .collect(),
            ),
            Output::Finished | Output::Acknowledged | Output::Refused { .. } => break,
        };
        output = session.step(input, configuration);
    }
    let faults = session
        .faults()
        .filter(|record| !known_faults.contains(&(record.channel.clone(), record.fault.clone())))
        .map(|record| PlannedFault { channel: record.channel.clone(), fault: record.fault.clone() })
        .collect();
    Plan { requests, changes: differences(&before, session.tree()), faults, log: session.take_log() }
}

/// Values and instances that differ between two trees. What is only newer, or was merely learnt from the stored tree, is none.
fn differences(before: &DeviceTree, after: &DeviceTree) -> Vec<PlannedChange> {
    let mut changes = BTreeMap::new();
    for id in after.descendants(DeviceTree::ROOT) {
        let path = after.path_text(id);
        let node = after.node(id);
        let old = before.find(&path).map(|id| before.node(id));
        let old_value = old.and_then(|node| node.typed_value());
        let new_value = node.typed_value();
        let is_new_instance = old.is_none() && node.object && node.writable == Some(true);
        if new_value != old_value && new_value.is_some() || is_new_instance {
            let origin = node.value.as_ref().and_then(|stored| stored.writer.as_deref()).unwrap_or_default().to_owned();
            let change =
                PlannedChange { path: path.clone(), before: old_value.cloned(), after: new_value.cloned(), origin };
            changes.insert(path, change);
        }
    }
    for id in before.descendants(DeviceTree::ROOT) {
        let path = before.path_text(id);
        let gone = after.find(&path).is_none();
        if gone && before.find(&path).is_some_and(|id| after.find(&before.path_text(before.parent(id))).is_some()) {
            let value = before.node(id).typed_value().cloned();
            changes.insert(path.clone(), PlannedChange { path, before: value, after: None, origin: String::new() });
        }
    }
    changes.into_values().collect()
}

/// A device as the store knows it, answering in its place.
#[derive(Debug, Clone)]
pub struct StoredModel {
    tree: DeviceTree,
    /// As it was at first: what instances look like is still known when all of them are deleted.
    original: DeviceTree,
    /// The highest instance number given per object: most devices do not give a number again at once.
    highest: BTreeMap<String, i64>,
}

impl StoredModel {
    /// A model of a full tree.
    pub fn new(tree: DeviceTree) -> StoredModel {
        StoredModel { original: tree.clone(), tree, highest: BTreeMap::new() }
    }

    /// What the device would answer.
    pub fn answer(&mut self, request: &AcsRequest) -> Result<CpeResponse, CpeFault> {
        match request {
            AcsRequest::GetRPCMethods => Ok(CpeResponse::GetRPCMethodsResponse(Vec::new())),
            AcsRequest::GetParameterNames { parameter_path, next_level } => self.names(parameter_path, *next_level),
            AcsRequest::GetParameterValues { parameter_names } => {
                let value = |name: &String| {
                    let node = self.tree.find(name).map(|id| self.tree.node(id)).ok_or_else(|| unknown(name))?;
                    Ok(node.typed_value().map(|value| (name.clone(), value.clone())))
                };
                let values = parameter_names.iter().map(value).collect::<Result<Vec<_>, CpeFault>>()?;
                Ok(CpeResponse::GetParameterValuesResponse(values.into_iter().flatten().collect()))
            }
            AcsRequest::SetParameterValues { parameter_list, .. } => {
                for (name, value) in parameter_list {
                    let id = self.tree.find(name).ok_or_else(|| unknown(name))?;
                    self.tree.set_written_value(id, value.clone(), 0, None);
                }
                Ok(CpeResponse::SetParameterValuesResponse { status: 0 })
            }
            AcsRequest::GetParameterAttributes { parameter_names } => {
                let attributes = parameter_names.iter().map(|name| {
                    let known = self.tree.find(name).and_then(|id| self.tree.node(id).attributes.clone());
                    let (notification, access_list) =
                        known.map_or((0, Vec::new()), |known| (known.notification, known.access_list));
                    ParameterAttributes { name: name.clone(), notification, access_list }
                });
                Ok(CpeResponse::GetParameterAttributesResponse(attributes.collect()))
            }
            AcsRequest::SetParameterAttributes { .. } => Ok(CpeResponse::SetParameterAttributesResponse),
            AcsRequest::AddObject { object_name, .. } => self.add(object_name),
            AcsRequest::DeleteObject { object_name, .. } => {
                let id = self.tree.find(object_name).ok_or_else(|| unknown(object_name))?;
                if let Ok(number) = self.tree.name(id).parse::<i64>() {
                    let highest = self.highest.entry(self.tree.path_text(self.tree.parent(id))).or_default();
                    *highest = number.max(*highest);
                }
                self.tree.remove(id);
                Ok(CpeResponse::DeleteObjectResponse { status: 0 })
            }
            AcsRequest::Download(_) => {
                Ok(CpeResponse::DownloadResponse { status: 1, start_time: UNKNOWN_TIME, complete_time: UNKNOWN_TIME })
            }
            AcsRequest::Upload(_) => {
                Ok(CpeResponse::UploadResponse { status: 1, start_time: UNKNOWN_TIME, complete_time: UNKNOWN_TIME })
            }
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
            AcsRequest::Vendor(request) => {
                Ok(CpeResponse::VendorResponse { name: format!("{}Response", request.method), xml: String::new() })
            }
        }
    }

    fn names(&self, parameter_path: &str, next_level: bool) -> Result<CpeResponse, CpeFault> {
        let base = self.tree.find(parameter_path).ok_or_else(|| unknown(parameter_path))?;
        let listed = if next_level { self.tree.children(base).to_vec() } else { self.tree.descendants(base) };
        let info = |id: NodeId| {
            let node = self.tree.node(id);
            let dot = if node.object { "." } else { "" };
            ParameterInfo {
                name: format!("{}{dot}", self.tree.path_text(id)),
                writable: node.writable.unwrap_or(false),
            }
        };
        let of_device = |id: &NodeId| !self.tree.is_local(*id);
        Ok(CpeResponse::GetParameterNamesResponse(listed.into_iter().filter(of_device).map(info).collect()))
    }

    /// A new instance looks like its first sibling, with empty values.
    fn add(&mut self, object_name: &str) -> Result<CpeResponse, CpeFault> {
        let object = self.tree.find(object_name).ok_or_else(|| unknown(object_name))?;
        let siblings = self.tree.children(object).to_vec();
        let highest = siblings.iter().filter_map(|&id| self.tree.name(id).parse::<i64>().ok()).max().unwrap_or(0);
        let ever = self.highest.get(&self.tree.path_text(object)).copied().unwrap_or(0);
        let instance_number = highest.max(ever) + 1;
        let instance = self.tree.ensure_child(object, &instance_number.to_string());
        self.tree.set_listed(instance, true, true, 0);
        let original = &self.original;
        let template = original.find(object_name).and_then(|object| original.children(object).first().copied());
        if let Some(template) = template {
            let prefix = format!("{}.", original.path_text(template));
            for id in original.descendants(template) {
                let relative = original.path_text(id)[prefix.len()..].to_owned();
                let (is_object, writable) = (original.node(id).object, original.node(id).writable.unwrap_or(false));
                let xsd_type = original.node(id).xsd_type();
                let path = format!("{object_name}{instance_number}.{relative}");
                let copy = self.tree.ensure(&path);
                if !is_object {
                    self.tree.set_written_value(copy, empty(xsd_type), 0, None);
                }
                self.tree.set_listed(copy, is_object, writable, 0);
            }
        }
        Ok(CpeResponse::AddObjectResponse { instance_number, status: 0 })
    }
}

fn empty(xsd_type: XsdType) -> TypedValue {
    let value = match xsd_type {
        XsdType::Boolean => Value::Bool(false),
        XsdType::Int | XsdType::UnsignedInt | XsdType::DateTime => Value::Int(0),
        _ => Value::Text(String::new()),
    };
    TypedValue(value, xsd_type)
}

fn unknown(name: &str) -> CpeFault {
    CpeFault {
        code: "9005".to_owned(),
        message: format!("{name} is not stored"),
        set_parameter_values_faults: Vec::new(),
    }
}
