//! The two tasks behind a [`crate::Client`], and the table of commands under way that they share with it.
//!
//! ```text
//! callers ── frames ──▶ writer task ──▶ stream ──▶ reader task ──▶ table of commands by tag ──▶ callers
//! ```
//!
//! Tags are numbers that are not used again, so an answer to a command that nobody waits for any longer cannot be taken for
//! that to another.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::reply::{Answer, Content, Reply, Row};
use crate::sentence::{Decoder, encode};
use crate::trap::{ErrorClass, Trap};

/// Rows that a listener may leave untaken.
const UNTAKEN_ROWS: usize = 1024;
/// How long a router may take to say anything at all after a command timed out, before the connection counts as dead.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// What callers and tasks share.
#[derive(Debug)]
pub(crate) struct Connection {
    table: Mutex<Table>,
    frames: mpsc::UnboundedSender<Vec<u8>>,
    max_reply: usize,
    /// Counts reads with bytes in them.
    signs_of_life: AtomicU64,
    /// Ends both tasks.
    close: CancellationToken,
}

#[derive(Debug, Default)]
struct Table {
    last_tag: u64,
    pending: HashMap<u64, Pending>,
    /// Set once, when the connection has ended.
    ended: Option<Error>,
    /// We asked for the end.
    quitting: bool,
}

/// A command under way.
#[derive(Debug)]
struct Pending {
    command: String,
    traps: Vec<Trap>,
    taker: Taker,
}

/// Who gets what comes.
#[derive(Debug)]
enum Taker {
    /// All in one, at the end.
    Reply { reply: Reply, weight: usize, sender: oneshot::Sender<Result<Reply, Error>> },
    /// Row by row.
    Rows { rows: mpsc::Sender<Row>, end: oneshot::Sender<Result<(), Error>> },
}

/// The other side of a command whose rows come one by one.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) rows: mpsc::Receiver<Row>,
    pub(crate) end: oneshot::Receiver<Result<(), Error>>,
}

impl Connection {
    /// Takes a stream on which the login succeeded, with what was read from it already, and starts the tasks.
    pub(crate) fn start<S>(stream: S, decoder: Decoder, max_reply: usize, write_timeout: Duration) -> Arc<Connection>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (reader, writer) = tokio::io::split(stream);
        let (frames, queue) = mpsc::unbounded_channel();
        let connection = Arc::new(Connection {
            table: Mutex::default(),
            frames,
            max_reply,
            signs_of_life: AtomicU64::new(0),
            close: CancellationToken::new(),
        });
        tokio::spawn(write_all(connection.clone(), writer, queue, write_timeout));
        tokio::spawn(read_all(connection.clone(), reader, decoder));
        connection
    }

    /// Sends a command whose rows are collected.
    pub(crate) fn send(
        &self,
        command: String,
        words: Vec<Vec<u8>>,
    ) -> Result<(u64, oneshot::Receiver<Result<Reply, Error>>), Error> {
        let (sender, receiver) = oneshot::channel();
        let taker = Taker::Reply { reply: Reply::default(), weight: 0, sender };
        Ok((self.register(command, words, taker)?, receiver))
    }

    /// Sends a command whose rows are given as they come.
    pub(crate) fn send_for_rows(&self, command: String, words: Vec<Vec<u8>>) -> Result<(u64, Rows), Error> {
        let (row_sender, rows) = mpsc::channel(UNTAKEN_ROWS);
        let (end_sender, end) = oneshot::channel();
        let taker = Taker::Rows { rows: row_sender, end: end_sender };
        Ok((self.register(command, words, taker)?, Rows { rows, end }))
    }

    fn register(&self, command: String, mut words: Vec<Vec<u8>>, taker: Taker) -> Result<u64, Error> {
        let mut table = self.table.lock();
        if let Some(error) = &table.ended {
            return Err(Error::NotConnected { reason: error.to_string() });
        }
        table.last_tag += 1;
        let tag = table.last_tag;
        table.pending.insert(tag, Pending { command, traps: Vec::new(), taker });
        words.push(format!(".tag={tag}").into_bytes());
        self.write(words);
        Ok(tag)
    }

    /// Forgets a command and tells the router to stop it. For commands that are over, nothing.
    pub(crate) fn abandon(&self, tag: u64) {
        if self.table.lock().pending.remove(&tag).is_some() {
            self.cancel(tag);
        }
    }

    /// Tells the router to stop a command, which then ends with a trap.
    pub(crate) fn cancel(&self, tag: u64) {
        // What comes back with this tag belongs to no entry of the table.
        self.write([b"/cancel".to_vec(), format!("=tag={tag}").into_bytes(), format!(".tag=c{tag}").into_bytes()]);
    }

    /// Tells the router that we leave, so that it does not take the end of the connection for an accident.
    pub(crate) fn quit(&self) {
        self.table.lock().quitting = true;
        self.write([b"/quit".to_vec()]);
    }

    /// Ends the connection.
    pub(crate) fn end(&self, error: Error) {
        let pending: Vec<Pending> = {
            let mut table = self.table.lock();
            if table.ended.is_none() {
                table.ended = Some(error.clone());
            }
            table.pending.drain().map(|(_, pending)| pending).collect()
        };
        for pending in pending {
            pending.finish(Err(error.clone()));
        }
        self.close.cancel();
    }

    /// Why it ended, when it has.
    pub(crate) fn ended(&self) -> Option<Error> {
        self.table.lock().ended.clone()
    }

    /// Done when it has ended.
    pub(crate) async fn closed(&self) {
        self.close.cancelled().await;
    }

    /// After a command timed out: when the router then says nothing at all, not even to the cancel, the connection is dead.
    pub(crate) fn watch(self: &Arc<Self>) {
        let before = self.signs_of_life.load(Ordering::Relaxed);
        let connection = self.clone();
        tokio::spawn(async move {
            let silence = timeout(SIGN_OF_LIFE, connection.closed()).await;
            if silence.is_err() && connection.signs_of_life.load(Ordering::Relaxed) == before {
                connection.end(Error::Lost { reason: "the router does not answer any more".to_owned() });
            }
        });
    }

    fn write(&self, words: impl IntoIterator<Item = Vec<u8>>) {
        let mut frame = Vec::new();
        encode(words, &mut frame);
        // It fails when the writer has ended, and then the commands are ended too.
        let _ = self.frames.send(frame);
    }

    /// Gives an answer to whom it concerns. An error ends the connection.
    fn take(&self, answer: Answer) -> Result<(), Error> {
        if let Content::Fatal(reason) = answer.content {
            return Err(Error::Fatal { reason });
        }
        let Some(tag) = read_tag(&answer.tag) else { return Ok(()) };
        let mut table = self.table.lock();
        let Some(pending) = table.pending.get_mut(&tag) else { return Ok(()) };
        let ended = match answer.content {
            Content::Row(row) => pending.add(row, self.max_reply).err(),
            Content::Trap(trap) => pending.add_trap(trap, self.max_reply).err(),
            Content::Done(row) => {
                if let Some(mut pending) = table.pending.remove(&tag) {
                    let result = pending.result(row);
                    pending.finish(result);
                }
                return Ok(());
            }
            Content::Empty | Content::Fatal(_) => None,
        };
        if let Some(error) = ended {
            if let Some(pending) = table.pending.remove(&tag) {
                pending.finish(Err(error));
            }
            self.cancel(tag);
        }
        Ok(())
    }
}

impl Pending {
    fn add(&mut self, row: Row, max_reply: usize) -> Result<(), Error> {
        match &mut self.taker {
            Taker::Reply { reply, weight, .. } => {
                *weight += row.weight();
                reply.rows.push(row);
                self.check(max_reply)
            }
            Taker::Rows { rows, .. } => match rows.try_send(row) {
                Ok(()) => Ok(()),
                Err(_) => Err(Error::Lagged { command: self.command.clone() }),
            },
        }
    }

    fn add_trap(&mut self, trap: Trap, max_reply: usize) -> Result<(), Error> {
        self.traps.push(trap);
        self.check(max_reply)
    }

    fn check(&self, max_reply: usize) -> Result<(), Error> {
        let traps: usize = self.traps.iter().map(|trap| trap.message.len() + size_of::<Trap>()).sum();
        let weight = match &self.taker {
            Taker::Reply { weight, .. } => *weight,
            Taker::Rows { .. } => 0,
        };
        if traps + weight > max_reply {
            return Err(Error::TooLarge { command: self.command.clone(), limit: max_reply });
        }
        Ok(())
    }

    /// What `!done` makes of what came before it.
    fn result(&mut self, done: Row) -> Result<Reply, Error> {
        let traps = std::mem::take(&mut self.traps);
        if !traps.is_empty() {
            return Err(Error::Trap { command: self.command.clone(), traps });
        }
        match &mut self.taker {
            Taker::Reply { reply, .. } => Ok(Reply { rows: std::mem::take(&mut reply.rows), done }),
            Taker::Rows { .. } => Ok(Reply { rows: Vec::new(), done }),
        }
    }

    /// Whoever does not wait any longer does not mind.
    fn finish(self, result: Result<Reply, Error>) {
        match self.taker {
            Taker::Reply { sender, .. } => drop(sender.send(result)),
            Taker::Rows { end, .. } => drop(end.send(result.map(|_| ()))),
        }
    }
}

/// Whether an error says that a command was cancelled.
pub(crate) fn is_interrupted(error: &Error) -> bool {
    error.class() == ErrorClass::Interrupted
}

fn read_tag(tag: &Bytes) -> Option<u64> {
    std::str::from_utf8(tag).ok()?.parse().ok()
}

async fn write_all<W: AsyncWrite>(
    connection: Arc<Connection>,
    writer: W,
    mut queue: mpsc::UnboundedReceiver<Vec<u8>>,
    patience: Duration,
) {
    let mut writer = std::pin::pin!(writer);
    let writing = async {
        while let Some(frame) = queue.recv().await {
            let written = timeout(patience, async {
                writer.write_all(&frame).await?;
                writer.flush().await
            });
            match written.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error.to_string(),
                Err(_) => return "the router does not take what is sent".to_owned(),
            }
        }
        "closed".to_owned()
    };
    let reason = tokio::select! {
        reason = writing => reason,
        () = connection.closed() => "closed".to_owned(),
    };
    connection.end(Error::Lost { reason });
    let _ = timeout(patience, writer.shutdown()).await;
}

async fn read_all<R: AsyncRead>(connection: Arc<Connection>, reader: R, mut decoder: Decoder) {
    let mut reader = std::pin::pin!(reader);
    let reading = async {
        loop {
            while let Some(sentence) = decoder.next_sentence()? {
                connection.take(Answer::parse(&sentence)?)?;
            }
            match reader.read_buf(decoder.buffer()).await {
                Ok(0) if decoder.is_between_sentences() => {
                    return Err(Error::Lost { reason: "the router closed it".to_owned() });
                }
                Ok(0) => return Err(Error::Lost { reason: "it broke off within an answer".to_owned() }),
                Ok(_) => connection.signs_of_life.fetch_add(1, Ordering::Relaxed),
                Err(error) => return Err(Error::Lost { reason: error.to_string() }),
            };
        }
    };
    let result: Result<(), Error> = tokio::select! {
        result = reading => result,
        () = connection.closed() => return,
    };
    if let Err(error) = result {
        if connection.table.lock().quitting {
            tracing::debug!(target: "routeros", %error, "closed");
        } else {
            tracing::info!(target: "routeros", %error, "connection ended");
        }
        connection.end(error);
    }
}
