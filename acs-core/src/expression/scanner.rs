//! The smallest pieces of an expression's text: words, numbers, quoted text, symbols; and errors with their place.

use super::ExpressionError;

/// Whether a character may be part of a parameter name.
pub(super) fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '*' | '-')
}

/// A text and how far it has been read.
pub(super) struct Scanner<'t> {
    /// The whole text.
    pub(super) text: &'t str,
    /// Bytes that have been read.
    pub(super) position: usize,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str) -> Scanner<'t> {
        Scanner { text, position: 0 }
    }

    /// A number, if one is here. `5-3` is a number and more; `5_x` and `5{x}` are names.
    pub(super) fn number(&mut self) -> Result<Option<f64>, ExpressionError> {
        let rest = &self.text[self.position..];
        let sign = usize::from(rest.starts_with('-'));
        if !rest[sign..].starts_with(|character: char| character.is_ascii_digit()) {
            return Ok(None);
        }
        let length = number_length(rest);
        let next = rest[length..].chars().next();
        let goes_on = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '{');
        if !next.is_some_and(goes_on) {
            let number: f64 = rest[..length].parse().unwrap_or(f64::INFINITY);
            if number.is_infinite() {
                return Err(self.error(self.position, "number out of range"));
            }
            self.position += length;
            return Ok(Some(number));
        }
        let word = self.word();
        let looks_numeric = word[sign..].chars().all(|c| c.is_ascii_digit() || c == '.');
        if looks_numeric && !rest[word.len()..].starts_with('{') {
            let message = format!("{word} is not a number; if text is meant, quote it");
            return Err(self.error(self.position, message));
        }
        Ok(None)
    }

    pub(super) fn single_quoted(&mut self) -> Result<String, ExpressionError> {
        let start = self.position;
        self.position += 1;
        let mut text = String::new();
        while let Some(character) = self.next() {
            if character != '\'' {
                text.push(character);
            } else if self.peek() == Some('\'') {
                self.position += 1;
                text.push('\'');
            } else {
                return Ok(text);
            }
        }
        Err(self.error(start, "the text that begins here has no closing '"))
    }

    pub(super) fn double_quoted(&mut self) -> Result<String, ExpressionError> {
        let start = self.position;
        self.position += 1;
        let mut text = String::new();
        while let Some(character) = self.next() {
            match character {
                '"' => return Ok(text),
                '\\' => text.push(self.escaped()?),
                _ => text.push(character),
            }
        }
        Err(self.error(start, "the text that begins here has no closing \""))
    }

    /// The character that an escape stands for, after its backslash.
    fn escaped(&mut self) -> Result<char, ExpressionError> {
        let start = self.position - 1;
        Ok(match self.next() {
            Some(character @ ('"' | '\\' | '/' | '\'')) => character,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let unpaired = "\\u must be followed by four hexadecimal digits, and a surrogate by its other half";
                let mut units = vec![self.code_unit().ok_or_else(|| self.error(start, unpaired))?];
                if (0xD800..0xDC00).contains(&units[0]) && self.text[self.position..].starts_with("\\u") {
                    self.position += 2;
                    units.extend(self.code_unit());
                }
                match char::decode_utf16(units).collect::<Result<Vec<_>, _>>().as_deref() {
                    Ok([character]) => *character,
                    _ => return Err(self.error(start, unpaired)),
                }
            }
            _ => return Err(self.error(start, "unknown escape; a backslash is written \\\\")),
        })
    }

    fn code_unit(&mut self) -> Option<u16> {
        let digits = self.text.get(self.position..self.position + 4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.position += 4;
        u16::from_str_radix(digits, 16).ok()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.text[self.position..].chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.position += character.len_utf8();
        Some(character)
    }

    pub(super) fn skip_space(&mut self) {
        let rest = &self.text[self.position..];
        self.position += rest.len() - rest.trim_start().len();
    }

    /// The name characters from here on.
    pub(super) fn word(&self) -> &'t str {
        let rest = &self.text[self.position..];
        let length = rest.find(|character| !is_name_character(character)).unwrap_or(rest.len());
        &rest[..length]
    }

    pub(super) fn accept(&mut self, symbol: &str) -> bool {
        self.skip_space();
        let found = self.text[self.position..].starts_with(symbol);
        if found {
            self.position += symbol.len();
        }
        found
    }

    pub(super) fn accept_keyword(&mut self, keyword: &str) -> bool {
        self.skip_space();
        let word = self.word();
        let found = word.eq_ignore_ascii_case(keyword) && !self.text[self.position + word.len()..].starts_with('{');
        if found {
            self.position += word.len();
        }
        found
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Result<(), ExpressionError> {
        if self.accept(symbol) {
            return Ok(());
        }
        Err(self.expected(symbol))
    }

    pub(super) fn expect_keyword(&mut self, keyword: &str) -> Result<(), ExpressionError> {
        if self.accept_keyword(keyword) {
            return Ok(());
        }
        Err(self.expected(keyword))
    }

    pub(super) fn expected(&self, what: &str) -> ExpressionError {
        let found = match (self.word(), self.peek()) {
            (_, None) => "the end".to_owned(),
            ("", Some(character)) => format!("{character:?}"),
            (word, _) => word.to_owned(),
        };
        self.error(self.position, format!("expected {what}, found {found}"))
    }

    pub(super) fn unexpected(&self, found: char) -> ExpressionError {
        let rest = &self.text[self.position..];
        let message = match found {
            _ if self.word().eq_ignore_ascii_case("IN") => "there is no IN; write a = 1 OR a = 2".to_owned(),
            _ if self.word().eq_ignore_ascii_case("BETWEEN") => {
                "there is no BETWEEN; write a >= 1 AND a <= 2".to_owned()
            }
            '!' if rest.starts_with("!=") => "there is no !=; write <>".to_owned(),
            '[' | ']' => format!("unexpected {found}; names with aliases cannot be used here"),
            '=' if rest.starts_with("==") => "there is no ==; write =".to_owned(),
            _ => {
                let word = self.word();
                let shown = if word.is_empty() { found.to_string() } else { word.to_owned() };
                format!("unexpected {shown:?}")
            }
        };
        self.error(self.position, message)
    }

    pub(super) fn error(&self, offset: usize, message: impl Into<String>) -> ExpressionError {
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ExpressionError {
            message: message.into(),
            offset,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// The length of the JSON number at the start of a text, which begins with a digit or with `-` and a digit.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits =
        |from: usize| bytes.get(from..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = usize::from(bytes.first() == Some(&b'-'));
    end += if bytes.get(end) == Some(&b'0') { 1 } else { digits(end) };
    if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if digits(end + 1 + sign) > 0 {
            end += 1 + sign + digits(end + 1 + sign);
        }
    }
    end
}
