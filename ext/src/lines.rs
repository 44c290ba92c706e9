//! Lines of what a process prints, with a limit on their length, so that no output can fill the memory.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// How much of a line that is too long is kept: enough to see whose it is.
const KEPT_OF_TOO_LONG: usize = 128;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Without its line break. The last one may lack it.
    Whole(Vec<u8>),
    /// The start of a line above the limit. The rest of it is passed over.
    TooLong(Vec<u8>),
    /// A line so long that it is not worth waiting for its end.
    Endless,
    /// Nothing follows.
    End,
}

/// Reads lines.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: BufReader<R>,
    limit: usize,
    /// How much of a too long line may be passed over.
    patience: usize,
    /// What was passed over of the line under way, when it is too long.
    passing: Option<usize>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn new(reader: R, limit: usize, patience: usize) -> Lines<R> {
        Lines { reader: BufReader::new(reader), limit, patience, passing: None }
    }

    /// The next line. A read error is the end: there is nobody left to read from.
    pub(crate) async fn next(&mut self) -> Line {
        let mut line = Vec::new();
        loop {
            let chunk = match self.reader.fill_buf().await {
                Ok(chunk) if !chunk.is_empty() => chunk,
                _ if line.is_empty() => return Line::End,
                _ => return Line::Whole(line),
            };
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let (text, used) = match end {
                Some(end) => (&chunk[..end], end + 1),
                None => (chunk, chunk.len()),
            };
            if let Some(passed) = self.passing {
                let passed = passed.saturating_add(text.len());
                self.reader.consume(used);
                self.passing = if end.is_some() { None } else { Some(passed) };
                if passed > self.patience {
                    return Line::Endless;
                }
                continue;
            }
            if line.len() + text.len() > self.limit {
                line.extend_from_slice(&text[..text.len().min(KEPT_OF_TOO_LONG)]);
                line.truncate(KEPT_OF_TOO_LONG);
                self.reader.consume(used);
                self.passing = if end.is_some() { None } else { Some(0) };
                return Line::TooLong(line);
            }
            line.extend_from_slice(text);
            self.reader.consume(used);
            if end.is_some() {
                return Line::Whole(line);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    async fn read_all(text: &[u8], limit: usize, patience: usize) -> Vec<Line> {
        let mut lines = Lines::new(text, limit, patience);
        let mut all = Vec::new();
        loop {
            match lines.next().await {
                Line::End => return all,
                Line::Endless => {
                    all.push(Line::Endless);
                    return all;
                }
                line => all.push(line),
            }
        }
    }

    #[tokio::test]
    async fn lines_end_at_line_breaks_and_at_the_end() {
        let whole = |text: &str| Line::Whole(text.as_bytes().to_vec());
        assert_eq!(
            read_all(b"one\n\ntwo\nthree", 10, 10).await,
            [whole("one"), whole(""), whole("two"), whole("three")]
        );
        assert_eq!(read_all(b"", 10, 10).await, []);
    }

    #[tokio::test]
    async fn a_line_at_the_limit_is_whole_and_one_above_is_not() {
        let text = [vec![b'a'; 8], vec![b'\n'], vec![b'b'; 9], b"\nok\n".to_vec()].concat();
        let expected = [Line::Whole(vec![b'a'; 8]), Line::TooLong(vec![b'b'; 9]), Line::Whole(b"ok".to_vec())];
        assert_eq!(read_all(&text, 8, 100).await, expected);
    }

    #[tokio::test]
    async fn the_rest_of_a_long_line_is_passed_over_however_it_is_cut() {
        let text = [vec![b'x'; 50_000], b"\nafter\n".to_vec()].concat();
        let lines = read_all(&text, 1000, 100_000).await;
        assert_eq!(lines, [Line::TooLong(vec![b'x'; KEPT_OF_TOO_LONG]), Line::Whole(b"after".to_vec())]);
    }

    #[tokio::test]
    async fn an_endless_line_is_given_up() {
        let text = vec![b'x'; 100_000];
        let lines = read_all(&text, 1000, 20_000).await;
        assert_eq!(lines, [Line::TooLong(vec![b'x'; KEPT_OF_TOO_LONG]), Line::Endless]);
    }
}
