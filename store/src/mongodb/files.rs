//! Files: buckets as GridFS has them, `fs` for devices and `uploads` from devices.
//!
//! A file's `_id` is its name, as in the incumbent. Its content is written under an id of its own (`content`), and belongs to
//! the file from the moment on at which the file's document names that id: so a file is replaced at once, and whoever reads the
//! old one learns that it is gone. After that the chunks get the file's name, for programs that know only GridFS. Whatever goes
//! wrong in between, the content is found under either.

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Document, doc};
use mongodb::{Collection, Database};
use sha2::{Digest, Sha256};

use super::values::{time_of, time_or_number};
use super::{MongoStore, failed, is_duplicate};
use crate::file::{CHUNK, UploadUsage, check_name};
use crate::{FileInfo, FileMetadata, FileWriter, StoreError, UploadOrigin};

/// How long a content may be without a file before it is taken for abandoned.
const ABANDONED_AFTER: i64 = 86_400_000;

/// Where files are.
#[derive(Clone)]
pub struct Bucket {
    files: Collection<Document>,
    chunks: Collection<Document>,
}

impl Bucket {
    pub fn new(database: &Database, name: &str) -> Bucket {
        Bucket {
            files: database.collection(&format!("{name}.files")),
            chunks: database.collection(&format!("{name}.chunks")),
        }
    }

    /// The descriptions.
    pub fn files(&self) -> &Collection<Document> {
        &self.files
    }

    /// The parts.
    pub fn chunks(&self) -> &Collection<Document> {
        &self.chunks
    }

    /// Removes a file. Returns whether it was there.
    async fn remove(&self, filter: Document) -> Result<bool, StoreError> {
        let doing = "deleting a file";
        let Some(file) = self.files.find_one_and_delete(filter).await.map_err(failed(doing))? else { return Ok(false) };
        let names = contents_of(&file);
        self.chunks.delete_many(doc! { "files_id": { "$in": names } }).await.map_err(failed(doing))?;
        Ok(true)
    }

    /// Removes contents that were abandoned, and finishes giving chunks their file's name.
    pub async fn tidy(&self, now: i64) -> Result<(), StoreError> {
        let doing = "cleaning up files";
        let old = ObjectId::from_parts(u32::try_from((now - ABANDONED_AFTER) / 1_000).unwrap_or(0), [0; 5], [0; 3]);
        let unnamed = doc! { "files_id": { "$type": "objectId", "$lt": old } };
        for content in self.chunks.distinct("files_id", unnamed).await.map_err(failed(doing))? {
            match self.files.find_one(doc! { "content": &content }).await.map_err(failed(doing))? {
                Some(file) => self.name_chunks(&file, &content).await?,
                None => {
                    self.chunks.delete_many(doc! { "files_id": content }).await.map_err(failed(doing))?;
                    tracing::info!("removed a file whose upload had not ended");
                }
            }
        }
        Ok(())
    }

    /// Removes what a file's name had before, and gives the name to the content.
    async fn name_chunks(&self, file: &Document, content: &Bson) -> Result<(), StoreError> {
        let doing = "finishing a file";
        let name = file.get("_id").cloned().unwrap_or(Bson::Null);
        self.chunks.delete_many(doc! { "files_id": &name }).await.map_err(failed(doing))?;
        let rename = doc! { "$set": { "files_id": name } };
        self.chunks.update_many(doc! { "files_id": content }, rename).await.map(|_| ()).map_err(failed(doing))
    }
}

/// What the chunks of a file may be under.
fn contents_of(file: &Document) -> Vec<Bson> {
    ["_id", "content"].iter().filter_map(|name| file.get(name).cloned()).collect()
}

/// Which content a file's document names; another program's files have none.
fn content_of(file: &Document) -> String {
    match file.get("content") {
        Some(Bson::ObjectId(id)) => id.to_hex(),
        _ => {
            let time = time_of(file, "uploadDate").unwrap_or(0);
            format!("{time}-{}", file.get("length").and_then(time_or_number).unwrap_or(0))
        }
    }
}

/// The document of a file.
fn file_document(info: &FileInfo, content: ObjectId) -> Document {
    let metadata = &info.metadata;
    let mut document = doc! {
        "_id": &metadata.name,
        "filename": &metadata.name,
        "length": i64::try_from(info.length).unwrap_or(i64::MAX),
        "chunkSize": CHUNK as i32,
        "uploadDate": DateTime::from_millis(metadata.uploaded_at),
        "metadata": {
            "fileType": &metadata.file_type,
            "oui": &metadata.oui,
            "productClass": &metadata.product_class,
            "version": &metadata.version,
        },
        "sha256": &info.sha256,
        "content": content,
    };
    if let Some(UploadOrigin { device, command_key }) = &metadata.upload {
        document.insert("device", device);
        document.insert("commandKey", command_key);
    }
    document
}

/// Reads the document of a file. The hash of one that another program stored is not known, and empty.
pub fn read_file(file: &Document) -> FileInfo {
    let empty = Document::new();
    let metadata = file.get_document("metadata").unwrap_or(&empty);
    let text = |document: &Document, name: &str| document.get_str(name).unwrap_or_default().to_owned();
    let upload = (file.get_str("device").ok()).zip(file.get_str("commandKey").ok());
    FileInfo {
        metadata: FileMetadata {
            name: super::values::id_of(file),
            file_type: text(metadata, "fileType"),
            oui: text(metadata, "oui"),
            product_class: text(metadata, "productClass"),
            version: text(metadata, "version"),
            uploaded_at: time_of(file, "uploadDate").unwrap_or(0),
            upload: upload.map(|(device, command_key)| UploadOrigin {
                device: device.to_owned(),
                command_key: command_key.to_owned(),
            }),
        },
        length: file.get("length").and_then(time_or_number).and_then(|length| u64::try_from(length).ok()).unwrap_or(0),
        sha256: text(file, "sha256"),
        content: content_of(file),
    }
}

/// Takes a file's content, chunk by chunk.
struct MongoFileWriter {
    store: MongoStore,
    content: ObjectId,
    metadata: FileMetadata,
    /// Less than a chunk.
    pending: Vec<u8>,
    parts: i32,
    length: u64,
    digest: Sha256,
    /// Whether the content belongs to a file, or may.
    is_placed: bool,
    /// A chunk is missing, so the file can never be whole.
    has_failed: bool,
}

#[async_trait]
impl FileWriter for MongoFileWriter {
    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.pending.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
            if self.pending.len() == CHUNK {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<FileInfo, StoreError> {
        if !self.pending.is_empty() {
            self.flush().await?;
        }
        let invalid = |name: &str, reason: &str| StoreError::Invalid {
            what: format!("the file {name:?}"),
            reason: reason.to_owned(),
        };
        if self.has_failed {
            return Err(invalid(&self.metadata.name, "a part of it could not be written"));
        }
        let info = FileInfo {
            metadata: self.metadata.clone(),
            length: self.length,
            sha256: HEXLOWER.encode(&self.digest.clone().finalize()),
            content: self.content.to_hex(),
        };
        let bucket = self.store.bucket(info.metadata.upload.is_some()).clone();
        let document = file_document(&info, self.content);
        // From here on it is the server that decides, even if nobody waits for it.
        self.is_placed = true;
        let placed = if info.metadata.upload.is_some() {
            bucket.files.insert_one(&document).await.map(|_| ())
        } else {
            let place = bucket.files.replace_one(doc! { "_id": &info.metadata.name }, &document);
            place.upsert(true).await.map(|_| ())
        };
        match placed {
            Ok(()) => {}
            Err(error) if is_duplicate(&error) => {
                self.is_placed = false;
                return Err(invalid(&info.metadata.name, "the transfer has brought a file already"));
            }
            Err(error) => return Err(failed("finishing a file")(error)),
        }
        bucket.name_chunks(&document, &self.content.into()).await?;
        // What devices send is no configuration.
        if info.metadata.upload.is_none() {
            self.store.count_change().await?;
        }
        Ok(info)
    }
}

impl MongoFileWriter {
    async fn flush(&mut self) -> Result<(), StoreError> {
        let bytes = std::mem::replace(&mut self.pending, Vec::with_capacity(CHUNK));
        self.digest.update(&bytes);
        self.length += bytes.len() as u64;
        let data = Binary { subtype: BinarySubtype::Generic, bytes };
        let chunk = doc! { "files_id": self.content, "n": self.parts, "data": data, "content": self.content };
        self.parts += 1;
        // Until it is known to be written; the caller may give up waiting.
        self.has_failed = true;
        let bucket = self.store.bucket(self.metadata.upload.is_some());
        bucket.chunks.insert_one(chunk).await.map_err(failed("writing a file"))?;
        self.has_failed = false;
        Ok(())
    }
}

impl Drop for MongoFileWriter {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.is_placed {
            return;
        }
        let (bucket, content) = (self.store.bucket(self.metadata.upload.is_some()).clone(), self.content);
        runtime.spawn(async move {
            if let Err(error) = bucket.chunks.delete_many(doc! { "files_id": content }).await {
                tracing::warn!(%error, "what was uploaded of a file stays for a day");
            }
        });
    }
}

impl MongoStore {
    pub(super) fn bucket(&self, is_upload: bool) -> &Bucket {
        if is_upload { &self.upload_bucket } else { &self.file_bucket }
    }

    pub(super) fn begin_file(&self, metadata: FileMetadata) -> Result<Box<dyn FileWriter>, StoreError> {
        check_name(&metadata)?;
        Ok(Box::new(MongoFileWriter {
            store: self.clone(),
            content: ObjectId::new(),
            metadata,
            pending: Vec::with_capacity(CHUNK),
            parts: 0,
            length: 0,
            digest: Sha256::new(),
            is_placed: false,
            has_failed: false,
        }))
    }

    pub(super) async fn describe_file(&self, name: &str) -> Result<Option<FileInfo>, StoreError> {
        Ok(self.file_document(name).await?.as_ref().map(read_file))
    }

    async fn file_document(&self, name: &str) -> Result<Option<Document>, StoreError> {
        let bucket = self.bucket(name.starts_with(crate::file::UPLOADS));
        bucket.files.find_one(doc! { "_id": name }).await.map_err(failed("reading a file"))
    }

    pub(super) async fn read_part(
        &self,
        file: &FileInfo,
        offset: u64,
        length: u64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let name = &file.metadata.name;
        let Some(document) = self.file_document(name).await?.filter(|document| content_of(document) == file.content)
        else {
            return Ok(None);
        };
        if offset >= file.length || length == 0 {
            return Ok(Some(Vec::new()));
        }
        // Another program may have made them of another size.
        let size = document.get("chunkSize").and_then(time_or_number).and_then(|size| u64::try_from(size).ok());
        let size = size.filter(|size| *size > 0).unwrap_or(CHUNK as u64);
        let part = i64::try_from(offset / size).unwrap_or(i64::MAX);
        // Under the name there may still be what was before, or be what has come since.
        for id in contents_of(&document).into_iter().rev() {
            let mut filter = doc! { "files_id": id, "n": part };
            if let Some(content) = document.get("content") {
                filter.insert("content", content);
            }
            let found = self.bucket(file.metadata.upload.is_some()).chunks.find_one(filter).await;
            let Some(chunk) = found.map_err(failed("reading a file"))? else { continue };
            let Ok(bytes) = chunk.get_binary_generic("data") else { continue };
            let first = (offset % size) as usize;
            let behind =
                first.saturating_add(usize::try_from(length).unwrap_or(usize::MAX).min(CHUNK)).min(bytes.len());
            if first < behind {
                return Ok(Some(bytes[first..behind].to_vec()));
            }
        }
        // It may have been replaced since it was looked at.
        match self.describe_file(name).await? {
            Some(now) if now.content == file.content => Err(StoreError::Damaged {
                what: format!("the file {name:?}"),
                reason: format!("part {part} is missing"),
            }),
            _ => Ok(None),
        }
    }

    pub(super) async fn remove_file(&self, name: &str) -> Result<bool, StoreError> {
        let is_upload = name.starts_with(crate::file::UPLOADS);
        let is_removed = self.bucket(is_upload).remove(doc! { "_id": name }).await?;
        if is_removed && !is_upload {
            self.count_change().await?;
        }
        Ok(is_removed)
    }

    /// Removes the files that a device sent.
    pub(super) async fn remove_uploads(&self, device: &str) -> Result<(), StoreError> {
        while self.upload_bucket.remove(doc! { "device": device }).await? {}
        Ok(())
    }

    pub(super) async fn read_usage(&self, device: &str) -> Result<UploadUsage, StoreError> {
        let doing = "counting uploads";
        let own = doc! { "$cond": [{ "$eq": ["$device", { "$literal": device }] }, "$length", 0_i64] };
        let sum = doc! { "$group": { "_id": null, "total": { "$sum": "$length" }, "device": { "$sum": own } } };
        let mut sums = self.upload_bucket.files.aggregate([sum]).await.map_err(failed(doing))?;
        if !sums.advance().await.map_err(failed(doing))? {
            return Ok(UploadUsage { device_bytes: 0, total_bytes: 0 });
        }
        let sums = sums.deserialize_current().map_err(failed(doing))?;
        let bytes = |name: &str| sums.get(name).and_then(time_or_number).and_then(|sum| u64::try_from(sum).ok());
        Ok(UploadUsage { device_bytes: bytes("device").unwrap_or(0), total_bytes: bytes("total").unwrap_or(0) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mongodb::date;

    #[test]
    fn files_of_another_program_are_read() {
        let file = read_file(&doc! {
            "_id": "fw.bin", "length": 7, "chunkSize": 261_120, "uploadDate": date(5_000), "filename": "fw.bin",
            "metadata": { "fileType": "1 Firmware Upgrade Image", "oui": "0A1B2C", "productClass": "Box", "version": "1" },
        });
        assert_eq!((file.length, file.metadata.uploaded_at, file.metadata.oui.as_str()), (7, 5_000, "0A1B2C"));
        assert_eq!((file.sha256.as_str(), file.content.as_str()), ("", "5000-7"));
    }
}
