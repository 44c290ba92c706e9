//! The whole server, in this process, on free ports and a directory of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lodestar::command_line::ServeArguments;
use lodestar::first_start;
use lodestar::options::ServeOptions;
use lodestar::serve::{Addresses, run_telling};
use sandbox::Limits;
use serde_json::{Value as Json, json};
use store::{Collection, Store};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::device::Device;
use super::wire::{Answer, Connection};
use crate::test_store::{self, DataDir};

/// What a server starts with.
#[derive(Default)]
pub struct Setup {
    documents: Vec<(Collection, String, Json)>,
    has_seeds: bool,
    arguments: ServeArguments,
    file: Option<String>,
}

impl Setup {
    /// A key of the `config` collection; the value is an expression.
    pub fn config(mut self, key: &str, value: &str) -> Setup {
        self.documents.push((Collection::Config, key.to_owned(), json!({ "value": value })));
        self
    }

    /// A script that runs in every session.
    pub fn script(self, name: &str, script: &str) -> Setup {
        self.preset(name, json!({}), script)
    }

    /// A script that reads these parameters anew in every session. The device's Informs have to tell of them.
    pub fn reading(self, paths: &[&str]) -> Setup {
        let declarations = paths.iter().map(|path| format!("declare(\"{path}\", #{{value: now()}});\n"));
        self.script("reading", &declarations.collect::<String>())
    }

    /// A configuration file with this text.
    pub fn config_file(mut self, text: &str) -> Setup {
        self.file = Some(text.to_owned());
        self
    }

    /// A script, and the preset that runs it; the preset's provisions are filled in.
    pub fn preset(mut self, name: &str, mut preset: Json, script: &str) -> Setup {
        self.documents.push((Collection::Provisions, name.to_owned(), json!({ "script": script })));
        preset["provisions"] = json!([name]);
        self.documents.push((Collection::Presets, name.to_owned(), preset));
        self
    }

    /// The presets of a new installation, which otherwise are left out.
    pub fn seeds(mut self) -> Setup {
        self.has_seeds = true;
        self
    }

    /// Further arguments of `lodestar serve`.
    pub fn arguments(mut self, change: impl FnOnce(&mut ServeArguments)) -> Setup {
        change(&mut self.arguments);
        self
    }

    pub fn start(mut self) -> Server {
        let directory = DataDir::new();
        if let Some(text) = &self.file {
            let path = directory.path().join("lodestar.toml");
            std::fs::write(&path, text).unwrap();
            self.arguments.config = Some(path);
        }
        let runtime = Runtime::new().unwrap();
        runtime.block_on(self.prepare(directory.path()));
        let running = Running::start(directory.path(), &self.arguments);
        Server { running: Some(running), directory, arguments: self.arguments, runtime }
    }

    async fn prepare(&self, directory: &Path) {
        let store = test_store::open(directory).await;
        if self.has_seeds {
            first_start::seed(&*store).await.unwrap();
        } else {
            // With any provision the installation is not new.
            store.put(Collection::Provisions, "nothing", json!({ "script": "" })).await.unwrap();
        }
        for (collection, name, document) in &self.documents {
            store.put(*collection, name, document.clone()).await.unwrap();
        }
    }
}

/// A running server.
pub struct Server {
    running: Option<Running>,
    directory: DataDir,
    arguments: ServeArguments,
    /// For simulated devices.
    runtime: Runtime,
}

struct Running {
    addresses: Addresses,
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

impl Running {
    fn start(directory: &Path, arguments: &ServeArguments) -> Running {
        let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut arguments = arguments.clone();
        arguments.data_dir = Some(directory.to_owned());
        arguments.store = test_store::arguments_of(directory);
        if arguments.cwmp_listen.is_empty() {
            arguments.cwmp_listen = vec![free];
        }
        arguments.nbi_listen = Some(free);
        arguments.nbi_open = true;
        arguments.files_listen = Some(free);
        let options = ServeOptions::resolve(arguments).unwrap();
        let stop = CancellationToken::new();
        let (sender, receiver) = mpsc::channel();
        let server_stop = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = Runtime::new().unwrap();
            let listening = |addresses: &Addresses| sender.send(addresses.clone()).unwrap();
            runtime.block_on(run_telling(options, Limits::default(), server_stop, listening)).unwrap();
        });
        let addresses = receiver.recv().expect("the server starts");
        Running { addresses, stop, thread }
    }

    fn stop(self) {
        self.stop.cancel();
        self.thread.join().unwrap();
    }
}

impl Server {
    /// Without any preset.
    pub fn start() -> Server {
        Setup::default().start()
    }

    pub fn addresses(&self) -> &Addresses {
        &self.running.as_ref().unwrap().addresses
    }

    /// Where devices connect.
    pub fn cwmp(&self) -> SocketAddr {
        self.addresses().cwmp[0]
    }

    pub fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    /// Stops in order, and starts again with what is stored, on new ports.
    pub fn restart(&mut self) {
        self.restart_after(async |_| {});
    }

    /// The same, with a change of what is stored in between.
    pub fn restart_after(&mut self, change: impl AsyncFnOnce(&dyn Store)) {
        self.running.take().unwrap().stop();
        self.runtime.block_on(async { change(&*test_store::open(self.directory.path()).await).await });
        self.running = Some(Running::start(self.directory.path(), &self.arguments));
    }

    /// A device with a connection of its own.
    pub fn device(&self, serial_number: &str) -> Device {
        Device::connect(self.cwmp(), serial_number)
    }

    /// A simulated device that talks to this server.
    pub fn simulated(&self, serial_number: &str, change: impl FnOnce(&mut sim::Options)) -> sim::Device {
        let mut options = sim::Options {
            acs_url: format!("http://{}/", self.cwmp()),
            model: sim::ModelKind::Tr181,
            parameters: 120,
            ..Default::default()
        };
        options.identity.serial_number = serial_number.to_owned();
        change(&mut options);
        sim::Device::new(options).unwrap()
    }

    /// A session of a simulated device, which must succeed.
    #[track_caller]
    pub fn session(&self, device: &mut sim::Device, events: &[&str]) -> sim::SessionReport {
        let report = self.run(device.session(events.iter().copied()));
        assert!(report.completed(), "{report:?}");
        report
    }

    /// Runs something that waits.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Starts something that goes on beside the test.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.runtime.spawn(work)
    }

    /// A request to the REST API.
    pub fn request(&self, method: &str, target: &str, body: &str) -> Answer {
        let nbi = self.addresses().nbi;
        let length = body.len();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {nbi}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        Connection::open(nbi).send(head + body)
    }

    /// A GET that must succeed, as JSON.
    #[track_caller]
    pub fn get(&self, target: &str) -> Json {
        self.request("GET", target, "").expect_status(200).json()
    }

    /// Queues a task for a device. Returns its id.
    #[track_caller]
    pub fn task(&self, device: &str, task: Json) -> String {
        let answer = self.request("POST", &format!("/devices/{device}/tasks"), &task.to_string()).expect_status(202);
        answer.json()["_id"].as_str().unwrap().to_owned()
    }

    /// A task as it is stored.
    #[track_caller]
    pub fn stored_task(&self, id: &str) -> Json {
        self.get(&format!("/tasks/{id}"))
    }

    /// The state of a task: `queued`, `done`, `faulted` …
    #[track_caller]
    pub fn task_state(&self, id: &str) -> String {
        self.stored_task(id)["state"].as_str().unwrap().to_owned()
    }

    /// A device's document; null when it is not known.
    pub fn stored(&self, device: &str) -> Json {
        let answer = self.request("GET", &format!("/devices/{device}"), "");
        if answer.status == 404 { Json::Null } else { answer.expect_status(200).json() }
    }

    /// A stored parameter's value; null when there is none.
    pub fn value(&self, device: &str, path: &str) -> Json {
        self.parameter(device, path)["_value"].clone()
    }

    /// What is stored of a parameter or an object.
    pub fn parameter(&self, device: &str, path: &str) -> Json {
        let stored = self.stored(device);
        path.split('.').filter(|name| !name.is_empty()).fold(stored, |node, name| node[name].clone())
    }

    /// The details of all outbox events of a kind, the oldest first.
    pub fn outbox(&self, kind: &str) -> Vec<Json> {
        let events = self.run(async { test_store::look_at(self.data_dir()).await.events_after(0, 10_000).await });
        events
            .unwrap()
            .into_iter()
            .filter(|stored| stored.event.kind == kind)
            .map(|stored| stored.event.detail)
            .collect()
    }

    /// The codes of a device's stored faults, by channel.
    pub fn faults(&self, device: &str) -> Vec<(String, String)> {
        let faults = self.get("/faults");
        let of_device = faults.as_array().unwrap().iter().filter(|fault| fault["device"] == device);
        let text = |value: &Json| value.as_str().unwrap().to_owned();
        of_device.map(|fault| (text(&fault["channel"]), text(&fault["code"]))).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop.cancel();
            // A failure of the server has shown already.
            let _ = running.thread.join();
        }
    }
}

/// Waits until something is so, and says what it was when it never is.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
