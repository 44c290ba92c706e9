//! `lodestar user` and `lodestar key`: accounts in the database of a server that is stopped, for whoever may write its files, or on
//! the MongoDB server of nodes that may run.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use acs_core::value::{format_date_time, parse_date_time};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use store::Store;
use ui_api::{ApiKeys, KeyInfo, Scopes, Users};

use crate::stores::StoreArguments;

/// `lodestar user …`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a user, or give one other roles and another password.
    Add {
        /// The user's name.
        name: String,
        /// What he may do, separated by commas.
        #[arg(long, value_delimiter = ',', required = true)]
        roles: Vec<String>,
        /// Where the password comes from.
        #[command(flatten)]
        password: PasswordArguments,
        /// Which database.
        #[command(flatten)]
        database: DatabaseArguments,
    },
    /// Give a user another password.
    Password {
        /// The user's name.
        name: String,
        /// Where the password comes from.
        #[command(flatten)]
        password: PasswordArguments,
        /// Which database.
        #[command(flatten)]
        database: DatabaseArguments,
    },
    /// Remove a user.
    Remove {
        /// The user's name.
        name: String,
        /// Which database.
        #[command(flatten)]
        database: DatabaseArguments,
    },
    /// List users and their roles.
    List {
        /// Which database.
        #[command(flatten)]
        database: DatabaseArguments,
    },
}

/// `lodestar key …`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make an API key, and print it.
    Add {
        /// For people, and for the log.
        name: String,
        /// Methods, separated by commas; `*` is all.
        #[arg(long, value_delimiter = ',', default_value = "*")]
        methods: Vec<String>,
        /// Collections, separated by commas; `*` is all.
        #[arg(long, value_delimiter = ',', default_value = "*")]
        collections: Vec<String>,
        /// An expression that devices must satisfy.
        #[arg(long, value_name = "EXPRESSION")]
        devices: Option<String>,
        /// Show the values of secret parameters.
        #[arg(long)]
        reveal: bool,
        /// When it ends to be valid, as 2030-01-31T12:00:00Z.
        #[arg(long, value_name = "DATE")]
        expires: Option<String>,
        /// Which database.
        #[command(flatten)]
        database: DatabaseArguments,
    },
    /// Remove an API key.
    Remove {
        /// Its id, as `list` shows it.
        id: String,
        /// Which database.
        #[command(flatten)]
        database: DatabaseArguments,
    },
    /// List API keys and what they may do.
    List {
        /// Which database.
        #[command(flatten)]
        database: DatabaseArguments,
    },
}

/// Where a password comes from. Never from the command line, which others can read.
#[derive(Debug, Args)]
pub struct PasswordArguments {
    /// A file with the password; else it is read from standard input.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// Where accounts are kept.
#[derive(Debug, Args)]
pub struct DatabaseArguments {
    /// The server's data directory; it must be stopped [default: ./lodestar-data].
    #[arg(long, value_name = "DIR", env = "LODESTAR_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Which store.
    #[command(flatten)]
    store: StoreArguments,
}

impl PasswordArguments {
    /// One line, without its end.
    fn read(&self) -> Result<String> {
        let mut text = String::new();
        match &self.password_file {
            Some(path) => {
                text = std::fs::read_to_string(path)
                    .with_context(|| format!("reading --password-file {}", path.display()))?;
            }
            None => {
                std::io::stdin().read_to_string(&mut text).context("reading the password from standard input")?;
            }
        }
        Ok(text.trim_end_matches(['\n', '\r']).to_owned())
    }
}

impl DatabaseArguments {
    async fn open(&self) -> Result<Arc<dyn Store>> {
        self.store.open(self.data_dir.as_deref()).await
    }
}

/// Runs `lodestar user …`. Returns whether there was such a user.
pub async fn run_user(command: UserCommand) -> Result<bool> {
    match command {
        UserCommand::Add { name, roles, password, database } => {
            let store = database.open().await?;
            Users::write(&*store, &name, Some(&roles), Some(&password.read()?)).await?;
        }
        UserCommand::Password { name, password, database } => {
            let store = database.open().await?;
            if !Users::list(&*store).await?.iter().any(|user| user.name == name) {
                return Ok(not_there("user", &name));
            }
            Users::write(&*store, &name, None, Some(&password.read()?)).await?;
        }
        UserCommand::Remove { name, database } => {
            if !Users::remove(&*database.open().await?, &name).await? {
                return Ok(not_there("user", &name));
            }
        }
        UserCommand::List { database } => {
            for user in Users::list(&*database.open().await?).await? {
                println!("{}\t{}", user.name, user.roles.join(","));
            }
        }
    }
    Ok(true)
}

/// Runs `lodestar key …`. Returns whether there was such a key.
pub async fn run_key(command: KeyCommand) -> Result<bool> {
    match command {
        KeyCommand::Add { name, methods, collections, devices, reveal, expires, database } => {
            let expires_at = match expires {
                Some(text) => Some(parse_date_time(&text).with_context(|| format!("--expires: {text:?} is no date"))?),
                None => None,
            };
            let scopes = Scopes { methods, collections, reveal, devices };
            let new = ApiKeys::create(&*database.open().await?, &name, &scopes, expires_at).await?;
            println!("{}", new.key);
        }
        KeyCommand::Remove { id, database } => {
            if !ApiKeys::revoke(&*database.open().await?, &id).await? {
                return Ok(not_there("API key", &id));
            }
        }
        KeyCommand::List { database } => {
            for key in ApiKeys::list(&*database.open().await?).await? {
                println!("{}", key_line(&key));
            }
        }
    }
    Ok(true)
}

fn key_line(key: &KeyInfo) -> String {
    let Scopes { methods, collections, reveal, devices } = &key.scopes;
    let mut line = format!("{}\t{}\t{}\t{}", key.id, key.name, methods.join(","), collections.join(","));
    if *reveal {
        line.push_str("\treveal");
    }
    if let Some(devices) = devices {
        line.push_str(&format!("\tdevices {devices}"));
    }
    if let Some(time) = key.expires_at {
        line.push_str(&format!("\tuntil {}", format_date_time(time)));
    }
    line
}

fn not_there(what: &str, name: &str) -> bool {
    eprintln!("lodestar: there is no {what} {name:?}");
    false
}
