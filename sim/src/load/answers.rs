//! Answers to the server's requests in `read` sessions: made by a real device once, then from memory.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::RwLock;

use super::template::{ID, SERIAL, Template};
use crate::cpe::{Device, Options};
use crate::model::{DataModel, Identity};

/// Most distinct requests remembered.
const MOST_ANSWERS: usize = 4_096;

/// Pre-rendered answers by request, shared by all workers.
#[derive(Debug)]
pub(super) struct Answers {
    options: Arc<Options>,
    identity: Identity,
    model: DataModel,
    known: RwLock<HashMap<Box<[u8]>, Arc<Template>>>,
}

impl Answers {
    pub(super) fn new(options: Options, identity: &Identity, model: DataModel) -> Self {
        let identity = Identity { serial_number: SERIAL.into(), ..identity.clone() };
        Self { options: Arc::new(options), identity, model, known: RwLock::new(HashMap::new()) }
    }

    /// The answer to a request, and where in the request its ID is; an error text when it cannot be answered.
    pub(super) fn answer(&self, request: &[u8]) -> Result<(Arc<Template>, Range<usize>), String> {
        let id = id_of(request);
        let mut key = Vec::with_capacity(request.len());
        key.extend_from_slice(&request[..id.start]);
        key.extend_from_slice(&request[id.end..]);
        if let Some(known) = self.known.read().get(key.as_slice()) {
            return Ok((Arc::clone(known), id));
        }
        let (template, lasting) = self.made(request, &id)?;
        let template = Arc::new(template);
        let mut known = self.known.write();
        if lasting && known.len() < MOST_ANSWERS {
            known.insert(key.into(), Arc::clone(&template));
        }
        Ok((template, id))
    }

    /// An answer from a fresh device; whether it is worth remembering.
    fn made(&self, request: &[u8], id: &Range<usize>) -> Result<(Template, bool), String> {
        let text = |range: Range<usize>| String::from_utf8_lossy(&request[range]);
        let marked = format!("{}{ID}{}", text(0..id.start), text(id.end..request.len()));
        let marked = if id.is_empty() { text(0..request.len()).into_owned() } else { marked };
        let options = Arc::clone(&self.options);
        let mut device = Device::with_model(options, self.identity.clone(), self.model.clone());
        let reply = device.handle(&marked).map_err(|error| error.to_string())?;
        let lasting = reply.exchange.request.as_ref().is_ok_and(|request| request.rpc().starts_with("Get"));
        Ok((Template::new(&reply.body), lasting))
    }
}

/// Where the text of the `ID` header is; empty when there is none.
fn id_of(request: &[u8]) -> Range<usize> {
    let Some(tag) = request.windows(3).position(|window| matches!(window, b":ID" | b"<ID")) else {
        return 0..0;
    };
    let after = &request[tag..];
    let Some(open) = after.iter().position(|byte| *byte == b'>') else {
        return 0..0;
    };
    let start = tag + open + 1;
    let length = request[start..].iter().position(|byte| *byte == b'<').unwrap_or(0);
    start..start + length
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::template::Fields;
    use super::*;
    use crate::model::ModelKind;

    fn request(id: &str, name: &str) -> String {
        format!(
            "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:cwmp=\"urn:dslforum-org:cwmp-1-0\"><e:Header>\
             <cwmp:ID e:mustUnderstand=\"1\">{id}</cwmp:ID></e:Header><e:Body><cwmp:GetParameterValues>\
             <ParameterNames><string>{name}</string></ParameterNames></cwmp:GetParameterValues></e:Body></e:Envelope>"
        )
    }

    #[test]
    fn a_question_is_rendered_once_and_filled_in_for_each_device() {
        let model = DataModel::generate(ModelKind::Tr181, 80, 1);
        let answers = Answers::new(Options::default(), &Identity::default(), model);
        let mut seen = Vec::new();
        for (id, serial_number) in [("a1", "S1"), ("b22", "S2")] {
            let question = request(id, "Device.DeviceInfo.SerialNumber");
            let (template, range) = answers.answer(question.as_bytes()).unwrap();
            assert_eq!(&question[range], id);
            let mut out = Vec::new();
            template.render(Fields { serial_number, sequence: "", time: "", id, retries: "" }, &mut out);
            let text = String::from_utf8(out).unwrap();
            assert!(text.contains(&format!(">{serial_number}</Value>")), "{text}");
            assert!(text.contains(&format!(">{id}</cwmp:ID>")), "{text}");
            seen.push(template);
        }
        assert!(Arc::ptr_eq(&seen[0], &seen[1]));
        assert_eq!(answers.known.read().len(), 1);
        assert!(answers.answer(b"<no").is_err());
    }
}
