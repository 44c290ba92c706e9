//! Names of documents as names of files, on every file system that people keep a repository on.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

/// The longest name of a file, in bytes, its ending apart.
const MAX_NAME: usize = 240;
/// Names that Windows keeps for devices, whatever follows behind a dot.
const RESERVED: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "lpt1", "lpt2",
    "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// A file's name without its ending: what some file system forbids is percent-escaped. `None` when it is too long.
pub fn file_name(name: &str) -> Option<String> {
    let last = name.chars().count().saturating_sub(1);
    let is_reserved = RESERVED.contains(&name.split('.').next().unwrap_or_default().to_lowercase().as_str());
    let mut out = String::new();
    for (place, letter) in name.chars().enumerate() {
        let is_forbidden = letter.is_control()
            || matches!(letter, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '%')
            || (place == 0 && (matches!(letter, '.' | ' ' | '-') || is_reserved))
            || (place == last && matches!(letter, '.' | ' '));
        if is_forbidden { escape(letter, &mut out) } else { out.push(letter) }
    }
    (out.len() <= MAX_NAME).then_some(out)
}

/// The name of a document that a file's name, without its ending, stands for; `None` when it cannot be one.
pub fn document_name(file_name: &str) -> Option<String> {
    percent_decode_str(file_name).decode_utf8().ok().map(|name| name.into_owned()).filter(|name| !name.is_empty())
}

/// The files' names of documents, by the documents' names; an error is one that is too long. Where some would differ by case alone,
/// which some file systems take for one, their capitals are escaped.
pub fn file_names<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Result<BTreeMap<&'a str, String>, &'a str> {
    let plain = |name: &str| file_name(name).map(|file| file.to_lowercase());
    let mut alike: BTreeMap<String, usize> = BTreeMap::new();
    for name in names.clone() {
        *alike.entry(plain(name).ok_or(name)?).or_default() += 1;
    }
    let of_name = |name: &'a str| {
        let file = file_name(name).ok_or(name)?;
        let is_alone = alike.get(&file.to_lowercase()) == Some(&1);
        let file = if is_alone { file } else { without_capitals(&file) };
        if file.len() <= MAX_NAME { Ok((name, file)) } else { Err(name) }
    };
    names.map(of_name).collect()
}

/// Escapes capitals; escapes that are there stay as they are.
fn without_capitals(file: &str) -> String {
    let mut out = String::new();
    let mut letters = file.chars();
    while let Some(letter) = letters.next() {
        if letter == '%' {
            out.push(letter);
            out.extend(letters.by_ref().take(2));
        } else if letter.to_lowercase().ne([letter]) {
            escape(letter, &mut out);
        } else {
            out.push(letter);
        }
    }
    out
}

fn escape(letter: char, out: &mut String) {
    let mut bytes = [0; 4];
    for byte in letter.encode_utf8(&mut bytes).bytes() {
        out.push_str(&format!("%{byte:02X}"));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_file_system_forbids_is_escaped() {
        for (name, expected) in [
            ("wifi", "wifi"),
            ("Guest Wi-Fi 2.4", "Guest Wi-Fi 2.4"),
            ("a/b", "a%2Fb"),
            ("..", "%2E%2E"),
            (".git", "%2Egit"),
            ("-rf", "%2Drf"),
            ("100%", "100%25"),
            ("con", "%63on"),
            ("NUL.x", "%4EUL.x"),
            ("ends.", "ends%2E"),
            ("é\n", "é%0A"),
        ] {
            assert_eq!(file_name(name).as_deref(), Some(expected), "{name:?}");
            assert_eq!(document_name(expected).as_deref(), Some(name));
        }
        assert_eq!(file_name(&"/".repeat(100)), None);
    }

    #[test]
    fn names_that_differ_by_case_are_two_files() {
        let names = ["A:", "WiFi", "Wifi", "a:", "other", "wifi"];
        let files = file_names(names.into_iter()).unwrap();
        let expected = ["%41%3A", "%57i%46i", "%57ifi", "a%3A", "other", "wifi"];
        assert_eq!(
            files.into_iter().collect::<Vec<_>>(),
            names.into_iter().zip(expected.map(str::to_owned)).collect::<Vec<_>>()
        );
        for (file, name) in expected.into_iter().zip(names) {
            assert_eq!(document_name(file).as_deref(), Some(name));
        }
        let long = "/".repeat(100);
        assert_eq!(file_names([long.as_str()].into_iter()), Err(long.as_str()));
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in ".{1,40}") {
            let file = file_name(&name).unwrap();
            prop_assert_eq!(document_name(&file), Some(name));
        }
    }
}
