//! Whatever goes wrong at whatever moment: the router becomes what is wanted, or is as it was.

#![allow(clippy::unwrap_used)]

mod kit;

use futures_util::StreamExt;
use kit::*;
use sim::routeros::RouterFault;
use sim::routeros::fault::{Counted, FaultAction};
use starstate::ledger::EntryState;
use starstate::orchestrator::ApplyError;

/// So many routers at once.
const TOGETHER: usize = 8;

/// Runs something for the first, second, … write, some at once.
async fn at_each(writes: u64, check: impl AsyncFn(u64)) {
    futures_util::stream::iter(1..=writes).for_each_concurrent(TOGETHER, |number| check(number)).await;
}

/// How many writes applying all of it takes, and the configuration then.
async fn writes() -> (u64, Vec<String>) {
    let router = start().await;
    let port = reach(&router);
    Attempt::new(&port, steps()).apply().await.unwrap();
    (router.counts().writes, configuration(&router))
}

#[tokio::test]
async fn a_refusal_at_any_write_is_named_and_taken_back() {
    let (writes, _) = writes().await;
    at_each(writes, async |number| {
        let router = start().await;
        let port = reach(&router);
        let before = configuration(&router);
        router.set_faults(vec![RouterFault::refuse_write(number)]);
        let attempt = Attempt::new(&port, steps());
        let error = attempt.apply().await.unwrap_err();
        let ApplyError::Step { step, message, .. } = &error else { panic!("{number}: {error}") };
        assert!(steps().iter().any(|known| known.id == *step), "{number}: {step}");
        assert!(message.contains("injected by the simulator"), "{number}: {message}");
        router.set_faults(Vec::new());
        let result = attempt.roll_back().await;
        assert_eq!((result.failed, result.removed), (0, result.total), "{number}: {:?}", result.errors);
        assert_same(&configuration(&router), &before, format!("{number}: {error}"));
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_at_any_write_does_no_harm() {
    let (writes, wanted) = writes().await;
    at_each(writes, async |number| {
        for action in [FaultAction::CutBefore, FaultAction::CutAfter] {
            let router = start().await;
            let port = reach(&router);
            let before = configuration(&router);
            router.set_faults(vec![RouterFault { counted: Counted::Writes, number, action: action.clone() }]);
            let attempt = Attempt::new(&port, steps());
            let applied = attempt.apply().await.unwrap_or_else(|error| panic!("{number} {action:?}: {error}"));
            assert_eq!(applied.warnings, [], "{number} {action:?}");
            assert_same(
                &without_ids(configuration(&router)),
                &without_ids(wanted.clone()),
                format!("{number} {action:?}"),
            );
            let open = attempt.ledger.entries().iter().filter(|entry| entry.state == EntryState::Sent).count();
            assert_eq!(open, 0, "{number} {action:?}");
            attempt.roll_back().await;
            assert_same(&configuration(&router), &before, format!("{number} {action:?}"));
        }
    })
    .await;
}

/// Certificates and keys are made anew each time.
fn without_ids(mut lines: Vec<String>) -> Vec<String> {
    lines.retain(|line| !line.starts_with("/certificate"));
    lines
}

#[tokio::test]
async fn after_a_crash_at_any_write_it_goes_on_or_back() {
    let (writes, wanted) = writes().await;
    at_each(writes, async |number| {
        for after in [false, true] {
            let router = start().await;
            let port = reach(&router);
            let before = configuration(&router);
            let crashing = Crashing::at(&port, number, after);
            let crashed = Attempt::new(&crashing, steps());
            tokio::select! {
                result = crashed.apply() => panic!("{number}: it did not crash: {result:?}"),
                () = crashing.stopped.notified() => {}
            }
            let next = |steps| Attempt { ledger: crashed_ledger(&crashed), ..Attempt::new(&port, steps) };
            if number % 2 == 0 {
                let resumed = next(steps());
                let applied = resumed.apply().await.unwrap_or_else(|error| panic!("{number} {after}: {error}"));
                assert_eq!(applied.warnings, [], "{number} {after}");
                assert_same(
                    &without_ids(configuration(&router)),
                    &without_ids(wanted.clone()),
                    format!("{number} {after}"),
                );
                assert!(resumed.plan().await.is_empty(), "{number} {after}");
                resumed.roll_back().await;
            } else {
                let result = next(Vec::new()).roll_back().await;
                assert_eq!(result.failed, 0, "{number} {after}: {:?}", result.errors);
            }
            assert_same(&configuration(&router), &before, format!("{number} {after}"));
        }
    })
    .await;
}

fn crashed_ledger(crashed: &Attempt<'_>) -> MemoryLedger {
    MemoryLedger::with(crashed.ledger.entries())
}

#[tokio::test]
async fn a_crash_while_taking_back_is_no_harm_either() {
    let (writes, _) = writes().await;
    at_each(writes, async |number| {
        let router = start().await;
        let port = reach(&router);
        let before = configuration(&router);
        let applied = Attempt::new(&port, steps());
        applied.apply().await.unwrap();
        let crashing = Crashing::at(&port, number, number % 2 == 0);
        let crashed = Attempt { ledger: crashed_ledger(&applied), ..Attempt::new(&crashing, Vec::new()) };
        tokio::select! {
            // Commands that were run are not taken back by commands of their own.
            _ = crashed.roll_back() => {}
            () = crashing.stopped.notified() => {}
        }
        let again = Attempt { ledger: crashed_ledger(&crashed), ..Attempt::new(&port, Vec::new()) };
        let result = again.roll_back().await;
        assert_eq!(result.failed, 0, "{number}: {:?}", result.errors);
        assert_same(&configuration(&router), &before, format!("{number}"));
    })
    .await;
}

#[tokio::test]
async fn a_restart_of_the_router_in_between_is_waited_for() {
    let router = start().await;
    let port = reach(&router);
    let applied = Attempt::new(&port, steps()).apply().await.unwrap();
    router.reboot();
    let later = Attempt { base: applied.holdings, ..Attempt::new(&port, steps()) };
    assert!(later.plan().await.is_empty());
}

#[tokio::test]
async fn cancelling_stops_before_the_next_write() {
    let router = start().await;
    let port = reach(&router);
    let before = configuration(&router);
    let attempt = Attempt::new(&port, steps());
    attempt.cancel.cancel();
    assert_eq!(attempt.apply().await, Err(ApplyError::Cancelled));
    assert_eq!(router.counts().writes, 0);
    assert_eq!(attempt.roll_back().await.total, 0);
    assert_same(&configuration(&router), &before, "");
}

#[tokio::test]
async fn a_ledger_that_cannot_be_kept_stops_everything() {
    use starstate::ledger::{Entry, LedgerSink, SinkError};
    struct Full;
    #[async_trait::async_trait]
    impl LedgerSink for Full {
        async fn record(&self, _: &[Entry]) -> Result<(), SinkError> {
            Err(SinkError("no space".into()))
        }
    }
    let router = start().await;
    let port = reach(&router);
    let attempt = Attempt::new(&port, steps());
    let error = attempt.apply_with(&Full).await.unwrap_err();
    assert_eq!(error.to_string(), "the ledger cannot be kept: no space");
    assert_eq!(router.counts().writes, 0);
}
