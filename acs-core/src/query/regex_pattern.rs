//! Regular expressions of queries, with bounded cost: matching is linear in the text, and the compiled form is small.

use regex::{Regex, RegexBuilder};

/// The longest pattern, in bytes.
pub const MAXIMUM_PATTERN_LENGTH: usize = 1_000;
/// The largest compiled form, in bytes. It refuses patterns such as `(a{1000}){1000}`.
const MAXIMUM_COMPILED_SIZE: usize = 1 << 20;

/// A regular expression, compiled. Two are equal when their sources and flags are.
#[derive(Debug, Clone)]
pub struct RegexPattern {
    source: String,
    flags: String,
    compiled: Regex,
}

impl RegexPattern {
    /// Compiles a pattern. Flags are `i` (ignore case), `m` (`^` and `$` at lines), `s` (`.` matches line ends), `x` (white space
    /// is ignored); `g` and `u` mean nothing here and are dropped. The error says what cannot be used.
    pub fn new(source: &str, flags: &str) -> Result<RegexPattern, String> {
        if source.len() > MAXIMUM_PATTERN_LENGTH {
            return Err(format!("it is longer than {MAXIMUM_PATTERN_LENGTH} bytes"));
        }
        let mut builder = RegexBuilder::new(source);
        builder.size_limit(MAXIMUM_COMPILED_SIZE).dfa_size_limit(MAXIMUM_COMPILED_SIZE).nest_limit(50);
        let mut kept = String::new();
        for flag in flags.chars() {
            match flag {
                'i' => builder.case_insensitive(true),
                'm' => builder.multi_line(true),
                's' => builder.dot_matches_new_line(true),
                'x' => builder.ignore_whitespace(true),
                'g' | 'u' => continue,
                other => return Err(format!("there is no option {other:?}; only i, m, s and x")),
            };
            if !kept.contains(flag) {
                kept.push(flag);
            }
        }
        let compiled = builder.build().map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "it is too large when compiled".to_owned(),
            // The parser's errors show the pattern with a marker over several lines; the last line says what is wrong.
            other => {
                let text = other.to_string();
                let reason = text.lines().last().unwrap_or_default().trim();
                reason.strip_prefix("error: ").unwrap_or(reason).to_owned()
            }
        })?;
        Ok(RegexPattern { source: source.into(), flags: kept, compiled })
    }

    /// The pattern without delimiters.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Those of `imsx` that apply, for stores that translate.
    pub fn flags(&self) -> &str {
        &self.flags
    }

    /// Whether the pattern is found anywhere in the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.compiled.is_match(text)
    }
}

impl PartialEq for RegexPattern {
    fn eq(&self, other: &RegexPattern) -> bool {
        self.source == other.source && self.flags == other.flags
    }
}
