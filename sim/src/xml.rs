//! XML as the simulator needs it: a small tree of elements by local name, and escaping for writing.
//!
//! The only module that knows quick-xml. Not here: what the elements mean (`soap`).

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use quick_xml::{XmlVersion, escape};

/// Deepest nesting that is read; SOAP messages need about ten levels.
const MAX_DEPTH: usize = 64;

/// An element with its attributes, children and text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Local name, without prefix.
    pub name: String,
    /// The name's prefix, empty when it has none.
    pub prefix: String,
    /// Attributes as written, prefix included, in document order.
    pub attributes: Vec<(String, String)>,
    /// Child elements in document order.
    pub children: Vec<Element>,
    /// The element's own text, unescaped, pieces joined.
    pub text: String,
}

/// Why a document cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum XmlError {
    /// Not well-formed.
    #[error("malformed XML: {0}")]
    Syntax(String),
    /// A document type declaration, which SOAP forbids.
    #[error("the document has a DOCTYPE")]
    DocType,
    /// Nested deeper than the limit.
    #[error("elements nested deeper than {MAX_DEPTH}")]
    Depth,
    /// No root element, or an unclosed one, or more than one.
    #[error("the document does not have exactly one complete root element")]
    Root,
}

impl Element {
    /// Parses a whole document.
    pub fn parse(text: &str) -> Result<Self, XmlError> {
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}').trim_start());
        let mut open: Vec<Self> = Vec::new();
        let mut root = None;
        loop {
            match reader.read_event().map_err(syntax)? {
                Event::Start(start) => {
                    if open.len() >= MAX_DEPTH {
                        return Err(XmlError::Depth);
                    }
                    open.push(Self::opened(&start)?);
                }
                Event::Empty(start) => close(Self::opened(&start)?, &mut open, &mut root)?,
                Event::End(_) => {
                    let element = open.pop().ok_or(XmlError::Root)?;
                    close(element, &mut open, &mut root)?;
                }
                Event::Text(text) => add_text(&mut open, &text.xml10_content())?,
                Event::CData(data) => add_text(&mut open, &data.xml10_content())?,
                Event::GeneralRef(reference) => {
                    let resolved = match reference.resolve_char_ref().map_err(syntax)? {
                        Some(character) => character.to_string(),
                        None => escape::resolve_predefined_entity(&reference)
                            .ok_or_else(|| syntax(format!("unknown entity &{};", &*reference)))?
                            .to_owned(),
                    };
                    add_text(&mut open, &resolved)?;
                }
                Event::DocType(_) => return Err(XmlError::DocType),
                Event::Eof => break,
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            }
        }
        if open.is_empty() { root.ok_or(XmlError::Root) } else { Err(XmlError::Root) }
    }

    fn opened(start: &BytesStart<'_>) -> Result<Self, XmlError> {
        let mut element = Self { name: start.local_name().as_ref().to_owned(), ..Self::default() };
        if let Some((prefix, _)) = start.name().as_ref().split_once(':') {
            element.prefix = prefix.to_owned();
        }
        for attribute in start.attributes() {
            let attribute = attribute.map_err(syntax)?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(syntax)?;
            element.attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
        }
        Ok(element)
    }

    /// The first child of this local name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of this local name.
    pub fn child_text(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// The attribute of this local name, whatever its prefix.
    pub fn attribute(&self, local: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name.rsplit(':').next() == Some(local)).map(|(_, value)| value.as_str())
    }
}

/// Appends `text` escaped for element content and attributes; characters that XML 1.0 cannot hold are left out.
pub fn push_escaped(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(character),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => out.push(character),
        }
    }
}

fn syntax(error: impl ToString) -> XmlError {
    XmlError::Syntax(error.to_string())
}

fn close(element: Element, open: &mut [Element], root: &mut Option<Element>) -> Result<(), XmlError> {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None if root.is_none() => *root = Some(element),
        None => return Err(XmlError::Root),
    }
    Ok(())
}

fn add_text(open: &mut [Element], text: &str) -> Result<(), XmlError> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(syntax("text outside the root element")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn elements_are_found_by_local_name_and_text_is_unescaped() {
        let root = Element::parse(
            "\u{feff} <?xml version='1.0'?><a:r xmlns:a='u' x:k='1 &amp; 2'><!-- c --><b>x &lt;&#65;&gt; <![CDATA[<&>]]></b><c/></a:r>",
        )
        .unwrap();
        assert_eq!(root.name, "r");
        assert_eq!(root.attribute("k"), Some("1 & 2"));
        assert_eq!(root.child_text("b"), Some("x <A> <&>"));
        assert_eq!(root.child_text("c"), Some(""));
        assert_eq!(root.child("d"), None);
    }

    #[test]
    fn broken_documents_are_refused() {
        let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
        for text in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>tail",
            "<a>&nbsp;</a>",
            "<!DOCTYPE a><a/>",
            "<a b=1/>",
            &deep,
        ] {
            assert!(Element::parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn escaped_text_reads_back(text in "[ -~\\t\\n\\r\u{e4}\u{20ac}]{0,80}") {
            let mut document = String::from("<v>");
            push_escaped(&mut document, &text);
            document.push_str("</v>");
            proptest::prop_assert_eq!(Element::parse(&document).unwrap().text, text);
        }
    }
}
