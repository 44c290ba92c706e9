//! Reaching a server, and saying in plain words why it cannot be reached.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mongodb::bson::doc;
use mongodb::error::{Error, ErrorKind};
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;
use mongodb::options::{Acknowledgment, ClientOptions, WriteConcern};
use mongodb::{Client, Database};

use super::values::time_or_number;
use crate::StoreError;

/// How long a server is looked for before an operation fails, unless the address says otherwise.
const SELECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// The oldest server that has what is used: `$unionWith`.
const OLDEST: [i64; 2] = [4, 4];

fn refused(reason: String) -> StoreError {
    StoreError::Database { doing: "connecting", reason }
}

/// A client that counts its commands. Nothing is sent yet.
pub async fn client(address: &str, commands: &Arc<AtomicU64>) -> Result<Client, StoreError> {
    let mut options = match ClientOptions::parse(address).await {
        Ok(options) => options,
        Err(error) => return Err(unreadable(address, &error).await),
    };
    let counted = commands.clone();
    options.command_event_handler = Some(EventHandler::callback(move |event| {
        if matches!(event, CommandEvent::Started(_)) {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    }));
    options.app_name.get_or_insert_with(|| "lodestar".to_owned());
    options.server_selection_timeout.get_or_insert(SELECTION_TIMEOUT);
    let durable = || WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
    options.write_concern.get_or_insert_with(durable);
    Client::with_options(options).map_err(|error| refused(error.to_string()))
}

/// Why an address cannot be read. What the driver says of one with a password may quote that.
async fn unreadable(address: &str, error: &Error) -> StoreError {
    let (Some((scheme, _)), Some((_, server))) = (address.split_once("://"), address.rsplit_once('@')) else {
        return refused(error.to_string());
    };
    match ClientOptions::parse(format!("{scheme}://{server}")).await {
        Err(error) => refused(error.to_string()),
        Ok(_) => refused(
            "the user or the password in the address cannot be read; characters other than letters, digits and -._~ are written \
             as % and two hexadecimal digits"
                .to_owned(),
        ),
    }
}

/// Whether the server is there, lets us in, and is new enough.
pub async fn check_server(database: &Database) -> Result<(), StoreError> {
    let build = database.run_command(doc! { "buildInfo": 1 }).await.map_err(|error| {
        refused(match &*error.kind {
            ErrorKind::ServerSelection { .. } => format!("no server answers: {error}"),
            ErrorKind::Authentication { .. } => format!("the server does not accept the user or the password: {error}"),
            _ => error.to_string(),
        })
    })?;
    let version: Vec<i64> = build.get_array("versionArray").into_iter().flatten().filter_map(time_or_number).collect();
    if !version.is_empty() && version[..] < OLDEST[..] {
        let version = build.get_str("version").unwrap_or("an older one");
        return Err(refused(format!(
            "the server must be MongoDB {}.{} or newer, and is {version}",
            OLDEST[0], OLDEST[1]
        )));
    }
    Ok(())
}
