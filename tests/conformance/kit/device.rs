//! A device whose every message a test writes. It keeps its connection and its cookie, until the test says otherwise.

use std::net::SocketAddr;

use super::soap::{CWMP_1_0, Inform, envelope_with};
use super::wire::{Answer, Connection};

pub struct Device {
    pub serial_number: String,
    pub address: SocketAddr,
    pub connection: Connection,
    /// What the Cookie header says; each answer's cookie replaces it.
    pub cookie: Option<String>,
    /// Whether it returns cookies.
    pub returns_cookies: bool,
    /// Of what it sends after its Inform.
    pub namespace: String,
    calls: u32,
}

impl Device {
    pub fn connect(address: SocketAddr, serial_number: &str) -> Device {
        Device {
            serial_number: serial_number.to_owned(),
            address,
            connection: Connection::open(address),
            cookie: None,
            returns_cookies: true,
            namespace: CWMP_1_0.to_owned(),
            calls: 0,
        }
    }

    /// Its ID in the REST API.
    pub fn id(&self) -> String {
        format!("0A1B2C-Box-{}", self.serial_number)
    }

    /// Goes on with a new connection; the old one is closed.
    pub fn reconnect(&mut self) {
        self.connection = Connection::open(self.address);
    }

    /// Sends a body as one request.
    pub fn post(&mut self, body: &str) -> Answer {
        self.post_with("", body.as_bytes())
    }

    /// Sends a body with further header lines, each ending in CR LF.
    pub fn post_with(&mut self, headers: &str, body: &[u8]) -> Answer {
        let request = self.request(headers, body);
        self.connection.write(request);
        self.receive()
    }

    /// The bytes of a request as the device would send it now.
    pub fn request(&self, headers: &str, body: &[u8]) -> Vec<u8> {
        let cookie = match &self.cookie {
            Some(cookie) if self.returns_cookies => format!("Cookie: {cookie}\r\n"),
            _ => String::new(),
        };
        let head =
            format!("POST /acs HTTP/1.1\r\nHost: acs\r\n{cookie}{headers}Content-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    }

    /// Takes an answer in, and its cookie.
    pub fn receive(&mut self) -> Answer {
        let answer = self.connection.receive();
        if let Some(cookie) = answer.cookie() {
            self.cookie = Some(cookie.to_owned());
        }
        answer
    }

    /// Informs of these events and parameters.
    pub fn inform(&mut self, events: &[&str], parameters: &[(&str, &str)]) -> Answer {
        let inform = Inform::of(&self.serial_number).events(events);
        let inform = parameters.iter().fold(inform, |inform, (name, value)| inform.parameter(name, value));
        self.send_inform(&inform)
    }

    /// Sends an Inform. What follows is in its namespace.
    pub fn send_inform(&mut self, inform: &Inform) -> Answer {
        self.namespace.clone_from(&inform.namespace);
        // Times are whole milliseconds: what the last Inform told counts as just read in a session within the next one.
        std::thread::sleep(std::time::Duration::from_millis(3));
        self.calls += 1;
        let id = format!("inform-{}", self.calls);
        self.post(&inform.envelope(&id))
    }

    /// The empty POST.
    pub fn empty(&mut self) -> Answer {
        self.post("")
    }

    /// Informs (`2 PERIODIC`), expects InformResponse, and sends the empty POST: the answer to that.
    pub fn begin(&mut self) -> Answer {
        self.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
        self.empty()
    }

    /// A whole session with a server that has nothing to ask: afterwards it is known.
    pub fn register(&mut self) {
        self.begin().expect_end();
    }

    /// Calls the server: `<cwmp:…>` with its arguments.
    pub fn call(&mut self, rpc: &str) -> Answer {
        self.calls += 1;
        let message = self.envelope(&format!("call-{}", self.calls), rpc);
        self.post(&message)
    }

    /// Answers a request of the server with this element.
    pub fn answer(&mut self, request: &Answer, response: &str) -> Answer {
        let message = self.envelope(&request.id(), response);
        self.post(&message)
    }

    /// Answers a GetParameterValues with these parameters.
    pub fn answer_values(&mut self, request: &Answer, parameters: &[String]) -> Answer {
        let response = format!(
            "<cwmp:GetParameterValuesResponse><ParameterList soap-enc:arrayType=\"cwmp:ParameterValueStruct[{}]\">{}\
             </ParameterList></cwmp:GetParameterValuesResponse>",
            parameters.len(),
            parameters.concat()
        );
        self.answer(request, &response)
    }

    /// Answers a GetParameterNames with these names and whether they are writable.
    pub fn answer_names(&mut self, request: &Answer, names: &[(&str, bool)]) -> Answer {
        let list: String = names
            .iter()
            .map(|(name, writable)| {
                let writable = u8::from(*writable);
                format!("<ParameterInfoStruct><Name>{name}</Name><Writable>{writable}</Writable></ParameterInfoStruct>")
            })
            .collect();
        let response = format!(
            "<cwmp:GetParameterNamesResponse><ParameterList soap-enc:arrayType=\"cwmp:ParameterInfoStruct[{}]\">{list}\
             </ParameterList></cwmp:GetParameterNamesResponse>",
            names.len()
        );
        self.answer(request, &response)
    }

    /// Refuses a request of the server with a CWMP fault.
    pub fn fault(&mut self, request: &Answer, code: &str) -> Answer {
        self.fault_with(request, code, "")
    }

    /// Refuses a request with a CWMP fault that has further elements.
    pub fn fault_with(&mut self, request: &Answer, code: &str, elements: &str) -> Answer {
        let fault = format!(
            "<soap-env:Fault><faultcode>Client</faultcode><faultstring>CWMP fault</faultstring><detail><cwmp:Fault>\
             <FaultCode>{code}</FaultCode><FaultString>no</FaultString>{elements}</cwmp:Fault></detail></soap-env:Fault>"
        );
        self.answer(request, &fault)
    }

    /// An envelope in the session's namespace.
    pub fn envelope(&self, id: &str, rpc: &str) -> String {
        let header = format!("<cwmp:ID soap-env:mustUnderstand=\"1\">{id}</cwmp:ID>");
        envelope_with(&self.namespace, &header, rpc)
    }
}
