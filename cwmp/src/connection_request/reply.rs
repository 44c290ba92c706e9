//! What a device answers. Lines may end in LF or CRLF, headers may be folded, and the end may be missing.

use super::ConnectionRequestError;

/// What is read of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The values of all WWW-Authenticate headers, unfolded.
    pub challenges: Vec<String>,
    /// The body's length, if the connection can be used again behind it.
    pub reusable_after: Option<usize>,
}

/// Whether the first line is there, so that silence may be the end of the answer.
pub fn has_status(bytes: &[u8]) -> bool {
    status_of(&String::from_utf8_lossy(bytes)).is_some()
}

/// The length of the head, when it is complete.
pub fn head_length(bytes: &[u8]) -> Option<usize> {
    let lf = bytes.windows(2).position(|pair| pair == b"\n\n").map(|at| at + 2);
    let crlf = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
    lf.into_iter().chain(crlf).min()
}

fn status_of(text: &str) -> Option<u16> {
    let mut words = text.lines().next()?.split_whitespace();
    words.next().filter(|word| word.starts_with("HTTP/"))?;
    words.next().filter(|word| word.len() == 3)?.parse().ok()
}

/// Reads an answer's head.
///
/// # Errors
/// [`ConnectionRequestError::Failed`]: it is no HTTP.
pub fn parse_reply(bytes: &[u8]) -> Result<Reply, ConnectionRequestError> {
    let is_complete = head_length(bytes).is_some();
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
    let first = lines.next().unwrap_or("");
    let status =
        status_of(first).ok_or_else(|| ConnectionRequestError::Failed(format!("{:.60?} is no HTTP answer", first)))?;
    let mut headers: Vec<String> = Vec::new();
    for line in lines {
        if line.is_empty() {
            break;
        }
        match headers.last_mut() {
            Some(header) if line.starts_with([' ', '\t']) => {
                header.push(' ');
                header.push_str(line.trim());
            }
            _ => headers.push(line.to_owned()),
        }
    }
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    let values = |name: &'static str| {
        headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    };
    let stays = is_complete
        && first.starts_with("HTTP/1.1")
        && !values("Connection").any(|value| value.to_ascii_lowercase().contains("close"))
        && values("Transfer-Encoding").next().is_none();
    let length = values("Content-Length").next().and_then(|value| value.parse().ok());
    Ok(Reply {
        status,
        challenges: values("WWW-Authenticate").map(str::to_owned).collect(),
        reusable_after: length.filter(|_| stays),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_however_they_are_cut() {
        let reply = |status, challenges: &[&str], reusable_after| {
            Ok(Reply { status, challenges: challenges.iter().map(ToString::to_string).collect(), reusable_after })
        };
        let cases = [
            ("HTTP/1.1 200 OK", reply(200, &[], None)),
            ("HTTP/1.1 204 No Content\r\n\r\n", reply(204, &[], None)),
            ("HTTP/1.1 200 OK\nDate: Sun, 22 Nov 2026 08:31:04 GMT\nContent-Length: 0", reply(200, &[], None)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", reply(200, &[], Some(2))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", reply(200, &[], None)),
            ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", reply(200, &[], None)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", reply(200, &[], None)),
            (
                "HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Digest\n   realm=\"x\",\n   nonce=\"1\"\n",
                reply(401, &["Digest realm=\"x\", nonce=\"1\""], None),
            ),
            (
                "HTTP/1.1 401 No\r\nwww-authenticate: Basic\r\nWWW-Authenticate : Digest nonce=1\r\n\r\n",
                reply(401, &["Basic", "Digest nonce=1"], None),
            ),
            ("HTTP/1.0 503\r\n", reply(503, &[], None)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_reply(text.as_bytes()), expected, "{text:?}");
        }
        for text in ["nonsense", "HTTP/1.1 two hundred", "", "HTTP/1.1", "\u{0}\u{1}"] {
            assert!(matches!(parse_reply(text.as_bytes()), Err(ConnectionRequestError::Failed(_))), "{text:?}");
            assert!(!has_status(text.as_bytes()));
        }
    }
}
