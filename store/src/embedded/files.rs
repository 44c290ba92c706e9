//! Files: a row that describes, and chunks. A file without a name is one that is still being written.

use std::sync::Arc;

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::devices::{from_text, to_text};
use super::writer::Writer;
use super::{documents, failed};
use crate::file::{CHUNK, UploadOrigin, UploadUsage, check_name};
use crate::{FileInfo, FileMetadata, FileWriter, StoreError};

/// Takes a file's content, chunk by chunk.
struct EmbeddedFileWriter {
    writer: Arc<Writer>,
    no: i64,
    metadata: FileMetadata,
    /// Less than a chunk.
    pending: Vec<u8>,
    parts: i64,
    length: u64,
    digest: Sha256,
    /// The file is whole and in its place.
    is_finished: bool,
    /// A chunk is missing, so the file can never be whole.
    has_failed: bool,
}

pub async fn create_file(writer: Arc<Writer>, metadata: FileMetadata) -> Result<Box<dyn FileWriter>, StoreError> {
    check_name(&metadata)?;
    let begin = |connection: &Connection| {
        connection
            .execute("INSERT INTO file (name, record) VALUES (NULL, '')", [])
            .map_err(failed("beginning a file"))?;
        Ok(connection.last_insert_rowid())
    };
    let no = writer.submit(begin).await?;
    Ok(Box::new(EmbeddedFileWriter {
        writer,
        no,
        metadata,
        pending: Vec::with_capacity(CHUNK),
        parts: 0,
        length: 0,
        digest: Sha256::new(),
        is_finished: false,
        has_failed: false,
    }))
}

#[async_trait]
impl FileWriter for EmbeddedFileWriter {
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
        if self.has_failed {
            let reason = "a part of it could not be written".to_owned();
            return Err(StoreError::Invalid { what: format!("the file {:?}", self.metadata.name), reason });
        }
        let info = FileInfo {
            metadata: self.metadata.clone(),
            length: self.length,
            sha256: HEXLOWER.encode(&self.digest.clone().finalize()),
            content: self.no.to_string(),
        };
        let (no, placed, record) = (self.no, info.clone(), to_text(&info)?);
        let put = move |connection: &Connection| put_in_place(connection, no, &placed, &record);
        // From here on it is the transaction that decides, even if nobody waits for it.
        self.is_finished = true;
        let outcome = self.writer.submit(put).await;
        self.is_finished = outcome.is_ok();
        outcome.map(|()| info)
    }
}

impl EmbeddedFileWriter {
    async fn flush(&mut self) -> Result<(), StoreError> {
        let data = std::mem::replace(&mut self.pending, Vec::with_capacity(CHUNK));
        self.digest.update(&data);
        self.length += data.len() as u64;
        let (no, part) = (self.no, self.parts);
        self.parts += 1;
        // Until it is known to be written; the caller may give up waiting.
        self.has_failed = true;
        let write = move |connection: &Connection| {
            connection
                .prepare_cached("INSERT INTO file_chunk (file, part, data) VALUES (?1, ?2, ?3)")
                .and_then(|mut statement| statement.execute(params![no, part, data]))
                .map(|_| ())
                .map_err(failed("writing a file"))
        };
        self.writer.submit(write).await?;
        self.has_failed = false;
        Ok(())
    }
}

impl Drop for EmbeddedFileWriter {
    fn drop(&mut self) {
        if !self.is_finished {
            let no = self.no;
            self.writer.submit_and_forget(move |connection| {
                connection
                    .execute("DELETE FROM file WHERE no = ?1 AND name IS NULL", [no])
                    .map(|_| ())
                    .map_err(failed("dropping a file"))
            });
        }
    }
}

fn put_in_place(connection: &Connection, no: i64, file: &FileInfo, record: &str) -> Result<(), StoreError> {
    let doing = failed("finishing a file");
    let FileMetadata { name, upload, .. } = &file.metadata;
    let (device, command_key) = match upload {
        Some(UploadOrigin { device, command_key }) => (Some(device), Some(command_key)),
        None => (None, None),
    };
    let others: i64 = connection
        .query_row("SELECT count(*) FROM file WHERE device = ?1 AND command_key = ?2", [device, command_key], |row| {
            row.get(0)
        })
        .map_err(doing)?;
    if others > 0 {
        let reason = "the transfer has brought a file already".to_owned();
        return Err(StoreError::Invalid { what: format!("the file {name:?}"), reason });
    }
    connection.execute("DELETE FROM file WHERE name = ?1", [name]).map_err(doing)?;
    connection
        .execute(
            "UPDATE file SET name = ?2, record = ?3, device = ?4, command_key = ?5, length = ?6 WHERE no = ?1",
            params![no, name, record, device, command_key, i64::try_from(file.length).unwrap_or(i64::MAX)],
        )
        .map_err(doing)?;
    // What devices send is no configuration.
    if upload.is_none() { documents::count_change(connection) } else { Ok(()) }
}

/// How much devices have sent: this one, and all together.
pub fn upload_usage(connection: &Connection, device: &str) -> Result<UploadUsage, StoreError> {
    let sum = |sql: &str, parameters: &[&str]| {
        let sum = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        let bytes = connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(rusqlite::params_from_iter(parameters), sum))
            .map_err(failed("counting uploads"))?;
        Ok(u64::try_from(bytes).unwrap_or(0))
    };
    Ok(UploadUsage {
        device_bytes: sum("SELECT coalesce(sum(length), 0) FROM file WHERE device = ?1", &[device])?,
        total_bytes: sum("SELECT coalesce(sum(length), 0) FROM file WHERE device IS NOT NULL", &[])?,
    })
}

/// Removes what was being written when the last process ended.
pub fn remove_unfinished(connection: &Connection) -> Result<(), StoreError> {
    let removed = connection.execute("DELETE FROM file WHERE name IS NULL", []).map_err(failed("cleaning up files"))?;
    if removed > 0 {
        tracing::info!(removed, "removed files whose upload had not ended");
    }
    Ok(())
}

pub fn get_file(connection: &Connection, name: &str) -> Result<Option<FileInfo>, StoreError> {
    let text: Option<String> = connection
        .prepare_cached("SELECT record FROM file WHERE name = ?1")
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
        .map_err(failed("reading a file"))?;
    text.map(|text| from_text(name, &text)).transpose()
}

pub fn read_file(
    connection: &Connection,
    file: &FileInfo,
    offset: u64,
    length: u64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let doing = failed("reading a file");
    // What is no number is another store's content.
    let Ok(no) = file.content.parse::<i64>() else { return Ok(None) };
    let exists: bool = connection
        .prepare_cached("SELECT count(*) FROM file WHERE no = ?1 AND name = ?2")
        .and_then(|mut statement| statement.query_row(params![no, file.metadata.name], |row| row.get(0)))
        .map_err(&doing)?;
    if !exists {
        return Ok(None);
    }
    if offset >= file.length || length == 0 {
        return Ok(Some(Vec::new()));
    }
    let chunk = CHUNK as u64;
    let part = i64::try_from(offset / chunk).unwrap_or(i64::MAX);
    let mut statement = connection
        .prepare_cached("SELECT substr(data, ?3, ?4) FROM file_chunk WHERE file = ?1 AND part = ?2")
        .map_err(&doing)?;
    // SQL counts from 1.
    let first = (offset % chunk) as i64 + 1;
    let bytes: Option<Vec<u8>> = statement
        .query_row(params![no, part, first, length.min(chunk) as i64], |row| row.get(0))
        .optional()
        .map_err(&doing)?;
    match bytes {
        Some(bytes) if !bytes.is_empty() => Ok(Some(bytes)),
        _ => Err(StoreError::Damaged {
            what: format!("the file {:?}", file.metadata.name),
            reason: format!("part {part} is missing"),
        }),
    }
}

pub fn delete_file(connection: &Connection, name: &str) -> Result<bool, StoreError> {
    let deleted: Option<bool> = connection
        .prepare_cached("DELETE FROM file WHERE name = ?1 RETURNING device IS NULL")
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
        .map_err(failed("deleting a file"))?;
    if deleted == Some(true) {
        documents::count_change(connection)?;
    }
    Ok(deleted.is_some())
}
