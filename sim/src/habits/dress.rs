//! Puts habits on a message: the plain message is read, changed, and written anew.

use std::fmt::Write as _;

use super::{ArrayTypes, Booleans, Declaration, EmptyElements, Faults, Times, ValueTypes, WhiteSpace, XmlHabits};
use crate::xml::{Element, push_escaped};

/// The message as a device with these habits writes it. One that cannot be read (because it was made malformed) stays as it is.
pub fn dress(message: String, habits: &XmlHabits) -> String {
    if *habits == XmlHabits::default() {
        return message;
    }
    let Ok(mut root) = Element::parse(&message) else { return message };
    change(&mut root, habits);
    rename(&mut root, habits);
    let has_declaration = message.starts_with("<?xml");
    written(&root, habits, has_declaration)
}

/// Content first, while names and types are still plain.
fn change(element: &mut Element, habits: &XmlHabits) {
    match element.name.as_str() {
        "Inform" => inform(element, habits),
        "TransferComplete" if habits.unordered => move_last(element, "FaultStruct"),
        "CurrentTime" => element.text = time(&element.text, habits.times),
        "StartTime" | "CompleteTime" if habits.times == Times::EmptyTransferTimes => element.text.clear(),
        "StartTime" | "CompleteTime" => element.text = time(&element.text, habits.times),
        "Writable" => writable(element, habits.booleans),
        "Value" => value(element, habits),
        "Fault" if element.prefix == "SOAP-ENV" => fault(element, habits),
        "SetParameterValuesResponse" if habits.set_answers_with_list => {
            let attribute = ("SOAP-ENC:arrayType".to_owned(), "cwmp:ParameterValueStruct[0]".to_owned());
            let list = Element { name: "ParameterList".into(), attributes: vec![attribute], ..Element::default() };
            element.children = vec![list];
        }
        "AddObjectResponse" => {
            if let Some(number) = habits.instance_number {
                set_text(element, "InstanceNumber", &number.to_string());
                set_text(element, "Status", "9005");
            }
        }
        _ => {}
    }
    if habits.empty_elements == EmptyElements::Missing {
        element.children.retain(|child| child.name != "CommandKey" || !child.text.is_empty());
    }
    for child in &mut element.children {
        change(child, habits);
    }
}

fn inform(element: &mut Element, habits: &XmlHabits) {
    if let Some(list) = element.children.iter_mut().find(|child| child.name == "Event") {
        list.children.retain(|event| {
            let code = event.child_text("EventCode").unwrap_or_default();
            !habits.no_events && !habits.hidden_events.iter().any(|hidden| hidden == code)
        });
        for event in &mut list.children {
            let code = event.child_text("EventCode").unwrap_or_default();
            if let Some(name) = habits.event_names.get(code).cloned() {
                set_text(event, "EventCode", &name);
            }
        }
        let count = list.children.len();
        for (_, text) in &mut list.attributes {
            *text = format!("cwmp:EventStruct[{count}]");
        }
    }
    if let Some(text) = &habits.max_envelopes {
        set_text(element, "MaxEnvelopes", text);
    }
    if let Some(text) = &habits.retry_count {
        set_text(element, "RetryCount", text);
    }
    if habits.unordered {
        element.children.retain(|child| child.name != "RetryCount");
        move_last(element, "Event");
        if let Some(place) = element.children.iter().position(|child| child.name == "MaxEnvelopes") {
            let child = element.children.remove(place);
            element.children.insert(0, child);
        }
    }
}

fn move_last(element: &mut Element, name: &str) {
    if let Some(place) = element.children.iter().position(|child| child.name == name) {
        let child = element.children.remove(place);
        element.children.push(child);
    }
}

fn set_text(element: &mut Element, name: &str, text: &str) {
    if let Some(child) = element.children.iter_mut().find(|child| child.name == name) {
        child.text = text.to_owned();
    }
}

fn time(text: &str, times: Times) -> String {
    let Some(plain) = text.strip_suffix('Z') else { return text.to_owned() };
    match times {
        Times::Utc | Times::EmptyTransferTimes => text.to_owned(),
        Times::WithoutZone => plain.to_owned(),
        Times::Offset => format!("{plain}+00:00"),
        Times::Microseconds => format!("{}.123456Z", plain.split('.').next().unwrap_or(plain)),
    }
}

fn writable(element: &mut Element, booleans: Booleans) {
    let is_writable = element.text == "1";
    element.text = match (booleans, is_writable) {
        (Booleans::AsStored | Booleans::Digits, _) => return,
        (Booleans::Words, true) => "true",
        (Booleans::Words, false) => "false",
        (Booleans::Thirty, true) => "30",
        (Booleans::Thirty, false) => "0",
    }
    .to_owned();
}

fn value(element: &mut Element, habits: &XmlHabits) {
    let xsi_type = element.attribute("type").unwrap_or_default().to_owned();
    match xsi_type.as_str() {
        "xsd:dateTime" => element.text = time(&element.text, habits.times),
        "xsd:boolean" => {
            let is_true = matches!(element.text.as_str(), "1" | "true");
            match habits.booleans {
                Booleans::AsStored | Booleans::Thirty => {}
                Booleans::Digits => element.text = if is_true { "1" } else { "0" }.to_owned(),
                Booleans::Words => element.text = is_true.to_string(),
            }
        }
        _ => {}
    }
    match habits.value_types {
        ValueTypes::Right | ValueTypes::Everywhere => {}
        ValueTypes::Missing => element.attributes.clear(),
        ValueTypes::Object => {
            for (_, text) in &mut element.attributes {
                *text = "object".to_owned();
            }
        }
    }
}

fn fault(element: &mut Element, habits: &XmlHabits) {
    if habits.undeclared_fault_prefix {
        element.prefix = "undeclared".to_owned();
    }
    let Some(place) = element.children.iter().position(|child| child.name == "detail") else { return };
    let details = element.children[place].children.iter_mut().find(|child| child.name == "Fault");
    match (habits.faults, details) {
        (Faults::WithoutEntries, Some(details)) => {
            details.children.retain(|child| child.name != "SetParameterValuesFault");
        }
        (Faults::WithoutText, Some(details)) => set_text(details, "FaultString", ""),
        (Faults::InFaultString, _) => {
            let detail = element.children.remove(place);
            if let Some(text) = element.children.iter_mut().find(|child| child.name == "faultstring") {
                text.children.push(detail);
            }
        }
        _ => {}
    }
}

/// Then names, prefixes and types.
fn rename(element: &mut Element, habits: &XmlHabits) {
    let envelope = habits.envelope_prefix.as_deref().unwrap_or("SOAP-ENV");
    let encoding = habits.encoding_prefix.as_deref().unwrap_or("SOAP-ENC");
    if element.prefix == "SOAP-ENV" {
        element.prefix = envelope.to_owned();
    }
    if habits.bare_envelope && element.name == "Envelope" {
        element.prefix.clear();
    }
    let in_device_id = ["DeviceId", "Manufacturer", "OUI", "ProductClass", "SerialNumber"];
    if habits.prefixed_device_id && in_device_id.contains(&element.name.as_str()) {
        element.prefix = "cwmp".to_owned();
    }
    for (name, text) in &mut element.attributes {
        *name = match name.as_str() {
            "xmlns:SOAP-ENV" => format!("xmlns:{envelope}"),
            "xmlns:SOAP-ENC" => format!("xmlns:{encoding}"),
            "SOAP-ENC:arrayType" => {
                let prefix = if habits.array_type_in_envelope { envelope } else { encoding };
                *text = array_type(text, habits.array_types);
                format!("{prefix}:arrayType")
            }
            "SOAP-ENV:mustUnderstand" => {
                if let Some(said) = &habits.must_understand {
                    text.clone_from(said);
                }
                format!("{envelope}:mustUnderstand")
            }
            _ => continue,
        };
    }
    if habits.array_types == ArrayTypes::Missing {
        element.attributes.retain(|(name, _)| !name.ends_with(":arrayType"));
    }
    if habits.schema_of_1999 {
        for (_, text) in &mut element.attributes {
            *text = text.replace("http://www.w3.org/2001/XMLSchema", "http://www.w3.org/1999/XMLSchema");
        }
    }
    let is_plain = element.children.is_empty() && element.attributes.is_empty() && element.prefix.is_empty();
    if habits.value_types == ValueTypes::Everywhere && is_plain {
        element.attributes.push(("xsi:type".to_owned(), "xsd:string".to_owned()));
    }
    for child in &mut element.children {
        rename(child, habits);
    }
}

fn array_type(text: &str, array_types: ArrayTypes) -> String {
    let (item, count) = text.split_once('[').unwrap_or((text, "0]"));
    let count = count.trim_end_matches(']');
    match array_types {
        ArrayTypes::Right | ArrayTypes::Missing => text.to_owned(),
        ArrayTypes::Padded => format!("{item}[{count:0>2}]"),
        ArrayTypes::Sixteen => format!("{item}[16]"),
        ArrayTypes::Unprefixed => format!("{}[{count}]", item.rsplit(':').next().unwrap_or(item)),
        ArrayTypes::WrongElement => format!("cwmp:ParameterValue[{count}]"),
    }
}

fn written(root: &Element, habits: &XmlHabits, has_declaration: bool) -> String {
    let mut out = String::new();
    if habits.white_space == WhiteSpace::Leading {
        out.push(' ');
    }
    match habits.declaration {
        Declaration::Usual if has_declaration && habits.white_space != WhiteSpace::Leading => {
            out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        }
        Declaration::Usual | Declaration::Missing => {}
        Declaration::WithoutEncoding => out.push_str("<?xml version=\"1.0\"?>"),
        Declaration::Standalone => out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>"),
    }
    write_element(&mut out, root, habits, 0);
    out
}

fn write_element(out: &mut String, element: &Element, habits: &XmlHabits, depth: usize) {
    let is_indented = habits.white_space == WhiteSpace::Indented;
    let line = |out: &mut String, depth: usize| {
        if is_indented {
            out.push('\n');
            out.push_str(&"    ".repeat(depth));
        }
    };
    if depth > 0 {
        line(out, depth);
    }
    let name = match element.prefix.as_str() {
        "" => element.name.clone(),
        prefix => format!("{prefix}:{}", element.name),
    };
    let _ = write!(out, "<{name}");
    let gap = if habits.white_space == WhiteSpace::BetweenAttributes { "\n      " } else { " " };
    for (attribute, text) in &element.attributes {
        let _ = write!(out, "{gap}{attribute}=\"");
        push_escaped(out, text);
        out.push('"');
    }
    if element.children.is_empty() && element.text.is_empty() {
        match habits.empty_elements {
            EmptyElements::Pair | EmptyElements::Missing => {
                let _ = write!(out, "></{name}>");
            }
            EmptyElements::SelfClosed => out.push_str("/>"),
            EmptyElements::SelfClosedWithBlank => out.push_str(" />"),
        }
        return;
    }
    out.push('>');
    if habits.raw_text {
        out.push_str(&element.text);
    } else {
        push_escaped(out, &element.text);
    }
    for child in &element.children {
        write_element(out, child, habits, depth + 1);
    }
    if !element.children.is_empty() {
        line(out, depth);
    }
    let _ = write!(out, "</{name}>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::{Fault, Writer};
    use crate::value::{Value, XsdType};

    fn values(habits: &XmlHabits) -> String {
        let value = Value::new("a & b", XsdType::String);
        dress(Writer::new("urn:dslforum-org:cwmp-1-0", Some("7")).parameter_values(&[("A.B", &value)]), habits)
    }

    #[test]
    fn a_well_behaved_device_changes_nothing_and_rewriting_keeps_the_content() {
        let plain = values(&XmlHabits::default());
        let rewritten = values(&XmlHabits { max_envelopes: Some("1".into()), ..XmlHabits::default() });
        assert_eq!(plain, rewritten);
    }

    #[test]
    fn each_habit_shows() {
        let habits = |change: fn(&mut XmlHabits)| {
            let mut habits = XmlHabits::default();
            change(&mut habits);
            habits
        };
        let table = [
            (habits(|h| h.envelope_prefix = Some("soap".into())), "<soap:Body>"),
            (habits(|h| h.encoding_prefix = Some("enc".into())), " enc:arrayType=\"cwmp:ParameterValueStruct[1]\""),
            (habits(|h| h.bare_envelope = true), "<Envelope "),
            (habits(|h| h.array_types = ArrayTypes::Padded), "[01]"),
            (habits(|h| h.array_types = ArrayTypes::Unprefixed), "\"ParameterValueStruct[1]\""),
            (habits(|h| h.value_types = ValueTypes::Missing), "<Value>a"),
            (habits(|h| h.value_types = ValueTypes::Everywhere), "<Name xsi:type=\"xsd:string\">"),
            (habits(|h| h.raw_text = true), "a & b"),
            (habits(|h| h.schema_of_1999 = true), "1999/XMLSchema-instance"),
            (habits(|h| h.white_space = WhiteSpace::Indented), "\n                    <Name>A.B</Name>"),
            (habits(|h| h.declaration = Declaration::Standalone), "standalone=\"no\"?>"),
            (habits(|h| h.must_understand = Some("true".into())), "mustUnderstand=\"true\""),
        ];
        for (habits, expected) in table {
            let message = values(&habits);
            assert!(message.contains(expected), "{expected}: {message}");
        }
    }

    #[test]
    fn a_fault_s_detail_moves_into_its_text() {
        let habits = XmlHabits { faults: Faults::InFaultString, ..XmlHabits::default() };
        let message = dress(Writer::new("urn:x", None).fault(&Fault::new(9005)), &habits);
        assert!(message.contains("</detail></faultstring></SOAP-ENV:Fault>"), "{message}");
    }

    #[test]
    fn a_malformed_message_stays_as_it_is() {
        let habits = XmlHabits { raw_text: true, ..XmlHabits::default() };
        assert_eq!(dress("<a><b".to_owned(), &habits), "<a><b");
    }
}
