//! Files for devices to download, and from devices that upload: a description, and the content in chunks, so that no file is ever in memory as a whole.

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
    /// Of a file that a device sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadOrigin>,
}

/// The beginning of the names of files that devices sent. Others cannot have it.
pub const UPLOADS: &str = "uploads/";

/// Which transfer a file came by. Each brings one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadOrigin {
    /// Who sent it.
    pub device: String,
    /// The CommandKey of the Upload.
    pub command_key: String,
}

impl UploadOrigin {
    /// What the file's name begins with.
    pub fn folder(&self) -> String {
        format!("{UPLOADS}{}/{}/", self.device, self.command_key)
    }
}

/// Whether a file may have its name.
pub(crate) fn check_name(metadata: &FileMetadata) -> Result<(), StoreError> {
    let invalid =
        |reason: &str| StoreError::Invalid { what: format!("the file {:?}", metadata.name), reason: reason.to_owned() };
    if metadata.name.is_empty() {
        return Err(invalid("it has no name"));
    }
    let folder = metadata.upload.as_ref().map(UploadOrigin::folder);
    if metadata.name.starts_with(folder.as_deref().unwrap_or(UPLOADS)) != folder.is_some() {
        return Err(invalid("names that begin with uploads/ are those of files that devices sent"));
    }
    Ok(())
}

/// How much devices have sent and is still stored, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadUsage {
    /// By one device.
    pub device_bytes: u64,
    /// By all of them.
    pub total_bytes: u64,
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
    /// The document that the NBI shows. A file that a device sent has the id of its transfer.
    pub fn document(&self) -> Json {
        let mut document = json!({
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
        });
        if let Some(UploadOrigin { device, command_key }) = &self.metadata.upload {
            document["_id"] = format!("{device}:{command_key}").into();
            document["device"] = device.as_str().into();
            document["commandKey"] = command_key.as_str().into();
        }
        document
    }
}
