//! What a router answers: sentences that begin with `!re`, `!done`, `!trap`, `!empty` or `!fatal`. Pure.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use crate::secret::Fields;
use crate::sentence::Sentence;
use crate::trap::{Category, Trap};

/// Properties by name, in the order of the router, which means nothing. Values are bytes. `Debug` does not show secrets.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Row {
    fields: Vec<(String, Bytes)>,
}

/// All that came in answer to a command that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// The `!re` sentences.
    pub rows: Vec<Row>,
    /// What stands in the `!done` sentence.
    pub done: Row,
}

/// A sentence of a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Which command it belongs to; empty for none.
    pub tag: Bytes,
    /// What it says.
    pub content: Content,
}

/// What a sentence of a router says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// `!re`: a row.
    Row(Row),
    /// `!done`: the end of the command.
    Done(Row),
    /// `!trap`: an error; more may follow until `!done`.
    Trap(Trap),
    /// `!empty`: there were no rows (RouterOS 7.18 and later); `!done` follows.
    Empty,
    /// `!fatal`: the end of the connection.
    Fatal(String),
}

/// A sentence that no router sends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an answer begins with {0:?}, not with a reply word")]
pub struct UnknownReply(pub String);

impl Row {
    /// The value of a property; absent when it is unset.
    pub fn bytes(&self, name: &str) -> Option<&Bytes> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    /// The value as text. Comments may be in the code page of whoever wrote them; what is no UTF-8 is replaced, so write back
    /// [`Self::bytes`].
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.bytes(name).map(|value| String::from_utf8_lossy(value))
    }

    /// The value as a boolean: `true` and `yes`, `false` and `no`.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.bytes(name)?.as_ref() {
            b"true" | b"yes" => Some(true),
            b"false" | b"no" => Some(false),
            _ => None,
        }
    }

    /// The item's id, `*` and hexadecimal digits.
    pub fn id(&self) -> Option<Cow<'_, str>> {
        self.text(".id")
    }

    /// Whether a [`crate::Listener`] says with it that the item is gone. Releases differ in how they write it.
    pub fn is_dead(&self) -> bool {
        self.bytes(".dead").is_some() && self.flag(".dead") != Some(false)
    }

    /// Name and value of all properties.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Bytes)> + Clone {
        self.fields.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether there is no property.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn weight(&self) -> usize {
        let text: usize = self.fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        text + size_of::<Row>() + self.fields.len() * size_of::<(String, Bytes)>()
    }
}

impl<N: Into<String>, V: Into<Bytes>> FromIterator<(N, V)> for Row {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        Row { fields: fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.iter().map(|(name, value)| (name, Some(value.as_ref())));
        Fields(fields).fmt(formatter)
    }
}

impl Reply {
    /// What `!done` carries in `ret`: the id of an added item, a count, the output of a script.
    pub fn ret(&self) -> Option<Cow<'_, str>> {
        self.done.text("ret")
    }

    /// The only row, of a print in a menu that has just one.
    pub fn single(&self) -> Option<&Row> {
        match self.rows.as_slice() {
            [row] => Some(row),
            _ => None,
        }
    }
}

impl Answer {
    /// Reads a sentence. The tag may stand anywhere; words that mean nothing are passed over.
    pub fn parse(sentence: &Sentence) -> Result<Answer, UnknownReply> {
        let (first, words) = match sentence.split_first() {
            Some((first, words)) => (first.as_ref(), words),
            None => (&b""[..], &[][..]),
        };
        let mut tag = Bytes::new();
        let mut row = Row::default();
        let mut bare = Vec::new();
        for word in words {
            if let Some(value) = word.strip_prefix(b".tag=") {
                tag = word.slice_ref(value);
            } else if let Some(field) = word.strip_prefix(b"=") {
                row.fields.push(split_field(word, field));
            } else {
                bare.push(String::from_utf8_lossy(word));
            }
        }
        let content = match first {
            b"!re" => Content::Row(row),
            b"!done" => Content::Done(row),
            b"!trap" => Content::Trap(read_trap(&row)),
            b"!empty" => Content::Empty,
            // The reason is a bare word; be kind to a router that writes it otherwise.
            b"!fatal" if bare.is_empty() => Content::Fatal(row.text("message").unwrap_or_default().into_owned()),
            b"!fatal" => Content::Fatal(bare.join(" ")),
            other => {
                let shown = other.get(..other.len().min(32)).unwrap_or_default();
                return Err(UnknownReply(String::from_utf8_lossy(shown).into_owned()));
            }
        };
        Ok(Answer { tag, content })
    }
}

/// `name=value`, or a name alone, which has an empty value.
fn split_field(word: &Bytes, field: &[u8]) -> (String, Bytes) {
    let (name, value) = match field.iter().position(|byte| *byte == b'=') {
        Some(end) => (&field[..end], word.slice_ref(&field[end + 1..])),
        None => (field, Bytes::new()),
    };
    (String::from_utf8_lossy(name).into_owned(), value)
}

fn read_trap(row: &Row) -> Trap {
    let category = row.text("category").and_then(|category| category.parse::<u32>().ok());
    let message = match row.text("message") {
        Some(message) => message.into_owned(),
        None => "an error without a message".to_owned(),
    };
    Trap { message, category: category.map(Category::from) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Answer {
        Answer::parse(&words.iter().map(|word| Bytes::copy_from_slice(word.as_bytes())).collect()).unwrap()
    }

    fn row(fields: &[(&'static str, &'static str)]) -> Row {
        fields.iter().copied().collect()
    }

    #[test]
    fn each_reply_word_is_read() {
        let trap =
            |message: &str, category: Option<Category>| Content::Trap(Trap { message: message.into(), category });
        let cases: [(&[&str], &str, Content); 9] = [
            (&["!re", ".tag=7", "=.id=*1", "=comment="], "7", Content::Row(row(&[(".id", "*1"), ("comment", "")]))),
            (&["!re"], "", Content::Row(Row::default())),
            (&["!done", "=ret=*1A", ".tag=7"], "7", Content::Done(row(&[("ret", "*1A")]))),
            (&["!trap", "=category=1", "=message=bad"], "", trap("bad", Some(Category::ArgumentValue))),
            (&["!trap", "=category=x", "=message=bad", ".tag=a"], "a", trap("bad", None)),
            (&["!trap"], "", trap("an error without a message", None)),
            (&["!empty", ".tag=7"], "7", Content::Empty),
            (&["!fatal", "session terminated on request"], "", Content::Fatal("session terminated on request".into())),
            (&["!fatal", "=message=gone"], "", Content::Fatal("gone".into())),
        ];
        for (words, tag, content) in cases {
            assert_eq!(parse(words), Answer { tag: Bytes::copy_from_slice(tag.as_bytes()), content }, "{words:?}");
        }
    }

    #[test]
    fn values_keep_what_looks_like_syntax() {
        let Content::Row(row) = parse(&["!re", "=comment==a=b\nc", "=fib", "==odd"]).content else { panic!() };
        let fields: Vec<_> = row.iter().map(|(name, value)| (name, value.as_ref())).collect();
        assert_eq!(fields, [("comment", &b"=a=b\nc"[..]), ("fib", b""), ("", b"odd")]);
    }

    #[test]
    fn values_that_are_no_text_are_kept_as_bytes() {
        let words = vec![Bytes::from_static(b"!re"), Bytes::from_static(b"=comment=B\xFCro")];
        let Content::Row(row) = Answer::parse(&words).unwrap().content else { panic!() };
        assert_eq!(row.bytes("comment").unwrap().as_ref(), b"B\xFCro");
        assert_eq!(row.text("comment").unwrap(), "B\u{FFFD}ro");
    }

    #[test]
    fn other_first_words_are_errors() {
        for word in ["", "re", "/login", "!", "!redo", "=ret=1"] {
            assert_eq!(Answer::parse(&vec![Bytes::from(word)]), Err(UnknownReply(word.to_owned())));
        }
        assert!(Answer::parse(&Vec::new()).is_err());
    }

    #[test]
    fn flags_and_deaths_come_in_two_spellings() {
        let flag = |value: &'static str| row(&[("disabled", value)]).flag("disabled");
        assert_eq!(
            [flag("true"), flag("yes"), flag("false"), flag("no"), flag("auto")],
            [Some(true), Some(true), Some(false), Some(false), None]
        );
        assert!(
            row(&[(".dead", "yes")]).is_dead()
                && row(&[(".dead", "true")]).is_dead()
                && row(&[(".dead", "")]).is_dead()
        );
        assert!(!row(&[(".dead", "false")]).is_dead() && !row(&[(".id", "*1")]).is_dead());
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", row(&[("name", "u1"), ("password", "sesame"), ("private-key", "sesame")]));
        assert_eq!(shown, r#"{"name": "u1", "password": <secret>, "private-key": <secret>}"#);
    }
}
