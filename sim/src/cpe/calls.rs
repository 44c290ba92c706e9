//! What the device calls by itself: reports of what it was asked for, and calls that nobody has asked for (TR-069 Annex A.3.3, A.4.2).

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::message::Outgoing;
use super::report::SessionError;
use super::session::{MOST_REPEATS, Talk};
use super::{Device, now};
use crate::fault::FaultAction;
use crate::soap::{AutonomousTransfer, Event, OperationResult, TransferComplete, UnitOperationKind, Writer};

/// A call that no request of the ACS has caused. It is made once, in the next session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OwnCall {
    /// A file that somebody else had the device fetch or send.
    AutonomousTransferComplete(AutonomousTransfer),
    /// A deployment unit that somebody else had the device change.
    AutonomousDUStateChangeComplete {
        /// `Install`, `Update` or `Uninstall`.
        operation: AutonomousOperation,
        /// The unit.
        uuid: String,
        /// Its version.
        version: String,
    },
    /// The device would like to be sent a file.
    RequestDownload {
        /// FileType.
        file_type: String,
        /// FileTypeArg: names and values.
        #[serde(default)]
        arguments: Vec<(String, String)>,
    },
    /// A user came by a web page of the operator.
    Kicked {
        /// Command.
        command: String,
        /// Referer.
        referer: String,
        /// Arg.
        arg: String,
        /// Next.
        next: String,
    },
    /// Any other method, without arguments.
    Other(String),
}

/// What was done with a deployment unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AutonomousOperation {
    /// It is new.
    Install,
    /// It has another version.
    Update,
    /// It is gone.
    Uninstall,
}

/// A transfer that is done and not yet reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CompletedTransfer {
    /// `M Download`, `M Upload` or `M ScheduleDownload`.
    pub(super) event: &'static str,
    pub(super) report: TransferComplete,
}

/// Operations on deployment units that are done and not yet reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CompletedChange {
    pub(super) command_key: String,
    pub(super) results: Vec<OperationResult>,
}

impl OwnCall {
    /// The method.
    pub fn rpc(&self) -> &str {
        match self {
            Self::AutonomousTransferComplete(_) => "AutonomousTransferComplete",
            Self::AutonomousDUStateChangeComplete { .. } => "AutonomousDUStateChangeComplete",
            Self::RequestDownload { .. } => "RequestDownload",
            Self::Kicked { .. } => "Kicked",
            Self::Other(method) => method,
        }
    }

    /// The event that goes with it (TR-069 §3.7.1.5).
    fn event(&self) -> Option<&'static str> {
        match self {
            Self::AutonomousTransferComplete(_) => Some("10 AUTONOMOUS TRANSFER COMPLETE"),
            Self::AutonomousDUStateChangeComplete { .. } => Some("12 AUTONOMOUS DU STATE CHANGE COMPLETE"),
            Self::RequestDownload { .. } => Some("9 REQUEST DOWNLOAD"),
            Self::Kicked { .. } => Some("5 KICKED"),
            Self::Other(_) => None,
        }
    }

    fn render(&self, writer: &Writer<'_>) -> String {
        match self {
            Self::AutonomousTransferComplete(transfer) => writer.autonomous_transfer_complete(transfer, &now(), &now()),
            Self::AutonomousDUStateChangeComplete { operation, uuid, version } => {
                let (operation, current_state) = match operation {
                    AutonomousOperation::Install => (UnitOperationKind::Install, "Installed"),
                    AutonomousOperation::Update => (UnitOperationKind::Update, "Installed"),
                    AutonomousOperation::Uninstall => (UnitOperationKind::Uninstall, "Uninstalled"),
                };
                let result = OperationResult {
                    uuid: uuid.clone(),
                    deployment_unit_ref: String::new(),
                    version: version.clone(),
                    current_state,
                    start_time: now(),
                    complete_time: now(),
                    fault: 0,
                    operation: Some(operation.name()),
                };
                writer.du_state_change_complete(&[result], None)
            }
            Self::RequestDownload { file_type, arguments } => writer.request_download(file_type, arguments),
            Self::Kicked { command, referer, arg, next } => writer.kicked([command, referer, arg, next]),
            Self::Other(method) => writer.bare(method),
        }
    }
}

impl Device {
    /// Has the device make a call in its next session.
    pub fn call_in_next_session(&mut self, call: OwnCall) {
        self.own.push(call);
    }

    /// The events that go with what is not yet reported (TR-069 §3.7.1.5).
    pub(super) fn queue_report_events(&mut self) {
        let mut events = Vec::new();
        if !self.completed.is_empty() {
            events.push(Event::from("7 TRANSFER COMPLETE"));
        }
        events.extend(self.completed.iter().map(|done| Event::with_key(done.event, &done.report.command_key)));
        if !self.changed_units.is_empty() {
            events.push(Event::from("11 DU STATE CHANGE COMPLETE"));
        }
        events.extend(self.changed_units.iter().map(|done| Event::with_key("M ChangeDUState", &done.command_key)));
        events.extend(self.own.iter().filter_map(OwnCall::event).map(Event::from));
        for event in events {
            self.queue_event(event);
        }
    }

    /// TransferComplete for each finished transfer, DUStateChangeComplete, what nobody asked for, GetRPCMethods if wanted.
    pub(super) async fn own_calls(&mut self, talk: &mut Talk<'_>) -> Result<(), SessionError> {
        while let Some(CompletedTransfer { report, .. }) = self.completed.first().cloned() {
            let arguments = json!({
                "CommandKey": report.command_key,
                "FaultCode": report.fault.as_ref().map_or(0, |(code, _)| *code),
            });
            let render = |writer: &Writer<'_>| writer.transfer_complete(&report);
            self.call(talk, "TransferComplete", &arguments, render).await?;
            self.completed.remove(0);
        }
        while let Some(CompletedChange { command_key, results }) = self.changed_units.first().cloned() {
            let faults: Vec<u32> = results.iter().map(|result| result.fault).collect();
            let arguments = json!({ "CommandKey": command_key, "FaultCodes": faults });
            let render = |writer: &Writer<'_>| writer.du_state_change_complete(&results, Some(&command_key));
            self.call(talk, "DUStateChangeComplete", &arguments, render).await?;
            self.changed_units.remove(0);
        }
        while let Some(call) = self.own.first().cloned() {
            let made = self.call(talk, call.rpc(), &Json::Null, |writer| call.render(writer)).await;
            match made {
                // A method that the ACS does not offer is no reason to end the session.
                Err(SessionError::Fault { code, .. }) => talk.report.refused_calls.push((call.rpc().to_owned(), code)),
                other => other?,
            }
            self.own.remove(0);
        }
        let already = talk.report.own_calls.iter().any(|name| name == "GetRPCMethods");
        if self.options.behaviour.call_get_rpc_methods && !already {
            let render = |writer: &Writer<'_>| writer.bare("GetRPCMethods");
            self.call(talk, "GetRPCMethods", &Json::Null, render).await?;
        }
        Ok(())
    }

    async fn call(
        &mut self,
        talk: &mut Talk<'_>,
        rpc: &str,
        arguments: &Json,
        render: impl Fn(&Writer<'_>) -> String,
    ) -> Result<(), SessionError> {
        let mut repeats = 0;
        loop {
            let id = self.next_id();
            let action = self.injected(rpc, &[]);
            let header = (action != Some(FaultAction::NoId)).then_some(id.as_str());
            let mut writer = Writer::new(&self.options.cwmp_namespace, header);
            writer.style = self.style();
            let outgoing = Outgoing::call(rpc, arguments.clone(), render(&writer), action);
            let received = self.post(talk, outgoing).await?;
            if received.asks_to_repeat() && repeats < MOST_REPEATS {
                repeats += 1;
                continue;
            }
            let incoming = received.expect(rpc, &format!("{rpc}Response"))?;
            talk.report.violations.extend(incoming.violations);
            talk.report.own_calls.push(rpc.to_owned());
            return Ok(());
        }
    }
}
