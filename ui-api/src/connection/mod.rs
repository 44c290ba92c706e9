//! Sockets: accepting connections, what each may take, and ending them.
//!
//! Not here: what requests mean (`nbi`).

pub mod request_line;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tls::TlsServer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::answer::Body;
use request_line::RepairingStream;

/// Connections at a time; more wait until one ends.
const MAX_CONNECTIONS: usize = 1_024;
/// How long a request's header may take; also how long a kept-alive connection may be idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The request line and the header together, in bytes.
const MAX_HEADER: usize = 256 * 1024;
/// How long requests that are under way may take when the server stops.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(10);

/// HTTP on a connection, under way.
type Conversation<Stream, Answering> = http1::Connection<TokioIo<RepairingStream<Stream>>, Answering>;

/// Accepts connections until `shutdown`, then lets requests that are under way end.
///
/// # Errors
/// When the listener has no address, that is, never after a successful bind.
pub async fn serve<Answering, Answered>(
    listener: TcpListener,
    tls: Option<Arc<TlsServer>>,
    shutdown: CancellationToken,
    answer: Answering,
) -> io::Result<()>
where
    Answering: Fn(Request<Incoming>, SocketAddr) -> Answered + Clone + Send + Sync + 'static,
    Answered: Future<Output = Response<Body>> + Send + 'static,
{
    tracing::info!(target: "nbi", address = %listener.local_addr()?, "listening");
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    while let Some((stream, peer, place)) = next_connection(&listener, &places, &shutdown).await {
        // Answers are small; waiting to fill a packet would only delay them.
        let _ = stream.set_nodelay(true);
        let answer = answer.clone();
        let service = service_fn(move |request| {
            let answered = answer(request, peer);
            async move { Ok::<_, Infallible>(answered.await) }
        });
        let (tls, watcher) = (tls.clone(), graceful.watcher());
        tokio::spawn(async move {
            let result = match tls {
                None => watcher.watch(conversation(stream, service)).await,
                Some(tls) => match tls.accept(stream, HANDSHAKE_TIMEOUT).await {
                    Ok(stream) => watcher.watch(conversation(stream, service)).await,
                    Err(failure) => {
                        tracing::debug!(target: "nbi", %peer, "TLS: {failure}");
                        Ok(())
                    }
                },
            };
            if let Err(error) = result {
                tracing::debug!(target: "nbi", %peer, %error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(SHUTDOWN_PATIENCE, graceful.shutdown()).await.is_err() {
        tracing::warn!(target: "nbi", "requests that took too long were cut off");
    }
    Ok(())
}

/// HTTP on a connection.
fn conversation<Stream, Answering>(stream: Stream, service: Answering) -> Conversation<Stream, Answering>
where
    Stream: AsyncRead + AsyncWrite + Unpin,
    Answering: HttpService<Incoming, ResBody = Body>,
    Answering::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER)
        .serve_connection(TokioIo::new(RepairingStream::new(stream)), service)
}

async fn next_connection(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let accept = async {
        let place = places.clone().acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, place)),
                Err(error) => {
                    // Out of file descriptors, mostly: trying again at once would only burn time.
                    tracing::error!(target: "nbi", %error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => None,
        accepted = accept => accepted,
    }
}
