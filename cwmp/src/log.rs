//! The access log: what devices and the server said to each other, as `tracing` events of the target `cwmp`.
//!
//! Nothing is formatted unless someone listens. Bodies are only ever logged masked.

use acs_core::rpc::Inform;
use acs_core::session::{LogKind, Session, SessionLog};
use tracing::{Level, debug, enabled, info, warn};

use crate::masking::mask_secrets;
use crate::repairs::{Model, RepairBook};
use crate::soap::Repair;

/// Who a line is about.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) device: &'a str,
    pub(crate) remote: &'a str,
}

pub(crate) fn informed(subject: Subject<'_>, inform: &Inform, is_new: bool) {
    if !enabled!(target: "cwmp", Level::INFO) {
        return;
    }
    let codes: Vec<&str> = inform.events.iter().map(|event| event.code.as_str()).collect();
    let events = codes.join(", ");
    let Subject { device, remote } = subject;
    info!(target: "cwmp", device, remote, events, retry_count = inform.retry_count, registered = is_new, "Inform");
}

/// What the engine has to say since it was asked last; handed on.
pub(crate) fn session_lines(remote: &str, session: &mut Session) -> Vec<SessionLog> {
    let lines = session.take_log();
    let device = session.device_id();
    for line in &lines {
        let (message, fields) = (line.message.as_str(), &line.fields);
        match line.kind {
            LogKind::Script => info!(target: "cwmp", device, remote, %fields, "script: {message}"),
            LogKind::Fault => warn!(target: "cwmp", device, remote, %fields, "fault: {message}"),
            LogKind::Note => info!(target: "cwmp", device, remote, %fields, "{message}"),
        }
    }
    lines
}

/// What was tolerated in a message: at level info when it is new for the device's model, and each time at level debug.
pub(crate) fn repairs(subject: Subject<'_>, model: &Model, book: &RepairBook, message: &str, repairs: &[Repair]) {
    let Subject { device, remote } = subject;
    for repair in book.note(model, message, repairs) {
        let Model { manufacturer, oui, product_class, software_version } = model;
        info!(
            target: "cwmp", device, remote, manufacturer, oui, product_class, software_version, message,
            "tolerated, and only counted from now on: {repair}"
        );
    }
    if repairs.is_empty() || !enabled!(target: "cwmp", Level::DEBUG) {
        return;
    }
    let list = repairs.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    debug!(target: "cwmp", device, remote, message, "tolerated: {list}");
}

/// A message as it was sent or received: at level debug, or info for a device with `cwmp.debug`.
pub(crate) fn body(subject: Subject<'_>, direction: &'static str, text: &str, debugged: bool) {
    let Subject { device, remote } = subject;
    if debugged && enabled!(target: "cwmp::body", Level::INFO) {
        info!(target: "cwmp::body", device, remote, direction, "{}", mask_secrets(text));
    } else if !debugged && enabled!(target: "cwmp::body", Level::DEBUG) {
        debug!(target: "cwmp::body", device, remote, direction, "{}", mask_secrets(text));
    }
}
