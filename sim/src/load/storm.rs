//! Devices that all come at once: a storm after a power cut, and sessions that are held open.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::histogram::Histogram;
use super::worker::{Plan, Worker};
use super::{LoadError, LoadOptions, MOST_ERRORS};
use crate::http::HttpError;

/// Connections that a process may have at a time here; files of its own are left to it.
const MOST_CONNECTIONS: usize = 18_000;
/// Sessions that are opened at a time by [`hold`].
const OPENED_AT_A_TIME: usize = 64;

/// A storm of sessions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StormOptions {
    /// Devices, model, event and URL; each device has one session. `sessions`, `connections` and `reconnect` do not matter.
    pub load: LoadOptions,
    /// All devices want their session within so many milliseconds.
    pub within_milliseconds: u64,
    /// A device gives up after so many milliseconds.
    pub patience_milliseconds: u64,
}

/// How a storm went. Times are milliseconds unless their name says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StormReport {
    /// Devices whose session came to its end.
    pub served: u64,
    /// Devices that gave up.
    pub given_up: u64,
    /// Sessions that were refused with 503.
    pub refused: u64,
    /// Sessions that failed otherwise.
    pub errors: u64,
    /// Sessions that were tried again.
    pub retries: u64,
    /// Requests of the server that were answered.
    pub answered: u64,
    /// Seconds until the last device was served, or gave up.
    pub seconds: f64,
    /// Length of the sessions that came to their end, median.
    pub session_p50: f64,
    /// 99th percentile.
    pub session_p99: f64,
    /// From the wish for a session to its end, median.
    pub served_after_p50: f64,
    /// 99th percentile.
    pub served_after_p99: f64,
    /// Longest.
    pub served_after_max: f64,
    /// The first few errors.
    pub first_errors: Vec<String>,
}

/// What became of one device.
#[derive(Debug, Default)]
struct Fate {
    served: Option<(Duration, Duration)>,
    refused: u64,
    errors: u64,
    retries: u64,
    answered: u32,
    first_error: Option<String>,
}

/// Lets all devices come, each until it is served, and reports. Devices that are refused come again when `Retry-After` says, others
/// as TR-069 §3.2.1.1 says.
///
/// # Errors
/// The URL is none, or TLS cannot be set up.
pub async fn storm(options: StormOptions, stop: CancellationToken) -> Result<StormReport, HttpError> {
    let devices = options.load.devices;
    let plan = Arc::new(Plan::new(options.load, devices)?);
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for index in 0..devices {
        let wanted = begun + Duration::from_millis(options.within_milliseconds).mul_f64(index as f64 / devices as f64);
        let deadline = wanted + Duration::from_millis(options.patience_milliseconds);
        let device = one_device(Arc::clone(&plan), index, wanted, deadline, Arc::clone(&places));
        let stop = stop.clone();
        running.spawn(async move {
            tokio::select! {
                fate = device => fate,
                () = stop.cancelled() => Fate::default(),
            }
        });
    }
    let (mut sessions, mut served_after) = (Histogram::default(), Histogram::default());
    let mut report = StormReport::default();
    while let Some(fate) = running.join_next().await {
        let fate = fate.unwrap_or_default();
        match fate.served {
            Some((session, after)) => {
                report.served += 1;
                sessions.add(session);
                served_after.add(after);
            }
            None => report.given_up += 1,
        }
        report.refused += fate.refused;
        report.errors += fate.errors;
        report.retries += fate.retries;
        report.answered += u64::from(fate.answered);
        report.first_errors.extend(fate.first_error.filter(|_| report.first_errors.len() < MOST_ERRORS));
    }
    let milliseconds = |duration: Duration| duration.as_secs_f64() * 1_000.0;
    report.seconds = begun.elapsed().as_secs_f64();
    report.session_p50 = milliseconds(sessions.quantile(0.5));
    report.session_p99 = milliseconds(sessions.quantile(0.99));
    report.served_after_p50 = milliseconds(served_after.quantile(0.5));
    report.served_after_p99 = milliseconds(served_after.quantile(0.99));
    report.served_after_max = milliseconds(served_after.quantile(1.0));
    Ok(report)
}

async fn one_device(plan: Arc<Plan>, index: u64, wanted: Instant, deadline: Instant, places: Arc<Semaphore>) -> Fate {
    let mut fate = Fate::default();
    tokio::time::sleep_until(wanted.into()).await;
    loop {
        let Ok(place) = places.acquire().await else { return fate };
        let mut worker = Worker::for_device(Arc::clone(&plan), index, u32::try_from(fate.retries).unwrap_or(u32::MAX));
        let begun = Instant::now();
        let result = worker.session(&mut fate.answered).await;
        drop((worker, place));
        let wait = match result {
            Ok(()) => {
                fate.served = Some((begun.elapsed(), wanted.elapsed()));
                return fate;
            }
            Err(LoadError::Status { status: 503, retry_after, .. }) => {
                fate.refused += 1;
                retry_after.map(Duration::from_secs)
            }
            Err(error) => {
                fate.errors += 1;
                fate.first_error.get_or_insert_with(|| error.to_string());
                None
            }
        };
        fate.retries += 1;
        let next = Instant::now() + wait.unwrap_or_else(|| retry_interval(fate.retries, index));
        if next > deadline {
            return fate;
        }
        tokio::time::sleep_until(next.into()).await;
    }
}

/// TR-069 §3.2.1.1, table 3, with the default multiplier: 5 to 10 s before the first retry, twice as much before each further one up
/// to the tenth. Where in the range is as good as chance, but the same in each run.
fn retry_interval(retries: u64, index: u64) -> Duration {
    let least = 5.0 * f64::from(1_u32 << retries.clamp(1, 10).saturating_sub(1));
    let mixed = (index ^ retries << 32).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let share = (mixed >> 11) as f64 / (1_u64 << 53) as f64;
    Duration::from_secs_f64(least * (1.0 + share))
}

/// Sessions in which the server waits for an answer. Dropped, their connections close.
#[derive(Debug)]
pub struct Held(Vec<Worker>);

impl Held {
    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Opens a session of each device, up to the server's first request.
///
/// # Errors
/// A session cannot be opened, or the server asks nothing.
pub async fn hold(options: LoadOptions) -> Result<Held, LoadError> {
    let devices = options.devices;
    let plan = Arc::new(Plan::new(options, devices)?);
    let mut held = Vec::new();
    let mut opening = JoinSet::new();
    for index in 0..devices {
        if opening.len() >= OPENED_AT_A_TIME
            && let Some(opened) = opening.join_next().await
        {
            held.push(opened_worker(opened)?);
        }
        let mut worker = Worker::for_device(Arc::clone(&plan), index, 0);
        opening.spawn(async move { worker.open().await.map(|()| worker) });
    }
    while let Some(opened) = opening.join_next().await {
        held.push(opened_worker(opened)?);
    }
    Ok(Held(held))
}

fn opened_worker(opened: Result<Result<Worker, LoadError>, tokio::task::JoinError>) -> Result<Worker, LoadError> {
    opened.map_err(|error| LoadError::Unexpected(error.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_wait_as_the_standard_says() {
        for (retries, least) in [(1, 5), (2, 10), (3, 20), (10, 2_560), (11, 2_560)] {
            for index in 0..50 {
                let wait = retry_interval(retries, index).as_secs_f64();
                assert!((f64::from(least)..=f64::from(2 * least)).contains(&wait), "{retries}: {wait}");
            }
        }
    }
}
