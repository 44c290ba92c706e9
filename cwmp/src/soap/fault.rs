//! A CPE's faults: in answer to a request, and inside TransferComplete (TR-069 §3.5, Annex A.5).

use acs_core::rpc::{CpeFault, SetParameterValuesFault};

use super::error::SoapError;
use super::repair::Repair;
use super::scalar::short;
use super::xml::{Element, XmlReader};

/// Bytes of a fault's text.
const MAX_MESSAGE: usize = 1_024;
/// Parameters that one fault refuses.
const MAX_REFUSED_VALUES: usize = 1_000;

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
            "FaultCode" => fault.code = short(reader)?,
            "FaultString" => fault.message = short(reader)?,
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
            let text = short(reader)?;
            findings.soap_code = text.rsplit(':').next().unwrap_or_default().to_owned();
        }
        "faultstring" => {
            let text = reader.mixed_text(|reader, child| {
                findings.misplaced = true;
                fault_child(reader, child, findings)
            })?;
            let text = text.trim();
            findings.soap_message = text[..text.floor_char_boundary(MAX_MESSAGE)].to_owned();
        }
        "detail" | "Detail" | "Fault" => {
            findings.level += 1;
            fault_children(reader, findings)?;
            findings.level -= 1;
        }
        "FaultCode" => {
            findings.misplaced |= findings.level != 2;
            findings.code = short(reader)?;
        }
        "FaultString" => findings.message = short(reader)?,
        "SetParameterValuesFault" => {
            let entry = set_parameter_values_fault(reader)?;
            if findings.set_parameter_values_faults.len() < MAX_REFUSED_VALUES {
                findings.set_parameter_values_faults.push(entry);
            }
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
            "ParameterName" => entry.parameter_name = short(reader)?,
            "FaultCode" => entry.code = short(reader)?,
            "FaultString" => entry.message = short(reader)?,
            _ => reader.skip()?,
        }
    }
    Ok(entry)
}
