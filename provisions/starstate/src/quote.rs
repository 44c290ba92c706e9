//! Text inside scripts of RouterOS, so that it stays text. Pure.
//!
//! Values of API words need none of this: they are data. But what stands in the source of a script, in a scheduler's event or in a
//! script of Netwatch is parsed by the router, and a quote or a `$` in a name would become code there. Whoever writes a script puts
//! every text that is not its own through [`quote`] or [`quote_pattern`], and nothing else writes quotes.

use std::fmt::Write as _;

/// A text as a string of the script language, with its quotes.
///
/// All that is not a letter, digit or one of a few harmless marks of ASCII is written as its bytes in hexadecimal, so that no reader's
/// rules for `$`, `[`, `;`, lines or encodings matter.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' | b'$' | b'?' => {
                quoted.push('\\');
                quoted.push(char::from(byte));
            }
            b'\n' => quoted.push_str("\\n"),
            b'\r' => quoted.push_str("\\r"),
            b'\t' => quoted.push_str("\\t"),
            b' ' | b'.' | b',' | b':' | b'/' | b'-' | b'_' | b'@' | b'%' | b'+' | b'=' | b'|' => {
                quoted.push(char::from(byte))
            }
            _ if byte.is_ascii_alphanumeric() => quoted.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(quoted, "\\{byte:02X}")),
        }
    }
    quoted.push('"');
    quoted
}

/// A text as a quoted regular expression that matches just values that end with it.
pub fn quote_pattern_of_end(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        // Brackets work for all marks alike, but not for these two.
        match character {
            '\\' | '^' => pattern.extend(['\\', character]),
            _ if character.is_ascii_punctuation() => pattern.extend(['[', character, ']']),
            _ => pattern.push(character),
        }
    }
    pattern.push('$');
    quote(&pattern)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a string of the script language, as a router does: what stands behind the closing quote is code.
    fn parse(script: &str) -> Result<(Vec<u8>, &str), String> {
        let mut bytes = script.strip_prefix('"').ok_or("no opening quote")?.bytes();
        let mut read = Vec::new();
        loop {
            match bytes.next().ok_or("no closing quote")? {
                b'"' => return Ok((read, &script[script.len() - bytes.len()..])),
                b'$' => return Err("a variable".to_owned()),
                b'\n' | b'\r' => return Err("a line end".to_owned()),
                b'\\' => match bytes.next().ok_or("nothing escaped")? {
                    b'n' => read.push(b'\n'),
                    b'r' => read.push(b'\r'),
                    b't' => read.push(b'\t'),
                    mark @ (b'"' | b'\\' | b'$' | b'?' | b'_') => read.push(if mark == b'_' { b' ' } else { mark }),
                    b'(' => return Err("an expression".to_owned()),
                    high if high.is_ascii_digit() || (b'A'..=b'F').contains(&high) => {
                        let low = bytes.next().ok_or("half a byte")?;
                        let digits = [high, low];
                        let digits = std::str::from_utf8(&digits).map_err(|error| error.to_string())?;
                        read.push(u8::from_str_radix(digits, 16).map_err(|error| error.to_string())?);
                    }
                    other => return Err(format!("an unknown escape {other}")),
                },
                byte => read.push(byte),
            }
        }
    }

    #[test]
    fn what_would_be_code_is_text() {
        for text in [
            "",
            "\"; /system reset-configuration; \"",
            "$(x)",
            "[/user remove 0]",
            "a\\",
            "\r\n",
            "{}",
            "ü€🦀",
            "\0",
            "\\24",
            "\\(1)",
        ] {
            let quoted = quote(text);
            assert_eq!(parse(&quoted), Ok((text.as_bytes().to_vec(), "")), "{quoted}");
        }
        assert_eq!(quote("a \"b\" $c [d];\n"), r#""a \"b\" \$c \5Bd\5D\3B\n""#);
    }

    #[test]
    fn a_pattern_matches_its_own_text_alone() {
        assert_eq!(parse(&quote_pattern_of_end("a.b^c]\\")).unwrap().0, br"a[.]b\^c[]]\\$");
        assert_eq!(parse(&quote_pattern_of_end("Route-to-x")).unwrap().0, br"Route[-]to[-]x$");
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>(), behind in "[a-z\"; $\\\\]{0,8}") {
            let script = format!("{}{behind}", quote(&text));
            prop_assert_eq!(parse(&script), Ok((text.into_bytes(), behind.as_str())));
        }

        #[test]
        fn a_quoted_text_is_one_line_of_printable_ascii(text in any::<String>()) {
            prop_assert!(quote(&text).bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
    }
}
