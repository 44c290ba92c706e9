//! What is refused, and what becomes of the session.

use super::kit::*;

#[tokio::test]
async fn without_a_session_only_an_inform_is_taken() {
    let server = Server::start(Scripts::none()).await;
    let messages = [
        envelope("1", "<cwmp:RebootResponse/>"),
        envelope("1", "<cwmp:GetRPCMethods/>"),
        envelope("1", "<cwmp:X_Vendor/>"),
        transfer_complete(),
        fault("1", "9000"),
    ];
    for message in messages {
        let mut device = server.device("1").await;
        let answer = device.post(&message).await;
        assert_eq!((answer.status, answer.text(), answer.closes()), (400, "Invalid session", true), "{message}");
        assert!(answer.cookie().is_none());
        assert!(device.closed().await.is_empty());
    }
}

#[tokio::test]
async fn an_answer_before_the_first_request_is_a_bad_state() {
    for message in [envelope("1", "<cwmp:RebootResponse/>"), fault("1", "9000"), envelope("1", "<cwmp:XResponse/>")] {
        let mut server = Server::start(Scripts::none()).await;
        let mut device = server.device("1").await;
        device.inform().await;
        let answer = device.post(&message).await;
        assert_eq!((answer.status, answer.text(), answer.closes()), (400, "Bad session state", true), "{message}");
        assert!(matches!(server.seen().await, Seen::Started(_)));
        assert!(matches!(server.seen().await, Seen::Ended(_, end) if !end.completed));
        assert!(server.stored(&device).await.device.is_some(), "what was learnt is kept");
    }
}

#[tokio::test]
async fn malformed_messages_are_refused_with_the_reason_and_end_the_session() {
    let malformed = [
        "<a",
        "hello",
        "<html/>",
        "<a>&b;</a>",
        "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>",
        "<e:Envelope xmlns:e=\"e\"><e:Body></e:Body></e:Envelope>",
        "<e:Envelope xmlns:e=\"e\"><e:Body>A&B <x></e:Body></e:Envelope>",
        "\u{0}\u{1}",
    ];
    for message in malformed {
        // Outside of a session.
        let server = Server::start(Scripts::none().with("reboot", reboot)).await;
        let mut device = server.device("1").await;
        let answer = device.post(message).await;
        assert_eq!((answer.status, answer.closes()), (400, true), "{message:?}");
        assert!(!answer.body.is_empty());
        // Within one.
        device.reconnect().await;
        assert_eq!(device.begin().await.rpc(), "Reboot");
        let answer = device.post(message).await;
        assert_eq!((answer.status, answer.closes()), (400, true), "{message:?}");
        assert!(device.closed().await.is_empty());
        assert_eq!(server.faults(&device).await, [("reboot".to_owned(), "session_terminated".to_owned())]);
        device.reconnect().await;
        assert_eq!(device.begin().await.status, 204, "it may begin again, and is not asked the same at once");
    }
}

#[tokio::test]
async fn a_body_cut_short_by_a_wrong_length_costs_its_session_only() {
    let server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    let body = inform("1");
    let request = format!("POST / HTTP/1.1\r\nHost: acs\r\nContent-Length: {}\r\n\r\n{body}", body.len() - 2);
    let answer = device.send(request.as_bytes()).await;
    assert_eq!((answer.status, answer.closes()), (400, true));
    assert_eq!(server.device("1").await.begin().await.status, 204);
}

#[tokio::test]
async fn a_prefix_that_is_not_declared_is_forgiven_in_an_answer() {
    let server = Server::start(Scripts::none().with("a", reboot).with("b", factory_reset)).await;
    let mut device = server.device("1").await;
    let request = device.begin().await;
    let undeclared = fault(request.cwmp_id(), "9002").replace("soap-env:Fault", "soap:Fault");
    let next = device.post(&undeclared).await;
    assert_eq!(next.rpc(), "FactoryReset");
    device.respond(&next).await;
    assert_eq!(server.faults(&device).await, [("a".to_owned(), "cwmp.9002".to_owned())]);
    // Nobody depends on it elsewhere.
    assert_eq!(device.post(&inform("1").replace("cwmp:Inform", "nobody:Inform")).await.status, 400);
}

#[tokio::test]
async fn an_unknown_compression_is_415_and_a_damaged_one_400() {
    let server = Server::start(Scripts::none().with("reboot", reboot)).await;
    for (coding, status) in [("br", 415), ("compress", 415), ("gzip", 400), ("deflate", 400)] {
        let mut device = server.device("1").await;
        let header = format!("Content-Encoding: {coding}\r\n");
        let answer = device.post_with(&header, inform("1").as_bytes()).await;
        assert_eq!((answer.status, answer.closes()), (status, true), "{coding}");
        device.reconnect().await;
        device.inform().await;
        assert_eq!(device.post_with(&header, b"xxxx").await.status, status, "{coding}");
        assert!(!server.endpoint.is_in_session(&device.id()), "{coding}");
    }
}

#[tokio::test]
async fn a_session_that_cannot_be_written_does_not_end_well() {
    let mut server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    device.inform().await;
    let database = rusqlite::Connection::open(server.directory.path().join("store.db")).unwrap();
    database.execute_batch("ALTER TABLE device RENAME TO elsewhere").unwrap();
    let answer = device.post("").await;
    assert_eq!((answer.status, answer.closes()), (503, true));
    assert!(answer.header("Retry-After").is_some());
    assert!(matches!(server.seen().await, Seen::Started(_)));
    assert!(matches!(server.seen().await, Seen::Ended(_, end) if !end.completed));
    // Without a store no session begins.
    device.reconnect().await;
    assert_eq!(device.inform().await.status, 503);
    assert!(!server.endpoint.is_in_session(&device.id()));
    database.execute_batch("ALTER TABLE elsewhere RENAME TO device").unwrap();
    device.reconnect().await;
    assert_eq!(device.begin().await.status, 204);
}

#[tokio::test]
async fn a_device_that_is_deleted_in_its_session_hears_that_it_is_over() {
    use store::Store;
    let server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    device.begin().await;
    device.inform().await;
    assert!(server.store.delete_device(&device.id()).await.unwrap());
    assert_eq!(device.post("").await.status, 204);
    assert!(server.stored(&device).await.device.is_none(), "it does not come back by itself");
    assert_eq!(device.begin().await.status, 204);
    assert!(server.stored(&device).await.device.is_some(), "but with its next session");
}

#[tokio::test]
async fn a_script_that_panics_costs_its_session_only() {
    let mut server = Server::start(Scripts::none().with("bad", |run| panic!("{}", run.now()))).await;
    let mut device = server.device("1").await;
    device.inform().await;
    let answer = device.post("").await;
    assert_eq!((answer.status, answer.closes()), (500, true));
    assert!(matches!(server.seen().await, Seen::Started(_)));
    assert!(matches!(server.seen().await, Seen::Ended(_, end) if !end.completed));
    device.reconnect().await;
    assert_eq!(device.inform().await.rpc(), "InformResponse");
}

#[tokio::test]
async fn a_device_that_is_in_session_elsewhere_comes_later() {
    use store::Store;
    let server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    let minute = std::time::Duration::from_secs(60);
    let lease = server.store.acquire_lease(&device.id(), "elsewhere", minute).await.unwrap().unwrap();
    let answer = device.inform().await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("Retry-After").is_some());
    assert!(!server.endpoint.is_in_session(&device.id()));
    assert!(server.store.release_lease(&lease).await.unwrap());
    device.reconnect().await;
    assert_eq!(device.begin().await.status, 204);
    assert_eq!(server.store.lease_owner(&device.id()).await.unwrap(), None, "given back at the end");
}

#[tokio::test]
async fn a_session_whose_lease_has_passed_to_another_writes_nothing() {
    use store::Store;
    let server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    device.inform().await;
    let minute = std::time::Duration::from_secs(60);
    let owner = server.store.lease_owner(&device.id()).await.unwrap().unwrap();
    let lease = server.store.acquire_lease(&device.id(), &owner, minute).await.unwrap().unwrap();
    assert!(server.store.release_lease(&lease).await.unwrap());
    assert!(server.store.acquire_lease(&device.id(), "elsewhere", minute).await.unwrap().is_some());
    assert_eq!(device.post("").await.status, 503);
    assert!(server.stored(&device).await.device.is_none());
    assert_eq!(server.store.lease_owner(&device.id()).await.unwrap().as_deref(), Some("elsewhere"));
}
