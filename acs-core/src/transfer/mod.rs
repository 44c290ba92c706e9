//! Transfer records: what became of each file that a device was told to fetch or to send, stage by stage (`docs/transfers.md`).
//!
//! ```text
//!  requested ─► accepted ─► completed          by TransferComplete, or at once
//!      │            └─────► failed             by TransferComplete, or because none came in time
//!      └──────────────────► failed             refused, or not answered
//! ```
//!
//! Two write a record: the session what it says to the device and hears from it ([`Transfer`]), the file server what it sends and
//! receives ([`Movement`]). Neither waits for the other. What is pending, and what happens when it fails, is [`crate::operation`]'s.

mod movement;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::rpc::{TransferComplete, UNKNOWN_TIME};
use crate::value::format_date_time;

pub use movement::{Movement, MovementReport};

/// How long a transfer is watched after its end: for a restart, another software version, or a late TransferComplete; in
/// milliseconds.
pub const WATCHED_AFTER_END: i64 = 86_400_000;
/// Characters that are kept of what a device writes. The standard allows 256 in a FaultString, and fewer elsewhere.
const LONGEST_TEXT: usize = 256;

/// The RPC that a transfer began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferKind {
    /// A.3.2.8
    Download,
    /// A.4.1.5
    Upload,
    /// A.4.1.8
    ScheduleDownload,
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransferState {
    /// The device was asked.
    Requested,
    /// It will do it.
    Accepted,
    /// It says that it has done it.
    Completed,
    /// It says that it could not, or says nothing.
    Failed,
}

/// Why a transfer failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferFault {
    /// `cwmp.` and the device's FaultCode; or `timeout`, `unanswered`.
    pub code: String,
    /// For people.
    pub message: String,
}

/// What sessions know of a transfer. Times are in milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// The request's CommandKey.
    pub command_key: String,
    /// The RPC.
    pub kind: TransferKind,
    /// As requested.
    pub file_type: String,
    /// As requested; for what is fetched, a stored file's name or a URL.
    pub file_name: String,
    /// In bytes, as the device was told; 0 when it was not.
    pub file_size: u64,
    /// How far it is.
    pub state: TransferState,
    /// When the session began in which the device was asked.
    pub requested_at: i64,
    /// When the session began in which it accepted.
    pub accepted_at: Option<i64>,
    /// The response's Status: 0, it was done at once; 1, a TransferComplete was announced.
    pub status: Option<u32>,
    /// When the session began in which it completed or failed.
    pub ended_at: Option<i64>,
    /// The device's StartTime.
    pub start_time: Option<i64>,
    /// The device's CompleteTime.
    pub complete_time: Option<i64>,
    /// Why it failed.
    pub fault: Option<TransferFault>,
    /// The software version when it was requested.
    pub version_before: Option<String>,
    /// The one in the last Inform since, as long as the transfer is watched.
    pub version_after: Option<String>,
    /// When that was first seen.
    pub version_seen_at: Option<i64>,
    /// The last `1 BOOT` or `0 BOOTSTRAP` since the request, as long as the transfer is watched.
    pub booted_at: Option<i64>,
    /// Nothing that is still to come matters.
    pub is_settled: bool,
}

/// What an Inform says that may be a transfer's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting<'a> {
    /// The software version, if it was in the Inform.
    pub version: Option<&'a str>,
    /// Whether the device has restarted.
    pub has_booted: bool,
    /// When the Inform came.
    pub at: i64,
}

impl Transfer {
    /// A device is asked.
    pub fn requested(command_key: &str, kind: TransferKind, at: i64) -> Transfer {
        Transfer {
            command_key: command_key.to_owned(),
            kind,
            file_type: String::new(),
            file_name: String::new(),
            file_size: 0,
            state: TransferState::Requested,
            requested_at: at,
            accepted_at: None,
            status: None,
            ended_at: None,
            start_time: None,
            complete_time: None,
            fault: None,
            version_before: None,
            version_after: None,
            version_seen_at: None,
            booted_at: None,
            is_settled: false,
        }
    }

    /// It accepts, with the Status of its response.
    pub fn accept(&mut self, status: u32, at: i64) {
        self.state = TransferState::Accepted;
        self.accepted_at = Some(at);
        self.status = Some(status);
    }

    /// It says how it ended. That counts even after a timeout.
    pub fn end(&mut self, message: &TransferComplete, at: i64) {
        match &message.fault {
            None => self.complete(message.start_time, message.complete_time, at),
            Some(fault) => {
                self.fail(&format!("cwmp.{}", fault.code), &fault.message, at);
                self.is_settled = true;
            }
        }
    }

    /// It is done.
    pub fn complete(&mut self, start_time: i64, complete_time: i64, at: i64) {
        let known = |time: i64| (time != UNKNOWN_TIME).then_some(time);
        self.state = TransferState::Completed;
        self.ended_at = Some(at);
        self.fault = None;
        (self.start_time, self.complete_time) = (known(start_time), known(complete_time));
        self.settle(at);
    }

    /// It is given up, for a reason that may turn out to be wrong.
    pub fn fail(&mut self, code: &str, message: &str, at: i64) {
        self.state = TransferState::Failed;
        self.ended_at = Some(at);
        self.fault = Some(TransferFault { code: kept(code), message: kept(message) });
    }

    /// Takes in what a later Inform says. Returns whether that is news.
    pub fn see(&mut self, sighting: Sighting<'_>) -> bool {
        let before = self.clone();
        let version = sighting.version.map(kept);
        if version.is_some() && version != self.version_after {
            self.version_after = version;
            self.version_seen_at = Some(sighting.at);
        }
        if sighting.has_booted {
            self.booted_at = Some(sighting.at);
        }
        self.settle(sighting.at);
        *self != before
    }

    /// Only firmware has effects that show later than its TransferComplete: the restart, and the new version.
    fn settle(&mut self, now: i64) {
        let Some(ended_at) = self.ended_at else { return };
        let is_firmware = self.kind != TransferKind::Upload && self.file_type.starts_with("1 ");
        let has_changed = self.version_after.is_some() && self.version_after != self.version_before;
        let has_booted = self.booted_at.is_some_and(|at| at >= ended_at);
        let is_done = self.state == TransferState::Completed && (!is_firmware || has_changed || has_booted);
        self.is_settled |= is_done || now >= ended_at + WATCHED_AFTER_END;
    }
}

/// As much of a device's text as a record keeps.
pub fn kept(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

/// A transfer as the NBI shows it. `transfer` is missing for a moment when the device is faster than the end of its session.
pub fn document(device: &str, command_key: &str, transfer: Option<&Transfer>, movement: Option<&Movement>) -> Json {
    let time = |time: Option<i64>| time.map(format_date_time);
    let mut document = json!({
        "_id": format!("{device}:{command_key}"),
        "device": device,
        "commandKey": command_key,
        "state": transfer.map_or(TransferState::Requested, |transfer| transfer.state),
    });
    if let Some(transfer) = transfer {
        let fault = transfer.fault.as_ref();
        let fields = [
            ("kind", json!(transfer.kind)),
            ("fileType", json!(transfer.file_type)),
            ("fileName", json!(transfer.file_name)),
            ("fileSize", json!(transfer.file_size)),
            ("requestedAt", json!(format_date_time(transfer.requested_at))),
            ("acceptedAt", json!(time(transfer.accepted_at))),
            ("status", json!(transfer.status)),
            ("endedAt", json!(time(transfer.ended_at))),
            ("startTime", json!(time(transfer.start_time))),
            ("completeTime", json!(time(transfer.complete_time))),
            ("faultCode", json!(fault.map(|fault| &fault.code))),
            ("faultString", json!(fault.map(|fault| &fault.message))),
            ("versionBefore", json!(transfer.version_before)),
            ("versionAfter", json!(transfer.version_after)),
            ("versionSeenAt", json!(time(transfer.version_seen_at))),
            ("bootedAt", json!(time(transfer.booted_at))),
        ];
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_null()) {
            document[name] = value;
        }
    }
    if let Some(movement) = movement {
        document["movement"] = json!({
            "firstAt": format_date_time(movement.first_at),
            "lastAt": format_date_time(movement.last_at),
            "requests": movement.requests,
            "lastStatus": movement.last_status,
            "remoteAddress": movement.remote_address,
            "bytes": movement.bytes(),
            "length": movement.length,
            "complete": movement.is_complete(),
        });
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::CpeFault;

    fn firmware() -> Transfer {
        Transfer {
            file_type: "1 Firmware Upgrade Image".into(),
            version_before: Some("1.0".into()),
            ..Transfer::requested("k", TransferKind::Download, 1_000)
        }
    }

    fn done() -> TransferComplete {
        TransferComplete { command_key: "k".into(), fault: None, start_time: UNKNOWN_TIME, complete_time: 1_500 }
    }

    fn sighting(version: &str, has_booted: bool, at: i64) -> Sighting<'_> {
        Sighting { version: Some(version), has_booted, at }
    }

    #[test]
    fn firmware_is_watched_until_its_effect_shows() {
        // Informs after the request (version, boot, time) and when the TransferComplete came (behind the Inform of that time).
        type Case<'a> = (&'a str, Vec<(&'a str, bool, i64)>, i64, bool);
        let cases: Vec<Case<'_>> = vec![
            ("the new version comes with the TransferComplete", vec![("2.0", true, 2_000)], 2_000, true),
            ("it comes later", vec![("1.0", false, 2_000), ("2.0", true, 3_000)], 2_000, true),
            ("it is still to come", vec![("1.0", false, 2_000), ("1.0", false, 3_000)], 2_000, false),
            ("the restart brought the same version", vec![("1.0", false, 2_000), ("1.0", true, 3_000)], 2_000, true),
            ("a restart before counts for nothing", vec![("1.0", true, 1_500), ("1.0", false, 2_000)], 2_000, false),
            (
                "nobody waits longer than a day",
                vec![("1.0", false, 2_000), ("1.0", false, 2_000 + WATCHED_AFTER_END)],
                2_000,
                true,
            ),
        ];
        for (case, informs, completed, is_settled) in cases {
            let mut transfer = firmware();
            transfer.accept(1, 1_000);
            for (version, has_booted, at) in informs {
                transfer.see(sighting(version, has_booted, at));
                if at == completed {
                    transfer.end(&done(), at);
                }
            }
            assert_eq!(transfer.is_settled, is_settled, "{case}: {transfer:?}");
            assert_eq!(transfer.state, TransferState::Completed, "{case}");
        }
    }

    #[test]
    fn other_files_are_settled_when_they_are_done() {
        let mut transfer = Transfer { file_type: "3 Vendor Configuration File".into(), ..firmware() };
        transfer.end(&done(), 2_000);
        assert!(transfer.is_settled);
        assert_eq!((transfer.start_time, transfer.complete_time), (None, Some(1_500)));
    }

    #[test]
    fn a_late_word_of_the_device_counts() {
        let mut transfer = firmware();
        transfer.accept(1, 1_000);
        transfer.fail("timeout", "no TransferComplete came", 5_000);
        assert!(!transfer.is_settled);
        transfer.see(sighting("2.0", true, 6_000));
        transfer.end(&done(), 6_000);
        assert_eq!((transfer.state, transfer.fault.clone()), (TransferState::Completed, None));

        let fault = CpeFault {
            code: "9010".into(),
            message: "Download failure".into(),
            set_parameter_values_faults: Vec::new(),
        };
        transfer.end(&TransferComplete { fault: Some(fault), ..done() }, 7_000);
        let fault = transfer.fault.unwrap();
        assert_eq!((transfer.state, fault.code.as_str()), (TransferState::Failed, "cwmp.9010"));
    }

    #[test]
    fn what_is_no_news_changes_nothing() {
        let mut transfer = firmware();
        assert!(transfer.see(sighting("1.0", false, 2_000)));
        assert!(!transfer.see(sighting("1.0", false, 3_000)));
        assert!(!transfer.see(Sighting { version: None, has_booted: false, at: 4_000 }));
        assert!(transfer.see(sighting("1.0", true, 5_000)));
        assert_eq!(transfer.version_seen_at, Some(2_000));
    }

    #[test]
    fn long_texts_of_a_device_are_cut() {
        let long = "é".repeat(10_000);
        let mut transfer = firmware();
        assert!(transfer.see(sighting(&long, false, 2_000)));
        assert!(!transfer.see(sighting(&long, false, 3_000)), "cut, it is still the same");
        transfer.fail("cwmp.9010", &long, 3_000);
        let (version, fault) = (transfer.version_after.unwrap(), transfer.fault.unwrap());
        assert_eq!((version.chars().count(), fault.message.chars().count()), (LONGEST_TEXT, LONGEST_TEXT));
    }

    #[test]
    fn a_document_has_what_is_known() {
        let mut transfer = firmware();
        transfer.accept(1, 1_000);
        let mut movement = Movement::default();
        movement.take(&MovementReport {
            at: 10,
            is_upload: false,
            is_new_request: true,
            status: 200,
            remote_address: "192.0.2.7".into(),
            part: (0, 40),
            length: Some(100),
        });
        let document = document("D-1", "k", Some(&transfer), Some(&movement));
        assert_eq!(document["_id"], "D-1:k");
        assert_eq!((&document["kind"], &document["state"]), (&json!("Download"), &json!("accepted")));
        assert_eq!(document["acceptedAt"], "1970-01-01T00:00:01.000Z");
        assert!(document.get("endedAt").is_none());
        assert_eq!(document["movement"]["bytes"], 40);
        let early = super::document("D-1", "k", None, Some(&movement));
        assert_eq!(early["state"], "requested");
    }
}
