//! One worker: a connection over which its share of the devices hold their sessions, one after the other.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{SecondsFormat, Utc};
use tokio_util::sync::CancellationToken;

use super::answers::Answers;
use super::template::{Fields, RETRIES, SEQUENCE, SERIAL, TIME, Template};
use super::wire::{Answer, Destination, Wire};
use super::{LoadError, LoadKind, LoadOptions, SessionOutcome, Tally};
use crate::cpe::Options;
use crate::http::{HttpError, TlsClient, Url};
use crate::model::{DataModel, Identity};
use crate::soap::{Event, Inform, Writer};

/// Most requests answered in one `read` session.
const MOST_REQUESTS: u32 = 10_000;
const NAMESPACE: &str = "urn:dslforum-org:cwmp-1-0";

/// What all workers share.
#[derive(Debug)]
pub(super) struct Plan {
    options: LoadOptions,
    workers: u64,
    destination: Destination,
    /// Request line and headers of every message, without Cookie and Content-Length.
    head: String,
    inform: Template,
    answers: Answers,
}

/// One connection and its devices: number `index`, `index + workers`, ….
#[derive(Debug)]
pub(super) struct Worker {
    plan: Arc<Plan>,
    wire: Wire,
    device: u64,
    outbox: Vec<u8>,
    serial_number: String,
    sequence: String,
    time: String,
    retries: String,
}

impl Plan {
    /// Prepares messages, and TLS for an `https` URL.
    pub(super) fn new(options: LoadOptions, workers: u64) -> Result<Self, HttpError> {
        let url = Url::parse(&options.url)?;
        let tls = url.is_encrypted.then(|| TlsClient::new(&options.tls)).transpose().map_err(HttpError::Tls)?;
        let model = DataModel::generate(options.model, options.parameters, options.seed);
        let mut head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: text/xml; charset=\"utf-8\"\r\n",
            url.path,
            url.authority(true)
        );
        if !options.username.is_empty() {
            let credentials = BASE64.encode(format!("{}:{}", options.username, options.password));
            head.push_str(&format!("Authorization: Basic {credentials}\r\n"));
        }
        let device_options =
            Options { cwmp_namespace: NAMESPACE.into(), acs_url: options.url.clone(), ..Options::default() };
        Ok(Self {
            workers,
            destination: Destination { address: url.authority(false), host: url.host.clone(), tls },
            head,
            inform: inform_template(&options, &model),
            answers: Answers::new(device_options, &options.identity, model),
            options,
        })
    }
}

/// The Inform of all devices, with places for what differs.
fn inform_template(options: &LoadOptions, model: &DataModel) -> Template {
    let identity = Identity { serial_number: SERIAL.into(), ..options.identity.clone() };
    let mut model = model.clone();
    model.set_root_text("ManagementServer.ConnectionRequestURL", &format!("http://192.0.2.1:7548/{SERIAL}"));
    if options.stamp {
        model.set_root_text("DeviceInfo.ProvisioningCode", SEQUENCE);
    }
    let paths = [
        "DeviceInfo.HardwareVersion",
        "DeviceInfo.SoftwareVersion",
        "DeviceInfo.ProvisioningCode",
        "ManagementServer.ConnectionRequestURL",
        "ManagementServer.ParameterKey",
    ]
    .map(|relative| model.under_root(relative));
    let parameters = paths.iter().filter_map(|path| Some((path.as_str(), model.get(path)?.value.as_ref()?))).collect();
    let message = Writer::new(NAMESPACE, Some("1")).inform(&Inform {
        identity: &identity,
        events: &[Event::from(options.event.as_str())],
        current_time: TIME.into(),
        retry_count: 0,
        parameters,
    });
    Template::new(&message.replace("<RetryCount>0</RetryCount>", &format!("<RetryCount>{RETRIES}</RetryCount>")))
}

impl Worker {
    pub(super) fn new(plan: Arc<Plan>, index: u64) -> Self {
        let limit = Duration::from_millis(plan.options.timeout_milliseconds);
        let destination = plan.destination.clone();
        let tls = destination.tls.as_ref().map(TlsClient::apart);
        Self {
            wire: Wire::new(Destination { tls, ..destination }, limit),
            plan,
            device: index,
            outbox: Vec::with_capacity(8 * 1024),
            serial_number: String::new(),
            sequence: String::new(),
            time: String::new(),
            retries: "0".into(),
        }
    }

    /// Sessions until the run's number is reached, its time is over, or `stop`.
    pub(super) async fn work<F>(
        mut self,
        next: Arc<AtomicU64>,
        deadline: Option<Instant>,
        stop: CancellationToken,
        on_session: Arc<F>,
    ) -> Tally
    where
        F: Fn(&SessionOutcome<'_>) + Send + Sync + 'static,
    {
        let mut tally = Tally::default();
        loop {
            (tally.resumed, tally.handshakes) = self.wire.handshakes;
            let over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if over || stop.is_cancelled() {
                return tally;
            }
            let sequence = next.fetch_add(1, Ordering::Relaxed) + 1;
            if self.plan.options.sessions.is_some_and(|most| sequence > most) {
                return tally;
            }
            self.set_fields(sequence);
            let begun = Instant::now();
            let mut answered = 0;
            let error = self.session(&mut answered).await.err();
            let refused = matches!(error, Some(LoadError::Http(HttpError::Connect { .. })));
            let outcome = SessionOutcome {
                serial_number: &self.serial_number,
                sequence,
                answered,
                duration: begun.elapsed(),
                error,
            };
            tally.count(&outcome);
            on_session(&outcome);
            if !outcome.acknowledged() || self.plan.options.reconnect {
                self.wire.close();
            }
            if refused {
                // The server is down: no busy loop until it is back.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Takes the next device in turn.
    fn set_fields(&mut self, sequence: u64) {
        let options = &self.plan.options;
        let number = options.first_serial + self.device;
        self.device += self.plan.workers;
        if self.device >= options.devices {
            self.device %= self.plan.workers;
        }
        self.serial_number.clear();
        self.sequence.clear();
        // Writing to a String cannot fail.
        let _ = write!(self.serial_number, "{}{number:08}", options.identity.serial_number);
        let _ = write!(self.sequence, "{sequence:010}");
        self.time = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    }

    /// The one device's session, tried `retries` times before.
    pub(super) fn for_device(plan: Arc<Plan>, index: u64, retries: u32) -> Self {
        let mut worker = Worker { retries: retries.to_string(), ..Worker::new(plan, index) };
        worker.set_fields(index + 1);
        worker
    }

    /// Opens a session, up to the server's first request, which is left unanswered.
    pub(super) async fn open(&mut self) -> Result<(), LoadError> {
        let plan = Arc::clone(&self.plan);
        self.fill(Some(&plan.inform), "");
        let answer = self.wire.exchange(&self.outbox).await?;
        expect_status(&answer, 200, "Inform")?;
        self.fill(None, "");
        let answer = self.wire.exchange(&self.outbox).await?;
        expect_status(&answer, 200, "empty")?;
        if answer.body.is_empty() {
            return Err(LoadError::Unexpected("no request".into()));
        }
        // What is held for long shall be small.
        self.outbox = Vec::new();
        self.wire.forget();
        Ok(())
    }

    /// One session.
    pub(super) async fn session(&mut self, answered: &mut u32) -> Result<(), LoadError> {
        let plan = Arc::clone(&self.plan);
        self.wire.cookie.clear();
        let reused = self.wire.is_open();
        self.fill(Some(&plan.inform), "");
        let answer = match self.wire.exchange(&self.outbox).await {
            // The server may have closed the kept connection between two sessions.
            Err(HttpError::Closed(_) | HttpError::Io(_)) if reused => self.wire.exchange(&self.outbox).await?,
            result => result?,
        };
        expect_status(&answer, 200, "Inform")?;
        self.fill(None, "");
        let mut answer = self.wire.exchange(&self.outbox).await?;
        let mut step = "empty";
        while answer.status == 200 && !answer.body.is_empty() {
            let request = self.wire.body(&answer);
            if plan.options.kind == LoadKind::Quiet || *answered >= MOST_REQUESTS {
                let start = String::from_utf8_lossy(request).chars().take(600).collect();
                return Err(LoadError::Unexpected(start));
            }
            let (template, id) = plan.answers.answer(request).map_err(LoadError::Unexpected)?;
            let id = String::from_utf8_lossy(&request[id]).into_owned();
            self.fill(Some(&template), &id);
            answer = self.wire.exchange(&self.outbox).await?;
            *answered += 1;
            step = "response";
        }
        if answer.status == 200 {
            return Ok(());
        }
        expect_status(&answer, 204, step)
    }

    /// Puts a message into the outbox; without a template an empty one.
    fn fill(&mut self, template: Option<&Template>, id: &str) {
        let fields = Fields {
            serial_number: &self.serial_number,
            sequence: &self.sequence,
            time: &self.time,
            id,
            retries: &self.retries,
        };
        let out = &mut self.outbox;
        out.clear();
        out.extend_from_slice(self.plan.head.as_bytes());
        if !self.wire.cookie.is_empty() {
            out.extend_from_slice(b"Cookie: ");
            out.extend_from_slice(&self.wire.cookie);
            out.extend_from_slice(b"\r\n");
        }
        let length = template.map_or(0, |template| template.length(fields));
        // Writing to a Vec cannot fail.
        let _ = write!(out, "Content-Length: {length}\r\n\r\n");
        if let Some(template) = template {
            template.render(fields, out);
        }
    }
}

fn expect_status(answer: &Answer, expected: u16, step: &'static str) -> Result<(), LoadError> {
    if answer.status == expected {
        return Ok(());
    }
    Err(LoadError::Status { status: answer.status, step, retry_after: answer.retry_after })
}
