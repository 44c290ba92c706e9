//! What a client asks: the words of a sentence by their meaning.

/// A request. Values are bytes; names are text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The path with the command, such as `/ip/address/print`.
    pub path: String,
    /// The arguments, in order.
    pub arguments: Vec<(String, Vec<u8>)>,
    /// The query words, without their question mark, in order.
    pub query: Vec<String>,
    /// Comes back with every reply.
    pub tag: Vec<u8>,
}

impl Request {
    /// Reads a sentence. Words of no known form are passed over.
    pub fn read(sentence: &[Vec<u8>]) -> Request {
        let mut words = sentence.iter();
        let path = words.next().map(|word| text(word)).unwrap_or_default();
        let mut request = Request { path, ..Request::default() };
        for word in words {
            if let Some(rest) = word.strip_prefix(b".tag=") {
                request.tag = rest.to_vec();
            } else if let Some(rest) = word.strip_prefix(b"=") {
                let end = rest.iter().position(|byte| *byte == b'=').unwrap_or(rest.len());
                let value = rest.get(end + 1..).unwrap_or_default();
                request.arguments.push((text(&rest[..end]), value.to_vec()));
            } else if let Some(rest) = word.strip_prefix(b"?") {
                request.query.push(text(rest));
            }
        }
        request
    }

    /// From words as they are written in examples: `["/ip/dns/set", "=servers=192.0.2.53"]`.
    pub fn from_words(words: &[&str]) -> Request {
        Request::read(&words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    /// The last value of an argument.
    pub fn argument(&self, name: &str) -> Option<&[u8]> {
        self.arguments.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    /// The same as text; what is no UTF-8 is replaced.
    pub fn text(&self, name: &str) -> Option<String> {
        self.argument(name).map(text)
    }

    /// Whether an argument that is a switch is on: `=once=`, `=once=yes`.
    pub fn is_on(&self, name: &str) -> bool {
        self.argument(name).is_some_and(|value| !matches!(value, b"no" | b"false"))
    }

    /// The rows to work on, in either of their names.
    pub fn items(&self) -> Option<String> {
        self.text(".id").or_else(|| self.text("numbers"))
    }

    /// Menu and command.
    pub fn split(&self) -> (&str, &str) {
        self.path.rsplit_once('/').unwrap_or(("", &self.path))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart_by_how_they_begin() {
        let words = [
            "/ip/address/print",
            "=.proplist=.id,address",
            ".tag=a=b",
            "?interface=ether1",
            "?#!",
            "=comment=a=b",
            "=detail",
            "noise",
        ];
        let request = Request::from_words(&words);
        assert_eq!(request.split(), ("/ip/address", "print"));
        assert_eq!(request.tag, b"a=b");
        assert_eq!(request.query, ["interface=ether1", "#!"]);
        assert_eq!(request.text("comment").as_deref(), Some("a=b"));
        assert_eq!(request.text(".proplist").as_deref(), Some(".id,address"));
        assert!(request.is_on("detail") && !request.is_on("stats"));
    }
}
