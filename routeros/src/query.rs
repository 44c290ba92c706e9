//! Conditions on the rows of a print, as the query words of the API: a stack machine in postfix order.

/// Which rows to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// The row has this property.
    Has(String),
    /// The row lacks this property. Unset properties are absent, not empty.
    Lacks(String),
    /// The property has this value. Booleans are `true` and `false`.
    Equals(String, Vec<u8>),
    /// The property is less than this value.
    Less(String, Vec<u8>),
    /// The property is greater than this value. Greater than the empty value: it is there and not empty.
    Greater(String, Vec<u8>),
    /// The opposite.
    Not(Box<Query>),
    /// All of these; true of none.
    All(Vec<Query>),
    /// One of these at least; false of none.
    Any(Vec<Query>),
}

impl Query {
    /// `name = value`.
    pub fn equals(name: impl Into<String>, value: impl Into<Vec<u8>>) -> Query {
        Query::Equals(name.into(), value.into())
    }

    /// The row with this id: there is no other way to read one item.
    pub fn id(id: impl Into<Vec<u8>>) -> Query {
        Query::equals(".id", id)
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Query) -> Query {
        match self {
            Query::All(mut queries) => {
                queries.push(other);
                Query::All(queries)
            }
            query => Query::All(vec![query, other]),
        }
    }

    /// One of the two at least.
    #[must_use]
    pub fn or(self, other: Query) -> Query {
        match self {
            Query::Any(mut queries) => {
                queries.push(other);
                Query::Any(queries)
            }
            query => Query::Any(vec![query, other]),
        }
    }

    /// The query words, in order.
    pub fn words(&self) -> Vec<Vec<u8>> {
        let mut words = Vec::new();
        self.write(&mut words);
        words
    }

    /// The names of properties that it uses.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Query::Has(name)
            | Query::Lacks(name)
            | Query::Equals(name, _)
            | Query::Less(name, _)
            | Query::Greater(name, _) => vec![name],
            Query::Not(query) => query.names(),
            Query::All(queries) | Query::Any(queries) => queries.iter().flat_map(Query::names).collect(),
        }
    }

    /// Each query leaves one value on the stack.
    fn write(&self, words: &mut Vec<Vec<u8>>) {
        match self {
            Query::Has(name) => words.push(word(b"?", name, None)),
            Query::Lacks(name) => words.push(word(b"?-", name, None)),
            Query::Equals(name, value) => words.push(word(b"?=", name, Some(value))),
            Query::Less(name, value) => words.push(word(b"?<", name, Some(value))),
            Query::Greater(name, value) => words.push(word(b"?>", name, Some(value))),
            Query::Not(query) => {
                query.write(words);
                words.push(b"?#!".to_vec());
            }
            Query::All(queries) => write_joined(queries, b"?#&", true, words),
            Query::Any(queries) => write_joined(queries, b"?#|", false, words),
        }
    }
}

fn write_joined(queries: &[Query], operator: &[u8], of_none: bool, words: &mut Vec<Vec<u8>>) {
    let Some((first, rest)) = queries.split_first() else {
        // Every row has an id or lacks it, so one of the two is a constant in any menu.
        Query::Has(".id".to_owned()).write(words);
        Query::Lacks(".id".to_owned()).write(words);
        words.push(if of_none { b"?#|".to_vec() } else { b"?#&".to_vec() });
        return;
    };
    first.write(words);
    for query in rest {
        query.write(words);
        words.push(operator.to_vec());
    }
}

fn word(mark: &[u8], name: &str, value: Option<&[u8]>) -> Vec<u8> {
    let mut word = [mark, name.as_bytes()].concat();
    if let Some(value) = value {
        word.push(b'=');
        word.extend_from_slice(value);
    }
    word
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    type Row = BTreeMap<String, String>;

    fn texts(query: &Query) -> Vec<String> {
        query.words().into_iter().map(|word| String::from_utf8_lossy(&word).into_owned()).collect()
    }

    #[test]
    fn each_condition_is_a_word_and_operators_follow() {
        let equals = |name: &str, value: &str| Query::equals(name, value);
        let cases = [
            (Query::Has("comment".into()), vec!["?comment"]),
            (Query::Lacks("comment".into()), vec!["?-comment"]),
            (equals("chain", "input"), vec!["?=chain=input"]),
            (Query::id("*1A"), vec!["?=.id=*1A"]),
            (equals("comment", "a=b"), vec!["?=comment=a=b"]),
            (Query::Less("mtu".into(), "1500".into()), vec!["?<mtu=1500"]),
            (Query::Greater("comment".into(), "".into()), vec!["?>comment="]),
            (Query::Not(Box::new(equals("a", "1"))), vec!["?=a=1", "?#!"]),
            (equals("a", "1").and(equals("b", "2")), vec!["?=a=1", "?=b=2", "?#&"]),
            (
                equals("a", "1").and(equals("b", "2")).and(equals("c", "3").or(equals("d", "4"))),
                vec!["?=a=1", "?=b=2", "?#&", "?=c=3", "?=d=4", "?#|", "?#&"],
            ),
        ];
        for (query, expected) in cases {
            assert_eq!(texts(&query), expected, "{query:?}");
        }
    }

    /// What the query means.
    fn holds(query: &Query, row: &Row) -> bool {
        let value = |name: &String| row.get(name).map(|value| value.as_bytes());
        match query {
            Query::Has(name) => row.contains_key(name),
            Query::Lacks(name) => !row.contains_key(name),
            Query::Equals(name, wanted) => value(name) == Some(wanted),
            Query::Less(name, wanted) => value(name).is_some_and(|value| value < wanted.as_slice()),
            Query::Greater(name, wanted) => value(name).is_some_and(|value| value > wanted.as_slice()),
            Query::Not(query) => !holds(query, row),
            Query::All(queries) => queries.iter().all(|query| holds(query, row)),
            Query::Any(queries) => queries.iter().any(|query| holds(query, row)),
        }
    }

    /// What a router does with the words: a stack of infinitely many `true`, and the row stays when no `false` is left.
    fn is_kept(words: &[String], row: &Row) -> bool {
        let mut stack = Vec::new();
        for word in words {
            let word = &word[1..];
            let condition = |text: &str| {
                let (name, value) = text.split_once('=').unwrap_or((text, ""));
                (row.get(name).cloned(), value.to_owned())
            };
            let pushed = match word.as_bytes()[0] {
                b'#' => {
                    let top = stack.pop().unwrap_or(true);
                    match &word[1..] {
                        "!" => !top,
                        "&" => stack.pop().unwrap_or(true) & top,
                        "|" => stack.pop().unwrap_or(true) | top,
                        other => panic!("unexpected operator {other}"),
                    }
                }
                b'-' => !row.contains_key(&word[1..]),
                b'=' => {
                    let (found, wanted) = condition(&word[1..]);
                    found == Some(wanted)
                }
                b'<' => {
                    let (found, wanted) = condition(&word[1..]);
                    found.is_some_and(|found| found < wanted)
                }
                b'>' => {
                    let (found, wanted) = condition(&word[1..]);
                    found.is_some_and(|found| found > wanted)
                }
                _ => row.contains_key(word),
            };
            stack.push(pushed);
        }
        !stack.contains(&false)
    }

    fn query() -> impl Strategy<Value = Query> {
        let name = || prop_oneof!["a", "b", "\\.id"].prop_map(String::from);
        let value = || prop_oneof!["", "1", "2"].prop_map(|value: String| value.into_bytes());
        let leaf = prop_oneof![
            name().prop_map(Query::Has),
            name().prop_map(Query::Lacks),
            (name(), value()).prop_map(|(name, value)| Query::Equals(name, value)),
            (name(), value()).prop_map(|(name, value)| Query::Less(name, value)),
            (name(), value()).prop_map(|(name, value)| Query::Greater(name, value)),
        ];
        leaf.prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                inner.clone().prop_map(|query| Query::Not(Box::new(query))),
                vec(inner.clone(), 0..4).prop_map(Query::All),
                vec(inner, 0..4).prop_map(Query::Any),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_words_keep_the_rows_that_are_meant(
            query in query(),
            row in btree_map(prop_oneof!["a", "b", "\\.id"], prop_oneof!["", "1", "2"], 0..4),
        ) {
            prop_assert_eq!(is_kept(&texts(&query), &row), holds(&query, &row));
        }
    }
}
