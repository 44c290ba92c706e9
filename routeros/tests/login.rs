//! The first exchange, with routers new, old and odd.
#![allow(clippy::unwrap_used)]

mod kit;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use kit::{PASSWORD, Peer, options, pipe, shown};
use parking_lot::Mutex;
use routeros::{Client, Command, Error, ErrorClass};
use tokio::io::AsyncWriteExt;

/// Logs in while the router follows its script.
async fn login<F: Future>(script: impl FnOnce(Peer) -> F) -> Result<Client, Error> {
    let (near, peer) = pipe();
    let options = options();
    tokio::join!(Client::login(near, &options), script(peer)).0
}

async fn refuse(peer: &mut Peer, words: &[&str]) {
    peer.next().await.unwrap();
    peer.say(words).await;
}

#[tokio::test]
async fn name_and_password_are_answered_by_done() {
    let result = login(|mut peer| async move {
        peer.accept_login().await;
        peer
    });
    assert!(result.await.unwrap().is_open());
}

#[tokio::test]
async fn a_router_before_6_43_gets_the_response_to_its_challenge() {
    let result = login(|mut peer| async move {
        peer.expect(&["/login", "=name=admin", &format!("=password={PASSWORD}")]).await;
        peer.say(&["!done", "=ret=000102030405060708090a0b0c0d0e0f"]).await;
        let response = peer.next().await.unwrap();
        // Computed with md5sum over the zero byte, the password and the sixteen bytes of the challenge.
        assert_eq!(response, ["/login", "=name=admin", "=response=00fd6e440993bdfdb16623965df45da640"]);
        peer.say(&["!done"]).await;
        peer
    });
    assert!(result.await.unwrap().is_open());
}

#[tokio::test]
async fn a_router_that_does_not_let_us_in_says_why() {
    let refusals: [&[&str]; 2] =
        [&["!trap", "=message=invalid user name or password (6)"], &["!trap", "=message=cannot log in"]];
    for trap in refusals {
        let result = login(|mut peer| async move {
            refuse(&mut peer, trap).await;
            peer.say(&["!done"]).await;
            peer
        });
        let error = result.await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Login);
        let reason = trap[1].trim_start_matches("=message=");
        assert_eq!(shown::<()>(Err(error)), format!("login as \"admin\" failed: {reason}"));
    }
}

#[tokio::test]
async fn odd_answers_are_errors() {
    let fatal = login(|mut peer| async move { refuse(&mut peer, &["!fatal", "too many commands before login"]).await });
    assert_eq!(shown(fatal.await), "the router closed the connection: too many commands before login");

    let no_challenge = login(|mut peer| async move {
        refuse(&mut peer, &["!done", "=ret=xyz"]).await;
        peer
    });
    assert_eq!(shown(no_challenge.await), "login as \"admin\" failed: the router sent a challenge that is none");

    let again = login(|mut peer| async move {
        refuse(&mut peer, &["!done", "=ret=00"]).await;
        refuse(&mut peer, &["!done", "=ret=00"]).await;
        peer
    });
    assert_eq!(shown(again.await), "login as \"admin\" failed: the router sent another challenge");

    let closed = login(|mut peer| async move { drop(peer.next().await) });
    assert_eq!(shown(closed.await), "connection lost: the router closed the connection during the login");

    let web_server = login(|mut peer| async move {
        peer.next().await;
        peer.stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    // Its H announces a word that never comes.
    assert_eq!(shown(web_server.await), "connection lost: the router closed the connection during the login");

    let other_protocol = login(|mut peer| async move { refuse(&mut peer, &["220 ready"]).await });
    assert_eq!(
        shown(other_protocol.await),
        "not the RouterOS API: an answer begins with \"220 ready\", not with a reply word"
    );
}

#[tokio::test]
async fn before_the_login_little_is_accepted() {
    // A word of 64 MiB is announced; nothing of it comes.
    let large = login(|mut peer| async move {
        peer.stream.write_all(&[0xE4, 0, 0, 0]).await.unwrap();
        peer
    });
    let expected = "not the RouterOS API: a word of 67108864 bytes, at most 65536 are accepted";
    assert_eq!(shown(large.await), expected);
}

#[tokio::test(start_paused = true)]
async fn a_silent_router_times_out() {
    let (near, _peer) = pipe();
    let mut options = options();
    options.connect_timeout = Duration::from_secs(3);
    assert_eq!(shown(Client::login(near, &options).await), "/login: no answer within 3000 ms");
}

#[tokio::test]
async fn no_one_listens() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = Client::connect(address, &options()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient);
    assert!(shown::<()>(Err(error)).starts_with(&format!("cannot connect to {address}: ")));
}

#[tokio::test]
async fn the_password_is_in_no_log_and_no_debug_output() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer({
            let log = log.clone();
            move || log.clone()
        })
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (client, mut peer) = kit::connected(options()).await;
    let add = Command::add("/ppp/secret").argument("name", "u1").secret("password", PASSWORD.into());
    let shown_command = format!("{add:?}");
    let refuse = async {
        peer.next().await;
        peer.say(&["!trap", ".tag=1", "=message=failure: already have such entry"]).await;
        peer.say(&["!done", ".tag=1"]).await;
        drop(peer);
    };
    let (result, ()) = tokio::join!(client.run(add), refuse);
    assert_eq!(shown(result), "/ppp/secret/add: failure: already have such entry");
    client.closed().await;
    let log = String::from_utf8_lossy(&log.0.lock()).into_owned();
    assert!(log.contains("connection ended"), "{log}");
    for text in [log, shown_command, format!("{client:?} {:?}", options())] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
}

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
