//! Files.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a suite reports by panicking")]

use acs_core::query::Query;
use serde_json::json;

use crate::file::CHUNK;
use crate::{FileInfo, FileMetadata, Find, Listing, Store, StoreError, UploadOrigin, UploadUsage};

fn metadata(name: &str) -> FileMetadata {
    FileMetadata {
        name: name.into(),
        file_type: "1 Firmware Upgrade Image".into(),
        oui: "0A1B2C".into(),
        product_class: "Box".into(),
        version: "1.2".into(),
        uploaded_at: 1_000,
        upload: None,
    }
}

fn sent(device: &str, command_key: &str, name: &str) -> FileMetadata {
    let origin = UploadOrigin { device: device.into(), command_key: command_key.into() };
    FileMetadata { name: format!("{}{name}", origin.folder()), upload: Some(origin), ..metadata("") }
}

async fn write(store: &impl Store, metadata: FileMetadata, content: &[u8]) -> Result<FileInfo, StoreError> {
    let mut writer = store.create_file(metadata).await?;
    writer.write(content).await?;
    writer.finish().await
}

async fn put(store: &impl Store, name: &str, content: &[u8], step: usize) -> FileInfo {
    let mut writer = store.create_file(metadata(name)).await.unwrap();
    for part in content.chunks(step) {
        writer.write(part).await.unwrap();
    }
    writer.finish().await.unwrap()
}

async fn read(store: &impl Store, file: &FileInfo, from: u64, to: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while from + (out.len() as u64) < to {
        let offset = from + out.len() as u64;
        let part = store.read_file(file, offset, to - offset).await.unwrap().unwrap();
        if part.is_empty() {
            break;
        }
        out.extend(part);
    }
    out
}

/// Written in pieces of any size, read by ranges.
pub async fn files_are_kept_in_chunks(store: &impl Store) {
    let content: Vec<u8> = (0..2 * CHUNK + 777).map(|index| (index % 251) as u8).collect();
    let before = store.configuration_revision().await.unwrap();
    let file = put(store, "fw 1.bin", &content, 100_000).await;
    assert!(store.configuration_revision().await.unwrap() > before, "sessions need its size");
    assert_eq!(file.length, content.len() as u64);
    assert_eq!(store.get_file("fw 1.bin").await.unwrap().as_ref(), Some(&file));
    let chunk = CHUNK as u64;
    for (from, to) in
        [(0, file.length), (0, 1), (chunk - 1, chunk + 1), (chunk, 2 * chunk), (file.length - 5, file.length + 9)]
    {
        let expected = &content[from as usize..to.min(file.length) as usize];
        assert!(read(store, &file, from, to).await == expected, "bytes {from} to {to}");
    }
    assert_eq!(read(store, &file, file.length, file.length + 1).await, Vec::<u8>::new());
    let listed = store.find(Listing::Files, Find::default()).await.unwrap().collect().await.unwrap();
    assert_eq!(
        listed,
        [json!({
            "_id": "fw 1.bin",
            "filename": "fw 1.bin",
            "length": content.len(),
            "chunkSize": CHUNK,
            "uploadDate": "1970-01-01T00:00:01.000Z",
            "metadata": {"fileType": "1 Firmware Upgrade Image", "oui": "0A1B2C", "productClass": "Box", "version": "1.2"},
            "sha256": file.sha256,
        })]
    );
    let empty = put(store, "empty", b"", 1).await;
    // The SHA-256 of nothing (FIPS 180-4).
    assert_eq!(empty.sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert!(store.delete_file("fw 1.bin").await.unwrap());
    assert!(!store.delete_file("fw 1.bin").await.unwrap());
    assert!(store.read_file(&file, 0, 1).await.unwrap().is_none());
    assert_eq!(store.count(Listing::Files, Query::True).await.unwrap(), 1);
}

/// A download under way never gets parts of both.
pub async fn a_file_is_replaced_at_the_end(store: &impl Store) {
    let old = put(store, "f", b"old", 2).await;
    let mut writer = store.create_file(metadata("f")).await.unwrap();
    writer.write(b"newer").await.unwrap();
    assert_eq!(store.get_file("f").await.unwrap().as_ref(), Some(&old));
    assert_eq!(read(store, &old, 0, 3).await, b"old");
    let new = writer.finish().await.unwrap();
    assert_ne!(new.content, old.content);
    assert!(store.read_file(&old, 0, 3).await.unwrap().is_none());
    assert_eq!(read(store, &new, 0, 9).await, b"newer");
    assert_eq!(store.count(Listing::Files, Query::True).await.unwrap(), 1);
}

/// An upload that breaks off is not a file.
pub async fn an_unfinished_file_leaves_nothing(store: &impl Store) {
    let old = put(store, "f", b"old", 2).await;
    let mut writer = store.create_file(metadata("f")).await.unwrap();
    writer.write(&vec![1; CHUNK + 1]).await.unwrap();
    drop(writer);
    assert_eq!(store.get_file("f").await.unwrap(), Some(old));
    assert_eq!(store.count(Listing::Files, Query::True).await.unwrap(), 1);
    assert!(store.create_file(metadata("")).await.is_err());
}

/// Files from devices are apart from those for devices, belong to their transfers, and go with their devices.
pub async fn uploads_are_apart(store: &impl Store) {
    store.commit_session(super::change("1", 1_000, &[])).await.unwrap();
    put(store, "fw.bin", b"firmware", 4).await;
    let before = store.configuration_revision().await.unwrap();
    let device = "0A1B2C-Box-1";
    let file = write(store, sent(device, "k1", "backup.cfg"), b"backup").await.unwrap();
    write(store, sent(device, "k2", "backup.cfg"), b"another").await.unwrap();
    write(store, sent("0A1B2C-Box-2", "k1", "log"), b"log").await.unwrap();
    assert_eq!(store.configuration_revision().await.unwrap(), before, "no session depends on it");
    assert_eq!(file.metadata.name, "uploads/0A1B2C-Box-1/k1/backup.cfg");
    assert_eq!(read(store, &file, 0, 6).await, b"backup");

    assert_eq!(store.count(Listing::Files, Query::True).await.unwrap(), 1);
    let listed = store.find(Listing::Uploads, Find::default()).await.unwrap().collect().await.unwrap();
    let ids: Vec<_> = listed.iter().map(|document| document["_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["0A1B2C-Box-1:k1", "0A1B2C-Box-1:k2", "0A1B2C-Box-2:k1"]);
    assert_eq!((&listed[0]["device"], &listed[0]["commandKey"]), (&json!(device), &json!("k1")));
    let usage = store.upload_usage(device).await.unwrap();
    assert_eq!(usage, UploadUsage { device_bytes: 13, total_bytes: 16 });

    let again = write(store, sent(device, "k1", "other.cfg"), b"again").await.unwrap_err().to_string();
    assert!(again.contains("already"), "{again}");
    assert_eq!(store.get_file("uploads/0A1B2C-Box-1/k1/other.cfg").await.unwrap(), None);
    for (name, upload) in [
        ("uploads/0A1B2C-Box-1/k3/forged.cfg", None),
        ("elsewhere.cfg", sent(device, "k3", "x").upload),
        ("uploads/0A1B2C-Box-1/k1/x", sent(device, "k3", "x").upload),
    ] {
        let metadata = FileMetadata { upload, ..metadata(name) };
        assert!(store.create_file(metadata).await.is_err(), "{name}");
    }

    assert!(store.delete_file("uploads/0A1B2C-Box-1/k2/backup.cfg").await.unwrap());
    assert_eq!(store.upload_usage(device).await.unwrap().device_bytes, 6);
    assert!(store.delete_device(device).await.unwrap());
    let left = UploadUsage { device_bytes: 0, total_bytes: 3 };
    assert_eq!(store.upload_usage(device).await.unwrap(), left);
    assert_eq!(store.configuration_revision().await.unwrap(), before);
}
