//! Files for devices to download: a description, and the content in chunks, so that no file is ever in memory as a whole.

use acs_core::value::format_date_time;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::StoreError;

/// Bytes per stored chunk: 255 KiB, as GridFS has it.
pub const CHUNK: usize = 255 * 1_024;

/// What is known of a file before its content.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FileMetadata {
    /// The name, which is also the `_id`.
    pub name: String,
    /// E.g. `1 Firmware Upgrade Image` (TR-069 table 30); may be empty.
    pub file_type: String,
    /// Whose devices it is for; may be empty.
    pub oui: String,
    /// Which of them; may be empty.
    pub product_class: String,
    /// The version that it brings; may be empty.
    pub version: String,
    /// When it was uploaded, in milliseconds since the Unix epoch.
    pub uploaded_at: i64,
}

/// A stored file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// What was given with it.
    pub metadata: FileMetadata,
    /// In bytes.
    pub length: u64,
    /// The SHA-256 of the content, 64 hexadecimal digits in lower case.
    pub sha256: String,
    /// Which content it is, in the store's own terms: another one when the file is replaced. Good for an ETag.
    pub content: String,
}

/// Takes a file's content. Dropped without [`FileWriter::finish`], nothing of the file remains.
#[async_trait]
pub trait FileWriter: Send {
    /// Appends bytes, any number of them.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError>;

    /// Puts the file in its place; durable when it returns.
    async fn finish(self: Box<Self>) -> Result<FileInfo, StoreError>;
}

impl FileInfo {
    /// The document that the NBI shows.
    pub fn document(&self) -> Json {
        json!({
            "_id": self.metadata.name,
            "filename": self.metadata.name,
            "length": self.length,
            "chunkSize": CHUNK,
            "uploadDate": format_date_time(self.metadata.uploaded_at),
            "metadata": {
                "fileType": self.metadata.file_type,
                "oui": self.metadata.oui,
                "productClass": self.metadata.product_class,
                "version": self.metadata.version,
            },
            "sha256": self.sha256,
        })
    }
}
