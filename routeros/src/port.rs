//! What provisioning needs of a router: a command goes in, a reply comes out. Implemented by [`crate::Client`] and
//! [`crate::Router`], and by whatever stands in for a router in tests.

use async_trait::async_trait;

use crate::command::Command;
use crate::error::Error;
use crate::reply::{Reply, Row};

/// Runs commands on one router.
#[async_trait]
pub trait RouterPort: Send + Sync {
    /// Runs a command.
    ///
    /// # Errors
    /// [`Error::class`] tells what to do about it, [`Error::is_state_unknown`] whether it may have been carried out.
    async fn run(&self, command: Command) -> Result<Reply, Error>;

    /// The rows of a print.
    ///
    /// # Errors
    /// As for [`Self::run`].
    async fn rows(&self, print: Command) -> Result<Vec<Row>, Error> {
        Ok(self.run(print).await?.rows)
    }

    /// Runs an add and gives the id of the new row; `None` in the few menus of older releases that do not tell it.
    ///
    /// # Errors
    /// As for [`Self::run`].
    async fn add(&self, add: Command) -> Result<Option<String>, Error> {
        Ok(self.run(add).await?.ret().map(|id| id.into_owned()))
    }
}
