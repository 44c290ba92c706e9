//! After a session: what RPCs promised for later, and a device's life as a chain of sessions.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::transfer::is_firmware;
use super::{Device, Pending, SessionReport};
use crate::soap::Event;

/// Most sessions in a row that [`Device::follow_ups`] holds, in case an ACS orders a reboot in each.
const MOST_FOLLOW_UPS: usize = 32;

impl Device {
    /// Does the next thing that an RPC left for after the session (reboot, factory reset, transfer, scheduled Inform,
    /// new ACS) and holds the session that reports it. `None` when nothing is left.
    pub async fn follow_up(&mut self) -> Option<SessionReport> {
        let Some(pending) = self.pending.pop_front() else {
            let unreported = !self.completed.is_empty() || !self.changed_units.is_empty();
            return match unreported {
                true => Some(self.session(Vec::<Event>::new()).await),
                false => None,
            };
        };
        let events = match pending {
            Pending::Reboot { command_key } => {
                self.restart().await;
                vec![Event::from("1 BOOT"), Event::with_key("M Reboot", &command_key)]
            }
            Pending::FactoryReset => {
                self.pending.clear();
                self.completed.clear();
                self.changed_units.clear();
                self.units.clear();
                self.events.clear();
                self.set_factory_values();
                self.restart().await;
                vec![Event::from("0 BOOTSTRAP"), Event::from("1 BOOT")]
            }
            Pending::Transfer(transfer) => {
                sleep(self.options.delay(transfer.delay_seconds)).await;
                let done = match transfer.windows.is_empty() {
                    true => self.carry_out_transfer(&transfer).await,
                    false => self.carry_out_in_windows(&transfer).await,
                };
                let restarts = is_firmware(&transfer) && done.report.fault.is_none();
                self.completed.push(done);
                if restarts {
                    self.restart().await;
                    vec![Event::from("1 BOOT")]
                } else {
                    Vec::new()
                }
            }
            Pending::UnitChange { operations, command_key } => {
                self.change_units(operations, command_key).await;
                Vec::new()
            }
            Pending::ScheduledInform { delay_seconds, command_key } => {
                sleep(self.options.delay(delay_seconds)).await;
                vec![Event::from("3 SCHEDULED"), Event::with_key("M ScheduleInform", &command_key)]
            }
            Pending::Bootstrap => vec![Event::from("0 BOOTSTRAP")],
        };
        Some(self.session(events).await)
    }

    /// Follow-ups until nothing is left or a session fails; at most 32.
    pub async fn follow_ups(&mut self) -> Vec<SessionReport> {
        let mut reports = Vec::new();
        while reports.len() < MOST_FOLLOW_UPS {
            let Some(report) = self.follow_up().await else {
                break;
            };
            let failed = !report.completed();
            reports.push(report);
            if failed {
                break;
            }
        }
        reports
    }

    /// Takes the device down and up again.
    async fn restart(&mut self) {
        sleep(Duration::from_millis(self.options.reboot_milliseconds)).await;
        self.restart_clock();
    }

    /// Lives until `stop`: a first session with `events`, then follow-ups, retries of failed sessions, periodic Informs as
    /// ManagementServer.PeriodicInform… says (`interval` replaces it), and sessions for connection requests. Each
    /// session is reported.
    pub async fn run<E: Into<Event>>(
        &mut self,
        events: impl IntoIterator<Item = E>,
        interval: Option<Duration>,
        stop: CancellationToken,
        mut on_session: impl FnMut(&SessionReport),
    ) {
        let mut events: Vec<Event> = events.into_iter().map(Into::into).collect();
        loop {
            let sessions = async {
                let report = self.session(std::mem::take(&mut events)).await;
                on_session(&report);
                if report.completed() {
                    for report in self.follow_ups().await {
                        on_session(&report);
                    }
                }
            };
            tokio::select! {
                () = sessions => {}
                () = stop.cancelled() => return,
            }
            tokio::select! {
                next = self.next_event(interval) => events.extend(next),
                () = stop.cancelled() => return,
            }
        }
    }

    /// Waits for what brings the next session about; `None` is the retry of a failed one.
    async fn next_event(&self, interval: Option<Duration>) -> Option<Event> {
        if self.retry_count > 0 {
            // A connection request does not wait for the retry (TR-069 §3.2.1.1).
            return timeout(self.retry_wait(), self.woken()).await.ok();
        }
        let woken = self.woken();
        match interval.or_else(|| self.periodic_interval()) {
            None => Some(woken.await),
            Some(interval) => Some(timeout(interval, woken).await.unwrap_or_else(|_| Event::from("2 PERIODIC"))),
        }
    }

    /// Waits for a connection request, or for a new binding of the device to be reported.
    async fn woken(&self) -> Event {
        tokio::select! {
            () = self.connection_request() => Event::from("6 CONNECTION REQUEST"),
            () = self.signal.binding_changed() => Event::from("4 VALUE CHANGE"),
        }
    }

    fn periodic_interval(&self) -> Option<Duration> {
        let enabled = self.model.root_text("ManagementServer.PeriodicInformEnable")?;
        if !matches!(enabled, "1" | "true") {
            return None;
        }
        let seconds = self.model.root_text("ManagementServer.PeriodicInformInterval")?;
        Some(Duration::from_secs(seconds.parse().ok()?))
    }

    /// Waits until the connection-request listener lets one in; at once when one came in meanwhile.
    pub async fn connection_request(&self) {
        self.signal.requested().await;
    }
}
