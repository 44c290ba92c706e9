//! Many simulated devices at once: one task each, one shared data model, counters over all.
//!
//! Not here: what one device does (`cpe`), sessions without a device behind them (`load`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::cpe::{ConnectionRequestMode, ConnectionRequestServer, Device, DeviceError, Options, SessionReport};
use crate::model::{DataModel, Identity};
use crate::transcript::Transcript;

/// What fleet to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FleetOptions {
    /// What all devices have in common; the serial number comes from the fields below.
    pub device: Options,
    /// Number of devices.
    pub devices: u32,
    /// Serial numbers are this text and a number of eight digits.
    pub serial_prefix: String,
    /// Number of the first device.
    pub first_serial: u32,
    /// Events of each device's first session.
    pub events: Vec<String>,
    /// The first sessions begin evenly spread over this many milliseconds.
    pub spread_milliseconds: u64,
    /// Most first sessions at the same time, follow-ups included; 0 is no limit.
    pub concurrency: usize,
    /// Go on with periodic Informs, connection requests and retries until stopped.
    pub keep_running: bool,
    /// Seconds between periodic Informs, instead of each device's PeriodicInformInterval.
    pub interval_seconds: Option<u64>,
}

impl Default for FleetOptions {
    fn default() -> Self {
        Self {
            device: Options::default(),
            devices: 1,
            serial_prefix: "SIM".into(),
            first_serial: 1,
            events: vec!["1 BOOT".into()],
            spread_milliseconds: 0,
            concurrency: 0,
            keep_running: false,
            interval_seconds: None,
        }
    }
}

/// Counters over all devices, safe to read while the fleet runs.
#[derive(Debug, Default)]
pub struct Counters {
    completed: AtomicU64,
    failed: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
    named: Mutex<Named>,
}

/// Counters by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Named {
    rpcs: BTreeMap<String, u64>,
    errors: BTreeMap<String, u64>,
    violations: BTreeMap<String, u64>,
}

/// What a fleet has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetReport {
    /// Sessions that ended properly.
    pub completed: u64,
    /// Sessions that broke.
    pub failed: u64,
    /// Bytes sent, HTTP heads included.
    pub bytes_sent: u64,
    /// Bytes received, HTTP heads included.
    pub bytes_received: u64,
    /// Requests of the ACS by RPC name.
    pub rpcs: BTreeMap<String, u64>,
    /// Reasons of broken sessions.
    pub errors: BTreeMap<String, u64>,
    /// Departures of the ACS from the standard.
    pub violations: BTreeMap<String, u64>,
}

impl Counters {
    /// Counts one session.
    pub fn count(&self, report: &SessionReport) {
        let outcome = if report.completed() { &self.completed } else { &self.failed };
        outcome.fetch_add(1, Ordering::Relaxed);
        self.bytes_sent.fetch_add(report.bytes_sent, Ordering::Relaxed);
        self.bytes_received.fetch_add(report.bytes_received, Ordering::Relaxed);
        let mut named = self.named.lock();
        for rpc in report.rpcs() {
            *named.rpcs.entry(rpc.to_owned()).or_default() += 1;
        }
        if let Some(error) = &report.error {
            *named.errors.entry(error.to_string()).or_default() += 1;
        }
        for violation in &report.violations {
            *named.violations.entry(violation.clone()).or_default() += 1;
        }
    }

    /// Sessions so far, completed and failed.
    pub fn sessions(&self) -> u64 {
        self.completed.load(Ordering::Relaxed) + self.failed.load(Ordering::Relaxed)
    }

    /// The counters as they are now.
    pub fn report(&self) -> FleetReport {
        let Named { rpcs, errors, violations } = self.named.lock().clone();
        FleetReport {
            completed: self.completed.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            bytes_sent: self.bytes_sent.load(Ordering::Relaxed),
            bytes_received: self.bytes_received.load(Ordering::Relaxed),
            rpcs,
            errors,
            violations,
        }
    }
}

type OnSession = dyn Fn(&SessionReport) + Send + Sync;

/// A fleet, ready to run.
pub struct Fleet {
    options: Arc<FleetOptions>,
    device_options: Arc<Options>,
    model: DataModel,
    counters: Arc<Counters>,
    transcript: Option<Transcript>,
    on_session: Option<Arc<OnSession>>,
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Fleet").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Fleet {
    /// Loads or generates the data model that all devices share.
    pub fn new(mut options: FleetOptions) -> Result<Self, DeviceError> {
        options.device = options.device.settled();
        let model = options.device.load_model()?;
        Ok(Self {
            device_options: Arc::new(options.device.clone()),
            options: Arc::new(options),
            model,
            counters: Arc::new(Counters::default()),
            transcript: None,
            on_session: None,
        })
    }

    /// Records all messages of all devices.
    pub fn set_transcript(&mut self, transcript: Transcript) {
        self.transcript = Some(transcript);
    }

    /// Has each session reported to `callback`, from the devices' tasks.
    pub fn on_session(&mut self, callback: impl Fn(&SessionReport) + Send + Sync + 'static) {
        self.on_session = Some(Arc::new(callback));
    }

    /// The counters, to be watched while the fleet runs.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// The identity of the device with this index, from 0.
    pub fn identity(&self, index: u32) -> Identity {
        let number = u64::from(self.options.first_serial) + u64::from(index);
        Identity {
            serial_number: format!("{}{number:08}", self.options.serial_prefix),
            ..self.options.device.identity.clone()
        }
    }

    /// Runs all devices until each has finished its first session and follow-ups, or until `stop`.
    pub async fn run(&self, stop: CancellationToken) -> Result<FleetReport, DeviceError> {
        let requests = &self.options.device.connection_request;
        let listener = match requests.mode {
            ConnectionRequestMode::Off => None,
            _ => Some(Arc::new(ConnectionRequestServer::bind(requests).await?)),
        };
        let slots = match self.options.concurrency {
            0 => Semaphore::MAX_PERMITS,
            limit => limit,
        };
        let slots = Arc::new(Semaphore::new(slots));
        let mut tasks = JoinSet::new();
        for index in 0..self.options.devices {
            let member = Member {
                identity: self.identity(index),
                model: self.model.clone(),
                options: Arc::clone(&self.options),
                device_options: Arc::clone(&self.device_options),
                counters: Arc::clone(&self.counters),
                transcript: self.transcript.clone(),
                on_session: self.on_session.clone(),
                listener: listener.clone(),
            };
            let spread = self.options.spread_milliseconds * u64::from(index);
            let delay = Duration::from_millis(spread / u64::from(self.options.devices.max(1)));
            tasks.spawn(member.live(delay, Arc::clone(&slots), stop.clone()));
        }
        while let Some(result) = tasks.join_next().await {
            if let Err(error) = result {
                tracing::error!(%error, "simulated device ended abnormally");
            }
        }
        Ok(self.counters.report())
    }
}

/// What one device's task needs.
struct Member {
    identity: Identity,
    model: DataModel,
    options: Arc<FleetOptions>,
    device_options: Arc<Options>,
    counters: Arc<Counters>,
    transcript: Option<Transcript>,
    on_session: Option<Arc<OnSession>>,
    listener: Option<Arc<ConnectionRequestServer>>,
}

impl Member {
    async fn live(self, delay: Duration, slots: Arc<Semaphore>, stop: CancellationToken) {
        tokio::select! {
            () = sleep(delay) => {}
            () = stop.cancelled() => return,
        }
        let mut device = Device::with_model(self.device_options, self.identity, self.model);
        if let Some(transcript) = self.transcript {
            device.set_transcript(transcript);
        }
        if let Some(listener) = self.listener {
            device.attach(listener);
        }
        if let Err(error) = device.listen_udp().await {
            tracing::error!(%error, device = device.device_id(), "no connection requests over UDP");
        }
        #[cfg(feature = "xmpp")]
        if let Err(error) = device.listen_xmpp().await {
            tracing::error!(%error, device = device.device_id(), "no connection requests over XMPP");
        }
        let counters = self.counters;
        let on_session = self.on_session;
        let count = move |report: &SessionReport| {
            counters.count(report);
            if let Some(callback) = &on_session {
                callback(report);
            }
        };
        let events = self.options.events.iter().map(String::as_str);
        if self.options.keep_running {
            let interval = self.options.interval_seconds.map(Duration::from_secs);
            device.run(events, interval, stop, count).await;
            return;
        }
        let once = async {
            // The semaphore is never closed; without a permit the device would only start early.
            let _slot = slots.acquire().await;
            let report = device.session(events).await;
            let completed = report.completed();
            count(&report);
            if completed {
                device.follow_ups().await.iter().for_each(count);
            }
        };
        tokio::select! {
            () = once => {}
            () = stop.cancelled() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{MiniAcs, REBOOT, get_values};

    fn options(acs: &MiniAcs, devices: u32) -> FleetOptions {
        FleetOptions {
            device: Options { acs_url: acs.url.clone(), parameters: 80, reboot_milliseconds: 0, ..Options::default() },
            devices,
            ..FleetOptions::default()
        }
    }

    #[tokio::test]
    async fn each_device_holds_its_sessions_and_all_are_counted() {
        let rpc = get_values(&["InternetGatewayDevice.DeviceInfo."]);
        let acs = MiniAcs::start(&[&[&rpc, REBOOT], &[&rpc], &[&rpc]]).await;
        // One at a time, so that the script's sessions are not mixed.
        let options = FleetOptions { concurrency: 1, spread_milliseconds: 5, ..options(&acs, 3) };
        let mut fleet = Fleet::new(options).unwrap();
        let serials = Arc::new(Mutex::new(std::collections::BTreeSet::new()));
        let sink = Arc::clone(&serials);
        fleet.on_session(move |report| {
            sink.lock().insert(report.device_id.clone());
        });
        let report = fleet.run(CancellationToken::new()).await.unwrap();
        assert_eq!((report.completed, report.failed), (4, 0), "{:?}", report.errors);
        assert_eq!(report.rpcs["Reboot"], 1);
        assert_eq!(report.rpcs["GetParameterValues"], 3);
        assert!(report.violations.is_empty(), "{:?}", report.violations);
        assert_eq!(fleet.counters().sessions(), 4);
        let expected = [1, 2, 3].map(|number| format!("0A1B2C-SimCPE-SIM{number:08}"));
        assert!(serials.lock().iter().eq(&expected));
    }

    #[tokio::test]
    async fn an_unreachable_acs_is_counted_by_its_reason() {
        let acs = MiniAcs::start(&[]).await;
        let mut options = options(&acs, 2);
        options.device.acs_url = "https://h/".into();
        let report = Fleet::new(options).unwrap().run(CancellationToken::new()).await.unwrap();
        assert_eq!((report.completed, report.failed), (0, 2));
        assert_eq!(report.errors["TLS: an https URL needs a CA file, or to be insecure"], 2);
    }

    #[tokio::test]
    async fn a_running_fleet_takes_connection_requests_and_stops() {
        let acs = MiniAcs::start(&[]).await;
        let mut options = FleetOptions { keep_running: true, ..options(&acs, 2) };
        options.device.connection_request.mode = ConnectionRequestMode::Open;
        let mut fleet = Fleet::new(options).unwrap();
        let stop = CancellationToken::new();
        let stopper = stop.clone();
        let counters = fleet.counters();
        fleet.on_session(move |_| {
            if counters.sessions() == 2 {
                stopper.cancel();
            }
        });
        let report = fleet.run(stop).await.unwrap();
        assert_eq!(report.completed, 2);
        assert!(acs.seen()[0].body.contains("/0A1B2C-SimCPE-SIM"), "the listener's URL is in the Inform");
    }

    #[test]
    fn fleet_options_come_from_json() {
        let text = r#"{"devices": 5, "device": {"model": "tr181"}, "events": ["0 BOOTSTRAP"]}"#;
        let options: FleetOptions = serde_json::from_str(text).unwrap();
        assert_eq!((options.devices, options.serial_prefix.as_str()), (5, "SIM"));
        let fleet = Fleet::new(options).unwrap();
        assert_eq!(fleet.identity(4).serial_number, "SIM00000005");
    }
}
