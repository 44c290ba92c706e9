//! Help for people who come from the incumbent's JavaScript: what to write instead.

/// Names that JavaScript has and Rhai spells differently.
const NAMES: &[(&str, &str)] = &[
    ("Date", "the session's time is now(), now(interval) or now(\"cron\")"),
    ("Math", "mathematical functions are called directly: floor(x), ceiling(x), round(x), abs(x), min(a, b), random()"),
    ("JSON", "JSON is read by parse_json(text) and written by to_json(value)"),
    ("Object", "a map has .keys(), .values(), .contains(key) and .len()"),
    ("Array", "type_of(x) == \"array\" tells an array"),
    ("RegExp", "there are no regular expressions; texts have contains, starts_with, split, index_of and sub_string"),
    ("Number", "texts are turned into numbers by parse_int(text) and parse_float(text)"),
    ("String", "any value has .to_string()"),
    ("console", "use log(message)"),
    ("undefined", "the missing value is ()"),
    ("null", "the missing value is ()"),
    ("NaN", "parse_int and parse_float throw an error that try/catch can handle"),
    ("parseInt", "use parse_int(text)"),
    ("parseFloat", "use parse_float(text)"),
    ("isNaN", "use x.is_nan"),
    ("typeof", "use type_of(x)"),
    ("toString", "use x.to_string()"),
    ("toUpperCase", "use text.to_upper()"),
    ("toLowerCase", "use text.to_lower()"),
    ("indexOf", "use x.index_of(y)"),
    ("includes", "use x.contains(y), or `y in x`"),
    ("startsWith", "use text.starts_with(start)"),
    ("endsWith", "use text.ends_with(end)"),
    ("substring", "use text.sub_string(start, length)"),
    ("substr", "use text.sub_string(start, length)"),
    ("slice", "use text.sub_string(start, length), or array.extract(start, length)"),
    ("charAt", "use text[index]"),
    ("padStart", "Rhai's text.pad(length, \"0\") pads at the end; build the start from its own text"),
    ("padEnd", "use text.pad(length, filling)"),
    ("forEach", "use `for item in array { … }`"),
    ("concat", "use a + b"),
    ("join", "use array.reduce(|text, item| if text == () { item } else { text + \",\" + item }, ())"),
    ("match", "there are no regular expressions; texts have contains, starts_with, split, index_of and sub_string"),
    ("stringify", "use to_json(value)"),
    ("hasOwnProperty", "use map.contains(key), or `key in map`"),
    ("require", "scripts load no modules; use ext(name, …)"),
    ("setTimeout", "there are no timers; use now(…) for what is due from time to time"),
    ("sleep", "a script cannot wait; use now(…) for what is due from time to time"),
    ("timestamp", "the session's time is now()"),
    ("eval", "scripts cannot make code"),
    ("deviceId", "use declare(\"DeviceID.ID\", #{value: 1}).value[0]"),
];

/// JavaScript that Rhai does not parse. Searched outside of texts and comments.
const SPELLINGS: &[(&str, &str)] = &[
    ("===", "`==` instead of `===`"),
    ("!==", "`!=` instead of `!==`"),
    ("++", "`x += 1` instead of `x++`"),
    ("--", "`x -= 1` instead of `x--`"),
    ("null", "`()` instead of `null`"),
    ("undefined", "`()` instead of `undefined`"),
    ("function", "`fn name(…) { … }` at the top level, or a closure `|x| …`, instead of `function`"),
    ("var", "`let` instead of `var`"),
    ("new", "`now()` instead of `new Date()`; there are no other objects to make"),
    ("typeof", "`type_of(x)` instead of `typeof x`"),
    ("await", "no `await`: every call of declare, commit and ext waits by itself"),
    ("async", "no `async`: every call of declare, commit and ext waits by itself"),
    ("Date", "`now()` instead of `Date.now()`"),
    ("JSON", "`parse_json(text)` and `to_json(value)` instead of `JSON`"),
    ("Math", "`floor(x)`, `round(x)`, `random()` instead of `Math.…`"),
];

const MAP_LITERAL: &str = "`#{value: 1}` instead of `{value: 1}`";
const ARROW: &str = "`|x| …` instead of `x => …`";
const FOR_OF: &str = "`for x in list { … }` instead of `for (…)`";
const TERNARY: &str = "`if a { b } else { c }` instead of `a ? b : c`";
const SINGLE_QUOTES: &str = "double quotes for texts (single quotes are for one letter)";

/// What to write instead of a name that is not known.
pub fn for_name(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, hint)| *hint)
}

/// What to write instead of a property, from the engine's message about it.
pub fn for_property(message: &str) -> Option<&'static str> {
    if message.contains("'length'") {
        Some("use .len()")
    } else if message.contains("type ()") || message.contains("type '()'") {
        Some("the value is () (nothing): compare with (), or use ?. and ?[")
    } else {
        None
    }
}

/// If a source that does not compile looks like JavaScript, says what to write instead; first what stands on the given line.
pub fn for_source(source: &str, line: u32) -> Option<String> {
    let mut found: Vec<(bool, &'static str)> = Vec::new();
    for (index, code) in code_lines(source).iter().enumerate() {
        let elsewhere = index + 1 != line as usize;
        let mut note = |hint: &'static str| {
            match found.iter_mut().find(|(_, known)| *known == hint) {
                Some((known_elsewhere, _)) => *known_elsewhere &= elsewhere,
                None => found.push((elsewhere, hint)),
            };
        };
        for (spelling, hint) in SPELLINGS {
            if contains_token(code, spelling) {
                note(hint);
            }
        }
        if has_arrow_function(code) {
            note(ARROW);
        }
        if has_plain_map(code) {
            note(MAP_LITERAL);
        }
        if code.replace(' ', "").starts_with("for(") {
            note(FOR_OF);
        }
        if code.contains(" ? ") && code.contains(" : ") {
            note(TERNARY);
        }
        if code.contains("''") {
            note(SINGLE_QUOTES);
        }
    }
    found.sort_by_key(|(elsewhere, _)| *elsewhere);
    let list: Vec<&str> = found.iter().take(3).map(|(_, hint)| *hint).collect();
    if list.is_empty() {
        return None;
    }
    Some(format!("this looks like JavaScript; scripts are written in Rhai: write {}", list.join(", ")))
}

/// The lines without comments and texts; a text in single quotes that is longer than a letter leaves `''`.
fn code_lines(source: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut letters = source.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\n' => lines.push(String::new()),
            '/' if letters.peek() == Some(&'/') => while letters.next_if(|&next| next != '\n').is_some() {},
            '/' if letters.peek() == Some(&'*') => {
                let mut before = ' ';
                for next in letters.by_ref() {
                    if next == '\n' {
                        lines.push(String::new());
                    }
                    if before == '*' && next == '/' {
                        break;
                    }
                    before = next;
                }
            }
            '"' | '\'' | '`' => {
                let mut length = 0;
                while let Some(next) = letters.next_if(|&next| next != letter && (letter == '`' || next != '\n')) {
                    length += 1;
                    if next == '\\' {
                        letters.next();
                    }
                    if next == '\n' {
                        lines.push(String::new());
                    }
                }
                letters.next_if_eq(&letter);
                let long_single = letter == '\'' && length > 1;
                if let Some(line) = lines.last_mut() {
                    line.push_str(if long_single { "''" } else { "\"\"" });
                }
            }
            _ => {
                if let Some(line) = lines.last_mut() {
                    line.push(letter);
                }
            }
        }
    }
    lines
}

/// Whether a word stands alone, or an operator anywhere but inside a longer one.
fn contains_token(code: &str, token: &str) -> bool {
    let is_word = token.starts_with(|letter: char| letter.is_alphabetic());
    let joins = |letter: Option<char>| match letter {
        Some(letter) if is_word => letter.is_alphanumeric() || letter == '_' || letter == '.',
        Some(letter) => "=!<>+-".contains(letter),
        None => false,
    };
    code.match_indices(token).any(|(start, _)| {
        let before = code[..start].chars().next_back();
        let behind = code[start + token.len()..].chars().next().filter(|&letter| letter != '.');
        !joins(before) && !joins(behind)
    })
}

/// `x =>` or `) =>`; cases of Rhai's `switch` have a literal, `_` or a condition there.
fn has_arrow_function(code: &str) -> bool {
    !contains_token(code, "if")
        && code.match_indices("=>").any(|(start, _)| {
            let before = code[..start].trim_end();
            let word = before.rsplit(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or("");
            let is_name = word.starts_with(|letter: char| letter.is_alphabetic()) && !matches!(word, "true" | "false");
            before.ends_with(')') || is_name
        })
}

/// `{name:` without the `#` that Rhai's maps begin with.
fn has_plain_map(code: &str) -> bool {
    code.match_indices('{').any(|(start, _)| {
        let rest = code[start + 1..].trim_start();
        let name = rest.len() - rest.trim_start_matches(|letter: char| letter.is_alphanumeric() || letter == '_').len();
        let is_key =
            name > 0 && rest[name..].trim_start().starts_with(':') && !rest[name..].trim_start().starts_with("::");
        is_key && !code[..start].ends_with(['#', '$'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javascript_is_recognised() {
        let cases = [
            ("declare(\"A\", {value: 1});", MAP_LITERAL),
            ("let f = x => x;", "`|x| …` instead of `x => …`"),
            ("if (a === 1) {}", "`==` instead of `===`"),
            ("declare(\"A\", null, #{});", "`()` instead of `null`"),
            ("function f() {}", "instead of `function`"),
            ("var x = 1;", "`let` instead of `var`"),
            ("let d = new Date();", "`now()` instead of `new Date()`"),
            ("for (let i = 0; i < 3; i++) {}", FOR_OF),
            ("let x = a ? b : c;", TERNARY),
            ("let x = 'abc';", SINGLE_QUOTES),
        ];
        for (source, hint) in cases {
            let text = for_source(source, 1).unwrap_or_default();
            assert!(text.contains(hint), "{source}: {text}");
        }
    }

    #[test]
    fn rhai_is_not_taken_for_javascript() {
        let cases = [
            "declare(\"A\", #{value: 1}, #{path: 0});",
            "let x = `a ${b} {c: 1}`; // null => ===",
            "let list = a.map(|x| x + 1); let varied = nullable;",
            "/* function\n var */ if a == 'x' { b -= 1; }",
            "switch x { 1 => 2, -2 => 3, \"a\" => 4, 'b' => 5, true => 6, 0..3 => 7, _ => 3 }",
            "switch x { 1 if y => 2, _ if f(x) => 3 }",
        ];
        for source in cases {
            assert_eq!(for_source(source, 1), None, "{source}");
        }
    }

    #[test]
    fn hints_of_the_line_come_first() {
        let source = "var a = 1;\nvar b = null;\ndeclare(\"A\", {value: 1});";
        let text = for_source(source, 3).unwrap_or_default();
        assert!(text.contains("write `#{value: 1}`"), "{text}");
    }
}
