//! A scripted router on the other end of a pipe: it checks what it gets and says what it is told.
#![allow(dead_code, reason = "each test file uses its part")]

use bytes::Bytes;
use routeros::sentence::{Decoder, Limits, encode};
use routeros::{Client, ClientOptions, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

pub const PASSWORD: &str = "open sesame";

pub struct Peer {
    pub stream: DuplexStream,
    decoder: Decoder,
}

pub fn options() -> ClientOptions {
    ClientOptions::new("admin", PASSWORD.into())
}

/// Both ends of a pipe.
pub fn pipe() -> (DuplexStream, Peer) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    (near, Peer { stream: far, decoder: Decoder::new(Limits::AFTER_LOGIN) })
}

/// A client that is logged in.
pub async fn connected(options: ClientOptions) -> (Client, Peer) {
    let (near, mut peer) = pipe();
    let accept = async {
        peer.accept_login().await;
        peer
    };
    let (client, peer) = tokio::join!(Client::login(near, &options), accept);
    (client.unwrap(), peer)
}

impl Peer {
    /// The next sentence that came, `None` at the end.
    pub async fn next(&mut self) -> Option<Vec<String>> {
        loop {
            if let Some(sentence) = self.decoder.next_sentence().unwrap() {
                return Some(sentence.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect());
            }
            match self.stream.read_buf(self.decoder.buffer()).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Checks the next sentence.
    pub async fn expect(&mut self, words: &[&str]) {
        assert_eq!(self.next().await.unwrap(), words);
    }

    /// Says something.
    pub async fn say(&mut self, words: &[&str]) {
        self.say_bytes(words.iter().map(|word| Bytes::copy_from_slice(word.as_bytes()))).await;
    }

    pub async fn say_bytes(&mut self, words: impl IntoIterator<Item = Bytes>) {
        let mut bytes = Vec::new();
        encode(words, &mut bytes);
        self.stream.write_all(&bytes).await.unwrap();
    }

    pub async fn accept_login(&mut self) {
        self.expect(&["/login", "=name=admin", &format!("=password={PASSWORD}")]).await;
        self.say(&["!done"]).await;
    }
}

/// An error that came back, without anything in it that nobody should see.
pub fn shown<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    let error = result.unwrap_err();
    let text = error.to_string();
    assert!(!format!("{text} {error:?}").contains(PASSWORD));
    text
}
