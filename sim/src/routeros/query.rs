//! Query words: a stack machine that says whether a row is kept.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A row as print shows it.
pub type Fields = BTreeMap<String, Vec<u8>>;

/// Whether the row is kept: no `false` is left on the stack.
pub fn keeps(query: &[String], row: &Fields) -> bool {
    let mut stack: Vec<bool> = Vec::new();
    for word in query {
        match word.strip_prefix('#') {
            Some(operators) => operate(operators, &mut stack),
            None => stack.push(holds(word, row)),
        }
    }
    stack.iter().all(|value| *value)
}

fn holds(word: &str, row: &Fields) -> bool {
    if let Some(name) = word.strip_prefix('-') {
        return !row.contains_key(name);
    }
    let (relation, rest) = match word.as_bytes().first() {
        Some(b'<') => (Ordering::Less, &word[1..]),
        Some(b'>') => (Ordering::Greater, &word[1..]),
        Some(b'=') => (Ordering::Equal, &word[1..]),
        _ => (Ordering::Equal, word),
    };
    match rest.split_once('=') {
        None => row.contains_key(rest),
        Some((name, wanted)) => match row.get(name) {
            None => false,
            Some(value) if relation == Ordering::Equal => is_same(value, wanted.as_bytes()),
            Some(value) => compare(value, wanted.as_bytes()) == relation,
        },
    }
}

/// Booleans have two spellings.
fn is_same(value: &[u8], wanted: &[u8]) -> bool {
    value == wanted || matches!((value, wanted), (b"true", b"yes") | (b"false", b"no"))
}

fn compare(value: &[u8], wanted: &[u8]) -> Ordering {
    let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<i128>().ok());
    match (number(value), number(wanted)) {
        (Some(value), Some(wanted)) => value.cmp(&wanted),
        _ => value.cmp(wanted),
    }
}

/// Operators from left to right. The stack begins as infinitely many `true`.
fn operate(operators: &str, stack: &mut Vec<bool>) {
    let bytes = operators.as_bytes();
    let mut position = 0;
    let mut after_index = false;
    while let Some(byte) = bytes.get(position) {
        position += 1;
        match byte {
            b'!' => {
                let top = stack.pop().unwrap_or(true);
                stack.push(!top);
            }
            b'&' | b'|' => {
                let (right, left) = (stack.pop().unwrap_or(true), stack.pop().unwrap_or(true));
                stack.push(if *byte == b'&' { left & right } else { left | right });
            }
            b'.' if !after_index => {
                let top = stack.last().copied().unwrap_or(true);
                stack.push(top);
            }
            b'0'..=b'9' => {
                let begin = position - 1;
                while bytes.get(position).is_some_and(u8::is_ascii_digit) {
                    position += 1;
                }
                let index = operators[begin..position].parse::<usize>().unwrap_or(usize::MAX);
                let value = stack.iter().rev().nth(index).copied().unwrap_or(true);
                if position == bytes.len() {
                    *stack = vec![value];
                } else {
                    stack.push(value);
                }
                after_index = true;
                continue;
            }
            _ => {}
        }
        after_index = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(query: &[&str]) -> bool {
        let fields = [("name", "ether1"), ("mtu", "1500"), ("disabled", "false"), ("comment", "")];
        let row = fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        keeps(&query.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), &row)
    }

    #[test]
    fn words_are_conditions_and_all_must_hold() {
        let cases: [(&[&str], bool); 17] = [
            (&[], true),
            (&["name"], true),
            (&["type"], false),
            (&["-type"], true),
            (&["-name"], false),
            (&["name=ether1"], true),
            (&["=name=ether1"], true),
            (&["=name=ether2"], false),
            (&["disabled=no"], true),
            (&["disabled=false"], true),
            (&["disabled=yes"], false),
            (&["<mtu=1501"], true),
            (&[">mtu=900"], true),
            (&[">mtu=1500"], false),
            (&[">comment="], false),
            (&["name=ether1", "mtu=1"], false),
            (&["type=x"], false),
        ];
        for (query, expected) in cases {
            assert_eq!(kept(query), expected, "{query:?}");
        }
    }

    #[test]
    fn operators_work_on_the_stack() {
        let (yes, no) = ("name", "type");
        let cases: [(&[&str], bool); 14] = [
            (&[no, "#!"], true),
            (&[yes, "#!"], false),
            (&[yes, no, "#|"], true),
            (&[yes, no, "#&"], false),
            (&[no, no, "#|"], false),
            (&[no, "#|"], true),
            (&[no, "#!", yes, "#&!"], false),
            // An index at the end replaces the whole stack.
            (&[no, yes, "#0"], true),
            (&[no, yes, "#1"], false),
            (&[no, yes, "#7"], true),
            // In front of another operator it pushes a copy.
            (&[yes, no, "#1&"], false),
            (&[yes, no, "#1|0"], true),
            (&[no, "#.!|"], true),
            (&[no, yes, "#1.|"], false),
        ];
        for (query, expected) in cases {
            assert_eq!(kept(query), expected, "{query:?}");
        }
    }
}
