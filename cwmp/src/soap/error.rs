//! Why a body is not an envelope that the ACS can work with.

use std::fmt;

/// Where in the document something is wrong. Both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in that line.
    pub column: usize,
}

impl Place {
    /// The place of a byte offset. An offset past the end, or inside a character, means the last whole character before it.
    pub(super) fn of(body: &str, offset: usize) -> Place {
        let before = &body[..body.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

/// A body that cannot be understood. The text says what is wrong, and where; it is fit to be the answer's body and to be shown
/// to an operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SoapError {
    /// The document is not well-formed XML.
    #[error("malformed XML at {place}: {reason}")]
    Malformed {
        /// Where.
        place: Place,
        /// What the XML parser says.
        reason: String,
    },
    /// A DOCTYPE. SOAP forbids it (SOAP 1.1 §3), and it is where entity attacks come from.
    #[error("a document type declaration is not allowed ({place})")]
    DocumentType {
        /// Where.
        place: Place,
    },
    /// An entity other than `lt gt amp quot apos`.
    #[error("unknown entity '&{name};' at {place}")]
    UnknownEntity {
        /// Where.
        place: Place,
        /// The entity's name, without `&` and `;`.
        name: String,
    },
    /// An element whose prefix is bound to no namespace. [`super::ParseOptions`] can tolerate it.
    #[error("the prefix of <{element}> is not declared ({place})")]
    UndeclaredPrefix {
        /// Where.
        place: Place,
        /// The element with its prefix.
        element: String,
    },
    /// More than a limit allows: depth, elements, attributes, or the length of one attribute.
    #[error("{what} exceeds the limit of {limit} ({place})")]
    TooMuch {
        /// Where.
        place: Place,
        /// What there is too much of.
        what: &'static str,
        /// As much is allowed.
        limit: usize,
    },
    /// There is no element at all.
    #[error("the document is empty")]
    Empty,
    /// The outermost element is something else.
    #[error("<{found}> is not a SOAP envelope")]
    NotAnEnvelope {
        /// The outermost element's local name.
        found: String,
    },
    /// The envelope has no Body.
    #[error("the envelope has no Body")]
    NoBody,
    /// The Body holds no RPC.
    #[error("the Body is empty")]
    EmptyBody,
    /// The Body holds more than one RPC.
    #[error("the Body holds several RPCs: {first} and {second}")]
    SeveralRPCs {
        /// The first one's local name.
        first: String,
        /// The second one's.
        second: String,
    },
    /// An element without which the RPC means nothing.
    #[error("{parent} has no {element}, or an empty one")]
    Missing {
        /// The missing element.
        element: &'static str,
        /// Where it should be.
        parent: &'static str,
    },
    /// An element without which the RPC means nothing, and whose text is too long.
    #[error("{element} in {parent} has more than {limit} bytes")]
    TooLong {
        /// The element.
        element: &'static str,
        /// Where it is.
        parent: &'static str,
        /// So many are allowed.
        limit: usize,
    },
    /// An element without which the RPC means nothing, and whose text cannot be read.
    #[error("{element} in {parent} is not a number: '{text}'")]
    NotANumber {
        /// The element.
        element: &'static str,
        /// Where it is.
        parent: &'static str,
        /// Its text, cut to 64 characters.
        text: String,
    },
}

impl SoapError {
    /// Whether the document is a proper envelope whose RPC lacks arguments. Such a request is answered with fault 8003; anything
    /// else is not SOAP, and HTTP status 400 says so.
    pub fn is_invalid_arguments(&self) -> bool {
        matches!(
            self,
            SoapError::SeveralRPCs { .. }
                | SoapError::Missing { .. }
                | SoapError::TooLong { .. }
                | SoapError::NotANumber { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        let body = "ab\nçd\n";
        let cases = [(0, 1, 1), (1, 1, 2), (3, 2, 1), (4, 2, 1), (5, 2, 2), (7, 3, 1), (99, 3, 1)];
        for (offset, line, column) in cases {
            assert_eq!(Place::of(body, offset), Place { line, column }, "offset {offset}");
        }
    }
}
