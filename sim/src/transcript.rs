//! Transcripts: every message of a session as one JSON line, readable without the XML.

use std::io::Write;
use std::sync::Arc;

use chrono::{SecondsFormat, Utc};
use parking_lot::Mutex;
use serde_json::{Map, Value as Json};

/// Which way a message went, seen from the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the device to the ACS.
    Sent,
    /// From the ACS to the device.
    Received,
}

/// One line of a transcript.
#[derive(Debug)]
pub struct Line<'a> {
    /// The device's ID.
    pub device: &'a str,
    /// Seen from the device.
    pub direction: Direction,
    /// RPC, response or fault name; `empty` for messages without a body.
    pub rpc: &'a str,
    /// HTTP status of a received message.
    pub status: Option<u16>,
    /// Arguments or a summary; `null` when there are none.
    pub arguments: Json,
    /// The message's body.
    pub body: &'a str,
}

/// Where transcript lines go; clones write to the same place.
#[derive(Clone)]
pub struct Transcript {
    writer: Arc<Mutex<Box<dyn Write + Send>>>,
    bodies: bool,
}

impl Transcript {
    /// A transcript into `writer`, with the messages' XML when `bodies`.
    pub fn new(writer: impl Write + Send + 'static, bodies: bool) -> Self {
        Self { writer: Arc::new(Mutex::new(Box::new(writer))), bodies }
    }

    /// Writes one line: `{time, device, direction, rpc, status?, arguments?, body?}`.
    pub fn write(&self, line: Line<'_>) {
        let mut fields = Map::new();
        let time = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        fields.insert("time".into(), time.into());
        fields.insert("device".into(), line.device.into());
        let direction = match line.direction {
            Direction::Sent => "sent",
            Direction::Received => "received",
        };
        fields.insert("direction".into(), direction.into());
        fields.insert("rpc".into(), line.rpc.into());
        if let Some(status) = line.status {
            fields.insert("status".into(), status.into());
        }
        if !line.arguments.is_null() {
            fields.insert("arguments".into(), line.arguments);
        }
        if self.bodies && !line.body.is_empty() {
            fields.insert("body".into(), line.body.into());
        }
        let text = format!("{}\n", Json::Object(fields));
        let mut writer = self.writer.lock();
        let written = writer.write_all(text.as_bytes()).and_then(|()| writer.flush());
        if let Err(error) = written {
            tracing::warn!(%error, "transcript line lost");
        }
    }
}

impl std::fmt::Debug for Transcript {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Transcript").field("bodies", &self.bodies).finish_non_exhaustive()
    }
}
