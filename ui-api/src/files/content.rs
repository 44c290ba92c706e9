//! A file's bytes on their way out: read from the store chunk by chunk, each when the connection has taken the one before, so that a
//! file of any size costs a chunk of memory.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use store::{FileInfo, Store, StoreError};

use super::progress::Progress;
use crate::answer::Body;

/// Where a file's bytes come from.
#[async_trait]
pub trait Source: Send + Sync {
    /// At most `length` bytes from an offset on; `None` when the file is no longer what it was.
    async fn read(&self, offset: u64, length: u64) -> Result<Option<Vec<u8>>, StoreError>;
}

/// A file of a store.
pub struct StoredFile {
    /// Where it is.
    pub store: Arc<dyn Store>,
    /// Which it is.
    pub file: FileInfo,
}

#[async_trait]
impl Source for StoredFile {
    async fn read(&self, offset: u64, length: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.read_file(&self.file, offset, length).await
    }
}

/// The body with `length` bytes from `first` on. It fails, and cuts the connection, when the file is replaced meanwhile: nobody must
/// get a mixture. `progress` hears what was sent.
pub fn body<S>(source: S, name: String, first: u64, length: u64, progress: Option<Progress>) -> Body
where
    S: Source + 'static,
{
    let state = (source, name, progress, first, length);
    let frames = stream::try_unfold(state, |(source, name, mut progress, at, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let bytes = source.read(at, left).await?.filter(|bytes| !bytes.is_empty());
        let Some(bytes) = bytes else {
            let reason = "it was replaced while it was being sent".to_owned();
            return Err(StoreError::Damaged { what: name, reason });
        };
        let count = bytes.len() as u64;
        if let Some(progress) = &mut progress {
            progress.advance(count).await;
        }
        let frame = Frame::data(Bytes::from(bytes));
        Ok(Some((frame, (source, name, progress, at + count, left.saturating_sub(count)))))
    });
    StreamBody::new(frames).boxed_unsync()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper::{Request, Response};
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const CHUNK: u64 = store::file::CHUNK as u64;

    /// Makes bytes up, and counts them.
    #[derive(Clone, Default)]
    struct Endless {
        made: Arc<AtomicU64>,
        is_replaced: bool,
    }

    #[async_trait]
    impl Source for Endless {
        async fn read(&self, offset: u64, length: u64) -> Result<Option<Vec<u8>>, StoreError> {
            if self.is_replaced && offset > 0 {
                return Ok(None);
            }
            let count = length.min(CHUNK);
            self.made.fetch_add(count, Ordering::SeqCst);
            Ok(Some(vec![7; count as usize]))
        }
    }

    #[tokio::test]
    async fn only_what_the_connection_takes_is_read() {
        let source = Endless::default();
        let made = source.made.clone();
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let length = 1_000 * CHUNK;
        let service = service_fn(move |_: Request<hyper::body::Incoming>| {
            let source = source.clone();
            async move { Ok::<_, std::convert::Infallible>(Response::new(body(source, "f".into(), 0, length, None))) }
        });
        let serving = tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(server), service));
        client.write_all(b"GET /f HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        let mut taken = 0;
        let mut piece = vec![0; CHUNK as usize];
        let mut most = 0;
        while taken < length {
            taken += client.read(&mut piece).await.unwrap() as u64;
            most = most.max(made.load(Ordering::SeqCst).saturating_sub(taken));
        }
        assert!(most <= 4 * CHUNK, "{most} bytes were in flight of a file of {length}");
        assert_eq!(made.load(Ordering::SeqCst), length);
        drop(client);
        let _ = serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_file_that_is_replaced_meanwhile_is_cut_off() {
        let source = Endless { is_replaced: true, ..Endless::default() };
        let mut body = body(source, "f".into(), 0, 2 * CHUNK, None);
        assert!(body.frame().await.unwrap().is_ok());
        let error = body.frame().await.unwrap().unwrap_err().to_string();
        assert!(error.contains("replaced"), "{error}");
    }
}
