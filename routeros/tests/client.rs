//! Commands side by side on one connection, and every way in which they can end.
#![allow(clippy::unwrap_used)]

mod kit;

use std::time::Duration;

use bytes::Bytes;
use kit::{connected, options, shown};
use routeros::trap::Category;
use routeros::{Client, Command, Error, ErrorClass, Query, Reply, RouterPort, Row};
use tokio::io::AsyncWriteExt;

fn print(menu: &str) -> Command {
    Command::print(menu)
}

fn ids(reply: &Reply) -> Vec<String> {
    reply.rows.iter().map(|row| row.id().unwrap().into_owned()).collect()
}

#[tokio::test]
async fn a_print_gives_its_rows() {
    let (client, mut peer) = connected(options()).await;
    let router = async {
        let words = ["/ip/address/print", "=.proplist=.id,address", "?=interface=ether1", ".tag=1"];
        peer.expect(&words).await;
        peer.say(&["!re", ".tag=1", "=.id=*1", "=address=192.0.2.1/24"]).await;
        // The tag may stand anywhere.
        peer.say(&["!re", "=.id=*2", "=address=198.51.100.1/24", ".tag=1"]).await;
        peer.say(&["!done", ".tag=1"]).await;
    };
    let command = print("/ip/address").properties([".id", "address"]).query(Query::equals("interface", "ether1"));
    let (reply, ()) = tokio::join!(client.run(command), router);
    let reply = reply.unwrap();
    assert_eq!(ids(&reply), ["*1", "*2"]);
    assert_eq!(reply.rows[1].text("address").unwrap(), "198.51.100.1/24");
    assert_eq!((reply.single(), reply.ret()), (None, None));
}

#[tokio::test]
async fn an_add_gives_the_new_id() {
    let (client, mut peer) = connected(options()).await;
    let router = async {
        peer.expect(&["/ip/pool/add", "=name=p1", "=ranges=192.0.2.10-192.0.2.20", ".tag=1"]).await;
        peer.say(&["!done", ".tag=1", "=ret=*1A"]).await;
        peer.expect(&["/ip/pool/set", "=.id=*1A", "=name=p2", ".tag=2"]).await;
        peer.say(&["!done", ".tag=2"]).await;
    };
    let commands = async {
        let add = Command::add("/ip/pool").argument("name", "p1").argument("ranges", "192.0.2.10-192.0.2.20");
        let id = RouterPort::add(&client, add).await.unwrap().unwrap();
        client.run(Command::set("/ip/pool").item(&id).argument("name", "p2")).await.unwrap()
    };
    let (set, ()) = tokio::join!(commands, router);
    assert_eq!(set, Reply::default());
}

#[tokio::test]
async fn concurrent_commands_may_be_answered_out_of_order_and_interleaved() {
    let (client, mut peer) = connected(options()).await;
    let router = async {
        peer.expect(&["/interface/print", ".tag=1"]).await;
        peer.expect(&["/ip/route/print", ".tag=2"]).await;
        peer.expect(&["/ip/dns/print", ".tag=3"]).await;
        peer.say(&["!re", ".tag=2", "=.id=*20"]).await;
        peer.say(&["!re", ".tag=1", "=.id=*10"]).await;
        peer.say(&["!re", ".tag=2", "=.id=*21"]).await;
        peer.say(&["!empty", ".tag=3"]).await;
        peer.say(&["!done", ".tag=3"]).await;
        peer.say(&["!done", ".tag=2"]).await;
        peer.say(&["!re", ".tag=1", "=.id=*11"]).await;
        peer.say(&["!done", ".tag=1"]).await;
    };
    let (a, b, c, ()) = tokio::join!(
        client.run(print("/interface")),
        client.run(print("/ip/route")),
        client.run(print("/ip/dns")),
        router
    );
    assert_eq!(ids(&a.unwrap()), ["*10", "*11"]);
    assert_eq!(ids(&b.unwrap()), ["*20", "*21"]);
    assert!(c.unwrap().rows.is_empty());
}

#[tokio::test]
async fn all_traps_up_to_done_are_collected() {
    let (client, mut peer) = connected(options()).await;
    let router = async {
        peer.next().await;
        peer.say(&["!trap", ".tag=1", "=category=0", "=message=no such command or directory (wifi)"]).await;
        peer.say(&["!trap", ".tag=1", "=message=no such command prefix"]).await;
        peer.say(&["!done", ".tag=1"]).await;
        // The connection goes on.
        peer.expect(&["/system/identity/print", ".tag=2"]).await;
        peer.say(&["!done", ".tag=2"]).await;
    };
    let commands = async {
        let error = client.run(print("/interface/wifi")).await.unwrap_err();
        client.run(print("/system/identity")).await.unwrap();
        error
    };
    let (error, ()) = tokio::join!(commands, router);
    assert_eq!(error.class(), ErrorClass::Unsupported);
    assert!(!error.is_state_unknown());
    let Error::Trap { traps, .. } = &error else { panic!("{error:?}") };
    assert_eq!(traps[0].category, Some(Category::MissingItemOrCommand));
    assert_eq!(traps.len(), 2);
    let text = "/interface/wifi/print: no such command or directory (wifi); no such command prefix";
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn fatal_ends_every_command_and_the_connection() {
    let (client, mut peer) = connected(options()).await;
    let router = async {
        peer.next().await;
        peer.next().await;
        peer.say(&["!fatal", "session terminated on request"]).await;
    };
    let (a, b, ()) = tokio::join!(client.run(print("/a")), client.run(Command::add("/b")), router);
    let expected = "the router closed the connection: session terminated on request";
    for result in [a, b] {
        assert!(result.as_ref().unwrap_err().is_state_unknown());
        assert_eq!(shown(result), expected);
    }
    assert!(!client.is_open());
    assert_eq!(client.closed().await.to_string(), expected);
    let error = client.run(print("/c")).await.unwrap_err();
    assert!(matches!(error, Error::NotConnected { .. }) && !error.is_state_unknown());
}

#[tokio::test]
async fn a_lost_connection_ends_every_command() {
    let cases: [(&[u8], &str); 4] = [
        (b"", "connection lost: the router closed it"),
        (b"\x03!re\x06", "connection lost: it broke off within an answer"),
        (b"\xFF", "not the RouterOS API: reserved control byte 0xFF where a word's length should be"),
        (b"\x05hello\x00", "not the RouterOS API: an answer begins with \"hello\", not with a reply word"),
    ];
    for (last, expected) in cases {
        let (client, mut peer) = connected(options()).await;
        let router = async move {
            peer.next().await;
            peer.next().await;
            peer.say(&["!re", ".tag=1", "=.id=*1"]).await;
            peer.stream.write_all(last).await.unwrap();
        };
        let (a, b, ()) = tokio::join!(client.run(print("/a")), client.run(Command::remove("/b", "*1")), router);
        for result in [a, b] {
            assert!(result.as_ref().unwrap_err().is_state_unknown());
            assert_eq!(shown(result), expected);
        }
        assert!(!client.is_open());
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_that_times_out_is_cancelled_and_what_comes_late_harms_nobody() {
    let (client, mut peer) = connected(options()).await;
    let router = async {
        peer.expect(&["/a/print", ".tag=1"]).await;
        peer.expect(&["/cancel", "=tag=1", ".tag=c1"]).await;
        peer.say(&["!re", ".tag=1", "=.id=*1"]).await;
        peer.say(&["!trap", ".tag=1", "=category=2", "=message=interrupted"]).await;
        peer.say(&["!done", ".tag=c1"]).await;
        peer.say(&["!done", ".tag=1"]).await;
        peer.expect(&["/b/print", ".tag=2"]).await;
        peer.say(&["!re", ".tag=2", "=.id=*2"]).await;
        peer.say(&["!done", ".tag=2"]).await;
    };
    let commands = async {
        let error = client.run(print("/a").timeout(Duration::from_secs(2))).await.unwrap_err();
        (error, client.run(print("/b")).await.unwrap())
    };
    let ((error, reply), ()) = tokio::join!(commands, router);
    assert_eq!(error.to_string(), "/a/print: no answer within 2000 ms");
    assert!(error.is_state_unknown() && error.class() == ErrorClass::Transient);
    assert_eq!(ids(&reply), ["*2"]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(client.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_router_that_says_nothing_after_a_timeout_is_dead() {
    let (client, _peer) = connected(options()).await;
    let error = client.run(print("/a")).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { sent: true, .. }));
    assert!(client.is_open());
    assert_eq!(client.closed().await.to_string(), "connection lost: the router does not answer any more");
}

#[tokio::test(start_paused = true)]
async fn a_router_that_takes_nothing_is_given_up() {
    let (client, _peer) = connected(options()).await;
    let large = Command::add("/file").argument("contents", vec![b'x'; 1_000_000]).timeout(Duration::from_secs(3600));
    assert_eq!(shown(client.run(large).await), "connection lost: the router does not take what is sent");
}

#[tokio::test]
async fn a_command_whose_caller_goes_away_is_cancelled() {
    let (client, mut peer) = connected(options()).await;
    let running = tokio::spawn({
        let client = client.clone();
        async move { client.run(print("/a")).await }
    });
    peer.expect(&["/a/print", ".tag=1"]).await;
    running.abort();
    peer.expect(&["/cancel", "=tag=1", ".tag=c1"]).await;
    assert!(client.is_open());
}

#[tokio::test(start_paused = true)]
async fn commands_above_the_limit_wait_for_a_place() {
    let mut options = options();
    options.max_in_flight = 1;
    let (client, mut peer) = connected(options).await;
    let router = async {
        peer.expect(&["/a/print", ".tag=1"]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        peer.say(&["!done", ".tag=1"]).await;
        peer.expect(&["/b/print", ".tag=2"]).await;
        peer.say(&["!done", ".tag=2"]).await;
    };
    let short = print("/c").timeout(Duration::from_millis(500));
    let (a, b, c, ()) = tokio::join!(client.run(print("/a")), client.run(print("/b")), client.run(short), router);
    assert!(a.is_ok() && b.is_ok());
    let error = c.unwrap_err();
    assert!(matches!(error, Error::Timeout { sent: false, .. }) && !error.is_state_unknown());
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_stopped() {
    let mut options = options();
    options.max_reply = 10_000;
    let (client, mut peer) = connected(options).await;
    let value = format!("=comment={}", "x".repeat(1000));
    let router = async {
        peer.expect(&["/log/print", ".tag=1"]).await;
        for _ in 0..20 {
            peer.say(&["!re", ".tag=1", &value]).await;
        }
        peer.expect(&["/cancel", "=tag=1", ".tag=c1"]).await;
        // Rows without properties weigh something too.
        peer.expect(&["/log/print", ".tag=2"]).await;
        for _ in 0..2000 {
            peer.say(&["!re", ".tag=2"]).await;
        }
        peer.expect(&["/cancel", "=tag=2", ".tag=c2"]).await;
    };
    let commands = async {
        for _ in 0..2 {
            let error = client.run(print("/log")).await;
            assert_eq!(shown(error), "/log/print: an answer of more than 10000 bytes");
        }
    };
    tokio::join!(commands, router);
    assert!(client.is_open());
}

#[tokio::test]
async fn values_are_bytes_in_both_directions() {
    let (client, mut peer) = connected(options()).await;
    let comment = Bytes::from_static(b"B\xFCro = \x00\n");
    let router = async {
        peer.next().await;
        let word = Bytes::from([b"=comment=", comment.as_ref()].concat());
        peer.say_bytes([Bytes::from_static(b"!re"), Bytes::from_static(b".tag=1"), word]).await;
        peer.say(&["!done", ".tag=1"]).await;
    };
    let (reply, ()) = tokio::join!(client.run(print("/a")), router);
    let found = reply.unwrap().rows[0].bytes("comment").unwrap().clone();
    assert_eq!(found, comment);
    let write_back = Command::set("/a").argument("comment", found).words().unwrap();
    assert_eq!(write_back[1], b"=comment=B\xFCro = \x00\n");
}

#[tokio::test]
async fn a_command_that_cannot_be_sent_is_not() {
    let (client, mut peer) = connected(options()).await;
    let error = client.run(print("/ip address")).await.unwrap_err();
    assert!(matches!(error, Error::Command(_)) && !error.is_state_unknown());
    let router = async {
        peer.expect(&["/ip/address/print", ".tag=1"]).await;
        peer.say(&["!done", ".tag=1"]).await;
    };
    let (reply, ()) = tokio::join!(client.run(print("/ip/address")), router);
    reply.unwrap();
}

#[tokio::test]
async fn a_listener_gives_changes_until_it_is_cancelled() {
    let (client, mut peer) = connected(options()).await;
    let mut listener = client.listen(&Command::listen("/ip/address")).unwrap();
    peer.expect(&["/ip/address/listen", ".tag=1"]).await;
    peer.say(&["!re", ".tag=1", "=.id=*1", "=address=192.0.2.1/24"]).await;
    peer.say(&["!re", ".tag=1", "=.id=*1", "=.dead=true"]).await;
    let added: Row = listener.next().await.unwrap().unwrap();
    let removed = listener.next().await.unwrap().unwrap();
    assert_eq!((added.is_dead(), removed.is_dead()), (false, true));
    let router = async {
        peer.expect(&["/cancel", "=tag=1", ".tag=c1"]).await;
        peer.say(&["!trap", ".tag=1", "=category=2", "=message=interrupted"]).await;
        peer.say(&["!done", ".tag=c1"]).await;
        peer.say(&["!empty", ".tag=1"]).await;
        peer.say(&["!done", ".tag=1"]).await;
    };
    let (cancelled, ()) = tokio::join!(listener.cancel(), router);
    assert_eq!(cancelled, Ok(()));
}

#[tokio::test]
async fn a_listener_that_is_dropped_is_cancelled_and_keeps_no_connection_alive() {
    let (client, mut peer) = connected(options()).await;
    let listener = client.listen(&Command::listen("/ip/address")).unwrap();
    peer.expect(&["/ip/address/listen", ".tag=1"]).await;
    drop(client);
    drop(listener);
    // The cancel may or may not come before the end.
    while let Some(words) = peer.next().await {
        assert_eq!(words, ["/cancel", "=tag=1", ".tag=c1"]);
    }
}

#[tokio::test]
async fn a_listener_tells_how_its_command_ended() {
    let (client, mut peer) = connected(options()).await;
    let mut ping = client.listen(&Command::new("", "ping").argument("count", "1")).unwrap();
    let mut refused = client.listen(&Command::listen("/file")).unwrap();
    peer.expect(&["/ping", "=count=1", ".tag=1"]).await;
    peer.expect(&["/file/listen", ".tag=2"]).await;
    peer.say(&["!re", ".tag=1", "=seq=0"]).await;
    peer.say(&["!done", ".tag=1"]).await;
    peer.say(&["!trap", ".tag=2", "=message=no such command"]).await;
    peer.say(&["!done", ".tag=2"]).await;
    assert_eq!(ping.next().await.unwrap().unwrap().text("seq").unwrap(), "0");
    for _ in 0..2 {
        assert_eq!(ping.next().await, Ok(None));
        assert_eq!(refused.next().await.unwrap_err().class(), ErrorClass::Unsupported);
    }
    assert_eq!(ping.cancel().await, Ok(()));
}

#[tokio::test]
async fn a_listener_that_does_not_take_its_rows_does_not_hold_up_the_others() {
    let (client, mut peer) = connected(options()).await;
    let mut lazy = client.listen(&Command::listen("/log")).unwrap();
    let router = async {
        peer.expect(&["/log/listen", ".tag=1"]).await;
        for _ in 0..1100 {
            peer.say(&["!re", ".tag=1", "=.id=*1"]).await;
        }
        peer.expect(&["/a/print", ".tag=2"]).await;
        peer.say(&["!done", ".tag=2"]).await;
        peer.expect(&["/cancel", "=tag=1", ".tag=c1"]).await;
    };
    let (reply, ()) = tokio::join!(client.run(print("/a")), router);
    reply.unwrap();
    let mut rows = 0;
    let error = loop {
        match lazy.next().await {
            Ok(_) => rows += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((rows, error), (1024, Error::Lagged { command: "/log/listen".into() }));
}

#[tokio::test]
async fn close_says_goodbye() {
    let (client, mut peer) = connected(options()).await;
    let router = async {
        peer.expect(&["/quit"]).await;
        peer.say(&["!fatal", "session terminated on request"]).await;
        assert_eq!(peer.next().await, None);
    };
    tokio::join!(client.close(), router);
    assert!(!client.is_open());
}

#[tokio::test]
async fn the_last_client_ends_the_connection() {
    let (client, mut peer) = connected(options()).await;
    let other = client.clone();
    drop(client);
    assert!(other.is_open());
    drop(other);
    assert_eq!(peer.next().await, None);
}

#[tokio::test]
async fn it_works_over_tcp() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut near, far) = tokio::io::duplex(4096);
        let relay = tokio::spawn(async move { tokio::io::copy_bidirectional(&mut stream, &mut near).await });
        let (_, mut peer) = kit::pipe();
        peer.stream = far;
        peer.accept_login().await;
        peer.expect(&["/system/identity/print", ".tag=1"]).await;
        peer.say(&["!re", ".tag=1", "=name=edge"]).await;
        peer.say(&["!done", ".tag=1"]).await;
        assert_eq!(peer.next().await, None);
        drop(peer);
        let _ = relay.await;
    });
    let client = Client::connect(address, &options()).await.unwrap();
    let reply = client.run(print("/system/identity")).await.unwrap();
    assert_eq!(reply.single().unwrap().text("name").unwrap(), "edge");
    drop(client);
    router.await.unwrap();
}
