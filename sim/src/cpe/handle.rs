//! From a request of the ACS to the device's answer: a pure function of message and device state, without I/O.

use std::sync::Arc;

use super::report::{Answer, Exchange};
use super::{Device, Pending, TransferMode, now};
use crate::fault::FaultAction;
use crate::http::Url;
use crate::soap::{ArgumentError, Fault, Incoming, ReadError, Request, Style, Transfer, Writer};
use crate::value::UNKNOWN_TIME;

/// RPCs that the device carries out, as GetRPCMethods lists them.
const METHODS: &[&str] = &[
    "GetRPCMethods",
    "SetParameterValues",
    "GetParameterValues",
    "GetParameterNames",
    "SetParameterAttributes",
    "GetParameterAttributes",
    "AddObject",
    "DeleteObject",
    "Reboot",
    "Download",
    "Upload",
    "FactoryReset",
    "ScheduleInform",
    "GetQueuedTransfers",
    "GetAllQueuedTransfers",
    "ScheduleDownload",
    "CancelTransfer",
    "ChangeDUState",
    "SetVouchers",
    "GetOptions",
];

/// An answer of the device, to be delivered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The request and the kind of answer.
    pub exchange: Exchange,
    /// The message, empty for an empty POST.
    pub body: String,
    /// What was injected, when a rule matched; tells how to deliver.
    pub action: Option<FaultAction>,
    /// Where the request departs from the letter of the standard.
    pub violations: Vec<String>,
    /// A transfer to be carried out before the answer goes out; the body says that it succeeded.
    pub(super) immediate: Option<Transfer>,
    /// The request's `cwmp:ID`, for an answer other than `body`.
    pub(super) id: Option<String>,
}

impl Device {
    /// Answers a request of the ACS.
    pub fn handle(&mut self, request_xml: &str) -> Result<Reply, ReadError> {
        let mut incoming = Incoming::parse(request_xml)?;
        let request = incoming.request();
        Ok(self.answer(&incoming, request))
    }

    /// Answers a message that was already read.
    pub(super) fn answer(&mut self, incoming: &Incoming, request: Result<Request, ArgumentError>) -> Reply {
        let options = Arc::clone(&self.options);
        let mut violations = incoming.violations.clone();
        if let Some(namespace) = &incoming.namespace
            && *namespace != options.cwmp_namespace
        {
            violations.push(format!(
                "{} in {namespace}, the session is in {}",
                incoming.name(),
                options.cwmp_namespace
            ));
        }
        let (rpc, paths) = match &request {
            Ok(request) => (request.rpc(), request.paths()),
            Err(error) => (error.rpc.as_str(), Vec::new()),
        };
        let action = self.injected(rpc, &paths);
        let id = match (&options.behaviour.constant_id, action) {
            (_, Some(FaultAction::NoId)) => None,
            (_, Some(FaultAction::WrongId)) => Some("not-your-id".to_owned()),
            (Some(constant), _) => Some(constant.clone()),
            (None, _) => incoming.id.clone(),
        };
        let mut writer = Writer::new(&options.cwmp_namespace, id.as_deref());
        writer.style = self.style();

        let mut immediate = None;
        let (body, answer) = match (&request, action) {
            (_, Some(FaultAction::Fault(code))) => {
                let fault = injected_fault(code, &request, &options.faults);
                (writer.fault(&fault), Answer::Fault(fault.code))
            }
            (_, Some(action @ FaultAction::SoapFault)) => (writer.fault_without_detail(), Answer::Injected(action)),
            (_, Some(action @ FaultAction::EmptyPost)) => (String::new(), Answer::Injected(action)),
            (Err(error), _) => {
                let fault = Fault { text: error.to_string(), ..Fault::new(9003) };
                (writer.fault(&fault), Answer::Fault(9003))
            }
            (Ok(request), _) => match self.carry_out(request, &writer) {
                Ok(body) => {
                    if let Request::Transfer(transfer) = request
                        && options.transfers == TransferMode::Immediate
                        && transfer.windows.is_empty()
                    {
                        immediate = Some(transfer.clone());
                    }
                    (body, Answer::Response)
                }
                Err(fault) => (writer.fault(&fault), Answer::Fault(fault.code)),
            },
        };
        let (body, answer) = distorted(action, rpc, body, answer, &writer);
        Reply { body, action, violations, immediate, id: id.clone(), exchange: Exchange { request, answer } }
    }

    pub(super) fn style(&self) -> Style {
        Style { untyped: self.options.behaviour.untyped, no_declaration: self.options.behaviour.no_xml_declaration }
    }

    /// The action of the first fault rule that applies now; all rules whose conditions hold are counted.
    pub(super) fn injected(&mut self, rpc: &str, paths: &[&str]) -> Option<FaultAction> {
        let mut action = None;
        for (rule, count) in self.options.faults.iter().zip(&mut self.rule_counts) {
            if !rule.matches(rpc, paths) {
                continue;
            }
            *count = count.saturating_add(1);
            if action.is_none() && rule.occurrence.is_none_or(|wanted| wanted == *count) {
                action = Some(rule.action);
            }
        }
        action
    }

    fn carry_out(&mut self, request: &Request, writer: &Writer<'_>) -> Result<String, Fault> {
        let rpc = request.rpc();
        if self.options.behaviour.unsupported.iter().any(|name| name == rpc) {
            return Err(Fault::new(9000));
        }
        match request {
            Request::GetRPCMethods => Ok(writer.rpc_methods(METHODS)),
            Request::GetParameterNames { parameter_path, next_level } => {
                self.parameter_names(parameter_path, *next_level, writer)
            }
            Request::GetParameterValues { parameter_names } => self.parameter_values(parameter_names, writer),
            Request::SetParameterValues { parameter_list, parameter_key } => {
                self.set_parameter_values(parameter_list, parameter_key, writer)
            }
            Request::GetParameterAttributes { parameter_names } => self.parameter_attributes(parameter_names, writer),
            Request::SetParameterAttributes { parameter_list } => self.set_parameter_attributes(parameter_list, writer),
            Request::AddObject { object_name, parameter_key } => self.add_object(object_name, parameter_key, writer),
            Request::DeleteObject { object_name, parameter_key } => {
                self.delete_object(object_name, parameter_key, writer)
            }
            Request::Transfer(transfer) => self.accept_transfer(transfer, writer),
            Request::Reboot { command_key } => {
                self.promise(Pending::Reboot { command_key: command_key.clone() });
                Ok(writer.bare("RebootResponse"))
            }
            Request::FactoryReset => {
                self.promise(Pending::FactoryReset);
                Ok(writer.bare("FactoryResetResponse"))
            }
            Request::ScheduleInform { delay_seconds: 0, .. } => Err(Fault::new(9003)),
            Request::ScheduleInform { delay_seconds, command_key } => {
                self.promise(Pending::ScheduledInform {
                    delay_seconds: *delay_seconds,
                    command_key: command_key.clone(),
                });
                Ok(writer.bare("ScheduleInformResponse"))
            }
            Request::GetQueuedTransfers | Request::GetAllQueuedTransfers => {
                let all = *request == Request::GetAllQueuedTransfers;
                Ok(writer.queued_transfers(all, &self.queued_transfers()))
            }
            Request::CancelTransfer { command_key } => self.cancel_transfer(command_key, writer),
            Request::ChangeDUState { operations, command_key } => {
                self.promise(Pending::UnitChange { operations: operations.clone(), command_key: command_key.clone() });
                Ok(writer.bare("ChangeDUStateResponse"))
            }
            Request::SetVouchers { voucher_list } => self.set_vouchers(voucher_list, writer),
            Request::GetOptions { option_name } => Ok(self.get_options(option_name, writer)),
            Request::Other(_) => Err(Fault::new(9000)),
        }
    }

    /// All transfers with that key that have not begun (TR-069 Annex A.4.1.9). One that is done already cannot be taken back.
    fn cancel_transfer(&mut self, command_key: &str, writer: &Writer<'_>) -> Result<String, Fault> {
        if self.completed.iter().any(|done| done.report.command_key == command_key) {
            return Err(Fault::new(9021));
        }
        self.pending
            .retain(|pending| !matches!(pending, Pending::Transfer(transfer) if transfer.command_key == command_key));
        Ok(writer.bare("CancelTransferResponse"))
    }

    fn promise(&mut self, pending: Pending) {
        if !self.pending.contains(&pending) {
            self.pending.push_back(pending);
        }
    }

    fn queued_transfers(&self) -> Vec<(&str, bool, &str)> {
        self.pending
            .iter()
            .filter_map(|pending| match pending {
                Pending::Transfer(transfer) => {
                    Some((transfer.command_key.as_str(), transfer.upload, transfer.file_type.as_str()))
                }
                _ => None,
            })
            .collect()
    }

    /// Download and Upload (TR-069 Annex A.3.2.8, A.4.1.5).
    fn accept_transfer(&mut self, transfer: &Transfer, writer: &Writer<'_>) -> Result<String, Fault> {
        if transfer.file_type.is_empty() {
            return Err(Fault::new(9003));
        }
        match Url::parse(&transfer.url) {
            // Credentials belong into Username and Password.
            Ok(_) if has_user_info(&transfer.url) => return Err(Fault::new(9003)),
            Ok(url) if url.is_encrypted && !self.options.tls.trusts_anybody() => return Err(Fault::new(9013)),
            Ok(_) => {}
            Err(_) if transfer.url.starts_with("http://") => return Err(Fault::new(9003)),
            Err(_) => return Err(Fault::new(9013)),
        }
        if !transfer.windows.is_empty() {
            self.promise(Pending::Transfer(transfer.clone()));
            return Ok(writer.bare("ScheduleDownloadResponse"));
        }
        let response = if transfer.upload { "UploadResponse" } else { "DownloadResponse" };
        if self.options.transfers == TransferMode::Immediate {
            let time = now();
            return Ok(writer.transfer(response, 0, &time, &time));
        }
        self.promise(Pending::Transfer(transfer.clone()));
        Ok(writer.transfer(response, 1, UNKNOWN_TIME, UNKNOWN_TIME))
    }
}

fn has_user_info(url: &str) -> bool {
    url.split('/').nth(2).is_some_and(|authority| authority.contains('@'))
}

/// The fault that a rule asks for: with entries per parameter when the rule names a path and the code is one of theirs.
fn injected_fault(code: u32, request: &Result<Request, ArgumentError>, rules: &[crate::fault::FaultRule]) -> Fault {
    let Ok(request) = request else {
        return Fault::new(code);
    };
    if !(9005..=9008).contains(&code) || request.values().is_empty() {
        return Fault::new(code);
    }
    let (rpc, action) = (request.rpc(), FaultAction::Fault(code));
    let named: Vec<(String, u32)> = request
        .values()
        .iter()
        .filter(|item| {
            rules.iter().any(|rule| rule.action == action && rule.path.is_some() && rule.matches(rpc, &[&item.name]))
        })
        .map(|item| (item.name.clone(), code))
        .collect();
    if named.is_empty() { Fault::new(code) } else { Fault::parameters(named) }
}

/// Changes a finished answer as an injected action wants it.
fn distorted(
    action: Option<FaultAction>,
    rpc: &str,
    body: String,
    answer: Answer,
    writer: &Writer<'_>,
) -> (String, Answer) {
    match action {
        Some(action @ FaultAction::Malformed) => (cut_off(&body), Answer::Injected(action)),
        Some(action @ FaultAction::WrongResponse) => {
            let body = if rpc == "SetParameterValues" {
                writer.bare("RebootResponse")
            } else {
                writer.status("SetParameterValuesResponse", 0)
            };
            (body, Answer::Injected(action))
        }
        Some(action @ (FaultAction::Hang | FaultAction::Close)) => (body, Answer::Injected(action)),
        _ => (body, answer),
    }
}

/// The message up to the middle of one of its last tags.
pub(super) fn cut_off(body: &str) -> String {
    let middle = body.rfind("</").map_or(body.len() / 2, |tag| tag + 2);
    body.get(..middle).unwrap_or_default().to_owned()
}
