//! Rows that come one by one: the changes of a menu, the progress of a long command.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::client::Shared;
use crate::connection::{Rows, is_interrupted};
use crate::error::Error;
use crate::reply::Row;

/// How long a router may take to end a cancelled command.
const PATIENCE: Duration = Duration::from_secs(5);

/// A command whose rows are taken as they come. Dropping it cancels the command.
///
/// A `listen` never ends by itself and is silent when nothing changes: who needs to know that the router is still there sends
/// a small print now and then. Rows must be taken; who leaves more than a thousand gets [`Error::Lagged`] and should begin
/// again with a print.
#[derive(Debug)]
pub struct Listener {
    shared: Arc<Shared>,
    tag: u64,
    rows: Rows,
    ended: Option<Result<(), Error>>,
}

impl Listener {
    pub(crate) fn new(shared: Arc<Shared>, tag: u64, rows: Rows) -> Listener {
        Listener { shared, tag, rows, ended: None }
    }

    /// The next row; `None` when the command has ended. [`Row::is_dead`] tells whether a listen says that an item is gone.
    /// May be dropped and called again without losing a row.
    ///
    /// # Errors
    /// As for [`crate::Client::run`], after the rows that came before.
    pub async fn next(&mut self) -> Result<Option<Row>, Error> {
        if self.ended.is_none() {
            if let Some(row) = self.rows.rows.recv().await {
                return Ok(Some(row));
            }
            let end = (&mut self.rows.end).await;
            self.ended = Some(end.unwrap_or_else(|_| Err(Error::Lost { reason: "it was given up".to_owned() })));
        }
        match &self.ended {
            Some(Err(error)) => Err(error.clone()),
            _ => Ok(None),
        }
    }

    /// Tells the router to stop, and waits until it has. Rows that were not taken are gone.
    ///
    /// # Errors
    /// When the command failed, or does not end.
    pub async fn cancel(mut self) -> Result<(), Error> {
        if self.ended.is_none() {
            self.shared.connection.cancel(self.tag);
        }
        let end = async {
            loop {
                match self.next().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return Ok(()),
                    Err(error) if is_interrupted(&error) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        };
        let timed_out = Error::Timeout { command: "/cancel".to_owned(), after: PATIENCE, sent: true };
        timeout(PATIENCE, end).await.unwrap_or(Err(timed_out))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.connection.abandon(self.tag);
    }
}
