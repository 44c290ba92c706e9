//! A session from Inform to the last answer (TR-069 §3.7.1), over HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::time::sleep;

use super::calls::CompletedTransfer;
use super::handle::Reply;
use super::message::{Outgoing, Received, received_arguments, refused, unexpected};
use super::report::{Answer, SessionError, SessionReport};
use super::{Device, Pending, TransferMode, now};
use crate::fault::FaultAction;
use crate::habits::CookieHabit;
use crate::habits::dress::dress;
use crate::http::{Body, Client, Credentials, HttpError, Method, Response, TlsClient, TlsOptions, Url};
use crate::soap::{Event, Fault, Incoming, Inform, Writer};
use crate::transcript::{Direction, Line};

/// Most redirects in a row (TR-069 §3.4.4).
const MOST_REDIRECTS: u32 = 5;
/// How often a call is repeated in one session when the ACS answers 8005.
pub(super) const MOST_REPEATS: u32 = 3;
/// Parameters of each Inform, relative to the root, as far as the model has them (TR-069 §3.7.1.5, TR-098, TR-181).
const INFORM_PARAMETERS: &[&str] = &[
    "DeviceSummary",
    "RootDataModelVersion",
    "DeviceInfo.SpecVersion",
    "DeviceInfo.HardwareVersion",
    "DeviceInfo.SoftwareVersion",
    "DeviceInfo.ProvisioningCode",
    "ManagementServer.ConnectionRequestURL",
    "ManagementServer.ParameterKey",
    "WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.ExternalIPAddress",
];

/// The parts of a session in progress.
pub(super) struct Talk<'a> {
    client: &'a mut Client,
    pub(super) report: &'a mut SessionReport,
}

impl Device {
    /// Holds a session with these events and those that are still undelivered. A session that fails is tried again as
    /// often as the options say; the report is that of the last attempt. Events stay until a session has ended properly.
    pub async fn session<E: Into<Event>>(&mut self, events: impl IntoIterator<Item = E>) -> SessionReport {
        for event in events {
            self.queue_event(event.into());
        }
        let mut attempts = 0;
        loop {
            attempts += 1;
            let mut report = self.attempt().await;
            report.attempts = attempts;
            if report.completed() || attempts > self.options.retry.attempts {
                return report;
            }
            sleep(self.retry_wait()).await;
        }
    }

    /// How long to wait before the next attempt, at random within the standard's window.
    pub(super) fn retry_wait(&self) -> Duration {
        let (shortest, longest) = self.options.retry.window(self.retry_count);
        let mut bytes = [0u8; 8];
        // Without randomness the shortest wait is as good.
        let _ = getrandom::fill(&mut bytes);
        let spread = u64::from_le_bytes(bytes) % (longest - shortest).max(1);
        Duration::from_millis(shortest + spread)
    }

    async fn attempt(&mut self) -> SessionReport {
        let begun = Instant::now();
        self.queue_report_events();
        self.take_binding();
        let mut report = SessionReport {
            device_id: self.device_id.clone(),
            events: self.events.clone(),
            attempts: 1,
            informed: false,
            exchanges: Vec::new(),
            own_calls: Vec::new(),
            refused_calls: Vec::new(),
            final_status: None,
            bytes_sent: 0,
            bytes_received: 0,
            duration: Duration::ZERO,
            violations: Vec::new(),
            error: None,
        };
        self.signal.set_in_session(true);
        let acs_url = self.root_text("ManagementServer.URL");
        let result = match Url::parse(&acs_url).and_then(|url| self.client(url)) {
            Err(error) => Err(error.into()),
            Ok(mut client) => {
                let mut talk = Talk { client: &mut client, report: &mut report };
                let result = self.converse(&mut talk).await;
                (report.bytes_sent, report.bytes_received) = client.traffic();
                if self.options.habits.http.cookies == CookieHabit::AcrossSessions {
                    self.cookies = client.cookies;
                }
                result
            }
        };
        self.signal.set_in_session(false);
        report.error = result.err();
        report.duration = begun.elapsed();
        self.end_session(&report, &acs_url);
        report
    }

    fn client(&mut self, url: Url) -> Result<Client, HttpError> {
        let credentials = Credentials {
            username: self.root_text("ManagementServer.Username"),
            password: self.root_text("ManagementServer.Password"),
        };
        let is_encrypted = url.is_encrypted;
        let mut client = Client::new(url, credentials, self.options.timeout());
        client.send_cookies = !self.options.behaviour.no_cookies;
        client.set_habits(self.options.habits.http.clone());
        client.cookies.resume(&self.cookies);
        client.authentication = self.options.authentication.clone();
        if self.tls.is_none() && (is_encrypted || self.options.tls != TlsOptions::default()) {
            self.tls = Some(TlsClient::new(&self.options.tls).map_err(HttpError::Tls)?);
        }
        client.tls = self.tls.clone();
        Ok(client)
    }

    fn root_text(&self, relative: &str) -> String {
        self.model.root_text(relative).unwrap_or_default().to_owned()
    }

    async fn converse(&mut self, talk: &mut Talk<'_>) -> Result<(), SessionError> {
        self.refresh_clock();
        for _ in 0..self.options.habits.http.silent_connections {
            talk.client.knock().await?;
        }
        if self.options.behaviour.empty_post_first {
            self.post(talk, Outgoing::empty()).await?;
        }
        self.inform(talk).await?;
        self.own_calls(talk).await?;
        let mut received = self.post(talk, Outgoing::empty()).await?;
        let mut answered = 0;
        loop {
            let Some((incoming, request)) = received.message else {
                if !matches!(received.response.status, 200 | 204) {
                    return Err(refused(received.response.status));
                }
                if !self.finish_transfers().await {
                    return Ok(());
                }
                match self.own_calls(talk).await {
                    // An ACS that has already closed the session hears of the transfer in the next one.
                    Err(SessionError::Status { .. } | SessionError::Unexpected { .. }) => return Ok(()),
                    result => result?,
                }
                received = self.post(talk, Outgoing::empty()).await?;
                continue;
            };
            if received.response.status != 200 {
                return Err(refused(received.response.status));
            }
            let name = incoming.name();
            if name == "Fault" || name.ends_with("Response") {
                return Err(unexpected("an empty POST or a response", format!("{name} instead of a request")));
            }
            answered += 1;
            if answered > self.options.request_limit {
                return Err(SessionError::RequestLimit(self.options.request_limit));
            }
            let mut reply = self.answer(&incoming, request);
            if let Some(transfer) = reply.immediate.take() {
                let done = self.carry_out_transfer(&transfer).await;
                self.report_immediately(&mut reply, &done);
            }
            talk.report.violations.append(&mut reply.violations);
            talk.report.exchanges.push(reply.exchange.clone());
            received = self.post(talk, Outgoing::reply(reply)).await?;
        }
    }

    /// A transfer before its answer: a failure makes the answer a fault.
    fn report_immediately(&self, reply: &mut Reply, done: &CompletedTransfer) {
        let Some((code, _)) = &done.report.fault else {
            return;
        };
        let mut writer = Writer::new(&self.options.cwmp_namespace, reply.id.as_deref());
        writer.style = self.style();
        let body = writer.fault(&Fault::new(*code));
        reply.body = body;
        reply.exchange.answer = Answer::Fault(*code);
    }

    /// Carries out the transfers that are to be reported in this session; false when there were none.
    async fn finish_transfers(&mut self) -> bool {
        if self.options.transfers != TransferMode::SameSession {
            return false;
        }
        let (transfers, others): (Vec<Pending>, Vec<Pending>) =
            std::mem::take(&mut self.pending).into_iter().partition(|pending| matches!(pending, Pending::Transfer(_)));
        self.pending = others.into();
        let any = !transfers.is_empty();
        for pending in transfers {
            if let Pending::Transfer(transfer) = pending {
                sleep(self.options.delay(transfer.delay_seconds)).await;
                let done = self.carry_out_transfer(&transfer).await;
                self.completed.push(done);
            }
        }
        any
    }

    async fn inform(&mut self, talk: &mut Talk<'_>) -> Result<(), SessionError> {
        let mut redirects = 0;
        let mut repeats = 0;
        loop {
            let (id, outgoing) = self.rendered_inform();
            let received = self.post(talk, outgoing).await?;
            let status = received.response.status;
            if matches!(status, 301 | 302 | 307 | 308) && redirects < MOST_REDIRECTS {
                redirects += 1;
                let location = received.response.head.header("Location").unwrap_or_default();
                talk.client.redirect(location)?;
                continue;
            }
            if received.asks_to_repeat() && repeats < MOST_REPEATS {
                repeats += 1;
                continue;
            }
            let incoming = received.expect("Inform", "InformResponse")?;
            let mut violations = incoming.violations.clone();
            if id.is_some() && incoming.id != id {
                violations.push(format!("InformResponse has the ID {:?}, not {id:?}", incoming.id));
            }
            if incoming.namespace.as_ref() != Some(&self.options.cwmp_namespace) {
                violations.push(format!("InformResponse in the namespace {:?}", incoming.namespace));
            }
            if incoming.body.child_text("MaxEnvelopes") != Some("1") {
                violations.push("InformResponse without MaxEnvelopes 1".into());
            }
            if self.options.supported_cwmp_versions.is_some() && incoming.use_cwmp_version.is_none() {
                violations.push("InformResponse without UseCWMPVersion".into());
            }
            talk.report.violations.append(&mut violations);
            talk.report.informed = true;
            return Ok(());
        }
    }

    /// The Inform with its `cwmp:ID`, if it has one.
    fn rendered_inform(&mut self) -> (Option<String>, Outgoing) {
        let options = Arc::clone(&self.options);
        let id = self.next_id();
        let action = self.injected("Inform", &[]);
        let header = (action != Some(FaultAction::NoId)).then_some(id.as_str());
        let paths: Vec<String> = INFORM_PARAMETERS
            .iter()
            .map(|relative| self.model.under_root(relative))
            .chain(self.changed.iter().cloned())
            .collect();
        let parameters = paths
            .iter()
            .filter_map(|path| {
                let value = self.model.get(path)?.value.as_ref()?;
                Some((path.as_str(), value))
            })
            .collect();
        let mut writer = Writer::new(&options.cwmp_namespace, header);
        writer.supported_versions = options.supported_cwmp_versions.as_deref();
        writer.session_timeout = options.session_timeout;
        writer.style = self.style();
        let body = writer.inform(&Inform {
            identity: &self.identity,
            events: &self.events,
            current_time: now(),
            retry_count: self.retry_count,
            parameters,
        });
        let codes: Vec<&str> = self.events.iter().map(|event| event.code.as_str()).collect();
        let arguments = json!({"Event": codes, "RetryCount": self.retry_count});
        (header.map(str::to_owned), Outgoing::call("Inform", arguments, body, action))
    }

    pub(super) fn next_id(&mut self) -> String {
        self.calls += 1;
        match &self.options.behaviour.constant_id {
            Some(constant) => constant.clone(),
            None if self.options.behaviour.same_call_id => "1".to_owned(),
            None => self.calls.to_string(),
        }
    }

    /// Sends a message in the way that an injected action wants, reads the answer, and records both.
    pub(super) async fn post(&mut self, talk: &mut Talk<'_>, mut outgoing: Outgoing) -> Result<Received, SessionError> {
        outgoing.body = dress(outgoing.body, &self.options.habits.xml);
        if self.options.habits.http.empty_post_until_challenged && talk.client.is_unchallenged() {
            // Whatever comes but a challenge is of no interest to the device.
            talk.client.send(Method::Post, Body::Sized(&[])).await?;
        }
        self.record(Direction::Sent, &outgoing.name, None, outgoing.arguments.clone(), &outgoing.body);
        let response = self.deliver(talk.client, &outgoing).await?;
        talk.report.final_status = Some(response.status);
        let text = response.text();
        if text.trim().is_empty() {
            self.record(Direction::Received, "empty", Some(response.status), Json::Null, "");
            return Ok(Received { response, message: None });
        }
        let message = match Incoming::parse(&text) {
            Ok(mut incoming) => {
                let request = incoming.request();
                Ok((incoming, request))
            }
            Err(error) => Err(error),
        };
        let (name, arguments) = match &message {
            Ok((incoming, request)) => (incoming.name(), received_arguments(incoming, request)),
            Err(error) => ("unreadable", json!({"error": error.to_string()})),
        };
        self.record(Direction::Received, name, Some(response.status), arguments, &text);
        match message {
            Ok(message) => {
                let type_text = response.head.header("Content-Type").unwrap_or_default();
                if response.status == 200 && !type_text.starts_with("text/xml") {
                    let violation = format!("{} with the content type {type_text:?}", message.0.name());
                    talk.report.violations.push(violation);
                }
                Ok(Received { response, message: Some(message) })
            }
            // An error page need not be SOAP.
            Err(_) if response.status != 200 => Ok(Received { response, message: None }),
            Err(error) => Err(unexpected(&outgoing.name, error.to_string())),
        }
    }

    async fn deliver(&self, client: &mut Client, outgoing: &Outgoing) -> Result<Response, SessionError> {
        let body = outgoing.body.as_bytes();
        let framed = match body {
            [] if self.options.behaviour.unframed_empty_post => Body::Unframed,
            _ => Body::Sized(body),
        };
        match outgoing.action {
            Some(action @ (FaultAction::Close | FaultAction::Hang)) => {
                if outgoing.call {
                    client.send_only(Method::Post, framed).await?;
                }
                if action == FaultAction::Hang {
                    let longest = Duration::from_millis(self.options.hang_milliseconds);
                    client.wait_for_close(longest).await;
                }
                client.close();
                Err(SessionError::Injected(action))
            }
            Some(FaultAction::Slow(milliseconds)) => {
                sleep(Duration::from_millis(milliseconds)).await;
                Ok(client.send(Method::Post, framed).await?)
            }
            Some(FaultAction::Chunked) => Ok(client.send(Method::Post, Body::Chunked(body)).await?),
            _ => Ok(client.send(Method::Post, framed).await?),
        }
    }

    fn record(&self, direction: Direction, rpc: &str, status: Option<u16>, arguments: Json, body: &str) {
        if let Some(transcript) = &self.transcript {
            let device = &self.device_id;
            transcript.write(Line { device, direction, rpc, status, arguments, body });
        }
    }

    /// What happens on the device when a session is over, well or not.
    fn end_session(&mut self, report: &SessionReport, acs_url: &str) {
        for (path, text) in std::mem::take(&mut self.deferred) {
            self.write_value(&path, &text);
        }
        for (path, text) in std::mem::take(&mut self.made) {
            self.model.set_text(&path, &text);
        }
        self.publish_credentials();
        if report.completed() {
            self.events.clear();
            self.changed.clear();
            self.retry_count = 0;
        } else {
            self.retry_count = self.retry_count.saturating_add(1);
        }
        let moved = self.model.root_text("ManagementServer.URL") != Some(acs_url);
        if moved && !self.pending.contains(&Pending::Bootstrap) {
            self.pending.push_back(Pending::Bootstrap);
        }
    }
}
