//! The first exchange on a connection. It is done before commands may run side by side, and without tags.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use md5::{Digest, Md5};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::error::Error;
use crate::reply::{Answer, Content, Row};
use crate::secret::Secret;
use crate::sentence::{Decoder, encode};
use crate::trap::Trap;

/// Logs in: with name and password, as RouterOS wants it from 6.43 on; when the router answers with a challenge, it is older
/// and gets the response.
pub(crate) async fn login<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    decoder: &mut Decoder,
    user: &str,
    password: &Secret,
) -> Result<(), Error> {
    let name = format!("=name={user}");
    let plain = format!("=password={}", password.reveal());
    let done = exchange(stream, decoder, user, ["/login", &name, &plain]).await?;
    let Some(challenge) = done.text("ret") else { return Ok(()) };
    let refused = |reason: &str| Error::Login { user: user.to_owned(), reason: reason.to_owned() };
    let challenge = decode_hex(&challenge).ok_or_else(|| refused("the router sent a challenge that is none"))?;
    let response = format!("=response={}", response(password, &challenge));
    let done = exchange(stream, decoder, user, ["/login", &name, &response]).await?;
    // Asking again would go on for ever.
    if done.text("ret").is_some() { Err(refused("the router sent another challenge")) } else { Ok(()) }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    decoder: &mut Decoder,
    user: &str,
    words: [&str; 3],
) -> Result<Row, Error> {
    let lost = |error: std::io::Error| Error::Lost { reason: error.to_string() };
    let mut bytes = Vec::new();
    encode(words, &mut bytes);
    stream.write_all(&bytes).await.map_err(lost)?;
    stream.flush().await.map_err(lost)?;
    let mut trap: Option<Trap> = None;
    loop {
        while let Some(sentence) = decoder.next_sentence()? {
            match Answer::parse(&sentence)?.content {
                Content::Done(row) => {
                    return match trap {
                        Some(trap) => Err(Error::Login { user: user.to_owned(), reason: trap.message }),
                        None => Ok(row),
                    };
                }
                Content::Trap(first) => trap = trap.or(Some(first)),
                Content::Fatal(reason) => return Err(Error::Fatal { reason }),
                Content::Row(_) | Content::Empty => {}
            }
        }
        if stream.read_buf(decoder.buffer()).await.map_err(lost)? == 0 {
            return Err(Error::Lost { reason: "the router closed the connection during the login".to_owned() });
        }
    }
}

/// `00` and the MD5 of a zero byte, the password and the challenge, in hexadecimal digits.
fn response(password: &Secret, challenge: &[u8]) -> String {
    let mut digest = Md5::new();
    digest.update([0]);
    digest.update(password.reveal().as_bytes());
    digest.update(challenge);
    format!("00{}", HEXLOWER.encode(&digest.finalize()))
}

/// An empty challenge is none.
fn decode_hex(text: &str) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok().filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_hashes_zero_password_and_challenge() {
        // MD5 of 00 61 62 (password "a", challenge 62).
        assert_eq!(response(&"a".into(), b"b"), format!("00{}", MD5_OF_0_A_B));
    }

    const MD5_OF_0_A_B: &str = "1219a5ffd3f440e80e30ccf668deb6e7";

    #[test]
    fn a_challenge_is_pairs_of_hexadecimal_digits() {
        assert_eq!(decode_hex("00ffA1"), Some(vec![0, 0xFF, 0xA1]));
        for bad in ["", "0", "0g", "+1", "é0"] {
            assert_eq!(decode_hex(bad), None, "{bad}");
        }
    }
}
