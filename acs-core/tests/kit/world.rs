//! The server's side: what it stores between sessions, and how a session is driven.

use std::collections::{BTreeMap, VecDeque};

use acs_core::change::{DeviceSnapshot, SessionChange};
use acs_core::device::StoredDevice;
use acs_core::rpc::{Event, Inform, TransferComplete};
use acs_core::script::{ExtensionCall, ScriptFault};
use acs_core::session::configuration::Configuration;
use acs_core::session::settings::Settings;
use acs_core::session::{Input, Output, Session, SessionLog};
use acs_core::transfer::Transfer;

use super::{Device, describe};

/// What a session did.
#[derive(Debug)]
pub struct Visit {
    pub requests: Vec<String>,
    pub change: SessionChange,
    pub log: Vec<SessionLog>,
    pub session: Session,
}

/// The server's side between sessions.
#[derive(Debug, Default, Clone)]
pub struct World {
    pub snapshot: DeviceSnapshot,
    pub settings: Settings,
    pub clock: i64,
    /// All transfer records, by CommandKey.
    pub transfers: BTreeMap<String, Transfer>,
    /// Serialise and read back the session between all steps.
    pub serialise: bool,
    /// What the device calls in the next session, before its empty POST.
    pub reports: Vec<Input>,
    /// Command keys of the next Inform's events, by event code.
    pub event_keys: BTreeMap<String, String>,
}

/// Looks on while a session is driven.
pub trait Observer {
    fn begin(&mut self, _snapshot: &DeviceSnapshot, _inform: &Inform, _timestamp: i64, _settings: &Settings) {}
    fn input(&mut self, _input: &Input) {}
    fn output(&mut self, _output: &Output) {}
    fn end(&mut self, _change: &SessionChange) {}
}

impl Observer for () {}

pub type Extension<'a> = &'a dyn Fn(&ExtensionCall) -> Result<serde_json::Value, ScriptFault>;

impl World {
    pub fn new() -> World {
        let settings = Settings { file_url_prefix: "http://files.example/".into(), ..Settings::default() };
        World { clock: 1_700_000_000_000, settings, ..Default::default() }
    }

    /// Runs one session and stores what it changed. The clock then stands 50 minutes later.
    pub fn session(&mut self, device: &mut Device, events: &[&str], configuration: &dyn Configuration) -> Visit {
        let no_extension = |_: &ExtensionCall| Ok(serde_json::Value::Null);
        self.session_with(device, events, configuration, &no_extension, &[], &mut ())
    }

    /// The same, with all that may happen in it.
    pub fn session_with(
        &mut self,
        device: &mut Device,
        events: &[&str],
        configuration: &dyn Configuration,
        extension: Extension<'_>,
        transfers: &[TransferComplete],
        observer: &mut dyn Observer,
    ) -> Visit {
        let mut inform = device.inform(events);
        for (code, key) in std::mem::take(&mut self.event_keys) {
            inform.events.push(Event { code, command_key: key });
        }
        observer.begin(&self.snapshot, &inform, self.clock, &self.settings);
        let mut session = Session::open(self.snapshot.clone(), &inform, self.clock, self.settings.clone());
        let mut requests = Vec::new();
        let calls = transfers.iter().cloned().map(Input::TransferComplete).chain(std::mem::take(&mut self.reports));
        let mut inputs: VecDeque<Input> = calls.chain([Input::Ready]).collect();
        while let Some(input) = inputs.pop_front() {
            if self.serialise {
                let text = serde_json::to_string(&session).unwrap();
                session = serde_json::from_str(&text).unwrap();
                assert_eq!(serde_json::to_string(&session).unwrap(), text);
            }
            observer.input(&input);
            let output = session.step(input, configuration);
            observer.output(&output);
            match output {
                Output::Request { request, .. } => {
                    assert!(requests.len() < 5_000, "endless: {:?}", &requests[..20]);
                    requests.push(describe(&request));
                    inputs.push_back(device.react(&request));
                }
                Output::Extensions(calls) => {
                    let results = calls.into_iter().map(|call| (call.clone(), extension(&call))).collect();
                    inputs.push_back(Input::Extensions(results));
                }
                Output::Acknowledged | Output::Finished => {}
                Output::Refused { reason } => panic!("refused: {reason}"),
            }
        }
        let log = session.take_log();
        let change = session.change();
        observer.end(&change);
        self.store(&change);
        self.clock += 3_000_000;
        Visit { requests, change, log, session }
    }

    pub fn store(&mut self, change: &SessionChange) {
        let before = self.snapshot.device.take();
        let mut tags = before.as_ref().map(|device| device.tags.clone()).unwrap_or_default();
        for (tag, value) in &change.tags {
            match value {
                Some(value) => tags.insert(tag.clone(), value.clone()),
                None => tags.remove(tag),
            };
        }
        // Through the codec, as a store does it.
        let tree = match (&change.tree, before) {
            (Some(tree), _) => acs_core::tree::DeviceTree::decode(&tree.encode()).unwrap().into(),
            (None, Some(before)) => before.tree,
            (None, None) => Default::default(),
        };
        self.snapshot.device = Some(StoredDevice { head: change.head.clone(), tags, tree });
        for (channel, record) in &change.faults {
            self.snapshot.faults.retain(|fault| fault.channel != *channel);
            self.snapshot.faults.extend(record.clone());
        }
        for (key, operation) in &change.operations {
            self.snapshot.operations.retain(|known| known.command_key != *key);
            self.snapshot.operations.extend(operation.clone());
        }
        for transfer in &change.transfers {
            self.transfers.insert(transfer.command_key.clone(), transfer.clone());
        }
        self.snapshot.transfers = self.transfers.values().filter(|transfer| !transfer.is_settled).cloned().collect();
        for task_change in &change.tasks {
            for task in &mut self.snapshot.tasks {
                if task.id == task_change.id {
                    task.state = task_change.state;
                }
            }
        }
        self.snapshot.tasks.retain(|task| task.state.is_open());
    }
}
