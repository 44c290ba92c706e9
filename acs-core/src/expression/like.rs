//! Patterns of `LIKE`, and of globs, which are the same thing in other letters.

/// A pattern that a whole text matches or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LikePattern {
    tokens: Vec<LikeToken>,
}

/// A piece of a [`LikePattern`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LikeToken {
    /// Any run of characters, also none: `%`, or `*` in a glob.
    AnyRun,
    /// Exactly one character: `_`.
    AnyCharacter,
    /// This character.
    Character(char),
}

impl LikePattern {
    /// Reads a pattern of `LIKE`. After the escape character the next character stands for itself; an escape character at the
    /// end does so too.
    pub fn parse(pattern: &str, escape: Option<char>) -> LikePattern {
        let mut tokens = Vec::with_capacity(pattern.len());
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            tokens.push(match character {
                _ if Some(character) == escape => LikeToken::Character(characters.next().unwrap_or(character)),
                '%' => LikeToken::AnyRun,
                '_' => LikeToken::AnyCharacter,
                _ => LikeToken::Character(character),
            });
        }
        LikePattern::from_tokens(tokens)
    }

    /// Reads a glob: every `*` is any run of characters, all else stands for itself.
    pub fn glob(pattern: &str) -> LikePattern {
        LikePattern::from_tokens(
            pattern
                .chars()
                .map(|character| match character {
                    '*' => LikeToken::AnyRun,
                    _ => LikeToken::Character(character),
                })
                .collect(),
        )
    }

    /// The pattern that only this text matches.
    pub fn exactly(text: &str) -> LikePattern {
        LikePattern::from_tokens(text.chars().map(LikeToken::Character).collect())
    }

    fn from_tokens(mut tokens: Vec<LikeToken>) -> LikePattern {
        tokens.dedup_by(|next, before| *before == LikeToken::AnyRun && *next == LikeToken::AnyRun);
        LikePattern { tokens }
    }

    /// The pieces in order, without two [`LikeToken::AnyRun`] side by side.
    pub fn tokens(&self) -> &[LikeToken] {
        &self.tokens
    }

    /// The same pattern with its characters mapped, each to one or more.
    pub fn map_characters<I: IntoIterator<Item = char>>(&self, map: impl Fn(char) -> I) -> LikePattern {
        let mut tokens = Vec::with_capacity(self.tokens.len());
        for token in &self.tokens {
            match token {
                LikeToken::Character(character) => {
                    tokens.extend(map(*character).into_iter().map(LikeToken::Character));
                }
                other => tokens.push(*other),
            }
        }
        LikePattern { tokens }
    }

    /// Whether the whole text matches; line ends are characters like others.
    pub fn matches(&self, text: &str) -> bool {
        self.matches_where(text, |_| true)
    }

    /// Whether the whole text matches, where neither `%` nor `_` stands for a line end.
    pub fn matches_within_lines(&self, text: &str) -> bool {
        self.matches_where(text, |character| !matches!(character, '\n' | '\r' | '\u{2028}' | '\u{2029}'))
    }

    /// Greedy matching that on failure goes back to the last run only: earlier runs need not be tried again, since whatever they
    /// could give up the last run can take. Time is at most pattern × text.
    fn matches_where(&self, text: &str, wild: impl Fn(char) -> bool) -> bool {
        let mut position = 0;
        let mut rest = text.chars();
        // Where to go on after lengthening the last run by one character.
        let mut last_run: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let mut ahead = rest.clone();
            let next = ahead.next();
            let matched = match (self.tokens.get(position), next) {
                (Some(LikeToken::AnyRun), _) => {
                    position += 1;
                    last_run = Some((position, rest.clone()));
                    continue;
                }
                (None, None) => return true,
                (Some(LikeToken::AnyCharacter), Some(character)) => wild(character),
                (Some(LikeToken::Character(expected)), Some(character)) => *expected == character,
                _ => false,
            };
            if matched {
                position += 1;
                rest = ahead;
                continue;
            }
            match &mut last_run {
                Some((after_run, run_end)) => match run_end.next() {
                    Some(character) if wild(character) => {
                        position = *after_run;
                        rest = run_end.clone();
                    }
                    _ => return false,
                },
                None => return false,
            }
        }
    }

    /// The pattern as the source of a regular expression that is anchored at both ends, without flags; for stores that translate.
    pub fn to_regex(&self) -> String {
        let mut source = String::from("^");
        for token in &self.tokens {
            match token {
                LikeToken::AnyRun => source.push_str("[\\s\\S]*"),
                LikeToken::AnyCharacter => source.push_str("[\\s\\S]"),
                LikeToken::Character(character) => {
                    source.push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
                }
            }
        }
        source.push('$');
        source
    }
}
