//! Which store a command works on: the embedded one in a data directory, or a MongoDB server that several nodes share.
//!
//! A server's address may hold a password. It is never shown whole, and on the command line, which every user of the machine can
//! read, it must hold none.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;
use store::{EmbeddedStore, Store, StoreOptions};

/// The data directory when none is named.
pub const DATA_DIR: &str = "./lodestar-data";
/// What addresses begin with.
const SCHEMES: [&str; 2] = ["mongodb://", "mongodb+srv://"];

/// A MongoDB server's address. What is shown of it holds no secret.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct StoreAddress(String);

impl From<String> for StoreAddress {
    fn from(text: String) -> StoreAddress {
        StoreAddress(text)
    }
}

impl StoreAddress {
    fn has_secret(&self) -> bool {
        let (server, options) = self.0.split_once('?').unwrap_or((&self.0, ""));
        let options = options.to_ascii_lowercase();
        server.contains('@') || ["password", "token"].iter().any(|word| options.contains(word))
    }

    fn check(&self) -> Result<()> {
        if !SCHEMES.iter().any(|scheme| self.0.starts_with(scheme)) {
            bail!(
                "--store: the address of a store begins with {} or {}; without one the store is in the data directory",
                SCHEMES[0],
                SCHEMES[1]
            );
        }
        if !cfg!(feature = "mongodb") {
            bail!("--store: this program was built without MongoDB; build it with `--features mongodb`");
        }
        Ok(())
    }

    /// Connects, as a node that serves or changes something.
    ///
    /// # Errors
    /// The server cannot be reached or refuses, or the address cannot be read.
    pub async fn open(&self, options: StoreOptions) -> Result<Arc<dyn Store>> {
        self.check()?;
        self.connect(Some(options)).await
    }

    #[cfg(feature = "mongodb")]
    async fn connect(&self, writing: Option<StoreOptions>) -> Result<Arc<dyn Store>> {
        let store = match writing {
            Some(options) => store::MongoStore::connect_with(&self.0, options).await,
            None => store::MongoStore::connect_for_reading(&self.0).await,
        };
        Ok(Arc::new(store.with_context(|| format!("the store {self}"))?))
    }

    #[cfg(not(feature = "mongodb"))]
    async fn connect(&self, _writing: Option<StoreOptions>) -> Result<Arc<dyn Store>> {
        bail!("the store {self} needs a build with MongoDB")
    }
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = SCHEMES.iter().find(|scheme| self.0.starts_with(**scheme));
        let Some(scheme) = scheme else { return formatter.write_str("(no address)") };
        let rest = &self.0[scheme.len()..];
        // A password may hold any character but this one's last occurrence.
        let server = rest.rsplit('@').next().unwrap_or_default();
        write!(formatter, "{scheme}{}", server.split('?').next().unwrap_or_default())
    }
}

impl fmt::Debug for StoreAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Which store.
#[derive(Debug, Clone, Default, Args)]
pub struct StoreArguments {
    /// The MongoDB server that is the store, e.g. mongodb://db.example/genieacs; without, the data directory is. An address with a
    /// password belongs in --store-file or LODESTAR_STORE.
    #[arg(long, value_name = "URL", env = "LODESTAR_STORE", hide_env_values = true)]
    pub store: Option<StoreAddress>,
    /// A file with the store's address; it goes before --store.
    #[arg(long, value_name = "FILE", env = "LODESTAR_STORE_FILE")]
    pub store_file: Option<PathBuf>,
}

impl StoreArguments {
    /// The server's address; `None` for the data directory.
    ///
    /// # Errors
    /// The file cannot be read, the address is none, or it shows a password to everybody.
    pub fn address(&self) -> Result<Option<StoreAddress>> {
        let address = match (&self.store_file, &self.store) {
            (Some(path), _) => {
                let text = std::fs::read_to_string(path);
                let text = text.with_context(|| format!("reading --store-file {}", path.display()))?;
                StoreAddress(text.trim().to_owned())
            }
            (None, Some(address)) => {
                if address.has_secret() && std::env::args().any(|argument| argument.ends_with(&address.0)) {
                    bail!(
                        "--store: every user of this machine can read a password on the command line; give the address in \
                         --store-file or LODESTAR_STORE"
                    );
                }
                address.clone()
            }
            (None, None) => return Ok(None),
        };
        address.check()?;
        Ok(Some(address))
    }

    /// Opens the store to change something. The embedded one must not be in use.
    ///
    /// # Errors
    /// There is none, it is in use, or it cannot be reached.
    pub async fn open(&self, data_dir: Option<&Path>) -> Result<Arc<dyn Store>> {
        if let Some(address) = self.address()? {
            return address.connect(Some(StoreOptions::default())).await;
        }
        let database = existing(data_dir)?;
        let store = EmbeddedStore::open(&database);
        Ok(Arc::new(store.with_context(|| format!("opening {}; is its server stopped?", database.display()))?))
    }

    /// Opens the store to read; its servers may be running.
    ///
    /// # Errors
    /// There is none, or it cannot be reached.
    pub async fn open_for_reading(&self, data_dir: Option<&Path>) -> Result<Arc<dyn Store>> {
        match self.address()? {
            Some(address) => address.connect(None).await,
            None => Ok(Arc::new(open_embedded_for_reading(data_dir)?)),
        }
    }

    /// Refuses what only the embedded store has.
    ///
    /// # Errors
    /// Another store is named.
    pub fn must_be_embedded(&self, command: &str, instead: &str) -> Result<()> {
        if let Some(address) = self.address()? {
            bail!("{command} is for the embedded store; for {address} use {instead}");
        }
        Ok(())
    }
}

/// Opens the database of a data directory for reading.
///
/// # Errors
/// There is none, or it is damaged.
pub fn open_embedded_for_reading(data_dir: Option<&Path>) -> Result<EmbeddedStore> {
    let database = existing(data_dir)?;
    EmbeddedStore::open_read_only(&database).with_context(|| format!("opening {}", database.display()))
}

fn existing(data_dir: Option<&Path>) -> Result<PathBuf> {
    let data_dir = data_dir.unwrap_or(Path::new(DATA_DIR));
    let database = data_dir.join("lodestar.db");
    if !database.exists() {
        bail!("there is no database in {}; name the server's directory with --data-dir", data_dir.display());
    }
    Ok(database)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_an_address_holds_no_secret() {
        for (address, shown, has_secret) in [
            (
                "mongodb://user:p%40ss@a.example:27017,b.example/acs?tls=true&tlsCertificateKeyFilePassword=x",
                "mongodb://a.example:27017,b.example/acs",
                true,
            ),
            ("mongodb+srv://u:p@cluster.example/", "mongodb+srv://cluster.example/", true),
            ("mongodb://u:p/@w?@a.example/acs", "mongodb://a.example/acs", true),
            ("mongodb://127.0.0.1:21001/acs", "mongodb://127.0.0.1:21001/acs", false),
            ("mongodb://a.example/?tlsCertificateKeyFilePassword=x", "mongodb://a.example/", true),
            ("user:secret@a.example", "(no address)", true),
        ] {
            let address = StoreAddress::from(address.to_owned());
            assert_eq!((address.to_string().as_str(), address.has_secret()), (shown, has_secret));
            assert_eq!(format!("{address:?}"), shown);
        }
    }

    #[test]
    fn other_addresses_are_refused() {
        for (address, problem) in [("http://a.example/", "mongodb://"), ("user:secret@a.example", "mongodb+srv://")] {
            let arguments = StoreArguments { store: Some(StoreAddress(address.to_owned())), ..Default::default() };
            let error = arguments.address().unwrap_err().to_string();
            assert!(error.contains(problem) && !error.contains("secret"), "{error}");
        }
        let arguments = StoreArguments { store_file: Some("/nowhere/store".into()), ..Default::default() };
        let error = format!("{:#}", arguments.address().unwrap_err());
        assert!(error.contains("--store-file") && error.contains("/nowhere/store"), "{error}");
    }
}
