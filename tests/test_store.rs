//! Which store the tests run on: the embedded one, or with `LODESTAR_TEST_STORE=mongodb` databases of their own on the server at
//! `LODESTAR_TEST_MONGODB_URL`.
#![allow(dead_code, reason = "each test program uses a part")]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use lodestar::stores::{StoreAddress, StoreArguments};
use store::{EmbeddedStore, Store};
use tempfile::TempDir;

/// Whether the tests run on the embedded store.
pub fn is_embedded() -> bool {
    match std::env::var("LODESTAR_TEST_STORE") {
        Err(_) => true,
        Ok(store) => {
            assert_eq!(store, "mongodb", "LODESTAR_TEST_STORE is no store");
            false
        }
    }
}

/// The same, and says that a test is skipped which is of the embedded store alone.
pub fn is_embedded_or_skips() -> bool {
    if !is_embedded() {
        eprintln!("skipped: it is of the embedded store");
    }
    is_embedded()
}

/// A database of this name on the server for tests; `None` when there is none, which is said.
pub fn database(name: &str) -> Option<String> {
    let Ok(server) = std::env::var("LODESTAR_TEST_MONGODB_URL") else {
        eprintln!("skipped: LODESTAR_TEST_MONGODB_URL names no MongoDB server");
        return None;
    };
    let (server, options) = server.split_once('?').unwrap_or((&server, ""));
    Some(format!("{}/{name}?{options}", server.trim_end_matches('/')))
}

/// The MongoDB database that belongs to a data directory; `None` when the tests run on the embedded store.
pub fn address_of(data_dir: &Path) -> Option<String> {
    if is_embedded() {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    data_dir.hash(&mut hasher);
    let name = format!("lodestar_test_{}_{:016x}", std::process::id(), hasher.finish());
    Some(database(&name).expect("LODESTAR_TEST_STORE=mongodb needs LODESTAR_TEST_MONGODB_URL"))
}

/// The arguments that name a data directory's store.
pub fn arguments_of(data_dir: &Path) -> StoreArguments {
    StoreArguments { store: address_of(data_dir).map(StoreAddress::from), ..StoreArguments::default() }
}

/// Opens a data directory's store, while no server uses it, and makes it when it is not there.
pub async fn open(data_dir: &Path) -> Arc<dyn Store> {
    match arguments_of(data_dir).store {
        Some(address) => address.open(Default::default()).await.unwrap(),
        None => Arc::new(EmbeddedStore::open(&data_dir.join("lodestar.db")).unwrap()),
    }
}

/// Opens a data directory's store to look at it, whoever uses it.
pub async fn look_at(data_dir: &Path) -> Arc<dyn Store> {
    arguments_of(data_dir).open_for_reading(Some(data_dir)).await.unwrap()
}

/// A data directory that goes with what is stored for it.
pub struct DataDir(TempDir);

impl DataDir {
    pub fn new() -> DataDir {
        DataDir(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if let Some(address) = address_of(self.path()) {
            drop_database(address);
        }
    }
}

/// Drops a MongoDB database.
pub fn drop_database(address: String) {
    // The test's runtime may be at its end.
    let dropped = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = store::MongoStore::connect_for_reading(&address).await.unwrap();
            store.database().drop().await.unwrap();
        });
    });
    // A test that failed has its own message.
    if dropped.join().is_err() {
        eprintln!("a test's database stays on the server");
    }
}
