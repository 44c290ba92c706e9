//! Faults: what failed, in which channel, what to run again, and when (`docs/engine.md`, "Faults").

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::rpc::CpeFault;
use crate::value::format_date_time;

/// A provision with its arguments, as presets and tasks select it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProvisionCall {
    /// A stored script's name, or a built-in's.
    pub name: String,
    /// Scalars.
    pub arguments: Vec<Json>,
    /// Higher goes first and wins.
    pub weight: i64,
}

impl ProvisionCall {
    /// `[name, …arguments]`, as faults show it.
    pub fn to_json(&self) -> Json {
        let mut list = vec![Json::from(self.name.as_str())];
        list.extend(self.arguments.iter().cloned());
        Json::Array(list)
    }

    /// Whether it is the same call, whatever its weight.
    pub fn is_same_call(&self, other: &ProvisionCall) -> bool {
        self.name == other.name && self.arguments == other.arguments
    }
}

/// A fault as it happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// `cwmp.<code>`, `script`, `script.<kind>`, `ext`, `timeout`, `too_many_commits`, … (`docs/faults.md`).
    pub code: String,
    /// For people; names what was wrong and where.
    pub message: String,
    /// Machine-readable details, depending on the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Json>,
}

/// A channel's stored fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// The device.
    pub device: String,
    /// The channel; `task_<id>` for a task.
    pub channel: String,
    /// What failed last.
    pub fault: Fault,
    /// The timestamp of the session in which it happened.
    pub timestamp: i64,
    /// How often it has been tried again.
    pub retries: u32,
    /// When the task behind it expires.
    pub expiry: Option<i64>,
    /// What to run again.
    pub provisions: Vec<ProvisionCall>,
    /// When it is due again; `None` when it is given up.
    pub retry_at: Option<i64>,
    /// The configuration's fingerprint of `provisions` when it failed: a given-up fault is tried again when that changes.
    pub fingerprint: u64,
}

/// How faults are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Milliseconds before the first retry.
    pub delay: i64,
    /// No wait is longer, in milliseconds.
    pub delay_max: i64,
    /// After as many retries a fault is given up; 0 means never.
    pub max_retries: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy { delay: 60_000, delay_max: 86_400_000, max_retries: 3 }
    }
}

impl RetryPolicy {
    /// When a fault that happened at `timestamp` after `retries` retries is due: `timestamp + min(2^retries × delay, delay_max)`.
    /// `None`: given up.
    pub fn retry_at(&self, timestamp: i64, retries: u32) -> Option<i64> {
        if self.max_retries > 0 && retries >= self.max_retries {
            return None;
        }
        let factor = 1i64.checked_shl(retries.min(62)).unwrap_or(i64::MAX);
        let wait = self.delay.max(0).saturating_mul(factor).min(self.delay_max.max(0));
        Some(timestamp.saturating_add(wait))
    }
}

impl FaultRecord {
    /// `<device>:<channel>`
    pub fn id(&self) -> String {
        format!("{}:{}", self.device, self.channel)
    }

    /// Whether no further retry is planned.
    pub fn is_given_up(&self) -> bool {
        self.retry_at.is_none()
    }

    /// The document that the NBI shows.
    pub fn document(&self) -> Json {
        let provisions = Json::Array(self.provisions.iter().map(ProvisionCall::to_json).collect());
        let mut document = json!({
            "_id": self.id(),
            "device": self.device,
            "channel": self.channel,
            "timestamp": format_date_time(self.timestamp),
            "code": self.fault.code,
            "message": self.fault.message,
            "retries": self.retries,
            "provisions": provisions.to_string(),
            "givenUp": self.is_given_up(),
        });
        if let Some(map) = document.as_object_mut() {
            if let Some(detail) = &self.fault.detail {
                map.insert("detail".into(), detail.clone());
            }
            if let Some(expiry) = self.expiry {
                map.insert("expiry".into(), format_date_time(expiry).into());
            }
            if let Some(retry_at) = self.retry_at {
                map.insert("retryAt".into(), format_date_time(retry_at).into());
            }
        }
        document
    }
}

impl Fault {
    /// A fault without details.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault { code: code.into(), message: message.into(), detail: None }
    }

    /// A device's fault in answer to a request.
    pub fn from_cpe(fault: &CpeFault) -> Fault {
        Fault {
            code: format!("cwmp.{}", fault.code),
            message: fault.text().to_owned(),
            detail: Some(cpe_fault_detail(fault)),
        }
    }
}

/// `{faultCode, faultString, setParameterValuesFault?}`
pub fn cpe_fault_detail(fault: &CpeFault) -> Json {
    let mut detail = json!({ "faultCode": fault.code, "faultString": fault.message });
    if !fault.set_parameter_values_faults.is_empty() {
        detail["setParameterValuesFault"] = fault
            .set_parameter_values_faults
            .iter()
            .map(|entry| {
                json!({
                    "parameterName": entry.parameter_name,
                    "faultCode": entry.code,
                    "faultString": entry.message,
                })
            })
            .collect();
    }
    detail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_back_off_up_to_a_cap_and_are_given_up() {
        let policy = RetryPolicy::default();
        let waits: Vec<_> = (0..4).map(|retries| policy.retry_at(0, retries)).collect();
        assert_eq!(waits, [Some(60_000), Some(120_000), Some(240_000), None]);
        let endless = RetryPolicy { max_retries: 0, ..policy };
        assert_eq!(endless.retry_at(5, 10), Some(5 + 61_440_000));
        assert_eq!(endless.retry_at(5, 11), Some(5 + 86_400_000));
        assert_eq!(endless.retry_at(5, 1_000), Some(5 + 86_400_000));
    }
}
