//! The store on a MongoDB server: the conformance suite, and what is its own.
//!
//! The server is the one at `LODESTAR_TEST_MONGODB_URL`; each test has a database of its own there, which is dropped. Without the
//! variable the tests say that they are skipped.
#![cfg(feature = "mongodb")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::{AtomicUsize, Ordering};

use store::{MongoStore, StoreOptions};

/// A database that is dropped at the end.
struct Scratch {
    address: String,
}

impl Scratch {
    /// `None` when there is no server.
    fn new() -> Option<Scratch> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let Ok(server) = std::env::var("LODESTAR_TEST_MONGODB_URL") else {
            eprintln!("skipped: LODESTAR_TEST_MONGODB_URL names no MongoDB server");
            return None;
        };
        let name = format!("lodestar_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let (server, options) = server.split_once('?').unwrap_or((&server, ""));
        Some(Scratch { address: format!("{}/{name}?{options}", server.trim_end_matches('/')) })
    }

    /// A node on it.
    async fn connect(&self) -> MongoStore {
        MongoStore::connect_with(&self.address, StoreOptions::default()).await.unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let address = self.address.clone();
        // The test's runtime may be at its end.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { MongoStore::connect(&address).await.unwrap().database().drop().await.unwrap() });
        });
        dropped.join().unwrap();
    }
}

store::conformance!(async || {
    let scratch = Scratch::new()?;
    Some((scratch.connect().await, scratch))
});
