//! Concurrent identical calls share one execution. It goes on when the caller that began it gives up, since others may wait.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use acs_core::script::ScriptFault;
use parking_lot::Mutex;
use serde_json::Value as Json;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::fault;

type Answer = Result<Json, ScriptFault>;

/// The executions under way, by the text of their arguments.
#[derive(Debug, Default)]
pub(crate) struct Sharing {
    running: Mutex<HashMap<String, watch::Receiver<Option<Answer>>>>,
}

impl Sharing {
    /// Joins the execution with this key, or begins it.
    pub(crate) async fn run<F>(self: &Arc<Self>, key: String, tasks: &TaskTracker, begin: impl FnOnce() -> F) -> Answer
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let mut answer = {
            let mut running = self.running.lock();
            match running.get(&key) {
                Some(answer) => answer.clone(),
                None => {
                    let (sender, receiver) = watch::channel(None);
                    running.insert(key.clone(), receiver.clone());
                    let entry = Entry { sharing: self.clone(), key };
                    let execution = begin();
                    tasks.spawn(async move {
                        let result = execution.await;
                        // Whoever asks from here on gets an execution of their own.
                        drop(entry);
                        sender.send_replace(Some(result));
                    });
                    receiver
                }
            }
        };
        let answer = answer.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
        answer.unwrap_or_else(|| Err(fault::plain("ext: the call was abandoned")))
    }
}

/// Takes the execution off the list when it ends, however it ends.
struct Entry {
    sharing: Arc<Sharing>,
    key: String,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.sharing.running.lock().remove(&self.key);
    }
}
