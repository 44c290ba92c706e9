//! The lines between the server and a program: `{"id":1,"arguments":[…]}` there, `{"id":1,"result":…}` or
//! `{"id":1,"error":{"name":…,"message":…}}` back.

use serde::Serialize;
use serde_json::Value as Json;

/// A line that a program printed.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    /// The call with this number succeeded.
    Result(u64, Json),
    /// The call with this number failed as the program says.
    Error(u64, Json),
    /// An answer to this call that is none.
    Malformed(u64, String),
    /// Nobody can tell which call this belongs to.
    Stray(String),
}

#[derive(Serialize)]
struct Request<'a> {
    id: u64,
    arguments: &'a [Json],
}

/// The line that asks, with its line break.
pub(crate) fn write_request(id: u64, arguments: &[Json]) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(&Request { id, arguments })?;
    line.push(b'\n');
    Ok(line)
}

/// Reads a line.
pub(crate) fn read(line: &[u8]) -> Answer {
    let mut fields = match serde_json::from_slice(line) {
        Ok(Json::Object(fields)) => fields,
        Ok(_) => return Answer::Stray("a line that is not a JSON object".to_owned()),
        Err(error) => {
            // The number stands at the front of almost every answer, so damage behind it need not harm other calls.
            let reason = format!("a line that is not JSON ({error})");
            return match number_at_start(line) {
                Some(id) => Answer::Malformed(id, reason),
                None => Answer::Stray(reason),
            };
        }
    };
    let Some(id) = fields.get("id").and_then(Json::as_u64) else {
        return Answer::Stray("a line without the \"id\" of the call that it answers".to_owned());
    };
    match (fields.remove("error"), fields.remove("result")) {
        (Some(error), _) if !error.is_null() => Answer::Error(id, error),
        (_, Some(result)) => Answer::Result(id, result),
        _ => Answer::Malformed(id, "an answer with neither \"result\" nor \"error\"".to_owned()),
    }
}

/// The number of the call in a line of which only the start is known: `{"id": 12,` and then anything.
pub(crate) fn number_at_start(line: &[u8]) -> Option<u64> {
    let rest = line.trim_ascii_start().strip_prefix(b"{")?;
    let rest = rest.trim_ascii_start().strip_prefix(b"\"id\"")?;
    let rest = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // A number that may go on behind the known start is none.
    let ends = rest.get(digits).is_some_and(|byte| matches!(byte, b',' | b'}') || byte.is_ascii_whitespace());
    if !ends {
        return None;
    }
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_has_a_number_and_a_result_or_an_error() {
        let cases = [
            (r#"{"id":1,"result":{"a":[1]}}"#, Answer::Result(1, json!({"a": [1]}))),
            (r#"{"result":null,"id":2}"#, Answer::Result(2, Json::Null)),
            (r#"{"id":3,"result":1,"error":null}"#, Answer::Result(3, json!(1))),
            (r#"{"id":4,"error":{"name":"E"}}"#, Answer::Error(4, json!({"name": "E"}))),
            (r#"{"id":5,"error":"x","result":1}"#, Answer::Error(5, json!("x"))),
        ];
        for (line, expected) in cases {
            assert_eq!(read(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn what_is_not_an_answer_is_attributed_when_it_can_be() {
        for (line, id) in [(r#"{"id":6}"#, 6), (r#"{"id":7,"error":null}"#, 7), (r#"{ "id" : 8, oops"#, 8)] {
            assert!(matches!(read(line.as_bytes()), Answer::Malformed(found, _) if found == id), "{line}");
        }
        for line in [
            "",
            "debug",
            "[1]",
            "7",
            r#"{"result":1}"#,
            r#"{"id":"1","result":1}"#,
            r#"{"id":-1,"result":1}"#,
            r#"{"id":12"#,
        ] {
            assert!(matches!(read(line.as_bytes()), Answer::Stray(_)), "{line}");
        }
        assert!(matches!(read(&[b'{', 0xFF]), Answer::Stray(_)));
    }

    #[test]
    fn deep_nesting_is_no_answer() {
        let line = format!(r#"{{"id":9,"result":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
        assert!(matches!(read(line.as_bytes()), Answer::Malformed(9, _)));
    }
}
