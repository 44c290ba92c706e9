//! Extensions: what scripts reach with `ext(name, …)`.
//!
//! A name stands for one of three things, looked up in this order: an HTTP endpoint of the configuration, an executable file
//! `<directory>/<name>` that speaks JSON lines on its standard input and output, or a CommonJS module `<directory>/<name>.js`,
//! which Node.js runs. Programs and modules start at their first call and stay running. What a script gives is data; where a
//! call goes is configuration only.
//!
//! Whatever goes wrong is a [`ScriptFault`] of the one call: `timeout`, `ext`, or `ext.<name>` with the name of the error that
//! the extension reported. Every message names the extension.
//!
//! Not here: who calls (the session), and what becomes of a fault (the channel).

mod answer;
mod bridge;
mod config;
mod fault;
mod gate;
mod http;
mod lines;
mod lookup;
mod process;
mod sharing;
mod standard_error;
mod supervisor;
mod tls;
mod worker;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use acs_core::script::ScriptFault;
use parking_lot::Mutex;
use serde_json::Value as Json;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use config::{ConfigError, ExtensionsConfig, HttpEndpoint, SecretText};
pub use tls::Tls;

use gate::Gate;
use http::Endpoint;
use lookup::Target;
use sharing::Sharing;
use worker::Worker;

/// All extensions of this server, and the processes they run in.
///
/// Dropping it kills the processes; [`Self::shutdown`] lets them end by themselves first.
#[derive(Debug)]
pub struct Extensions {
    inner: Arc<Inner>,
    sharing: Arc<Sharing>,
    _abandon: DropGuard,
}

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    node: PathBuf,
    timeout: Duration,
    max_output: usize,
    max_concurrent: usize,
    endpoints: HashMap<String, (Gate, Endpoint)>,
    workers: Mutex<HashMap<String, Arc<(Gate, Worker)>>>,
    lifetime: Lifetime,
}

/// What ties processes and calls to the [`Extensions`] that they belong to.
#[derive(Debug, Clone)]
pub(crate) struct Lifetime {
    /// No more calls; processes are asked to end.
    pub(crate) stop: CancellationToken,
    /// Nobody waits any longer; processes are killed at once.
    pub(crate) abandon: CancellationToken,
    /// Every task that a shutdown waits for.
    pub(crate) tasks: TaskTracker,
}

impl Extensions {
    /// Takes the configuration. Starts nothing.
    ///
    /// # Errors
    /// An endpoint that cannot be called as it is configured, or a limit of zero.
    pub fn new(config: ExtensionsConfig) -> Result<Extensions, ConfigError> {
        config.check_limits()?;
        let mut endpoints = HashMap::new();
        for (name, endpoint) in config.endpoints {
            lookup::check_name(&name).map_err(|reason| ConfigError::Name { endpoint: name.clone(), reason })?;
            let endpoint = Endpoint::new(&name, endpoint, config.timeout, config.max_output)?;
            endpoints.insert(name, (Gate::new(config.max_concurrent), endpoint));
        }
        let directory = std::path::absolute(&config.directory).map_err(|error| ConfigError::Directory {
            directory: config.directory.clone(),
            reason: error.to_string(),
        })?;
        let abandon = CancellationToken::new();
        let lifetime = Lifetime { stop: CancellationToken::new(), abandon: abandon.clone(), tasks: TaskTracker::new() };
        let inner = Inner {
            directory,
            node: config.node.unwrap_or_else(|| PathBuf::from("node")),
            timeout: config.timeout,
            max_output: config.max_output,
            max_concurrent: config.max_concurrent,
            endpoints,
            workers: Mutex::default(),
            lifetime,
        };
        Ok(Extensions { inner: Arc::new(inner), sharing: Arc::default(), _abandon: abandon.drop_guard() })
    }

    /// Calls an extension: `arguments[0]` is its name, the rest is for it. Calls with the same arguments that run at the same
    /// time share one execution. Takes no longer than the extension's timeout.
    ///
    /// # Errors
    /// `timeout`; `ext.<name>` when the extension reported an error of that name; `ext` for everything else.
    pub async fn call(&self, arguments: Vec<Json>) -> Result<Json, ScriptFault> {
        let key = Json::Array(arguments.clone()).to_string();
        let inner = self.inner.clone();
        self.sharing.run(key, &self.inner.lifetime.tasks, move || inner.execute(arguments)).await
    }

    /// Faults running calls and ends all processes: they get SIGTERM and the end of their standard input, and are killed when
    /// they are still there after 5 seconds. Returns when none is left.
    pub async fn shutdown(&self) {
        self.inner.lifetime.stop.cancel();
        self.inner.lifetime.tasks.close();
        self.inner.lifetime.tasks.wait().await;
    }
}

impl Inner {
    async fn execute(self: Arc<Self>, arguments: Vec<Json>) -> Result<Json, ScriptFault> {
        let mut arguments = arguments.into_iter();
        let name = match arguments.next() {
            Some(Json::String(name)) => name,
            _ => return Err(fault::plain("ext: the first argument must be the extension's name, a text")),
        };
        lookup::check_name(&name).map_err(|reason| fault::of(&name, reason))?;
        tokio::select! {
            biased;
            () = self.lifetime.stop.cancelled() => Err(fault::of(&name, "the server is shutting down")),
            () = self.lifetime.abandon.cancelled() => Err(fault::of(&name, "the server is shutting down")),
            result = self.dispatch(&name, arguments.collect()) => result,
        }
    }

    async fn dispatch(&self, name: &str, arguments: Vec<Json>) -> Result<Json, ScriptFault> {
        if let Some((gate, endpoint)) = self.endpoints.get(name) {
            let deadline = Instant::now() + endpoint.timeout();
            let _place = gate.enter(name, deadline).await?;
            return endpoint.call(name, &arguments, deadline).await;
        }
        let target = lookup::find(&self.directory, name)?;
        if matches!(target, Target::Module { .. }) && !matches!(arguments.first(), Some(Json::String(_))) {
            return Err(fault::of(
                name,
                "a module wants the name of one of its functions as the second argument of ext()",
            ));
        }
        let deadline = Instant::now() + self.timeout;
        let worker = self.worker(name);
        let (gate, worker) = &*worker;
        let _place = gate.enter(name, deadline).await?;
        worker.call(target, &arguments, deadline).await
    }

    fn worker(&self, name: &str) -> Arc<(Gate, Worker)> {
        let mut workers = self.workers.lock();
        let worker = workers.entry(name.to_owned()).or_insert_with(|| {
            let worker =
                Worker::new(name, &self.directory, &self.node, self.timeout, self.max_output, self.lifetime.clone());
            Arc::new((Gate::new(self.max_concurrent), worker))
        });
        worker.clone()
    }
}
