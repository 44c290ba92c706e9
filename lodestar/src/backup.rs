//! `lodestar backup` and `lodestar restore`: the embedded database as one file, taken while the server runs, and put back while it
//! does not.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use store::EmbeddedStore;

use crate::command_line::{BackupArguments, RestoreArguments};
use crate::serve::create_private_directory;
use crate::stores::{DATA_DIR, open_embedded_for_reading};

/// Writes the backup.
///
/// # Errors
/// The file is there already or cannot be written, or there is no database.
pub async fn backup(arguments: BackupArguments) -> Result<()> {
    arguments.store.must_be_embedded("backup", "mongodump")?;
    let store = open_embedded_for_reading(arguments.data_dir.as_deref())?;
    let progress = ProgressBar::new_spinner().with_message(format!("writing {}", arguments.file.display()));
    progress.enable_steady_tick(Duration::from_millis(200));
    let written = store.backup_to(&arguments.file).await;
    progress.finish_and_clear();
    written?;
    let bytes = std::fs::metadata(&arguments.file).with_context(|| format!("{}", arguments.file.display()))?.len();
    println!("{}: {bytes} bytes", arguments.file.display());
    Ok(())
}

/// Puts a backup in the place of the database.
///
/// # Errors
/// The directory is in use, or holds data and is not to be replaced, or the file is no backup.
pub fn restore(arguments: &RestoreArguments) -> Result<()> {
    arguments.store.must_be_embedded("restore", "mongorestore")?;
    let data_dir = arguments.data_dir.clone().unwrap_or_else(|| PathBuf::from(DATA_DIR));
    create_private_directory(&data_dir)?;
    let database = data_dir.join("lodestar.db");
    if !arguments.replace && std::fs::metadata(&database).is_ok_and(|metadata| metadata.len() > 0) {
        bail!("{} holds data already; with --replace, that is kept under another name", data_dir.display());
    }
    let now = chrono::Utc::now().timestamp_millis();
    let restored = EmbeddedStore::restore(&arguments.file, &database, arguments.replace, now)?;
    println!("{} holds {} devices of {}", data_dir.display(), restored.devices, arguments.file.display());
    if let Some(replaced) = restored.replaced {
        println!("what was there before is {}", replaced.display());
    }
    Ok(())
}
