//! Requests on their way to the device: what is added to them, and what is refused here because no device could take it.
//!
//! Requests that a provision makes as they are (`AcsRequest`s of [`crate::script::ScriptRun::request`]) end here, too.

use serde_json::{Value as Json, json};

use crate::entries::EntryKind;
use crate::fault::Fault;
use crate::planner::{Purpose, Refusal, Sources};
use crate::rpc::{AcsRequest, CpeResponse, OptionStruct, QueuedTransfer};
use crate::value::format_date_time;

use super::Session;
use super::configuration::Configuration;
use super::level::{Source, SourceState};

/// How many methods of a device are remembered, and how long their names are.
const MOST_METHODS: usize = 256;
const LONGEST_METHOD: usize = 128;

/// What becomes of a request.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is not stored")]
pub(super) enum Prepared {
    /// Send this.
    Send(AcsRequest, Purpose),
    /// It is refused, and that is recorded.
    Refused,
}

impl Session {
    /// Completes a request, and refuses what cannot work.
    pub(super) fn prepare(
        &mut self,
        mut request: AcsRequest,
        purpose: Purpose,
        configuration: &dyn Configuration,
    ) -> Prepared {
        if !matches!(purpose, Purpose::Command { .. } | Purpose::Direct { .. }) {
            return Prepared::Send(request, purpose);
        }
        let file_name = self.entry_file_name(&request, &purpose);
        let knows_no_address = self.settings.file_url_prefix.is_empty();
        if knows_no_address && request.transfer_address().is_some_and(|transfer| !transfer.url.contains("://")) {
            let message = format!(
                "{file_name} cannot be transferred: the address under which the device reaches the file server is not known; \
                 configure it (--file-url-prefix), or use a whole URL as the file's name"
            );
            let detail = json!({ "fileName": file_name });
            return self.refuse_command(&request, &purpose, "no_file_url", message, detail, configuration);
        }
        if let AcsRequest::Download(download) = &mut request {
            download.file_size = configuration.file_size(&file_name).unwrap_or(0);
        }
        if let AcsRequest::ScheduleDownload(download) = &mut request {
            download.file_size = configuration.file_size(&file_name).unwrap_or(0);
        }
        if let Err(error) = request.check() {
            let message = format!("{} cannot be sent: {error}", request.name());
            return self.refuse_command(&request, &purpose, "invalid_arguments", message, json!({}), configuration);
        }
        self.prepare_for_version(request, purpose, configuration)
    }

    /// An RPC that the device's version of CWMP does not have is sent only when the device itself has said that it knows it.
    fn prepare_for_version(
        &mut self,
        request: AcsRequest,
        purpose: Purpose,
        configuration: &dyn Configuration,
    ) -> Prepared {
        let spoken = self.settings.cwmp_version;
        let since = request.since();
        if since <= spoken {
            return Prepared::Send(request, purpose);
        }
        let Some(methods) = &self.head.rpc_methods else {
            return Prepared::Send(AcsRequest::GetRPCMethods, Purpose::Methods);
        };
        if methods.iter().any(|method| method == request.name()) {
            return Prepared::Send(request, purpose);
        }
        if request == AcsRequest::GetAllQueuedTransfers {
            return Prepared::Send(AcsRequest::GetQueuedTransfers, purpose);
        }
        let (name, spoken, since) = (request.name(), spoken.as_str(), since.as_str());
        let message = format!(
            "{name} is not sent: it came with CWMP {since}, the device speaks {spoken} and does not list it in GetRPCMethods"
        );
        let detail = json!({ "rpc": name, "version": spoken });
        self.refuse_command(&request, &purpose, "unsupported_rpc", message, detail, configuration)
    }

    fn refuse_command(
        &mut self,
        request: &AcsRequest,
        purpose: &Purpose,
        code: &str,
        message: String,
        detail: Json,
        configuration: &dyn Configuration,
    ) -> Prepared {
        match purpose {
            Purpose::Command { sources, instances } => {
                let names = command_names(request, instances);
                if let Some(cycle) = &mut self.cycle {
                    cycle.ledger.refused_commands.extend(names);
                    let sources = cycle.lowest_sources(sources);
                    cycle.ledger.refusals.push(Refusal { sources, code: code.to_owned(), message, detail });
                }
            }
            Purpose::Direct { source } => {
                let fault = Fault { code: code.to_owned(), message, detail: Some(detail) };
                self.fault_sources(&Sources::from([*source]), fault, configuration);
            }
            _ => {}
        }
        Prepared::Refused
    }

    fn entry_file_name(&self, request: &AcsRequest, purpose: &Purpose) -> String {
        let kind = match request {
            AcsRequest::Download(_) => EntryKind::of_root("Downloads"),
            AcsRequest::Upload(_) => EntryKind::of_root("Uploads"),
            AcsRequest::ScheduleDownload(_) => EntryKind::of_root("ScheduledDownloads"),
            _ => None,
        };
        match (kind, purpose) {
            (Some(kind), Purpose::Command { instances, .. }) => {
                instances.first().map(|instance| self.field_text(kind, instance, "FileName")).unwrap_or_default()
            }
            _ => String::new(),
        }
    }

    /// The key for a request. A task's Reboot is known by the task, so that its `M Reboot` is recognised even when the server
    /// was stopped meanwhile.
    pub(super) fn give_command_key(&self, request: &mut AcsRequest, id: &str) {
        let task = self.cycle.as_ref().and_then(|cycle| cycle.task());
        let given = match (&request, task) {
            (AcsRequest::Reboot { .. }, Some(task)) => task,
            _ => id,
        };
        let given = given.to_owned();
        if let Some(key) = request.command_key_mut() {
            *key = given;
        }
    }

    /// The next request that a provision makes as it is, and which provision.
    pub(super) fn next_direct(&self) -> Option<(AcsRequest, Purpose)> {
        let cycle = self.cycle.as_ref().filter(|cycle| cycle.levels.len() == 1)?;
        let level = cycle.levels.first()?;
        let waiting = |source: &Source| source.state != SourceState::Dropped;
        (0u32..)
            .zip(&level.sources)
            .filter(|(_, source)| waiting(source))
            .find_map(|(index, source)| Some((source.requests.front()?.clone(), Purpose::Direct { source: index })))
    }

    /// A provision's own request was answered: a task keeps the answer as its result.
    pub(super) fn direct_answered(&mut self, request: &AcsRequest, response: CpeResponse, source: u32) {
        if let Some(cycle) = &mut self.cycle
            && let Some(source) = cycle.levels.first_mut().and_then(|level| level.sources.get_mut(source as usize))
        {
            source.requests.pop_front();
        }
        if let AcsRequest::CancelTransfer { command_key } = request {
            self.transfer_cancelled(command_key);
        }
        if let CpeResponse::GetRPCMethodsResponse(methods) = &response {
            self.learn_methods(methods);
        }
        let task = self.cycle.as_ref().and_then(|cycle| cycle.task()).map(str::to_owned);
        if let (Some(task), Some(result)) = (task, result_of(response)) {
            self.results.insert(task, result);
        }
    }

    /// Which methods the device says it knows; none when it does not say.
    pub(super) fn learn_methods(&mut self, methods: &[String]) {
        let kept = methods.iter().filter(|method| method.len() <= LONGEST_METHOD).take(MOST_METHODS);
        self.head.rpc_methods = Some(kept.cloned().collect());
    }
}

/// What a command is remembered by when it is refused.
pub(super) fn command_names(request: &AcsRequest, instances: &[String]) -> Vec<String> {
    let root = match request {
        AcsRequest::Download(_) => "Downloads",
        AcsRequest::Upload(_) => "Uploads",
        AcsRequest::ScheduleDownload(_) => "ScheduledDownloads",
        AcsRequest::ChangeDUState { .. } => "DUStateChanges",
        other => return vec![other.name().to_owned()],
    };
    instances.iter().map(|instance| format!("{root}.{instance}")).collect()
}

fn result_of(response: CpeResponse) -> Option<Json> {
    match response {
        CpeResponse::GetRPCMethodsResponse(methods) => Some(json!({ "methods": methods })),
        CpeResponse::GetQueuedTransfersResponse(list) | CpeResponse::GetAllQueuedTransfersResponse(list) => {
            Some(json!({ "transfers": list.iter().map(transfer_json).collect::<Vec<_>>() }))
        }
        CpeResponse::GetOptionsResponse(list) => {
            Some(json!({ "options": list.iter().map(option_json).collect::<Vec<_>>() }))
        }
        CpeResponse::VendorResponse { name, xml } => Some(json!({ "response": name, "xml": xml })),
        _ => None,
    }
}

fn transfer_json(transfer: &QueuedTransfer) -> Json {
    let mut json = json!({ "commandKey": transfer.command_key, "state": transfer.state });
    if let Some(is_download) = transfer.is_download {
        json["isDownload"] = is_download.into();
        json["fileType"] = transfer.file_type.as_str().into();
        json["fileSize"] = transfer.file_size.into();
        json["targetFileName"] = transfer.target_file_name.as_str().into();
    }
    json
}

fn option_json(option: &OptionStruct) -> Json {
    json!({
        "optionName": option.option_name,
        "voucherSN": option.voucher_sn,
        "state": option.state,
        "mode": option.mode,
        "startDate": format_date_time(option.start_date),
        "expirationDate": option.expiration_date.map(format_date_time),
        "isTransferable": option.is_transferable,
    })
}
