//! A pull reader for documents of untrusted origin: elements by local name, text with its references resolved, and limits.
//!
//! It is a thin layer over quick-xml, which checks the syntax and that end tags match. What quick-xml leaves to its user is done
//! here: unclosed elements, second roots, text outside the root, document types, entities, characters that XML does not allow,
//! names, undeclared prefixes, and every limit. Nothing here knows SOAP.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesRef, Event};

use acs_core::rpc::check::is_xml_character;

use super::error::{Place, SoapError};
use super::repair::{Repair, Repairs};

/// The deepest nesting of elements. CWMP needs 8.
pub const MAX_DEPTH: usize = 64;
/// The most elements in one document: some 300,000 parameters.
pub const MAX_ELEMENTS: usize = 1_000_000;
/// The most attributes of one element, namespace declarations included.
pub const MAX_ATTRIBUTES: usize = 64;
/// The most namespace declarations in scope at one place. CWMP needs 5.
pub const MAX_NAMESPACES: usize = 64;
/// The longest attribute value, and the longest name, in bytes.
pub const MAX_ATTRIBUTE_LENGTH: usize = 4096;
/// As much of what the XML parser says goes into an error; it may quote the document.
const MAX_REASON: usize = 300;

/// The start of an element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'a> {
    /// As written, with its prefix.
    pub(super) name: &'a str,
    /// Without its prefix.
    pub(super) local: &'a str,
    /// The raw value of the attribute with the local name `type`.
    pub(super) xsi_type: Option<&'a str>,
    /// Whether the attribute with the local name `mustUnderstand` is set.
    pub(super) must_understand: bool,
}

/// A namespace declaration in scope.
struct Binding<'a> {
    prefix: &'a str,
    uri: &'a str,
    depth: usize,
}

enum Node<'a> {
    Start(Element<'a>),
    End,
    Text(Cow<'a, str>),
    Eof,
}

/// The reader. It stands inside an element, at first outside the root.
pub(super) struct XmlReader<'a> {
    body: &'a str,
    events: Reader<&'a [u8]>,
    depth: usize,
    elements: usize,
    /// The element that was just opened was written `<so/>`, so that its end is still to be told.
    ends_at_once: bool,
    bindings: Vec<Binding<'a>>,
    allow_undeclared_prefixes: bool,
    pub(super) repairs: Repairs,
}

impl<'a> XmlReader<'a> {
    /// A reader over a document from which [`without_invalid_characters`] has removed what XML cannot hold.
    pub(super) fn new(body: &'a str, allow_undeclared_prefixes: bool) -> XmlReader<'a> {
        let body = body.strip_prefix('\u{feff}').unwrap_or(body);
        XmlReader {
            body,
            events: Reader::from_str(body),
            depth: 0,
            elements: 0,
            ends_at_once: false,
            bindings: Vec::new(),
            allow_undeclared_prefixes,
            repairs: Repairs::default(),
        }
    }

    /// Opens the root element. Only white space may come before it.
    pub(super) fn root(&mut self) -> Result<Element<'a>, SoapError> {
        loop {
            match self.node()? {
                Node::Start(element) => return Ok(element),
                Node::Text(text) if is_blank(&text) => {}
                Node::Text(_) => return Err(self.malformed("text before the root element")),
                Node::End | Node::Eof => return Err(SoapError::Empty),
            }
        }
    }

    /// Checks that nothing but white space, comments and processing instructions follows the root element.
    pub(super) fn finish(&mut self) -> Result<(), SoapError> {
        loop {
            match self.node()? {
                Node::Eof => return Ok(()),
                Node::Text(text) if is_blank(&text) => {}
                Node::Text(_) => return Err(self.malformed("text after the root element")),
                Node::Start(_) | Node::End => return Err(self.malformed("a second root element")),
            }
        }
    }

    /// Opens the next child of the current element, whose own text is ignored; `None` when it has ended.
    pub(super) fn next_child(&mut self) -> Result<Option<Element<'a>>, SoapError> {
        loop {
            match self.node()? {
                Node::Start(element) => return Ok(Some(element)),
                Node::End | Node::Eof => return Ok(None),
                Node::Text(_) => {}
            }
        }
    }

    /// The current element's text up to its end. Child elements are ignored, with a note.
    pub(super) fn text(&mut self) -> Result<Cow<'a, str>, SoapError> {
        self.mixed_text(|reader, child| {
            reader.repairs.note(Repair::ElementInText(child.name.into()));
            reader.skip()
        })
    }

    /// The current element's text up to its end. Each child element is given to `on_child`, which has to read it to its end.
    pub(super) fn mixed_text(
        &mut self,
        mut on_child: impl FnMut(&mut Self, Element<'a>) -> Result<(), SoapError>,
    ) -> Result<Cow<'a, str>, SoapError> {
        let mut whole = Cow::Borrowed("");
        loop {
            match self.node()? {
                Node::Text(piece) if whole.is_empty() => whole = piece,
                Node::Text(piece) => whole.to_mut().push_str(&piece),
                Node::Start(child) => on_child(self, child)?,
                Node::End | Node::Eof => return Ok(whole),
            }
        }
    }

    /// Reads the current element to its end and forgets it.
    pub(super) fn skip(&mut self) -> Result<(), SoapError> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            self.node()?;
        }
        Ok(())
    }

    /// What is in the current element, as it is written, up to the element's end.
    pub(super) fn raw(&mut self) -> Result<&'a str, SoapError> {
        let from = self.position();
        let is_empty = self.ends_at_once;
        self.skip()?;
        let inside = if is_empty { "" } else { self.body.get(from..self.position()).unwrap_or_default() };
        Ok(inside.rfind("</").map_or("", |end| &inside[..end]))
    }

    /// The namespace of an element that was just opened, as its prefix (or the default) is bound here.
    pub(super) fn namespace_of(&self, element: &Element<'a>) -> Option<&'a str> {
        self.bound_to(prefix_of(element.name))
    }

    /// The namespaces that are declared here, the outermost first.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.bindings.iter().map(|binding| binding.uri)
    }

    fn bound_to(&self, prefix: &str) -> Option<&'a str> {
        self.bindings.iter().rev().find(|binding| binding.prefix == prefix).map(|binding| binding.uri)
    }

    fn node(&mut self) -> Result<Node<'a>, SoapError> {
        if self.ends_at_once {
            self.ends_at_once = false;
            self.close();
            return Ok(Node::End);
        }
        loop {
            let from = self.position();
            let event = match self.events.read_event() {
                Ok(event) => event,
                Err(error) => {
                    let place = Place::of(self.body, offset(self.events.error_position()));
                    let reason = error.to_string().chars().take(MAX_REASON).collect();
                    return Err(SoapError::Malformed { place, reason });
                }
            };
            match event {
                Event::Start(start) => {
                    return self.open(from, start.name().as_ref().len()).map(Node::Start);
                }
                Event::Empty(start) => {
                    self.ends_at_once = true;
                    return self.open(from, start.name().as_ref().len()).map(Node::Start);
                }
                Event::End(_) => {
                    self.close();
                    return Ok(Node::End);
                }
                Event::Text(text) => return Ok(Node::Text(text.xml10_content())),
                Event::CData(text) => return Ok(Node::Text(text.xml10_content())),
                Event::GeneralRef(reference) => {
                    return self.resolve(from, &reference).map(Node::Text);
                }
                Event::DocType(_) => {
                    return Err(SoapError::DocumentType { place: Place::of(self.body, from) });
                }
                Event::Decl(_) if self.elements > 0 => {
                    return Err(self.malformed("an XML declaration inside the document"));
                }
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Eof if self.depth > 0 => {
                    return Err(self.malformed("the document ends inside an element"));
                }
                Event::Eof => return Ok(Node::Eof),
            }
        }
    }

    /// Enters an element whose tag starts at byte `from` and whose name is `name_length` bytes long.
    fn open(&mut self, from: usize, name_length: usize) -> Result<Element<'a>, SoapError> {
        self.depth += 1;
        self.elements += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.too_much("the depth of elements", MAX_DEPTH));
        }
        if self.elements > MAX_ELEMENTS {
            return Err(self.too_much("the number of elements", MAX_ELEMENTS));
        }
        if name_length > MAX_ATTRIBUTE_LENGTH {
            return Err(self.too_much("the length of a name", MAX_ATTRIBUTE_LENGTH));
        }
        let tag = self.body.get(from..self.position()).unwrap_or_default();
        let inside = tag.trim_start_matches('<').trim_end_matches('>').trim_end_matches('/');
        let Some((name, attributes)) = inside.split_at_checked(name_length) else {
            return Err(self.malformed("a tag without a name"));
        };
        if !is_name(name) {
            return Err(self.malformed("an element's name has characters that a name cannot have"));
        }
        let local = local_of(name);
        let mut element = Element { name, local, xsi_type: None, must_understand: false };
        if !is_blank(attributes) {
            self.read_attributes(&mut element, attributes)?;
        }
        let prefix = prefix_of(name);
        if !prefix.is_empty() && prefix != "xml" && self.bound_to(prefix).is_none() {
            if !self.allow_undeclared_prefixes {
                return Err(SoapError::UndeclaredPrefix { place: Place::of(self.body, from), element: name.into() });
            }
            self.repairs.note(Repair::UndeclaredPrefix(name.into()));
        }
        Ok(element)
    }

    fn read_attributes(&mut self, element: &mut Element<'a>, attributes: &'a str) -> Result<(), SoapError> {
        // Repeated attributes are no danger, and looking for them costs an allocation for each element.
        let mut list = Attributes::new(attributes, 0);
        for (index, attribute) in list.with_checks(false).enumerate() {
            if index == MAX_ATTRIBUTES {
                return Err(self.too_much("the number of attributes", MAX_ATTRIBUTES));
            }
            let attribute = attribute.map_err(|error| self.malformed(&error.to_string()))?;
            if attribute.value.len() > MAX_ATTRIBUTE_LENGTH || attribute.key.0.len() > MAX_ATTRIBUTE_LENGTH {
                return Err(self.too_much("the length of an attribute", MAX_ATTRIBUTE_LENGTH));
            }
            let Cow::Borrowed(value) = attribute.value else {
                continue;
            };
            let name = attribute.key.0;
            if self.bindings.len() > MAX_NAMESPACES {
                return Err(self.too_much("the number of namespace declarations", MAX_NAMESPACES));
            }
            match name.split_once(':') {
                Some(("xmlns", prefix)) => self.bindings.push(Binding { prefix, uri: value, depth: self.depth }),
                None if name == "xmlns" => self.bindings.push(Binding { prefix: "", uri: value, depth: self.depth }),
                _ => match local_of(name) {
                    "type" => element.xsi_type = Some(value),
                    "mustUnderstand" => element.must_understand = matches!(value.trim(), "1" | "true"),
                    _ => {}
                },
            }
        }
        Ok(())
    }

    fn close(&mut self) {
        while self.bindings.last().is_some_and(|binding| binding.depth >= self.depth) {
            self.bindings.pop();
        }
        self.depth = self.depth.saturating_sub(1);
    }

    fn resolve(&mut self, from: usize, reference: &BytesRef<'_>) -> Result<Cow<'a, str>, SoapError> {
        if let Some(text) = quick_xml::escape::resolve_xml_entity(reference) {
            return Ok(Cow::Borrowed(text));
        }
        let place = || Place::of(self.body, from);
        let Some(number) = reference.strip_prefix('#') else {
            return Err(SoapError::UnknownEntity { place: place(), name: cut(reference) });
        };
        let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
        if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
            let reason = format!("'&{};' is not a character reference", cut(reference));
            return Err(SoapError::Malformed { place: place(), reason });
        }
        let character =
            u32::from_str_radix(digits, radix).ok().and_then(char::from_u32).filter(|it| is_xml_character(*it));
        match character {
            Some(character) => Ok(Cow::Owned(character.to_string())),
            None => {
                self.repairs.note(Repair::InvalidCharacters);
                Ok(Cow::Borrowed(""))
            }
        }
    }

    fn position(&self) -> usize {
        offset(self.events.buffer_position())
    }

    fn malformed(&self, reason: &str) -> SoapError {
        SoapError::Malformed { place: Place::of(self.body, self.position()), reason: reason.into() }
    }

    fn too_much(&self, what: &'static str, limit: usize) -> SoapError {
        SoapError::TooMuch { place: Place::of(self.body, self.position()), what, limit }
    }
}

/// The document without the characters that XML 1.0 §2.2 does not allow, unchanged when it has none. Some devices end their
/// bodies with a NUL, or put raw bytes of a Wi-Fi name into a value.
pub(super) fn without_invalid_characters(body: &str) -> Cow<'_, str> {
    // U+FFFE and U+FFFF, the only ones that are not single control bytes, start with the byte EF.
    let suspicious = |byte: u8| (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0xEF;
    if !body.bytes().any(suspicious) || body.chars().all(is_xml_character) {
        return Cow::Borrowed(body);
    }
    Cow::Owned(body.chars().filter(|character| is_xml_character(*character)).collect())
}

/// The part of a text that an error message shows.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}

fn is_name(name: &str) -> bool {
    let starts_well = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80;
    let local_starts_well = local_of(name).bytes().next().is_some_and(starts_well);
    local_starts_well
        && name.bytes().next().is_some_and(starts_well)
        && name.bytes().all(|byte| starts_well(byte) || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b':'))
}

fn prefix_of(name: &str) -> &str {
    name.split_once(':').map_or("", |(prefix, _)| prefix)
}

fn local_of(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, local)| local)
}

fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}
