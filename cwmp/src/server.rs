//! Sockets: taking connections in, speaking HTTP/1.1 on them, and closing them so that the last answer arrives.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, warn};

use crate::answer::Answer;
use crate::connection::{Connection, Observed, Peer};
use crate::endpoint::Endpoint;
use crate::listener::Listener;
use crate::statistics::{count, uncount};

/// Serves devices on a listener until `shutdown`. Then running requests are finished, within
/// [`crate::EndpointLimits::shutdown_time`]; when this was the endpoint's last listener, live sessions are ended and written.
pub async fn serve(listener: impl Into<Listener>, endpoint: Arc<Endpoint>, shutdown: CancellationToken) {
    let Listener { socket: listener, policy, tls } = listener.into();
    endpoint.listener_opened();
    let connections = TaskTracker::new();
    let hard_stop = CancellationToken::new();
    loop {
        let permits = endpoint.connection_permits().clone();
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = async {
                let permit = permits.acquire_owned().await;
                (permit, listener.accept().await)
            } => accepted,
        };
        let (permit, (stream, remote)) = match accepted {
            (Ok(permit), Ok(accepted)) => (permit, accepted),
            (Ok(_), Err(error)) => {
                // Either this one connection is broken already, or the process has no file descriptor left.
                warn!(target: "cwmp", "a connection could not be accepted: {error}");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
            (Err(_), _) => break,
        };
        if let Err(error) = stream.set_nodelay(true) {
            debug!(target: "cwmp", %remote, "TCP_NODELAY: {error}");
        }
        let (endpoint, shutdown, hard_stop) = (endpoint.clone(), shutdown.clone(), hard_stop.clone());
        let mut peer = Peer { address: remote, policy: policy.clone(), is_encrypted: tls.is_some(), certificate: None };
        let tls = tls.clone();
        connections.spawn(async move {
            let _permit = permit;
            let conversation = async {
                let Some(tls) = tls else { return serve_connection(stream, peer, endpoint, shutdown).await };
                let handshake = tokio::select! {
                    () = shutdown.cancelled() => return,
                    handshake = tls.accept(stream, endpoint.limits().handshake_time) => handshake,
                };
                match handshake {
                    Ok(stream) => {
                        peer.certificate = tls::client_certificate(&stream);
                        serve_connection(stream, peer, endpoint, shutdown).await;
                    }
                    Err(failure) => endpoint.handshake_failed(remote.ip(), &failure),
                }
            };
            tokio::select! {
                () = hard_stop.cancelled() => {}
                () = conversation => {}
            }
        });
    }
    drop(listener);
    connections.close();
    let patience = endpoint.limits().shutdown_time;
    if timeout(patience, connections.wait()).await.is_err() {
        warn!(target: "cwmp", left = connections.len(), "connections are cut off by the shutdown");
        hard_stop.cancel();
        connections.wait().await;
    }
    endpoint.listener_closed().await;
}

/// Serves one connection to its end, or until `shutdown` and the answer to the running request.
async fn serve_connection<S>(stream: S, peer: Peer, endpoint: Arc<Endpoint>, shutdown: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = endpoint.limits();
    let remote = peer.address;
    let connection = Arc::new(Connection::new(peer, limits.idle_time, limits.header_time));
    let stream = Observed { stream, connection: connection.clone() };
    let mut http = http1::Builder::new();
    // Heads have their own clock, which knows a silent connection from a slow one (see `connection`).
    http.header_read_timeout(None)
        .half_close(true)
        .title_case_headers(true)
        .ignore_invalid_headers(true)
        .max_headers(limits.max_headers)
        .max_header_size(limits.max_head)
        .max_buf_size(limits.max_head.max(8_192));
    let statistics = endpoint.statistics().clone();
    count(&statistics.connections);
    let (service_endpoint, service_connection) = (endpoint.clone(), connection.clone());
    let service =
        service_fn(move |request| Box::pin(respond(service_endpoint.clone(), service_connection.clone(), request)));
    let mut conversation = http.serve_connection(TokioIo::new(stream), service);

    let mut alarm = pin!(sleep_until(connection.deadline().unwrap_or_else(Instant::now)));
    let mut shutting_down = pin!(shutdown.cancelled());
    let mut is_shutting_down = false;
    let over = poll_fn(|context| {
        if !is_shutting_down && shutting_down.as_mut().poll(context).is_ready() {
            is_shutting_down = true;
            Pin::new(&mut conversation).graceful_shutdown();
        }
        if let Poll::Ready(result) = conversation.poll_without_shutdown(context) {
            return Poll::Ready(Some(result));
        }
        // The alarm is only set anew when it comes too late, or has gone off too early.
        loop {
            let deadline = connection.deadline();
            if let Some(deadline) = deadline
                && deadline < alarm.deadline()
            {
                alarm.as_mut().reset(deadline);
            }
            if alarm.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            match deadline {
                Some(deadline) if deadline <= Instant::now() => return Poll::Ready(None),
                Some(deadline) => alarm.as_mut().reset(deadline),
                None => alarm.as_mut().reset(Instant::now() + Duration::from_secs(1)),
            }
        }
    })
    .await;
    uncount(&statistics.connections);
    endpoint.disconnected(&connection);
    match over {
        Some(Ok(())) => {}
        Some(Err(error)) => debug!(target: "cwmp", %remote, "the connection broke: {error}"),
        None => {
            debug!(target: "cwmp", %remote, "the connection is closed for its silence");
            return;
        }
    }
    let Observed { stream, .. } = conversation.into_parts().io.into_inner();
    if connection.is_half_closed() {
        shut_down(stream).await;
    } else {
        linger(stream).await;
    }
}

/// Answers a request in a task of its own: a connection that breaks must not leave a session half-way, and a panic must cost
/// no more than its request.
async fn respond(
    endpoint: Arc<Endpoint>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    connection.set_busy();
    let idle_time = endpoint.limits().idle_time;
    let task_connection = connection.clone();
    let task = tokio::spawn(async move { endpoint.answer(&task_connection, request).await });
    let answer = task.await.unwrap_or_else(|panic| {
        error!(target: "cwmp", remote = &*connection.remote, "a request failed unexpectedly: {panic}");
        Answer::refusal(StatusCode::INTERNAL_SERVER_ERROR, "500 Internal Server Error")
    });
    let time = connection.session().map_or(idle_time, |live| live.timeout().max(idle_time));
    connection.set_idle(time);
    Ok(answer.into_response())
}

async fn shut_down(mut stream: impl AsyncWrite + Unpin) {
    // It is over whether this succeeds or not.
    let _ = timeout(Duration::from_secs(1), stream.shutdown()).await;
}

/// Closes so that the peer can read the last answer: what it is still sending is taken for a while, or its system would throw
/// the answer away.
async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    const LONGEST: Duration = Duration::from_secs(2);
    const MOST: usize = 256;
    let _ = timeout(LONGEST, async {
        stream.shutdown().await?;
        let mut rest = [0; 4_096];
        for _ in 0..MOST {
            if stream.read(&mut rest).await? == 0 {
                break;
            }
        }
        std::io::Result::Ok(())
    })
    .await;
}
