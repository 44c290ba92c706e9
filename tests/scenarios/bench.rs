//! What scenarios are written with.

use std::collections::BTreeSet;

use acs_core::fault::FaultRecord;
use acs_core::rpc::TransferComplete;
use acs_core::script::{ExtensionCall, ScriptFault};
use acs_core::task::Task;
use acs_core::value::{TypedValue, Value};
use lodestar::snapshot::{Documents, Snapshot};
use sandbox::Limits;
use serde_json::{Value as Json, json};

use crate::kit::{Device, Visit, World};

/// What `ext()` gives.
type Extension = dyn Fn(&ExtensionCall) -> Result<Json, ScriptFault>;

/// A device, its configuration, and what is stored of it.
pub struct Scenario {
    pub device: Device,
    pub world: World,
    pub documents: Documents,
    extension: Box<Extension>,
    transfers: Vec<TransferComplete>,
}

/// A TR-181 router of which the server knows only what its Inform tells.
pub const ROUTER: &str = include_str!("models/router.model");

impl Scenario {
    /// A device of the given model, see [`Device::parse`].
    pub fn of(model: &str) -> Scenario {
        let mut device = Device::parse(model);
        device.informs = ["Device.DeviceInfo.SoftwareVersion", "Device.ManagementServer.URL"]
            .iter()
            .map(ToString::to_string)
            .filter(|name| device.parameters.contains_key(name))
            .collect();
        Scenario {
            device,
            world: World { serialise: true, ..World::new() },
            documents: Documents::default(),
            extension: Box::new(|_| Ok(Json::Null)),
            transfers: Vec::new(),
        }
    }

    /// The usual router.
    pub fn router() -> Scenario {
        Scenario::of(ROUTER)
    }

    /// A preset in channel `default` that runs the script in every session.
    pub fn script(self, source: &str) -> Scenario {
        self.preset("main", json!({}), source)
    }

    /// A preset with its provision of the same name.
    pub fn preset(mut self, name: &str, mut document: Json, source: &str) -> Scenario {
        document["provisions"] = json!([name]);
        self.documents.presets.insert(name.into(), document);
        self.documents.provisions.insert(name.into(), source.into());
        self
    }

    /// A preset document as it is.
    pub fn preset_document(mut self, name: &str, document: Json) -> Scenario {
        self.documents.presets.insert(name.into(), document);
        self
    }

    /// A stored provision without a preset.
    pub fn provision(mut self, name: &str, source: &str) -> Scenario {
        self.documents.provisions.insert(name.into(), source.into());
        self
    }

    /// A virtual parameter.
    pub fn virtual_parameter(mut self, name: &str, source: &str) -> Scenario {
        self.documents.virtual_parameters.insert(name.into(), source.into());
        self
    }

    /// What `ext()` gives.
    pub fn extension(mut self, call: impl Fn(&ExtensionCall) -> Result<Json, ScriptFault> + 'static) -> Scenario {
        self.extension = Box::new(call);
        self
    }

    /// Changes the device.
    pub fn device(mut self, change: impl FnOnce(&mut Device)) -> Scenario {
        change(&mut self.device);
        self
    }

    /// Queues a task document.
    pub fn task(&mut self, id: &str, document: Json) {
        let task = Task::from_document(&document, "0A1B2C-Box-S1", id.into(), self.world.clock - 1).unwrap();
        self.world.snapshot.tasks.push(task);
    }

    /// TransferComplete calls for the next session.
    pub fn transfer(&mut self, message: TransferComplete) {
        self.transfers.push(message);
    }

    /// One session with these events.
    pub fn session(&mut self, events: &[&str]) -> Visit {
        let (snapshot, _) = Snapshot::build(&self.documents, None, &Limits::default());
        let transfers = std::mem::take(&mut self.transfers);
        self.world.session_with(&mut self.device, events, &snapshot, &*self.extension, &transfers, &mut ())
    }

    /// One periodic session.
    pub fn periodic(&mut self) -> Visit {
        self.session(&["2 PERIODIC"])
    }

    /// Runs periodic sessions until the tree is known, without any preset.
    pub fn known(mut self) -> Scenario {
        let documents = std::mem::take(&mut self.documents);
        let roots: BTreeSet<&str> = self.device.parameters.keys().filter_map(|name| name.split('.').next()).collect();
        let read = |root| format!("declare(\"{root}.**\", #{{path: now(), value: now(), writable: 1}});");
        let read_all: String = roots.into_iter().map(read).collect();
        self = self.script(&read_all);
        self.periodic();
        self.documents = documents;
        self
    }

    /// A stored value.
    pub fn stored(&self, path: &str) -> Option<Value> {
        let tree = self.world.snapshot.device.as_ref()?.full_tree();
        let TypedValue(value, _) = tree.node(tree.find(path)?).typed_value()?;
        Some(value.clone())
    }

    /// The only fault.
    pub fn fault(&self) -> &FaultRecord {
        assert_eq!(self.world.snapshot.faults.len(), 1, "{:#?}", self.world.snapshot.faults);
        &self.world.snapshot.faults[0]
    }

    /// Panics with the faults when there are any.
    pub fn expect_no_fault(&self) -> &Scenario {
        let faults: Vec<_> =
            self.world.snapshot.faults.iter().map(|f| format!("{} {}", f.fault.code, f.fault.message)).collect();
        assert!(faults.is_empty(), "{faults:#?}");
        self
    }
}

/// Requests of one kind.
pub fn only<'v>(visit: &'v Visit, prefix: &str) -> Vec<&'v str> {
    visit.requests.iter().map(String::as_str).filter(|request| request.starts_with(prefix)).collect()
}
