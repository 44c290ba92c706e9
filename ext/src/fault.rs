//! The faults that a call can end in. What they say always names the extension.

use std::time::Duration;

use acs_core::script::ScriptFault;
use serde_json::{Value as Json, json};

/// Longer names of errors are not made part of a fault code.
const MAX_ERROR_NAME: usize = 64;

/// A fault of no extension in particular.
pub(crate) fn plain(message: &str) -> ScriptFault {
    ScriptFault { code: "ext".to_owned(), message: message.to_owned(), detail: None }
}

/// `ext`: the extension did not do its part.
pub(crate) fn of(extension: &str, what: impl std::fmt::Display) -> ScriptFault {
    ScriptFault {
        code: "ext".to_owned(),
        message: format!("extension '{extension}': {what}"),
        detail: Some(json!({ "extension": extension })),
    }
}

/// `timeout`: no answer in time.
pub(crate) fn timeout(extension: &str, timeout: Duration) -> ScriptFault {
    ScriptFault {
        code: "timeout".to_owned(),
        message: format!("Extension timed out: '{extension}' did not answer within {} ms", timeout.as_millis()),
        detail: Some(json!({ "extension": extension })),
    }
}

/// `ext.<name>`: the extension answered with an error, `{name, message, …}` or a text.
pub(crate) fn reported(extension: &str, error: Json) -> ScriptFault {
    let mut detail = match error {
        Json::Object(fields) => fields,
        other => {
            let message = match other {
                Json::String(text) => text,
                other => other.to_string(),
            };
            serde_json::Map::from_iter([("message".to_owned(), Json::String(message))])
        }
    };
    let text = |field: &str| detail.get(field).and_then(Json::as_str).unwrap_or_default();
    let code = match text("name") {
        name if is_error_name(name) => format!("ext.{name}"),
        _ => "ext".to_owned(),
    };
    let message = match text("message") {
        "" => format!("extension '{extension}' reported an error without a message"),
        // The message that users of CommonJS extensions know names the extension already.
        message if message.contains(&format!("'{extension}'")) => message.to_owned(),
        message => format!("extension '{extension}': {message}"),
    };
    detail.insert("extension".to_owned(), Json::String(extension.to_owned()));
    ScriptFault { code, message, detail: Some(Json::Object(detail)) }
}

/// Codes are dotted words, so only a word may become part of one.
fn is_error_name(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    !name.is_empty() && name.len() <= MAX_ERROR_NAME && name.bytes().all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_name_becomes_part_of_the_code_when_it_is_a_word() {
        let cases = [
            (json!({"name": "TypeError", "message": "boom"}), "ext.TypeError", "extension 'x': boom"),
            (json!({"message": "boom"}), "ext", "extension 'x': boom"),
            (json!({"name": "two words", "message": "boom"}), "ext", "extension 'x': boom"),
            (json!({"name": "a.b", "message": "boom"}), "ext", "extension 'x': boom"),
            (json!({"name": "n".repeat(65), "message": "boom"}), "ext", "extension 'x': boom"),
            (json!("boom"), "ext", "extension 'x': boom"),
            (json!([1]), "ext", "extension 'x': [1]"),
            (json!({}), "ext", "extension 'x' reported an error without a message"),
            (
                json!({"message": "No such function 'f' in extension 'x'"}),
                "ext",
                "No such function 'f' in extension 'x'",
            ),
        ];
        for (error, code, message) in cases {
            let fault = reported("x", error.clone());
            assert_eq!((fault.code.as_str(), fault.message.as_str()), (code, message), "{error}");
        }
    }

    #[test]
    fn what_the_extension_reported_is_kept_in_the_detail() {
        let fault = reported("x", json!({"name": "E", "message": "m", "stack": "at line 1"}));
        let expected = json!({"name": "E", "message": "m", "stack": "at line 1", "extension": "x"});
        assert_eq!(fault.detail, Some(expected));
    }
}
