//! A miniature ACS and file server for the tests of this crate: scripted requests, hand-written SOAP.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::http::{Connection, Head};
use crate::soap::ENVELOPE_NAMESPACE;
use crate::xml::Element;

/// A message that the ACS got.
#[derive(Clone, Debug)]
pub struct Message {
    pub head: Head,
    pub body: String,
    /// RPC, response or `Fault`; `empty`; `unreadable`; or the HTTP method when it is not POST.
    pub name: String,
}

impl Message {
    /// The RPC element.
    pub fn rpc(&self) -> Element {
        let envelope = Element::parse(&self.body).unwrap();
        envelope.child("Body").unwrap().children[0].clone()
    }
}

#[derive(Default)]
struct State {
    /// Requests for each session, in order of sessions.
    sessions: VecDeque<VecDeque<String>>,
    /// Those of the session in progress.
    current: VecDeque<String>,
    /// Whole HTTP answers to the next POSTs, before any script.
    answers: VecDeque<String>,
    seen: Vec<Message>,
    refuse_transfer_complete: bool,
    informs: u32,
    rpcs: u32,
}

/// The ACS; stops when dropped.
pub struct MiniAcs {
    pub url: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for MiniAcs {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl MiniAcs {
    /// Starts an ACS that asks these RPCs (the content of the Body) in the first, second, … session.
    pub async fn start(sessions: &[&[&str]]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            sessions: sessions.iter().map(|rpcs| rpcs.iter().map(|rpc| rpc.replace("$ACS", &url)).collect()).collect(),
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { url, state, task }
    }

    /// Answers the next POST with exactly this HTTP message.
    pub fn answer_next(&self, answer: &str) {
        self.state.lock().answers.push_back(answer.to_owned());
    }

    /// Answers the next TransferComplete with 400, as after the end of a session.
    pub fn refuse_transfer_complete_once(&self) {
        self.state.lock().refuse_transfer_complete = true;
    }

    /// All messages so far.
    pub fn seen(&self) -> Vec<Message> {
        self.state.lock().seen.clone()
    }

    /// Names of all messages so far.
    pub fn names(&self) -> Vec<String> {
        self.seen().into_iter().map(|message| message.name).collect()
    }

    /// Events of the n-th Inform, from 0.
    pub fn events(&self, inform: usize) -> Vec<String> {
        let informs: Vec<Message> = self.seen().into_iter().filter(|message| message.name == "Inform").collect();
        let events = informs[inform].rpc().child("Event").unwrap().clone();
        events.children.iter().map(|event| event.child_text("EventCode").unwrap().to_owned()).collect()
    }
}

/// An envelope around a Body's content, in good style.
pub fn envelope(id: &str, body: &str) -> String {
    format!(
        "<soap-env:Envelope xmlns:soap-env=\"{ENVELOPE_NAMESPACE}\" xmlns:soap-enc=\"http://schemas.xmlsoap.org/soap/encoding/\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns:cwmp=\"urn:dslforum-org:cwmp-1-0\"><soap-env:Header><cwmp:ID soap-env:mustUnderstand=\"1\">{id}</cwmp:ID>\
         </soap-env:Header><soap-env:Body>{body}</soap-env:Body></soap-env:Envelope>"
    )
}

/// A SetParameterValues of string values.
pub fn set_values(values: &[(&str, &str, &str)]) -> String {
    let items: String = values
        .iter()
        .map(|(name, xsd, value)| {
            format!("<ParameterValueStruct><Name>{name}</Name><Value xsi:type=\"{xsd}\">{value}</Value></ParameterValueStruct>")
        })
        .collect();
    format!(
        "<cwmp:SetParameterValues><ParameterList soap-enc:arrayType=\"cwmp:ParameterValueStruct[{}]\">{items}</ParameterList>\
         <ParameterKey>key</ParameterKey></cwmp:SetParameterValues>",
        values.len()
    )
}

/// A GetParameterValues.
pub fn get_values(names: &[&str]) -> String {
    let items: String = names.iter().map(|name| format!("<string>{name}</string>")).collect();
    format!(
        "<cwmp:GetParameterValues><ParameterNames soap-enc:arrayType=\"xsd:string[{}]\">{items}</ParameterNames></cwmp:GetParameterValues>",
        names.len()
    )
}

/// A GetParameterNames.
pub fn get_names(path: &str, next_level: bool) -> String {
    format!(
        "<cwmp:GetParameterNames><ParameterPath>{path}</ParameterPath><NextLevel>{}</NextLevel></cwmp:GetParameterNames>",
        u8::from(next_level)
    )
}

/// An AddObject or DeleteObject.
pub fn object(rpc: &str, path: &str) -> String {
    format!("<cwmp:{rpc}><ObjectName>{path}</ObjectName><ParameterKey>key</ParameterKey></cwmp:{rpc}>")
}

/// A Download; `$ACS` in the URL is the mini ACS's own.
pub fn download(file_type: &str, url: &str, size: usize) -> String {
    format!(
        "<cwmp:Download><CommandKey>dl</CommandKey><FileType>{file_type}</FileType><URL>{url}</URL><Username/><Password/>\
         <FileSize>{size}</FileSize><TargetFileName/><DelaySeconds>0</DelaySeconds><SuccessURL/><FailureURL/></cwmp:Download>"
    )
}

/// An Upload to the mini ACS.
pub const UPLOAD: &str = "<cwmp:Upload><CommandKey>ul</CommandKey><FileType>1 Vendor Configuration File</FileType>\
    <URL>$ACSput/config</URL><Username/><Password/><DelaySeconds>0</DelaySeconds></cwmp:Upload>";
/// A Reboot.
pub const REBOOT: &str = "<cwmp:Reboot><CommandKey>rb</CommandKey></cwmp:Reboot>";

const REFUSAL: &str = "<soap-env:Fault><faultcode>Server</faultcode><faultstring>CWMP fault</faultstring>\
    <detail><cwmp:Fault><FaultCode>8000</FaultCode><FaultString>Method not supported</FaultString></cwmp:Fault></detail>\
    </soap-env:Fault>";

/// An HTTP answer with an XML body.
pub fn http(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/xml; charset=\"utf-8\"\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut connection = Connection::new(stream);
    while let Ok(Some(head)) = connection.read_head().await {
        let Ok(body) = connection.read_body(&head, false).await else {
            return;
        };
        let answer = state.lock().answer(head, String::from_utf8(body).unwrap());
        if answer.is_empty() || connection.write(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

impl State {
    fn answer(&mut self, head: Head, body: String) -> String {
        let method = head.first_line.split(' ').next().unwrap().to_owned();
        let name = match (method.as_str(), Element::parse(&body)) {
            ("POST", _) if body.is_empty() => "empty".to_owned(),
            ("POST", Ok(envelope)) => envelope.child("Body").unwrap().children[0].name.clone(),
            ("POST", Err(_)) => "unreadable".to_owned(),
            (other, _) => other.to_owned(),
        };
        self.seen.push(Message { head: head.clone(), body: body.clone(), name: name.clone() });
        if method == "POST"
            && let Some(answer) = self.answers.pop_front()
        {
            return answer;
        }
        let id = Element::parse(&body)
            .ok()
            .and_then(|envelope| envelope.child("Header")?.child_text("ID").map(str::to_owned))
            .unwrap_or_default();
        match name.as_str() {
            "GET" if head.first_line.contains("/missing") => http("404 Not Found", "", ""),
            "GET" => http("200 OK", "", "firmware"),
            "PUT" => http("201 Created", "", ""),
            "Inform" => {
                self.informs += 1;
                self.current = self.sessions.pop_front().unwrap_or_default();
                let cookie = format!("Set-Cookie: session={}; Path=/\r\n", self.informs);
                let response = "<cwmp:InformResponse><MaxEnvelopes>1</MaxEnvelopes></cwmp:InformResponse>";
                http("200 OK", &cookie, &envelope(&id, response))
            }
            "TransferComplete" if std::mem::take(&mut self.refuse_transfer_complete) => http("400 Bad Request", "", ""),
            "TransferComplete"
            | "DUStateChangeComplete"
            | "AutonomousTransferComplete"
            | "AutonomousDUStateChangeComplete"
            | "RequestDownload"
            | "GetRPCMethods" => http("200 OK", "", &envelope(&id, &format!("<cwmp:{name}Response/>"))),
            "Refused" => http("200 OK", "", &envelope(&id, REFUSAL)),
            "unreadable" => http("400 Bad Request", "", ""),
            _ => match self.current.pop_front() {
                None => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
                Some(rpc) => {
                    self.rpcs += 1;
                    http("200 OK", "", &envelope(&format!("acs-{}", self.rpcs), &rpc))
                }
            },
        }
    }
}
