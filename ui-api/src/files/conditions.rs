//! Conditional requests (RFC 9110 §13): whether what a client has, or thinks to have, is what is stored.

use std::time::{Duration, SystemTime};

use hyper::header::{HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};

/// What is stored, as the headers `ETag` and `Last-Modified` say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The entity tag with its quotes.
    pub tag: String,
    /// To the second, as HTTP's dates are.
    pub modified: SystemTime,
}

/// What the conditions come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Answer as if there were none.
    Proceed,
    /// 304: the client has it.
    NotModified,
    /// 412: it is not what the client thinks.
    Failed,
}

impl Version {
    /// A version by the hash of its content and its time in milliseconds since the Unix epoch.
    pub fn new(hash: &str, modified: i64) -> Version {
        let seconds = Duration::from_secs(u64::try_from(modified / 1_000).unwrap_or(0));
        Version { tag: format!("\"{hash}\""), modified: SystemTime::UNIX_EPOCH + seconds }
    }

    /// What the conditions of a GET or HEAD come to, in the order of §13.2.2.
    pub fn judge(&self, headers: &HeaderMap) -> Verdict {
        if headers.contains_key(IF_MATCH) {
            if !self.is_listed(headers, IF_MATCH, false) {
                return Verdict::Failed;
            }
        } else if date(headers, IF_UNMODIFIED_SINCE).is_some_and(|since| self.modified > since) {
            return Verdict::Failed;
        }
        if headers.contains_key(IF_NONE_MATCH) {
            if self.is_listed(headers, IF_NONE_MATCH, true) {
                return Verdict::NotModified;
            }
        } else if date(headers, IF_MODIFIED_SINCE).is_some_and(|since| self.modified <= since) {
            return Verdict::NotModified;
        }
        Verdict::Proceed
    }

    /// Whether a range is of what the client has the rest of: it does not say (`If-Range`), or says this very version.
    pub fn is_continued(&self, headers: &HeaderMap) -> bool {
        let Some(expected) = headers.get(IF_RANGE) else { return true };
        let Ok(text) = expected.to_str() else { return false };
        match httpdate::parse_http_date(text) {
            Ok(time) => time == self.modified,
            Err(_) => self.is_tag(text, false),
        }
    }

    fn is_listed(&self, headers: &HeaderMap, name: HeaderName, weakly: bool) -> bool {
        let lists = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        lists.flat_map(|list| list.split(',')).any(|one| one.trim() == "*" || self.is_tag(one, weakly))
    }

    /// Whether a tag is this version's. Clients that lose the quotes are understood; a weak tag counts only in weak comparison.
    fn is_tag(&self, text: &str, weakly: bool) -> bool {
        let text = text.trim();
        let (text, is_weak) = text.strip_prefix("W/").map_or((text, false), |strong| (strong, true));
        (weakly || !is_weak) && text.trim_matches('"') == self.tag.trim_matches('"')
    }
}

/// A header's date, in any of HTTP's three forms; one that is none counts for nothing.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    /// 1994-11-06T08:49:37.9Z
    const MODIFIED: i64 = 784_111_777_900;
    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const LATER: &str = "Sunday, 06-Nov-94 08:49:38 GMT";

    fn headers(list: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in list {
            map.append(name.clone(), HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn conditions_are_judged_in_their_order() {
        use Verdict::{Failed, NotModified, Proceed};
        let cases: &[(&[(HeaderName, &'static str)], Verdict)] = &[
            (&[], Proceed),
            (&[(IF_MATCH, "\"a\"")], Proceed),
            (&[(IF_MATCH, "*")], Proceed),
            (&[(IF_MATCH, "\"b\", \"a\"")], Proceed),
            (&[(IF_MATCH, "\"b\""), (IF_MATCH, "\"a\"")], Proceed),
            (&[(IF_MATCH, "\"b\"")], Failed),
            (&[(IF_MATCH, "W/\"a\"")], Failed),
            (&[(IF_UNMODIFIED_SINCE, THEN)], Proceed),
            (&[(IF_UNMODIFIED_SINCE, LATER)], Proceed),
            (&[(IF_UNMODIFIED_SINCE, BEFORE)], Failed),
            (&[(IF_UNMODIFIED_SINCE, "yesterday")], Proceed),
            // A tag says more than a time.
            (&[(IF_MATCH, "\"a\""), (IF_UNMODIFIED_SINCE, BEFORE)], Proceed),
            (&[(IF_NONE_MATCH, "\"a\"")], NotModified),
            (&[(IF_NONE_MATCH, "W/\"a\"")], NotModified),
            (&[(IF_NONE_MATCH, "*")], NotModified),
            (&[(IF_NONE_MATCH, "a")], NotModified),
            (&[(IF_NONE_MATCH, "\"b\"")], Proceed),
            (&[(IF_MODIFIED_SINCE, THEN)], NotModified),
            (&[(IF_MODIFIED_SINCE, "Sun Nov  6 08:49:37 1994")], NotModified),
            (&[(IF_MODIFIED_SINCE, BEFORE)], Proceed),
            (&[(IF_MODIFIED_SINCE, "never")], Proceed),
            (&[(IF_NONE_MATCH, "\"b\""), (IF_MODIFIED_SINCE, LATER)], Proceed),
            (&[(IF_MATCH, "\"a\""), (IF_NONE_MATCH, "\"a\"")], NotModified),
        ];
        for (list, expected) in cases {
            assert_eq!(Version::new("a", MODIFIED).judge(&headers(list)), *expected, "{list:?}");
        }
    }

    #[test]
    fn only_the_same_version_is_continued() {
        let cases = [
            ("\"a\"", true),
            ("a", true),
            ("\"b\"", false),
            ("W/\"a\"", false),
            (THEN, true),
            (BEFORE, false),
            (LATER, false),
            ("*", false),
        ];
        for (value, expected) in cases {
            let headers = headers(&[(IF_RANGE, value)]);
            assert_eq!(Version::new("a", MODIFIED).is_continued(&headers), expected, "{value}");
        }
        assert!(Version::new("a", MODIFIED).is_continued(&HeaderMap::new()));
    }
}
