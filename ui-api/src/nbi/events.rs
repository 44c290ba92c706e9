//! `GET /events`: what happens, as it happens, from the store's outbox. Server-sent events (WHATWG HTML, "Server-sent events").
//!
//! A client names the last event that it has, and gets those behind it: those that are kept first, then each as it is committed.
//! Its cursor is the store's, so it holds across restarts. When events behind it are no longer kept, the stream says so (`gap`) and
//! goes on with those that are.
//!
//! A client costs one page of events and a place; it is read for only as fast as it takes. What happened last is shared by all
//! ([`EventFeed`]), so that an event is read from the store once, not once per client.
//!
//! Whoever may see some devices only gets the events of those.
//!
//! Not here: which events there are (`acs_core`, `store`), and how long they are kept (`store`).

mod feed;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use acs_core::value::format_date_time;
use bytes::Bytes;
use futures_util::stream;
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName, RETRY_AFTER};
use serde_json::json;
use store::{ScopedStore, Store, StoreError};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::target::Parameters;
use crate::answer::{Answer, Refusal};
pub use feed::EventFeed;
use feed::Line;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// A sign of life after so long without an event: proxies cut what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A stream ends after so long, and its client comes again with its cursor. Credentials that were withdrawn end with it.
const LONGEST_STREAM: Duration = Duration::from_secs(600);
/// When a client is to come again, in milliseconds.
const RETRY: u64 = 2_000;

/// Which events a client wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Filter {
    /// Kinds, or their beginnings: `task.` for `task.*`. All when empty.
    kinds: Vec<KindPattern>,
    /// The device, when it is only one.
    device: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum KindPattern {
    Exactly(String),
    BeginsWith(String),
}

/// What a client asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    /// The last event that it has; without, it wants those from now on.
    after: Option<i64>,
    filter: Filter,
    /// How long to wait for an event before the stream ends; without, for as long as it may.
    patience: Option<Duration>,
}

/// A stream under way.
struct Streaming {
    store: ScopedStore,
    feed: Arc<EventFeed>,
    news: watch::Receiver<i64>,
    filter: Filter,
    /// Everything up to here was sent or is not wanted.
    cursor: i64,
    /// What the client knows of that.
    told: i64,
    /// What is sent before anything else.
    opening: Option<String>,
    patience: Option<Duration>,
    /// When the last event was sent.
    quiet_since: Instant,
    ends_at: Instant,
    _place: OwnedSemaphorePermit,
}

/// GET `/events`
pub async fn open(
    store: &ScopedStore,
    feed: &Arc<EventFeed>,
    parameters: &Parameters,
    headers: &HeaderMap,
    is_head: bool,
) -> Result<Answer, Refusal> {
    let wanted = read_request(parameters, headers)?;
    if is_head {
        return Ok(Answer::stream("text/event-stream", stream::empty()));
    }
    let Some(place) = feed.enter() else {
        let answer =
            Answer::text(StatusCode::SERVICE_UNAVAILABLE, "503 Service Unavailable: too many event streams are open");
        return Ok(answer.header(RETRY_AFTER, "10"));
    };
    let news = store.unscoped().watch_events();
    let last = *news.borrow();
    let (cursor, gap) = match wanted.after {
        None => (last, None),
        Some(after) => begin_after(&**store.unscoped(), after, last).await?,
    };
    let mut opening = format!("retry: {RETRY}\n");
    if let Some(gap) = gap {
        opening.push_str(&gap);
    }
    opening.push_str(&format!("id: {cursor}\n\n"));
    let streaming = Streaming {
        store: store.clone(),
        feed: feed.clone(),
        news,
        filter: wanted.filter,
        cursor,
        told: cursor,
        opening: Some(opening),
        patience: wanted.patience,
        quiet_since: Instant::now(),
        ends_at: Instant::now() + LONGEST_STREAM,
        _place: place,
    };
    let pieces = stream::unfold(Some(streaming), |streaming| async move { streaming?.next_piece().await });
    Ok(Answer::stream("text/event-stream", pieces))
}

/// Where a client goes on that has an event, and what it must be told of those that it misses.
async fn begin_after(store: &dyn Store, after: i64, last: i64) -> Result<(i64, Option<String>), StoreError> {
    if after > last {
        let detail = json!({ "reason": "unknown", "after": after, "last": last });
        return Ok((last, Some(gap(&detail))));
    }
    let first = store.events_after(0, 1).await?.first().map(|first| first.cursor);
    let begin = first.map_or(last, |first| first - 1);
    // 0 asks for all that are kept: nothing is missing from those.
    if after == 0 {
        return Ok((begin, None));
    }
    if after < begin {
        let detail = json!({ "reason": "pruned", "after": after, "first": begin + 1 });
        return Ok((begin, Some(gap(&detail))));
    }
    Ok((after, None))
}

fn gap(detail: &serde_json::Value) -> String {
    format!("event: gap\ndata: {detail}\n")
}

fn read_request(parameters: &Parameters, headers: &HeaderMap) -> Result<Wanted, Refusal> {
    // A client that comes again says what it has in the header; its URL still has where it began.
    let after = match headers.get(LAST_EVENT_ID) {
        Some(value) if !value.is_empty() => Some(cursor("Last-Event-ID", &String::from_utf8_lossy(value.as_bytes()))?),
        _ if parameters.get("after").is_empty() => None,
        _ => Some(cursor("after", parameters.get("after"))?),
    };
    let names = parameters.get("kinds").split(',').map(str::trim).filter(|name| !name.is_empty());
    let kinds = names.map(KindPattern::parse).collect::<Result<_, _>>()?;
    let device = Some(parameters.get("device").to_owned()).filter(|device| !device.is_empty());
    let patience = parameters.number("wait").map_err(Refusal::BadRequest)?;
    let patience = patience.map(|seconds| Duration::from_secs(seconds).min(LONGEST_STREAM));
    Ok(Wanted { after, filter: Filter { kinds, device }, patience })
}

fn cursor(name: &str, text: &str) -> Result<i64, Refusal> {
    let number = text.trim().parse().ok().filter(|number| *number >= 0);
    number.ok_or_else(|| {
        Refusal::BadRequest(format!("Error: {name} must be the id of an event, a whole number, not {text:?}"))
    })
}

impl KindPattern {
    fn parse(name: &str) -> Result<KindPattern, Refusal> {
        match name.strip_suffix('*') {
            Some(beginning) if !beginning.contains('*') => Ok(KindPattern::BeginsWith(beginning.to_owned())),
            None if !name.contains('*') => Ok(KindPattern::Exactly(name.to_owned())),
            _ => Err(Refusal::BadRequest(format!("Error: kinds: {name:?} may have one *, at its end"))),
        }
    }

    fn fits(&self, kind: &str) -> bool {
        match self {
            KindPattern::Exactly(name) => name == kind,
            KindPattern::BeginsWith(beginning) => kind.starts_with(beginning.as_str()),
        }
    }
}

impl Filter {
    fn wants(&self, line: &Line) -> bool {
        let event = &line.event;
        (self.kinds.is_empty() || self.kinds.iter().any(|pattern| pattern.fits(&event.kind)))
            && self.device.as_ref().is_none_or(|device| *device == event.device)
    }
}

impl Line {
    /// The event as it is sent.
    fn text(&self) -> String {
        let Line { cursor, event } = self;
        let data = json!({
            "cursor": cursor,
            "kind": event.kind,
            "device": event.device,
            "at": format_date_time(event.at),
            "detail": event.detail,
        });
        format!("id: {cursor}\ndata: {data}\n\n")
    }
}

fn cut_off(error: StoreError) -> StoreError {
    tracing::error!(target: "nbi", %error, "a stream of events is cut off");
    error
}

impl Streaming {
    /// The next piece, and the rest; `None` when the stream is over.
    async fn next_piece(mut self) -> Option<(Result<Bytes, StoreError>, Option<Self>)> {
        if let Some(opening) = self.opening.take() {
            return Some((Ok(opening.into()), Some(self)));
        }
        loop {
            // What is told from here on wakes the wait below.
            self.news.borrow_and_update();
            let page = match self.feed.after(&**self.store.unscoped(), self.cursor).await {
                Ok(page) => page,
                Err(error) => return Some((Err(cut_off(error)), None)),
            };
            let Some(last) = page.last() else {
                if self.wait().await? {
                    continue;
                }
                return Some((Ok(self.sign_of_life().into()), Some(self)));
            };
            self.cursor = last.cursor;
            let wanted = match self.text_of(&page).await {
                Ok(text) => text,
                Err(error) => return Some((Err(cut_off(error)), None)),
            };
            if !wanted.is_empty() {
                (self.told, self.quiet_since) = (self.cursor, Instant::now());
                return Some((Ok(wanted.into()), Some(self)));
            }
            if Instant::now() >= self.ends_at || self.feed.is_closing() {
                return None;
            }
        }
    }

    /// The events of a page that the client wants and may see. Those of no device are for everybody.
    async fn text_of(&self, page: &[Arc<Line>]) -> Result<String, StoreError> {
        let mut text = String::new();
        let mut seen: HashMap<&str, bool> = HashMap::new();
        for line in page.iter().filter(|line| self.filter.wants(line)) {
            let device = line.event.device.as_str();
            let is_seen = match seen.get(device) {
                Some(known) => *known,
                None => device.is_empty() || self.store.sees_device(device).await?,
            };
            seen.insert(device, is_seen);
            if is_seen {
                text.push_str(&line.text());
            }
        }
        Ok(text)
    }

    /// Waits for events. Returns whether there may be some; `None` when the stream is to end.
    async fn wait(&mut self) -> Option<bool> {
        let patience = self.patience.map_or(self.ends_at, |patience| self.ends_at.min(self.quiet_since + patience));
        let news = tokio::select! {
            biased;
            () = self.feed.closed() => return None,
            changed = self.news.changed() => changed.is_ok(),
            () = tokio::time::sleep_until(patience.min(Instant::now() + KEEP_ALIVE)) => false,
        };
        // A store that is closed tells nothing more; and nobody is waited for forever.
        if !news && (Instant::now() >= patience || self.news.has_changed().is_err()) { None } else { Some(news) }
    }

    /// A comment; and how far the client has come, when what it did not want lies behind it.
    fn sign_of_life(&mut self) -> String {
        if self.told == self.cursor {
            return ":\n\n".to_owned();
        }
        self.told = self.cursor;
        format!(":\nid: {}\n\n", self.cursor)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
