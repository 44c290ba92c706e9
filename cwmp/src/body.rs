//! A request's body, as it comes from the network: bounded in size, in time, and together with all others in memory.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Duration, Instant, timeout_at};

use crate::admission::jittered;
use crate::answer::Answer;
use crate::limits::EndpointLimits;

/// A body with what its headers say of it.
#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    content_type: Option<HeaderValue>,
    content_encoding: Option<HeaderValue>,
    pub(crate) authorization: Option<Authorization>,
    /// Its share of the memory for bodies.
    _share: Option<Arc<OwnedSemaphorePermit>>,
}

/// What a request presents, and for what.
#[derive(Clone)]
pub(crate) struct Authorization {
    pub(crate) value: HeaderValue,
    /// The request target, as a digest should have it.
    pub(crate) target: String,
}

/// The unit of the shares. Bodies that fit into one need no share.
const SHARE: usize = 64 * 1024;

/// All the memory that bodies may take.
pub(crate) fn memory(limits: &EndpointLimits) -> Arc<Semaphore> {
    Arc::new(Semaphore::new((limits.body_memory / SHARE).clamp(1, Semaphore::MAX_PERMITS)))
}

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFailure {
    TooLarge {
        limit: usize,
    },
    TooSlow,
    NoRoom,
    /// The connection broke, or the framing is wrong.
    CutOff,
}

impl BodyFailure {
    pub(crate) fn answer(self, limits: &EndpointLimits) -> Answer {
        match self {
            BodyFailure::TooLarge { limit } => {
                Answer::refusal(StatusCode::PAYLOAD_TOO_LARGE, format!("the body exceeds {limit} bytes"))
            }
            BodyFailure::TooSlow => Answer::refusal(StatusCode::REQUEST_TIMEOUT, "the body took too long"),
            BodyFailure::NoRoom => unavailable(limits),
            BodyFailure::CutOff => Answer::refusal(StatusCode::BAD_REQUEST, "the body is incomplete"),
        }
    }
}

/// 503: come again later.
pub(crate) fn unavailable(limits: &EndpointLimits) -> Answer {
    unavailable_for(jittered(limits.retry_after, limits))
}

/// 503: come again after some time.
pub(crate) fn unavailable_for(time: Duration) -> Answer {
    let seconds = HeaderValue::from(time.as_secs().max(1));
    Answer::refusal(StatusCode::SERVICE_UNAVAILABLE, "503 Service Unavailable").with(header::RETRY_AFTER, seconds)
}

impl Body {
    pub(crate) fn content_type(&self) -> Option<&str> {
        text(self.content_type.as_ref())
    }

    pub(crate) fn content_encoding(&self) -> Option<&str> {
        text(self.content_encoding.as_ref())
    }

    /// Receives a request's body.
    pub(crate) async fn receive(
        request: Request<Incoming>,
        limits: &EndpointLimits,
        memory: &Arc<Semaphore>,
    ) -> Result<Body, BodyFailure> {
        let (head, mut incoming) = request.into_parts();
        let limit = limits.body.max_bytes;
        if incoming.size_hint().lower() > limit as u64 {
            return Err(BodyFailure::TooLarge { limit });
        }
        let started = Instant::now();
        let mut first = Bytes::new();
        let mut whole = BytesMut::new();
        let mut share: Option<OwnedSemaphorePermit> = None;
        loop {
            let length = first.len() + whole.len();
            let more = Duration::from_secs((length / limits.body_rate.max(1)) as u64);
            let deadline = started + limits.body_time + more;
            let frame = timeout_at(deadline, incoming.frame()).await.map_err(|_| BodyFailure::TooSlow)?;
            let Some(frame) = frame else { break };
            // Trailers say nothing.
            let Ok(data) = frame.map_err(|_| BodyFailure::CutOff)?.into_data() else { continue };
            let length = length + data.len();
            if length > limit {
                return Err(BodyFailure::TooLarge { limit });
            }
            take_share(&mut share, length, memory)?;
            // Most bodies come in one piece, which need not be copied.
            if length == data.len() {
                first = data;
                continue;
            }
            if whole.is_empty() {
                whole.reserve(length.max(incoming.size_hint().lower().min(SHARE as u64) as usize));
                whole.extend_from_slice(&std::mem::take(&mut first));
            }
            whole.extend_from_slice(&data);
        }
        let bytes = if whole.is_empty() { first } else { whole.freeze() };
        let header = |headers: &HeaderMap, name| headers.get(name).cloned();
        let authorization = header(&head.headers, header::AUTHORIZATION)
            .map(|value| Authorization { value, target: head.uri.to_string() });
        Ok(Body {
            bytes,
            authorization,
            content_type: header(&head.headers, header::CONTENT_TYPE),
            content_encoding: header(&head.headers, header::CONTENT_ENCODING),
            _share: share.map(Arc::new),
        })
    }
}

/// Extends the share to what `length` bytes need.
fn take_share(
    share: &mut Option<OwnedSemaphorePermit>,
    length: usize,
    memory: &Arc<Semaphore>,
) -> Result<(), BodyFailure> {
    let held = share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
    let needed = length / SHARE;
    if needed <= held {
        return Ok(());
    }
    let more = u32::try_from(needed - held).map_err(|_| BodyFailure::NoRoom)?;
    let more = memory.clone().try_acquire_many_owned(more).map_err(|_| BodyFailure::NoRoom)?;
    match share {
        Some(share) => share.merge(more),
        None => *share = Some(more),
    }
    Ok(())
}

fn text(header: Option<&HeaderValue>) -> Option<&str> {
    std::str::from_utf8(header?.as_bytes()).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn shares_grow_with_the_body_and_are_given_back() {
        let memory = Arc::new(Semaphore::new(3));
        let mut share = None;
        assert_eq!(take_share(&mut share, SHARE - 1, &memory), Ok(()));
        assert!(share.is_none(), "small bodies are free");
        assert_eq!(take_share(&mut share, SHARE, &memory), Ok(()));
        assert_eq!(take_share(&mut share, 2 * SHARE + 5, &memory), Ok(()));
        assert_eq!(memory.available_permits(), 1);
        assert_eq!(take_share(&mut share, 4 * SHARE, &memory), Err(BodyFailure::NoRoom));
        drop(share);
        assert_eq!(memory.available_permits(), 3);
    }
}
