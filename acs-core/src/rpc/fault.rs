//! How a CPE refuses, and what its fault codes mean (TR-069 Annex A.5.1).

use serde::{Deserialize, Serialize};

/// A CPE's fault (A.5), in answer to a request or inside TransferComplete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpeFault {
    /// The CWMP FaultCode as the device wrote it, usually 9000 to 9899.
    pub code: String,
    /// The CWMP FaultString.
    pub message: String,
    /// One entry for each parameter that SetParameterValues refused, as far as the device says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set_parameter_values_faults: Vec<SetParameterValuesFault>,
}

/// One SetParameterValuesFault (A.3.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetParameterValuesFault {
    /// The refused parameter.
    pub parameter_name: String,
    /// As [`CpeFault::code`].
    pub code: String,
    /// As [`CpeFault::message`].
    pub message: String,
}

/// What the standard calls a CPE's fault code. `None` for codes that it does not define: 9033 to 9799 are for extensions, 9800
/// to 9899 for vendors, and devices send others, too.
pub fn fault_text(code: &str) -> Option<&'static str> {
    Some(match code {
        "9000" => "Method not supported",
        "9001" => "Request denied",
        "9002" => "Internal error",
        "9003" => "Invalid arguments",
        "9004" => "Resources exceeded",
        "9005" => "Invalid parameter name",
        "9006" => "Invalid parameter type",
        "9007" => "Invalid parameter value",
        "9008" => "Attempt to set a non-writable parameter",
        "9009" => "Notification request rejected",
        "9010" => "File transfer failure",
        "9011" => "Upload failure",
        "9012" => "File transfer server authentication failure",
        "9013" => "Unsupported protocol for file transfer",
        "9014" => "File transfer failure: unable to join multicast group",
        "9015" => "File transfer failure: unable to contact file server",
        "9016" => "File transfer failure: unable to access file",
        "9017" => "File transfer failure: unable to complete download",
        "9018" => "File transfer failure: file corrupted or otherwise unusable",
        "9019" => "File transfer failure: file authentication failure",
        "9020" => "File transfer failure: unable to complete download within specified time windows",
        "9021" => "Cancelation of file transfer not permitted in current transfer state",
        "9022" => "Invalid UUID format",
        "9023" => "Unknown execution environment",
        "9024" => "Disabled execution environment",
        "9025" => "Deployment unit to execution environment mismatch",
        "9026" => "Duplicate deployment unit",
        "9027" => "System resources exceeded",
        "9028" => "Unknown deployment unit",
        "9029" => "Invalid deployment unit state",
        "9030" => "Invalid deployment unit update: downgrade not permitted",
        "9031" => "Invalid deployment unit update: version not specified",
        "9032" => "Invalid deployment unit update: version already exists",
        _ => return None,
    })
}

impl CpeFault {
    /// The device's words or, when it has none, the standard's.
    pub fn text(&self) -> &str {
        match self.message.trim() {
            "" => fault_text(&self.code).unwrap_or_default(),
            words => words,
        }
    }

    /// Whether the same request would be refused again whenever it is sent: the device does not know the method, the arguments,
    /// the protocol or the deployment unit.
    pub fn is_permanent(&self) -> bool {
        is_permanent(&self.code)
    }
}

/// Whether a CPE's fault code says that the same request would be refused again; see [`CpeFault::is_permanent`].
pub fn is_permanent(code: &str) -> bool {
    matches!(code.parse::<u32>(), Ok(9000 | 9003 | 9005..=9008 | 9013 | 9022..=9032))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_standard_has_a_text_and_no_other_has() {
        for code in 8990..9100u32 {
            let known = (9000..=9032).contains(&code);
            assert_eq!(fault_text(&code.to_string()).is_some(), known, "{code}");
        }
    }

    #[test]
    fn a_fault_without_words_has_the_standards() {
        let fault = |code: &str, message: &str| CpeFault {
            code: code.into(),
            message: message.into(),
            set_parameter_values_faults: Vec::new(),
        };
        assert_eq!(fault("9022", "").text(), "Invalid UUID format");
        assert_eq!(fault("9022", "bad id").text(), "bad id");
        assert_eq!(fault("9850", "").text(), "");
        assert!(fault("9032", "").is_permanent() && !fault("9021", "").is_permanent());
        assert!(!fault("odd", "").is_permanent());
    }
}
