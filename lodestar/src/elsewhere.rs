//! Sessions on other nodes, for those who wait here until a device has been in session.
//!
//! The board is told of this node's sessions as they begin and end. Of the others only their leases are seen, so those of devices
//! that somebody waits for are looked at again and again. Each session has a greater token than the one before, so none is missed,
//! however short it was. Who begins to wait between a session's beginning and the look that finds it takes it for the next one, and
//! waits too short: its device's task is then answered as queued.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use store::{LeaseState, Store};
use tokio_util::sync::CancellationToken;
use ui_api::SessionBoard;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What is known of a device's sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    lease: LeaseState,
    /// Whether its session began after the device was first looked at.
    is_new: bool,
}

/// What the board is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Started,
    Ended,
}

/// Looks until it is told to stop.
pub async fn watch(store: Arc<dyn Store>, board: Arc<SessionBoard>, stop: CancellationToken) {
    let mut known: HashMap<String, Known> = HashMap::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            // Where the lease stands is known before the device is woken, which takes more than one look.
            () = board.joined() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let followed = board.followed();
        known.retain(|device, _| followed.contains(device));
        if followed.is_empty() {
            continue;
        }
        match store.lease_states(&followed).await {
            Ok(states) => {
                for (device, lease) in states {
                    let (next, news) = advance(known.get(&device), lease);
                    for one in news {
                        match one {
                            News::Started => board.session_started(&device),
                            News::Ended => board.session_ended(&device),
                        }
                    }
                    known.insert(device, next);
                }
            }
            Err(error) => tracing::warn!(%error, "sessions on other nodes are not seen"),
        }
    }
}

/// What has happened since a device was looked at last.
fn advance(before: Option<&Known>, lease: LeaseState) -> (Known, Vec<News>) {
    let Some(before) = before else { return (Known { lease, is_new: false }, Vec::new()) };
    // A session that goes on, on whatever node, keeps its owner.
    let goes_on = before.lease.owner.is_some() && before.lease.owner == lease.owner;
    let is_another = lease.token > before.lease.token && !goes_on;
    let mut news = Vec::new();
    if before.is_new && before.lease.owner.is_some() && !goes_on {
        news.push(News::Ended);
    }
    // One that has ended may have been given new tokens on its way; then there need not have been another one.
    let began = is_another && (before.lease.owner.is_none() || lease.owner.is_some());
    if began {
        news.push(News::Started);
        if lease.owner.is_none() {
            news.push(News::Ended);
        }
    }
    let is_new = began || (goes_on && before.is_new);
    (Known { lease, is_new }, news)
}

#[cfg(test)]
mod tests {
    use super::News::{Ended, Started};
    use super::*;

    #[test]
    fn sessions_are_told_once_each() {
        let steps: [(u64, Option<&str>, &[News]); 10] = [
            // What runs already is passed over, also when it goes on elsewhere.
            (5, Some("a"), &[]),
            (6, Some("a"), &[]),
            (7, None, &[]),
            (7, None, &[]),
            // Seen in its course, and on another node.
            (8, Some("b"), &[Started]),
            (9, Some("b"), &[]),
            (9, None, &[Ended]),
            // Over before it was seen.
            (10, None, &[Started, Ended]),
            // One after the other.
            (11, Some("c"), &[Started]),
            (12, Some("d"), &[Ended, Started]),
        ];
        let mut known = None;
        for (token, owner, expected) in steps {
            let lease = LeaseState { token, owner: owner.map(str::to_owned) };
            let (next, news) = advance(known.as_ref(), lease);
            assert_eq!(news, expected, "{token}");
            known = Some(next);
        }
    }
}
