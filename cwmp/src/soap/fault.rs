//! A CPE's faults: in answer to a request, and inside TransferComplete (TR-069 §3.5, Annex A.5).

use acs_core::rpc::{CpeFault, SetParameterValuesFault};

use super::error::SoapError;
use super::repair::Repair;
use super::scalar::trimmed;
use super::xml::{Element, XmlReader};

/// What was found so far of a fault.
#[derive(Default)]
struct Findings {
    /// SOAP's own faultcode, without its prefix.
    soap_code: String,
    soap_message: String,
    code: String,
    message: String,
    set_parameter_values_faults: Vec<SetParameterValuesFault>,
    /// How deep inside `detail` and `cwmp:Fault` the reader is: 2 is where the CWMP fault belongs.
    level: u8,
    misplaced: bool,
}

/// Reads a SOAP Fault, or a bare `cwmp:Fault`. Details are found wherever they are below it; a fault without any has the code
/// and the text of the SOAP fault, or the code `0`.
pub(super) fn soap_fault(reader: &mut XmlReader<'_>) -> Result<CpeFault, SoapError> {
    let mut findings = Findings::default();
    fault_children(reader, &mut findings)?;
    if findings.code.is_empty() || findings.misplaced {
        reader.repairs.note(Repair::MisplacedFaultDetail);
    }
    let first_of = |texts: [String; 3]| texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    Ok(CpeFault {
        code: first_of([findings.code, findings.soap_code, "0".to_owned()]),
        message: first_of([findings.message, findings.soap_message, String::new()]),
        set_parameter_values_faults: findings.set_parameter_values_faults,
    })
}

/// Reads a FaultStruct (Annex A.3.3.2): `None` for FaultCode 0, which stands for success.
pub(super) fn fault_struct(reader: &mut XmlReader<'_>) -> Result<Option<CpeFault>, SoapError> {
    let mut fault = CpeFault { code: String::new(), message: String::new(), set_parameter_values_faults: Vec::new() };
    while let Some(child) = reader.next_child()? {
        match child.local {
            "FaultCode" => fault.code = trimmed(reader)?,
            "FaultString" => fault.message = trimmed(reader)?,
            _ => reader.skip()?,
        }
    }
    if fault.code.is_empty() {
        reader.repairs.note(Repair::MissingElement("FaultCode"));
    }
    let succeeded = fault.code.bytes().all(|digit| digit == b'0');
    Ok((!succeeded).then_some(fault))
}

// Recurses at most as deep as the document does, which the reader limits.
fn fault_children(reader: &mut XmlReader<'_>, findings: &mut Findings) -> Result<(), SoapError> {
    while let Some(child) = reader.next_child()? {
        fault_child(reader, child, findings)?;
    }
    Ok(())
}

fn fault_child(reader: &mut XmlReader<'_>, child: Element<'_>, findings: &mut Findings) -> Result<(), SoapError> {
    match child.local {
        "faultcode" => {
            let text = trimmed(reader)?;
            findings.soap_code = text.rsplit(':').next().unwrap_or_default().to_owned();
        }
        "faultstring" => {
            let text = reader.mixed_text(|reader, child| {
                findings.misplaced = true;
                fault_child(reader, child, findings)
            })?;
            findings.soap_message = text.trim().to_owned();
        }
        "detail" | "Detail" | "Fault" => {
            findings.level += 1;
            fault_children(reader, findings)?;
            findings.level -= 1;
        }
        "FaultCode" => {
            findings.misplaced |= findings.level != 2;
            findings.code = trimmed(reader)?;
        }
        "FaultString" => findings.message = trimmed(reader)?,
        "SetParameterValuesFault" => {
            let entry = set_parameter_values_fault(reader)?;
            findings.set_parameter_values_faults.push(entry);
        }
        _ => reader.skip()?,
    }
    Ok(())
}

fn set_parameter_values_fault(reader: &mut XmlReader<'_>) -> Result<SetParameterValuesFault, SoapError> {
    let mut entry =
        SetParameterValuesFault { parameter_name: String::new(), code: String::new(), message: String::new() };
    while let Some(child) = reader.next_child()? {
        match child.local {
            "ParameterName" => entry.parameter_name = trimmed(reader)?,
            "FaultCode" => entry.code = trimmed(reader)?,
            "FaultString" => entry.message = trimmed(reader)?,
            _ => reader.skip()?,
        }
    }
    Ok(entry)
}
