//! Pre-rendered messages with places for what differs from session to session.

/// What goes into a message's places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    pub(super) serial_number: &'a str,
    /// Ten digits.
    pub(super) sequence: &'a str,
    /// ISO 8601, UTC.
    pub(super) time: &'a str,
    /// The `cwmp:ID` of the request that is answered, escaped as it came.
    pub(super) id: &'a str,
    /// How often the session was tried before.
    pub(super) retries: &'a str,
}

/// Texts that mark the places; they need no XML escaping.
pub(super) const SERIAL: &str = "@SERIAL@";
pub(super) const SEQUENCE: &str = "@SEQUENCE@";
pub(super) const TIME: &str = "@TIME@";
pub(super) const ID: &str = "@ID@";
pub(super) const RETRIES: &str = "@RETRIES@";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Serial,
    Sequence,
    Time,
    Id,
    Retries,
}

/// A message taken apart at its places.
#[derive(Debug)]
pub(super) struct Template {
    /// Each text is followed by its place.
    pieces: Vec<(String, Place)>,
    last: String,
}

impl Template {
    /// Finds the places in a rendered message.
    pub(super) fn new(message: &str) -> Self {
        const MARKS: [(&str, Place); 5] = [
            (SERIAL, Place::Serial),
            (SEQUENCE, Place::Sequence),
            (TIME, Place::Time),
            (ID, Place::Id),
            (RETRIES, Place::Retries),
        ];
        let mut pieces = Vec::new();
        let mut rest = message;
        loop {
            let next = MARKS
                .iter()
                .filter_map(|(mark, place)| Some((rest.find(mark)?, mark.len(), *place)))
                .min_by_key(|(at, _, _)| *at);
            let Some((at, length, place)) = next else {
                return Self { pieces, last: rest.to_owned() };
            };
            pieces.push((rest[..at].to_owned(), place));
            rest = &rest[at + length..];
        }
    }

    /// Length of the filled-in message in bytes.
    pub(super) fn length(&self, fields: Fields<'_>) -> usize {
        let pieces = self.pieces.iter().map(|(text, place)| text.len() + place.of(fields).len());
        pieces.sum::<usize>() + self.last.len()
    }

    /// Appends the filled-in message.
    pub(super) fn render(&self, fields: Fields<'_>, out: &mut Vec<u8>) {
        for (text, place) in &self.pieces {
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(place.of(fields).as_bytes());
        }
        out.extend_from_slice(self.last.as_bytes());
    }
}

impl Place {
    fn of(self, fields: Fields<'_>) -> &str {
        match self {
            Self::Serial => fields.serial_number,
            Self::Sequence => fields.sequence,
            Self::Time => fields.time,
            Self::Id => fields.id,
            Self::Retries => fields.retries,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn places_are_filled_and_counted() {
        let fields = Fields { serial_number: "S1", sequence: "0000000042", time: "T", id: "i", retries: "3" };
        for (message, expected) in [
            ("a@SERIAL@b@ID@@SEQUENCE@c", "aS1bi0000000042c"),
            ("@TIME@", "T"),
            ("@RETRIES@", "3"),
            ("@SERIAL", "@SERIAL"),
            ("", ""),
        ] {
            let template = Template::new(message);
            let mut out = Vec::new();
            template.render(fields, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
            assert_eq!(template.length(fields), expected.len());
        }
    }
}
