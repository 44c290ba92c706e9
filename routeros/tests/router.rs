//! Connecting when needed, and again.
#![allow(clippy::unwrap_used)]

mod kit;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kit::{Peer, options, pipe, shown};
use parking_lot::Mutex;
use routeros::{Command, Connector, Error, ErrorClass, Router, RouterPort, Transport};

/// Gives prepared streams, then refuses.
#[derive(Clone, Default)]
struct Streams(Arc<Mutex<(VecDeque<tokio::io::DuplexStream>, u32)>>);

impl Streams {
    fn prepare(&self) -> Peer {
        let (near, peer) = pipe();
        self.0.lock().0.push_back(near);
        peer
    }

    fn attempts(&self) -> u32 {
        self.0.lock().1
    }
}

#[async_trait]
impl Connector for Streams {
    async fn connect(&self) -> io::Result<Box<dyn Transport>> {
        let mut streams = self.0.lock();
        streams.1 += 1;
        match streams.0.pop_front() {
            Some(stream) => Ok(Box::new(stream)),
            None => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
        }
    }

    fn address(&self) -> String {
        "router.example:8728".to_owned()
    }
}

fn router() -> (Router, Streams) {
    let streams = Streams::default();
    (Router::new(streams.clone(), options()), streams)
}

fn print() -> Command {
    Command::print("/interface")
}

async fn answer_print(peer: &mut Peer, tag: &str, id: &str) {
    peer.expect(&["/interface/print", &format!(".tag={tag}")]).await;
    peer.say(&["!re", &format!(".tag={tag}"), &format!("=.id={id}")]).await;
    peer.say(&["!done", &format!(".tag={tag}")]).await;
}

#[tokio::test]
async fn the_first_command_connects_and_the_next_ones_use_that_connection() {
    let (router, streams) = router();
    let mut peer = streams.prepare();
    assert_eq!(streams.attempts(), 0);
    let serve = async {
        peer.accept_login().await;
        answer_print(&mut peer, "1", "*1").await;
        answer_print(&mut peer, "2", "*2").await;
    };
    let ask = async { (router.rows(print()).await.unwrap(), router.rows(print()).await.unwrap()) };
    let ((first, second), ()) = tokio::join!(ask, serve);
    assert_eq!((first[0].id().unwrap(), second[0].id().unwrap()), ("*1".into(), "*2".into()));
    assert_eq!(streams.attempts(), 1);
}

#[tokio::test]
async fn commands_at_the_same_time_make_one_connection() {
    let (router, streams) = router();
    let mut peer = streams.prepare();
    let serve = async {
        peer.accept_login().await;
        answer_print(&mut peer, "1", "*1").await;
        answer_print(&mut peer, "2", "*2").await;
    };
    let (a, b, ()) = tokio::join!(router.run(print()), router.run(print()), serve);
    assert!(a.is_ok() && b.is_ok());
    assert_eq!(streams.attempts(), 1);
}

#[tokio::test]
async fn a_print_under_way_when_the_connection_is_lost_is_sent_again() {
    let (router, streams) = router();
    let (mut first, mut second) = (streams.prepare(), streams.prepare());
    let serve = async {
        first.accept_login().await;
        first.next().await;
        drop(first);
        second.accept_login().await;
        answer_print(&mut second, "1", "*7").await;
    };
    let (rows, ()) = tokio::join!(router.rows(print()), serve);
    assert_eq!(rows.unwrap()[0].id().unwrap(), "*7");
}

#[tokio::test]
async fn a_write_under_way_when_the_connection_is_lost_is_not_sent_again() {
    let (router, streams) = router();
    let (mut first, mut second) = (streams.prepare(), streams.prepare());
    let serve = async {
        first.accept_login().await;
        first.expect(&["/ip/pool/add", "=name=p1", ".tag=1"]).await;
        drop(first);
    };
    let (result, ()) = tokio::join!(router.run(Command::add("/ip/pool").argument("name", "p1")), serve);
    let error = result.unwrap_err();
    assert!(error.is_state_unknown() && error.class() == ErrorClass::Transient, "{error:?}");
    // The next command connects again.
    let serve = async {
        second.accept_login().await;
        answer_print(&mut second, "1", "*1").await;
    };
    let (result, ()) = tokio::join!(router.run(print()), serve);
    result.unwrap();
    assert_eq!(streams.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn attempts_that_fail_come_less_and_less_often() {
    let (router, streams) = router();
    assert!(shown(router.run(print()).await).starts_with("cannot connect to router.example:8728: "));
    let between = router.run(print()).await.unwrap_err();
    assert!(matches!(between, Error::NotConnected { .. }) && between.to_string().ends_with("next attempt in 1.0 s"));
    assert_eq!(streams.attempts(), 1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(matches!(router.run(print()).await, Err(Error::Connect { .. })));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(matches!(router.run(print()).await, Err(Error::NotConnected { .. })));
    assert_eq!(streams.attempts(), 2);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut peer = streams.prepare();
    let serve = async {
        peer.accept_login().await;
        answer_print(&mut peer, "1", "*1").await;
    };
    let (result, ()) = tokio::join!(router.run(print()), serve);
    result.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_not_tried_again_at_once() {
    let (router, streams) = router();
    let mut peer = streams.prepare();
    let _next = streams.prepare();
    let serve = async {
        peer.next().await;
        peer.say(&["!trap", "=message=invalid user name or password (6)"]).await;
        peer.say(&["!done"]).await;
    };
    let (result, ()) = tokio::join!(router.run(print()), serve);
    assert_eq!(shown(result), "login as \"admin\" failed: invalid user name or password (6)");
    assert!(matches!(router.run(print()).await, Err(Error::NotConnected { .. })));
    assert_eq!(streams.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn connecting_has_a_timeout() {
    let (router, streams) = router();
    let _silent = streams.prepare();
    let error = router.run(print()).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. } | Error::Connect { .. }), "{error:?}");
}

#[tokio::test]
async fn disconnect_says_goodbye_and_the_next_command_connects_again() {
    let (router, streams) = router();
    let (mut first, mut second) = (streams.prepare(), streams.prepare());
    let serve = async {
        first.accept_login().await;
        answer_print(&mut first, "1", "*1").await;
        first.expect(&["/quit"]).await;
        first.say(&["!fatal", "session terminated on request"]).await;
        second.accept_login().await;
        answer_print(&mut second, "1", "*2").await;
    };
    let ask = async {
        router.run(print()).await.unwrap();
        router.disconnect().await;
        router.rows(print()).await.unwrap()
    };
    let (rows, ()) = tokio::join!(ask, serve);
    assert_eq!(rows[0].id().unwrap(), "*2");
}
