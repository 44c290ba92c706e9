//! Request targets: the path's segments and the query's parameters, decoded once and read leniently.

use percent_encoding::percent_decode_str;

/// A path segment as it came, and decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// As it came.
    pub raw: String,
    /// Percent-decoded once.
    pub text: String,
}

/// The segments of a path. Empty ones count for nothing, so slashes may be doubled and trail.
pub fn segments(path: &str) -> Vec<Segment> {
    let pieces = path.split('/').filter(|piece| !piece.is_empty());
    pieces.map(|piece| Segment { raw: piece.to_owned(), text: decode(piece) }).collect()
}

/// Percent-decodes a text once. What is no UTF-8 then becomes U+FFFD.
pub fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The parameters of a query string, `name=value` or only `name`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a query string; `+` is a space.
    pub fn parse(query: &str) -> Parameters {
        let decoded = |text: &str| decode(&text.replace('+', " "));
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        });
        Parameters(pairs.collect())
    }

    /// Whether a parameter is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// A parameter's value; empty when it has none or is absent.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }

    /// A parameter that is a whole number; `None` when it is absent or empty.
    pub fn number(&self, name: &str) -> Result<Option<u64>, String> {
        match self.get(name) {
            "" => Ok(None),
            text => {
                let number = text.parse().map(Some);
                number.map_err(|_| format!("Error: {name} must be a whole number that is not negative, not {text:?}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_leniently() {
        let parameters = Parameters::parse("connection_request&query=%7B%22a%22:1}&&limit=+5+&skip=&a=b=c&sort");
        assert!(parameters.has("connection_request") && parameters.has("skip") && !parameters.has("timeout"));
        assert_eq!(parameters.get("query"), "{\"a\":1}");
        assert_eq!(parameters.get("a"), "b=c");
        assert_eq!(parameters.number("limit"), Ok(Some(5)));
        assert_eq!(parameters.number("skip"), Ok(None));
        assert!(Parameters::parse("limit=-1").number("limit").is_err());
        assert_eq!(Parameters::parse(""), Parameters::default());
    }

    #[test]
    fn segments_are_decoded_once() {
        let texts: Vec<_> = segments("//devices/a%252Db%2Fc/").into_iter().map(|segment| segment.text).collect();
        assert_eq!(texts, ["devices", "a%2Db/c"]);
    }
}
