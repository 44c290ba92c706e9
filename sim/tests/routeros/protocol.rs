//! Login, tags, cancel, listen, queries, safe mode.

use std::time::Duration;

use routeros::{Client, ClientOptions, Command, ErrorClass, Query, RouterPort};
use sim::{RouterOptions, Simulator, SimulatorOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::kit::{PASSWORD, USER, add, column, command, connect, fresh, refusal, router, rows, run, start};

#[tokio::test]
async fn a_wrong_password_does_not_let_in() {
    let (simulator, _client) = fresh().await;
    let options = ClientOptions::new(USER, "wrong".into());
    let error = Client::connect(simulator.address(), &options).await.unwrap_err();
    assert_eq!(error.to_string(), "login as \"admin\" failed: invalid user name or password (6)");
}

/// Bytes as they are on the wire, both ways.
async fn exchange(simulator: &Simulator, sent: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    stream.write_all(sent).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn commands_before_login_end_the_connection() {
    let (simulator, _client) = fresh().await;
    let answer = exchange(&simulator, b"\x16/system/identity/print\0").await;
    assert_eq!(answer, b"\x06!fatal\x0Dnot logged in\0");
    let guesses = b"\x06/login\x0B=name=admin\x0B=password=x\0".repeat(5);
    let answer = exchange(&simulator, &guesses).await;
    assert!(answer.ends_with(b"\x06!fatal\x1Etoo many commands before login\0"));
    // Bytes that begin no length.
    assert_eq!(exchange(&simulator, &[0xFF]).await, b"");
}

#[tokio::test]
async fn the_tag_comes_right_after_the_reply_word() {
    let (simulator, _client) = fresh().await;
    let login = b"\x06/login\x0B=name=admin\x15=password=open sesame\0";
    let answer =
        exchange(&simulator, &[login, &b"\x16/system/identity/print\x06.tag=7\0\x05/quit\0"[..]].concat()).await;
    let expected = b"\x05!done\0\x03!re\x06.tag=7\x0E=name=MikroTik\0\x05!done\x06.tag=7\0\x06!fatal\x1Dsession terminated on request\0";
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn commands_are_in_flight_together() {
    let (simulator, client) = fresh().await;
    simulator.set_latency(Duration::from_millis(20));
    let print = |menu: &str| client.run(Command::print(menu));
    let (first, second, third) = tokio::join!(print("/interface"), print("/ip/service"), print("/user"));
    let counts = [first, second, third].map(|reply| reply.unwrap().rows.len());
    assert_eq!(counts, [12, 8, 1]);
}

#[tokio::test]
async fn prints_are_queried_and_trimmed() {
    let (_simulator, client) = fresh().await;
    let print = Command::print("/interface")
        .properties(["name"])
        .query(Query::equals("type", "ether").and(Query::equals("name", "ether2")));
    let found = client.rows(print).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].iter().map(|(name, _)| name).collect::<Vec<_>>(), ["name"]);
    let either = Query::equals("name", "ether1").or(Query::equals("name", "ether3"));
    assert_eq!(
        column(&client.rows(Command::print("/interface").query(either)).await.unwrap(), "name"),
        ["ether1", "ether3"]
    );
    let count = client.run(Command::print("/interface/ethernet").argument("count-only", "")).await.unwrap();
    assert_eq!(count.ret().as_deref(), Some("9"));
    let name = client.run(command("/interface/get number=ether1 value-name=type")).await.unwrap();
    assert_eq!(name.ret().as_deref(), Some("ether"));
}

#[tokio::test]
async fn a_listener_hears_of_every_change_until_it_is_cancelled() {
    let (_simulator, client) = fresh().await;
    let mut listener = client.listen(&Command::listen("/ip/firewall/address-list")).unwrap();
    // The listen is carried out before what is sent after it.
    let id = add(&client, "/ip/firewall/address-list/add list=a address=192.0.2.1").await;
    let row = listener.next().await.unwrap().unwrap();
    assert_eq!((row.id().unwrap().into_owned(), row.is_dead()), (id.clone(), false));
    run(&client, &format!("/ip/firewall/address-list/set .id={id} comment=x")).await;
    assert_eq!(listener.next().await.unwrap().unwrap().text("comment").as_deref(), Some("x"));
    run(&client, &format!("/ip/firewall/address-list/remove .id={id}")).await;
    assert!(listener.next().await.unwrap().unwrap().is_dead());
    listener.cancel().await.unwrap();
}

#[tokio::test]
async fn older_releases_do_not_say_that_there_is_nothing() {
    for (release, said) in [("7.17", false), ("7.18", true)] {
        let options = RouterOptions { release: release.parse().unwrap(), ..router() };
        let (simulator, _client) = start(options).await;
        let login = b"\x06/login\x0B=name=admin\x15=password=open sesame\0";
        let answer = exchange(&simulator, &[login, &b"\x11/ip/address/print\0\x05/quit\0"[..]].concat()).await;
        assert_eq!(answer.windows(6).any(|bytes| bytes == b"!empty"), said, "{release}");
    }
}

#[tokio::test]
async fn safe_mode_is_undone_by_a_cut_and_kept_by_release() {
    let (simulator, client) = fresh().await;
    let before = simulator.configuration();
    run(&client, "/safe-mode/take").await;
    add(&client, "/ip/pool/add name=p1 ranges=192.0.2.10-192.0.2.20").await;
    let other = connect(&simulator).await;
    assert!(refusal(&other, "/safe-mode/take").await.contains("another session"));
    simulator.cut();
    client.closed().await;
    let other = connect(&simulator).await;
    // The end of the first session is noticed by its own task.
    while simulator.configuration() != before {
        tokio::task::yield_now().await;
    }
    run(&other, "/safe-mode/take").await;
    add(&other, "/ip/pool/add name=p2 ranges=192.0.2.10-192.0.2.20").await;
    run(&other, "/safe-mode/unroll").await;
    assert_eq!(simulator.configuration(), before);
    run(&other, "/safe-mode/take").await;
    add(&other, "/ip/pool/add name=p3 ranges=192.0.2.10-192.0.2.20").await;
    run(&other, "/safe-mode/release").await;
    simulator.cut();
    other.closed().await;
    let last = connect(&simulator).await;
    assert_eq!(column(&rows(&last, "/ip/pool").await, "name"), ["p3"]);
}

#[tokio::test]
async fn the_hundred_and_first_change_leaves_safe_mode() {
    let (_simulator, client) = fresh().await;
    run(&client, "/safe-mode/take").await;
    for number in 0..101 {
        add(&client, &format!("/ip/firewall/address-list/add list=a address=192.0.2.{number}")).await;
    }
    run(&client, "/safe-mode/unroll").await;
    assert_eq!(rows(&client, "/ip/firewall/address-list").await.len(), 101);
}

#[tokio::test]
async fn a_reboot_ends_connections_and_keeps_the_configuration() {
    let options = RouterOptions { reboot_time: Duration::from_millis(20), ..router() };
    let (simulator, client) = start(options).await;
    add(&client, "/ip/pool/add name=p1 ranges=192.0.2.10-192.0.2.20").await;
    let error = client.run(command("/system/reboot")).await.err();
    assert!(error.is_none_or(|error| error.class() == ErrorClass::Transient));
    client.closed().await;
    let connector = routeros::TcpConnector::new(simulator.address().ip().to_string(), simulator.address().port());
    let again = loop {
        let router = routeros::Router::new(connector.clone(), ClientOptions::new(USER, PASSWORD.into()));
        match router.client().await {
            Ok(client) => break client,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(column(&rows(&again, "/ip/pool").await, "name"), ["p1"]);
}

#[tokio::test]
async fn its_state_outlives_it() {
    let folder = tempfile::tempdir().unwrap();
    let options = || RouterOptions { state: Some(folder.path().join("router.json")), ..router() };
    let (simulator, client) = start(options()).await;
    add(&client, "/interface/bridge/add name=b1").await;
    client
        .run(
            Command::add("/ip/pool")
                .argument("name", "p")
                .argument("ranges", "192.0.2.0/24")
                .argument("comment", vec![0xFF, 0x00]),
        )
        .await
        .unwrap();
    add(&client, "/ip/address/add address=192.0.2.1/24 interface=b1").await;
    simulator.stop().await;
    let (again, client) = start(options()).await;
    assert_eq!(column(&rows(&client, "/ip/address").await, "interface"), ["b1"]);
    assert_eq!(rows(&client, "/ip/pool").await[0].bytes("comment").unwrap().as_ref(), [0xFF, 0x00]);
    drop(again);
}

#[tokio::test]
async fn a_service_that_is_moved_or_switched_off_ends_the_connection_that_did_it() {
    let (simulator, client) = fresh().await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    run(&client, &format!("/ip/service/set .id=api port={free}")).await;
    let options = ClientOptions::new(USER, PASSWORD.into());
    let moved = loop {
        match Client::connect(format!("127.0.0.1:{free}"), &options).await {
            Ok(client) => break client,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert!(Client::connect(simulator.address(), &options).await.is_err());
    let _ = moved.run(command("/ip/service/set .id=api address=192.0.2.0/24")).await;
    moved.closed().await;
}

#[tokio::test]
async fn users_may_do_what_their_groups_may() {
    let (simulator, client) = fresh().await;
    add(&client, "/user/add name=reader group=read password=secret-of-reader").await;
    let reader =
        Client::connect(simulator.address(), &ClientOptions::new("reader", "secret-of-reader".into())).await.unwrap();
    assert_eq!(refusal(&reader, "/ip/pool/add name=p ranges=192.0.2.0/24").await, "not enough permissions (9)");
    assert_eq!(refusal(&reader, "/user/add name=x group=full").await, "not enough permissions (9)");
    assert!(rows(&reader, "/user").await.iter().all(|row| row.text("password").is_none()));
    assert_eq!(refusal(&client, "/user/group/remove .id=read").await, "failure: can not remove default item");
    add(&client, "/user/group/add name=g policy=api,read").await;
    add(&client, "/user/add name=u group=g").await;
    assert_eq!(refusal(&client, "/user/group/remove .id=g").await, "failure: group has some users");
    // Without the policy `sensitive` there are no secrets.
    add(&client, "/ppp/secret/add name=s password=hidden").await;
    let plain = Client::connect(simulator.address(), &ClientOptions::new("u", "".into())).await.unwrap();
    assert!(rows(&plain, "/ppp/secret").await[0].text("password").is_none());
    assert_eq!(rows(&client, "/ppp/secret").await[0].text("password").as_deref(), Some("hidden"));
    drop(simulator);
}

#[tokio::test]
async fn it_starts_only_where_it_can_listen() {
    let (simulator, _client) = fresh().await;
    let options = SimulatorOptions { listen: simulator.address(), ..SimulatorOptions::new(router()) };
    assert!(Simulator::start(options).await.is_err());
}
